//! The name of a connection. Kafka 0.9 joins both addresses to a string; that name comes back when
//! a port does (KAFKA-5595).

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

/// 2^64 divided by the golden ratio, and odd: it spreads numbers that follow each other over all bits
/// of a product, also over the upper ones, by which a table tells its entries apart.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The serial number of the next connection. One count serves all selectors, so that a number in
/// the log stands for one connection, whichever Processor has it.
static NEXT_SERIAL: AtomicU64 = AtomicU64::new(0);

/// A place in the selector's slab, and a serial number that no other connection of this process
/// ever has.
///
/// A slab key is used again as soon as its connection is closed. The serial number is not: a late
/// response for a closed connection finds no channel, instead of the newcomer in the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

impl Hash for ConnectionId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.serial);
    }
}

/// What is known of connections by their names.
pub type ConnectionMap<V> = HashMap<ConnectionId, V, BuildHasherDefault<SerialHasher>>;

/// Spreads serial numbers. A client cannot choose its own, so nothing need be kept secret from it, as
/// the standard library's hasher does.
#[derive(Default)]
pub struct SerialHasher(u64);

impl Hasher for SerialHasher {
    fn write_u64(&mut self, serial: u64) {
        self.0 = serial.wrapping_mul(SPREAD);
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0 ^ u64::from(*byte)));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.serial)
    }
}
