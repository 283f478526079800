//! Not in Kafka: how a request that waits learns that its client has hung up.
//!
//! A connection is not read while its request waits, so nobody in Kafka sees that the client is
//! gone: a long poll keeps its connection until its time runs out. Here the reactor sees it and
//! [notes](HangUp::note) it. It does not end the wait itself, since that reads logs and encodes an
//! answer: a request handler does, by [`tell`](HangUp::tell).
//!
//! What holds:
//! - An end is final. A request that begins to wait after its client has hung up does not wait.
//! - No end is missed: a request is [watched](HangUp::watch) before anything can complete it, and
//!   [looks again](HangUp::look_again) once it waits. An end that comes before the watch is seen by
//!   that look; one that comes later is told.
//! - So an end may be told twice, and may be told while the request is answered. Whatever is called
//!   here does nothing for a request that is over.
//! - Nothing is called under the lock.

use std::fmt;
use std::sync::{Arc, Mutex};

use crate::common::lock::locked;

/// How far a client has hung up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It sends nothing more, but may still read: it is owed an answer.
    HalfClosed,
    /// The connection is closed.
    Gone,
}

/// What one connection knows of its client's end: shared by the reactor, which has the connection,
/// and by the one request of it that is under way.
#[derive(Default)]
pub struct HangUp {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ending: Option<Ending>,
    /// Ends the wait of the request under way, if it waits.
    end_wait: Option<EndWait>,
    /// Whether a request handler is to [`tell`](HangUp::tell) already.
    is_queued: bool,
}

type EndWait = Arc<dyn Fn(Ending) + Send + Sync>;

/// For the reactor.
impl HangUp {
    /// The client has hung up. Returns whether a request waits and nobody is to
    /// [`tell`](Self::tell) it yet: then the caller sees to that.
    pub fn note(&self, ending: Ending) -> bool {
        let mut state = locked(&self.state);
        state.ending = Some(ending);
        let is_due = state.end_wait.is_some() && !state.is_queued;
        state.is_queued |= is_due;
        is_due
    }
}

/// For request handlers.
impl HangUp {
    /// Ends the wait, if the request still waits.
    pub fn tell(&self) {
        locked(&self.state).is_queued = false;
        self.look_again();
    }

    /// The request under way may have to wait from now on: `end_wait` is called when its client
    /// hangs up. It must not own what it ends, which may own this.
    pub fn watch(&self, end_wait: impl Fn(Ending) + Send + Sync + 'static) {
        let before = locked(&self.state).end_wait.replace(Arc::new(end_wait));
        drop(before); // Outside the lock.
    }

    /// The request waits by now: if its client hung up before the watch began, ends the wait.
    pub fn look_again(&self) {
        let (ending, end_wait) = {
            let state = locked(&self.state);
            (state.ending, state.end_wait.clone())
        };
        if let (Some(ending), Some(end_wait)) = (ending, end_wait) {
            end_wait(ending);
        }
    }

    /// The request under way is over, and the next one has not begun.
    pub fn unwatch(&self) {
        let before = locked(&self.state).end_wait.take();
        drop(before); // Outside the lock.
    }

    /// Whether the connection is closed, so that an answer would reach nobody.
    pub fn is_gone(&self) -> bool {
        locked(&self.state).ending == Some(Ending::Gone)
    }
}

impl fmt::Debug for HangUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HangUp({:?})", locked(&self.state).ending)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn watched(hang_up: &HangUp) -> mpsc::Receiver<Ending> {
        let (sender, receiver) = mpsc::channel();
        hang_up.watch(move |ending| sender.send(ending).unwrap());
        receiver
    }

    #[test]
    fn a_request_that_waits_is_told_of_an_end_and_told_once() {
        let hang_up = HangUp::default();
        let told = watched(&hang_up);
        assert!(hang_up.note(Ending::HalfClosed), "a handler has to tell it");
        assert!(!hang_up.note(Ending::Gone), "one is to tell it already");
        assert!(told.try_recv().is_err(), "the reactor itself ends no wait");
        hang_up.tell();
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [Ending::Gone]);
    }

    #[test]
    fn an_end_before_the_watch_is_seen_by_the_next_look() {
        let hang_up = HangUp::default();
        assert!(!hang_up.note(Ending::HalfClosed), "nobody waits");
        let told = watched(&hang_up);
        hang_up.look_again();
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [Ending::HalfClosed]);
    }

    #[test]
    fn a_request_that_is_over_is_not_told() {
        let hang_up = HangUp::default();
        let first = watched(&hang_up);
        hang_up.unwatch();
        assert!(!hang_up.note(Ending::HalfClosed));
        hang_up.tell();
        assert!(first.recv().is_err(), "its watch is dropped, and was never called");
        let second = watched(&hang_up);
        hang_up.look_again();
        assert_eq!(second.try_recv(), Ok(Ending::HalfClosed), "the end is the connection's");
    }
}
