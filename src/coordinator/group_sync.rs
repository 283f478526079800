//! Port of `GroupCoordinator.handleSyncGroup`: the leader assigns, and all members get their share.

use log::{Level, log};

use crate::common::errors::Errors;
use crate::common::log_limit::{LogKind, limited};
use crate::common::text::for_log;
use crate::coordinator::group_metadata::{Assignments, GroupMetadata};
use crate::coordinator::group_results::{SyncCallback, SyncGroup};
use crate::coordinator::group_state::GroupState;
use crate::coordinator::group_store::Store;
use crate::coordinator::member_metadata::MemberMetadata;
use crate::coordinator::rebalance::Rebalance;

/// Takes `callback`, answers it or keeps it in the member's record. It stays where it is until then.
/// The record of the group may have up to `record_bytes_max` bytes.
///
/// # Errors
/// If the member cannot sync now. Then `callback` stays where it is.
pub fn sync(
    change: &mut Rebalance<'_>,
    request: &SyncGroup,
    record_bytes_max: usize,
    callback: &mut Option<SyncCallback>,
) -> Result<(), Errors> {
    let member_id = &request.member.member_id;
    let group = &mut change.group;
    validate_sync(group, request)?;
    group.pending_sync_members.remove(member_id);
    if group.is(GroupState::CompletingRebalance) {
        group.await_sync(member_id, callback);
        if let Some(member) = group.get_mut(member_id) {
            member.waits_on(&request.client);
        }
        // A leader that syncs again meanwhile waits for its first assignment to be stored.
        let generation_id = group.generation_id;
        if group.is_leader(member_id) && group.storing_assignment_of != Some(generation_id) {
            assign(change, request, record_bytes_max);
        }
    } else {
        let synced = group.current_assignment(member_id);
        group.outbox.answer_held(callback, Ok(synced));
        change.extend_session(member_id);
    }
    change.maybe_end_wait_for_syncs();
    Ok(())
}

/// Takes over what the leader has assigned, to be stored. It is weighed before it is copied: a record
/// that the log cannot hold fails as if it had been appended.
fn assign(change: &mut Rebalance<'_>, request: &SyncGroup, record_bytes_max: usize) {
    let generation_id = change.group.generation_id;
    let mut assignments = Assignments::new();
    for (member_id, assignment) in &request.assignments {
        if change.group.get(member_id).is_some() {
            assignments.entry(member_id).or_insert(assignment);
        }
    }
    let bytes: usize = assignments.values().map(|it| it.len()).sum();
    if let Err(error) = hold_assignments(change, bytes, record_bytes_max) {
        return on_assignment_stored(change, generation_id, Err(error));
    }
    let group = &mut change.group;
    group.set_assignments(&assignments);
    group.storing_assignment_of = Some(generation_id);
    let value = Box::new(group.value());
    group.outbox.store(Store::Assignment { value, generation_id });
}

/// The memory for assignments of `bytes` in all; always there if the last ones had as many.
fn hold_assignments(
    change: &mut Rebalance<'_>,
    bytes: usize,
    record_bytes_max: usize,
) -> Result<(), Errors> {
    let group = &mut change.group;
    if group.record_bytes_min().saturating_add(bytes) > record_bytes_max {
        return Err(Errors::UnknownServerError);
    }
    let more = change.memory.hold(bytes.saturating_sub(group.assignments_held.bytes()))?;
    group.assignments_held.absorb(more);
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
        let level = limited(LogKind::Failures, Level::Warn);
        log!(level, "cannot store the assignment of group {}: {error}", for_log(group_id));
        change.group.reset_assignments(error);
        change.maybe_prepare();
        return;
    }
    let level = limited(LogKind::Groups, Level::Info);
    log!(
        level,
        "assignment received from leader for group {} for generation {generation_id}",
        for_log(group_id)
    );
    let now_ms = change.now_ms();
    change.group.transition_to(GroupState::Stable, now_ms);
    let assigned_bytes = change.group.assignment_bytes();
    change.group.assignments_held.shrink_to(assigned_bytes);
    for member_id in change.group.ids(MemberMetadata::is_awaiting_sync) {
        change.schedule_session(&member_id);
        let synced = change.group.current_assignment(&member_id);
        change.group.answer_sync(&member_id, Ok(synced));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::mock_time::MockTime;
    use crate::common::units::TimestampMs;
    use crate::coordinator::group::Group;
    use crate::coordinator::group_config::GroupConfig;
    use crate::coordinator::group_memory::GroupMemory;
    use crate::coordinator::group_outbox::Owed;
    use crate::coordinator::group_results::{MemberIdentity, SyncResult};
    use crate::coordinator::group_timer::GroupTimers;
    use std::sync::{Arc, mpsc};

    const MEMORY_BYTES: usize = 10;
    const RECORD_BYTES_MAX: usize = 20;

    /// A group of one member, `m`, that leads generation 1 and has not synced.
    struct Fixture {
        group: Arc<Group>,
        timers: GroupTimers,
        config: GroupConfig,
        memory: Arc<GroupMemory>,
    }

    impl Fixture {
        fn new() -> Self {
            let mut group = GroupMetadata::new("g", TimestampMs(0));
            group.add(MemberMetadata::new("m".to_string(), None), "consumer");
            group.transition_to(GroupState::PreparingRebalance, TimestampMs(1));
            group.init_next_generation(TimestampMs(2));
            let config = GroupConfig {
                group_min_session_timeout_ms: 1,
                group_max_session_timeout_ms: 1,
                group_max_size: 2,
                group_initial_rebalance_delay_ms: 0,
            };
            let timers = GroupTimers::new(Arc::new(MockTime::new()));
            let memory = GroupMemory::new(MEMORY_BYTES);
            Self { group: Group::new(group), timers, config, memory }
        }

        fn change(&self, change: impl FnOnce(&mut Rebalance<'_>)) -> Owed {
            let (changed, owed) = self.group.change(|group| {
                let (shared, timers, config) = (&self.group, &self.timers, &self.config);
                change(&mut Rebalance { shared, group, timers, config, memory: &self.memory });
                Ok(())
            });
            assert_eq!(changed, Ok(()));
            owed
        }

        fn sync(&self, sender: &mpsc::Sender<SyncResult>) -> Owed {
            self.assign(sender, b"all")
        }

        fn assign(&self, sender: &mpsc::Sender<SyncResult>, assignment: &[u8]) -> Owed {
            let request = SyncGroup {
                group_id: "g".to_string(),
                member: MemberIdentity { member_id: "m".to_string(), group_instance_id: None },
                generation_id: 1,
                protocol_type: None,
                protocol_name: None,
                assignments: vec![("m".to_string(), assignment.to_vec())],
                client: Arc::default(),
            };
            let sender = sender.clone();
            let callback: SyncCallback = Box::new(move |result| sender.send(result).unwrap());
            self.change(|it| {
                assert_eq!(sync(it, &request, RECORD_BYTES_MAX, &mut Some(callback)), Ok(()))
            })
        }

        /// The store that `owed` holds is in the log, or failed.
        fn end_store(&self, owed: Owed, stored: Result<(), Errors>) -> GroupState {
            let Some(Store::Assignment { value, generation_id }) = owed.store else {
                panic!("the assignment is stored")
            };
            assert_eq!(value.members[0].assignment, b"all");
            let mut state = GroupState::Dead;
            let owed = self.change(|it| {
                it.group.outbox.end_store();
                on_assignment_stored(it, generation_id, stored);
                state = it.group.state();
            });
            assert!(owed.store.is_none());
            call(owed);
            state
        }
    }

    fn call(owed: Owed) {
        owed.answers.into_iter().for_each(|answer| answer());
    }

    #[test]
    fn a_leader_that_syncs_again_while_its_assignment_is_stored_stores_it_once() {
        let (fixture, (sender, receiver)) = (Fixture::new(), mpsc::channel());
        let first = fixture.sync(&sender);
        call(fixture.sync(&sender));
        assert_eq!(receiver.try_recv().unwrap(), Err(Errors::RebalanceInProgress), "the first");
        assert!(receiver.try_recv().is_err(), "not in the log yet");
        assert_eq!(fixture.end_store(first, Ok(())), GroupState::Stable);
        assert_eq!(receiver.try_recv().unwrap().unwrap().assignment, b"all");
    }

    #[test]
    fn an_assignment_that_is_stored_after_a_rebalance_has_begun_is_moot() {
        let (fixture, (sender, receiver)) = (Fixture::new(), mpsc::channel());
        let storing = fixture.sync(&sender);
        call(fixture.change(|it| it.maybe_prepare()));
        assert_eq!(receiver.try_recv().unwrap(), Err(Errors::RebalanceInProgress));
        assert_eq!(fixture.end_store(storing, Ok(())), GroupState::PreparingRebalance);
        assert!(receiver.try_recv().is_err(), "each sync is answered once");
    }

    #[test]
    fn an_assignment_that_cannot_be_stored_begins_a_rebalance() {
        let (fixture, (sender, receiver)) = (Fixture::new(), mpsc::channel());
        let storing = fixture.sync(&sender);
        let state = fixture.end_store(storing, Err(Errors::NotCoordinator));
        assert_eq!(state, GroupState::PreparingRebalance);
        assert_eq!(receiver.try_recv().unwrap(), Err(Errors::NotCoordinator));
    }

    /// As if the log had refused it: of Kafka, `MESSAGE_TOO_LARGE` is this error to the members.
    #[test]
    fn an_assignment_that_no_record_can_hold_is_refused_before_it_is_kept() {
        let (fixture, (sender, receiver)) = (Fixture::new(), mpsc::channel());
        let owed = fixture.assign(&sender, &[0; RECORD_BYTES_MAX]);
        assert!(owed.store.is_none());
        call(owed);
        assert_eq!(receiver.try_recv().unwrap(), Err(Errors::UnknownServerError));
        assert_eq!(fixture.memory.held_bytes(), 0);
    }

    #[test]
    fn assignments_keep_their_memory_until_the_next_ones_are_stored() {
        let (fixture, (sender, receiver)) = (Fixture::new(), mpsc::channel());
        let storing = fixture.assign(&sender, b"0123456789");
        assert!(fixture.memory.hold(1).is_err(), "all of it");
        call(fixture.change(|it| it.maybe_prepare()));
        assert!(fixture.memory.hold(1).is_err(), "nobody takes it in between");
        assert!(storing.store.is_some());
        call(fixture.change(|it| {
            it.group.outbox.end_store();
            on_assignment_stored(it, 1, Ok(())); // Moot.
            it.group.generation_id = 0; // The fixture's requests are of the first one.
            it.group.init_next_generation(TimestampMs(3));
        }));
        let storing = fixture.assign(&sender, b"all");
        assert_eq!(fixture.end_store(storing, Ok(())), GroupState::Stable);
        assert_eq!(fixture.memory.held_bytes(), 3);
        assert_eq!(receiver.iter().take(2).last().unwrap().unwrap().assignment, b"all");
    }

    #[test]
    fn assignments_for_which_there_is_no_memory_begin_a_rebalance() {
        let (fixture, (sender, receiver)) = (Fixture::new(), mpsc::channel());
        let _others = fixture.memory.hold(8).unwrap();
        let owed = fixture.sync(&sender);
        assert!(owed.store.is_none());
        call(owed);
        assert_eq!(receiver.try_recv().unwrap(), Err(Errors::CoordinatorNotAvailable));
    }
}
