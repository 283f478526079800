//! Port of `kafka.server.AdminManager` (Kafka 0.10.1) and `kafka.admin.AdminUtils`: what an admin
//! does to topics.
//!
//! A change is in the registry, on disk, before it is answered. A crash in the midst of a creation
//! is made good by the next start, which makes the logs that are missing; after one in the midst of
//! a deletion the topic is still there, without what was deleted already, and can be deleted again.

use std::collections::BTreeMap;
use std::sync::Arc;

use log::{error, info, warn};

use crate::common::errors::{Errors, KafkaError};
use crate::common::topic_partition::{TopicAndPartition, is_internal, validate_topic_name};
use crate::config::config_source::{
    ConfigEntry, MESSAGE_FORMAT_VERSION, broker_default_entries, broker_entries, topic_entries,
};
use crate::config::config_type::Kind;
use crate::config::dynamic_config::{BrokerReconfigurable, DynamicScope};
use crate::config::kafka_config::KafkaConfig;
use crate::config::log_config::LogConfig;
use crate::config::log_policies::MessageFormatVersion;
use crate::registry::topic_registry::{TopicRecord, log_config, valid_log_config};
use crate::server::metadata::metadata_cache::MetadataCache;

impl MetadataCache {
    /// Says what [`create_topic`](Self::create_topic) would, and creates nothing.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION`, `TOPIC_ALREADY_EXISTS`, `INVALID_CONFIG`.
    pub fn check_new_topic(
        &self,
        topic: &str,
        overrides: &BTreeMap<String, String>,
    ) -> Result<(), KafkaError> {
        self.registry.check_new(topic)?;
        valid_log_config(&self.log_manager.default_config(), overrides).map(drop)
    }

    /// Deletes a topic, and returns what it was. Clients do not see it from then on, pending fetches
    /// are answered, and its logs leave the disk a while later.
    ///
    /// A topic whose creation or deletion failed may be on disk and led no more: it can be deleted,
    /// too.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`; `INVALID_TOPIC_EXCEPTION` for a topic of the broker's own;
    /// whatever the disk reports, and then the topic is there, but for the partitions that are
    /// deleted already: those are empty.
    pub fn delete_topic(&self, topic: &str) -> Result<TopicRecord, KafkaError> {
        let _only_one = self.lock_changes();
        let record = self.registry.get(topic).ok_or_else(no_such_topic)?;
        refuse_internal(topic)?;
        let keys: Vec<_> =
            (0..record.partitions).map(|it| TopicAndPartition::new(topic, it)).collect();
        self.led.remove(topic);
        self.replica_manager.stop_replicas(&keys);
        if let Err(error) = self.delete_logs(&keys).and_then(|()| self.registry.remove(topic)) {
            if let Err(error) = self.lead_partitions(topic, &record) {
                error!("The topic {topic} cannot be served before the next start: {error}");
            }
            return Err(error);
        }
        info!("Deleted the topic {topic}.");
        Ok(record)
    }

    /// Deletes logs, and what the checkpoints say of them: a later log of the same name begins
    /// anew.
    fn delete_logs(&self, keys: &[TopicAndPartition]) -> Result<(), KafkaError> {
        for key in keys {
            self.log_manager.delete_log(key)?;
        }
        self.log_manager.checkpoint_recovery_point_offsets()?;
        self.log_manager.checkpoint_log_start_offsets()?;
        self.replica_manager.checkpoint_high_watermarks()
    }

    /// Gives a topic more partitions, `count` in all. Clients see them when all are led.
    ///
    /// # Errors
    /// As [`check_more_partitions`](Self::check_more_partitions); whatever the disk reports.
    pub fn create_partitions(&self, topic: &str, count: i32) -> Result<(), KafkaError> {
        let _only_one = self.lock_changes();
        let before = self.check_more_partitions(topic, count)?;
        let record = self.registry.update(topic, |record| record.partitions = count)?;
        if let Err(error) = self.lead_partitions(topic, &record) {
            let forget = || {
                self.delete_new_logs(topic, before..count)?;
                self.registry.update(topic, |it| it.partitions = before)
            };
            if let Err(error) = forget() {
                error!("The topic {topic} gets its partitions at the next start: {error}");
            }
            return Err(error);
        }
        info!("The topic {topic} has {count} partitions instead of {before}.");
        Ok(())
    }

    /// How many partitions the topic has, if it may get more, `count` in all.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`; `INVALID_PARTITIONS` if `count` is not more than there are;
    /// `INVALID_TOPIC_EXCEPTION` for a topic of the broker's own, whose partitions a group's name
    /// is mapped to.
    pub fn check_more_partitions(&self, topic: &str, count: i32) -> Result<i32, KafkaError> {
        let before = self.existing(topic)?.partitions;
        refuse_internal(topic)?;
        if count > before {
            return Ok(before);
        }
        let why = format!("topic {topic} has {before} partitions; {count} would not be more");
        Err(KafkaError::api(Errors::InvalidPartitions, why))
    }

    /// Replaces what a topic overrides by what `change` makes of it, in its logs at once, but for
    /// the format of its messages: a log holds one. With `validate_only` it is only said whether
    /// that could be.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`; `INVALID_TOPIC_EXCEPTION` for a name that no topic may have;
    /// what `change` says; `INVALID_CONFIG` for a setting that is unknown or not allowed; whatever
    /// the disk reports.
    pub fn alter_topic_config(
        &self,
        topic: &str,
        validate_only: bool,
        change: impl FnOnce(&TopicRecord, &LogConfig) -> Result<BTreeMap<String, String>, KafkaError>,
    ) -> Result<(), KafkaError> {
        validate_topic_name(topic)?;
        let _only_one = self.lock_changes();
        let record = self.existing(topic)?;
        let defaults = self.log_manager.default_config();
        let before = log_config(&defaults, &record.config)?;
        let mut overrides = change(&record, &before)?;
        let mut after = valid_log_config(&defaults, &overrides)?;
        // Kafka 3 takes it for a hint without effect, and tools that copy settings send it.
        if after.message_format_magic != before.message_format_magic {
            warn!(
                "The topic {topic} keeps the format of its messages, {}: \
                 `message.format.version` is chosen when a topic is created.",
                MessageFormatVersion::show(&before.message_format_magic)
            );
            match record.config.get(MESSAGE_FORMAT_VERSION) {
                Some(own) => overrides.insert(MESSAGE_FORMAT_VERSION.to_string(), own.clone()),
                None => overrides.remove(MESSAGE_FORMAT_VERSION),
            };
            after.message_format_magic = before.message_format_magic;
        }
        if validate_only {
            return Ok(());
        }
        let record = self.registry.update(topic, |record| record.config = overrides)?;
        self.led.insert(topic, record.clone());
        self.update_logs(topic, &record, &after);
        info!("The topic {topic} overrides {:?}.", record.config);
        Ok(())
    }

    fn update_logs(&self, topic: &str, record: &TopicRecord, config: &LogConfig) {
        for partition in 0..record.partitions {
            if let Some(log) = self.log_manager.get_log(&TopicAndPartition::new(topic, partition)) {
                log.update_config(config.clone());
            }
        }
    }

    /// The settings of a topic, and where they come from.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION`, `UNKNOWN_TOPIC_OR_PARTITION`.
    pub fn topic_config_entries(&self, topic: &str) -> Result<Vec<ConfigEntry>, KafkaError> {
        validate_topic_name(topic)?;
        self.config_entries_with(&self.existing(topic)?.config)
    }

    /// The settings of a topic that had these overrides.
    ///
    /// # Errors
    /// `INVALID_CONFIG`.
    pub fn config_entries_with(
        &self,
        overrides: &BTreeMap<String, String>,
    ) -> Result<Vec<ConfigEntry>, KafkaError> {
        let current = self.dynamic_config.current();
        let log_config = log_config(&LogConfig::from_broker(current.config()), overrides)?;
        Ok(topic_entries(&current, overrides, &log_config))
    }

    /// The settings of the broker, or those that were set for all brokers while they ran, and where
    /// they come from.
    pub fn broker_config_entries(&self, scope: DynamicScope) -> Vec<ConfigEntry> {
        let current = self.dynamic_config.current();
        match scope {
            DynamicScope::Broker => broker_entries(&current),
            DynamicScope::Default => broker_default_entries(&current),
        }
    }

    fn existing(&self, topic: &str) -> Result<Arc<TopicRecord>, KafkaError> {
        self.topic(topic).ok_or_else(no_such_topic)
    }
}

fn no_such_topic() -> KafkaError {
    KafkaError::api(Errors::UnknownTopicOrPartition, "there is no such topic")
}

/// A topic follows the broker in what it does not override. The settings of a topic that comes into
/// being meanwhile are read under the same lock, so that none is missed.
impl BrokerReconfigurable for MetadataCache {
    fn reconfigure(&self, old: &KafkaConfig, new: &KafkaConfig) {
        let (old, new) = (LogConfig::from_broker(old), LogConfig::from_broker(new));
        if old == new {
            return;
        }
        let _only_one = self.lock_changes();
        for (topic, record) in self.registry.topics() {
            match log_config(&new, &record.config) {
                Ok(config) => self.update_logs(&topic, &record, &config),
                Err(error) => error!("The topic {topic} keeps its settings: {error}"),
            }
        }
    }
}

/// The broker relies on its own topics as they are.
fn refuse_internal(topic: &str) -> Result<(), KafkaError> {
    if is_internal(topic) {
        let why = format!("the topic {topic} is the broker's own");
        return Err(KafkaError::api(Errors::InvalidTopicException, why));
    }
    Ok(())
}
