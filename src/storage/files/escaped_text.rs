//! Names in the broker's own small text files, in the place of ZooKeeper's JSON: `%`, `=` and
//! everything that is not printable ASCII stands as `%` and two hexadecimal digits.

use std::collections::BTreeMap;

use crate::common::hex::{from_hex, to_hex};

/// Adds ` name=value` to `text` for each of `settings`.
pub fn push_settings(text: &mut String, settings: &BTreeMap<String, String>) {
    for (name, value) in settings {
        text.push(' ');
        push_escaped(text, name);
        text.push('=');
        push_escaped(text, value);
    }
}

/// Adds `raw` to `text`, without a blank, a line break or an `=` in it.
pub fn push_escaped(text: &mut String, raw: &str) {
    for byte in raw.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' && byte != b'=' {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push_str(&to_hex(&[byte]));
        }
    }
}

/// What [`push_escaped`] was given; nothing if that cannot be.
pub fn unescape(escaped: &str) -> Option<String> {
    let mut parts = escaped.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (hex, rest) = part.split_at_checked(2)?;
        bytes.extend(from_hex(hex)?);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}
