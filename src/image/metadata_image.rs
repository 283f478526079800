//! Port of `org.apache.kafka.image.MetadataImage`, and of `MetadataDelta.replay` and `apply`: the cluster at
//! one offset of the metadata log.
//!
//! Kafka gathers changes in a delta and then makes a new image of both. Here a clone of the old image
//! follows the records, and copies of it only what they touch.

use crate::image::cluster_image::ClusterImage;
use crate::image::configurations_image::ConfigurationsImage;
use crate::image::features_image::FeaturesImage;
use crate::image::records::config_records::{BROKER, ConfigRecord, TOPIC};
use crate::image::records::metadata_record::MetadataRecord;
use crate::image::security_image::SecurityImage;
use crate::image::topics_image::TopicsImage;

/// Once published it never changes: a newer one takes its place. A clone copies no map.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetadataImage {
    pub provenance: MetadataProvenance,
    pub features: FeaturesImage,
    pub cluster: ClusterImage,
    pub topics: TopicsImage,
    pub configs: ConfigurationsImage,
    pub security: SecurityImage,
}

/// Which records an image holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataProvenance {
    /// The last of them; -1 for none.
    pub last_contained_offset: i64,
    /// The quorum's epoch in which it was written.
    pub last_contained_epoch: i32,
    /// When the controller wrote it, by its clock, in milliseconds since 1970; -1 if that is not known.
    pub last_contained_log_time_ms: i64,
}

impl Default for MetadataProvenance {
    fn default() -> Self {
        Self { last_contained_offset: -1, last_contained_epoch: -1, last_contained_log_time_ms: -1 }
    }
}

impl MetadataImage {
    /// Follows one record. The provenance is the caller's to set.
    ///
    /// # Errors
    /// Why the record cannot be true of this image: what was read before is not what the controller
    /// wrote, or this broker has misread it.
    pub fn replay(&mut self, record: &MetadataRecord) -> Result<(), String> {
        match record {
            MetadataRecord::RegisterBroker(it) => self.cluster.replay_register(it),
            MetadataRecord::UnregisterBroker(it) => self.cluster.replay_unregister(it),
            MetadataRecord::FenceBroker(it) => return self.cluster.replay_fence(it),
            MetadataRecord::UnfenceBroker(it) => return self.cluster.replay_unfence(it),
            MetadataRecord::BrokerRegistrationChange(it) => {
                return self.cluster.replay_registration_change(it);
            }
            MetadataRecord::Topic(it) => return self.topics.replay_topic(it),
            MetadataRecord::Partition(it) => return self.topics.replay_partition(it),
            MetadataRecord::PartitionChange(it) => return self.topics.replay_partition_change(it),
            MetadataRecord::RemoveTopic(it) => return self.topics.replay_remove_topic(it),
            MetadataRecord::Config(it) => self.replay_config(it),
            MetadataRecord::FeatureLevel(it) => self.features.replay(it),
            MetadataRecord::ClientQuota(it) => self.security.replay_quota(it),
            MetadataRecord::AccessControlEntry(it) => self.security.replay_acl(it),
            MetadataRecord::RemoveAccessControlEntry(it) => {
                return self.security.replay_remove_acl(it);
            }
            MetadataRecord::UserScramCredential(it) => self.security.replay_scram(it),
            MetadataRecord::RemoveUserScramCredential(it) => self.security.replay_remove_scram(it),
            MetadataRecord::ClearElr(it) => self.topics.replay_clear_elr(it),
            // Whose turn the next producer ids are, who the controllers are: they decide by it, brokers do
            // not. There are no delegation tokens here.
            MetadataRecord::ProducerIds(_)
            | MetadataRecord::RegisterController(_)
            | MetadataRecord::UnregisterController(_)
            | MetadataRecord::DelegationToken(_)
            | MetadataRecord::RemoveDelegationToken(_)
            // These describe the log. Transactions are the loader's affair.
            | MetadataRecord::NoOp(_)
            | MetadataRecord::ZkMigrationState(_)
            | MetadataRecord::BeginTransaction(_)
            | MetadataRecord::EndTransaction(_)
            | MetadataRecord::AbortTransaction(_) => (),
        }
        Ok(())
    }

    fn replay_config(&mut self, record: &ConfigRecord) {
        match record.resource_type {
            TOPIC => self.topics.replay_config(record),
            BROKER => self.configs.replay_broker(record),
            // Settings of loggers, of groups and of the metrics that clients push: there are none here.
            _ => (),
        }
    }
}
