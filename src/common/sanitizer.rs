//! Port of `org.apache.kafka.common.utils.Sanitizer`: names that may hold anything, written with the
//! characters that Kafka takes for harmless in the name of a metric.

use std::fmt::Write;

/// Appends `name` to `text`, each byte but letters, digits, `.`, `-` and `_` as `%` and two
/// hexadecimal digits.
pub fn push_sanitized(text: &mut String, name: &str) {
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("a string takes what is written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Port of `SanitizerTest.testSanitize`.
    #[test]
    fn a_distinguished_name_becomes_harmless() {
        let mut text = String::new();
        push_sanitized(&mut text, "CN=Some characters !@#$%&*()_-+=';:,/~");
        assert_eq!(
            text,
            "CN%3DSome%20characters%20%21%40%23%24%25%26%2A%28%29_-%2B%3D%27%3B%3A%2C%2F%7E"
        );
        assert!(text.bytes().all(|it| it.is_ascii_alphanumeric() || b"._-%".contains(&it)));
    }
}
