//! Port of `org.apache.kafka.common.requests.OffsetDeleteRequest` and `OffsetDeleteResponse`: some
//! of a group's offsets are forgotten.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    /// Offsets to forget.
    pub struct OffsetDeleteRequest {
        /// The group.
        0.. => group_id: String,
        /// The topics.
        0.. => topics: Vec<OffsetDeleteRequestTopic>,
    }

    /// Offsets of one topic.
    pub struct OffsetDeleteRequestTopic {
        /// The topic's name.
        0.. => name: String,
        /// Its partitions.
        0.. => partitions: Vec<OffsetDeleteRequestPartition>,
    }

    /// The offset of one partition.
    pub struct OffsetDeleteRequestPartition {
        /// The partition's number.
        0.. => partition_index: i32,
    }

    /// What became of them.
    pub struct OffsetDeleteResponse {
        /// What went wrong with the whole group.
        0.. => error_code: i16,
        /// How long the response was held back by a quota, in milliseconds.
        0.. => throttle_time_ms: i32,
        /// The topics of the request.
        0.. => topics: Vec<OffsetDeleteResponseTopic>,
    }

    /// What became of the offsets of one topic.
    pub struct OffsetDeleteResponseTopic {
        /// The topic's name.
        0.. => name: String,
        /// Its partitions.
        0.. => partitions: Vec<OffsetDeleteResponsePartition>,
    }

    /// What became of the offset of one partition.
    pub struct OffsetDeleteResponsePartition {
        /// The partition's number.
        0.. => partition_index: i32,
        /// What went wrong.
        0.. => error_code: i16,
    }
}

impl OffsetDeleteRequest {
    /// The answer that says `error` for the whole group.
    pub fn error_response(&self, error: Errors) -> OffsetDeleteResponse {
        OffsetDeleteResponse { error_code: error.code(), ..OffsetDeleteResponse::default() }
    }
}
