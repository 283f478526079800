//! The log of one partition: its segments, how it is read and appended to, and how it is loaded.

pub mod patience;
pub mod file_message_set;
pub mod log_offset_metadata;
pub mod read_limit;
pub mod segment_indexes;
pub mod log_segment;
pub mod segment_ends;
pub mod log_segments;
pub mod epoch_recovery;
pub mod segment_recovery;
pub mod producer_state_recovery;
pub mod missing_records;
pub mod swap_recovery;
pub mod log_loader;
pub mod log_epochs;
pub mod log_append;
pub mod log_retention;
pub mod log_flush;
pub mod locked_log;
pub mod log_snapshot;
pub mod truncation_keeper;
pub mod log;
pub mod logs;
pub mod offset_search;
pub mod segment_swap;
