//! Says what a cluster must not use while one of these brokers is in it. Kafka has nothing of the kind: a controller
//! cannot be told that a broker has no transactions, and places replicas and leaders on it all the same.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use log::warn;

use crate::common::lock::locked;
use crate::common::text::for_log;
use crate::common::topic_partition::{SHARE_GROUP_STATE_TOPIC_NAME, TRANSACTION_STATE_TOPIC_NAME};
use crate::image::cluster_image::BrokerRegistration;
use crate::image::features_image::METADATA_VERSION;
use crate::image::metadata_delta::MetadataDelta;
use crate::image::metadata_image::MetadataImage;
use crate::image::metadata_publisher::MetadataPublisher;
use crate::image::topic_image::TopicImage;
use crate::server::cluster::broker_features::SUPPORTED_METADATA_VERSIONS;

/// The feature of brokers that can be a transaction coordinator.
const TRANSACTION_VERSION: &str = "transaction.version";
/// The setting of a topic whose older segments brokers of Kafka's own keep elsewhere.
const REMOTE_STORAGE_ENABLE: &str = "remote.storage.enable";

/// Warns once of each thing that the cluster has and this broker has not.
pub struct UnsupportedFeaturesPublisher {
    broker_id: i32,
    warned: Mutex<Warned>,
    warn: Box<dyn Fn(&str) + Send + Sync>,
}

#[derive(Default)]
struct Warned {
    of_other_brokers: bool,
    of_share_groups: bool,
    /// The partitions of `__transaction_state` that this broker led when they were looked at last.
    transaction_partitions: BTreeSet<i32>,
    tiered_topics: BTreeSet<String>,
}

impl UnsupportedFeaturesPublisher {
    pub fn new(broker_id: i32) -> Self {
        Self::warning_by(broker_id, |words| warn!("{words}"))
    }

    /// The same for a caller who wants to have the words.
    pub fn warning_by(broker_id: i32, warn: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { broker_id, warned: Mutex::default(), warn: Box::new(warn) }
    }

    fn look_at_brokers(&self, after: &MetadataImage) {
        let other = after.cluster.iter().find(|it| it.id != self.broker_id && has_transactions(it));
        let Some(other) = other else { return };
        if std::mem::replace(&mut locked(&self.warned).of_other_brokers, true) {
            return;
        }
        (self.warn)(&format!(
            "broker {} has transactions, and this broker has none: no topic with a replica here may be used with \
             transactions, with tiered storage or by share groups",
            other.id
        ));
    }

    /// One that comes again under the same name is another.
    fn forget_deleted(&self, delta: &MetadataDelta) {
        let mut warned = locked(&self.warned);
        for (name, _) in &delta.topics.deleted {
            warned.tiered_topics.remove(name);
            if name == TRANSACTION_STATE_TOPIC_NAME {
                warned.transaction_partitions.clear();
            }
        }
    }

    fn look_at_topics(&self, delta: &MetadataDelta, after: &MetadataImage) {
        let touched = delta.topics.changed.iter().chain(&delta.topics.changed_configs);
        for name in touched {
            let Some(topic) = after.topics.topic(name) else { continue };
            match name.as_str() {
                TRANSACTION_STATE_TOPIC_NAME => self.look_at_transactions(topic),
                SHARE_GROUP_STATE_TOPIC_NAME => self.look_at_share_groups(),
                _ if is_tiered(topic) && has_replica(topic, self.broker_id) => {
                    self.look_at_tiered(name);
                }
                _ => (),
            }
        }
    }

    /// Leaders come and go: each partition that is led anew is worth a line.
    fn look_at_transactions(&self, topic: &TopicImage) {
        let led = (0..).zip(&topic.partitions).filter(|(_, it)| it.leader == self.broker_id);
        let led: BTreeSet<i32> = led.map(|(number, _)| number).collect();
        let before =
            std::mem::replace(&mut locked(&self.warned).transaction_partitions, led.clone());
        let new: Vec<_> = led.difference(&before).map(ToString::to_string).collect();
        if !new.is_empty() {
            (self.warn)(&format!(
                "this broker leads {TRANSACTION_STATE_TOPIC_NAME} {}, and is no transaction coordinator: the \
                 producers of the transactions kept there are refused, and what they have open stays open; move \
                 the topic to brokers of Kafka with kafka-reassign-partitions.sh",
                new.join(", ")
            ));
        }
    }

    fn look_at_share_groups(&self) {
        if !std::mem::replace(&mut locked(&self.warned).of_share_groups, true) {
            (self.warn)(&format!(
                "the cluster has {SHARE_GROUP_STATE_TOPIC_NAME}, and this broker has no share groups: what is kept \
                 of them stands still wherever it is elected"
            ));
        }
    }

    fn look_at_tiered(&self, name: &str) {
        if locked(&self.warned).tiered_topics.insert(name.to_string()) {
            (self.warn)(&format!(
                "topic {} has {REMOTE_STORAGE_ENABLE}, and this broker has no tiered storage: it has what its \
                 leader keeps on its disk, and where it leads, older records are out of range; give the topic \
                 replicas on brokers of Kafka alone",
                for_log(name)
            ));
        }
    }
}

impl MetadataPublisher for UnsupportedFeaturesPublisher {
    fn name(&self) -> &'static str {
        "UnsupportedFeaturesPublisher"
    }

    fn on_metadata_update(
        &self,
        delta: &MetadataDelta,
        _before: &Arc<MetadataImage>,
        after: &Arc<MetadataImage>,
    ) {
        if delta.is_cluster_changed {
            self.look_at_brokers(after);
        }
        self.forget_deleted(delta);
        self.look_at_topics(delta, after);
    }
}

/// Brokers of Kafka 4 register the feature; those of 3.9 and before know levels of the metadata that are older than
/// any of a broker here.
fn has_transactions(broker: &BrokerRegistration) -> bool {
    let levels = broker.features.get(METADATA_VERSION);
    broker.features.contains_key(TRANSACTION_VERSION)
        || levels.is_some_and(|it| it.start() < SUPPORTED_METADATA_VERSIONS.start())
}

fn is_tiered(topic: &TopicImage) -> bool {
    topic.config.get(REMOTE_STORAGE_ENABLE).is_some_and(|it| it == "true")
}

fn has_replica(topic: &TopicImage, broker_id: i32) -> bool {
    topic.partitions.iter().any(|it| it.replicas.contains(&broker_id))
}
