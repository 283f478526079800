//! Port of `org.apache.kafka.common.requests.OffsetDeleteRequest` and `OffsetDeleteResponse`:
//! deletes some of a group's offsets.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    pub struct OffsetDeleteRequest {
        0.. => group_id: String,
        0.. => topics: Vec<OffsetDeleteRequestTopic>,
    }

    pub struct OffsetDeleteRequestTopic {
        0.. => name: String,
        0.. => partitions: Vec<OffsetDeleteRequestPartition>,
    }

    pub struct OffsetDeleteRequestPartition {
        0.. => partition_index: i32,
    }

    pub struct OffsetDeleteResponse {
        0.. => error_code: i16,
        0.. => throttle_time_ms: i32,
        0.. => topics: Vec<OffsetDeleteResponseTopic>,
    }

    pub struct OffsetDeleteResponseTopic {
        0.. => name: String,
        0.. => partitions: Vec<OffsetDeleteResponsePartition>,
    }

    pub struct OffsetDeleteResponsePartition {
        0.. => partition_index: i32,
        0.. => error_code: i16,
    }
}

impl OffsetDeleteRequest {
    /// The group as a whole fails with `error`.
    pub fn error_response(&self, error: Errors) -> OffsetDeleteResponse {
        OffsetDeleteResponse { error_code: error.code(), ..OffsetDeleteResponse::default() }
    }
}
