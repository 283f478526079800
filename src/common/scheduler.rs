//! Port of `kafka.utils.Scheduler`, `KafkaScheduler` and the tests' `MockScheduler`: what is to be
//! done later, or again and again (retention, flushes, checkpoints).

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::common::time::{MockTime, Time};

/// Something to do on a background thread, once or periodically.
pub type Task = Box<dyn FnMut() + Send>;

/// Runs tasks in the background.
pub trait Scheduler: Send + Sync {
    /// Runs `task` after `delay_ms`, and then every `period_ms` (at least 1) if there is a period;
    /// never two runs of one task at once. A negative delay counts as 0. `name` is for the log.
    /// Ignored after [`shutdown`](Self::shutdown).
    fn schedule(&self, name: &str, delay_ms: i64, period_ms: Option<i64>, task: Task);

    /// Starts nothing any more, forgets what has not started, and waits for what runs.
    fn shutdown(&self);
}

/// A [`Scheduler`] on threads of its own, by the monotonic clock.
///
/// A task that panics is logged and, if periodic, runs again when its time comes: neither its
/// thread nor any other task is harmed.
pub struct KafkaScheduler {
    shared: Arc<Shared>,
    thread_name_prefix: String,
}

struct Shared {
    state: Mutex<State>,
    /// Told when an earlier task has come, or the end.
    changed: Condvar,
}

struct State {
    waiting: BTreeMap<(Instant, u64), ScheduledTask<Duration>>,
    /// Tells apart tasks of the same moment, and keeps them in order.
    next_serial: u64,
    is_shut_down: bool,
    threads_max: usize,
    /// How many threads run, which is above `threads_max` until some have left.
    running: usize,
    /// All that run, and perhaps some that have left.
    threads: Vec<JoinHandle<()>>,
}

/// A task and its period, in the unit of the clock that it goes by.
struct ScheduledTask<P> {
    name: String,
    period: Option<P>,
    task: Task,
}

impl KafkaScheduler {
    /// A scheduler of up to `threads` threads named `<thread_name_prefix><i>`. Each task starts one
    /// until all run, as Java's pool does, so that an idle scheduler costs nothing.
    ///
    /// # Panics
    /// If `threads` is 0.
    pub fn new(threads: usize, thread_name_prefix: &str) -> Self {
        assert!(threads > 0, "a scheduler without threads would run nothing");
        let state = State {
            waiting: BTreeMap::new(),
            next_serial: 0,
            is_shut_down: false,
            threads_max: threads,
            running: 0,
            threads: Vec::new(),
        };
        Self {
            shared: Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() }),
            thread_name_prefix: thread_name_prefix.to_owned(),
        }
    }

    /// Makes it up to `threads` threads, at least 1: Kafka's `resizeThreadPool`. A thread that is
    /// one too many leaves when it has run its task.
    pub fn resize_thread_pool(&self, threads: usize) {
        let mut state = self.shared.lock();
        state.threads_max = threads.max(1);
        let wanted = state.threads_max.min(state.running + state.waiting.len());
        while !state.is_shut_down && state.running < wanted {
            if !self.start_thread(&mut state) {
                break;
            }
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Whether the system gave one.
    fn start_thread(&self, state: &mut State) -> bool {
        state.threads.retain(|thread| !thread.is_finished());
        let name = format!("{}{}", self.thread_name_prefix, state.running);
        let shared = Arc::clone(&self.shared);
        match thread::Builder::new().name(name.clone()).spawn(move || shared.run()) {
            Ok(handle) => {
                state.threads.push(handle);
                state.running += 1;
                true
            }
            Err(error) => {
                log::error!("cannot start the thread {name}: {error}");
                false
            }
        }
    }
}

impl Scheduler for KafkaScheduler {
    fn schedule(&self, name: &str, delay_ms: i64, period_ms: Option<i64>, task: Task) {
        log::debug!("Scheduling task {name} with delay {delay_ms} ms and period {period_ms:?} ms");
        let mut state = self.shared.lock();
        if state.is_shut_down {
            log::warn!("Task {name} is not scheduled: the scheduler is shut down");
            return;
        }
        let period = period_ms.map(|ms| milliseconds(ms.max(1)));
        let due = Instant::now() + milliseconds(delay_ms);
        state.insert(due, ScheduledTask { name: name.to_owned(), period, task });
        if state.running < state.threads_max {
            self.start_thread(&mut state);
        }
        drop(state);
        self.shared.changed.notify_one();
    }

    fn shutdown(&self) {
        let (forgotten, threads) = {
            let mut state = self.shared.lock();
            state.is_shut_down = true;
            (std::mem::take(&mut state.waiting), std::mem::take(&mut state.threads))
        };
        self.shared.changed.notify_all();
        drop(forgotten); // Outside the lock: what the tasks own may do anything when it is dropped.
        for handle in threads {
            // A task may shut its own scheduler down; it cannot wait for its own end.
            if handle.thread().id() != thread::current().id() && handle.join().is_err() {
                log::error!("A scheduler thread ended by a panic outside its tasks");
            }
        }
    }
}

impl Drop for KafkaScheduler {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl Shared {
    /// The body of each thread: runs what is due, one task after the other, until the scheduler is
    /// shut down.
    fn run(&self) {
        while let Some((due, mut scheduled)) = self.next_due() {
            log::trace!("Running task {}", scheduled.name);
            if catch_unwind(AssertUnwindSafe(|| (scheduled.task)())).is_err() {
                log::error!(
                    "Task {} panicked; its next run, if any, is not affected",
                    scheduled.name
                );
            }
            let Some(period) = scheduled.period else { continue };
            let mut state = self.lock();
            if state.is_shut_down {
                return;
            }
            // At the fixed rate; but beats missed while the task ran are skipped, not made up for
            // in a burst.
            state.insert((due + period).max(Instant::now()), scheduled);
        }
    }

    /// Waits for the next task to fall due and takes it. `None` when the scheduler is shut down, or
    /// has a thread too many.
    fn next_due(&self) -> Option<(Instant, ScheduledTask<Duration>)> {
        let mut state = self.lock();
        loop {
            if state.is_shut_down {
                return None;
            }
            if state.running > state.threads_max {
                state.running -= 1;
                // Another must keep watch over what this thread would have waited for.
                self.changed.notify_one();
                return None;
            }
            let Some(first) = state.waiting.first_entry() else {
                state = self.changed.wait(state).expect(NOT_POISONED);
                continue;
            };
            let due = first.key().0;
            let wait = due.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                let scheduled = first.remove();
                if !state.waiting.is_empty() {
                    // This thread will be busy, so another must keep watch over what comes next.
                    self.changed.notify_one();
                }
                return Some((due, scheduled));
            }
            state = self.changed.wait_timeout(state, wait).expect(NOT_POISONED).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(NOT_POISONED)
    }
}

impl State {
    fn insert(&mut self, due: Instant, scheduled: ScheduledTask<Duration>) {
        self.waiting.insert((due, self.next_serial), scheduled);
        self.next_serial += 1;
    }
}

/// Tasks run outside the lock, so a task's panic cannot poison it.
const NOT_POISONED: &str = "no thread panics while it holds the scheduler's lock";

/// At most a century, so that adding it to a clock cannot overflow.
fn milliseconds(ms: i64) -> Duration {
    const CENTURY_MS: u64 = 100 * 366 * 24 * 60 * 60 * 1000;
    Duration::from_millis(u64::try_from(ms).unwrap_or(0).min(CENTURY_MS))
}

/// A [`Scheduler`] for tests: runs what is due on the thread that calls [`tick`](Self::tick), by a
/// [`MockTime`].
pub struct MockScheduler {
    time: Arc<MockTime>,
    state: Mutex<MockState>,
}

#[derive(Default)]
struct MockState {
    waiting: BTreeMap<(i64, u64), ScheduledTask<i64>>,
    next_serial: u64,
    is_shut_down: bool,
}

impl MockScheduler {
    /// A scheduler by the clock `time`, which only the test moves.
    pub fn new(time: Arc<MockTime>) -> Self {
        Self { time, state: Mutex::default() }
    }

    /// Runs, in the order of their times, all tasks that are due now, also those that fall due by
    /// being scheduled meanwhile. A periodic task runs once for each of its periods that has
    /// passed. A panic goes through to the test.
    pub fn tick(&self) {
        while let Some((due_ms, mut scheduled)) = self.next_due() {
            (scheduled.task)();
            let mut state = self.lock();
            if let Some(period_ms) = scheduled.period.filter(|_| !state.is_shut_down) {
                state.insert(due_ms.saturating_add(period_ms), scheduled);
            }
        }
    }

    fn next_due(&self) -> Option<(i64, ScheduledTask<i64>)> {
        let now_ms = self.time.hi_res_clock_ms();
        let mut state = self.lock();
        let first = state.waiting.first_entry().filter(|first| first.key().0 <= now_ms)?;
        Some((first.key().0, first.remove()))
    }

    fn lock(&self) -> MutexGuard<'_, MockState> {
        self.state.lock().expect(NOT_POISONED)
    }
}

impl Scheduler for MockScheduler {
    fn schedule(&self, name: &str, delay_ms: i64, period_ms: Option<i64>, task: Task) {
        let due_ms = self.time.hi_res_clock_ms().saturating_add(delay_ms.max(0));
        let period = period_ms.map(|ms| ms.max(1));
        let mut state = self.lock();
        if !state.is_shut_down {
            state.insert(due_ms, ScheduledTask { name: name.to_owned(), period, task });
        }
    }

    fn shutdown(&self) {
        let mut state = self.lock();
        state.is_shut_down = true;
        let forgotten = std::mem::take(&mut state.waiting);
        drop(state);
        drop(forgotten); // Outside the lock, as in `KafkaScheduler`.
    }
}

impl MockState {
    fn insert(&mut self, due_ms: i64, scheduled: ScheduledTask<i64>) {
        self.waiting.insert((due_ms, self.next_serial), scheduled);
        self.next_serial += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::sync::mpsc::RecvTimeoutError;

    use super::*;

    /// Only a failing test waits this long.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// A task that writes `word` into the list.
    fn note(list: &Arc<Mutex<Vec<&'static str>>>, word: &'static str) -> Task {
        let list = Arc::clone(list);
        Box::new(move || list.lock().unwrap().push(word))
    }

    fn take(list: &Mutex<Vec<&'static str>>) -> Vec<&'static str> {
        std::mem::take(&mut list.lock().unwrap())
    }

    #[test]
    fn a_mock_scheduler_runs_what_is_due_in_order() {
        let time = Arc::new(MockTime::new());
        let scheduler = MockScheduler::new(Arc::clone(&time));
        let list = Arc::default();
        scheduler.schedule("later", 10, None, note(&list, "later"));
        scheduler.schedule("again", 4, Some(4), note(&list, "again"));
        scheduler.schedule("now", 0, None, note(&list, "now"));
        assert!(take(&list).is_empty());
        scheduler.tick();
        assert_eq!(take(&list), ["now"]);
        time.sleep(10);
        scheduler.tick();
        assert_eq!(take(&list), ["again", "again", "later"]);
        time.sleep(2);
        scheduler.tick();
        assert_eq!(take(&list), ["again"]);
    }

    #[test]
    fn a_mock_scheduler_runs_what_a_task_schedules_in_the_same_tick() {
        let scheduler = Arc::new(MockScheduler::new(Arc::new(MockTime::new())));
        let list = Arc::default();
        let inner = Arc::clone(&scheduler);
        let task_list = Arc::clone(&list);
        let task = move || inner.schedule("inner", 0, None, note(&task_list, "inner"));
        scheduler.schedule("outer", 0, None, Box::new(task));
        scheduler.tick();
        assert_eq!(take(&list), ["inner"]);
    }

    #[test]
    fn a_mock_scheduler_that_is_shut_down_runs_nothing() {
        let scheduler = MockScheduler::new(Arc::new(MockTime::new()));
        let list = Arc::default();
        scheduler.schedule("before", 0, None, note(&list, "before"));
        scheduler.shutdown();
        scheduler.schedule("after", 0, None, note(&list, "after"));
        scheduler.tick();
        assert!(take(&list).is_empty());
    }

    #[test]
    fn a_task_runs_on_a_thread_of_the_scheduler() {
        let scheduler = KafkaScheduler::new(1, "scheduler-test-");
        let (sender, receiver) = mpsc::channel();
        let task = move || sender.send(thread::current().name().map(str::to_owned)).unwrap();
        scheduler.schedule("name", 0, None, Box::new(task));
        assert_eq!(receiver.recv_timeout(PATIENCE).unwrap().unwrap(), "scheduler-test-0");
    }

    #[test]
    fn threads_are_started_one_per_task_and_no_more_than_allowed() {
        let scheduler = KafkaScheduler::new(2, "lazy-");
        for threads in [0, 1, 2, 2] {
            assert_eq!(scheduler.shared.lock().threads.len(), threads);
            scheduler.schedule("idle", 3_600_000, None, Box::new(|| ()));
        }
    }

    #[test]
    fn more_threads_run_what_waits_and_fewer_leave_none_behind() {
        let scheduler = KafkaScheduler::new(1, "resized-");
        let (sender, receiver) = mpsc::channel();
        let (go, gate) = mpsc::channel::<()>();
        let first = sender.clone();
        let blocked = Box::new(move || {
            first.send("blocks").unwrap();
            gate.recv().unwrap();
        });
        scheduler.schedule("blocked", 0, None, blocked);
        assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), "blocks");
        let second = sender.clone();
        scheduler.schedule("waits", 0, None, Box::new(move || second.send("waited").unwrap()));
        scheduler.resize_thread_pool(2);
        assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), "waited");

        scheduler.resize_thread_pool(1);
        go.send(()).unwrap();
        let began = Instant::now();
        while scheduler.shared.lock().running > 1 {
            assert!(began.elapsed() < PATIENCE, "a thread is one too many");
            thread::park_timeout(Duration::from_millis(1));
        }
        let last = Box::new(move || sender.send("goes on").unwrap());
        scheduler.schedule("last", 0, None, last);
        assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), "goes on");
    }

    #[test]
    fn an_earlier_task_overtakes_one_that_is_waited_for() {
        let scheduler = KafkaScheduler::new(1, "overtake-");
        let (sender, receiver) = mpsc::channel();
        let late = sender.clone();
        scheduler.schedule("late", 3_600_000, None, Box::new(move || late.send("late").unwrap()));
        scheduler.schedule("early", 1, None, Box::new(move || sender.send("early").unwrap()));
        assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), "early");
    }

    #[test]
    fn a_periodic_task_goes_on_after_a_panic_and_so_does_its_thread() {
        let scheduler = KafkaScheduler::new(1, "panic-");
        let (sender, receiver) = mpsc::channel();
        let mut runs = 0;
        let task = move || {
            runs += 1;
            assert_ne!(runs, 2, "the second run panics, as this test wants");
            sender.send(runs).unwrap();
        };
        scheduler.schedule("fragile", 0, Some(1), Box::new(task));
        let seen: Vec<i32> = (0..3).map(|_| receiver.recv_timeout(PATIENCE).unwrap()).collect();
        assert_eq!(seen, [1, 3, 4]);
        scheduler.shutdown();
    }

    #[test]
    fn shutdown_waits_for_what_runs_and_forgets_the_rest() {
        let scheduler = KafkaScheduler::new(2, "shutdown-");
        let (sender, receiver) = mpsc::channel();
        let never = sender.clone();
        scheduler.schedule(
            "never",
            3_600_000,
            None,
            Box::new(move || never.send("never").unwrap()),
        );
        scheduler.schedule("beat", 0, Some(1), Box::new(move || sender.send("beat").unwrap()));
        receiver.recv_timeout(PATIENCE).unwrap();
        scheduler.shutdown();
        // Both senders are gone with their tasks, so after the beats that were sent the channel
        // ends.
        while let Ok(word) = receiver.try_recv() {
            assert_eq!(word, "beat");
        }
        assert_eq!(receiver.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
        scheduler.schedule("after", 0, None, Box::new(|| unreachable!("shut down")));
    }

    #[test]
    fn a_task_may_shut_its_own_scheduler_down() {
        let scheduler = Arc::new(KafkaScheduler::new(1, "self-"));
        let (sender, receiver) = mpsc::channel();
        let own = Arc::clone(&scheduler);
        let task = move || {
            own.shutdown();
            sender.send(()).unwrap();
        };
        scheduler.schedule("self", 0, None, Box::new(task));
        receiver.recv_timeout(PATIENCE).unwrap();
    }
}
