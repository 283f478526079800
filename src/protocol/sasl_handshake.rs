//! Port of `org.apache.kafka.common.requests.SaslHandshakeRequest` and `SaslHandshakeResponse`: a
//! client proposes a mechanism by which it could authenticate itself.

use crate::common::errors::Errors;
use crate::protocol::wire::message_table::message;

message! {
    /// The wish to authenticate.
    pub struct SaslHandshakeRequest {
        /// The name of the mechanism, for example `PLAIN`.
        0.. => mechanism: String,
    }

    /// The mechanisms that there are.
    pub struct SaslHandshakeResponse {
        /// What went wrong.
        0.. => error_code: i16,
        /// Their names.
        0.. => mechanisms: Vec<String>,
    }
}

impl SaslHandshakeRequest {
    /// The answer that says `error` and names no mechanism.
    pub fn error_response(&self, error: Errors) -> SaslHandshakeResponse {
        SaslHandshakeResponse { error_code: error.code(), mechanisms: Vec::new() }
    }
}
