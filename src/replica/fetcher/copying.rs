//! Not in Kafka: what becomes of a partition that is followed, for the page that shows a broker at work.

use crate::replica::fetcher::partition_fetch_state::{PartitionFetchState, ReplicaState};

/// Whether a partition is copied, and how far that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copying {
    /// No thread has it: its leader is not there, or this broker has not followed the last change yet.
    Not,
    /// Its log is cut where it parts from the leader's.
    Truncating,
    Fetching {
        /// How many records the leader had more at its last answer; `None` before the first.
        lag: Option<i64>,
    },
    /// It is asked for again when that time is over.
    Delayed { for_ms: i64 },
    /// It is copied no more until the cluster changes it.
    Failed,
}

impl Copying {
    /// Of one that a thread has.
    pub fn of(state: &PartitionFetchState, now_ms: i64) -> Self {
        match (state.delayed_until_ms, state.state) {
            (Some(until_ms), _) if until_ms > now_ms => Self::Delayed { for_ms: until_ms - now_ms },
            (_, ReplicaState::Truncating) => Self::Truncating,
            (_, ReplicaState::Fetching) => Self::Fetching { lag: state.lag },
        }
    }
}
