//! Ports of `kafka.log.LogSegmentTest`, and what a read of a segment owes to newer clients.

use std::fs;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use support::random::Random;
use support::records::batch_at;
use support::temp::TempDir;
use transferto::common::errors::Errors;
use transferto::common::units::{Offset, Position, TimestampMs};
use transferto::config::log_config::LogConfig;
use transferto::message::byte_buffer_message_set::shallow_entries;
use transferto::message::message_set::MessageSet;
use transferto::storage::log::log_segment::{LogSegment, SegmentAppend};
use transferto::storage::log::offset_search::find_offset_by_timestamp;
use transferto::storage::log::patience::Patience;
use transferto::storage::log::read_limit::{FirstEntry, ReadLimit};
use transferto::storage::log::segment_recovery::recover;

use crate::fixture::{self, Mocks, files_in, messages, records_of, timed_batch};

const MAX_INDEX_SIZE: usize = 1000;

/// A segment with an index entry every 10 bytes.
struct TestSegment {
    dir: TempDir,
    segment: LogSegment,
}

impl TestSegment {
    fn new(base_offset: i64) -> Self {
        let dir = TempDir::new();
        let segment = open(dir.path(), base_offset);
        Self { dir, segment }
    }

    fn append(&self, offset: i64, values: &[&str]) {
        self.append_bytes(&batch_at(offset, values));
    }

    /// Messages of magic 0, with ascending offsets.
    fn append_messages(&self, offset: i64, values: &[&str]) {
        let numbered: Vec<_> = (offset..).zip(values.iter().copied()).collect();
        self.append_bytes(&messages(&numbered));
    }

    fn append_bytes(&self, bytes: &[u8]) {
        let last = shallow_entries(bytes).last().unwrap().unwrap();
        let set = SegmentAppend {
            last_offset: Offset(last.last_offset),
            max_timestamp_ms: TimestampMs(last.max_timestamp()),
            offset_of_max_timestamp: Offset(last.last_offset),
            bytes,
        };
        self.segment.append(&set).unwrap();
    }

    /// Everything from `offset` on.
    fn read(&self, offset: i64) -> Option<Vec<(i64, String)>> {
        self.read_up_to(offset, None)
    }

    fn read_up_to(&self, offset: i64, max_offset: Option<i64>) -> Option<Vec<(i64, String)>> {
        let size = self.segment.size();
        let found = self
            .segment
            .read(Offset(offset), max_offset.map(Offset), Position(size), fixture::hard(i32::MAX))
            .unwrap();
        found.map(|found| records_of(&found.message_set))
    }
}

fn config() -> LogConfig {
    LogConfig { index_interval: 10, max_index_size: MAX_INDEX_SIZE, ..LogConfig::default() }
}

fn open(dir: &Path, base_offset: i64) -> LogSegment {
    LogSegment::open(dir, Offset(base_offset), &config(), &*Mocks::new().time).unwrap()
}

fn records(from: i64, values: &[&str]) -> Vec<(i64, String)> {
    (from..).zip(values.iter().map(|value| value.to_string())).collect()
}

/// Port of `LogSegmentTest.testReadOnEmptySegment`.
#[test]
fn an_empty_segment_has_nothing_to_read() {
    assert_eq!(TestSegment::new(40).read(40), None);
}

/// Port of `LogSegmentTest.testReadBeforeFirstOffset`.
#[test]
fn a_read_before_the_first_message_begins_with_it() {
    let test = TestSegment::new(40);
    test.append_messages(50, &["hello", "there", "little", "bee"]);
    assert_eq!(test.read(41).unwrap(), records(50, &["hello", "there", "little", "bee"]));
}

/// Port of `LogSegmentTest.testMaxOffset`.
#[test]
fn the_max_offset_is_exclusive() {
    let test = TestSegment::new(40);
    test.append_messages(50, &["hello", "there", "beautiful"]);
    for (offset, value) in (50..).zip(["hello", "there", "beautiful"]) {
        assert_eq!(test.read_up_to(offset, Some(offset + 1)).unwrap(), records(offset, &[value]));
    }
}

/// Port of `LogSegmentTest.testReadAfterLast`.
#[test]
fn a_read_after_the_last_message_finds_nothing() {
    let test = TestSegment::new(40);
    test.append_messages(50, &["hello", "there"]);
    assert_eq!(test.read(52), None);
}

/// Port of `LogSegmentTest.testReadFromGap`.
#[test]
fn a_read_from_a_gap_begins_with_the_next_message() {
    let test = TestSegment::new(40);
    test.append_messages(50, &["hello", "there"]);
    test.append_messages(60, &["alpha", "beta"]);
    assert_eq!(test.read(55).unwrap(), records(60, &["alpha", "beta"]));
}

/// Port of `LogSegmentTest.testTruncate`.
#[test]
fn a_truncated_message_is_gone_and_the_one_before_is_there() {
    let test = TestSegment::new(40);
    for offset in 40..70 {
        test.append(offset, &["hello"]);
        test.append(offset + 1, &["hello"]);
        assert_eq!(test.read(offset).unwrap(), records(offset, &["hello", "hello"]));
        test.segment.truncate_to(Offset(offset + 1), MAX_INDEX_SIZE, TimestampMs(0)).unwrap();
        assert_eq!(test.read(offset).unwrap(), records(offset, &["hello"]));
    }
}

/// Port of `LogSegmentTest.testTruncateFull`.
#[test]
fn a_segment_truncated_to_nothing_takes_the_same_offset_again() {
    let test = TestSegment::new(40);
    test.append(40, &["hello", "there"]);
    test.segment.truncate_to(Offset(0), MAX_INDEX_SIZE, TimestampMs(0)).unwrap();
    assert_eq!(test.read(40), None);
    assert_eq!(test.segment.next_offset().unwrap(), (Offset(40), Position::START));
    test.append(40, &["hello", "there"]);
    assert_eq!(test.read(40).unwrap(), records(40, &["hello", "there"]));
}

/// Port of `LogSegmentTest.testNextOffsetCalculation`.
#[test]
fn the_next_offset_is_after_the_last_message() {
    let test = TestSegment::new(40);
    assert_eq!(test.segment.next_offset().unwrap().0, Offset(40));
    test.append(50, &["hello", "there", "you"]);
    assert_eq!(test.segment.next_offset().unwrap(), (Offset(53), test.segment.end_position()));
}

/// Port of `LogSegmentTest.testChangeFileSuffixes`.
#[test]
fn all_files_of_a_segment_change_their_suffixes() {
    let TestSegment { dir, segment } = TestSegment::new(40);
    segment.change_file_suffixes("", ".deleted").unwrap();
    let name = "00000000000000000040";
    let with =
        |suffix: &str| ["index", "log", "timeindex"].map(|it| format!("{name}.{it}{suffix}"));
    assert_eq!(files_in(dir.path()), with(".deleted"));
    assert_eq!(segment.log().path(), dir.join(&with(".deleted")[1]));
    segment.change_file_suffixes(".deleted", "").unwrap();
    assert_eq!(files_in(dir.path()), with(""));
    // Files that are gone are no error (KAFKA-6324).
    segment.delete().unwrap();
    segment.change_file_suffixes("", ".deleted").unwrap();
    segment.delete().unwrap();
}

/// Port of `LogSegmentTest.testRecoveryFixesCorruptIndex`.
#[test]
fn recovery_rebuilds_an_index_full_of_junk() {
    let test = TestSegment::new(0);
    for offset in 0..100 {
        test.append(offset, &[&offset.to_string()]);
    }
    let index = test.segment.offset_index().path().to_path_buf();
    let file = OpenOptions::new().write(true).open(index).unwrap();
    file.write_all_at(&Random(1).bytes(MAX_INDEX_SIZE as u64 - 5), 5).unwrap();
    let recovery = recover(&test.segment, MAX_INDEX_SIZE).unwrap();
    assert_eq!((recovery.next_offset, recovery.bytes_cut), (Offset(100), 0));
    for offset in 0..100 {
        let read = test.read_up_to(offset, Some(offset + 1)).unwrap();
        assert_eq!(read, records(offset, &[&offset.to_string()]));
    }
}

/// Port of `LogSegmentTest.testRecoveryWithCorruptMessage`.
#[test]
fn recovery_keeps_exactly_the_messages_before_the_junk() {
    let mut random = Random(2);
    for _ in 0..10 {
        let test = TestSegment::new(0);
        let count = 2 + random.below(98) as i64;
        let values: Vec<String> = (0..count).map(|offset| offset.to_string()).collect();
        for (offset, value) in (0..).zip(&values) {
            test.append(offset, &[value]);
        }
        let corrupted = random.below(count as u64) as i64;
        let entry =
            test.segment.translate_offset(Offset(corrupted), Position::START).unwrap().unwrap();
        let junk_at = entry.position + random.below(15);
        let junk = random.bytes(test.segment.size() - junk_at.0);
        let file = OpenOptions::new().write(true).open(test.segment.log().path()).unwrap();
        file.write_all_at(&junk, junk_at.0).unwrap();
        let recovery = recover(&test.segment, MAX_INDEX_SIZE).unwrap();
        assert_eq!(recovery.next_offset, Offset(corrupted), "{recovery:?}");
        assert_eq!(recovery.end, entry.position);
        let left: Vec<&str> = values[..corrupted as usize].iter().map(String::as_str).collect();
        assert_eq!(test.read(0).unwrap_or_default(), records(0, &left));
    }
}

fn preallocated() -> LogConfig {
    LogConfig { preallocate: true, segment_size: 512 * 1024 * 1024, ..config() }
}

/// Port of `LogSegmentTest.testCreateWithInitFileSizeAppendMessage`.
#[test]
fn a_preallocated_segment_is_read_like_any_other() {
    let dir = TempDir::new();
    let segment =
        LogSegment::open(dir.path(), Offset(40), &preallocated(), &*Mocks::new().time).unwrap();
    let test = TestSegment { dir, segment };
    test.append_messages(50, &["hello", "there"]);
    test.append_messages(60, &["alpha", "beta"]);
    assert_eq!(test.read(55).unwrap(), records(60, &["alpha", "beta"]));
}

/// Port of `LogSegmentTest.testCreateWithInitFileSizeClearShutdown`.
#[test]
fn a_preallocated_segment_that_was_closed_has_the_size_of_its_messages() {
    let dir = TempDir::new();
    let time = Mocks::new().time;
    let segment = LogSegment::open(dir.path(), Offset(40), &preallocated(), &*time).unwrap();
    let test = TestSegment { dir, segment };
    test.append_messages(50, &["hello", "there"]);
    test.append_messages(60, &["alpha", "beta"]);
    let size = test.segment.size();
    let file_size = || fs::metadata(test.segment.log().path()).unwrap().len();
    assert_eq!(file_size(), 512 * 1024 * 1024);
    test.segment.on_become_inactive().unwrap();
    assert_eq!(file_size(), size);
    let TestSegment { dir, segment } = test;
    drop(segment);
    let segment = LogSegment::open(dir.path(), Offset(40), &preallocated(), &*time).unwrap();
    assert_eq!(segment.size(), size);
    let test = TestSegment { dir, segment };
    assert_eq!(test.read(55).unwrap(), records(60, &["alpha", "beta"]));
}

/// KAFKA-725: a high watermark below the fetch offset is no fault of the client's.
#[test]
fn a_max_offset_below_the_start_reads_nothing() {
    let test = TestSegment::new(40);
    test.append(50, &["a"]);
    test.append(51, &["b"]);
    assert_eq!(test.read_up_to(51, Some(50)).unwrap(), []);
    assert_eq!(test.read_up_to(51, Some(51)).unwrap(), []);
}

/// A fetch from inside a batch gets the whole batch, and one that ends inside a batch does not get
/// it.
#[test]
fn a_slice_begins_and_ends_between_batches() {
    let test = TestSegment::new(0);
    test.append(0, &["a", "b", "c"]);
    test.append(3, &["d", "e", "f"]);
    assert_eq!(test.read(1).unwrap(), records(0, &["a", "b", "c", "d", "e", "f"]));
    assert_eq!(test.read(5).unwrap(), records(3, &["d", "e", "f"]));
    assert_eq!(test.read_up_to(1, Some(4)).unwrap(), records(0, &["a", "b", "c"]));
    assert_eq!(test.read_up_to(1, Some(2)).unwrap(), []);
    assert_eq!(test.read(6), None);
}

/// Fetch 3 and later get a whole first batch however small their limit is (KIP-74); older ones get
/// what fits.
#[test]
fn the_first_batch_is_whole_if_that_is_asked_for() {
    let test = TestSegment::new(0);
    test.append(0, &["a large message"]);
    test.append(1, &["b"]);
    let size = test.segment.size();
    let batch_size = batch_at(0, &["a large message"]).len();
    let read = |max_bytes, first_entry| {
        let limit =
            ReadLimit { max_bytes, first_entry, ends_at_entry: false, patience: Patience::ForDisk };
        let found = test.segment.read(Offset(0), None, Position(size), limit).unwrap().unwrap();
        (found.message_set.size_in_bytes(), found.first_entry_incomplete)
    };
    let all = [FirstEntry::IsWhole, FirstEntry::MustFit, FirstEntry::MayBeCut];
    let too_small = batch_size as i32 - 1;
    for (limit, cut) in [(0, 0), (1, 1), (too_small, batch_size - 1)] {
        assert_eq!(read(limit, FirstEntry::IsWhole), (batch_size, false));
        assert_eq!(read(limit, FirstEntry::MustFit), (0, true));
        assert_eq!(read(limit, FirstEntry::MayBeCut), (cut, true));
    }
    for first_entry in all {
        assert_eq!(read(batch_size as i32, first_entry), (batch_size, false));
        assert_eq!(read(batch_size as i32 + 1, first_entry), (batch_size + 1, false));
    }
    let error = test.segment.read(Offset(0), None, Position(size), fixture::hard(-1)).unwrap_err();
    assert_eq!(error.code(), Errors::UnknownServerError);
}

/// What a client throws away is not sent, where that is known without a look at the file; what is
/// counted for `min_bytes` stays what it was.
#[test]
fn a_slice_ends_at_the_last_batch_that_the_index_knows() {
    let test = TestSegment::new(0);
    let batch_size = batch_at(0, &["a message"]).len();
    for offset in 0..20 {
        test.append(offset, &["a message"]);
    }
    let sizes = |max_bytes: usize, max_position: u64| {
        let first_entry = FirstEntry::MustFit;
        let limit = ReadLimit {
            max_bytes: max_bytes as i32,
            first_entry,
            ends_at_entry: true,
            patience: Patience::ForDisk,
        };
        let found =
            test.segment.read(Offset(3), None, Position(max_position), limit).unwrap().unwrap();
        (found.message_set.size_in_bytes(), found.bytes_within_limit)
    };
    let end = test.segment.size();
    for max_bytes in batch_size..17 * batch_size {
        let whole_bytes = max_bytes / batch_size * batch_size;
        assert_eq!(sizes(max_bytes, end), (whole_bytes, max_bytes as u64));
    }
    for max_bytes in 17 * batch_size..18 * batch_size {
        assert_eq!(sizes(max_bytes, end), (17 * batch_size, 17 * batch_size as u64));
    }
    // The exposed end is one of a batch already, and may lie before the limit.
    assert_eq!(sizes(1000, 5 * batch_size as u64), (2 * batch_size, 2 * batch_size as u64));
    assert_eq!(sizes(batch_size - 1, end), (0, 0));
}

/// With small batches the index knows of few of them: what lies whole behind the last known one is
/// given up only if that is little, or less than what is saved.
#[test]
fn a_slice_of_small_batches_gives_up_little_of_what_fits() {
    let dir = TempDir::new();
    let config = LogConfig { index_interval: 4096, ..LogConfig::default() };
    let segment = LogSegment::open(dir.path(), Offset(0), &config, &*Mocks::new().time).unwrap();
    let (small, large) = ("a".repeat(50), "b".repeat(20_000));
    let append = |offset, value: &str| {
        let bytes = &batch_at(offset, &[value]);
        let last_offset = offset;
        let (max_timestamp_ms, offset_of_max_timestamp) = (-1, -1);
        let set = SegmentAppend {
            last_offset: Offset(last_offset),
            max_timestamp_ms: TimestampMs(max_timestamp_ms),
            offset_of_max_timestamp: Offset(offset_of_max_timestamp),
            bytes,
        };
        segment.append(&set).unwrap();
        bytes.len()
    };
    let small_size = append(0, &small);
    (1..1000).for_each(|offset| assert_eq!(append(offset, &small), small_size));
    let smalls_end = segment.size() as usize;
    append(1000, &large);
    let size = |max_bytes: usize| {
        let (max_bytes, first_entry) = (max_bytes as i32, FirstEntry::IsWhole);
        let limit =
            ReadLimit { max_bytes, first_entry, ends_at_entry: true, patience: Patience::ForDisk };
        segment
            .read(Offset(0), None, segment.end_position(), limit)
            .unwrap()
            .unwrap()
            .message_set
            .size_in_bytes()
    };
    for max_bytes in small_size..smalls_end {
        let sent = size(max_bytes);
        let is_as_kafka_sends = sent == max_bytes;
        let is_at_a_batch = sent % small_size == 0 && sent >= max_bytes - max_bytes / 8;
        assert!(is_as_kafka_sends || is_at_a_batch, "{sent} of {max_bytes}");
    }
    // The large batch begins a little behind an entry of the index: its part is not sent.
    let sent = size(smalls_end + 15_000);
    assert!(sent <= smalls_end && sent > smalls_end - 4096 - small_size, "{sent} of {smalls_end}");
    assert_eq!(sent % small_size, 0);
}

/// The index may know too little: of a set of old messages it has the first one, and of what was
/// appended while its interval was another one it may have nothing.
#[test]
fn a_slice_never_gives_up_more_than_it_keeps() {
    let dir = TempDir::new();
    let sparse = LogConfig { index_interval: u64::MAX, ..LogConfig::default() };
    let written = LogSegment::open(dir.path(), Offset(0), &sparse, &*Mocks::new().time).unwrap();
    let value = "a".repeat(16_000);
    for last_offset in 0..20 {
        let bytes = &batch_at(last_offset, &[&value]);
        let (max_timestamp_ms, offset_of_max_timestamp) = (-1, -1);
        let set = SegmentAppend {
            last_offset: Offset(last_offset),
            max_timestamp_ms: TimestampMs(max_timestamp_ms),
            offset_of_max_timestamp: Offset(offset_of_max_timestamp),
            bytes,
        };
        written.append(&set).unwrap();
    }
    let reopened =
        LogSegment::open(dir.path(), Offset(0), &LogConfig::default(), &*Mocks::new().time)
            .unwrap();

    let old = TestSegment::new(0);
    let values: Vec<String> = (0..200).map(|it| format!("message {it:04}")).collect();
    let values: Vec<_> = values.iter().map(String::as_str).collect();
    (0..20).for_each(|set| old.append_messages(set * 200, &values));

    for (segment, offset) in [(&reopened, 0), (&reopened, 3), (&old.segment, 0), (&old.segment, 77)]
    {
        for max_bytes in (100..segment.size() as i32).step_by(997) {
            let first_entry = FirstEntry::IsWhole;
            let limit = ReadLimit {
                max_bytes,
                first_entry,
                ends_at_entry: true,
                patience: Patience::ForDisk,
            };
            let found =
                segment.read(Offset(offset), None, segment.end_position(), limit).unwrap().unwrap();
            let sent = found.message_set.size();
            assert!(sent * 2 >= found.bytes_within_limit, "{sent} of {max_bytes} at {offset}");
        }
    }
}

/// Nothing at or behind the exposed end is handed out, whatever the file has there.
#[test]
fn a_slice_ends_at_the_max_position() {
    let test = TestSegment::new(0);
    test.append(0, &["a"]);
    let exposed = test.segment.size();
    test.append(1, &["b"]);
    let found = test
        .segment
        .read(Offset(0), None, Position(exposed), fixture::hard(i32::MAX))
        .unwrap()
        .unwrap();
    assert_eq!(records_of(&found.message_set), records(0, &["a"]));
    let found = test
        .segment
        .read(Offset(1), None, Position(exposed), fixture::hard(i32::MAX))
        .unwrap()
        .unwrap();
    assert_eq!(found.message_set.size_in_bytes(), 0);
}

/// KAFKA-6492: an empty segment has an index with room.
#[test]
fn truncation_gives_the_indexes_their_room_back() {
    let test = TestSegment::new(0);
    test.append(0, &["a"]);
    test.segment.on_become_inactive().unwrap();
    assert!(test.segment.indexes().is_full());
    test.segment.truncate_to(Offset(0), MAX_INDEX_SIZE, TimestampMs(7)).unwrap();
    assert!(!test.segment.indexes().is_full());
    assert_eq!(test.segment.created_ms(), TimestampMs(7));
    // Also where nothing is found to be cut off.
    test.segment.on_become_inactive().unwrap();
    assert!(test.segment.indexes().is_full());
    test.segment.truncate_to(Offset(10), MAX_INDEX_SIZE, TimestampMs(0)).unwrap();
    assert!(!test.segment.indexes().is_full());
}

/// The cleaner asks every few seconds, about every dirty segment.
#[test]
fn the_file_is_asked_once_when_its_first_message_was_written() {
    let test = TestSegment::new(0);
    assert_eq!(test.segment.first_written_ms(), None);
    test.append_bytes(&timed_batch(5000, "a"));
    test.append(1, &["b"]);
    assert_eq!(test.segment.first_written_ms(), Some(TimestampMs(5000)));
    let path = test.segment.log().path();
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&7000_i64.to_be_bytes(), 35).unwrap();
    assert_eq!(test.segment.first_written_ms(), Some(TimestampMs(5000)));
    test.segment.truncate_to(Offset(0), MAX_INDEX_SIZE, TimestampMs(0)).unwrap();
    assert_eq!(test.segment.first_written_ms(), None);
    let bytes = timed_batch(6000, "c");
    test.append_bytes(&bytes);
    let size = &bytes[8..12];
    file.write_all_at(&[0; 4], 8).unwrap();
    assert_eq!(test.segment.first_written_ms(), None, "no entry has that size");
    file.write_all_at(size, 8).unwrap();
    assert_eq!(test.segment.first_written_ms(), None, "it was logged and is not tried again");
}

/// KAFKA-4451, KAFKA-6264: what the index cannot express is refused before it is written.
#[test]
fn an_offset_out_of_reach_is_not_appended() {
    let test = TestSegment::new(0);
    let reach = i64::from(i32::MAX);
    for last_offset in [reach + 1, -1] {
        let (max_timestamp_ms, offset_of_max_timestamp) = (-1, -1);
        let bytes = &batch_at(last_offset, &["a"]);
        let set = SegmentAppend {
            last_offset: Offset(last_offset),
            max_timestamp_ms: TimestampMs(max_timestamp_ms),
            offset_of_max_timestamp: Offset(offset_of_max_timestamp),
            bytes,
        };
        assert_eq!(test.segment.append(&set).unwrap_err().code(), Errors::UnknownServerError);
        assert_eq!(test.segment.size(), 0);
    }
    test.append(reach, &["a"]);
    assert_eq!(test.read(0).unwrap(), records(reach, &["a"]));
}

/// Port of `LogSegmentTest.testFindOffsetByTimestamp` of later Kafka.
#[test]
fn a_message_is_found_by_its_timestamp() {
    let test = TestSegment::new(40);
    for offset in 40..50 {
        let mut batch = timed_batch(offset * 10, "hello");
        transferto::message::record_batch::set_base_offset(&mut batch, offset);
        test.append_bytes(&batch);
    }
    assert_eq!(test.segment.largest_timestamp().timestamp_ms, TimestampMs(490));
    let find = |timestamp_ms, from| {
        find_offset_by_timestamp(&test.segment, timestamp_ms, from).unwrap().map(|it| it.offset)
    };
    assert_eq!(find(TimestampMs(490), Offset(40)), Some(Offset(49)));
    assert_eq!(find(TimestampMs(420), Offset(40)), Some(Offset(42)));
    assert_eq!(find(TimestampMs(425), Offset(40)), Some(Offset(43)));
    assert_eq!(find(TimestampMs(420), Offset(45)), Some(Offset(45)));
    assert_eq!(find(TimestampMs(491), Offset(40)), None);
    assert_eq!(find(TimestampMs(0), Offset(40)), Some(Offset(40)));
    // The same after a restart, when the highest timestamp has to be looked up.
    let reopened = open(test.dir.path(), 40);
    recover(&reopened, MAX_INDEX_SIZE).unwrap();
    let reopened = open(test.dir.path(), 40);
    assert_eq!(reopened.largest_timestamp().timestamp_ms, TimestampMs(490));
}

/// The segment of `docs/img/segment.svg`: ten records and 1500 bytes in each batch.
#[test]
fn the_picture_of_a_segment_shows_what_its_index_holds_and_where_a_read_begins() {
    let dir = TempDir::new();
    let config = LogConfig { index_interval: 4096, ..LogConfig::default() };
    let time = Mocks::new().time;
    let segment = LogSegment::open(dir.path(), Offset(0), &config, &*time).unwrap();
    let test = TestSegment { dir, segment };
    let mut values = vec!["v".repeat(135); 9];
    values.push("v".repeat(134));
    for base_offset in (0..120).step_by(10) {
        let batch = batch_at(base_offset, &values);
        assert_eq!(batch.len(), 1500);
        test.append_bytes(&batch);
    }
    let index = test.segment.offset_index();
    let entries: Vec<_> = (0..index.length()).map(|at| index.entry(at)).collect();
    let entries: Vec<_> = entries.iter().map(|it| (it.offset.0, it.position.0)).collect();
    assert_eq!(entries, [(39, 4500), (69, 9000), (99, 13_500)]);
    assert_eq!(index.lookup(Offset(75)).position, Position(9000));
    let size = Position(test.segment.size());
    let found =
        test.segment.read(Offset(75), None, size, fixture::hard(i32::MAX)).unwrap().unwrap();
    let place = found.fetch_offset_metadata.place.unwrap();
    assert_eq!(place.relative_position_in_segment, Position(10_500));
    assert_eq!(found.message_set.size(), 18_000 - 10_500);
}
