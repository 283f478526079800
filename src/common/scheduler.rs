//! Port of `kafka.utils.Scheduler` and `KafkaScheduler`: tasks that run later, or again and again
//! (retention, flushes, checkpoints).

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use log::{debug, error, warn};

use crate::common::lock::{locked, locked_again};
use crate::common::named_thread::spawn_named;
use crate::common::step::step;
use crate::common::subject::Carried;

/// A century, so that adding a delay to a clock cannot overflow.
const DELAY_MAX_MS: u64 = 100 * 366 * 24 * 60 * 60 * 1000;

/// Something to do on a background thread, once or periodically.
pub type Task = Box<dyn FnMut() + Send>;

/// Runs tasks in the background.
pub trait Scheduler: Send + Sync {
    /// Runs `task` after `delay_ms`, and then every `period_ms` (at least 1) if there is a period;
    /// never two runs of one task at once. A negative delay counts as 0. `name` is for the log.
    /// Ignored after [`shutdown`](Self::shutdown).
    fn schedule(&self, name: &str, delay_ms: i64, period_ms: Option<i64>, task: Task);

    /// Starts nothing any more, drops the tasks that have not started, and waits for those that
    /// run.
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
    /// Notified when an earlier task has come, or the end.
    changed: Condvar,
}

struct State {
    waiting: BTreeMap<(Instant, u64), ScheduledTask>,
    /// Keeps tasks of the same moment apart, and in order.
    next_serial: u64,
    is_shut_down: bool,
    threads_max: usize,
    /// How many threads run, which is above `threads_max` until some have left.
    running: usize,
    /// All that run, and perhaps some that have left.
    threads: Vec<JoinHandle<()>>,
}

struct ScheduledTask {
    name: String,
    period: Option<Duration>,
    task: Task,
    /// The request that has left the task behind.
    on_behalf_of: Carried,
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

    /// Allows up to `threads` threads, at least 1. A surplus thread ends when it has run its task.
    pub fn resize_thread_pool(&self, threads: usize) {
        let mut state = locked(&self.shared.state);
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

    /// Returns whether the system has started one.
    fn start_thread(&self, state: &mut State) -> bool {
        state.threads.retain(|thread| !thread.is_finished());
        let name = format!("{}{}", self.thread_name_prefix, state.running);
        let shared = Arc::clone(&self.shared);
        match spawn_named(name, move || shared.run()) {
            Ok(handle) => {
                state.threads.push(handle);
                state.running += 1;
                true
            }
            Err(error) => {
                error!("{error}");
                false
            }
        }
    }
}

impl Scheduler for KafkaScheduler {
    fn schedule(&self, name: &str, delay_ms: i64, period_ms: Option<i64>, task: Task) {
        match period_ms {
            Some(period_ms) => {
                debug!("Scheduling task {name} in {delay_ms} ms, then every {period_ms} ms");
            }
            None => debug!("Scheduling task {name} in {delay_ms} ms, once"),
        }
        let mut state = locked(&self.shared.state);
        if state.is_shut_down {
            warn!("task {name} is not scheduled: the scheduler is shut down");
            return;
        }
        let period = period_ms.map(|ms| milliseconds(ms.max(1)));
        let due = Instant::now() + milliseconds(delay_ms);
        let (name, on_behalf_of) = (name.to_owned(), Carried::along());
        state.insert(due, ScheduledTask { name, period, task, on_behalf_of });
        if state.running < state.threads_max {
            self.start_thread(&mut state);
        }
        drop(state);
        self.shared.changed.notify_one();
    }

    fn shutdown(&self) {
        let (forgotten, threads) = {
            let mut state = locked(&self.shared.state);
            state.is_shut_down = true;
            (std::mem::take(&mut state.waiting), std::mem::take(&mut state.threads))
        };
        self.shared.changed.notify_all();
        drop(forgotten); // Outside the lock: tasks may own things that do anything when dropped.
        for handle in threads {
            // A task may shut its own scheduler down; it cannot wait for its own end.
            if handle.thread().id() != thread::current().id() && handle.join().is_err() {
                error!("a scheduler thread ended by a panic outside its tasks");
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
            let _request = scheduled.on_behalf_of.resume();
            let _step = step!("KafkaScheduler.run", "task {}", scheduled.name);
            if catch_unwind(AssertUnwindSafe(|| (scheduled.task)())).is_err() {
                error!("task {} panicked; its next run, if any, is not affected", scheduled.name);
            }
            let Some(period) = scheduled.period else { continue };
            let mut state = locked(&self.state);
            if state.is_shut_down {
                return;
            }
            // At a fixed rate; but runs missed while the task ran are skipped, not made up for in a
            // burst.
            state.insert((due + period).max(Instant::now()), scheduled);
        }
    }

    /// Waits for the next task to fall due and takes it. `None` when the scheduler is shut down, or
    /// has a surplus thread.
    fn next_due(&self) -> Option<(Instant, ScheduledTask)> {
        let mut state = locked(&self.state);
        loop {
            if state.is_shut_down {
                return None;
            }
            if state.running > state.threads_max {
                state.running -= 1;
                // Another must wait in this thread's place.
                self.changed.notify_one();
                return None;
            }
            let Some(first) = state.waiting.first_entry() else {
                state = locked_again(self.changed.wait(state));
                continue;
            };
            let due = first.key().0;
            let wait = due.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                let scheduled = first.remove();
                if !state.waiting.is_empty() {
                    // This thread will be busy, so another must wait for the next task.
                    self.changed.notify_one();
                }
                return Some((due, scheduled));
            }
            state = locked_again(self.changed.wait_timeout(state, wait)).0;
        }
    }
}

impl State {
    fn insert(&mut self, due: Instant, scheduled: ScheduledTask) {
        self.waiting.insert((due, self.next_serial), scheduled);
        self.next_serial += 1;
    }
}

fn milliseconds(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0).min(DELAY_MAX_MS))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::sync::mpsc::RecvTimeoutError;

    use super::*;

    /// Only a failing test waits this long.
    const PATIENCE: Duration = Duration::from_secs(30);

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
            assert_eq!(locked(&scheduler.shared.state).threads.len(), threads);
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
        while locked(&scheduler.shared.state).running > 1 {
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
