//! Not in Kafka: a partition at one moment, for the page that shows a broker at work.

use crate::common::units::Offset;
use crate::replica::partition_state::PartitionState;
use crate::replica::remote_replica::RemoteReplicaState;

/// A partition, as the broker knows it that has this replica.
#[derive(Clone, Debug)]
pub struct PartitionSnapshot {
    pub state: PartitionState,
    /// Read before the end of the log, beyond which it never is.
    pub high_watermark: Offset,
    pub log_end_offset: Offset,
    pub min_in_sync_replicas: usize,
    /// Empty unless this broker leads.
    pub followers: Vec<FollowerSnapshot>,
}

/// How far a follower is, as its leader knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerSnapshot {
    pub broker_id: i32,
    /// `None` before its first fetch.
    pub log_end_offset: Option<Offset>,
    /// For how long it has not been known to have all that the leader had, 0 if it has that now; `None` if it never
    /// had in this leader epoch.
    pub behind_for_ms: Option<i64>,
}

impl FollowerSnapshot {
    pub fn of(
        broker_id: i32,
        state: &RemoteReplicaState,
        leader_end_offset: Offset,
        now_ms: i64,
    ) -> Self {
        let end_offset = state.log_end_offset.message_offset;
        let behind_for_ms = match state.has_fetched() && end_offset >= leader_end_offset {
            true => Some(0),
            false => state.last_caught_up_ms().map(|at_ms| (now_ms - at_ms).max(0)),
        };
        Self { broker_id, log_end_offset: state.has_fetched().then_some(end_offset), behind_for_ms }
    }

    /// How many offsets of the leader's it lacks; `None` before its first fetch.
    pub fn lag(&self, leader_end_offset: Offset) -> Option<i64> {
        self.log_end_offset.map(|it| (leader_end_offset.0 - it.0).max(0))
    }
}
