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
//! result has been applied to the group, under the lock again; so memory and log agree, and nothing
//! is answered before it is in the log. Kafka lets several appends of a group run at once and has
//! the appended offsets decide between commits (`CommitRecordMetadataAndOffset`); tombstones may
//! then pass a commit.
//!
//! No callback runs while its thread counts as the one that appends: it may change the same group
//! and wait for the log. The queue is bounded by the connections, each with one request in flight.

use std::collections::VecDeque;

use crate::common::errors::Errors;
use crate::coordinator::group_results::{Answer, Callback};
use crate::coordinator::group_store::Store;

/// The answers and stores of one group.
#[derive(Default)]
pub struct Outbox {
    answers: Vec<Answer>,
    stores: VecDeque<Store>,
    /// Whether a thread appends a store of the group.
    is_storing: bool,
    is_removed: bool,
}

/// What the thread that has released the group's lock must do.
#[derive(Default)]
pub struct Owed {
    /// To be called first.
    pub answers: Vec<Answer>,
    /// To be appended, and completed with the result.
    pub store: Option<Store>,
    /// Whether stores wait until the answers have been called.
    pub has_more: bool,
    /// Whether the group is to be dropped from the table: it has been removed.
    pub is_removed: bool,
    /// Whether the group is to be loaded again: a change of it has panicked.
    pub has_failed: bool,
}

impl Outbox {
    pub fn answer<T: Send + 'static>(&mut self, callback: Callback<T>, result: T) {
        self.answers.push(Box::new(move || callback(result)));
    }

    pub fn push_answer(&mut self, answer: Answer) {
        self.answers.push(answer);
    }

    pub fn store(&mut self, store: Store) {
        self.stores.push_back(store);
    }

    /// Goes on with a store that takes several appends, before any other.
    pub fn store_next(&mut self, store: Store) {
        self.stores.push_front(store);
    }

    /// Whether a change of the group is not yet in the log.
    pub fn is_storing(&self) -> bool {
        self.is_storing || !self.stores.is_empty()
    }

    /// The store that [`owed`](Self::owed) has handed out is complete.
    pub fn end_store(&mut self) {
        self.is_storing = false;
    }

    /// The group has been removed from the log.
    pub fn set_removed(&mut self) {
        self.is_removed = true;
    }

    /// Takes out what is due when the lock is released.
    pub fn owed(&mut self) -> Owed {
        let answers = std::mem::take(&mut self.answers);
        let may_store = answers.is_empty() && !self.is_storing;
        let store = if may_store { self.stores.pop_front() } else { None };
        let has_more = !may_store && !self.is_storing && !self.stores.is_empty();
        self.is_storing |= store.is_some();
        let is_removed = std::mem::take(&mut self.is_removed);
        Owed { answers, store, has_more, is_removed, has_failed: false }
    }

    /// Takes out what is due when no change of the group can be completed any more: all that wait
    /// are answered with `error`. The thread that appends, if there is one, sees for itself that
    /// the group has failed.
    pub fn abandon(&mut self, error: Errors) -> Owed {
        let stores = std::mem::take(&mut self.stores).into_iter();
        self.answers.extend(stores.filter_map(|it| it.abandon(error)));
        let answers = std::mem::take(&mut self.answers);
        Owed { answers, has_failed: !self.is_storing, ..Owed::default() }
    }
}
