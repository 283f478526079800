//! Port of `kafka.coordinator.GroupCoordinator`: leads groups through their states. What members
//! ask stands in files of its own, one for each stage of a member's life; here is what they have in
//! common.
//!
//! A group is changed under its lock, and written to the log under it too, so that the log has the
//! changes in their order. An answer that has to wait is a callback in the member's record; whoever
//! takes the member out, or gives it another callback, answers the one that was there. No request
//! waits for ever: a wait has a timer, and the group goes on without those who have not come.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};

use log::{debug, error, info};

use crate::common::errors::{Errors, KafkaError};
use crate::common::time::Time;
use crate::coordinator::group_config::GroupConfig;
use crate::coordinator::group_metadata::{Group, GroupMetadata};
use crate::coordinator::group_metadata_manager::GroupMetadataManager;
use crate::coordinator::group_results::{JoinGroupResult, MemberIdentity, SyncGroupResult};
use crate::coordinator::group_state::{GroupState, Wait, WaitFor};
use crate::coordinator::group_timer::Deadline;
use crate::purgatory::timer::Timer;
use crate::purgatory::timing_wheel::TimerTaskId;

/// How long the reaper sleeps when nothing is due, in milliseconds of real time.
const REAPER_TIMEOUT_MS: i64 = 200;
const TICK_MS: i64 = 1;
const WHEEL_SIZE: usize = 20;

/// The longest id that the records of `__consumer_offsets` can hold, in bytes.
const ID_BYTES_MAX: usize = i16::MAX.unsigned_abs() as usize;

/// The coordinator of all groups.
pub struct GroupCoordinator {
    pub(super) config: GroupConfig,
    pub(super) manager: GroupMetadataManager,
    pub(super) time: Arc<dyn Time>,
    timer: Timer<Deadline>,
    next_serial: AtomicU64,
    /// Whether requests are answered: between start and stop.
    is_active: AtomicBool,
    reaper: Mutex<Option<JoinHandle<()>>>,
}

impl GroupCoordinator {
    /// A coordinator that does not answer yet.
    pub fn new(config: GroupConfig, manager: GroupMetadataManager, time: Arc<dyn Time>) -> Self {
        Self {
            config,
            manager,
            timer: Timer::new(Arc::clone(&time), TICK_MS, WHEEL_SIZE),
            time,
            next_serial: AtomicU64::new(0),
            is_active: AtomicBool::new(false),
            reaper: Mutex::new(None),
        }
    }

    /// Begins to answer and to look after deadlines. If `__consumer_offsets` exists already, with
    /// `partition_count` partitions, its groups are loaded before; their members have a whole
    /// session to be heard of.
    ///
    /// Kafka loads in the background and answers `COORDINATOR_LOAD_IN_PROGRESS` meanwhile, because
    /// partitions move between brokers that are running. Here they are loaded once, before the
    /// ports open.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn startup(self: &Arc<Self>, partition_count: Option<i32>) -> Result<(), KafkaError> {
        if let Some(partition_count) = partition_count {
            self.manager.set_partition_count(partition_count);
            self.manager.load_groups();
        }
        for group in self.manager.groups() {
            let mut group = group.lock();
            let members: Vec<_> = group.members().map(|it| it.member_id.clone()).collect();
            for member_id in members {
                self.schedule_session(&mut group, &member_id);
            }
        }
        self.is_active.store(true, Ordering::SeqCst);
        let coordinator = Arc::clone(self);
        let thread = Builder::new().name("group-coordinator-reaper".to_string());
        let reaper = thread.spawn(move || coordinator.reap())?;
        *self.reaper.lock().expect(REAPER_LOCK) = Some(reaper);
        info!("the group coordinator has started, with {} groups", self.manager.groups().len());
        Ok(())
    }

    /// Stops answering. Who still waits is told to look for the coordinator again; the groups stay
    /// as they are in the log, so that their members find them after a restart.
    pub fn shutdown(&self) {
        self.is_active.store(false, Ordering::SeqCst);
        self.timer.shutdown();
        let reaper = self.reaper.lock().expect(REAPER_LOCK).take();
        if reaper.is_some_and(|reaper| reaper.join().is_err()) {
            error!("the group coordinator's thread ended by a panic");
        }
        for group in self.manager.groups() {
            for member in group.lock().members_mut() {
                let error = Errors::CoordinatorNotAvailable;
                let gone = JoinGroupResult::error(error, &member.member_id);
                member.answer_join(gone);
                member.answer_sync(SyncGroupResult::error(error));
            }
        }
    }

    /// The groups and their offsets.
    pub fn manager(&self) -> &GroupMetadataManager {
        &self.manager
    }

    /// A member says that it is alive. Returns what it must know: `None`, or
    /// `REBALANCE_IN_PROGRESS`, upon which it joins again, or what is wrong with it.
    pub fn heartbeat(&self, group_id: &str, member: &MemberIdentity, generation: i32) -> Errors {
        let beat = || -> Result<(), Errors> {
            self.validate_named_group(group_id)?;
            let group = self.manager.get_group(group_id).ok_or(Errors::UnknownMemberId)?;
            let mut group = group.lock();
            if group.is(GroupState::Dead) {
                return Err(Errors::CoordinatorNotAvailable);
            }
            group.validate_member(member)?;
            if generation != group.generation_id {
                return Err(Errors::IllegalGeneration);
            }
            self.extend_session(&mut group, &member.member_id);
            match group.state() {
                GroupState::PreparingRebalance => Err(Errors::RebalanceInProgress),
                // A client may send heartbeats between join and sync; 0.9 answered 27 then, and
                // made it join again.
                _ => Ok(()),
            }
        };
        beat().err().unwrap_or(Errors::None)
    }

    /// Whether a request for this group can be answered at all.
    ///
    /// # Errors
    /// `COORDINATOR_NOT_AVAILABLE` outside of start and stop; `INVALID_GROUP_ID`; `NOT_COORDINATOR`
    /// as long as there is no `__consumer_offsets`, upon which the client looks for the
    /// coordinator, which creates it.
    pub(super) fn validate_group_status(&self, group_id: &str) -> Result<(), Errors> {
        if !self.is_active.load(Ordering::SeqCst) {
            Err(Errors::CoordinatorNotAvailable)
        } else if group_id.len() > ID_BYTES_MAX {
            Err(Errors::InvalidGroupId)
        } else if self.manager.partition_for(group_id).is_none() {
            Err(Errors::NotCoordinator)
        } else {
            Ok(())
        }
    }

    /// The same for all that have to do with members: those of a group without a name cannot be
    /// told apart from consumers without a group.
    pub(super) fn validate_named_group(&self, group_id: &str) -> Result<(), Errors> {
        if group_id.is_empty() {
            return Err(Errors::InvalidGroupId);
        }
        self.validate_group_status(group_id)
    }
}

/// What is due when.
impl GroupCoordinator {
    /// Gives a member a whole session from now on, or a new one the time to join.
    pub(super) fn schedule_session(&self, group: &mut GroupMetadata, member_id: &str) {
        let (now_ms, this) = (self.time.hi_res_clock_ms(), group.this.clone());
        let Some(member) = group.get_mut(member_id) else { return };
        let delay_ms = match member.is_new {
            true => NEW_MEMBER_JOIN_TIMEOUT_MS,
            false => i64::from(member.session_timeout_ms),
        };
        if let Some(timer) = member.session_timer.take() {
            self.timer.cancel(timer);
        }
        member.session_deadline_ms = now_ms.saturating_add(delay_ms);
        let deadline = Deadline::Session { group: this, member_id: member_id.to_string() };
        member.session_timer = Some(self.arm(delay_ms, deadline));
    }

    /// A member was heard of: its session goes on. Its timer will see that.
    pub(super) fn extend_session(&self, group: &mut GroupMetadata, member_id: &str) {
        let now_ms = self.time.hi_res_clock_ms();
        if let Some(member) = group.get_mut(member_id) {
            member.session_deadline_ms =
                now_ms.saturating_add(i64::from(member.session_timeout_ms));
        }
    }

    /// Takes a member out of its group, with its timer. What it waits for is answered with `error`.
    pub(super) fn remove_member(&self, group: &mut GroupMetadata, member_id: &str, error: Errors) {
        let removed = group.remove(member_id, error);
        if let Some(timer) = removed.and_then(|member| member.session_timer) {
            self.timer.cancel(timer);
        }
    }

    /// Gives an id away, to be joined with within a session.
    pub(super) fn add_pending_member(
        &self,
        group: &mut GroupMetadata,
        member_id: &str,
        session_timeout_ms: i32,
    ) {
        let deadline =
            Deadline::PendingMember { group: group.this.clone(), member_id: member_id.to_string() };
        let timer = self.arm(i64::from(session_timeout_ms), deadline);
        group.add_pending_member(member_id, timer);
    }

    /// Takes an id back that was given away. Says whether it was.
    pub(super) fn remove_pending_member(&self, group: &mut GroupMetadata, member_id: &str) -> bool {
        let timer = group.remove_pending_member(member_id);
        timer.inspect(|timer| drop(self.timer.cancel(*timer))).is_some()
    }

    /// Makes the group wait, and no longer for what it has waited for.
    pub(super) fn wait_for(&self, group: &mut GroupMetadata, wait_for: WaitFor, delay_ms: i64) {
        self.end_wait(group);
        let serial = self.next_serial.fetch_add(1, Ordering::Relaxed);
        let timer = self.arm(delay_ms, Deadline::Wait { group: group.this.clone(), serial });
        group.wait = Some(Wait { wait_for, serial, timer });
    }

    /// Makes the group wait no longer.
    pub(super) fn end_wait(&self, group: &mut GroupMetadata) {
        if let Some(wait) = group.wait.take() {
            self.timer.cancel(wait.timer);
        }
    }

    fn arm(&self, delay_ms: i64, mut deadline: Deadline) -> TimerTaskId {
        // The clock may pass the moment before the timer has it; then it is a little later.
        loop {
            match self.timer.add(delay_ms.max(1), deadline) {
                Ok(timer) => return timer,
                Err(given_back) => deadline = given_back,
            }
        }
    }

    /// The body of the reaper thread.
    fn reap(&self) {
        while self.is_active.load(Ordering::SeqCst) {
            for deadline in self.timer.advance_clock(REAPER_TIMEOUT_MS) {
                // A panic is a fault of ours in one group; the others are still looked after.
                if catch_unwind(AssertUnwindSafe(|| self.on_deadline(deadline))).is_err() {
                    error!("a deadline of a group panicked");
                }
            }
        }
    }

    fn on_deadline(&self, deadline: Deadline) {
        match deadline {
            Deadline::Session { group, member_id } => {
                if let Some(group) = group.upgrade() {
                    self.on_session_deadline(&mut group.lock(), &member_id);
                }
            }
            Deadline::PendingMember { group, member_id } => {
                if let Some(group) = group.upgrade() {
                    self.on_pending_member_deadline(&mut group.lock(), &member_id);
                }
            }
            Deadline::Wait { group, serial } => {
                if let Some(group) = group.upgrade() {
                    self.on_wait_deadline(&group, serial);
                }
            }
        }
    }

    /// Port of `GroupCoordinator.onExpireHeartbeat`.
    fn on_session_deadline(&self, group: &mut GroupMetadata, member_id: &str) {
        let (now_ms, this) = (self.time.hi_res_clock_ms(), group.this.clone());
        let is_dead = group.is(GroupState::Dead);
        let Some(member) = group.get_mut(member_id).filter(|_| !is_dead) else { return };
        if member.has_satisfied_heartbeat(now_ms) {
            let left_ms = member.session_deadline_ms - now_ms;
            let next_ms = if left_ms > 0 { left_ms } else { i64::from(member.session_timeout_ms) };
            let deadline = Deadline::Session { group: this, member_id: member_id.to_string() };
            member.session_timer = Some(self.arm(next_ms, deadline));
            return;
        }
        info!("member {member_id} of the group {} was not heard of in time", group.group_id);
        self.remove_member_and_update_group(group, member_id);
    }

    fn on_pending_member_deadline(&self, group: &mut GroupMetadata, member_id: &str) {
        if group.remove_pending_member(member_id).is_some() {
            debug!("nobody joined the group {} as {member_id}", group.group_id);
            self.try_complete_join(group);
        }
    }

    fn on_wait_deadline(&self, group: &Arc<Group>, serial: u64) {
        let group = &mut *group.lock();
        let Some(wait) = group.wait.filter(|wait| wait.serial == serial) else { return };
        group.wait = None;
        match wait.wait_for {
            WaitFor::FirstMembers { remaining_ms } if group.has_new_member && remaining_ms > 0 => {
                self.wait_for_more_first_members(group, remaining_ms);
            }
            WaitFor::FirstMembers { .. } | WaitFor::Joins => self.complete_join(group),
            WaitFor::Syncs => self.on_expire_pending_sync(group),
        }
    }
}

/// How long a member may wait in its first join, when it cannot send heartbeats because it does not
/// know its id.
const NEW_MEMBER_JOIN_TIMEOUT_MS: i64 = 5 * 60 * 1000;

const REAPER_LOCK: &str = "held for a look or a take only";
