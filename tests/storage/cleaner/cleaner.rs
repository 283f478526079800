//! Ports of `kafka.log.CleanerTest`, `LogCleanerIntegrationTest` and `LogCleanerManagerTest`: what
//! compaction keeps, what it drops, and what it leaves to readers, appenders and the next start.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use support::records::batch;
use support::wait::wait_until;
use transferto::common::units::{Offset, TimestampMs};
use transferto::config::log_config::LogConfig;
use transferto::config::log_policies::CleanupPolicy;
use transferto::message::byte_buffer_message_set::{EntryContent, shallow_entries};
use transferto::message::compression_codec::CompressionCodec;
use transferto::message::record_batch::{TRANSACTIONAL_FLAG, compute_crc};
use transferto::replica::partition::LEADER_EPOCH;
use transferto::storage::cleaner::cleaner::{Cleaner, group_segments_by_size};
use transferto::storage::cleaner::cleaner_config::CleanerConfig;
use transferto::storage::cleaner::log_cleaner_manager::{CleaningError, LogToClean};
use transferto::storage::files::log_file_names::SEGMENT_ENDS_FILE;
use transferto::storage::log::log::Log;
use transferto::storage::log::offset_search::fetch_offset_of_max_timestamp;
use transferto::storage::log::read_limit::ReadLimit;

use crate::cleaner::compaction::{
    self, Contents, Test, append, append_batch, assert_found_from_every_offset, batch_of, big_keys,
    contents, last_values, spoil, tombstone,
};
use crate::fixture::{self, ANY_EPOCH, bytes_of, files_in, missing_in};

fn bases(log: &Log) -> Vec<i64> {
    log.segments().iter().map(|segment| segment.base_offset().0).collect()
}

fn offsets(contents: &Contents) -> Vec<i64> {
    contents.iter().map(|(offset, _, _)| *offset).collect()
}

/// Ports of `CleanerTest.testCleanSegments` and `LogCleanerIntegrationTest.cleanerTest`: in every
/// format with every codec.
#[test]
fn the_last_value_of_each_key_survives_with_its_offset() {
    for message_format_magic in [0, 1, 2] {
        for codec in CompressionCodec::ALL {
            if codec == CompressionCodec::Zstd && message_format_magic < 2 {
                continue;
            }
            let test = Test::new(LogConfig { message_format_magic, ..compaction::config() });
            let log = test.log("t", 0);
            for round in 0..3 {
                let value = format!("round {round}");
                let keys = ["a", "b", "c", "d"].map(|key| (key, Some(value.as_str())));
                append_batch(&log, codec, &keys[round..]);
                append_batch(&log, codec, &[(&format!("only {round}"), Some("x"))]);
                log.roll().unwrap();
            }
            let before = contents(&log);
            let stats = test.clean().unwrap();
            let after = contents(&log);
            assert_eq!(
                offsets(&after),
                [0, 4, 5, 8, 9, 10, 11],
                "{message_format_magic} {codec:?}"
            );
            assert!(after.iter().all(|record| before.contains(record)));
            assert_eq!(last_values(&after), last_values(&before));
            assert_eq!((stats.messages_read, stats.messages_kept), (12, 7));
            assert_found_from_every_offset(&log);
            assert_eq!(bases(&log), [0, 12], "three segments have become one");
            assert!(test.clean().is_none(), "nothing is dirty any more");
        }
    }
}

/// A batch that keeps all its records is not taken apart.
#[test]
fn a_batch_that_stays_whole_keeps_its_bytes() {
    let test = Test::new(compaction::config());
    let log = test.log("t", 0);
    append_batch(&log, CompressionCodec::Gzip, &[("a", Some("1")), ("b", Some("1"))]);
    append_batch(&log, CompressionCodec::Lz4, &[("c", Some("1"))]);
    let kept = bytes_of(fixture::active(&log).log());
    append(&log, "d", "1");
    append(&log, "d", "2");
    log.roll().unwrap();
    test.clean().unwrap();
    assert!(bytes_of(log.segments()[0].log()).starts_with(&kept));
}

/// Port of `CleanerTest.testCleaningWithDeletes`, by the rule of KIP-534: the time runs from the
/// first pass that sees the tombstone, which the batch then remembers.
#[test]
fn a_tombstone_stays_until_all_had_time_to_see_it() {
    let test = Test::new(LogConfig { delete_retention_ms: 1000, ..compaction::config() });
    let log = test.log("t", 0);
    append(&log, "a", "1");
    append(&log, "b", "1");
    tombstone(&log, "a");
    let expected = [[1, 2].as_slice(), &[1, 2, 3], &[1, 3, 4], &[3, 4, 5], &[3, 4, 6]];
    for (pass, expected) in expected.into_iter().enumerate() {
        log.roll().unwrap();
        test.clean().unwrap();
        assert_eq!(offsets(&contents(&log)), expected, "after pass {pass}");
        match pass {
            0 => test.mocks.sleep(999),
            1 => test.mocks.sleep(1),
            2 => tombstone(&log, "b"),
            3 => test.mocks.sleep(1000),
            _ => break,
        }
        if pass != 2 {
            append(&log, &format!("c{pass}"), "1");
        }
    }
    assert_found_from_every_offset(&log);
}

/// The old formats cannot remember it: there the time runs from when the segment was written, and
/// counts back from the last clean segment.
#[test]
fn a_tombstone_of_an_old_format_goes_by_the_age_of_its_segment() {
    let config = LogConfig { delete_retention_ms: 1000, ..compaction::config() };
    let config = LogConfig { message_format_magic: 0, segment_size: 50, ..config };
    let test = Test::new(config);
    let log = test.log("t", 0);
    append(&log, "a", "1");
    tombstone(&log, "a");
    append(&log, "b", "1");
    log.roll().unwrap();
    compaction::set_age(&log, 5000);
    test.clean().unwrap();
    assert_eq!(offsets(&contents(&log)), [1, 2], "nothing was clean before");
    append(&log, "c", "1");
    log.roll().unwrap();
    test.clean().unwrap();
    assert_eq!(offsets(&contents(&log)), [1, 2, 3], "it is as old as the last clean segment");
    append(&log, "d", "1");
    log.roll().unwrap();
    test.clean().unwrap();
    assert_eq!(offsets(&contents(&log)), [2, 3, 4]);
}

/// Kafka 0.9 drops these (`CleanerTest.testCleaningWithUnkeyedMessages`): here a topic that becomes
/// compacted late loses nothing it cannot name.
#[test]
fn a_message_without_key_stays() {
    let cleanup_policy = CleanupPolicy::Delete;
    let test = Test::new(LogConfig { cleanup_policy, ..compaction::config() });
    let log = test.log("t", 0);
    log.append(&mut batch(&["x", "y"]), LEADER_EPOCH).unwrap();
    append(&log, "a", "1");
    append(&log, "a", "2");
    log.roll().unwrap();
    assert!(test.clean().is_none(), "the topic is not compacted yet");
    log.update_config(compaction::config());
    assert!(
        log.append(&mut batch(&["z"]), LEADER_EPOCH).is_err(),
        "from now on keys are asked for"
    );
    test.clean().unwrap();
    assert_eq!(offsets(&contents(&log)), [0, 1, 3]);
}

/// Port of `CleanerTest.testSegmentGrouping` and `testSegmentGroupingWithSparseOffsets`.
#[test]
fn segments_are_grouped_as_far_as_one_can_hold_them() {
    let test = Test::new(compaction::config());
    let log = test.log("t", 0);
    for _ in 0..10 {
        append(&log, "key", "value");
        log.roll().unwrap();
    }
    let segments = log.segments();
    let (inactive, end) = (&segments[..10], 10);
    let size = segments[0].size();
    let sizes = |config: LogConfig| {
        let groups = group_segments_by_size(inactive, Offset(end), &config);
        assert_eq!(groups.concat().len(), 10);
        groups.iter().map(|group| group.len()).collect::<Vec<_>>()
    };
    assert_eq!(sizes(compaction::config()), [10]);
    let segment_size = |segment_size| LogConfig { segment_size, ..compaction::config() };
    assert_eq!(sizes(segment_size(1)), [1; 10]);
    assert_eq!(sizes(segment_size(3 * size)), [3, 3, 3, 1]);
    assert_eq!(sizes(segment_size(4 * size - 1)), [3, 3, 3, 1]);
    let entries: usize = inactive.iter().map(|it| it.time_index().length()).sum();
    assert_eq!(entries, 10, "the closing entry of each");
    assert_eq!(sizes(LogConfig { max_index_size: 24, ..compaction::config() }), [2; 5]);

    let sparse = test.log("sparse", 0);
    let far = i64::from(i32::MAX);
    for offset in [0, 1, far, far + 1, 2 * far + 5] {
        sparse.append_as_follower(&batch_of(offset, "k", Some("v")), ANY_EPOCH).unwrap();
        sparse.roll().unwrap();
    }
    let segments = sparse.segments();
    let groups = group_segments_by_size(&segments[..5], Offset(2 * far + 6), &compaction::config());
    let groups: Vec<Vec<i64>> = groups
        .iter()
        .map(|it| it.iter().map(|segment| segment.base_offset().0).collect())
        .collect();
    // A segment reaches up to the next one, as far as its index can tell.
    assert_eq!(groups, [vec![0, 1, 2], vec![far + 1], vec![2 * far + 5]]);
    while test.clean().is_some() {}
    assert_eq!(offsets(&contents(&sparse)), [2 * far + 5]);
}

/// Ports of `CleanerTest.testBuildPartialOffsetMap` and of what KAFKA-3587 and KAFKA-3894 are
/// about.
#[test]
fn a_segment_with_more_keys_than_the_map_is_cleaned_in_several_passes() {
    let mut test = Test::new(compaction::config());
    test.set_keys_max(10);
    let log = test.log("t", 0);
    for value in ["1", "2"] {
        for chunk in big_keys(40).chunks(7) {
            let batch: Vec<_> = chunk.iter().map(|key| (key.as_str(), Some(value))).collect();
            append_batch(&log, CompressionCodec::Gzip, &batch);
        }
    }
    log.roll().unwrap();
    let before = last_values(&contents(&log));
    let mut ends = Vec::new();
    while let Some(stats) = test.clean() {
        ends.push(stats.end_offset);
        assert_eq!(last_values(&contents(&log)), before);
    }
    assert_eq!(ends, [10, 20, 30, 40, 50, 60, 70, 80].map(Offset), "each pass gets further");
    assert_eq!(offsets(&contents(&log)), (40..80).collect::<Vec<_>>());
    assert_found_from_every_offset(&log);
}

/// Port of `CleanerTest.testCleanSegmentsWithAbort`: wherever a pass is stopped, the log is whole.
#[test]
fn a_pass_that_is_stopped_leaves_the_log_whole() {
    let test = Test::new(LogConfig { segment_size: 300, ..compaction::config() });
    let log = test.log("t", 0);
    for number in 0..40 {
        append(&log, &format!("key {}", number % 7), &number.to_string());
    }
    log.roll().unwrap();
    let before = last_values(&contents(&log));
    for checks in 0.. {
        let left = std::cell::Cell::new(checks);
        let check = |_| match left.replace(left.get() - 1) {
            0 => Err(CleaningError::Aborted),
            _ => Ok(()),
        };
        let cleaner = Cleaner {
            io_buffer_bytes: 100,
            keys_max: 100,
            load_factor: 0.9,
            now_ms: TimestampMs(0),
            check: &check,
        };
        let result = cleaner.clean(&LogToClean::new(Arc::clone(&log), None, TimestampMs(0)));
        assert_eq!(last_values(&contents(&log)), before);
        let unfinished = |name: &String| name.ends_with(".cleaned") || name.ends_with(".swap");
        assert!(!files_in(log.dir()).iter().any(unfinished));
        if result.is_ok() {
            assert!(checks > 20, "it was stopped {checks} times");
            break;
        }
    }
    assert_eq!(contents(&log).len(), 7);
}

/// Port of `CleanerTest.testRecoveryAfterCrash`: each state that a crash can leave.
#[test]
fn a_crash_between_any_two_steps_of_the_swap_loses_nothing() {
    let test = Test::new(compaction::config());
    let log = test.log("t", 0);
    for segment in 0..3 {
        for key in ["a", "b", "c"] {
            append(&log, key, &segment.to_string());
        }
        append(&log, &format!("only {segment}"), "x");
        log.roll().unwrap();
    }
    let name = |base: i64, suffix: &str| log.dir().join(format!("{base:020}{suffix}"));
    let read = |suffix: &str| fs::read(name(0, suffix)).unwrap();
    let expected = last_values(&contents(&log));
    let original = compaction::copy_files(log.dir());
    test.clean().unwrap();
    let cleaned = [".log", ".index", ".timeindex"].map(|suffix| (suffix, read(suffix)));
    let cleaned_contents = contents(&log);
    assert_eq!(cleaned_contents.len(), 6);

    // How the three files of the copy are called, and how many of the originals are gone.
    let states: [([&str; 3], usize); 7] = [
        ([".cleaned", ".cleaned", ".cleaned"], 0),
        ([".swap", ".cleaned", ".cleaned"], 0),
        ([".swap", ".swap", ".swap"], 0),
        ([".swap", ".swap", ".swap"], 1),
        ([".swap", ".swap", ".swap"], 3),
        (["", ".swap", ".swap"], 3),
        (["", "", ".swap"], 3),
    ];
    for (suffixes, gone) in states {
        let path = test.dir.join("crashed").join("t-0");
        fs::create_dir_all(&path).unwrap();
        for (name, bytes) in &original {
            let base: usize = name[..20].parse().unwrap();
            let suffix = if base < 4 * gone { ".deleted" } else { "" };
            fs::write(path.join(format!("{name}{suffix}")), bytes).unwrap();
        }
        for ((kind, bytes), suffix) in cleaned.iter().zip(suffixes) {
            fs::write(path.join(format!("{:020}{kind}{suffix}", 0)), bytes).unwrap();
        }
        for is_clean_shutdown in [false, true] {
            let open = test.mocks.open(0, is_clean_shutdown);
            let reopened = Log::open(&path, compaction::config(), open).unwrap();
            let found = contents(&reopened);
            assert_eq!(last_values(&found), expected, "{suffixes:?} {gone}");
            if suffixes[0] != ".cleaned" {
                assert_eq!(found, cleaned_contents, "{suffixes:?} {gone}");
            }
            assert_eq!(reopened.log_end_offset(), Offset(12));
            assert_found_from_every_offset(&reopened);
            assert_eq!(files_in(&path).len(), 3 * reopened.segments().len());
        }
        fs::remove_dir_all(&path).unwrap();
    }
}

/// What a swap does to the files of a directory, one call after another: each copies a name, or
/// gives one another name, or removes it.
fn steps_of_a_swap(bases: &[i64]) -> Vec<(String, Option<String>)> {
    let files = |base: i64, suffix: &str| {
        [".log", ".index", ".timeindex"].map(|kind| format!("{base:020}{kind}{suffix}"))
    };
    let renamed = |base: i64, from: &str, to: &str| {
        files(base, from).into_iter().zip(files(base, to).map(Some)).collect::<Vec<_>>()
    };
    let originals = |steps: &dyn Fn(i64) -> Vec<_>| bases.iter().copied().flat_map(steps).collect();
    let old: Vec<_> = originals(&|base| renamed(base, "", ".deleted"));
    let gone: Vec<_> =
        originals(&|base| files(base, ".deleted").into_iter().map(|it| (it, None)).collect());
    let first = bases[0];
    [renamed(first, ".cleaned", ".swap"), old, renamed(first, ".swap", ""), gone].concat()
}

/// A log of three segments before and after a pass that has made one of them.
struct Swapped {
    config: LogConfig,
    test: Test,
    before: Vec<(String, Vec<u8>)>,
    copy: [(&'static str, Vec<u8>); 3],
    ends: String,
    values: BTreeMap<String, String>,
}

impl Swapped {
    fn new() -> Self {
        let config = compaction::config();
        let test = Test::new(config.clone());
        let log = test.log("t", 0);
        for segment in 0..3 {
            for key in ["a", "b", &format!("only {segment}")] {
                append(&log, key, &segment.to_string());
            }
            log.roll().unwrap();
        }
        let (before, values) = (compaction::copy_files(log.dir()), last_values(&contents(&log)));
        test.clean().unwrap();
        let copy = [".log", ".index", ".timeindex"]
            .map(|kind| (kind, fs::read(log.dir().join(format!("{:020}{kind}", 0))).unwrap()));
        let ends = fs::read_to_string(log.dir().join(SEGMENT_ENDS_FILE)).unwrap();
        Self { config, test, before, copy, ends, values }
    }

    /// The directory after these steps, with so many lines of the ends, and so many bytes of the
    /// copy if it is called `.swap` then.
    fn make(&self, path: &Path, steps: &[(String, Option<String>)], lines: usize, bytes: usize) {
        fs::create_dir_all(path).unwrap();
        let cleaned = self.copy.iter();
        let cleaned = cleaned.map(|(kind, bytes)| (format!("{:020}{kind}.cleaned", 0), bytes));
        let before = self.before.iter().map(|(name, bytes)| (name.clone(), bytes));
        for (name, bytes) in before.chain(cleaned) {
            fs::write(path.join(name), bytes).unwrap();
        }
        for (from, to) in steps {
            match to {
                Some(to) => fs::rename(path.join(from), path.join(to)).unwrap(),
                None => fs::remove_file(path.join(from)).unwrap(),
            }
        }
        let ends = self.ends.split_inclusive('\n').take(lines).collect::<String>();
        fs::write(path.join(SEGMENT_ENDS_FILE), ends).unwrap();
        let swap = path.join(format!("{:020}.log.swap", 0));
        if swap.exists() {
            fs::write(swap, &self.copy[0].1[..bytes]).unwrap();
        }
    }
}

/// Every prefix of the steps of a swap opens with all last values, and misses nothing; also if the
/// copy is empty or torn then, which no crash of ours leaves.
#[test]
fn a_copy_that_is_empty_or_torn_never_takes_the_place_of_a_segment() {
    let swapped = Swapped::new();
    // The version, the count, three segments, what is expected, and what is done.
    assert_eq!(swapped.ends.lines().count(), 7, "{}", swapped.ends);
    let (whole, steps) = (swapped.copy[0].1.len(), steps_of_a_swap(&[0, 3, 6]));
    for count in 0..=steps.len() {
        let lines = [[5, 6], [6, 6], [6, 7]][usize::from(count > 0) + usize::from(count > 2)];
        for (lines, bytes) in
            lines.into_iter().flat_map(|lines| [whole, whole - 1, 70, 0].map(|it| (lines, it)))
        {
            let path = swapped.test.dir.join("crashed").join("t-0");
            swapped.make(&path, &steps[..count], lines, bytes);
            let open = swapped.test.mocks.open(0, false);
            let what = format!("{count} steps, {lines} lines, {bytes} bytes");
            for _ in 0..2 {
                assert_eq!(missing_in(&path, &swapped.config, &open), [], "{what}");
            }
            let reopened = Log::open(&path, swapped.config.clone(), open).unwrap();
            assert_eq!(last_values(&contents(&reopened)), swapped.values, "{what}");
            assert_eq!(reopened.log_end_offset(), Offset(9));
            assert_eq!(files_in(&path).len(), 3 * reopened.segments().len());
            fs::remove_dir_all(&path).unwrap();
        }
    }
}

/// A fetch that was answered before goes on to be sent, also when the old files are deleted.
#[test]
fn a_slice_in_flight_keeps_its_file() {
    let test = Test::new(compaction::config());
    let log = test.log("t", 0);
    for number in 0..10 {
        append(&log, "key", &number.to_string());
    }
    log.roll().unwrap();
    let in_flight =
        log.read(Offset(3), None, ReadLimit::min_one_message(i32::MAX)).unwrap().message_set;
    let bytes = bytes_of(&in_flight);
    test.clean().unwrap();
    assert_eq!(bytes_of(&in_flight), bytes);
    test.mocks.sleep(log.config().file_delete_delay_ms + 1);
    assert_eq!(files_in(log.dir()).len(), 6, "the old files are gone");
    assert_eq!(bytes_of(&in_flight), bytes);
    assert_eq!(offsets(&contents(&log)), [9]);
}

/// After a crash the sequence numbers of producers are read from the log.
#[test]
fn the_last_batch_of_a_producer_stays_if_only_as_a_header() {
    let test = Test::new(compaction::config());
    let log = test.log("t", 0);
    let send = |producer_id, sequence, key: &str| {
        let batch = compaction::builder(0).producer(producer_id, 2, sequence);
        let batch = batch.record(5, Some(key.as_bytes()), Some(b"v"));
        log.append(&mut batch.build().unwrap(), LEADER_EPOCH).unwrap();
    };
    send(7, 0, "a");
    send(7, 1, "a");
    send(8, 0, "b");
    append(&log, "a", "last");
    append(&log, "b", "last");
    log.roll().unwrap();
    test.clean().unwrap();
    assert_eq!(offsets(&contents(&log)), [3, 4]);
    let bytes = bytes_of(log.segments()[0].log());
    let entries = shallow_entries(&bytes).map(Result::unwrap);
    let producers: Vec<_> = entries
        .filter_map(|entry| match entry.content {
            EntryContent::Batch(batch) if batch.producer_id() >= 0 => Some(batch),
            _ => None,
        })
        .map(|it| (it.producer_id(), it.base_sequence(), it.last_offset(), it.record_count()))
        .collect();
    assert_eq!(producers, [(7, 1, 1, 0), (8, 0, 2, 0)]);
    assert_found_from_every_offset(&log);
    // Of an empty batch nothing is left when its producer has sent another one.
    send(7, 2, "c");
    log.roll().unwrap();
    test.clean().unwrap();
    let bytes = bytes_of(log.segments()[0].log());
    let bases: Vec<i64> = shallow_entries(&bytes).map(|entry| entry.unwrap().offset).collect();
    assert_eq!(bases, [2, 3, 4, 5]);
}

/// Without `transferto.compressed.records.validation.enable` anybody can have such a batch stored.
#[test]
fn a_batch_that_cannot_be_decompressed_stays_and_the_rest_is_cleaned() {
    for codec in CompressionCodec::ALL.into_iter().skip(1) {
        let test = Test::new(compaction::config());
        let log = test.log("t", 0);
        append(&log, "key", "first");
        let unreadable = compaction::builder(0).codec(codec);
        let mut junk = unreadable.record(-1, Some(b"key"), Some(b"value")).build().unwrap();
        junk[61..].fill(0xee);
        let crc = compute_crc(&junk);
        junk[17..21].copy_from_slice(&crc.to_be_bytes());
        // A leader decompresses for a compacted topic; this one was not compacted then.
        let offset = log.log_end_offset();
        junk[..8].copy_from_slice(&offset.0.to_be_bytes());
        log.append_as_follower(&junk, ANY_EPOCH).unwrap();
        append(&log, "key", "second");
        append(&log, "key", "third");
        log.roll().unwrap();
        for _ in 0..2 {
            test.clean().unwrap();
            let bytes = bytes_of(log.segments()[0].log());
            let kept: Vec<_> = shallow_entries(&bytes).map(Result::unwrap).collect();
            let offsets: Vec<_> = kept.iter().map(|it| it.offset).collect();
            assert!(offsets.starts_with(&[1, 3]), "{offsets:?}, {codec:?}");
            assert_eq!(kept[0].bytes, junk, "it stays as it is");
            append(&log, "other", "more to clean");
            log.roll().unwrap();
        }
    }
}

/// What nobody can read supersedes nothing: neither does the record in front of what is wrong.
#[test]
fn a_batch_that_can_be_read_in_part_supersedes_no_key() {
    for codec in CompressionCodec::ALL {
        let test = Test::new(compaction::config());
        let log = test.log("t", 0);
        append(&log, "key", "the last one that can be read");
        append(&log, "other", "1");
        let batch = compaction::builder(2).codec(codec);
        let mut bad = batch.record(5, Some(b"key"), Some(b"value")).build().unwrap();
        declare_two_records(&mut bad);
        log.append_as_follower(&bad, ANY_EPOCH).unwrap();
        append(&log, "other", "2");
        log.roll().unwrap();
        let stats = test.clean().unwrap();
        let bytes = bytes_of(log.segments()[0].log());
        let kept: Vec<_> = shallow_entries(&bytes).map(Result::unwrap).collect();
        let offsets: Vec<_> = kept.iter().map(|it| it.offset).collect();
        assert_eq!(offsets, [0, 2, 3], "{codec:?}");
        assert_eq!((stats.messages_read, stats.messages_kept), (3, 2), "of those it could read");
        assert_eq!(kept[1].bytes, bad, "it stays as it is");
    }
}

/// Makes `batch`, which has one record, one that cannot be read to its end.
fn declare_two_records(batch: &mut [u8]) {
    batch[57..61].copy_from_slice(&2_i32.to_be_bytes());
    let crc = compute_crc(batch);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}

/// A log that cannot be read is told once and left alone; the others are cleaned.
#[test]
fn a_corrupt_batch_stops_the_cleaning_of_its_log_only() {
    let test = Test::new(compaction::config());
    let (sick, healthy) = (test.log("sick", 0), test.log("healthy", 0));
    for log in [&sick, &healthy] {
        for number in 0..10 {
            append(log, "key", &number.to_string());
        }
        log.roll().unwrap();
    }
    // More dirty bytes, so that its turn comes first.
    append(&sick, "key", "more makes it the dirtier one");
    sick.roll().unwrap();
    spoil(&sick.segments()[0], 5);
    let before = compaction::copy_files(sick.dir());
    assert!(test.clean().is_none(), "the dirtier one cannot be cleaned");
    assert!(test.clean().is_some(), "the other one can");
    assert_eq!(compaction::copy_files(sick.dir()), before, "not a byte of it was touched");
    assert_eq!(contents(&healthy).len(), 1);
    assert!(test.clean().is_none(), "it is not tried again");
    // A truncation may have cut off what was corrupt.
    sick.truncate_to(Offset(4)).unwrap();
    append(&sick, "key", "new");
    sick.roll().unwrap();
    test.clean().unwrap();
    assert_eq!(offsets(&contents(&sick)), [4]);
}

/// An entry that was cut off, or whose size is a lie, is corrupt too.
#[test]
fn a_segment_that_ends_within_an_entry_is_not_cleaned() {
    for io_buffer_bytes in [1, 70, 1_000_000] {
        let test = Test::new(compaction::config());
        let log = test.log("t", 0);
        append(&log, "key", "1");
        append(&log, "key", "2");
        let size = fixture::active(&log).size();
        log.roll().unwrap();
        log.segments()[0].log().truncate_to(size - 1).unwrap();
        let cleaner = Cleaner {
            io_buffer_bytes,
            keys_max: 10,
            load_factor: 0.9,
            now_ms: TimestampMs(0),
            check: &|_| Ok(()),
        };
        let result = cleaner.clean(&LogToClean::new(log, None, TimestampMs(0)));
        let Err(CleaningError::Failed(error)) = result else { panic!("{result:?}") };
        assert!(error.to_string().contains("is corrupt at position"), "{error}");
    }
}

/// An entry may be larger than the buffer for reading.
#[test]
fn any_buffer_is_large_enough() {
    for io_buffer_bytes in [0, 1, 100, 5000] {
        let test = Test::new(compaction::config());
        let log = test.log("t", 0);
        for number in 0..6 {
            append(&log, &format!("key {}", number % 2), &"x".repeat(1000 * number));
        }
        log.roll().unwrap();
        let cleaner = Cleaner {
            io_buffer_bytes,
            keys_max: 10,
            load_factor: 0.9,
            now_ms: TimestampMs(0),
            check: &|_| Ok(()),
        };
        cleaner.clean(&LogToClean::new(Arc::clone(&log), None, TimestampMs(0))).unwrap();
        assert_eq!(offsets(&contents(&log)), [4, 5]);
        assert_found_from_every_offset(&log);
    }
}

/// The index of a cleaned segment is as dense as that of any other.
#[test]
fn a_cleaned_segment_is_indexed() {
    let test = Test::new(LogConfig { index_interval: 200, ..compaction::config() });
    let log = test.log("t", 0);
    for number in 0..200 {
        append(&log, &format!("key {}", number % 100), "value");
    }
    log.roll().unwrap();
    test.clean().unwrap();
    let segment = &log.segments()[0];
    let count = segment.offset_index().length() as u64;
    assert!(count >= segment.size() / 400, "{count} entries for {} bytes", segment.size());
    segment.offset_index().sanity_check(segment.end_position()).unwrap();
    segment.time_index().sanity_check().unwrap();
    assert_eq!(fetch_offset_of_max_timestamp(&log).unwrap().unwrap().offset, Offset(199));
    assert_found_from_every_offset(&log);
}

/// A segment of which nothing is left stays as an empty one, so that the log begins where it did.
#[test]
fn a_segment_may_become_empty() {
    let test = Test::new(LogConfig { segment_size: 100, ..compaction::config() });
    let log = test.log("t", 0);
    for number in 0..5 {
        append(&log, "key", &number.to_string());
    }
    log.roll().unwrap();
    test.clean().unwrap();
    assert_eq!(offsets(&contents(&log)), [4]);
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (Offset(0), Offset(5)));
    assert_found_from_every_offset(&log);
    let reopened = Log::open(log.dir(), compaction::config(), test.mocks.open(0, false)).unwrap();
    assert_eq!(offsets(&contents(&reopened)), [4]);
    assert_eq!(reopened.log_end_offset(), Offset(5));
}

/// Without a wake-up the thread would look again after an hour.
#[test]
fn a_thread_that_sleeps_is_woken_by_other_settings() {
    let mut test = Test::new(compaction::config());
    test.config.cleaner.enable_cleaner = true;
    test.config.cleaner.back_off_ms = 3_600_000;
    let (log, manager) = (test.log("post", 0), test.manager());
    let make_dirty = || {
        for value in ["1", "2", "3"] {
            append(&log, "key", value);
            log.roll().unwrap();
        }
        log.update_high_watermark(log.log_end_offset());
    };
    let wait_until_clean = || wait_until("the cleaner", || contents(&log).len() <= 1);
    make_dirty();
    manager.cleaner().startup();
    wait_until_clean();
    make_dirty();
    let other = CleanerConfig { back_off_ms: 1, ..test.config.cleaner.clone() };
    manager.cleaner().reconfigure(other);
    wait_until_clean();
    manager.cleaner().shutdown();
}

/// If it was aborted, the record before it is the last committed one of its key.
#[test]
fn a_log_with_records_of_a_transaction_is_left_alone() {
    let test = Test::new(compaction::config());
    let log = test.log("t", 0);
    append(&log, "a", "committed");
    let of_transaction = compaction::builder(1).producer(7, 0, 0).flags(TRANSACTIONAL_FLAG).record(
        1_000,
        Some(b"a"),
        Some(b"aborted, perhaps"),
    );
    log.append_as_follower(&of_transaction.build().unwrap(), ANY_EPOCH).unwrap();
    log.roll().unwrap();
    let before = contents(&log);
    assert!(test.clean().is_none());
    assert_eq!(contents(&log), before);
    assert!(test.clean().is_none(), "it is set aside");
}
