//! Port of `org.apache.kafka.common.requests.OffsetCommitRequest` and `OffsetCommitResponse`: how
//! far a group has read.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    /// Offsets to keep for a group.
    pub struct OffsetCommitRequest {
        /// The group.
        0..    => group_id: String,
        /// The generation of the group that the member belongs to, -1 for a consumer that assigns
        /// its partitions itself.
        1..    => generation_id: i32 = -1,
        /// The member, empty for such a consumer.
        1..    => member_id: String,
        /// The name under which a static member joined, null for any other.
        7..    => group_instance_id: Option<String>,
        /// How long to keep the offsets, in milliseconds, -1 for as long as the broker keeps any.
        2..=4  => retention_time_ms: i64 = -1,
        /// The topics.
        0..    => topics: Vec<OffsetCommitRequestTopic>,
    }

    /// Offsets in one topic.
    pub struct OffsetCommitRequestTopic {
        /// The topic's name.
        0..    => name: String,
        /// Its partitions.
        0..    => partitions: Vec<OffsetCommitRequestPartition>,
    }

    /// The offset in one partition.
    pub struct OffsetCommitRequestPartition {
        /// The partition's number.
        0..    => partition_index: i32,
        /// The offset of the next message to read.
        0..    => committed_offset: i64,
        /// The leader epoch of the last message read, -1 if unknown.
        6..    => committed_leader_epoch: i32 = -1,
        /// The time of the commit in milliseconds, -1 for now.
        1..=1  => commit_timestamp: i64 = -1,
        /// What the consumer wants to have kept beside it; null stands for nothing.
        0..    => committed_metadata: Option<String>,
    }

    /// What became of the offsets.
    pub struct OffsetCommitResponse {
        /// How long the response was held back by a quota, in milliseconds.
        3..    => throttle_time_ms: i32,
        /// The topics of the request.
        0..    => topics: Vec<OffsetCommitResponseTopic>,
    }

    /// What became of the offsets in one topic.
    pub struct OffsetCommitResponseTopic {
        /// The topic's name.
        0..    => name: String,
        /// Its partitions.
        0..    => partitions: Vec<OffsetCommitResponsePartition>,
    }

    /// What became of the offset in one partition.
    pub struct OffsetCommitResponsePartition {
        /// The partition's number.
        0..    => partition_index: i32,
        /// What went wrong.
        0..    => error_code: i16,
    }
}

impl OffsetCommitRequest {
    /// The answer that says `error` for every partition.
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
