//! The replication engine of a broker whose controllers are Apache Kafka's: what the newest image says, and the
//! way to have it changed.

use std::sync::Arc;

use crate::common::end_point::ListenerName;
use crate::common::topic_partition::TopicAndPartition;
use crate::image::current_image::CurrentImage;
use crate::image::topic_image::PartitionRegistration;
use crate::replica::broker_end_point::BrokerEndPoint;
use crate::replica::replication_engine::{
    AlterPartition, AlterPartitionCallback, ReplicationEngine,
};
use crate::server::cluster::default_alter_partition_manager::DefaultAlterPartitionManager;

/// Reads the newest image, and asks the active controller.
pub struct KRaftEngine {
    /// `inter.broker.listener.name`.
    listener: ListenerName,
    image: Arc<CurrentImage>,
    alter_partition_manager: Arc<DefaultAlterPartitionManager>,
}

impl KRaftEngine {
    pub fn new(
        listener: ListenerName,
        image: Arc<CurrentImage>,
        alter_partition_manager: Arc<DefaultAlterPartitionManager>,
    ) -> Self {
        Self { listener, image, alter_partition_manager }
    }
}

impl ReplicationEngine for KRaftEngine {
    fn partition(&self, key: &TopicAndPartition) -> Option<PartitionRegistration> {
        self.image.get().topics.partition(&key.topic, key.partition).cloned()
    }

    fn broker_epoch(&self, broker_id: i32) -> Option<i64> {
        self.image.get().cluster.broker(broker_id).map(|it| it.epoch)
    }

    fn is_replica_isr_eligible(&self, broker_id: i32, fetched_in: Option<i64>) -> bool {
        let image = self.image.get();
        image.cluster.broker(broker_id).is_some_and(|broker| {
            let is_same = fetched_in.is_none_or(|epoch| epoch == broker.epoch);
            !broker.fenced && !broker.in_controlled_shutdown && is_same
        })
    }

    fn is_replica_directory_offline(&self, key: &TopicAndPartition, broker_id: i32) -> bool {
        let image = self.image.get();
        let partition = image.topics.partition(&key.topic, key.partition);
        let broker = image.cluster.broker(broker_id);
        partition.zip(broker).is_some_and(|(partition, broker)| {
            !broker.has_online_directory(&partition.directory(broker_id))
        })
    }

    fn copies_logs(&self) -> bool {
        true
    }

    fn end_point(&self, broker_id: i32) -> Option<BrokerEndPoint> {
        let image = self.image.get();
        let broker = image.cluster.broker(broker_id).filter(|it| !it.fenced)?;
        let endpoint = broker.listeners.get(&self.listener)?;
        Some(BrokerEndPoint { id: broker_id, host: endpoint.host.clone(), port: endpoint.port })
    }

    fn alter_partition(&self, change: AlterPartition, callback: AlterPartitionCallback) {
        self.alter_partition_manager.submit(change, callback);
    }
}
