//! Produces that wait for the replicas in sync, and fetches that wait beside them: who wakes whom.

use std::sync::mpsc;
use std::sync::mpsc::Receiver;

use support::records::batch;
use transferto::common::errors::Errors;
use transferto::common::hang_up::HangUp;
use transferto::common::units::{LeaderEpoch, Offset};
use transferto::config::log_config::LogConfig;
use transferto::message::end_transaction_marker::EndTransactionMarker;
use transferto::message::record_batch::TRANSACTIONAL_FLAG;
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::replica::delayed_produce::PartitionResponse;
use transferto::replica::local_logs::{LogReadResult, PartitionFetchInfo};
use transferto::replica::partition::ACKS_ALL;
use transferto::replica::remote_replica::FollowerFetch;

use crate::replica::partition_scene::{
    LAG_TIME_MAX_MS, LOCAL, OTHER, REMOTE, Scene, fetch_info, key, params, state,
};

/// Longer than any test takes: only events end a wait.
const FOR_EVER_MS: i64 = 3_600_000;
const CONSUMER: i32 = -1;

/// A produce of one record with acks=all, and its answer.
fn produce(scene: &Scene) -> Receiver<PartitionResponse> {
    let (sender, receiver) = mpsc::channel();
    let mut records = batch(&["value"]);
    let entries = [(key(), 0..records.len())];
    let callback = Box::new(move |mut answers: Vec<(_, PartitionResponse)>| {
        sender.send(answers.remove(0).1).unwrap();
    });
    scene.manager.append_messages(FOR_EVER_MS, ACKS_ALL, &entries, &mut records, callback);
    receiver
}

/// The end of the transaction that [`with_open_transaction`] leaves open, and its answer.
fn end_transaction(scene: &Scene) -> Receiver<PartitionResponse> {
    let (sender, receiver) = mpsc::channel();
    let callback = Box::new(move |mut answers: Vec<(_, PartitionResponse)>| {
        sender.send(answers.remove(0).1).unwrap();
    });
    let marker = EndTransactionMarker {
        producer_id: 7,
        producer_epoch: 0,
        is_committed: true,
        coordinator_epoch: 0,
    };
    scene.manager.append_markers(FOR_EVER_MS, &marker, &[key()], callback);
    receiver
}

/// A leader that has copied a record of a transaction from the leader before it.
fn with_open_transaction() -> Scene {
    let scene = Scene::new();
    let partition = scene.partition();
    partition.make_follower(state(REMOTE, 4, 4, &[LOCAL, REMOTE]));
    let record = RecordBatchBuilder::new(0)
        .partition_leader_epoch(4)
        .producer(7, 0, 0)
        .flags(TRANSACTIONAL_FLAG)
        .record(1_000, None, Some(b"value"));
    partition.append_records_to_follower(&record.build().unwrap(), LeaderEpoch(4)).unwrap();
    scene.make_leader(5, &[LOCAL, REMOTE]);
    scene
}

/// A fetch that waits for records at `offset`, and its answer.
fn wait(scene: &Scene, replica_id: i32, offset: i64) -> Receiver<LogReadResult> {
    let current_leader_epoch = scene.partition().leader_epoch();
    let info = PartitionFetchInfo { current_leader_epoch, ..fetch_info(offset) };
    let (sender, receiver) = mpsc::channel();
    let callback = Box::new(move |mut results: Vec<(_, LogReadResult)>| {
        sender.send(results.remove(0).1).unwrap();
    });
    let params = params(replica_id, None, FOR_EVER_MS);
    scene.manager.fetch_messages(params, &[(key(), info)], &HangUp::default(), callback);
    receiver
}

fn error_of(answer: &Receiver<PartitionResponse>) -> Option<Option<Errors>> {
    answer.try_recv().ok().map(|it| it.error)
}

/// How many bytes a fetch has got, or the code of its refusal; `None` while it waits.
fn bytes_of(answer: &Receiver<LogReadResult>) -> Option<Result<usize, Errors>> {
    let answer = answer.try_recv().ok()?;
    Some(answer.map(|it| it.size_in_bytes()).map_err(|error| error.code()))
}

/// Port of `ReplicaManagerTest.testFetchBeyondHighWatermark`.
#[test]
fn a_produce_with_acks_all_waits_until_all_in_sync_have_it() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE, OTHER]);
    let answer = produce(&scene);
    let consumer = wait(&scene, CONSUMER, 0);
    for id in [REMOTE, OTHER] {
        let read = scene.fetch(id, 0).unwrap();
        assert!(read.size_in_bytes() > 0, "a follower reads beyond the high watermark");
    }
    scene.fetch(REMOTE, 1).unwrap();
    assert_eq!((error_of(&answer), bytes_of(&consumer)), (None, None));

    scene.fetch(OTHER, 1).unwrap();
    let response = answer.try_recv().unwrap();
    assert_eq!((response.error, response.base_offset), (None, Some(Offset(0))));
    assert!(matches!(bytes_of(&consumer), Some(Ok(1..))));
}

#[test]
fn a_follower_that_waits_is_woken_by_an_append() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE]);
    let follower = wait(&scene, REMOTE, 0);
    assert_eq!(bytes_of(&follower), None);
    let answer = produce(&scene);
    let read = follower.try_recv().unwrap().unwrap();
    assert_eq!((read.size_in_bytes() > 0, read.high_watermark), (true, Offset(0)));
    // It was counted when it came and not when it was answered: it has not the record yet.
    assert_eq!((error_of(&answer), scene.high_watermark()), (None, 0));
    let next = wait(&scene, REMOTE, 1);
    assert_eq!((error_of(&answer), scene.high_watermark()), (Some(None), 1));
    assert_eq!(bytes_of(&next), None, "as Kafka, though the watermark has moved (KAFKA-9952)");
}

#[test]
fn a_produce_is_answered_when_the_last_that_lacks_it_is_taken_out_of_sync() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE, OTHER]);
    let answer = produce(&scene);
    scene.mocks.sleep(LAG_TIME_MAX_MS / 2);
    scene.fetch(REMOTE, 1).unwrap();
    scene.mocks.sleep(LAG_TIME_MAX_MS / 2 + 1);
    scene.manager.maybe_shrink_isr();
    let change = scene.take_change();
    assert_eq!((change.isr(), error_of(&answer)), (vec![LOCAL, REMOTE], None));
    change.grant();
    assert_eq!(error_of(&answer), Some(None));
}

#[test]
fn a_produce_learns_that_too_few_are_in_sync_before_and_after_its_append() {
    let config = LogConfig { min_in_sync_replicas: 2, ..LogConfig::default() };
    let scene = Scene::with_config(config);
    scene.make_leader(5, &[LOCAL, REMOTE]);
    let waiting = produce(&scene);
    // The watermark has the record when the controller takes the other one out.
    scene.partition().make_leader(state(LOCAL, 5, 6, &[LOCAL])).unwrap();
    scene.manager.complete_waiting(&[key()]);
    assert_eq!(error_of(&waiting), None, "below min.insync.replicas nothing is committed");
    assert_eq!(error_of(&produce(&scene)), Some(Some(Errors::NotEnoughReplicas)));
    assert_eq!(scene.log.log_end_offset(), Offset(1), "it was not appended");

    scene.fetch(REMOTE, 1).unwrap();
    scene.take_change().grant();
    assert_eq!(error_of(&waiting), Some(None));
}

#[test]
fn what_waits_for_a_leader_learns_that_it_leads_no_more() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE, OTHER]);
    let (answer, follower) = (produce(&scene), wait(&scene, REMOTE, 1));
    let consumer = wait(&scene, CONSUMER, 0);
    scene.partition().make_follower(state(REMOTE, 6, 6, &[REMOTE]));
    scene.manager.complete_waiting(&[key()]);
    assert_eq!(error_of(&answer), Some(Some(Errors::NotLeaderForPartition)));
    let fenced = Some(Err(Errors::FencedLeaderEpoch));
    assert_eq!((bytes_of(&follower), bytes_of(&consumer)), (fenced, fenced));
}

/// The read of the first fetch was over when the leader epoch was; what it says of the follower is of another time.
#[test]
fn a_fetch_that_was_read_in_an_epoch_that_is_over_does_not_count() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE]);
    scene.append(3);
    let read = scene.fetch(REMOTE, 0).unwrap();
    assert_eq!(read.leader_epoch, LeaderEpoch(5));
    let fetch = FollowerFetch {
        offset: read.fetched_data.fetch_offset_metadata,
        log_start_offset: Offset(0),
        broker_epoch: None,
        fetched_ms: 0,
        leader_end_offset: read.log_end_offset,
    };
    scene.make_leader(7, &[LOCAL, REMOTE]);
    let counted = scene.partition().update_follower_fetch_state(REMOTE, LeaderEpoch(5), &fetch);
    assert_eq!(counted.unwrap_err().code(), Errors::NotLeaderForPartition);
    assert!(scene.partition().update_follower_fetch_state(REMOTE, LeaderEpoch(7), &fetch).is_ok());
}

/// KAFKA-13141.
#[test]
fn a_fetch_of_a_log_that_parts_from_the_leaders_does_not_count() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE]);
    scene.append(3);
    scene.make_leader(6, &[LOCAL, REMOTE]);
    scene.append(3);
    let info = PartitionFetchInfo { last_fetched_epoch: LeaderEpoch(5), ..fetch_info(5) };
    let (sender, receiver) = mpsc::channel();
    let callback = Box::new(move |mut results: Vec<(_, LogReadResult)>| {
        sender.send(results.remove(0).1).unwrap();
    });
    let params = params(REMOTE, None, FOR_EVER_MS);
    scene.manager.fetch_messages(params, &[(key(), info)], &HangUp::default(), callback);
    let read = receiver.try_recv().unwrap().unwrap();
    let end = read.diverging_epoch.unwrap();
    assert_eq!((end.leader_epoch, end.end_offset), (LeaderEpoch(5), Offset(3)));
    assert_eq!(read.size_in_bytes(), 0);
    let remote = scene.partition().remote_replicas()[0].state();
    assert_eq!((remote.has_fetched(), scene.high_watermark()), (false, 0));
}

/// Kafka's broker acknowledges it: it compares offsets alone.
#[test]
fn what_was_cut_off_while_another_led_is_not_acknowledged() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE]);
    let answer = produce(&scene);
    // The controller is quicker than whoever looks at the produces that wait.
    let partition = scene.partition();
    partition.make_follower(state(REMOTE, 6, 6, &[LOCAL, REMOTE]));
    partition.truncate_to(Offset(0)).unwrap();
    scene.make_leader(7, &[LOCAL, REMOTE]);
    scene.append(1);
    scene.fetch(REMOTE, 1).unwrap();
    assert_eq!(scene.high_watermark(), 1, "of the record that another has sent");
    assert_eq!(error_of(&answer), Some(Some(Errors::NotLeaderForPartition)));
}

#[test]
fn a_leader_that_goes_on_in_a_new_epoch_acknowledges_what_it_took_in_before() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE]);
    let answer = produce(&scene);
    scene.make_leader(6, &[LOCAL, REMOTE]);
    scene.fetch(REMOTE, 1).unwrap();
    assert_eq!(error_of(&answer), Some(None));
}

/// What a broker hears of at once may be two elections. In epoch 6 the remote one leads, which lacks the record, and
/// the other one cuts it off.
#[test]
fn how_far_a_follower_was_does_not_count_after_an_epoch_in_which_another_may_have_led() {
    let scene = Scene::new();
    scene.make_leader(5, &[LOCAL, REMOTE, OTHER]);
    let answer = produce(&scene);
    scene.fetch(OTHER, 1).unwrap();
    scene.make_leader(7, &[LOCAL, REMOTE, OTHER]);
    scene.fetch(REMOTE, 1).unwrap();
    assert_eq!((error_of(&answer), scene.high_watermark()), (None, 0));
    for offset in [0, 1] {
        scene.fetch(OTHER, offset).unwrap();
    }
    assert_eq!((error_of(&answer), scene.high_watermark()), (Some(None), 1));
}

#[test]
fn the_end_of_a_transaction_is_acknowledged_when_all_in_sync_have_it() {
    let scene = with_open_transaction();
    let answer = end_transaction(&scene);
    scene.fetch(REMOTE, 1).unwrap();
    assert_eq!(error_of(&answer), None);
    scene.fetch(REMOTE, 2).unwrap();
    assert_eq!(error_of(&answer), Some(None));
}

/// The coordinator asks again if the answer is late. Were it answered at once that there is nothing to end, and the
/// leader lost, nobody would ever end the transaction on the next leader.
#[test]
fn who_asks_again_for_the_end_of_a_transaction_waits_for_what_the_first_try_appended() {
    let scene = with_open_transaction();
    let tries = [end_transaction(&scene), end_transaction(&scene)];
    assert_eq!(scene.log.log_end_offset(), Offset(2), "one marker");
    scene.fetch(REMOTE, 1).unwrap();
    assert_eq!(tries.each_ref().map(error_of), [None, None]);
    scene.fetch(REMOTE, 2).unwrap();
    assert_eq!(tries.each_ref().map(error_of), [Some(None), Some(None)]);
    let nothing_to_end = Some(Some(Errors::UnsupportedForMessageFormat));
    assert_eq!(error_of(&end_transaction(&scene)), nothing_to_end);
}
