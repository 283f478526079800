//! Port of `org.apache.kafka.common.requests.EnvelopeRequest` and `EnvelopeResponse`: hands a client's request
//! to the controller, with the name of the client. This broker sends it.

use crate::protocol::client_request::ClientRequest;
use crate::protocol::wire::message_table::message;

message! {
    pub struct EnvelopeRequest {
        /// The client's header and body, as they came.
        0.. => request_data: Vec<u8>,
        /// Port of `DefaultKafkaPrincipalBuilder.serialize`; null where principals have no such form.
        0.., null 0.. => request_principal: Option<Vec<u8>>,
        /// 4 bytes or 16.
        0.. => client_host_address: Vec<u8>,
    }

    pub struct EnvelopeResponse {
        /// The header and the body that the client gets; null if the envelope failed.
        0.., null 0.. => response_data: Option<Vec<u8>>,
        /// That of the envelope, not of the client's request.
        0.. => error_code: i16,
    }
}

impl ClientRequest for EnvelopeRequest {
    const NAME: &'static str = "Envelope";
    const API_KEY: i16 = 58;
    const FIRST_FLEXIBLE_VERSION: i16 = 0;
    type Response = EnvelopeResponse;
}
