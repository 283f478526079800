//! Not in Kafka: the turn of one channel that reads, limited in bytes, and what it reads along
//! beyond the request that it is for.
//!
//! Kafka 0.9 reads the size of a request by one call and its body by another. Here a call asks for
//! as much as it has room for, so that a small request comes by one. What is read along belongs to
//! the requests behind it, which a client that pipelines has sent already.

use std::io;
use std::mem;
use std::ops::Range;

use crate::common::memory_pool::FREE_BYTES;
use crate::transport::transport_layer::TransportLayer;

/// The most bytes that one turn reads, so that a client with an endless request gets its turns like
/// all others.
pub const READ_TURN_BYTES: usize = 1 << 20;
/// The most that a channel keeps of what was read along.
const BUFFERED_BYTES_MAX: usize = FREE_BYTES;
/// To copy this much costs less than a second part of a call.
const COPIED_BYTES_MAX: usize = 512;

/// Why a turn has ended before its request was whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadEnd {
    /// The bytes of the turn are used up, or its records: there may be more, and the channel goes to the back of
    /// the ready list.
    BudgetSpent,
    /// The socket has nothing more: an edge will report when it has.
    SocketEmpty,
}

/// Room for what is read along: one for all channels of a selector, and empty between their turns.
pub struct ReadBuffer(Box<[u8]>);

impl ReadBuffer {
    pub fn new() -> Self {
        Self(vec![0; BUFFERED_BYTES_MAX].into())
    }
}

impl Default for ReadBuffer {
    fn default() -> Self {
        Self::new()
    }
}

/// What a channel has read along and not used yet. It takes memory only while there is something in
/// it.
#[derive(Debug, Default)]
pub struct BytesBuffered {
    bytes: Vec<u8>,
    used: usize,
}

impl BytesBuffered {
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn keep(&mut self, bytes: &[u8]) {
        debug_assert!(self.is_empty(), "the socket is read only when this is used up");
        *self = Self { bytes: bytes.to_vec(), used: 0 };
    }

    fn take(&mut self, dst: &mut [u8]) -> usize {
        let taken = copy(&self.bytes[self.used..], dst);
        self.used += taken;
        if self.used == self.bytes.len() {
            mem::take(self);
        }
        taken
    }
}

/// One turn: hands out what was read along first, and then reads the socket.
///
/// A call that brought less than it asked for has emptied the socket, and the next one would only
/// get `EAGAIN` (epoll(7), question 9). That holds for this turn and no longer: an edge may come
/// before the next one.
pub struct ReadTurn<'a> {
    transport: &'a mut dyn TransportLayer,
    buffered: &'a mut BytesBuffered,
    buffer: &'a mut [u8],
    /// What `buffer` holds that is not used yet.
    unused: Range<usize>,
    bytes_left: usize,
    end: Option<ReadEnd>,
}

impl<'a> ReadTurn<'a> {
    /// A turn on a socket that is readable as far as is known, or of what is buffered alone.
    pub fn new(
        transport: &'a mut dyn TransportLayer,
        buffered: &'a mut BytesBuffered,
        buffer: &'a mut ReadBuffer,
        is_readable: bool,
    ) -> Self {
        let end = (!is_readable).then_some(ReadEnd::SocketEmpty);
        let buffer = &mut *buffer.0;
        Self { transport, buffered, buffer, unused: 0..0, bytes_left: READ_TURN_BYTES, end }
    }

    /// Fills `dst` from its front, and returns how many bytes it got; 0 is the end of the stream.
    ///
    /// With `more` the caller promises to ask for the bytes that follow at once: none of them is
    /// read along, and copied, that can go to its place.
    ///
    /// # Errors
    /// `WouldBlock` if nothing more is there, or if the turn is over; whatever the transport
    /// reports.
    pub fn read(&mut self, dst: &mut [u8], more: bool) -> io::Result<usize> {
        if !self.buffered.is_empty() {
            return Ok(self.buffered.take(dst));
        }
        if self.unused.is_empty() {
            return self.read_socket(dst, more);
        }
        Ok(self.take_unused(dst))
    }

    /// Ends the turn: what is left over is kept for the channel's next one. Returns why it ended,
    /// `None` if nothing but its request did end it.
    pub fn finish(self) -> Option<ReadEnd> {
        if !self.unused.is_empty() {
            self.buffered.keep(&self.buffer[self.unused]);
        }
        self.end
    }

    fn read_socket(&mut self, dst: &mut [u8], more: bool) -> io::Result<usize> {
        if self.bytes_left == 0 {
            self.end = Some(ReadEnd::BudgetSpent);
        }
        if self.end.is_some() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let allowed = dst.len().min(self.bytes_left);
        let is_more = more || allowed < dst.len();
        if allowed <= COPIED_BYTES_MAX && !is_more {
            let asked = self.buffer.len();
            let taken = self.call(asked, |it| it.transport.read(it.buffer, &mut []))?;
            self.unused = 0..taken;
            return Ok(self.take_unused(dst));
        }
        let spare = if is_more { 0 } else { self.buffer.len() };
        let taken = self.call(allowed + spare, |it| {
            it.transport.read(&mut dst[..allowed], &mut it.buffer[..spare])
        })?;
        self.unused = 0..taken.saturating_sub(allowed);
        Ok(taken.min(allowed))
    }

    /// One call that reads up to `asked` bytes, and the conclusions from it.
    fn call(
        &mut self,
        asked: usize,
        read: impl FnOnce(&mut Self) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let result = read(self);
        let is_short = match &result {
            Ok(taken) => {
                self.bytes_left = self.bytes_left.saturating_sub(*taken);
                *taken < asked
            }
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        if is_short && self.transport.is_turn_over() {
            self.end = Some(ReadEnd::BudgetSpent);
        } else if is_short {
            self.end = Some(ReadEnd::SocketEmpty);
        }
        result
    }

    fn take_unused(&mut self, dst: &mut [u8]) -> usize {
        let taken = copy(&self.buffer[self.unused.clone()], dst);
        self.unused.start += taken;
        taken
    }
}

/// Copies as much as there is, or as there is room for.
fn copy(src: &[u8], dst: &mut [u8]) -> usize {
    let count = src.len().min(dst.len());
    dst[..count].copy_from_slice(&src[..count]);
    count
}
