//! What is left of a request while its answer is made: the half of
//! `kafka.network.RequestChannel.Request` that a response needs.

use std::fmt;
use std::mem;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use log::{Level, log};

use crate::common::hang_up::HangUp;
use crate::common::log_limit::{LogKind, limited};
use crate::common::memory_pool::{MemoryDraw, Shortage, Stage};
use crate::common::time::Time;
use crate::network::request_channel::{ReplyTo, Request, RequestChannel, Response, ResponseAction};
use crate::protocol::api_keys::ApiKeys;
use crate::protocol::header::RequestHeader;
use crate::protocol::request::{EncodeError, RequestBody, ResponseBody, response_bytes};
use crate::server::reply::refusals::Refusals;
use crate::server::security::request_context::RequestContext;
use crate::transport::network_receive::Frame;
use crate::transport::send;
use crate::transport::send::{DrawnSend, NetworkSend};

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
    /// The frame of the request if it may have to be handled again, else an empty one.
    frame: Frame,
    /// What the request takes, decoded, until it is answered.
    memory: MemoryDraw,
    /// Taken when the reply is used.
    reply_to: Option<ReplyTo>,
    request_channel: Arc<RequestChannel>,
    time: Arc<dyn Time>,
    local_complete_ns: LocalComplete,
    remote_complete_ns: Option<i64>,
    is_throttled: bool,
    hang_up: Arc<HangUp>,
}

/// When the handler was done with a request whose answer has to wait for something: set once, by
/// the handler.
pub type LocalComplete = Arc<OnceLock<i64>>;

impl Reply {
    /// Takes a request apart: the reply to it, what it asks for, and its frame; an empty one if the
    /// reply keeps it.
    pub fn split(
        request: Request,
        channel: &Arc<RequestChannel>,
        time: &Arc<dyn Time>,
    ) -> (Self, RequestBody, Frame) {
        let reply_to = Some(request.reply_to());
        let Request { session, header, body, frame, memory, hang_up, .. } = request;
        let nothing = Frame::empty(memory.pool());
        let (kept, frame) = match header.api_key.only_reads() {
            true => (frame, nothing),
            false => (nothing, frame),
        };
        let reply = Self {
            header,
            context: RequestContext::new(session),
            frame: kept,
            memory,
            reply_to,
            request_channel: Arc::clone(channel),
            time: Arc::clone(time),
            local_complete_ns: LocalComplete::default(),
            remote_complete_ns: None,
            is_throttled: false,
            hang_up,
        };
        (reply, body, frame)
    }

    pub fn client(&self) -> SocketAddr {
        self.context.session.client_address
    }

    /// Tells a request that waits that its client has hung up. It is watched no longer once the reply
    /// is used.
    pub fn hang_up(&self) -> &Arc<HangUp> {
        &self.hang_up
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
            _ => limited(LogKind::Refusals, Level::Info),
        };
        log!(level, "{} request of {}: {refusals}", self.header.api_key.name(), self.client());
    }

    /// Gives up the frame of a request that may wait: it is not handled again.
    pub fn release_frame(&mut self) {
        self.frame = Frame::empty(self.memory.pool());
    }

    /// Counts the errors that the answer has, of which `for_each_code` calls what it is given.
    pub fn count_errors(&self, for_each_code: impl FnOnce(&mut dyn FnMut(i16))) {
        self.request_channel.request_metrics().count_errors(self.header.api_key, for_each_code);
    }

    /// Answers with a body, which is encoded here.
    pub fn send_body(self, body: &ResponseBody) {
        let mut memory = MemoryDraw::new(self.memory.pool());
        match response_bytes(&self.header, body, &mut memory) {
            Ok(bytes) => {
                self.count_errors(|found| body.for_each_error_code(self.header.version(), found));
                match NetworkSend::new(bytes) {
                    Ok(send) => self.send_drawn(Box::new(send), memory),
                    Err(error) => self.give_up(&error),
                }
            }
            Err(EncodeError::OutOfMemory(shortage)) => self.retry(shortage),
            Err(error) => self.give_up(&error),
        }
    }

    /// Answers with a response that somebody else has made: header and body, without the 4-byte size in
    /// front. If there is no memory to keep it in, the connection is closed.
    pub fn send_bytes(self, bytes: Vec<u8>) {
        let mut memory = MemoryDraw::new(self.memory.pool());
        if let Err(shortage) = memory.grow_to(bytes.len(), Stage::Answer) {
            return self.give_up(&shortage);
        }
        match NetworkSend::new(bytes) {
            Ok(send) => self.send_drawn(Box::new(send), memory),
            Err(error) => self.give_up(&error),
        }
    }

    /// What the request takes, decoded.
    pub fn memory_bytes(&self) -> usize {
        self.memory.bytes()
    }

    /// The same, for a request that is found to take more than it brought along.
    pub fn memory(&mut self) -> &mut MemoryDraw {
        &mut self.memory
    }

    /// The memory of a request of which the answer is made without being encoded: it goes with that.
    pub fn take_memory(&mut self) -> MemoryDraw {
        let nothing = MemoryDraw::new(self.memory.pool());
        mem::replace(&mut self.memory, nothing)
    }

    /// As [`send`](Self::send), with the memory that was drawn for it.
    pub fn send_drawn(self, send: Box<dyn send::Send>, memory: MemoryDraw) {
        match memory.bytes() {
            0 => self.send(send),
            _ => self.send(Box::new(DrawnSend::new(send, memory))),
        }
    }

    /// Has the request handled again when there is memory for its answer, beside what it takes
    /// decoded. One that has changed something, or has waited, cannot be: its connection is closed.
    pub fn retry(mut self, shortage: Shortage) {
        let nothing = Frame::empty(self.memory.pool());
        let frame = mem::replace(&mut self.frame, nothing);
        let shortage = shortage.behind(self.memory.bytes());
        // Its frame stays drawn meanwhile.
        let could_fit = self.memory.pool().could_grant(shortage.behind(frame.memory.bytes()));
        match !frame.bytes.is_empty() && could_fit {
            true => self.answer(ResponseAction::Retry(frame, shortage)),
            false => self.give_up(&shortage),
        }
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
        let (api, client) = (self.header.api_key.name(), self.client());
        let level = limited(LogKind::Failures, Level::Error);
        log!(level, "cannot answer the {api} request of {client}; closing its connection: {why}");
        self.close_connection();
    }

    fn answer(mut self, action: ResponseAction) {
        self.use_up(action);
    }

    fn use_up(&mut self, action: ResponseAction) {
        let Some(mut reply_to) = self.reply_to.take() else { return };
        self.hang_up.unwatch();
        self.context.denials.log(self.header.api_key.name());
        reply_to.times.api_local_complete_ns = self.local_complete_ns.get().copied();
        let remote_complete_ns = self.remote_complete_ns.unwrap_or_else(|| self.time.nanoseconds());
        reply_to.times.api_remote_complete_ns = Some(remote_complete_ns);
        self.request_channel.send_response(Response { reply_to, action });
    }
}

/// A reply that is dropped unused has no client any more, or was lost to a panic: then its client
/// must not wait on a muted connection for ever.
impl Drop for Reply {
    fn drop(&mut self) {
        if self.reply_to.is_none() {
            return;
        }
        if !self.hang_up.is_gone() {
            let (api, client) = (self.header.api_key.name(), self.client());
            let level = limited(LogKind::Failures, Level::Error);
            log!(level, "the {api} request of {client} got no answer; closing its connection");
        }
        self.use_up(ResponseAction::CloseConnection);
    }
}
