//! A socket server without handlers: the tests take the requests themselves, and talk to it through
//! raw sockets.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of this one")]

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpStream};
use std::ops::Deref;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use byteorder::BigEndian;
use byteorder::ByteOrder;
use byteorder::WriteBytesExt;
use transferto::common::end_point::{EndPoint, SecurityProtocol};
use transferto::common::metrics::Metrics;
use transferto::common::mock_time::MockTime;
use transferto::config::kafka_config::KafkaConfig;
use transferto::network::request_channel::{Request, RequestOrShutdown, Response};
use transferto::network::socket_server::SocketServer;
use transferto::transport::channel_builder::{ChannelBuilder, PlaintextChannelBuilder};
use transferto::transport::send::NetworkSend;

/// Long enough for a machine that does ten other things; no test that passes waits for it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The address of every client.
pub const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A server that accepts, with a clock that stands still.
pub struct TestServer {
    server: Arc<SocketServer>,
    pub metrics: Arc<Metrics>,
    pub time: Arc<MockTime>,
}

impl Deref for TestServer {
    type Target = SocketServer;

    fn deref(&self) -> &SocketServer {
        &self.server
    }
}

impl TestServer {
    /// The server of Kafka's own test: two listeners, one network thread, requests of 50 bytes, 5
    /// connections.
    pub fn start() -> Self {
        Self::start_with(|_| ())
    }

    /// The same with other settings.
    pub fn start_with(change: impl FnOnce(&mut KafkaConfig)) -> Self {
        let metrics = Arc::new(Metrics::default());
        let builder = Arc::new(PlaintextChannelBuilder::new(Arc::clone(&metrics)));
        Self::start_on(builder, metrics, change)
    }

    /// The same with other transports.
    pub fn start_on(
        builder: Arc<dyn ChannelBuilder>,
        metrics: Arc<Metrics>,
        change: impl FnOnce(&mut KafkaConfig),
    ) -> Self {
        let mut config = test_config();
        change(&mut config);
        let time = Arc::new(MockTime::new());
        let server = SocketServer::startup(&config, time.clone(), metrics.clone(), builder);
        let server = server.unwrap();
        server.start_accepting().unwrap();
        Self { server, metrics, time }
    }

    /// A new client.
    pub fn connect(&self) -> TcpStream {
        self.connect_to(SecurityProtocol::Plaintext)
    }

    /// A new client of the listener for `protocol`.
    pub fn connect_to(&self, protocol: SecurityProtocol) -> TcpStream {
        let stream = TcpStream::connect((LOCALHOST, self.bound_port(protocol).unwrap())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// The next request that arrives.
    pub fn receive(&self) -> Box<Request> {
        let timeout_ms = u64::try_from(PATIENCE.as_millis()).unwrap();
        match self.request_channel().receive_request(timeout_ms) {
            Some(RequestOrShutdown::Request(request)) => request,
            other => panic!("a request was expected, not {other:?}"),
        }
    }

    /// Answers `request` with `body`.
    pub fn respond(&self, request: &Request, body: Vec<u8>) {
        let send = Box::new(NetworkSend::new(body));
        self.request_channel().send_response(Response::new(request.reply_to(), send));
    }

    /// Answers the next request that arrives with its own bytes, and returns it.
    pub fn echo_one(&self) -> Box<Request> {
        let request = self.receive();
        self.respond(&request, request.buffer.clone());
        request
    }

    /// Sends a request through `client` and sees that its echo comes back.
    pub fn assert_serves(&self, client: &mut TcpStream, correlation_id: i32) {
        let frame = produce_request(correlation_id);
        send_frame(client, &frame);
        self.echo_one();
        assert_eq!(receive_frame(client), frame);
    }

    /// Waits until so many connections are counted for localhost.
    pub fn await_connections(&self, count: usize) {
        let what = format!("{count} connections");
        wait_until(&what, || self.connection_count(LOCALHOST) == count);
    }
}

/// The settings of Kafka's `SocketServerTest`.
pub fn test_config() -> KafkaConfig {
    KafkaConfig {
        listeners: ["PLAINTEXT://127.0.0.1:0", "TRACE://127.0.0.1:0"]
            .map(|text| EndPoint::parse(text).unwrap())
            .to_vec(),
        num_network_threads: 1,
        socket_send_buffer_bytes: Some(300_000),
        socket_receive_buffer_bytes: Some(300_000),
        queued_max_requests: 50,
        socket_request_max_bytes: 50,
        max_connections_per_ip: 5,
        connections_max_idle_ms: 60_000.into(),
        ..KafkaConfig::default()
    }
}

/// Waits for something that nobody announces.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::yield_now();
    }
}

/// A Produce request, version 0, without any topic and with acks=1: 20 bytes.
pub fn produce_request(correlation_id: i32) -> Vec<u8> {
    let mut frame = Vec::new();
    let (api_key, api_version) = (0, 0);
    frame.write_i16::<BigEndian>(api_key).unwrap();
    frame.write_i16::<BigEndian>(api_version).unwrap();
    frame.write_i32::<BigEndian>(correlation_id).unwrap();
    let (client_id, acks, timeout_ms, topics) = (-1, 1, 10_000, 0);
    frame.write_i16::<BigEndian>(client_id).unwrap();
    frame.write_i16::<BigEndian>(acks).unwrap();
    frame.write_i32::<BigEndian>(timeout_ms).unwrap();
    frame.write_i32::<BigEndian>(topics).unwrap();
    frame
}

/// Writes `frame` with its size in front.
pub fn send_frame(client: &mut TcpStream, frame: &[u8]) {
    let mut bytes = vec![0; 4];
    BigEndian::write_i32(&mut bytes, i32::try_from(frame.len()).unwrap());
    bytes.extend_from_slice(frame);
    client.write_all(&bytes).unwrap();
}

/// Reads one frame and returns it without its size.
pub fn receive_frame(client: &mut TcpStream) -> Vec<u8> {
    let mut size = [0; 4];
    client.read_exact(&mut size).unwrap();
    let mut frame = vec![0; usize::try_from(BigEndian::read_i32(&size)).unwrap()];
    client.read_exact(&mut frame).unwrap();
    frame
}

/// Reads until the server has closed the connection, and fails if a byte comes before.
pub fn assert_closed_without_answer(client: &mut TcpStream) {
    // A server that closes with unread bytes in its socket answers with a reset, and not with an
    // end.
    match client.read(&mut [0; 16]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("the end of the connection was expected, not {other:?}"),
    }
}

/// Closes a client in order: the server reads all that was sent, and then the end.
pub fn close(client: TcpStream) {
    client.shutdown(Shutdown::Both).unwrap();
}
