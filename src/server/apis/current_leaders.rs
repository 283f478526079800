//! Port of `KafkaApis.getCurrentLeader` (KIP-951): to whom a client has to go instead, so that it need
//! not ask for metadata first.

use crate::common::errors::Errors;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::LeaderEpoch;
use crate::image::topic_image::NO_LEADER;
use crate::server::metadata::metadata_cache::{MetadataCache, Node};
use crate::server::security::request_context::Session;

/// Whether the client of a partition with this error is told who leads it.
pub(crate) fn is_answered_by_leader(error: Errors) -> bool {
    matches!(error, Errors::NotLeaderForPartition | Errors::FencedLeaderEpoch)
}

/// A partition's leader: -1 if there is none, or none is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaderNode {
    pub(crate) id: i32,
    pub(crate) epoch: i32,
}

/// The leaders that one response names.
pub(crate) struct CurrentLeaders<'a> {
    metadata_cache: &'a dyn MetadataCache,
    session: &'a Session,
    /// Each broker once.
    nodes: Vec<Node>,
}

impl<'a> CurrentLeaders<'a> {
    /// For a response to the sender of `session`, who can reach brokers by their listeners of the same
    /// name.
    pub(crate) fn new(metadata_cache: &'a dyn MetadataCache, session: &'a Session) -> Self {
        Self { metadata_cache, session, nodes: Vec::new() }
    }

    /// Who leads the partition, as the cluster has it.
    pub(crate) fn current_leader(&mut self, key: &TopicAndPartition) -> LeaderNode {
        let leader = self.metadata_cache.leader_and_epoch(key);
        let (id, epoch) = leader.unwrap_or((NO_LEADER, LeaderEpoch::NONE));
        self.name(id);
        LeaderNode { id, epoch: epoch.0 }
    }

    fn name(&mut self, broker_id: i32) {
        if broker_id == NO_LEADER || self.nodes.iter().any(|node| node.id == broker_id) {
            return;
        }
        let Session { listener, local_address, .. } = self.session;
        let alive = self.metadata_cache.alive_brokers(&listener.listener_name, *local_address);
        self.nodes.extend(alive.into_iter().find(|node| node.id == broker_id));
    }

    /// Where those leaders can be reached that can.
    pub(crate) fn into_nodes(self) -> impl Iterator<Item = Node> {
        self.nodes.into_iter()
    }
}
