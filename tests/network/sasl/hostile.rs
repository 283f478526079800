//! Clients that hang up, dribble, flood and send what nobody asked for, before they are known.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;
use support::transports::{Call, Fault, Faulty};
use transferto::common::memory_pool::{MemoryDraw, Stage};
use transferto::common::metrics::Metrics;
use transferto::transport::channel_builder::TransportBuilder;
use transferto::transport::plaintext_transport_layer::PlaintextTransportLayer;
use transferto::transport::transport_layer::TransportLayer;

use crate::frames::frame;
use crate::sasl::server::{
    Client, Heard, RIGHT, Server, Settings, TWO_STEPS, WRONG, api_versions, authenticate, handshake,
};
use crate::transport::harness::{AUTHENTICATION_TIMEOUT_MS, MEMORY_BYTES};

/// Moves this many bytes at a time.
struct Dribble(usize);

impl Fault for Dribble {
    fn allow(&mut self, _: Call, asked: usize) -> io::Result<usize> {
        Ok(asked.min(self.0))
    }
}

struct Dribbling(Arc<Metrics>);

impl TransportBuilder for Dribbling {
    fn build_transport(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> io::Result<Box<dyn TransportLayer>> {
        let plaintext = PlaintextTransportLayer::new(stream, peer, Arc::clone(&self.0))?;
        Ok(Faulty::boxed(Box::new(plaintext), Dribble(7)))
    }
}

#[test]
fn an_exchange_gets_through_seven_bytes_at_a_time() {
    let settings = Settings { max_reauth_ms: 10_000, ..Settings::default() };
    let mut server = Server::over(settings, |metrics| Box::new(Dribbling(metrics)));
    let mut client = server.accept();
    client.send_frame(&api_versions(3));
    assert!(client.hear_frame(&mut server).len() > 200);
    client.handshake(&mut server, 1, TWO_STEPS);
    client.token(&mut server, 2, b"who:eve");
    client.token(&mut server, 2, b"yes");
    assert!(client.is_served(&mut server));

    let mut refused = server.accept();
    refused.handshake(&mut server, 1, "PLAIN");
    assert_eq!(refused.token(&mut server, 2, WRONG).error_code, 58);
    refused.assert_closed(&mut server);
}

#[test]
fn an_exchange_gets_through_byte_by_byte() {
    let mut server = Server::start();
    let mut client = server.accept();
    let requests =
        [client.request(1, &handshake("PLAIN")).1, client.request(1, &authenticate(RIGHT)).1];
    for request in requests {
        for byte in frame(&request) {
            assert!(client.hears_nothing(&mut server));
            client.send_bytes(&[byte]);
        }
        client.hear_frame(&mut server);
    }
    assert!(client.is_served(&mut server));
}

/// All the states that a client can leave a connection in, each reached and left by a hang-up.
#[test]
fn a_hang_up_in_each_state_leaves_nothing() {
    let settings = Settings { delay_ms: 1_000, max_reauth_ms: 60_000, ..Settings::default() };
    let mut server = Server::with(settings);
    let states: [fn(&mut Server, &mut Client); 9] = [
        |_, _| (),
        |_, client| client.send_bytes(&[0, 0]),
        |_, client| client.send_bytes(&[0, 0, 0, 50, 0, 17]),
        |server, client| {
            client.send_frame(&api_versions(99));
            client.hear_frame(server);
        },
        |server, client| {
            client.send_frame(&api_versions(0));
            client.hear_frame(server);
        },
        |server, client| {
            client.handshake(server, 1, TWO_STEPS);
            client.token(server, 1, b"who:eve");
        },
        |server, client| {
            client.handshake(server, 1, "PLAIN");
            let (_, request) = client.request(1, &authenticate(WRONG));
            client.send_frame(&request);
            assert!(client.hears_nothing(server), "refused, and not answered yet");
        },
        |server, client| {
            client.authenticate(server, RIGHT);
        },
        |server, client| {
            client.authenticate(server, RIGHT);
            let (_, request) = client.request(1, &handshake("PLAIN"));
            client.send_frame(&request);
            server.harness.poll_until(|it| !it.receives.is_empty());
            let receive = server.harness.receives.remove(0);
            assert!(server.harness.selector.reauthenticate(receive.id, &receive.frame.bytes));
            client.hear_frame(server);
        },
    ];
    for (number, reach) in states.into_iter().enumerate() {
        let mut client = server.accept();
        server.harness.poll(0);
        reach(&mut server, &mut client);
        let id = client.id;
        drop(client);
        server.harness.poll_until(|it| it.is_disconnected(id));
        assert_eq!(server.harness.selector.channel_count(), 0, "{number}");
    }
    // No deadline is left that would wake the selector.
    server.harness.time.sleep(100_000);
    server.poll_a_little();
    assert_eq!(server.harness.disconnected.len(), states.len(), "each was reported once");
}

#[test]
fn a_token_of_100_mb_costs_four_bytes() {
    let mut server = Server::start();
    for version in [0, 1] {
        let mut client = server.accept();
        client.handshake(&mut server, version, "PLAIN");
        client.send_bytes(&(100_i32 << 20).to_be_bytes());
        client.assert_closed(&mut server);
    }
    for size in [-1, i32::MIN, i32::MAX] {
        let mut client = server.accept();
        client.send_bytes(&size.to_be_bytes());
        client.assert_closed(&mut server);
    }
}

/// The length within a request, not that of its frame.
#[test]
fn a_length_that_the_frame_does_not_hold_is_refused() {
    let mut server = Server::start();
    for length in [i32::MAX, 100 << 20, -1, -2] {
        let mut client = server.accept();
        client.handshake(&mut server, 1, "PLAIN");
        let (_, mut request) = client.request(1, &authenticate(b""));
        let at = request.len() - 4;
        request[at..].copy_from_slice(&length.to_be_bytes());
        client.send_frame(&request);
        client.assert_closed(&mut server);
    }
}

/// A peer that declares a long frame and sends little of it holds little.
#[test]
fn a_long_frame_takes_memory_as_it_arrives() {
    let mut server = Server::start();
    let mut client = server.accept();
    client.send_bytes(&524_288_i32.to_be_bytes());
    client.send_bytes(&[0; 100]);
    server.poll_a_little();
    assert!(server.channel(&client).receive_allocated_bytes() <= 4096);
}

/// Its token waits for memory that others hold, and it does not.
#[test]
fn a_hang_up_while_a_token_waits_for_memory_is_noticed() {
    let mut server = Server::start();
    let mut hog = MemoryDraw::new(server.harness.selector.memory_pool());
    hog.grow_to(MEMORY_BYTES, Stage::Receive).unwrap();
    let mut client = server.accept();
    client.send_bytes(&200_000_i32.to_be_bytes());
    client.send_bytes(&[0; 8_000]);
    let id = client.id;
    server.harness.poll_until(|it| it.selector.channel(id).unwrap().lacks_memory());
    server.poll_a_little();
    assert!(!server.harness.selector.has_work(), "it waits, and does not spin");
    drop(client);
    server.harness.poll_until(|it| it.is_disconnected(id));
}

/// One that asks without end has its turns like all others, and its time.
#[test]
fn a_flood_of_questions_keeps_nobody_else_waiting() {
    let mut server = Server::start();
    let mut flood = server.accept();
    let question = frame(&[0, 18, 0x7f, 0xff, 0, 0, 0, 5]);
    flood.send_bytes(&question.repeat(1000));
    let mut client = server.accept();
    client.authenticate(&mut server, RIGHT);
    let mut answers = 0;
    while let Some(Heard::Frame(_)) = (answers < 1000).then(|| flood.hear(&mut server)) {
        answers += 1;
    }
    assert!(client.is_served(&mut server));
    server.harness.time.sleep(AUTHENTICATION_TIMEOUT_MS);
    flood.assert_closed(&mut server);
}

/// A client that does not read its answer holds one, and is closed in time.
#[test]
fn a_client_that_reads_no_answer_is_answered_once() {
    let mut server = Server::start();
    let mut client = server.accept();
    let question = frame(&[0, 18, 0x7f, 0xff, 0, 0, 0, 5]);
    client.stream.set_nonblocking(true).unwrap();
    let flood = question.repeat(10_000);
    let mut sent = 0;
    for _ in 0..2_000 {
        if let Ok(count) = io::Write::write(&mut client.stream, &flood[sent % 12..]) {
            sent += count;
        }
        server.harness.poll(0);
        if !server.harness.selector.has_work() && sent > (1 << 20) {
            break;
        }
    }
    let channel = server.channel(&client);
    assert!(channel.receive_allocated_bytes() <= 4096);
    server.harness.time.sleep(AUTHENTICATION_TIMEOUT_MS);
    server.harness.poll_until(|it| it.is_disconnected(client.id));
}
