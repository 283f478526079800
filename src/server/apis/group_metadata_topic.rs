//! Port of `KafkaApis.createGroupMetadataTopic` (Kafka 0.11): how `__consumer_offsets` comes into
//! being.

use std::sync::Arc;

use crate::common::errors::KafkaError;
use crate::coordinator::group_coordinator::GroupCoordinator;
use crate::server::apis::parts::Parts;
use crate::server::metadata::metadata_cache::MetadataCache;

/// The topic that the first client of a group brings into being.
pub(crate) struct GroupMetadataTopic {
    metadata_cache: Arc<MetadataCache>,
    group_coordinator: Arc<GroupCoordinator>,
}

impl GroupMetadataTopic {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        Self {
            metadata_cache: Arc::clone(&parts.metadata_cache),
            group_coordinator: Arc::clone(&parts.group_coordinator),
        }
    }

    /// Creates the topic if it is missing, and lets the coordinator use it.
    ///
    /// # Errors
    /// As [`MetadataCache::create_group_metadata_topic`].
    pub(crate) fn create(&self) -> Result<(), KafkaError> {
        let partition_count = self.metadata_cache.create_group_metadata_topic()?;
        self.group_coordinator.manager().set_partition_count(partition_count);
        Ok(())
    }
}
