//! Port of `GroupCoordinator.handleCommitOffsets`, of the later `handleDeleteOffsets` and
//! `handleDeleteGroups`, and of `GroupMetadataManager.cleanupGroupMetadata`: how offsets get into a
//! group and out of it.

use log::{Level, log};

use crate::common::errors::Errors;
use crate::common::log_limit::{LogKind, limited};
use crate::common::text::for_log;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::TimestampMs;
use crate::coordinator::group_metadata::GroupMetadata;
use crate::coordinator::group_results::{
    DoneCallback, MemberIdentity, NO_GENERATION, NO_MEMBER_ID,
};
use crate::coordinator::group_state::GroupState;
use crate::coordinator::group_store::{GroupRemoval, OffsetCommit, Store, TOMBSTONES_PER_BATCH};
use crate::coordinator::rebalance::Rebalance;

/// Takes `commit`, to be stored. The group's stores may wait with up to `queued_bytes_max`.
///
/// # Errors
/// If the client may not commit for the group; `COORDINATOR_NOT_AVAILABLE` if there is no memory for
/// it. Then `commit` stays where it is.
pub fn commit(
    change: &mut Rebalance<'_>,
    member: &MemberIdentity,
    generation_id: i32,
    queued_bytes_max: usize,
    commit: &mut Option<OffsetCommit>,
) -> Result<(), Errors> {
    validate_commit(change.group, member, generation_id)?;
    // A consumer that commits is alive, even while it may not commit.
    change.extend_session(&member.member_id);
    let group = &mut change.group;
    if group.is(GroupState::CompletingRebalance) && group.get(&member.member_id).is_some() {
        return Err(Errors::RebalanceInProgress);
    }
    let Some(offsets) = commit.as_ref().map(|it| &it.offsets) else { return Ok(()) };
    if !group.outbox.has_room(queued_bytes_max) {
        return Err(Errors::CoordinatorNotAvailable);
    }
    let held = change.memory.hold(group.offsets.growth_bytes(offsets))?;
    if let Some(mut commit) = commit.take() {
        commit.held = held;
        group.outbox.store(Store::Commit(commit));
    }
    Ok(())
}

/// Port of `GroupCoordinator.validateOffsetCommit`. The offsets of an empty group can be set by any
/// client that does not claim to be a member: that is how the tools reset them.
fn validate_commit(
    group: &GroupMetadata,
    member: &MemberIdentity,
    generation_id: i32,
) -> Result<(), Errors> {
    group.check_not_dead()?;
    let claims_nothing = generation_id <= NO_GENERATION
        && member.member_id == NO_MEMBER_ID
        && member.group_instance_id.is_none();
    if claims_nothing && group.is(GroupState::Empty) {
        return Ok(());
    }
    group.validate_member(member)?;
    match generation_id == group.generation_id {
        true => Ok(()),
        false => Err(Errors::IllegalGeneration),
    }
}

/// The offsets of a commit are in the log, or cannot be. The client of a group that was unloaded
/// meanwhile has to commit again: whoever has loaded the group since may have read the log before.
/// (Kafka tells it that all is well.)
pub fn on_commit_stored(
    group: &mut GroupMetadata,
    commit: &mut OffsetCommit,
    stored: Result<(), Errors>,
) {
    let stored = stored.and_then(|()| group.check_not_unloaded());
    let offsets = std::mem::take(&mut commit.offsets);
    if stored.is_ok() {
        group.offsets.extend(offsets, std::mem::take(&mut commit.held));
    }
    group.outbox.push_answers(commit.take_answer(stored));
}

/// Removes offsets that no member reads. Returns one result for each partition, which holds if
/// `callback` is called with `Ok`.
///
/// # Errors
/// `GROUP_ID_NOT_FOUND`; `NON_EMPTY_GROUP` if the group has members that are no consumers; why it was
/// unloaded.
pub fn delete(
    group: &mut GroupMetadata,
    partitions: &[TopicAndPartition],
    callback: DoneCallback,
) -> Result<Vec<Result<(), Errors>>, Errors> {
    group.check_not_unloaded()?;
    let verdict = |key: &TopicAndPartition| match group.state() {
        GroupState::Dead => Err(Errors::GroupIdNotFound),
        GroupState::Empty => Ok(Ok(())),
        _ if !group.is_of_consumers() => Err(Errors::NonEmptyGroup),
        _ if group.is_subscribed_to(&key.topic) => Ok(Err(Errors::GroupSubscribedToTopic)),
        _ => Ok(Ok(())),
    };
    let verdicts = partitions.iter().map(verdict).collect::<Result<Vec<_>, Errors>>()?;
    let unread = partitions.iter().zip(&verdicts).filter(|(_, verdict)| verdict.is_ok());
    let keys = known_of(group, unread.map(|(key, _)| key));
    group.outbox.store(Store::RemoveOffsets { keys, callback: Some(callback) });
    Ok(verdicts)
}

/// Removes the offsets of partitions that have been deleted. Drops `callback` if there are none.
pub fn delete_of_partitions(
    group: &mut GroupMetadata,
    deleted: &[TopicAndPartition],
    callback: DoneCallback,
) {
    let keys = known_of(group, deleted.iter());
    if !keys.is_empty() && group.check_not_unloaded().is_ok() {
        group.outbox.store(Store::RemoveOffsets { keys, callback: Some(callback) });
    }
}

/// Removes the offsets that have expired, and returns how many. A group that is being stored is in
/// use, and one of its commits may be of an expired offset: it is left for the next time. One that was
/// unloaded is left to its coordinator.
pub fn expire(group: &mut GroupMetadata, now_ms: TimestampMs, retention_ms: i64) -> usize {
    if group.outbox.is_storing() || group.check_not_unloaded().is_err() {
        return 0;
    }
    let keys = group.expired_offsets(now_ms, retention_ms);
    let count = keys.len();
    if count > 0 {
        group.outbox.store(Store::RemoveOffsets { keys, callback: None });
    }
    count
}

/// Of `keys`, those that the group has offsets for, or may soon have.
fn known_of<'a>(
    group: &GroupMetadata,
    keys: impl Iterator<Item = &'a TopicAndPartition>,
) -> Vec<TopicAndPartition> {
    let is_known =
        |key: &&TopicAndPartition| group.outbox.is_storing() || group.offsets.get(key).is_some();
    keys.filter(is_known).cloned().collect()
}

/// A batch of tombstones is in the log, or cannot be: then some offsets may be removed and others
/// not.
pub fn on_offsets_removed(
    group: &mut GroupMetadata,
    keys: &mut Vec<TopicAndPartition>,
    callback: &mut Option<DoneCallback>,
    stored: Result<(), Errors>,
) {
    let rest = keys.split_off(keys.len().min(TOMBSTONES_PER_BATCH));
    match stored {
        Ok(()) => keys.iter().for_each(|key| group.offsets.remove(key)),
        Err(error) => log!(
            limited(LogKind::Failures, Level::Error),
            "cannot remove offsets of group {}: {error}",
            for_log(&group.group_id)
        ),
    }
    if stored.is_ok() && !rest.is_empty() {
        let callback = callback.take();
        group.outbox.store_next(Store::RemoveOffsets { keys: rest, callback });
    } else {
        group.outbox.answer_held(callback, stored);
    }
}

/// Removes a group that has no members, with its offsets.
///
/// # Errors
/// `GROUP_ID_NOT_FOUND`; `NON_EMPTY_GROUP`; why it was unloaded.
pub fn remove_group(group: &mut GroupMetadata, callback: DoneCallback) -> Result<(), Errors> {
    group.check_not_unloaded()?;
    match group.state() {
        GroupState::Dead => Err(Errors::GroupIdNotFound),
        GroupState::Empty => {
            begin_removal(group, Some(callback));
            Ok(())
        }
        _ => Err(Errors::NonEmptyGroup),
    }
}

/// Removes a group that came into being for a request that was refused: it would stay until the next
/// cleaning. The log has nothing of it, so it is gone before the client has its answer, and may try
/// again.
pub fn remove_group_if_unused(group: &mut GroupMetadata) {
    if group.generation_id == 0 && is_over(group) {
        group.begin_removal();
        group.outbox.set_removed();
    }
}

/// Removes a group that has neither members nor offsets any more.
pub fn remove_group_if_over(group: &mut GroupMetadata) {
    if is_over(group) {
        begin_removal(group, None);
    }
}

fn is_over(group: &GroupMetadata) -> bool {
    let is_left = group.is(GroupState::Empty) && group.has_no_members();
    is_left && group.offsets.is_empty() && !group.outbox.is_storing()
}

fn begin_removal(group: &mut GroupMetadata, callback: Option<DoneCallback>) {
    group.begin_removal();
    group.outbox.store(Store::RemoveGroup(GroupRemoval::begin(callback)));
}

/// A step of the removal of a group is in the log, or cannot be.
pub fn on_removal_stored(
    group: &mut GroupMetadata,
    removal: &mut GroupRemoval,
    stored: Result<(), Errors>,
) {
    let GroupRemoval { offsets, is_last, callback, .. } = removal;
    let is_last = *is_last;
    if stored.is_ok() {
        offsets.iter().for_each(|key| group.offsets.remove(key));
        if !is_last {
            group.outbox.store_next(next_removal(group, callback.take()));
            return;
        }
        let level = limited(LogKind::Groups, Level::Info);
        log!(level, "removed group {}", for_log(&group.group_id));
        group.outbox.set_removed();
    } else if let Err(error) = stored {
        let level = limited(LogKind::Failures, Level::Error);
        log!(level, "cannot remove group {}: {error}", for_log(&group.group_id));
        group.cancel_removal();
    }
    group.outbox.answer_held(callback, stored);
}

fn next_removal(group: &GroupMetadata, callback: Option<DoneCallback>) -> Store {
    let offsets: Vec<_> = group.offsets.keys().take(TOMBSTONES_PER_BATCH).cloned().collect();
    let is_last = offsets.len() == group.offsets.len();
    // A group without a generation has only ever had offsets.
    let is_with_group_record = is_last && group.generation_id != 0;
    Store::RemoveGroup(GroupRemoval { offsets, is_last, is_with_group_record, callback })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::units::{LeaderEpoch, Offset};
    use crate::coordinator::group_outbox::Owed;
    use crate::coordinator::group_results::CommitCallback;
    use crate::coordinator::offset_and_metadata::OffsetAndMetadata;

    fn key() -> TopicAndPartition {
        TopicAndPartition::new("post", 0)
    }

    fn commit_of(offset: i64) -> Store {
        let offset = OffsetAndMetadata {
            offset: Offset(offset),
            leader_epoch: LeaderEpoch::NONE,
            metadata: String::new(),
            commit_timestamp_ms: TimestampMs(0),
            expire_timestamp_ms: None,
        };
        let callback: CommitCallback = Box::new(|_| ());
        Store::Commit(OffsetCommit::new(vec![(key(), offset)], 0, callback))
    }

    /// Ends the store that `owed` holds, and returns the next one.
    fn end_store(group: &mut GroupMetadata, owed: Owed) -> Owed {
        group.outbox.end_store();
        match owed.store {
            Some(Store::Commit(mut commit)) => on_commit_stored(group, &mut commit, Ok(())),
            Some(Store::RemoveOffsets { mut keys, mut callback }) => {
                on_offsets_removed(group, &mut keys, &mut callback, Ok(()));
            }
            Some(Store::RemoveGroup(mut removal)) => {
                on_removal_stored(group, &mut removal, Ok(()));
            }
            _ => panic!("none of these is stored here"),
        }
        let owed = group.outbox.owed();
        if !owed.has_more {
            return owed;
        }
        group.outbox.go_on();
        group.outbox.owed()
    }

    #[test]
    fn an_offset_that_is_being_committed_does_not_expire() {
        let mut group = GroupMetadata::new("g", TimestampMs(0));
        group.outbox.store(commit_of(1));
        let owed = group.outbox.owed();
        drop(end_store(&mut group, owed));
        group.outbox.store(commit_of(2));
        let owed = group.outbox.owed();
        assert_eq!(
            expire(&mut group, TimestampMs(1_000), 10),
            0,
            "the old offset is about to be replaced"
        );
        drop(end_store(&mut group, owed));
        assert_eq!(group.offsets.get(&key()).unwrap().offset, Offset(2));
        assert_eq!(expire(&mut group, TimestampMs(1_000), 10), 1);
    }

    #[test]
    fn a_deletion_takes_the_commits_before_it_and_not_those_after() {
        let mut group = GroupMetadata::new("g", TimestampMs(0));
        group.outbox.store(commit_of(1));
        let owed = group.outbox.owed();
        assert_eq!(delete(&mut group, &[key()], Box::new(|_| ())), Ok(vec![Ok(())]));
        group.outbox.store(commit_of(2));
        let owed = end_store(&mut group, owed);
        assert_eq!(group.offsets.get(&key()).unwrap().offset, Offset(1));
        let owed = end_store(&mut group, owed);
        assert!(group.offsets.is_empty());
        drop(end_store(&mut group, owed));
        assert_eq!(group.offsets.get(&key()).unwrap().offset, Offset(2));
    }

    #[test]
    fn a_group_that_is_removed_takes_the_commits_with_it_that_are_on_their_way() {
        let mut group = GroupMetadata::new("g", TimestampMs(0));
        group.outbox.store(commit_of(1));
        let owed = group.outbox.owed();
        assert_eq!(remove_group(&mut group, Box::new(|_| ())), Ok(()));
        assert_eq!(remove_group(&mut group, Box::new(|_| ())), Err(Errors::GroupIdNotFound));
        assert_eq!(group.check_not_dead(), Err(Errors::CoordinatorNotAvailable));
        let owed = end_store(&mut group, owed);
        let owed = end_store(&mut group, owed);
        let tombstones = owed.store.as_ref().map_or(0, |it| it.records("g").len());
        assert_eq!(tombstones, 1, "of the offset; the group has no record");
        assert!(end_store(&mut group, owed).is_removed && group.offsets.is_empty());
    }
}
