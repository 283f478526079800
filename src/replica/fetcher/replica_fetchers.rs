//! Port of the calls of `kafka.server.AbstractFetcherManager` that `ReplicaManager` makes: what is to be copied,
//! and from whom.

use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{LeaderEpoch, Offset};
use crate::replica::broker_end_point::BrokerEndPoint;
use crate::replica::fetcher::partition_fetch_state::PartitionFetchState;

/// The threads that copy what other brokers lead.
pub trait ReplicaFetchers: Send + Sync {
    /// From now on these are copied. One that is copied already, in the same leader epoch, goes on.
    fn add_fetcher_for_partitions(&self, partitions: Vec<(TopicAndPartition, InitialFetchState)>);

    /// Copies these no more. When this returns, no thread appends to their logs. Returns how far they were.
    fn remove_fetcher_for_partitions(
        &self,
        keys: &[TopicAndPartition],
    ) -> Vec<(TopicAndPartition, PartitionFetchState)>;

    /// Ends the threads that have nothing to copy.
    fn shutdown_idle_fetcher_threads(&self);

    /// Ends all threads, also one that waits for its leader. Later calls add none.
    fn shutdown(&self);
}

/// Port of `kafka.server.InitialFetchState`: where to begin to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialFetchState {
    pub topic_id: [u8; 16],
    pub leader: BrokerEndPoint,
    pub current_leader_epoch: LeaderEpoch,
    pub offset: Offset,
}
