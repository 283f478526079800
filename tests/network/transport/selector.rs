//! Ports of Kafka's `SelectorTest`: the twelve of 0.9.0.1, and those of 2.0.0 that pin later fixes.
//!
//! As in Kafka the selector is mostly the client here, and an echo server with blocking threads its
//! peer.

use std::io;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use transferto::common::kafka_principal::KafkaPrincipal;
use transferto::common::metrics::Metrics;
use transferto::transport::authenticator::{AuthenticationError, Authenticator};
use transferto::transport::channel_builder::ChannelBuilder;
use transferto::transport::connection_id::ConnectionId;
use transferto::transport::kafka_channel::{KafkaChannel, SendError};
use transferto::transport::network_receive::NetworkReceive;
use transferto::transport::plaintext_transport_layer::PlaintextTransportLayer;
use transferto::transport::selector::DisconnectCause;
use transferto::transport::send::NetworkSend;

use crate::frames::{frame, receive_frame};
use crate::transport::harness::{EchoServer, Harness, IDLE_MS};

/// The send buffer of Kafka's test.
const BUFFER_BYTES: usize = 4 * 1024;

/// Port of `SelectorTest.testServerDisconnect`.
#[test]
fn a_closed_server_is_reported_and_can_be_connected_to_again() {
    let (server, mut harness) = (EchoServer::start(), Harness::new());
    let id = harness.blocking_connect(server.addr);
    assert_eq!(harness.blocking_request(id, "hello"), "hello");
    server.close_connections();
    harness.poll_until(|it| it.is_disconnected(id));
    assert_eq!(harness.disconnected[0].peer, server.addr);
    assert_eq!(harness.disconnected[0].cause, DisconnectCause::PeerClosed);

    let again = harness.blocking_connect(server.addr);
    assert_eq!(harness.blocking_request(again, "hello"), "hello");
}

/// Port of `SelectorTest.testCantSendWithInProgress`.
#[test]
fn a_second_send_before_the_first_is_complete_is_refused() {
    let (server, mut harness) = (EchoServer::start(), Harness::new());
    let id = harness.blocking_connect(server.addr);
    harness.send(id, b"test1");
    let second = harness.selector.send(id, Box::new(NetworkSend::new(b"test2".to_vec()).unwrap()));
    assert_eq!(second, Err(SendError::InProgress(id)));
    assert_eq!(harness.next_receive(id), "test1");
}

/// Port of `SelectorTest.testCantSendWithoutConnecting`.
#[test]
fn a_send_without_a_connection_is_refused() {
    let (server, mut harness) = (EchoServer::start(), Harness::new());
    let id = harness.blocking_connect(server.addr);
    harness.selector.close(id).unwrap();
    let result = harness.selector.send(id, Box::new(NetworkSend::new(b"test".to_vec()).unwrap()));
    assert_eq!(result, Err(SendError::NotConnected(id)));
}

/// Port of `SelectorTest.testNoRouteToHost`. Names are resolved before they get here, so an address
/// without a route stands for a host that cannot be found.
#[test]
fn an_address_without_a_route_is_an_error_at_once() {
    let mut harness = Harness::new();
    assert!(harness.selector.connect((Ipv4Addr::BROADCAST, 9092).into()).is_err());
    assert_eq!(harness.selector.channel_count(), 0);
}

/// Port of `SelectorTest.testConnectionRefused`, which listened on its "dead" port and looped on
/// the wrong condition.
#[test]
fn a_refused_connection_ends_as_disconnected() {
    let mut harness = Harness::new();
    // The port of a connected client is taken, so that nobody else gets it, and nobody listens on
    // it.
    let (_, client) = harness.accept();
    let id = harness.selector.connect(client.local_addr().unwrap()).unwrap();
    harness.poll_until(|it| it.is_disconnected(id));
    assert_eq!(harness.disconnected[0].cause, DisconnectCause::Failed);
    assert!(harness.connected.is_empty());
    assert_eq!(harness.selector.channel_count(), 1);
}

/// Port of `SelectorTest.testNormalOperation`: five connections, 500 requests on each, in order.
#[test]
fn many_requests_on_several_connections_are_answered_in_order() {
    let (server, mut harness) = (EchoServer::start(), Harness::new());
    let ids: Vec<_> = (0..5).map(|_| harness.blocking_connect(server.addr)).collect();
    let mut answered = vec![0; ids.len()];
    for id in &ids {
        harness.send(*id, format!("{id}-0").as_bytes());
    }
    while answered.iter().any(|count| *count < 500) {
        harness.poll_until(|it| !it.receives.is_empty());
        for receive in std::mem::take(&mut harness.receives) {
            let at = ids.iter().position(|id| *id == receive.id).unwrap();
            let expected = format!("{}-{}", receive.id, answered[at]);
            assert_eq!(String::from_utf8(receive.frame.bytes).unwrap(), expected);
            answered[at] += 1;
            if answered[at] < 500 {
                harness.send(receive.id, format!("{}-{}", receive.id, answered[at]).as_bytes());
            }
        }
    }
    assert!(harness.disconnected.is_empty());
    assert_eq!(harness.sends.len(), 5 * 500);
}

/// Port of `SelectorTest.testSendLargeRequest`.
#[test]
fn a_request_larger_than_any_buffer_goes_there_and_back() {
    let (server, mut harness) = (EchoServer::start(), Harness::new());
    let id = harness.blocking_connect(server.addr);
    let big = "x".repeat(10 * BUFFER_BYTES);
    assert_eq!(harness.blocking_request(id, &big), big);
}

/// Port of `SelectorTest.testLargeMessageSequence`: partial reads and writes, again and again.
#[test]
fn large_requests_one_after_another_go_there_and_back() {
    let (server, mut harness) = (EchoServer::start(), Harness::new());
    let id = harness.blocking_connect(server.addr);
    let fill = "x".repeat(512 * 1024);
    for i in 0..50 {
        let request = format!("{i}-{fill}");
        assert_eq!(harness.blocking_request(id, &request), request);
    }
    assert!(harness.disconnected.is_empty());
}

/// Port of `SelectorTest.testEmptyRequest`.
#[test]
fn an_empty_request_goes_there_and_back() {
    let (server, mut harness) = (EchoServer::start(), Harness::new());
    let id = harness.blocking_connect(server.addr);
    assert_eq!(harness.blocking_request(id, ""), "");
}

/// Port of `SelectorTest.testExistingConnectionId`. Kafka's caller chooses the id, and a second
/// connection with the same one is refused; here the selector gives the ids, and gives none twice.
#[test]
fn no_two_connections_ever_have_the_same_id() {
    let (server, mut harness) = (EchoServer::start(), Harness::new());
    let first = harness.blocking_connect(server.addr);
    let second = harness.blocking_connect(server.addr);
    assert_ne!(first, second);
    harness.selector.close(first).unwrap();
    let third = harness.blocking_connect(server.addr);
    assert_eq!(third.key(), first.key(), "the place in the slab is used again");
    assert_ne!(third, first);
}

/// Port of `SelectorTest.testMute`.
#[test]
fn a_muted_channel_is_not_read() {
    let (server, mut harness) = (EchoServer::start(), Harness::new());
    let muted = harness.blocking_connect(server.addr);
    let other = harness.blocking_connect(server.addr);
    harness.send(muted, b"hello");
    harness.send(other, b"hi");
    assert!(harness.selector.mute(muted));

    assert_eq!(harness.next_receive(other), "hi");
    for _ in 0..10 {
        harness.poll(1);
    }
    assert!(harness.receives.is_empty());

    assert!(harness.selector.unmute(muted));
    assert_eq!(harness.next_receive(muted), "hello");
    assert!(harness.receives.is_empty());
}

/// Port of `SelectorTest.testCloseOldestConnection`.
#[test]
fn an_idle_connection_is_closed() {
    let (server, mut harness) = (EchoServer::start(), Harness::new());
    let id = harness.blocking_connect(server.addr);
    harness.time.sleep(IDLE_MS + 1_000);
    harness.poll(0);
    assert!(harness.is_disconnected(id));
    assert_eq!(harness.disconnected[0].cause, DisconnectCause::Idle);
    assert_eq!(harness.selector.channel_count(), 0);
}

/// Port of `SelectorTest.testCloseConnectionInClosingState` (2.0.0): the peer is gone, its requests
/// are unread and the channel is muted. That state ends, too.
#[test]
fn a_muted_channel_whose_peer_is_gone_does_not_stay_for_ever() {
    let mut harness = Harness::new();
    let (id, mut peer) = harness.accept();
    peer.write_all(&[frame(b"1"), frame(b"2"), frame(b"3")].concat()).unwrap();
    assert_eq!(harness.next_receive(id), "1");
    harness.selector.mute(id);
    drop(peer);
    harness.poll(0);
    assert!(harness.disconnected.is_empty());

    harness.time.sleep(IDLE_MS + 1);
    harness.poll(0);
    assert_eq!(harness.disconnected[0].cause, DisconnectCause::Idle);
    assert!(harness.selector.channel(id).is_none());
}

/// Port of `SelectorTest.testCloseOldestConnectionWithOneStagedReceive` (2.0.0).
#[test]
fn a_request_that_waits_is_handed_out_before_its_connection_is_idle() {
    requests_that_wait_are_handed_out(1);
}

/// Port of `SelectorTest.testCloseOldestConnectionWithMultipleStagedReceives` (2.0.0).
#[test]
fn all_requests_that_wait_are_handed_out_before_their_connection_is_idle() {
    requests_that_wait_are_handed_out(5);
}

/// The idle time of a channel is over while `count` whole requests wait in its socket. Kafka stages
/// them and keeps the channel in a closing state until they are handed out; here they count as
/// activity.
fn requests_that_wait_are_handed_out(count: usize) {
    let mut harness = Harness::new();
    let (id, mut peer) = harness.accept();
    harness.poll(0);
    for _ in 0..count {
        peer.write_all(&frame(b"request")).unwrap();
    }
    harness.time.sleep(IDLE_MS + 1_000);
    harness.poll_until(|it| !it.receives.is_empty());
    for handed_out in 1..=count {
        assert_eq!(harness.receives.len(), handed_out);
        assert!(harness.selector.channel(id).is_some());
        harness.poll(0);
    }
    assert!(harness.disconnected.is_empty());
    harness.time.sleep(IDLE_MS + 1_000);
    harness.poll(0);
    assert_eq!(harness.receives.len(), count);
    assert!(harness.is_disconnected(id));
}

/// Port of `SelectorTest.testImmediatelyConnectedCleaned` (2.0.0): nothing remains of a connection
/// that is closed before any poll has seen it connected.
#[test]
fn a_connection_closed_before_the_first_poll_leaves_nothing_behind() {
    let (server, mut harness) = (EchoServer::start(), Harness::new());
    let id = harness.selector.connect(server.addr).unwrap();
    assert!(harness.selector.close(id).is_some());
    assert_eq!(harness.selector.channel_count(), 0);
    harness.time.sleep(IDLE_MS + 1_000);
    harness.poll(0);
    assert!(harness.connected.is_empty());
    assert!(harness.disconnected.is_empty());
    assert_eq!(harness.metrics.connection_closes.value(), 1);
}

/// Port of `SelectorTest.testConnectDisconnectDuringInSinglePoll` (KAFKA-5417, 2.0.0).
#[test]
fn what_connects_and_ends_in_one_poll_is_only_disconnected() {
    let mut harness = Harness::new();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let id = harness.selector.connect(listener.local_addr().unwrap()).unwrap();
    drop(listener.accept().unwrap());
    harness.poll_until(|it| it.is_disconnected(id));
    assert!(harness.connected.is_empty());
}

/// Port of `SelectorTest.testOutboundConnectionsCountInConnectionCreationMetric` (2.0.0).
#[test]
fn connections_made_by_us_are_counted() {
    let (server, mut harness) = (EchoServer::start(), Harness::new());
    for _ in 0..3 {
        harness.blocking_connect(server.addr);
    }
    assert_eq!(harness.metrics.connection_creations.value(), 3);
}

/// Port of `SelectorTest.testInboundConnectionsCountInConnectionCreationMetric` (KAFKA-6809,
/// 2.0.0).
#[test]
fn accepted_connections_are_counted() {
    let mut harness = Harness::new();
    let peers: Vec<_> = (0..3).map(|_| harness.accept()).collect();
    assert_eq!(harness.metrics.connection_creations.value(), 3);
    drop(peers);
    harness.poll_until(|it| it.disconnected.len() == 3);
    assert_eq!(harness.metrics.connection_closes.value(), 3);
}

/// Knows no peer, ever.
/// Answers each frame with itself, and is never satisfied.
struct Incomplete(KafkaPrincipal);

impl Authenticator for Incomplete {
    fn authenticate(&mut self, frame: &[u8], _: i64) -> Result<Vec<u8>, AuthenticationError> {
        Ok(frame.to_vec())
    }

    fn complete(&self) -> bool {
        false
    }

    fn principal(&self) -> &KafkaPrincipal {
        &self.0
    }
}

struct IncompleteChannelBuilder(Arc<Metrics>);

impl ChannelBuilder for IncompleteChannelBuilder {
    fn build_channel(
        &self,
        id: ConnectionId,
        stream: mio::net::TcpStream,
        peer: SocketAddr,
        receive: NetworkReceive,
    ) -> io::Result<KafkaChannel> {
        let transport = PlaintextTransportLayer::new(stream, peer, Arc::clone(&self.0))?;
        let authenticator = Incomplete(KafkaPrincipal::anonymous());
        Ok(KafkaChannel::new(id, Box::new(transport), Box::new(authenticator), receive))
    }
}

#[test]
fn a_channel_reads_no_request_before_its_peer_is_authenticated() {
    let build =
        |metrics| -> Arc<dyn ChannelBuilder> { Arc::new(IncompleteChannelBuilder(metrics)) };
    let mut harness = Harness::with(-1, IDLE_MS, build);
    let (id, mut peer) = harness.accept();
    harness.poll(0);
    assert_eq!(harness.metrics.read_calls.value(), 0, "nothing has come");
    peer.write_all(&[frame(b"too"), frame(b"early")].concat()).unwrap();
    harness.poll_until(|it| it.metrics.write_calls.value() == 2);
    for frame in ["too", "early"] {
        assert_eq!(receive_frame(&mut peer), frame.as_bytes(), "the authenticator has them");
    }
    assert!(!harness.selector.channel(id).unwrap().ready());
    assert_eq!(harness.receives.len(), 0);
    assert!(!harness.selector.has_work(), "a channel that waits for its peer does not spin");
}
