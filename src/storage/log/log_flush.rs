//! Port of the disk work of `Log.flush`, which is done without the log's lock: appends go on
//! meanwhile.

use std::path::Path;
use std::sync::Arc;

use crate::common::errors::KafkaError;
use crate::common::units::Offset;
use crate::storage::files::file_io::sync_directory;
use crate::storage::log::log_segment::LogSegment;

/// What makes a log durable up to an offset.
#[derive(Debug)]
pub struct LogFlush {
    /// The log will be on disk below this.
    pub offset: Offset,
    /// Those that hold messages which may not be on disk.
    pub segments: Vec<Arc<LogSegment>>,
    /// Whether the directory has files whose names may not be on disk (KAFKA-3968).
    pub syncs_directory: bool,
    /// How many segments had been begun when the flush began: their names will be on disk, too.
    pub files_created: u64,
}

impl LogFlush {
    /// Waits for the disk. `dir` is the log's directory.
    ///
    /// # Errors
    /// `Io`, with the path; then nothing is known to be on disk.
    pub fn run(&self, dir: &Path) -> Result<(), KafkaError> {
        for segment in &self.segments {
            segment.flush()?;
        }
        if self.syncs_directory {
            sync_directory(dir)?;
        }
        Ok(())
    }
}
