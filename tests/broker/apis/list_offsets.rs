//! ListOffsets version 0 over a real socket: offsets of segments, as the consumers of 2016 ask for
//! them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use support::broker::Broker;
use support::client::Client;
use support::records::{batch, stored};
use transferto::common::errors::Errors;
use transferto::message::compression_codec::CompressionCodec;
use transferto::message::record_batch::compute_crc;
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::protocol::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsTopic,
};
use transferto::protocol::request::{RequestBody, ResponseBody};

/// Asks as a follower does, whom the high watermark does not bind.
fn offsets(client: &mut Client, topic: &str, timestamp: i64) -> ListOffsetsPartitionResponse {
    let partition =
        ListOffsetsPartition { timestamp, max_num_offsets: 15, ..ListOffsetsPartition::default() };
    let topics = vec![ListOffsetsTopic { name: topic.to_string(), partitions: vec![partition] }];
    let request = ListOffsetsRequest { replica_id: 0, topics, ..ListOffsetsRequest::default() };
    match client.call(0, &RequestBody::ListOffsets(request), &[]).0 {
        ResponseBody::ListOffsets(mut response) => response.topics.remove(0).partitions.remove(0),
        other => panic!("{other:?}"),
    }
}

/// A topic with 20 messages, three to a segment.
fn broker_with_small_segments() -> (Broker, Client) {
    let one = batch(&[b"42"]);
    let segment_bytes = (3 * one.len() + 1).to_string();
    let broker = Broker::start(&[("log.segment.bytes", &segment_bytes)]);
    let mut client = broker.connect_with_topic("post");
    for _ in 0..20 {
        assert_eq!(client.produce("post", 0, &one).error_code, 0);
    }
    (broker, client)
}

const ALL: [i64; 8] = [20, 18, 15, 12, 9, 6, 3, 0];

fn milliseconds(time: SystemTime) -> i64 {
    i64::try_from(time.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

const VALIDATION: &str = "transferto.compressed.records.validation.enable";

/// One record with timestamp 54,000, counted from a base of 4,000, and another header.
fn batch_that_declares(codec: CompressionCodec, max_timestamp: i64) -> Vec<u8> {
    let builder = RecordBatchBuilder::new(0).codec(codec).record(4_000, None, Some(b"v"));
    let mut records = builder.record(54_000, None, Some(b"v")).build().unwrap();
    records[35..43].copy_from_slice(&max_timestamp.to_be_bytes());
    let crc = compute_crc(&records);
    records[17..21].copy_from_slice(&crc.to_be_bytes());
    records
}

fn found(client: &mut Client, topic: &str, timestamp: i64) -> (i64, i64) {
    let answer = client.list_offset(7, topic, timestamp);
    assert_eq!(answer.error_code, 0);
    (answer.timestamp, answer.offset)
}

/// sarama before 1.44 leaves the latest timestamp at -1. Every answer is Kafka 4.4.0's.
#[test]
fn a_time_is_found_by_the_records_and_not_by_what_a_producer_declares() {
    for setting in ["true", "false"] {
        let broker = Broker::start(&[(VALIDATION, setting)]);
        for codec in CompressionCodec::ALL {
            for declared in [-1, 4_000, 999_999] {
                let is_seen = codec == CompressionCodec::None || setting == "true";
                if !is_seen && declared != -1 {
                    continue; // That header does not contradict itself.
                }
                let topic = format!("{}.{declared}", codec.name());
                let mut client = broker.connect_with_topic(&topic);
                let records = batch_that_declares(codec, declared);
                assert_eq!(client.produce(&topic, 0, &records).error_code, 0);
                assert_eq!(found(&mut client, &topic, 5_001), (54_000, 1), "{topic}");
                assert_eq!(found(&mut client, &topic, 0), (4_000, 0), "{topic}");
                assert_eq!(found(&mut client, &topic, 54_001), (-1, -1), "{topic}");
                assert_eq!(found(&mut client, &topic, -3), (54_000, 1), "{topic}");
            }
        }
    }
}

/// As earlier versions stored them, and as compressed batches are stored without the setting.
#[test]
fn a_wrong_header_in_the_log_never_makes_up_a_timestamp() {
    let broker = Broker::start(&[(VALIDATION, "false")]);
    let mut client = broker.connect_with_topic("post");
    let records = batch_that_declares(CompressionCodec::Gzip, 999_999);
    assert_eq!(client.produce("post", 0, &records).error_code, 0);
    assert_eq!(broker.first_segment("post", 0), stored(&records, 0), "it was not looked at");
    assert_eq!(found(&mut client, "post", -3), (54_000, 1));
    assert_eq!(found(&mut client, "post", 54_001), (-1, -1));
    assert_eq!(found(&mut client, "post", 5_001), (54_000, 1));
}

/// Port of `LogOffsetTest.testGetOffsetsForUnknownTopic`.
#[test]
fn a_topic_that_does_not_exist_has_no_offsets() {
    let broker = Broker::start(&[]);
    let answer = offsets(&mut broker.connect(), "foo", -1);
    assert_eq!(answer.error_code, Errors::UnknownTopicOrPartition.code());
}

/// Port of `LogOffsetTest.testGetOffsetsBeforeLatestTime`.
#[test]
fn the_latest_offsets_are_the_end_and_the_begin_of_each_segment() {
    let (_broker, mut client) = broker_with_small_segments();
    assert_eq!(offsets(&mut client, "post", -1).old_style_offsets, ALL);
    assert!(client.fetch("post", 0, 20).records.is_empty(), "a fetch at the latest offset");
}

/// Port of `LogOffsetTest.testEmptyLogsGetOffsets`.
#[test]
fn the_earliest_offset_of_an_empty_log_is_0() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    for _ in 0..14 {
        assert_eq!(offsets(&mut client, "post", -2).old_style_offsets, [0]);
    }
}

/// Port of `LogOffsetTest.testGetOffsetsBeforeNow`.
#[test]
fn before_a_time_to_come_are_all_offsets() {
    let (_broker, mut client) = broker_with_small_segments();
    let soon = milliseconds(SystemTime::now() + Duration::from_secs(30));
    assert_eq!(offsets(&mut client, "post", soon).old_style_offsets, ALL);
}

#[test]
fn a_time_that_stands_for_nothing_in_a_version_is_refused() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let refused = [(0, -3), (0, i64::MIN), (1, -3), (6, -3), (7, -4), (8, -5), (10, -6), (11, -7)];
    for (version, timestamp) in refused {
        let refused = client.list_offset(version, "post", timestamp);
        let answer = (refused.error_code, refused.offset, refused.old_style_offsets.len());
        let expected = (Errors::UnsupportedVersion.code(), -1, 0);
        assert_eq!(answer, expected, "ListOffsets version {version}, time {timestamp}");
    }
}

/// Every answer is Kafka 4.4.0's without tiered storage.
#[test]
fn nothing_is_in_tiered_storage_and_nothing_is_to_go_there() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    for _ in 0..2 {
        client.produce("post", 0, &batch(&[b"42"]));
    }
    let mut answer = |version, timestamp| {
        let found = client.list_offset(version, "post", timestamp);
        (found.error_code, found.timestamp, found.offset, found.leader_epoch)
    };
    for version in 8..=11 {
        assert_eq!(
            answer(version, -4),
            (0, -1, 0, 0),
            "the first offset on the broker's own disks"
        );
    }
    for version in 9..=11 {
        assert_eq!(answer(version, -5), (0, -1, -1, -1), "the last offset in tiered storage");
    }
    assert_eq!(answer(11, -6), (0, -1, -1, -1), "the first offset that is still to go there");
}

/// Port of `LogOffsetTest.testGetOffsetsBeforeEarliestTime`.
#[test]
fn the_earliest_offset_is_that_of_the_first_segment() {
    let (_broker, mut client) = broker_with_small_segments();
    assert_eq!(offsets(&mut client, "post", -2).old_style_offsets, [0]);
}
