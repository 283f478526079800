//! Port of `org.apache.kafka.image.ConfigurationsImage`: what brokers override, by resource. The overrides of a
//! topic stand with the [topic](crate::image::topic_image::TopicImage).

use std::collections::BTreeMap;
use std::sync::Arc;

/// By Kafka's names.
pub type Overrides = BTreeMap<String, String>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigurationsImage {
    /// By the broker's id as a string; "" is the default of all brokers.
    pub brokers: Arc<BTreeMap<String, Overrides>>,
}
