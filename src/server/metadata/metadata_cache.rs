//! Port of `org.apache.kafka.metadata.MetadataCache`, which 0.9 has as `kafka.server.MetadataCache`:
//! what clients can learn of the cluster, whoever decides it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::common::end_point::ListenerName;
use crate::image::topic_image::TopicImage;

/// What the cluster looks like now. No call waits for a disk or another broker.
///
/// Changes are the [`Controller`](crate::server::metadata::controller::Controller)'s: they appear
/// here when they are done.
pub trait MetadataCache: Send + Sync {
    fn cluster_id(&self) -> &str;

    /// The broker that asks.
    fn broker_id(&self) -> i32;

    fn controller_id(&self) -> i32;

    /// The brokers that can be reached, at the listener of this name, by which a client has come to the
    /// address `local` of this one.
    fn alive_brokers(&self, listener: &ListenerName, local: SocketAddr) -> Vec<Node>;

    /// The topic, if all of its partitions are led, or would be if no log directory were offline.
    fn topic(&self, name: &str) -> Option<Arc<TopicImage>>;

    /// The name of the topic that has this id now.
    fn topic_name(&self, id: &[u8; 16]) -> Option<Arc<str>>;

    /// All those topics, by name.
    fn topics(&self) -> Vec<(String, Arc<TopicImage>)>;
}

/// Where clients connect to a broker: `org.apache.kafka.common.Node`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub id: i32,
    pub host: String,
    pub port: i32,
}
