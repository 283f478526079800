//! What a number of the log counts, as a type where a mix-up would be a bug that compiles: an offset
//! and a timestamp are both 64 bits, a position and a size too, and a leader epoch has the 32 of a
//! partition.
//!
//! Bare integers stay on the wire, in the layouts of bytes and in the text of files. They become
//! one of these where a handler or the log takes them in. No operator mixes two of them; the
//! difference of two of a kind, how many records, bytes or milliseconds lie between, is a number
//! again.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// A record's number in its log.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub i64);

/// A moment by the wall clock, in milliseconds since 1970. A record's may be any number, for
/// clients choose it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimestampMs(pub i64);

/// A byte in a segment's file, counted from the start of the message set in it. How many bytes
/// there are, or may be read, is a `u64` instead.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// How often the leader of a partition has changed. The wire and the records have it beside other
/// `INT32`s: partitions, brokers, generations.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaderEpoch(pub i32);

impl Offset {
    /// Where a new log begins.
    pub const FIRST: Self = Self(0);

    /// In place of an offset: there is none.
    pub const NONE: Self = Self(-1);

    /// Above every offset that a record may have.
    pub const MAX: Self = Self(i64::MAX);

    /// The offset after this one; [`MAX`](Self::MAX) has none after it.
    pub fn next(self) -> Self {
        self.saturating_add(1)
    }

    /// The offset `count` records further on, or [`MAX`](Self::MAX).
    pub fn saturating_add(self, count: i64) -> Self {
        Self(self.0.saturating_add(count))
    }

    /// How many offsets there are from `earlier` on up to this one; negative if that is later.
    pub fn saturating_sub(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl TimestampMs {
    /// The timestamp of a record that has none (Kafka's `NO_TIMESTAMP`).
    pub const NONE: Self = Self(-1);

    /// How many milliseconds passed since `earlier`; negative if it is later. Saturates, for records
    /// may claim to be from the ends of time.
    pub fn ms_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `ms` later; the last there is if that lies beyond it.
    pub fn saturating_add_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// The moment `ms` earlier; the first there is if that lies before it.
    pub fn saturating_sub_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_sub(ms))
    }
}

impl Position {
    /// Where the first entry begins.
    pub const START: Self = Self(0);

    /// How many bytes lie between `earlier` and here; 0 if it is not earlier.
    pub fn bytes_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The position `bytes` further on; the last there is if that lies beyond it.
    pub fn saturating_add(self, bytes: u64) -> Self {
        Self(self.0.saturating_add(bytes))
    }
}

impl LeaderEpoch {
    /// In place of an epoch: the client, or the record, has none.
    pub const NONE: Self = Self(-1);
}

impl Sub<i64> for Offset {
    type Output = Self;

    fn sub(self, count: i64) -> Self {
        Self(self.0 - count)
    }
}

impl Add<u64> for Position {
    type Output = Self;

    fn add(self, bytes: u64) -> Self {
        Self(self.0 + bytes)
    }
}

impl AddAssign<u64> for Position {
    fn add_assign(&mut self, bytes: u64) {
        self.0 += bytes;
    }
}

impl Sub for Position {
    type Output = u64;

    fn sub(self, earlier: Self) -> u64 {
        self.0 - earlier.0
    }
}

/// They print the bare number: the name beside it in a log line says what it is.
macro_rules! prints_the_number {
    ($($unit:ty)*) => {$(
        impl fmt::Display for $unit {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $unit {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    )*};
}

prints_the_number!(Offset TimestampMs Position LeaderEpoch);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_prints_as_its_number_and_pads_as_one() {
        let (offset, none) = (Offset(42), TimestampMs::NONE);
        assert_eq!(format!("{offset:06} {none} {offset:?}"), "000042 -1 42");
    }

    #[test]
    fn what_clients_choose_saturates() {
        let (first, last) = (TimestampMs(i64::MIN), TimestampMs(i64::MAX));
        assert_eq!((last.ms_since(first), first.ms_since(last)), (i64::MAX, i64::MIN));
        assert_eq!((last.saturating_add_ms(1), first.saturating_sub_ms(1)), (last, first));
        assert_eq!((Offset::MAX.next(), Offset::FIRST.next()), (Offset::MAX, Offset(1)));
        assert_eq!(Position(3).bytes_since(Position(5)), 0);
    }
}
