//! Port of `org.apache.kafka.common.requests.FindCoordinatorRequest` and `FindCoordinatorResponse`:
//! finds the broker that coordinates a group. Kafka 0.9 called it GroupCoordinator.
//!
//! From version 4 on a request has several keys.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    pub struct FindCoordinatorRequest {
        /// A group or a transactional id, as `key_type` says.
        0..=3  => key: String,
        /// 0 for groups, 1 for transactional ids.
        1..    => key_type: i8,
        /// In place of `key`.
        4..    => coordinator_keys: Vec<String>,
    }

    pub struct FindCoordinatorResponse {
        1..    => throttle_time_ms: i32,
        0..=3  => error_code: i16,
        1..=3  => error_message: Option<String>,
        /// -1 for none.
        0..=3  => node_id: i32 = -1,
        /// Empty for none.
        0..=3  => host: String,
        /// -1 for none.
        0..=3  => port: i32 = -1,
        /// In place of the fields above.
        4..    => coordinators: Vec<Coordinator>,
    }

    pub struct Coordinator {
        /// A group or a transactional id, as `key_type` says.
        4..    => key: String,
        /// -1 for none.
        4..    => node_id: i32 = -1,
        /// Empty for none.
        4..    => host: String,
        /// -1 for none.
        4..    => port: i32 = -1,
        4..    => error_code: i16,
        4..    => error_message: Option<String>,
    }
}

impl FindCoordinatorRequest {
    /// Every key fails with `error`.
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
