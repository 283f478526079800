//! What the broker knows of its cluster and of its settings, who changes them, and the ids that it
//! gives out.

pub mod metadata_cache;
pub mod controller;
pub mod topic_image;
pub mod led_topics;
pub mod registry_metadata_cache;
pub mod admin_manager;
mod topic_changes;
pub mod auto_topic_creation_manager;
pub mod config_helper;
pub mod dynamic_broker_config;
pub mod producer_id_manager;
