//! Port of `org.apache.kafka.common.requests.OffsetCommitRequest` and `OffsetCommitResponse`:
//! stores how far a group has read.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    pub struct OffsetCommitRequest {
        0..    => group_id: String,
        /// -1 for a consumer that assigns its partitions itself.
        1..    => generation_id: i32 = -1,
        /// Empty for such a consumer.
        1..    => member_id: String,
        /// Null for a member that is not static.
        7..    => group_instance_id: Option<String>,
        /// -1 for `offsets.retention.minutes` of the broker.
        2..=4  => retention_time_ms: i64 = -1,
        0..    => topics: Vec<OffsetCommitRequestTopic>,
    }

    pub struct OffsetCommitRequestTopic {
        0..    => name: String,
        0..    => partitions: Vec<OffsetCommitRequestPartition>,
    }

    pub struct OffsetCommitRequestPartition {
        0..    => partition_index: i32,
        /// That of the next message to read.
        0..    => committed_offset: i64,
        /// That of the last message read, -1 if unknown.
        6..    => committed_leader_epoch: i32 = -1,
        /// Milliseconds; -1 for now.
        1..=1  => commit_timestamp: i64 = -1,
        /// Whatever the consumer wants kept with the offset; null stands for an empty text.
        0..    => committed_metadata: Option<String>,
    }

    pub struct OffsetCommitResponse {
        3..    => throttle_time_ms: i32,
        0..    => topics: Vec<OffsetCommitResponseTopic>,
    }

    pub struct OffsetCommitResponseTopic {
        0..    => name: String,
        0..    => partitions: Vec<OffsetCommitResponsePartition>,
    }

    pub struct OffsetCommitResponsePartition {
        0..    => partition_index: i32,
        0..    => error_code: i16,
    }
}

impl OffsetCommitRequest {
    /// Every partition fails with `error`.
    pub fn error_response(&self, error: Errors) -> OffsetCommitResponse {
        let partition = |asked: &OffsetCommitRequestPartition| OffsetCommitResponsePartition {
            partition_index: asked.partition_index,
            error_code: error.code(),
        };
        let topic = |asked: &OffsetCommitRequestTopic| OffsetCommitResponseTopic {
            name: asked.name.clone(),
            partitions: asked.partitions.iter().map(partition).collect(),
        };
        let topics = self.topics.iter().map(topic).collect();
        OffsetCommitResponse { topics, ..OffsetCommitResponse::default() }
    }
}
