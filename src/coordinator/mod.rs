//! Consumer groups: members, generations, and the offsets up to which each group has read.

pub mod group_config;
pub mod group_state;
pub mod group_memory;
pub mod offset_and_metadata;
pub mod offset_table;
pub mod consumer_protocol;
pub mod group_results;
pub mod member_metadata;
pub mod group_records;
pub mod group_store;
pub mod group_outbox;
pub mod group_metadata;
pub mod group;
pub mod group_table;
pub mod group_timer;
pub mod rebalance;
pub mod committed_offsets;
pub mod group_join;
pub mod group_sync;
pub mod group_hang_up;
pub mod group_leave;
pub mod group_loader;
pub mod group_metadata_manager;
pub mod group_changes;
pub mod group_elections;
pub mod group_coordinator;
