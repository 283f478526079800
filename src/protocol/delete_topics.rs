//! Port of `org.apache.kafka.common.requests.DeleteTopicsRequest` and `DeleteTopicsResponse`:
//! topics go, with all they hold.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;
use crate::protocol::wire::uuid::Uuid;

message! {
    /// Topics to delete.
    pub struct DeleteTopicsRequest {
        /// The topics, in place of `topic_names`.
        6..           => topics: Vec<DeleteTopicState>,
        /// The topics' names.
        0..=5         => topic_names: Vec<String>,
        /// How long the client waits for the end of them, in milliseconds.
        0..           => timeout_ms: i32,
    }

    /// A topic to delete, by name or by id.
    pub struct DeleteTopicState {
        /// The topic's name, null if it is named by its id.
        6..           => name: Option<String>,
        /// The topic's id, zero if it is named by its name.
        6..           => topic_id: Uuid,
    }

    /// What became of the topics.
    pub struct DeleteTopicsResponse {
        /// How long the response was held back by a quota, in milliseconds.
        1..           => throttle_time_ms: i32,
        /// The topics of the request.
        0..           => responses: Vec<DeletableTopicResult>,
    }

    /// What became of one topic.
    pub struct DeletableTopicResult {
        /// The topic's name, null if it was named by an id that is not known.
        0.., null 6.. => name: Option<String>,
        /// The topic's id.
        6..           => topic_id: Uuid,
        /// What went wrong.
        0..           => error_code: i16,
        /// The same for a person, null if nothing did.
        5..           => error_message: Option<String>,
    }
}

impl DeleteTopicsRequest {
    /// The answer that says `error` for every topic.
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
