//! Port of `KafkaApis.handleApiVersionsRequest`, `handleSaslHandshakeRequest` and
//! `handleSaslAuthenticateRequest`: what a client asks before anything else.

use crate::common::errors::Errors;
use crate::protocol::api_versions::ApiVersionsResponse;
use crate::protocol::request::ResponseBody;
use crate::protocol::sasl_authenticate::SaslAuthenticateResponse;
use crate::protocol::sasl_handshake::SaslHandshakeRequest;
use crate::server::cluster::api_version_manager::ApiVersionManager;
use crate::server::reply::reply::Reply;

/// `cluster` knows what a cluster of several brokers has beside and instead of what a single node has.
pub(crate) fn handle_api_versions_request(reply: Reply, cluster: Option<&ApiVersionManager>) {
    let response = match cluster {
        None => ApiVersionsResponse::supported(),
        Some(cluster) => cluster.api_version_response(reply.header.api_version),
    };
    reply.send_body(&ResponseBody::ApiVersions(response));
}

/// The client then asks again, in a version that the response names.
pub(crate) fn handle_unsupported_api_versions_request(reply: Reply) {
    reply.send_body(&ResponseBody::ApiVersions(ApiVersionsResponse::unsupported_version()));
}

/// What the client's authenticator has not taken: its listener has no SASL, or it has authenticated.
pub(crate) fn handle_sasl_handshake_request(reply: Reply, request: &SaslHandshakeRequest) {
    let response = request.error_response(Errors::IllegalSaslState);
    reply.send_body(&ResponseBody::SaslHandshake(response));
}

/// As above, in Kafka's words.
pub(crate) fn handle_sasl_authenticate_request(reply: Reply) {
    let why = "SaslAuthenticate request received after successful authentication";
    reply.send_body(&ResponseBody::SaslAuthenticate(SaslAuthenticateResponse {
        error_code: Errors::IllegalSaslState.code(),
        error_message: Some(why.to_string()),
        ..SaslAuthenticateResponse::default()
    }));
}
