//! What is left of a request while its answer is made: the half of
//! `kafka.network.RequestChannel.Request` that a response needs.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use log::{Level, error, info, log};

use crate::common::time::Time;
use crate::network::request_channel::{ReplyTo, Request, RequestChannel, Response, ResponseAction};
use crate::protocol::api_keys::ApiKeys;
use crate::protocol::header::RequestHeader;
use crate::protocol::request::{RequestBody, ResponseBody, response_bytes};
use crate::server::reply::refusal_log::RefusalLog;
use crate::server::reply::refusals::Refusals;
use crate::server::security::request_context::RequestContext;
use crate::transport::send;
use crate::transport::send::NetworkSend;

/// The first versions whose clients wait by themselves when the response says that they are
/// throttled (KIP-219).
const PRODUCE_CLIENT_THROTTLES_VERSION: i16 = 6;
const FETCH_CLIENT_THROTTLES_VERSION: i16 = 8;

/// The right, and the duty, to answer one request.
///
/// It travels with the callbacks, from the handler thread to the thread that completes the request,
/// and is used up by one of [`send`](Reply::send), [`no_operation`](Reply::no_operation) and
/// [`close_connection`](Reply::close_connection).
pub struct Reply {
    /// The header of the request: its version is the version of the answer.
    pub header: RequestHeader,
    /// The sender of the request, for the authorizer.
    pub context: RequestContext,
    /// Taken when the reply is used.
    reply_to: Option<ReplyTo>,
    request_channel: Arc<RequestChannel>,
    time: Arc<dyn Time>,
    local_complete_ns: LocalComplete,
    remote_complete_ns: Option<i64>,
    is_throttled: bool,
    refusal_log: Arc<RefusalLog>,
}

/// When the handler was done with a request whose answer has to wait for something: set once, by
/// the handler.
pub type LocalComplete = Arc<OnceLock<i64>>;

impl Reply {
    /// Takes a request apart: the reply to it, what it asks for, and its frame.
    pub fn split(
        request: Request,
        channel: &Arc<RequestChannel>,
        refusal_log: &Arc<RefusalLog>,
        time: &Arc<dyn Time>,
    ) -> (Self, RequestBody, Vec<u8>) {
        let reply_to = Some(request.reply_to());
        let Request { session, header, body, buffer, .. } = request;
        let reply = Self {
            header,
            context: RequestContext::new(session),
            reply_to,
            request_channel: Arc::clone(channel),
            time: Arc::clone(time),
            local_complete_ns: LocalComplete::default(),
            remote_complete_ns: None,
            is_throttled: false,
            refusal_log: Arc::clone(refusal_log),
        };
        (reply, body, buffer)
    }

    pub fn client(&self) -> SocketAddr {
        self.context.session.client_address
    }

    /// Where the handler notes that it is done, if the reply is still to come then.
    pub fn local_complete(&self) -> LocalComplete {
        Arc::clone(&self.local_complete_ns)
    }

    /// Notes that nothing is waited for any more, unless the client's quota wants a delay.
    pub fn remote_complete(&mut self) {
        self.remote_complete_ns = Some(self.time.nanoseconds());
    }

    /// What ends the delay of a client that waits by itself. Nothing for one of an older version:
    /// its answer has to be held back for the delay.
    pub fn end_of_mute(&self) -> Option<impl FnOnce(i32) + Send + use<>> {
        let reply_to = self.reply_to.filter(|_| self.client_waits())?;
        let request_channel = Arc::clone(&self.request_channel);
        Some(move |_delay_ms| request_channel.end_throttling(reply_to))
    }

    /// Whether a client that reads in the response that it is throttled waits before it asks again:
    /// Kafka's `shouldClientThrottle`.
    fn client_waits(&self) -> bool {
        let version = self.header.api_version;
        match self.header.api_key {
            ApiKeys::Produce => version >= PRODUCE_CLIENT_THROTTLES_VERSION,
            ApiKeys::Fetch => version >= FETCH_CLIENT_THROTTLES_VERSION,
            _ => false,
        }
    }

    /// Notes by how many milliseconds the client is delayed. If it waits by itself, nothing is read
    /// from it after the answer, until the [end of the mute](Self::end_of_mute).
    pub fn throttled_by(&mut self, delay_ms: i32) {
        self.is_throttled = delay_ms > 0 && self.client_waits();
    }

    /// Logs, in one line, what was refused of the request; nothing if nothing was.
    pub fn log_refusals(&self, refusals: &Refusals) {
        if refusals.is_empty() {
            return;
        }
        // A consumer of a deleted topic may ask again at once, and would hide all other refusals.
        let level = match self.header.api_key {
            ApiKeys::Fetch => Level::Debug,
            _ => self.next_level(),
        };
        log!(level, "{} request of {}: {refusals}", self.header.api_key.name(), self.client());
    }

    /// The level at which one more refusal is logged.
    fn next_level(&self) -> Level {
        let (may_log, suppressed) = self.refusal_log.may_log(self.time.hi_res_clock_ms());
        if suppressed > 0 {
            info!("{suppressed} more refusals were not logged.");
        }
        if may_log { Level::Info } else { Level::Debug }
    }

    /// Counts the errors that the answer has, of which `for_each_code` calls what it is given.
    pub fn count_errors(&self, for_each_code: impl FnOnce(&mut dyn FnMut(i16))) {
        self.request_channel.request_metrics().count_errors(self.header.api_key, for_each_code);
    }

    /// Answers with a body that fits into memory.
    pub fn send_body(self, body: &ResponseBody) {
        self.count_errors(|found| body.for_each_error_code(self.header.version(), found));
        let bytes = response_bytes(&self.header, body);
        self.send(Box::new(NetworkSend::new(bytes)));
    }

    pub fn send(self, send: Box<dyn send::Send>) {
        let is_throttled = self.is_throttled;
        let action =
            if is_throttled { ResponseAction::SendThrottled } else { ResponseAction::Send };
        self.answer(action(send));
    }

    /// Answers nothing, and lets the client's next request be read.
    pub fn no_operation(self) {
        self.answer(ResponseAction::NoOp);
    }

    /// Closes the connection: the only sign of an error for a client that expects no answer.
    pub fn close_connection(self) {
        self.answer(ResponseAction::CloseConnection);
    }

    /// Closes the connection because no answer can be made.
    pub fn give_up(self, why: &dyn fmt::Display) {
        let api = self.header.api_key.name();
        error!(
            "cannot answer the {api} request of {}; closing its connection: {why}",
            self.client()
        );
        self.close_connection();
    }

    fn answer(mut self, action: ResponseAction) {
        self.use_up(action);
    }

    fn use_up(&mut self, action: ResponseAction) {
        let Some(mut reply_to) = self.reply_to.take() else { return };
        self.context.denials.log(self.header.api_key.name(), || self.next_level());
        reply_to.times.api_local_complete_ns = self.local_complete_ns.get().copied();
        let remote_complete_ns = self.remote_complete_ns.unwrap_or_else(|| self.time.nanoseconds());
        reply_to.times.api_remote_complete_ns = Some(remote_complete_ns);
        self.request_channel.send_response(Response { reply_to, action });
    }
}

/// A reply that is dropped unused was lost to a panic: its client must not wait on a muted
/// connection for ever.
impl Drop for Reply {
    fn drop(&mut self) {
        if self.reply_to.is_some() {
            let api = self.header.api_key.name();
            error!("the {api} request of {} got no answer; closing its connection", self.client());
            self.use_up(ResponseAction::CloseConnection);
        }
    }
}
