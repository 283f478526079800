//! Port of `org.apache.kafka.common.requests.DeleteAclsRequest` and `DeleteAclsResponse`: removes
//! access rules, in the numbers of [`acl_filter`](crate::protocol::acl_filter).

use crate::common::errors::Errors;
use crate::protocol::acl_filter::{AclFilter, LITERAL_PATTERN};
use crate::protocol::wire::message_table::message;

message! {
    pub struct DeleteAclsRequest {
        /// A rule that any of them matches is deleted.
        0.. => filters: Vec<DeleteAclsFilter>,
    }

    pub struct DeleteAclsFilter {
        0.. => filter: AclFilter,
    }

    pub struct DeleteAclsResponse {
        0.. => throttle_time_ms: i32,
        0.. => filter_results: Vec<DeleteAclsFilterResult>,
    }

    pub struct DeleteAclsFilterResult {
        0.. => error_code: i16,
        0.. => error_message: Option<String>,
        0.. => matching_acls: Vec<DeleteAclsMatchingAcl>,
    }

    pub struct DeleteAclsMatchingAcl {
        0.. => error_code: i16,
        0.. => error_message: Option<String>,
        0.. => resource_type: i8,
        0.. => resource_name: String,
        1.. => pattern_type: i8 = LITERAL_PATTERN,
        0.. => principal: String,
        0.. => host: String,
        0.. => operation: i8,
        0.. => permission_type: i8,
    }
}

impl DeleteAclsRequest {
    /// Every filter fails with `error`.
    pub fn error_response(&self, error: Errors) -> DeleteAclsResponse {
        let result = |_: &DeleteAclsFilter| DeleteAclsFilterResult {
            error_code: error.code(),
            error_message: Some(error.message().to_string()),
            matching_acls: Vec::new(),
        };
        let filter_results = self.filters.iter().map(result).collect();
        DeleteAclsResponse { throttle_time_ms: 0, filter_results }
    }
}
