//! Port of `kafka.server.ClientQuotaManager`: keeps each client to its quota, in bytes per second, of
//! what it produces or fetches, by delaying its responses.
//!
//! A client is identified by its user and its client id, as far as its quota asks for them
//! ([`ClientLimits::get`]); the empty id is one too. A client without a quota costs nothing: no memory,
//! and no lock as long as no client has one (KAFKA-5402).
//!
//! The delay is Kafka's, and so is its limit: it brings the rate of the window down to the quota.
//! One response larger than the quota of a whole window leaves the window before its bytes are paid
//! for, so a client that fetches in such pieces gets up to twice its quota.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use log::{Level, debug, error, log};

use crate::common::client_quota_entity::ClientQuotaEntity;
use crate::common::errors::KafkaError;
use crate::common::hang_up::HangUp;
use crate::common::lock::locked;
use crate::common::log_limit::{LogKind, limited};
use crate::common::metrics::{Counter, Metrics};
use crate::common::named_thread::spawn_named;
use crate::common::rate::{Measured, RateConfig};
use crate::common::time::Time;
use crate::config::client_config_override::QuotaType;
use crate::server::quota::client_limits::{ClientLimit, ClientLimits, UNLIMITED, UserClient};
use crate::server::quota::client_sensors::ClientSensors;
use crate::server::quota::throttled_response::{Callback, DelayQueue, ThrottledResponse};

/// Kafka's `delayQueue.poll(1, TimeUnit.SECONDS)`.
const REAPER_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub struct ClientQuotaManagerConfig {
    /// The quota of a client for which none was set, in bytes per second.
    pub quota_bytes_per_second_default: i64,
    /// `quota.window.num` and `quota.window.size.seconds`.
    pub rate: RateConfig,
    /// The longest delay, in milliseconds: a connection that is silent for longer is closed, and
    /// could not get its response.
    pub throttle_time_max_ms: i64,
}

/// The quotas of all clients, for one of the things they do.
pub struct ClientQuotaManager {
    quota_type: QuotaType,
    config: ClientQuotaManagerConfig,
    limits: ClientLimits,
    sensors: Mutex<ClientSensors>,
    delay_queue: DelayQueue,
    time: Arc<dyn Time>,
    metrics: Arc<Metrics>,
    throttled_request_reaper: Mutex<Option<JoinHandle<()>>>,
}

impl ClientQuotaManager {
    /// A manager by the monotonic clock of `time`, with a thread `ThrottledRequestReaper-Produce`
    /// or `-Fetch` that runs until [`shutdown`](Self::shutdown).
    ///
    /// # Errors
    /// Whatever the operating system reports if it cannot start the thread.
    pub fn new(
        quota_type: QuotaType,
        config: ClientQuotaManagerConfig,
        time: Arc<dyn Time>,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, KafkaError> {
        let manager = Arc::new(Self::without_reaper(quota_type, config, time, metrics));
        let reaped = Arc::clone(&manager);
        let reaper = spawn_named(reaper_name(quota_type), move || reaped.reap())?;
        *locked(&manager.throttled_request_reaper) = Some(reaper);
        Ok(manager)
    }

    fn without_reaper(
        quota_type: QuotaType,
        config: ClientQuotaManagerConfig,
        time: Arc<dyn Time>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            quota_type,
            limits: ClientLimits::new(config.quota_bytes_per_second_default),
            sensors: Mutex::new(ClientSensors::new(config.rate)),
            config,
            delay_queue: DelayQueue::new(Arc::clone(&time)),
            time,
            metrics,
            throttled_request_reaper: Mutex::new(None),
        }
    }

    /// Records the `bytes` of a client, and calls `callback` with the delay that brings the client
    /// back to its quota, in milliseconds: at once with 0 if it is within its quota, otherwise when
    /// the delay has passed.
    ///
    /// The bytes are recorded before the check, so those of a throttled request count as well.
    ///
    /// With `end_of_mute` the client waits by itself (KIP-219): then `callback`, which responds, is
    /// called at once in any case, and `end_of_mute` when the delay has passed.
    ///
    /// A client that hangs up meanwhile gets its response at once. It evades nothing that a second
    /// connection would not evade, and its connection is not kept for the delay.
    pub fn record_and_maybe_throttle<E, C>(
        &self,
        client: UserClient<'_>,
        bytes: u64,
        hang_up: &Arc<HangUp>,
        end_of_mute: Option<E>,
        callback: C,
    ) where
        E: FnOnce(i32) + Send + 'static,
        C: FnOnce(i32) + Send + 'static,
    {
        let throttle_time_ms = self.record(client, bytes);
        match end_of_mute {
            _ if throttle_time_ms == 0 => callback(0),
            Some(end_of_mute) => {
                callback(throttle_time_ms);
                self.throttle(throttle_time_ms, hang_up, Box::new(end_of_mute));
            }
            None => self.hold_back(throttle_time_ms, hang_up, Box::new(callback)),
        }
    }

    /// Records the `bytes` of a client, and returns its delay in milliseconds: 0 within its quota.
    fn record(&self, client: UserClient<'_>, bytes: u64) -> i32 {
        let ClientLimit { bytes_per_second: bound, shared_by } = self.limits.get(client);
        if bound == UNLIMITED {
            return 0;
        }
        let now_ms = self.time.hi_res_clock_ms();
        let measured = locked(&self.sensors).record(client, shared_by, bytes, now_ms);
        let throttle_time_ms = throttle_time_ms(measured, bound, self.config.throttle_time_max_ms);
        if throttle_time_ms > 0 {
            let quota_type = self.quota_type.name();
            debug!(
                "ClientQuotaManager.recordAndMaybeThrottle: {quota_type} of {client:?}, shared by \
                 {shared_by:?}: {:.0} bytes/s of {bound}: delayed by {throttle_time_ms} ms",
                measured.per_second()
            );
            let (count, time) = self.throttle_counters();
            count.increment();
            time.add(u64::from(throttle_time_ms.unsigned_abs()));
        }
        throttle_time_ms
    }

    fn throttle_counters(&self) -> (&Counter, &Counter) {
        let metrics = &self.metrics;
        match self.quota_type {
            QuotaType::Produce => (&metrics.produce_throttles, &metrics.produce_throttle_time_ms),
            QuotaType::Fetch => (&metrics.fetch_throttles, &metrics.fetch_throttle_time_ms),
        }
    }

    /// Calls `callback` when `throttle_time_ms` have passed or the client hangs up, with the delay in
    /// either case.
    fn hold_back(&self, throttle_time_ms: i32, client: &Arc<HangUp>, callback: Callback) {
        let held = Arc::new(Mutex::new(Some(callback)));
        let of_client = Arc::downgrade(&held);
        client.watch(move |_| {
            if let Some(held) = of_client.upgrade() {
                call(&held, throttle_time_ms);
            }
        });
        self.throttle(throttle_time_ms, client, Box::new(move |delay_ms| call(&held, delay_ms)));
        client.look_again();
    }

    /// Calls `callback` when `throttle_time_ms` have passed; at once after a shutdown.
    fn throttle(&self, throttle_time_ms: i32, client: &Arc<HangUp>, callback: Callback) {
        let response = ThrottledResponse::new(throttle_time_ms, client, callback);
        if let Err(response) = self.delay_queue.add(response) {
            execute(response);
        }
    }

    /// Whether the client has a quota, so that its bytes must be counted.
    pub fn limits(&self, client: UserClient<'_>) -> bool {
        self.quota(client) != UNLIMITED
    }

    /// The client's quota in bytes per second; [`UNLIMITED`] is none.
    pub fn quota(&self, client: UserClient<'_>) -> i64 {
        self.limits.get(client).bytes_per_second
    }

    /// As [`ClientLimits::set`]. It applies from the next request on, with the bytes of the last
    /// seconds counted in, unless others share the new quota than shared the old one.
    pub fn update_quota(&self, entity: &ClientQuotaEntity, quota: Option<i64>) {
        self.limits.set(entity, quota);
    }

    /// How many responses are held back, and how many channels muted.
    pub fn delay_queue_size(&self) -> usize {
        self.delay_queue.size()
    }

    /// Stops the reaper and ends all delays. Kafka drops the responses that are still held back; here
    /// they are sent.
    pub fn shutdown(&self) {
        for response in self.delay_queue.close() {
            execute(response);
        }
        let reaper = locked(&self.throttled_request_reaper).take();
        if reaper.is_some_and(|reaper| reaper.join().is_err()) {
            error!("{} panicked", reaper_name(self.quota_type));
        }
    }

    fn reap(&self) {
        while !self.delay_queue.is_closed() {
            self.do_work(REAPER_TIMEOUT);
        }
    }

    /// Executes the next response whose delay has passed, waiting up to `timeout` for one, and
    /// forgets silent clients, if it is time to.
    fn do_work(&self, timeout: Duration) {
        if let Some(response) = self.delay_queue.poll(timeout) {
            execute(response);
        }
        locked(&self.sensors).maybe_expire(self.time.hi_res_clock_ms());
    }
}

fn reaper_name(quota_type: QuotaType) -> String {
    format!("ThrottledRequestReaper-{}", quota_type.name())
}

/// For how long a client must be silent so that its rate comes down to `bound`: Kafka's
/// (rate - bound) / bound * window, without dividing by a window that may be empty. At most
/// `max_ms`, and the longest delay that fits in 32 bits (in Kafka 0.9 a longer one could wrap round
/// to none).
fn throttle_time_ms(measured: Measured, bound: i64, max_ms: i64) -> i32 {
    let allowed_ms = measured.total * 1000.0 / bound as f64;
    (allowed_ms - measured.window_ms as f64).round().clamp(0.0, max_ms as f64) as i32
}

/// Calls what is held back, unless it was called already.
fn call(held: &Mutex<Option<Callback>>, delay_ms: i32) {
    let callback = locked(held).take();
    if let Some(callback) = callback {
        callback(delay_ms);
    }
}

/// Executes a response. If it panics, the others go on.
fn execute(response: ThrottledResponse) {
    if catch_unwind(AssertUnwindSafe(|| response.execute())).is_err() {
        let level = limited(LogKind::Failures, Level::Error);
        log!(level, "ThrottledRequestReaper: a response panicked");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::common::client_quota_entity::EntityName;
    use crate::common::hang_up::Ending;
    use crate::common::mock_time::MockTime;
    use crate::server::quota::client_sensors::{
        EXPIRE_SENSORS_INTERVAL_MS, INACTIVE_SENSOR_EXPIRATION_TIME_MS, SENSORS_BYTES_MAX,
    };

    const RATE: RateConfig = RateConfig { samples: 11, sample_ms: 1000 };
    const NOW: Duration = Duration::ZERO;

    fn manager_with(default: i64) -> (Arc<MockTime>, ClientQuotaManager) {
        let config = ClientQuotaManagerConfig {
            quota_bytes_per_second_default: default,
            rate: RATE,
            throttle_time_max_ms: i64::MAX,
        };
        let (time, metrics) = (Arc::new(MockTime::new()), Arc::default());
        let manager =
            ClientQuotaManager::without_reaper(QuotaType::Produce, config, time.clone(), metrics);
        (time, manager)
    }

    /// A client that did not authenticate.
    fn client(client_id: &str) -> UserClient<'_> {
        UserClient { user: "ANONYMOUS", client_id }
    }

    fn of_client_id(name: &str) -> ClientQuotaEntity {
        ClientQuotaEntity::client_id(Some(name))
    }

    /// Records and returns a receiver that gets the delay when the callback is called.
    fn record(manager: &ClientQuotaManager, client_id: &str, bytes: u64) -> mpsc::Receiver<i32> {
        let (sender, receiver) = mpsc::channel();
        record_by(manager, client_id, bytes, move |delay_ms| sender.send(delay_ms).unwrap());
        receiver
    }

    /// Records, and calls `callback` with the delay.
    fn record_by(
        manager: &ClientQuotaManager,
        client_id: &str,
        bytes: u64,
        callback: impl FnOnce(i32) + Send + 'static,
    ) {
        let (client, hang_up) = (client(client_id), Arc::default());
        manager.record_and_maybe_throttle(client, bytes, &hang_up, None::<fn(i32)>, callback);
    }

    fn clients(manager: &ClientQuotaManager) -> usize {
        locked(&manager.sensors).len()
    }

    /// Port of `ClientQuotaManagerTest.testQuotaParsing`.
    #[test]
    fn an_override_holds_at_once_and_its_removal_resets() {
        let (_, manager) = manager_with(500);
        manager.update_quota(&of_client_id("p1"), Some(2000));
        manager.update_quota(&of_client_id("p2"), Some(4000));
        assert_eq!(
            ["p1", "p2", "p3", ""].map(|it| manager.quota(client(it))),
            [2000, 4000, 500, 500]
        );
        assert!(manager.record(client("p1"), 2500 * 11) > 0);
        manager.update_quota(&of_client_id("p1"), Some(3000));
        assert_eq!(manager.quota(client("p1")), 3000);
        assert_eq!(manager.record(client("p1"), 0), 0);
        manager.update_quota(&of_client_id("p1"), Some(500));
        assert_eq!(manager.quota(client("p1")), 500);
        let throttled_ms = manager.record(client("p1"), 0);
        assert!(throttled_ms > 0);
        manager.update_quota(&of_client_id("p1"), Some(3000));
        assert_eq!(manager.record(client("p1"), 0), 0);
        // Kafka 0.9 would go on with 3000 until its next start (KAFKA-4158).
        manager.update_quota(&of_client_id("p1"), None);
        assert_eq!(manager.quota(client("p1")), 500);
        assert_eq!(manager.record(client("p1"), 0), throttled_ms);
    }

    /// What `ClientQuotaManagerTest.testQuotaParsing` does with two clients and with the entity that
    /// stands for all others.
    fn overrides_hold_and_their_removal_resets(
        manager: &ClientQuotaManager,
        entities: [ClientQuotaEntity; 2],
        default: &ClientQuotaEntity,
    ) {
        let [first, second] = [("User1", "p1"), ("User2", "p2")]
            .map(|(user, client_id)| UserClient { user, client_id });
        let random = UserClient { user: "RandomUser", client_id: "random-client-id" };
        let before = manager.quota(random);
        manager.update_quota(&entities[0], Some(2000));
        manager.update_quota(&entities[1], Some(4000));
        assert_eq!([first, second, random].map(|it| manager.quota(it)), [2000, 4000, before]);
        assert!(manager.record(first, 2500 * 11) > 0);
        manager.update_quota(&entities[0], Some(3000));
        assert_eq!((manager.quota(first), manager.record(first, 0)), (3000, 0));
        manager.update_quota(&entities[0], Some(500));
        assert_eq!(manager.quota(first), 500);
        assert!(manager.record(first, 0) > 0);
        manager.update_quota(&entities[0], None);
        manager.update_quota(default, Some(4000));
        assert_eq!(manager.quota(first), 4000);
        assert_eq!(manager.record(first, 1000 * 11), 0);
        manager.update_quota(default, None);
        manager.update_quota(&entities[1], None);
        assert_eq!([first, second, random].map(|it| manager.quota(it)), [before; 3]);
    }

    /// Port of `ClientQuotaManagerTest.testClientIdQuotaParsing`.
    #[test]
    fn a_quota_of_a_client_id_holds_whoever_the_user_is() {
        let entities = ["p1", "p2"].map(of_client_id);
        let default = ClientQuotaEntity::client_id(None);
        overrides_hold_and_their_removal_resets(&manager_with(500).1, entities, &default);
    }

    /// Port of `ClientQuotaManagerTest.testUserQuotaParsing` and of
    /// `ClientQuotaManagerTest.testUserQuotaParsingWithDefaultClientIdQuota`.
    #[test]
    fn a_quota_of_a_user_holds_whatever_the_client_id_is() {
        for static_default in [UNLIMITED, 500] {
            let (_, manager) = manager_with(static_default);
            let entities = ["User1", "User2"].map(|it| ClientQuotaEntity::user(Some(it)));
            let default = ClientQuotaEntity::user(None);
            overrides_hold_and_their_removal_resets(&manager, entities, &default);
        }
    }

    /// Port of `ClientQuotaManagerTest.testUserClientIdQuotaParsing` and of
    /// `ClientQuotaManagerTest.testUserClientQuotaParsingIdWithDefaultClientIdQuota`.
    #[test]
    fn a_quota_of_a_client_id_of_a_user_holds_for_both_together() {
        for static_default in [UNLIMITED, 500] {
            let (_, manager) = manager_with(static_default);
            let entities = [("User1", "p1"), ("User2", "p2")]
                .map(|(user, id)| ClientQuotaEntity::user_and_client_id(Some(user), Some(id)));
            let default = ClientQuotaEntity::user_and_client_id(None, None);
            overrides_hold_and_their_removal_resets(&manager, entities, &default);
        }
    }

    /// Sees which quota a client has, and whether it is throttled after it has done so many bytes per
    /// second for a window of 11 seconds.
    #[track_caller]
    fn check_quota(
        manager: &ClientQuotaManager,
        (user, client_id): (&str, &str),
        quota: i64,
        bytes_per_second: u64,
        is_throttled: bool,
    ) {
        let client = UserClient { user, client_id };
        assert_eq!(manager.quota(client), quota);
        assert_eq!(manager.record(client, bytes_per_second * 11) > 0, is_throttled);
    }

    /// Port of `ClientQuotaManagerTest.testSetAndRemoveDefaultUserQuota`, of
    /// `ClientQuotaManagerTest.testSetAndRemoveUserQuota` and of
    /// `ClientQuotaManagerTest.testSetAndRemoveUserClientQuota`.
    #[test]
    fn a_quota_that_is_removed_leaves_nothing() {
        let user = Some("userA");
        for entity in [
            ClientQuotaEntity::user(None),
            ClientQuotaEntity::user(user),
            ClientQuotaEntity::user_and_client_id(user, Some("client1")),
        ] {
            let (_, manager) = manager_with(UNLIMITED);
            let client = ("userA", "client1");
            check_quota(&manager, client, UNLIMITED, 1000, false);
            manager.update_quota(&entity, Some(10));
            check_quota(&manager, client, 10, 1000, true);
            manager.update_quota(&entity, None);
            check_quota(&manager, client, UNLIMITED, 1000, false);
            assert!(!manager.limits.is_limiting());
        }
    }

    /// Port of `ClientQuotaManagerTest.testQuotaConfigPrecedence`.
    #[test]
    fn the_most_specific_quota_applies_and_those_who_share_it_pay_together() {
        let (_, manager) = manager_with(UNLIMITED);
        let of_user = ClientQuotaEntity::user;
        let of_both = ClientQuotaEntity::user_and_client_id;
        let (a, b) = (Some("userA"), Some("userB"));
        let set =
            |entity: ClientQuotaEntity, quota: i64| manager.update_quota(&entity, Some(quota));
        let remove = |entity: ClientQuotaEntity| manager.update_quota(&entity, None);
        set(of_user(None), 1000);
        set(ClientQuotaEntity::client_id(None), 2000);
        set(of_both(None, None), 3000);
        set(of_user(a), 4000);
        set(of_both(a, Some("client1")), 5000);
        set(of_user(b), 6000);
        set(of_both(b, Some("client1")), 7000);
        set(of_both(b, None), 8000);
        set(of_user(Some("userC")), 10_000);
        set(of_client_id("client1"), 9000);

        check_quota(&manager, ("userA", "client1"), 5000, 4500, false);
        check_quota(&manager, ("userA", "client2"), 4000, 4500, true);
        // All clients of the user share its quota, except one that has its own.
        check_quota(&manager, ("userA", "client3"), 4000, 0, true);
        check_quota(&manager, ("userA", "client1"), 5000, 0, false);

        check_quota(&manager, ("userB", "client1"), 7000, 8000, true);
        check_quota(&manager, ("userB", "client2"), 8000, 7000, false);
        check_quota(&manager, ("userB", "client3"), 8000, 7000, false);

        check_quota(&manager, ("userD", "client1"), 3000, 3500, true);
        check_quota(&manager, ("userD", "client2"), 3000, 2500, false);
        check_quota(&manager, ("userE", "client1"), 3000, 2500, false);

        remove(of_both(None, None));
        // Others share the new quota than the old one, so the count begins anew.
        check_quota(&manager, ("userD", "client1"), 1000, 0, false);
        check_quota(&manager, ("userE", "client4"), 1000, 1500, true);
        check_quota(&manager, ("userF", "client4"), 1000, 800, false);
        check_quota(&manager, ("userF", "client5"), 1000, 800, true);

        remove(of_user(None));
        // A quota of a client id is shared by all users.
        check_quota(&manager, ("userF", "client4"), 2000, 0, false);
        check_quota(&manager, ("userF", "client5"), 2000, 0, false);
        check_quota(&manager, ("userF", "client5"), 2000, 2500, true);
        check_quota(&manager, ("userG", "client5"), 2000, 0, true);

        set(of_user(a), 8000);
        set(of_both(a, Some("client1")), 10_000);
        check_quota(&manager, ("userA", "client2"), 8000, 0, false);
        check_quota(&manager, ("userA", "client2"), 8000, 4500, true);
        check_quota(&manager, ("userA", "client1"), 10_000, 0, false);
        check_quota(&manager, ("userA", "client1"), 10_000, 6000, true);
        remove(of_both(a, Some("client1")));
        check_quota(&manager, ("userA", "client6"), 8000, 0, true);
        set(of_both(a, Some("client6")), 11_000);
        check_quota(&manager, ("userA", "client6"), 11_000, 8500, false);
        set(of_both(a, None), 12_000);
        remove(of_both(a, Some("client6")));
        check_quota(&manager, ("userA", "client6"), 12_000, 4000, true);
    }

    /// Kafka 4.4.0 answered the same requests of one client with the same delays, but for the time
    /// that passed between them.
    #[test]
    fn each_of_the_eight_levels_gives_way_to_the_next_and_keeps_its_own_count() {
        let (_, manager) = manager_with(UNLIMITED);
        let (user, id) = (Some("alice"), Some("c1"));
        let levels = [
            (ClientQuotaEntity::user_and_client_id(user, id), 390_100),
            (ClientQuotaEntity::user_and_client_id(user, None), 390_100),
            (ClientQuotaEntity::user(user), 123_367),
            (ClientQuotaEntity::user_and_client_id(None, id), 290_075),
            (ClientQuotaEntity::user_and_client_id(None, None), 310_080),
            (ClientQuotaEntity::user(None), 123_367),
            (ClientQuotaEntity::client_id(id), 47_157),
            (ClientQuotaEntity::client_id(None), 90_025),
        ];
        for ((entity, _), quota) in levels.iter().zip(1..) {
            manager.update_quota(entity, Some(quota * 1000));
        }
        let client = UserClient { user: "alice", client_id: "c1" };
        for ((entity, throttle_time_ms), quota) in levels.iter().zip(1..) {
            assert_eq!(manager.quota(client), quota * 1000);
            assert_eq!(manager.record(client, 400_100), *throttle_time_ms, "{entity}");
            manager.update_quota(entity, None);
        }
        assert_eq!((manager.quota(client), manager.record(client, 400_100)), (UNLIMITED, 0));
        assert!(!manager.limits.is_limiting());
    }

    #[test]
    fn a_name_is_never_taken_for_another_or_for_the_default() {
        let (_, manager) = manager_with(UNLIMITED);
        let names = ["", ":", "a", "A", "a:", "a%3A", "<default>", "default"];
        let named = |it: &str| EntityName::Named(it.to_string());
        for (quota, name) in (1..).zip(names) {
            let entity =
                ClientQuotaEntity { user: Some(named(name)), client_id: Some(named(name)) };
            manager.update_quota(&entity, Some(quota));
        }
        for (quota, name) in (1..).zip(names) {
            assert_eq!(
                manager.quota(UserClient { user: name, client_id: name }),
                quota,
                "{name:?}"
            );
        }
        assert_eq!(manager.quota(UserClient { user: "a", client_id: "A" }), UNLIMITED);
        for name in names {
            assert_eq!(
                manager.record(UserClient { user: name, client_id: name }, 10),
                0,
                "{name:?}"
            );
        }
        assert_eq!(clients(&manager), names.len());
    }

    /// Port of `ClientQuotaManagerTest.testQuotaViolation`.
    #[test]
    fn a_client_over_its_quota_is_answered_when_the_rate_is_right_again() {
        let (time, manager) = manager_with(500);
        for _ in 0..10 {
            assert_eq!(record(&manager, "unknown", 400).try_recv(), Ok(0));
            time.sleep(1000);
        }
        assert_eq!(manager.delay_queue_size(), 0);
        time.sleep(500);
        // 6300 bytes in 10.5 s are 600 bytes/s: 100 too many, a fifth of 500; so a fifth of 10.5 s.
        let answered = record(&manager, "unknown", 2300);
        assert_eq!(manager.delay_queue_size(), 1);
        time.sleep(2099);
        manager.do_work(NOW);
        assert!(answered.try_recv().is_err());
        time.sleep(1);
        manager.do_work(NOW);
        assert_eq!(answered.try_recv(), Ok(2100));
        assert_eq!(manager.delay_queue_size(), 0);
        for _ in 0..10 {
            // Still too fast, until the 2300 bytes no longer count.
            let _delayed = record(&manager, "unknown", 400);
            time.sleep(1000);
        }
        assert_eq!(record(&manager, "unknown", 0).try_recv(), Ok(0));
        let counted =
            [&manager.metrics.produce_throttles, &manager.metrics.produce_throttle_time_ms];
        assert!(counted[0].value() >= 1);
        assert!(counted[1].value() >= 2100);
    }

    #[test]
    fn a_client_that_waits_by_itself_is_answered_at_once_and_muted_for_the_delay() {
        let (time, manager) = manager_with(1000);
        let (sender, events) = mpsc::channel();
        let (answer, unmute) = (sender.clone(), sender);
        manager.record_and_maybe_throttle(
            client("new"),
            11_000,
            &Arc::default(),
            Some(move |delay_ms| unmute.send(("unmuted", delay_ms)).unwrap()),
            move |delay_ms| answer.send(("answered", delay_ms)).unwrap(),
        );
        assert_eq!(events.try_recv(), Ok(("answered", 1000)));
        manager.do_work(NOW);
        assert!(events.try_recv().is_err());
        time.sleep(1000);
        manager.do_work(NOW);
        assert_eq!(events.try_recv(), Ok(("unmuted", 1000)));
    }

    #[test]
    fn exactly_the_quota_is_no_violation() {
        let (_, manager) = manager_with(1000);
        assert_eq!(manager.record(client("a"), 10_000), 0);
        assert_eq!(manager.record(client("a"), 1), 1);
    }

    #[test]
    fn one_client_pays_for_itself_alone_and_the_empty_id_is_a_client() {
        let (_, manager) = manager_with(1000);
        assert!(manager.record(client(""), 1_000_000) > 0);
        assert_eq!(manager.record(client("other"), 1000), 0);
        assert!(manager.record(client(""), 0) > 0);
    }

    #[test]
    fn a_client_without_a_quota_leaves_no_trace() {
        let (_, manager) = manager_with(UNLIMITED);
        assert_eq!(manager.record(client("a"), 1_000_000), 0);
        manager.update_quota(&of_client_id("b"), Some(1));
        assert_eq!(manager.record(client("a"), 1_000_000), 0);
        assert_eq!(clients(&manager), 0);
        assert!(manager.record(client("b"), 1_000_000) > 0);
        assert_eq!(clients(&manager), 1);
        manager.update_quota(&of_client_id("b"), None);
        assert_eq!(manager.record(client("b"), 1_000_000), 0);
    }

    #[test]
    fn the_default_of_the_run_time_stands_between_an_override_and_the_settings() {
        let (_, manager) = manager_with(100);
        manager.update_quota(&ClientQuotaEntity::client_id(None), Some(200));
        manager.update_quota(&of_client_id("a"), Some(300));
        assert_eq!([manager.quota(client("a")), manager.quota(client("b"))], [300, 200]);
        manager.update_quota(&ClientQuotaEntity::client_id(None), None);
        assert_eq!([manager.quota(client("a")), manager.quota(client("b"))], [300, 100]);
        manager.update_quota(&ClientQuotaEntity::client_id(None), Some(UNLIMITED));
        assert_eq!([manager.quota(client("a")), manager.quota(client("b"))], [300, UNLIMITED]);
        manager.update_quota(&of_client_id("a"), None);
        assert_eq!([manager.quota(client("a")), manager.quota(client("b"))], [UNLIMITED; 2]);
        let (_, manager) = manager_with(UNLIMITED);
        manager.update_quota(&of_client_id("a"), Some(300));
        assert!(manager.limits.is_limiting());
        manager.update_quota(&of_client_id("a"), None);
        assert!(!manager.limits.is_limiting());
    }

    #[test]
    fn a_delay_is_as_long_as_can_be_said_and_no_longer() {
        let (_, mut manager) = manager_with(1);
        assert_eq!(manager.record(client("a"), u64::MAX), i32::MAX);
        manager.config.throttle_time_max_ms = 600_000;
        assert_eq!(manager.record(client("a"), 0), 600_000);
    }

    /// Port of `ClientQuotaManagerTest.testExpireQuotaSensors`.
    #[test]
    fn a_client_that_is_silent_for_an_hour_is_forgotten() {
        let (time, manager) = manager_with(1000);
        manager.record(client("silent"), 1);
        time.sleep(INACTIVE_SENSOR_EXPIRATION_TIME_MS - 1);
        manager.record(client("active"), 1);
        manager.do_work(NOW);
        assert_eq!(clients(&manager), 2);
        time.sleep(EXPIRE_SENSORS_INTERVAL_MS);
        manager.do_work(NOW);
        assert_eq!(clients(&manager), 1);
        time.sleep(INACTIVE_SENSOR_EXPIRATION_TIME_MS);
        manager.do_work(NOW);
        assert_eq!(clients(&manager), 0);
        assert_eq!(locked(&manager.sensors).bytes(), 0);
        assert_eq!(manager.record(client("silent"), 1), 0);
    }

    #[test]
    fn a_flood_of_client_ids_takes_no_more_memory_than_is_set_aside() {
        let (time, manager) = manager_with(1000);
        manager.record(client("first"), 1_000_000);
        let mut most = 0;
        for number in 0..50_000 {
            manager.record(client(&format!("made-up-{number}")), 1);
            most = most.max(locked(&manager.sensors).bytes());
        }
        assert!(most <= SENSORS_BYTES_MAX, "{most}");
        assert!(most > SENSORS_BYTES_MAX / 2, "{most}");
        // Those that no longer count make room first: nobody who does count is forgotten.
        time.sleep(60_000);
        assert!(manager.record(client("honest"), 1_000_000) > 0);
        let long = "x".repeat(30_000);
        for number in 0..100 {
            manager.record(client(&format!("{long}{number}")), 1);
        }
        assert!(manager.record(client("honest"), 0) > 0);
        assert!(locked(&manager.sensors).bytes() <= SENSORS_BYTES_MAX);
    }

    #[test]
    fn a_response_that_is_held_back_goes_to_a_client_that_hangs_up_at_once_and_once() {
        let (time, manager) = manager_with(1000);
        let (sender, answers) = mpsc::channel();
        let hold = |hang_up: &Arc<HangUp>| {
            let answer = sender.clone();
            let callback = move |delay_ms| answer.send(delay_ms).unwrap();
            manager.record_and_maybe_throttle(
                client("old"),
                11_000,
                hang_up,
                None::<fn(i32)>,
                callback,
            );
        };
        let (early, late): (Arc<HangUp>, Arc<HangUp>) = Default::default();
        assert!(!early.note(Ending::HalfClosed));
        hold(&early);
        assert_eq!(answers.try_recv(), Ok(1000), "it had hung up before");
        hold(&late);
        assert!(answers.try_recv().is_err());
        assert!(late.note(Ending::Gone));
        late.tell();
        assert_eq!(answers.try_recv(), Ok(12_000));
        time.sleep(20_000);
        manager.do_work(NOW);
        manager.do_work(NOW);
        assert_eq!((answers.try_recv().ok(), manager.delay_queue_size()), (None, 0));
    }

    #[test]
    fn the_reaper_survives_a_callback_that_panics_and_shutdown_ends_every_delay() {
        let (time, manager) = manager_with(1);
        let (sender, receiver) = mpsc::channel();
        let bytes = 1_000_000;
        let panics = |_| panic!("as this test wants");
        record_by(&manager, "a", bytes, panics);
        time.sleep(i64::from(i32::MAX));
        manager.do_work(NOW);
        assert_eq!(manager.delay_queue_size(), 0);
        let late = sender.clone();
        let answer = move |delay_ms| sender.send(delay_ms).unwrap();
        record_by(&manager, "a", bytes, answer);
        assert!(receiver.try_recv().is_err());
        manager.shutdown();
        assert!(receiver.try_recv().unwrap() > 0);
        let answer = move |delay_ms| late.send(delay_ms).unwrap();
        record_by(&manager, "a", bytes, answer);
        assert!(receiver.try_recv().unwrap() > 0);
    }

    #[test]
    fn the_reaper_thread_bears_kafkas_name_and_ends_with_the_manager() {
        let config = ClientQuotaManagerConfig {
            quota_bytes_per_second_default: 1_000_000,
            rate: RATE,
            throttle_time_max_ms: i64::MAX,
        };
        let time = Arc::new(crate::common::time::SystemTime::new());
        let manager =
            ClientQuotaManager::new(QuotaType::Fetch, config, time, Arc::default()).unwrap();
        let (sender, receiver) = mpsc::channel();
        // 1 ms too many.
        let callback = move |delay_ms| {
            sender.send((delay_ms, thread::current().name().map(str::to_string))).unwrap();
        };
        let bytes = 10_001_000;
        record_by(&manager, "a", bytes, callback);
        let (delay_ms, name) = receiver.recv_timeout(Duration::from_secs(30)).unwrap();
        assert_eq!((delay_ms, name.as_deref()), (1, Some("ThrottledRequestReaper-Fetch")));
        manager.shutdown();
    }
}
