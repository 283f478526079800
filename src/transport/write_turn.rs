//! Not in Kafka: the turn of one channel, limited in bytes and in time, so that a fast reader
//! starves nobody.
//!
//! Kafka 0.9 writes once per channel and poll, but one `writeTo` goes on through all partitions of
//! a response for as long as the socket takes bytes. A consumer on loopback that reads as fast as
//! it is served then owns its Processor.

use std::fs::File;
use std::io;
use std::net::SocketAddr;

use mio::{Registry, Token};

use crate::common::time::Time;
use crate::transport::transport_layer::{HandshakeStatus, TransportLayer};

/// Bytes of one turn: about what a socket's send buffer holds at most (`net.ipv4.tcp_wmem` lets it
/// grow to 4 MiB), so that a slow reader never meets this limit and a fast one meets it some
/// thousand times a second.
pub const TURN_BYTES: usize = 1 << 20;
/// Time of one turn, checked before each call, but for bytes that others will follow at once: those
/// mostly go no further than to the transport. A thousand connections that all use it up wait two
/// seconds for each other, and not more.
pub const TURN_NS: i64 = 2_000_000;
/// A call that is made at all may move this much, and the rest of a call is at least this much,
/// even if that goes over the limit: no `sendfile` for crumbs.
const CALL_BYTES_MIN: usize = 64 << 10;

/// Why a turn has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnEnd {
    /// The bytes or the time are used up: the channel is still ready and goes to the back of the
    /// ready list.
    BudgetSpent,
    /// The socket takes no more: an edge will report when it does.
    SocketFull,
}

/// A transport that says `WouldBlock` when the turn of its channel is over.
///
/// It also saves a system call per turn. A call that took less than it was given has met a full
/// socket, and the next one would only get `EAGAIN` (epoll(7), question 9). This holds because the
/// transport itself finds out what else may have cut a `sendfile` short (see
/// [`TransportLayer::transfer_from`]).
pub struct WriteTurn<'a> {
    transport: &'a mut dyn TransportLayer,
    time: &'a dyn Time,
    deadline_ns: i64,
    bytes_left: usize,
    end: Option<TurnEnd>,
}

impl<'a> WriteTurn<'a> {
    pub fn new(transport: &'a mut dyn TransportLayer, time: &'a dyn Time) -> Self {
        let deadline_ns = time.nanoseconds() + TURN_NS;
        Self { transport, time, deadline_ns, bytes_left: TURN_BYTES, end: None }
    }

    /// Why the turn has ended, or `None` if it goes on.
    pub fn end(&self) -> Option<TurnEnd> {
        self.end
    }

    /// Pushes out what the transport holds back, whatever is left of the turn.
    ///
    /// # Errors
    /// `WouldBlock` if the socket is full; whatever `sendmsg(2)` reports otherwise.
    pub fn flush(&mut self) -> io::Result<()> {
        let result = self.transport.write(&[], false);
        self.note_full(&result, 0);
        result.map(drop)
    }

    /// How many of `asked` bytes the next call may move, after which others follow at once or not.
    fn allowance(&mut self, asked: usize, more: bool) -> io::Result<usize> {
        let is_late = |time: &dyn Time| !more && time.nanoseconds() >= self.deadline_ns;
        if self.end.is_none() && (self.bytes_left == 0 || is_late(self.time)) {
            self.end = Some(TurnEnd::BudgetSpent);
        }
        match self.end {
            Some(_) => Err(io::ErrorKind::WouldBlock.into()),
            None if asked <= self.bytes_left + CALL_BYTES_MIN => Ok(asked),
            None => Ok(self.bytes_left.max(CALL_BYTES_MIN)),
        }
    }

    /// Draws the conclusions from a call that was given `allowed` bytes.
    fn note(&mut self, result: &io::Result<usize>, allowed: usize) {
        if let Ok(taken) = result {
            self.bytes_left = self.bytes_left.saturating_sub(*taken);
        }
        self.note_full(result, allowed);
    }

    fn note_full(&mut self, result: &io::Result<usize>, allowed: usize) {
        let is_full = match result {
            Ok(taken) => *taken < allowed,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        if is_full {
            self.end = Some(TurnEnd::SocketFull);
        }
    }
}

impl TransportLayer for WriteTurn<'_> {
    fn finish_connect(&mut self) -> io::Result<bool> {
        self.transport.finish_connect()
    }

    fn ready(&self) -> bool {
        self.transport.ready()
    }

    fn handshake(&mut self) -> io::Result<HandshakeStatus> {
        self.transport.handshake()
    }

    fn peer_principal(&self) -> Option<&str> {
        self.transport.peer_principal()
    }

    fn has_pending_writes(&self) -> bool {
        self.transport.has_pending_writes()
    }

    fn close(&mut self) {
        self.transport.close();
    }

    fn is_turn_over(&self) -> bool {
        self.transport.is_turn_over()
    }

    fn read(&mut self, dst: &mut [u8], spare: &mut [u8]) -> io::Result<usize> {
        self.transport.read(dst, spare)
    }

    fn write(&mut self, src: &[u8], more: bool) -> io::Result<usize> {
        let allowed = self.allowance(src.len(), more)?;
        let result = self.transport.write(&src[..allowed], more);
        self.note(&result, allowed);
        result
    }

    fn transfer_from(&mut self, file: &File, position: u64, count: usize) -> io::Result<usize> {
        let allowed = self.allowance(count, false)?;
        let result = self.transport.transfer_from(file, position, allowed);
        self.note(&result, allowed);
        result
    }

    fn peer_addr(&self) -> SocketAddr {
        self.transport.peer_addr()
    }

    fn local_addr(&self) -> SocketAddr {
        self.transport.local_addr()
    }

    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.transport.register(registry, token)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.transport.deregister(registry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::mock_time::MockTime;
    use crate::transport::memory_transport::MemoryTransport;

    fn is_would_block<T>(result: io::Result<T>) -> bool {
        result.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    #[test]
    fn a_turn_ends_when_its_bytes_are_spent() {
        let (mut transport, time) = (MemoryTransport::unlimited(), MockTime::new());
        let mut turn = WriteTurn::new(&mut transport, &time);
        assert_eq!(turn.write(&vec![0; 2 * TURN_BYTES], false).unwrap(), TURN_BYTES);
        assert_eq!(turn.end(), None);
        assert!(is_would_block(turn.write(b"x", false)));
        assert_eq!(turn.end(), Some(TurnEnd::BudgetSpent));
        assert_eq!(transport.calls, 1);
    }

    #[test]
    fn a_turn_ends_when_its_time_is_spent() {
        let (mut transport, time) = (MemoryTransport::unlimited(), MockTime::new());
        let mut turn = WriteTurn::new(&mut transport, &time);
        assert_eq!(turn.write(b"x", false).unwrap(), 1);
        time.sleep(2);
        assert!(is_would_block(turn.write(b"y", false)));
        assert_eq!(turn.end(), Some(TurnEnd::BudgetSpent));
    }

    /// What follows is checked.
    #[test]
    fn bytes_that_others_follow_pass_at_the_end_of_the_time() {
        let (mut transport, time) = (MemoryTransport::unlimited(), MockTime::new());
        let mut turn = WriteTurn::new(&mut transport, &time);
        time.sleep(2);
        assert_eq!(turn.write(b"x", true).unwrap(), 1);
        assert!(is_would_block(turn.write(b"y", false)));
    }

    #[test]
    fn a_short_count_means_a_full_socket_without_another_call() {
        let (mut transport, time) = (MemoryTransport::taking(&[3]), MockTime::new());
        let mut turn = WriteTurn::new(&mut transport, &time);
        assert_eq!(turn.write(b"abcdef", false).unwrap(), 3);
        assert!(is_would_block(turn.write(b"def", false)));
        assert_eq!(turn.end(), Some(TurnEnd::SocketFull));
        assert_eq!(transport.calls, 1);
    }

    #[test]
    fn the_last_call_of_a_turn_is_not_for_crumbs() {
        let (mut transport, time) = (MemoryTransport::unlimited(), MockTime::new());
        let mut turn = WriteTurn::new(&mut transport, &time);
        turn.write(&vec![0; TURN_BYTES - 1], false).unwrap();
        assert_eq!(turn.write(&vec![0; TURN_BYTES], false).unwrap(), CALL_BYTES_MIN);
        assert!(is_would_block(turn.write(b"x", false)));
    }

    #[test]
    fn what_is_held_back_may_leave_after_the_turn() {
        let (mut transport, time) = (MemoryTransport::unlimited(), MockTime::new());
        let mut turn = WriteTurn::new(&mut transport, &time);
        turn.write(&vec![0; TURN_BYTES], false).unwrap();
        turn.flush().unwrap();
        assert_eq!(turn.end(), None);
    }
}
