//! Both brokers side by side as text.

use crate::kafka::columns;
use crate::replication::legs::{Leg, OF_PRODUCE};
use crate::replication::side::Side;
use crate::session::VALUE_BYTES;
use crate::totals::Count;

const HEAD: &str = "\
One record on its way from a producer to a leader, to its follower, and to a consumer: the system calls of both
brokers, of Apache Kafka 0.9.0.1 and of transferto, side by side

How to read it: as docs/exhibits/strace-kafka-0.9.0.1.txt, which has a legend, and besides
  follower    in a call of the leader: the connection by which the other broker fetches
  leader      in a call of the follower: the same connection, from its other end
  fetcher     the thread of the follower that fetches from this leader
  [follower]  a step that is on no request's way
A follower's fetch waits until there is something, here for eight seconds (replica.fetch.wait.max.ms), so that
nothing happens in which the record has no part. Before it, forty records went the same way.
The steps of both are by rule: by thread, call and descriptor.
";

const NAME_COLUMNS: usize = 52;
const FIGURE_COLUMNS: usize = 28;

pub(super) fn text(sides: &[Side; 2]) -> String {
    let mut text = format!(
        "{HEAD}\n== produce: one record of {VALUE_BYTES} bytes, acks=all; the follower's fetch is there and waits\n"
    );
    for leg in OF_PRODUCE {
        text += &leg_text(sides, leg);
    }
    text += "\n== consume: a fetch of the same record\n";
    text += &leg_text(sides, Leg::Consumed);
    text + "\n== words: what leader and follower say, from the bytes of those calls\n\n"
        + &words(sides)
        + "\n== sums: from the producer's request to its response\n\n"
        + &table(sides)
}

fn leg_text(sides: &[Side; 2], leg: Leg) -> String {
    let [original, ours] = sides;
    format!(
        "\n{}\n\n{}{}",
        leg.title(),
        columns::head(original.software.name(), ours.software.name()),
        columns::act_text(leg.act(), &original.way.request(leg), &ours.way.request(leg))
    )
}

/// What a row says of a side; `-` for what its version of the protocol has not.
type Cell = fn(&Side) -> String;

fn words(sides: &[Side; 2]) -> String {
    let rows: [(&str, Option<Cell>); 15] = [
        ("the answer to the fetch that waited", None),
        ("  high watermark", Some(|it| it.conversation.answer.high_watermark.to_string())),
        ("  offset of the record that it brings", Some(|it| it.offset.to_string())),
        ("the follower's next fetch", None),
        ("  version", Some(|it| it.conversation.header.api_version.to_string())),
        ("  client id", Some(|it| it.conversation.header.client_id.clone().unwrap_or_default())),
        ("  replica id", Some(|it| it.conversation.request.replica_id().to_string())),
        ("  may wait, ms", Some(|it| it.conversation.request.max_wait_ms.to_string())),
        ("  fetch offset", Some(|it| it.conversation.partition.fetch_offset.to_string())),
        ("  bytes at most", Some(|it| it.conversation.partition.partition_max_bytes.to_string())),
        ("  leader epoch", Some(|it| or_none(it.conversation.partition.current_leader_epoch))),
        (
            "  epoch of its last record",
            Some(|it| or_none(it.conversation.partition.last_fetched_epoch)),
        ),
        ("the answer to the consumer", None),
        (
            "  high watermark",
            Some(|it| it.conversation.answer_to_consumer.high_watermark.to_string()),
        ),
        ("  offset of the record that it brings", Some(|it| it.offset.to_string())),
    ];
    let mut text = named_columns(sides);
    for (name, cell) in rows {
        text += &match cell {
            Some(cell) => line(name, sides.each_ref().map(cell)),
            None => format!("{name}\n"),
        };
    }
    text
}

fn or_none(epoch: i32) -> String {
    if epoch < 0 { "-".to_string() } else { epoch.to_string() }
}

fn table(sides: &[Side; 2]) -> String {
    let rows: [(&str, Cell); 7] = [
        ("leader: by sendfile to the follower", |it| bytes(it.sums.to_follower)),
        ("leader: read from its log into the process", |it| bytes(it.sums.read_back)),
        ("follower: read from the leader", |it| bytes(it.sums.received)),
        ("follower: written to its log", |it| bytes(it.sums.copied)),
        ("leader: all calls", |it| it.sums.of_leader.to_string()),
        ("follower: all calls", |it| it.sums.of_follower.to_string()),
        ("both segments have the same bytes", |it| {
            if it.is_identical { "yes" } else { "no" }.to_string()
        }),
    ];
    let lines = rows.map(|(name, cell)| line(name, sides.each_ref().map(cell)));
    named_columns(sides) + &lines.concat()
}

fn bytes(count: Count) -> String {
    match count.calls {
        0 => "0".to_string(),
        1 => format!("{} in 1 call", count.bytes),
        calls => format!("{} in {calls} calls", count.bytes),
    }
}

fn named_columns(sides: &[Side; 2]) -> String {
    line("", sides.each_ref().map(|it| it.software.name().to_string()))
}

fn line(name: &str, cells: [String; 2]) -> String {
    let cells = cells.map(|it| format!("{it:>FIGURE_COLUMNS$}")).concat();
    format!("{}\n", format!("{name:NAME_COLUMNS$}{cells}").trim_end())
}
