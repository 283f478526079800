//! How many bytes per second a client may produce and fetch.

pub mod throttled_response;
pub mod client_quota_manager;
pub mod quota_managers;
