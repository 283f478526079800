//! Two brokers, a leader and its follower, of which one can be held still.

use std::thread::sleep;
use std::time::{Duration, Instant};

use bench::outcome::{Outcome, failed};
use nix::sys::signal::{Signal, kill};
use support::client::{Client, NEWEST_PRODUCE, produce_request};
use support::records::batch;
use transferto::protocol::produce::ProduceRequest;
use transferto::protocol::request::{RequestBody, ResponseBody};

use crate::cluster::{Cluster, values};

pub(super) const LEADER: i32 = 1;
pub(super) const FOLLOWER: i32 = 2;
pub(super) const BOTH: [i32; 2] = [LEADER, FOLLOWER];
pub(super) const TOPIC: &str = "replicated";
pub(super) const ACKS_LEADER: i16 = 1;
pub(super) const ACKS_ALL: i16 = -1;
/// Of the controller: a broker that is held still is not taken for dead in this time.
pub(super) const NOBODY_IS_MISSED: &str = "broker.session.timeout.ms=60000";
/// The records are older than a broker would keep them, or keep them in one segment.
const KEEPS_OLD_RECORDS: [(&str, &str); 2] =
    [("retention.ms", "-1"), ("segment.ms", "9223372036854775807")];

/// For what brokers do by themselves.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOKS_EVERY: Duration = Duration::from_millis(20);

pub(super) struct Replicas {
    pub(super) cluster: Cluster,
}

impl Replicas {
    /// With a topic on both brokers, which are in sync.
    pub(super) fn start(
        settings: &[&str],
        of_controller: &str,
        of_topic: &[(&str, &str)],
    ) -> Outcome<Self> {
        let cluster = Cluster::start_ours(&BOTH, settings, &[of_controller])?;
        let of_topic = [&KEEPS_OLD_RECORDS[..], of_topic].concat();
        cluster.create_topic(TOPIC, &BOTH, &of_topic)?;
        cluster.await_replicas(TOPIC, &BOTH)?;
        Ok(Self { cluster })
    }

    /// Nothing of the broker runs until `go_on`.
    pub(super) fn hold_still(&self, id: i32) -> Outcome<()> {
        Ok(kill(self.cluster.pid(id)?, Signal::SIGSTOP)?)
    }

    pub(super) fn go_on(&self, id: i32) -> Outcome<()> {
        Ok(kill(self.cluster.pid(id)?, Signal::SIGCONT)?)
    }

    pub(super) fn connect(&self, id: i32) -> Client {
        self.cluster.connect(id)
    }

    /// As the broker `asked` has heard.
    pub(super) fn await_isr(&self, asked: i32, isr: &[i32]) -> Outcome<()> {
        await_that("the ISR", || self.cluster.isr(asked, TOPIC) == isr)
    }

    pub(super) fn await_leader(&self, asked: i32, leader: i32) -> Outcome<()> {
        await_that("the leader", || self.cluster.leader(asked, TOPIC) == Some(leader))
    }
}

pub(super) fn await_that(what: &str, mut is_so: impl FnMut() -> bool) -> Outcome<()> {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() > PATIENCE {
            return failed(format!("waited in vain for {what}"));
        }
        sleep(LOOKS_EVERY);
    }
    Ok(())
}

/// What the broker answers: an error code, or 0.
pub(super) fn produce(client: &mut Client, acks: i16, value: &str, timeout_ms: i32) -> i16 {
    let records = batch(&[value]);
    let request = ProduceRequest { timeout_ms, ..produce_request(acks, TOPIC, 0, records.len()) };
    match client.call(NEWEST_PRODUCE, &RequestBody::Produce(request), &records).0 {
        ResponseBody::Produce(it) => it.responses[0].partition_responses[0].error_code,
        other => panic!("{other:?}"),
    }
}

/// The values that a consumer gets from the beginning, and the high watermark that it hears of.
pub(super) fn consume(client: &mut Client) -> Outcome<(Vec<String>, i64)> {
    let fetched = client.fetch(TOPIC, 0, 0);
    if fetched.error != 0 {
        return failed(format!("the fetch has failed: error {}", fetched.error));
    }
    Ok((values(&fetched.records)?, fetched.high_watermark))
}
