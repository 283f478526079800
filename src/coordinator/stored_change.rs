//! No model in Kafka 0.9, whose coordinator removes neither groups nor offsets on request: a change of a group
//! whose client is answered when its records are stored.

use std::sync::{Arc, Mutex};

use crate::common::errors::Errors;
use crate::common::lock::locked;
use crate::coordinator::group_results::{Callback, DoneCallback};

/// What a change has returned, or why it was refused or not stored.
pub type StoredCallback<R> = Callback<Result<R, Errors>>;

/// Waits for what the change returns and for what becomes of its store: with one replica the store is first,
/// with more as a rule the other.
pub struct StoredChange<R> {
    state: Mutex<State<R>>,
}

struct State<R> {
    /// Taken with the answer.
    callback: Option<StoredCallback<R>>,
    returned: Option<R>,
    stored: Option<Result<(), Errors>>,
}

/// If it is dropped, the store has come to no end: its group has failed.
struct Storing<R: Send + 'static> {
    change: Arc<StoredChange<R>>,
}

impl<R: Send + 'static> StoredChange<R> {
    pub fn new(callback: StoredCallback<R>) -> Arc<Self> {
        let state = State { callback: Some(callback), returned: None, stored: None };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// The callback of the store.
    pub fn on_stored(self: &Arc<Self>) -> DoneCallback {
        let storing = Storing { change: Arc::clone(self) };
        Box::new(move |stored| storing.change.stored(stored))
    }

    /// The change has returned. Without an error, its store has come to an end or will.
    pub fn returned(&self, returned: Result<R, Errors>) {
        match returned {
            Ok(returned) => {
                let mut state = locked(&self.state);
                state.returned = Some(returned);
                let answer = state.take_answer();
                drop(state);
                call(answer);
            }
            Err(error) => {
                let callback = locked(&self.state).callback.take();
                call(callback.map(|callback| (callback, Err(error))));
            }
        }
    }

    fn stored(&self, stored: Result<(), Errors>) {
        let mut state = locked(&self.state);
        state.stored.get_or_insert(stored);
        let answer = state.take_answer();
        drop(state);
        call(answer);
    }
}

impl<R: Send + 'static> Drop for Storing<R> {
    fn drop(&mut self) {
        self.change.stored(Err(Errors::UnknownServerError));
    }
}

impl<R> State<R> {
    /// When both are known.
    fn take_answer(&mut self) -> Option<(StoredCallback<R>, Result<R, Errors>)> {
        let stored = self.stored.filter(|_| self.returned.is_some())?;
        let callback = self.callback.take()?;
        let returned = self.returned.take()?;
        Some((callback, stored.map(|()| returned)))
    }
}

fn call<R>(answer: Option<(StoredCallback<R>, Result<R, Errors>)>) {
    if let Some((callback, answer)) = answer {
        callback(answer);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn change() -> (Arc<StoredChange<i32>>, mpsc::Receiver<Result<i32, Errors>>) {
        let (sender, answers) = mpsc::channel();
        (StoredChange::new(Box::new(move |it| sender.send(it).unwrap())), answers)
    }

    #[test]
    fn the_answer_comes_with_the_later_of_return_and_store() {
        let (first_returned, answers) = change();
        let on_stored = first_returned.on_stored();
        first_returned.returned(Ok(1));
        assert!(answers.try_recv().is_err(), "it is not stored yet");
        on_stored(Ok(()));
        assert_eq!(answers.recv(), Ok(Ok(1)));

        let (first_stored, answers) = change();
        first_stored.on_stored()(Err(Errors::NotCoordinator));
        assert!(answers.try_recv().is_err(), "a refusal of the change would count");
        first_stored.returned(Ok(2));
        assert_eq!(answers.recv(), Ok(Err(Errors::NotCoordinator)));
    }

    #[test]
    fn a_change_that_is_refused_is_answered_once_though_its_store_is_dropped() {
        let (refused, answers) = change();
        let on_stored = refused.on_stored();
        refused.returned(Err(Errors::NonEmptyGroup));
        drop((on_stored, refused));
        assert_eq!(answers.iter().collect::<Vec<_>>(), [Err(Errors::NonEmptyGroup)]);
    }

    #[test]
    fn a_store_that_comes_to_no_end_is_an_unknown_error() {
        let (lost, answers) = change();
        drop(lost.on_stored());
        lost.returned(Ok(1));
        assert_eq!(answers.recv(), Ok(Err(Errors::UnknownServerError)));
    }
}
