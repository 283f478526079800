use bench::outcome::Outcome;
use support::trace_line::TraceLine;

use super::exercise::{Exercise, page};
use super::pipeline::{receive_ids, send_at_once};
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{fill, let_it_end, patient_fetch};
use super::trace::{Says, port_of};
use crate::words::both;

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "2.1",
    title: both("Three requests in one packet", "一个包里的三个请求"),
    question: both(
        "A client sends three fetches in one write, without waiting for a response. By how \
         many reads does the broker take them from the socket? When is the second request \
         read: at once, or when the first is answered? No further edge comes for bytes that \
         have left the socket: what keeps the second from being forgotten?",
        "客户端不等响应，一次写出三个 fetch。broker 读几次套接字才把它们取走？第二个请求什\
         么时候读取：马上，还是等第一个的响应发出之后？字节一旦离开套接字就不会再有边沿，靠\
         什么不把第二个请求忘掉？",
    ),
    experiment,
    answer: both(
        "One read takes all three, since what is there is read along. The channel is muted \
         after the first; the other two lie in user space, and the bit BUFFERED stands for \
         them where no edge will come. Each request is read when the response before it has \
         left, so responses come in request order. Kafka 0.9 read on until the socket was \
         empty, and staged all that it got, however much that was; since KAFKA-7639 it \
         reads one request at a time, and keysWithBufferedRead stands for what TLS has read \
         along.",
        "一次读取就取走全部三个，因为读的时候会把已经到的数据一起读上来。读完第一个请求，\
         channel 就被 mute；另外两个留在用户态的缓冲区里，不会再有边沿来提醒，靠 BUFFERED \
         这一位记住它们。前一个请求的响应发完，才读下一个请求，所以响应按请求的顺序返回。\
         Kafka 0.9 会一直读到套接字为空，读到多少请求就暂存多少；从 KAFKA-7639 起它每次只读\
         一个请求，TLS 多读上来的数据由 keysWithBufferedRead 记住。",
    ),
    pages: &[
        page(
            "docs/en/fetch.md#3-selectorpoll-what-an-edge-leaves-to-remember",
            "docs/zh/fetch.md#3-selectorpoll边沿来过要有地方记住",
        ),
        page(
            "docs/en/fetch.md#4-kafkachannelread-and-networkreceive",
            "docs/zh/fetch.md#4-kafkachannelread-与-networkreceive",
        ),
        page(
            "docs/en/fetch.md#5-mute-and-over-to-the-handlers",
            "docs/zh/fetch.md#5-mute交给-handler",
        ),
    ],
    files: &["src/transport/readiness.rs", "src/transport/read_turn.rs"],
};

const REQUESTS: usize = 3;
const OVER: &str = "Processor.processCompletedSends";

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let stage = Stage::start(&[])?;
    let mut producer = stage.connect();
    fill(&mut producer, 1, 1, 100)?;
    let mut client = stage.connect();
    let port = port_of(&client)?;
    send_at_once(&mut client, &[0; REQUESTS].map(|_| patient_fetch(0, 0)))?;
    let ids = receive_ids(&mut client, REQUESTS)?;
    let_it_end(&mut client);
    let trace = stage.stop()?;

    let connection = trace.connection_of(port)?;
    let lines: Vec<&TraceLine> = trace.of_connection(connection).collect();
    let last = format!("{connection}/103");
    let end = lines.iter().position(|it| it.subject == last && it.says(OVER, ""));
    let lines = &lines[..=end.unwrap_or(lines.len() - 1)];
    let is_told = |it: &&&TraceLine| {
        is_read(it) || is_whole_request(it) || it.says("KafkaChannel.mute", "") || it.says(OVER, "")
    };
    sheet.part(both(
        "the connection, from its first byte to its last response",
        "这个连接，从第一个字节到最后一个响应",
    ));
    lines.iter().filter(is_told).for_each(|line| sheet.show(line));
    sheet.saw(
        both("reads of the socket", "读套接字的次数"),
        lines.iter().filter(|it| is_read(it)).count(),
    );
    sheet.saw(
        both("responses, by the ids of their requests", "响应的顺序（请求的 correlation id）"),
        format!("{ids:?}"),
    );

    let reads = lines.iter().filter(|it| is_read(it)).count();
    sheet.claim(
        both(
            "one read takes all three requests from the socket",
            "一次读取就从套接字取走全部三个请求",
        ),
        reads == 1,
    );
    sheet.claim(
        both("the responses come in the order of the requests", "响应按请求的顺序返回"),
        ids == [101, 102, 103],
    );
    let turns: Vec<(&str, bool)> = lines
        .iter()
        .filter(|it| is_whole_request(it) || it.says(OVER, ""))
        .map(|it| (it.subject.as_str(), it.says(OVER, "")))
        .collect();
    let is_one_by_one = turns.len() == 2 * REQUESTS
        && turns.chunks(2).all(|it| it[0].0 == it[1].0 && !it[0].1 && it[1].1);
    sheet.claim(
        both(
            "no request is read before the one before it is answered",
            "前一个请求的响应发完之前，不读下一个请求",
        ),
        is_one_by_one,
    );
    Ok(())
}

fn is_read(line: &TraceLine) -> bool {
    line.says("PlaintextTransportLayer.read", "")
}

fn is_whole_request(line: &TraceLine) -> bool {
    line.says("KafkaChannel.read", "a request of ")
}
