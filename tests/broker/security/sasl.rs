//! SASL on a whole broker: its listeners, its settings, and who a request is from.

use std::sync::Arc;

use support::broker::Broker;
use support::client::Client;
use support::records::batch;
use support::temp::TempDir;
use transferto::common::errors::Errors;
use transferto::protocol::describe_groups::DescribeGroupsRequest;
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::protocol::sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use transferto::protocol::sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};
use transferto::protocol::wire::secret_bytes::SecretBytes;

const LISTENERS: (&str, &str) =
    ("listeners", "PLAINTEXT://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0,INNER://127.0.0.1:0");
const MAP: (&str, &str) = (
    "listener.security.protocol.map",
    "PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,INNER:SASL_PLAINTEXT",
);
const MECHANISMS: (&str, &str) = ("sasl.enabled.mechanisms", "PLAIN");
const OUTER_USERS: (&str, &str) = (
    "listener.name.sasl_plaintext.plain.sasl.jaas.config",
    "org.apache.kafka.common.security.plain.PlainLoginModule required \
     username=\"admin\" password=\"admin-secret\" \
     user_alice=\"alice-secret\" user_bob=\"bob-secret\";",
);
const INNER_USERS: (&str, &str) = (
    "listener.name.inner.plain.sasl.jaas.config",
    "org.apache.kafka.common.security.plain.PlainLoginModule required user_carol=\"carol-secret\";",
);
const NO_DELAY: (&str, &str) = ("connection.failed.authentication.delay.ms", "0");
const ALL: [(&str, &str); 6] = [LISTENERS, MAP, MECHANISMS, OUTER_USERS, INNER_USERS, NO_DELAY];

fn start(more: &[(&str, &str)]) -> Broker {
    Broker::start(&[&ALL[..], more].concat())
}

fn connect(broker: &Broker, listener: &str) -> Client {
    let end_points = broker.server().bound_endpoints();
    let found = end_points.iter().find(|it| it.listener_name.as_str() == listener).unwrap();
    Client::connect(found.port)
}

fn handshake(client: &mut Client) -> SaslHandshakeResponse {
    let request = SaslHandshakeRequest { mechanism: "PLAIN".to_string() };
    match client.call(1, &RequestBody::SaslHandshake(request), &[]).0 {
        ResponseBody::SaslHandshake(response) => response,
        other => panic!("{other:?}"),
    }
}

fn authenticate(client: &mut Client, user: &str, password: &str) -> SaslAuthenticateResponse {
    let auth_bytes = SecretBytes(format!("\0{user}\0{password}").into_bytes());
    let request = RequestBody::SaslAuthenticate(SaslAuthenticateRequest { auth_bytes });
    match client.call(2, &request, &[]).0 {
        ResponseBody::SaslAuthenticate(response) => response,
        other => panic!("{other:?}"),
    }
}

/// A client of this listener that is known by this name.
fn known(broker: &Broker, listener: &str, user: &str) -> Client {
    let mut client = connect(broker, listener);
    assert_eq!(handshake(&mut client).error_code, 0);
    assert_eq!(authenticate(&mut client, user, &format!("{user}-secret")).error_code, 0);
    client
}

#[test]
fn a_known_client_produces_and_fetches_beside_one_without_a_name() {
    let broker = start(&[]);
    let mut alice = known(&broker, "SASL_PLAINTEXT", "alice");
    alice.create_topic("t");
    let records = batch(&["one"]);
    assert_eq!(alice.produce("t", 0, &records).error_code, 0);
    let mut nobody = connect(&broker, "PLAINTEXT");
    assert_eq!(nobody.fetch("t", 0, 0).records, alice.fetch("t", 0, 0).records);
}

/// Port of `SaslAuthenticatorTest.testJaasConfigurationForListener`.
#[test]
fn each_listener_has_its_own_users() {
    let broker = start(&[]);
    for (listener, user, expected) in [
        ("SASL_PLAINTEXT", "alice", 0),
        ("SASL_PLAINTEXT", "carol", 58),
        ("SASL_PLAINTEXT", "admin", 58),
        ("INNER", "carol", 0),
        ("INNER", "alice", 58),
    ] {
        let mut client = connect(&broker, listener);
        handshake(&mut client);
        let answer = authenticate(&mut client, user, &format!("{user}-secret"));
        assert_eq!(answer.error_code, expected, "{listener} {user}");
        if expected != 0 {
            client.assert_closed();
        }
    }
}

#[test]
fn rights_are_those_of_the_user() {
    let broker = start(&[
        ("authorizer.class.name", "kafka.security.auth.SimpleAclAuthorizer"),
        ("super.users", "User:alice"),
    ]);
    let mut of_alice = known(&broker, "SASL_PLAINTEXT", "alice");
    of_alice.create_topic("t");
    let allowed = |client: &mut Client| {
        client.metadata(1, Some(&["t"])).topics[0].error_code
            != Errors::TopicAuthorizationFailed.code()
    };
    assert!(allowed(&mut of_alice));
    assert!(!allowed(&mut known(&broker, "SASL_PLAINTEXT", "bob")));
    assert!(!allowed(&mut known(&broker, "INNER", "carol")));
    assert!(!allowed(&mut connect(&broker, "PLAINTEXT")), "User:ANONYMOUS");
}

/// By KafkaApis, in Kafka's words, and the connection goes on.
#[test]
fn after_the_authentication_another_one_is_refused() {
    let broker = start(&[]);
    let mut client = known(&broker, "SASL_PLAINTEXT", "alice");
    let answer = handshake(&mut client);
    assert_eq!((answer.error_code, answer.mechanisms.len()), (34, 0));
    let answer = authenticate(&mut client, "alice", "alice-secret");
    let expected = "SaslAuthenticate request received after successful authentication";
    assert_eq!((answer.error_code, answer.error_message.as_deref()), (34, Some(expected)));
    assert_eq!(client.metadata(1, None).brokers.len(), 1);
}

#[test]
fn a_session_ends_at_the_next_request_and_may_begin_anew() {
    let time = Arc::new(transferto::common::mock_time::MockTime::new());
    let metrics = Arc::new(transferto::common::metrics::Metrics::default());
    let settings = [&ALL[..], &[("listener.name.inner.plain.connections.max.reauth.ms", "5000")]];
    let settings = settings.concat();
    let broker = Broker::start_with(Arc::new(TempDir::new()), &settings, |builder| {
        builder.time(Arc::clone(&time) as Arc<_>).metrics(Arc::clone(&metrics))
    });
    let mut forgetful = known(&broker, "INNER", "carol");
    let mut endless = known(&broker, "SASL_PLAINTEXT", "alice");
    let mut careful = connect(&broker, "INNER");
    handshake(&mut careful);
    assert_eq!(authenticate(&mut careful, "carol", "carol-secret").session_lifetime_ms, 5000);

    time.sleep(4999);
    for client in [&mut forgetful, &mut endless, &mut careful] {
        client.metadata(1, None);
    }
    assert_eq!(handshake(&mut careful).error_code, 0);
    assert_eq!(authenticate(&mut careful, "carol", "carol-secret").error_code, 0);
    time.sleep(1);
    for client in [&mut endless, &mut careful] {
        client.metadata(1, None);
    }
    forgetful.send(1, &RequestBody::DescribeGroups(DescribeGroupsRequest::default()), &[]);
    forgetful.assert_closed();
    assert_eq!(metrics.expired_connections_killed.value(), 1);
    assert_eq!(metrics.successful_authentications.value(), 4);
}

#[test]
fn what_is_wrong_with_the_settings_stops_the_start_and_shows_no_secret() {
    let dir = TempDir::new();
    let two = ("listeners", "SASL_PLAINTEXT://127.0.0.1:0");
    let bad = (OUTER_USERS.0, "org.example.Plain required user_alice=\"hunter2\";");
    // As many believe that it makes one.
    let nobody = (
        OUTER_USERS.0,
        "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"admin\" \
         password=\"hunter2\";",
    );
    for (settings, expected) in [
        (vec![two, MECHANISMS], "sasl_plaintext.plain.sasl.jaas.config` must be set"),
        (vec![two, MECHANISMS, bad], "none of those there are: org.apache.kafka"),
        (vec![two, MECHANISMS, nobody], "has no user: add user_NAME="),
    ] {
        let why = Broker::start_error(&dir, &settings, |builder| builder);
        assert!(why.contains(expected), "{why}");
        assert!(!why.contains("hunter2"), "{why}");
    }
}
