//! Port of the cases of `kafka.network.SocketServerTest` that were written for KAFKA-5607 and
//! KAFKA-5790: two connections in one iteration of a Processor, of which the first one fails. The
//! second is served all the same, and so is whoever comes next.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;

use support::wait::wait_until;
use transferto::common::end_point::SecurityProtocol;
use transferto::common::metrics::Metrics;
use transferto::network::request_channel::Request;
use transferto::protocol::api_keys::ApiKeys;

use crate::frames::{receive_frame, send_frame};
use crate::scripted::{Held, Script, Step, playing};
use crate::test_server::{
    LOCALHOST, TestServer, assert_closed_without_answer, close, produce_request,
};

/// Port of `SocketServerTest.configureNewConnectionException`.
#[test]
fn a_connection_that_cannot_be_registered_harms_no_other() {
    let mut scene = Scene::open();
    scene.first_script.fail(Step::Register);
    let held = scene.hold();
    let (mut first, mut second) = scene.connect();
    drop(held);
    assert_closed_without_answer(&mut first);
    scene.server.assert_serves(&mut second, 1);
    scene.assert_healthy(1);
}

/// Port of `SocketServerTest.processNewResponseException`: the first connection is sending already.
#[test]
fn a_response_that_is_one_too_many_harms_no_other() {
    let mut scene = Scene::open();
    let (mut first, mut second) = scene.connect();
    let requests = scene.receive_from(&mut first, &mut second);
    let held = scene.hold();
    scene.respond(&requests[0]);
    scene.respond(&requests[0]);
    scene.respond(&requests[1]);
    drop(held);
    assert_eq!(receive_frame(&mut first), produce_request(1));
    assert_eq!(receive_frame(&mut second), produce_request(2));
    scene.server.assert_serves(&mut first, 3);
    scene.server.assert_serves(&mut second, 4);
    scene.assert_healthy(2);
}

/// Port of `SocketServerTest.sendCancelledKeyException`: the first connection is gone.
#[test]
fn a_response_for_a_connection_that_is_gone_harms_no_other() {
    let mut scene = Scene::open();
    let (mut first, mut second) = scene.connect();
    let requests = scene.receive_from(&mut first, &mut second);
    let held = scene.hold();
    let request_channel = scene.server.request_channel();
    request_channel.close_connection(requests[0].reply_to());
    request_channel.no_operation(requests[0].reply_to());
    request_channel.close_connection(requests[0].reply_to());
    scene.respond(&requests[0]);
    scene.respond(&requests[1]);
    drop(held);
    assert_closed_without_answer(&mut first);
    assert_eq!(receive_frame(&mut second), produce_request(2));
    scene.assert_healthy(1);
}

/// Port of `SocketServerTest.closingChannelException`.
#[test]
fn a_connection_that_cannot_be_closed_cleanly_harms_no_other() {
    let mut scene = Scene::open();
    let (mut first, mut second) = scene.connect();
    let requests = scene.receive_from(&mut first, &mut second);
    scene.first_script.fail(Step::Deregister);
    let held = scene.hold();
    scene.server.request_channel().close_connection(requests[0].reply_to());
    scene.respond(&requests[1]);
    drop(held);
    assert_closed_without_answer(&mut first);
    assert_eq!(receive_frame(&mut second), produce_request(2));
    scene.assert_healthy(1);
}

/// Port of `SocketServerTest.processCompletedReceiveException`.
#[test]
fn a_request_that_cannot_be_parsed_harms_no_other() {
    let mut scene = Scene::open();
    let (mut first, mut second) = scene.connect();
    let held = scene.hold();
    send_frame(&mut first, &[0x7f, 0xff]);
    send_frame(&mut second, &produce_request(2));
    drop(held);
    assert_closed_without_answer(&mut first);
    scene.server.echo_one();
    assert_eq!(receive_frame(&mut second), produce_request(2));
    assert_eq!(scene.metrics.invalid_requests.value(), 1);
    scene.assert_healthy(1);
}

/// Port of `SocketServerTest.processCompletedSendException`: the first connection fails when it is
/// read again.
#[test]
fn a_connection_that_fails_after_its_response_harms_no_other() {
    let mut scene = Scene::open();
    let (mut first, mut second) = scene.connect();
    let requests = scene.receive_from(&mut first, &mut second);
    let held = scene.hold();
    scene.first_script.fail(Step::Read);
    scene.respond(&requests[0]);
    scene.respond(&requests[1]);
    drop(held);
    assert_eq!(receive_frame(&mut first), produce_request(1));
    assert_eq!(receive_frame(&mut second), produce_request(2));
    send_frame(&mut first, &produce_request(4));
    assert_closed_without_answer(&mut first);
    scene.server.assert_serves(&mut second, 3);
    scene.assert_healthy(1);
}

/// Port of `SocketServerTest.processDisconnectedException`: both clients leave, and both places are
/// free again.
#[test]
fn a_disconnect_that_fails_harms_no_other() {
    let mut scene = Scene::open();
    let (mut first, mut second) = scene.connect();
    scene.server.assert_serves(&mut first, 1);
    scene.server.assert_serves(&mut second, 2);
    scene.first_script.fail(Step::Deregister);
    let held = scene.hold();
    close(first);
    close(second);
    drop(held);
    scene.assert_healthy(0);
}

/// Port of `SocketServerTest.pollException`: reading fails.
#[test]
fn a_connection_that_cannot_be_read_harms_no_other() {
    let mut scene = Scene::open();
    let (mut first, mut second) = scene.connect();
    let held = scene.hold();
    scene.first_script.fail(Step::Read);
    send_frame(&mut first, &produce_request(1));
    send_frame(&mut second, &produce_request(2));
    drop(held);
    assert_closed_without_answer(&mut first);
    scene.server.echo_one();
    assert_eq!(receive_frame(&mut second), produce_request(2));
    scene.assert_healthy(1);
}

/// As above: writing fails. The request of the first is over with it; the gatekeeper had one
/// before.
#[test]
fn a_connection_that_cannot_be_written_to_harms_no_other() {
    let mut scene = Scene::open();
    let (mut first, mut second) = scene.connect();
    let requests = scene.receive_from(&mut first, &mut second);
    let held = scene.hold();
    scene.first_script.fail(Step::Write);
    scene.respond(&requests[0]);
    scene.respond(&requests[1]);
    drop(held);
    assert_closed_without_answer(&mut first);
    assert_eq!(receive_frame(&mut second), produce_request(2));
    let request_metrics = scene.server.request_channel().request_metrics();
    wait_until("the end of all requests", || request_metrics.requests(ApiKeys::Produce) == 3);
    scene.assert_healthy(1);
}

/// A fault of the broker's own, wherever it shows, ends the connection over which it showed.
#[test]
fn a_connection_over_which_the_broker_panics_harms_no_other() {
    for step in [Step::Register, Step::Read, Step::Write, Step::Deregister] {
        let scene = Scene::open();
        scene.first_script.panic(step);
        let (mut first, mut second) =
            scene.connect_some(if step == Step::Register { 1 } else { 2 });
        if step != Step::Register {
            send_frame(&mut first, &produce_request(1));
        }
        match step {
            Step::Register | Step::Read => (),
            Step::Write => drop(scene.server.echo_one()),
            Step::Deregister => {
                let request = scene.server.receive();
                scene.server.request_channel().close_connection(request.reply_to());
            }
        }
        assert_closed_without_answer(&mut first);
        scene.server.assert_serves(&mut second, 2);
        scene.assert_healthy(1);
    }
}

/// KAFKA-9796: connections that were accepted and never registered are closed and given back.
#[test]
fn shutdown_closes_what_no_processor_has_seen_yet() {
    let mut scene = Scene::open();
    let held = scene.hold();
    let (mut first, mut second) = scene.connect();
    let address = (LOCALHOST, scene.server.bound_port(SecurityProtocol::Plaintext).unwrap());
    thread::scope(|scope| {
        scope.spawn(|| scene.server.shutdown());
        wait_until("a closed port", || TcpStream::connect(address).is_err());
        drop(held);
    });
    assert_closed_without_answer(&mut first);
    assert_closed_without_answer(&mut second);
    assert_eq!(scene.server.connection_count(LOCALHOST), 0);
}

/// A server with one network thread, a client that holds that thread, and scripts for the next
/// connection.
struct Scene {
    server: TestServer,
    metrics: Arc<Metrics>,
    gatekeeper: TcpStream,
    gatekeeper_script: Arc<Script>,
    first_script: Arc<Script>,
}

impl Scene {
    fn open() -> Self {
        let scripts = [(), ()].map(|()| Arc::new(Script::default()));
        let metrics = Arc::new(Metrics::default());
        let builder = playing(&metrics, scripts.to_vec());
        let server = TestServer::start_on(builder, Arc::clone(&metrics), |config| {
            config.max_connections_per_ip = 1000;
        });
        let mut gatekeeper = server.connect();
        server.assert_serves(&mut gatekeeper, 0);
        let [gatekeeper_script, first_script] = scripts;
        Self { server, metrics, gatekeeper, gatekeeper_script, first_script }
    }

    /// Holds the Processor: what happens until the end of the hold, it finds in one iteration.
    fn hold(&mut self) -> Held {
        // The first byte of a size, which never gets its others.
        self.gatekeeper_script.hold(|| self.gatekeeper.write_all(&[0]).unwrap())
    }

    /// The first and the second client, both accepted.
    fn connect(&self) -> (TcpStream, TcpStream) {
        self.connect_some(2)
    }

    /// The first and the second client, of which so many come to stay.
    fn connect_some(&self, staying: usize) -> (TcpStream, TcpStream) {
        let clients = (self.server.connect(), self.server.connect());
        self.server.await_connections(1 + staying);
        clients
    }

    /// A request from each of the two, numbered 1 and 2.
    fn receive_from(&self, first: &mut TcpStream, second: &mut TcpStream) -> [Box<Request>; 2] {
        send_frame(first, &produce_request(1));
        let first_request = self.server.receive();
        send_frame(second, &produce_request(2));
        [first_request, self.server.receive()]
    }

    fn respond(&self, request: &Request) {
        self.server.respond(request, request.frame.bytes.clone());
    }

    /// So many of the two are left, and someone new is served.
    fn assert_healthy(&self, left: usize) {
        self.server.await_connections(1 + left);
        self.server.assert_serves(&mut self.server.connect(), 99);
    }
}
