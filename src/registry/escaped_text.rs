//! Names in the registries' files, in the place of ZooKeeper's JSON: `%`, `=` and everything that is
//! not printable ASCII is written as `%` and two hexadecimal digits.

use std::collections::BTreeMap;

use crate::common::hex::{from_hex, to_hex};

/// Appends ` name=value` to `text` for each of `settings`.
pub(super) fn push_settings(text: &mut String, settings: &BTreeMap<String, String>) {
    for (name, value) in settings {
        text.push(' ');
        push_escaped(text, name);
        text.push('=');
        push_escaped(text, value);
    }
}

/// The name and the value of one setting as [`push_settings`] writes it.
pub(super) fn parse_setting(field: &str) -> Option<(String, String)> {
    let (name, value) = field.split_once('=')?;
    Some((unescape(name)?, unescape(value)?))
}

/// Appends `raw` to `text`, without a blank, a line break or an `=` in it.
pub(super) fn push_escaped(text: &mut String, raw: &str) {
    for byte in raw.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' && byte != b'=' {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push_str(&to_hex(&[byte]));
        }
    }
}

/// The text that [`push_escaped`] wrote as `escaped`; `None` if it never writes such a thing.
pub(super) fn unescape(escaped: &str) -> Option<String> {
    let mut parts = escaped.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (hex, rest) = part.split_at_checked(2)?;
        bytes.extend(from_hex(hex)?);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}
