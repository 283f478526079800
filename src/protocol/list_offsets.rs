//! Port of `org.apache.kafka.common.requests.ListOffsetRequest` and its response: finds
//! offsets by time.

use crate::common::errors::Errors;
use crate::protocol::client_request::ClientRequest;
use crate::protocol::wire::message_table::message;

/// Asks for the end of the log: the offset of the next message.
pub const LATEST_TIMESTAMP: i64 = -1;
/// Asks for the first offset of the log.
pub const EARLIEST_TIMESTAMP: i64 = -2;
/// Asks for the record with the largest timestamp (version 7, KIP-734).
pub const MAX_TIMESTAMP: i64 = -3;
/// Asks for the first offset that is on the broker's own disks (version 8, KIP-405).
pub const EARLIEST_LOCAL_TIMESTAMP: i64 = -4;
/// Asks for the last offset in tiered storage (version 9, KIP-1005).
pub const LATEST_TIERED_TIMESTAMP: i64 = -5;
/// Asks for the first offset that is still to go there (version 11, KIP-1023).
pub const EARLIEST_PENDING_UPLOAD_TIMESTAMP: i64 = -6;

message! {
    pub struct ListOffsetsRequest {
        /// -1 for a consumer, -2 for a debugging consumer, a broker's id for a follower.
        0..   => replica_id: i32 = -1,
        /// 0 counts uncommitted records too, 1 committed ones only.
        2..   => isolation_level: i8,
        0..   => topics: Vec<ListOffsetsTopic>,
        /// How long the answer may wait for what is in tiered storage.
        10..  => timeout_ms: i32,
    }

    pub struct ListOffsetsTopic {
        0..   => name: String,
        0..   => partitions: Vec<ListOffsetsPartition>,
    }

    pub struct ListOffsetsPartition {
        0..   => partition_index: i32,
        /// -1 if the client does not know it.
        4..   => current_leader_epoch: i32 = -1,
        /// A time in milliseconds, or one of the negative numbers above from its version on.
        0..   => timestamp: i64,
        0..=0 => max_num_offsets: i32 = 1,
    }

    pub struct ListOffsetsResponse {
        2..   => throttle_time_ms: i32,
        0..   => topics: Vec<ListOffsetsTopicResponse>,
    }

    pub struct ListOffsetsTopicResponse {
        0..   => name: String,
        0..   => partitions: Vec<ListOffsetsPartitionResponse>,
    }

    pub struct ListOffsetsPartitionResponse {
        0..   => partition_index: i32,
        0..   => error_code: i16,
        /// The first offsets of segments, descending; version 0 has them in place of one offset.
        0..=0 => old_style_offsets: Vec<i64>,
        /// That of the record found; -1 if no time was asked for.
        1..   => timestamp: i64 = -1,
        /// -1 if none was found.
        1..   => offset: i64 = -1,
        /// -1 if unknown.
        4..   => leader_epoch: i32 = -1,
    }
}

impl ClientRequest for ListOffsetsRequest {
    const NAME: &'static str = "ListOffsets";
    const API_KEY: i16 = 2;
    const FIRST_FLEXIBLE_VERSION: i16 = 6;
    type Response = ListOffsetsResponse;
}

impl ListOffsetsRequest {
    /// Every partition fails with `error`.
    pub fn error_response(&self, error: Errors) -> ListOffsetsResponse {
        let partition = |asked: &ListOffsetsPartition| ListOffsetsPartitionResponse {
            partition_index: asked.partition_index,
            error_code: error.code(),
            ..ListOffsetsPartitionResponse::default()
        };
        let topic = |asked: &ListOffsetsTopic| ListOffsetsTopicResponse {
            name: asked.name.clone(),
            partitions: asked.partitions.iter().map(partition).collect(),
        };
        let topics = self.topics.iter().map(topic).collect();
        ListOffsetsResponse { throttle_time_ms: 0, topics }
    }
}
