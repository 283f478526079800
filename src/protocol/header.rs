//! Port of `org.apache.kafka.common.requests.RequestHeader` and `ResponseHeader`: what stands
//! before every body.

use crate::protocol::api_keys::ApiKeys;
use crate::protocol::wire::decode_error::{DecodeError, Malformed};
use crate::protocol::wire::types::{Reader, Version, WireType, Writer};

/// Headers keep the old strings in all their versions, so that a broker can read the front of a
/// header it does not know.
const OLD_ENCODING: Version = Version { number: 0, is_flexible: false };

#[derive(Clone, Debug, PartialEq)]
pub struct RequestHeader {
    pub api_key: ApiKeys,
    /// As the client sent it: a version that is supported here, or any at all in an ApiVersions
    /// request.
    pub api_version: i16,
    /// Given by the client, and repeated by the response.
    pub correlation_id: i32,
    pub client_id: Option<String>,
}

impl RequestHeader {
    /// Reads a header of version 1 or, if the API's version is flexible, 2.
    ///
    /// An ApiVersions request of an unknown version is read as far as the correlation id, because
    /// what follows may be of any shape.
    ///
    /// # Errors
    /// `UnknownApiKey` or `UnsupportedVersion`; what is wrong with the bytes otherwise.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let refuse = |field, position, what| Err(DecodeError { field, position, what });
        let key = reader.read(OLD_ENCODING, "RequestHeader.api_key")?;
        let Some(api_key) = ApiKeys::for_id(key) else {
            return refuse("RequestHeader.api_key", 0, Malformed::UnknownApiKey(key));
        };
        let api_version = reader.read(OLD_ENCODING, "RequestHeader.api_version")?;
        let correlation_id = reader.read(OLD_ENCODING, "RequestHeader.correlation_id")?;
        let mut header = Self { api_key, api_version, correlation_id, client_id: None };
        let Some(version) = api_key.version(api_version) else {
            if api_key == ApiKeys::ApiVersions {
                return Ok(header);
            }
            let api = api_key.name();
            let what = Malformed::UnsupportedVersion { api, version: api_version };
            return refuse("RequestHeader.api_version", 2, what);
        };
        header.client_id = reader.read(OLD_ENCODING, "RequestHeader.client_id")?;
        if version.is_flexible {
            reader.skip_tagged_fields("RequestHeader's tagged fields")?;
        }
        Ok(header)
    }

    /// As a client does.
    pub fn write(&self, writer: &mut Writer<'_>) {
        self.api_key.id().write(writer, OLD_ENCODING);
        self.api_version.write(writer, OLD_ENCODING);
        self.correlation_id.write(writer, OLD_ENCODING);
        self.client_id.write(writer, OLD_ENCODING);
        if self.version().is_flexible {
            writer.write_no_tagged_fields();
        }
    }

    /// The version in which the response is written.
    ///
    /// It is the request's own, but an ApiVersions request of an unknown version is answered in
    /// version 0, which every client can read (KIP-511).
    pub fn version(&self) -> Version {
        self.api_key.version(self.api_version).unwrap_or(OLD_ENCODING)
    }

    /// Writes the header of the response: version 0, or 1 if the API's version is flexible.
    pub fn write_response_header(&self, writer: &mut Writer<'_>) {
        self.correlation_id.write(writer, OLD_ENCODING);
        if self.is_response_header_tagged() {
            writer.write_no_tagged_fields();
        }
    }

    /// Reads the header of the response to this request, as a client does, and returns its
    /// correlation id.
    ///
    /// # Errors
    /// What is wrong with the bytes, and where.
    pub fn read_response_header(&self, reader: &mut Reader<'_>) -> Result<i32, DecodeError> {
        let correlation_id = reader.read(OLD_ENCODING, "ResponseHeader.correlation_id")?;
        if self.is_response_header_tagged() {
            reader.skip_tagged_fields("ResponseHeader's tagged fields")?;
        }
        Ok(correlation_id)
    }

    /// The response to ApiVersions keeps header version 0: its reader does not know yet which
    /// versions there are. One byte more, and librdkafka aborts its whole process.
    fn is_response_header_tagged(&self) -> bool {
        self.version().is_flexible && self.api_key != ApiKeys::ApiVersions
    }
}
