//! Port of `LogSegment.findOffsetByTimestamp` (Kafka 0.10.1) and `KafkaApis.fetchOffsetsBefore`:
//! from a time to offsets.

use std::io;
use std::sync::Arc;

use crate::common::errors::{Errors, KafkaError};
use crate::common::units::{LeaderEpoch, Offset, Position, TimestampMs};
use crate::message::byte_buffer_message_set::shallow_entries;
use crate::storage::index::time_index::TimestampOffset;
use crate::storage::log::file_message_set::EntryHeader;
use crate::storage::log::log::Log;
use crate::storage::log::log_segment::LogSegment;

/// The timestamp that stands for the end of the log in an offsets request.
pub const LATEST_TIMESTAMP: TimestampMs = TimestampMs::NONE;
/// The timestamp that stands for its start.
pub const EARLIEST_TIMESTAMP: TimestampMs = TimestampMs(-2);

/// A message that was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundRecord {
    pub timestamp_ms: TimestampMs,
    pub offset: Offset,
    /// That of its batch; [`LeaderEpoch::NONE`] in magic 0 and 1.
    pub leader_epoch: LeaderEpoch,
}

/// The first message in `log` with this timestamp or a higher one.
///
/// # Errors
/// `UNSUPPORTED_FOR_MESSAGE_FORMAT` if the log's messages have no timestamps; `Io` or `Corrupt` if
/// the search fails.
pub fn fetch_offsets_by_timestamp(
    log: &Log,
    timestamp_ms: TimestampMs,
) -> Result<Option<FoundRecord>, KafkaError> {
    check_has_timestamps(log)?;
    let start = log.log_start_offset();
    for segment in log.segments() {
        if segment.largest_timestamp().timestamp_ms < timestamp_ms {
            continue;
        }
        let first = segment.base_offset().max(start);
        let found = find_offset_by_timestamp(&segment, timestamp_ms, first)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The message in `log` with the highest timestamp, the first of them if there are several.
///
/// Segments know it by the headers of their entries. If no message has what a header declares (an
/// earlier version of this broker stored such), the answer is the highest in that entry.
///
/// # Errors
/// As [`fetch_offsets_by_timestamp`].
pub fn fetch_offset_of_max_timestamp(log: &Log) -> Result<Option<FoundRecord>, KafkaError> {
    check_has_timestamps(log)?;
    let mut largest: Option<(TimestampOffset, Arc<LogSegment>)> = None;
    for segment in log.segments() {
        let of_segment = segment.largest_timestamp();
        let floor_ms = largest.as_ref().map_or(TimestampMs::NONE, |(it, _)| it.timestamp_ms);
        if of_segment.timestamp_ms > floor_ms {
            largest = Some((of_segment, segment));
        }
    }
    let Some((largest, segment)) = largest else { return Ok(None) };
    let found = fetch_offsets_by_timestamp(log, largest.timestamp_ms)?;
    if found.is_some() {
        return Ok(found);
    }
    let Some(entry) = segment.translate_offset(largest.offset, Position::START)? else {
        return Ok(None);
    };
    let first = segment.base_offset().max(log.log_start_offset());
    find_highest_in_entry(&segment, &entry, first)
}

fn check_has_timestamps(log: &Log) -> Result<(), KafkaError> {
    if log.config().message_format_magic == 0 {
        let why = format!("the messages of {} have no timestamps", log.topic_and_partition());
        return Err(KafkaError::api(Errors::UnsupportedForMessageFormat, why));
    }
    Ok(())
}

/// The answer to version 0 of an offsets request: base offsets of segments last modified at
/// `timestamp_ms` or before, from the newest on, `count_max` at most. See [`offsets_before`].
///
/// # Errors
/// `Io` if a file cannot be looked at.
pub fn legacy_offsets_before(
    log: &Log,
    timestamp_ms: TimestampMs,
    count_max: usize,
) -> Result<Vec<Offset>, KafkaError> {
    let (start, end_offset) = (log.log_start_offset(), log.log_end_offset());
    let segments = log.segments();
    let mut candidates = Vec::with_capacity(segments.len() + 1);
    for segment in &segments {
        let base_offset = segment.base_offset().max(start);
        candidates.push((base_offset, segment.log().last_modified_ms()?));
    }
    if segments.last().is_some_and(|active| active.size() > 0) {
        candidates.push((end_offset, log.time().milliseconds()));
    }
    Ok(offsets_before(&candidates, timestamp_ms, count_max))
}

/// The first message in `segment` whose timestamp is `timestamp_ms` or higher, and whose offset is
/// `starting_offset` or higher.
///
/// Reads the headers of the entries that the indexes cannot rule out, and the messages of one
/// entry.
///
/// # Errors
/// `Io`, or `Corrupt` or `Api` if what is read is no message.
pub fn find_offset_by_timestamp(
    segment: &LogSegment,
    timestamp_ms: TimestampMs,
    starting_offset: Offset,
) -> Result<Option<FoundRecord>, KafkaError> {
    let near = segment.time_index().lookup(timestamp_ms);
    let first_offset = near.offset.max(starting_offset);
    let mut position = segment.offset_index().lookup(first_offset).position;
    while let Some(entry) = segment.log().entry_at(position)? {
        position = entry.end();
        if segment.log().max_timestamp_ms(&entry)? < timestamp_ms {
            continue;
        }
        let found = find_in_entry(segment, &entry, timestamp_ms, starting_offset)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn find_in_entry(
    segment: &LogSegment,
    entry: &EntryHeader,
    timestamp_ms: TimestampMs,
    starting_offset: Offset,
) -> Result<Option<FoundRecord>, KafkaError> {
    let mut found = None;
    for_each_record_at(segment, entry, &mut |record| {
        let is_wanted = record.timestamp_ms >= timestamp_ms && record.offset >= starting_offset;
        if found.is_none() && is_wanted {
            found = Some(record);
        }
    })?;
    Ok(found)
}

/// The first message with the highest timestamp in `entry`, from `starting_offset` on.
fn find_highest_in_entry(
    segment: &LogSegment,
    entry: &EntryHeader,
    starting_offset: Offset,
) -> Result<Option<FoundRecord>, KafkaError> {
    let mut highest: Option<FoundRecord> = None;
    for_each_record_at(segment, entry, &mut |record| {
        let floor_ms = highest.map_or(TimestampMs::NONE, |it| it.timestamp_ms);
        if record.timestamp_ms > floor_ms && record.offset >= starting_offset {
            highest = Some(record);
        }
    })?;
    Ok(highest)
}

fn for_each_record_at(
    segment: &LogSegment,
    entry: &EntryHeader,
    visit: &mut dyn FnMut(FoundRecord),
) -> Result<(), KafkaError> {
    let size = usize::try_from(entry.size_bytes).map_err(io::Error::other)?;
    let mut bytes = vec![0; size];
    segment.log().read_exact_at(&mut bytes, entry.position)?;
    for entry in shallow_entries(&bytes) {
        let entry = entry?;
        let leader_epoch = entry.leader_epoch().map_or(LeaderEpoch::NONE, LeaderEpoch);
        entry.for_each_record(&mut |record| {
            visit(FoundRecord {
                timestamp_ms: TimestampMs(record.timestamp),
                offset: Offset(record.offset),
                leader_epoch,
            });
            Ok(())
        })?;
    }
    Ok(())
}

/// What version 0 of an offsets request gets: the base offsets of segments that were last modified
/// at `timestamp_ms` or before, from the newest on, at most `count_max` of them. `candidates` are
/// base offset and time of modification of each segment from the oldest on, and the end of the log
/// with the present time if the last segment is not empty.
pub fn offsets_before(
    candidates: &[(Offset, TimestampMs)],
    timestamp_ms: TimestampMs,
    count_max: usize,
) -> Vec<Offset> {
    let length = match timestamp_ms {
        LATEST_TIMESTAMP => candidates.len(),
        EARLIEST_TIMESTAMP => candidates.len().min(1),
        _ => {
            let newest =
                candidates.iter().rposition(|(_, modified_ms)| *modified_ms <= timestamp_ms);
            newest.map_or(0, |newest| newest + 1)
        }
    };
    let offsets = candidates[..length].iter().rev().map(|(offset, _)| *offset);
    offsets.take(count_max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_before_a_time_go_down_from_the_newest_segment_of_that_time() {
        let candidates = [(0, 100), (10, 200), (20, 300), (25, 400)];
        let candidates = candidates.map(|(offset, ms)| (Offset(offset), TimestampMs(ms)));
        assert_eq!(offsets_before(&candidates, LATEST_TIMESTAMP, 10), [25, 20, 10, 0].map(Offset));
        assert_eq!(offsets_before(&candidates, LATEST_TIMESTAMP, 2), [25, 20].map(Offset));
        assert_eq!(offsets_before(&candidates, EARLIEST_TIMESTAMP, 10), [0].map(Offset));
        assert_eq!(offsets_before(&candidates, TimestampMs(250), 10), [10, 0].map(Offset));
        assert!(offsets_before(&candidates, TimestampMs(99), 10).is_empty());
    }
}
