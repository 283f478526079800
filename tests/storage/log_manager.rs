//! Ports of `kafka.log.LogManagerTest`, and what else a broker's directories owe to it.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nix::fcntl::{FcntlArg, fcntl};
use support::records::{batch, batch_at};
use support::temp::TempDir;
use transferto::common::errors::{Errors, KafkaError};
use transferto::common::scheduler::Scheduler;
use transferto::common::time::Time;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::Offset;
use transferto::config::dynamic_config::BrokerReconfigurable;
use transferto::config::kafka_config::KafkaConfig;
use transferto::config::limit::Limit;
use transferto::config::log_config::LogConfig;
use transferto::config::log_policies::CleanupPolicy;
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::registry::topic_registry::TopicRegistry;
use transferto::replica::partition::LEADER_EPOCH;
use transferto::storage::cleaner::cleaner_config::CleanerConfig;
use transferto::storage::files::offset_checkpoint::{
    LOG_START_OFFSET_CHECKPOINT_FILE, OffsetCheckpoint, RECOVERY_POINT_CHECKPOINT_FILE,
};
use transferto::storage::log::log::Log;
use transferto::storage::log::read_limit::ReadLimit;
use transferto::storage::log_manager::{INITIAL_TASK_DELAY_MS, LogManager, LogManagerConfig};

use crate::fixture::{ANY_EPOCH, Mocks, files_in, records_of, timed_batch};

const RETENTION_CHECK_MS: i64 = 60_000;
const FLUSH_CHECK_MS: i64 = 1000;

/// Log managers on directories of one test.
struct Test {
    dir: TempDir,
    mocks: Mocks,
    config: LogManagerConfig,
}

impl Test {
    fn new(default_config: LogConfig) -> Self {
        let dir = TempDir::new();
        let config = LogManagerConfig {
            log_dirs: vec![dir.join("logs")],
            broker_id: 0,
            joins_a_cluster: false,
            default_config,
            recovery_threads_per_data_dir: 4,
            cleaner: CleanerConfig { enable_cleaner: false, ..CleanerConfig::default() },
            retention_check_ms: RETENTION_CHECK_MS,
            flush_check_ms: FLUSH_CHECK_MS,
            flush_checkpoint_ms: 10_000,
            producer_id_expiration_ms: 86_400_000,
        };
        Self { dir, mocks: Mocks::new(), config }
    }

    fn try_new_manager(&self) -> Result<Arc<LogManager>, KafkaError> {
        let scheduler: Arc<dyn Scheduler> = self.mocks.scheduler.clone();
        let time: Arc<dyn Time> = self.mocks.time.clone();
        LogManager::new(self.config.clone(), scheduler, time)
    }

    /// A manager that has loaded its logs and started its tasks.
    fn manager(&self) -> Arc<LogManager> {
        let manager = self.try_new_manager().unwrap();
        manager.load(&HashMap::new(), &Arc::default()).unwrap();
        manager.startup();
        manager
    }

    fn log_dir(&self) -> &Path {
        &self.config.log_dirs[0]
    }
}

fn small_segments() -> LogConfig {
    LogConfig {
        segment_size: 1024,
        max_index_size: 4096,
        retention_ms: 600_000.into(),
        ..LogConfig::default()
    }
}

fn partition(topic: &str, partition: i32) -> TopicAndPartition {
    TopicAndPartition::new(topic, partition)
}

fn create(manager: &LogManager, topic: &str, number: i32) -> Arc<Log> {
    manager.create_log(&partition(topic, number), manager.default_config().clone()).unwrap()
}

fn append(log: &Log) -> i64 {
    log.append(&mut batch(&["test"]), LEADER_EPOCH).unwrap().first_offset.0
}

fn error_of<T>(result: Result<T, KafkaError>) -> KafkaError {
    result.err().unwrap()
}

/// The files of a log whose deleted segments are gone: those of the active segment.
fn assert_one_segment_and_usable(log: &Log, next_offset: i64) {
    assert_eq!(log.segments().len(), 1);
    assert_eq!(files_in(log.dir()).len(), 3);
    assert_eq!(
        log.read(Offset(next_offset), None, ReadLimit::min_one_message(1024))
            .unwrap()
            .message_set
            .size(),
        0
    );
    let error = log.read(Offset(0), None, ReadLimit::min_one_message(1024)).unwrap_err();
    assert_eq!(error.code(), Errors::OffsetOutOfRange);
    assert_eq!(append(log), next_offset);
}

/// Port of `LogManagerTest.testCreateLog`.
#[test]
fn a_log_is_created_with_its_directory() {
    let test = Test::new(small_segments());
    let manager = test.manager();
    let log = create(&manager, "kafka", 0);
    assert!(test.log_dir().join("kafka-0").is_dir());
    append(&log);
    let same = create(&manager, "kafka", 0);
    assert!(Arc::ptr_eq(&log, &same), "a second creation gives the same log");
}

/// Port of `LogManagerTest.testGetNonExistentLog`.
#[test]
fn a_log_that_nobody_created_is_not_there() {
    let test = Test::new(small_segments());
    let manager = test.manager();
    assert!(manager.get_log(&partition("kafka", 0)).is_none());
    assert!(!test.log_dir().join("kafka-0").exists());
}

/// Port of `LogManagerTest.testCleanupExpiredSegments`.
#[test]
fn segments_older_than_the_retention_are_deleted() {
    let test = Test::new(small_segments());
    let manager = test.manager();
    let log = create(&manager, "kafka", 0);
    let last = (0..200).map(|_| append(&log)).max().unwrap();
    assert!(log.segments().len() > 1);
    // Messages without timestamps are as old as their file.
    let now_ms = test.mocks.time.milliseconds().0 as u64;
    for segment in log.segments() {
        let file = fs::OpenOptions::new().write(true).open(segment.log().path()).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_millis(now_ms)).unwrap();
    }
    test.mocks.sleep(log.config().retention_ms.ms().unwrap() + 1);
    assert_eq!(log.segments().len(), 1, "the task deletes, and rolls the active segment first");
    test.mocks.sleep(log.config().file_delete_delay_ms + 1);
    assert_one_segment_and_usable(&log, last + 1);
}

/// Port of `LogManagerTest.testCleanupSegmentsToMaintainSize`.
#[test]
fn segments_beyond_the_size_of_the_retention_are_deleted() {
    let set_size = batch(&["test"]).len() as u64;
    let segment_size = 10 * set_size;
    let retention_size = (5 * segment_size as i64 + 10).into();
    let retention_ms = Limit::NONE;
    let config = LogConfig { segment_size, retention_size, retention_ms, ..small_segments() };
    let test = Test::new(config);
    let manager = test.manager();
    let log = create(&manager, "kafka", 0);
    let last = (0..200).map(|_| append(&log)).max().unwrap();
    assert_eq!(log.segments().len(), 20);
    test.mocks.sleep(INITIAL_TASK_DELAY_MS);
    assert_eq!(log.segments().len(), 6);
    test.mocks.sleep(log.config().file_delete_delay_ms + 1);
    assert_eq!(files_in(log.dir()).len(), 6 * 3);
    assert_eq!(
        log.read(Offset(last + 1), None, ReadLimit::min_one_message(1024))
            .unwrap()
            .message_set
            .size(),
        0
    );
    assert_eq!(
        error_of(log.read(Offset(0), None, ReadLimit::min_one_message(1024))).code(),
        Errors::OffsetOutOfRange
    );
    assert_eq!(append(&log), last + 1);
}

/// Port of `LogManagerTest.testTimeBasedFlush`.
#[test]
fn a_log_is_flushed_when_its_time_is_over() {
    let test = Test::new(LogConfig { flush_ms: 1000, ..small_segments() });
    let manager = test.manager();
    let log = create(&manager, "kafka", 0);
    let before_ms = log.last_flush_ms();
    (0..200).for_each(|_| {
        append(&log);
    });
    test.mocks.sleep(INITIAL_TASK_DELAY_MS);
    assert!(log.last_flush_ms() > before_ms);
    assert_eq!(log.recovery_point(), Offset(200));
}

/// Port of `LogManagerTest.testLeastLoadedAssignment`, on three directories as it was meant (in
/// Kafka 0.9.0.1 it has one).
#[test]
fn new_logs_go_where_the_fewest_are() {
    let mut test = Test::new(small_segments());
    test.config.log_dirs = ["a", "b", "c"].map(|name| test.dir.join(name)).to_vec();
    let manager = test.manager();
    for number in 0..20 {
        create(&manager, "test", number);
        let counts = test
            .config
            .log_dirs
            .iter()
            .map(|dir| files_in(dir).iter().filter(|name| name.starts_with("test-")).count());
        let counts: Vec<usize> = counts.collect();
        assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{counts:?}");
    }
    assert_eq!(manager.all_logs().len(), 20);
}

/// Port of `LogManagerTest.testTwoLogManagersUsingSameDirFails`.
#[test]
fn a_directory_belongs_to_one_manager() {
    let test = Test::new(small_segments());
    let manager = test.manager();
    let error = error_of(test.try_new_manager());
    let dir = test.log_dir().display().to_string();
    assert!(
        error.to_string().contains("another broker") && error.to_string().contains(&dir),
        "{error}"
    );
    drop(manager);
    test.try_new_manager().unwrap();
}

/// What the three ports about checkpoints have in common.
fn check_recovery_points(test: &Test, manager: &LogManager) {
    let topics = [partition("test-a", 1), partition("test-b", 1)];
    let logs = topics.each_ref().map(|it| create(manager, &it.topic, it.partition));
    for log in &logs {
        (0..50).for_each(|_| {
            append(log);
        });
        log.flush().unwrap();
    }
    manager.checkpoint_recovery_point_offsets().unwrap();
    let path = test.log_dir().join(RECOVERY_POINT_CHECKPOINT_FILE);
    let points = OffsetCheckpoint::new(path).read().unwrap();
    let expected = topics.into_iter().zip(&logs).map(|(topic, log)| (topic, log.recovery_point()));
    assert_eq!(points, expected.collect());
    assert!(points.values().all(|&point| point == Offset(50)));
}

/// A log that was flushed, cut and appended to is not on disk up to where it was.
#[test]
fn a_recovery_point_that_a_truncation_moves_back_is_written_down_at_once() {
    let test = Test::new(LogConfig::default());
    let manager = test.manager();
    for log in [create(&manager, "new", 0), create(&manager, "kafka", 0)] {
        for _ in 0..10 {
            append(&log);
        }
        log.flush().unwrap();
    }
    manager.checkpoint_recovery_point_offsets().unwrap();
    drop(manager);

    let manager = test.manager();
    let path = test.log_dir().join(RECOVERY_POINT_CHECKPOINT_FILE);
    let written = || {
        let points = OffsetCheckpoint::new(path.clone()).read().unwrap();
        ["new", "kafka"].map(|topic| points[&partition(topic, 0)].0)
    };
    assert_eq!(written(), [10, 10]);
    let log = manager.get_log(&partition("kafka", 0)).unwrap();
    log.truncate_to(Offset(7)).unwrap();
    assert_eq!(written(), [10, 7]);
    log.truncate_fully_and_start_at(Offset(3)).unwrap();
    assert_eq!(written(), [10, 3]);
    let log = create(&manager, "new", 0);
    log.truncate_to(Offset(4)).unwrap();
    assert_eq!(written(), [4, 3]);
}

/// Port of `LogManagerTest.testCheckpointRecoveryPoints`.
#[test]
fn recovery_points_are_written_down() {
    let test = Test::new(small_segments());
    check_recovery_points(&test, &test.manager());
}

/// Port of `LogManagerTest.testRecoveryDirectoryMappingWithTrailingSlash`.
#[test]
fn a_directory_may_end_in_a_slash() {
    let mut test = Test::new(small_segments());
    test.config.log_dirs = vec![PathBuf::from(format!("{}/", test.log_dir().display()))];
    check_recovery_points(&test, &test.manager());
}

/// Port of `LogManagerTest.testRecoveryDirectoryMappingWithRelativeDirectory`.
#[test]
fn a_directory_may_be_relative() {
    let mut test = Test::new(small_segments());
    let up = "../".repeat(std::env::current_dir().unwrap().components().count() - 1);
    let absolute = test.log_dir().strip_prefix("/").unwrap().to_path_buf();
    test.config.log_dirs = vec![Path::new(&up).join(absolute)];
    assert!(test.log_dir().is_relative());
    check_recovery_points(&test, &test.manager());
}

/// A clean shutdown leaves a marker, which the next start uses up; logs, ends and recovery
/// points are as before.
#[test]
fn a_manager_finds_its_logs_again() {
    let test = Test::new(small_segments());
    let marker = test.log_dir().join(".kafka_cleanshutdown");
    let manager = test.manager();
    for number in 0..9 {
        let log = create(&manager, "t", number);
        (0..=number).for_each(|_| {
            append(&log);
        });
    }
    manager.shutdown();
    assert!(marker.exists());
    drop(manager);
    let manager = test.manager();
    assert!(!marker.exists(), "a crash from here on must not look like a clean shutdown");
    for number in 0..9 {
        let log = manager.get_log(&partition("t", number)).unwrap();
        assert_eq!(log.log_end_offset(), Offset(i64::from(number) + 1));
        assert_eq!(log.recovery_point(), Offset(i64::from(number) + 1));
    }
    drop(manager);
    // This time without a stop.
    let manager = test.manager();
    assert_eq!(manager.get_log(&partition("t", 8)).unwrap().log_end_offset(), Offset(9));
}

/// A manager that could not load its logs must not say that all is well.
#[test]
fn a_failed_load_leaves_no_marker() {
    let test = Test::new(small_segments());
    fs::create_dir_all(test.log_dir().join("t-0").join("00000000000000000000.log")).unwrap();
    let manager = test.try_new_manager().unwrap();
    let error = error_of(manager.load(&HashMap::new(), &Arc::default()));
    assert!(error.to_string().contains("t-0/00000000000000000000.log"), "{error}");
    manager.shutdown();
    assert!(!test.log_dir().join(".kafka_cleanshutdown").exists());
}

/// Each of these says what is wrong, and with which directory.
#[test]
fn a_directory_that_cannot_be_used_is_reported() {
    let mut test = Test::new(small_segments());
    let file = test.dir.join("file");
    fs::write(&file, "").unwrap();
    let told = |test: &Test| error_of(test.try_new_manager()).to_string();
    test.config.log_dirs = vec![file.clone()];
    assert!(told(&test).contains(&file.display().to_string()));
    let dir = test.dir.join("twice");
    test.config.log_dirs = vec![dir.clone(), dir.join("../twice")];
    assert!(told(&test).contains("twice"));
    test.config.log_dirs = vec![];
    assert!(told(&test).contains("log.dirs"));
}

/// `InconsistentBrokerIdException`: a directory remembers its broker.
#[test]
fn a_directory_of_another_broker_is_refused() {
    let mut test = Test::new(small_segments());
    drop(test.manager());
    let meta = fs::read_to_string(test.log_dir().join("meta.properties")).unwrap();
    assert_eq!(meta, "version=0\nbroker.id=0\n");
    test.config.broker_id = 1;
    let error = error_of(test.try_new_manager()).to_string();
    for part in ["belongs to broker 0", "`--override broker.id=0`", "`--override log.dirs="] {
        assert!(error.contains(part), "{error}");
    }
}

/// A directory whose owner is not known might be anybody's. What Kafka writes is known.
#[test]
fn a_directory_without_a_broker_id_is_refused() {
    let test = Test::new(small_segments());
    drop(test.manager());
    let path = test.log_dir().join("meta.properties");
    for text in ["hello world", "", "version=0\n", "broker.id=0\n", "version=1\n"] {
        fs::write(&path, text).unwrap();
        let error = error_of(test.try_new_manager());
        assert!(matches!(error, KafkaError::Corrupt { .. }), "{text:?}: {error}");
    }
    let kafkas = "#\n#Sun Nov 22 19:50:00 UTC 2015\nbroker.id=0\nversion=0\ncluster.id=x\n";
    fs::write(&path, kafkas).unwrap();
    test.try_new_manager().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), kafkas);
}

/// Its logs are a real cluster's: nothing in it is corrupt, and nothing may be written into it.
#[test]
fn a_directory_of_kafka_in_kraft_mode_is_refused_as_that_and_stays_as_it_was() {
    let test = Test::new(small_segments());
    fs::create_dir_all(test.log_dir()).unwrap();
    let refused = || {
        let error = error_of(test.try_new_manager()).to_string();
        assert!(error.contains("KRaft mode") && error.contains("`--override log.dirs="), "{error}");
        assert!(!error.contains("write"), "{error}");
    };
    let meta = test.log_dir().join("meta.properties");
    let text = "#\n#Mon Nov 30 09:00:00 UTC 2026\ncluster.id=abc\nversion=1\nnode.id=1\n";
    fs::write(&meta, text).unwrap();
    refused();
    assert_eq!(fs::read_to_string(&meta).unwrap(), text);
    // Without the file, as after somebody has followed another advice.
    fs::remove_file(&meta).unwrap();
    fs::create_dir(test.log_dir().join("__cluster_metadata-0")).unwrap();
    refused();
    assert!(!meta.exists());
}

/// Java locks a file by fcntl, which knows nothing of a lock by flock.
#[test]
fn a_directory_that_a_running_kafka_has_locked_is_refused() {
    let test = Test::new(small_segments());
    fs::create_dir_all(test.log_dir()).unwrap();
    let file = File::create(test.log_dir().join(".lock")).unwrap();
    lock_as_java_does(&file).unwrap();
    let error = error_of(test.try_new_manager()).to_string();
    assert!(error.contains("another broker is using it"), "{error}");
    drop(file);
    let _manager = test.try_new_manager().unwrap();
    let file = File::create(test.log_dir().join(".lock")).unwrap();
    assert!(lock_as_java_does(&file).is_err(), "and Kafka finds ours");
}

fn lock_as_java_does(file: &File) -> nix::Result<i32> {
    let whole = nix::libc::flock {
        l_type: i16::try_from(nix::libc::F_WRLCK).unwrap(),
        l_whence: i16::try_from(nix::libc::SEEK_SET).unwrap(),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_SETLK(&whole))
}

/// The same partition in two directories would be two logs with one name.
#[test]
fn one_partition_in_two_directories_is_refused() {
    let mut test = Test::new(small_segments());
    test.config.log_dirs = ["a", "b"].map(|name| test.dir.join(name)).to_vec();
    for dir in &test.config.log_dirs {
        fs::create_dir_all(dir.join("t-0")).unwrap();
    }
    let error = error_of(test.try_new_manager().unwrap().load(&HashMap::new(), &Arc::default()))
        .to_string();
    assert!(error.contains("a/t-0") && error.contains("b/t-0"), "{error}");
}

/// Directories that are no logs, such as `lost+found`, are left alone, whatever they are called.
#[test]
fn a_strange_directory_does_not_stop_the_start() {
    let test = Test::new(small_segments());
    fs::create_dir_all(test.log_dir().join("lost+found")).unwrap();
    fs::create_dir_all(test.log_dir().join("t-0")).unwrap();
    fs::create_dir_all(test.log_dir().join("python-3")).unwrap();
    fs::write(test.log_dir().join("python-3/README"), "not ours").unwrap();
    assert_eq!(test.manager().all_logs().len(), 1);
    assert!(test.log_dir().join("lost+found").is_dir());
    assert_eq!(files_in(&test.log_dir().join("python-3")), ["README"]);
}

/// Else all topics would get new ids, and lose their settings, because two directories changed
/// places.
#[test]
fn a_list_of_topics_that_is_not_in_the_first_directory_is_refused() {
    let dir = TempDir::new();
    let dirs = ["a", "b"].map(|name| dir.join(name));
    for dir in &dirs {
        fs::create_dir(dir).unwrap();
    }
    TopicRegistry::open_in(&dirs).unwrap();
    let [a, b] = dirs;
    let error = TopicRegistry::open_in(&[b.clone(), a.clone()]).unwrap_err().to_string();
    assert!(error.contains(&format!("{}/topics", a.display())), "{error}");
    assert!(error.contains("put that directory first"), "{error}");
    assert!(!b.join("topics").exists());
}

/// An unreadable checkpoint means: recover from the start.
#[test]
fn junk_in_the_checkpoint_means_recovery_from_the_start() {
    let test = Test::new(small_segments());
    let manager = test.manager();
    let log = create(&manager, "t", 0);
    (0..50).for_each(|_| {
        append(&log);
    });
    manager.shutdown();
    drop((manager, log));
    fs::write(test.log_dir().join(RECOVERY_POINT_CHECKPOINT_FILE), "junk").unwrap();
    fs::remove_file(test.log_dir().join(".kafka_cleanshutdown")).unwrap();
    let manager = test.manager();
    let log = manager.get_log(&partition("t", 0)).unwrap();
    assert_eq!((log.log_end_offset(), log.recovery_point()), (Offset(50), Offset(0)));
}

/// Retention goes by the messages' own timestamps, where they have them.
#[test]
fn retention_goes_by_timestamps() {
    let test = Test::new(LogConfig { segment_size: 200, ..small_segments() });
    let manager = test.manager();
    let log = create(&manager, "t", 0);
    let now_ms = test.mocks.time.milliseconds().0;
    for age_ms in [700_000, 650_000, 500_000, 0] {
        log.append(&mut timed_batch(now_ms - age_ms, &"x".repeat(100)), LEADER_EPOCH).unwrap();
    }
    assert_eq!(log.segments().len(), 4);
    manager.cleanup_logs();
    assert_eq!(log.log_start_offset(), Offset(2));
}

/// Also in a compacted log, whose segments retention leaves alone.
#[test]
fn the_retention_task_forgets_the_producers_that_are_gone() {
    let mut test =
        Test::new(LogConfig { cleanup_policy: CleanupPolicy::Compact, ..small_segments() });
    test.config.producer_id_expiration_ms = 2 * RETENTION_CHECK_MS;
    let manager = test.manager();
    let log = create(&manager, "post", 0);
    let builder = RecordBatchBuilder::new(0).producer(7, 0, 0);
    let mut records = builder.record(5, Some(b"key"), None).build().unwrap();
    log.append(&mut records, LEADER_EPOCH).unwrap();
    test.mocks.sleep(INITIAL_TASK_DELAY_MS);
    assert!(log.producer(7).unwrap().is_some());
    test.mocks.sleep(2 * RETENTION_CHECK_MS);
    assert_eq!(log.producer(7).unwrap(), None);
}

#[test]
fn the_settings_that_change_hold_for_the_next_log_and_the_next_task() {
    let test = Test::new(small_segments());
    let manager = test.manager();
    let log = create(&manager, "post", 0);
    let builder = RecordBatchBuilder::new(0).producer(7, 0, 0);
    let mut records = builder.record(5, Some(b"key"), None).build().unwrap();
    log.append(&mut records, LEADER_EPOCH).unwrap();
    test.mocks.sleep(INITIAL_TASK_DELAY_MS + RETENTION_CHECK_MS);
    assert!(log.producer(7).unwrap().is_some(), "it is remembered for a day");
    let old = KafkaConfig::default();
    let mut new = old.clone();
    new.set("producer.id.expiration.ms", "1").unwrap();
    new.set("log.segment.bytes", "1234").unwrap();
    manager.reconfigure(&old, &new);
    assert_eq!(manager.default_config().segment_size, 1234);
    test.mocks.sleep(RETENTION_CHECK_MS);
    assert_eq!(log.producer(7).unwrap(), None);
}

/// KAFKA-5634: nothing that is not replicated yet is deleted by retention.
#[test]
fn retention_stops_at_the_high_watermark() {
    let test = Test::new(LogConfig { segment_size: 200, ..small_segments() });
    let manager = test.manager();
    let log = create(&manager, "t", 0);
    for timestamp_ms in 1..=4 {
        log.append(&mut timed_batch(timestamp_ms, &"x".repeat(100)), LEADER_EPOCH).unwrap();
    }
    log.update_high_watermark(Offset(2));
    manager.cleanup_logs();
    assert_eq!(log.log_start_offset(), Offset(2));
    log.update_high_watermark(Offset::MAX);
    manager.cleanup_logs();
    assert_eq!(log.log_start_offset(), Offset(4));
}

/// A deleted log is gone from the map and from the disk.
#[test]
fn a_log_can_be_deleted() {
    let test = Test::new(small_segments());
    let manager = test.manager();
    let log = create(&manager, "t", 0);
    append(&log);
    let found = log.read(Offset(0), None, ReadLimit::min_one_message(1024)).unwrap();
    assert!(manager.delete_log(&partition("t", 0)).unwrap());
    assert!(!manager.delete_log(&partition("t", 0)).unwrap());
    assert!(manager.get_log(&partition("t", 0)).is_none());
    assert!(!log.dir().exists());
    assert_eq!(records_of(&found.message_set), [(0, "test".to_string())]);
}

/// The names of what lies in the log directory and ends with `suffix`.
fn names_with(test: &Test, suffix: &str) -> Vec<String> {
    let entries = fs::read_dir(test.log_dir()).unwrap();
    let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(suffix)).collect()
}

#[test]
fn a_deleted_log_takes_no_more_and_leaves_the_disk_when_its_delay_is_over() {
    let test = Test::new(LogConfig { file_delete_delay_ms: 500, ..small_segments() });
    let manager = test.manager();
    let log = create(&manager, "t", 0);
    append(&log);
    manager.delete_log(&partition("t", 0)).unwrap();
    let successor = create(&manager, "t", 0);
    let error = error_of(log.append(&mut batch(&["late"]), LEADER_EPOCH));
    assert_eq!(error.code(), Errors::UnknownTopicOrPartition);
    assert!(log.roll().is_err() && log.truncate_fully_and_start_at(Offset(9)).is_err());
    assert_eq!(log.delete_old_segments(Offset::MAX).unwrap(), 0);
    log.flush().unwrap();
    assert_eq!(successor.log_end_offset(), Offset(0));
    assert_eq!(
        files_in(successor.dir()).len(),
        3,
        "nothing was put into the successor's directory"
    );

    assert_eq!(names_with(&test, "-delete").len(), 1);
    test.mocks.time.sleep(500);
    test.mocks.scheduler.tick();
    assert!(names_with(&test, "-delete").is_empty());
    assert!(successor.dir().exists());
}

#[test]
fn the_next_start_removes_what_was_deleted_and_leaves_what_only_looks_like_it() {
    let test = Test::new(small_segments());
    let manager = test.manager();
    append(&create(&manager, "t", 0));
    manager.delete_log(&partition("t", 0)).unwrap();
    fs::create_dir(test.log_dir().join("t-0.mine-delete")).unwrap();
    drop(manager);
    let manager = test.manager();
    assert!(manager.all_logs().is_empty());
    assert_eq!(names_with(&test, "-delete"), ["t-0.mine-delete"]);
}

/// A follower learns from its leader's answers where the log begins, and nobody asks it to write that down. Found by
/// the simulation, seed 34.
#[test]
fn where_a_log_begins_is_written_down_by_a_task_and_by_a_shutdown() {
    for is_stopped in [true, false] {
        let test = Test::new(LogConfig { retention_ms: (-1).into(), ..LogConfig::default() });
        let manager = test.manager();
        let log = create(&manager, "t", 0);
        for _ in 0..4 {
            append(&log);
        }
        log.delete_records_before(Offset(2)).unwrap();
        match is_stopped {
            true => assert!(manager.shutdown()),
            false => test.mocks.sleep(INITIAL_TASK_DELAY_MS),
        }
        drop((log, manager));
        let log = test.manager().get_log(&partition("t", 0)).unwrap();
        assert_eq!(log.log_start_offset(), Offset(2), "{is_stopped}");
    }
}

#[test]
fn a_log_begins_where_it_began_even_if_a_crash_took_what_followed() {
    let test = Test::new(LogConfig::default());
    let manager = test.manager();
    let log = create(&manager, "t", 0);
    for _ in 0..4 {
        append(&log);
    }
    assert_eq!(log.delete_records_before(Offset(2)).unwrap(), Offset(2));
    assert_eq!(error_of(log.delete_records_before(Offset(5))).code(), Errors::OffsetOutOfRange);
    manager.checkpoint_log_start_offsets().unwrap();
    drop((log, manager));
    let manager = test.manager();
    let log = manager.get_log(&partition("t", 0)).unwrap();
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (Offset(2), Offset(4)));
    assert_eq!(
        error_of(log.read(Offset(1), None, ReadLimit::min_one_message(1024))).code(),
        Errors::OffsetOutOfRange
    );

    let starts = OffsetCheckpoint::new(test.log_dir().join(LOG_START_OFFSET_CHECKPOINT_FILE));
    starts
        .write(&BTreeMap::from([(partition("t", 0), Offset(7)), (partition("gone", 0), Offset(3))]))
        .unwrap();
    drop((log, manager));
    let manager = test.manager();
    let log = manager.get_log(&partition("t", 0)).unwrap();
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (Offset(7), Offset(7)));
    assert!(starts.read().unwrap().is_empty(), "a log of the name `gone` begins at 0");
}

/// KAFKA-3063, KAFKA-3105: writers take turns, and what is read is always one writer's whole text.
#[test]
fn checkpoints_are_written_whole() {
    let dir = TempDir::new();
    let checkpoint = OffsetCheckpoint::new(dir.join("checkpoint"));
    assert_eq!(checkpoint.read().unwrap(), BTreeMap::new());
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let checkpoint = &checkpoint;
            scope.spawn(move || {
                let offsets =
                    (0..100).map(|number| (partition("t", number), Offset(writer))).collect();
                checkpoint.write(&offsets).unwrap();
                let read = checkpoint.read().unwrap();
                assert_eq!(read.len(), 100);
                let first = read.values().next().unwrap();
                assert!(read.values().all(|offset| offset == first));
            });
        }
    });
    assert_eq!(files_in(dir.path()), ["checkpoint"]);
    let text = fs::read_to_string(dir.join("checkpoint")).unwrap();
    assert!(text.starts_with("0\n100\nt 0 "), "{text}");
}

/// The registry of topics survives a restart, and takes in what lies on disk.
#[test]
fn topics_are_remembered() {
    let dir = TempDir::new();
    let open = || TopicRegistry::open(dir.join("topics")).unwrap();
    let mut registry = open();
    let config = BTreeMap::from([("retention.ms".to_string(), "5".to_string())]);
    let a = registry.create("a", 3, config).unwrap();
    assert_eq!(
        registry.create("a", 1, BTreeMap::new()).unwrap_err().code(),
        Errors::TopicAlreadyExists
    );
    assert_eq!(
        registry.create("b", 0, BTreeMap::new()).unwrap_err().code(),
        Errors::InvalidPartitions
    );
    assert_eq!(
        registry.create("/", 1, BTreeMap::new()).unwrap_err().code(),
        Errors::InvalidTopicException
    );
    let on_disk = [partition("a", 2), partition("b", 0), partition("b", 4)];
    assert_eq!(registry.adopt(&on_disk).unwrap(), ["b"]);
    assert!(registry.adopt(&on_disk).unwrap().is_empty());
    assert_eq!(registry.adopt(&[partition("a", 3)]).unwrap(), ["a"]);
    let mut reopened = open();
    assert_eq!(reopened.topics(), registry.topics());
    assert_eq!(reopened.get("b").unwrap().partitions, 5);
    assert_eq!(reopened.get("a").unwrap().partitions, 4);
    assert_eq!(reopened.get("a").unwrap().id, a.id);
    assert!(reopened.remove("a").unwrap());
    assert!(!reopened.remove("a").unwrap());
    assert!(open().get("a").is_none());
}

/// A log of which nobody knows how far a change got takes no further one and lets its directory not
/// pass for whole; it can still be read, and the others notice nothing. The next start mends it.
#[test]
fn a_panic_in_a_change_of_one_log_fails_that_log_only() {
    let test = Test::new(small_segments());
    let manager = test.manager();
    let (broken, other) = (create(&manager, "kafka", 0), create(&manager, "kafka", 1));
    append(&broken);
    append(&other);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        broken.delete_segments_while(Offset::MAX, |_| panic!("in the midst of a change"))
    }));
    assert!(panicked.is_err());
    let changes: [&dyn Fn() -> Result<(), KafkaError>; 7] = [
        &|| broken.append(&mut batch(&["test"]), LEADER_EPOCH).map(drop),
        &|| broken.append_as_follower(&batch_at(9, &["test"]), ANY_EPOCH).map(drop),
        &|| broken.roll().map(drop),
        &|| broken.flush(),
        &|| broken.truncate_to(Offset(0)),
        &|| broken.delete_old_segments(Offset(1)).map(drop),
        &|| broken.producer(7).map(drop),
    ];
    for (number, change) in changes.iter().enumerate() {
        let error = change().unwrap_err();
        assert_eq!(error.code(), Errors::KafkaStorageError, "change {number}: {error}");
        assert!(error.to_string().contains("kafka-0 is read-only"), "{error}");
    }
    let found = broken.read(Offset(0), None, ReadLimit::min_one_message(1024)).unwrap();
    assert_eq!(records_of(&found.message_set), [(0, "test".to_string())]);
    manager.cleanup_logs();
    manager.flush_dirty_logs();
    assert_eq!(append(&other), 1);
    manager.shutdown();
    assert_eq!(other.recovery_point(), Offset(2), "the shutdown flushed it");
    assert!(!test.log_dir().join(".kafka_cleanshutdown").exists());
    drop((broken, other, manager));
    let manager = test.manager();
    assert_eq!(append(&manager.get_log(&partition("kafka", 0)).unwrap()), 1);
    assert_eq!(append(&manager.get_log(&partition("kafka", 1)).unwrap()), 2);
}

/// The next start would take what is left of it for a partition.
#[test]
fn nothing_is_left_of_a_log_that_could_not_be_made() {
    let test = Test::new(small_segments());
    let manager = test.manager();
    let without_room_for_an_index = LogConfig { max_index_size: 1, ..small_segments() };
    manager.create_log(&partition("t", 0), without_room_for_an_index).err().unwrap();
    assert!(!test.log_dir().join("t-0").exists());
    assert_eq!(append(&create(&manager, "t", 0)), 0);
}

#[test]
fn a_manager_that_stops_gives_the_logs_there_are_and_creates_no_others() {
    let test = Test::new(small_segments());
    let manager = test.manager();
    create(&manager, "t", 0);
    manager.refuse_new_logs();
    assert_eq!(append(&create(&manager, "t", 0)), 0);
    let refused = manager.create_log(&partition("t", 1), small_segments()).err().unwrap();
    assert_eq!(refused.code(), Errors::BrokerNotAvailable);
    assert!(!test.log_dir().join("t-1").exists());
}

/// A directory whose disk fails is left alone by everything that is done for all of them.
#[test]
fn an_offline_directory_gets_neither_logs_nor_checkpoints_nor_a_marker() {
    let mut test = Test::new(small_segments());
    test.config.log_dirs = ["a", "b"].map(|name| test.dir.join(name)).to_vec();
    let manager = test.manager();
    let (failing, other) = (create(&manager, "t", 0), create(&manager, "t", 1));
    append(&failing);
    append(&other);
    let elsewhere = test.dir.join("elsewhere");
    fs::rename(failing.dir(), &elsewhere).unwrap();
    manager.flush_dirty_logs();
    failing.flush().unwrap_err();
    fs::rename(&elsewhere, failing.dir()).unwrap();
    let dirs = &test.config.log_dirs;
    assert_eq!((failing.dir().parent(), other.dir().parent()), (Some(&*dirs[0]), Some(&*dirs[1])));
    assert_eq!(manager.failure_channel().take_next_offline_log_dir().as_ref(), Some(&dirs[0]));
    assert!(manager.has_offline_log_dir() && manager.has_online_log_dir());

    for number in 2..5 {
        assert_eq!(create(&manager, "t", number).dir().parent(), Some(&*dirs[1]));
    }
    other.flush().unwrap();
    manager.checkpoint_recovery_point_offsets().unwrap();
    manager.checkpoint_log_start_offsets().unwrap();
    manager.cleanup_logs();
    assert_eq!(error_of(manager.delete_log(&partition("t", 0))).code(), Errors::KafkaStorageError);
    manager.shutdown();
    let has = |dir: &Path, name: &str| dir.join(name).exists();
    for name in [RECOVERY_POINT_CHECKPOINT_FILE, ".kafka_cleanshutdown"] {
        assert_eq!((has(&dirs[0], name), has(&dirs[1], name)), (false, true), "{name}");
    }

    drop((failing, other, manager));
    let manager = test.manager();
    let recovered = manager.get_log(&partition("t", 0)).unwrap();
    assert_eq!((recovered.recovery_point(), append(&recovered)), (Offset(0), 1));
}
