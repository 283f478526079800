//! Port of `kafka.server.ClientQuotaManager`: how many bytes per second each client may produce, or
//! fetch, and the delay that keeps it to that.
//!
//! A client is who names itself by a client id; the empty id is one too. Who has no quota costs
//! nothing: no memory, and no lock as long as nobody has one (KAFKA-5402).
//!
//! The delay is Kafka's, and so is what it cannot do: it brings the rate of the window down to the
//! quota. One response larger than the quota of a whole window leaves the window before its bytes
//! are paid for, so who fetches in such pieces gets up to twice its quota.
//!
//! Clients choose their ids, so the memory for them is bounded: those that have been silent for an
//! hour are forgotten, as in Kafka, and when [`SENSORS_BYTES_MAX`] is reached, all whose bytes no
//! longer count, which changes no delay. If there are none of those, everybody begins anew: a flood
//! of made-up ids escapes every quota anyway.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use log::debug;
use log::error;
use log::warn;

use crate::common::errors::KafkaError;
use crate::common::metrics::{Counter, Metrics};
use crate::common::rate::{Measured, Rate, RateConfig};
use crate::common::time::Time;
use crate::config::client_config_override::QuotaType;
use crate::server::quota::throttled_response::{Callback, DelayQueue, ThrottledResponse};

/// The most memory for what clients have sent or got, in bytes: some ten thousand clients.
const SENSORS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Kafka's `InactiveSensorExpirationTimeSeconds`: a client that has been silent for so long is
/// forgotten.
const INACTIVE_SENSOR_EXPIRATION_TIME_MS: i64 = 3600 * 1000;
/// How often such clients are looked for, in milliseconds.
const EXPIRE_SENSORS_INTERVAL_MS: i64 = 30 * 1000;
/// Kafka's `delayQueue.poll(1, TimeUnit.SECONDS)`.
const REAPER_TIMEOUT: Duration = Duration::from_secs(1);
/// The quota of who has none, in bytes per second.
pub const UNLIMITED: i64 = i64::MAX;

/// What a manager is told at the start.
#[derive(Clone, Debug)]
pub struct ClientQuotaManagerConfig {
    /// The quota of a client for which nobody has set one, in bytes per second.
    pub quota_bytes_per_second_default: i64,
    /// `quota.window.num` and `quota.window.size.seconds`.
    pub rate: RateConfig,
    /// The longest delay, in milliseconds: a connection that is silent for longer is closed, so
    /// nobody would hear the answer.
    pub throttle_time_max_ms: i32,
}

/// The quotas of all clients, for one thing they do.
pub struct ClientQuotaManager {
    quota_type: QuotaType,
    config: ClientQuotaManagerConfig,
    quotas: RwLock<Quotas>,
    /// Whether anybody has a quota, so that nobody else need ask.
    is_limiting: AtomicBool,
    sensors: Mutex<Sensors>,
    delay_queue: DelayQueue,
    time: Arc<dyn Time>,
    metrics: Arc<Metrics>,
    throttled_request_reaper: Mutex<Option<JoinHandle<()>>>,
}

/// Who may do how much, in bytes per second.
#[derive(Debug, Default)]
struct Quotas {
    default: Option<i64>,
    by_client_id: HashMap<String, i64>,
}

/// What clients have done lately.
#[derive(Debug, Default)]
struct Sensors {
    by_client_id: HashMap<String, ClientSensor>,
    bytes: usize,
    expired_at_ms: i64,
}

#[derive(Debug)]
struct ClientSensor {
    rate: Rate,
    last_record_ms: i64,
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
        let thread = thread::Builder::new().name(reaper_name(quota_type));
        let reaper = thread.spawn(move || reaped.reap())?;
        *manager.throttled_request_reaper.lock().expect(NOT_POISONED) = Some(reaper);
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
            is_limiting: AtomicBool::new(config.quota_bytes_per_second_default != UNLIMITED),
            config,
            quotas: RwLock::default(),
            sensors: Mutex::default(),
            delay_queue: DelayQueue::new(Arc::clone(&time)),
            time,
            metrics,
            throttled_request_reaper: Mutex::new(None),
        }
    }

    /// Records that a client has done `bytes`, and calls `callback` with the delay that brings it
    /// back to its quota, in milliseconds: at once with 0 if it is within its quota, else when the
    /// delay has passed.
    ///
    /// The bytes are recorded before the check, so those of a throttled request count as well.
    ///
    /// With `end_of_mute` the client knows how to wait by itself (KIP-219). Then `callback` is
    /// called at once in any case, and answers; and when the delay has passed, `end_of_mute`.
    pub fn record_and_maybe_throttle<E, C>(
        &self,
        client_id: &str,
        bytes: u64,
        end_of_mute: Option<E>,
        callback: C,
    ) where
        E: FnOnce(i32) + Send + 'static,
        C: FnOnce(i32) + Send + 'static,
    {
        let throttle_time_ms = self.record(client_id, bytes);
        match end_of_mute {
            _ if throttle_time_ms == 0 => callback(0),
            Some(end_of_mute) => {
                callback(throttle_time_ms);
                self.throttle(throttle_time_ms, Box::new(end_of_mute));
            }
            None => self.throttle(throttle_time_ms, Box::new(callback)),
        }
    }

    /// Records that a client has done `bytes`, and returns its delay in milliseconds: 0 within its
    /// quota.
    fn record(&self, client_id: &str, bytes: u64) -> i32 {
        let bound = self.quota(client_id);
        if bound == UNLIMITED {
            return 0;
        }
        let now_ms = self.time.hi_res_clock_ms();
        let measured = self.lock_sensors().record(client_id, bytes, now_ms, &self.config.rate);
        let throttle_time_ms =
            throttle_time_ms(measured, bound).min(self.config.throttle_time_max_ms);
        if throttle_time_ms > 0 {
            let quota_type = self.quota_type.name();
            debug!(
                "ClientQuotaManager.recordAndMaybeThrottle: {quota_type} of {client_id:?}: \
                 {:.0} bytes/s of {bound}: delayed by {throttle_time_ms} ms",
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

    /// Calls `callback` when `throttle_time_ms` have passed; at once after a shutdown.
    fn throttle(&self, throttle_time_ms: i32, callback: Callback) {
        let response = ThrottledResponse::new(throttle_time_ms, callback);
        if let Err(response) = self.delay_queue.add(response) {
            execute(response);
        }
    }

    /// Whether the client has a quota, so that its bytes count.
    pub fn limits(&self, client_id: &str) -> bool {
        self.quota(client_id) != UNLIMITED
    }

    /// How many bytes per second the client may do: its own quota, else the default one that was
    /// set at run time, else that of the settings. [`UNLIMITED`] is no quota.
    pub fn quota(&self, client_id: &str) -> i64 {
        let default = self.config.quota_bytes_per_second_default;
        if !self.is_limiting.load(Ordering::Acquire) {
            return default;
        }
        let quotas = self.quotas.read().expect(NOT_POISONED);
        quotas.by_client_id.get(client_id).copied().or(quotas.default).unwrap_or(default)
    }

    /// Gives a client, or with `None` every client that has none of its own, another quota in bytes
    /// per second, or takes it away. It holds from the next request on, with the bytes of the last
    /// seconds counted in.
    ///
    /// Kafka 0.9 forgot an override that is equal to the default. Here the default can change, so
    /// it is kept.
    pub fn update_quota(&self, client_id: Option<&str>, quota: Option<i64>) {
        let mut quotas = self.quotas.write().expect(NOT_POISONED);
        match (client_id, quota) {
            (None, quota) => quotas.default = quota,
            (Some(client_id), Some(quota)) => {
                quotas.by_client_id.insert(client_id.to_string(), quota);
            }
            (Some(client_id), None) => {
                quotas.by_client_id.remove(client_id);
            }
        }
        let default = quotas.default.unwrap_or(self.config.quota_bytes_per_second_default);
        let is_limiting = default != UNLIMITED || !quotas.by_client_id.is_empty();
        self.is_limiting.store(is_limiting, Ordering::Release);
    }

    /// How many responses are held back, and channels muted.
    pub fn delay_queue_size(&self) -> usize {
        self.delay_queue.size()
    }

    /// Stops the reaper and ends all delays. Kafka forgets what still waits; here it is answered,
    /// though by then there is nobody left to hear it.
    pub fn shutdown(&self) {
        for response in self.delay_queue.close() {
            execute(response);
        }
        let reaper = self.throttled_request_reaper.lock().expect(NOT_POISONED).take();
        if reaper.is_some_and(|reaper| reaper.join().is_err()) {
            error!("{} ended by a panic", reaper_name(self.quota_type));
        }
    }

    /// The body of the thread.
    fn reap(&self) {
        while !self.delay_queue.is_closed() {
            self.do_work(REAPER_TIMEOUT);
        }
    }

    /// Answers the next client whose delay has passed, waiting up to `timeout` for one; and forgets
    /// silent clients, if it is time to.
    fn do_work(&self, timeout: Duration) {
        if let Some(response) = self.delay_queue.poll(timeout) {
            execute(response);
        }
        self.lock_sensors().maybe_expire(self.time.hi_res_clock_ms());
    }

    fn lock_sensors(&self) -> MutexGuard<'_, Sensors> {
        self.sensors.lock().expect(NOT_POISONED)
    }
}

impl Sensors {
    fn record(
        &mut self,
        client_id: &str,
        bytes: u64,
        now_ms: i64,
        config: &RateConfig,
    ) -> Measured {
        if !self.by_client_id.contains_key(client_id) {
            self.make_room(client_id, now_ms, config);
            let sensor = ClientSensor { rate: Rate::new(*config), last_record_ms: now_ms };
            self.by_client_id.insert(client_id.to_string(), sensor);
            self.bytes += bytes_of(client_id, config);
        }
        let sensor = self.by_client_id.get_mut(client_id).expect("it is there or was inserted");
        sensor.last_record_ms = now_ms;
        sensor.rate.record(bytes as f64, now_ms);
        sensor.rate.measure(now_ms)
    }

    /// Sees to it that one more client fits. It looks at all clients at most once for as many that
    /// come as half the room takes, so a flood of them costs each a constant time.
    fn make_room(&mut self, client_id: &str, now_ms: i64, config: &RateConfig) {
        let needed = bytes_of(client_id, config);
        if self.bytes + needed <= SENSORS_BYTES_MAX {
            return;
        }
        self.by_client_id.retain(|_, sensor| !sensor.rate.is_obsolete(now_ms));
        self.bytes = self.by_client_id.keys().map(|it| bytes_of(it, config)).sum();
        if self.bytes + needed > SENSORS_BYTES_MAX / 2 {
            let clients = self.by_client_id.len();
            warn!("Too many client ids: the rates of {clients} clients begin anew");
            *self = Self { expired_at_ms: self.expired_at_ms, ..Self::default() };
        }
    }

    /// Forgets clients that have been silent for long: Kafka's `ExpireSensorTask`.
    fn maybe_expire(&mut self, now_ms: i64) {
        if now_ms - self.expired_at_ms < EXPIRE_SENSORS_INTERVAL_MS {
            return;
        }
        self.expired_at_ms = now_ms;
        let is_active = |sensor: &ClientSensor| {
            now_ms - sensor.last_record_ms < INACTIVE_SENSOR_EXPIRATION_TIME_MS
        };
        let bytes = &mut self.bytes;
        self.by_client_id.retain(|client_id, sensor| {
            let is_kept = is_active(sensor);
            if !is_kept {
                *bytes -= bytes_of(client_id, sensor.rate.config());
            }
            is_kept
        });
        self.by_client_id.shrink_to_fit();
    }
}

fn reaper_name(quota_type: QuotaType) -> String {
    format!("ThrottledRequestReaper-{}", quota_type.name())
}

/// What a client costs in memory, at most.
fn bytes_of(client_id: &str, config: &RateConfig) -> usize {
    // A map keeps up to twice as many places as it has entries.
    let entry = 2 * size_of::<(String, ClientSensor)>();
    client_id.len().saturating_add(entry).saturating_add(Rate::size_max_bytes(config))
}

/// For how long a client must be silent so that its rate comes down to `bound`: Kafka's
/// (rate - bound) / bound * window, without dividing by a window that may be empty. A delay too
/// long for 32 bits is the longest there is (in Kafka 0.9 it could wrap round to none).
fn throttle_time_ms(measured: Measured, bound: i64) -> i32 {
    let allowed_ms = measured.total * 1000.0 / bound as f64;
    (allowed_ms - measured.window_ms as f64).round().max(0.0) as i32
}

/// Runs a callback, whose panic concerns nobody else.
fn execute(response: ThrottledResponse) {
    if catch_unwind(AssertUnwindSafe(|| response.execute())).is_err() {
        error!("ThrottledRequestReaper: a response ended in a panic");
    }
}

const NOT_POISONED: &str = "no thread panics while it holds a lock of the quotas";

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::common::mock_time::MockTime;

    const RATE: RateConfig = RateConfig { samples: 11, sample_ms: 1000 };
    const NOW: Duration = Duration::ZERO;

    fn manager_with(default: i64) -> (Arc<MockTime>, ClientQuotaManager) {
        let config = ClientQuotaManagerConfig {
            quota_bytes_per_second_default: default,
            rate: RATE,
            throttle_time_max_ms: i32::MAX,
        };
        let (time, metrics) = (Arc::new(MockTime::new()), Arc::default());
        let manager =
            ClientQuotaManager::without_reaper(QuotaType::Produce, config, time.clone(), metrics);
        (time, manager)
    }

    /// Records and returns a receiver that gets the delay when the callback is called.
    fn record(manager: &ClientQuotaManager, client_id: &str, bytes: u64) -> mpsc::Receiver<i32> {
        let (sender, receiver) = mpsc::channel();
        let callback = move |delay_ms| sender.send(delay_ms).unwrap();
        manager.record_and_maybe_throttle(client_id, bytes, None::<fn(i32)>, callback);
        receiver
    }

    fn clients(manager: &ClientQuotaManager) -> usize {
        manager.lock_sensors().by_client_id.len()
    }

    /// Port of `ClientQuotaManagerTest.testQuotaParsing`.
    #[test]
    fn an_override_holds_at_once_and_its_removal_resets() {
        let (_, manager) = manager_with(500);
        manager.update_quota(Some("p1"), Some(2000));
        manager.update_quota(Some("p2"), Some(4000));
        assert_eq!(["p1", "p2", "p3", ""].map(|it| manager.quota(it)), [2000, 4000, 500, 500]);
        assert!(manager.record("p1", 2500 * 11) > 0);
        manager.update_quota(Some("p1"), Some(3000));
        assert_eq!(manager.quota("p1"), 3000);
        assert_eq!(manager.record("p1", 0), 0);
        manager.update_quota(Some("p1"), Some(500));
        assert_eq!(manager.quota("p1"), 500);
        let throttled_ms = manager.record("p1", 0);
        assert!(throttled_ms > 0);
        manager.update_quota(Some("p1"), Some(3000));
        assert_eq!(manager.record("p1", 0), 0);
        // Kafka 0.9 would go on with 3000 until its next start (KAFKA-4158).
        manager.update_quota(Some("p1"), None);
        assert_eq!(manager.quota("p1"), 500);
        assert_eq!(manager.record("p1", 0), throttled_ms);
    }

    /// Port of `ClientQuotaManagerTest.testQuotaViolation`.
    #[test]
    fn who_exceeds_its_quota_is_answered_when_the_rate_is_right_again() {
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
            "new",
            11_000,
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
        assert_eq!(manager.record("a", 10_000), 0);
        assert_eq!(manager.record("a", 1), 1);
    }

    #[test]
    fn one_client_pays_for_itself_alone_and_the_empty_id_is_a_client() {
        let (_, manager) = manager_with(1000);
        assert!(manager.record("", 1_000_000) > 0);
        assert_eq!(manager.record("other", 1000), 0);
        assert!(manager.record("", 0) > 0);
    }

    #[test]
    fn who_has_no_quota_leaves_no_trace() {
        let (_, manager) = manager_with(UNLIMITED);
        assert_eq!(manager.record("a", 1_000_000), 0);
        manager.update_quota(Some("b"), Some(1));
        assert_eq!(manager.record("a", 1_000_000), 0);
        assert_eq!(clients(&manager), 0);
        assert!(manager.record("b", 1_000_000) > 0);
        assert_eq!(clients(&manager), 1);
        manager.update_quota(Some("b"), None);
        assert_eq!(manager.record("b", 1_000_000), 0);
    }

    #[test]
    fn the_default_of_the_run_time_stands_between_an_override_and_the_settings() {
        let (_, manager) = manager_with(100);
        manager.update_quota(None, Some(200));
        manager.update_quota(Some("a"), Some(300));
        assert_eq!([manager.quota("a"), manager.quota("b")], [300, 200]);
        manager.update_quota(None, None);
        assert_eq!([manager.quota("a"), manager.quota("b")], [300, 100]);
        manager.update_quota(None, Some(UNLIMITED));
        assert_eq!([manager.quota("a"), manager.quota("b")], [300, UNLIMITED]);
        manager.update_quota(Some("a"), None);
        assert!(!manager.is_limiting.load(Ordering::Acquire));
    }

    #[test]
    fn a_delay_is_as_long_as_can_be_said_and_no_longer() {
        let (_, mut manager) = manager_with(1);
        assert_eq!(manager.record("a", u64::MAX), i32::MAX);
        manager.config.throttle_time_max_ms = 600_000;
        assert_eq!(manager.record("a", 0), 600_000);
    }

    #[test]
    fn a_client_that_is_silent_for_an_hour_is_forgotten() {
        let (time, manager) = manager_with(1000);
        manager.record("silent", 1);
        time.sleep(INACTIVE_SENSOR_EXPIRATION_TIME_MS - 1);
        manager.record("active", 1);
        manager.do_work(NOW);
        assert_eq!(clients(&manager), 2);
        time.sleep(EXPIRE_SENSORS_INTERVAL_MS);
        manager.do_work(NOW);
        assert_eq!(clients(&manager), 1);
        time.sleep(INACTIVE_SENSOR_EXPIRATION_TIME_MS);
        manager.do_work(NOW);
        assert_eq!(clients(&manager), 0);
        assert_eq!(manager.lock_sensors().bytes, 0);
        assert_eq!(manager.record("silent", 1), 0);
    }

    #[test]
    fn a_flood_of_client_ids_takes_no_more_memory_than_is_set_aside() {
        let (time, manager) = manager_with(1000);
        manager.record("first", 1_000_000);
        let mut most = 0;
        for number in 0..50_000 {
            manager.record(&format!("made-up-{number}"), 1);
            most = most.max(manager.lock_sensors().bytes);
        }
        assert!(most <= SENSORS_BYTES_MAX, "{most}");
        assert!(most > SENSORS_BYTES_MAX / 2, "{most}");
        // Those that no longer count make room first: nobody who does count is forgotten.
        time.sleep(60_000);
        assert!(manager.record("honest", 1_000_000) > 0);
        let long = "x".repeat(30_000);
        for number in 0..100 {
            manager.record(&format!("{long}{number}"), 1);
        }
        assert!(manager.record("honest", 0) > 0);
        assert!(manager.lock_sensors().bytes <= SENSORS_BYTES_MAX);
    }

    #[test]
    fn the_reaper_survives_a_callback_that_panics_and_shutdown_ends_every_delay() {
        let (time, manager) = manager_with(1);
        let (sender, receiver) = mpsc::channel();
        let bytes = 1_000_000;
        let panics = |_| panic!("as this test wants");
        manager.record_and_maybe_throttle("a", bytes, None::<fn(i32)>, panics);
        time.sleep(i64::from(i32::MAX));
        manager.do_work(NOW);
        assert_eq!(manager.delay_queue_size(), 0);
        let late = sender.clone();
        let answer = move |delay_ms| sender.send(delay_ms).unwrap();
        manager.record_and_maybe_throttle("a", bytes, None::<fn(i32)>, answer);
        assert!(receiver.try_recv().is_err());
        manager.shutdown();
        assert!(receiver.try_recv().unwrap() > 0);
        let answer = move |delay_ms| late.send(delay_ms).unwrap();
        manager.record_and_maybe_throttle("a", bytes, None::<fn(i32)>, answer);
        assert!(receiver.try_recv().unwrap() > 0);
    }

    #[test]
    fn the_reaper_thread_bears_kafkas_name_and_ends_with_the_manager() {
        let config = ClientQuotaManagerConfig {
            quota_bytes_per_second_default: 1_000_000,
            rate: RATE,
            throttle_time_max_ms: i32::MAX,
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
        manager.record_and_maybe_throttle("a", bytes, None::<fn(i32)>, callback);
        let (delay_ms, name) = receiver.recv_timeout(Duration::from_secs(30)).unwrap();
        assert_eq!((delay_ms, name.as_deref()), (1, Some("ThrottledRequestReaper-Fetch")));
        manager.shutdown();
    }
}
