//! Port of `kafka.utils.timer.TimingWheel`, `TimerTaskList` and `TimerTaskEntry`: many deadlines,
//! each entered and cancelled in O(1).
//!
//! A wheel is a ring of buckets, each one tick wide. A deadline within the wheel's span goes into
//! the bucket of its tick; one further out goes to the next level, whose tick is the span of the
//! level below, and comes down again when its bucket there is due. With a tick of 1 ms and 20
//! buckets the levels span 20 ms, 400 ms, 8 s, 160 s and so on.
//!
//! ```text
//! level 0     1 ms a bucket   [ 0 | 1 | 2 | .. | 19 ]   what expires comes from here
//! level 1    20 ms a bucket   [ 0 | 1 | 2 | .. | 19 ]   a bucket that is due empties into level 0,
//! level 2   400 ms a bucket   [ 0 | 1 | 2 | .. | 19 ]   and one of these into level 0 or 1
//! ```
//!
//! It knows no thread and no clock: [`Timer`](crate::purgatory::timer::Timer) brings both. Kafka's
//! lists are linked and its overflow wheels nested; here the entries live in a slab, a bucket is a
//! list of their keys, and the levels are a list.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use slab::Slab;

use crate::purgatory::purgatory_snapshot::{LevelSnapshot, WheelSnapshot};

/// Values of type `T`, each with a deadline in milliseconds of a clock that the caller keeps.
///
/// Invariants between calls:
/// - a level's clock is the wheel's time rounded down to that level's tick;
/// - an entry lies in exactly one bucket, at the place it remembers, and its deadline is past that
///   level's present tick and within its span; so no two ticks ever share a bucket;
/// - a bucket is in `due_buckets` exactly once if it is armed, and not at all otherwise; one with
///   entries is armed.
#[derive(Debug)]
pub struct TimingWheel<T> {
    wheel_size: usize,
    levels: Vec<Level>,
    entries: Slab<TimerTaskEntry<T>>,
    next_serial: u64,
    /// The armed buckets, the earliest on top: Kafka's `DelayQueue`.
    due_buckets: BinaryHeap<Reverse<DueBucket>>,
}

/// Names an entry for [`TimingWheel::cancel`]. Never comes to mean another entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerTaskId {
    key: usize,
    serial: u64,
}

#[derive(Debug)]
struct Level {
    tick_ms: i64,
    /// `tick_ms` times the number of buckets, at most `i64::MAX`.
    span_ms: i64,
    /// A multiple of `tick_ms`.
    current_ms: i64,
    buckets: Vec<TimerTaskList>,
}

/// One bucket: the keys of its entries. Its deadline stands in `due_buckets` while it is armed.
#[derive(Debug, Default)]
struct TimerTaskList {
    keys: Vec<usize>,
    is_armed: bool,
}

#[derive(Debug)]
struct TimerTaskEntry<T> {
    value: T,
    expiration_ms: i64,
    serial: u64,
    place: Place,
}

/// Where an entry lies: `levels[level].buckets[bucket].keys[index]`.
#[derive(Clone, Copy, Debug)]
struct Place {
    level: usize,
    bucket: usize,
    index: usize,
}

/// Ordered by time; among buckets of one moment the lower level comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct DueBucket {
    expiration_ms: i64,
    level: usize,
    bucket: usize,
}

impl<T> TimingWheel<T> {
    /// An empty wheel of `wheel_size` buckets of `tick_ms` milliseconds, whose time is `start_ms`.
    ///
    /// # Panics
    /// If the tick is shorter than 1 ms or there are fewer than 2 buckets: no level could be wider
    /// than the one below.
    pub fn new(tick_ms: i64, wheel_size: usize, start_ms: i64) -> Self {
        assert!(tick_ms >= 1, "a tick of {tick_ms} ms is none");
        assert!(wheel_size >= 2, "a wheel of {wheel_size} buckets does not turn");
        Self {
            wheel_size,
            levels: vec![Level::new(tick_ms, wheel_size, start_ms)],
            entries: Slab::new(),
            next_serial: 0,
            due_buckets: BinaryHeap::new(),
        }
    }

    /// Keeps `value` until `expiration_ms`.
    ///
    /// # Errors
    /// Gives `value` back if that moment is past or within the present tick: it is due now.
    pub fn add(&mut self, value: T, expiration_ms: i64) -> Result<TimerTaskId, T> {
        // The last moment of all is kept free, so that some level's span always reaches past the
        // deadline.
        let expiration_ms = expiration_ms.min(i64::MAX - 1);
        let Some((level, bucket)) = self.find_bucket(expiration_ms) else { return Err(value) };
        let serial = self.next_serial;
        self.next_serial += 1;
        let place = Place { level, bucket, index: 0 };
        let key = self.entries.insert(TimerTaskEntry { value, expiration_ms, serial, place });
        self.put(key, level, bucket);
        Ok(TimerTaskId { key, serial })
    }

    /// How many values wait on each level.
    pub fn snapshot(&self) -> WheelSnapshot {
        let level = |level: &Level| LevelSnapshot {
            tick_ms: level.tick_ms,
            entries: level.buckets.iter().map(|bucket| bucket.keys.len()).sum(),
        };
        WheelSnapshot {
            buckets_per_level: self.wheel_size,
            levels: self.levels.iter().map(level).collect(),
        }
    }

    /// Takes the value back before its time. `None` if it has expired or was cancelled already.
    pub fn cancel(&mut self, id: TimerTaskId) -> Option<T> {
        let entry = self.entries.get(id.key).filter(|entry| entry.serial == id.serial)?;
        let Place { level, bucket, index } = entry.place;
        let keys = &mut self.levels[level].buckets[bucket].keys;
        keys.swap_remove(index);
        if let Some(&moved) = keys.get(index) {
            self.entries[moved].place.index = index;
        }
        Some(self.entries.remove(id.key).value)
    }

    /// Sets the time to `now_ms`, if it is later, and takes out every value whose deadline has
    /// come, in the order of their deadlines (to a tick). A deadline is reached when its tick
    /// begins.
    pub fn advance_clock(&mut self, now_ms: i64) -> Vec<T> {
        let mut expired = Vec::new();
        while let Some(&Reverse(due)) = self.due_buckets.peek() {
            if due.expiration_ms > now_ms {
                break;
            }
            self.due_buckets.pop();
            self.set_clocks(due.expiration_ms);
            self.flush(due, &mut expired);
        }
        // No armed bucket is due any more, so no level's clock can pass one.
        self.set_clocks(now_ms);
        expired
    }

    /// When [`advance_clock`](Self::advance_clock) will next find something to do, though perhaps
    /// nothing to expire: entries may only come down a level, or may have been cancelled. `None` if
    /// it never will.
    pub fn next_expiration_ms(&self) -> Option<i64> {
        self.due_buckets.peek().map(|Reverse(due)| due.expiration_ms)
    }

    /// How many values wait.
    pub fn size(&self) -> usize {
        self.entries.len()
    }

    /// The level and bucket for a deadline, the level made if need be. `None` if the deadline is
    /// due.
    fn find_bucket(&mut self, expiration_ms: i64) -> Option<(usize, usize)> {
        let lowest = &self.levels[0];
        if expiration_ms < lowest.current_ms.saturating_add(lowest.tick_ms) {
            return None;
        }
        // ANCHOR: overflow_wheel
        let mut level = 0;
        while !self.levels[level].reaches(expiration_ms) {
            level += 1;
            if level == self.levels.len() {
                let below = &self.levels[level - 1];
                let overflow = Level::new(below.span_ms, self.wheel_size, below.current_ms);
                self.levels.push(overflow);
            }
        }
        // ANCHOR_END: overflow_wheel
        Some((level, self.levels[level].bucket_of(expiration_ms, self.wheel_size)))
    }

    /// Lays an entry into a bucket and arms it.
    fn put(&mut self, key: usize, level: usize, bucket: usize) {
        let tick_ms = self.levels[level].tick_ms;
        let list = &mut self.levels[level].buckets[bucket];
        let entry = &mut self.entries[key];
        entry.place = Place { level, bucket, index: list.keys.len() };
        list.keys.push(key);
        if !list.is_armed {
            list.is_armed = true;
            let expiration_ms = round_down(entry.expiration_ms, tick_ms);
            self.due_buckets.push(Reverse(DueBucket { expiration_ms, level, bucket }));
        }
    }

    /// Empties a bucket that is due: each entry expires or comes down to a lower level.
    fn flush(&mut self, due: DueBucket, expired: &mut Vec<T>) {
        let list = std::mem::take(&mut self.levels[due.level].buckets[due.bucket]);
        for key in list.keys {
            match self.find_bucket(self.entries[key].expiration_ms) {
                Some((level, bucket)) => self.put(key, level, bucket),
                None => expired.push(self.entries.remove(key).value),
            }
        }
    }

    fn set_clocks(&mut self, now_ms: i64) {
        for level in &mut self.levels {
            level.current_ms = level.current_ms.max(round_down(now_ms, level.tick_ms));
        }
    }
}

impl Level {
    fn new(tick_ms: i64, wheel_size: usize, now_ms: i64) -> Self {
        let span_ms = tick_ms.saturating_mul(i64::try_from(wheel_size).unwrap_or(i64::MAX));
        let mut buckets = Vec::new();
        buckets.resize_with(wheel_size, TimerTaskList::default);
        Self { tick_ms, span_ms, current_ms: round_down(now_ms, tick_ms), buckets }
    }

    fn reaches(&self, expiration_ms: i64) -> bool {
        expiration_ms < self.current_ms.saturating_add(self.span_ms)
    }

    fn bucket_of(&self, expiration_ms: i64, wheel_size: usize) -> usize {
        let ticks = expiration_ms.div_euclid(self.tick_ms);
        let wheel_size = i64::try_from(wheel_size).unwrap_or(i64::MAX);
        usize::try_from(ticks.rem_euclid(wheel_size))
            .expect("a remainder is below the wheel's size")
    }
}

/// The beginning of the tick that `ms` lies in.
fn round_down(ms: i64, tick_ms: i64) -> i64 {
    ms.div_euclid(tick_ms).saturating_mul(tick_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    use support::random::Random;

    impl<T> TimingWheel<T> {
        /// How many entries each level holds.
        fn lengths(&self) -> Vec<usize> {
            let length = |level: &Level| level.buckets.iter().map(|list| list.keys.len()).sum();
            self.levels.iter().map(length).collect()
        }

        /// Asserts what the struct's comment says.
        fn check_invariants(&self) {
            let mut armed = Vec::new();
            for (number, level) in self.levels.iter().enumerate() {
                assert_eq!(level.current_ms, round_down(self.levels[0].current_ms, level.tick_ms));
                for (bucket, list) in level.buckets.iter().enumerate() {
                    assert!(list.is_armed || list.keys.is_empty());
                    if list.is_armed {
                        armed.push((number, bucket));
                    }
                    for (index, &key) in list.keys.iter().enumerate() {
                        let entry = &self.entries[key];
                        let place = entry.place;
                        assert_eq!(
                            (place.level, place.bucket, place.index),
                            (number, bucket, index)
                        );
                        assert!(entry.expiration_ms >= level.current_ms + level.tick_ms);
                        assert!(level.reaches(entry.expiration_ms));
                        let expiration_ms = round_down(entry.expiration_ms, level.tick_ms);
                        let due = DueBucket { expiration_ms, level: number, bucket };
                        assert!(self.due_buckets.iter().any(|queued| queued.0 == due));
                    }
                }
            }
            assert_eq!(self.lengths().iter().sum::<usize>(), self.entries.len());
            let queued = self.due_buckets.iter().map(|Reverse(due)| (due.level, due.bucket));
            let mut queued: Vec<_> = queued.collect();
            queued.sort_unstable();
            assert_eq!(queued, armed);
        }
    }

    /// Kafka's `TimerTaskListTest.testAll`: ten entries keep their number while they move from list
    /// to list, the list they leave shrinks, and cancelling all of them empties the lists.
    #[test]
    fn entries_are_counted_once_whatever_list_they_are_in() {
        let mut wheel = TimingWheel::new(1, 20, 0);
        let mut ids = Vec::new();
        for value in 0..10 {
            ids.push(wheel.add(value, 40 + value).unwrap());
            assert_eq!(wheel.size(), ids.len());
        }
        assert_eq!(wheel.lengths(), [0, 10]);

        assert!(wheel.advance_clock(39).is_empty());
        assert_eq!(wheel.lengths(), [0, 10]);
        assert_eq!(wheel.advance_clock(40), [0]);
        assert_eq!(wheel.lengths(), [9, 0]);
        assert_eq!(wheel.size(), 9);
        wheel.check_invariants();

        for id in &ids[1..] {
            assert!(wheel.cancel(*id).is_some());
            wheel.check_invariants();
        }
        assert_eq!(wheel.lengths(), [0, 0]);
        assert_eq!(wheel.size(), 0);
    }

    #[test]
    fn a_deadline_within_the_present_tick_is_refused() {
        let mut wheel = TimingWheel::new(10, 3, 25);
        assert_eq!(wheel.add("past", -5), Err("past"));
        assert_eq!(wheel.add("now", 25), Err("now"));
        assert_eq!(wheel.add("this tick", 29), Err("this tick"));
        assert!(wheel.add("next tick", 30).is_ok());
        assert_eq!(wheel.size(), 1);
    }

    #[test]
    fn levels_are_made_on_demand_and_reach_any_deadline() {
        let mut wheel = TimingWheel::new(1, 20, 0);
        wheel.add(1, 19).unwrap();
        assert_eq!(wheel.levels.len(), 1);
        wheel.add(2, 20).unwrap();
        assert_eq!(wheel.levels.len(), 2);
        wheel.add(3, 7_999).unwrap();
        assert_eq!(wheel.levels.len(), 3);
        wheel.add(4, i64::MAX).unwrap();
        wheel.check_invariants();
        assert_eq!(wheel.advance_clock(i64::MAX), [1, 2, 3, 4]);
    }

    #[test]
    fn an_id_never_cancels_a_newcomer_on_its_place() {
        let mut wheel = TimingWheel::new(1, 20, 0);
        let old = wheel.add("old", 5).unwrap();
        assert_eq!(wheel.cancel(old), Some("old"));
        let new = wheel.add("new", 5).unwrap();
        assert_eq!(new.key, old.key);
        assert_eq!(wheel.cancel(old), None);
        assert_eq!(wheel.cancel(new), Some("new"));
    }

    /// Adds, cancels and moves the clock at random, beside a plain list that does the same; the two
    /// must agree, and the invariants hold after each step.
    #[test]
    fn a_wheel_agrees_with_a_list_that_is_searched() {
        for seed in 1..=20 {
            let mut random = Random(seed);
            let (mut wheel, mut now_ms) = (TimingWheel::new(1, 3, 7), 7);
            let mut model: Vec<(i64, u64, TimerTaskId)> = Vec::new();
            for value in 0..400 {
                match random.below(4) {
                    0 | 1 => {
                        let expiration_ms = now_ms + random.below(200) as i64 - 5;
                        match wheel.add((expiration_ms, value), expiration_ms) {
                            Ok(id) => model.push((expiration_ms, value, id)),
                            Err(_) => assert!(expiration_ms <= now_ms, "seed {seed}"),
                        }
                    }
                    2 if !model.is_empty() => {
                        let index = random.below(model.len() as u64) as usize;
                        let (expiration_ms, value, id) = model.swap_remove(index);
                        assert_eq!(wheel.cancel(id), Some((expiration_ms, value)), "seed {seed}");
                    }
                    _ => {
                        now_ms += random.below(40) as i64;
                        let mut expired = wheel.advance_clock(now_ms);
                        assert!(expired.is_sorted_by_key(|&(expiration_ms, _)| expiration_ms));
                        let due = model.extract_if(.., |entry| entry.0 <= now_ms);
                        let mut expected: Vec<_> = due.map(|entry| (entry.0, entry.1)).collect();
                        expired.sort_unstable();
                        expected.sort_unstable();
                        assert_eq!(expired, expected, "seed {seed}");
                    }
                }
                wheel.check_invariants();
                assert_eq!(wheel.size(), model.len(), "seed {seed}");
            }
        }
    }
}
