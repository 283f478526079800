//! In place of `javax.security.sasl.SaslServer` and `SaslServerFactory`: one mechanism, at work for one
//! client.

use std::fmt;

/// The server's side of one exchange.
pub trait SaslServer: Send {
    /// Takes a token of the client, and returns the one that answers it, which may be empty. Not called
    /// once it is complete.
    ///
    /// # Errors
    /// Why the client is not who it says it is.
    fn evaluate_response(&mut self, token: &[u8]) -> Result<Vec<u8>, SaslError>;

    /// Whether the client has proved who it is.
    fn is_complete(&self) -> bool;

    /// Whom the client speaks for, once the exchange is complete: the name of its principal.
    fn authorization_id(&self) -> &str;

    /// When what the client has shown expires, in milliseconds since 1970; never if there is none.
    fn credential_expiration_ms(&self) -> Option<i64> {
        None
    }
}

/// Makes the server's side of a mechanism for one listener.
pub trait SaslServerFactory: Send + Sync {
    /// As clients name it: `SCRAM-SHA-256`.
    fn mechanism(&self) -> &'static str;

    fn create_sasl_server(&self) -> Box<dyn SaslServer>;
}

/// Why an exchange has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaslError {
    /// Said to the client, too: it tells nobody whether a user exists (KAFKA-7915). Kafka's
    /// `SaslAuthenticationException`.
    Authentication(String),
    /// For the log alone; the client gets the same words for every such failure. Java's `SaslException`.
    Failed(String),
}

impl fmt::Display for SaslError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authentication(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for SaslError {}
