//! The life of a broker in a cluster whose controllers are elsewhere.

pub mod controller_channel;
