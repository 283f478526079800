//! Port of `org.apache.kafka.common.requests.DeleteGroupsRequest` and `DeleteGroupsResponse`:
//! deletes groups with their offsets.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    pub struct DeleteGroupsRequest {
        0.. => groups_names: Vec<String>,
    }

    pub struct DeleteGroupsResponse {
        0.. => throttle_time_ms: i32,
        0.. => results: Vec<DeletableGroupResult>,
    }

    pub struct DeletableGroupResult {
        0.. => group_id: String,
        0.. => error_code: i16,
    }
}

impl DeleteGroupsRequest {
    /// Every group fails with `error`.
    pub fn error_response(&self, error: Errors) -> DeleteGroupsResponse {
        let result = |group_id: &String| DeletableGroupResult {
            group_id: group_id.clone(),
            error_code: error.code(),
        };
        let results = self.groups_names.iter().map(result).collect();
        DeleteGroupsResponse { throttle_time_ms: 0, results }
    }
}
