//! Port of `kafka.common.OffsetAndMetadata`: what a group has committed for one partition.

use crate::common::units::LeaderEpoch;

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// The offset of the next message to read.
    pub offset: i64,
    /// The epoch of the leader that the last message was read from.
    pub leader_epoch: LeaderEpoch,
    /// What the consumer wrote beside it. Never null: null is kept as the empty text (KAFKA-3394).
    pub metadata: String,
    /// In milliseconds since 1970.
    pub commit_timestamp_ms: i64,
    /// In milliseconds since 1970, if the consumer chose it. Otherwise the offset lives as long as
    /// the group and `offsets.retention.minutes` beyond.
    pub expire_timestamp_ms: Option<i64>,
}

impl OffsetAndMetadata {
    /// Whether the offset has expired at `now_ms`, when the broker keeps offsets for
    /// `retention_ms` from `base_ms` on.
    pub fn is_expired(&self, now_ms: i64, base_ms: i64, retention_ms: i64) -> bool {
        match self.expire_timestamp_ms {
            Some(expire_timestamp_ms) => now_ms >= expire_timestamp_ms,
            None => now_ms.saturating_sub(base_ms) >= retention_ms,
        }
    }
}
