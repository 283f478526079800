//! Port of `kafka.log.LogValidator`, and of what Kafka 0.9 has in its place:
//! `Log.analyzeAndValidateMessageSet` and `ByteBufferMessageSet.validateMessagesAndAssignOffsets`.
//! What a produced set must satisfy before it is appended.
//!
//! In the usual case, a batch of magic 2 for a topic that keeps the producer's compression and
//! timestamps, three steps do it: the header is read and its CRC computed, a walk passes over the
//! heads of the records, and twelve bytes are overwritten in place. Nothing is copied, nothing
//! allocated. Every other case is slower: old producers, compacted topics, topics with a codec or a
//! clock of their own, and batches with a wrong header.

use std::borrow::Cow;

use crate::common::errors::KafkaError;
use crate::message::append_format::AppendFormat;
use crate::message::conversion::convert;
use crate::message::offset_assignment::{Placement, assign_offsets};
use crate::message::record_batch::MAGIC_VALUE_V2;
use crate::message::record_check::RecordCheck;
use crate::message::set_headers::SetHeaders;
use crate::message::timestamp_type::NO_TIMESTAMP;

/// A set that may be appended as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validated<'a> {
    /// What to append: the given buffer with offsets filled in, or what it was converted to.
    pub bytes: Cow<'a, [u8]>,
    /// The first record's offset; -1 if there are no records.
    pub first_offset: i64,
    /// The last record's offset; -1 if there are no records.
    pub last_offset: i64,
    /// The latest timestamp, in milliseconds, or `NO_TIMESTAMP`.
    pub max_timestamp: i64,
    /// The last offset of the entry with that timestamp; -1 without timestamps.
    pub offset_of_max_timestamp: i64,
    pub record_count: u64,
    /// Whether the records were parsed and written anew.
    pub was_converted: bool,
}

/// Checks the produced `records` and gives them the offsets from `next_offset` on, in place where
/// that is possible.
///
/// A partial entry at the end is cut off, as Kafka 0.9 does, and so is one too short to have a
/// magic. A buffer without a whole entry gives a result without records, and no error.
///
/// A batch of magic 2 whose latest timestamp is not the one that its header declares gets another
/// header and CRC, in place. One whose records do not have the offsets 0, 1, 2 and so on is written
/// anew.
///
/// # Errors
/// - `CORRUPT_MESSAGE`: a wrong CRC, an impossible size, a malformed message; bytes after a batch
///   of magic 2, or such a batch cut off
/// - `INVALID_RECORD`: more than one batch of magic 2, or a batch that contradicts itself, does not
///   begin at offset 0, or marks itself as a broker's; records that are malformed or not as many as
///   declared
/// - `Records`: single records to blame, for a missing key in a compacted topic
///   (`INVALID_RECORD`), or for a timestamp that is too far from `now_ms` or marked as the broker's
///   (`INVALID_TIMESTAMP`)
/// - `Undecodable`: compressed bytes that are not what their codec writes
/// - `MESSAGE_TOO_LARGE`: an entry of more than `message_bytes_max`, as it came or as converted, or
///   one that decompresses to more than the bound
/// - `UNSUPPORTED_COMPRESSION_TYPE`: an unknown codec, or zstd for a topic of magic 0 or 1
/// - `UNSUPPORTED_FOR_MESSAGE_FORMAT`: a batch of an idempotent producer, or a record with headers,
///   for such a topic
/// - `TRANSACTIONAL_ID_AUTHORIZATION_FAILED`: a batch of a transaction
pub fn validate_messages_and_assign_offsets<'a>(
    records: &'a mut [u8],
    next_offset: i64,
    now_ms: i64,
    format: &AppendFormat,
) -> Result<Validated<'a>, KafkaError> {
    let headers = SetHeaders::read(records, format.message_bytes_max)?;
    if headers.entry_count == 0 {
        return Ok(Validated::without_records());
    }
    let records = &mut records[..headers.valid_bytes];
    headers.check_suffice(format.magic)?;
    let target = format.target(headers.codec, now_ms);
    let can_stay = headers.can_stay(&target);
    let check = RecordCheck::new(now_ms, format);
    let has_right_offsets = if headers.highest_magic == MAGIC_VALUE_V2 {
        check.check_batch(records, can_stay)?
    } else {
        check.check_old_messages(records)?;
        true
    };
    if can_stay && has_right_offsets {
        let placement = assign_offsets(records, next_offset, &target)?;
        return Ok(Validated::new(Cow::Borrowed(records), placement, false));
    }
    let converted = convert(records, next_offset, &target)?;
    let placement = Placement::of(&converted, next_offset, format.message_bytes_max)?;
    Ok(Validated::new(Cow::Owned(converted), placement, true))
}

impl<'a> Validated<'a> {
    fn new(bytes: Cow<'a, [u8]>, placement: Placement, was_converted: bool) -> Self {
        Self {
            bytes,
            first_offset: placement.first_offset,
            last_offset: placement.last_offset,
            max_timestamp: placement.max_timestamp,
            offset_of_max_timestamp: placement.offset_of_max_timestamp,
            record_count: placement.record_count(),
            was_converted,
        }
    }

    fn without_records() -> Self {
        Self {
            bytes: Cow::Borrowed(&[]),
            first_offset: -1,
            last_offset: -1,
            max_timestamp: NO_TIMESTAMP,
            offset_of_max_timestamp: -1,
            record_count: 0,
            was_converted: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::errors::Errors;
    use crate::message::byte_buffer_message_set::shallow_entries;
    use crate::message::compression_codec::CompressionCodec;
    use crate::message::produced_sets::{
        NOW_MS, OLD_CODECS, batch, code_of, keep_all, old_set, seen,
    };
    use crate::message::record_batch::RecordBatch;
    use crate::message::record_batch_builder::RecordBatchBuilder;
    use crate::message::records::{Header, Headers, LogRecord};

    /// Kafka's broker runs into an `IllegalArgumentException` here, which its client sees as
    /// `UNKNOWN_SERVER_ERROR`.
    #[test]
    fn headers_need_a_topic_of_magic_2() {
        let mut buffer = Vec::new();
        let headers = Headers::encode(&[Header { key: b"h", value: None }], &mut buffer);
        let (key, value) = (Some(&b"k"[..]), Some(&b"v"[..]));
        let with_headers = LogRecord { offset: 2, timestamp: 7, key, value, headers };
        for magic in [0, 1, 2] {
            let format = AppendFormat { magic, ..keep_all() };
            let mut builder = batch();
            builder.append(&with_headers).unwrap();
            let mut records = builder.build().unwrap();
            let done = validate_messages_and_assign_offsets(&mut records, 0, NOW_MS, &format);
            let refused = Some(Errors::UnsupportedForMessageFormat);
            let expected = if magic < 2 { refused } else { None };
            assert_eq!(done.err().map(|error| error.code()), expected);
        }
    }

    #[test]
    fn old_messages_are_up_converted_for_a_topic_of_today() {
        for codec in OLD_CODECS {
            for magic in [0, 1] {
                let mut set = old_set(magic, codec);
                let validated =
                    validate_messages_and_assign_offsets(&mut set, 50, NOW_MS, &keep_all())
                        .unwrap();
                assert!(validated.was_converted);
                assert_eq!((validated.first_offset, validated.last_offset), (50, 52));
                assert_eq!(validated.record_count, 3);
                let batch = RecordBatch::parse(&validated.bytes).unwrap();
                assert_eq!((batch.codec().unwrap(), batch.partition_leader_epoch()), (codec, 0));
                let own = |at: i64| if magic == 0 { NO_TIMESTAMP } else { NOW_MS - 10 * at };
                let expected = [(50, own(0)), (51, own(1)), (52, own(2))];
                assert_eq!(seen(&validated.bytes), expected);
                assert_eq!(validated.max_timestamp, own(0));
                let of_max = if magic == 0 { -1 } else { 52 };
                assert_eq!(validated.offset_of_max_timestamp, of_max);
            }
        }
    }

    #[test]
    fn what_comes_in_another_format_becomes_the_topics() {
        for magic in [0, 1] {
            for codec in OLD_CODECS {
                let format = AppendFormat { magic, ..keep_all() };
                let mut new = batch().codec(codec).build().unwrap();
                let mut other = old_set(1 - magic, codec);
                for (records, count) in [(&mut new, 2), (&mut other, 3)] {
                    let validated =
                        validate_messages_and_assign_offsets(records, 9, NOW_MS, &format).unwrap();
                    assert!(validated.was_converted);
                    assert_eq!(validated.record_count, count);
                    for entry in shallow_entries(&validated.bytes) {
                        assert_eq!(entry.unwrap().magic, magic);
                    }
                }
            }
            let mut zstd = batch().codec(CompressionCodec::Zstd).build().unwrap();
            let format = AppendFormat { magic, ..keep_all() };
            assert_eq!(code_of(&mut zstd, &format), Errors::UnsupportedCompressionType);
        }
    }

    #[test]
    fn a_topic_with_a_codec_of_its_own_compresses_anew() {
        for source in CompressionCodec::ALL {
            for target in CompressionCodec::ALL {
                let format = AppendFormat { compression: Some(target), ..keep_all() };
                let mut bytes = batch().codec(source).build().unwrap();
                let validated =
                    validate_messages_and_assign_offsets(&mut bytes, 5, NOW_MS, &format).unwrap();
                assert_eq!(validated.was_converted, source != target);
                let result = RecordBatch::parse(&validated.bytes).unwrap();
                assert!(result.has_valid_crc());
                assert_eq!(result.codec().unwrap(), target);
                assert_eq!(seen(&validated.bytes), [(5, 7), (6, 5)]);
            }
        }
        let format =
            AppendFormat { compression: Some(CompressionCodec::Zstd), magic: 1, ..keep_all() };
        let mut set = old_set(1, CompressionCodec::Gzip);
        assert_eq!(code_of(&mut set, &format), Errors::UnsupportedCompressionType);
    }

    #[test]
    fn a_topics_codec_is_used_at_the_level_it_asks_for() {
        let text: Vec<u8> = (0..20_000_u32).flat_map(|it| (it * it).to_be_bytes()).collect();
        let size = |compression, compression_level| {
            let format = AppendFormat {
                compression: Some(compression),
                compression_level,
                message_bytes_max: 1_000_000,
                ..keep_all()
            };
            let mut bytes =
                RecordBatchBuilder::new(0).record(5, None, Some(&text)).build().unwrap();
            let validated =
                validate_messages_and_assign_offsets(&mut bytes, 0, NOW_MS, &format).unwrap();
            assert!(validated.was_converted);
            assert_eq!(seen(&validated.bytes), [(0, 5)]);
            validated.bytes.len()
        };
        use CompressionCodec::{Gzip, Zstd};
        assert!(size(Gzip, Some(9)) < size(Gzip, Some(1)));
        assert_eq!(size(Gzip, None), size(Gzip, Some(6)));
        assert!(size(Zstd, Some(19)) < size(Zstd, Some(-100)));
        assert_eq!([Some(3), Some(0)].map(|it| size(Zstd, it)), [size(Zstd, None); 2]);
    }

    #[test]
    fn nothing_gives_a_result_without_records() {
        let validated =
            validate_messages_and_assign_offsets(&mut [], 9, NOW_MS, &keep_all()).unwrap();
        assert_eq!(validated, Validated::without_records());
    }
}
