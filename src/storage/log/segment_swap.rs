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

use log::{debug, warn};

use crate::common::errors::KafkaError;
use crate::common::units::Offset;
use crate::config::log_config::LogConfig;
use crate::storage::files::file_io::{remove_if_exists, sync_directory, sync_if_exists};
use crate::storage::files::log_file_names::{
    CLEANED_FILE_SUFFIX, SEGMENT_ENDS_FILE, SWAP_FILE_SUFFIX, index_filename, log_filename,
    time_index_filename, with_suffix,
};
use crate::storage::log::log::Log;
use crate::storage::log::log_segment::LogSegment;

/// An empty segment beside `log`, for what is left of those from `base_offset` on. What an earlier
/// attempt left behind makes way.
///
/// # Errors
/// Whatever the operating system reports, with the path.
pub fn create_cleaned_segment(log: &Log, base_offset: Offset) -> io::Result<LogSegment> {
    let (dir, suffix) = (log.dir(), CLEANED_FILE_SUFFIX);
    for filename in [log_filename, index_filename, time_index_filename] {
        remove_if_exists(&with_suffix(&filename(dir, base_offset), suffix))?;
    }
    let config = LogConfig { preallocate: false, ..LogConfig::clone(&log.config()) };
    LogSegment::open_with_suffix(dir, base_offset, suffix, &config, log.time())
}

/// Puts `cleaned`, which is whole and on disk, in the place of `replaced`. Slices of those can
/// still be sent to their end. Returns whether that was done: not if the log has lost one of them
/// meanwhile, or appends to it again.
///
/// # Errors
/// `Io`, with the path. Then, as when it was not done, the log is as it was, and the files of
/// `cleaned` are the caller's to delete.
pub fn replace_segments(
    log: &Log,
    cleaned: &Arc<LogSegment>,
    replaced: &[Arc<LogSegment>],
) -> Result<bool, KafkaError> {
    log.lock()?.expect_swap(replaced);
    sync_if_exists(&log.dir().join(SEGMENT_ENDS_FILE))?;
    cleaned.change_file_suffixes(CLEANED_FILE_SUFFIX, SWAP_FILE_SUFFIX)?;
    // Before an old file goes, and before the lock: appends do not wait for it.
    sync_directory(log.dir())?;
    if !log.lock()?.swap_in(cleaned, replaced) {
        return Ok(false);
    }
    // From here on there is no way back, and none is needed: a start finishes what fails.
    if let Err(error) = sync_directory(log.dir()) {
        warn!("a crash may undo the cleaning of {}: {error}", log.topic_and_partition());
        log.log_dir().note_error(&error);
    }
    debug!(
        "replaced {} segments of {} from offset {} on with one of {} bytes",
        replaced.len(),
        log.topic_and_partition(),
        cleaned.base_offset(),
        cleaned.size()
    );
    Ok(true)
}
