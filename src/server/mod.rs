//! Where the wings meet: the broker that starts, handles requests and stops.

pub mod metadata_cache;
pub mod admin_manager;
pub mod reply;
pub mod authorizer;
pub mod acl_cache;
pub mod acl_store;
pub mod simple_acl_authorizer;
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
pub mod acl_apis;
pub mod authorization;
pub mod producer_id_manager;
pub mod producer_apis;
pub mod kafka_request_handler;
pub mod kafka_server;
