//! Port of `kafka.server.AdminManager` (Kafka 0.10.1) and `kafka.admin.AdminUtils`: the controller of
//! a cluster of one broker.

use std::sync::{Arc, Mutex};

use crate::common::errors::KafkaError;
use crate::common::lock::locked;
use crate::common::topic_partition::validate_topic_name;
use crate::config::dynamic_config::BrokerReconfigurable;
use crate::config::kafka_config::KafkaConfig;
use crate::config::log_config::LogConfig;
use crate::registry::topic_registry::{NewTopic, TopicRegistry, valid_log_config};
use crate::replica::replica_manager::ReplicaManager;
use crate::server::metadata::controller::{ConfigChange, Controller, Overrides};
use crate::server::metadata::led_topics::LedTopics;
use crate::server::metadata::topic_changes::{TopicChanges, check_more_partitions};
use crate::storage::log_manager::LogManager;

/// Changes topics, one change at a time.
pub struct AdminManager {
    num_partitions: i32,
    is_topic_deletion_enabled: bool,
    /// For checks, which do not wait for a change.
    led: Arc<LedTopics>,
    log_manager: Arc<LogManager>,
    /// Answers the requests that wait for a topic that is being deleted.
    replica_manager: Arc<ReplicaManager>,
    /// Held while a change writes to the disk. A change that panics leaves its topic as one that
    /// fails and cannot be undone: it exists, is not led, and can be deleted.
    changes: Mutex<TopicChanges>,
}

impl AdminManager {
    /// Leads the topics that the registry names, and those whose partitions lie on disk: `led` shows them.
    /// Partitions that are named and not on disk are created.
    ///
    /// # Errors
    /// If the registry cannot be written, or a log cannot be read or made.
    pub fn load(
        config: &KafkaConfig,
        registry: TopicRegistry,
        led: Arc<LedTopics>,
        log_manager: Arc<LogManager>,
        replica_manager: Arc<ReplicaManager>,
    ) -> Result<Self, KafkaError> {
        let mut changes = TopicChanges {
            broker_id: config.broker_id,
            registry,
            led: Arc::clone(&led),
            log_manager: Arc::clone(&log_manager),
            replica_manager: Arc::clone(&replica_manager),
        };
        changes.lead_all()?;
        Ok(Self {
            num_partitions: config.num_partitions,
            is_topic_deletion_enabled: config.delete_topic_enable,
            led,
            log_manager,
            replica_manager,
            changes: Mutex::new(changes),
        })
    }
}

impl Controller for AdminManager {
    fn default_partitions(&self) -> i32 {
        self.num_partitions
    }

    fn is_topic_deletion_enabled(&self) -> bool {
        self.is_topic_deletion_enabled
    }

    fn check_new_topic(&self, topic: &str, overrides: &Overrides) -> Result<(), KafkaError> {
        self.led.check_new(topic)?;
        valid_log_config(&self.log_manager.default_config(), overrides).map(drop)
    }

    fn create_topics(&self, topics: Vec<NewTopic>) -> Vec<Result<[u8; 16], KafkaError>> {
        locked(&self.changes).create_all(topics)
    }

    fn delete_topic(&self, topic: &str) -> Result<i32, KafkaError> {
        let hidden = locked(&self.changes).hide(topic)?;
        // Not under the lock: answers are encoded and sent here.
        self.replica_manager.complete_waiting(&hidden.partitions);
        locked(&self.changes).delete(topic, &hidden)
    }

    fn check_more_partitions(&self, topic: &str, count: i32) -> Result<i32, KafkaError> {
        check_more_partitions(&self.led, topic, count)
    }

    fn create_partitions(&self, topic: &str, count: i32) -> Result<(), KafkaError> {
        locked(&self.changes).create_partitions(topic, count)
    }

    fn alter_topic_config(
        &self,
        topic: &str,
        validate_only: bool,
        change: ConfigChange<'_>,
    ) -> Result<(), KafkaError> {
        validate_topic_name(topic)?;
        locked(&self.changes).alter_config(topic, validate_only, change)
    }
}

/// A topic follows the broker in what it does not override. The settings of a topic that is being
/// created are read under the same lock, so that it misses none.
impl BrokerReconfigurable for AdminManager {
    fn reconfigure(&self, old: &KafkaConfig, new: &KafkaConfig) {
        let (old, new) = (LogConfig::from_broker(old), LogConfig::from_broker(new));
        if old != new {
            locked(&self.changes).follow(&new);
        }
    }
}
