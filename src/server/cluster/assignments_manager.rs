//! Port of `org.apache.kafka.server.AssignmentsManager`: tells the controller where the replicas of this
//! broker lie, if it believes them elsewhere.
//!
//! That is so for each new replica of a broker with several log directories, which chooses the directory itself;
//! and after a disk was replaced: the new directory has another id, and the controller keeps the partitions of the
//! old one offline until it learns that they have been made anew.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use log::{Level, debug, log};

use crate::common::errors::Errors;
use crate::common::lock::locked;
use crate::common::log_limit::{LogKind, limited};
use crate::common::scheduler::Scheduler;
use crate::common::text::counted;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::uuid::uuid_text;
use crate::image::directory_id::{DirectoryId, FIRST_VERSION_WITH_DIRECTORIES};
use crate::image::metadata_delta::MetadataDelta;
use crate::image::metadata_image::MetadataImage;
use crate::image::metadata_publisher::MetadataPublisher;
use crate::image::topic_image::PartitionRegistration;
use crate::protocol::assign_replicas_to_dirs::{
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, DirectoryData, DirectoryPartition,
    DirectoryTopic,
};
use crate::protocol::wire::uuid::Uuid;
use crate::server::cluster::controller_channel::{
    ControllerChannel, ControllerError, send_request,
};

/// Kafka's `MAX_ASSIGNMENTS_PER_REQUEST`.
const ASSIGNMENTS_PER_REQUEST_MAX: usize = 2250;
/// How long to wait after the first failure, and at most; each wait is twice the one before.
const BACKOFF_MS: i64 = 100;
const BACKOFF_MAX_MS: i64 = 10_000;
const REQUEST_TIMEOUT_MS: i64 = 60_000;

/// The epoch of this broker's registration; `None` until there is one.
type BrokerEpoch = Box<dyn Fn() -> Option<i64> + Send + Sync>;

/// The directory in which the log of a partition lies, if it has one.
type PlaceOf = Box<dyn Fn(&TopicAndPartition) -> Option<DirectoryId> + Send + Sync>;

/// Follows the cluster, and sends one request at a time.
pub struct AssignmentsManager {
    broker_id: i32,
    place_of: PlaceOf,
    scheduler: Arc<dyn Scheduler>,
    /// Set when the broker registers.
    way: OnceLock<Way>,
    assignments: Mutex<Assignments>,
}

struct Way {
    channel: Arc<dyn ControllerChannel>,
    broker_epoch: BrokerEpoch,
}

/// A partition, by the id of its topic.
type TopicIdPartition = ([u8; 16], i32);

#[derive(Default)]
struct Assignments {
    /// What the controller believes elsewhere, and where it lies: at most all replicas of this broker.
    waiting: BTreeMap<TopicIdPartition, DirectoryId>,
    /// Changes of the metadata do not cut a wait after a failure short.
    is_in_flight_or_backing_off: bool,
    failures: u32,
}

impl AssignmentsManager {
    /// `place_of` is asked when the logs have followed the cluster.
    pub fn new(
        broker_id: i32,
        place_of: impl Fn(&TopicAndPartition) -> Option<DirectoryId> + Send + Sync + 'static,
        scheduler: Arc<dyn Scheduler>,
    ) -> Arc<Self> {
        let (way, assignments) = (OnceLock::new(), Mutex::default());
        Arc::new(Self { broker_id, place_of: Box::new(place_of), scheduler, way, assignments })
    }

    /// From now on the controller is told, also of what has been found already.
    pub fn start(
        self: &Arc<Self>,
        channel: Arc<dyn ControllerChannel>,
        broker_epoch: impl Fn() -> Option<i64> + Send + Sync + 'static,
    ) {
        let way = Way { channel, broker_epoch: Box::new(broker_epoch) };
        // There is one start.
        let _ = self.way.set(way);
        self.send_next();
    }

    /// Where the replica lies that this broker has of the partition, if the controller believes it elsewhere.
    fn misplaced(
        &self,
        name: &str,
        number: i32,
        it: &PartitionRegistration,
    ) -> Option<DirectoryId> {
        if !it.replicas.contains(&self.broker_id) {
            return None;
        }
        let place = (self.place_of)(&TopicAndPartition::new(name, number))?;
        (it.directory(self.broker_id) != place).then_some(place)
    }

    fn note(&self, delta: &MetadataDelta, after: &MetadataImage) {
        let mut assignments = locked(&self.assignments);
        for (_, topic_id) in &delta.topics.deleted {
            assignments.waiting.retain(|(id, _), _| id != topic_id);
        }
        if after.features.metadata_version() < FIRST_VERSION_WITH_DIRECTORIES {
            return; // The controller believes nothing.
        }
        for name in &delta.topics.changed {
            let Some(topic) = after.topics.topic(name) else { continue };
            for (number, partition) in (0..).zip(&topic.partitions) {
                match self.misplaced(name, number, partition) {
                    Some(place) => assignments.waiting.insert((topic.id, number), place),
                    None => assignments.waiting.remove(&(topic.id, number)),
                };
            }
        }
    }

    fn send_next(self: &Arc<Self>) {
        let Some(way) = self.way.get() else { return };
        // Before it is registered the controller takes nothing from it; that it is unfenced later is a
        // change of the metadata, which leads here again.
        let Some(broker_epoch) = (way.broker_epoch)() else { return };
        let mut assignments = locked(&self.assignments);
        if assignments.is_in_flight_or_backing_off || assignments.waiting.is_empty() {
            return;
        }
        assignments.is_in_flight_or_backing_off = true;
        // What is repeated is not said again.
        let level = if assignments.failures == 0 { Level::Info } else { Level::Debug };
        let mut by_directory = BTreeMap::<DirectoryId, Vec<TopicIdPartition>>::new();
        for (partition, place) in assignments.waiting.iter().take(ASSIGNMENTS_PER_REQUEST_MAX) {
            by_directory.entry(*place).or_default().push(*partition);
        }
        drop(assignments);
        let replicas = counted(by_directory.values().map(Vec::len).sum(), "replica");
        log!(level, "telling the controller in which log directory this broker has {replicas}");
        let of_directory = |(id, partitions): (DirectoryId, Vec<_>)| DirectoryData {
            id: Uuid(id),
            topics: by_topic(&partitions),
        };
        let request = AssignReplicasToDirsRequest {
            broker_id: self.broker_id,
            broker_epoch,
            directories: by_directory.into_iter().map(of_directory).collect(),
        };
        let this = Arc::clone(self);
        let handle = move |answer| this.handle(answer);
        send_request(&*way.channel, request, 0..=0, REQUEST_TIMEOUT_MS, handle);
    }

    fn handle(self: &Arc<Self>, answer: Result<AssignReplicasToDirsResponse, ControllerError>) {
        let mut assignments = locked(&self.assignments);
        let settled = match answer {
            Ok(response) if response.error_code == Errors::None.code() => settled(&response),
            Ok(response) => {
                debug!("AssignReplicasToDirs: error {}", response.error_code);
                Vec::new()
            }
            Err(ControllerError::ShuttingDown) => return,
            Err(error) => {
                debug!("AssignReplicasToDirs: {error}");
                Vec::new()
            }
        };
        // An answer about other partitions than those that were asked about is none.
        let mut is_progress = false;
        for (partition, place) in settled {
            // Unless it is by now in another place.
            if assignments.waiting.get(&partition) == Some(&place) {
                assignments.waiting.remove(&partition);
                is_progress = true;
            }
        }
        assignments.failures = if is_progress { 0 } else { assignments.failures + 1 };
        let failures = assignments.failures;
        assignments.is_in_flight_or_backing_off = !is_progress;
        drop(assignments);
        if is_progress {
            return self.send_next();
        }
        let delay_ms = BACKOFF_MAX_MS.min(BACKOFF_MS << failures.min(16));
        let this = Arc::clone(self);
        let again = Box::new(move || {
            locked(&this.assignments).is_in_flight_or_backing_off = false;
            this.send_next();
        });
        self.scheduler.schedule("assign-replicas-to-dirs", delay_ms, None, again);
    }
}

impl MetadataPublisher for Arc<AssignmentsManager> {
    fn name(&self) -> &'static str {
        "AssignmentsManager"
    }

    fn on_metadata_update(
        &self,
        delta: &MetadataDelta,
        _before: &Arc<MetadataImage>,
        after: &Arc<MetadataImage>,
    ) {
        self.note(delta, after);
        self.send_next();
    }
}

/// The partitions, which are in order, under their topics.
fn by_topic(partitions: &[TopicIdPartition]) -> Vec<DirectoryTopic> {
    let of_topic = |chunk: &[TopicIdPartition]| DirectoryTopic {
        topic_id: Uuid(chunk[0].0),
        partitions: chunk
            .iter()
            .map(|(_, partition_index)| DirectoryPartition { partition_index: *partition_index })
            .collect(),
    };
    partitions.chunk_by(|a, b| a.0 == b.0).map(of_topic).collect()
}

/// What the controller knows by now, and what it has no use for: a topic may be deleted meanwhile, and would
/// be asked about for ever (KAFKA-17190).
fn settled(response: &AssignReplicasToDirsResponse) -> Vec<(TopicIdPartition, DirectoryId)> {
    let mut settled = Vec::new();
    let directories = response.directories.iter();
    let topics = directories.flat_map(|it| it.topics.iter().map(move |topic| (it.id.0, topic)));
    for (directory, topic) in topics {
        for partition in &topic.partitions {
            match Errors::for_code(partition.error_code) {
                Errors::None | Errors::UnknownTopicId | Errors::UnknownTopicOrPartition => {
                    settled.push(((topic.topic_id.0, partition.partition_index), directory));
                }
                error => log!(
                    limited(LogKind::Failures, Level::Warn),
                    "the controller does not take it that partition {} of the topic with the id {} lies \
                     here: {error}",
                    partition.partition_index,
                    uuid_text(&topic.topic_id.0)
                ),
            }
        }
    }
    settled
}
