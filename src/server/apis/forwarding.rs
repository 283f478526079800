//! Port of `KafkaApis.forwardToController`: the requests that are the cluster's controller's to answer.

use std::sync::Arc;

use log::{Level, log};

use crate::common::errors::Errors;
use crate::common::log_limit::{LogKind, limited};
use crate::common::memory_pool::MemoryDraw;
use crate::common::metrics::Metrics;
use crate::protocol::alter_configs::AlterConfigsResourceResponse;
use crate::protocol::forwarded_error::forwarded_error_bytes;
use crate::protocol::request::{RequestBody, ResponseBody, parse_response, request_bytes};
use crate::server::apis::config_preprocessing::{ConfigPreprocessing, reassembled, resource_count};
use crate::server::apis::parts::{Forwarding, Parts};
use crate::server::cluster::api_version_manager::ApiVersionManager;
use crate::server::cluster::forwarding_manager::{
    FORWARDED_REQUEST_BYTES_MAX, ForwardedRequest, ForwardingError,
};
use crate::server::reply::reply::Reply;

/// Hands requests on to the controller. None in a cluster of one broker.
pub(crate) struct ForwardingApis {
    forwarding: Forwarding,
    config_preprocessing: ConfigPreprocessing,
    metrics: Arc<Metrics>,
}

impl ForwardingApis {
    pub(crate) fn new(parts: &Parts<'_>) -> Option<Self> {
        Some(Self {
            forwarding: parts.forwarding.clone()?,
            config_preprocessing: ConfigPreprocessing::new(parts),
            metrics: Arc::clone(&parts.metrics),
        })
    }

    pub(crate) fn versions(&self) -> &ApiVersionManager {
        &self.forwarding.versions
    }

    /// Sends the client's bytes to the controller, and the controller's to the client. What the request takes
    /// stays drawn until it is answered: that bounds what waits for a controller.
    ///
    /// `bytes` are those of `body`, with the header in front, and drawn from `memory`.
    pub(crate) fn forward_to_controller(
        &self,
        reply: Reply,
        mut body: RequestBody,
        mut bytes: Vec<u8>,
        memory: MemoryDraw,
    ) {
        let (api, version) = (reply.header.api_key, reply.header.api_version);
        if !self.versions().is_api_enabled(api, version) {
            let why = format!("the controller has no version {version} of {}", api.name());
            return refuse(reply, &self.metrics, &why);
        }
        if bytes.len() > FORWARDED_REQUEST_BYTES_MAX {
            return answer_with_error(reply, &body, Vec::new(), Errors::InvalidRequest);
        }
        let refused = self.config_preprocessing.refuse(&reply, &mut body);
        if !refused.is_empty() {
            if resource_count(&body) == Some(0) {
                let nothing_else = body.error_response(Errors::None);
                let response = nothing_else.expect("an alteration has a response");
                return reply.send_body(&reassembled(response, refused));
            }
            bytes = request_bytes(&reply.header, &body, &[]);
        }
        let session = reply.context.session.clone();
        let request = ForwardedRequest {
            api: api.name(),
            correlation_id: reply.header.correlation_id,
            bytes,
            principal: &session.principal,
            client_address: session.client_address.ip(),
        };
        self.forwarding.manager.forward_request(request, move |response| {
            drop(memory);
            answer(reply, &body, refused, response);
        });
    }
}

/// A single node has no such API: as for any other that it does not know, the connection is closed.
pub(crate) fn refuse_forwarded_request(reply: Reply, metrics: &Metrics) {
    let why = format!("there is no {} in a cluster of one broker", reply.header.api_key.name());
    refuse(reply, metrics, &why);
}

/// Closes the connection: the client was told which versions there are.
fn refuse(reply: Reply, metrics: &Metrics, why: &str) {
    let level = limited(LogKind::BadRequests, Level::Warn);
    log!(level, "closing {}, bad request: {why}", reply.client());
    metrics.invalid_requests.increment();
    reply.close_connection();
}

fn answer(
    mut reply: Reply,
    body: &RequestBody,
    refused: Vec<AlterConfigsResourceResponse>,
    response: Result<Vec<u8>, ForwardingError>,
) {
    reply.remote_complete();
    match response {
        Ok(bytes) if reply.header.api_key.is_forwarded_only() => reply.send_bytes(bytes),
        Ok(bytes) => pass_on(reply, body, refused, bytes),
        Err(ForwardingError::UnsupportedVersion) => {
            let level = limited(LogKind::Failures, Level::Info);
            let (api, client) = (reply.header.api_key.name(), reply.client());
            log!(level, "closing {client}: the controller has changed its versions of {api}");
            reply.close_connection();
        }
        Err(ForwardingError::Failed(error)) => answer_with_error(reply, body, refused, error),
    }
}

/// Passes the controller's response on as it is, or with what the broker itself has refused. It is read for
/// its errors.
fn pass_on(
    reply: Reply,
    body: &RequestBody,
    refused: Vec<AlterConfigsResourceResponse>,
    bytes: Vec<u8>,
) {
    let response: ResponseBody = match parse_response(&reply.header, &bytes) {
        Ok((_, response)) => response,
        Err(error) => {
            let api = reply.header.api_key.name();
            let level = limited(LogKind::Failures, Level::Error);
            log!(level, "cannot read the controller's response to {api}: {error}");
            return answer_with_error(reply, body, refused, Errors::UnknownServerError);
        }
    };
    if !refused.is_empty() {
        return reply.send_body(&reassembled(response, refused));
    }
    reply.count_errors(|found| response.for_each_error_code(reply.header.version(), found));
    reply.send_bytes(bytes);
}

/// All that the controller was to do fails, in the client's own version.
fn answer_with_error(
    reply: Reply,
    body: &RequestBody,
    refused: Vec<AlterConfigsResourceResponse>,
    error: Errors,
) {
    if let Some(response) = body.error_response(error) {
        return reply.send_body(&reassembled(response, refused));
    }
    match forwarded_error_bytes(&reply.header, error) {
        Some(bytes) => {
            reply.count_errors(|found| found(error.code()));
            reply.send_bytes(bytes);
        }
        None => reply.close_connection(),
    }
}
