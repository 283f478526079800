//! Port of `kafka.log.LogSegment`: one file of messages with its offset index and its time index.
//!
//! One thread at a time changes a segment of a log: the one that has the
//! [`LockedLog`](crate::storage::log::locked_log::LockedLog). Any number of threads read it
//! meanwhile; they hold the lock of an index for a lookup in memory, never while a disk works.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::Path;
use std::sync::{Mutex, RwLockReadGuard};

use log::{Level, log};

use crate::common::errors::{Errors, KafkaError, is_disk_full};
use crate::common::lock::locked;
use crate::common::log_limit::{LogKind, limited};
use crate::common::step::step;
use crate::common::time::Time;
use crate::common::units::{Offset, Position, TimestampMs};
use crate::config::log_config::LogConfig;
use crate::storage::files::file_io::remove_if_exists;
use crate::storage::files::log_file_names::{log_filename, with_suffix};
use crate::storage::index::abstract_index::relative_offset;
use crate::storage::index::offset_index::OffsetIndex;
use crate::storage::index::time_index::{TimeIndex, TimestampOffset};
use crate::storage::log::file_message_set::{EntryHeader, FileMessageSet};
use crate::storage::log::log_offset_metadata::{FetchDataInfo, LogOffsetMetadata};
use crate::storage::log::patience::Patience;
use crate::storage::log::read_limit::{ReadLimit, ends_better_at_known_entry};
use crate::storage::log::segment_indexes::{SegmentIndexes, unless_gone};

/// A segment: the messages from its base offset up to the base offset of the next one.
#[derive(Debug)]
pub struct LogSegment {
    base_offset: Offset,
    log: FileMessageSet,
    indexes: SegmentIndexes,
    index_interval_bytes: u64,
    /// Taken from the age at which the segment rolls: drawn once, so that not all logs roll at the
    /// same time.
    roll_jitter_ms: i64,
    state: Mutex<State>,
}

/// What changes with each append.
#[derive(Debug)]
struct State {
    /// By the wall clock.
    created_ms: TimestampMs,
    /// Messages since the entry that the offset index has last.
    bytes_since_last_index_entry: u64,
    /// The highest timestamp so far. For a segment that was loaded it is read when first needed.
    largest_timestamp: Option<TimestampOffset>,
    /// The answer of [`LogSegment::first_written_ms`], which is read when first needed.
    first_written_ms: Option<Option<TimestampMs>>,
}

/// Messages that were validated, on their way into a segment.
#[derive(Clone, Copy, Debug)]
pub struct SegmentAppend<'a> {
    /// The offset of the last message.
    pub last_offset: Offset,
    /// The highest timestamp among them, or [`TimestampMs::NONE`].
    pub max_timestamp_ms: TimestampMs,
    /// The last offset of the entry that has it.
    pub offset_of_max_timestamp: Offset,
    /// The messages.
    pub bytes: &'a [u8],
}

impl LogSegment {
    /// Opens the files of the segment `base_offset` in `dir`, and creates those that are missing.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path.
    pub fn open(
        dir: &Path,
        base_offset: Offset,
        config: &LogConfig,
        time: &dyn Time,
    ) -> io::Result<Self> {
        Self::open_with_suffix(dir, base_offset, "", config, time)
    }

    /// As [`open`](Self::open), for files whose names have `suffix` at their end.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path.
    pub fn open_with_suffix(
        dir: &Path,
        base_offset: Offset,
        suffix: &str,
        config: &LogConfig,
        time: &dyn Time,
    ) -> io::Result<Self> {
        let path = with_suffix(&log_filename(dir, base_offset), suffix);
        let is_new = !path.exists();
        let log = if is_new && config.preallocate {
            FileMessageSet::create_preallocated(&path, config.segment_size)?
        } else {
            FileMessageSet::open(&path)?
        };
        let max_index_size = config.max_index_size;
        let indexes = SegmentIndexes::open(dir, base_offset, suffix, max_index_size)?;
        let indexed = indexes.offset_index().last_entry().position;
        let bytes_since_last_index_entry = Position(log.size()).bytes_since(indexed);
        let created_ms = created_ms(&log, time.milliseconds())?;
        Ok(Self {
            base_offset,
            log,
            indexes,
            index_interval_bytes: config.index_interval,
            roll_jitter_ms: random_below(config.segment_jitter_ms.min(config.max_segment_ms())),
            state: Mutex::new(State {
                created_ms,
                bytes_since_last_index_entry,
                largest_timestamp: None,
                first_written_ms: None,
            }),
        })
    }

    /// The offset of the first message, or where it would be.
    pub fn base_offset(&self) -> Offset {
        self.base_offset
    }

    pub fn log(&self) -> &FileMessageSet {
        &self.log
    }

    /// The size of the messages in bytes.
    pub fn size(&self) -> u64 {
        self.log.size()
    }

    /// Where the next entry will lie.
    pub fn end_position(&self) -> Position {
        Position(self.size())
    }

    pub fn offset_index(&self) -> RwLockReadGuard<'_, OffsetIndex> {
        self.indexes.offset_index()
    }

    pub fn time_index(&self) -> RwLockReadGuard<'_, TimeIndex> {
        self.indexes.time_index()
    }

    pub fn indexes(&self) -> &SegmentIndexes {
        &self.indexes
    }

    /// An index gets an entry after more than so many bytes of messages.
    pub(crate) fn index_interval_bytes(&self) -> u64 {
        self.index_interval_bytes
    }

    /// When the segment was begun, by the wall clock.
    pub fn created_ms(&self) -> TimestampMs {
        locked(&self.state).created_ms
    }

    /// What is taken from the age at which the segment rolls.
    pub fn roll_jitter_ms(&self) -> i64 {
        self.roll_jitter_ms
    }

    /// Appends messages, and an entry of both indexes if enough messages came since the last one.
    /// Without an index entry that cannot be written, lookups only scan further: that is logged,
    /// and the messages stay.
    ///
    /// # Errors
    /// `Api` if the last offset or the size is out of an index's reach; `Io` if the write fails,
    /// and then the segment is as it was.
    pub fn append(&self, set: &SegmentAppend<'_>) -> Result<(), KafkaError> {
        if set.bytes.is_empty() {
            return Ok(());
        }
        let position = self.end_position();
        let end = position + set.bytes.len() as u64;
        if !self.can_hold(set.last_offset) || i32::try_from(end.0).is_err() {
            let why = format!(
                "offset {} at position {position} is out of reach of segment {}",
                set.last_offset, self.base_offset
            );
            return Err(KafkaError::api(Errors::UnknownServerError, why));
        }
        self.log.append(set.bytes)?;
        let before = locked(&self.state).largest_timestamp;
        let mut largest = before.unwrap_or_else(|| self.largest_timestamp());
        if set.max_timestamp_ms > largest.timestamp_ms {
            let (timestamp_ms, offset) = (set.max_timestamp_ms, set.offset_of_max_timestamp);
            largest = TimestampOffset { timestamp_ms, offset };
        }
        let mut state = locked(&self.state);
        state.largest_timestamp = Some(largest);
        if state.bytes_since_last_index_entry > self.index_interval_bytes {
            self.indexes.append(set.bytes, position, largest);
            state.bytes_since_last_index_entry = 0;
        }
        state.bytes_since_last_index_entry += set.bytes.len() as u64;
        Ok(())
    }

    /// Whether the indexes can express `offset`, as a difference to the base offset.
    pub fn can_hold(&self, offset: Offset) -> bool {
        relative_offset(offset, self.base_offset).is_some()
    }

    /// Reads from the entry that holds `start_offset` or a higher offset on: a slice of the file,
    /// of which nothing is read but what the search needs. `None` if there is no such entry.
    ///
    /// The slice begins with an entry and ends before the first entry that holds `max_offset` or a
    /// higher offset, before `max_position`, and where `limit` says.
    ///
    /// # Errors
    /// `UNKNOWN_SERVER_ERROR` for a negative limit; `Corrupt` or `Io` if the search fails, or may
    /// not wait and would have to.
    pub fn read(
        &self,
        start_offset: Offset,
        max_offset: Option<Offset>,
        max_position: Position,
        limit: ReadLimit<'_>,
    ) -> Result<Option<FetchDataInfo>, KafkaError> {
        let _step = step!(
            [8] "LogSegment.read",
            "segment {} from offset {start_offset}, {} bytes at most",
            self.base_offset, limit.max_bytes
        );
        let patience = limit.patience;
        let first = self.translate_offset_within(start_offset, Position::START, patience)?;
        let Some(first) = first else {
            return Ok(None);
        };
        let end_position = match max_offset {
            None => max_position,
            // Also below the start, where Kafka 0.9 threw (KAFKA-725).
            Some(max_offset) if max_offset <= start_offset => first.position,
            Some(max_offset) => {
                let end = self.translate_offset_within(max_offset, first.position, patience)?;
                end.map_or(max_position, |end| end.position.min(max_position))
            }
        };
        let readable = end_position.bytes_since(first.position);
        let length = limit.bytes_within(first.size_bytes)?.min(readable);
        let is_cut = length < readable && length > first.size_bytes;
        let end = first.position + length;
        let end = match limit.ends_at_entry && is_cut {
            true => self.known_end(&first, end, patience)?,
            false => end,
        };
        Ok(Some(FetchDataInfo {
            fetch_offset_metadata: LogOffsetMetadata::at(
                start_offset,
                self.base_offset,
                first.position,
            ),
            message_set: self.log.read(first.position, end - first.position),
            first_entry_incomplete: readable > 0 && length < first.size_bytes,
            bytes_within_limit: length,
        }))
    }

    /// Where a slice that begins with `first`, and may reach to `limit_position`, ends best, as far
    /// as that is known without a look at the file: at the last entry that the offset index knows
    /// of, or behind the first one, whose header was just read.
    fn known_end(
        &self,
        first: &EntryHeader,
        limit_position: Position,
        patience: Patience<'_>,
    ) -> io::Result<Position> {
        let index = self.indexes.offset_index_within(patience)?;
        let known = index.lookup_position(limit_position).max(first.end());
        let is_better = ends_better_at_known_entry(
            first.size_bytes,
            known - first.position,
            limit_position - known,
            self.index_interval_bytes,
        );
        Ok(if is_better { known } else { limit_position })
    }

    /// Finds the first entry that holds `offset` or a higher one, at `starting_position` or behind.
    ///
    /// # Errors
    /// As [`FileMessageSet::search_for`].
    pub fn translate_offset(
        &self,
        offset: Offset,
        starting_position: Position,
    ) -> Result<Option<EntryHeader>, KafkaError> {
        self.translate_offset_within(offset, starting_position, Patience::ForDisk)
    }

    fn translate_offset_within(
        &self,
        offset: Offset,
        starting_position: Position,
        patience: Patience<'_>,
    ) -> Result<Option<EntryHeader>, KafkaError> {
        let near = self.indexes.offset_index_within(patience)?.lookup(offset);
        self.log.search_for(offset, near.position.max(starting_position), patience)
    }

    /// The offset after the last message, and the position after the last whole entry.
    ///
    /// # Errors
    /// `Io` if the file cannot be read.
    pub fn next_offset(&self) -> Result<(Offset, Position), KafkaError> {
        let mut position = self.offset_index().last_entry().position;
        let mut last = None;
        while let Some(entry) = self.whole_entry_at(position)? {
            position = entry.end();
            last = Some(entry);
        }
        let last_offset =
            last.map(|entry| self.log.last_offset(&entry, Patience::ForDisk)).transpose()?;
        Ok((last_offset.map_or(self.base_offset, |offset| offset.next()), position))
    }

    /// As [`FileMessageSet::entry_at`], with junk taken for the end.
    fn whole_entry_at(&self, position: Position) -> Result<Option<EntryHeader>, KafkaError> {
        match self.log.entry_at(position) {
            Err(KafkaError::Corrupt { .. }) => Ok(None),
            other => other,
        }
    }

    /// Cuts off all entries that hold `offset` or a higher one, and returns how many bytes that
    /// were. The indexes get their full room back, also when nothing is left (KAFKA-6492).
    ///
    /// # Errors
    /// `Io`, or `Corrupt` if the search fails.
    pub fn truncate_to(
        &self,
        offset: Offset,
        max_index_size: usize,
        now_ms: TimestampMs,
    ) -> Result<u64, KafkaError> {
        let first_cut = self.translate_offset(offset, Position::START)?;
        self.indexes.truncate_to(offset, max_index_size);
        let Some(first_cut) = first_cut else { return Ok(0) };
        let bytes_cut = self.log.truncate_to(first_cut.position.0)?;
        let indexed = self.offset_index().last_entry().position;
        let mut state = locked(&self.state);
        state.bytes_since_last_index_entry = first_cut.position.bytes_since(indexed);
        state.largest_timestamp = None;
        state.first_written_ms = None;
        if first_cut.position == Position::START {
            state.created_ms = now_ms;
        }
        Ok(bytes_cut)
    }

    /// The highest timestamp in the segment and the last offset of the entry that has it, or
    /// ([`TimestampMs::NONE`], base offset) if no message has one.
    ///
    /// Errors while reading are logged: what is found then is a timestamp that is too low.
    pub fn largest_timestamp(&self) -> TimestampOffset {
        if let Some(known) = locked(&self.state).largest_timestamp {
            return known;
        }
        let found = self.read_largest_timestamp().unwrap_or_else(|error| {
            let level = limited(LogKind::Failures, Level::Warn);
            log!(
                level,
                "cannot find the highest timestamp of segment {}: {error}",
                self.base_offset
            );
            self.time_index().last_entry()
        });
        *locked(&self.state).largest_timestamp.get_or_insert(found)
    }

    /// The time index knows about all entries but those after its last one.
    fn read_largest_timestamp(&self) -> Result<TimestampOffset, KafkaError> {
        let mut largest = self.time_index().last_entry();
        let mut position = self.offset_index().lookup(largest.offset).position;
        while let Some(entry) = self.whole_entry_at(position)? {
            let timestamp_ms = self.log.max_timestamp_ms(&entry)?;
            if timestamp_ms > largest.timestamp_ms {
                let offset = self.log.last_offset(&entry, Patience::ForDisk)?;
                largest = TimestampOffset { timestamp_ms, offset };
            }
            position = entry.end();
        }
        Ok(largest)
    }

    /// When the segment's last message was written: by its highest timestamp, or by the file's time
    /// of modification if its messages have none.
    ///
    /// # Errors
    /// Whatever `fstat(2)` reports.
    pub fn last_written_ms(&self) -> io::Result<TimestampMs> {
        match self.largest_timestamp().timestamp_ms {
            TimestampMs::NONE => self.log.last_modified_ms(),
            timestamp_ms => Ok(timestamp_ms),
        }
    }

    /// When the segment's first message was written: by the timestamp of its entry, or by the
    /// file's time of modification if it has none. `None` if there is no message.
    ///
    /// It is read once, for the cleaner asks again and again. If it cannot be read, that is logged,
    /// and the answer is `None` ever after.
    pub fn first_written_ms(&self) -> Option<TimestampMs> {
        if let Some(known) = locked(&self.state).first_written_ms {
            return known;
        }
        if self.size() == 0 {
            return None;
        }
        let found = self.read_first_written_ms().unwrap_or_else(|error| {
            let level = limited(LogKind::Failures, Level::Warn);
            log!(level, "cannot find how old segment {} is: {error}", self.base_offset);
            None
        });
        *locked(&self.state).first_written_ms.get_or_insert(found)
    }

    fn read_first_written_ms(&self) -> Result<Option<TimestampMs>, KafkaError> {
        let first = self.log.entry_at(Position::START)?;
        Ok(first.map(|it| self.log.written_ms(&it)).transpose()?)
    }

    /// Makes the segment durable, but not the indexes of one that grows: a crash has them built
    /// anew. Readers and the appender go on meanwhile.
    ///
    /// # Errors
    /// Whatever `fdatasync(2)` reports, with the path.
    pub fn flush(&self) -> io::Result<()> {
        self.log.flush()?;
        self.indexes.flush()
    }

    /// Gives back what the files have beyond their content, when no more messages will come: on
    /// roll and on close.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path.
    pub fn on_become_inactive(&self) -> io::Result<()> {
        // The time index of a complete segment ends with its highest timestamp.
        self.indexes.append_timestamp(self.largest_timestamp());
        self.indexes.trim()?;
        self.log.trim()
    }

    /// As [`on_become_inactive`](Self::on_become_inactive), and makes the indexes durable: the next
    /// start takes them as they are.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path.
    pub fn close(&self) -> io::Result<()> {
        self.on_become_inactive()?;
        self.indexes.flush()
    }

    /// Keeps what lies before `end`: its highest timestamp is `largest`, and it is indexed but for
    /// the last `bytes_since_last_index_entry`. Returns how many bytes were cut off.
    pub(super) fn end_recovery(
        &self,
        end: Position,
        bytes_since_last_index_entry: u64,
        largest: TimestampOffset,
    ) -> io::Result<u64> {
        let bytes_cut = self.log.truncate_to(end.0)?;
        {
            let mut state = locked(&self.state);
            state.bytes_since_last_index_entry = bytes_since_last_index_entry;
            state.largest_timestamp = Some(largest);
        }
        self.indexes.append_timestamp(largest);
        match self.indexes.trim() {
            // What was read can be served, and the segment's next flush tries again.
            Err(error) if is_disk_full(&error) => {
                log!(
                    limited(LogKind::Failures, Level::Warn),
                    "segment {} has an index in memory alone: {error}",
                    self.base_offset
                );
            }
            trimmed => trimmed?,
        }
        Ok(bytes_cut)
    }

    /// Replaces the end of the three files' names. A file that is gone is no error (KAFKA-6324).
    ///
    /// # Errors
    /// Whatever `rename(2)` reports, with the path.
    pub fn change_file_suffixes(&self, old_suffix: &str, new_suffix: &str) -> io::Result<()> {
        let renamed = |path: &Path| {
            let name = path.to_string_lossy();
            let stem = name.strip_suffix(old_suffix).unwrap_or(&name);
            with_suffix(Path::new(stem), new_suffix)
        };
        unless_gone(self.log.rename_to(&renamed(&self.log.path())))?;
        self.indexes.rename(renamed)
    }

    /// Deletes the three files. Slices can still be sent to their end.
    ///
    /// # Errors
    /// Whatever `unlink(2)` reports, with the path.
    pub fn delete(&self) -> io::Result<()> {
        remove_if_exists(&self.log.path())?;
        self.indexes.delete()
    }
}

/// A segment that was loaded is as old as its first message, not as the process: a restart does not
/// postpone the roll (in Kafka 0.9 it does, KAFKA-3163).
fn created_ms(log: &FileMessageSet, now_ms: TimestampMs) -> io::Result<TimestampMs> {
    let first = log.entry_at(Position::START).unwrap_or_else(|error| {
        let level = limited(LogKind::Failures, Level::Warn);
        log!(
            level,
            "treating {} as new, because its age is unknown: {error}",
            log.path().display()
        );
        None
    });
    let Some(first) = first else { return Ok(now_ms) };
    Ok(log.written_ms(&first)?.min(now_ms))
}

/// A number from 0 to `bound - 1`, and 0 if the bound is not positive. Rust's maps are seeded at
/// random: so is this.
fn random_below(bound: i64) -> i64 {
    let random = RandomState::new().build_hasher().finish();
    u64::try_from(bound)
        .ok()
        .filter(|&bound| bound > 0)
        .map_or(0, |bound| i64::try_from(random % bound).expect("it is below a number that fits"))
}
