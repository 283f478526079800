//! Port of the map in `org.apache.kafka.storage.internals.epoch.LeaderEpochFileCache`, and of what
//! may be asked of it.

use crate::common::units::{LeaderEpoch, Offset};
use crate::storage::epochs::epoch_entry::{EpochEndOffset, EpochEntry};

/// The epochs of a log, from the oldest on. Epochs and start offsets both ascend.
///
/// An epoch without a record makes way for the next one, so there are never more entries than
/// records, but for the epoch that has just begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochEntries(Vec<EpochEntry>);

impl EpochEntries {
    pub fn as_slice(&self) -> &[EpochEntry] {
        &self.0
    }

    pub fn earliest(&self) -> Option<EpochEntry> {
        self.0.first().copied()
    }

    pub fn latest(&self) -> Option<EpochEntry> {
        self.0.last().copied()
    }

    /// Whether [`assign`](Self::assign) would change anything: the epoch is another one than the
    /// latest, or begins earlier than was known.
    pub fn is_update_needed(&self, new: EpochEntry) -> bool {
        self.latest().is_none_or(|latest| {
            new.epoch != latest.epoch || new.start_offset < latest.start_offset
        })
    }

    /// Notes that `new` begins, at the end of the log. Entries that would not be before it go, and
    /// are returned, the last one first.
    pub fn assign(&mut self, new: EpochEntry) -> Vec<EpochEntry> {
        if !self.is_update_needed(new) {
            return Vec::new();
        }
        let is_before =
            |it: &EpochEntry| it.epoch < new.epoch && it.start_offset < new.start_offset;
        let removed = self.remove_from_end_until(is_before);
        self.0.push(new);
        removed
    }

    /// The last epoch up to `epoch` that has records, and where it ends, in a log that ends at
    /// `log_end_offset`. `None` if there is no answer: for no epoch, and for one yet to come.
    ///
    /// An epoch that is older than all that are known ends where the first of them begins: its
    /// records were deleted.
    pub fn end_offset_for(
        &self,
        epoch: LeaderEpoch,
        log_end_offset: Offset,
    ) -> Option<EpochEndOffset> {
        if epoch == LeaderEpoch::NONE {
            return None;
        }
        if self.latest().is_some_and(|latest| latest.epoch == epoch) {
            return Some(EpochEndOffset { leader_epoch: epoch, end_offset: log_end_offset });
        }
        let higher = self.0.partition_point(|it| it.epoch <= epoch);
        let end_offset = self.0.get(higher)?.start_offset;
        let floor = higher.checked_sub(1).map(|at| self.0[at].epoch);
        Some(EpochEndOffset { leader_epoch: floor.unwrap_or(epoch), end_offset })
    }

    /// Forgets the epochs that begin at `end_offset` or above, where the log ends now. Returns those
    /// that were forgotten. [`Offset::NONE`] changes nothing.
    pub fn truncate_from_end(&mut self, end_offset: Offset) -> Vec<EpochEntry> {
        if end_offset < Offset::FIRST {
            return Vec::new();
        }
        self.remove_from_end_until(|it| it.start_offset < end_offset)
    }

    /// Forgets the epochs that end at `start_offset` or below, where the log begins now. The one that
    /// `start_offset` lies in begins there. Returns whether anything changed.
    pub fn truncate_from_start(&mut self, start_offset: Offset) -> bool {
        let kept_from = self.0.partition_point(|it| it.start_offset <= start_offset);
        let Some(first) = kept_from.checked_sub(1) else { return false };
        let changes = first > 0 || self.0[first].start_offset != start_offset;
        self.0[first].start_offset = start_offset;
        self.0.drain(..first);
        changes
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn remove_from_end_until(&mut self, stays: impl Fn(&EpochEntry) -> bool) -> Vec<EpochEntry> {
        let mut removed = Vec::new();
        while let Some(last) = self.0.pop_if(|it| !stays(it)) {
            removed.push(last);
        }
        removed
    }
}
