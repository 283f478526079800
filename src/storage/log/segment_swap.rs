//! Port of `Log.replaceSegments`: how a cleaned segment takes the place of those it was made from.
//!
//! The files change their names in an order that leaves, wherever a crash stops it, something that
//! [`LogLoader`](crate::storage::log::log_loader::LogLoader) can finish or undo:
//!
//! ```text
//! N.log.cleaned              being written; a start removes it
//! N.log.swap                 whole and on disk; a start puts it in the place of N.log and of the
//!                            segments that begin within it
//! N.log.deleted, M.log.deleted   the old ones; a start removes them
//! N.log                      done
//! ```

use std::io;
use std::sync::Arc;

use log::debug;
use log::warn;

use crate::common::errors::KafkaError;
use crate::config::log_config::LogConfig;
use crate::storage::files::file_io::{remove_if_exists, sync_directory};
use crate::storage::files::log_file_names::{
    CLEANED_FILE_SUFFIX, SWAP_FILE_SUFFIX, index_filename, log_filename, time_index_filename,
    with_suffix,
};
use crate::storage::log::log::Log;
use crate::storage::log::log_segment::LogSegment;

impl Log {
    /// An empty segment beside the log, for what is left of those from `base_offset` on. What an
    /// earlier attempt left behind makes way.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path.
    pub fn create_cleaned_segment(&self, base_offset: i64) -> io::Result<LogSegment> {
        for filename in [log_filename, index_filename, time_index_filename] {
            remove_if_exists(&with_suffix(&filename(&self.dir, base_offset), CLEANED_FILE_SUFFIX))?;
        }
        let config = LogConfig { preallocate: false, ..LogConfig::clone(&self.config()) };
        let suffix = CLEANED_FILE_SUFFIX;
        LogSegment::open_with_suffix(&self.dir, base_offset, suffix, &config, &*self.time)
    }

    /// Puts `cleaned`, which is whole and on disk, in the place of `replaced`. Who holds a slice of
    /// those can go on to send it. Returns whether that was done: not if the log has lost one of
    /// them meanwhile, or appends to it again.
    ///
    /// # Errors
    /// `Io`, with the path. Then, as when it was not done, the log is as it was, and the files of
    /// `cleaned` are the caller's to delete.
    pub fn replace_segments(
        &self,
        cleaned: &Arc<LogSegment>,
        replaced: &[Arc<LogSegment>],
    ) -> Result<bool, KafkaError> {
        cleaned.change_file_suffixes(CLEANED_FILE_SUFFIX, SWAP_FILE_SUFFIX)?;
        // Before an old file goes, and before the lock: appends do not wait for it.
        sync_directory(&self.dir)?;
        if !self.swap_in(cleaned, replaced) {
            return Ok(false);
        }
        // From here on there is no way back, and none is needed: a start finishes what fails.
        if let Err(error) = sync_directory(&self.dir) {
            warn!("a crash may undo the cleaning of {}: {error}", self.topic_and_partition);
        }
        debug!(
            "{} segments of {} from offset {} on are one of {} bytes now",
            replaced.len(),
            self.topic_and_partition,
            cleaned.base_offset(),
            cleaned.size()
        );
        Ok(true)
    }

    fn swap_in(&self, cleaned: &Arc<LogSegment>, replaced: &[Arc<LogSegment>]) -> bool {
        let _lock = self.lock();
        if !self.segments.replace(cleaned, replaced) {
            return false;
        }
        for old in replaced {
            if let Err(error) = self.delete_later(old) {
                let (segment, log) = (old.base_offset(), &self.topic_and_partition);
                warn!("the cleaned segment {segment} of {log} stays on disk: {error}");
            }
        }
        if let Err(error) = cleaned.change_file_suffixes(SWAP_FILE_SUFFIX, "") {
            let (segment, log) = (cleaned.base_offset(), &self.topic_and_partition);
            warn!("segment {segment} of {log} gets its name at the next start: {error}");
        }
        true
    }
}
