//! Ports of Kafka's `SaslAuthenticatorTest`, the server's side of it: what a client may say before it
//! is known, and in which order.

use transferto::common::errors::Errors;
use transferto::protocol::api_keys::ApiKeys;
use transferto::protocol::api_versions::ApiVersionsRequest;
use transferto::protocol::request::{RequestBody, ResponseBody};

use crate::sasl::server::{
    PASSWORD, RIGHT, Server, Settings, TWO_STEPS, USER, WRONG, api_versions, authenticate,
    configured, handshake,
};

const REFUSED: &str = "Authentication failed: Invalid username or password";

/// The words of the answer to a token that fails, after which the connection is closed.
fn failure(token: &[u8]) -> String {
    let mut server = Server::start();
    let mut client = server.accept();
    client.handshake(&mut server, 1, "PLAIN");
    let answer = client.token(&mut server, 1, token);
    assert_eq!(answer.error_code, Errors::SaslAuthenticationFailed.code());
    assert_eq!((answer.auth_bytes.0.len(), answer.session_lifetime_ms), (0, 0));
    client.assert_closed(&mut server);
    assert_eq!(server.counts(), (0, 1));
    answer.error_message.unwrap()
}

/// Port of `SaslAuthenticatorTest.testValidSaslPlainOverPlaintext` and
/// `SaslAuthenticatorTest.testRepeatedValidSaslPlainOverSsl`, over PLAINTEXT.
#[test]
fn a_client_with_the_right_password_is_served_under_its_name() {
    let mut server = Server::start();
    for (name, password) in [(USER, PASSWORD), ("bob", "bob-secret"), (USER, PASSWORD)] {
        let mut client = server.accept();
        let token = format!("\0{name}\0{password}");
        assert_eq!(client.authenticate(&mut server, token.as_bytes()), 0, "no session ends");
        assert!(client.is_served(&mut server));
        assert_eq!(server.principal_of(&client).unwrap(), format!("User:{name}"));
    }
    assert_eq!(server.counts(), (3, 0));
}

#[test]
fn a_client_may_authenticate_in_any_version_of_sasl_authenticate() {
    let mut server = Server::start();
    for version in 0..=2 {
        let mut client = server.accept();
        client.handshake(&mut server, 1, "PLAIN");
        let answer = client.token(&mut server, version, RIGHT);
        assert_eq!((answer.error_code, answer.error_message.as_deref()), (0, Some("")));
        assert!(client.is_served(&mut server), "{version}");
    }
}

/// Port of `SaslAuthenticatorTest.testInvalidPasswordSaslPlain` and
/// `SaslAuthenticatorTest.testInvalidUsernameSaslPlain`.
#[test]
fn a_wrong_password_and_an_unknown_user_are_told_the_same() {
    assert_eq!(failure(WRONG), REFUSED);
    assert_eq!(failure(b"\0nobody\0alice-secret"), REFUSED);
    assert_eq!(failure(b"\0Alice\0alice-secret"), REFUSED);
    assert_eq!(failure(b"\0alice \0alice-secret"), REFUSED);
}

/// Port of `SaslAuthenticatorTest.testMissingUsernameSaslPlain` and
/// `SaslAuthenticatorTest.testMissingPasswordSaslPlain`.
#[test]
fn a_token_without_a_name_or_a_password_is_refused() {
    assert_eq!(failure(b"\0\0alice-secret"), "Authentication failed: username not specified");
    assert_eq!(failure(b"\0alice\0"), "Authentication failed: password not specified");
    assert_eq!(failure(b""), "Invalid SASL/PLAIN response: expected 3 tokens, got 1");
}

/// Port of `SaslAuthenticatorTest.testClientExceptionDoesNotContainSensitiveData`.
#[test]
fn what_a_mechanism_finds_wrong_is_for_the_log_alone() {
    let mut server = Server::start();
    let mut client = server.accept();
    client.handshake(&mut server, 1, TWO_STEPS);
    let answer = client.token(&mut server, 1, b"nonsense");
    assert_eq!(
        answer.error_message.unwrap(),
        "Authentication failed during authentication due to invalid credentials with SASL \
         mechanism TWO-STEPS"
    );
    client.assert_closed(&mut server);
}

/// Port of `SaslAuthenticatorTest.testMechanismPluggability` and
/// `SaslAuthenticatorTest.testMultipleServerMechanisms`.
#[test]
fn a_listener_may_have_several_mechanisms_of_several_steps() {
    let mut server = Server::start();
    let mut client = server.accept();
    assert_eq!(client.handshake(&mut server, 1, TWO_STEPS).mechanisms, ["PLAIN", TWO_STEPS]);
    assert_eq!(*client.token(&mut server, 1, b"who:eve").auth_bytes.0, *b"really?");
    assert_eq!(server.principal_of(&client), None);
    assert_eq!(*client.token(&mut server, 1, b"yes").auth_bytes.0, *b"welcome");
    assert!(client.is_served(&mut server));
    assert_eq!(server.principal_of(&client).unwrap(), "User:eve");
    assert!(server.accept_authenticated().is_served(&mut server), "by PLAIN");
}

/// ApiVersions comes first, then a handshake of this version.
fn ask_for_versions_first(handshake_version: i16) {
    for version in [0, 3, 4] {
        let mut server = Server::start();
        let mut client = server.accept();
        let request = RequestBody::ApiVersions(ApiVersionsRequest::default());
        let ResponseBody::ApiVersions(answer) = client.ask(&mut server, version, &request) else {
            panic!("no answer to ApiVersions");
        };
        let found = |key: i16| answer.api_keys.iter().find(|it| it.api_key == key).unwrap();
        assert_eq!((answer.error_code, found(17).max_version, found(36).max_version), (0, 1, 2));
        let answer = client.handshake(&mut server, handshake_version, "PLAIN");
        assert_eq!((answer.error_code, answer.mechanisms.len()), (0, 2));
        match handshake_version {
            0 => {
                client.send_frame(RIGHT);
                assert_eq!(client.hear_frame(&mut server), b"", "success is an empty frame");
            }
            _ => assert_eq!(client.token(&mut server, 0, RIGHT).error_code, 0),
        }
        assert!(client.is_served(&mut server));
    }
}

/// Port of `SaslAuthenticatorTest.testUnauthenticatedApiVersionsRequestOverPlaintextHandshakeVersion0`.
#[test]
fn versions_may_be_asked_for_before_a_handshake_without_headers() {
    ask_for_versions_first(0);
}

/// Port of `SaslAuthenticatorTest.testUnauthenticatedApiVersionsRequestOverPlaintextHandshakeVersion1`
/// and `SaslAuthenticatorTest.testValidApiVersionsRequest`.
#[test]
fn versions_may_be_asked_for_before_a_handshake_with_headers() {
    ask_for_versions_first(1);
}

/// Port of `SaslAuthenticatorTest.testApiVersionsRequestWithServerUnsupportedVersion`.
#[test]
fn an_unknown_version_of_api_versions_may_be_tried_and_another_one_after_it() {
    let mut server = Server::start();
    let mut client = server.accept();
    for _ in 0..3 {
        client.send_frame(&[0, 18, 0x7f, 0xff, 0, 0, 0, 5, 0xff, 0xfe]);
        let expected = [0, 0, 0, 5, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4];
        assert_eq!(client.hear_frame(&mut server), expected, "version 0, error 35");
    }
    client.send_frame(&api_versions(3));
    assert_eq!(client.hear_frame(&mut server)[4..6], [0, 0]);
    client.authenticate(&mut server, RIGHT);
    assert!(client.is_served(&mut server));
}

/// Port of `SaslAuthenticatorTest.testForBrokenSaslHandshakeVersionBump`.
#[test]
fn the_handshake_stays_at_version_1() {
    // Clients up to 2.4 take any higher one for theirs (KAFKA-9577).
    assert_eq!(ApiKeys::SaslHandshake.advertised_versions(), Some(0..=1));
}

/// Port of `SaslAuthenticatorTest.testSaslHandshakeRequestWithUnsupportedVersion`.
#[test]
fn an_unknown_version_of_the_handshake_has_no_answer() {
    let mut server = Server::start();
    let mut client = server.accept();
    let (_, mut request) = client.request(1, &handshake("PLAIN"));
    request[3] = 2;
    client.send_frame(&request);
    client.assert_closed(&mut server);
    assert!(server.accept_authenticated().is_served(&mut server), "others are served");
}

/// Port of `SaslAuthenticatorTest.testInvalidSaslPacket`.
#[test]
fn bytes_that_are_no_request_close_their_connection_alone() {
    let mut server = Server::start();
    let mut good = server.accept_authenticated();
    let gssapi = [&[0x60, 0x82, 1, 2], &[7; 60][..]].concat();
    for first in [&b""[..], b"\0", b"\xff\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n", &gssapi] {
        let mut client = server.accept();
        client.send_frame(first);
        client.assert_closed(&mut server);
    }
    for token in [&b""[..], b"\0", b"\0\x24", b"\0\x24\0\0\0\0\0\x01\xff\xff\0\0\0\x7fshort"] {
        let mut client = server.accept();
        client.handshake(&mut server, 1, "PLAIN");
        client.send_frame(token);
        client.assert_closed(&mut server);
    }
    assert!(good.is_served(&mut server));
}

/// Port of `SaslAuthenticatorTest.testInvalidApiVersionsRequestSequence`.
#[test]
fn versions_are_not_asked_for_after_the_handshake() {
    for version in [0, 3, 99] {
        let mut server = Server::start();
        let mut client = server.accept();
        client.handshake(&mut server, 1, "PLAIN");
        client.send_frame(&api_versions(version));
        let answer = client.hear_frame(&mut server);
        assert_eq!(answer[4..6], Errors::IllegalSaslState.code().to_be_bytes());
        client.assert_closed(&mut server);
    }
}

#[test]
fn versions_are_asked_for_once_and_the_handshake_comes_once() {
    let mut server = Server::start();
    let mut client = server.accept();
    client.send_frame(&api_versions(0));
    client.hear_frame(&mut server);
    client.send_frame(&api_versions(0));
    client.assert_closed(&mut server);

    let mut client = server.accept();
    client.handshake(&mut server, 1, "PLAIN");
    let answer = client.handshake(&mut server, 1, "PLAIN");
    assert_eq!(answer.error_code, Errors::IllegalSaslState.code());
    client.assert_closed(&mut server);
}

/// Port of `SaslAuthenticatorTest.testPacketSizeTooBig` and
/// `SaslAuthenticatorTest.testSaslAuthenticationMaxReceiveSize`.
#[test]
fn a_frame_may_be_as_long_as_the_setting_says() {
    let settings = || Settings { max_receive_size: 1024, ..Settings::default() };
    let mut server = Server::with(settings());
    let mut client = server.accept();
    client.send_bytes(&1025_i32.to_be_bytes());
    client.assert_closed(&mut server);

    let mut client = server.accept();
    client.handshake(&mut server, 1, "PLAIN");
    client.send_bytes(&1025_i32.to_be_bytes());
    client.assert_closed(&mut server);

    let mut client = server.accept();
    client.handshake(&mut server, 1, "PLAIN");
    let (_, request) = client.request(1, &authenticate(&[1; 1006]));
    assert_eq!(request.len(), 1024);
    client.send_frame(&request);
    assert_eq!(client.hear_frame(&mut server)[4..6], [0, 58], "it is read, and is no token");

    // Who is known may send more.
    let mut client = server.accept_authenticated();
    client.send_frame(&[b'x'; 5000]);
    assert_eq!(server.harness.next_receive(client.id).len(), 5000);
}

/// Port of `SaslAuthenticatorTest.testDisallowedKafkaRequestsBeforeAuthentication`.
#[test]
fn other_requests_are_not_even_read_before_the_client_is_known() {
    let mut server = Server::start();
    for &api in ApiKeys::ALL {
        let is_first = matches!(api, ApiKeys::ApiVersions | ApiKeys::SaslHandshake);
        // The body would be refused, were it read.
        let request = [&api.id().to_be_bytes()[..], &[0, 0, 0, 0, 0, 1, 0xff, 0xff, 0x7f]].concat();
        if !is_first {
            let mut client = server.accept();
            client.send_frame(&request);
            client.assert_closed(&mut server);
        }
        if !is_first && api != ApiKeys::SaslAuthenticate {
            let mut client = server.accept();
            client.handshake(&mut server, 1, "PLAIN");
            client.send_frame(&request);
            client.assert_closed(&mut server);
        }
    }
    assert!(server.harness.receives.is_empty());
}

/// Port of `SaslAuthenticatorTest.testDisabledMechanism` and
/// `SaslAuthenticatorTest.testInvalidMechanism`.
#[test]
fn a_mechanism_that_is_not_there_is_answered_with_those_that_are() {
    let mut server = Server::start();
    for mechanism in ["SCRAM-SHA-256", "GSSAPI", "plain", "", "a\nb", &"x".repeat(32_000)] {
        for version in 0..=1 {
            let mut client = server.accept();
            let answer = client.handshake(&mut server, version, mechanism);
            assert_eq!(answer.error_code, Errors::UnsupportedSaslMechanism.code());
            assert_eq!(answer.mechanisms, ["PLAIN", TWO_STEPS]);
            client.assert_closed(&mut server);
        }
    }
}

/// Port of `SaslAuthenticatorTest.oldSaslPlainPlaintextClientWithoutSaslAuthenticateHeader`.
#[test]
fn tokens_may_come_bare() {
    let mut server = Server::start();
    let mut client = server.accept();
    client.handshake(&mut server, 0, TWO_STEPS);
    client.send_frame(b"who:eve");
    assert_eq!(client.hear_frame(&mut server), b"really?");
    client.send_frame(b"yes");
    assert_eq!(client.hear_frame(&mut server), b"welcome");
    assert!(client.is_served(&mut server));
    assert_eq!(server.principal_of(&client).unwrap(), "User:eve");
}

/// Port of `SaslAuthenticatorTest.oldSaslPlainPlaintextClientWithoutSaslAuthenticateHeaderFailure`.
#[test]
fn a_bare_token_that_fails_has_no_answer() {
    let mut server = Server::start();
    for (mechanism, token) in [("PLAIN", WRONG), (TWO_STEPS, b"nonsense")] {
        let mut client = server.accept();
        client.handshake(&mut server, 0, mechanism);
        client.send_frame(token);
        client.assert_closed(&mut server);
    }
    assert_eq!(server.counts(), (0, 2));
}

#[test]
fn an_unknown_version_of_sasl_authenticate_has_no_answer() {
    let mut server = Server::start();
    for version in [3, -1, i16::MAX] {
        let mut client = server.accept();
        client.handshake(&mut server, 1, "PLAIN");
        let (_, mut request) = client.request(1, &authenticate(RIGHT));
        request[2..4].copy_from_slice(&version.to_be_bytes());
        client.send_frame(&request);
        client.assert_closed(&mut server);
    }
}

#[test]
fn a_client_need_not_wait_for_its_answers() {
    let mut server = Server::start();
    let mut client = server.accept();
    let requests = [
        client.request(0, &RequestBody::ApiVersions(ApiVersionsRequest::default())).1,
        client.request(1, &handshake("PLAIN")).1,
        client.request(2, &authenticate(RIGHT)).1,
        b"a request".to_vec(),
    ];
    for request in &requests {
        client.send_frame(request);
    }
    for _ in 0..3 {
        client.hear_frame(&mut server);
    }
    assert_eq!(server.harness.next_receive(client.id), "a request");
    assert_eq!(server.principal_of(&client).unwrap(), "User:alice");
}

fn why_not(settings: &[(&str, &str)]) -> String {
    configured(settings).err().expect("settings that are refused")
}

const JAAS: &str = "listener.name.sasl_plaintext.plain.sasl.jaas.config";

/// Port of `SaslAuthenticatorTest.testInvalidLoginModule`.
#[test]
fn another_login_module_stops_the_start() {
    let why =
        why_not(&[(JAAS, "InvalidLoginModule required username=\"u\" password=\"hunter2\";")]);
    assert!(why.contains(JAAS) && why.contains("PlainLoginModule"), "{why}");
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
    let why = why_not(&[(JAAS, scram)]);
    assert!(why.contains("PLAIN needs org.apache.kafka.common.security.plain"), "{why}");
    assert!(!why.contains("hunter2"));
}

/// Port of `SaslAuthenticatorTest.testServerDynamicJaasConfiguration`,
/// `JaasContextTest.testLoadForServerWithListenerNameOverride` and
/// `JaasContextTest.testLoadForServerWithWrongListenerName`.
#[test]
fn the_users_stand_in_the_setting_of_their_listener_and_mechanism() {
    let module = "org.apache.kafka.common.security.plain.PlainLoginModule required";
    let good = format!("{module} user_alice=\"x\";");
    assert!(configured(&[(JAAS, &good)]).is_ok());
    assert!(why_not(&[]).contains(JAAS), "what to set is named");
    let other = "listener.name.other.plain.sasl.jaas.config";
    let listeners = ("listeners", "SASL_PLAINTEXT://:0,OTHER://:0");
    let map = ("listener.security.protocol.map", "SASL_PLAINTEXT:SASL_PLAINTEXT,OTHER:PLAINTEXT");
    assert!(why_not(&[listeners, map, (other, &good)]).contains(JAAS), "of another listener");
    assert!(why_not(&[("sasl.jaas.config", &good)]).contains(JAAS), "it holds for no mechanism");
    let two = format!("{good} {good}");
    assert!(why_not(&[(JAAS, &two)]).contains("2 login modules"));
}

#[test]
fn a_listener_needs_mechanisms_that_are_there() {
    for (mechanisms, expected) in [
        ("", "set `sasl.enabled.mechanisms` to some of"),
        ("GSSAPI", "GSSAPI"),
        ("PLAIN,DIGEST-MD5", "DIGEST-MD5"),
        ("plain", "plain"),
    ] {
        let module = "org.apache.kafka.common.security.plain.PlainLoginModule required;";
        let why = why_not(&[("sasl.enabled.mechanisms", mechanisms), (JAAS, module)]);
        assert!(why.contains(expected), "{mechanisms}: {why}");
    }
}
