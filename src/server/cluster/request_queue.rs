//! Port of `NodeToControllerRequestThread.requestQueue`: what waits for the active controller.

use std::collections::VecDeque;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use log::error;

use crate::common::lock::{locked, locked_again};
use crate::server::cluster::controller_channel::{
    ControllerCallback, ControllerError, ControllerRequest, ControllerResponse,
};

/// A request, and who waits for its response.
pub(super) struct QueueItem {
    pub(super) request: ControllerRequest,
    pub(super) callback: ControllerCallback,
    /// When its time has run out, by the monotonic clock.
    pub(super) deadline_ms: i64,
}

/// The requests in the order in which they are sent. Whoever sends them bounds how many there are.
#[derive(Default)]
pub(super) struct RequestQueue {
    state: Mutex<QueueState>,
    is_changed: Condvar,
}

#[derive(Default)]
struct QueueState {
    items: VecDeque<QueueItem>,
    is_closed: bool,
}

impl RequestQueue {
    pub(super) fn put(&self, item: QueueItem) {
        self.put_unless_closed(item, VecDeque::push_back);
    }

    /// For a request that has to be sent again.
    pub(super) fn put_first(&self, item: QueueItem) {
        self.put_unless_closed(item, VecDeque::push_front);
    }

    fn put_unless_closed(&self, item: QueueItem, put: fn(&mut VecDeque<QueueItem>, QueueItem)) {
        let mut state = locked(&self.state);
        if state.is_closed {
            drop(state);
            return complete(item, Err(ControllerError::ShuttingDown));
        }
        put(&mut state.items, item);
        drop(state);
        self.is_changed.notify_all();
    }

    /// Waits until there is a request. Returns false when the queue is closed.
    pub(super) fn wait_for_any(&self) -> bool {
        let mut state = locked(&self.state);
        while state.items.is_empty() && !state.is_closed {
            state = locked_again(self.is_changed.wait(state));
        }
        !state.is_closed
    }

    /// Waits for so long, and not beyond the moment at which the queue is closed.
    pub(super) fn pause(&self, duration: Duration) {
        let state = locked(&self.state);
        let is_open = |state: &mut QueueState| !state.is_closed;
        let waited = self.is_changed.wait_timeout_while(state, duration, is_open);
        drop(locked_again(waited));
    }

    /// The first request, when those whose time has run out are out of the way.
    pub(super) fn take(&self, now_ms: i64) -> Option<QueueItem> {
        let mut state = locked(&self.state);
        let items = mem::take(&mut state.items);
        let (expired, live) = items.into_iter().partition(|it| it.deadline_ms <= now_ms);
        state.items = live;
        let first = state.items.pop_front();
        drop(state);
        fail_all(expired, &ControllerError::TimedOut);
        first
    }

    /// From now on every request fails, also those that wait.
    pub(super) fn close(&self) {
        let mut state = locked(&self.state);
        state.is_closed = true;
        let items = mem::take(&mut state.items);
        drop(state);
        self.is_changed.notify_all();
        fail_all(items, &ControllerError::ShuttingDown);
    }

    pub(super) fn is_closed(&self) -> bool {
        locked(&self.state).is_closed
    }

    /// How many requests wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        locked(&self.state).items.len()
    }
}

fn fail_all(items: VecDeque<QueueItem>, error: &ControllerError) {
    for item in items {
        complete(item, Err(error.clone()));
    }
}

/// Gives the request's sender what it waits for. A panic of theirs does not end the thread that serves
/// everybody.
pub(super) fn complete(item: QueueItem, result: Result<ControllerResponse<'_>, ControllerError>) {
    let QueueItem { request, callback, .. } = item;
    if catch_unwind(AssertUnwindSafe(|| callback(result))).is_err() {
        error!("the response to {} was not handled: the handler panicked", request.name);
    }
}
