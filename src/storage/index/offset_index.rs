//! Port of `kafka.log.OffsetIndex`: from an offset to the position of an entry near it, for one
//! segment.
//!
//! An entry is 8 bytes: the offset minus the segment's base offset (INT32), and a position in the
//! segment's message file (INT32). The index is sparse: it has one entry for every
//! `index.interval.bytes` of messages. The entry that stands at the position bears, as its last
//! offset, the offset of the index's entry; that is what Kafka writes since it has record batches,
//! and for messages that are not compressed it is what Kafka 0.9 wrote.

use std::io;
use std::path::Path;

use byteorder::{BigEndian, ByteOrder};
use log::trace;

use crate::common::errors::KafkaError;
use crate::storage::index::mapped_entries::{IndexError, MappedEntries};

/// The offset of an entry, relative to the base offset: 4 bytes.
const RELATIVE_OFFSET_OFFSET: usize = 0;
const RELATIVE_OFFSET_LENGTH: usize = 4;
/// The entry's position in the message file: 4 bytes.
const POSITION_OFFSET: usize = RELATIVE_OFFSET_OFFSET + RELATIVE_OFFSET_LENGTH;
const POSITION_LENGTH: usize = 4;
/// The size of an entry of the index.
pub const INDEX_ENTRY_BYTES: usize = POSITION_OFFSET + POSITION_LENGTH;

const _: () = assert!(INDEX_ENTRY_BYTES == 8);

/// An offset, and where in the segment's message file a search for it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetPosition {
    /// An offset.
    pub offset: i64,
    /// A position in bytes.
    pub position: u64,
}

/// The offset index of a segment.
#[derive(Debug)]
pub struct OffsetIndex {
    entries: MappedEntries,
    base_offset: i64,
}

impl OffsetIndex {
    /// Opens the index in the file `path`, whose entries all count, or creates one with room for
    /// `max_index_size` bytes.
    ///
    /// # Errors
    /// `InvalidInput` if a new index would have no room for an entry; whatever the operating system
    /// reports, with the path.
    pub fn open(path: &Path, base_offset: i64, max_index_size: usize) -> io::Result<Self> {
        let entries = MappedEntries::open(path, max_index_size, INDEX_ENTRY_BYTES)?;
        Ok(Self { entries, base_offset })
    }

    /// The entry with the highest offset not above `target_offset`; (base offset, 0) if there is
    /// none.
    pub fn lookup(&self, target_offset: i64) -> OffsetPosition {
        let slot = self.entries.floor_slot(|entry| self.parse(entry).offset > target_offset);
        let found = slot.map_or(self.origin(), |slot| self.parse(self.entries.entry(slot)));
        trace!(
            "OffsetIndex.lookup: offset {target_offset} in {}: {found:?}",
            self.path().display()
        );
        found
    }

    /// The highest position in the index that is not above `position`: there begins an entry of the
    /// message file. 0, where the first one begins, if the index has none.
    pub fn lookup_position(&self, position: u64) -> u64 {
        let slot = self.entries.floor_slot(|entry| self.parse(entry).position > position);
        slot.map_or(0, |slot| self.entry(slot).position)
    }

    /// The entry in a slot.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn entry(&self, slot: usize) -> OffsetPosition {
        self.parse(self.entries.entry(slot))
    }

    /// The last entry; (base offset, 0) if there is none.
    pub fn last_entry(&self) -> OffsetPosition {
        self.length().checked_sub(1).map_or(self.origin(), |slot| self.entry(slot))
    }

    /// The offset of the last entry, or the base offset.
    pub fn last_offset(&self) -> i64 {
        self.last_entry().offset
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// `Full`; `OutOfOrder` if the offset is not above the last one; `OffsetTooFar` if it does not
    /// fit behind the base offset; `Io`.
    pub fn append(&mut self, offset: i64, position: u64) -> Result<(), IndexError> {
        let path = self.path().display();
        if self.length() > 0 && offset <= self.last_offset() {
            let last_offset = self.last_offset();
            let why = format!("offset {offset} cannot follow offset {last_offset} in {path}");
            return Err(IndexError::OutOfOrder(why));
        }
        let relative = relative_offset(offset, self.base_offset).zip(i32::try_from(position).ok());
        let Some((relative_offset, position)) = relative else {
            let why = format!("offset {offset} at position {position} does not fit into {path}");
            return Err(IndexError::OffsetTooFar(why));
        };
        let mut entry = [0; INDEX_ENTRY_BYTES];
        BigEndian::write_i32(&mut entry[RELATIVE_OFFSET_OFFSET..], relative_offset);
        BigEndian::write_i32(&mut entry[POSITION_OFFSET..], position);
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
    /// `Corrupt` if the last entry is not above the base offset, as where a crash left a tail of
    /// zeros, if it points behind the messages, of which there are `log_size_bytes`, or if an entry
    /// is torn.
    pub fn sanity_check(&self, log_size_bytes: u64) -> Result<(), KafkaError> {
        let last = self.last_entry();
        let why = if self.entries.has_torn_entry()? {
            "the last entry is torn".to_string()
        } else if self.length() > 0 && last.offset <= self.base_offset {
            format!("its last offset {} is not above {}", last.offset, self.base_offset)
        } else if self.length() > 0 && last.position >= log_size_bytes {
            format!("it points to position {} of {log_size_bytes}", last.position)
        } else {
            return Ok(());
        };
        let position = (self.length() * INDEX_ENTRY_BYTES) as u64;
        Err(KafkaError::Corrupt { file: self.path().to_path_buf(), position, why })
    }

    /// How many entries there are.
    pub fn length(&self) -> usize {
        self.entries.length()
    }

    /// How many entries there may be.
    pub fn length_max(&self) -> usize {
        self.entries.length_max()
    }

    /// Whether there is no room for another entry.
    pub fn is_full(&self) -> bool {
        self.length() >= self.length_max()
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

    fn origin(&self) -> OffsetPosition {
        OffsetPosition { offset: self.base_offset, position: 0 }
    }

    fn parse(&self, entry: &[u8]) -> OffsetPosition {
        let relative_offset = BigEndian::read_i32(&entry[RELATIVE_OFFSET_OFFSET..]);
        let position = BigEndian::read_i32(&entry[POSITION_OFFSET..]);
        OffsetPosition {
            offset: self.base_offset.saturating_add(i64::from(relative_offset)),
            // A negative position is junk; recovery finds it by its size.
            position: u64::try_from(position).unwrap_or(u64::MAX),
        }
    }
}

/// `offset - base_offset`, if it is not negative and fits an entry of an index.
pub fn relative_offset(offset: i64, base_offset: i64) -> Option<i32> {
    let relative_offset = i32::try_from(offset.checked_sub(base_offset)?).ok()?;
    (relative_offset >= 0).then_some(relative_offset)
}
