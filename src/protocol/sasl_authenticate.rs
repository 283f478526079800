//! Port of `org.apache.kafka.common.requests.SaslAuthenticateRequest` and `SaslAuthenticateResponse`:
//! the tokens of a mechanism, with an error that has room for words.

use crate::common::errors::Errors;
use crate::protocol::api_keys::ApiKeys;
use crate::protocol::client_request::ClientRequest;
use crate::protocol::wire::message_table::message;
use crate::protocol::wire::secret_bytes::SecretBytes;

message! {
    pub struct SaslAuthenticateRequest {
        /// A password, or a proof of one.
        0.. => auth_bytes: SecretBytes,
    }

    pub struct SaslAuthenticateResponse {
        0.. => error_code: i16,
        /// Empty where nothing is wrong, as Kafka writes it, although null may be read.
        0.. => error_message: Option<String> = Some(String::new()),
        0.. => auth_bytes: SecretBytes,
        /// When the client has to authenticate anew; 0: never.
        1.. => session_lifetime_ms: i64,
    }
}

impl SaslAuthenticateRequest {
    pub fn error_response(&self, error: Errors) -> SaslAuthenticateResponse {
        SaslAuthenticateResponse {
            error_code: error.code(),
            error_message: Some(error.message().to_string()),
            ..SaslAuthenticateResponse::default()
        }
    }
}

/// As this broker logs in to other nodes.
impl ClientRequest for SaslAuthenticateRequest {
    const NAME: &'static str = "SaslAuthenticate";
    const API_KEY: i16 = ApiKeys::SaslAuthenticate.id();
    const FIRST_FLEXIBLE_VERSION: i16 = 2;
    type Response = SaslAuthenticateResponse;
}
