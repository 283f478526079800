//! The life of a broker in a cluster whose controllers are elsewhere.
pub mod coordinator_updates;
