//! Port of `org.apache.kafka.common.requests.DeleteRecordsRequest` and `DeleteRecordsResponse`:
//! partitions lose what lies before an offset.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

/// In place of an offset: all that the partition holds.
pub const HIGH_WATERMARK: i64 = -1;
/// In place of the first offset that is left: nothing was deleted.
pub const INVALID_LOW_WATERMARK: i64 = -1;

message! {
    /// Where partitions are to begin.
    pub struct DeleteRecordsRequest {
        /// The topics.
        0.. => topics: Vec<DeleteRecordsTopic>,
        /// How long the client waits for it, in milliseconds.
        0.. => timeout_ms: i32,
    }

    /// Where the partitions of one topic are to begin.
    pub struct DeleteRecordsTopic {
        /// The topic's name.
        0.. => name: String,
        /// Its partitions.
        0.. => partitions: Vec<DeleteRecordsPartition>,
    }

    /// Where one partition is to begin.
    pub struct DeleteRecordsPartition {
        /// The partition's number.
        0.. => partition_index: i32,
        /// The first offset that is left, [`HIGH_WATERMARK`] for the one after the last.
        0.. => offset: i64,
    }

    /// Where partitions begin.
    pub struct DeleteRecordsResponse {
        /// How long the response was held back by a quota, in milliseconds.
        0.. => throttle_time_ms: i32,
        /// The topics of the request.
        0.. => topics: Vec<DeleteRecordsTopicResult>,
    }

    /// Where the partitions of one topic begin.
    pub struct DeleteRecordsTopicResult {
        /// The topic's name.
        0.. => name: String,
        /// Its partitions.
        0.. => partitions: Vec<DeleteRecordsPartitionResult>,
    }

    /// Where one partition begins.
    pub struct DeleteRecordsPartitionResult {
        /// The partition's number.
        0.. => partition_index: i32,
        /// The first offset that is left, [`INVALID_LOW_WATERMARK`] on error.
        0.. => low_watermark: i64 = INVALID_LOW_WATERMARK,
        /// What went wrong.
        0.. => error_code: i16,
    }
}

impl DeleteRecordsRequest {
    /// The answer that says `error` for every partition.
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
