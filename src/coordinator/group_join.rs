//! Port of `GroupCoordinator.handleJoinGroup` and `prepareRebalance`: clients become members, and
//! members become a generation.

use std::sync::Arc;

use log::{info, warn};

use crate::common::errors::Errors;
use crate::coordinator::group_coordinator::GroupCoordinator;
use crate::coordinator::group_metadata::{Group, GroupMetadata};
use crate::coordinator::group_results::{
    JoinCallback, JoinGroup, JoinGroupResult, SyncGroupResult,
};
use crate::coordinator::group_state::{GroupState, WaitFor};
use crate::coordinator::member_metadata::{MemberMetadata, generate_member_id};

/// What becomes of a join.
enum Join {
    /// It is answered now.
    Answer(Box<JoinGroupResult>),
    /// The member with this id waits until the group is complete.
    Await(String),
}

impl GroupCoordinator {
    /// A client wants to be a member, or to remain one. Calls back when the group is complete, or
    /// at once with what is wrong or with what is known already.
    pub fn join_group(&self, request: &JoinGroup, callback: JoinCallback) {
        let asked_id = &request.member.member_id;
        let group = match self.group_to_join(request) {
            Ok(group) => group,
            Err(error) => return callback(JoinGroupResult::error(error, asked_id)),
        };
        let group = &mut *group.lock();
        match self.do_join(group, request) {
            Err(error) => {
                callback(JoinGroupResult::error(error, asked_id));
                // The others may have waited for one that has no room among them.
                self.try_complete_join(group);
            }
            Ok(Join::Answer(result)) => callback(*result),
            Ok(Join::Await(member_id)) => {
                let member = group.get_mut(&member_id).expect("do_join has added or found it");
                member.await_join(callback);
                self.maybe_prepare_rebalance(group);
                self.try_complete_join(group);
            }
        }
    }

    fn group_to_join(&self, request: &JoinGroup) -> Result<Arc<Group>, Errors> {
        self.validate_named_group(&request.group_id)?;
        let (least, most) =
            (self.config.group_min_session_timeout_ms, self.config.group_max_session_timeout_ms);
        if !(least..=most).contains(&request.session_timeout_ms) {
            return Err(Errors::InvalidSessionTimeout);
        }
        let instance_id = request.member.group_instance_id.as_deref();
        if instance_id.is_some_and(|it| it.is_empty() || it.len() > INSTANCE_ID_BYTES_MAX) {
            return Err(Errors::InvalidRequest);
        }
        match self.manager.get_group(&request.group_id) {
            Some(group) => Ok(group),
            None if request.member.member_id.is_empty() => {
                Ok(self.manager.get_or_create_group(&request.group_id))
            }
            None => Err(Errors::UnknownMemberId),
        }
    }

    /// Makes or finds the member, or says why there is none.
    fn do_join(&self, group: &mut GroupMetadata, request: &JoinGroup) -> Result<Join, Errors> {
        let member_id = request.member.member_id.as_str();
        if group.is(GroupState::Dead) {
            return Err(Errors::CoordinatorNotAvailable);
        }
        if !self.has_room_for(group, member_id) {
            self.remove_member(group, member_id, Errors::GroupMaxSizeReached);
            return Err(Errors::GroupMaxSizeReached);
        }
        if !group.supports_protocols(&request.protocol_type, &request.protocols) {
            return Err(Errors::InconsistentGroupProtocol);
        }
        if member_id.is_empty() {
            return Ok(self.join_new_member(group, request));
        }
        let is_dynamic = request.member.group_instance_id.is_none();
        if is_dynamic && group.is_pending_member(member_id) {
            self.remove_pending_member(group, member_id);
            return Ok(self.add_member(group, member_id, request));
        }
        group.validate_member(&request.member)?;
        self.join_current_member(group, request)
    }

    /// Port of `GroupCoordinator.acceptJoiningMember`: a rebalance may find the group too large,
    /// and then takes those who come first.
    fn has_room_for(&self, group: &GroupMetadata, member_id: &str) -> bool {
        let size_max = self.config.group_max_size;
        match group.state() {
            GroupState::Empty | GroupState::Dead => true,
            GroupState::PreparingRebalance => {
                group.get(member_id).is_some_and(MemberMetadata::is_awaiting_join)
                    || group.num_awaiting() < size_max
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                group.get(member_id).is_some() || group.size() < size_max
            }
        }
    }

    /// Port of `GroupCoordinator.doNewMemberJoinGroup`.
    fn join_new_member(&self, group: &mut GroupMetadata, request: &JoinGroup) -> Join {
        let instance_id = request.member.group_instance_id.as_deref();
        let new_id = generate_member_id(instance_id.unwrap_or(&request.client_id));
        match instance_id {
            Some(instance_id) if group.current_static_member_id(instance_id).is_some() => {
                self.rejoin_static_member(group, instance_id, &new_id, request)
            }
            None if request.is_known_member_id_required => {
                self.add_pending_member(group, &new_id, request.session_timeout_ms);
                answer(JoinGroupResult::error(Errors::MemberIdRequired, &new_id))
            }
            _ => self.add_member(group, &new_id, request),
        }
    }

    /// Port of `GroupCoordinator.doCurrentMemberJoinGroup`: an answer may have been lost, and then
    /// it is given again.
    fn join_current_member(
        &self,
        group: &mut GroupMetadata,
        request: &JoinGroup,
    ) -> Result<Join, Errors> {
        let member_id = request.member.member_id.as_str();
        let is_leader = group.is_leader(member_id);
        let matches = group.get(member_id).is_some_and(|it| it.matches(&request.protocols));
        let knows_the_answer = match group.state() {
            GroupState::Empty | GroupState::Dead => return Err(Errors::UnknownMemberId),
            GroupState::PreparingRebalance => false,
            GroupState::CompletingRebalance => matches,
            // The leader rejoins when it wants to assign anew.
            GroupState::Stable => matches && !is_leader,
        };
        if knows_the_answer {
            self.extend_session(group, member_id);
            return Ok(answer(current_generation(group, member_id)));
        }
        update_member(group, member_id, request);
        Ok(Join::Await(member_id.to_string()))
    }

    /// Port of `GroupCoordinator.addMemberAndRebalance`.
    fn add_member(&self, group: &mut GroupMetadata, member_id: &str, request: &JoinGroup) -> Join {
        let instance_id = request.member.group_instance_id.clone();
        let mut member = MemberMetadata::new(member_id.to_string(), instance_id);
        member.client_id = request.client_id.clone();
        member.client_host = request.client_host.clone();
        member.is_new = true;
        group.add(member, &request.protocol_type);
        update_member(group, member_id, request);
        group.has_new_member = true;
        self.schedule_session(group, member_id);
        info!("{member_id} joins the group {} in state {:?}", group.group_id, group.state());
        Join::Await(member_id.to_string())
    }

    /// Port of `GroupCoordinator.updateStaticMemberAndRebalance`: a static member is back before
    /// its session was over, with a new id. If it wants what it had, the others are not disturbed.
    fn rejoin_static_member(
        &self,
        group: &mut GroupMetadata,
        instance_id: &str,
        new_id: &str,
        request: &JoinGroup,
    ) -> Join {
        let old_leader_id = group.leader_id.clone().unwrap_or_default();
        group.replace_static_member(instance_id, new_id);
        update_member(group, new_id, request);
        self.schedule_session(group, new_id);
        info!("the static member {instance_id} of the group {} is {new_id} now", group.group_id);
        // Between join and sync the leader may have assigned to the old id already: all must join
        // again.
        if !group.is(GroupState::Stable) || group.select_protocol() != group.protocol_name {
            return Join::Await(new_id.to_string());
        }
        if let Err(error) = self.manager.store_group(group) {
            warn!("the group {} keeps an old id in the log: {error}", group.group_id);
        }
        let mut result = current_generation(group, new_id);
        if request.is_skipping_assignment_supported && group.is_leader(new_id) {
            result.members = group.current_member_metadata();
            result.skip_assignment = true;
        } else {
            // A leader that is told of its old id takes itself for a follower, and does not assign.
            result.members = Vec::new();
            result.leader_id = old_leader_id;
        }
        answer(result)
    }

    /// Begins a rebalance if there is none.
    pub(super) fn maybe_prepare_rebalance(&self, group: &mut GroupMetadata) {
        let can_rebalance = GroupState::may_become(group.state(), GroupState::PreparingRebalance);
        if can_rebalance {
            self.prepare_rebalance(group);
        }
    }

    /// Begins a rebalance: all members must join again. An empty group waits a moment for more.
    pub(super) fn prepare_rebalance(&self, group: &mut GroupMetadata) {
        if group.is(GroupState::CompletingRebalance) {
            self.reset_assignments(group, Errors::RebalanceInProgress);
        }
        let was_empty = group.is(GroupState::Empty);
        let initial_delay_ms = i64::from(self.config.group_initial_rebalance_delay_ms);
        group.transition_to(GroupState::PreparingRebalance, self.time.milliseconds());
        info!("the group {} of generation {} rebalances", group.group_id, group.generation_id);
        if was_empty && initial_delay_ms > 0 {
            let all_ms = group.rebalance_timeout_ms().max(initial_delay_ms);
            self.wait_for_more_first_members(group, all_ms);
        } else {
            self.wait_for(group, WaitFor::Joins, group.rebalance_timeout_ms());
            self.try_complete_join(group);
        }
    }

    /// Waits for members once more, as long as they keep coming, for `remaining_ms` at most.
    pub(super) fn wait_for_more_first_members(&self, group: &mut GroupMetadata, remaining_ms: i64) {
        group.has_new_member = false;
        let initial_delay_ms = i64::from(self.config.group_initial_rebalance_delay_ms);
        let delay_ms = initial_delay_ms.min(remaining_ms);
        let remaining_ms = remaining_ms - delay_ms;
        self.wait_for(group, WaitFor::FirstMembers { remaining_ms }, delay_ms);
    }

    /// Ends the wait for joins if all members are there.
    pub(super) fn try_complete_join(&self, group: &mut GroupMetadata) {
        let waits_for_joins = group.wait.is_some_and(|wait| wait.wait_for == WaitFor::Joins);
        let is_preparing = group.is(GroupState::PreparingRebalance);
        if is_preparing && waits_for_joins && group.has_all_members_joined() {
            self.complete_join(group);
        }
    }

    /// Port of `GroupCoordinator.onCompleteJoin`: the next generation begins, with those who are
    /// there.
    pub(super) fn complete_join(&self, group: &mut GroupMetadata) {
        self.end_wait(group);
        if group.is(GroupState::Dead) {
            return;
        }
        for member_id in group.dynamic_members_not_rejoined() {
            info!("{member_id} of the group {} did not rejoin in time", group.group_id);
            self.remove_member(group, &member_id, Errors::UnknownMemberId);
        }
        if !group.maybe_elect_new_joined_leader() && group.size() > 0 {
            // All are static and none has come: they are waited for until their sessions are over.
            self.wait_for(group, WaitFor::Joins, group.rebalance_timeout_ms());
            return;
        }
        group.init_next_generation(self.time.milliseconds());
        info!(
            "the group {} begins generation {} with {} members",
            group.group_id,
            group.generation_id,
            group.size()
        );
        if group.is(GroupState::Empty) {
            if let Err(error) = self.manager.store_group(group) {
                // If the broker stops now, it will wait for the members of the last generation in
                // vain.
                warn!("the log does not know that the group {} is empty: {error}", group.group_id);
            }
            return;
        }
        self.wait_for(group, WaitFor::Syncs, group.rebalance_timeout_ms());
        let member_ids: Vec<_> = group.members().map(|it| it.member_id.clone()).collect();
        for member_id in member_ids {
            let result = current_generation(group, &member_id);
            let Some(member) = group.get_mut(&member_id) else { continue };
            member.is_new = false;
            self.schedule_session(group, &member_id);
            if let Some(member) = group.get_mut(&member_id) {
                member.answer_join(result);
            }
        }
    }

    /// Takes all assignments back. Who waits for his is answered with `error`.
    pub(super) fn reset_assignments(&self, group: &mut GroupMetadata, error: Errors) {
        for member in group.members_mut() {
            member.assignment.clear();
            member.answer_sync(SyncGroupResult::error(error));
        }
    }
}

/// The longest name of a static member, in bytes: Kafka's clients hold it to the rule of topics'
/// names.
const INSTANCE_ID_BYTES_MAX: usize = 249;

fn answer(result: JoinGroupResult) -> Join {
    Join::Answer(Box::new(result))
}

/// Notes what the member wants now.
fn update_member(group: &mut GroupMetadata, member_id: &str, request: &JoinGroup) {
    if let Some(member) = group.get_mut(member_id) {
        member.supported_protocols.clone_from(&request.protocols);
        member.rebalance_timeout_ms = request.rebalance_timeout_ms;
        member.session_timeout_ms = request.session_timeout_ms;
    }
}

/// What a member is told of the generation that has begun.
fn current_generation(group: &GroupMetadata, member_id: &str) -> JoinGroupResult {
    let is_leader = group.is_leader(member_id);
    JoinGroupResult {
        error: Errors::None,
        members: if is_leader { group.current_member_metadata() } else { Vec::new() },
        member_id: member_id.to_string(),
        generation_id: group.generation_id,
        protocol_type: group.protocol_type.clone(),
        protocol_name: group.protocol_name.clone(),
        leader_id: group.leader_id.clone().unwrap_or_default(),
        skip_assignment: false,
    }
}
