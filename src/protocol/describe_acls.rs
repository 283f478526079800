//! Port of `org.apache.kafka.common.requests.DescribeAclsRequest` and `DescribeAclsResponse`: lists
//! access rules, in the numbers of [`acl_filter`](crate::protocol::acl_filter).

use crate::common::errors::Errors;
use crate::protocol::acl_filter::{AclFilter, LITERAL_PATTERN};
use crate::protocol::wire::message_table::message;

message! {
    pub struct DescribeAclsRequest {
        0.. => filter: AclFilter,
    }

    pub struct DescribeAclsResponse {
        0.. => throttle_time_ms: i32,
        0.. => error_code: i16,
        0.. => error_message: Option<String>,
        0.. => resources: Vec<DescribeAclsResource>,
    }

    pub struct DescribeAclsResource {
        0.. => resource_type: i8,
        0.. => resource_name: String,
        1.. => pattern_type: i8 = LITERAL_PATTERN,
        0.. => acls: Vec<AclDescription>,
    }

    pub struct AclDescription {
        0.. => principal: String,
        0.. => host: String,
        0.. => operation: i8,
        0.. => permission_type: i8,
    }
}

impl DescribeAclsRequest {
    pub fn error_response(&self, error: Errors) -> DescribeAclsResponse {
        DescribeAclsResponse {
            error_code: error.code(),
            error_message: Some(error.message().to_string()),
            ..DescribeAclsResponse::default()
        }
    }
}
