//! Idempotent producers over a real socket: their ids, and that a batch which is sent twice is kept
//! once.

use std::collections::BTreeSet;
use std::fs;

use nix::sys::signal::Signal;
use support::broker::Broker;
use support::broker_process::BrokerProcess;
use support::client::{Client, NEWEST_PRODUCE, produce_request};
use support::records::{batch, stored};
use support::temp::TempDir;
use transferto::common::errors::Errors;
use transferto::message::byte_buffer_message_set::shallow_entries;
use transferto::message::compression_codec::CompressionCodec;
use transferto::message::message_set_builder::MessageSetBuilder;
use transferto::message::record_batch::{RecordBatch, TRANSACTIONAL_FLAG};
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::message::records::{Headers, LogRecord};
use transferto::protocol::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use transferto::protocol::produce::{PartitionProduceData, PartitionProduceResponse};
use transferto::protocol::request::{RequestBody, ResponseBody};

/// Records in each batch of these tests.
const COUNT: i32 = 10;

/// A producer as the broker knows one: an id and an epoch.
#[derive(Clone, Copy)]
struct Producer {
    id: i64,
    epoch: i16,
}

impl Producer {
    fn new(client: &mut Client) -> Self {
        let response = init_producer_id(client, 4, InitProducerIdRequest::default());
        assert_eq!((response.error_code, response.producer_epoch), (0, 0));
        Self { id: response.producer_id, epoch: 0 }
    }

    fn builder(&self, first_sequence: i32) -> RecordBatchBuilder {
        let empty = RecordBatchBuilder::new(0).producer(self.id, self.epoch, first_sequence);
        (0..COUNT).fold(empty, |batch, _| batch.record(1_000, None, Some(b"value")))
    }

    fn batch(&self, first_sequence: i32) -> Vec<u8> {
        self.builder(first_sequence).build().unwrap()
    }

    /// Sends the batch with this sequence number to `post-0` and returns error and base offset.
    fn produce(&self, client: &mut Client, first_sequence: i32) -> (i16, i64) {
        verdict(&client.produce_with(NEWEST_PRODUCE, -1, ("post", 0), &self.batch(first_sequence)))
    }

    /// Produces the batches with these numbers, which get the offsets that their sequence numbers
    /// are.
    fn produce_all(&self, client: &mut Client, numbers: std::ops::Range<i32>) {
        for sequence in numbers.map(|number| number * COUNT) {
            assert_eq!(self.produce(client, sequence), (0, i64::from(sequence)));
        }
    }
}

fn init_producer_id(
    client: &mut Client,
    version: i16,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    match client.call(version, &RequestBody::InitProducerId(request), &[]).0 {
        ResponseBody::InitProducerId(response) => response,
        other => panic!("{other:?}"),
    }
}

fn verdict(response: &PartitionProduceResponse) -> (i16, i64) {
    (response.error_code, response.base_offset)
}

const OUT_OF_ORDER: (i16, i64) = (Errors::OutOfOrderSequenceNumber.code(), -1);
const OLD_EPOCH: (i16, i64) = (Errors::InvalidProducerEpoch.code(), -1);

#[test]
fn every_version_gives_every_producer_an_id_of_its_own() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let mut ids = BTreeSet::new();
    for number in 0..2_500 {
        let request = InitProducerIdRequest::default();
        let response = init_producer_id(&mut client, number % 5, request);
        assert_eq!((response.error_code, response.producer_epoch), (0, 0));
        assert!(response.producer_id >= 0);
        assert!(ids.insert(response.producer_id), "{} was given twice", response.producer_id);
    }
}

#[test]
fn an_id_outlives_a_stop_and_a_kill() {
    let dir = TempDir::new();
    let mut ids = BTreeSet::new();
    for signal in [Signal::SIGTERM, Signal::SIGKILL, Signal::SIGKILL, Signal::SIGTERM] {
        let broker = BrokerProcess::start(dir.path(), &[]);
        let mut client = Client::connect(broker.port);
        for _ in 0..3 {
            let id = Producer::new(&mut client).id;
            assert!(ids.insert(id), "{id} was given twice");
        }
        broker.end_with(signal);
    }
    let file = fs::read_to_string(dir.path().join("latest_producer_id_block")).unwrap();
    assert_eq!(file, "version=0\nblock.start=3000\nblock.end=3999\n");
}

#[test]
fn without_the_file_ids_begin_after_those_in_the_logs() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    assert_eq!(Producer { id: 12_345, epoch: 0 }.produce(&mut client, 0), (0, 0));
    let dir = broker.stop();
    fs::remove_file(dir.path().join("latest_producer_id_block")).unwrap();
    let broker = Broker::start_in(dir, &[]);
    assert_eq!(Producer::new(&mut broker.connect()).id, 12_346);
}

#[test]
fn a_transactional_id_is_refused_and_half_an_id_too() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    for version in 0..=4 {
        let transactional_id = Some("payments".to_string());
        let request = InitProducerIdRequest { transactional_id, ..Default::default() };
        let response = init_producer_id(&mut client, version, request);
        let refused = Errors::TransactionalIdAuthorizationFailed.code();
        assert_eq!((response.error_code, response.producer_id), (refused, -1));
        assert_eq!(response.producer_epoch, -1);
    }
    let transactional_id = Some(String::new());
    let request = InitProducerIdRequest { transactional_id, ..Default::default() };
    let response = init_producer_id(&mut client, 4, request);
    assert_eq!(response.error_code, Errors::InvalidRequest.code());
    for (producer_id, producer_epoch) in [(7, -1), (-1, 0)] {
        let request = InitProducerIdRequest { producer_id, producer_epoch, ..Default::default() };
        let response = init_producer_id(&mut client, 4, request);
        assert_eq!(response.error_code, Errors::InvalidRequest.code());
    }
}

#[test]
fn a_producer_with_an_id_gets_a_new_one() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let Producer { id, epoch } = Producer::new(&mut client);
    let request =
        InitProducerIdRequest { producer_id: id, producer_epoch: epoch, ..Default::default() };
    let response = init_producer_id(&mut client, 3, request);
    assert_eq!((response.error_code, response.producer_epoch), (0, 0));
    assert_ne!(response.producer_id, id);
}

#[test]
fn a_copy_is_answered_like_the_original_and_kept_once() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let producer = Producer::new(&mut client);
    let (first, second) = (producer.batch(0), producer.batch(COUNT));
    let mut kept = Vec::new();
    for (records, offset) in [(&first, 0), (&second, i64::from(COUNT))] {
        let original = client.produce("post", 0, records);
        assert_eq!(verdict(&original), (0, offset));
        kept.extend(stored(records, offset));
        for version in 3..=NEWEST_PRODUCE {
            for acks in [1, -1] {
                let copy = client.produce_with(version, acks, ("post", 0), records);
                assert_eq!(verdict(&copy), (0, offset), "version {version}, acks {acks}");
                assert_eq!(copy.log_append_time_ms, original.log_append_time_ms);
            }
        }
        let silent = produce_request(0, "post", 0, records.len());
        client.send(NEWEST_PRODUCE, &RequestBody::Produce(silent), records);
    }
    assert_eq!(client.produce("post", 0, &producer.batch(2 * COUNT)).base_offset, 20);
    kept.extend(stored(&producer.batch(2 * COUNT), 20));
    assert_eq!(broker.first_segment("post", 0), kept);
}

#[test]
fn a_gap_and_an_old_epoch_are_refused_and_nothing_of_them_is_kept() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let old = Producer::new(&mut client);
    let new = Producer { epoch: 1, ..old };
    old.produce_all(&mut client, 0..2);
    for gap in [30, 21, 19, 11, 5, 1, i32::MAX] {
        assert_eq!(old.produce(&mut client, gap), OUT_OF_ORDER, "sequence {gap}");
    }
    assert_eq!(new.produce(&mut client, 20), OUT_OF_ORDER, "a new epoch begins at 0");
    assert_eq!(new.produce(&mut client, 0), (0, 20));
    for sequence in [0, 10, 20] {
        assert_eq!(old.produce(&mut client, sequence), OLD_EPOCH);
    }
    assert_eq!(new.produce(&mut client, 10), (0, 30));
    let kept = [(old, 0, 0), (old, 10, 10), (new, 0, 20), (new, 10, 30)]
        .map(|(producer, sequence, offset)| stored(&producer.batch(sequence), offset));
    assert_eq!(broker.first_segment("post", 0), kept.concat());
}

#[test]
fn five_batches_in_flight_may_be_sent_again_in_any_order() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let producer = Producer::new(&mut client);
    producer.produce_all(&mut client, 0..1);
    let sequences = [10, 20, 30, 40, 50];
    let send = |client: &mut Client, order: &[i32]| -> Vec<(i16, i64)> {
        let pipeline = |sequence: &i32| {
            let records = producer.batch(*sequence);
            let body = RequestBody::Produce(produce_request(-1, "post", 0, records.len()));
            client.send(NEWEST_PRODUCE, &body, &records)
        };
        let headers: Vec<_> = order.iter().map(pipeline).collect();
        let answer = |header| match client.receive(header).0 {
            ResponseBody::Produce(mut response) => {
                verdict(&response.responses.remove(0).partition_responses.remove(0))
            }
            other => panic!("{other:?}"),
        };
        headers.iter().map(answer).collect()
    };
    let expected = |order: &[i32]| -> Vec<(i16, i64)> {
        order.iter().map(|sequence| (0, i64::from(*sequence))).collect()
    };
    assert_eq!(send(&mut client, &sequences), expected(&sequences));
    for turn in 0..5 {
        let mut order = sequences;
        order.rotate_left(turn);
        if turn % 2 == 1 {
            order.reverse();
        }
        // A producer sends again when it has lost its connection.
        let mut again = broker.connect();
        assert_eq!(send(&mut again, &order), expected(&order), "{order:?}");
    }
    assert_eq!(producer.produce(&mut client, 0), OUT_OF_ORDER, "the sixth last is forgotten");
    assert_eq!(producer.produce(&mut client, 60), (0, 60));
    assert_eq!(client.list_offset(1, "post", -1).offset, 70, "each was kept once");
}

#[test]
fn after_the_highest_sequence_comes_0() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let producer = Producer::new(&mut client);
    // A producer that is not known here may begin anywhere.
    let across = i32::MAX - 4;
    assert_eq!(producer.produce(&mut client, across), (0, 0));
    assert_eq!(producer.produce(&mut client, 6), OUT_OF_ORDER);
    assert_eq!(producer.produce(&mut client, 5), (0, 10));
    assert_eq!(producer.produce(&mut client, across), (0, 0));
    assert_eq!(producer.produce(&mut client, 5), (0, 10));
    assert_eq!(producer.produce(&mut client, 15), (0, 20));
}

#[test]
fn each_partition_counts_for_itself() {
    let broker = Broker::start(&[("num.partitions", "2")]);
    let mut client = broker.connect_with_topic("post");
    let producer = Producer::new(&mut client);
    let records = producer.batch(0);
    for _ in 0..2 {
        let mut request = produce_request(-1, "post", 0, records.len());
        let other = PartitionProduceData { index: 1, ..request.topics[0].partitions[0].clone() };
        request.topics[0].partitions.push(other);
        let (body, _) = client.call(NEWEST_PRODUCE, &RequestBody::Produce(request), &records);
        let ResponseBody::Produce(response) = body else { panic!("{body:?}") };
        let answers = response.responses[0].partition_responses.iter().map(verdict);
        assert_eq!(answers.collect::<Vec<_>>(), [(0, 0), (0, 0)]);
    }
    let next = producer.batch(COUNT);
    assert_eq!(verdict(&client.produce("post", 1, &next)), (0, 10));
    assert_eq!(verdict(&client.produce("post", 0, &producer.batch(2 * COUNT))), OUT_OF_ORDER);
    assert_eq!(verdict(&client.produce("post", 0, &next)), (0, 10));
    let other = Producer::new(&mut client);
    assert_eq!(other.produce(&mut client, 0), (0, 20), "and each producer");
}

#[test]
fn a_batch_that_the_broker_compresses_anew_is_still_its_producers() {
    let broker = Broker::start(&[("compression.type", "gzip")]);
    let mut client = broker.connect_with_topic("post");
    let producer = Producer::new(&mut client);
    for codec in [CompressionCodec::None, CompressionCodec::Zstd, CompressionCodec::Gzip] {
        let records = producer.builder(0).codec(codec).build().unwrap();
        assert_eq!(verdict(&client.produce("post", 0, &records)), (0, 0), "{codec:?}");
    }
    assert_eq!(producer.produce(&mut client, 20), OUT_OF_ORDER);
    producer.produce_all(&mut client, 1..3);
    let kept = broker.first_segment("post", 0);
    let kept: Vec<_> = shallow_entries(&kept).map(Result::unwrap).collect();
    assert_eq!(kept.len(), 3);
    for (number, entry) in kept.iter().enumerate() {
        let batch = RecordBatch::parse(entry.bytes).unwrap();
        assert_eq!(batch.codec().unwrap(), CompressionCodec::Gzip);
        let of_producer = (batch.producer_id(), batch.producer_epoch(), batch.base_sequence());
        assert_eq!(of_producer, (producer.id, 0, number as i32 * COUNT));
    }
}

#[test]
fn a_producer_without_an_id_may_repeat_itself() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let value = Some(&b"v"[..]);
    let record = LogRecord { offset: 0, timestamp: 5, key: None, value, headers: Headers::NONE };
    let mut old = MessageSetBuilder::new(1, CompressionCodec::None);
    old.append(&record).unwrap();
    let old = old.build().unwrap();
    for round in 0..2 {
        let converted = client.produce_with(2, 1, ("post", 0), &old);
        assert_eq!(verdict(&converted), (0, 2 * round));
        assert_eq!(verdict(&client.produce("post", 0, &batch(&[b"v"]))), (0, 2 * round + 1));
    }
}

#[test]
fn a_topic_of_an_old_format_takes_no_idempotent_producer_and_no_topic_a_transaction() {
    let broker = Broker::start(&[("log.message.format.version", "0.9.0")]);
    let mut client = broker.connect_with_topic("post");
    let producer = Producer::new(&mut client);
    let refused = (Errors::UnsupportedForMessageFormat.code(), -1);
    assert_eq!(producer.produce(&mut client, 0), refused);
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let records = producer.builder(0).flags(TRANSACTIONAL_FLAG).build().unwrap();
    let refused = (Errors::TransactionalIdAuthorizationFailed.code(), -1);
    assert_eq!(verdict(&client.produce("post", 0, &records)), refused);
}

/// What may have happened to the broker between the sixth batch and its copy.
#[test]
fn what_is_known_of_a_producer_outlives_a_stop_a_kill_and_lost_snapshots() {
    // Some batches to a segment, or one segment for all.
    for segment_bytes in ["400", "1000000"] {
        for (signal, keeps_snapshots) in
            [(Signal::SIGTERM, true), (Signal::SIGKILL, true), (Signal::SIGKILL, false)]
        {
            let dir = TempDir::new();
            let settings = [format!("log.segment.bytes={segment_bytes}")];
            let settings = settings.each_ref().map(String::as_str);
            let broker = BrokerProcess::start(dir.path(), &settings);
            let mut client = Client::connect(broker.port);
            client.create_topic("post");
            let producer = Producer::new(&mut client);
            producer.produce_all(&mut client, 0..6);
            broker.end_with(signal);
            if !keeps_snapshots {
                remove_snapshots(&dir);
            }

            let broker = BrokerProcess::start(dir.path(), &settings);
            let mut client = Client::connect(broker.port);
            client.create_topic("post");
            assert_ne!(Producer::new(&mut client).id, producer.id);
            assert_eq!(producer.produce(&mut client, 70), OUT_OF_ORDER);
            for sequence in [50, 10, 30, 20, 40] {
                let copy = producer.produce(&mut client, sequence);
                assert_eq!(copy, (0, i64::from(sequence)), "{segment_bytes} {signal}");
            }
            producer.produce_all(&mut client, 6..8);
            assert_eq!(client.list_offset(1, "post", -1).offset, 80);
        }
    }
}

fn remove_snapshots(dir: &TempDir) {
    for file in fs::read_dir(dir.path().join("post-0")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|it| it == "snapshot") {
            fs::remove_file(path).unwrap();
        }
    }
}
