//! Port of `org.apache.kafka.clients`: connections that this broker opens to other nodes.

pub mod interrupter;
pub mod watched_socket;
pub mod client_channel_builder;
pub mod blocking_channel;
pub mod node_api_versions;
pub mod api_versions_exchange;
