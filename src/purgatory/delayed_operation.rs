//! Port of `kafka.server.DelayedOperation` and `DelayedOperationPurgatory`: operations
//! wait here until an event makes them possible or their time runs out.
//!
//! An operation is watched under keys. The thread that causes an event calls
//! [`check_and_complete`](DelayedOperationPurgatory::check_and_complete) with the key that the
//! event concerns, and so completes the operations that can be completed now. The reaper thread
//! completes those that have waited too long. An operation of a client that hangs up is completed
//! then, or dropped if the client is gone.
//!
//! Invariants, however many threads take part:
//! - **Once.** One atomic swap decides who completes an operation, and only the winner runs
//!   `on_complete`.
//! - **No lock.** No method of an operation is called under a lock of the purgatory or of the
//!   timer, so an operation may take any lock and use the purgatory (KAFKA-3994).
//! - **No wait, nothing lost.** Only one thread at a time tries to complete a given operation.
//!   Another that comes meanwhile does not wait for it, which could deadlock (KAFKA-5970, 6042),
//!   but leaves a note, and the first tries again before it leaves (KAFKA-6653).
//! - **Panics stay inside.** A panic in an operation is caught and logged. It reaches neither the
//!   thread that caused the event nor any other operation.
//!
//! Kafka hands timeouts to a second thread, `executor-<name>`, so that its timing wheel turns on
//! while they run. Here the reaper runs them itself: adding to our wheel does not need it to turn,
//! and a single executor would make the next timeout wait for a slow one just the same.

use std::collections::HashMap;
use std::hash::Hash;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::thread::JoinHandle;

use log::{Level, debug, error, log};

use crate::common::hang_up::{Ending, HangUp};
use crate::common::lock::locked;
use crate::common::log_limit::{LogKind, limited};
use crate::common::named_thread::spawn_named;
use crate::common::subject::Carried;
use crate::common::time::Time;
use crate::purgatory::purgatory_snapshot::PurgatorySnapshot;
use crate::purgatory::timer::Timer;
use crate::purgatory::timing_wheel::TimerTaskId;

/// As precise as `max_wait_ms` is.
const TICK_MS: i64 = 1;
/// Spans of 20 ms, 400 ms, 8 s, 160 s: two or three levels for the waits of clients.
const WHEEL_SIZE: usize = 20;
/// How long the reaper sleeps at most, and so how late a purge may be.
const REAPER_TIMEOUT_MS: i64 = 200;

/// Something that waits for an event, up to [`delay_ms`](Self::delay_ms).
///
/// A method that panics is logged and counts as done; a `try_complete` that panics as "not yet". A
/// client that must be answered even so gets its answer from a guard: something that the operation
/// owns, and that answers when it is dropped unused.
pub trait DelayedOperation: Send + Sync + 'static {
    /// Whether the operation can be completed now. If so, the purgatory calls
    /// [`on_complete`](Self::on_complete) unless it was completed meanwhile.
    ///
    /// Never called by two threads at once, but it may overlap with `on_complete`, when the time
    /// runs out during a try. Must not itself check the keys that it is watched under.
    fn try_complete(&self) -> bool;

    /// Does what was waited for, or as much of it as is possible if the time ran out. Called
    /// exactly once, by the thread that caused the event or by the reaper.
    fn on_complete(&self);

    /// Called after `on_complete` if the time ran out.
    fn on_expiration(&self);

    /// Called in place of `on_complete` if the client is gone: lets go of what an answer needs.
    fn on_abandoned(&self) {}

    /// The longest wait in milliseconds; read once. If it is not positive, the operation is
    /// completed at once, as expired if need be.
    fn delay_ms(&self) -> i64;
}

/// The operations that wait, by key and by time.
pub struct DelayedOperationPurgatory<K, O> {
    name: String,
    timer: Timer<Arc<WatchedOperation<O>>>,
    /// Which operations an event under a key may complete, the oldest first. No list is empty. A
    /// completed operation is dropped from a list when its key is checked or by a purge.
    watchers: Mutex<HashMap<K, Vec<Arc<WatchedOperation<O>>>>>,
    /// Operations watched since the last purge, and those that were waiting then. As many as exceed
    /// [`delayed`](Self::delayed) are completed, and may still be in lists whose keys nobody
    /// checks.
    estimated_total: AtomicUsize,
    purge_interval: usize,
    is_shut_down: AtomicBool,
    reaper: Mutex<Option<JoinHandle<()>>>,
}

impl<K, O> DelayedOperationPurgatory<K, O>
where
    K: Eq + Hash + Clone + Send + 'static,
    O: DelayedOperation,
{
    /// An empty purgatory, by the monotonic clock of `time`.
    ///
    /// The lists are purged when about `purge_interval` completed operations are in them. With
    /// `start_reaper` a thread `ExpirationReaper-<name>` completes what has waited too long, until
    /// [`shutdown`](Self::shutdown); without it, that is for the caller of
    /// [`advance_clock`](Self::advance_clock).
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn new(
        name: &str,
        time: Arc<dyn Time>,
        purge_interval: usize,
        start_reaper: bool,
    ) -> io::Result<Arc<Self>> {
        let purgatory = Arc::new(Self {
            name: name.to_owned(),
            timer: Timer::new(time, TICK_MS, WHEEL_SIZE),
            watchers: Mutex::default(),
            estimated_total: AtomicUsize::new(0),
            purge_interval,
            is_shut_down: AtomicBool::new(false),
            reaper: Mutex::new(None),
        });
        if start_reaper {
            let reaped = Arc::clone(&purgatory);
            let reaper = spawn_named(format!("ExpirationReaper-{name}"), move || reaped.reap())?;
            *locked(&purgatory.reaper) = Some(reaper);
        }
        Ok(purgatory)
    }

    /// Completes `operation` if that is possible now; else watches it under `keys` until it is, or
    /// until its time runs out. Returns whether this call has completed it.
    ///
    /// An event is not missed if its effect is there before its key is checked: either the check
    /// finds the operation in the list, or the second try, after it was put there, sees the effect.
    ///
    /// # Panics
    /// If there is no key: nothing could complete the operation but its timeout.
    pub fn try_complete_else_watch(&self, operation: O, keys: &[K]) -> bool {
        self.try_else_watch(Arc::new(WatchedOperation::new(operation)), keys)
    }

    /// The same for an operation of a client that may hang up: then it is completed at once with
    /// what there is, or dropped if the client is gone.
    pub fn try_complete_else_watch_client(
        self: &Arc<Self>,
        operation: O,
        keys: &[K],
        hang_up: &HangUp,
    ) -> bool {
        let watched = Arc::new(WatchedOperation::new(operation));
        let (purgatory, waiting) = (Arc::downgrade(self), Arc::downgrade(&watched));
        hang_up.watch(move |ending| {
            if let (Some(purgatory), Some(waiting)) = (purgatory.upgrade(), waiting.upgrade()) {
                purgatory.end_wait(&waiting, ending);
            }
        });
        let is_completed = self.try_else_watch(watched, keys);
        if !is_completed {
            hang_up.look_again();
        }
        is_completed
    }

    fn try_else_watch(&self, watched: Arc<WatchedOperation<O>>, keys: &[K]) -> bool {
        assert!(!keys.is_empty(), "an operation is watched under at least one key");
        let delay_ms = watched.operation.delay_ms();
        // ANCHOR: try_watch_try
        if self.maybe_try_complete(&watched) {
            return true;
        }
        self.estimated_total.fetch_add(1, Ordering::Relaxed);
        for key in keys {
            if watched.is_completed() {
                return false; // An event under an earlier key was quicker.
            }
            self.watch(key, &watched);
        }
        if self.maybe_try_complete(&watched) {
            return true;
        }
        !watched.is_completed() && self.start_timer(watched, delay_ms)
        // ANCHOR_END: try_watch_try
    }

    /// Completes the operations that are watched under `key` and can be completed now, the oldest
    /// first. Returns how many this call has completed. Cheap when nothing is watched there.
    pub fn check_and_complete(&self, key: &K) -> usize {
        let snapshot = locked(&self.watchers).get(key).cloned();
        let Some(watchers) = snapshot else { return 0 };
        let completed = watchers.iter().filter(|watched| self.maybe_try_complete(watched)).count();
        if watchers.iter().any(|watched| watched.is_completed()) {
            self.drop_completed(key);
        }
        completed
    }

    /// How many entries all lists have: an operation counts once for each of its keys, and also
    /// when it is completed but not yet dropped from a list.
    pub fn watched(&self) -> usize {
        locked(&self.watchers).values().map(Vec::len).sum()
    }

    /// How many operations wait for their time to run out: those watched and not yet completed.
    pub fn delayed(&self) -> usize {
        self.timer.size()
    }

    /// What waits now, with `keys_max` of the keys at most.
    pub fn snapshot(&self, keys_max: usize) -> PurgatorySnapshot<K> {
        let (delayed, wheel) = (self.delayed(), self.timer.snapshot());
        let watchers = locked(&self.watchers);
        let waiting = |list: &Vec<Arc<WatchedOperation<O>>>| {
            list.iter().filter(|watched| !watched.is_completed()).count()
        };
        let keys = watchers.iter().take(keys_max);
        PurgatorySnapshot {
            delayed,
            watched: watchers.values().map(Vec::len).sum(),
            key_count: watchers.len(),
            keys: keys.map(|(key, list)| (key.clone(), waiting(list))).collect(),
            wheel,
        }
    }

    /// Completes the operations that have waited too long, and purges the lists if it is time to.
    /// If nothing is due, waits once, up to `timeout_ms` of real time, until something may be. The
    /// reaper does only this; a test that owns the clock calls it with 0.
    pub fn advance_clock(&self, timeout_ms: i64) {
        for watched in self.timer.advance_clock(timeout_ms) {
            self.expire(&watched);
        }
        let delayed = self.delayed();
        let estimated_total = self.estimated_total.load(Ordering::Relaxed);
        if estimated_total.saturating_sub(delayed) > self.purge_interval {
            // Operations added at this very moment may go uncounted, which only delays the next
            // purge.
            self.estimated_total.store(delayed, Ordering::Relaxed);
            let purged = self.purge_completed();
            debug!("Purged {purged} completed operations from the lists of {}", self.name);
        }
    }

    /// Stops the reaper and waits for it. Operations that still wait are neither completed nor
    /// dropped, and events may complete them even now.
    pub fn shutdown(&self) {
        self.is_shut_down.store(true, Ordering::SeqCst);
        self.timer.shutdown();
        let reaper = locked(&self.reaper).take();
        let Some(reaper) = reaper else { return };
        // An operation may shut the purgatory down on the reaper, which cannot wait for itself.
        if reaper.thread().id() != thread::current().id() && reaper.join().is_err() {
            error!("ExpirationReaper-{} ended by a panic", self.name);
        }
    }

    fn reap(&self) {
        while !self.is_shut_down.load(Ordering::SeqCst) {
            self.advance_clock(REAPER_TIMEOUT_MS);
        }
    }

    /// Tries to complete an operation, again for as long as others ask for it meanwhile. Returns
    /// whether this call has completed it.
    fn maybe_try_complete(&self, watched: &WatchedOperation<O>) -> bool {
        if watched.is_completed() {
            return false;
        }
        let _request = watched.on_behalf_of.resume();
        if watched.tries_wanted.fetch_add(1, Ordering::SeqCst) > 0 {
            return false; // Another thread is trying and will see the note, or it is completed.
        }
        loop {
            let wanted = watched.tries_wanted.load(Ordering::SeqCst);
            if self.catch("try_complete", || watched.operation.try_complete()) == Some(true) {
                return self.force_complete(watched);
            }
            let left = watched.tries_wanted.compare_exchange(
                wanted,
                0,
                Ordering::SeqCst,
                Ordering::SeqCst,
            );
            if left.is_ok() {
                return false;
            }
        }
    }

    /// Completes an operation unless it is completed already: of all callers, one wins.
    fn force_complete(&self, watched: &WatchedOperation<O>) -> bool {
        if watched.is_completed.swap(true, Ordering::SeqCst) {
            return false;
        }
        self.cancel_timer(watched);
        let _request = watched.on_behalf_of.resume();
        self.catch("on_complete", || watched.operation.on_complete());
        true
    }

    fn end_wait(&self, watched: &WatchedOperation<O>, ending: Ending) {
        match ending {
            Ending::HalfClosed => {
                self.force_complete(watched);
            }
            Ending::Gone => self.abandon(watched),
        }
    }

    /// Ends an operation that nobody waits for any more, unless it is completed already.
    fn abandon(&self, watched: &WatchedOperation<O>) {
        if !watched.is_completed.swap(true, Ordering::SeqCst) {
            self.cancel_timer(watched);
            let _request = watched.on_behalf_of.resume();
            self.catch("on_abandoned", || watched.operation.on_abandoned());
        }
    }

    fn expire(&self, watched: &WatchedOperation<O>) -> bool {
        let has_won = self.force_complete(watched);
        if has_won {
            let _request = watched.on_behalf_of.resume();
            self.catch("on_expiration", || watched.operation.on_expiration());
        }
        has_won
    }

    /// Returns whether the operation was due, and so completed, at once.
    fn start_timer(&self, watched: Arc<WatchedOperation<O>>, delay_ms: i64) -> bool {
        match self.timer.add(delay_ms, Arc::clone(&watched)) {
            Ok(id) => {
                *locked(&watched.timer_task) = Some(id);
                if watched.is_completed() {
                    // Completed since the last look, perhaps before there was an id to cancel.
                    self.cancel_timer(&watched);
                }
                false
            }
            Err(due) => self.expire(&due),
        }
    }

    fn cancel_timer(&self, watched: &WatchedOperation<O>) {
        let id = locked(&watched.timer_task).take();
        if let Some(id) = id {
            self.timer.cancel(id);
        }
    }

    fn watch(&self, key: &K, watched: &Arc<WatchedOperation<O>>) {
        locked(&self.watchers).entry(key.clone()).or_default().push(Arc::clone(watched));
    }

    /// Drops the completed operations from the list of one key.
    fn drop_completed(&self, key: &K) {
        let mut watchers = locked(&self.watchers);
        let Some(list) = watchers.get_mut(key) else { return };
        let completed = take_completed(list);
        if list.is_empty() {
            watchers.remove(key);
        }
        drop(watchers);
        drop(completed); // Outside the lock: an operation may own things that do anything when dropped.
    }

    /// Drops the completed operations from all lists. Returns how many entries that were.
    fn purge_completed(&self) -> usize {
        let mut watchers = locked(&self.watchers);
        let completed: Vec<_> = watchers.values_mut().flat_map(take_completed).collect();
        watchers.retain(|_, list| !list.is_empty());
        drop(watchers);
        completed.len()
    }

    /// Runs a method of an operation. A panic in it is logged, and gives `None`.
    fn catch<R>(&self, method: &str, call: impl FnOnce() -> R) -> Option<R> {
        // What an operation shares with others is behind locks and atomics, which it has to keep
        // sound itself; the purgatory looks at nothing that the call has touched.
        catch_unwind(AssertUnwindSafe(call))
            .inspect_err(|panic| {
                let text = panic_text(panic.as_ref());
                let level = limited(LogKind::Failures, Level::Error);
                log!(level, "an operation in purgatory {} panicked in {method}: {text}", self.name);
            })
            .ok()
    }
}

/// An operation and what the purgatory knows of it.
struct WatchedOperation<O> {
    operation: O,
    /// The request that it belongs to, whichever thread completes it.
    on_behalf_of: Carried,
    /// Set once, by the thread that completes the operation.
    is_completed: AtomicBool,
    /// 0: no thread tries to complete it. Else one does, and if the number has grown when its
    /// try has failed, it tries again. Never 0 again once a try has succeeded.
    tries_wanted: AtomicUsize,
    /// The timer's entry, from when the operation is added to the timer until it is completed.
    timer_task: Mutex<Option<TimerTaskId>>,
}

impl<O> WatchedOperation<O> {
    fn new(operation: O) -> Self {
        Self {
            operation,
            on_behalf_of: Carried::along(),
            is_completed: AtomicBool::new(false),
            tries_wanted: AtomicUsize::new(0),
            timer_task: Mutex::new(None),
        }
    }

    fn is_completed(&self) -> bool {
        self.is_completed.load(Ordering::SeqCst)
    }
}

fn take_completed<O>(list: &mut Vec<Arc<WatchedOperation<O>>>) -> Vec<Arc<WatchedOperation<O>>> {
    list.extract_if(.., |watched| watched.is_completed()).collect()
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)")
}
