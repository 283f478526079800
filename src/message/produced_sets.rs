//! Sets as producers send them, for the unit tests of their validation.

use byteorder::{BigEndian, ByteOrder};

use crate::common::errors::{Errors, KafkaError};
use crate::common::record_error::{RecordErrors, RecordFault};
use crate::message::append_format::AppendFormat;
use crate::message::byte_buffer_message_set::for_each_record;
use crate::message::compression_codec::CompressionCodec;
use crate::message::log_validator::validate_messages_and_assign_offsets;
use crate::message::message_set::{LOG_OVERHEAD, SIZE_OFFSET};
use crate::message::message_set_builder::MessageSetBuilder;
use crate::message::record_batch;
use crate::message::record_batch::MAGIC_VALUE_V2;
use crate::message::record_batch_builder::RecordBatchBuilder;
use crate::message::records::{Headers, LogRecord};
use crate::message::timestamp_type::TimestampType;

pub(crate) const NOW_MS: i64 = 1_000_000;
pub(crate) const OLD_CODECS: [CompressionCodec; 4] = [
    CompressionCodec::None,
    CompressionCodec::Gzip,
    CompressionCodec::Snappy,
    CompressionCodec::Lz4,
];

pub(crate) fn keep_all() -> AppendFormat {
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

pub(crate) fn batch() -> RecordBatchBuilder {
    RecordBatchBuilder::new(0).record(7, Some(b"k"), Some(b"v")).record(5, None, None)
}

/// Three messages with offsets as producers give them, and keys but for the last.
pub(crate) fn old_set(magic: u8, codec: CompressionCodec) -> Vec<u8> {
    let mut builder = MessageSetBuilder::new(magic, codec);
    for (offset, key) in [(0, Some(&b"a"[..])), (1, Some(b"")), (2, None)] {
        let (value, headers) = (Some(&b"value"[..]), Headers::NONE);
        let timestamp = NOW_MS - 10 * offset;
        builder.append(&LogRecord { offset, timestamp, key, value, headers }).unwrap();
    }
    builder.build().unwrap()
}

/// The header field at `position` overwritten, and the CRC made to fit.
pub(crate) fn with_field(mut batch: Vec<u8>, position: usize, value: i32) -> Vec<u8> {
    BigEndian::write_i32(&mut batch[position..], value);
    let crc = record_batch::compute_crc(&batch);
    BigEndian::write_u32(&mut batch[record_batch::CRC_OFFSET..], crc);
    batch
}

/// A batch of an idempotent producer whose header says two records, from timestamp 7 on.
pub(crate) fn with_section(codec: CompressionCodec, section: &[u8]) -> Vec<u8> {
    let mut bytes = batch().codec(codec).producer(3, 0, 0).build().unwrap();
    bytes.truncate(record_batch::RECORDS_OFFSET);
    bytes.extend(codec.compress(section, MAGIC_VALUE_V2).unwrap());
    let size = bytes.len() - LOG_OVERHEAD;
    with_field(bytes, SIZE_OFFSET, i32::try_from(size).unwrap())
}

pub(crate) fn code_of(records: &mut [u8], format: &AppendFormat) -> Errors {
    validate_messages_and_assign_offsets(records, 0, NOW_MS, format).unwrap_err().code()
}

pub(crate) fn seen(bytes: &[u8]) -> Vec<(i64, i64)> {
    let mut all = Vec::new();
    for_each_record(bytes, &mut |record| {
        all.push((record.offset, record.timestamp));
        Ok(())
    })
    .unwrap();
    all
}

pub(crate) fn record_errors_of(records: &mut [u8], format: &AppendFormat) -> RecordErrors {
    match validate_messages_and_assign_offsets(records, 0, NOW_MS, format) {
        Err(KafkaError::Records(errors)) => *errors,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn blamed(errors: &RecordErrors) -> Vec<(i32, RecordFault)> {
    errors.named().iter().map(|it| (it.batch_index, it.fault)).collect()
}
