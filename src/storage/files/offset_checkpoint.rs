//! Port of `kafka.server.OffsetCheckpoint`: a [`CheckpointFile`] that holds one offset per partition.
//!
//! ```text
//! 0                     the version of the format
//! 2                     how many lines follow
//! post 0 1024           topic, partition, offset
//! post 1 37
//! ```

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::common::errors::KafkaError;
use crate::common::lock::locked;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::Offset;
use crate::storage::files::checkpoint_file::{CURRENT_VERSION, CheckpointFile};
use crate::storage::files::file_io::{AtomicWriter, read_text};

/// Recovery points: up to where each log is known to be on disk.
pub const RECOVERY_POINT_CHECKPOINT_FILE: &str = "recovery-point-offset-checkpoint";
/// Up to where each compacted log has been cleaned.
pub const CLEANER_OFFSET_CHECKPOINT_FILE: &str = "cleaner-offset-checkpoint";
/// The first offsets of logs whose beginning was deleted by an admin.
pub const LOG_START_OFFSET_CHECKPOINT_FILE: &str = "log-start-offset-checkpoint";

/// A checkpoint file. A reader sees the old content or the new, never a mixture.
#[derive(Debug)]
pub struct OffsetCheckpoint {
    path: PathBuf,
    writer: Mutex<AtomicWriter>,
}

impl OffsetCheckpoint {
    /// The checkpoint in the file `path`, which need not exist. Touches nothing.
    pub fn new(path: PathBuf) -> Self {
        let writer = Mutex::new(AtomicWriter::new(&path));
        Self { path, writer }
    }

    /// Replaces the content of the file. Threads take turns.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path.
    pub fn write(&self, offsets: &BTreeMap<TopicAndPartition, Offset>) -> io::Result<()> {
        locked(&self.writer).write(&text_of(offsets))
    }

    /// The same for offsets that move: they are collected when it is this thread's turn, so that no older ones
    /// take the place of newer ones.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_current(
        &self,
        collect: impl FnOnce() -> BTreeMap<TopicAndPartition, Offset>,
    ) -> io::Result<()> {
        let mut writer = locked(&self.writer);
        writer.write(&text_of(&collect()))
    }

    /// The offsets in the file; none if it is missing or empty.
    ///
    /// # Errors
    /// `Corrupt` if it is not a checkpoint; whatever the operating system reports, with the path.
    pub fn read(&self) -> Result<BTreeMap<TopicAndPartition, Offset>, KafkaError> {
        read_text(&self.path)?.map_or(Ok(BTreeMap::new()), |text| parse(&text, &self.path))
    }
}

fn text_of(offsets: &BTreeMap<TopicAndPartition, Offset>) -> String {
    let mut text = format!("{CURRENT_VERSION}\n{}\n", offsets.len());
    for (TopicAndPartition { topic, partition }, offset) in offsets {
        text.push_str(&format!("{topic} {partition} {offset}\n"));
    }
    text
}

fn parse(text: &str, path: &Path) -> Result<BTreeMap<TopicAndPartition, Offset>, KafkaError> {
    if text.is_empty() {
        return Ok(BTreeMap::new());
    }
    CheckpointFile::read(text, path, "checkpoint")?.entries("lines", |line| {
        parse_offset(line)
            .ok_or_else(|| format!("{line:?} is not a topic, a partition and an offset"))
    })
}

fn parse_offset(line: &str) -> Option<(TopicAndPartition, Offset)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [topic, partition, offset] = fields[..] else { return None };
    Some((TopicAndPartition::new(topic, partition.parse().ok()?), Offset(offset.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Port of `OffsetCheckpointFileTest.shouldPersistAndOverwriteAndReloadFile` and
    /// `OffsetCheckpointFileTest.shouldHandleMultipleLines`.
    #[test]
    fn what_is_written_takes_the_place_of_what_was_there() {
        let name = format!("transferto-offset-checkpoint-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let checkpoint = OffsetCheckpoint::new(path.clone());
        let offsets = |topic, partitions: i32, offset| {
            let key = |partition| TopicAndPartition::new(topic, partition);
            (0..partitions).map(|it| (key(it), Offset(offset))).collect::<BTreeMap<_, _>>()
        };
        for written in [offsets("foo", 10, 5), offsets("bar", 2, 20), BTreeMap::new()] {
            checkpoint.write(&written).unwrap();
            assert_eq!(checkpoint.read().unwrap(), written);
        }
        std::fs::remove_file(path).unwrap();
    }

    /// Port of `OffsetCheckpointFileTest.shouldThrowIfVersionIsNotRecognised`.
    #[test]
    fn a_file_that_is_no_checkpoint_is_recognized() {
        let path = Path::new("checkpoint");
        for (text, why) in [
            ("1\n0\n", "version"),
            ("0\n", "number of lines"),
            ("0\n1\nt 0\n", "not a topic"),
            ("0\n1\nt 0 x\n", "not a topic"),
            ("0\n2\nt 0 5\n", "expected 2 lines, found 1"),
        ] {
            let error = parse(text, path).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    /// Port of `OffsetCheckpointFileTest.shouldReturnEmptyMapForEmptyFile`.
    #[test]
    fn an_empty_file_is_an_empty_checkpoint() {
        assert!(parse("", Path::new("checkpoint")).unwrap().is_empty());
        assert!(parse("0\n0\n", Path::new("checkpoint")).unwrap().is_empty());
    }
}
