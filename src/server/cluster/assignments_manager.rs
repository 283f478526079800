//! Port of `org.apache.kafka.server.AssignmentsManager`: tells the controller where the replicas of this
//! broker lie, if it believes them elsewhere.
//!
//! With one log directory that is so after a disk was replaced: the new directory has another id, and the
//! controller keeps the partitions of the old one offline until it learns that they have been made anew.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock};

use log::{Level, debug, info, log};

use crate::common::errors::Errors;
use crate::common::lock::locked;
use crate::common::log_limit::{LogKind, limited};
use crate::common::scheduler::Scheduler;
use crate::common::text::counted;
use crate::common::uuid::uuid_text;
use crate::image::metadata_delta::MetadataDelta;
use crate::image::metadata_image::MetadataImage;
use crate::image::metadata_publisher::MetadataPublisher;
use crate::image::topic_image::TopicImage;
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
/// How long to wait for a registration, which tells nobody when it comes.
const REGISTRATION_WAIT_MS: i64 = 1000;
const REQUEST_TIMEOUT_MS: i64 = 60_000;

/// The epoch of this broker's registration; `None` until there is one.
type BrokerEpoch = Box<dyn Fn() -> Option<i64> + Send + Sync>;

/// Follows the cluster, and sends one request at a time.
pub struct AssignmentsManager {
    broker_id: i32,
    /// Of the only log directory.
    directory_id: [u8; 16],
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
    /// What the controller believes elsewhere: at most all replicas of this broker.
    waiting: BTreeSet<TopicIdPartition>,
    /// While a request is under way, and while it has to wait to be tried again.
    is_busy: bool,
    failures: u32,
}

impl AssignmentsManager {
    pub fn new(broker_id: i32, directory_id: [u8; 16], scheduler: Arc<dyn Scheduler>) -> Arc<Self> {
        let (way, assignments) = (OnceLock::new(), Mutex::default());
        Arc::new(Self { broker_id, directory_id, scheduler, way, assignments })
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

    /// Whether this broker has a replica of the partition that the controller believes elsewhere. At a
    /// `metadata.version` below 17 it believes nothing.
    fn is_elsewhere(&self, topic: &TopicImage, number: usize) -> bool {
        let partition = &topic.partitions[number];
        let place = partition.replicas.iter().position(|it| *it == self.broker_id);
        place
            .and_then(|place| partition.directories.get(place))
            .is_some_and(|directory| *directory != self.directory_id)
    }

    fn note(&self, delta: &MetadataDelta, after: &MetadataImage) {
        let mut assignments = locked(&self.assignments);
        for (_, topic_id) in &delta.topics.deleted {
            assignments.waiting.retain(|(id, _)| id != topic_id);
        }
        for topic in delta.topics.changed.iter().filter_map(|name| after.topics.topic(name)) {
            for (partition, number) in (0..).zip(0..topic.partitions.len()) {
                match self.is_elsewhere(topic, number) {
                    true => assignments.waiting.insert((topic.id, partition)),
                    false => assignments.waiting.remove(&(topic.id, partition)),
                };
            }
        }
    }

    fn send_next(self: &Arc<Self>) {
        let Some(way) = self.way.get() else { return };
        let mut assignments = locked(&self.assignments);
        if assignments.is_busy || assignments.waiting.is_empty() {
            return;
        }
        assignments.is_busy = true;
        // Without an epoch the controller refuses: another broker with this id may be the one that it knows.
        let Some(broker_epoch) = (way.broker_epoch)() else {
            drop(assignments);
            return self.send_after(REGISTRATION_WAIT_MS);
        };
        let is_first_attempt = assignments.failures == 0;
        let sent: Vec<_> =
            assignments.waiting.iter().take(ASSIGNMENTS_PER_REQUEST_MAX).copied().collect();
        drop(assignments);
        if is_first_attempt {
            info!(
                "telling the controller where {} of this broker lie",
                counted(sent.len(), "replica")
            );
        }
        let request = AssignReplicasToDirsRequest {
            broker_id: self.broker_id,
            broker_epoch,
            directories: vec![DirectoryData {
                id: Uuid(self.directory_id),
                topics: by_topic(&sent),
            }],
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
        let count = settled.iter().filter(|it| assignments.waiting.remove(it)).count();
        let is_progress = count > 0;
        assignments.failures = if is_progress { 0 } else { assignments.failures + 1 };
        let failures = assignments.failures;
        assignments.is_busy = !is_progress;
        drop(assignments);
        match is_progress {
            true => self.send_next(),
            false => self.send_after(BACKOFF_MAX_MS.min(BACKOFF_MS << failures.min(16))),
        }
    }

    /// Whatever the cluster's metadata brings meanwhile waits, too.
    fn send_after(self: &Arc<Self>, delay_ms: i64) {
        let this = Arc::clone(self);
        let again = Box::new(move || {
            locked(&this.assignments).is_busy = false;
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
fn settled(response: &AssignReplicasToDirsResponse) -> Vec<TopicIdPartition> {
    let mut settled = Vec::new();
    for topic in response.directories.iter().flat_map(|it| &it.topics) {
        for partition in &topic.partitions {
            match Errors::for_code(partition.error_code) {
                Errors::None | Errors::UnknownTopicId | Errors::UnknownTopicOrPartition => {
                    settled.push((topic.topic_id.0, partition.partition_index));
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
