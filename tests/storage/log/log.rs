//! Ports of `kafka.log.LogTest`.

use std::fs;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use support::random::Random;
use support::records::{batch, message_set};
use transferto::common::errors::{Errors, KafkaError};
use transferto::common::units::{Offset, TimestampMs};
use transferto::config::log_config::LogConfig;
use transferto::config::log_policies::CleanupPolicy;
use transferto::message::compression_codec::CompressionCodec;
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::replica::partition::LEADER_EPOCH;
use transferto::storage::files::log_file_names::{
    index_filename, log_filename, parse_topic_partition_name, time_index_filename,
};
use transferto::storage::log::log::Log;
use transferto::storage::log::read_limit::ReadLimit;

use crate::fixture::{self, ANY_EPOCH, TestLog, bytes_of, files_in, messages, records_of};

fn append(log: &Log, values: &[&str]) -> i64 {
    log.append(&mut batch(values), LEADER_EPOCH).unwrap().first_offset.0
}

/// What a fetch of one message finds.
fn read_one(log: &Log, offset: i64) -> (i64, String) {
    let found = log
        .read(Offset(offset), Some(Offset(offset + 1)), ReadLimit::min_one_message(1 << 20))
        .unwrap();
    records_of(&found.message_set).into_iter().find(|(found, _)| *found == offset).unwrap()
}

fn read_all(log: &Log) -> Vec<(i64, String)> {
    log.segments().iter().flat_map(|segment| records_of(segment.log())).collect()
}

fn is_empty_at(log: &Log, offset: i64) -> bool {
    log.read(Offset(offset), None, ReadLimit::min_one_message(1000)).unwrap().message_set.size()
        == 0
}

fn segment_count(log: &Log) -> usize {
    log.segments().len()
}

fn index_entries(log: &Log) -> usize {
    log.segments().iter().map(|it| it.offset_index().length()).sum()
}

fn test_batch_size() -> u64 {
    batch(&["test"]).len() as u64
}

/// Settings under which a segment takes `messages` batches of the value "test".
fn segments_of(messages: u64) -> LogConfig {
    LogConfig { segment_size: messages * test_batch_size(), ..LogConfig::default() }
}

/// Port of `LogTest.testTimeBasedLogRoll`.
#[test]
fn a_segment_is_rolled_by_an_append_after_its_time() {
    let test = TestLog::new(LogConfig { segment_ms: 3_600_000, ..LogConfig::default() });
    let log = test.log();
    assert_eq!(segment_count(&log), 1);
    test.mocks.time.sleep(3_600_001);
    append(&log, &["test"]);
    assert_eq!(segment_count(&log), 1, "an empty segment is not rolled");
    // In Kafka 0.9 an empty segment ages, too; it rolls with the second message.
    test.mocks.time.sleep(1);
    append(&log, &["test"]);
    assert_eq!(segment_count(&log), 2);
    for expected in 3..5 {
        test.mocks.time.sleep(3_600_001);
        append(&log, &["test"]);
        assert_eq!(segment_count(&log), expected);
    }
    test.mocks.time.sleep(3_600_001);
    log.append(&mut [], LEADER_EPOCH).unwrap();
    assert_eq!(segment_count(&log), 4, "an empty set rolls nothing");
    append(&log, &["test"]);
    append(&log, &["test"]);
    assert_eq!(segment_count(&log), 5, "once for each time that is over");
}

/// Port of `LogTest.testTimeBasedLogRollJitter`.
#[test]
fn the_jitter_is_taken_from_the_time_of_a_roll() {
    let (segment_ms, segment_jitter_ms) = (3_600_000, 1_200_000);
    let test = TestLog::new(LogConfig { segment_ms, segment_jitter_ms, ..LogConfig::default() });
    let log = test.log();
    append(&log, &["test"]);
    test.mocks.time.sleep(segment_ms - segment_jitter_ms);
    append(&log, &["test"]);
    assert_eq!(segment_count(&log), 1);
    let jitter_ms = fixture::active(&log).roll_jitter_ms();
    assert!((0..segment_jitter_ms).contains(&jitter_ms));
    test.mocks.time.sleep(segment_jitter_ms - jitter_ms + 1);
    append(&log, &["test"]);
    assert_eq!(segment_count(&log), 2);
}

/// Port of `LogTest.testSizeBasedLogRoll`.
#[test]
fn a_full_segment_is_rolled() {
    let set_size = test_batch_size();
    let segment_size = 10 * (set_size - 1);
    let log = TestLog::new(LogConfig { segment_size, ..LogConfig::default() });
    let log = log.log();
    for _ in 0..11 {
        append(&log, &["test"]);
    }
    assert_eq!(segment_count(&log), 2);
}

/// Port of `LogTest.testLoadEmptyLog`.
#[test]
fn a_log_of_empty_files_opens() {
    let test = TestLog::new(LogConfig::default());
    fs::create_dir(test.path()).unwrap();
    fs::File::create(log_filename(&test.path(), Offset(0))).unwrap();
    fs::File::create(index_filename(&test.path(), Offset(0))).unwrap();
    let log = test.log();
    append(&log, &["test"]);
    assert_eq!(read_one(&log, 0), (0, "test".to_string()));
}

/// Port of `LogTest.testAppendAndReadWithSequentialOffsets`.
#[test]
fn every_message_is_read_at_its_offset() {
    let log_config = LogConfig { segment_size: test_batch_size(), ..LogConfig::default() };
    let test = TestLog::new(log_config);
    let log = test.log();
    for i in 0..50 {
        append(&log, &[&i.to_string()]);
    }
    for i in 0..50 {
        let found = log.read(Offset(i), Some(Offset(i + 1)), fixture::hard(100)).unwrap();
        assert_eq!(records_of(&found.message_set), [(i, i.to_string())]);
    }
    assert!(is_empty_at(&log, 50));
}

/// Port of `LogTest.testAppendAndReadWithNonSequentialOffsets`.
#[test]
fn a_read_between_offsets_finds_the_next_message() {
    let segment_size = 4 * messages(&[(0, "50")]).len() as u64;
    let config = LogConfig { segment_size, message_format_magic: 0, ..LogConfig::default() };
    let log = TestLog::new(config);
    let log = log.log();
    let offsets: Vec<i64> = (0..50).chain((50..200).step_by(7)).collect();
    for &offset in &offsets {
        log.append_as_follower(&messages(&[(offset, &offset.to_string())]), ANY_EPOCH).unwrap();
    }
    for asked in 50..*offsets.last().unwrap() {
        let expected = *offsets.iter().find(|&&offset| offset >= asked).unwrap();
        let found = log.read(Offset(asked), None, fixture::hard(100)).unwrap();
        let first = records_of(&found.message_set).remove(0);
        assert_eq!(first, (expected, expected.to_string()), "asked for {asked}");
    }
}

/// Port of `LogTest.testReadAtLogGap`.
#[test]
fn a_read_in_a_gap_begins_in_the_next_segment() {
    let log = TestLog::new(LogConfig { segment_size: 300, ..LogConfig::default() });
    let log = log.log();
    while segment_count(&log) == 1 {
        append(&log, &["42"]);
    }
    let last = fixture::active(&log).base_offset() - 1;
    log.segments()[0].truncate_to(Offset(1), 1000, TimestampMs(0)).unwrap();
    let found = log.read(Offset(1), None, fixture::hard(200)).unwrap();
    assert_eq!(records_of(&found.message_set)[0].0, last.next().0);
}

/// Port of `LogTest.testReadOutOfRange`.
#[test]
fn offsets_outside_the_log_are_out_of_range() {
    let test = TestLog::new(segments_of(10));
    fs::create_dir(test.path()).unwrap();
    fs::File::create(log_filename(&test.path(), Offset(1024))).unwrap();
    let log = test.log();
    assert!(is_empty_at(&log, 1024));
    for offset in [0, 1023, 1025, -1, i64::MAX, i64::MIN] {
        let error = log.read(Offset(offset), None, ReadLimit::min_one_message(1000)).unwrap_err();
        assert_eq!(error.code(), Errors::OffsetOutOfRange, "offset {offset}");
    }
}

/// Port of `LogTest.testLogRolls`.
#[test]
fn many_segments_read_as_one_log() {
    let test = TestLog::new(LogConfig { segment_size: 100, ..LogConfig::default() });
    let log = test.log();
    for i in 0..100 {
        append(&log, &[&i.to_string()]);
    }
    test.mocks.scheduler.tick();
    for i in 0..100 {
        assert_eq!(read_one(&log, i), (i, i.to_string()));
    }
    assert!(is_empty_at(&log, 100));
    assert!(segment_count(&log) > 1);
    let active = fixture::active(&log).base_offset();
    assert!(log.recovery_point() >= active, "a roll flushes what is behind it");
}

/// Port of `LogTest.testCompressedMessages`.
#[test]
fn a_read_inside_a_compressed_set_gets_the_whole_set() {
    let config = LogConfig { segment_size: 200, message_format_magic: 0, ..LogConfig::default() };
    let log = TestLog::new(config);
    let log = log.log();
    for (first, second) in [("hello", "there"), ("alpha", "beta")] {
        let gzip = CompressionCodec::Gzip;
        log.append(&mut message_set(0, gzip, &[(0, first), (1, second)]), LEADER_EPOCH).unwrap();
    }
    let read = |offset| {
        let found = log.read(offset, None, fixture::hard(4096)).unwrap();
        records_of(&found.message_set)[0].0
    };
    assert_eq!([read(Offset(0)), read(Offset(1)), read(Offset(2)), read(Offset(3))], [0, 0, 2, 2]);
}

/// Port of `LogTest.testThatGarbageCollectingSegmentsDoesntChangeOffset`.
#[test]
fn deleting_all_segments_keeps_the_end_offset() {
    for count in [0, 1, 25] {
        let test = TestLog::new(LogConfig { segment_size: 100, ..LogConfig::default() });
        let log = test.log();
        for i in 0..count {
            append(&log, &[&i.to_string()]);
        }
        let end_offset = log.log_end_offset();
        log.delete_segments_while(Offset::MAX, |_| true).unwrap();
        assert_eq!(log.log_end_offset(), end_offset);
        assert_eq!(segment_count(&log), 1);
        assert_eq!(log.delete_segments_while(Offset::MAX, |_| true).unwrap(), 0);
        assert_eq!(append(&log, &["more"]), end_offset.0);
    }
}

/// Port of `LogTest.testMessageSetSizeCheck`.
#[test]
fn a_set_larger_than_a_segment_is_refused() {
    let mut set = batch(&["You", "bethe"]);
    let log =
        TestLog::new(LogConfig { segment_size: set.len() as u64 - 1, ..LogConfig::default() });
    let error = log.log().append(&mut set, LEADER_EPOCH).unwrap_err();
    assert_eq!(error.code(), Errors::RecordListTooLarge);
}

/// Port of `LogTest.testCompactedTopicConstraints`.
#[test]
fn a_compacted_topic_takes_no_message_without_key() {
    let cleanup_policy = CleanupPolicy::Compact;
    let test = TestLog::new(LogConfig { cleanup_policy, ..LogConfig::default() });
    let log = test.log();
    let set = |codec, keys: &[Option<&[u8]>]| {
        let empty = RecordBatchBuilder::new(0).codec(codec);
        keys.iter()
            .fold(empty, |batch, key| batch.record(-1, *key, Some(b"value")))
            .build()
            .unwrap()
    };
    let (keyed, unkeyed): (Option<&[u8]>, Option<&[u8]>) = (Some(b"key"), None);
    for codec in [CompressionCodec::None, CompressionCodec::Gzip] {
        for keys in [vec![keyed, unkeyed], vec![unkeyed], vec![unkeyed, keyed]] {
            let error = log.append(&mut set(codec, &keys), LEADER_EPOCH).unwrap_err();
            assert!(
                matches!(error.code(), Errors::CorruptMessage | Errors::InvalidRecord),
                "{error}"
            );
        }
        log.append(&mut set(codec, &[keyed]), LEADER_EPOCH).unwrap();
        log.append(&mut set(codec, &[keyed, keyed]), LEADER_EPOCH).unwrap();
    }
    assert_eq!(log.log_end_offset(), Offset(6));
}

/// Port of `LogTest.testMessageSizeCheck`.
#[test]
fn a_message_above_the_limit_is_refused() {
    let mut small = batch(&["You"]);
    let max_message_size = small.len();
    let log = TestLog::new(LogConfig { max_message_size, ..LogConfig::default() });
    let log = log.log();
    log.append(&mut small, LEADER_EPOCH).unwrap();
    let error = log.append(&mut batch(&["change, change"]), LEADER_EPOCH).unwrap_err();
    assert_eq!(error.code(), Errors::RecordTooLarge);
    assert_eq!(log.log_end_offset(), Offset(1));
}

/// Port of `LogTest.testLogRecoversToCorrectOffset`.
#[test]
fn a_reopened_log_is_as_it_was() {
    let config = LogConfig { segment_size: 700, index_interval: 1, ..LogConfig::default() };
    let test = TestLog::new(config);
    let log = test.log();
    for i in 0..100 {
        append(&log, &[&format!("{i:08}")]);
    }
    let last_index_offset = fixture::active(&log).offset_index().last_offset();
    let entries = index_entries(&log);
    assert!(entries > 50);
    log.close().unwrap();
    drop(log);
    for recovery_point in [100, 0] {
        let log = test.log_with_recovery_point(recovery_point);
        assert_eq!(log.log_end_offset(), Offset(100));
        assert_eq!(fixture::active(&log).offset_index().last_offset(), last_index_offset);
        assert_eq!(index_entries(&log), entries);
        log.close().unwrap();
    }
}

fn log_of_200_messages(test: &TestLog) -> Arc<Log> {
    let log = test.log();
    for i in 0..200 {
        append(&log, &[&i.to_string()]);
    }
    log.close().unwrap();
    log
}

fn assert_200_messages(log: &Log) {
    assert_eq!(log.log_end_offset(), Offset(200));
    for i in 0..200 {
        assert_eq!(read_one(log, i), (i, i.to_string()));
    }
}

fn small_segments_with_full_index() -> LogConfig {
    LogConfig { segment_size: 700, index_interval: 1, ..LogConfig::default() }
}

/// Port of `LogTest.testIndexRebuild`.
#[test]
fn missing_indexes_are_rebuilt() {
    let test = TestLog::new(small_segments_with_full_index());
    let log = log_of_200_messages(&test);
    let entries = index_entries(&log);
    for segment in log.segments() {
        fs::remove_file(segment.offset_index().path()).unwrap();
        fs::remove_file(segment.time_index().path()).unwrap();
    }
    drop(log);
    let log = test.log();
    assert_200_messages(&log);
    assert_eq!(index_entries(&log), entries);
}

/// Port of `LogTest.testCorruptIndexRebuild`.
#[test]
fn corrupt_indexes_are_rebuilt() {
    let test = TestLog::new(small_segments_with_full_index());
    let log = log_of_200_messages(&test);
    let entries = index_entries(&log);
    let segments = log.segments().into_iter();
    let paths: Vec<_> = segments.map(|it| it.offset_index().path().to_path_buf()).collect();
    drop(log);
    for path in paths {
        fs::write(path, "  ").unwrap();
    }
    let log = test.log_with_recovery_point(200);
    assert_200_messages(&log);
    assert_eq!(index_entries(&log), entries);
}

/// Port of `LogTest.testTruncateTo`.
#[test]
fn a_truncated_log_ends_at_its_target() {
    let test = TestLog::new(segments_of(10));
    let log = test.log();
    let fill = || {
        (0..10).for_each(|_| {
            append(&log, &["test"]);
        })
    };
    fill();
    let size = log.size();
    for beyond in [10, 11] {
        log.truncate_to(Offset(beyond)).unwrap();
        assert_eq!((log.log_end_offset(), log.size()), (Offset(10), size));
    }
    log.truncate_to(Offset(5)).unwrap();
    assert_eq!((log.log_end_offset(), log.size()), (Offset(5), size / 2));
    log.truncate_to(Offset(0)).unwrap();
    assert_eq!((log.log_end_offset(), log.size()), (Offset(0), 0));
    fill();
    assert_eq!((log.log_end_offset(), log.size()), (Offset(10), size));
    log.truncate_fully_and_start_at(Offset(3)).unwrap();
    assert_eq!(
        (log.log_end_offset(), log.size(), log.log_start_offset()),
        (Offset(3), 0, Offset(3))
    );
    fill();
    log.roll().unwrap();
    fill();
    assert_eq!(log.log_end_offset(), Offset(23));
    log.truncate_to(Offset(1)).unwrap();
    assert_eq!(
        (log.log_end_offset(), log.size(), log.log_start_offset()),
        (Offset(1), 0, Offset(1))
    );
    let error = log.truncate_to(Offset::NONE).unwrap_err();
    assert_eq!(error.code(), Errors::UnknownServerError);
    assert_eq!(log.log_end_offset(), Offset(1));
}

/// Port of `LogTest.testIndexResizingAtTruncation`.
#[test]
fn truncation_into_a_rolled_segment_gives_its_index_room_again() {
    let test =
        TestLog::new(LogConfig { max_index_size: 1000, index_interval: 10_000, ..segments_of(10) });
    let log = test.log();
    for _ in 0..20 {
        append(&log, &["test"]);
    }
    let index_rooms = || -> Vec<usize> {
        log.segments().iter().map(|it| it.offset_index().length_max()).collect()
    };
    assert_eq!(index_rooms(), [0, 1000 / 8]);
    log.truncate_to(Offset(0)).unwrap();
    assert_eq!(index_rooms(), [1000 / 8]);
    test.mocks.time.sleep(1000);
    for _ in 0..10 {
        append(&log, &["test"]);
    }
    assert_eq!(segment_count(&log), 1);
}

/// Port of `LogTest.testBogusIndexSegmentsAreRemoved`.
#[test]
fn indexes_without_messages_are_removed() {
    let test =
        TestLog::new(LogConfig { max_index_size: 1000, index_interval: 1, ..segments_of(5) });
    fs::create_dir(test.path()).unwrap();
    let bogus = [0, 1, 2].map(|offset| index_filename(&test.path(), Offset(offset)));
    let bogus_time = time_index_filename(&test.path(), Offset(2));
    for path in bogus.iter().chain([&bogus_time]) {
        fs::write(path, [1; 16]).unwrap();
    }
    let log = test.log();
    assert!(!bogus[1].exists() && !bogus[2].exists() && !bogus_time.exists());
    assert_eq!(fixture::active(&log).offset_index().length(), 0, "the one at 0 was replaced");
    for _ in 0..10 {
        append(&log, &["test"]);
    }
    log.delete().unwrap();
    assert!(!test.path().exists());
}

/// Port of `LogTest.testReopenThenTruncate`.
#[test]
fn a_reopened_log_can_be_truncated() {
    let test =
        TestLog::new(LogConfig { max_index_size: 1000, index_interval: 10_000, ..segments_of(5) });
    let log = test.log();
    for _ in 0..100 {
        append(&log, &["test"]);
    }
    log.close().unwrap();
    drop(log);
    let log = test.log();
    log.truncate_to(Offset(3)).unwrap();
    assert_eq!((segment_count(&log), log.log_end_offset()), (1, Offset(3)));
}

/// A leader whose first batch is partly deleted lets a follower truncate into the middle of its own. The follower
/// must ask again for all of it. Found by the simulation, seed 421.
#[test]
fn a_log_that_is_cut_inside_of_a_batch_ends_where_the_batch_began() {
    let test = TestLog::new(LogConfig::default());
    let log = test.log();
    append(&log, &["a", "b"]);
    append(&log, &["c", "d", "e"]);
    log.truncate_to(Offset(4)).unwrap();
    assert_eq!(log.log_end_offset(), Offset(2));
    drop(log);
    assert_eq!(test.log().log_end_offset(), Offset(2));
}

/// Port of `LogTest.testAsyncDelete`.
#[test]
fn deleted_segments_are_renamed_at_once_and_removed_later() {
    let file_delete_delay_ms = 1000;
    let test = TestLog::new(LogConfig { file_delete_delay_ms, ..segments_of(5) });
    let log = test.log();
    for _ in 0..100 {
        append(&log, &["test"]);
    }
    let before = files_in(&test.path());
    let count = segment_count(&log);
    assert!(count > 1);
    log.delete_segments_while(Offset::MAX, |_| true).unwrap();
    assert_eq!(segment_count(&log), 1);
    let deleted = || -> Vec<String> {
        let files = files_in(&test.path()).into_iter();
        files.filter_map(|name| name.strip_suffix(".deleted").map(str::to_string)).collect()
    };
    assert_eq!(deleted(), before);
    test.mocks.sleep(file_delete_delay_ms - 1);
    assert_eq!(deleted(), before);
    test.mocks.sleep(2);
    assert!(deleted().is_empty());
    assert_eq!(files_in(&test.path()).len(), 3);
}

/// Port of `LogTest.testOpenDeletesObsoleteFiles`.
#[test]
fn files_that_wait_for_deletion_are_removed_on_opening() {
    let test = TestLog::new(segments_of(5));
    let log = test.log();
    for _ in 0..100 {
        append(&log, &["test"]);
    }
    log.delete_segments_while(Offset::MAX, |_| true).unwrap();
    log.close().unwrap();
    drop(log);
    let log = test.log();
    assert_eq!(segment_count(&log), 1);
    assert_eq!(files_in(&test.path()).len(), 3);
    assert_eq!(log.log_end_offset(), Offset(100));
}

/// Port of `LogTest.testAppendMessageWithNullPayload`.
#[test]
fn a_null_value_comes_back_as_null() {
    let log = TestLog::new(LogConfig::default());
    let log = log.log();
    let mut set = RecordBatchBuilder::new(0).record(-1, None, None).build().unwrap();
    log.append(&mut set, LEADER_EPOCH).unwrap();
    let found = log.read(Offset(0), None, fixture::hard(4096)).unwrap();
    let mut values = Vec::new();
    let bytes = bytes_of(&found.message_set);
    transferto::message::byte_buffer_message_set::for_each_record(&bytes, &mut |record| {
        values.push((record.offset, record.value.map(<[u8]>::to_vec)));
        Ok(())
    })
    .unwrap();
    assert_eq!(values, [(0, None)]);
}

fn append_junk(path: &Path, junk: &[u8]) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(junk).unwrap();
}

/// Port of `LogTest.testCorruptLog`.
#[test]
fn junk_after_the_messages_is_cut_off() {
    let mut random = Random(3);
    for _ in 0..50 {
        let config = LogConfig {
            max_index_size: 1000,
            index_interval: 1,
            segment_size: 1000,
            ..LogConfig::default()
        };
        let test = TestLog::new(config);
        let log = test.log();
        let count = 50 + random.below(50);
        for i in 0..count {
            append(&log, &[&i.to_string()]);
        }
        let expected = read_all(&log);
        let active = fixture::active(&log);
        let (index, messages) = (active.offset_index().path().to_path_buf(), active.log().path());
        log.close().unwrap();
        drop((log, active));
        let junk_size = 1 + random.below(9);
        append_junk(&index, &random.bytes(junk_size));
        let junk_size = 1 + random.below(9);
        append_junk(&messages, &random.bytes(junk_size));
        let log = test.log_with_recovery_point(50);
        assert_eq!(log.log_end_offset(), Offset(count as i64));
        assert_eq!(read_all(&log), expected);
    }
}

/// Port of `LogTest.testCleanShutdownFile`.
#[test]
fn after_a_clean_shutdown_nothing_is_recovered() {
    let test = TestLog::new(LogConfig {
        max_index_size: 1000,
        index_interval: 1,
        segment_size: 1000,
        ..LogConfig::default()
    });
    let log = test.log();
    for i in 0..100 {
        append(&log, &[&i.to_string()]);
    }
    log.close().unwrap();
    drop(log);
    let log = test.log_after_clean_shutdown();
    assert_eq!((log.recovery_point(), log.log_end_offset()), (Offset(100), Offset(100)));
}

fn topic_and_partition_of(name: &str) -> Result<(String, i32), KafkaError> {
    let parsed = parse_topic_partition_name(&Path::new("/data").join(name))?;
    Ok((parsed.topic.to_string(), parsed.partition))
}

/// Port of `LogTest.testParseTopicPartitionName`.
#[test]
fn the_partition_is_what_follows_the_last_dash() {
    assert_eq!(topic_and_partition_of("test_topic-143").unwrap(), ("test_topic".to_string(), 143));
    assert_eq!(topic_and_partition_of("a-b-3").unwrap(), ("a-b".to_string(), 3));
}

/// Port of `LogTest.testParseTopicPartitionNameForEmptyName`.
#[test]
fn an_empty_name_is_no_log() {
    assert!(parse_topic_partition_name(Path::new("")).is_err());
}

/// Port of `LogTest.testParseTopicPartitionNameForNull`: what has no name is no log.
#[test]
fn the_root_is_no_log() {
    assert!(parse_topic_partition_name(Path::new("/")).is_err());
}

/// Port of `LogTest.testParseTopicPartitionNameForMissingSeparator`.
#[test]
fn a_name_without_dash_is_no_log() {
    assert!(topic_and_partition_of("test_topic1999").is_err());
}

/// Port of `LogTest.testParseTopicPartitionNameForMissingTopic`.
#[test]
fn a_name_without_topic_is_no_log() {
    assert!(topic_and_partition_of("-1999").is_err());
}

/// Port of `LogTest.testParseTopicPartitionNameForMissingPartition`.
#[test]
fn a_name_without_partition_is_no_log() {
    let error = topic_and_partition_of("test_topic-").unwrap_err();
    assert!(error.to_string().contains("/data/test_topic-"), "{error}");
}
