//! Port of `kafka.coordinator.GroupState`: where a group stands, and what it waits for.
//!
//! ```text
//!            first join            all have joined              the leader has assigned
//!   Empty ----------------> PreparingRebalance -----> CompletingRebalance -----> Stable
//!     ^                        |    ^    ^                   |                     |
//!     +--- nobody has joined --+    |    +-- join, leave, ---+                     |
//!     |                             |        death                                 |
//!     v                             +---------- join, leave, death ----------------+
//!    Dead: deleted, or without members and offsets
//! ```
//!
//! The names are today's Kafka's. In 0.9 CompletingRebalance was called AwaitingSync, and there was
//! no Empty: a group died with its last member, and its offsets were kept apart from it.

use crate::purgatory::timing_wheel::TimerTaskId;

/// Where a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// It has no members. It may have offsets.
    Empty,
    /// It waits for its members to join.
    PreparingRebalance,
    /// All have joined; it waits for the leader to say who gets what.
    CompletingRebalance,
    /// Its members are at work.
    Stable,
    /// It is being removed: who has come too late must begin anew.
    Dead,
}

impl GroupState {
    /// Kafka's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }

    /// Whether a group may go from this state to `next`.
    pub const fn may_become(self, next: Self) -> bool {
        match next {
            Self::Empty | Self::CompletingRebalance => matches!(self, Self::PreparingRebalance),
            Self::PreparingRebalance => {
                matches!(self, Self::Empty | Self::CompletingRebalance | Self::Stable)
            }
            Self::Stable => matches!(self, Self::CompletingRebalance),
            Self::Dead => true,
        }
    }
}

/// What a whole group waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitFor {
    /// More members than the first, for a moment; and then again if some have come, but in all no
    /// longer than `remaining_ms` from the end of this moment.
    FirstMembers {
        /// In milliseconds.
        remaining_ms: i64,
    },
    /// All members to join.
    Joins,
    /// All members to ask for their assignments.
    Syncs,
}

/// A wait of the whole group.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    /// What for.
    pub wait_for: WaitFor,
    /// Tells it from the waits before: a timer that comes late must find that it is not meant.
    pub serial: u64,
    /// What ends it.
    pub timer: TimerTaskId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_goes_round_and_dies_from_anywhere() {
        use GroupState::{CompletingRebalance, Dead, Empty, PreparingRebalance, Stable};
        let all = [Empty, PreparingRebalance, CompletingRebalance, Stable, Dead];
        let may_follow = |state: GroupState| all.map(|next| state.may_become(next));
        assert_eq!(may_follow(Empty), [false, true, false, false, true]);
        assert_eq!(may_follow(PreparingRebalance), [true, false, true, false, true]);
        assert_eq!(may_follow(CompletingRebalance), [false, true, false, true, true]);
        assert_eq!(may_follow(Stable), [false, true, false, false, true]);
        assert_eq!(may_follow(Dead), [false, false, false, false, true]);
    }
}
