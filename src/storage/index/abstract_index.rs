//! Port of `kafka.log.AbstractIndex` (Kafka 0.10.1), which `OffsetIndex` and `TimeIndex` extend: a
//! mapped file of entries of one size, for one segment.
//!
//! The file of an index that grows is as long as the index may become, with a hole where no entry
//! is yet. When its segment is rolled or closed, the file is cut to the entries it has.

use std::fmt;
use std::fs;
use std::fs::{File, OpenOptions};
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use nix::fcntl::posix_fallocate;

use crate::common::errors::{Errors, KafkaError};
use crate::common::sys::MappedFile;
use crate::common::units::Offset;
use crate::storage::files::file_io::failed;

/// The blocks of the file are reserved page by page.
const RESERVE_BYTES: usize = 4096;

/// What an index holds of an offset. Its bytes hold the offset minus the base offset of the segment.
pub trait IndexEntry: Copy {
    /// The size of an entry in the file.
    const BYTES: usize;

    /// What a search finds below the first entry.
    fn origin(base_offset: Offset) -> Self;

    /// The entry in `bytes`, of which there are [`BYTES`](Self::BYTES).
    fn parse(bytes: &[u8], base_offset: Offset) -> Self;

    fn offset(&self) -> Offset;
}

/// Entries in ascending order.
///
/// Invariants: `length * E::BYTES <= reserved_bytes`, and the map has room for `length_max` entries;
/// the file is never cut below the map.
#[derive(Debug)]
pub struct AbstractIndex<E> {
    path: PathBuf,
    map: MappedFile,
    base_offset: Offset,
    length: usize,
    length_max: usize,
    /// Up to here the file has blocks on the disk. A store into a hole when the disk is full would
    /// end the process with SIGBUS, so the blocks are asked for first, by a call that can fail.
    reserved_bytes: usize,
    entries: PhantomData<E>,
}

/// Why an entry cannot be added to an index.
#[derive(Debug)]
pub enum IndexError {
    /// It has all the entries it may have.
    Full(String),
    /// The entry does not come after the last one (Kafka's `InvalidOffsetException`).
    OutOfOrder(String),
    /// The offset lies more than 2^31 - 1 after the segment's base offset (KAFKA-4451, KAFKA-6264).
    OffsetTooFar(String),
    /// The disk is full, or worse.
    Io(io::Error),
}

impl<E: IndexEntry> AbstractIndex<E> {
    /// Opens the index in the file `path`, whose entries all count, or creates one with room for
    /// `max_bytes` and no entry.
    ///
    /// # Errors
    /// `InvalidInput` if a new index would have no room for one entry; whatever the operating system
    /// reports, with the path.
    pub fn open(path: &Path, base_offset: Offset, max_bytes: usize) -> io::Result<Self> {
        let existed = path.exists();
        if !existed && max_bytes < E::BYTES {
            let why = format!("{max_bytes} bytes have no room for an entry of {}", E::BYTES);
            let error = io::Error::new(io::ErrorKind::InvalidInput, why);
            return Err(failed("create", path)(error));
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(failed("open", path))?;
        let set_up = || -> io::Result<(MappedFile, usize)> {
            if !existed {
                file.set_len((max_bytes / E::BYTES * E::BYTES) as u64)?;
            }
            let file_bytes = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
            Ok((MappedFile::map(&file, file_bytes)?, file_bytes))
        };
        let (map, file_bytes) = set_up().map_err(failed("map", path))?;
        let length_max = file_bytes / E::BYTES;
        let length = if existed { length_max } else { 0 };
        Ok(Self {
            path: path.to_path_buf(),
            map,
            base_offset,
            length,
            length_max,
            reserved_bytes: length * E::BYTES,
            entries: PhantomData,
        })
    }

    /// How many entries there are.
    pub fn length(&self) -> usize {
        self.length
    }

    /// How many entries there may be.
    pub fn length_max(&self) -> usize {
        self.length_max
    }

    /// The first offset of the segment.
    pub fn base_offset(&self) -> Offset {
        self.base_offset
    }

    /// `offset` minus the base offset, if an entry has room for it.
    pub fn relative_offset(&self, offset: Offset) -> Option<i32> {
        relative_offset(offset, self.base_offset)
    }

    /// The entry in a slot.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn entry(&self, slot: usize) -> E {
        assert!(slot < self.length, "an index of {} entries has no entry {slot}", self.length);
        E::parse(&self.map.as_slice()[slot * E::BYTES..][..E::BYTES], self.base_offset)
    }

    /// The last entry; the origin if there is none.
    pub fn last_entry(&self) -> E {
        self.entry_or_origin(self.length.checked_sub(1))
    }

    /// The last entry that is not above what is looked for; the origin if there is none.
    pub fn floor(&self, is_above: impl Fn(E) -> bool) -> E {
        self.entry_or_origin(self.floor_slot(is_above))
    }

    fn entry_or_origin(&self, slot: Option<usize>) -> E {
        slot.map_or(E::origin(self.base_offset), |slot| self.entry(slot))
    }

    fn floor_slot(&self, is_above: impl Fn(E) -> bool) -> Option<usize> {
        let (mut not_above, mut above) = (0, self.length);
        while not_above < above {
            let middle = not_above.midpoint(above);
            if is_above(self.entry(middle)) {
                above = middle;
            } else {
                not_above = middle + 1;
            }
        }
        above.checked_sub(1)
    }

    /// Adds an entry, which must come after the last one.
    ///
    /// # Errors
    /// `Full`; `Io` if the disk is full.
    pub fn push(&mut self, entry: &[u8]) -> Result<(), IndexError> {
        debug_assert_eq!(entry.len(), E::BYTES, "all entries have one size");
        if self.length >= self.length_max {
            let why = format!("{} has {} entries and no room", self.path.display(), self.length);
            return Err(IndexError::Full(why));
        }
        let start = self.length * E::BYTES;
        let end = start + E::BYTES;
        self.reserve(end).map_err(|error| failed("grow", &self.path)(error))?;
        self.map.as_mut_slice()[start..end].copy_from_slice(entry);
        self.length += 1;
        Ok(())
    }

    fn reserve(&mut self, needed_bytes: usize) -> io::Result<()> {
        if needed_bytes <= self.reserved_bytes {
            return Ok(());
        }
        let room_bytes = self.length_max * E::BYTES;
        let reserved_bytes = needed_bytes.next_multiple_of(RESERVE_BYTES).min(room_bytes);
        let position = |bytes| i64::try_from(bytes).map_err(io::Error::other);
        posix_fallocate(&self.open_file()?, 0, position(reserved_bytes)?)?;
        self.reserved_bytes = reserved_bytes;
        Ok(())
    }

    /// Removes the entries of `offset` and above.
    pub fn truncate_to(&mut self, offset: Offset) {
        self.length = self.floor_slot(|entry| entry.offset() >= offset).map_or(0, |slot| slot + 1);
    }

    /// Removes all entries.
    pub fn truncate(&mut self) {
        self.length = 0;
    }

    /// Makes room for `max_bytes`, but never less than the entries there are.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path; then the room is as it was, or the
    /// file is longer than the room.
    pub fn resize(&mut self, max_bytes: usize) -> io::Result<()> {
        let length_max = (max_bytes / E::BYTES).max(self.length);
        let bytes = length_max * E::BYTES;
        let mut resize = || -> io::Result<()> {
            let file = self.open_file()?;
            // The map must never reach beyond the file: grow the file first, and cut it last.
            if file.metadata()?.len() < bytes as u64 {
                file.set_len(bytes as u64)?;
            }
            self.map = MappedFile::map(&file, bytes)?;
            self.length_max = length_max;
            self.reserved_bytes = self.reserved_bytes.min(bytes);
            if file.metadata()?.len() == bytes as u64 { Ok(()) } else { file.set_len(bytes as u64) }
        };
        resize().map_err(failed("resize", &self.path))
    }

    /// The map keeps the file alive, so a descriptor is open only while it is needed: a broker has
    /// more segments than it may have descriptors.
    fn open_file(&self) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(&self.path)
    }

    /// Cuts the file to the entries there are.
    ///
    /// # Errors
    /// As [`resize`](Self::resize).
    pub fn trim(&mut self) -> io::Result<()> {
        self.resize(self.length * E::BYTES)
    }

    /// The error that says what is wrong with the last entry.
    pub fn corrupt(&self, why: String) -> KafkaError {
        let position = (self.length * E::BYTES) as u64;
        KafkaError::Corrupt { file: self.path.clone(), position, why }
    }

    /// Whether the file ends in the middle of an entry: a sign of a crash.
    ///
    /// # Errors
    /// Whatever `stat(2)` reports, with the path.
    pub fn has_torn_entry(&self) -> io::Result<bool> {
        let file = fs::metadata(&self.path).map_err(failed("look at", &self.path))?;
        Ok(file.len() % E::BYTES as u64 != 0)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Renames the file.
    ///
    /// # Errors
    /// Whatever `rename(2)` reports, with the path.
    pub fn rename_to(&mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path).map_err(failed("rename", &self.path))?;
        self.path = path.to_path_buf();
        Ok(())
    }
}

/// `offset - base_offset`, if it is not negative and fits an entry of an index.
pub fn relative_offset(offset: Offset, base_offset: Offset) -> Option<i32> {
    let relative_offset = i32::try_from(offset.0.checked_sub(base_offset.0)?).ok()?;
    (relative_offset >= 0).then_some(relative_offset)
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(why) | Self::OutOfOrder(why) | Self::OffsetTooFar(why) => f.write_str(why),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for IndexError {}

impl From<io::Error> for IndexError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<IndexError> for KafkaError {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::Io(error) => Self::Io(error),
            other => Self::api(Errors::UnknownServerError, other.to_string()),
        }
    }
}
