//! Not in Kafka: a reader and a writer of DER, the form that keys and certificates have as bytes. Java brings one.

use std::fmt;

/// Tags that are read here by name.
pub const BOOLEAN: u8 = 0x01;
pub const INTEGER: u8 = 0x02;
pub const BIT_STRING: u8 = 0x03;
pub const OCTET_STRING: u8 = 0x04;
pub const OBJECT_IDENTIFIER: u8 = 0x06;
pub const SEQUENCE: u8 = 0x30;
pub const SET: u8 = 0x31;
/// `[0]`, `[1]`, ..: what a field of a sequence is told from others by.
pub const CONTEXT: u8 = 0xa0;

/// The most bytes of a length.
const LENGTH_BYTES_MAX: usize = 4;

/// Why bytes are no DER, or not what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DerError(pub &'static str);

impl fmt::Display for DerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for DerError {}

/// One value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    pub tag: u8,
    pub body: &'a [u8],
    /// With its tag and its length.
    pub whole: &'a [u8],
}

/// One value after the other.
#[derive(Clone, Copy, Debug)]
pub struct DerReader<'a> {
    rest: &'a [u8],
}

impl<'a> DerReader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next value, if there is one.
    pub fn next_tag(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next value, whatever it is.
    ///
    /// # Errors
    /// If there is none, or none that is whole and of a definite length.
    pub fn value(&mut self) -> Result<Value<'a>, DerError> {
        let [tag, first, after @ ..] = self.rest else {
            return Err(DerError("a value is cut off"));
        };
        if tag & 0x1f == 0x1f {
            return Err(DerError("a tag has more than one byte"));
        }
        let (length, after) = match usize::from(*first) {
            short @ ..0x80 => (short, after),
            0x80 => return Err(DerError("a value has no length in front")),
            long => long_length(long & 0x7f, after)?,
        };
        let body = after.get(..length).ok_or(DerError("a value is cut off"))?;
        let whole = &self.rest[..self.rest.len() - after.len() + length];
        self.rest = &after[length..];
        Ok(Value { tag: *tag, body, whole })
    }

    /// The body of the next value, which has this tag.
    ///
    /// # Errors
    /// If it has another one; as [`value`](Self::value).
    pub fn expect(&mut self, tag: u8) -> Result<&'a [u8], DerError> {
        match self.value()? {
            value if value.tag == tag => Ok(value.body),
            _ => Err(DerError("a value is not of the expected kind")),
        }
    }

    /// What stands in the next value, which has this tag.
    ///
    /// # Errors
    /// As [`expect`](Self::expect).
    pub fn enter(&mut self, tag: u8) -> Result<Self, DerError> {
        self.expect(tag).map(Self::new)
    }

    /// The next value, if it has this tag.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, DerError> {
        if self.next_tag() != Some(tag) {
            return Ok(None);
        }
        self.expect(tag).map(Some)
    }

    /// The next value, as a number that is not negative.
    ///
    /// # Errors
    /// If it is none, or above 2^32; as [`value`](Self::value).
    pub fn unsigned(&mut self) -> Result<u32, DerError> {
        let body = self.expect(INTEGER)?;
        let digits = body.strip_prefix(&[0]).unwrap_or(body);
        if digits.len() > 4 || body.first().is_none_or(|first| *first >= 0x80) {
            return Err(DerError("a number is out of range"));
        }
        Ok(digits.iter().fold(0, |number, digit| number << 8 | u32::from(*digit)))
    }
}

fn long_length(digits: usize, after: &[u8]) -> Result<(usize, &[u8]), DerError> {
    if digits > LENGTH_BYTES_MAX {
        return Err(DerError("a value is longer than 4 GiB"));
    }
    let (length, after) = after.split_at_checked(digits).ok_or(DerError("a value is cut off"))?;
    let length = length.iter().fold(0_usize, |length, digit| length << 8 | usize::from(*digit));
    Ok((length, after))
}

/// A value whose body is these parts.
pub fn written(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let digits = body.len().to_be_bytes();
    let zeros = digits.iter().take_while(|it| **it == 0).count();
    let digits = &digits[zeros..];
    let length = match digits {
        [] => vec![0],
        [short @ ..0x80] => vec![*short],
        long => [&[0x80 | u8::try_from(long.len()).unwrap_or(u8::MAX)], long].concat(),
    };
    [&[tag], &length[..], &body].concat()
}

/// An object identifier as people write it: `1.2.840.113549.1.9.1`.
pub fn dotted(identifier: &[u8]) -> String {
    let mut numbers: Vec<u128> = Vec::new();
    let mut number: u128 = 0;
    for byte in identifier {
        number = number.wrapping_shl(7) | u128::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            numbers.push(number);
            number = 0;
        }
    }
    let first = numbers.first().copied().unwrap_or(0);
    let arc = (first / 40).min(2);
    let mut text = format!("{arc}.{}", first - 40 * arc);
    for number in numbers.iter().skip(1) {
        text.push_str(&format!(".{number}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_one_after_the_other_with_short_and_long_lengths() {
        let mut bytes = vec![OCTET_STRING, 2, 7, 8, OCTET_STRING, 0x81, 0x80];
        bytes.extend([9; 0x80]);
        let mut reader = DerReader::new(&bytes);
        assert_eq!(reader.value().unwrap().whole, [OCTET_STRING, 2, 7, 8]);
        assert_eq!(reader.expect(OCTET_STRING).unwrap(), [9; 0x80]);
        assert!(reader.is_empty());
    }

    #[test]
    fn what_is_written_reads_back() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let body = vec![7; length];
            let bytes = written(OCTET_STRING, &[&body[..length / 2], &body[length / 2..]]);
            assert_eq!(DerReader::new(&bytes).expect(OCTET_STRING), Ok(&body[..]));
        }
    }

    #[test]
    fn what_is_cut_off_or_without_length_is_an_error() {
        for bytes in [
            &[][..],
            &[0x30],
            &[0x30, 5, 0],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x82, 1],
            &[0x30, 0x85, 1, 1, 1, 1, 1],
            &[0x1f, 1, 0],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert!(DerReader::new(bytes).value().is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn numbers_have_a_range() {
        assert_eq!(DerReader::new(&[2, 1, 7]).unsigned(), Ok(7));
        assert_eq!(DerReader::new(&[2, 3, 0, 0x80, 0]).unsigned(), Ok(0x8000));
        assert_eq!(DerReader::new(&[2, 5, 0, 255, 255, 255, 255]).unsigned(), Ok(u32::MAX));
        for wrong in [&[2, 0][..], &[2, 1, 0x80], &[2, 5, 1, 0, 0, 0, 0], &[4, 1, 1]] {
            assert!(DerReader::new(wrong).unsigned().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn identifiers_are_written_with_dots() {
        assert_eq!(dotted(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1]), "1.2.840.113549.1.9.1");
        assert_eq!(dotted(&[0x55, 4, 3]), "2.5.4.3");
        assert_eq!(dotted(&[0x88, 0x37, 1]), "2.999.1");
    }
}
