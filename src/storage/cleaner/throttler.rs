//! Port of `kafka.utils.Throttler`: how long a thread that reads and writes must wait, so that all
//! of them together stay within a rate.

use std::sync::{Arc, Mutex};

use crate::common::lock::locked;
use crate::common::time::Time;

/// The rate is looked at after so long: a shorter look would see a burst where there is none.
const CHECK_INTERVAL_NS: i64 = 300_000_000;

/// Counts bytes, and returns how long to wait after too many. Threads may share it.
pub struct Throttler {
    time: Arc<dyn Time>,
    period: Mutex<Period>,
}

struct Period {
    bytes_per_second: f64,
    start_ns: i64,
    bytes: u64,
}

impl Throttler {
    /// Allows `bytes_per_second`, but never less than one.
    pub fn new(bytes_per_second: f64, time: Arc<dyn Time>) -> Self {
        let (bytes_per_second, start_ns) = (bytes_per_second.max(1.0), time.nanoseconds());
        Self { time, period: Mutex::new(Period { bytes_per_second, start_ns, bytes: 0 }) }
    }

    /// Allows `bytes_per_second` from now on: Kafka's `updateDesiredRatePerSec`. What was counted
    /// before is forgotten: it was allowed.
    pub fn update_rate(&self, bytes_per_second: f64) {
        let (bytes_per_second, start_ns) = (bytes_per_second.max(1.0), self.time.nanoseconds());
        *locked(&self.period) = Period { bytes_per_second, start_ns, bytes: 0 };
    }

    /// Counts `bytes`, and returns how long to wait before the next, in milliseconds; mostly 0.
    pub fn delay_ms(&self, bytes: u64) -> i64 {
        let now_ns = self.time.nanoseconds();
        let mut period = locked(&self.period);
        period.bytes += bytes;
        let elapsed_ns = now_ns - period.start_ns;
        if elapsed_ns < CHECK_INTERVAL_NS {
            return 0;
        }
        let due_ns = period.bytes as f64 / period.bytes_per_second * 1e9;
        // The cast stops at the ends of an i64, and so must the product: at a byte per second a few
        // gigabytes are due in centuries.
        let delay_ms = ((due_ns - elapsed_ns as f64) / 1e6).round().max(0.0) as i64;
        let delay_ns = delay_ms.saturating_mul(1_000_000);
        (period.start_ns, period.bytes) = (now_ns.saturating_add(delay_ns), 0);
        delay_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::mock_time::MockTime;

    #[test]
    fn a_wait_of_centuries_does_not_wrap() {
        let time = Arc::new(MockTime::new());
        let throttler = Throttler::new(1.0, time.clone());
        time.sleep(400);
        assert_eq!(throttler.delay_ms(u64::MAX / 2), i64::MAX);
    }

    /// Port of `ThrottlerTest.testThrottleDesiredRate` (of later Kafka).
    #[test]
    fn a_client_that_is_too_fast_waits_until_the_rate_is_right() {
        let time = Arc::new(MockTime::new());
        let throttler = Throttler::new(1000.0, time.clone());
        assert_eq!(throttler.delay_ms(700), 0);
        time.sleep(400);
        assert_eq!(throttler.delay_ms(300), 600, "1000 bytes take a second");
        time.sleep(600);
        assert_eq!(throttler.delay_ms(100), 0, "a new period has begun");
        time.sleep(500);
        assert_eq!(throttler.delay_ms(100), 0, "200 bytes in half a second are not too many");
    }

    #[test]
    fn another_rate_holds_at_once() {
        let time = Arc::new(MockTime::new());
        let throttler = Throttler::new(1.0, time.clone());
        time.sleep(400);
        assert_eq!(throttler.delay_ms(100), 99_600);
        throttler.update_rate(1000.0);
        time.sleep(400);
        assert_eq!(throttler.delay_ms(1000), 600, "nothing is owed from before");
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        let time = Arc::new(MockTime::new());
        let throttler = Throttler::new(f64::MAX, time.clone());
        time.sleep(1000);
        assert_eq!(throttler.delay_ms(u64::MAX), 0);
    }
}
