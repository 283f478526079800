//! Port of the map of segments in `kafka.log.Log` (later `LogSegments`): what readers see of a log,
//! its segments by base offset and the offsets that bound them.
//!
//! Readers never wait for the log's lock. What lies before the end is whole and does not change;
//! what is being appended behind it does not exist for them yet. The locks in here are held for a
//! look into the map, never while a file is touched: readers get a share of a segment, which stays
//! readable after it has left the map.

use std::collections::BTreeMap;
use std::ops::{Bound, Deref};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, RwLock};

use crate::common::lock::{read_locked, write_locked};
use crate::common::units::Offset;
use crate::storage::log::log_offset_metadata::LogOffsetMetadata;
use crate::storage::log::log_segment::LogSegment;
use crate::storage::log::segment_ends::{SegmentEnd, SegmentEnds};

const NEVER_EMPTY: &str = "a log has at least one segment";

/// The segments of a log. There is always one: the last is the active one, which takes the appends.
///
/// Invariants: the active segment ends where the log ends, and the recovery point is not above
/// that. Only the [`SegmentsWriter`] changes anything.
#[derive(Debug)]
pub struct LogSegments {
    map: RwLock<Map>,
    /// The next offset, and where it will lie. Set after the bytes are in the file.
    end: RwLock<LogOffsetMetadata>,
    /// Nothing below is served: an admin deleted it, though a segment may still hold it.
    deleted_before: AtomicI64,
    recovery_point: AtomicI64,
}

type Map = BTreeMap<Offset, Arc<LogSegment>>;

impl LogSegments {
    /// The segment that holds `offset`, unless the offset lies behind its end: the last segment
    /// that does not begin above it.
    pub fn floor(&self, offset: Offset) -> Option<Arc<LogSegment>> {
        read_locked(&self.map).range(..=offset).next_back().map(|(_, segment)| Arc::clone(segment))
    }

    /// The next segment after the one at `base_offset`.
    pub fn higher(&self, base_offset: Offset) -> Option<Arc<LogSegment>> {
        let above = (Bound::Excluded(base_offset), Bound::Unbounded);
        read_locked(&self.map).range(above).next().map(|(_, segment)| Arc::clone(segment))
    }

    /// The oldest segment.
    pub fn first(&self) -> Arc<LogSegment> {
        Arc::clone(read_locked(&self.map).first_key_value().expect(NEVER_EMPTY).1)
    }

    /// The active segment.
    pub fn last(&self) -> Arc<LogSegment> {
        Arc::clone(read_locked(&self.map).last_key_value().expect(NEVER_EMPTY).1)
    }

    /// All segments, from the oldest on.
    pub fn snapshot(&self) -> Vec<Arc<LogSegment>> {
        read_locked(&self.map).values().cloned().collect()
    }

    /// The segments that may hold offsets from `from` to `to - 1`.
    pub fn between(&self, from: Offset, to: Offset) -> Vec<Arc<LogSegment>> {
        let map = read_locked(&self.map);
        let first = map.range(..=from).next_back().map_or(from, |(base_offset, _)| *base_offset);
        if first >= to {
            return Vec::new();
        }
        map.range(first..to).map(|(_, segment)| Arc::clone(segment)).collect()
    }

    /// How many segments there are.
    pub fn count(&self) -> usize {
        read_locked(&self.map).len()
    }

    /// The size of all segments' messages, in bytes.
    pub fn size(&self) -> u64 {
        read_locked(&self.map).values().map(|segment| segment.size()).sum()
    }

    /// The first offset that is served, or where it would be.
    pub fn start_offset(&self) -> Offset {
        let first = *read_locked(&self.map).first_key_value().expect(NEVER_EMPTY).0;
        first.max(Offset(self.deleted_before.load(Ordering::Acquire)))
    }

    /// The log end offset, and where the next message will lie.
    pub fn end(&self) -> LogOffsetMetadata {
        *read_locked(&self.end)
    }

    /// Everything below is on disk.
    pub fn recovery_point(&self) -> Offset {
        Offset(self.recovery_point.load(Ordering::Acquire))
    }
}

/// The right to change the segments of a log. There is one, and it lies behind the log's lock.
#[derive(Debug)]
pub struct SegmentsWriter {
    segments: Arc<LogSegments>,
    ends: SegmentEnds,
}

impl SegmentsWriter {
    /// A log of `first` and `rest` that ends at `end_offset` and is on disk up to `recovery_point`.
    /// The ends of the segments are noted in `ends`.
    pub fn new(
        first: Arc<LogSegment>,
        rest: impl IntoIterator<Item = Arc<LogSegment>>,
        end_offset: Offset,
        recovery_point: Offset,
        ends: SegmentEnds,
    ) -> Self {
        let all = std::iter::once(first).chain(rest);
        let map: Map = all.map(|segment| (segment.base_offset(), segment)).collect();
        let end = end_in(end_offset, map.last_key_value().expect(NEVER_EMPTY).1);
        let segments = LogSegments {
            map: RwLock::new(map),
            end: RwLock::new(end),
            deleted_before: AtomicI64::new(0),
            recovery_point: AtomicI64::new(recovery_point.0),
        };
        let mut writer = Self { segments: Arc::new(segments), ends };
        writer.note_what_was_found();
        writer
    }

    /// Notes the complete segments of which nothing is noted, and forgets the active one and all behind
    /// it: none of them is complete.
    fn note_what_was_found(&mut self) {
        self.ends.forget(self.last().base_offset());
        let mut complete = self.complete_segments();
        if !self.ends.are_kept() && !complete.is_empty() {
            return self.ends.begin(complete);
        }
        complete.retain(|(base_offset, _)| !self.ends.know(*base_offset));
        complete.into_iter().for_each(|(base_offset, end)| self.ends.note(base_offset, end));
    }

    /// All but the active one, as they are.
    fn complete_segments(&self) -> Vec<(Offset, SegmentEnd)> {
        let segments = self.snapshot();
        let with_next = segments.iter().zip(segments.iter().skip(1));
        with_next.map(|(segment, next)| end_of(segment, next.base_offset())).collect()
    }

    /// A share for those who only read.
    pub fn share(&self) -> Arc<LogSegments> {
        Arc::clone(&self.segments)
    }

    /// Adds a segment behind all others: the active one from now on.
    pub fn insert(&mut self, segment: Arc<LogSegment>) {
        let (complete, end_offset) = (self.last(), segment.base_offset());
        write_locked(&self.map).insert(end_offset, segment);
        // One without a message is about to be removed.
        if complete.size() > 0 && self.ends.are_kept() {
            let (base_offset, end) = end_of(&complete, end_offset);
            self.ends.note(base_offset, end);
        } else if complete.size() > 0 {
            self.ends.begin(self.complete_segments());
        }
    }

    /// Takes a segment out. The last one stays.
    pub fn remove(&mut self, base_offset: Offset) {
        {
            let mut map = write_locked(&self.map);
            if map.len() > 1 {
                map.remove(&base_offset);
            }
        }
        let before = base_offset.0.checked_sub(1).and_then(|it| self.floor(Offset(it)));
        match (before, self.higher(base_offset)) {
            (None, _) => self.ends.forget_before(self.first().base_offset()),
            (Some(before), None) => self.ends.forget(before.base_offset()),
            // One without a message: the log leaps over it.
            (Some(before), Some(next)) => {
                let (base_offset, end) = end_of(&before, next.base_offset());
                self.ends.note(base_offset, end);
            }
        }
    }

    /// Notes that a copy will take the place of `replaced`, or not. Owed before the copy gets its
    /// name `.swap`, as is a sync of the file of the ends: a start must not miss what it replaced.
    pub fn expect_replacement(&mut self, replaced: &[Arc<LogSegment>]) {
        let Some((first, last)) = replaced.first().zip(replaced.last()) else { return };
        if let Some(next) = self.higher(last.base_offset()) {
            let end_offset = next.base_offset();
            self.ends.note(first.base_offset(), SegmentEnd { end_offset, size_bytes: None });
        }
    }

    /// Puts `segment` in the place of `replaced`, at once for all readers. Returns whether it did:
    /// not if one of them is no longer there, or is the active one.
    pub fn replace(&mut self, segment: &Arc<LogSegment>, replaced: &[Arc<LogSegment>]) -> bool {
        if !self.replace_in_map(segment, replaced) {
            return false;
        }
        if let Some(next) = self.higher(segment.base_offset()) {
            let (base_offset, end) = end_of(segment, next.base_offset());
            self.ends.note(base_offset, end);
        }
        true
    }

    fn replace_in_map(&self, segment: &Arc<LogSegment>, replaced: &[Arc<LogSegment>]) -> bool {
        let mut map = write_locked(&self.map);
        let is_there = |old: &Arc<LogSegment>| {
            map.get(&old.base_offset()).is_some_and(|it| Arc::ptr_eq(it, old))
        };
        let active = *map.last_key_value().expect(NEVER_EMPTY).0;
        if !replaced.iter().all(|old| is_there(old) && old.base_offset() != active) {
            return false;
        }
        map.retain(|base_offset, _| replaced.iter().all(|old| old.base_offset() != *base_offset));
        map.insert(segment.base_offset(), Arc::clone(segment));
        true
    }

    /// Puts `segment`, which is empty, in the place of all there are: the log begins anew where the
    /// segment does.
    pub fn restart(&mut self, segment: &Arc<LogSegment>) {
        let offset = segment.base_offset();
        *write_locked(&self.map) = Map::from([(offset, Arc::clone(segment))]);
        self.deleted_before.fetch_min(offset.0, Ordering::AcqRel);
        self.ends.forget(Offset::FIRST);
        self.truncate(offset, segment);
    }

    /// Makes everything before `end_offset` visible, which is at the end of the active segment.
    pub fn expose(&mut self, end_offset: Offset, active: &LogSegment) {
        *write_locked(&self.end) = end_in(end_offset, active);
    }

    /// Makes `end_offset`, at the end of the active segment, the end of a log that went further.
    pub fn truncate(&mut self, end_offset: Offset, active: &LogSegment) {
        self.expose(end_offset, active);
        self.ends.forget(active.base_offset());
        self.recovery_point.fetch_min(end_offset.0, Ordering::AcqRel);
    }

    /// Serves nothing below `offset` any more.
    pub fn delete_before(&mut self, offset: Offset) {
        self.deleted_before.fetch_max(offset.0, Ordering::AcqRel);
    }

    /// Everything below `offset` is on disk, as far as the log still goes.
    pub fn advance_recovery_point(&mut self, offset: Offset) {
        let offset = offset.min(self.end().message_offset);
        self.recovery_point.fetch_max(offset.0, Ordering::AcqRel);
    }
}

impl Deref for SegmentsWriter {
    type Target = LogSegments;

    fn deref(&self) -> &LogSegments {
        &self.segments
    }
}

/// The end of a segment that is complete, behind which the next one begins at `end_offset`.
fn end_of(segment: &LogSegment, end_offset: Offset) -> (Offset, SegmentEnd) {
    (segment.base_offset(), SegmentEnd { end_offset, size_bytes: Some(segment.size()) })
}

/// The place of `end_offset` at the end of the active segment.
fn end_in(end_offset: Offset, active: &LogSegment) -> LogOffsetMetadata {
    LogOffsetMetadata::at(end_offset, active.base_offset(), active.end_position())
}
