//! Port of `org.apache.kafka.common.network.SslTransportLayer`: a `mio` socket whose bytes are
//! encrypted. The one file, with its halves `ssl_handshake.rs` and `user_space_tls.rs`, that knows
//! what a TLS library looks like at work.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use log::{Level, debug, log};
use mio::net::TcpStream;
use mio::{Registry, Token};
use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;

use crate::common::log_limit::{LogKind, limited};
use crate::common::metrics::Metrics;
use crate::common::step::step;
use crate::common::tls_connections::{EncryptedBy, TlsConnection, TlsConnectionKind};
use crate::common::x509_certificate::X509Certificate;
use crate::transport::kernel_space_tls::{KernelSpaceTls, has_unread};
use crate::transport::kernel_tls::KernelTls;
use crate::transport::plaintext_transport_layer::PlaintextTransportLayer;
use crate::transport::ssl_handshake::SslHandshake;
use crate::transport::tls_offload::{TlsOffload, cipher_name, protocol_name};
use crate::transport::transport_layer::{HandshakeStatus, TransportLayer};
use crate::transport::user_space_tls::{KeyLimits, Net, UserSpaceTls};

/// A connection whose bytes are encrypted.
pub struct SslTransportLayer {
    /// The socket. It is written to and read from directly once the kernel encrypts.
    plaintext: PlaintextTransportLayer,
    metrics: Arc<Metrics>,
    key_limits: KeyLimits,
    offload: TlsOffload,
    state: State,
    /// As one of the connections that are encrypted.
    counted: Option<TlsConnection>,
    /// The name in the certificate that the peer has shown.
    peer_principal: Option<String>,
}

/// What a connection goes through, in this order.
enum State {
    Handshake(SslHandshake),
    /// This process encrypts and decrypts.
    UserSpace(UserSpaceTls),
    /// The kernel does.
    Kernel(Box<KernelSpaceTls>),
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
        let tls = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
        let state = State::Handshake(SslHandshake::start_handshake(tls));
        Ok(Self {
            plaintext: PlaintextTransportLayer::new(stream, peer, Arc::clone(&metrics))?,
            metrics,
            key_limits: KeyLimits::default(),
            offload: TlsOffload::Off,
            state,
            counted: None,
            peer_principal: None,
        })
    }

    /// Gives the connection to the kernel after its handshake, if that can take it.
    #[must_use]
    pub fn with_offload(self, offload: TlsOffload) -> Self {
        Self { offload, ..self }
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
        let (Some(version), Some(suite)) = (tls.protocol_version(), tls.negotiated_cipher_suite())
        else {
            return Err(io::Error::other("a handshake is over without a version and a suite"));
        };
        let suite = suite.suite();
        debug!("{}: {version:?} with {suite:?}", self.peer_addr());
        // Either may take over here: nothing that the peer has sent since the handshake was read, and
        // all of ours has left.
        let by = match self.offload.kernel_for(version, suite) {
            Ok(kernel) => {
                let kernel = Arc::clone(kernel);
                self.state = State::Kernel(Box::new(self.hand_over(*tls, &kernel)?));
                EncryptedBy::Kernel
            }
            Err(why) => {
                self.state = State::UserSpace(UserSpaceTls::new(tls, self.key_limits));
                EncryptedBy::UserSpace(why)
            }
        };
        let (protocol, cipher) = (protocol_name(version), cipher_name(suite));
        let kind = TlsConnectionKind { protocol, cipher, by };
        self.counted = Some(self.metrics.tls_connections.enter(kind));
        Ok(())
    }

    /// Gives the connection to the kernel. If that refuses it, nobody has its keys any more.
    fn hand_over(
        &self,
        tls: UnbufferedServerConnection,
        kernel: &Arc<KernelTls>,
    ) -> io::Result<KernelSpaceTls> {
        let (plaintext, limits) = (&self.plaintext, self.key_limits);
        KernelSpaceTls::take_over(plaintext, tls, kernel, limits, &self.metrics).inspect_err(
            |why| {
                self.metrics.tls_hand_over_failures.increment();
                let level = limited(LogKind::Failures, Level::Warn);
                log!(level, "closing the TLS connection from {}: {why}", self.peer_addr());
            },
        )
    }

    /// The state in which this process encrypts, and the socket.
    fn in_user_space(&mut self) -> io::Result<(&mut UserSpaceTls, Net<'_>)> {
        match &mut self.state {
            State::UserSpace(tls) => {
                let stream = self.plaintext.stream_mut();
                Ok((tls, Net { stream, metrics: &self.metrics }))
            }
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl TransportLayer for SslTransportLayer {
    fn ready(&self) -> bool {
        matches!(self.state, State::UserSpace(_) | State::Kernel(_))
    }

    fn handshake(&mut self) -> io::Result<HandshakeStatus> {
        let State::Handshake(handshake) = &mut self.state else {
            return Ok(HandshakeStatus::Finished);
        };
        let _step = step!("SslTransportLayer.handshake", "with {}", self.plaintext.peer_addr());
        match handshake.handshake(self.plaintext.stream_mut()) {
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
        if let State::Kernel(tls) = &mut self.state {
            tls.close(&self.plaintext);
        } else if let Ok((tls, mut net)) = self.in_user_space() {
            tls.close(&mut net);
        }
    }

    fn read(&mut self, dst: &mut [u8], spare: &mut [u8]) -> io::Result<usize> {
        if let State::Kernel(tls) = &mut self.state {
            return tls.read(&self.plaintext, dst, spare);
        }
        let (tls, mut net) = self.in_user_space()?;
        tls.read(&mut net, dst, spare)
    }

    fn is_turn_over(&self) -> bool {
        match &self.state {
            State::UserSpace(tls) => tls.is_turn_over(),
            State::Kernel(tls) => tls.is_turn_over(),
            State::Handshake(_) | State::Closed => false,
        }
    }

    fn has_unread(&mut self) -> io::Result<bool> {
        match &self.state {
            State::Kernel(_) => has_unread(&self.plaintext),
            State::UserSpace(tls) if tls.has_unread() => Ok(true),
            _ => self.plaintext.has_unread(),
        }
    }

    fn take_unread_found(&mut self) -> bool {
        match &mut self.state {
            State::Kernel(tls) => tls.take_unread_found(),
            _ => false,
        }
    }

    fn write(&mut self, src: &[u8], more: bool) -> io::Result<usize> {
        if let State::Kernel(tls) = &mut self.state {
            return tls.write(&mut self.plaintext, src, more);
        }
        let (tls, mut net) = self.in_user_space()?;
        tls.write(&mut net, src, more)
    }

    fn transfer_from(&mut self, file: &File, position: u64, count: usize) -> io::Result<usize> {
        let _step = step!(
            [18] "SslTransportLayer.transferFrom",
            "position {position}: {count} bytes to go"
        );
        // ANCHOR: ssl_transfer_from
        if let State::Kernel(tls) = &mut self.state {
            return tls.transfer_from(&mut self.plaintext, file, position, count);
        }
        let (tls, mut net) = self.in_user_space()?;
        tls.transfer_from(&mut net, file, position, count)
        // ANCHOR_END: ssl_transfer_from
    }

    fn peer_addr(&self) -> SocketAddr {
        self.plaintext.peer_addr()
    }

    fn local_addr(&self) -> SocketAddr {
        self.plaintext.local_addr()
    }

    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.plaintext.register(registry, token)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.plaintext.deregister(registry)
    }
}
