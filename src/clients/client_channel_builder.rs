//! Port of `org.apache.kafka.common.network.ChannelBuilder` in the mode CLIENT: what stands between a connection
//! to another node and its socket, and how this broker proves there who it is.
//!
//! What follows the settings of a listener lies in `security`; here is what a channel needs of it.

use std::fmt::Debug;
use std::io;
use std::time::{Duration, Instant};

use crate::clients::watched_socket::WatchedSocket;

/// Makes what a connection goes through, for the nodes behind one kind of listener.
pub trait ClientChannelBuilder: Debug + Send + Sync {
    /// What carries the bytes of a connection to `host`. A handshake is over when this returns.
    ///
    /// # Errors
    /// What has gone wrong, with the setting to look at; `TimedOut` at the deadline.
    fn build_transport(
        &self,
        socket: WatchedSocket,
        host: &str,
        deadline: Instant,
    ) -> io::Result<Box<dyn ClientTransport>>;

    /// What authenticates this broker there; `None` if nobody asks for it.
    fn build_authenticator(&self, client_id: &str) -> Option<Box<dyn ClientAuthenticator>>;
}

/// The bytes of one connection, for a thread that waits: Kafka's `TransportLayer`.
pub trait ClientTransport: Debug + Send {
    /// As [`WatchedSocket::read_some`].
    ///
    /// # Errors
    /// As [`WatchedSocket::read_some`]; what is wrong with the encryption.
    fn read_some(&mut self, room: &mut [u8], deadline: Instant) -> io::Result<usize>;

    /// As [`WatchedSocket::write_whole`].
    ///
    /// # Errors
    /// As [`WatchedSocket::write_whole`]; what is wrong with the encryption.
    fn write_whole(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<()>;

    /// What carries them.
    fn socket(&self) -> &WatchedSocket;
}

/// Sends a request, without its size in front, and returns the frame of its response.
pub type Exchange<'a> = dyn FnMut(&[u8]) -> io::Result<Vec<u8>> + 'a;

/// Proves who this broker is, on one connection: Kafka's `Authenticator` of a client.
pub trait ClientAuthenticator: Debug + Send {
    /// Authenticates, by requests of its own. Returns after which time it is to be done again, on the same
    /// connection; `None` if never.
    ///
    /// # Errors
    /// `PermissionDenied` if the node does not believe it, or is not whom it should be; what `exchange` fails
    /// with.
    fn authenticate(&mut self, exchange: &mut Exchange<'_>) -> io::Result<Option<Duration>>;
}

/// For listeners that nobody has to be known by: port of `PlaintextChannelBuilder`.
#[derive(Debug)]
pub struct PlaintextClientChannelBuilder;

impl ClientChannelBuilder for PlaintextClientChannelBuilder {
    fn build_transport(
        &self,
        socket: WatchedSocket,
        _: &str,
        _: Instant,
    ) -> io::Result<Box<dyn ClientTransport>> {
        Ok(Box::new(socket))
    }

    fn build_authenticator(&self, _: &str) -> Option<Box<dyn ClientAuthenticator>> {
        None
    }
}

/// Bytes as they are.
impl ClientTransport for WatchedSocket {
    fn read_some(&mut self, room: &mut [u8], deadline: Instant) -> io::Result<usize> {
        WatchedSocket::read_some(self, room, deadline)
    }

    fn write_whole(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<()> {
        WatchedSocket::write_whole(self, bytes, deadline)
    }

    fn socket(&self) -> &WatchedSocket {
        self
    }
}
