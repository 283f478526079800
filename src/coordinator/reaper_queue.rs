//! What is left to the reaper: the rest of the work that changes of groups owe.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::common::lock::locked;
use crate::coordinator::group::Group;
use crate::coordinator::group_outbox::Owed;
use crate::coordinator::group_timer::GroupTimers;

/// What a group's change owes, in the order in which the reaper does it.
pub type LeftToReaper = VecDeque<(Arc<Group>, Owed)>;

/// The queue, which is open as long as there is a reaper.
pub struct ReaperQueue {
    /// Where the reaper waits.
    timers: Arc<GroupTimers>,
    left: Mutex<Option<LeftToReaper>>,
}

impl ReaperQueue {
    /// Closed.
    pub fn new(timers: Arc<GroupTimers>) -> Self {
        Self { timers, left: Mutex::new(None) }
    }

    pub fn open(&self) {
        *locked(&self.left) = Some(VecDeque::new());
    }

    /// Returns what the reaper has not done.
    pub fn close(&self) -> LeftToReaper {
        locked(&self.left).take().unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        locked(&self.left).as_ref().is_none_or(VecDeque::is_empty)
    }

    /// Leaves `owed` to the reaper. Gives it back if there is none.
    pub fn push(&self, group: &Arc<Group>, owed: Owed) -> Option<Owed> {
        match &mut *locked(&self.left) {
            Some(left) => left.push_back((Arc::clone(group), owed)),
            None => return Some(owed),
        }
        self.timers.wake();
        None
    }

    pub fn pop(&self) -> Option<(Arc<Group>, Owed)> {
        locked(&self.left).as_mut().and_then(VecDeque::pop_front)
    }
}
