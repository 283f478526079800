//! Sockets and bytes: `org.apache.kafka.common.network`. Knows no topic, no request, no log.

pub mod catch_panic;
pub mod connection_id;
pub mod idle_expiry;
pub mod deadlines;
pub mod readiness;
pub mod transport_layer;
pub mod authenticator;
#[cfg(test)]
pub(crate) mod memory_transport;
pub mod read_turn;
pub mod network_receive;
pub mod plaintext_transport_layer;
pub mod copying_transport_layer;
pub mod control_records;
pub mod kernel_tls;
pub mod tls_offload;
mod ssl_failure;
mod ssl_handshake;
pub mod user_space_tls;
mod kernel_space_tls;
pub mod ssl_transport_layer;
pub mod send;
pub mod multi_send;
pub mod write_turn;
pub mod channel_snapshot;
pub mod kafka_channel;
pub mod channel_builder;
pub mod wakeup;
pub mod selector;
