//! Logins by SCRAM over real sockets: tokens in SaslAuthenticate, and bare.

use std::num::NonZeroU32;

use support::broker::Broker;
use support::client::Client;
use support::login::prove;
use transferto::common::errors::Errors;
use transferto::protocol::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, ScramCredentialDeletion, ScramCredentialUpsertion,
};
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::protocol::sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use transferto::protocol::sasl_handshake::SaslHandshakeRequest;
use transferto::protocol::wire::secret_bytes::SecretBytes;
use transferto::security::scram::scram_formatter::ScramFormatter;
use transferto::security::scram::scram_mechanism::ScramMechanism;

const LISTENER: &str = "SASL_PLAINTEXT";
const BOTH: [ScramMechanism; 2] = ScramMechanism::ALL;

/// A broker with a listener for admins, and one of SCRAM.
fn start() -> Broker {
    Broker::start(&[
        ("listeners", "PLAINTEXT://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0"),
        ("sasl.enabled.mechanisms", "SCRAM-SHA-256,SCRAM-SHA-512"),
        ("connection.failed.authentication.delay.ms", "0"),
    ])
}

fn connect(broker: &Broker) -> Client {
    Client::connect(broker.server().bound_port_of(LISTENER).unwrap())
}

pub(super) fn set_password(broker: &Broker, user: &str, mechanism: ScramMechanism, password: &str) {
    let (salt, iterations) = (b"salt".to_vec(), 4096);
    let formatter = ScramFormatter::new(mechanism);
    let salted = formatter.salted_password(password, &salt, NonZeroU32::new(iterations).unwrap());
    let upsertion = ScramCredentialUpsertion {
        name: user.to_string(),
        mechanism: mechanism.id(),
        iterations: 4096,
        salt,
        salted_password: SecretBytes(salted),
    };
    alter(
        broker,
        AlterUserScramCredentialsRequest { deletions: vec![], upsertions: vec![upsertion] },
    );
}

pub(super) fn alter(broker: &Broker, request: AlterUserScramCredentialsRequest) {
    let request = RequestBody::AlterUserScramCredentials(request);
    match broker.connect().call(0, &request, &[]).0 {
        ResponseBody::AlterUserScramCredentials(it) => assert_eq!(it.results[0].error_code, 0),
        other => panic!("{other:?}"),
    }
}

fn hand_shake(client: &mut Client, version: i16, mechanism: ScramMechanism) {
    let mechanism = mechanism.mechanism_name().to_string();
    let request = RequestBody::SaslHandshake(SaslHandshakeRequest { mechanism });
    match client.call(version, &request, &[]).0 {
        ResponseBody::SaslHandshake(it) => assert_eq!(it.error_code, 0),
        other => panic!("{other:?}"),
    }
}

fn authenticate(client: &mut Client, token: Vec<u8>) -> SaslAuthenticateResponse {
    let request = SaslAuthenticateRequest { auth_bytes: SecretBytes(token) };
    match client.call(2, &RequestBody::SaslAuthenticate(request), &[]).0 {
        ResponseBody::SaslAuthenticate(response) => response,
        other => panic!("{other:?}"),
    }
}

/// Logs in by SaslAuthenticate; returns the last answer.
pub(super) fn log_in(
    client: &mut Client,
    mechanism: ScramMechanism,
    user: &str,
    password: &str,
) -> SaslAuthenticateResponse {
    hand_shake(client, 1, mechanism);
    let bare = format!("n={},r=abc", ScramFormatter::sasl_name(user));
    let challenge = authenticate(client, format!("n,,{bare}").into_bytes());
    assert_eq!(challenge.error_code, 0, "nobody learns yet whether there is {user}");
    let (last, expected) = prove(mechanism, &bare, &challenge.auth_bytes.0, password);
    let answer = authenticate(client, last);
    if answer.error_code == 0 {
        assert_eq!(answer.auth_bytes.0, expected);
    }
    answer
}

fn assert_in(client: &mut Client) {
    assert_eq!(client.metadata(1, Some(&[])).brokers.len(), 1);
}

#[test]
fn a_user_logs_in_by_either_mechanism_whatever_the_name() {
    let broker = start();
    for mechanism in BOTH {
        for user in ["alice", "a,b=c", "a b", "\u{e9}\u{1f600}", "=2C"] {
            set_password(&broker, user, mechanism, "pass,wörd=");
            let mut client = connect(&broker);
            assert_eq!(log_in(&mut client, mechanism, user, "pass,wörd=").error_code, 0, "{user}");
            assert_in(&mut client);
        }
    }
}

#[test]
fn who_is_not_there_gets_the_answers_of_a_wrong_password() {
    let broker = start();
    set_password(&broker, "alice", ScramMechanism::ScramSha256, "secret");
    let answers = [
        ("alice", "wrong", ScramMechanism::ScramSha256),
        ("nobody", "secret", ScramMechanism::ScramSha256),
        ("Alice", "secret", ScramMechanism::ScramSha256),
        ("alice ", "secret", ScramMechanism::ScramSha256),
        ("alice", "secret", ScramMechanism::ScramSha512),
    ];
    for (user, password, mechanism) in answers {
        let mut client = connect(&broker);
        let answer = log_in(&mut client, mechanism, user, password);
        assert_eq!(answer.error_code, Errors::SaslAuthenticationFailed.code(), "{user}");
        let why = format!(
            "Authentication failed during authentication due to invalid credentials with SASL \
             mechanism {mechanism}"
        );
        assert_eq!(answer.error_message.as_deref(), Some(&*why));
        assert!(answer.auth_bytes.0.is_empty());
        client.assert_closed();
    }
}

/// Names that SASLprep, a database or a reader would take for each other.
#[test]
fn names_that_look_alike_are_different_users() {
    let names = [
        "alice",
        "Alice",
        "ALICE",
        "alice ",
        " alice",
        "al ice",
        "alice\u{a0}",
        "alice\u{200b}",
        "\u{e9}ve",
        "e\u{301}ve",
        "\u{aa}",
        "a",
        "\u{ff41}",
    ];
    let (broker, mechanism) = (start(), ScramMechanism::ScramSha256);
    let log_in = |name: &str, owner: &str| {
        let password = format!("of {owner}");
        log_in(&mut connect(&broker), mechanism, name, &password).error_code
    };
    for name in names {
        assert!(log_in(name, name) != 0, "{name:?} is there before it was made");
        set_password(&broker, name, mechanism, &format!("of {name}"));
        assert_eq!(log_in(name, name), 0, "{name:?}");
    }
    for pair in names.windows(2) {
        assert!(log_in(pair[0], pair[1]) != 0, "{pair:?}");
    }
}

#[test]
fn a_change_holds_for_the_next_login_and_leaves_connections_alone() {
    let (broker, mechanism) = (start(), ScramMechanism::ScramSha512);
    set_password(&broker, "alice", mechanism, "old");
    let mut first = connect(&broker);
    assert_eq!(log_in(&mut first, mechanism, "alice", "old").error_code, 0);
    set_password(&broker, "alice", mechanism, "new");
    assert!(log_in(&mut connect(&broker), mechanism, "alice", "old").error_code != 0);
    assert_eq!(log_in(&mut connect(&broker), mechanism, "alice", "new").error_code, 0);
    let deletion = ScramCredentialDeletion { name: "alice".into(), mechanism: mechanism.id() };
    alter(
        &broker,
        AlterUserScramCredentialsRequest { deletions: vec![deletion], upsertions: vec![] },
    );
    assert!(log_in(&mut connect(&broker), mechanism, "alice", "new").error_code != 0);
    assert_in(&mut first);
}

/// Clients of Kafka before 1.0.
#[test]
fn tokens_may_come_bare_behind_a_handshake_of_version_0() {
    let (broker, mechanism) = (start(), ScramMechanism::ScramSha256);
    set_password(&broker, "alice", mechanism, "secret");
    let mut client = connect(&broker);
    hand_shake(&mut client, 0, mechanism);
    client.send_frame(b"n,,n=alice,r=abc");
    let challenge = client.receive_frame();
    let (last, expected) = prove(mechanism, "n=alice,r=abc", &challenge, "secret");
    client.send_frame(&last);
    assert_eq!(client.receive_frame(), expected);
    assert_in(&mut client);

    let mut client = connect(&broker);
    hand_shake(&mut client, 0, mechanism);
    client.send_frame(b"n,,n=alice,r=abc");
    let challenge = client.receive_frame();
    client.send_frame(&prove(mechanism, "n=alice,r=abc", &challenge, "wrong").0);
    client.assert_closed();
}

#[test]
fn what_is_no_message_of_scram_ends_the_connection() {
    let broker = start();
    set_password(&broker, "alice", ScramMechanism::ScramSha256, "secret");
    for token in
        [&b""[..], b"\0alice\0secret", b"y,,n=alice,r=x", &[b'n'; 500_000], b"n,,n=\xff,r=x"]
    {
        let mut client = connect(&broker);
        hand_shake(&mut client, 1, ScramMechanism::ScramSha256);
        assert_eq!(authenticate(&mut client, token.to_vec()).error_code, 58);
        client.assert_closed();
    }
}
