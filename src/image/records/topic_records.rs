//! Port of `TopicRecord`, `PartitionRecord`, `PartitionChangeRecord`, `RemoveTopicRecord` and
//! `ClearElrRecord` (`org.apache.kafka.common.metadata`).

use crate::protocol::wire::json_converter::{json_fields, json_message};
use crate::protocol::wire::message_table::message;
use crate::protocol::wire::uuid::Uuid;

/// In a [`PartitionChangeRecord`]: the leader stays, and so does its epoch.
pub const NO_LEADER_CHANGE: i32 = -2;
/// In a [`PartitionChangeRecord`]: the state stays.
pub const NO_RECOVERY_STATE_CHANGE: i8 = -1;

json_message! {
    /// A new topic; its partitions follow.
    pub struct TopicRecord {
        0.. => name: String,
        0.. => topic_id: Uuid,
    }

    /// A partition that is new, or that takes the place of all that was known of it.
    pub struct PartitionRecord {
        0.. => partition_id: i32 = -1,
        0.. => topic_id: Uuid,
        0.. => replicas: Vec<i32>,
        0.. => isr: Vec<i32>,
        0.. => removing_replicas: Vec<i32>,
        0.. => adding_replicas: Vec<i32>,
        /// -1 for none.
        0.. => leader: i32 = -1,
        /// 1 after an unclean election, until the leader has recovered.
        0.., tag 0 => leader_recovery_state: i8,
        0.. => leader_epoch: i32 = -1,
        0.. => partition_epoch: i32 = -1,
        /// Of each replica the id of its log directory.
        1.. => directories: Vec<Uuid>,
        2.., null 2.., tag 1 => eligible_leader_replicas: Option<Vec<i32>>,
        2.., null 2.., tag 2 => last_known_elr: Option<Vec<i32>>,
    }

    /// The topic goes with its partitions and its configs.
    pub struct RemoveTopicRecord {
        0.. => topic_id: Uuid,
    }

    /// Forgets which replicas may lead although they are not in sync.
    pub struct ClearElrRecord {
        /// Empty for all topics.
        0.. => topic_name: String,
    }
}

message! {
    /// What is null stays as it is.
    pub struct PartitionChangeRecord {
        0.. => partition_id: i32 = -1,
        0.. => topic_id: Uuid,
        0.., null 0.., tag 0 => isr: Option<Vec<i32>>,
        /// [`NO_LEADER_CHANGE`], -1 for none, or who begins a new leader epoch, even if it led before.
        0.., tag 1 => leader: i32 = NO_LEADER_CHANGE,
        0.., null 0.., tag 2 => replicas: Option<Vec<i32>>,
        0.., null 0.., tag 3 => removing_replicas: Option<Vec<i32>>,
        0.., null 0.., tag 4 => adding_replicas: Option<Vec<i32>>,
        0.., tag 5 => leader_recovery_state: i8 = NO_RECOVERY_STATE_CHANGE,
        2.., null 2.., tag 6 => eligible_leader_replicas: Option<Vec<i32>>,
        2.., null 2.., tag 7 => last_known_elr: Option<Vec<i32>>,
        1.., null 1.., tag 8 => directories: Option<Vec<Uuid>>,
    }
}

// The same in the order of Kafka's schema, which is that of its JSON and here not that of the tags.
json_fields! {
    pub struct PartitionChangeRecord {
        0.. => partition_id: i32 = -1,
        0.. => topic_id: Uuid,
        0.., null 0.., tag 0 => isr: Option<Vec<i32>>,
        0.., tag 1 => leader: i32 = NO_LEADER_CHANGE,
        0.., null 0.., tag 2 => replicas: Option<Vec<i32>>,
        0.., null 0.., tag 3 => removing_replicas: Option<Vec<i32>>,
        0.., null 0.., tag 4 => adding_replicas: Option<Vec<i32>>,
        0.., tag 5 => leader_recovery_state: i8 = NO_RECOVERY_STATE_CHANGE,
        1.., null 1.., tag 8 => directories: Option<Vec<Uuid>>,
        2.., null 2.., tag 6 => eligible_leader_replicas: Option<Vec<i32>>,
        2.., null 2.., tag 7 => last_known_elr: Option<Vec<i32>>,
    }
}
