//! Port of `org.apache.kafka.storage.internals.log.ProducerStateManager` and `ProducerAppendInfo`:
//! what a log knows of its idempotent producers, so that a batch that is sent twice is kept once.
//!
//! The state is a function of the log: it follows from the headers of all batches below an offset.
//! Snapshots in the log's directory only spare reading from the beginning.

use std::collections::BTreeSet;
use std::collections::hash_map::Entry;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::{debug, warn};

use crate::common::errors::{Errors, KafkaError};
use crate::common::units::{Offset, TimestampMs};
use crate::message::byte_buffer_message_set::shallow_entries;
use crate::storage::files::file_io::remove_if_exists;
use crate::storage::files::log_file_names::producer_snapshot_filename;
use crate::storage::producers::producer_snapshot::{Producers, read_snapshot, write_snapshot};
use crate::storage::producers::producer_state_entry::{
    BatchMetadata, ProducerBatch, ProducerStateEntry,
};
use crate::storage::producers::transaction_bounds::TransactionBounds;

/// How many snapshots are kept: should a crash have torn the newest, there is the one before.
const SNAPSHOTS_TO_RETAIN: usize = 2;

/// The producers of one log.
#[derive(Debug)]
pub struct ProducerStateManager {
    /// The log's directory.
    dir: PathBuf,
    producers: Producers,
    /// Kafka's `mapEndOffset`: the state is that of the log below this offset.
    end_offset: Offset,
    /// The offsets of the snapshots in the directory: the state below each.
    snapshots: BTreeSet<Offset>,
    transactions: Arc<TransactionBounds>,
}

impl ProducerStateManager {
    /// The state of an empty log, and the offsets of the snapshots that lie in `dir`, not yet looked
    /// at.
    pub fn new(dir: &Path, snapshots: BTreeSet<Offset>) -> Self {
        Self {
            dir: dir.to_path_buf(),
            producers: Producers::new(),
            end_offset: Offset::FIRST,
            snapshots,
            transactions: Arc::default(),
        }
    }

    /// Where the transactions stand that were appended. Says nothing of what a snapshot stands for.
    pub fn transactions(&self) -> &Arc<TransactionBounds> {
        &self.transactions
    }

    /// Whether a producer may append `batch` now. Costs the same however much was appended before.
    ///
    /// `Some` is the batch that this one is a copy of: it must not be appended again, and the
    /// producer gets the offset of the first time. An unknown producer may begin with any sequence
    /// number, as in Kafka since 2.5: its records may have been deleted.
    ///
    /// # Errors
    /// `INVALID_PRODUCER_EPOCH` for an epoch that is over; `OUT_OF_ORDER_SEQUENCE_NUMBER` if a
    /// batch is missing before this one, or a new epoch does not begin at 0.
    pub fn check(&self, batch: &ProducerBatch) -> Result<Option<BatchMetadata>, KafkaError> {
        let Some(entry) = self.producers.get(&batch.producer_id) else { return Ok(None) };
        if let Some(original) = entry.find_duplicate_batch(batch) {
            return Ok(Some(*original));
        }
        let ProducerBatch { producer_id, producer_epoch, first_sequence, .. } = *batch;
        let current_epoch = entry.producer_epoch();
        let (error, why) = if producer_epoch < current_epoch {
            (Errors::InvalidProducerEpoch, format!("epoch {producer_epoch}, now {current_epoch}"))
        } else if producer_epoch > current_epoch && first_sequence != 0 {
            let why = format!("new epoch {producer_epoch} begins at {first_sequence}, not at 0");
            (Errors::OutOfOrderSequenceNumber, why)
        } else if producer_epoch == current_epoch && !entry.is_in_sequence(first_sequence) {
            let why = format!("sequence {first_sequence} after {}", entry.last_sequence());
            (Errors::OutOfOrderSequenceNumber, why)
        } else {
            return Ok(None);
        };
        Err(KafkaError::api(error, format!("producer {producer_id}: {why}")))
    }

    /// Takes notice of `entries`, whole ones, which were appended to the log and end before
    /// `end_offset`. `now_ms` is the broker's clock.
    pub fn append(&mut self, entries: &[u8], end_offset: Offset, now_ms: TimestampMs) {
        for entry in shallow_entries(entries).map_while(Result::ok) {
            if let Some(batch) = ProducerBatch::of(entry.bytes) {
                self.update(&batch, now_ms);
            }
        }
        self.advance_to(end_offset);
    }

    /// Takes notice of a batch that is in the log. `now_ms` is when it was appended, by the
    /// broker's clock, unless the batch bears that time itself.
    pub fn update(&mut self, batch: &ProducerBatch, now_ms: TimestampMs) {
        let timestamp_ms = batch.log_append_time_ms.unwrap_or(now_ms);
        let ProducerBatch { producer_id, producer_epoch, offset_delta, .. } = *batch;
        let entry = match self.producers.entry(producer_id) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(place) => {
                place.insert(ProducerStateEntry::new(producer_epoch, timestamp_ms))
            }
        };
        match (batch.is_transactional, batch.is_control) {
            (true, true) => entry.end_transaction(batch.coordinator_epoch),
            (true, false) => {
                entry.note_transaction(batch.first_offset);
                self.transactions.note(batch.last_offset().next());
            }
            (false, _) => (),
        }
        if batch.first_sequence < 0 {
            entry.update_epoch(producer_epoch, timestamp_ms);
            return;
        }
        let (last_sequence, last_offset) = (batch.last_sequence(), batch.last_offset());
        let appended = BatchMetadata { last_sequence, last_offset, offset_delta, timestamp_ms };
        entry.add_batch(producer_epoch, appended);
    }

    /// All batches of producers below `end_offset` have been taken notice of.
    pub fn advance_to(&mut self, end_offset: Offset) {
        self.end_offset = end_offset;
    }

    /// The state is that of the log below this offset.
    pub fn end_offset(&self) -> Offset {
        self.end_offset
    }

    pub fn producer(&self, producer_id: i64) -> Option<&ProducerStateEntry> {
        self.producers.get(&producer_id)
    }

    /// How many producers are known.
    pub fn count(&self) -> usize {
        self.producers.len()
    }

    pub fn highest_producer_id(&self) -> Option<i64> {
        self.producers.keys().copied().max()
    }

    /// Forgets the producers that have not appended for `expiration_ms`, unless they have a transaction open.
    /// Returns how many.
    pub fn remove_expired(&mut self, now_ms: TimestampMs, expiration_ms: i64) -> usize {
        let before = self.producers.len();
        let is_alive = |entry: &ProducerStateEntry| {
            entry.current_txn_first_offset().is_some()
                || now_ms.ms_since(entry.last_timestamp_ms()) < expiration_ms
        };
        self.producers.retain(|_, entry| is_alive(entry));
        before - self.producers.len()
    }

    /// Writes the state down, if that was not done at this offset already. An empty state counts as
    /// well: it says that there is nothing to be found below.
    ///
    /// # Errors
    /// `Io`, with the path. Then the snapshots before stay.
    pub fn take_snapshot(&mut self) -> Result<(), KafkaError> {
        if self.end_offset == Offset::FIRST || self.snapshots.contains(&self.end_offset) {
            return Ok(());
        }
        let path = producer_snapshot_filename(&self.dir, self.end_offset);
        write_snapshot(&path, &self.producers)?;
        self.snapshots.insert(self.end_offset);
        debug!("ProducerStateManager.takeSnapshot: {}", path.display());
        while self.snapshots.len() > SNAPSHOTS_TO_RETAIN {
            let Some(oldest) = self.snapshots.pop_first() else { break };
            remove_if_exists(&producer_snapshot_filename(&self.dir, oldest))?;
        }
        Ok(())
    }

    /// Goes back to the newest snapshot between the two offsets, or to nothing; what was known is
    /// forgotten. [`end_offset`](Self::end_offset) is then that of the snapshot.
    ///
    /// Snapshots of what the log does not hold are deleted: beyond its end they would be taken for
    /// the truth once it has grown again, and between one before its start and the log there may
    /// have been more.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub fn load_snapshot(
        &mut self,
        start_offset: Offset,
        end_offset: Offset,
    ) -> Result<(), KafkaError> {
        self.producers.clear();
        self.end_offset = start_offset;
        while let Some(newest) = self.snapshots.last().copied() {
            let path = producer_snapshot_filename(&self.dir, newest);
            if (start_offset..=end_offset).contains(&newest) {
                match read_snapshot(&path) {
                    Ok(producers) => {
                        self.producers = producers;
                        self.end_offset = newest;
                        return Ok(());
                    }
                    Err(KafkaError::Io(error)) => return Err(error.into()),
                    Err(corrupt) => warn!("ignoring a producer snapshot: {corrupt}"),
                }
            }
            remove_if_exists(&path)?;
            self.snapshots.remove(&newest);
        }
        Ok(())
    }

    /// Forgets everything, the snapshots too: the log begins anew at `offset`.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub fn truncate_fully_and_start_at(&mut self, offset: Offset) -> io::Result<()> {
        self.producers.clear();
        self.end_offset = offset;
        while let Some(newest) = self.snapshots.last().copied() {
            remove_if_exists(&producer_snapshot_filename(&self.dir, newest))?;
            self.snapshots.remove(&newest);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: TimestampMs = TimestampMs(1_000);
    const EPOCH: i16 = 3;

    /// A state without a directory, which is what the tests below need.
    fn empty() -> ProducerStateManager {
        let (producers, snapshots) = (Producers::new(), BTreeSet::new());
        ProducerStateManager { producers, ..ProducerStateManager::new(&PathBuf::new(), snapshots) }
    }

    fn batch(producer_epoch: i16, first_sequence: i32, first_offset: i64) -> ProducerBatch {
        ProducerBatch {
            producer_id: 7,
            producer_epoch,
            first_sequence,
            first_offset: Offset(first_offset),
            offset_delta: 9,
            log_append_time_ms: None,
            is_transactional: false,
            is_control: false,
            coordinator_epoch: None,
        }
    }

    /// A producer that appended ten records, with the sequence numbers 0 to 9.
    fn with_ten_records() -> ProducerStateManager {
        let mut state = empty();
        state.update(&batch(EPOCH, 0, 100), NOW_MS);
        state
    }

    fn error_of(state: &ProducerStateManager, batch: &ProducerBatch) -> Errors {
        state.check(batch).unwrap_err().code()
    }

    #[test]
    fn the_next_batch_may_be_appended() {
        assert_eq!(with_ten_records().check(&batch(EPOCH, 10, 0)).unwrap(), None);
    }

    #[test]
    fn a_duplicate_is_answered_with_the_offset_of_the_original() {
        let original = with_ten_records().check(&batch(EPOCH, 0, 0)).unwrap().unwrap();
        assert_eq!((original.first_offset(), original.last_offset), (Offset(100), Offset(109)));
        assert_eq!(original.timestamp_ms, NOW_MS);
    }

    #[test]
    fn a_gap_is_out_of_order_and_so_is_what_lies_before() {
        for first_sequence in [1, 9, 11, 20, i32::MAX] {
            let error = error_of(&with_ten_records(), &batch(EPOCH, first_sequence, 0));
            assert_eq!(error, Errors::OutOfOrderSequenceNumber, "{first_sequence}");
        }
    }

    #[test]
    fn an_older_epoch_is_refused_whatever_its_sequence() {
        for first_sequence in [0, 10, 11] {
            let error = error_of(&with_ten_records(), &batch(EPOCH - 1, first_sequence, 0));
            assert_eq!(error, Errors::InvalidProducerEpoch, "{first_sequence}");
        }
    }

    #[test]
    fn a_newer_epoch_begins_at_0_and_ends_the_older() {
        let mut state = with_ten_records();
        let error = error_of(&state, &batch(EPOCH + 1, 10, 0));
        assert_eq!(error, Errors::OutOfOrderSequenceNumber);
        assert_eq!(state.check(&batch(EPOCH + 1, 0, 0)).unwrap(), None);
        state.update(&batch(EPOCH + 1, 0, 110), NOW_MS);
        assert_eq!(error_of(&state, &batch(EPOCH, 0, 0)), Errors::InvalidProducerEpoch);
        assert_eq!(state.check(&batch(EPOCH + 1, 10, 0)).unwrap(), None);
    }

    #[test]
    fn a_producer_that_is_not_known_may_begin_anywhere() {
        let mut state = with_ten_records();
        let stranger = ProducerBatch { producer_id: 8, ..batch(0, 500, 0) };
        assert_eq!(state.check(&stranger).unwrap(), None);
        state.update(&stranger, NOW_MS);
        let error = error_of(&state, &ProducerBatch { first_sequence: 520, ..stranger });
        assert_eq!(error, Errors::OutOfOrderSequenceNumber);
        assert_eq!(state.check(&batch(EPOCH, 10, 0)).unwrap(), None, "each has its own count");
    }

    #[test]
    fn after_the_highest_sequence_comes_0() {
        let mut state = empty();
        state.update(&batch(EPOCH, i32::MAX - 9, 0), NOW_MS);
        assert_eq!(error_of(&state, &batch(EPOCH, 1, 0)), Errors::OutOfOrderSequenceNumber);
        assert_eq!(state.check(&batch(EPOCH, 0, 0)).unwrap(), None);
    }

    #[test]
    fn the_mark_of_a_transaction_moves_the_epoch_and_counts_no_record() {
        let mut state = with_ten_records();
        state.update(&batch(EPOCH, -1, 110), NOW_MS);
        assert_eq!(state.check(&batch(EPOCH, 10, 0)).unwrap(), None);
        state.update(&batch(EPOCH + 1, -1, 111), NOW_MS);
        assert_eq!(error_of(&state, &batch(EPOCH, 10, 0)), Errors::InvalidProducerEpoch);
        assert_eq!(state.check(&batch(EPOCH + 1, 0, 0)).unwrap(), None);
    }

    #[test]
    fn a_producer_that_has_not_appended_for_long_is_forgotten() {
        let mut state = with_ten_records();
        assert_eq!(state.remove_expired(NOW_MS.saturating_add_ms(99), 100), 0);
        state.update(&batch(EPOCH, 10, 110), NOW_MS.saturating_add_ms(50));
        assert_eq!(
            state.remove_expired(NOW_MS.saturating_add_ms(149), 100),
            0,
            "it appended meanwhile"
        );
        assert_eq!(state.remove_expired(NOW_MS.saturating_add_ms(150), 100), 1);
        assert_eq!(state.producer(7), None);
    }
}
