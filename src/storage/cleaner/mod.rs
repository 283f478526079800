//! Compaction: which log is next, and one pass over it.

pub mod cleaner_config;
pub mod throttler;
pub mod offset_map;
pub mod cleaner;
pub mod log_cleaner_manager;
pub mod log_cleaner;
