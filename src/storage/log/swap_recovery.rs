//! Port of `Log.completeSwapOperations`: what a start makes of a swap that a crash has stopped.
//!
//! A copy called `.swap` was whole and on disk before it got its name: see
//! [`replace_segments`](crate::storage::log::segment_swap::replace_segments). So it takes the place
//! of the segments that begin within it. One that is not whole all the same, or has no message,
//! takes the place of nothing: as long as the originals are there, they stay, or come back, and the
//! cleaner makes another copy.

use std::collections::BTreeSet;
use std::fs;

use log::{info, warn};

use crate::common::errors::KafkaError;
use crate::common::time::Time;
use crate::common::units::Offset;
use crate::config::log_config::LogConfig;
use crate::storage::files::file_io::failed;
use crate::storage::files::log_file_names::{
    DELETED_FILE_SUFFIX, LOG_FILE_SUFFIX, SWAP_FILE_SUFFIX, log_filename, with_suffix,
};
use crate::storage::files::log_files::LogFiles;
use crate::storage::log::log_segment::LogSegment;
use crate::storage::log::segment_ends::{SegmentEnd, SegmentEnds};
use crate::storage::log::segment_recovery::recover;

/// Finishes or undoes the swaps in the directory of one log.
#[derive(Clone, Copy)]
pub struct SwapRecovery<'a> {
    pub files: LogFiles<'a>,
    pub config: &'a LogConfig,
    pub time: &'a dyn Time,
}

impl SwapRecovery<'_> {
    /// What the cleaner was at is unknown in `ends` then.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub fn run(&self, ends: &mut SegmentEnds) -> Result<(), KafkaError> {
        for base_offset in self.files.offsets_of(&format!("{LOG_FILE_SUFFIX}{SWAP_FILE_SUFFIX}"))? {
            let end_offset = self.finish(base_offset)?;
            let noted = ends.iter().find(|(it, _)| *it == base_offset).map(|(_, end)| end);
            let end_offset = noted.map_or(end_offset, |it| it.end_offset.max(end_offset));
            ends.note(base_offset, SegmentEnd { end_offset, size_bytes: None });
        }
        Ok(())
    }

    /// Returns up to where the copy reaches.
    fn finish(&self, base_offset: Offset) -> Result<Offset, KafkaError> {
        self.files.remove_indexes(base_offset, SWAP_FILE_SUFFIX)?;
        let dir = self.files.dir;
        let copy = LogSegment::open_with_suffix(
            dir,
            base_offset,
            SWAP_FILE_SUFFIX,
            self.config,
            self.time,
        )?;
        let path = copy.log().path();
        // A file that is not whole is cut here, but it is of use only if nothing else is left.
        let found = recover(&copy, self.config.max_index_size)?;
        let end_offset = found.next_offset.max(base_offset.next());
        let is_whole = found.bytes_cut == 0 && copy.size() > 0;
        if !is_whole && self.restore_originals(base_offset)? {
            warn!("removing {}, which is empty or torn: the originals stay", path.display());
            self.files.remove_segment(base_offset, SWAP_FILE_SUFFIX)?;
            return Ok(end_offset);
        }
        info!("finishing the swap of {}", path.display());
        found.report_cut(&path);
        // The copy gets its name last: until then another start does all this again.
        let logs = self.files.offsets_of(LOG_FILE_SUFFIX)?;
        for replaced in logs.range(base_offset..end_offset) {
            self.files.remove_segment(*replaced, "")?;
        }
        copy.change_file_suffixes(SWAP_FILE_SUFFIX, "")?;
        Ok(end_offset)
    }

    /// Gives the originals of a copy their names back, those that already waited for their deletion:
    /// up to the next segment there is. Returns whether the first is there then.
    fn restore_originals(&self, base_offset: Offset) -> Result<bool, KafkaError> {
        let logs = self.files.offsets_of(LOG_FILE_SUFFIX)?;
        if logs.contains(&base_offset) {
            return Ok(true);
        }
        let next = logs.range(base_offset..).next().copied().unwrap_or(Offset::MAX);
        let deleted: BTreeSet<Offset> =
            self.files.offsets_of(&format!("{LOG_FILE_SUFFIX}{DELETED_FILE_SUFFIX}"))?;
        if !deleted.contains(&base_offset) {
            return Ok(false);
        }
        for original in deleted.range(base_offset..next) {
            let path = log_filename(self.files.dir, *original);
            let deleted_path = with_suffix(&path, DELETED_FILE_SUFFIX);
            info!("restoring {}, whose copy is of no use", path.display());
            fs::rename(&deleted_path, &path).map_err(failed("rename", &deleted_path))?;
        }
        Ok(true)
    }
}
