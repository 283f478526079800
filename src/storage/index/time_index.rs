//! Port of `kafka.log.TimeIndex` (Kafka 0.10.1): from a timestamp to an offset near it, for one
//! segment.
//!
//! An entry is 12 bytes: a timestamp (INT64, milliseconds since 1970) and an offset minus the
//! segment's base offset (INT32). It says: no message before the next entry's offset has a higher
//! timestamp, and the message that has this timestamp is in the entry with this offset. Both
//! ascend.

use std::io;
use std::path::Path;

use byteorder::{BigEndian, ByteOrder};
use log::trace;

use crate::common::errors::KafkaError;
use crate::message::timestamp_type::NO_TIMESTAMP;
use crate::storage::index::mapped_entries::{IndexError, MappedEntries};
use crate::storage::index::offset_index::relative_offset;

/// The timestamp of an entry: 8 bytes.
const TIMESTAMP_OFFSET: usize = 0;
const TIMESTAMP_LENGTH: usize = 8;
/// Its offset, relative to the base offset: 4 bytes.
const RELATIVE_OFFSET_OFFSET: usize = TIMESTAMP_OFFSET + TIMESTAMP_LENGTH;
const RELATIVE_OFFSET_LENGTH: usize = 4;
/// The size of an entry of the index.
pub const TIME_INDEX_ENTRY_BYTES: usize = RELATIVE_OFFSET_OFFSET + RELATIVE_OFFSET_LENGTH;

const _: () = assert!(TIME_INDEX_ENTRY_BYTES == 12);

/// A timestamp, and the offset of the message that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    /// Milliseconds since 1970, or [`NO_TIMESTAMP`].
    pub timestamp_ms: i64,
    /// An offset.
    pub offset: i64,
}

/// The time index of a segment.
#[derive(Debug)]
pub struct TimeIndex {
    entries: MappedEntries,
    base_offset: i64,
}

impl TimeIndex {
    /// Opens the index in the file `path`, whose entries all count, or creates one with room for
    /// `max_index_size` bytes.
    ///
    /// # Errors
    /// As [`OffsetIndex::open`](crate::storage::index::offset_index::OffsetIndex::open).
    pub fn open(path: &Path, base_offset: i64, max_index_size: usize) -> io::Result<Self> {
        let entries = MappedEntries::open(path, max_index_size, TIME_INDEX_ENTRY_BYTES)?;
        Ok(Self { entries, base_offset })
    }

    /// The entry with the highest timestamp not above `target_timestamp_ms`; ([`NO_TIMESTAMP`],
    /// base offset) if there is none.
    pub fn lookup(&self, target_timestamp_ms: i64) -> TimestampOffset {
        let is_above = |entry: &[u8]| self.parse(entry).timestamp_ms > target_timestamp_ms;
        let slot = self.entries.floor_slot(is_above);
        let found = slot.map_or(self.origin(), |slot| self.parse(self.entries.entry(slot)));
        trace!("TimeIndex.lookup: {target_timestamp_ms} in {}: {found:?}", self.path().display());
        found
    }

    /// The last entry; ([`NO_TIMESTAMP`], base offset) if there is none.
    pub fn last_entry(&self) -> TimestampOffset {
        let last = self.length().checked_sub(1);
        last.map_or(self.origin(), |slot| self.parse(self.entries.entry(slot)))
    }

    /// Adds an entry, if its timestamp is above that of the last one. The slot that
    /// [`is_full`](Self::is_full) holds back is taken too.
    ///
    /// # Errors
    /// `OutOfOrder` if offset or timestamp are below those of the last entry; `OffsetTooFar`;
    /// `Full`; `Io`.
    pub fn maybe_append(&mut self, timestamp_ms: i64, offset: i64) -> Result<(), IndexError> {
        let (last, path) = (self.last_entry(), self.path().display());
        if self.length() > 0 && (offset < last.offset || timestamp_ms < last.timestamp_ms) {
            let why = format!(
                "timestamp {timestamp_ms} of offset {offset} cannot follow {last:?} in {path}"
            );
            return Err(IndexError::OutOfOrder(why));
        }
        if timestamp_ms <= last.timestamp_ms {
            return Ok(());
        }
        let Some(relative_offset) = relative_offset(offset, self.base_offset) else {
            let why = format!("offset {offset} does not fit into {path}");
            return Err(IndexError::OffsetTooFar(why));
        };
        let mut entry = [0; TIME_INDEX_ENTRY_BYTES];
        BigEndian::write_i64(&mut entry[TIMESTAMP_OFFSET..], timestamp_ms);
        BigEndian::write_i32(&mut entry[RELATIVE_OFFSET_OFFSET..], relative_offset);
        self.entries.push(&entry)
    }

    /// Forgets the entries of `offset` and above.
    pub fn truncate_to(&mut self, offset: i64) {
        let below = self.entries.floor_slot(|entry| self.parse(entry).offset >= offset);
        self.entries.truncate(below.map_or(0, |slot| slot + 1));
    }

    /// Forgets all entries.
    pub fn truncate(&mut self) {
        self.entries.truncate(0);
    }

    /// Checks what can be checked without the messages.
    ///
    /// # Errors
    /// `Corrupt` if the last entry is not above the first or lies below the base offset, as where a
    /// crash left a tail of zeros, or if an entry is torn.
    pub fn sanity_check(&self) -> Result<(), KafkaError> {
        let last = self.last_entry();
        let first = (self.length() > 0).then(|| self.parse(self.entries.entry(0)));
        let why = if self.entries.has_torn_entry()? {
            "the last entry is torn".to_string()
        } else if self.length() > 1 && first.is_some_and(|it| last.timestamp_ms <= it.timestamp_ms)
        {
            format!("its last timestamp {} is not above its first", last.timestamp_ms)
        } else if last.offset < self.base_offset {
            format!("its last offset {} is below {}", last.offset, self.base_offset)
        } else {
            return Ok(());
        };
        let position = (self.length() * TIME_INDEX_ENTRY_BYTES) as u64;
        Err(KafkaError::Corrupt { file: self.path().to_path_buf(), position, why })
    }

    /// How many entries there are.
    pub fn length(&self) -> usize {
        self.entries.length()
    }

    /// Whether there is no room for another entry but the one that a roll adds for the segment's
    /// highest timestamp.
    pub fn is_full(&self) -> bool {
        self.length() + 1 >= self.entries.length_max()
    }

    /// Makes room for `max_index_size` bytes.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path.
    pub fn resize(&mut self, max_index_size: usize) -> io::Result<()> {
        self.entries.resize(max_index_size)
    }

    /// Cuts the file to the entries there are.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path.
    pub fn trim(&mut self) -> io::Result<()> {
        self.entries.trim()
    }

    /// Renames the file.
    ///
    /// # Errors
    /// Whatever `rename(2)` reports, with the path.
    pub fn rename_to(&mut self, path: &Path) -> io::Result<()> {
        self.entries.rename_to(path)
    }

    /// The file's name.
    pub fn path(&self) -> &Path {
        self.entries.path()
    }

    fn origin(&self) -> TimestampOffset {
        TimestampOffset { timestamp_ms: NO_TIMESTAMP, offset: self.base_offset }
    }

    fn parse(&self, entry: &[u8]) -> TimestampOffset {
        let relative_offset = BigEndian::read_i32(&entry[RELATIVE_OFFSET_OFFSET..]);
        TimestampOffset {
            timestamp_ms: BigEndian::read_i64(&entry[TIMESTAMP_OFFSET..]),
            offset: self.base_offset.saturating_add(i64::from(relative_offset)),
        }
    }
}
