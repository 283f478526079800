//! Port of `org.apache.kafka.common.requests.CreatePartitionsRequest` and
//! `CreatePartitionsResponse`: adds partitions to topics.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    pub struct CreatePartitionsRequest {
        0.. => topics: Vec<CreatePartitionsTopic>,
        0.. => timeout_ms: i32,
        /// Checks the request and changes nothing.
        0.. => validate_only: bool,
    }

    pub struct CreatePartitionsTopic {
        0.. => name: String,
        /// The partitions in all, old and new.
        0.. => count: i32,
        /// The replicas of each new partition; null leaves them to the broker.
        0.. => assignments: Option<Vec<CreatePartitionsAssignment>>,
    }

    pub struct CreatePartitionsAssignment {
        /// The preferred leader first.
        0.. => broker_ids: Vec<i32>,
    }

    pub struct CreatePartitionsResponse {
        0.. => throttle_time_ms: i32,
        0.. => results: Vec<CreatePartitionsTopicResult>,
    }

    pub struct CreatePartitionsTopicResult {
        0.. => name: String,
        0.. => error_code: i16,
        0.. => error_message: Option<String>,
    }
}

impl CreatePartitionsRequest {
    /// Every topic fails with `error`.
    pub fn error_response(&self, error: Errors) -> CreatePartitionsResponse {
        let result = |asked: &CreatePartitionsTopic| CreatePartitionsTopicResult {
            name: asked.name.clone(),
            error_code: error.code(),
            error_message: Some(error.message().to_string()),
        };
        let results = self.topics.iter().map(result).collect();
        CreatePartitionsResponse { throttle_time_ms: 0, results }
    }
}
