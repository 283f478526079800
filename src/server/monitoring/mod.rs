//! What shows a broker while it runs: its metrics, and whether it lives and is ready. In Kafka that
//! is JMX, and the agents that turn it into pages.

pub mod broker_state;
pub mod process_stats;
pub mod share_window;
pub mod observed;
pub mod family;
pub mod request_families;
pub mod topic_families;
pub mod replication_families;
pub mod broker_families;
pub mod metrics_page;
mod keep_first;
mod replica_rows;
mod live_cluster;
pub mod live_json;
pub mod live_page;
pub mod monitoring_server;
