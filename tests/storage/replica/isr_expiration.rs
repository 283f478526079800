//! Which replicas fall out of sync, by the clock.

use crate::replica::partition_scene::{LAG_TIME_MAX_MS, LOCAL, OTHER, REMOTE, Scene};

/// A leader of ten records that both followers have.
fn leader_in_sync() -> Scene {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE, OTHER]);
    scene.append(10);
    for id in [REMOTE, OTHER] {
        scene.fetch(id, 10).unwrap();
    }
    scene
}

/// The ISR that the leader asks for, if it asks for another one.
fn asked_for(scene: &Scene) -> Option<Vec<i32>> {
    scene.manager.maybe_shrink_isr();
    scene.engine.take_asked().pop().map(|(asked, _)| asked.isr.iter().map(|(id, _)| *id).collect())
}

/// Port of `IsrExpirationTest.testIsrExpirationForStuckFollowers`.
#[test]
fn followers_that_stop_fetching_fall_out_of_sync() {
    let scene = leader_in_sync();
    assert_eq!(asked_for(&scene), None);
    // They had caught up until now, and fetch no more.
    scene.append(5);
    scene.mocks.sleep(LAG_TIME_MAX_MS);
    assert_eq!(asked_for(&scene), None, "just in time");
    scene.mocks.sleep(1);
    assert_eq!(asked_for(&scene), Some(vec![LOCAL]));
}

/// Port of `IsrExpirationTest.testIsrExpirationIfNoFetchRequestMade`.
#[test]
fn followers_that_never_fetch_fall_out_of_sync() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE, OTHER]);
    scene.mocks.sleep(LAG_TIME_MAX_MS + 1);
    assert_eq!(asked_for(&scene), Some(vec![LOCAL]), "though there is nothing to fetch");
}

/// Port of `IsrExpirationTest.testIsrExpirationForSlowFollowers`.
#[test]
fn a_follower_that_fetches_but_never_catches_up_falls_out_of_sync() {
    let scene = leader_in_sync();
    scene.append(10);
    for fetch in 1..=3 {
        scene.mocks.sleep(LAG_TIME_MAX_MS / 3);
        scene.fetch(REMOTE, 10 + fetch).unwrap();
        scene.fetch(OTHER, 20).unwrap();
        assert_eq!(asked_for(&scene), None, "{fetch}");
    }
    scene.mocks.sleep(LAG_TIME_MAX_MS / 3);
    scene.fetch(REMOTE, 14).unwrap();
    assert_eq!(asked_for(&scene), Some(vec![LOCAL, OTHER]));
}

/// Port of `IsrExpirationTest.testIsrExpirationForCaughtUpFollowers`.
#[test]
fn followers_that_have_all_stay_in_sync_without_a_fetch() {
    let scene = leader_in_sync();
    scene.mocks.sleep(LAG_TIME_MAX_MS + 1);
    assert_eq!(asked_for(&scene), None);
}
