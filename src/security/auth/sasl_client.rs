//! In place of `javax.security.sasl.SaslClient` and `SaslClientFactory`: one mechanism, at work where this broker
//! is the client.

use std::fmt::Debug;

use crate::security::auth::sasl_server::SaslError;

/// The client's side of one exchange. Kafka's mechanisms all begin with a message of the client.
pub trait SaslClient: Debug + Send {
    /// The first token.
    ///
    /// # Errors
    /// If the system has no random numbers.
    fn initial_response(&mut self) -> Result<Vec<u8>, SaslError>;

    /// Takes a token of the server. Returns the one that answers it; `None` if the exchange is over, and the
    /// server has shown all that it has to.
    ///
    /// # Errors
    /// Why the server is not to be believed.
    fn evaluate_challenge(&mut self, token: &[u8]) -> Result<Option<Vec<u8>>, SaslError>;
}

/// Makes the client's side of a mechanism, with the credentials of this broker.
pub trait SaslClientFactory: Debug + Send + Sync {
    /// As servers name it: `SCRAM-SHA-256`.
    fn mechanism(&self) -> &'static str;

    fn create_sasl_client(&self) -> Box<dyn SaslClient>;
}
