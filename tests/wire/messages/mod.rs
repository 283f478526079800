//! One message of each kind with a value of its own in every field, for the tests of the codec.

pub(crate) mod access;
pub(crate) mod admin;
pub(crate) mod groups;
pub(crate) mod log;

use transferto::common::memory_pool::{MemoryDraw, MemoryPool};
use transferto::protocol::api_keys::ApiKeys;
use transferto::protocol::header::RequestHeader;
use transferto::protocol::request::{RequestBody, ResponseBody, response_bytes};
use transferto::protocol::wire::types::{WireType, Writer};

/// The header of a request that a client called `kcat` numbers 42.
pub(crate) fn header(api_key: ApiKeys, api_version: i16) -> RequestHeader {
    let client_id = Some("kcat".to_string());
    RequestHeader { api_key, api_version, correlation_id: 42, client_id }
}

/// The frame of a response; unlike the broker's own function for it, also of a Fetch response with
/// records.
pub(crate) fn response_frame(
    header: &RequestHeader,
    body: &ResponseBody,
    records: &[u8],
) -> Vec<u8> {
    let ResponseBody::Fetch(response) = body else {
        let mut memory = MemoryDraw::new(&MemoryPool::unlimited());
        return response_bytes(header, body, &mut memory).unwrap();
    };
    let mut writer = Writer::with_records_from(records);
    header.write_response_header(&mut writer);
    response.write(&mut writer, header.version());
    writer.into_bytes()
}

/// A request of each API.
pub(crate) fn requests() -> Vec<RequestBody> {
    [log::requests(), groups::requests(), admin::requests(), access::requests()].concat()
}

/// A request of each API with nothing in it: null and empty wherever it may be.
pub(crate) fn empty_requests() -> Vec<RequestBody> {
    let (groups, admin) = (groups::empty_requests(), admin::empty_requests());
    [log::empty_requests(), groups, admin, access::empty_requests()].concat()
}

/// A response of each API.
pub(crate) fn responses() -> Vec<ResponseBody> {
    [log::responses(), groups::responses(), admin::responses(), access::responses()].concat()
}

/// The request of `api`.
pub(crate) fn request_of(api: ApiKeys) -> RequestBody {
    requests().into_iter().find(|body| body.api_key() == api).unwrap()
}

/// The response of `api`.
pub(crate) fn response_of(api: ApiKeys) -> ResponseBody {
    responses().into_iter().find(|body| body.api_key() == api).unwrap()
}
