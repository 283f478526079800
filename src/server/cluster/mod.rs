//! The life of a broker in a cluster whose controllers are elsewhere.

pub mod controller_channel;
pub mod node_connection;
mod request_queue;
mod node_to_controller_request_thread;
pub mod node_to_controller_channel_manager;
pub mod broker_features;
pub mod broker_lifecycle;
pub mod broker_lifecycle_manager;
