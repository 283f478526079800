//! Port of `kafka.api.FetchRequest` and the fields of `kafka.api.FetchResponse`: reads
//! messages.
//!
//! A broker does not encode a [`FetchResponse`] with messages in it:
//! [`FetchResponseSend`](crate::protocol::fetch_response_send::FetchResponseSend) writes the parts
//! of the table below, and puts the messages between them. Clients, and the tests, read one.

use crate::common::errors::Errors;
use crate::protocol::client_request::ClientRequest;
use crate::protocol::wire::message_table::{message, message_part};
use crate::protocol::wire::types::Records;
use crate::protocol::wire::uuid::Uuid;

/// The first version in which topics go by their ids (KIP-516).
pub const TOPIC_IDS_VERSION: i16 = 13;
/// The `replica_id` of a consumer, and of one that may read from any replica.
pub const NO_REPLICA: i32 = -1;

message! {
    pub struct FetchRequest {
        /// -1 for a consumer, -2 for a debugging consumer, a broker's id for a follower. See
        /// [`FetchRequest::replica_id`], which knows both places of it.
        0..=14 => replica_id: i32 = NO_REPLICA,
        /// How long the response may wait for `min_bytes`.
        0..  => max_wait_ms: i32,
        0..  => min_bytes: i32,
        /// Of messages in the whole response; the first batch may exceed it.
        3..  => max_bytes: i32 = i32::MAX,
        /// 0 reads uncommitted records too, 1 committed ones only.
        4..  => isolation_level: i8,
        /// 0 for none.
        7..  => session_id: i32,
        /// 0 begins a session, -1 ends it or does without.
        7..  => session_epoch: i32 = -1,
        0..  => topics: Vec<FetchTopic>,
        7..  => forgotten_topics: Vec<ForgottenTopic>,
        /// Empty for none.
        11.. => rack_id: String,
        /// Of brokers and controllers, which are refused by those of another cluster; null elsewhere.
        12.., null 12.., tag 0 => cluster_id: Option<String>,
        15.., tag 1 => replica_state: ReplicaState,
    }

    /// Which broker a follower is.
    pub struct ReplicaState {
        15.. => replica_id: i32 = NO_REPLICA,
        /// Of its registration; -1 if it has none.
        15.. => replica_epoch: i64 = -1,
    }

    pub struct FetchTopic {
        0..=12 => topic: String,
        13.. => topic_id: Uuid,
        0..  => partitions: Vec<FetchPartition>,
    }

    pub struct FetchPartition {
        0..  => partition: i32,
        /// -1 if the client does not know it.
        9..  => current_leader_epoch: i32 = -1,
        0..  => fetch_offset: i64,
        /// The leader epoch of the last record that the client has, -1 for none.
        12.. => last_fetched_epoch: i32 = -1,
        /// That of the follower's log; -1 from a consumer.
        5..  => log_start_offset: i64 = -1,
        /// Of this partition's messages; the first batch may exceed it.
        0..  => partition_max_bytes: i32,
        /// Of the follower's log directory.
        17.., tag 0 => replica_directory_id: Uuid,
        /// As the follower knows it, -1 if it does not; the default is never behind.
        18.., tag 1 => high_watermark: i64 = i64::MAX,
    }

    /// Partitions to drop from the fetch session.
    pub struct ForgottenTopic {
        7..=12 => topic: String,
        13.. => topic_id: Uuid,
        7..  => partitions: Vec<i32>,
    }

    pub struct FetchResponse {
        0..  => header: FetchResponseHeader,
        0..  => topics: Vec<FetchResponseTopic>,
        /// The leaders that partitions name (KIP-951).
        16.., tag 0 => node_endpoints: Vec<NodeEndpoint>,
    }

    pub struct FetchResponseTopic {
        0..  => header: TopicHeader,
        0..  => partitions: Vec<FetchResponsePartition>,
    }

    pub struct FetchResponsePartition {
        0..  => header: PartitionHeader,
        0..  => records: Option<Records>,
        12.., tag 0 => diverging_epoch: EpochEndOffset,
        12.., tag 1 => current_leader: LeaderIdAndEpoch,
        12.., tag 2 => snapshot_id: SnapshotId,
    }

    /// Up to where the reader's log and the leader's are the same, at most: what the reader has beyond
    /// it is to be truncated.
    pub struct EpochEndOffset {
        /// The largest epoch of the leader that is not beyond the reader's; -1 for none.
        12.. => epoch: i32 = -1,
        /// Where that epoch ends.
        12.. => end_offset: i64 = -1,
    }

    /// The leader to go to, in the place of the one that was asked.
    pub struct LeaderIdAndEpoch {
        /// -1 if there is none, or none is known.
        12.. => leader_id: i32 = -1,
        12.. => leader_epoch: i32 = -1,
    }

    /// What a follower of the metadata log has to load before it can go on.
    pub struct SnapshotId {
        12.. => end_offset: i64 = -1,
        12.. => epoch: i32 = -1,
    }

    /// Where a broker can be reached, on the listener of the request.
    pub struct NodeEndpoint {
        16.. => node_id: i32,
        16.. => host: String,
        16.. => port: i32,
        16.., null 16.. => rack: Option<String>,
    }

    pub struct AbortedTransaction {
        4..  => producer_id: i64,
        4..  => first_offset: i64,
    }
}

message_part! {
    /// The fields of a response before its topics.
    pub struct FetchResponseHeader {
        1..  => throttle_time_ms: i32,
        7..  => error_code: i16,
        /// 0 for none.
        7..  => session_id: i32,
    }

    /// The fields of a topic before its partitions.
    pub struct TopicHeader {
        0..=12 => topic: String,
        13.. => topic_id: Uuid,
    }

    /// The fields of a partition before its messages.
    pub struct PartitionHeader {
        0..  => partition: i32,
        0..  => error_code: i16,
        /// -1 on error.
        0..  => high_watermark: i64 = -1,
        /// Always the high watermark: there are no transactions.
        4..  => last_stable_offset: i64 = -1,
        /// -1 if unknown.
        5..  => log_start_offset: i64 = -1,
        /// Transactions whose records the consumer must drop; null for none.
        4..  => aborted_transactions: Option<Vec<AbortedTransaction>>,
        /// -1 for none.
        11.. => preferred_read_replica: i32 = -1,
    }
}

impl ClientRequest for FetchRequest {
    const NAME: &'static str = "Fetch";
    const API_KEY: i16 = 1;
    const FIRST_FLEXIBLE_VERSION: i16 = 12;
    type Response = FetchResponse;
}

impl FetchRequest {
    /// The id of the follower that fetches, wherever this version has it.
    pub fn replica_id(&self) -> i32 {
        match self.replica_state.replica_id {
            NO_REPLICA => self.replica_id,
            replica_id => replica_id,
        }
    }

    /// The epoch in which the follower is registered, if it says so.
    pub fn replica_epoch(&self) -> Option<i64> {
        Some(self.replica_state.replica_epoch).filter(|epoch| *epoch >= 0)
    }

    /// The request and every partition fail with `error`: clients miss a partition that is left
    /// out.
    pub fn error_response(&self, error: Errors) -> FetchResponse {
        let error_code = error.code();
        let partition = |asked: &FetchPartition| {
            let partition = asked.partition;
            let header = PartitionHeader { partition, error_code, ..PartitionHeader::default() };
            FetchResponsePartition { header, records: Some(0..0), ..Default::default() }
        };
        let topic = |asked: &FetchTopic| FetchResponseTopic {
            header: TopicHeader { topic: asked.topic.clone(), topic_id: asked.topic_id },
            partitions: asked.partitions.iter().map(partition).collect(),
        };
        let topics = self.topics.iter().map(topic).collect();
        let header = FetchResponseHeader { error_code, ..FetchResponseHeader::default() };
        FetchResponse { header, topics, ..FetchResponse::default() }
    }
}
