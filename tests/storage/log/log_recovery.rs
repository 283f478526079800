//! What a crash may leave, and what is left of it after the start.

use std::fs;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use support::records::{batch, batch_at};
use support::temp::TempDir;
use transferto::common::units::Offset;
use transferto::config::log_config::LogConfig;
use transferto::replica::partition::LEADER_EPOCH;
use transferto::storage::files::log_file_names::{
    SEGMENT_ENDS_FILE, index_filename, log_filename, time_index_filename,
};
use transferto::storage::log::log::Log;
use transferto::storage::log::read_limit::ReadLimit;

use crate::fixture;
use crate::fixture::{
    Mocks, files_in, messages, records_in, records_of, snapshots_in, timed_batch,
};

/// A log of 30 messages in segments of 10, shut down cleanly.
struct Test {
    dir: TempDir,
    mocks: Mocks,
    config: LogConfig,
}

impl Test {
    fn new() -> Self {
        let segment_size = 10 * batch(&["00"]).len() as u64;
        let config = LogConfig { segment_size, index_interval: 1, ..LogConfig::default() };
        let test = Self { dir: TempDir::new(), mocks: Mocks::new(), config };
        let log = test.crashed(0);
        for i in 0..30 {
            log.append(&mut timed_batch(1000 + i, &format!("{i:02}")), LEADER_EPOCH).unwrap();
        }
        assert_eq!(bases(&log), [0, 10, 20]);
        log.close().unwrap();
        test
    }

    /// The same, killed when it had just begun a segment at offset 30.
    fn with_empty_last_segment() -> Self {
        let test = Self::new();
        test.crashed(0).roll().unwrap();
        test
    }

    fn path(&self) -> PathBuf {
        self.dir.join("t-0")
    }

    /// Opens the log after a crash.
    fn crashed(&self, recovery_point: i64) -> Arc<Log> {
        let open = self.mocks.open(recovery_point, false);
        Log::open(&self.path(), self.config.clone(), open).unwrap()
    }

    /// Opens the log after a clean shutdown.
    fn clean(&self) -> Arc<Log> {
        Log::open(&self.path(), self.config.clone(), self.mocks.open(0, true)).unwrap()
    }

    fn segment_file(&self, base_offset: i64) -> fs::File {
        let path = log_filename(&self.path(), Offset(base_offset));
        OpenOptions::new().read(true).write(true).open(path).unwrap()
    }

    /// Where message `offset` lies in its segment.
    fn position(&self, offset: i64) -> u64 {
        (offset % 10) as u64 * batch(&["00"]).len() as u64
    }
}

fn bases(log: &Log) -> Vec<i64> {
    log.segments().iter().map(|segment| segment.base_offset().0).collect()
}

fn assert_holds(log: &Log, offsets: std::ops::Range<i64>) {
    assert_eq!(log.log_end_offset(), Offset(offsets.end));
    let records: Vec<_> = log.segments().iter().flat_map(|it| records_of(it.log())).collect();
    let expected: Vec<_> = offsets.map(|offset| (offset, format!("{offset:02}"))).collect();
    assert_eq!(records, expected);
}

/// A write that was cut by the crash is cut off, wherever it was cut.
#[test]
fn a_torn_tail_is_cut_off() {
    let whole = batch(&["00"]).len() as u64;
    for torn in [1, 11, 12, 20, 60, whole - 1] {
        let test = Test::new();
        test.segment_file(20).set_len(test.position(29) + torn).unwrap();
        let log = test.crashed(20);
        assert_holds(&log, 0..29);
        assert_eq!(log.append(&mut batch(&["29"]), LEADER_EPOCH).unwrap().first_offset, Offset(29));
        assert_holds(&log, 0..30);
    }
}

/// Zeros are what a file system shows of blocks that were not written.
#[test]
fn a_tail_of_zeros_is_cut_off() {
    let test = Test::new();
    test.segment_file(20).set_len(1 << 20).unwrap();
    let log = test.crashed(20);
    assert_holds(&log, 0..30);
    assert_eq!(fixture::active(&log).size(), 10 * batch(&["00"]).len() as u64);
}

/// What lies behind a message that is lost would leave a gap: it goes too.
#[test]
fn segments_after_a_cut_are_removed() {
    let test = Test::new();
    test.segment_file(10).write_all_at(b"?", test.position(15) + 65).unwrap();
    let log = test.crashed(10);
    assert_holds(&log, 0..15);
    assert_eq!(bases(&log), [0, 10]);
    assert_eq!(files_in(&test.path()).len(), 6);
    assert_eq!(log.recovery_point(), Offset(10));
}

/// A power loss may take the last records of a segment and leave the name of the next one, which is
/// empty: the log goes on where its records end, and not behind a gap.
#[test]
fn an_empty_last_segment_behind_lost_records_is_removed() {
    let test = Test::with_empty_last_segment();
    fs::write(test.path().join("00000000000000000030.snapshot"), b"").unwrap();
    test.segment_file(20).set_len(test.position(27)).unwrap();
    let log = test.crashed(15);
    assert_eq!(bases(&log), [0, 10, 20]);
    assert_holds(&log, 0..27);
    assert_eq!(files_in(&test.path()).len(), 9);
    assert_eq!(snapshots_in(&test.path()), ["00000000000000000020.snapshot"]);
    assert_eq!(log.append(&mut batch(&["27"]), LEADER_EPOCH).unwrap().first_offset, Offset(27));
    let log = test.crashed(15);
    assert_holds(&log, 0..28);
}

/// The segment before may be gone as a whole, or be empty as well.
#[test]
fn an_empty_last_segment_is_removed_with_every_empty_one_before_it() {
    let test = Test::with_empty_last_segment();
    test.segment_file(20).set_len(0).unwrap();
    test.segment_file(10).set_len(test.position(15)).unwrap();
    assert_holds(&test.crashed(0), 0..15);

    let test = Test::with_empty_last_segment();
    fs::remove_file(log_filename(&test.path(), Offset(20))).unwrap();
    assert_holds(&test.crashed(0), 0..20);
}

#[test]
fn an_empty_last_segment_stays_where_the_log_has_come_to() {
    let test = Test::with_empty_last_segment();
    let log = test.crashed(0);
    assert_eq!(bases(&log), [0, 10, 20, 30]);
    assert_holds(&log, 0..30);
    // All records are deleted, and the log begins where it ends.
    log.delete_records_before(Offset(30)).unwrap();
    test.mocks.sleep(log.config().file_delete_delay_ms + 1);
    let log = test.crashed(0);
    assert_eq!((bases(&log), log.log_end_offset()), (vec![30], Offset(30)));
}

/// What was on disk is not lost in a power loss: there is another reason for the gap, and the
/// offsets that are missing are not given again.
#[test]
fn an_empty_last_segment_stays_behind_a_gap_that_no_power_loss_has_left() {
    let flushed = Test::with_empty_last_segment();
    flushed.segment_file(20).set_len(flushed.position(27)).unwrap();
    assert_eq!(flushed.crashed(30).log_end_offset(), Offset(30));
    let clean = Test::with_empty_last_segment();
    clean.segment_file(20).set_len(clean.position(27)).unwrap();
    assert_eq!(clean.clean().log_end_offset(), Offset(30));
    // The cleaner has removed the last three records, and has noted how long the segment is then.
    let cleaned = Test::with_empty_last_segment();
    cleaned.segment_file(20).set_len(cleaned.position(27)).unwrap();
    let line = format!("20 30 {}\n", cleaned.position(27));
    let ends = OpenOptions::new().append(true).open(cleaned.path().join(SEGMENT_ENDS_FILE));
    ends.unwrap().write_all(line.as_bytes()).unwrap();
    assert_eq!(cleaned.crashed(0).log_end_offset(), Offset(30));
}

/// Segments below the recovery point are on disk: they are not read at the start.
#[test]
fn segments_below_the_recovery_point_are_not_recovered() {
    let test = Test::new();
    test.segment_file(0).write_all_at(b"?", test.position(5) + 65).unwrap();
    let log = test.crashed(20);
    assert_eq!((log.log_end_offset(), bases(&log)), (Offset(30), vec![0, 10, 20]));
    assert_eq!(log.segments()[0].size(), 10 * batch(&["00"]).len() as u64);
}

/// A marker that lies does no harm to later appends: a torn tail is found by its size.
#[test]
fn a_torn_tail_is_cut_off_even_after_a_clean_shutdown() {
    let test = Test::new();
    test.segment_file(20).set_len(test.position(29) + 20).unwrap();
    let log = test.clean();
    log.append(&mut batch(&["29"]), LEADER_EPOCH).unwrap();
    assert_holds(&log, 0..30);
}

/// In Kafka 0.9 an `InvalidOffsetException` while an index is rebuilt ends the start of the broker.
#[test]
fn offsets_that_go_back_do_not_stop_the_start() {
    let test = Test::new();
    let again = batch_at(3, &["03"]);
    let file = test.segment_file(20);
    file.write_all_at(&again, test.position(25)).unwrap();
    fs::remove_file(index_filename(&test.path(), Offset(20))).unwrap();
    for is_clean in [true, false] {
        let log = if is_clean { test.clean() } else { test.crashed(20) };
        assert_holds(&log, 0..25);
        log.close().unwrap();
    }
}

/// A later setting does not make messages on disk illegal; Kafka 0.9 cuts them off.
#[test]
fn a_lower_message_limit_loses_nothing() {
    let mut test = Test::new();
    test.config.max_message_size = 10;
    assert_holds(&test.crashed(0), 0..30);
}

/// Each way in which an index can be wrong leads to the same index as before.
#[test]
fn wrong_indexes_are_rebuilt_as_they_were() {
    let test = Test::new();
    let paths =
        [index_filename(&test.path(), Offset(10)), time_index_filename(&test.path(), Offset(10))];
    let before = paths.each_ref().map(|path| fs::read(path).unwrap());
    let spoil: [&dyn Fn(); 5] = [
        &|| fs::remove_file(&paths[0]).unwrap(),
        &|| fs::remove_file(&paths[1]).unwrap(),
        &|| OpenOptions::new().write(true).open(&paths[0]).unwrap().set_len(4096).unwrap(),
        &|| OpenOptions::new().write(true).open(&paths[1]).unwrap().set_len(1200).unwrap(),
        &|| fs::write(&paths[0], [0x7f; 12]).unwrap(),
    ];
    for (number, spoil) in spoil.iter().enumerate() {
        spoil();
        let log = test.clean();
        assert_holds(&log, 0..30);
        let after = paths.each_ref().map(|path| fs::read(path).unwrap());
        assert_eq!(after, before, "way {number}");
        log.close().unwrap();
    }
}

/// What Kafka's cleaner had finished is put in its place, and what it had not is thrown away.
#[test]
fn a_finished_swap_is_completed() {
    let test = Test::new();
    // A compacted segment in the place of the first two.
    let compacted: Vec<u8> = [3, 7, 19].iter().flat_map(|&it| batch_at(it, &["cc"])).collect();
    let name = |suffix: &str| test.path().join(format!("{:020}{suffix}", 0));
    fs::write(name(".log.swap"), &compacted).unwrap();
    fs::write(name(".index.swap"), "junk").unwrap();
    fs::write(test.path().join(format!("{:020}.log.cleaned", 20)), "junk").unwrap();
    let log = test.clean();
    assert_eq!(bases(&log), [0, 20]);
    assert_eq!(records_of(log.segments()[0].log()), records_in(&compacted));
    assert_eq!(log.log_end_offset(), Offset(30));
    assert_eq!(files_in(&test.path()).len(), 6);
    let found = log.read(Offset(8), None, ReadLimit::min_one_message(1 << 20)).unwrap();
    assert_eq!(records_of(&found.message_set), [(19, "cc".to_string())]);
}

/// A log written by Kafka 0.9: messages of magic 0, and no time index.
#[test]
fn a_directory_of_kafka_0_9_opens() {
    let test = Test::new();
    let path = test.dir.join("old-3");
    fs::create_dir(&path).unwrap();
    let old = messages(&[(5, "a"), (6, "b"), (9, "c")]);
    fs::write(log_filename(&path, Offset(5)), &old).unwrap();
    fs::write(index_filename(&path, Offset(5)), "").unwrap();
    let config = LogConfig { message_format_magic: 0, ..LogConfig::default() };
    let log = Log::open(&path, config, test.mocks.open(0, true)).unwrap();
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (Offset(5), Offset(10)));
    let found = log.read(Offset(7), None, fixture::hard(1 << 20)).unwrap();
    assert_eq!(records_of(&found.message_set), [(9, "c".to_string())]);
    assert_eq!(
        log.append(&mut messages(&[(0, "d")]), LEADER_EPOCH).unwrap().first_offset,
        Offset(10)
    );
}
