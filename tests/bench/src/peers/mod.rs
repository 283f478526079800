//! The servers that are measured beside each other.

use crate::process::Server;

pub(crate) mod transferto;
pub(crate) mod kafka;
pub(crate) mod write_loop;

/// A broker that speaks Kafka's protocol.
pub(crate) trait Broker {
    /// As a table names it: `transferto`, `Apache Kafka 4.4.0`.
    fn name(&self) -> &str;
    fn server(&self) -> &Server;
    /// Where it listens, on 127.0.0.1.
    fn port(&self) -> u16;
}
