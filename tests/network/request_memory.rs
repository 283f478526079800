//! Complete requests that find no memory, to be decoded in or to be answered in: they are set aside
//! in their Processor, and handled when memory is given back.

use std::net::TcpStream;

use support::wait::wait_until;
use transferto::common::memory_pool::{FREE_BYTES, MemoryDraw, SMALL_BYTES_MAX, Shortage, Stage};
use transferto::network::request_channel::{ReplyTo, Request, Response, ResponseAction};
use transferto::protocol::api_keys::ApiKeys;
use transferto::protocol::header::RequestHeader;
use transferto::protocol::metadata::{MetadataRequest, MetadataRequestTopic};
use transferto::protocol::request::{RequestBody, request_bytes};

use crate::frames::{receive_frame, send_frame};
use crate::test_server::{TestServer, produce_request};

/// The largest request of the tests, and the memory that requests may take while they arrive.
const REQUEST_MAX_BYTES: i32 = 1 << 20;

fn start() -> TestServer {
    TestServer::start_with(|config| {
        config.socket_request_max_bytes = REQUEST_MAX_BYTES;
        config.queued_max_request_bytes = i64::from(REQUEST_MAX_BYTES).into();
    })
}

/// Draws for `stage` until nothing of `bytes` is left, and says what was short in the end.
fn hog(server: &TestServer, bytes: usize, stage: Stage) -> (Vec<MemoryDraw>, Shortage) {
    let mut draws = Vec::new();
    loop {
        let mut draw = MemoryDraw::new(server.request_memory());
        match draw.grow_to(bytes, stage) {
            Ok(()) => draws.push(draw),
            Err(shortage) => return (draws, shortage),
        }
    }
}

/// A Metadata request whose topics are small on the wire, and not when they are decoded.
fn metadata_request() -> Vec<u8> {
    let topic = MetadataRequestTopic { name: Some("t".to_string()), ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![topic; 100]), ..Default::default() };
    let header = RequestHeader {
        api_key: ApiKeys::Metadata,
        api_version: 1,
        correlation_id: 7,
        client_id: None,
    };
    let frame = request_bytes(&header, &RequestBody::Metadata(request), &[]);
    assert!(frame.len() < FREE_BYTES);
    frame
}

fn await_waits(server: &TestServer, count: u64) {
    wait_until("a request to be set aside", || server.metrics.memory_pool_waits.value() == count);
}

fn assert_answers(server: &TestServer, client: &mut TcpStream, correlation_id: i32) {
    let request = server.receive();
    assert_eq!(request.header.correlation_id, correlation_id);
    server.respond(&request, b"answer".to_vec());
    assert_eq!(receive_frame(client), b"answer");
}

/// Sets a request aside whose answer is short of memory.
fn retry(server: &TestServer, request: Box<Request>, shortage: Shortage) -> ReplyTo {
    let reply_to = request.reply_to();
    let action = ResponseAction::Retry(request.frame, shortage);
    server.request_channel().send_response(Response { reply_to, action });
    reply_to
}

#[test]
fn a_request_that_cannot_be_decoded_now_waits_and_others_go_on() {
    let server = start();
    let (memory, _) = hog(&server, FREE_BYTES + 1, Stage::Decode);
    let (mut client, mut other) = (server.connect(), server.connect());
    send_frame(&mut client, &metadata_request());
    await_waits(&server, 1);
    server.assert_serves(&mut other, 8);
    assert_eq!(server.request_channel().request_queue_size(), 0);

    drop(memory);
    assert_answers(&server, &mut client, 7);
    server.assert_serves(&mut client, 9);
}

#[test]
fn a_request_whose_answer_finds_no_memory_is_handled_again() {
    let server = start();
    let (memory, shortage) = hog(&server, REQUEST_MAX_BYTES as usize, Stage::Answer);
    let mut client = server.connect();
    send_frame(&mut client, &metadata_request());
    retry(&server, server.receive(), shortage);
    await_waits(&server, 1);
    // What is too little wakes the Processor, and the request still waits.
    drop(hog(&server, SMALL_BYTES_MAX, Stage::Answer));
    server.assert_serves(&mut server.connect(), 8);
    assert_eq!(server.request_channel().request_queue_size(), 0);

    drop(memory);
    assert_answers(&server, &mut client, 7);
}

#[test]
fn a_request_that_is_set_aside_counts_once_and_its_wait_as_time_in_the_queue() {
    let server = start();
    let (memory, _) = hog(&server, FREE_BYTES + 1, Stage::Decode);
    let mut client = server.connect();
    send_frame(&mut client, &metadata_request());
    await_waits(&server, 1);
    server.time.sleep(3000);
    drop(memory);
    let request = server.receive();
    let (memory, shortage) = hog(&server, REQUEST_MAX_BYTES as usize, Stage::Answer);
    retry(&server, request, shortage);
    await_waits(&server, 2);
    server.time.sleep(5000);
    drop(memory);
    assert_answers(&server, &mut client, 7);
    // Once this is answered, the request before it is over.
    server.assert_serves(&mut client, 8);
    let metrics = server.request_channel().request_metrics().values();
    let (_, requests, stages_ns) = metrics.iter().find(|(api, ..)| *api == "Metadata").unwrap();
    let waited_ns = 8_000_000_000;
    assert_eq!((*requests, stages_ns), (1, &[waited_ns, 0, 0, 0, 0, 0, waited_ns]));
}

#[test]
fn a_request_that_is_set_aside_goes_with_its_connection() {
    let server = start();
    let (memory, shortage) = hog(&server, REQUEST_MAX_BYTES as usize, Stage::Answer);
    let mut client = server.connect();
    send_frame(&mut client, &metadata_request());
    let reply_to = retry(&server, server.receive(), shortage);
    await_waits(&server, 1);
    assert!(server.request_memory().is_waited_for());

    server.request_channel().close_connection(reply_to);
    drop(memory);
    wait_until("nobody to wait", || !server.request_memory().is_waited_for());
    let mut other = server.connect();
    send_frame(&mut other, &produce_request(8));
    assert_answers(&server, &mut other, 8);
}
