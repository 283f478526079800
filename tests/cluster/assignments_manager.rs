//! What a broker tells the controller about the place of its replicas.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use transferto::common::errors::Errors;
use transferto::common::mock_scheduler::MockScheduler;
use transferto::common::mock_time::MockTime;
use transferto::common::scheduler::Scheduler;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::image::directory_id::UNASSIGNED;
use transferto::image::metadata_publisher::MetadataPublisher;
use transferto::image::records::metadata_record::MetadataRecord;
use transferto::image::records::topic_records::PartitionRecord;
use transferto::protocol::assign_replicas_to_dirs::{
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, AssignedDirectory,
    AssignedPartition, AssignedTopic, DirectoryData,
};
use transferto::protocol::wire::uuid::Uuid;
use transferto::server::cluster::assignments_manager::AssignmentsManager;
use transferto::server::cluster::controller_channel::ControllerError;

use crate::images::{Cluster, topic_id};
use crate::mock_controller_channel::{MockControllerChannel, Sent};
use crate::scene::{BROKER_ID, feature};

const DIRECTORY: [u8; 16] = [1; 16];
const LOST_DIRECTORY: [u8; 16] = [2; 16];
const OTHER_DIRECTORY: [u8; 16] = [3; 16];

/// A broker whose logs lie in [`DIRECTORY`], unless a test says otherwise.
struct Scene {
    /// The logs that lie elsewhere; those without a log have no directory.
    elsewhere: Arc<Mutex<BTreeMap<TopicAndPartition, Option<[u8; 16]>>>>,
    cluster: Cluster,
    manager: Arc<AssignmentsManager>,
    channel: Arc<MockControllerChannel>,
    scheduler: Arc<MockScheduler>,
    time: Arc<MockTime>,
}

impl Scene {
    fn new() -> Self {
        Self::registered_at(Arc::new(AtomicI64::new(7)))
    }

    /// `broker_epoch` is that of the registration, and 0 before there is one.
    fn registered_at(broker_epoch: Arc<AtomicI64>) -> Self {
        let time = Arc::new(MockTime::new());
        let scheduler = Arc::new(MockScheduler::new(Arc::clone(&time)));
        let for_manager = Arc::clone(&scheduler) as Arc<dyn Scheduler>;
        let elsewhere = Arc::<Mutex<BTreeMap<_, _>>>::default();
        let place_of = {
            let elsewhere = Arc::clone(&elsewhere);
            move |key: &_| elsewhere.lock().unwrap().get(key).copied().unwrap_or(Some(DIRECTORY))
        };
        let manager = AssignmentsManager::new(BROKER_ID, place_of, for_manager);
        let (channel, for_manager) = MockControllerChannel::new();
        let epoch = move || Some(broker_epoch.load(Ordering::Relaxed)).filter(|it| *it != 0);
        manager.start(for_manager, epoch);
        let mut cluster = Cluster::default();
        cluster.replay(feature("metadata.version", 17));
        Self { elsewhere, cluster, manager, channel, scheduler, time }
    }

    /// Where the log of a partition lies, if it has one.
    fn put(&self, topic: &str, partition: i32, directory: Option<[u8; 16]>) {
        let key = TopicAndPartition::new(topic, partition);
        self.elsewhere.lock().unwrap().insert(key, directory);
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
    scene.cluster.replay(feature("metadata.version", 16));
    scene.cluster.topic("foo", topic_id(1)).partition(topic_id(1), 0, &[BROKER_ID], BROKER_ID);
    scene.publish();
    assert_eq!(scene.channel.sent_count(), 0);
}

/// As they are from before the cluster kept directories.
#[test]
fn replicas_of_which_the_controller_knows_no_directory_are_told() {
    let mut scene = Scene::new();
    scene.cluster.topic("foo", topic_id(1)).partition(topic_id(1), 0, &[BROKER_ID], BROKER_ID);
    scene.publish();
    assert_eq!(scene.sent().0, [(1, 0)]);
}

/// Port of `AssignmentsManagerTest.testBuildRequestData`.
#[test]
fn replicas_in_several_directories_are_told_in_one_request() {
    let mut scene = Scene::new();
    scene.put("foo", 1, Some(OTHER_DIRECTORY));
    scene.put("foo", 2, None);
    scene.topic("foo", topic_id(1), &[UNASSIGNED, UNASSIGNED, UNASSIGNED, DIRECTORY]);
    scene.publish();
    let sent = scene.channel.take();
    let request: AssignReplicasToDirsRequest = sent.body();
    let told = |it: &DirectoryData| {
        let partitions = it.topics[0].partitions.iter().map(|it| it.partition_index);
        (it.id.0, partitions.collect::<Vec<_>>())
    };
    let told: Vec<_> = request.directories.iter().map(told).collect();
    assert_eq!(told, [(DIRECTORY, vec![0]), (OTHER_DIRECTORY, vec![1])], "one has no log");
}

/// An answer that comes late is about the directory of then.
#[test]
fn a_replica_that_lies_elsewhere_by_the_time_of_the_answer_is_told_again() {
    let mut scene = Scene::new();
    scene.topic("foo", topic_id(1), &[UNASSIGNED]);
    scene.publish();
    let (_, sent) = scene.sent();
    scene.put("foo", 0, Some(OTHER_DIRECTORY));
    scene.cluster.lead(topic_id(1), 0, BROKER_ID, &[BROKER_ID]);
    scene.publish();
    sent.respond::<AssignReplicasToDirsRequest>(&answer(&[(1, 0, Errors::None)]));
    scene.time.sleep(200);
    scene.scheduler.tick();
    let request: AssignReplicasToDirsRequest = scene.channel.take().body();
    assert_eq!(request.directories[0].id, Uuid(OTHER_DIRECTORY));
}

/// The controller would refuse it, every half second as its metadata log grows, while a restarted broker waits
/// for the end of its old session.
#[test]
fn nothing_is_told_before_the_broker_is_registered() {
    let broker_epoch = Arc::new(AtomicI64::new(0));
    let mut scene = Scene::registered_at(Arc::clone(&broker_epoch));
    scene.topic("foo", topic_id(1), &[LOST_DIRECTORY]);
    scene.publish();
    assert_eq!(scene.channel.sent_count(), 0);
    broker_epoch.store(7, Ordering::Relaxed);
    scene.publish();
    assert_eq!(scene.sent().0, [(1, 0)]);
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
    scene.publish();
    assert_eq!(scene.channel.sent_count(), 0, "not at once, and not by a change of the metadata");
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
