//! Port of `NetworkClient.handleInitiateApiVersionRequests` and `handleApiVersionsResponse`: what another
//! node supports, asked once for each connection.

use std::io;
use std::time::Duration;

use crate::clients::blocking_channel::BlockingChannel;
use crate::common::errors::Errors;
use crate::protocol::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use crate::protocol::client_request::{client_request_bytes, read_client_response};

/// The first is the one that shows features whose lowest level is 0; the second is that of the first
/// controllers.
const VERSIONS: [i16; 2] = [4, 3];

/// What a node calls itself to others.
const SOFTWARE_NAME: &str = "transferto";

/// Asks in the newest version, and in an older one if the node does not have that.
///
/// # Errors
/// As [`BlockingChannel::exchange`]; `InvalidData` for what is no answer, or for any other error in it.
pub fn api_versions(
    channel: &mut BlockingChannel,
    timeout: Duration,
) -> io::Result<ApiVersionsResponse> {
    let request = ApiVersionsRequest {
        client_software_name: SOFTWARE_NAME.to_string(),
        client_software_version: env!("CARGO_PKG_VERSION").to_string(),
    };
    let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    for version in VERSIONS {
        let bytes = client_request_bytes(&request, version, 0, channel.client_id());
        let frame = channel.exchange(&bytes, timeout)?;
        if is_unsupported(&frame) {
            continue;
        }
        let (_, response) = read_client_response::<ApiVersionsRequest>(&frame, version)
            .map_err(|error| invalid(format!("no response to ApiVersions: {error}")))?;
        return match response.error_code {
            0 => Ok(response),
            code => Err(invalid(format!("ApiVersions is answered with error {code}"))),
        };
    }
    let [_, oldest] = VERSIONS;
    Err(invalid(format!("it does not even have version {oldest} of ApiVersions")))
}

/// The answer to a version that the node does not have is in version 0, whose error stands behind the
/// correlation id as in all others (KIP-511).
fn is_unsupported(frame: &[u8]) -> bool {
    const ERROR_OFFSET: usize = 4;
    let code = Errors::UnsupportedVersion.code().to_be_bytes();
    frame.get(ERROR_OFFSET..ERROR_OFFSET + code.len()) == Some(&code[..])
}
