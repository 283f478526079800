//! What a number counts, where two of them side by side are both integers: a moment and a place in
//! a file. Bare integers stay on the wire, in the layouts of bytes and in the text of files, and
//! become one of these where they enter the log.
//!
//! There is no operator that mixes them: a difference of two of a kind is a number again.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// A moment by the wall clock, in milliseconds since 1970. A record's may be any number, for
/// clients choose it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimestampMs(pub i64);

/// A byte in a segment's file, counted from the start of the message set in it. How many bytes
/// there are, or may be read, is a `u64` instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// How often the leader of a partition has changed. The wire and the records have it beside other
/// `INT32`s: partitions, brokers, generations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaderEpoch(pub i32);

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

impl fmt::Display for TimestampMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LeaderEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
