//! Who waits for whom at a partition: appends, the fetches of followers and changes of its leadership.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use support::records::batch;
use transferto::common::units::LeaderEpoch;
use transferto::replica::partition_state::PartitionState;

use crate::replica::partition_scene::{LOCAL, OTHER, REMOTE, Scene, state};

const PATIENCE: Duration = Duration::from_secs(60);

/// Does this on another thread, which must come to its end.
fn elsewhere<R: Send + 'static>(
    scene: &Arc<Scene>,
    work: impl FnOnce(&Scene) -> R + Send + 'static,
) -> R {
    let (sender, receiver) = mpsc::channel();
    let scene = Arc::clone(scene);
    thread::spawn(move || sender.send(work(&scene)));
    receiver.recv_timeout(PATIENCE).unwrap()
}

/// Port of `PartitionLockTest.testNoLockContentionWithoutIsrUpdate`.
#[test]
fn appends_and_fetches_do_not_wait_for_one_another() {
    let scene = Arc::new(Scene::new());
    scene.make_leader(5, &[LOCAL, REMOTE, OTHER]);
    let partition = scene.partition();
    // As long as the read of a follower's fetch goes on.
    let held = partition.hold_for_follower(REMOTE, LeaderEpoch(5)).unwrap();
    elsewhere(&scene, |it| it.append(1));
    elsewhere(&scene, |it| assert!(it.fetch(OTHER, 0).is_ok()));
    drop(held);
    assert_eq!(scene.log.log_end_offset().0, 1);
}

/// Port of `PartitionLockTest.testAppendReplicaFetchWithSchedulerCheckForShrinkIsr`.
#[test]
fn a_look_for_replicas_that_are_behind_waits_for_no_append() {
    let scene = Arc::new(Scene::new());
    scene.make_leader(5, &[LOCAL, REMOTE]);
    let partition = scene.partition();
    let held = partition.hold_for_follower(REMOTE, LeaderEpoch(5)).unwrap();
    assert_eq!(elsewhere(&scene, |it| it.partition().maybe_shrink_isr(0)), None);
    elsewhere(&scene, |it| it.append(1));
    drop(held);
}

/// Port of `PartitionLockTest.testAppendReplicaFetchWithUpdateIsr`.
#[test]
fn appends_fetches_and_changes_of_the_isr_come_to_their_end_together() {
    const APPENDS: i64 = 200;
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE, OTHER]);
    let (is_over, partition) = (AtomicBool::new(false), scene.partition());
    thread::scope(|scope| {
        let changes = scope.spawn(|| {
            let mut partition_epoch = 5;
            while !is_over.load(Ordering::SeqCst) {
                partition_epoch += 1;
                let isr: &[i32] = if partition_epoch % 2 == 0 {
                    &[LOCAL, REMOTE]
                } else {
                    &[LOCAL, REMOTE, OTHER]
                };
                partition.make_leader(state(LOCAL, 5, partition_epoch, isr)).unwrap();
                thread::yield_now();
            }
            partition.make_leader(state(LOCAL, 5, partition_epoch + 1, &[LOCAL, REMOTE])).unwrap();
        });
        let appends: Vec<_> = [0, 1]
            .map(|_| {
                let partition = Arc::clone(&partition);
                scope.spawn(move || {
                    for _ in 0..APPENDS / 2 {
                        partition.append_messages_to_leader(&mut batch(&["value"]), 1).unwrap();
                    }
                })
            })
            .into();
        let fetches = scope.spawn(|| {
            let mut offset = 0;
            while offset < APPENDS {
                let end_offset = scene.fetch(REMOTE, offset).unwrap().log_end_offset.0;
                assert!(scene.high_watermark() <= offset, "it has no more");
                offset = end_offset;
            }
            scene.fetch(REMOTE, APPENDS).unwrap();
        });
        let appended: Vec<_> = appends.into_iter().map(ScopedJoinHandle::join).collect();
        let fetched = fetches.join();
        is_over.store(true, Ordering::SeqCst);
        assert!(appended.iter().all(Result::is_ok) && fetched.is_ok() && changes.join().is_ok());
    });
    assert_eq!((scene.log.log_end_offset().0, scene.high_watermark()), (APPENDS, APPENDS));
}

/// Port of `PartitionLockTest.testGetReplicaWithUpdateAssignmentAndIsr`.
#[test]
fn a_replica_that_stays_is_there_while_others_come_and_go() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE]);
    scene.append(3);
    scene.fetch(REMOTE, 3).unwrap();
    let (is_over, partition) = (AtomicBool::new(false), scene.partition());
    thread::scope(|scope| {
        scope.spawn(|| {
            for partition_epoch in 6..500 {
                let assigned: &[i32] = if partition_epoch % 2 == 0 {
                    &[LOCAL, REMOTE]
                } else {
                    &[REMOTE, OTHER, LOCAL]
                };
                let assigned_replicas = Some(assigned.into());
                let later = state(LOCAL, 5, partition_epoch, &[LOCAL, REMOTE]);
                partition.make_leader(PartitionState { assigned_replicas, ..later }).unwrap();
            }
            is_over.store(true, Ordering::SeqCst);
        });
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                let replicas = partition.remote_replicas();
                let remote = replicas.iter().find(|it| it.broker_id == REMOTE).unwrap();
                assert_eq!(remote.state().log_end_offset.message_offset.0, 3);
            }
        });
    });
}
