//! Port of the half of `kafka.log.Log` that changes a log: appends, rolls, truncation, deletion.
//!
//! Kafka's `lock` holds its data here: [`LogState`] lies behind it, and to hold the lock is to have
//! a [`LockedLog`], whose methods are all that can change a log.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard};

use log::{Level, debug, log, warn};

use crate::common::errors::{Errors, KafkaError};
use crate::common::log_limit::{LogKind, limited};
use crate::common::scheduler::Scheduler;
use crate::common::step::mark;
use crate::common::time::Time;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{LeaderEpoch, Offset, Position, TimestampMs};
use crate::common::uuid::random_uuid;
use crate::config::log_config::LogConfig;
use crate::message::end_transaction_marker::EndTransactionMarker;
use crate::message::log_validator::validate_messages_and_assign_offsets;
use crate::message::record_batch::MAGIC_VALUE_V2;
use crate::message::timestamp_type::TimestampType;
use crate::storage::files::file_io::{
    failed, remove_directory_if_exists, remove_if_exists, sync_directory,
};
use crate::storage::files::log_dir_failure_channel::LogDirStatus;
use crate::storage::files::log_file_names::{
    DELETED_FILE_SUFFIX, SWAP_FILE_SUFFIX, deleted_directory_name, index_filename, log_filename,
    time_index_filename,
};
use crate::storage::log::log_append::{LogAppendInfo, analyze_as_follower, append_format};
use crate::storage::log::log_epochs::LogEpochs;
use crate::storage::log::log_flush::LogFlush;
use crate::storage::log::log_retention::{count_deletable, is_older_than, is_surplus};
use crate::storage::log::log_segment::{LogSegment, SegmentAppend};
use crate::storage::log::log_segments::SegmentsWriter;
use crate::storage::log::producer_state_recovery::rebuild_producer_state;
use crate::storage::producers::producer_state_entry::{
    BatchMetadata, NO_COORDINATOR_EPOCH, ProducerBatch, ProducerStateEntry,
};
use crate::storage::producers::producer_state_manager::ProducerStateManager;

/// What never changes about a log.
pub struct LogContext {
    pub dir: PathBuf,
    /// That of the log directory in which `dir` lies.
    pub log_dir: Arc<LogDirStatus>,
    pub topic_and_partition: TopicAndPartition,
    pub scheduler: Arc<dyn Scheduler>,
    pub time: Arc<dyn Time>,
}

/// What only the holder of the log's lock may touch.
pub struct LogState {
    segments: SegmentsWriter,
    producers: ProducerStateManager,
    epochs: LogEpochs,
    /// How many segments were begun, counted from 1: their files' names may not be on disk.
    files_created: u64,
    /// How often the log has lost its end: a flush from before says nothing of what was appended since.
    truncations: u64,
    /// Then the directory is gone, and nothing may be written: it would belong to the next log of
    /// this name.
    is_deleted: bool,
    /// An error came between two steps of a change: the disk may hold other segments than the map, as
    /// after a panic.
    has_failed: bool,
}

impl LogState {
    /// The state of a log that was loaded.
    pub fn new(
        segments: SegmentsWriter,
        producers: ProducerStateManager,
        epochs: LogEpochs,
    ) -> Self {
        Self {
            segments,
            producers,
            epochs,
            files_created: 1,
            truncations: 0,
            is_deleted: false,
            has_failed: false,
        }
    }

    /// Notes the outcome of a change in several steps. There is nothing to protect in a log that was
    /// deleted: its files are gone.
    fn note_failure(&mut self, outcome: &Result<(), KafkaError>) {
        self.has_failed |= outcome.is_err() && !self.is_deleted;
    }

    /// Whether an error left a change half done.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }
}

/// What a change leaves to be flushed once the lock is free.
#[derive(Clone, Copy, Debug, Default)]
pub struct FlushOwed {
    /// In the background, everything below this offset: what a roll has left behind.
    pub rolled_at: Option<Offset>,
    /// Now, everything: `flush.messages` wait.
    pub is_due: bool,
}

/// A log whose lock is held.
pub struct LockedLog<'a> {
    context: &'a LogContext,
    config: Arc<LogConfig>,
    state: MutexGuard<'a, LogState>,
    owed: FlushOwed,
}

impl<'a> LockedLog<'a> {
    /// A log with the settings that it has now.
    pub fn new(
        context: &'a LogContext,
        config: Arc<LogConfig>,
        state: MutexGuard<'a, LogState>,
    ) -> Self {
        Self { context, config, state, owed: FlushOwed::default() }
    }

    /// Lets go of the lock.
    pub fn unlock(self) -> FlushOwed {
        self.owed
    }

    /// What the log knows of its idempotent producers.
    pub fn producers(&self) -> &ProducerStateManager {
        &self.state.producers
    }

    /// Forgets the producers that have not appended to this log for `expiration_ms`.
    pub fn remove_expired_producers(&mut self, expiration_ms: i64) {
        let now_ms = self.context.time.milliseconds();
        let removed = self.state.producers.remove_expired(now_ms, expiration_ms);
        if removed > 0 {
            debug!("{}: {removed} idle producers expired", self.context.topic_and_partition);
        }
    }

    /// See [`Log::append`](crate::storage::log::log::Log::append).
    pub fn append(
        &mut self,
        records: &mut [u8],
        leader_epoch: LeaderEpoch,
    ) -> Result<LogAppendInfo, KafkaError> {
        self.state.epochs.check_not_over(leader_epoch)?;
        let format = append_format(&self.config, leader_epoch);
        let now_ms = self.context.time.milliseconds();
        let next_offset = self.end_offset();
        let validated =
            validate_messages_and_assign_offsets(records, next_offset.0, now_ms.0, &format)?;
        let start_offset = self.state.segments.start_offset();
        let mut info = LogAppendInfo::of_validated(&validated, start_offset);
        info.leader_epoch = leader_epoch;
        if info.record_count == 0 {
            return Ok(info);
        }
        if format.timestamp_type == TimestampType::LogAppendTime && format.magic > 0 {
            info.log_append_time_ms = now_ms;
        }
        if let Some(original) = self.find_original(&validated.bytes)? {
            // The flush of the first try may be under way, or have failed.
            self.owed.is_due = self.is_flush_due();
            return Ok(info.of_duplicate(&original));
        }
        self.check_fits_into_segment(&validated.bytes)?;
        if format.magic >= MAGIC_VALUE_V2 {
            self.state.epochs.begin(leader_epoch, next_offset)?;
        }
        self.append_validated(&info, &validated.bytes, now_ms)?;
        Ok(info)
    }

    /// See [`Log::append_marker`](crate::storage::log::log::Log::append_marker).
    pub fn append_marker(
        &mut self,
        marker: &EndTransactionMarker,
        leader_epoch: LeaderEpoch,
        high_watermark: Offset,
    ) -> Result<LogAppendInfo, KafkaError> {
        self.state.epochs.check_not_over(leader_epoch)?;
        let EndTransactionMarker { producer_id, producer_epoch, .. } = *marker;
        let (log, end_offset) = (&self.context.topic_and_partition, self.end_offset());
        let producer = self.state.producers.producer(producer_id);
        let known = producer.map_or(NO_COORDINATOR_EPOCH, ProducerStateEntry::coordinator_epoch);
        if marker.coordinator_epoch < known {
            let epoch = marker.coordinator_epoch;
            let why = format!(
                "producer {producer_id}: the coordinator of epoch {epoch} has been replaced, the last marker in {log} \
                 is of one of epoch {known}"
            );
            return Err(KafkaError::api(Errors::TransactionCoordinatorFenced, why));
        }
        let with_transaction = producer.filter(|it| it.current_txn_first_offset().is_some());
        let Some(producer) = with_transaction else {
            if high_watermark < end_offset {
                let start_offset = self.state.segments.start_offset();
                return Ok(LogAppendInfo::of_earlier(start_offset, end_offset, leader_epoch));
            }
            let why = format!("{log} has no open transaction of producer {producer_id}");
            return Err(KafkaError::api(Errors::UnsupportedForMessageFormat, why));
        };
        if producer_epoch < producer.producer_epoch() {
            let why = format!("producer {producer_id}: epoch {producer_epoch} is over in {log}");
            return Err(KafkaError::api(Errors::InvalidProducerEpoch, why));
        }
        let now_ms = self.context.time.milliseconds();
        let batch = marker.batch(end_offset.0, leader_epoch.0, now_ms.0)?;
        let appended = self.append_to_one_segment(&batch, leader_epoch)?;
        Ok(LogAppendInfo { leader_epoch, ..appended })
    }

    /// See [`Log::begin_leader_epoch`](crate::storage::log::log::Log::begin_leader_epoch).
    pub fn begin_leader_epoch(&mut self, epoch: LeaderEpoch) -> Result<Offset, KafkaError> {
        self.check_exists()?;
        let start_offset = self.end_offset();
        if self.config.message_format_magic >= MAGIC_VALUE_V2 {
            self.state.epochs.announce(epoch, start_offset);
        }
        Ok(start_offset)
    }

    /// See [`Log::append_as_follower`](crate::storage::log::log::Log::append_as_follower).
    pub fn append_as_follower(
        &mut self,
        records: &[u8],
        leader_epoch: LeaderEpoch,
    ) -> Result<LogAppendInfo, KafkaError> {
        let mut appended = self.append_to_one_segment(records, leader_epoch)?;
        while appended.record_count > 0 {
            let rest = &records[appended.valid_bytes..];
            match self.append_to_one_segment(rest, leader_epoch) {
                Ok(next) if next.record_count == 0 => break,
                Ok(next) => appended = appended.and_then(&next),
                Err(error) => {
                    let level = limited(LogKind::Failures, Level::Warn);
                    let (log, end) = (&self.context.topic_and_partition, self.end_offset());
                    log!(level, "{log} takes what it is sent up to offset {end} only: {error}");
                    break;
                }
            }
        }
        Ok(appended)
    }

    /// Appends from the front of `records` what goes into one segment.
    fn append_to_one_segment(
        &mut self,
        records: &[u8],
        leader_epoch: LeaderEpoch,
    ) -> Result<LogAppendInfo, KafkaError> {
        let (end_offset, segment_size_bytes) = (self.end_offset(), self.config.segment_size);
        let (mut info, epochs) =
            analyze_as_follower(records, end_offset, leader_epoch, segment_size_bytes)?;
        info.log_start_offset = self.state.segments.start_offset();
        if info.record_count > 0 {
            self.state.epochs.begin_given(&epochs)?;
            let now_ms = self.context.time.milliseconds();
            self.append_validated(&info, &records[..info.valid_bytes], now_ms)?;
        }
        Ok(info)
    }

    /// The batch in the log that `bytes` is a copy of. They were validated, and are a single batch
    /// if they are a producer's.
    fn find_original(&self, bytes: &[u8]) -> Result<Option<BatchMetadata>, KafkaError> {
        let Some(batch) = ProducerBatch::of(bytes) else { return Ok(None) };
        let original = self.state.producers.check(&batch)?;
        if let Some(original) = &original {
            debug!(
                "Log.append: {} already has sequence {} of producer {} at offset {}",
                self.context.topic_and_partition,
                batch.first_sequence,
                batch.producer_id,
                original.first_offset()
            );
        }
        Ok(original)
    }

    fn check_fits_into_segment(&self, bytes: &[u8]) -> Result<(), KafkaError> {
        let (size, segment_size) = (bytes.len(), self.config.segment_size);
        if size as u64 <= segment_size {
            return Ok(());
        }
        let why = format!("a set of {size} bytes is larger than a segment of {segment_size}");
        Err(KafkaError::api(Errors::RecordListTooLarge, why))
    }

    fn append_validated(
        &mut self,
        info: &LogAppendInfo,
        bytes: &[u8],
        now_ms: TimestampMs,
    ) -> Result<(), KafkaError> {
        self.check_exists()?;
        let segment = self.maybe_roll(info, now_ms)?;
        segment.append(&SegmentAppend {
            last_offset: info.last_offset,
            max_timestamp_ms: info.max_timestamp_ms,
            offset_of_max_timestamp: info.offset_of_max_timestamp,
            bytes,
        })?;
        let next_offset = info.last_offset.next();
        let state = &mut *self.state;
        state.producers.append(bytes, next_offset, now_ms);
        state.segments.expose(next_offset, &segment);
        self.owed.is_due = self.is_flush_due();
        mark!(
            "Log.append",
            "{} holds offsets {} to {} in {} bytes",
            self.context.topic_and_partition,
            info.first_offset,
            info.last_offset,
            bytes.len()
        );
        Ok(())
    }

    /// Whether `flush.messages` wait.
    fn is_flush_due(&self) -> bool {
        let unflushed = self.end_offset().saturating_sub(self.state.segments.recovery_point());
        unflushed >= self.config.flush_interval
    }

    /// The active segment, after a roll if the messages do not fit into it or its time has come.
    fn maybe_roll(
        &mut self,
        info: &LogAppendInfo,
        now_ms: TimestampMs,
    ) -> Result<Arc<LogSegment>, KafkaError> {
        let active = self.state.segments.last();
        let (size, can_hold) = (active.size(), active.can_hold(info.last_offset));
        let age_ms = now_ms.ms_since(active.created_ms());
        let size_max = self.config.segment_size;
        let is_due = size + info.valid_bytes as u64 > size_max
            || age_ms > self.config.max_segment_ms() - active.roll_jitter_ms()
            || active.indexes().is_full();
        if can_hold && (size == 0 || !is_due) {
            return Ok(active);
        }
        let (segment, log) = (active.base_offset(), &self.context.topic_and_partition);
        debug!("Log.maybeRoll: {log} rolls segment {segment} of {size} bytes, {age_ms} ms old");
        // With given offsets the log may leap over more than an index can express (KAFKA-6264).
        let end_offset = self.end_offset();
        self.roll_to(if can_hold { end_offset } else { end_offset.max(info.first_offset) })
    }

    /// See [`Log::roll`](crate::storage::log::log::Log::roll).
    pub fn roll(&mut self) -> Result<Arc<LogSegment>, KafkaError> {
        self.roll_to(self.end_offset())
    }

    /// `base_offset` is not below the log end offset.
    fn roll_to(&mut self, base_offset: Offset) -> Result<Arc<LogSegment>, KafkaError> {
        let old = self.state.segments.last();
        if old.base_offset() == base_offset {
            old.indexes().resize(self.config.max_index_size);
            return Ok(old);
        }
        let new = Arc::new(self.create_segment(base_offset)?);
        self.take_producer_snapshot(base_offset);
        let end_offset = self.end_offset();
        self.state.segments.insert(Arc::clone(&new));
        self.state.segments.expose(end_offset, &new);
        let log = &self.context.topic_and_partition;
        let level = limited(LogKind::Segments, Level::Info);
        log!(level, "rolled a new segment of {log} at offset {base_offset}");
        if old.size() == 0 {
            // It was begun for an append that failed, or the log leaps over it.
            self.state.segments.remove(old.base_offset());
            self.delete_later(&old)?;
        } else if let Err(error) = old.on_become_inactive() {
            let level = limited(LogKind::Failures, Level::Warn);
            log!(level, "segment {} of {log} keeps its unused space: {error}", old.base_offset());
            self.context.log_dir.note_error(&error);
        }
        self.owed.rolled_at = Some(base_offset);
        Ok(new)
    }

    /// Creates the files of a segment. Files that have their names are none of this log's, and make
    /// way. So do those of a segment that is created in part: the next append may fit into the one
    /// before, and a start would have the log end where the empty one begins.
    fn create_segment(&mut self, base_offset: Offset) -> Result<LogSegment, KafkaError> {
        self.check_exists()?;
        self.make_way_for_segment(base_offset)?;
        self.state.files_created += 1;
        let LogContext { dir, time, .. } = self.context;
        let created = LogSegment::open(dir, base_offset, &self.config, &**time);
        created.map_err(|error| {
            // Without appends the empty segment does no harm.
            let cleared = self.make_way_for_segment(base_offset);
            self.state.note_failure(&cleared);
            error.into()
        })
    }

    fn make_way_for_segment(&self, base_offset: Offset) -> Result<(), KafkaError> {
        let dir = &self.context.dir;
        for filename in [log_filename, index_filename, time_index_filename] {
            let path = filename(dir, base_offset);
            if path.exists() {
                let level = limited(LogKind::Failures, Level::Warn);
                log!(level, "deleting {}, which is in the way of a new segment", path.display());
                remove_if_exists(&path)?;
            }
        }
        Ok(())
    }

    /// Writes down what is known of the producers below `end_offset`, where a segment ends and the
    /// log too. Without it a recovery replays more, and loses nothing.
    fn take_producer_snapshot(&mut self, end_offset: Offset) {
        self.state.producers.advance_to(end_offset);
        if let Err(error) = self.context.log_dir.note(self.state.producers.take_snapshot()) {
            let log = &self.context.topic_and_partition;
            let level = limited(LogKind::Failures, Level::Warn);
            log!(
                level,
                "{log}: cannot write a producer snapshot; recovery will replay more: {error}"
            );
        }
    }

    /// See [`Log::delete_records_before`](crate::storage::log::log::Log::delete_records_before).
    pub fn delete_records_before(&mut self, offset: Offset) -> Result<Offset, KafkaError> {
        self.check_exists()?;
        self.state.segments.delete_before(offset);
        let start_offset = self.state.segments.start_offset();
        self.delete_segments_while(start_offset, |_| true)?;
        self.truncate_epochs_from_start();
        Ok(start_offset)
    }

    /// See [`Log::restore_start`](crate::storage::log::log::Log::restore_start).
    pub fn restore_start(&mut self, offset: Offset) -> Result<(), KafkaError> {
        if offset > self.end_offset() {
            self.truncate_fully_and_start_at(offset)?;
        }
        self.state.segments.delete_before(offset);
        self.truncate_epochs_from_start();
        Ok(())
    }

    /// See [`Log::delete_old_segments`](crate::storage::log::log::Log::delete_old_segments).
    pub fn delete_old_segments(&mut self, high_watermark: Offset) -> Result<usize, KafkaError> {
        let mut deleted = 0;
        if let Some(retention_ms) = self.config.retention_ms.ms() {
            let is_old = is_older_than(retention_ms, self.context.time.milliseconds());
            deleted += self.delete_segments_while(high_watermark, is_old)?;
        }
        let size_bytes = self.state.segments.size();
        if let Some(is_surplus) = is_surplus(size_bytes, self.config.retention_size.bytes()) {
            deleted += self.delete_segments_while(high_watermark, is_surplus)?;
        }
        Ok(deleted)
    }

    /// See [`Log::delete_segments_while`](crate::storage::log::log::Log::delete_segments_while).
    pub fn delete_segments_while(
        &mut self,
        high_watermark: Offset,
        is_deletable: impl FnMut(&LogSegment) -> bool,
    ) -> Result<usize, KafkaError> {
        if self.state.is_deleted {
            return Ok(0);
        }
        let segments = self.state.segments.snapshot();
        let count = count_deletable(&segments, self.end_offset(), high_watermark, is_deletable);
        if count == segments.len() {
            self.roll()?;
        }
        for segment in &segments[..count] {
            let (base_offset, log) = (segment.base_offset(), &self.context.topic_and_partition);
            let level = limited(LogKind::Segments, Level::Info);
            log!(
                level,
                "deleting segment {base_offset} of {log}: retention, or an admin, asks for it"
            );
            self.state.segments.remove(base_offset);
            self.delete_later(segment)?;
        }
        if count > 0 {
            self.truncate_epochs_from_start();
        }
        Ok(count)
    }

    fn truncate_epochs_from_start(&self) {
        self.state.epochs.truncate_from_start(self.state.segments.start_offset());
    }

    /// Renames the files of a segment that is no longer in the log, and deletes them after
    /// `file.delete.delay.ms`.
    fn delete_later(&self, segment: &Arc<LogSegment>) -> io::Result<()> {
        segment.change_file_suffixes("", DELETED_FILE_SUFFIX)?;
        let (segment, log_dir) = (Arc::clone(segment), Arc::clone(&self.context.log_dir));
        let delete = move || {
            if let Err(error) = segment.delete() {
                let level = limited(LogKind::Failures, Level::Warn);
                log!(level, "segment {} stays on disk: {error}", segment.base_offset());
                log_dir.note_error(&error);
            }
        };
        let delay_ms = self.config.file_delete_delay_ms;
        self.context.scheduler.schedule("delete-file", delay_ms, None, Box::new(delete));
        Ok(())
    }

    /// See [`Log::truncate_to`](crate::storage::log::log::Log::truncate_to).
    pub fn truncate_to(&mut self, target_offset: Offset) -> Result<(), KafkaError> {
        let log = &self.context.topic_and_partition;
        if target_offset < Offset::FIRST {
            let why = format!("cannot truncate {log} to offset {target_offset}");
            return Err(KafkaError::api(Errors::UnknownServerError, why));
        }
        if target_offset >= self.end_offset() {
            // An epoch may have begun here of which no record was appended, and the new leader has
            // another one.
            self.state.epochs.truncate_from_end(self.end_offset());
            return Ok(());
        }
        let level = limited(LogKind::Segments, Level::Info);
        log!(level, "truncating {log} to offset {target_offset}");
        if target_offset < self.state.segments.start_offset() {
            return self.restart_at(target_offset);
        }
        let truncated = self.cut_at(target_offset);
        self.state.note_failure(&truncated);
        truncated
    }

    fn cut_at(&mut self, target_offset: Offset) -> Result<(), KafkaError> {
        // From the end on: wherever a crash stops this, the log has no hole.
        for segment in self.state.segments.snapshot().into_iter().rev() {
            if segment.base_offset() > target_offset {
                self.state.segments.remove(segment.base_offset());
                self.delete_later(&segment)?;
            }
        }
        let (state, now_ms) = (&mut *self.state, self.context.time.milliseconds());
        state.truncations += 1;
        let active = state.segments.last();
        // A batch goes as a whole, and the log must not claim what was in it below the target: the leader sends
        // that batch again, if it has it.
        let first_cut = active.translate_offset(target_offset, Position::START)?;
        let end_offset = first_cut.map_or(target_offset, |batch| batch.offset.min(target_offset));
        active.truncate_to(target_offset, self.config.max_index_size, now_ms)?;
        state.segments.truncate(end_offset, &active);
        state.epochs.truncate_from_end(end_offset);
        rebuild_producer_state(&mut state.producers, &state.segments, end_offset, now_ms)
    }

    /// See
    /// [`Log::truncate_fully_and_start_at`](crate::storage::log::log::Log::truncate_fully_and_start_at).
    pub fn truncate_fully_and_start_at(&mut self, new_offset: Offset) -> Result<(), KafkaError> {
        let log = &self.context.topic_and_partition;
        let level = limited(LogKind::Segments, Level::Info);
        log!(level, "deleting all of {log}; it continues at offset {new_offset}");
        self.restart_at(new_offset)
    }

    fn restart_at(&mut self, new_offset: Offset) -> Result<(), KafkaError> {
        let restarted = self.replace_all_by_one_at(new_offset);
        // The segments may hold files that will be deleted: nothing may be appended to them.
        self.state.note_failure(&restarted);
        restarted
    }

    fn replace_all_by_one_at(&mut self, new_offset: Offset) -> Result<(), KafkaError> {
        self.state.truncations += 1;
        for segment in self.state.segments.snapshot() {
            self.delete_later(&segment)?;
        }
        let segment = Arc::new(self.create_segment(new_offset)?);
        self.state.segments.restart(&segment);
        self.state.epochs.cache.clear_and_flush()?;
        Ok(self.state.producers.truncate_fully_and_start_at(new_offset)?)
    }

    /// See [`SegmentsWriter::expect_replacement`].
    pub fn expect_swap(&mut self, replaced: &[Arc<LogSegment>]) {
        self.state.segments.expect_replacement(replaced);
    }

    /// Puts `cleaned`, whose files are marked as whole, in the place of `replaced`. Returns whether
    /// it did: not if the log has lost one of them, or appends to it again.
    ///
    /// Once the map has changed nothing fails any more: the next start finishes what the disk
    /// refuses.
    pub fn swap_in(&mut self, cleaned: &Arc<LogSegment>, replaced: &[Arc<LogSegment>]) -> bool {
        if !self.state.segments.replace(cleaned, replaced) {
            return false;
        }
        let log = &self.context.topic_and_partition;
        for old in replaced {
            if let Err(error) = self.delete_later(old) {
                let segment = old.base_offset();
                warn!("the cleaned segment {segment} of {log} stays on disk: {error}");
                self.context.log_dir.note_error(&error);
            }
        }
        if let Err(error) = cleaned.change_file_suffixes(SWAP_FILE_SUFFIX, "") {
            let segment = cleaned.base_offset();
            warn!("segment {segment} of {log} gets its name at the next start: {error}");
            self.context.log_dir.note_error(&error);
        }
        true
    }

    /// What has to be done to have everything below `offset` on disk, when the names of the first
    /// `files_synced` segments are. `None` if it is, or the log was deleted.
    pub fn begin_flush(&self, offset: Offset, files_synced: u64) -> Option<LogFlush> {
        let LogState { segments, files_created, truncations, is_deleted, .. } = &*self.state;
        let recovery_point = segments.recovery_point();
        if offset <= recovery_point || *is_deleted {
            return None;
        }
        let log = &self.context.topic_and_partition;
        debug!("Log.flush: {log} from offset {recovery_point} to {offset}");
        Some(LogFlush {
            offset,
            segments: segments.between(recovery_point, offset),
            syncs_directory: files_synced < *files_created,
            files_created: *files_created,
            truncations: *truncations,
        })
    }

    /// Takes notice of a flush that succeeded. If the log was truncated meanwhile, what it holds now below the
    /// offset may be other messages, which nobody has flushed.
    pub fn end_flush(&mut self, flush: &LogFlush) {
        if flush.truncations == self.state.truncations {
            self.state.segments.advance_recovery_point(flush.offset);
        }
    }

    /// Whether the log was deleted, as it may be while it is flushed.
    pub fn is_deleted(&self) -> bool {
        self.state.is_deleted
    }

    /// See [`Log::close`](crate::storage::log::log::Log::close).
    pub fn close(&mut self) -> Result<(), KafkaError> {
        self.take_producer_snapshot(self.end_offset());
        Ok(self.state.segments.last().close()?)
    }

    /// See [`Log::delete`](crate::storage::log::log::Log::delete).
    pub fn delete(&mut self) -> Result<(), KafkaError> {
        self.check_exists()?;
        let LogContext { dir, topic_and_partition, scheduler, .. } = self.context;
        let doomed =
            dir.with_file_name(deleted_directory_name(topic_and_partition, &random_uuid()?));
        // What is still to be written of the epochs must not reach the next log of this name.
        self.state.epochs.cache.close();
        let renamed = fs::rename(dir, &doomed).map_err(failed("rename", dir));
        renamed.inspect_err(|_| self.state.epochs.cache.reopen())?;
        self.state.is_deleted = true;
        let remove = {
            let (doomed, log_dir) = (doomed.clone(), Arc::clone(&self.context.log_dir));
            move || match remove_directory_if_exists(&doomed) {
                Ok(()) => {
                    log!(limited(LogKind::Topics, Level::Info), "removed {}", doomed.display());
                }
                Err(error) => {
                    let level = limited(LogKind::Failures, Level::Warn);
                    log!(level, "{} stays on disk until the next start: {error}", doomed.display());
                    log_dir.note_error(&error);
                }
            }
        };
        let delay_ms = self.config.file_delete_delay_ms;
        scheduler.schedule("kafka-delete-logs", delay_ms, None, Box::new(remove));
        Ok(doomed.parent().map_or(Ok(()), sync_directory)?)
    }

    fn check_exists(&self) -> Result<(), KafkaError> {
        match self.state.is_deleted {
            false => Ok(()),
            true => {
                let why = format!("{} was deleted", self.context.topic_and_partition);
                Err(KafkaError::api(Errors::UnknownTopicOrPartition, why))
            }
        }
    }

    fn end_offset(&self) -> Offset {
        self.state.segments.end().message_offset
    }
}
