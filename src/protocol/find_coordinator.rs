//! Port of `org.apache.kafka.common.requests.FindCoordinatorRequest` and `FindCoordinatorResponse`:
//! which broker keeps a group's offsets. Kafka 0.9 called it GroupCoordinator.
//!
//! From version 4 on one request asks for several keys.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    /// A question for coordinators.
    pub struct FindCoordinatorRequest {
        /// The group, or the transactional id.
        0..=3  => key: String,
        /// What the keys are: 0 groups, 1 transactional ids.
        1..    => key_type: i8,
        /// The groups or the transactional ids, in place of the one above.
        4..    => coordinator_keys: Vec<String>,
    }

    /// The coordinators.
    pub struct FindCoordinatorResponse {
        /// How long the response was held back by a quota, in milliseconds.
        1..    => throttle_time_ms: i32,
        /// What went wrong.
        0..=3  => error_code: i16,
        /// The same for a person, null if nothing did.
        1..=3  => error_message: Option<String>,
        /// The coordinator's id, -1 for none.
        0..=3  => node_id: i32 = -1,
        /// Its host name or address, empty for none.
        0..=3  => host: String,
        /// Its port, -1 for none.
        0..=3  => port: i32 = -1,
        /// The coordinators of the keys, in place of the one above.
        4..    => coordinators: Vec<Coordinator>,
    }

    /// The coordinator of one key.
    pub struct Coordinator {
        /// The group, or the transactional id.
        4..    => key: String,
        /// The coordinator's id, -1 for none.
        4..    => node_id: i32 = -1,
        /// Its host name or address, empty for none.
        4..    => host: String,
        /// Its port, -1 for none.
        4..    => port: i32 = -1,
        /// What went wrong.
        4..    => error_code: i16,
        /// The same for a person, null if nothing did.
        4..    => error_message: Option<String>,
    }
}

impl FindCoordinatorRequest {
    /// The answer that says `error` for every key and names no broker.
    pub fn error_response(&self, error: Errors) -> FindCoordinatorResponse {
        let error_message = Some(error.message().to_string());
        let coordinator = |key: &String| Coordinator {
            key: key.clone(),
            error_code: error.code(),
            error_message: error_message.clone(),
            ..Coordinator::default()
        };
        FindCoordinatorResponse {
            error_code: error.code(),
            coordinators: self.coordinator_keys.iter().map(coordinator).collect(),
            error_message,
            ..FindCoordinatorResponse::default()
        }
    }
}
