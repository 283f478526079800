//! What a broker tells the controller about the place of its replicas.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use transferto::common::errors::Errors;
use transferto::common::mock_scheduler::MockScheduler;
use transferto::common::mock_time::MockTime;
use transferto::common::scheduler::Scheduler;
use transferto::image::metadata_publisher::MetadataPublisher;
use transferto::image::records::metadata_record::MetadataRecord;
use transferto::image::records::topic_records::PartitionRecord;
use transferto::protocol::assign_replicas_to_dirs::{
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, AssignedDirectory,
    AssignedPartition, AssignedTopic,
};
use transferto::protocol::wire::uuid::Uuid;
use transferto::server::cluster::assignments_manager::AssignmentsManager;
use transferto::server::cluster::controller_channel::ControllerError;

use crate::images::{Cluster, topic_id};
use crate::mock_controller_channel::{MockControllerChannel, Sent};
use crate::scene::BROKER_ID;

const DIRECTORY: [u8; 16] = [1; 16];
const LOST_DIRECTORY: [u8; 16] = [2; 16];

/// A broker whose only directory is [`DIRECTORY`].
struct Scene {
    cluster: Cluster,
    manager: Arc<AssignmentsManager>,
    channel: Arc<MockControllerChannel>,
    scheduler: Arc<MockScheduler>,
    time: Arc<MockTime>,
}

impl Scene {
    fn new() -> Self {
        Self::with(|| Some(7))
    }

    fn with(broker_epoch: impl Fn() -> Option<i64> + Send + Sync + 'static) -> Self {
        let time = Arc::new(MockTime::new());
        let scheduler = Arc::new(MockScheduler::new(Arc::clone(&time)));
        let for_manager = Arc::clone(&scheduler) as Arc<dyn Scheduler>;
        let manager = AssignmentsManager::new(BROKER_ID, DIRECTORY, for_manager);
        let (channel, for_manager) = MockControllerChannel::new();
        manager.start(for_manager, broker_epoch);
        Self { cluster: Cluster::default(), manager, channel, scheduler, time }
    }

    /// A topic whose partitions lie on this broker, each in the directory that is given.
    fn topic(&mut self, name: &str, id: [u8; 16], directories: &[[u8; 16]]) {
        self.cluster.topic(name, id);
        for (partition_id, directory) in (0..).zip(directories) {
            self.cluster.replay(MetadataRecord::Partition(PartitionRecord {
                partition_id,
                topic_id: Uuid(id),
                replicas: vec![9, BROKER_ID],
                isr: vec![BROKER_ID],
                leader: BROKER_ID,
                directories: vec![Uuid([8; 16]), Uuid(*directory)],
                ..PartitionRecord::default()
            }));
        }
    }

    fn publish(&mut self) {
        let published = self.cluster.publish();
        self.manager.on_metadata_update(&published.delta, &published.before, &published.after);
    }

    /// The partitions of the request that was sent, by the first byte of the topic's id.
    fn sent(&self) -> (Vec<(u8, i32)>, Sent) {
        let sent = self.channel.take();
        let request: AssignReplicasToDirsRequest = sent.body();
        assert_eq!((request.broker_id, request.broker_epoch), (BROKER_ID, 7));
        let [directory] = &request.directories[..] else { panic!("{request:?}") };
        assert_eq!(directory.id, Uuid(DIRECTORY));
        let topics = directory.topics.iter();
        let partitions = topics.flat_map(|topic| {
            topic.partitions.iter().map(|it| (topic.topic_id.0[0], it.partition_index))
        });
        (partitions.collect(), sent)
    }
}

/// The answer that has this error for each partition.
fn answer(partitions: &[(u8, i32, Errors)]) -> AssignReplicasToDirsResponse {
    let topic = |&(number, partition_index, error): &(u8, i32, Errors)| AssignedTopic {
        topic_id: Uuid(topic_id(number)),
        partitions: vec![AssignedPartition { partition_index, error_code: error.code() }],
    };
    AssignReplicasToDirsResponse {
        directories: vec![AssignedDirectory {
            id: Uuid(DIRECTORY),
            topics: partitions.iter().map(topic).collect(),
        }],
        ..AssignReplicasToDirsResponse::default()
    }
}

/// Port of `AssignmentsManagerTest.testSuccessfulAssignment`.
#[test]
fn replicas_that_the_controller_believes_in_a_lost_directory_are_told_once() {
    let mut scene = Scene::new();
    scene.topic("foo", topic_id(1), &[LOST_DIRECTORY, DIRECTORY, LOST_DIRECTORY]);
    scene.publish();
    let (partitions, sent) = scene.sent();
    assert_eq!(partitions, [(1, 0), (1, 2)]);
    scene.publish();
    assert_eq!(scene.channel.sent_count(), 0, "one request is under way");
    sent.respond::<AssignReplicasToDirsRequest>(&answer(&[
        (1, 0, Errors::None),
        (1, 2, Errors::None),
    ]));
    assert_eq!(scene.channel.sent_count(), 0);
}

#[test]
fn where_the_cluster_keeps_no_directories_nothing_is_told() {
    let mut scene = Scene::new();
    scene.cluster.topic("foo", topic_id(1)).partition(topic_id(1), 0, &[BROKER_ID], BROKER_ID);
    scene.publish();
    assert_eq!(scene.channel.sent_count(), 0);
}

/// Port of `AssignmentsManagerTest.testUnSuccessfulRequestCausesRetransmission`.
#[test]
fn a_request_that_fails_is_sent_again_after_a_while() {
    let mut scene = Scene::new();
    scene.topic("foo", topic_id(1), &[LOST_DIRECTORY]);
    scene.publish();
    let refused = AssignReplicasToDirsResponse {
        error_code: Errors::StaleBrokerEpoch.code(),
        ..AssignReplicasToDirsResponse::default()
    };
    scene.sent().1.respond::<AssignReplicasToDirsRequest>(&refused);
    assert_eq!(scene.channel.sent_count(), 0, "not at once");
    scene.time.sleep(200);
    scene.scheduler.tick();
    scene.sent().1.fail(ControllerError::TimedOut);
    scene.time.sleep(200);
    scene.scheduler.tick();
    assert_eq!(scene.channel.sent_count(), 0, "each wait is longer than the one before");
    scene.time.sleep(200);
    scene.scheduler.tick();
    assert_eq!(scene.sent().0, [(1, 0)]);
}

#[test]
fn news_of_the_cluster_does_not_cut_short_the_wait_after_a_failure() {
    let mut scene = Scene::new();
    scene.topic("foo", topic_id(1), &[LOST_DIRECTORY]);
    scene.publish();
    scene.sent().1.fail(ControllerError::TimedOut);
    scene.topic("bar", topic_id(2), &[LOST_DIRECTORY]);
    scene.publish();
    assert_eq!(scene.channel.sent_count(), 0, "not at once");
    scene.time.sleep(200);
    scene.scheduler.tick();
    assert_eq!(scene.sent().0, [(1, 0), (2, 0)]);
}

#[test]
fn a_broker_that_is_not_registered_tells_nothing_in_the_name_of_the_one_that_is() {
    let is_registered = Arc::new(AtomicBool::new(false));
    let registration = Arc::clone(&is_registered);
    let mut scene = Scene::with(move || registration.load(Ordering::Relaxed).then_some(7));
    scene.topic("foo", topic_id(1), &[LOST_DIRECTORY]);
    scene.publish();
    scene.time.sleep(60_000);
    scene.scheduler.tick();
    assert_eq!(scene.channel.sent_count(), 0);
    is_registered.store(true, Ordering::Relaxed);
    scene.time.sleep(1000);
    scene.scheduler.tick();
    assert_eq!(scene.sent().0, [(1, 0)]);
}

/// Port of `AssignmentsManagerTest.testOneAssignmentFailsOneSucceeds`.
#[test]
fn what_the_controller_has_not_taken_is_told_again() {
    let mut scene = Scene::new();
    scene.topic("foo", topic_id(1), &[LOST_DIRECTORY, LOST_DIRECTORY]);
    scene.publish();
    let refused = Errors::NotLeaderForPartition;
    scene
        .sent()
        .1
        .respond::<AssignReplicasToDirsRequest>(&answer(&[(1, 0, Errors::None), (1, 1, refused)]));
    assert_eq!(scene.sent().0, [(1, 1)]);
}

/// Port of `AssignmentsManagerTest.testMismatchedInputDoesNotTriggerCompletion`.
#[test]
fn a_topic_that_goes_or_that_the_controller_does_not_know_is_asked_about_no_more() {
    let mut scene = Scene::new();
    scene.topic("foo", topic_id(1), &[LOST_DIRECTORY]);
    scene.topic("bar", topic_id(2), &[LOST_DIRECTORY]);
    scene.publish();
    let (_, sent) = scene.sent();
    scene.cluster.remove(topic_id(1));
    scene.publish();
    sent.respond::<AssignReplicasToDirsRequest>(&answer(&[(2, 0, Errors::UnknownTopicId)]));
    scene.time.sleep(60_000);
    scene.scheduler.tick();
    assert_eq!(scene.channel.sent_count(), 0);
}

/// Else a controller that is in error would be asked again as fast as it answers.
#[test]
fn an_answer_about_other_partitions_is_no_progress() {
    let mut scene = Scene::new();
    scene.topic("foo", topic_id(1), &[LOST_DIRECTORY]);
    scene.publish();
    let others = answer(&[(1, 7, Errors::None), (2, 0, Errors::UnknownTopicId)]);
    scene.sent().1.respond::<AssignReplicasToDirsRequest>(&others);
    assert_eq!(scene.channel.sent_count(), 0, "not at once");
    scene.time.sleep(200);
    scene.scheduler.tick();
    assert_eq!(scene.sent().0, [(1, 0)]);
}
