//! Port of the methods of `KRaftMetadataCache` by which Metadata shows a partition: `getAliveEndpoint`,
//! `getOfflineReplicas`, `maybeFilterAliveReplicas`.

use std::sync::Arc;

use crate::common::end_point::ListenerName;
use crate::common::errors::Errors;
use crate::image::cluster_image::BrokerRegistration;
use crate::image::metadata_image::MetadataImage;
use crate::image::topic_image::PartitionRegistration;

/// The brokers that clients can reach, at one moment.
#[derive(Debug)]
pub enum ReachableBrokers {
    /// The one that is the cluster.
    ThisOne,
    /// Those that are registered with the controllers.
    Registered(Arc<MetadataImage>),
}

impl ReachableBrokers {
    /// The leader of a partition, for clients of a listener.
    ///
    /// # Errors
    /// `LEADER_NOT_AVAILABLE` if there is none; `LISTENER_NOT_FOUND` if it has no such listener.
    pub fn leader_of(
        &self,
        partition: &PartitionRegistration,
        listener: &ListenerName,
    ) -> Result<i32, Errors> {
        let leader = partition.leader;
        let is_reachable = match self {
            Self::ThisOne => partition.has_leader().then_some(true),
            Self::Registered(image) => {
                image.cluster.broker(leader).map(|it| it.listeners.contains_key(listener))
            }
        };
        match is_reachable {
            None => Err(Errors::LeaderNotAvailable),
            Some(false) => Err(Errors::ListenerNotFound),
            Some(true) => Ok(leader),
        }
    }

    /// The replicas of a partition that clients of a listener cannot reach, or whose log directories are
    /// offline.
    pub fn offline_replicas(
        &self,
        partition: &PartitionRegistration,
        listener: &ListenerName,
    ) -> Vec<i32> {
        let Self::Registered(image) = self else { return partition.offline_replicas().to_vec() };
        let is_online = |id: &i32| {
            let Some(broker) = image.cluster.broker(*id) else { return false };
            is_alive(broker, listener) && broker.has_online_directory(&partition.directory(*id))
        };
        partition.replicas.iter().copied().filter(|it| !is_online(it)).collect()
    }

    /// Those of `brokers` that clients of a listener can reach.
    pub fn alive(&self, brokers: &[i32], listener: &ListenerName) -> Vec<i32> {
        let Self::Registered(image) = self else { return brokers.to_vec() };
        let is_alive =
            |id: &&i32| image.cluster.broker(**id).is_some_and(|it| is_alive(it, listener));
        brokers.iter().filter(is_alive).copied().collect()
    }
}

fn is_alive(broker: &BrokerRegistration, listener: &ListenerName) -> bool {
    !broker.fenced && broker.listeners.contains_key(listener)
}
