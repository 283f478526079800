//! Port of `kafka.server.MetadataCache`, with the part of `kafka.admin.AdminUtils` that creates
//! topics: what the cluster of one broker looks like.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use log::{info, warn};

use crate::common::end_point::EndPoint;
use crate::common::errors::{Errors, KafkaError};
use crate::common::topic_partition::{GROUP_METADATA_TOPIC_NAME, TopicAndPartition};
use crate::config::kafka_config::KafkaConfig;
use crate::registry::topic_registry::{TopicRecord, TopicRegistry, log_config, valid_log_config};
use crate::replica::partition::LEADER_EPOCH;
use crate::replica::replica_manager::ReplicaManager;
use crate::server::metadata::dynamic_broker_config::DynamicBrokerConfig;
use crate::server::metadata::led_topics::LedTopics;
use crate::storage::log::log::Log;
use crate::storage::log_manager::LogManager;

/// The topics, and where clients reach the broker.
pub struct MetadataCache {
    /// `broker.id`.
    pub broker_id: i32,
    /// The name of this cluster of one.
    pub cluster_id: String,
    /// Whether a topic is created when a client first asks for it.
    pub is_auto_create_enabled: bool,
    /// What the file says: here are asked only settings that do not change.
    pub(crate) config: KafkaConfig,
    pub(crate) dynamic_config: Arc<DynamicBrokerConfig>,
    bound_endpoints: Vec<EndPoint>,
    advertised_endpoints: Vec<EndPoint>,
    /// All topics, on disk; for whoever holds the lock of changes.
    pub(crate) registry: TopicRegistry,
    /// Those that clients may know of.
    pub(crate) led: LedTopics,
    pub(crate) log_manager: Arc<LogManager>,
    pub(crate) replica_manager: Arc<ReplicaManager>,
    /// Held while a topic comes into being, changes or goes, so that two first uses make one topic.
    changes: Mutex<()>,
}

impl MetadataCache {
    /// Knows the topics that the registry names, and those whose partitions lie on disk.
    /// Partitions that are named and not on disk are created.
    ///
    /// # Errors
    /// If the registry or a log cannot be read or made.
    pub fn load(
        dynamic_config: &Arc<DynamicBrokerConfig>,
        bound_endpoints: &[EndPoint],
        registry: TopicRegistry,
        log_manager: Arc<LogManager>,
        replica_manager: Arc<ReplicaManager>,
    ) -> Result<Self, KafkaError> {
        let current = dynamic_config.current();
        let config = current.of_file();
        let cache = Self {
            broker_id: config.broker_id,
            cluster_id: registry.cluster_id(),
            is_auto_create_enabled: config.auto_create_topics_enable,
            config: config.clone(),
            dynamic_config: Arc::clone(dynamic_config),
            bound_endpoints: bound_endpoints.to_vec(),
            advertised_endpoints: config.effective_advertised_listeners().to_vec(),
            registry,
            led: LedTopics::default(),
            log_manager,
            replica_manager,
            changes: Mutex::new(()),
        };
        let on_disk: Vec<_> = cache
            .log_manager
            .all_logs()
            .iter()
            .map(|log| log.topic_and_partition().clone())
            .collect();
        cache.registry.adopt(&on_disk)?;
        let topics = cache.registry.topics();
        let mut logs = Vec::new();
        for (topic, record) in &topics {
            logs.extend(cache.open_logs(topic, record)?);
        }
        cache.replica_manager.become_leader(LEADER_EPOCH, logs)?;
        for (topic, record) in topics {
            cache.led.insert(&topic, record);
        }
        Ok(cache)
    }

    /// The topic, if there is one whose partitions are led.
    pub fn topic(&self, topic: &str) -> Option<Arc<TopicRecord>> {
        self.led.get(topic)
    }

    /// The name of the topic with this id.
    pub fn topic_name(&self, id: &[u8; 16]) -> Option<String> {
        self.led.name_of(id)
    }

    /// All topics whose partitions are led, by name.
    pub fn topics(&self) -> Vec<(String, Arc<TopicRecord>)> {
        self.led.all()
    }

    /// Creates the topic with `num.partitions` partitions, unless somebody just did, or is about
    /// to: for that it does not wait.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION` for an illegal name; whatever the disk reports otherwise.
    pub fn auto_create_topic(&self, topic: &str) -> Result<(), KafkaError> {
        if self.is_in_change(topic) {
            return Ok(());
        }
        match self.create_topic(topic, self.config.num_partitions, BTreeMap::new()) {
            Err(KafkaError::Api(Errors::TopicAlreadyExists, _)) => Ok(()),
            created => created.map(drop),
        }
    }

    /// Creates `__consumer_offsets`, unless it is there. Returns how many partitions it has.
    ///
    /// # Errors
    /// `LEADER_NOT_AVAILABLE` while another thread creates it: the disk keeps that one waiting, not
    /// every thread whose client asks; whatever the disk reports.
    pub fn create_group_metadata_topic(&self) -> Result<i32, KafkaError> {
        let topic = GROUP_METADATA_TOPIC_NAME;
        let settings = || group_metadata_topic_settings(&self.config);
        let is_ready = || self.led.get(topic).map(|record| record.partitions);
        if let Some(partitions) = is_ready() {
            return Ok(partitions);
        }
        if !self.is_in_change(topic) {
            match self.create_topic(topic, self.config.offsets_topic_num_partitions, settings()) {
                Err(KafkaError::Api(Errors::TopicAlreadyExists, _)) => (),
                created => return created.map(|record| record.partitions),
            }
        }
        is_ready().ok_or_else(|| {
            let why = format!("the topic {topic} is being created");
            KafkaError::api(Errors::LeaderNotAvailable, why)
        })
    }

    /// Whether a topic is known and not led: another thread creates it now, or deletes it.
    fn is_in_change(&self, topic: &str) -> bool {
        self.led.get(topic).is_none() && self.registry.get(topic).is_some()
    }

    /// Creates the topic.
    ///
    /// The registry is written first: if the process dies before the logs are made, the next start
    /// makes them. If they cannot be made, the topic is forgotten again, so that its next use tries
    /// anew. Clients see it when all of it is led.
    ///
    /// # Errors
    /// Those of [`TopicRegistry::create`]; `INVALID_CONFIG`; whatever the disk reports.
    pub fn create_topic(
        &self,
        topic: &str,
        partitions: i32,
        overrides: BTreeMap<String, String>,
    ) -> Result<TopicRecord, KafkaError> {
        let _only_one = self.lock_changes();
        valid_log_config(&self.log_manager.default_config(), &overrides)?;
        let record = self.registry.create(topic, partitions, overrides)?;
        if let Err(error) = self.lead_partitions(topic, &record) {
            let forget = || {
                self.delete_new_logs(topic, 0..partitions)?;
                self.registry.remove(topic)
            };
            if let Err(error) = forget() {
                warn!("The topic {topic} cannot be served before the next start: {error}");
            }
            return Err(error);
        }
        info!("Created the topic {topic}, partitions: {partitions}.");
        Ok(record)
    }

    /// Takes back those logs of a topic that could be made, where others could not. The next start
    /// would take one that is left for a partition.
    pub(crate) fn delete_new_logs(
        &self,
        topic: &str,
        partitions: Range<i32>,
    ) -> Result<(), KafkaError> {
        for partition in partitions {
            self.log_manager.delete_log(&TopicAndPartition::new(topic, partition))?;
        }
        Ok(())
    }

    /// Makes this broker the leader of a topic's partitions, whose logs are made where they do not
    /// exist, and then lets clients see the topic as it is in `record`.
    pub(crate) fn lead_partitions(
        &self,
        topic: &str,
        record: &TopicRecord,
    ) -> Result<(), KafkaError> {
        self.replica_manager.become_leader(LEADER_EPOCH, self.open_logs(topic, record)?)?;
        self.led.insert(topic, record.clone());
        Ok(())
    }

    /// To be held by whoever creates, changes or deletes a topic.
    pub(crate) fn lock_changes(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().expect("no thread panics while it changes a topic")
    }

    /// Where a client that has connected to `local` is told to connect: the advertised address of
    /// that listener.
    ///
    /// An empty or unspecified host means that none was configured: the address that the client has
    /// just reached us under is then the one that works for it. (Kafka tells its own host name,
    /// which the client may not resolve.)
    pub fn broker_end_point(&self, local: SocketAddr) -> (String, i32) {
        let came_by = self
            .bound_endpoints
            .iter()
            .find(|bound| bound.port == local.port())
            .or(self.bound_endpoints.first());
        let advertised = came_by.and_then(|bound| {
            self.advertised_endpoints
                .iter()
                .find(|it| it.security_protocol == bound.security_protocol)
        });
        let is_specified = |host: &str| !matches!(host, "" | "0.0.0.0" | "::");
        let host = advertised.map(|it| it.host.clone()).filter(|host| is_specified(host));
        let port = advertised.map(|it| it.port).filter(|&port| port != 0);
        (
            host.unwrap_or_else(|| local.ip().to_canonical().to_string()),
            i32::from(port.unwrap_or(local.port())),
        )
    }

    /// The logs of all partitions of a topic, made where they do not exist.
    fn open_logs(
        &self,
        topic: &str,
        record: &TopicRecord,
    ) -> Result<Vec<(TopicAndPartition, Arc<Log>)>, KafkaError> {
        let config = log_config(&self.log_manager.default_config(), &record.config)?;
        let open = |partition| {
            let key = TopicAndPartition::new(topic, partition);
            let log = match self.log_manager.get_log(&key) {
                Some(log) => log,
                None => self.log_manager.create_log(&key, config.clone())?,
            };
            Ok((key, log))
        };
        (0..record.partitions).map(open).collect()
    }
}

/// Port of `GroupCoordinator.offsetsTopicConfigs`: the last record of each key stays, in small
/// segments, because all of them are read at the start.
fn group_metadata_topic_settings(config: &KafkaConfig) -> BTreeMap<String, String> {
    let settings = [
        ("cleanup.policy", "compact".to_string()),
        ("segment.bytes", config.offsets_topic_segment_bytes.to_string()),
        ("compression.type", "producer".to_string()),
    ];
    settings.map(|(name, value)| (name.to_string(), value)).into()
}
