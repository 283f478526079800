//! Port of `org.apache.kafka.common.requests.SaslAuthenticateRequest` and `SaslAuthenticateResponse`:
//! the tokens of a mechanism, with an error that has room for words.

use std::fmt;
use std::ops::Deref;

use crate::common::errors::Errors;
use crate::protocol::wire::decode_error::DecodeError;
use crate::protocol::wire::message_table::message;
use crate::protocol::wire::types::{Reader, Version, WireType, Writer};

message! {
    pub struct SaslAuthenticateRequest {
        0.. => auth_bytes: SaslToken,
    }

    pub struct SaslAuthenticateResponse {
        0.. => error_code: i16,
        /// Empty where nothing is wrong, as Kafka writes it, although null may be read.
        0.. => error_message: Option<String> = Some(String::new()),
        0.. => auth_bytes: SaslToken,
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

/// What a mechanism sends: a password, or a proof of one. Nothing that prints it prints more than its
/// length.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SaslToken(pub Vec<u8>);

impl Deref for SaslToken {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SaslToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

impl WireType for SaslToken {
    fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        Vec::<u8>::read(reader, version).map(Self)
    }

    fn write(&self, writer: &mut Writer<'_>, version: Version) {
        self.0.write(writer, version);
    }

    fn size_min(version: Version) -> usize {
        Vec::<u8>::size_min(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_shows_nothing_but_its_length() {
        let request =
            SaslAuthenticateRequest { auth_bytes: SaslToken(b"\0alice\0secret".to_vec()) };
        assert_eq!(format!("{request:?}"), "SaslAuthenticateRequest { auth_bytes: [13 bytes] }");
    }
}
