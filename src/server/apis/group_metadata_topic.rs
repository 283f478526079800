//! Port of `KafkaApis.createGroupMetadataTopic` (Kafka 0.11): how `__consumer_offsets` comes into
//! being.

use std::sync::Arc;

use crate::common::errors::KafkaError;
use crate::coordinator::group_coordinator::GroupCoordinator;
use crate::server::apis::parts::Parts;
use crate::server::metadata::auto_topic_creation_manager::AutoTopicCreationManager;

/// The topic that the first client of a group brings into being.
pub(crate) struct GroupMetadataTopic {
    auto_topics: Arc<AutoTopicCreationManager>,
    group_coordinator: Arc<GroupCoordinator>,
}

impl GroupMetadataTopic {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        Self {
            auto_topics: Arc::clone(&parts.auto_topics),
            group_coordinator: Arc::clone(&parts.group_coordinator),
        }
    }

    /// Creates the topic if it is missing, and lets the coordinator use it.
    ///
    /// # Errors
    /// As [`AutoTopicCreationManager::create_group_metadata_topic`].
    pub(crate) fn create(&self) -> Result<(), KafkaError> {
        let partition_count = self.auto_topics.create_group_metadata_topic()?;
        self.group_coordinator.manager().set_partition_count(partition_count);
        Ok(())
    }
}
