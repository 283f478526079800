//! What a controller may not answer: each costs a retry and says what is wrong, and none brings the observer
//! down.

use std::time::Duration;

use support::random::Random;
use transferto::protocol::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use transferto::protocol::fetch::{
    FetchRequest, FetchResponse, FetchResponsePartition, FetchResponseTopic, SnapshotId,
};
use transferto::raft::raft_config::RaftConfig;

use crate::raft::recording_listener::{Followed, Observing, config};
use crate::scripted_controller::{Answer, METADATA_TOPIC_ID, ScriptedController};
use crate::scripted_log::data_batch;

fn value(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// The leader's answer with these records.
fn response(records: &[u8]) -> FetchResponse {
    let mut partition = FetchResponsePartition::default();
    partition.header.high_watermark = 1;
    (partition.current_leader.leader_id, partition.current_leader.leader_epoch) = (100, 1);
    partition.records = Some(0..records.len());
    let mut topic = FetchResponseTopic { partitions: vec![partition], ..Default::default() };
    topic.header.topic_id = METADATA_TOPIC_ID;
    FetchResponse { topics: vec![topic], ..Default::default() }
}

/// Port of `KafkaRaftClientTest.testClusterAuthorizationFailedInFetch`, which ends a Kafka broker, and of
/// `KafkaRaftClientSnapshotTest.testFetchResponseWithInvalidSnapshotId`.
#[test]
fn an_answer_that_is_wrong_is_asked_for_again() {
    type Wrong = fn(&mut FetchResponse, &mut Vec<u8>);
    let wrong: [Wrong; 15] = [
        |response, _| response.header.error_code = 42,
        |response, _| response.header.error_code = 31,
        |response, _| response.header.error_code = 104,
        |response, _| response.header.error_code = 8,
        |response, _| response.header.error_code = -77,
        |response, _| response.topics.clear(),
        |response, _| response.topics[0].partitions.clear(),
        |response, _| response.topics[0].partitions[0].header.partition = 1,
        |response, _| response.topics[0].header.topic_id.0[15] = 2,
        |response, _| {
            let again = response.topics[0].partitions[0].clone();
            response.topics[0].partitions.push(again);
        },
        |response, _| {
            response.topics[0].partitions[0].snapshot_id = SnapshotId { end_offset: 7, epoch: -1 };
        },
        |response, _| {
            response.topics[0].partitions[0].snapshot_id = SnapshotId { end_offset: 7, epoch: 2 };
        },
        |response, _| {
            response.topics[0].partitions[0].snapshot_id = SnapshotId { end_offset: 0, epoch: 0 };
        },
        |_, bytes| *bytes = data_batch(7, 1, &[value("of another offset")]),
        |_, bytes| bytes[70] ^= 1,
    ];
    for (number, wrong) in wrong.into_iter().enumerate() {
        let controller = ScriptedController::start(100);
        controller.append(&[value("a")]);
        controller.script_once(move |_: &FetchRequest| {
            let mut records = data_batch(0, 1, &[value("forged")]);
            let mut response = response(&records);
            wrong(&mut response, &mut records);
            if let Some(partition) =
                response.topics.first_mut().and_then(|topic| topic.partitions.first_mut())
            {
                partition.records = Some(0..records.len());
            }
            Answer::SendRecords(response, records)
        });
        let observing = Observing::of(&[controller.addr()]);
        assert_eq!(observing.wait_for_values(1), [value("a")], "{number}");
        assert_eq!(observing.followed().faults, [], "{number}");
    }
}

/// In its first request the observer knows no leader, and takes none but one that has an epoch.
#[test]
fn an_answer_without_a_leader_is_not_the_leaders() {
    let controller = ScriptedController::start(100);
    controller.append(&[value("a")]);
    controller.script_once(move |_: &FetchRequest| {
        let records = data_batch(0, 1, &[value("forged")]);
        let mut response = response(&records);
        response.topics[0].partitions[0].current_leader = Default::default();
        Answer::SendRecords(response, records)
    });
    let observing = Observing::of(&[controller.addr()]);
    assert_eq!(observing.wait_for_values(1), [value("a")]);
}

#[test]
fn bytes_that_are_no_answer_are_an_end_of_the_connection() {
    for bytes in [&b""[..], b"\0\0\0\x01", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff"] {
        let controller = ScriptedController::start(100);
        controller.append(&[value("a")]);
        let raw = bytes.to_vec();
        controller.script_once(move |_: &FetchRequest| Answer::SendRaw(raw.clone()));
        controller.script_once(move |_: &ApiVersionsRequest| Answer::SendRaw(bytes.to_vec()));
        let observing = Observing::of(&[controller.addr()]);
        assert_eq!(observing.wait_for_values(1), [value("a")]);
    }
}

/// A broker's address in the place of a controller's is the mistake that everybody makes once.
#[test]
fn a_node_that_is_no_controller_is_asked_again_and_never_for_the_log() {
    let controller = ScriptedController::start(100);
    controller.append(&[value("a")]);
    controller.script_once(|_: &ApiVersionsRequest| Answer::Send(ApiVersionsResponse::default()));
    let observing = Observing::of(&[controller.addr()]);
    observing.wait_for_values(1);
    let asked: Vec<_> = controller.asked_all().iter().map(|it| it.api_key).take(3).collect();
    assert_eq!(asked, [18, 18, 1]);
}

/// Port of `KafkaRaftClientFetchTest.testRandomRecords` and `KafkaRaftClientFetchTest.testInvalidMemoryRecords`.
#[test]
fn random_bytes_in_the_place_of_records_are_never_handed_on() {
    let controller = ScriptedController::start(100);
    let mut random = Random(7);
    for _ in 0..100 {
        let mut records = data_batch(0, 1, &[value("forged")]);
        for _ in 0..=random.below(3) {
            // Not the epoch, which the CRC does not cover and which may be any up to the leader's.
            let place = 16 + random.index(records.len() - 16);
            records[place] ^= 1 << random.below(8);
        }
        let extra = random.below(200);
        records.extend(random.bytes(extra));
        let response = response(&records);
        controller.script_once(move |_: &FetchRequest| {
            Answer::SendRecords(response.clone(), records.clone())
        });
    }
    controller.append(&[value("a")]);
    let impatient = RaftConfig { retry_backoff: Duration::ZERO, ..config(&[controller.addr()]) };
    let observing = Observing::with(impatient, Followed::default());
    assert_eq!(observing.wait_for_values(1), [value("a")]);
    assert!(controller.asked::<FetchRequest>().len() > 100);
}
