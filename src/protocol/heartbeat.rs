//! Port of `org.apache.kafka.common.requests.HeartbeatRequest` and `HeartbeatResponse`: keeps a
//! member in its group; the response says whether the group rebalances.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    pub struct HeartbeatRequest {
        0.. => group_id: String,
        0.. => generation_id: i32,
        0.. => member_id: String,
        /// Null for a member that is not static.
        3.. => group_instance_id: Option<String>,
    }

    pub struct HeartbeatResponse {
        1.. => throttle_time_ms: i32,
        0.. => error_code: i16,
    }
}

impl HeartbeatRequest {
    pub fn error_response(&self, error: Errors) -> HeartbeatResponse {
        HeartbeatResponse { throttle_time_ms: 0, error_code: error.code() }
    }
}
