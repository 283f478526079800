//! Port of the half of `kafka.log.Log` that takes away: retention, truncation, deletion.
//!
//! What leaves the log leaves the map of segments first. Its files are renamed, and deleted later
//! or with the last slice that is still being sent, whichever comes last.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use log::{info, warn};

use crate::common::errors::{Errors, KafkaError};
use crate::common::uuid::random_uuid;
use crate::storage::files::file_io::{failed, sync_directory};
use crate::storage::files::log_file_names::{DELETED_FILE_SUFFIX, deleted_directory_name};
use crate::storage::log::log::Log;
use crate::storage::log::log_segment::LogSegment;

impl Log {
    /// The first offset that is served, or where it would be.
    pub fn log_start_offset(&self) -> i64 {
        self.segments.first().base_offset().max(self.deleted_before.load(Ordering::Acquire))
    }

    /// Port of `Log.maybeIncrementLogStartOffset`: the log begins at `offset` from now on, unless
    /// it begins above it already. Segments that lie below are deleted; the rest of the one that
    /// holds `offset` stays on disk until retention takes it. Returns where the log begins.
    ///
    /// Whoever calls owes the disk the new start: see
    /// [`checkpoint_log_start_offsets`](crate::storage::log_manager::LogManager::checkpoint_log_start_offsets).
    ///
    /// # Errors
    /// `OFFSET_OUT_OF_RANGE` above the high watermark; `Io`, with the path.
    pub fn delete_records_before(&self, offset: i64) -> Result<i64, KafkaError> {
        let high_watermark = self.high_watermark();
        if offset > high_watermark {
            let log = &self.topic_and_partition;
            let why =
                format!("{log} cannot begin at {offset}, above its watermark {high_watermark}");
            return Err(KafkaError::api(Errors::OffsetOutOfRange, why));
        }
        {
            let _lock = self.lock();
            self.check_exists()?;
            self.deleted_before.fetch_max(offset, Ordering::AcqRel);
        }
        let start = self.log_start_offset();
        self.delete_segments_while(start, |_| true)?;
        Ok(start)
    }

    /// What a restart owes to [`delete_records_before`](Self::delete_records_before): the log
    /// begins at `offset` again. If a crash took the messages from there on, the log goes on at
    /// `offset`: those below stay deleted.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub(crate) fn restore_start(&self, offset: i64) -> Result<(), KafkaError> {
        if offset > self.log_end_offset() {
            self.truncate_fully_and_start_at(offset)?;
        }
        self.deleted_before.fetch_max(offset, Ordering::AcqRel);
        Ok(())
    }

    /// Whether the log was deleted: who still holds it may read on, and nothing else.
    pub(crate) fn is_deleted(&self) -> bool {
        self.is_deleted.load(Ordering::Acquire)
    }

    /// To be asked under the lock by whoever makes files: they would be those of the next log of
    /// this name.
    pub(crate) fn check_exists(&self) -> Result<(), KafkaError> {
        match self.is_deleted() {
            false => Ok(()),
            true => {
                let why = format!("{} was deleted", self.topic_and_partition);
                Err(KafkaError::api(Errors::UnknownTopicOrPartition, why))
            }
        }
    }

    /// What is below may be deleted by retention: the high watermark as it was last told, but never
    /// beyond the end.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark.load(Ordering::Acquire).min(self.log_end_offset())
    }

    /// Tells the log its high watermark. Owed by whoever replicates it, for retention must not go
    /// beyond (KAFKA-5634).
    pub fn update_high_watermark(&self, high_watermark: i64) {
        self.high_watermark.store(high_watermark, Ordering::Release);
    }

    /// Deletes the oldest segments, as the settings for retention by time and by size say, but
    /// nothing that is not below `high_watermark` (KAFKA-5634). Returns how many.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub fn delete_old_segments(&self, high_watermark: i64) -> Result<usize, KafkaError> {
        let config = self.config();
        let mut deleted = 0;
        if let Some(retention_ms) = config.retention_ms.ms() {
            let now_ms = self.time.milliseconds();
            let is_old = |segment: &LogSegment| {
                let age_ms = segment.last_written_ms().map(|it| now_ms.saturating_sub(it));
                age_ms.unwrap_or_else(|error| {
                    warn!("the age of a segment is not known, so it stays: {error}");
                    0
                }) > retention_ms
            };
            deleted += self.delete_segments_while(high_watermark, is_old)?;
        }
        let limit = config.retention_size.bytes();
        if let Some(mut surplus) = limit.and_then(|limit| self.size().checked_sub(limit)) {
            let is_surplus = |segment: &LogSegment| {
                let rest = surplus.checked_sub(segment.size());
                surplus = rest.unwrap_or(surplus);
                rest.is_some()
            };
            deleted += self.delete_segments_while(high_watermark, is_surplus)?;
        }
        Ok(deleted)
    }

    /// Deletes segments from the oldest on, as long as `is_deletable` says so and they are below
    /// `high_watermark`. If none would be left, a new one is rolled first; an empty active one is
    /// never deleted. Returns how many.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub fn delete_segments_while(
        &self,
        high_watermark: i64,
        mut is_deletable: impl FnMut(&LogSegment) -> bool,
    ) -> Result<usize, KafkaError> {
        let _lock = self.lock();
        if self.is_deleted() {
            return Ok(0);
        }
        let segments = self.segments.snapshot();
        let ends = segments.iter().skip(1).map(|next| next.base_offset());
        let ends = ends.chain(std::iter::once(self.log_end_offset()));
        let active = self.segments.last().base_offset();
        let deletable = segments.iter().zip(ends).take_while(|(segment, end)| {
            let is_idle = segment.base_offset() == active && segment.size() == 0;
            *end <= high_watermark && !is_idle && is_deletable(segment)
        });
        let count = deletable.count();
        if count == segments.len() {
            self.roll_to(&self.config(), self.log_end_offset())?;
        }
        for segment in &segments[..count] {
            info!(
                "deleting segment {} of {}: retention, or an admin, says so",
                segment.base_offset(),
                self.topic_and_partition
            );
            self.segments.remove(segment.base_offset());
            self.delete_later(segment)?;
        }
        Ok(count)
    }

    /// Renames the files of a segment that is no longer in the log, and deletes them after a while.
    pub(crate) fn delete_later(&self, segment: &Arc<LogSegment>) -> Result<(), KafkaError> {
        segment.change_file_suffixes("", DELETED_FILE_SUFFIX)?;
        let segment = Arc::clone(segment);
        let delete = move || {
            if let Err(error) = segment.delete() {
                warn!("segment {} stays on disk: {error}", segment.base_offset());
            }
        };
        let delay_ms = self.config().file_delete_delay_ms;
        self.scheduler.schedule("delete-file", delay_ms, None, Box::new(delete));
        Ok(())
    }

    /// Cuts the log so that `target_offset` is its end. An offset at or above the end changes
    /// nothing.
    ///
    /// # Errors
    /// `UNKNOWN_SERVER_ERROR` for a negative offset; `Io`, with the path.
    pub fn truncate_to(&self, target_offset: i64) -> Result<(), KafkaError> {
        if target_offset < 0 {
            let why =
                format!("cannot truncate {} to offset {target_offset}", self.topic_and_partition);
            return Err(KafkaError::api(Errors::UnknownServerError, why));
        }
        let _lock = self.lock();
        if target_offset >= self.log_end_offset() {
            return Ok(());
        }
        info!("truncating {} to offset {target_offset}", self.topic_and_partition);
        if target_offset < self.log_start_offset() {
            return self.restart_at(target_offset);
        }
        for segment in self.segments.snapshot() {
            if segment.base_offset() > target_offset {
                self.segments.remove(segment.base_offset());
                self.delete_later(&segment)?;
            }
        }
        let active = self.segments.last();
        let max_index_size = self.config().max_index_size;
        active.truncate_to(target_offset, max_index_size, self.time.milliseconds())?;
        self.expose(target_offset, &active);
        self.recovery_point.fetch_min(target_offset, Ordering::AcqRel);
        self.rebuild_producers(target_offset)
    }

    /// Deletes everything, and goes on at `new_offset`.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub fn truncate_fully_and_start_at(&self, new_offset: i64) -> Result<(), KafkaError> {
        let _lock = self.lock();
        info!("deleting all of {}; it goes on at offset {new_offset}", self.topic_and_partition);
        self.restart_at(new_offset)
    }

    /// The caller holds the lock.
    fn restart_at(&self, new_offset: i64) -> Result<(), KafkaError> {
        for segment in self.segments.snapshot() {
            self.delete_later(&segment)?;
        }
        let segment = Arc::new(self.create_segment(&self.config(), new_offset)?);
        self.segments.replace_all(Arc::clone(&segment));
        self.deleted_before.fetch_min(new_offset, Ordering::AcqRel);
        self.expose(new_offset, &segment);
        self.recovery_point.fetch_min(new_offset, Ordering::AcqRel);
        self.forget_producers(new_offset)
    }

    /// Deletes the log. Its directory gets a name that no log has, so that another log may have its
    /// own at once, and is removed after `file.delete.delay.ms`, or by the next start. Who holds a
    /// slice can go on to send it; an append fails.
    ///
    /// # Errors
    /// `Io`, with the path, and then the log is not deleted.
    pub fn delete(&self) -> Result<(), KafkaError> {
        let _lock = self.lock();
        self.check_exists()?;
        let name = deleted_directory_name(&self.topic_and_partition, &random_uuid()?);
        let doomed = self.dir.with_file_name(name);
        fs::rename(&self.dir, &doomed).map_err(failed("rename", &self.dir))?;
        self.is_deleted.store(true, Ordering::Release);
        let delay_ms = self.config().file_delete_delay_ms;
        let remove = {
            let doomed = doomed.clone();
            move || match fs::remove_dir_all(&doomed) {
                Ok(()) => info!("removed {}", doomed.display()),
                Err(error) => {
                    warn!("{} stays on disk until the next start: {error}", doomed.display())
                }
            }
        };
        self.scheduler.schedule("kafka-delete-logs", delay_ms, None, Box::new(remove));
        Ok(doomed.parent().map_or(Ok(()), sync_directory)?)
    }
}
