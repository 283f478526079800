//! Port of `kafka.message.Message`: one message of magic 0 or 1.
//!
//! ```text
//! crc UINT32   magic INT8   attributes INT8   [magic 1: timestamp INT64]
//! key size INT32 (-1: null), key     value size INT32 (-1: null), value
//! ```
//! The CRC-32 covers everything after it. A message with a codec is a wrapper: its value is the
//! compressed concatenation of whole entries.

use byteorder::{BigEndian, ByteOrder, WriteBytesExt};

use crate::common::errors::{Errors, KafkaError};
use crate::message::compression_codec::CompressionCodec;
use crate::message::timestamp_type::{NO_TIMESTAMP, TimestampType};

/// Kafka before 0.10: no timestamps.
pub const MAGIC_VALUE_V0: u8 = 0;
/// Kafka 0.10: timestamps, and relative offsets inside wrappers.
pub const MAGIC_VALUE_V1: u8 = 1;

// The layout, in bytes from the start of the message: 12 bytes after the start of its entry.

/// u32, the CRC-32 of everything from the magic byte on.
pub const CRC_OFFSET: usize = 0;
pub const CRC_LENGTH: usize = 4;
/// u8, 0 or 1.
pub const MAGIC_OFFSET: usize = CRC_OFFSET + CRC_LENGTH;
pub const MAGIC_LENGTH: usize = 1;
/// u8: codec in bits 0 to 2, in magic 1 the timestamp type in bit 3.
pub const ATTRIBUTES_OFFSET: usize = MAGIC_OFFSET + MAGIC_LENGTH;
pub const ATTRIBUTES_LENGTH: usize = 1;
/// i32 in magic 0, the size of the key.
pub const KEY_SIZE_OFFSET_V0: usize = ATTRIBUTES_OFFSET + ATTRIBUTES_LENGTH;
/// i64 in magic 1, milliseconds.
pub const TIMESTAMP_OFFSET: usize = ATTRIBUTES_OFFSET + ATTRIBUTES_LENGTH;
pub const TIMESTAMP_LENGTH: usize = 8;
/// i32 in magic 1, the size of the key.
pub const KEY_SIZE_OFFSET_V1: usize = TIMESTAMP_OFFSET + TIMESTAMP_LENGTH;
pub const KEY_SIZE_LENGTH: usize = 4;
pub const VALUE_SIZE_LENGTH: usize = 4;
/// The size of a message of magic 0 without key and value: no message is smaller.
pub const MESSAGE_OVERHEAD_V0: usize = KEY_SIZE_OFFSET_V0 + KEY_SIZE_LENGTH + VALUE_SIZE_LENGTH;
/// The size of a message of magic 1 without key and value.
pub const MESSAGE_OVERHEAD_V1: usize = KEY_SIZE_OFFSET_V1 + KEY_SIZE_LENGTH + VALUE_SIZE_LENGTH;

const _: () = assert!(MESSAGE_OVERHEAD_V0 == 14 && MESSAGE_OVERHEAD_V1 == 22);

const COMPRESSION_CODEC_MASK: u8 = 0x07;
const TIMESTAMP_TYPE_MASK: u8 = 0x08;

/// A message of magic 0 or 1, looked at where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    bytes: &'a [u8],
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

impl<'a> Message<'a> {
    /// The message that `bytes` are, from the CRC to the end of the value. Checks magic and sizes,
    /// and not yet the CRC.
    ///
    /// # Errors
    /// `CORRUPT_MESSAGE` if the magic is neither 0 nor 1, or key and value do not fill the message
    /// exactly.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, KafkaError> {
        let mut rest = bytes.get(header_size(bytes)?..).unwrap_or_default();
        let key = take_nullable(&mut rest)?;
        let value = take_nullable(&mut rest)?;
        if !rest.is_empty() {
            return Err(corrupt(format!("{} bytes after a message's value", rest.len())));
        }
        Ok(Self { bytes, key, value })
    }

    /// The same without a look at what follows the timestamp, for a reader who wants to see the
    /// header of a message that is damaged: key and value are null.
    ///
    /// # Errors
    /// `CORRUPT_MESSAGE` if the magic is neither 0 nor 1, or the header is cut off.
    pub fn parse_header(bytes: &'a [u8]) -> Result<Self, KafkaError> {
        if bytes.len() < header_size(bytes)? {
            return Err(corrupt(format!("a message of {} bytes is cut off", bytes.len())));
        }
        Ok(Self { bytes, key: None, value: None })
    }

    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The CRC as it is written down.
    pub fn crc(&self) -> u32 {
        BigEndian::read_u32(&self.bytes[CRC_OFFSET..])
    }

    /// Whether the CRC is that of the bytes.
    pub fn has_valid_crc(&self) -> bool {
        self.crc() == compute_crc(self.bytes)
    }

    pub fn magic(&self) -> u8 {
        self.bytes[MAGIC_OFFSET]
    }

    pub fn attributes(&self) -> u8 {
        self.bytes[ATTRIBUTES_OFFSET]
    }

    /// How the value is compressed: anything but `None` makes the message a wrapper.
    ///
    /// # Errors
    /// `UNSUPPORTED_COMPRESSION_TYPE` for a number that is no codec, or zstd, which is younger than
    /// these formats.
    pub fn codec(&self) -> Result<CompressionCodec, KafkaError> {
        let codec = CompressionCodec::from_id(self.attributes() & COMPRESSION_CODEC_MASK)?;
        check_codec(codec, self.magic())?;
        Ok(codec)
    }

    /// Whose clock the timestamp shows; magic 0 has none.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.magic() == MAGIC_VALUE_V0 || self.attributes() & TIMESTAMP_TYPE_MASK == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Milliseconds; `NO_TIMESTAMP` in magic 0.
    pub fn timestamp(&self) -> i64 {
        match self.magic() {
            MAGIC_VALUE_V0 => NO_TIMESTAMP,
            _ => BigEndian::read_i64(&self.bytes[TIMESTAMP_OFFSET..]),
        }
    }

    /// `None` is null, which differs from empty.
    pub fn key(&self) -> Option<&'a [u8]> {
        self.key
    }

    /// `None` is null.
    pub fn value(&self) -> Option<&'a [u8]> {
        self.value
    }
}

/// What a new message is written from.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    pub magic: u8,
    /// How `value` is compressed already.
    pub codec: CompressionCodec,
    /// Not written in magic 0.
    pub timestamp_type: TimestampType,
    /// Milliseconds. Not written in magic 0.
    pub timestamp: i64,
    /// `None` is null.
    pub key: Option<&'a [u8]>,
    /// `None` is null.
    pub value: Option<&'a [u8]>,
}

impl NewMessage<'_> {
    /// Appends the entry to `out`: `offset`, size, and the message with its CRC.
    ///
    /// # Errors
    /// `MESSAGE_TOO_LARGE` if the size does not fit the size field.
    pub fn write_entry(&self, offset: i64, out: &mut Vec<u8>) -> Result<(), KafkaError> {
        let [key, value] = [self.key, self.value].map(|f| f.map_or(0, <[u8]>::len));
        let overhead =
            if self.magic == MAGIC_VALUE_V0 { MESSAGE_OVERHEAD_V0 } else { MESSAGE_OVERHEAD_V1 };
        let size = i32::try_from(overhead + key + value).map_err(|_| {
            KafkaError::api(Errors::RecordTooLarge, format!("a message of {value} bytes"))
        })?;
        out.write_i64::<BigEndian>(offset)?;
        out.write_i32::<BigEndian>(size)?;
        let start = out.len();
        out.write_u32::<BigEndian>(0)?; // The CRC, when the rest is known.
        out.push(self.magic);
        if self.magic == MAGIC_VALUE_V0 {
            out.push(self.codec.id());
        } else {
            let of_append = self.timestamp_type == TimestampType::LogAppendTime;
            out.push(self.codec.id() | if of_append { TIMESTAMP_TYPE_MASK } else { 0 });
            out.write_i64::<BigEndian>(self.timestamp)?;
        }
        for field in [self.key, self.value] {
            out.write_i32::<BigEndian>(field.map_or(-1, |f| f.len() as i32))?;
            out.extend_from_slice(field.unwrap_or_default());
        }
        write_crc(&mut out[start..]);
        Ok(())
    }
}

/// Makes `timestamp_ms` the append time of a message of magic 1, in place, with a new CRC.
pub fn set_log_append_time(message: &mut [u8], timestamp_ms: i64) {
    message[ATTRIBUTES_OFFSET] |= TIMESTAMP_TYPE_MASK;
    BigEndian::write_i64(&mut message[TIMESTAMP_OFFSET..], timestamp_ms);
    write_crc(message);
}

/// Whether the timestamp of a message of magic 1 counts as the time of the append.
pub fn is_log_append_time(message: &[u8]) -> bool {
    message[ATTRIBUTES_OFFSET] & TIMESTAMP_TYPE_MASK != 0
}

/// Makes the timestamp of a message of magic 1 its producer's, in place, with a new CRC.
pub fn set_create_time(message: &mut [u8]) {
    message[ATTRIBUTES_OFFSET] &= !TIMESTAMP_TYPE_MASK;
    write_crc(message);
}

/// Whether a message of `magic` can be compressed by `codec`.
///
/// # Errors
/// `UNSUPPORTED_COMPRESSION_TYPE` for zstd before magic 2 (KIP-110).
pub fn check_codec(codec: CompressionCodec, magic: u8) -> Result<(), KafkaError> {
    if codec == CompressionCodec::Zstd && magic <= MAGIC_VALUE_V1 {
        let why = format!("messages of magic {magic} have no zstd");
        return Err(KafkaError::api(Errors::UnsupportedCompressionType, why));
    }
    Ok(())
}

/// An error that blames bytes for not being a message.
pub(crate) fn corrupt(why: impl Into<String>) -> KafkaError {
    KafkaError::api(Errors::CorruptMessage, why)
}

/// How many bytes stand before the size of the key.
fn header_size(message: &[u8]) -> Result<usize, KafkaError> {
    match message.get(MAGIC_OFFSET) {
        Some(&MAGIC_VALUE_V0) => Ok(KEY_SIZE_OFFSET_V0),
        Some(&MAGIC_VALUE_V1) => Ok(KEY_SIZE_OFFSET_V1),
        magic => Err(corrupt(format!("magic {magic:?} where 0 or 1 is expected"))),
    }
}

fn compute_crc(message: &[u8]) -> u32 {
    crc32fast::hash(&message[MAGIC_OFFSET..])
}

fn write_crc(message: &mut [u8]) {
    let crc = compute_crc(message);
    BigEndian::write_u32(&mut message[CRC_OFFSET..], crc);
}

fn take_nullable<'a>(bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, KafkaError> {
    let cut_off = || corrupt("a message's key or value is cut off");
    let (size, rest) = bytes.split_at_checked(4).ok_or_else(cut_off)?;
    *bytes = rest;
    match BigEndian::read_i32(size) {
        -1 => Ok(None),
        size => {
            let size = usize::try_from(size).map_err(|_| cut_off())?;
            let (field, rest) = bytes.split_at_checked(size).ok_or_else(cut_off)?;
            *bytes = rest;
            Ok(Some(field))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::message_set::LOG_OVERHEAD;

    // Made by another program: offset 5 of magic 0 and offset 7 of magic 1, "key" and "value".
    const GOLDEN_V0: &[u8] =
        b"\0\0\0\0\0\0\0\x05\0\0\0\x16\x23\x56\xc1\x37\0\0\0\0\0\x03key\0\0\0\x05value";
    const GOLDEN_V1: &[u8] = b"\0\0\0\0\0\0\0\x07\0\0\0\x1e\x83\x01\x70\x39\x01\0\
        \0\0\x01\x52\xcd\xa0\x98\0\0\0\0\x03key\0\0\0\x05value";
    const TIMESTAMP: i64 = 1_455_148_800_000;

    fn new_message<'a>(
        magic: u8,
        key: Option<&'a [u8]>,
        value: Option<&'a [u8]>,
    ) -> NewMessage<'a> {
        let (codec, timestamp_type) = (CompressionCodec::None, TimestampType::CreateTime);
        NewMessage { magic, codec, timestamp_type, timestamp: TIMESTAMP, key, value }
    }

    fn entry(message: &NewMessage<'_>, offset: i64) -> Vec<u8> {
        let mut out = Vec::new();
        message.write_entry(offset, &mut out).unwrap();
        out
    }

    #[test]
    fn the_golden_bytes_are_written_and_read() {
        for (golden, magic, offset) in [(GOLDEN_V0, 0, 5), (GOLDEN_V1, 1, 7)] {
            assert_eq!(entry(&new_message(magic, Some(b"key"), Some(b"value")), offset), golden);
            let message = Message::parse(&golden[LOG_OVERHEAD..]).unwrap();
            assert!(message.has_valid_crc());
            assert_eq!(message.magic(), magic);
            assert_eq!((message.key(), message.value()), (Some(&b"key"[..]), Some(&b"value"[..])));
            assert_eq!(message.timestamp(), if magic == 0 { NO_TIMESTAMP } else { TIMESTAMP });
        }
    }

    /// `MessageTest.testFieldValues`: null and empty keys and values, all codecs.
    #[test]
    fn the_fields_of_a_message_are_those_it_was_made_of() {
        let fields = [None, Some(&b""[..]), Some(b"k"), Some(&[1; 1000][..])];
        for magic in [0, 1] {
            for (key, value) in fields.iter().flat_map(|k| fields.map(|v| (*k, v))) {
                for codec in &CompressionCodec::ALL[..4] {
                    let codec = *codec;
                    let bytes = entry(&NewMessage { codec, ..new_message(magic, key, value) }, 0);
                    let message = Message::parse(&bytes[LOG_OVERHEAD..]).unwrap();
                    assert_eq!((message.key(), message.value()), (key, value));
                    assert_eq!(message.codec().unwrap(), codec);
                    assert!(message.has_valid_crc());
                }
            }
        }
    }

    /// `MessageTest.testChecksum`.
    #[test]
    fn a_change_anywhere_behind_the_crc_is_noticed() {
        for golden in [GOLDEN_V0, GOLDEN_V1] {
            for at in LOG_OVERHEAD..golden.len() {
                let mut changed = golden.to_vec();
                changed[at] ^= 0x20;
                let message = Message::parse(&changed[LOG_OVERHEAD..]);
                assert!(message.is_err() || !message.unwrap().has_valid_crc(), "byte {at}");
            }
        }
    }

    /// `MessageTest.testEquality`.
    #[test]
    fn messages_are_equal_if_their_bytes_are() {
        let parse = |bytes| Message::parse(bytes).unwrap();
        let copy = GOLDEN_V0[LOG_OVERHEAD..].to_vec();
        assert_eq!(parse(&copy), parse(&GOLDEN_V0[LOG_OVERHEAD..]));
        let other = entry(&new_message(0, None, Some(b"value")), 5);
        assert_ne!(parse(&copy), parse(&other[LOG_OVERHEAD..]));
    }

    #[test]
    fn sizes_that_do_not_fill_the_message_are_refused() {
        for golden in [GOLDEN_V0, GOLDEN_V1] {
            let message = &golden[LOG_OVERHEAD..];
            for end in 0..message.len() {
                assert!(Message::parse(&message[..end]).is_err(), "cut at {end}");
            }
            assert!(Message::parse(&[message, &[0]].concat()).is_err());
            let mut negative = message.to_vec();
            let key_size_at = if message[MAGIC_OFFSET] == 0 { 6 } else { 14 };
            negative[key_size_at..key_size_at + 4].fill(0xff);
            negative[key_size_at + 3] = 0xfe;
            assert!(Message::parse(&negative).is_err());
        }
        let mut of_magic_2 = GOLDEN_V0[LOG_OVERHEAD..].to_vec();
        of_magic_2[MAGIC_OFFSET] = 2;
        assert!(Message::parse(&of_magic_2).is_err());
    }

    #[test]
    fn the_append_time_goes_in_with_a_true_crc() {
        let mut bytes = GOLDEN_V1[LOG_OVERHEAD..].to_vec();
        set_log_append_time(&mut bytes, 99);
        let message = Message::parse(&bytes).unwrap();
        assert!(message.has_valid_crc());
        let time = (message.timestamp_type(), message.timestamp());
        assert_eq!(time, (TimestampType::LogAppendTime, 99));
    }

    #[test]
    fn zstd_is_no_codec_of_these_formats() {
        let message = NewMessage { codec: CompressionCodec::Zstd, ..new_message(1, None, None) };
        let bytes = entry(&message, 0);
        let error = Message::parse(&bytes[LOG_OVERHEAD..]).unwrap().codec().unwrap_err();
        assert_eq!(error.code(), Errors::UnsupportedCompressionType);
    }
}
