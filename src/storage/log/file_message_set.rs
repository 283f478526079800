//! Port of `kafka.log.FileMessageSet`: messages in a file, and slices of it that send themselves by
//! `sendfile(2)`.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use byteorder::{BigEndian, ByteOrder};
use log::{Level, log, warn};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::sendfile::sendfile64;

use crate::common::errors::KafkaError;
use crate::common::lock::locked;
use crate::common::log_limit::{LogKind, limited};
#[cfg(sabotage)]
use crate::common::sabotage;
use crate::common::step::{in_words, mark, step};
use crate::common::sys;
use crate::common::text::counted;
use crate::common::units::{Offset, Position, TimestampMs};
use crate::message::message::{MAGIC_VALUE_V0, MAGIC_VALUE_V1, TIMESTAMP_OFFSET};
use crate::message::message_set::{
    Destination, LOG_OVERHEAD, MAGIC_OFFSET, MessageSet, OFFSET_OFFSET, SIZE_OFFSET,
};
use crate::message::record_batch::{
    ATTRIBUTES_OFFSET, CONTROL_FLAG, LAST_OFFSET_DELTA_LENGTH, LAST_OFFSET_DELTA_OFFSET,
    MAGIC_VALUE_V2, MAX_TIMESTAMP_LENGTH, MAX_TIMESTAMP_OFFSET, PARTITION_LEADER_EPOCH_OFFSET,
    TRANSACTIONAL_FLAG,
};
use crate::storage::files::file_io::{failed, failed_to_read, failed_to_sync, open_regular_file};
use crate::storage::log::patience::Patience;

/// `cachestat(2)` looks at every page: a gigabyte takes it 3 to 8 milliseconds, and this much not
/// a hundredth of one.
const BYTES_PER_STEP: usize = 1 << 20;
/// The size of the smallest entry after its first 12 bytes: a message of magic 0 without key and
/// value.
const ENTRY_SIZE_MIN: i32 = 14;
/// From the magic to the end of the last offset delta: what decides whether an offset lies inside a
/// batch.
const LAST_OFFSET_PROBE_LENGTH: usize =
    LAST_OFFSET_DELTA_OFFSET + LAST_OFFSET_DELTA_LENGTH - MAGIC_OFFSET;
/// How much is copied at a time when the destination is no socket.
const COPY_CHUNK_BYTES: usize = 64 * 1024;

/// Messages in a file: all of them, or a slice.
///
/// The whole set grows as messages are appended. A slice is a pair of positions that never change,
/// together with a share of the open file: it can be sent even after the file was deleted.
#[derive(Clone, Debug)]
pub struct FileMessageSet {
    shared: Arc<SharedFile>,
    /// `None` for the whole set.
    slice: Option<Slice>,
}

/// The first 12 bytes of an entry, and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryHeader {
    /// The offset field: the base offset of a record batch, the last offset of an older entry.
    pub offset: Offset,
    /// Counted from the start of the set.
    pub position: Position,
    /// The size of the entry, with the 12 bytes.
    pub size_bytes: u64,
}

impl fmt::Display for EntryHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, position, size_bytes } = self;
        write!(f, "offset {offset} at position {position} with {size_bytes} bytes")
    }
}

impl EntryHeader {
    /// The position of the next entry.
    pub fn end(&self) -> Position {
        self.position + self.size_bytes
    }
}

/// The open file under a set and its slices.
#[derive(Debug)]
struct SharedFile {
    file: File,
    /// Changes when the file is renamed; only ever read to say which file an error is about.
    path: Mutex<PathBuf>,
    /// The size of the whole set in bytes. Less than the file's length only if space was
    /// preallocated.
    size_bytes: AtomicU64,
}

/// `start_position <= end_position`, both in the file.
#[derive(Clone, Copy, Debug)]
struct Slice {
    start_position: Position,
    end_position: Position,
}

impl FileMessageSet {
    /// Opens the file for reading and appending, and creates it if it is missing. All its bytes
    /// belong to the set.
    ///
    /// # Errors
    /// Whatever `open(2)` reports, with the path.
    pub fn open(path: &Path) -> io::Result<Self> {
        let opened =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = opened.map_err(failed("open", path))?;
        let size_bytes = file.metadata().map_err(failed("look at", path))?.len();
        Ok(Self::over(file, path, size_bytes))
    }

    /// Opens a file that somebody else may be appending to, only for reading. The bytes that it has
    /// now belong to the set.
    ///
    /// # Errors
    /// `InvalidInput` if it is a directory or a FIFO; whatever `open(2)` reports, with the path.
    pub fn open_read_only(path: &Path) -> io::Result<Self> {
        let (file, size_bytes) = open_regular_file(path)?;
        Ok(Self::over(file, path, size_bytes))
    }

    /// Creates an empty set in a file that has `size_bytes` bytes of space already, all of them
    /// zero.
    ///
    /// # Errors
    /// `AlreadyExists` if the file is there; whatever `open(2)` reports otherwise, with the path.
    pub fn create_preallocated(path: &Path, size_bytes: u64) -> io::Result<Self> {
        let created = OpenOptions::new().read(true).write(true).create_new(true).open(path);
        let file = created.map_err(failed("create", path))?;
        file.set_len(size_bytes).map_err(failed("preallocate", path))?;
        Ok(Self::over(file, path, 0))
    }

    fn over(file: File, path: &Path, size_bytes: u64) -> Self {
        let path = Mutex::new(path.to_path_buf());
        let shared = SharedFile { file, path, size_bytes: AtomicU64::new(size_bytes) };
        Self { shared: Arc::new(shared), slice: None }
    }

    /// A slice of at most `size` bytes from `position` on, counted from the start of this set.
    /// Never reaches beyond the set's present end, also not when messages are appended meanwhile
    /// (KAFKA-2903, KAFKA-9835).
    pub fn read(&self, position: Position, size: u64) -> Self {
        // ANCHOR: slice_of_file
        let Slice { start_position, end_position } = self.bounds();
        let start_position = start_position.saturating_add(position.0).min(end_position);
        let end_position = start_position.saturating_add(size).min(end_position);
        mark!([9] "FileMessageSet.read", "positions {start_position} to {end_position}, a slice");
        let slice = Some(Slice { start_position, end_position });
        Self { shared: Arc::clone(&self.shared), slice }
        // ANCHOR_END: slice_of_file
    }

    /// Finds the first entry that holds `target_offset` or a higher offset, from the entry at
    /// `starting_position` on. `None` if all entries are lower.
    ///
    /// Reads the 12 bytes before each entry on the way, and nothing else but for one case: a record
    /// batch is known by its base offset, so when the target lies between two of them, 11 more
    /// bytes of the first tell whether it ends before the target.
    ///
    /// # Errors
    /// `Corrupt` if there is no entry where one should be; `WouldBlock` if a header is not in memory
    /// and there is no patience; whatever `pread(2)` reports.
    pub fn search_for(
        &self,
        target_offset: Offset,
        starting_position: Position,
        patience: Patience<'_>,
    ) -> Result<Option<EntryHeader>, KafkaError> {
        let step = step!(
            [8] "FileMessageSet.searchFor",
            "offset {target_offset} from position {starting_position} on"
        );
        let mut position = starting_position;
        let mut below = None;
        let mut at_or_above = None;
        let mut headers_read: usize = 0;
        // ANCHOR: walk_the_heads
        while let Some(entry) = self.entry_within(position, patience)? {
            headers_read += 1;
            if entry.offset >= target_offset {
                at_or_above = Some(entry);
                break;
            }
            position = entry.end();
            below = Some(entry);
        }
        // ANCHOR_END: walk_the_heads
        drop(step);
        let found = found(below.as_ref(), at_or_above.as_ref());
        let headers = counted(headers_read, "header");
        mark!([8] "FileMessageSet.searchFor", "{found}; {headers} read");
        // ANCHOR: probe_the_last
        let is_exact = at_or_above.is_some_and(|entry| entry.offset == target_offset);
        match below {
            Some(below) if !is_exact && self.last_offset(&below, patience)? >= target_offset => {
                Ok(Some(below))
            }
            _ => Ok(at_or_above),
        }
        // ANCHOR_END: probe_the_last
    }

    /// Reads the 12 bytes before the entry at `position`. `None` if the set ends before the entry
    /// does.
    ///
    /// # Errors
    /// `Corrupt` if the size found there is impossible; whatever `pread(2)` reports.
    pub fn entry_at(&self, position: Position) -> Result<Option<EntryHeader>, KafkaError> {
        self.entry_within(position, Patience::ForDisk)
    }

    fn entry_within(
        &self,
        position: Position,
        patience: Patience<'_>,
    ) -> Result<Option<EntryHeader>, KafkaError> {
        let set_end = Position(self.size());
        if position.saturating_add(LOG_OVERHEAD as u64) > set_end {
            return Ok(None);
        }
        let mut header = [0; LOG_OVERHEAD];
        self.read_header_at(&mut header, position, patience)?;
        let offset = Offset(BigEndian::read_i64(&header[OFFSET_OFFSET..]));
        let size = BigEndian::read_i32(&header[SIZE_OFFSET..]);
        let size_bytes = u64::try_from(size).ok().filter(|_| size >= ENTRY_SIZE_MIN);
        let Some(size_bytes) = size_bytes.map(|it| it + LOG_OVERHEAD as u64) else {
            let why = format!("an entry of offset {offset} claims a size of {size}");
            return Err(KafkaError::Corrupt { file: self.path(), position: position.0, why });
        };
        let entry = EntryHeader { offset, position, size_bytes };
        Ok(Some(entry).filter(|_| entry.end() <= set_end))
    }

    /// The last offset in `entry`: a record batch has it as a delta, an older entry as its offset.
    ///
    /// # Errors
    /// `WouldBlock` if the header is not in memory and there is no patience; whatever `pread(2)`
    /// reports.
    pub fn last_offset(&self, entry: &EntryHeader, patience: Patience<'_>) -> io::Result<Offset> {
        let probe_end = (MAGIC_OFFSET + LAST_OFFSET_PROBE_LENGTH) as u64;
        if entry.size_bytes < probe_end {
            return Ok(entry.offset);
        }
        let mut probe = [0; LAST_OFFSET_PROBE_LENGTH];
        self.read_header_at(&mut probe, entry.position + MAGIC_OFFSET as u64, patience)?;
        if probe[0] < MAGIC_VALUE_V2 {
            return Ok(entry.offset);
        }
        let delta = BigEndian::read_i32(&probe[LAST_OFFSET_DELTA_OFFSET - MAGIC_OFFSET..]);
        Ok(entry.offset.saturating_add(i64::from(delta.max(0))))
    }

    /// The first batch in the set that holds records of a transaction, as `Err`, or the end of what was looked at
    /// from `from` on. The markers of their ends do not count. Reads 23 bytes of each entry, and no record.
    ///
    /// # Errors
    /// As [`search_for`](Self::search_for).
    pub fn first_transactional(
        &self,
        from: Offset,
        patience: Patience<'_>,
    ) -> Result<Result<Offset, EntryHeader>, KafkaError> {
        let (mut position, mut end) = (Position::START, from);
        while let Some(entry) = self.entry_within(position, patience)? {
            let mut probe = [0; LAST_OFFSET_PROBE_LENGTH];
            self.read_header_at(&mut probe, entry.position + MAGIC_OFFSET as u64, patience)?;
            let attributes = BigEndian::read_i16(&probe[ATTRIBUTES_OFFSET - MAGIC_OFFSET..]);
            let is_transactional = attributes & (TRANSACTIONAL_FLAG | CONTROL_FLAG);
            let delta = BigEndian::read_i32(&probe[LAST_OFFSET_DELTA_OFFSET - MAGIC_OFFSET..]);
            match probe[0] >= MAGIC_VALUE_V2 {
                true if is_transactional == TRANSACTIONAL_FLAG => return Ok(Err(entry)),
                true => end = end.max(entry.offset.saturating_add(i64::from(delta.max(0))).next()),
                false => end = end.max(entry.offset.next()),
            }
            position = entry.end();
        }
        Ok(Ok(end))
    }

    /// The leader epoch in the header of `entry`; `None` in magic 0 and 1.
    ///
    /// # Errors
    /// Whatever `pread(2)` reports.
    pub fn leader_epoch(&self, entry: &EntryHeader) -> io::Result<Option<i32>> {
        let mut probe = [0; MAGIC_OFFSET + 1];
        self.read_exact_at(&mut probe, entry.position)?;
        let epoch = BigEndian::read_i32(&probe[PARTITION_LEADER_EPOCH_OFFSET..]);
        Ok((probe[MAGIC_OFFSET] >= MAGIC_VALUE_V2).then_some(epoch))
    }

    /// The highest timestamp in `entry` by its header, [`TimestampMs::NONE`] if it has none.
    ///
    /// # Errors
    /// Whatever `pread(2)` reports.
    pub fn max_timestamp_ms(&self, entry: &EntryHeader) -> io::Result<TimestampMs> {
        let mut header = [0; MAX_TIMESTAMP_OFFSET + MAX_TIMESTAMP_LENGTH];
        let entry_size = usize::try_from(entry.size_bytes).unwrap_or(usize::MAX);
        let header_size = header.len().min(entry_size);
        self.read_exact_at(&mut header[..header_size], entry.position)?;
        // An entry that is too short for its timestamp shows zeros in its place, and is found out
        // when it is read.
        let timestamp_at = |at: usize| TimestampMs(BigEndian::read_i64(&header[at..]));
        Ok(match header[MAGIC_OFFSET] {
            MAGIC_VALUE_V0 => TimestampMs::NONE,
            MAGIC_VALUE_V1 => timestamp_at(LOG_OVERHEAD + TIMESTAMP_OFFSET),
            _ => timestamp_at(MAX_TIMESTAMP_OFFSET),
        })
    }

    /// Fills `dst` with the bytes from `position` on. A short read is continued, never taken for
    /// the end (KAFKA-4576).
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends first; whatever `pread(2)` reports otherwise, with the
    /// path.
    pub fn read_exact_at(&self, dst: &mut [u8], position: Position) -> io::Result<()> {
        let start = self.bounds().start_position;
        let read = self.shared.file.read_exact_at(dst, start.saturating_add(position.0).0);
        read.map_err(|error| failed_to_read("read", &self.path())(error))
    }

    fn read_header_at(
        &self,
        dst: &mut [u8],
        position: Position,
        patience: Patience<'_>,
    ) -> io::Result<()> {
        if patience == Patience::ForDisk {
            return self.read_exact_at(dst, position);
        }
        patience.step()?;
        let start = self.bounds().start_position;
        let is_read =
            sys::read_cached_at(&self.shared.file, dst, start.saturating_add(position.0).0)
                .map_err(|error| failed_to_read("read", &self.path())(error))?;
        if is_read { Ok(()) } else { patience.wait() }
    }

    /// Appends to the end of the whole set. Only one thread at a time may: in a log, the one that
    /// has the [`LockedLog`](crate::storage::log::locked_log::LockedLog).
    ///
    /// If the write fails, or only a part of it gets to the file, the part is cut off again: the
    /// set stays as it was.
    ///
    /// # Errors
    /// Whatever `pwrite(2)` reports, with the path.
    pub fn append(&self, bytes: &[u8]) -> io::Result<()> {
        debug_assert!(self.slice.is_none(), "a slice is for reading");
        let size = self.shared.size_bytes.load(Ordering::Acquire);
        #[cfg(sabotage)]
        if sabotage::writes_late(&self.shared.file, bytes, size)? {
            self.shared.size_bytes.store(size + bytes.len() as u64, Ordering::Release);
            return Ok(());
        }
        if let Err(error) = self.shared.file.write_all_at(bytes, size) {
            // The set's size did not move, so the next append overwrites what remains should this
            // fail too.
            if let Err(undo) = self.shared.file.set_len(size) {
                let level = limited(LogKind::Failures, Level::Warn);
                log!(level, "cannot cut a failed append off {}: {undo}", self.path().display());
            }
            return Err(failed("append to", &self.path())(error));
        }
        mark!("FileMessageSet.append", "{} bytes at position {size}", bytes.len());
        self.shared.size_bytes.store(size + bytes.len() as u64, Ordering::Release);
        Ok(())
    }

    /// Makes all appended bytes durable. Not the times in the inode: the log does not stand or fall
    /// with them.
    ///
    /// # Errors
    /// Whatever `fdatasync(2)` reports, with the path.
    pub fn flush(&self) -> io::Result<()> {
        #[cfg(sabotage)]
        if sabotage::skips_fsync() {
            return Ok(());
        }
        self.shared.file.sync_data().map_err(|error| {
            self.forget_what_was_not_written();
            failed_to_sync("sync", &self.path())(error)
        })
    }

    /// After a failed sync the kernel takes bytes for written that are not on the disk, and would show
    /// them to a recovery. It is asked to forget them, so that a recovery reads the disk.
    fn forget_what_was_not_written(&self) {
        let advice = PosixFadviseAdvice::POSIX_FADV_DONTNEED;
        if let Err(errno) = posix_fadvise(&self.shared.file, 0, 0, advice) {
            warn!("cannot drop {} from the page cache: {errno}", self.path().display());
        }
    }

    /// Cuts the whole set to `target_size` bytes, and returns how many were cut off. The file is
    /// left alone if it has that size already, so that its time of modification stays what it was
    /// (KAFKA-3802).
    ///
    /// # Errors
    /// `InvalidInput` if the set is smaller than that; whatever `ftruncate(2)` reports, with the
    /// path.
    pub fn truncate_to(&self, target_size: u64) -> io::Result<u64> {
        let size = self.size();
        if target_size > size {
            let why = format!("a set of {size} bytes cannot be cut to {target_size}");
            return Err(failed("truncate", &self.path())(io::Error::new(
                io::ErrorKind::InvalidInput,
                why,
            )));
        }
        let cut = || -> io::Result<()> {
            if self.shared.file.metadata()?.len() != target_size {
                self.shared.file.set_len(target_size)?;
            }
            Ok(())
        };
        cut().map_err(|error| failed("truncate", &self.path())(error))?;
        self.shared.size_bytes.store(target_size, Ordering::Release);
        Ok(size - target_size)
    }

    /// Gives back preallocated space that is not used.
    ///
    /// # Errors
    /// As [`truncate_to`](Self::truncate_to).
    pub fn trim(&self) -> io::Result<()> {
        self.truncate_to(self.size()).map(|_| ())
    }

    /// Renames the file. Slices do not notice.
    ///
    /// # Errors
    /// Whatever `rename(2)` reports, with the path.
    pub fn rename_to(&self, path: &Path) -> io::Result<()> {
        let old = self.path();
        std::fs::rename(&old, path).map_err(failed("rename", &old))?;
        *locked(&self.shared.path) = path.to_path_buf();
        Ok(())
    }

    pub fn path(&self) -> PathBuf {
        locked(&self.shared.path).clone()
    }

    /// When `entry` was written: by its timestamp, or by the file's time
    /// of the last write if it has none.
    ///
    /// # Errors
    /// Whatever `pread(2)` or `fstat(2)` reports.
    pub fn written_ms(&self, entry: &EntryHeader) -> io::Result<TimestampMs> {
        let timestamp_ms = self.max_timestamp_ms(entry)?;
        if timestamp_ms > TimestampMs(0) { Ok(timestamp_ms) } else { self.last_modified_ms() }
    }

    /// The wall-clock time of the last write.
    ///
    /// # Errors
    /// Whatever `fstat(2)` reports, with the path.
    pub fn last_modified_ms(&self) -> io::Result<TimestampMs> {
        let modified = self.shared.file.metadata().and_then(|it| it.modified());
        let modified = modified.map_err(|error| failed_to_read("look at", &self.path())(error))?;
        // A file from before 1970 counts as written then.
        let age = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(TimestampMs(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Makes the file look as if it was last written at this time.
    ///
    /// # Errors
    /// Whatever `futimens(2)` reports, with the path.
    pub fn set_last_modified_ms(&self, modified_ms: TimestampMs) -> io::Result<()> {
        let since_epoch = Duration::from_millis(u64::try_from(modified_ms.0).unwrap_or(0));
        let set = self.shared.file.set_modified(UNIX_EPOCH + since_epoch);
        set.map_err(|error| failed("set the time of", &self.path())(error))
    }

    /// Whether the slice's pages are in memory, so that the `sendfile(2)` to come does not wait for
    /// the disk. A kernel without `cachestat(2)` does not know, and that counts as no.
    ///
    /// # Errors
    /// Whatever `cachestat(2)` reports, with the path.
    pub fn is_resident(&self) -> io::Result<bool> {
        self.residency().map(|resident| resident == Some(true))
    }

    /// Sees to it that the `sendfile(2)` to come does not wait for the disk, if there is no patience
    /// for that.
    ///
    /// # Errors
    /// `WouldBlock` if it would, or if too much would have to be looked at; as
    /// [`is_resident`](Self::is_resident).
    pub fn check_resident(&self, patience: Patience<'_>) -> io::Result<()> {
        if patience == Patience::ForDisk {
            return Ok(());
        }
        patience.steps(1 + self.size_in_bytes() / BYTES_PER_STEP)?;
        if self.is_resident()? { Ok(()) } else { patience.wait() }
    }

    /// `None` if the kernel does not know.
    fn residency(&self) -> io::Result<Option<bool>> {
        let Slice { start_position, end_position } = self.bounds();
        let size_bytes = end_position - start_position;
        sys::resident_pages(&self.shared.file, start_position.0, size_bytes)
            .map_err(|error| failed("look at", &self.path())(error))
    }

    /// Sees to it that the slice's pages are in memory, so that the `sendfile(2)` to come does not
    /// wait for the disk. Returns whether it had to read. Blocks while it does: for handler
    /// threads, not for the reactor (KAFKA-7504).
    ///
    /// # Errors
    /// Whatever `sendfile(2)` or `cachestat(2)` report, with the path.
    pub fn warm(&self) -> io::Result<bool> {
        let Slice { start_position, end_position } = self.bounds();
        // ANCHOR: warm
        let resident = self.residency()?;
        let words = in_memory_or_not(resident);
        mark!([11] "FileMessageSet.warm", "positions {start_position} to {end_position}: {words}");
        if resident == Some(true) {
            return Ok(false);
        }
        self.read_into_page_cache(start_position, end_position)
            .map_err(|error| failed("warm", &self.path())(error))?;
        // A kernel without `cachestat(2)` has the slice read all the same, and counts it as resident.
        Ok(resident.is_some())
        // ANCHOR_END: warm
    }

    /// `/dev/null` takes pages without looking at them, but the kernel must have them to offer.
    fn read_into_page_cache(
        &self,
        start_position: Position,
        end_position: Position,
    ) -> io::Result<()> {
        let null = OpenOptions::new().write(true).open("/dev/null")?;
        let beyond = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let mut position = i64::try_from(start_position.0).map_err(beyond)?;
        let end = i64::try_from(end_position.0).map_err(beyond)?;
        while position < end {
            let count = usize::try_from(end - position).map_err(beyond)?;
            if sendfile64(&null, &self.shared.file, Some(&mut position), count)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// The positions of the set's first byte and of its end, read once: the whole set may grow
    /// meanwhile.
    fn bounds(&self) -> Slice {
        let whole = || {
            let end_position = Position(self.shared.size_bytes.load(Ordering::Acquire));
            Slice { start_position: Position::START, end_position }
        };
        self.slice.unwrap_or_else(whole)
    }

    /// The size in bytes, as file positions are counted.
    pub fn size(&self) -> u64 {
        let Slice { start_position, end_position } = self.bounds();
        end_position - start_position
    }
}

impl MessageSet for FileMessageSet {
    fn size_in_bytes(&self) -> usize {
        usize::try_from(self.size()).expect("a segment is smaller than 2 GiB")
    }

    // ANCHOR: write_to
    fn write_to(
        &self,
        destination: Destination<'_>,
        write_position: usize,
        size: usize,
    ) -> io::Result<usize> {
        let Slice { start_position, end_position } = self.bounds();
        let position = start_position.saturating_add(write_position as u64).min(end_position);
        // What is left after `write_position`, or the last call would run past the slice
        // (KAFKA-12233).
        let left = usize::try_from(end_position - position).unwrap_or(usize::MAX);
        let count = size.min(left);
        if count == 0 {
            return Ok(0);
        }
        let _step =
            step!([17] "FileMessageSet.writeTo", "{count} bytes from position {position} on");
        let file = &self.shared.file;
        match destination {
            Destination::TransportLayer(transport) => {
                transport.transfer_from(file, position.0, count)
            }
            Destination::Channel(channel) => copy(file, position, count, channel),
        }
    }
    // ANCHOR_END: write_to
}

fn in_memory_or_not(resident: Option<bool>) -> &'static str {
    match resident {
        Some(true) => "in memory",
        Some(false) => "not in memory, so they are read",
        None => "perhaps not in memory, so they are read",
    }
}

/// What a search has come to, in words.
fn found<'a>(
    below: Option<&'a EntryHeader>,
    at_or_above: Option<&'a EntryHeader>,
) -> impl fmt::Display + 'a {
    in_words(move |f| {
        match at_or_above {
            Some(entry) => write!(f, "{entry}")?,
            None => write!(f, "no entry is that high")?,
        }
        below.map_or(Ok(()), |below| write!(f, ", after {below}"))
    })
}

/// The branch without zero copy: one read, one write.
fn copy(
    file: &File,
    position: Position,
    count: usize,
    channel: &mut dyn io::Write,
) -> io::Result<usize> {
    let mut chunk = vec![0; count.min(COPY_CHUNK_BYTES)];
    let read = file.read_at(&mut chunk, position.0)?;
    if read == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    channel.write(&chunk[..read])
}
