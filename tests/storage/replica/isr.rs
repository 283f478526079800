//! Who is in sync: how followers join the ISR and leave it, and what becomes of a change that the controller refuses.

use transferto::common::errors::Errors;
use transferto::common::units::{LeaderEpoch, Offset};
use transferto::config::log_config::LogConfig;
use transferto::image::leader_recovery_state::LeaderRecoveryState;
use transferto::replica::isr_state::IsrState;
use transferto::replica::partition::Acknowledgement;
use transferto::replica::partition_state::PartitionState;
use transferto::replica::replication_engine::AlteredPartition;

use crate::replica::partition_scene::{
    LAG_TIME_MAX_MS, LOCAL, LOCAL_EPOCH, OTHER, OTHER_EPOCH, REMOTE, REMOTE_EPOCH, Scene, broker,
    state,
};

/// Not in sync, and not in the set that the high watermark respects.
const OUT: (bool, bool) = (false, false);
/// About to be in sync.
const JOINING: (bool, bool) = (false, true);
const IN: (bool, bool) = (true, true);

fn committed(isr: &[i32]) -> IsrState {
    IsrState::committed_as(isr.into())
}

/// A leader that is in sync alone, with ten records.
fn leader_of_ten() -> Scene {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL]);
    scene.append(10);
    scene
}

/// Port of `PartitionTest.testIsrExpansion`.
#[test]
fn a_follower_joins_once_it_has_what_is_committed() {
    let scene = leader_of_ten();
    assert_eq!(scene.high_watermark(), 10);
    scene.fetch(REMOTE, 3).unwrap();
    assert!(scene.engine.take_asked().is_empty(), "it lacks seven records");

    scene.fetch(REMOTE, 10).unwrap();
    assert_eq!(scene.is_in_isr(REMOTE), JOINING);
    let change = scene.take_change();
    assert_eq!(change.isr(), [LOCAL, REMOTE]);
    assert_eq!((change.asked.leader_epoch, change.asked.partition_epoch), (LeaderEpoch(5), 5));
    assert_eq!(change.asked.topic_id, [1; 16]);

    change.grant();
    assert_eq!(scene.isr(), committed(&[LOCAL, REMOTE]));
    assert_eq!(scene.partition().state().partition_epoch, 6);
    let metrics = &scene.metrics;
    assert_eq!((metrics.isr_expands.value(), metrics.failed_isr_updates.value()), (1, 0));
}

/// Port of `PartitionTest.testFollowerDoesNotJoinISRUntilCaughtUpToOffsetWithinCurrentLeaderEpoch`.
#[test]
fn a_follower_joins_no_earlier_than_at_the_start_of_the_leaders_epoch() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE, OTHER]);
    scene.append(3);
    scene.fetch(OTHER, 2).unwrap();
    scene.fetch(REMOTE, 2).unwrap();
    assert_eq!(scene.high_watermark(), 2);
    // Elected by the controller again, without the other one. Its epoch begins at 3.
    scene.make_leader(6, &[LOCAL, REMOTE]);
    scene.append(2);
    scene.fetch(OTHER, 2).unwrap();
    assert!(scene.engine.take_asked().is_empty(), "it is at the high watermark, but not at 3");
    scene.fetch(OTHER, 3).unwrap();
    assert_eq!(scene.take_change().isr(), [LOCAL, REMOTE, OTHER]);
}

/// Port of `PartitionTest.testIsrNotExpandedIfReplicaIsFencedOrShutdown` and
/// `PartitionTest.testIsrNotExpandedIfReplicaIsInControlledShutdown`.
#[test]
fn a_broker_that_is_fenced_or_shuts_down_does_not_join() {
    let scene = leader_of_ten();
    let mut remote = broker(REMOTE, REMOTE_EPOCH);
    remote.is_active = false;
    scene.engine.set_broker(REMOTE, remote.clone());
    scene.fetch(REMOTE, 10).unwrap();
    assert_eq!((scene.isr(), scene.engine.take_asked().len()), (committed(&[LOCAL]), 0));

    remote.is_active = true;
    scene.engine.set_broker(REMOTE, remote.clone());
    scene.fetch(REMOTE, 10).unwrap();
    let change = scene.take_change();
    remote.is_active = false;
    scene.engine.set_broker(REMOTE, remote);
    change.answer(Err(Errors::IneligibleReplica));
    assert_eq!((scene.isr(), scene.metrics.failed_isr_updates.value()), (committed(&[LOCAL]), 1));
    scene.fetch(REMOTE, 10).unwrap();
    assert!(scene.engine.take_asked().is_empty());
}

/// Port of `PartitionTest.testIsrCanExpandedIfBrokerEpochsMatchWithKraftMetadataCache`.
#[test]
fn a_follower_joins_in_the_epoch_of_its_last_fetch() {
    let scene = leader_of_ten();
    let fetch = |id, epoch| {
        scene.fetch_as(id, Some(epoch), Some(LeaderEpoch(5)), 10).unwrap();
    };
    fetch(REMOTE, REMOTE_EPOCH + 1);
    assert!(scene.engine.take_asked().is_empty(), "it is registered in a newer epoch than known");

    fetch(REMOTE, REMOTE_EPOCH);
    let change = scene.take_change();
    let expected = [(LOCAL, Some(LOCAL_EPOCH)), (REMOTE, Some(REMOTE_EPOCH))];
    assert_eq!(change.asked.isr, expected);
    change.grant();

    // In sync since then, it has registered anew; what it says is that of its last fetch.
    scene.engine.set_broker(REMOTE, broker(REMOTE, REMOTE_EPOCH + 7));
    fetch(OTHER, OTHER_EPOCH);
    let with_other =
        [(LOCAL, Some(LOCAL_EPOCH)), (REMOTE, Some(REMOTE_EPOCH)), (OTHER, Some(OTHER_EPOCH))];
    assert_eq!(scene.take_change().asked.isr, with_other);
}

/// A follower of an old cluster says no epoch.
#[test]
fn a_follower_without_an_epoch_joins_without_one() {
    let scene = leader_of_ten();
    scene.fetch(REMOTE, 10).unwrap();
    assert_eq!(scene.take_change().asked.isr, [(LOCAL, Some(LOCAL_EPOCH)), (REMOTE, None)]);
}

/// Port of `PartitionTest.testIsrNotExpandedIfUpdateFails`.
#[test]
fn a_change_that_waits_for_the_log_is_not_asked_for_again() {
    let scene = leader_of_ten();
    scene.fetch(REMOTE, 10).unwrap();
    scene.take_change().answer(Err(Errors::InvalidUpdateVersion));
    assert_eq!(scene.is_in_isr(REMOTE), JOINING);
    assert_eq!(
        (scene.metrics.isr_expands.value(), scene.metrics.failed_isr_updates.value()),
        (0, 1)
    );
    scene.fetch(REMOTE, 10).unwrap();
    scene.fetch(OTHER, 10).unwrap();
    assert!(scene.engine.take_asked().is_empty());
}

/// Port of `PartitionTest.testInvalidAlterPartitionRequestsAreNotRetried`,
/// `PartitionTest.testAlterIsrUnknownTopic`, `PartitionTest.testAlterIsrInvalidVersion` and
/// `PartitionTest.testAlterIsrNewLeaderElected`.
#[test]
fn where_the_controller_knows_more_the_leader_waits_for_its_record() {
    for error in [
        Errors::InvalidRequest,
        Errors::UnknownTopicOrPartition,
        Errors::UnknownTopicId,
        Errors::InvalidUpdateVersion,
        Errors::FencedLeaderEpoch,
        Errors::NewLeaderElected,
    ] {
        let scene = leader_of_ten();
        scene.fetch(REMOTE, 10).unwrap();
        scene.take_change().answer(Err(error));
        assert!(scene.engine.take_asked().is_empty(), "{error}");
        assert_eq!(scene.is_in_isr(REMOTE), JOINING, "{error}: it may be in sync by now");
        scene.append(1);
        assert_eq!(scene.high_watermark(), 10, "{error}");

        let record = state(LOCAL, 5, 6, &[LOCAL]);
        scene.partition().make_leader(record).unwrap();
        assert_eq!((scene.isr(), scene.is_in_isr(REMOTE)), (committed(&[LOCAL]), OUT), "{error}");
    }
}

/// Port of `PartitionTest.testAlterIsrUnexpectedError` and
/// `PartitionTest.testPartitionShouldRetryAlterPartitionRequest`.
#[test]
fn a_change_is_asked_for_again_after_any_other_error() {
    let scene = leader_of_ten();
    scene.fetch(REMOTE, 10).unwrap();
    let first = scene.take_change();
    let asked = first.asked.clone();
    first.answer(Err(Errors::UnknownServerError));
    let second = scene.take_change();
    assert_eq!(second.asked, asked);
    second.answer(Err(Errors::NotController));
    scene.take_change().grant();
    assert_eq!(scene.is_in_isr(REMOTE), IN);
    assert_eq!(scene.metrics.failed_isr_updates.value(), 2);
}

#[test]
fn a_change_that_was_not_attempted_is_begun_anew_by_the_next_fetch() {
    let scene = leader_of_ten();
    scene.fetch(REMOTE, 10).unwrap();
    scene.take_change().answer(Err(Errors::OperationNotAttempted));
    assert_eq!((scene.is_in_isr(REMOTE), scene.engine.take_asked().len()), (OUT, 0));
    scene.fetch(REMOTE, 10).unwrap();
    scene.take_change().grant();
    assert_eq!(scene.is_in_isr(REMOTE), IN);
}

/// Port of `PartitionTest.testSingleInFlightAlterIsr`.
#[test]
fn one_change_is_under_way_at_a_time() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE]);
    scene.append(10);
    scene.fetch(REMOTE, 10).unwrap();
    scene.fetch(OTHER, 10).unwrap();
    let joining = scene.take_change();
    // The second replica falls behind meanwhile, and is not taken out.
    scene.append(1);
    scene.mocks.sleep(LAG_TIME_MAX_MS + 1);
    scene.manager.maybe_shrink_isr();
    scene.fetch(OTHER, 11).unwrap();
    assert!(scene.engine.take_asked().is_empty());
    joining.grant();
    scene.manager.maybe_shrink_isr();
    assert_eq!(scene.take_change().isr(), [LOCAL, OTHER]);
}

/// Port of `PartitionTest.testAlterIsrLeaderAndIsrRace`.
#[test]
fn an_answer_that_comes_after_a_newer_record_is_passed_over() {
    let scene = leader_of_ten();
    scene.fetch(REMOTE, 10).unwrap();
    let change = scene.take_change();
    scene.partition().make_leader(state(LOCAL, 6, 7, &[LOCAL, OTHER])).unwrap();
    let granted = change.granted();
    change.answer(Ok(granted));
    let now = scene.partition().state();
    assert_eq!((now.isr, now.partition_epoch), (committed(&[LOCAL, OTHER]), 7));

    // Nor is a refusal of it taken for one of the next change.
    scene.fetch(OTHER, 10).unwrap();
    scene.fetch(REMOTE, 10).unwrap();
    let refused = scene.take_change();
    scene.partition().make_follower(state(REMOTE, 7, 8, &[REMOTE]));
    scene.partition().make_leader(state(LOCAL, 8, 9, &[LOCAL])).unwrap();
    scene.fetch(REMOTE, 10).unwrap();
    let next = scene.take_change();
    refused.answer(Err(Errors::IneligibleReplica));
    assert_eq!(scene.is_in_isr(REMOTE), JOINING);
    next.grant();
    assert_eq!(scene.is_in_isr(REMOTE), IN);
}

/// The record of the first change comes while the second is under way. It says nothing new, and the second may have
/// been made.
#[test]
fn a_record_that_is_known_leaves_the_change_under_way() {
    let scene = leader_of_ten();
    scene.fetch(REMOTE, 10).unwrap();
    scene.take_change().grant();
    scene.fetch(OTHER, 10).unwrap();
    let second = scene.take_change();
    scene.partition().make_leader(state(LOCAL, 5, 6, &[LOCAL, REMOTE])).unwrap();
    assert_eq!(scene.is_in_isr(OTHER), JOINING);
    second.grant();
    assert_eq!(scene.isr(), committed(&[LOCAL, REMOTE, OTHER]));
}

/// Port of `PartitionTest.testMaybeShrinkIsr`.
#[test]
fn a_replica_that_stays_behind_is_taken_out() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE]);
    scene.append(10);
    scene.manager.maybe_shrink_isr();
    assert!(scene.engine.take_asked().is_empty(), "it has just become a follower of this leader");
    scene.mocks.sleep(LAG_TIME_MAX_MS + 1);
    scene.manager.maybe_shrink_isr();
    let change = scene.take_change();
    assert_eq!(change.isr(), [LOCAL]);
    assert_eq!((scene.is_in_isr(REMOTE), scene.high_watermark()), (IN, 0), "until it is known");
    change.grant();
    assert_eq!((scene.isr(), scene.high_watermark()), (committed(&[LOCAL]), 10));
    assert_eq!((scene.metrics.isr_shrinks.value(), scene.metrics.isr_expands.value()), (1, 0));
}

#[test]
fn a_change_is_counted_once_be_it_the_metadata_log_that_says_it_first() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE]);
    scene.append(10);
    scene.mocks.sleep(LAG_TIME_MAX_MS + 1);
    scene.manager.maybe_shrink_isr();
    let change = scene.take_change();
    let next = change.granted().partition_epoch;
    scene.partition().make_leader(state(LOCAL, 5, next, &[LOCAL])).unwrap();
    change.grant();
    assert_eq!((scene.isr(), scene.high_watermark()), (committed(&[LOCAL]), 10));
    assert_eq!((scene.metrics.isr_shrinks.value(), scene.metrics.isr_expands.value()), (1, 0));
}

/// Port of `PartitionTest.testIsrNotShrunkIfUpdateFails` and `PartitionTest.testRetryShrinkIsr`.
#[test]
fn a_replica_is_in_sync_until_the_controller_says_otherwise() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE]);
    scene.append(10);
    scene.mocks.sleep(LAG_TIME_MAX_MS + 1);
    scene.manager.maybe_shrink_isr();
    scene.take_change().answer(Err(Errors::UnknownServerError));
    let second = scene.take_change();
    assert_eq!((second.isr(), scene.high_watermark()), (vec![LOCAL], 0));
    second.answer(Err(Errors::InvalidUpdateVersion));
    scene.mocks.sleep(LAG_TIME_MAX_MS + 1);
    scene.manager.maybe_shrink_isr();
    assert!(scene.engine.take_asked().is_empty());
    assert_eq!((scene.is_in_isr(REMOTE), scene.high_watermark()), (IN, 0));
}

/// Port of `PartitionTest.testShouldNotShrinkIsrIfPreviousFetchIsCaughtUp`.
#[test]
fn a_follower_that_keeps_pace_with_a_busy_leader_stays() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE]);
    scene.append(5);
    scene.mocks.sleep(5_000);
    scene.fetch(REMOTE, 0).unwrap();
    // It asks for what was the end at its last fetch: then it had caught up.
    scene.append(5);
    scene.mocks.sleep(5_001);
    scene.fetch(REMOTE, 5).unwrap();
    scene.manager.maybe_shrink_isr();
    assert!(scene.engine.take_asked().is_empty());
    assert_eq!((scene.isr(), scene.high_watermark()), (committed(&[LOCAL, REMOTE]), 5));
}

/// Port of `PartitionTest.testShouldNotShrinkIsrIfFollowerCaughtUpToLogEnd`.
#[test]
fn a_follower_that_has_all_stays_however_long_it_is_silent() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE]);
    scene.append(10);
    scene.fetch(REMOTE, 10).unwrap();
    scene.mocks.sleep(LAG_TIME_MAX_MS * 3);
    scene.manager.maybe_shrink_isr();
    assert!(scene.engine.take_asked().is_empty());
}

/// Port of `PartitionTest.testHighWatermarkIncreasesWithFencedOrShutdownFollower`.
#[test]
fn a_follower_that_is_about_to_join_counts_unless_its_broker_is_fenced() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE]);
    scene.append(10);
    scene.fetch(REMOTE, 10).unwrap();
    scene.fetch(OTHER, 10).unwrap();
    scene.take_change().answer(Err(Errors::OperationNotAttempted));
    scene.append(5);
    scene.fetch(REMOTE, 15).unwrap();
    assert_eq!((scene.is_in_isr(OTHER), scene.high_watermark()), (OUT, 10), "it keeps pace");

    let mut other = broker(OTHER, OTHER_EPOCH);
    other.is_active = false;
    scene.engine.set_broker(OTHER, other);
    scene.append(1);
    scene.fetch(REMOTE, 16).unwrap();
    assert_eq!(scene.high_watermark(), 16);
}

/// The controller may elect any that it has in the ISR, also one that this leader has reason to believe lost.
#[test]
fn a_follower_whose_disk_has_failed_counts_as_long_as_it_is_or_may_be_in_sync() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE]);
    scene.append(10);
    scene.fetch(OTHER, 10).unwrap();
    let joining = scene.take_change();
    [REMOTE, OTHER].into_iter().for_each(|id| scene.engine.fail_directory(id));
    scene.append(5);
    scene.fetch(REMOTE, 15).unwrap();
    assert_eq!((scene.is_in_isr(OTHER), scene.high_watermark()), ((false, true), 10));
    joining.answer(Err(Errors::IneligibleReplica));
    assert_eq!((scene.is_in_isr(OTHER), scene.high_watermark()), (OUT, 15));
    scene.append(1);
    assert_eq!(scene.high_watermark(), 15, "one in sync lacks it");
}

/// Port of `PartitionTest.testHighWatermarkAdvanceShouldNotAdvanceWhenUnderMinISR`.
#[test]
fn below_min_insync_replicas_the_high_watermark_stands_still() {
    let config = LogConfig { min_in_sync_replicas: 2, ..LogConfig::default() };
    let scene = Scene::with_config(config);
    scene.make_leader(5, &[LOCAL]);
    scene.append(10);
    assert_eq!(scene.high_watermark(), 0);
    scene.fetch(REMOTE, 10).unwrap();
    assert_eq!(scene.high_watermark(), 0, "it is not known to be in sync");
    scene.take_change().grant();
    assert_eq!(scene.high_watermark(), 10);
}

/// Port of `PartitionTest.testIsUnderMinIsr` and `PartitionTest.testAtMinIsr`.
#[test]
fn the_number_of_replicas_in_sync_is_compared_with_the_least_that_acks_all_asks_for() {
    let of_isr = |isr: &[i32]| state(LOCAL, 5, 5, isr);
    assert!(of_isr(&[LOCAL]).compare_with_min_isr(2).is_lt());
    assert!(of_isr(&[LOCAL, REMOTE]).compare_with_min_isr(2).is_eq());
    assert!(of_isr(&[LOCAL, REMOTE, OTHER]).compare_with_min_isr(2).is_gt());
    assert!(of_isr(&[LOCAL, REMOTE, OTHER]).compare_with_min_isr(5).is_eq(), "there are but three");
    assert!(PartitionState::alone(LOCAL, LeaderEpoch(0)).compare_with_min_isr(2).is_lt());
}

/// Port of `PartitionTest.testUnderReplicatedPartitionsCorrectSemantics`.
#[test]
fn a_partition_is_under_replicated_while_a_replica_is_not_in_sync() {
    assert!(state(LOCAL, 5, 5, &[LOCAL, REMOTE]).is_under_replicated());
    assert!(!state(LOCAL, 5, 5, &[LOCAL, REMOTE, OTHER]).is_under_replicated());
    assert!(!PartitionState::alone(LOCAL, LeaderEpoch(0)).is_under_replicated());
}

/// Port of `PartitionTest.testUpdateFollowerFetchState`.
#[test]
fn a_leader_knows_of_each_follower_how_far_it_is() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE]);
    scene.append(6);
    let of_remote = || {
        let replicas = scene.partition().remote_replicas();
        replicas.iter().find(|it| it.broker_id == REMOTE).unwrap().state()
    };
    assert!(!of_remote().has_fetched());
    scene.mocks.sleep(500);
    scene.fetch(REMOTE, 3).unwrap();
    assert_eq!(of_remote().log_end_offset.message_offset, Offset(3));
    let now_ms = 500;
    assert!(of_remote().is_caught_up(Offset(6), now_ms, 500), "since it became a follower");
    assert!(!of_remote().is_caught_up(Offset(6), now_ms, 499));
    scene.mocks.sleep(500);
    scene.fetch(REMOTE, 6).unwrap();
    assert_eq!(of_remote().log_end_offset.message_offset, Offset(6));
    assert!(of_remote().is_caught_up(Offset(7), 1_000, 0), "it has just asked for the end");
    assert!(!of_remote().is_caught_up(Offset(7), 1_001, 0));
}

/// Port of `PartitionTest.testDoNotResetReplicaStateIfLeaderEpochIsNotBumped`,
/// `PartitionTest.testDoNotUpdateEpochStartOffsetIfLeaderEpochIsNotBumped` and
/// `PartitionTest.testUpdateAssignmentAndIsr`.
#[test]
fn what_is_known_of_followers_stays_within_a_leader_epoch() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE]);
    scene.append(6);
    scene.fetch(REMOTE, 4).unwrap();
    let assigned = Some([LOCAL, REMOTE, 4].into());
    let later =
        PartitionState { assigned_replicas: assigned, ..state(LOCAL, 5, 6, &[LOCAL, REMOTE]) };
    assert!(!scene.partition().make_leader(later).unwrap());
    let replicas = scene.partition().remote_replicas();
    let known: Vec<_> = replicas
        .iter()
        .map(|it| (it.broker_id, it.state().log_end_offset.message_offset.0))
        .collect();
    assert_eq!(known, [(REMOTE, 4), (4, -1)]);
    assert_eq!(scene.partition().state().epoch_start_offset, Offset(0));

    // Elected again it asks itself anew who keeps pace, but knows how far they are.
    scene.make_leader(6, &[LOCAL, REMOTE]);
    let remote = scene.partition().remote_replicas()[0].state();
    assert_eq!(remote.log_end_offset.message_offset, Offset(4));
    assert_eq!(scene.partition().state().epoch_start_offset, Offset(6));

    // A leader that begins to lead knows nothing.
    scene.partition().make_follower(state(REMOTE, 8, 8, &[REMOTE]));
    scene.make_leader(9, &[LOCAL, REMOTE]);
    assert!(!scene.partition().remote_replicas()[0].state().has_fetched());
}

/// Port of `PartitionTest.testFollowerShouldNotHaveAnyRemoteReplicaStates`.
#[test]
fn a_follower_knows_nothing_of_other_replicas() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE]);
    assert_eq!(scene.partition().remote_replicas().len(), 2);
    scene.partition().make_follower(state(REMOTE, 6, 6, &[REMOTE, LOCAL]));
    assert!(scene.partition().remote_replicas().is_empty());
    assert_eq!(scene.isr(), committed(&[]));
}

/// Port of `PartitionTest.testIgnoreLeaderPartitionStateChangeWithOlderPartitionEpoch` and
/// `PartitionTest.testIgnoreFollowerPartitionStateChangeWithOlderPartitionEpoch`.
#[test]
fn a_change_of_an_older_partition_epoch_is_none() {
    let scene = Scene::new();
    let partition = scene.partition();
    partition.make_leader(state(LOCAL, 5, 5, &[LOCAL])).unwrap();
    assert!(!partition.make_leader(state(LOCAL, 5, 4, &[LOCAL, REMOTE])).unwrap());
    assert!(!partition.make_follower(state(REMOTE, 4, 4, &[LOCAL, REMOTE])));
    assert_eq!((partition.state().partition_epoch, scene.isr()), (5, committed(&[LOCAL])));
    assert!(partition.make_follower(state(REMOTE, 6, 6, &[REMOTE])));
    assert!(!partition.make_follower(state(OTHER, 5, 5, &[OTHER])));
    assert_eq!((partition.state().leader, partition.state().partition_epoch), (REMOTE, 6));
}

#[test]
fn an_answer_of_another_leader_epoch_changes_nothing() {
    let scene = leader_of_ten();
    scene.fetch(REMOTE, 10).unwrap();
    let change = scene.take_change();
    let altered = AlteredPartition {
        leader_epoch: LeaderEpoch(6),
        leader_recovery_state: LeaderRecoveryState::Recovered,
        ..change.granted()
    };
    change.answer(Ok(altered));
    assert_eq!((scene.is_in_isr(REMOTE), scene.partition().state().partition_epoch), (JOINING, 5));
}

#[test]
fn what_acks_all_waits_for_is_what_may_be_in_sync() {
    let config = LogConfig { min_in_sync_replicas: 2, ..LogConfig::default() };
    let scene = Scene::with_config(config);
    scene.make_leader(5, &[LOCAL, REMOTE]);
    scene.append(1);
    let epoch = LeaderEpoch(5);
    let reached = || scene.partition().check_enough_replicas_reach_offset(Offset(1), epoch);
    assert_eq!(reached(), Acknowledgement::Pending);
    scene.fetch(REMOTE, 1).unwrap();
    assert_eq!(reached(), Acknowledgement::Complete);
    scene.partition().make_leader(state(LOCAL, 5, 6, &[LOCAL])).unwrap();
    assert_eq!(reached(), Acknowledgement::TooFewReplicas);
    scene.fetch(REMOTE, 1).unwrap();
    assert_eq!(scene.is_in_isr(REMOTE), JOINING);
    assert_eq!(reached(), Acknowledgement::Complete, "by the greater set, as in Kafka");
    scene.partition().make_follower(state(REMOTE, 7, 7, &[REMOTE]));
    assert_eq!(reached(), Acknowledgement::NotLeader);
}
