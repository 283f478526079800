//! Not in Kafka: a TLS connection whose records the kernel encrypts and decrypts, so that a file goes to
//! it by `sendfile(2)` again.

use std::fs::File;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;

use log::{Level, debug, log};
use mio::net::TcpStream;
use mio::{Registry, Token};
use nix::errno::Errno;
use nix::sys::socket::MsgFlags;
use rustls::kernel::KernelConnection;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::{AlertDescription, ConnectionTrafficSecrets, ContentType, ProtocolVersion};

use crate::common::log_limit::{LogKind, limited};
use crate::common::metrics::Metrics;
use crate::common::step::mark;
use crate::common::sys::send_tls_record;
use crate::transport::control_records::{
    Control, ControlRecords, KEY_UPDATE, Misbehaviour, alert_bytes,
};
use crate::transport::kernel_tls::{
    KernelTls, Refusal, crypto_info_of, hand_over, receive, set_receive, set_transmit,
};
use crate::transport::plaintext_transport_layer::{PlaintextTransportLayer, of, uninterrupted};
use crate::transport::transport_layer::TransportLayer;

/// The most payload that a record has.
const RECORD_BYTES: u64 = 16 << 10;
/// Records without data that a peer may send one after another. A Java client whose own limit is over
/// sends a KeyUpdate for each record of the answer that it reads: 3,200 for `fetch.max.bytes`.
const RECORDS_WITHOUT_DATA_MAX: u32 = 8_192;

/// How much may leave by one key.
#[derive(Clone, Copy, Debug)]
pub struct KeyBudget {
    pub records: u64,
    pub bytes: u64,
}

impl KeyBudget {
    /// AES-GCM is good for 2^24 records. A Java client asks for another key with each record that it
    /// reads once it has had 2^37 bytes by one (`jdk.tls.keyLimits`). So keys are changed before.
    pub const DEFAULT: Self = Self { records: 1 << 22, bytes: 1 << 36 };
    const NOTHING: Self = Self { records: 0, bytes: 0 };

    fn is_spent_by(self, used: Self) -> bool {
        used.records >= self.records || used.bytes >= self.bytes
    }

    /// Adds what one call has sent: a record that is not full at each end, or more if the call was
    /// cut. Too many are counted rather than too few.
    fn add(&mut self, bytes: usize) {
        self.records += 2 + bytes as u64 / RECORD_BYTES;
        self.bytes += bytes as u64;
    }
}

/// Why nothing more is read.
enum End {
    /// The peer has said that it sends no more, or hung up.
    Closed,
    /// We close, for this reason.
    KeysSpent,
    /// The connection is of no use any more. The error is returned once.
    Failed(Option<io::Error>),
}

/// A connection in the kernel's hands.
///
/// Bytes of data pass as over a plaintext connection. Here is what else TLS has: its ends, its alerts,
/// and its changes of keys.
pub struct KernelTlsTransportLayer {
    /// It does not know that its socket encrypts.
    inner: PlaintextTransportLayer,
    /// Keeps the secrets that the next keys come from.
    tls: KernelConnection<ServerConnectionData>,
    support: Arc<KernelTls>,
    metrics: Arc<Metrics>,
    budget: KeyBudget,
    /// By the key in use.
    used: KeyBudget,
    is_between_answers: bool,
    /// The peer has asked for another key. It gets one before the next answer, however often it asks.
    owes_key_update: bool,
    records_without_data: u32,
    control: ControlRecords,
    end: Option<End>,
    /// What the peer is sent when the connection is closed.
    last_alert: AlertDescription,
}

impl KernelTlsTransportLayer {
    /// Takes over `stream`, whose other end is `peer`, from `connection`, which has shaken hands and
    /// holds no byte in either direction.
    ///
    /// # Errors
    /// What rustls or the kernel refuses. The socket is closed then, for nobody has its keys any more.
    pub fn new(
        stream: TcpStream,
        peer: SocketAddr,
        connection: UnbufferedServerConnection,
        support: Arc<KernelTls>,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let (secrets, tls) =
            connection.dangerous_into_kernel_connection().map_err(io::Error::other)?;
        let version = tls.protocol_version();
        let info = |(sequence, secrets): &(u64, ConnectionTrafficSecrets)| {
            crypto_info_of(version, *sequence, secrets).ok_or_else(|| unknown_cipher(&tls))
        };
        hand_over(&stream, &info(&secrets.tx)?, &info(&secrets.rx)?)?;
        mark!("KernelTlsTransportLayer.new", "the kernel encrypts and decrypts from here on");
        Ok(Self {
            inner: PlaintextTransportLayer::new(stream, peer, Arc::clone(&metrics))?,
            tls,
            support,
            metrics,
            budget: KeyBudget::DEFAULT,
            used: KeyBudget::NOTHING,
            is_between_answers: true,
            owes_key_update: false,
            records_without_data: 0,
            control: ControlRecords::new(version),
            end: None,
            last_alert: AlertDescription::CloseNotify,
        })
    }

    /// Changes keys after this much.
    #[must_use]
    pub fn with_key_budget(self, budget: KeyBudget) -> Self {
        Self { budget, ..self }
    }

    /// One `recvmsg(2)`.
    fn receive(&mut self, dst: &mut [u8], spare: &mut [u8]) -> io::Result<usize> {
        self.metrics.read_calls.increment();
        let room = dst.len() + spare.len();
        let stream = self.inner.stream();
        let received = uninterrupted(|| receive(stream, dst, spare, MsgFlags::empty()));
        let bytes = received.as_ref().map(|it| it.bytes).map_err(|error| error.kind().into());
        mark!([4] "KernelTlsTransportLayer.receive", "{}", of(&bytes, room));
        let received = received?;
        match received.content {
            None => self.end = Some(End::Closed),
            Some(ContentType::ApplicationData) if received.bytes > 0 => {
                self.records_without_data = 0;
                self.metrics.read_bytes.add(received.bytes as u64);
                return Ok(received.bytes);
            }
            Some(content) => {
                let in_dst = received.bytes.min(dst.len());
                self.take_control(content, &dst[..in_dst])?;
                self.take_control(content, &spare[..received.bytes - in_dst])?;
            }
        }
        Ok(0)
    }

    /// Takes a record, or a piece of one, that brings no data.
    fn take_control(&mut self, content: ContentType, mut bytes: &[u8]) -> io::Result<()> {
        self.records_without_data += 1;
        if self.records_without_data > RECORDS_WITHOUT_DATA_MAX {
            return self.refuse(Misbehaviour {
                alert: AlertDescription::UnexpectedMessage,
                why: format!("the peer has sent {RECORDS_WITHOUT_DATA_MAX} records without data"),
            });
        }
        if content == ContentType::ApplicationData {
            return Ok(()); // An empty record, which the rules allow.
        }
        while !bytes.is_empty() {
            match self.control.take(content, &mut bytes) {
                Err(misbehaviour) => return self.refuse(misbehaviour),
                Ok(None) => (),
                Ok(Some(Control::CloseNotify)) => self.end = Some(End::Closed),
                Ok(Some(Control::Alert(alert))) => {
                    let why = format!("the peer breaks off with the alert {alert:?}");
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, why));
                }
                Ok(Some(Control::KeyUpdate { is_requested })) => {
                    self.owes_key_update |= is_requested;
                    self.change_receive_key()?;
                }
            }
        }
        Ok(())
    }

    fn refuse(&mut self, misbehaviour: Misbehaviour) -> io::Result<()> {
        self.last_alert = misbehaviour.alert;
        Err(misbehaviour.into())
    }

    /// The peer has changed its key.
    fn change_receive_key(&mut self) -> io::Result<()> {
        let (sequence, secrets) = self.tls.update_rx_secret().map_err(io::Error::other)?;
        let info = crypto_info_of(self.tls.protocol_version(), sequence, &secrets)
            .ok_or_else(|| unknown_cipher(&self.tls))?;
        match set_receive(self.inner.stream(), &info) {
            Ok(()) => {
                self.metrics.tls_key_updates_received.increment();
                debug!("{} has changed its key", self.inner.peer_addr());
                Ok(())
            }
            Err(Refusal { errno: Errno::EBUSY, .. }) => {
                self.close_for_keys("its client has changed its key");
                Ok(())
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Changes our key, before an answer begins, if the peer has asked for it or if the present one has
    /// been used for long enough.
    fn change_transmit_key_if_due(&mut self) -> io::Result<()> {
        let is_due = self.owes_key_update || self.budget.is_spent_by(self.used);
        if !is_due || !self.changes_keys() {
            return Ok(());
        }
        send_tls_record(self.inner.stream(), ContentType::Handshake.into(), &KEY_UPDATE)?;
        let (sequence, secrets) = self.tls.update_tx_secret().map_err(io::Error::other)?;
        let info = crypto_info_of(self.tls.protocol_version(), sequence, &secrets)
            .ok_or_else(|| unknown_cipher(&self.tls))?;
        set_transmit(self.inner.stream(), &info)?;
        self.owes_key_update = false;
        self.used = KeyBudget::NOTHING;
        self.metrics.tls_key_updates_sent.increment();
        mark!("KernelTlsTransportLayer.changeTransmitKey", "the peer knows, and the kernel has it");
        Ok(())
    }

    fn changes_keys(&self) -> bool {
        self.tls.protocol_version() == ProtocolVersion::TLSv1_3 && self.support.changes_keys()
    }

    /// The last byte of an answer is with the kernel.
    fn end_answer(&mut self) {
        self.is_between_answers = true;
        if self.end.is_none() && self.budget.is_spent_by(self.used) && !self.changes_keys() {
            self.close_for_keys("its key has been used for long enough");
            self.report_end();
        }
    }

    /// Ends a connection whose keys would have to be changed and cannot be, where a client of Kafka's
    /// connects anew and loses nothing: between two answers.
    fn close_for_keys(&mut self, why: &str) {
        self.end = Some(End::KeysSpent);
        self.metrics.tls_connections_closed_for_keys.increment();
        let level = limited(LogKind::Disconnects, Level::Info);
        let peer = self.inner.peer_addr();
        log!(level, "closing a TLS connection from {peer}: {why}, and the kernel takes no other");
    }

    /// Has epoll report the end as it reports that a peer has hung up: nobody else would, for what has
    /// ended the stream lies in records that are read already.
    fn report_end(&self) {
        if let Err(error) = self.inner.stream().shutdown(Shutdown::Read) {
            debug!("the end of {} will show when it sends more: {error}", self.inner.peer_addr());
        }
    }
}

impl TransportLayer for KernelTlsTransportLayer {
    /// Reads until the socket is empty or there is no more room. A call that brings less than it has
    /// room for has met the end of a record's kind, and what stands behind makes no edge.
    fn read(&mut self, dst: &mut [u8], spare: &mut [u8]) -> io::Result<usize> {
        let room = dst.len() + spare.len();
        let mut taken = 0;
        while taken < room && self.end.is_none() {
            let in_dst = taken.min(dst.len());
            match self.receive(&mut dst[in_dst..], &mut spare[taken - in_dst..]) {
                Ok(more) => taken += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => self.end = Some(End::Failed(Some(error))),
            }
        }
        if taken > 0 {
            if self.end.is_some() {
                self.report_end();
            }
            return Ok(taken);
        }
        match &mut self.end {
            None => Err(io::ErrorKind::WouldBlock.into()),
            Some(End::Closed | End::KeysSpent) => Ok(0),
            Some(End::Failed(error)) => {
                Err(error.take().unwrap_or_else(|| io::ErrorKind::ConnectionAborted.into()))
            }
        }
    }

    fn has_unread(&mut self) -> io::Result<bool> {
        let stream = self.inner.stream();
        match uninterrupted(|| receive(stream, &mut [0], &mut [], MsgFlags::MSG_PEEK)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            peeked => Ok(peeked?.content == Some(ContentType::ApplicationData)),
        }
    }

    fn write(&mut self, src: &[u8], more: bool) -> io::Result<usize> {
        if self.is_between_answers && !src.is_empty() {
            self.change_transmit_key_if_due()?;
            self.is_between_answers = false;
        }
        let taken = self.inner.write(src, more)?;
        self.used.add(taken);
        if src.is_empty() && !more {
            self.end_answer();
        }
        Ok(taken)
    }

    fn transfer_from(&mut self, file: &File, position: u64, count: usize) -> io::Result<usize> {
        if self.is_between_answers {
            self.change_transmit_key_if_due()?;
            self.is_between_answers = false;
        }
        let taken = self.inner.transfer_from(file, position, count)?;
        self.used.add(taken);
        Ok(taken)
    }

    fn close(&mut self) {
        let bytes = alert_bytes(self.last_alert);
        let sent = send_tls_record(self.inner.stream(), ContentType::Alert.into(), &bytes);
        if let Err(error) = sent {
            let (alert, peer) = (self.last_alert, self.inner.peer_addr());
            debug!("{peer} gets no {alert:?}: {error}");
        }
    }

    fn peer_addr(&self) -> SocketAddr {
        self.inner.peer_addr()
    }

    fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr()
    }

    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.inner.register(registry, token)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.inner.deregister(registry)
    }
}

fn unknown_cipher(tls: &KernelConnection<ServerConnectionData>) -> io::Error {
    let suite = tls.negotiated_cipher_suite().suite();
    io::Error::other(format!("the kernel has no name for the cipher of {suite:?}"))
}
