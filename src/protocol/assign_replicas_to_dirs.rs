//! Port of `org.apache.kafka.common.requests.AssignReplicasToDirsRequest` and
//! `AssignReplicasToDirsResponse`: tells the controller in which log directory replicas lie. This broker
//! sends it.

use crate::protocol::client_request::ClientRequest;
use crate::protocol::wire::message_table::message;
use crate::protocol::wire::uuid::Uuid;

message! {
    pub struct AssignReplicasToDirsRequest {
        0.. => broker_id: i32,
        /// That of the registration; -1 for none.
        0.. => broker_epoch: i64 = -1,
        0.. => directories: Vec<DirectoryData>,
    }

    pub struct DirectoryData {
        0.. => id: Uuid,
        0.. => topics: Vec<DirectoryTopic>,
    }

    pub struct DirectoryTopic {
        0.. => topic_id: Uuid,
        0.. => partitions: Vec<DirectoryPartition>,
    }

    pub struct DirectoryPartition {
        0.. => partition_index: i32,
    }

    pub struct AssignReplicasToDirsResponse {
        0.. => throttle_time_ms: i32,
        0.. => error_code: i16,
        0.. => directories: Vec<AssignedDirectory>,
    }

    pub struct AssignedDirectory {
        0.. => id: Uuid,
        0.. => topics: Vec<AssignedTopic>,
    }

    pub struct AssignedTopic {
        0.. => topic_id: Uuid,
        0.. => partitions: Vec<AssignedPartition>,
    }

    pub struct AssignedPartition {
        0.. => partition_index: i32,
        0.. => error_code: i16,
    }
}

impl ClientRequest for AssignReplicasToDirsRequest {
    const NAME: &'static str = "AssignReplicasToDirs";
    const API_KEY: i16 = 73;
    const FIRST_FLEXIBLE_VERSION: i16 = 0;
    type Response = AssignReplicasToDirsResponse;
}
