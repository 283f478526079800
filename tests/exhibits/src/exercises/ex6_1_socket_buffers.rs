use bench::outcome::Outcome;
use support::client::NEWEST_FETCH;
use transferto::protocol::request::RequestBody;

use super::exercise::{Exercise, page};
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{fetch_of, fill, let_it_end};
use crate::words::{Text, both};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "6.1",
    title: both("The socket's buffer and the calls of sendfile", "套接字缓冲区与 sendfile 的次数"),
    question: both(
        "A consumer asks for a million bytes, reads nothing until the broker can send no \
         more, and then reads all. How many calls of sendfile(2) does that take if \
         socket.send.buffer.bytes is 16384, 102400 (Kafka's default), 1048576, or -1, which \
         leaves the size to the system (the default here)? Does the buffer's size change \
         how many bytes are copied?",
        "消费者请求一百万字节，先一个字节也不读，直到 broker 再也发不出去，然后全部读完。\
         socket.send.buffer.bytes 分别取 16384、102400（Kafka 的默认值）、1048576 和 -1（由\
         系统决定，这里的默认值），各要几次 sendfile(2)？缓冲区的大小会改变拷贝的字节数吗？",
    ),
    experiment,
    answer: both(
        "A call takes what the socket has room for, so a small buffer means more calls, and \
         a wait before each; a buffer that holds the whole response means one. Nothing is \
         copied into the process either way: what the socket holds are references to pages \
         of the page cache. More is taken than the buffer's size even while nobody reads: \
         bytes move on into the buffer of the consumer's socket, and room is made while the \
         call runs.",
        "套接字有多少空间，一次调用就发多少，所以缓冲区小，调用就多，而且每次之前都要等；缓\
         冲区装得下整个响应，一次就够。不管哪一种，都没有字节拷贝进进程：套接字里存的是对页\
         缓存中各页的引用。消费者还没有读取，发出的就比缓冲区的大小还多：数据会继续流进消费\
         者一端的套接字缓冲区，调用进行当中又腾出了空间。",
    ),
    pages: &[
        page(
            "docs/en/fetch.md#18-transferfrom-sendfile2",
            "docs/zh/fetch.md#18-transferfromsendfile2",
        ),
        page("docs/en/fetch.md#what-the-kernel-saw", "docs/zh/fetch.md#内核看到了什么"),
    ],
    files: &["src/transport/plaintext_transport_layer.rs", "src/network/tcp_settings.rs"],
};

const SIZES: [&str; 4] = ["16384", "102400", "1048576", "-1"];
const ALL: i32 = 2 * 1024 * 1024;

struct Cost {
    message_bytes: i64,
    /// Before the consumer has read a byte.
    taken_at_first: i64,
    sendfile_bytes: i64,
    copied_bytes: i64,
    calls: i64,
}

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let mut costs = Vec::new();
    for size in SIZES {
        let cost = cost_of(size)?;
        sheet.part(Text::same(format!("socket.send.buffer.bytes={size}")));
        sheet.saw(
            both("bytes taken before the consumer reads", "消费者读取之前发出的字节"),
            cost.taken_at_first,
        );
        sheet.saw(
            both(
                "calls of sendfile for all (sendfile_calls)",
                "发完全部的 sendfile 次数（sendfile_calls）",
            ),
            cost.calls,
        );
        costs.push(cost);
    }
    let [small, kafkas, large, _] = &costs[..] else { return Ok(()) };
    let is_zero_copy = |it: &Cost| it.copied_bytes == 0 && it.sendfile_bytes == it.message_bytes;
    let words = both(
        "with any buffer all messages leave by sendfile, and none is copied",
        "不管缓冲区多大，消息都由 sendfile 发出，一个字节也不拷贝",
    );
    sheet.claim(words, costs.iter().all(is_zero_copy));
    let words = both(
        "the larger the buffer, the more is taken while nobody reads",
        "没有人读取时，缓冲区越大，发出的越多",
    );
    let taken = [small, kafkas, large].map(|it| it.taken_at_first);
    sheet.claim(words, taken[0] < taken[1] && taken[1] <= taken[2]);
    let words = both(
        "what the buffers do not hold while nobody reads takes further calls",
        "没有人读取时缓冲区装不下的，要靠后面的调用发出",
    );
    let is_so = |it: &Cost| it.taken_at_first == it.message_bytes || it.calls > 1;
    sheet.claim(words, costs.iter().all(is_so) && small.calls > 1);
    Ok(())
}

fn cost_of(size: &str) -> Outcome<Cost> {
    let stage = Stage::start_untraced(&[&format!("socket.send.buffer.bytes={size}")])?;
    let mut client = stage.connect();
    fill(&mut client, 10, 1, 100_000)?;
    // A connection of its own, whose buffers nothing has gone through yet.
    let mut consumer = stage.connect();
    let_it_end(&mut consumer);
    let before = stage.counters()?;
    let header = consumer.send(NEWEST_FETCH, &RequestBody::Fetch(fetch_of(0, ALL)), &[]);
    let at_first = stage.settled_counters_after(&before, "sendfile_calls")?;
    let messages = consumer.receive_fetch(&header).remove(0).records;
    let_it_end(&mut consumer);
    let after = stage.counters()?;
    Ok(Cost {
        message_bytes: i64::try_from(messages.len())?,
        taken_at_first: at_first.since(&before, "sendfile_bytes"),
        sendfile_bytes: after.since(&before, "sendfile_bytes"),
        copied_bytes: after.since(&before, "copied_message_bytes"),
        calls: after.since(&before, "sendfile_calls"),
    })
}
