//! Port of `org.apache.kafka.common.requests.ListOffsetRequest` and its response: offsets by time.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

/// Asks for the end of the log: the offset of the next message.
pub const LATEST_TIMESTAMP: i64 = -1;
/// Asks for the first offset of the log.
pub const EARLIEST_TIMESTAMP: i64 = -2;
/// Asks for the record with the largest timestamp (version 7, KIP-734).
pub const MAX_TIMESTAMP: i64 = -3;

message! {
    /// A question for offsets.
    pub struct ListOffsetsRequest {
        /// -1 for a consumer, -2 for a debugging consumer, a broker's id for a follower.
        0..   => replica_id: i32 = -1,
        /// 0 counts all records, 1 only committed ones.
        2..   => isolation_level: i8,
        /// The topics.
        0..   => topics: Vec<ListOffsetsTopic>,
    }

    /// A question for offsets of one topic.
    pub struct ListOffsetsTopic {
        /// The topic's name.
        0..   => name: String,
        /// Its partitions.
        0..   => partitions: Vec<ListOffsetsPartition>,
    }

    /// A question for offsets of one partition.
    pub struct ListOffsetsPartition {
        /// The partition's number.
        0..   => partition_index: i32,
        /// The leader epoch that the client knows, -1 for none.
        4..   => current_leader_epoch: i32 = -1,
        /// A time in milliseconds, [`LATEST_TIMESTAMP`], [`EARLIEST_TIMESTAMP`] or, from version 7,
        /// [`MAX_TIMESTAMP`].
        0..   => timestamp: i64,
        /// How many offsets to name at most.
        0..=0 => max_num_offsets: i32 = 1,
    }

    /// Offsets.
    pub struct ListOffsetsResponse {
        /// How long the response was held back by a quota, in milliseconds.
        2..   => throttle_time_ms: i32,
        /// The topics.
        0..   => topics: Vec<ListOffsetsTopicResponse>,
    }

    /// Offsets of one topic.
    pub struct ListOffsetsTopicResponse {
        /// The topic's name.
        0..   => name: String,
        /// Its partitions.
        0..   => partitions: Vec<ListOffsetsPartitionResponse>,
    }

    /// Offsets of one partition.
    pub struct ListOffsetsPartitionResponse {
        /// The partition's number.
        0..   => partition_index: i32,
        /// What went wrong.
        0..   => error_code: i16,
        /// The first offsets of segments, descending: what version 0 answers instead of one offset.
        0..=0 => old_style_offsets: Vec<i64>,
        /// The timestamp of the record found, -1 if the question was not for a time.
        1..   => timestamp: i64 = -1,
        /// The offset found, -1 for none.
        1..   => offset: i64 = -1,
        /// The leader epoch of the record found, -1 if unknown.
        4..   => leader_epoch: i32 = -1,
    }
}

impl ListOffsetsRequest {
    /// The answer that says `error` for every partition.
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
