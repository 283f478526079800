//! Port of the half of `org.apache.kafka.storage.internals.log.UnifiedLog` that keeps the state of
//! idempotent producers: `analyzeAndValidateProducerState`, `rebuildProducerState`.

use std::sync::MutexGuard;

use log::debug;
use log::warn;

use crate::common::errors::KafkaError;
use crate::message::byte_buffer_message_set::shallow_entries;
use crate::message::timestamp_type::NO_TIMESTAMP;
use crate::storage::log::log::Log;
use crate::storage::log::log_append::LogAppendInfo;
use crate::storage::log::producer_state_recovery::rebuild_producer_state;
use crate::storage::producers::producer_state_entry::{ProducerBatch, ProducerStateEntry};
use crate::storage::producers::producer_state_manager::ProducerStateManager;

impl Log {
    /// Whether `bytes`, which were validated and are a single batch if they are a producer's, are
    /// in the log already. Then what is returned tells where; nothing of it is to be written. The
    /// caller holds the lock.
    ///
    /// # Errors
    /// Those of [`ProducerStateManager::check`].
    pub(crate) fn find_duplicate(
        &self,
        info: &LogAppendInfo,
        bytes: &[u8],
    ) -> Result<Option<LogAppendInfo>, KafkaError> {
        let Some(batch) = ProducerBatch::of(bytes) else { return Ok(None) };
        let Some(original) = self.producer_state().check(&batch)? else { return Ok(None) };
        debug!(
            "Log.append: {} has sequence {} of producer {} already, at offset {}",
            self.topic_and_partition,
            batch.first_sequence,
            batch.producer_id,
            original.first_offset()
        );
        let is_stamped = info.log_append_time_ms != NO_TIMESTAMP;
        Ok(Some(LogAppendInfo {
            first_offset: original.first_offset(),
            last_offset: original.last_offset,
            log_append_time_ms: if is_stamped { original.timestamp_ms } else { NO_TIMESTAMP },
            ..LogAppendInfo::empty(info.log_start_offset)
        }))
    }

    /// Takes notice of `bytes`, which are in the log now and end before `next_offset`. The caller
    /// holds the lock.
    pub(crate) fn update_producers(&self, bytes: &[u8], next_offset: i64, now_ms: i64) {
        let mut state = self.producer_state();
        for entry in shallow_entries(bytes).map_while(Result::ok) {
            if let Some(batch) = ProducerBatch::of(entry.bytes) {
                state.update(&batch, now_ms);
            }
        }
        state.advance_to(next_offset);
    }

    /// Writes down what is known of the producers below `end_offset`, where a segment ends and the
    /// log too. If that fails there is more to read after a crash, and nothing else is lost. The
    /// caller holds the lock.
    pub(crate) fn take_producer_snapshot(&self, end_offset: i64) {
        let mut state = self.producer_state();
        state.advance_to(end_offset);
        if let Err(error) = state.take_snapshot() {
            warn!("{} goes on with a snapshot less: {error}", self.topic_and_partition);
        }
    }

    /// Goes back to what was known when the log ended at `end_offset`, where it ends again. The
    /// caller holds the lock.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub(crate) fn rebuild_producers(&self, end_offset: i64) -> Result<(), KafkaError> {
        let now_ms = self.time.milliseconds();
        rebuild_producer_state(&mut self.producer_state(), &self.segments, end_offset, now_ms)
    }

    /// Forgets all producers: the log goes on at `new_offset`, without what it held. The caller
    /// holds the lock.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub(crate) fn forget_producers(&self, new_offset: i64) -> Result<(), KafkaError> {
        Ok(self.producer_state().truncate_fully_and_start_at(new_offset)?)
    }

    /// Forgets the producers that have not appended to this log for `expiration_ms`.
    pub fn remove_expired_producers(&self, expiration_ms: i64) {
        let _lock = self.lock();
        let removed = self.producer_state().remove_expired(self.time.milliseconds(), expiration_ms);
        if removed > 0 {
            debug!("{} has forgotten {removed} producers", self.topic_and_partition);
        }
    }

    /// What the log knows of a producer.
    pub fn producer(&self, producer_id: i64) -> Option<ProducerStateEntry> {
        self.producer_state().producer(producer_id).cloned()
    }

    /// The highest id of a producer that the log knows.
    pub fn highest_producer_id(&self) -> Option<i64> {
        self.producer_state().highest_producer_id()
    }

    fn producer_state(&self) -> MutexGuard<'_, ProducerStateManager> {
        self.producer_state.lock().expect("no thread panics while it holds the producers")
    }
}
