//! Port of `org.apache.kafka.raft`, as far as observers go: the metadata log of a cluster is read here, and
//! nobody votes.

pub mod quorum;
pub mod raft_listener;
pub mod raft_config;
pub mod raft_fault;
pub mod observed_quorum;
pub mod observed_log;
pub mod controller_connection;
pub mod snapshot_fetch;
pub mod observer;
pub mod kafka_raft_client;
