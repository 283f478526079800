//! Port of the half of `kafka.log.Log` that makes durable: flushes, and the close.

use std::sync::Weak;
use std::sync::atomic::Ordering;

use log::{debug, warn};

use crate::common::errors::KafkaError;
use crate::config::log_config::LogConfig;
use crate::storage::files::file_io::sync_directory;
use crate::storage::log::log::Log;

impl Log {
    /// Makes the whole log durable. Only this counts as a flush for `flush.ms`: what a roll flushes
    /// leaves out the active segment.
    ///
    /// # Errors
    /// `Io`, with the path; then the recovery point stays.
    pub fn flush(&self) -> Result<(), KafkaError> {
        let started_ms = self.time.milliseconds();
        self.flush_to(self.log_end_offset())?;
        self.last_flush_ms.store(started_ms, Ordering::Release);
        Ok(())
    }

    pub(crate) fn flush_if_due(&self, config: &LogConfig) -> Result<(), KafkaError> {
        let unflushed = self.log_end_offset().saturating_sub(self.recovery_point());
        if unflushed >= config.flush_interval { self.flush() } else { Ok(()) }
    }

    pub(crate) fn flush_later(&self, offset: i64) {
        let this = Weak::clone(&self.this);
        let flush = move || {
            let Some(log) = this.upgrade() else { return };
            if let Err(error) = log.flush_to(offset) {
                warn!("cannot flush {} up to offset {offset}: {error}", log.topic_and_partition);
            }
        };
        self.scheduler.schedule("flush-log", 0, None, Box::new(flush));
    }

    /// Makes everything below `offset` durable: the files, and the names of those that are new
    /// (KAFKA-3968).
    fn flush_to(&self, offset: i64) -> Result<(), KafkaError> {
        let recovery_point = self.recovery_point();
        if offset <= recovery_point || self.is_deleted() {
            return Ok(());
        }
        debug!("Log.flush: {} from offset {recovery_point} to {offset}", self.topic_and_partition);
        for segment in self.segments.between(recovery_point, offset) {
            segment.flush()?;
        }
        if self.is_directory_sync_owed.swap(false, Ordering::AcqRel) {
            sync_directory(&self.dir).inspect_err(|_| {
                self.is_directory_sync_owed.store(true, Ordering::Release);
            })?;
        }
        // The log may have been truncated meanwhile.
        let _lock = self.lock();
        self.recovery_point.fetch_max(offset.min(self.log_end_offset()), Ordering::AcqRel);
        Ok(())
    }

    /// Gives back what the files have beyond their content, and writes down what is known of the
    /// producers, so that nothing has to be read at the next start. To be done after a flush, when
    /// the broker stops.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub fn close(&self) -> Result<(), KafkaError> {
        let _lock = self.lock();
        self.take_producer_snapshot(self.log_end_offset());
        Ok(self.segments.last().on_become_inactive()?)
    }
}
