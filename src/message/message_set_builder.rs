//! Port of `kafka.message.ByteBufferMessageSet.create`: new message sets of magic 0 or 1.

use crate::common::errors::KafkaError;
use crate::message::compression_codec::CompressionCodec;
use crate::message::drawn_bytes::DrawnBytes;
use crate::message::message::{MAGIC_VALUE_V0, MESSAGE_OVERHEAD_V1, NewMessage, check_codec};
use crate::message::message_set::LOG_OVERHEAD;
use crate::message::records::LogRecord;
use crate::message::timestamp_type::{NO_TIMESTAMP, TimestampType};

/// What an entry takes beside its key and its value, at most.
const ENTRY_OVERHEAD_MAX: usize = LOG_OVERHEAD + MESSAGE_OVERHEAD_V1;

/// Builds a message set of magic 0 or 1.
///
/// With a codec, all messages go into one wrapper whose offset is that of the last of them. Inside,
/// offsets are absolute in magic 0 and count from the first message in magic 1.
#[derive(Debug)]
pub struct MessageSetBuilder {
    magic: u8,
    codec: CompressionCodec,
    level: Option<i32>,
    log_append_time: Option<i64>,
    first_offset: i64,
    last_offset: Option<i64>,
    max_timestamp: i64,
    entries: DrawnBytes,
}

impl MessageSetBuilder {
    /// An empty set of `magic` 0 or 1.
    pub fn new(magic: u8, codec: CompressionCodec) -> Self {
        Self {
            magic,
            codec,
            level: None,
            log_append_time: None,
            first_offset: 0,
            last_offset: None,
            max_timestamp: NO_TIMESTAMP,
            entries: DrawnBytes::new(),
        }
    }

    /// Sets the codec's level; `None` is its default.
    pub fn level(mut self, level: Option<i32>) -> Self {
        self.level = level;
        self
    }

    /// Gives all messages the time of the append. In magic 0 it has no effect.
    pub fn log_append_time(mut self, timestamp_ms: i64) -> Self {
        self.log_append_time = Some(timestamp_ms);
        self
    }

    /// Appends a message at its own offset. Headers are dropped: these formats have none.
    ///
    /// # Errors
    /// `MESSAGE_TOO_LARGE` if the message does not fit its size field; if there is no memory for it.
    pub fn append(&mut self, record: &LogRecord<'_>) -> Result<(), KafkaError> {
        let LogRecord { offset, key, value, .. } = *record;
        if self.last_offset.is_none() {
            self.first_offset = offset;
        }
        self.last_offset = Some(offset);
        let timestamp = self.log_append_time.unwrap_or(record.timestamp);
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let is_relative = self.codec != CompressionCodec::None && self.magic != MAGIC_VALUE_V0;
        let base = if is_relative { self.first_offset } else { 0 };
        let message = NewMessage { key, value, ..self.message(CompressionCodec::None, timestamp) };
        let payload_bytes = [key, value].map(|field| field.map_or(0, <[u8]>::len));
        let size = ENTRY_OVERHEAD_MAX + payload_bytes.iter().sum::<usize>();
        self.entries.reserve(size).map_err(|_| KafkaError::out_of_memory())?;
        message.write_entry(offset.wrapping_sub(base), self.entries.bytes_mut())
    }

    /// The finished set; empty if nothing was appended.
    ///
    /// # Errors
    /// `UNSUPPORTED_COMPRESSION_TYPE` for zstd; `MESSAGE_TOO_LARGE` if the wrapper does not fit its
    /// size field.
    pub fn build(self) -> Result<Vec<u8>, KafkaError> {
        check_codec(self.codec, self.magic)?;
        let Some(last_offset) = self.last_offset else { return Ok(Vec::new()) };
        if self.codec == CompressionCodec::None {
            return Ok(self.entries.into_bytes());
        }
        let compressed = self.codec.compress_at(self.level, &self.entries, self.magic)?;
        let wrapper = self.message(self.codec, self.max_timestamp);
        let mut bytes = Vec::with_capacity(compressed.len() + 2 * LOG_OVERHEAD);
        NewMessage { value: Some(&compressed), ..wrapper }.write_entry(last_offset, &mut bytes)?;
        Ok(bytes)
    }

    fn message(&self, codec: CompressionCodec, timestamp: i64) -> NewMessage<'static> {
        let timestamp_type = match self.log_append_time {
            None => TimestampType::CreateTime,
            Some(_) => TimestampType::LogAppendTime,
        };
        NewMessage { magic: self.magic, codec, timestamp_type, timestamp, key: None, value: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::byte_buffer_message_set::{EntryContent, shallow_entries};
    use crate::message::produced_sets::seen;
    use crate::message::records::Headers;

    fn record(offset: i64, value: &[u8]) -> LogRecord<'_> {
        let (key, value, headers) = (None, Some(value), Headers::NONE);
        LogRecord { offset, timestamp: 1000 + offset, key, value, headers }
    }

    fn snappy_set(magic: u8, offsets: [i64; 3]) -> Vec<u8> {
        let mut builder = MessageSetBuilder::new(magic, CompressionCodec::Snappy);
        for offset in offsets {
            builder.append(&record(offset, b"value")).unwrap();
        }
        builder.build().unwrap()
    }

    #[test]
    fn a_wrapper_bears_the_last_offset_and_holds_absolute_or_relative_ones() {
        let inner_offsets = |bytes: &[u8]| -> (i64, Vec<i64>) {
            let entry = shallow_entries(bytes).next().unwrap().unwrap();
            let EntryContent::Message(wrapper) = entry.content else { panic!("a batch") };
            assert_eq!(wrapper.key(), None);
            let inner = wrapper.codec().unwrap().decompress(wrapper.value().unwrap()).unwrap();
            (entry.offset, shallow_entries(&inner).map(|entry| entry.unwrap().offset).collect())
        };
        let offsets = [100, 101, 105];
        let [v0, v1] = [0, 1].map(|magic| snappy_set(magic, offsets));
        assert_eq!(inner_offsets(&v0), (105, vec![100, 101, 105]));
        assert_eq!(inner_offsets(&v1), (105, vec![0, 1, 5]));
        for bytes in [v0, v1] {
            let read: Vec<i64> = seen(&bytes).into_iter().map(|(offset, _)| offset).collect();
            assert_eq!(read, offsets);
        }
    }

    #[test]
    fn a_wrapper_with_the_time_of_the_append_gives_it_to_all() {
        let mut builder = MessageSetBuilder::new(1, CompressionCodec::Gzip).log_append_time(5);
        builder.append(&record(0, b"a")).unwrap();
        builder.append(&record(1, b"b")).unwrap();
        let bytes = builder.build().unwrap();
        assert!(seen(&bytes).iter().all(|(_, timestamp)| *timestamp == 5));
        let entry = shallow_entries(&bytes).next().unwrap().unwrap();
        assert_eq!(entry.timestamp_type(), TimestampType::LogAppendTime);
    }
}
