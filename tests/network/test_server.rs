//! A socket server without handlers: the tests take the requests themselves, and talk to it through
//! raw sockets.

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpStream};
use std::ops::Deref;
use std::sync::Arc;

use byteorder::{BigEndian, WriteBytesExt};
use support::wait::{PATIENCE, wait_until};
use transferto::common::end_point::{EndPoint, SecurityProtocol};
use transferto::common::metrics::Metrics;
use transferto::common::mock_time::MockTime;
use transferto::config::kafka_config::KafkaConfig;
use transferto::network::inline_handler::InlineHandler;
use transferto::network::request_channel::{Request, RequestChannel, Response};
use transferto::network::request_queue::RequestOrShutdown;
use transferto::network::socket_server::SocketServer;
use transferto::transport::channel_builder::{ChannelBuilder, PlaintextChannelBuilder};
use transferto::transport::send::NetworkSend;

use crate::frames::{receive_frame, send_frame};

/// The address of every client.
pub(crate) const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A server that accepts, with a clock that stands still.
pub(crate) struct TestServer {
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
    pub(crate) fn start() -> Self {
        Self::start_with(|_| ())
    }

    /// The same with other settings.
    pub(crate) fn start_with(change: impl FnOnce(&mut KafkaConfig)) -> Self {
        let metrics = Arc::new(Metrics::default());
        let builder = Arc::new(PlaintextChannelBuilder::new(Arc::clone(&metrics)));
        Self::start_on(builder, metrics, change)
    }

    /// The same, with what answers requests on the Processor; it is made from the channel by which
    /// answers leave.
    pub(crate) fn start_inline<H: InlineHandler + 'static>(
        handler: impl FnOnce(&Arc<RequestChannel>) -> H,
    ) -> Self {
        let metrics = Arc::new(Metrics::default());
        let builder = Arc::new(PlaintextChannelBuilder::new(Arc::clone(&metrics)));
        Self::start_prepared(
            builder,
            metrics,
            |_| (),
            |server| {
                server.answer_inline_by(Arc::new(handler(server.request_channel())));
            },
        )
    }

    /// The same with other transports.
    pub(crate) fn start_on(
        builder: Arc<dyn ChannelBuilder>,
        metrics: Arc<Metrics>,
        change: impl FnOnce(&mut KafkaConfig),
    ) -> Self {
        Self::start_prepared(builder, metrics, change, |_| ())
    }

    /// The same after `prepare`, which is called before the ports are open.
    fn start_prepared(
        builder: Arc<dyn ChannelBuilder>,
        metrics: Arc<Metrics>,
        change: impl FnOnce(&mut KafkaConfig),
        prepare: impl FnOnce(&SocketServer),
    ) -> Self {
        let mut config = test_config();
        change(&mut config);
        let time = Arc::new(MockTime::new());
        let server = SocketServer::startup(&config, time.clone(), metrics.clone(), &builder);
        let server = server.unwrap();
        prepare(&server);
        server.start_accepting().unwrap();
        Self { server, metrics, time }
    }

    /// A new client.
    pub(crate) fn connect(&self) -> TcpStream {
        self.connect_to(SecurityProtocol::Plaintext)
    }

    /// A new client of the listener for `protocol`.
    pub(crate) fn connect_to(&self, protocol: SecurityProtocol) -> TcpStream {
        let stream = TcpStream::connect((LOCALHOST, self.bound_port(protocol).unwrap())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// The next request that arrives.
    pub(crate) fn receive(&self) -> Box<Request> {
        let timeout_ms = u64::try_from(PATIENCE.as_millis()).unwrap();
        match self.request_channel().receive_request(timeout_ms) {
            Some(RequestOrShutdown::Request(request)) => request,
            other => panic!("a request was expected, not {other:?}"),
        }
    }

    /// Answers `request` with `body`.
    pub(crate) fn respond(&self, request: &Request, body: Vec<u8>) {
        let send = Box::new(NetworkSend::new(body).unwrap());
        self.request_channel().send_response(Response::new(request.reply_to(), send));
    }

    /// Answers the next request that arrives with its own bytes, and returns it.
    pub(crate) fn echo_one(&self) -> Box<Request> {
        let request = self.receive();
        self.respond(&request, request.frame.bytes.clone());
        request
    }

    /// Sends a request through `client` and sees that its echo comes back.
    pub(crate) fn assert_serves(&self, client: &mut TcpStream, correlation_id: i32) {
        let frame = produce_request(correlation_id);
        send_frame(client, &frame);
        self.echo_one();
        assert_eq!(receive_frame(client), frame);
    }

    /// Waits until so many connections are counted for localhost.
    pub(crate) fn await_connections(&self, count: usize) {
        let what = format!("{count} connections");
        wait_until(&what, || self.connection_count(LOCALHOST) == count);
    }
}

/// The settings of Kafka's `SocketServerTest`.
pub(crate) fn test_config() -> KafkaConfig {
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

/// A Produce request, version 0, without any topic and with acks=1: 20 bytes.
pub(crate) fn produce_request(correlation_id: i32) -> Vec<u8> {
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

/// Reads until the server has closed the connection, and fails if a byte comes before.
pub(crate) fn assert_closed_without_answer(client: &mut TcpStream) {
    // A server that closes with unread bytes in its socket answers with a reset, and not with an
    // end.
    match client.read(&mut [0; 16]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("the end of the connection was expected, not {other:?}"),
    }
}

/// Closes a client in order: the server reads all that was sent, and then the end.
pub(crate) fn close(client: TcpStream) {
    client.shutdown(Shutdown::Both).unwrap();
}
