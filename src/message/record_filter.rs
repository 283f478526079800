//! Port of `org.apache.kafka.common.record.MemoryRecords.filterTo`: an entry without the records
//! that are no longer needed.
//!
//! What stays keeps its offset, its timestamp and its producer's numbers: a consumer sees gaps, and
//! nothing else.

use std::borrow::Cow;

use byteorder::{BigEndian, ByteOrder};

use crate::common::errors::{Errors, KafkaError};
use crate::message::byte_buffer_message_set::{EntryContent, ShallowEntry};
use crate::message::compression_codec::CompressionCodec;
use crate::message::message::check_codec;
use crate::message::message_set::{LOG_OVERHEAD, SIZE_LENGTH, SIZE_OFFSET};
use crate::message::message_set_builder::MessageSetBuilder;
use crate::message::record_batch::{
    ATTRIBUTES_OFFSET, BASE_TIMESTAMP_OFFSET, COMPRESSION_CODEC_MASK, CRC_OFFSET,
    DELETE_HORIZON_FLAG, MAGIC_VALUE_V2, MAX_TIMESTAMP_OFFSET, RECORDS_COUNT_OFFSET,
    RECORDS_OFFSET, RecordBatch, compute_crc,
};
use crate::message::records::{LogRecord, Record, Records, invalid_record};
use crate::message::timestamp_type::TimestampType;

/// What is left of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filtered {
    /// All of it: its bytes stay as they are.
    Whole,
    /// These bytes: one entry, with the records that stay.
    Rebuilt(Vec<u8>),
    Nothing,
    /// All of it, and why: its records cannot be read, so none can be dropped.
    Unreadable(String),
}

/// Asks `retains` about every record of `entry`, in order, and takes out those that need not stay.
///
/// A batch without records left is kept, empty, if `keeps_empty` says so: it still has the last
/// sequence number of its producer. A batch in which a tombstone stays gets `delete_horizon_ms` as
/// the time when that may be dropped, unless it has one. Control batches stay, without a question.
///
/// # Errors
/// If what is left cannot be written: `RECORD_LIST_TOO_LARGE` or `MESSAGE_TOO_LARGE` if its size
/// does not fit into 32 bits, and whatever the codec fails with.
pub fn filter_entry(
    entry: &ShallowEntry<'_>,
    keeps_empty: bool,
    delete_horizon_ms: i64,
    retains: &mut dyn FnMut(&LogRecord<'_>) -> bool,
) -> Result<Filtered, KafkaError> {
    match &entry.content {
        EntryContent::Batch(batch) => filter_batch(batch, keeps_empty, delete_horizon_ms, retains),
        EntryContent::Message(_) => filter_message(entry, retains),
    }
}

fn filter_batch(
    batch: &RecordBatch<'_>,
    keeps_empty: bool,
    delete_horizon_ms: i64,
    retains: &mut dyn FnMut(&LogRecord<'_>) -> bool,
) -> Result<Filtered, KafkaError> {
    if batch.is_control_batch() {
        return Ok(Filtered::Whole);
    }
    let kept = match read_kept(batch, retains) {
        Ok(kept) => kept,
        Err(error) => return Ok(Filtered::Unreadable(error.to_string())),
    };
    let new_horizon = kept.has_tombstone && batch.delete_horizon_ms().is_none();
    if kept.count == 0 && !keeps_empty {
        Ok(Filtered::Nothing)
    } else if new_horizon {
        rebuild_batch(batch, &kept, Some(delete_horizon_ms)).map(Filtered::Rebuilt)
    } else if kept.count == batch.record_count() {
        Ok(Filtered::Whole)
    } else {
        rebuild_batch(batch, &kept, None).map(Filtered::Rebuilt)
    }
}

fn read_kept(
    batch: &RecordBatch<'_>,
    retains: &mut dyn FnMut(&LogRecord<'_>) -> bool,
) -> Result<Kept, KafkaError> {
    let section = batch.record_section()?;
    let mut rest = &section[..];
    let mut kept = Kept::default();
    for _ in 0..batch.record_count() {
        let before = rest;
        let record = Record::read(&mut rest)?;
        let record = batch.log_record(&record);
        if retains(&record) {
            kept.records.extend_from_slice(&before[..before.len() - rest.len()]);
            kept.max_timestamp = Some(record.timestamp).max(kept.max_timestamp);
            kept.count += 1;
            kept.has_tombstone |= record.key.is_some() && record.value.is_none();
        }
    }
    if !rest.is_empty() || batch.record_count() < 0 {
        let (count, left) = (batch.record_count(), rest.len());
        return Err(invalid_record(format!("{left} bytes after the {count} records of a batch")));
    }
    Ok(kept)
}

/// The records of a batch that stay.
#[derive(Default)]
struct Kept {
    /// As they stood in the batch: what is relative in them remains true as long as its bases stay.
    records: Vec<u8>,
    count: i32,
    max_timestamp: Option<i64>,
    has_tombstone: bool,
}

/// The batch with its header, of which only what the records decide is written anew, and a delete
/// horizon if there is a new one.
fn rebuild_batch(
    batch: &RecordBatch<'_>,
    kept: &Kept,
    delete_horizon_ms: Option<i64>,
) -> Result<Vec<u8>, KafkaError> {
    let mut bytes = batch.bytes()[..RECORDS_OFFSET].to_vec();
    let mut attributes = batch.attributes();
    let mut records = Cow::Borrowed(&kept.records);
    if let Some(base_timestamp) = delete_horizon_ms {
        attributes |= DELETE_HORIZON_FLAG;
        BigEndian::write_i64(&mut bytes[BASE_TIMESTAMP_OFFSET..], base_timestamp);
        let shift = batch.base_timestamp().wrapping_sub(base_timestamp);
        records = Cow::Owned(with_shifted_timestamps(kept, shift)?);
    }
    match kept.max_timestamp {
        // An empty section is not compressed: not every client that sees a codec looks at the count
        // first.
        None => attributes &= !COMPRESSION_CODEC_MASK,
        Some(max_timestamp) => {
            bytes.extend_from_slice(&batch.codec()?.compress(&records, MAGIC_VALUE_V2)?);
            BigEndian::write_i64(&mut bytes[MAX_TIMESTAMP_OFFSET..], max_timestamp);
        }
    }
    let size = i32::try_from(bytes.len() - LOG_OVERHEAD).map_err(|_| {
        let why = format!("a batch of {} bytes", bytes.len());
        KafkaError::api(Errors::RecordListTooLarge, why)
    })?;
    BigEndian::write_i32(&mut bytes[SIZE_OFFSET..SIZE_OFFSET + SIZE_LENGTH], size);
    BigEndian::write_i16(&mut bytes[ATTRIBUTES_OFFSET..], attributes);
    BigEndian::write_i32(&mut bytes[RECORDS_COUNT_OFFSET..], kept.count);
    let crc = compute_crc(&bytes);
    BigEndian::write_u32(&mut bytes[CRC_OFFSET..], crc);
    Ok(bytes)
}

/// The records for a batch whose base timestamp is less by `shift`.
fn with_shifted_timestamps(kept: &Kept, shift: i64) -> Result<Vec<u8>, KafkaError> {
    let mut shifted = Vec::with_capacity(kept.records.len());
    for record in Records::new(&kept.records, kept.count) {
        let record = record?;
        let timestamp_delta = record.timestamp_delta.wrapping_add(shift);
        Record { timestamp_delta, ..record }.write(&mut shifted);
    }
    Ok(shifted)
}

/// A wrapper gets the offset of the last message that stays in it.
fn filter_message(
    entry: &ShallowEntry<'_>,
    retains: &mut dyn FnMut(&LogRecord<'_>) -> bool,
) -> Result<Filtered, KafkaError> {
    match read_kept_messages(entry, retains) {
        Ok(KeptMessages { kept_count: 0, .. }) => Ok(Filtered::Nothing),
        Ok(it) if it.kept_count == it.count => Ok(Filtered::Whole),
        Ok(it) => it.builder.build().map(Filtered::Rebuilt),
        Err(error) => Ok(Filtered::Unreadable(error.to_string())),
    }
}

struct KeptMessages {
    count: usize,
    kept_count: usize,
    /// Holds those of a wrapper that stay.
    builder: MessageSetBuilder,
}

fn read_kept_messages(
    entry: &ShallowEntry<'_>,
    retains: &mut dyn FnMut(&LogRecord<'_>) -> bool,
) -> Result<KeptMessages, KafkaError> {
    let codec = entry.codec()?;
    // A codec that the format does not have can be read, but not written.
    check_codec(codec, entry.magic)?;
    let mut builder = MessageSetBuilder::new(entry.magic, codec);
    if entry.timestamp_type() == TimestampType::LogAppendTime {
        builder = builder.log_append_time(entry.max_timestamp());
    }
    let (mut count, mut kept_count) = (0, 0);
    entry.for_each_record(&mut |record| {
        count += 1;
        if !retains(record) {
            return Ok(());
        }
        kept_count += 1;
        if codec == CompressionCodec::None { Ok(()) } else { builder.append(record) }
    })?;
    Ok(KeptMessages { count, kept_count, builder })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::byte_buffer_message_set::{for_each_record, shallow_entries};
    use crate::message::record_batch::CONTROL_FLAG;
    use crate::message::record_batch_builder::RecordBatchBuilder;
    use crate::message::timestamp_type::NO_TIMESTAMP;

    const HORIZON: i64 = 5_000;

    /// Offsets 10 to 14, keys and values of their own, timestamps 100 to 104.
    fn batch(codec: CompressionCodec) -> RecordBatchBuilder {
        let empty =
            RecordBatchBuilder::new(10).codec(codec).producer(7, 1, 40).partition_leader_epoch(3);
        (0..5).fold(empty, |batch, i| {
            let text = format!("text {i}");
            batch.record(100 + i, Some(text.as_bytes()), Some(text.as_bytes()))
        })
    }

    fn filter(bytes: &[u8], keeps_empty: bool, offsets: &[i64]) -> Filtered {
        let entry = shallow_entries(bytes).next().unwrap().unwrap();
        filter_entry(&entry, keeps_empty, HORIZON, &mut |it| offsets.contains(&it.offset)).unwrap()
    }

    fn rebuilt(filtered: Filtered) -> Vec<u8> {
        let Filtered::Rebuilt(bytes) = filtered else { panic!("{filtered:?}") };
        assert!(shallow_entries(&bytes).next().unwrap().unwrap().has_valid_crc());
        bytes
    }

    fn offsets_and_timestamps(bytes: &[u8]) -> Vec<(i64, i64)> {
        let mut all = Vec::new();
        for_each_record(bytes, &mut |record| {
            all.push((record.offset, record.timestamp));
            Ok(())
        })
        .unwrap();
        all
    }

    #[test]
    fn what_stays_keeps_offsets_timestamps_producer_and_codec() {
        for codec in CompressionCodec::ALL {
            let bytes = batch(codec).build().unwrap();
            let bytes = rebuilt(filter(&bytes, false, &[11, 13]));
            assert_eq!(offsets_and_timestamps(&bytes), [(11, 101), (13, 103)]);
            let batch = RecordBatch::parse(&bytes).unwrap();
            assert_eq!((batch.base_offset(), batch.last_offset()), (10, 14));
            let producer = (batch.producer_id(), batch.producer_epoch(), batch.base_sequence());
            assert_eq!(producer, (7, 1, 40));
            assert_eq!((batch.partition_leader_epoch(), batch.max_timestamp()), (3, 103));
            assert_eq!(batch.codec().unwrap(), codec);
        }
    }

    #[test]
    fn a_batch_of_which_all_stays_is_not_touched_and_one_of_which_nothing_stays_goes() {
        let bytes = batch(CompressionCodec::Gzip).build().unwrap();
        assert_eq!(filter(&bytes, false, &[10, 11, 12, 13, 14]), Filtered::Whole);
        assert_eq!(filter(&bytes, false, &[]), Filtered::Nothing);
    }

    #[test]
    fn an_empty_batch_still_holds_the_last_sequence_of_its_producer() {
        let bytes = batch(CompressionCodec::Lz4).build().unwrap();
        let bytes = rebuilt(filter(&bytes, true, &[]));
        assert_eq!(bytes.len(), RECORDS_OFFSET);
        let batch = RecordBatch::parse(&bytes).unwrap();
        assert_eq!((batch.record_count(), batch.last_offset_delta()), (0, 4));
        assert_eq!((batch.producer_id(), batch.base_sequence()), (7, 40));
        assert_eq!((batch.codec().unwrap(), batch.max_timestamp()), (CompressionCodec::None, 104));
        assert_eq!(filter(&bytes, true, &[]), Filtered::Whole);
        assert_eq!(filter(&bytes, false, &[]), Filtered::Nothing);
    }

    #[test]
    fn a_tombstone_that_stays_gets_its_deadline_once() {
        for codec in [CompressionCodec::None, CompressionCodec::Zstd] {
            let bytes = batch(codec).record(200, Some(b"key"), None).build().unwrap();
            let bytes = rebuilt(filter(&bytes, false, &[10, 12, 15]));
            let batch = RecordBatch::parse(&bytes).unwrap();
            assert_eq!(batch.delete_horizon_ms(), Some(HORIZON));
            assert_eq!((batch.base_offset(), batch.base_sequence()), (10, 40));
            let timestamps = [(10, 100), (12, 102), (15, 200)];
            assert_eq!(offsets_and_timestamps(&bytes), timestamps);
            assert_eq!(filter(&bytes, false, &[10, 12, 15]), Filtered::Whole);
            let bytes = rebuilt(filter(&bytes, false, &[10, 15]));
            assert_eq!(offsets_and_timestamps(&bytes), [timestamps[0], timestamps[2]]);
            let batch = RecordBatch::parse(&bytes).unwrap();
            assert_eq!((batch.delete_horizon_ms(), batch.max_timestamp()), (Some(HORIZON), 200));
        }
    }

    #[test]
    fn a_control_batch_stays() {
        let bytes = batch(CompressionCodec::None).flags(CONTROL_FLAG).build().unwrap();
        assert_eq!(filter(&bytes, false, &[]), Filtered::Whole);
    }

    #[test]
    fn with_the_time_of_the_append_the_timestamp_stays() {
        let bytes = batch(CompressionCodec::None).log_append_time(500).build().unwrap();
        let bytes = rebuilt(filter(&bytes, false, &[12]));
        assert_eq!(offsets_and_timestamps(&bytes), [(12, 500)]);
    }

    #[test]
    fn the_messages_that_stay_in_a_wrapper_keep_their_offsets() {
        for (magic, codec) in [(0, CompressionCodec::Gzip), (1, CompressionCodec::Snappy)] {
            let mut builder = MessageSetBuilder::new(magic, codec);
            for offset in 10..15 {
                let (key, value) = (Some(&b"key"[..]), Some(&b"value"[..]));
                let headers = Default::default();
                let record = LogRecord { offset, timestamp: offset + 90, key, value, headers };
                builder.append(&record).unwrap();
            }
            let bytes = builder.build().unwrap();
            assert_eq!(filter(&bytes, true, &[]), Filtered::Nothing);
            let bytes = rebuilt(filter(&bytes, false, &[11, 13]));
            let time = |ms| if magic == 0 { NO_TIMESTAMP } else { ms };
            assert_eq!(offsets_and_timestamps(&bytes), [(11, time(101)), (13, time(103))]);
            assert_eq!(shallow_entries(&bytes).next().unwrap().unwrap().offset, 13);
        }
    }

    #[test]
    fn a_batch_that_contradicts_itself_is_unreadable() {
        let good = batch(CompressionCodec::None).build().unwrap();
        for count in [-1, 4, 6] {
            let mut bytes = good.clone();
            BigEndian::write_i32(&mut bytes[RECORDS_COUNT_OFFSET..], count);
            let entry = shallow_entries(&bytes).next().unwrap().unwrap();
            let filtered = filter_entry(&entry, false, HORIZON, &mut |_| false).unwrap();
            assert!(matches!(filtered, Filtered::Unreadable(_)), "{count}: {filtered:?}");
        }
    }

    /// A bomb, a codec that is none, and what no codec has written.
    #[test]
    fn a_batch_that_cannot_be_decompressed_is_unreadable() {
        let bomb = vec![0; 80_000_000];
        let bomb = RecordBatchBuilder::new(0).codec(CompressionCodec::Zstd).record(
            0,
            Some(b"key"),
            Some(&bomb),
        );
        let mut no_codec = batch(CompressionCodec::None).build().unwrap();
        no_codec[ATTRIBUTES_OFFSET + 1] = 6;
        let mut junk = batch(CompressionCodec::Gzip).build().unwrap();
        junk[RECORDS_OFFSET..].fill(7);
        for bytes in [bomb.build().unwrap(), no_codec, junk] {
            let filtered = filter(&bytes, false, &[]);
            assert!(matches!(filtered, Filtered::Unreadable(_)), "{filtered:?}");
        }
    }
}
