//! Port of `KRaftMetadataCache.getPartitionMetadata`: a topic as Metadata shows it to a client.

use crate::common::end_point::ListenerName;
use crate::common::errors::Errors;
use crate::common::topic_partition::is_internal;
use crate::image::topic_image::{NO_LEADER, PartitionRegistration, TopicImage};
use crate::protocol::metadata::{MetadataResponsePartition, MetadataResponseTopic};
use crate::protocol::wire::uuid::Uuid;
use crate::server::metadata::reachable_brokers::ReachableBrokers;

/// The first version whose clients know `LISTENER_NOT_FOUND`.
const LISTENER_NOT_FOUND_VERSION: i16 = 6;

/// How topics look to the client that asks.
pub(crate) struct TopicView<'a> {
    pub brokers: ReachableBrokers,
    pub listener: &'a ListenerName,
    pub version: i16,
}

impl TopicView<'_> {
    pub(crate) fn existing_topic(&self, name: &str, topic: &TopicImage) -> MetadataResponseTopic {
        let partitions = (0..).zip(&topic.partitions);
        MetadataResponseTopic {
            name: Some(name.to_string()),
            topic_id: Uuid(topic.id),
            is_internal: is_internal(name),
            partitions: partitions.map(|(index, it)| self.partition(index, it)).collect(),
            ..MetadataResponseTopic::default()
        }
    }

    fn partition(
        &self,
        index: i32,
        partition: &PartitionRegistration,
    ) -> MetadataResponsePartition {
        let replica_nodes = self.brokers_shown(&partition.replicas);
        let isr_nodes = self.brokers_shown(&partition.isr);
        let leader = self.brokers.leader_of(partition, self.listener);
        let error = match leader {
            Err(Errors::ListenerNotFound) if self.version < LISTENER_NOT_FOUND_VERSION => {
                Errors::LeaderNotAvailable
            }
            Err(error) => error,
            Ok(_) if replica_nodes.len() < partition.replicas.len() => Errors::ReplicaNotAvailable,
            Ok(_) if isr_nodes.len() < partition.isr.len() => Errors::ReplicaNotAvailable,
            Ok(_) => Errors::None,
        };
        MetadataResponsePartition {
            error_code: error.code(),
            partition_index: index,
            leader_id: leader.unwrap_or(NO_LEADER),
            leader_epoch: partition.leader_epoch.0,
            replica_nodes,
            isr_nodes,
            offline_replicas: self.brokers.offline_replicas(partition, self.listener),
        }
    }

    /// All of them, but for version 0: its clients know no broker that is not listed.
    fn brokers_shown(&self, brokers: &[i32]) -> Vec<i32> {
        match self.version {
            0 => self.brokers.alive(brokers, self.listener),
            _ => brokers.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::image::metadata_image::MetadataImage;
    use crate::image::records::broker_records::{BrokerEndpoint, RegisterBrokerRecord};
    use crate::image::records::metadata_record::MetadataRecord;
    use crate::image::records::topic_records::{PartitionRecord, TopicRecord};

    const TOPIC_ID: Uuid = Uuid([7; 16]);

    /// Brokers, with the names of their listeners, and partition 0 of `topic`.
    fn image(brokers: &[(i32, &[&str])], partition: PartitionRecord) -> Arc<MetadataImage> {
        let mut image = MetadataImage::default();
        let mut replay = |record: MetadataRecord| image.replay(&record).unwrap();
        for (id, listeners) in brokers {
            let end_point = |name: &&str| BrokerEndpoint {
                name: name.to_string(),
                host: "foo".to_string(),
                port: 9092,
                security_protocol: 0,
            };
            replay(MetadataRecord::RegisterBroker(RegisterBrokerRecord {
                broker_id: *id,
                end_points: listeners.iter().map(end_point).collect(),
                fenced: false,
                ..RegisterBrokerRecord::default()
            }));
        }
        let name = "topic".to_string();
        replay(MetadataRecord::Topic(TopicRecord { name, topic_id: TOPIC_ID }));
        replay(MetadataRecord::Partition(PartitionRecord {
            partition_id: 0,
            topic_id: TOPIC_ID,
            leader_epoch: 3,
            ..partition
        }));
        Arc::new(image)
    }

    fn led_by(leader: i32, replicas: &[i32], isr: &[i32]) -> PartitionRecord {
        let (replicas, isr) = (replicas.to_vec(), isr.to_vec());
        PartitionRecord { leader, replicas, isr, ..PartitionRecord::default() }
    }

    /// The partition as a client of a listener sees it.
    fn seen(image: &Arc<MetadataImage>, listener: &str, version: i16) -> MetadataResponsePartition {
        let view = TopicView {
            brokers: ReachableBrokers::Registered(Arc::clone(image)),
            listener: &ListenerName::normalised(listener),
            version,
        };
        let mut topic = view.existing_topic("topic", image.topics.topic("topic").unwrap());
        assert_eq!((topic.topic_id, topic.error_code), (TOPIC_ID, 0));
        topic.partitions.remove(0)
    }

    /// Port of `MetadataCacheTest.getTopicMetadata`.
    #[test]
    fn a_partition_is_shown_with_its_leader_and_its_replicas() {
        let both: &[(i32, &[&str])] = &[(0, &["A", "B"]), (1, &["A", "B"])];
        let image = image(both, led_by(1, &[1, 0], &[1]));
        for listener in ["A", "B"] {
            let partition = seen(&image, listener, 9);
            assert_eq!((partition.error_code, partition.leader_id), (0, 1));
            assert_eq!((partition.leader_epoch, &*partition.replica_nodes), (3, &[1, 0][..]));
            assert_eq!((&*partition.isr_nodes, partition.offline_replicas.len()), (&[1][..], 0));
        }
    }

    /// Port of `MetadataCacheTest.getTopicMetadataPartitionLeaderNotAvailable`.
    #[test]
    fn a_leader_that_is_missing_is_not_available() {
        for leader in [1, -1] {
            let image = image(&[(0, &["A"])], led_by(leader, &[0, 1], &[0]));
            for version in [0, 5, 6] {
                let partition = seen(&image, "A", version);
                assert_eq!((partition.error_code, partition.leader_id), (5, -1));
                assert_eq!(partition.leader_epoch, 3);
                assert_eq!(partition.offline_replicas, [1]);
            }
        }
    }

    /// Port of `MetadataCacheTest.getTopicMetadataPartitionListenerNotAvailableOnLeader` and
    /// `MetadataCacheTest.getTopicMetadataPartitionListenerNotAvailableOnLeaderOldMetadataClient`.
    #[test]
    fn a_leader_without_the_listener_is_told_from_none() {
        let image = image(&[(0, &["A", "B"]), (1, &["A"])], led_by(1, &[0, 1], &[0, 1]));
        for (version, error) in [(6, 72), (12, 72), (5, 5), (1, 5)] {
            let partition = seen(&image, "B", version);
            assert_eq!((partition.error_code, partition.leader_id), (error, -1), "{version}");
            assert_eq!(partition.offline_replicas, [1]);
        }
        assert_eq!(seen(&image, "A", 5).error_code, 0);
    }

    /// Port of `MetadataCacheTest.getTopicMetadataReplicaNotAvailable` and
    /// `MetadataCacheTest.getTopicMetadataIsrNotAvailable`.
    #[test]
    fn the_oldest_clients_are_shown_the_replicas_that_are_listed_as_brokers() {
        for isr in [&[0][..], &[0, 1]] {
            let image = image(&[(0, &["A"])], led_by(0, &[0, 1], isr));
            let old = seen(&image, "A", 0);
            assert_eq!((old.error_code, old.leader_id), (9, 0));
            assert_eq!((&*old.replica_nodes, &*old.isr_nodes), (&[0][..], &[0][..]));
            let new = seen(&image, "A", 1);
            assert_eq!((new.error_code, &*new.replica_nodes), (0, &[0, 1][..]));
            assert_eq!((&*new.isr_nodes, &*new.offline_replicas), (isr, &[1][..]));
        }
    }

    /// Port of `MetadataCacheTest.testGetOfflineReplicasConsidersDirAssignment`.
    #[test]
    fn a_replica_in_a_directory_that_its_broker_has_not_is_offline() {
        let id = |last: u8| Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        let mut image = MetadataImage::default();
        for (broker_id, log_dirs) in [(0, vec![id(200)]), (1, vec![id(201)]), (2, vec![])] {
            let record = RegisterBrokerRecord {
                broker_id,
                log_dirs,
                fenced: false,
                end_points: vec![BrokerEndpoint { name: "A".into(), ..BrokerEndpoint::default() }],
                ..RegisterBrokerRecord::default()
            };
            image.replay(&MetadataRecord::RegisterBroker(record)).unwrap();
        }
        let brokers = ReachableBrokers::Registered(Arc::new(image));
        // Migrating, unassigned, lost, the one that is registered, another one.
        for (directory, offline) in
            [(0, &[][..]), (1, &[]), (2, &[0, 1, 2]), (200, &[1]), (201, &[0]), (99, &[0, 1])]
        {
            let partition = PartitionRegistration {
                leader: 0,
                replicas: Arc::from([0, 1, 2]),
                isr: Arc::from([0]),
                directories: Arc::from([id(directory).0; 3]),
                ..registration()
            };
            let listener = ListenerName::normalised("A");
            assert_eq!(brokers.offline_replicas(&partition, &listener), offline, "{directory}");
        }
    }

    fn registration() -> PartitionRegistration {
        let image = image(&[], led_by(0, &[0], &[0]));
        image.topics.topic("topic").unwrap().partitions[0].clone()
    }
}
