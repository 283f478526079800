//! Port of `kafka.common.OffsetAndMetadata`: what a group has committed for one partition.

use crate::common::units::{LeaderEpoch, Offset, TimestampMs};

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// The offset of the next message to read.
    pub offset: Offset,
    /// The epoch of the leader that the last message was read from.
    pub leader_epoch: LeaderEpoch,
    /// What the consumer wrote beside it. Never null: null is kept as the empty text (KAFKA-3394).
    pub metadata: String,
    pub commit_timestamp_ms: TimestampMs,
    /// If the consumer chose it. Otherwise the offset lives as long as the group and `offsets.retention.minutes` beyond.
    pub expire_timestamp_ms: Option<TimestampMs>,
}

impl OffsetAndMetadata {
    /// Whether the offset has expired at `now_ms`, when the broker keeps offsets for
    /// `retention_ms` from `base_ms` on.
    pub fn is_expired(&self, now_ms: TimestampMs, base_ms: TimestampMs, retention_ms: i64) -> bool {
        match self.expire_timestamp_ms {
            Some(expire_timestamp_ms) => now_ms >= expire_timestamp_ms,
            None => now_ms.ms_since(base_ms) >= retention_ms,
        }
    }
}
