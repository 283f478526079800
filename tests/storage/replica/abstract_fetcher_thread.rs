//! Ports of `kafka.server.AbstractFetcherThreadTest`: both brokers have real logs, and the test does the rounds of
//! the thread.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};

use support::records::batch;
use transferto::common::errors::Errors;
use transferto::common::hang_up::HangUp;
use transferto::common::units::{LeaderEpoch, Offset};
use transferto::replica::fetcher::partition_fetch_state::ReplicaState;
use transferto::replica::local_logs::{DEBUGGING_CONSUMER_ID, LogReadResult, PartitionFetchInfo};

use crate::replica::fetcher_scene::{BACKOFF_MS, Scene, TOPIC_ID, append, key, other_key};
use crate::replica::partition_scene::{fetch_info, params};

/// Longer than any test takes: only events end a wait.
const FOR_EVER_MS: i64 = 3_600_000;

/// Holds that the partition waits, and that it goes on when it has waited long enough.
fn assert_delayed(scene: &Scene) {
    let delayed_until_ms = scene.state().unwrap().delayed_until_ms;
    assert_eq!(delayed_until_ms, Some(scene.now_ms() + BACKOFF_MS));
    assert!(!scene.fetch(), "there is nothing to ask for");
    scene.mocks.time.sleep(BACKOFF_MS);
    assert!(scene.fetch());
}

/// Holds that the partition is left alone until the cluster changes it.
fn assert_failed(scene: &Scene) {
    assert!(scene.state().is_none() && scene.failed.contains(&key()));
}

/// As a panic in the midst of a change leaves it: it can be read, and nothing else.
fn break_log(scene: &Scene) {
    let log = Arc::clone(scene.follower().log());
    log.update_high_watermark(log.log_end_offset());
    let change = || log.delete_segments_while(Offset::MAX, |_| panic!("in the midst of a change"));
    assert!(catch_unwind(AssertUnwindSafe(change)).is_err());
}

/// Port of `AbstractFetcherThreadTest.testSimpleFetch`.
#[test]
fn a_follower_copies_what_its_leader_has_and_how_far_that_is_committed() {
    let scene = Scene::of(0, &[(0, "a"), (0, "b")], &[]);
    scene.played().high_watermark = Some(1);
    assert_eq!(scene.state().unwrap().state, ReplicaState::Truncating, "it has no epoch yet");
    assert!(scene.fetch());
    scene.assert_logs_equal();
    assert_eq!(scene.follower().high_watermark(), 1);
    let state = scene.state().unwrap();
    assert_eq!((state.fetch_offset, state.last_fetched_epoch), (Offset(2), Some(LeaderEpoch(0))));
    assert_eq!((state.state, state.lag), (ReplicaState::Fetching, Some(0)));
    assert_eq!(scene.played().epoch_questions, 0);

    append(scene.leader().log(), &[(0, "c")]);
    scene.played().high_watermark = None;
    assert!(scene.fetch());
    scene.assert_logs_equal();
    assert_eq!(scene.follower().high_watermark(), 3);
}

/// Port of `AbstractFetcherThreadTest.testDelay`.
#[test]
fn a_leader_that_does_not_answer_is_asked_again_later() {
    let scene = Scene::of(0, &[(0, "a")], &[]);
    scene.played().is_gone = true;
    assert!(scene.fetch());
    assert_eq!(scene.follower().end(), 0);
    assert_delayed(&scene);
    scene.assert_logs_equal();
}

/// Port of `AbstractFetcherThreadTest.testPartitionsInError` and
/// `AbstractFetcherThreadTest.testUnknownLeaderEpochWhileFetching`.
#[test]
fn a_partition_of_which_the_leader_has_not_heard_does_not_keep_the_others() {
    let scene = Scene::of(1, &[(0, "a")], &[]);
    scene.host(&other_key(), 0, &[(0, "b")], &[]);
    scene.lead_in(1);
    scene.add(&other_key(), 0);
    let before = scene.thread.remove_partitions(&[key()]);
    assert_eq!(before.len(), 1);
    scene.add(&key(), 2);
    assert!(scene.fetch());
    assert_eq!(scene.follower().end(), 0);
    assert_eq!(scene.follower_of(&other_key()).values(), ["b"]);
    assert!(scene.state().unwrap().delayed_until_ms.is_some());
    scene.lead_in(2);
    scene.mocks.time.sleep(BACKOFF_MS);
    assert!(scene.fetch());
    scene.assert_logs_equal();
}

/// Port of `AbstractFetcherThreadTest.testFencedFetch`.
#[test]
fn a_partition_whose_leader_knows_of_a_later_epoch_waits_for_the_cluster() {
    let scene = Scene::of(0, &[(0, "a")], &[]);
    scene.lead_in(1);
    assert!(scene.fetch());
    assert_failed(&scene);
    scene.add(&key(), 1);
    assert!(!scene.failed.contains(&key()));
    assert!(scene.fetch());
    scene.assert_logs_equal();
}

/// Port of `AbstractFetcherThreadTest.testTruncation`.
#[test]
fn what_only_the_follower_has_is_cut_off() {
    let scene = Scene::of(2, &[(0, "a"), (1, "b"), (2, "c")], &[(0, "a"), (0, "x"), (0, "y")]);
    assert!(scene.fetch(), "the leader says where the logs part");
    assert_eq!(scene.follower().values(), ["a"]);
    assert!(scene.fetch());
    scene.assert_logs_equal();
}

/// Port of `AbstractFetcherThreadTest.testDivergingEpochs`. Each has been led by somebody of whom the other has
/// not heard (KIP-279).
#[test]
fn logs_that_part_more_than_once_are_cut_step_by_step() {
    let of_leader = [(0, "a"), (0, "b"), (1, "c"), (3, "d"), (5, "e"), (5, "f")];
    let of_follower = [(0, "a"), (0, "b"), (2, "x"), (4, "y"), (4, "z")];
    let scene = Scene::of(5, &of_leader, &of_follower);
    let ends = scene.catch_up();
    assert_eq!(*ends.iter().min().unwrap(), 2, "no more was cut than has to be: {ends:?}");
    let epochs = |log: &transferto::storage::log::log::Log| log.leader_epochs().epoch_entries();
    assert_eq!(epochs(scene.follower().log()), epochs(scene.leader().log()));
}

/// Port of `AbstractFetcherThreadTest.testFencedTruncation`.
#[test]
fn a_truncation_ends_when_the_leader_knows_of_a_later_epoch() {
    let scene = Scene::truncating(3, &[(0, "a"), (1, "b"), (3, "c")], &[(0, "a"), (2, "x")]);
    scene.lead_in(4);
    scene.thread.maybe_truncate();
    assert_failed(&scene);
    assert_eq!((scene.played().epoch_questions, scene.follower().end()), (1, 2));
}

/// Port of `AbstractFetcherThreadTest.testUnknownLeaderEpochInTruncation`.
#[test]
fn a_leader_that_has_not_heard_of_its_epoch_is_asked_again_where_epochs_end() {
    let scene = Scene::truncating(4, &[(0, "a"), (1, "b")], &[(0, "a"), (2, "x")]);
    scene.lead_in(4);
    let (initial, thread) = (scene.initial(5, 2), &scene.thread);
    thread.add_partitions(vec![(key(), initial)]);
    assert!(scene.fetch());
    assert_delayed(&scene);
    assert_eq!(scene.follower().end(), 2);
    scene.lead_in(5);
    scene.mocks.time.sleep(BACKOFF_MS);
    scene.catch_up();
}

/// Port of `AbstractFetcherThreadTest.testParameterizedLeaderEpochChangeDuringFetchEpochsFromLeader` (KAFKA-7786).
#[test]
fn where_epochs_ended_in_an_earlier_epoch_is_passed_over() {
    let scene = Scene::truncating(3, &[(0, "a"), (1, "b"), (3, "c")], &[(0, "a"), (2, "x")]);
    let (thread, initial) = (Arc::clone(&scene.thread), scene.initial(4, 2));
    scene.meanwhile(move || thread.add_partitions(vec![(key(), initial)]));
    scene.thread.maybe_truncate();
    let state = scene.state().unwrap();
    assert_eq!((state.current_leader_epoch, state.delayed_until_ms), (LeaderEpoch(4), None));
    assert_eq!((scene.played().epoch_questions, scene.follower().end()), (1, 2));
    scene.lead_in(4);
    scene.catch_up();
}

/// `num.replica.fetchers` has changed to and fro: another thread had the partition, and copied on.
#[test]
fn where_epochs_ended_is_passed_over_for_a_log_that_was_cut_and_copied_meanwhile() {
    let of_leader = [(0, "a"), (1, "b"), (3, "c")];
    let scene = Scene::truncating(3, &of_leader, &[(0, "a"), (2, "x")]);
    let (thread, follower) = (Arc::clone(&scene.thread), scene.follower());
    let initial = scene.initial(3, 3);
    scene.meanwhile(move || {
        thread.remove_partitions(&[key()]);
        follower.0.truncate_to(Offset(1)).unwrap();
        append(follower.log(), &of_leader[1..]);
        thread.add_partitions(vec![(key(), initial)]);
    });
    scene.thread.maybe_truncate();
    assert_eq!(scene.follower().values(), ["a", "b", "c"]);
}

/// As [`logs_that_part_more_than_once_are_cut_step_by_step`], for a leader that is asked first.
#[test]
fn a_leader_is_asked_where_epochs_end_until_the_logs_agree() {
    let of_leader = [(0, "a"), (1, "b"), (3, "c")];
    let scene = Scene::truncating(3, &of_leader, &[(0, "a"), (2, "x")]);
    scene.thread.maybe_truncate();
    assert_eq!(scene.state().unwrap().state, ReplicaState::Truncating);
    assert_eq!(scene.follower().values(), ["a"]);
    scene.thread.maybe_truncate();
    assert_eq!(scene.state().unwrap().state, ReplicaState::Fetching);
    assert_eq!(scene.played().epoch_questions, 2);
    scene.catch_up();
}

/// Port of `AbstractFetcherThreadTest.testTruncateToHighWatermarkIfLeaderEpochInfoNotAvailable`.
#[test]
fn a_log_without_epochs_is_cut_where_it_was_committed() {
    let scene = Scene::new();
    scene.host(&key(), 1, &[(0, "a"), (1, "b")], &[(0, "a"), (0, "x"), (0, "y")]);
    scene.follower().log().leader_epochs().truncate_from_end(Offset::FIRST);
    scene.add_from(&key(), 1, 1);
    scene.thread.maybe_truncate();
    assert_eq!(scene.follower().values(), ["a"]);
    assert_eq!(scene.played().epoch_questions, 0);
    assert!(scene.fetch());
    scene.assert_logs_equal();
}

/// Port of `AbstractFetcherThreadTest.testTruncationSkippedIfNoEpochChange` (KAFKA-13161).
#[test]
fn a_partition_that_is_added_again_in_the_same_epoch_goes_on() {
    let scene = Scene::of(1, &[(0, "a"), (1, "b")], &[(0, "a")]);
    assert!(scene.fetch());
    let before = scene.state().unwrap();
    scene.add_from(&key(), 1, 0);
    assert_eq!(scene.state().unwrap(), before);
    scene.add_from(&key(), 2, 2);
    assert_eq!(scene.state().unwrap().current_leader_epoch, LeaderEpoch(2));
}

/// Port of `AbstractFetcherThreadTest.testTruncationOnFetchSkippedIfPartitionRemoved` (KAFKA-13207) and of
/// `AbstractFetcherThreadTest.testTruncateToHighWatermarkDuringRemovePartitions`.
#[test]
fn a_partition_that_is_taken_away_meanwhile_stays_as_it_is() {
    let scene = Scene::of(1, &[(0, "a"), (1, "b")], &[(0, "a"), (0, "x")]);
    let thread = Arc::clone(&scene.thread);
    scene.meanwhile(move || {
        assert_eq!(thread.remove_partitions(&[key()]).len(), 1);
    });
    assert!(scene.fetch());
    assert_eq!(scene.follower().values(), ["a", "x"]);
    assert!(scene.state().is_none() && !scene.failed.contains(&key()));
}

/// Port of `AbstractFetcherThreadTest.testIgnoreFetchResponseWhenLeaderEpochChanged` (KAFKA-18723).
#[test]
fn records_that_were_asked_for_in_an_earlier_epoch_are_passed_over() {
    let scene = Scene::of(0, &[(0, "a")], &[]);
    let (thread, initial) = (Arc::clone(&scene.thread), scene.initial(1, 0));
    scene.thread.maybe_truncate();
    scene.meanwhile(move || {
        thread.add_partitions(vec![(key(), initial)]);
    });
    assert!(scene.fetch());
    assert_eq!(scene.follower().end(), 0);
    assert_eq!(scene.state().unwrap().current_leader_epoch, LeaderEpoch(1));
}

/// Port of `AbstractFetcherThreadTest.testReplicateBatchesUpToLeaderEpoch` (KAFKA-18723).
#[test]
fn batches_of_a_leader_yet_to_come_wait_for_it() {
    let scene = Scene::of(5, &[(5, "a")], &[]);
    append(scene.leader().log(), &[(6, "b")]);
    assert!(scene.fetch() && scene.fetch());
    assert_eq!(scene.follower().values(), ["a"]);
    scene.lead_in(6);
    scene.add(&key(), 6);
    assert!(scene.fetch());
    scene.assert_logs_equal();
}

/// Port of `AbstractFetcherThreadTest.testFollowerFetchOutOfRangeHigh`. A replica was elected that was not in sync,
/// and of a log without epochs nobody can say where it parts from another.
#[test]
fn a_follower_gives_up_what_its_leader_has_lost() {
    let scene = Scene::new();
    let both = [(0, "a"), (0, "b")];
    scene.host(&key(), 0, &both, &[both[0], both[1], (0, "x"), (0, "y")]);
    scene.follower().log().leader_epochs().truncate_from_end(Offset::FIRST);
    scene.follower().0.local_replica().update_follower_high_watermark(Offset(4));
    scene.add(&key(), 0);
    assert!(scene.fetch());
    assert_eq!((scene.follower().end(), scene.follower().high_watermark()), (2, 2));
    append(scene.leader().log(), &[(0, "c")]);
    scene.catch_up();
}

/// Port of `AbstractFetcherThreadTest.testFollowerFetchOutOfRangeLow`.
#[test]
fn a_follower_that_is_behind_what_its_leader_has_deleted_begins_anew() {
    let of_leader = ["a", "b", "c", "d", "e", "f"].map(|value| (0, value));
    let scene = Scene::of(0, &of_leader, &of_leader[..2]);
    let leader = scene.leader();
    leader.log().update_high_watermark(Offset(6));
    leader.log().delete_records_before(Offset(4)).unwrap();
    assert!(scene.fetch());
    let log = Arc::clone(scene.follower().log());
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (Offset(4), Offset(4)));
    assert_eq!(scene.follower().high_watermark(), 4, "what is deleted was committed");
    assert!(scene.fetch());
    assert_eq!(scene.follower().values(), ["e", "f"]);
}

/// Port of `AbstractFetcherThreadTest.testFencedOffsetResetAfterOutOfRange`.
#[test]
fn an_offset_that_is_asked_for_in_an_epoch_that_is_over_ends_it() {
    let scene = Scene::of(5, &[(5, "a")], &[(7, "x"), (7, "y")]);
    scene.played().offset_errors = vec![Errors::FencedLeaderEpoch];
    assert!(scene.fetch());
    assert_failed(&scene);
    assert_eq!(scene.follower().values(), ["x", "y"]);
}

/// Port of `AbstractFetcherThreadTest.testRetryAfterUnknownLeaderEpochInLatestOffsetFetch`.
#[test]
fn an_offset_that_the_leader_cannot_tell_yet_is_asked_for_again() {
    let scene = Scene::of(5, &[(5, "a")], &[(7, "x"), (7, "y")]);
    scene.played().offset_errors = vec![Errors::UnknownLeaderEpoch];
    assert!(scene.fetch());
    assert_eq!(scene.follower().values(), ["x", "y"]);
    assert_delayed(&scene);
    assert_eq!(scene.follower().end(), 1);
}

/// Such as one that lost the epochs of its log: what the follower has fits into its range, and is out of it.
#[test]
fn a_leader_that_would_answer_the_same_again_is_left_alone_for_a_while() {
    let scene = Scene::of(5, &[(5, "a"), (5, "b")], &[(7, "x")]);
    assert!(scene.fetch());
    assert_eq!(scene.follower().values(), ["x"]);
    assert_delayed(&scene);
}

/// Port of `ReplicaFetcherThreadTest.testLagIsUpdatedWhenNoRecords` (KAFKA-15080).
#[test]
fn an_answer_without_records_says_how_far_a_follower_is_behind() {
    let scene = Scene::of(0, &[(0, "a")], &[(0, "a")]);
    assert_eq!(scene.state().unwrap().lag, None);
    scene.played().high_watermark = Some(4);
    assert!(scene.fetch());
    assert_eq!(scene.state().unwrap().lag, Some(3));
    assert_eq!(scene.thread.stats().lags(), [(key(), 3)]);
}

/// Port of `ReplicaFetcherThreadTest.testLocalFetchCompletionIfHighWatermarkUpdated`.
#[test]
fn a_fetch_that_waits_at_a_follower_gets_what_its_leader_calls_committed() {
    let scene = Scene::of(0, &[(0, "a")], &[]);
    scene.played().high_watermark = Some(0);
    assert!(scene.fetch());
    let info = PartitionFetchInfo { topic_id: TOPIC_ID, ..fetch_info(0) };
    let (sender, receiver) = mpsc::channel();
    let callback = Box::new(move |mut results: Vec<(_, LogReadResult)>| {
        sender.send(results.remove(0).1.unwrap().size_in_bytes()).unwrap();
    });
    let params = params(DEBUGGING_CONSUMER_ID, None, FOR_EVER_MS);
    let manager = scene.follower_manager();
    manager.fetch_messages(params, &[(key(), info)], &HangUp::default(), callback);
    assert!(scene.fetch());
    assert!(receiver.try_recv().is_err(), "nothing is committed yet");
    scene.played().high_watermark = Some(1);
    assert!(scene.fetch());
    assert_eq!(receiver.try_recv(), Ok(scene.leader().bytes().len()));
}

#[test]
fn a_leader_may_answer_any_number_as_its_high_watermark() {
    let scene = Scene::of(0, &[(0, "a")], &[(0, "a")]);
    for (high_watermark, lag) in [(i64::MIN, 0), (i64::MAX, i64::MAX - 1)] {
        scene.played().high_watermark = Some(high_watermark);
        assert!(scene.fetch());
        assert_eq!(scene.state().unwrap().lag, Some(lag));
        assert!(scene.follower().high_watermark() <= 1);
    }
}

/// Port of `AbstractFetcherThreadTest.testCorruptMessage`.
#[test]
fn a_batch_that_has_suffered_on_the_way_is_asked_for_again() {
    let scene = Scene::of(0, &[(0, "a")], &[]);
    scene.played().spoils_records = true;
    assert!(scene.fetch());
    assert_eq!(scene.follower().end(), 0);
    assert_delayed(&scene);
    scene.assert_logs_equal();
}

/// What the disk refuses now it may take later, and no change of the cluster would have the partition copied
/// again.
#[test]
fn a_follower_on_a_full_disk_goes_on_when_there_is_room() {
    let scene = Scene::of(1, &[(0, "a"), (1, "b")], &[(0, "a")]);
    let in_the_way = scene.follower().log().dir().join("leader-epoch-checkpoint.tmp");
    fs::create_dir(&in_the_way).unwrap();
    assert!(scene.fetch());
    assert_eq!(scene.follower().values(), ["a"]);
    assert!(!scene.failed.contains(&key()));
    fs::remove_dir(in_the_way).unwrap();
    assert_delayed(&scene);
    scene.assert_logs_equal();
}

/// An empty log is cut to where the first batch begins, of which the leader has deleted a part, before the disk
/// refuses that batch.
#[test]
fn a_follower_whose_log_was_cut_on_a_full_disk_goes_on_when_there_is_room() {
    let scene = Scene::of(1, &[], &[]);
    let leader = Arc::clone(scene.leader().log());
    leader.append(&mut batch(&["a", "b", "c"]), LeaderEpoch(1)).unwrap();
    leader.update_high_watermark(Offset(3));
    leader.delete_records_before(Offset(1)).unwrap();
    assert!(scene.fetch());
    assert_eq!(scene.follower().end(), 1, "it begins where its leader does");
    let in_the_way = scene.follower().log().dir().join("leader-epoch-checkpoint.tmp");
    fs::create_dir(&in_the_way).unwrap();
    assert!(scene.fetch());
    assert!(scene.follower().bytes().is_empty() && !scene.failed.contains(&key()));
    fs::remove_dir(in_the_way).unwrap();
    assert_delayed(&scene);
    scene.catch_up();
}

/// Port of `AbstractFetcherThreadTest.testFetcherThreadHandlingPartitionFailureDuringAppending` (KAFKA-8346).
#[test]
fn a_log_that_takes_nothing_any_more_does_not_keep_the_others() {
    let scene = Scene::of(0, &[(0, "a"), (0, "b")], &[(0, "a")]);
    scene.host(&other_key(), 0, &[(0, "c")], &[]);
    scene.add(&other_key(), 0);
    break_log(&scene);
    assert!(scene.fetch());
    assert_failed(&scene);
    assert_eq!(scene.follower_of(&other_key()).values(), ["c"]);
}

/// Port of `AbstractFetcherThreadTest.testFetcherThreadHandlingPartitionFailureDuringTruncation`.
#[test]
fn a_log_that_cannot_be_cut_does_not_keep_the_others() {
    let scene = Scene::of(1, &[(0, "a"), (1, "b")], &[(0, "a"), (0, "x")]);
    scene.host(&other_key(), 0, &[(0, "c")], &[]);
    scene.add(&other_key(), 0);
    break_log(&scene);
    assert!(scene.fetch());
    assert_failed(&scene);
    assert_eq!(scene.follower().values(), ["a", "x"]);
    assert_eq!(scene.follower_of(&other_key()).values(), ["c"]);
}

/// Port of `AbstractFetcherThreadTest.testTruncateOnFetchDoesNotProcessPartitionData` (KAFKA-14704).
#[test]
fn an_answer_that_says_where_logs_part_says_nothing_of_what_is_committed() {
    let of_leader = [(0, "a"), (1, "b"), (1, "c"), (1, "d")];
    let scene = Scene::of(1, &of_leader, &[(0, "a"), (0, "x"), (0, "y")]);
    scene.follower().0.local_replica().update_follower_high_watermark(Offset(1));
    assert!(scene.fetch());
    assert_eq!((scene.follower().end(), scene.follower().high_watermark()), (1, 1));
    assert!(scene.fetch());
    assert_eq!((scene.follower().end(), scene.follower().high_watermark()), (4, 4));
}
