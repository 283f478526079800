//! Port of `org.apache.kafka.server.NodeToControllerRequestThread`: sends one request after the other to
//! whichever controller is active.
//!
//! The address is that of the quorum's leader, as the observer of the metadata log knows it. A controller
//! that hangs up, or says that it is not active, is forgotten, and the request goes to the next one. The
//! leader that was may keep a connection open and say nothing when it is cut off from the others: then
//! the request's own time ends the wait (KAFKA-14392).

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use log::{debug, info, warn};

use crate::common::errors::Errors;
use crate::common::lock::locked;
use crate::common::time::Time;
use crate::protocol::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use crate::protocol::client_request::{
    ClientRequest, client_request_body, client_request_frame, read_client_response_body,
    split_client_response,
};
use crate::protocol::wire::types::Version;
use crate::raft::quorum::{ControllerNode, ControllerNodeProvider};
use crate::server::cluster::controller_channel::{
    ControllerError, ControllerResponse, NodeApiVersions,
};
use crate::server::cluster::node_connection::{NodeConnection, NodeConnector};
use crate::server::cluster::request_queue::{QueueItem, RequestQueue, complete};

/// How long to wait before a controller is looked for, or connected to, once more.
const RETRY_BACKOFF: Duration = Duration::from_millis(100);
/// Kafka's first controllers of KRaft mode have version 3.
const API_VERSIONS_VERSIONS: [i16; 2] = [4, 3];

/// What the thread works with.
pub(super) struct NodeToControllerRequestThread {
    /// For the log: what the channel is for.
    pub(super) channel_name: &'static str,
    /// The broker's id.
    pub(super) client_id: String,
    pub(super) queue: Arc<RequestQueue>,
    pub(super) connector: Arc<dyn NodeConnector>,
    pub(super) controllers: Arc<dyn ControllerNodeProvider>,
    /// Of the controller that it is connected to.
    pub(super) api_versions: Arc<Mutex<Option<Arc<NodeApiVersions>>>>,
    pub(super) time: Arc<dyn Time>,
    /// How long a controller may take to answer.
    pub(super) socket_timeout_ms: i64,
    pub(super) active: Option<ActiveController>,
    pub(super) next_correlation_id: i32,
    /// What kept the last request from its answer: the same trouble is logged once.
    pub(super) last_trouble: Option<String>,
}

/// The controller that the thread is connected to.
pub(super) struct ActiveController {
    node: ControllerNode,
    connection: Box<dyn NodeConnection>,
    api_versions: Arc<NodeApiVersions>,
}

/// What became of a request.
enum Outcome {
    /// The version that it was sent in, and the response after its header.
    Answered(i16, Vec<u8>),
    /// It goes to the next controller.
    Unanswered(String),
    Refused(ControllerError),
}

impl NodeToControllerRequestThread {
    /// Until the channel is closed.
    pub(super) fn run(mut self) {
        while self.queue.wait_for_any() {
            if !self.do_work() {
                self.queue.pause(RETRY_BACKOFF);
            }
        }
        self.forget_controller();
    }

    /// Tries the first request of the queue once. Returns whether the next one can be tried at once.
    pub(super) fn do_work(&mut self) -> bool {
        let Some(item) = self.queue.take(self.time.hi_res_clock_ms()) else { return true };
        match self.send(&item) {
            Outcome::Answered(version, body) => {
                self.last_trouble = None;
                complete(item, Ok(ControllerResponse { version, body: &body }));
                true
            }
            Outcome::Refused(error) => {
                complete(item, Err(error));
                true
            }
            Outcome::Unanswered(why) => {
                self.forget_controller();
                self.report(&item, why);
                self.queue.put_first(item);
                false
            }
        }
    }

    fn send(&mut self, item: &QueueItem) -> Outcome {
        let QueueItem { request, deadline_ms, .. } = item;
        if let Err(why) = self.connect(*deadline_ms) {
            return Outcome::Unanswered(why);
        }
        let timeout = self.timeout(*deadline_ms);
        let active = self.active.as_mut().expect("it is connected");
        let node = active.node.clone();
        let theirs = &active.api_versions;
        let Some(version) = theirs.latest_usable_version(request.api_key, &request.versions) else {
            return Outcome::Refused(ControllerError::UnsupportedVersion(format!(
                "{node} does not have {} in a version from {} to {}",
                request.name,
                request.versions.start(),
                request.versions.end()
            )));
        };
        let is_flexible = version >= request.first_flexible_version;
        let body = (request.body)(version);
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id = correlation_id.wrapping_add(1);
        let frame = client_request_frame(
            request.api_key,
            Version { number: version, is_flexible },
            correlation_id,
            &self.client_id,
            &body,
        );
        match round_trip(&mut *active.connection, &frame, timeout, correlation_id, is_flexible) {
            Ok(body) if (request.is_from_inactive)(&body, version) => {
                Outcome::Unanswered(format!("{node} is not the active one"))
            }
            Ok(body) => Outcome::Answered(version, body),
            Err(error) => Outcome::Unanswered(format!("{node} has not answered: {error}")),
        }
    }

    /// Connects to the active controller, unless it is connected.
    fn connect(&mut self, deadline_ms: i64) -> Result<(), String> {
        if self.active.is_some() {
            return Ok(());
        }
        let node = self.controllers.active_controller().ok_or("no controller is known")?;
        let timeout = self.timeout(deadline_ms);
        let cannot = |error: io::Error| format!("cannot connect to {node}: {error}");
        let mut connection = self.connector.connect(&node, timeout).map_err(cannot)?;
        let api_versions = self.ask_versions(&mut *connection, deadline_ms).map_err(cannot)?;
        let api_versions = Arc::new(api_versions);
        *locked(&self.api_versions) = Some(Arc::clone(&api_versions));
        debug!("{}: connected to {node}", self.channel_name);
        self.active = Some(ActiveController { node, connection, api_versions });
        Ok(())
    }

    fn ask_versions(
        &mut self,
        connection: &mut dyn NodeConnection,
        deadline_ms: i64,
    ) -> io::Result<NodeApiVersions> {
        for number in API_VERSIONS_VERSIONS {
            let request = ApiVersionsRequest {
                client_software_name: env!("CARGO_PKG_NAME").to_string(),
                client_software_version: env!("CARGO_PKG_VERSION").to_string(),
            };
            let correlation_id = self.next_correlation_id;
            self.next_correlation_id = correlation_id.wrapping_add(1);
            let frame = client_request_frame(
                ApiVersionsRequest::API_KEY,
                Version { number, is_flexible: true },
                correlation_id,
                &self.client_id,
                &client_request_body(&request, number),
            );
            let timeout = self.timeout(deadline_ms);
            let body = round_trip(connection, &frame, timeout, correlation_id, false)?;
            if body.starts_with(&Errors::UnsupportedVersion.code().to_be_bytes()) {
                continue;
            }
            let response = read_client_response_body::<ApiVersionsRequest>(&body, number)
                .map_err(io::Error::other)?;
            return node_api_versions(response);
        }
        Err(io::Error::other("it does not say which APIs it has"))
    }

    /// What is left of the request's time, or of what a controller may take, in any case some time.
    fn timeout(&self, deadline_ms: i64) -> Duration {
        let left_ms = (deadline_ms - self.time.hi_res_clock_ms()).min(self.socket_timeout_ms);
        Duration::from_millis(u64::try_from(left_ms).unwrap_or(0).max(1))
    }

    fn forget_controller(&mut self) {
        self.active = None;
        *locked(&self.api_versions) = None;
    }

    fn report(&mut self, item: &QueueItem, why: String) {
        if self.queue.is_closed() || self.last_trouble.as_ref() == Some(&why) {
            return debug!("{}: {} has to wait: {why}", self.channel_name, item.request.name);
        }
        match self.last_trouble {
            None => info!("{}: {} has to wait: {why}", self.channel_name, item.request.name),
            Some(_) => warn!("{}: {} has to wait: {why}", self.channel_name, item.request.name),
        }
        self.last_trouble = Some(why);
    }
}

/// Sends a frame, and returns the response after its header.
fn round_trip(
    connection: &mut dyn NodeConnection,
    frame: &[u8],
    timeout: Duration,
    correlation_id: i32,
    is_flexible: bool,
) -> io::Result<Vec<u8>> {
    let response = connection.exchange(frame, timeout)?;
    let (theirs, body) = split_client_response(&response, is_flexible).map_err(io::Error::other)?;
    if theirs != correlation_id {
        let why = format!("a response to request {theirs}, not to {correlation_id}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(body.to_vec())
}

fn node_api_versions(response: ApiVersionsResponse) -> io::Result<NodeApiVersions> {
    if response.error_code != Errors::None.code() {
        let why = format!("error {} upon ApiVersions", response.error_code);
        return Err(io::Error::other(why));
    }
    let apis = response.api_keys.iter().map(|it| (it.api_key, it.min_version, it.max_version));
    let features = response.supported_features.into_iter();
    let features = features.map(|it| (it.name, it.min_version, it.max_version));
    let mut versions = NodeApiVersions::new(apis.collect(), features.collect());
    let finalized = response.finalized_features.into_iter();
    versions.finalized_features = finalized.map(|it| (it.name, it.max_version_level)).collect();
    Ok(versions)
}
