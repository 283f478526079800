//! Port of `org.apache.kafka.common.network.Authenticator` and `DefaultAuthenticator`: who is at
//! the other end of a connection.

use std::fmt;

use crate::common::kafka_principal::KafkaPrincipal;
use crate::transport::transport_layer::TransportLayer;

/// Establishes whom a connection speaks for.
///
/// A channel is not ready, and reads no request, until its authenticator is
/// [`complete`](Self::complete). Kafka's authenticators read and write the socket themselves; here the
/// channel does, as it does for requests, and an authenticator gets each frame and returns its answer.
///
/// No call waits, and none works longer than a signature takes.
pub trait Authenticator: std::marker::Send {
    /// Begins: the connection is established, and secured if that is its way.
    ///
    /// # Errors
    /// Why the peer is nobody that this listener knows.
    fn begin(&mut self, transport: &dyn TransportLayer) -> Result<(), AuthenticationError> {
        let _ = transport;
        Ok(())
    }

    /// Takes the next frame of the client, and returns the frame that answers it. Called until it is
    /// complete. `now_ns` is the monotonic clock's.
    ///
    /// # Errors
    /// Why the connection is to be closed, and the last answer, if one is due.
    fn authenticate(&mut self, frame: &[u8], now_ns: i64) -> Result<Vec<u8>, AuthenticationError>;

    /// Whether the peer is known.
    fn complete(&self) -> bool;

    /// Whom the connection speaks for, once the authenticator is complete.
    fn principal(&self) -> &KafkaPrincipal;

    /// The largest frame that it takes, in bytes, and the setting that says so; `None` if it is the
    /// same as for requests.
    fn max_receive_size(&self) -> Option<(i32, &'static str)> {
        None
    }

    /// Begins again, if the client may authenticate anew (KIP-368) with the request in `frame`, which
    /// is the next to be passed to [`authenticate`](Self::authenticate). Otherwise nothing changes,
    /// and the request is one like any other.
    fn begin_reauthentication(&mut self, frame: &[u8], now_ns: i64) -> bool {
        let _ = (frame, now_ns);
        false
    }

    /// When the session ends unless the client authenticates anew, by the monotonic clock: Kafka's
    /// `serverSessionExpirationTimeNanos`. Without it there is no end.
    fn session_expiration_ns(&self) -> Option<i64> {
        None
    }
}

/// Why a client is not let in.
#[derive(Clone, PartialEq, Eq)]
pub enum AuthenticationError {
    /// It has not proved who it is. The answer, if there is one, is held back for
    /// `connection.failed.authentication.delay.ms` (KIP-306), and then the connection is closed.
    Failed { why: String, answer: Option<Vec<u8>> },
    /// What it sent has no place here: the connection is closed at once.
    InvalidRequest(String),
}

impl fmt::Display for AuthenticationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { why, .. } | Self::InvalidRequest(why) => f.write_str(why),
        }
    }
}

/// Without the answer, which may hold what nobody is to see.
impl fmt::Debug for AuthenticationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for AuthenticationError {}

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
    fn authenticate(&mut self, _: &[u8], _: i64) -> Result<Vec<u8>, AuthenticationError> {
        Err(AuthenticationError::InvalidRequest("this listener has nothing to exchange".into()))
    }

    fn complete(&self) -> bool {
        true
    }

    fn principal(&self) -> &KafkaPrincipal {
        &self.principal
    }
}
