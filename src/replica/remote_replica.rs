//! Port of `kafka.cluster.Replica` and `ReplicaState` of later Kafkas: what a leader knows of a follower, by its
//! fetches.

use std::sync::Mutex;

use crate::common::lock::locked;
use crate::common::units::Offset;
use crate::storage::log::log_offset_metadata::LogOffsetMetadata;

/// A replica on another broker.
#[derive(Debug)]
pub struct RemoteReplica {
    pub broker_id: i32,
    state: Mutex<RemoteReplicaState>,
}

/// How far a follower is, at one moment. Moments are those of the monotonic clock, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteReplicaState {
    /// The offset that it asked for last, and so has everything below; [`Offset::NONE`] before its first fetch.
    pub log_end_offset: LogOffsetMetadata,
    /// Where its log began then, [`Offset::NONE`] before.
    pub log_start_offset: Offset,
    /// Where the leader's log ended at that fetch.
    last_fetch_leader_end_offset: Offset,
    last_fetch_ms: Option<i64>,
    /// The last moment of which it is known that the follower had all that the leader had then.
    last_caught_up_ms: Option<i64>,
    /// Of the broker's registration, as its last fetch said; `None` if it said none.
    pub broker_epoch: Option<i64>,
}

/// A fetch of a follower, after its read.
#[derive(Clone, Copy, Debug)]
pub struct FollowerFetch {
    pub offset: LogOffsetMetadata,
    /// Where the follower's log begins, as it says.
    pub log_start_offset: Offset,
    /// Of the follower's registration, if the request says it.
    pub broker_epoch: Option<i64>,
    /// By the monotonic clock, before the read.
    pub fetched_ms: i64,
    /// Where the leader's log ended before the read.
    pub leader_end_offset: Offset,
}

impl RemoteReplica {
    /// A follower that has not fetched yet.
    pub fn new(broker_id: i32) -> Self {
        Self { broker_id, state: Mutex::new(RemoteReplicaState::UNKNOWN) }
    }

    pub fn state(&self) -> RemoteReplicaState {
        *locked(&self.state)
    }

    /// Port of `updateFetchStateOrThrow`, past its check of the broker's epoch. Returns whether the end of the
    /// follower's log is another one now.
    pub fn update_fetch_state(&self, fetch: &FollowerFetch) -> bool {
        let mut state = locked(&self.state);
        let before = *state;
        *state = before.after(fetch);
        state.log_end_offset.message_offset != before.log_end_offset.message_offset
    }

    /// Port of `resetReplicaState`, for a leader epoch that begins: a follower in sync gets the time to catch up
    /// from `now_ms` on.
    ///
    /// If another led in between, for which the follower may have cut its log, nothing that is known of it holds any
    /// more. A leader that is elected again keeps how far its followers are, but none joins the ISR before it has
    /// fetched anew.
    pub fn reset(&self, now_ms: i64, end_offset: Offset, may_have_cut: bool, is_in_sync: bool) {
        let mut state = locked(&self.state);
        let in_sync_ms = is_in_sync.then_some(now_ms);
        *state = match may_have_cut {
            true => {
                RemoteReplicaState { last_caught_up_ms: in_sync_ms, ..RemoteReplicaState::UNKNOWN }
            }
            false => RemoteReplicaState {
                last_fetch_leader_end_offset: end_offset,
                last_fetch_ms: in_sync_ms,
                last_caught_up_ms: in_sync_ms,
                ..*state
            },
        };
    }
}

impl RemoteReplicaState {
    /// Before the first fetch.
    pub const UNKNOWN: Self = Self {
        log_end_offset: LogOffsetMetadata::UNKNOWN,
        log_start_offset: Offset::NONE,
        last_fetch_leader_end_offset: Offset::NONE,
        last_fetch_ms: None,
        last_caught_up_ms: None,
        broker_epoch: None,
    };

    /// The last moment of which it is known that the follower had all that the leader had then.
    pub fn last_caught_up_ms(&self) -> Option<i64> {
        self.last_caught_up_ms
    }

    pub fn has_fetched(&self) -> bool {
        self.log_end_offset.message_offset != Offset::NONE
    }

    /// Whether the follower has all that the leader has, or had it at most `lag_time_max_ms` ago.
    pub fn is_caught_up(
        &self,
        leader_end_offset: Offset,
        now_ms: i64,
        lag_time_max_ms: i64,
    ) -> bool {
        let is_in_time = |caught_up_ms| now_ms - caught_up_ms <= lag_time_max_ms;
        self.log_end_offset.message_offset == leader_end_offset
            || self.last_caught_up_ms.is_some_and(is_in_time)
    }

    /// A follower that asks for the end of the log has caught up now. One that asks for what was the end at its
    /// last fetch had caught up then: it is only that the leader goes on.
    fn after(&self, fetch: &FollowerFetch) -> Self {
        let offset = fetch.offset.message_offset;
        let caught_up_ms = if offset >= fetch.leader_end_offset {
            Some(fetch.fetched_ms)
        } else if offset >= self.last_fetch_leader_end_offset {
            self.last_fetch_ms
        } else {
            None
        };
        Self {
            log_end_offset: fetch.offset,
            log_start_offset: fetch.log_start_offset,
            last_fetch_leader_end_offset: fetch
                .leader_end_offset
                .max(self.last_fetch_leader_end_offset),
            last_fetch_ms: Some(fetch.fetched_ms),
            last_caught_up_ms: self.last_caught_up_ms.max(caught_up_ms),
            broker_epoch: fetch.broker_epoch,
        }
    }
}
