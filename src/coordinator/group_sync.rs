//! Port of `GroupCoordinator.handleSyncGroup`: the leader says who gets what, and all get it.

use log::{info, warn};

use crate::common::errors::Errors;
use crate::coordinator::group_coordinator::GroupCoordinator;
use crate::coordinator::group_metadata::GroupMetadata;
use crate::coordinator::group_results::{SyncCallback, SyncGroup, SyncGroupResult};
use crate::coordinator::group_state::{GroupState, WaitFor};

impl GroupCoordinator {
    /// A member asks for its assignment; the leader brings all of them. Calls back when they are in
    /// the log, or at once with what is wrong or with what is known already.
    pub fn sync_group(&self, request: &SyncGroup, callback: SyncCallback) {
        let group = self.validate_named_group(&request.group_id).and_then(|()| {
            self.manager.get_group(&request.group_id).ok_or(Errors::UnknownMemberId)
        });
        let group = match group {
            Ok(group) => group,
            Err(error) => return callback(SyncGroupResult::error(error)),
        };
        let group = &mut *group.lock();
        if let Err(error) = validate_sync(group, request) {
            return callback(SyncGroupResult::error(error));
        }
        let member_id = &request.member.member_id;
        group.pending_sync_members.remove(member_id);
        match group.state() {
            GroupState::CompletingRebalance => {
                if let Some(member) = group.get_mut(member_id) {
                    member.await_sync(callback);
                }
                if group.is_leader(member_id) {
                    self.assign(group, request);
                }
            }
            _ => {
                self.extend_session(group, member_id);
                callback(assignment_of(group, member_id));
            }
        }
        self.maybe_end_wait_for_syncs(group);
    }

    /// The leader has spoken: what it says is written down, then told.
    fn assign(&self, group: &mut GroupMetadata, request: &SyncGroup) {
        for member in group.members_mut() {
            let given = request.assignments.iter().find(|(id, _)| *id == member.member_id);
            member.assignment = given.map(|(_, it)| it.clone()).unwrap_or_default();
        }
        if let Err(error) = self.manager.store_group(group) {
            warn!("cannot write the assignments of the group {}: {error}", group.group_id);
            self.reset_assignments(group, error);
            self.maybe_prepare_rebalance(group);
            return;
        }
        group.transition_to(GroupState::Stable, self.time.milliseconds());
        info!("the group {} is stable in generation {}", group.group_id, group.generation_id);
        let waiting: Vec<_> = group
            .members()
            .filter(|it| it.is_awaiting_sync())
            .map(|it| it.member_id.clone())
            .collect();
        for member_id in waiting {
            let result = assignment_of(group, &member_id);
            self.schedule_session(group, &member_id);
            if let Some(member) = group.get_mut(&member_id) {
                member.answer_sync(result);
            }
        }
    }

    fn maybe_end_wait_for_syncs(&self, group: &mut GroupMetadata) {
        let waits_for_syncs = group.wait.is_some_and(|wait| wait.wait_for == WaitFor::Syncs);
        if waits_for_syncs && group.pending_sync_members.is_empty() {
            self.end_wait(group);
        }
    }

    /// Port of `GroupCoordinator.onExpirePendingSync`: members that have joined and do not ask for
    /// their assignments, though they send heartbeats, would keep their partitions from being read
    /// (KAFKA-10134).
    pub(super) fn on_expire_pending_sync(&self, group: &mut GroupMetadata) {
        let late = std::mem::take(&mut group.pending_sync_members);
        if late.is_empty()
            || !matches!(group.state(), GroupState::CompletingRebalance | GroupState::Stable)
        {
            return;
        }
        for member_id in &late {
            info!("{member_id} of the group {} did not sync in time", group.group_id);
            self.remove_member(group, member_id, Errors::UnknownMemberId);
        }
        self.prepare_rebalance(group);
    }
}

fn validate_sync(group: &GroupMetadata, request: &SyncGroup) -> Result<(), Errors> {
    let differs = |asked: &Option<String>, ours: &Option<String>| asked.is_some() && asked != ours;
    if group.is(GroupState::Dead) {
        return Err(Errors::CoordinatorNotAvailable);
    }
    group.validate_member(&request.member)?;
    if request.generation_id != group.generation_id {
        return Err(Errors::IllegalGeneration);
    }
    if differs(&request.protocol_type, &group.protocol_type)
        || differs(&request.protocol_name, &group.protocol_name)
    {
        return Err(Errors::InconsistentGroupProtocol);
    }
    match group.state() {
        GroupState::Empty | GroupState::Dead => Err(Errors::UnknownMemberId),
        GroupState::PreparingRebalance => Err(Errors::RebalanceInProgress),
        GroupState::CompletingRebalance | GroupState::Stable => Ok(()),
    }
}

fn assignment_of(group: &GroupMetadata, member_id: &str) -> SyncGroupResult {
    SyncGroupResult {
        error: Errors::None,
        protocol_type: group.protocol_type.clone(),
        protocol_name: group.protocol_name.clone(),
        assignment: group.get(member_id).map(|it| it.assignment.clone()).unwrap_or_default(),
    }
}
