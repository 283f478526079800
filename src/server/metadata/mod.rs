//! What the broker knows of its cluster and of its settings, who changes them, and the ids that it
//! gives out.

pub mod controller;
pub mod controller_event_manager;
pub mod reachable_brokers;
pub mod metadata_cache;
pub mod led_topics;
pub mod lone_engine;
pub mod registry_metadata_cache;
mod topic_changes;
pub mod admin_manager;
pub mod auto_topic_creation_manager;
pub mod registry_auto_topic_creation_manager;
pub mod dynamic_broker_config;
pub mod config_helper;
pub mod producer_id_manager;
pub mod registry_producer_id_manager;
pub mod scram_control_manager;
