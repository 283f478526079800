//! Port of `kafka.cluster.Replica`: one copy of a partition, with its log and its high watermark.
//!
//! Only the local copy exists here: nobody is asked yet how far the others are.

use std::sync::{Arc, Mutex};

use crate::common::lock::locked;
use crate::common::units::Offset;
use crate::replica::partition_traffic::PartitionTraffic;
use crate::storage::log::log::Log;
use crate::storage::log::log_offset_metadata::LogOffsetMetadata;

/// The local replica of a partition.
///
/// Holds: `log_start_offset <= high_watermark <= log_end_offset`, once the partition has a leader.
pub struct Replica {
    /// The broker that keeps this copy.
    pub broker_id: i32,
    pub log: Arc<Log>,
    pub traffic: PartitionTraffic,
    /// The offset up to which consumers may read, exclusive.
    high_watermark: Mutex<LogOffsetMetadata>,
}

impl Replica {
    /// A replica whose high watermark was `checkpointed` at the last checkpoint.
    ///
    /// A checkpoint may be older than a recovery that cut the log, so the watermark never starts
    /// beyond its end.
    pub fn new(broker_id: i32, log: Arc<Log>, checkpointed: Offset) -> Self {
        let start = checkpointed.min(log.log_end_offset()).max(log.log_start_offset());
        log.update_high_watermark(start);
        let high_watermark = Mutex::new(LogOffsetMetadata::message_offset_only(start));
        Self { broker_id, log, traffic: PartitionTraffic::default(), high_watermark }
    }

    /// The offset that the next message will get, with its place.
    pub fn log_end_offset(&self) -> LogOffsetMetadata {
        self.log.log_end_offset_metadata()
    }

    /// The offset up to which consumers may read, exclusive, with its place if it is known.
    pub fn high_watermark(&self) -> LogOffsetMetadata {
        *locked(&self.high_watermark)
    }

    /// Moves the high watermark up to `candidate`; returns whether it moved.
    ///
    /// An equal offset on a newer segment counts as a move: the log has rolled, and a fetch that
    /// waits at the watermark compares places (`Partition.maybeIncrementLeaderHW`).
    pub fn maybe_increment_high_watermark(&self, candidate: LogOffsetMetadata) -> bool {
        let mut high_watermark = locked(&self.high_watermark);
        let is_ahead = candidate.message_offset > high_watermark.message_offset;
        let is_same_offset = candidate.message_offset == high_watermark.message_offset;
        let is_on_older_segment = high_watermark
            .is_on_older_segment(&candidate)
            .unwrap_or(high_watermark.place.is_none());
        let moves = is_ahead || (is_same_offset && is_on_older_segment);
        if moves {
            *high_watermark = candidate;
            // Retention must not go beyond it (KAFKA-5634).
            self.log.update_high_watermark(candidate.message_offset);
        }
        moves
    }
}
