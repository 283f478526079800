//! Port of `org.apache.kafka.server.BrokerLifecycleManager`: registers the broker with the active
//! controller, keeps it alive by heartbeats, and takes leave in order.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use log::error;

use crate::common::lock::{locked, locked_again};
use crate::common::named_thread::spawn_named;
use crate::common::time::Time;
use crate::protocol::broker_registration::{
    BrokerRegistrationRequest, RegistrationFeature, RegistrationListener,
};
use crate::protocol::client_request::client_request_body;
use crate::protocol::wire::uuid::Uuid;
use crate::server::cluster::broker_features::{SUPPORTED, mismatch};
use crate::server::cluster::broker_lifecycle::{
    BrokerLifecycle, Communication, LifecycleState, LifecycleTimes, NO_EPOCH,
};
use crate::server::cluster::controller_channel::{
    ControllerChannel, ControllerRequest, read_response, send_request,
};

/// The newest of a registration; from here on a feature may begin at level 0.
const REGISTRATION_VERSION_MAX: i16 = 4;
/// Version 2 is for log directories that take no new replicas, which this broker does not have.
const HEARTBEAT_VERSION_MAX: i16 = 1;

/// What the broker registers.
#[derive(Clone, Debug)]
pub struct BrokerIdentity {
    pub broker_id: i32,
    /// As in `meta.properties`: 22 characters of base64.
    pub cluster_id: String,
    /// Drawn at random at each start.
    pub incarnation_id: [u8; 16],
    /// The ids of its log directories.
    pub directory_ids: Vec<[u8; 16]>,
    /// Of the last clean shutdown; -1 if there was none.
    pub previous_broker_epoch: i64,
    pub rack: Option<String>,
    /// The advertised addresses: port 0 and the empty host are settled.
    pub listeners: Vec<RegistrationListener>,
}

/// The broker's life, from [`start`](Self::start) to [`close`](Self::close).
pub struct BrokerLifecycleManager {
    lifecycle: Mutex<BrokerLifecycle>,
    is_changed: Condvar,
    identity: BrokerIdentity,
    heartbeat_interval_ms: i64,
    channel: Arc<dyn ControllerChannel>,
    /// The offset of the last metadata record that is applied and published.
    metadata_offset: Box<dyn Fn() -> i64 + Send + Sync>,
    time: Arc<dyn Time>,
    thread: Mutex<Option<JoinHandle<()>>>,
    this: Weak<Self>,
}

/// The times of `KafkaConfig` that the life of a broker goes by, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct LifecycleConfig {
    pub heartbeat_interval_ms: i64,
    pub registration_timeout_ms: i64,
}

impl BrokerLifecycleManager {
    /// Begins to register. `metadata_offset` is that of the last record that is applied and published: a
    /// broker that tells less never catches up, and one that tells more is elected too early
    /// (KAFKA-13836).
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(
        config: LifecycleConfig,
        identity: BrokerIdentity,
        channel: Arc<dyn ControllerChannel>,
        metadata_offset: impl Fn() -> i64 + Send + Sync + 'static,
        time: Arc<dyn Time>,
    ) -> io::Result<Arc<Self>> {
        let LifecycleConfig { heartbeat_interval_ms, registration_timeout_ms } = config;
        let times = LifecycleTimes { heartbeat_interval_ms, registration_timeout_ms };
        let now_ms = time.hi_res_clock_ms();
        let lifecycle = BrokerLifecycle::new(identity.broker_id, times, now_ms);
        let manager = Arc::new_cyclic(|this| Self {
            lifecycle: Mutex::new(lifecycle),
            is_changed: Condvar::new(),
            identity,
            heartbeat_interval_ms,
            channel,
            metadata_offset: Box::new(metadata_offset),
            time,
            thread: Mutex::new(None),
            this: Weak::clone(this),
        });
        let thread = Arc::clone(&manager);
        let name = "broker-lifecycle-manager".to_string();
        *locked(&manager.thread) = Some(spawn_named(name, move || thread.run())?);
        Ok(manager)
    }

    pub fn state(&self) -> LifecycleState {
        locked(&self.lifecycle).state
    }

    /// The offset of the record that registered this broker; `None` until there is one.
    pub fn broker_epoch(&self) -> Option<i64> {
        Some(locked(&self.lifecycle).broker_epoch).filter(|it| *it != NO_EPOCH)
    }

    /// Why the broker cannot be registered, in a sentence for an operator; `None` while it may be.
    pub fn failure(&self) -> Option<String> {
        locked(&self.lifecycle).failure.clone()
    }

    /// Waits until the controller says that the broker has read the metadata log as far as its own
    /// registration.
    ///
    /// # Errors
    /// Why it is not registered, in a sentence for an operator.
    pub fn wait_for_catch_up(&self) -> Result<(), String> {
        self.wait_while(|it| it.state == LifecycleState::Starting)
    }

    /// The broker has taken over its partitions. Waits until the controller has unfenced it.
    ///
    /// # Errors
    /// Why it is not, in a sentence for an operator.
    pub fn unfence(&self) -> Result<(), String> {
        self.change(|it, now_ms| it.set_ready_to_unfence(now_ms));
        self.wait_while(|it| {
            matches!(it.state, LifecycleState::Starting | LifecycleState::Recovery)
        })
    }

    fn wait_while(&self, is_early: impl Fn(&BrokerLifecycle) -> bool) -> Result<(), String> {
        let lifecycle = locked(&self.lifecycle);
        let waited = self.is_changed.wait_while(lifecycle, |it| is_early(it));
        let lifecycle = locked_again(waited);
        match (&lifecycle.failure, lifecycle.state) {
            (Some(why), _) => Err(why.clone()),
            (None, LifecycleState::ShuttingDown) => Err("the broker shuts down".to_string()),
            _ => Ok(()),
        }
    }

    /// Has the controller move what this broker leads, and waits until it has, at most for `timeout`.
    /// Returns whether it has.
    pub fn controlled_shutdown(&self, timeout: Duration) -> bool {
        self.change(BrokerLifecycle::begin_controlled_shutdown);
        let lifecycle = locked(&self.lifecycle);
        let is_pending =
            |it: &mut BrokerLifecycle| it.state == LifecycleState::PendingControlledShutdown;
        let waited = self.is_changed.wait_timeout_while(lifecycle, timeout, is_pending);
        !locked_again(waited).1.timed_out()
    }

    /// Tells the controller from now on that a log directory has failed.
    pub fn propagate_directory_failure(&self, directory_id: [u8; 16]) {
        self.change(|it, now_ms| it.propagate_directory_failure(directory_id, now_ms));
    }

    /// Whether the controller knows that a log directory has failed, or is told nothing any more.
    pub fn is_directory_failure_known(&self, directory_id: &[u8; 16]) -> bool {
        let lifecycle = locked(&self.lifecycle);
        lifecycle.is_directory_failure_known(directory_id)
            || lifecycle.state == LifecycleState::ShuttingDown
    }

    /// Waits until the controller knows that a log directory has failed, at most for `timeout`. Returns whether it
    /// knows.
    pub fn wait_until_directory_failure_is_known(
        &self,
        directory_id: &[u8; 16],
        timeout: Duration,
    ) -> bool {
        let lifecycle = locked(&self.lifecycle);
        let is_unknown = |it: &mut BrokerLifecycle| {
            !it.is_directory_failure_known(directory_id) && it.state != LifecycleState::ShuttingDown
        };
        let waited = self.is_changed.wait_timeout_while(lifecycle, timeout, is_unknown);
        !locked_again(waited).1.timed_out()
    }

    /// Registers again, with the same incarnation: the cluster has begun to ask for more than it did.
    pub fn resend_registration(&self) {
        self.change(BrokerLifecycle::resend_registration);
    }

    /// The cluster cannot be followed any further: whatever waits here ends with this reason, and the controller
    /// hears nothing more.
    pub fn fail(&self, why: &str) {
        self.change(|it, _| it.fail(why.to_string()));
    }

    /// Tells the controller nothing more, and ends whatever waits here.
    pub fn close(&self) {
        self.change(|it, _| it.shut_down());
        let thread = locked(&self.thread).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            error!("the lifecycle manager ended by a panic");
        }
    }

    fn change(&self, change: impl FnOnce(&mut BrokerLifecycle, i64)) {
        change(&mut locked(&self.lifecycle), self.time.hi_res_clock_ms());
        self.is_changed.notify_all();
    }

    fn run(&self) {
        let mut lifecycle = locked(&self.lifecycle);
        while lifecycle.state != LifecycleState::ShuttingDown {
            // Not under the lock: the loader that is asked may be waiting for it.
            drop(lifecycle);
            let metadata_offset = (self.metadata_offset)();
            lifecycle = locked(&self.lifecycle);
            match lifecycle.due(self.time.hi_res_clock_ms(), metadata_offset) {
                Some(communication) => {
                    drop(lifecycle);
                    self.communicate(communication);
                    lifecycle = locked(&self.lifecycle);
                }
                None => lifecycle = self.wait_for_change(lifecycle),
            }
        }
        drop(lifecycle);
        self.is_changed.notify_all();
    }

    /// Until something happens, or is due.
    fn wait_for_change<'a>(
        &self,
        lifecycle: MutexGuard<'a, BrokerLifecycle>,
    ) -> MutexGuard<'a, BrokerLifecycle> {
        if lifecycle.state == LifecycleState::ShuttingDown {
            return lifecycle;
        }
        match lifecycle.wake_up_at_ms() {
            None => locked_again(self.is_changed.wait(lifecycle)),
            Some(at_ms) => {
                let left_ms = at_ms.saturating_sub(self.time.hi_res_clock_ms());
                let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or(0));
                locked_again(self.is_changed.wait_timeout(lifecycle, left)).0
            }
        }
    }

    fn communicate(&self, communication: Communication) {
        let this = Weak::clone(&self.this);
        match communication {
            Communication::Register => self.channel.send(
                self.registration(),
                Box::new(move |response| {
                    let Some(this) = this.upgrade() else { return };
                    let answer =
                        response.and_then(|it| read_response::<BrokerRegistrationRequest>(&it));
                    let finalized = this.channel.controller_api_versions();
                    let explain =
                        || mismatch(finalized.as_ref().map_or(&[], |it| &it.finalized_features));
                    this.change(|it, now_ms| it.handle_registration(answer, now_ms, explain));
                }),
            ),
            Communication::Heartbeat(sent) => send_request(
                &*self.channel,
                sent.clone(),
                0..=HEARTBEAT_VERSION_MAX,
                self.heartbeat_interval_ms,
                move |answer| {
                    let Some(this) = this.upgrade() else { return };
                    this.change(|it, now_ms| it.handle_heartbeat(&sent, answer, now_ms));
                },
            ),
        }
    }

    /// Before version 4 no feature may begin at level 0 (KAFKA-17492).
    fn registration(&self) -> ControllerRequest {
        let request = registration_of(&self.identity);
        let mut without_level_0 = request.clone();
        without_level_0.features.retain(|it| it.min_supported_version > 0);
        let mut envelope = ControllerRequest::of(
            BrokerRegistrationRequest::default(),
            0..=REGISTRATION_VERSION_MAX,
            self.heartbeat_interval_ms,
        );
        envelope.body = Box::new(move |version| match version {
            REGISTRATION_VERSION_MAX.. => client_request_body(&request, version),
            _ => client_request_body(&without_level_0, version),
        });
        envelope
    }
}

fn registration_of(identity: &BrokerIdentity) -> BrokerRegistrationRequest {
    let features = SUPPORTED.iter().map(|(name, levels)| RegistrationFeature {
        name: name.to_string(),
        min_supported_version: *levels.start(),
        max_supported_version: *levels.end(),
    });
    BrokerRegistrationRequest {
        broker_id: identity.broker_id,
        cluster_id: identity.cluster_id.clone(),
        incarnation_id: Uuid(identity.incarnation_id),
        listeners: identity.listeners.clone(),
        features: features.collect(),
        rack: identity.rack.clone(),
        is_migrating_zk_broker: false,
        log_dirs: identity.directory_ids.iter().map(|it| Uuid(*it)).collect(),
        previous_broker_epoch: identity.previous_broker_epoch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Port of `BrokerLifecycleManagerTest.testRegistrationIncludesDirs`.
    #[test]
    fn a_registration_has_the_directories_the_rack_and_no_feature_that_is_not_served() {
        let identity = BrokerIdentity {
            broker_id: 7,
            cluster_id: "AAAAAAAAAAAAAAAAAAAAAA".to_string(),
            incarnation_id: [3; 16],
            directory_ids: vec![[1; 16], [2; 16]],
            previous_broker_epoch: 42,
            rack: Some("north".to_string()),
            listeners: Vec::new(),
        };
        let request = registration_of(&identity);
        assert_eq!(request.log_dirs, [Uuid([1; 16]), Uuid([2; 16])]);
        assert_eq!((request.broker_id, request.previous_broker_epoch), (7, 42));
        assert_eq!(request.rack.as_deref(), Some("north"));
        let features: Vec<_> = request
            .features
            .iter()
            .map(|it| (&*it.name, it.min_supported_version, it.max_supported_version))
            .collect();
        assert_eq!(features, [("kraft.version", 0, 1), ("metadata.version", 7, 21)]);
    }
}
