//! Port of `org.apache.kafka.common.requests.DescribeGroupsRequest` and `DescribeGroupsResponse`:
//! returns the state and the members of groups.

use crate::common::errors::Errors;
use crate::protocol::metadata::OPERATIONS_NOT_ASKED_FOR;
use crate::protocol::wire::message_table::message;

message! {
    pub struct DescribeGroupsRequest {
        0.. => groups: Vec<String>,
        3.. => include_authorized_operations: bool,
    }

    pub struct DescribeGroupsResponse {
        1.. => throttle_time_ms: i32,
        0.. => groups: Vec<DescribedGroup>,
    }

    pub struct DescribedGroup {
        0.. => error_code: i16,
        0.. => group_id: String,
        /// `Dead` for a group that does not exist.
        0.. => group_state: String,
        0.. => protocol_type: String,
        /// The protocol that was chosen, empty while there is none.
        0.. => protocol_data: String,
        0.. => members: Vec<DescribedGroupMember>,
        3.. => authorized_operations: i32 = OPERATIONS_NOT_ASKED_FOR,
    }

    pub struct DescribedGroupMember {
        0.. => member_id: String,
        /// Null for a member that is not static.
        4.. => group_instance_id: Option<String>,
        0.. => client_id: String,
        /// The address, with a slash before it.
        0.. => client_host: String,
        0.. => member_metadata: Vec<u8>,
        0.. => member_assignment: Vec<u8>,
    }
}

impl DescribeGroupsRequest {
    /// Every group fails with `error`.
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
