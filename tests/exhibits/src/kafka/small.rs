//! A fetch from the middle of a thousand small messages, and what is read to find the offset. In the
//! session each message is so large that the index has an entry for it.

use std::thread::sleep;

use bench::outcome::{Outcome, failed};
use support::client::{Client, fetch_request};

use crate::kafka::GRACE;
use crate::recorder::{Recorder, now_us};
use crate::recording::create_topic;
use crate::session::Year;
use crate::traced_broker::TracedBroker;

pub(crate) const TOPIC: &str = "small";
/// So many requests of one message each.
const MESSAGES: i64 = 1000;
const VALUE_BYTES: usize = 100;
/// In the middle, and some way behind an entry of the index in both formats.
const FETCH_OFFSET: i64 = 510;

/// Puts the messages into the topic, which is there.
pub(crate) fn fill(port: u16, year: Year) -> Outcome<()> {
    let mut producer = Client::connect(port);
    let records = year.records(&[b'.'; VALUE_BYTES]);
    for _ in 0..MESSAGES {
        let version = year.produce_version();
        let partition = producer.produce_with(version, 1, (TOPIC, 0), &records);
        if partition.error_code != 0 {
            return failed(format!("a message is not stored: error {}", partition.error_code));
        }
    }
    Ok(())
}

/// Fetches, and counts the reads of the segment meanwhile.
pub(crate) fn reads_of_a_fetch(recorder: &Recorder, port: u16, year: Year) -> Outcome<usize> {
    sleep(GRACE);
    recorder.wait_until_asleep()?;
    let began_us = now_us();
    let fetch = fetch_request(TOPIC, 0, FETCH_OFFSET);
    let fetched = Client::connect(port).fetch_with(year.fetch_version(), fetch).remove(0);
    if fetched.records.is_empty() {
        return failed(format!("a fetch has brought nothing: error {}", fetched.error));
    }
    sleep(GRACE);
    recorder.wait_until_asleep()?;
    let threads = recorder.threads()?;
    let calls = threads.iter().flat_map(|it| &it.calls).filter(|it| it.began_us >= began_us);
    Ok(calls.filter(|it| it.name == "pread64" && it.arguments.contains(".log>")).count())
}

/// The same of this broker.
pub(crate) fn reads_of_ours(year: Year) -> Outcome<usize> {
    let broker = TracedBroker::start(&[], &[])?;
    create_topic(broker.port, year, TOPIC);
    fill(broker.port, year)?;
    let reads = reads_of_a_fetch(broker.recorder(), broker.port, year)?;
    broker.stop()?;
    Ok(reads)
}
