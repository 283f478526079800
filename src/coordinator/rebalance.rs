//! Port of `GroupCoordinator.prepareRebalance`, `onCompleteJoin` and the callbacks of `DelayedJoin`
//! and `DelayedHeartbeat`: how a group gets from one generation to the next.
//!
//! No request waits for ever: every wait has a timer, and the group goes on without the members
//! that have not come.

use std::sync::Arc;

use log::{Level, debug, log};

use crate::common::errors::Errors;
use crate::common::log_limit::{LogKind, limited};
use crate::common::text::for_log;
use crate::common::units::TimestampMs;
use crate::coordinator::group::Group;
use crate::coordinator::group_config::GroupConfig;
use crate::coordinator::group_memory::{GroupMemory, Held};
use crate::coordinator::group_metadata::GroupMetadata;
use crate::coordinator::group_state::{GroupState, WaitFor};
use crate::coordinator::group_store::Store;
use crate::coordinator::group_timer::{DeadlineOf, GroupTimers};

/// A group that is being changed, with the timers and settings that a rebalance needs.
pub struct Rebalance<'a> {
    pub shared: &'a Arc<Group>,
    /// What the lock guards.
    pub group: &'a mut GroupMetadata,
    pub timers: &'a GroupTimers,
    pub config: &'a GroupConfig,
    pub memory: &'a Arc<GroupMemory>,
}

impl Rebalance<'_> {
    /// Begins a rebalance if there is none.
    pub fn maybe_prepare(&mut self) {
        if self.group.state().may_become(GroupState::PreparingRebalance) {
            self.prepare();
        }
    }

    /// Begins a rebalance: all members must join again. An empty group waits a moment for more.
    pub fn prepare(&mut self) {
        if self.group.is(GroupState::CompletingRebalance) {
            self.group.reset_assignments(Errors::RebalanceInProgress);
        }
        let was_empty = self.group.is(GroupState::Empty);
        let initial_delay_ms = i64::from(self.config.group_initial_rebalance_delay_ms);
        self.group.transition_to(GroupState::PreparingRebalance, self.now_ms());
        let (group_id, generation) = (&self.group.group_id, self.group.generation_id);
        let level = limited(LogKind::Groups, Level::Info);
        log!(
            level,
            "preparing to rebalance group {} with old generation {generation}",
            for_log(group_id)
        );
        if was_empty && initial_delay_ms > 0 {
            let all_ms = self.group.rebalance_timeout_ms().max(initial_delay_ms);
            self.wait_for_more_first_members(all_ms);
        } else {
            self.begin_wait(WaitFor::Joins);
            self.try_complete_join();
        }
    }

    /// Waits for members once more, as long as they keep coming, for `remaining_ms` at most.
    fn wait_for_more_first_members(&mut self, remaining_ms: i64) {
        self.group.has_new_member = false;
        let initial_delay_ms = i64::from(self.config.group_initial_rebalance_delay_ms);
        let delay_ms = initial_delay_ms.min(remaining_ms);
        let wait_for = WaitFor::FirstMembers { remaining_ms: remaining_ms - delay_ms };
        self.timers.begin_wait(self.shared, self.group, wait_for, delay_ms);
    }

    /// Ends the wait for joins if all members are there.
    pub fn try_complete_join(&mut self) {
        let is_waiting = self.waits_for(WaitFor::Joins);
        let is_preparing = self.group.is(GroupState::PreparingRebalance);
        if is_preparing && is_waiting && self.group.has_all_members_joined() {
            self.complete_join();
        }
    }

    /// Port of `GroupCoordinator.onCompleteJoin`: the next generation begins, with the members that
    /// have joined.
    fn complete_join(&mut self) {
        self.timers.end_wait(self.group);
        if self.group.is(GroupState::Dead) {
            return;
        }
        for member_id in self.group.dynamic_members_not_rejoined() {
            let level = limited(LogKind::Groups, Level::Info);
            log!(
                level,
                "member {} of group {} did not rejoin in time",
                for_log(&member_id),
                for_log(&self.group.group_id)
            );
            self.remove_member(&member_id, Errors::UnknownMemberId);
        }
        if !self.group.maybe_elect_new_joined_leader() && self.group.size() > 0 {
            // All are static and none has come: the group waits until their sessions end.
            self.begin_wait(WaitFor::Joins);
            return;
        }
        self.group.init_next_generation(self.now_ms());
        let (group_id, size) = (&self.group.group_id, self.group.size());
        let generation = self.group.generation_id;
        let level = limited(LogKind::Groups, Level::Info);
        log!(
            level,
            "stabilized group {} generation {generation} with {size} members",
            for_log(group_id)
        );
        if self.group.is(GroupState::Empty) {
            let value = Box::new(self.group.value());
            self.group.outbox.store(Store::Empty { value });
            return;
        }
        self.begin_wait(WaitFor::Syncs);
        for member_id in self.group.ids(|_| true) {
            if let Some(member) = self.group.get_mut(&member_id) {
                member.is_new = false;
            }
            self.schedule_session(&member_id);
            let joined = self.group.current_generation(&member_id);
            self.group.answer_join(&member_id, |_| Ok(joined));
        }
    }

    /// Ends the wait for syncs if all members have asked for their assignments.
    pub fn maybe_end_wait_for_syncs(&mut self) {
        if self.waits_for(WaitFor::Syncs) && self.group.pending_sync_members.is_empty() {
            self.timers.end_wait(self.group);
        }
    }

    /// Removes a member, and lets the others share what it had.
    pub fn remove_member_and_update_group(&mut self, member_id: &str) {
        self.remove_member(member_id, Errors::UnknownMemberId);
        match self.group.state() {
            GroupState::Dead | GroupState::Empty => (),
            GroupState::CompletingRebalance | GroupState::Stable => self.prepare(),
            GroupState::PreparingRebalance => self.try_complete_join(),
        }
    }

    /// Removes a member with its timer. Its pending requests fail with `error`.
    pub fn remove_member(&mut self, member_id: &str, error: Errors) {
        let removed = self.group.remove(member_id, error);
        self.timers.cancel(removed.and_then(|member| member.session_timer));
    }

    /// Forgets an id that was given away. Returns its memory; nothing if it was not.
    pub fn remove_pending_member(&mut self, member_id: &str) -> Option<Held> {
        let (timer, held) = self.group.remove_pending_member(member_id)?;
        self.timers.cancel(Some(timer));
        Some(held)
    }

    pub fn schedule_session(&mut self, member_id: &str) {
        self.timers.schedule_session(self.shared, self.group, member_id);
    }

    /// A request of a member extends its session.
    pub fn extend_session(&mut self, member_id: &str) {
        if let Some(member) = self.group.get_mut(member_id) {
            member.extend_session(self.timers.time().hi_res_clock_ms());
        }
    }

    /// A deadline has passed. It may have been cancelled a moment ago.
    pub fn on_deadline(&mut self, of: &DeadlineOf) {
        match of {
            DeadlineOf::Session { member_id } => self.on_session_deadline(member_id),
            DeadlineOf::PendingMember { member_id } => self.on_pending_member_deadline(member_id),
            DeadlineOf::Wait { serial } => self.on_wait_deadline(*serial),
            DeadlineOf::Reload => (), // The group has been loaded since.
        }
    }

    /// Port of `GroupCoordinator.onExpireHeartbeat`.
    fn on_session_deadline(&mut self, member_id: &str) {
        let now_ms = self.timers.time().hi_res_clock_ms();
        let is_dead = self.group.is(GroupState::Dead);
        let Some(member) = self.group.get_mut(member_id).filter(|_| !is_dead) else { return };
        if member.has_satisfied_heartbeat(now_ms) {
            let left_ms = member.session_deadline_ms - now_ms;
            let next_ms = if left_ms > 0 { left_ms } else { i64::from(member.session_timeout_ms) };
            let timer = self.timers.arm_session(self.shared, member_id, next_ms);
            member.session_timer = Some(timer);
            return;
        }
        let level = limited(LogKind::Groups, Level::Info);
        log!(
            level,
            "member {} of group {} failed: session expired",
            for_log(member_id),
            for_log(&self.group.group_id)
        );
        self.remove_member_and_update_group(member_id);
    }

    fn on_pending_member_deadline(&mut self, member_id: &str) {
        if self.group.remove_pending_member(member_id).is_some() {
            debug!("no client joined group {} as {member_id}", self.group.group_id);
            self.try_complete_join();
        }
    }

    fn on_wait_deadline(&mut self, serial: u64) {
        let Some(wait) = self.group.wait.filter(|wait| wait.serial == serial) else { return };
        self.group.wait = None;
        match wait.wait_for {
            WaitFor::FirstMembers { remaining_ms }
                if self.group.has_new_member && remaining_ms > 0 =>
            {
                self.wait_for_more_first_members(remaining_ms);
            }
            WaitFor::FirstMembers { .. } | WaitFor::Joins => self.complete_join(),
            WaitFor::Syncs => self.on_expire_pending_sync(),
        }
    }

    /// Port of `GroupCoordinator.onExpirePendingSync`: members that have joined and do not ask for
    /// their assignments, though they send heartbeats, would keep their partitions from being read
    /// (KAFKA-10134).
    fn on_expire_pending_sync(&mut self) {
        let late = std::mem::take(&mut self.group.pending_sync_members);
        let state = self.group.state();
        if late.is_empty() || !matches!(state, GroupState::CompletingRebalance | GroupState::Stable)
        {
            return;
        }
        for member_id in &late {
            let level = limited(LogKind::Groups, Level::Info);
            log!(
                level,
                "member {} of group {} did not sync in time",
                for_log(member_id),
                for_log(&self.group.group_id)
            );
            self.remove_member(member_id, Errors::UnknownMemberId);
        }
        self.prepare();
    }

    fn begin_wait(&mut self, wait_for: WaitFor) {
        let delay_ms = self.group.rebalance_timeout_ms();
        self.timers.begin_wait(self.shared, self.group, wait_for, delay_ms);
    }

    fn waits_for(&self, wait_for: WaitFor) -> bool {
        self.group.wait.is_some_and(|wait| wait.wait_for == wait_for)
    }

    /// The time that states are dated with.
    pub fn now_ms(&self) -> TimestampMs {
        self.timers.time().milliseconds()
    }
}
