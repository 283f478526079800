//! Port of `org.apache.kafka.server.ForwardingManagerImpl` and `ForwardingManagerUtil`: takes the requests of
//! clients that only the controller can answer to it, and its responses back.
//!
//! A request travels in an envelope: the client's own bytes, with its principal and its address beside them. The
//! controller's response is in the client's version, with the client's correlation id, and goes to the client as
//! it came.

use std::net::IpAddr;
use std::sync::Arc;

use log::{Level, debug, log};

use crate::common::errors::Errors;
use crate::common::kafka_principal::KafkaPrincipal;
use crate::common::log_limit::{LogKind, limited};
use crate::common::metrics::Metrics;
use crate::protocol::envelope::{EnvelopeRequest, EnvelopeResponse};
use crate::protocol::wire::types::{Version, WireType, Writer};
use crate::server::cluster::controller_channel::{
    ControllerChannel, ControllerError, send_request,
};

/// How long a request may wait for a controller and for its response: Kafka's `retryTimeoutMs` of the channel.
pub const FORWARDING_TIMEOUT_MS: i64 = 60_000;

/// The longest request that is forwarded, in bytes. A controller refuses changes of more than 10,000 things at
/// once, which take less.
pub const FORWARDED_REQUEST_BYTES_MAX: usize = 8 << 20;

/// Sends clients' requests to the active controller.
pub struct ForwardingManager {
    channel: Arc<dyn ControllerChannel>,
    metrics: Arc<Metrics>,
}

/// What a client wants of the controller, and who the client is.
pub struct ForwardedRequest<'a> {
    /// The name of the API, for the log.
    pub api: &'static str,
    pub correlation_id: i32,
    /// The header and the body, as they came.
    pub bytes: Vec<u8>,
    pub principal: &'a KafkaPrincipal,
    pub client_address: IpAddr,
}

/// Why there is no response to pass on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardingError {
    /// The controller is of another version than it was when the client asked for the versions. The client's
    /// connection is to be closed, so that it asks again.
    UnsupportedVersion,
    /// What the client is answered.
    Failed(Errors),
}

impl ForwardingManager {
    pub fn new(channel: &Arc<dyn ControllerChannel>, metrics: &Arc<Metrics>) -> Self {
        Self { channel: Arc::clone(channel), metrics: Arc::clone(metrics) }
    }

    /// Sends a request. `callback` runs once, on the channel's thread, so it must not wait. It gets the bytes
    /// that the client is to read: the response header and the body.
    pub fn forward_request(
        &self,
        request: ForwardedRequest<'_>,
        callback: impl FnOnce(Result<Vec<u8>, ForwardingError>) + Send + 'static,
    ) {
        let (api, correlation_id) = (request.api, request.correlation_id);
        debug!("ForwardingManager.forwardRequest: {api} of {}", request.principal);
        let metrics = Arc::clone(&self.metrics);
        metrics.forwarding_queue_length.increment();
        let on_complete = move |response: Result<EnvelopeResponse, ControllerError>| {
            metrics.forwarding_queue_length.decrement();
            callback(answer(api, correlation_id, response));
        };
        let envelope = envelope(request.bytes, request.principal, request.client_address);
        send_request(&*self.channel, envelope, 0..=0, FORWARDING_TIMEOUT_MS, on_complete);
    }
}

/// Port of `ForwardingManagerUtil.buildEnvelopeRequest`. `bytes` are a request with its header.
pub fn envelope(bytes: Vec<u8>, principal: &KafkaPrincipal, address: IpAddr) -> EnvelopeRequest {
    EnvelopeRequest {
        request_data: bytes,
        request_principal: Some(principal_bytes(principal)),
        client_host_address: match address.to_canonical() {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        },
    }
}

/// Port of `DefaultKafkaPrincipalBuilder.serialize`: the version, then the fields of version 0, which is
/// flexible.
fn principal_bytes(principal: &KafkaPrincipal) -> Vec<u8> {
    const VERSION: i16 = 0;
    let old_encoding = Version { number: VERSION, is_flexible: false };
    let flexible = Version { number: VERSION, is_flexible: true };
    let mut writer = Writer::new();
    VERSION.write(&mut writer, old_encoding);
    principal.principal_type.to_string().write(&mut writer, flexible);
    principal.name.to_string().write(&mut writer, flexible);
    // `tokenAuthenticated`: there are no delegation tokens here.
    false.write(&mut writer, flexible);
    writer.write_no_tagged_fields();
    writer.into_bytes()
}

/// What the client reads. An error of the envelope is a fault of the cluster's settings, not of the client.
fn answer(
    api: &'static str,
    correlation_id: i32,
    response: Result<EnvelopeResponse, ControllerError>,
) -> Result<Vec<u8>, ForwardingError> {
    let response = match response {
        Ok(response) => response,
        Err(error @ (ControllerError::TimedOut | ControllerError::ShuttingDown)) => {
            debug!("forwarded {api}: {error}");
            return Err(ForwardingError::Failed(Errors::RequestTimedOut));
        }
        Err(error) => return failed(api, &error.to_string()),
    };
    match Errors::for_code(response.error_code) {
        Errors::None => {}
        // The controller changed after the client had asked for the versions.
        Errors::UnsupportedVersion => return Err(ForwardingError::UnsupportedVersion),
        Errors::ClusterAuthorizationFailed => {
            return failed(
                api,
                "the controller does not let this broker forward requests; add the broker's principal to \
                 `super.users` of the controllers",
            );
        }
        error => return failed(api, &format!("the controller refused it: {}", error.message())),
    }
    let bytes = response.response_data.unwrap_or_default();
    if bytes.starts_with(&correlation_id.to_be_bytes()) {
        return Ok(bytes);
    }
    failed(api, &format!("the response is not to the request {correlation_id}"))
}

fn failed(api: &str, why: &str) -> Result<Vec<u8>, ForwardingError> {
    log!(limited(LogKind::Failures, Level::Error), "cannot forward {api} to the controller: {why}");
    Err(ForwardingError::Failed(Errors::UnknownServerError))
}
