//! Port of `org.apache.kafka.common.network.PlaintextTransportLayer`: a `mio` socket, to which a
//! file goes by `sendfile(2)`.

use std::fmt;
use std::fs::File;
use std::io;
use std::io::{IoSlice, IoSliceMut, Read};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Instant;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::sendfile::sendfile64;
use nix::sys::socket::{MsgFlags, sendmsg};

use crate::common::metrics::Metrics;
use crate::common::step::{in_words, mark, step};
use crate::transport::transport_layer::TransportLayer;

/// Small pieces that more will follow are held back, up to this many bytes together: the headers of
/// a fetch response with a hundred partitions fit.
const HELD_BYTES_MAX: usize = 16 << 10;
/// One `sendfile` moves at most this much, whatever it is asked for.
const SENDFILE_BYTES_MAX: usize = 0x7fff_f000;
/// `send(2)`: the kernel waits for more before it sends a segment that is not full. `nix` has no
/// name for it.
///
/// It waits for 200 ms at most, and where it encrypts what it sends, for ever: the record is not
/// finished before more is there, and a call without a byte does not finish it. Hence the rule of this
/// file, by which nothing depends on that time: **what leaves with `MSG_MORE` is never the last.** Either
/// a byte behind it is held back, or the bytes of a file are next.
const MSG_MORE: MsgFlags = MsgFlags::from_bits_retain(nix::libc::MSG_MORE);

/// A connection whose bytes go as they are.
pub struct PlaintextTransportLayer {
    stream: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
    metrics: Arc<Metrics>,
    /// Bytes that were taken and have not left: always the next to leave, never more than
    /// [`HELD_BYTES_MAX`].
    held: Vec<u8>,
}

impl PlaintextTransportLayer {
    /// Takes over `stream`, whose other end is `peer`.
    ///
    /// # Errors
    /// If the socket does not know its own address.
    pub fn new(stream: TcpStream, peer: SocketAddr, metrics: Arc<Metrics>) -> io::Result<Self> {
        let local = stream.local_addr()?;
        Ok(Self { stream, peer, local, metrics, held: Vec::new() })
    }

    /// The socket, for a transport that adds to what passes here.
    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The socket, for a transport that sends what it makes of it.
    pub(super) fn stream_mut(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// How many bytes were taken and have not left.
    pub(super) fn held_bytes(&self) -> usize {
        self.held.len()
    }

    /// Sends what is held back and then `src`, in one call. Returns how many bytes of `src` went.
    ///
    /// `WouldBlock` if not even one byte of `src` went; an empty `src` has nothing that could not
    /// go.
    fn send_held_and(&mut self, src: &[u8], flags: MsgFlags) -> io::Result<usize> {
        if self.held.is_empty() && src.is_empty() {
            return Ok(0);
        }
        let flags = flags | MsgFlags::MSG_NOSIGNAL;
        let slices = [IoSlice::new(&self.held), IoSlice::new(src)];
        let slices = match (self.held.is_empty(), src.is_empty()) {
            (true, _) => &slices[1..],
            (_, true) => &slices[..1],
            _ => &slices[..],
        };
        let fd = self.stream.as_raw_fd();
        self.metrics.write_calls.increment();
        let sent = uninterrupted(|| {
            self.stream.try_io(|| Ok(sendmsg::<()>(fd, slices, &[], flags, None)?))
        })?;
        self.metrics.write_bytes.add(sent as u64);
        let held = self.held.len();
        let asked = held + src.len();
        mark!(
            [16] "PlaintextTransportLayer.write",
            "{sent} of {asked} bytes, {held} held back before"
        );

        let sent_of_held = sent.min(self.held.len());
        self.held.drain(..sent_of_held);
        let sent_of_src = sent - sent_of_held;
        let is_all_sent = self.held.is_empty() && src.is_empty();
        if sent_of_src == 0 && !is_all_sent {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(sent_of_src)
    }

    /// Sends what is held back and `src`, behind which more will come: all but the last byte, which
    /// becomes what is held back.
    fn send_all_but_one(&mut self, src: &[u8]) -> io::Result<usize> {
        let Some((last, front)) = src.split_last() else { return Ok(0) };
        let sent = self.send_held_and(front, MSG_MORE)?;
        if sent < front.len() {
            return Ok(sent);
        }
        self.held.push(*last);
        Ok(src.len())
    }

    /// One `sendfile(2)`, counted and timed.
    fn sendfile(&mut self, file: &File, position: u64, count: usize) -> io::Result<usize> {
        let position = i64::try_from(position).map_err(io::Error::other)?;
        let started = Instant::now();
        // ANCHOR: sendfile
        let result = uninterrupted(|| {
            let mut position = position;
            let (stream, from) = (&self.stream, Some(&mut position));
            stream.try_io(|| Ok(sendfile64(stream, file, from, count)?))
        });
        // ANCHOR_END: sendfile
        let elapsed_ns = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.metrics.sendfile_calls.increment();
        self.metrics.sendfile_ns.add(elapsed_ns);
        self.metrics.sendfile_ns_max.at_least(elapsed_ns);
        match &result {
            Ok(taken) => self.metrics.sendfile_bytes.add(*taken as u64),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.metrics.sendfile_would_block.increment();
            }
            Err(_) => (),
        }
        result
    }

    /// Whether the socket takes bytes now. If it does not, it is armed to report room when there is
    /// some.
    fn has_room(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(self.stream.as_fd(), PollFlags::POLLOUT)];
        Ok(uninterrupted(|| Ok(poll(&mut fds, PollTimeout::ZERO)?))? > 0)
    }
}

impl TransportLayer for PlaintextTransportLayer {
    fn finish_connect(&mut self) -> io::Result<bool> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn read(&mut self, dst: &mut [u8], spare: &mut [u8]) -> io::Result<usize> {
        self.metrics.read_calls.increment();
        // The kernel also stops at urgent data, which no client of Kafka's sends: a peer that does
        // waits for its own next bytes.
        let taken = uninterrupted(|| match spare {
            [] => self.stream.read(dst),
            _ => self.stream.read_vectored(&mut [IoSliceMut::new(dst), IoSliceMut::new(spare)]),
        });
        let room = dst.len() + spare.len();
        mark!([4] "PlaintextTransportLayer.read", "{}", of(&taken, room));
        let taken = taken?;
        self.metrics.read_bytes.add(taken as u64);
        Ok(taken)
    }

    fn has_unread(&mut self) -> io::Result<bool> {
        match uninterrupted(|| self.stream.peek(&mut [0])) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            peeked => Ok(peeked? > 0),
        }
    }

    fn write(&mut self, src: &[u8], more: bool) -> io::Result<usize> {
        // ANCHOR: held_back
        if more && self.held.len() + src.len() <= HELD_BYTES_MAX {
            self.held.extend_from_slice(src);
            return Ok(src.len());
        }
        if more { self.send_all_but_one(src) } else { self.send_held_and(src, MsgFlags::empty()) }
        // ANCHOR_END: held_back
    }

    // ANCHOR: transfer_from
    fn transfer_from(&mut self, file: &File, position: u64, count: usize) -> io::Result<usize> {
        let _step = step!(
            [18] "PlaintextTransportLayer.transferFrom",
            "position {position}: {count} bytes to go"
        );
        let count = count.min(SENDFILE_BYTES_MAX);
        if count == 0 {
            return Ok(0);
        }
        // With MSG_MORE the header waits in the kernel for the file, and both share a segment.
        self.send_held_and(&[], MSG_MORE)?;
        let mut sent = 0;
        while sent < count {
            let (position, left) = (position + sent as u64, count - sent);
            let result = self.sendfile(file, position, left);
            mark!(
                [18] "PlaintextTransportLayer.sendfile",
                "position {position}: {}", of(&result, left)
            );
            match result {
                Ok(0) => {
                    let why = format!("the file ends before position {}", position + left as u64);
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
                }
                Ok(taken) => sent += taken,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && sent > 0 => break,
                Err(error) => return Err(error),
            }
            // A call that ends too soon need not have met a full socket: the file may end, the disk
            // may fail, or a stop of the process (or a debugger) may have come between. No edge
            // would ever end a wait for room that is there already; the next call shows what it
            // was.
            if sent < count && !self.has_room()? {
                break;
            }
        }
        Ok(sent)
    }
    // ANCHOR_END: transfer_from

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

/// How many of the bytes that a call was for it has moved, in words.
pub(super) fn of(result: &io::Result<usize>, asked: usize) -> impl fmt::Display {
    in_words(move |f| match result {
        Ok(moved) => write!(f, "{moved} of {asked} bytes"),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => write!(f, "would block"),
        Err(error) => write!(f, "{error}"),
    })
}

/// Repeats a call that a signal has interrupted. The broker's threads block the signals that end
/// it; a test's need not.
pub(super) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            result => return result,
        }
    }
}
