//! In the place of an `AbstractIndex` that is not writable: the entries of an index file for a
//! reader beside the broker.
//!
//! They are read by `pread(2)`. The broker cuts its index files, and a look at a page of a map that
//! lies behind the end of its file ends a process by SIGBUS.

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::common::errors::KafkaError;
use crate::common::units::Offset;
use crate::storage::files::file_io::{failed_to_read, open_regular_file};
use crate::storage::index::abstract_index::IndexEntry;

/// Room for an entry of any index.
const ENTRY_BYTES_MAX: usize = 16;

/// The entries that an index file had when it was opened.
#[derive(Debug)]
pub struct IndexReader<E> {
    file: File,
    path: PathBuf,
    base_offset: Offset,
    size_bytes: u64,
    entries: PhantomData<E>,
}

impl<E: IndexEntry> IndexReader<E> {
    /// # Errors
    /// `InvalidInput` if it is not a regular file; whatever the operating system reports, with the
    /// path.
    pub fn open(path: &Path, base_offset: Offset) -> io::Result<Self> {
        const { assert!(E::BYTES <= ENTRY_BYTES_MAX) };
        let (file, size_bytes) = open_regular_file(path)?;
        Ok(Self { file, path: path.to_path_buf(), base_offset, size_bytes, entries: PhantomData })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn base_offset(&self) -> Offset {
        self.base_offset
    }

    /// How many entries there are, those of zeros included that a file with spare room ends in.
    pub fn length(&self) -> u64 {
        self.size_bytes / E::BYTES as u64
    }

    /// # Errors
    /// `UnexpectedEof` if the file has become shorter; whatever `pread(2)` reports otherwise, with
    /// the path.
    pub fn entry(&self, slot: u64) -> io::Result<E> {
        let mut bytes = [0; ENTRY_BYTES_MAX];
        let bytes = &mut bytes[..E::BYTES];
        let read = self.file.read_exact_at(bytes, slot * E::BYTES as u64);
        read.map_err(failed_to_read("read", &self.path))?;
        Ok(E::parse(bytes, self.base_offset))
    }

    /// The last entry that is not above what is looked for; the origin if there is none.
    ///
    /// # Errors
    /// Those of [`entry`](Self::entry).
    pub fn floor(&self, is_above: impl Fn(E) -> bool) -> io::Result<E> {
        let (mut not_above, mut above) = (0, self.length());
        while not_above < above {
            let middle = not_above.midpoint(above);
            if is_above(self.entry(middle)?) {
                above = middle;
            } else {
                not_above = middle + 1;
            }
        }
        above.checked_sub(1).map_or(Ok(E::origin(self.base_offset)), |slot| self.entry(slot))
    }

    /// Checks that the file ends with an entry, and the last one is not below the base offset.
    ///
    /// # Errors
    /// `Corrupt` if that does not hold; those of [`entry`](Self::entry).
    pub fn check_end(&self) -> Result<(), KafkaError> {
        let Some(last_slot) = self.length().checked_sub(1) else { return Ok(()) };
        let last = self.entry(last_slot)?.offset();
        if last < self.base_offset {
            let why = format!("its last offset {last} is below {}", self.base_offset);
            return Err(self.corrupt(last_slot, why));
        }
        if !self.size_bytes.is_multiple_of(E::BYTES as u64) {
            return Err(self.corrupt(last_slot + 1, "the last entry is torn".to_string()));
        }
        Ok(())
    }

    /// The error that says what is wrong with the entry in `slot`.
    pub fn corrupt(&self, slot: u64, why: String) -> KafkaError {
        KafkaError::Corrupt { file: self.path.clone(), position: slot * E::BYTES as u64, why }
    }
}
