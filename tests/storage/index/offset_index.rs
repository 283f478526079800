//! Ports of `kafka.log.OffsetIndexTest`, and the time index beside it.

use std::fs;
use std::os::unix::fs::MetadataExt;

use support::random::Random;
use support::temp::TempDir;
use transferto::common::errors::is_disk_full;
use transferto::common::units::{Offset, Position, TimestampMs};
use transferto::storage::index::abstract_index::IndexError;
use transferto::storage::index::offset_index::{INDEX_ENTRY_BYTES, OffsetIndex, OffsetPosition};
use transferto::storage::index::time_index::{TIME_INDEX_ENTRY_BYTES, TimeIndex, TimestampOffset};

const BASE_OFFSET: i64 = 45;
const ENTRIES_MAX: usize = 30;

fn open(dir: &TempDir) -> OffsetIndex {
    OffsetIndex::open(&dir.join("45.index"), Offset(BASE_OFFSET), ENTRIES_MAX * INDEX_ENTRY_BYTES)
        .unwrap()
}

fn at(offset: i64, position: u64) -> OffsetPosition {
    OffsetPosition { offset: Offset(offset), position: Position(position) }
}

/// Port of `OffsetIndexTest.randomLookupTest`.
#[test]
fn a_lookup_finds_the_greatest_entry_that_is_not_above() {
    let dir = TempDir::new();
    let mut index = open(&dir);
    assert_eq!(index.lookup(Offset(92)), at(BASE_OFFSET, 0), "an empty index");
    let mut random = Random(1);
    let (mut offset, mut position) = (BASE_OFFSET, 0);
    let mut entries = vec![at(BASE_OFFSET, 0)];
    for _ in 0..ENTRIES_MAX {
        offset += 2 + random.below(50) as i64;
        position += 1 + random.below(500);
        index.append(Offset(offset), Position(position)).unwrap();
        entries.push(at(offset, position));
    }
    for pair in entries.windows(2) {
        assert_eq!(index.lookup(pair[1].offset), pair[1], "a hit");
        assert_eq!(index.lookup(pair[1].offset - 1), pair[0], "a miss");
    }
    assert_eq!(index.lookup(Offset::MAX), entries[ENTRIES_MAX]);
}

/// Of a page of entries at most, which grows, is cut and is opened again.
#[test]
fn a_small_index_takes_no_map_and_keeps_its_entries() {
    let dir = TempDir::new();
    let path = dir.join("0.index");
    let page = (4096 / INDEX_ENTRY_BYTES) as i64;
    let open = || OffsetIndex::open(&path, Offset(0), 1 << 20).unwrap();
    let is_mapped =
        || fs::read_to_string("/proc/self/maps").unwrap().contains(&path.display().to_string());
    let holds = |index: &OffsetIndex, count: i64| {
        assert_eq!(index.length() as i64, count);
        for i in 1..=count {
            assert_eq!(index.lookup(Offset(i)), at(i, i as u64));
        }
    };
    let push = |index: &mut OffsetIndex, offsets: std::ops::RangeInclusive<i64>| {
        index.resize(1 << 20);
        offsets.for_each(|i| index.append(Offset(i), Position(i as u64)).unwrap());
    };
    let mut index = open();
    push(&mut index, 1..=10);
    index.trim().unwrap();
    holds(&index, 10);
    assert!(!is_mapped());

    let mut index = open();
    holds(&index, 10);
    index.truncate_to(Offset(6));
    index.trim().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 5 * INDEX_ENTRY_BYTES as u64);
    push(&mut index, 6..=page);
    index.trim().unwrap();
    holds(&index, page);
    holds(&open(), page);
    assert!(!is_mapped());

    push(&mut index, page + 1..=page + 1);
    holds(&index, page + 1);
    index.trim().unwrap();
    holds(&open(), page + 1);
    assert!(is_mapped());
    // What is cut off does not come back, although the map stays as long as it was.
    index.truncate_to(Offset(3));
    push(&mut index, 3..=4);
    index.trim().unwrap();
    holds(&index, 4);
    assert_eq!(fs::metadata(&path).unwrap().len(), 4 * INDEX_ENTRY_BYTES as u64);
    holds(&open(), 4);
    assert!(!is_mapped());
}

/// Port of `OffsetIndexTest.lookupExtremeCases`.
#[test]
fn the_first_and_the_last_offset_are_found() {
    let dir = TempDir::new();
    let mut index = open(&dir);
    assert_eq!(index.lookup(Offset(BASE_OFFSET)), at(BASE_OFFSET, 0));
    for i in 0..ENTRIES_MAX as i64 {
        index.append(Offset(BASE_OFFSET + i + 1), Position(i as u64)).unwrap();
    }
    assert_eq!(index.lookup(Offset(BASE_OFFSET)), at(BASE_OFFSET, 0));
    let last = BASE_OFFSET + ENTRIES_MAX as i64;
    assert_eq!(index.lookup(Offset(last)), at(last, ENTRIES_MAX as u64 - 1));
}

/// Port of `OffsetIndexTest.appendTooMany`.
#[test]
fn a_full_index_takes_no_entry() {
    let dir = TempDir::new();
    let mut index = open(&dir);
    for i in 0..ENTRIES_MAX as i64 {
        assert!(!index.is_full());
        index.append(Offset(BASE_OFFSET + i + 1), Position(i as u64)).unwrap();
    }
    assert!(index.is_full());
    let error = index.append(Offset(BASE_OFFSET + 1000), Position(1000)).unwrap_err();
    assert!(matches!(error, IndexError::Full(_)), "{error}");
}

/// Port of `OffsetIndexTest.appendOutOfOrder`.
#[test]
fn offsets_must_ascend() {
    let dir = TempDir::new();
    let mut index = open(&dir);
    index.append(Offset(51), Position::START).unwrap();
    for offset in [50, 51] {
        let error = index.append(Offset(offset), Position(1)).unwrap_err();
        assert!(matches!(error, IndexError::OutOfOrder(_)), "{error}");
    }
}

/// Port of `OffsetIndexTest.testReopen`.
#[test]
fn entries_survive_a_close_and_the_file_has_no_more() {
    let dir = TempDir::new();
    let mut index = open(&dir);
    let (first, second) = (at(51, 0), at(52, 1));
    index.append(first.offset, first.position).unwrap();
    index.append(second.offset, second.position).unwrap();
    index.trim().unwrap();
    drop(index);
    let mut index = open(&dir);
    assert_eq!(index.lookup(first.offset), first);
    assert_eq!(index.lookup(second.offset), second);
    assert_eq!(index.last_offset(), second.offset);
    assert_eq!(index.length(), 2);
    assert_eq!(fs::metadata(index.path()).unwrap().len(), 2 * INDEX_ENTRY_BYTES as u64);
    let error = index.append(Offset(53), Position(2)).unwrap_err();
    assert!(matches!(error, IndexError::Full(_)), "{error}");
}

/// Port of `OffsetIndexTest.truncate`.
#[test]
fn truncation_forgets_the_offset_and_what_is_above() {
    let dir = TempDir::new();
    let path = dir.join("0.index");
    let mut index = OffsetIndex::open(&path, Offset(0), 10 * INDEX_ENTRY_BYTES).unwrap();
    for i in 1..10 {
        index.append(Offset(i), Position(i as u64)).unwrap();
    }
    // An offset beyond the end changes nothing.
    index.truncate_to(Offset(12));
    assert_eq!(index.lookup(Offset(10)), at(9, 9));
    index.append(Offset(10), Position(10)).unwrap();
    assert_eq!(index.last_offset(), Offset(10));
    // Nor does one between the last entry and the next.
    index.truncate_to(Offset(11));
    assert_eq!(index.lookup(Offset(10)), at(10, 10));
    // An exact match goes too.
    index.truncate_to(Offset(10));
    assert_eq!(index.lookup(Offset(10)), at(9, 9));
    index.append(Offset(10), Position(10)).unwrap();
    index.truncate_to(Offset(9));
    assert_eq!(index.lookup(Offset(10)), at(8, 8));
    index.append(Offset(9), Position(9)).unwrap();
    index.truncate_to(Offset(5));
    assert_eq!(index.lookup(Offset(10)), at(4, 4));
    index.append(Offset(5), Position(5)).unwrap();
    assert_eq!(index.last_offset(), Offset(5));
    index.clear().unwrap();
    assert_eq!(index.length(), 0);
    assert_eq!(index.last_offset(), Offset(0));
    index.append(Offset(1), Position(1)).unwrap();
    assert_eq!(index.lookup(Offset(10)), at(1, 1));
}

/// KAFKA-4451: an offset that would overflow its 4 bytes is refused, not folded.
#[test]
fn an_offset_out_of_reach_is_refused() {
    let dir = TempDir::new();
    let mut index = open(&dir);
    let reach = BASE_OFFSET + i64::from(i32::MAX);
    for (offset, position) in [(reach + 1, 0), (i64::MAX, 0), (BASE_OFFSET - 1, 0), (46, 1 << 31)] {
        let error = index.append(Offset(offset), Position(position)).unwrap_err();
        assert!(matches!(error, IndexError::OffsetTooFar(_)), "{error}");
    }
    index.append(Offset(reach), Position(i32::MAX as u64)).unwrap();
    assert_eq!(index.lookup(Offset::MAX), at(reach, i32::MAX as u64));
}

/// What is on disk is Kafka's format: relative offset and position, big-endian, four bytes each.
#[test]
fn the_file_is_kafkas() {
    let dir = TempDir::new();
    let mut index = open(&dir);
    index.append(Offset(BASE_OFFSET + 0x0102), Position(0x0304_0506)).unwrap();
    index.trim().unwrap();
    assert_eq!(fs::read(index.path()).unwrap(), [0, 0, 1, 2, 3, 4, 5, 6]);
    let path = dir.join("45.timeindex");
    let mut index =
        TimeIndex::open(&path, Offset(BASE_OFFSET), 3 * TIME_INDEX_ENTRY_BYTES).unwrap();
    index.maybe_append(TimestampMs(0x0102_0304_0506_0708), Offset(BASE_OFFSET + 9)).unwrap();
    index.trim().unwrap();
    assert_eq!(fs::read(&path).unwrap(), [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 9]);
}

/// A crash of Kafka leaves an index at its full size, with zeros behind the entries; a crash of any
/// broker may leave one that is cut inside an entry.
#[test]
fn a_sanity_check_finds_what_a_crash_leaves() {
    let dir = TempDir::new();
    let mut index = open(&dir);
    index.sanity_check(Position::START).unwrap();
    index.append(Offset(50), Position(100)).unwrap();
    index.sanity_check(Position(101)).unwrap();
    assert!(index.sanity_check(Position(100)).unwrap_err().to_string().contains("position 100"));
    index.trim().unwrap();
    drop(index);
    let why = |bytes: &[u8]| {
        fs::write(dir.join("45.index"), bytes).unwrap();
        open(&dir).sanity_check(Position(1000)).unwrap_err().to_string()
    };
    assert!(why(&[0, 0, 0, 5, 0, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0]).contains("last offset 45"));
    assert!(why(&[0, 0, 0, 5, 0]).contains("torn"));
}

/// A look at a page without a block is what ends a process on a full tmpfs.
#[test]
fn what_lies_behind_a_hole_is_no_entry_and_never_touched() {
    let dir = TempDir::new();
    let (path, pages) = (dir.join("45.index"), 3 * 4096);
    let entries: Vec<u8> = (1..=512u32).flat_map(|it| [it.to_be_bytes(); 2].concat()).collect();
    fs::write(&path, &entries).unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(pages).unwrap();
    let index = open(&dir);
    let blocks = || fs::metadata(&path).unwrap().blocks();
    let blocks_before = blocks();
    if blocks_before * 512 >= pages {
        eprintln!("the file system of {} makes no holes: nothing is shown", path.display());
        return;
    }
    assert_eq!((index.length(), index.lookup(Offset::MAX)), (512, at(BASE_OFFSET + 512, 512)));
    let error = index.sanity_check(Position(1000)).unwrap_err().to_string();
    assert!(error.contains("a hole from position 4096 on"), "{error}");
    assert_eq!(blocks(), blocks_before);
}

#[test]
fn an_index_takes_no_more_of_the_disk_than_its_entries_need() {
    let dir = TempDir::new();
    let mut index = OffsetIndex::open(&dir.join("45.index"), Offset(BASE_OFFSET), 1 << 20).unwrap();
    let file = || fs::metadata(dir.join("45.index")).unwrap();
    for i in 1..=1300 {
        index.append(Offset(BASE_OFFSET + i), Position(i as u64)).unwrap();
        assert!(file().len() <= i as u64 * INDEX_ENTRY_BYTES as u64);
        assert!(
            i as u64 * INDEX_ENTRY_BYTES as u64 - file().len() <= 4096,
            "the rest is in memory"
        );
    }
    index.trim().unwrap();
    assert_eq!(file().len(), 1300 * INDEX_ENTRY_BYTES as u64);
    for i in 1..=1300 {
        let entry = at(BASE_OFFSET + i, i as u64);
        assert_eq!(index.lookup(entry.offset), entry);
    }
}

/// No room is an error of the append that needs it, and looking up goes on.
#[test]
fn an_entry_for_which_the_disk_has_no_room_is_refused() {
    let dir = TempDir::new();
    std::os::unix::fs::symlink("/dev/full", dir.join("45.index")).unwrap();
    let mut index = OffsetIndex::open(&dir.join("45.index"), Offset(BASE_OFFSET), 1 << 20).unwrap();
    index.resize(1 << 20);
    let mut append = |i: i64| index.append(Offset(BASE_OFFSET + i), Position(i as u64));
    (1..=512).try_for_each(&mut append).unwrap();
    for _ in 0..2 {
        let error = append(513).unwrap_err();
        assert!(matches!(&error, IndexError::Io(it) if is_disk_full(it)), "{error}");
    }
    assert!(index.trim().is_err());
    assert_eq!((index.length(), index.last_offset()), (512, Offset(BASE_OFFSET + 512)));
}

/// What a truncation leaves in the file must not be taken for entries again.
#[test]
fn a_truncation_into_the_file_shows_in_it_with_the_next_trim() {
    let dir = TempDir::new();
    let mut index = OffsetIndex::open(&dir.join("45.index"), Offset(BASE_OFFSET), 1 << 20).unwrap();
    let append = |index: &mut OffsetIndex, i: i64| {
        index.append(Offset(BASE_OFFSET + i), Position(i as u64)).unwrap();
    };
    (1..=1000).for_each(|i| append(&mut index, i));
    index.truncate_to(Offset(BASE_OFFSET + 100));
    append(&mut index, 200);
    assert_eq!(index.length(), 100);
    index.trim().unwrap();
    drop(index);
    let index = open(&dir);
    assert_eq!(index.lookup(Offset(BASE_OFFSET + 199)), at(BASE_OFFSET + 99, 99));
    assert_eq!((index.length(), index.last_offset()), (100, Offset(BASE_OFFSET + 200)));
}

/// `TimeIndexTest` of later Kafka: lookups, what is not inserted, order, truncation.
#[test]
fn the_time_index_finds_the_greatest_timestamp_that_is_not_above() {
    let dir = TempDir::new();
    let room = ENTRIES_MAX * TIME_INDEX_ENTRY_BYTES;
    let mut index = TimeIndex::open(&dir.join("45.timeindex"), Offset(BASE_OFFSET), room).unwrap();
    let at = |timestamp_ms, offset| TimestampOffset { timestamp_ms, offset };
    assert_eq!(index.lookup(TimestampMs(100)), at(TimestampMs::NONE, Offset(BASE_OFFSET)));
    for i in 1..ENTRIES_MAX as i64 {
        index.maybe_append(TimestampMs(i * 10), Offset(BASE_OFFSET + i * 10)).unwrap();
    }
    assert!(index.is_full(), "one slot is held back for the roll");
    assert_eq!(index.lookup(TimestampMs(9)), at(TimestampMs::NONE, Offset(BASE_OFFSET)));
    assert_eq!(index.lookup(TimestampMs(10)), at(TimestampMs(10), Offset(55)));
    assert_eq!(index.lookup(TimestampMs(25)), at(TimestampMs(20), Offset(65)));
    assert_eq!(index.lookup(TimestampMs(i64::MAX)), at(TimestampMs(290), Offset(335)));
    // The same timestamp again is no news.
    index.maybe_append(TimestampMs(290), Offset(400)).unwrap();
    assert_eq!(index.last_entry(), at(TimestampMs(290), Offset(335)));
    for (timestamp_ms, offset) in [(289, 400), (300, 334)] {
        let error = index.maybe_append(TimestampMs(timestamp_ms), Offset(offset)).unwrap_err();
        assert!(matches!(error, IndexError::OutOfOrder(_)), "{error}");
    }
    index.maybe_append(TimestampMs(300), Offset(400)).unwrap();
    index.sanity_check().unwrap();
    index.truncate_to(Offset(65));
    assert_eq!(index.last_entry(), at(TimestampMs(10), Offset(55)));
    index.clear().unwrap();
    assert_eq!(index.last_entry(), at(TimestampMs::NONE, Offset(BASE_OFFSET)));
}

/// As when the cut that belongs to a roll has failed.
#[test]
fn a_flush_leaves_nothing_in_the_file_of_what_was_truncated() {
    let dir = TempDir::new();
    let mut index = open(&dir);
    (1..=3).for_each(|i| index.append(Offset(BASE_OFFSET + i), Position(i as u64)).unwrap());
    index.trim().unwrap();
    index.truncate_to(Offset(BASE_OFFSET + 2));
    let path = index.begin_flush().unwrap().expect("it takes no more entries");
    assert_eq!(fs::metadata(path).unwrap().len(), INDEX_ENTRY_BYTES as u64);
}
