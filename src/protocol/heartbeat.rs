//! Port of `org.apache.kafka.common.requests.HeartbeatRequest` and `HeartbeatResponse`: a member of
//! a group is alive, and learns whether the group rebalances.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    /// A sign of life.
    pub struct HeartbeatRequest {
        /// The group.
        0.. => group_id: String,
        /// The generation that the member was told when it joined.
        0.. => generation_id: i32,
        /// The member.
        0.. => member_id: String,
        /// The name under which a static member joined, null for any other.
        3.. => group_instance_id: Option<String>,
    }

    /// The sign was seen.
    pub struct HeartbeatResponse {
        /// How long the response was held back by a quota, in milliseconds.
        1.. => throttle_time_ms: i32,
        /// What went wrong.
        0.. => error_code: i16,
    }
}

impl HeartbeatRequest {
    /// The answer that says `error`.
    pub fn error_response(&self, error: Errors) -> HeartbeatResponse {
        HeartbeatResponse { throttle_time_ms: 0, error_code: error.code() }
    }
}
