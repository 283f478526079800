//! Port of the fields of `kafka.cluster.Partition` that a change of the cluster sets: who leads a partition, and who
//! replicates it, as far as this broker knows.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::common::units::{LeaderEpoch, Offset};
use crate::image::topic_image::{NO_LEADER, PartitionRegistration};
use crate::replica::isr_state::IsrState;

/// Who leads a partition, and who replicates it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionState {
    /// A broker's id, or [`NO_LEADER`].
    pub leader: i32,
    pub leader_epoch: LeaderEpoch,
    /// Counts every change of the partition; a change of an older one is none.
    pub partition_epoch: i32,
    /// Only a leader knows it; that of a follower is empty.
    pub isr: IsrState,
    /// The brokers that are to have it. `None` in a cluster of one broker, where nobody assigns any, and
    /// `min.insync.replicas` counts as it stands, as in 0.9.
    pub assigned_replicas: Option<Arc<[i32]>>,
    /// Those that a reassignment brings, and those that leave when it is done.
    pub adding_replicas: Arc<[i32]>,
    pub removing_replicas: Arc<[i32]>,
    /// Where the log ended when this broker began to lead in this epoch; [`Offset::NONE`] if it does
    /// not lead. What is below belongs to earlier leaders.
    pub epoch_start_offset: Offset,
}

impl PartitionState {
    /// Before the first change.
    pub fn unknown() -> Self {
        Self {
            leader: NO_LEADER,
            leader_epoch: LeaderEpoch::NONE,
            partition_epoch: -1,
            isr: IsrState::committed_as(Arc::default()),
            assigned_replicas: Some(Arc::default()),
            adding_replicas: Arc::default(),
            removing_replicas: Arc::default(),
            epoch_start_offset: Offset::NONE,
        }
    }

    /// Of a broker that is the whole cluster.
    pub fn alone(leader: i32, leader_epoch: LeaderEpoch) -> Self {
        Self {
            leader,
            leader_epoch,
            partition_epoch: 0,
            isr: IsrState::committed_as(Arc::new([leader])),
            assigned_replicas: None,
            adding_replicas: Arc::default(),
            removing_replicas: Arc::default(),
            epoch_start_offset: Offset::FIRST,
        }
    }

    pub fn is_led_by(&self, broker_id: i32) -> bool {
        self.leader == broker_id
    }

    /// How many replicas are known to be in sync.
    pub fn in_sync_replicas(&self) -> usize {
        self.isr.committed().len()
    }

    /// Port of `effectiveMinIsr`: a topic with fewer replicas than `min.insync.replicas` asks for all
    /// of them.
    pub fn effective_min_in_sync_replicas(&self, min_in_sync_replicas: usize) -> usize {
        let assigned = self.assigned_replicas.as_ref().map_or(usize::MAX, |it| it.len());
        min_in_sync_replicas.min(assigned)
    }

    /// Port of `isUnderMinIsr` and `isAtMinIsr`: how the number of those in sync compares with the least that a
    /// produce with acks -1 asks for.
    pub fn compare_with_min_isr(&self, min_in_sync_replicas: usize) -> Ordering {
        self.in_sync_replicas().cmp(&self.effective_min_in_sync_replicas(min_in_sync_replicas))
    }

    /// Port of `isReassigning`.
    pub fn is_reassigning(&self) -> bool {
        !self.adding_replicas.is_empty() || !self.removing_replicas.is_empty()
    }

    /// Port of `isAddingReplica`.
    pub fn is_adding(&self, broker_id: i32) -> bool {
        self.adding_replicas.contains(&broker_id)
    }

    /// Port of `isUnderReplicated`.
    pub fn is_under_replicated(&self) -> bool {
        self.assigned_replicas.as_ref().is_some_and(|it| self.in_sync_replicas() < it.len())
    }
}

/// As the controller has written it. A leader finds its epoch's start itself.
impl From<&PartitionRegistration> for PartitionState {
    fn from(partition: &PartitionRegistration) -> Self {
        Self {
            leader: partition.leader,
            leader_epoch: partition.leader_epoch,
            partition_epoch: partition.partition_epoch,
            isr: IsrState::committed_as(Arc::clone(&partition.isr)),
            assigned_replicas: Some(Arc::clone(&partition.replicas)),
            adding_replicas: Arc::clone(&partition.adding_replicas),
            removing_replicas: Arc::clone(&partition.removing_replicas),
            epoch_start_offset: Offset::NONE,
        }
    }
}
