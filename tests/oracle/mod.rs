//! Asks the `kafka-protocol` crate, generated from Kafka's own tables, for its opinion of what we
//! write.

#![allow(dead_code, reason = "each test uses its part")]

use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::Decodable;
use kafka_protocol::protocol::Encodable;
use kafka_protocol::protocol::HeaderVersion;
use transferto::protocol::api_keys::ApiKeys;
use transferto::protocol::request::request_bytes;

use crate::messages::empty_requests;
use crate::messages::header;
use crate::messages::log::RECORDS;
use crate::messages::request_of;
use crate::messages::response_frame;
use crate::messages::response_of;

/// Lets the oracle read a header and a body, holds that it finds nothing missing and nothing left
/// and writes the same bytes again, and returns the body.
fn read<H, B>(frame: &[u8], version: i16) -> B
where
    H: Decodable + Encodable,
    B: Decodable + Encodable + HeaderVersion,
{
    let mut rest = frame;
    let header = H::decode(&mut rest, B::header_version(version)).unwrap();
    let body = B::decode(&mut rest, version).unwrap();
    assert!(rest.is_empty(), "the oracle leaves {rest:?} of {frame:?}");
    let mut again = Vec::new();
    header.encode(&mut again, B::header_version(version)).unwrap();
    body.encode(&mut again, version).unwrap();
    assert_eq!(again, frame, "version {version}");
    body
}

/// The full request of `api`, as the oracle reads it.
pub(crate) fn request<Q>(api: ApiKeys, version: i16) -> Q
where
    Q: Decodable + Encodable + HeaderVersion,
{
    let frame = request_bytes(&header(api, version), &request_of(api), RECORDS);
    read::<theirs::RequestHeader, Q>(&frame, version)
}

/// The full response of `api`, as the oracle reads it.
pub(crate) fn response<R>(api: ApiKeys, version: i16) -> R
where
    R: Decodable + Encodable + HeaderVersion,
{
    let frame = response_frame(&header(api, version), &response_of(api), RECORDS);
    read::<theirs::ResponseHeader, R>(&frame, version)
}

/// Both directions of `api` in all versions, full and empty.
pub(crate) fn assert_read_in_all_versions<Q, R>(api: ApiKeys)
where
    Q: Decodable + Encodable + HeaderVersion,
    R: Decodable + Encodable + HeaderVersion,
{
    let empty = empty_requests().into_iter().find(|body| body.api_key() == api).unwrap();
    for version in api.versions() {
        request::<Q>(api, version);
        let empty = request_bytes(&header(api, version), &empty, RECORDS);
        read::<theirs::RequestHeader, Q>(&empty, version);
        response::<R>(api, version);
    }
}
