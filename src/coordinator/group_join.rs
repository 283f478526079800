//! Port of `GroupCoordinator.handleJoinGroup`: clients become members.

use log::{Level, log};

use crate::common::errors::Errors;
use crate::common::log_limit::{LogKind, limited};
use crate::common::text::for_log;
use crate::coordinator::committed_offsets::remove_group_if_unused;
use crate::coordinator::group_memory::Held;
use crate::coordinator::group_results::{JoinCallback, JoinError, JoinGroup, JoinedGroup};
use crate::coordinator::group_state::GroupState;
use crate::coordinator::group_store::Store;
use crate::coordinator::member_metadata::{
    MemberMetadata, generate_member_id, member_bytes, pending_member_bytes,
};
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

/// Takes `callback`, answers it or keeps it in the member's record. It stays where it is until then.
/// The group may hold up to `group_bytes_max`.
pub fn join(
    change: &mut Rebalance<'_>,
    request: &JoinGroup,
    group_bytes_max: usize,
    callback: &mut Option<JoinCallback>,
) {
    let joined = do_join(change, request, group_bytes_max);
    let outbox = &mut change.group.outbox;
    match joined {
        Err(error) => {
            outbox.answer_held(callback, Err(JoinError::new(error, &request.member.member_id)));
            // The others may have waited for a member that has no room among them.
            change.try_complete_join();
            remove_group_if_unused(change.group);
        }
        Ok(Join::Answer(joined)) => outbox.answer_held(callback, Ok(joined)),
        Ok(Join::TryAgainAs(member_id)) => {
            let error = JoinError { error: Errors::MemberIdRequired, member_id };
            outbox.answer_held(callback, Err(error));
        }
        Ok(Join::Await(member_id)) => {
            change.group.await_join(&member_id, callback);
            if let Some(member) = change.group.get_mut(&member_id) {
                member.waits_on(&request.client);
            }
            change.maybe_prepare();
            change.try_complete_join();
        }
        Ok(Join::Store(joined)) if !outbox.has_room(group_bytes_max) => {
            // As if it could not be stored: until the next record the log has the old id.
            outbox.answer_held(callback, Ok(joined));
        }
        Ok(Join::Store(joined)) => {
            let (value, joined) = (Box::new(change.group.value()), Box::new(joined));
            let callback = callback.take();
            change.group.outbox.store(Store::StaticMember { value, joined, callback });
        }
    }
}

/// Makes or finds the member.
fn do_join(
    change: &mut Rebalance<'_>,
    request: &JoinGroup,
    group_bytes_max: usize,
) -> Result<Join, Errors> {
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
        return join_new_member(change, request, group_bytes_max);
    }
    let is_dynamic = request.member.group_instance_id.is_none();
    if let Some(pending_bytes) = change.group.pending_bytes(member_id).filter(|_| is_dynamic) {
        let mut held = hold_member(change, member_id, request, pending_bytes, group_bytes_max)?;
        // Only now: without memory the client keeps its id, and tries again.
        held.absorb(change.remove_pending_member(member_id).unwrap_or_default());
        return Ok(add_member(change, member_id, request, held));
    }
    change.group.validate_member(&request.member)?;
    join_current_member(change, request, group_bytes_max)
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
fn join_new_member(
    change: &mut Rebalance<'_>,
    request: &JoinGroup,
    group_bytes_max: usize,
) -> Result<Join, Errors> {
    let instance_id = request.member.group_instance_id.as_deref();
    let new_id = generate_member_id(instance_id.unwrap_or(&request.client_id));
    match instance_id {
        Some(instance_id) if change.group.current_static_member_id(instance_id).is_some() => {
            rejoin_static_member(change, instance_id, new_id, request, group_bytes_max)
        }
        None if request.is_known_member_id_required => {
            let held = hold(change, pending_member_bytes(&new_id), group_bytes_max)?;
            let (timers, timeout_ms) = (change.timers, request.session_timeout_ms);
            timers.add_pending_member(change.shared, change.group, &new_id, timeout_ms, held);
            Ok(Join::TryAgainAs(new_id))
        }
        _ => {
            let held = hold_member(change, &new_id, request, 0, group_bytes_max)?;
            Ok(add_member(change, &new_id, request, held))
        }
    }
}

/// Port of `GroupCoordinator.doCurrentMemberJoinGroup`: an answer may have been lost, and then it
/// is given again.
fn join_current_member(
    change: &mut Rebalance<'_>,
    request: &JoinGroup,
    group_bytes_max: usize,
) -> Result<Join, Errors> {
    let member_id = request.member.member_id.as_str();
    let is_leader = change.group.is_leader(member_id);
    let state = change.group.state();
    let Some(member) = change.group.get(member_id) else { return Err(Errors::UnknownMemberId) };
    let matches = member.matches(&request.protocols);
    let growth_bytes = member.growth_bytes(member_id, &request.protocols);
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
    let held = hold(change, growth_bytes, group_bytes_max)?;
    if let Some(member) = change.group.get_mut(member_id) {
        member.update(request, held);
    }
    Ok(Join::Await(member_id.to_string()))
}

/// The memory for `bytes` more in this group; always there if it needs no more.
fn hold(change: &Rebalance<'_>, bytes: usize, group_bytes_max: usize) -> Result<Held, Errors> {
    if bytes > 0 && change.group.held_bytes().saturating_add(bytes) > group_bytes_max {
        return Err(Errors::GroupMaxSizeReached);
    }
    change.memory.hold(bytes)
}

/// The memory for a member that joins with this id, which has `pending_bytes` already, and for what
/// the group takes if it is the first one.
fn hold_member(
    change: &mut Rebalance<'_>,
    member_id: &str,
    request: &JoinGroup,
    pending_bytes: usize,
    group_bytes_max: usize,
) -> Result<Held, Errors> {
    let bytes = member_bytes(member_id, request).saturating_sub(pending_bytes);
    let of_member = hold(change, bytes, group_bytes_max)?;
    let of_group = change.memory.hold(change.group.growth_bytes(&request.protocol_type))?;
    change.group.absorb(of_group);
    Ok(of_member)
}

/// Port of `GroupCoordinator.addMemberAndRebalance`.
fn add_member(
    change: &mut Rebalance<'_>,
    member_id: &str,
    request: &JoinGroup,
    held: Held,
) -> Join {
    let instance_id = request.member.group_instance_id.clone();
    let mut member = MemberMetadata::new(member_id.to_string(), instance_id);
    member.client_id.clone_from(&request.client_id);
    member.client_host.clone_from(&request.client_host);
    member.is_new = true;
    member.update(request, held);
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
    group_bytes_max: usize,
) -> Result<Join, Errors> {
    let old_id = change.group.current_static_member_id(instance_id).unwrap_or_default();
    let growth = |it: &MemberMetadata| it.growth_bytes(&new_id, &request.protocols);
    let growth_bytes = change.group.get(old_id).map_or(0, growth);
    let held = hold(change, growth_bytes, group_bytes_max)?;
    let old_leader_id = change.group.leader_id.clone().unwrap_or_default();
    change.group.replace_static_member(instance_id, &new_id);
    if let Some(member) = change.group.get_mut(&new_id) {
        member.update(request, held);
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
        return Ok(Join::Await(new_id));
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
    Ok(Join::Store(joined))
}
