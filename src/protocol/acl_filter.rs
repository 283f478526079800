//! Port of `org.apache.kafka.common.acl.AclBindingFilter`: what describe_acls and delete_acls ask
//! for.
//!
//! The numbers of resource types, pattern types, operations and permissions are those of
//! `org.apache.kafka.common.resource` and `org.apache.kafka.common.acl`.

use crate::protocol::wire::message_table::message_part;

/// The type of a pattern that is a plain name; before version 1 there was no other.
pub const LITERAL_PATTERN: i8 = 3;

message_part! {
    pub struct AclFilter {
        /// 1 matches any.
        0.. => resource_type_filter: i8,
        /// Null matches any.
        0.. => resource_name_filter: Option<String>,
        /// 1 matches any pattern, 2 every pattern that the name above matches, 3 literal, 4
        /// prefixed ones.
        1.. => pattern_type_filter: i8 = LITERAL_PATTERN,
        /// Null matches any.
        0.. => principal_filter: Option<String>,
        /// Null matches any.
        0.. => host_filter: Option<String>,
        /// 1 matches any.
        0.. => operation: i8,
        /// 1 matches any, 2 is deny, 3 allow.
        0.. => permission_type: i8,
    }
}
