//! The life of a broker in a cluster whose controllers are elsewhere.

pub mod controller_channel;
pub mod node_connection;
mod request_queue;
mod node_to_controller_request_thread;
pub mod node_to_controller_channel_manager;
pub mod broker_features;
pub mod broker_lifecycle;
pub mod broker_lifecycle_manager;
pub mod broker_registration_tracker;
pub mod assignments_manager;
pub mod forwarding_manager;
pub mod api_version_manager;
pub mod default_auto_topic_creation_manager;
pub mod rpc_producer_id_manager;
pub mod remote_controller;
pub mod default_alter_partition_manager;
pub mod kraft_engine;
pub mod kraft_metadata_cache;
pub mod dynamic_config_publisher;
pub mod start_cancellation;
pub mod metadata_version_config_validator;
pub mod node_identity;
pub mod replica_changes;
pub mod coordinator_updates;
pub mod broker_metadata_publisher;
pub mod directory_failures;
pub mod membership;
