//! Where the wings meet: the broker that starts, handles requests and stops.

pub mod metadata_cache;
pub mod admin_manager;
pub mod reply;
pub mod fetched_data;
pub mod kafka_apis;
pub mod offset_apis;
pub mod epoch_apis;
pub mod metadata_apis;
pub mod group_apis;
pub mod group_offset_apis;
pub mod group_admin_apis;
pub mod admin_apis;
pub mod topic_apis;
pub mod config_apis;
pub mod log_apis;
pub mod producer_id_manager;
pub mod producer_apis;
pub mod kafka_request_handler;
pub mod kafka_server;
