//! The life of a broker in a cluster whose controllers are elsewhere.

pub mod controller_channel;
pub mod forwarding_manager;
pub mod api_version_manager;
pub mod default_auto_topic_creation_manager;
pub mod rpc_producer_id_manager;
pub mod remote_controller;
pub mod kraft_metadata_cache;
