//! Port of `kafka.server.ConfigHelper` (Kafka 2.7): the settings of topics and of the broker, and
//! where they come from.

use std::sync::Arc;

use crate::common::errors::{Errors, KafkaError};
use crate::common::topic_partition::validate_topic_name;
use crate::config::config_source::{
    ConfigEntry, broker_default_entries, broker_entries, topic_entries,
};
use crate::config::dynamic_config::DynamicScope;
use crate::config::log_config::LogConfig;
use crate::registry::topic_registry::log_config;
use crate::server::metadata::controller::Overrides;
use crate::server::metadata::dynamic_broker_config::DynamicBrokerConfig;
use crate::server::metadata::metadata_cache::MetadataCache;

/// Puts together what is set and what follows from it.
pub struct ConfigHelper {
    metadata_cache: Arc<dyn MetadataCache>,
    dynamic_config: Arc<DynamicBrokerConfig>,
}

impl ConfigHelper {
    pub fn new(
        metadata_cache: &Arc<dyn MetadataCache>,
        dynamic_config: &Arc<DynamicBrokerConfig>,
    ) -> Self {
        let (metadata_cache, dynamic_config) =
            (Arc::clone(metadata_cache), Arc::clone(dynamic_config));
        Self { metadata_cache, dynamic_config }
    }

    /// The settings of a topic.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION`, `UNKNOWN_TOPIC_OR_PARTITION`.
    pub fn topic_config_entries(&self, topic: &str) -> Result<Vec<ConfigEntry>, KafkaError> {
        validate_topic_name(topic)?;
        let topic = self.metadata_cache.topic(topic).ok_or_else(|| {
            KafkaError::api(Errors::UnknownTopicOrPartition, "there is no such topic")
        })?;
        let current = self.dynamic_config.current();
        let defaults = LogConfig::from_broker(current.config());
        // What the controller of a cluster keeps and this broker does not know has no effect here.
        let (log_config, passed_over) = defaults.with_known_overrides(&topic.config);
        let mut overrides = topic.config.clone();
        overrides.retain(|name, _| passed_over.iter().all(|it| it.name != *name));
        Ok(topic_entries(&current, &overrides, &log_config))
    }

    /// The settings of a topic with these overrides, whether or not there is one.
    ///
    /// # Errors
    /// `INVALID_CONFIG`.
    pub fn config_entries_with(
        &self,
        overrides: &Overrides,
    ) -> Result<Vec<ConfigEntry>, KafkaError> {
        let current = self.dynamic_config.current();
        let log_config = log_config(&LogConfig::from_broker(current.config()), overrides)?;
        Ok(topic_entries(&current, overrides, &log_config))
    }

    /// The settings of the broker, or those that were set for all brokers while they ran.
    pub fn broker_config_entries(&self, scope: DynamicScope) -> Vec<ConfigEntry> {
        let current = self.dynamic_config.current();
        match scope {
            DynamicScope::Broker => broker_entries(&current),
            DynamicScope::Default => broker_default_entries(&current),
        }
    }
}
