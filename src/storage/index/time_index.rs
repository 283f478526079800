//! Port of `kafka.log.TimeIndex` (Kafka 0.10.1): from a timestamp to an offset near it, for one
//! segment.
//!
//! An entry is 12 bytes: a timestamp (INT64, milliseconds since 1970) and an offset minus the
//! segment's base offset (INT32). It says: no message before the next entry's offset has a higher
//! timestamp, and the message that has this timestamp is in the entry with this offset. Both
//! ascend.

use std::io;
use std::ops::{Deref, DerefMut};
use std::path::Path;

use byteorder::{BigEndian, ByteOrder};

use crate::common::errors::KafkaError;
use crate::common::step::mark;
use crate::common::units::{Offset, TimestampMs};
use crate::storage::index::abstract_index::{AbstractIndex, IndexEntry, IndexError};

/// The timestamp of an entry: 8 bytes.
const TIMESTAMP_OFFSET: usize = 0;
const TIMESTAMP_LENGTH: usize = 8;
/// Its offset, relative to the base offset: 4 bytes.
const RELATIVE_OFFSET_OFFSET: usize = TIMESTAMP_OFFSET + TIMESTAMP_LENGTH;
const RELATIVE_OFFSET_LENGTH: usize = 4;
pub const TIME_INDEX_ENTRY_BYTES: usize = RELATIVE_OFFSET_OFFSET + RELATIVE_OFFSET_LENGTH;

const _: () = assert!(TIME_INDEX_ENTRY_BYTES == 12, "Kafka's files have entries of 12 bytes");

/// A timestamp, and the offset of the message that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    /// [`TimestampMs::NONE`] if no message has one.
    pub timestamp_ms: TimestampMs,
    pub offset: Offset,
}

/// The time index of a segment.
#[derive(Debug)]
pub struct TimeIndex(AbstractIndex<TimestampOffset>);

impl TimeIndex {
    /// As [`AbstractIndex::open`].
    ///
    /// # Errors
    /// As there.
    pub fn open(path: &Path, base_offset: Offset, max_index_size: usize) -> io::Result<Self> {
        AbstractIndex::open(path, base_offset, max_index_size).map(Self)
    }

    /// The entry with the highest timestamp not above `target_timestamp_ms`; ([`TimestampMs::NONE`],
    /// base offset) if there is none.
    pub fn lookup(&self, target_timestamp_ms: TimestampMs) -> TimestampOffset {
        let found = self.floor(|entry| entry.timestamp_ms > target_timestamp_ms);
        let TimestampOffset { timestamp_ms, offset } = found;
        mark!(
            "TimeIndex.lookup",
            "timestamp {target_timestamp_ms} in {}: offset {offset} has {timestamp_ms}",
            self.path().display()
        );
        found
    }

    /// Adds an entry, if its timestamp is above that of the last one. The slot that
    /// [`is_full`](Self::is_full) holds back is taken too.
    ///
    /// # Errors
    /// `OutOfOrder` if offset or timestamp are below those of the last entry; `OffsetTooFar`;
    /// `Full`; `Io`.
    pub fn maybe_append(
        &mut self,
        timestamp_ms: TimestampMs,
        offset: Offset,
    ) -> Result<(), IndexError> {
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
        let Some(relative_offset) = self.relative_offset(offset) else {
            let why = format!("offset {offset} does not fit into {path}");
            return Err(IndexError::OffsetTooFar(why));
        };
        let mut entry = [0; TIME_INDEX_ENTRY_BYTES];
        BigEndian::write_i64(&mut entry[TIMESTAMP_OFFSET..], timestamp_ms.0);
        BigEndian::write_i32(&mut entry[RELATIVE_OFFSET_OFFSET..], relative_offset);
        self.push(&entry)
    }

    /// Checks what can be checked without the messages.
    ///
    /// # Errors
    /// `Corrupt` if the last entry is not above the first or lies below the base offset, as where a
    /// crash left a tail of zeros, or if an entry is torn.
    pub fn sanity_check(&self) -> Result<(), KafkaError> {
        let (last, base_offset) = (self.last_entry(), self.base_offset());
        self.check_file()?;
        if self.length() > 1 && last.timestamp_ms <= self.entry(0).timestamp_ms {
            let why = format!("its last timestamp {} is not above its first", last.timestamp_ms);
            return Err(self.corrupt(why));
        }
        if last.offset < base_offset {
            let why = format!("its last offset {} is below {base_offset}", last.offset);
            return Err(self.corrupt(why));
        }
        Ok(())
    }

    /// Whether there is no room for another entry but the one that a roll adds for the segment's
    /// highest timestamp.
    pub fn is_full(&self) -> bool {
        self.length() + 1 >= self.length_max()
    }
}

impl IndexEntry for TimestampOffset {
    const BYTES: usize = TIME_INDEX_ENTRY_BYTES;

    fn origin(base_offset: Offset) -> Self {
        Self { timestamp_ms: TimestampMs::NONE, offset: base_offset }
    }

    fn parse(bytes: &[u8], base_offset: Offset) -> Self {
        let relative_offset = BigEndian::read_i32(&bytes[RELATIVE_OFFSET_OFFSET..]);
        Self {
            timestamp_ms: TimestampMs(BigEndian::read_i64(&bytes[TIMESTAMP_OFFSET..])),
            offset: base_offset.saturating_add(i64::from(relative_offset)),
        }
    }

    fn offset(&self) -> Offset {
        self.offset
    }
}

/// What Kafka's class inherits.
impl Deref for TimeIndex {
    type Target = AbstractIndex<TimestampOffset>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for TimeIndex {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}
