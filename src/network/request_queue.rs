//! In place of the `ArrayBlockingQueue` of `kafka.network.RequestChannel`: a bounded queue of
//! requests on which both sides can wait.
//!
//! Requests leave first in, first out. The handlers that wait for one are woken last in, first out:
//! the one that went to sleep last, whose stack and data the processor's caches still have, gets the
//! next request, and those that are not needed sleep on. Java's queue, and a `Condvar`, wake the one
//! that has slept longest.
//!
//! Whoever puts an entry wakes one handler if one waits, and makes no system call if none does; the
//! same holds for a Processor that waits for room.
//!
//! No wake-up is lost. Everything that decides stands under one lock: a handler enters the stack
//! only while it sees that there is nothing to take, and an entry that comes later takes the last
//! one off the stack before it wakes it. A handler that leaves the lock again, because it was woken
//! or because its time is over, takes itself off the stack and looks once more; so one that was
//! chosen finds its entry, unless another handler, which was awake, has taken it. An entry that finds
//! the stack empty waits for a handler that is awake: each looks here before it sleeps.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::common::hang_up::HangUp;
use crate::common::lock::{locked, locked_again};
use crate::network::network_snapshot::RequestQueueSnapshot;

/// What a handler gets.
#[derive(Debug)]
pub enum RequestOrShutdown<R> {
    Request(R),
    /// The client of a request that waits has hung up: the handler ends the wait.
    HangUp(Arc<HangUp>),
    /// Kafka's `AllDone`: the queue is empty and stays so, and the handler thread ends.
    Shutdown,
}

/// A bounded queue of requests `R`, with an end.
pub struct RequestQueue<R> {
    capacity: usize,
    state: Mutex<RequestQueueState<R>>,
    not_full: Condvar,
}

struct RequestQueueState<R> {
    requests: VecDeque<R>,
    /// Handed out before the requests: each frees a connection, and is the last work for it.
    hang_ups: VecDeque<Arc<HangUp>>,
    is_closed: bool,
    /// The one that went to sleep last stands last. Each is parked, or about to be, and here once.
    idle_handlers: Vec<Thread>,
    /// How many Processors wait on `not_full`.
    waiting_processors: usize,
}

impl<R> RequestQueue<R> {
    /// An empty queue with room for `capacity` requests.
    pub fn new(capacity: usize) -> Self {
        let state = RequestQueueState {
            requests: VecDeque::new(),
            hang_ups: VecDeque::new(),
            is_closed: false,
            idle_handlers: Vec::new(),
            waiting_processors: 0,
        };
        Self { capacity, state: Mutex::new(state), not_full: Condvar::new() }
    }

    /// Puts a request at the end, and waits as long as there is no room.
    ///
    /// # Errors
    /// The queue is closed: the request comes back.
    pub fn put(&self, request: R) -> Result<(), R> {
        let mut state = self.wait_for_room(locked(&self.state));
        if state.is_closed {
            return Err(request);
        }
        state.requests.push_back(request);
        wake_one(state);
        Ok(())
    }

    /// Puts a hang-up before the requests, without waiting for room.
    pub fn put_hang_up(&self, hang_up: Arc<HangUp>) {
        let mut state = locked(&self.state);
        state.hang_ups.push_back(hang_up);
        wake_one(state);
    }

    /// Takes the next entry, waiting up to `timeout` for one. `None`: nothing came.
    pub fn take(&self, timeout: Duration) -> Option<RequestOrShutdown<R>> {
        let mut state = self.wait_for_entry(locked(&self.state), timeout);
        if let Some(hang_up) = state.hang_ups.pop_front() {
            return Some(RequestOrShutdown::HangUp(hang_up));
        }
        let Some(request) = state.requests.pop_front() else {
            return state.is_closed.then_some(RequestOrShutdown::Shutdown);
        };
        let is_room_awaited = state.waiting_processors > 0;
        drop(state);
        if is_room_awaited {
            self.not_full.notify_one();
        }
        Some(RequestOrShutdown::Request(request))
    }

    /// How many requests wait.
    pub fn request_count(&self) -> usize {
        locked(&self.state).requests.len()
    }

    /// The queue as it is now, with what `look` makes of the first `max` requests.
    pub fn snapshot<T>(&self, max: usize, look: impl Fn(&R) -> T) -> RequestQueueSnapshot<T> {
        let state = locked(&self.state);
        RequestQueueSnapshot {
            capacity: self.capacity,
            size: state.requests.len(),
            first: state.requests.iter().take(max).map(look).collect(),
            idle_handlers: state.idle_handlers.len(),
            waiting_processors: state.waiting_processors,
        }
    }

    /// Takes no further request. Those that are here are still handed out; then every handler gets
    /// [`RequestOrShutdown::Shutdown`]. Wakes all that wait, on both sides.
    pub fn close(&self) {
        let mut state = locked(&self.state);
        state.is_closed = true;
        let idle_handlers = std::mem::take(&mut state.idle_handlers);
        drop(state);
        self.not_full.notify_all();
        for handler in idle_handlers {
            handler.unpark();
        }
    }

    fn wait_for_room<'a>(
        &self,
        mut state: MutexGuard<'a, RequestQueueState<R>>,
    ) -> MutexGuard<'a, RequestQueueState<R>> {
        let is_full = |state: &RequestQueueState<R>| {
            !state.is_closed && state.requests.len() >= self.capacity
        };
        if is_full(&state) {
            state.waiting_processors += 1;
            state = locked_again(self.not_full.wait_while(state, |state| is_full(state)));
            state.waiting_processors -= 1;
        }
        state
    }

    /// Waits while there is nothing to take, up to `timeout`.
    fn wait_for_entry<'a>(
        &'a self,
        mut state: MutexGuard<'a, RequestQueueState<R>>,
        timeout: Duration,
    ) -> MutexGuard<'a, RequestQueueState<R>> {
        if !state.is_idle() {
            return state;
        }
        let (this_thread, began) = (thread::current(), Instant::now());
        while state.is_idle() {
            let left = timeout.saturating_sub(began.elapsed());
            if left.is_zero() {
                break;
            }
            state.idle_handlers.push(this_thread.clone());
            drop(state);
            // May end for no reason, or for an earlier wake-up that came too late.
            thread::park_timeout(left);
            state = locked(&self.state);
            state.idle_handlers.retain(|it| it.id() != this_thread.id());
        }
        state
    }
}

impl<R> RequestQueueState<R> {
    /// Whether there is nothing to take, not even the end.
    fn is_idle(&self) -> bool {
        !self.is_closed && self.requests.is_empty() && self.hang_ups.is_empty()
    }
}

/// Wakes a handler for one entry that has come, outside of the lock that it needs.
fn wake_one<R>(mut state: MutexGuard<'_, RequestQueueState<R>>) {
    let handler = state.idle_handlers.pop();
    drop(state);
    if let Some(handler) = handler {
        handler.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Only a failing test waits this long.
    const PATIENCE: Duration = Duration::from_secs(30);
    /// A handler that is not woken sleeps longer than any test has patience.
    const FOREVER: Duration = Duration::from_secs(600);

    type Queue = Arc<RequestQueue<usize>>;

    fn queue(capacity: usize) -> Queue {
        Arc::new(RequestQueue::new(capacity))
    }

    fn idle_handlers(queue: &Queue) -> usize {
        locked(&queue.state).idle_handlers.len()
    }

    fn taken_from(queue: &Queue) -> usize {
        match queue.take(FOREVER) {
            Some(RequestOrShutdown::Request(request)) => request,
            other => panic!("a request was expected, not {other:?}"),
        }
    }

    fn until(is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < PATIENCE);
            thread::yield_now();
        }
    }

    /// A handler that reports what it takes, under its name, until the end.
    fn spawn_handler(
        queue: &Queue,
        timeout: Duration,
        name: char,
        taken: &mpsc::Sender<(char, Option<usize>)>,
    ) -> thread::JoinHandle<()> {
        let (queue, taken) = (Arc::clone(queue), taken.clone());
        thread::spawn(move || {
            loop {
                match queue.take(timeout) {
                    Some(RequestOrShutdown::Request(request)) => {
                        taken.send((name, Some(request))).unwrap();
                    }
                    Some(RequestOrShutdown::Shutdown) => return taken.send((name, None)).unwrap(),
                    _ => (),
                }
            }
        })
    }

    /// Handlers that went to sleep in the order of their names.
    fn sleepers(queue: &Queue, names: &str) -> mpsc::Receiver<(char, Option<usize>)> {
        let (sender, receiver) = mpsc::channel();
        for (before, name) in names.chars().enumerate() {
            spawn_handler(queue, FOREVER, name, &sender);
            until(|| idle_handlers(queue) == before + 1);
        }
        receiver
    }

    #[test]
    fn the_handler_that_went_to_sleep_last_gets_each_request() {
        let queue = queue(10);
        let taken = sleepers(&queue, "abc");
        for request in 0..5 {
            queue.put(request).unwrap();
            assert_eq!(taken.recv_timeout(PATIENCE), Ok(('c', Some(request))));
            until(|| idle_handlers(&queue) == 3);
        }
        queue.close();
    }

    #[test]
    fn a_hang_up_wakes_a_handler_and_goes_before_requests() {
        let queue = queue(10);
        let (sender, taken) = mpsc::channel();
        let handler = Arc::clone(&queue);
        thread::spawn(move || sender.send(handler.take(FOREVER)).unwrap());
        until(|| idle_handlers(&queue) == 1);
        queue.put_hang_up(Arc::default());
        let first = taken.recv_timeout(PATIENCE).unwrap();
        assert!(matches!(first, Some(RequestOrShutdown::HangUp(_))), "{first:?}");
    }

    #[test]
    fn the_end_wakes_all_handlers() {
        let queue = queue(10);
        let taken = sleepers(&queue, "abc");
        queue.close();
        let mut ended: Vec<_> = (0..3).map(|_| taken.recv_timeout(PATIENCE).unwrap()).collect();
        ended.sort_unstable();
        assert_eq!(ended, [('a', None), ('b', None), ('c', None)]);
        assert_eq!(queue.put(1), Err(1));
    }

    /// As many handlers do as are asked to leave when `num.io.threads` falls.
    #[test]
    fn a_handler_whose_time_is_over_is_not_counted_on() {
        let queue = queue(10);
        assert!(queue.take(Duration::from_millis(1)).is_none());
        assert_eq!(idle_handlers(&queue), 0);
        let taken = sleepers(&queue, "a");
        assert!(queue.take(Duration::from_millis(1)).is_none(), "it lay above `a`");
        queue.put(1).unwrap();
        assert_eq!(taken.recv_timeout(PATIENCE), Ok(('a', Some(1))));
        queue.close();
    }

    #[test]
    fn nobody_who_does_not_wait_is_notified() {
        let queue = queue(1);
        queue.put(1).unwrap();
        assert_eq!(locked(&queue.state).waiting_processors, 0);
        let processor = Arc::clone(&queue);
        let waiting = thread::spawn(move || processor.put(2));
        until(|| locked(&queue.state).waiting_processors == 1);
        assert_eq!(taken_from(&queue), 1);
        assert_eq!(waiting.join().unwrap(), Ok(()));
        assert_eq!(locked(&queue.state).waiting_processors, 0);
        assert_eq!(taken_from(&queue), 2);
    }

    /// Each request is put when the one before is taken, so that handlers fall asleep all the time;
    /// some give up and return, and one is never idle for long. A wake-up that went astray would
    /// leave a request that nobody takes.
    #[test]
    fn no_wake_up_is_lost_between_handlers_that_sleep_give_up_and_come_back() {
        const ROUNDS: usize = 3_000;
        let queue = queue(2);
        let (sender, taken) = mpsc::channel();
        let timeouts = [FOREVER, FOREVER, Duration::from_micros(1), Duration::from_micros(50)];
        let handlers: Vec<_> = timeouts
            .into_iter()
            .zip('a'..)
            .map(|(timeout, name)| spawn_handler(&queue, timeout, name, &sender))
            .collect();
        for round in 0..ROUNDS {
            let burst = 1 + round % 3;
            (0..burst).for_each(|request| queue.put(request).unwrap());
            let mut requests: Vec<_> =
                (0..burst).map(|_| taken.recv_timeout(PATIENCE).unwrap().1.unwrap()).collect();
            requests.sort_unstable();
            assert!(requests.into_iter().eq(0..burst), "each is taken once");
        }
        queue.close();
        handlers.into_iter().for_each(|handler| handler.join().unwrap());
        assert_eq!(idle_handlers(&queue), 0);
    }
}
