//! Port of the tests' `kafka.utils.MockScheduler`: a scheduler that a test turns by hand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::common::lock::locked;
use crate::common::mock_time::MockTime;
use crate::common::scheduler::{Scheduler, Task};
use crate::common::time::Time;

/// A [`Scheduler`] for tests: runs what is due on the thread that calls [`tick`](Self::tick), by a
/// [`MockTime`].
pub struct MockScheduler {
    time: Arc<MockTime>,
    state: Mutex<MockState>,
}

#[derive(Default)]
struct MockState {
    waiting: BTreeMap<(i64, u64), MockTask>,
    next_serial: u64,
    is_shut_down: bool,
}

struct MockTask {
    period_ms: Option<i64>,
    task: Task,
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
            let mut state = locked(&self.state);
            if let Some(period_ms) = scheduled.period_ms.filter(|_| !state.is_shut_down) {
                state.insert(due_ms.saturating_add(period_ms), scheduled);
            }
        }
    }

    fn next_due(&self) -> Option<(i64, MockTask)> {
        let now_ms = self.time.hi_res_clock_ms();
        let mut state = locked(&self.state);
        let first = state.waiting.first_entry().filter(|first| first.key().0 <= now_ms)?;
        Some((first.key().0, first.remove()))
    }
}

impl Scheduler for MockScheduler {
    fn schedule(&self, _name: &str, delay_ms: i64, period_ms: Option<i64>, task: Task) {
        let due_ms = self.time.hi_res_clock_ms().saturating_add(delay_ms.max(0));
        let period_ms = period_ms.map(|ms| ms.max(1));
        let mut state = locked(&self.state);
        if !state.is_shut_down {
            state.insert(due_ms, MockTask { period_ms, task });
        }
    }

    fn shutdown(&self) {
        let mut state = locked(&self.state);
        state.is_shut_down = true;
        let forgotten = std::mem::take(&mut state.waiting);
        drop(state);
        drop(forgotten); // Outside the lock, as in `KafkaScheduler`.
    }
}

impl MockState {
    fn insert(&mut self, due_ms: i64, scheduled: MockTask) {
        self.waiting.insert((due_ms, self.next_serial), scheduled);
        self.next_serial += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
