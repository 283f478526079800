//! Port of `org.apache.kafka.common.security.authenticator.SaslClientAuthenticator`: how this broker proves to
//! another node who it is.
//!
//! It asks for the versions of the node, names a mechanism by SaslHandshake, and exchanges the tokens of that
//! mechanism by SaslAuthenticate. A session that ends is renewed on the same connection before that, between two
//! requests (KIP-368): the same requests again, without the first.

use std::io;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use crate::clients::client_channel_builder::{ClientAuthenticator, Exchange};
use crate::common::errors::Errors;
use crate::common::text::for_log;
use crate::protocol::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use crate::protocol::client_request::{ClientRequest, client_request_bytes, read_client_response};
use crate::protocol::sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use crate::protocol::sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};
use crate::protocol::wire::secret_bytes::SecretBytes;
use crate::security::auth::sasl_client::{SaslClient, SaslClientFactory};
use crate::security::auth::sasl_server::SaslError;

/// Every node of a KRaft cluster has it, and those before it as well.
const API_VERSIONS_VERSION: i16 = 3;
/// The first after which tokens have requests round them.
const HANDSHAKE_VERSION: i16 = 1;
/// From the first with the lifetime of a session on.
const AUTHENTICATE_VERSION_MIN: i16 = 1;
const AUTHENTICATE_VERSION_MAX: i16 = 2;
/// SCRAM takes two, a server that goes on asking is none of Kafka's.
const TOKENS_MAX: usize = 8;
/// How much of a session goes by before it is renewed: Kafka's least, 85 %.
const SESSION_SHARE: (i64, i64) = (85, 100);

/// Speaks for this broker on one connection.
#[derive(Debug)]
pub struct SaslClientAuthenticator {
    factory: Arc<dyn SaslClientFactory>,
    names: SettingNames,
    client_id: String,
    /// Of SaslAuthenticate, once the node has said which it has.
    version: Option<i16>,
    next_correlation_id: i32,
}

/// The settings that errors send the reader to.
#[derive(Clone, Debug)]
pub struct SettingNames {
    /// The listener, with its protocol, as errors name it.
    pub listener: String,
    /// `sasl.mechanism.controller.protocol`, for example.
    pub mechanism: String,
    /// `listener.name.controller.plain.sasl.jaas.config`, for example.
    pub credentials: String,
}

impl SaslClientAuthenticator {
    /// One that authenticates by the mechanism of `factory`.
    pub fn new(factory: Arc<dyn SaslClientFactory>, names: SettingNames, client_id: &str) -> Self {
        Self {
            factory,
            names,
            client_id: client_id.to_string(),
            version: None,
            next_correlation_id: 0,
        }
    }

    fn call<R: ClientRequest>(
        &mut self,
        request: &R,
        version: i16,
        exchange: &mut Exchange<'_>,
    ) -> io::Result<R::Response> {
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id = correlation_id.wrapping_add(1);
        let request = client_request_bytes(request, version, correlation_id, &self.client_id);
        let frame = exchange(&request).map_err(|error| {
            io::Error::new(error.kind(), format!("{} of the login: {error}", R::NAME))
        })?;
        match read_client_response::<R>(&frame, version) {
            Ok((of_response, response)) if of_response == correlation_id => Ok(response),
            Ok((other, _)) => Err(invalid(format!(
                "a response to request {other}, not to {} {correlation_id}",
                R::NAME
            ))),
            Err(error) => Err(invalid(format!("no response to {}: {error}", R::NAME))),
        }
    }

    fn log_in(&mut self, exchange: &mut Exchange<'_>) -> io::Result<i64> {
        let version = self.settle_version(exchange)?;
        self.shake_hands(exchange)?;
        self.exchange_tokens(version, exchange)
    }

    /// Port of the states up to RECEIVE_APIVERSIONS_RESPONSE.
    fn settle_version(&mut self, exchange: &mut Exchange<'_>) -> io::Result<i16> {
        if let Some(version) = self.version {
            return Ok(version);
        }
        let request = ApiVersionsRequest {
            client_software_name: env!("CARGO_PKG_NAME").to_string(),
            client_software_version: env!("CARGO_PKG_VERSION").to_string(),
        };
        let theirs = self.call(&request, API_VERSIONS_VERSION, exchange)?;
        check_versions(&theirs)?;
        let version = newest_version(&theirs).ok_or_else(|| {
            let why = "it does not have SaslAuthenticate in a version that this broker has";
            io::Error::new(ErrorKind::Unsupported, why)
        })?;
        self.version = Some(version);
        Ok(version)
    }

    /// Port of the states of the handshake.
    fn shake_hands(&mut self, exchange: &mut Exchange<'_>) -> io::Result<()> {
        let mechanism = self.factory.mechanism();
        let request = SaslHandshakeRequest { mechanism: mechanism.to_string() };
        let SaslHandshakeResponse { error_code, mechanisms } =
            self.call(&request, HANDSHAKE_VERSION, exchange)?;
        let why = match Errors::for_code(error_code) {
            Errors::None => return Ok(()),
            Errors::UnsupportedSaslMechanism => {
                let shown: Vec<_> = mechanisms.iter().take(8).map(|it| for_log(it)).collect();
                format!(
                    "it does not have {mechanism}, only {}: look at `{}`, and there at \
                     `sasl.enabled.mechanisms`",
                    shown.join(", "),
                    self.names.mechanism
                )
            }
            Errors::IllegalSaslState => {
                "it does not expect a login by SASL: does `listener.security.protocol.map` say the same \
                 of that listener there and here?"
                    .to_string()
            }
            error => format!("it answers SaslHandshake with {error}"),
        };
        Err(refused(why))
    }

    /// Port of the states INITIAL and INTERMEDIATE. Returns how long the session lasts, in milliseconds.
    fn exchange_tokens(&mut self, version: i16, exchange: &mut Exchange<'_>) -> io::Result<i64> {
        let mut client = self.factory.create_sasl_client();
        let mut token = client.initial_response().map_err(|error| self.disbelieved(&error))?;
        for _ in 0..TOKENS_MAX {
            let request = SaslAuthenticateRequest { auth_bytes: SecretBytes(token) };
            let response = self.call(&request, version, exchange)?;
            self.check(&response)?;
            match self.next_token(&mut *client, &response.auth_bytes.0)? {
                Some(next) => token = next,
                None => return Ok(response.session_lifetime_ms),
            }
        }
        Err(refused(format!("it has not come to an end after {TOKENS_MAX} tokens")))
    }

    fn next_token(&self, client: &mut dyn SaslClient, token: &[u8]) -> io::Result<Option<Vec<u8>>> {
        client.evaluate_challenge(token).map_err(|error| self.disbelieved(&error))
    }

    fn check(&self, response: &SaslAuthenticateResponse) -> io::Result<()> {
        let error = Errors::for_code(response.error_code);
        if error == Errors::None {
            return Ok(());
        }
        let said = response.error_message.as_deref().filter(|it| !it.is_empty());
        let said = for_log(said.unwrap_or(error.message()));
        Err(refused(format!(
            "it refuses the login by {} ({}): {said}; look at the username and the password in `{}`",
            self.factory.mechanism(),
            error.name(),
            self.names.credentials
        )))
    }

    fn disbelieved(&self, error: &SaslError) -> io::Error {
        refused(format!(
            "the login by {} has failed here: {error}; look at `{}`",
            self.factory.mechanism(),
            self.names.credentials
        ))
    }
}

impl ClientAuthenticator for SaslClientAuthenticator {
    fn authenticate(&mut self, exchange: &mut Exchange<'_>) -> io::Result<Option<Duration>> {
        let lifetime_ms = self.log_in(exchange).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", self.names.listener))
        })?;
        Ok(until_renewal(lifetime_ms))
    }
}

/// Without a limit there is no renewal.
fn until_renewal(lifetime_ms: i64) -> Option<Duration> {
    let (share, of) = SESSION_SHARE;
    let lifetime_ms = u64::try_from(lifetime_ms).ok().filter(|it| *it > 0)?;
    let until_ms = u128::from(lifetime_ms) * share as u128 / of as u128;
    Some(Duration::from_millis(u64::try_from(until_ms).unwrap_or(u64::MAX)))
}

fn check_versions(theirs: &ApiVersionsResponse) -> io::Result<()> {
    match Errors::for_code(theirs.error_code) {
        Errors::None => Ok(()),
        error => Err(invalid(format!("it answers ApiVersions with {error}"))),
    }
}

/// Of SaslAuthenticate, the newest that both have.
fn newest_version(theirs: &ApiVersionsResponse) -> Option<i16> {
    let api_key = SaslAuthenticateRequest::API_KEY;
    let api = theirs.api_keys.iter().find(|it| it.api_key == api_key)?;
    let version = api.max_version.min(AUTHENTICATE_VERSION_MAX);
    (version >= AUTHENTICATE_VERSION_MIN.max(api.min_version)).then_some(version)
}

fn refused(why: String) -> io::Error {
    io::Error::new(ErrorKind::PermissionDenied, why)
}

fn invalid(why: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}
