//! Where the wings meet: the broker that starts, handles requests and stops.

pub mod security;
pub mod quota;
pub mod metadata;
pub mod fetch;
pub mod replication;
pub mod cluster;
pub mod monitoring;
pub mod reply;
pub mod apis;
pub mod kafka_apis;
pub mod kafka_request_handler;
pub mod log_dir_failure_handler;
pub mod kafka_server;
mod broker_parts;
mod lone_broker;
mod cluster_broker;
pub mod kafka_server_builder;
