//! Port of `org.apache.kafka.image.MetadataDelta` and `TopicsDelta`: what lies between two images.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::image::cluster_image::ClusterImage;
use crate::image::configurations_image::{ConfigurationsImage, Overrides};
use crate::image::metadata_image::MetadataImage;
use crate::image::topic_image::{PartitionRegistration, TopicImage};
use crate::image::topics_image::TopicsImage;

/// What changed, by comparison of the image before with the one after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataDelta {
    pub topics: TopicsDelta,
    /// Whether any broker was registered, fenced, unfenced or removed.
    pub is_cluster_changed: bool,
    pub is_features_changed: bool,
    /// The brokers whose overrides changed, by id as a string; "" is the default of all.
    pub changed_broker_configs: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicsDelta {
    /// Names of topics that are new or have a partition that changed.
    pub changed: Vec<String>,
    /// Topics that went, by name and id. A name may stand in `changed` as well, with another id.
    pub deleted: Vec<(String, [u8; 16])>,
    /// Names of topics whose overrides changed.
    pub changed_configs: Vec<String>,
}

/// Port of `LocalReplicaChanges`: what a delta means for one broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalReplicaChanges {
    /// It has no replica of these any more: topic, partition, and the id of the topic.
    pub deletes: Vec<(String, i32, [u8; 16])>,
    /// It leads these, and something about them changed.
    pub leaders: Vec<(String, i32)>,
    /// Of `leaders` those that it leads in a new epoch.
    pub elected_leaders: Vec<(String, i32)>,
    /// It has a replica of these and does not lead them, and something about them changed.
    pub followers: Vec<(String, i32)>,
}

impl MetadataDelta {
    /// What one has to know who knew `before` and is to know `after`. What both share is not looked at.
    pub fn between(before: &MetadataImage, after: &MetadataImage) -> Self {
        Self {
            topics: TopicsDelta::between(&before.topics, &after.topics),
            is_cluster_changed: is_cluster_changed(&before.cluster, &after.cluster),
            is_features_changed: before.features != after.features,
            changed_broker_configs: changed_broker_configs(&before.configs, &after.configs),
        }
    }
}

fn is_cluster_changed(before: &ClusterImage, after: &ClusterImage) -> bool {
    !before.is_same(after) && before != after
}

fn changed_broker_configs(
    before: &ConfigurationsImage,
    after: &ConfigurationsImage,
) -> Vec<String> {
    if Arc::ptr_eq(&before.brokers, &after.brokers) {
        return Vec::new();
    }
    let none = Overrides::new();
    let of = |image: &ConfigurationsImage, name: &String| {
        image.brokers.get(name).unwrap_or(&none) == after.brokers.get(name).unwrap_or(&none)
    };
    let names = before.brokers.keys().chain(after.brokers.keys());
    let changed = names.filter(|name| !of(before, name));
    let mut changed: Vec<String> = changed.cloned().collect();
    changed.sort();
    changed.dedup();
    changed
}

impl TopicsDelta {
    /// Both images are in the order of the names, so each topic is looked at once, and of one that both
    /// share only its address.
    fn between(before: &TopicsImage, after: &TopicsImage) -> Self {
        let mut delta = Self::default();
        if before.is_same(after) {
            return delta;
        }
        let (mut old, mut new) = (before.entries().peekable(), after.entries().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return delta,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((old, _)), Some((new, _))) if Arc::ptr_eq(old, new) => Ordering::Equal,
                (Some((old, _)), Some((new, _))) => old.cmp(new),
            };
            let earlier = if order.is_le() { old.next() } else { None };
            let later = if order.is_ge() { new.next() } else { None };
            delta.add(earlier, later);
        }
    }

    /// Adds what became of one name.
    fn add(&mut self, earlier: Option<Entry<'_>>, later: Option<Entry<'_>>) {
        if let (Some((_, earlier)), Some((_, later))) = (earlier, later)
            && Arc::ptr_eq(earlier, later)
        {
            return;
        }
        let earlier_topic = earlier.map(|(_, topic)| topic);
        if let Some((name, topic)) = earlier
            && later.is_none_or(|(_, it)| it.id != topic.id)
        {
            self.deleted.push((name.to_string(), topic.id));
        }
        let Some((name, topic)) = later else { return };
        let has_changed =
            |it: &Arc<TopicImage>| it.id != topic.id || it.partitions != topic.partitions;
        if earlier_topic.is_none_or(has_changed) {
            self.changed.push(name.to_string());
        }
        if config_of(earlier_topic) != config_of(Some(topic)) {
            self.changed_configs.push(name.to_string());
        }
    }

    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.deleted.is_empty() && self.changed_configs.is_empty()
    }

    /// Port of `TopicsDelta.localChanges`, from the image before to the one after.
    pub fn local_changes(
        &self,
        broker_id: i32,
        before: &TopicsImage,
        after: &TopicsImage,
    ) -> LocalReplicaChanges {
        let mut changes = LocalReplicaChanges::default();
        for (name, id) in &self.deleted {
            if let Some(topic) = before.topic(name) {
                changes.add_deleted(broker_id, name, id, topic);
            }
        }
        for name in &self.changed {
            if let Some(topic) = after.topic(name) {
                let earlier = before.topic(name).filter(|it| it.id == topic.id);
                changes.add_changed(broker_id, name, earlier.map(|it| &**it), topic);
            }
        }
        changes
    }
}

/// A topic with its name.
type Entry<'a> = (&'a Arc<str>, &'a Arc<TopicImage>);

/// Without the settings of a topic that is not there.
fn config_of(topic: Option<&Arc<TopicImage>>) -> Option<&BTreeMap<String, String>> {
    topic.map(|it| &it.config).filter(|it| !it.is_empty())
}

impl LocalReplicaChanges {
    fn add_deleted(&mut self, broker_id: i32, name: &str, id: &[u8; 16], topic: &TopicImage) {
        for (number, partition) in (0..).zip(&topic.partitions) {
            if partition.replicas.contains(&broker_id) {
                self.deletes.push((name.to_string(), number, *id));
            }
        }
    }

    /// `earlier` is the topic as it was before, `None` if it is new.
    fn add_changed(
        &mut self,
        broker_id: i32,
        name: &str,
        earlier: Option<&TopicImage>,
        topic: &TopicImage,
    ) {
        for (number, partition) in (0..).zip(&topic.partitions) {
            let before = earlier.and_then(|it| it.partition(number));
            let key = (name.to_string(), number);
            if !partition.replicas.contains(&broker_id) {
                if before.is_some_and(|it| it.replicas.contains(&broker_id)) {
                    self.deletes.push((key.0, number, topic.id));
                }
            } else if before.is_none_or(|it| it.partition_epoch != partition.partition_epoch) {
                self.add_own(broker_id, key, before, partition);
            }
        }
    }

    /// For a partition of which the broker has a replica.
    fn add_own(
        &mut self,
        broker_id: i32,
        key: (String, i32),
        before: Option<&PartitionRegistration>,
        after: &PartitionRegistration,
    ) {
        if after.leader != broker_id {
            self.followers.push(key);
            return;
        }
        if before.is_none_or(|it| it.leader_epoch != after.leader_epoch) {
            self.elected_leaders.push(key.clone());
        }
        self.leaders.push(key);
    }
}
