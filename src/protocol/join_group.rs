//! Port of `org.apache.kafka.common.requests.JoinGroupRequest` and `JoinGroupResponse`: a consumer
//! becomes a member of a group.
//!
//! What the protocols' metadata says is the consumers' own affair: no broker reads it.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

/// In place of a group's generation: there is none.
pub const UNKNOWN_GENERATION_ID: i32 = -1;

message! {
    /// A wish to be a member.
    pub struct JoinGroupRequest {
        /// The group.
        0..           => group_id: String,
        /// After how long without a sign of life the member is dead, in milliseconds.
        0..           => session_timeout_ms: i32,
        /// How long the group may wait for the member to rejoin, in milliseconds; -1 in version 0,
        /// for which the session's time stands.
        1..           => rebalance_timeout_ms: i32 = -1,
        /// The member, empty for one that is new.
        0..           => member_id: String,
        /// The name under which a static member joins, null for any other.
        5..           => group_instance_id: Option<String>,
        /// What the group is for: `consumer`.
        0..           => protocol_type: String,
        /// The ways of assignment that the member knows, the dearest first.
        0..           => protocols: Vec<JoinGroupRequestProtocol>,
        /// Why the member joins, for the log.
        8..           => reason: Option<String>,
    }

    /// A way of assignment.
    pub struct JoinGroupRequestProtocol {
        /// Its name.
        0..           => name: String,
        /// What the leader has to know of the member.
        0..           => metadata: Vec<u8>,
    }

    /// The group as it is after all have joined.
    pub struct JoinGroupResponse {
        /// How long the response was held back by a quota, in milliseconds.
        2..           => throttle_time_ms: i32,
        /// What went wrong.
        0..           => error_code: i16,
        /// The group's generation.
        0..           => generation_id: i32 = UNKNOWN_GENERATION_ID,
        /// What the group is for.
        7..           => protocol_type: Option<String>,
        /// The way of assignment that all members know; before version 7 empty in place of null.
        0.., null 7.. => protocol_name: Option<String>,
        /// The member that makes the assignment.
        0..           => leader: String,
        /// Whether the leader must leave the assignment as it is.
        9..           => skip_assignment: bool,
        /// The member that asked.
        0..           => member_id: String,
        /// All members, for the leader; none for the others.
        0..           => members: Vec<JoinGroupResponseMember>,
    }

    /// A member, as the leader needs to know it.
    pub struct JoinGroupResponseMember {
        /// Its id.
        0..           => member_id: String,
        /// The name under which a static member joined, null for any other.
        5..           => group_instance_id: Option<String>,
        /// What it said under the way of assignment that was chosen.
        0..           => metadata: Vec<u8>,
    }
}

impl JoinGroupRequest {
    /// The answer that says `error`.
    pub fn error_response(&self, error: Errors) -> JoinGroupResponse {
        JoinGroupResponse {
            error_code: error.code(),
            member_id: self.member_id.clone(),
            ..JoinGroupResponse::default()
        }
    }
}
