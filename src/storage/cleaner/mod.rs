//! Compaction: threads, the books that they share, and one pass over one log.

pub mod cleaner_config;
pub mod throttler;
pub mod offset_map;
pub mod log_cleaner_manager;
pub mod cleaner;
pub mod log_cleaner;
