//! The part of `kafka.log.LogValidator` that gives a produced set its offsets, in place, and finds
//! what the log has to know of the result: its offsets and its latest timestamp.

use byteorder::{BigEndian, ByteOrder};

use crate::common::errors::{Errors, KafkaError};
use crate::message::byte_buffer_message_set::shallow_entries;
use crate::message::conversion::Target;
use crate::message::message::{MAGIC_VALUE_V0, Message};
use crate::message::message_set::{LOG_OVERHEAD, OFFSET_LENGTH, SIZE_OFFSET};
use crate::message::record_batch::{MAGIC_VALUE_V2, RecordBatch};
use crate::message::set_headers::check_size;
use crate::message::timestamp_type::NO_TIMESTAMP;
use crate::message::{message, record_batch};

/// Where a set stands in the log. Its offsets are contiguous.
pub(crate) struct Placement {
    pub(crate) first_offset: i64,
    pub(crate) last_offset: i64,
    /// Milliseconds, or `NO_TIMESTAMP`.
    pub(crate) max_timestamp: i64,
    /// The last offset of the first entry with that timestamp; -1 without timestamps.
    pub(crate) offset_of_max_timestamp: i64,
}

impl Placement {
    /// That of a set which has its offsets already, from `first_offset` on.
    ///
    /// # Errors
    /// `MESSAGE_TOO_LARGE` for an entry of more than `message_bytes_max`: a conversion may make one
    /// of several, as in Kafka; `UNKNOWN_SERVER_ERROR` if the offsets are used up.
    pub(crate) fn of(
        entries: &[u8],
        first_offset: i64,
        message_bytes_max: usize,
    ) -> Result<Self, KafkaError> {
        let mut placement = Self::from(first_offset);
        for entry in shallow_entries(entries) {
            let entry = entry?;
            check_size(&entry, message_bytes_max)?;
            placement.add(entry.last_offset, entry.max_timestamp());
        }
        placement.checked()
    }

    pub(crate) fn record_count(&self) -> u64 {
        (self.last_offset - self.first_offset) as u64 + 1
    }

    fn from(first_offset: i64) -> Self {
        let (last_offset, offset_of_max_timestamp) = (-1, -1);
        Self { first_offset, last_offset, max_timestamp: NO_TIMESTAMP, offset_of_max_timestamp }
    }

    fn add(&mut self, last_offset: i64, max_timestamp: i64) {
        self.last_offset = last_offset;
        if max_timestamp > self.max_timestamp {
            self.max_timestamp = max_timestamp;
            self.offset_of_max_timestamp = last_offset;
        }
    }

    fn checked(self) -> Result<Self, KafkaError> {
        if self.last_offset < self.first_offset {
            let why = format!("no offsets are left after {}", self.first_offset);
            return Err(KafkaError::api(Errors::UnknownServerError, why));
        }
        Ok(self)
    }
}

/// Gives `records`, a set that can stay as it is, the offsets from `first_offset` on, in place.
///
/// # Errors
/// `UNKNOWN_SERVER_ERROR` if the offsets are used up.
pub(crate) fn assign_offsets(
    records: &mut [u8],
    first_offset: i64,
    target: &Target,
) -> Result<Placement, KafkaError> {
    let mut placement = Placement::from(first_offset);
    if target.magic == MAGIC_VALUE_V2 {
        assign_to_batch(records, target, &mut placement)?;
    } else {
        assign_to_messages(records, target, &mut placement)?;
    }
    placement.checked()
}

/// The hot path: twelve bytes that no CRC covers.
fn assign_to_batch(
    bytes: &mut [u8],
    target: &Target,
    placement: &mut Placement,
) -> Result<(), KafkaError> {
    record_batch::set_base_offset(bytes, placement.first_offset);
    record_batch::set_partition_leader_epoch(bytes, target.partition_leader_epoch);
    if let Some(timestamp_ms) = target.log_append_time {
        record_batch::set_log_append_time(bytes, timestamp_ms);
    }
    let batch = RecordBatch::parse(bytes)?;
    placement.add(batch.last_offset(), batch.max_timestamp());
    Ok(())
}

/// Uncompressed messages of magic 0 or 1, all of them whole: their headers have been read.
fn assign_to_messages(
    mut entries: &mut [u8],
    target: &Target,
    placement: &mut Placement,
) -> Result<(), KafkaError> {
    let mut offset = placement.first_offset;
    while !entries.is_empty() {
        let size = BigEndian::read_i32(&entries[SIZE_OFFSET..]) as usize;
        let (entry, rest) = entries.split_at_mut(LOG_OVERHEAD + size);
        BigEndian::write_i64(&mut entry[..OFFSET_LENGTH], offset);
        let bytes = &mut entry[LOG_OVERHEAD..];
        if target.magic != MAGIC_VALUE_V0 {
            match target.log_append_time {
                Some(timestamp_ms) => message::set_log_append_time(bytes, timestamp_ms),
                None if message::is_log_append_time(bytes) => message::set_create_time(bytes),
                None => {}
            }
        }
        placement.add(offset, Message::parse(bytes)?.timestamp());
        offset = offset.wrapping_add(1);
        entries = rest;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::append_format::AppendFormat;
    use crate::message::compression_codec::CompressionCodec;
    use crate::message::log_validator::validate_messages_and_assign_offsets;
    use crate::message::produced_sets::{NOW_MS, OLD_CODECS, batch, keep_all, old_set, seen};
    use crate::message::timestamp_type::TimestampType;

    #[test]
    fn a_batch_is_patched_in_place_and_its_crc_stays_true() {
        for codec in CompressionCodec::ALL {
            let batch = batch().codec(codec).build().unwrap();
            let mut buffer = batch.clone();
            let at = buffer.as_ptr();
            let format = AppendFormat { partition_leader_epoch: 4, ..keep_all() };
            let validated =
                validate_messages_and_assign_offsets(&mut buffer, 100, NOW_MS, &format).unwrap();
            assert_eq!(validated.bytes.as_ptr(), at);
            assert!(!validated.was_converted);
            assert_eq!((validated.first_offset, validated.last_offset), (100, 101));
            assert_eq!((validated.max_timestamp, validated.offset_of_max_timestamp), (7, 101));
            assert_eq!(validated.record_count, 2);
            assert!(RecordBatch::parse(&validated.bytes).unwrap().has_valid_crc());
            assert_eq!(validated.bytes[..8], [0, 0, 0, 0, 0, 0, 0, 100]);
            assert_eq!(validated.bytes[8..12], batch[8..12]);
            assert_eq!(validated.bytes[12..16], [0, 0, 0, 4]);
            assert_eq!(validated.bytes[16..], batch[16..]);
        }
    }

    #[test]
    fn the_time_of_the_append_is_written_into_the_header() {
        let format = AppendFormat { timestamp_type: TimestampType::LogAppendTime, ..keep_all() };
        let mut buffer = batch().codec(CompressionCodec::Lz4).build().unwrap();
        let validated =
            validate_messages_and_assign_offsets(&mut buffer, 3, NOW_MS, &format).unwrap();
        assert!(!validated.was_converted);
        assert_eq!((validated.max_timestamp, validated.offset_of_max_timestamp), (NOW_MS, 4));
        assert!(RecordBatch::parse(&validated.bytes).unwrap().has_valid_crc());
        assert_eq!(seen(&validated.bytes), [(3, NOW_MS), (4, NOW_MS)]);
    }

    #[test]
    fn uncompressed_messages_of_magic_1_get_the_time_of_the_append_in_place() {
        let format =
            AppendFormat { magic: 1, timestamp_type: TimestampType::LogAppendTime, ..keep_all() };
        for codec in OLD_CODECS {
            let mut set = old_set(1, codec);
            let validated = validate_messages_and_assign_offsets(&mut set, 0, 42, &format).unwrap();
            assert_eq!(validated.was_converted, codec != CompressionCodec::None);
            assert_eq!(validated.max_timestamp, 42);
            assert_eq!(seen(&validated.bytes), [(0, 42), (1, 42), (2, 42)]);
            assert!(shallow_entries(&validated.bytes).all(|entry| entry.unwrap().has_valid_crc()));
        }
        let format = AppendFormat { magic: 0, ..format };
        let mut set = old_set(0, CompressionCodec::None);
        let validated = validate_messages_and_assign_offsets(&mut set, 0, 42, &format).unwrap();
        assert_eq!(validated.max_timestamp, NO_TIMESTAMP);
    }

    /// `ByteBufferMessageSetTest.testOffsetAssignment`.
    #[test]
    fn a_topic_of_0_9_or_0_10_keeps_its_format() {
        for magic in [0, 1] {
            for codec in OLD_CODECS {
                let format = AppendFormat { magic, ..keep_all() };
                let mut set = old_set(magic, codec);
                let at = set.as_ptr();
                let validated =
                    validate_messages_and_assign_offsets(&mut set, 50, NOW_MS, &format).unwrap();
                let is_in_place = codec == CompressionCodec::None;
                assert_eq!(validated.was_converted, !is_in_place);
                assert_eq!(validated.bytes.as_ptr() == at, is_in_place);
                assert_eq!((validated.first_offset, validated.last_offset), (50, 52));
                assert_eq!(validated.record_count, 3);
                let offsets: Vec<i64> = seen(&validated.bytes).iter().map(|r| r.0).collect();
                assert_eq!(offsets, [50, 51, 52]);
                for entry in shallow_entries(&validated.bytes) {
                    let entry = entry.unwrap();
                    assert!(entry.has_valid_crc());
                    assert_eq!((entry.magic, entry.codec().unwrap()), (magic, codec));
                }
            }
        }
    }

    #[test]
    fn offsets_past_the_last_one_are_refused() {
        for mut bytes in [batch().build().unwrap(), old_set(0, CompressionCodec::None)] {
            for magic in [0, 2] {
                let format = AppendFormat { magic, ..keep_all() };
                let next = i64::MAX;
                let result = validate_messages_and_assign_offsets(&mut bytes, next, 0, &format);
                assert!(result.is_err());
            }
        }
    }
}
