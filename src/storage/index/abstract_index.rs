//! Port of `kafka.log.AbstractIndex` (Kafka 0.10.1), which `OffsetIndex` and `TimeIndex` extend: a
//! file of entries of one size, for one segment.
//!
//! Kafka makes the file as long as the index may become, and stores new entries through the map.
//! But a store into a page for which the disk has no room ends a process, by SIGBUS; on tmpfs
//! already a look at such a page does. Here the map is only read, and only where entries were
//! written by `pwrite(2)`, which can fail: the newest entries are kept in memory, one page of them
//! at most, and the file holds entries and nothing else.
//!
//! An index of no more than that is not mapped at all. Most indexes of a broker with many partitions
//! are, and each map would take a page, and one of the `vm.max_map_count` that a process may have.
//!
//! What is in memory alone is lost in a crash, and with it nothing: the index of a segment that was
//! growing is built anew by the recovery.

use std::fmt;
use std::fs;
use std::fs::{File, OpenOptions};
use std::io;
use std::marker::PhantomData;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Whence, lseek};

use crate::common::errors::{Errors, KafkaError};
use crate::common::sys::MappedFile;
use crate::common::units::Offset;
use crate::storage::files::file_io::failed;

/// So many bytes of entries are in memory at most.
const TAIL_BYTES_MAX: usize = 4096;

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
/// Invariant: the file holds the first `mapped` entries, and is never cut below the map.
#[derive(Debug)]
pub struct AbstractIndex<E> {
    path: PathBuf,
    base_offset: Offset,
    map: MappedFile,
    /// How many entries of the map there still are: a truncation leaves the map as it is.
    mapped: usize,
    /// The entries that come after those.
    tail: Vec<u8>,
    /// How many bytes of the tail the file holds, too.
    written_tail_bytes: usize,
    /// Whether the file may go on behind the entries, as after a truncation.
    has_surplus: bool,
    length_max: usize,
    /// Whether no more entries will come: only then must the file hold them all.
    is_complete: bool,
    /// Whether the file was there, and nothing was written to it since. Then it is on disk: what a
    /// crash may have left otherwise is built anew by the recovery.
    is_as_found: bool,
    /// Why the file that was opened cannot be what was written.
    damage: Option<String>,
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
    /// What lies behind a hole in the file was never written, and no page of it is touched.
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
        let set_up = || -> io::Result<(MappedFile, Vec<u8>, Option<String>)> {
            let file_bytes = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
            let written_bytes = first_hole(&file, file_bytes);
            let bytes = written_bytes / E::BYTES * E::BYTES;
            let (map, tail) = map_or_read(&file, bytes, TAIL_BYTES_MAX)?;
            Ok((map, tail, damage::<E>(file_bytes, written_bytes)))
        };
        let (map, tail, damage) = set_up().map_err(failed("map", path))?;
        let mapped = map.as_slice().len() / E::BYTES;
        let length = mapped + tail.len() / E::BYTES;
        Ok(Self {
            path: path.to_path_buf(),
            base_offset,
            map,
            mapped,
            written_tail_bytes: tail.len(),
            has_surplus: damage.is_some(),
            length_max: if existed { length } else { max_bytes / E::BYTES },
            tail,
            is_complete: existed,
            is_as_found: existed,
            damage,
            entries: PhantomData,
        })
    }

    /// How many entries there are.
    pub fn length(&self) -> usize {
        self.mapped + self.tail.len() / E::BYTES
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
        let length = self.length();
        assert!(slot < length, "an index of {length} entries has no entry {slot}");
        let bytes = match slot.checked_sub(self.mapped) {
            None => &self.map.as_slice()[slot * E::BYTES..],
            Some(slot) => &self.tail[slot * E::BYTES..],
        };
        E::parse(&bytes[..E::BYTES], self.base_offset)
    }

    /// The last entry; the origin if there is none.
    pub fn last_entry(&self) -> E {
        self.entry_or_origin(self.length().checked_sub(1))
    }

    /// The last entry that is not above what is looked for; the origin if there is none.
    pub fn floor(&self, is_above: impl Fn(E) -> bool) -> E {
        self.entry_or_origin(self.floor_slot(is_above))
    }

    fn entry_or_origin(&self, slot: Option<usize>) -> E {
        slot.map_or(E::origin(self.base_offset), |slot| self.entry(slot))
    }

    fn floor_slot(&self, is_above: impl Fn(E) -> bool) -> Option<usize> {
        let (mut not_above, mut above) = (0, self.length());
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
        let length = self.length();
        if length >= self.length_max {
            let why = format!("{} has {length} entries and no room", self.path.display());
            return Err(IndexError::Full(why));
        }
        if self.tail.len() + E::BYTES > TAIL_BYTES_MAX {
            self.write_tail(0).map_err(failed("write to", &self.path))?;
        }
        self.tail.extend_from_slice(entry);
        Ok(())
    }

    /// Writes the entries that are in memory to the file. They stay in memory, too, if the index has
    /// no more than `in_memory_max_bytes`.
    fn write_tail(&mut self, in_memory_max_bytes: usize) -> io::Result<File> {
        self.is_as_found = false;
        let file = self.open_file()?;
        let mapped_bytes = self.mapped * E::BYTES;
        file.write_all_at(&self.tail, mapped_bytes as u64)?;
        let bytes = mapped_bytes + self.tail.len();
        (self.map, self.tail) = map_or_read(&file, bytes, in_memory_max_bytes)?;
        self.mapped = self.map.as_slice().len() / E::BYTES;
        self.written_tail_bytes = self.tail.len();
        Ok(file)
    }

    /// Removes the entries of `offset` and above.
    pub fn truncate_to(&mut self, offset: Offset) {
        let length = self.floor_slot(|entry| entry.offset() >= offset).map_or(0, |slot| slot + 1);
        self.tail.truncate(length.saturating_sub(self.mapped) * E::BYTES);
        self.has_surplus |= length < self.mapped || self.tail.len() < self.written_tail_bytes;
        self.mapped = self.mapped.min(length);
        self.written_tail_bytes = self.written_tail_bytes.min(self.tail.len());
    }

    /// Removes all entries, those in the file at once: a crash must not leave them behind new ones.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path.
    pub fn clear(&mut self) -> io::Result<()> {
        (self.mapped, self.has_surplus, self.damage) = (0, true, None);
        self.tail.clear();
        self.written_tail_bytes = 0;
        self.cut_file().map_err(failed("clear", &self.path))
    }

    /// Makes room for `max_bytes`, but never less than the entries there are.
    pub fn resize(&mut self, max_bytes: usize) {
        self.length_max = (max_bytes / E::BYTES).max(self.length());
        self.is_complete = false;
    }

    /// The map keeps the file alive, so a descriptor is open only while it is needed: a broker has
    /// more segments than it may have descriptors.
    fn open_file(&self) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(&self.path)
    }

    /// Takes no more entries, and makes the file hold those there are and nothing else.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path; then the entries are still there.
    pub fn trim(&mut self) -> io::Result<()> {
        self.length_max = self.length();
        self.is_complete = true;
        self.cut_file().map_err(failed("write to", &self.path))
    }

    fn cut_file(&mut self) -> io::Result<()> {
        if self.holds_exactly_the_entries() {
            return Ok(());
        }
        let file = self.write_tail(TAIL_BYTES_MAX)?;
        // After the map has become shorter: it must never reach beyond the file.
        let bytes = (self.length() * E::BYTES) as u64;
        if file.metadata()?.len() != bytes {
            file.set_len(bytes)?;
        }
        self.has_surplus = false;
        Ok(())
    }

    /// Whether the file does.
    fn holds_exactly_the_entries(&self) -> bool {
        self.tail.len() == self.written_tail_bytes && !self.has_surplus
    }

    /// Prepares to make the index durable: the file that has to be synced. `None` as long as
    /// entries will come, for then a crash has the index built anew, and for a file that is as it
    /// was found.
    ///
    /// # Errors
    /// As [`trim`](Self::trim), which may have failed before.
    pub fn begin_flush(&mut self) -> io::Result<Option<PathBuf>> {
        if !self.is_complete {
            return Ok(None);
        }
        if !self.holds_exactly_the_entries() {
            self.trim()?;
        }
        Ok((!self.is_as_found).then(|| self.path.clone()))
    }

    /// The error that says what is wrong with the last entry.
    pub fn corrupt(&self, why: String) -> KafkaError {
        let position = (self.length() * E::BYTES) as u64;
        KafkaError::Corrupt { file: self.path.clone(), position, why }
    }

    /// Checks that the file that was opened held entries and nothing else.
    ///
    /// # Errors
    /// `Corrupt` if it ended in the middle of one, or had a hole: signs of a crash.
    pub fn check_file(&self) -> Result<(), KafkaError> {
        self.damage.clone().map_or(Ok(()), |why| Err(self.corrupt(why)))
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

/// The first `bytes` of a file, in a map, or in memory if they are no more than
/// `in_memory_max_bytes`.
fn map_or_read(
    file: &File,
    bytes: usize,
    in_memory_max_bytes: usize,
) -> io::Result<(MappedFile, Vec<u8>)> {
    if bytes > in_memory_max_bytes {
        return Ok((MappedFile::map(file, bytes)?, Vec::new()));
    }
    let mut read = vec![0; bytes];
    file.read_exact_at(&mut read, 0)?;
    Ok((MappedFile::map(file, 0)?, read))
}

/// Where the first hole in a file of `file_bytes` begins, or the file ends.
fn first_hole(file: &File, file_bytes: usize) -> usize {
    // A file system that knows no holes has none: there a look at a page never asks for room.
    let hole = lseek(file, 0, Whence::SeekHole).ok().and_then(|it| usize::try_from(it).ok());
    hole.unwrap_or(file_bytes).min(file_bytes)
}

fn damage<E: IndexEntry>(file_bytes: usize, written_bytes: usize) -> Option<String> {
    if written_bytes < file_bytes {
        Some(format!("there is a hole from position {written_bytes} on"))
    } else if !file_bytes.is_multiple_of(E::BYTES) {
        Some("the last entry is torn".to_string())
    } else {
        None
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
