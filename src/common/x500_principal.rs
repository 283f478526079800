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
/// The tags of the strings that Java writes as text, by their bytes as if they were UTF-8: UTF8,
/// Printable, T61, IA5, General and BMPString.
const TEXT: [u8; 6] = [0x0c, 0x13, 0x14, 0x16, 0x1b, 0x1e];
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
    use crate::common::hex::from_hex;

    /// Made by Java 17's `X500Principal`: its bytes, and what its `getName` writes of them.
    const NAMES: &[(&str, &str)] = &[
        ("3010310e300c06035504031305616c696365", "CN=alice"),
        (
            "3044310b300906035504061302444531133011060355040a130a7472616e73666572746f3110300e0603\
              55040b1307636c69656e7473310e300c06035504031305616c696365",
            "CN=alice,OU=clients,O=transferto,C=DE",
        ),
        ("301d310c300a060355040a0c03783b79310d300b06035504031304612c2062", "CN=a\\, b,O=x\\;y"),
        (
            "3027310a3008060355040a1301783119301706035504031310206c65616420616e6420747261696c20",
            "CN=\\ lead and trail\\ ,O=x",
        ),
        ("301e310c300a060355040a1303612b62310e300c06035504030c052368617368", "CN=\\#hash,O=a\\+b"),
        (
            "3022310a300806035504031301783114301206092a864886f70d01090116056140622e63",
            "1.2.840.113549.1.9.1=#16056140622e63,CN=x",
        ),
        ("301e310c300a060355040a0c03e69d8e310e300c06035504030c054ac3b67267", "CN=Jörg,O=李"),
        (
            "3022310a3008060355040a1301633114300806035504031301613008060355040b130162",
            "CN=a+OU=b,O=c",
        ),
        (
            "304231133011060a0992268993f22c6401191603636f6d31173015060a0992268993f22c640119160765\
              78616d706c6531123010060a0992268993f22c64010113027531",
            "UID=u1,DC=example,DC=com",
        ),
        (
            "3033310b3009060355040613024445310c300a06035504081303732074310a3008060355040713016c310a30080603550409130173",
            "STREET=s,L=l,ST=s t,C=DE",
        ),
        ("3019310a30080603550403130178310b3009060355040513023132", "2.5.4.5=#13023132,CN=x"),
        (
            "3033310a30080603550403130178310a30080603550404130173310a3008060355042a130167310d300b060355040c1304626f7373",
            "2.5.4.12=#1304626f7373,2.5.4.42=#130167,2.5.4.4=#130173,CN=x",
        ),
        ("300b3109300706035504031300", "CN="),
        ("3011310f300d06035504031e060062006d0070", "CN=\\00b\\00m\\00p"),
        ("300e310c300a060355040314034af672", "CN=J\u{fffd}r"),
        ("30123110300e0603550403160769613520784079", "CN=ia5 x@y"),
        ("300e310c300a06035504031203313233", "CN=#1203313233"),
        ("30133111300f06035504030c086100620a6309647f", "CN=a\\00b\nc\td\u{7f}"),
        (
            "3034310b3009060355040613024445310f300d060355040a0c06200d206f200d31143008060355040b0c0162300806035504030c0161",
            "OU=b+CN=a,O=\\ \\\r\\ o\\ \\\r,C=DE",
        ),
        ("300f310d300b06035504031c0400000075", "CN=#1c0400000075"),
        ("300e310c300a06035504030303000102", "CN=#0303000102"),
        ("30123110300e06035504031b0767656e6572616c", "CN=general"),
        ("30123110300e06035504031a0776697369626c65", "CN=#1a0776697369626c65"),
        ("300e310c300a06035504030c03202020", "CN=\\ \\ \\ "),
        ("3000", ""),
        ("30143112301006092a864886f70d0109011603614062", "1.2.840.113549.1.9.1=#1603614062"),
    ];

    #[test]
    fn names_are_written_as_java_writes_them() {
        for (der, written) in NAMES {
            let der = from_hex(der).unwrap();
            let parts = DerReader::new(&der).expect(SEQUENCE).unwrap();
            assert_eq!(name(parts).unwrap(), *written);
        }
    }

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
