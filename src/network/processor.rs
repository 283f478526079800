//! Port of `kafka.network.Processor`: a single-threaded reactor that reads requests from its
//! connections and writes the responses to them.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use log::{Level, debug, error, log};
use mio::net::TcpStream;

use crate::common::end_point::EndPoint;
use crate::common::hop_recorder::RECORDER;
use crate::common::lessons::Lessons;
use crate::common::lock::locked;
use crate::common::log_limit::{LogKind, limited};
use crate::common::memory_pool::{MemoryDraw, MemoryPool, MemoryWait, Shortage};
use crate::common::metrics::{Counter, Metrics};
use crate::common::on_demand::OnDemand;
use crate::common::step::{mark, step};
use crate::common::time::Time;
use crate::network::connection_quotas::ConnectionQuotas;
use crate::network::inline_handler::InlineHandler;
use crate::network::network_snapshot::{ConnectionSnapshot, ProcessorSnapshot};
use crate::network::request_channel::{
    ReplyTo, Request, RequestChannel, Response, ResponseAction, Session,
};
use crate::network::request_log::RequestLog;
use crate::network::request_metrics::RequestTimes;
use crate::protocol::api_keys::ApiKeys;
use crate::protocol::header::RequestHeader;
use crate::protocol::request;
use crate::protocol::wire::allowance::Allowance;
use crate::protocol::wire::decode_error::{DecodeError, Malformed};
use crate::protocol::wire::types::Reader;
use crate::transport::catch_panic::catch_panic;
use crate::transport::channel_snapshot::ChannelSnapshot;
use crate::transport::connection_id::{ConnectionId, ConnectionMap};
use crate::transport::kafka_channel::{KafkaChannel, SendError};
use crate::transport::selector::{Disconnected, NetworkReceived, Selector};
use crate::transport::send;
use crate::transport::wakeup::Wakeup;

/// Kafka's `poll(300)`: sockets and the wakeup end it earlier.
const POLL_TIMEOUT_MS: i64 = 300;

/// How long to wait before the system is asked again for memory that it has refused.
const SYSTEM_MEMORY_PAUSE_MS: i64 = POLL_TIMEOUT_MS;

/// How many of its connections a Processor shows to those who look.
pub const SHOWN_CONNECTIONS_MAX: usize = 200;

/// How long to wait after a failed poll.
const POLL_FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// A reactor for many connections. One thread runs it; its selector and its connections belong to
/// that thread alone.
///
/// Invariants, for each connection of the selector:
/// - it is counted once in the quotas of its peer's address, from the Acceptor's `inc` to our
///   `dec`;
/// - it is muted from the moment its request is taken until the response is sent, or it is known
///   that there is none: so it has one request in flight, and its responses leave in the order of
///   its requests;
/// - it is in `throttled` from a throttled response on until the client's delay is over or the client
///   has hung up, and stays muted meanwhile, even once the response has left (KIP-219);
/// - it is in `inflight_responses` as long as the selector writes a response to it (KAFKA-3489);
/// - it is in `parked` as long as its request waits for memory to be read or answered in.
///
/// An error belongs to one connection, and so does a panic ([`catch_panic`]). It is handled where
/// it shows, by closing that connection, and the loops go on to the next one (KAFKA-5607).
pub struct Processor {
    handle: Arc<ProcessorHandle>,
    listener: Arc<EndPoint>,
    selector: Selector,
    inflight_responses: ConnectionMap<ReplyTo>,
    throttled: HashSet<ConnectionId>,
    /// The first to wait comes first.
    parked: VecDeque<Parked>,
    /// Held while requests are parked.
    memory_wait: Option<MemoryWait>,
    request_log: RequestLog,
    context: NetworkContext,
    iteration_began_ns: i64,
}

/// A complete request for which there was no memory.
struct Parked {
    receive: NetworkReceived,
    shortage: Shortage,
    /// When it had arrived.
    start_ns: i64,
    since_ms: i64,
}

impl Parked {
    fn may_go_on(&self, pool: &MemoryPool, now_ms: i64) -> bool {
        let is_too_early =
            self.shortage.is_of_system() && now_ms - self.since_ms < SYSTEM_MEMORY_PAUSE_MS;
        !is_too_early && pool.has_room(self.shortage)
    }

    /// Whether others may have waited long enough for what its frame takes.
    fn is_stalled(&self, now_ms: i64, longest_hold_ms: i64) -> bool {
        self.receive.frame.memory.bytes() > 0 && now_ms - self.since_ms > longest_hold_ms
    }
}

/// The parts that all Processors of a server share.
#[derive(Clone)]
pub struct NetworkContext {
    pub request_channel: Arc<RequestChannel>,
    pub connection_quotas: Arc<ConnectionQuotas>,
    pub time: Arc<dyn Time>,
    pub metrics: Arc<Metrics>,
    pub lessons: Lessons,
    /// `transferto.request.slow.ms`.
    pub request_slow_ms: Option<i64>,
    /// Set before the first request if some are to be answered by the Processors themselves.
    pub inline_handler: Arc<OnceLock<Arc<dyn InlineHandler>>>,
}

impl Processor {
    /// Processor `id` of this listener, without connections.
    pub fn new(
        id: usize,
        listener: Arc<EndPoint>,
        selector: Selector,
        context: NetworkContext,
    ) -> Self {
        let selector = selector.of_processor(id).with_lessons(context.lessons);
        let wakeup = selector.wakeup();
        context.request_channel.set_wakeup(id, Arc::clone(&wakeup));
        let handle = Arc::new(ProcessorHandle {
            id,
            is_alive: AtomicBool::new(true),
            new_connections: Mutex::default(),
            connection_count: Counter::default(),
            snapshot: OnDemand::default(),
            wakeup,
        });
        Self {
            handle,
            listener,
            selector,
            inflight_responses: ConnectionMap::default(),
            throttled: HashSet::new(),
            parked: VecDeque::new(),
            memory_wait: None,
            request_log: RequestLog::new(context.request_slow_ms),
            context,
            iteration_began_ns: 0,
        }
    }

    /// The handle by which other threads reach this Processor.
    pub fn handle(&self) -> Arc<ProcessorHandle> {
        Arc::clone(&self.handle)
    }

    /// Runs the reactor until the handle says stop; then closes its connections.
    pub fn run(mut self) {
        self.iteration_began_ns = self.context.time.nanoseconds();
        // ANCHOR: processor_run
        while self.handle.is_alive() {
            self.configure_new_connections();
            self.process_new_responses();
            self.poll();
            self.process_completed_receives();
            self.process_completed_sends();
            self.process_disconnected();
            self.process_hang_ups();
            self.show_itself();
            self.count_time();
        }
        // ANCHOR_END: processor_run
        self.close_all();
        debug!("Processor.run: Processor {} has stopped", self.handle.id);
    }

    /// Takes over the connections that the Acceptor has left.
    ///
    /// All of them, as in 0.9: they are few beside the file descriptors they cost, and each is
    /// quickly registered (KAFKA-7719 bounds them where a registration may mean a TLS handshake).
    fn configure_new_connections(&mut self) {
        while let Some(NewConnection { stream, peer }) = self.handle.take_new_connection() {
            match self.selector.register(stream, peer) {
                Ok(id) => {
                    self.handle.connection_count.increment();
                    let _connection = id.subject().enter();
                    mark!([2] "Processor.configureNewConnections", "the connection of {peer}");
                }
                Err(error) => {
                    let level = limited(LogKind::RefusedConnections, Level::Warn);
                    log!(level, "Processor.configureNewConnections: closing {peer}: {error}");
                    self.give_back(peer);
                }
            }
        }
    }

    /// Hands the queued responses to their connections, until the queue is empty, as
    /// [`Wakeup`] demands.
    ///
    /// That ends: a connection has at most one response and one end of a delay, and gets no new
    /// request before the next poll.
    fn process_new_responses(&mut self) {
        let request_channel = Arc::clone(&self.context.request_channel);
        // ANCHOR: process_new_responses
        while let Some(Response { reply_to, action }) =
            request_channel.receive_response(self.handle.id)
        {
            let id = reply_to.connection_id;
            let _request = reply_to.subject().enter();
            let _step = step!([14] "Processor.processNewResponses", "{action}");
            match action {
                ResponseAction::Send(send) => self.send_response(reply_to, send),
                ResponseAction::SendThrottled(send) => {
                    if !self.is_half_closed(id) {
                        self.throttled.insert(id);
                    }
                    self.send_response(reply_to, send);
                }
                ResponseAction::EndThrottling => self.end_throttling(id),
                ResponseAction::Retry(frame, shortage) => {
                    let start_ns = reply_to.times.start_ns;
                    self.park(NetworkReceived { id, frame }, shortage, start_ns);
                }
                ResponseAction::NoOp => {
                    self.end_request(&reply_to);
                    self.unmute(id);
                }
                ResponseAction::CloseConnection => {
                    self.end_request(&reply_to);
                    self.close(id);
                }
            }
        }
        // ANCHOR_END: process_new_responses
    }

    /// Starts to send a response. If its connection is gone, the response is dropped and its
    /// request is over (KAFKA-5790).
    fn send_response(&mut self, reply_to: ReplyTo, send: Box<dyn send::Send>) {
        let id = reply_to.connection_id;
        self.request_log.answer(id, send.size());
        // ANCHOR: selector_send
        let Err(why) = self.selector.send(id, send) else {
            self.inflight_responses.insert(id, reply_to);
            return;
        };
        // ANCHOR_END: selector_send
        // ANCHOR: not_connected
        self.throttled.remove(&id);
        match why {
            SendError::NotConnected(_) => {
                debug!("Processor.sendResponse: dropping a response: {why}");
                if self.context.lessons.loses_responses {
                    self.lose_next_response();
                }
            }
            SendError::InProgress(_) => {
                error!("Processor.sendResponse: a request was answered twice: {why}");
            }
        }
        self.end_request(&reply_to);
        // ANCHOR_END: not_connected
    }

    /// LESSON: 0.9 takes the next response from the queue in a `finally`, and the exception of the
    /// one before leaves the loop with it.
    // ANCHOR: lose_next_response
    fn lose_next_response(&self) {
        if let Some(lost) = self.context.request_channel.receive_response(self.handle.id) {
            let level = limited(LogKind::Failures, Level::Warn);
            log!(level, "LESSON: the response to {} is lost", lost.reply_to.subject());
        }
    }
    // ANCHOR_END: lose_next_response

    /// Counts a request that is over, and logs it if somebody wants to know.
    fn end_request(&mut self, reply_to: &ReplyTo) {
        let spent_ns = self.context.request_channel.update_request_metrics(reply_to);
        self.request_log.end(reply_to, &spent_ns);
    }

    /// Waits for sockets, for a response or for a new connection, then reads and writes. Before it
    /// waits, it goes on with the requests that had to wait for memory.
    fn poll(&mut self) {
        self.process_parked();
        if let Err(error) = self.selector.poll(POLL_TIMEOUT_MS) {
            // The connections are still there, so trying again is better than closing them; but
            // not in a spin.
            error!("Processor.poll: Processor {} failed to poll: {error}", self.handle.id);
            thread::sleep(POLL_FAILURE_PAUSE);
        }
    }

    fn process_completed_receives(&mut self) {
        while let Some(receive) = self.selector.take_completed_receive() {
            let start_ns = self.context.time.nanoseconds();
            self.process_completed_receive(receive, start_ns);
        }
    }

    /// Sets a request aside until there is the memory that it lacks. Nothing else is read from its
    /// connection meanwhile. It is not over: it begins again, and its times go on. If the connection
    /// is closed already, the request ends here.
    fn park(&mut self, receive: NetworkReceived, shortage: Shortage, start_ns: i64) {
        self.request_log.withdraw(receive.id);
        if !self.selector.mute(receive.id) {
            return self.end_parked(&receive, start_ns);
        }
        self.context.metrics.memory_pool_waits.increment();
        let since_ms = self.context.time.hi_res_clock_ms();
        self.parked.push_back(Parked { receive, shortage, start_ns, since_ms });
    }

    /// Counts a request that waited for memory and has lost its connection: all of its time was a
    /// wait for its turn.
    fn end_parked(&mut self, NetworkReceived { id, frame }: &NetworkReceived, start_ns: i64) {
        let Ok(header) = RequestHeader::read(&mut Reader::new(&frame.bytes)) else { return };
        let mut times = RequestTimes::starting_at(start_ns);
        times.request_dequeue_ns = Some(self.context.time.nanoseconds());
        self.end_request(&ReplyTo {
            processor: self.handle.id,
            connection_id: *id,
            correlation_id: header.correlation_id,
            api_key: header.api_key,
            times,
        });
    }

    /// Goes on with the requests for which there is memory now. Their frames are drawn while they
    /// wait, so two large ones might wait for each other: the first to have waited too long is closed.
    fn process_parked(&mut self) {
        if self.parked.is_empty() {
            self.memory_wait = None;
            return;
        }
        // Before the first look: what is given back after it ends the poll.
        if self.memory_wait.is_none() {
            self.memory_wait =
                Some(self.selector.memory_pool().wait(self.selector.wake_up(), &self.context.time));
        }
        let (now_ms, longest_hold_ms) =
            (self.context.time.hi_res_clock_ms(), self.selector.longest_hold_ms());
        for _ in 0..self.parked.len() {
            let Some(parked) = self.parked.pop_front() else { break };
            if parked.may_go_on(self.selector.memory_pool(), now_ms) {
                self.process_completed_receive(parked.receive, parked.start_ns);
            } else if parked.is_stalled(now_ms, longest_hold_ms) {
                self.close_stalled(parked);
            } else {
                self.parked.push_back(parked);
            }
        }
        if self.parked.is_empty() {
            self.memory_wait = None;
        }
    }

    fn close_stalled(&mut self, Parked { receive, start_ns, .. }: Parked) {
        let level = limited(LogKind::Failures, Level::Warn);
        let (id, bytes) = (receive.id, receive.frame.memory.bytes());
        log!(level, "closing connection {id}: its request of {bytes} bytes found no memory");
        self.context.metrics.memory_stalls.increment();
        self.end_parked(&receive, start_ns);
        self.close(id);
    }

    /// Parses a request and puts it on the request queue, unless it is answered here. If the queue is
    /// full, it waits, and with it all connections of this Processor: that is how a busy broker slows
    /// its clients down.
    fn process_completed_receive(&mut self, receive: NetworkReceived, start_ns: i64) {
        let NetworkReceived { id, frame } = receive;
        let _connection = id.subject().enter();
        if self.begins_reauthentication(id, &frame.bytes) {
            return;
        }
        let Some(channel) = self.selector.channel(id) else {
            debug!("Processor.processCompletedReceives: {id} is closed already");
            return;
        };
        if channel.is_session_expired(start_ns) {
            return self.close_expired_session(id);
        }
        let session = Session {
            listener: Arc::clone(&self.listener),
            principal: channel.principal().clone(),
            client_address: canonical_address(channel.peer_addr()),
            local_address: channel.local_addr(),
        };
        let hang_up = Arc::clone(channel.hang_up());
        let is_named = channel.is_named();
        let mut memory = MemoryDraw::new(self.selector.memory_pool());
        let allowance = Allowance::drawn_by(&mut memory);
        let parsed = catch_panic(|| Ok(request::parse(&frame.bytes, allowance)));
        let (header, body) = match parsed.and_then(|parsed| parsed.map_err(io::Error::other)) {
            Ok(parsed) => parsed,
            Err(error) => match shortage_of(&error) {
                Some(shortage) => {
                    return self.park(NetworkReceived { id, frame }, shortage, start_ns);
                }
                None => return self.refuse(id, session.client_address, &error),
            },
        };
        let subject = id.subject().request(header.correlation_id);
        let _request = subject.enter();
        if header.api_key == ApiKeys::Fetch {
            RECORDER.begins(subject);
        }
        self.selector.mute(id);
        if !is_named && let Some(client_id) = &header.client_id {
            self.selector.note_client_id(id, client_id);
        }
        let request = Box::new(Request {
            processor: self.handle.id,
            connection_id: id,
            session,
            header,
            body,
            frame,
            memory,
            times: RequestTimes::starting_at(start_ns),
            hang_up,
        });
        self.request_log.begin(&request);
        let Some(request) = self.unless_answered_inline(request) else { return };
        if let Err(request) = self.context.request_channel.send_request(request) {
            let peer = request.session.client_address;
            debug!("Processor.processCompletedReceives: stopping, so {peer} gets no answer");
        }
    }

    /// Whether the frame begins a new authentication, which is then the selector's affair (KIP-368).
    fn begins_reauthentication(&mut self, id: ConnectionId, frame: &[u8]) -> bool {
        frame.starts_with(&ApiKeys::SaslHandshake.id().to_be_bytes())
            && self.selector.reauthenticate(id, frame)
    }

    /// Closes a connection whose client had to authenticate anew, and has sent another request.
    fn close_expired_session(&mut self, id: ConnectionId) {
        let level = limited(LogKind::Disconnects, Level::Info);
        log!(level, "closing connection {id}: its client did not authenticate anew in time");
        self.context.metrics.expired_connections_killed.increment();
        self.close(id);
    }

    /// Has the request answered here, if the broker is set so and it keeps nobody waiting. Returns it
    /// if it is for the request handlers.
    ///
    /// The answer comes by the response queue like any other, so all that follows is the same.
    fn unless_answered_inline(&mut self, mut request: Box<Request>) -> Option<Box<Request>> {
        let Some(handler) = self.context.inline_handler.get() else { return Some(request) };
        let id = request.connection_id;
        request.times.request_dequeue_ns = Some(self.context.time.nanoseconds());
        match catch_panic(|| Ok(handler.try_handle(request))) {
            Ok(tried) => tried.err(),
            Err(_) => {
                self.request_log.withdraw(id);
                self.close(id);
                None
            }
        }
    }

    /// Closes the connection of a request that cannot be read: its client could read no answer.
    fn refuse(&mut self, id: ConnectionId, peer: SocketAddr, error: &io::Error) {
        let level = limited(LogKind::BadRequests, Level::Warn);
        let what = "Processor.processCompletedReceives";
        log!(level, "{what}: closing {peer}, bad request: {error}");
        self.context.metrics.invalid_requests.increment();
        self.close(id);
    }

    fn process_completed_sends(&mut self) {
        while let Some(id) = self.selector.take_completed_send() {
            let reply_to = self.inflight_responses.remove(&id);
            let subject = reply_to.as_ref().map_or_else(|| id.subject(), ReplyTo::subject);
            let _request = subject.enter();
            let step = step!([19] "Processor.processCompletedSends", "the request is over");
            match reply_to {
                Some(reply_to) => self.end_request(&reply_to),
                None => error!("Processor.processCompletedSends: {id} had no response in flight"),
            }
            if !self.throttled.contains(&id) {
                self.unmute(id);
            }
            drop(step);
            RECORDER.is_over(subject);
        }
    }

    /// Reads from a client whose delay is over, now or once its response has left.
    fn end_throttling(&mut self, id: ConnectionId) {
        if self.throttled.remove(&id) && !self.inflight_responses.contains_key(&id) {
            self.unmute(id);
        }
    }

    fn process_disconnected(&mut self) {
        for disconnected in self.selector.take_disconnected() {
            let Disconnected { id, peer, cause } = disconnected;
            let _connection = id.subject().enter();
            mark!("Processor.processDisconnected", "{peer}: {cause}");
            self.settle(disconnected);
        }
    }

    /// Has the handlers end the waits of clients that have hung up. A client that has does not wait
    /// for the end of its delay either: what it sent before is read now, and then its end.
    fn process_hang_ups(&mut self) {
        for id in self.selector.take_half_closed() {
            self.end_throttling(id);
        }
        for hang_up in self.selector.take_hang_ups() {
            self.context.request_channel.send_hang_up(hang_up);
        }
    }

    /// Shows its connections to those who have asked for them: nobody else may touch them.
    fn show_itself(&self) {
        self.handle.snapshot.show_if_wanted(|| self.snapshot());
    }

    fn snapshot(&self) -> ProcessorSnapshot {
        let channels = self.selector.channel_snapshots(SHOWN_CONNECTIONS_MAX);
        let connection = |channel: ChannelSnapshot| {
            let reply_to = self.inflight_responses.get(&channel.id);
            ConnectionSnapshot {
                answers: reply_to.map(|it| (it.api_key.name(), it.correlation_id)),
                is_throttled: self.throttled.contains(&channel.id),
                channel,
            }
        };
        ProcessorSnapshot {
            ready_count: self.selector.ready_count(),
            parked_count: self.parked.len(),
            connections: channels.into_iter().map(connection).collect(),
        }
    }

    fn is_half_closed(&self, id: ConnectionId) -> bool {
        self.selector.channel(id).is_some_and(KafkaChannel::is_half_closed)
    }

    /// Counts the time of this iteration; the selector has counted how much of it was idle.
    fn count_time(&mut self) {
        let now_ns = self.context.time.nanoseconds();
        let elapsed_ns = (now_ns - self.iteration_began_ns).unsigned_abs();
        self.context.metrics.network_processor_total_ns.add(elapsed_ns);
        self.iteration_began_ns = now_ns;
    }

    fn unmute(&mut self, id: ConnectionId) {
        if !self.selector.unmute(id) {
            debug!("Processor.unmute: {id} is closed already");
        }
    }

    /// Closes a connection, if it is still there.
    fn close(&mut self, id: ConnectionId) {
        if let Some(disconnected) = self.selector.close(id) {
            self.settle(disconnected);
        }
    }

    /// Does what is owed for a connection that is gone: ends its request, and frees its place.
    fn settle(&mut self, disconnected: Disconnected) {
        if let Some(reply_to) = self.inflight_responses.remove(&disconnected.id) {
            self.end_request(&reply_to);
        }
        RECORDER.is_gone(disconnected.id.subject());
        self.throttled.remove(&disconnected.id);
        let place = self.parked.iter().position(|it| it.receive.id == disconnected.id);
        if let Some(parked) = place.and_then(|place| self.parked.remove(place)) {
            self.end_parked(&parked.receive, parked.start_ns);
        }
        self.handle.connection_count.decrement();
        self.give_back(disconnected.peer);
    }

    fn give_back(&self, peer: SocketAddr) {
        if let Err(miscount) = self.context.connection_quotas.dec(peer.ip()) {
            error!("Processor.processDisconnected: {miscount}");
        }
    }

    /// Closes the connections, and those that the Acceptor has left since the last round
    /// (KAFKA-9796).
    fn close_all(&mut self) {
        while let Some(NewConnection { peer, .. }) = self.handle.take_new_connection() {
            self.give_back(peer);
        }
        for disconnected in self.selector.close_all() {
            self.settle(disconnected);
        }
    }
}

/// A connection on its way from the Acceptor to a Processor.
pub struct NewConnection {
    pub stream: TcpStream,
    /// The client's address.
    pub peer: SocketAddr,
}

/// The end of a [`Processor`] that other threads hold.
pub struct ProcessorHandle {
    id: usize,
    is_alive: AtomicBool,
    new_connections: Mutex<VecDeque<NewConnection>>,
    /// Those of its selector.
    connection_count: Counter,
    snapshot: OnDemand<ProcessorSnapshot>,
    wakeup: Arc<Wakeup>,
}

impl ProcessorHandle {
    /// The Processor's number, unique in its server.
    pub fn id(&self) -> usize {
        self.id
    }

    /// Kafka's `connection-count`: how many connections the Processor has.
    pub fn connection_count(&self) -> u64 {
        self.connection_count.value()
    }

    /// Asks the Processor to show its connections, and wakes it. Returns what
    /// [`snapshot`](Self::snapshot) is called with.
    pub fn ask_for_snapshot(&self) -> u64 {
        let asked = self.snapshot.ask();
        self.wake();
        asked
    }

    /// The last that the Processor has shown, and whether that is what was asked for; waits for it
    /// until `deadline`.
    pub fn snapshot(
        &self,
        asked: u64,
        deadline: Instant,
    ) -> (Option<Arc<ProcessorSnapshot>>, bool) {
        self.snapshot.wait(asked, deadline)
    }

    /// Leaves a connection for the Processor, and wakes it.
    pub fn accept(&self, connection: NewConnection) {
        let _step = step!([1] "Processor.accept", "Processor {} gets {}", self.id, connection.peer);
        locked(&self.new_connections).push_back(connection);
        self.wake();
    }

    /// Asks the Processor to stop. Its thread ends soon after.
    pub fn shutdown(&self) {
        self.is_alive.store(false, Ordering::Release);
        self.wake();
    }

    fn is_alive(&self) -> bool {
        self.is_alive.load(Ordering::Acquire)
    }

    fn take_new_connection(&self) -> Option<NewConnection> {
        locked(&self.new_connections).pop_front()
    }

    fn wake(&self) {
        if let Err(error) = self.wakeup.wake() {
            // It looks when its poll ends by itself.
            error!("cannot wake Processor {}: {error}", self.id);
        }
    }
}

/// What a request lacked that could not be read for want of memory alone.
fn shortage_of(error: &io::Error) -> Option<Shortage> {
    match error.get_ref()?.downcast_ref::<DecodeError>()?.what {
        Malformed::OutOfMemory(shortage) => Some(shortage),
        _ => None,
    }
}

/// An IPv4 address that came over an IPv6 socket, without the prefix that it has there: the log,
/// the access control lists and the client know it without.
fn canonical_address(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_client_of_an_ipv6_socket_is_called_as_it_calls_itself() {
        for (seen, canonical) in [
            ("[::ffff:192.0.2.2]:5", "192.0.2.2:5"),
            ("192.0.2.2:5", "192.0.2.2:5"),
            ("[2001:db8::2]:5", "[2001:db8::2]:5"),
        ] {
            assert_eq!(canonical_address(seen.parse().unwrap()).to_string(), canonical);
        }
    }
}
