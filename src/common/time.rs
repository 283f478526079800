//! Port of `org.apache.kafka.common.utils.Time`, `SystemTime` and the tests' `MockTime`.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime as WallClock, UNIX_EPOCH};

/// Two clocks: one that people read and one that never jumps.
///
/// Records, retention and file names go by the wall clock; every timer and every duration by the
/// monotonic one (Kafka 0.9 timed its purgatories by the wall clock, KAFKA-4051).
pub trait Time: Send + Sync {
    /// Milliseconds since 1970-01-01 UTC, by the wall clock.
    fn milliseconds(&self) -> i64;

    /// Nanoseconds since some fixed moment, never going back.
    fn nanoseconds(&self) -> i64;

    /// Milliseconds since the same moment as [`nanoseconds`](Time::nanoseconds): the clock of
    /// timers.
    fn hi_res_clock_ms(&self) -> i64 {
        self.nanoseconds() / 1_000_000
    }
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemTime {
    started: Instant,
}

impl SystemTime {
    /// Starts the monotonic clock at 0.
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemTime {
    fn default() -> Self {
        Self::new()
    }
}

impl Time for SystemTime {
    fn milliseconds(&self) -> i64 {
        // A clock set before 1970 reads as 1970: nothing that depends on it can do better.
        let since_epoch = WallClock::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
    }

    fn nanoseconds(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }
}

/// Clocks that stand still until a test moves them.
#[derive(Debug)]
pub struct MockTime {
    nanoseconds: AtomicI64,
    wall_start_ms: i64,
}

impl MockTime {
    /// Both clocks at a fixed moment; the wall clock shows 2016-02-11, the day of Kafka 0.9.0.1.
    pub fn new() -> Self {
        Self { nanoseconds: AtomicI64::new(0), wall_start_ms: 1_455_148_800_000 }
    }

    /// Moves both clocks `ms` milliseconds on.
    pub fn sleep(&self, ms: i64) {
        self.nanoseconds.fetch_add(ms * 1_000_000, Ordering::SeqCst);
    }
}

impl Default for MockTime {
    fn default() -> Self {
        Self::new()
    }
}

impl Time for MockTime {
    fn milliseconds(&self) -> i64 {
        self.wall_start_ms + self.hi_res_clock_ms()
    }

    fn nanoseconds(&self) -> i64 {
        self.nanoseconds.load(Ordering::SeqCst)
    }
}
