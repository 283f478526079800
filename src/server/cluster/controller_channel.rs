//! Port of `org.apache.kafka.server.common.NodeToControllerChannelManager` and
//! `ControllerRequestCompletionHandler`: the way to whichever controller is active.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::clients::node_api_versions::NodeApiVersions;
use crate::common::errors::Errors;
use crate::protocol::client_request::{
    ClientRequest, client_request_body, has_error_code, read_client_response_body,
};

/// Takes requests to the active controller, one after the other.
pub trait ControllerChannel: Send + Sync {
    /// Queues a request, and returns at once. A controller that is not active any more is not the
    /// caller's concern: the request goes to the next one until its time has run out.
    ///
    /// The callback runs once, whatever happens: with the response, when the request's time has run out,
    /// or when the channel shuts down. It runs on the channel's thread, which serves everybody, so it must
    /// not wait; it may send the next request.
    fn send(&self, request: ControllerRequest, callback: ControllerCallback);

    /// What the controller supports that the channel is connected to; `None` while it is to none.
    fn controller_api_versions(&self) -> Option<Arc<NodeApiVersions>>;
}

/// What becomes of a request.
pub type ControllerCallback =
    Box<dyn FnOnce(Result<ControllerResponse<'_>, ControllerError>) + Send>;

/// A request to the active controller, in any of the versions that the caller can read the response of.
pub struct ControllerRequest {
    /// For the log.
    pub name: &'static str,
    pub api_key: i16,
    /// The newest that the controller has as well is taken.
    pub versions: RangeInclusive<i16>,
    /// From this version on the headers of both request and response end with tagged fields.
    pub first_flexible_version: i16,
    /// How long it may wait for a controller and for the response. Above 0.
    pub timeout_ms: i64,
    /// Its bytes after the header, in a version.
    pub body: Box<dyn Fn(i16) -> Vec<u8> + Send>,
    /// Whether a response in a version, after its header, says anywhere that its sender is not the active
    /// controller: then the request is sent to another.
    pub is_from_inactive: fn(&[u8], i16) -> bool,
}

/// A response of the active controller.
pub struct ControllerResponse<'a> {
    /// That of the request.
    pub version: i16,
    /// What follows the header.
    pub body: &'a [u8],
}

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControllerError {
    /// The request's time ran out. It may have been carried out all the same.
    TimedOut,
    /// The broker shuts down. It may have been carried out all the same.
    ShuttingDown,
    /// The controller has none of the request's versions.
    UnsupportedVersion(String),
    /// The response cannot be read. Says why.
    Malformed(String),
}

impl ControllerError {
    /// What a client is answered.
    pub fn error(&self) -> Errors {
        match self {
            Self::TimedOut | Self::ShuttingDown => Errors::RequestTimedOut,
            Self::UnsupportedVersion(_) => Errors::UnsupportedVersion,
            Self::Malformed(_) => Errors::UnknownServerError,
        }
    }
}

impl fmt::Display for ControllerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no controller has answered in time"),
            Self::ShuttingDown => f.write_str("the broker shuts down"),
            Self::UnsupportedVersion(why) | Self::Malformed(why) => f.write_str(why),
        }
    }
}

/// Sends a request of a known type, and reads the response.
///
/// `versions` are those that the caller can read the response of. The callback is one of
/// [`ControllerChannel::send`].
pub fn send_request<R: ClientRequest + Send + 'static>(
    channel: &dyn ControllerChannel,
    request: R,
    versions: RangeInclusive<i16>,
    timeout_ms: i64,
    callback: impl FnOnce(Result<R::Response, ControllerError>) + Send + 'static,
) {
    let request = ControllerRequest::of(request, versions, timeout_ms);
    let read = |response: ControllerResponse<'_>| read_response::<R>(&response);
    channel.send(request, Box::new(move |response| callback(response.and_then(read))));
}

/// Reads the response to a request of this type.
///
/// # Errors
/// [`ControllerError::Malformed`]
pub fn read_response<R: ClientRequest>(
    response: &ControllerResponse<'_>,
) -> Result<R::Response, ControllerError> {
    read_client_response_body::<R>(response.body, response.version)
        .map_err(|error| ControllerError::Malformed(format!("cannot read the response: {error}")))
}

impl ControllerRequest {
    /// A request that has a table.
    pub fn of<R: ClientRequest + Send + 'static>(
        request: R,
        versions: RangeInclusive<i16>,
        timeout_ms: i64,
    ) -> Self {
        Self {
            name: R::NAME,
            api_key: R::API_KEY,
            versions,
            first_flexible_version: R::FIRST_FLEXIBLE_VERSION,
            timeout_ms,
            body: Box::new(move |version| client_request_body(&request, version)),
            is_from_inactive: is_from_inactive::<R>,
        }
    }
}

/// A response that cannot be read says nothing; whoever waits for it learns why.
fn is_from_inactive<R: ClientRequest>(body: &[u8], version: i16) -> bool {
    let not_controller = Errors::NotController.code();
    read_client_response_body::<R>(body, version)
        .is_ok_and(|response| has_error_code::<R>(&response, version, not_controller))
}
