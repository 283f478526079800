//! Port of `kafka.server.ThrottledResponse`, a response that a quota holds back, and of the
//! `java.util.concurrent.DelayQueue` that it waits in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::common::hang_up::HangUp;
use crate::common::lock::locked;
use crate::common::purge_size::PurgeSize;
use crate::common::step::step;
use crate::common::subject::Carried;
use crate::common::time::Time;

const NS_PER_MS: i64 = 1_000_000;

/// Called when the delay has passed, with the delay in milliseconds.
pub type Callback = Box<dyn FnOnce(i32) + Send>;

/// A response that is held back.
pub struct ThrottledResponse {
    pub throttle_time_ms: i32,
    callback: Callback,
    /// Dead when nobody is left whom the callback would concern.
    client: Weak<HangUp>,
    on_behalf_of: Carried,
}

impl ThrottledResponse {
    /// Holds `callback` back for `throttle_time_ms`, counted from when it is put into the queue. It is
    /// not called if the connection of `client` and all its requests are gone by then.
    pub fn new(throttle_time_ms: i32, client: &Arc<HangUp>, callback: Callback) -> Self {
        let (client, on_behalf_of) = (Arc::downgrade(client), Carried::along());
        Self { throttle_time_ms, callback, client, on_behalf_of }
    }

    fn is_moot(&self) -> bool {
        self.client.strong_count() == 0
    }

    pub fn execute(self) {
        let _request = self.on_behalf_of.resume();
        let _step = step!([12] "ThrottledResponse.execute", "after {} ms", self.throttle_time_ms);
        (self.callback)(self.throttle_time_ms);
    }
}

impl fmt::Debug for ThrottledResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ThrottledResponse({} ms)", self.throttle_time_ms)
    }
}

/// Responses in the order in which their delays end, by the monotonic clock (Kafka went by the wall
/// clock). Nothing is executed or dropped under its lock.
///
/// A client that hangs up does not wait for its delay, and may come again at once. So the queue is
/// purged of those that are gone whenever it has doubled: it has at most about twice as many
/// responses as there are connections.
pub struct DelayQueue {
    time: Arc<dyn Time>,
    state: Mutex<State>,
    /// Notified when another response has become the first, and when the queue closes.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// By the time at which the delay ends, in nanoseconds, then in the order of arrival.
    waiting: BTreeMap<(i64, u64), ThrottledResponse>,
    next_serial: u64,
    purge_size: PurgeSize,
    is_closed: bool,
}

impl DelayQueue {
    /// An empty queue that goes by the clock `time`.
    pub fn new(time: Arc<dyn Time>) -> Self {
        Self { time, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Keeps a response until its delay has passed.
    ///
    /// # Errors
    /// The queue is closed: the response comes back.
    pub fn add(&self, response: ThrottledResponse) -> Result<(), ThrottledResponse> {
        let delay_ns = i64::from(response.throttle_time_ms) * NS_PER_MS;
        let end_ns = self.time.nanoseconds().saturating_add(delay_ns);
        let mut state = self.lock();
        if state.is_closed {
            return Err(response);
        }
        let key = (end_ns, state.next_serial);
        state.next_serial += 1;
        state.waiting.insert(key, response);
        let moot = state.purge_if_doubled();
        let is_first = state.waiting.first_key_value().is_some_and(|(first, _)| *first == key);
        drop(state);
        drop(moot);
        if is_first {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Takes the first response whose delay has passed. If there is none, waits once, up to
    /// `timeout` of real time, until there may be one.
    pub fn poll(&self, timeout: Duration) -> Option<ThrottledResponse> {
        let mut state = self.lock();
        let wait = match state.remaining_ns(self.time.nanoseconds()) {
            Some(..=0) => Duration::ZERO,
            Some(remaining_ns) => Duration::from_nanos(remaining_ns.unsigned_abs()).min(timeout),
            None => timeout,
        };
        if !wait.is_zero() && !state.is_closed {
            state =
                self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
        match state.remaining_ns(self.time.nanoseconds()) {
            Some(..=0) => state.waiting.pop_first().map(|(_, response)| response),
            _ => None,
        }
    }

    pub fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    pub fn size(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Refuses further responses, ends every wait in [`poll`](Self::poll), and returns the responses
    /// that are left, in order.
    pub fn close(&self) -> Vec<ThrottledResponse> {
        let mut state = self.lock();
        state.is_closed = true;
        self.changed.notify_all();
        std::mem::take(&mut state.waiting).into_values().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl State {
    /// Takes out the responses of clients that are gone.
    fn purge_if_doubled(&mut self) -> Vec<ThrottledResponse> {
        if !self.purge_size.is_reached(self.waiting.len()) {
            return Vec::new();
        }
        let waiting = std::mem::take(&mut self.waiting);
        let (moot, waiting): (BTreeMap<_, _>, _) =
            waiting.into_iter().partition(|(_, response)| response.is_moot());
        self.waiting = waiting;
        self.purge_size.set(self.waiting.len());
        moot.into_values().collect()
    }

    /// For how long the first response has to wait.
    fn remaining_ns(&self, now_ns: i64) -> Option<i64> {
        self.waiting.first_key_value().map(|((end_ns, _), _)| end_ns.saturating_sub(now_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::mock_time::MockTime;
    use crate::common::purge_size::PURGE_SIZE_MIN;

    fn queue() -> (Arc<MockTime>, DelayQueue) {
        let time = Arc::new(MockTime::new());
        (time.clone(), DelayQueue::new(time))
    }

    fn response(throttle_time_ms: i32) -> ThrottledResponse {
        ThrottledResponse::new(throttle_time_ms, &Arc::default(), Box::new(|_| ()))
    }

    fn take(queue: &DelayQueue) -> Vec<i32> {
        let taken = std::iter::from_fn(|| queue.poll(Duration::ZERO));
        taken.map(|response| response.throttle_time_ms).collect()
    }

    /// Port of `ThrottledResponseExpirationTest.testExpire`.
    #[test]
    fn responses_come_out_when_their_time_has_come_and_in_its_order() {
        let (time, queue) = queue();
        for delay_ms in [30, 10, 20, 20] {
            queue.add(response(delay_ms)).unwrap();
        }
        for (expected, left) in [(vec![], 4), (vec![10], 3), (vec![20, 20], 1), (vec![30], 0)] {
            assert_eq!(take(&queue), expected);
            assert_eq!(queue.size(), left);
            time.sleep(10);
        }
    }

    /// Port of `ThrottledResponseExpirationTest.testThrottledRequest`.
    #[test]
    fn the_delay_that_remains_counts_down() {
        let (time, queue) = queue();
        queue.add(response(20)).unwrap();
        let remaining_ms =
            |now: &MockTime| queue.lock().remaining_ns(now.nanoseconds()).map(|ns| ns / NS_PER_MS);
        assert_eq!(remaining_ms(&time), Some(20));
        time.sleep(10);
        assert_eq!(remaining_ms(&time), Some(10));
        time.sleep(20);
        assert_eq!(remaining_ms(&time), Some(-10));
    }

    #[test]
    fn responses_for_clients_that_are_gone_do_not_pile_up() {
        let (_, queue) = queue();
        let stays = Arc::default();
        for delay_ms in 0..100_000 {
            queue.add(response(1000 + delay_ms)).unwrap();
            if delay_ms % 100 == 0 {
                let waits = ThrottledResponse::new(1, &stays, Box::new(|_| ()));
                queue.add(waits).unwrap();
            }
            assert!(queue.size() <= 2 * PURGE_SIZE_MIN);
        }
        let waiting = queue.close().into_iter().filter(|it| !it.is_moot()).count();
        assert_eq!(waiting, 1000, "none that somebody waits for is purged");
    }

    #[test]
    fn a_closed_queue_gives_everything_back() {
        let (_, queue) = queue();
        queue.add(response(20)).unwrap();
        queue.add(response(10)).unwrap();
        let left: Vec<i32> = queue.close().iter().map(|it| it.throttle_time_ms).collect();
        assert_eq!(left, [10, 20]);
        assert!(queue.add(response(1)).is_err());
        assert!(queue.poll(Duration::from_secs(3600)).is_none());
    }
}
