//! To which follower a leader sends a consumer.

use transferto::common::units::Offset;
use transferto::replica::remote_replica::FollowerFetch;
use transferto::storage::log::log_offset_metadata::LogOffsetMetadata;

use crate::replica::partition_scene::{LOCAL, OTHER, REMOTE, Scene, state};

/// A leader of ten records with two followers in sync, whose logs are these ranges, at times in this order.
fn leader(remote: (i64, i64), other: (i64, i64)) -> Scene {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE, OTHER]);
    scene.append(10);
    for ((id, (start, end)), fetched_ms) in [(REMOTE, remote), (OTHER, other)].into_iter().zip(1..)
    {
        let replicas = scene.partition().remote_replicas();
        let replica = replicas.iter().find(|it| it.broker_id == id).unwrap();
        replica.update_fetch_state(&FollowerFetch {
            offset: LogOffsetMetadata::message_offset_only(Offset(end)),
            log_start_offset: Offset(start),
            broker_epoch: None,
            fetched_ms,
            leader_end_offset: Offset(end),
        });
    }
    scene
}

/// Who of the brokers in the consumer's rack is to be read from the offset on.
fn preferred(scene: &Scene, offset: i64, rack: &[i32]) -> Option<i32> {
    scene.partition().preferred_read_replica(Offset(offset), |id| rack.contains(&id))
}

#[test]
fn a_consumer_is_sent_to_a_follower_in_its_rack_and_stays_where_the_leader_is() {
    let scene = leader((0, 10), (0, 10));
    assert_eq!(preferred(&scene, 3, &[REMOTE]), Some(REMOTE));
    assert_eq!(preferred(&scene, 3, &[OTHER]), Some(OTHER));
    assert_eq!(preferred(&scene, 3, &[LOCAL, REMOTE, OTHER]), None);
    assert_eq!(preferred(&scene, 3, &[]), None);
}

#[test]
fn a_follower_is_fit_whose_log_has_the_offset_or_ends_there() {
    let scene = leader((2, 7), (0, 10));
    for (offset, is_fit) in [(1, false), (2, true), (7, true), (8, false), (-1, false)] {
        assert_eq!(preferred(&scene, offset, &[REMOTE]), is_fit.then_some(REMOTE), "{offset}");
    }
}

#[test]
fn the_follower_that_has_most_is_preferred_and_then_the_one_that_has_caught_up_last() {
    let scene = leader((0, 10), (0, 9));
    assert_eq!(preferred(&scene, 3, &[REMOTE, OTHER]), Some(REMOTE));
    let scene = leader((0, 10), (0, 10));
    assert_eq!(preferred(&scene, 3, &[REMOTE, OTHER]), Some(OTHER));
}

#[test]
fn a_follower_that_has_not_fetched_or_is_not_in_sync_is_not_preferred() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE]);
    assert_eq!(preferred(&scene, 0, &[REMOTE]), None);
    let scene = leader((0, 10), (0, 10));
    scene.partition().make_leader(state(LOCAL, 5, 6, &[LOCAL, OTHER])).unwrap();
    assert_eq!(preferred(&scene, 3, &[REMOTE]), None);
    assert_eq!(preferred(&scene, 3, &[REMOTE, OTHER]), Some(OTHER));
}

#[test]
fn only_a_leader_sends_consumers_elsewhere() {
    let scene = leader((0, 10), (0, 10));
    scene.partition().make_follower(state(OTHER, 6, 6, &[LOCAL, REMOTE, OTHER]));
    assert_eq!(preferred(&scene, 3, &[REMOTE]), None);
}
