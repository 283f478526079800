//! What a change of a group leaves to be done when the group's lock is released: answers to its
//! clients, and records for `__consumer_offsets`.
//!
//! Under the lock, a change only puts them here. [`Owed`] is the part that the thread that releases
//! the lock must do: run callbacks, which encode and write to sockets, or append records, which
//! goes to the disk.
//!
//! The order of a group's records in the log is the order of its changes in memory: stores form a
//! queue, and one thread at a time appends, each store when the one before it is complete. A thread
//! that finds another one appending leaves its store in the queue. A store is complete when its
//! result has been applied to the group, under the lock again; so memory and log agree. Kafka lets
//! several appends of a group run at once and has the appended offsets decide between commits
//! (`CommitRecordMetadataAndOffset`); tombstones may then pass a commit.
//!
//! In a cluster a store is complete when the other replicas have it, which takes a fetch of each. The
//! commits that come meanwhile then go into the log together, in one batch and in their order: however
//! many members a group has, a commit waits for the batch before its own and for its own.
//!
//! No callback runs while its thread counts as the one that appends: it may change the same group
//! and wait for the log. A thread whose change has no store never gets one that others have left:
//! a heartbeat does not wait for their appends.
//!
//! The queue holds at most one assignment or empty group, since a newer record of the group replaces
//! it. Every other store belongs to a request that is not answered before the store is complete, or
//! to the expiry of offsets, which leaves a group alone that has a store. So while its client waits,
//! each connection has at most one store in the queue. A client that does not wait leaves its store
//! here and may come again, so the queue is weighed, and refuses commits beyond a limit.

use std::collections::VecDeque;

use crate::common::errors::Errors;
use crate::coordinator::group_results::{Answer, Callback};
use crate::coordinator::group_store::{OffsetCommit, Store};
use crate::purgatory::timing_wheel::TimerTaskId;

/// How much of a batch commits may fill that go into the log together: far less than a topic's
/// `max.message.bytes`, or all of them would fail for the size of one.
const COMMITS_PER_BATCH_BYTES: usize = 32 * 1024;

/// The answers and stores of one group.
#[derive(Default)]
pub struct Outbox {
    /// The length of the group's id, which is in the key of each record.
    group_id_bytes: usize,
    answers: Vec<Answer>,
    stores: VecDeque<Store>,
    /// The sum over `stores`.
    queued_bytes: usize,
    /// Whether a thread appends a store of the group.
    is_storing: bool,
    /// Whether the thread that holds the lock sees to the queue: it has put a store into it, or has
    /// come back to it.
    is_due: bool,
    is_removed: bool,
    /// Why nothing is stored any more: this broker does not coordinate the group.
    closed_by: Option<Errors>,
}

/// What the thread that has released the group's lock must do. The group's later stores wait for
/// ever if it does not.
#[derive(Default)]
#[must_use]
pub struct Owed {
    /// To be called first.
    pub answers: Vec<Answer>,
    /// To be appended, and completed with the result.
    pub store: Option<Store>,
    /// Whether stores wait until the answers have been called, and this thread comes back for them.
    pub has_more: bool,
    /// Whether the group is to be dropped from the table: it has been removed.
    pub is_removed: bool,
    /// Whether the group is to be loaded again: a change of it has panicked.
    pub has_failed: bool,
    /// The timers of a group that has failed or was unloaded, to be cancelled.
    pub timers: Vec<TimerTaskId>,
    /// A store whose answer has come from the log, to be completed with it.
    pub stored: Option<(Box<Store>, Result<(), Errors>)>,
}

impl Owed {
    /// Of a group that has failed and has nothing else to be done.
    pub fn reload() -> Self {
        Self { has_failed: true, ..Self::default() }
    }

    /// Of a store whose answer has come.
    pub fn stored(store: Box<Store>, stored: Result<(), Errors>) -> Self {
        Self { stored: Some((store, stored)), ..Self::default() }
    }

    /// Whether anything is left to be done.
    pub fn is_empty(&self) -> bool {
        let is_done = self.answers.is_empty() && self.store.is_none() && self.timers.is_empty();
        is_done && self.stored.is_none() && !self.has_more && !self.is_removed && !self.has_failed
    }
}

impl Outbox {
    pub fn of_group(group_id: &str) -> Self {
        Self { group_id_bytes: group_id.len(), ..Self::default() }
    }

    pub fn answer<T: Send + 'static>(&mut self, callback: Callback<T>, result: T) {
        self.answers.push(Box::new(move || callback(result)));
    }

    /// Answers with the callback of `held`, if it is still there. Only here is it taken out: after a
    /// panic on the way to here the owner of `held` finds it, and answers that the group has failed.
    pub fn answer_held<T: Send + 'static>(&mut self, held: &mut Option<Callback<T>>, result: T) {
        if let Some(callback) = held.take() {
            self.answer(callback, result);
        }
    }

    pub fn push_answers(&mut self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.extend(answers);
    }

    /// Queues a store, or fails it if the outbox is [closed](Self::close). An assignment or an empty
    /// group that still waits is moot if `store` is one, too: its generation is over, and the log needs
    /// the newest record only.
    pub fn store(&mut self, mut store: Store) {
        if let Some(error) = self.closed_by {
            self.answers.extend(store.abandon(error));
            return;
        }
        if store.is_of_generation() {
            self.stores.retain(|it| !it.is_of_generation());
            self.queued_bytes = self.stores.iter().map(Store::bytes).sum();
        }
        self.queued_bytes += store.bytes();
        self.stores.push_back(store);
        self.is_due = true;
    }

    /// Whether the stores that wait take less than `queued_bytes_max`: a client that leaves without
    /// its answer, and comes again, leaves its store here.
    pub fn has_room(&self, queued_bytes_max: usize) -> bool {
        self.queued_bytes < queued_bytes_max
    }

    /// Goes on with a store that takes several appends, before any other.
    pub fn store_next(&mut self, mut store: Store) {
        if let Some(error) = self.closed_by {
            self.answers.extend(store.abandon(error));
            return;
        }
        self.queued_bytes += store.bytes();
        self.stores.push_front(store);
        self.is_due = true;
    }

    /// Whether a change of the group is not yet in the log.
    pub fn is_storing(&self) -> bool {
        self.is_storing || !self.stores.is_empty()
    }

    /// The store that [`owed`](Self::owed) has handed out is complete.
    pub fn end_store(&mut self) {
        self.is_storing = false;
        self.is_due = true;
    }

    /// The answers have been called that [`owed`](Self::owed) has handed out with `has_more`.
    pub fn go_on(&mut self) {
        self.is_due = true;
    }

    /// The group has been removed from the log.
    pub fn set_removed(&mut self) {
        self.is_removed = true;
    }

    /// The stores that wait fail with `error`, and so do those to come. One that has been handed out is
    /// completed by its thread.
    pub fn close(&mut self, error: Errors) {
        self.closed_by = Some(error);
        self.fail_stores(error);
    }

    /// Why the outbox is closed, if it is.
    pub fn closed_by(&self) -> Option<Errors> {
        self.closed_by
    }

    fn fail_stores(&mut self, error: Errors) {
        self.queued_bytes = 0;
        let stores = std::mem::take(&mut self.stores).into_iter();
        self.answers.extend(stores.flat_map(|mut it| it.abandon(error)));
    }

    /// Takes out what is due when the lock is released.
    pub fn owed(&mut self) -> Owed {
        let answers = std::mem::take(&mut self.answers);
        let is_due = std::mem::take(&mut self.is_due) && !self.is_storing;
        let store = if is_due && answers.is_empty() { self.take_store() } else { None };
        let has_more = is_due && store.is_none() && !self.stores.is_empty();
        self.is_storing |= store.is_some();
        let is_removed = std::mem::take(&mut self.is_removed);
        Owed { answers, store, has_more, is_removed, ..Owed::default() }
    }

    /// The first store that waits, and if it is a commit, the commits behind it as far as a batch has room.
    fn take_store(&mut self) -> Option<Store> {
        let first = self.pop_store()?;
        let Store::Commit(commit) = first else { return Some(first) };
        let mut batch_bytes = commit.record_bytes_max(self.group_id_bytes);
        let mut together = Vec::new();
        while let Some(next) = self.pop_commit(COMMITS_PER_BATCH_BYTES.saturating_sub(batch_bytes))
        {
            batch_bytes += next.record_bytes_max(self.group_id_bytes);
            together.push(next);
        }
        if together.is_empty() {
            return Some(Store::Commit(commit));
        }
        together.insert(0, commit);
        Some(Store::Commits(together))
    }

    /// The first store that waits, if it is a commit of at most so many bytes.
    fn pop_commit(&mut self, bytes_max: usize) -> Option<OffsetCommit> {
        let fits = |it: &OffsetCommit| it.record_bytes_max(self.group_id_bytes) <= bytes_max;
        if !matches!(self.stores.front(), Some(Store::Commit(next)) if fits(next)) {
            return None;
        }
        match self.pop_store() {
            Some(Store::Commit(commit)) => Some(commit),
            _ => None,
        }
    }

    fn pop_store(&mut self) -> Option<Store> {
        let store = self.stores.pop_front()?;
        self.queued_bytes -= store.bytes();
        Some(store)
    }

    /// Takes out what is due when no change of the group can be completed any more: all that wait
    /// are answered with `error`. The thread that appends, if there is one, sees for itself that
    /// the group has failed.
    pub fn abandon(&mut self, error: Errors) -> Owed {
        self.fail_stores(error);
        let answers = std::mem::take(&mut self.answers);
        Owed { answers, has_failed: !self.is_storing, ..Owed::default() }
    }
}
