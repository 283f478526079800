//! transferto: Apache Kafka 0.9's network server and zero-copy fetch path, class by class, on a
//! `mio` reactor.

pub mod common;
pub mod config;
pub mod purgatory;
pub mod transport;
pub mod message;
pub mod storage;
pub mod protocol;
pub mod network;
pub mod replica;
pub mod coordinator;
