//! OAUTHBEARER on a whole broker: tokens that the test signs, over a socket, and sessions that end with
//! them.

use std::fs;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use support::broker::Broker;
use support::client::Client;
use support::temp::TempDir;
use transferto::common::errors::Errors;
use transferto::common::metrics::Metrics;
use transferto::common::mock_time::MockTime;
use transferto::common::time::Time;
use transferto::protocol::metadata::MetadataRequest;
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::protocol::sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use transferto::protocol::sasl_handshake::SaslHandshakeRequest;
use transferto::protocol::wire::secret_bytes::SecretBytes;

/// Who signs tokens, with a key of its own.
struct Issuer(EcdsaKeyPair);

impl Issuer {
    fn new() -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap())
    }

    /// The file of keys that believes this issuer.
    fn key_set(&self) -> String {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|it| URL_SAFE_NO_PAD.encode(it));
        format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","kid":"1","x":"{x}","y":"{y}"}}]}}"#)
    }

    /// A token that says who its owner is until `exp_ms`.
    fn token(&self, subject: &str, exp_ms: i64) -> String {
        let claims = format!(
            r#"{{"sub":"{subject}","iss":"idp","aud":"kafka","iat":1,"exp":{}}}"#,
            exp_ms as f64 / 1000.0
        );
        let parts = [r#"{"alg":"ES256","kid":"1"}"#, &claims].map(|it| URL_SAFE_NO_PAD.encode(it));
        let signed = parts.join(".");
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A broker that believes one issuer, and takes topics from alice alone.
struct Scene {
    broker: Broker,
    issuer: Issuer,
    time: Arc<MockTime>,
    metrics: Arc<Metrics>,
    _dir: TempDir,
}

impl Scene {
    fn start() -> Self {
        let (dir, issuer) = (TempDir::new(), Issuer::new());
        let keys = dir.join("keys.json");
        fs::write(&keys, issuer.key_set()).unwrap();
        let (time, metrics) = (Arc::new(MockTime::new()), Arc::new(Metrics::default()));
        let settings = [
            ("listeners", "SASL_PLAINTEXT://127.0.0.1:0"),
            ("sasl.enabled.mechanisms", "OAUTHBEARER"),
            ("sasl.oauthbearer.jwks.endpoint.url", &format!("file://{}", keys.display())),
            ("sasl.oauthbearer.expected.issuer", "idp"),
            ("sasl.oauthbearer.expected.audience", "kafka"),
            ("connection.failed.authentication.delay.ms", "0"),
            ("authorizer.class.name", "kafka.security.auth.SimpleAclAuthorizer"),
            ("super.users", "User:alice"),
        ];
        let broker = Broker::start_with(Arc::new(TempDir::new()), &settings, |builder| {
            builder.time(Arc::clone(&time) as Arc<_>).metrics(Arc::clone(&metrics))
        });
        Self { broker, issuer, time, metrics, _dir: dir }
    }

    /// A token that holds for so long.
    fn token(&self, subject: &str, lifetime_ms: i64) -> String {
        self.issuer.token(subject, self.time.milliseconds().0 + lifetime_ms)
    }

    fn log_in(&self, token: &str) -> (Client, SaslAuthenticateResponse) {
        let port = self.broker.server().bound_port_of("SASL_PLAINTEXT").unwrap();
        let mut client = Client::connect(port);
        let answer = log_in_by(&mut client, token);
        (client, answer)
    }
}

fn log_in_by(client: &mut Client, token: &str) -> SaslAuthenticateResponse {
    let request = SaslHandshakeRequest { mechanism: "OAUTHBEARER".to_string() };
    let answer = client.call(1, &RequestBody::SaslHandshake(request), &[]).0;
    assert!(matches!(answer, ResponseBody::SaslHandshake(it) if it.error_code == 0));
    authenticate(client, format!("n,,\u{1}auth=Bearer {token}\u{1}\u{1}").as_bytes())
}

fn authenticate(client: &mut Client, message: &[u8]) -> SaslAuthenticateResponse {
    let request = SaslAuthenticateRequest { auth_bytes: SecretBytes(message.to_vec()) };
    match client.call(2, &RequestBody::SaslAuthenticate(request), &[]).0 {
        ResponseBody::SaslAuthenticate(response) => response,
        other => panic!("{other:?}"),
    }
}

#[test]
fn whoever_has_a_signed_token_is_whom_it_names() {
    let scene = Scene::start();
    let (mut alice, answer) = scene.log_in(&scene.token("alice", 60_000));
    assert_eq!((answer.error_code, &*answer.auth_bytes.0), (0, &b""[..]));
    assert_eq!(answer.session_lifetime_ms, 60_000);
    alice.create_topic("t");
    let (mut bob, answer) = scene.log_in(&scene.token("bob", 60_000));
    assert_eq!(answer.error_code, 0);
    let refused = bob.metadata(1, Some(&["t"])).topics[0].error_code;
    assert_eq!(refused, Errors::TopicAuthorizationFailed.code());
}

/// RFC 7628, section 3.2.3: first the reason, which looks like a success to Kafka, then the failure.
#[test]
fn a_token_that_is_not_believed_is_refused_when_the_client_has_heard_why() {
    let scene = Scene::start();
    let stranger = Issuer::new().token("alice", scene.time.milliseconds().0 + 60_000);
    for token in [&stranger, &scene.token("alice", -60_000)] {
        let (mut client, answer) = scene.log_in(token);
        let why = br#"{"status":"invalid_token"}"#;
        assert_eq!((answer.error_code, &*answer.auth_bytes.0), (0, &why[..]));
        let answer = authenticate(&mut client, b"\x01");
        assert_eq!(answer.error_code, Errors::SaslAuthenticationFailed.code());
        client.assert_refused();
    }
    assert_eq!(scene.metrics.failed_authentications.value(), 2);
}

#[test]
fn a_session_ends_with_its_token_and_goes_on_with_the_next() {
    let scene = Scene::start();
    let (mut forgetful, _) = scene.log_in(&scene.token("alice", 5_000));
    let (mut careful, _) = scene.log_in(&scene.token("alice", 5_000));
    scene.time.sleep(4_999);
    forgetful.metadata(1, None);
    let answer = log_in_by(&mut careful, &scene.token("alice", 60_000));
    assert_eq!((answer.error_code, answer.session_lifetime_ms), (0, 60_000));
    scene.time.sleep(1);
    careful.metadata(1, None);
    forgetful.send(1, &RequestBody::Metadata(MetadataRequest::default()), &[]);
    forgetful.assert_closed();
    assert_eq!(scene.metrics.expired_connections_killed.value(), 1);
}

#[test]
fn the_next_token_is_of_the_same_user() {
    let scene = Scene::start();
    let (mut client, _) = scene.log_in(&scene.token("alice", 60_000));
    let answer = log_in_by(&mut client, &scene.token("bob", 60_000));
    assert_eq!(answer.error_code, Errors::SaslAuthenticationFailed.code());
    client.assert_refused();
}

/// Its session would be over before it began, and the client would not learn why.
#[test]
fn a_token_that_has_just_expired_is_refused_although_clocks_may_differ() {
    let scene = Scene::start();
    let (_, answer) = scene.log_in(&scene.token("alice", -1_000));
    assert_eq!(&*answer.auth_bytes.0, br#"{"status":"invalid_token"}"#);
}
