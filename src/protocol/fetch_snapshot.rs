//! Port of `org.apache.kafka.common.requests.FetchSnapshotRequest` and `FetchSnapshotResponse`: a snapshot of
//! the metadata log, piece by piece. This broker sends it.

use crate::protocol::client_request::ClientRequest;
use crate::protocol::wire::message_table::message;
use crate::protocol::wire::types::Records;
use crate::protocol::wire::uuid::Uuid;

message! {
    pub struct FetchSnapshotRequest {
        /// -1 for a reader that is no broker.
        0..                   => replica_id: i32 = -1,
        /// Of records in the response, in bytes.
        0..                   => max_bytes: i32 = i32::MAX,
        0..                   => topics: Vec<FetchSnapshotTopic>,
        /// Null goes unchecked.
        0.., null 0.., tag 0  => cluster_id: Option<String>,
    }

    pub struct FetchSnapshotTopic {
        0.. => name: String,
        0.. => partitions: Vec<FetchSnapshotPartition>,
    }

    pub struct FetchSnapshotPartition {
        0..         => partition: i32,
        /// That of the quorum.
        0..         => current_leader_epoch: i32,
        0..         => snapshot_id: SnapshotId,
        /// Of the first byte that is asked for.
        0..         => position: i64,
        /// Zero for a reader that keeps no log.
        1.., tag 0  => replica_directory_id: Uuid,
    }

    pub struct SnapshotId {
        0.. => end_offset: i64,
        0.. => epoch: i32,
    }

    pub struct FetchSnapshotResponse {
        0..         => throttle_time_ms: i32,
        /// Of the request as a whole.
        0..         => error_code: i16,
        0..         => topics: Vec<FetchSnapshotResponseTopic>,
        /// Where the leader of the quorum is.
        1.., tag 0  => node_endpoints: Vec<NodeEndpoint>,
    }

    pub struct FetchSnapshotResponseTopic {
        0.. => name: String,
        0.. => partitions: Vec<FetchSnapshotResponsePartition>,
    }

    pub struct FetchSnapshotResponsePartition {
        0..         => index: i32,
        0..         => error_code: i16,
        0..         => snapshot_id: SnapshotId,
        /// Of the whole snapshot, in bytes.
        0..         => size: i64,
        /// Of the first byte that follows.
        0..         => position: i64,
        /// They begin and end anywhere, not with a batch.
        0..         => unaligned_records: Option<Records>,
        0.., tag 0  => current_leader: LeaderIdAndEpoch,
    }

    pub struct LeaderIdAndEpoch {
        /// -1 if there is none, or none is known.
        0.. => leader_id: i32,
        0.. => leader_epoch: i32,
    }

    pub struct NodeEndpoint {
        1.. => node_id: i32,
        1.. => host: String,
        1.. => port: u16,
    }
}

impl ClientRequest for FetchSnapshotRequest {
    const NAME: &'static str = "FetchSnapshot";
    const API_KEY: i16 = 59;
    const FIRST_FLEXIBLE_VERSION: i16 = 0;
    type Response = FetchSnapshotResponse;
}
