//! A connection whose bytes are taken in through one small buffer and dropped: what every consumer
//! must do with them, and no more.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use byteorder::{BigEndian, ByteOrder};

use crate::outcome::{Outcome, failed};
use crate::wire::Wire;

/// Longer than any response takes here.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Large enough for few calls, small enough to stay in a core's own cache.
const BUFFER_BYTES: usize = 128 << 10;

/// What a connection has brought, counted while it comes: another thread may look at any time.
#[derive(Debug, Default)]
pub struct Tally {
    /// All bytes of responses.
    pub wire_bytes: AtomicU64,
    /// The bytes of whole batches, or of a file.
    pub kept_bytes: AtomicU64,
    pub fetches: AtomicU64,
}

impl Tally {
    pub fn count_wire(&self, bytes: usize) {
        self.wire_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn count_kept(&self, bytes: usize) {
        self.kept_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn count_fetch(&self) {
        self.fetches.fetch_add(1, Ordering::Relaxed);
    }

    pub fn kept_bytes(&self) -> u64 {
        self.kept_bytes.load(Ordering::Relaxed)
    }

    /// After whole fetches only: in the midst of one, bytes have come of a batch that has not.
    pub fn wire_per_kept(&self) -> f64 {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        of(&self.wire_bytes) / of(&self.kept_bytes)
    }
}

/// A connection to a server.
#[derive(Debug)]
pub struct Connection {
    wire: Wire,
    /// Bytes that came but were not taken are those of `taken..filled`.
    buffer: Vec<u8>,
    taken: usize,
    filled: usize,
}

impl Connection {
    /// Connects to the server on this port of 127.0.0.1.
    pub fn open(port: u16) -> Outcome<Self> {
        Ok(Self::over(Wire::plaintext(port)?))
    }

    pub fn over(wire: Wire) -> Self {
        Self { wire, buffer: vec![0; BUFFER_BYTES], taken: 0, filled: 0 }
    }

    /// Without what was read and not taken.
    pub fn into_wire(self) -> Wire {
        self.wire
    }

    /// For what is not done here: an option, another thread.
    pub fn stream(&self) -> &TcpStream {
        self.wire.stream()
    }

    pub fn send(&mut self, bytes: &[u8]) -> Outcome<()> {
        Ok(self.wire.write_all(bytes)?)
    }

    /// The next `count` bytes, which fit the buffer.
    pub fn take(&mut self, count: usize) -> Outcome<&[u8]> {
        // Room for a large read, too.
        if self.taken == self.filled || self.buffer.len() - self.taken < count {
            self.buffer.copy_within(self.taken..self.filled, 0);
            self.filled -= self.taken;
            self.taken = 0;
        }
        while self.filled - self.taken < count {
            self.fill()?;
        }
        self.taken += count;
        Ok(&self.buffer[self.taken - count..self.taken])
    }

    /// One to `count` of the next bytes.
    pub fn take_up_to(&mut self, count: usize) -> Outcome<&[u8]> {
        if self.taken == self.filled {
            self.taken = 0;
            self.filled = 0;
            self.fill()?;
        }
        let from = self.taken;
        self.taken = self.filled.min(from + count);
        Ok(&self.buffer[from..self.taken])
    }

    pub fn take_i16(&mut self) -> Outcome<i16> {
        Ok(BigEndian::read_i16(self.take(2)?))
    }

    pub fn take_i32(&mut self) -> Outcome<i32> {
        Ok(BigEndian::read_i32(self.take(4)?))
    }

    /// Takes in as many bytes, counts and drops them.
    pub fn discard(&mut self, bytes: usize, tally: &Tally) -> Outcome<()> {
        let mut left = bytes;
        while left > 0 {
            let come = self.take_up_to(left)?.len();
            tally.count_wire(come);
            left -= come;
        }
        Ok(())
    }

    /// The same, of a file: each byte is kept.
    pub fn discard_file(&mut self, bytes: usize, tally: &Tally) -> Outcome<()> {
        let mut left = bytes;
        while left > 0 {
            let come = self.take_up_to(left)?.len();
            tally.count_wire(come);
            tally.count_kept(come);
            left -= come;
        }
        Ok(())
    }

    fn fill(&mut self) -> Outcome<()> {
        match self.wire.read(&mut self.buffer[self.filled..])? {
            0 => failed("the server has closed the connection"),
            come => {
                self.filled += come;
                Ok(())
            }
        }
    }
}
