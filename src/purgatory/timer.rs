//! Port of `kafka.utils.timer.Timer` and `SystemTimer`: a timing wheel that threads share, driven
//! by a clock.
//!
//! Kafka's timer runs its tasks on an executor. This one holds values, and hands those whose time
//! has come to the thread that advances it, which knows what they mean.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::common::lock::{locked, locked_again};
use crate::common::time::Time;
use crate::purgatory::purgatory_snapshot::WheelSnapshot;
use crate::purgatory::timing_wheel::{TimerTaskId, TimingWheel};

const NS_PER_MS: i64 = 1_000_000;

/// Values of type `T` that wait for their deadlines, by the monotonic clock (KAFKA-4051).
///
/// One lock guards the wheel. It is held for the few steps of an add, a cancel or an advance, never
/// while a value is used or dropped.
pub struct Timer<T> {
    time: Arc<dyn Time>,
    state: Mutex<State<T>>,
    /// Notified when the next deadline has come nearer, or the timer is shut down.
    changed: Condvar,
}

struct State<T> {
    wheel: TimingWheel<T>,
    is_shut_down: bool,
    /// Whether the next wait ends before it begins.
    is_woken: bool,
}

impl<T> Timer<T> {
    /// An empty timer, precise to `tick_ms`, on wheels of `wheel_size` buckets.
    ///
    /// # Panics
    /// If the tick is shorter than 1 ms or there are fewer than 2 buckets.
    pub fn new(time: Arc<dyn Time>, tick_ms: i64, wheel_size: usize) -> Self {
        let wheel = TimingWheel::new(tick_ms, wheel_size, time.hi_res_clock_ms());
        let state = Mutex::new(State { wheel, is_shut_down: false, is_woken: false });
        Self { time, state, changed: Condvar::new() }
    }

    /// Keeps `value` for `delay_ms` from now on. A thread that waits in
    /// [`advance_clock`](Self::advance_clock) is woken if this deadline is the nearest, so that a
    /// delay of 5 ms takes 5 ms however long the thread meant to wait.
    ///
    /// # Errors
    /// Gives `value` back if its time has come already, as for any delay that is not positive: the
    /// caller has to act on it.
    pub fn add(&self, delay_ms: i64, value: T) -> Result<TimerTaskId, T> {
        if delay_ms <= 0 {
            return Err(value);
        }
        // The clock is rounded up here and down when it is read for expiry: no delay is ever cut
        // short.
        let now_ms = self.time.nanoseconds().saturating_add(NS_PER_MS - 1) / NS_PER_MS;
        let mut state = locked(&self.state);
        let next_ms = state.wheel.next_expiration_ms();
        let added = state.wheel.add(value, now_ms.saturating_add(delay_ms));
        let is_nearer = state.wheel.next_expiration_ms() != next_ms;
        drop(state);
        if is_nearer {
            self.changed.notify_all();
        }
        added
    }

    /// Takes a value back before its time. `None` if it has expired or was cancelled already.
    pub fn cancel(&self, id: TimerTaskId) -> Option<T> {
        locked(&self.state).wheel.cancel(id)
    }

    /// Returns the values whose time has come, in the order of their deadlines. If there are none,
    /// waits once, up to `timeout_ms` of real time, until there may be: an empty answer does not
    /// mean that the timeout has passed. [`wake`](Self::wake) ends the wait.
    pub fn advance_clock(&self, timeout_ms: i64) -> Vec<T> {
        let mut state = locked(&self.state);
        let expired = state.wheel.advance_clock(self.time.hi_res_clock_ms());
        let is_woken = std::mem::take(&mut state.is_woken);
        if !expired.is_empty() || timeout_ms <= 0 || is_woken || state.is_shut_down {
            return expired;
        }
        let timeout_ns = timeout_ms.saturating_mul(NS_PER_MS);
        let wait_ns = state.wheel.next_expiration_ms().map_or(timeout_ns, |next_ms| {
            let next_ns = next_ms.saturating_mul(NS_PER_MS);
            next_ns.saturating_sub(self.time.nanoseconds()).min(timeout_ns)
        });
        let wait = Duration::from_nanos(u64::try_from(wait_ns).unwrap_or(0));
        state = locked_again(self.changed.wait_timeout(state, wait)).0;
        state.is_woken = false;
        state.wheel.advance_clock(self.time.hi_res_clock_ms())
    }

    /// Ends the wait of the thread in [`advance_clock`](Self::advance_clock), or its next one: there is
    /// something else for it to do.
    pub fn wake(&self) {
        locked(&self.state).is_woken = true;
        self.changed.notify_all();
    }

    /// How many values wait.
    pub fn size(&self) -> usize {
        locked(&self.state).wheel.size()
    }

    /// How many wait on each level of the wheel.
    pub fn snapshot(&self) -> WheelSnapshot {
        locked(&self.state).wheel.snapshot()
    }

    /// Ends every wait in [`advance_clock`](Self::advance_clock), now and from now on.
    pub fn shutdown(&self) {
        locked(&self.state).is_shut_down = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::common::mock_time::MockTime;
    use crate::common::time::SystemTime;
    use crate::common::units::TimestampMs;

    fn new_timer() -> (Arc<MockTime>, Timer<i64>) {
        let time = Arc::new(MockTime::new());
        let clock: Arc<dyn Time> = time.clone();
        (time, Timer::new(clock, 1, 3))
    }

    /// Kafka's `TimerTest.testAlreadyExpiredTask`.
    #[test]
    fn a_value_whose_time_is_past_is_given_back_at_once() {
        let (_, timer) = new_timer();
        for delay_ms in [-5, -4, -3, -2, -1, 0] {
            assert_eq!(timer.add(delay_ms, delay_ms), Err(delay_ms));
        }
        assert_eq!(timer.size(), 0);
    }

    #[test]
    fn a_thread_that_is_woken_before_it_waits_does_not_wait() {
        let (_, timer) = new_timer();
        let timeout_ms = 30_000;
        timer.wake();
        let began = std::time::Instant::now();
        assert!(timer.advance_clock(timeout_ms).is_empty());
        assert!(began.elapsed() < Duration::from_millis(10_000), "{:?}", began.elapsed());
    }

    /// Kafka's `TimerTest.testTaskExpiration`: delays of 0 to 4, 10 to 99 (twice) and 100 to 499
    /// ms, entered out of order on a wheel of three buckets, expire once each and in order.
    #[test]
    fn values_expire_in_the_order_of_their_deadlines_each_once() {
        let (time, timer) = new_timer();
        let mut delays: Vec<i64> = (0..5).chain(10..100).chain(10..100).chain(100..500).collect();
        let expected = delays.clone();
        // 7 shares no factor with their number, 585, so that this visits each once.
        let shuffled = (0..delays.len()).map(|index| expected[index * 7 % expected.len()]);
        let mut expired: Vec<i64> =
            shuffled.filter_map(|delay_ms| timer.add(delay_ms, delay_ms).err()).collect();
        assert_eq!(expired, [0]);

        for now_ms in 1..500 {
            time.sleep(1);
            let due = timer.advance_clock(0);
            assert!(due.iter().all(|&delay_ms| delay_ms == now_ms));
            expired.extend(due);
        }
        delays.sort_unstable();
        assert_eq!(expired, delays);
        assert_eq!(timer.size(), 0);
    }

    #[test]
    fn a_cancelled_value_does_not_expire() {
        let (time, timer) = new_timer();
        let id = timer.add(5, 5).unwrap();
        timer.add(6, 6).unwrap();
        assert_eq!(timer.cancel(id), Some(5));
        assert_eq!(timer.cancel(id), None);
        time.sleep(10);
        assert_eq!(timer.advance_clock(0), [6]);
    }

    /// A clock that a test sets to the nanosecond.
    struct FineTime(AtomicI64);

    impl Time for FineTime {
        fn milliseconds(&self) -> TimestampMs {
            TimestampMs(self.hi_res_clock_ms())
        }

        fn nanoseconds(&self) -> i64 {
            self.0.load(Ordering::SeqCst)
        }
    }

    #[test]
    fn no_delay_is_cut_short_by_a_part_of_a_millisecond() {
        let time = Arc::new(FineTime(AtomicI64::new(900_000)));
        let clock: Arc<dyn Time> = time.clone();
        let timer = Timer::new(clock, 1, 20);
        timer.add(1, "one millisecond").unwrap();
        time.0.store(1_899_999, Ordering::SeqCst);
        assert!(timer.advance_clock(0).is_empty());
        time.0.store(2_000_000, Ordering::SeqCst);
        assert_eq!(timer.advance_clock(0), ["one millisecond"]);
    }

    /// The thread waits up to an hour; the value must come out although it was added later.
    #[test]
    fn a_nearer_deadline_wakes_the_thread_that_waits() {
        let timer = Arc::new(Timer::new(Arc::new(SystemTime::new()), 1, 20));
        let (sender, receiver) = mpsc::channel();
        let reaper_timer = Arc::clone(&timer);
        let reaper = thread::spawn(move || {
            for value in std::iter::repeat_with(|| reaper_timer.advance_clock(3_600_000)).flatten()
            {
                sender.send(value).unwrap();
                if value == "last" {
                    return;
                }
            }
        });
        timer.add(3_600_000, "never").unwrap();
        timer.add(5, "first").unwrap();
        assert_eq!(receiver.recv_timeout(Duration::from_secs(30)).unwrap(), "first");
        timer.add(5, "last").unwrap();
        assert_eq!(receiver.recv_timeout(Duration::from_secs(30)).unwrap(), "last");
        reaper.join().unwrap();
        assert_eq!(timer.size(), 1);
    }
}
