//! Port of `ReplicaManager.applyDelta` and of `TopicConfigHandler`: what a change of the cluster means for
//! the logs and the partitions of this broker.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use log::{Level, error, log};

use crate::common::errors::KafkaError;
use crate::common::lock::locked;
use crate::common::log_limit::{LogKind, limited};
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::Offset;
use crate::config::dynamic_config::BrokerReconfigurable;
use crate::config::kafka_config::KafkaConfig;
use crate::config::log_config::LogConfig;
use crate::image::current_image::CurrentImage;
use crate::image::directory_id::{DirectoryId, UNASSIGNED};
use crate::image::metadata_delta::{LocalReplicaChanges, TopicsDelta};
use crate::image::topic_image::{NO_LEADER, PartitionRegistration, TopicImage};
use crate::image::topics_image::TopicsImage;
use crate::replica::broker_end_point::BrokerEndPoint;
use crate::replica::fetcher::replica_fetchers::{InitialFetchState, ReplicaFetchers};
use crate::replica::partition::Partition;
use crate::replica::partition_state::PartitionState;
use crate::replica::replica_manager::ReplicaManager;
use crate::replica::replication_engine::ReplicationEngine;
use crate::storage::log::log::Log;
use crate::storage::log_manager::{LogManager, LogPlace};

/// What follows the cluster by [`ReplicaChanges`].
pub struct ReplicaParts {
    pub broker_id: i32,
    pub image: Arc<CurrentImage>,
    /// Reads the newest image.
    pub engine: Arc<dyn ReplicationEngine>,
    pub log_manager: Arc<LogManager>,
    pub replica_manager: Arc<ReplicaManager>,
    pub fetchers: Arc<dyn ReplicaFetchers>,
}

/// Lets the logs, the partitions and the fetchers of this broker follow the cluster. Only the thread that
/// publishes images changes them, one change after the other.
pub struct ReplicaChanges {
    parts: ReplicaParts,
    is_in_controlled_shutdown: AtomicBool,
    /// Where each broker was reached at the last change of the cluster.
    end_points: Mutex<BTreeMap<i32, BrokerEndPoint>>,
    /// The settings of a topic that overrides nothing. Held while a log is given its settings, by these and by the
    /// newest image: whichever thread is the last to do so knows all that was set.
    default_config: Mutex<LogConfig>,
}

impl ReplicaChanges {
    pub fn new(parts: ReplicaParts) -> Self {
        let default_config = Mutex::new(parts.log_manager.default_config());
        Self {
            parts,
            is_in_controlled_shutdown: AtomicBool::new(false),
            end_points: Mutex::default(),
            default_config,
        }
    }

    /// Port of `beginControlledShutdown`: from now on nothing is copied any more once it has no leader, or once
    /// this broker has left its replicas in sync. It would only join them again.
    pub fn begin_controlled_shutdown(&self) {
        self.is_in_controlled_shutdown.store(true, Ordering::Release);
    }

    /// Nothing is copied any more. No change follows.
    pub fn shutdown_fetchers(&self) {
        self.parts.fetchers.shutdown();
    }

    /// Has what is copied from a broker copied from its new address, if it is reached at another one than at the
    /// last call, or is reached again. The newest image must be set.
    ///
    /// As a rule the controller elects anew when a broker comes back, and [`apply`](Self::apply) does what is
    /// needed; but a broker may be registered again without it.
    pub fn update_leader_end_points(&self, broker_ids: impl Iterator<Item = i32>) {
        let others = broker_ids.filter(|id| *id != self.parts.broker_id);
        let reached = others.filter_map(|id| Some((id, self.parts.engine.end_point(id)?)));
        let reached: BTreeMap<_, _> = reached.collect();
        let before = std::mem::replace(&mut *locked(&self.end_points), reached.clone());
        let moved = reached.iter().filter(|(id, end_point)| before.get(id) != Some(end_point));
        let moved: HashSet<i32> = moved.map(|(id, _)| *id).collect();
        if moved.is_empty() {
            return;
        }
        let hosted = self.parts.replica_manager.local_logs().all_partitions();
        let is_led_there = |it: &Arc<Partition>| moved.contains(&it.state().leader);
        let is_copied = |it: &Arc<Partition>| is_led_there(it) && !self.has_left(it);
        self.restart_fetching(hosted.into_iter().filter(is_copied).collect());
    }

    /// [`leaves`](Self::leaves), by the newest image: a follower itself does not know who is in sync.
    fn has_left(&self, partition: &Partition) -> bool {
        let registration = self.parts.engine.partition(&partition.topic_and_partition);
        registration.is_some_and(|it| self.leaves(&it))
    }

    /// Deletes, leads and follows what `delta` says, in this order: a topic may go and another of its name
    /// come at once. The newest image must be set. Returns what it came to for this broker.
    ///
    /// A partition that fails is marked as offline, as its clients learn, and does not keep the
    /// others from changing.
    pub fn apply(
        &self,
        delta: &TopicsDelta,
        before: &TopicsImage,
        after: &TopicsImage,
    ) -> LocalReplicaChanges {
        let changes = delta.local_changes(self.parts.broker_id, before, after);
        self.delete(&changes);
        let mut watermarks =
            Watermarks { replica_manager: &self.parts.replica_manager, read: None };
        self.make_leaders(&changes.leaders, after, &mut watermarks);
        self.make_followers(&changes.followers, after, &mut watermarks);
        if changes != LocalReplicaChanges::default() {
            self.parts.fetchers.shutdown_idle_fetcher_threads();
        }
        let deleted = delta.deleted.iter().map(|(topic, _)| topic);
        for topic in deleted.chain(&delta.changed_configs) {
            self.update_config(topic, after);
        }
        changes
    }

    /// The settings of the logs of each topic, for the start.
    pub fn log_configs(&self, topics: &TopicsImage) -> Vec<(String, LogConfig)> {
        let defaults = locked(&self.default_config).clone();
        let overriding = topics.iter().filter(|(_, topic)| !topic.config.is_empty());
        overriding
            .map(|(name, topic)| (name.to_string(), log_config(name, topic, &defaults)))
            .collect()
    }

    fn delete(&self, changes: &LocalReplicaChanges) {
        if changes.deletes.is_empty() {
            return;
        }
        let key =
            |(topic, partition, _): &(String, i32, _)| TopicAndPartition::new(topic, *partition);
        let keys: Vec<_> = changes.deletes.iter().map(key).collect();
        let ReplicaParts { log_manager, replica_manager, fetchers, .. } = &self.parts;
        fetchers.remove_fetcher_for_partitions(&keys);
        replica_manager.stop_replicas(&keys);
        replica_manager.complete_waiting(&keys);
        for key in &keys {
            if let Err(error) = log_manager.delete_log(key) {
                let level = limited(LogKind::Failures, Level::Error);
                log!(level, "cannot delete the log {key}; the next start sets it aside: {error}");
            }
        }
        // A later log of the same name begins anew.
        let written = log_manager
            .checkpoint_recovery_point_offsets()
            .and_then(|()| log_manager.checkpoint_log_start_offsets())
            .and_then(|()| replica_manager.checkpoint_high_watermarks());
        if let Err(error) = written {
            error!("cannot take deleted logs out of the checkpoints: {error}");
        }
    }

    /// Port of `applyLocalLeadersDelta`. When a partition is led, no fetcher appends to its log.
    fn make_leaders(
        &self,
        changed: &Changed,
        after: &TopicsImage,
        watermarks: &mut Watermarks<'_>,
    ) {
        let changed: Vec<_> = in_image(changed, after).collect();
        let keys: Vec<_> = changed.iter().map(|it| it.key.clone()).collect();
        if keys.is_empty() {
            return;
        }
        self.parts.fetchers.remove_fetcher_for_partitions(&keys);
        for it in &changed {
            let led = self
                .host(it, watermarks)
                .and_then(|partition| partition.make_leader(PartitionState::from(it.partition)));
            if let Err(error) = led {
                self.mark_offline(&it.key, &error);
            }
        }
        self.parts.replica_manager.complete_waiting(&keys);
    }

    /// Port of `applyLocalFollowersDelta`. Each is hosted, even without a leader: its high watermark must stay
    /// in the checkpoint (KAFKA-1647).
    fn make_followers(
        &self,
        changed: &Changed,
        after: &TopicsImage,
        watermarks: &mut Watermarks<'_>,
    ) {
        let changed: Vec<_> = in_image(changed, after).collect();
        if changed.is_empty() {
            return;
        }
        let (mut starting, mut stopping) = (Vec::new(), Vec::new());
        for it in &changed {
            match self.host(it, watermarks) {
                Ok(partition) => {
                    let begins_epoch = partition.make_follower(PartitionState::from(it.partition));
                    if self.leaves(it.partition) {
                        stopping.push(it.key.clone());
                    } else if begins_epoch {
                        starting.push(partition);
                    }
                }
                Err(error) => {
                    stopping.push(it.key.clone());
                    self.mark_offline(&it.key, &error);
                }
            }
        }
        if !stopping.is_empty() {
            self.parts.fetchers.remove_fetcher_for_partitions(&stopping);
        }
        self.restart_fetching(starting);
        let keys: Vec<_> = changed.into_iter().map(|it| it.key).collect();
        self.parts.replica_manager.complete_waiting(&keys);
    }

    /// Copies these from where their leaders are now. The position is read when no thread appends any longer
    /// (KAFKA-13266). One whose leader is not there is not copied; it will be when the leader is back.
    fn restart_fetching(&self, partitions: Vec<Arc<Partition>>) {
        if partitions.is_empty() {
            return;
        }
        let ReplicaParts { fetchers, engine, .. } = &self.parts;
        let keys: Vec<_> = partitions.iter().map(|it| it.topic_and_partition.clone()).collect();
        fetchers.remove_fetcher_for_partitions(&keys);
        let starting = keys.into_iter().zip(&partitions).filter_map(|(key, partition)| {
            if !partition.local_replica().log.log_dir().is_online() {
                return None;
            }
            let state = partition.state();
            let leader = engine.end_point(state.leader)?;
            let initial = InitialFetchState {
                topic_id: partition.topic_id,
                leader,
                current_leader_epoch: state.leader_epoch,
                offset: initial_fetch_offset(partition),
            };
            Some((key, initial))
        });
        let starting: Vec<_> = starting.collect();
        if !starting.is_empty() {
            fetchers.add_fetcher_for_partitions(starting);
        }
    }

    /// Whether this broker, which shuts down, has nothing to do with the partition any more.
    fn leaves(&self, partition: &PartitionRegistration) -> bool {
        self.is_in_controlled_shutdown.load(Ordering::Acquire)
            && (partition.leader == NO_LEADER || !partition.isr.contains(&self.parts.broker_id))
    }

    fn host(
        &self,
        changed: &ChangedPartition<'_>,
        watermarks: &mut Watermarks<'_>,
    ) -> Result<Arc<Partition>, KafkaError> {
        let ChangedPartition { key, topic, partition } = changed;
        let hosted = self.parts.replica_manager.host(&topic.id, key, || {
            let high_watermark = watermarks.of(key)?;
            let place = place_of(partition.directory(self.parts.broker_id));
            Ok((self.create_log(key, topic, place)?, high_watermark))
        })?;
        hosted.local_replica().log.log_dir().check_online()?;
        Ok(hosted)
    }

    fn mark_offline(&self, key: &TopicAndPartition, error: &KafkaError) {
        let level = limited(LogKind::Failures, Level::Error);
        log!(level, "the partition {key} is offline on this broker: {error}");
        self.parts.replica_manager.local_logs().mark_offline(key, error.why());
    }

    fn create_log(
        &self,
        key: &TopicAndPartition,
        topic: &TopicImage,
        place: LogPlace,
    ) -> Result<Arc<Log>, KafkaError> {
        let defaults = locked(&self.default_config).clone();
        let config = log_config(&key.topic, topic, &defaults);
        let log = self.parts.log_manager.create_log_of(&topic.id, key, &config, place)?;
        // Who has changed the defaults since may not have found it yet.
        self.update_log(key);
        Ok(log)
    }

    /// Port of `TopicConfigHandler.processConfigChanges`.
    fn update_config(&self, name: &str, after: &TopicsImage) {
        let quotas = self.parts.replica_manager.quotas();
        let Some(topic) = after.topic(name) else { return quotas.remove_topic(name) };
        self.update_logs(name);
        let defaults = locked(&self.default_config).clone();
        quotas.update_topic(name, &log_config(name, topic, &defaults), self.parts.broker_id);
    }

    fn update_logs(&self, name: &str) {
        let defaults = locked(&self.default_config);
        let image = self.parts.image.get();
        let Some(topic) = image.topics.topic(name) else { return };
        let config = log_config(name, topic, &defaults);
        let keys = (0..topic.partition_count()).map(|it| TopicAndPartition::new(name, it));
        for log in keys.filter_map(|key| self.parts.log_manager.get_log(&key)) {
            log.update_config(config.clone());
        }
    }

    fn update_log(&self, key: &TopicAndPartition) {
        let defaults = locked(&self.default_config);
        let image = self.parts.image.get();
        let topic = image.topics.topic(&key.topic);
        if let (Some(topic), Some(log)) = (topic, self.parts.log_manager.get_log(key)) {
            log.update_config(log_config(&key.topic, topic, &defaults));
        }
    }
}

/// A topic follows the broker in what it does not override.
impl BrokerReconfigurable for ReplicaChanges {
    fn reconfigure(&self, old: &KafkaConfig, new: &KafkaConfig) {
        let (old, new) = (LogConfig::from_broker(old), LogConfig::from_broker(new));
        *locked(&self.default_config) = new.clone();
        if old != new {
            for (name, _) in self.parts.image.get().topics.iter() {
                self.update_logs(name);
            }
        }
    }
}

/// Topics and partitions.
type Changed = [(String, i32)];

/// A partition of this broker that has changed.
struct ChangedPartition<'a> {
    key: TopicAndPartition,
    topic: &'a TopicImage,
    partition: &'a PartitionRegistration,
}

fn in_image<'a>(
    changed: &'a Changed,
    image: &'a TopicsImage,
) -> impl Iterator<Item = ChangedPartition<'a>> {
    changed.iter().filter_map(|(name, number)| {
        let topic = image.topic(name)?;
        let partition = topic.partition(*number)?;
        Some(ChangedPartition { key: TopicAndPartition::new(name, *number), topic, partition })
    })
}

/// Port of `Partition.createLogInAssignedDirectoryId`.
fn place_of(assigned: DirectoryId) -> LogPlace {
    match assigned {
        UNASSIGNED => LogPlace::Anywhere,
        id => LogPlace::Directory(id),
    }
}

/// Where a follower goes on: at the end of its log, which the leader compares by its epoch; without epochs at
/// the high watermark, up to which the logs are the same.
fn initial_fetch_offset(partition: &Partition) -> Offset {
    let replica = partition.local_replica();
    match replica.log.leader_epochs().latest_epoch() {
        Some(_) => replica.log.log_end_offset(),
        None => replica.high_watermark().message_offset,
    }
}

/// The high watermarks of the last checkpoint, which is read if a partition is new.
struct Watermarks<'a> {
    replica_manager: &'a ReplicaManager,
    read: Option<BTreeMap<TopicAndPartition, Offset>>,
}

impl Watermarks<'_> {
    fn of(&mut self, key: &TopicAndPartition) -> Result<Offset, KafkaError> {
        let read = match self.read.take() {
            Some(read) => read,
            None => self.replica_manager.checkpointed_high_watermarks()?,
        };
        let high_watermark = read.get(key).copied().unwrap_or(Offset::FIRST);
        self.read = Some(read);
        Ok(high_watermark)
    }
}

/// The settings of a topic's logs. The controller has accepted what the topic overrides, so what this
/// broker does not know, or would refuse, is passed over, and the log says so.
fn log_config(name: &str, topic: &TopicImage, defaults: &LogConfig) -> LogConfig {
    let (config, passed_over) = defaults.with_known_overrides(&topic.config);
    if !passed_over.is_empty() {
        let passed_over: Vec<_> = passed_over.iter().map(ToString::to_string).collect();
        let level = limited(LogKind::Settings, Level::Warn);
        log!(level, "settings of the topic {name} do not count here: {}", passed_over.join("; "));
    }
    config
}
