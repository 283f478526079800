//! Port of the callbacks of `GroupMetadataManager.appendForGroup`: a store between the append of its
//! records and the answer of the replicas.
//!
//! With one replica the answer is there when the append returns, and the thread that has appended goes
//! on with it. Otherwise that thread leaves the store here, and is free for other requests: whoever
//! brings the answer takes the store along.

use std::sync::Mutex;

use crate::common::errors::Errors;
use crate::common::lock::locked;
use crate::coordinator::group_store::Store;

/// What became of an append: the first answer counts.
#[derive(Default)]
pub struct Append {
    state: Mutex<State>,
}

#[derive(Default)]
enum State {
    /// The thread that appends has not come back.
    #[default]
    Appending,
    Answered(Result<(), Errors>),
    /// The store waits for its answer.
    Left(Box<Store>),
    Over,
}

impl Append {
    /// The answer of the log. Returns the store if it was left: then the caller has to complete it.
    pub fn answer(&self, stored: Result<(), Errors>) -> Option<Box<Store>> {
        let mut state = locked(&self.state);
        match std::mem::take(&mut *state) {
            State::Appending => *state = State::Answered(stored),
            State::Left(store) => {
                *state = State::Over;
                return Some(store);
            }
            before => *state = before,
        }
        None
    }

    /// The append has returned. Gives the store back with its answer; if there is none yet, leaves the
    /// store.
    pub fn answer_or_leave(&self, store: Store) -> Option<(Store, Result<(), Errors>)> {
        let mut state = locked(&self.state);
        if let State::Answered(stored) = *state {
            *state = State::Over;
            return Some((store, stored));
        }
        *state = State::Left(Box::new(store));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::group_store::GroupRemoval;

    fn store() -> Store {
        Store::RemoveGroup(GroupRemoval::begin(None))
    }

    #[test]
    fn an_answer_during_the_append_is_its_thread_s_to_go_on_with() {
        let append = Append::default();
        assert!(append.answer(Err(Errors::NotCoordinator)).is_none());
        assert!(append.answer(Ok(())).is_none(), "the first one counts");
        let (_, stored) = append.answer_or_leave(store()).unwrap();
        assert_eq!(stored, Err(Errors::NotCoordinator));
        assert!(append.answer(Ok(())).is_none(), "it is over");
    }

    #[test]
    fn an_answer_after_the_append_brings_the_store_back_once() {
        let append = Append::default();
        assert!(append.answer_or_leave(store()).is_none());
        assert!(append.answer(Ok(())).is_some());
        assert!(append.answer(Ok(())).is_none());
    }
}
