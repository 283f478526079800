//! Port of `LogSegment.recover`: from a file after a crash to a segment of whole messages.

use std::path::Path;

use log::warn;

use crate::common::errors::KafkaError;
use crate::common::units::{Offset, Position, TimestampMs};
use crate::message::byte_buffer_message_set::shallow_entries;
use crate::storage::index::time_index::TimestampOffset;
use crate::storage::log::epoch_recovery::EpochsRead;
use crate::storage::log::file_message_set::EntryHeader;
use crate::storage::log::log_segment::LogSegment;

/// What [`recover`] left of a segment, and what it took away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The offset after the last message that is left.
    pub next_offset: Offset,
    /// Where what is left ends.
    pub end: Position,
    /// How many bytes were cut off.
    pub bytes_cut: u64,
    /// What was wrong with the first of them.
    pub why: String,
    /// The leader epochs of what is left.
    pub epochs: EpochsRead,
}

impl Recovery {
    /// Logs what was cut off the file `path`, if anything was.
    pub fn report_cut(&self, path: &Path) {
        let Self { next_offset, end, bytes_cut, why, .. } = self;
        if *bytes_cut > 0 {
            warn!(
                "cut {bytes_cut} bytes off {} from position {end} on, offsets {next_offset} and \
                 above: {why}",
                path.display()
            );
        }
    }
}

/// Reads all messages, cuts them off from the first one on that cannot be, and builds both indexes
/// anew.
///
/// An entry cannot be if it is not whole, fails its CRC, or does not come after the entry before
/// it. Its size is no reason: the setting that allowed it may have changed since (Kafka 0.9 cut
/// such entries off).
///
/// # Errors
/// `Io` if the file cannot be read or cut.
pub fn recover(segment: &LogSegment, max_index_size: usize) -> Result<Recovery, KafkaError> {
    segment.indexes().clear(max_index_size)?;
    let mut scan = Scan::new(segment.base_offset());
    let why = loop {
        let entry = match segment.log().entry_at(scan.end) {
            Ok(Some(entry)) => entry,
            Ok(None) => break "an entry that was not written to its end".to_string(),
            Err(KafkaError::Corrupt { why, .. }) => break why,
            Err(error) => return Err(error),
        };
        if let Err(why) = scan.recover_entry(segment, &entry)? {
            break why;
        }
    };
    let Scan { next_offset, end, last_index_position, largest, epochs, .. } = scan;
    let bytes_cut = segment.end_recovery(end, end - last_index_position, largest)?;
    Ok(Recovery { next_offset, end, bytes_cut, why, epochs })
}

/// How far a recovery got.
struct Scan {
    next_offset: Offset,
    /// Everything before is whole.
    end: Position,
    last_index_position: Position,
    largest: TimestampOffset,
    epochs: EpochsRead,
    buffer: Vec<u8>,
}

impl Scan {
    fn new(base_offset: Offset) -> Self {
        Self {
            next_offset: base_offset,
            end: Position::START,
            last_index_position: Position::START,
            largest: TimestampOffset { timestamp_ms: TimestampMs::NONE, offset: base_offset },
            epochs: EpochsRead::default(),
            buffer: Vec::new(),
        }
    }

    /// Takes one entry in, or returns what is wrong with it.
    fn recover_entry(
        &mut self,
        segment: &LogSegment,
        entry: &EntryHeader,
    ) -> Result<Result<(), String>, KafkaError> {
        // The size is not taken on trust: `entry_at` found that the file has so many bytes.
        let size = usize::try_from(entry.size_bytes).expect("a size in a file fits a usize");
        self.buffer.resize(size, 0);
        segment.log().read_exact_at(&mut self.buffer, entry.position)?;
        let found = match shallow_entries(&self.buffer).next() {
            Some(Ok(found)) => found,
            Some(Err(error)) => return Ok(Err(error.to_string())),
            None => return Ok(Err("bytes that are not an entry".to_string())),
        };
        if !found.has_valid_crc() {
            return Ok(Err(format!("the entry of offset {} fails its CRC", entry.offset)));
        }
        let (first_offset, last_offset) = (Offset(found.offset), Offset(found.last_offset));
        if first_offset < self.next_offset || !segment.can_hold(last_offset) {
            let due_offset = self.next_offset;
            return Ok(Err(format!("offset {first_offset} where {due_offset} or more is due")));
        }
        let timestamp_ms = TimestampMs(found.max_timestamp());
        if timestamp_ms > self.largest.timestamp_ms {
            self.largest = TimestampOffset { timestamp_ms, offset: last_offset };
        }
        self.epochs.note(found.leader_epoch(), first_offset);
        if entry.position - self.last_index_position > segment.index_interval_bytes() {
            segment.indexes().append(&self.buffer, entry.position, self.largest);
            self.last_index_position = entry.position;
        }
        self.next_offset = last_offset.next();
        self.end = entry.end();
        Ok(Ok(()))
    }
}
