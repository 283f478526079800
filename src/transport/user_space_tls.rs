//! The second half of `org.apache.kafka.common.network.SslTransportLayer`: what a connection carries
//! after its handshake, encrypted and decrypted by this process.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use log::debug;
use mio::net::TcpStream;
use rustls::ProtocolVersion;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncryptError, UnbufferedStatus};

use crate::common::metrics::Metrics;
use crate::common::step::mark;
use crate::transport::plaintext_transport_layer::{of, uninterrupted};
use crate::transport::ssl_failure::failure;
use crate::transport::ssl_handshake::{PLAINTEXT_BYTES_MAX, RECORD_BYTES_MAX, encode, push_alert};

/// The most ciphertext that one call reads: four records.
const NET_READ_BYTES: usize = 4 * RECORD_BYTES_MAX;
/// What encryption adds to the plaintext of a record at most, with an answer to a KeyUpdate in front.
const OVERHEAD_BYTES: usize = 256;
/// How much more ciphertext than plaintext one turn reads, before others have theirs. What data cost is
/// much less; a peer that sends a byte to the record, or changes its keys after each, gets more turns.
const TURN_OVERHEAD_BYTES: usize = 16 << 10;
/// The most that waits for a peer that asks for new keys and reads nothing.
const NET_WRITE_BYTES_MAX: usize = 2 * RECORD_BYTES_MAX;

/// When the keys that encrypt are changed (TLS 1.3), or their connection is closed (TLS 1.2). Much below what AES-GCM allows, and below the
/// 2^37 bytes after which Java's clients ask for new keys with every record that they read: a broker
/// that changes them first is never asked.
#[derive(Clone, Copy, Debug)]
pub struct KeyLimits {
    pub records: u64,
    pub bytes: u64,
}

impl Default for KeyLimits {
    fn default() -> Self {
        Self { records: 1 << 22, bytes: 1 << 36 }
    }
}

/// What the thread encrypts and decrypts in, for all its connections: nothing stays here from one call
/// to the next.
struct Workspace {
    /// Ciphertext, in either direction.
    net: Vec<u8>,
    /// A record of plaintext that is put together of a header and a piece of a file.
    app: Vec<u8>,
}

thread_local! {
    static WORKSPACE: RefCell<Workspace> =
        const { RefCell::new(Workspace { net: Vec::new(), app: Vec::new() }) };
}

/// The socket, and what counts its calls.
pub(super) struct Net<'a> {
    pub(super) stream: &'a mut TcpStream,
    pub(super) metrics: &'a Arc<Metrics>,
}

/// One connection after its handshake. Each of its buffers takes memory only while there is something
/// in it, and no more than about one record.
pub(super) struct UserSpaceTls {
    tls: Box<UnbufferedServerConnection>,
    /// The beginning of a record whose end has not arrived.
    net_read_buffer: Vec<u8>,
    /// What was decrypted along with what somebody has asked for.
    app_read_buffer: AppReadBuffer,
    /// Plaintext that more will follow: never more than a record.
    held: Vec<u8>,
    /// The rest of a record that a full socket did not take: always the next to leave.
    net_write_buffer: Vec<u8>,
    key_limits: KeyLimits,
    records_sent: u64,
    bytes_sent: u64,
    /// The peer has said that it sends nothing more, or has closed the connection.
    has_ended: bool,
    /// Nothing more can be said, be it that the peer has been sent an alert, or that the library is in
    /// the midst of bytes that are gone.
    has_failed: bool,
    /// The last read has stopped although the socket may have more.
    is_turn_over: bool,
}

#[derive(Default)]
struct AppReadBuffer {
    bytes: Vec<u8>,
    used: usize,
}

impl AppReadBuffer {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn take(&mut self, into: &mut ReadInto<'_>) {
        self.used += into.put(&self.bytes[self.used..]);
        if self.used == self.bytes.len() {
            *self = Self::default();
        }
    }
}

/// What a call of `read(2)` has brought.
struct NetRead {
    bytes: usize,
    is_socket_empty: bool,
}

/// Where plaintext goes that somebody has asked for.
struct ReadInto<'a> {
    dst: &'a mut [u8],
    spare: &'a mut [u8],
    filled: usize,
}

impl ReadInto<'_> {
    fn room(&self) -> usize {
        self.dst.len() + self.spare.len() - self.filled
    }

    /// Takes as much of `bytes` as there is room for.
    fn put(&mut self, bytes: &[u8]) -> usize {
        let in_dst = self.filled.min(self.dst.len());
        let first = copy(bytes, &mut self.dst[in_dst..]);
        let in_spare = (self.filled + first).saturating_sub(self.dst.len());
        let second = copy(&bytes[first..], &mut self.spare[in_spare..]);
        self.filled += first + second;
        first + second
    }
}

/// Copies as much as there is, or as there is room for.
fn copy(src: &[u8], dst: &mut [u8]) -> usize {
    let count = src.len().min(dst.len());
    dst[..count].copy_from_slice(&src[..count]);
    count
}

impl UserSpaceTls {
    pub(super) fn new(tls: Box<UnbufferedServerConnection>, key_limits: KeyLimits) -> Self {
        Self {
            tls,
            net_read_buffer: Vec::new(),
            app_read_buffer: AppReadBuffer::default(),
            held: Vec::new(),
            net_write_buffer: Vec::new(),
            key_limits,
            records_sent: 0,
            bytes_sent: 0,
            has_ended: false,
            has_failed: false,
            is_turn_over: false,
        }
    }

    pub(super) fn has_pending_writes(&self) -> bool {
        !self.net_write_buffer.is_empty()
    }

    pub(super) fn has_unread(&self) -> bool {
        !self.app_read_buffer.is_empty()
    }

    pub(super) fn is_turn_over(&self) -> bool {
        self.is_turn_over
    }

    /// As `TransportLayer::read`. It says that nothing more is there only if the socket is empty and
    /// everything that came out of it is decrypted and handed out (KAFKA-7012, KAFKA-13559).
    pub(super) fn read(
        &mut self,
        net: &mut Net<'_>,
        dst: &mut [u8],
        spare: &mut [u8],
    ) -> io::Result<usize> {
        let mut into = ReadInto { dst, spare, filled: 0 };
        self.app_read_buffer.take(&mut into);
        let (at_first, mut net_bytes) = (into.filled, 0);
        let mut is_socket_empty = false;
        self.is_turn_over = false;
        while into.room() > 0 && !self.has_ended && !is_socket_empty && !self.is_turn_over {
            debug_assert!(self.app_read_buffer.is_empty(), "there is room for all of it");
            match self.read_net(net, &mut into) {
                Ok(read) => {
                    is_socket_empty = read.is_socket_empty;
                    net_bytes += read.bytes;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => is_socket_empty = true,
                Err(error) => {
                    // The library may be in the midst of bytes that are not kept.
                    self.has_failed = true;
                    return Err(error);
                }
            }
            let overhead_bytes = net_bytes.saturating_sub(into.filled - at_first);
            self.is_turn_over = !is_socket_empty && overhead_bytes > TURN_OVERHEAD_BYTES;
        }
        match into.filled {
            0 if !self.has_ended => Err(io::ErrorKind::WouldBlock.into()),
            filled => Ok(filled),
        }
    }

    /// One call of `read(2)`, and what it has brought, decrypted.
    fn read_net(&mut self, net: &mut Net<'_>, into: &mut ReadInto<'_>) -> io::Result<NetRead> {
        WORKSPACE.with_borrow_mut(|workspace| {
            let begun = self.net_read_buffer.len();
            // No more than fits, but for one record: what remains is bounded by that.
            let end = (begun + into.room()).clamp(RECORD_BYTES_MAX, NET_READ_BYTES);
            let buffer = &mut workspace.net;
            if buffer.len() < NET_READ_BYTES {
                buffer.resize(NET_READ_BYTES, 0);
            }
            net.metrics.read_calls.increment();
            let taken = uninterrupted(|| net.stream.read(&mut buffer[begun..end]));
            mark!([4] "SslTransportLayer.read", "{}", of(&taken, end - begun));
            let taken = taken?;
            net.metrics.read_bytes.add(taken as u64);
            if taken == 0 {
                self.has_ended = true;
                return Ok(NetRead { bytes: 0, is_socket_empty: true });
            }
            buffer[..begun].copy_from_slice(&self.net_read_buffer);
            self.unwrap(net, &mut buffer[..begun + taken], into)?;
            Ok(NetRead { bytes: taken, is_socket_empty: begun + taken < end })
        })
    }

    /// Decrypts all whole records, and keeps the beginning of the next one. Kafka's is
    /// `SSLEngine.unwrap`.
    fn unwrap(
        &mut self,
        net: &mut Net<'_>,
        buffer: &mut [u8],
        into: &mut ReadInto<'_>,
    ) -> io::Result<()> {
        let mut at = 0;
        loop {
            let UnbufferedStatus { discard, state, .. } =
                self.tls.process_tls_records(&mut buffer[at..]);
            match state {
                Ok(ConnectionState::ReadTraffic(mut records)) => {
                    while let Some(record) = records.next_record() {
                        let payload = record.map_err(|error| broken(&error))?.payload;
                        let taken = into.put(payload);
                        self.app_read_buffer.bytes.extend_from_slice(&payload[taken..]);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode(&mut data, &mut self.net_write_buffer);
                }
                Ok(ConnectionState::TransmitTlsData(flight)) => flight.done(),
                Ok(ConnectionState::PeerClosed) => {
                    self.has_ended = true;
                    // epoll makes the edge that a close of the connection would make.
                    let _ = net.stream.shutdown(Shutdown::Read);
                }
                Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => {
                    at += discard;
                    break;
                }
                Ok(_) => {
                    at = buffer.len();
                    break;
                }
                Err(error) => return Err(self.fail(net, &error)),
            }
            at += discard;
        }
        self.keep(if self.has_ended { &[] } else { &buffer[at..] })?;
        if self.net_write_buffer.len() > NET_WRITE_BYTES_MAX {
            let why = "the client asks for new keys again and again, and reads no answer";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(())
    }

    /// Keeps the beginning of a record.
    fn keep(&mut self, rest: &[u8]) -> io::Result<()> {
        if rest.len() >= RECORD_BYTES_MAX {
            let why = "the client sends a message of TLS in too many pieces";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        if rest.is_empty() {
            self.net_read_buffer = Vec::new();
        } else {
            self.net_read_buffer.clear();
            self.net_read_buffer.extend_from_slice(rest);
        }
        Ok(())
    }

    /// Says to the peer and in the error why the connection cannot go on.
    fn fail(&mut self, net: &mut Net<'_>, error: &rustls::Error) -> io::Error {
        push_alert(&mut self.tls, &mut self.net_write_buffer);
        self.has_failed = true;
        // It is the last word, and a full socket has no room for it.
        let _ = self.flush(net);
        io::Error::new(io::ErrorKind::InvalidData, format!("TLS has failed: {}", failure(error)))
    }

    /// As `TransportLayer::write`. Plaintext is as good as sent when it is encrypted.
    pub(super) fn write(&mut self, net: &mut Net<'_>, src: &[u8], more: bool) -> io::Result<usize> {
        let mut taken = 0;
        loop {
            let rest = &src[taken..];
            if more && self.held.len() + rest.len() <= PLAINTEXT_BYTES_MAX {
                self.held.extend_from_slice(rest);
                return Ok(src.len());
            }
            if !self.flush(net)? {
                break;
            }
            if rest.is_empty() && self.held.is_empty() {
                if src.is_empty() {
                    self.end_answer(net);
                }
                return Ok(taken);
            }
            let count = rest.len().min(PLAINTEXT_BYTES_MAX - self.held.len());
            self.wrap_held_and(net, &rest[..count])?;
            taken += count;
        }
        match taken {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            taken => Ok(taken),
        }
    }

    /// The last byte of an answer has left. TLS 1.2 has no other keys, and the library would break off in
    /// the middle of an answer: a client of Kafka's that is closed here connects anew and loses nothing.
    fn end_answer(&mut self, net: &mut Net<'_>) {
        if !self.has_ended && self.are_limits_reached() && !self.changes_keys() {
            self.has_ended = true;
            net.metrics.tls_connections_closed_for_keys.increment();
            debug!("closing a connection of TLS 1.2: its keys have been used for long enough");
            let _ = net.stream.shutdown(Shutdown::Read);
        }
    }

    /// As `TransportLayer::transfer_from`, without zero copy: each piece of the file is read, encrypted
    /// and sent before the next is read, and nothing is read for a full socket (KAFKA-9110).
    pub(super) fn transfer_from(
        &mut self,
        net: &mut Net<'_>,
        file: &File,
        position: u64,
        count: usize,
    ) -> io::Result<usize> {
        let mut sent = 0;
        while sent < count && self.flush(net)? {
            if self.held.len() == PLAINTEXT_BYTES_MAX {
                self.wrap_held_and(net, &[])?;
                continue;
            }
            sent += self.transfer_piece(net, file, position + sent as u64, count - sent)?;
        }
        match sent {
            0 if count > 0 => Err(io::ErrorKind::WouldBlock.into()),
            sent => Ok(sent),
        }
    }

    /// One record: what is held back, and a piece of the file.
    fn transfer_piece(
        &mut self,
        net: &mut Net<'_>,
        file: &File,
        position: u64,
        left: usize,
    ) -> io::Result<usize> {
        WORKSPACE.with_borrow_mut(|Workspace { net: ciphertext, app }| {
            app.resize(PLAINTEXT_BYTES_MAX, 0);
            // ANCHOR: transfer_piece
            let held = self.held.len();
            app[..held].copy_from_slice(&self.held);
            let end = PLAINTEXT_BYTES_MAX.min(held + left);
            net.metrics.copy_read_calls.increment();
            let read = uninterrupted(|| file.read_at(&mut app[held..end], position));
            mark!(
                [18] "UserSpaceTls.transferPiece",
                "position {position}: {}", of(&read, end - held)
            );
            let read = read?;
            net.metrics.copy_read_bytes.add(read as u64);
            if read == 0 {
                let why = format!("the file ends before position {}", position + left as u64);
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
            }
            self.held.clear();
            net.metrics.copied_message_bytes.add(read as u64);
            self.wrap(net, &app[..held + read], ciphertext)?;
            // ANCHOR_END: transfer_piece
            Ok(read)
        })
    }

    /// Encrypts what is held back and then `plain`, together no more than a record, and sends it.
    fn wrap_held_and(&mut self, net: &mut Net<'_>, plain: &[u8]) -> io::Result<()> {
        WORKSPACE.with_borrow_mut(|Workspace { net: ciphertext, .. }| {
            if self.held.is_empty() {
                return self.wrap(net, plain, ciphertext);
            }
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(plain);
            self.wrap(net, &held, ciphertext)
        })
    }

    /// Encrypts a record and sends as much of it as the socket takes. Kafka's is `SSLEngine.wrap`.
    fn wrap(
        &mut self,
        net: &mut Net<'_>,
        plain: &[u8],
        ciphertext: &mut Vec<u8>,
    ) -> io::Result<()> {
        debug_assert!(self.net_write_buffer.is_empty(), "one record follows the other");
        let length = self.encrypt(plain, ciphertext)?;
        self.records_sent += 1;
        self.bytes_sent += plain.len() as u64;
        // What a change of keys puts in front of the record.
        let sent =
            if self.net_write_buffer.is_empty() { send(net, &ciphertext[..length])? } else { 0 };
        self.net_write_buffer.extend_from_slice(&ciphertext[sent..length]);
        self.flush(net).map(drop)
    }

    /// Returns how many bytes of `ciphertext` the record takes.
    fn encrypt(&mut self, plain: &[u8], ciphertext: &mut Vec<u8>) -> io::Result<usize> {
        let room = plain.len() + OVERHEAD_BYTES;
        if ciphertext.len() < room {
            ciphertext.resize(room.max(RECORD_BYTES_MAX), 0);
        }
        let mut refreshes = self.are_limits_reached() && self.changes_keys();
        loop {
            let UnbufferedStatus { state, .. } =
                self.tls.process_tls_records(&mut self.net_read_buffer);
            match state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode(&mut data, &mut self.net_write_buffer);
                }
                Ok(ConnectionState::TransmitTlsData(flight)) => flight.done(),
                Ok(ConnectionState::PeerClosed) => self.has_ended = true,
                Ok(ConnectionState::WriteTraffic(traffic)) if refreshes => {
                    refreshes = false;
                    traffic.refresh_traffic_keys().map_err(|error| broken(&error))?;
                    (self.records_sent, self.bytes_sent) = (0, 0);
                }
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    match traffic.encrypt(plain, ciphertext) {
                        Ok(length) => return Ok(length),
                        Err(EncryptError::InsufficientSize(room)) => {
                            ciphertext.resize(room.required_size, 0);
                        }
                        Err(EncryptError::EncryptExhausted) => {
                            let why = "the keys of this connection of TLS 1.2 are used up";
                            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, why));
                        }
                    }
                }
                Ok(other) => return Err(io::Error::other(format!("{other:?} in a write"))),
                Err(error) => {
                    self.has_failed = true;
                    return Err(broken(&error));
                }
            }
        }
    }

    fn are_limits_reached(&self) -> bool {
        let KeyLimits { records, bytes } = self.key_limits;
        self.records_sent >= records || self.bytes_sent >= bytes
    }

    /// Only TLS 1.3 can.
    fn changes_keys(&self) -> bool {
        self.tls.protocol_version() == Some(ProtocolVersion::TLSv1_3)
    }

    /// Port of `SslTransportLayer.flush`: sends what a full socket has left. Returns whether all has
    /// left.
    fn flush(&mut self, net: &mut Net<'_>) -> io::Result<bool> {
        if self.net_write_buffer.is_empty() {
            return Ok(true);
        }
        let sent = send(net, &self.net_write_buffer)?;
        self.net_write_buffer.drain(..sent);
        if self.net_write_buffer.is_empty() {
            self.net_write_buffer = Vec::new();
        }
        Ok(self.net_write_buffer.is_empty())
    }

    /// Says goodbye, if there is room for it after all that was sent. It is not waited for the peer's.
    pub(super) fn close(&mut self, net: &mut Net<'_>) {
        if self.has_failed || !matches!(self.flush(net), Ok(true)) {
            return;
        }
        let Self { tls, net_read_buffer, net_write_buffer, .. } = self;
        let mut goodbye = [0; OVERHEAD_BYTES];
        let UnbufferedStatus { state, .. } = tls.process_tls_records(net_read_buffer);
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = state
            && let Ok(length) = traffic.queue_close_notify(&mut goodbye)
        {
            net_write_buffer.extend_from_slice(&goodbye[..length]);
            let _ = self.flush(net);
        }
    }
}

/// One call; 0 if the socket is full.
fn send(net: &mut Net<'_>, bytes: &[u8]) -> io::Result<usize> {
    net.metrics.write_calls.increment();
    let sent = match uninterrupted(|| net.stream.write(bytes)) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        sent => sent?,
    };
    mark!([16] "SslTransportLayer.write", "{sent} of {} bytes, encrypted", bytes.len());
    net.metrics.write_bytes.add(sent as u64);
    Ok(sent)
}

fn broken(error: &rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("TLS has failed: {}", failure(error)))
}
