//! Port of `KafkaApis.createGroupMetadataTopic` (Kafka 0.11): how `__consumer_offsets` comes into
//! being.

use std::sync::Arc;

use crate::common::errors::KafkaError;
use crate::common::topic_partition::GROUP_METADATA_TOPIC_NAME;
use crate::coordinator::group_coordinator::GroupCoordinator;
use crate::server::apis::parts::Parts;
use crate::server::metadata::auto_topic_creation_manager::AutoTopicCreationManager;

/// The topic that the first client of a group brings into being.
pub(crate) struct GroupMetadataTopic {
    auto_topics: Arc<dyn AutoTopicCreationManager>,
    group_coordinator: Arc<GroupCoordinator>,
}

impl GroupMetadataTopic {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        Self {
            auto_topics: Arc::clone(&parts.auto_topics),
            group_coordinator: Arc::clone(&parts.group_coordinator),
        }
    }

    /// As [`AutoTopicCreationManager::waits_for_disk`].
    pub(crate) fn waits_for_disk(&self) -> bool {
        self.auto_topics.waits_for_disk()
    }

    /// Whether the topic is neither there nor being made.
    pub(crate) fn must_be_made(&self) -> bool {
        // Its name is legal.
        self.auto_topics.must_be_made(GROUP_METADATA_TOPIC_NAME).unwrap_or_default()
    }

    /// Lets the coordinator use the topic.
    ///
    /// # Errors
    /// As [`AutoTopicCreationManager::group_metadata_topic_partitions`].
    pub(crate) fn find(&self) -> Result<(), KafkaError> {
        self.used(self.auto_topics.group_metadata_topic_partitions()?)
    }

    /// Creates the topic if it is missing, on the controller's thread if that takes the disk, and lets the
    /// coordinator use it.
    ///
    /// # Errors
    /// As [`AutoTopicCreationManager::create_group_metadata_topic`].
    pub(crate) fn create(&self) -> Result<(), KafkaError> {
        self.used(self.auto_topics.create_group_metadata_topic()?)
    }

    fn used(&self, partition_count: i32) -> Result<(), KafkaError> {
        self.group_coordinator.manager().set_partition_count(partition_count);
        Ok(())
    }
}
