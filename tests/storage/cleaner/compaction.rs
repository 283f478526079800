//! What the tests of compaction share: compacted logs under a log manager whose cleaner moves only
//! when it is told to, and ways to see what is in a log.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use support::temp::TempDir;
use transferto::common::scheduler::Scheduler;
use transferto::common::time::Time;
use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::{Offset, Position};
use transferto::config::log_config::LogConfig;
use transferto::config::log_policies::CleanupPolicy;
use transferto::message::byte_buffer_message_set::shallow_entries;
use transferto::message::compression_codec::CompressionCodec;
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::replica::partition::LEADER_EPOCH;
use transferto::storage::cleaner::cleaner::CleanerStats;
use transferto::storage::cleaner::cleaner_config::CleanerConfig;
use transferto::storage::cleaner::offset_map::SLOT_BYTES;
use transferto::storage::log::log::Log;
use transferto::storage::log::log_segment::LogSegment;
use transferto::storage::log::patience::Patience;
use transferto::storage::log::read_limit::ReadLimit;
use transferto::storage::log_manager::{LogManager, LogManagerConfig};

use crate::fixture::{Mocks, bytes_of};

/// Offset, key and value of each record.
pub(crate) type Contents = Vec<(i64, Option<String>, Option<String>)>;

/// A log manager on a directory of one test.
pub(crate) struct Test {
    pub dir: TempDir,
    pub mocks: Mocks,
    pub config: LogManagerConfig,
    manager: RefCell<Option<Arc<LogManager>>>,
}

impl Test {
    pub(crate) fn new(default_config: LogConfig) -> Self {
        let dir = TempDir::new();
        let config = LogManagerConfig {
            log_dirs: vec![dir.join("logs")],
            broker_id: 0,
            joins_a_cluster: false,
            default_config,
            recovery_threads_per_data_dir: 1,
            cleaner: CleanerConfig { enable_cleaner: false, ..CleanerConfig::default() },
            retention_check_ms: 60_000,
            flush_check_ms: 60_000,
            flush_checkpoint_ms: 60_000,
            producer_id_expiration_ms: 86_400_000,
        };
        Self { dir, mocks: Mocks::new(), config, manager: RefCell::default() }
    }

    /// Gives the cleaner room for so many keys. To be called before anything else.
    pub(crate) fn set_keys_max(&mut self, keys_max: usize) {
        self.config.cleaner.dedupe_buffer_size = (keys_max + 1) * SLOT_BYTES;
        self.config.cleaner.dedupe_buffer_load_factor = 1.0;
    }

    pub(crate) fn manager(&self) -> Arc<LogManager> {
        let start = || {
            let scheduler: Arc<dyn Scheduler> = self.mocks.scheduler.clone();
            let time: Arc<dyn Time> = self.mocks.time.clone();
            let manager = LogManager::new(self.config.clone(), scheduler, time).unwrap();
            manager.load(&Default::default(), &Arc::default()).unwrap();
            manager
        };
        Arc::clone(self.manager.borrow_mut().get_or_insert_with(start))
    }

    pub(crate) fn log(&self, topic: &str, partition: i32) -> Arc<Log> {
        let name = TopicAndPartition::new(topic, partition);
        self.manager().create_log(&name, self.config.default_config.clone()).unwrap()
    }

    /// Closes the broker's logs and opens them again. Who holds a log must get it anew.
    pub(crate) fn restart(&self) {
        self.manager().shutdown();
        *self.manager.borrow_mut() = None;
    }

    /// As [`restart`](Self::restart), but as if the process had been killed.
    pub(crate) fn crash(&self) {
        *self.manager.borrow_mut() = None;
    }

    /// One pass over the dirtiest log.
    pub(crate) fn clean(&self) -> Option<CleanerStats> {
        self.manager().cleaner().clean_filthiest_log()
    }
}

/// A compacted log that may be cleaned as soon as one byte of it is dirty. Its indexes are small:
/// the kernel reads ahead in what a large one leaves empty, at each start and in each pass.
pub(crate) fn config() -> LogConfig {
    LogConfig {
        cleanup_policy: CleanupPolicy::Compact,
        min_cleanable_ratio: 0.0,
        max_index_size: 4096,
        ..LogConfig::default()
    }
}

pub(crate) fn builder(base_offset: i64) -> RecordBatchBuilder {
    RecordBatchBuilder::new(base_offset)
}

/// A batch of one record.
pub(crate) fn batch_of(offset: i64, key: &str, value: Option<&str>) -> Vec<u8> {
    builder(offset).record(-1, Some(key.as_bytes()), value.map(str::as_bytes)).build().unwrap()
}

pub(crate) fn append(log: &Log, key: &str, value: &str) {
    append_batch(log, CompressionCodec::None, &[(key, Some(value))]);
}

pub(crate) fn tombstone(log: &Log, key: &str) {
    append_batch(log, CompressionCodec::None, &[(key, None)]);
}

/// Appends a batch whose timestamps are the offsets that its records get.
pub(crate) fn append_batch(log: &Log, codec: CompressionCodec, records: &[(&str, Option<&str>)]) {
    let start = log.log_end_offset().0;
    let empty = builder(0).codec(codec);
    let batch = (start..).zip(records).fold(empty, |batch, (offset, (key, value))| {
        batch.record(offset, Some(key.as_bytes()), value.map(str::as_bytes))
    });
    log.append(&mut batch.build().unwrap(), LEADER_EPOCH).unwrap();
}

pub(crate) fn big_keys(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("a key with the number {number}")).collect()
}

/// All records, read as a consumer reads them, one fetch after another.
pub(crate) fn contents(log: &Log) -> Contents {
    contents_from(log, log.log_start_offset().0)
}

pub(crate) fn contents_from(log: &Log, start_offset: i64) -> Contents {
    let mut all = Vec::new();
    let mut offset = start_offset;
    loop {
        let found = log.read(Offset(offset), None, ReadLimit::min_one_message(1000)).unwrap();
        let bytes = bytes_of(&found.message_set);
        let mut entries = 0;
        for entry in shallow_entries(&bytes) {
            let entry = entry.unwrap();
            assert!(entry.has_valid_crc());
            assert!(entry.last_offset >= offset, "a fetch goes forward");
            entry
                .for_each_record(&mut |record| {
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    if record.offset >= start_offset {
                        all.push((record.offset, record.key.map(text), record.value.map(text)));
                    }
                    Ok(())
                })
                .unwrap();
            offset = entry.last_offset + 1;
            entries += 1;
        }
        if entries == 0 {
            return all;
        }
    }
}

/// What a consumer knows in the end: the last value of each key that has one.
pub(crate) fn last_values(contents: &Contents) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (_, key, value) in contents {
        let Some(key) = key else { continue };
        match value {
            Some(value) => values.insert(key.clone(), value.clone()),
            None => values.remove(key),
        };
    }
    values
}

/// A fetch from any offset, also one that is gone, finds what follows it.
pub(crate) fn assert_found_from_every_offset(log: &Log) {
    let all = contents(log);
    // A log may leap far: look at the offsets round those that are there.
    let mut starts: Vec<i64> = all.iter().flat_map(|(it, _, _)| [it - 1, *it, it + 1]).collect();
    starts.extend(log.segments().iter().map(|segment| segment.base_offset().0));
    starts.retain(|it| (log.log_start_offset()..=log.log_end_offset()).contains(&Offset(*it)));
    for start in starts {
        let expected: Contents = all.iter().filter(|(it, _, _)| *it >= start).cloned().collect();
        assert_eq!(contents_from(log, start), expected, "from offset {start}");
    }
}

/// Name and bytes of each file in a directory.
pub(crate) fn copy_files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let names = crate::fixture::files_in(dir).into_iter();
    names.map(|name| (name.clone(), fs::read(dir.join(name)).unwrap())).collect()
}

/// Makes all segments look as if they were last written so long ago.
pub(crate) fn set_age(log: &Log, age_ms: u64) {
    let written = SystemTime::now() - Duration::from_millis(age_ms);
    for segment in log.segments() {
        let file = fs::OpenOptions::new().write(true).open(segment.log().path()).unwrap();
        file.set_modified(written).unwrap();
    }
}

/// Changes the last byte of the entry at `offset`.
pub(crate) fn spoil(segment: &LogSegment, offset: i64) {
    let entry = segment
        .log()
        .search_for(Offset(offset), Position::START, Patience::ForDisk)
        .unwrap()
        .unwrap();
    let file = fs::OpenOptions::new().write(true).open(segment.log().path()).unwrap();
    file.write_all_at(b"!", entry.end().0 - 1).unwrap();
}
