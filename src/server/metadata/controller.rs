//! Port of `org.apache.kafka.controller.Controller`, as far as topics go: it decides on changes that
//! the whole cluster sees.

use std::collections::BTreeMap;

use crate::common::errors::KafkaError;
use crate::config::log_config::LogConfig;
use crate::registry::topic_registry::NewTopic;

/// The most partitions that one request may create: Kafka's `MAX_PARTITIONS_PER_BATCH`. Each costs
/// three open files.
pub const PARTITIONS_PER_REQUEST_MAX: i32 = 10_000;

/// The settings that a topic overrides, by Kafka's names.
pub type Overrides = BTreeMap<String, String>;

/// Computes what a topic is to override: from what it overrides now, and the settings of its logs.
pub type ConfigChange<'a> =
    Box<dyn FnOnce(&Overrides, &LogConfig) -> Result<Overrides, KafkaError> + 'a>;

/// Creates, grows, alters and deletes topics.
///
/// Only the controller's thread makes changes, one at a time. A call returns when its change is on
/// disk, and clients see it in the
/// [`MetadataCache`](crate::server::metadata::metadata_cache::MetadataCache) by then. The checks
/// wait for nothing.
pub trait Controller: Send + Sync {
    /// The number of partitions of a topic whose creator leaves it open.
    fn default_partitions(&self) -> i32;

    fn is_topic_deletion_enabled(&self) -> bool;

    /// Fails as [`create_topic`](Self::create_topic) would for a topic with at least one partition,
    /// and creates nothing.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION` for a name that no topic may have, and for one that collides with
    /// a topic's; `TOPIC_ALREADY_EXISTS`; `INVALID_CONFIG`.
    fn check_new_topic(&self, topic: &str, overrides: &Overrides) -> Result<(), KafkaError>;

    /// Creates topics, and returns the id of each. Those of one call cost less than as many calls.
    ///
    /// # Errors
    /// For each topic those of [`check_new_topic`](Self::check_new_topic); `INVALID_PARTITIONS` below
    /// 1; whatever the disk reports, and then there is no such topic.
    fn create_topics(&self, topics: Vec<NewTopic>) -> Vec<Result<[u8; 16], KafkaError>>;

    /// As [`create_topics`](Self::create_topics) for one.
    ///
    /// # Errors
    /// The same.
    fn create_topic(
        &self,
        topic: &str,
        partitions: i32,
        overrides: Overrides,
    ) -> Result<[u8; 16], KafkaError> {
        let topic = NewTopic { name: topic.to_string(), partitions, config: overrides };
        self.create_topics(vec![topic]).into_iter().next().expect("one topic has one result")
    }

    /// Deletes a topic, and returns how many partitions it had. Clients do not see it from then on,
    /// pending fetches are answered, and its logs leave the disk a while later.
    ///
    /// A topic whose creation or deletion failed may be on disk without being led: it can be
    /// deleted, too.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`; `INVALID_TOPIC_EXCEPTION` for a topic of the broker's own;
    /// whatever the disk reports, and then the topic is there, but for the partitions that are
    /// deleted already: those are empty.
    fn delete_topic(&self, topic: &str) -> Result<i32, KafkaError>;

    /// Checks that a topic may get more partitions, `count` in all, and returns how many it has.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`; `INVALID_PARTITIONS` if `count` is not more than there are;
    /// `INVALID_TOPIC_EXCEPTION` for a topic of the broker's own, whose partitions a group's name
    /// is mapped to.
    fn check_more_partitions(&self, topic: &str, count: i32) -> Result<i32, KafkaError>;

    /// Gives a topic more partitions, `count` in all. Clients see them when all are led.
    ///
    /// # Errors
    /// Those of [`check_more_partitions`](Self::check_more_partitions); whatever the disk reports,
    /// and then the topic has as many as before.
    fn create_partitions(&self, topic: &str, count: i32) -> Result<(), KafkaError>;

    /// Replaces what a topic overrides by the result of `change`, which its logs follow at once,
    /// except for the format of its messages: a log holds one. With `validate_only` it only fails
    /// as it otherwise would.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`; `INVALID_TOPIC_EXCEPTION` for a name that no topic may have;
    /// what `change` returns; `INVALID_CONFIG` for a setting that is unknown or not allowed;
    /// whatever the disk reports, and then nothing changed.
    fn alter_topic_config(
        &self,
        topic: &str,
        validate_only: bool,
        change: ConfigChange<'_>,
    ) -> Result<(), KafkaError>;
}
