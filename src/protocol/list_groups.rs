//! Port of `org.apache.kafka.common.requests.ListGroupsRequest` and `ListGroupsResponse`: which
//! groups there are.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    /// A question for the groups.
    pub struct ListGroupsRequest {
        /// The states that are wanted, none for all.
        4.. => states_filter: Vec<String>,
        /// The types that are wanted, none for all.
        5.. => types_filter: Vec<String>,
    }

    /// The groups.
    pub struct ListGroupsResponse {
        /// How long the response was held back by a quota, in milliseconds.
        1.. => throttle_time_ms: i32,
        /// What went wrong.
        0.. => error_code: i16,
        /// The groups.
        0.. => groups: Vec<ListedGroup>,
    }

    /// A group.
    pub struct ListedGroup {
        /// The group.
        0.. => group_id: String,
        /// What it is for.
        0.. => protocol_type: String,
        /// Its state.
        4.. => group_state: String,
        /// Its type: `classic`.
        5.. => group_type: String,
    }
}

impl ListGroupsRequest {
    /// The answer that says `error` and names no group.
    pub fn error_response(&self, error: Errors) -> ListGroupsResponse {
        ListGroupsResponse { error_code: error.code(), ..ListGroupsResponse::default() }
    }
}
