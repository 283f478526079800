//! Port of `ReplicaManager.applyDelta` and of `TopicConfigHandler`: what a change of the cluster means for
//! the logs and the partitions of this broker.

use std::collections::BTreeMap;
use std::sync::Arc;

use log::{Level, error, log};

use crate::common::errors::KafkaError;
use crate::common::log_limit::{LogKind, limited};
use crate::common::text::counted;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::Offset;
use crate::config::dynamic_config::BrokerReconfigurable;
use crate::config::kafka_config::KafkaConfig;
use crate::config::log_config::LogConfig;
use crate::image::current_image::CurrentImage;
use crate::image::metadata_delta::{LocalReplicaChanges, TopicsDelta};
use crate::image::topic_image::{PartitionRegistration, TopicImage};
use crate::image::topics_image::TopicsImage;
use crate::replica::partition::Partition;
use crate::replica::partition_state::PartitionState;
use crate::replica::replica_manager::ReplicaManager;
use crate::storage::log::log::Log;
use crate::storage::log_manager::LogManager;

/// Lets the logs and the partitions of this broker follow the cluster. Only the thread that publishes images
/// calls it, one change after the other.
pub struct ReplicaChanges {
    broker_id: i32,
    image: Arc<CurrentImage>,
    log_manager: Arc<LogManager>,
    replica_manager: Arc<ReplicaManager>,
}

impl ReplicaChanges {
    pub fn new(
        broker_id: i32,
        image: Arc<CurrentImage>,
        log_manager: Arc<LogManager>,
        replica_manager: Arc<ReplicaManager>,
    ) -> Self {
        Self { broker_id, image, log_manager, replica_manager }
    }

    /// Deletes, leads and follows what `delta` says, in this order: a topic may go and another of its name
    /// come at once. Returns what it came to for this broker.
    ///
    /// A partition that fails is marked as offline, which its clients are told, and does not keep the
    /// others from changing.
    pub fn apply(
        &self,
        delta: &TopicsDelta,
        before: &TopicsImage,
        after: &TopicsImage,
    ) -> LocalReplicaChanges {
        let changes = delta.local_changes(self.broker_id, before, after);
        self.delete(&changes);
        self.change_leaders(&changes, after);
        for topic in &delta.changed_configs {
            if let Some(image) = after.topic(topic) {
                self.update_logs(topic, image, &self.log_manager.default_config());
            }
        }
        changes
    }

    /// The settings of the logs of each topic, for the start.
    pub fn log_configs(&self, topics: &TopicsImage) -> Vec<(String, LogConfig)> {
        let defaults = self.log_manager.default_config();
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
        self.replica_manager.stop_replicas(&keys);
        self.replica_manager.complete_waiting(&keys);
        for key in &keys {
            if let Err(error) = self.log_manager.delete_log(key) {
                let level = limited(LogKind::Failures, Level::Error);
                log!(level, "cannot delete the log {key}; the next start sets it aside: {error}");
            }
        }
        // A later log of the same name begins anew.
        let written = self
            .log_manager
            .checkpoint_recovery_point_offsets()
            .and_then(|()| self.log_manager.checkpoint_log_start_offsets())
            .and_then(|()| self.replica_manager.checkpoint_high_watermarks());
        if let Err(error) = written {
            error!("cannot take deleted logs out of the checkpoints: {error}");
        }
    }

    fn change_leaders(&self, changes: &LocalReplicaChanges, after: &TopicsImage) {
        let mut changed = Vec::new();
        let mut watermarks = Watermarks { replica_manager: &self.replica_manager, read: None };
        let mut unreplicated = Vec::new();
        for (topic, number) in changes.leaders.iter().chain(&changes.followers) {
            let Some(image) = after.topic(topic) else { continue };
            let Some(partition) = image.partition(*number) else { continue };
            let key = TopicAndPartition::new(topic, *number);
            let hosted = self.replica_manager.host(&image.id, &key, || {
                let high_watermark = watermarks.of(&key)?;
                Ok((self.create_log(&key, image)?, high_watermark))
            });
            let changed_hands = hosted.and_then(|hosted| self.change_leader(&hosted, partition));
            if let Err(error) = changed_hands {
                error!("the partition {key} is offline on this broker: {error}");
                self.replica_manager.local_logs().mark_offline(&key);
            }
            if partition.replicas.len() > 1 {
                unreplicated.push(key.clone());
            }
            changed.push(key);
        }
        self.replica_manager.complete_waiting(&changed);
        warn_of_unreplicated(&unreplicated);
    }

    fn change_leader(
        &self,
        hosted: &Partition,
        partition: &PartitionRegistration,
    ) -> Result<(), KafkaError> {
        let state = PartitionState::from(partition);
        if partition.leader == self.broker_id {
            hosted.make_leader(state)?;
        } else {
            hosted.make_follower(state);
        }
        Ok(())
    }

    fn create_log(
        &self,
        key: &TopicAndPartition,
        topic: &TopicImage,
    ) -> Result<Arc<Log>, KafkaError> {
        let config = log_config(&key.topic, topic, &self.log_manager.default_config());
        self.log_manager.create_log_of(&topic.id, key, config)
    }

    fn update_logs(&self, name: &str, topic: &TopicImage, defaults: &LogConfig) {
        let config = log_config(name, topic, defaults);
        for partition in 0..topic.partition_count() {
            if let Some(log) = self.log_manager.get_log(&TopicAndPartition::new(name, partition)) {
                log.update_config(config.clone());
            }
        }
    }
}

/// A topic follows the broker in what it does not override.
impl BrokerReconfigurable for ReplicaChanges {
    fn reconfigure(&self, old: &KafkaConfig, new: &KafkaConfig) {
        let (old, new) = (LogConfig::from_broker(old), LogConfig::from_broker(new));
        if old != new {
            for (name, topic) in self.image.get().topics.iter() {
                self.update_logs(name, topic, &new);
            }
        }
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

fn warn_of_unreplicated(partitions: &[TopicAndPartition]) {
    let Some(first) = partitions.first() else { return };
    let level = limited(LogKind::Topics, Level::Warn);
    log!(
        level,
        "{} with several replicas, such as {first}: this version does not replicate yet. Where other \
         replicas are in sync as well, a produce with acks=all times out and consumers see nothing \
         new; where another broker leads, nothing is copied from it. Topics with one replica work",
        counted(partitions.len(), "partition")
    );
}
