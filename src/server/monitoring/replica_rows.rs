//! The replicas of a broker of a cluster, those first that an operator has to look at.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use crate::common::topic_partition::TopicAndPartition;
use crate::image::metadata_image::MetadataImage;
use crate::image::topic_image::{NO_LEADER, PartitionRegistration};
use crate::replica::partition::Partition;
use crate::replica::remote_replica::RemoteReplica;
use crate::server::monitoring::keep_first::keep_first;
use crate::server::monitoring::observed::ObservedParts;

/// A replica of this broker, as the cluster and as the broker has it.
pub(super) struct ReplicaRow {
    pub(super) key: TopicAndPartition,
    /// By the newest image.
    pub(super) registered: PartitionRegistration,
    /// `None` if it cannot be used here: its log could not be made, or its disk has failed.
    pub(super) hosted: Option<Arc<Partition>>,
    pub(super) concern: Concern,
    /// How many records it is behind its leader, or its followers at most behind it.
    lag: i64,
}

/// Why an operator would look at a partition, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Concern {
    /// Nobody leads it, or it cannot be used here.
    Offline,
    /// Fewer are in sync than its `min.insync.replicas` asks for.
    UnderMinIsr,
    UnderReplicated,
    /// All are in sync, and some are behind.
    Lagging,
    Nothing,
}

/// All of a broker's, and the first of them.
pub(super) struct ReplicaRows {
    pub(super) counts: HashMap<Concern, usize>,
    pub(super) count: usize,
    pub(super) led: usize,
    pub(super) first: Vec<ReplicaRow>,
}

impl ReplicaRows {
    pub(super) fn of(parts: &ObservedParts, image: &MetadataImage, max: usize) -> Self {
        let broker_id = parts.metadata_cache.broker_id();
        let lags: HashMap<_, _> =
            parts.fetchers.as_ref().map(|it| it.lags()).unwrap_or_default().into_iter().collect();
        let mut rows = Vec::new();
        for (name, topic) in image.topics.iter() {
            let topic_name: Arc<str> = Arc::from(name);
            let own = |it: &(i32, &PartitionRegistration)| it.1.replicas.contains(&broker_id);
            for (partition, registered) in (0..).zip(&topic.partitions).filter(own) {
                let key = TopicAndPartition { topic: Arc::clone(&topic_name), partition };
                let lag = lags.get(&key).copied().unwrap_or(0);
                rows.push(ReplicaRow::of(parts, key, registered, lag));
            }
        }
        let mut counts = HashMap::new();
        for row in &rows {
            *counts.entry(row.concern).or_default() += 1;
        }
        let led = rows.iter().filter(|it| it.registered.leader == broker_id).count();
        let count = rows.len();
        keep_first(&mut rows, max, |one, other| one.rank().cmp(&other.rank()));
        Self { counts, count, led, first: rows }
    }

    pub(super) fn count_of(&self, concern: Concern) -> usize {
        self.counts.get(&concern).copied().unwrap_or(0)
    }
}

impl ReplicaRow {
    fn of(
        parts: &ObservedParts,
        key: TopicAndPartition,
        registered: &PartitionRegistration,
        fetcher_lag: i64,
    ) -> Self {
        let hosted = parts.replica_manager.local_logs().get_partition_or_error(&key).ok();
        // Of a leader that is how far its followers are behind it.
        let lag = hosted.as_ref().map_or(0, |it| lag_of_followers(it).max(fetcher_lag));
        let concern = concern(registered, hosted.as_deref(), lag);
        Self { key, registered: registered.clone(), hosted, concern, lag }
    }

    fn rank(&self) -> (Concern, Reverse<i64>, &TopicAndPartition) {
        (self.concern, Reverse(self.lag), &self.key)
    }
}

fn lag_of_followers(partition: &Partition) -> i64 {
    let end_offset = partition.local_replica().log.log_end_offset();
    // Before its first fetch that is below any.
    let end_of = |it: &Arc<RemoteReplica>| it.state().log_end_offset.message_offset.0.max(0);
    let lag = |it: &Arc<RemoteReplica>| (end_offset.0 - end_of(it)).max(0);
    partition.remote_replicas().iter().map(lag).max().unwrap_or(0)
}

fn concern(registered: &PartitionRegistration, hosted: Option<&Partition>, lag: i64) -> Concern {
    let Some(partition) = hosted else { return Concern::Offline };
    let (in_sync, replicas) = (registered.isr.len(), registered.replicas.len());
    let wanted = partition.local_replica().log.config().min_in_sync_replicas.min(replicas);
    if registered.leader == NO_LEADER {
        Concern::Offline
    } else if in_sync < wanted {
        Concern::UnderMinIsr
    } else if in_sync < replicas {
        Concern::UnderReplicated
    } else if lag > 0 {
        Concern::Lagging
    } else {
        Concern::Nothing
    }
}
