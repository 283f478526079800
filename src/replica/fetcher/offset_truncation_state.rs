//! Port of `kafka.server.OffsetTruncationState` and of `getOffsetTruncationState`: where a follower's log is to
//! be cut so that it holds nothing that its leader's does not.

use crate::common::units::{LeaderEpoch, Offset};
use crate::storage::epochs::epoch_entry::EpochEndOffset;

/// Where a log is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetTruncationState {
    pub offset: Offset,
    /// Whether the logs agree up to there. If not, the leader is to be asked again, with the epoch that is
    /// the last then.
    pub truncation_completed: bool,
}

impl OffsetTruncationState {
    /// The leader's greatest epoch up to the follower's last one ends at `leader`. The follower's log ends at
    /// `log_end`, and `own_end` looks up where its greatest epoch up to a given one ends.
    ///
    /// The leader knows of no epoch at all: `initial` is cut to, the offset at which the follower began.
    pub fn new<E>(
        leader: Option<EpochEndOffset>,
        initial: Offset,
        log_end: Offset,
        own_end: impl FnOnce(LeaderEpoch) -> Result<Option<EpochEndOffset>, E>,
    ) -> Result<Self, E> {
        let Some(leader) = leader.filter(|it| it.end_offset >= Offset::FIRST) else {
            return Ok(Self::completed(initial));
        };
        if leader.leader_epoch == LeaderEpoch::NONE {
            return Ok(Self::completed(leader.end_offset.min(log_end)));
        }
        Ok(match own_end(leader.leader_epoch)? {
            // It had no epochs yet when it wrote what it has.
            None => Self::completed(leader.end_offset.min(log_end)),
            Some(own) if own.leader_epoch == leader.leader_epoch => {
                Self::completed(own.end_offset.min(leader.end_offset).min(log_end))
            }
            // An epoch that the follower has not seen: its own one before that may end below the leader's
            // end of it (KIP-279).
            Some(own) => Self { offset: own.end_offset.min(log_end), truncation_completed: false },
        })
    }

    fn completed(offset: Offset) -> Self {
        Self { offset, truncation_completed: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(epoch: i32, offset: i64) -> EpochEndOffset {
        EpochEndOffset { leader_epoch: LeaderEpoch(epoch), end_offset: Offset(offset) }
    }

    /// The follower began at 3, and its log ends at 10.
    fn cut(leader: Option<EpochEndOffset>, own: Option<EpochEndOffset>) -> (i64, bool) {
        let state = OffsetTruncationState::new(leader, Offset(3), Offset(10), |epoch| {
            assert_eq!(Some(epoch), leader.map(|it| it.leader_epoch));
            Ok::<_, ()>(own)
        });
        let state = state.unwrap();
        (state.offset.0, state.truncation_completed)
    }

    #[test]
    fn logs_that_share_an_epoch_agree_up_to_the_lower_of_its_ends() {
        assert_eq!(cut(Some(end(4, 6)), Some(end(4, 8))), (6, true));
        assert_eq!(cut(Some(end(4, 9)), Some(end(4, 8))), (8, true));
        assert_eq!(cut(Some(end(4, 30)), Some(end(4, 20))), (10, true));
    }

    /// The follower has epoch 2 up to 8 and knows nothing of 4: the leader may have begun 3 before 8.
    #[test]
    fn an_epoch_that_the_follower_has_not_seen_asks_for_another_step() {
        assert_eq!(cut(Some(end(4, 9)), Some(end(2, 8))), (8, false));
        assert_eq!(cut(Some(end(4, 9)), Some(end(2, 20))), (10, false));
    }

    #[test]
    fn a_log_without_such_an_epoch_is_cut_to_the_leaders_end() {
        assert_eq!(cut(Some(end(4, 6)), None), (6, true));
        assert_eq!(cut(Some(end(4, 60)), None), (10, true));
        assert_eq!(cut(Some(end(-1, 6)), Some(end(4, 8))), (6, true));
    }

    #[test]
    fn a_leader_without_epochs_leaves_what_was_committed() {
        assert_eq!(cut(None, Some(end(4, 8))), (3, true));
        assert_eq!(cut(Some(end(-1, -1)), Some(end(4, 8))), (3, true));
    }
}
