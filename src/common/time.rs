//! Port of `org.apache.kafka.common.utils.Time` and `SystemTime`.

use std::time::{Duration, Instant, SystemTime as WallClock, UNIX_EPOCH};

use crate::common::units::TimestampMs;

/// Two clocks: one that people read and one that never jumps.
///
/// Records, retention and file names go by the wall clock; every timer and every duration by the
/// monotonic one (Kafka 0.9 timed its purgatories by the wall clock, KAFKA-4051).
/// What the wall clock says has a type of its own, so the two are not mixed.
pub trait Time: Send + Sync {
    /// The present moment by the wall clock.
    fn milliseconds(&self) -> TimestampMs;

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
    fn milliseconds(&self) -> TimestampMs {
        // A clock set before 1970 reads as 1970: nothing that depends on it could do better.
        let since_epoch = WallClock::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        TimestampMs(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    fn nanoseconds(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }
}
