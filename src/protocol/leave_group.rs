//! Port of `org.apache.kafka.common.requests.LeaveGroupRequest` and `LeaveGroupResponse`: removes
//! members from a group.
//!
//! From version 3 on a request removes several members, and static ones by `group_instance_id`.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    pub struct LeaveGroupRequest {
        0..    => group_id: String,
        0..=2  => member_id: String,
        /// In place of `member_id`.
        3..    => members: Vec<MemberIdentity>,
    }

    pub struct MemberIdentity {
        /// Empty if only `group_instance_id` is known.
        3..    => member_id: String,
        /// Null for a member that is not static.
        3..    => group_instance_id: Option<String>,
        5..    => reason: Option<String>,
    }

    pub struct LeaveGroupResponse {
        1..    => throttle_time_ms: i32,
        0..    => error_code: i16,
        3..    => members: Vec<MemberResponse>,
    }

    pub struct MemberResponse {
        3..    => member_id: String,
        /// Null for a member that is not static.
        3..    => group_instance_id: Option<String>,
        3..    => error_code: i16,
    }
}

impl LeaveGroupRequest {
    /// The request as a whole fails with `error`.
    pub fn error_response(&self, error: Errors) -> LeaveGroupResponse {
        LeaveGroupResponse { error_code: error.code(), ..LeaveGroupResponse::default() }
    }
}
