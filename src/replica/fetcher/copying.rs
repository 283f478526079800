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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::units::{LeaderEpoch, Offset};

    #[test]
    fn one_that_is_delayed_is_so_until_its_time_is_over_whatever_comes_then() {
        let fetching = PartitionFetchState {
            topic_id: [7; 16],
            fetch_offset: Offset(5),
            lag: Some(3),
            current_leader_epoch: LeaderEpoch(0),
            delayed_until_ms: Some(100),
            state: ReplicaState::Fetching,
            last_fetched_epoch: None,
        };
        let truncating =
            PartitionFetchState { state: ReplicaState::Truncating, ..fetching.clone() };
        assert_eq!(Copying::of(&fetching, 40), Copying::Delayed { for_ms: 60 });
        assert_eq!(Copying::of(&truncating, 40), Copying::Delayed { for_ms: 60 });
        assert_eq!(Copying::of(&fetching, 100), Copying::Fetching { lag: Some(3) });
        assert_eq!(Copying::of(&truncating, 100), Copying::Truncating);
    }
}
