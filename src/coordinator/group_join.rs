//! Port of `GroupCoordinator.handleJoinGroup`: clients become members.

use log::{Level, log};

use crate::common::errors::Errors;
use crate::common::log_limit::{LogKind, limited};
use crate::common::text::for_log;
use crate::coordinator::group_results::{JoinCallback, JoinError, JoinGroup, JoinedGroup};
use crate::coordinator::group_state::GroupState;
use crate::coordinator::group_store::Store;
use crate::coordinator::member_metadata::{MemberMetadata, generate_member_id};
use crate::coordinator::rebalance::Rebalance;

/// What a join comes to.
enum Join {
    /// The group goes on as it is.
    Answer(JoinedGroup),
    /// The client gets an id to join with.
    TryAgainAs(String),
    /// The member with this id waits until all have joined.
    Await(String),
    /// The group goes on as it is, once the member's new id is in the log.
    Store(JoinedGroup),
}

/// Takes `callback`, answers it or keeps it in the member's record.
pub fn join(change: &mut Rebalance<'_>, request: &JoinGroup, callback: &mut Option<JoinCallback>) {
    let joined = do_join(change, request);
    let Some(callback) = callback.take() else { return };
    let outbox = &mut change.group.outbox;
    match joined {
        Err(error) => {
            outbox.answer(callback, Err(JoinError::new(error, &request.member.member_id)));
            // The others may have waited for a member that has no room among them.
            change.try_complete_join();
        }
        Ok(Join::Answer(joined)) => outbox.answer(callback, Ok(joined)),
        Ok(Join::TryAgainAs(member_id)) => {
            let error = JoinError { error: Errors::MemberIdRequired, member_id };
            outbox.answer(callback, Err(error));
        }
        Ok(Join::Await(member_id)) => {
            change.group.await_join(&member_id, callback);
            if let Some(member) = change.group.get_mut(&member_id) {
                member.waits_on(&request.client);
            }
            change.maybe_prepare();
            change.try_complete_join();
        }
        Ok(Join::Store(joined)) => {
            let (value, joined) = (Box::new(change.group.value()), Box::new(joined));
            change.group.outbox.store(Store::StaticMember { value, joined, callback });
        }
    }
}

/// Makes or finds the member.
fn do_join(change: &mut Rebalance<'_>, request: &JoinGroup) -> Result<Join, Errors> {
    let member_id = request.member.member_id.as_str();
    change.group.check_not_dead()?;
    if !has_room_for(change, member_id) {
        change.remove_member(member_id, Errors::GroupMaxSizeReached);
        return Err(Errors::GroupMaxSizeReached);
    }
    if !change.group.supports_protocols(&request.protocol_type, &request.protocols) {
        return Err(Errors::InconsistentGroupProtocol);
    }
    if member_id.is_empty() {
        return Ok(join_new_member(change, request));
    }
    let is_dynamic = request.member.group_instance_id.is_none();
    if is_dynamic && change.remove_pending_member(member_id) {
        return Ok(add_member(change, member_id, request));
    }
    change.group.validate_member(&request.member)?;
    join_current_member(change, request)
}

/// Port of `GroupCoordinator.acceptJoiningMember`: a rebalance may find the group too large, and
/// then takes the members that come first.
fn has_room_for(change: &Rebalance<'_>, member_id: &str) -> bool {
    let (group, size_max) = (&change.group, change.config.group_max_size);
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
fn join_new_member(change: &mut Rebalance<'_>, request: &JoinGroup) -> Join {
    let instance_id = request.member.group_instance_id.as_deref();
    let new_id = generate_member_id(instance_id.unwrap_or(&request.client_id));
    match instance_id {
        Some(instance_id) if change.group.current_static_member_id(instance_id).is_some() => {
            rejoin_static_member(change, instance_id, new_id, request)
        }
        None if request.is_known_member_id_required => {
            let (timers, timeout_ms) = (change.timers, request.session_timeout_ms);
            timers.add_pending_member(change.shared, change.group, &new_id, timeout_ms);
            Join::TryAgainAs(new_id)
        }
        _ => add_member(change, &new_id, request),
    }
}

/// Port of `GroupCoordinator.doCurrentMemberJoinGroup`: an answer may have been lost, and then it
/// is given again.
fn join_current_member(change: &mut Rebalance<'_>, request: &JoinGroup) -> Result<Join, Errors> {
    let member_id = request.member.member_id.as_str();
    let is_leader = change.group.is_leader(member_id);
    let state = change.group.state();
    let Some(member) = change.group.get_mut(member_id) else { return Err(Errors::UnknownMemberId) };
    let matches = member.matches(&request.protocols);
    let knows_the_answer = match state {
        GroupState::Empty | GroupState::Dead => return Err(Errors::UnknownMemberId),
        GroupState::PreparingRebalance => false,
        GroupState::CompletingRebalance => matches,
        // The leader rejoins when it wants to assign anew.
        GroupState::Stable => matches && !is_leader,
    };
    if knows_the_answer {
        change.extend_session(member_id);
        return Ok(Join::Answer(change.group.current_generation(member_id)));
    }
    member.update(request);
    Ok(Join::Await(member_id.to_string()))
}

/// Port of `GroupCoordinator.addMemberAndRebalance`.
fn add_member(change: &mut Rebalance<'_>, member_id: &str, request: &JoinGroup) -> Join {
    let instance_id = request.member.group_instance_id.clone();
    let mut member = MemberMetadata::new(member_id.to_string(), instance_id);
    member.client_id.clone_from(&request.client_id);
    member.client_host.clone_from(&request.client_host);
    member.is_new = true;
    member.update(request);
    let group = &mut change.group;
    group.add(member, &request.protocol_type);
    group.has_new_member = true;
    let level = limited(LogKind::Groups, Level::Info);
    log!(
        level,
        "member {} joins group {} in state {:?}",
        for_log(member_id),
        for_log(&group.group_id),
        group.state()
    );
    change.schedule_session(member_id);
    Join::Await(member_id.to_string())
}

/// Port of `GroupCoordinator.updateStaticMemberAndRebalance`: a static member is back before its
/// session ended, with a new id. If it wants what it had, the others are not disturbed.
fn rejoin_static_member(
    change: &mut Rebalance<'_>,
    instance_id: &str,
    new_id: String,
    request: &JoinGroup,
) -> Join {
    let old_leader_id = change.group.leader_id.clone().unwrap_or_default();
    change.group.replace_static_member(instance_id, &new_id);
    if let Some(member) = change.group.get_mut(&new_id) {
        member.update(request);
    }
    change.schedule_session(&new_id);
    let group = &change.group;
    let level = limited(LogKind::Groups, Level::Info);
    log!(
        level,
        "static member {} of group {} rejoins as {}",
        for_log(instance_id),
        for_log(&group.group_id),
        for_log(&new_id)
    );
    // Between join and sync the leader may have assigned to the old id already: all must join
    // again.
    if !group.is(GroupState::Stable) || group.select_protocol() != group.protocol_name {
        return Join::Await(new_id);
    }
    let mut joined = group.current_generation(&new_id);
    if request.is_skipping_assignment_supported && group.is_leader(&new_id) {
        joined.skip_assignment = true;
    } else {
        // A leader that finds its old id as the leader's takes itself for a follower, and does not
        // assign.
        joined.members = Vec::new();
        joined.leader_id = old_leader_id;
    }
    Join::Store(joined)
}
