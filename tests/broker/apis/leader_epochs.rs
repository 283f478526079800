//! OffsetForLeaderEpoch over a real socket. A consumer that comes back asks with it whether the log
//! still is the one that it has read; a wrong answer makes it throw its position away.

use std::fs;
use std::sync::Arc;

use support::broker::Broker;
use support::client::{Client, fetch_request};
use support::records::batch;
use support::temp::TempDir;
use transferto::common::errors::Errors;
use transferto::message::record_batch::{RecordBatch, set_partition_leader_epoch};
use transferto::protocol::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use transferto::protocol::fetch;
use transferto::protocol::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use transferto::protocol::request::{RequestBody, ResponseBody};

/// The first version that names the client's current epoch.
const CURRENT_EPOCH_VERSION: i16 = 2;
const NEWEST: i16 = 4;

/// Asks for the end of `leader_epoch` in some partitions of one topic.
fn ask(
    client: &mut Client,
    version: i16,
    (topic, partitions): (&str, &[i32]),
    (current_leader_epoch, leader_epoch): (i32, i32),
) -> Vec<EpochEndOffset> {
    let partition =
        |&partition| OffsetForLeaderPartition { partition, current_leader_epoch, leader_epoch };
    let topic = OffsetForLeaderTopic {
        topic: topic.to_string(),
        partitions: partitions.iter().map(partition).collect(),
    };
    let request = OffsetForLeaderEpochRequest {
        topics: vec![topic],
        ..OffsetForLeaderEpochRequest::default()
    };
    match client.call(version, &RequestBody::OffsetForLeaderEpoch(request), &[]).0 {
        ResponseBody::OffsetForLeaderEpoch(mut response) => {
            assert_eq!(response.throttle_time_ms, 0);
            response.topics.remove(0).partitions
        }
        other => panic!("{other:?}"),
    }
}

/// The error, the epoch and its end in partition 0 of `post`.
fn end_of(client: &mut Client, version: i16, epochs: (i32, i32)) -> (i16, i32, i64) {
    let answer = ask(client, version, ("post", &[0]), epochs).remove(0);
    assert_eq!(answer.partition, 0);
    (answer.error_code, answer.leader_epoch, answer.end_offset)
}

/// Version 0 does not say which epoch it tells the end of.
fn epoch_in(version: i16, epoch: i32) -> i32 {
    if version < 1 { -1 } else { epoch }
}

#[test]
fn the_only_epoch_ends_where_the_log_ends() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    for version in 0..=NEWEST {
        let end = i64::from(version) * 2;
        assert_eq!(end_of(&mut client, version, (-1, 0)), (0, epoch_in(version, 0), end));
        client.produce("post", 0, &batch(&[b"a", b"b"]));
    }
}

#[test]
fn an_epoch_that_is_unknown_or_yet_to_come_has_no_end() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    client.produce("post", 0, &batch(&[b"a", b"b"]));
    for version in 0..=NEWEST {
        for epoch in [-1, 1, i32::MAX] {
            assert_eq!(end_of(&mut client, version, (-1, epoch)), (0, -1, -1), "{epoch}");
        }
    }
}

#[test]
fn an_epoch_before_the_first_ends_where_the_log_begins() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    client.produce("post", 0, &batch(&[b"a", b"b", b"c"]));
    delete_records_before(&mut client, 2);
    assert_eq!(end_of(&mut client, NEWEST, (0, -2)), (0, -2, 2));
    assert_eq!(end_of(&mut client, NEWEST, (0, 0)), (0, 0, 3), "the end stays");
}

/// Port of `OffsetsForLeaderEpochRequestTest.testCurrentEpochValidation`.
#[test]
fn a_client_whose_current_epoch_is_not_the_brokers_gets_no_answer() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    client.produce("post", 0, &batch(&[b"a"]));
    let (fenced, unknown) = (Errors::FencedLeaderEpoch.code(), Errors::UnknownLeaderEpoch.code());
    for version in CURRENT_EPOCH_VERSION..=NEWEST {
        for current in [-1, 0] {
            assert_eq!(end_of(&mut client, version, (current, 0)), (0, 0, 1), "{current}");
        }
        for newer in [1, i32::MAX] {
            assert_eq!(end_of(&mut client, version, (newer, 0)), (unknown, -1, -1));
        }
        for older in [-2, i32::MIN] {
            assert_eq!(end_of(&mut client, version, (older, 0)), (fenced, -1, -1));
        }
    }
    // Nobody is refused for a field that his version does not have.
    assert_eq!(end_of(&mut client, 1, (7, 0)), (0, 0, 1));
}

/// Port of `OffsetsForLeaderEpochRequestTest.testOffsetsForLeaderEpochErrorCodes`, for the one
/// broker that there is.
#[test]
fn a_partition_that_is_not_here_is_unknown_whatever_its_epoch() {
    let broker = Broker::start(&[("num.partitions", "2")]);
    let mut client = broker.connect_with_topic("post");
    let unknown = Errors::UnknownTopicOrPartition.code();
    for version in 0..=NEWEST {
        let answers = ask(&mut client, version, ("nobody", &[0]), (7, 0));
        assert_eq!(answers[0].error_code, unknown);
        let answers = ask(&mut client, version, ("post", &[2, 1, -1, 0]), (-1, 0));
        let told: Vec<_> = answers.iter().map(|it| (it.partition, it.error_code)).collect();
        assert_eq!(told, [(2, unknown), (1, 0), (-1, unknown), (0, 0)]);
    }
}

#[test]
fn a_partition_is_answered_once() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect_with_topic("post");
    let answers = ask(&mut client, NEWEST, ("post", &[0, 0, 0]), (-1, 0));
    let codes: Vec<_> = answers.iter().map(|it| it.error_code).collect();
    let again = Errors::InvalidRequest.code();
    assert_eq!(codes, [0, again, again]);
}

#[test]
fn the_epoch_and_its_end_survive_a_restart() {
    let dir = Arc::new(TempDir::new());
    let broker = Broker::start_in(Arc::clone(&dir), &[]);
    broker.connect_with_topic("post").produce("post", 0, &batch(&[b"a", b"b"]));
    broker.stop();
    let broker = Broker::start_in(dir, &[]);
    assert_eq!(end_of(&mut broker.connect(), NEWEST, (0, 0)), (0, 0, 2));
}

fn delete_records_before(client: &mut Client, offset: i64) {
    let partition = DeleteRecordsPartition { partition_index: 0, offset };
    let topic = DeleteRecordsTopic { name: "post".to_string(), partitions: vec![partition] };
    let request = DeleteRecordsRequest { topics: vec![topic], timeout_ms: 1_000 };
    match client.call(2, &RequestBody::DeleteRecords(request), &[]).0 {
        ResponseBody::DeleteRecords(it) => assert_eq!(it.topics[0].partitions[0].error_code, 0),
        other => panic!("{other:?}"),
    }
}

/// Has the first record of `post` come from a leader of epoch 5, and the second from one of 7, as if
/// the directory had been a broker's of a cluster. The CRC does not cover it.
fn give_epochs_of_a_cluster(dir: &TempDir) {
    let directory = dir.join("post-0");
    let path = directory.join("00000000000000000000.log");
    let mut bytes = fs::read(&path).unwrap();
    let second = bytes.len() / 2;
    for (at, epoch) in [(0, 5), (second, 7)] {
        set_partition_leader_epoch(&mut bytes[at..], epoch);
    }
    fs::write(path, bytes).unwrap();
    fs::write(directory.join("leader-epoch-checkpoint"), "0\n2\n5 0\n7 1\n").unwrap();
}

/// Port of `PartitionTest.testFetchLatestOffsetIncludesLeaderEpoch`. The clients of a cluster know its
/// epochs from their commits and from the records: a broker that says 0 again sends them to the start.
#[test]
fn a_log_that_comes_from_a_cluster_goes_on_in_its_epoch() {
    let dir = Arc::new(TempDir::new());
    let broker = Broker::start_in(Arc::clone(&dir), &[]);
    let mut client = broker.connect_with_topic("post");
    (0..2).for_each(|_| drop(client.produce("post", 0, &batch(&[b"a"]))));
    broker.stop();
    give_epochs_of_a_cluster(&dir);

    let broker = Broker::start_in(dir, &[]);
    let mut client = broker.connect();
    let topic = client.metadata(12, Some(&["post"])).topics.remove(0);
    assert_eq!(topic.partitions[0].leader_epoch, 7);
    assert_eq!(end_of(&mut client, NEWEST, (7, 5)), (0, 5, 1));
    assert_eq!(end_of(&mut client, NEWEST, (7, 6)), (0, 5, 1));
    assert_eq!(end_of(&mut client, NEWEST, (7, 7)), (0, 7, 2));
    let [latest, earliest, by_time] = [-1, -2, 0].map(|timestamp| {
        let found = client.list_offset(7, "post", timestamp);
        (found.offset, found.leader_epoch)
    });
    assert_eq!([latest, earliest, by_time], [(2, 7), (0, 5), (0, 5)]);

    assert_eq!(client.produce("post", 0, &batch(&[b"a"])).base_offset, 2);
    assert_eq!(divergence(&mut client, 5, 2), (0, 5, 1), "epoch 5 ended at offset 1");
    assert_eq!(divergence(&mut client, 6, 1), (0, 5, 1), "epoch 6 never was");
    assert_eq!(divergence(&mut client, 5, 1), (0, -1, -1));
    assert_eq!(divergence(&mut client, 8, 1), (Errors::OffsetOutOfRange.code(), -1, -1));
    let mut request = fetch_request("post", 0, 2);
    request.topics[0].partitions[0].last_fetched_epoch = 7;
    let fetched = client.fetch_with(12, request).remove(0);
    assert_eq!((fetched.error, stored_epoch(&fetched.records)), (0, 7));
    assert_eq!(end_of(&mut client, NEWEST, (7, 7)), (0, 7, 3));
}

/// The error, and the epoch and its end if a reader is told to truncate, who then gets no records.
fn divergence(client: &mut Client, last_fetched_epoch: i32, offset: i64) -> (i16, i32, i64) {
    let mut request = fetch_request("post", 0, offset);
    request.topics[0].partitions[0].last_fetched_epoch = last_fetched_epoch;
    let ResponseBody::Fetch(mut response) = client.call(12, &RequestBody::Fetch(request), &[]).0
    else {
        panic!("not the answer to a fetch")
    };
    let partition = response.topics.remove(0).partitions.remove(0);
    let fetch::EpochEndOffset { epoch, end_offset } = partition.diverging_epoch;
    assert!(epoch == -1 || partition.records.is_some_and(|it| it.is_empty()));
    (partition.header.error_code, epoch, end_offset)
}

fn stored_epoch(records: &[u8]) -> i32 {
    RecordBatch::parse(records).unwrap().partition_leader_epoch()
}
