//! A partition with followers: whose fetches move the high watermark, and who gets one.

use transferto::common::errors::Errors;
use transferto::common::units::{LeaderEpoch, Offset};

use crate::replica::partition_scene::{LOCAL, OTHER, REMOTE, REMOTE_EPOCH, Scene};

#[test]
fn the_high_watermark_is_what_all_replicas_in_sync_have() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE, OTHER]);
    scene.append(10);
    assert_eq!(scene.high_watermark(), 0, "no follower has fetched");

    for (id, offset, watermark) in
        [(REMOTE, 10, 0), (OTHER, 4, 4), (OTHER, 7, 7), (REMOTE, 10, 7), (OTHER, 10, 10)]
    {
        let read = scene.fetch(id, offset).unwrap();
        assert_eq!(read.log_end_offset, Offset(10));
        assert_eq!(scene.high_watermark(), watermark, "{id} at {offset}");
    }
    assert_eq!(scene.fetch(OTHER, 10).unwrap().high_watermark, Offset(10));
    assert!(scene.engine.take_asked().is_empty(), "all are in sync");
}

#[test]
fn a_follower_learns_with_its_next_fetch_what_this_one_has_moved() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE]);
    scene.append(3);
    assert_eq!(scene.fetch(REMOTE, 3).unwrap().high_watermark, Offset(0));
    assert_eq!(scene.fetch(REMOTE, 3).unwrap().high_watermark, Offset(3));
}

/// Port of `PartitionTest.testFetchFromUnrecognizedFollower`.
#[test]
fn a_broker_that_is_no_replica_fetches_nothing() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL]);
    scene.append(1);
    let refusal = |epoch: Option<i32>| {
        let fetched = scene.fetch_as(9, None, epoch.map(LeaderEpoch), 0);
        fetched.map(|_| ()).unwrap_err().code()
    };
    assert_eq!(refusal(None), Errors::NotLeaderForPartition);
    assert_eq!(refusal(Some(5)), Errors::UnknownLeaderEpoch);
    assert_eq!(refusal(Some(4)), Errors::FencedLeaderEpoch, "the epoch is looked at first");
}

/// Port of `PartitionTest.testFenceFollowerFetchWithStaleBrokerEpoch`.
#[test]
fn a_fetch_from_before_a_brokers_registration_says_nothing() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE]);
    scene.append(10);
    let fetch = |replica_epoch, offset| {
        let fetched = scene.fetch_as(REMOTE, Some(replica_epoch), Some(LeaderEpoch(5)), offset);
        fetched.map(|_| ()).map_err(|error| error.code())
    };
    assert_eq!(fetch(REMOTE_EPOCH, 2), Ok(()));
    assert_eq!(fetch(REMOTE_EPOCH - 2, 9), Err(Errors::NotLeaderForPartition));
    assert_eq!(scene.high_watermark(), 2);
    assert_eq!(fetch(REMOTE_EPOCH + 1, 3), Ok(()), "the image is behind");
    assert_eq!(scene.high_watermark(), 3);
}
