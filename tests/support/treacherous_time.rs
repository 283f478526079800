//! A clock that panics in the middle of what a thread does.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;

use transferto::common::mock_time::MockTime;
use transferto::common::time::Time;
use transferto::common::units::TimestampMs;

/// Clocks that a test moves. The wall clock panics when threads of one kind ask for the n-th time.
pub struct TreacherousTime {
    pub clocks: MockTime,
    /// The threads whose names begin so.
    victims: &'static str,
    asks_until_panic: AtomicI64,
}

impl TreacherousTime {
    pub fn new(victims: &'static str) -> Arc<Self> {
        Arc::new(Self { clocks: MockTime::new(), victims, asks_until_panic: AtomicI64::new(0) })
    }

    /// Counts from now on.
    pub fn panic_at_ask(&self, number: i64) {
        self.asks_until_panic.store(number, Ordering::SeqCst);
    }

    pub fn has_panicked(&self) -> bool {
        self.asks_until_panic.load(Ordering::SeqCst) <= 0
    }
}

impl Time for TreacherousTime {
    fn milliseconds(&self) -> TimestampMs {
        let is_victim = thread::current().name().is_some_and(|it| it.starts_with(self.victims));
        if is_victim && self.asks_until_panic.fetch_sub(1, Ordering::SeqCst) == 1 {
            panic!("in the middle of what this thread does");
        }
        self.clocks.milliseconds()
    }

    fn nanoseconds(&self) -> i64 {
        self.clocks.nanoseconds()
    }
}
