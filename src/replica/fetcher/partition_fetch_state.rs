//! Port of `kafka.server.PartitionFetchState`: how far a follower is with a partition.

use crate::common::units::{LeaderEpoch, Offset};

/// A partition in a fetcher thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionFetchState {
    pub topic_id: [u8; 16],
    /// The offset to ask for next.
    pub fetch_offset: Offset,
    /// How many records the leader has more, at the last answer; `None` before the first.
    pub lag: Option<i64>,
    /// The epoch of the leader that is asked.
    pub current_leader_epoch: LeaderEpoch,
    /// Not asked before this moment of the monotonic clock, in milliseconds.
    pub delayed_until_ms: Option<i64>,
    pub state: ReplicaState,
    /// The epoch of the last record in the log; `None` for a log without epochs.
    pub last_fetched_epoch: Option<LeaderEpoch>,
}

/// Port of `kafka.server.ReplicaState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaState {
    /// Its log may hold what the leader's does not.
    Truncating,
    Fetching,
}

impl PartitionFetchState {
    pub fn is_delayed(&self, now_ms: i64) -> bool {
        self.delayed_until_ms.is_some_and(|until_ms| now_ms < until_ms)
    }

    pub fn is_ready_for_fetch(&self, now_ms: i64) -> bool {
        self.state == ReplicaState::Fetching && !self.is_delayed(now_ms)
    }

    pub fn is_truncating(&self, now_ms: i64) -> bool {
        self.state == ReplicaState::Truncating && !self.is_delayed(now_ms)
    }
}
