//! Port of `kafka.network.SocketServerTest`, of 0.9 and of later versions, over raw sockets on
//! ports of the system's choice. What happens when something fails is in `socket_server_faults.rs`.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::{io, thread};

use support::temp::TempDir;
use support::tls::TlsFiles;
use support::wait::wait_until;
use transferto::common::end_point::SecurityProtocol;
use transferto::common::kafka_principal::KafkaPrincipal;
use transferto::common::metrics::Metrics;
use transferto::common::mock_time::MockTime;
use transferto::network::request_channel::Request;
use transferto::network::socket_server::SocketServer;
use transferto::protocol::api_keys::ApiKeys;
use transferto::transport::authenticator::{AuthenticationError, Authenticator};
use transferto::transport::channel_builder::{ChannelBuilder, PlaintextChannelBuilder};
use transferto::transport::connection_id::ConnectionId;
use transferto::transport::kafka_channel::KafkaChannel;
use transferto::transport::network_receive::NetworkReceive;
use transferto::transport::plaintext_transport_layer::PlaintextTransportLayer;

use crate::frames::{receive_frame, send_frame};
use crate::test_server::{
    LOCALHOST, TestServer, assert_closed_without_answer, close, produce_request, test_config,
};
use crate::transport::nio_echo_server::{ssl_builder, ssl_config};

/// More than the buffers of both sockets hold, so that a client that does not read stops the server
/// in mid-send.
const MORE_THAN_A_SOCKET_HOLDS: usize = 64 << 20;

/// Port of `SocketServerTest.simpleRequest`.
#[test]
fn a_request_is_answered_on_every_listener() {
    let server = TestServer::start();
    for protocol in [SecurityProtocol::Plaintext, SecurityProtocol::Trace] {
        let mut client = server.connect_to(protocol);
        send_frame(&mut client, &produce_request(7));
        let request = server.echo_one();
        assert_eq!(request.header.api_key, ApiKeys::Produce);
        assert_eq!(request.header.correlation_id, 7);
        assert_eq!(receive_frame(&mut client), produce_request(7));
    }
}

/// Port of `SocketServerTest.testSslSocketServer`.
#[test]
fn a_request_is_answered_over_tls() {
    let (dir, metrics) = (TempDir::new(), Arc::new(Metrics::default()));
    let files = TlsFiles::in_dir(dir.path());
    let config = ssl_config(&files, &[]);
    let listeners = config.listeners.clone();
    let server = TestServer::start_on(ssl_builder(&config, &metrics), metrics, |it| {
        it.listeners = listeners;
    });
    let port = server.bound_port(SecurityProtocol::Ssl).unwrap();
    let mut client = files.client().connect(port).unwrap();
    send_frame(&mut client, &produce_request(7));
    assert_eq!(server.echo_one().session.principal.to_string(), "User:ANONYMOUS");
    assert_eq!(receive_frame(&mut client), produce_request(7));
}

/// Port of `SocketServerTest.tooBigRequestIsRejected`, which must see the end here (KAFKA-3662).
#[test]
fn a_request_above_the_limit_closes_its_connection() {
    assert_size_is_refused(51, &[0; 51]);
}

#[test]
fn a_negative_size_closes_its_connection() {
    assert_size_is_refused(-1, &[]);
    assert_size_is_refused(i32::MIN, &[]);
}

/// Kafka 0.9 leaves such a connection open, and its client waiting.
#[test]
fn an_empty_request_closes_its_connection() {
    assert_size_is_refused(0, &[]);
}

#[test]
fn the_largest_size_is_refused_before_any_byte_of_it() {
    assert_size_is_refused(i32::MAX, &[]);
}

fn assert_size_is_refused(size: i32, frame: &[u8]) {
    let server = TestServer::start();
    let mut client = server.connect();
    client.write_all(&size.to_be_bytes()).unwrap();
    // The server may have closed already.
    let _ = client.write_all(frame);
    assert_closed_without_answer(&mut client);
    server.await_connections(0);
    assert_eq!(server.request_channel().request_queue_size(), 0);
}

/// A request of exactly the limit is taken; trailing bytes are ignored, as Kafka does.
#[test]
fn a_request_of_the_largest_size_is_served() {
    let server = TestServer::start();
    let mut client = server.connect();
    let mut frame = produce_request(1);
    frame.resize(50, 0);
    send_frame(&mut client, &frame);
    server.echo_one();
    assert_eq!(receive_frame(&mut client), frame);
}

/// The fix of KAFKA-3341 and KAFKA-3088: the client hears the end, and not nothing.
#[test]
fn a_request_that_is_none_closes_its_connection_and_is_counted() {
    let unknown_api = [&[0x7f, 0xff], &produce_request(1)[2..]].concat();
    let unknown_version = [&[0, 0, 0x7f, 0xff], &produce_request(1)[4..]].concat();
    let cut = produce_request(1)[..12].to_vec();
    let endless_array = [&produce_request(1)[..16], &[0x7f, 0xff, 0xff, 0xff]].concat();
    let server = TestServer::start();
    for (number, frame) in [unknown_api, unknown_version, cut, endless_array].iter().enumerate() {
        let mut client = server.connect();
        send_frame(&mut client, frame);
        assert_closed_without_answer(&mut client);
        server.await_connections(0);
        assert_eq!(server.metrics.invalid_requests.value(), number as u64 + 1);
    }
    server.assert_serves(&mut server.connect(), 5);
}

/// The one request that is answered in an unknown version: how else would a client learn the known
/// ones?
#[test]
fn a_probe_of_an_unknown_version_reaches_the_handlers() {
    let server = TestServer::start();
    let mut client = server.connect();
    send_frame(&mut client, &[0, 18, 0x7f, 0xff, 0, 0, 0, 9]);
    let request = server.echo_one();
    assert_eq!(request.header.api_key, ApiKeys::ApiVersions);
    assert_eq!(request.header.correlation_id, 9);
    receive_frame(&mut client);
}

/// Port of `SocketServerTest.testSocketsCloseOnShutdown`, without its trust in the size of buffers
/// (KAFKA-3182).
#[test]
fn shutdown_closes_the_ports_and_all_connections() {
    let server = TestServer::start();
    let mut clients: Vec<TcpStream> = [SecurityProtocol::Plaintext, SecurityProtocol::Trace]
        .map(|protocol| server.connect_to(protocol))
        .into();
    for client in &mut clients {
        server.assert_serves(client, 1);
    }
    server.shutdown();
    for client in &mut clients {
        assert_closed_without_answer(client);
    }
    assert_eq!(server.connection_count(LOCALHOST), 0);
    for end_point in server.bound_endpoints() {
        assert!(TcpStream::connect((LOCALHOST, end_point.port)).is_err());
    }
    server.shutdown();
}

/// A port is held from the start and opened at the end (KAFKA-14658), and the next server may have
/// it at once.
#[test]
fn a_port_is_closed_before_accepting_and_free_after_shutdown() {
    let start = || {
        let metrics = Arc::new(Metrics::default());
        let builder = Arc::new(PlaintextChannelBuilder::new(Arc::clone(&metrics)));
        (Arc::new(MockTime::new()), metrics, builder as Arc<dyn ChannelBuilder>)
    };
    let (time, metrics, builder) = start();
    let mut config = test_config();
    let server = SocketServer::startup(&config, time, metrics, &builder).unwrap();
    config.listeners = server.bound_endpoints().to_vec();
    let address = (LOCALHOST, server.bound_port(SecurityProtocol::Plaintext).unwrap());
    assert!(TcpStream::connect(address).is_err());
    server.start_accepting().unwrap();
    let _client = TcpStream::connect(address).unwrap();
    assert!(server.start_accepting().is_err());

    let (time, metrics, builder) = start();
    let taken = SocketServer::startup(&config, time, metrics, &builder);
    let Err(error) = taken else { panic!("{address:?} is taken") };
    assert!(error.to_string().contains(&config.listeners[0].to_string()), "{error}");

    server.shutdown();
    let (time, metrics, builder) = start();
    let next = SocketServer::startup(&config, time, metrics, &builder).unwrap();
    next.start_accepting().unwrap();
    assert_eq!(next.bound_port(SecurityProtocol::Plaintext), Some(address.1));
}

/// Port of `SocketServerTest.testMaxConnectionsPerIp`.
#[test]
fn one_connection_too_many_is_accepted_and_closed() {
    let server = TestServer::start();
    let mut clients: Vec<TcpStream> = (0..5).map(|_| server.connect()).collect();
    server.await_connections(5);
    assert_closed_without_answer(&mut server.connect());
    assert_eq!(server.metrics.connections_refused.value(), 1);

    close(clients.remove(0));
    server.await_connections(4);
    server.assert_serves(&mut server.connect(), 2);
    for client in &mut clients {
        server.assert_serves(client, 3);
    }
}

/// Port of `SocketServerTest.testMaxConnectionsPerIPOverrides`, which asserts nothing at 0.9.0.1,
/// as the test it was meant to be: `SocketServerTest.testMaxConnectionsPerIpOverrides` of 2.0.0.
#[test]
fn an_override_raises_the_limit_of_its_host() {
    let server = TestServer::start_with(|config| {
        config.max_connections_per_ip_overrides = vec![("localhost".to_string(), 7)];
    });
    let mut clients: Vec<TcpStream> = (0..7).map(|_| server.connect()).collect();
    for client in &mut clients {
        server.assert_serves(client, 1);
    }
    assert_closed_without_answer(&mut server.connect());
}

/// Port of `SocketServerTest.testZeroMaxConnectionsPerIp`.
#[test]
fn with_a_limit_of_zero_only_named_hosts_connect() {
    let server = TestServer::start_with(|config| config.max_connections_per_ip = 0);
    assert_closed_without_answer(&mut server.connect());

    let server = TestServer::start_with(|config| {
        config.max_connections_per_ip = 0;
        config.max_connections_per_ip_overrides = vec![("127.0.0.1".to_string(), 1)];
    });
    let mut client = server.connect();
    server.assert_serves(&mut client, 1);
    assert_closed_without_answer(&mut server.connect());
}

/// Port of `SocketServerTest.testSessionPrincipal`.
#[test]
fn a_client_without_a_name_is_anonymous() {
    let server = TestServer::start();
    let mut client = server.connect();
    send_frame(&mut client, &produce_request(1));
    let session = server.echo_one().session.clone();
    assert_eq!(session.principal.to_string(), "User:ANONYMOUS");
    assert_eq!(session.client_address, client.local_addr().unwrap());
    assert_eq!(session.local_address, client.peer_addr().unwrap());
}

/// Port of `SocketServerTest.testGracefulClose`: requests of acks=0 that were sent before the close
/// are not lost (KAFKA-3703).
#[test]
fn requests_that_were_sent_before_a_close_are_all_handled() {
    let server = TestServer::start();
    let mut client = server.connect();
    for number in 0..10 {
        send_frame(&mut client, &produce_request(number));
    }
    close(client);
    for number in 0..10 {
        let request = server.receive();
        assert_eq!(request.header.correlation_id, number);
        server.request_channel().no_operation(request.reply_to());
    }
    server.await_connections(0);
    assert_eq!(server.request_channel().request_metrics().requests(ApiKeys::Produce), 10);
}

/// Port of `SocketServerTest.testNoOpAction`.
#[test]
fn a_request_without_an_answer_makes_way_for_the_next() {
    let server = TestServer::start();
    let mut client = server.connect();
    send_frame(&mut client, &produce_request(1));
    server.request_channel().no_operation(server.receive().reply_to());
    server.assert_serves(&mut client, 2);
}

/// Kafka closes the connection of a produce request with acks=0 that failed.
#[test]
fn a_handler_can_close_a_connection() {
    let server = TestServer::start();
    let mut client = server.connect();
    send_frame(&mut client, &produce_request(1));
    server.request_channel().close_connection(server.receive().reply_to());
    assert_closed_without_answer(&mut client);
    server.await_connections(0);
    assert_eq!(server.request_channel().request_metrics().requests(ApiKeys::Produce), 1);
}

/// Port of `SocketServerTest.testConnectionId`.
#[test]
fn every_connection_has_its_own_id() {
    let server = TestServer::start();
    let mut clients: Vec<TcpStream> = (0..5).map(|_| server.connect()).collect();
    let mut seen: HashSet<(String, SocketAddr)> = HashSet::new();
    for client in &mut clients {
        send_frame(client, &produce_request(1));
        let request = server.echo_one();
        assert_eq!(request.session.client_address, client.local_addr().unwrap());
        seen.insert((request.connection_id.to_string(), request.session.client_address));
    }
    let ids: HashSet<&String> = seen.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), 5);
}

/// Port of `SocketServerTest.testConnectionIdReuse`: a late answer does not reach the client that
/// came after (KAFKA-5595).
#[test]
fn a_late_response_does_not_reach_a_newcomer() {
    let server = TestServer::start();
    let mut gone = server.connect();
    send_frame(&mut gone, &produce_request(1));
    let unanswered = server.receive();
    idle_out(&server, &mut gone);

    let mut newcomer = server.connect();
    send_frame(&mut newcomer, &produce_request(2));
    let request = server.receive();
    assert_ne!(request.connection_id, unanswered.connection_id);
    server.respond(&unanswered, b"for someone else".to_vec());
    server.respond(&request, b"for you".to_vec());
    assert_eq!(receive_frame(&mut newcomer), b"for you");
}

/// Port of `SocketServerTest.testIdleConnection`.
#[test]
fn an_idle_connection_is_closed() {
    let server = TestServer::start();
    let mut client = server.connect();
    server.assert_serves(&mut client, 1);
    go_round(&server);
    idle_out(&server, &mut client);
}

/// KAFKA-7453: Kafka 0.9 keeps those that never said a word. And one word, or half a request, does
/// not help.
#[test]
fn a_connection_that_never_sends_a_request_is_closed_as_idle() {
    let server = TestServer::start();
    let mut silent = server.connect();
    let mut stuck = server.connect();
    stuck.write_all(&[0, 0, 0, 50, 0]).unwrap();
    server.await_connections(2);
    go_round(&server);
    server.time.sleep(60_001);
    assert_closed_without_answer(&mut silent);
    assert_closed_without_answer(&mut stuck);
    server.await_connections(0);
}

/// A byte a minute keeps a connection alive, as in Kafka; and the request counts when it is whole.
#[test]
fn a_request_that_comes_byte_by_byte_is_served() {
    let server = TestServer::start();
    let mut client = server.connect();
    let frame = produce_request(1);
    let size = u8::try_from(frame.len()).unwrap();
    let bytes = [&[0, 0, 0, size], &frame[..]].concat();
    let (last, others) = bytes.split_last().unwrap();
    for byte in others {
        client.write_all(&[*byte]).unwrap();
        go_round(&server);
        server.time.sleep(59_000);
    }
    client.write_all(&[*last]).unwrap();
    let request = server.receive();
    assert_eq!(request.frame.bytes, frame);
    server.respond(&request, frame.clone());
    assert_eq!(receive_frame(&mut client), frame);
}

#[test]
fn without_an_idle_limit_connections_stay() {
    let server = TestServer::start_with(|config| config.connections_max_idle_ms = (-1).into());
    let mut client = server.connect();
    server.assert_serves(&mut client, 1);
    server.time.sleep(1_000_000_000);
    server.assert_serves(&mut server.connect(), 2);
    server.assert_serves(&mut client, 3);
}

/// Makes the Processor go round until it has done all that it had to do for the other clients.
fn go_round(server: &TestServer) {
    let mut client = server.connect();
    server.assert_serves(&mut client, 1000);
    close(client);
}

/// Lets the idle limit pass, and sees that the server closes `client`.
fn idle_out(server: &TestServer, client: &mut TcpStream) {
    server.time.sleep(60_001);
    assert_closed_without_answer(client);
    server.await_connections(0);
}

/// Port of `SocketServerTest.testClientDisconnectionUpdatesRequestMetrics` (KAFKA-3489): the client
/// goes away in the middle of its response.
#[test]
fn a_client_that_leaves_in_mid_send_ends_its_request() {
    let server = TestServer::start();
    let mut client = server.connect();
    send_frame(&mut client, &produce_request(1));
    let request = server.receive();
    server.respond(&request, vec![0; MORE_THAN_A_SOCKET_HOLDS]);
    client.read_exact(&mut [0; 1000]).unwrap();
    assert_eq!(produce_requests_that_are_over(&server), 0);
    drop(client);
    server.await_connections(0);
    assert_eq!(produce_requests_that_are_over(&server), 1);
    server.assert_serves(&mut server.connect(), 2);
}

/// Port of `SocketServerTest.testClientDisconnectionWithStagedReceivesFullyProcessed`: the response
/// to the first of several requests fails, and nothing is left of the connection (KAFKA-6529).
#[test]
fn a_client_that_leaves_with_requests_unread_leaves_nothing_behind() {
    let server = TestServer::start();
    let mut client = server.connect();
    for number in 0..5 {
        send_frame(&mut client, &produce_request(number));
    }
    let request = server.receive();
    drop(client);
    server.respond(&request, vec![0; MORE_THAN_A_SOCKET_HOLDS]);
    server.await_connections(0);
    assert_eq!(produce_requests_that_are_over(&server), 1);
    assert_eq!(server.request_channel().request_queue_size(), 0);
}

/// Port of `SocketServerTest.testBrokerSendAfterChannelClosedUpdatesRequestMetrics`.
#[test]
fn a_response_that_finds_no_connection_ends_its_request() {
    let server = TestServer::start();
    let mut client = server.connect();
    send_frame(&mut client, &produce_request(1));
    let request = server.receive();
    idle_out(&server, &mut client);
    server.respond(&request, vec![0; 100]);
    wait_until("the end of the request", || produce_requests_that_are_over(&server) == 1);
}

/// Port of `SocketServerTest.testMetricCollectionAfterShutdown`.
#[test]
fn metrics_can_be_read_after_shutdown() {
    let server = TestServer::start();
    server.assert_serves(&mut server.connect(), 1);
    server.shutdown();
    assert_eq!(produce_requests_that_are_over(&server), 1);
    let printed = server.request_channel().request_metrics().to_string();
    assert!(printed.starts_with("Produce: Requests=1 "), "{printed}");
    let values = server.metrics.values();
    assert!(values.contains(&("connection_creations", 1)), "{values:?}");
    assert!(values.contains(&("connection_closes", 1)), "{values:?}");
}

fn produce_requests_that_are_over(server: &TestServer) -> u64 {
    server.request_channel().request_metrics().requests(ApiKeys::Produce)
}

/// One request in flight per connection: the next one stays in the socket until the answer has
/// left.
#[test]
fn pipelined_requests_are_handled_one_at_a_time_and_in_order() {
    let server = TestServer::start();
    let mut client = server.connect();
    let mut witness = server.connect();
    let numbers = 0..20;
    for number in numbers.clone() {
        send_frame(&mut client, &produce_request(number));
    }
    for number in numbers.clone() {
        let request = server.receive();
        assert_eq!(request.header.correlation_id, number);
        // The Processor goes round for another client, and takes nothing from this one.
        send_frame(&mut witness, &produce_request(100 + number));
        let next = server.echo_one();
        assert_eq!(next.header.correlation_id, 100 + number);
        receive_frame(&mut witness);
        assert_eq!(server.request_channel().request_queue_size(), 0);
        server.respond(&request, request.frame.bytes.clone());
    }
    for number in numbers {
        assert_eq!(receive_frame(&mut client), produce_request(number));
    }
}

/// The bound on the request queue slows the clients down, and loses nothing.
#[test]
fn a_full_request_queue_makes_the_processor_wait() {
    let server = TestServer::start_with(|config| {
        config.queued_max_requests = 1;
        config.max_connections_per_ip = 20;
    });
    let mut clients: Vec<TcpStream> = (0..20).map(|_| server.connect()).collect();
    for (number, client) in (0..).zip(&mut clients) {
        send_frame(client, &produce_request(number));
    }
    wait_until("a full queue", || server.request_channel().request_queue_size() == 1);
    let requests: Vec<Box<Request>> = clients
        .iter()
        .map(|_| {
            assert!(server.request_channel().request_queue_size() <= 1);
            server.receive()
        })
        .collect();
    for request in requests.iter().rev() {
        server.respond(request, request.frame.bytes.clone());
    }
    for (number, client) in (0..).zip(&mut clients) {
        assert_eq!(receive_frame(client), produce_request(number));
    }
}

/// Without handlers, nothing empties the queue that the Processor waits for.
#[test]
fn a_processor_that_waits_for_the_request_queue_can_be_shut_down() {
    let server = TestServer::start_with(|config| config.queued_max_requests = 1);
    let mut clients: Vec<TcpStream> = (0..3).map(|_| server.connect()).collect();
    for client in &mut clients {
        send_frame(client, &produce_request(1));
    }
    wait_until("a full queue", || server.request_channel().request_queue_size() == 1);
    server.shutdown();
    for client in &mut clients {
        assert_closed_without_answer(client);
    }
    assert_eq!(server.connection_count(LOCALHOST), 0);
}

/// Several network threads share the connections in turn, and answers come from any thread.
#[test]
fn connections_are_dealt_out_to_all_processors() {
    let server = TestServer::start_with(|config| {
        config.num_network_threads = 3;
        config.max_connections_per_ip = 9;
    });
    let mut clients: Vec<TcpStream> = (0..9).map(|_| server.connect()).collect();
    let mut connections_of = [0; 3];
    for client in &mut clients {
        send_frame(client, &produce_request(1));
        connections_of[server.echo_one().processor] += 1;
        receive_frame(client);
    }
    assert_eq!(connections_of, [3, 3, 3]);

    let handlers = 4;
    let requests_per_client = 50;
    thread::scope(|scope| {
        for _ in 0..handlers {
            scope.spawn(|| {
                for _ in 0..9 * requests_per_client / handlers {
                    server.echo_one();
                }
            });
        }
        for client in &mut clients {
            scope.spawn(move || {
                for number in 0..requests_per_client {
                    send_frame(client, &produce_request(number));
                    assert_eq!(receive_frame(client), produce_request(number));
                }
            });
        }
        // What the division above leaves over.
        for _ in 0..9 * requests_per_client % handlers {
            server.echo_one();
        }
    });
}

/// Each listener has a Processor of its own, and each Processor a selector.
#[test]
fn no_two_processors_give_connections_the_same_name() {
    let server = TestServer::start();
    let mut names = HashSet::new();
    for protocol in [SecurityProtocol::Plaintext, SecurityProtocol::Trace] {
        let mut client = server.connect_to(protocol);
        send_frame(&mut client, &produce_request(1));
        names.insert(server.echo_one().connection_id.to_string());
    }
    assert_eq!(names.len(), 2, "{names:?}");
}

/// Says that every peer is `User:alice`.
struct Alice(KafkaPrincipal);

impl Authenticator for Alice {
    fn authenticate(&mut self, _: &[u8], _: i64) -> Result<Vec<u8>, AuthenticationError> {
        unreachable!("nobody asks it")
    }

    fn complete(&self) -> bool {
        true
    }

    fn principal(&self) -> &KafkaPrincipal {
        &self.0
    }
}

struct AliceChannelBuilder(Arc<Metrics>);

impl ChannelBuilder for AliceChannelBuilder {
    fn build_channel(
        &self,
        id: ConnectionId,
        stream: mio::net::TcpStream,
        peer: SocketAddr,
        receive: NetworkReceive,
    ) -> io::Result<KafkaChannel> {
        let transport = PlaintextTransportLayer::new(stream, peer, Arc::clone(&self.0))?;
        let alice = Alice(KafkaPrincipal::parse("User:alice").unwrap());
        Ok(KafkaChannel::new(id, Box::new(transport), Box::new(alice), receive))
    }
}

#[test]
fn the_principal_of_a_session_is_the_one_that_its_channel_has_found() {
    let metrics = Arc::new(Metrics::default());
    let builder = Arc::new(AliceChannelBuilder(Arc::clone(&metrics)));
    let server = TestServer::start_on(builder, metrics, |_| ());
    let mut client = server.connect();
    send_frame(&mut client, &produce_request(1));
    assert_eq!(server.echo_one().session.principal.to_string(), "User:alice");
}
