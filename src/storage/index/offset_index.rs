//! Port of `kafka.log.OffsetIndex`: from an offset to the position of an entry near it, for one
//! segment.
//!
//! An entry is 8 bytes: the offset minus the segment's base offset (INT32), and a position in the
//! segment's message file (INT32). The index is sparse: it has one entry for every
//! `index.interval.bytes` of messages. The entry that stands at the position bears, as its last
//! offset, the offset of the index's entry; that is what Kafka writes since it has record batches,
//! and for messages that are not compressed it is what Kafka 0.9 wrote.

use std::io;
use std::ops::{Deref, DerefMut};
use std::path::Path;

use byteorder::{BigEndian, ByteOrder};

use crate::common::errors::KafkaError;
use crate::common::step::mark;
use crate::common::units::{Offset, Position};
use crate::storage::index::abstract_index::{AbstractIndex, IndexEntry, IndexError};

/// The offset of an entry, relative to the base offset: 4 bytes.
const RELATIVE_OFFSET_OFFSET: usize = 0;
const RELATIVE_OFFSET_LENGTH: usize = 4;
/// The entry's position in the message file: 4 bytes.
const POSITION_OFFSET: usize = RELATIVE_OFFSET_OFFSET + RELATIVE_OFFSET_LENGTH;
const POSITION_LENGTH: usize = 4;
pub const INDEX_ENTRY_BYTES: usize = POSITION_OFFSET + POSITION_LENGTH;

const _: () = assert!(INDEX_ENTRY_BYTES == 8, "Kafka's files have entries of 8 bytes");

/// An offset, and where in the segment's message file a search for it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetPosition {
    pub offset: Offset,
    pub position: Position,
}

/// The offset index of a segment.
#[derive(Debug)]
pub struct OffsetIndex(AbstractIndex<OffsetPosition>);

impl OffsetIndex {
    /// As [`AbstractIndex::open`].
    ///
    /// # Errors
    /// As there.
    pub fn open(path: &Path, base_offset: Offset, max_index_size: usize) -> io::Result<Self> {
        AbstractIndex::open(path, base_offset, max_index_size).map(Self)
    }

    /// The entry with the highest offset not above `target_offset`; (base offset, 0) if there is
    /// none.
    pub fn lookup(&self, target_offset: Offset) -> OffsetPosition {
        let found = self.floor(|entry| entry.offset > target_offset);
        let OffsetPosition { offset, position } = found;
        mark!(
            [8] "OffsetIndex.lookup",
            "offset {target_offset} in {}: offset {offset} is at position {position}",
            self.path().display()
        );
        found
    }

    /// The highest position in the index that is not above `position`: there begins an entry of the
    /// message file. The first one, if the index has none.
    pub fn lookup_position(&self, position: Position) -> Position {
        self.floor(|entry| entry.position > position).position
    }

    /// The offset of the last entry, or the base offset.
    pub fn last_offset(&self) -> Offset {
        self.last_entry().offset
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// `Full`; `OutOfOrder` if the offset is not above the last one; `OffsetTooFar` if offset or
    /// position do not fit an entry; `Io`.
    pub fn append(&mut self, offset: Offset, position: Position) -> Result<(), IndexError> {
        let path = self.path().display();
        if self.length() > 0 && offset <= self.last_offset() {
            let last_offset = self.last_offset();
            let why = format!("offset {offset} cannot follow offset {last_offset} in {path}");
            return Err(IndexError::OutOfOrder(why));
        }
        let relative = self.relative_offset(offset).zip(i32::try_from(position.0).ok());
        let Some((relative_offset, position)) = relative else {
            let why = format!("offset {offset} at position {position} does not fit into {path}");
            return Err(IndexError::OffsetTooFar(why));
        };
        let mut entry = [0; INDEX_ENTRY_BYTES];
        BigEndian::write_i32(&mut entry[RELATIVE_OFFSET_OFFSET..], relative_offset);
        BigEndian::write_i32(&mut entry[POSITION_OFFSET..], position);
        self.push(&entry)
    }

    /// Checks what can be checked without the messages.
    ///
    /// # Errors
    /// `Corrupt` if the last entry is not above the base offset, as where a crash left a tail of
    /// zeros, if it points behind the messages, of which there are `log_size_bytes`, or if an entry
    /// is torn.
    pub fn sanity_check(&self, log_end: Position) -> Result<(), KafkaError> {
        let (last, base_offset) = (self.last_entry(), self.base_offset());
        self.check_file()?;
        if self.length() > 0 && last.offset <= base_offset {
            let why = format!("its last offset {} is not above {base_offset}", last.offset);
            return Err(self.corrupt(why));
        }
        if self.length() > 0 && last.position >= log_end {
            let why = format!("it points to position {} of {log_end}", last.position);
            return Err(self.corrupt(why));
        }
        Ok(())
    }

    /// Whether there is no room for another entry.
    pub fn is_full(&self) -> bool {
        self.length() >= self.length_max()
    }
}

impl IndexEntry for OffsetPosition {
    const BYTES: usize = INDEX_ENTRY_BYTES;

    fn origin(base_offset: Offset) -> Self {
        Self { offset: base_offset, position: Position::START }
    }

    fn parse(bytes: &[u8], base_offset: Offset) -> Self {
        let relative_offset = BigEndian::read_i32(&bytes[RELATIVE_OFFSET_OFFSET..]);
        let position = BigEndian::read_i32(&bytes[POSITION_OFFSET..]);
        Self {
            offset: base_offset.saturating_add(i64::from(relative_offset)),
            // A negative position is junk; recovery finds it by its size.
            position: Position(u64::try_from(position).unwrap_or(u64::MAX)),
        }
    }

    fn offset(&self) -> Offset {
        self.offset
    }
}

/// What Kafka's class inherits.
impl Deref for OffsetIndex {
    type Target = AbstractIndex<OffsetPosition>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for OffsetIndex {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}
