//! Port of `LogSegment.recover`: from a file after a crash to a segment of whole messages.

use crate::common::errors::KafkaError;
use crate::message::byte_buffer_message_set::shallow_entries;
use crate::message::timestamp_type::NO_TIMESTAMP;
use crate::storage::index::time_index::TimestampOffset;
use crate::storage::log::file_message_set::EntryHeader;
use crate::storage::log::log_segment::LogSegment;

/// What [`LogSegment::recover`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The offset after the last message that is left.
    pub next_offset: i64,
    /// The size of what is left, in bytes.
    pub valid_bytes: u64,
    /// How many bytes were cut off.
    pub bytes_cut: u64,
    /// What was wrong with the first of them.
    pub why: String,
}

impl LogSegment {
    /// Reads all messages, cuts them off from the first one on that cannot be, and builds both
    /// indexes anew.
    ///
    /// An entry cannot be if it is not whole, fails its CRC, or does not come after the entry
    /// before it. Its size is no reason: the setting that allowed it may have changed since (Kafka
    /// 0.9 cut such entries off).
    ///
    /// # Errors
    /// `Io` if the file cannot be read or cut.
    pub fn recover(&self, max_index_size: usize) -> Result<Recovery, KafkaError> {
        self.clear_indexes(max_index_size)?;
        let mut scan = Scan::new(self.base_offset);
        let why = loop {
            let entry = match self.log.entry_at(scan.valid_bytes) {
                Ok(Some(entry)) => entry,
                Ok(None) => break "an entry that was not written to its end".to_string(),
                Err(KafkaError::Corrupt { why, .. }) => break why,
                Err(error) => return Err(error),
            };
            if let Err(why) = self.recover_entry(&mut scan, &entry)? {
                break why;
            }
        };
        let bytes_cut = self.log.truncate_to(scan.valid_bytes)?;
        let mut state = self.state();
        state.bytes_since_last_index_entry = scan.valid_bytes - scan.last_index_position;
        state.largest_timestamp = Some(scan.largest);
        drop(state);
        self.append_largest_timestamp();
        self.trim_indexes()?;
        let Scan { next_offset, valid_bytes, .. } = scan;
        Ok(Recovery { next_offset, valid_bytes, bytes_cut, why })
    }

    /// Looks at one entry, and says what is wrong with it.
    fn recover_entry(
        &self,
        scan: &mut Scan,
        entry: &EntryHeader,
    ) -> Result<Result<(), String>, KafkaError> {
        // The size is not taken on trust: `entry_at` found that the file has so many bytes.
        scan.buffer
            .resize(usize::try_from(entry.size_bytes).expect("a size in a file fits a usize"), 0);
        self.log.read_exact_at(&mut scan.buffer, entry.position)?;
        let found = match shallow_entries(&scan.buffer).next() {
            Some(Ok(found)) => found,
            Some(Err(error)) => return Ok(Err(error.to_string())),
            None => return Ok(Err("an entry that is none".to_string())),
        };
        if !found.has_valid_crc() {
            return Ok(Err(format!("the entry of offset {} fails its CRC", entry.offset)));
        }
        let (first_offset, last_offset) = (found.offset, found.last_offset);
        if first_offset < scan.next_offset || !self.can_hold(last_offset) {
            let why =
                format!("offset {first_offset} stands where {} or more is due", scan.next_offset);
            return Ok(Err(why));
        }
        let timestamp_ms = found.max_timestamp();
        if timestamp_ms > scan.largest.timestamp_ms {
            scan.largest = TimestampOffset { timestamp_ms, offset: last_offset };
        }
        if entry.position - scan.last_index_position > self.index_interval_bytes {
            self.append_index_entries(&scan.buffer, entry.position, scan.largest);
            scan.last_index_position = entry.position;
        }
        scan.next_offset = last_offset.saturating_add(1);
        scan.valid_bytes = entry.end();
        Ok(Ok(()))
    }
}

/// How far a recovery got.
struct Scan {
    next_offset: i64,
    valid_bytes: u64,
    last_index_position: u64,
    largest: TimestampOffset,
    buffer: Vec<u8>,
}

impl Scan {
    fn new(base_offset: i64) -> Self {
        Self {
            next_offset: base_offset,
            valid_bytes: 0,
            last_index_position: 0,
            largest: TimestampOffset { timestamp_ms: NO_TIMESTAMP, offset: base_offset },
            buffer: Vec::new(),
        }
    }
}
