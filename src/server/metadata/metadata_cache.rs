//! Port of `org.apache.kafka.metadata.MetadataCache`, which 0.9 has as `kafka.server.MetadataCache`:
//! what clients can learn of the cluster, whoever decides it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::common::end_point::ListenerName;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::LeaderEpoch;
use crate::image::topic_image::TopicImage;
use crate::server::metadata::reachable_brokers::ReachableBrokers;

/// What the cluster looks like now. No call waits for a disk or another broker.
///
/// Changes are the [`Controller`](crate::server::metadata::controller::Controller)'s: they appear
/// here when they are done.
pub trait MetadataCache: Send + Sync {
    fn cluster_id(&self) -> &str;

    /// The broker that asks.
    fn broker_id(&self) -> i32;

    /// The broker that clients are to send to what only a controller can do. Any of them does, where the
    /// controllers are elsewhere; -1 if there is none.
    fn controller_id(&self) -> i32;

    /// Whether the broker that asks decides on changes itself.
    fn is_controller(&self) -> bool {
        false
    }

    /// The brokers that can be reached, at the listener of this name, by which a client has come to the
    /// address `local` of this one.
    fn alive_brokers(&self, listener: &ListenerName, local: SocketAddr) -> Vec<Node>;

    /// As [`alive_brokers`](Self::alive_brokers), and those that are fenced.
    fn registered_brokers(
        &self,
        listener: &ListenerName,
        local: SocketAddr,
    ) -> Vec<(Node, IsFenced)>;

    /// Who of the brokers can be reached now.
    fn reachable_brokers(&self) -> ReachableBrokers;

    /// The topic. In a cluster of one broker only if all of its partitions are led, or would be if no log
    /// directory were offline.
    fn topic(&self, name: &str) -> Option<Arc<TopicImage>>;

    /// The name of the topic that has this id now.
    fn topic_name(&self, id: &[u8; 16]) -> Option<Arc<str>>;

    /// All those topics, by name.
    fn topics(&self) -> Vec<(String, Arc<TopicImage>)>;

    /// Who leads a partition, and in which epoch; `None` for a partition that does not exist.
    fn leader_and_epoch(&self, key: &TopicAndPartition) -> Option<(i32, LeaderEpoch)> {
        let topic = self.topic(&key.topic)?;
        let partition = topic.partition(key.partition)?;
        Some((partition.leader, partition.leader_epoch))
    }

    /// Whether clients reach a broker by this listener, and it stands in this rack. One that is alone has no others
    /// to tell apart.
    fn is_in_rack(&self, _broker_id: i32, _rack: &str, _listener: &ListenerName) -> bool {
        false
    }

    /// What the cluster has agreed on; nothing in a cluster of one broker.
    fn finalized_features(&self) -> FinalizedFeatures {
        FinalizedFeatures::default()
    }
}

/// Port of `org.apache.kafka.server.common.FinalizedFeatures`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalizedFeatures {
    /// Above 0, by name. Not `kraft.version`, which stands in no data record.
    pub levels: BTreeMap<String, i16>,
    /// The offset of the last metadata record behind them; -1 for none.
    pub epoch: i64,
}

impl Default for FinalizedFeatures {
    fn default() -> Self {
        Self { levels: BTreeMap::new(), epoch: -1 }
    }
}

/// Whether the controllers have taken a broker out of service.
pub type IsFenced = bool;

/// Where clients connect to a broker: `org.apache.kafka.common.Node`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub id: i32,
    pub host: String,
    pub port: i32,
    /// Where it stands, if its operator has said so.
    pub rack: Option<String>,
}
