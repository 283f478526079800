//! Port of `org.apache.kafka.common.requests.AlterUserScramCredentialsRequest` and
//! `AlterUserScramCredentialsResponse`: makes and removes users of SCRAM.

use std::collections::HashSet;

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;
use crate::protocol::wire::secret_bytes::SecretBytes;

message! {
    pub struct AlterUserScramCredentialsRequest {
        0.. => deletions: Vec<ScramCredentialDeletion>,
        0.. => upsertions: Vec<ScramCredentialUpsertion>,
    }

    pub struct ScramCredentialDeletion {
        0.. => name: String,
        /// 1 is SCRAM-SHA-256, 2 is SCRAM-SHA-512.
        0.. => mechanism: i8,
    }

    pub struct ScramCredentialUpsertion {
        0.. => name: String,
        /// 1 is SCRAM-SHA-256, 2 is SCRAM-SHA-512.
        0.. => mechanism: i8,
        0.. => iterations: i32,
        0.. => salt: Vec<u8>,
        /// The password, hashed so many times by the client. Who has it can log in.
        0.. => salted_password: SecretBytes,
    }

    pub struct AlterUserScramCredentialsResponse {
        0.. => throttle_time_ms: i32,
        /// One for each user, whatever was asked of it.
        0.. => results: Vec<AlterUserScramCredentialsResult>,
    }

    pub struct AlterUserScramCredentialsResult {
        0.. => user: String,
        0.. => error_code: i16,
        0.. => error_message: Option<String>,
    }
}

impl AlterUserScramCredentialsRequest {
    /// The users that it names, each once, deletions first.
    pub fn users(&self) -> Vec<&str> {
        let deletions = self.deletions.iter().map(|it| it.name.as_str());
        let upsertions = self.upsertions.iter().map(|it| it.name.as_str());
        let mut named = HashSet::new();
        deletions.chain(upsertions).filter(|name| named.insert(*name)).collect()
    }

    /// Every user fails with `error`.
    pub fn error_response(&self, error: Errors) -> AlterUserScramCredentialsResponse {
        let result = |user: &str| AlterUserScramCredentialsResult {
            user: user.to_string(),
            error_code: error.code(),
            error_message: Some(error.message().to_string()),
        };
        let results = self.users().into_iter().map(result).collect();
        AlterUserScramCredentialsResponse { throttle_time_ms: 0, results }
    }
}
