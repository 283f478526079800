//! Consumer groups: who is a member, which generation it is, and how far each group has read.

pub mod group_config;
pub mod offset_and_metadata;
pub mod consumer_protocol;
pub mod member_metadata;
pub mod group_state;
pub mod group_metadata;
pub mod group_records;
pub mod group_loader;
pub mod group_metadata_manager;
pub mod group_results;
pub mod group_timer;
pub mod group_coordinator;
pub mod group_join;
pub mod group_sync;
pub mod group_leave;
pub mod group_offsets;
pub mod group_admin;
