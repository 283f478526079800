//! Port of `org.apache.kafka.common.requests.DeleteGroupsRequest` and `DeleteGroupsResponse`:
//! groups are forgotten, with their offsets.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    /// Groups to forget.
    pub struct DeleteGroupsRequest {
        /// The groups.
        0.. => groups_names: Vec<String>,
    }

    /// What became of them.
    pub struct DeleteGroupsResponse {
        /// How long the response was held back by a quota, in milliseconds.
        0.. => throttle_time_ms: i32,
        /// The groups of the request.
        0.. => results: Vec<DeletableGroupResult>,
    }

    /// What became of one group.
    pub struct DeletableGroupResult {
        /// The group.
        0.. => group_id: String,
        /// What went wrong.
        0.. => error_code: i16,
    }
}

impl DeleteGroupsRequest {
    /// The answer that says `error` for every group.
    pub fn error_response(&self, error: Errors) -> DeleteGroupsResponse {
        let result = |group_id: &String| DeletableGroupResult {
            group_id: group_id.clone(),
            error_code: error.code(),
        };
        let results = self.groups_names.iter().map(result).collect();
        DeleteGroupsResponse { throttle_time_ms: 0, results }
    }
}
