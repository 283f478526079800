//! Port of `org.apache.kafka.storage.internals.log.EpochEntry`: where a leader epoch begins in a log,
//! and where it ends.

use crate::common::units::{LeaderEpoch, Offset};

/// A leader epoch of a log, and the offset of its first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    pub epoch: LeaderEpoch,
    pub start_offset: Offset,
}

/// A leader epoch of a log, and where it ends: Kafka's `EpochEndOffset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEndOffset {
    pub leader_epoch: LeaderEpoch,
    /// The offset after its last record.
    pub end_offset: Offset,
}
