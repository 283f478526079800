//! Reads partitions from their leaders: beside the producers, as a consumer that must never see
//! anything but the next record; and after a round, to hold the log to the producers' ledgers.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use support::random::Random;
use transferto::common::errors::Errors;
use transferto::protocol::fetch::{FetchPartition, FetchRequest, FetchTopic};
use transferto::protocol::request::{RequestBody, ResponseBody};

use crate::client::Client;
use crate::cluster::partitions::{ANSWER_PATIENCE, Partition, all_partitions, leader_address};
use crate::outcome::{Outcome, failed};
use crate::records::{Found, found};

const FETCH_VERSION: i16 = 11;
const FETCH_BYTES: i32 = 1 << 20;
const PAUSE: Duration = Duration::from_millis(10);

/// What a leader answered: an error code, the high watermark, the bytes.
pub(crate) fn fetch(
    client: &mut Client,
    partition: Partition,
    fetch_offset: i64,
) -> Outcome<(i16, i64, Vec<u8>)> {
    let asked = FetchPartition {
        partition: partition.index,
        fetch_offset,
        partition_max_bytes: FETCH_BYTES,
        ..FetchPartition::default()
    };
    let topic = FetchTopic {
        topic: partition.topic.to_string(),
        partitions: vec![asked],
        ..FetchTopic::default()
    };
    let topics = vec![topic];
    let request = FetchRequest { max_wait_ms: 0, min_bytes: 1, topics, ..FetchRequest::default() };
    let (body, frame) = client.call(FETCH_VERSION, &RequestBody::Fetch(request), &[])?;
    let ResponseBody::Fetch(response) = body else { return failed("another answer") };
    let mut partitions = response.topics.into_iter().flat_map(|it| it.partitions);
    let Some(answer) = partitions.next() else { return failed("no partition") };
    let records = answer.records.map(|range| frame[range].to_vec()).unwrap_or_default();
    Ok((answer.header.error_code, answer.header.high_watermark, records))
}

/// All records from `from` on up to the high watermark, which comes with them.
pub(crate) fn read_all(
    partition: Partition,
    from: i64,
    random: &mut Random,
) -> Outcome<(Vec<Found>, i64)> {
    let Some(leader) = leader_address(partition, random) else { return failed("no leader") };
    let mut client = Client::connect_to(leader, ANSWER_PATIENCE)?;
    let (mut all, mut next) = (Vec::new(), from);
    loop {
        let (error, high_watermark, bytes) = fetch(&mut client, partition, next)?;
        if error != 0 {
            return failed(format!("a fetch of {partition} from {next} on answers error {error}"));
        }
        let (records, end) = found(&bytes, next)?;
        if end == next {
            if next >= high_watermark {
                return Ok((all, high_watermark));
            }
            return failed(format!("{partition} shows nothing from {next} to {high_watermark}"));
        }
        next = end;
        all.extend(records);
    }
}

/// A consumer of all partitions, over all rounds.
pub(crate) struct Consumer {
    random: Random,
    /// The next offset of each.
    next: BTreeMap<Partition, i64>,
    /// What it saw and must not have seen.
    pub(crate) failures: Vec<String>,
}

impl Consumer {
    /// One that begins with the first record of each partition.
    pub(crate) fn new(seed: u64) -> Self {
        let next = all_partitions().into_iter().map(|partition| (partition, 0)).collect();
        Self { random: Random(seed), next, failures: Vec::new() }
    }

    /// Reads until the round is over.
    pub(crate) fn work(&mut self, is_over: &AtomicBool) {
        let mut leaders: BTreeMap<Partition, Client> = BTreeMap::new();
        while !is_over.load(Ordering::Relaxed) {
            self.pass(&mut leaders);
        }
    }

    /// Reads each partition once, over the connections to their leaders.
    pub(crate) fn pass(&mut self, leaders: &mut BTreeMap<Partition, Client>) {
        let partitions: Vec<Partition> = self.next.keys().copied().collect();
        for partition in partitions {
            match self.read_one(partition, leaders.remove(&partition)) {
                Ok(None) => (),
                Ok(Some(leader)) => drop(leaders.insert(partition, leader)),
                Err(error) if error.is::<io::Error>() => (),
                Err(error) => {
                    self.failures.push(format!("a consumer of {partition}: {error}"));
                    // It would say the same again and again.
                    self.next.remove(&partition);
                }
            }
            thread::sleep(PAUSE);
        }
    }

    /// Goes on at `offset`; returns how many records it will read again by that.
    pub(crate) fn go_back_to(&mut self, partition: Partition, offset: i64) -> u64 {
        let before = self.next.insert(partition, offset).unwrap_or(0);
        before.saturating_sub(offset).max(0).cast_unsigned()
    }

    /// Reads what comes next from the leader, and returns the connection if it is still good.
    fn read_one(
        &mut self,
        partition: Partition,
        leader: Option<Client>,
    ) -> Outcome<Option<Client>> {
        let Some(mut client) = leader.map_or_else(|| self.connect(partition), |it| Ok(Some(it)))?
        else {
            return Ok(None);
        };
        let from = self.next[&partition];
        let (error, _, bytes) = fetch(&mut client, partition, from)?;
        if error == Errors::OffsetOutOfRange.code() {
            return failed(format!("the records before offset {from} that it has read are gone"));
        }
        if error != 0 {
            return Ok(None);
        }
        let (records, end) = found(&bytes, from)?;
        for (expected, record) in (from..).zip(&records) {
            if record.offset != expected || record.number != expected.cast_unsigned() {
                return failed(format!("{record:?} is where number {expected} should be"));
            }
        }
        self.next.insert(partition, end);
        Ok(Some(client))
    }

    fn connect(&mut self, partition: Partition) -> Outcome<Option<Client>> {
        let leader = leader_address(partition, &mut self.random);
        leader.map(|leader| Client::connect_to(leader, ANSWER_PATIENCE)).transpose()
    }

    /// How far it has read.
    pub(crate) fn position(&self, partition: Partition) -> i64 {
        self.next.get(&partition).copied().unwrap_or_default()
    }
}
