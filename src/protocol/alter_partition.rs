//! Port of `org.apache.kafka.common.requests.AlterPartitionRequest` and `AlterPartitionResponse`: asks the
//! controller for another list of replicas in sync. The leader of the partition sends it.

use crate::protocol::client_request::ClientRequest;
use crate::protocol::wire::message_table::message;
use crate::protocol::wire::uuid::Uuid;

message! {
    /// Controllers of today have it from version 2 on.
    pub struct AlterPartitionRequest {
        0.. => broker_id: i32,
        /// That of the registration; -1 for none.
        0.. => broker_epoch: i64 = -1,
        0.. => topics: Vec<TopicData>,
    }

    pub struct TopicData {
        2.. => topic_id: Uuid,
        0.. => partitions: Vec<PartitionData>,
    }

    pub struct PartitionData {
        0.. => partition_index: i32,
        /// In which the sender leads.
        0.. => leader_epoch: i32,
        /// By broker ids.
        0..=2 => new_isr: Vec<i32>,
        3.. => new_isr_with_epochs: Vec<BrokerState>,
        /// 1 after an unclean election, until the leader has recovered.
        1.. => leader_recovery_state: i8,
        /// The one that the sender knows; the change makes it one more.
        0.. => partition_epoch: i32,
    }

    pub struct BrokerState {
        0.. => broker_id: i32,
        /// In which the broker has fetched what puts it in sync; -1 if it did not say.
        0.. => broker_epoch: i64 = -1,
    }

    pub struct AlterPartitionResponse {
        0.. => throttle_time_ms: i32,
        0.. => error_code: i16,
        0.. => topics: Vec<AlteredTopic>,
    }

    pub struct AlteredTopic {
        2.. => topic_id: Uuid,
        0.. => partitions: Vec<AlteredPartitionData>,
    }

    pub struct AlteredPartitionData {
        0.. => partition_index: i32,
        0.. => error_code: i16,
        0.. => leader_id: i32,
        0.. => leader_epoch: i32,
        0.. => isr: Vec<i32>,
        1.. => leader_recovery_state: i8,
        0.. => partition_epoch: i32,
    }
}

impl ClientRequest for AlterPartitionRequest {
    const NAME: &'static str = "AlterPartition";
    const API_KEY: i16 = 56;
    const FIRST_FLEXIBLE_VERSION: i16 = 0;
    type Response = AlterPartitionResponse;
}
