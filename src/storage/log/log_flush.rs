//! Port of the disk work of `Log.flush`, which is done without the log's lock: appends go on
//! meanwhile.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use crate::common::errors::KafkaError;
use crate::common::lock::{locked, locked_again};
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
    /// How often the log had been truncated when the flush began.
    pub truncations: u64,
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

/// The flushes of one log that are under way.
///
/// If a sync fails, the kernel says so to one caller and lets one beside it succeed, though what both
/// waited for may be lost. So a flush counts only when all that were under way with it have ended, and
/// none of them has taken the log directory offline.
#[derive(Debug, Default)]
pub struct Flushes {
    state: Mutex<FlushesState>,
    /// Notified when a flush has ended.
    ended: Condvar,
}

#[derive(Debug, Default)]
struct FlushesState {
    begun: u64,
    /// By their numbers.
    under_way: BTreeSet<u64>,
    /// The names of so many segments are on disk, of those that were begun.
    files_synced: u64,
}

/// A flush that is under way until this is dropped.
#[derive(Debug)]
pub struct FlushUnderWay<'a> {
    flushes: &'a Flushes,
    number: u64,
}

impl Flushes {
    /// Owed before the first sync.
    pub fn begin(&self) -> FlushUnderWay<'_> {
        let mut state = locked(&self.state);
        state.begun += 1;
        let number = state.begun;
        state.under_way.insert(number);
        FlushUnderWay { flushes: self, number }
    }

    /// How many segments have their names on disk, of those that were begun.
    pub fn files_synced(&self) -> u64 {
        locked(&self.state).files_synced
    }

    /// Takes notice of a sync of the directory that counts.
    pub fn note_synced(&self, files: u64) {
        let mut state = locked(&self.state);
        state.files_synced = state.files_synced.max(files);
    }
}

impl FlushUnderWay<'_> {
    /// Waits for those that were under way with this one. Owed before: the outcome of its syncs, to
    /// the status of the log directory.
    pub fn end(self) {
        let flushes = self.flushes;
        drop(self);
        let state = locked(&flushes.state);
        let last = state.begun;
        let is_beside = |state: &mut FlushesState| {
            state.under_way.first().is_some_and(|&number| number <= last)
        };
        drop(locked_again(flushes.ended.wait_while(state, is_beside)));
    }
}

impl Drop for FlushUnderWay<'_> {
    fn drop(&mut self) {
        locked(&self.flushes.state).under_way.remove(&self.number);
        self.flushes.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flush_counts_when_those_beside_it_have_ended_and_waits_for_no_later_one() {
        let flushes = Flushes::default();
        let (failing, beside) = (flushes.begin(), flushes.begin());
        let (sender, ended) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(move || {
                beside.end();
                sender.send(()).unwrap();
            });
            let early = ended.recv_timeout(Duration::from_millis(20));
            assert!(early.is_err(), "the other may still fail");
            drop(failing);
            ended.recv().unwrap();
        });
        let (first, later) = (flushes.begin(), flushes.begin());
        first.flushes.note_synced(3);
        drop(later);
        first.end();
        let _later = flushes.begin();
        assert_eq!(flushes.files_synced(), 3);
    }
}
