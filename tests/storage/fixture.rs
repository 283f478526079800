//! What the tests of the log share: directories that go away, messages, and a log by a clock that
//! stands still.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use transferto::common::mock_scheduler::MockScheduler;
use transferto::common::mock_time::MockTime;
use transferto::common::scheduler::Scheduler;
use transferto::common::time::Time;
use transferto::common::units::Offset;
use transferto::config::log_config::LogConfig;
use transferto::message::byte_buffer_message_set::for_each_record;
use transferto::message::compression_codec::CompressionCodec;
use transferto::message::message_set::{Destination, MessageSet};
use transferto::message::message_set_builder::MessageSetBuilder;
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::message::records::LogRecord;
use transferto::storage::log::log::{Log, LogOpen};
use transferto::storage::log::log_segment::LogSegment;
use transferto::storage::log::read_limit::{FirstEntry, ReadLimit};

/// A directory of one test, removed on drop.
pub struct TempDir {
    path: PathBuf,
}

impl TempDir {
    pub fn new() -> Self {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let name = format!("transferto-storage-{}-{serial}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.path).unwrap();
    }
}

/// A clock and a scheduler that the test moves.
pub struct Mocks {
    pub time: Arc<MockTime>,
    pub scheduler: Arc<MockScheduler>,
}

impl Mocks {
    pub fn new() -> Self {
        let time = Arc::new(MockTime::new());
        let scheduler = Arc::new(MockScheduler::new(Arc::clone(&time)));
        Self { time, scheduler }
    }

    /// Moves the clock, and runs what has become due.
    pub fn sleep(&self, ms: i64) {
        self.time.sleep(ms);
        self.scheduler.tick();
    }

    pub fn open(&self, recovery_point: i64, is_clean_shutdown: bool) -> LogOpen {
        let scheduler: Arc<dyn Scheduler> = self.scheduler.clone();
        let time: Arc<dyn Time> = self.time.clone();
        LogOpen { recovery_point: Offset(recovery_point), is_clean_shutdown, scheduler, time }
    }

    /// Opens the log after a crash, with nothing known to be on disk.
    pub fn log(&self, dir: &Path, config: &LogConfig) -> Arc<Log> {
        Log::open(dir, config.clone(), self.open(0, false)).unwrap()
    }
}

/// A batch of magic 2 with these values, from offset 0 on, without keys and timestamps.
pub fn batch(values: &[&str]) -> Vec<u8> {
    batch_at(0, values)
}

/// A batch of magic 2 with these values, from `base_offset` on.
pub fn batch_at(base_offset: i64, values: &[&str]) -> Vec<u8> {
    let empty = RecordBatchBuilder::new(base_offset);
    let add =
        |batch: RecordBatchBuilder, value: &&str| batch.record(-1, None, Some(value.as_bytes()));
    values.iter().fold(empty, add).build().unwrap()
}

/// A batch of magic 2 with one record that has a timestamp.
pub fn timed_batch(timestamp_ms: i64, value: &str) -> Vec<u8> {
    RecordBatchBuilder::new(0).record(timestamp_ms, None, Some(value.as_bytes())).build().unwrap()
}

/// Messages of magic 0, not compressed, with these offsets.
pub fn messages(offsets_and_values: &[(i64, &str)]) -> Vec<u8> {
    message_set(0, CompressionCodec::None, offsets_and_values)
}

/// Messages of magic 0 or 1.
pub fn message_set(
    magic: u8,
    codec: CompressionCodec,
    offsets_and_values: &[(i64, &str)],
) -> Vec<u8> {
    let mut builder = MessageSetBuilder::new(magic, codec);
    for (offset, value) in offsets_and_values {
        let record = LogRecord {
            offset: *offset,
            timestamp: -1,
            key: None,
            value: Some(value.as_bytes()),
            headers: Default::default(),
        };
        builder.append(&record).unwrap();
    }
    builder.build().unwrap()
}

/// The segment that takes the appends.
pub fn active(log: &Log) -> Arc<LogSegment> {
    log.segments().pop().unwrap()
}

/// `max_bytes`, even if that cuts the first entry: Kafka's `hardMaxBytesLimit`.
pub fn hard(max_bytes: i32) -> ReadLimit {
    ReadLimit { max_bytes, first_entry: FirstEntry::MayBeCut, ends_at_entry: false }
}

/// All bytes of a set, by the branch that copies.
pub fn bytes_of(set: &dyn MessageSet) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < set.size_in_bytes() {
        let position = bytes.len();
        set.write_to(Destination::Channel(&mut bytes), position, usize::MAX).unwrap();
    }
    bytes
}

/// Offset and value of each whole record.
pub fn records_of(set: &dyn MessageSet) -> Vec<(i64, String)> {
    records_in(&bytes_of(set))
}

/// Offset and value of each whole record.
pub fn records_in(bytes: &[u8]) -> Vec<(i64, String)> {
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
/// segment, so they are left out.
pub fn files_in(dir: &Path) -> Vec<String> {
    let mut names = all_files_in(dir);
    names.retain(|name| !name.ends_with(".snapshot"));
    names
}

/// The names of the snapshots of producers in a directory, sorted.
pub fn snapshots_in(dir: &Path) -> Vec<String> {
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

/// Random numbers that are the same in every run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    pub fn bytes(&mut self, length: u64) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).collect()
    }
}
