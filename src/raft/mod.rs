//! Port of `org.apache.kafka.raft`, as far as observers go: the metadata log of a cluster is read here, and
//! nobody votes.

pub mod quorum;
pub mod raft_listener;
