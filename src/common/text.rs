//! Text for the log: what clients made up, and how many there are of something; numbers as Java
//! writes them.

use std::fmt;

use crate::common::step::in_words;
use crate::common::topic_partition::TOPIC_NAME_BYTES_MAX;

/// A log line is cut after so many characters. What is longer quotes a peer, or is a list.
const LINE_CHARS_MAX: usize = 4000;

/// A line as the log takes it, whatever it quotes: cut to a bound, and without control characters,
/// which would forge further lines or command a terminal.
pub fn on_one_line(text: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let mut line: String = text.chars().take(LINE_CHARS_MAX).map(printable).collect();
    let cut = text.chars().skip(LINE_CHARS_MAX).count();
    if cut > 0 {
        line.push_str(&format!("... ({cut} more characters)"));
    }
    line
}

/// Quotes a name that a client chose: cut to a bound and escaped, so that it neither fills the log
/// nor forges a line of it.
pub fn for_log(name: &str) -> String {
    format!("{:?}", name.chars().take(TOPIC_NAME_BYTES_MAX).collect::<String>())
}

/// `1 partition`, `2 partitions`.
pub fn counted(count: usize, noun: &str) -> impl fmt::Display {
    in_words(move |f| match count {
        1 => write!(f, "1 {noun}"),
        _ => write!(f, "{count} {noun}s"),
    })
}

/// Java's `String.hashCode`, by which Kafka shares work out.
pub(crate) fn java_hash_code(text: &str) -> i32 {
    text.encode_utf16()
        .fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// Port of `Utils.abs`: the one number that has no positive counterpart becomes 0.
pub(crate) fn java_abs(number: i32) -> i32 {
    number.checked_abs().unwrap_or(0)
}

/// A number as Java's `Double.toString` writes it: tools compare the text.
pub(crate) fn java_double(value: f64) -> String {
    if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        return format!("{value:?}");
    }
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_control_characters_and_an_end() {
        assert_eq!(on_one_line("a\n\x1b[2Jb"), "a  [2Jb");
        let long = on_one_line(&"x".repeat(LINE_CHARS_MAX + 7));
        assert!(long.ends_with("x... (7 more characters)"), "{long}");
        assert_eq!(on_one_line(&"x".repeat(LINE_CHARS_MAX)).len(), LINE_CHARS_MAX);
    }

    #[test]
    fn one_is_not_many() {
        let texts = [0, 1, 2].map(|count| counted(count, "byte").to_string());
        assert_eq!(texts, ["0 bytes", "1 byte", "2 bytes"]);
    }

    #[test]
    fn a_name_is_quoted_and_cut() {
        assert_eq!(for_log("a\nb"), r#""a\nb""#);
        assert_eq!(for_log(&"x".repeat(1000)).len(), TOPIC_NAME_BYTES_MAX + 2);
    }
}
