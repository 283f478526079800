//! A peer that says nothing, says too much or goes away must not hold the thread that asks it.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use support::wait::PATIENCE;
use transferto::clients::api_versions_exchange::api_versions;
use transferto::clients::blocking_channel::BlockingChannel;
use transferto::clients::client_channel_builder::PlaintextClientChannelBuilder;
use transferto::clients::interrupter::Interrupter;
use transferto::protocol::api_versions::ApiVersionsRequest;
use transferto::protocol::broker_heartbeat::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};

use crate::scripted_controller::{Answer, ScriptedController};

/// Well below `PATIENCE`: a test that waits it out is right.
const SHORT: Duration = Duration::from_millis(100);

fn connect(port: u16, interrupter: &Arc<Interrupter>) -> BlockingChannel {
    BlockingChannel::connect(
        &PlaintextClientChannelBuilder,
        ("127.0.0.1", port),
        "test",
        PATIENCE,
        interrupter,
    )
    .unwrap()
}

/// A peer that takes one connection, and does with it what `play` says.
fn peer(play: impl FnOnce(TcpStream) + Send + 'static) -> (u16, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, thread::spawn(move || play(listener.accept().unwrap().0)))
}

#[test]
fn a_call_is_answered_over_the_same_connection_again_and_again() {
    let controller = ScriptedController::start(100);
    let mut channel = connect(controller.addr().port(), &Arc::default());
    for _ in 0..3 {
        let heartbeat = BrokerHeartbeatRequest::default();
        let response = channel.call(&heartbeat, 1, PATIENCE).unwrap().body;
        assert_eq!(response.error_code, 77);
    }
    let asked = controller.asked_all();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|it| it.client_id.as_deref() == Some("test")));
}

#[test]
fn a_silent_peer_is_given_up_on_in_time() {
    let controller = ScriptedController::start(100);
    controller.script(|_: &BrokerHeartbeatRequest| Answer::Silence);
    let mut channel = connect(controller.addr().port(), &Arc::default());
    let error = channel.call(&BrokerHeartbeatRequest::default(), 1, SHORT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    drop(channel);
}

/// A time for each piece would let it go on for ever.
#[test]
fn a_peer_that_trickles_is_given_up_on_in_time() {
    let (port, thread) = peer(|mut connection| {
        connection.write_all(&1_000_i32.to_be_bytes()).unwrap();
        // Until the channel is closed.
        while connection.write_all(&[0]).is_ok() {
            thread::park_timeout(Duration::from_millis(10));
        }
    });
    let mut channel = connect(port, &Arc::default());
    let began = Instant::now();
    let error = channel.exchange(b"request", SHORT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(began.elapsed() >= SHORT && began.elapsed() < PATIENCE);
    drop(channel);
    thread.join().unwrap();
}

#[test]
fn an_impossible_size_is_refused_before_its_bytes() {
    for size in [-1, i32::MIN, i32::MAX, 100 * 1024 * 1024 + 1] {
        let (port, thread) = peer(move |mut connection| {
            connection.write_all(&size.to_be_bytes()).unwrap();
            let _ = connection.read_to_end(&mut Vec::new());
        });
        let mut channel = connect(port, &Arc::default());
        let error = channel.exchange(b"request", PATIENCE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains(&size.to_string()), "{error}");
        drop(channel);
        thread.join().unwrap();
    }
}

#[test]
fn a_peer_that_hangs_up_is_an_end_of_file_also_in_the_midst_of_a_response() {
    for bytes in [&[][..], &[0, 0], &[0, 0, 0, 9, 1, 2]] {
        let (port, thread) = peer(move |mut connection| {
            // As much as is asked: what is unread would reset the connection.
            connection.read_exact(&mut [0; 4 + 7]).unwrap();
            connection.write_all(bytes).unwrap();
        });
        let error = connect(port, &Arc::default()).exchange(b"request", PATIENCE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{bytes:?}");
        thread.join().unwrap();
    }
}

#[test]
fn what_is_no_response_to_the_request_is_refused() {
    let controller = ScriptedController::start(100);
    for (bytes, why) in [
        (&[0, 0, 0, 9][..], "no response to BrokerHeartbeat"),
        (&[0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "a response to request 9"),
    ] {
        controller.script(move |_: &BrokerHeartbeatRequest| Answer::SendRaw(bytes.to_vec()));
        let mut channel = connect(controller.addr().port(), &Arc::default());
        let error = channel.call(&BrokerHeartbeatRequest::default(), 1, PATIENCE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn an_interrupt_ends_the_call_under_way_and_all_later_ones() {
    let controller = ScriptedController::start(100);
    controller.script(|_: &BrokerHeartbeatRequest| Answer::Silence);
    let interrupter = Arc::new(Interrupter::new());
    let mut channel = connect(controller.addr().port(), &interrupter);
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        let called = channel.call(&BrokerHeartbeatRequest::default(), 1, PATIENCE * 2);
        sender.send(called.unwrap_err().kind()).unwrap();
        let called = channel.call(&BrokerHeartbeatRequest::default(), 1, PATIENCE * 2);
        sender.send(called.unwrap_err().kind()).unwrap();
    });
    controller.wait_for_requests::<BrokerHeartbeatRequest>(1);
    interrupter.interrupt();
    for _ in 0..2 {
        assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), ErrorKind::ConnectionAborted);
    }
    thread.join().unwrap();
    let port = controller.addr().port();
    let refused = BlockingChannel::connect(
        &PlaintextClientChannelBuilder,
        ("127.0.0.1", port),
        "test",
        PATIENCE,
        &interrupter,
    );
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionAborted);
}

#[test]
fn a_refused_connection_is_an_error_at_once() {
    // The port was free a moment ago, and is nobody's.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refused = BlockingChannel::connect(
        &PlaintextClientChannelBuilder,
        ("127.0.0.1", port),
        "test",
        PATIENCE,
        &Arc::default(),
    )
    .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

/// A controller of Kafka 3.3 does not know version 4, and answers in version 0.
#[test]
fn api_versions_falls_back_to_what_the_first_controllers_have() {
    let controller = ScriptedController::start(100);
    controller.script_once(|_: &ApiVersionsRequest| {
        let error = 35_i16.to_be_bytes();
        Answer::SendRaw([&[0; 4][..], &error, &[0, 0, 0, 1, 0, 18, 0, 0, 0, 3]].concat())
    });
    let mut channel = connect(controller.addr().port(), &Arc::default());
    let response = api_versions(&mut channel, PATIENCE).unwrap();
    assert!(response.api_keys.iter().any(|api| api.api_key == 62));
    let versions: Vec<_> = controller.asked_all().iter().map(|it| it.version).collect();
    assert_eq!(versions, [4, 3]);
    controller
        .script(|_: &BrokerHeartbeatRequest| Answer::Send(BrokerHeartbeatResponse::default()));
    channel.call(&BrokerHeartbeatRequest::default(), 1, PATIENCE).unwrap();
}
