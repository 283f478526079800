//! Port of `org.apache.kafka.common.requests.CreateAclsRequest` and `CreateAclsResponse`: adds
//! access rules, in the numbers of [`acl_filter`](crate::protocol::acl_filter).

use crate::common::errors::Errors;
use crate::protocol::acl_filter::LITERAL_PATTERN;
use crate::protocol::wire::message_table::message;

message! {
    pub struct CreateAclsRequest {
        0.. => creations: Vec<AclCreation>,
    }

    pub struct AclCreation {
        0.. => resource_type: i8,
        0.. => resource_name: String,
        1.. => resource_pattern_type: i8 = LITERAL_PATTERN,
        0.. => principal: String,
        0.. => host: String,
        0.. => operation: i8,
        0.. => permission_type: i8,
    }

    pub struct CreateAclsResponse {
        0.. => throttle_time_ms: i32,
        0.. => results: Vec<AclCreationResult>,
    }

    pub struct AclCreationResult {
        0.. => error_code: i16,
        0.. => error_message: Option<String>,
    }
}

impl CreateAclsRequest {
    /// Every rule fails with `error`.
    pub fn error_response(&self, error: Errors) -> CreateAclsResponse {
        let result = |_: &AclCreation| AclCreationResult {
            error_code: error.code(),
            error_message: Some(error.message().to_string()),
        };
        let results = self.creations.iter().map(result).collect();
        CreateAclsResponse { throttle_time_ms: 0, results }
    }
}
