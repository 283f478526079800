//! A log that has lost records in its middle says so when it is loaded, and one that has not does
//! not.

use std::fs;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::sync::Arc;

use support::random::Random;
use transferto::common::units::Offset;
use transferto::config::log_config::LogConfig;
use transferto::config::log_policies::CleanupPolicy;
use transferto::replica::partition::LEADER_EPOCH;
use transferto::storage::files::log_file_names::{
    DELETED_FILE_SUFFIX, SEGMENT_ENDS_FILE, index_filename, log_filename, time_index_filename,
    with_suffix,
};
use transferto::storage::log::log::Log;
use transferto::storage::log::missing_records::{MissingRecords, Why};

use crate::fixture::{TestLog, missing_in, timed_batch};

/// Of one record.
const BATCH_BYTES: u64 = 70;

/// A log of 30 records in segments of 10, whose broker was killed.
fn killed() -> TestLog {
    assert_eq!(timed_batch(1000, "00").len() as u64, BATCH_BYTES);
    let config = LogConfig { segment_size: 10 * BATCH_BYTES, ..LogConfig::default() };
    let test = TestLog::new(config);
    append(&test.log(), 30);
    test
}

fn append(log: &Arc<Log>, count: i64) {
    for offset in log.log_end_offset().0..log.log_end_offset().0 + count {
        log.append(&mut timed_batch(1000, &format!("{offset:02}")), LEADER_EPOCH).unwrap();
    }
}

fn missing(test: &TestLog, is_clean_shutdown: bool) -> Vec<MissingRecords> {
    missing_in(&test.path(), &test.config, &test.mocks.open(0, is_clean_shutdown))
}

fn records(from: i64, to: i64, why: Why) -> MissingRecords {
    MissingRecords { from: Offset(from), to: Offset(to), why }
}

fn remove_segment(test: &TestLog, base_offset: i64) {
    for filename in [log_filename, index_filename, time_index_filename] {
        fs::remove_file(filename(&test.path(), Offset(base_offset))).unwrap();
    }
}

/// Cuts a segment between two records, where no recovery finds anything wrong.
fn shorten_segment(test: &TestLog, base_offset: i64, records: u64) {
    let path = log_filename(&test.path(), Offset(base_offset));
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(records * BATCH_BYTES).unwrap();
}

fn ends_file(test: &TestLog) -> PathBuf {
    test.path().join(SEGMENT_ENDS_FILE)
}

#[test]
fn a_segment_that_is_gone_from_the_middle_is_missed_at_each_start() {
    for is_clean_shutdown in [false, true] {
        let test = killed();
        assert_eq!(missing(&test, is_clean_shutdown), []);
        remove_segment(&test, 10);
        for _ in 0..2 {
            let found = missing(&test, is_clean_shutdown);
            assert_eq!(found, [records(10, 20, Why::NoSegment)]);
        }
        assert_eq!(
            format!("{}", records(10, 20, Why::NoSegment)),
            "the records of offsets 10 to 19 are missing: their segment is not there"
        );
    }
}

#[test]
fn a_segment_that_is_shorter_than_it_was_is_missed() {
    for is_clean_shutdown in [false, true] {
        let test = killed();
        shorten_segment(&test, 10, 7);
        let found = missing(&test, is_clean_shutdown);
        assert_eq!(found, [records(17, 20, Why::ShorterSegment(3 * BATCH_BYTES))]);
    }
}

/// A power loss may take what was noted of a segment together with its end.
#[test]
fn a_segment_that_is_not_noted_ends_where_the_next_one_begins() {
    let test = killed();
    let path = ends_file(&test);
    let lines = fs::read_to_string(&path).unwrap();
    assert_eq!(lines, "0\n1\n0 10 700\n10 20 700\n");
    fs::write(path, "0\n1\n0 10 700\n10 2").unwrap();
    shorten_segment(&test, 10, 7);
    assert_eq!(missing(&test, false), [records(17, 20, Why::Gap)]);
}

/// A power loss may take a segment with all that was noted of it: then the one before is followed by
/// another than it was.
#[test]
fn a_segment_that_is_gone_with_its_note_is_missed() {
    for is_clean_shutdown in [false, true] {
        let test = killed();
        fs::write(ends_file(&test), "0\n1\n0 10 700\n").unwrap();
        remove_segment(&test, 10);
        assert_eq!(missing(&test, is_clean_shutdown), [records(10, 20, Why::Gap)]);
    }
}

/// Directories of Kafka, and those of our earlier versions.
#[test]
fn a_gap_in_a_directory_without_notes_is_one_unless_the_cleaner_may_have_left_it() {
    let gap = [records(17, 20, Why::Gap)];
    // Whether the log is compacted, whether it was, and what is missing then.
    for (is_compacted, was_compacted, expected) in
        [(false, false, &gap[..]), (true, false, &[]), (false, true, &[])]
    {
        let mut test = killed();
        if is_compacted {
            test.config.cleanup_policy = CleanupPolicy::Compact;
        }
        if was_compacted {
            let checkpoint = test.dir.join("cleaner-offset-checkpoint");
            fs::write(checkpoint, "0\n1\nkafkatest 0 20\n").unwrap();
        }
        fs::remove_file(ends_file(&test)).unwrap();
        shorten_segment(&test, 10, 7);
        assert_eq!(missing(&test, false), expected);
        assert_eq!(missing(&test, false), [], "from now on it is noted");
        shorten_segment(&test, 0, 9);
        assert_eq!(missing(&test, true), [records(9, 10, Why::ShorterSegment(BATCH_BYTES))]);
    }
}

#[test]
fn what_was_deleted_or_cut_off_is_not_missed() {
    let test = killed();
    let log = test.log();
    log.delete_records_before(Offset(12)).unwrap();
    test.mocks.sleep(log.config().file_delete_delay_ms + 1);
    assert_eq!(missing(&test, false), []);
    let log = test.log();
    log.truncate_to(Offset(15)).unwrap();
    assert_eq!(missing(&test, false), []);
    let log = test.log();
    append(&log, 30);
    assert_eq!(missing(&test, false), []);
    let log = test.log();
    log.truncate_fully_and_start_at(Offset(5)).unwrap();
    append(&log, 12);
    assert_eq!(missing(&test, false), []);
    shorten_segment(&test, 5, 9);
    assert_eq!(missing(&test, false), [records(14, 15, Why::ShorterSegment(BATCH_BYTES))]);
}

#[test]
fn a_truncation_that_stops_halfway_leaves_no_hole() {
    let test = killed();
    let log = test.log();
    let obstacle = with_suffix(&log_filename(&test.path(), Offset(20)), DELETED_FILE_SUFFIX);
    fs::create_dir(&obstacle).unwrap();
    log.truncate_to(Offset(5)).unwrap_err();
    drop(log);
    fs::remove_dir(obstacle).unwrap();
    assert_eq!(missing(&test, false), []);
    assert_eq!(test.log().log_end_offset(), Offset(30));
}

/// What a torn tail takes with it is logged by the recovery, and is not missed a second time.
#[test]
fn what_a_recovery_cut_off_is_missed_once() {
    let test = killed();
    let path = log_filename(&test.path(), Offset(10));
    let mut bytes = fs::read(&path).unwrap();
    bytes[3 * BATCH_BYTES as usize + 40] ^= 1;
    fs::write(path, bytes).unwrap();
    assert_eq!(missing(&test, false), []);
    let log = test.log();
    assert_eq!(log.log_end_offset(), Offset(13));
    append(&log, 30);
    assert_eq!(missing(&test, false), []);
}

/// Whatever a crash leaves of the file, no record is missed that is there.
#[test]
fn a_torn_file_of_ends_is_as_good_as_none() {
    let test = killed();
    let whole = fs::read(ends_file(&test)).unwrap();
    for length in 0..=whole.len() {
        for tail in [&b""[..], b"\0\0\0", b"\n", b"junk\n", b"5 5 5\n", b"0 10\n"] {
            fs::write(ends_file(&test), [&whole[..length], tail].concat()).unwrap();
            assert_eq!(missing(&test, false), [], "{length} bytes and {tail:?}");
        }
    }
}

#[test]
fn an_empty_log_has_no_file_of_ends() {
    let test = TestLog::new(LogConfig::default());
    append(&test.log(), 1);
    assert!(!ends_file(&test).exists());
}

/// Rolls, deletions and truncations, and a kill after each.
#[test]
fn whatever_happens_to_a_log_nothing_is_missed_and_the_file_stays_small() {
    let mut random = Random(7);
    let test = killed();
    let mut log = test.log();
    for _ in 0..400 {
        match random.below(10) {
            0..=5 => append(&log, random.below(25) as i64),
            6 => drop(log.roll().unwrap()),
            7 => {
                let start = log.log_start_offset().0;
                let count = random.below((log.log_end_offset().0 - start + 1) as u64) as i64;
                log.delete_records_before(Offset(start + count)).unwrap();
            }
            8 => {
                let back = random.below(30) as i64;
                log.truncate_to(Offset((log.log_end_offset().0 - back).max(0))).unwrap();
            }
            _ => test.mocks.sleep(log.config().file_delete_delay_ms + 1),
        }
        drop(log);
        assert_eq!(missing(&test, false), []);
        log = test.log();
    }
    for _ in 0..3000 {
        append(&log, 1);
        log.roll().unwrap();
        log.delete_records_before(log.log_end_offset()).unwrap();
    }
    assert!(fs::metadata(ends_file(&test)).unwrap().len() < 40_000);
    assert_eq!(missing(&test, false), []);
}
