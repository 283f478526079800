//! Port of `kafka.server.ReplicationQuotaManager`: how many bytes per second replication may move, so that brokers
//! that catch up leave room for clients.
//!
//! Only a replica that is not in sync is held back, and of topics only those that name it in
//! `leader.replication.throttled.replicas` or the follower's.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use crate::common::lock::{locked, read_locked, write_locked};
use crate::common::rate::{Rate, RateConfig};
use crate::common::time::Time;
use crate::common::topic_partition::TopicAndPartition;
use crate::config::dynamic_config::BrokerReconfigurable;
use crate::config::kafka_config::KafkaConfig;
use crate::config::log_config::LogConfig;

/// No limit, which is the default.
pub const UNLIMITED_QUOTA: i64 = i64::MAX;
/// That of `replication.quota.window.num` and of `replication.quota.window.size.seconds`.
const WINDOW_DEFAULT: RateConfig = RateConfig { samples: 11, sample_ms: 1000 };

/// Both directions of a broker's replication. They follow the settings of the broker.
pub struct ReplicationQuotaManagers {
    /// For what others copy from here.
    pub leader: ReplicationQuotaManager,
    /// For what is copied from others.
    pub follower: ReplicationQuotaManager,
}

impl ReplicationQuotaManagers {
    /// Without a limit.
    pub fn new(time: &Arc<dyn Time>) -> Self {
        let manager = || ReplicationQuotaManager::new(WINDOW_DEFAULT, Arc::clone(time));
        Self { leader: manager(), follower: manager() }
    }

    /// Throttles what the settings of a topic say of this broker's replicas.
    pub fn update_topic(&self, topic: &str, config: &LogConfig, broker_id: i32) {
        let parse = |setting: &str| ThrottledPartitions::parse(setting, broker_id);
        self.leader.throttle(topic, parse(&config.leader_replication_throttled_replicas));
        self.follower.throttle(topic, parse(&config.follower_replication_throttled_replicas));
    }

    /// Throttles nothing of this topic any more.
    pub fn remove_topic(&self, topic: &str) {
        self.leader.remove_throttle(topic);
        self.follower.remove_throttle(topic);
    }
}

impl BrokerReconfigurable for ReplicationQuotaManagers {
    fn reconfigure(&self, _: &KafkaConfig, new: &KafkaConfig) {
        let window = RateConfig {
            samples: new.replication_quota_window_num,
            sample_ms: new.replication_quota_window_size_seconds.saturating_mul(1000),
        };
        self.leader.update_window(window);
        self.follower.update_window(window);
        self.leader.update_quota(new.leader_replication_throttled_rate);
        self.follower.update_quota(new.follower_replication_throttled_rate);
    }
}

/// The bytes of one direction.
pub struct ReplicationQuotaManager {
    time: Arc<dyn Time>,
    /// In bytes per second.
    quota: AtomicI64,
    /// By topic. Replaced as a whole entry.
    throttled: RwLock<HashMap<String, ThrottledPartitions>>,
    /// Whether any is, so that a replica's fetch takes no lock for each of its partitions where none is.
    has_throttled: AtomicBool,
    /// Of what is throttled.
    rate: Mutex<Rate>,
}

/// Of which partitions of a topic this broker's replica is throttled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThrottledPartitions {
    All,
    Of(BTreeSet<i32>),
}

impl ThrottledPartitions {
    /// Port of `TopicConfigHandler.parseThrottledPartitions`: those of the pairs in a topic's setting, such as
    /// `0:1,1:2`, that name this broker. `None` if there are none.
    pub fn parse(setting: &str, broker_id: i32) -> Option<Self> {
        if setting.trim() == "*" {
            return Some(Self::All);
        }
        let pairs = setting.split(',').filter_map(|pair| pair.trim().split_once(':'));
        let ours = pairs.filter(|(_, broker)| broker.parse() == Ok(broker_id));
        let partitions: BTreeSet<i32> =
            ours.filter_map(|(partition, _)| partition.parse().ok()).collect();
        (!partitions.is_empty()).then_some(Self::Of(partitions))
    }

    fn contain(&self, partition: i32) -> bool {
        match self {
            Self::All => true,
            Self::Of(partitions) => partitions.contains(&partition),
        }
    }
}

impl ReplicationQuotaManager {
    /// Without a limit.
    pub fn new(config: RateConfig, time: Arc<dyn Time>) -> Self {
        Self {
            time,
            quota: AtomicI64::new(UNLIMITED_QUOTA),
            throttled: RwLock::default(),
            has_throttled: AtomicBool::new(false),
            rate: Mutex::new(Rate::new(config)),
        }
    }

    /// Limits what is throttled to `quota` bytes per second.
    pub fn update_quota(&self, quota: i64) {
        self.quota.store(quota, Ordering::Relaxed);
    }

    /// Measures anew if the window is another one.
    fn update_window(&self, config: RateConfig) {
        let mut rate = locked(&self.rate);
        if *rate.config() != config {
            *rate = Rate::new(config);
        }
    }

    fn throttle(&self, topic: &str, partitions: Option<ThrottledPartitions>) {
        match partitions {
            Some(partitions) => self.mark_throttled(topic, partitions),
            None => self.remove_throttle(topic),
        }
    }

    /// Throttles these partitions of a topic, and no others of it.
    pub fn mark_throttled(&self, topic: &str, partitions: ThrottledPartitions) {
        let mut throttled = write_locked(&self.throttled);
        throttled.insert(topic.to_string(), partitions);
        self.has_throttled.store(true, Ordering::Release);
    }

    pub fn remove_throttle(&self, topic: &str) {
        let mut throttled = write_locked(&self.throttled);
        throttled.remove(topic);
        self.has_throttled.store(!throttled.is_empty(), Ordering::Release);
    }

    pub fn is_throttled(&self, key: &TopicAndPartition) -> bool {
        if !self.has_throttled.load(Ordering::Acquire) {
            return false;
        }
        let throttled = read_locked(&self.throttled);
        throttled.get(&*key.topic).is_some_and(|it| it.contain(key.partition))
    }

    /// Whether nothing that is throttled may move now.
    pub fn is_quota_exceeded(&self) -> bool {
        let quota = self.quota.load(Ordering::Relaxed);
        quota != UNLIMITED_QUOTA && self.bytes_per_second() > quota as f64
    }

    /// Counts bytes of a partition that is throttled.
    pub fn record(&self, bytes: u64) {
        locked(&self.rate).record(bytes as f64, self.time.hi_res_clock_ms());
    }

    /// Kafka's `byte-rate` of throttled replication.
    pub fn bytes_per_second(&self) -> f64 {
        let now_ms = self.time.hi_res_clock_ms();
        locked(&self.rate).measure_simply(now_ms).per_second()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::common::mock_time::MockTime;
    use crate::config::config_reader::read_settings;

    const SECOND: RateConfig = RateConfig { samples: 10, sample_ms: 1000 };

    fn manager() -> (ReplicationQuotaManager, Arc<MockTime>) {
        let time = Arc::new(MockTime::new());
        (ReplicationQuotaManager::new(SECOND, Arc::clone(&time) as Arc<dyn Time>), time)
    }

    fn of(topic: &str, partition: i32) -> TopicAndPartition {
        TopicAndPartition::new(topic, partition)
    }

    #[test]
    fn where_nothing_is_throttled_no_lock_is_taken_to_see_that() {
        let (quota, _) = manager();
        quota.mark_throttled("one", ThrottledPartitions::All);
        quota.remove_throttle("one");
        let (sender, answer) = channel();
        thread::scope(|scope| {
            let under_change = write_locked(&quota.throttled);
            let quota = &quota;
            scope.spawn(move || sender.send(quota.is_throttled(&of("one", 0))));
            let answer = answer.recv_timeout(Duration::from_secs(10));
            drop(under_change);
            assert_eq!(answer, Ok(false));
        });
    }

    /// Port of `ReplicationQuotaManagerTest.shouldThrottleOnlyDefinedReplicas`.
    #[test]
    fn only_named_replicas_are_throttled() {
        let (quota, _) = manager();
        quota.mark_throttled("one", ThrottledPartitions::Of([1, 2, 3].into()));
        for partition in [1, 2, 3] {
            assert!(quota.is_throttled(&of("one", partition)));
        }
        assert!(!quota.is_throttled(&of("one", 4)) && !quota.is_throttled(&of("two", 1)));
        quota.remove_throttle("one");
        assert!(!quota.is_throttled(&of("one", 1)));
    }

    /// Port of `ReplicationQuotaManagerTest.shouldSupportWildcardThrottledReplicas`.
    #[test]
    fn a_star_throttles_every_replica_of_its_topic() {
        let (quota, _) = manager();
        quota.mark_throttled("one", ThrottledPartitions::parse("*", 1).unwrap());
        assert!(quota.is_throttled(&of("one", 0)) && quota.is_throttled(&of("one", 1_000)));
        assert!(!quota.is_throttled(&of("two", 0)));
    }

    #[test]
    fn of_a_list_the_pairs_of_this_broker_count() {
        let parse = |text| ThrottledPartitions::parse(text, 1);
        assert_eq!(parse("0:1, 2:1,1:2,3:11"), Some(ThrottledPartitions::Of([0, 2].into())));
        assert_eq!((parse(""), parse("0:2"), parse(",")), (None, None, None));
    }

    /// Port of `ReplicationQuotaManagerTest.shouldExceedQuotaThenReturnBackBelowBoundAsTimePasses`.
    #[test]
    fn a_quota_is_exceeded_until_enough_time_has_passed() {
        let (quota, time) = manager();
        quota.update_quota(100);
        assert!(!quota.is_quota_exceeded());
        // The first byte begins the window.
        quota.record(1);
        time.sleep(1_500);
        quota.record(149);
        assert!(!quota.is_quota_exceeded(), "150 bytes in 1.5 s");
        quota.record(1);
        assert!(quota.is_quota_exceeded(), "151 bytes in 1.5 s");
        time.sleep(500);
        assert!(!quota.is_quota_exceeded());
        assert!((quota.bytes_per_second() - 75.5).abs() < 0.1, "151 bytes in 2 s");
        time.sleep(500);
        quota.record(99);
        assert!(!quota.is_quota_exceeded(), "250 bytes in 2.5 s");
        quota.record(1);
        assert!(quota.is_quota_exceeded(), "251 bytes in 2.5 s");
        time.sleep(2_000);
        assert!((quota.bytes_per_second() - 251.0 / 4.5).abs() < 0.1);
    }

    #[test]
    fn quotas_follow_the_settings_of_the_broker_and_of_its_topics() {
        let time = Arc::new(MockTime::new()) as Arc<dyn Time>;
        let quotas = ReplicationQuotaManagers::new(&time);
        let config = |settings: [(&str, &str); 3]| read_settings(settings).unwrap();
        let settings = config([
            ("leader.replication.throttled.rate", "1000"),
            ("follower.replication.throttled.rate", "10"),
            ("replication.quota.window.size.seconds", "2"),
        ]);
        quotas.reconfigure(&KafkaConfig::default(), &settings);
        quotas.leader.record(2_001);
        quotas.follower.record(20);
        assert!(quotas.leader.is_quota_exceeded() && !quotas.follower.is_quota_exceeded());

        let overrides = [("leader.replication.throttled.replicas", "3:7")];
        let overrides = overrides.map(|(name, value)| (name.to_string(), value.to_string()));
        let (topic, passed_over) = LogConfig::default().with_known_overrides(&overrides.into());
        assert!(passed_over.is_empty());
        quotas.update_topic("one", &topic, 7);
        assert!(quotas.leader.is_throttled(&of("one", 3)));
        assert!(!quotas.follower.is_throttled(&of("one", 3)));
        quotas.update_topic("one", &LogConfig::default(), 7);
        assert!(!quotas.leader.is_throttled(&of("one", 3)));
    }

    #[test]
    fn without_a_limit_nothing_is_too_much() {
        let (quota, _) = manager();
        quota.record(u64::MAX);
        assert!(!quota.is_quota_exceeded());
        quota.update_quota(1);
        assert!(quota.is_quota_exceeded());
        quota.update_quota(UNLIMITED_QUOTA);
        assert!(!quota.is_quota_exceeded());
    }
}
