//! Port of the events of `org.apache.kafka.server.BrokerLifecycleManager`: what a broker of a cluster is
//! to its controller, what it says to it next and when.
//!
//! Nothing here waits or sends: the [manager](crate::server::cluster::broker_lifecycle_manager) does.

use std::collections::BTreeMap;

use log::{Level, debug, info, log, warn};

use crate::common::errors::Errors;
use crate::common::failures::Failures;
use crate::protocol::broker_heartbeat::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};
use crate::protocol::broker_registration::BrokerRegistrationResponse;
use crate::protocol::wire::uuid::Uuid;
use crate::server::cluster::controller_channel::ControllerError;

/// The broker epoch of a broker that is not registered.
pub const NO_EPOCH: i64 = -1;

/// How soon the next heartbeat follows one to a controller whose records the broker has not read yet.
const CATCH_UP_INTERVAL_MS: i64 = 10;
/// The same for the first answer of a controlled shutdown: a controller that has nothing to move is done
/// by then.
const FIRST_SHUTDOWN_INTERVAL_MS: i64 = 50;

/// How long after the last answer a controlled shutdown goes on: by then the controller has fenced a broker
/// that it has not heard of, and moved what it led.
const SILENCE_MAX_MS: i64 = 10_000;

/// What the broker is to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifecycleState {
    /// It registers, and reads the metadata log up to its own registration.
    Starting,
    /// It takes over its partitions, and is fenced until it has.
    Recovery,
    /// It was unfenced: clients are sent to it.
    Running,
    /// It waits until the controller has moved its leaders.
    PendingControlledShutdown,
    /// It tells the controller nothing any more.
    ShuttingDown,
}

/// What the broker says next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Communication {
    Register,
    Heartbeat(BrokerHeartbeatRequest),
}

/// Times of the settings, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct LifecycleTimes {
    /// `broker.heartbeat.interval.ms`
    pub(super) heartbeat_interval_ms: i64,
    /// `initial.broker.registration.timeout.ms`
    pub(super) registration_timeout_ms: i64,
}

/// The state machine. Moments are those of the monotonic clock, in milliseconds.
#[derive(Debug)]
pub(super) struct BrokerLifecycle {
    broker_id: i32,
    times: LifecycleTimes,
    pub(super) state: LifecycleState,
    /// [`NO_EPOCH`] until the first registration. It stays when the controller has forgotten it.
    pub(super) broker_epoch: i64,
    is_registered: bool,
    was_ever_registered: bool,
    /// Then the start has failed, for this reason.
    pub(super) failure: Option<String>,
    /// What controllers have refused since one last did what it was asked.
    refusals: Failures,
    /// Why a controller has last refused what may be granted later.
    last_refusal: Option<String>,
    is_ready_to_unfence: bool,
    /// What the controller said last.
    is_fenced: bool,
    got_controlled_shutdown_response: bool,
    /// When a controlled shutdown began.
    pending_since_ms: i64,
    /// When a controller last did what it was asked.
    heard_at_ms: i64,
    is_in_flight: bool,
    next_is_immediate: bool,
    /// When to say something next; `None` while a request is under way, and at the end.
    next_at_ms: Option<i64>,
    registration_deadline_ms: i64,
    /// All log directories that ever failed, by id, and whether the controller knows.
    offline_dirs: BTreeMap<[u8; 16], bool>,
}

impl BrokerLifecycle {
    pub(super) fn new(broker_id: i32, times: LifecycleTimes, now_ms: i64) -> Self {
        Self {
            broker_id,
            times,
            state: LifecycleState::Starting,
            broker_epoch: NO_EPOCH,
            is_registered: false,
            was_ever_registered: false,
            failure: None,
            refusals: Failures::default(),
            last_refusal: None,
            is_ready_to_unfence: false,
            is_fenced: true,
            got_controlled_shutdown_response: false,
            pending_since_ms: now_ms,
            heard_at_ms: now_ms,
            is_in_flight: false,
            next_is_immediate: false,
            next_at_ms: Some(now_ms),
            registration_deadline_ms: now_ms.saturating_add(times.registration_timeout_ms),
            offline_dirs: BTreeMap::new(),
        }
    }

    /// When [`due`](Self::due) has to be asked again at the latest; `None` if something else has to happen
    /// first.
    pub(super) fn wake_up_at_ms(&self) -> Option<i64> {
        let deadline = match self.state {
            LifecycleState::ShuttingDown => return None,
            LifecycleState::PendingControlledShutdown => Some(self.gives_up_at_ms()),
            _ => (!self.was_ever_registered).then_some(self.registration_deadline_ms),
        };
        [self.next_at_ms, deadline].into_iter().flatten().min()
    }

    /// What has to be said now. Then it counts as said: an answer, or an error in its place, has to
    /// follow.
    pub(super) fn due(&mut self, now_ms: i64, metadata_offset: i64) -> Option<Communication> {
        if self.state == LifecycleState::ShuttingDown {
            return None;
        }
        if !self.was_ever_registered && now_ms >= self.registration_deadline_ms {
            self.give_up_registration();
            return None;
        }
        self.give_up_after_silence(now_ms);
        if self.next_at_ms? > now_ms {
            return None;
        }
        self.next_at_ms = None;
        self.is_in_flight = true;
        Some(match self.is_registered {
            true => Communication::Heartbeat(self.heartbeat(metadata_offset)),
            false => Communication::Register,
        })
    }

    fn give_up_registration(&mut self) {
        let timeout_ms = self.times.registration_timeout_ms;
        let why = self.last_refusal.as_deref().unwrap_or(
            "see the log for what kept it, and check that a controller runs where \
             `controller.quorum.bootstrap.servers` or `controller.quorum.voters` says",
        );
        self.fail(format!(
            "no controller has registered this broker within {timeout_ms} ms \
             (`initial.broker.registration.timeout.ms`): {why}"
        ));
    }

    fn heartbeat(&self, metadata_offset: i64) -> BrokerHeartbeatRequest {
        BrokerHeartbeatRequest {
            broker_id: self.broker_id,
            broker_epoch: self.broker_epoch,
            current_metadata_offset: metadata_offset,
            want_fence: !self.is_ready_to_unfence,
            want_shut_down: self.state == LifecycleState::PendingControlledShutdown,
            offline_log_dirs: self.offline_dirs.keys().map(|it| Uuid(*it)).collect(),
            ..BrokerHeartbeatRequest::default()
        }
    }

    /// `explain` makes a sentence of what the cluster has finalized and the broker does not understand.
    pub(super) fn handle_registration(
        &mut self,
        answer: Result<BrokerRegistrationResponse, ControllerError>,
        now_ms: i64,
        explain: impl FnOnce() -> String,
    ) {
        self.is_in_flight = false;
        match answer {
            Ok(response) if response.error_code == Errors::None.code() => {
                self.is_registered = true;
                self.was_ever_registered = true;
                self.broker_epoch = response.broker_epoch;
                self.heard(now_ms);
                info!("registered with broker epoch {}", response.broker_epoch);
                self.schedule_immediately(now_ms);
            }
            Ok(response) => {
                self.handle_refused_registration(response.error_code, now_ms, explain);
                self.schedule_after_failure(now_ms);
            }
            Err(error) => {
                debug!("not registered: {error}");
                self.schedule_after_failure(now_ms);
            }
        }
    }

    /// What time may heal is tried again; what only an operator can heal ends a start at once. A broker
    /// that runs goes on in either case.
    fn handle_refused_registration(
        &mut self,
        error_code: i16,
        now_ms: i64,
        explain: impl FnOnce() -> String,
    ) {
        let id = self.broker_id;
        let error = Errors::ALL.iter().find(|it| it.code() == error_code);
        let hopeless = match error {
            Some(Errors::UnsupportedVersion) => Some(explain()),
            Some(Errors::InconsistentClusterId) => Some(
                "the controllers are of another cluster than the log directory of this broker: its \
                 meta.properties says which; check the addresses of the controllers, or give the \
                 broker a directory of its own by `--override log.dirs=...`"
                    .to_string(),
            ),
            Some(Errors::InvalidRegistration) => Some(format!(
                "the controller does not take this broker as it is: it may have the id of a \
                 controller, its log directory may be a copy of another broker's, or its listeners \
                 may be wrong; the controller's log says which (broker {id})"
            )),
            _ => None,
        };
        let name = error.map_or_else(|| format!("error {error_code}"), ToString::to_string);
        match hopeless {
            Some(why) if !self.was_ever_registered => {
                self.fail(format!("the controller refuses to register this broker: {name}: {why}"));
            }
            Some(why) => {
                let why = format!("the controller refuses to register this broker: {name}: {why}");
                self.report(Level::Error, &why, now_ms);
            }
            None if error == Some(&Errors::DuplicateBrokerRegistration) => {
                let why = format!(
                    "the controller has heard of broker {id} within its broker.session.timeout.ms, 9 seconds by \
                     default: that is so after a quick restart, or another broker has this id, and this one \
                     needs a `node.id` and a log directory of its own"
                );
                let refusal = format!("not registered yet: {why}; trying again");
                self.report(Level::Info, &refusal, now_ms);
                self.last_refusal = Some(why);
            }
            None => {
                let why = format!("the controller answers {name}");
                self.report(Level::Warn, &format!("not registered: {why}; trying again"), now_ms);
                self.last_refusal = Some(why);
            }
        }
    }

    /// What is refused at every heartbeat is worth a line at first, and then rarely.
    fn report(&mut self, level: Level, refusal: &str, now_ms: i64) {
        match self.refusals.news(refusal, now_ms) {
            Some(repeats) => log!(level, "{refusal}{repeats}"),
            None => debug!("{refusal}"),
        }
    }

    fn heard(&mut self, now_ms: i64) {
        self.heard_at_ms = now_ms;
        self.refusals.forget();
    }

    pub(super) fn handle_heartbeat(
        &mut self,
        sent: &BrokerHeartbeatRequest,
        answer: Result<BrokerHeartbeatResponse, ControllerError>,
        now_ms: i64,
    ) {
        self.is_in_flight = false;
        match answer {
            Ok(response) if response.error_code == Errors::None.code() => {
                self.heard(now_ms);
                self.controller_knows_of(&sent.offline_log_dirs);
                self.handle_answer(&response, now_ms);
            }
            Ok(response) if response.error_code == Errors::StaleBrokerEpoch.code() => {
                self.handle_stale_epoch(now_ms);
            }
            Ok(response) => {
                let code = response.error_code;
                let why = format!("the controller answers a heartbeat with error {code}");
                self.report(Level::Warn, &why, now_ms);
                self.schedule_after_failure(now_ms);
            }
            Err(error) => {
                debug!("no answer to a heartbeat: {error}");
                self.give_up_after_silence(now_ms);
                self.schedule_after_failure(now_ms);
            }
        }
    }

    /// When a controlled shutdown ends without an answer, also without that to a request under way. The one
    /// with which it began has its time, however long there was no answer before; two intervals are what
    /// may lie between the answers of a controller that works.
    fn gives_up_at_ms(&self) -> i64 {
        let interval_ms = self.times.heartbeat_interval_ms;
        let first = self.pending_since_ms.saturating_add(interval_ms.min(SILENCE_MAX_MS));
        let silence_max_ms = interval_ms.saturating_mul(2).max(SILENCE_MAX_MS);
        self.heard_at_ms.saturating_add(silence_max_ms).max(first)
    }

    fn give_up_after_silence(&mut self, now_ms: i64) {
        let is_pending = self.state == LifecycleState::PendingControlledShutdown;
        if is_pending && now_ms >= self.gives_up_at_ms() {
            warn!("no controller answers: the broker stops without waiting for it");
            self.shut_down();
        }
    }

    fn handle_answer(&mut self, response: &BrokerHeartbeatResponse, now_ms: i64) {
        match self.state {
            LifecycleState::Starting if response.is_caught_up => {
                info!("caught up with the metadata log");
                self.state = LifecycleState::Recovery;
                self.schedule(now_ms, CATCH_UP_INTERVAL_MS);
            }
            LifecycleState::Starting => self.schedule(now_ms, CATCH_UP_INTERVAL_MS),
            LifecycleState::Recovery => {
                if !response.is_fenced {
                    info!("unfenced: clients are sent to this broker");
                    self.is_fenced = false;
                    self.state = LifecycleState::Running;
                }
                self.schedule_after_success(now_ms);
            }
            LifecycleState::Running => {
                self.note_fencing(response.is_fenced);
                self.schedule_after_success(now_ms);
            }
            LifecycleState::PendingControlledShutdown if response.should_shut_down => {
                info!("the controller lets this broker go");
                self.shut_down();
            }
            LifecycleState::PendingControlledShutdown => {
                match self.got_controlled_shutdown_response {
                    false => self.schedule(now_ms, FIRST_SHUTDOWN_INTERVAL_MS),
                    true => self.schedule_after_success(now_ms),
                }
                self.got_controlled_shutdown_response = true;
            }
            LifecycleState::ShuttingDown => {}
        }
    }

    /// A broker that fell silent for too long is fenced, and unfenced when it is heard again.
    fn note_fencing(&mut self, is_fenced: bool) {
        if is_fenced != self.is_fenced {
            match is_fenced {
                true => warn!(
                    "the controller has fenced this broker: it had not heard of it within its \
                     broker.session.timeout.ms; no client is sent here until it is unfenced"
                ),
                false => info!("unfenced again: clients are sent to this broker"),
            }
            self.is_fenced = is_fenced;
        }
    }

    /// The controller knows no broker of this id and epoch. Kafka only logs it, and never comes back.
    fn handle_stale_epoch(&mut self, now_ms: i64) {
        if self.state == LifecycleState::PendingControlledShutdown {
            info!("the controller does not know this broker any more: nothing is left to be moved");
            return self.shut_down();
        }
        warn!(
            "the controller does not know this broker by epoch {}: registering again",
            self.broker_epoch
        );
        self.is_registered = false;
        self.is_fenced = true;
        self.schedule_after_failure(now_ms);
    }

    /// The partitions are taken over: the broker may be elected.
    pub(super) fn set_ready_to_unfence(&mut self, now_ms: i64) {
        self.is_ready_to_unfence = true;
        self.schedule_immediately(now_ms);
    }

    /// Asks the controller to move the leaders. A broker that does not run yet just goes.
    pub(super) fn begin_controlled_shutdown(&mut self, now_ms: i64) {
        match self.state {
            LifecycleState::Running => {
                info!("asking the controller to move what this broker leads");
                self.state = LifecycleState::PendingControlledShutdown;
                self.pending_since_ms = now_ms;
                self.schedule_immediately(now_ms);
            }
            LifecycleState::Starting | LifecycleState::Recovery => self.shut_down(),
            LifecycleState::PendingControlledShutdown | LifecycleState::ShuttingDown => {}
        }
    }

    /// From now on the controller hears nothing: a heartbeat would unfence the broker again.
    pub(super) fn shut_down(&mut self) {
        self.state = LifecycleState::ShuttingDown;
        self.next_at_ms = None;
    }

    /// A log directory has failed: the controller learns it at once.
    pub(super) fn propagate_directory_failure(&mut self, directory_id: [u8; 16], now_ms: i64) {
        if self.offline_dirs.insert(directory_id, false).is_none() {
            self.schedule_immediately(now_ms);
        }
    }

    /// Whether the controller has answered a heartbeat that told it that this directory has failed.
    pub(super) fn is_directory_failure_known(&self, directory_id: &[u8; 16]) -> bool {
        self.offline_dirs.get(directory_id).copied().unwrap_or(false)
    }

    fn controller_knows_of(&mut self, directories: &[Uuid]) {
        for directory in directories {
            self.offline_dirs.insert(directory.0, true);
        }
    }

    /// Port of `resendBrokerRegistrationUnlessZkMode`: what the broker registers has changed.
    pub(super) fn resend_registration(&mut self, now_ms: i64) {
        self.is_registered = false;
        self.schedule_immediately(now_ms);
    }

    /// Nothing comes of this life any more, for this reason.
    pub(super) fn fail(&mut self, why: String) {
        self.failure = Some(why);
        self.shut_down();
    }

    fn schedule_immediately(&mut self, now_ms: i64) {
        match self.is_in_flight {
            true => self.next_is_immediate = true,
            false => self.schedule(now_ms, 0),
        }
    }

    fn schedule_after_success(&mut self, now_ms: i64) {
        self.schedule(now_ms, self.times.heartbeat_interval_ms);
    }

    /// Never at once, whatever waits for it: a controller in trouble is not pressed.
    fn schedule_after_failure(&mut self, now_ms: i64) {
        self.next_is_immediate = false;
        self.schedule(now_ms, self.times.heartbeat_interval_ms);
    }

    fn schedule(&mut self, now_ms: i64, interval_ms: i64) {
        if self.state == LifecycleState::ShuttingDown {
            return;
        }
        let interval_ms = if self.next_is_immediate { 0 } else { interval_ms };
        self.next_is_immediate = false;
        self.next_at_ms = Some(now_ms.saturating_add(interval_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: LifecycleTimes =
        LifecycleTimes { heartbeat_interval_ms: 2000, registration_timeout_ms: 60_000 };

    fn lifecycle() -> BrokerLifecycle {
        BrokerLifecycle::new(1, TIMES, 0)
    }

    fn registered(it: &mut BrokerLifecycle, error: Errors, now_ms: i64) {
        let response = BrokerRegistrationResponse {
            error_code: error.code(),
            broker_epoch: if error == Errors::None { 1000 } else { NO_EPOCH },
            ..BrokerRegistrationResponse::default()
        };
        it.handle_registration(Ok(response), now_ms, || "the levels".to_string());
    }

    /// The heartbeat that is due now.
    fn heartbeat(it: &mut BrokerLifecycle, now_ms: i64) -> BrokerHeartbeatRequest {
        match it.due(now_ms, 1000) {
            Some(Communication::Heartbeat(request)) => request,
            other => panic!("{other:?} at {now_ms}"),
        }
    }

    /// Sends the heartbeat that is due now, and answers it.
    fn answered(
        it: &mut BrokerLifecycle,
        now_ms: i64,
        set: impl FnOnce(&mut BrokerHeartbeatResponse),
    ) -> BrokerHeartbeatRequest {
        let sent = heartbeat(it, now_ms);
        let mut response = BrokerHeartbeatResponse::default();
        set(&mut response);
        it.handle_heartbeat(&sent, Ok(response), now_ms);
        sent
    }

    fn running(now_ms: i64) -> BrokerLifecycle {
        let mut it = BrokerLifecycle::new(1, TIMES, now_ms);
        assert_eq!(it.due(now_ms, 0), Some(Communication::Register));
        registered(&mut it, Errors::None, now_ms);
        answered(&mut it, now_ms, |it| it.is_caught_up = true);
        it.set_ready_to_unfence(now_ms);
        answered(&mut it, now_ms, |it| it.is_fenced = false);
        assert_eq!(it.state, LifecycleState::Running);
        it
    }

    /// Port of `BrokerLifecycleManagerTest.testSuccessfulRegistration`.
    #[test]
    fn a_broker_registers_catches_up_and_is_unfenced_when_it_is_ready() {
        let mut it = lifecycle();
        assert_eq!(it.due(0, 0), Some(Communication::Register));
        assert_eq!(it.due(0, 0), None, "one request is under way");
        registered(&mut it, Errors::None, 5);
        assert_eq!(it.broker_epoch, 1000);
        let first = answered(&mut it, 5, |it| it.is_caught_up = false);
        assert_eq!((first.broker_epoch, first.current_metadata_offset), (1000, 1000));
        assert!(first.want_fence && !first.want_shut_down);
        assert_eq!(it.wake_up_at_ms(), Some(15));
        answered(&mut it, 15, |it| it.is_caught_up = true);
        assert_eq!(it.state, LifecycleState::Recovery);
        answered(&mut it, 25, |it| it.is_fenced = true);
        assert_eq!(it.wake_up_at_ms(), Some(2025));
        it.set_ready_to_unfence(30);
        let ready = answered(&mut it, 30, |it| it.is_fenced = false);
        assert!(!ready.want_fence);
        assert_eq!((it.state, it.wake_up_at_ms()), (LifecycleState::Running, Some(2030)));
    }

    /// Port of `BrokerLifecycleManagerTest.testRegistrationTimeout`.
    #[test]
    fn a_start_without_a_controller_fails_when_its_time_is_over() {
        let mut it = lifecycle();
        for round in 0..30 {
            assert_eq!(it.due(round * 2000, 0), Some(Communication::Register));
            it.handle_registration(Err(ControllerError::TimedOut), round * 2000, String::new);
        }
        assert_eq!((it.due(60_000, 0), it.state), (None, LifecycleState::ShuttingDown));
        let failure = it.failure.unwrap();
        assert!(failure.contains("within 60000 ms"), "{failure}");
    }

    #[test]
    fn a_start_that_a_controller_keeps_refusing_ends_with_its_last_refusal() {
        for (error, refusal) in [
            (
                Errors::DuplicateBrokerRegistration,
                "the controller has heard of broker 1 within its",
            ),
            (Errors::NotController, "the controller answers NOT_CONTROLLER (41)"),
        ] {
            let mut it = lifecycle();
            it.due(0, 0);
            registered(&mut it, Errors::UnknownServerError, 0);
            it.due(2000, 0);
            registered(&mut it, error, 2000);
            it.due(4000, 0);
            it.handle_registration(Err(ControllerError::TimedOut), 58_000, String::new);
            assert_eq!(it.due(60_000, 0), None);
            let failure = it.failure.unwrap();
            let expected = format!("`initial.broker.registration.timeout.ms`): {refusal}");
            assert!(failure.contains(&expected), "{failure}");
            assert!(!failure.contains("see the log"), "{failure}");
        }
    }

    /// A broker that restarts at once meets itself for the length of a session.
    #[test]
    fn a_broker_that_the_controller_still_knows_as_another_tries_again_every_heartbeat() {
        let mut it = lifecycle();
        for now_ms in [0, 2000, 4000] {
            assert_eq!(it.due(now_ms, 0), Some(Communication::Register));
            registered(&mut it, Errors::DuplicateBrokerRegistration, now_ms);
            assert_eq!(it.wake_up_at_ms(), Some(now_ms + 2000));
        }
        assert_eq!((it.state, it.failure.clone()), (LifecycleState::Starting, None));
        assert!(!it.refusals.is_empty(), "the same is no news");
        it.due(6000, 0);
        registered(&mut it, Errors::None, 6000);
        assert_eq!(it.broker_epoch, 1000);
        assert!(it.refusals.is_empty(), "the next time it is");
    }

    #[test]
    fn what_only_an_operator_can_heal_ends_a_start_at_once_and_no_broker_that_runs() {
        for (error, why) in [
            (Errors::UnsupportedVersion, "UNSUPPORTED_VERSION (35): the levels"),
            (
                Errors::InconsistentClusterId,
                "INCONSISTENT_CLUSTER_ID (104): the controllers are of",
            ),
            (Errors::InvalidRegistration, "INVALID_REGISTRATION (119): the controller does not"),
        ] {
            let mut it = lifecycle();
            it.due(0, 0);
            registered(&mut it, error, 0);
            let failure = it.failure.clone().unwrap();
            assert!(failure.contains(why), "{failure}");
            assert_eq!(it.state, LifecycleState::ShuttingDown);

            let mut it = running(0);
            it.resend_registration(10);
            assert_eq!(it.due(10, 0), Some(Communication::Register));
            registered(&mut it, error, 10);
            assert_eq!((it.state, it.failure.clone()), (LifecycleState::Running, None));
        }
    }

    /// Port of `BrokerLifecycleManagerTest.testControlledShutdown`.
    #[test]
    fn a_controlled_shutdown_asks_until_the_controller_lets_the_broker_go_and_is_silent_then() {
        let mut it = running(0);
        it.begin_controlled_shutdown(100);
        let first = answered(&mut it, 100, |it| it.should_shut_down = false);
        assert!(first.want_shut_down && !first.want_fence);
        assert_eq!(it.wake_up_at_ms(), Some(150));
        answered(&mut it, 150, |it| it.should_shut_down = false);
        assert_eq!(it.wake_up_at_ms(), Some(2150));
        answered(&mut it, 2150, |it| it.should_shut_down = true);
        assert_eq!((it.state, it.wake_up_at_ms()), (LifecycleState::ShuttingDown, None));
        assert_eq!(it.due(10_000, 0), None);
    }

    #[test]
    fn a_controlled_shutdown_does_not_wait_for_a_controller_that_has_fenced_the_broker_by_now() {
        let mut it = running(0);
        it.begin_controlled_shutdown(100);
        let mut now_ms = 100;
        while it.state == LifecycleState::PendingControlledShutdown {
            let sent = heartbeat(&mut it, now_ms);
            it.handle_heartbeat(&sent, Err(ControllerError::TimedOut), now_ms + 2000);
            now_ms += 4000;
        }
        assert_eq!(now_ms, 100 + 3 * 4000);
    }

    #[test]
    fn a_controlled_shutdown_is_short_if_no_controller_has_answered_for_long() {
        let mut it = running(0);
        it.begin_controlled_shutdown(60_000);
        let sent = heartbeat(&mut it, 60_000);
        assert_eq!(it.wake_up_at_ms(), Some(62_000), "it is asked once");
        it.handle_heartbeat(&sent, Err(ControllerError::TimedOut), 62_000);
        assert_eq!(it.state, LifecycleState::ShuttingDown);
    }

    #[test]
    fn a_controlled_shutdown_waits_for_no_answer_that_does_not_come_or_refuses_it() {
        let mut silent = running(0);
        silent.begin_controlled_shutdown(100);
        heartbeat(&mut silent, 100);
        assert_eq!(silent.wake_up_at_ms(), Some(10_000));

        let mut refused = running(0);
        refused.begin_controlled_shutdown(100);
        answered(&mut refused, 100, |it| it.error_code = Errors::UnknownServerError.code());

        let mut unregistered = running(0);
        unregistered.resend_registration(50);
        unregistered.begin_controlled_shutdown(100);
        assert_eq!(unregistered.due(100, 0), Some(Communication::Register));
        registered(&mut unregistered, Errors::DuplicateBrokerRegistration, 150);

        for mut it in [silent, refused, unregistered] {
            assert_eq!(it.state, LifecycleState::PendingControlledShutdown);
            assert_eq!((it.due(10_000, 0), it.state), (None, LifecycleState::ShuttingDown));
        }
    }

    #[test]
    fn a_controlled_shutdown_goes_on_as_long_as_there_are_answers_however_rare() {
        let times = LifecycleTimes { heartbeat_interval_ms: 30_000, ..TIMES };
        let mut it = BrokerLifecycle { times, ..running(0) };
        it.begin_controlled_shutdown(29_000);
        answered(&mut it, 29_000, |it| it.should_shut_down = false);
        answered(&mut it, 29_050, |it| it.should_shut_down = false);
        assert_eq!(it.wake_up_at_ms(), Some(59_050));
        answered(&mut it, 59_050, |it| it.should_shut_down = true);
        assert_eq!(it.state, LifecycleState::ShuttingDown);
    }

    #[test]
    fn a_broker_that_does_not_run_yet_and_one_that_nobody_knows_have_nothing_to_be_moved() {
        let mut it = lifecycle();
        it.begin_controlled_shutdown(0);
        assert_eq!(it.state, LifecycleState::ShuttingDown);

        let mut it = running(0);
        it.begin_controlled_shutdown(10);
        answered(&mut it, 10, |it| it.error_code = Errors::StaleBrokerEpoch.code());
        assert_eq!(it.state, LifecycleState::ShuttingDown);
    }

    /// Kafka logs it, and stays out of the cluster for good.
    #[test]
    fn a_broker_that_the_controller_has_forgotten_registers_again() {
        let mut it = running(0);
        answered(&mut it, 2000, |it| it.error_code = Errors::StaleBrokerEpoch.code());
        assert_eq!(it.due(2000, 0), None, "a controller in trouble is not pressed");
        assert_eq!(it.due(4000, 0), Some(Communication::Register));
        registered(&mut it, Errors::None, 4000);
        assert!(!heartbeat(&mut it, 4000).want_fence);
        assert_eq!(it.state, LifecycleState::Running);
    }

    /// Port of `BrokerLifecycleManagerTest.testAlwaysSendsAccumulatedOfflineDirs`.
    #[test]
    fn each_heartbeat_names_all_directories_that_have_failed() {
        let ids = |request: &BrokerHeartbeatRequest| -> Vec<u8> {
            request.offline_log_dirs.iter().map(|it| it.0[0]).collect()
        };
        let mut it = running(0);
        it.propagate_directory_failure([1; 16], 10);
        let first = heartbeat(&mut it, 10);
        assert_eq!(ids(&first), [1]);
        // The next one fails while that heartbeat is under way: it is told at once after the answer.
        it.propagate_directory_failure([2; 16], 11);
        it.handle_heartbeat(
            &first,
            Ok(BrokerHeartbeatResponse { error_code: 0, ..Default::default() }),
            12,
        );
        assert!(it.is_directory_failure_known(&[1; 16]));
        assert!(!it.is_directory_failure_known(&[2; 16]));
        let second = answered(&mut it, 12, |_| ());
        assert_eq!(ids(&second), [1, 2]);
        assert!(it.is_directory_failure_known(&[2; 16]));
        assert_eq!(ids(&heartbeat(&mut it, 2012)), [1, 2]);
    }

    /// Port of `BrokerLifecycleManagerTest.testKraftJBODMetadataVersionUpdateEvent`.
    #[test]
    fn a_broker_that_runs_can_register_again_and_goes_on_as_it_was() {
        let mut it = running(0);
        it.resend_registration(100);
        assert_eq!(it.due(100, 0), Some(Communication::Register));
        registered(&mut it, Errors::None, 110);
        let request = heartbeat(&mut it, 110);
        assert_eq!((request.broker_epoch, request.want_fence), (1000, false));
        assert_eq!(it.state, LifecycleState::Running);
    }

    #[test]
    fn after_a_failure_nothing_is_immediate_whatever_waits_for_it() {
        let mut it = running(0);
        let sent = heartbeat(&mut it, 2000);
        it.begin_controlled_shutdown(2001);
        it.handle_heartbeat(&sent, Err(ControllerError::TimedOut), 4000);
        assert_eq!(it.wake_up_at_ms(), Some(6000));
    }
}
