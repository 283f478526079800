use bench::outcome::Outcome;
use support::client::NEWEST_FETCH;
use transferto::protocol::request::RequestBody;

use super::exercise::Exercise;
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{fetch_of, fill, let_it_end};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "6.1",
    title: "The socket's buffer and the calls of sendfile",
    question: "A consumer asks for a million bytes, reads nothing until the broker can send no \
        more, and then reads all. How many calls of sendfile(2) does that take if \
        socket.send.buffer.bytes is 16384, 102400 (Kafka's default), 1048576, or -1, which \
        leaves the size to the system (the default here)? Does the buffer's size change how many \
        bytes are copied?",
    experiment,
    answer: "A call takes what the socket has room for, so a small buffer means more calls, \
        and a wait before each; a buffer that holds the whole response means one. Nothing is \
        copied into the process either way: what the socket holds are references to pages of the \
        page cache. More is taken than the buffer's size even while nobody reads: bytes move on \
        into the buffer of the consumer's socket, and room is made while the call runs.",
    read_on: &[
        "docs/en/fetch.md#18-transferfrom-sendfile2",
        "docs/en/fetch.md#what-the-kernel-saw",
        "src/transport/plaintext_transport_layer.rs",
        "src/network/tcp_settings.rs",
    ],
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
        sheet.part(&format!("socket.send.buffer.bytes={size}"));
        sheet.saw("bytes taken before the consumer reads", cost.taken_at_first);
        sheet.saw("calls of sendfile for all (sendfile_calls)", cost.calls);
        costs.push(cost);
    }
    let [small, kafkas, large, _] = &costs[..] else { return Ok(()) };
    let is_zero_copy = |it: &Cost| it.copied_bytes == 0 && it.sendfile_bytes == it.message_bytes;
    let words = "with any buffer all messages leave by sendfile, and none is copied";
    sheet.claim(words, costs.iter().all(is_zero_copy));
    let words = "the larger the buffer, the more is taken while nobody reads";
    let taken = [small, kafkas, large].map(|it| it.taken_at_first);
    sheet.claim(words, taken[0] < taken[1] && taken[1] <= taken[2]);
    let words = "what the buffers do not hold while nobody reads takes further calls";
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
