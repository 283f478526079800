//! What a log knows of its idempotent producers, through rolls, crashes, truncations and deletions.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use support::random::Random;
use support::records::batch;
use support::temp::TempDir;
use transferto::common::errors::{Errors, KafkaError};
use transferto::common::units::Offset;
use transferto::config::log_config::LogConfig;
use transferto::config::log_policies::MessageTimestampType;
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::replica::partition::LEADER_EPOCH;
use transferto::storage::log::log::Log;
use transferto::storage::log::log_append::LogAppendInfo;

use crate::fixture::{ANY_EPOCH, Mocks, snapshots_in};

/// Records in each batch of these tests.
const COUNT: i32 = 3;

struct Test {
    dir: TempDir,
    mocks: Mocks,
    config: LogConfig,
}

impl Test {
    fn new() -> Self {
        Self { dir: TempDir::new(), mocks: Mocks::new(), config: LogConfig::default() }
    }

    fn path(&self) -> PathBuf {
        self.dir.join("post-0")
    }

    /// The log, after a crash if it was open before.
    fn log(&self) -> Arc<Log> {
        self.mocks.log(&self.path(), &self.config)
    }

    /// The log, after it was shut down cleanly.
    fn log_after_close(&self, log: Arc<Log>) -> Arc<Log> {
        log.flush().unwrap();
        log.close().unwrap();
        drop(log);
        let open = self.mocks.open(0, true);
        Log::open(&self.path(), self.config.clone(), open).unwrap()
    }

    fn snapshots(&self) -> Vec<i64> {
        let names = snapshots_in(&self.path());
        names.iter().map(|name| name.strip_suffix(".snapshot").unwrap().parse().unwrap()).collect()
    }

    fn damage_snapshot(&self, offset: i64) {
        let path = self.path().join(format!("{offset:020}.snapshot"));
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(path, bytes).unwrap();
    }
}

fn produced(producer_id: i64, producer_epoch: i16, sequence: i32) -> Vec<u8> {
    let empty = RecordBatchBuilder::new(0).producer(producer_id, producer_epoch, sequence);
    (0..COUNT).fold(empty, |batch, _| batch.record(5, None, Some(b"value"))).build().unwrap()
}

fn append(log: &Log, producer_id: i64, sequence: i32) -> Result<LogAppendInfo, KafkaError> {
    log.append(&mut produced(producer_id, 0, sequence), LEADER_EPOCH)
}

/// Appends the batches with these numbers, counted from 0 over all time.
fn append_all(log: &Log, producer_id: i64, numbers: std::ops::Range<i32>) {
    for number in numbers {
        let end = log.log_end_offset();
        assert_eq!(append(log, producer_id, number * COUNT).unwrap().first_offset, end);
    }
}

/// Whether the log knows the producer as one that appended `count` batches, and nobody else
/// appended: the last five are copies, the sixth last and the one after the next are refused, the
/// next is taken.
fn assert_knows(log: &Log, producer_id: i64, count: i32) {
    for number in (0..count).rev() {
        let end = log.log_end_offset();
        let again = append(log, producer_id, number * COUNT);
        if number >= count - 5 {
            let first = i64::from(number * COUNT);
            let again = again.unwrap();
            let range = (again.first_offset, again.last_offset);
            assert_eq!(
                range,
                (Offset(first), Offset(first + i64::from(COUNT) - 1)),
                "batch {number}"
            );
            assert_eq!(again.record_count, 0);
        } else {
            assert_eq!(again.unwrap_err().code(), Errors::OutOfOrderSequenceNumber, "{number}");
        }
        assert_eq!(log.log_end_offset(), end, "a copy is not written");
    }
    let gap = append(log, producer_id, (count + 1) * COUNT).unwrap_err();
    assert_eq!(gap.code(), Errors::OutOfOrderSequenceNumber);
    assert_eq!(append(log, producer_id, count * COUNT).unwrap().record_count, 3);
}

#[test]
fn a_copy_is_appended_once() {
    let test = Test::new();
    let log = test.log();
    append_all(&log, 7, 0..8);
    let size = log.size();
    assert_knows(&log, 7, 8);
    assert!(log.size() > size, "the next batch was written");
}

#[test]
fn after_a_close_nothing_is_read_but_the_snapshot() {
    let test = Test::new();
    let log = test.log();
    append_all(&log, 7, 0..8);
    let log = test.log_after_close(log);
    assert_eq!(test.snapshots(), [8 * i64::from(COUNT)]);
    assert_knows(&log, 7, 8);
}

#[test]
fn after_a_crash_the_headers_of_all_batches_are_read() {
    let test = Test::new();
    append_all(&test.log(), 7, 0..8);
    assert!(test.snapshots().is_empty());
    assert_knows(&test.log(), 7, 8);
}

#[test]
fn after_a_crash_a_snapshot_of_a_roll_and_what_follows_make_the_state() {
    let test = Test::new();
    let log = test.log();
    append_all(&log, 7, 0..3);
    log.roll().unwrap();
    append_all(&log, 7, 3..6);
    drop(log);
    assert_eq!(test.snapshots(), [9]);
    assert_knows(&test.log(), 7, 6);
}

#[test]
fn a_snapshot_is_taken_for_what_it_says_and_not_read_past() {
    // The records of the first segment are changed to those of another producer: who reads them all
    // notices.
    let test = Test::new();
    let log = test.log();
    append_all(&log, 7, 0..3);
    log.roll().unwrap();
    drop(log);
    let path = test.path().join("00000000000000000000.log");
    let stranger: Vec<u8> = (0..3)
        .flat_map(|number| {
            let mut batch = produced(8, 0, number * COUNT);
            batch[..8].copy_from_slice(&i64::from(number * COUNT).to_be_bytes());
            batch
        })
        .collect();
    fs::write(&path, stranger).unwrap();
    let log = test.log();
    assert_eq!(log.producer(8).unwrap(), None);
    assert_knows(&log, 7, 3);
}

#[test]
fn two_snapshots_are_kept_and_a_torn_one_gives_way_to_the_one_before() {
    for damaged in 0..=2 {
        let test = Test::new();
        let log = test.log();
        for number in 0..4 {
            append_all(&log, 7, number..number + 1);
            log.roll().unwrap();
        }
        append_all(&log, 7, 4..7);
        drop(log);
        assert_eq!(test.snapshots(), [9, 12]);
        [12, 9][..damaged].iter().for_each(|offset| test.damage_snapshot(*offset));
        let log = test.log();
        assert_eq!(test.snapshots().len(), 2 - damaged, "what is torn is removed");
        assert_knows(&log, 7, 7);
    }
}

#[test]
fn a_snapshot_of_what_a_crash_took_away_is_not_believed() {
    let test = Test::new();
    let log = test.log();
    append_all(&log, 7, 0..2);
    let log_after_close = test.log_after_close(log);
    drop(log_after_close);
    let path = test.path().join("00000000000000000000.log");
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    let log = test.log();
    assert_eq!(log.log_end_offset(), Offset(i64::from(COUNT)));
    assert!(test.snapshots().is_empty());
    assert_knows(&log, 7, 1);
}

#[test]
fn a_truncated_log_knows_what_it_knew_then() {
    let test = Test::new();
    let log = test.log();
    append_all(&log, 7, 0..4);
    log.roll().unwrap();
    append_all(&log, 7, 4..8);
    log.truncate_to(Offset(18)).unwrap();
    assert_eq!(test.snapshots(), [12]);
    assert_knows(&log, 7, 6);
    log.truncate_to(Offset(6)).unwrap();
    assert!(test.snapshots().is_empty());
    assert_knows(&log, 7, 2);
    log.truncate_fully_and_start_at(Offset(100)).unwrap();
    assert_eq!(log.producer(7).unwrap(), None);
    assert_eq!(
        append(&log, 7, 60).unwrap().first_offset,
        Offset(100),
        "who is not known may begin anywhere"
    );
}

#[test]
fn a_producer_whose_records_are_deleted_is_still_known() {
    let mut test = Test::new();
    test.config.retention_ms = 1_000.into();
    let log = test.log();
    append_all(&log, 7, 0..4);
    let everything = log.log_end_offset();
    log.delete_segments_while(everything, |_| true).unwrap();
    assert_eq!(log.log_start_offset(), everything);
    assert_knows(&log, 7, 4);
    let log = test.log_after_close(log);
    assert_knows(&log, 7, 5);
    drop(log);
    assert_knows(&test.log(), 7, 6);
}

#[test]
fn a_producer_that_is_silent_for_long_is_forgotten_and_may_begin_anywhere() {
    let test = Test::new();
    let log = test.log();
    append_all(&log, 7, 0..1);
    test.mocks.sleep(600);
    append_all(&log, 8, 0..1);
    test.mocks.sleep(400);
    log.remove_expired_producers(1_000).unwrap();
    assert_eq!(log.producer(7).unwrap(), None);
    assert!(log.producer(8).unwrap().is_some());
    assert_eq!(append(&log, 7, 60).unwrap().first_offset, Offset(6));
}

#[test]
fn old_timestamps_do_not_make_a_producer_old() {
    let test = Test::new();
    let log = test.log();
    append_all(&log, 7, 0..1);
    log.remove_expired_producers(1_000).unwrap();
    let log = test.log_after_close(log);
    log.remove_expired_producers(1_000).unwrap();
    drop(log);
    let log = test.log();
    log.remove_expired_producers(1_000).unwrap();
    assert_knows(&log, 7, 1);
}

#[test]
fn a_duplicate_is_answered_with_the_time_of_the_first_append() {
    let mut test = Test::new();
    test.config.message_timestamp_type = MessageTimestampType::LogAppendTime;
    let log = test.log();
    let first = append(&log, 7, 0).unwrap().log_append_time_ms;
    test.mocks.sleep(100);
    assert_eq!(append(&log, 7, 0).unwrap().log_append_time_ms, first);
    drop(log);
    test.mocks.sleep(100);
    assert_eq!(append(&test.log(), 7, 0).unwrap().log_append_time_ms, first, "after a crash too");
}

#[test]
fn a_refused_append_or_a_set_too_large_changes_nothing_that_is_known() {
    let mut test = Test::new();
    test.config.segment_size = 200;
    let log = test.log();
    append_all(&log, 7, 0..1);
    let before = log.producer(7).unwrap();
    let large = [0; 300];
    let builder = RecordBatchBuilder::new(0).producer(7, 0, COUNT);
    let mut large = builder.record(5, None, Some(&large)).build().unwrap();
    assert_eq!(
        log.append(&mut large, LEADER_EPOCH).unwrap_err().code(),
        Errors::RecordListTooLarge
    );
    let mut damaged = produced(7, 0, COUNT);
    damaged[17] ^= 1;
    assert_eq!(log.append(&mut damaged, LEADER_EPOCH).unwrap_err().code(), Errors::CorruptMessage);
    assert_eq!(log.producer(7).unwrap(), before);
    assert_knows(&log, 7, 1);
}

#[test]
fn what_comes_with_its_offsets_is_learnt_from_too() {
    let test = Test::new();
    let log = test.log();
    let batches: Vec<u8> = (0..3)
        .flat_map(|number| {
            let mut batch = produced(7, 0, number * COUNT);
            batch[..8].copy_from_slice(&i64::from(number * COUNT).to_be_bytes());
            batch
        })
        .collect();
    log.append_as_follower(&batches, ANY_EPOCH).unwrap();
    assert_knows(&log, 7, 3);
}

#[test]
fn an_empty_log_and_one_without_producers_open_as_they_were_closed() {
    let test = Test::new();
    let log = test.log_after_close(test.log());
    assert!(test.snapshots().is_empty(), "there is nothing to say about an empty log");
    log.append(&mut batch(&["a", "b"]), LEADER_EPOCH).unwrap();
    let log = test.log_after_close(log);
    assert_eq!(test.snapshots(), [2], "it says that there is nothing to be found");
    append_all(&log, 7, 0..1);
    let log = test.log_after_close(log);
    assert_eq!(test.snapshots(), [2, 5]);
    assert_eq!(log.highest_producer_id().unwrap(), Some(7));
}

/// A batch in the log: producer, epoch, sequence number and offset of its first record.
type Appended = (i64, i16, i32, i64);

/// What is to be known of a producer if these batches are the log: its epoch, and the first
/// sequence numbers and offsets of its last five batches of that epoch.
fn expected_state(log: &[Appended], producer_id: i64) -> Option<(i16, Vec<(i32, i64)>)> {
    let (_, epoch, ..) = *log.iter().rev().find(|it| it.0 == producer_id)?;
    let of_epoch = log.iter().filter(|it| (it.0, it.1) == (producer_id, epoch));
    let all: Vec<_> = of_epoch.map(|it| (it.2, it.3)).collect();
    Some((epoch, all[all.len().saturating_sub(5)..].to_vec()))
}

fn actual_state(log: &Log, producer_id: i64) -> Option<(i16, Vec<(i32, i64)>)> {
    let entry = log.producer(producer_id).unwrap()?;
    let batches = entry.batches().iter().map(|it| (it.first_sequence(), it.first_offset().0));
    Some((entry.producer_epoch(), batches.collect()))
}

#[test]
fn the_state_is_that_of_the_batches_in_the_log_whatever_happens_to_it() {
    for seed in 0..20 {
        let (mut test, mut random) = (Test::new(), Random(seed));
        test.config.max_index_size = 1_024;
        let mut log = test.log();
        let mut model: Vec<Appended> = Vec::new();
        for _ in 0..100 {
            let id = random.below(3) as i64;
            match random.below(20) {
                0 => drop(log.roll().unwrap()),
                1 => log = test.log(),
                2 => log = test.log_after_close(log),
                3 => {
                    if let Some(offset) = test.snapshots().last() {
                        test.damage_snapshot(*offset);
                        log = test.log();
                    }
                }
                4 => {
                    model.truncate(random.below(model.len() as u64 + 1) as usize);
                    log.truncate_to(Offset(model.len() as i64 * i64::from(COUNT))).unwrap();
                }
                5..=8 => {
                    let Some((epoch, known)) = expected_state(&model, id) else { continue };
                    let (sequence, offset) = known[random.below(known.len() as u64) as usize];
                    let again =
                        log.append(&mut produced(id, epoch, sequence), LEADER_EPOCH).unwrap();
                    assert_eq!(again.first_offset, Offset(offset), "seed {seed}");
                }
                ends_epoch => {
                    let (epoch, sequence) = match expected_state(&model, id) {
                        Some((epoch, _)) if ends_epoch == 9 => (epoch + 1, 0),
                        Some((epoch, known)) => (epoch, known.last().unwrap().0 + COUNT),
                        None => (0, 0),
                    };
                    let appended =
                        log.append(&mut produced(id, epoch, sequence), LEADER_EPOCH).unwrap();
                    model.push((id, epoch, sequence, appended.first_offset.0));
                }
            }
            for id in 0..3 {
                let (actual, expected) = (actual_state(&log, id), expected_state(&model, id));
                assert_eq!(actual, expected, "producer {id}, seed {seed}");
            }
        }
    }
}
