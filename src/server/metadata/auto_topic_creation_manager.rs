//! Port of `kafka.server.AutoTopicCreationManager` (Kafka 2.8), which 0.9 has in `KafkaApis`: topics
//! that are created because a client uses them.

use std::sync::Arc;

use crate::common::errors::{Errors, KafkaError};
use crate::common::topic_partition::{GROUP_METADATA_TOPIC_NAME, is_internal};
use crate::config::kafka_config::KafkaConfig;
use crate::server::metadata::controller::{Controller, Overrides};
use crate::server::metadata::metadata_cache::MetadataCache;

/// Creates topics at their first use. A thread that finds the creation under way does not wait for
/// it.
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

    /// Creates the topic with `num.partitions` partitions, unless it exists or another thread is
    /// about to create it.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION` for an illegal name; whatever the disk reports.
    pub fn auto_create_topic(&self, topic: &str) -> Result<(), KafkaError> {
        let partitions = self.controller.default_partitions();
        match self.controller.create_topic(topic, partitions, Overrides::new()) {
            Err(KafkaError::Api(Errors::TopicAlreadyExists, _)) => Ok(()),
            created => created.map(drop),
        }
    }

    /// Creates `__consumer_offsets`, unless it is there. Returns how many partitions it has.
    ///
    /// # Errors
    /// `LEADER_NOT_AVAILABLE` while another thread creates it: the disk keeps that one waiting, not
    /// every thread whose client asks; whatever the disk reports.
    pub fn create_group_metadata_topic(&self) -> Result<i32, KafkaError> {
        let topic = GROUP_METADATA_TOPIC_NAME;
        let led = || self.metadata_cache.topic(topic).map(|it| it.partition_count());
        if let Some(partitions) = led() {
            return Ok(partitions);
        }
        let (partitions, overrides) =
            (self.offsets_topic_partitions, self.offsets_topic_overrides.clone());
        match self.controller.create_topic(topic, partitions, overrides) {
            Err(KafkaError::Api(Errors::TopicAlreadyExists, _)) => led().ok_or_else(|| {
                let why = format!("the topic {topic} is being created");
                KafkaError::api(Errors::LeaderNotAvailable, why)
            }),
            created => created.map(|_| partitions),
        }
    }
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
