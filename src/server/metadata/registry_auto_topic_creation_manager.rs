//! Port of `KafkaApis.createTopic`, on the topic registry in the place of ZooKeeper: topics that a cluster of
//! one broker creates because a client uses them.

use std::sync::Arc;

use crate::common::errors::{Errors, KafkaError};
use crate::common::topic_partition::{GROUP_METADATA_TOPIC_NAME, is_internal};
use crate::config::kafka_config::KafkaConfig;
use crate::registry::topic_registry::NewTopic;
use crate::server::metadata::auto_topic_creation_manager::{
    AutoTopicCreationManager, Requester, offsets_topic_overrides,
};
use crate::server::metadata::controller::{Controller, Overrides, PARTITIONS_PER_REQUEST_MAX};
use crate::server::metadata::metadata_cache::MetadataCache;

/// Creates topics on the controller's thread, since the disk is waited for.
pub struct RegistryAutoTopicCreationManager {
    metadata_cache: Arc<dyn MetadataCache>,
    controller: Arc<dyn Controller>,
    is_auto_create_enabled: bool,
    offsets_topic_partitions: i32,
    offsets_topic_overrides: Overrides,
}

impl RegistryAutoTopicCreationManager {
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
}

impl AutoTopicCreationManager for RegistryAutoTopicCreationManager {
    fn may_create(&self, topic: &str) -> bool {
        self.is_auto_create_enabled || is_internal(topic)
    }

    fn must_be_made(&self, topic: &str) -> Result<bool, KafkaError> {
        // As a rule it is there, and then its name need not be compared with all others.
        if self.metadata_cache.topic(topic).is_some() {
            return Ok(false);
        }
        match self.controller.check_new_topic(topic, &Overrides::new()) {
            Err(KafkaError::Api(Errors::TopicAlreadyExists, _)) => Ok(false),
            checked => checked.map(|()| true),
        }
    }

    fn waits_for_disk(&self) -> bool {
        true
    }

    /// Each has `num.partitions` partitions. Whose request it is makes no difference here.
    fn auto_create_topics(
        &self,
        names: Vec<String>,
        _requester: &Requester<'_>,
    ) -> Vec<Result<(), KafkaError>> {
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

    fn group_metadata_topic_partitions(&self) -> Result<i32, KafkaError> {
        let topic = self.metadata_cache.topic(GROUP_METADATA_TOPIC_NAME);
        topic.map(|it| it.partition_count()).ok_or_else(|| {
            let why = format!("the topic {GROUP_METADATA_TOPIC_NAME} is not led yet");
            KafkaError::api(Errors::LeaderNotAvailable, why)
        })
    }

    fn create_group_metadata_topic(&self) -> Result<i32, KafkaError> {
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
