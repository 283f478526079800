//! Port of `org.apache.kafka.common.requests.CreateAclsRequest` and `CreateAclsResponse`: new
//! access rules, in the numbers of [`describe_acls`](crate::protocol::describe_acls).

use crate::common::errors::Errors;
use crate::protocol::describe_acls::LITERAL_PATTERN;
use crate::protocol::wire::message_table::message;

message! {
    /// Access rules to add.
    pub struct CreateAclsRequest {
        /// The rules.
        0.. => creations: Vec<AclCreation>,
    }

    /// An access rule to add.
    pub struct AclCreation {
        /// What it is for.
        0.. => resource_type: i8,
        /// Its name.
        0.. => resource_name: String,
        /// How the name is meant.
        1.. => resource_pattern_type: i8 = LITERAL_PATTERN,
        /// Whom it is about.
        0.. => principal: String,
        /// The address from which they act.
        0.. => host: String,
        /// What they do.
        0.. => operation: i8,
        /// Whether they may.
        0.. => permission_type: i8,
    }

    /// What became of them.
    pub struct CreateAclsResponse {
        /// How long the response was held back by a quota, in milliseconds.
        0.. => throttle_time_ms: i32,
        /// The rules of the request.
        0.. => results: Vec<AclCreationResult>,
    }

    /// What became of one rule.
    pub struct AclCreationResult {
        /// What went wrong.
        0.. => error_code: i16,
        /// The same for a person, null if nothing did.
        0.. => error_message: Option<String>,
    }
}

impl CreateAclsRequest {
    /// The answer that says `error` for every rule.
    pub fn error_response(&self, error: Errors) -> CreateAclsResponse {
        let result = |_: &AclCreation| AclCreationResult {
            error_code: error.code(),
            error_message: Some(error.message().to_string()),
        };
        let results = self.creations.iter().map(result).collect();
        CreateAclsResponse { throttle_time_ms: 0, results }
    }
}
