//! Sockets and bytes: `org.apache.kafka.common.network`. Knows no topic, no request, no log.

pub mod authenticator;
pub mod catch_panic;
pub mod channel_builder;
pub mod connection_id;
pub mod idle_expiry;
pub mod kafka_channel;
#[cfg(test)]
pub(crate) mod memory_transport;
pub mod multi_send;
pub mod network_receive;
pub mod plaintext_transport_layer;
pub mod readiness;
pub mod selector;
pub mod send;
pub mod transport_layer;
pub mod write_turn;
