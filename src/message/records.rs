//! Port of `org.apache.kafka.common.record.DefaultRecord` and `ByteUtils`: the records in a batch.
//!
//! ```text
//! size INT (of what follows)  attributes INT8 (unused)  timestamp delta LONG  offset delta INT
//! key size INT (-1: null), key     value size INT (-1: null), value     header count INT
//! headers: key size INT, key, value size INT (-1: null), value
//! ```
//! INT and LONG are variable-length: zigzag, then seven bits per byte, the lowest first.

use crate::common::errors::{Errors, KafkaError};

/// One record of any magic, with its absolute offset and timestamp: what conversions pass on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRecord<'a> {
    /// The record's number in its partition.
    pub offset: i64,
    /// Milliseconds since 1970, or `NO_TIMESTAMP`.
    pub timestamp: i64,
    /// `None` is null, which differs from empty.
    pub key: Option<&'a [u8]>,
    /// `None` is null: a tombstone in a compacted topic.
    pub value: Option<&'a [u8]>,
    /// Empty for records of magic 0 and 1.
    pub headers: Headers<'a>,
}

/// One record as it stands in a batch, relative to the batch's base offset and base timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Milliseconds after the batch's base timestamp.
    pub timestamp_delta: i64,
    /// Offset after the batch's base offset.
    pub offset_delta: i32,
    /// `None` is null, which differs from empty.
    pub key: Option<&'a [u8]>,
    /// `None` is null.
    pub value: Option<&'a [u8]>,
    /// The headers, checked but not taken apart.
    pub headers: Headers<'a>,
}

impl<'a> Record<'a> {
    /// Takes one record off the front of `bytes`.
    ///
    /// # Errors
    /// `INVALID_RECORD` if a size or count does not fit into what is there, or something is left
    /// over inside the record.
    pub fn read(bytes: &mut &'a [u8]) -> Result<Self, KafkaError> {
        let size = read_varint(bytes)?;
        let mut body = take(bytes, size)?;
        take(&mut body, 1)?; // The attributes, of which no bit is in use.
        let timestamp_delta = read_varlong(&mut body)?;
        let offset_delta = read_varint(&mut body)?;
        let key = read_nullable(&mut body)?;
        let value = read_nullable(&mut body)?;
        let headers = Headers::read(&mut body)?;
        if !body.is_empty() {
            return Err(invalid_record(format!("{} bytes too many in a record", body.len())));
        }
        Ok(Self { timestamp_delta, offset_delta, key, value, headers })
    }

    /// Appends the record to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let body_size = 1
            + size_of_varlong(self.timestamp_delta)
            + size_of_varlong(i64::from(self.offset_delta))
            + size_of_nullable(self.key)
            + size_of_nullable(self.value)
            + size_of_varlong(self.headers.count as i64)
            + self.headers.bytes.len();
        write_varlong(out, body_size as i64);
        out.push(0);
        write_varlong(out, self.timestamp_delta);
        write_varlong(out, i64::from(self.offset_delta));
        write_nullable(out, self.key);
        write_nullable(out, self.value);
        write_varlong(out, self.headers.count as i64);
        out.extend_from_slice(self.headers.bytes);
    }
}

/// The records in the (decompressed) record section of a batch.
///
/// Ends with an error, once, if the section holds fewer or more than the batch declares.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    bytes: &'a [u8],
    remaining: i32,
}

impl<'a> Records<'a> {
    /// `count` records in `bytes`; neither is trusted.
    pub fn new(bytes: &'a [u8], count: i32) -> Self {
        Self { bytes, remaining: count }
    }

    fn fail<T>(&mut self, error: KafkaError) -> Option<Result<T, KafkaError>> {
        *self = Self { bytes: &[], remaining: 0 };
        Some(Err(error))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, KafkaError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.remaining <= 0 {
            if self.remaining < 0 || !self.bytes.is_empty() {
                let why = format!("{} bytes after the last record of a batch", self.bytes.len());
                return self.fail(invalid_record(why));
            }
            return None;
        }
        self.remaining -= 1;
        match Record::read(&mut self.bytes) {
            Ok(record) => Some(Ok(record)),
            Err(error) => self.fail(error),
        }
    }
}

/// One header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// UTF-8 by agreement of the clients; the broker does not look.
    pub key: &'a [u8],
    /// `None` is null.
    pub value: Option<&'a [u8]>,
}

/// The headers of a record, still encoded: most readers only pass them on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers<'a> {
    count: usize,
    bytes: &'a [u8],
}

impl<'a> Headers<'a> {
    pub const NONE: Headers<'static> = Headers { count: 0, bytes: &[] };

    /// Encodes `headers` at the end of `buffer`, which they borrow from then on.
    pub fn encode(headers: &[Header<'_>], buffer: &'a mut Vec<u8>) -> Self {
        let start = buffer.len();
        for header in headers {
            write_nullable(buffer, Some(header.key));
            write_nullable(buffer, header.value);
        }
        Self { count: headers.len(), bytes: &buffer[start..] }
    }

    pub fn count(self) -> usize {
        self.count
    }

    pub fn size_in_bytes(self) -> usize {
        self.bytes.len()
    }

    pub fn iter(self) -> impl Iterator<Item = Header<'a>> {
        let mut bytes = self.bytes;
        // `read` and `encode` let nothing else in, so this yields all of them.
        (0..self.count).map_while(move |_| Self::read_one(&mut bytes).ok())
    }

    fn read(bytes: &mut &'a [u8]) -> Result<Self, KafkaError> {
        let count = read_varint(bytes)?;
        let count = usize::try_from(count)
            .map_err(|_| invalid_record(format!("a record with {count} headers")))?;
        let start = *bytes;
        for _ in 0..count {
            Self::read_one(bytes)?;
        }
        Ok(Self { count, bytes: &start[..start.len() - bytes.len()] })
    }

    fn read_one(bytes: &mut &'a [u8]) -> Result<Header<'a>, KafkaError> {
        let key = read_nullable(bytes)?
            .ok_or_else(|| invalid_record("a header whose key is null".to_owned()))?;
        Ok(Header { key, value: read_nullable(bytes)? })
    }
}

/// Takes an INT off the front of `bytes`.
///
/// # Errors
/// `INVALID_RECORD` if it has no end, or more than 32 bits.
pub fn read_varint(bytes: &mut &[u8]) -> Result<i32, KafkaError> {
    // The reader lets no more than 32 bits through.
    read_unsigned(bytes, i32::BITS).map(|raw| zigzag_decoded(raw) as i32)
}

/// Takes a LONG off the front of `bytes`.
///
/// # Errors
/// `INVALID_RECORD` if it has no end, or more than 64 bits.
pub fn read_varlong(bytes: &mut &[u8]) -> Result<i64, KafkaError> {
    read_unsigned(bytes, i64::BITS).map(zigzag_decoded)
}

/// Appends a LONG; for a value of 32 bits these are also the bytes of an INT.
pub fn write_varlong(out: &mut Vec<u8>, value: i64) {
    let mut raw = zigzag(value);
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}

/// How many bytes [`write_varlong`] appends: 1 to 10.
pub fn size_of_varlong(value: i64) -> usize {
    let bits = (u64::BITS - zigzag(value).leading_zeros()).max(1);
    bits.div_ceil(7) as usize
}

/// An error that blames the producer for a record or batch.
pub(crate) fn invalid_record(why: impl Into<String>) -> KafkaError {
    KafkaError::api(Errors::InvalidRecord, why)
}

/// The number that [`zigzag`] makes `raw` of.
pub(crate) fn zigzag_decoded(raw: u64) -> i64 {
    (raw >> 1) as i64 ^ -((raw & 1) as i64)
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn read_unsigned(bytes: &mut &[u8], bits: u32) -> Result<u64, KafkaError> {
    let mut value = 0u64;
    for shift in (0..bits).step_by(7) {
        let Some((&byte, rest)) = bytes.split_first() else { break };
        *bytes = rest;
        let piece = u64::from(byte & 0x7f);
        if bits - shift < 7 && piece >> (bits - shift) != 0 {
            break;
        }
        value |= piece << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(invalid_record("a variable-length integer that is too long or cut off"))
}

fn take<'a>(bytes: &mut &'a [u8], size: i32) -> Result<&'a [u8], KafkaError> {
    let taken = usize::try_from(size).ok().and_then(|size| bytes.split_at_checked(size));
    let (front, rest) = taken.ok_or_else(|| {
        invalid_record(format!("a size of {size} where {} bytes are left", bytes.len()))
    })?;
    *bytes = rest;
    Ok(front)
}

fn read_nullable<'a>(bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, KafkaError> {
    match read_varint(bytes)? {
        -1 => Ok(None),
        size => take(bytes, size).map(Some),
    }
}

fn size_of_nullable(field: Option<&[u8]>) -> usize {
    field.map_or(size_of_varlong(-1), |f| size_of_varlong(f.len() as i64) + f.len())
}

fn write_nullable(out: &mut Vec<u8>, field: Option<&[u8]>) {
    write_varlong(out, field.map_or(-1, |f| f.len() as i64));
    out.extend_from_slice(field.unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by another program: key "key", value "value", headers h=1 and n=null.
    const GOLDEN: &[u8] = b"\x2a\x00\x00\x00\x06key\x0avalue\x04\x02h\x021\x02n\x01";

    fn varlong(value: i64) -> Vec<u8> {
        let mut out = Vec::new();
        write_varlong(&mut out, value);
        out
    }

    #[test]
    fn varlongs_have_the_known_bytes_and_come_back() {
        let known: [(i64, &[u8]); 8] = [
            (0, &[0]),
            (-1, &[1]),
            (1, &[2]),
            (63, &[0x7e]),
            (-64, &[0x7f]),
            (64, &[0x80, 1]),
            (i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
            (i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ];
        for (value, bytes) in known {
            assert_eq!(varlong(value), bytes);
            assert_eq!(size_of_varlong(value), bytes.len());
            assert_eq!(read_varlong(&mut &bytes[..]).unwrap(), value);
        }
        for shift in 0..63 {
            for value in [1i64 << shift, (1 << shift) - 1, -(1 << shift), -(1 << shift) - 1] {
                let bytes = varlong(value);
                assert_eq!(size_of_varlong(value), bytes.len());
                assert_eq!(read_varlong(&mut &bytes[..]).unwrap(), value);
                let as_int = read_varint(&mut &bytes[..]);
                assert_eq!(as_int.ok(), i32::try_from(value).ok());
            }
        }
    }

    #[test]
    fn a_varint_that_never_ends_or_has_too_many_bits_is_refused() {
        assert!(read_varint(&mut &[][..]).is_err());
        assert!(read_varint(&mut &[0x80, 0x80][..]).is_err());
        assert!(read_varint(&mut &[0xff, 0xff, 0xff, 0xff, 0x1f][..]).is_err());
        assert!(read_varint(&mut &[0x80, 0x80, 0x80, 0x80, 0x80, 0][..]).is_err());
        assert!(read_varlong(&mut &[0xff; 11][..]).is_err());
        assert!(read_varlong(&mut &[&[0xff; 9][..], &[2]].concat()[..]).is_err());
    }

    #[test]
    fn a_record_reads_and_writes_the_golden_bytes() {
        let mut rest = GOLDEN;
        let record = Record::read(&mut rest).unwrap();
        assert!(rest.is_empty());
        assert_eq!((record.key, record.value), (Some(&b"key"[..]), Some(&b"value"[..])));
        let headers: Vec<Header<'_>> = record.headers.iter().collect();
        let expected = [Header { key: b"h", value: Some(b"1") }, Header { key: b"n", value: None }];
        assert_eq!(headers, expected);
        let mut buffer = Vec::new();
        assert_eq!(Headers::encode(&expected, &mut buffer), record.headers);
        let mut written = Vec::new();
        record.write(&mut written);
        assert_eq!(written, GOLDEN);
    }

    #[test]
    fn null_and_empty_stay_apart() {
        for key in [None, Some(&b""[..]), Some(b"k")] {
            for value in [None, Some(&b""[..]), Some(&[7; 300][..])] {
                let (timestamp_delta, offset_delta) = (-5, i32::MAX);
                let headers = Headers::NONE;
                let record = Record { timestamp_delta, offset_delta, key, value, headers };
                let mut bytes = Vec::new();
                record.write(&mut bytes);
                assert_eq!(Record::read(&mut &bytes[..]).unwrap(), record);
            }
        }
    }

    #[test]
    fn a_record_cut_anywhere_is_refused() {
        for end in 0..GOLDEN.len() {
            assert!(Record::read(&mut &GOLDEN[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn a_size_or_count_that_lies_is_refused() {
        let max = varlong(i64::from(i32::MAX));
        let min = varlong(i64::from(i32::MIN));
        for lie in [&max, &min, &varlong(-2)] {
            let fields: [&[u8]; 5] = [&[0, 0, 0], &[1], &[1], &[0], &[]];
            // In turn: the size of the key, of the value, the number of headers.
            for place in 1..4 {
                let mut body = fields[0].to_vec();
                for (at, field) in fields.iter().enumerate().skip(1) {
                    body.extend_from_slice(if at == place { lie } else { field });
                }
                let mut bytes = varlong(body.len() as i64);
                bytes.extend_from_slice(&body);
                let error = Record::read(&mut &bytes[..]).unwrap_err();
                assert_eq!(error.code(), Errors::InvalidRecord);
            }
            assert!(Record::read(&mut &lie[..]).is_err());
        }
        // A header's key cannot be null, and nothing may follow the headers.
        assert!(Record::read(&mut &[14, 0, 0, 0, 1, 1, 2, 1][..]).is_err());
        assert!(Record::read(&mut &[14, 0, 0, 0, 1, 1, 0, 0][..]).is_err());
    }

    #[test]
    fn records_are_as_many_as_declared_or_end_in_one_error() {
        let two = [GOLDEN, GOLDEN].concat();
        assert!(Records::new(&two, 2).all(|record| record.is_ok()));
        for wrong in [-1, 0, 1, 3, i32::MAX] {
            let all: Vec<_> = Records::new(&two, wrong).collect();
            assert!(all.last().unwrap().is_err(), "{wrong} declared");
            assert!(all.iter().rev().skip(1).all(Result::is_ok));
        }
        assert_eq!(Records::new(&[], 0).count(), 0);
    }
}
