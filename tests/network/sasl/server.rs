//! A selector whose connections authenticate by SASL, and clients in the hands of the test.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use transferto::common::end_point::ListenerName;
use transferto::common::time::{SystemTime, Time};
use transferto::config::config_reader::read_file;
use transferto::protocol::api_keys::ApiKeys;
use transferto::protocol::header::RequestHeader;
use transferto::protocol::request::{RequestBody, ResponseBody, parse_response, request_bytes};
use transferto::protocol::sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use transferto::protocol::sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};
use transferto::protocol::wire::secret_bytes::SecretBytes;
use transferto::security::auth::sasl_server::{SaslError, SaslServer, SaslServerFactory};
use transferto::security::authenticator::sasl_mechanisms::{SaslMechanism, SaslMechanisms};
use transferto::security::configured_mechanisms::mechanisms_of;
use transferto::security::sasl_channel_builder::SaslChannelBuilder;
use transferto::transport::channel_builder::{PlaintextTransportBuilder, TransportBuilder};
use transferto::transport::connection_id::ConnectionId;
use transferto::transport::kafka_channel::KafkaChannel;

use crate::frames::frame;
use crate::transport::harness::Harness;

pub(crate) const USER: &str = "alice";
pub(crate) const PASSWORD: &str = "alice-secret";
/// A token of PLAIN that proves who sends it.
pub(crate) const RIGHT: &[u8] = b"\0alice\0alice-secret";
pub(crate) const WRONG: &[u8] = b"\0alice\0wrong";

/// How long one that was refused, and has its answer, is not closed.
pub(crate) const REFUSED_LINGER_MS: i64 = 100;

/// A client that hears nothing in this many polls has been forgotten.
const POLLS_MAX: usize = 5_000;

/// What a server is like.
pub(crate) struct Settings {
    pub max_reauth_ms: i64,
    pub delay_ms: i64,
    pub max_receive_size: i32,
    pub has_two_steps: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_reauth_ms: 0, delay_ms: 0, max_receive_size: 524_288, has_two_steps: true }
    }
}

pub(crate) struct Server {
    pub harness: Harness,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self::over(settings, |metrics| Box::new(PlaintextTransportBuilder::new(metrics)))
    }

    /// Over transports of its own.
    pub(crate) fn over(
        settings: Settings,
        transports: impl FnOnce(Arc<transferto::common::metrics::Metrics>) -> Box<dyn TransportBuilder>,
    ) -> Self {
        let mut mechanisms = configured(&[(
            "listener.name.sasl_plaintext.plain.sasl.jaas.config",
            "org.apache.kafka.common.security.plain.PlainLoginModule required \
             user_alice=\"alice-secret\" user_bob=\"bob-secret\";",
        )])
        .unwrap();
        if settings.has_two_steps {
            mechanisms
                .mechanisms
                .push(SaslMechanism { factory: Box::new(TwoSteps), max_reauth_ms: 0 });
        }
        for mechanism in &mut mechanisms.mechanisms {
            mechanism.max_reauth_ms = settings.max_reauth_ms;
        }
        mechanisms.max_receive_size = settings.max_receive_size;
        let limits = |limits: &mut transferto::transport::selector::SelectorLimits| {
            limits.failed_authentication_delay_ms = settings.delay_ms;
            limits.connections_max_idle_ms = None;
        };
        let harness = Harness::limited(limits, |metrics, time| {
            let time = Arc::clone(time) as Arc<dyn Time>;
            Arc::new(SaslChannelBuilder::new(transports(metrics), mechanisms, time))
        });
        Self { harness }
    }

    pub(crate) fn accept(&mut self) -> Client {
        let (id, stream) = self.harness.accept();
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { id, stream, heard: Vec::new(), correlation_id: 0 }
    }

    /// A client that has authenticated by PLAIN.
    pub(crate) fn accept_authenticated(&mut self) -> Client {
        let mut client = self.accept();
        client.authenticate(self, RIGHT);
        client
    }

    pub(crate) fn channel(&self, client: &Client) -> &KafkaChannel {
        self.harness.selector.channel(client.id).unwrap()
    }

    /// Whom the client speaks for, if it is ready.
    pub(crate) fn principal_of(&self, client: &Client) -> Option<String> {
        let channel = self.channel(client);
        channel.ready().then(|| channel.principal().to_string())
    }

    /// How many have authenticated, and how many have failed to.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let metrics = &self.harness.metrics;
        (metrics.successful_authentications.value(), metrics.failed_authentications.value())
    }

    /// What comes of a few polls, in which nothing waits.
    pub(crate) fn poll_a_little(&mut self) {
        for _ in 0..20 {
            self.harness.poll(1);
        }
    }
}

/// The mechanisms of a listener with PLAIN and these settings.
pub(crate) fn configured(settings: &[(&str, &str)]) -> Result<SaslMechanisms, String> {
    let base =
        [("listeners", "SASL_PLAINTEXT://127.0.0.1:0"), ("sasl.enabled.mechanisms", "PLAIN")];
    let all = base.iter().chain(settings);
    let all: Vec<_> = all.map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let config = read_file(None, &all).map_err(|errors| format!("{errors:?}"))?;
    let time: Arc<dyn Time> = Arc::new(SystemTime::new());
    mechanisms_of(&config, &ListenerName::normalised("SASL_PLAINTEXT"), &Arc::default(), &time)
}

/// What a client hears.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    Frame(Vec<u8>),
    Closed,
}

/// The other end of a connection.
pub(crate) struct Client {
    pub id: ConnectionId,
    pub stream: TcpStream,
    heard: Vec<u8>,
    correlation_id: i32,
}

impl Client {
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn send_frame(&mut self, body: &[u8]) {
        self.send_bytes(&frame(body));
    }

    pub(crate) fn request(&mut self, version: i16, body: &RequestBody) -> (RequestHeader, Vec<u8>) {
        self.correlation_id += 1;
        let header = RequestHeader {
            api_key: body.api_key(),
            api_version: version,
            correlation_id: self.correlation_id,
            client_id: Some("test".to_string()),
        };
        let bytes = request_bytes(&header, body, &[]);
        (header, bytes)
    }

    /// A frame if it is there.
    fn heard_frame(&mut self) -> Option<Heard> {
        let mut bytes = [0; 4096];
        let end = match self.stream.read(&mut bytes) {
            Ok(0) => true,
            Ok(count) => {
                self.heard.extend(&bytes[..count]);
                false
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => true,
            Err(error) => panic!("{error}"),
        };
        if let Some((size, rest)) = self.heard.split_first_chunk::<4>() {
            let size = u32::from_be_bytes(*size) as usize;
            if rest.len() >= size {
                let body = rest[..size].to_vec();
                self.heard.drain(..4 + size);
                return Some(Heard::Frame(body));
            }
        }
        (end && self.heard.is_empty()).then_some(Heard::Closed)
    }

    /// Waits for a frame or the end.
    pub(crate) fn hear(&mut self, server: &mut Server) -> Heard {
        for _ in 0..POLLS_MAX {
            if let Some(heard) = self.heard_frame() {
                return heard;
            }
            server.harness.poll(1);
        }
        panic!("the client hears nothing");
    }

    /// Whether there is nothing to hear yet.
    pub(crate) fn hears_nothing(&mut self, server: &mut Server) -> bool {
        server.poll_a_little();
        self.heard_frame().is_none()
    }

    pub(crate) fn hear_frame(&mut self, server: &mut Server) -> Vec<u8> {
        match self.hear(server) {
            Heard::Frame(body) => body,
            Heard::Closed => panic!("the connection was closed"),
        }
    }

    /// It is closed, or is when it has had its while to go.
    pub(crate) fn assert_closed(&mut self, server: &mut Server) {
        server.harness.time.sleep(REFUSED_LINGER_MS);
        assert_eq!(self.hear(server), Heard::Closed);
        server.harness.poll_until(|it| it.is_disconnected(self.id));
    }

    pub(crate) fn ask(
        &mut self,
        server: &mut Server,
        version: i16,
        body: &RequestBody,
    ) -> ResponseBody {
        let (header, bytes) = self.request(version, body);
        self.send_frame(&bytes);
        let answer = self.hear_frame(server);
        let (correlation_id, response) = parse_response(&header, &answer).unwrap();
        assert_eq!(correlation_id, header.correlation_id);
        response
    }

    pub(crate) fn handshake(
        &mut self,
        server: &mut Server,
        version: i16,
        mechanism: &str,
    ) -> SaslHandshakeResponse {
        match self.ask(server, version, &handshake(mechanism)) {
            ResponseBody::SaslHandshake(response) => response,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn token(
        &mut self,
        server: &mut Server,
        version: i16,
        token: &[u8],
    ) -> SaslAuthenticateResponse {
        match self.ask(server, version, &authenticate(token)) {
            ResponseBody::SaslAuthenticate(response) => response,
            other => panic!("{other:?}"),
        }
    }

    /// By PLAIN, and returns how long the session lasts.
    pub(crate) fn authenticate(&mut self, server: &mut Server, token: &[u8]) -> i64 {
        assert_eq!(self.handshake(server, 1, "PLAIN").error_code, 0);
        let answer = self.token(server, 2, token);
        assert_eq!((answer.error_code, &*answer.auth_bytes.0), (0, &b""[..]), "{answer:?}");
        answer.session_lifetime_ms
    }

    /// Sends a frame that is a request to those who know it, and returns it as the server got it.
    pub(crate) fn is_served(&mut self, server: &mut Server) -> bool {
        self.send_frame(b"a request");
        server.harness.next_receive(self.id) == "a request"
    }
}

pub(crate) fn handshake(mechanism: &str) -> RequestBody {
    RequestBody::SaslHandshake(SaslHandshakeRequest { mechanism: mechanism.to_string() })
}

pub(crate) fn authenticate(token: &[u8]) -> RequestBody {
    RequestBody::SaslAuthenticate(SaslAuthenticateRequest {
        auth_bytes: SecretBytes(token.to_vec()),
    })
}

pub(crate) fn api_versions(version: i16) -> Vec<u8> {
    let header = RequestHeader {
        api_key: ApiKeys::ApiVersions,
        api_version: version,
        correlation_id: 1,
        client_id: None,
    };
    request_bytes(&header, &RequestBody::ApiVersions(Default::default()), &[])
}

/// A mechanism of two tokens: `who:NAME[:credential lifetime in ms]`, which is answered `really?`, and
/// `yes`. Anything else fails, with a secret in its reason.
pub(crate) struct TwoSteps;

pub(crate) const TWO_STEPS: &str = "TWO-STEPS";

/// When [`TwoSteps`] counts from: the wall clock of `MockTime` at its start.
const START_MS: i64 = 1_455_148_800_000;

impl SaslServerFactory for TwoSteps {
    fn mechanism(&self) -> &'static str {
        TWO_STEPS
    }

    fn create_sasl_server(&self) -> Box<dyn SaslServer> {
        Box::new(TwoStepsServer { name: None, is_complete: false, expiration_ms: None })
    }
}

struct TwoStepsServer {
    name: Option<String>,
    is_complete: bool,
    expiration_ms: Option<i64>,
}

impl SaslServer for TwoStepsServer {
    fn evaluate_response(&mut self, token: &[u8]) -> Result<Vec<u8>, SaslError> {
        let text = String::from_utf8_lossy(token).to_string();
        let parts: Vec<&str> = text.split(':').collect();
        match (&self.name, parts.as_slice()) {
            (None, ["who", name, rest @ ..]) => {
                self.name = Some(name.to_string());
                let lifetime_ms = rest.first().map(|it| it.parse::<i64>().unwrap());
                self.expiration_ms = lifetime_ms.map(|ms| START_MS.saturating_add(ms));
                Ok(b"really?".to_vec())
            }
            (Some(_), ["yes"]) => {
                self.is_complete = true;
                Ok(b"welcome".to_vec())
            }
            _ => Err(SaslError::Failed("the user's secret is 4711".to_string())),
        }
    }

    fn is_complete(&self) -> bool {
        self.is_complete
    }

    fn authorization_id(&self) -> &str {
        self.name.as_deref().unwrap()
    }

    fn credential_expiration_ms(&self) -> Option<i64> {
        self.expiration_ms
    }
}
