//! Port of the events of `org.apache.kafka.server.BrokerLifecycleManager`: what a broker of a cluster is
//! to its controller, what it says to it next and when.
//!
//! Nothing here waits or sends: the [manager](crate::server::cluster::broker_lifecycle_manager) does.

use std::collections::BTreeMap;

use log::{debug, error, info, warn};

use crate::common::errors::Errors;
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

/// How long a controlled shutdown goes on without any answer: by then the controller has fenced a broker that
/// it has not heard of, and moved what it led.
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
    is_ready_to_unfence: bool,
    /// What the controller said last.
    is_fenced: bool,
    got_controlled_shutdown_response: bool,
    /// When a controlled shutdown began, or was answered last.
    pending_since_ms: i64,
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
            is_ready_to_unfence: false,
            is_fenced: true,
            got_controlled_shutdown_response: false,
            pending_since_ms: now_ms,
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
        let deadline = (!self.was_ever_registered).then_some(self.registration_deadline_ms);
        match self.state {
            LifecycleState::ShuttingDown => None,
            _ => [self.next_at_ms, deadline].into_iter().flatten().min(),
        }
    }

    /// What has to be said now. Then it counts as said: an answer, or an error in its place, has to
    /// follow.
    pub(super) fn due(&mut self, now_ms: i64, metadata_offset: i64) -> Option<Communication> {
        if self.state == LifecycleState::ShuttingDown {
            return None;
        }
        if !self.was_ever_registered && now_ms >= self.registration_deadline_ms {
            let timeout_ms = self.times.registration_timeout_ms;
            self.fail(format!(
                "no controller has registered this broker within {timeout_ms} ms \
                 (`initial.broker.registration.timeout.ms`): see the log for what kept it, and check \
                 that a controller runs where `controller.quorum.bootstrap.servers` or \
                 `controller.quorum.voters` says"
            ));
            return None;
        }
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
                info!("registered with broker epoch {}", response.broker_epoch);
                self.schedule_immediately(now_ms);
            }
            Ok(response) => {
                self.handle_refused_registration(response.error_code, explain);
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
    fn handle_refused_registration(&mut self, error_code: i16, explain: impl FnOnce() -> String) {
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
            Some(why) => error!("the controller refuses to register this broker: {name}: {why}"),
            None if error == Some(&Errors::DuplicateBrokerRegistration) => info!(
                "not registered yet: the controller has heard of broker {id} within its \
                 broker.session.timeout.ms, 9 seconds by default: that is so after a quick restart, \
                 or another broker has this id; trying again"
            ),
            None => warn!("not registered: the controller answers {name}; trying again"),
        }
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
                self.controller_knows_of(&sent.offline_log_dirs);
                self.handle_answer(&response, now_ms);
            }
            Ok(response) if response.error_code == Errors::StaleBrokerEpoch.code() => {
                self.handle_stale_epoch(now_ms);
            }
            Ok(response) => {
                warn!("the controller answers a heartbeat with error {}", response.error_code);
                self.schedule_after_failure(now_ms);
            }
            Err(error) => {
                debug!("no answer to a heartbeat: {error}");
                self.give_up_after_silence(now_ms);
                self.schedule_after_failure(now_ms);
            }
        }
    }

    fn give_up_after_silence(&mut self, now_ms: i64) {
        let is_pending = self.state == LifecycleState::PendingControlledShutdown;
        if is_pending && now_ms - self.pending_since_ms >= SILENCE_MAX_MS {
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
                self.pending_since_ms = now_ms;
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

    fn fail(&mut self, why: String) {
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
