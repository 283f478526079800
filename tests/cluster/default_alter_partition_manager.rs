//! What a broker asks the controller about the replicas in sync with it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use transferto::common::errors::Errors;
use transferto::common::mock_scheduler::MockScheduler;
use transferto::common::mock_time::MockTime;
use transferto::common::scheduler::Scheduler;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::LeaderEpoch;
use transferto::image::leader_recovery_state::LeaderRecoveryState;
use transferto::protocol::alter_partition::{
    AlterPartitionRequest, AlterPartitionResponse, AlteredPartitionData, AlteredTopic,
    PartitionData,
};
use transferto::protocol::wire::types::{Reader, Version};
use transferto::protocol::wire::uuid::Uuid;
use transferto::replica::replication_engine::{AlterPartition, AlteredPartition};
use transferto::server::cluster::controller_channel::ControllerError;
use transferto::server::cluster::default_alter_partition_manager::DefaultAlterPartitionManager;

use crate::images::topic_id;
use crate::mock_controller_channel::{MockControllerChannel, Sent};
use crate::scene::BROKER_ID;

/// Of the broker's registration, unless a test says otherwise.
const BROKER_EPOCH: i64 = 7;
/// Longer than a request waits after one that came to nothing.
const LONG_MS: i64 = 100;

/// By partition, what has become of its changes.
type Outcomes = Arc<Mutex<BTreeMap<i32, Vec<Result<AlteredPartition, Errors>>>>>;

/// A broker that leads partitions of one topic.
struct Scene {
    manager: Arc<DefaultAlterPartitionManager>,
    channel: Arc<MockControllerChannel>,
    scheduler: Arc<MockScheduler>,
    time: Arc<MockTime>,
    outcomes: Outcomes,
}

impl Scene {
    fn new() -> Self {
        Self::registered_at(Arc::new(AtomicI64::new(BROKER_EPOCH)))
    }

    /// `broker_epoch` is that of the registration, and 0 while there is none.
    fn registered_at(broker_epoch: Arc<AtomicI64>) -> Self {
        let time = Arc::new(MockTime::new());
        let scheduler = Arc::new(MockScheduler::new(Arc::clone(&time)));
        let for_manager = Arc::clone(&scheduler) as Arc<dyn Scheduler>;
        let manager = DefaultAlterPartitionManager::new(BROKER_ID, for_manager);
        let (channel, for_manager) = MockControllerChannel::new();
        let epoch = move || Some(broker_epoch.load(Ordering::Relaxed)).filter(|it| *it != 0);
        manager.start(for_manager, epoch);
        Self { manager, channel, scheduler, time, outcomes: Arc::default() }
    }

    /// Asks for a change of this partition that puts these brokers in sync.
    fn submit(&self, partition: i32, isr: &[i32]) {
        self.submit_change(change(partition, isr));
    }

    fn submit_change(&self, change: AlterPartition) {
        let (outcomes, partition) = (Arc::clone(&self.outcomes), change.key.partition);
        let note = move |outcome| {
            outcomes.lock().unwrap().entry(partition).or_default().push(outcome);
        };
        self.manager.submit(change, Box::new(note));
    }

    /// What has become of the changes of this partition since the last call.
    fn outcomes(&self, partition: i32) -> Vec<Result<AlteredPartition, Errors>> {
        self.outcomes.lock().unwrap().remove(&partition).unwrap_or_default()
    }

    /// The request that was sent, and the partitions in it.
    fn sent(&self) -> (AlterPartitionRequest, Vec<i32>, Sent) {
        let sent = self.channel.take();
        let request: AlterPartitionRequest = sent.body();
        let partitions = request.topics.iter().flat_map(|it| &it.partitions);
        let partitions = partitions.map(|it| it.partition_index).collect();
        (request, partitions, sent)
    }

    /// Answers the request that was sent, which is about these partitions.
    fn answer(&self, asked: &[i32], response: &AlterPartitionResponse) {
        let (_, partitions, sent) = self.sent();
        assert_eq!(partitions, asked);
        sent.respond::<AlterPartitionRequest>(response);
    }

    fn wait(&self) {
        self.time.sleep(LONG_MS);
        self.scheduler.tick();
    }
}

fn change(partition: i32, isr: &[i32]) -> AlterPartition {
    AlterPartition {
        key: TopicAndPartition::new("foo", partition),
        topic_id: topic_id(1),
        leader_epoch: LeaderEpoch(1),
        partition_epoch: 10,
        isr: isr.iter().map(|id| (*id, Some(i64::from(*id) + 100))).collect(),
        leader_recovery_state: LeaderRecoveryState::Recovered,
    }
}

/// An answer with this error for each of these partitions.
fn answer(partitions: &[(i32, Errors)]) -> AlterPartitionResponse {
    let partition = |&(partition_index, error): &(i32, Errors)| AlteredPartitionData {
        partition_index,
        error_code: error.code(),
        leader_id: BROKER_ID,
        leader_epoch: 1,
        isr: vec![BROKER_ID, 2],
        partition_epoch: 11,
        ..AlteredPartitionData::default()
    };
    AlterPartitionResponse {
        topics: vec![AlteredTopic {
            topic_id: Uuid(topic_id(1)),
            partitions: partitions.iter().map(partition).collect(),
        }],
        ..AlterPartitionResponse::default()
    }
}

fn granted() -> AlteredPartition {
    AlteredPartition {
        leader: BROKER_ID,
        leader_epoch: LeaderEpoch(1),
        isr: vec![BROKER_ID, 2],
        leader_recovery_state: LeaderRecoveryState::Recovered,
        partition_epoch: 11,
    }
}

/// Port of `AlterPartitionManagerTest.testBasic` and `AlterPartitionManagerTest.testBasicWithBrokerEpoch`.
#[test]
fn a_change_is_sent_at_once_with_the_epochs_of_its_leader_and_of_every_broker_in_it() {
    let scene = Scene::new();
    let mut of_unknown = change(3, &[BROKER_ID, 2]);
    of_unknown.isr[1].1 = None;
    scene.submit_change(of_unknown);
    let (request, _, _) = scene.sent();
    assert_eq!((request.broker_id, request.broker_epoch), (BROKER_ID, BROKER_EPOCH));
    let [topic] = &request.topics[..] else { panic!("{request:?}") };
    assert_eq!(topic.topic_id, Uuid(topic_id(1)));
    let [partition] = &topic.partitions[..] else { panic!("{request:?}") };
    assert_eq!((partition.partition_index, partition.leader_epoch), (3, 1));
    assert_eq!((partition.partition_epoch, partition.leader_recovery_state), (10, 0));
    let isr = partition.new_isr_with_epochs.iter().map(|it| (it.broker_id, it.broker_epoch));
    assert_eq!(isr.collect::<Vec<_>>(), [(BROKER_ID, 101), (2, -1)]);
}

/// A controller of a release before 3.5 has no other version.
#[test]
fn version_2_names_the_brokers_without_their_epochs() {
    let scene = Scene::new();
    scene.submit(0, &[BROKER_ID, 2]);
    let (request, _, sent) = scene.sent();
    assert_eq!(sent.request.versions, 2..=3);
    assert_eq!(first(&request).new_isr, []);
    let version = Version { number: 2, is_flexible: true };
    let bytes = (sent.request.body)(2);
    let old: AlterPartitionRequest = Reader::new(&bytes).read(version, "request").unwrap();
    assert_eq!(first(&old).new_isr, [BROKER_ID, 2]);
    assert_eq!(first(&old).new_isr_with_epochs, []);
}

fn first(request: &AlterPartitionRequest) -> PartitionData {
    request.topics[0].partitions[0].clone()
}

/// Port of `AlterPartitionManagerTest.testBasicSentLeaderRecoveryState`.
#[test]
fn a_leader_that_was_elected_unclean_says_whether_it_has_recovered() {
    for (state, value) in
        [(LeaderRecoveryState::Recovered, 0), (LeaderRecoveryState::Recovering, 1)]
    {
        let scene = Scene::new();
        let leader_recovery_state = state;
        scene.submit_change(AlterPartition { leader_recovery_state, ..change(0, &[BROKER_ID]) });
        assert_eq!(first(&scene.sent().0).leader_recovery_state, value);
    }
}

/// Port of `AlterPartitionManagerTest.testOverwriteWithinBatch`.
#[test]
fn one_change_of_a_partition_is_under_way_and_another_is_not_attempted() {
    let scene = Scene::new();
    scene.submit(0, &[BROKER_ID, 2]);
    scene.submit(0, &[BROKER_ID]);
    assert_eq!(scene.outcomes(0), [Err(Errors::OperationNotAttempted)]);
    scene.answer(&[0], &answer(&[(0, Errors::None)]));
    assert_eq!(scene.outcomes(0), [Ok(granted())]);
    scene.submit(0, &[BROKER_ID]);
    let (request, _, _) = scene.sent();
    assert_eq!(first(&request).new_isr_with_epochs.len(), 1);
    assert!(scene.outcomes(0).is_empty(), "it waits for its answer");
}

/// Port of `AlterPartitionManagerTest.testSingleBatch` and `AlterPartitionManagerTest.testOneInFlight`.
#[test]
fn what_comes_while_a_request_is_under_way_goes_into_the_next_one_together() {
    let scene = Scene::new();
    for partition in 0..10 {
        scene.submit(partition, &[BROKER_ID, 2]);
    }
    assert_eq!(scene.channel.sent_count(), 1);
    scene.answer(&[0], &answer(&[(0, Errors::None)]));
    let (request, partitions, _) = scene.sent();
    assert_eq!(partitions, (1..10).collect::<Vec<_>>());
    assert_eq!(request.topics.len(), 1);
    assert_eq!(scene.channel.sent_count(), 0);
}

/// The same name may come again, and the answer for the one topic is not for the other.
#[test]
fn topics_are_told_apart_by_their_ids() {
    let scene = Scene::new();
    scene.submit(0, &[BROKER_ID, 2]);
    let of_other = AlterPartition { topic_id: topic_id(2), ..change(0, &[BROKER_ID]) };
    scene.submit_change(of_other);
    assert!(scene.outcomes(0).is_empty(), "neither stands in the other's way");
    scene.answer(&[0], &answer(&[(0, Errors::None)]));
    assert_eq!(scene.outcomes(0), [Ok(granted())]);
    let (request, _, _) = scene.sent();
    assert_eq!(request.topics[0].topic_id, Uuid(topic_id(2)));
}

/// Fails the request that was sent, and looks whether it is sent again, after a while and not before.
fn is_retried(fail: impl FnOnce(Sent)) {
    let scene = Scene::new();
    scene.submit(0, &[BROKER_ID, 2]);
    fail(scene.sent().2);
    assert!(scene.outcomes(0).is_empty(), "nobody knows what the controller has made of it");
    scene.submit(1, &[BROKER_ID, 2]);
    assert_eq!(scene.channel.sent_count(), 0, "not at once, whatever comes");
    scene.wait();
    scene.answer(&[0, 1], &answer(&[(0, Errors::None), (1, Errors::None)]));
    assert_eq!((scene.outcomes(0), scene.outcomes(1)), (vec![Ok(granted())], vec![Ok(granted())]));
    scene.wait();
    assert_eq!(scene.channel.sent_count(), 0);
}

fn is_retried_after(error: Errors) {
    let error_code = error.code();
    let refused = AlterPartitionResponse { error_code, ..AlterPartitionResponse::default() };
    is_retried(|sent| sent.respond::<AlterPartitionRequest>(&refused));
}

/// Port of `AlterPartitionManagerTest.testAuthorizationFailed`, `AlterPartitionManagerTest.testStaleBrokerEpoch`
/// and `AlterPartitionManagerTest.testUnknownServer`.
#[test]
fn an_error_that_concerns_the_broker_has_the_request_sent_again() {
    is_retried_after(Errors::ClusterAuthorizationFailed);
    is_retried_after(Errors::StaleBrokerEpoch);
    is_retried_after(Errors::UnknownServerError);
}

/// Port of `AlterPartitionManagerTest.testRetryOnUnsupportedVersionError`.
#[test]
fn a_request_without_an_answer_is_sent_again() {
    is_retried(|sent| sent.fail(ControllerError::UnsupportedVersion("too old".to_string())));
    is_retried(|sent| sent.fail(ControllerError::Malformed("no response".to_string())));
    is_retried(|sent| sent.fail(ControllerError::TimedOut));
}

/// A registration may be lost, and the next one have another epoch.
#[test]
fn each_request_has_the_epoch_of_the_registration_that_is_there_by_then() {
    let broker_epoch = Arc::new(AtomicI64::new(0));
    let scene = Scene::registered_at(Arc::clone(&broker_epoch));
    scene.submit(0, &[BROKER_ID, 2]);
    scene.wait();
    assert_eq!(scene.channel.sent_count(), 0, "without one the controller would refuse it");
    broker_epoch.store(9, Ordering::Relaxed);
    scene.wait();
    let (request, _, sent) = scene.sent();
    assert_eq!(request.broker_epoch, 9);
    broker_epoch.store(12, Ordering::Relaxed);
    let error_code = Errors::StaleBrokerEpoch.code();
    let stale = AlterPartitionResponse { error_code, ..AlterPartitionResponse::default() };
    sent.respond::<AlterPartitionRequest>(&stale);
    scene.wait();
    assert_eq!(scene.sent().0.broker_epoch, 12);
}

/// Port of `AlterPartitionManagerTest.testInvalidUpdateVersion`,
/// `AlterPartitionManagerTest.testUnknownTopicPartition`, `AlterPartitionManagerTest.testNotLeaderOrFollower` and
/// `AlterPartitionManagerTest.testInvalidRequest`.
#[test]
fn an_error_that_concerns_a_partition_is_its_outcome_and_the_next_change_is_sent() {
    for error in [
        Errors::InvalidUpdateVersion,
        Errors::UnknownTopicOrPartition,
        Errors::InvalidRequest,
        Errors::IneligibleReplica,
        Errors::NewLeaderElected,
        Errors::FencedLeaderEpoch,
        Errors::UnknownTopicId,
    ] {
        let scene = Scene::new();
        scene.submit(0, &[BROKER_ID, 2]);
        scene.answer(&[0], &answer(&[(0, error)]));
        assert_eq!(scene.outcomes(0), [Err(error)]);
        scene.submit(0, &[BROKER_ID, 2]);
        assert_eq!(scene.sent().1, [0]);
    }
}

#[test]
fn an_error_or_a_state_that_is_not_known_is_an_unknown_error() {
    let mut of_tomorrow = answer(&[(0, Errors::None), (1, Errors::None)]);
    of_tomorrow.topics[0].partitions[0].error_code = 999;
    of_tomorrow.topics[0].partitions[1].leader_recovery_state = 7;
    let scene = Scene::new();
    scene.submit(5, &[BROKER_ID]);
    scene.submit(0, &[BROKER_ID, 2]);
    scene.submit(1, &[BROKER_ID, 2]);
    scene.answer(&[5], &answer(&[(5, Errors::None)]));
    scene.answer(&[0, 1], &of_tomorrow);
    assert_eq!(scene.outcomes(0), [Err(Errors::UnknownServerError)]);
    assert_eq!(scene.outcomes(1), [Err(Errors::UnknownServerError)]);
}

/// Its leader asks for the same change again, and the controller would be asked as fast as it answers.
#[test]
fn after_a_refusal_that_is_answered_by_another_try_the_next_request_waits_a_while() {
    for error in [Errors::UnknownServerError, Errors::NotController, Errors::NotLeaderForPartition]
    {
        let scene = Scene::new();
        scene.submit(0, &[BROKER_ID, 2]);
        scene.answer(&[0], &answer(&[(0, error)]));
        assert_eq!(scene.outcomes(0), [Err(error)]);
        scene.submit(0, &[BROKER_ID, 2]);
        assert_eq!(scene.channel.sent_count(), 0, "{error}");
        scene.wait();
        assert_eq!(scene.sent().1, [0]);
    }
}

/// Port of `AlterPartitionManagerTest.testSubmitFromCallback`.
#[test]
fn a_change_may_be_submitted_as_the_one_before_is_answered() {
    let scene = Scene::new();
    let (manager, outcomes) = (Arc::clone(&scene.manager), Arc::clone(&scene.outcomes));
    let again = move |outcome| {
        assert_eq!(outcome, Err(Errors::UnknownServerError));
        let note = move |outcome| outcomes.lock().unwrap().entry(0).or_default().push(outcome);
        manager.submit(change(0, &[BROKER_ID]), Box::new(note));
    };
    scene.manager.submit(change(0, &[BROKER_ID, 2]), Box::new(again));
    scene.answer(&[0], &answer(&[(0, Errors::UnknownServerError)]));
    scene.wait();
    let (request, _, sent) = scene.sent();
    assert_eq!(first(&request).new_isr_with_epochs.len(), 1);
    sent.respond::<AlterPartitionRequest>(&answer(&[(0, Errors::None)]));
    assert_eq!(scene.outcomes(0), [Ok(granted())]);
}

/// Port of `AlterPartitionManagerTest.testPartitionMissingInResponse`.
#[test]
fn a_partition_that_the_answer_leaves_out_is_asked_about_again() {
    let scene = Scene::new();
    (0..3).for_each(|partition| scene.submit(partition, &[BROKER_ID, 2]));
    scene.answer(&[0], &answer(&[(0, Errors::UnknownServerError)]));
    assert_eq!(scene.outcomes(0), [Err(Errors::UnknownServerError)]);
    scene.wait();
    scene.answer(&[1, 2], &answer(&[(2, Errors::UnknownServerError)]));
    assert_eq!(scene.outcomes(2), [Err(Errors::UnknownServerError)]);
    assert!(scene.outcomes(1).is_empty());
    scene.wait();
    scene.answer(&[1], &answer(&[(1, Errors::UnknownServerError)]));
    assert_eq!(scene.outcomes(1), [Err(Errors::UnknownServerError)]);
}

/// Else a controller that is in error would be asked again as fast as it answers.
#[test]
fn after_an_answer_about_nothing_that_was_asked_the_next_request_waits_a_while() {
    is_retried(|sent| sent.respond::<AlterPartitionRequest>(&AlterPartitionResponse::default()));
    // Partition 1 is submitted after this answer, partition 0 is of another topic.
    let mut of_others = answer(&[(0, Errors::None), (1, Errors::None)]);
    of_others.topics[0].topic_id = Uuid(topic_id(9));
    is_retried(|sent| sent.respond::<AlterPartitionRequest>(&of_others));
}

#[test]
fn an_answer_to_what_has_not_been_asked_yet_is_none() {
    let scene = Scene::new();
    scene.submit(0, &[BROKER_ID, 2]);
    scene.submit(1, &[BROKER_ID, 2]);
    let too_much = answer(&[(0, Errors::None), (1, Errors::None)]);
    scene.answer(&[0], &too_much);
    assert_eq!(scene.outcomes(0), [Ok(granted())]);
    assert!(scene.outcomes(1).is_empty(), "it was not in the request");
    assert_eq!(scene.sent().1, [1]);
}

#[test]
fn a_second_answer_in_one_response_is_none_even_for_a_change_that_the_first_has_caused() {
    let scene = Scene::new();
    let (manager, outcomes) = (Arc::clone(&scene.manager), Arc::clone(&scene.outcomes));
    let again = move |_| {
        let note = move |outcome| outcomes.lock().unwrap().entry(0).or_default().push(outcome);
        manager.submit(change(0, &[BROKER_ID]), Box::new(note));
    };
    scene.manager.submit(change(0, &[BROKER_ID, 2]), Box::new(again));
    let twice = answer(&[(0, Errors::IneligibleReplica), (0, Errors::None)]);
    scene.answer(&[0], &twice);
    assert!(scene.outcomes(0).is_empty());
    assert_eq!(scene.sent().1, [0]);
}

#[test]
fn a_stop_ends_the_requests_and_answers_nobody() {
    let scene = Scene::new();
    scene.submit(0, &[BROKER_ID, 2]);
    scene.sent().2.fail(ControllerError::ShuttingDown);
    scene.wait();
    assert_eq!(scene.channel.sent_count(), 0);
    assert!(scene.outcomes(0).is_empty(), "the controller may have granted it");
}
