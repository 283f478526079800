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

use log::{Level, debug, log};

use crate::clients::node_api_versions::NodeApiVersions;
use crate::common::errors::Errors;
use crate::common::failures::{Failures, Repeats};
use crate::common::lock::locked;
use crate::common::time::Time;
use crate::protocol::api_versions::ApiVersionsRequest;
use crate::protocol::client_request::{
    ClientRequest, client_request_body, client_request_frame, read_client_response_body,
    split_client_response,
};
use crate::protocol::wire::types::Version;
use crate::raft::quorum::{ControllerNode, ControllerNodeProvider};
use crate::server::cluster::controller_channel::{ControllerError, ControllerResponse};
use crate::server::cluster::node_connection::{NodeConnection, NodeConnector};
use crate::server::cluster::request_queue::{QueueItem, RequestQueue, complete};

/// How long to wait before a controller is looked for, or connected to, once more.
const RETRY_BACKOFF: Duration = Duration::from_millis(100);
/// The same while none is known: then the observer is about to find one, and nobody is bothered by the look.
const LOOK_BACKOFF: Duration = Duration::from_millis(20);
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
    /// What has kept requests from their answers since the last one.
    pub(super) failures: Failures,
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
                let is_known = self.controllers.active_controller().is_some();
                self.queue.pause(if is_known { RETRY_BACKOFF } else { LOOK_BACKOFF });
            }
        }
        self.forget_controller();
    }

    /// Tries the first request of the queue once. Returns whether the next one can be tried at once.
    pub(super) fn do_work(&mut self) -> bool {
        let Some(item) = self.queue.take(self.time.hi_res_clock_ms()) else { return true };
        match self.send(&item) {
            Outcome::Answered(version, body) => {
                self.failures.forget();
                complete(item, Ok(ControllerResponse { version, body: &body }));
                true
            }
            Outcome::Refused(error) => {
                complete(item, Err(error));
                true
            }
            Outcome::Unanswered(why) => {
                self.forget_controller();
                self.report(&item, &why);
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
            return match response.error_code {
                0 => Ok(NodeApiVersions::of(response)),
                code => Err(io::Error::other(format!("error {code} upon ApiVersions"))),
            };
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

    fn report(&mut self, item: &QueueItem, why: &str) {
        let is_first = self.failures.is_empty();
        let news = self.failures.news(why, self.time.hi_res_clock_ms());
        let (level, repeats) = match news.filter(|_| !self.queue.is_closed()) {
            Some(repeats) if is_first => (Level::Info, repeats),
            Some(repeats) => (Level::Warn, repeats),
            None => (Level::Debug, Repeats(0)),
        };
        log!(level, "{}: {} has to wait: {why}{repeats}", self.channel_name, item.request.name);
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::common::mock_time::MockTime;
    use crate::protocol::api_versions::{ApiVersion, ApiVersionsResponse};
    use crate::protocol::broker_heartbeat::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};
    use crate::protocol::envelope::{EnvelopeRequest, EnvelopeResponse};
    use crate::protocol::wire::types::{WireType, Writer};
    use crate::server::cluster::controller_channel::{ControllerRequest, read_response};

    /// What the controllers do next, and whom the thread has asked.
    #[derive(Default)]
    struct Script {
        active: Option<ControllerNode>,
        /// The body of each response; `None` hangs up.
        answers: VecDeque<Option<Vec<u8>>>,
        /// The API keys that the controller does not have.
        lacks: Vec<i16>,
        /// The id of each controller that was connected to.
        connected: Vec<i32>,
    }

    #[derive(Clone, Default)]
    struct Controllers(Arc<Mutex<Script>>);

    impl Controllers {
        fn activate(&self, id: i32) {
            let node = ControllerNode { id, host: "c".to_string(), port: 1 };
            locked(&self.0).active = Some(node);
        }

        fn answer(&self, body: Option<Vec<u8>>) {
            locked(&self.0).answers.push_back(body);
        }

        fn connected(&self) -> Vec<i32> {
            locked(&self.0).connected.clone()
        }
    }

    impl ControllerNodeProvider for Controllers {
        fn active_controller(&self) -> Option<ControllerNode> {
            locked(&self.0).active.clone()
        }
    }

    impl NodeConnector for Controllers {
        fn connect(
            &self,
            node: &ControllerNode,
            _: Duration,
        ) -> io::Result<Box<dyn NodeConnection>> {
            locked(&self.0).connected.push(node.id);
            Ok(Box::new(self.clone()))
        }

        fn interrupt(&self) {}
    }

    impl NodeConnection for Controllers {
        fn exchange(&mut self, request: &[u8], _: Duration) -> io::Result<Vec<u8>> {
            let (api_key, correlation_id) =
                (i16::from_be_bytes([request[0], request[1]]), &request[4..8]);
            if api_key == ApiVersionsRequest::API_KEY {
                return Ok([correlation_id, &self.api_versions()].concat());
            }
            let answer = locked(&self.0).answers.pop_front().expect("an answer was scripted");
            let body = answer.ok_or(io::ErrorKind::UnexpectedEof)?;
            Ok([correlation_id, &[0], &body].concat())
        }
    }

    impl Controllers {
        fn api_versions(&self) -> Vec<u8> {
            let lacks = locked(&self.0).lacks.clone();
            let has = [BrokerHeartbeatRequest::API_KEY, EnvelopeRequest::API_KEY].into_iter();
            let api_keys = has.filter(|it| !lacks.contains(it)).map(|api_key| ApiVersion {
                api_key,
                min_version: 0,
                max_version: 1,
            });
            let response =
                ApiVersionsResponse { api_keys: api_keys.collect(), ..Default::default() };
            body_of(&response, 4)
        }
    }

    fn body_of<T: WireType>(response: &T, number: i16) -> Vec<u8> {
        let mut writer = Writer::new();
        response.write(&mut writer, Version { number, is_flexible: true });
        writer.into_bytes()
    }

    fn heartbeat_answer(error: Errors) -> Option<Vec<u8>> {
        let response = BrokerHeartbeatResponse { error_code: error.code(), ..Default::default() };
        Some(body_of(&response, 1))
    }

    /// A thread that the test turns by hand.
    struct Turned {
        thread: NodeToControllerRequestThread,
        controllers: Controllers,
        time: Arc<MockTime>,
    }

    impl Turned {
        fn new() -> Self {
            let (controllers, time) = (Controllers::default(), Arc::new(MockTime::new()));
            let thread = NodeToControllerRequestThread {
                channel_name: "test",
                client_id: "1".to_string(),
                queue: Arc::default(),
                connector: Arc::new(controllers.clone()),
                controllers: Arc::new(controllers.clone()),
                api_versions: Arc::default(),
                time: Arc::clone(&time) as Arc<dyn Time>,
                socket_timeout_ms: 30_000,
                active: None,
                next_correlation_id: 0,
                failures: Failures::default(),
            };
            Self { thread, controllers, time }
        }

        /// Queues a request, and returns where its error code, or why there is none, comes out.
        fn send<R: ClientRequest + Send + 'static>(
            &self,
            request: R,
            timeout_ms: i64,
            code: fn(&R::Response) -> i16,
        ) -> Receiver<Result<i16, ControllerError>> {
            let (sender, receiver) = channel();
            self.thread.queue.put(QueueItem {
                request: ControllerRequest::of(request, 0..=1, timeout_ms),
                callback: Box::new(move |response| {
                    let read = response.and_then(|it| read_response::<R>(&it));
                    sender.send(read.map(|it| code(&it))).unwrap();
                }),
                deadline_ms: self.time.hi_res_clock_ms() + timeout_ms,
            });
            receiver
        }

        fn heartbeat(&self, timeout_ms: i64) -> Receiver<Result<i16, ControllerError>> {
            self.send(BrokerHeartbeatRequest::default(), timeout_ms, |it| it.error_code)
        }
    }

    /// Port of `NodeToControllerRequestThreadTest.testRetryTimeoutWhileControllerNotAvailable`.
    #[test]
    fn without_a_controller_a_request_waits_until_its_time_is_over() {
        let mut it = Turned::new();
        let answer = it.heartbeat(500);
        assert!(!it.thread.do_work(), "there is nothing to do until a controller is known");
        assert!(answer.try_recv().is_err());
        it.time.sleep(500);
        it.thread.do_work();
        assert_eq!(answer.try_recv(), Ok(Err(ControllerError::TimedOut)));
        assert_eq!(it.thread.queue.len(), 0);
    }

    /// Port of `NodeToControllerRequestThreadTest.testRequestsSent`.
    #[test]
    fn requests_go_to_the_active_controller_over_one_connection() {
        let mut it = Turned::new();
        it.controllers.activate(2);
        for _ in 0..2 {
            let answer = it.heartbeat(500);
            it.controllers.answer(heartbeat_answer(Errors::None));
            assert!(it.thread.do_work());
            assert_eq!(answer.try_recv(), Ok(Ok(0)));
        }
        assert_eq!(it.controllers.connected(), [2]);
    }

    /// Port of `NodeToControllerRequestThreadTest.testControllerChanged`.
    #[test]
    fn a_request_that_a_controller_has_hung_up_on_goes_to_the_next_one() {
        let mut it = Turned::new();
        it.controllers.activate(1);
        let (first, second) = (it.heartbeat(500), it.heartbeat(500));
        it.controllers.answer(None);
        assert!(!it.thread.do_work());
        it.controllers.activate(2);
        it.controllers.answer(heartbeat_answer(Errors::None));
        it.thread.do_work();
        assert_eq!(first.try_recv(), Ok(Ok(0)), "it keeps its place at the front");
        assert!(second.try_recv().is_err());
        assert_eq!(it.controllers.connected(), [1, 2]);
    }

    /// Port of `NodeToControllerRequestThreadTest.testNotController`.
    #[test]
    fn a_controller_that_is_not_active_any_more_is_left_for_the_next_one() {
        let mut it = Turned::new();
        it.controllers.activate(1);
        let answer = it.heartbeat(500);
        it.controllers.answer(heartbeat_answer(Errors::NotController));
        assert!(!it.thread.do_work());
        assert!(answer.try_recv().is_err());
        assert_eq!(*locked(&it.thread.api_versions), None);
        it.controllers.activate(2);
        it.controllers.answer(heartbeat_answer(Errors::None));
        it.thread.do_work();
        assert_eq!((answer.try_recv(), it.controllers.connected()), (Ok(Ok(0)), vec![1, 2]));
    }

    /// Port of `NodeToControllerRequestThreadTest.testEnvelopeResponseWithNotControllerError`.
    #[test]
    fn an_envelope_that_comes_back_from_the_wrong_controller_is_sent_again() {
        let mut it = Turned::new();
        it.controllers.activate(1);
        let answer = it.send(EnvelopeRequest::default(), 500, |it| it.error_code);
        let envelope = |error: Errors| {
            let response = EnvelopeResponse { error_code: error.code(), ..Default::default() };
            Some(body_of(&response, 0))
        };
        it.controllers.answer(envelope(Errors::NotController));
        assert!(!it.thread.do_work());
        it.controllers.activate(2);
        it.controllers.answer(envelope(Errors::None));
        it.thread.do_work();
        assert_eq!((answer.try_recv(), it.controllers.connected()), (Ok(Ok(0)), vec![1, 2]));
    }

    /// Port of `NodeToControllerRequestThreadTest.testRetryTimeout`.
    #[test]
    fn a_request_is_tried_again_only_as_long_as_its_time_is() {
        let mut it = Turned::new();
        it.controllers.activate(1);
        let answer = it.heartbeat(500);
        it.controllers.answer(heartbeat_answer(Errors::NotController));
        it.thread.do_work();
        it.time.sleep(500);
        it.thread.do_work();
        assert_eq!(answer.try_recv(), Ok(Err(ControllerError::TimedOut)));
    }

    /// Port of `NodeToControllerRequestThreadTest.testUnsupportedVersionHandling`.
    #[test]
    fn a_controller_without_the_api_is_named_and_asked_nothing() {
        let mut it = Turned::new();
        it.controllers.activate(1);
        locked(&it.controllers.0).lacks = vec![BrokerHeartbeatRequest::API_KEY];
        let answer = it.heartbeat(500);
        it.thread.do_work();
        let Ok(Err(ControllerError::UnsupportedVersion(why))) = answer.try_recv() else { panic!() };
        assert!(why.contains("controller 1") && why.contains("BrokerHeartbeat"), "{why}");
    }

    #[test]
    fn when_the_channel_is_closed_whatever_waits_or_comes_later_fails() {
        let mut it = Turned::new();
        let early = it.heartbeat(500);
        it.thread.queue.close();
        assert_eq!(early.try_recv(), Ok(Err(ControllerError::ShuttingDown)));
        assert_eq!(it.heartbeat(500).try_recv(), Ok(Err(ControllerError::ShuttingDown)));
        assert!(it.thread.do_work() && it.controllers.connected().is_empty());
    }
}
