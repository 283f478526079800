//! ListOffsets version 0 over a real socket: offsets of segments, as the consumers of 2016 ask for
//! them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod broker;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use transferto::common::errors::Errors;
use transferto::protocol::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsTopic,
};
use transferto::protocol::request::{RequestBody, ResponseBody};

use broker::{Broker, Client, batch};

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

/// Port of `LogOffsetTest.testGetOffsetsBeforeEarliestTime`.
#[test]
fn the_earliest_offset_is_that_of_the_first_segment() {
    let (_broker, mut client) = broker_with_small_segments();
    assert_eq!(offsets(&mut client, "post", -2).old_style_offsets, [0]);
}
