//! The name of a connection: its Processor and a number, `2#0`. Kafka 0.9 joins both addresses to a
//! string; that name comes back when a port does (KAFKA-5595).

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use crate::common::subject::Subject;

/// 2^64 divided by the golden ratio, and odd: it spreads numbers that follow each other over all bits
/// of a product, also over the upper ones, by which a table tells its entries apart.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The Processor that has the connection, a serial number that no other connection of that Processor
/// ever has, and a place in its selector's slab.
///
/// A slab key is used again as soon as its connection is closed. The serial number is not: a late
/// response for a closed connection finds no channel, instead of the newcomer in the same place.
/// Processors are numbered through a whole server, so the first two name a connection in its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId {
    serial: u64,
    processor: u32,
    key: u32,
}

impl ConnectionId {
    /// Names the connection of `processor` with this serial number, which is to be at `key`.
    pub fn new(processor: usize, serial: u64, key: usize) -> Self {
        let number = |it: usize| u32::try_from(it).expect("no machine has so many connections");
        Self { serial, processor: number(processor), key: number(key) }
    }

    /// The place in the slab, which is also the `mio` token.
    pub fn key(self) -> usize {
        self.key as usize
    }

    /// What the trace calls it.
    pub fn subject(self) -> Subject {
        Subject::connection(self.processor, self.serial)
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
        self.subject().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_called_by_its_processor_and_its_number_there() {
        assert_eq!(ConnectionId::new(2, 0, 7).to_string(), "2#0");
        assert_eq!(ConnectionId::new(2, 0, 7).subject().request(5).to_string(), "2#0/5");
    }

    #[test]
    fn connections_of_two_processors_or_of_two_times_differ() {
        let id = ConnectionId::new(2, 0, 7);
        assert_ne!(id, ConnectionId::new(1, 0, 7));
        assert_ne!(id, ConnectionId::new(2, 1, 7));
    }
}
