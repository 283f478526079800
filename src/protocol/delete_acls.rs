//! Port of `org.apache.kafka.common.requests.DeleteAclsRequest` and `DeleteAclsResponse`: access
//! rules go, in the numbers of [`describe_acls`](crate::protocol::describe_acls).

use crate::common::errors::Errors;
use crate::protocol::describe_acls::LITERAL_PATTERN;
use crate::protocol::wire::message_table::message;

message! {
    /// Access rules to take away.
    pub struct DeleteAclsRequest {
        /// What the rules have in common; one that any of them matches goes.
        0.. => filters: Vec<DeleteAclsFilter>,
    }

    /// What access rules have in common.
    pub struct DeleteAclsFilter {
        /// What the rules are for, 1 for anything.
        0.. => resource_type_filter: i8,
        /// Its name, null for any.
        0.. => resource_name_filter: Option<String>,
        /// How a rule's name is meant: 1 in any way, 2 so that it matches the name above, 3 as a
        /// name, 4 as the beginning of names.
        1.. => pattern_type_filter: i8 = LITERAL_PATTERN,
        /// Whom the rules are about, null for anybody.
        0.. => principal_filter: Option<String>,
        /// The address from which they act, null for any.
        0.. => host_filter: Option<String>,
        /// What they do, 1 for anything.
        0.. => operation: i8,
        /// Whether they may: 1 for both, 2 for no, 3 for yes.
        0.. => permission_type: i8,
    }

    /// What became of them.
    pub struct DeleteAclsResponse {
        /// How long the response was held back by a quota, in milliseconds.
        0.. => throttle_time_ms: i32,
        /// The filters of the request.
        0.. => filter_results: Vec<DeleteAclsFilterResult>,
    }

    /// What became of the rules that one filter matches.
    pub struct DeleteAclsFilterResult {
        /// What went wrong with the filter.
        0.. => error_code: i16,
        /// The same for a person, null if nothing did.
        0.. => error_message: Option<String>,
        /// The rules.
        0.. => matching_acls: Vec<DeleteAclsMatchingAcl>,
    }

    /// What became of one rule.
    pub struct DeleteAclsMatchingAcl {
        /// What went wrong.
        0.. => error_code: i16,
        /// The same for a person, null if nothing did.
        0.. => error_message: Option<String>,
        /// What it was for.
        0.. => resource_type: i8,
        /// Its name.
        0.. => resource_name: String,
        /// How the name was meant.
        1.. => pattern_type: i8 = LITERAL_PATTERN,
        /// Whom it was about.
        0.. => principal: String,
        /// The address from which they acted.
        0.. => host: String,
        /// What they did.
        0.. => operation: i8,
        /// Whether they might.
        0.. => permission_type: i8,
    }
}

impl DeleteAclsRequest {
    /// The answer that says `error` for every filter.
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
