//! Where a slice ends: what Kafka's `Log.read` takes as `maxLength` and `minOneMessage`, and
//! `ReplicaManager.readFromLocalLog` as `hardMaxBytesLimit`.

use crate::common::errors::{Errors, KafkaError};
use crate::storage::log::patience::Patience;

/// A slice may give up this part of itself, and end at an entry, without a look at what is lost.
const GIVEN_UP_SHARE: u64 = 8;

/// How many bytes a read may take, how it keeps to that, and what it may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimit<'a> {
    /// The most bytes of the slice.
    pub max_bytes: i32,
    /// What becomes of a first entry that does not fit.
    pub first_entry: FirstEntry,
    /// Whether a slice of several entries ends at the last boundary between two of them that is
    /// known without a system call. What Kafka sends beyond it, every client throws away.
    pub ends_at_entry: bool,
    pub patience: Patience<'a>,
}

/// What becomes of an entry that begins a slice and is larger than the slice may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstEntry {
    /// It is cut, as in Kafka 0.9 (`hardMaxBytesLimit`): its consumer sees that the message is too
    /// large for its limit.
    MayBeCut,
    /// It is left out, and the slice is empty. A consumer of today would take a part of it for a
    /// batch that it can never get, and stop there for ever.
    MustFit,
    /// It comes whole (KIP-74).
    IsWhole,
}

impl ReadLimit<'_> {
    /// The first entry whatever its size, and no more of what follows than fits into `max_bytes`.
    pub fn min_one_message(max_bytes: i32) -> Self {
        Self {
            max_bytes,
            first_entry: FirstEntry::IsWhole,
            ends_at_entry: false,
            patience: Patience::ForDisk,
        }
    }

    /// The most bytes of a slice whose first entry has `first_bytes`.
    ///
    /// # Errors
    /// `UNKNOWN_SERVER_ERROR` if the limit is negative.
    pub fn bytes_within(&self, first_bytes: u64) -> Result<u64, KafkaError> {
        let max_bytes = u64::try_from(self.max_bytes).map_err(|_| {
            let why = format!("a read of {} bytes from the log is impossible", self.max_bytes);
            KafkaError::api(Errors::UnknownServerError, why)
        })?;
        Ok(match self.first_entry {
            FirstEntry::MustFit if first_bytes > max_bytes => 0,
            FirstEntry::MayBeCut | FirstEntry::MustFit => max_bytes,
            FirstEntry::IsWhole => max_bytes.max(first_bytes),
        })
    }
}

/// Whether a slice whose first entry has `first_bytes` ends better after the `kept_bytes` at whose
/// end an entry is known to begin, and gives up the `given_up_bytes` that the limit still allows.
///
/// As a rule, every entry that is larger than the index's interval has a place in the index, so
/// what is given up then is a part of one entry. Smaller ones may lie whole between the last known
/// one and the limit. They are given up as well if that costs little, or if more is saved: as a
/// rule, at most an interval of them has no place in the index.
///
/// There is no relying on the rule: the interval may have been another one, and of a set of old
/// messages, which are appended at once, only the first has a place. So never more is given up than
/// is kept.
pub(super) fn ends_better_at_known_entry(
    first_bytes: u64,
    kept_bytes: u64,
    given_up_bytes: u64,
    index_interval_bytes: u64,
) -> bool {
    let is_likely_one_entry = first_bytes > index_interval_bytes;
    let is_little = given_up_bytes <= kept_bytes / GIVEN_UP_SHARE;
    let is_mostly_one_entry = given_up_bytes > index_interval_bytes.saturating_mul(2);
    given_up_bytes <= kept_bytes && (is_likely_one_entry || is_little || is_mostly_one_entry)
}
