//! The first half of `org.apache.kafka.common.network.SslTransportLayer`: the handshake, up to the
//! record that ends it.

use std::io;
use std::io::{Read, Write};
use std::ops::RangeInclusive;

use mio::net::TcpStream;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus};

use crate::common::step::mark;
use crate::transport::ssl_failure::{failure, foreign_protocol};
use crate::transport::transport_layer::HandshakeStatus;

/// What stands before a record: its type, its version, and the length of its body.
pub(super) const HEADER_BYTES: usize = 5;
/// The most plaintext of one record.
pub(super) const PLAINTEXT_BYTES_MAX: usize = 16 << 10;
/// The most of the body of a record: its plaintext, and what no cipher adds more than.
const BODY_BYTES_MAX: usize = PLAINTEXT_BYTES_MAX + 2048;
/// The most of a record.
pub(super) const RECORD_BYTES_MAX: usize = HEADER_BYTES + BODY_BYTES_MAX;
/// The most that is kept of a handshake while a message is not whole: a message has up to 64 KiB. Each of
/// its pieces is kept with the header of its record, and a piece may be a byte.
const NET_READ_BYTES_MAX: usize = 96 << 10;
/// What a record says first of itself.
pub(super) const RECORD_TYPES: RangeInclusive<u8> = 20..=24;

/// One handshake. It reads the socket one record at a time, the header and then exactly the body: what
/// it would take beyond the last one, nobody could give to the kernel afterwards.
pub(super) struct SslHandshake {
    tls: Box<UnbufferedServerConnection>,
    /// The record that is being read, behind pieces of a message that has begun in earlier ones.
    net_read_buffer: Vec<u8>,
    /// Where in there the record begins.
    record_at: usize,
    /// A flight on its way out.
    net_write_buffer: Vec<u8>,
    has_read: bool,
}

/// What the handshake needs to go on.
enum Need {
    Wrap,
    Unwrap,
    Nothing,
}

impl SslHandshake {
    /// Port of `SslTransportLayer.startHandshake`.
    pub(super) fn start_handshake(tls: UnbufferedServerConnection) -> Self {
        Self {
            tls: Box::new(tls),
            net_read_buffer: Vec::new(),
            record_at: 0,
            net_write_buffer: Vec::new(),
            has_read: false,
        }
    }

    /// Goes on as far as it gets without waiting.
    ///
    /// # Errors
    /// `InvalidData` with the reason why the connection cannot be secured: the peer has been sent an
    /// alert, if the socket took it. `UnexpectedEof` if the peer has closed the connection.
    pub(super) fn handshake(&mut self, stream: &mut TcpStream) -> io::Result<HandshakeStatus> {
        loop {
            match self.handshake_wrap(stream) {
                Ok(true) => {}
                Ok(false) => return Ok(HandshakeStatus::NeedWrap),
                Err(error) => return Err(self.alert_after(error, stream)),
            }
            match self.run_delegated_tasks() {
                Ok(Need::Wrap) => {}
                Ok(Need::Nothing) => return Ok(HandshakeStatus::Finished),
                Ok(Need::Unwrap) => {
                    if !self.handshake_unwrap(stream)? {
                        return Ok(HandshakeStatus::NeedUnwrap);
                    }
                }
                Err(error) => return Err(self.handshake_failure(&error, stream)),
            }
        }
    }

    /// Port of `SslTransportLayer.handshakeFinished`.
    ///
    /// Nothing that the peer has sent since is in there, so that either half may go on with it: this
    /// process, or the kernel.
    pub(super) fn handshake_finished(self) -> Box<UnbufferedServerConnection> {
        debug_assert!(self.net_write_buffer.is_empty(), "the last flight has left");
        self.tls
    }

    /// Sends what is left of a flight. Returns whether all has left.
    fn handshake_wrap(&mut self, stream: &mut TcpStream) -> io::Result<bool> {
        let mut sent = 0;
        let result = loop {
            if sent == self.net_write_buffer.len() {
                break Ok(true);
            }
            match stream.write(&self.net_write_buffer[sent..]) {
                Ok(taken) => sent += taken,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(false),
                Err(error) => break Err(error),
            }
        };
        if sent > 0 {
            mark!("SslTransportLayer.handshakeWrap", "{sent} bytes");
        }
        self.net_write_buffer.drain(..sent);
        result
    }

    /// Reads on in the present record. Returns whether it is complete.
    fn handshake_unwrap(&mut self, stream: &mut TcpStream) -> io::Result<bool> {
        loop {
            let filled = self.net_read_buffer.len();
            let missing = self.missing_bytes();
            if filled > NET_READ_BYTES_MAX {
                let why = "the client sends its handshake in too many pieces";
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            if missing == 0 {
                mark!(
                    "SslTransportLayer.handshakeUnwrap",
                    "a record of {} bytes",
                    filled - self.record_at
                );
                self.has_read |= RECORD_TYPES.contains(&self.net_read_buffer[self.record_at]);
                self.record_at = filled;
                return Ok(true);
            }
            self.net_read_buffer.resize(filled + missing, 0);
            let taken = stream.read(&mut self.net_read_buffer[filled..]);
            self.net_read_buffer.truncate(filled + *taken.as_ref().unwrap_or(&0));
            match taken {
                Ok(0) => return Err(self.ended()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
    }

    /// How many bytes the header, and then the body, lacks. The body of what is no record is not read:
    /// its header shows that already.
    fn missing_bytes(&self) -> usize {
        let record = &self.net_read_buffer[self.record_at..];
        let [kind, _, _, high, low, body @ ..] = record else {
            return HEADER_BYTES - record.len();
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let is_record = RECORD_TYPES.contains(kind) && length <= BODY_BYTES_MAX;
        if is_record { length - body.len() } else { 0 }
    }

    /// What lies between the records: keys are agreed upon, signatures made and checked. None of it
    /// takes longer than a signature, so that it stays on this thread, as in Kafka.
    fn run_delegated_tasks(&mut self) -> Result<Need, rustls::Error> {
        loop {
            let UnbufferedStatus { discard, state, .. } =
                self.tls.process_tls_records(&mut self.net_read_buffer);
            let need = match state? {
                ConnectionState::EncodeTlsData(mut data) => {
                    encode(&mut data, &mut self.net_write_buffer);
                    None
                }
                // The whole flight leaves by one call.
                ConnectionState::TransmitTlsData(flight) => {
                    flight.done();
                    Some(Need::Wrap)
                }
                ConnectionState::BlockedHandshake => Some(Need::Unwrap),
                ConnectionState::WriteTraffic(_) if self.record_at > discard => {
                    let why = "the handshake ends in the middle of a message".to_string();
                    return Err(rustls::Error::General(why));
                }
                ConnectionState::WriteTraffic(_) => Some(Need::Nothing),
                ConnectionState::PeerClosed | ConnectionState::Closed => {
                    return Err(rustls::Error::AlertReceived(
                        rustls::AlertDescription::CloseNotify,
                    ));
                }
                other => return Err(rustls::Error::General(format!("{other:?} in a handshake"))),
            };
            self.net_read_buffer.drain(..discard);
            self.record_at = self.record_at.saturating_sub(discard);
            if let Some(need) = need {
                return Ok(need);
            }
        }
    }

    /// Says to the peer and in the error why there will be no connection.
    ///
    /// Only to a peer of TLS: others would misread an alert. A Java client takes it for the size of a
    /// response, 336 MiB, and the heap of Kafka's tools ends with that (KAFKA-4090).
    fn handshake_failure(&mut self, error: &rustls::Error, stream: &mut TcpStream) -> io::Error {
        let foreign = if self.has_read { None } else { foreign_protocol(&self.net_read_buffer) };
        let why = foreign.map_or_else(|| failure(error), String::from);
        if foreign.is_none() {
            push_alert(&mut self.tls, &mut self.net_write_buffer);
            // It is the last word, and a full socket has no room for it.
            let _ = self.handshake_wrap(stream);
        }
        let is_goodbye =
            *error == rustls::Error::AlertReceived(rustls::AlertDescription::CloseNotify);
        let kind =
            if is_goodbye { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::InvalidData };
        io::Error::new(kind, format!("the TLS handshake has failed: {why}"))
    }

    /// A peer that refuses us says so and closes; we may meet the close first.
    fn alert_after(&mut self, error: io::Error, stream: &mut TcpStream) -> io::Error {
        self.net_write_buffer = Vec::new();
        match self.handshake_unwrap(stream) {
            Ok(true) => match self.run_delegated_tasks() {
                Err(alert) => self.handshake_failure(&alert, stream),
                Ok(_) => error,
            },
            _ => error,
        }
    }

    fn ended(&self) -> io::Error {
        let has_begun = self.has_read || !self.net_read_buffer.is_empty();
        let when = if has_begun { "in the middle of" } else { "before" };
        let why = format!("the peer closed the connection {when} the TLS handshake");
        io::Error::new(io::ErrorKind::UnexpectedEof, why)
    }
}

/// Appends a message of TLS to what is to be sent.
pub(super) fn encode<D>(data: &mut EncodeTlsData<'_, D>, net_write_buffer: &mut Vec<u8>) {
    let at = net_write_buffer.len();
    if let Err(EncodeError::InsufficientSize(room)) = data.encode(&mut []) {
        net_write_buffer.resize(at + room.required_size, 0);
        let encoded = data.encode(&mut net_write_buffer[at..]);
        net_write_buffer.truncate(at + encoded.unwrap_or(0));
    }
}

/// Appends what follows from an error: an alert, mostly.
pub(super) fn push_alert(tls: &mut UnbufferedServerConnection, net_write_buffer: &mut Vec<u8>) {
    // What was received is not looked at again: it would be found wrong again. And the library would look
    // for the pieces of a message that it has begun where they are no more. While it wants to write,
    // though, it gives out what is to be written before it looks at anything.
    while tls.wants_write() {
        let UnbufferedStatus { state, .. } = tls.process_tls_records(&mut []);
        let Ok(ConnectionState::EncodeTlsData(mut data)) = state else { return };
        encode(&mut data, net_write_buffer);
    }
}
