//! Port of the tests' `org.apache.kafka.common.utils.MockTime`: clocks that a test moves.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::common::time::Time;
use crate::common::units::TimestampMs;

/// 2016-02-11, the day of Kafka 0.9.0.1.
const WALL_START_MS: i64 = 1_455_148_800_000;

/// Clocks that stand still until a test moves them.
#[derive(Debug, Default)]
pub struct MockTime {
    nanoseconds: AtomicI64,
}

impl MockTime {
    /// Both clocks at a fixed moment.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves both clocks `ms` milliseconds on.
    pub fn sleep(&self, ms: i64) {
        self.nanoseconds.fetch_add(ms * 1_000_000, Ordering::SeqCst);
    }
}

impl Time for MockTime {
    fn milliseconds(&self) -> TimestampMs {
        TimestampMs(WALL_START_MS + self.hi_res_clock_ms())
    }

    fn nanoseconds(&self) -> i64 {
        self.nanoseconds.load(Ordering::SeqCst)
    }
}
