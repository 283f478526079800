//! Port of `org.apache.kafka.common.requests.SyncGroupRequest` and `SyncGroupResponse`: the leader
//! of a group hands in the assignment, and each member is told its part.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    /// A member is ready for its part.
    pub struct SyncGroupRequest {
        /// The group.
        0.. => group_id: String,
        /// The generation that the member was told when it joined.
        0.. => generation_id: i32,
        /// The member.
        0.. => member_id: String,
        /// The name under which a static member joined, null for any other.
        3.. => group_instance_id: Option<String>,
        /// What the member takes the group to be for, null if it does not care.
        5.. => protocol_type: Option<String>,
        /// What it takes for the chosen way of assignment, null if it does not care.
        5.. => protocol_name: Option<String>,
        /// The assignment, from the leader; nothing from the others.
        0.. => assignments: Vec<SyncGroupRequestAssignment>,
    }

    /// The part of one member.
    pub struct SyncGroupRequestAssignment {
        /// The member.
        0.. => member_id: String,
        /// What it is to read, in bytes that no broker reads.
        0.. => assignment: Vec<u8>,
    }

    /// The part of the member that asked.
    pub struct SyncGroupResponse {
        /// How long the response was held back by a quota, in milliseconds.
        1.. => throttle_time_ms: i32,
        /// What went wrong.
        0.. => error_code: i16,
        /// What the group is for.
        5.. => protocol_type: Option<String>,
        /// The way of assignment.
        5.. => protocol_name: Option<String>,
        /// What the member is to read.
        0.. => assignment: Vec<u8>,
    }
}

impl SyncGroupRequest {
    /// The answer that says `error` and assigns nothing.
    pub fn error_response(&self, error: Errors) -> SyncGroupResponse {
        SyncGroupResponse { error_code: error.code(), ..SyncGroupResponse::default() }
    }
}
