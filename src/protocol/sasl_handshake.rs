//! Port of `org.apache.kafka.common.requests.SaslHandshakeRequest` and `SaslHandshakeResponse`:
//! opens an authentication, by a mechanism that the client proposes.

use crate::common::errors::Errors;
use crate::protocol::api_keys::ApiKeys;
use crate::protocol::client_request::ClientRequest;
use crate::protocol::wire::message_table::message;

message! {
    pub struct SaslHandshakeRequest {
        /// For example `PLAIN`.
        0.. => mechanism: String,
    }

    pub struct SaslHandshakeResponse {
        0.. => error_code: i16,
        0.. => mechanisms: Vec<String>,
    }
}

impl SaslHandshakeRequest {
    pub fn error_response(&self, error: Errors) -> SaslHandshakeResponse {
        SaslHandshakeResponse { error_code: error.code(), mechanisms: Vec::new() }
    }
}

/// As this broker logs in to other nodes.
impl ClientRequest for SaslHandshakeRequest {
    const NAME: &'static str = "SaslHandshake";
    const API_KEY: i16 = ApiKeys::SaslHandshake.id();
    /// There is none.
    const FIRST_FLEXIBLE_VERSION: i16 = i16::MAX;
    type Response = SaslHandshakeResponse;
}
