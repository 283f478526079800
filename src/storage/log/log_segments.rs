//! Port of the map of segments in `kafka.log.Log` (later `LogSegments`): the segments of a log, by
//! base offset.
//!
//! The lock is held for a look into the map, never while a file is touched: what is handed out is a
//! share of a segment, which stays readable when it leaves the map.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::storage::log::log_segment::LogSegment;

/// The segments of a log. There is always one: the last is the active one, which takes the appends.
#[derive(Debug)]
pub struct LogSegments {
    map: RwLock<Map>,
}

type Map = BTreeMap<i64, Arc<LogSegment>>;

impl LogSegments {
    /// A log of `first` and `rest`.
    pub fn new(first: Arc<LogSegment>, rest: impl IntoIterator<Item = Arc<LogSegment>>) -> Self {
        let all = std::iter::once(first).chain(rest);
        Self { map: RwLock::new(all.map(|segment| (segment.base_offset(), segment)).collect()) }
    }

    /// The segment in which `offset` lies, unless it lies behind the segment's end: the last one
    /// that does not begin above it.
    pub fn floor(&self, offset: i64) -> Option<Arc<LogSegment>> {
        self.read().range(..=offset).next_back().map(|(_, segment)| Arc::clone(segment))
    }

    /// The next segment after the one at `base_offset`.
    pub fn higher(&self, base_offset: i64) -> Option<Arc<LogSegment>> {
        let above = (Bound::Excluded(base_offset), Bound::Unbounded);
        self.read().range(above).next().map(|(_, segment)| Arc::clone(segment))
    }

    /// The oldest segment.
    pub fn first(&self) -> Arc<LogSegment> {
        Arc::clone(self.read().first_key_value().expect(NEVER_EMPTY).1)
    }

    /// The active segment.
    pub fn last(&self) -> Arc<LogSegment> {
        Arc::clone(self.read().last_key_value().expect(NEVER_EMPTY).1)
    }

    /// All segments, from the oldest on.
    pub fn snapshot(&self) -> Vec<Arc<LogSegment>> {
        self.read().values().cloned().collect()
    }

    /// The segments that may hold offsets from `from` to `to - 1`.
    pub fn between(&self, from: i64, to: i64) -> Vec<Arc<LogSegment>> {
        let map = self.read();
        let first = map.range(..=from).next_back().map_or(from, |(base_offset, _)| *base_offset);
        if first >= to {
            return Vec::new();
        }
        map.range(first..to).map(|(_, segment)| Arc::clone(segment)).collect()
    }

    /// How many there are.
    pub fn length(&self) -> usize {
        self.read().len()
    }

    /// Adds a segment, and returns the one that had its base offset.
    pub fn insert(&self, segment: Arc<LogSegment>) -> Option<Arc<LogSegment>> {
        self.write().insert(segment.base_offset(), segment)
    }

    /// Takes a segment out. The last one stays.
    pub fn remove(&self, base_offset: i64) -> Option<Arc<LogSegment>> {
        let mut map = self.write();
        if map.len() > 1 { map.remove(&base_offset) } else { None }
    }

    /// Puts `segment` in the place of `replaced`, at once for all readers. Says whether it did: not
    /// if one of them is no longer there, or is the active one.
    pub fn replace(&self, segment: &Arc<LogSegment>, replaced: &[Arc<LogSegment>]) -> bool {
        let mut map = self.write();
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

    /// Puts `segment` in the place of all there are.
    pub fn replace_all(&self, segment: Arc<LogSegment>) {
        *self.write() = Map::from([(segment.base_offset(), segment)]);
    }

    fn read(&self) -> RwLockReadGuard<'_, Map> {
        self.map.read().expect(MAP_LOCK)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Map> {
        self.map.write().expect(MAP_LOCK)
    }
}

const MAP_LOCK: &str = "no thread panics while it changes the map of segments";
const NEVER_EMPTY: &str = "a log has at least one segment";
