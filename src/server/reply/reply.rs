//! What is left of a request while its answer is made: the half of
//! `kafka.network.RequestChannel.Request` that a response needs.

use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use log::{Level, error, info, log};

use crate::common::errors::Errors;
use crate::common::time::Time;
use crate::network::request_channel::{
    ReplyTo, Request, RequestChannel, Response, ResponseAction, Session,
};
use crate::protocol::api_keys::ApiKeys;
use crate::protocol::header::RequestHeader;
use crate::protocol::request::{RequestBody, ResponseBody, response_bytes};
use crate::server::reply::refusal_log::RefusalLog;
use crate::transport::send;
use crate::transport::send::NetworkSend;

/// The right, and the duty, to answer one request.
///
/// It travels with the callbacks, from the handler thread to whoever completes the request, and is
/// used up by one of [`send`](Reply::send), [`no_operation`](Reply::no_operation) and
/// [`close_connection`](Reply::close_connection).
pub struct Reply {
    /// The header of the request: its version is the version of the answer.
    pub header: RequestHeader,
    /// Who sent the request.
    pub session: Session,
    /// Taken when the reply is used.
    reply_to: Option<ReplyTo>,
    request_channel: Arc<RequestChannel>,
    time: Arc<dyn Time>,
    local_complete_ns: LocalComplete,
    remote_complete_ns: Option<i64>,
    is_throttled: bool,
    denials: RefCell<Refusals>,
    refusal_log: Arc<RefusalLog>,
}

/// The first versions whose clients wait by themselves when they read that they are throttled
/// (KIP-219).
const PRODUCE_CLIENT_THROTTLES_VERSION: i16 = 6;
const FETCH_CLIENT_THROTTLES_VERSION: i16 = 8;

/// The target under which the log says who is denied what: Kafka's logger of this name.
pub const AUTHORIZER_LOG: &str = "kafka.authorizer.logger";

/// What is refused of a request that is answered all the same: how many of its topics or
/// partitions, and why the first.
///
/// It makes one line in the log, however many partitions a request names: nobody floods the log by
/// one request.
#[derive(Debug, Default)]
pub struct Refusals {
    count: usize,
    first: String,
}

impl Refusals {
    /// Refuses `what` (a topic, a partition) because of `why`.
    pub fn note(&mut self, what: &dyn fmt::Display, why: &dyn fmt::Display) {
        self.count_one(format_args!("{what}: {why}"));
    }

    fn count_one(&mut self, refusal: fmt::Arguments<'_>) {
        if self.count == 0 {
            self.first = refusal.to_string();
        }
        self.count += 1;
    }

    /// Whether nothing is refused.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
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
            session,
            reply_to,
            request_channel: Arc::clone(channel),
            time: Arc::clone(time),
            local_complete_ns: LocalComplete::default(),
            remote_complete_ns: None,
            is_throttled: false,
            denials: RefCell::default(),
            refusal_log: Arc::clone(refusal_log),
        };
        (reply, body, buffer)
    }

    /// The address of the client, for the log.
    pub fn client(&self) -> SocketAddr {
        self.session.client_address
    }

    /// Notes that the client was denied something, for one line in the log with the answer.
    pub fn note_denial(&self, denial: &dyn fmt::Display) {
        self.denials.borrow_mut().count_one(format_args!("{denial}"));
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

    /// Whether the client, told that it is throttled, waits before it asks again: Kafka's
    /// `shouldClientThrottle`.
    fn client_waits(&self) -> bool {
        let version = self.header.api_version;
        match self.header.api_key {
            ApiKeys::Produce => version >= PRODUCE_CLIENT_THROTTLES_VERSION,
            ApiKeys::Fetch => version >= FETCH_CLIENT_THROTTLES_VERSION,
            _ => false,
        }
    }

    /// Says by how much the client is delayed, in milliseconds. If it waits by itself, nothing is
    /// read from it after the answer, until the [end of the mute](Self::end_of_mute).
    pub fn throttled_by(&mut self, delay_ms: i32) {
        self.is_throttled = delay_ms > 0 && self.client_waits();
    }

    /// Tells the log, in one line, who asked for what was refused; nothing if nothing was.
    pub fn log_refusals(&self, refusals: &Refusals) {
        let Refusals { count, first } = refusals;
        if !refusals.is_empty() {
            let (api, client) = (self.header.api_key.name(), self.client());
            // A consumer of a deleted topic may ask again at once, and would hide all others.
            let level = if self.header.api_key == ApiKeys::Fetch {
                Level::Debug
            } else {
                self.next_level()
            };
            log!(level, "{api} request of {client}: {count} refused, the first is {first}");
        }
    }

    /// The level at which the log is told of one more refusal.
    fn next_level(&self) -> Level {
        let (may_tell, untold) = self.refusal_log.may_tell(self.time.hi_res_clock_ms());
        if untold > 0 {
            info!("{untold} more refusals were left out.");
        }
        if may_tell { Level::Info } else { Level::Debug }
    }

    /// Answers with a body that fits into memory.
    pub fn send_body(self, body: &ResponseBody) {
        let bytes = response_bytes(&self.header, body);
        self.send(Box::new(NetworkSend::new(bytes)));
    }

    /// Answers with `error` for everything that was asked, or closes the connection if the client
    /// expects no answer.
    pub fn send_error(self, request: &RequestBody, error: Errors) {
        match request.error_response(error) {
            Some(body) => self.send_body(&body),
            None => self.close_connection(),
        }
    }

    /// Answers with `send`.
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

    /// Closes the connection: the only way to tell a client that expects no answer.
    pub fn close_connection(self) {
        self.answer(ResponseAction::CloseConnection);
    }

    /// Closes the connection because no answer can be made.
    pub fn give_up(self, why: &dyn fmt::Display) {
        let api = self.header.api_key.name();
        error!(
            "Cannot answer the {api} request of {}, so its connection closes: {why}",
            self.client()
        );
        self.close_connection();
    }

    /// Tells the log what was denied, in one line for the whole request.
    fn log_denials(&self) {
        let Refusals { count, first } = &*self.denials.borrow();
        if *count > 0 {
            let (api, level) = (self.header.api_key.name(), self.next_level());
            let more = if *count > 1 { format!(", the first of {count}") } else { String::new() };
            log!(target: AUTHORIZER_LOG, level, "{first} for request = {api}{more}");
        }
    }

    fn answer(mut self, action: ResponseAction) {
        self.use_up(action);
    }

    fn use_up(&mut self, action: ResponseAction) {
        let Some(mut reply_to) = self.reply_to.take() else { return };
        self.log_denials();
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
            error!("The {api} request of {} got no answer; its connection closes.", self.client());
            self.use_up(ResponseAction::CloseConnection);
        }
    }
}
