//! The replication engine of a broker that is the whole cluster: it leads everything, alone.

use std::sync::Arc;

use crate::common::errors::Errors;
use crate::common::topic_partition::TopicAndPartition;
use crate::image::topic_image::PartitionRegistration;
use crate::replica::broker_end_point::BrokerEndPoint;
use crate::replica::replication_engine::{
    AlterPartition, AlterPartitionCallback, ReplicationEngine,
};
use crate::server::metadata::led_topics::LedTopics;

/// Nobody else is there to lead or to follow.
pub struct LoneEngine {
    led: Arc<LedTopics>,
}

impl LoneEngine {
    pub fn new(led: Arc<LedTopics>) -> Self {
        Self { led }
    }
}

impl ReplicationEngine for LoneEngine {
    fn partition(&self, key: &TopicAndPartition) -> Option<PartitionRegistration> {
        self.led.get(&key.topic)?.partition(key.partition).cloned()
    }

    fn broker_epoch(&self, _broker_id: i32) -> Option<i64> {
        None
    }

    fn is_replica_isr_eligible(&self, _broker_id: i32, _fetched_in: Option<i64>) -> bool {
        false
    }

    fn end_point(&self, _broker_id: i32) -> Option<BrokerEndPoint> {
        None
    }

    fn alter_partition(&self, _change: AlterPartition, callback: AlterPartitionCallback) {
        callback(Err(Errors::OperationNotAttempted));
    }
}
