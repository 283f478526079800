//! Port of the fields of `kafka.cluster.Partition` that its `leaderIsrUpdateLock` guards: who leads a
//! partition, as far as this broker knows.

use crate::common::units::{LeaderEpoch, Offset};
use crate::image::topic_image::{NO_LEADER, PartitionRegistration};

/// Who leads a partition, and how many replicas it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionState {
    /// A broker's id, or [`NO_LEADER`].
    pub leader: i32,
    pub leader_epoch: LeaderEpoch,
    /// Counts every change of the partition; a change of an older one is none.
    pub partition_epoch: i32,
    /// How many replicas are in sync, by the last change.
    pub in_sync_replicas: usize,
    /// How many there should be. `None` in a cluster of one broker, where nobody assigns any, and
    /// `min.insync.replicas` counts as it stands, as in 0.9.
    pub assigned_replicas: Option<usize>,
    /// Where the log ended when this broker began to lead in this epoch; [`Offset::NONE`] if it does
    /// not lead. What is below belongs to earlier leaders.
    pub epoch_start_offset: Offset,
}

impl PartitionState {
    /// Before the first change.
    pub const UNKNOWN: Self = Self {
        leader: NO_LEADER,
        leader_epoch: LeaderEpoch::NONE,
        partition_epoch: -1,
        in_sync_replicas: 0,
        assigned_replicas: Some(0),
        epoch_start_offset: Offset::NONE,
    };

    /// Of a broker that is the whole cluster.
    pub fn alone(leader: i32, leader_epoch: LeaderEpoch) -> Self {
        Self {
            leader,
            leader_epoch,
            partition_epoch: 0,
            in_sync_replicas: 1,
            assigned_replicas: None,
            epoch_start_offset: Offset::FIRST,
        }
    }

    pub fn is_led_by(&self, broker_id: i32) -> bool {
        self.leader == broker_id
    }

    /// Port of `effectiveMinIsr`: a topic with fewer replicas than `min.insync.replicas` asks for all
    /// of them.
    pub fn effective_min_in_sync_replicas(&self, min_in_sync_replicas: usize) -> usize {
        min_in_sync_replicas.min(self.assigned_replicas.unwrap_or(usize::MAX))
    }
}

/// As the controller has written it. A leader finds its epoch's start itself.
impl From<&PartitionRegistration> for PartitionState {
    fn from(partition: &PartitionRegistration) -> Self {
        Self {
            leader: partition.leader,
            leader_epoch: partition.leader_epoch,
            partition_epoch: partition.partition_epoch,
            in_sync_replicas: partition.isr.len(),
            assigned_replicas: Some(partition.replicas.len()),
            epoch_start_offset: Offset::NONE,
        }
    }
}
