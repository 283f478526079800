//! Not in Kafka: the other second half of an `SslTransportLayer`. The kernel encrypts and decrypts what
//! the connection carries after its handshake, so that a file goes to it by `sendfile(2)` again.

use std::fs::File;
use std::io;
use std::net::Shutdown;
use std::sync::Arc;

use log::{Level, debug, log};
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
use crate::transport::ssl_handshake::PLAINTEXT_BYTES_MAX;
use crate::transport::transport_layer::TransportLayer;
use crate::transport::user_space_tls::KeyLimits;

/// Records without data that a peer may send one after another. A Java client whose own limit is over
/// sends a KeyUpdate for each record of the answer that it reads: 3,200 for `fetch.max.bytes`.
const RECORDS_WITHOUT_DATA_MAX: u32 = 8_192;

/// How many of them one turn takes, before others have theirs.
const RECORDS_WITHOUT_DATA_PER_TURN: u32 = 256;

/// Why nothing more is read.
enum End {
    /// The peer has said that it sends no more, or hung up.
    Closed,
    /// We close, for this reason.
    KeysSpent,
    /// The connection is of no use any more. The error is returned once.
    Failed(Option<io::Error>),
}

/// One connection in the kernel's hands.
///
/// Data pass as over a plaintext connection: by a `PlaintextTransportLayer` that does not know that its
/// socket encrypts. Here is what else TLS has: its ends, its alerts, and its changes of keys.
pub(super) struct KernelSpaceTls {
    /// Keeps the secrets that the next keys come from.
    tls: KernelConnection<ServerConnectionData>,
    support: Arc<KernelTls>,
    metrics: Arc<Metrics>,
    key_limits: KeyLimits,
    /// By the key in use. Too many are counted rather than too few.
    records_sent: u64,
    bytes_sent: u64,
    is_between_answers: bool,
    /// The peer has asked for another key. It gets one before the next answer, however often it asks.
    owes_key_update: bool,
    records_without_data: u32,
    control: ControlRecords,
    end: Option<End>,
    /// The last read has stopped although the socket may have more.
    is_turn_over: bool,
    /// A look at the end of an answer has met the next request, which makes no further edge.
    has_found_unread: bool,
    /// What the peer is sent when the connection is closed.
    last_alert: AlertDescription,
}

impl KernelSpaceTls {
    /// Takes `plaintext` over from `connection`, which has shaken hands and holds no byte in either
    /// direction.
    ///
    /// # Errors
    /// What rustls or the kernel refuses. The connection is lost then, for nobody has its keys any more.
    pub(super) fn take_over(
        plaintext: &PlaintextTransportLayer,
        connection: UnbufferedServerConnection,
        support: &Arc<KernelTls>,
        key_limits: KeyLimits,
        metrics: &Arc<Metrics>,
    ) -> io::Result<Self> {
        let (secrets, tls) =
            connection.dangerous_into_kernel_connection().map_err(io::Error::other)?;
        let version = tls.protocol_version();
        let info = |(sequence, secrets): &(u64, ConnectionTrafficSecrets)| {
            crypto_info_of(version, *sequence, secrets).ok_or_else(|| unknown_cipher(&tls))
        };
        hand_over(plaintext.stream(), &info(&secrets.tx)?, &info(&secrets.rx)?)?;
        mark!("KernelSpaceTls.takeOver", "the kernel encrypts and decrypts from here on");
        Ok(Self {
            tls,
            support: Arc::clone(support),
            metrics: Arc::clone(metrics),
            key_limits,
            records_sent: 0,
            bytes_sent: 0,
            is_between_answers: true,
            owes_key_update: false,
            records_without_data: 0,
            control: ControlRecords::new(version),
            end: None,
            is_turn_over: false,
            has_found_unread: false,
            last_alert: AlertDescription::CloseNotify,
        })
    }

    /// One `recvmsg(2)`. Returns how many bytes of data it has brought.
    fn receive(
        &mut self,
        plaintext: &PlaintextTransportLayer,
        dst: &mut [u8],
        spare: &mut [u8],
    ) -> io::Result<usize> {
        self.metrics.read_calls.increment();
        let room = dst.len() + spare.len();
        let stream = plaintext.stream();
        let received = uninterrupted(|| receive(stream, dst, spare, MsgFlags::empty()));
        let bytes = received.as_ref().map(|it| it.bytes).map_err(|error| error.kind().into());
        mark!([4] "SslTransportLayer.read", "{}, decrypted by the kernel", of(&bytes, room));
        let received = received?;
        match received.content {
            None => self.end = Some(End::Closed),
            Some(ContentType::ApplicationData) if received.bytes > 0 => {
                self.control.check_between()?;
                self.records_without_data = 0;
                self.metrics.read_bytes.add(received.bytes as u64);
                return Ok(received.bytes);
            }
            Some(content) => {
                // What ends in its record can be seen only of the whole.
                let in_dst = received.bytes.min(dst.len());
                let record = [&dst[..in_dst], &spare[..received.bytes - in_dst]].concat();
                self.take_control(plaintext, content, &record)?;
            }
        }
        Ok(0)
    }

    /// Takes a record, or a piece of one, that brings no data.
    fn take_control(
        &mut self,
        plaintext: &PlaintextTransportLayer,
        content: ContentType,
        mut bytes: &[u8],
    ) -> io::Result<()> {
        self.records_without_data += 1;
        if self.records_without_data > RECORDS_WITHOUT_DATA_MAX {
            let why = format!("the peer has sent {RECORDS_WITHOUT_DATA_MAX} records without data");
            let alert = AlertDescription::UnexpectedMessage;
            return Err(Misbehaviour { alert, why }.into());
        }
        if content == ContentType::ApplicationData {
            return Ok(self.control.check_between()?); // An empty record, which the rules allow.
        }
        while !bytes.is_empty() {
            match self.control.take(content, &mut bytes)? {
                None => (),
                Some(Control::CloseNotify) => self.end = Some(End::Closed),
                Some(Control::Alert(alert)) => {
                    let why = format!("the peer breaks off with the alert {alert:?}");
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, why));
                }
                Some(Control::KeyUpdate { is_requested }) => {
                    self.owes_key_update |= is_requested;
                    self.change_receive_key(plaintext)?;
                }
            }
        }
        Ok(())
    }

    /// The peer has changed its key.
    fn change_receive_key(&mut self, plaintext: &PlaintextTransportLayer) -> io::Result<()> {
        let (sequence, secrets) = self.tls.update_rx_secret().map_err(io::Error::other)?;
        let info = crypto_info_of(self.tls.protocol_version(), sequence, &secrets)
            .ok_or_else(|| unknown_cipher(&self.tls))?;
        match set_receive(plaintext.stream(), &info) {
            Ok(()) => {
                self.metrics.tls_key_updates_received.increment();
                debug!("{} has changed its key", plaintext.peer_addr());
                Ok(())
            }
            Err(Refusal { errno: Errno::EBUSY, .. }) => {
                self.close_for_keys(plaintext, "its client has changed its key");
                Ok(())
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Changes our key, before an answer begins, if the peer has asked for it or if the present one has
    /// been used for long enough.
    fn change_transmit_key_if_due(
        &mut self,
        plaintext: &PlaintextTransportLayer,
    ) -> io::Result<()> {
        let is_due = self.owes_key_update || self.is_key_used_up();
        if is_due && self.changes_keys() {
            self.change_transmit_key(plaintext)?;
        }
        Ok(())
    }

    fn change_transmit_key(&mut self, plaintext: &PlaintextTransportLayer) -> io::Result<()> {
        send_tls_record(plaintext.stream(), ContentType::Handshake.into(), &KEY_UPDATE)?;
        let (sequence, secrets) = self.tls.update_tx_secret().map_err(io::Error::other)?;
        let info = crypto_info_of(self.tls.protocol_version(), sequence, &secrets)
            .ok_or_else(|| unknown_cipher(&self.tls))?;
        set_transmit(plaintext.stream(), &info)?;
        self.owes_key_update = false;
        (self.records_sent, self.bytes_sent) = (0, 0);
        self.metrics.tls_key_updates_sent.increment();
        mark!("KernelSpaceTls.changeTransmitKey", "the peer knows, and the kernel has it");
        Ok(())
    }

    fn changes_keys(&self) -> bool {
        self.tls.protocol_version() == ProtocolVersion::TLSv1_3 && self.support.changes_keys()
    }

    fn is_key_used_up(&self) -> bool {
        self.is_key_used(1)
    }

    /// Whether it has been used for so many times its limits.
    fn is_key_used(&self, times: u64) -> bool {
        let KeyLimits { records, bytes } = self.key_limits;
        self.records_sent >= records.saturating_mul(times)
            || self.bytes_sent >= bytes.saturating_mul(times)
    }

    /// Has `send` send, and counts what has left by that: a record at each end that is not full, and
    /// full ones between. What was only held back has not left.
    fn counted(
        &mut self,
        plaintext: &mut PlaintextTransportLayer,
        send: impl FnOnce(&mut PlaintextTransportLayer) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let held_before = plaintext.held_bytes();
        let result = send(plaintext);
        let taken = *result.as_ref().unwrap_or(&0);
        let sent = held_before + taken - plaintext.held_bytes();
        if sent > 0 {
            self.records_sent += 2 + (sent / PLAINTEXT_BYTES_MAX) as u64;
            self.bytes_sent += sent as u64;
        }
        result
    }

    /// Before the first byte of an answer.
    fn begin_answer(&mut self, plaintext: &PlaintextTransportLayer) -> io::Result<()> {
        if self.is_between_answers {
            self.change_transmit_key_if_due(plaintext)?;
            self.is_between_answers = false;
        }
        Ok(())
    }

    /// The last byte of an answer is with the kernel.
    fn end_answer(&mut self, plaintext: &PlaintextTransportLayer) {
        self.is_between_answers = true;
        if self.end.is_none() && !self.changes_keys() && self.is_close_due(plaintext) {
            self.close_for_keys(plaintext, "its key has been used for long enough");
            report_end(plaintext);
        }
    }

    /// Whether the connection is to end, now that an answer has. A client that has sent the next request
    /// already would lose it, and might lose the answer to the reset that follows: it is waited for one
    /// that has not, up to twice the limits, which are still half of what the cipher allows.
    fn is_close_due(&mut self, plaintext: &PlaintextTransportLayer) -> bool {
        if !self.is_key_used_up() {
            return false;
        }
        if self.is_key_used(2) {
            return true;
        }
        self.has_found_unread = has_unread(plaintext).unwrap_or(false);
        !self.has_found_unread
    }

    /// Ends a connection whose keys would have to be changed and cannot be, where a client of Kafka's
    /// connects anew and loses nothing: between two answers.
    fn close_for_keys(&mut self, plaintext: &PlaintextTransportLayer, why: &str) {
        self.end = Some(End::KeysSpent);
        self.metrics.tls_connections_closed_for_keys.increment();
        let level = limited(LogKind::Disconnects, Level::Info);
        let peer = plaintext.peer_addr();
        log!(level, "closing a TLS connection from {peer}: {why}, and the kernel takes no other");
    }

    pub(super) fn take_unread_found(&mut self) -> bool {
        std::mem::take(&mut self.has_found_unread)
    }

    pub(super) fn is_turn_over(&self) -> bool {
        self.is_turn_over
    }

    /// As `TransportLayer::read`, until the socket is empty or there is no more room. A call that brings
    /// less than it has room for may only have met a record of another kind, and what stands behind that
    /// makes no edge.
    pub(super) fn read(
        &mut self,
        plaintext: &PlaintextTransportLayer,
        dst: &mut [u8],
        spare: &mut [u8],
    ) -> io::Result<usize> {
        let room = dst.len() + spare.len();
        let (mut taken, mut without_data) = (0, 0);
        self.is_turn_over = false;
        while taken < room && self.end.is_none() && !self.is_turn_over {
            let in_dst = taken.min(dst.len());
            match self.receive(plaintext, &mut dst[in_dst..], &mut spare[taken - in_dst..]) {
                Ok(0) => {
                    without_data += 1;
                    self.is_turn_over = without_data == RECORDS_WITHOUT_DATA_PER_TURN;
                }
                Ok(more) => taken += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    if let Some(misbehaviour) = Misbehaviour::behind(&error) {
                        self.last_alert = misbehaviour.alert;
                    }
                    self.end = Some(End::Failed(Some(error)));
                }
            }
        }
        if taken > 0 {
            if self.end.is_some() {
                report_end(plaintext);
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

    /// As `TransportLayer::write`.
    pub(super) fn write(
        &mut self,
        plaintext: &mut PlaintextTransportLayer,
        src: &[u8],
        more: bool,
    ) -> io::Result<usize> {
        if !src.is_empty() {
            self.begin_answer(plaintext)?;
        }
        let taken = self.counted(plaintext, |it| it.write(src, more))?;
        if src.is_empty() && !more {
            self.end_answer(plaintext);
        }
        Ok(taken)
    }

    /// As `TransportLayer::transfer_from`: `sendfile(2)`, as over a connection without TLS.
    pub(super) fn transfer_from(
        &mut self,
        plaintext: &mut PlaintextTransportLayer,
        file: &File,
        position: u64,
        count: usize,
    ) -> io::Result<usize> {
        self.begin_answer(plaintext)?;
        self.counted(plaintext, |it| it.transfer_from(file, position, count))
    }

    /// Says goodbye, or what the peer has done wrong, if there is room for it.
    pub(super) fn close(&mut self, plaintext: &PlaintextTransportLayer) {
        let bytes = alert_bytes(self.last_alert);
        let sent = send_tls_record(plaintext.stream(), ContentType::Alert.into(), &bytes);
        if let Err(error) = sent {
            debug!("{} gets no {:?}: {error}", plaintext.peer_addr(), self.last_alert);
        }
    }
}

/// As `TransportLayer::has_unread`: whether the next record has data.
pub(super) fn has_unread(plaintext: &PlaintextTransportLayer) -> io::Result<bool> {
    let stream = plaintext.stream();
    match uninterrupted(|| receive(stream, &mut [0], &mut [], MsgFlags::MSG_PEEK)) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        peeked => Ok(peeked?.content == Some(ContentType::ApplicationData)),
    }
}

/// Has epoll report the end as it reports that a peer has hung up: nobody else would, for what has ended
/// the stream lies in records that are read already.
fn report_end(plaintext: &PlaintextTransportLayer) {
    if let Err(error) = plaintext.stream().shutdown(Shutdown::Read) {
        debug!("the end of {} will show when it sends more: {error}", plaintext.peer_addr());
    }
}

fn unknown_cipher(tls: &KernelConnection<ServerConnectionData>) -> io::Error {
    let suite = tls.negotiated_cipher_suite().suite();
    io::Error::other(format!("the kernel has no name for the cipher of {suite:?}"))
}
