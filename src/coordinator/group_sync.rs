//! Port of `GroupCoordinator.handleSyncGroup`: the leader assigns, and all members get their share.

use log::{info, warn};

use crate::common::errors::Errors;
use crate::coordinator::group_metadata::GroupMetadata;
use crate::coordinator::group_results::{SyncCallback, SyncGroup};
use crate::coordinator::group_state::GroupState;
use crate::coordinator::group_store::Store;
use crate::coordinator::member_metadata::MemberMetadata;
use crate::coordinator::rebalance::Rebalance;

/// Takes `callback`, answers it or keeps it in the member's record.
///
/// # Errors
/// If the member cannot sync now. Then `callback` stays where it is.
pub fn sync(
    change: &mut Rebalance<'_>,
    request: &SyncGroup,
    callback: &mut Option<SyncCallback>,
) -> Result<(), Errors> {
    let member_id = &request.member.member_id;
    let group = &mut change.group;
    validate_sync(group, request)?;
    let Some(callback) = callback.take() else { return Ok(()) };
    group.pending_sync_members.remove(member_id);
    if group.is(GroupState::CompletingRebalance) {
        group.await_sync(member_id, callback);
        // A leader that syncs again meanwhile waits for its first assignment to be stored.
        let generation_id = group.generation_id;
        if group.is_leader(member_id) && group.storing_assignment_of != Some(generation_id) {
            group.set_assignments(&request.assignments);
            group.storing_assignment_of = Some(generation_id);
            let value = group.value();
            group.outbox.store(Store::Assignment { value, generation_id });
        }
    } else {
        let synced = group.current_assignment(member_id);
        group.outbox.answer(callback, Ok(synced));
        change.extend_session(member_id);
    }
    change.maybe_end_wait_for_syncs();
    Ok(())
}

fn validate_sync(group: &GroupMetadata, request: &SyncGroup) -> Result<(), Errors> {
    let differs = |asked: &Option<String>, ours: &Option<String>| asked.is_some() && asked != ours;
    group.check_not_dead()?;
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

/// Answers the members with the leader's assignment if it is in the log. If a rebalance began
/// meanwhile, the assignment is moot: the members have been answered, and join again.
pub fn on_assignment_stored(
    change: &mut Rebalance<'_>,
    generation_id: i32,
    stored: Result<(), Errors>,
) {
    if change.group.storing_assignment_of == Some(generation_id) {
        change.group.storing_assignment_of = None;
    }
    let is_awaited = change.group.is(GroupState::CompletingRebalance);
    if !is_awaited || change.group.generation_id != generation_id {
        return;
    }
    let group_id = &change.group.group_id;
    if let Err(error) = stored {
        warn!("cannot store the assignment of group {group_id}: {error}");
        change.group.reset_assignments(error);
        change.maybe_prepare();
        return;
    }
    info!("assignment received from leader for group {group_id} for generation {generation_id}");
    let now_ms = change.now_ms();
    change.group.transition_to(GroupState::Stable, now_ms);
    for member_id in change.group.ids(MemberMetadata::is_awaiting_sync) {
        change.schedule_session(&member_id);
        let synced = change.group.current_assignment(&member_id);
        change.group.answer_sync(&member_id, Ok(synced));
    }
}
