//! Port of `org.apache.kafka.common.requests.LeaveGroupRequest` and `LeaveGroupResponse`: members
//! leave a group.
//!
//! From version 3 on one request takes several members away, and static ones by their names.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    /// Members that leave.
    pub struct LeaveGroupRequest {
        /// The group.
        0..    => group_id: String,
        /// The member.
        0..=2  => member_id: String,
        /// The members, in place of the one above.
        3..    => members: Vec<MemberIdentity>,
    }

    /// A member that leaves.
    pub struct MemberIdentity {
        /// Its id, empty if it is known by its name alone.
        3..    => member_id: String,
        /// The name under which a static member joined, null for any other.
        3..    => group_instance_id: Option<String>,
        /// Why it leaves, for the log.
        5..    => reason: Option<String>,
    }

    /// What became of it.
    pub struct LeaveGroupResponse {
        /// How long the response was held back by a quota, in milliseconds.
        1..    => throttle_time_ms: i32,
        /// What went wrong with the request.
        0..    => error_code: i16,
        /// The members of the request.
        3..    => members: Vec<MemberResponse>,
    }

    /// What became of one member.
    pub struct MemberResponse {
        /// Its id.
        3..    => member_id: String,
        /// The name under which a static member joined, null for any other.
        3..    => group_instance_id: Option<String>,
        /// What went wrong.
        3..    => error_code: i16,
    }
}

impl LeaveGroupRequest {
    /// The answer that says `error` for the request as a whole.
    pub fn error_response(&self, error: Errors) -> LeaveGroupResponse {
        LeaveGroupResponse { error_code: error.code(), ..LeaveGroupResponse::default() }
    }
}
