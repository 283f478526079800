//! The name of a connection. Kafka 0.9 joins both addresses to a string; that name comes back when
//! a port does (KAFKA-5595).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// The serial number of the next connection. One count serves all selectors, so that a number in
/// the log stands for one connection, whichever Processor has it.
static NEXT_SERIAL: AtomicU64 = AtomicU64::new(0);

/// A place in the selector's slab, and a serial number that no other connection of this process
/// ever has.
///
/// A slab key is used again as soon as its connection is closed. The serial number is not: a late
/// response for a closed connection finds no channel, instead of the newcomer in the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    serial: u64,
    key: usize,
}

impl ConnectionId {
    /// Names a new connection, which is to be at `key`.
    pub fn next(key: usize) -> Self {
        Self { serial: NEXT_SERIAL.fetch_add(1, Ordering::Relaxed), key }
    }

    /// The place in the slab, which is also the `mio` token.
    pub fn key(self) -> usize {
        self.key
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.serial)
    }
}
