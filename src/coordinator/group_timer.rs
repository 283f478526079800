//! Port of `kafka.coordinator.DelayedJoin` and `DelayedHeartbeat`: the timeouts of groups.
//!
//! In Kafka these are operations in purgatories, watched under the group's and the member's name.
//! Here they are entries of a timer, and the caller that makes a wait moot cancels it: it already
//! holds the group's lock, so nothing has to be tried again under a key. A heartbeat does not touch
//! the timer at all: it moves the member's deadline, and the timer, when it fires, is set again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use crate::common::time::Time;
use crate::coordinator::group::Group;
use crate::coordinator::group_memory::Held;
use crate::coordinator::group_metadata::GroupMetadata;
use crate::coordinator::group_state::{Wait, WaitFor};
use crate::purgatory::timer::Timer;
use crate::purgatory::timing_wheel::TimerTaskId;

const TICK_MS: i64 = 1;
const WHEEL_SIZE: usize = 20;

/// How long a member may wait in its first join, when it cannot send heartbeats because it does not
/// know its id.
const NEW_MEMBER_JOIN_TIMEOUT_MS: i64 = 5 * 60 * 1000;

/// A timeout that was not cancelled in time.
pub struct Deadline {
    pub group: Weak<Group>,
    pub of: DeadlineOf,
}

pub enum DeadlineOf {
    /// The session of a member.
    Session { member_id: String },
    /// An id that was given away and not joined with.
    PendingMember { member_id: String },
    /// The wait of the whole group with this serial.
    Wait { serial: u64 },
    /// The next try to load a group that has failed.
    Reload,
}

/// The timeouts of all groups.
pub struct GroupTimers {
    time: Arc<dyn Time>,
    timer: Timer<Deadline>,
    next_serial: AtomicU64,
}

impl GroupTimers {
    pub fn new(time: Arc<dyn Time>) -> Self {
        let timer = Timer::new(Arc::clone(&time), TICK_MS, WHEEL_SIZE);
        Self { time, timer, next_serial: AtomicU64::new(0) }
    }

    pub fn time(&self) -> &dyn Time {
        &*self.time
    }

    /// The deadlines that have passed, or those that do so within `timeout_ms` of real time.
    pub fn advance_clock(&self, timeout_ms: i64) -> Vec<Deadline> {
        self.timer.advance_clock(timeout_ms)
    }

    /// Has the thread in [`advance_clock`](Self::advance_clock) come back at once.
    pub fn wake(&self) {
        self.timer.wake();
    }

    /// Ends a wait in [`advance_clock`](Self::advance_clock).
    pub fn shutdown(&self) {
        self.timer.shutdown();
    }

    /// Gives a member a whole session from now on, or a new one the time to join.
    pub fn schedule_session(
        &self,
        shared: &Arc<Group>,
        group: &mut GroupMetadata,
        member_id: &str,
    ) {
        let now_ms = self.time.hi_res_clock_ms();
        let Some(member) = group.get_mut(member_id) else { return };
        let delay_ms = match member.is_new {
            true => NEW_MEMBER_JOIN_TIMEOUT_MS,
            false => i64::from(member.session_timeout_ms),
        };
        member.session_deadline_ms = now_ms.saturating_add(delay_ms);
        self.cancel(member.session_timer.take());
        member.session_timer = Some(self.arm_session(shared, member_id, delay_ms));
    }

    /// Sets a timer for the session of a member, and returns it.
    pub fn arm_session(&self, shared: &Arc<Group>, member_id: &str, delay_ms: i64) -> TimerTaskId {
        self.arm(shared, delay_ms, DeadlineOf::Session { member_id: member_id.to_string() })
    }

    /// Gives an id away, to be joined with within a session.
    pub fn add_pending_member(
        &self,
        shared: &Arc<Group>,
        group: &mut GroupMetadata,
        member_id: &str,
        session_timeout_ms: i32,
        held: Held,
    ) {
        let of = DeadlineOf::PendingMember { member_id: member_id.to_string() };
        let timer = self.arm(shared, i64::from(session_timeout_ms), of);
        group.add_pending_member(member_id, timer, held);
    }

    /// Has a group that has failed loaded again after `delay_ms`.
    pub fn schedule_reload(&self, failed: &Arc<Group>, delay_ms: i64) {
        self.arm(failed, delay_ms, DeadlineOf::Reload);
    }

    /// Makes the group wait, and no longer for what it has waited for.
    pub fn begin_wait(
        &self,
        shared: &Arc<Group>,
        group: &mut GroupMetadata,
        wait_for: WaitFor,
        delay_ms: i64,
    ) {
        self.end_wait(group);
        let serial = self.next_serial.fetch_add(1, Ordering::Relaxed);
        let timer = self.arm(shared, delay_ms, DeadlineOf::Wait { serial });
        group.wait = Some(Wait { wait_for, serial, timer });
    }

    pub fn end_wait(&self, group: &mut GroupMetadata) {
        self.cancel(group.wait.take().map(|wait| wait.timer));
    }

    /// How many deadlines there are.
    pub fn size(&self) -> usize {
        self.timer.size()
    }

    pub fn cancel(&self, timer: Option<TimerTaskId>) {
        if let Some(timer) = timer {
            self.timer.cancel(timer);
        }
    }

    fn arm(&self, shared: &Arc<Group>, delay_ms: i64, of: DeadlineOf) -> TimerTaskId {
        let mut deadline = Deadline { group: Arc::downgrade(shared), of };
        // The clock may pass the moment before the timer has it; then it is a little later.
        loop {
            match self.timer.add(delay_ms.max(1), deadline) {
                Ok(timer) => return timer,
                Err(given_back) => deadline = given_back,
            }
        }
    }
}
