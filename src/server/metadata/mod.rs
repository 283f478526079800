//! What this cluster of one knows of itself: its topics, its settings, and the ids that it gives out.

pub mod dynamic_broker_config;
pub mod producer_id_manager;
pub mod led_topics;
pub mod metadata_cache;
pub mod admin_manager;
