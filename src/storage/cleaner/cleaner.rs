//! Port of `kafka.log.Cleaner`: one pass over one log.
//!
//! The pass first reads the dirty part, and enters the last offset of each of its keys in a map, as
//! long as the map has room. Then it copies all segments below that point, a few into one, without
//! the messages whose key has a later offset in the map; each copy replaces its originals as soon as
//! it is complete. Appends and fetches go on meanwhile.

use std::sync::Arc;

use log::{debug, warn};

use crate::common::errors::{Errors, KafkaError};
use crate::common::units::{Offset, Position, TimestampMs};
use crate::config::log_config::LogConfig;
use crate::message::byte_buffer_message_set::{EntryContent, ShallowEntry, shallow_entries};
use crate::message::record_batch::TRANSACTIONAL_FLAG;
use crate::message::record_filter::{Filtered, filter_entry};
use crate::message::records::LogRecord;
use crate::storage::cleaner::log_cleaner_manager::{CleaningError, LogToClean};
use crate::storage::cleaner::offset_map::OffsetMap;
use crate::storage::index::abstract_index::relative_offset;
use crate::storage::index::offset_index::INDEX_ENTRY_BYTES;
use crate::storage::index::time_index::TIME_INDEX_ENTRY_BYTES;
use crate::storage::log::log_segment::{LogSegment, SegmentAppend};
use crate::storage::log::segment_swap::{create_cleaned_segment, replace_segments};

/// Cleans logs, one at a time.
pub struct Cleaner<'a> {
    /// How much is read at a time, in bytes; a larger entry is read whole.
    pub io_buffer_bytes: usize,
    /// How many keys the map may hold.
    pub keys_max: usize,
    /// How full the map may become, from 0 to 1.
    pub load_factor: f64,
    /// The wall clock's time, in milliseconds.
    pub now_ms: TimestampMs,
    /// Called with the number of bytes that were read or written; its error stops the pass.
    pub check: &'a dyn Fn(u64) -> Result<(), CleaningError>,
}

/// What a pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleanerStats {
    /// The log is clean up to here.
    pub end_offset: Offset,
    /// The size of the segments that were copied, in bytes.
    pub bytes_read: u64,
    /// The size of what they became.
    pub bytes_written: u64,
    /// Without the messages of batches that cannot be read.
    pub messages_read: u64,
    pub messages_kept: u64,
}

impl Cleaner<'_> {
    /// Cleans `cleanable` as far as the map reaches: at least one key, so each pass makes progress
    /// (KAFKA-3587, KAFKA-3894).
    ///
    /// # Errors
    /// `Aborted` if the check returns it, or the log lost a segment meanwhile; `Failed` if the log
    /// cannot be read or written, or has records of a transaction in its dirty part. Segments that were
    /// replaced by then stay replaced: they are correct.
    pub fn clean(&self, cleanable: &LogToClean) -> Result<CleanerStats, CleaningError> {
        let LogToClean { log, first_dirty_offset, .. } = cleanable;
        let segments = log.segments();
        let (map, end_offset) = self.build_offset_map(cleanable, &segments)?;
        debug!(
            "{} has {} keys from offset {first_dirty_offset} to {end_offset}",
            log.topic_and_partition(),
            map.length()
        );
        let active = segments.last().map_or(end_offset, |segment| segment.base_offset());
        let below = segments.iter().take_while(|it| it.base_offset() < end_offset.min(active));
        let below: Vec<_> = below.cloned().collect();
        let mut pass = Pass {
            cleaner: self,
            cleanable,
            map,
            new_delete_horizon_ms: self.now_ms.saturating_add_ms(log.config().delete_retention_ms),
            old_delete_horizon_ms: old_delete_horizon_ms(cleanable, &segments)?,
            stats: CleanerStats { end_offset, ..CleanerStats::default() },
        };
        for group in group_segments_by_size(&below, active, &log.config()) {
            pass.clean_segments(group)?;
        }
        Ok(pass.stats)
    }

    /// The last offsets of the keys in the dirty part, and its end: the end of what may be cleaned,
    /// or the offset at which the map was full. A batch whose records cannot be read has no keys.
    fn build_offset_map(
        &self,
        cleanable: &LogToClean,
        segments: &[Arc<LogSegment>],
    ) -> Result<(OffsetMap, Offset), CleaningError> {
        let dirty = cleanable.first_dirty_offset..cleanable.first_uncleanable_offset;
        // A small dirty part needs no large map: it has no more keys than offsets.
        let offsets = usize::try_from(dirty.end.saturating_sub(dirty.start)).unwrap_or(0);
        let mut map = OffsetMap::new(self.keys_max.min(offsets), self.load_factor);
        let mut full_at = None;
        // The clean part is not read here: an unreadable batch is logged by the pass that finds it
        // dirty, and again only if that pass fails or the checkpoint is lost.
        let (mut unreadable_count, mut first_unreadable) = (0, None);
        for (i, segment) in segments.iter().enumerate() {
            let end = segments.get(i + 1).map_or(Offset::MAX, |next| next.base_offset());
            if end <= dirty.start || segment.base_offset() >= dirty.end || full_at.is_some() {
                continue;
            }
            let first = segment.translate_offset(dirty.start, Position::START)?;
            let Some(first) = first else { continue };
            self.for_each_entry(segment, first.position, &mut |entry| {
                let is_control = matches!(
                    entry.content, EntryContent::Batch(batch) if batch.is_control_batch()
                );
                if is_control || full_at.is_some() {
                    return Ok(());
                }
                if is_of_transaction(entry) {
                    return Err(unknown_outcome(entry));
                }
                let read = entry.for_each_record_or_none(&mut |record| {
                    let offset = Offset(record.offset);
                    let is_dirty = dirty.contains(&offset) && full_at.is_none();
                    let key = record.key.filter(|_| is_dirty);
                    if key.is_some_and(|key| !map.put(key, offset)) {
                        full_at = Some(offset);
                    }
                    Ok(())
                });
                if let Err(error) = read {
                    unreadable_count += 1;
                    first_unreadable.get_or_insert((entry.offset, error));
                }
                Ok(())
            })?;
        }
        if let Some((offset, error)) = first_unreadable {
            warn!(
                "{unreadable_count} batches of {} cannot be read and stay as they are, the first at \
                 offset {offset}: {error}",
                cleanable.log.topic_and_partition()
            );
        }
        Ok((map, full_at.unwrap_or(dirty.end)))
    }

    /// Reads `segment`, which no longer grows, from `position` on.
    ///
    /// # Errors
    /// `Failed` with the file and the position, if an entry is not whole or fails its CRC.
    fn for_each_entry(
        &self,
        segment: &LogSegment,
        mut position: Position,
        visit: &mut dyn FnMut(&ShallowEntry<'_>) -> Result<(), CleaningError>,
    ) -> Result<(), CleaningError> {
        let end = segment.end_position();
        let corrupt = |position: Position, why: String| -> CleaningError {
            KafkaError::Corrupt { file: segment.log().path(), position: position.0, why }.into()
        };
        let mut buffer = Vec::new();
        let mut chunk_bytes = self.io_buffer_bytes.max(1) as u64;
        while position < end {
            let count = chunk_bytes.min(end - position);
            buffer.resize(usize::try_from(count).unwrap_or(usize::MAX), 0);
            segment.log().read_exact_at(&mut buffer, position)?;
            (self.check)(count)?;
            let mut entries = shallow_entries(&buffer);
            let mut consumed = 0;
            while let Some(entry) = entries.next() {
                let at = position + consumed;
                let entry = entry.map_err(|error| corrupt(at, error.to_string()))?;
                if !entry.has_valid_crc() {
                    let why = format!("the entry of offset {} fails its CRC", entry.offset);
                    return Err(corrupt(at, why));
                }
                visit(&entry).map_err(|error| match error {
                    CleaningError::Failed(KafkaError::Api(code, why)) => {
                        corrupt(at, format!("{code}: {why}"))
                    }
                    other => other,
                })?;
                consumed = entries.position() as u64;
            }
            position += consumed;
            chunk_bytes = self.io_buffer_bytes.max(1) as u64;
            if consumed == 0 {
                // The entry is larger than the buffer, or cut off.
                let entry = segment.log().entry_at(position)?;
                let cut_off = || corrupt(position, "the last entry is cut off".to_string());
                chunk_bytes = entry.ok_or_else(cut_off)?.size_bytes;
            }
        }
        Ok(())
    }
}

fn is_of_transaction(entry: &ShallowEntry<'_>) -> bool {
    matches!(
        entry.content, EntryContent::Batch(batch) if batch.attributes() & TRANSACTIONAL_FLAG != 0
    )
}

/// If the transaction was aborted, the records before it are the last of their keys: dropped here, they would be
/// gone for those who read what is committed.
fn unknown_outcome(entry: &ShallowEntry<'_>) -> CleaningError {
    let why = format!(
        "offset {} belongs to a transaction, and this broker does not know of transactions which were aborted",
        entry.offset
    );
    KafkaError::api(Errors::UnsupportedForMessageFormat, why).into()
}

/// The state of a pass while it copies segments.
struct Pass<'a> {
    cleaner: &'a Cleaner<'a>,
    cleanable: &'a LogToClean,
    map: OffsetMap,
    /// When tombstones that this pass sees first may be dropped.
    new_delete_horizon_ms: TimestampMs,
    /// Tombstones of the old formats in segments that were last written before this are dropped.
    old_delete_horizon_ms: TimestampMs,
    stats: CleanerStats,
}

impl Pass<'_> {
    /// Copies a group of segments into one, which replaces them.
    fn clean_segments(&mut self, group: &[Arc<LogSegment>]) -> Result<(), CleaningError> {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { return Ok(()) };
        let log = &self.cleanable.log;
        let cleaned = Arc::new(create_cleaned_segment(log, first.base_offset())?);
        let copied = self.copy(group, &cleaned).and_then(|()| {
            cleaned.on_become_inactive()?;
            cleaned.flush()?;
            cleaned.log().set_last_modified_ms(last.log().last_modified_ms()?)?;
            (self.cleaner.check)(0)?;
            Ok(replace_segments(log, &cleaned, group)?)
        });
        match copied {
            Ok(true) => Ok(()),
            other => {
                if let Err(error) = cleaned.delete() {
                    warn!("cannot delete an unfinished segment before the next start: {error}");
                }
                Err(other.err().unwrap_or(CleaningError::Aborted))
            }
        }
    }

    fn copy(
        &mut self,
        group: &[Arc<LogSegment>],
        cleaned: &LogSegment,
    ) -> Result<(), CleaningError> {
        let mut out = CleanedSegment::new(cleaned, self.cleaner.check);
        for segment in group {
            let is_old = segment.log().last_modified_ms()? <= self.old_delete_horizon_ms;
            self.cleaner.for_each_entry(segment, Position::START, &mut |entry| {
                let keeps_empty = self.is_last_of_its_producer(entry)?;
                let drops_tombstones = match &entry.content {
                    EntryContent::Batch(batch) => batch
                        .delete_horizon_ms()
                        .is_some_and(|it| TimestampMs(it) <= self.cleaner.now_ms),
                    EntryContent::Message(_) => is_old,
                };
                let horizon_ms = self.new_delete_horizon_ms;
                let (mut read, mut kept) = (0, 0);
                let filtered = filter_entry(entry, keeps_empty, horizon_ms.0, &mut |record| {
                    let is_kept = self.should_retain_message(record, drops_tombstones);
                    read += 1;
                    kept += u64::from(is_kept);
                    is_kept
                })?;
                if !matches!(filtered, Filtered::Unreadable(_)) {
                    self.stats.messages_read += read;
                    self.stats.messages_kept += kept;
                }
                match &filtered {
                    Filtered::Whole => out.append(entry),
                    // The pass that found it dirty has warned.
                    Filtered::Unreadable(why) => {
                        let log = self.cleanable.log.topic_and_partition();
                        debug!("{log} keeps the batch at offset {} as it is: {why}", entry.offset);
                        out.append(entry)
                    }
                    Filtered::Nothing => Ok(()),
                    Filtered::Rebuilt(bytes) => {
                        let rebuilt = shallow_entries(bytes).next().transpose()?;
                        rebuilt.map_or(Ok(()), |rebuilt| out.append(&rebuilt))
                    }
                }
            })?;
            self.stats.bytes_read += segment.size();
        }
        out.flush()?;
        self.stats.bytes_written += cleaned.size();
        Ok(())
    }

    /// A message is kept if none with its key comes later, unless it is a tombstone that all
    /// consumers had time to see. A message without a key is kept.
    fn should_retain_message(&self, record: &LogRecord<'_>, drops_tombstones: bool) -> bool {
        let Some(key) = record.key else { return true };
        let is_redundant = self.map.get(key).is_some_and(|last| Offset(record.offset) < last);
        let is_obsolete_tombstone = record.value.is_none()
            && drops_tombstones
            && Offset(record.offset) < self.cleanable.first_dirty_offset;
        !is_redundant && !is_obsolete_tombstone
    }

    /// Whether the entry is the last batch of an idempotent producer that the log knows. After a
    /// crash the producers are recovered from the log, so the last sequence number must stay.
    fn is_last_of_its_producer(&self, entry: &ShallowEntry<'_>) -> Result<bool, KafkaError> {
        let EntryContent::Batch(batch) = &entry.content else { return Ok(false) };
        let known = self.cleanable.log.producer(batch.producer_id())?;
        let last = known.as_ref().and_then(|producer| producer.batches().last());
        Ok(last.is_some_and(|last| last.last_offset == Offset(batch.last_offset())))
    }
}

/// The writer of a clean segment.
struct CleanedSegment<'a> {
    segment: &'a LogSegment,
    check: &'a dyn Fn(u64) -> Result<(), CleaningError>,
    buffer: Vec<u8>,
    last_offset: Offset,
    max_timestamp_ms: TimestampMs,
    offset_of_max_timestamp: Offset,
}

impl<'a> CleanedSegment<'a> {
    fn new(segment: &'a LogSegment, check: &'a dyn Fn(u64) -> Result<(), CleaningError>) -> Self {
        Self {
            segment,
            check,
            buffer: Vec::new(),
            last_offset: Offset::NONE,
            max_timestamp_ms: TimestampMs::NONE,
            offset_of_max_timestamp: Offset::NONE,
        }
    }

    fn append(&mut self, entry: &ShallowEntry<'_>) -> Result<(), CleaningError> {
        self.buffer.extend_from_slice(entry.bytes);
        self.last_offset = Offset(entry.last_offset);
        let timestamp_ms = TimestampMs(entry.max_timestamp());
        if timestamp_ms > self.max_timestamp_ms {
            self.max_timestamp_ms = timestamp_ms;
            self.offset_of_max_timestamp = Offset(entry.last_offset);
        }
        // The index points to the beginning of an append, so no append exceeds the distance of two of
        // its entries.
        let is_full = self.buffer.len() as u64 >= self.segment.index_interval_bytes();
        if is_full { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), CleaningError> {
        self.segment.append(&SegmentAppend {
            last_offset: self.last_offset,
            max_timestamp_ms: self.max_timestamp_ms,
            offset_of_max_timestamp: self.offset_of_max_timestamp,
            bytes: &self.buffer,
        })?;
        let written = self.buffer.len() as u64;
        self.buffer.clear();
        (self.max_timestamp_ms, self.offset_of_max_timestamp) = (TimestampMs::NONE, Offset::NONE);
        (self.check)(written)
    }
}

/// `delete.retention.ms` before the last clean segment was written: Kafka's rule before KIP-534, for
/// formats whose batches hold no delete horizon. With no clean segment all tombstones stay, and so
/// they do as long as the clean part fits into one segment.
fn old_delete_horizon_ms(
    cleanable: &LogToClean,
    segments: &[Arc<LogSegment>],
) -> Result<TimestampMs, CleaningError> {
    let is_clean = |it: &&Arc<LogSegment>| it.base_offset() < cleanable.first_dirty_offset;
    let Some(last_clean) = segments.iter().rfind(is_clean) else {
        return Ok(TimestampMs(i64::MIN));
    };
    let written_ms = last_clean.log().last_modified_ms()?;
    Ok(written_ms.saturating_sub_ms(cleanable.log.config().delete_retention_ms))
}

/// Groups of neighbours that fit into one segment by their size, by the size of their indexes, and
/// by the offsets that an index entry can hold (KAFKA-6264). `end` is the end of the last segment.
pub fn group_segments_by_size<'a>(
    segments: &'a [Arc<LogSegment>],
    end: Offset,
    config: &LogConfig,
) -> Vec<&'a [Arc<LogSegment>]> {
    let mut groups = Vec::new();
    let mut rest = segments;
    while let Some(first) = rest.first() {
        let (mut size, mut index_size, mut time_index_size) = (0, 0, 0);
        let fits = |(i, segment): &(usize, &Arc<LogSegment>)| {
            size += segment.size();
            index_size += segment.offset_index().length() * INDEX_ENTRY_BYTES;
            time_index_size += segment.time_index().length() * TIME_INDEX_ENTRY_BYTES;
            let end = rest.get(i + 1).map_or(end, |next| next.base_offset());
            let is_near = relative_offset(end - 1, first.base_offset()).is_some();
            let is_small = index_size.max(time_index_size) <= config.max_index_size;
            *i == 0 || (size <= config.segment_size && is_small && is_near)
        };
        let count = rest.iter().enumerate().take_while(fits).count();
        let (group, after) = rest.split_at(count);
        groups.push(group);
        rest = after;
    }
    groups
}
