//! A `TransportLayer` for unit tests: bytes come from one buffer and go to another, as many at a
//! time as a script says.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use mio::{Registry, Token};

use crate::transport::transport_layer::TransportLayer;

/// The outcome of one call of `read`.
pub(crate) enum Incoming {
    Bytes(Vec<u8>),
    WouldBlock,
}

/// No socket, no file: only scripts and what was seen.
#[derive(Default)]
pub(crate) struct MemoryTransport {
    /// The outcomes of `read`, in order; at the end of the list the stream ends.
    pub(crate) incoming: VecDeque<Incoming>,
    /// How many bytes each call takes at most; 0 answers `WouldBlock`. An exhausted script takes
    /// everything.
    limits: VecDeque<usize>,
    pub(crate) written: Vec<u8>,
    /// The `more` of each call of `write` that took bytes.
    pub(crate) more_flags: Vec<bool>,
    /// The counts that `transfer_from` was asked for.
    pub(crate) transfers: Vec<usize>,
    /// Calls that would have been system calls.
    pub(crate) calls: usize,
    /// A write has met bytes to read.
    pub(crate) has_found_unread: bool,
}

impl MemoryTransport {
    /// Takes whatever it is given.
    pub(crate) fn unlimited() -> Self {
        Self::default()
    }

    /// Takes `limits[i]` bytes in the i-th call, and everything once the list is used up.
    pub(crate) fn taking(limits: &[usize]) -> Self {
        Self { limits: limits.iter().copied().collect(), ..Self::default() }
    }

    /// Has these pieces to read, and then the end of the stream.
    pub(crate) fn reading(incoming: Vec<Incoming>) -> Self {
        Self { incoming: incoming.into(), ..Self::default() }
    }

    fn limit(&mut self) -> io::Result<usize> {
        self.calls += 1;
        match self.limits.pop_front() {
            Some(0) => Err(io::ErrorKind::WouldBlock.into()),
            Some(limit) => Ok(limit),
            None => Ok(usize::MAX),
        }
    }
}

impl TransportLayer for MemoryTransport {
    fn read(&mut self, dst: &mut [u8], spare: &mut [u8]) -> io::Result<usize> {
        self.calls += 1;
        match self.incoming.pop_front() {
            None => Ok(0),
            Some(Incoming::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Some(Incoming::Bytes(mut bytes)) => {
                let count = bytes.len().min(dst.len() + spare.len());
                for (place, byte) in dst.iter_mut().chain(spare).zip(bytes.drain(..count)) {
                    *place = byte;
                }
                if !bytes.is_empty() {
                    self.incoming.push_front(Incoming::Bytes(bytes));
                }
                Ok(count)
            }
        }
    }

    fn take_unread_found(&mut self) -> bool {
        std::mem::take(&mut self.has_found_unread)
    }

    fn write(&mut self, src: &[u8], more: bool) -> io::Result<usize> {
        if src.is_empty() {
            return Ok(0);
        }
        let taken = self.limit()?.min(src.len());
        self.written.extend_from_slice(&src[..taken]);
        self.more_flags.push(more);
        Ok(taken)
    }

    fn transfer_from(&mut self, _file: &File, _position: u64, count: usize) -> io::Result<usize> {
        let taken = self.limit()?.min(count);
        self.transfers.push(count);
        Ok(taken)
    }

    fn peer_addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 1).into()
    }

    fn local_addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 2).into()
    }

    fn register(&mut self, _registry: &Registry, _token: Token) -> io::Result<()> {
        Ok(())
    }

    fn deregister(&mut self, _registry: &Registry) -> io::Result<()> {
        Ok(())
    }
}
