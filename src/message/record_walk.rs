//! Port of `org.apache.kafka.common.record.PartialDefaultRecord` and of
//! `DefaultRecordBatch.skipKeyValueIterator`: the records of a batch one after another, their keys
//! and values passed over.
//!
//! Nothing is kept of a record but its head, so neither their number nor the size of what a batch
//! decompresses to takes memory. An uncompressed batch is read where it lies; a compressed one goes
//! through the buffer of its codec.

use std::io::BufRead;

use byteorder::{ByteOrder, LittleEndian};

use crate::common::errors::{Errors, KafkaError};
use crate::message::compression_codec::{CompressionCodec, undecodable};
use crate::message::decompression_limit::decompression_bound;
use crate::message::record_batch::{RECORDS_OFFSET, RecordBatch};
use crate::message::records::{invalid_record, zigzag_decoded};

/// What stands before the bytes of a record's key and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHead {
    /// Milliseconds after the batch's base timestamp.
    pub timestamp_delta: i64,
    /// Offset after the batch's base offset.
    pub offset_delta: i32,
    /// The size of the key; `None` is a null key.
    pub key_bytes: Option<u32>,
    /// The size of the value; `None` is a null value.
    pub value_bytes: Option<u32>,
}

/// Shows the head of every record of `batch` to `visit`, in order.
///
/// # Errors
/// `INVALID_RECORD` if a record is malformed, or they are not as many as declared;
/// `Undecodable` if the codec cannot read its bytes; `MESSAGE_TOO_LARGE` if more come out than the
/// [`decompression_bound`]; `UNSUPPORTED_COMPRESSION_TYPE` for a number that is no codec.
pub fn for_each_head(
    batch: &RecordBatch<'_>,
    visit: impl FnMut(&RecordHead),
) -> Result<(), KafkaError> {
    let section = &batch.bytes()[RECORDS_OFFSET..];
    let count = batch.record_count();
    match batch.codec()? {
        CompressionCodec::None => walk(&mut Slice::new(section), count, visit),
        codec => walk(&mut Stream::new(codec, section)?, count, visit),
    }
}

fn walk<S: Source>(
    source: &mut S,
    count: i32,
    mut visit: impl FnMut(&RecordHead),
) -> Result<(), KafkaError> {
    for _ in 0..count {
        match read_whole(source.available()?) {
            Some((head, size)) => {
                source.consume(size);
                visit(&head);
            }
            None => visit(&read_head(source)?),
        }
    }
    if !source.available()?.is_empty() {
        return Err(invalid_record(format!("bytes after the {count} records of a batch")));
    }
    Ok(())
}

/// The head of the record at the front of `bytes` and the size of the whole, if all of it is there,
/// and right, and no number takes more than three bytes: the usual case, without the moves of an
/// error type. Everything else is for [`read_head`].
#[inline(always)]
fn read_whole(bytes: &[u8]) -> Option<(RecordHead, usize)> {
    let mut word = Word::at(bytes, 0)?;
    let size = word.size()?;
    let end = word.position + size as usize;
    word.skip_byte(); // The attributes, of which no bit is in use.
    let timestamp_delta = word.number()?;
    let mut word = Word::at(bytes, word.position)?;
    let offset_delta = word.number()?;
    let key_bytes = word.nullable_size()?;
    let mut word = Word::at(bytes, word.position + key_bytes.unwrap_or(0) as usize)?;
    let value_bytes = word.nullable_size()?;
    let at = word.position + value_bytes.unwrap_or(0) as usize;
    let at = if bytes.get(at) == Some(&0) { at + 1 } else { after_headers(bytes, at)? };
    if at != end {
        return None;
    }
    let timestamp_delta = i64::from(timestamp_delta);
    Some((RecordHead { timestamp_delta, offset_delta, key_bytes, value_bytes }, end))
}

fn after_headers(bytes: &[u8], at: usize) -> Option<usize> {
    let mut word = Word::at(bytes, at)?;
    let count = word.size()?;
    let mut at = word.position;
    for _ in 0..count {
        let mut key = Word::at(bytes, at)?;
        let key_size = key.size()?;
        let mut value = Word::at(bytes, key.position + key_size as usize)?;
        let value_size = value.nullable_size()?;
        at = value.position + value_size.unwrap_or(0) as usize;
    }
    // The last value may end beyond what is there.
    (at <= bytes.len()).then_some(at)
}

/// Eight bytes that are read at once: room for two numbers of three bytes and one more byte.
struct Word {
    rest: u64,
    /// Where the rest stands.
    position: usize,
}

impl Word {
    #[inline(always)]
    fn at(bytes: &[u8], position: usize) -> Option<Self> {
        let word: &[u8; 8] = bytes.get(position..)?.first_chunk()?;
        Some(Self { rest: LittleEndian::read_u64(word), position })
    }

    #[inline(always)]
    fn skip_byte(&mut self) {
        self.rest >>= 8;
        self.position += 1;
    }

    #[inline(always)]
    fn number(&mut self) -> Option<i32> {
        let raw = self.raw()?;
        Some((raw >> 1) as i32 ^ -((raw & 1) as i32))
    }

    /// Takes a number that is not negative: an even one, before the sign is decoded.
    #[inline(always)]
    fn size(&mut self) -> Option<u32> {
        let raw = self.raw()?;
        (raw & 1 == 0).then_some(raw >> 1)
    }

    /// Takes the size of a key or value, of which -1 stands for null.
    #[inline(always)]
    fn nullable_size(&mut self) -> Option<Option<u32>> {
        match self.raw()? {
            1 => Some(None),
            raw => (raw & 1 == 0).then_some(Some(raw >> 1)),
        }
    }

    /// Takes a number of three bytes at most, its sign in the lowest bit.
    #[inline(always)]
    fn raw(&mut self) -> Option<u32> {
        let word = self.rest as u32;
        let (raw, size) = if word & 0x80 == 0 {
            (word & 0x7f, 1)
        } else if word & 0x8000 == 0 {
            (word & 0x7f | word >> 1 & 0x3f80, 2)
        } else if word & 0x80_0000 == 0 {
            (word & 0x7f | word >> 1 & 0x3f80 | word >> 2 & 0x1f_c000, 3)
        } else {
            return None;
        };
        self.rest >>= 8 * size;
        self.position += size;
        Some(raw)
    }
}

/// The same for a record that is wrong, the last one, one with a large number, or one that a codec
/// hands out in pieces.
#[cold]
fn read_head<S: Source>(source: &mut S) -> Result<RecordHead, KafkaError> {
    let size = read_size(source)?;
    let end = source.position() + u64::from(size.ok_or_else(no_size)?);
    source.skip(1)?; // The attributes, of which no bit is in use.
    let timestamp_delta = read_varlong(source)?;
    let offset_delta = read_varint(source)?;
    let key_bytes = skip_nullable(source)?;
    let value_bytes = skip_nullable(source)?;
    skip_headers(source)?;
    if source.position() != end {
        return Err(invalid_record("a record that does not end where its size says"));
    }
    Ok(RecordHead { timestamp_delta, offset_delta, key_bytes, value_bytes })
}

fn skip_headers<S: Source>(source: &mut S) -> Result<(), KafkaError> {
    let count = read_varint(source)?;
    if count < 0 {
        return Err(invalid_record(format!("a record with {count} headers")));
    }
    for _ in 0..count {
        if skip_nullable(source)?.is_none() {
            return Err(invalid_record("a header whose key is null"));
        }
        skip_nullable(source)?;
    }
    Ok(())
}

fn skip_nullable<S: Source>(source: &mut S) -> Result<Option<u32>, KafkaError> {
    let size = read_size(source)?;
    if let Some(size) = size {
        source.skip(u64::from(size))?;
    }
    Ok(size)
}

/// A size, of which -1 stands for null.
fn read_size<S: Source>(source: &mut S) -> Result<Option<u32>, KafkaError> {
    match read_varint(source)? {
        -1 => Ok(None),
        size => u32::try_from(size).map(Some).map_err(|_| no_size()),
    }
}

fn read_varint<S: Source>(source: &mut S) -> Result<i32, KafkaError> {
    // The reader lets no more than 32 bits through.
    read_unsigned(source, i32::BITS).map(|raw| zigzag_decoded(raw) as i32)
}

fn read_varlong<S: Source>(source: &mut S) -> Result<i64, KafkaError> {
    read_unsigned(source, i64::BITS).map(zigzag_decoded)
}

fn read_unsigned<S: Source>(source: &mut S, bits: u32) -> Result<u64, KafkaError> {
    let mut value = 0;
    for shift in (0..bits).step_by(7) {
        let byte = source.byte()?;
        let piece = u64::from(byte & 0x7f);
        if bits - shift < 7 && piece >> (bits - shift) != 0 {
            break;
        }
        value |= piece << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(invalid_record("a variable-length integer that is too long"))
}

#[cold]
fn no_size() -> KafkaError {
    invalid_record("a negative size in a record")
}

#[cold]
fn cut_off() -> KafkaError {
    invalid_record("the records of a batch are cut off")
}

/// Where the bytes of the records come from.
trait Source {
    /// What can be looked at now; empty at the end.
    fn available(&mut self) -> Result<&[u8], KafkaError>;
    /// Takes `count` of the bytes that are available.
    fn consume(&mut self, count: usize);
    /// How many bytes were taken.
    fn position(&self) -> u64;

    /// Takes the next byte.
    fn byte(&mut self) -> Result<u8, KafkaError> {
        let byte = *self.available()?.first().ok_or_else(cut_off)?;
        self.consume(1);
        Ok(byte)
    }

    /// Passes over `count` bytes.
    fn skip(&mut self, mut count: u64) -> Result<(), KafkaError> {
        while count > 0 {
            let available = self.available()?.len();
            if available == 0 {
                return Err(cut_off());
            }
            let taken = usize::try_from(count).unwrap_or(usize::MAX).min(available);
            self.consume(taken);
            count -= taken as u64;
        }
        Ok(())
    }
}

/// Records that lie in memory.
struct Slice<'a> {
    rest: &'a [u8],
    size_bytes: usize,
}

impl<'a> Slice<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, size_bytes: bytes.len() }
    }
}

impl Source for Slice<'_> {
    #[inline]
    fn available(&mut self) -> Result<&[u8], KafkaError> {
        Ok(self.rest)
    }

    #[inline]
    fn consume(&mut self, count: usize) {
        self.rest = &self.rest[count..];
    }

    fn position(&self) -> u64 {
        (self.size_bytes - self.rest.len()) as u64
    }
}

/// Records that come out of a codec.
struct Stream<'a> {
    codec: CompressionCodec,
    reader: Box<dyn BufRead + 'a>,
    position: u64,
    limit_bytes: u64,
}

impl<'a> Stream<'a> {
    fn new(codec: CompressionCodec, section: &'a [u8]) -> Result<Self, KafkaError> {
        let reader = codec.reader(section).map_err(|error| undecodable(codec, &error))?;
        let limit_bytes = decompression_bound(section.len()) as u64;
        Ok(Self { codec, reader, position: 0, limit_bytes })
    }
}

impl Source for Stream<'_> {
    fn available(&mut self) -> Result<&[u8], KafkaError> {
        if self.position > self.limit_bytes {
            let why = format!("a batch that decompresses to more than {} bytes", self.limit_bytes);
            return Err(KafkaError::api(Errors::RecordTooLarge, why));
        }
        let codec = self.codec;
        self.reader.fill_buf().map_err(|error| undecodable(codec, &error))
    }

    fn consume(&mut self, count: usize) {
        self.reader.consume(count);
        self.position += count as u64;
    }

    fn position(&self) -> u64 {
        self.position
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::record_batch_builder::RecordBatchBuilder;
    use crate::message::records::{Header, Headers, LogRecord};

    fn heads(bytes: &[u8]) -> Result<Vec<RecordHead>, KafkaError> {
        let mut all = Vec::new();
        for_each_head(&RecordBatch::parse(bytes).unwrap(), |head| all.push(*head))?;
        Ok(all)
    }

    /// Sizes about the limits of one, two and three bytes, and larger than any codec's buffer.
    fn batch(codec: CompressionCodec) -> Vec<u8> {
        let mut buffer = Vec::new();
        let headers = [Header { key: b"h", value: Some(b"1") }, Header { key: b"", value: None }];
        let headers = Headers::encode(&headers, &mut buffer);
        let mut builder = RecordBatchBuilder::new(0).codec(codec);
        for (offset, size) in [0, 1, 63, 64, 8_191, 8_192, 70_000, 300_000].into_iter().enumerate()
        {
            let value = vec![b'v'; size];
            let offset = offset as i64;
            let key = (offset % 2 == 0).then_some(&b"key"[..]);
            let (timestamp, value) = (1 << (7 * offset), Some(&value[..]));
            builder.append(&LogRecord { offset, timestamp, key, value, headers }).unwrap();
        }
        builder.record(-5, None, None).build().unwrap()
    }

    #[test]
    fn the_heads_are_those_of_the_records() {
        for codec in CompressionCodec::ALL {
            let bytes = batch(codec);
            let batch = RecordBatch::parse(&bytes).unwrap();
            let mut expected = Vec::new();
            let visited = batch.for_each_record(&mut |record| {
                let size = |field: Option<&[u8]>| field.map(|it| it.len() as u32);
                expected.push((record.timestamp, size(record.key), size(record.value)));
                Ok(())
            });
            visited.unwrap();
            let found = heads(&bytes).unwrap();
            let base = batch.base_timestamp();
            let seen =
                found.iter().map(|it| (base + it.timestamp_delta, it.key_bytes, it.value_bytes));
            assert_eq!(seen.collect::<Vec<_>>(), expected, "{}", codec.name());
            assert!(found.iter().map(|it| it.offset_delta).eq(0..9));
        }
    }

    /// What one parser takes the other takes: the cleaner must be able to read what is stored.
    #[test]
    fn what_is_refused_is_what_the_other_reader_refuses() {
        let bytes = RecordBatchBuilder::new(0)
            .record(0, Some(b"k"), Some(&[7; 70]))
            .record(1 << 40, None, None)
            .build()
            .unwrap();
        for at in RECORDS_OFFSET..bytes.len() {
            for value in 0..=u8::MAX {
                let mut changed = bytes.clone();
                changed[at] = value;
                let batch = RecordBatch::parse(&changed).unwrap();
                let other = batch.for_each_record(&mut |_| Ok(())).map_err(|error| error.code());
                let found = heads(&changed).map(drop).map_err(|error| error.code());
                assert_eq!(found, other, "byte {at} is {value}");
                let streamed = heads(&recompressed(&changed)).map(drop);
                assert_eq!(streamed.map_err(|error| error.code()), other, "byte {at} is {value}");
            }
        }
    }

    /// The batch with its records in snappy blocks.
    fn recompressed(batch: &[u8]) -> Vec<u8> {
        let (header, records) = batch.split_at(RECORDS_OFFSET);
        let compressed = CompressionCodec::Snappy.compress(records, 2).unwrap();
        let mut bytes = [header, &compressed].concat();
        let size = (bytes.len() - 12) as u32;
        bytes[8..12].copy_from_slice(&size.to_be_bytes());
        bytes[22] = CompressionCodec::Snappy.id();
        bytes
    }

    #[test]
    fn what_a_codec_cannot_read_is_undecodable() {
        for codec in CompressionCodec::ALL.into_iter().skip(1) {
            let mut bytes = batch(codec);
            bytes[RECORDS_OFFSET..].fill(0xee);
            let error = heads(&bytes).unwrap_err();
            assert!(matches!(error, KafkaError::Undecodable(_)), "{}: {error}", codec.name());
        }
    }

    #[test]
    fn a_bomb_ends_at_the_bound() {
        let value = vec![0; 65 * 1024 * 1024];
        let builder = RecordBatchBuilder::new(0).codec(CompressionCodec::Zstd);
        let bytes = builder.record(0, None, Some(&value)).build().unwrap();
        assert_eq!(heads(&bytes).unwrap_err().code(), Errors::RecordTooLarge);
        let builder = RecordBatchBuilder::new(0).codec(CompressionCodec::Zstd);
        let bytes = builder.record(0, None, Some(&value[..63 << 20])).build().unwrap();
        assert_eq!(heads(&bytes).unwrap().len(), 1);
    }
}
