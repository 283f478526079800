//! Requests that a Processor answers itself: they pass no request queue, and all else is as for any
//! other request.

use std::sync::Arc;
use std::thread;

use support::wait::wait_until;
use transferto::network::inline_handler::InlineHandler;
use transferto::network::request_channel::{Request, RequestChannel, Response};
use transferto::network::request_metrics::STAGES;
use transferto::protocol::api_keys::ApiKeys;
use transferto::transport::send::NetworkSend;

use crate::frames::{receive_frame, send_frame};
use crate::test_server::{TestServer, assert_closed_without_answer, produce_request};

/// From this correlation id on, requests are for the handlers.
const HANDED_OVER: i32 = 1000;
/// At this one it panics, with the request.
const PANICS: i32 = 500;
/// At this one it panics after it has answered.
const PANICS_LATE: i32 = 501;

/// Answers with what was asked.
struct Echo(Arc<RequestChannel>);

impl InlineHandler for Echo {
    fn try_handle(&self, request: Box<Request>) -> Result<(), Box<Request>> {
        let name = thread::current().name().unwrap_or_default().to_string();
        assert!(name.starts_with("kafka-network-thread-"), "{name}");
        let correlation_id = request.header.correlation_id;
        if correlation_id >= HANDED_OVER {
            return Err(request);
        }
        assert_ne!(correlation_id, PANICS, "its test says so");
        let send = Box::new(NetworkSend::new(request.frame.bytes.clone()).unwrap());
        self.0.send_response(Response::new(request.reply_to(), send));
        assert_ne!(correlation_id, PANICS_LATE, "its test says so");
        Ok(())
    }
}

fn start() -> TestServer {
    TestServer::start_inline(|channel| Echo(Arc::clone(channel)))
}

#[test]
fn a_request_that_is_answered_inline_is_never_queued() {
    let server = start();
    let mut client = server.connect();
    for correlation_id in 0..10 {
        send_frame(&mut client, &produce_request(correlation_id));
        assert_eq!(receive_frame(&mut client), produce_request(correlation_id));
    }
    assert!(server.request_channel().receive_request(0).is_none());
}

#[test]
fn a_request_that_is_not_goes_to_the_handlers() {
    let server = start();
    server.assert_serves(&mut server.connect(), HANDED_OVER);
}

/// One at a time is in flight, whoever answers it.
#[test]
fn answers_leave_in_the_order_of_the_requests_whoever_gives_them() {
    let server = start();
    let mut client = server.connect();
    let asked = [1, HANDED_OVER, 2, 3, HANDED_OVER + 1, 4];
    for correlation_id in asked {
        send_frame(&mut client, &produce_request(correlation_id));
    }
    for correlation_id in asked {
        if correlation_id >= HANDED_OVER {
            server.echo_one();
        }
        assert_eq!(receive_frame(&mut client), produce_request(correlation_id));
    }
}

#[test]
fn it_is_counted_like_any_other_and_waits_in_no_queue() {
    let server = start();
    let mut client = server.connect();
    send_frame(&mut client, &produce_request(1));
    receive_frame(&mut client);
    server.assert_serves(&mut client, HANDED_OVER);
    let metrics = server.request_channel().request_metrics();
    // A client may have its answer before the request is counted.
    wait_until("the count", || metrics.requests(ApiKeys::Produce) == 2);
    let (_, _, sums_ns) = metrics.values()[0];
    // The clock stands still.
    assert_eq!(sums_ns, [0; STAGES.len()]);
}

#[test]
fn a_panic_closes_the_connection_that_asked_and_no_other() {
    for panics in [PANICS, PANICS_LATE] {
        let server = start();
        let (mut first, mut second) = (server.connect(), server.connect());
        send_frame(&mut first, &produce_request(panics));
        assert_closed_without_answer(&mut first);
        send_frame(&mut second, &produce_request(2));
        assert_eq!(receive_frame(&mut second), produce_request(2), "after {panics}");
        server.assert_serves(&mut second, HANDED_OVER);
        server.await_connections(1);
    }
}
