//! Complete requests that find no memory, to be decoded in or to be answered in: they are set aside
//! in their Processor, and handled when memory is given back.

use std::io::Read;
use std::net::{Shutdown, TcpStream};

use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};
use support::wait::wait_until;
use transferto::common::memory_pool::{FREE_BYTES, MemoryDraw, SMALL_BYTES_MAX, Shortage, Stage};
use transferto::network::request_channel::{ReplyTo, Request, Response, ResponseAction};
use transferto::protocol::api_keys::ApiKeys;
use transferto::protocol::header::RequestHeader;
use transferto::protocol::metadata::{MetadataRequest, MetadataRequestTopic};
use transferto::protocol::request::{RequestBody, request_bytes};

use crate::frames::{receive_frame, send_frame};
use crate::test_server::{LOCALHOST, TestServer, produce_request};

/// The largest request of the tests, and the memory that requests may take while they arrive.
const REQUEST_MAX_BYTES: i32 = 1 << 20;

const SYSTEM_MEMORY_PAUSE_MS: i64 = 300;
const PROGRESS_TIMEOUT_MS: i64 = 1_000;

fn start() -> TestServer {
    TestServer::start_with(|config| {
        config.socket_request_max_bytes = REQUEST_MAX_BYTES;
        config.queued_max_request_bytes = i64::from(REQUEST_MAX_BYTES).into();
        config.transferto_memory_progress_timeout_ms = PROGRESS_TIMEOUT_MS;
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

/// Waits until `count` Metadata requests are over, and returns how long they have waited.
fn await_metadata_requests(server: &TestServer, count: u64) -> u64 {
    let metrics = server.request_channel().request_metrics();
    wait_until("a request to be over", || metrics.requests(ApiKeys::Metadata) == count);
    let values = metrics.values();
    let (_, _, stages_ns) = values.iter().find(|(api, ..)| *api == "Metadata").unwrap();
    assert_eq!(stages_ns[0], stages_ns[6], "all of it was a wait in the queue");
    stages_ns[0]
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

#[test]
fn a_request_that_is_set_aside_behind_the_end_of_its_connection_holds_nothing() {
    let server = start();
    let (_memory, shortage) = hog(&server, REQUEST_MAX_BYTES as usize, Stage::Answer);
    let mut client = server.connect();
    send_frame(&mut client, &metadata_request());
    let request = server.receive();
    let reply_to = request.reply_to();
    server.request_channel().close_connection(reply_to);
    server.await_connections(0);

    let action = ResponseAction::Retry(request.frame, shortage);
    let before = server.request_channel().request_metrics().requests(ApiKeys::Metadata);
    server.request_channel().send_response(Response { reply_to, action });
    await_metadata_requests(&server, before + 1);
    server.assert_serves(&mut server.connect(), 8);
    assert!(!server.request_memory().is_waited_for());
}

#[test]
fn what_a_client_sent_before_it_closed_its_half_waits_for_memory_and_is_answered() {
    let server = start();
    let (memory, _) = hog(&server, FREE_BYTES + 1, Stage::Decode);
    let mut client = server.connect();
    for _ in 0..2 {
        send_frame(&mut client, &metadata_request());
    }
    client.shutdown(Shutdown::Write).unwrap();
    await_waits(&server, 1);
    server.assert_serves(&mut server.connect(), 8);
    assert_eq!(server.request_channel().request_queue_size(), 0);

    drop(memory);
    assert_answers(&server, &mut client, 7);
    assert_answers(&server, &mut client, 7);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    server.await_connections(0);
}

#[test]
fn a_client_that_resets_its_connection_is_not_kept_while_its_request_waits_for_memory() {
    let server = start();
    let (_memory, _) = hog(&server, FREE_BYTES + 1, Stage::Decode);
    let mut client = server.connect();
    send_frame(&mut client, &metadata_request());
    await_waits(&server, 1);
    server.time.sleep(200);
    setsockopt(&client, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 }).unwrap();
    drop(client);
    server.await_connections(0);
    assert_eq!(await_metadata_requests(&server, 1), 200_000_000);
    wait_until("nobody to wait", || !server.request_memory().is_waited_for());
}

/// What it gives back before it is set aside wakes its own Processor, which must not go round.
#[test]
fn a_request_that_lacks_memory_of_the_system_is_handled_again_after_a_pause() {
    let server = start();
    let mut client = server.connect();
    send_frame(&mut client, &metadata_request());
    let request = server.receive();
    let reply_to = request.reply_to();
    let shortage = Shortage::of_system(REQUEST_MAX_BYTES as usize, Stage::Answer);
    let action = ResponseAction::Retry(request.frame, shortage);
    server.request_channel().send_response(Response { reply_to, action });
    await_waits(&server, 1);
    server.assert_serves(&mut server.connect(), 8);
    server.time.sleep(SYSTEM_MEMORY_PAUSE_MS - 1);
    server.assert_serves(&mut server.connect(), 9);
    server.time.sleep(1);
    assert_answers(&server, &mut client, 7);
}

/// Two large requests, each of which keeps the other from the memory for its answer.
#[test]
fn requests_that_wait_for_each_other_do_not_wait_for_ever() {
    let server = start();
    let set_aside = |correlation_id| {
        let mut client = server.connect();
        let mut frame = produce_request(correlation_id);
        frame.resize(REQUEST_MAX_BYTES as usize / 2, 0); // Bytes behind the last field are ignored.
        send_frame(&mut client, &frame);
        (client, server.receive())
    };
    let (large, small) = ([set_aside(1), set_aside(2)], server.connect());
    let shortage = Shortage::new(REQUEST_MAX_BYTES as usize * 3 / 2, Stage::Answer);
    let mut clients = vec![small];
    for (client, request) in large {
        let reply_to = request.reply_to();
        let action = ResponseAction::Retry(request.frame, shortage);
        server.request_channel().send_response(Response { reply_to, action });
        clients.push(client);
    }
    await_waits(&server, 2);
    server.time.sleep(6 * PROGRESS_TIMEOUT_MS);
    server.assert_serves(&mut clients[0], 8);
    assert_eq!(server.connection_count(LOCALHOST), 3, "they may wait for so long");
    server.time.sleep(1);
    // The one is closed, and its memory is the other one's.
    let request = server.receive();
    server.respond(&request, b"answer".to_vec());
    server.await_connections(2);
    assert_eq!(server.metrics.memory_stalls.value(), 1);
    let metrics = server.request_channel().request_metrics();
    wait_until("all three to be counted", || metrics.requests(ApiKeys::Produce) == 3);
}
