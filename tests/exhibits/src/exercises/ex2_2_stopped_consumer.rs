use bench::outcome::{Outcome, failed};
use support::client::NEWEST_FETCH;
use support::trace_line::TraceLine;
use transferto::protocol::request::RequestBody;

use super::exercise::Exercise;
use super::sheet::Sheet;
use super::stage::Stage;
use super::topic::{fetch, fetch_of, fill, let_it_end};
use super::trace::{Says, line_of, number_after, port_of};

pub(crate) const EXERCISE: Exercise = Exercise {
    number: "2.2",
    title: "A consumer that does not read",
    question: "A consumer asks for eight million bytes and then reads nothing; the send buffer \
        is Kafka's, 102400 bytes. How far does sendfile(2) get? What does its Processor do \
        meanwhile, and does a second consumer of the same Processor notice? From which position \
        on does sendfile(2) go on when the first reads at last?",
    experiment,
    answer: "sendfile(2) gets as far as the two sockets' buffers reach. A call that moves less \
        than it was asked to, with no room behind it, uses up the writable bit, and the \
        Processor goes back to epoll: it waits for nobody in particular, so the second consumer \
        gets all it asks for. When the first reads, there is room, an edge says so, and \
        sendfile(2) goes on behind the last byte that was taken.",
    read_on: &[
        "docs/en/fetch.md#15-kafkachannelwrite-one-turn",
        "docs/en/fetch.md#18-transferfrom-sendfile2",
        "src/transport/write_turn.rs",
        "src/transport/plaintext_transport_layer.rs",
    ],
};

const BATCHES: usize = 16;
const VALUE_BYTES: usize = 500_000;
const ALL: i32 = 16 * 1024 * 1024;
/// Kafka's default: left to the system, a buffer can grow to hold any response.
const KAFKAS_BUFFER: &str = "socket.send.buffer.bytes=102400";
/// The first batch, and no more.
const ONE_BATCH: i32 = 1;

fn experiment(sheet: &mut Sheet) -> Outcome<()> {
    let stage = Stage::start(&["num.network.threads=1", KAFKAS_BUFFER])?;
    let mut second = stage.connect();
    fill(&mut second, BATCHES, 1, VALUE_BYTES)?;
    let mut first = stage.connect();
    let first_port = port_of(&first)?;
    let before = stage.counters()?;
    let header = first.send(NEWEST_FETCH, &RequestBody::Fetch(fetch_of(0, ALL)), &[]);
    stage.wait_for("PlaintextTransportLayer.sendfile", 1)?;
    let stopped = stage.settled_counters()?;
    let taken = stopped.since(&before, "sendfile_bytes");
    let (of_second, _) = fetch(&mut second, fetch_of(0, ONE_BATCH));
    let_it_end(&mut second);
    let meanwhile = stage.settled_counters()?;
    let messages = first.receive_fetch(&header).remove(0).records;
    let_it_end(&mut first);
    let trace = stage.stop()?;

    let whole = i64::try_from(messages.len())?;
    sheet.part("the first consumer does not read");
    sheet.saw("message bytes that it has asked for", whole);
    sheet.saw("of them taken by the sockets' buffers", taken);
    let connection = trace.connection_of(first_port)?;
    let lines = trace.of_request(connection, header.correlation_id);
    sheet.show(line_of(&lines, "KafkaChannel.write", "the socket is full")?);
    sheet.part("a second consumer of the same Processor fetches");
    let others = meanwhile.since(&stopped, "sendfile_bytes");
    sheet.saw("message bytes that it gets", of_second.len());
    sheet.saw("message bytes that leave meanwhile, to both", others);
    sheet.part("the first consumer reads: all its calls of sendfile");
    let calls: Vec<&&TraceLine> =
        lines.iter().filter(|it| it.says("PlaintextTransportLayer.sendfile", "")).collect();
    // The first and the last few tell it.
    for line in calls.iter().take(4).chain(calls.iter().skip(4.max(calls.len().saturating_sub(2))))
    {
        sheet.show(line);
    }
    sheet.saw("calls of sendfile in all", calls.len());

    sheet.claim("not all fits into the buffers", taken > 0 && taken < whole);
    sheet.claim("the second consumer gets its batch meanwhile", of_second.len() > VALUE_BYTES);
    let is_stopped = taken + others - i64::try_from(of_second.len())? < whole;
    sheet.claim("the first still waits when the second has it all", is_stopped);
    sheet.claim("each call goes on where the one before it ended", is_chain(&calls)?);
    Ok(())
}

/// Whether each call begins at the position at which the one before it has ended.
fn is_chain(calls: &[&&TraceLine]) -> Outcome<bool> {
    let Some(first) = calls.first() else { return failed("there is no sendfile") };
    let mut position = number_after(first, "position ")?;
    for call in calls {
        if number_after(call, "position ")? != position {
            return Ok(false);
        }
        // `position 1: 2 of 3 bytes`, or why not.
        position += number_after(call, ": ").unwrap_or(0);
    }
    Ok(true)
}
