//! Port of `org.apache.kafka.common.record.RecordsUtil` and `MemoryRecordsBuilder`: from one format
//! to another.
//!
//! Nothing here is on the way of a fetch or produce of a current client. An old producer pays for
//! the conversion of what it sends, an old consumer for that of what it asks for, and for the
//! latter zero copy is lost.

use crate::common::errors::{Errors, KafkaError};
use crate::message::byte_buffer_message_set::{EntryContent, for_each_record, shallow_entries};
use crate::message::compression_codec::CompressionCodec;
use crate::message::decompression_limit::decompression_bound;
use crate::message::message::{MESSAGE_OVERHEAD_V0, check_codec};
use crate::message::message_set::LOG_OVERHEAD;
use crate::message::message_set_builder::MessageSetBuilder;
use crate::message::record_batch::{MAGIC_VALUE_V2, RecordBatch, TRANSACTIONAL_FLAG};
use crate::message::record_batch_builder::RecordBatchBuilder;
use crate::message::records::LogRecord;
use crate::message::timestamp_type::TimestampType;

/// What [`convert`] makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// 0, 1 or 2.
    pub magic: u8,
    /// For the whole set.
    pub codec: CompressionCodec,
    /// The codec's level; `None` is its default.
    pub level: Option<i32>,
    /// Milliseconds: the timestamp of all records, for a topic that takes its own clock.
    pub log_append_time: Option<i64>,
    /// The leader epoch of a batch.
    pub partition_leader_epoch: i32,
}

/// Turns all records of `entries`, of whatever formats, into one entry or set as `target` asks, and
/// gives them the offsets from `first_offset` on. A single batch that stays one remains its
/// idempotent producer's. No records give no bytes.
///
/// Messages of magic 1 keep their timestamps. Those of magic 0 never had any and get
/// `NO_TIMESTAMP`: the time of the append would look like one that the producer gave.
/// `log_append_time` overrides both.
///
/// # Errors
/// `UNSUPPORTED_FOR_MESSAGE_FORMAT` for a record with headers before magic 2: they would be lost;
/// `CORRUPT_MESSAGE` or `INVALID_RECORD` if an entry or a record in it is malformed;
/// `UNSUPPORTED_COMPRESSION_TYPE` for zstd before magic 2; `RECORD_LIST_TOO_LARGE` if
/// the records together exceed the [`decompression_bound`] of `entries`; that or
/// `MESSAGE_TOO_LARGE` if the result cannot be written with a size of 32 bits.
pub fn convert(entries: &[u8], first_offset: i64, target: &Target) -> Result<Vec<u8>, KafkaError> {
    if target.magic != MAGIC_VALUE_V2 {
        return convert_to_message_set(entries, first_offset, target);
    }
    let mut builder = RecordBatchBuilder::new(first_offset)
        .codec(target.codec)
        .level(target.level)
        .partition_leader_epoch(target.partition_leader_epoch);
    if let Some(timestamp_ms) = target.log_append_time {
        builder = builder.log_append_time(timestamp_ms);
    }
    match RecordBatch::parse(entries) {
        Ok(batch) if batch.size_in_bytes() == entries.len() => {
            builder = builder
                .producer(batch.producer_id(), batch.producer_epoch(), batch.base_sequence())
                .flags(batch.attributes() & TRANSACTIONAL_FLAG);
        }
        _ => {} // Older messages, or several batches, which have no producer in common.
    }
    with_offsets_from(first_offset, entries, &mut |record| builder.append(record))?;
    builder.build()
}

/// Turns the entries in `bytes` that are newer than `to_magic` into messages of magic 0 or 1, for
/// a consumer that knows no other; older ones stay as they are. Offsets stay too. A partial entry
/// at the end is dropped: it would be fetched again anyway.
///
/// Headers are dropped. Control batches are left out: an old consumer sees a gap, as after
/// compaction. A codec is kept, and then the records before `first_offset` as well, since a
/// wrapper is one piece; consumers skip them. A wrapper of such records alone is left out.
///
/// # Errors
/// `UNSUPPORTED_COMPRESSION_TYPE` if a batch is compressed by zstd; otherwise as [`convert`].
pub fn down_convert(bytes: &[u8], to_magic: u8, first_offset: i64) -> Result<Vec<u8>, KafkaError> {
    let mut converted = Vec::new();
    for entry in shallow_entries(bytes) {
        let entry = entry?;
        if entry.magic <= to_magic {
            converted.extend_from_slice(entry.bytes);
            continue;
        }
        if matches!(entry.content, EntryContent::Batch(batch) if batch.is_control_batch()) {
            continue;
        }
        let codec = entry.codec()?;
        check_codec(codec, to_magic)?;
        let mut builder = MessageSetBuilder::new(to_magic, codec);
        if entry.timestamp_type() == TimestampType::LogAppendTime {
            builder = builder.log_append_time(entry.max_timestamp());
        }
        let mut has_wanted = false;
        entry.for_each_record(&mut |record| {
            let is_wanted = record.offset >= first_offset;
            has_wanted |= is_wanted;
            let is_kept = is_wanted || codec != CompressionCodec::None;
            if is_kept { builder.append(record) } else { Ok(()) }
        })?;
        if has_wanted {
            converted.extend_from_slice(&builder.build()?);
        }
    }
    Ok(converted)
}

fn convert_to_message_set(
    entries: &[u8],
    first_offset: i64,
    target: &Target,
) -> Result<Vec<u8>, KafkaError> {
    check_codec(target.codec, target.magic)?;
    let mut builder = MessageSetBuilder::new(target.magic, target.codec).level(target.level);
    if let Some(timestamp_ms) = target.log_append_time {
        builder = builder.log_append_time(timestamp_ms);
    }
    with_offsets_from(first_offset, entries, &mut |record| {
        if record.headers.count() > 0 {
            let why = "a record with headers for a topic of an older message format";
            return Err(KafkaError::api(Errors::UnsupportedForMessageFormat, why));
        }
        builder.append(record)
    })?;
    builder.build()
}

fn with_offsets_from(
    first_offset: i64,
    entries: &[u8],
    append: &mut dyn FnMut(&LogRecord<'_>) -> Result<(), KafkaError>,
) -> Result<(), KafkaError> {
    let mut next_offset = first_offset;
    // Each wrapper is bounded by itself; many small bombs in one set must not add up either.
    let bound = decompression_bound(entries.len());
    let mut size = 0;
    for_each_record(entries, &mut |record| {
        size += LOG_OVERHEAD + MESSAGE_OVERHEAD_V0 + payload_size(record);
        if size > bound {
            let why = format!("{} bytes become more than {bound}", entries.len());
            return Err(KafkaError::api(Errors::RecordListTooLarge, why));
        }
        append(&LogRecord { offset: next_offset, ..*record })?;
        next_offset = next_offset.checked_add(1).ok_or_else(|| {
            KafkaError::api(Errors::UnknownServerError, "the partition's offsets are used up")
        })?;
        Ok(())
    })
}

fn payload_size(record: &LogRecord<'_>) -> usize {
    let [key, value] = [record.key, record.value].map(|field| field.map_or(0, <[u8]>::len));
    key + value + record.headers.size_in_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::record_batch::{
        CONTROL_FLAG, LAST_OFFSET_DELTA_LENGTH, LAST_OFFSET_DELTA_OFFSET, RECORD_BATCH_OVERHEAD,
    };
    use crate::message::records::{Header, Headers};
    use crate::message::timestamp_type::NO_TIMESTAMP;

    const OLD_CODECS: [CompressionCodec; 4] = [
        CompressionCodec::None,
        CompressionCodec::Gzip,
        CompressionCodec::Snappy,
        CompressionCodec::Lz4,
    ];
    /// Key and value of the record at each offset: null, empty, and some bytes.
    const FIELDS: [Option<&[u8]>; 3] = [None, Some(b""), Some(b"some bytes")];

    type Seen = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>);

    fn records_of(bytes: &[u8]) -> Vec<Seen> {
        let mut all = Vec::new();
        let visited = for_each_record(bytes, &mut |r| {
            let [key, value] = [r.key, r.value].map(|field| field.map(<[u8]>::to_vec));
            all.push((r.offset, r.timestamp, key, value));
            Ok(())
        });
        visited.unwrap();
        all
    }

    /// To a batch, as an append to a topic of today does.
    fn up_convert(
        entries: &[u8],
        first_offset: i64,
        codec: CompressionCodec,
        log_append_time: Option<i64>,
    ) -> Result<Vec<u8>, KafkaError> {
        let magic = MAGIC_VALUE_V2;
        let target =
            Target { magic, codec, level: None, log_append_time, partition_leader_epoch: -1 };
        convert(entries, first_offset, &target)
    }

    fn nine_records(first_offset: i64) -> impl Iterator<Item = LogRecord<'static>> {
        let fields = FIELDS.iter().flat_map(|key| FIELDS.map(|value| (*key, value)));
        (first_offset..).zip(fields).map(|(offset, (key, value))| {
            let headers = Headers::NONE;
            LogRecord { offset, timestamp: 5000 - offset, key, value, headers }
        })
    }

    fn old_set(magic: u8, codec: CompressionCodec, first_offset: i64) -> Vec<u8> {
        let mut builder = MessageSetBuilder::new(magic, codec);
        nine_records(first_offset).for_each(|record| builder.append(&record).unwrap());
        builder.build().unwrap()
    }

    fn batch(codec: CompressionCodec, first_offset: i64) -> RecordBatchBuilder {
        let mut buffer = Vec::new();
        let headers = Headers::encode(&[Header { key: b"h", value: None }], &mut buffer);
        let mut builder = RecordBatchBuilder::new(first_offset).codec(codec);
        nine_records(first_offset)
            .for_each(|record| builder.append(&LogRecord { headers, ..record }).unwrap());
        builder
    }

    fn expected(first_offset: i64, timestamp: impl Fn(i64) -> i64) -> Vec<Seen> {
        nine_records(first_offset)
            .map(|r| {
                let [key, value] = [r.key, r.value].map(|field| field.map(<[u8]>::to_vec));
                (r.offset, timestamp(r.offset), key, value)
            })
            .collect()
    }

    #[test]
    fn old_messages_become_one_batch() {
        for codec in OLD_CODECS {
            for magic in [0, 1] {
                let set = old_set(magic, codec, 0);
                let bytes = up_convert(&set, 0, codec, None).unwrap();
                let batch = RecordBatch::parse(&bytes).unwrap();
                assert_eq!(batch.size_in_bytes(), bytes.len());
                assert!(batch.has_valid_crc());
                assert_eq!(batch.codec().unwrap(), codec);
                assert_eq!((batch.base_offset(), batch.record_count()), (0, 9));
                let own = |offset: i64| if magic == 0 { NO_TIMESTAMP } else { 5000 - offset };
                assert_eq!(records_of(&bytes), expected(0, own));
                assert_eq!(batch.max_timestamp(), own(0));
            }
        }
    }

    #[test]
    fn up_conversion_gives_new_offsets_and_perhaps_the_time_of_the_append() {
        // Two sets with offsets of their own, as two of them may stand in one request.
        let sets = [old_set(0, CompressionCodec::Gzip, 0), old_set(1, CompressionCodec::None, 70)];
        let bytes = up_convert(&sets.concat(), 1000, CompressionCodec::Lz4, Some(9)).unwrap();
        let offsets: Vec<i64> = records_of(&bytes).iter().map(|record| record.0).collect();
        assert_eq!(offsets, (1000..1018).collect::<Vec<_>>());
        assert!(records_of(&bytes).iter().all(|record| record.1 == 9));
        let batch = RecordBatch::parse(&bytes).unwrap();
        assert_eq!(batch.timestamp_type(), TimestampType::LogAppendTime);
    }

    #[test]
    fn no_records_give_no_bytes() {
        for codec in OLD_CODECS {
            assert_eq!(up_convert(&[], 5, codec, None).unwrap(), []);
            assert_eq!(down_convert(&[], 0, 5).unwrap(), []);
        }
    }

    #[test]
    fn offsets_past_the_last_one_are_refused() {
        let set = old_set(0, CompressionCodec::None, 0);
        assert!(up_convert(&set, i64::MAX - 3, CompressionCodec::None, None).is_err());
    }

    #[test]
    fn a_batch_becomes_old_messages_with_the_same_offsets() {
        for codec in OLD_CODECS {
            let new = batch(codec, 40).build().unwrap();
            for to_magic in [0, 1] {
                let old = down_convert(&new, to_magic, 40).unwrap();
                assert_eq!(old, old_set(to_magic, codec, 40), "{}", codec.name());
                let own = |offset: i64| if to_magic == 0 { NO_TIMESTAMP } else { 5000 - offset };
                assert_eq!(records_of(&old), expected(40, own));
                let last = shallow_entries(&old).last().unwrap().unwrap();
                assert!(last.has_valid_crc());
                assert_eq!((last.magic, last.offset), (to_magic, 48));
            }
        }
    }

    #[test]
    fn gaps_between_offsets_survive_the_way_down() {
        for codec in OLD_CODECS {
            let mut builder = RecordBatchBuilder::new(10).codec(codec);
            for record in nine_records(13).filter(|record| record.offset % 3 == 0) {
                builder.append(&record).unwrap();
            }
            let new = builder.build().unwrap();
            for to_magic in [0, 1] {
                let offsets = |bytes| records_of(bytes).iter().map(|r| r.0).collect::<Vec<_>>();
                assert_eq!(offsets(&down_convert(&new, to_magic, 0).unwrap()), [15, 18, 21]);
            }
        }
    }

    #[test]
    fn control_batches_are_left_out_and_a_partial_tail_is_dropped() {
        let control = batch(CompressionCodec::None, 9).flags(CONTROL_FLAG).build().unwrap();
        let [first, third] =
            [0, 18].map(|offset| batch(CompressionCodec::Gzip, offset).build().unwrap());
        let whole = [first, control, third].concat();
        let converted = down_convert(&whole, 1, 0).unwrap();
        let both = [old_set(1, CompressionCodec::Gzip, 0), old_set(1, CompressionCodec::Gzip, 18)];
        assert_eq!(converted, both.concat());
        for cut in [1, 50, RECORD_BATCH_OVERHEAD] {
            assert_eq!(down_convert(&whole[..whole.len() - cut], 1, 0).unwrap(), both[0]);
        }
        assert_eq!(down_convert(&whole[..20], 1, 0).unwrap(), []);
    }

    #[test]
    fn records_before_the_fetch_offset_are_left_out_unless_compressed() {
        let plain = batch(CompressionCodec::None, 0).build().unwrap();
        let from_6 = records_of(&down_convert(&plain, 0, 6).unwrap());
        assert_eq!(from_6.iter().map(|r| r.0).collect::<Vec<_>>(), [6, 7, 8]);
        let compressed = batch(CompressionCodec::Gzip, 0).build().unwrap();
        assert_eq!(records_of(&down_convert(&compressed, 0, 6).unwrap()).len(), 9);
        for codec in OLD_CODECS {
            // As compaction may leave it: the last offset is 20, and the last record's is 8.
            let mut stored = batch(codec, 0).build().unwrap();
            stored[LAST_OFFSET_DELTA_OFFSET..][..LAST_OFFSET_DELTA_LENGTH]
                .copy_from_slice(&20_i32.to_be_bytes());
            assert_eq!(records_of(&down_convert(&stored, 1, 8).unwrap()).last().unwrap().0, 8);
            assert_eq!(down_convert(&stored, 1, 9).unwrap(), [], "{}", codec.name());
        }
    }

    #[test]
    fn many_small_bombs_do_not_add_up() {
        let value = vec![0; 6 * 1024 * 1024];
        let record = LogRecord { value: Some(&value), ..nine_records(0).next().unwrap() };
        let mut builder = MessageSetBuilder::new(1, CompressionCodec::Gzip);
        builder.append(&record).unwrap();
        let bomb = builder.build().unwrap();
        assert!(up_convert(&bomb.repeat(10), 0, CompressionCodec::Gzip, None).is_ok());
        let error = up_convert(&bomb.repeat(11), 0, CompressionCodec::Gzip, None).unwrap_err();
        assert_eq!(error.code(), Errors::RecordListTooLarge);
    }

    #[test]
    fn zstd_has_no_way_down() {
        let new = batch(CompressionCodec::Zstd, 0).build().unwrap();
        for to_magic in [0, 1] {
            let error = down_convert(&new, to_magic, 0).unwrap_err();
            assert_eq!(error.code(), Errors::UnsupportedCompressionType);
        }
    }

    #[test]
    fn the_time_of_the_append_is_kept_as_such() {
        for codec in OLD_CODECS {
            let new = batch(codec, 0).log_append_time(77).build().unwrap();
            let old = down_convert(&new, 1, 0).unwrap();
            assert!(records_of(&old).iter().all(|record| record.1 == 77));
            for entry in shallow_entries(&old) {
                assert_eq!(entry.unwrap().timestamp_type(), TimestampType::LogAppendTime);
            }
        }
    }

    #[test]
    fn messages_old_enough_stay_and_others_lose_their_timestamps() {
        for codec in OLD_CODECS {
            let [v0, v1] = [0, 1].map(|magic| old_set(magic, codec, 3));
            assert_eq!(down_convert(&v1, 1, 0).unwrap(), v1);
            assert_eq!(down_convert(&v0, 1, 0).unwrap(), v0);
            assert_eq!(down_convert(&v1, 0, 0).unwrap(), v0);
        }
    }

    #[test]
    fn a_batch_compressed_anew_keeps_headers_and_producer() {
        let flags = TRANSACTIONAL_FLAG;
        let of = |codec| batch(codec, 0).producer(7, 1, 30).flags(flags).build().unwrap();
        let (magic, codec) = (2, CompressionCodec::Zstd);
        let target =
            Target { magic, codec, level: None, log_append_time: None, partition_leader_epoch: -1 };
        for source in CompressionCodec::ALL {
            assert_eq!(convert(&of(source), 0, &target).unwrap(), of(codec));
        }
    }
}
