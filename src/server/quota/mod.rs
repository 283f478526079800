//! How many bytes per second a client may produce or fetch, and how it is kept to that.

pub mod client_limits;
pub mod client_sensors;
pub mod throttled_response;
pub mod client_quota_manager;
pub mod quota_managers;
pub mod client_quota_control_manager;
