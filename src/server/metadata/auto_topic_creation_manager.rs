//! Port of `kafka.server.AutoTopicCreationManager` (Kafka 2.8), which 0.9 has in `KafkaApis`: topics
//! that are created because a client uses them.

use std::sync::Arc;

use crate::common::errors::{Errors, KafkaError};
use crate::common::topic_partition::{GROUP_METADATA_TOPIC_NAME, is_internal};
use crate::config::kafka_config::KafkaConfig;
use crate::registry::topic_registry::NewTopic;
use crate::server::metadata::controller::{Controller, Overrides, PARTITIONS_PER_REQUEST_MAX};
use crate::server::metadata::metadata_cache::MetadataCache;

/// Creates topics at their first use: on the controller's thread, since the disk is waited for. A
/// request handler asks here whether a topic [has to be made](Self::must_be_made).
pub struct AutoTopicCreationManager {
    metadata_cache: Arc<dyn MetadataCache>,
    controller: Arc<dyn Controller>,
    is_auto_create_enabled: bool,
    offsets_topic_partitions: i32,
    offsets_topic_overrides: Overrides,
}

impl AutoTopicCreationManager {
    pub fn new(
        config: &KafkaConfig,
        metadata_cache: &Arc<dyn MetadataCache>,
        controller: &Arc<dyn Controller>,
    ) -> Self {
        Self {
            metadata_cache: Arc::clone(metadata_cache),
            controller: Arc::clone(controller),
            is_auto_create_enabled: config.auto_create_topics_enable,
            offsets_topic_partitions: config.offsets_topic_num_partitions,
            offsets_topic_overrides: offsets_topic_overrides(config),
        }
    }

    /// Whether the topic is created when a client uses it: the broker's own topic is, whatever
    /// `auto.create.topics.enable` says of others.
    pub fn may_create(&self, topic: &str) -> bool {
        self.is_auto_create_enabled || is_internal(topic)
    }

    /// Whether the topic is neither there nor being made.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION` for an illegal name.
    pub fn must_be_made(&self, topic: &str) -> Result<bool, KafkaError> {
        // As a rule it is there, and then its name need not be compared with all others.
        if self.metadata_cache.topic(topic).is_some() {
            return Ok(false);
        }
        match self.controller.check_new_topic(topic, &Overrides::new()) {
            Err(KafkaError::Api(Errors::TopicAlreadyExists, _)) => Ok(false),
            checked => checked.map(|()| true),
        }
    }

    /// Creates each topic with `num.partitions` partitions, unless it exists: the first of them, as
    /// many as one request may create. The client that asks for more asks again, as it does anyway.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION` for an illegal name; whatever the disk reports.
    pub fn auto_create_topics(&self, names: Vec<String>) -> Vec<Result<(), KafkaError>> {
        let (partitions, config) = (self.controller.default_partitions(), Overrides::new());
        let topic = |name| NewTopic { name, partitions, config: config.clone() };
        let names = names.into_iter().take(topics_per_request_max(partitions));
        let created = self.controller.create_topics(names.map(topic).collect());
        let exists = |created: Result<_, KafkaError>| match created {
            Err(KafkaError::Api(Errors::TopicAlreadyExists, _)) => Ok(()),
            created => created.map(drop),
        };
        created.into_iter().map(exists).collect()
    }

    /// How many partitions `__consumer_offsets` has.
    ///
    /// # Errors
    /// `LEADER_NOT_AVAILABLE` as long as it is not led.
    pub fn group_metadata_topic_partitions(&self) -> Result<i32, KafkaError> {
        let topic = self.metadata_cache.topic(GROUP_METADATA_TOPIC_NAME);
        topic.map(|it| it.partition_count()).ok_or_else(|| {
            let why = format!("the topic {GROUP_METADATA_TOPIC_NAME} is not led yet");
            KafkaError::api(Errors::LeaderNotAvailable, why)
        })
    }

    /// Creates `__consumer_offsets`, unless it is there. Returns how many partitions it has.
    ///
    /// # Errors
    /// Whatever the disk reports; `LEADER_NOT_AVAILABLE` if it exists and cannot be led.
    pub fn create_group_metadata_topic(&self) -> Result<i32, KafkaError> {
        let (partitions, overrides) =
            (self.offsets_topic_partitions, self.offsets_topic_overrides.clone());
        match self.controller.create_topic(GROUP_METADATA_TOPIC_NAME, partitions, overrides) {
            Err(KafkaError::Api(Errors::TopicAlreadyExists, _)) => {
                self.group_metadata_topic_partitions()
            }
            created => created.map(|_| partitions),
        }
    }
}

/// How many topics of so many partitions one request may create: at least one, however many
/// partitions `num.partitions` asks for.
fn topics_per_request_max(partitions: i32) -> usize {
    usize::try_from(PARTITIONS_PER_REQUEST_MAX / partitions.max(1)).unwrap_or_default().max(1)
}

/// Port of `GroupCoordinator.offsetsTopicConfigs`: the last record of each key stays, in small
/// segments, because all of them are read at the start.
fn offsets_topic_overrides(config: &KafkaConfig) -> Overrides {
    let overrides = [
        ("cleanup.policy", "compact".to_string()),
        ("segment.bytes", config.offsets_topic_segment_bytes.to_string()),
        ("compression.type", "producer".to_string()),
    ];
    overrides.map(|(name, value)| (name.to_string(), value)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_creates_ten_thousand_partitions_by_their_first_use_or_one_topic() {
        for (partitions, topics) in [(1, 10_000), (3, 3333), (10_000, 1), (i32::MAX, 1)] {
            assert_eq!(topics_per_request_max(partitions), topics);
        }
    }
}
