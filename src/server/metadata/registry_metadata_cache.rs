//! Port of `kafka.server.metadata.ZkMetadataCache`, on the topic registry in the place of ZooKeeper:
//! a cluster of one broker, which is its own controller and leads every partition but those whose log
//! directory is offline.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::common::end_point::{EndPoint, ListenerName};
use crate::common::topic_partition::TopicAndPartition;
use crate::config::kafka_config::KafkaConfig;
use crate::image::topic_image::TopicImage;
use crate::server::metadata::led_topics::LedTopics;
use crate::server::metadata::metadata_cache::{IsFenced, MetadataCache, Node};
use crate::server::metadata::reachable_brokers::ReachableBrokers;
use crate::storage::log_manager::LogManager;

/// The cluster of one broker.
pub struct RegistryMetadataCache {
    broker_id: i32,
    cluster_id: String,
    advertised_endpoints: Vec<EndPoint>,
    led: Arc<LedTopics>,
    /// Knows which log directories are offline.
    log_manager: Arc<LogManager>,
}

impl RegistryMetadataCache {
    pub fn new(
        config: &KafkaConfig,
        cluster_id: String,
        led: Arc<LedTopics>,
        log_manager: Arc<LogManager>,
    ) -> Self {
        Self {
            broker_id: config.broker_id,
            cluster_id,
            advertised_endpoints: config.effective_advertised_listeners(),
            led,
            log_manager,
        }
    }

    /// The topic as it is led now. Nothing is copied while all log directories are online.
    fn as_led_now(&self, name: &str, topic: Arc<TopicImage>) -> Arc<TopicImage> {
        if !self.log_manager.has_offline_log_dir() {
            return topic;
        }
        let is_online =
            |partition| self.log_manager.is_online(&TopicAndPartition::new(name, partition));
        Arc::new(TopicImage::clone(&topic).without_leader_unless(is_online))
    }

    /// The advertised address of the listener that a client has connected to at `local`.
    ///
    /// An empty or unspecified host means that none was configured: the address that the client has
    /// just reached us under is then the one that works for it. (Kafka returns its own host name,
    /// which the client may not resolve.)
    fn broker_end_point(&self, listener: &ListenerName, local: SocketAddr) -> (String, i32) {
        let advertised = self.advertised_endpoints.iter().find(|it| it.listener_name == *listener);
        let is_specified = |host: &str| !matches!(host, "" | "0.0.0.0" | "::");
        let host = advertised.map(|it| it.host.clone()).filter(|host| is_specified(host));
        let port = advertised.map(|it| it.port).filter(|&port| port != 0);
        (
            host.unwrap_or_else(|| local.ip().to_canonical().to_string()),
            i32::from(port.unwrap_or(local.port())),
        )
    }
}

impl MetadataCache for RegistryMetadataCache {
    fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    fn broker_id(&self) -> i32 {
        self.broker_id
    }

    fn controller_id(&self) -> i32 {
        self.broker_id
    }

    fn is_controller(&self) -> bool {
        true
    }

    fn alive_brokers(&self, listener: &ListenerName, local: SocketAddr) -> Vec<Node> {
        let (host, port) = self.broker_end_point(listener, local);
        vec![Node { id: self.broker_id, host, port, rack: None }]
    }

    fn registered_brokers(
        &self,
        listener: &ListenerName,
        local: SocketAddr,
    ) -> Vec<(Node, IsFenced)> {
        self.alive_brokers(listener, local).into_iter().map(|node| (node, false)).collect()
    }

    fn reachable_brokers(&self) -> ReachableBrokers {
        ReachableBrokers::ThisOne
    }

    fn topic(&self, name: &str) -> Option<Arc<TopicImage>> {
        self.led.get(name).map(|topic| self.as_led_now(name, topic))
    }

    fn topic_name(&self, id: &[u8; 16]) -> Option<Arc<str>> {
        self.led.name_of(id)
    }

    fn topics(&self) -> Vec<(String, Arc<TopicImage>)> {
        let mut topics = self.led.all();
        for (name, topic) in &mut topics {
            *topic = self.as_led_now(name, Arc::clone(topic));
        }
        topics
    }
}
