//! Port of `org.apache.kafka.common.requests.SyncGroupRequest` and `SyncGroupResponse`: brings
//! the leader's assignment, and returns to each member its part.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    pub struct SyncGroupRequest {
        0.. => group_id: String,
        0.. => generation_id: i32,
        0.. => member_id: String,
        /// Null for a member that is not static.
        3.. => group_instance_id: Option<String>,
        /// What the member expects; null if it does not care.
        5.. => protocol_type: Option<String>,
        /// What the member expects; null if it does not care.
        5.. => protocol_name: Option<String>,
        /// From the leader; empty from the others.
        0.. => assignments: Vec<SyncGroupRequestAssignment>,
    }

    pub struct SyncGroupRequestAssignment {
        0.. => member_id: String,
        /// Opaque to the broker.
        0.. => assignment: Vec<u8>,
    }

    pub struct SyncGroupResponse {
        1.. => throttle_time_ms: i32,
        0.. => error_code: i16,
        5.. => protocol_type: Option<String>,
        5.. => protocol_name: Option<String>,
        0.. => assignment: Vec<u8>,
    }
}

impl SyncGroupRequest {
    pub fn error_response(&self, error: Errors) -> SyncGroupResponse {
        SyncGroupResponse { error_code: error.code(), ..SyncGroupResponse::default() }
    }
}
