//! Port of `org.apache.kafka.storage.internals.log.ProducerStateEntry`: what a partition remembers
//! of one idempotent producer, and what it is compared with: the header of a batch.
//!
//! A producer counts the records that it sends to a partition, and each batch bears the count of
//! its first record, the sequence number. That gives away a batch that was sent twice, and a gap.

use byteorder::{BigEndian, ByteOrder};

use crate::common::units::{Offset, TimestampMs};
use crate::message::end_transaction_marker::coordinator_epoch_of;
use crate::message::message_set::{MAGIC_OFFSET, OFFSET_OFFSET};
use crate::message::record_batch::{
    ATTRIBUTES_OFFSET, BASE_SEQUENCE_OFFSET, CONTROL_FLAG, LAST_OFFSET_DELTA_OFFSET,
    MAGIC_VALUE_V2, MAX_TIMESTAMP_OFFSET, PRODUCER_EPOCH_OFFSET, PRODUCER_ID_OFFSET,
    RECORD_BATCH_OVERHEAD, TIMESTAMP_TYPE_MASK, TRANSACTIONAL_FLAG,
};

/// How many batches are remembered of a producer: as many as it may have in flight.
pub const NUM_BATCHES_TO_RETAIN: usize = 5;
/// The sequence number that stands for none.
pub const NO_SEQUENCE: i32 = -1;

/// The epoch of the coordinator of a producer whose transactions have no marker.
pub const NO_COORDINATOR_EPOCH: i32 = -1;

/// What a batch says about its producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerBatch {
    /// At least 0.
    pub producer_id: i64,
    pub producer_epoch: i16,
    /// The sequence number of the first record; [`NO_SEQUENCE`] in the marks that end Kafka's
    /// transactions.
    pub first_sequence: i32,
    pub first_offset: Offset,
    /// The offset of the last record less that of the first; never negative.
    pub offset_delta: i32,
    /// When the batch was appended, in milliseconds, if it bears that time.
    pub log_append_time_ms: Option<TimestampMs>,
    /// Whether it belongs to a transaction, as records or as the marker of its end.
    pub is_transactional: bool,
    /// Whether it is a broker's marker.
    pub is_control: bool,
    /// Of a marker: which epoch the coordinator had that decided upon it.
    pub coordinator_epoch: Option<i32>,
}

impl ProducerBatch {
    /// Reads the first [`RECORD_BATCH_OVERHEAD`] bytes of an entry, and all of a marker, if they are there. `None` if
    /// it is no batch of an idempotent producer.
    pub fn of(entry: &[u8]) -> Option<Self> {
        let header = entry.get(..RECORD_BATCH_OVERHEAD)?;
        let producer_id = BigEndian::read_i64(&header[PRODUCER_ID_OFFSET..]);
        let attributes = BigEndian::read_i16(&header[ATTRIBUTES_OFFSET..]);
        let has_log_append_time = attributes & TIMESTAMP_TYPE_MASK != 0;
        let is_transactional = attributes & TRANSACTIONAL_FLAG != 0;
        let is_control = attributes & CONTROL_FLAG != 0;
        (header[MAGIC_OFFSET] == MAGIC_VALUE_V2 && producer_id >= 0).then(|| Self {
            producer_id,
            producer_epoch: BigEndian::read_i16(&header[PRODUCER_EPOCH_OFFSET..]),
            first_sequence: BigEndian::read_i32(&header[BASE_SEQUENCE_OFFSET..]).max(NO_SEQUENCE),
            first_offset: Offset(BigEndian::read_i64(&header[OFFSET_OFFSET..])),
            offset_delta: BigEndian::read_i32(&header[LAST_OFFSET_DELTA_OFFSET..]).max(0),
            log_append_time_ms: has_log_append_time
                .then(|| TimestampMs(BigEndian::read_i64(&header[MAX_TIMESTAMP_OFFSET..]))),
            is_transactional,
            is_control,
            coordinator_epoch: match is_transactional && is_control {
                true => coordinator_epoch_of(entry),
                false => None,
            },
        })
    }

    /// The sequence number of the last record. After `i32::MAX` comes 0.
    pub fn last_sequence(&self) -> i32 {
        increment_sequence(self.first_sequence, self.offset_delta)
    }

    pub fn last_offset(&self) -> Offset {
        self.first_offset.saturating_add(i64::from(self.offset_delta))
    }
}

/// A batch that was appended: `BatchMetadata`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchMetadata {
    pub last_sequence: i32,
    pub last_offset: Offset,
    /// The last record's offset less the first one's.
    pub offset_delta: i32,
    /// When the batch was appended, by the broker's clock, in milliseconds. (Kafka has the batch's
    /// highest timestamp here, and forgets a producer of old records as soon as it has written.)
    pub timestamp_ms: TimestampMs,
}

impl BatchMetadata {
    pub fn first_sequence(&self) -> i32 {
        decrement_sequence(self.last_sequence, self.offset_delta)
    }

    pub fn first_offset(&self) -> Offset {
        self.last_offset.saturating_add(-i64::from(self.offset_delta))
    }
}

/// A producer as one partition knows it.
///
/// Invariant: the batches are of one epoch, and in the order in which they were appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerStateEntry {
    producer_epoch: i16,
    /// When the producer last appended anything, as the batches' timestamps.
    last_timestamp_ms: TimestampMs,
    batches: [BatchMetadata; NUM_BATCHES_TO_RETAIN],
    /// How many of them are in use.
    length: usize,
    current_txn_first_offset: Option<Offset>,
    coordinator_epoch: i32,
}

impl ProducerStateEntry {
    /// A producer without a known batch.
    pub fn new(producer_epoch: i16, last_timestamp_ms: TimestampMs) -> Self {
        let batches = [BatchMetadata::default(); NUM_BATCHES_TO_RETAIN];
        Self {
            producer_epoch,
            last_timestamp_ms,
            batches,
            length: 0,
            current_txn_first_offset: None,
            coordinator_epoch: NO_COORDINATOR_EPOCH,
        }
    }

    /// Where its open transaction began, if it has one. Only a leader of Kafka's own takes records of
    /// transactions in; here they come with a copy of its log.
    pub fn current_txn_first_offset(&self) -> Option<Offset> {
        self.current_txn_first_offset
    }

    /// The transaction goes on that began at `first_offset`, or earlier.
    pub fn note_transaction(&mut self, first_offset: Offset) {
        self.current_txn_first_offset.get_or_insert(first_offset);
    }

    /// The log has the marker of its end, which a coordinator of this epoch has written, if it is known.
    pub fn end_transaction(&mut self, coordinator_epoch: Option<i32>) {
        self.current_txn_first_offset = None;
        self.coordinator_epoch = coordinator_epoch.unwrap_or(self.coordinator_epoch);
    }

    /// Of the coordinator that ended its last transaction, or [`NO_COORDINATOR_EPOCH`]. One of an older epoch has been
    /// replaced, and knows nothing of what its successor has decided.
    pub fn coordinator_epoch(&self) -> i32 {
        self.coordinator_epoch
    }

    /// As a snapshot has it.
    pub(super) fn set_coordinator_epoch(&mut self, coordinator_epoch: i32) {
        self.coordinator_epoch = coordinator_epoch;
    }

    pub fn producer_epoch(&self) -> i16 {
        self.producer_epoch
    }

    /// When it last appended, by the broker's clock, in milliseconds.
    pub fn last_timestamp_ms(&self) -> TimestampMs {
        self.last_timestamp_ms
    }

    /// Its last batches, the newest at the end.
    pub fn batches(&self) -> &[BatchMetadata] {
        &self.batches[..self.length]
    }

    /// The sequence number of its last record, or [`NO_SEQUENCE`].
    pub fn last_sequence(&self) -> i32 {
        self.batches().last().map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    /// The remembered batch that `batch` is a copy of.
    pub fn find_duplicate_batch(&self, batch: &ProducerBatch) -> Option<&BatchMetadata> {
        let range = (batch.first_sequence, batch.last_sequence());
        let has_range = |it: &&BatchMetadata| (it.first_sequence(), it.last_sequence) == range;
        if batch.producer_epoch != self.producer_epoch {
            return None;
        }
        self.batches().iter().find(has_range)
    }

    /// Whether a batch of this epoch that begins with `first_sequence` continues what there is.
    pub fn is_in_sequence(&self, first_sequence: i32) -> bool {
        first_sequence == increment_sequence(self.last_sequence(), 1)
    }

    /// Remembers a batch. The oldest makes way; all do if the epoch is another.
    pub fn add_batch(&mut self, producer_epoch: i16, batch: BatchMetadata) {
        self.update_epoch(producer_epoch, batch.timestamp_ms);
        if self.length == NUM_BATCHES_TO_RETAIN {
            self.batches.rotate_left(1);
            self.length -= 1;
        }
        self.batches[self.length] = batch;
        self.length += 1;
    }

    /// Takes notice of a batch without records of the producer's own. Batches of another epoch are
    /// forgotten; a transaction stays open, since its marker may have the next epoch already. The coordinator is the same.
    pub fn update_epoch(&mut self, producer_epoch: i16, timestamp_ms: TimestampMs) {
        if producer_epoch != self.producer_epoch {
            let Self { current_txn_first_offset, coordinator_epoch, .. } = *self;
            let new = Self::new(producer_epoch, timestamp_ms);
            *self = Self { current_txn_first_offset, coordinator_epoch, ..new };
        }
        self.last_timestamp_ms = timestamp_ms;
    }
}

/// The sequence number `increment` records after `sequence`, which is at least -1.
pub fn increment_sequence(sequence: i32, increment: i32) -> i32 {
    match sequence.checked_add(increment) {
        Some(sum) => sum,
        None => increment - (i32::MAX - sequence) - 1,
    }
}

/// The sequence number `decrement` records before `sequence`.
fn decrement_sequence(sequence: i32, decrement: i32) -> i32 {
    if sequence >= decrement { sequence - decrement } else { i32::MAX - (decrement - sequence) + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(first_sequence: i32, count: i32, first_offset: i64) -> ProducerBatch {
        ProducerBatch {
            producer_id: 7,
            producer_epoch: 0,
            first_sequence,
            first_offset: Offset(first_offset),
            offset_delta: count - 1,
            log_append_time_ms: None,
            is_transactional: false,
            is_control: false,
            coordinator_epoch: None,
        }
    }

    fn appended(batch: &ProducerBatch) -> BatchMetadata {
        BatchMetadata {
            last_sequence: batch.last_sequence(),
            last_offset: batch.last_offset(),
            offset_delta: batch.offset_delta,
            timestamp_ms: TimestampMs(0),
        }
    }

    fn entry_of(batches: &[ProducerBatch]) -> ProducerStateEntry {
        let mut entry = ProducerStateEntry::new(0, TimestampMs(0));
        batches.iter().for_each(|batch| entry.add_batch(batch.producer_epoch, appended(batch)));
        entry
    }

    #[test]
    fn after_the_highest_sequence_comes_0() {
        for (first, count, last) in
            [(i32::MAX, 1, i32::MAX), (i32::MAX, 2, 0), (i32::MAX - 1, 4, 1), (0, 3, 2)]
        {
            let batch = batch(first, count, 10);
            assert_eq!(batch.last_sequence(), last);
            assert_eq!(appended(&batch).first_sequence(), first);
            assert_eq!(appended(&batch).first_offset(), Offset(10));
            let entry = entry_of(&[batch]);
            let next = if last == i32::MAX { 0 } else { last + 1 };
            assert!(entry.is_in_sequence(next));
            assert!(!entry.is_in_sequence(last) && !entry.is_in_sequence(next + 1));
            assert_eq!(entry.find_duplicate_batch(&batch), Some(&appended(&batch)));
        }
    }

    #[test]
    fn five_batches_are_remembered_and_no_more() {
        let batches: Vec<_> = (0..7).map(|i| batch(i * 10, 10, i64::from(i) * 10)).collect();
        let entry = entry_of(&batches);
        for (i, batch) in batches.iter().enumerate() {
            let found = entry.find_duplicate_batch(batch).map(BatchMetadata::first_offset);
            assert_eq!(found, (i >= 2).then_some(batch.first_offset), "batch {i}");
        }
        assert_eq!(entry.last_sequence(), 69);
    }

    #[test]
    fn a_copy_has_the_same_range_and_epoch() {
        let original = batch(10, 10, 100);
        let entry = entry_of(&[original]);
        for other in [
            ProducerBatch { first_sequence: 9, ..original },
            ProducerBatch { offset_delta: 8, ..original },
            ProducerBatch { offset_delta: 10, ..original },
            ProducerBatch { producer_epoch: 1, ..original },
        ] {
            assert_eq!(entry.find_duplicate_batch(&other), None, "{other:?}");
        }
        let sent_again = ProducerBatch { first_offset: Offset(0), ..original };
        assert!(entry.find_duplicate_batch(&sent_again).is_some());
    }

    #[test]
    fn another_epoch_begins_with_nothing() {
        let mut entry = entry_of(&[batch(0, 5, 0)]);
        entry.update_epoch(1, TimestampMs(9));
        assert_eq!((entry.producer_epoch(), entry.last_timestamp_ms()), (1, TimestampMs(9)));
        assert_eq!((entry.batches().len(), entry.last_sequence()), (0, NO_SEQUENCE));
        assert!(entry.is_in_sequence(0) && !entry.is_in_sequence(5));
    }

    #[test]
    fn entries_that_are_no_batch_of_a_producer_are_none() {
        let mut header = [0; RECORD_BATCH_OVERHEAD];
        header[MAGIC_OFFSET] = 2;
        assert!(ProducerBatch::of(&header).is_some());
        assert_eq!(ProducerBatch::of(&header[1..]), None);
        header[PRODUCER_ID_OFFSET] = 0x80;
        assert_eq!(ProducerBatch::of(&header), None);
        header[PRODUCER_ID_OFFSET] = 0;
        header[MAGIC_OFFSET] = 1;
        assert_eq!(ProducerBatch::of(&header), None);
    }

    #[test]
    fn a_header_of_any_bytes_is_read() {
        let mut header = [0xff; RECORD_BATCH_OVERHEAD];
        header[MAGIC_OFFSET] = 2;
        header[PRODUCER_ID_OFFSET] = 0x7f;
        let batch = ProducerBatch::of(&header).unwrap();
        assert_eq!((batch.first_sequence, batch.offset_delta), (NO_SEQUENCE, 0));
        assert_eq!((batch.last_sequence(), batch.last_offset()), (NO_SEQUENCE, Offset::NONE));
        assert_eq!(batch.log_append_time_ms, Some(TimestampMs::NONE));
        assert!(batch.is_transactional && batch.is_control);
        assert_eq!(batch.coordinator_epoch, None);
    }
}
