//! The name of a connection. Kafka 0.9 joins both addresses to a string; that name comes back when
//! a port does (KAFKA-5595).

use std::fmt;

/// A place in the selector's slab, and a serial number that never comes back.
///
/// A slab key is used again as soon as its connection is closed. The serial number is not: a
/// response that is late for a closed connection finds nobody, instead of the newcomer in the same
/// place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    serial: u64,
    key: usize,
}

impl ConnectionId {
    /// The connection at `key` that was the `serial`-th of its selector.
    pub fn new(key: usize, serial: u64) -> Self {
        Self { serial, key }
    }

    /// The place in the slab, which is also the `mio` token.
    pub fn key(self) -> usize {
        self.key
    }

    /// The number that never comes back.
    pub fn serial(self) -> u64 {
        self.serial
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.serial)
    }
}
