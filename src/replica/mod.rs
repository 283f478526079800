//! Partitions and what waits for them: `kafka.cluster` and the replica half of `kafka.server`.
//! Knows no socket, no queue, no wire format.

pub mod broker_end_point;
pub mod replication_engine;
pub mod replication_quota_manager;
pub mod partition_traffic;
pub mod replica;
pub mod remote_replica;
pub mod isr_state;
pub mod partition_state;
pub mod partition_context;
pub mod leadership;
pub mod partition;
pub mod local_logs;
pub mod delayed_delete_records;
pub mod delayed_fetch;
pub mod delayed_produce;
pub mod delayed_operations;
pub mod isr_updates;
pub mod replica_manager;
pub mod fetcher;
