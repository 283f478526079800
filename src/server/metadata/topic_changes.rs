//! How topics come into being, change and go: what `kafka.admin.AdminUtils` writes into ZooKeeper,
//! and what the controller and the replica managers then do.
//!
//! A change is in the registry, on disk, before it is answered. After a crash in the middle of a
//! creation the next start makes the logs that are missing; after one in the middle of a deletion
//! the topic is still there, without what was deleted already, and can be deleted again.

use std::ops::Range;
use std::sync::Arc;

use log::{Level, log};

use crate::common::errors::{Errors, KafkaError};
use crate::common::log_limit::{LogKind, limited};
use crate::common::topic_partition::{TopicAndPartition, is_internal};
use crate::common::units::LeaderEpoch;
use crate::config::config_source::MESSAGE_FORMAT_VERSION;
use crate::config::config_type::Kind;
use crate::config::log_config::LogConfig;
use crate::config::log_policies::MessageFormatVersion;
use crate::image::leader_recovery_state::LeaderRecoveryState;
use crate::image::topic_image::{PartitionRegistration, TopicImage};
use crate::registry::topic_registry::{
    NewTopic, TopicRecord, TopicRegistry, log_config, valid_log_config,
};
use crate::replica::partition::LEADER_EPOCH;
use crate::replica::replica_manager::{HostedLog, ReplicaManager};
use crate::server::metadata::controller::{ConfigChange, Overrides};
use crate::server::metadata::led_topics::LedTopics;
use crate::storage::log_manager::LogManager;

/// What only a change of topics may touch. It lies behind a lock, so that there is one at a time.
pub(super) struct TopicChanges {
    pub(super) broker_id: i32,
    /// All topics, on disk.
    pub(super) registry: TopicRegistry,
    /// Those that clients may know of.
    pub(super) led: Arc<LedTopics>,
    pub(super) log_manager: Arc<LogManager>,
    pub(super) replica_manager: Arc<ReplicaManager>,
}

/// A topic between the halves of its deletion.
pub(super) struct HiddenTopic {
    id: [u8; 16],
    pub(super) partitions: Vec<TopicAndPartition>,
}

impl TopicChanges {
    /// Leads all topics, those that are adopted from disk included. Clients see them when every
    /// partition is led.
    pub(super) fn lead_all(&mut self) -> Result<(), KafkaError> {
        let on_disk = self.log_manager.all_logs();
        let on_disk: Vec<_> = on_disk.iter().map(|log| log.topic_and_partition().clone()).collect();
        self.registry.adopt(&on_disk)?;
        let mut logs = Vec::new();
        for (topic, record) in self.registry.topics() {
            logs.extend(self.open_logs(topic, record)?);
        }
        self.replica_manager.become_leader(LEADER_EPOCH, logs)?;
        for (topic, record) in self.registry.topics() {
            self.show(topic, record);
        }
        Ok(())
    }

    /// Creates topics, and returns the id of each.
    ///
    /// The registry is written first: if the process dies before the logs are made, the next start
    /// makes them. If they cannot be made, the topic is forgotten again, so that its next use tries
    /// anew. Clients see a topic when all of it is led.
    pub(super) fn create_all(
        &mut self,
        topics: Vec<NewTopic>,
    ) -> Vec<Result<[u8; 16], KafkaError>> {
        let reserved: Vec<_> = topics.into_iter().map(|it| self.reserve_new(it)).collect();
        let mut created = self.registry.create_all(reserved.iter().flatten()).into_iter();
        let listed = reserved.into_iter().map(|reserved| {
            let NewTopic { name, .. } = reserved?;
            let record = created.next().expect("each topic has a result");
            let record = record.inspect_err(|_| self.led.remove(&name))?;
            Ok((name, record))
        });
        let listed: Vec<_> = listed.collect();
        self.lead_new(listed)
    }

    /// Takes the topic's name.
    fn reserve_new(&self, topic: NewTopic) -> Result<NewTopic, KafkaError> {
        valid_log_config(&self.log_manager.default_config(), &topic.config)?;
        self.led.reserve_new(&topic.name)?;
        Ok(topic)
    }

    /// Leads the topics that could be listed.
    fn lead_new(
        &mut self,
        listed: Vec<Result<(String, TopicRecord), KafkaError>>,
    ) -> Vec<Result<[u8; 16], KafkaError>> {
        let (mut logs, mut failed) = (Vec::new(), Vec::new());
        let open = |listed: Result<(String, TopicRecord), KafkaError>| {
            let (name, record) = listed?;
            match self.open_logs(&name, &record) {
                Ok(opened) => logs.extend(opened),
                Err(error) => {
                    failed.push((name, record.partitions));
                    return Err(error);
                }
            }
            Ok((name, record))
        };
        let opened: Vec<_> = listed.into_iter().map(open).collect();
        let led = self.replica_manager.become_leader(LEADER_EPOCH, logs);
        let show = |opened: Result<(String, TopicRecord), KafkaError>| {
            let (name, record) = opened?;
            if let Err(error) = &led {
                failed.push((name, record.partitions));
                return Err(error.again());
            }
            self.show(&name, &record);
            let level = limited(LogKind::Topics, Level::Info);
            log!(level, "created the topic {name}, partitions: {}", record.partitions);
            Ok(record.id)
        };
        let created = opened.into_iter().map(show).collect();
        self.forget(&failed);
        created
    }

    /// Takes back the creation of topics, each with its number of partitions. They are taken off the
    /// list with one write: where one could not be made, thousands may not.
    fn forget(&mut self, topics: &[(String, i32)]) {
        let is_cleared = |(topic, partitions): &&(String, i32)| {
            let deleted = self.delete_new_logs(topic, 0..*partitions);
            deleted.inspect_err(|error| log_not_forgotten(topic, error)).is_ok()
        };
        let cleared: Vec<&str> =
            topics.iter().filter(is_cleared).map(|(topic, _)| topic.as_str()).collect();
        let removed = self.registry.remove_all(cleared.iter().copied());
        for topic in cleared {
            match &removed {
                Ok(_) => self.led.remove(topic),
                Err(error) => log_not_forgotten(topic, error),
            }
        }
    }

    /// The first half of a deletion: the topic is there for nobody any more. Owed, without the lock:
    /// the answers to the requests that wait for its partitions; and then
    /// [`delete`](Self::delete).
    pub(super) fn hide(&mut self, topic: &str) -> Result<HiddenTopic, KafkaError> {
        let record = self.registry.get(topic).ok_or_else(no_such_topic)?;
        refuse_internal(topic)?;
        self.check_online(topic, record)?;
        Ok(self.hidden(topic, record))
    }

    /// A log that is offline cannot be deleted, and the next start would bring its topic back.
    fn check_online(&self, topic: &str, record: &TopicRecord) -> Result<(), KafkaError> {
        let keys = (0..record.partitions).map(|it| TopicAndPartition::new(topic, it));
        let mut logs = keys.filter_map(|key| self.log_manager.get_log(&key));
        logs.try_for_each(|log| log.log_dir().check_online())
    }

    fn hidden(&self, topic: &str, record: &TopicRecord) -> HiddenTopic {
        let partitions: Vec<_> =
            (0..record.partitions).map(|it| TopicAndPartition::new(topic, it)).collect();
        self.led.reserve(topic);
        self.replica_manager.stop_replicas(&partitions);
        HiddenTopic { id: record.id, partitions }
    }

    /// The second half. Returns how many partitions the topic had.
    ///
    /// Between the halves another client may have deleted it, and then even created one of its name;
    /// or have failed to, so that it is there again.
    pub(super) fn delete(&mut self, topic: &str, hidden: &HiddenTopic) -> Result<i32, KafkaError> {
        let record = self.registry.get(topic).filter(|it| it.id == hidden.id).cloned();
        let record = record.ok_or_else(no_such_topic)?;
        let keys = self.hidden(topic, &record).partitions;
        if let Err(error) = self.delete_logs(&keys).and_then(|()| self.registry.remove(topic)) {
            if let Err(error) = self.lead(topic, &record) {
                let level = limited(LogKind::Failures, Level::Error);
                log!(level, "cannot serve the topic {topic} before the next start: {error}");
            }
            return Err(error);
        }
        self.led.remove(topic);
        let level = limited(LogKind::Topics, Level::Info);
        log!(level, "deleted the topic {topic}");
        Ok(record.partitions)
    }

    /// Deletes logs and their entries in the checkpoints: a later log of the same name begins anew.
    fn delete_logs(&self, keys: &[TopicAndPartition]) -> Result<(), KafkaError> {
        for key in keys {
            self.log_manager.delete_log(key)?;
        }
        self.log_manager.checkpoint_recovery_point_offsets()?;
        self.log_manager.checkpoint_log_start_offsets()?;
        self.replica_manager.checkpoint_high_watermarks()
    }

    /// Gives a topic more partitions, `count` in all. Clients see them when all are led.
    pub(super) fn create_partitions(&mut self, topic: &str, count: i32) -> Result<(), KafkaError> {
        let before = check_more_partitions(&self.led, topic, count)?;
        let record = self.registry.update(topic, |record| record.partitions = count)?;
        if let Err(error) = self.lead(topic, &record) {
            if let Err(error) = self.forget_partitions(topic, before..count) {
                let level = limited(LogKind::Failures, Level::Error);
                log!(level, "the topic {topic} gets its partitions at the next start: {error}");
            }
            return Err(error);
        }
        let level = limited(LogKind::Topics, Level::Info);
        log!(level, "the topic {topic} has {count} partitions instead of {before}");
        Ok(())
    }

    /// Takes back the creation of partitions.
    fn forget_partitions(&mut self, topic: &str, new: Range<i32>) -> Result<(), KafkaError> {
        let before = new.start;
        self.delete_new_logs(topic, new)?;
        self.registry.update(topic, |it| it.partitions = before)?;
        Ok(())
    }

    /// Replaces what a topic overrides by the result of `change`.
    pub(super) fn alter_config(
        &mut self,
        topic: &str,
        validate_only: bool,
        change: ConfigChange<'_>,
    ) -> Result<(), KafkaError> {
        let own = existing(&self.led, topic)?;
        let defaults = self.log_manager.default_config();
        let before = log_config(&defaults, &own.config)?;
        let mut overrides = change(&own.config, &before)?;
        let mut after = valid_log_config(&defaults, &overrides)?;
        keep_message_format(topic, &own.config, &before, &mut overrides, &mut after);
        if validate_only {
            return Ok(());
        }
        let record = self.registry.update(topic, |record| record.config = overrides)?;
        self.show(topic, &record);
        self.update_logs(topic, &record, &after);
        let level = limited(LogKind::Settings, Level::Info);
        log!(level, "the topic {topic} overrides {:?}", record.config);
        Ok(())
    }

    /// Lets all logs follow the broker's settings in what their topics do not override.
    pub(super) fn follow(&mut self, defaults: &LogConfig) {
        for (topic, record) in self.registry.topics() {
            match log_config(defaults, &record.config) {
                Ok(config) => self.update_logs(topic, record, &config),
                Err(error) => log!(
                    limited(LogKind::Failures, Level::Error),
                    "the topic {topic} keeps its settings: {error}"
                ),
            }
        }
    }

    fn update_logs(&self, topic: &str, record: &TopicRecord, config: &LogConfig) {
        for partition in 0..record.partitions {
            if let Some(log) = self.log_manager.get_log(&TopicAndPartition::new(topic, partition)) {
                log.update_config(config.clone());
            }
        }
    }

    /// Makes this broker the leader of a topic's partitions, whose logs are made where they do not
    /// exist, and then lets clients see the topic as it is in `record`.
    fn lead(&self, topic: &str, record: &TopicRecord) -> Result<(), KafkaError> {
        self.replica_manager.become_leader(LEADER_EPOCH, self.open_logs(topic, record)?)?;
        self.show(topic, record);
        Ok(())
    }

    fn show(&self, topic: &str, record: &TopicRecord) {
        let name: Arc<str> = Arc::from(topic);
        let leader_epoch = |partition| {
            let key = TopicAndPartition { topic: Arc::clone(&name), partition };
            let partition = self.replica_manager.local_logs().get_partition(&key);
            partition.map_or(LEADER_EPOCH, |it| it.leader_epoch())
        };
        self.led.insert(topic, image_of(self.broker_id, record, leader_epoch));
    }

    /// The logs of all partitions of a topic, made where they do not exist.
    fn open_logs(&self, topic: &str, record: &TopicRecord) -> Result<Vec<HostedLog>, KafkaError> {
        let config = log_config(&self.log_manager.default_config(), &record.config)?;
        let open = |partition| {
            let key = TopicAndPartition::new(topic, partition);
            let log = match self.log_manager.get_log(&key) {
                Some(log) => log,
                None => self.log_manager.create_log(&key, config.clone())?,
            };
            Ok(HostedLog { key, topic_id: record.id, log })
        };
        (0..record.partitions).map(open).collect()
    }

    /// Takes back those logs of a topic that could be made, where others could not. The next start
    /// would take one that is left for a partition.
    fn delete_new_logs(&self, topic: &str, partitions: Range<i32>) -> Result<(), KafkaError> {
        for partition in partitions {
            self.log_manager.delete_log(&TopicAndPartition::new(topic, partition))?;
        }
        Ok(())
    }
}

/// A topic all of whose partitions lie on one broker.
pub(super) fn image_of(
    broker_id: i32,
    topic: &TopicRecord,
    leader_epoch: impl Fn(i32) -> LeaderEpoch,
) -> TopicImage {
    let replicas: Arc<[i32]> = Arc::from([broker_id]);
    let partition = |partition| PartitionRegistration {
        leader: broker_id,
        leader_epoch: leader_epoch(partition),
        partition_epoch: 0,
        replicas: Arc::clone(&replicas),
        isr: Arc::clone(&replicas),
        adding_replicas: Arc::default(),
        removing_replicas: Arc::default(),
        directories: Arc::default(),
        eligible_leader_replicas: Arc::default(),
        last_known_elr: Arc::default(),
        leader_recovery_state: LeaderRecoveryState::Recovered,
    };
    TopicImage {
        id: topic.id,
        partitions: (0..topic.partitions).map(partition).collect(),
        config: topic.config.clone(),
    }
}

/// Returns how many partitions the topic has, if it may get more, `count` in all.
pub(super) fn check_more_partitions(
    led: &LedTopics,
    topic: &str,
    count: i32,
) -> Result<i32, KafkaError> {
    let before = existing(led, topic)?.partition_count();
    refuse_internal(topic)?;
    if count > before {
        return Ok(before);
    }
    let why = format!("topic {topic} has {before} partitions; {count} would not be more");
    Err(KafkaError::api(Errors::InvalidPartitions, why))
}

fn log_not_forgotten(topic: &str, error: &KafkaError) {
    let level = limited(LogKind::Failures, Level::Warn);
    log!(level, "cannot serve the topic {topic} before the next start: {error}");
}

fn existing(led: &LedTopics, topic: &str) -> Result<Arc<TopicImage>, KafkaError> {
    led.get(topic).ok_or_else(no_such_topic)
}

fn no_such_topic() -> KafkaError {
    KafkaError::api(Errors::UnknownTopicOrPartition, "there is no such topic")
}

/// The broker relies on its own topics as they are.
fn refuse_internal(topic: &str) -> Result<(), KafkaError> {
    if is_internal(topic) {
        let why = format!("the topic {topic} is the broker's own");
        return Err(KafkaError::api(Errors::InvalidTopicException, why));
    }
    Ok(())
}

/// Takes another format of messages out of what is to become of a topic. Kafka 3 takes it for a hint
/// without effect, and tools that copy settings send it.
fn keep_message_format(
    topic: &str,
    own: &Overrides,
    before: &LogConfig,
    overrides: &mut Overrides,
    after: &mut LogConfig,
) {
    if after.message_format_magic == before.message_format_magic {
        return;
    }
    let level = limited(LogKind::Settings, Level::Warn);
    log!(
        level,
        "the topic {topic} keeps its message format {}: \
         `message.format.version` is chosen when a topic is created",
        MessageFormatVersion::show(&before.message_format_magic)
    );
    match own.get(MESSAGE_FORMAT_VERSION) {
        Some(own) => overrides.insert(MESSAGE_FORMAT_VERSION.to_string(), own.clone()),
        None => overrides.remove(MESSAGE_FORMAT_VERSION),
    };
    after.message_format_magic = before.message_format_magic;
}
