//! Port of `org.apache.kafka.common.requests.DescribeGroupsRequest` and `DescribeGroupsResponse`:
//! the state and the members of groups.

use crate::common::errors::Errors;
use crate::protocol::metadata::OPERATIONS_NOT_ASKED_FOR;
use crate::protocol::wire::message_table::message;

message! {
    /// A question for groups.
    pub struct DescribeGroupsRequest {
        /// The groups.
        0.. => groups: Vec<String>,
        /// Whether to say what the client may do with each group.
        3.. => include_authorized_operations: bool,
    }

    /// Groups.
    pub struct DescribeGroupsResponse {
        /// How long the response was held back by a quota, in milliseconds.
        1.. => throttle_time_ms: i32,
        /// The groups of the request.
        0.. => groups: Vec<DescribedGroup>,
    }

    /// A group.
    pub struct DescribedGroup {
        /// What went wrong.
        0.. => error_code: i16,
        /// The group.
        0.. => group_id: String,
        /// Its state, `Dead` for a group that does not exist.
        0.. => group_state: String,
        /// What it is for.
        0.. => protocol_type: String,
        /// The way of assignment that was chosen, empty while there is none.
        0.. => protocol_data: String,
        /// Its members.
        0.. => members: Vec<DescribedGroupMember>,
        /// What the client may do with the group, as a set of bits.
        3.. => authorized_operations: i32 = OPERATIONS_NOT_ASKED_FOR,
    }

    /// A member.
    pub struct DescribedGroupMember {
        /// Its id.
        0.. => member_id: String,
        /// The name under which a static member joined, null for any other.
        4.. => group_instance_id: Option<String>,
        /// What its client calls itself.
        0.. => client_id: String,
        /// The address of its client, with a slash before it.
        0.. => client_host: String,
        /// What it said under the way of assignment that was chosen.
        0.. => member_metadata: Vec<u8>,
        /// What it is to read.
        0.. => member_assignment: Vec<u8>,
    }
}

impl DescribeGroupsRequest {
    /// The answer that says `error` for every group.
    pub fn error_response(&self, error: Errors) -> DescribeGroupsResponse {
        let group = |group_id: &String| DescribedGroup {
            error_code: error.code(),
            group_id: group_id.clone(),
            ..DescribedGroup::default()
        };
        let groups = self.groups.iter().map(group).collect();
        DescribeGroupsResponse { throttle_time_ms: 0, groups }
    }
}
