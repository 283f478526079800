//! The leader epochs of a log that is appended to, cut, cleaned, and opened again.

use std::fs;
use std::sync::Arc;

use support::random::Random;
use support::records::{batch, batch_at};
use transferto::common::errors::Errors;
use transferto::common::units::{LeaderEpoch, Offset};
use transferto::config::log_config::LogConfig;
use transferto::message::record_batch::{RecordBatch, set_partition_leader_epoch};
use transferto::storage::epochs::leader_epoch_checkpoint_file::LEADER_EPOCH_CHECKPOINT_FILE;
use transferto::storage::log::log::Log;
use transferto::storage::log::offset_search::fetch_offsets_by_timestamp;

use crate::fixture;
use crate::fixture::{ANY_EPOCH, Mocks, TestLog, entry, messages, timed_batch};

/// Segments of so many messages.
fn segments_of(messages: u64) -> LogConfig {
    LogConfig { segment_size: messages * batch(&["test"]).len() as u64, ..LogConfig::default() }
}

/// Appends a message as the leader of `epoch`.
fn append(log: &Log, epoch: i32) {
    log.append(&mut batch(&["test"]), LeaderEpoch(epoch)).unwrap();
}

/// Appends messages from `offset` on as a leader of `epoch` sends them to a follower.
fn append_given(log: &Log, epoch: i32, offset: i64, count: i64) {
    for offset in offset..offset + count {
        let mut bytes = batch_at(offset, &["test"]);
        set_partition_leader_epoch(&mut bytes, epoch);
        log.append_as_follower(&bytes, ANY_EPOCH).unwrap();
    }
}

/// 15 messages in three segments; epochs 0, 1 and 2 begin at these offsets.
fn three_epochs(test: &TestLog, starts: [i64; 3]) -> Arc<Log> {
    let log = test.log();
    for offset in 0..15 {
        let epoch = starts.iter().filter(|start| **start <= offset).count() - 1;
        append(&log, i32::try_from(epoch).unwrap());
    }
    assert_eq!(log.segment_count(), 3);
    log
}

fn epochs(log: &Log) -> Vec<(i32, i64)> {
    let entries = log.leader_epochs().epoch_entries();
    entries.iter().map(|it| (it.epoch.0, it.start_offset.0)).collect()
}

fn file_of(test: &TestLog) -> Option<String> {
    fs::read_to_string(test.path().join(LEADER_EPOCH_CHECKPOINT_FILE)).ok()
}

fn epoch_at(log: &Log, offset: i64) -> i32 {
    let found = log.read(Offset(offset), Some(Offset(offset + 1)), fixture::hard(1_000)).unwrap();
    let bytes = fixture::bytes_of(&found.message_set);
    RecordBatch::parse(&bytes).unwrap().partition_leader_epoch()
}

/// Port of `UnifiedLogTest.shouldApplyEpochToMessageOnAppendIfLeader`.
#[test]
fn a_leader_writes_its_epoch_into_each_batch() {
    let test = TestLog::new(LogConfig::default());
    let log = test.log();
    assert_eq!(log.begin_leader_epoch(LeaderEpoch(72)).unwrap(), Offset(0));
    for offset in 0..50 {
        append(&log, 72);
        assert_eq!(epoch_at(&log, offset), 72);
    }
    assert_eq!(epochs(&log), [(72, 0)]);
}

/// Port of `UnifiedLogTest.followerShouldSaveEpochInformationFromReplicatedMessagesToTheEpochCache`.
#[test]
fn a_follower_learns_the_epochs_from_what_it_is_sent() {
    let test = TestLog::new(LogConfig::default());
    let log = test.log();
    append_given(&log, 42, 0, 50);
    assert_eq!(epochs(&log), [(42, 0)]);

    let (mut two, mut second) = (batch_at(50, &["a"]), batch_at(51, &["b", "c"]));
    set_partition_leader_epoch(&mut two, 43);
    set_partition_leader_epoch(&mut second, 45);
    two.append(&mut second);
    log.append_as_follower(&two, ANY_EPOCH).unwrap();
    assert_eq!(epochs(&log), [(42, 0), (43, 50), (45, 51)]);
}

/// Port of `UnifiedLogTest.shouldTruncateLeaderEpochsWhenDeletingSegments` and
/// `UnifiedLogTest.shouldUpdateOffsetForLeaderEpochsWhenDeletingSegments`.
#[test]
fn retention_takes_the_epochs_of_the_segments_along() {
    let retention_bytes = 10 * batch(&["test"]).len() as i64;
    for (starts, left) in
        [([0, 5, 10], &[(1, 5), (2, 10)][..]), ([0, 7, 10], &[(0, 5), (1, 7), (2, 10)])]
    {
        let (retention_size, retention_ms) = (retention_bytes.into(), (-1).into());
        let config = LogConfig { retention_size, retention_ms, ..segments_of(5) };
        let test = TestLog::new(config);
        let log = three_epochs(&test, starts);
        assert_eq!(log.delete_old_segments(Offset::MAX).unwrap(), 1);
        assert_eq!(epochs(&log), left);
        test.mocks.scheduler.tick();
        assert_eq!(epochs(&test.log()), left, "the next start finds the same");
    }
}

#[test]
fn records_that_an_admin_deletes_take_their_epochs_along() {
    let test = TestLog::new(segments_of(5));
    let log = three_epochs(&test, [0, 5, 10]);
    log.update_high_watermark(log.log_end_offset());
    log.delete_records_before(Offset(7)).unwrap();
    assert_eq!(epochs(&log), [(1, 7), (2, 10)]);
    test.mocks.scheduler.tick();
    assert_eq!(file_of(&test).unwrap(), "0\n2\n1 7\n2 10\n");
    log.delete_records_before(Offset(15)).unwrap();
    assert_eq!(epochs(&log), [(2, 15)]);
}

/// Port of `UnifiedLogTest.shouldTruncateLeaderEpochCheckpointFileWhenTruncatingLog`.
#[test]
fn a_truncation_takes_the_epochs_along() {
    let test = TestLog::new(segments_of(10));
    let log = test.log();
    append_given(&log, 0, 0, 10);
    append_given(&log, 1, 10, 6);
    append_given(&log, 2, 16, 4);
    assert_eq!((log.segment_count(), log.log_end_offset()), (2, Offset(20)));
    for (target_offset, left) in [(20, 3), (11, 2), (10, 1), (0, 0)] {
        log.truncate_to(Offset(target_offset)).unwrap();
        assert_eq!(epochs(&log), [(0, 0), (1, 10), (2, 16)][..left], "{target_offset}");
    }
    test.mocks.scheduler.tick();
    assert_eq!(file_of(&test).unwrap(), "0\n0\n");
}

/// A leader that appended nothing may become a follower: the next one has another epoch there.
#[test]
fn an_epoch_without_a_record_goes_with_a_truncation_to_the_end() {
    let test = TestLog::new(LogConfig::default());
    let log = test.log();
    append_given(&log, 1, 0, 5);
    assert_eq!(log.begin_leader_epoch(LeaderEpoch(2)).unwrap(), Offset(5));
    assert_eq!(epochs(&log), [(1, 0), (2, 5)]);
    log.truncate_to(Offset(5)).unwrap();
    assert_eq!(epochs(&log), [(1, 0)]);
}

#[test]
fn a_log_that_begins_anew_has_no_epoch() {
    let test = TestLog::new(segments_of(5));
    let log = three_epochs(&test, [0, 5, 10]);
    log.truncate_fully_and_start_at(Offset(100)).unwrap();
    assert_eq!(epochs(&log), []);
    assert_eq!(file_of(&test).unwrap(), "0\n0\n");
    append_given(&log, 2, 100, 1);
    assert_eq!(epochs(&log), [(2, 100)]);
}

#[test]
fn what_the_leader_of_an_epoch_that_is_over_appends_is_refused() {
    let test = TestLog::new(LogConfig::default());
    let log = test.log();
    append(&log, 3);
    log.begin_leader_epoch(LeaderEpoch(4)).unwrap();
    let late = log.append(&mut batch(&["late"]), LeaderEpoch(3)).unwrap_err();
    assert_eq!(late.code(), Errors::NotLeaderForPartition);
    append(&log, 4);
    assert_eq!((log.log_end_offset(), epochs(&log)), (Offset(2), vec![(3, 0), (4, 1)]));
}

#[test]
fn messages_of_old_formats_have_no_epochs() {
    for magic in [0, 1] {
        let config = LogConfig { message_format_magic: magic, ..LogConfig::default() };
        let test = TestLog::new(config);
        let log = test.log();
        log.begin_leader_epoch(LeaderEpoch(5)).unwrap();
        log.append(&mut batch(&["test"]), LeaderEpoch(5)).unwrap();
        assert_eq!(epochs(&log), []);
        assert_eq!(log.end_offset_for_epoch(LeaderEpoch(5)), None);
        assert_eq!((file_of(&test), epochs(&test.log())), (None, vec![]));
    }
}

#[test]
fn messages_without_an_epoch_that_come_late_make_the_history_useless() {
    let test = TestLog::new(LogConfig::default());
    let log = test.log();
    append_given(&log, 3, 0, 5);
    log.append_as_follower(&messages(&[(5, "old")]), ANY_EPOCH).unwrap();
    assert_eq!((epochs(&log), file_of(&test)), (vec![], Some("0\n0\n".to_string())));
    append_given(&log, 3, 6, 1);
    assert_eq!(epochs(&log), [(3, 6)]);
}

#[test]
fn a_single_node_keeps_no_file_and_knows_its_epoch_again() {
    let test = TestLog::new(segments_of(5));
    let log = test.log();
    log.begin_leader_epoch(LeaderEpoch(0)).unwrap();
    (0..12).for_each(|_| append(&log, 0));
    log.update_high_watermark(log.log_end_offset());
    log.delete_records_before(Offset(7)).unwrap();
    log.truncate_to(Offset(11)).unwrap();
    test.mocks.scheduler.tick();
    assert_eq!((epochs(&log), file_of(&test)), (vec![(0, 7)], None));
    log.flush().unwrap();
    log.close().unwrap();
    assert_eq!(epochs(&test.log_after_clean_shutdown()), [(0, 5)], "from its first segment on");
    assert_eq!(epochs(&test.log()), [(0, 5)], "after a crash as well");
}

/// Port of `LogLoaderTest.testLogRecoversForLeaderEpoch`.
#[test]
fn a_recovery_learns_the_epochs_that_the_file_does_not_have() {
    let test = TestLog::new(LogConfig::default());
    let log = test.log();
    append_given(&log, 1, 0, 1);
    append_given(&log, 2, 1, 2);
    append_given(&log, 4, 3, 1);
    let all = vec![(1, 0), (2, 1), (4, 3)];
    assert_eq!(epochs(&log), all);
    log.leader_epochs().truncate_from_end(Offset(1));
    log.leader_epochs().flush().unwrap();
    assert_eq!(file_of(&test).unwrap(), "0\n1\n1 0\n");
    drop(log);
    assert_eq!(epochs(&test.log()), all);
    test.mocks.scheduler.tick();
    assert_eq!(file_of(&test).unwrap(), "0\n3\n1 0\n2 1\n4 3\n");
}

#[test]
fn what_a_crash_took_takes_its_epochs_along() {
    let test = TestLog::new(LogConfig::default());
    let log = test.log();
    (0..5).for_each(|_| append(&log, 1));
    let five_messages = log.size();
    append(&log, 2);
    drop(log);
    let path = test.path().join("00000000000000000000.log");
    fs::File::options().write(true).open(path).unwrap().set_len(five_messages).unwrap();
    assert_eq!(epochs(&test.log()), [(1, 0)]);
    test.mocks.scheduler.tick();
    assert_eq!(file_of(&test).unwrap(), "0\n1\n1 0\n");
}

#[test]
fn a_torn_file_is_made_anew_from_the_batches() {
    let test = TestLog::new(segments_of(5));
    drop(three_epochs(&test, [0, 7, 10]));
    let path = test.path().join(LEADER_EPOCH_CHECKPOINT_FILE);
    for torn in ["", "0\n3\n0 0\n", "0\n1\n0 zero\n"] {
        fs::write(&path, torn).unwrap();
        let log = test.log_after_clean_shutdown();
        assert_eq!(epochs(&log), [(0, 0), (1, 7), (2, 10)], "{torn:?}");
        test.mocks.scheduler.tick();
        assert_eq!(file_of(&test).unwrap(), "0\n3\n0 0\n1 7\n2 10\n");
    }
}

/// Kafka makes the file with the log and writes the first epoch into it, so it is empty until then. A power loss may
/// leave one empty, too, whose log has epochs.
#[test]
fn an_empty_file_is_of_a_log_without_epochs_if_its_batches_have_none() {
    let old = [(0, "old"), (1, "old"), (2, "old")];
    for records in [&[][..], &old[..]] {
        let test = TestLog::new(LogConfig::default());
        let log = test.log();
        if !records.is_empty() {
            log.append_as_follower(&messages(records), ANY_EPOCH).unwrap();
        }
        log.flush().unwrap();
        drop(log);
        fs::write(test.path().join(LEADER_EPOCH_CHECKPOINT_FILE), "").unwrap();
        let log = test.log_after_clean_shutdown();
        assert_eq!(epochs(&log), [], "{records:?}");
        test.mocks.scheduler.tick();
        let left = if records.is_empty() { "" } else { "0\n0\n" };
        assert_eq!(file_of(&test).unwrap(), left, "its batches are read once");
        append_given(&log, 4, log.log_end_offset().0, 1);
        assert_eq!(epochs(&log), [(4, records.len() as i64)]);
    }
}

#[test]
fn a_directory_of_kafka_opens_in_the_epochs_of_its_file() {
    let test = TestLog::new(LogConfig::default());
    let log = test.log();
    append_given(&log, 5, 0, 3);
    append_given(&log, 7, 3, 3);
    drop(log);
    let log = test.log_after_clean_shutdown();
    assert_eq!(epochs(&log), [(5, 0), (7, 3)]);
    let ends = [4, 5, 6, 7, 8].map(|epoch| log.end_offset_for_epoch(LeaderEpoch(epoch)));
    let ends = ends.map(|end| end.map(|it| (it.leader_epoch.0, it.end_offset.0)));
    assert_eq!(ends, [Some((4, 0)), Some((5, 3)), Some((5, 3)), Some((7, 6)), None]);
}

/// The records of a topic that is older than Kafka 0.11, as Kafka's own file leaves them out.
#[test]
fn what_has_no_epochs_is_read_at_one_start_and_not_at_each() {
    let test = TestLog::new(segments_of(5));
    let log = test.log();
    log.append_as_follower(&messages(&[(0, "old"), (1, "old"), (2, "old")]), ANY_EPOCH).unwrap();
    append_given(&log, 4, 3, 9);
    log.flush().unwrap();
    drop(log);
    let path = test.path().join(LEADER_EPOCH_CHECKPOINT_FILE);
    fs::write(&path, "0\n1\n4 3\n").unwrap();
    let log = test.log_after_clean_shutdown();
    assert_eq!(epochs(&log), [(0, 0), (4, 3)]);
    test.mocks.scheduler.tick();
    assert_eq!(file_of(&test).unwrap(), "0\n2\n0 0\n4 3\n");
    let end = log.end_offset_for_epoch(LeaderEpoch(0)).unwrap();
    assert_eq!((end.leader_epoch, end.end_offset), (LeaderEpoch(0), Offset(3)), "as without it");
}

#[test]
fn a_deleted_log_leaves_no_epochs_to_the_next_one_of_its_name() {
    let test = TestLog::new(segments_of(5));
    let log = three_epochs(&test, [0, 5, 10]);
    log.truncate_to(Offset(12)).unwrap();
    log.truncate_to(Offset(8)).unwrap();
    log.delete().unwrap();
    let next = test.log();
    test.mocks.scheduler.tick();
    assert_eq!((epochs(&next), file_of(&test)), (vec![], None));
}

#[test]
fn an_epoch_that_cannot_be_written_down_appends_nothing() {
    let test = TestLog::new(LogConfig::default());
    let log = test.log();
    append(&log, 0);
    fs::create_dir(test.path().join("leader-epoch-checkpoint.tmp")).unwrap();
    log.append(&mut batch(&["test"]), LeaderEpoch(1)).unwrap_err();
    assert_eq!((log.log_end_offset(), epochs(&log)), (Offset(1), vec![(0, 0)]));
    fs::remove_dir(test.path().join("leader-epoch-checkpoint.tmp")).unwrap();
    append(&log, 1);
    assert_eq!(epochs(&log), [(0, 0), (1, 1)]);
}

#[test]
fn a_record_that_is_found_by_its_time_bears_its_epoch() {
    let test = TestLog::new(LogConfig::default());
    let log = test.log();
    for (epoch, timestamp_ms) in [(3, 100), (3, 200), (5, 300)] {
        log.append(&mut timed_batch(timestamp_ms, "test"), LeaderEpoch(epoch)).unwrap();
    }
    let find = |timestamp_ms| {
        let timestamp_ms = transferto::common::units::TimestampMs(timestamp_ms);
        let found = fetch_offsets_by_timestamp(&log, timestamp_ms).unwrap();
        found.map(|it| (it.offset.0, it.leader_epoch.0))
    };
    assert_eq!([0, 150, 250, 350].map(find), [Some((0, 3)), Some((1, 3)), Some((2, 5)), None]);
    assert_eq!(log.leader_epochs().earliest_entry(), Some(entry(3, 0)));
}

/// What a follower or a leader may do to a log, and crashes. The epoch of each batch is the truth.
#[test]
fn the_epochs_are_those_of_the_batches_whatever_happens_to_the_log() {
    for seed in 0..12 {
        let mut random = Random(seed);
        let mut test = TestLog::new(segments_of(4));
        let (mut log, mut newest) = (test.log(), 0);
        // An admin deletes what is committed: no later record is of an older epoch.
        let (mut deleted_before, mut committed) = (0, 0);
        for step in 0..60 {
            let start = log.log_start_offset().0.max(deleted_before);
            let end = log.log_end_offset().0;
            let within = start + i64::try_from(random.below((end - start + 1) as u64)).unwrap();
            match random.below(12) {
                0..4 => append_any(&log, &mut random, committed, &mut newest),
                4 | 5 => {
                    newest += 1 + i32::try_from(random.below(2)).unwrap();
                    log.begin_leader_epoch(LeaderEpoch(newest)).unwrap();
                    append(&log, newest);
                }
                6 | 7 => log.truncate_to(Offset(within)).unwrap(),
                8 => {
                    log.update_high_watermark(log.log_end_offset());
                    if within > start {
                        (deleted_before, committed) = (within, epoch_at(&log, within - 1));
                    }
                    log.delete_records_before(Offset(within)).unwrap();
                }
                9 => test.mocks.scheduler.tick(),
                10 => {
                    test.mocks.scheduler.tick();
                    log.flush().unwrap();
                    log.close().unwrap();
                    log = test.log_after_clean_shutdown();
                }
                // A crash takes along what was still to be done.
                _ => {
                    test.mocks = Mocks::new();
                    log = test.log();
                }
            }
            check_epochs(&log, deleted_before, &format!("seed {seed}, step {step}"));
        }
    }
}

/// As a follower, whose leader may send what an older leader has written.
fn append_any(log: &Log, random: &mut Random, committed: i32, newest: &mut i32) {
    let oldest = log.leader_epochs().latest_epoch().map_or(committed, |it| it.0);
    *newest = oldest.max(*newest);
    let among = u64::try_from(*newest - oldest + 1).unwrap();
    let epoch = oldest + i32::try_from(random.below(among)).unwrap();
    append_given(log, epoch, log.log_end_offset().0, 1 + random.below(3) as i64);
}

/// The log's manager knows what was deleted, and would begin the log there after a restart.
fn check_epochs(log: &Log, deleted_before: i64, when: &str) {
    let known = epochs(log);
    for offset in log.log_start_offset().0.max(deleted_before)..log.log_end_offset().0 {
        let by_cache = known.iter().rev().find(|(_, start)| *start <= offset).map(|it| it.0);
        assert_eq!(by_cache, Some(epoch_at(log, offset)), "{when}, offset {offset}: {known:?}");
    }
    let end = log.log_end_offset().0;
    assert!(known.last().is_none_or(|(_, start)| *start <= end), "{when}: {known:?} in {end}");
}
