//! Port of the settings of `kafka.server.KafkaConfig` that a follower's requests follow.

use std::time::Duration;

use crate::config::kafka_config::KafkaConfig;

/// What the headers of responses take, at most: far more than they do.
const HEADERS_BYTES: usize = 1024 * 1024;

/// How a follower asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicationConfig {
    pub broker_id: i32,
    /// For a connection to be accepted, and for a whole response.
    pub socket_timeout: Duration,
    /// `None` leaves it to the system.
    pub socket_receive_buffer_bytes: Option<usize>,
    pub fetch_wait_max_ms: i32,
    pub fetch_min_bytes: i32,
    /// Over all partitions.
    pub fetch_response_max_bytes: i32,
    /// Of one partition.
    pub fetch_max_bytes: i32,
    /// A larger response is refused.
    pub response_bytes_max: usize,
}

impl From<&KafkaConfig> for ReplicationConfig {
    /// The first batch of a response may exceed its limit. It came to the leader in one request, whose limit
    /// is taken to be this broker's own.
    fn from(config: &KafkaConfig) -> Self {
        let bytes = |setting: i32| usize::try_from(setting).unwrap_or_default();
        let records_bytes = bytes(config.replica_fetch_response_max_bytes)
            .saturating_add(bytes(config.socket_request_max_bytes));
        let timeout_ms = u64::try_from(config.replica_socket_timeout_ms).unwrap_or_default();
        Self {
            broker_id: config.broker_id,
            socket_timeout: Duration::from_millis(timeout_ms),
            socket_receive_buffer_bytes: config.replica_socket_receive_buffer_bytes,
            fetch_wait_max_ms: config.replica_fetch_wait_max_ms,
            fetch_min_bytes: config.replica_fetch_min_bytes,
            fetch_response_max_bytes: config.replica_fetch_response_max_bytes,
            fetch_max_bytes: config.replica_fetch_max_bytes,
            response_bytes_max: records_bytes.saturating_add(HEADERS_BYTES),
        }
    }
}
