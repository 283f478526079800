//! Port of `kafka.log.Log`: the log of one partition, a row of segments that is appended to at its
//! end.
//!
//! One thread at a time changes a log: it takes the lock, and has a [`LockedLog`]. Readers never
//! take that lock: they see the [`LogSegments`].

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock, Weak};

use log::{Level, debug, error, log};

use crate::common::errors::{Errors, KafkaError};
use crate::common::loading_progress::LoadingProgress;
use crate::common::lock::{locked, locked_if_whole, read_locked, write_locked};
use crate::common::log_limit::{LogKind, limited};
use crate::common::scheduler::Scheduler;
use crate::common::step::step;
use crate::common::time::Time;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{LeaderEpoch, Offset, Position, TimestampMs};
use crate::config::log_config::LogConfig;
use crate::message::end_transaction_marker::EndTransactionMarker;
use crate::storage::epochs::epoch_entry::EpochEndOffset;
use crate::storage::epochs::leader_epoch_file_cache::LeaderEpochFileCache;
use crate::storage::files::file_io::create_directories;
use crate::storage::files::log_dir_failure_channel::LogDirStatus;
use crate::storage::files::log_file_names::parse_topic_partition_name;
use crate::storage::log::file_message_set::FileMessageSet;
use crate::storage::log::locked_log::{LockedLog, LogContext, LogState};
use crate::storage::log::log_append::LogAppendInfo;
use crate::storage::log::log_epochs::LogEpochs;
use crate::storage::log::log_flush::Flushes;
use crate::storage::log::log_loader::{LoadedLog, LogLoader};
use crate::storage::log::log_offset_metadata::{FetchDataInfo, LogOffsetMetadata};
use crate::storage::log::log_segment::LogSegment;
use crate::storage::log::log_segments::LogSegments;
use crate::storage::log::log_snapshot::{LogSnapshot, SegmentSnapshot};
use crate::storage::log::patience::Patience;
use crate::storage::log::read_limit::ReadLimit;
use crate::storage::log::truncation_keeper::TruncationKeeper;
use crate::storage::producers::producer_state_entry::ProducerStateEntry;
use crate::storage::producers::transaction_bounds::TransactionBounds;

/// The log of a partition.
///
/// An error that leaves unknown what the disk holds takes the whole log directory offline
/// ([`LogDirStatus`]): every further call for one of its logs, be it a read, a change or the retry of
/// a batch, returns `KAFKA_STORAGE_ERROR`. If a thread panics while it changes a log, or, for any other
/// reason, a truncation fails on the way or a new segment can neither be made nor removed, only the
/// change of this log may be half done. Then every further change of it but its deletion returns `KAFKA_STORAGE_ERROR`, the first of them is logged as
/// an error, and reads go on below its end.
///
/// In both cases a restart recovers the log, as after a crash: its directory is not marked as shut
/// down cleanly. Producers retry on that error, and an idempotent one that gets through after the
/// restart has its records exactly once.
pub struct Log {
    context: LogContext,
    config: RwLock<Arc<LogConfig>>,
    segments: Arc<LogSegments>,
    /// `i64::MAX` until a replica keeps it.
    high_watermark: AtomicI64,
    last_flush_ms: AtomicI64,
    transactions: Arc<TransactionBounds>,
    epochs: Arc<LeaderEpochFileCache>,
    state: Mutex<LogState>,
    flushes: Flushes,
    /// Whether the log's failure was logged: one line is enough, and every producer retries.
    is_failure_logged: AtomicBool,
    /// Set for the logs of a manager, which then outlives them as a rule.
    truncation_keeper: OnceLock<Weak<dyn TruncationKeeper>>,
    /// For the tasks that outlive a call.
    this: Weak<Log>,
}

/// What [`Log::open`] needs beside the directory and the settings.
#[derive(Clone)]
pub struct LogOpen {
    /// Messages from here on may not have been on disk when the broker stopped.
    pub recovery_point: Offset,
    /// Whether the broker was shut down cleanly, so that they were.
    pub is_clean_shutdown: bool,
    /// That of the log directory.
    pub log_dir: Arc<LogDirStatus>,
    /// Counts what is recovered.
    pub progress: Arc<LoadingProgress>,
    /// Runs what need not be done at once.
    pub scheduler: Arc<dyn Scheduler>,
    pub time: Arc<dyn Time>,
}

impl Log {
    /// Opens the log in the directory `dir`, which is created if it is missing, and recovers it if
    /// it was not shut down cleanly.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION` if the directory's name is not `<topic>-<partition>`; `Io`, with
    /// the path, which the caller owes to the status of the log directory.
    pub fn open(dir: &Path, config: LogConfig, open: LogOpen) -> Result<Arc<Self>, KafkaError> {
        let topic_and_partition = parse_topic_partition_name(dir)?;
        create_directories(dir)?;
        let LogOpen { recovery_point, is_clean_shutdown, log_dir, progress, scheduler, time } =
            open;
        let loader = LogLoader {
            dir,
            config: &config,
            time: &*time,
            progress: &progress,
            recovery_point,
            is_clean_shutdown,
        };
        let LoadedLog { segments, producer_state, epochs, .. } = loader.load()?;
        let readable = segments.share();
        debug!(
            "opened log {topic_and_partition} with end offset {}",
            readable.end().message_offset
        );
        let log_epochs = LogEpochs {
            cache: Arc::new(epochs),
            log_dir: Arc::clone(&log_dir),
            scheduler: Arc::clone(&scheduler),
        };
        // Not every batch was looked at.
        let transactions = Arc::clone(producer_state.transactions());
        transactions.suspect_below(readable.end().message_offset);
        let epochs = Arc::clone(&log_epochs.cache);
        if epochs.is_stale() {
            log_epochs.flush_later();
        }
        Ok(Arc::new_cyclic(|this| Self {
            last_flush_ms: AtomicI64::new(time.milliseconds().0),
            context: LogContext {
                dir: dir.to_path_buf(),
                log_dir,
                topic_and_partition,
                scheduler,
                time,
            },
            config: RwLock::new(Arc::new(config)),
            segments: readable,
            high_watermark: AtomicI64::new(Offset::MAX.0),
            transactions,
            epochs,
            state: Mutex::new(LogState::new(segments, producer_state, log_epochs)),
            flushes: Flushes::default(),
            is_failure_logged: AtomicBool::new(false),
            truncation_keeper: OnceLock::new(),
            this: Weak::clone(this),
        }))
    }

    /// Takes the right to change the log.
    ///
    /// # Errors
    /// `KAFKA_STORAGE_ERROR` if the log directory is offline, or a change did not come to its end.
    pub(super) fn lock(&self) -> Result<LockedLog<'_>, KafkaError> {
        self.context.log_dir.check_online()?;
        let state = locked_if_whole(&self.state).ok().filter(|state| !state.has_failed());
        let state = state.ok_or_else(|| self.failed_halfway())?;
        Ok(LockedLog::new(&self.context, self.config(), state))
    }

    fn failed_halfway(&self) -> KafkaError {
        let log = self.topic_and_partition();
        let why = format!(
            "{log} is read-only until the broker restarts and recovers it: a change of it failed \
             halfway"
        );
        if !self.is_failure_logged.swap(true, Ordering::Relaxed) {
            error!("{why}");
        }
        KafkaError::api(Errors::KafkaStorageError, why)
    }

    /// Changes the log under its lock, and then sees to the flushes that this entails.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut LockedLog<'_>) -> Result<T, KafkaError>,
    ) -> Result<T, KafkaError> {
        let log_dir = &self.context.log_dir;
        let mut locked = self.lock()?;
        let changed = log_dir.note(change(&mut locked));
        let owed = locked.unlock();
        if let Some(offset) = owed.rolled_at {
            self.flush_later(offset);
        }
        if owed.is_due && changed.is_ok() {
            self.flush()?;
        }
        // Nothing is acknowledged once the directory is offline, be it by another thread's flush.
        log_dir.check_online()?;
        changed
    }

    /// Appends what a producer sent: checks it, gives it the next offsets, in place where that is
    /// possible, and writes it. A set without a whole message is no error, and changes nothing. Nor
    /// does a batch that an idempotent producer sent before: the answer says where it lies.
    ///
    /// # Errors
    /// Those of
    /// [`validate_messages_and_assign_offsets`](crate::message::log_validator::validate_messages_and_assign_offsets)
    /// and
    /// [`ProducerStateManager::check`](crate::storage::producers::producer_state_manager::ProducerStateManager::check);
    /// `RECORD_LIST_TOO_LARGE` for a set that is larger than a segment; `Io` if the disk is full or
    /// the process has no file descriptor left, and then the log is as it was; `KAFKA_STORAGE_ERROR`
    /// if the log directory is offline. A flush that failed (`flush.messages`) leaves the messages in
    /// the log, and they may be lost.
    pub fn append(
        &self,
        records: &mut [u8],
        leader_epoch: LeaderEpoch,
    ) -> Result<LogAppendInfo, KafkaError> {
        self.change(|log| log.append(records, leader_epoch))
    }

    /// Port of `appendAsLeader` with `AppendOrigin.COORDINATOR`: ends a transaction whose records have come with
    /// a copy of another leader's log.
    ///
    /// If the producer has none open, an earlier try may have ended it whose marker is not on all replicas yet. Then
    /// nothing is appended, and what is returned ends with the log.
    ///
    /// # Errors
    /// `UNSUPPORTED_FOR_MESSAGE_FORMAT` if the producer has no transaction open here, and all that is here is below the
    /// high watermark: its coordinator then knows that there is nothing to end. `INVALID_PRODUCER_EPOCH` for an epoch
    /// that is over; `TRANSACTION_COORDINATOR_FENCED` if a coordinator of a later epoch has ended a transaction of the
    /// producer; otherwise as [`append`](Self::append).
    pub fn append_marker(
        &self,
        marker: &EndTransactionMarker,
        leader_epoch: LeaderEpoch,
    ) -> Result<LogAppendInfo, KafkaError> {
        let high_watermark = self.high_watermark();
        self.change(|log| log.append_marker(marker, leader_epoch, high_watermark))
    }

    /// Cuts `set`, which was read from `offset` on, at the first record of a transaction, and returns the offset of
    /// that one, if there is one. Reads no header if no record of a transaction was appended at `offset` or above since
    /// the log was opened, and readers have looked at what was there before.
    ///
    /// # Errors
    /// `UNSUPPORTED_FOR_MESSAGE_FORMAT` if nothing stands before it: no index here says whether it was aborted.
    /// `WouldBlock` without patience; whatever `pread(2)` reports.
    pub fn cut_at_transaction(
        &self,
        offset: Offset,
        set: &mut FileMessageSet,
        patience: Patience<'_>,
    ) -> Result<Option<Offset>, KafkaError> {
        if !self.transactions.may_be_from(offset) {
            return Ok(None);
        }
        let generation = self.transactions.generation();
        let first = match set.first_transactional(offset, patience)? {
            Ok(end) => {
                self.transactions.found_none(offset..end, generation);
                return Ok(None);
            }
            Err(first) => first,
        };
        if first.position > Position::START {
            *set = set.read(Position::START, first.position.0);
            return Ok(Some(first.offset));
        }
        let (first, log) = (first.offset, self.topic_and_partition());
        let why = format!(
            "offset {first} of {log} belongs to a transaction, and this broker does not know of transactions which \
             were aborted: read with isolation.level=read_uncommitted, or have a broker of Kafka lead {log}"
        );
        log!(
            limited(LogKind::Failures, Level::Warn),
            "a read of committed records is refused: {why}"
        );
        Err(KafkaError::api(Errors::UnsupportedForMessageFormat, why))
    }

    /// Port of `maybeAssignEpochStartOffset`: the leader of `epoch` appends from now on. Returns where
    /// the epoch begins: at the log's end. What an older leader would still append is refused.
    ///
    /// Messages of magic 0 and 1 have no epochs, and nothing is noted for them.
    ///
    /// # Errors
    /// `KAFKA_STORAGE_ERROR` if the log directory is offline, or a change of the log failed halfway. If
    /// the disk is full, the epoch begins, and the first append writes it down.
    pub fn begin_leader_epoch(&self, epoch: LeaderEpoch) -> Result<Offset, KafkaError> {
        self.change(|log| log.begin_leader_epoch(epoch))
    }

    /// Port of `appendAsFollower`: appends messages as their leader has them, with their offsets, which may
    /// have gaps, and their epochs. What begins with a batch of an epoch after `leader_epoch`, that of the
    /// leader that was asked, is left out, and so is a partial entry at the end. A set that is larger than a
    /// segment goes into several.
    ///
    /// If an error comes when a part is in the log, the result is that part. Whoever goes on behind it
    /// meets the error again.
    ///
    /// # Errors
    /// `CORRUPT_MESSAGE`; `UNKNOWN_SERVER_ERROR` if the offsets do not ascend, or begin below the log end
    /// offset; otherwise as [`append`](Self::append).
    pub fn append_as_follower(
        &self,
        records: &[u8],
        leader_epoch: LeaderEpoch,
    ) -> Result<LogAppendInfo, KafkaError> {
        self.change(|log| log.append_as_follower(records, leader_epoch))
    }

    /// Reads from `start_offset` on: a slice of a segment's file, which begins with a whole entry.
    /// Nothing is read but what the search needs. At the log end offset the slice is empty.
    ///
    /// The slice ends before `max_offset`, and where `limit` says.
    ///
    /// # Errors
    /// `KAFKA_STORAGE_ERROR` if the log directory is offline; `OFFSET_OUT_OF_RANGE` if the offset is
    /// below the log's first or above its end; otherwise as [`LogSegment::read`].
    pub fn read(
        &self,
        start_offset: Offset,
        max_offset: Option<Offset>,
        limit: ReadLimit<'_>,
    ) -> Result<FetchDataInfo, KafkaError> {
        self.context.log_dir.check_online()?;
        let end = self.segments.end();
        let _step = step!(
            [8] "Log.read",
            "{} from offset {start_offset}, {} bytes at most; it ends at {}",
            self.topic_and_partition(),
            limit.max_bytes,
            end.message_offset
        );
        if start_offset == end.message_offset {
            return Ok(self.nothing_at(end));
        }
        let floor = self.segments.floor(start_offset);
        let (first, next) = (self.log_start_offset(), end.message_offset);
        let Some(mut segment) = floor.filter(|_| (first..next).contains(&start_offset)) else {
            let log = self.topic_and_partition();
            let why = format!("offset {start_offset} of {log} is not in {first} to {next}");
            return Err(KafkaError::api(Errors::OffsetOutOfRange, why));
        };
        // ANCHOR: segment_read
        // The end is where a read stops anyway: that spares a second search.
        let max_offset = max_offset.filter(|&max_offset| max_offset < end.message_offset);
        loop {
            let max_position = exposed_end(&segment, &end);
            if let Some(found) = segment.read(start_offset, max_offset, max_position, limit)? {
                return Ok(found);
            }
            // A gap: the offsets from here to the next segment were truncated or compacted away.
            match self.segments.higher(segment.base_offset()) {
                Some(next) => segment = next,
                None => return Ok(self.nothing_at(self.segments.end())),
            }
        }
        // ANCHOR_END: segment_read
    }

    /// What a read gives whose reader must not get anything from `offset` on.
    pub fn read_nothing(&self, offset: Offset) -> FetchDataInfo {
        self.nothing_at(LogOffsetMetadata::message_offset_only(offset))
    }

    fn nothing_at(&self, fetch_offset_metadata: LogOffsetMetadata) -> FetchDataInfo {
        let message_set = self.segments.last().log().read(Position::START, 0);
        FetchDataInfo {
            fetch_offset_metadata,
            message_set,
            first_entry_incomplete: false,
            bytes_within_limit: 0,
        }
    }

    /// Begins a new segment at the log end offset, unless the active one is empty and begins there
    /// already.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub fn roll(&self) -> Result<Arc<LogSegment>, KafkaError> {
        self.change(|log| log.roll())
    }

    /// Makes the whole log durable. Only this counts as a flush for `flush.ms`: what a roll flushes
    /// leaves out the active segment.
    ///
    /// # Errors
    /// `KAFKA_STORAGE_ERROR` if the log directory is offline, which it is after a flush that failed;
    /// `Io` if there was no file descriptor for it. Then the recovery point stays.
    pub fn flush(&self) -> Result<(), KafkaError> {
        let started_ms = self.context.time.milliseconds();
        self.flush_to(self.log_end_offset())?;
        self.last_flush_ms.store(started_ms.0, Ordering::Release);
        Ok(())
    }

    fn flush_to(&self, offset: Offset) -> Result<(), KafkaError> {
        let under_way = self.flushes.begin();
        let begun = self.lock()?.begin_flush(offset, self.flushes.files_synced());
        let Some(flush) = begun else { return Ok(()) };
        let flushed = flush.run(self.dir());
        if self.is_deleted() {
            // Its directory has another name now, and what it held is owed to nobody.
            return Ok(());
        }
        self.context.log_dir.note(flushed)?;
        under_way.end();
        self.lock()?.end_flush(&flush);
        self.flushes.note_synced(flush.files_created);
        Ok(())
    }

    fn flush_later(&self, offset: Offset) {
        let this = Weak::clone(&self.this);
        let flush = move || {
            let Some(log) = this.upgrade() else { return };
            if let Err(error) = log.flush_to(offset) {
                let level = limited(LogKind::Failures, Level::Warn);
                log!(
                    level,
                    "cannot flush {} up to offset {offset}: {error}",
                    log.topic_and_partition()
                );
            }
        };
        self.context.scheduler.schedule("flush-log", 0, None, Box::new(flush));
    }

    /// Port of `Log.maybeIncrementLogStartOffset`: the log begins at `offset` from now on, unless
    /// it begins above it already. Segments that lie below are deleted; the rest of the one that
    /// holds `offset` stays on disk until retention takes it. Returns where the log begins.
    ///
    /// The caller owes the disk the new start: see
    /// [`checkpoint_log_start_offsets`](crate::storage::log_manager::LogManager::checkpoint_log_start_offsets).
    ///
    /// # Errors
    /// `OFFSET_OUT_OF_RANGE` above the high watermark; `Io`, with the path.
    pub fn delete_records_before(&self, offset: Offset) -> Result<Offset, KafkaError> {
        let high_watermark = self.high_watermark();
        if offset > high_watermark {
            let log = self.topic_and_partition();
            let why =
                format!("{log} cannot begin at {offset}, above its watermark {high_watermark}");
            return Err(KafkaError::api(Errors::OffsetOutOfRange, why));
        }
        self.change(|log| log.delete_records_before(offset))
    }

    /// What a restart owes to [`delete_records_before`](Self::delete_records_before): the log
    /// begins at `offset` again. If a crash took the messages from there on, the log goes on at
    /// `offset`: those below stay deleted.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub(crate) fn restore_start(&self, offset: Offset) -> Result<(), KafkaError> {
        self.change(|log| log.restore_start(offset))
    }

    /// Deletes the oldest segments, as the settings for retention by time and by size say, but
    /// nothing that is not below `high_watermark` (KAFKA-5634). Returns how many.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub fn delete_old_segments(&self, high_watermark: Offset) -> Result<usize, KafkaError> {
        self.change(|log| log.delete_old_segments(high_watermark))
    }

    /// Deletes segments from the oldest on, as long as `is_deletable` accepts them and they are
    /// below `high_watermark`. If none would be left, a new one is rolled first; an empty active
    /// one is never deleted. Returns how many.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub fn delete_segments_while(
        &self,
        high_watermark: Offset,
        is_deletable: impl FnMut(&LogSegment) -> bool,
    ) -> Result<usize, KafkaError> {
        self.change(|log| log.delete_segments_while(high_watermark, is_deletable))
    }

    /// Cuts the log so that `target_offset` is its end, or the first offset of the batch that holds it: a batch
    /// goes as a whole. An offset at or above the end changes nothing.
    ///
    /// # Errors
    /// `UNKNOWN_SERVER_ERROR` for a negative offset; `Io`, with the path.
    pub fn truncate_to(&self, target_offset: Offset) -> Result<(), KafkaError> {
        if target_offset >= self.log_end_offset() {
            return self.change(|log| log.truncate_to(target_offset));
        }
        self.truncate(target_offset, |log| log.truncate_to(target_offset))
    }

    /// Deletes everything, and goes on at `new_offset`.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub fn truncate_fully_and_start_at(&self, new_offset: Offset) -> Result<(), KafkaError> {
        self.truncate(new_offset, |log| log.truncate_fully_and_start_at(new_offset))
    }

    fn truncate(
        &self,
        offset: Offset,
        truncate: impl Fn(&mut LockedLog<'_>) -> Result<(), KafkaError>,
    ) -> Result<(), KafkaError> {
        let keeper = self.truncation_keeper.get().and_then(Weak::upgrade);
        match keeper {
            Some(keeper) => {
                let name = self.topic_and_partition();
                keeper.truncate(name, offset, &mut || self.change(&truncate))
            }
            None => self.change(truncate),
        }
    }

    /// Has each truncation go by way of `keeper`, from now on; the first one set counts.
    pub fn keep_truncations(&self, keeper: Weak<dyn TruncationKeeper>) {
        self.truncation_keeper.get_or_init(|| keeper);
    }

    /// Gives back what the files have beyond their content, and writes down what is known of the
    /// producers, so that nothing has to be read at the next start. To be done after a flush, when
    /// the broker stops.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub fn close(&self) -> Result<(), KafkaError> {
        self.change(|log| log.close())
    }

    /// Deletes the log. Its directory gets a name that no log has, so that another log may have its
    /// own at once, and is removed after `file.delete.delay.ms`, or by the next start. Slices can
    /// still be sent to their end; an append fails.
    ///
    /// # Errors
    /// `KAFKA_STORAGE_ERROR` if the log directory is offline; `Io`, with the path. Then the log is
    /// deleted only if [`is_deleted`](Self::is_deleted) says so: the new name may not be on disk.
    pub fn delete(&self) -> Result<(), KafkaError> {
        let log_dir = &self.context.log_dir;
        log_dir.check_online()?;
        // A log that failed, too: whatever its change left half done goes with the directory.
        let mut locked = LockedLog::new(&self.context, self.config(), locked(&self.state));
        log_dir.note(locked.delete())
    }

    /// Whether its directory has the name that no log has.
    pub fn is_deleted(&self) -> bool {
        LockedLog::new(&self.context, self.config(), locked(&self.state)).is_deleted()
    }

    /// Forgets the producers that have not appended to this log for `expiration_ms`.
    ///
    /// # Errors
    /// `KAFKA_STORAGE_ERROR` if a change of the log failed halfway.
    pub fn remove_expired_producers(&self, expiration_ms: i64) -> Result<(), KafkaError> {
        self.lock()?.remove_expired_producers(expiration_ms);
        Ok(())
    }

    /// What the log knows of a producer.
    ///
    /// # Errors
    /// `KAFKA_STORAGE_ERROR` if a change of the log failed halfway.
    pub fn producer(&self, producer_id: i64) -> Result<Option<ProducerStateEntry>, KafkaError> {
        Ok(self.lock()?.producers().producer(producer_id).cloned())
    }

    /// Port of `producerIdCount`.
    ///
    /// # Errors
    /// `KAFKA_STORAGE_ERROR` if a change of the log failed halfway.
    pub fn producer_id_count(&self) -> Result<usize, KafkaError> {
        Ok(self.lock()?.producers().count())
    }

    /// The highest id of a producer that the log knows.
    ///
    /// # Errors
    /// `KAFKA_STORAGE_ERROR` if a change of the log failed halfway.
    pub fn highest_producer_id(&self) -> Result<Option<i64>, KafkaError> {
        Ok(self.lock()?.producers().highest_producer_id())
    }

    pub fn topic_and_partition(&self) -> &TopicAndPartition {
        &self.context.topic_and_partition
    }

    pub fn dir(&self) -> &Path {
        &self.context.dir
    }

    /// Whether its log directory can be used, and with it the log.
    pub fn log_dir(&self) -> &Arc<LogDirStatus> {
        &self.context.log_dir
    }

    pub(super) fn time(&self) -> &dyn Time {
        &*self.context.time
    }

    /// The settings, as they are now.
    pub fn config(&self) -> Arc<LogConfig> {
        Arc::clone(&read_locked(&self.config))
    }

    /// Replaces the settings.
    pub fn update_config(&self, config: LogConfig) {
        *write_locked(&self.config) = Arc::new(config);
    }

    /// The first offset that is served, or where it would be.
    pub fn log_start_offset(&self) -> Offset {
        self.segments.start_offset()
    }

    /// The offset that the next message will get.
    pub fn log_end_offset(&self) -> Offset {
        self.segments.end().message_offset
    }

    /// The offset that the next message will get, and where it will lie.
    pub fn log_end_offset_metadata(&self) -> LogOffsetMetadata {
        self.segments.end()
    }

    /// In which leader epoch each record was written.
    pub fn leader_epochs(&self) -> &LeaderEpochFileCache {
        &self.epochs
    }

    /// Port of `endOffsetForEpoch`: the last epoch up to `epoch` that has records, and where it ends;
    /// the latest one ends where the log does. `None` if there is no answer: see
    /// [`EpochEntries::end_offset_for`](crate::storage::epochs::epoch_entries::EpochEntries::end_offset_for).
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> Option<EpochEndOffset> {
        self.epochs.end_offset_for(epoch, self.log_end_offset())
    }

    /// Everything below is on disk.
    pub fn recovery_point(&self) -> Offset {
        self.segments.recovery_point()
    }

    /// What is below has all the replicas it needs, and retention may delete it: the last update,
    /// but never beyond the end.
    pub fn high_watermark(&self) -> Offset {
        Offset(self.high_watermark.load(Ordering::Acquire)).min(self.log_end_offset())
    }

    /// Owed by the replica, for retention must not go beyond its high watermark (KAFKA-5634).
    pub fn update_high_watermark(&self, high_watermark: Offset) {
        self.high_watermark.store(high_watermark.0, Ordering::Release);
    }

    /// When the log was last flushed, by the wall clock.
    pub fn last_flush_ms(&self) -> TimestampMs {
        TimestampMs(self.last_flush_ms.load(Ordering::Acquire))
    }

    /// How many segments it has.
    pub fn segment_count(&self) -> usize {
        self.segments.count()
    }

    /// The size of all segments' messages, in bytes.
    pub fn size(&self) -> u64 {
        self.segments.size()
    }

    /// The log as it is now, with `segments_max` of its segments at most.
    pub fn snapshot(&self, segments_max: usize) -> LogSnapshot {
        // Appends go on meanwhile: what may not be beyond the end is read before it.
        let (recovery_point, high_watermark) = (self.recovery_point(), self.high_watermark());
        let segments = self.segments();
        let hidden = segments.len().saturating_sub(segments_max);
        let segment = |segment: &Arc<LogSegment>| SegmentSnapshot {
            base_offset: segment.base_offset(),
            size_bytes: segment.size(),
            index_entries: segment.offset_index().length(),
            time_index_entries: segment.time_index().length(),
        };
        LogSnapshot {
            topic_and_partition: self.topic_and_partition().clone(),
            log_start_offset: self.log_start_offset(),
            log_end_offset: self.log_end_offset(),
            high_watermark,
            recovery_point,
            size_bytes: self.size(),
            segment_count: segments.len(),
            segments: segments[hidden..].iter().map(segment).collect(),
        }
    }

    /// The segments, from the oldest on.
    pub fn segments(&self) -> Vec<Arc<LogSegment>> {
        self.segments.snapshot()
    }
}

/// Where a segment ended when the log ended at `end`.
fn exposed_end(segment: &LogSegment, end: &LogOffsetMetadata) -> Position {
    match end.place {
        Some(place) if place.segment_base_offset == segment.base_offset() => {
            place.relative_position_in_segment
        }
        _ => segment.end_position(),
    }
}
