//! Faults of Kafka 0.9's log that are not ported, and what its readers and its disk may do to it
//! meanwhile.

use std::fs;
use std::os::unix::fs::symlink;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use support::records::{batch, batch_at, message_set};
use transferto::common::errors::{Errors, KafkaError};
use transferto::common::scheduler::{Scheduler, Task};
use transferto::common::time::Time;
use transferto::common::units::{LeaderEpoch, Offset, Position, TimestampMs};
use transferto::config::log_config::LogConfig;
use transferto::config::log_policies::MessageTimestampType;
use transferto::message::byte_buffer_message_set::shallow_entries;
use transferto::message::compression_codec::CompressionCodec;
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::replica::partition::LEADER_EPOCH;
use transferto::storage::files::log_file_names::{
    index_filename, log_filename, time_index_filename,
};
use transferto::storage::log::log::{Log, LogOpen};
use transferto::storage::log::log_offset_metadata::LogOffsetMetadata;
use transferto::storage::log::offset_search::{
    EARLIEST_TIMESTAMP, FoundRecord, LATEST_TIMESTAMP, fetch_offset_of_max_timestamp,
    fetch_offsets_by_timestamp, legacy_offsets_before,
};
use transferto::storage::log::read_limit::ReadLimit;

use crate::fixture::{
    self, ANY_EPOCH, TestLog, bytes_of, files_in, messages, records_of, timed_batch,
};

fn small_segments() -> LogConfig {
    LogConfig { segment_size: 10 * batch(&["0000"]).len() as u64, ..LogConfig::default() }
}

fn append(log: &Log, value: &str) -> i64 {
    log.append(&mut batch(&[value]), LEADER_EPOCH).unwrap().first_offset.0
}

fn bases(log: &Log) -> Vec<i64> {
    log.segments().iter().map(|segment| segment.base_offset().0).collect()
}

fn read_from(log: &Log, offset: i64) -> Vec<(i64, String)> {
    records_of(
        &log.read(Offset(offset), None, ReadLimit::min_one_message(i32::MAX)).unwrap().message_set,
    )
}

fn given(log: &Log, offset: i64) -> Result<i64, KafkaError> {
    log.append_as_follower(&batch_at(offset, &["x"]), ANY_EPOCH).map(|info| info.last_offset.0)
}

/// KAFKA-3047: in Kafka 0.9 the check of given offsets never fails, and the index gets a wrong
/// offset.
#[test]
fn given_offsets_must_come_after_the_end_of_the_log() {
    let test = TestLog::new(LogConfig { index_interval: 0, ..LogConfig::default() });
    let log = test.log();
    assert_eq!(given(&log, 10).unwrap(), 10);
    for offset in [10, 9, 0] {
        assert_eq!(given(&log, offset).unwrap_err().code(), Errors::UnknownServerError);
    }
    let backwards = [batch_at(30, &["x"]), batch_at(29, &["x"])].concat();
    assert!(log.append_as_follower(&backwards, ANY_EPOCH).is_err());
    assert_eq!(given(&log, 20).unwrap(), 20);
    assert_eq!(log.log_end_offset(), Offset(21));
    assert_eq!(fixture::active(&log).offset_index().last_offset(), Offset(20));
}

/// KAFKA-4451, KAFKA-6264: a log that leaps begins a segment whose index can follow.
#[test]
fn a_leap_of_the_offsets_rolls_a_segment() {
    let test = TestLog::new(LogConfig { index_interval: 0, ..LogConfig::default() });
    let log = test.log();
    let far = 5_000_000_000;
    given(&log, 0).unwrap();
    given(&log, far).unwrap();
    given(&log, far + 1).unwrap();
    assert_eq!(bases(&log), [0, far]);
    assert_eq!(read_from(&log, 1), [(far, "x".to_string()), (far + 1, "x".to_string())]);
    drop(log);
    let log = test.log();
    assert_eq!((bases(&log), log.log_end_offset()), (vec![0, far], Offset(far + 2)));
    // A segment without messages makes way for one that begins higher.
    log.truncate_fully_and_start_at(Offset(0)).unwrap();
    given(&log, far).unwrap();
    assert_eq!(bases(&log), [far]);
}

/// KAFKA-6492: in Kafka 0.9 a segment that was truncated to nothing is rolled into its own base
/// offset, which fails.
#[test]
fn an_empty_segment_rolls_into_itself() {
    let test =
        TestLog::new(LogConfig { max_index_size: 24, index_interval: 0, ..small_segments() });
    let log = test.log();
    append(&log, "0000");
    log.roll().unwrap();
    log.truncate_to(Offset(0)).unwrap();
    assert_eq!(bases(&log), [0]);
    log.roll().unwrap();
    assert_eq!(bases(&log), [0]);
    for offset in 0..20 {
        assert_eq!(append(&log, "0000"), offset);
    }
    assert_eq!(read_from(&log, 19), [(19, "0000".to_string())]);
}

/// KAFKA-5634: a segment that the high watermark has not passed is kept, whatever the retention
/// says.
#[test]
fn nothing_at_or_above_the_high_watermark_is_deleted() {
    let test = TestLog::new(LogConfig { retention_size: 0.into(), ..small_segments() });
    let log = test.log();
    (0..30).for_each(|_| {
        append(&log, "0000");
    });
    assert_eq!(bases(&log), [0, 10, 20]);
    assert_eq!(log.delete_old_segments(Offset(9)).unwrap(), 0);
    assert_eq!(log.delete_old_segments(Offset(19)).unwrap(), 1);
    assert_eq!(log.delete_old_segments(Offset(29)).unwrap(), 1);
    assert_eq!(bases(&log), [20]);
    assert_eq!(log.delete_old_segments(Offset(30)).unwrap(), 1);
    assert_eq!(bases(&log), [30]);
}

/// Does `work` while the directory of the log is not where it was: then a sync of it fails.
fn without_directory<T>(test: &TestLog, work: impl FnOnce() -> T) -> T {
    let elsewhere = test.dir.join("elsewhere");
    fs::rename(test.path(), &elsewhere).unwrap();
    let done = work();
    fs::rename(&elsewhere, test.path()).unwrap();
    done
}

/// KAFKA-3968: a new file's name is on disk after the next flush. A flush that has to see to that
/// fails while the directory is not where it was; one that has only messages to flush does not.
#[test]
fn a_flush_syncs_the_directory_after_a_roll() {
    let test = TestLog::new(small_segments());
    for rolls in 0..2 {
        let log = test.log();
        log.flush().unwrap();
        for _ in 0..rolls {
            append(&log, "0000");
            log.roll().unwrap();
        }
        append(&log, "0000");
        let recovery_point = log.recovery_point();
        assert!(without_directory(&test, || log.flush()).is_err(), "the names are still owed");
        assert_eq!(log.recovery_point(), recovery_point);

        let log = test.log();
        append(&log, "0000");
        log.flush().unwrap();
        append(&log, "0000");
        without_directory(&test, || log.flush()).unwrap();
        assert_eq!(log.recovery_point(), log.log_end_offset());
    }
}

/// The next sync may succeed though the bytes of the failed one are lost.
#[test]
fn after_a_failed_flush_nothing_of_the_log_is_acknowledged() {
    let test = TestLog::new(LogConfig { flush_interval: 1, ..small_segments() });
    let log = test.log();
    let batch_of = |first_sequence| {
        let producer = RecordBatchBuilder::new(0).producer(77, 0, first_sequence);
        producer.record(0, None, Some(b"x")).build().unwrap()
    };
    log.append(&mut batch_of(0), LEADER_EPOCH).unwrap();
    let end = log.log_end_offset();
    let (mut failed, mut after) = (batch_of(1), batch_of(2));
    log.roll().unwrap();
    let lost = || log.append(&mut failed, LEADER_EPOCH);
    without_directory(&test, lost).unwrap_err();
    let calls: [&mut dyn FnMut() -> Result<(), KafkaError>; 6] = [
        &mut || log.append(&mut batch_of(0), LEADER_EPOCH).map(drop),
        &mut || log.append(&mut batch_of(1), LEADER_EPOCH).map(drop),
        &mut || log.append(&mut after, LEADER_EPOCH).map(drop),
        &mut || log.flush(),
        &mut || log.close(),
        &mut || log.read(Offset(0), None, ReadLimit::min_one_message(1000)).map(drop),
    ];
    for (number, call) in calls.into_iter().enumerate() {
        let error = call().unwrap_err();
        assert_eq!(error.code(), Errors::KafkaStorageError, "call {number}");
        assert!(error.to_string().contains("is offline: cannot sync the directory"), "{error}");
    }
    assert_eq!(log.recovery_point(), end, "a restart reads what the failed flush left");
    let recovered = test.log();
    assert_eq!(recovered.append(&mut batch_of(1), LEADER_EPOCH).unwrap().first_offset, end);
}

/// A flush that is under way when its log is deleted owes nothing, and blames no disk.
#[test]
fn a_log_that_is_deleted_while_it_is_flushed_leaves_its_directory_online() {
    for _ in 0..20 {
        let test = TestLog::new(LogConfig { file_delete_delay_ms: 0, ..small_segments() });
        let log = test.log();
        append(&log, "0000");
        std::thread::scope(|scope| {
            scope.spawn(|| log.flush().unwrap());
            scope.spawn(|| log.delete().unwrap());
        });
        assert!(log.log_dir().is_online());
    }
}

/// KAFKA-3584, KAFKA-6624: flush, roll, retention and truncation of one log on several threads get
/// along.
#[test]
fn flush_retention_and_truncation_do_not_disturb_each_other() {
    let retention_size = 500.into();
    let test =
        TestLog::new(LogConfig { retention_size, file_delete_delay_ms: 0, ..small_segments() });
    let log = test.log();
    let is_over = AtomicBool::new(false);
    let until_over = |work: &dyn Fn(&Log)| {
        while !is_over.load(Ordering::Acquire) {
            work(&log);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| until_over(&|log| log.flush().unwrap()));
        scope.spawn(|| {
            until_over(&|log| {
                log.delete_old_segments(Offset::MAX).unwrap();
                test.mocks.scheduler.tick();
            });
        });
        scope.spawn(|| until_over(&|log| drop(log.roll().unwrap())));
        for i in 0..1000 {
            append(&log, "0000");
            if i % 50 == 49 {
                log.truncate_to(log.log_end_offset() - 7).unwrap();
            }
        }
        is_over.store(true, Ordering::Release);
    });
    assert!(log.recovery_point() <= log.log_end_offset());
    assert_eq!(log.log_end_offset(), Offset(1000 - 20 * 7));
    assert_eq!(append(&log, "last"), 860);
    assert_eq!(read_from(&log, 860), [(860, "last".to_string())]);
}

/// A disk that is full: the producer is told, and the log is as it was.
#[test]
fn a_failed_append_leaves_the_log_as_it_was() {
    let test = TestLog::new(LogConfig::default());
    fs::create_dir(test.path()).unwrap();
    symlink("/dev/full", log_filename(&test.path(), Offset(0))).unwrap();
    let log = test.log();
    let error = log.append(&mut batch(&["lost"]), LEADER_EPOCH).unwrap_err();
    assert_eq!(error.code(), Errors::KafkaStorageError);
    assert!(error.to_string().contains(".log"), "{error}");
    assert_eq!(
        log.log_end_offset_metadata(),
        LogOffsetMetadata::at(Offset(0), Offset(0), Position::START)
    );
    // The disk has room again.
    fs::remove_file(log_filename(&test.path(), Offset(0))).unwrap();
    drop(log);
    assert_eq!(append(&test.log(), "kept"), 0);
}

/// A roll for which the system has no room, here because a directory that is not empty has the name
/// of the new file: the producer is told that the disk failed, what was there stays readable, and
/// the next append rolls as if nothing had been.
#[test]
fn a_failed_roll_is_reported_and_the_next_one_succeeds() {
    for filename in [log_filename, index_filename, time_index_filename] {
        let test = TestLog::new(small_segments());
        let log = test.log();
        for offset in 0..10 {
            assert_eq!(append(&log, &format!("{offset:04}")), offset);
        }
        let in_the_way = filename(&test.path(), Offset(10));
        fs::create_dir_all(in_the_way.join("x")).unwrap();
        for _ in 0..3 {
            let error = log.append(&mut batch(&["lost"]), LEADER_EPOCH).unwrap_err();
            assert_eq!(error.code(), Errors::KafkaStorageError, "{error}");
            assert_eq!((log.log_end_offset(), bases(&log)), (Offset(10), vec![0]));
        }
        fs::remove_dir_all(&in_the_way).unwrap();
        assert_eq!(append(&log, "kept"), 10);
        assert_eq!(bases(&log), [0, 10]);
        assert_eq!(read_from(&log, 10), [(10, "kept".to_string())]);
        assert_eq!(read_from(&log, 0).len(), 10);
    }
}

/// Readers see whole batches, contiguous offsets, and nothing behind the end that they were told.
#[test]
fn readers_never_see_an_append_that_is_not_done() {
    const MESSAGES: i64 = 2000;
    let test = TestLog::new(LogConfig { index_interval: 200, ..small_segments() });
    let log = test.log();
    let read_all = || {
        let mut next_offset = 0;
        while next_offset < MESSAGES {
            let found =
                log.read(Offset(next_offset), None, ReadLimit::min_one_message(300)).unwrap();
            let bytes = bytes_of(&found.message_set);
            for entry in shallow_entries(&bytes) {
                let entry = entry.unwrap();
                assert!(entry.has_valid_crc());
                assert_eq!(entry.offset, next_offset);
                next_offset = entry.last_offset + 1;
            }
            assert!(next_offset <= log.log_end_offset().0);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(read_all);
        scope.spawn(read_all);
        for _ in 0..MESSAGES / 2 {
            log.append(&mut batch(&["0000", "1111"]), LEADER_EPOCH).unwrap();
        }
    });
}

/// Close-on-delete: a slice of a segment that retention deletes is sent to its end.
#[test]
fn a_slice_outlives_the_deletion_of_its_segment() {
    let test = TestLog::new(small_segments());
    let log = test.log();
    append(&log, "kept");
    let found = log.read(Offset(0), None, ReadLimit::min_one_message(1000)).unwrap();
    log.delete_segments_while(Offset::MAX, |_| true).unwrap();
    test.mocks.sleep(log.config().file_delete_delay_ms + 1);
    assert_eq!(files_in(&test.path()).len(), 3);
    assert_eq!(records_of(&found.message_set), [(0, "kept".to_string())]);
}

/// What this thread has read with system calls so far, in bytes, and how much of that this call
/// itself will have added. `None` if the kernel does not count.
fn bytes_read_by_this_thread() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/thread-self/io").ok()?;
    let count = text.lines().find_map(|line| line.strip_prefix("rchar: "))?.parse().ok()?;
    Some((count, text.len() as u64))
}

/// The promise of the fetch path: 12 bytes of each entry that the search crosses, and 11 more of
/// one. No message byte.
#[test]
fn a_fetch_reads_headers_only() {
    let test = TestLog::new(LogConfig { index_interval: 1, ..LogConfig::default() });
    let log = test.log();
    for _ in 0..100 {
        log.append(&mut batch(&[&"x".repeat(1000), &"y".repeat(1000)]), LEADER_EPOCH).unwrap();
    }
    for (offset, headers, probes) in [(100, 2, 0), (101, 2, 1), (0, 1, 0), (199, 1, 1), (200, 0, 0)]
    {
        let Some((before, of_counting)) = bytes_read_by_this_thread() else {
            return eprintln!("skipped: this kernel does not count the bytes a thread reads");
        };
        let found = log.read(Offset(offset), None, ReadLimit::min_one_message(1 << 20)).unwrap();
        let (after, _) = bytes_read_by_this_thread().unwrap();
        let read = after - before - of_counting;
        assert_eq!(read, headers * 12 + probes * 11, "offset {offset}: {found:?}");
    }
}

/// The answer of a fetch carries the place of what it found.
#[test]
fn a_read_returns_where_it_begins() {
    let test = TestLog::new(small_segments());
    let log = test.log();
    for _ in 0..15 {
        append(&log, "0000");
    }
    let size = batch(&["0000"]).len() as u64;
    let place = |offset| log.read(offset, None, fixture::hard(1)).unwrap().fetch_offset_metadata;
    assert_eq!(
        place(Offset(12)),
        LogOffsetMetadata::at(Offset(12), Offset(10), Position(2 * size))
    );
    assert_eq!(
        place(Offset(15)),
        LogOffsetMetadata::at(Offset(15), Offset(10), Position(5 * size))
    );
    assert_eq!(log.log_end_offset_metadata(), place(Offset(15)));
    let error = log.read(Offset(16), None, fixture::hard(1)).unwrap_err();
    assert_eq!(error.code(), Errors::OffsetOutOfRange);
}

/// A fetch by a consumer ends before the high watermark, also when a segment ends first.
#[test]
fn a_read_ends_before_its_max_offset() {
    let test = TestLog::new(small_segments());
    let log = test.log();
    for _ in 0..15 {
        append(&log, "0000");
    }
    let count = |start, max_offset| {
        let max_offset = Some(Offset(max_offset));
        let found =
            log.read(Offset(start), max_offset, ReadLimit::min_one_message(i32::MAX)).unwrap();
        records_of(&found.message_set).len()
    };
    assert_eq!(count(0, 5), 5);
    assert_eq!(count(0, 12), 10, "a read stays in one segment");
    assert_eq!(count(10, 12), 2);
    assert_eq!(count(10, 15), 5);
    assert_eq!(count(10, 99), 5);
    assert_eq!(count(12, 12), 0);
    assert_eq!(count(12, 3), 0, "KAFKA-725");
}

/// A segment that was loaded is as old as its messages: a restart does not postpone the roll
/// (KAFKA-3163).
#[test]
fn a_restart_does_not_postpone_a_roll() {
    let test = TestLog::new(LogConfig { segment_ms: 1000, ..LogConfig::default() });
    let log = test.log();
    let now_ms = test.mocks.time.milliseconds().0;
    log.append(&mut timed_batch(now_ms, "0000"), LEADER_EPOCH).unwrap();
    drop(log);
    test.mocks.time.sleep(1001);
    let log = test.log();
    assert_eq!(fixture::active(&log).created_ms(), TimestampMs(now_ms));
    append(&log, "0000");
    assert_eq!(bases(&log), [0, 1]);
}

/// Files that have the name of a new segment make way for it.
#[test]
fn stray_files_make_way_for_a_roll() {
    let test = TestLog::new(small_segments());
    let log = test.log();
    append(&log, "0000");
    fs::write(log_filename(&test.path(), Offset(1)), "junk").unwrap();
    log.roll().unwrap();
    assert_eq!(append(&log, "1111"), 1);
    assert_eq!(read_from(&log, 1), [(1, "1111".to_string())]);
}

/// `flush.messages`: an append flushes when so many messages wait.
#[test]
fn an_append_flushes_when_enough_messages_wait() {
    let test = TestLog::new(LogConfig { flush_interval: 3, ..LogConfig::default() });
    let log = test.log();
    append(&log, "0");
    append(&log, "1");
    assert_eq!(log.recovery_point(), Offset(0));
    append(&log, "2");
    assert_eq!(log.recovery_point(), Offset(3));
}

/// One log holds one format: what an old producer sends is converted on append, unless the topic is
/// of its format.
#[test]
fn old_messages_are_converted_to_the_format_of_the_log() {
    let mut old = message_set(0, CompressionCodec::None, &[(0, "a"), (1, "b")]);
    let magic_of = |log: &Log| {
        let found = log.read(Offset(0), None, ReadLimit::min_one_message(1000)).unwrap();
        let bytes = bytes_of(&found.message_set);
        (bytes[16], fixture::records_in(&bytes).len())
    };
    let test = TestLog::new(LogConfig::default());
    let log = test.log();
    let info = log.append(&mut old, LEADER_EPOCH).unwrap();
    assert!(info.was_converted);
    assert_eq!((info.first_offset, info.last_offset, info.record_count), (Offset(0), Offset(1), 2));
    assert_eq!(magic_of(&log), (2, 2));
    let test = TestLog::new(LogConfig { message_format_magic: 0, ..LogConfig::default() });
    let log = test.log();
    assert!(!log.append(&mut messages(&[(0, "a"), (1, "b")]), LEADER_EPOCH).unwrap().was_converted);
    assert_eq!(magic_of(&log), (0, 2));
}

/// A topic may stamp its messages with the time of the append.
#[test]
fn the_time_of_an_append_is_returned() {
    let message_timestamp_type = MessageTimestampType::LogAppendTime;
    let test = TestLog::new(LogConfig { message_timestamp_type, ..LogConfig::default() });
    let info = test.log().append(&mut timed_batch(5, "a"), LeaderEpoch(7)).unwrap();
    let now_ms = test.mocks.time.milliseconds().0;
    assert_eq!(
        (info.log_append_time_ms, info.max_timestamp_ms),
        (TimestampMs(now_ms), TimestampMs(now_ms))
    );
    let test = TestLog::new(LogConfig::default());
    let info = test.log().append(&mut timed_batch(5, "a"), LeaderEpoch(7)).unwrap();
    assert_eq!(
        (info.log_append_time_ms, info.max_timestamp_ms),
        (TimestampMs::NONE, TimestampMs(5))
    );
}

/// Offsets by time, over segments, with time that goes back in between.
#[test]
fn a_message_is_found_by_its_timestamp() {
    let test = TestLog::new(small_segments());
    let log = test.log();
    assert_eq!(fetch_offset_of_max_timestamp(&log).unwrap(), None);
    for offset in 0..30 {
        let timestamp_ms = if offset == 15 { 1000 } else { 100 + offset };
        log.append(&mut timed_batch(timestamp_ms, "0000"), LEADER_EPOCH).unwrap();
    }
    assert_eq!(log.segments().len(), 3);
    let at = |timestamp_ms, offset| {
        Some(FoundRecord { timestamp_ms, offset, leader_epoch: LEADER_EPOCH })
    };
    let find = |timestamp_ms| fetch_offsets_by_timestamp(&log, timestamp_ms).unwrap();
    assert_eq!(find(TimestampMs(0)), at(TimestampMs(100), Offset(0)));
    assert_eq!(find(TimestampMs(109)), at(TimestampMs(109), Offset(9)));
    assert_eq!(find(TimestampMs(112)), at(TimestampMs(112), Offset(12)));
    assert_eq!(find(TimestampMs(115)), at(TimestampMs(1000), Offset(15)));
    assert_eq!(find(TimestampMs(1001)), None);
    assert_eq!(fetch_offset_of_max_timestamp(&log).unwrap(), at(TimestampMs(1000), Offset(15)));
    let test = TestLog::new(LogConfig { message_format_magic: 0, ..LogConfig::default() });
    let error = fetch_offsets_by_timestamp(&test.log(), TimestampMs(5)).unwrap_err();
    assert_eq!(error.code(), Errors::UnsupportedForMessageFormat);
}

/// What version 0 of an offsets request gets, with the numbers of Kafka's `LogOffsetTest`.
#[test]
fn segments_are_found_by_the_time_of_their_files() {
    let config = LogConfig { segment_size: 100, message_format_magic: 0, ..LogConfig::default() };
    let test = TestLog::new(config);
    let log = test.log();
    let before = |timestamp_ms| legacy_offsets_before(&log, timestamp_ms, 10).unwrap();
    assert_eq!(before(EARLIEST_TIMESTAMP), [0].map(Offset));
    assert_eq!(before(LATEST_TIMESTAMP), [0].map(Offset));
    for _ in 0..20 {
        log.append(&mut messages(&[(0, "42")]), LEADER_EPOCH).unwrap();
    }
    assert_eq!(before(LATEST_TIMESTAMP), [20, 18, 15, 12, 9, 6, 3, 0].map(Offset));
    assert_eq!(before(TimestampMs(i64::MAX)), [20, 18, 15, 12, 9, 6, 3, 0].map(Offset));
    assert_eq!(before(EARLIEST_TIMESTAMP), [0].map(Offset));
    assert!(before(TimestampMs(0)).is_empty());
    assert_eq!(legacy_offsets_before(&log, LATEST_TIMESTAMP, 2).unwrap(), [20, 18].map(Offset));
}

/// A log that failed halfway takes nothing more, is read as before, and can be deleted: then its name
/// is free for a new log.
fn is_read_only_until_it_is_deleted(test: &TestLog, log: &Log) {
    let end_offset = log.log_end_offset();
    for _ in 0..2 {
        let error = log.append(&mut batch(&["lost"]), LEADER_EPOCH).unwrap_err();
        assert_eq!(error.code(), Errors::KafkaStorageError);
        assert!(error.to_string().contains("t-0 is read-only until"), "{error}");
    }
    assert!(log.flush().is_err() && log.close().is_err(), "it is not shut down cleanly");
    assert_eq!(log.log_end_offset(), end_offset);
    log.delete().unwrap();
    assert!(!test.path().exists());
    assert!(log.delete().is_err(), "it was deleted already");
    let new = test.log();
    assert_eq!(append(&new, "new"), 0);
    assert!(log.append(&mut batch(&["lost"]), LEADER_EPOCH).is_err());
    assert_eq!(new.log_end_offset(), Offset(1));
}

/// Panics at the first task, between two steps of a change.
struct PanickingScheduler {
    has_panicked: AtomicBool,
    inner: Arc<dyn Scheduler>,
}

impl Scheduler for PanickingScheduler {
    fn schedule(&self, name: &str, delay_ms: i64, period_ms: Option<i64>, task: Task) {
        assert!(self.has_panicked.swap(true, Ordering::Relaxed), "the first task");
        self.inner.schedule(name, delay_ms, period_ms, task);
    }

    fn shutdown(&self) {
        self.inner.shutdown();
    }
}

#[test]
fn a_log_that_a_panic_left_half_changed_can_be_deleted() {
    let test = TestLog::new(small_segments());
    (0..25).fold(test.log(), |log, _| {
        append(&log, "0000");
        log
    });
    let open = test.mocks.open(0, false);
    let inner = Arc::clone(&open.scheduler);
    let scheduler = Arc::new(PanickingScheduler { has_panicked: AtomicBool::new(false), inner });
    let log = Log::open(&test.path(), test.config.clone(), LogOpen { scheduler, ..open }).unwrap();
    let deletion = || log.delete_segments_while(Offset(i64::MAX), |_| true);
    assert!(catch_unwind(AssertUnwindSafe(deletion)).is_err());
    assert_eq!(read_from(&log, 24), [(24, "0000".to_string())]);
    is_read_only_until_it_is_deleted(&test, &log);
}

/// The first segments are gone, as a rename or the next segment fails.
#[test]
fn a_log_whose_truncation_fails_on_the_way_takes_nothing_more() {
    let fill = |test: &TestLog| {
        let log = test.log();
        (0..25).for_each(|_| {
            append(&log, "0000");
        });
        assert_eq!(bases(&log), [0, 10, 20]);
        log
    };
    let put_in_the_way = |name: PathBuf| fs::create_dir_all(name.join("x")).unwrap();

    let test = TestLog::new(small_segments());
    let log = fill(&test);
    put_in_the_way(log_filename(&test.path(), Offset(100)));
    assert!(log.truncate_fully_and_start_at(Offset(100)).is_err());
    assert_eq!(read_from(&log, 24), [(24, "0000".to_string())]);
    is_read_only_until_it_is_deleted(&test, &log);

    let test = TestLog::new(small_segments());
    let log = fill(&test);
    put_in_the_way(log_filename(&test.path(), Offset(20)).with_extension("log.deleted"));
    assert!(log.truncate_to(Offset(5)).is_err());
    assert_eq!(read_from(&log, 9), [(9, "0000".to_string())]);
    is_read_only_until_it_is_deleted(&test, &log);
}

/// The file of the messages is made first, so it is there when the index cannot be made.
#[test]
fn a_roll_that_fails_halfway_hides_none_of_the_records_that_are_appended_after_it() {
    let test = TestLog::new(small_segments());
    let log = test.log();
    (0..9).for_each(|offset| assert_eq!(append(&log, "0000"), offset));
    let index = index_filename(log.dir(), Offset(9));
    let file = test.dir.join("file");
    fs::write(&file, "").unwrap();
    symlink(file.join("no directory"), &index).unwrap();
    let too_large_to_fit = "0".repeat(100);
    log.append(&mut batch(&[&too_large_to_fit]), LEADER_EPOCH).unwrap_err();
    assert!(log.log_dir().is_online());
    assert_eq!(append(&log, "0000"), 9, "into the segment before");
    fs::remove_file(&index).unwrap();
    drop(log);
    let log = test.log();
    assert_eq!(log.log_end_offset(), Offset(10));
    assert_eq!(read_from(&log, 9), [(9, "0000".to_string())]);
}
