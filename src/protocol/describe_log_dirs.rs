//! Port of `org.apache.kafka.common.requests.DescribeLogDirsRequest` and `DescribeLogDirsResponse`:
//! what lies in each log directory, and how large it is.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

/// In place of the size of a disk: it is not known.
pub const UNKNOWN_VOLUME_BYTES: i64 = -1;

message! {
    /// A question for log directories.
    pub struct DescribeLogDirsRequest {
        /// The topics, null for all.
        0.. => topics: Option<Vec<DescribableLogDirTopic>>,
    }

    /// A question for one topic.
    pub struct DescribableLogDirTopic {
        /// The topic's name.
        0.. => topic: String,
        /// The partitions' numbers.
        0.. => partitions: Vec<i32>,
    }

    /// The log directories.
    pub struct DescribeLogDirsResponse {
        /// How long the response was held back by a quota, in milliseconds.
        0.. => throttle_time_ms: i32,
        /// What went wrong with the request.
        3.. => error_code: i16,
        /// The directories.
        0.. => results: Vec<DescribeLogDirsResult>,
    }

    /// A log directory.
    pub struct DescribeLogDirsResult {
        /// What went wrong.
        0.. => error_code: i16,
        /// Its absolute path.
        0.. => log_dir: String,
        /// The topics in it.
        0.. => topics: Vec<DescribeLogDirsTopic>,
        /// The size of its disk, [`UNKNOWN_VOLUME_BYTES`] if that is not known.
        4.. => total_bytes: i64 = UNKNOWN_VOLUME_BYTES,
        /// What is free of that, [`UNKNOWN_VOLUME_BYTES`] if that is not known.
        4.. => usable_bytes: i64 = UNKNOWN_VOLUME_BYTES,
    }

    /// A topic.
    pub struct DescribeLogDirsTopic {
        /// The topic's name.
        0.. => name: String,
        /// Its partitions.
        0.. => partitions: Vec<DescribeLogDirsPartition>,
    }

    /// A partition.
    pub struct DescribeLogDirsPartition {
        /// The partition's number.
        0.. => partition_index: i32,
        /// The size of its segments, in bytes.
        0.. => partition_size: i64,
        /// How many offsets its end is behind the high watermark.
        0.. => offset_lag: i64,
        /// Whether it is a copy that is on its way into this directory.
        0.. => is_future_key: bool,
    }
}

impl DescribeLogDirsRequest {
    /// The answer that says `error` and names no directory: before version 3 that says it alone.
    pub fn error_response(&self, error: Errors) -> DescribeLogDirsResponse {
        DescribeLogDirsResponse { error_code: error.code(), ..DescribeLogDirsResponse::default() }
    }
}
