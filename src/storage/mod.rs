//! The log on disk. Knows no socket and no request: of the network only the trait `TransportLayer`,
//! to which a file hands itself.

pub mod cleaner;
pub mod cleaner_config;
pub mod checkpoint_file;
pub mod escaped_text;
pub mod file_message_set;
pub mod log;
pub mod log_append;
pub mod log_cleaner;
pub mod log_cleaner_manager;
pub mod log_directory;
pub mod log_files;
pub mod log_flush;
pub mod log_loader;
pub mod log_manager;
pub mod log_offset_metadata;
pub mod log_producers;
pub mod log_retention;
pub mod log_segment;
pub mod log_segments;
pub mod mapped_entries;
pub mod offset_checkpoint;
pub mod offset_index;
pub mod offset_map;
pub mod offset_search;
pub mod producer_snapshot;
pub mod producer_state_entry;
pub mod producer_state_manager;
pub mod producer_state_recovery;
pub mod recovery_threads;
pub mod segment_recovery;
pub mod segment_swap;
pub mod throttler;
pub mod time_index;
pub mod topic_registry;
pub mod quota_registry;
