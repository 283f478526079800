//! Port of `org.apache.kafka.common.requests.DeleteTopicsRequest` and `DeleteTopicsResponse`:
//! deletes topics with all that they hold.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;
use crate::protocol::wire::uuid::Uuid;

message! {
    pub struct DeleteTopicsRequest {
        /// In place of `topic_names`.
        6..           => topics: Vec<DeleteTopicState>,
        0..=5         => topic_names: Vec<String>,
        0..           => timeout_ms: i32,
    }

    pub struct DeleteTopicState {
        /// Null if the topic is given by its id.
        6..           => name: Option<String>,
        /// Zero if the topic is given by its name.
        6..           => topic_id: Uuid,
    }

    pub struct DeleteTopicsResponse {
        1..           => throttle_time_ms: i32,
        0..           => responses: Vec<DeletableTopicResult>,
    }

    pub struct DeletableTopicResult {
        /// Null for an id that is not known.
        0.., null 6.. => name: Option<String>,
        6..           => topic_id: Uuid,
        0..           => error_code: i16,
        5..           => error_message: Option<String>,
    }
}

impl DeleteTopicsRequest {
    /// Every topic fails with `error`.
    pub fn error_response(&self, error: Errors) -> DeleteTopicsResponse {
        let result = |name: Option<&String>, topic_id| DeletableTopicResult {
            name: name.cloned(),
            topic_id,
            error_code: error.code(),
            error_message: Some(error.message().to_string()),
        };
        let by_name = self.topic_names.iter().map(|name| result(Some(name), Uuid::ZERO));
        let by_state = self.topics.iter().map(|topic| result(topic.name.as_ref(), topic.topic_id));
        let responses = by_name.chain(by_state).collect();
        DeleteTopicsResponse { throttle_time_ms: 0, responses }
    }
}
