//! Port of `kafka.server.metadata.DynamicConfigPublisher`, as far as it is about brokers: has this broker follow
//! the settings that `kafka-configs` has given it, or all brokers, in the cluster.

use std::sync::Arc;

use crate::image::configurations_image::Overrides;
use crate::image::metadata_delta::MetadataDelta;
use crate::image::metadata_image::MetadataImage;
use crate::image::metadata_publisher::MetadataPublisher;
use crate::server::metadata::dynamic_broker_config::DynamicBrokerConfig;

/// In place of an id: what holds for all brokers.
const ALL_BROKERS: &str = "";

/// Brings the settings of brokers to the parts of this one.
pub struct DynamicConfigPublisher {
    broker_id: String,
    dynamic_config: Arc<DynamicBrokerConfig>,
}

impl DynamicConfigPublisher {
    pub fn new(broker_id: i32, dynamic_config: Arc<DynamicBrokerConfig>) -> Self {
        Self { broker_id: broker_id.to_string(), dynamic_config }
    }
}

impl MetadataPublisher for DynamicConfigPublisher {
    fn name(&self) -> &'static str {
        "DynamicConfigPublisher"
    }

    fn on_metadata_update(
        &self,
        delta: &MetadataDelta,
        _before: &Arc<MetadataImage>,
        after: &Arc<MetadataImage>,
    ) {
        let is_ours = |it: &String| it == ALL_BROKERS || *it == self.broker_id;
        if !delta.changed_broker_configs.iter().any(is_ours) {
            return;
        }
        let none = Overrides::default();
        let of = |name: &str| after.configs.brokers.get(name).unwrap_or(&none);
        self.dynamic_config.follow_cluster(of(ALL_BROKERS), of(&self.broker_id));
    }
}
