//! Port of `org.apache.kafka.common.network.SslTransportLayer`: a `mio` socket whose bytes are
//! encrypted. The one file, with its halves `ssl_handshake.rs` and `user_space_tls.rs`, that knows
//! what a TLS library looks like at work.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use log::debug;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;

use crate::common::metrics::Metrics;
use crate::common::step::step;
use crate::common::x509_certificate::X509Certificate;
use crate::transport::plaintext_transport_layer::uninterrupted;
use crate::transport::ssl_handshake::SslHandshake;
use crate::transport::transport_layer::{HandshakeStatus, TransportLayer};
use crate::transport::user_space_tls::{KeyLimits, Net, UserSpaceTls};

/// A connection whose bytes are encrypted.
pub struct SslTransportLayer {
    stream: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
    metrics: Arc<Metrics>,
    key_limits: KeyLimits,
    state: State,
    /// The name in the certificate that the peer has shown.
    peer_principal: Option<String>,
}

/// What a connection goes through, in this order.
enum State {
    Handshake(SslHandshake),
    /// This process encrypts and decrypts.
    UserSpace(UserSpaceTls),
    /// The handshake has failed.
    Closed,
}

impl SslTransportLayer {
    /// Takes over `stream`, whose other end is `peer` and begins a handshake. Port of
    /// `SslTransportLayer.create`.
    ///
    /// # Errors
    /// If the socket does not know its own address.
    pub fn create(
        stream: TcpStream,
        peer: SocketAddr,
        config: Arc<ServerConfig>,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let local = stream.local_addr()?;
        let tls = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
        let state = State::Handshake(SslHandshake::start(tls));
        let key_limits = KeyLimits::default();
        Ok(Self { stream, peer, local, metrics, key_limits, state, peer_principal: None })
    }

    /// With other limits for the use of a key.
    #[must_use]
    pub fn with_key_limits(self, key_limits: KeyLimits) -> Self {
        Self { key_limits, ..self }
    }

    /// Goes on in the state that comes after the handshake.
    fn handshake_finished(&mut self) -> io::Result<()> {
        let State::Handshake(handshake) = std::mem::replace(&mut self.state, State::Closed) else {
            return Ok(());
        };
        let tls = handshake.handshake_finished();
        if let Some(certificate) = tls.peer_certificates().and_then(<[_]>::first) {
            let parsed = X509Certificate::parse(certificate).map_err(|why| {
                let why = format!("the certificate of the client cannot be read: {why}");
                io::Error::new(io::ErrorKind::InvalidData, why)
            })?;
            self.peer_principal = Some(parsed.subject);
        }
        if let (Some(version), Some(suite)) =
            (tls.protocol_version(), tls.negotiated_cipher_suite())
        {
            debug!("{}: {version:?} with {:?}", self.peer, suite.suite());
        }
        // The kernel may take over here: nothing that the peer has sent since the handshake was read,
        // and all of ours has left. `tls.dangerous_into_kernel_connection()` gives the keys.
        self.state = State::UserSpace(UserSpaceTls::new(tls, self.key_limits));
        Ok(())
    }

    /// The state in which bytes come and go, and the socket.
    fn secured(&mut self) -> io::Result<(&mut UserSpaceTls, Net<'_>)> {
        match &mut self.state {
            State::UserSpace(tls) => {
                Ok((tls, Net { stream: &mut self.stream, metrics: &self.metrics }))
            }
            State::Handshake(_) | State::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl TransportLayer for SslTransportLayer {
    fn ready(&self) -> bool {
        matches!(self.state, State::UserSpace(_))
    }

    fn handshake(&mut self) -> io::Result<HandshakeStatus> {
        let State::Handshake(handshake) = &mut self.state else {
            return Ok(HandshakeStatus::Finished);
        };
        let _step = step!("SslTransportLayer.handshake", "with {}", self.peer);
        match handshake.handshake(&mut self.stream) {
            Ok(HandshakeStatus::Finished) => {
                self.handshake_finished()?;
                Ok(HandshakeStatus::Finished)
            }
            Err(error) => {
                self.state = State::Closed;
                Err(error)
            }
            unfinished => unfinished,
        }
    }

    fn peer_principal(&self) -> Option<&str> {
        self.peer_principal.as_deref()
    }

    fn has_pending_writes(&self) -> bool {
        matches!(&self.state, State::UserSpace(tls) if tls.has_pending_writes())
    }

    fn close(&mut self) {
        if let Ok((tls, mut net)) = self.secured() {
            tls.close(&mut net);
        }
    }

    fn read(&mut self, dst: &mut [u8], spare: &mut [u8]) -> io::Result<usize> {
        let (tls, mut net) = self.secured()?;
        tls.read(&mut net, dst, spare)
    }

    fn has_unread(&mut self) -> io::Result<bool> {
        if matches!(&self.state, State::UserSpace(tls) if tls.has_unread()) {
            return Ok(true);
        }
        match uninterrupted(|| self.stream.peek(&mut [0])) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            peeked => Ok(peeked? > 0),
        }
    }

    fn write(&mut self, src: &[u8], more: bool) -> io::Result<usize> {
        let (tls, mut net) = self.secured()?;
        tls.write(&mut net, src, more)
    }

    fn transfer_from(&mut self, file: &File, position: u64, count: usize) -> io::Result<usize> {
        let _step = step!(
            [18] "SslTransportLayer.transferFrom",
            "position {position}: {count} bytes to go"
        );
        let (tls, mut net) = self.secured()?;
        tls.transfer_from(&mut net, file, position, count)
    }

    fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.stream, token, Interest::READABLE | Interest::WRITABLE)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        registry.deregister(&mut self.stream)
    }
}
