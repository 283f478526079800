use bench::outcome::Outcome;
use support::trace_line::TraceLine;

use super::exercise::Exercise;
use super::pipeline::{receive_ids, send_at_once};
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{fill, let_it_end, patient_fetch};
use super::trace::{Says, port_of};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "2.1",
    title: "Three requests in one packet",
    question: "A client sends three fetches in one write, without waiting for a response. By \
        how many reads does the broker take them from the socket? When is the second request \
        read: at once, or when the first is answered? No further edge comes for bytes that have \
        left the socket: what keeps the second from being forgotten?",
    experiment,
    answer: "One read takes all three, since what is there is read along. The channel is muted \
        after the first; the other two lie in user space, and the bit BUFFERED stands for them \
        where no edge will come. Each request is read when the response before it has left, so \
        responses come in request order. Kafka 0.9 read on until the socket was empty, and \
        staged all that it got, however much that was; since KAFKA-7639 it reads one request at \
        a time, and keysWithBufferedRead stands for what TLS has read along.",
    read_on: &[
        "docs/en/fetch.md#3-selectorpoll-what-an-edge-leaves-to-remember",
        "docs/en/fetch.md#4-kafkachannelread-and-networkreceive",
        "docs/en/fetch.md#5-mute-and-over-to-the-handlers",
        "src/transport/readiness.rs",
        "src/transport/read_turn.rs",
    ],
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
    sheet.part("the connection, from its first byte to its last response");
    lines.iter().filter(is_told).for_each(|line| sheet.show(line));
    sheet.saw("reads of the socket", lines.iter().filter(|it| is_read(it)).count());
    sheet.saw("responses, by the ids of their requests", format!("{ids:?}"));

    let reads = lines.iter().filter(|it| is_read(it)).count();
    sheet.claim("one read takes all three requests from the socket", reads == 1);
    sheet.claim("the responses come in the order of the requests", ids == [101, 102, 103]);
    let turns: Vec<(&str, bool)> = lines
        .iter()
        .filter(|it| is_whole_request(it) || it.says(OVER, ""))
        .map(|it| (it.subject.as_str(), it.says(OVER, "")))
        .collect();
    let is_one_by_one = turns.len() == 2 * REQUESTS
        && turns.chunks(2).all(|it| it[0].0 == it[1].0 && !it[0].1 && it[1].1);
    sheet.claim("no request is read before the one before it is answered", is_one_by_one);
    Ok(())
}

fn is_read(line: &TraceLine) -> bool {
    line.says("PlaintextTransportLayer.read", "")
}

fn is_whole_request(line: &TraceLine) -> bool {
    line.says("KafkaChannel.read", "a request of ")
}
