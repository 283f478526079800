//! Port of `org.apache.kafka.image.ConfigurationsImage`: what brokers override, by resource. The overrides of a
//! topic stand with the [topic](crate::image::topic_image::TopicImage).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::image::records::config_records::ConfigRecord;

/// By Kafka's names.
pub type Overrides = BTreeMap<String, String>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigurationsImage {
    /// By the broker's id as a string; "" is the default of all brokers.
    pub brokers: Arc<BTreeMap<String, Overrides>>,
}

impl ConfigurationsImage {
    /// Port of `ConfigurationsDelta.replay`, for a record about a broker.
    pub(crate) fn replay_broker(&mut self, record: &ConfigRecord) {
        let brokers = Arc::make_mut(&mut self.brokers);
        let name = &record.resource_name;
        set_override(brokers.entry(name.clone()).or_default(), record);
        if brokers[name].is_empty() {
            brokers.remove(name);
        }
    }
}

/// Sets what `record` sets, or takes it away.
pub(crate) fn set_override(overrides: &mut Overrides, record: &ConfigRecord) {
    match &record.value {
        Some(value) => overrides.insert(record.name.clone(), value.clone()),
        None => overrides.remove(&record.name),
    };
}
