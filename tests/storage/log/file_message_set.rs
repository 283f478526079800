//! Ports of `kafka.log.FileMessageSetTest` with the cases it inherits from
//! `BaseMessageSetTestCases`, and the faults of `FileMessageSet` that are not ported.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime};
use std::{fs, io};

use support::records::batch_at;
use support::temp::TempDir;
use transferto::common::errors::KafkaError;
use transferto::common::units::{Offset, Position, TimestampMs};
use transferto::message::message_set::{Destination, MessageSet};
use transferto::storage::log::file_message_set::FileMessageSet;
use transferto::storage::log::patience::{Patience, Steps};

use crate::fixture::{bytes_of, messages, records_of};

const PREALLOCATED_BYTES: u64 = 512 * 1024 * 1024;

/// The three messages of Kafka's test, in a file.
struct ThreeMessages {
    dir: TempDir,
    set: FileMessageSet,
    /// Size of each entry: all are equal.
    entry_size: u64,
}

impl ThreeMessages {
    fn new() -> Self {
        let dir = TempDir::new();
        let set = FileMessageSet::open(&dir.join("0.log")).unwrap();
        set.append(&messages(&[(0, "abcd"), (1, "efgh"), (2, "ijkl")])).unwrap();
        let entry_size = set.size() / 3;
        Self { dir, set, entry_size }
    }

    fn file_size(&self) -> u64 {
        fs::metadata(self.set.path()).unwrap().len()
    }
}

fn expected(records: &[(i64, &str)]) -> Vec<(i64, String)> {
    records.iter().map(|(offset, value)| (*offset, value.to_string())).collect()
}

fn all_three() -> Vec<(i64, String)> {
    expected(&[(0, "abcd"), (1, "efgh"), (2, "ijkl")])
}

/// Port of `FileMessageSetTest.testFileSize`.
#[test]
fn the_recorded_size_is_that_of_the_file_after_each_append() {
    let three = ThreeMessages::new();
    assert_eq!(three.set.size(), three.file_size());
    for offset in 3..23 {
        three.set.append(&messages(&[(offset, "abcd")])).unwrap();
        assert_eq!(three.set.size(), three.file_size());
    }
}

/// Port of `FileMessageSetTest.testIterationOverPartialAndTruncation`.
#[test]
fn iteration_stops_before_bytes_that_are_no_whole_entry() {
    for size in [0, 2, 4, 5, 6] {
        let three = ThreeMessages::new();
        let mut file = OpenOptions::new().append(true).open(three.set.path()).unwrap();
        file.write_all(&vec![0; size]).unwrap();
        let reopened = FileMessageSet::open(&three.set.path()).unwrap();
        assert_eq!(reopened.size(), three.set.size() + size as u64);
        assert_eq!(records_of(&reopened), all_three(), "{size} bytes more");
        assert_eq!(reopened.entry_at(Position(three.set.size())).unwrap(), None);
        assert_eq!(
            reopened.search_for(Offset(3), Position::START, Patience::ForDisk).unwrap(),
            None
        );
    }
}

/// Port of `FileMessageSetTest.testIterationDoesntChangePosition`: there is no position to change,
/// so that an append after reading must still go to the end.
#[test]
fn reading_does_not_move_where_the_next_append_goes() {
    let three = ThreeMessages::new();
    assert_eq!(records_of(&three.set), all_three());
    assert!(three.set.search_for(Offset(1), Position::START, Patience::ForDisk).unwrap().is_some());
    three.set.append(&messages(&[(3, "mnop")])).unwrap();
    assert_eq!(records_of(&three.set)[3], (3, "mnop".to_string()));
    assert_eq!(three.set.size(), three.file_size());
}

/// Port of `FileMessageSetTest.testRead`.
#[test]
fn a_slice_holds_the_bytes_it_was_asked_for() {
    let ThreeMessages { set, entry_size, .. } = ThreeMessages::new();
    assert_eq!(records_of(&set.read(Position::START, set.size())), all_three());
    let from_second = set.read(Position(entry_size), set.size());
    assert_eq!(records_of(&from_second), all_three()[1..]);
    let second = set.read(Position(entry_size), entry_size);
    assert_eq!(records_of(&second), all_three()[1..2]);
    assert_eq!(second.size(), entry_size);
}

/// Port of `FileMessageSetTest.testSearch`.
#[test]
fn a_search_finds_the_offset_or_the_next_higher_one() {
    let ThreeMessages { set, entry_size, .. } = ThreeMessages::new();
    set.append(&messages(&[(50, "test")])).unwrap();
    let position_of = |offset, start| {
        set.search_for(offset, start, Patience::ForDisk).unwrap().map(|it| (it.offset, it.position))
    };
    assert_eq!(position_of(Offset(0), Position::START), Some((Offset(0), Position::START)));
    assert_eq!(position_of(Offset(1), Position::START), Some((Offset(1), Position(entry_size))));
    assert_eq!(
        position_of(Offset(1), Position(entry_size)),
        Some((Offset(1), Position(entry_size)))
    );
    assert_eq!(
        position_of(Offset(2), Position(entry_size)),
        Some((Offset(2), Position(2 * entry_size)))
    );
    assert_eq!(
        position_of(Offset(3), Position::START),
        Some((Offset(50), Position(3 * entry_size)))
    );
    assert_eq!(
        position_of(Offset(50), Position::START),
        Some((Offset(50), Position(3 * entry_size)))
    );
    assert_eq!(position_of(Offset(51), Position::START), None);
}

/// Port of `FileMessageSetTest.testIteratorWithLimits`, as it was written when it could fail: one
/// byte less than the message has no message (KAFKA-3442).
#[test]
fn a_slice_that_ends_inside_a_message_does_not_have_that_message() {
    let ThreeMessages { set, entry_size, .. } = ThreeMessages::new();
    let found = set.search_for(Offset(1), Position::START, Patience::ForDisk).unwrap().unwrap();
    assert_eq!(found.size_bytes, entry_size);
    let whole = set.read(found.position, found.size_bytes);
    assert_eq!(records_of(&whole), all_three()[1..2]);
    assert_eq!(whole.entry_at(Position::START).unwrap().map(|it| it.offset), Some(Offset(1)));
    let cut = set.read(found.position, found.size_bytes - 1);
    assert_eq!(records_of(&cut), []);
    assert_eq!(cut.entry_at(Position::START).unwrap(), None);
}

/// Port of `FileMessageSetTest.testTruncate`.
#[test]
fn truncation_leaves_what_is_before_it() {
    let three = ThreeMessages::new();
    let found =
        three.set.search_for(Offset(1), Position::START, Patience::ForDisk).unwrap().unwrap();
    let cut = three.set.truncate_to(found.position.0).unwrap();
    assert_eq!(cut, 2 * three.entry_size);
    assert_eq!(records_of(&three.set), all_three()[..1]);
    assert_eq!(three.set.size(), three.entry_size);
    assert_eq!(three.file_size(), three.entry_size);
}

/// Port of `FileMessageSetTest.testPreallocateTrue`.
#[test]
fn a_preallocated_set_is_empty_in_a_file_of_full_size() {
    let dir = TempDir::new();
    let set = FileMessageSet::create_preallocated(&dir.join("0.log"), PREALLOCATED_BYTES).unwrap();
    assert_eq!(set.size(), 0);
    assert_eq!(fs::metadata(set.path()).unwrap().len(), PREALLOCATED_BYTES);
    assert_eq!(set.search_for(Offset(0), Position::START, Patience::ForDisk).unwrap(), None);
}

/// Port of `FileMessageSetTest.testPreallocateFalse`.
#[test]
fn a_set_that_is_not_preallocated_is_empty_in_an_empty_file() {
    let dir = TempDir::new();
    let set = FileMessageSet::open(&dir.join("0.log")).unwrap();
    assert_eq!(set.size(), 0);
    assert_eq!(fs::metadata(set.path()).unwrap().len(), 0);
}

/// Port of `FileMessageSetTest.testPreallocateClearShutdown`.
#[test]
fn a_preallocated_set_that_was_closed_has_the_size_of_its_messages() {
    let dir = TempDir::new();
    let path = dir.join("0.log");
    let set = FileMessageSet::create_preallocated(&path, PREALLOCATED_BYTES).unwrap();
    set.append(&messages(&[(0, "abcd"), (1, "efgh")])).unwrap();
    let size = set.size();
    set.trim().unwrap();
    drop(set);
    let reopened = FileMessageSet::open(&path).unwrap();
    assert_eq!(reopened.size(), size);
    assert_eq!(fs::metadata(&path).unwrap().len(), size);
    assert_eq!(records_of(&reopened), expected(&[(0, "abcd"), (1, "efgh")]));
}

/// Port of `FileMessageSetTest.testWrittenEqualsRead`, inherited from `BaseMessageSetTestCases`.
#[test]
fn what_is_read_is_what_was_written() {
    let ThreeMessages { set, .. } = ThreeMessages::new();
    assert_eq!(bytes_of(&set), messages(&[(0, "abcd"), (1, "efgh"), (2, "ijkl")]));
    assert_eq!(records_of(&set), all_three());
}

/// Port of `FileMessageSetTest.testIteratorIsConsistent`, inherited from `BaseMessageSetTestCases`.
#[test]
fn reading_twice_gives_the_same() {
    let ThreeMessages { set, .. } = ThreeMessages::new();
    assert_eq!(records_of(&set), records_of(&set));
}

/// Port of `FileMessageSetTest.testSizeInBytes`, inherited from `BaseMessageSetTestCases`.
#[test]
fn the_size_is_that_of_the_entries() {
    let dir = TempDir::new();
    let empty = FileMessageSet::open(&dir.join("0.log")).unwrap();
    assert_eq!(empty.size_in_bytes(), 0);
    let ThreeMessages { set, .. } = ThreeMessages::new();
    // 12 bytes of offset and size, 14 of the message, 4 of the value.
    assert_eq!(set.size_in_bytes(), 3 * (12 + 14 + 4));
}

/// Port of `FileMessageSetTest.testWriteTo`, inherited from `BaseMessageSetTestCases`.
#[test]
fn a_set_writes_itself_whole_and_twice() {
    let dir = TempDir::new();
    let empty = FileMessageSet::open(&dir.join("0.log")).unwrap();
    let three = ThreeMessages::new();
    for set in [&empty, &three.set] {
        for _ in 0..2 {
            let mut file = fs::File::create(three.dir.join("copy")).unwrap();
            let size = set.size_in_bytes();
            assert_eq!(set.write_to(Destination::Channel(&mut file), 0, size).unwrap(), size);
            let copy = FileMessageSet::open(&three.dir.join("copy")).unwrap();
            assert_eq!(records_of(&copy), records_of(set));
        }
    }
    assert_eq!(records_of(&three.set), all_three());
}

/// KAFKA-2903: the end of a slice of a slice counts from its start.
#[test]
fn a_slice_of_a_slice_stays_inside_it() {
    let ThreeMessages { set, entry_size, .. } = ThreeMessages::new();
    let last_two = set.read(Position(entry_size), 2 * entry_size);
    assert_eq!(records_of(&last_two.read(Position::START, u64::MAX)), all_three()[1..]);
    assert_eq!(records_of(&last_two.read(Position(entry_size), u64::MAX)), all_three()[2..]);
    assert_eq!(last_two.read(Position(3 * entry_size), 1).size(), 0);
}

/// KAFKA-9835: what is appended later is not in a slice that was made before.
#[test]
fn a_slice_does_not_grow_with_its_file() {
    let ThreeMessages { set, .. } = ThreeMessages::new();
    let slice = set.read(Position::START, u64::MAX);
    set.append(&messages(&[(3, "mnop")])).unwrap();
    assert_eq!(records_of(&slice), all_three());
    assert_eq!(records_of(&slice.read(Position::START, u64::MAX)), all_three());
}

/// KAFKA-12233: a write that begins inside the slice ends where the slice ends.
#[test]
fn a_write_never_runs_past_the_slice() {
    let ThreeMessages { set, entry_size, .. } = ThreeMessages::new();
    let first = set.read(Position::START, entry_size);
    let mut bytes = Vec::new();
    let (start, size) = (entry_size as usize - 3, entry_size as usize);
    assert_eq!(first.write_to(Destination::Channel(&mut bytes), start, size).unwrap(), 3);
    assert_eq!(first.write_to(Destination::Channel(&mut bytes), size, size).unwrap(), 0);
    assert_eq!(first.write_to(Destination::Channel(&mut bytes), size + 1, size).unwrap(), 0);
    assert_eq!(bytes, b"bcd");
}

/// KAFKA-3802: retention may go by the time of modification, which a truncation to the same size
/// leaves alone. `FileRecordsTest.testTruncateNotCalledIfSizeIsSameAsTargetSize` and
/// `FileRecordsTest.testTruncateIfSizeIsDifferentToTargetSize` of later Kafka.
#[test]
fn a_truncation_to_the_same_size_does_not_touch_the_file() {
    let three = ThreeMessages::new();
    let file = OpenOptions::new().write(true).open(three.set.path()).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000);
    file.set_modified(long_ago).unwrap();
    assert_eq!(three.set.truncate_to(three.set.size()).unwrap(), 0);
    three.set.trim().unwrap();
    assert_eq!(three.set.last_modified_ms().unwrap(), TimestampMs(1_000_000));
    three.set.truncate_to(0).unwrap();
    assert_ne!(three.set.last_modified_ms().unwrap(), TimestampMs(1_000_000));
}

/// `FileRecordsTest.testTruncateNotCalledIfSizeIsBiggerThanTargetSize` of later Kafka.
#[test]
fn a_truncation_to_more_than_there_is_is_refused() {
    let three = ThreeMessages::new();
    let error = three.set.truncate_to(three.set.size() + 1).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(records_of(&three.set), all_three());
}

/// Close-on-delete: in Kafka 0.9 a slice of a deleted segment fails with `ClosedChannelException`.
#[test]
fn a_slice_outlives_its_file() {
    let ThreeMessages { dir, set, .. } = ThreeMessages::new();
    let slice = set.read(Position::START, u64::MAX);
    set.rename_to(&dir.join("0.log.deleted")).unwrap();
    fs::remove_file(set.path()).unwrap();
    drop(set);
    assert_eq!(records_of(&slice), all_three());
}

/// A file that is cut under a slice ends the write with an error, so that nobody waits for the
/// rest.
#[test]
fn a_file_that_shrank_is_an_error_and_not_an_end() {
    let three = ThreeMessages::new();
    let slice = three.set.read(Position::START, u64::MAX);
    three.set.truncate_to(0).unwrap();
    let error = slice.write_to(Destination::Channel(&mut Vec::new()), 0, 100).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

/// A size that no entry can have is told as corruption, with its place.
#[test]
fn an_impossible_size_is_corruption() {
    let three = ThreeMessages::new();
    let file = OpenOptions::new().write(true).open(three.set.path()).unwrap();
    for size in [13, 0, -1, i32::MIN] {
        file.write_all_at(&i32::to_be_bytes(size), three.entry_size + 8).unwrap();
        let error =
            three.set.search_for(Offset(2), Position::START, Patience::ForDisk).unwrap_err();
        let KafkaError::Corrupt { position, why, .. } = error else { panic!("{error}") };
        assert_eq!(position, three.entry_size);
        assert!(why.contains(&size.to_string()), "{why}");
    }
}

/// A disk that is full leaves the set as it was.
#[test]
fn a_failed_append_leaves_the_set_as_it_was() {
    let full = FileMessageSet::open(std::path::Path::new("/dev/full")).unwrap();
    let error = full.append(&messages(&[(0, "abcd")])).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(error.to_string().contains("/dev/full"), "{error}");
    assert_eq!(full.size(), 0);
}

/// An offset inside a record batch is found in the batch; behind its last record, in the next one.
#[test]
fn a_search_in_batches_looks_at_the_last_offset_of_one_only() {
    let dir = TempDir::new();
    let set = FileMessageSet::open(&dir.join("0.log")).unwrap();
    let first = batch_at(10, &["a", "b", "c"]);
    let second = batch_at(20, &["d", "e"]);
    set.append(&first).unwrap();
    set.append(&second).unwrap();
    let position_of = |offset| {
        set.search_for(offset, Position::START, Patience::ForDisk).unwrap().map(|it| it.position)
    };
    let second_position = first.len() as u64;
    for (offset, position) in [
        (0, Some(0)),
        (10, Some(0)),
        (12, Some(0)),
        (13, Some(second_position)),
        (19, Some(second_position)),
        (20, Some(second_position)),
        (21, Some(second_position)),
        (22, None),
    ] {
        assert_eq!(position_of(Offset(offset)), position.map(Position), "offset {offset}");
    }
}

/// A slice that was just written is in memory; warming reads it in any case.
#[test]
fn a_slice_can_be_warmed() {
    let three = ThreeMessages::new();
    three.set.warm().unwrap();
    three.set.read(Position::START, 0).warm().unwrap();
    let beyond = three.set.read(Position::START, u64::MAX);
    three.set.truncate_to(0).unwrap();
    // Where the kernel cannot tell what is resident, the missing bytes show when they are read.
    assert!(beyond.warm().is_err());
}

/// The kernel looks at each page of it, which keeps a Processor from its other connections.
#[test]
fn a_large_slice_takes_more_than_one_step_to_look_at() {
    const MIB: usize = 1 << 20;
    let dir = TempDir::new();
    fs::write(dir.join("0.log"), vec![7; 3 * MIB]).unwrap();
    let set = FileMessageSet::open(&dir.join("0.log")).unwrap();
    if !set.is_resident().unwrap() {
        eprintln!("skipped: this kernel has no cachestat(2)");
        return;
    }
    let is_checked = |length: usize, steps: usize| {
        let steps = Steps::new(steps);
        let checked = set
            .read(Position::START, length as u64)
            .check_resident(Patience::ForNothing(&steps))
            .map_err(|error| error.kind());
        assert!(matches!(checked, Ok(()) | Err(io::ErrorKind::WouldBlock)), "{checked:?}");
        checked.is_ok()
    };
    assert!(is_checked(MIB - 1, 1));
    assert!(!is_checked(3 * MIB, 3));
    assert!(is_checked(3 * MIB, 4));
    assert!(set.check_resident(Patience::ForDisk).is_ok());
}
