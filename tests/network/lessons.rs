//! The lessons of the network: each fault, when it is on, is there as the page describes it, and when
//! it is off, it is not. The same scene is played both ways.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::sync::Arc;

use transferto::common::metrics::Metrics;
use transferto::config::kafka_config::KafkaConfig;

use crate::frames::{receive_frame, send_frame};
use crate::scripted::{Script, playing};
use crate::test_server::{
    LOCALHOST, TestServer, assert_closed_without_answer, close, produce_request,
};

/// The correlation id of a request that shows that the Processor goes its rounds.
const ROUND: i32 = 1000;

/// A second request arrives while the first one is handled. Is it read once that is over?
fn is_request_of_a_muted_connection_read(forgets_edges: bool) -> (bool, TestServer, TcpStream) {
    let server = TestServer::start_with(|config: &mut KafkaConfig| {
        config.transferto_lesson_forgotten_edges = forgets_edges;
    });
    let mut client = server.connect();
    send_frame(&mut client, &produce_request(1));
    let first = server.receive();
    send_frame(&mut client, &produce_request(2));
    // It is in the socket by now, and whoever is served after it shows that epoll has been asked.
    assert!(go_round(&server).is_empty(), "the connection is muted");
    server.respond(&first, first.frame.bytes.clone());
    assert_eq!(receive_frame(&mut client), produce_request(1));
    (go_round(&server) == [2], server, client)
}

#[test]
fn what_arrives_at_a_muted_connection_is_read_after_unmute() {
    assert!(is_request_of_a_muted_connection_read(false).0);
}

#[test]
fn a_forgotten_edge_leaves_a_request_in_its_socket_until_more_bytes_come() {
    let (is_read, server, mut client) = is_request_of_a_muted_connection_read(true);
    assert!(!is_read);
    send_frame(&mut client, &produce_request(3));
    for correlation_id in [2, 3] {
        server.echo_one();
        assert_eq!(receive_frame(&mut client), produce_request(correlation_id));
    }
}

#[test]
fn a_connection_that_never_pipelines_does_not_notice_forgotten_edges() {
    let server = TestServer::start_with(|config: &mut KafkaConfig| {
        config.transferto_lesson_forgotten_edges = true;
    });
    let mut client = server.connect();
    (1..10).for_each(|correlation_id| server.assert_serves(&mut client, correlation_id));
}

/// A client leaves, another one comes, and then the response to the first is ready. What does the
/// newcomer read first?
fn first_response_of_a_newcomer(reuses_names: bool) -> Vec<u8> {
    let server = TestServer::start_with(|config: &mut KafkaConfig| {
        config.transferto_lesson_reused_names = reuses_names;
    });
    let mut gone = server.connect();
    send_frame(&mut gone, &produce_request(1));
    let late = server.receive();
    server.time.sleep(60_001);
    assert_closed_without_answer(&mut gone);
    server.await_connections(0);

    let mut newcomer = server.connect();
    send_frame(&mut newcomer, &produce_request(2));
    let request = server.receive();
    assert_eq!(request.connection_id == late.connection_id, reuses_names);
    server.respond(&late, b"for the one who left".to_vec());
    server.respond(&request, b"for the newcomer".to_vec());
    receive_frame(&mut newcomer)
}

#[test]
fn a_newcomer_reads_its_own_response() {
    assert_eq!(first_response_of_a_newcomer(false), b"for the newcomer");
}

#[test]
fn a_reused_name_brings_a_newcomer_the_response_of_its_predecessor() {
    assert_eq!(first_response_of_a_newcomer(true), b"for the one who left");
}

/// Two responses are ready, and the connection of the first is gone. Does the second arrive?
fn does_the_next_response_arrive(loses_responses: bool) -> bool {
    let (gatekeeper_script, metrics) = (Arc::new(Script::default()), Arc::new(Metrics::default()));
    let builder = playing(&metrics, vec![Arc::clone(&gatekeeper_script)]);
    let server = TestServer::start_on(builder, metrics, |config| {
        config.transferto_lesson_lost_responses = loses_responses;
    });
    let mut gatekeeper = server.connect();
    server.assert_serves(&mut gatekeeper, 0);
    let [mut gone, mut next] = [server.connect(), server.connect()];
    send_frame(&mut gone, &produce_request(1));
    let late = server.receive();
    send_frame(&mut next, &produce_request(2));
    let request = server.receive();

    // The Processor finds all that is put meanwhile in one look at its queue.
    let held = gatekeeper_script.hold(|| gatekeeper.write_all(&[0]).unwrap());
    server.request_channel().close_connection(late.reply_to());
    server.respond(&late, b"for the one who left".to_vec());
    server.respond(&request, b"for the next".to_vec());
    drop(held);
    assert_closed_without_answer(&mut gone);
    server.await_connections(2);
    go_round(&server);
    next.set_nonblocking(true).unwrap();
    match next.peek(&mut [0]) {
        Ok(_) => {
            next.set_nonblocking(false).unwrap();
            assert_eq!(receive_frame(&mut next), b"for the next");
            true
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock, "it waits, and is not closed");
            assert_eq!(server.request_channel().response_queue_size(), 0, "nothing is on its way");
            false
        }
    }
}

#[test]
fn a_response_without_a_connection_takes_no_other_with_it() {
    assert!(does_the_next_response_arrive(false));
}

#[test]
fn a_response_without_a_connection_loses_the_next_one_in_the_lesson() {
    assert!(!does_the_next_response_arrive(true));
}

/// Whatever the Processor was to do before, it has done when this returns. Returns the correlation
/// ids of the requests of others that it has read meanwhile.
fn go_round(server: &TestServer) -> Vec<i32> {
    let before = server.connection_count(LOCALHOST);
    let mut client = server.connect();
    send_frame(&mut client, &produce_request(ROUND));
    let mut others = Vec::new();
    let request = loop {
        let request = server.receive();
        match request.header.correlation_id {
            ROUND => break request,
            other => others.push(other),
        }
    };
    server.respond(&request, request.frame.bytes.clone());
    assert_eq!(receive_frame(&mut client), produce_request(ROUND));
    close(client);
    server.await_connections(before);
    others
}
