//! Where records of transactions may stand in a log. In the place of Kafka's transaction index: this broker takes in
//! no transaction, but copies logs that hold some.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::common::lock::locked;
use crate::common::units::Offset;

/// What appends note and readers ask, without the lock of the log.
#[derive(Debug, Default)]
pub struct TransactionBounds {
    /// No record of a transaction stands at this offset or above.
    end: AtomicI64,
    looked_at: Mutex<LookedAt>,
}

/// What readers have found to be without a transaction, in one piece.
#[derive(Debug, Default)]
struct LookedAt {
    offsets: Range<i64>,
    /// How often a transaction was appended: what a reader saw before says nothing of what it replaced.
    generation: u64,
}

impl TransactionBounds {
    /// Nothing is known of what stands below.
    pub fn suspect_below(&self, end: Offset) {
        self.end.fetch_max(end.0, Ordering::AcqRel);
    }

    /// Records of a transaction are appended, and end before this offset. Called before they can be read.
    pub fn note(&self, end: Offset) {
        let mut looked_at = locked(&self.looked_at);
        *looked_at = LookedAt { offsets: 0..0, generation: looked_at.generation + 1 };
        self.suspect_below(end);
    }

    /// Whether a record of a transaction may stand at `offset` or above.
    pub fn may_be_from(&self, offset: Offset) -> bool {
        offset.0 < self.end.load(Ordering::Acquire)
    }

    /// To be given to [`found_none`](Self::found_none), and taken before anything is looked at.
    pub fn generation(&self) -> u64 {
        locked(&self.looked_at).generation
    }

    /// These offsets hold none. When all below the end is looked at from somewhere on, nobody looks there again.
    pub fn found_none(&self, offsets: Range<Offset>, generation: u64) {
        let mut looked_at = locked(&self.looked_at);
        if looked_at.generation != generation || offsets.is_empty() {
            return;
        }
        let (from, to) = (offsets.start.0, offsets.end.0);
        let known = &mut looked_at.offsets;
        let is_next_to_it = from <= known.end && known.start <= to;
        *known = if is_next_to_it { from.min(known.start)..to.max(known.end) } else { from..to };
        let end = self.end.load(Ordering::Acquire);
        if known.end >= end {
            self.end.store(known.start.min(end), Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(end: i64) -> TransactionBounds {
        let bounds = TransactionBounds::default();
        bounds.suspect_below(Offset(end));
        bounds
    }

    fn found(bounds: &TransactionBounds, from: i64, to: i64) {
        bounds.found_none(Offset(from)..Offset(to), bounds.generation());
    }

    #[test]
    fn what_was_read_to_the_end_in_pieces_is_looked_at_once() {
        let bounds = bounds(100);
        found(&bounds, 10, 40);
        found(&bounds, 40, 90);
        assert!(bounds.may_be_from(Offset(10)));
        found(&bounds, 80, 100);
        assert!(!bounds.may_be_from(Offset(10)));
        assert!(bounds.may_be_from(Offset(9)), "nobody has looked there");
        found(&bounds, 0, 10);
        assert!(!bounds.may_be_from(Offset(0)));
    }

    #[test]
    fn a_gap_between_two_readers_stays_suspect() {
        let bounds = bounds(100);
        found(&bounds, 0, 40);
        found(&bounds, 50, 100);
        assert!(bounds.may_be_from(Offset(45)));
        assert!(!bounds.may_be_from(Offset(50)));
    }

    #[test]
    fn a_transaction_that_is_appended_while_somebody_reads_is_not_passed_over() {
        let bounds = bounds(100);
        let before = bounds.generation();
        bounds.note(Offset(60));
        bounds.found_none(Offset(0)..Offset(100), before);
        assert!(bounds.may_be_from(Offset(0)) && bounds.may_be_from(Offset(59)));

        found(&bounds, 0, 30);
        bounds.note(Offset(110));
        found(&bounds, 30, 110);
        assert!(bounds.may_be_from(Offset(0)), "what was known is forgotten");
    }
}
