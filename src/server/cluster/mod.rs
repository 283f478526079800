//! The life of a broker in a cluster whose controllers are elsewhere.

pub mod controller_channel;
pub mod kraft_metadata_cache;
pub mod replica_changes;
pub mod coordinator_updates;
pub mod broker_metadata_publisher;
