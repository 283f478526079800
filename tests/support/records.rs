//! Records as producers send them, and as the log keeps them.

use transferto::message::compression_codec::CompressionCodec;
use transferto::message::message_set_builder::MessageSetBuilder;
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::message::records::{Headers, LogRecord};

/// The timestamp of every record: a time long past.
const TIMESTAMP_MS: i64 = 1_000;

/// A record batch with these values, as a producer sends it.
pub fn batch<V: AsRef<[u8]>>(values: &[V]) -> Vec<u8> {
    batch_at(0, values)
}

/// A record batch with these values, from `base_offset` on.
pub fn batch_at<V: AsRef<[u8]>>(base_offset: i64, values: &[V]) -> Vec<u8> {
    let empty = RecordBatchBuilder::new(base_offset);
    let filled = values
        .iter()
        .fold(empty, |batch, value| batch.record(TIMESTAMP_MS, None, Some(value.as_ref())));
    filled.build().unwrap()
}

/// Messages of magic 0 or 1 with these offsets and values, as a producer of 2016 sends them.
pub fn message_set<V: AsRef<[u8]>>(
    magic: u8,
    codec: CompressionCodec,
    messages: &[(i64, V)],
) -> Vec<u8> {
    let mut set = MessageSetBuilder::new(magic, codec);
    for (offset, value) in messages {
        let record = LogRecord {
            offset: *offset,
            timestamp: TIMESTAMP_MS,
            key: None,
            value: Some(value.as_ref()),
            headers: Headers::NONE,
        };
        set.append(&record).unwrap();
    }
    set.build().unwrap()
}

/// The batch as the log keeps it: with its base offset and the leader's epoch, and not a bit else
/// changed.
pub fn stored(batch: &[u8], base_offset: i64) -> Vec<u8> {
    let mut stored = batch.to_vec();
    stored[..8].copy_from_slice(&base_offset.to_be_bytes());
    stored[12..16].copy_from_slice(&0_i32.to_be_bytes());
    stored
}
