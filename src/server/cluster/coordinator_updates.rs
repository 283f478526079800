//! Port of `BrokerMetadataPublisher.updateCoordinator`: what a change of the cluster means for the
//! groups that this broker coordinates.

use crate::common::topic_partition::{GROUP_METADATA_TOPIC_NAME, TopicAndPartition};
use crate::coordinator::group_coordinator::GroupCoordinator;
use crate::image::metadata_delta::{LocalReplicaChanges, TopicsDelta};
use crate::image::topics_image::TopicsImage;

/// Has the coordinator follow the leaders of `__consumer_offsets` from the topics `before` to those
/// `after`, of which `changes` are this broker's. The logs must have followed them already: an election
/// reads its partition. Waits for no disk.
pub fn update_coordinator(
    coordinator: &GroupCoordinator,
    changes: &LocalReplicaChanges,
    delta: &TopicsDelta,
    before: &TopicsImage,
    after: &TopicsImage,
) {
    let is_of_groups = |topic: &str| topic == GROUP_METADATA_TOPIC_NAME;
    for (_, partition, _) in changes.deletes.iter().filter(|(topic, ..)| is_of_groups(topic)) {
        coordinator.on_resignation(*partition, None);
    }
    if let Some(topic) = after.topic(GROUP_METADATA_TOPIC_NAME) {
        coordinator.manager().set_partition_count(topic.partition_count());
        let epoch_of = |partition: i32| {
            let index = usize::try_from(partition).ok()?;
            Some((partition, topic.partitions.get(index)?.leader_epoch))
        };
        let of_groups = |partitions: &[(String, i32)]| {
            let partitions = partitions.iter().filter(|(topic, _)| is_of_groups(topic));
            partitions.filter_map(|(_, it)| epoch_of(*it)).collect::<Vec<_>>()
        };
        for (partition, leader_epoch) in of_groups(&changes.followers) {
            coordinator.on_resignation(partition, Some(leader_epoch));
        }
        for (partition, leader_epoch) in of_groups(&changes.elected_leaders) {
            coordinator.on_election(partition, leader_epoch);
        }
    }
    let deleted = deleted_partitions(delta, before);
    if !deleted.is_empty() {
        coordinator.on_partitions_deleted(deleted);
    }
}

/// The partitions of the topics that went. The offsets of one that has come again under the same name
/// would be those of the old one.
fn deleted_partitions(delta: &TopicsDelta, before: &TopicsImage) -> Vec<TopicAndPartition> {
    let of_topic = |(name, _): &(String, [u8; 16])| {
        let count = before.topic(name).map_or(0, |topic| topic.partition_count());
        (0..count).map(|it| TopicAndPartition::new(name, it)).collect::<Vec<_>>()
    };
    delta.deleted.iter().flat_map(of_topic).collect()
}
