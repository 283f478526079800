//! Port of `org.apache.kafka.common.requests.CreatePartitionsRequest` and
//! `CreatePartitionsResponse`: topics get more partitions.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    /// Topics that are to have more partitions.
    pub struct CreatePartitionsRequest {
        /// The topics.
        0.. => topics: Vec<CreatePartitionsTopic>,
        /// How long the client waits for them, in milliseconds.
        0.. => timeout_ms: i32,
        /// Whether only to say what would become of them.
        0.. => validate_only: bool,
    }

    /// A topic that is to have more partitions.
    pub struct CreatePartitionsTopic {
        /// The topic's name.
        0.. => name: String,
        /// How many it is to have in all.
        0.. => count: i32,
        /// On which brokers each new one is kept; null leaves it to the broker.
        0.. => assignments: Option<Vec<CreatePartitionsAssignment>>,
    }

    /// On which brokers one new partition is kept.
    pub struct CreatePartitionsAssignment {
        /// The brokers, the preferred leader first.
        0.. => broker_ids: Vec<i32>,
    }

    /// What became of the topics.
    pub struct CreatePartitionsResponse {
        /// How long the response was held back by a quota, in milliseconds.
        0.. => throttle_time_ms: i32,
        /// The topics of the request.
        0.. => results: Vec<CreatePartitionsTopicResult>,
    }

    /// What became of one topic.
    pub struct CreatePartitionsTopicResult {
        /// The topic's name.
        0.. => name: String,
        /// What went wrong.
        0.. => error_code: i16,
        /// The same for a person, null if nothing did.
        0.. => error_message: Option<String>,
    }
}

impl CreatePartitionsRequest {
    /// The answer that says `error` for every topic.
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
