//! Port of `org.apache.kafka.image.ClusterImage` and `org.apache.kafka.metadata.BrokerRegistration`: the
//! brokers of the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common::end_point::ListenerName;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterImage {
    brokers: Arc<BTreeMap<i32, Arc<BrokerRegistration>>>,
}

/// A broker, as the controller knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerRegistration {
    pub id: i32,
    /// The offset of the record that registered it.
    pub epoch: i64,
    /// Drawn at random at each start of the broker.
    pub incarnation_id: [u8; 16],
    /// Where it is reached, by listener.
    pub listeners: BTreeMap<ListenerName, BrokerEndpoint>,
    pub rack: Option<String>,
    /// A fenced broker leads nothing, and no client is sent to it.
    pub fenced: bool,
    pub in_controlled_shutdown: bool,
    /// The ids of its log directories.
    pub directories: Vec<[u8; 16]>,
}

/// An address that a broker advertises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerEndpoint {
    pub host: String,
    pub port: u16,
    /// Kafka's number: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub security_protocol: i16,
}

impl ClusterImage {
    pub fn broker(&self, id: i32) -> Option<&Arc<BrokerRegistration>> {
        self.brokers.get(&id)
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<BrokerRegistration>> {
        self.brokers.values()
    }
}
