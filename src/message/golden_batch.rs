//! A batch that another program made, for the unit tests of the reader and the builder of batches.

use crate::message::record_batch_builder::RecordBatchBuilder;
use crate::message::records::{Header, Headers, LogRecord};

/// Base offset 10, leader epoch 3, producer 42/1/9, two records.
pub(crate) const GOLDEN: &[u8] = b"\0\0\0\0\0\0\0\x0a\0\0\0\x4e\0\0\0\x03\x02\xdd\xbd\x50\xe4\0\0\
    \0\0\0\x01\0\0\x01\x52\xcd\xa0\x98\0\0\0\x01\x52\xcd\xa0\x98\0\
    \0\0\0\0\0\0\0\x2a\0\x01\0\0\0\x09\0\0\0\x02\
    \x2a\x00\x00\x00\x06key\x0avalue\x04\x02h\x021\x02n\x01\x0c\x00\x05\x02\x01\0\0";
/// Milliseconds: that of the first record; the second is 3 ms earlier.
pub(crate) const TIMESTAMP: i64 = 1_455_148_800_000;

/// Builds [`GOLDEN`].
pub(crate) fn golden_builder() -> RecordBatchBuilder {
    let mut buffer = Vec::new();
    let headers = [Header { key: b"h", value: Some(b"1") }, Header { key: b"n", value: None }];
    let headers = Headers::encode(&headers, &mut buffer);
    let (key, value) = (Some(&b"key"[..]), Some(&b"value"[..]));
    let first = LogRecord { offset: 10, timestamp: TIMESTAMP, key, value, headers };
    let mut builder = RecordBatchBuilder::new(10).partition_leader_epoch(3).producer(42, 1, 9);
    builder.append(&first).unwrap();
    builder.record(TIMESTAMP - 3, None, Some(b""))
}
