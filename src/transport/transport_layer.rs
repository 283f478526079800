//! Port of `org.apache.kafka.common.network.TransportLayer`: the border between bytes and the
//! socket they leave by.

use std::fs::File;
use std::io;
use std::net::SocketAddr;

use mio::{Registry, Token};

/// What a handshake waits for: `javax.net.ssl.SSLEngineResult.HandshakeStatus`, as far as a caller
/// needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeStatus {
    /// It is over, or there is none.
    Finished,
    /// The socket is empty, and the peer is to speak next.
    NeedUnwrap,
    /// The socket is full, and we are to speak next.
    NeedWrap,
}

/// One connection, as bytes that come and go without blocking.
///
/// This trait is all that the storage wing knows of the network: a file hands itself to a socket
/// that it knows only as a `TransportLayer`, and that meeting is zero copy.
///
/// No call waits. `WouldBlock` means that the socket is full (or empty) *now*; the
/// caller keeps its place and comes back when the selector says so.
pub trait TransportLayer: std::marker::Send {
    /// Whether a connection that `connect(2)` has begun is established now. An accepted one always
    /// is.
    ///
    /// # Errors
    /// Why the connection could not be established.
    fn finish_connect(&mut self) -> io::Result<bool> {
        Ok(true)
    }

    /// Whether the connection is secured, as far as its protocol secures it: requests and responses
    /// may pass.
    fn ready(&self) -> bool {
        true
    }

    /// Continues the handshake as far as it gets without waiting.
    ///
    /// # Errors
    /// Why the connection cannot be secured. The peer has been sent an alert, if it can be.
    fn handshake(&mut self) -> io::Result<HandshakeStatus> {
        Ok(HandshakeStatus::Finished)
    }

    /// The name in the certificate that the peer has shown, as RFC 2253 writes it, the most specific
    /// part first: `CN=alice,OU=clients`.
    fn peer_principal(&self) -> Option<&str> {
        None
    }

    /// Whether bytes that no caller waits for, such as the answer to a KeyUpdate, have found the
    /// socket full. An empty [`write`](Self::write) pushes them out.
    fn has_pending_writes(&self) -> bool {
        false
    }

    /// The connection is about to be closed: says so to the peer, if its protocol has a word for it
    /// and the socket takes it at once.
    fn close(&mut self) {}

    /// Reads into `dst` and, what is there beyond it, into `spare`. `Ok(0)` is the end of the stream.
    ///
    /// Fewer bytes than both have room for mean that nothing more is there now, so that the next
    /// call would only get `WouldBlock` or the end of the stream; unless
    /// [`is_turn_over`](Self::is_turn_over).
    ///
    /// # Errors
    /// `WouldBlock` if nothing has arrived, or the turn is over; whatever `read(2)` reports otherwise.
    fn read(&mut self, dst: &mut [u8], spare: &mut [u8]) -> io::Result<usize>;

    /// Whether the last [`read`](Self::read) has brought fewer bytes than it had room for although more
    /// may be there, because the turn of its channel is over: records of TLS may bring no bytes, and
    /// a peer may send any number of them.
    fn is_turn_over(&self) -> bool {
        false
    }

    /// Whether there is something to read before the end of the stream. Asked of a connection that
    /// has ended, to decide whether it is read to its end. A transport that cannot tell says yes.
    ///
    /// # Errors
    /// Why nothing more can be read.
    fn has_unread(&mut self) -> io::Result<bool> {
        Ok(true)
    }

    /// Whether a [`write`](Self::write) has found bytes to read since this was last asked, and has left
    /// them where they were. No edge may come for them any more: Linux 7.3 does not report to epoll a record
    /// of TLS that a reader has met first, not even one who only looked.
    fn take_unread_found(&mut self) -> bool {
        false
    }

    /// Takes bytes from the front of `src` and returns how many it took, at least 1 unless `src` is
    /// empty.
    ///
    /// With `more` the caller promises that further bytes follow at once, so the transport may hold
    /// these back and let them leave together with what follows: three small headers and a file
    /// then cost one `send` and one `sendfile`. Bytes taken are as good as sent: they leave before
    /// anything that is written later. An empty `src` without `more` pushes out whatever was held
    /// back; it returns 0.
    ///
    /// # Errors
    /// `WouldBlock` if the socket is full; whatever `sendmsg(2)` reports otherwise.
    fn write(&mut self, src: &[u8], more: bool) -> io::Result<usize>;

    /// Sends `count` bytes of `file`, from `position` on, to the peer, without reading them into
    /// this process.
    ///
    /// Returns how many bytes went, at least 1. Fewer than `count` means that the socket is full
    /// now, so that the next call would only get `WouldBlock`.
    ///
    /// # Errors
    /// `WouldBlock` if the socket is full; `UnexpectedEof` if the file ends before
    /// `position + count`, so that a truncated file is never taken for a full socket (some bytes
    /// may have gone, so the connection is of no use any more); whatever `sendfile(2)` reports
    /// otherwise.
    fn transfer_from(&mut self, file: &File, position: u64, count: usize) -> io::Result<usize>;

    /// The address of the peer, kept from the time of the accept: it is known even when the
    /// connection is gone.
    fn peer_addr(&self) -> SocketAddr;

    /// The address on our side.
    fn local_addr(&self) -> SocketAddr;

    /// Makes `registry` report readiness of this connection under `token`, both ways and
    /// edge-triggered.
    ///
    /// # Errors
    /// Whatever `epoll_ctl(2)` reports.
    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()>;

    /// Ends the reports of [`register`](Self::register).
    ///
    /// # Errors
    /// Whatever `epoll_ctl(2)` reports.
    fn deregister(&mut self, registry: &Registry) -> io::Result<()>;
}
