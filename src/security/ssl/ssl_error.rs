//! What is wrong with a key, a certificate or a setting of TLS.

use std::fmt;
use std::io;

use crate::common::errors::KafkaError;

/// A sentence that says which setting or file it is, what is wrong with it, and what mends it. It
/// holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SslError(String);

impl SslError {
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for SslError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SslError {}

impl From<SslError> for KafkaError {
    fn from(error: SslError) -> Self {
        Self::Io(io::Error::new(io::ErrorKind::InvalidInput, error))
    }
}
