//! Port of `org.apache.kafka.common.network.SslTransportLayer` in the mode CLIENT, for a thread that waits.

use std::fmt;
use std::io;
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConfig, ClientConnection, Error};

use crate::clients::client_channel_builder::ClientTransport;
use crate::clients::watched_socket::WatchedSocket;
use crate::config::listener_setting::ListenerSettingNames;

/// What is read from the socket at once, at most. The library itself would read 4 KiB at a time.
const READ_BYTES: usize = 64 * 1024;
const KEYSTORE: &str = "ssl.keystore.location";

/// Encrypts what goes to one node. Message bytes are decrypted by the library and read from it straight into
/// the frame of the response.
pub struct SslClientTransport {
    socket: WatchedSocket,
    connection: ClientConnection,
    /// Encrypted bytes that were read, and which of them the library has not got yet.
    received: Box<[u8]>,
    unread: std::ops::Range<usize>,
    /// By which errors call the settings in force.
    names: ListenerSettingNames,
    has_answered: bool,
}

impl SslClientTransport {
    /// Shakes hands with `host`.
    ///
    /// # Errors
    /// What is wrong with the node, its certificate or ours, and the setting to look at, by its name among `names`;
    /// `TimedOut` at the deadline.
    pub fn shake_hands(
        socket: WatchedSocket,
        host: &str,
        (context, names): (Arc<ClientConfig>, ListenerSettingNames),
        deadline: Instant,
    ) -> io::Result<Self> {
        let name = ServerName::try_from(host.to_string()).map_err(|_| {
            let why = format!("{host:?} is no name that a certificate can be for");
            io::Error::new(ErrorKind::InvalidInput, why)
        })?;
        let connection = ClientConnection::new(context, name).map_err(io::Error::other)?;
        let mut transport = Self {
            socket,
            connection,
            received: vec![0; READ_BYTES].into_boxed_slice(),
            unread: 0..0,
            names,
            has_answered: false,
        };
        transport.handshake(deadline)?;
        Ok(transport)
    }

    fn handshake(&mut self, deadline: Instant) -> io::Result<()> {
        loop {
            self.flush(deadline).map_err(|error| self.of_handshake(error))?;
            if !self.connection.is_handshaking() {
                return Ok(());
            }
            if self.receive(deadline).map_err(|error| self.of_handshake(error))? == 0 {
                return Err(self.of_handshake(ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Gets encrypted bytes, and decrypts what is whole. 0 if the node has hung up.
    fn receive(&mut self, deadline: Instant) -> io::Result<usize> {
        if self.unread.is_empty() {
            let read = self.socket.read_some(&mut self.received, deadline)?;
            self.unread = 0..read;
        }
        let taken = self.connection.read_tls(&mut &self.received[self.unread.clone()])?;
        self.unread.start += taken;
        if let Err(error) = self.connection.process_new_packets() {
            // The node learns why from the alert, if it still listens.
            let _ = self.flush(deadline);
            return Err(io::Error::new(kind_of(&error), self.explain(&error)));
        }
        Ok(taken)
    }

    /// Sends what the library has to send.
    fn flush(&mut self, deadline: Instant) -> io::Result<()> {
        let mut encrypted = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut encrypted)?;
        }
        self.socket.write_whole(&encrypted, deadline)
    }

    /// A node that breaks off says nothing; what it is most often is worth saying.
    fn of_handshake(&self, error: io::Error) -> io::Error {
        let hint = "in the TLS handshake: does that listener speak TLS, by \
                    `listener.security.protocol.map`, in a version and with a suite that both have?";
        match error.kind() {
            ErrorKind::UnexpectedEof => {
                io::Error::new(error.kind(), format!("the node has hung up {hint}"))
            }
            ErrorKind::ConnectionReset | ErrorKind::TimedOut | ErrorKind::BrokenPipe => {
                io::Error::new(error.kind(), format!("{error}, {hint}"))
            }
            _ => error,
        }
    }

    /// A node that is killed does not say in TLS that it ends, and one that stops does; to us it is the same. In TLS
    /// 1.3 the node looks at our certificate after our part of the handshake is over.
    fn of_answer(&self, error: io::Error) -> io::Error {
        match error.kind() {
            ErrorKind::UnexpectedEof if self.has_answered => {
                return io::Error::new(error.kind(), "the node has hung up");
            }
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset if !self.has_answered => (),
            _ => return error,
        }
        let why = format!(
            "the node has hung up after the TLS handshake: if it asks for certificates, is ours, in \
             `{}`, signed by an authority that it trusts? Does it expect a login by \
             SASL, which `listener.security.protocol.map` does not have for its listener? Its own log \
             says why",
            self.names.in_force(KEYSTORE)
        );
        io::Error::new(ErrorKind::PermissionDenied, why)
    }

    /// What an error of TLS means to whoever has made the settings.
    fn explain(&self, error: &Error) -> String {
        match error {
            Error::InvalidCertificate(why) => self.explain_certificate(why),
            Error::AlertReceived(alert) => explain_alert(*alert, &self.names),
            Error::InvalidMessage(_) => format!(
                "the node does not answer by TLS ({error}): does that listener have SSL or SASL_SSL, \
                 by `listener.security.protocol.map`?"
            ),
            other => format!("TLS has failed: {other}"),
        }
    }

    fn explain_certificate(&self, why: &CertificateError) -> String {
        match why {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
                "the certificate of the node is not signed by an authority of `{}`",
                self.names.in_force("ssl.truststore.location")
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!(
                    "the certificate of the node is for another host ({why}): it needs the name or \
                     the address by which it is reached as subjectAltName; an empty \
                     `{}` takes any",
                    self.names.in_force("ssl.endpoint.identification.algorithm")
                )
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                format!("the certificate of the node has expired ({why}): it has to renew it")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => format!(
                "the certificate of the node is not valid yet ({why}): are the clocks of both right?"
            ),
            other => format!("the certificate of the node cannot be used: {other}"),
        }
    }
}

impl ClientTransport for SslClientTransport {
    fn read_some(&mut self, room: &mut [u8], deadline: Instant) -> io::Result<usize> {
        loop {
            match self.connection.reader().read(room) {
                Ok(read) => {
                    self.has_answered |= read > 0;
                    return match read {
                        0 => Err(self.of_answer(ErrorKind::UnexpectedEof.into())),
                        read => Ok(read),
                    };
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => (),
                Err(error) => return Err(self.of_answer(error)),
            }
            self.receive(deadline).map_err(|error| self.of_answer(error))?;
            self.flush(deadline)?;
        }
    }

    fn write_whole(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<()> {
        let mut left = bytes;
        while !left.is_empty() {
            let taken = self.connection.writer().write(left)?;
            left = &left[taken..];
            self.flush(deadline)?;
        }
        Ok(())
    }

    fn socket(&self) -> &WatchedSocket {
        &self.socket
    }
}

/// Without its keys.
impl fmt::Debug for SslClientTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SslClientTransport").field("socket", &self.socket).finish_non_exhaustive()
    }
}

fn kind_of(error: &Error) -> ErrorKind {
    match error {
        Error::InvalidCertificate(_) | Error::AlertReceived(_) => ErrorKind::PermissionDenied,
        _ => ErrorKind::InvalidData,
    }
}

fn explain_alert(alert: AlertDescription, names: &ListenerSettingNames) -> String {
    let keystore = format!("`{}`", names.in_force(KEYSTORE));
    match alert {
        AlertDescription::CertificateRequired => {
            format!("the node asks for a certificate, and {keystore} is not set")
        }
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired
        | AlertDescription::AccessDenied => format!(
            "the node does not take our certificate ({alert:?}): that of {keystore} must be signed by \
             an authority of its truststore, and be valid now"
        ),
        AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion => format!(
            "both have no version or suite of TLS in common ({alert:?}), or the node wants a \
             certificate: look at `{}`, `{}` and {keystore}",
            names.in_force("ssl.enabled.protocols"),
            names.in_force("ssl.cipher.suites")
        ),
        other => format!("the node refuses the TLS connection: {other:?}"),
    }
}
