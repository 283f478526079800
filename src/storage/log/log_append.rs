//! Port of `kafka.log.LogAppendInfo` and `Log.analyzeAndValidateMessageSet`: what a log asks of the
//! messages that are appended to it, and the result of an append.

use crate::common::errors::{Errors, KafkaError};
use crate::common::units::{LeaderEpoch, Offset, TimestampMs};
use crate::config::log_config::LogConfig;
use crate::config::log_policies::{CompressionType, MessageTimestampType};
use crate::message::append_format::AppendFormat;
use crate::message::byte_buffer_message_set::shallow_entries;
use crate::message::compression_codec::CompressionCodec;
use crate::message::log_validator::Validated;
use crate::message::timestamp_type::TimestampType;
use crate::storage::log::log_epochs::GivenEpochs;
use crate::storage::producers::producer_state_entry::BatchMetadata;

/// What was appended, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogAppendInfo {
    /// The offset of the first message; -1 if there were none.
    pub first_offset: Offset,
    /// The offset of the last message; -1 if there were none.
    pub last_offset: Offset,
    /// The highest timestamp among them, or [`TimestampMs::NONE`].
    pub max_timestamp_ms: TimestampMs,
    /// The last offset of the entry that has it.
    pub offset_of_max_timestamp: Offset,
    /// The time of the append, if the topic stamps its messages with it, or [`TimestampMs::NONE`].
    pub log_append_time_ms: TimestampMs,
    /// The log's first offset at that time.
    pub log_start_offset: Offset,
    /// How many messages there are.
    pub record_count: u64,
    /// Their size in the log, in bytes.
    pub valid_bytes: usize,
    /// Whether they were converted to the log's format.
    pub was_converted: bool,
    /// The epoch in which their leader took them in; [`LeaderEpoch::NONE`] on a follower.
    pub leader_epoch: LeaderEpoch,
}

impl LogAppendInfo {
    fn empty(log_start_offset: Offset) -> Self {
        Self {
            first_offset: Offset::NONE,
            last_offset: Offset::NONE,
            max_timestamp_ms: TimestampMs::NONE,
            offset_of_max_timestamp: Offset::NONE,
            log_append_time_ms: TimestampMs::NONE,
            log_start_offset,
            record_count: 0,
            valid_bytes: 0,
            was_converted: false,
            leader_epoch: LeaderEpoch::NONE,
        }
    }

    /// Messages that are about to be appended.
    pub fn of_validated(validated: &Validated<'_>, log_start_offset: Offset) -> Self {
        Self {
            first_offset: Offset(validated.first_offset),
            last_offset: Offset(validated.last_offset),
            max_timestamp_ms: TimestampMs(validated.max_timestamp),
            offset_of_max_timestamp: Offset(validated.offset_of_max_timestamp),
            record_count: validated.record_count,
            valid_bytes: validated.bytes.len(),
            was_converted: validated.was_converted,
            ..Self::empty(log_start_offset)
        }
    }

    /// Nothing, behind what was appended earlier, up to `end_offset`.
    pub fn of_earlier(
        log_start_offset: Offset,
        end_offset: Offset,
        leader_epoch: LeaderEpoch,
    ) -> Self {
        Self {
            last_offset: Offset(end_offset.0 - 1),
            leader_epoch,
            ..Self::empty(log_start_offset)
        }
    }

    /// This and what was appended behind it.
    pub fn and_then(self, next: &Self) -> Self {
        let is_later = next.max_timestamp_ms > self.max_timestamp_ms;
        let latest = if is_later { next } else { &self };
        Self {
            last_offset: next.last_offset,
            max_timestamp_ms: latest.max_timestamp_ms,
            offset_of_max_timestamp: latest.offset_of_max_timestamp,
            record_count: self.record_count + next.record_count,
            valid_bytes: self.valid_bytes + next.valid_bytes,
            ..self
        }
    }

    /// What the producer of these messages gets, if they are a copy of `original`: nothing was
    /// appended, and the offsets and the time are those of the first time.
    pub fn of_duplicate(&self, original: &BatchMetadata) -> Self {
        let is_stamped = self.log_append_time_ms != TimestampMs::NONE;
        Self {
            first_offset: original.first_offset(),
            last_offset: original.last_offset,
            log_append_time_ms: if is_stamped { original.timestamp_ms } else { TimestampMs::NONE },
            leader_epoch: self.leader_epoch,
            ..Self::empty(self.log_start_offset)
        }
    }
}

/// What the settings of a log ask of the messages that are appended to it.
pub fn append_format(config: &LogConfig, leader_epoch: LeaderEpoch) -> AppendFormat {
    AppendFormat {
        magic: config.message_format_magic,
        compression: match config.compression_type {
            CompressionType::Producer => None,
            CompressionType::Uncompressed => Some(CompressionCodec::None),
            CompressionType::Gzip => Some(CompressionCodec::Gzip),
            CompressionType::Snappy => Some(CompressionCodec::Snappy),
            CompressionType::Lz4 => Some(CompressionCodec::Lz4),
            CompressionType::Zstd => Some(CompressionCodec::Zstd),
        },
        compression_level: match config.compression_type {
            CompressionType::Gzip => Some(config.compression_gzip_level),
            CompressionType::Zstd => Some(config.compression_zstd_level),
            _ => None,
        },
        timestamp_type: match config.message_timestamp_type {
            MessageTimestampType::CreateTime => TimestampType::CreateTime,
            MessageTimestampType::LogAppendTime => TimestampType::LogAppendTime,
        },
        timestamp_before_max_ms: config.timestamp_before_max_ms(),
        timestamp_after_max_ms: config.timestamp_after_max_ms(),
        message_bytes_max: config.max_message_size,
        is_compacted: config.cleanup_policy.is_compacted(),
        validates_compressed: config.transferto_compressed_records_validation_enable,
        partition_leader_epoch: leader_epoch.0,
    }
}

/// Checks messages that bring their offsets along, as a follower gets them: as many from the first one on
/// as one append takes, which are those that fit into a segment, or a single entry that is larger. A partial
/// entry at the end is left out, and so is what begins with a batch of an epoch after `leader_epoch`
/// (KAFKA-18723). Returns with what is to be appended the epochs that begin with it.
///
/// `max.message.bytes` does not count here: the leader took them when it was another, or for a topic that
/// had another, and a follower must take what its leader has.
///
/// # Errors
/// `CORRUPT_MESSAGE`, or `UNKNOWN_SERVER_ERROR` if an offset does not come after the one before it, the
/// first one after `next_offset - 1` (KAFKA-3047).
pub fn analyze_as_follower(
    records: &[u8],
    next_offset: Offset,
    leader_epoch: LeaderEpoch,
    segment_size_bytes: u64,
) -> Result<(LogAppendInfo, GivenEpochs), KafkaError> {
    let (mut info, mut epochs) = (LogAppendInfo::empty(Offset::NONE), GivenEpochs::default());
    let mut due_offset = next_offset;
    for entry in shallow_entries(records) {
        let entry = entry?;
        let (offset, last_offset) = (Offset(entry.offset), Offset(entry.last_offset));
        if entry.leader_epoch().is_some_and(|epoch| epoch > leader_epoch.0) {
            break;
        }
        let size_bytes = info.valid_bytes + entry.size_in_bytes();
        let is_full = size_bytes as u64 > segment_size_bytes
            || last_offset.saturating_sub(info.first_offset) > i64::from(i32::MAX);
        if info.record_count > 0 && is_full {
            break;
        }
        if !entry.has_valid_crc() {
            let why = format!("the entry of offset {} fails its CRC", entry.offset);
            return Err(KafkaError::api(Errors::CorruptMessage, why));
        }
        if offset < due_offset || last_offset < offset || last_offset == Offset::MAX {
            let why = format!("offset {offset} stands where {due_offset} or more is due");
            return Err(KafkaError::api(Errors::UnknownServerError, why));
        }
        if info.record_count == 0 {
            info.first_offset = offset;
        }
        let timestamp_ms = TimestampMs(entry.max_timestamp());
        if timestamp_ms > info.max_timestamp_ms {
            info.max_timestamp_ms = timestamp_ms;
            info.offset_of_max_timestamp = last_offset;
        }
        info.last_offset = last_offset;
        info.valid_bytes = size_bytes;
        info.record_count += 1;
        due_offset = last_offset.next();
        epochs.note(&entry);
    }
    Ok((info, epochs))
}
