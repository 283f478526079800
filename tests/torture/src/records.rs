//! Numbered records: made in any format, and found again in whatever format the broker keeps them.

use byteorder::{BigEndian, ByteOrder};
use transferto::message::byte_buffer_message_set::shallow_entries;
use transferto::message::compression_codec::CompressionCodec;
use transferto::message::message_set_builder::MessageSetBuilder;
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::message::records::{Headers, LogRecord};

use crate::outcome::{Outcome, failed};

/// The timestamp of every record: a time long past, which no retention of these topics reaches.
const TIMESTAMP_MS: i64 = 1_000;
/// What stands behind the number in a value, so that records are not all alike in size.
const PADDING: [u8; 512] = [b'.'; 512];

/// A record as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its offset.
    pub(crate) offset: i64,
    /// Its key.
    pub(crate) key: Option<Vec<u8>>,
    /// The number in its value.
    pub(crate) number: u64,
}

/// The value that bears `number`.
pub(crate) fn value(number: u64) -> Vec<u8> {
    let mut value = vec![0; 8];
    BigEndian::write_u64(&mut value, number);
    value.extend_from_slice(&PADDING[..(number % 509) as usize]);
    value
}

/// An empty batch of the current format.
pub(crate) fn batch(codec: CompressionCodec) -> RecordBatchBuilder {
    RecordBatchBuilder::new(0).codec(codec)
}

/// The batch with `count` numbers from `first` on.
pub(crate) fn numbered(batch: RecordBatchBuilder, first: u64, count: u64) -> Outcome<Vec<u8>> {
    numbered_at(TIMESTAMP_MS, batch, first, count)
}

/// The same with another timestamp.
pub(crate) fn numbered_at(
    timestamp_ms: i64,
    batch: RecordBatchBuilder,
    first: u64,
    count: u64,
) -> Outcome<Vec<u8>> {
    let add =
        |batch: RecordBatchBuilder, number| batch.record(timestamp_ms, None, Some(&value(number)));
    Ok((first..first + count).fold(batch, add).build()?)
}

/// A batch with one record for each key.
pub(crate) fn keyed(codec: CompressionCodec, records: &[(Vec<u8>, u64)]) -> Outcome<Vec<u8>> {
    let add = |batch: RecordBatchBuilder, (key, number): &(Vec<u8>, u64)| {
        batch.record(TIMESTAMP_MS, Some(key), Some(&value(*number)))
    };
    Ok(records.iter().fold(batch(codec), add).build()?)
}

/// The message set of magic 0 or 1 with `count` numbers from `first` on.
pub(crate) fn old_set(
    magic: u8,
    codec: CompressionCodec,
    first: u64,
    count: u64,
) -> Outcome<Vec<u8>> {
    let mut set = MessageSetBuilder::new(magic, codec);
    for at in 0..count {
        let value = value(first + at);
        let (offset, headers) = (at.cast_signed(), Headers::NONE);
        let (timestamp, value) = (TIMESTAMP_MS, Some(&value[..]));
        set.append(&LogRecord { offset, timestamp, key: None, value, headers })?;
    }
    Ok(set.build()?)
}

/// All records in what a fetch brought, from `from` on, and the offset to go on with: a compacted
/// batch may end with records that are gone. A partial entry at the end is none.
///
/// # Errors
/// If a CRC is wrong or a record cannot be read: the broker must not have served that.
pub(crate) fn found(bytes: &[u8], from: i64) -> Outcome<(Vec<Found>, i64)> {
    match found_until_trouble(bytes, from) {
        (records, next, None) => Ok((records, next)),
        (_, _, Some(trouble)) => failed(trouble),
    }
}

/// The same, up to an entry that cannot be read or is not what its CRC says.
pub(crate) fn found_until_trouble(bytes: &[u8], from: i64) -> (Vec<Found>, i64, Option<String>) {
    let (mut found, mut next) = (Vec::new(), from);
    for entry in shallow_entries(bytes) {
        let entry = match entry {
            Ok(entry) if entry.has_valid_crc() => entry,
            Ok(entry) => {
                let trouble = format!("the entry at {} was served with a wrong CRC", entry.offset);
                return (found, next, Some(trouble));
            }
            Err(error) => return (found, next, Some(format!("after offset {next}: {error}"))),
        };
        let read = entry.for_each_record(&mut |record| {
            if record.offset >= from {
                let number = record.value.filter(|it| it.len() >= 8).map_or(0, BigEndian::read_u64);
                let key = record.key.map(<[u8]>::to_vec);
                found.push(Found { offset: record.offset, key, number });
            }
            Ok(())
        });
        if let Err(error) = read {
            return (found, next, Some(format!("in the entry at {}: {error}", entry.offset)));
        }
        next = next.max(entry.last_offset + 1);
    }
    (found, next, None)
}
