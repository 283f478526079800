//! Port of `org.apache.kafka.common.requests.DeleteRecordsRequest` and `DeleteRecordsResponse`:
//! deletes the records before an offset.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

/// In place of the first offset that is left: nothing was deleted.
pub const INVALID_LOW_WATERMARK: i64 = -1;

message! {
    pub struct DeleteRecordsRequest {
        0.. => topics: Vec<DeleteRecordsTopic>,
        0.. => timeout_ms: i32,
    }

    pub struct DeleteRecordsTopic {
        0.. => name: String,
        0.. => partitions: Vec<DeleteRecordsPartition>,
    }

    pub struct DeleteRecordsPartition {
        0.. => partition_index: i32,
        /// The first offset to keep; -1 deletes all.
        0.. => offset: i64,
    }

    pub struct DeleteRecordsResponse {
        0.. => throttle_time_ms: i32,
        0.. => topics: Vec<DeleteRecordsTopicResult>,
    }

    pub struct DeleteRecordsTopicResult {
        0.. => name: String,
        0.. => partitions: Vec<DeleteRecordsPartitionResult>,
    }

    pub struct DeleteRecordsPartitionResult {
        0.. => partition_index: i32,
        /// The first offset that is left, [`INVALID_LOW_WATERMARK`] on error.
        0.. => low_watermark: i64 = INVALID_LOW_WATERMARK,
        0.. => error_code: i16,
    }
}

impl DeleteRecordsRequest {
    /// Every partition fails with `error`.
    pub fn error_response(&self, error: Errors) -> DeleteRecordsResponse {
        let partition = |asked: &DeleteRecordsPartition| DeleteRecordsPartitionResult {
            partition_index: asked.partition_index,
            error_code: error.code(),
            ..DeleteRecordsPartitionResult::default()
        };
        let topic = |asked: &DeleteRecordsTopic| DeleteRecordsTopicResult {
            name: asked.name.clone(),
            partitions: asked.partitions.iter().map(partition).collect(),
        };
        let topics = self.topics.iter().map(topic).collect();
        DeleteRecordsResponse { throttle_time_ms: 0, topics }
    }
}
