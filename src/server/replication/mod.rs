//! The leader over the wire: what a follower asks another broker, by Kafka's protocol.

pub mod replication_config;
pub mod broker_blocking_sender;
pub mod fetch_metadata;
pub mod fetch_session_handler;
pub mod remote_leader_end_point;
