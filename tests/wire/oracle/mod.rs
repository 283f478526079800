//! Asks the `kafka-protocol` crate, generated from Kafka's own tables, for its opinion of what we
//! write: the last release that has the versions of Kafka 0.9, and one of today.

mod log;
mod groups;
mod admin;

use transferto::protocol::api_keys::ApiKeys;
use transferto::protocol::request::request_bytes;

use crate::messages::log::RECORDS;
use crate::messages::{empty_requests, header, request_of, response_frame, response_of};

/// The frame of the full request of `api`.
fn full_request(api: ApiKeys, version: i16) -> Vec<u8> {
    request_bytes(&header(api, version), &request_of(api), RECORDS)
}

/// The frame of a request of `api` that names nothing.
fn empty_request(api: ApiKeys, version: i16) -> Vec<u8> {
    let empty = empty_requests().into_iter().find(|body| body.api_key() == api).unwrap();
    request_bytes(&header(api, version), &empty, RECORDS)
}

/// The frame of the full response of `api`.
fn full_response(api: ApiKeys, version: i16) -> Vec<u8> {
    response_frame(&header(api, version), &response_of(api), RECORDS)
}

/// Each release has types and traits of its own, so what asks it is written once and made twice.
macro_rules! oracle {
    ($(#[doc = $doc:literal])+ $name:ident asks $release:ident) => {
        $(#[doc = $doc])+
        pub(crate) mod $name {
            use $release::messages as theirs;
            use $release::protocol::Decodable;
            use $release::protocol::Encodable;
            use $release::protocol::HeaderVersion;
            use $release::protocol::Message;
            use transferto::protocol::api_keys::ApiKeys;

            use super::{empty_request, full_request, full_response};

            /// Lets the oracle read a header and a body, holds that it finds nothing missing and
            /// nothing left and writes the same bytes again, and returns the body.
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
                read::<theirs::RequestHeader, Q>(&full_request(api, version), version)
            }

            /// The full response of `api`, as the oracle reads it.
            pub(crate) fn response<R>(api: ApiKeys, version: i16) -> R
            where
                R: Decodable + Encodable + HeaderVersion,
            {
                read::<theirs::ResponseHeader, R>(&full_response(api, version), version)
            }

            /// Both directions of `api`, full and empty, in all versions that the oracle knows;
            /// returns those of ours that it does not know.
            pub(crate) fn assert_read_alike<Q, R>(api: ApiKeys) -> Vec<i16>
            where
                Q: Decodable + Encodable + HeaderVersion + Message,
                R: Decodable + Encodable + HeaderVersion,
            {
                let (known, unknown): (Vec<i16>, Vec<i16>) = api
                    .versions()
                    .partition(|it| (Q::VERSIONS.min..=Q::VERSIONS.max).contains(it));
                for version in known {
                    request::<Q>(api, version);
                    let empty = empty_request(api, version);
                    read::<theirs::RequestHeader, Q>(&empty, version);
                    response::<R>(api, version);
                }
                unknown
            }
        }
    };
}

oracle! {
    /// Release 0.15.1, which has every version that is spoken here.
    of_all_versions asks kafka_protocol
}

oracle! {
    /// Release 0.18.0, made from the tables of Kafka 4, which dropped what is older than Kafka 2.1.
    of_today asks kafka_protocol_today
}
