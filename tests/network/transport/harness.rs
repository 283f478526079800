//! A selector with its clock and counters, an echo server, and raw peers.

use std::io::Write;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::{iter, thread};

use transferto::common::memory_pool::MemoryPool;
use transferto::common::metrics::Metrics;
use transferto::common::mock_time::MockTime;
use transferto::config::limit::Limit;
use transferto::transport::channel_builder::{ChannelBuilder, PlaintextChannelBuilder};
use transferto::transport::connection_id::ConnectionId;
use transferto::transport::selector::{Disconnected, NetworkReceived, Selector, SelectorLimits};
use transferto::transport::send::NetworkSend;

use crate::frames::{frame, read_frame};

/// `connections.max.idle.ms` of the harness, as in Kafka's `SelectorTest`.
pub(crate) const IDLE_MS: i64 = 5_000;
/// The large requests that the harness has memory for.
pub(crate) const MEMORY_BYTES: usize = 128 << 20;
/// How long a connection may hold memory without progress while others wait for it.
pub(crate) const PROGRESS_TIMEOUT_MS: i64 = 500;
/// For a connection to become ready.
pub(crate) const AUTHENTICATION_TIMEOUT_MS: i64 = 30_000;
/// Kafka's default.
pub(crate) const FAILED_AUTHENTICATION_DELAY_MS: i64 = 100;
/// A test that polls this often without reaching its goal has failed.
const POLLS_MAX: usize = 20_000;

/// A selector, and everything it has reported so far.
pub(crate) struct Harness {
    pub selector: Selector,
    pub time: Arc<MockTime>,
    pub metrics: Arc<Metrics>,
    pub connected: Vec<ConnectionId>,
    pub receives: Vec<NetworkReceived>,
    pub sends: Vec<ConnectionId>,
    pub disconnected: Vec<Disconnected>,
    listener: TcpListener,
}

impl Harness {
    /// Plaintext, any size of request, idle after [`IDLE_MS`].
    pub(crate) fn new() -> Self {
        Self::with(-1, IDLE_MS, |metrics| Arc::new(PlaintextChannelBuilder::new(metrics)))
    }

    /// With a builder of its own.
    pub(crate) fn with(
        max_receive_bytes: i32,
        idle_ms: i64,
        builder: impl FnOnce(Arc<Metrics>) -> Arc<dyn ChannelBuilder>,
    ) -> Self {
        let limits = |limits: &mut SelectorLimits| {
            limits.max_receive_bytes = max_receive_bytes;
            limits.connections_max_idle_ms = Limit::from(idle_ms).ms();
        };
        Self::limited(limits, |metrics, _| builder(metrics))
    }

    /// With limits that differ from those of [`new`](Self::new), and a builder that knows the clock.
    pub(crate) fn limited(
        change: impl FnOnce(&mut SelectorLimits),
        builder: impl FnOnce(Arc<Metrics>, &Arc<MockTime>) -> Arc<dyn ChannelBuilder>,
    ) -> Self {
        let (time, metrics) = (Arc::new(MockTime::new()), Arc::new(Metrics::default()));
        let builder = builder(Arc::clone(&metrics), &time);
        let clock = Arc::clone(&time);
        let counters = Arc::clone(&metrics);
        let mut limits = SelectorLimits {
            max_receive_bytes: -1,
            connections_max_idle_ms: Some(IDLE_MS),
            memory_pool: MemoryPool::for_frames_of(MEMORY_BYTES),
            memory_progress_timeout_ms: PROGRESS_TIMEOUT_MS,
            authentication_timeout_ms: AUTHENTICATION_TIMEOUT_MS,
            failed_authentication_delay_ms: FAILED_AUTHENTICATION_DELAY_MS,
        };
        change(&mut limits);
        let selector = Selector::new(limits, clock, builder, counters).unwrap();
        Self {
            selector,
            time,
            metrics,
            connected: Vec::new(),
            receives: Vec::new(),
            sends: Vec::new(),
            disconnected: Vec::new(),
            listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(),
        }
    }

    /// One poll, and all its results.
    pub(crate) fn poll(&mut self, timeout_ms: i64) {
        self.selector.poll(timeout_ms).unwrap();
        self.connected.extend(self.selector.take_connected());
        self.receives.extend(iter::from_fn(|| self.selector.take_completed_receive()));
        self.sends.extend(iter::from_fn(|| self.selector.take_completed_send()));
        self.disconnected.extend(self.selector.take_disconnected());
    }

    /// Polls until the goal is reached.
    pub(crate) fn poll_until(&mut self, goal: impl Fn(&Harness) -> bool) {
        for _ in 0..POLLS_MAX {
            if goal(self) {
                return;
            }
            self.poll(10);
        }
        panic!("the goal was not reached in {POLLS_MAX} polls");
    }

    /// Connects to a server, all the way.
    pub(crate) fn blocking_connect(&mut self, addr: SocketAddr) -> ConnectionId {
        let id = self.selector.connect(addr).unwrap();
        self.poll_until(|it| it.connected.contains(&id));
        id
    }

    /// Sends a frame and waits for one in return.
    pub(crate) fn blocking_request(&mut self, id: ConnectionId, text: &str) -> String {
        self.send(id, text.as_bytes());
        self.next_receive(id)
    }

    /// Begins to send a frame.
    pub(crate) fn send(&mut self, id: ConnectionId, body: &[u8]) {
        self.selector.send(id, Box::new(NetworkSend::new(body.to_vec()).unwrap())).unwrap();
    }

    /// Takes the oldest frame that came from a connection, waiting for it if need be.
    pub(crate) fn next_receive(&mut self, id: ConnectionId) -> String {
        self.poll_until(|it| it.receives.iter().any(|receive| receive.id == id));
        let at = self.receives.iter().position(|receive| receive.id == id).unwrap();
        String::from_utf8(self.receives.remove(at).frame.bytes).unwrap()
    }

    /// A connection accepted from a peer that is in the hands of the test.
    pub(crate) fn accept(&mut self) -> (ConnectionId, TcpStream) {
        let peer = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
        let (stream, addr) = self.listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let id = self.selector.register(mio::net::TcpStream::from_std(stream), addr).unwrap();
        (id, peer)
    }

    /// Whether a connection has been reported as disconnected.
    pub(crate) fn is_disconnected(&self, id: ConnectionId) -> bool {
        self.disconnected.iter().any(|it| it.id == id)
    }
}

/// Kafka's `EchoServer`: a thread for each connection, which sends each frame back.
pub(crate) struct EchoServer {
    pub addr: SocketAddr,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl EchoServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let connections = Arc::new(Mutex::new(Vec::new()));
        let accepted = Arc::clone(&connections);
        // The thread ends with the process: a test has nothing to gain from waiting for it.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                accepted.lock().unwrap().push(stream.try_clone().unwrap());
                thread::spawn(move || echo(stream));
            }
        });
        Self { addr, connections }
    }

    /// Closes all connections there are, not the server.
    pub(crate) fn close_connections(&self) {
        for stream in self.connections.lock().unwrap().drain(..) {
            stream.shutdown(Shutdown::Both).unwrap();
        }
    }
}

fn echo(mut stream: TcpStream) {
    while let Ok(body) = read_frame(&mut stream) {
        if stream.write_all(&frame(&body)).is_err() {
            return;
        }
    }
}
