//! Port of `org.apache.kafka.storage.internals.epoch.LeaderEpochFileCache`: the leader epochs of a
//! log, in memory and in its file `leader-epoch-checkpoint`.
//!
//! An epoch is on disk before its first record is in the log, so the file never lacks one. What a
//! truncation takes away may stay in the file until the next record is appended: a start until then
//! takes it away again. (In Kafka it may stay longer, and a crash can bring it back to life.)
//!
//! A log whose file is missing has known no epoch but 0: that is how a single node keeps all of its
//! logs, and how earlier versions left them. So the file is made when the first other epoch begins,
//! and until then a log costs no file, and an append no system call.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, RwLock};

use log::{Level, debug, log};

use crate::common::lock::{locked, read_locked, write_locked};
use crate::common::log_limit::{LogKind, limited};
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{LeaderEpoch, Offset};
use crate::storage::epochs::epoch_entries::EpochEntries;
use crate::storage::epochs::epoch_entry::{EpochEndOffset, EpochEntry};
use crate::storage::epochs::leader_epoch_checkpoint_file::LeaderEpochCheckpointFile;

/// The epoch of a log without a file.
pub const FIRST_EPOCH: LeaderEpoch = LeaderEpoch(0);

/// The epochs of one log. Readers never wait for the disk.
#[derive(Debug)]
pub struct LeaderEpochFileCache {
    topic_and_partition: TopicAndPartition,
    entries: RwLock<EpochEntries>,
    /// That of the last entry, or [`LeaderEpoch::NONE`]: each append and each fetch compares it.
    latest_epoch: AtomicI32,
    /// Whether the file has to be written before the next record is appended.
    owes_write: AtomicBool,
    /// Whoever changes the entries holds it, so that the file is written in the order of changes.
    file: Mutex<EpochFile>,
}

#[derive(Debug)]
struct EpochFile {
    checkpoint: LeaderEpochCheckpointFile,
    exists: bool,
    /// Whether the entries in memory are others than those on disk.
    is_stale: bool,
    /// Whether the directory has another name, and its old name may be another log's.
    is_closed: bool,
}

impl LeaderEpochFileCache {
    /// The epochs of a log, `entries`, which lie in the file `checkpoint` if it `exists`.
    /// `is_stale` says that there they are others: a [`flush`](Self::flush) is owed.
    pub fn new(
        topic_and_partition: TopicAndPartition,
        checkpoint: LeaderEpochCheckpointFile,
        entries: EpochEntries,
        exists: bool,
        is_stale: bool,
    ) -> Self {
        let cache = Self {
            topic_and_partition,
            entries: RwLock::default(),
            latest_epoch: AtomicI32::new(LeaderEpoch::NONE.0),
            owes_write: AtomicBool::new(is_stale),
            file: Mutex::new(EpochFile { checkpoint, exists, is_stale, is_closed: false }),
        };
        cache.replace(entries);
        cache
    }

    /// The log that they are of.
    pub fn topic_and_partition(&self) -> &TopicAndPartition {
        &self.topic_and_partition
    }

    /// The latest epoch: the one that records are appended in.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        let epoch = LeaderEpoch(self.latest_epoch.load(Ordering::Acquire));
        (epoch != LeaderEpoch::NONE).then_some(epoch)
    }

    /// The first epoch of which there are records.
    pub fn earliest_entry(&self) -> Option<EpochEntry> {
        read_locked(&self.entries).earliest()
    }

    /// All epochs, from the oldest on.
    pub fn epoch_entries(&self) -> Vec<EpochEntry> {
        read_locked(&self.entries).as_slice().to_vec()
    }

    /// See [`EpochEntries::end_offset_for`].
    pub fn end_offset_for(
        &self,
        epoch: LeaderEpoch,
        log_end_offset: Offset,
    ) -> Option<EpochEndOffset> {
        read_locked(&self.entries).end_offset_for(epoch, log_end_offset)
    }

    /// Notes that epochs begin, in the order given, and has them on disk. A negative epoch is none.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path; then none of them has begun.
    pub fn assign(&self, new: &[EpochEntry]) -> io::Result<()> {
        let mut file = locked(&self.file);
        let with_new = self.entries_with(new);
        let changes = with_new.is_some();
        if changes || self.owes_write() {
            let entries = with_new.unwrap_or_else(|| read_locked(&self.entries).clone());
            file.write(&entries)?;
            self.replace(entries);
            self.owes_write.store(false, Ordering::Release);
        }
        Ok(())
    }

    /// As [`assign`](Self::assign), for an epoch that the disk has refused: readers see it. Before its
    /// first record an `assign` is owed.
    pub fn assign_in_memory(&self, new: EpochEntry) {
        let mut file = locked(&self.file);
        if let Some(entries) = self.entries_with(&[new]) {
            file.is_stale = true;
            self.replace(entries);
            self.owes_write.store(true, Ordering::Release);
        }
    }

    /// Whether an [`assign`](Self::assign), or a [`flush`](Self::flush), is owed before the next record
    /// is appended: the latest epoch is not on disk, or epochs are that were truncated. Behind the
    /// record those would come to life again.
    pub fn owes_write(&self) -> bool {
        self.owes_write.load(Ordering::Acquire)
    }

    /// The entries once these epochs have begun; `None` if they have.
    fn entries_with(&self, new: &[EpochEntry]) -> Option<EpochEntries> {
        let is_epoch = |it: &&EpochEntry| it.epoch > LeaderEpoch::NONE;
        let mut entries = read_locked(&self.entries).clone();
        let mut changes = false;
        for entry in new.iter().filter(is_epoch) {
            changes |= entries.is_update_needed(*entry);
            let removed = entries.assign(*entry);
            self.report_conflict(*entry, &removed);
        }
        changes.then_some(entries)
    }

    /// The log ends at `end_offset` now. Returns whether a [`flush`](Self::flush) is owed.
    pub fn truncate_from_end(&self, end_offset: Offset) -> bool {
        self.change(true, |entries| !entries.truncate_from_end(end_offset).is_empty())
    }

    /// The log begins at `start_offset` now. Returns whether a [`flush`](Self::flush) is owed.
    pub fn truncate_from_start(&self, start_offset: Offset) -> bool {
        self.change(false, |entries| entries.truncate_from_start(start_offset))
    }

    /// Forgets all epochs, on disk as well.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path; a [`flush`](Self::flush) is owed then.
    pub fn clear_and_flush(&self) -> io::Result<()> {
        self.change(true, |entries| {
            entries.clear();
            true
        });
        self.flush()
    }

    /// Whether a [`flush`](Self::flush) is owed.
    pub fn is_stale(&self) -> bool {
        locked(&self.file).is_stale
    }

    /// Has the file hold what memory does.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path.
    pub fn flush(&self) -> io::Result<()> {
        let mut file = locked(&self.file);
        if !file.is_stale {
            return Ok(());
        }
        let entries = read_locked(&self.entries).clone();
        file.write(&entries)?;
        self.owes_write.store(false, Ordering::Release);
        Ok(())
    }

    /// The file is not written from now on. Owed before the log's directory gets another name.
    pub fn close(&self) {
        locked(&self.file).is_closed = true;
    }

    /// The directory has kept its name.
    pub fn reopen(&self) {
        locked(&self.file).is_closed = false;
    }

    fn change(&self, is_at_end: bool, change: impl FnOnce(&mut EpochEntries) -> bool) -> bool {
        let mut file = locked(&self.file);
        let mut entries = read_locked(&self.entries).clone();
        let changed = change(&mut entries);
        if changed {
            file.is_stale = file.is_stale || file.holds(&entries);
            self.owes_write.fetch_or(is_at_end && file.is_stale, Ordering::AcqRel);
            self.replace(entries);
        }
        changed && file.is_stale
    }

    fn replace(&self, entries: EpochEntries) {
        let latest = entries.latest().map_or(LeaderEpoch::NONE, |it| it.epoch);
        *write_locked(&self.entries) = entries;
        self.latest_epoch.store(latest.0, Ordering::Release);
    }

    /// An epoch of which there is no record may make way. Anything else is a leader that wrote what
    /// another one did not know.
    fn report_conflict(&self, new: EpochEntry, removed: &[EpochEntry]) {
        let is_expected = match removed {
            [] => true,
            [only] => only.start_offset == new.start_offset,
            _ => false,
        };
        let log = &self.topic_and_partition;
        let EpochEntry { epoch, start_offset } = new;
        if !is_expected {
            let level = limited(LogKind::Failures, Level::Warn);
            log!(
                level,
                "{log}: leader epoch {epoch} begins at offset {start_offset}, so these are no longer \
                 known: {removed:?}"
            );
        } else {
            debug!("{log}: leader epoch {epoch} begins at offset {start_offset}");
        }
    }
}

impl EpochFile {
    /// Whether `entries` belong into the file: not if it is missing, and says the same.
    fn holds(&self, entries: &EpochEntries) -> bool {
        self.exists || entries.as_slice().iter().any(|it| it.epoch != FIRST_EPOCH)
    }

    fn write(&mut self, entries: &EpochEntries) -> io::Result<()> {
        if !self.is_closed && self.holds(entries) {
            self.checkpoint.write(entries)?;
            self.exists = true;
        }
        self.is_stale = false;
        Ok(())
    }
}
