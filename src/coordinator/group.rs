//! A group that threads share.
//!
//! A change is one call of [`Group::change`]: it runs under the group's lock, and what it leaves to
//! be done comes back as [`Owed`], without the lock.
//!
//! A panic in a change is a fault of this broker, and may leave the group half changed. Every
//! request for it then fails with `NOT_COORDINATOR`, also those that wait in it: their clients look
//! for the coordinator and join again. The coordinator replaces the group by what the log has of
//! it. Other groups do not notice.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use log::{Level, log};

use crate::common::errors::Errors;
use crate::common::lock::{Poisoned, locked, locked_if_whole};
use crate::common::log_limit::{LogKind, limited};
use crate::common::text::for_log;
use crate::coordinator::group_metadata::GroupMetadata;
use crate::coordinator::group_outbox::Owed;

/// The answer to a request for a group that has failed.
const GROUP_FAILED: Errors = Errors::NotCoordinator;

/// A group behind its lock.
pub struct Group {
    group_id: String,
    metadata: Mutex<GroupMetadata>,
}

impl Group {
    pub fn new(metadata: GroupMetadata) -> Arc<Self> {
        let group_id = metadata.group_id.clone();
        Arc::new(Self { group_id, metadata: Mutex::new(metadata) })
    }

    pub fn group_id(&self) -> &str {
        &self.group_id
    }

    /// Runs `change` under the group's lock. The change takes no other group's lock, nor that of
    /// the table of groups, and does no disk work. The caller does what is owed.
    ///
    /// # Errors
    /// Those of `change`; `NOT_COORDINATOR` if this change or an earlier one has panicked.
    pub fn change<R>(
        &self,
        change: impl FnOnce(&mut GroupMetadata) -> Result<R, Errors>,
    ) -> (Result<R, Errors>, Owed) {
        let changed = catch_unwind(AssertUnwindSafe(|| {
            locked_if_whole(&self.metadata).map(|mut group| {
                let result = change(&mut group);
                (result, group.outbox.owed())
            })
        }));
        match changed {
            Ok(Ok(changed)) => changed,
            Ok(Err(Poisoned)) => (Err(GROUP_FAILED), Owed::default()),
            Err(_panic) => {
                let level = limited(LogKind::Failures, Level::Error);
                log!(
                    level,
                    "a change of group {} panicked: the group has failed",
                    for_log(&self.group_id)
                );
                (Err(GROUP_FAILED), self.abandon())
            }
        }
    }

    /// Reads the group under its lock. Leaves nothing to be done, and never waits for an append.
    ///
    /// # Errors
    /// `NOT_COORDINATOR` if a change has panicked; `UNKNOWN_SERVER_ERROR` if `look` panics, which
    /// leaves the group as it was.
    pub fn look<R>(&self, look: impl FnOnce(&GroupMetadata) -> R) -> Result<R, Errors> {
        let group = locked_if_whole(&self.metadata).map_err(|Poisoned| GROUP_FAILED)?;
        // Caught under the lock, so that the lock is not poisoned.
        catch_unwind(AssertUnwindSafe(|| look(&group))).map_err(|_panic| {
            let level = limited(LogKind::Failures, Level::Error);
            log!(level, "a reader of group {} panicked", for_log(&self.group_id));
            Errors::UnknownServerError
        })
    }

    /// Takes the group out of use, because this broker does not coordinate it any more: all that waits
    /// in it fails with `error`, and so does every later change. A store that is being appended is
    /// completed, but a commit is none for its client.
    ///
    /// # Errors
    /// `NOT_COORDINATOR` if a change has panicked: then nothing waits in it.
    pub fn unload(&self, error: Errors) -> (Result<(), Errors>, Owed) {
        let (timers, owed) = self.change(|group| {
            group.unload(error);
            Ok(group.timers())
        });
        let result = timers.as_ref().map(drop).map_err(|error| *error);
        (result, Owed { timers: timers.unwrap_or_default(), ..owed })
    }

    /// Returns what the thread owes that has called the answers it owed, if more was left.
    pub fn go_on(&self) -> Owed {
        let (_, owed) = self.change(|group| {
            group.outbox.go_on();
            Ok(())
        });
        owed
    }

    /// As [`change`](Self::change), by the thread that has appended a store of the group.
    ///
    /// # Errors
    /// `NOT_COORDINATOR` if this change or an earlier one has panicked: then `complete` has not run
    /// to its end, or not at all.
    pub fn end_store(
        &self,
        complete: impl FnOnce(&mut GroupMetadata),
    ) -> (Result<(), Errors>, Owed) {
        let (result, mut owed) = self.change(|group| {
            group.outbox.end_store();
            complete(group);
            Ok(())
        });
        owed.has_failed = result.is_err();
        (result, owed)
    }

    /// Takes the callbacks and timers out of a group that nobody will change any more. Nothing else
    /// of it is looked at.
    fn abandon(&self) -> Owed {
        let mut group = locked(&self.metadata);
        group.answer_all(GROUP_FAILED);
        let timers = group.timers();
        Owed { timers, ..group.outbox.abandon(GROUP_FAILED) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::common::mock_time::MockTime;
    use crate::common::topic_partition::TopicAndPartition;
    use crate::common::units::{LeaderEpoch, Offset, TimestampMs};
    use crate::coordinator::group_memory::Held;
    use crate::coordinator::group_records::GroupValue;
    use crate::coordinator::group_results::{CommitCallback, JoinCallback};
    use crate::coordinator::group_state::WaitFor;
    use crate::coordinator::group_store::{OffsetCommit, Store};
    use crate::coordinator::group_timer::GroupTimers;
    use crate::coordinator::member_metadata::MemberMetadata;
    use crate::coordinator::offset_and_metadata::OffsetAndMetadata;

    fn commit(callback: CommitCallback) -> Store {
        let offset = OffsetAndMetadata {
            offset: Offset(1),
            leader_epoch: LeaderEpoch::NONE,
            metadata: String::new(),
            commit_timestamp_ms: TimestampMs(0),
            expire_timestamp_ms: None,
        };
        let offsets = vec![(TopicAndPartition::new("post", 0), offset)];
        Store::Commit(OffsetCommit::new(offsets, 0, callback))
    }

    #[test]
    fn a_panic_fails_the_group_and_answers_those_that_wait_in_it() {
        let group = Group::new(GroupMetadata::new("g", TimestampMs(0)));
        let (sender, receiver) = mpsc::channel();
        let (joins, commits) = (sender.clone(), sender);
        let join: JoinCallback = Box::new(move |it| joins.send(it.unwrap_err().error).unwrap());
        let (result, owed) = group.change(|it| {
            let mut member = MemberMetadata::new("m".to_string(), None);
            member.awaiting_join = Some(join);
            it.add(member, "consumer");
            Ok(1)
        });
        assert_eq!(result, Ok(1));
        assert!(owed.answers.is_empty());
        let (result, owed) = group.change(|it| {
            let callback = move |it: Vec<Result<_, _>>| commits.send(it[0].unwrap_err()).unwrap();
            it.outbox.store(commit(Box::new(callback)));
            if it.size() == 1 {
                panic!("in the midst of a change");
            }
            Ok(())
        });
        assert_eq!(result, Err(Errors::NotCoordinator));
        assert!(owed.has_failed && owed.store.is_none());
        owed.answers.into_iter().for_each(|answer| answer());
        let answered: Vec<_> = receiver.iter().collect();
        assert_eq!(answered, [Errors::NotCoordinator; 2]);
        let (result, owed) = group.change(|_| Ok(()));
        assert_eq!(result, Err(Errors::NotCoordinator));
        assert!(!owed.has_failed, "it is loaded again once");
    }

    #[test]
    fn the_timers_of_a_group_that_fails_are_taken_back() {
        let group = Group::new(GroupMetadata::new("g", TimestampMs(0)));
        let timers = GroupTimers::new(Arc::new(MockTime::new()));
        let (armed, _) = group.change(|it| {
            it.add(MemberMetadata::new("m".to_string(), None), "consumer");
            timers.schedule_session(&group, it, "m");
            timers.add_pending_member(&group, it, "n", 1, Held::default());
            timers.begin_wait(&group, it, WaitFor::Joins, 1);
            Ok(())
        });
        assert_eq!((armed, timers.size()), (Ok(()), 3));
        let (_, owed) = group.change(|_| -> Result<(), Errors> { panic!("a fault") });
        owed.timers.into_iter().for_each(|timer| timers.cancel(Some(timer)));
        assert_eq!(timers.size(), 0);
    }

    #[test]
    fn a_group_that_is_unloaded_gives_its_timers_back_and_stores_nothing_any_more() {
        let group = Group::new(GroupMetadata::new("g", TimestampMs(0)));
        let timers = GroupTimers::new(Arc::new(MockTime::new()));
        let (armed, storing) = group.change(|it| {
            it.add(MemberMetadata::new("m".to_string(), None), "consumer");
            timers.schedule_session(&group, it, "m");
            it.outbox.store(commit(Box::new(|_| ())));
            Ok(())
        });
        assert_eq!((armed, timers.size()), (Ok(()), 1));
        let (sender, receiver) = mpsc::channel();
        let waiting = |sender: mpsc::Sender<Errors>| -> CommitCallback {
            Box::new(move |it: Vec<Result<_, _>>| sender.send(it[0].unwrap_err()).unwrap())
        };
        let store = |it: &mut GroupMetadata| {
            it.outbox.store(commit(waiting(sender.clone())));
            Ok(())
        };
        let _ = group.change(store);
        let (unloaded, owed) = group.unload(Errors::NotCoordinator);
        assert_eq!((unloaded, owed.has_failed), (Ok(()), false));
        owed.timers.into_iter().for_each(|timer| timers.cancel(Some(timer)));
        assert_eq!(timers.size(), 0);
        owed.answers.into_iter().for_each(|answer| answer());
        assert_eq!(receiver.try_recv(), Ok(Errors::NotCoordinator), "it waited for the first");
        let (_, late) = group.change(store);
        assert!(late.store.is_none() && storing.store.is_some());
        late.answers.into_iter().for_each(|answer| answer());
        assert_eq!(receiver.try_recv(), Ok(Errors::NotCoordinator));
        let (ended, owed) = group.end_store(|_| ());
        assert!(ended.is_ok() && owed.is_empty());
    }

    #[test]
    fn one_thread_at_a_time_stores_and_the_others_leave_theirs_to_it() {
        let group = Group::new(GroupMetadata::new("g", TimestampMs(0)));
        let push = |it: &mut GroupMetadata| {
            it.outbox.store(commit(Box::new(|_| ())));
            Ok(())
        };
        let (_, first) = group.change(push);
        assert!(first.store.is_some());
        let (_, second) = group.change(push);
        assert!(second.store.is_none() && !second.has_more, "the first thread appends it");
        let (_, third) = group.change(|it| {
            it.outbox.end_store();
            it.outbox.answer(Box::new(|()| ()), ());
            Ok(())
        });
        assert_eq!(third.answers.len(), 1);
        assert!(third.store.is_none() && third.has_more, "first the answer, then the store");
        assert!(group.change(|_| Ok(())).1.store.is_none(), "it is the third thread's to append");
        assert!(group.go_on().store.is_some());
    }

    #[test]
    fn stores_that_wait_for_a_slow_log_are_weighed_until_they_are_handed_out() {
        const QUEUED_BYTES_MAX: usize = 10_000;
        let group = Group::new(GroupMetadata::new("g", TimestampMs(0)));
        let push = |it: &mut GroupMetadata| {
            it.outbox.store(commit(Box::new(|_| ())));
            Ok(it.outbox.has_room(QUEUED_BYTES_MAX))
        };
        let (first, storing) = group.change(push);
        assert!(first.unwrap() && storing.store.is_some());
        let has_room = std::iter::repeat_with(|| group.change(push).0);
        let queued = 1 + has_room.take_while(|it| *it == Ok(true)).count();
        assert!((5..10).contains(&queued), "{queued} of more than 1024 bytes each");
        let Some(Store::Commits(together)) = group.end_store(|_| ()).1.store else { panic!("all") };
        assert_eq!(together.len(), queued);
        assert!(group.end_store(|_| ()).1.store.is_none());
        assert_eq!(group.look(|it| it.outbox.has_room(1)), Ok(true), "nothing is left");
    }

    fn record(generation_id: i32) -> Box<GroupValue> {
        Box::new(GroupValue { generation_id, ..GroupMetadata::new("g", TimestampMs(0)).value() })
    }

    #[test]
    fn of_the_generations_behind_a_slow_append_only_the_newest_is_stored() {
        let group = Group::new(GroupMetadata::new("g", TimestampMs(0)));
        let store = |store: Store| {
            let (_, owed) = group.change(|it| {
                it.outbox.store(store);
                Ok(())
            });
            owed
        };
        let storing = store(commit(Box::new(|_| ())));
        assert!(storing.store.is_some());
        for generation_id in 1..100 {
            let value = record(generation_id);
            assert!(store(Store::Assignment { value, generation_id }).store.is_none());
            assert!(store(Store::Empty { value: record(generation_id) }).store.is_none());
        }
        assert!(store(commit(Box::new(|_| ()))).store.is_none());
        let (_, owed) = group.end_store(|_| ());
        let Some(Store::Empty { value }) = owed.store else { panic!("the newest of the records") };
        assert_eq!(value.generation_id, 99);
        assert!(matches!(group.end_store(|_| ()).1.store, Some(Store::Commit(_))));
        assert!(group.end_store(|_| ()).1.store.is_none());
    }

    /// Each of these clients would else wait for the replicas as often as there are clients before it.
    #[test]
    fn commits_behind_a_slow_append_are_stored_together_as_far_as_nothing_else_is_between_them() {
        let group = Group::new(GroupMetadata::new("g", TimestampMs(0)));
        let store = |store: Store| {
            let (_, owed) = group.change(|it| {
                it.outbox.store(store);
                Ok(())
            });
            owed.store
        };
        assert!(matches!(store(commit(Box::new(|_| ()))), Some(Store::Commit(_))));
        for _ in 0..10 {
            assert!(store(commit(Box::new(|_| ()))).is_none());
        }
        assert!(store(Store::Empty { value: record(1) }).is_none());
        assert!(store(commit(Box::new(|_| ()))).is_none());
        let next = || group.end_store(|_| ()).1.store;
        let Some(Store::Commits(together)) = next() else { panic!("the ten") };
        assert_eq!(together.len(), 10);
        assert_eq!(Store::Commits(together).records("g").len(), 10);
        assert!(matches!(next(), Some(Store::Empty { .. })));
        assert!(matches!(next(), Some(Store::Commit(_))), "one alone is as it was");
        assert!(next().is_none());
        assert_eq!(group.look(|it| it.outbox.has_room(1)), Ok(true), "nothing is left");
    }

    #[test]
    fn what_is_stored_together_stays_far_below_the_largest_batch_that_a_topic_takes() {
        const COMMITS: usize = 1_000;
        let group = Group::new(GroupMetadata::new(&"g".repeat(1_000), TimestampMs(0)));
        let (_, owed) = group.change(|it| {
            (0..=COMMITS).for_each(|_| it.outbox.store(commit(Box::new(|_| ()))));
            Ok(())
        });
        let mut stores = vec![owed.store.unwrap()];
        while let Some(store) = group.end_store(|_| ()).1.store {
            stores.push(store);
        }
        let records: Vec<_> = stores.iter().map(|it| it.records(group.group_id())).collect();
        assert_eq!(records.iter().map(Vec::len).sum::<usize>(), COMMITS + 1);
        let bytes =
            |(key, value): &(Vec<u8>, Option<Vec<u8>>)| key.len() + value.as_ref().unwrap().len();
        let largest = records.iter().map(|it| it.iter().map(bytes).sum::<usize>()).max().unwrap();
        assert!((16 * 1024..32 * 1024).contains(&largest), "{largest}");
    }

    #[test]
    fn commits_that_are_stored_together_are_answered_one_by_one() {
        let (sender, receiver) = mpsc::channel();
        let of = |number: i32| {
            let sender = sender.clone();
            let answer = move |it: Vec<Result<(), Errors>>| sender.send((number, it[0])).unwrap();
            match commit(Box::new(answer)) {
                Store::Commit(commit) => commit,
                _ => panic!("a commit"),
            }
        };
        let mut together = Store::Commits(vec![of(1), of(2)]);
        together.abandon(Errors::NotCoordinator).into_iter().for_each(|answer| answer());
        assert!(together.abandon(Errors::NotCoordinator).is_empty(), "each has one answer");
        drop((sender, together));
        let error = Err(Errors::NotCoordinator);
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [(1, error), (2, error)]);
    }

    #[test]
    fn a_reader_that_panics_leaves_the_group_whole() {
        let group = Group::new(GroupMetadata::new("g", TimestampMs(0)));
        let panicked = group.look(|_| -> i32 { panic!("while the group is read") });
        assert_eq!(panicked, Err(Errors::UnknownServerError));
        assert_eq!(group.look(|it| it.size()), Ok(0));
        assert_eq!(group.change(|_| Ok(1)).0, Ok(1));
    }

    #[test]
    fn the_thread_that_stores_a_group_loads_it_again_if_another_one_fails_it() {
        let group = Group::new(GroupMetadata::new("g", TimestampMs(0)));
        let (_, storing) = group.change(|it| {
            it.outbox.store(commit(Box::new(|_| ())));
            Ok(())
        });
        assert!(storing.store.is_some());
        let (_, owed) = group.change(|_| -> Result<(), Errors> { panic!("a fault") });
        assert!(!owed.has_failed, "its record may not be in the log yet");
        let (result, owed) = group.end_store(|_| ());
        assert_eq!(result, Err(Errors::NotCoordinator));
        assert!(owed.has_failed);
    }
}
