//! Port of `org.apache.kafka.common.requests.DescribeAclsRequest` and `DescribeAclsResponse`: who
//! may do what.
//!
//! The numbers of resource types, pattern types, operations and permissions are those of
//! `org.apache.kafka.common.resource` and `org.apache.kafka.common.acl`.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

/// The type of a pattern that is a name and no more; before version 1 there was no other.
pub const LITERAL_PATTERN: i8 = 3;

message! {
    /// A question for access rules.
    pub struct DescribeAclsRequest {
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

    /// Access rules.
    pub struct DescribeAclsResponse {
        /// How long the response was held back by a quota, in milliseconds.
        0.. => throttle_time_ms: i32,
        /// What went wrong.
        0.. => error_code: i16,
        /// The same for a person, null if nothing did.
        0.. => error_message: Option<String>,
        /// What there are rules for.
        0.. => resources: Vec<DescribeAclsResource>,
    }

    /// The access rules for one pattern of resources.
    pub struct DescribeAclsResource {
        /// What they are for.
        0.. => resource_type: i8,
        /// Its name.
        0.. => resource_name: String,
        /// How the name is meant.
        1.. => pattern_type: i8 = LITERAL_PATTERN,
        /// The rules.
        0.. => acls: Vec<AclDescription>,
    }

    /// An access rule.
    pub struct AclDescription {
        /// Whom it is about.
        0.. => principal: String,
        /// The address from which they act.
        0.. => host: String,
        /// What they do.
        0.. => operation: i8,
        /// Whether they may.
        0.. => permission_type: i8,
    }
}

impl DescribeAclsRequest {
    /// The answer that says `error` and names no rule.
    pub fn error_response(&self, error: Errors) -> DescribeAclsResponse {
        DescribeAclsResponse {
            error_code: error.code(),
            error_message: Some(error.message().to_string()),
            ..DescribeAclsResponse::default()
        }
    }
}
