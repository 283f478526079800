//! An idempotent producer with `acks=all` that follows its partition's leader, with several batches
//! in flight, and a ledger of what was acknowledged.
//!
//! Nobody else writes to the partition, and the numbers of its records begin with 0: so each record's
//! number has to be its offset, whatever happens to the brokers.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use support::random::Random;
use transferto::common::errors::Errors;
use transferto::message::compression_codec::CompressionCodec;
use transferto::protocol::header::RequestHeader;
use transferto::protocol::init_producer_id::InitProducerIdRequest;
use transferto::protocol::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use transferto::protocol::request::{RequestBody, ResponseBody, parse_response};

use crate::answer;
use crate::client::{Client, PRODUCE_VERSION, wait_for};
use crate::cluster::gaps::Gaps;
use crate::cluster::namespace::address;
use crate::cluster::nodes::BROKERS;
use crate::cluster::partitions::{ANSWER_PATIENCE, Partition, leader_address};
use crate::outcome::{Outcome, failed};
use crate::records::{batch, numbered_at};

const BATCH_RECORDS_MAX: u64 = 20;
/// As many as a broker remembers of a producer.
const IN_FLIGHT_MAX: u64 = 5;
/// Less than a client waits, so that some answers are that time has run out.
const TIMEOUT_MS: i32 = 1_000;
/// Between two batches there is less than one of these, as chance has it at each leader: a brook or a
/// trickle, for the logs are read again and again.
const PAUSES_MS: [u64; 3] = [4, 20, 40];
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// After the last blow everything is acknowledged within this time.
const DRAIN_PATIENCE: Duration = Duration::from_secs(60);
const CODECS: [CompressionCodec; 5] = [
    CompressionCodec::None,
    CompressionCodec::Gzip,
    CompressionCodec::Snappy,
    CompressionCodec::Lz4,
    CompressionCodec::Zstd,
];

/// Errors after which a producer sends the same batch again.
const RETRIABLE: [Errors; 13] = [
    Errors::UnknownTopicOrPartition,
    Errors::LeaderNotAvailable,
    Errors::NotLeaderForPartition,
    Errors::RequestTimedOut,
    Errors::BrokerNotAvailable,
    Errors::ReplicaNotAvailable,
    Errors::NetworkException,
    Errors::NotEnoughReplicas,
    Errors::NotEnoughReplicasAfterAppend,
    // A leader that is one no more, and does not know, lacks what its successor has acknowledged.
    Errors::OutOfOrderSequenceNumber,
    Errors::KafkaStorageError,
    Errors::ListenerNotFound,
    Errors::FencedLeaderEpoch,
];

struct Batch {
    first: u64,
    count: u64,
    bytes: Vec<u8>,
}

/// That the leader has answered a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acknowledged {
    /// Where it says that the batch is; a broker may answer only that it has it already.
    pub(crate) base_offset: Option<i64>,
    /// The number of its first record.
    pub(crate) first: u64,
    /// How many records it has.
    pub(crate) count: u64,
}

/// The producer of one partition.
pub(crate) struct ReplicatedProducer {
    /// The partition.
    pub(crate) partition: Partition,
    random: Random,
    producer_id: i64,
    /// The number of the next record that was never sent.
    next: u64,
    /// Made, perhaps sent, and not acknowledged.
    in_doubt: VecDeque<Batch>,
    /// Since the start of the cluster.
    pub(crate) acknowledged: Vec<Acknowledged>,
    /// Between two acknowledgements; and why batches had to be sent again.
    pub(crate) gaps: Gaps,
    /// Why the latest one had to be.
    last_trouble: String,
    /// How often a batch had to be sent again.
    pub(crate) retries: u64,
}

impl ReplicatedProducer {
    /// Of this partition.
    pub(crate) fn new(partition: Partition, seed: u64) -> Self {
        Self {
            partition,
            random: Random(seed),
            producer_id: -1,
            next: 0,
            in_doubt: VecDeque::new(),
            acknowledged: Vec::new(),
            gaps: Gaps::default(),
            last_trouble: String::new(),
            retries: 0,
        }
    }

    /// How many records it has made.
    pub(crate) fn made(&self) -> u64 {
        self.next
    }

    /// Gets its producer id from one of the brokers.
    pub(crate) fn prepare(&mut self) -> Outcome<()> {
        let broker = BROKERS[self.random.index(BROKERS.len())];
        let mut client = Client::connect_to(address(broker), DRAIN_PATIENCE)?;
        self.producer_id = wait_for("a producer id", DRAIN_PATIENCE, || {
            let request = InitProducerIdRequest::default();
            let response = answer!(client, 1, InitProducerId, request);
            match response.error_code {
                0 => Ok(Some(response.producer_id)),
                code if code == Errors::CoordinatorLoadInProgress.code() => Ok(None),
                code => failed(format!("InitProducerId: error {code}")),
            }
        })?;
        Ok(())
    }

    /// Produces until the round is over and every batch is acknowledged.
    pub(crate) fn work(&mut self, is_over: &AtomicBool) -> Outcome<()> {
        let mut over_since = None;
        self.gaps.begin();
        loop {
            match self.work_at_leader(is_over) {
                Ok(()) => return Ok(()),
                Err(error) if error.is::<io::Error>() || error.is::<Retry>() => {
                    self.last_trouble = error.to_string();
                    self.gaps.trouble(&error);
                    self.retries += 1;
                }
                Err(error) => return failed(format!("{}: {error}", self.partition)),
            }
            if is_over.load(Ordering::Relaxed) {
                let since = over_since.get_or_insert_with(Instant::now);
                if since.elapsed() > DRAIN_PATIENCE {
                    let (partition, trouble) = (self.partition, &self.last_trouble);
                    let first = self.in_doubt.front().map(|it| it.first);
                    return failed(format!(
                        "{partition}: {} batches from number {first:?} on are not acknowledged {} \
                         s after the last blow: {trouble}",
                        self.in_doubt.len(),
                        DRAIN_PATIENCE.as_secs(),
                    ));
                }
            }
            thread::sleep(RETRY_PAUSE);
        }
    }

    /// Until the leader is one no more, or all is done.
    fn work_at_leader(&mut self, is_over: &AtomicBool) -> Outcome<()> {
        let Some(leader) = leader_address(self.partition, &mut self.random) else {
            return Err(Retry("nobody knows a leader".to_string()).into());
        };
        let mut client = Client::connect_to(leader, ANSWER_PATIENCE)?;
        let mut sent: VecDeque<RequestHeader> = VecDeque::new();
        let pause_ms = PAUSES_MS[self.random.index(PAUSES_MS.len())];
        loop {
            let in_flight = 1 + self.random.below(IN_FLIGHT_MAX) as usize;
            while sent.len() < in_flight {
                if sent.len() == self.in_doubt.len() {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    self.make_batch()?;
                }
                sent.push_back(self.send(&mut client, sent.len())?);
            }
            let Some(header) = sent.pop_front() else { return Ok(()) };
            self.take_answer(&mut client, &header)?;
            thread::sleep(Duration::from_millis(self.random.below(pause_ms)));
        }
    }

    fn make_batch(&mut self) -> Outcome<()> {
        let (first, count) = (self.next, 1 + self.random.below(BATCH_RECORDS_MAX));
        let codec = CODECS[self.random.index(CODECS.len())];
        let empty = batch(codec).producer(self.producer_id, 0, i32::try_from(first)?);
        let bytes = numbered_at(now_ms(), empty, first, count)?;
        self.in_doubt.push_back(Batch { first, count, bytes });
        self.next += count;
        Ok(())
    }

    fn send(&self, client: &mut Client, at: usize) -> Outcome<RequestHeader> {
        let records = &self.in_doubt[at].bytes;
        let index = self.partition.index;
        let partitions = vec![PartitionProduceData { index, records: Some(0..records.len()) }];
        let name = self.partition.topic.to_string();
        let topics = vec![TopicProduceData { name, partitions }];
        let (acks, timeout_ms) = (-1, TIMEOUT_MS);
        let request = ProduceRequest { acks, timeout_ms, topics, ..ProduceRequest::default() };
        client.send(PRODUCE_VERSION, &RequestBody::Produce(request), records)
    }

    /// Answers come in the order of the requests, so this one is that of the oldest batch.
    fn take_answer(&mut self, client: &mut Client, header: &RequestHeader) -> Outcome<()> {
        let frame = client.receive_frame()?;
        let ResponseBody::Produce(response) = parse_response(header, &frame)?.1 else {
            return failed("another answer");
        };
        let mut partitions = response.responses.into_iter().flat_map(|it| it.partition_responses);
        let Some(answer) = partitions.next() else {
            return failed("an answer without a partition");
        };
        let base_offset = match answer.error_code {
            0 => Some(answer.base_offset),
            code if code == Errors::DuplicateSequenceNumber.code() => None,
            code if RETRIABLE.iter().any(|error| error.code() == code) => {
                return Err(Retry(format!("error {code}")).into());
            }
            code => return failed(format!("a batch is refused with error {code}")),
        };
        let Some(Batch { first, count, .. }) = self.in_doubt.pop_front() else {
            return failed("an answer without a request");
        };
        self.gaps.acknowledged();
        self.acknowledged.push(Acknowledged { base_offset, first, count });
        Ok(())
    }
}

/// A broker that starts forgets a producer whose last record is older than a day.
fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// The same batch is to be sent again.
#[derive(Debug)]
struct Retry(String);

impl std::fmt::Display for Retry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Retry {}
