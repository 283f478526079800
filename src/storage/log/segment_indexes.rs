//! The offset index and the time index of a segment, and what is done to both.
//!
//! Readers hold a lock in here for a lookup in memory, never while they read the segment.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{RwLock, RwLockReadGuard};

use log::{Level, log};

use crate::common::lock::{read_locked, try_read_locked, write_locked};
use crate::common::log_limit::{LogKind, limited};
use crate::common::units::{Offset, Position};
use crate::message::byte_buffer_message_set::shallow_entries;
use crate::storage::files::file_io::{remove_if_exists, sync_if_exists};
use crate::storage::files::log_file_names::{index_filename, time_index_filename, with_suffix};
use crate::storage::index::abstract_index::IndexError;
use crate::storage::index::offset_index::OffsetIndex;
use crate::storage::index::time_index::{TimeIndex, TimestampOffset};
use crate::storage::log::patience::Patience;

/// Both indexes of a segment.
#[derive(Debug)]
pub struct SegmentIndexes {
    base_offset: Offset,
    offset_index: RwLock<OffsetIndex>,
    time_index: RwLock<TimeIndex>,
    /// Whether an entry was refused: one line is enough, and as long as the disk is full all are.
    has_warned: AtomicBool,
}

impl SegmentIndexes {
    /// Opens the indexes of the segment `base_offset` in `dir`, in files whose names end with
    /// `suffix`, or creates them with room for `max_index_size` bytes.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path.
    pub fn open(
        dir: &Path,
        base_offset: Offset,
        suffix: &str,
        max_index_size: usize,
    ) -> io::Result<Self> {
        let path = with_suffix(&index_filename(dir, base_offset), suffix);
        let offset_index = OffsetIndex::open(&path, base_offset, max_index_size)?;
        let path = with_suffix(&time_index_filename(dir, base_offset), suffix);
        let time_index = TimeIndex::open(&path, base_offset, max_index_size)?;
        let (offset_index, time_index) = (RwLock::new(offset_index), RwLock::new(time_index));
        Ok(Self { base_offset, offset_index, time_index, has_warned: AtomicBool::new(false) })
    }

    pub fn offset_index(&self) -> RwLockReadGuard<'_, OffsetIndex> {
        read_locked(&self.offset_index)
    }

    /// As [`offset_index`](Self::offset_index), with an eye on the time: an index that is resized,
    /// cut or written to the disk is worth a wait only to those who have patience.
    ///
    /// # Errors
    /// `WouldBlock` if there would be a wait, and no patience.
    pub fn offset_index_within(
        &self,
        patience: Patience<'_>,
    ) -> io::Result<RwLockReadGuard<'_, OffsetIndex>> {
        match try_read_locked(&self.offset_index) {
            Some(index) => Ok(index),
            None => patience.wait().map(|()| self.offset_index()),
        }
    }

    pub fn time_index(&self) -> RwLockReadGuard<'_, TimeIndex> {
        read_locked(&self.time_index)
    }

    /// Adds an entry to both for `set`, which begins at `position`; up to its end, `largest` is the
    /// segment's highest timestamp. Without an entry that cannot be written lookups only scan
    /// further, so that is logged, and no error.
    pub fn append(&self, set: &[u8], position: Position, largest: TimestampOffset) {
        let Some(Ok(first)) = shallow_entries(set).next() else { return };
        let appended = write_locked(&self.offset_index).append(Offset(first.last_offset), position);
        self.warn_if_failed("index", appended);
        self.append_timestamp(largest);
    }

    /// Adds an entry to the time index alone, unless its timestamp is there already.
    pub fn append_timestamp(&self, largest: TimestampOffset) {
        let TimestampOffset { timestamp_ms, offset } = largest;
        let appended = write_locked(&self.time_index).maybe_append(timestamp_ms, offset);
        self.warn_if_failed("time index", appended);
    }

    fn warn_if_failed(&self, index: &str, appended: Result<(), IndexError>) {
        if let Err(error) = appended {
            let segment = self.base_offset;
            let has_warned = self.has_warned.swap(true, Ordering::Relaxed);
            let level = match has_warned {
                true => Level::Debug,
                false => limited(LogKind::Failures, Level::Warn),
            };
            log!(level, "segment {segment}: {index} append failed; lookups scan further: {error}");
        }
    }

    /// Whether either takes no further entry.
    pub fn is_full(&self) -> bool {
        self.offset_index().is_full() || self.time_index().is_full()
    }

    /// Gives both room to grow: on becoming those of the active segment.
    pub fn resize(&self, max_index_size: usize) {
        write_locked(&self.offset_index).resize(max_index_size);
        write_locked(&self.time_index).resize(max_index_size);
    }

    /// Takes no more entries, and has the files hold those there are.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path. Then the entries are in memory, and
    /// [`flush`](Self::flush) tries again.
    pub fn trim(&self) -> io::Result<()> {
        let offset_index = write_locked(&self.offset_index).trim();
        write_locked(&self.time_index).trim().and(offset_index)
    }

    /// Takes out all entries for `offset` and above, and gives both their full room.
    pub fn truncate_to(&self, offset: Offset, max_index_size: usize) {
        write_locked(&self.offset_index).truncate_to(offset);
        write_locked(&self.time_index).truncate_to(offset);
        self.resize(max_index_size);
    }

    /// Takes out all entries, and gives both their full room.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path.
    pub fn clear(&self, max_index_size: usize) -> io::Result<()> {
        write_locked(&self.offset_index).clear()?;
        write_locked(&self.time_index).clear()?;
        self.resize(max_index_size);
        Ok(())
    }

    /// Makes those durable that no longer grow.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path.
    pub fn flush(&self) -> io::Result<()> {
        // Readers do not wait for the disk: the locks are free again when the files are synced.
        let offset_index = write_locked(&self.offset_index).begin_flush()?;
        let time_index = write_locked(&self.time_index).begin_flush()?;
        offset_index.iter().chain(&time_index).try_for_each(|path| sync_if_exists(path))
    }

    /// Gives the files the names that `renamed` makes of theirs.
    ///
    /// # Errors
    /// Whatever `rename(2)` reports, with the path; but a file that is gone is no error
    /// (KAFKA-6324).
    pub fn rename(&self, renamed: impl Fn(&Path) -> PathBuf) -> io::Result<()> {
        let mut offset_index = write_locked(&self.offset_index);
        let path = renamed(offset_index.path());
        unless_gone(offset_index.rename_to(&path))?;
        let mut time_index = write_locked(&self.time_index);
        let path = renamed(time_index.path());
        unless_gone(time_index.rename_to(&path))
    }

    /// # Errors
    /// Whatever `unlink(2)` reports, with the path.
    pub fn delete(&self) -> io::Result<()> {
        remove_if_exists(self.offset_index().path())?;
        remove_if_exists(self.time_index().path())
    }
}

/// Takes a file that is not there for one that was dealt with.
pub fn unless_gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use support::temp::TempDir;

    use super::*;
    use crate::storage::log::patience::Steps;

    /// A roll, a truncation or a full page of entries holds the lock while a disk works.
    #[test]
    fn a_lookup_without_patience_does_not_wait_for_an_index_that_is_being_changed() {
        let dir = TempDir::new();
        let indexes = SegmentIndexes::open(dir.path(), Offset(0), "", 4096).unwrap();
        let steps = Steps::new(1);
        let patience = Patience::ForNothing(&steps);
        let looks_up = || indexes.offset_index_within(patience).map(|it| it.last_offset());
        let changed = write_locked(&indexes.offset_index);
        assert_eq!(looks_up().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(changed);
        assert_eq!(looks_up().unwrap(), Offset(0));
    }
}
