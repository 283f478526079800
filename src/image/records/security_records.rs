//! Port of `AccessControlEntryRecord`, `UserScramCredentialRecord`, `DelegationTokenRecord` and the
//! records that remove them (`org.apache.kafka.common.metadata`).

use crate::protocol::wire::json_converter::json_message;
use crate::protocol::wire::secret_bytes::SecretBytes;
use crate::protocol::wire::uuid::Uuid;

json_message! {
    /// Types and operations by Kafka's numbers.
    pub struct AccessControlEntryRecord {
        0.. => id: Uuid,
        0.. => resource_type: i8,
        0.. => resource_name: String,
        0.. => pattern_type: i8,
        0.. => principal: String,
        0.. => host: String,
        0.. => operation: i8,
        0.. => permission_type: i8,
    }

    pub struct RemoveAccessControlEntryRecord {
        0.. => id: Uuid,
    }

    pub struct UserScramCredentialRecord {
        0.. => name: String,
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        0.. => mechanism: i8,
        0.. => salt: SecretBytes,
        0.. => stored_key: SecretBytes,
        0.. => server_key: SecretBytes,
        0.. => iterations: i32,
    }

    pub struct RemoveUserScramCredentialRecord {
        0.. => name: String,
        0.. => mechanism: i8,
    }

    /// Times in milliseconds since 1970.
    pub struct DelegationTokenRecord {
        0.. => owner: String,
        0.. => requester: String,
        0.. => renewers: Vec<String>,
        0.. => issue_timestamp: i64,
        0.. => max_timestamp: i64,
        0.. => expiration_timestamp: i64,
        0.. => token_id: String,
    }

    pub struct RemoveDelegationTokenRecord {
        0.. => token_id: String,
    }
}
