//! Port of `kafka.server.checkpoints.CheckpointFile`, which came after 0.9: the format that all small
//! text files of the broker share. [`OffsetCheckpoint`] is one of them.
//!
//! ```text
//! 0                     the version of the format
//! 2                     how many entries follow
//! ...                   an entry
//! ...
//! ```
//!
//! A file may have further head lines between the first two. Blank lines between entries do not
//! count.
//!
//! [`OffsetCheckpoint`]: crate::storage::files::offset_checkpoint::OffsetCheckpoint

use std::collections::BTreeMap;
use std::path::Path;
use std::str::Lines;

use crate::common::errors::KafkaError;

/// The version of the format, the same in all files.
pub const CURRENT_VERSION: &str = "0";

/// A reader of such a file, line by line.
pub struct CheckpointFile<'a> {
    path: &'a Path,
    text: &'a str,
    lines: Lines<'a>,
    /// Of the line that was read last; the first is 1.
    line_number: usize,
}

impl<'a> CheckpointFile<'a> {
    /// Begins to read `text`, the content of the file `path`. `what` names the content in an error.
    ///
    /// # Errors
    /// `Corrupt` if the version is not the current one.
    pub fn read(text: &'a str, path: &'a Path, what: &str) -> Result<Self, KafkaError> {
        let mut file = Self { path, text, lines: text.lines(), line_number: 0 };
        let version = file.next_line().unwrap_or_default();
        if version.trim() != CURRENT_VERSION {
            return Err(file.corrupt(format!("unknown version {version:?} of the {what}")));
        }
        Ok(file)
    }

    /// The next line of the head. `what` names its content in an error.
    ///
    /// # Errors
    /// `Corrupt` if there is none, or `parse` refuses it.
    pub fn head<T>(
        &mut self,
        what: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, KafkaError> {
        let parsed = self.next_line().and_then(parse);
        parsed.ok_or_else(|| self.corrupt(format!("{what} is missing")))
    }

    /// All entries by their keys. `what` names them in an error.
    ///
    /// # Errors
    /// `Corrupt` with the sentence of `parse` if it refuses an entry, and if the number of different
    /// keys is not the one that the line before the entries announces.
    pub fn entries<K: Ord, V>(
        mut self,
        what: &str,
        mut parse: impl FnMut(&str) -> Result<(K, V), String>,
    ) -> Result<BTreeMap<K, V>, KafkaError> {
        let number = |line: &str| line.trim().parse::<usize>().ok();
        let announced = self.head(&format!("the number of {what}"), number)?;
        let mut entries = BTreeMap::new();
        while let Some(line) = self.next_line() {
            if !line.trim().is_empty() {
                let (key, value) = parse(line).map_err(|why| self.corrupt(why))?;
                entries.insert(key, value);
            }
        }
        if entries.len() != announced {
            let found = entries.len();
            let why = format!("expected {announced} {what}, found {found}");
            return Err(self.corrupt(why));
        }
        Ok(entries)
    }

    fn next_line(&mut self) -> Option<&'a str> {
        self.line_number += 1;
        self.lines.next()
    }

    /// An error about the line that was read last.
    fn corrupt(&self, why: String) -> KafkaError {
        let before = self.text.split_inclusive('\n').take(self.line_number - 1);
        KafkaError::Corrupt {
            file: self.path.to_path_buf(),
            position: before.map(|line| line.len() as u64).sum(),
            why: format!("line {}: {why}", self.line_number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a list of names, each with a length.
    fn lengths_in(text: &str) -> Result<BTreeMap<String, usize>, String> {
        let read = || {
            CheckpointFile::read(text, Path::new("f"), "list of names")?.entries("names", |line| {
                match line {
                    "?" => Err("nobody is called ?".to_string()),
                    name => Ok((name.to_string(), name.len())),
                }
            })
        };
        read().map_err(|error: KafkaError| error.to_string())
    }

    #[test]
    fn entries_come_by_their_keys_and_blank_lines_do_not_count() {
        let expected = BTreeMap::from([("ann".to_string(), 3), ("bo".to_string(), 2)]);
        for text in ["0\n2\nann\nbo\n", "0\n2\nbo\n\nann", " 0 \r\n2 \r\nann\r\nbo\r\n"] {
            assert_eq!(lengths_in(text).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_reported_with_its_line_and_its_place() {
        for (text, why) in [
            ("", "position 0: line 1: unknown version \"\" of the list of names"),
            ("7\n0\n", "position 0: line 1: unknown version \"7\""),
            ("0\n", "position 2: line 2: the number of names is missing"),
            ("0\nx\n", "position 2: line 2: the number of names is missing"),
            ("0\n2\nann\n?\n", "position 8: line 4: nobody is called ?"),
            ("0\n3\nann\nbo\n", "expected 3 names, found 2"),
            ("0\n2\nann\nann\n", "expected 2 names, found 1"),
        ] {
            let error = lengths_in(text).unwrap_err();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }
}
