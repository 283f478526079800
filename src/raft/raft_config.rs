//! Port of `org.apache.kafka.raft.QuorumConfig`, as far as an observer needs it.

use std::sync::Arc;
use std::time::Duration;

use crate::clients::client_channel_builder::{ClientChannelBuilder, PlaintextClientChannelBuilder};
use crate::config::kafka_config::KafkaConfig;
use crate::config::quorum_config::{BootstrapServer, QuorumVoter};

/// Of a node that is no broker: it stands in no list of observers.
pub const NO_NODE_ID: i32 = -1;

/// Whom an observer asks, and how patiently.
#[derive(Clone, Debug)]
pub struct RaftConfig {
    /// That of the broker, or [`NO_NODE_ID`].
    pub node_id: i32,
    /// A controller of another cluster refuses the observer; `None` takes any.
    pub cluster_id: Option<String>,
    /// Asked for the leader, in turn.
    pub bootstrap_servers: Vec<BootstrapServer>,
    /// Those that do not change, of a quorum that has such.
    pub voters: Vec<QuorumVoter>,
    /// By which of their listeners controllers are reached; `None` takes the first.
    pub controller_listener: Option<String>,
    /// What secures the connections to them.
    pub channel_builder: Arc<dyn ClientChannelBuilder>,
    /// After so long without a word from the leader any other may be it.
    pub fetch_timeout: Duration,
    /// How long a controller may take to answer.
    pub request_timeout: Duration,
    /// How long to wait after the first failure; later ones wait longer.
    pub retry_backoff: Duration,
    /// Of records in one answer; the first batch may exceed it.
    pub fetch_bytes_max: i32,
    /// Of a snapshot in one answer.
    pub fetch_snapshot_bytes_max: i32,
}

impl RaftConfig {
    /// That of the broker with these settings, in the cluster with this id.
    pub fn of_broker(
        config: &KafkaConfig,
        cluster_id: &str,
        channel_builder: &Arc<dyn ClientChannelBuilder>,
    ) -> Self {
        let listener = config.controller_listener_names.first();
        Self {
            node_id: config.broker_id,
            cluster_id: Some(cluster_id.to_string()),
            bootstrap_servers: config.controller_quorum_bootstrap_servers.clone(),
            voters: config.controller_quorum_voters.clone(),
            controller_listener: listener.map(|it| it.as_str().to_string()),
            channel_builder: Arc::clone(channel_builder),
            fetch_timeout: millis(config.controller_quorum_fetch_timeout_ms),
            request_timeout: millis(config.controller_quorum_request_timeout_ms),
            retry_backoff: millis(config.controller_quorum_retry_backoff_ms),
            fetch_bytes_max: config.controller_quorum_fetch_max_bytes,
            fetch_snapshot_bytes_max: config.controller_quorum_fetch_snapshot_max_bytes,
        }
    }

    /// That of a reader which is no broker, with Kafka's defaults. Controllers are reached by PLAINTEXT.
    pub fn of_reader(bootstrap_servers: Vec<BootstrapServer>) -> Self {
        Self {
            node_id: NO_NODE_ID,
            cluster_id: None,
            bootstrap_servers,
            voters: Vec::new(),
            controller_listener: None,
            channel_builder: Arc::new(PlaintextClientChannelBuilder),
            fetch_timeout: Duration::from_secs(2),
            request_timeout: Duration::from_secs(2),
            retry_backoff: Duration::from_millis(20),
            fetch_bytes_max: 1024 * 1024,
            fetch_snapshot_bytes_max: 1024 * 1024,
        }
    }
}

fn millis(setting: i64) -> Duration {
    Duration::from_millis(u64::try_from(setting).unwrap_or(0))
}
