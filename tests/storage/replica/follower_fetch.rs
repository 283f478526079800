//! Consumers that read a follower (KIP-392): up to where it knows the log to be committed, and no longer than it is one.

use std::sync::mpsc;
use std::sync::mpsc::Receiver;

use transferto::common::errors::Errors;
use transferto::common::hang_up::HangUp;
use transferto::common::units::{LeaderEpoch, Offset};
use transferto::replica::local_logs::{LogReadResult, ORDINARY_CONSUMER_ID, PartitionFetchInfo};
use transferto::replica::partition_state::PartitionState;
use transferto::replica::replica_manager::FetchParams;

use crate::replica::fetcher_scene::{FOLLOWER, Scene, TOPIC_ID, append, key};
use crate::replica::partition_scene::{fetch_info, params};

/// Longer than any test takes: only events end a wait.
const FOR_EVER_MS: i64 = 3_600_000;
const EPOCH: i32 = 5;
const RECORDS: [(i32, &str); 3] = [(EPOCH, "a"), (EPOCH, "b"), (EPOCH, "c")];

/// A follower that has copied three batches of one record, of which it knows so many to be committed.
fn follower_with(high_watermark: i64) -> Scene {
    let scene = Scene::of(EPOCH, &RECORDS, &[]);
    scene.played().high_watermark = Some(high_watermark);
    assert!(scene.fetch());
    assert_eq!((scene.follower().high_watermark(), scene.follower().end()), (high_watermark, 3));
    scene
}

fn consumer() -> FetchParams {
    FetchParams { may_read_follower: true, ..params(ORDINARY_CONSUMER_ID, None, 0) }
}

fn at(offset: i64) -> PartitionFetchInfo {
    PartitionFetchInfo { topic_id: TOPIC_ID, ..fetch_info(offset) }
}

/// Asks the follower's broker.
fn ask(scene: &Scene, params: FetchParams, info: PartitionFetchInfo) -> Receiver<LogReadResult> {
    let (sender, receiver) = mpsc::channel();
    let callback = Box::new(move |mut results: Vec<(_, LogReadResult)>| {
        sender.send(results.remove(0).1).unwrap();
    });
    let manager = scene.follower_manager();
    manager.fetch_messages(params, &[(key(), info)], &HangUp::default(), callback);
    receiver
}

/// How many bytes are read.
fn read(scene: &Scene, params: FetchParams, info: PartitionFetchInfo) -> Result<usize, Errors> {
    let read = ask(scene, params, info).try_recv().unwrap();
    read.map(|it| it.size_in_bytes()).map_err(|error| error.code())
}

/// A fetch at the high watermark that waits for as many bytes as two records have.
fn wait(scene: &Scene) -> Receiver<LogReadResult> {
    let min_bytes = i32::try_from(2 * one_record(scene)).unwrap();
    let params = FetchParams { max_wait_ms: FOR_EVER_MS, min_bytes, ..consumer() };
    let info = PartitionFetchInfo {
        current_leader_epoch: LeaderEpoch(EPOCH),
        ..at(scene.follower().high_watermark())
    };
    let answer = ask(scene, params, info);
    assert!(answer.try_recv().is_err(), "it waits");
    answer
}

fn one_record(scene: &Scene) -> usize {
    scene.leader().bytes().len() / RECORDS.len()
}

fn state(leader: i32, epoch: i32) -> PartitionState {
    PartitionState {
        leader,
        leader_epoch: LeaderEpoch(epoch),
        partition_epoch: epoch,
        ..PartitionState::unknown()
    }
}

#[test]
fn a_consumer_gets_from_a_follower_what_that_knows_to_be_committed() {
    let scene = follower_with(2);
    let read = ask(&scene, consumer(), at(0)).try_recv().unwrap().unwrap();
    assert_eq!(read.size_in_bytes(), 2 * one_record(&scene));
    let ends = (read.high_watermark, read.last_stable_offset, read.log_start_offset);
    assert_eq!(ends, (Offset(2), Offset(2), Offset(0)));
}

/// As in Kafka: what the follower has but does not know to be committed is no error.
#[test]
fn only_what_a_follower_does_not_have_is_out_of_its_range() {
    let scene = follower_with(1);
    for offset in 1..=3 {
        assert_eq!(read(&scene, consumer(), at(offset)), Ok(0), "{offset}");
    }
    assert_eq!(read(&scene, consumer(), at(4)), Err(Errors::OffsetOutOfRange));
    assert_eq!(read(&scene, consumer(), at(-1)), Err(Errors::OffsetOutOfRange));
    scene.follower().0.local_replica().maybe_increment_log_start_offset(Offset(1)).unwrap();
    assert_eq!(read(&scene, consumer(), at(0)), Err(Errors::OffsetOutOfRange));
}

#[test]
fn old_consumers_and_followers_read_leaders_only() {
    let scene = follower_with(3);
    let old = FetchParams { may_read_follower: false, ..consumer() };
    assert_eq!(read(&scene, old, at(0)), Err(Errors::NotLeaderForPartition));
    let of_broker = FetchParams { replica_id: 7, ..consumer() };
    assert_eq!(read(&scene, of_broker, at(0)), Err(Errors::NotLeaderForPartition));
}

#[test]
fn a_follower_compares_the_leader_epoch_that_a_consumer_has_in_mind() {
    let scene = follower_with(3);
    let in_epoch = |epoch| {
        let current_leader_epoch = LeaderEpoch(epoch);
        read(&scene, consumer(), PartitionFetchInfo { current_leader_epoch, ..at(0) })
    };
    let all = Ok(3 * one_record(&scene));
    assert_eq!((in_epoch(EPOCH), in_epoch(-1)), (all, all));
    assert_eq!(in_epoch(EPOCH - 1), Err(Errors::FencedLeaderEpoch));
    assert_eq!(in_epoch(EPOCH + 1), Err(Errors::UnknownLeaderEpoch));
}

#[test]
fn a_follower_says_where_its_log_and_that_of_a_consumer_part() {
    let scene = Scene::of(EPOCH, &[(2, "a"), (EPOCH, "b")], &[]);
    assert!(scene.fetch() && scene.fetch());
    let info = PartitionFetchInfo { last_fetched_epoch: LeaderEpoch(3), ..at(2) };
    let read = ask(&scene, consumer(), info).try_recv().unwrap().unwrap();
    let end = read.diverging_epoch.map(|it| (it.leader_epoch, it.end_offset));
    assert_eq!((end, read.size_in_bytes()), (Some((LeaderEpoch(2), Offset(1))), 0));
}

#[test]
fn a_fetch_waits_at_a_follower_until_enough_is_committed() {
    let scene = follower_with(0);
    let answer = wait(&scene);
    scene.played().high_watermark = Some(1);
    assert!(scene.fetch());
    assert_eq!(scene.follower().high_watermark(), 1);
    assert!(answer.try_recv().is_err(), "that is one record, and it waits for two");
    scene.played().high_watermark = Some(2);
    assert!(scene.fetch());
    let read = answer.try_recv().unwrap().unwrap();
    let found = (read.size_in_bytes(), read.high_watermark);
    assert_eq!(found, (2 * one_record(&scene), Offset(2)));
}

/// Its leader has said that it is committed, to the consumer and not yet to the follower.
#[test]
fn a_fetch_beyond_the_high_watermark_of_a_follower_waits_until_that_is_known_to_be_committed() {
    let scene = follower_with(0);
    let params = FetchParams { max_wait_ms: FOR_EVER_MS, ..consumer() };
    let answer = ask(&scene, params, at(2));
    assert!(answer.try_recv().is_err());
    scene.played().high_watermark = Some(2);
    assert!(scene.fetch());
    assert!(answer.try_recv().is_err(), "what it asks for is not committed yet");
    scene.played().high_watermark = Some(3);
    assert!(scene.fetch());
    assert_eq!(answer.try_recv().unwrap().unwrap().size_in_bytes(), one_record(&scene));
}

#[test]
fn a_fetch_beyond_the_high_watermark_is_answered_when_what_it_asks_for_is_cut_off() {
    let scene = follower_with(0);
    let params = FetchParams { max_wait_ms: FOR_EVER_MS, ..consumer() };
    let answer = ask(&scene, params, at(3));
    scene.follower().0.truncate_to(Offset(2)).unwrap();
    scene.follower_manager().complete_waiting(&[key()]);
    let error = answer.try_recv().unwrap().map(|_| ()).unwrap_err();
    assert_eq!(error.code(), Errors::OffsetOutOfRange);
}

#[test]
fn a_fetch_that_waits_at_a_follower_is_answered_when_that_leads_or_follows_another() {
    for leader in [FOLLOWER, 7] {
        let scene = follower_with(1);
        let answer = wait(&scene);
        let partition = scene.follower().0;
        match leader {
            FOLLOWER => drop(partition.make_leader(state(leader, EPOCH + 1)).unwrap()),
            _ => drop(partition.make_follower(state(leader, EPOCH + 1))),
        }
        scene.follower_manager().complete_waiting(&[key()]);
        let error = answer.try_recv().unwrap().map(|_| ()).unwrap_err();
        assert_eq!(error.code(), Errors::FencedLeaderEpoch, "{leader}");
    }
}

#[test]
fn a_fetch_that_waits_at_a_follower_is_answered_when_the_replica_goes_or_its_disk_fails() {
    let scene = follower_with(1);
    let answer = wait(&scene);
    scene.follower_manager().stop_replicas(&[key()]);
    scene.follower_manager().complete_waiting(&[key()]);
    let error = answer.try_recv().unwrap().map(|_| ()).unwrap_err();
    assert_eq!(error.code(), Errors::UnknownTopicOrPartition);

    let scene = follower_with(1);
    let answer = wait(&scene);
    scene.follower_manager().local_logs().mark_offline(&key(), "its disk".to_string());
    scene.follower_manager().complete_waiting(&[key()]);
    let error = answer.try_recv().unwrap().map(|_| ()).unwrap_err();
    assert_eq!(error.code(), Errors::KafkaStorageError);
}

/// It is for the leader to know who is in sync.
#[test]
fn a_consumer_at_a_follower_changes_nothing_of_the_replicas() {
    let scene = follower_with(3);
    let before = scene.follower().0.state();
    read(&scene, consumer(), at(0)).unwrap();
    assert_eq!(scene.follower().0.state(), before);
    assert!(scene.follower().0.remote_replicas().is_empty());
    append(scene.leader().log(), &[(EPOCH, "d")]);
    scene.catch_up();
}
