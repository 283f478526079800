//! Port of `org.apache.kafka.common.protocol.types`: the types of the wire, in both of Kafka's
//! encodings.
//!
//! Until 2019 a length stood in 2 or 4 bytes and -1 was null. The *flexible* versions of an API
//! write it as an unsigned varint of length + 1, 0 being null, and end every structure with a
//! section of tagged fields, which a reader that does not know them skips. A [`Version`] carries
//! which of the two applies, so that the tables of fields need not say it.
//!
//! A [`Reader`] believes nothing: every length and count is held against the bytes that remain
//! before anything is allocated. What takes more room in memory than on the wire comes out of an
//! [`Allowance`]: so a request costs the memory that its sender paid for in bytes, and a limited
//! amount besides.

use std::ops::Range;

use byteorder::{BigEndian, ByteOrder};

use crate::protocol::wire::allowance::{Allowance, refused_by_system};
use crate::protocol::wire::decode_error::{DecodeError, Malformed};

/// What U+FFFD, which stands for a wrong byte, takes in UTF-8.
const REPLACEMENT_BYTES: usize = '\u{FFFD}'.len_utf8();
/// What the length of an old string can say.
const STRING_BYTES_MAX: usize = i16::MAX.unsigned_abs() as usize;

/// A version of an API: its number, and which of the two encodings it uses.
///
/// [`ApiKeys::version`](crate::protocol::api_keys::ApiKeys::version) makes one from a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// The number in the request header.
    pub number: i16,
    /// Lengths are compact, and structures end with tagged fields.
    pub is_flexible: bool,
}

/// Where the records of a request lie in its frame: they are read and appended in place, never
/// copied.
pub type Records = Range<usize>;

/// A value that has a place on the wire.
pub trait WireType: Sized {
    /// # Errors
    /// What is wrong with the bytes, and where.
    fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, DecodeError>;

    fn write(&self, writer: &mut Writer<'_>, version: Version);

    /// The fewest bytes that any value takes: what an element of an array costs its sender.
    fn size_min(version: Version) -> usize;

    /// Calls `found` with each error code that the value has on the wire, in its own place or in
    /// that of a part. `is_error_code` says that the value itself is one.
    fn for_each_error_code(
        &self,
        _version: Version,
        _is_error_code: bool,
        _found: &mut dyn FnMut(i16),
    ) {
        // A value without parts has none.
    }
}

/// A place in a frame that is being read.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    /// The next byte; never beyond the end.
    position: usize,
    allowance: Allowance<'a>,
}

impl<'a> Reader<'a> {
    /// For bytes that are not a client's.
    pub fn new(frame: &'a [u8]) -> Self {
        Self::within(frame, Allowance::full())
    }

    /// What is read takes its memory from `allowance`.
    pub fn within(frame: &'a [u8], allowance: Allowance<'a>) -> Self {
        Self { bytes: frame, position: 0, allowance: allowance.of_frame(frame.len()) }
    }

    /// That of the next byte in the frame.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Bytes.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// Reads a field; an error without a field names `field`.
    ///
    /// # Errors
    /// What is wrong with the bytes, and where.
    pub fn read<T: WireType>(
        &mut self,
        version: Version,
        field: &'static str,
    ) -> Result<T, DecodeError> {
        T::read(self, version).map_err(|error| error.in_field(field))
    }

    /// Like [`read`](Self::read), for a field in which only some versions allow null.
    ///
    /// # Errors
    /// `Null` if the value is null and `is_null_allowed` is false; else as for `read`.
    pub fn read_nullable<T>(
        &mut self,
        version: Version,
        field: &'static str,
        is_null_allowed: bool,
    ) -> Result<Option<T>, DecodeError>
    where
        Option<T>: WireType,
    {
        let start = self.position;
        let value: Option<T> = self.read(version, field)?;
        if value.is_none() && !is_null_allowed {
            return Err(null_at(start).in_field(field));
        }
        Ok(value)
    }

    /// Skips the tagged fields that end a structure in a flexible version.
    ///
    /// # Errors
    /// If the section does not end within the frame; the error names `section`.
    pub fn skip_tagged_fields(&mut self, section: &'static str) -> Result<(), DecodeError> {
        self.read_tagged_fields(section, |_, _| Ok(false))
    }

    /// Reads the tagged fields that end a structure in a flexible version: `read` is called with the
    /// number of each, and returns whether it has read it. The others are skipped.
    ///
    /// # Errors
    /// If the section does not end within the frame, or a field is longer or shorter than its size says:
    /// the error names `section`. What `read` returns otherwise.
    pub fn read_tagged_fields(
        &mut self,
        section: &'static str,
        mut read: impl FnMut(&mut Self, u32) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        let in_section = |error: DecodeError| error.in_field(section);
        // However large the announced number, each round takes two bytes at least or ends the loop.
        for _ in 0..self.read_unsigned_varint().map_err(in_section)? {
            let number = self.read_unsigned_varint().map_err(in_section)?;
            let size = self.read_unsigned_varint().map_err(in_section)?;
            let start = self.position;
            let value = self.take(u64::from(size)).map_err(in_section)?;
            let end = self.position;
            self.position = start;
            if !read(self, number)? {
                self.position = end;
            }
            if self.position != end {
                let (needed, remaining) = ((self.position - start) as u64, value.len());
                self.position = start;
                return Err(in_section(self.error(Malformed::Truncated { needed, remaining })));
            }
        }
        Ok(())
    }

    /// Reads an unsigned number in 7-bit groups, the least significant first.
    ///
    /// # Errors
    /// If the frame ends within it or it does not fit 32 bits.
    pub fn read_unsigned_varint(&mut self) -> Result<u32, DecodeError> {
        let start = self.position;
        let mut value: u64 = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| varint_too_long(start));
            }
        }
        Err(varint_too_long(start))
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], DecodeError> {
        let remaining = self.remaining();
        match usize::try_from(count) {
            Ok(count) if count <= remaining => {
                let taken = &self.bytes[self.position..self.position + count];
                self.position += count;
                Ok(taken)
            }
            _ => Err(self.error(Malformed::Truncated { needed: count, remaining })),
        }
    }

    /// Reads the length of a string, and takes its bytes; `None` is null.
    fn take_string(&mut self, version: Version) -> Result<Option<&'a [u8]>, DecodeError> {
        let length = if version.is_flexible {
            self.read_compact_length()?
        } else {
            let length = i16::read(self, version)?;
            self.old_length(i32::from(length), size_of::<i16>())?
        };
        length.map(|length| self.take(length)).transpose()
    }

    /// Reads the length of a byte string or the count of an array; `None` is null.
    fn read_length(&mut self, version: Version) -> Result<Option<u64>, DecodeError> {
        if version.is_flexible {
            return self.read_compact_length();
        }
        let length = i32::read(self, version)?;
        self.old_length(length, size_of::<i32>())
    }

    fn read_compact_length(&mut self) -> Result<Option<u64>, DecodeError> {
        Ok(self.read_unsigned_varint()?.checked_sub(1).map(u64::from))
    }

    /// Judges a length whose `width` bytes have just been read.
    fn old_length(&self, length: i32, width: usize) -> Result<Option<u64>, DecodeError> {
        match u64::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) if length == -1 => Ok(None),
            Err(_) => {
                let position = self.position - width;
                Err(DecodeError { field: "", position, what: Malformed::NegativeLength(length) })
            }
        }
    }

    /// A copy of bytes of the frame.
    fn copied(&mut self, bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
        self.allowance.copy(bytes.len()).map_err(|what| self.error(what))?;
        let mut copy = Vec::new();
        let reserved = copy.try_reserve_exact(bytes.len());
        reserved.map_err(|_| self.error(refused_by_system(bytes.len())))?;
        copy.extend_from_slice(bytes);
        Ok(copy)
    }

    fn copied_text(&mut self, text: &str) -> Result<String, DecodeError> {
        self.allowance.copy(text.len()).map_err(|what| self.error(what))?;
        let mut copy = String::new();
        let reserved = copy.try_reserve_exact(text.len());
        reserved.map_err(|_| self.error(refused_by_system(text.len())))?;
        copy.push_str(text);
        Ok(copy)
    }

    /// A copy of text of the frame in which U+FFFD stands for what is not UTF-8.
    fn mended(&mut self, bytes: &[u8]) -> Result<String, DecodeError> {
        let spent = self.allowance.spend(bytes.len(), REPLACEMENT_BYTES);
        spent.map_err(|what| self.error(what))?;
        let (mut text, size) = (String::new(), bytes.len() * REPLACEMENT_BYTES);
        text.try_reserve_exact(size).map_err(|_| self.error(refused_by_system(size)))?;
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            if !chunk.invalid().is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Ok(text)
    }

    fn error(&self, what: Malformed) -> DecodeError {
        DecodeError { field: "", position: self.position, what }
    }
}

fn null_at(position: usize) -> DecodeError {
    DecodeError { field: "", position, what: Malformed::Null }
}

fn varint_too_long(position: usize) -> DecodeError {
    DecodeError { field: "", position, what: Malformed::VarintTooLong }
}

/// Bytes of a message that is being written, or only their number.
#[derive(Debug)]
pub struct Writer<'a> {
    bytes: Vec<u8>,
    /// How many bytes have been written, kept or not.
    size: usize,
    /// Bytes behind these are counted, not kept.
    kept_max: usize,
    /// What the ranges of [`Records`] are ranges of.
    source: &'a [u8],
}

impl Default for Writer<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Writer<'a> {
    /// For a message without records.
    pub fn new() -> Self {
        Self::keeping(Vec::new(), usize::MAX)
    }

    /// For a message whose records are ranges of `source`.
    pub fn with_records_from(source: &'a [u8]) -> Self {
        Self { source, ..Self::new() }
    }

    /// Keeps no byte: what is written to it shows only how long it is. Allocates nothing.
    pub fn counting() -> Self {
        Self::keeping(Vec::new(), 0)
    }

    /// Keeps the first `kept_max` bytes, in `room`.
    pub fn keeping(room: Vec<u8>, kept_max: usize) -> Self {
        Self { bytes: room, size: 0, kept_max, source: &[] }
    }

    /// Bytes written so far.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether every byte that was written was kept.
    pub fn is_whole(&self) -> bool {
        self.size <= self.kept_max
    }

    /// The bytes that were kept.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.size += bytes.len();
        if self.size <= self.kept_max {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Writes a field in which only some versions allow null: elsewhere an empty value stands for
    /// it.
    pub fn write_nullable<T>(&mut self, value: &Option<T>, version: Version, is_null_allowed: bool)
    where
        Option<T>: WireType,
        T: Default,
    {
        if value.is_none() && !is_null_allowed {
            Some(T::default()).write(self, version);
        } else {
            value.write(self, version);
        }
    }

    /// Ends a structure of a flexible version that has no tagged field to send.
    pub fn write_no_tagged_fields(&mut self) {
        self.write_unsigned_varint(0);
    }

    /// Writes a tagged field: its number, its size and what `write` writes. It is written twice, the
    /// first time to be counted.
    pub fn write_tagged_field(&mut self, number: u32, write: impl Fn(&mut Writer<'_>)) {
        let mut counted = Writer { source: self.source, ..Writer::counting() };
        write(&mut counted);
        self.write_unsigned_varint(number);
        self.write_unsigned_varint(u32::try_from(counted.size()).unwrap_or(u32::MAX));
        write(self);
    }

    /// Writes a string. The old encoding cannot hold one of more than 32,767 bytes: it is cut, at the end
    /// of a character.
    pub fn write_text(&mut self, text: &str, version: Version) {
        if version.is_flexible {
            self.write_length(Some(text.len()), version);
            self.put(text.as_bytes());
            return;
        }
        let mut length = text.len().min(STRING_BYTES_MAX);
        while !text.is_char_boundary(length) {
            length -= 1;
        }
        (length as i16).write(self, version);
        self.put(&text.as_bytes()[..length]);
    }

    /// Writes the length of a byte string or the count of an array; `None` is null.
    ///
    /// A length of 2 GiB or more has no place on the wire, nor has what follows it in a frame: who
    /// puts the bytes into one refuses them by their [`size`](Self::size).
    pub fn write_length(&mut self, length: Option<usize>, version: Version) {
        let length = length.map(|it| i32::try_from(it).unwrap_or(i32::MAX));
        match length {
            _ if version.is_flexible => self.write_compact_length(length),
            Some(length) => length.write(self, version),
            None => (-1_i32).write(self, version),
        }
    }

    fn write_compact_length(&mut self, length: Option<i32>) {
        self.write_unsigned_varint(length.map_or(0, |length| length.unsigned_abs() + 1));
    }

    pub fn write_unsigned_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.put(&[0x80 | (value & 0x7f) as u8]);
            value >>= 7;
        }
        self.put(&[value as u8]);
    }
}

macro_rules! number {
    ($($type:ty: $read:path, $write:path $(, $more:item)?;)+) => {$(
        impl WireType for $type {
            fn read(reader: &mut Reader<'_>, _: Version) -> Result<Self, DecodeError> {
                Ok($read(reader.take(size_of::<$type>() as u64)?))
            }

            fn write(&self, writer: &mut Writer<'_>, _: Version) {
                let mut bytes = [0; size_of::<$type>()];
                $write(&mut bytes, *self);
                writer.put(&bytes);
            }

            fn size_min(_: Version) -> usize {
                size_of::<$type>()
            }

            $($more)?
        }
    )+};
}

number! {
    i16: BigEndian::read_i16, BigEndian::write_i16,
        fn for_each_error_code(&self, _: Version, is_one: bool, found: &mut dyn FnMut(i16)) {
            if is_one {
                found(*self);
            }
        };
    u16: BigEndian::read_u16, BigEndian::write_u16;
    i32: BigEndian::read_i32, BigEndian::write_i32;
    i64: BigEndian::read_i64, BigEndian::write_i64;
    f64: BigEndian::read_f64, BigEndian::write_f64;
}

impl WireType for i8 {
    fn read(reader: &mut Reader<'_>, _: Version) -> Result<Self, DecodeError> {
        Ok(reader.take(1)?[0].cast_signed())
    }

    fn write(&self, writer: &mut Writer<'_>, _: Version) {
        writer.put(&[self.cast_unsigned()]);
    }

    fn size_min(_: Version) -> usize {
        1
    }
}

/// Any byte but 0 is true, as Kafka has it.
impl WireType for bool {
    fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        Ok(i8::read(reader, version)? != 0)
    }

    fn write(&self, writer: &mut Writer<'_>, version: Version) {
        i8::from(*self).write(writer, version);
    }

    fn size_min(_: Version) -> usize {
        1
    }
}

/// Bytes that are not UTF-8 become U+FFFD, as in Java: such a name is then refused as a name, not
/// as a frame.
impl WireType for Option<String> {
    fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        let Some(bytes) = reader.take_string(version)? else {
            return Ok(None);
        };
        match str::from_utf8(bytes) {
            Ok(text) => reader.copied_text(text).map(Some),
            Err(_) => reader.mended(bytes).map(Some),
        }
    }

    fn write(&self, writer: &mut Writer<'_>, version: Version) {
        match self {
            Some(text) => text.write(writer, version),
            None if version.is_flexible => writer.write_compact_length(None),
            None => (-1_i16).write(writer, version),
        }
    }

    fn size_min(version: Version) -> usize {
        if version.is_flexible { 1 } else { 2 }
    }
}

impl WireType for String {
    fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        let start = reader.position;
        Option::<Self>::read(reader, version)?.ok_or_else(|| null_at(start))
    }

    fn write(&self, writer: &mut Writer<'_>, version: Version) {
        writer.write_text(self, version);
    }

    fn size_min(version: Version) -> usize {
        Option::<Self>::size_min(version)
    }
}

impl<T: WireType> WireType for Option<Vec<T>> {
    fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        let Some(count) = reader.read_length(version)? else {
            return Ok(None);
        };
        let remaining = reader.remaining();
        let count_max = remaining / T::size_min(version).max(1);
        let count = match usize::try_from(count) {
            Ok(count) if count <= count_max => count,
            _ => return Err(reader.error(Malformed::CountTooLarge { count, remaining })),
        };
        let spent = reader.allowance.spend(count, size_of::<T>());
        spent.map_err(|what| reader.error(what))?;
        let mut elements = Vec::new();
        let reserved = elements.try_reserve_exact(count);
        reserved.map_err(|_| reader.error(refused_by_system(count * size_of::<T>())))?;
        for _ in 0..count {
            elements.push(T::read(reader, version)?);
        }
        Ok(Some(elements))
    }

    fn write(&self, writer: &mut Writer<'_>, version: Version) {
        writer.write_length(self.as_ref().map(Vec::len), version);
        for element in self.iter().flatten() {
            element.write(writer, version);
        }
    }

    fn size_min(version: Version) -> usize {
        if version.is_flexible { 1 } else { 4 }
    }

    fn for_each_error_code(&self, version: Version, _: bool, found: &mut dyn FnMut(i16)) {
        for element in self.iter().flatten() {
            element.for_each_error_code(version, false, found);
        }
    }
}

impl<T: WireType> WireType for Vec<T> {
    fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        let start = reader.position;
        Option::<Self>::read(reader, version)?.ok_or_else(|| null_at(start))
    }

    fn write(&self, writer: &mut Writer<'_>, version: Version) {
        writer.write_length(Some(self.len()), version);
        for element in self {
            element.write(writer, version);
        }
    }

    fn size_min(version: Version) -> usize {
        Option::<Self>::size_min(version)
    }

    fn for_each_error_code(&self, version: Version, _: bool, found: &mut dyn FnMut(i16)) {
        for element in self {
            element.for_each_error_code(version, false, found);
        }
    }
}

/// Bytes whose meaning is their sender's own affair.
impl WireType for Option<Vec<u8>> {
    fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        let Some(length) = reader.read_length(version)? else {
            return Ok(None);
        };
        let bytes = reader.take(length)?;
        reader.copied(bytes).map(Some)
    }

    fn write(&self, writer: &mut Writer<'_>, version: Version) {
        writer.write_length(self.as_ref().map(Vec::len), version);
        writer.put(self.as_deref().unwrap_or_default());
    }

    fn size_min(version: Version) -> usize {
        if version.is_flexible { 1 } else { 4 }
    }
}

impl WireType for Vec<u8> {
    fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        let start = reader.position;
        Option::<Self>::read(reader, version)?.ok_or_else(|| null_at(start))
    }

    fn write(&self, writer: &mut Writer<'_>, version: Version) {
        writer.write_length(Some(self.len()), version);
        writer.put(self);
    }

    fn size_min(version: Version) -> usize {
        Option::<Self>::size_min(version)
    }
}

/// Records are read as their place in the frame, and written from the [`Writer`]'s source.
impl WireType for Option<Records> {
    fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        let Some(length) = reader.read_length(version)? else {
            return Ok(None);
        };
        let start = reader.position;
        reader.take(length)?;
        Ok(Some(start..reader.position))
    }

    fn write(&self, writer: &mut Writer<'_>, version: Version) {
        writer.write_length(self.as_ref().map(Range::len), version);
        if let Some(range) = self {
            writer.put(&writer.source[range.clone()]);
        }
    }

    fn size_min(version: Version) -> usize {
        if version.is_flexible { 1 } else { 4 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Version = Version { number: 0, is_flexible: false };
    const FLEXIBLE: Version = Version { number: 0, is_flexible: true };

    fn written(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut writer = Writer::new();
        write(&mut writer);
        writer.into_bytes()
    }

    fn what<T>(result: Result<T, DecodeError>) -> Option<Malformed> {
        result.err().map(|error| error.what)
    }

    #[test]
    fn a_varint_has_seven_bits_in_a_byte() {
        for (value, expected) in [
            (0, &[0][..]),
            (127, &[0x7F]),
            (128, &[0x80, 0x01]),
            (16_383, &[0xFF, 0x7F]),
            (16_384, &[0x80, 0x80, 0x01]),
            (u32::MAX, &[0xFF, 0xFF, 0xFF, 0xFF, 0x0F]),
        ] {
            assert_eq!(written(|writer| writer.write_unsigned_varint(value)), expected);
            assert_eq!(Reader::new(expected).read_unsigned_varint(), Ok(value));
        }
    }

    #[test]
    fn a_varint_above_32_bits_is_refused_where_it_begins() {
        for bytes in [[0xFF, 0xFF, 0xFF, 0xFF, 0x10], [0x80, 0x80, 0x80, 0x80, 0x80]] {
            let error = Reader::new(&bytes).read_unsigned_varint().unwrap_err();
            assert_eq!((error.position, error.what), (0, Malformed::VarintTooLong));
        }
    }

    #[test]
    fn the_two_encodings_write_null_empty_and_text() {
        let write = |text: Option<&str>, version| {
            written(|writer| text.map(String::from).write(writer, version))
        };
        assert_eq!(write(None, OLD), [0xFF, 0xFF]);
        assert_eq!(write(Some(""), OLD), [0, 0]);
        assert_eq!(write(Some("ab"), OLD), [0, 2, b'a', b'b']);
        assert_eq!(write(None, FLEXIBLE), [0]);
        assert_eq!(write(Some(""), FLEXIBLE), [1]);
        assert_eq!(write(Some("ab"), FLEXIBLE), [3, b'a', b'b']);
        let long = write(Some(&"x".repeat(127)), FLEXIBLE);
        assert_eq!(long[..3], [0x80, 0x01, b'x']);
    }

    #[test]
    fn a_writer_that_only_counts_comes_to_the_size_of_what_is_written() {
        let texts = vec![String::from("ab"), "x".repeat(127)];
        for version in [OLD, FLEXIBLE] {
            let write = |writer: &mut Writer<'_>| {
                texts.write(writer, version);
                None::<String>.write(writer, version);
                [1_u8, 2, 3].to_vec().write(writer, version);
                1.5_f64.write(writer, version);
                true.write(writer, version);
            };
            let mut counting = Writer::counting();
            write(&mut counting);
            assert_eq!(counting.size(), written(write).len());
            assert_eq!(counting.into_bytes(), []);
        }
    }

    #[test]
    fn an_array_must_fit_what_remains() {
        let three_of_two_bytes = [0, 0, 0, 3, 0, 1, 0, 2, 0];
        let refused = Malformed::CountTooLarge { count: 3, remaining: 5 };
        assert_eq!(
            what(Vec::<i16>::read(&mut Reader::new(&three_of_two_bytes), OLD)),
            Some(refused)
        );
        let two = [0, 0, 0, 2, 0, 1, 0, 2, 0];
        assert_eq!(Vec::<i16>::read(&mut Reader::new(&two), OLD), Ok(vec![1, 2]));
        let negative = Vec::<i16>::read(&mut Reader::new(&[0xFF, 0xFF, 0xFF, 0xFE]), OLD);
        assert_eq!(what(negative), Some(Malformed::NegativeLength(-2)));
    }

    #[test]
    fn tagged_fields_without_end_end_with_the_frame() {
        let four_billion = [0xFF, 0xFF, 0xFF, 0xFF, 0x0F];
        let frame = [&four_billion[..], &[0, 0], &[1, 2, 0xAB, 0xCD], &[2, 9, 0xEF]].concat();
        let error = Reader::new(&frame).skip_tagged_fields("section").unwrap_err();
        assert_eq!((error.field, error.position), ("section", frame.len() - 1));
        assert_eq!(error.what, Malformed::Truncated { needed: 9, remaining: 1 });
    }
}
