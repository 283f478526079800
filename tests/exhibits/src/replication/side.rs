//! One of the two columns, and what it comes to.

use bench::outcome::{Outcome, failed};

use crate::cluster::Software;
use crate::kafka::line::Thing;
use crate::replication::legs::{Leg, OF_PRODUCE, Rules, Way};
use crate::replication::watch::{FOLLOWER, Replication};
use crate::replication::wire::Conversation;
use crate::session::VALUE_BYTES;
use crate::totals::Count;

/// What looks for an offset reads less of a log at a time.
const HEADER_BYTES_MAX: i64 = 61;

pub(super) struct Side {
    pub(super) software: Software,
    pub(super) way: Way,
    pub(super) conversation: Conversation,
    pub(super) offset: i64,
    pub(super) is_identical: bool,
    pub(super) sums: Sums,
}

/// Bytes of messages, and the calls that moved them.
#[derive(Default)]
pub(super) struct Sums {
    pub(super) to_follower: Count,
    pub(super) to_consumer: Count,
    /// Of the leader's log, into its process.
    pub(super) read_back: Count,
    /// Into the follower's process, and out of it into its log.
    pub(super) received: Count,
    pub(super) copied: Count,
    /// All calls from the producer's request to its response.
    pub(super) of_leader: usize,
    pub(super) of_follower: usize,
}

impl Side {
    pub(super) fn of(software: Software) -> Outcome<Self> {
        let rules = match software {
            Software::Original => Rules::OfKafka,
            Software::Ours => Rules::OfOurs,
        };
        let replication = Replication::of(software)?;
        let way = Way::of(&replication, rules);
        let side = Self {
            software,
            sums: Sums::of(&way),
            way,
            conversation: Conversation::of(&replication)?,
            offset: replication.offset,
            is_identical: replication.is_identical,
        };
        side.judge()?;
        Ok(side)
    }

    /// Whether it is as the pages say: the same call sends to the follower as to the consumer, no message
    /// is read into the leader, each is read into the follower, and the follower gets it before anybody may
    /// consume it.
    fn judge(&self) -> Outcome<()> {
        let Sums { to_follower, to_consumer, read_back, received, copied, .. } = &self.sums;
        let talk = &self.conversation;
        let claims = [
            (
                "as much for the follower as for the consumer",
                to_follower.bytes == to_consumer.bytes,
            ),
            ("the whole record by sendfile", to_follower.bytes >= VALUE_BYTES as i64),
            ("no message into the leader's process", read_back.bytes == 0),
            ("each into the follower's", received.bytes >= to_follower.bytes),
            ("and out of it", copied.bytes == to_follower.bytes),
            ("the request is the follower's", talk.request.replica_id() == FOLLOWER),
            ("it comes before the high watermark", talk.answer.high_watermark == self.offset),
            ("it says that it has it", talk.partition.fetch_offset == self.offset + 1),
            (
                "and so it may be consumed",
                talk.answer_to_consumer.high_watermark == self.offset + 1,
            ),
            ("the segments are the same", self.is_identical),
        ];
        match claims.iter().find(|it| !it.1) {
            None => Ok(()),
            Some((claim, _)) => {
                failed(format!("FAILURE: {}: this does not hold: {claim}", self.software.name()))
            }
        }
    }

    pub(super) fn figures(&self) -> Vec<(String, String)> {
        let sums = &self.sums;
        let figures = [
            ("offset", self.offset.to_string()),
            ("sendfile_bytes", sums.to_follower.bytes.to_string()),
            ("received_bytes", sums.received.bytes.to_string()),
            ("copied_bytes", sums.copied.bytes.to_string()),
            ("receive_calls", sums.received.calls.to_string()),
            ("leader_calls", sums.of_leader.to_string()),
            ("follower_calls", sums.of_follower.to_string()),
        ];
        figures.map(|(name, value)| (name.to_string(), value)).to_vec()
    }
}

impl Sums {
    fn of(way: &Way) -> Self {
        let mut sums = Self::default();
        for leg in OF_PRODUCE {
            for call in way.calls(leg) {
                let (name, bytes) = (call.line.call.as_str(), bytes_in(&call.line.text));
                let is_read = ["read", "readv", "recvfrom", "pread64"].contains(&name);
                match (leg, name, call.thing) {
                    (Leg::Sent, "sendfile", _) => add(&mut sums.to_follower, bytes),
                    (Leg::Copied, _, Thing::Leader) if is_read => add(&mut sums.received, bytes),
                    (Leg::Copied, "write" | "pwrite64" | "pwritev" | "writev", Thing::Log) => {
                        add(&mut sums.copied, bytes);
                    }
                    (_, _, Thing::Log) if is_read && bytes > HEADER_BYTES_MAX => {
                        add(&mut sums.read_back, bytes);
                    }
                    _ => (),
                }
                let count =
                    if leg == Leg::Copied { &mut sums.of_follower } else { &mut sums.of_leader };
                *count += 1;
            }
        }
        for call in way.calls(Leg::Consumed).filter(|it| it.line.call == "sendfile") {
            add(&mut sums.to_consumer, bytes_in(&call.line.text));
        }
        sums
    }
}

fn add(count: &mut Count, bytes: i64) {
    count.calls += 1;
    count.bytes += bytes.max(0);
}

/// What the call returned.
fn bytes_in(text: &str) -> i64 {
    text.rsplit("= ").next().and_then(|it| it.parse().ok()).unwrap_or_default()
}
