//! Port of `Log.loadSegments` and `Log.recoverLog` (later `LogLoader`): from the files in a
//! directory to segments that hold nothing but whole messages.
//!
//! What a crash may leave: a tail of the active segment that was not written to its end, or that is
//! junk; an index that is missing, torn or full of zeros; files that waited for their deletion; a new
//! segment without a record, while the last records of the one before are lost.
//! None of it stops the start. Every byte that is cut off is logged, and every record that is known
//! to be missing.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use log::{Level, error, info, log, warn};

use crate::common::errors::KafkaError;
use crate::common::loading_progress::LoadingProgress;
use crate::common::time::Time;
use crate::common::units::Offset;
use crate::config::log_config::LogConfig;
use crate::storage::epochs::leader_epoch_file_cache::LeaderEpochFileCache;
use crate::storage::files::file_io::remove_if_exists;
use crate::storage::files::log_file_names::{
    CLEANED_FILE_SUFFIX, DELETED_FILE_SUFFIX, INDEX_FILE_SUFFIX, LOG_FILE_SUFFIX,
    PRODUCER_SNAPSHOT_FILE_SUFFIX, SWAP_FILE_SUFFIX, TIME_INDEX_FILE_SUFFIX, index_filename,
    parse_topic_partition_name,
};
use crate::storage::files::log_files::{FileNames, LogFiles};
use crate::storage::files::offset_checkpoint::{CLEANER_OFFSET_CHECKPOINT_FILE, OffsetCheckpoint};
use crate::storage::log::epoch_recovery::{EpochsRead, load_epochs};
use crate::storage::log::log_segment::LogSegment;
use crate::storage::log::log_segments::SegmentsWriter;
use crate::storage::log::missing_records::{MissingRecords, Segments, Why, missing_of_noted};
use crate::storage::log::producer_state_recovery::rebuild_producer_state;
use crate::storage::log::segment_ends::SegmentEnds;
use crate::storage::log::segment_recovery::recover;
use crate::storage::log::swap_recovery::SwapRecovery;
use crate::storage::producers::producer_state_manager::ProducerStateManager;

/// What an earlier run left half done.
const TEMPORARY_SUFFIXES: [&str; 3] = [DELETED_FILE_SUFFIX, CLEANED_FILE_SUFFIX, SWAP_FILE_SUFFIX];

/// A log that was loaded.
#[derive(Debug)]
pub struct LoadedLog {
    /// The last of them is ready for appends.
    pub segments: SegmentsWriter,
    pub producer_state: ProducerStateManager,
    pub epochs: LeaderEpochFileCache,
    /// What it lost before; each was logged.
    pub missing: Vec<MissingRecords>,
}

/// What a recovery of the segments found.
#[derive(Debug)]
struct Recovered {
    /// The log end offset.
    next_offset: Offset,
    missing: Vec<MissingRecords>,
    /// The leader epochs in the segments that were read.
    epochs: EpochsRead,
}

/// Loads the logs of one directory.
#[derive(Clone, Copy)]
pub struct LogLoader<'a> {
    /// The log's directory, which exists.
    pub dir: &'a Path,
    pub config: &'a LogConfig,
    pub time: &'a dyn Time,
    pub progress: &'a LoadingProgress,
    /// Messages from here on may not have been on disk when the broker stopped.
    pub recovery_point: Offset,
    /// Whether the broker was shut down cleanly, so that they were.
    pub is_clean_shutdown: bool,
}

impl LogLoader<'_> {
    /// # Errors
    /// `Io` if a file cannot be read or written, with the path.
    pub fn load(&self) -> Result<LoadedLog, KafkaError> {
        let mut ends = SegmentEnds::open(self.dir);
        let mut names = self.files().list()?;
        if names.with_suffix(&TEMPORARY_SUFFIXES).next().is_some() {
            let swaps = SwapRecovery { files: self.files(), config: self.config, time: self.time };
            swaps.run(&mut ends)?;
            // Only now: a swap may have been undone by files that waited for their deletion.
            self.remove_temporary_files()?;
            names = self.files().list()?;
        }
        let indexes = self.indexes_of_segments(&names)?;
        let mut damaged = BTreeSet::new();
        let mut segments = BTreeMap::new();
        for base_offset in names.offsets_of(LOG_FILE_SUFFIX) {
            let has_indexes = indexes.iter().all(|index| index.contains(&base_offset));
            let (segment, is_damaged) = self.open_segment(base_offset, has_indexes)?;
            if is_damaged {
                damaged.insert(base_offset);
            }
            segments.insert(base_offset, Arc::new(segment));
        }
        if segments.is_empty() {
            let segment = LogSegment::open(self.dir, Offset::FIRST, self.config, self.time)?;
            segments.insert(Offset::FIRST, Arc::new(segment));
        }
        let mut missing = missing_of_noted(&ends, &segments)?;
        let recovered = self.recover_segments(&mut segments, &damaged, &mut ends)?;
        let epochs_read = recovered.epochs;
        missing.extend(recovered.missing);
        let next_offset =
            self.remove_empty_end(&mut segments, &missing)?.unwrap_or(recovered.next_offset);
        missing.iter().for_each(|it| error!("{}: {it}", self.dir.display()));
        let recovery_point =
            if self.is_clean_shutdown { next_offset } else { self.recovery_point.min(next_offset) };
        let mut segments = segments.into_values();
        let first = segments.next().expect("there is a segment, and the first is never removed");
        let segments = SegmentsWriter::new(first, segments, next_offset, recovery_point, ends);
        segments.last().indexes().resize(self.max_index_size());
        let snapshots = names.offsets_of(PRODUCER_SNAPSHOT_FILE_SUFFIX);
        let mut producer_state = ProducerStateManager::new(self.dir, snapshots);
        let now_ms = self.time.milliseconds();
        rebuild_producer_state(&mut producer_state, &segments, next_offset, now_ms)?;
        let (log, magic) =
            (parse_topic_partition_name(self.dir)?, self.config.message_format_magic);
        let epochs = load_epochs(self.dir, &log, &segments, magic, &epochs_read)?;
        Ok(LoadedLog { segments, producer_state, epochs, missing })
    }

    /// Removes what an earlier run left half done.
    fn remove_temporary_files(&self) -> io::Result<()> {
        for name in self.files().list()?.with_suffix(&TEMPORARY_SUFFIXES) {
            let path = self.dir.join(name);
            info!("removing {}, left over from before the start", path.display());
            remove_if_exists(&path)?;
        }
        Ok(())
    }

    /// The segments that have an offset index, and those that have a time index. Removes the indexes
    /// that have no segment.
    fn indexes_of_segments(&self, names: &FileNames) -> io::Result<[BTreeSet<Offset>; 2]> {
        let logs = names.offsets_of(LOG_FILE_SUFFIX);
        let suffixes = [INDEX_FILE_SUFFIX, TIME_INDEX_FILE_SUFFIX];
        let indexes = suffixes.map(|suffix| names.offsets_of(suffix));
        for (suffix, indexes) in suffixes.iter().zip(&indexes) {
            for base_offset in indexes.difference(&logs) {
                warn!(
                    "removing the index {base_offset:020}{suffix} in {}: its messages are gone",
                    self.dir.display()
                );
                self.files().remove_indexes(*base_offset, "")?;
            }
        }
        Ok(indexes)
    }

    /// Opens a segment. Returns with it whether an index of it has to be built anew.
    fn open_segment(
        &self,
        base_offset: Offset,
        has_indexes: bool,
    ) -> Result<(LogSegment, bool), KafkaError> {
        let segment = LogSegment::open(self.dir, base_offset, self.config, self.time)?;
        if !has_indexes {
            let index_path = index_filename(self.dir, base_offset);
            warn!("{} or its time index is missing: rebuilding both", index_path.display());
            return Ok((segment, true));
        }
        let offset_index = segment.offset_index().sanity_check(segment.end_position());
        let checked = offset_index.and_then(|()| segment.time_index().sanity_check());
        match checked {
            Ok(()) => Ok((segment, false)),
            Err(KafkaError::Io(error)) => Err(error.into()),
            Err(corrupt) => {
                // Kafka, and earlier versions of this broker, leave an index in the size it was
                // preallocated with if they do not stop cleanly, which is no damage.
                let level = if self.is_clean_shutdown { Level::Warn } else { Level::Debug };
                log!(level, "{corrupt}: rebuilding both indexes");
                Ok((segment, true))
            }
        }
    }

    /// Recovers the segments that need it.
    fn recover_segments(
        &self,
        segments: &mut Segments,
        damaged: &BTreeSet<Offset>,
        ends: &mut SegmentEnds,
    ) -> Result<Recovered, KafkaError> {
        let first_unflushed = segments.range(..=self.recovery_point).next_back();
        let first_unflushed =
            first_unflushed.map_or(Offset(i64::MIN), |(base_offset, _)| *base_offset);
        let (mut next_offset, mut missing) = (Offset::FIRST, Vec::new());
        let mut epochs = EpochsRead::default();
        for base_offset in segments.keys().copied().collect::<Vec<_>>() {
            let Some(segment) = segments.get(&base_offset).map(Arc::clone) else { break };
            let is_unflushed = !self.is_clean_shutdown && base_offset >= first_unflushed;
            let is_active = segments.last_key_value().is_some_and(|(last, _)| *last == base_offset);
            let mut bytes_cut = 0;
            if is_unflushed || damaged.contains(&base_offset) {
                let level = if segment.size() > 0 { Level::Info } else { Level::Debug };
                log!(level, "recovering segment {base_offset} of {}", self.dir.display());
                (next_offset, bytes_cut) = self.recover_segment(&segment, &mut epochs)?;
            } else if is_active {
                let end;
                (next_offset, end) = segment.next_offset()?;
                if end != segment.end_position() {
                    (next_offset, _) = self.recover_segment(&segment, &mut epochs)?;
                }
            }
            if is_unflushed && bytes_cut > 0 {
                ends.forget(base_offset);
                self.remove_segments_after(base_offset, segments)?;
            } else if is_unflushed && !ends.know(base_offset) {
                let next = segments.range(base_offset.next()..).next().map(|(next, _)| *next);
                missing.extend(next.and_then(|next| self.gap(next_offset, next, ends)));
            }
        }
        Ok(Recovered { next_offset, missing, epochs })
    }

    /// The gap between a segment that is not noted, whose messages end at `from`, and the next one.
    fn gap(&self, from: Offset, to: Offset, ends: &SegmentEnds) -> Option<MissingRecords> {
        // What the cleaner replaces is noted. But of an older directory nothing may be.
        let is_as_appended = || ends.are_kept() || !self.may_be_cleaned();
        (from < to && is_as_appended()).then_some(MissingRecords { from, to, why: Why::Gap })
    }

    /// Whether the log is compacted, or was once.
    fn may_be_cleaned(&self) -> bool {
        let checkpoint = self.dir.with_file_name(CLEANER_OFFSET_CHECKPOINT_FILE);
        let cleaned = OffsetCheckpoint::new(checkpoint).read().unwrap_or_default();
        let log = parse_topic_partition_name(self.dir);
        self.config.cleanup_policy.is_compacted()
            || log.map_or(true, |log| cleaned.contains_key(&log))
    }

    fn recover_segment(
        &self,
        segment: &LogSegment,
        epochs: &mut EpochsRead,
    ) -> Result<(Offset, u64), KafkaError> {
        let recovery = recover(segment, self.max_index_size())?;
        epochs.append(&recovery.epochs);
        recovery.report_cut(&segment.log().path());
        self.progress.recovered(segment.size());
        Ok((recovery.next_offset, recovery.bytes_cut))
    }

    /// What follows a cut would leave a gap.
    fn remove_segments_after(
        &self,
        base_offset: Offset,
        segments: &mut Segments,
    ) -> io::Result<()> {
        // From the end on: wherever a crash stops this, the log has no hole.
        for (later_offset, later) in segments.split_off(&base_offset.next()).into_iter().rev() {
            warn!(
                "removing {} of {} bytes, offsets {later_offset} and above: it follows what was \
                 cut off",
                later.log().path().display(),
                later.size()
            );
            later.delete()?;
        }
        Ok(())
    }

    /// Removes the last segment if it is empty and the records before it are missing: a power loss
    /// has taken them, and left the name of the segment that was begun behind them. Else the log
    /// would go on behind a gap, as Kafka's does. Does so again with the one before; returns where
    /// the log ends then, if there was any.
    ///
    /// What a clean shutdown or the recovery point says was on disk, no power loss has taken.
    fn remove_empty_end(
        &self,
        segments: &mut Segments,
        missing: &[MissingRecords],
    ) -> Result<Option<Offset>, KafkaError> {
        let mut end_offset = None;
        while let Some((&base_offset, last)) = segments.last_key_value() {
            let is_flushed = self.is_clean_shutdown || base_offset <= self.recovery_point;
            let follows_a_gap = missing.iter().any(|it| it.to == base_offset);
            let before = segments.range(..base_offset).next_back();
            let Some((_, before)) = before else { break };
            if is_flushed || last.size() > 0 || !follows_a_gap {
                break;
            }
            let (before_ends_at, _) = before.next_offset()?;
            warn!(
                "removing {}, which is empty: the records before it are missing, and the log goes \
                 on at offset {before_ends_at}, where those that are left end",
                last.log().path().display()
            );
            last.delete()?;
            segments.remove(&base_offset);
            end_offset = Some(before_ends_at);
        }
        Ok(end_offset)
    }

    fn files(&self) -> LogFiles<'_> {
        LogFiles { dir: self.dir }
    }

    fn max_index_size(&self) -> usize {
        self.config.max_index_size
    }
}
