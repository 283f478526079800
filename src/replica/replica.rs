//! Port of `kafka.cluster.Replica`: one copy of a partition, with its log and its high watermark.
//!
//! This is the local copy. What a leader knows of the others are its [`RemoteReplica`]s.
//!
//! [`RemoteReplica`]: crate::replica::remote_replica::RemoteReplica

use std::sync::{Arc, Mutex};

use log::{Level, log};

use crate::common::errors::KafkaError;
use crate::common::lock::locked;
use crate::common::log_limit::{LogKind, limited};
use crate::common::units::{LeaderEpoch, Offset};
use crate::message::byte_buffer_message_set::shallow_entries;
use crate::replica::partition_traffic::PartitionTraffic;
use crate::storage::log::log::Log;
use crate::storage::log::log_append::LogAppendInfo;
use crate::storage::log::log_offset_metadata::LogOffsetMetadata;
use crate::storage::log::patience::Patience;
use crate::storage::log::read_limit::{FirstEntry, ReadLimit};

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

    /// Port of `fetchHighWatermarkMetadata`: the high watermark with its place, which is looked up on a follower, and
    /// on a leader that was one.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn high_watermark_with_place(&self) -> Result<LogOffsetMetadata, KafkaError> {
        let known = self.high_watermark();
        if known.place.is_some() {
            return Ok(known);
        }
        let nothing = ReadLimit {
            max_bytes: 0,
            first_entry: FirstEntry::MayBeCut,
            ends_at_entry: false,
            patience: Patience::ForDisk,
        };
        Ok(self.log.read(known.message_offset, None, nothing)?.fetch_offset_metadata)
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

    /// Port of `appendRecordsToFollowerOrFutureReplica`: appends what the leader of `leader_epoch` has sent.
    ///
    /// An empty log may be sent a batch that begins below its start: an admin has deleted the first of
    /// its records, and the leader has no half batches. The log begins where the batch does then.
    ///
    /// # Errors
    /// As [`Log::append_as_follower`].
    pub fn append_as_follower(
        &self,
        records: &[u8],
        leader_epoch: LeaderEpoch,
    ) -> Result<LogAppendInfo, KafkaError> {
        if let Some(first_offset) = first_offset_across_start(records, &self.log) {
            let (log, start) = (self.log.topic_and_partition(), self.log.log_start_offset());
            let level = limited(LogKind::Segments, Level::Info);
            log!(level, "{log} is empty, and begins at offset {first_offset} instead of {start}");
            self.truncate_fully_and_start_at(first_offset)?;
        }
        self.log.append_as_follower(records, leader_epoch)
    }

    /// Port of `maybeUpdateHighWatermark` on a follower: what its leader says, as far as its own log
    /// reaches, and never downward. Returns whether the watermark moved.
    pub fn update_follower_high_watermark(&self, of_leader: Offset) -> bool {
        let candidate = of_leader.min(self.log.log_end_offset());
        let mut high_watermark = locked(&self.high_watermark);
        let moves = candidate > high_watermark.message_offset;
        if moves {
            *high_watermark = LogOffsetMetadata::message_offset_only(candidate);
            self.log.update_high_watermark(candidate);
        }
        moves
    }

    /// Port of `maybeIncrementLogStartOffset` on a follower: the log begins where its leader's does, but
    /// not above the high watermark. Returns whether the start moved.
    ///
    /// # Errors
    /// As [`Log::delete_records_before`].
    pub fn maybe_increment_log_start_offset(&self, of_leader: Offset) -> Result<bool, KafkaError> {
        let start_offset = of_leader.min(self.high_watermark().message_offset);
        if start_offset <= self.log.log_start_offset() {
            return Ok(false);
        }
        self.log.delete_records_before(start_offset).map(|_| true)
    }

    /// Cuts the log so that `offset` is its end, and the high watermark with it: only an unclean election
    /// makes a follower give up what was committed.
    ///
    /// # Errors
    /// As [`Log::truncate_to`]. The watermark lies within what the log has, all the same.
    pub fn truncate_to(&self, offset: Offset) -> Result<(), KafkaError> {
        let truncated = self.log.truncate_to(offset);
        self.lower_high_watermark_to(self.log.log_end_offset());
        truncated
    }

    /// Deletes everything, and goes on at `offset`, where the high watermark is then, too: what the leader
    /// has deleted was committed (KAFKA-9491).
    ///
    /// # Errors
    /// As [`Log::truncate_fully_and_start_at`]; then the high watermark has not been raised.
    pub fn truncate_fully_and_start_at(&self, offset: Offset) -> Result<(), KafkaError> {
        let truncated = self.log.truncate_fully_and_start_at(offset);
        self.lower_high_watermark_to(self.log.log_end_offset());
        truncated?;
        self.update_follower_high_watermark(offset);
        Ok(())
    }

    fn lower_high_watermark_to(&self, offset: Offset) {
        let mut high_watermark = locked(&self.high_watermark);
        if high_watermark.message_offset > offset {
            *high_watermark = LogOffsetMetadata::message_offset_only(offset);
            self.log.update_high_watermark(offset);
        }
    }
}

/// Where the first batch of `records` begins, if the start of an empty log lies within it.
fn first_offset_across_start(records: &[u8], log: &Log) -> Option<Offset> {
    let end_offset = log.log_end_offset();
    if end_offset != log.log_start_offset() {
        return None;
    }
    let first = shallow_entries(records).next()?.ok()?;
    let (offset, last_offset) = (Offset(first.offset), Offset(first.last_offset));
    (offset < end_offset && last_offset >= end_offset).then_some(offset)
}
