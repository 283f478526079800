//! Port of `org.apache.kafka.common.requests.ListGroupsRequest` and `ListGroupsResponse`: lists
//! the groups.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    pub struct ListGroupsRequest {
        /// Empty for all.
        4.. => states_filter: Vec<String>,
        /// Empty for all.
        5.. => types_filter: Vec<String>,
    }

    pub struct ListGroupsResponse {
        1.. => throttle_time_ms: i32,
        0.. => error_code: i16,
        0.. => groups: Vec<ListedGroup>,
    }

    pub struct ListedGroup {
        0.. => group_id: String,
        0.. => protocol_type: String,
        4.. => group_state: String,
        5.. => group_type: String,
    }
}

impl ListGroupsRequest {
    pub fn error_response(&self, error: Errors) -> ListGroupsResponse {
        ListGroupsResponse { error_code: error.code(), ..ListGroupsResponse::default() }
    }
}
