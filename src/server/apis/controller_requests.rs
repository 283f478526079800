//! Port of `ControllerApis`: the requests that the controller's thread handles, because what they
//! change takes the disk.

use std::sync::Arc;

use crate::common::subject::Carried;
use crate::server::apis::parts::Parts;
use crate::server::metadata::controller_event_manager::{ControllerEvent, ControllerEventManager};
use crate::server::reply::reply::Reply;

/// Where a request handler leaves such a request.
#[derive(Clone)]
pub(crate) struct ControllerRequests {
    events: Arc<ControllerEventManager>,
}

impl ControllerRequests {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        Self { events: Arc::clone(&parts.controller_events) }
    }

    /// Has `handle` called with the reply when the changes before it are made.
    pub(crate) fn put(&self, reply: Reply, handle: impl FnOnce(Reply) + Send + 'static) {
        let on_behalf_of = Carried::along();
        self.events.put(Box::new(ControllerRequest { reply, handle, on_behalf_of }));
    }
}

struct ControllerRequest<F> {
    reply: Reply,
    handle: F,
    on_behalf_of: Carried,
}

impl<F: FnOnce(Reply) + Send> ControllerEvent for ControllerRequest<F> {
    fn process(self: Box<Self>) {
        let _request = self.on_behalf_of.resume();
        (self.handle)(self.reply);
    }

    fn is_moot(&self) -> bool {
        self.reply.hang_up().is_gone()
    }

    /// Its client has lost the connection already, and does not know what became of the change: it
    /// was not made.
    fn preempt(self: Box<Self>) {
        self.reply.close_connection();
    }
}
