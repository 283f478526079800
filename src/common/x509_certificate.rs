//! In place of `java.security.cert.X509Certificate`: what a certificate says of itself. Whether it is
//! true, the TLS library checks.

use crate::common::der::{
    BIT_STRING, BOOLEAN, CONTEXT, DerError, DerReader, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE,
};
use crate::common::x500_principal;

/// The tags of the two ways to write a time.
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
/// In the first byte of a key usage.
const KEY_CERT_SIGN: u8 = 0x04;
const FIRST_WITH_EXTENSIONS: u32 = 3;
/// Two digits of a year stand for 1950 to 2049.
const CENTURY_BEGINS: i64 = 50;
const SECONDS_PER_DAY: i64 = 86_400;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct X509Certificate {
    /// 1 or 3, and once in a while 2.
    pub version: u32,
    /// Whose it is, as RFC 2253 writes names.
    pub subject: String,
    /// Who has signed it.
    pub issuer: String,
    /// In seconds since 1970.
    pub not_before_s: i64,
    pub not_after_s: i64,
    /// The key that it is for, in the form of its algorithm.
    pub public_key: Vec<u8>,
    /// Whether it names hosts where clients of today look for them.
    pub has_subject_alternative_name: bool,
}

/// Port of `PKIXValidator.verifyTrustAnchor`: whether a certificate in DER may have signed others. One from before
/// version 3 cannot say that it may not.
///
/// # Errors
/// If it is no certificate.
pub fn may_sign(der: &[u8]) -> Result<bool, DerError> {
    let mut signed = DerReader::new(der).enter(SEQUENCE)?.enter(SEQUENCE)?;
    let version = version_of(&mut signed)?;
    // The number, the algorithm, the issuer, the validity, the subject and the key.
    for _ in 0..6 {
        signed.value()?;
    }
    if version < FIRST_WITH_EXTENSIONS {
        return Ok(true);
    }
    let (mut is_authority, mut is_key_for_signatures) = (false, true);
    for_each_extension(signed, |identifier, value| {
        match identifier {
            BASIC_CONSTRAINTS => {
                let mut constraints = DerReader::new(value).enter(SEQUENCE)?;
                is_authority = constraints.optional(BOOLEAN)?.is_some_and(|it| it != [0]);
            }
            KEY_USAGE => {
                let bits = DerReader::new(value).expect(BIT_STRING)?;
                is_key_for_signatures = bits.get(1).is_some_and(|it| it & KEY_CERT_SIGN != 0);
            }
            _ => (),
        }
        Ok(())
    })?;
    Ok(is_authority && is_key_for_signatures)
}

fn version_of(signed: &mut DerReader<'_>) -> Result<u32, DerError> {
    Ok(match signed.optional(CONTEXT)? {
        Some(version) => DerReader::new(version).unsigned()?.saturating_add(1),
        None => 1,
    })
}

impl X509Certificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(der: &[u8]) -> Result<Self, DerError> {
        let mut certificate = DerReader::new(der).enter(SEQUENCE)?;
        let mut signed = certificate.enter(SEQUENCE)?;
        let version = version_of(&mut signed)?;
        let _serial_number = signed.value()?;
        let _algorithm = signed.value()?;
        let issuer = x500_principal::name(signed.expect(SEQUENCE)?)?;
        let mut validity = signed.enter(SEQUENCE)?;
        let (not_before_s, not_after_s) = (time_s(&mut validity)?, time_s(&mut validity)?);
        let subject = x500_principal::name(signed.expect(SEQUENCE)?)?;
        let mut key_info = signed.enter(SEQUENCE)?;
        let _key_algorithm = key_info.value()?;
        // The first byte says that no bits are left over at the end.
        let public_key = key_info.expect(BIT_STRING)?.get(1..).unwrap_or_default().to_vec();
        let has_subject_alternative_name = has_subject_alternative_name(signed)?;
        Ok(Self {
            version,
            subject,
            issuer,
            not_before_s,
            not_after_s,
            public_key,
            has_subject_alternative_name,
        })
    }
}

fn has_subject_alternative_name(after_key: DerReader<'_>) -> Result<bool, DerError> {
    let mut is_there = false;
    for_each_extension(after_key, |identifier, value| {
        is_there |= identifier == SUBJECT_ALTERNATIVE_NAME && !value.is_empty();
        Ok(())
    })?;
    Ok(is_there)
}

/// Hands on the identifier of each extension and what stands in it.
fn for_each_extension<'a>(
    mut after_key: DerReader<'a>,
    mut take: impl FnMut(&'a [u8], &'a [u8]) -> Result<(), DerError>,
) -> Result<(), DerError> {
    while !after_key.is_empty() {
        let field = after_key.value()?;
        if field.tag != CONTEXT + 3 {
            continue;
        }
        let mut extensions = DerReader::new(field.body).enter(SEQUENCE)?;
        while !extensions.is_empty() {
            let mut extension = extensions.enter(SEQUENCE)?;
            let identifier = extension.expect(OBJECT_IDENTIFIER)?;
            let _is_critical = extension.optional(BOOLEAN)?;
            take(identifier, extension.expect(OCTET_STRING)?)?;
        }
    }
    Ok(())
}

/// The next time, which ends with `Z`.
fn time_s(reader: &mut DerReader<'_>) -> Result<i64, DerError> {
    const WRONG: DerError = DerError("a time is not written as it must be");
    let value = reader.value()?;
    let text = std::str::from_utf8(value.body).map_err(|_| WRONG)?;
    let digits = text.strip_suffix('Z').ok_or(WRONG)?;
    if !digits.bytes().all(|it| it.is_ascii_digit()) {
        return Err(WRONG);
    }
    let year_digits = match (value.tag, digits.len()) {
        (UTC_TIME, 12) => 2,
        (GENERALIZED_TIME, 14) => 4,
        _ => return Err(WRONG),
    };
    let (year, rest) = digits.split_at(year_digits);
    let year: i64 = year.parse().map_err(|_| WRONG)?;
    let year = match year_digits {
        2 if year < CENTURY_BEGINS => 2000 + year,
        2 => 1900 + year,
        _ => year,
    };
    let number = |at: usize| rest[at..at + 2].parse::<i64>().map_err(|_| WRONG);
    let (month, day) = (number(0)?, number(2)?);
    let (hour, minute, second) = (number(4)?, number(6)?, number(8)?);
    let is_date = (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return Err(WRONG);
    }
    let seconds = (hour * 60 + minute) * 60 + second;
    Ok(days_since_1970(year, month, day) * SECONDS_PER_DAY + seconds)
}

/// By the Gregorian calendar, whose years are counted from March on here: the leap day ends them.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let years = if month > 2 { year } else { year - 1 };
    let months = (month + 9) % 12;
    let leap_days = years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400);
    years * 365 + leap_days + (months * 306 + 5) / 10 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(tag: u8, text: &str) -> Result<i64, DerError> {
        let length = u8::try_from(text.len()).unwrap();
        let bytes = [&[tag, length], text.as_bytes()].concat();
        time_s(&mut DerReader::new(&bytes))
    }

    #[test]
    fn times_are_read_in_both_ways_of_writing() {
        assert_eq!(seconds(UTC_TIME, "700101000000Z"), Ok(0));
        assert_eq!(seconds(UTC_TIME, "000229120000Z"), Ok(951_825_600));
        assert_eq!(seconds(UTC_TIME, "491231235959Z"), Ok(2_524_607_999));
        assert_eq!(seconds(UTC_TIME, "500101000000Z"), Ok(-631_152_000));
        assert_eq!(seconds(GENERALIZED_TIME, "99991231235959Z"), Ok(253_402_300_799));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for (tag, text) in [
            (UTC_TIME, "7001010000Z"),
            (UTC_TIME, "700101000000+0100"),
            (UTC_TIME, "701301000000Z"),
            (UTC_TIME, "700100000000Z"),
            (UTC_TIME, "700101240000Z"),
            (GENERALIZED_TIME, "700101000000Z"),
            (0x0c, "700101000000Z"),
        ] {
            assert!(seconds(tag, text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_an_error() {
        for bytes in [&[][..], &[0x30, 0], &[0x30, 2, 0x30, 0], b"-----BEGIN CERTIFICATE-----"] {
            assert!(X509Certificate::parse(bytes).is_err());
        }
    }
}
