//! Deletions of records that wait until the followers have followed.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use transferto::common::errors::Errors;
use transferto::common::hang_up::HangUp;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::Offset;
use transferto::purgatory::delayed_operation::DelayedOperation;
use transferto::replica::delayed_delete_records::{
    DelayedDeleteRecords, DeleteRecordsPartitionStatus, DeletedRecords, WaitingDeletions,
};
use transferto::replica::local_logs::{LocalLogs, PartitionFetchInfo};

use crate::replica::partition_scene::{
    LOCAL, LOCAL_EPOCH, OTHER, OTHER_EPOCH, REMOTE, Scene, broker, fetch_info, key, params, state,
};

/// Longer than any test takes: only events end a wait.
const FOR_EVER_MS: i64 = 3_600_000;

/// A leader of three committed records, each in a segment that both followers have copied.
fn leader_of_three() -> Scene {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE, OTHER]);
    scene.append(3);
    [REMOTE, OTHER].into_iter().for_each(|id| fetch(&scene, id, 0));
    assert_eq!(scene.high_watermark(), 3);
    scene
}

/// The fetch of a follower that has all records from `log_start_offset` on.
fn fetch(scene: &Scene, replica_id: i32, log_start_offset: i64) {
    let info = PartitionFetchInfo {
        log_start_offset: Offset(log_start_offset),
        current_leader_epoch: scene.partition().leader_epoch(),
        ..fetch_info(3)
    };
    let params = params(replica_id, None, 0);
    scene.manager.fetch_messages(params, &[(key(), info)], &HangUp::default(), Box::new(drop));
}

/// Deletes the records below `offset` from the leader's log; returns what is answered.
fn delete(scene: &Scene, offset: i64, timeout_ms: i64) -> Receiver<DeletedRecords> {
    let partition = scene.partition();
    scene.log.delete_records_before(Offset(offset)).unwrap();
    let low_watermark = partition.low_watermark_if_leader().unwrap();
    let status = DeleteRecordsPartitionStatus::deleted(Offset(offset), low_watermark);
    let (sender, receiver) = channel();
    let callback = Box::new(move |mut answers: Vec<(TopicAndPartition, DeletedRecords)>| {
        sender.send(answers.remove(0).1).unwrap();
    });
    scene.manager.await_deletions(timeout_ms, vec![(key(), status)], callback);
    receiver
}

fn done(low_watermark: i64) -> DeletedRecords {
    DeletedRecords { error: None, low_watermark: Offset(low_watermark) }
}

#[test]
fn a_deletion_waits_for_every_follower_that_lives() {
    let scene = leader_of_three();
    let answer = delete(&scene, 2, FOR_EVER_MS);
    fetch(&scene, REMOTE, 2);
    fetch(&scene, OTHER, 1);
    assert!(answer.try_recv().is_err(), "one of them still has a record that was deleted");
    fetch(&scene, OTHER, 2);
    assert_eq!(answer.try_recv(), Ok(done(2)));
}

#[test]
fn a_follower_whose_broker_is_fenced_is_not_waited_for() {
    let scene = leader_of_three();
    let mut other = broker(OTHER, OTHER_EPOCH);
    other.is_active = false;
    scene.engine.set_broker(OTHER, other);
    let answer = delete(&scene, 3, FOR_EVER_MS);
    assert!(answer.try_recv().is_err());
    fetch(&scene, REMOTE, 3);
    assert_eq!(answer.try_recv(), Ok(done(3)));
}

#[test]
fn a_leader_without_followers_waits_for_nobody() {
    let scene = Scene::new();
    scene.engine.set_broker(LOCAL, broker(LOCAL, LOCAL_EPOCH));
    let mut alone = state(LOCAL, 5, 5, &[LOCAL]);
    alone.assigned_replicas = Some([LOCAL].into());
    scene.partition().make_leader(alone).unwrap();
    scene.append(3);
    assert_eq!(delete(&scene, 2, 0).try_recv(), Ok(done(2)));
}

#[test]
fn a_deletion_whose_leader_is_deposed_is_answered_with_that() {
    let scene = leader_of_three();
    let answer = delete(&scene, 2, FOR_EVER_MS);
    scene.partition().make_follower(state(REMOTE, 6, 6, &[REMOTE]));
    scene.manager.complete_waiting(&[key()]);
    let error = Some(Errors::NotLeaderForPartition);
    assert_eq!(answer.try_recv(), Ok(DeletedRecords { error, low_watermark: Offset::NONE }));
}

#[test]
fn a_deletion_whose_time_is_over_says_how_far_it_was() {
    let scene = leader_of_three();
    let answer = delete(&scene, 2, 0);
    let error = Some(Errors::RequestTimedOut);
    assert_eq!(answer.try_recv(), Ok(DeletedRecords { error, low_watermark: Offset(0) }));
    assert_eq!(scene.metrics.delayed_delete_records_expires.value(), 1);
}

/// A purgatory lets go of it when somebody looks under its key. If a follower is there no more, nobody does, and
/// every fetch of the others would be taken for one that a deletion may wait for.
#[test]
fn a_deletion_that_is_over_is_not_counted_among_those_that_wait() {
    let scene = leader_of_three();
    let (waiting, status) = (WaitingDeletions::default(), Vec::new());
    let local_logs = LocalLogs::new(Arc::clone(scene.manager.local_logs().context()));
    let deletion = DelayedDeleteRecords::new(
        0,
        status,
        Arc::new(local_logs),
        Arc::clone(&scene.metrics),
        &waiting,
        Box::new(drop),
    );
    assert!(waiting.is_any());
    deletion.on_complete();
    assert!(!waiting.is_any());
}
