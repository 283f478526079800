//! Port of `kafka.log.Log`: the log of one partition, a row of segments that is appended to at its
//! end.
//!
//! One thread at a time appends, rolls, deletes or truncates: it holds the log's lock. Readers
//! never take that lock. They see the log as its end offset metadata tell it: what lies before the
//! end is whole and does not change, what is being appended behind it does not exist yet.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock, Weak};

use log::{debug, info, trace, warn};

use crate::common::errors::{Errors, KafkaError};
use crate::common::scheduler::Scheduler;
use crate::common::time::Time;
use crate::common::topic_partition::TopicAndPartition;
use crate::config::log_config::LogConfig;
use crate::message::log_validator::validate_messages_and_assign_offsets;
use crate::message::timestamp_type::TimestampType;
use crate::storage::files::file_io::{failed, remove_if_exists, sync_directory};
use crate::storage::files::log_file_names::{
    index_filename, log_filename, parse_topic_partition_name, time_index_filename,
};
use crate::storage::log::log_append::{LogAppendInfo, analyze_given_offsets, append_format};
use crate::storage::log::log_loader::{LoadedLog, LogLoader};
use crate::storage::log::log_offset_metadata::{FetchDataInfo, LogOffsetMetadata};
use crate::storage::log::log_segment::{LogSegment, SegmentAppend};
use crate::storage::log::log_segments::LogSegments;
use crate::storage::log::read_limit::ReadLimit;
use crate::storage::producers::producer_state_manager::ProducerStateManager;

/// The log of a partition.
///
/// Invariants: the active segment ends where the log ends, and `recovery_point <= log_end_offset`.
pub struct Log {
    pub(crate) dir: PathBuf,
    pub(crate) topic_and_partition: TopicAndPartition,
    config: RwLock<Arc<LogConfig>>,
    pub(crate) segments: LogSegments,
    /// The next offset, and where it will lie: the exposed end of the log. Set after the bytes are
    /// in the file.
    next_offset_metadata: RwLock<LogOffsetMetadata>,
    /// Everything below is on disk.
    pub(crate) recovery_point: AtomicI64,
    /// What lies below has all the replicas it needs. `i64::MAX` as long as nobody keeps a high
    /// watermark.
    pub(crate) high_watermark: AtomicI64,
    /// Nothing below is served: an admin deleted it, though a segment may hold it still.
    pub(crate) deleted_before: AtomicI64,
    /// Whether the directory is gone: then nothing is appended any more.
    pub(crate) is_deleted: AtomicBool,
    /// By the wall clock.
    pub(crate) last_flush_ms: AtomicI64,
    /// Whether files were created whose names may not be on disk yet.
    pub(crate) is_directory_sync_owed: AtomicBool,
    /// Kafka's `lock`: whoever holds it may change the log.
    lock: Mutex<()>,
    /// What is known of idempotent producers. Changed by who holds the lock, and so are its files.
    pub(crate) producer_state: Mutex<ProducerStateManager>,
    pub(crate) scheduler: Arc<dyn Scheduler>,
    pub(crate) time: Arc<dyn Time>,
    /// For the tasks that outlive a call.
    pub(crate) this: Weak<Log>,
}

/// What [`Log::open`] must be told beside the directory and the settings.
#[derive(Clone)]
pub struct LogOpen {
    /// Messages from here on may not have been on disk when the broker stopped.
    pub recovery_point: i64,
    /// Whether the broker stopped in good order, so that they were.
    pub is_clean_shutdown: bool,
    /// Runs what need not be done at once.
    pub scheduler: Arc<dyn Scheduler>,
    /// The clocks.
    pub time: Arc<dyn Time>,
}

impl Log {
    /// Opens the log in the directory `dir`, which is created if it is missing, and recovers it if
    /// it was not closed in good order.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION` if the directory's name is no `<topic>-<partition>`; `Io`, with
    /// the path.
    pub fn open(dir: &Path, config: LogConfig, open: LogOpen) -> Result<Arc<Self>, KafkaError> {
        let topic_and_partition = parse_topic_partition_name(dir)?;
        if !dir.exists() {
            fs::create_dir_all(dir).map_err(failed("create the directory", dir))?;
            dir.parent().map_or(Ok(()), sync_directory)?;
        }
        let LogOpen { recovery_point, is_clean_shutdown, scheduler, time } = open;
        let loader =
            LogLoader { dir, config: &config, time: &*time, recovery_point, is_clean_shutdown };
        let LoadedLog { segments, next_offset, recovery_point, producer_state } = loader.load()?;
        let active = segments.last();
        let end = LogOffsetMetadata::at(next_offset, active.base_offset(), active.size());
        debug!(
            "opened log {topic_and_partition} with end offset {next_offset} in {} segments",
            segments.length()
        );
        Ok(Arc::new_cyclic(|this| Self {
            dir: dir.to_path_buf(),
            topic_and_partition,
            config: RwLock::new(Arc::new(config)),
            segments,
            next_offset_metadata: RwLock::new(end),
            recovery_point: AtomicI64::new(recovery_point),
            high_watermark: AtomicI64::new(i64::MAX),
            deleted_before: AtomicI64::new(0),
            is_deleted: AtomicBool::new(false),
            last_flush_ms: AtomicI64::new(time.milliseconds()),
            is_directory_sync_owed: AtomicBool::new(true),
            lock: Mutex::new(()),
            producer_state: Mutex::new(producer_state),
            scheduler,
            time,
            this: Weak::clone(this),
        }))
    }

    /// Appends what a producer sent: checks it, gives it the next offsets, in place where that is
    /// possible, and writes it. A set without a whole message is no error, and changes nothing. Nor
    /// does a batch that an idempotent producer sent before: what is told is where it lies.
    ///
    /// # Errors
    /// Those of [`validate_messages_and_assign_offsets`] and [`ProducerStateManager::check`];
    /// `RECORD_LIST_TOO_LARGE` for a set that is larger than a segment; `Io` if the disk fails. A
    /// write that failed leaves the log as it was; a flush that failed (`flush.messages`) leaves
    /// the messages in the log, and they may be lost.
    pub fn append(
        &self,
        records: &mut [u8],
        leader_epoch: i32,
    ) -> Result<LogAppendInfo, KafkaError> {
        let config = self.config();
        let format = append_format(&config, leader_epoch);
        let lock = self.lock();
        let now_ms = self.time.milliseconds();
        let next_offset = self.log_end_offset();
        let validated =
            validate_messages_and_assign_offsets(records, next_offset, now_ms, &format)?;
        let mut info = LogAppendInfo::of_validated(&validated, self.log_start_offset());
        if info.record_count == 0 {
            return Ok(info);
        }
        if format.timestamp_type == TimestampType::LogAppendTime && format.magic > 0 {
            info.log_append_time_ms = now_ms;
        }
        if let Some(duplicate) = self.find_duplicate(&info, &validated.bytes)? {
            return Ok(duplicate);
        }
        self.append_validated(&config, &info, &validated.bytes, now_ms)?;
        drop(lock);
        self.flush_if_due(&config)?;
        Ok(info)
    }

    /// Appends messages that bring their offsets along, as a follower gets them; the offsets may
    /// have gaps.
    ///
    /// # Errors
    /// `UNKNOWN_SERVER_ERROR` if the offsets do not ascend, or begin below the log end offset;
    /// otherwise as [`append`](Self::append).
    pub fn append_with_given_offsets(&self, records: &[u8]) -> Result<LogAppendInfo, KafkaError> {
        let config = self.config();
        let lock = self.lock();
        let mut info =
            analyze_given_offsets(records, self.log_end_offset(), config.max_message_size)?;
        info.log_start_offset = self.log_start_offset();
        if info.record_count == 0 {
            return Ok(info);
        }
        let now_ms = self.time.milliseconds();
        self.append_validated(&config, &info, &records[..info.valid_bytes], now_ms)?;
        drop(lock);
        self.flush_if_due(&config)?;
        Ok(info)
    }

    /// The caller holds the lock.
    fn append_validated(
        &self,
        config: &LogConfig,
        info: &LogAppendInfo,
        bytes: &[u8],
        now_ms: i64,
    ) -> Result<(), KafkaError> {
        self.check_exists()?;
        let set_size = bytes.len() as u64;
        if set_size > config.segment_size {
            let why = format!(
                "a set of {set_size} bytes is larger than a segment of {}",
                config.segment_size
            );
            return Err(KafkaError::api(Errors::RecordListTooLarge, why));
        }
        let segment = self.maybe_roll(config, info)?;
        segment.append(&SegmentAppend {
            last_offset: info.last_offset,
            max_timestamp_ms: info.max_timestamp_ms,
            offset_of_max_timestamp: info.offset_of_max_timestamp,
            bytes,
        })?;
        self.update_producers(bytes, info.last_offset + 1, now_ms);
        self.expose(info.last_offset + 1, &segment);
        trace!(
            "Log.append: {} holds offsets {} to {} in {set_size} bytes",
            self.topic_and_partition, info.first_offset, info.last_offset
        );
        Ok(())
    }

    /// Makes everything before `next_offset` visible, which is at the end of the active segment.
    pub(crate) fn expose(&self, next_offset: i64, active: &LogSegment) {
        let end = LogOffsetMetadata::at(next_offset, active.base_offset(), active.size());
        *self.next_offset_metadata.write().expect(END_LOCK) = end;
    }

    /// Reads from `start_offset` on: a slice of a segment's file, which begins with a whole entry.
    /// Nothing is read but what the search needs. At the log end offset the slice is empty.
    ///
    /// The slice ends before `max_offset`, and where `limit` says.
    ///
    /// # Errors
    /// `OFFSET_OUT_OF_RANGE` if the offset is below the log's first or above its end; otherwise as
    /// [`LogSegment::read`].
    pub fn read(
        &self,
        start_offset: i64,
        max_offset: Option<i64>,
        limit: ReadLimit,
    ) -> Result<FetchDataInfo, KafkaError> {
        let end = self.log_end_offset_metadata();
        trace!(
            "Log.read: {} from offset {start_offset}, {} bytes at most; it ends at {}",
            self.topic_and_partition, limit.max_bytes, end.message_offset
        );
        if start_offset == end.message_offset {
            return Ok(self.nothing_at(end));
        }
        let floor = self.segments.floor(start_offset);
        let (first, next) = (self.log_start_offset(), end.message_offset);
        let Some(mut segment) = floor.filter(|_| (first..next).contains(&start_offset)) else {
            let why = format!(
                "offset {start_offset} of {} is not in {first} to {next}",
                self.topic_and_partition
            );
            return Err(KafkaError::api(Errors::OffsetOutOfRange, why));
        };
        // The end is where a read stops anyway: that spares a second search.
        let max_offset = max_offset.filter(|&max_offset| max_offset < end.message_offset);
        loop {
            let max_position = exposed_size(&segment, &end);
            if let Some(found) = segment.read(start_offset, max_offset, max_position, limit)? {
                return Ok(found);
            }
            // A gap: the offsets from here to the next segment were truncated or compacted away.
            match self.segments.higher(segment.base_offset()) {
                Some(next) => segment = next,
                None => return Ok(self.nothing_at(self.log_end_offset_metadata())),
            }
        }
    }

    fn nothing_at(&self, fetch_offset_metadata: LogOffsetMetadata) -> FetchDataInfo {
        let message_set = self.segments.last().log().read(0, 0);
        FetchDataInfo {
            fetch_offset_metadata,
            message_set,
            first_entry_incomplete: false,
            bytes_within_limit: 0,
        }
    }
}

/// What rolls segments.
impl Log {
    /// Begins a new segment at the log end offset, unless the active one is empty and begins there
    /// already.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub fn roll(&self) -> Result<Arc<LogSegment>, KafkaError> {
        let _lock = self.lock();
        self.roll_to(&self.config(), self.log_end_offset())
    }

    /// The active segment, after a roll if the messages do not fit into it or its time has come.
    fn maybe_roll(
        &self,
        config: &LogConfig,
        info: &LogAppendInfo,
    ) -> Result<Arc<LogSegment>, KafkaError> {
        let active = self.segments.last();
        let (size, can_hold) = (active.size(), active.can_hold(info.last_offset));
        let age_ms = self.time.milliseconds().saturating_sub(active.created_ms());
        let is_due = size + info.valid_bytes as u64 > config.segment_size
            || age_ms > config.max_segment_ms() - active.roll_jitter_ms()
            || active.is_index_full();
        if can_hold && (size == 0 || !is_due) {
            return Ok(active);
        }
        let (segment, log) = (active.base_offset(), &self.topic_and_partition);
        debug!("Log.maybeRoll: {log} rolls segment {segment} of {size} bytes, {age_ms} ms old");
        // With given offsets the log may leap over more than an index can express (KAFKA-6264).
        let end_offset = self.log_end_offset();
        self.roll_to(config, if can_hold { end_offset } else { end_offset.max(info.first_offset) })
    }

    /// The caller holds the lock. `base_offset` is not below the log end offset.
    pub(crate) fn roll_to(
        &self,
        config: &LogConfig,
        base_offset: i64,
    ) -> Result<Arc<LogSegment>, KafkaError> {
        let old = self.segments.last();
        if old.base_offset() == base_offset {
            old.resize_indexes(config.max_index_size)?;
            return Ok(old);
        }
        let new = Arc::new(self.create_segment(config, base_offset)?);
        self.take_producer_snapshot(base_offset);
        self.segments.insert(Arc::clone(&new));
        self.expose(self.log_end_offset(), &new);
        info!("rolled a new segment of {} at offset {base_offset}", self.topic_and_partition);
        if old.size() == 0 {
            // It was begun for an append that failed, or the log leaps over it.
            self.segments.remove(old.base_offset());
            self.delete_later(&old)?;
        } else if let Err(error) = old.on_become_inactive() {
            let (segment, log) = (old.base_offset(), &self.topic_and_partition);
            warn!("segment {segment} of {log} keeps its unused space: {error}");
        }
        self.flush_later(base_offset);
        Ok(new)
    }

    /// Creates the files of a segment. Files that have their names are none of this log's, and make
    /// way.
    pub(crate) fn create_segment(
        &self,
        config: &LogConfig,
        base_offset: i64,
    ) -> Result<LogSegment, KafkaError> {
        self.check_exists()?;
        for filename in [log_filename, index_filename, time_index_filename] {
            let path = filename(&self.dir, base_offset);
            if path.exists() {
                warn!("deleting {}, which is in the way of a new segment", path.display());
                remove_if_exists(&path)?;
            }
        }
        self.is_directory_sync_owed.store(true, Ordering::Release);
        Ok(LogSegment::open(&self.dir, base_offset, config, &*self.time)?)
    }
}

/// What is told.
impl Log {
    /// The topic and the partition.
    pub fn topic_and_partition(&self) -> &TopicAndPartition {
        &self.topic_and_partition
    }

    /// The log's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The settings, as they are now.
    pub fn config(&self) -> Arc<LogConfig> {
        Arc::clone(&self.config.read().expect("no thread panics while it sets a config"))
    }

    /// Replaces the settings.
    pub fn update_config(&self, config: LogConfig) {
        *self.config.write().expect("no thread panics while it sets a config") = Arc::new(config);
    }

    /// The offset that the next message will get.
    pub fn log_end_offset(&self) -> i64 {
        self.log_end_offset_metadata().message_offset
    }

    /// The offset that the next message will get, and where it will lie.
    pub fn log_end_offset_metadata(&self) -> LogOffsetMetadata {
        *self.next_offset_metadata.read().expect(END_LOCK)
    }

    /// Everything below is on disk.
    pub fn recovery_point(&self) -> i64 {
        self.recovery_point.load(Ordering::Acquire)
    }

    /// When the log was last flushed, by the wall clock.
    pub fn last_flush_ms(&self) -> i64 {
        self.last_flush_ms.load(Ordering::Acquire)
    }

    /// Whether the next flush has to sync the directory too.
    pub fn is_directory_sync_owed(&self) -> bool {
        self.is_directory_sync_owed.load(Ordering::Acquire)
    }

    /// The size of all segments' messages, in bytes.
    pub fn size(&self) -> u64 {
        self.segments.snapshot().iter().map(|segment| segment.size()).sum()
    }

    /// The segments, from the oldest on.
    pub fn segments(&self) -> Vec<Arc<LogSegment>> {
        self.segments.snapshot()
    }

    /// The segment that takes the appends.
    pub fn active_segment(&self) -> Arc<LogSegment> {
        self.segments.last()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().expect("no thread panics while it changes a log")
    }
}

/// How much of a segment existed when the log ended at `end`.
fn exposed_size(segment: &LogSegment, end: &LogOffsetMetadata) -> u64 {
    match end.place {
        Some(place) if place.segment_base_offset == segment.base_offset() => {
            place.relative_position_in_segment
        }
        _ => segment.size(),
    }
}

const END_LOCK: &str = "no thread panics while it moves the end of a log";
