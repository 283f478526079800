//! Port of `KafkaApis.handleApiVersionsRequest` and `handleSaslHandshakeRequest`: what a client asks
//! before anything else. Neither needs a part of the broker.

use crate::common::errors::Errors;
use crate::protocol::api_versions::ApiVersionsResponse;
use crate::protocol::request::ResponseBody;
use crate::protocol::sasl_handshake::SaslHandshakeRequest;
use crate::server::reply::reply::Reply;

pub(crate) fn handle_api_versions_request(reply: Reply) {
    reply.send_body(&ResponseBody::ApiVersions(ApiVersionsResponse::supported()));
}

/// The client then asks again, in a version that the response names.
pub(crate) fn handle_unsupported_api_versions_request(reply: Reply) {
    reply.send_body(&ResponseBody::ApiVersions(ApiVersionsResponse::unsupported_version()));
}

/// There is no SASL here; the answer is Kafka's on a listener without SASL.
pub(crate) fn handle_sasl_handshake_request(reply: Reply, request: &SaslHandshakeRequest) {
    let response = request.error_response(Errors::IllegalSaslState);
    reply.send_body(&ResponseBody::SaslHandshake(response));
}
