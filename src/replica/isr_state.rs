//! Port of `kafka.cluster.PartitionState` of later Kafkas, with `CommittedPartitionState`, `PendingExpandIsr` and
//! `PendingShrinkIsr`: which replicas are in sync, and which change of that is under way.

use std::sync::Arc;

use crate::common::errors::Errors;

/// The replicas in sync, by broker ids, in the order of the controller.
///
/// While a change is under way nobody here knows whether the controller has made it already. So the high watermark
/// goes by the greater of the two sets that may count ([`is_in_maximal`](Self::is_in_maximal)), and
/// `min.insync.replicas` by the one that is known ([`committed`](Self::committed)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IsrState {
    /// What the controller has said last, and no change is under way.
    Committed { isr: Arc<[i32]> },
    /// The controller is asked to add one.
    PendingExpand { committed: Arc<[i32]>, new_in_sync: i32 },
    /// The controller is asked to take these out.
    PendingShrink { committed: Arc<[i32]>, out_of_sync: Arc<[i32]> },
}

/// What a leader makes of the code by which a change of its ISR was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The change was not made: all is as before, and it may be asked for again.
    RollBack,
    /// The controller knows something newer than this leader, and the metadata log will tell. Until then the change
    /// stays under way: it may have been made.
    WaitForRecord,
    /// The same change is asked for again.
    Retry,
}

impl IsrState {
    pub fn committed_as(isr: Arc<[i32]>) -> Self {
        Self::Committed { isr }
    }

    /// Kafka's `isr`: the replicas that are known to be in sync.
    pub fn committed(&self) -> &Arc<[i32]> {
        match self {
            Self::Committed { isr } => isr,
            Self::PendingExpand { committed, .. } | Self::PendingShrink { committed, .. } => {
                committed
            }
        }
    }

    /// Whether a replica is in Kafka's `maximalIsr`: in sync, or may be by now.
    pub fn is_in_maximal(&self, broker_id: i32) -> bool {
        let is_added =
            matches!(self, Self::PendingExpand { new_in_sync, .. } if *new_in_sync == broker_id);
        is_added || self.committed().contains(&broker_id)
    }

    /// How many are in the maximal ISR.
    pub fn maximal_size(&self) -> usize {
        self.committed().len() + usize::from(matches!(self, Self::PendingExpand { .. }))
    }

    pub fn is_in_flight(&self) -> bool {
        !matches!(self, Self::Committed { .. })
    }

    /// The state in which the controller is asked to add a replica. `None` if a change is under way, or if it is in
    /// sync.
    #[must_use]
    pub fn expand(&self, new_in_sync: i32) -> Option<Self> {
        let Self::Committed { isr } = self else { return None };
        let is_new = !isr.contains(&new_in_sync);
        is_new.then(|| Self::PendingExpand { committed: Arc::clone(isr), new_in_sync })
    }

    /// The state in which the controller is asked to take replicas out. `None` if a change is under way, or if there
    /// are none.
    #[must_use]
    pub fn shrink(&self, out_of_sync: Vec<i32>) -> Option<Self> {
        let Self::Committed { isr } = self else { return None };
        let (committed, is_any) = (Arc::clone(isr), !out_of_sync.is_empty());
        is_any.then(|| Self::PendingShrink { committed, out_of_sync: out_of_sync.into() })
    }

    /// The state before the change that is under way.
    #[must_use]
    pub fn rolled_back(&self) -> Self {
        Self::committed_as(Arc::clone(self.committed()))
    }

    /// Whether a change is under way of which the controller says `committed`, in whatever order.
    pub fn is_made_by(&self, committed: &Self) -> bool {
        let said = committed.committed();
        self.is_in_flight()
            && self.proposed().count() == said.len()
            && self.proposed().all(|id| said.contains(&id))
    }

    /// The replicas that are in sync if the change is made.
    pub fn proposed(&self) -> impl Iterator<Item = i32> + '_ {
        let stays = |id: &i32| !matches!(self, Self::PendingShrink { out_of_sync, .. } if out_of_sync.contains(id));
        let added = match self {
            Self::PendingExpand { new_in_sync, .. } => Some(*new_in_sync),
            _ => None,
        };
        self.committed().iter().copied().filter(stays).chain(added)
    }
}

impl Refused {
    /// Of all codes only those that say that nothing was done allow to go back: whoever goes back after another one
    /// would move the high watermark without a replica that the controller may elect.
    pub fn by(error: Errors) -> Self {
        match error {
            Errors::OperationNotAttempted | Errors::IneligibleReplica => Self::RollBack,
            Errors::UnknownTopicOrPartition
            | Errors::UnknownTopicId
            | Errors::FencedLeaderEpoch
            | Errors::InvalidUpdateVersion
            | Errors::InvalidRequest
            | Errors::NewLeaderElected => Self::WaitForRecord,
            _ => Self::Retry,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(isr: &[i32]) -> IsrState {
        IsrState::committed_as(isr.into())
    }

    fn proposed(state: &IsrState) -> Vec<i32> {
        state.proposed().collect()
    }

    #[test]
    fn the_one_that_may_have_joined_counts_for_the_high_watermark_alone() {
        let state = committed(&[1, 2]).expand(3).unwrap();
        assert_eq!((&state.committed()[..], proposed(&state)), (&[1, 2][..], vec![1, 2, 3]));
        assert!(state.is_in_maximal(3) && state.is_in_maximal(2) && !state.is_in_maximal(4));
        assert_eq!((state.maximal_size(), state.is_in_flight()), (3, true));
        assert_eq!(state.rolled_back(), committed(&[1, 2]));
    }

    #[test]
    fn one_that_may_have_been_taken_out_counts_until_that_is_known() {
        let state = committed(&[1, 2, 3]).shrink(vec![2, 3]).unwrap();
        assert_eq!((&state.committed()[..], proposed(&state)), (&[1, 2, 3][..], vec![1]));
        assert!(state.is_in_maximal(2) && state.is_in_maximal(3));
        assert_eq!((state.maximal_size(), state.is_in_flight()), (3, true));
        assert_eq!(state.rolled_back(), committed(&[1, 2, 3]));
    }

    #[test]
    fn one_change_is_under_way_at_a_time_and_none_that_changes_nothing() {
        let (expand, shrink) =
            (committed(&[1]).expand(2).unwrap(), committed(&[1, 2]).shrink(vec![2]).unwrap());
        for state in [expand, shrink] {
            assert_eq!((state.expand(3), state.shrink(vec![1])), (None, None));
        }
        assert_eq!((committed(&[1]).expand(1), committed(&[1]).shrink(vec![])), (None, None));
    }
}
