//! Deletions of records that wait for the other replicas.

use std::sync::mpsc;
use std::sync::mpsc::Receiver;

use support::engine::ScriptedBroker;
use transferto::common::errors::{Errors, KafkaError};
use transferto::common::hang_up::HangUp;
use transferto::common::units::Offset;
use transferto::config::log_config::LogConfig;
use transferto::config::log_policies::CleanupPolicy;
use transferto::replica::delayed_delete_records::{DeleteRecordsPartitionStatus, DeletedRecords};
use transferto::replica::local_logs::PartitionFetchInfo;
use transferto::replica::partition::DELETE_ALL;

use crate::replica::partition_scene::{
    LOCAL, OTHER, OTHER_EPOCH, REMOTE, Scene, broker, fetch_info, key, params, state,
};

/// Longer than any test takes: only events end a wait.
const FOR_EVER_MS: i64 = 3_600_000;

/// A leader with ten committed records, which both followers have.
fn scene() -> Scene {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE, OTHER]);
    scene.append(10);
    fetch_from(&scene, REMOTE, 10, 0);
    fetch_from(&scene, OTHER, 10, 0);
    assert_eq!(scene.high_watermark(), 10);
    scene
}

/// A fetch of a follower whose log begins at `log_start_offset`.
fn fetch_from(scene: &Scene, replica_id: i32, offset: i64, log_start_offset: i64) {
    let info =
        PartitionFetchInfo { log_start_offset: Offset(log_start_offset), ..fetch_info(offset) };
    let params = params(replica_id, None, 0);
    let callback = Box::new(|_| ());
    scene.manager.fetch_messages(params, &[(key(), info)], &HangUp::default(), callback);
}

/// Deletes on the leader, and waits for the others.
fn delete(scene: &Scene, offset: i64, timeout_ms: i64) -> Receiver<Vec<DeletedRecords>> {
    let required = scene.partition().delete_records_on_leader(offset).unwrap();
    let outcome = DeletedRecords { error: None, low_watermark: Offset::NONE };
    let status =
        DeleteRecordsPartitionStatus { key: key(), required_offset: Some(required), outcome };
    let (sender, receiver) = mpsc::channel();
    let callback = Box::new(move |outcomes| sender.send(outcomes).unwrap());
    scene.manager.await_low_watermarks(timeout_ms, vec![status], callback);
    receiver
}

fn deleted_to(low_watermark: i64) -> Option<Vec<DeletedRecords>> {
    Some(vec![DeletedRecords { error: None, low_watermark: Offset(low_watermark) }])
}

fn refused_by(error: Errors) -> Option<Vec<DeletedRecords>> {
    Some(vec![DeletedRecords { error: Some(error), low_watermark: Offset::NONE }])
}

#[test]
fn a_deletion_is_answered_when_the_last_replica_has_deleted_too() {
    let scene = scene();
    let answer = delete(&scene, 4, FOR_EVER_MS);
    assert_eq!((answer.try_recv().ok(), scene.log.log_start_offset()), (None, Offset(4)));
    fetch_from(&scene, REMOTE, 10, 4);
    assert_eq!(answer.try_recv().ok(), None, "one replica still has the records");
    fetch_from(&scene, OTHER, 10, 3);
    assert_eq!(answer.try_recv().ok(), None, "it has one of them");
    fetch_from(&scene, OTHER, 10, 4);
    assert_eq!(answer.try_recv().ok(), deleted_to(4));
}

#[test]
fn a_replica_that_is_not_in_sync_is_waited_for_as_long_as_its_broker_is_there() {
    let scene = scene();
    scene.partition().make_leader(state(LOCAL, 5, 6, &[LOCAL, REMOTE])).unwrap();
    fetch_from(&scene, REMOTE, 10, 4);
    let answer = delete(&scene, 4, FOR_EVER_MS);
    assert_eq!(answer.try_recv().ok(), None);

    let fenced = ScriptedBroker { is_active: false, ..broker(OTHER, OTHER_EPOCH) };
    scene.engine.set_broker(OTHER, fenced);
    scene.manager.complete_waiting(&[key()]);
    assert_eq!(answer.try_recv().ok(), deleted_to(4));
}

#[test]
fn a_deletion_that_is_over_everywhere_is_answered_with_where_the_logs_begin() {
    let scene = scene();
    scene.partition().delete_records_on_leader(DELETE_ALL).unwrap();
    for id in [REMOTE, OTHER] {
        fetch_from(&scene, id, 10, 10);
    }
    assert_eq!(delete(&scene, 4, FOR_EVER_MS).try_recv().ok(), deleted_to(10));
}

#[test]
fn whoever_gives_up_waiting_for_a_replica_learns_that_the_time_is_over() {
    let scene = scene();
    assert_eq!(delete(&scene, 4, 0).try_recv().ok(), refused_by(Errors::RequestTimedOut));
    assert_eq!(scene.log.log_start_offset(), Offset(4));
}

#[test]
fn what_waits_for_a_leader_learns_that_another_one_leads() {
    let scene = scene();
    let answer = delete(&scene, 4, FOR_EVER_MS);
    scene.partition().make_follower(state(REMOTE, 6, 6, &[REMOTE]));
    scene.manager.complete_waiting(&[key()]);
    assert_eq!(answer.try_recv().ok(), refused_by(Errors::NotLeaderForPartition));
}

#[test]
fn what_was_refused_is_answered_at_once() {
    let outcome =
        DeletedRecords { error: Some(Errors::OffsetOutOfRange), low_watermark: Offset::NONE };
    let status = DeleteRecordsPartitionStatus { key: key(), required_offset: None, outcome };
    let (sender, receiver) = mpsc::channel();
    let callback = Box::new(move |outcomes| sender.send(outcomes).unwrap());
    scene().manager.await_low_watermarks(FOR_EVER_MS, vec![status], callback);
    assert_eq!(receiver.try_recv().ok(), refused_by(Errors::OffsetOutOfRange));
}

#[test]
fn only_a_leader_deletes_and_only_what_is_committed() {
    let refusal = |result: Result<Offset, KafkaError>| result.unwrap_err().code();
    let scene = scene();
    scene.append(1);
    let partition = scene.partition();
    assert_eq!(refusal(partition.delete_records_on_leader(11)), Errors::OffsetOutOfRange);
    assert_eq!(refusal(partition.delete_records_on_leader(-2)), Errors::OffsetOutOfRange);
    partition.make_follower(state(REMOTE, 6, 6, &[REMOTE]));
    assert_eq!(refusal(partition.delete_records_on_leader(4)), Errors::NotLeaderForPartition);

    let cleanup_policy = CleanupPolicy::Compact;
    let compacted = Scene::with_config(LogConfig { cleanup_policy, ..LogConfig::default() });
    compacted.make_leader(5, &[LOCAL]);
    let refused = compacted.partition().delete_records_on_leader(0);
    assert_eq!(refusal(refused), Errors::PolicyViolation);
}
