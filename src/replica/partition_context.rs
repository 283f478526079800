//! Port of what every `kafka.cluster.Partition` of a broker is given when it is made.

use std::sync::Arc;

use crate::common::metrics::Metrics;
use crate::common::time::Time;
use crate::replica::replication_engine::ReplicationEngine;
use crate::replica::replication_quota_manager::ReplicationQuotaManagers;

/// What all partitions of a broker share.
pub struct PartitionContext {
    pub engine: Arc<dyn ReplicationEngine>,
    pub time: Arc<dyn Time>,
    /// `replica.lag.time.max.ms`: how long a replica in sync may be behind.
    pub replica_lag_time_max_ms: i64,
    /// How much may be replicated.
    pub quotas: Arc<ReplicationQuotaManagers>,
    pub metrics: Arc<Metrics>,
}
