//! Port of `kafka.server.FetcherStats` and `FetcherLagStats`: what one thread has done, and how far its
//! partitions are behind.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::lock::locked;
use crate::common::metrics::Counter;
use crate::common::rate::{Rate, RateConfig};
use crate::common::topic_partition::TopicAndPartition;

/// Kafka's meters show the rate of about the last minute.
const LAST_MINUTE: RateConfig = RateConfig { samples: 6, sample_ms: 10_000 };

/// Of one thread. To look at it waits for no append.
#[derive(Debug)]
pub struct FetcherStats {
    requests: Mutex<Rate>,
    /// Requests that were answered, or failed.
    pub request_count: Counter,
    /// Bytes of records that were appended.
    pub bytes: Counter,
    /// How many records the leader had more, at its last answer.
    lags: Mutex<HashMap<TopicAndPartition, i64>>,
    has_died: AtomicBool,
}

impl Default for FetcherStats {
    fn default() -> Self {
        Self {
            requests: Mutex::new(Rate::new(LAST_MINUTE)),
            request_count: Counter::default(),
            bytes: Counter::default(),
            lags: Mutex::default(),
            has_died: AtomicBool::new(false),
        }
    }
}

impl FetcherStats {
    pub fn mark_request(&self, now_ms: i64) {
        self.request_count.increment();
        locked(&self.requests).record(1.0, now_ms);
    }

    /// Requests per second in the last minute.
    pub fn request_rate(&self, now_ms: i64) -> f64 {
        locked(&self.requests).measure(now_ms).per_second()
    }

    pub fn set_lag(&self, key: &TopicAndPartition, lag: i64) {
        locked(&self.lags).insert(key.clone(), lag);
    }

    pub fn remove_lag(&self, key: &TopicAndPartition) {
        locked(&self.lags).remove(key);
    }

    /// Kafka's `ConsumerLag` of each partition that has been answered.
    pub fn lags(&self) -> Vec<(TopicAndPartition, i64)> {
        locked(&self.lags).iter().map(|(key, lag)| (key.clone(), *lag)).collect()
    }

    pub fn max_lag(&self) -> i64 {
        locked(&self.lags).values().copied().max().unwrap_or(0)
    }

    /// The thread has ended though nobody has asked it to.
    pub fn mark_dead(&self) {
        self.has_died.store(true, Ordering::Relaxed);
    }

    pub fn is_dead(&self) -> bool {
        self.has_died.load(Ordering::Relaxed)
    }
}
