//! Port of `org.apache.kafka.common.requests.JoinGroupRequest` and `JoinGroupResponse`: adds a
//! consumer to a group.
//!
//! The metadata of the protocols is opaque to the broker.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

pub const UNKNOWN_GENERATION_ID: i32 = -1;

message! {
    pub struct JoinGroupRequest {
        0..           => group_id: String,
        /// A member that sends no heartbeat for so long is removed from the group.
        0..           => session_timeout_ms: i32,
        /// How long the group waits for the member to rejoin; version 0 has `session_timeout_ms`
        /// for it.
        1..           => rebalance_timeout_ms: i32 = -1,
        /// Empty for a new member.
        0..           => member_id: String,
        /// Null for a member that is not static.
        5..           => group_instance_id: Option<String>,
        /// `consumer`, for most groups.
        0..           => protocol_type: String,
        /// Assignment strategies that the member supports, the preferred one first.
        0..           => protocols: Vec<JoinGroupRequestProtocol>,
        8..           => reason: Option<String>,
    }

    /// An assignment strategy, with what the leader needs to know of the member.
    pub struct JoinGroupRequestProtocol {
        0..           => name: String,
        0..           => metadata: Vec<u8>,
    }

    pub struct JoinGroupResponse {
        2..           => throttle_time_ms: i32,
        0..           => error_code: i16,
        0..           => generation_id: i32 = UNKNOWN_GENERATION_ID,
        7..           => protocol_type: Option<String>,
        /// One that all members support; before version 7 empty in place of null.
        0.., null 7.. => protocol_name: Option<String>,
        0..           => leader: String,
        9..           => skip_assignment: bool,
        0..           => member_id: String,
        /// All members for the leader, none for the others.
        0..           => members: Vec<JoinGroupResponseMember>,
    }

    pub struct JoinGroupResponseMember {
        0..           => member_id: String,
        /// Null for a member that is not static.
        5..           => group_instance_id: Option<String>,
        0..           => metadata: Vec<u8>,
    }
}

impl JoinGroupRequest {
    pub fn error_response(&self, error: Errors) -> JoinGroupResponse {
        JoinGroupResponse {
            error_code: error.code(),
            member_id: self.member_id.clone(),
            ..JoinGroupResponse::default()
        }
    }
}
