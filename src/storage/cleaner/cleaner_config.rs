//! Port of `kafka.log.CleanerConfig`: the settings `log.cleaner.*` of the broker.

use crate::config::kafka_config::KafkaConfig;

#[derive(Clone, Debug, PartialEq)]
pub struct CleanerConfig {
    /// Whether there are cleaner threads.
    pub enable_cleaner: bool,
    pub num_threads: usize,
    /// The most memory for keys, in bytes, of all threads together.
    pub dedupe_buffer_size: usize,
    /// The share of it that may be full.
    pub dedupe_buffer_load_factor: f64,
    /// The memory for reading and writing, in bytes, of all threads together.
    pub io_buffer_size: usize,
    /// Of all threads together, read and written.
    pub max_io_bytes_per_second: f64,
    /// How long a thread sleeps when there is nothing to clean, in milliseconds.
    pub back_off_ms: u64,
}

impl CleanerConfig {
    pub fn from_broker(config: &KafkaConfig) -> Self {
        Self {
            enable_cleaner: config.log_cleaner_enable,
            num_threads: config.log_cleaner_threads,
            dedupe_buffer_size: config.log_cleaner_dedupe_buffer_size,
            dedupe_buffer_load_factor: config.log_cleaner_io_buffer_load_factor,
            io_buffer_size: config.log_cleaner_io_buffer_size,
            max_io_bytes_per_second: config.log_cleaner_io_max_bytes_per_second,
            back_off_ms: config.log_cleaner_backoff_ms,
        }
    }
}

impl Default for CleanerConfig {
    fn default() -> Self {
        Self::from_broker(&KafkaConfig::default())
    }
}
