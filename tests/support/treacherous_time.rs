//! A clock that panics, or lets a test in, in the middle of what a thread does.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use transferto::common::mock_time::MockTime;
use transferto::common::time::Time;
use transferto::common::units::TimestampMs;

/// Clocks that a test moves. When threads of one kind ask the wall clock for the n-th time, the asker
/// first does what the test wants.
pub struct TreacherousTime {
    pub clocks: MockTime,
    /// The threads whose names begin so.
    victims: &'static str,
    asks_left: AtomicI64,
    surprise: Mutex<Option<Surprise>>,
}

type Surprise = Box<dyn FnOnce() + Send>;

impl TreacherousTime {
    pub fn new(victims: &'static str) -> Arc<Self> {
        Arc::new(Self {
            clocks: MockTime::new(),
            victims,
            asks_left: AtomicI64::new(0),
            surprise: Mutex::new(None),
        })
    }

    /// Counts from now on.
    pub fn panic_at_ask(&self, number: i64) {
        self.surprise_at_ask(number, || panic!("in the middle of what this thread does"));
    }

    /// Counts from now on.
    pub fn surprise_at_ask(&self, number: i64, surprise: impl FnOnce() + Send + 'static) {
        *self.surprise.lock().unwrap() = Some(Box::new(surprise));
        self.asks_left.store(number, Ordering::SeqCst);
    }

    pub fn has_surprised(&self) -> bool {
        self.asks_left.load(Ordering::SeqCst) <= 0
    }
}

impl Time for TreacherousTime {
    fn milliseconds(&self) -> TimestampMs {
        let is_victim = thread::current().name().is_some_and(|it| it.starts_with(self.victims));
        if is_victim && self.asks_left.fetch_sub(1, Ordering::SeqCst) == 1 {
            let surprise = self.surprise.lock().unwrap().take();
            surprise.unwrap()();
        }
        self.clocks.milliseconds()
    }

    fn nanoseconds(&self) -> i64 {
        self.clocks.nanoseconds()
    }
}
