//! In the place of Java's `System.out` and `System.err`: where a tool prints to, and how it prints
//! the bytes of a record.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::io::{BufWriter, Write};
use std::str::from_utf8;

/// What Java's decoder puts in the place of bytes that are not UTF-8.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// Prints lines, and complains beside them.
pub(crate) struct Printer<'a> {
    out: BufWriter<&'a mut dyn Write>,
    err: &'a mut dyn Write,
    is_terminal: bool,
    /// The first error of a write; nothing is written after it.
    failure: Option<io::Error>,
    has_damage: bool,
}

impl<'a> Printer<'a> {
    pub(crate) fn new(out: &'a mut dyn Write, err: &'a mut dyn Write, is_terminal: bool) -> Self {
        let out = BufWriter::new(out);
        Self { out, err, is_terminal, failure: None, has_damage: false }
    }

    /// Prints what the tool itself says.
    pub(crate) fn print(&mut self, text: fmt::Arguments<'_>) {
        if self.failure.is_none() {
            self.failure = self.out.write_fmt(text).err();
        }
    }

    /// Prints what somebody else chose. A terminal obeys control characters, so they are escaped
    /// there.
    pub(crate) fn print_text(&mut self, text: &str) {
        if self.is_terminal && text.chars().any(char::is_control) {
            for c in text.chars() {
                match c.is_control() {
                    true => self.print(format_args!("{}", c.escape_default())),
                    false => self.print(format_args!("{c}")),
                }
            }
        } else {
            self.print(format_args!("{text}"));
        }
    }

    /// Lets everything be seen that was printed so far.
    pub(crate) fn flush(&mut self) {
        if self.failure.is_none() {
            self.failure = self.out.flush().err();
        }
    }

    /// Says what is wrong with the files, in Kafka's words.
    pub(crate) fn complain(&mut self, line: fmt::Arguments<'_>) {
        self.flush(); // What stands before it on a terminal comes before it.
        // There is no better place to say that it cannot be said.
        let _ = writeln!(self.err, "{line}");
    }

    /// Notes damage that a line in Kafka's words reports: Kafka's tool exits with 0 all the same.
    pub(crate) fn note_damage(&mut self) {
        self.has_damage = true;
    }

    /// Says what keeps a file from being read to its end.
    pub(crate) fn error(&mut self, why: &dyn fmt::Display) {
        self.note_damage();
        self.complain(format_args!("transferto: {why}"));
    }

    /// Whether what is printed arrives nowhere.
    pub(crate) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Whether all files could be read to their ends and no damage was noted.
    ///
    /// # Errors
    /// The first error of a write. A reader who has closed the pipe has read enough: that is none.
    pub(crate) fn finish(mut self) -> io::Result<bool> {
        let failure = self.failure.take().or_else(|| self.out.flush().err());
        // Or it would be written once more when it is dropped.
        let (_, _) = self.out.into_parts();
        match failure {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(!self.has_damage),
        }
    }
}

/// The text that Java makes of `bytes`, `new String(bytes, UTF_8)`: what is not UTF-8 is replaced.
pub(crate) fn java_string(bytes: &[u8]) -> Cow<'_, str> {
    let Err(mut error) = from_utf8(bytes).map(|_| ()) else {
        return String::from_utf8_lossy(bytes);
    };
    let (mut text, mut rest) = (String::new(), bytes);
    loop {
        let (valid, wrong) = rest.split_at(error.valid_up_to());
        text.push_str(&String::from_utf8_lossy(valid));
        text.push(REPLACEMENT);
        rest = &wrong[wrong_bytes(wrong, error.error_len())..];
        match from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                return Cow::Owned(text);
            }
            Err(next) => error = next,
        }
    }
}

/// How many bytes at the front of `wrong` one replacement stands for. `error_len` is Rust's answer;
/// Java has another one for half of a surrogate pair, which it takes for a whole character.
fn wrong_bytes(wrong: &[u8], error_len: Option<usize>) -> usize {
    let is_continuation = |at: usize| wrong.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    match (wrong, error_len) {
        ([0xed, 0xa0..=0xbf, ..], _) => 2 + usize::from(is_continuation(2)),
        (_, Some(length)) => length,
        (_, None) => wrong.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(is_terminal: bool, text: &str) -> String {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut printer = Printer::new(&mut out, &mut err, is_terminal);
        printer.print_text(text);
        assert!(printer.finish().unwrap());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_terminal_gets_no_control_characters_and_a_file_gets_them_all() {
        let text = "é\x1b[2J\n\u{9b}\"\\";
        assert_eq!(printed(false, text), text);
        assert_eq!(printed(true, text), "é\\u{1b}[2J\\n\\u{9b}\"\\");
    }

    /// Recorded from Java 17.
    #[test]
    fn what_is_not_utf_8_is_replaced_as_in_java() {
        for (bytes, text) in [
            (&b"ok \xc3\xa9"[..], "ok é"),
            (b"\xff\xfea", "\u{fffd}\u{fffd}a"),
            (b"\xe2\x82", "\u{fffd}"),
            (b"\xe2\x82a", "\u{fffd}a"),
            (b"\xf0\x90\x80", "\u{fffd}"),
            (b"\xc0\x80", "\u{fffd}\u{fffd}"),
            (b"\xe0\x80\x80", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xed\xa0\x80b", "\u{fffd}b"),
            (b"\xed\xa0a", "\u{fffd}a"),
            (b"\xed\xa0", "\u{fffd}"),
            (b"\xf4\x90\x80\x80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            (b"a\x80b\x80c", "a\u{fffd}b\u{fffd}c"),
        ] {
            assert_eq!(java_string(bytes), text, "{bytes:x?}");
        }
    }
}
