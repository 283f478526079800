//! Port of `org.apache.kafka.metadata.KRaftMetadataCache`: what clients can learn of a cluster whose
//! controllers are elsewhere.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::end_point::ListenerName;
use crate::image::cluster_image::BrokerRegistration;
use crate::image::current_image::CurrentImage;
use crate::image::topic_image::TopicImage;
use crate::server::metadata::metadata_cache::{FinalizedFeatures, IsFenced, MetadataCache, Node};
use crate::server::metadata::reachable_brokers::ReachableBrokers;

/// The cluster as the newest image has it.
pub struct KRaftMetadataCache {
    broker_id: i32,
    cluster_id: String,
    image: Arc<CurrentImage>,
    /// Whose turn it is to be named as the controller.
    controller_turn: AtomicUsize,
}

impl KRaftMetadataCache {
    pub fn new(broker_id: i32, cluster_id: String, image: Arc<CurrentImage>) -> Self {
        Self { broker_id, cluster_id, image, controller_turn: AtomicUsize::new(0) }
    }
}

impl MetadataCache for KRaftMetadataCache {
    fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    fn broker_id(&self) -> i32 {
        self.broker_id
    }

    /// Port of `getRandomAliveBroker`. Clients cannot reach a controller, and every broker passes on what
    /// is for it. Kafka draws lots; here they take turns.
    fn controller_id(&self) -> i32 {
        let image = self.image.get();
        let alive: Vec<i32> =
            image.cluster.iter().filter(|it| !it.fenced).map(|it| it.id).collect();
        match alive.len() {
            0 => NO_CONTROLLER,
            count => alive[self.controller_turn.fetch_add(1, Ordering::Relaxed) % count],
        }
    }

    fn alive_brokers(&self, listener: &ListenerName, local: SocketAddr) -> Vec<Node> {
        let brokers = self.registered_brokers(listener, local).into_iter();
        brokers.filter(|(_, is_fenced)| !is_fenced).map(|(node, _)| node).collect()
    }

    /// What a broker has registered with the controllers is what it advertises, so the address by which
    /// the client has come does not matter.
    fn registered_brokers(
        &self,
        listener: &ListenerName,
        _local: SocketAddr,
    ) -> Vec<(Node, IsFenced)> {
        let image = self.image.get();
        let nodes = image.cluster.iter().filter_map(|broker| {
            let node = node_of(broker, listener)?;
            Some((node, broker.fenced))
        });
        nodes.collect()
    }

    fn reachable_brokers(&self) -> ReachableBrokers {
        ReachableBrokers::Registered(self.image.get())
    }

    fn topic(&self, name: &str) -> Option<Arc<TopicImage>> {
        self.image.get().topics.topic(name).cloned()
    }

    fn topic_name(&self, id: &[u8; 16]) -> Option<Arc<str>> {
        self.image.get().topics.name_of(id).cloned()
    }

    fn topics(&self) -> Vec<(String, Arc<TopicImage>)> {
        let image = self.image.get();
        image.topics.iter().map(|(name, topic)| (name.to_string(), Arc::clone(topic))).collect()
    }

    fn is_in_rack(&self, broker_id: i32, rack: &str, listener: &ListenerName) -> bool {
        let image = self.image.get();
        let broker = image.cluster.broker(broker_id).filter(|it| !it.fenced);
        broker.is_some_and(|it| {
            it.rack.as_deref() == Some(rack) && it.listeners.contains_key(listener)
        })
    }

    fn finalized_features(&self) -> FinalizedFeatures {
        let image = self.image.get();
        FinalizedFeatures {
            levels: BTreeMap::clone(&image.features.finalized),
            epoch: image.provenance.last_contained_offset,
        }
    }
}

/// In place of a controller's id.
const NO_CONTROLLER: i32 = -1;

fn node_of(broker: &BrokerRegistration, listener: &ListenerName) -> Option<Node> {
    let endpoint = broker.listeners.get(listener)?;
    Some(Node {
        id: broker.id,
        host: endpoint.host.clone(),
        port: i32::from(endpoint.port),
        rack: broker.rack.clone(),
    })
}
