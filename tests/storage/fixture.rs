//! What the tests of the log share: directories that go away, messages, and a log by a clock that
//! stands still.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use support::records::message_set;
use support::temp::TempDir;
use transferto::common::mock_scheduler::MockScheduler;
use transferto::common::mock_time::MockTime;
use transferto::common::scheduler::Scheduler;
use transferto::common::time::Time;
use transferto::common::units::{LeaderEpoch, Offset};
use transferto::config::log_config::LogConfig;
use transferto::message::byte_buffer_message_set::for_each_record;
use transferto::message::compression_codec::CompressionCodec;
use transferto::message::message_set::{Destination, MessageSet};
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::storage::epochs::epoch_entry::EpochEntry;
use transferto::storage::files::log_dir_failure_channel::LogDirFailureChannel;
use transferto::storage::files::log_file_names::SEGMENT_ENDS_FILE;
use transferto::storage::log::log::{Log, LogOpen};
use transferto::storage::log::log_loader::LogLoader;
use transferto::storage::log::log_segment::LogSegment;
use transferto::storage::log::missing_records::MissingRecords;
use transferto::storage::log::patience::Patience;
use transferto::storage::log::read_limit::{FirstEntry, ReadLimit};

/// No batch is of a later one: a follower that says so takes whatever it is sent.
pub(crate) const ANY_EPOCH: LeaderEpoch = LeaderEpoch(i32::MAX);

/// A clock and a scheduler that the test moves.
pub(crate) struct Mocks {
    pub time: Arc<MockTime>,
    pub scheduler: Arc<MockScheduler>,
}

impl Mocks {
    pub(crate) fn new() -> Self {
        let time = Arc::new(MockTime::new());
        let scheduler = Arc::new(MockScheduler::new(Arc::clone(&time)));
        Self { time, scheduler }
    }

    /// Moves the clock, and runs what has become due.
    pub(crate) fn sleep(&self, ms: i64) {
        self.time.sleep(ms);
        self.scheduler.tick();
    }

    /// For a log in a log directory of its own.
    pub(crate) fn open(&self, recovery_point: i64, is_clean_shutdown: bool) -> LogOpen {
        let scheduler: Arc<dyn Scheduler> = self.scheduler.clone();
        let time: Arc<dyn Time> = self.time.clone();
        let log_dir = Arc::new(LogDirFailureChannel::default()).watch(Path::new("logs"));
        let (recovery_point, progress) = (Offset(recovery_point), Arc::default());
        LogOpen { recovery_point, is_clean_shutdown, log_dir, progress, scheduler, time }
    }

    /// Opens the log after a crash, with nothing known to be on disk.
    pub(crate) fn log(&self, dir: &Path, config: &LogConfig) -> Arc<Log> {
        let log_dir = Arc::new(LogDirFailureChannel::default()).watch(dir.parent().unwrap());
        Log::open(dir, config.clone(), LogOpen { log_dir, ..self.open(0, false) }).unwrap()
    }
}

/// What a start finds missing in the log in `dir`.
pub(crate) fn missing_in(dir: &Path, config: &LogConfig, open: &LogOpen) -> Vec<MissingRecords> {
    let LogOpen { recovery_point, is_clean_shutdown, ref progress, ref time, .. } = *open;
    let (time, progress) = (&**time, &**progress);
    let loader = LogLoader { dir, config, time, progress, recovery_point, is_clean_shutdown };
    loader.load().unwrap().missing
}

/// A log in a directory of its own, by a clock of its own.
pub(crate) struct TestLog {
    pub(crate) dir: TempDir,
    pub(crate) mocks: Mocks,
    pub(crate) config: LogConfig,
}

impl TestLog {
    pub(crate) fn new(config: LogConfig) -> Self {
        Self { dir: TempDir::new(), mocks: Mocks::new(), config }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.join("kafkatest-0")
    }

    /// Opens the log as after a crash, with nothing known to be on disk.
    pub(crate) fn log(&self) -> Arc<Log> {
        self.mocks.log(&self.path(), &self.config)
    }

    pub(crate) fn log_with_recovery_point(&self, recovery_point: i64) -> Arc<Log> {
        let open = self.mocks.open(recovery_point, false);
        Log::open(&self.path(), self.config.clone(), open).unwrap()
    }

    pub(crate) fn log_after_clean_shutdown(&self) -> Arc<Log> {
        Log::open(&self.path(), self.config.clone(), self.mocks.open(0, true)).unwrap()
    }
}

/// A batch of magic 2 with one record that has a timestamp.
pub(crate) fn timed_batch(timestamp_ms: i64, value: &str) -> Vec<u8> {
    RecordBatchBuilder::new(0).record(timestamp_ms, None, Some(value.as_bytes())).build().unwrap()
}

/// Messages of magic 0, not compressed, with these offsets.
pub(crate) fn messages(offsets_and_values: &[(i64, &str)]) -> Vec<u8> {
    message_set(0, CompressionCodec::None, offsets_and_values)
}

/// A leader epoch and where it begins.
pub(crate) fn entry(epoch: i32, start_offset: i64) -> EpochEntry {
    EpochEntry { epoch: LeaderEpoch(epoch), start_offset: Offset(start_offset) }
}

/// The segment that takes the appends.
pub(crate) fn active(log: &Log) -> Arc<LogSegment> {
    log.segments().pop().unwrap()
}

/// `max_bytes`, even if that cuts the first entry: Kafka's `hardMaxBytesLimit`.
pub(crate) fn hard(max_bytes: i32) -> ReadLimit<'static> {
    ReadLimit {
        max_bytes,
        first_entry: FirstEntry::MayBeCut,
        ends_at_entry: false,
        patience: Patience::ForDisk,
    }
}

/// All bytes of a set, by the branch that copies.
pub(crate) fn bytes_of(set: &dyn MessageSet) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < set.size_in_bytes() {
        let position = bytes.len();
        set.write_to(Destination::Channel(&mut bytes), position, usize::MAX).unwrap();
    }
    bytes
}

/// Offset and value of each whole record.
pub(crate) fn records_of(set: &dyn MessageSet) -> Vec<(i64, String)> {
    records_in(&bytes_of(set))
}

/// Offset and value of each whole record.
pub(crate) fn records_in(bytes: &[u8]) -> Vec<(i64, String)> {
    let mut records = Vec::new();
    for_each_record(bytes, &mut |record| {
        let value = record.value.map(|value| String::from_utf8_lossy(value).into_owned());
        records.push((record.offset, value.unwrap_or_default()));
        Ok(())
    })
    .unwrap();
    records
}

/// The names of the files in a directory, sorted. Snapshots of producers come and go with no
/// segment, and the noted ends are of all of them, so they are left out.
pub(crate) fn files_in(dir: &Path) -> Vec<String> {
    let mut names = all_files_in(dir);
    names.retain(|name| !name.ends_with(".snapshot") && name != SEGMENT_ENDS_FILE);
    names
}

/// The names of the snapshots of producers in a directory, sorted.
pub(crate) fn snapshots_in(dir: &Path) -> Vec<String> {
    let mut names = all_files_in(dir);
    names.retain(|name| name.ends_with(".snapshot"));
    names
}

fn all_files_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
