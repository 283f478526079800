//! How much a leader sends to followers that are behind: `leader.replication.throttled.rate`.

use transferto::common::errors::Errors;
use transferto::replica::replication_quota_manager::{ThrottledPartitions, UNLIMITED_QUOTA};

use crate::replica::partition_scene::{OTHER, REMOTE, Scene};

/// A leader whose follower REMOTE is in sync and OTHER is not, with 3 records that both lack.
fn scene() -> Scene {
    let scene = Scene::new();
    scene.make_leader(1, &[1, REMOTE]);
    scene.append(3);
    scene
}

fn throttle(scene: &Scene) {
    let quota = &scene.manager.quotas().leader;
    quota.mark_throttled("topic", ThrottledPartitions::All);
    quota.update_quota(10);
}

/// Port of `ReplicaManagerQuotasTest.shouldGetNoMessagesIfQuotasExceededOnSubsequentPartitions` and of
/// `ReplicaManagerQuotasTest.shouldIncludeInSyncThrottledReplicas`.
#[test]
fn a_follower_that_is_behind_waits_while_the_rate_is_used_up_and_one_in_sync_does_not() {
    let scene = scene();
    throttle(&scene);
    assert!(scene.fetch(OTHER, 0).unwrap().size_in_bytes() > 0, "nothing is used up yet");
    assert_eq!(scene.fetch(OTHER, 0).unwrap().size_in_bytes(), 0);
    assert!(scene.fetch(REMOTE, 0).unwrap().size_in_bytes() > 0);
    // As in Kafka the window is of eleven samples of a second each.
    scene.mocks.time.sleep(3_600_000);
    assert!(scene.fetch(OTHER, 0).unwrap().size_in_bytes() > 0, "an hour later");
}

#[test]
fn what_is_not_named_as_throttled_does_not_count() {
    let scene = scene();
    scene.manager.quotas().leader.update_quota(10);
    for _ in 0..3 {
        assert!(scene.fetch(OTHER, 0).unwrap().size_in_bytes() > 0);
    }
}

#[test]
fn a_rate_that_is_lifted_holds_nobody_back() {
    let scene = scene();
    throttle(&scene);
    for _ in 0..2 {
        scene.fetch(OTHER, 0).unwrap();
    }
    scene.manager.quotas().leader.update_quota(UNLIMITED_QUOTA);
    assert!(scene.fetch(OTHER, 0).unwrap().size_in_bytes() > 0);
}

/// A follower whose empty log begins beyond the leader's end: what it asks for is looked up though it gets nothing,
/// or it would count as one that has all.
#[test]
fn a_follower_that_is_held_back_learns_all_the_same_that_its_offset_is_out_of_range() {
    let scene = scene();
    throttle(&scene);
    for _ in 0..2 {
        scene.fetch(OTHER, 0).unwrap();
    }
    scene.take_change().answer(Err(Errors::IneligibleReplica));
    let refused = scene.fetch(OTHER, 70).err().unwrap();
    assert_eq!(refused.code(), Errors::OffsetOutOfRange);
    assert!(scene.engine.take_asked().is_empty(), "it joins nothing");
}
