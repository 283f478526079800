//! Port of `org.apache.kafka.common.utils.Time` and `SystemTime`.

use std::time::{Duration, SystemTime as WallClock, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

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
    started_ns: i64,
}

impl SystemTime {
    /// Starts the monotonic clock at 0.
    pub fn new() -> Self {
        Self { started_ns: monotonic_ns() }
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
        monotonic_ns() - self.started_ns
    }
}

/// Not by way of `Instant`: a fetch reads this clock some twenty times, and what that makes of two
/// moments costs more than to read them.
fn monotonic_ns() -> i64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("Linux has this clock");
    now.tv_sec() * 1_000_000_000 + now.tv_nsec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_begins_at_0_and_goes_on_with_the_machines() {
        let before = std::time::Instant::now();
        let time = SystemTime::new();
        let first_ns = time.nanoseconds();
        let last_ns = time.nanoseconds();
        let passed_ns = i64::try_from(before.elapsed().as_nanos()).unwrap();
        assert!(0 <= first_ns && first_ns <= last_ns && last_ns <= passed_ns);
    }
}
