//! Port of `kafka.server.metadata.BrokerMetadataPublisher`: has the parts of a broker follow the cluster.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use log::{debug, error, info};

use crate::common::errors::{Errors, KafkaError};
use crate::common::loading_progress::LoadingProgress;
use crate::common::lock::locked;
use crate::common::text::counted;
use crate::common::topic_partition::TopicAndPartition;
use crate::coordinator::group_coordinator::GroupCoordinator;
use crate::image::current_image::CurrentImage;
use crate::image::metadata_delta::MetadataDelta;
use crate::image::metadata_image::MetadataImage;
use crate::image::metadata_publisher::MetadataPublisher;
use crate::image::topics_image::TopicsImage;
use crate::replica::fetcher::replica_fetchers::ReplicaFetchers;
use crate::replica::replica_manager::ReplicaManager;
use crate::replica::replication_engine::ReplicationEngine;
use crate::server::cluster::coordinator_updates::update_coordinator;
use crate::server::cluster::dynamic_config_publisher::DynamicConfigPublisher;
use crate::server::cluster::metadata_version_config_validator::check_log_dirs;
use crate::server::cluster::replica_changes::{ReplicaChanges, ReplicaParts};
use crate::server::cluster::security_publishers::SecurityPublishers;
use crate::storage::files::stray_directories::set_strays_aside;
use crate::storage::log_manager::LogManager;

/// What a [`BrokerMetadataPublisher`] has follow the cluster.
pub struct FollowingParts {
    pub broker_id: i32,
    /// What the other parts read.
    pub image: Arc<CurrentImage>,
    /// Owns its directories, and has opened no log yet.
    pub log_manager: Arc<LogManager>,
    /// Hosts nothing yet.
    pub replica_manager: Arc<ReplicaManager>,
    /// Says what `image` holds.
    pub engine: Arc<dyn ReplicationEngine>,
    /// Copy nothing yet.
    pub fetchers: Arc<dyn ReplicaFetchers>,
    /// Has not started yet.
    pub group_coordinator: Arc<GroupCoordinator>,
    pub dynamic_configs: DynamicConfigPublisher,
    pub security: SecurityPublishers,
    /// Shows how far the opening of the logs is.
    pub loading_progress: Arc<LoadingProgress>,
}

/// Publishes images to the logs, the partitions and the groups of this broker.
///
/// The logs are opened with the first image: only by it can those that are not this broker's any more be
/// told from the others.
pub struct BrokerMetadataPublisher {
    parts: FollowingParts,
    replica_changes: Arc<ReplicaChanges>,
    published_offset: AtomicI64,
    first: Mutex<FirstPublication>,
    first_is_known: Condvar,
    /// The epoch in which this broker is registered and not fenced, by what was published last.
    unfenced_in: Mutex<Option<i64>>,
    unfenced_is_known: Condvar,
}

enum FirstPublication {
    Awaited,
    Done,
    /// Empty once somebody has taken the reason.
    Failed(Option<KafkaError>),
}

impl BrokerMetadataPublisher {
    pub fn new(parts: FollowingParts) -> Self {
        let replica_changes = Arc::new(ReplicaChanges::new(ReplicaParts {
            broker_id: parts.broker_id,
            image: Arc::clone(&parts.image),
            engine: Arc::clone(&parts.engine),
            log_manager: Arc::clone(&parts.log_manager),
            replica_manager: Arc::clone(&parts.replica_manager),
            fetchers: Arc::clone(&parts.fetchers),
        }));
        Self {
            parts,
            replica_changes,
            published_offset: AtomicI64::new(NOTHING_PUBLISHED),
            first: Mutex::new(FirstPublication::Awaited),
            first_is_known: Condvar::new(),
            unfenced_in: Mutex::new(None),
            unfenced_is_known: Condvar::new(),
        }
    }

    /// Has the logs follow altered settings of the broker, once it is given to the settings.
    pub fn replica_changes(&self) -> &Arc<ReplicaChanges> {
        &self.replica_changes
    }

    /// What is published, or about to be.
    pub fn image(&self) -> Arc<MetadataImage> {
        self.parts.image.get()
    }

    /// The offset of the metadata log up to which everything is published; -1 before. The controller is
    /// told this one, and not what was fetched (KAFKA-13836).
    pub fn published_offset(&self) -> i64 {
        self.published_offset.load(Ordering::Acquire)
    }

    /// Waits until the first image is published, for `timeout` at most: then the broker can answer what
    /// needs a log, and does so by the settings that the cluster has for it, such as `min.insync.replicas`. Returns
    /// whether it is.
    ///
    /// # Errors
    /// What has kept the logs from being opened, once. Nothing is published after it.
    pub fn wait_for_first_publication(&self, timeout: Duration) -> Result<bool, KafkaError> {
        let is_awaited = |first: &mut FirstPublication| matches!(first, FirstPublication::Awaited);
        let waited =
            self.first_is_known.wait_timeout_while(locked(&self.first), timeout, is_awaited);
        let (mut first, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match &mut *first {
            FirstPublication::Awaited => return Ok(false),
            FirstPublication::Failed(why) => return Err(why.take().unwrap_or_else(failed_before)),
            FirstPublication::Done => drop(first),
        }
        Ok(self.parts.dynamic_configs.wait_until_followed(timeout))
    }

    /// Waits until the record by which the controller has unfenced this broker, in `broker_epoch`, is
    /// published, for `timeout` at most. The records by which it leads what waited for it come with that one.
    /// Returns whether it is.
    pub fn wait_until_unfenced(&self, broker_epoch: i64, timeout: Duration) -> bool {
        let is_fenced = |unfenced_in: &mut Option<i64>| *unfenced_in != Some(broker_epoch);
        let waited = self.unfenced_is_known.wait_timeout_while(
            locked(&self.unfenced_in),
            timeout,
            is_fenced,
        );
        let (mut unfenced_in, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !is_fenced(&mut unfenced_in)
    }

    fn note_fencing(&self, image: &MetadataImage) {
        let registration = image.cluster.broker(self.parts.broker_id);
        let unfenced_in = registration.filter(|it| !it.fenced).map(|it| it.epoch);
        *locked(&self.unfenced_in) = unfenced_in;
        self.unfenced_is_known.notify_all();
    }

    fn settle_first(&self, outcome: Result<(), KafkaError>) {
        *locked(&self.first) = match outcome {
            Ok(()) => FirstPublication::Done,
            Err(error) => FirstPublication::Failed(Some(error)),
        };
        self.first_is_known.notify_all();
    }

    /// Port of `initializeManagers`.
    fn initialize_managers(&self, image: &MetadataImage) -> Result<(), KafkaError> {
        let FollowingParts { broker_id, log_manager, group_coordinator, loading_progress, .. } =
            &self.parts;
        let topics = &image.topics;
        check_log_dirs(log_manager.log_dirs().len(), image.features.metadata_version())?;
        log_manager.open_each_dir(|dir| {
            set_strays_aside(dir, |key, id| has_replica(topics, key, id, *broker_id)).map(|_| ())
        })?;
        let configs: HashMap<_, _> = self.replica_changes.log_configs(topics).into_iter().collect();
        log_manager.load(&configs, loading_progress)?;
        // One that is corrupt ends the start, and not each partition by itself.
        let replica_manager = &self.parts.replica_manager;
        log_manager.open_each_dir(|dir| replica_manager.check_high_watermarks_in(dir))?;
        group_coordinator.startup(None)
    }

    fn publish(&self, delta: &MetadataDelta, before: &MetadataImage, after: &MetadataImage) {
        // Before the partitions: what is denied is denied by the time that a new one can be read.
        self.parts.security.on_metadata_update(&before.security, &after.security);
        self.parts.dynamic_configs.on_metadata_update(delta, after);
        if delta.is_cluster_changed {
            self.replica_changes.update_leader_end_points(after.cluster.iter().map(|it| it.id));
        }
        let changes = self.replica_changes.apply(&delta.topics, &before.topics, &after.topics);
        update_coordinator(
            &self.parts.group_coordinator,
            &changes,
            &delta.topics,
            &before.topics,
            &after.topics,
        );
        let offset = after.provenance.last_contained_offset;
        self.published_offset.store(offset, Ordering::Release);
        self.note_fencing(after);
    }
}

impl MetadataPublisher for BrokerMetadataPublisher {
    fn name(&self) -> &'static str {
        "BrokerMetadataPublisher"
    }

    fn on_metadata_update(
        &self,
        delta: &MetadataDelta,
        before: &Arc<MetadataImage>,
        after: &Arc<MetadataImage>,
    ) {
        let offset = after.provenance.last_contained_offset;
        let is_first = match *locked(&self.first) {
            FirstPublication::Awaited => true,
            FirstPublication::Done => false,
            FirstPublication::Failed(_) => return,
        };
        self.parts.image.set(Arc::clone(after));
        if !is_first {
            debug!("publishing the metadata at offset {offset}");
            self.publish(delta, before, after);
            return;
        }
        info!(
            "publishing the first metadata, at offset {offset}, metadata.version {}: {}",
            after.features.metadata_version(),
            counted(after.topics.iter().count(), "topic")
        );
        let initialized = self.initialize_managers(after);
        match &initialized {
            Ok(()) => self.publish(delta, before, after),
            Err(error) => error!("cannot open the logs: {error}"),
        }
        self.settle_first(initialized);
    }
}

/// In place of an offset.
const NOTHING_PUBLISHED: i64 = -1;

/// Whether the partition of this topic has a replica on this broker.
fn has_replica(
    topics: &TopicsImage,
    key: &TopicAndPartition,
    topic_id: &[u8; 16],
    broker_id: i32,
) -> bool {
    let topic = topics.topic(&key.topic).filter(|it| it.id == *topic_id);
    let partition = topic.and_then(|it| it.partition(key.partition));
    partition.is_some_and(|it| it.replicas.contains(&broker_id))
}

fn failed_before() -> KafkaError {
    let why = "the logs could not be opened; the log of the broker says why";
    KafkaError::api(Errors::KafkaStorageError, why)
}
