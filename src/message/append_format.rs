//! What the settings of a topic ask of the messages that are appended to it.

use crate::message::compression_codec::CompressionCodec;
use crate::message::conversion::Target;
use crate::message::timestamp_type::TimestampType;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendFormat {
    /// 2, or 0 or 1 for a topic whose `message.format.version` is before 0.11.
    pub magic: u8,
    /// `compression.type`; `None` is "producer": each set stays as its producer compressed it.
    pub compression: Option<CompressionCodec>,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// The level of `compression`; `None` is the codec's default.
    pub compression_level: Option<i32>,
    /// `message.timestamp.before.max.ms`; `i64::MAX` is no limit.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`. Two `i64::MAX` cost nothing.
    pub timestamp_after_max_ms: i64,
    /// `max.message.bytes`: the most that one entry may have, its 12 bytes of overhead included.
    pub message_bytes_max: usize,
    /// `cleanup.policy=compact`: every record must have a key.
    pub is_compacted: bool,
    /// `transferto.compressed.records.validation.enable`: whether compressed batches of magic 2 are
    /// decompressed only to compare their records with their header.
    pub validates_compressed: bool,
    /// The epoch that goes into batches of magic 2.
    pub partition_leader_epoch: i32,
}

impl AppendFormat {
    /// What a set with this codec is converted to, if it cannot stay as it is.
    pub(crate) fn target(&self, codec: CompressionCodec, now_ms: i64) -> Target {
        Target {
            magic: self.magic,
            codec: self.compression.unwrap_or(codec),
            level: self.compression_level,
            log_append_time: match self.timestamp_type {
                TimestampType::CreateTime => None,
                TimestampType::LogAppendTime => Some(now_ms),
            },
            partition_leader_epoch: self.partition_leader_epoch,
        }
    }
}
