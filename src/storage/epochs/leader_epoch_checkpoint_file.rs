//! Port of `org.apache.kafka.storage.internals.checkpoint.LeaderEpochCheckpointFile`: a
//! [`CheckpointFile`] in a log's directory that holds the epochs of the log.
//!
//! ```text
//! 0                     the version of the format
//! 2                     how many lines follow
//! 0 0                   epoch, offset of its first record
//! 3 1024
//! ```

use std::io;
use std::path::{Path, PathBuf};

use crate::common::errors::KafkaError;
use crate::common::units::{LeaderEpoch, Offset};
use crate::storage::epochs::epoch_entries::EpochEntries;
use crate::storage::epochs::epoch_entry::EpochEntry;
use crate::storage::files::checkpoint_file::{CURRENT_VERSION, CheckpointFile};
use crate::storage::files::file_io::{AtomicWriter, read_text};

/// The name of the file in a log's directory.
pub const LEADER_EPOCH_CHECKPOINT_FILE: &str = "leader-epoch-checkpoint";

/// The file of one log. Whoever has it is its only writer.
#[derive(Debug)]
pub struct LeaderEpochCheckpointFile {
    path: PathBuf,
    writer: AtomicWriter,
}

impl LeaderEpochCheckpointFile {
    /// That of the log in `dir`, which need not exist. Touches nothing.
    pub fn new(dir: &Path) -> Self {
        let path = dir.join(LEADER_EPOCH_CHECKPOINT_FILE);
        let writer = AtomicWriter::new(&path);
        Self { path, writer }
    }

    /// The epochs in the file, none if it is [blank](Self::is_blank); `None` if it is missing.
    ///
    /// # Errors
    /// `Corrupt` if it is not a checkpoint; whatever the operating system reports, with the path.
    pub fn read(&self) -> Result<Option<EpochEntries>, KafkaError> {
        read_text(&self.path)?.map(|text| parse(&text, &self.path)).transpose()
    }

    /// Whether the file is there and has no byte. Kafka makes it so, and writes the first epoch into it; a power loss can
    /// leave it so as well.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path.
    pub fn is_blank(&self) -> Result<bool, KafkaError> {
        Ok(read_text(&self.path)?.is_some_and(|text| text.is_empty()))
    }

    /// Replaces the content of the file, and waits until that is on disk.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path.
    pub fn write(&mut self, epochs: &EpochEntries) -> io::Result<()> {
        let entries = epochs.as_slice();
        let mut text = format!("{CURRENT_VERSION}\n{}\n", entries.len());
        for EpochEntry { epoch, start_offset } in entries {
            text.push_str(&format!("{epoch} {start_offset}\n"));
        }
        self.writer.write(&text)
    }
}

fn parse(text: &str, path: &Path) -> Result<EpochEntries, KafkaError> {
    if text.is_empty() {
        return Ok(EpochEntries::default());
    }
    let file = CheckpointFile::read(text, path, "leader epochs")?;
    let by_epoch = file.entries("epochs", |line| {
        parse_entry(line).ok_or_else(|| format!("{line:?} is not an epoch and an offset"))
    })?;
    let mut epochs = EpochEntries::default();
    for (epoch, start_offset) in by_epoch {
        epochs.assign(EpochEntry { epoch, start_offset });
    }
    Ok(epochs)
}

fn parse_entry(line: &str) -> Option<(LeaderEpoch, Offset)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [epoch, offset] = fields[..] else { return None };
    let (epoch, offset) = (LeaderEpoch(epoch.parse().ok()?), Offset(offset.parse().ok()?));
    (epoch > LeaderEpoch::NONE && offset >= Offset::FIRST).then_some((epoch, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_holds_no_epochs_is_recognized() {
        for (text, why) in [
            ("\0\0\0\0", "unknown version"),
            ("1\n0\n", "unknown version"),
            ("0\n", "number of epochs"),
            ("0\n1\n0\n", "not an epoch and an offset"),
            ("0\n1\n0 x\n", "not an epoch and an offset"),
            ("0\n1\n-1 0\n", "not an epoch and an offset"),
            ("0\n1\n0 -1\n", "not an epoch and an offset"),
            ("0\n1\n0 0 0\n", "not an epoch and an offset"),
            ("0\n2\n0 0\n", "expected 2 epochs, found 1"),
        ] {
            let error = parse(text, Path::new("leader-epoch-checkpoint")).unwrap_err().to_string();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }

    #[test]
    fn of_epochs_that_do_not_ascend_the_newest_is_right() {
        let path = Path::new("leader-epoch-checkpoint");
        let epochs = parse("0\n3\n2 9\n0 0\n5 7\n", path).unwrap();
        let entries = [(0, 0), (5, 7)].map(|(epoch, offset)| EpochEntry {
            epoch: LeaderEpoch(epoch),
            start_offset: Offset(offset),
        });
        assert_eq!(epochs.as_slice(), entries);
        assert!(parse("0\n0\n", path).unwrap().as_slice().is_empty());
    }

    #[test]
    fn an_empty_file_holds_no_epochs() {
        let path = Path::new("leader-epoch-checkpoint");
        assert_eq!(parse("", path).unwrap(), EpochEntries::default());
    }
}
