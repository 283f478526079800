//! In place of `javax.security.auth.x500.X500Principal`: the name in a certificate, as its
//! `getName` writes it. Kafka's ACLs and `super.users` hold names of this form.

use crate::common::der::{DerError, DerReader, OBJECT_IDENTIFIER, SEQUENCE, SET, dotted};
use crate::common::hex::to_hex;

/// The kinds of attribute that RFC 2253 has a word for.
const KEYWORDS: [(&[u8], &str); 9] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
];
/// The tags of the strings that Java writes as text: UTF8, Printable, T61, IA5, General, Universal and
/// BMPString.
const TEXT: [u8; 7] = [0x0c, 0x13, 0x14, 0x16, 0x1b, 0x1c, 0x1e];
/// The characters that Java puts a backslash before, wherever they stand.
const ESCAPED: &str = ",=+<>#;\"\\";

/// Writes a distinguished name as RFC 2253 does, the most specific part first:
/// `CN=alice,OU=clients,C=DE`. `name` is what stands in its sequence.
///
/// # Errors
/// If it is no name.
pub fn name(name: &[u8]) -> Result<String, DerError> {
    let mut parts = Vec::new();
    let mut reader = DerReader::new(name);
    while !reader.is_empty() {
        parts.push(part(reader.enter(SET)?)?);
    }
    parts.reverse();
    Ok(parts.join(","))
}

/// One part, mostly of one attribute.
fn part(mut attributes: DerReader<'_>) -> Result<String, DerError> {
    let mut written = Vec::new();
    while !attributes.is_empty() {
        written.push(attribute(attributes.enter(SEQUENCE)?)?);
    }
    Ok(written.join("+"))
}

fn attribute(mut attribute: DerReader<'_>) -> Result<String, DerError> {
    let kind = attribute.expect(OBJECT_IDENTIFIER)?;
    let value = attribute.value()?;
    let keyword = KEYWORDS.iter().find(|(identifier, _)| *identifier == kind);
    Ok(match keyword {
        Some((_, word)) if TEXT.contains(&value.tag) => {
            format!("{word}={}", escaped(&String::from_utf8_lossy(value.body)))
        }
        Some((_, word)) => format!("{word}=#{}", to_hex(value.whole)),
        None => format!("{}=#{}", dotted(kind), to_hex(value.whole)),
    })
}

fn escaped(text: &str) -> String {
    let is_blank = |c: char| c == ' ' || c == '\r';
    let begins = text.len() - text.trim_start_matches(is_blank).len();
    let ends = text.trim_end_matches(is_blank).len();
    let mut written = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if c == '\0' {
            written.push_str("\\00");
            continue;
        }
        if ESCAPED.contains(c) || at < begins || at >= ends {
            written.push('\\');
        }
        written.push(c);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_at_the_ends_and_marks_get_a_backslash() {
        for (text, written) in [
            ("alice", "alice"),
            ("a, b", "a\\, b"),
            ("  a b ", "\\ \\ a b\\ "),
            ("#1=x+y;<z>\"\\", "\\#1\\=x\\+y\\;\\<z\\>\\\"\\\\"),
            ("a\0b", "a\\00b"),
            ("", ""),
            ("Jörg 李", "Jörg 李"),
        ] {
            assert_eq!(escaped(text), written);
        }
    }
}
