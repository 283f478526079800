//! Port of `org.apache.kafka.common.network.Authenticator` and `DefaultAuthenticator`: who is at
//! the other end of a connection.

use crate::common::kafka_principal::KafkaPrincipal;

/// Establishes whom a connection speaks for.
///
/// A channel is not ready, and reads no request, until its authenticator is
/// [`complete`](Self::complete). Kafka's `authenticate`, which exchanges bytes with the client
/// until then, has no counterpart yet: the one authenticator there is has nothing to exchange.
pub trait Authenticator: std::marker::Send {
    /// Whether the peer is known.
    fn complete(&self) -> bool;

    /// Whom the connection speaks for, once the authenticator is complete.
    fn principal(&self) -> &KafkaPrincipal;
}

/// The authenticator of PLAINTEXT: exchanges nothing, so every client is anonymous.
pub struct DefaultAuthenticator {
    principal: KafkaPrincipal,
}

impl DefaultAuthenticator {
    /// Complete from the start, with the principal `User:ANONYMOUS`.
    pub fn new() -> Self {
        Self { principal: KafkaPrincipal::anonymous() }
    }
}

impl Default for DefaultAuthenticator {
    fn default() -> Self {
        Self::new()
    }
}

impl Authenticator for DefaultAuthenticator {
    fn complete(&self) -> bool {
        true
    }

    fn principal(&self) -> &KafkaPrincipal {
        &self.principal
    }
}
