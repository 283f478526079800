//! Port of `kafka.server.OffsetCheckpoint`: a small text file that remembers one offset per
//! partition.
//!
//! ```text
//! 0                     the version of the format
//! 2                     how many lines follow
//! post 0 1024           topic, partition, offset
//! post 1 37
//! ```

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Mutex;

use crate::common::errors::KafkaError;
use crate::common::topic_partition::TopicAndPartition;
use crate::storage::log_files::{read_text, write_atomically};

/// The file of recovery points: up to where each log is known to be on disk.
pub const RECOVERY_POINT_CHECKPOINT_FILE: &str = "recovery-point-offset-checkpoint";
/// The file of the offsets up to which each compacted log has been cleaned.
pub const CLEANER_OFFSET_CHECKPOINT_FILE: &str = "cleaner-offset-checkpoint";
/// The file of high watermarks.
pub const HIGH_WATERMARK_CHECKPOINT_FILE: &str = "replication-offset-checkpoint";
/// The file of the first offsets of logs whose beginning was deleted by an admin.
pub const LOG_START_OFFSET_CHECKPOINT_FILE: &str = "log-start-offset-checkpoint";

const CURRENT_VERSION: u32 = 0;

/// A checkpoint file. Writers take turns; a reader sees the old content or the new, never a
/// mixture.
#[derive(Debug)]
pub struct OffsetCheckpoint {
    path: PathBuf,
    /// Held while writing: two writers would share one temporary file (KAFKA-3063).
    turn: Mutex<()>,
}

impl OffsetCheckpoint {
    /// The checkpoint in the file `path`, which need not exist. Touches nothing (Kafka's
    /// constructor deletes a temporary file that somebody may be writing).
    pub fn new(path: PathBuf) -> Self {
        Self { path, turn: Mutex::new(()) }
    }

    /// Replaces what the file holds.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path.
    pub fn write(&self, offsets: &BTreeMap<TopicAndPartition, i64>) -> io::Result<()> {
        let mut text = format!("{CURRENT_VERSION}\n{}\n", offsets.len());
        for (TopicAndPartition { topic, partition }, offset) in offsets {
            writeln!(text, "{topic} {partition} {offset}").expect("a string takes all text");
        }
        let _turn = self.turn.lock().expect("no thread panics while it writes a checkpoint");
        write_atomically(&self.path, &text)
    }

    /// What the file holds; nothing, if it is missing or empty.
    ///
    /// # Errors
    /// `Corrupt` if it is no checkpoint; whatever the operating system reports, with the path.
    pub fn read(&self) -> Result<BTreeMap<TopicAndPartition, i64>, KafkaError> {
        read_text(&self.path)?.map_or(Ok(BTreeMap::new()), |text| parse(&text, &self.path))
    }
}

fn parse(text: &str, path: &Path) -> Result<BTreeMap<TopicAndPartition, i64>, KafkaError> {
    let wrong = |line_number: usize, why: String| KafkaError::Corrupt {
        file: path.to_path_buf(),
        position: text.lines().take(line_number).map(|line| line.len() as u64 + 1).sum(),
        why,
    };
    let mut lines = text.lines();
    let Some(version) = lines.next() else { return Ok(BTreeMap::new()) };
    if number::<u32>(version) != Some(CURRENT_VERSION) {
        return Err(wrong(0, format!("version {version:?} of the checkpoint is not known")));
    }
    let count: usize = lines
        .next()
        .and_then(number)
        .ok_or_else(|| wrong(1, "the number of lines is missing".to_string()))?;
    let mut offsets = BTreeMap::new();
    for (index, line) in lines.filter(|line| !line.trim().is_empty()).enumerate() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let parsed = match fields[..] {
            [topic, partition, offset] => {
                number(partition).zip(number(offset)).map(|it| (topic, it))
            }
            _ => None,
        };
        let (topic, (partition, offset)) = parsed.ok_or_else(|| {
            wrong(index + 2, format!("{line:?} is not a topic, a partition and an offset"))
        })?;
        offsets.insert(TopicAndPartition::new(topic, partition), offset);
    }
    if offsets.len() != count {
        return Err(wrong(1, format!("{count} lines were announced and {} came", offsets.len())));
    }
    Ok(offsets)
}

fn number<T: FromStr>(text: &str) -> Option<T> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_checkpoint_is_told_apart() {
        let path = Path::new("checkpoint");
        for (text, why) in [
            ("1\n0\n", "version"),
            ("0\n", "number of lines"),
            ("0\n1\nt 0\n", "not a topic"),
            ("0\n1\nt 0 x\n", "not a topic"),
            ("0\n2\nt 0 5\n", "2 lines were announced and 1 came"),
        ] {
            let error = parse(text, path).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn an_empty_file_is_an_empty_checkpoint() {
        assert!(parse("", Path::new("checkpoint")).unwrap().is_empty());
        assert!(parse("0\n0\n", Path::new("checkpoint")).unwrap().is_empty());
    }
}
