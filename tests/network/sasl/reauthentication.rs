//! Sessions that end, and clients that authenticate anew (KIP-368): the tests of Kafka's
//! `SaslAuthenticatorTest` that are about them, by way of the selector.

use transferto::common::errors::Errors;

use crate::sasl::server::{
    Client, RIGHT, Server, Settings, TWO_STEPS, WRONG, api_versions, authenticate, handshake,
};
use crate::transport::harness::AUTHENTICATION_TIMEOUT_MS;

const SESSION_MS: i64 = 10_000;
const SECOND_MS: i64 = 1_000;

fn server() -> Server {
    Server::with(Settings { max_reauth_ms: SESSION_MS, ..Settings::default() })
}

/// What the Processor does with a request that it has been handed: gives it back to the selector if it
/// begins a new authentication. Returns whether it does.
fn take_request(server: &mut Server, client: &Client) -> bool {
    server.harness.poll_until(|it| it.receives.iter().any(|receive| receive.id == client.id));
    let at = server.harness.receives.iter().position(|it| it.id == client.id).unwrap();
    let receive = server.harness.receives.remove(at);
    server.harness.selector.reauthenticate(receive.id, &receive.frame.bytes)
}

/// A handshake on a connection that is served already.
fn begin_again(server: &mut Server, client: &mut Client, version: i16, mechanism: &str) -> bool {
    let (_, request) = client.request(version, &handshake(mechanism));
    client.send_frame(&request);
    take_request(server, client)
}

#[test]
fn a_client_may_authenticate_anew_and_its_session_begins_anew() {
    let mut server = server();
    let mut client = server.accept();
    assert_eq!(client.authenticate(&mut server, RIGHT), SESSION_MS);
    server.harness.time.sleep(SESSION_MS - 1);
    assert!(begin_again(&mut server, &mut client, 1, "PLAIN"));
    assert_eq!(client.hear_frame(&mut server)[4..6], [0, 0]);
    assert_eq!(server.principal_of(&client), None, "no request is read meanwhile");
    let answer = client.token(&mut server, 1, RIGHT);
    assert_eq!((answer.error_code, answer.session_lifetime_ms), (0, SESSION_MS));
    assert_eq!(server.principal_of(&client).unwrap(), "User:alice");
    assert!(client.is_served(&mut server));
    let end_ns = (2 * SESSION_MS - 1) * 1_000_000;
    assert!(!server.channel(&client).is_session_expired(end_ns - 1));
    assert!(server.channel(&client).is_session_expired(end_ns));
}

#[test]
fn a_client_may_authenticate_anew_with_bare_tokens_and_after_the_end() {
    let mut server = server();
    let mut client = server.accept_authenticated();
    server.harness.time.sleep(10 * SESSION_MS);
    assert!(begin_again(&mut server, &mut client, 0, "PLAIN"));
    client.hear_frame(&mut server);
    client.send_frame(RIGHT);
    assert_eq!(client.hear_frame(&mut server), b"");
    assert!(client.is_served(&mut server));
}

#[test]
fn without_a_session_that_ends_a_handshake_is_a_request_like_any_other() {
    let mut server = Server::start();
    let mut client = server.accept_authenticated();
    server.harness.time.sleep(2 * SECOND_MS);
    assert!(!begin_again(&mut server, &mut client, 1, "PLAIN"));
    assert!(client.is_served(&mut server));
}

#[test]
fn only_a_handshake_begins_anew() {
    let mut server = server();
    let mut client = server.accept_authenticated();
    for request in [client.request(1, &authenticate(RIGHT)).1, api_versions(0), vec![0], vec![]] {
        client.send_frame(&request);
        assert!(!take_request(&mut server, &client));
    }
    assert!(client.is_served(&mut server));
}

/// Port of `SaslAuthenticatorTest.testCannotReauthenticateWithDifferentPrincipal`.
#[test]
fn a_client_stays_who_it_is() {
    let mut server = server();
    let mut client = server.accept_authenticated();
    assert!(begin_again(&mut server, &mut client, 1, "PLAIN"));
    client.hear_frame(&mut server);
    let answer = client.token(&mut server, 1, b"\0bob\0bob-secret");
    assert_eq!(answer.error_code, Errors::SaslAuthenticationFailed.code());
    assert_eq!(
        answer.error_message.unwrap(),
        "Cannot change principals during re-authentication from User.alice: User.bob"
    );
    client.assert_closed(&mut server);
}

/// Port of `SaslAuthenticatorTest.testCannotReauthenticateWithDifferentMechanism`. Kafka says in which
/// way only to its log.
#[test]
fn a_client_stays_with_its_mechanism() {
    let mut server = server();
    let mut client = server.accept_authenticated();
    assert!(begin_again(&mut server, &mut client, 1, TWO_STEPS));
    assert_eq!(client.hear_frame(&mut server)[4..6], [0, 0], "the handshake itself succeeds");
    let answer = client.token(&mut server, 1, b"who:alice");
    assert_eq!(answer.error_code, Errors::SaslAuthenticationFailed.code());
    assert_eq!(
        answer.error_message.unwrap(),
        "SASL mechanism 'TWO-STEPS' requested by client is not supported for re-authentication of \
         mechanism 'PLAIN'"
    );
    client.assert_closed(&mut server);

    let mut bare = server.accept_authenticated();
    assert!(begin_again(&mut server, &mut bare, 0, TWO_STEPS));
    bare.hear_frame(&mut server);
    bare.send_frame(b"who:alice");
    bare.assert_closed(&mut server);
}

/// Port of `SaslAuthenticatorTest.testCannotReauthenticateAgainFasterThanOneSecond`.
#[test]
fn a_client_authenticates_anew_once_in_a_second_at_most() {
    let mut server = server();
    let mut client = server.accept_authenticated();
    assert!(begin_again(&mut server, &mut client, 1, "PLAIN"), "the first time at once");
    client.hear_frame(&mut server);
    client.token(&mut server, 1, RIGHT);
    server.harness.time.sleep(SECOND_MS - 1);
    assert!(!begin_again(&mut server, &mut client, 1, "PLAIN"), "for KafkaApis, which refuses it");
    server.harness.time.sleep(1);
    assert!(begin_again(&mut server, &mut client, 1, "PLAIN"));
}

/// Port of `SaslAuthenticatorTest.testServerSidePendingSendDuringReauthentication`: there is none,
/// because a request is answered before the next one is read.
#[test]
fn an_answer_under_way_leaves_before_a_new_authentication_begins() {
    let mut server = server();
    let mut client = server.accept_authenticated();
    client.send_frame(b"a request");
    let (_, request) = client.request(1, &handshake("PLAIN"));
    client.send_frame(&request);
    assert_eq!(server.harness.next_receive(client.id), "a request");
    server.harness.selector.mute(client.id);
    server.poll_a_little();
    assert!(server.harness.receives.is_empty(), "the handshake waits");
    server.harness.send(client.id, b"an answer");
    assert_eq!(client.hear_frame(&mut server), b"an answer");
    server.harness.selector.unmute(client.id);
    assert!(take_request(&mut server, &client));
    assert_eq!(client.hear_frame(&mut server)[4..6], [0, 0]);
    assert_eq!(client.token(&mut server, 1, RIGHT).error_code, 0);
    assert!(client.is_served(&mut server));
}

/// It was no beginning when it came, too early, and its connection is muted: nobody would unmute it.
#[test]
fn a_handshake_that_was_set_aside_begins_nothing() {
    let mut server = server();
    let mut client = server.accept_authenticated();
    let (_, request) = client.request(1, &handshake("PLAIN"));
    client.send_frame(&request);
    let frame = server.harness.next_receive(client.id).into_bytes();
    server.harness.selector.mute(client.id);
    assert!(!server.harness.selector.reauthenticate(client.id, &frame));
    server.harness.selector.unmute(client.id);
    assert!(server.harness.selector.reauthenticate(client.id, &frame));
}

#[test]
fn a_request_amid_a_new_authentication_ends_the_connection_and_counts() {
    let mut server = server();
    let mut client = server.accept_authenticated();
    assert!(begin_again(&mut server, &mut client, 1, "PLAIN"));
    client.hear_frame(&mut server);
    client.send_frame(&[0, 3, 0, 1, 0, 0, 0, 1, 0, 0]);
    client.assert_closed(&mut server);
    assert_eq!(server.counts(), (1, 1));
}

#[test]
fn a_failure_anew_is_a_failure() {
    let mut server =
        Server::with(Settings { max_reauth_ms: SESSION_MS, delay_ms: 100, ..Settings::default() });
    let mut client = server.accept_authenticated();
    assert!(begin_again(&mut server, &mut client, 1, "PLAIN"));
    client.hear_frame(&mut server);
    let (_, request) = client.request(1, &authenticate(WRONG));
    client.send_frame(&request);
    assert!(client.hears_nothing(&mut server), "the answer is held back");
    server.harness.time.sleep(100);
    assert_eq!(client.hear_frame(&mut server)[4..6], [0, 58]);
    client.assert_closed(&mut server);

    let mut client = server.accept_authenticated();
    assert!(begin_again(&mut server, &mut client, 1, "NONE"));
    server.harness.time.sleep(100);
    assert_eq!(client.hear_frame(&mut server)[4..6], [0, 33]);
    client.assert_closed(&mut server);
    assert_eq!(server.counts().1, 2);
}

/// The time for a first authentication, which is long over, does not cut a later one short.
#[test]
fn each_authentication_has_its_own_time() {
    let mut server = server();
    let mut client = server.accept_authenticated();
    server.harness.time.sleep(AUTHENTICATION_TIMEOUT_MS - 1);
    assert!(begin_again(&mut server, &mut client, 1, "PLAIN"));
    client.hear_frame(&mut server);
    server.harness.time.sleep(AUTHENTICATION_TIMEOUT_MS - 1);
    assert!(client.hears_nothing(&mut server));
    server.harness.time.sleep(1);
    client.assert_closed(&mut server);
}
