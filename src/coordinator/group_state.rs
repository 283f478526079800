//! Port of `kafka.coordinator.GroupState`: the state of a group, and what it waits for.
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

/// The state of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// Has no members. It may have offsets.
    Empty,
    /// Waits for its members to join.
    PreparingRebalance,
    /// All members have joined; waits for the leader's assignment.
    CompletingRebalance,
    /// Its members are at work.
    Stable,
    /// Is being removed: its clients look for the coordinator again, and join again.
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
    FirstMembers { remaining_ms: i64 },
    /// All members to join.
    Joins,
    /// All members to ask for their assignments.
    Syncs,
}

/// A wait of the whole group.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    pub wait_for: WaitFor,
    /// Distinguishes it from earlier waits: their timers may fire late, and must do nothing.
    pub serial: u64,
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
