//! Not in Kafka: what a thread owns alone, shown to another thread when that asks.
//!
//! The owner looks at one flag as often as it can show something; it takes a lock only when somebody
//! has asked.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use crate::common::lock::{locked, locked_again};

/// A place for the last `T` that was shown.
#[derive(Debug)]
pub struct OnDemand<T> {
    is_wanted: AtomicBool,
    shown: Mutex<Shown<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Shown<T> {
    times: u64,
    last: Option<Arc<T>>,
}

impl<T> Default for OnDemand<T> {
    fn default() -> Self {
        Self {
            is_wanted: AtomicBool::new(false),
            shown: Mutex::new(Shown { times: 0, last: None }),
            changed: Condvar::new(),
        }
    }
}

impl<T> OnDemand<T> {
    /// Asks the owner, which is to be woken afterwards. Returns what [`wait`](Self::wait) is called
    /// with.
    pub fn ask(&self) -> u64 {
        let times = locked(&self.shown).times;
        self.is_wanted.store(true, Ordering::Release);
        times
    }

    /// Shows what `look` returns, if somebody has asked since the last time: the owner's part.
    #[inline]
    pub fn show_if_wanted(&self, look: impl FnOnce() -> T) {
        if self.is_wanted.load(Ordering::Acquire) {
            self.show(look);
        }
    }

    #[cold]
    fn show(&self, look: impl FnOnce() -> T) {
        self.is_wanted.store(false, Ordering::Release);
        let last = Arc::new(look());
        let mut shown = locked(&self.shown);
        shown.times += 1;
        shown.last = Some(last);
        drop(shown);
        self.changed.notify_all();
    }

    /// Waits until the owner has shown something since it was [asked](Self::ask), but not beyond
    /// `deadline`. Returns the last that it has shown, and whether that is what was asked for.
    pub fn wait(&self, asked: u64, deadline: Instant) -> (Option<Arc<T>>, bool) {
        let timeout = deadline.saturating_duration_since(Instant::now());
        let is_old = |shown: &mut Shown<T>| shown.times == asked;
        let waited = self.changed.wait_timeout_while(locked(&self.shown), timeout, is_old);
        let shown = locked_again(waited).0;
        (shown.last.clone(), shown.times != asked)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_owner_looks_when_somebody_has_asked_and_not_before() {
        let on_demand = OnDemand::default();
        on_demand.show_if_wanted(|| panic!("nobody has asked"));
        let asked = on_demand.ask();
        assert_eq!(on_demand.wait(asked, Instant::now()), (None, false));
        thread::scope(|scope| {
            scope.spawn(|| on_demand.show_if_wanted(|| 5));
            let deadline = Instant::now() + Duration::from_secs(60);
            assert_eq!(on_demand.wait(asked, deadline), (Some(Arc::new(5)), true));
        });
        on_demand.show_if_wanted(|| panic!("that was shown already"));
        let asked = on_demand.ask();
        assert_eq!(on_demand.wait(asked, Instant::now()), (Some(Arc::new(5)), false));
    }
}
