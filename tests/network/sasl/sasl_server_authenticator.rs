//! Ports of Kafka's `SaslServerAuthenticatorTest`: single steps of the exchange, and when a session ends.

use transferto::common::errors::Errors;
use transferto::protocol::api_keys::ApiKeys;
use transferto::protocol::api_versions::ApiVersionsRequest;
use transferto::protocol::request::{RequestBody, ResponseBody};

use crate::sasl::server::{Client, RIGHT, Server, Settings, TWO_STEPS};

/// Port of `SaslServerAuthenticatorTest.testOversizeRequest`.
#[test]
fn a_size_beyond_the_limit_ends_the_connection_before_a_byte_of_it_comes() {
    let mut server = Server::start();
    let mut client = server.accept();
    client.send_bytes(&524_289_i32.to_be_bytes());
    client.assert_closed(&mut server);
}

/// Port of `SaslServerAuthenticatorTest.testUnexpectedRequestType`.
#[test]
fn another_request_than_those_two_ends_the_connection() {
    let mut server = Server::start();
    let mut client = server.accept();
    let (_, request) = client.request(1, &RequestBody::Metadata(Default::default()));
    client.send_frame(&request);
    client.assert_closed(&mut server);
}

fn versions_in(version: i16) {
    let mut server = Server::start();
    let mut client = server.accept();
    let request = RequestBody::ApiVersions(ApiVersionsRequest::default());
    let ResponseBody::ApiVersions(answer) = client.ask(&mut server, version, &request) else {
        panic!("no answer to ApiVersions");
    };
    assert_eq!(answer.error_code, Errors::None.code());
    let advertised = ApiKeys::ALL.iter().filter(|it| it.is_advertised()).count();
    assert_eq!(answer.api_keys.len(), advertised, "the same before and after (KAFKA-12278)");
}

/// Port of `SaslServerAuthenticatorTest.testOldestApiVersionsRequest`.
#[test]
fn the_oldest_request_for_versions_is_answered() {
    versions_in(*ApiKeys::ApiVersions.versions().start());
}

/// Port of `SaslServerAuthenticatorTest.testLatestApiVersionsRequest`.
#[test]
fn the_newest_request_for_versions_is_answered() {
    versions_in(*ApiKeys::ApiVersions.versions().end());
}

/// How long a session lasts, by the answer, and whether it does.
fn session(max_reauth_ms: i64, credential_ms: Option<i64>) -> i64 {
    let mut server = Server::with(Settings { max_reauth_ms, ..Settings::default() });
    let mut client = server.accept();
    client.handshake(&mut server, 1, TWO_STEPS);
    let who = match credential_ms {
        Some(ms) => format!("who:eve:{ms}"),
        None => "who:eve".to_string(),
    };
    assert_eq!(client.token(&mut server, 1, who.as_bytes()).session_lifetime_ms, 0, "not yet");
    let lifetime_ms = client.token(&mut server, 1, b"yes").session_lifetime_ms;
    let has_end = max_reauth_ms > 0 || credential_ms.is_some();
    assert_eq!(ends_after(&mut server, &client), has_end.then_some(lifetime_ms));
    lifetime_ms
}

/// In how many milliseconds the session of a client ends.
fn ends_after(server: &mut Server, client: &Client) -> Option<i64> {
    let is_expired = |at_ns: i64| server.channel(client).is_session_expired(at_ns);
    if !is_expired(i64::MAX) {
        return None;
    }
    let mut range = (0, i64::MAX / 1_000_000);
    while range.0 < range.1 {
        let middle = range.0 + (range.1 - range.0) / 2;
        range =
            if is_expired(middle * 1_000_000) { (range.0, middle) } else { (middle + 1, range.1) };
    }
    Some(range.0)
}

/// Port of `SaslServerAuthenticatorTest.testSessionExpiresAtTokenExpiryDespiteNoReauthIsSet`.
#[test]
fn a_session_ends_with_the_credential() {
    assert_eq!(session(0, Some(100)), 100);
    assert_eq!(session(0, Some(-5)), 0, "one that has expired");
    assert_eq!(session(0, None), 0, "0 says that there is no end");
}

/// Port of `SaslServerAuthenticatorTest.testSessionExpiresAtMaxReauthTime`.
#[test]
fn a_session_ends_as_the_setting_says() {
    assert_eq!(session(100, Some(1000)), 100);
    assert_eq!(session(100, None), 100);
}

/// Port of `SaslServerAuthenticatorTest.testSessionExpiresAtTokenExpiry`.
#[test]
fn a_session_ends_with_what_ends_first() {
    assert_eq!(session(1000, Some(100)), 100);
}

/// KAFKA-14604.
#[test]
fn a_session_may_last_for_ever() {
    let mut server = Server::with(Settings { max_reauth_ms: i64::MAX, ..Settings::default() });
    let mut client = server.accept();
    assert_eq!(client.authenticate(&mut server, RIGHT), i64::MAX);
    assert!(client.is_served(&mut server));
    assert!(!server.channel(&client).is_session_expired(i64::MAX - 1));
}
