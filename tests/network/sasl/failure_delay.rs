//! Ports of Kafka's `SaslAuthenticatorFailureDelayTest`, with and without a delay
//! (`SaslAuthenticatorFailureNoDelayTest`, `SaslAuthenticatorFailurePositiveDelayTest`): the answer to a
//! failure is held back (KIP-306). The clock is the test's.

use crate::sasl::server::{
    Client, Heard, REFUSED_LINGER_MS, RIGHT, Server, Settings, TWO_STEPS, WRONG, authenticate,
    handshake,
};
use crate::transport::harness::AUTHENTICATION_TIMEOUT_MS;

const DELAY_MS: i64 = 200;

fn server(delay_ms: i64) -> Server {
    Server::with(Settings { delay_ms, ..Settings::default() })
}

/// Sends what fails, and returns nothing.
fn fail(server: &mut Server, client: &mut Client, mechanism: &str, token: &[u8]) {
    client.handshake(server, 1, mechanism);
    let (_, request) = client.request(1, &authenticate(token));
    client.send_frame(&request);
}

/// The answer comes when the delay is over, not a moment earlier, and then the close.
fn assert_answered_late(server: &mut Server, client: &mut Client, error: u8) {
    assert!(client.hears_nothing(server));
    server.harness.time.sleep(DELAY_MS - 1);
    assert!(client.hears_nothing(server));
    server.harness.time.sleep(1);
    assert_eq!(client.hear_frame(server)[4..6], [0, error]);
    client.assert_closed(server);
}

/// Port of `SaslAuthenticatorFailureDelayTest.testInvalidPasswordSaslPlain`.
#[test]
fn a_wrong_password_is_answered_late() {
    let mut server = server(DELAY_MS);
    let mut client = server.accept();
    fail(&mut server, &mut client, "PLAIN", WRONG);
    assert_answered_late(&mut server, &mut client, 58);
}

/// Port of `SaslAuthenticatorFailureDelayTest.testDisabledSaslMechanism`.
#[test]
fn a_mechanism_that_is_not_there_is_answered_late() {
    let mut server = server(DELAY_MS);
    let mut client = server.accept();
    let (_, request) = client.request(1, &handshake("SCRAM-SHA-256"));
    client.send_frame(&request);
    assert_answered_late(&mut server, &mut client, 33);
}

#[test]
fn without_a_delay_the_answer_comes_at_once() {
    let mut server = server(0);
    for (mechanism, token) in [("PLAIN", WRONG), (TWO_STEPS, b"no")] {
        let mut client = server.accept();
        fail(&mut server, &mut client, mechanism, token);
        assert_eq!(client.hear_frame(&mut server)[4..6], [0, 58]);
        client.assert_closed(&mut server);
    }
}

#[test]
fn a_bare_token_that_fails_is_closed_late() {
    let mut server = server(DELAY_MS);
    let mut client = server.accept();
    client.handshake(&mut server, 0, "PLAIN");
    client.send_frame(WRONG);
    assert!(client.hears_nothing(&mut server));
    server.harness.time.sleep(DELAY_MS);
    client.assert_closed(&mut server);
}

/// Port of `SaslAuthenticatorFailureDelayTest.testClientConnectionClose`.
#[test]
fn who_hangs_up_meanwhile_is_closed_at_once() {
    let mut server = server(DELAY_MS);
    let mut client = server.accept();
    fail(&mut server, &mut client, "PLAIN", WRONG);
    assert!(client.hears_nothing(&mut server));
    let id = client.id;
    drop(client);
    server.harness.poll_until(|it| it.is_disconnected(id));
    assert_eq!(server.harness.selector.channel_count(), 0);
    server.harness.time.sleep(DELAY_MS);
    server.poll_a_little();
    assert_eq!(server.harness.disconnected.len(), 1, "once");
}

#[test]
fn while_one_waits_others_are_served_and_it_is_not_heard() {
    let mut server = server(DELAY_MS);
    let mut refused = server.accept();
    fail(&mut server, &mut refused, "PLAIN", WRONG);
    assert!(refused.hears_nothing(&mut server));
    // The next password, and the next.
    for _ in 0..100 {
        let (_, request) = refused.request(1, &authenticate(RIGHT));
        refused.send_frame(&request);
    }
    assert!(server.accept_authenticated().is_served(&mut server));
    assert!(refused.hears_nothing(&mut server));
    assert!(!server.harness.selector.has_work(), "nobody spins");
    server.harness.time.sleep(DELAY_MS);
    assert_eq!(refused.hear_frame(&mut server)[4..6], [0, 58]);
}

#[test]
fn who_fails_first_is_answered_first() {
    let mut server = server(DELAY_MS);
    let mut clients: Vec<Client> = (0..3).map(|_| server.accept()).collect();
    for client in clients.iter_mut().rev() {
        fail(&mut server, client, "PLAIN", WRONG);
        assert!(client.hears_nothing(&mut server));
        server.harness.time.sleep(10);
    }
    server.harness.time.sleep(DELAY_MS - 30);
    for answered in (0..3).rev() {
        server.poll_a_little();
        for (number, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.hears_nothing(&mut server), number != answered, "{number}");
        }
        server.harness.time.sleep(10);
    }
}

/// In Kafka the end of the stream comes right behind the answer, and some clients then lose the answer.
#[test]
fn who_has_its_answer_may_close_by_itself() {
    let mut server = server(0);
    let mut client = server.accept();
    fail(&mut server, &mut client, "PLAIN", WRONG);
    assert_eq!(client.hear_frame(&mut server)[4..6], [0, 58]);
    server.harness.time.sleep(REFUSED_LINGER_MS - 1);
    server.poll_a_little();
    assert_eq!(server.harness.selector.channel_count(), 1);
    let id = client.id;
    drop(client);
    server.harness.poll_until(|it| it.is_disconnected(id));
}

#[test]
fn who_stays_when_it_has_its_answer_is_closed() {
    let mut server = server(0);
    let mut client = server.accept();
    fail(&mut server, &mut client, "PLAIN", WRONG);
    assert_eq!(client.hear_frame(&mut server)[4..6], [0, 58]);
    // That something comes does not prolong it.
    client.send_bytes(&[0; 100]);
    server.harness.time.sleep(REFUSED_LINGER_MS);
    assert_eq!(client.hear(&mut server), Heard::Closed);
    server.harness.poll_until(|it| it.is_disconnected(client.id));
}

/// For a handshake, and for each step after it.
#[test]
fn a_client_has_its_time_to_authenticate() {
    let mut server = server(0);
    let mut silent = server.accept();
    let mut halfway = server.accept();
    halfway.handshake(&mut server, 1, TWO_STEPS);
    halfway.token(&mut server, 1, b"who:eve");
    let mut known = server.accept_authenticated();
    server.harness.time.sleep(AUTHENTICATION_TIMEOUT_MS - 1);
    assert!(silent.hears_nothing(&mut server) && halfway.hears_nothing(&mut server));
    // That something comes does not prolong it.
    silent.send_bytes(&[0]);
    assert!(silent.hears_nothing(&mut server));
    server.harness.time.sleep(1);
    silent.assert_closed(&mut server);
    halfway.assert_closed(&mut server);
    assert!(known.is_served(&mut server));
    assert_eq!(server.counts(), (1, 2));
}
