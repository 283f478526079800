//! Port of `org.apache.kafka.common.security.authenticator.SaslServerAuthenticator`: what a client and
//! this broker say to each other until the broker knows whom the client speaks for.

use std::fmt;
use std::mem;
use std::sync::Arc;

use byteorder::{BigEndian, ByteOrder};

use crate::common::errors::Errors;
use crate::common::kafka_principal::KafkaPrincipal;
use crate::common::text::for_log;
use crate::common::time::Time;
use crate::protocol::advertised_apis::AdvertisedApis;
use crate::protocol::api_keys::ApiKeys;
use crate::protocol::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use crate::protocol::header::RequestHeader;
use crate::protocol::request::{RequestBody, ResponseBody, parse, small_response_bytes};
use crate::protocol::sasl_authenticate::SaslAuthenticateResponse;
use crate::protocol::sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};
use crate::protocol::wire::allowance::Allowance;
use crate::protocol::wire::secret_bytes::SecretBytes;
use crate::security::auth::sasl_server::{SaslError, SaslServer};
use crate::security::authenticator::sasl_mechanisms::{SaslMechanism, SaslMechanisms};
use crate::transport::authenticator::{AuthenticationError, Authenticator};

/// A client may not authenticate anew more often than this.
const REAUTHENTICATION_INTERVAL_MIN_NS: i64 = 1_000_000_000;

/// The first byte of a GSSAPI token, which a client of Kafka 0.9 sends before anything else.
const GSSAPI_TOKEN: u8 = 0x60;

/// The server's side of SASL on one connection.
///
/// The client asks for the versions of the APIs, if it likes, once; it names a mechanism by SaslHandshake;
/// then it sends the tokens of that mechanism, bare after version 0 of the handshake, in SaslAuthenticate
/// after version 1. Which request comes is looked at before its body is, and bodies of other APIs are not
/// read at all: who is not known yet has little to try.
pub struct SaslServerAuthenticator {
    mechanisms: Arc<SaslMechanisms>,
    apis: Arc<AdvertisedApis>,
    time: Arc<dyn Time>,
    state: SaslState,
    /// Anonymous until the first authentication is complete.
    principal: KafkaPrincipal,
    /// By what the client has authenticated, once it has.
    mechanism: Option<&'static str>,
    session_expiration_ns: Option<i64>,
    /// When the client has last begun to authenticate anew.
    reauthentication_began_ns: Option<i64>,
}

/// Where the exchange is. A step that fails leaves it failed.
enum SaslState {
    /// Nothing has come yet: Kafka 0.9 sent bare tokens first.
    InitialRequest,
    /// ApiVersions, which has been answered with an error, may come again.
    HandshakeOrVersionsRequest,
    HandshakeRequest,
    Authenticate(Exchange),
    Complete,
    Failed,
    /// The client begins anew, with a handshake that has arrived already.
    ReauthProcessHandshake,
    /// It has named another mechanism than before, and learns of it when it sends its first token.
    ReauthBadMechanism {
        has_headers: bool,
        why: String,
    },
}

/// A mechanism at work.
struct Exchange {
    mechanism: &'static str,
    server: Box<dyn SaslServer>,
    /// Whether tokens come in SaslAuthenticate.
    has_headers: bool,
}

impl Exchange {
    fn of(mechanism: &SaslMechanism, has_headers: bool) -> Self {
        let (name, server) =
            (mechanism.factory.mechanism(), mechanism.factory.create_sasl_server());
        Self { mechanism: name, server, has_headers }
    }
}

impl SaslServerAuthenticator {
    /// For a client that may choose from `mechanisms`, and learns of `apis` before.
    pub fn new(
        mechanisms: &Arc<SaslMechanisms>,
        apis: &Arc<AdvertisedApis>,
        time: &Arc<dyn Time>,
    ) -> Self {
        Self {
            mechanisms: Arc::clone(mechanisms),
            apis: Arc::clone(apis),
            time: Arc::clone(time),
            state: SaslState::InitialRequest,
            principal: KafkaPrincipal::anonymous(),
            mechanism: None,
            session_expiration_ns: None,
            reauthentication_began_ns: None,
        }
    }

    /// Takes one of the two requests that open an exchange.
    fn handle_kafka_request(
        &mut self,
        frame: &[u8],
        state: &SaslState,
    ) -> Result<Vec<u8>, AuthenticationError> {
        let Some(api_key) = api_of(frame) else { return refuse_first(frame, state) };
        if !matches!(api_key, ApiKeys::ApiVersions | ApiKeys::SaslHandshake) {
            return Err(AuthenticationError::InvalidRequest(format!(
                "Unexpected Kafka request of type {} during SASL handshake: the client does not \
                 authenticate; it needs `security.protocol` with SASL_, or the port of another listener",
                api_key.name()
            )));
        }
        let (header, body) = parsed(frame)?;
        match body {
            RequestBody::SaslHandshake(request) => self.handle_handshake_request(&header, &request),
            _ if matches!(
                state,
                SaslState::HandshakeRequest | SaslState::ReauthProcessHandshake
            ) =>
            {
                unexpected("ApiVersions, which has been answered before")
            }
            RequestBody::UnsupportedApiVersions => {
                self.state = SaslState::HandshakeOrVersionsRequest;
                let answer = ApiVersionsResponse::unsupported_version();
                Ok(small_response_bytes(&header, &ResponseBody::ApiVersions(answer)))
            }
            _ => {
                self.state = SaslState::HandshakeRequest;
                let answer = self.apis.response(header.api_version);
                Ok(small_response_bytes(&header, &ResponseBody::ApiVersions(answer)))
            }
        }
    }

    fn handle_handshake_request(
        &mut self,
        header: &RequestHeader,
        request: &SaslHandshakeRequest,
    ) -> Result<Vec<u8>, AuthenticationError> {
        let answer = |error: Errors| {
            let (error_code, mechanisms) = (error.code(), self.mechanisms.names());
            let response = SaslHandshakeResponse { error_code, mechanisms };
            small_response_bytes(header, &ResponseBody::SaslHandshake(response))
        };
        let has_headers = header.api_version >= 1;
        let Some(mechanism) = self.mechanisms.named(&request.mechanism) else {
            return Err(AuthenticationError::Failed {
                why: format!("Unsupported SASL mechanism {}", for_log(&request.mechanism)),
                answer: Some(answer(Errors::UnsupportedSaslMechanism)),
            });
        };
        let name = mechanism.factory.mechanism();
        self.state = match self.mechanism {
            Some(previous) if previous != name => SaslState::ReauthBadMechanism {
                has_headers,
                why: format!(
                    "SASL mechanism '{name}' requested by client is not supported for \
                     re-authentication of mechanism '{previous}'"
                ),
            },
            _ => SaslState::Authenticate(Exchange::of(mechanism, has_headers)),
        };
        Ok(answer(Errors::None))
    }

    /// Takes a token of the mechanism.
    fn handle_sasl_token(
        &mut self,
        mut exchange: Exchange,
        frame: &[u8],
        now_ns: i64,
    ) -> Result<Vec<u8>, AuthenticationError> {
        if !exchange.has_headers {
            let (token, _) = self.evaluate(&mut exchange, frame, now_ns).map_err(|error| {
                AuthenticationError::Failed { why: error.to_string(), answer: None }
            })?;
            self.go_on(exchange);
            return Ok(token);
        }
        let (header, request) = sasl_authenticate_request(frame)?;
        match self.evaluate(&mut exchange, &request.0, now_ns) {
            Ok((token, session_lifetime_ms)) => {
                self.go_on(exchange);
                let auth_bytes = SecretBytes(token);
                let response = SaslAuthenticateResponse {
                    auth_bytes,
                    session_lifetime_ms,
                    ..SaslAuthenticateResponse::default()
                };
                Ok(small_response_bytes(&header, &ResponseBody::SaslAuthenticate(response)))
            }
            Err(error) => {
                let said = match &error {
                    SaslError::Authentication(why) => why.clone(),
                    SaslError::Failed(_) => format!(
                        "Authentication failed during {} due to invalid credentials with SASL \
                         mechanism {}",
                        self.what(),
                        exchange.mechanism
                    ),
                };
                Err(failed(&header, error.to_string(), said))
            }
        }
    }

    /// What the mechanism makes of a token: its answer, and how long the session lasts from now on, in
    /// milliseconds, 0 if there is no limit or the exchange goes on.
    fn evaluate(
        &mut self,
        exchange: &mut Exchange,
        token: &[u8],
        now_ns: i64,
    ) -> Result<(Vec<u8>, i64), SaslError> {
        let answer = exchange.server.evaluate_response(token)?;
        if !exchange.server.is_complete() {
            return Ok((answer, 0));
        }
        let principal = KafkaPrincipal::user(exchange.server.authorization_id());
        self.ensure_principal_unchanged(&principal)?;
        let session_lifetime_ms = self.begin_session(exchange, now_ns);
        self.principal = principal;
        self.mechanism = Some(exchange.mechanism);
        Ok((answer, session_lifetime_ms))
    }

    fn ensure_principal_unchanged(&self, now: &KafkaPrincipal) -> Result<(), SaslError> {
        let KafkaPrincipal { principal_type, name } = &self.principal;
        if self.mechanism.is_none() || self.principal == *now {
            return Ok(());
        }
        Err(SaslError::Authentication(format!(
            "Cannot change principals during re-authentication from {principal_type}.{name}: {}.{}",
            now.principal_type, now.name
        )))
    }

    /// Port of `ReauthInfo.calcCompletionTimesAndReturnSessionLifetimeMs`.
    fn begin_session(&mut self, exchange: &Exchange, now_ns: i64) -> i64 {
        let now_ms = self.time.milliseconds().0;
        let of_credential = exchange.server.credential_expiration_ms();
        let of_credential = of_credential.map(|end_ms| end_ms.saturating_sub(now_ms).max(0));
        let mechanism = self.mechanisms.named(exchange.mechanism);
        let of_settings = mechanism.map(|it| it.max_reauth_ms).filter(|ms| *ms > 0);
        let lifetime_ms = of_credential.into_iter().chain(of_settings).min();
        self.session_expiration_ns =
            lifetime_ms.map(|ms| now_ns.saturating_add(ms.saturating_mul(1_000_000)));
        lifetime_ms.unwrap_or(0)
    }

    fn go_on(&mut self, exchange: Exchange) {
        self.state = match exchange.server.is_complete() {
            true => SaslState::Complete,
            false => SaslState::Authenticate(exchange),
        };
    }

    /// Port of `ReauthInfo.authenticationOrReauthenticationText`.
    fn what(&self) -> &'static str {
        if self.mechanism.is_some() { "re-authentication" } else { "authentication" }
    }
}

impl Authenticator for SaslServerAuthenticator {
    fn authenticate(&mut self, frame: &[u8], now_ns: i64) -> Result<Vec<u8>, AuthenticationError> {
        match mem::replace(&mut self.state, SaslState::Failed) {
            SaslState::Authenticate(exchange) => self.handle_sasl_token(exchange, frame, now_ns),
            SaslState::ReauthBadMechanism { has_headers, why } => {
                refuse_mechanism(has_headers.then_some(frame), why)
            }
            SaslState::Complete | SaslState::Failed => {
                unexpected("after the end of the authentication")
            }
            state => self.handle_kafka_request(frame, &state),
        }
    }

    fn complete(&self) -> bool {
        matches!(self.state, SaslState::Complete)
    }

    fn principal(&self) -> &KafkaPrincipal {
        &self.principal
    }

    fn max_receive_size(&self) -> Option<(i32, &'static str)> {
        Some((self.mechanisms.max_receive_size, "sasl.server.max.receive.size"))
    }

    fn begin_reauthentication(&mut self, frame: &[u8], now_ns: i64) -> bool {
        let is_handshake = api_of(frame) == Some(ApiKeys::SaslHandshake);
        let is_possible = is_handshake && self.complete() && self.session_expiration_ns.is_some();
        let is_too_early = self.reauthentication_began_ns.is_some_and(|began_ns| {
            now_ns.saturating_sub(began_ns) < REAUTHENTICATION_INTERVAL_MIN_NS
        });
        if !is_possible || is_too_early {
            return false;
        }
        self.reauthentication_began_ns = Some(now_ns);
        self.state = SaslState::ReauthProcessHandshake;
        true
    }

    fn session_expiration_ns(&self) -> Option<i64> {
        self.session_expiration_ns
    }
}

/// The API that a frame is for, by its key alone.
fn api_of(frame: &[u8]) -> Option<ApiKeys> {
    frame.get(..2).map(BigEndian::read_i16).and_then(ApiKeys::for_id)
}

fn parsed(frame: &[u8]) -> Result<(RequestHeader, RequestBody), AuthenticationError> {
    // Neither of the three has an array, so the frame's own bytes are all that it takes.
    parse(frame, Allowance::full())
        .map_err(|error| AuthenticationError::InvalidRequest(format!("a bad request: {error}")))
}

/// The token in a frame that has to be a SaslAuthenticate. The two requests that come before it are
/// answered before the connection is closed; others are not even read.
fn sasl_authenticate_request(
    frame: &[u8],
) -> Result<(RequestHeader, SecretBytes), AuthenticationError> {
    let api_key = api_of(frame);
    let name = api_key.map_or("of no API", ApiKeys::name);
    let is_known = matches!(
        api_key,
        Some(ApiKeys::SaslAuthenticate | ApiKeys::SaslHandshake | ApiKeys::ApiVersions)
    );
    if !is_known {
        return unexpected(format_args!("{name} during SASL authentication"));
    }
    let (header, body) = parsed(frame)?;
    let answer = match body {
        RequestBody::SaslAuthenticate(request) => return Ok((header, request.auth_bytes)),
        RequestBody::UnsupportedApiVersions => Some(ResponseBody::ApiVersions(
            ApiVersionsRequest::default().error_response(Errors::IllegalSaslState),
        )),
        other => other.error_response(Errors::IllegalSaslState),
    };
    Err(AuthenticationError::Failed {
        why: format!("Unexpected Kafka request of type {name} during SASL authentication."),
        answer: answer.map(|it| small_response_bytes(&header, &it)),
    })
}

/// Ends an exchange whose SaslAuthenticate has the answer `said`; `why` is for the log.
fn failed(header: &RequestHeader, why: String, said: String) -> AuthenticationError {
    let response = SaslAuthenticateResponse {
        error_code: Errors::SaslAuthenticationFailed.code(),
        error_message: Some(said),
        ..SaslAuthenticateResponse::default()
    };
    let answer = small_response_bytes(header, &ResponseBody::SaslAuthenticate(response));
    AuthenticationError::Failed { why, answer: Some(answer) }
}

/// The first token for a mechanism that the client had not chosen before. Kafka closes the connection
/// without a word; here the client learns why, if its token has come in a `frame` with a header.
fn refuse_mechanism(frame: Option<&[u8]>, why: String) -> Result<Vec<u8>, AuthenticationError> {
    let Some(frame) = frame else { return Err(AuthenticationError::Failed { why, answer: None }) };
    let (header, _) = sasl_authenticate_request(frame)?;
    Err(failed(&header, why.clone(), why))
}

fn unexpected<T>(what: impl fmt::Display) -> Result<T, AuthenticationError> {
    let why = format!("Unexpected Kafka request of type {what}.");
    Err(AuthenticationError::InvalidRequest(why))
}

/// A frame that is no request at all.
fn refuse_first(frame: &[u8], state: &SaslState) -> Result<Vec<u8>, AuthenticationError> {
    let is_first = matches!(state, SaslState::InitialRequest);
    let why = match frame.first() {
        Some(&GSSAPI_TOKEN) if is_first => {
            "the first packet is a token of GSSAPI, as a client of Kafka 0.9 sends it, and no request: \
             it does not support KIP-43, and so no mechanism of this listener"
        }
        _ => "a packet that is no Kafka request, before any SaslHandshake",
    };
    Err(AuthenticationError::InvalidRequest(why.to_string()))
}
