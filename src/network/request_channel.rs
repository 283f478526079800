//! Port of `kafka.network.RequestChannel`: one queue of requests from all Processors to all
//! handlers, and one queue of responses back to each Processor.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use log::error;

use crate::common::end_point::EndPoint;
use crate::common::hang_up::HangUp;
use crate::common::kafka_principal::KafkaPrincipal;
use crate::common::lock::locked;
use crate::common::memory_pool::{MemoryDraw, Shortage};
use crate::common::step::{mark, step};
use crate::common::subject::Subject;
use crate::common::time::Time;
use crate::network::network_snapshot::{QueuedRequest, RequestQueueSnapshot};
use crate::network::request_metrics::{RequestMetrics, RequestTimes, STAGES};
use crate::network::request_queue::{RequestOrShutdown, RequestQueue};
use crate::protocol::api_keys::ApiKeys;
use crate::protocol::header::RequestHeader;
use crate::protocol::request::RequestBody;
use crate::transport::connection_id::ConnectionId;
use crate::transport::network_receive::Frame;
use crate::transport::send;
use crate::transport::wakeup::Wakeup;

/// A request as a handler gets it: parsed, and with what is known of its sender.
#[derive(Debug)]
pub struct Request {
    /// The Processor that received it.
    pub processor: usize,
    pub connection_id: ConnectionId,
    pub session: Session,
    pub header: RequestHeader,
    pub body: RequestBody,
    /// The records of a produce request are ranges of it.
    pub frame: Frame,
    /// What the body takes.
    pub memory: MemoryDraw,
    pub times: RequestTimes,
    /// Whether the client is still there.
    pub hang_up: Arc<HangUp>,
}

impl Request {
    /// What the trace calls it.
    pub fn subject(&self) -> Subject {
        self.connection_id.subject().request(self.header.correlation_id)
    }

    /// Where its response goes. Stays valid when the request has been taken apart.
    pub fn reply_to(&self) -> ReplyTo {
        ReplyTo {
            processor: self.processor,
            connection_id: self.connection_id,
            correlation_id: self.header.correlation_id,
            api_key: self.header.api_key,
            times: self.times,
        }
    }
}

/// Both ends of a connection, and whom the client speaks for.
#[derive(Clone, Debug)]
pub struct Session {
    /// The listener that the client came in by, as the settings have it: its port may be 0.
    pub listener: Arc<EndPoint>,
    /// The client's principal.
    pub principal: KafkaPrincipal,
    /// The client's address.
    pub client_address: SocketAddr,
    /// The broker's address that the client connected to.
    pub local_address: SocketAddr,
}

/// Who has changed something, for the log: `User:alice from 127.0.0.1:50000`.
impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}", self.principal, self.client_address)
    }
}

/// Where the response to a request goes, and what the request's metrics need: all that remains of a
/// request that waits.
///
/// **Every request is owed exactly one response**: its connection is muted until then. A `ReplyTo`
/// that is dropped unused leaves its client waiting until the connection is closed as idle.
#[derive(Clone, Copy, Debug)]
pub struct ReplyTo {
    /// The Processor that has the connection.
    pub processor: usize,
    pub connection_id: ConnectionId,
    pub correlation_id: i32,
    pub api_key: ApiKeys,
    /// The handler stamps its own two.
    pub times: RequestTimes,
}

impl ReplyTo {
    /// What the trace calls the request.
    pub fn subject(&self) -> Subject {
        self.connection_id.subject().request(self.correlation_id)
    }
}

/// The next step for a connection whose request has been handled.
pub enum ResponseAction {
    /// Sends this, then reads the next request.
    Send(Box<dyn send::Send>),
    /// Reads the next request: a produce request with acks=0 gets no answer.
    NoOp,
    /// Closes the connection: there is no other way to report that a produce request with acks=0
    /// has failed.
    CloseConnection,
    /// Sends this, but reads the next request only after [`EndThrottling`](Self::EndThrottling):
    /// the client has exceeded its quota, and the answer says so (KIP-219).
    SendThrottled(Box<dyn send::Send>),
    /// Reads from the connection again.
    EndThrottling,
    /// Has the request in this frame handled once more when there is memory for its answer.
    Retry(Frame, Shortage),
}

/// In words, for the trace.
impl fmt::Display for ResponseAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(send) => write!(f, "a response of {} bytes", send.size()),
            Self::NoOp => write!(f, "no response is due"),
            Self::CloseConnection => write!(f, "the connection is to be closed"),
            Self::SendThrottled(send) => {
                write!(f, "a response of {} bytes, and a delay", send.size())
            }
            Self::EndThrottling => write!(f, "the delay is over"),
            Self::Retry(_, shortage) => write!(f, "to be handled again: {shortage}"),
        }
    }
}

impl fmt::Debug for ResponseAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(send) => write!(f, "Send({} bytes)", send.size()),
            Self::NoOp => write!(f, "NoOp"),
            Self::CloseConnection => write!(f, "CloseConnection"),
            Self::SendThrottled(send) => write!(f, "SendThrottled({} bytes)", send.size()),
            Self::EndThrottling => write!(f, "EndThrottling"),
            Self::Retry(_, shortage) => write!(f, "Retry({shortage})"),
        }
    }
}

/// The answer to one request, on its way to its Processor.
#[derive(Debug)]
pub struct Response {
    pub reply_to: ReplyTo,
    pub action: ResponseAction,
}

impl Response {
    /// Answers the request behind `reply_to` with `send`.
    pub fn new(reply_to: ReplyTo, send: Box<dyn send::Send>) -> Self {
        Self { reply_to, action: ResponseAction::Send(send) }
    }
}

/// The two kinds of queues between the Processors and the handler threads.
///
/// The queue of requests is bounded and makes a Processor wait when it is full, so that the sockets
/// behind it fill up and the clients slow down. The queues of responses need no bound: a connection
/// has one request in flight.
pub struct RequestChannel {
    requests: RequestQueue<Box<Request>>,
    responses: Vec<ResponseQueue>,
    metrics: RequestMetrics,
    time: Arc<dyn Time>,
}

impl RequestChannel {
    /// A channel for Processors 0 to `processors - 1` that holds up to `queue_size` requests
    /// (`queued.max.requests`).
    pub fn new(processors: usize, queue_size: usize, time: Arc<dyn Time>) -> Self {
        Self {
            requests: RequestQueue::new(queue_size),
            responses: (0..processors).map(|_| ResponseQueue::default()).collect(),
            metrics: RequestMetrics::new(),
            time,
        }
    }

    /// Makes `wakeup` interrupt the poll of `processor` when a response comes: Kafka's
    /// `addResponseListener`.
    ///
    /// A Processor has the same wakeup all its life; a second one is ignored.
    pub fn set_wakeup(&self, processor: usize, wakeup: Arc<Wakeup>) {
        let _ = self.responses[processor].wakeup.set(wakeup);
    }

    /// Puts a request on the queue, and waits as long as the queue is full.
    ///
    /// # Errors
    /// The channel has been shut down: the request comes back, and will not be handled.
    pub fn send_request(&self, request: Box<Request>) -> Result<(), Box<Request>> {
        mark!(
            [5] "RequestChannel.sendRequest",
            "{} is put on the queue", request.header.api_key.name()
        );
        self.requests.put(request)
    }

    /// Has a handler end the wait of a request whose client has hung up. Does not wait: a connection
    /// is in the queue once at most.
    pub fn send_hang_up(&self, hang_up: Arc<HangUp>) {
        self.requests.put_hang_up(hang_up);
    }

    /// Takes the next request, waiting up to `timeout_ms` for one. `None`: nothing came.
    pub fn receive_request(&self, timeout_ms: u64) -> Option<RequestOrShutdown<Box<Request>>> {
        let mut received = self.requests.take(Duration::from_millis(timeout_ms));
        if let Some(RequestOrShutdown::Request(request)) = &mut received {
            request.times.request_dequeue_ns = Some(self.time.nanoseconds());
            let _request = request.subject().enter();
            mark!(
                [5] "RequestChannel.receiveRequest",
                "{} is taken from the queue", request.header.api_key.name()
            );
        }
        received
    }

    /// Gives a response to the Processor that received the request, and wakes it.
    pub fn send_response(&self, mut response: Response) {
        let reply_to = &mut response.reply_to;
        reply_to.times.response_complete_ns = Some(self.time.nanoseconds());
        // Members of a group are answered by whoever completes their round.
        let _request = reply_to.subject().enter();
        let processor = reply_to.processor;
        let _step = step!(
            [13] "RequestChannel.sendResponse",
            "{}, to Processor {processor}", reply_to.api_key.name()
        );
        self.responses[processor].put(response);
    }

    /// Ends a request without an answer, so that the next one is read from its connection.
    pub fn no_operation(&self, reply_to: ReplyTo) {
        self.send_response(Response { reply_to, action: ResponseAction::NoOp });
    }

    /// Ends a request by closing its connection.
    pub fn close_connection(&self, reply_to: ReplyTo) {
        self.send_response(Response { reply_to, action: ResponseAction::CloseConnection });
    }

    /// Ends the delay of a client whose answer was sent with
    /// [`SendThrottled`](ResponseAction::SendThrottled), so that its next request is read.
    pub fn end_throttling(&self, reply_to: ReplyTo) {
        self.send_response(Response { reply_to, action: ResponseAction::EndThrottling });
    }

    /// Takes the next response for `processor`, if there is one.
    pub fn receive_response(&self, processor: usize) -> Option<Response> {
        let mut response = locked(&self.responses[processor].responses).pop_front()?;
        response.reply_to.times.response_dequeue_ns = Some(self.time.nanoseconds());
        Some(response)
    }

    /// Counts the request behind `reply_to` as over: Kafka's `updateRequestMetrics`. Called once
    /// for each request. Returns what it has spent in each of the stages, in nanoseconds.
    pub fn update_request_metrics(&self, reply_to: &ReplyTo) -> [u64; STAGES.len()] {
        let spent_ns = reply_to.times.spent_ns(self.time.nanoseconds());
        self.metrics.record(reply_to.api_key, &spent_ns);
        spent_ns
    }

    /// The times of the requests that are over.
    pub fn request_metrics(&self) -> &RequestMetrics {
        &self.metrics
    }

    /// Kafka's `RequestQueueSize`: how many requests wait for a handler.
    pub fn request_queue_size(&self) -> usize {
        self.requests.request_count()
    }

    /// The queue of requests as it is now, with the first `max` of them.
    pub fn request_queue_snapshot(&self, max: usize) -> RequestQueueSnapshot<QueuedRequest> {
        self.requests.snapshot(max, |request| QueuedRequest {
            subject: request.subject(),
            api: request.header.api_key.name(),
        })
    }

    /// How many responses wait for this Processor.
    pub fn response_queue_size_of(&self, processor: usize) -> usize {
        locked(&self.responses[processor].responses).len()
    }

    /// Kafka's `ResponseQueueSize`: how many responses wait for their Processors.
    pub fn response_queue_size(&self) -> usize {
        self.responses.iter().map(|queue| locked(&queue.responses).len()).sum()
    }

    /// Takes no further request. Those that are queued are still handed out; then every handler
    /// gets [`RequestOrShutdown::Shutdown`].
    ///
    /// A Processor that waits for room in the queue gets its request back, so it can be stopped
    /// even if no handler runs. Responses still pass.
    pub fn shutdown(&self) {
        self.requests.close();
    }
}

/// The responses for one Processor, and what wakes it.
#[derive(Default)]
struct ResponseQueue {
    responses: Mutex<VecDeque<Response>>,
    wakeup: OnceLock<Arc<Wakeup>>,
}

impl ResponseQueue {
    /// Wakes the Processor, which is an atomic instruction unless it sleeps.
    fn put(&self, response: Response) {
        locked(&self.responses).push_back(response);
        if let Some(wakeup) = self.wakeup.get()
            && let Err(error) = wakeup.wake()
        {
            // The Processor finds the response when its poll ends by itself.
            error!("cannot wake a Processor for its response: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::common::end_point::SecurityProtocol;
    use crate::common::memory_pool::MemoryPool;
    use crate::common::mock_time::MockTime;
    use crate::transport::send::ByteBufferSend;

    const FOREVER_MS: u64 = 60_000;

    fn request(correlation_id: i32) -> Box<Request> {
        let client_address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let pool = MemoryPool::unlimited();
        Box::new(Request {
            processor: 0,
            connection_id: ConnectionId::new(0, 0, 0),
            session: Session {
                listener: Arc::new(EndPoint::new(
                    SecurityProtocol::Plaintext,
                    "localhost".to_string(),
                    1,
                )),
                principal: KafkaPrincipal::anonymous(),
                client_address,
                local_address: client_address,
            },
            header: RequestHeader {
                api_key: ApiKeys::ApiVersions,
                api_version: 0,
                correlation_id,
                client_id: None,
            },
            body: RequestBody::UnsupportedApiVersions,
            frame: Frame::empty(&pool),
            memory: MemoryDraw::new(&pool),
            times: RequestTimes::starting_at(0),
            hang_up: Arc::default(),
        })
    }

    fn channel(processors: usize, queue_size: usize) -> (Arc<RequestChannel>, Arc<MockTime>) {
        let time = Arc::new(MockTime::new());
        let channel = RequestChannel::new(processors, queue_size, time.clone());
        (Arc::new(channel), time)
    }

    fn correlation_id(received: Option<RequestOrShutdown<Box<Request>>>) -> i32 {
        match received {
            Some(RequestOrShutdown::Request(request)) => request.header.correlation_id,
            other => panic!("a request was expected, not {other:?}"),
        }
    }

    #[test]
    fn a_sender_waits_while_the_queue_is_full() {
        let (channel, _) = channel(1, 1);
        channel.send_request(request(1)).unwrap();
        let (sent, is_sent) = mpsc::channel();
        let sender = Arc::clone(&channel);
        let thread = thread::spawn(move || {
            sender.send_request(request(2)).unwrap();
            sent.send(()).unwrap();
        });
        assert!(is_sent.try_recv().is_err());
        assert_eq!(channel.request_queue_size(), 1);
        assert_eq!(correlation_id(channel.receive_request(FOREVER_MS)), 1);
        is_sent.recv().unwrap();
        assert_eq!(correlation_id(channel.receive_request(FOREVER_MS)), 2);
        thread.join().unwrap();
    }

    #[test]
    fn a_sender_that_waits_gets_its_request_back_at_the_end() {
        let (channel, _) = channel(1, 1);
        channel.send_request(request(1)).unwrap();
        let sender = Arc::clone(&channel);
        let thread = thread::spawn(move || sender.send_request(request(2)));
        channel.shutdown();
        let returned = thread.join().unwrap().unwrap_err();
        assert_eq!(returned.header.correlation_id, 2);
    }

    #[test]
    fn a_hang_up_neither_waits_for_room_nor_behind_requests() {
        let (channel, _) = channel(1, 1);
        channel.send_request(request(1)).unwrap();
        channel.send_hang_up(Arc::default());
        let first = channel.receive_request(0);
        assert!(matches!(first, Some(RequestOrShutdown::HangUp(_))), "{first:?}");
        assert_eq!(correlation_id(channel.receive_request(0)), 1);
        assert!(channel.receive_request(0).is_none());
    }

    #[test]
    fn what_is_queued_is_handed_out_before_the_end() {
        let (channel, _) = channel(1, 10);
        channel.send_request(request(1)).unwrap();
        channel.send_request(request(2)).unwrap();
        channel.shutdown();
        assert_eq!(correlation_id(channel.receive_request(0)), 1);
        assert_eq!(correlation_id(channel.receive_request(0)), 2);
        for _handler in 0..3 {
            let received = channel.receive_request(FOREVER_MS);
            assert!(matches!(received, Some(RequestOrShutdown::Shutdown)));
        }
    }

    #[test]
    fn nothing_is_received_from_an_empty_queue() {
        let (channel, _) = channel(1, 10);
        assert!(channel.receive_request(0).is_none());
    }

    #[test]
    fn responses_reach_their_own_processor_in_order() {
        let (channel, _) = channel(2, 10);
        let mut reply_to = request(1).reply_to();
        channel.no_operation(reply_to);
        channel.close_connection(reply_to);
        reply_to.processor = 1;
        let send = Box::new(ByteBufferSend::new(vec![7; 3]));
        channel.send_response(Response::new(reply_to, send));
        let mut actions = Vec::new();
        for processor in [0, 1] {
            while let Some(response) = channel.receive_response(processor) {
                actions.push(format!("{processor} {:?}", response.action));
            }
        }
        assert_eq!(actions, ["0 NoOp", "0 CloseConnection", "1 Send(3 bytes)"]);
    }

    #[test]
    fn every_station_stamps_the_request() {
        let (channel, time) = channel(1, 10);
        channel.send_request(request(1)).unwrap();
        time.sleep(2);
        let Some(RequestOrShutdown::Request(request)) = channel.receive_request(0) else {
            panic!("the request is queued");
        };
        time.sleep(3);
        channel.no_operation(request.reply_to());
        time.sleep(4);
        let response = channel.receive_response(0).unwrap();
        time.sleep(5);
        channel.update_request_metrics(&response.reply_to);
        let [(api, requests, sums_ns)] = channel.request_metrics().values()[..] else {
            panic!("one API was asked for");
        };
        assert_eq!((api, requests), ("ApiVersions", 1));
        assert_eq!(sums_ns.map(|ns| ns / 1_000_000), [2, 3, 0, 0, 4, 5, 14]);
    }
}
