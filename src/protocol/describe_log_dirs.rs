//! Port of `org.apache.kafka.common.requests.DescribeLogDirsRequest` and `DescribeLogDirsResponse`:
//! returns what each log directory holds, and its size.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

pub const UNKNOWN_VOLUME_BYTES: i64 = -1;
/// Of a log whose partition this broker does not serve.
pub const INVALID_OFFSET_LAG: i64 = -1;

message! {
    pub struct DescribeLogDirsRequest {
        /// Null for all.
        0.. => topics: Option<Vec<DescribableLogDirTopic>>,
    }

    pub struct DescribableLogDirTopic {
        0.. => topic: String,
        0.. => partitions: Vec<i32>,
    }

    pub struct DescribeLogDirsResponse {
        0.. => throttle_time_ms: i32,
        3.. => error_code: i16,
        0.. => results: Vec<DescribeLogDirsResult>,
    }

    pub struct DescribeLogDirsResult {
        0.. => error_code: i16,
        0.. => log_dir: String,
        0.. => topics: Vec<DescribeLogDirsTopic>,
        /// Those of the disk, or [`UNKNOWN_VOLUME_BYTES`].
        4.. => total_bytes: i64 = UNKNOWN_VOLUME_BYTES,
        /// Those free on the disk, or [`UNKNOWN_VOLUME_BYTES`].
        4.. => usable_bytes: i64 = UNKNOWN_VOLUME_BYTES,
    }

    pub struct DescribeLogDirsTopic {
        0.. => name: String,
        0.. => partitions: Vec<DescribeLogDirsPartition>,
    }

    pub struct DescribeLogDirsPartition {
        0.. => partition_index: i32,
        /// Bytes in all segments.
        0.. => partition_size: i64,
        /// How many offsets the end of the log is behind the high watermark.
        0.. => offset_lag: i64,
        /// A copy that is being moved into this directory.
        0.. => is_future_key: bool,
    }
}

impl DescribeLogDirsRequest {
    /// Names no directory: before version 3 that alone shows the failure.
    pub fn error_response(&self, error: Errors) -> DescribeLogDirsResponse {
        DescribeLogDirsResponse { error_code: error.code(), ..DescribeLogDirsResponse::default() }
    }
}
