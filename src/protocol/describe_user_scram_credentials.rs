//! Port of `org.apache.kafka.common.requests.DescribeUserScramCredentialsRequest` and
//! `DescribeUserScramCredentialsResponse`: lists the users of SCRAM.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    pub struct DescribeUserScramCredentialsRequest {
        /// Null or empty for all.
        0.. => users: Option<Vec<UserName>>,
    }

    pub struct UserName {
        0.. => name: String,
    }

    pub struct DescribeUserScramCredentialsResponse {
        0.. => throttle_time_ms: i32,
        0.. => error_code: i16,
        0.. => error_message: Option<String>,
        0.. => results: Vec<DescribeUserScramCredentialsResult>,
    }

    pub struct DescribeUserScramCredentialsResult {
        0.. => user: String,
        0.. => error_code: i16,
        0.. => error_message: Option<String>,
        0.. => credential_infos: Vec<CredentialInfo>,
    }

    /// What everybody may know of a credential.
    pub struct CredentialInfo {
        /// 1 is SCRAM-SHA-256, 2 is SCRAM-SHA-512.
        0.. => mechanism: i8,
        0.. => iterations: i32,
    }
}

impl DescribeUserScramCredentialsRequest {
    pub fn error_response(&self, error: Errors) -> DescribeUserScramCredentialsResponse {
        DescribeUserScramCredentialsResponse {
            error_code: error.code(),
            error_message: Some(error.message().to_string()),
            ..DescribeUserScramCredentialsResponse::default()
        }
    }
}
