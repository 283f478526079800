//! Port of `org.apache.kafka.clients.ClientRequest` and `ClientResponse`: what this broker asks of other
//! nodes, as bytes, and what they answer.
//!
//! The requests that it answers itself are a [closed list](crate::protocol::request::RequestBody). Those
//! that it sends need no list: each names its API and the type of its response.

use crate::protocol::wire::decode_error::DecodeError;
use crate::protocol::wire::types::{Reader, Version, WireType, Writer};

/// A request that this broker sends.
pub trait ClientRequest: WireType {
    /// What it is called in the log.
    const NAME: &'static str;
    const API_KEY: i16;
    /// From this version on lengths are compact, and structures end with tagged fields.
    const FIRST_FLEXIBLE_VERSION: i16;
    type Response: WireType;
}

/// Headers keep the old strings in all their versions.
const OLD_ENCODING: Version = Version { number: 0, is_flexible: false };

/// The version with this number of the request `R`.
fn version_of<R: ClientRequest>(number: i16) -> Version {
    Version { number, is_flexible: number >= R::FIRST_FLEXIBLE_VERSION }
}

/// The request with its header, without the 4-byte size in front.
pub fn client_request_bytes<R: ClientRequest>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: &str,
) -> Vec<u8> {
    let version = version_of::<R>(version);
    let mut writer = Writer::new();
    R::API_KEY.write(&mut writer, OLD_ENCODING);
    version.number.write(&mut writer, OLD_ENCODING);
    correlation_id.write(&mut writer, OLD_ENCODING);
    Some(client_id.to_string()).write(&mut writer, OLD_ENCODING);
    if version.is_flexible {
        writer.write_no_tagged_fields();
    }
    request.write(&mut writer, version);
    writer.into_bytes()
}

/// Reads the response to a request of this version. Returns the correlation id that it repeats, and the
/// body.
///
/// # Errors
/// What is wrong with the bytes, and where.
pub fn read_client_response<R: ClientRequest>(
    frame: &[u8],
    version: i16,
) -> Result<(i32, R::Response), DecodeError> {
    const API_VERSIONS: i16 = 18;
    let version = version_of::<R>(version);
    let mut reader = Reader::new(frame);
    let correlation_id = reader.read(OLD_ENCODING, "ResponseHeader.correlation_id")?;
    if version.is_flexible && R::API_KEY != API_VERSIONS {
        reader.skip_tagged_fields("ResponseHeader's tagged fields")?;
    }
    Ok((correlation_id, reader.read(version, R::NAME)?))
}

/// The body of the request alone, for a channel that writes the header itself.
pub fn client_request_body<R: ClientRequest>(request: &R, version: i16) -> Vec<u8> {
    let mut writer = Writer::new();
    request.write(&mut writer, version_of::<R>(version));
    writer.into_bytes()
}

/// Reads the body of the response to a request of this version: what follows the header.
///
/// # Errors
/// What is wrong with the bytes, and where.
pub fn read_client_response_body<R: ClientRequest>(
    body: &[u8],
    version: i16,
) -> Result<R::Response, DecodeError> {
    Reader::new(body).read(version_of::<R>(version), R::NAME)
}

/// Whether the response has this error code anywhere.
pub fn has_error_code<R: ClientRequest>(response: &R::Response, version: i16, code: i16) -> bool {
    let mut is_found = false;
    response.for_each_error_code(version_of::<R>(version), false, &mut |it| is_found |= it == code);
    is_found
}

/// The frame of a request whose body is written already, without the 4-byte size in front.
pub fn client_request_frame(
    api_key: i16,
    version: Version,
    correlation_id: i32,
    client_id: &str,
    body: &[u8],
) -> Vec<u8> {
    let mut writer = Writer::new();
    api_key.write(&mut writer, OLD_ENCODING);
    version.number.write(&mut writer, OLD_ENCODING);
    correlation_id.write(&mut writer, OLD_ENCODING);
    Some(client_id.to_string()).write(&mut writer, OLD_ENCODING);
    if version.is_flexible {
        writer.write_no_tagged_fields();
    }
    let mut frame = writer.into_bytes();
    frame.extend_from_slice(body);
    frame
}

/// Reads the header of a response, which has tagged fields if `is_flexible`. Returns the correlation id,
/// and what follows the header.
///
/// # Errors
/// What is wrong with the bytes, and where.
pub fn split_client_response(frame: &[u8], is_flexible: bool) -> Result<(i32, &[u8]), DecodeError> {
    let mut reader = Reader::new(frame);
    let correlation_id = reader.read(OLD_ENCODING, "ResponseHeader.correlation_id")?;
    if is_flexible {
        reader.skip_tagged_fields("ResponseHeader's tagged fields")?;
    }
    Ok((correlation_id, &frame[reader.position()..]))
}
