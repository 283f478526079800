//! Port of `kafka.log.LogValidator`, and of what Kafka 0.9 has in its place:
//! `Log.analyzeAndValidateMessageSet` and `ByteBufferMessageSet.validateMessagesAndAssignOffsets`.
//! What a produced set must satisfy, and where it gets its offsets.
//!
//! The usual case, a batch of magic 2 for a topic that keeps the producer's compression and
//! timestamps, is checked by one CRC and a walk past the heads of its records, and twelve of its
//! bytes are overwritten in place. It is neither copied nor allocated for. Everything else is slower
//! and for old producers, compacted topics, topics with a codec or clock of their own, and batches
//! whose header is wrong.

use std::borrow::Cow;

use byteorder::BigEndian;
use byteorder::ByteOrder;

use crate::common::errors::{Errors, KafkaError};
use crate::common::record_error::{RecordErrors, RecordFault};
use crate::message::byte_buffer_message_set::{EntryContent, ShallowEntry, shallow_entries};
use crate::message::compression_codec::CompressionCodec;
use crate::message::conversion::{Target, convert};
use crate::message::message::{MAGIC_VALUE_V0, corrupt};
use crate::message::message_set::{LOG_OVERHEAD, MAGIC_OFFSET, OFFSET_LENGTH, SIZE_OFFSET};
use crate::message::record_batch::{MAGIC_VALUE_V2, RecordBatch, TRANSACTIONAL_FLAG};
use crate::message::record_walk::for_each_head;
use crate::message::records::invalid_record;
use crate::message::timestamp_type::{NO_TIMESTAMP, TimestampType};
use crate::message::{message, record_batch};

/// What a topic's settings ask of appended messages.
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
    /// How many records there are.
    pub record_count: u64,
    /// Whether the records were taken apart and written anew.
    pub was_converted: bool,
}

/// Checks the produced `records` and gives them the offsets from `next_offset` on, in place where
/// that is possible.
///
/// A partial entry at the end is cut off, as Kafka 0.9 does, and so are fewer bytes than tell a
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
    let analysis = analyze(records, format.message_bytes_max)?;
    if analysis.entry_count == 0 {
        return Ok(Validated::without_records());
    }
    let records = &mut records[..analysis.valid_bytes];
    if format.magic != MAGIC_VALUE_V2 {
        check_old_format_suffices(records)?;
    }
    let log_append_time = match format.timestamp_type {
        TimestampType::CreateTime => None,
        TimestampType::LogAppendTime => Some(now_ms),
    };
    let target = Target {
        magic: format.magic,
        codec: format.compression.unwrap_or(analysis.codec),
        level: format.compression_level,
        log_append_time,
        partition_leader_epoch: format.partition_leader_epoch,
    };
    let check = RecordCheck::new(now_ms, format);
    let can_stay = analysis.can_stay(&target);
    let has_right_offsets = if analysis.highest_magic == MAGIC_VALUE_V2 {
        check_batch_records(records, check, can_stay, format)?
    } else {
        check_old_records(records, check)?;
        true
    };
    if !can_stay || !has_right_offsets {
        let converted = convert(records, next_offset, &target)?;
        // Several entries may have become one, as in Kafka: what was legal can now be too large.
        for entry in shallow_entries(&converted) {
            check_size(&entry?, format.message_bytes_max)?;
        }
        return Validated::summarize(Cow::Owned(converted), next_offset, true);
    }
    if target.magic == MAGIC_VALUE_V2 {
        patch_batch(records, next_offset, &target);
    } else {
        patch_messages(records, next_offset, &target);
    }
    Validated::summarize(Cow::Borrowed(records), next_offset, false)
}

impl<'a> Validated<'a> {
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

    /// Reads the result off the headers of `bytes`, in which offsets are contiguous.
    fn summarize(
        bytes: Cow<'a, [u8]>,
        first_offset: i64,
        was_converted: bool,
    ) -> Result<Self, KafkaError> {
        let mut validated = Self { first_offset, was_converted, ..Self::without_records() };
        for entry in shallow_entries(&bytes) {
            let entry = entry?;
            validated.last_offset = entry.last_offset;
            if entry.max_timestamp() > validated.max_timestamp {
                validated.max_timestamp = entry.max_timestamp();
                validated.offset_of_max_timestamp = entry.last_offset;
            }
        }
        if validated.last_offset < first_offset {
            let why = format!("no offsets are left after {first_offset}");
            return Err(KafkaError::api(Errors::UnknownServerError, why));
        }
        validated.record_count = (validated.last_offset - first_offset) as u64 + 1;
        validated.bytes = bytes;
        Ok(validated)
    }
}

/// What the headers of a set say.
struct Analysis {
    /// Where the last whole entry ends.
    valid_bytes: usize,
    entry_count: usize,
    /// That of the last compressed entry, as in Kafka.
    codec: CompressionCodec,
    lowest_magic: u8,
    highest_magic: u8,
}

impl Analysis {
    /// Whether nothing but fields of fixed size has to change. A wrapper cannot stay: the offsets
    /// inside it are compressed with it.
    fn can_stay(&self, target: &Target) -> bool {
        let is_batch_or_plain =
            self.lowest_magic == MAGIC_VALUE_V2 || self.codec == CompressionCodec::None;
        self.lowest_magic == target.magic
            && self.highest_magic == target.magic
            && self.codec == target.codec
            && is_batch_or_plain
    }
}

fn analyze(records: &[u8], message_bytes_max: usize) -> Result<Analysis, KafkaError> {
    let mut analysis = Analysis {
        valid_bytes: 0,
        entry_count: 0,
        codec: CompressionCodec::None,
        lowest_magic: u8::MAX,
        highest_magic: 0,
    };
    let mut entries = shallow_entries(records);
    for entry in entries.by_ref() {
        let entry = entry?;
        check_entry(&entry, message_bytes_max)?;
        analysis.entry_count += 1;
        analysis.lowest_magic = analysis.lowest_magic.min(entry.magic);
        analysis.highest_magic = analysis.highest_magic.max(entry.magic);
        if entry.codec()? != CompressionCodec::None {
            analysis.codec = entry.codec()?;
        }
    }
    analysis.valid_bytes = entries.position();
    if analysis.highest_magic == MAGIC_VALUE_V2 && analysis.entry_count > 1 {
        return Err(invalid_record(format!("{} batches in one set", analysis.entry_count)));
    }
    let tail = &records[analysis.valid_bytes..];
    let is_of_batch = tail.get(MAGIC_OFFSET) == Some(&MAGIC_VALUE_V2);
    if is_of_batch || (analysis.highest_magic == MAGIC_VALUE_V2 && !tail.is_empty()) {
        return Err(corrupt(format!("{} bytes that are no whole batch", tail.len())));
    }
    Ok(analysis)
}

fn check_entry(entry: &ShallowEntry<'_>, message_bytes_max: usize) -> Result<(), KafkaError> {
    check_size(entry, message_bytes_max)?;
    if !entry.has_valid_crc() {
        return Err(corrupt(format!("the entry at offset {} fails its CRC", entry.offset)));
    }
    if let EntryContent::Batch(batch) = &entry.content {
        check_batch(batch)?;
    }
    Ok(())
}

fn check_size(entry: &ShallowEntry<'_>, message_bytes_max: usize) -> Result<(), KafkaError> {
    let size = entry.size_in_bytes();
    if size > message_bytes_max {
        let why = format!("a batch of {size} bytes; max.message.bytes is {message_bytes_max}");
        return Err(KafkaError::api(Errors::RecordTooLarge, why));
    }
    Ok(())
}

/// Whether the header of a batch contradicts itself. Its records are compared with it later, by
/// [`check_batch_records`].
fn check_batch(batch: &RecordBatch<'_>) -> Result<(), KafkaError> {
    let (count, last_offset_delta) = (batch.record_count(), batch.last_offset_delta());
    if count <= 0 || count - 1 != last_offset_delta {
        let why = format!("{count} records, the last at offset {last_offset_delta}");
        return Err(invalid_record(why));
    }
    if count as usize > batch.records_max()? {
        let why = format!("{count} records in {} bytes", batch.size_in_bytes());
        return Err(invalid_record(why));
    }
    if batch.base_offset() != 0 {
        let why = format!("a producer's batch begins at offset 0, not {}", batch.base_offset());
        return Err(invalid_record(why));
    }
    if batch.is_control_batch() {
        return Err(invalid_record("a control batch from a producer"));
    }
    if batch.attributes() & TRANSACTIONAL_FLAG != 0 {
        let why = "a batch of a transaction: there are none here";
        return Err(KafkaError::api(Errors::TransactionalIdAuthorizationFailed, why));
    }
    if batch.producer_id() >= 0 && batch.base_sequence() < 0 {
        let why = format!("producer {} gives no sequence number", batch.producer_id());
        return Err(invalid_record(why));
    }
    Ok(())
}

/// Magic 0 and 1 have no room for a producer's id, so its batches could not be told from copies.
fn check_old_format_suffices(records: &[u8]) -> Result<(), KafkaError> {
    match RecordBatch::parse(records) {
        Ok(batch) if batch.producer_id() >= 0 => {
            let why = "an idempotent producer's batch for a topic of an older message format";
            Err(KafkaError::api(Errors::UnsupportedForMessageFormat, why))
        }
        _ => Ok(()),
    }
}

/// Compares the records of a batch with its header, and mends the header if it is wrong about the
/// latest timestamp. Returns whether the records have the offsets that the header declares.
///
/// A compressed batch is decompressed for it only if the topic asks for something that its header
/// cannot tell, or the header looks wrong, or the setting says so. One that is converted anyway
/// shows there whether it can be read.
fn check_batch_records(
    records: &mut [u8],
    mut check: RecordCheck<'_>,
    can_stay: bool,
    format: &AppendFormat,
) -> Result<bool, KafkaError> {
    let batch = RecordBatch::parse(records)?;
    let is_stamped = batch.timestamp_type() == TimestampType::LogAppendTime;
    check.stamp_ms = is_stamped.then(|| batch.max_timestamp());
    check.is_compressed = batch.codec()? != CompressionCodec::None;
    // So says sarama before 1.44, which leaves the latest timestamp at -1.
    let is_suspect = batch.max_timestamp() < batch.base_timestamp();
    let is_worth_it = !check.is_compressed || format.validates_compressed || is_suspect;
    let has_to_walk = check.is_needed() || is_stamped || (can_stay && is_worth_it);
    if !has_to_walk {
        return Ok(true);
    }
    let found = walk_batch(&batch, &mut check)?;
    check.finish()?;
    let is_mended = is_stamped || found.max_timestamp != batch.max_timestamp();
    if is_mended && format.timestamp_type == TimestampType::CreateTime {
        record_batch::set_create_time(records, found.max_timestamp);
    }
    Ok(found.has_right_offsets)
}

/// What the records of a batch say, and its header should.
struct BatchFacts {
    /// By the producer's clock, in milliseconds; `NO_TIMESTAMP` if there is none above it.
    max_timestamp: i64,
    /// Whether the first record has offset 0, and each other one the next.
    has_right_offsets: bool,
}

/// The hot path: it reads the heads of the records, and nothing is built of them.
fn walk_batch(
    batch: &RecordBatch<'_>,
    check: &mut RecordCheck<'_>,
) -> Result<BatchFacts, KafkaError> {
    let base_timestamp = batch.base_timestamp();
    let is_needed = check.is_needed();
    let mut facts = BatchFacts { max_timestamp: NO_TIMESTAMP, has_right_offsets: true };
    let mut index = 0;
    for_each_head(batch, |head| {
        let timestamp = base_timestamp.wrapping_add(head.timestamp_delta);
        facts.max_timestamp = facts.max_timestamp.max(timestamp);
        facts.has_right_offsets &= head.offset_delta == index;
        if is_needed {
            check.visit(index, timestamp, head.key_bytes, head.value_bytes);
        }
        index += 1;
    })?;
    Ok(facts)
}

/// Checks messages of magic 0 and 1, those in wrappers too, if the topic asks for something.
fn check_old_records(records: &[u8], mut check: RecordCheck<'_>) -> Result<(), KafkaError> {
    if check.format.timestamp_type == TimestampType::CreateTime && !check.is_needed() {
        return Ok(());
    }
    let mut index = 0;
    for entry in shallow_entries(records) {
        let entry = entry?;
        let is_stamped = entry.timestamp_type() == TimestampType::LogAppendTime;
        check.stamp_ms = is_stamped.then(|| entry.max_timestamp());
        if !check.is_needed() {
            continue;
        }
        entry.for_each_record(&mut |record| {
            let [key, value] = [record.key, record.value].map(|it| it.map(|it| it.len() as u32));
            check.visit(index, record.timestamp, key, value);
            index += 1;
            Ok(())
        })?;
    }
    check.finish()
}

/// What is asked of each record by itself, and which records fail.
struct RecordCheck<'f> {
    format: &'f AppendFormat,
    now_ms: i64,
    has_time_limit: bool,
    /// The timestamp in milliseconds, if the producer marked it as the broker's.
    stamp_ms: Option<i64>,
    is_compressed: bool,
    errors: RecordErrors,
}

impl<'f> RecordCheck<'f> {
    fn new(now_ms: i64, format: &'f AppendFormat) -> Self {
        let has_time_limit = format.timestamp_type == TimestampType::CreateTime
            && [format.timestamp_before_max_ms, format.timestamp_after_max_ms] != [i64::MAX; 2];
        let (stamp_ms, is_compressed, errors) = (None, false, RecordErrors::default());
        Self { format, now_ms, has_time_limit, stamp_ms, is_compressed, errors }
    }

    fn is_needed(&self) -> bool {
        let is_stamp_refused = self.format.timestamp_type == TimestampType::LogAppendTime;
        self.format.is_compacted
            || self.has_time_limit
            || (is_stamp_refused && self.stamp_ms.is_some())
    }

    /// A record has one fault at most. An empty key is a key, compressed or not. (Kafka 0.9 refuses
    /// it uncompressed only.)
    fn visit(&mut self, index: i32, timestamp: i64, key: Option<u32>, value: Option<u32>) {
        let fault = if self.format.is_compacted && key.is_none() {
            Some(RecordFault::NoKey)
        } else if self.format.timestamp_type == TimestampType::LogAppendTime {
            self.stamp_ms.map(|timestamp_ms| RecordFault::TimestampType {
                timestamp_ms,
                key_bytes: key.unwrap_or(0) as usize,
                value_bytes: value.unwrap_or(0) as usize,
                is_compressed: self.is_compressed,
            })
        } else if self.has_time_limit {
            check_timestamp(timestamp, self.now_ms, self.format)
        } else {
            None
        };
        if let Some(fault) = fault {
            self.errors.push(index, fault);
        }
    }

    fn finish(self) -> Result<(), KafkaError> {
        if self.errors.count() == 0 {
            return Ok(());
        }
        Err(KafkaError::Records(Box::new(self.errors)))
    }
}

fn check_timestamp(timestamp_ms: i64, now_ms: i64, format: &AppendFormat) -> Option<RecordFault> {
    let (before_ms, after_ms) = (format.timestamp_before_max_ms, format.timestamp_after_max_ms);
    let limit_ms = if timestamp_ms < now_ms { before_ms } else { after_ms };
    let is_unlimited = timestamp_ms == NO_TIMESTAMP || limit_ms == i64::MAX;
    if is_unlimited || timestamp_ms.abs_diff(now_ms) <= limit_ms.max(0) as u64 {
        return None;
    }
    Some(RecordFault::TimestampOutOfRange {
        timestamp_ms,
        lowest_ms: now_ms.saturating_sub(before_ms.max(0)),
        highest_ms: now_ms.saturating_add(after_ms.max(0)),
    })
}

/// The hot path: twelve bytes that no CRC covers.
fn patch_batch(batch: &mut [u8], base_offset: i64, target: &Target) {
    record_batch::set_base_offset(batch, base_offset);
    record_batch::set_partition_leader_epoch(batch, target.partition_leader_epoch);
    if let Some(timestamp_ms) = target.log_append_time {
        record_batch::set_log_append_time(batch, timestamp_ms);
    }
}

/// Uncompressed messages of magic 0 or 1, all whole: [`analyze`] has walked them.
fn patch_messages(mut entries: &mut [u8], first_offset: i64, target: &Target) {
    let mut offset = first_offset;
    while !entries.is_empty() {
        let size = BigEndian::read_i32(&entries[SIZE_OFFSET..]) as usize;
        let (entry, rest) = entries.split_at_mut(LOG_OVERHEAD + size);
        BigEndian::write_i64(&mut entry[..OFFSET_LENGTH], offset);
        let message = &mut entry[LOG_OVERHEAD..];
        if target.magic != MAGIC_VALUE_V0 {
            match target.log_append_time {
                Some(timestamp_ms) => message::set_log_append_time(message, timestamp_ms),
                None if message::is_log_append_time(message) => message::set_create_time(message),
                None => {}
            }
        }
        offset = offset.wrapping_add(1);
        entries = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::byte_buffer_message_set::{MessageSetBuilder, for_each_record};
    use crate::message::message::NewMessage;
    use crate::message::record_batch::{
        CONTROL_FLAG, LAST_OFFSET_DELTA_OFFSET, RECORD_BATCH_OVERHEAD, RECORD_BYTES_MIN,
        RECORDS_COUNT_OFFSET, RecordBatchBuilder,
    };
    use crate::message::records::{Header, Headers, LogRecord, Record};

    const NOW_MS: i64 = 1_000_000;
    const OLD_CODECS: [CompressionCodec; 4] = [
        CompressionCodec::None,
        CompressionCodec::Gzip,
        CompressionCodec::Snappy,
        CompressionCodec::Lz4,
    ];

    fn keep_all() -> AppendFormat {
        AppendFormat {
            magic: 2,
            compression: None,
            timestamp_type: TimestampType::CreateTime,
            compression_level: None,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: i64::MAX,
            message_bytes_max: 1_048_588,
            is_compacted: false,
            validates_compressed: true,
            partition_leader_epoch: 0,
        }
    }

    fn batch() -> RecordBatchBuilder {
        RecordBatchBuilder::new(0).record(7, Some(b"k"), Some(b"v")).record(5, None, None)
    }

    /// Three messages with offsets as producers give them, and keys but for the last.
    fn old_set(magic: u8, codec: CompressionCodec) -> Vec<u8> {
        let mut builder = MessageSetBuilder::new(magic, codec);
        for (offset, key) in [(0, Some(&b"a"[..])), (1, Some(b"")), (2, None)] {
            let (value, headers) = (Some(&b"value"[..]), Headers::NONE);
            let timestamp = NOW_MS - 10 * offset;
            builder.append(&LogRecord { offset, timestamp, key, value, headers }).unwrap();
        }
        builder.build().unwrap()
    }

    fn code_of(records: &mut [u8], format: &AppendFormat) -> Errors {
        validate_messages_and_assign_offsets(records, 0, NOW_MS, format).unwrap_err().code()
    }

    fn seen(bytes: &[u8]) -> Vec<(i64, i64)> {
        let mut all = Vec::new();
        for_each_record(bytes, &mut |record| {
            all.push((record.offset, record.timestamp));
            Ok(())
        })
        .unwrap();
        all
    }

    /// The header field at `position` overwritten, and the CRC made to fit.
    fn with_field(mut batch: Vec<u8>, position: usize, value: i32) -> Vec<u8> {
        BigEndian::write_i32(&mut batch[position..], value);
        let crc = record_batch::compute_crc(&batch);
        BigEndian::write_u32(&mut batch[record_batch::CRC_OFFSET..], crc);
        batch
    }

    #[test]
    fn a_batch_of_a_transaction_is_refused() {
        let mut records = batch().producer(7, 0, 0).flags(TRANSACTIONAL_FLAG).build().unwrap();
        let error = validate_messages_and_assign_offsets(&mut records, 0, NOW_MS, &keep_all());
        assert_eq!(error.unwrap_err().code(), Errors::TransactionalIdAuthorizationFailed);
    }

    #[test]
    fn an_idempotent_producer_needs_a_topic_of_magic_2() {
        for magic in [0, 1] {
            let format = AppendFormat { magic, ..keep_all() };
            let mut records = batch().producer(7, 0, 0).build().unwrap();
            let error = validate_messages_and_assign_offsets(&mut records, 0, NOW_MS, &format);
            assert_eq!(error.unwrap_err().code(), Errors::UnsupportedForMessageFormat);
        }
    }

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
    fn a_compressed_batch_is_not_decompressed_unless_the_setting_says_so() {
        let mut buffer = batch().codec(CompressionCodec::Gzip).build().unwrap();
        buffer[record_batch::RECORDS_OFFSET..].fill(0xee);
        let buffer = with_field(buffer, RECORDS_COUNT_OFFSET, 2);
        let format = AppendFormat { validates_compressed: false, ..keep_all() };
        let mut copy = buffer.clone();
        let validated = validate_messages_and_assign_offsets(&mut copy, 0, 0, &format);
        assert_eq!(validated.unwrap().record_count, 2);
        assert_eq!(code_of(&mut buffer.clone(), &keep_all()), Errors::UnknownServerError);
    }

    /// The header of a batch with another latest timestamp, and the CRC made to fit.
    fn with_max_timestamp(mut batch: Vec<u8>, max_timestamp: i64) -> Vec<u8> {
        BigEndian::write_i64(&mut batch[record_batch::MAX_TIMESTAMP_OFFSET..], max_timestamp);
        let crc = record_batch::compute_crc(&batch);
        BigEndian::write_u32(&mut batch[record_batch::CRC_OFFSET..], crc);
        batch
    }

    /// Kafka 4.4.0: -1 as sarama before 1.44 sends it, too low, too high.
    #[test]
    fn a_header_that_is_wrong_about_the_latest_timestamp_is_mended_in_place() {
        for codec in CompressionCodec::ALL {
            let right = RecordBatchBuilder::new(0).codec(codec).record(4_000, None, None);
            let right = right.record(54_000, None, None).build().unwrap();
            for declared in [-1, 4_000, 53_999, 999_999, i64::MIN, i64::MAX] {
                let mut wrong = with_max_timestamp(right.clone(), declared);
                let at = wrong.as_ptr();
                let validated =
                    validate_messages_and_assign_offsets(&mut wrong, 0, 0, &keep_all()).unwrap();
                assert_eq!((validated.bytes.as_ptr(), validated.was_converted), (at, false));
                assert_eq!(validated.max_timestamp, 54_000, "{declared} of {}", codec.name());
                assert_eq!(validated.offset_of_max_timestamp, 1);
                assert_eq!(validated.bytes[16..], right[16..], "with the CRC of a right header");
            }
        }
    }

    #[test]
    fn a_header_that_contradicts_itself_is_mended_whatever_the_setting() {
        let format = AppendFormat { validates_compressed: false, ..keep_all() };
        for codec in CompressionCodec::ALL {
            let right = batch().codec(codec).build().unwrap();
            let mut wrong = with_max_timestamp(right.clone(), -1);
            let validated =
                validate_messages_and_assign_offsets(&mut wrong, 0, 0, &format).unwrap();
            assert_eq!(validated.max_timestamp, 7, "{}", codec.name());
            assert_eq!(validated.bytes[16..], right[16..]);
        }
    }

    #[test]
    fn a_wrong_crc_is_not_mended() {
        let mut bytes = batch().build().unwrap();
        BigEndian::write_i64(&mut bytes[record_batch::MAX_TIMESTAMP_OFFSET..], -1);
        assert_eq!(code_of(&mut bytes, &keep_all()), Errors::CorruptMessage);
    }

    /// Kafka 4.4.0 stores them as they are, compressed ones aside.
    #[test]
    fn records_with_other_offsets_than_the_header_declares_are_numbered_anew() {
        for codec in CompressionCodec::ALL {
            for deltas in [[0, 5], [1, 0], [0, 0], [3, 4], [0, -7]] {
                let mut records = Vec::new();
                for offset_delta in deltas {
                    let (key, value, headers) = (Some(&b"k"[..]), None, Headers::NONE);
                    Record { timestamp_delta: 0, offset_delta, key, value, headers }
                        .write(&mut records);
                }
                let mut bytes = with_section(codec, &records);
                let validated =
                    validate_messages_and_assign_offsets(&mut bytes, 10, 0, &keep_all()).unwrap();
                assert_eq!(seen(&validated.bytes), [(10, 7), (11, 7)], "{deltas:?}");
                let stored = RecordBatch::parse(&validated.bytes).unwrap();
                assert!(stored.has_valid_crc());
                assert_eq!((stored.codec().unwrap(), stored.producer_id()), (codec, 3));
            }
        }
    }

    /// A batch of an idempotent producer whose header says two records, from timestamp 7 on.
    fn with_section(codec: CompressionCodec, section: &[u8]) -> Vec<u8> {
        let mut bytes = batch().codec(codec).producer(3, 0, 0).build().unwrap();
        bytes.truncate(record_batch::RECORDS_OFFSET);
        bytes.extend(codec.compress(section, MAGIC_VALUE_V2).unwrap());
        let size = bytes.len() - LOG_OVERHEAD;
        with_field(bytes, SIZE_OFFSET, i32::try_from(size).unwrap())
    }

    #[test]
    fn records_that_cannot_be_read_or_are_not_as_many_as_declared_are_refused() {
        let good = batch().build().unwrap()[record_batch::RECORDS_OFFSET..].to_vec();
        let first_bytes = 1 + usize::from(good[0] / 2);
        let cases = [
            ("one record", good[..first_bytes].to_vec()),
            ("three records", [&good[..], &good[..first_bytes]].concat()),
            ("a byte behind", [&good[..], &[0]].concat()),
            ("cut off", good[..good.len() - 1].to_vec()),
            ("a size of 500", [&good[..first_bytes], b"\xe8\x07abc"].concat()),
            ("a negative size", [&good[..first_bytes], &[1, 0, 0]].concat()),
            ("a record of no bytes", [&good[..first_bytes], &[0]].concat()),
            ("nothing", Vec::new()),
        ];
        for codec in CompressionCodec::ALL {
            for (what, section) in &cases {
                let bytes = with_section(codec, section);
                for compression in [None, Some(CompressionCodec::Gzip)] {
                    let format = AppendFormat { compression, ..keep_all() };
                    let code = code_of(&mut bytes.clone(), &format);
                    assert_eq!(code, Errors::InvalidRecord, "{what}, {}", codec.name());
                }
            }
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
    fn the_smallest_records_that_compress_best_are_not_too_many() {
        let zeros = vec![0; 10 * 1024 * 1024];
        for codec in CompressionCodec::ALL.into_iter().skip(1) {
            let count = zeros.len() / RECORD_BYTES_MIN;
            let mut batch = with_section(codec, &zeros);
            for (position, value) in
                [(LAST_OFFSET_DELTA_OFFSET, count - 1), (RECORDS_COUNT_OFFSET, count)]
            {
                batch = with_field(batch, position, i32::try_from(value).unwrap());
            }
            let format = AppendFormat { message_bytes_max: usize::MAX, ..keep_all() };
            // They are not refused for their number, but because zeros are no records.
            let code = code_of(&mut batch.clone(), &format);
            assert_eq!(code, Errors::InvalidRecord, "{}", codec.name());
            let format = AppendFormat { validates_compressed: false, ..format };
            let validated = validate_messages_and_assign_offsets(&mut batch, 0, 0, &format);
            assert_eq!(validated.unwrap().record_count, count as u64, "{}", codec.name());
        }
        let mut smallest = RecordBatchBuilder::new(0).record(0, None, None).build().unwrap();
        assert_eq!(smallest.len(), RECORD_BATCH_OVERHEAD + RECORD_BYTES_MIN);
        assert!(validate_messages_and_assign_offsets(&mut smallest, 0, 0, &keep_all()).is_ok());
        let mut many = with_field(batch().build().unwrap(), RECORDS_COUNT_OFFSET, 1_000);
        many = with_field(many, record_batch::LAST_OFFSET_DELTA_OFFSET, 999);
        assert_eq!(code_of(&mut many, &keep_all()), Errors::InvalidRecord);
    }

    #[test]
    fn a_batch_that_contradicts_itself_is_refused() {
        let good = batch().build().unwrap();
        for count in [i32::MIN, -1, 0, 1, 3, i32::MAX] {
            let mut bad = with_field(good.clone(), RECORDS_COUNT_OFFSET, count);
            assert_eq!(code_of(&mut bad, &keep_all()), Errors::InvalidRecord);
        }
        for last_offset_delta in [i32::MIN, -1, 0, 2, i32::MAX] {
            let mut bad = with_field(good.clone(), LAST_OFFSET_DELTA_OFFSET, last_offset_delta);
            assert_eq!(code_of(&mut bad, &keep_all()), Errors::InvalidRecord);
        }
        let mut control = batch().flags(CONTROL_FLAG).build().unwrap();
        assert_eq!(code_of(&mut control, &keep_all()), Errors::InvalidRecord);
        let mut without_sequence = batch().producer(5, 0, -1).build().unwrap();
        assert_eq!(code_of(&mut without_sequence, &keep_all()), Errors::InvalidRecord);
        let mut later = RecordBatchBuilder::new(77).record(0, None, None).build().unwrap();
        assert_eq!(code_of(&mut later, &keep_all()), Errors::InvalidRecord);
        let mut two = [good.clone(), good.clone()].concat();
        assert_eq!(code_of(&mut two, &keep_all()), Errors::InvalidRecord);
        let mut mixed = [good, old_set(1, CompressionCodec::None)].concat();
        assert_eq!(code_of(&mut mixed, &keep_all()), Errors::InvalidRecord);
    }

    #[test]
    fn a_batch_cut_off_or_with_junk_behind_it_is_refused() {
        let good = batch().build().unwrap();
        for end in 0..good.len() {
            let mut cut = good[..end].to_vec();
            if end <= MAGIC_OFFSET {
                let empty = validate_messages_and_assign_offsets(&mut cut, 0, 0, &keep_all());
                assert_eq!(empty.unwrap().record_count, 0);
            } else {
                assert_eq!(code_of(&mut cut, &keep_all()), Errors::CorruptMessage);
            }
        }
        for junk in [&[0][..], &good[..12], &good[..20]] {
            let mut long = [&good[..], junk].concat();
            assert_eq!(code_of(&mut long, &keep_all()), Errors::CorruptMessage);
        }
    }

    #[test]
    fn a_wrong_crc_is_refused_in_every_format() {
        for mut bytes in [batch().build().unwrap(), old_set(0, CompressionCodec::Gzip)] {
            *bytes.last_mut().unwrap() ^= 1;
            assert_eq!(code_of(&mut bytes, &keep_all()), Errors::CorruptMessage);
        }
    }

    #[test]
    fn size_is_judged_entry_by_entry_and_before_the_crc() {
        let mut bytes = batch().build().unwrap();
        let format = AppendFormat { message_bytes_max: bytes.len(), ..keep_all() };
        assert!(validate_messages_and_assign_offsets(&mut bytes, 0, 0, &format).is_ok());
        *bytes.last_mut().unwrap() ^= 1;
        let format = AppendFormat { message_bytes_max: bytes.len() - 1, ..keep_all() };
        assert_eq!(code_of(&mut bytes, &format), Errors::RecordTooLarge);
        // Each of the messages is small enough, and all of them together if they stay apart.
        let mut set = old_set(0, CompressionCodec::None);
        let format = AppendFormat { message_bytes_max: set.len() / 2, magic: 0, ..keep_all() };
        assert!(validate_messages_and_assign_offsets(&mut set, 0, 0, &format).is_ok());
        let format = AppendFormat { magic: 2, ..format };
        assert_eq!(code_of(&mut set, &format), Errors::RecordTooLarge);
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

    #[test]
    fn a_timestamp_too_far_from_now_is_refused_wherever_it_hides() {
        let limit = |ms| AppendFormat {
            timestamp_before_max_ms: ms,
            timestamp_after_max_ms: ms,
            ..keep_all()
        };
        for codec in CompressionCodec::ALL {
            for far in [NOW_MS + 101, NOW_MS - 101, i64::MAX, i64::MIN] {
                let mut bytes = RecordBatchBuilder::new(0)
                    .codec(codec)
                    .record(NOW_MS + 100, None, None)
                    .record(far, None, None)
                    .record(NO_TIMESTAMP, None, None)
                    .build()
                    .unwrap();
                assert_eq!(code_of(&mut bytes, &limit(100)), Errors::InvalidTimestamp);
                let no_limit = limit(i64::MAX);
                assert!(validate_messages_and_assign_offsets(&mut bytes, 0, 0, &no_limit).is_ok());
            }
        }
        let mut set = old_set(1, CompressionCodec::Snappy);
        assert_eq!(code_of(&mut set, &limit(19)), Errors::InvalidTimestamp);
        assert!(validate_messages_and_assign_offsets(&mut set, 0, NOW_MS, &limit(20)).is_ok());
        let mut set = old_set(0, CompressionCodec::None);
        assert!(validate_messages_and_assign_offsets(&mut set, 0, NOW_MS, &limit(0)).is_ok());
    }

    #[test]
    fn earlier_and_later_timestamps_have_limits_of_their_own() {
        let format = AppendFormat {
            timestamp_before_max_ms: 200,
            timestamp_after_max_ms: 100,
            ..keep_all()
        };
        let result = |timestamp, format: &AppendFormat| {
            let batch = RecordBatchBuilder::new(0).record(timestamp, None, None);
            let mut bytes = batch.build().unwrap();
            let result = validate_messages_and_assign_offsets(&mut bytes, 0, NOW_MS, format);
            result.map(drop).map_err(|error| error.code())
        };
        let refused = Err(Errors::InvalidTimestamp);
        for (timestamp, expected) in [
            (NOW_MS - 200, Ok(())),
            (NOW_MS - 201, refused),
            (NOW_MS, Ok(())),
            (NOW_MS + 100, Ok(())),
            (NOW_MS + 101, refused),
            (i64::MAX, refused),
            (NO_TIMESTAMP, Ok(())),
        ] {
            assert_eq!(result(timestamp, &format), expected, "{timestamp}");
        }
        let only_later = AppendFormat { timestamp_before_max_ms: i64::MAX, ..format.clone() };
        assert_eq!(result(i64::MIN, &only_later), Ok(()));
        assert_eq!(result(NOW_MS + 101, &only_later), refused);
        let only_earlier = AppendFormat { timestamp_after_max_ms: i64::MAX, ..format };
        assert_eq!(result(i64::MAX, &only_earlier), Ok(()));
        assert_eq!(result(NOW_MS - 201, &only_earlier), refused);
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

    /// Kafka 4.4.0 for magic 2, 3.9.1 for magic 1: a CreateTime topic takes it for the producer's.
    #[test]
    fn a_time_of_the_append_from_a_producer_becomes_a_create_time() {
        for codec in CompressionCodec::ALL {
            for compression in [None, Some(CompressionCodec::Gzip)] {
                let format = AppendFormat { compression, ..keep_all() };
                // The builder gives the header NOW_MS, and the records 7 and 5.
                let mut bytes = batch().codec(codec).log_append_time(NOW_MS).build().unwrap();
                let validated =
                    validate_messages_and_assign_offsets(&mut bytes, 0, 0, &format).unwrap();
                assert_eq!(seen(&validated.bytes), [(0, 7), (1, 5)], "{}", codec.name());
                assert_eq!(validated.max_timestamp, 7);
                let stored = RecordBatch::parse(&validated.bytes).unwrap();
                assert_eq!(stored.timestamp_type(), TimestampType::CreateTime);
                assert!(stored.has_valid_crc());
            }
        }
        for codec in OLD_CODECS {
            for magic in [1, 2] {
                let format = AppendFormat { magic, ..keep_all() };
                let mut set = stamped_set(codec);
                let validated =
                    validate_messages_and_assign_offsets(&mut set, 0, 0, &format).unwrap();
                assert_eq!(seen(&validated.bytes), [(0, 99), (1, 99)]);
                for entry in shallow_entries(&validated.bytes) {
                    let entry = entry.unwrap();
                    assert_eq!(entry.timestamp_type(), TimestampType::CreateTime);
                    assert!(entry.has_valid_crc());
                }
            }
        }
    }

    /// Two messages of magic 1 with the time of the append, 99.
    fn stamped_set(codec: CompressionCodec) -> Vec<u8> {
        let mut builder = MessageSetBuilder::new(1, codec).log_append_time(99);
        for offset in [0, 1] {
            let (key, value, headers) = (Some(&b"key"[..]), Some(&b"value"[..]), Headers::NONE);
            builder.append(&LogRecord { offset, timestamp: 5, key, value, headers }).unwrap();
        }
        builder.build().unwrap()
    }

    #[test]
    fn a_topic_with_a_clock_of_its_own_refuses_a_producers_time_of_the_append() {
        let format = AppendFormat { timestamp_type: TimestampType::LogAppendTime, ..keep_all() };
        for codec in CompressionCodec::ALL {
            let mut bytes = batch().codec(codec).log_append_time(NOW_MS).build().unwrap();
            let errors = record_errors_of(&mut bytes, &format);
            assert!(errors.has_timestamp_fault());
            let is_compressed = codec != CompressionCodec::None;
            let fault = |key_bytes, value_bytes| RecordFault::TimestampType {
                timestamp_ms: NOW_MS,
                key_bytes,
                value_bytes,
                is_compressed,
            };
            assert_eq!(blamed(&errors), [(0, fault(1, 1)), (1, fault(0, 0))]);
        }
        for codec in OLD_CODECS {
            assert_eq!(code_of(&mut stamped_set(codec), &format), Errors::InvalidTimestamp);
        }
    }

    fn record_errors_of(records: &mut [u8], format: &AppendFormat) -> RecordErrors {
        match validate_messages_and_assign_offsets(records, 0, NOW_MS, format) {
            Err(KafkaError::Records(errors)) => *errors,
            other => panic!("{other:?}"),
        }
    }

    fn blamed(errors: &RecordErrors) -> Vec<(i32, RecordFault)> {
        errors.named().iter().map(|it| (it.batch_index, it.fault)).collect()
    }

    #[test]
    fn the_guilty_records_alone_are_named() {
        for codec in CompressionCodec::ALL {
            let mut builder = RecordBatchBuilder::new(0).codec(codec);
            for index in 0..100 {
                let key = (index % 10 != 3).then_some(&b"k"[..]);
                let far = if index == 50 || index == 53 { 1_000 } else { 0 };
                builder = builder.record(NOW_MS + far, key, None);
            }
            let bytes = builder.build().unwrap();
            let format = AppendFormat { is_compacted: true, ..keep_all() };
            let errors = record_errors_of(&mut bytes.clone(), &format);
            assert!(!errors.has_timestamp_fault());
            let expected: Vec<_> = (0..10).map(|it| (10 * it + 3, RecordFault::NoKey)).collect();
            assert_eq!(blamed(&errors), expected);
            // A record has one fault, and a timestamp decides about the code.
            let format = AppendFormat {
                timestamp_before_max_ms: 999,
                timestamp_after_max_ms: 999,
                ..format
            };
            let errors = record_errors_of(&mut bytes.clone(), &format);
            assert_eq!((errors.has_timestamp_fault(), errors.count()), (true, 11));
            let fault = RecordFault::TimestampOutOfRange {
                timestamp_ms: NOW_MS + 1_000,
                lowest_ms: NOW_MS - 999,
                highest_ms: NOW_MS + 999,
            };
            assert_eq!(blamed(&errors)[5], (50, fault));
            assert_eq!(blamed(&errors)[6], (53, RecordFault::NoKey));
        }
    }

    /// What cannot be read counts more than what is wrong with a record before it.
    #[test]
    fn no_record_is_blamed_in_a_batch_that_cannot_be_read() {
        let format = AppendFormat { is_compacted: true, ..keep_all() };
        let good = batch().build().unwrap();
        let mut cut = with_section(CompressionCodec::None, &good[61..good.len() - 1]);
        let error = validate_messages_and_assign_offsets(&mut cut, 0, NOW_MS, &format);
        assert!(matches!(error, Err(KafkaError::Api(Errors::InvalidRecord, _))), "{error:?}");
    }

    #[test]
    fn a_compacted_topic_demands_keys_and_takes_an_empty_one() {
        for codec in OLD_CODECS {
            for magic in [0, 1, 2] {
                let format = AppendFormat { is_compacted: true, magic, ..keep_all() };
                let mut set = old_set(magic.min(1), codec);
                let errors = record_errors_of(&mut set, &format);
                assert_eq!(blamed(&errors), [(2, RecordFault::NoKey)]);
                let mut without = batch().codec(codec).build().unwrap();
                assert_eq!(code_of(&mut without, &format), Errors::InvalidRecord);
                let with = RecordBatchBuilder::new(0).codec(codec).record(0, Some(b""), None);
                let mut with = with.build().unwrap();
                let validated = validate_messages_and_assign_offsets(&mut with, 0, 0, &format);
                assert_eq!(validated.unwrap().record_count, 1);
            }
        }
    }

    /// Kafka 3.9.1.
    #[test]
    fn a_wrapper_that_cannot_be_read_has_kafkas_codes() {
        let wrapper = |magic, inner: &[u8], codec: CompressionCodec| {
            let (timestamp_type, timestamp, key) = (TimestampType::CreateTime, 0, None);
            let value = Some(inner);
            let mut bytes = Vec::new();
            let wrapper = NewMessage { magic, codec, timestamp_type, timestamp, key, value };
            wrapper.write_entry(2, &mut bytes).unwrap();
            bytes
        };
        let gzip = |bytes: &[u8]| CompressionCodec::Gzip.compress(bytes, 1).unwrap();
        for magic in [0, 1] {
            let inner = old_set(magic, CompressionCodec::None);
            let mut wrong_crc = inner.clone();
            *wrong_crc.last_mut().unwrap() ^= 1;
            let cases = [
                ("junk", vec![0xee; 30], Errors::UnknownServerError),
                ("nothing", gzip(b""), Errors::InvalidRecord),
                (
                    "another magic",
                    gzip(&old_set(1 - magic, CompressionCodec::None)),
                    Errors::InvalidRecord,
                ),
                ("a wrapper", gzip(&old_set(magic, CompressionCodec::Gzip)), Errors::InvalidRecord),
                ("a wrong CRC", gzip(&wrong_crc), Errors::CorruptMessage),
            ];
            for (what, compressed, expected) in cases {
                let mut bytes = wrapper(magic, &compressed, CompressionCodec::Gzip);
                assert_eq!(code_of(&mut bytes, &keep_all()), expected, "{what} of {magic}");
            }
        }
    }

    #[test]
    fn a_partial_old_message_is_cut_off() {
        for magic in [0, 1] {
            let whole = old_set(magic, CompressionCodec::None);
            for end in 0..whole.len() / 3 {
                let mut long = [&whole[..], &whole[..end]].concat();
                let format = AppendFormat { magic, ..keep_all() };
                let validated =
                    validate_messages_and_assign_offsets(&mut long, 0, 0, &format).unwrap();
                assert_eq!(validated.bytes.len(), whole.len());
                assert_eq!(validated.record_count, 3);
            }
        }
    }

    #[test]
    fn nothing_gives_a_result_without_records() {
        let validated =
            validate_messages_and_assign_offsets(&mut [], 9, NOW_MS, &keep_all()).unwrap();
        assert_eq!(validated, Validated::without_records());
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
