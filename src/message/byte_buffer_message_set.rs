//! Port of `kafka.message.ByteBufferMessageSet`: messages in memory, shallow and deep iteration.

use std::io;

use byteorder::{BigEndian, ByteOrder};

use crate::common::errors::KafkaError;
use crate::message::compression_codec::CompressionCodec;
use crate::message::message::{MAGIC_VALUE_V0, MESSAGE_OVERHEAD_V0, Message, corrupt};
use crate::message::message_set::{
    Destination, LOG_OVERHEAD, MAGIC_OFFSET, MessageSet, OFFSET_OFFSET, SIZE_OFFSET,
};
use crate::message::record_batch::{MAGIC_VALUE_V2, RecordBatch};
use crate::message::records::{Headers, LogRecord, invalid_record};
use crate::message::timestamp_type::TimestampType;

/// A message set in memory: the result of a down-conversion, or an empty response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByteBufferMessageSet {
    bytes: Vec<u8>,
}

impl ByteBufferMessageSet {
    /// The set that `bytes` are. They may end in a partial entry.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    pub fn empty() -> Self {
        Self::default()
    }

    /// All bytes, a partial entry at the end included.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The entries, see [`shallow_entries`].
    pub fn shallow_entries(&self) -> ShallowEntries<'_> {
        shallow_entries(&self.bytes)
    }

    /// How many bytes belong to whole, well-formed entries.
    pub fn valid_bytes(&self) -> usize {
        let mut entries = self.shallow_entries();
        entries.by_ref().take_while(Result::is_ok).for_each(drop);
        entries.position()
    }
}

impl MessageSet for ByteBufferMessageSet {
    fn size_in_bytes(&self) -> usize {
        self.bytes.len()
    }

    fn write_to(
        &self,
        destination: Destination<'_>,
        write_position: usize,
        size: usize,
    ) -> io::Result<usize> {
        let end = write_position.saturating_add(size).min(self.bytes.len());
        let bytes = self.bytes.get(write_position..end).ok_or(io::ErrorKind::InvalidInput)?;
        match destination {
            Destination::TransportLayer(transport) => transport.write(bytes, false),
            Destination::Channel(channel) => channel.write(bytes),
        }
    }
}

/// The entries of `bytes` in order, of any magic, compressed ones as they stand.
///
/// A partial entry at the end is passed over: a fetch may cut anywhere, and a torn write does. An
/// impossible size or a malformed entry is an error, after which nothing follows.
pub fn shallow_entries(bytes: &[u8]) -> ShallowEntries<'_> {
    ShallowEntries { bytes, position: 0, has_failed: false }
}

/// Shows every record in `bytes` to `visit`, those inside wrappers and batches too; control
/// records also. A partial entry at the end is passed over.
///
/// # Errors
/// Those of [`shallow_entries`] and [`ShallowEntry::for_each_record`].
pub fn for_each_record(
    bytes: &[u8],
    visit: &mut dyn FnMut(&LogRecord<'_>) -> Result<(), KafkaError>,
) -> Result<(), KafkaError> {
    shallow_entries(bytes).try_for_each(|entry| entry?.for_each_record(visit))
}

#[derive(Clone, Debug)]
pub struct ShallowEntries<'a> {
    bytes: &'a [u8],
    position: usize,
    has_failed: bool,
}

impl<'a> ShallowEntries<'a> {
    /// Where the last entry that was returned ends, in bytes. Once the entries are used up, what
    /// lies beyond is a partial entry, or malformed.
    pub fn position(&self) -> usize {
        self.position
    }
}

impl<'a> Iterator for ShallowEntries<'a> {
    type Item = Result<ShallowEntry<'a>, KafkaError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.bytes[self.position..];
        if self.has_failed || rest.len() < LOG_OVERHEAD {
            return None;
        }
        let declared = BigEndian::read_i32(&rest[SIZE_OFFSET..]);
        let entry = match usize::try_from(declared) {
            Ok(size) if size >= MESSAGE_OVERHEAD_V0 => {
                ShallowEntry::parse(rest.get(..LOG_OVERHEAD + size)?, Message::parse)
            }
            _ => Err(corrupt(format!("an entry declares a size of {declared} bytes"))),
        };
        match &entry {
            Ok(entry) => self.position += entry.bytes.len(),
            Err(_) => self.has_failed = true,
        }
        Some(entry)
    }
}

/// One entry of a log or message set: a message, a wrapper of compressed messages, or a batch.
#[derive(Clone, Copy, Debug)]
pub struct ShallowEntry<'a> {
    /// The offset it begins with: of a batch the first one, of a wrapper the last one.
    pub offset: i64,
    /// The offset of its last record.
    pub last_offset: i64,
    /// 0, 1 or 2.
    pub magic: u8,
    /// The whole entry, offset and size field included.
    pub bytes: &'a [u8],
    /// What follows offset and size.
    pub content: EntryContent<'a>,
}

#[derive(Clone, Copy, Debug)]
pub enum EntryContent<'a> {
    /// Magic 0 or 1.
    Message(Message<'a>),
    /// Magic 2.
    Batch(RecordBatch<'a>),
}

impl<'a> ShallowEntry<'a> {
    /// The entry that `bytes` are, one by its size field, without a look at the key and the value
    /// of a message: both are null. A damaged entry, too, has a header to be seen.
    ///
    /// # Errors
    /// `CORRUPT_MESSAGE` if it is shorter than its header, or its magic is unknown.
    pub fn parse_header(bytes: &'a [u8]) -> Result<Self, KafkaError> {
        if bytes.len() < LOG_OVERHEAD + MESSAGE_OVERHEAD_V0 {
            return Err(corrupt(format!("an entry of {} bytes is cut off", bytes.len())));
        }
        if bytes[MAGIC_OFFSET] > MAGIC_VALUE_V2 {
            return Err(corrupt(format!("the magic {} is unknown", bytes[MAGIC_OFFSET])));
        }
        Self::parse(bytes, Message::parse_header)
    }

    /// `bytes` is one entry by its size field, of at least [`MESSAGE_OVERHEAD_V0`] and 12 bytes.
    fn parse(
        bytes: &'a [u8],
        parse_message: impl Fn(&'a [u8]) -> Result<Message<'a>, KafkaError>,
    ) -> Result<Self, KafkaError> {
        let offset = BigEndian::read_i64(&bytes[OFFSET_OFFSET..]);
        let magic = bytes[MAGIC_OFFSET];
        if magic == MAGIC_VALUE_V2 {
            let batch = RecordBatch::parse(bytes)?;
            let content = EntryContent::Batch(batch);
            return Ok(Self { offset, last_offset: batch.last_offset(), magic, bytes, content });
        }
        let content = EntryContent::Message(parse_message(&bytes[LOG_OVERHEAD..])?);
        Ok(Self { offset, last_offset: offset, magic, bytes, content })
    }

    /// The size in bytes, offset and size field included.
    pub fn size_in_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The leader epoch that it was appended in, -1 if the producer's -1 still stands there. `None`
    /// in magic 0 and 1, which have no place for one.
    pub fn leader_epoch(&self) -> Option<i32> {
        match &self.content {
            EntryContent::Message(_) => None,
            EntryContent::Batch(batch) => Some(batch.partition_leader_epoch()),
        }
    }

    /// How it is compressed.
    ///
    /// # Errors
    /// `UNSUPPORTED_COMPRESSION_TYPE` for a number that is no codec of its magic.
    pub fn codec(&self) -> Result<CompressionCodec, KafkaError> {
        match &self.content {
            EntryContent::Message(message) => message.codec(),
            EntryContent::Batch(batch) => batch.codec(),
        }
    }

    /// Whether the CRC is that of the bytes. Reads the whole entry.
    pub fn has_valid_crc(&self) -> bool {
        match &self.content {
            EntryContent::Message(message) => message.has_valid_crc(),
            EntryContent::Batch(batch) => batch.has_valid_crc(),
        }
    }

    /// Whose clock the timestamps show.
    pub fn timestamp_type(&self) -> TimestampType {
        match &self.content {
            EntryContent::Message(message) => message.timestamp_type(),
            EntryContent::Batch(batch) => batch.timestamp_type(),
        }
    }

    /// The latest timestamp by the header, in milliseconds; `NO_TIMESTAMP` in magic 0.
    pub fn max_timestamp(&self) -> i64 {
        match &self.content {
            EntryContent::Message(message) => message.timestamp(),
            EntryContent::Batch(batch) => batch.max_timestamp(),
        }
    }

    /// Shows every record of the entry to `visit`, with absolute offset and timestamp.
    ///
    /// The messages in a wrapper are checked first: their magic is the wrapper's, none is itself
    /// compressed, every CRC is right, and the last one is whole. Kafka 0.9 checks none of that.
    ///
    /// # Errors
    /// `CORRUPT_MESSAGE` for a wrong CRC, `INVALID_RECORD` if something else of that does not hold;
    /// `Undecodable` if the codec cannot read its bytes; those of
    /// [`RecordBatch::for_each_record`]; whatever `visit` fails with.
    pub fn for_each_record(
        &self,
        visit: &mut dyn FnMut(&LogRecord<'_>) -> Result<(), KafkaError>,
    ) -> Result<(), KafkaError> {
        match &self.content {
            EntryContent::Batch(batch) => batch.for_each_record(visit),
            EntryContent::Message(message) => {
                self.for_each_message(message, &mut |record, _| visit(record))
            }
        }
    }

    /// The same, but `visit` sees no record unless all can be read.
    ///
    /// # Errors
    /// Those of [`for_each_record`](Self::for_each_record).
    pub fn for_each_record_or_none(
        &self,
        visit: &mut dyn FnMut(&LogRecord<'_>) -> Result<(), KafkaError>,
    ) -> Result<(), KafkaError> {
        match &self.content {
            EntryContent::Batch(batch) => batch.for_each_record_or_none(visit),
            EntryContent::Message(message) => {
                self.for_each_message(message, &mut |record, _| visit(record))
            }
        }
    }

    /// Shows `message`, which is this entry, or the messages in it if it is a wrapper, each with the
    /// record that it is. A wrapper's messages are all checked before the first is shown.
    ///
    /// # Errors
    /// Those of [`for_each_record`](Self::for_each_record).
    pub fn for_each_message(
        &self,
        message: &Message<'_>,
        visit: &mut dyn FnMut(&LogRecord<'_>, &Message<'_>) -> Result<(), KafkaError>,
    ) -> Result<(), KafkaError> {
        match message.codec()? {
            CompressionCodec::None => {
                visit(&log_record(self.offset, message.timestamp(), message), message)
            }
            codec => self.for_each_inner_record(message, codec, visit),
        }
    }

    fn for_each_inner_record(
        &self,
        wrapper: &Message<'_>,
        codec: CompressionCodec,
        visit: &mut dyn FnMut(&LogRecord<'_>, &Message<'_>) -> Result<(), KafkaError>,
    ) -> Result<(), KafkaError> {
        let compressed =
            wrapper.value().ok_or_else(|| invalid_record("a wrapper without a value"))?;
        let inner = codec.decompress(compressed)?;
        let last_inner_offset = check_inner_messages(&inner, self.magic)?;
        let base_offset = if self.magic == MAGIC_VALUE_V0 {
            0 // The offsets inside are absolute.
        } else {
            self.offset.wrapping_sub(last_inner_offset)
        };
        for entry in shallow_entries(&inner) {
            let entry = entry?;
            let EntryContent::Message(message) = &entry.content else { continue };
            let timestamp = match wrapper.timestamp_type() {
                TimestampType::CreateTime => message.timestamp(),
                TimestampType::LogAppendTime => wrapper.timestamp(),
            };
            let offset = base_offset.wrapping_add(entry.offset);
            visit(&log_record(offset, timestamp, message), message)?;
        }
        Ok(())
    }
}

/// Checks the decompressed content of a wrapper, and returns the offset field of its last message.
fn check_inner_messages(inner: &[u8], wrapper_magic: u8) -> Result<i64, KafkaError> {
    let mut entries = shallow_entries(inner);
    let mut last_offset = None;
    for entry in entries.by_ref() {
        let entry = entry?;
        if entry.magic != wrapper_magic {
            let why = format!("magic {} in a wrapper of magic {wrapper_magic}", entry.magic);
            return Err(invalid_record(why));
        }
        if entry.codec()? != CompressionCodec::None {
            return Err(invalid_record("a compressed message in a wrapper"));
        }
        if !entry.has_valid_crc() {
            return Err(corrupt("a message in a wrapper fails its CRC"));
        }
        last_offset = Some(entry.offset);
    }
    if entries.position() != inner.len() {
        return Err(invalid_record("the last message in a wrapper is cut off"));
    }
    last_offset.ok_or_else(|| invalid_record("a wrapper without messages"))
}

fn log_record<'a>(offset: i64, timestamp: i64, message: &Message<'a>) -> LogRecord<'a> {
    let (key, value) = (message.key(), message.value());
    LogRecord { offset, timestamp, key, value, headers: Headers::NONE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::errors::Errors;
    use crate::message::message::NewMessage;
    use crate::message::message_set_builder::MessageSetBuilder;
    use crate::message::record_batch_builder::RecordBatchBuilder;

    const VALUES: [&[u8]; 3] = [b"abcd", b"efgh", b"ijkl"];
    const CODECS: [CompressionCodec; 4] = [
        CompressionCodec::None,
        CompressionCodec::Gzip,
        CompressionCodec::Snappy,
        CompressionCodec::Lz4,
    ];

    fn record(offset: i64, value: &[u8]) -> LogRecord<'_> {
        let (key, value, headers) = (None, Some(value), Headers::NONE);
        LogRecord { offset, timestamp: 1000 + offset, key, value, headers }
    }

    fn message_set(magic: u8, codec: CompressionCodec, offsets: [i64; 3]) -> Vec<u8> {
        let mut builder = MessageSetBuilder::new(magic, codec);
        for (offset, value) in offsets.into_iter().zip(VALUES) {
            builder.append(&record(offset, value)).unwrap();
        }
        builder.build().unwrap()
    }

    /// Offset, timestamp and value of every record.
    fn deep(bytes: &[u8]) -> Result<Vec<(i64, i64, Vec<u8>)>, KafkaError> {
        let mut all = Vec::new();
        for_each_record(bytes, &mut |r| {
            all.push((r.offset, r.timestamp, r.value.unwrap_or_default().to_vec()));
            Ok(())
        })?;
        Ok(all)
    }

    fn wrap(magic: u8, inner: &[u8]) -> Vec<u8> {
        let compressed = CompressionCodec::Gzip.compress(inner, magic).unwrap();
        let wrapper = NewMessage {
            magic,
            codec: CompressionCodec::Gzip,
            timestamp_type: TimestampType::CreateTime,
            timestamp: 7,
            key: None,
            value: Some(&compressed),
        };
        let mut bytes = Vec::new();
        wrapper.write_entry(2, &mut bytes).unwrap();
        bytes
    }

    /// `BaseMessageSetTestCases.testWrittenEqualsRead` and `testIteratorIsConsistent`;
    /// `ByteBufferMessageSetTest.testIterator`.
    #[test]
    fn what_was_written_is_read_again_and_again() {
        for magic in [0, 1] {
            for codec in CODECS {
                let bytes = message_set(magic, codec, [0, 1, 2]);
                let expected: Vec<_> = (0..3)
                    .map(|at| (at, [-1, 1000 + at][magic as usize], VALUES[at as usize].to_vec()))
                    .collect();
                assert_eq!(deep(&bytes).unwrap(), expected);
                assert_eq!(deep(&bytes).unwrap(), expected);
                let shallow_count = if codec == CompressionCodec::None { 3 } else { 1 };
                assert_eq!(shallow_entries(&bytes).count(), shallow_count);
            }
        }
        assert_eq!(deep(&[]).unwrap(), []);
        let empty = MessageSetBuilder::new(0, CompressionCodec::Gzip).build().unwrap();
        assert_eq!(empty, []);
    }

    /// `BaseMessageSetTestCases.testSizeInBytes`.
    #[test]
    fn the_size_is_the_sum_of_the_entries() {
        assert_eq!(ByteBufferMessageSet::empty().size_in_bytes(), 0);
        let set = ByteBufferMessageSet::new(message_set(0, CompressionCodec::None, [0, 1, 2]));
        let sum: usize = set.shallow_entries().map(|entry| entry.unwrap().size_in_bytes()).sum();
        assert_eq!(set.size_in_bytes(), sum);
        assert_eq!(sum, 3 * (12 + 14 + 4));
    }

    /// `ByteBufferMessageSetTest.testValidBytes` and `testValidBytesWithCompression`.
    #[test]
    fn a_partial_entry_at_the_end_is_not_valid_and_not_an_error() {
        for codec in CODECS {
            let whole = message_set(1, codec, [0, 1, 2]);
            for end in 0..whole.len() {
                let set = ByteBufferMessageSet::new([&whole, &whole[..end]].concat());
                assert!(set.shallow_entries().all(|entry| entry.is_ok()));
                let valid = set.valid_bytes();
                assert!(valid >= whole.len() && valid <= set.size_in_bytes());
                assert_eq!(deep(set.as_bytes()).unwrap(), deep(&set.as_bytes()[..valid]).unwrap());
            }
        }
    }

    /// `ByteBufferMessageSetTest.testEquals`.
    #[test]
    fn sets_of_the_same_messages_are_equal() {
        for codec in CODECS {
            let make = || ByteBufferMessageSet::new(message_set(0, codec, [0, 1, 2]));
            assert_eq!(make(), make());
            assert_ne!(make(), ByteBufferMessageSet::empty());
        }
    }

    #[test]
    fn wrappers_that_another_program_made_are_read() {
        let gzip_v1 = b"\0\0\0\0\0\0\0\x0c\0\0\0\x5c\xb7\x54\x20\x81\x01\x01\
            \0\0\0\0\0\0\x03\xea\xff\xff\xff\xff\0\0\0\x46\
            \x1f\x8b\x08\0\0\0\0\0\x02\x03\x63\x60\x80\x03\x89\xcc\x85\x61\x15\x8c\x50\x0e\
            \xf3\x8b\xff\x40\x00\x64\x30\xe5\x1a\x40\x85\x40\x52\x12\xf7\x35\x76\xea\xc1\xd5\
            \xbc\x84\xab\x31\x84\x0a\x31\x81\xd5\x1c\xee\x9b\x0a\x57\xf3\x0a\xae\xc6\x08\
            \0\x3b\xc2\x0c\xfa\x6c\0\0\0";
        let expected = |first: i64, timestamps: [i64; 3]| -> Vec<(i64, i64, Vec<u8>)> {
            (0..3)
                .map(|at| (first + at, timestamps[at as usize], vec![b'm', b'0' + at as u8]))
                .collect()
        };
        assert_eq!(deep(gzip_v1).unwrap(), expected(10, [1000, 1001, 1002]));
        // Kafka 0.9's LZ4 frame: the header's checksum is 0x1a, and the block is stored as it is.
        let inner_v0 =
            b"\0\0\0\0\0\0\0\x14\0\0\0\x10\x92\xae\xa0\xce\0\0\xff\xff\xff\xff\0\0\0\x02m0\
            \0\0\0\0\0\0\0\x15\0\0\0\x10\xe5\xa9\x90\x58\0\0\xff\xff\xff\xff\0\0\0\x02m1\
            \0\0\0\0\0\0\0\x16\0\0\0\x10\x7c\xa0\xc1\xe2\0\0\xff\xff\xff\xff\0\0\0\x02m2";
        let lz4_head =
            b"\0\0\0\0\0\0\0\x16\0\0\0\x71\x31\xc1\x6c\x44\0\x03\xff\xff\xff\xff\0\0\0\x63\
            \x04\x22\x4d\x18\x60\x40\x1a\x54\0\0\x80";
        let lz4_v0 = [&lz4_head[..], inner_v0, &[0; 4]].concat();
        let snappy_head =
            b"\0\0\0\0\0\0\0\x16\0\0\0\x79\x2d\x8f\xc9\x69\0\x02\xff\xff\xff\xff\0\0\0\x6b\
            \x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x57\x54\xf0\x53";
        let snappy_v0 = [&snappy_head[..], inner_v0].concat();
        for bytes in [lz4_v0, snappy_v0] {
            assert!(shallow_entries(&bytes).next().unwrap().unwrap().has_valid_crc());
            assert_eq!(deep(&bytes).unwrap(), expected(20, [-1; 3]));
        }
    }

    #[test]
    fn an_entry_with_an_impossible_size_is_the_last() {
        let good = message_set(0, CompressionCodec::None, [0, 1, 2]);
        for size in [i32::MIN, -1, 0, 13] {
            let mut bad = good.clone();
            BigEndian::write_i32(&mut bad[SIZE_OFFSET..], size);
            let set = ByteBufferMessageSet::new([&good[..], &bad].concat());
            let entries: Vec<_> = set.shallow_entries().collect();
            assert_eq!(entries.len(), 4);
            assert_eq!(entries[3].as_ref().unwrap_err().code(), Errors::CorruptMessage);
            assert_eq!(set.valid_bytes(), good.len());
        }
    }

    #[test]
    fn messages_in_a_wrapper_are_checked() {
        for magic in [0, 1] {
            let plain = message_set(magic, CompressionCodec::None, [0, 1, 2]);
            assert_eq!(deep(&wrap(magic, &plain)).unwrap().len(), 3);
            let mut bad_crc = plain.clone();
            *bad_crc.last_mut().unwrap() ^= 1;
            let nested = message_set(magic, CompressionCodec::Gzip, [0, 1, 2]);
            let of_other_magic = message_set(1 - magic, CompressionCodec::None, [0, 1, 2]);
            let batch = RecordBatchBuilder::new(0).record(0, None, None).build().unwrap();
            let cut_off = plain[..plain.len() - 1].to_vec();
            let error = deep(&wrap(magic, &bad_crc)).unwrap_err();
            assert_eq!(error.code(), Errors::CorruptMessage);
            for inner in [nested, of_other_magic, batch, cut_off, Vec::new()] {
                let error = deep(&wrap(magic, &inner)).unwrap_err();
                assert_eq!(error.code(), Errors::InvalidRecord);
            }
        }
    }

    /// Takes five bytes, and then would block for ever.
    struct Full(Vec<u8>);

    impl io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match 5 - self.0.len() {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                room => io::Write::write(&mut self.0, &bytes[..room.min(bytes.len())]),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// KAFKA-3996: Kafka 0.9 spins here. Also `BaseMessageSetTestCases.testWriteTo`.
    #[test]
    fn writing_is_one_attempt_from_any_position() {
        let bytes = message_set(0, CompressionCodec::None, [0, 1, 2]);
        let set = ByteBufferMessageSet::new(bytes.clone());
        let mut full = Full(Vec::new());
        assert_eq!(set.write_to(Destination::Channel(&mut full), 0, bytes.len()).unwrap(), 5);
        let error = set.write_to(Destination::Channel(&mut full), 5, bytes.len()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(full.0, bytes[..5]);
        let mut rest = Vec::new();
        assert_eq!(set.write_to(Destination::Channel(&mut rest), 5, 7).unwrap(), 7);
        let written = set.write_to(Destination::Channel(&mut rest), 12, usize::MAX).unwrap();
        assert_eq!(written, bytes.len() - 12);
        assert_eq!(rest, bytes[5..]);
        let beyond = set.write_to(Destination::Channel(&mut rest), bytes.len() + 1, 1);
        assert_eq!(beyond.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
