//! The part of `org.apache.kafka.common.record.MemoryRecordsBuilder` that writes a batch of
//! magic 2.

use byteorder::{BigEndian, ByteOrder};

use crate::common::errors::{Errors, KafkaError};
use crate::message::compression_codec::CompressionCodec;
use crate::message::drawn_bytes::DrawnBytes;
use crate::message::message_set::{LOG_OVERHEAD, MAGIC_OFFSET, SIZE_LENGTH, SIZE_OFFSET};
use crate::message::record_batch::{
    ATTRIBUTES_OFFSET, BASE_SEQUENCE_OFFSET, BASE_TIMESTAMP_OFFSET, CRC_OFFSET,
    LAST_OFFSET_DELTA_OFFSET, MAGIC_VALUE_V2, MAX_TIMESTAMP_OFFSET, PRODUCER_EPOCH_OFFSET,
    PRODUCER_ID_OFFSET, RECORDS_COUNT_OFFSET, RECORDS_OFFSET, compute_crc, set_base_offset,
    set_log_append_time, set_partition_leader_epoch,
};
use crate::message::records::{LogRecord, Record, invalid_record};
use crate::message::timestamp_type::NO_TIMESTAMP;

/// What a record takes beside its payload, at most: its attributes, and six lengths and numbers.
const RECORD_OVERHEAD_MAX: usize = 1 + 6 * 10;

/// Builds a batch: for messages that come in an older format, and for tests.
#[derive(Debug)]
pub struct RecordBatchBuilder {
    base_offset: i64,
    partition_leader_epoch: i32,
    codec: CompressionCodec,
    level: Option<i32>,
    flags: i16,
    log_append_time: Option<i64>,
    producer: (i64, i16, i32),
    base_timestamp: i64,
    max_timestamp: i64,
    last_offset_delta: i32,
    count: i32,
    records: DrawnBytes,
}

impl RecordBatchBuilder {
    /// An empty batch, not compressed, of no idempotent producer, leader epoch -1.
    pub fn new(base_offset: i64) -> Self {
        Self {
            base_offset,
            partition_leader_epoch: -1,
            codec: CompressionCodec::None,
            level: None,
            flags: 0,
            log_append_time: None,
            producer: (-1, -1, -1),
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
            last_offset_delta: -1,
            count: 0,
            records: DrawnBytes::new(),
        }
    }

    pub fn codec(mut self, codec: CompressionCodec) -> Self {
        self.codec = codec;
        self
    }

    /// Sets the codec's level; `None` is its default.
    pub fn level(mut self, level: Option<i32>) -> Self {
        self.level = level;
        self
    }

    /// Sets attribute bits: [`TRANSACTIONAL_FLAG`], [`CONTROL_FLAG`].
    ///
    /// [`TRANSACTIONAL_FLAG`]: crate::message::record_batch::TRANSACTIONAL_FLAG
    /// [`CONTROL_FLAG`]: crate::message::record_batch::CONTROL_FLAG
    pub fn flags(mut self, flags: i16) -> Self {
        self.flags |= flags;
        self
    }

    /// Gives all records the time of the append.
    pub fn log_append_time(mut self, timestamp_ms: i64) -> Self {
        self.log_append_time = Some(timestamp_ms);
        self
    }

    /// Sets the idempotent producer's id, its epoch, and the first record's sequence number.
    pub fn producer(mut self, id: i64, epoch: i16, base_sequence: i32) -> Self {
        self.producer = (id, epoch, base_sequence);
        self
    }

    pub fn partition_leader_epoch(mut self, epoch: i32) -> Self {
        self.partition_leader_epoch = epoch;
        self
    }

    /// Appends a record without headers, one offset after the last one.
    pub fn record(mut self, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        let offset_delta = self.last_offset_delta + 1;
        let headers = Default::default();
        self.push(timestamp, Record { timestamp_delta: 0, offset_delta, key, value, headers });
        self
    }

    /// Appends a record at its own offset, which must be higher than all before it.
    ///
    /// # Errors
    /// `INVALID_RECORD` if the offset is too far from the base offset for this format, or not
    /// higher than that of the record before; if there is no memory for it.
    pub fn append(&mut self, record: &LogRecord<'_>) -> Result<(), KafkaError> {
        let offset_delta = record
            .offset
            .checked_sub(self.base_offset)
            .and_then(|delta| i32::try_from(delta).ok())
            .filter(|delta| *delta > self.last_offset_delta)
            .ok_or_else(|| invalid_record(format!("offset {} out of order", record.offset)))?;
        let LogRecord { timestamp, key, value, headers, .. } = *record;
        let payload_bytes = [key, value].map(|field| field.map_or(0, <[u8]>::len));
        let payload_bytes = payload_bytes.iter().sum::<usize>() + headers.size_in_bytes();
        let reserved = self.records.reserve(RECORD_OVERHEAD_MAX + payload_bytes);
        reserved.map_err(|_| KafkaError::out_of_memory())?;
        self.push(timestamp, Record { timestamp_delta: 0, offset_delta, key, value, headers });
        Ok(())
    }

    /// The finished batch; no bytes at all if nothing was appended.
    ///
    /// # Errors
    /// `RECORD_LIST_TOO_LARGE` if its size does not fit the size field.
    pub fn build(self) -> Result<Vec<u8>, KafkaError> {
        if self.count == 0 {
            return Ok(Vec::new());
        }
        let mut bytes = vec![0; RECORDS_OFFSET];
        match self.codec {
            CompressionCodec::None => bytes.extend_from_slice(&self.records),
            codec => {
                let compressed = codec.compress_at(self.level, &self.records, MAGIC_VALUE_V2)?;
                bytes.extend_from_slice(&compressed);
            }
        }
        let size = i32::try_from(bytes.len() - LOG_OVERHEAD).map_err(|_| {
            let why = format!("a batch of {} bytes", bytes.len());
            KafkaError::api(Errors::RecordListTooLarge, why)
        })?;
        let (producer_id, producer_epoch, base_sequence) = self.producer;
        set_base_offset(&mut bytes, self.base_offset);
        BigEndian::write_i32(&mut bytes[SIZE_OFFSET..SIZE_OFFSET + SIZE_LENGTH], size);
        set_partition_leader_epoch(&mut bytes, self.partition_leader_epoch);
        bytes[MAGIC_OFFSET] = MAGIC_VALUE_V2;
        let attributes = self.flags | i16::from(self.codec.id());
        BigEndian::write_i16(&mut bytes[ATTRIBUTES_OFFSET..], attributes);
        BigEndian::write_i32(&mut bytes[LAST_OFFSET_DELTA_OFFSET..], self.last_offset_delta);
        BigEndian::write_i64(&mut bytes[BASE_TIMESTAMP_OFFSET..], self.base_timestamp);
        BigEndian::write_i64(&mut bytes[MAX_TIMESTAMP_OFFSET..], self.max_timestamp);
        BigEndian::write_i64(&mut bytes[PRODUCER_ID_OFFSET..], producer_id);
        BigEndian::write_i16(&mut bytes[PRODUCER_EPOCH_OFFSET..], producer_epoch);
        BigEndian::write_i32(&mut bytes[BASE_SEQUENCE_OFFSET..], base_sequence);
        BigEndian::write_i32(&mut bytes[RECORDS_COUNT_OFFSET..], self.count);
        match self.log_append_time {
            Some(timestamp_ms) => set_log_append_time(&mut bytes, timestamp_ms),
            None => {
                let crc = compute_crc(&bytes);
                BigEndian::write_u32(&mut bytes[CRC_OFFSET..], crc);
            }
        }
        Ok(bytes)
    }

    fn push(&mut self, timestamp: i64, record: Record<'_>) {
        if self.count == 0 {
            self.base_timestamp = timestamp;
        }
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        Record { timestamp_delta, ..record }.write(self.records.bytes_mut());
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.last_offset_delta = record.offset_delta;
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::golden_batch::{GOLDEN, golden_builder};
    use crate::message::records::Headers;

    #[test]
    fn the_builder_writes_the_golden_bytes() {
        assert_eq!(golden_builder().build().unwrap(), GOLDEN);
    }

    #[test]
    fn offsets_that_do_not_rise_or_fit_are_refused() {
        let mut builder = golden_builder();
        for offset in [9, 10, 11, 10 + i64::from(i32::MAX) + 1, i64::MIN] {
            let (key, value, headers) = (None, None, Headers::NONE);
            let record = LogRecord { offset, timestamp: 0, key, value, headers };
            assert!(builder.append(&record).is_err(), "offset {offset}");
        }
        assert_eq!(builder.build().unwrap(), GOLDEN);
    }
}
