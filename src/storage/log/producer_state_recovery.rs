//! Port of `UnifiedLog.rebuildProducerState`: from a log to what it knows of its producers.
//!
//! A snapshot holds what was known at its offset; of what came after, the headers of the batches
//! are read, 61 bytes each, and no record but the markers that end transactions.

use log::{info, warn};

use crate::common::errors::KafkaError;
use crate::common::units::{Offset, Position, TimestampMs};
use crate::message::end_transaction_marker::MARKER_BATCH_BYTES_MAX;
use crate::message::record_batch::RECORD_BATCH_OVERHEAD;
use crate::storage::log::file_message_set::{EntryHeader, FileMessageSet};
use crate::storage::log::log_segment::LogSegment;
use crate::storage::log::log_segments::LogSegments;
use crate::storage::producers::producer_state_entry::ProducerBatch;
use crate::storage::producers::producer_state_manager::ProducerStateManager;

/// Makes `state` that of the log in `segments`, which ends at `end_offset`: from the newest usable
/// snapshot on, or from the first segment on if there is none. `now_ms` stands in for the time of an
/// append that is not in the batch.
///
/// A segment in which no batch can be found any more is passed over from there on, as in a fetch.
///
/// # Errors
/// `Io`, with the path.
pub fn rebuild_producer_state(
    state: &mut ProducerStateManager,
    segments: &LogSegments,
    end_offset: Offset,
    now_ms: TimestampMs,
) -> Result<(), KafkaError> {
    state.load_snapshot(segments.first().base_offset(), end_offset)?;
    let from = state.end_offset();
    if from >= end_offset {
        return Ok(());
    }
    let mut batches = 0;
    for segment in segments.between(from, end_offset) {
        match replay(state, &segment, from, now_ms) {
            Ok(count) => batches += count,
            Err(KafkaError::Io(error)) => return Err(error.into()),
            Err(corrupt) => warn!("cannot read which producers appended after this: {corrupt}"),
        }
    }
    state.advance_to(end_offset);
    if batches > 0 {
        let log = segments.first().log().path();
        let dir = log.parent().unwrap_or(&log).display();
        info!("found {batches} batches of idempotent producers in {dir} from offset {from} on");
    }
    Ok(())
}

/// Updates the state with all batches of a segment from the offset `from` on. Returns how many are
/// a producer's.
fn replay(
    state: &mut ProducerStateManager,
    segment: &LogSegment,
    from: Offset,
    now_ms: TimestampMs,
) -> Result<u64, KafkaError> {
    let mut count = 0;
    let mut next = segment.translate_offset(from, Position::START)?;
    while let Some(entry) = next {
        // Older entries may be shorter than a batch's header, and have no producer.
        if entry.size_bytes >= RECORD_BATCH_OVERHEAD as u64
            && let Some(batch) = producer_batch(segment.log(), &entry)?
        {
            state.update(&batch, now_ms);
            count += 1;
        }
        next = segment.log().entry_at(entry.end())?;
    }
    Ok(count)
}

/// By the header, but a marker says more.
fn producer_batch(
    log: &FileMessageSet,
    entry: &EntryHeader,
) -> Result<Option<ProducerBatch>, KafkaError> {
    let mut bytes = [0; MARKER_BATCH_BYTES_MAX];
    log.read_exact_at(&mut bytes[..RECORD_BATCH_OVERHEAD], entry.position)?;
    let batch = ProducerBatch::of(&bytes[..RECORD_BATCH_OVERHEAD]);
    let is_marker = batch.is_some_and(|it| it.is_transactional && it.is_control);
    let size = usize::try_from(entry.size_bytes).unwrap_or(usize::MAX);
    let Some(marker) = bytes.get_mut(..size).filter(|_| is_marker) else { return Ok(batch) };
    log.read_exact_at(marker, entry.position)?;
    Ok(ProducerBatch::of(marker))
}
