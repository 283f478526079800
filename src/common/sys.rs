//! The services of the system that need `unsafe`: a mapped file, as Java's `MappedByteBuffer`, the
//! question whether pages are cached, a read of nothing but cached pages, a record of TLS that is not
//! data, and two requests to the allocator. No other file of this crate may use `unsafe`.

#![allow(
    unsafe_code,
    reason = "mmap(2), cachestat(2), preadv2(2), mallopt(3), and sendmsg(2) with the type of a TLS record \
              have no safe wrapper"
)]

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::mem;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;

use log::error;
use nix::errno::Errno;
use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::unistd::{SysconfVar, sysconf};

/// The number of cachestat(2), the same on every architecture.
const SYS_CACHESTAT: libc::c_long = 451;
const NO_FLAGS: libc::c_uint = 0;

/// The first bytes of a file, shared with the kernel's page cache: what `pwrite(2)` puts into the
/// file shows here. It is never written through the map, for a page that the disk has no room for
/// ends a process that stores into it.
///
/// The caller owes three things as long as the map lives, and keeps them by owning the locked log
/// directory. The file is not truncated below `len`. Every page that is looked at was written:
/// touching one that was not, or that is lost, may kill the process with SIGBUS. And the bytes of a
/// slice do not change while it is borrowed.
#[derive(Debug)]
pub struct MappedFile {
    /// Start of the map; dangling when `len` is 0, for then nothing is mapped.
    address: NonNull<c_void>,
    /// Bytes mapped. At most `isize::MAX`, because mmap(2) succeeded.
    len: usize,
}

// SAFETY: the map belongs to the process, not to a thread, and nothing writes through it.
unsafe impl Send for MappedFile {}
// SAFETY: as above.
unsafe impl Sync for MappedFile {}

impl MappedFile {
    /// Maps the first `len` bytes of `file`.
    ///
    /// # Errors
    /// `InvalidInput` if the file is shorter than `len`; whatever `fstat(2)` or `mmap(2)` reports,
    /// as `PermissionDenied` for a file that was not opened for reading.
    pub fn map(file: &File, len: usize) -> io::Result<Self> {
        let Some(length) = NonZeroUsize::new(len) else {
            return Ok(Self { address: NonNull::dangling(), len: 0 });
        };
        let file_size = file.metadata()?.len();
        if file_size < len as u64 {
            let why = format!("cannot map {len} bytes of a file that has {file_size}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        // SAFETY: no address is asked for, so that the kernel picks one that overlaps nothing of
        // ours.
        let address =
            unsafe { mmap(None, length, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, file, 0) }?;
        Ok(Self { address, len })
    }

    /// The mapped bytes.
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: `address` starts `len` mapped bytes (or `len` is 0) until drop, and the file is
        // not cut short meanwhile nor written by others, which the caller of `map` owes.
        unsafe { std::slice::from_raw_parts(self.address.cast::<u8>().as_ptr(), self.len) }
    }
}

impl Drop for MappedFile {
    fn drop(&mut self) {
        if self.len == 0 {
            return;
        }
        // SAFETY: exactly the mapped range; no slice of it can outlive `self`.
        if let Err(errno) = unsafe { munmap(self.address, self.len) } {
            error!("munmap of {} bytes failed, so they stay mapped: {errno}", self.len);
        }
    }
}

/// Whether all pages of `len` bytes of `file` from `position` on are in the page cache, so that
/// `sendfile(2)` will not wait for the disk. Reads no byte of the file. An empty range is resident;
/// a range that extends beyond the end of the file is not.
///
/// A page whose readahead is under way counts as cached: then `sendfile(2)` waits for the rest of
/// that read. Only reading a byte (`preadv2(2)` with `RWF_NOWAIT`) would show it, and no byte is
/// read.
///
/// `None` if the kernel does not know: cachestat(2) came with Linux 6.5, and a sandbox may forbid
/// it.
///
/// # Errors
/// Whatever else `cachestat(2)` reports.
pub fn resident_pages(file: &File, position: u64, len: u64) -> io::Result<Option<bool>> {
    if len == 0 {
        return Ok(Some(true)); // To cachestat(2), 0 means "up to the end of the file".
    }
    let range = CachestatRange { off: position, len };
    let mut stat = Cachestat::default();
    // SAFETY: both pointers are to live structs of the kernel's layout (`repr(C)`, below); it reads
    // the first and writes the second before the call returns.
    let status = unsafe {
        let range: *const CachestatRange = &range;
        let stat: *mut Cachestat = &mut stat;
        libc::syscall(SYS_CACHESTAT, file.as_raw_fd(), range, stat, NO_FLAGS)
    };
    match Errno::result(status) {
        Ok(_) => Ok(Some(stat.nr_cache >= pages_touched(position, len, page_size_bytes()?))),
        Err(Errno::ENOSYS | Errno::EPERM | Errno::EOPNOTSUPP) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Fills `dst` with the bytes of `file` from `position` on if that takes no wait for the disk, nor
/// for a lock that others hold while they write to the file. Returns whether it did.
///
/// A file system that cannot say so, such as tmpfs, is asked by cachestat(2) first; without that the
/// answer is always no.
///
/// # Errors
/// Whatever `preadv2(2)`, `cachestat(2)` or `pread(2)` report otherwise.
pub fn read_cached_at(file: &File, dst: &mut [u8], position: u64) -> io::Result<bool> {
    let offset = libc::off64_t::try_from(position).map_err(io::Error::other)?;
    let buffer = libc::iovec { iov_base: dst.as_mut_ptr().cast(), iov_len: dst.len() };
    // SAFETY: the kernel writes at most `iov_len` bytes to `iov_base`, which are those of `dst`,
    // borrowed here alone, before the call returns.
    let read = unsafe { libc::preadv2(file.as_raw_fd(), &buffer, 1, offset, libc::RWF_NOWAIT) };
    match Errno::result(read) {
        // A part of it only if the next page is not cached, or the file ends.
        Ok(read) => Ok(usize::try_from(read) == Ok(dst.len())),
        Err(Errno::EAGAIN | Errno::ENOSYS | Errno::EPERM) => Ok(false),
        Err(Errno::EOPNOTSUPP) => match resident_pages(file, position, dst.len() as u64)? {
            Some(true) => file.read_exact_at(dst, position).map(|()| true),
            _ => Ok(false),
        },
        Err(errno) => Err(errno.into()),
    }
}

/// Sends `bytes` as one TLS record of `record_type`, over a socket whose records the kernel encrypts.
/// What it held back with `MSG_MORE` leaves as a record of its own before. Returns how many bytes it
/// took: all, for a record is never cut.
///
/// # Errors
/// `WouldBlock` if the socket is full, and then no byte was taken; whatever `sendmsg(2)` reports
/// otherwise.
pub fn send_tls_record(socket: &impl AsFd, record_type: u8, bytes: &[u8]) -> io::Result<usize> {
    let mut control = RecordType {
        header: libc::cmsghdr {
            cmsg_len: mem::offset_of!(RecordType, record_type) + 1,
            cmsg_level: libc::SOL_TLS,
            cmsg_type: libc::TLS_SET_RECORD_TYPE,
        },
        record_type,
    };
    let mut buffer =
        libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: all of it may be zero: null pointers with lengths of 0, and no flags. (It has fields
    // that the C library pads with, so that it cannot be written down whole.)
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &mut buffer;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = size_of::<RecordType>();
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: `message` refers to one buffer and one control message of the kernel's layout
    // (`repr(C)`, below), which outlive the call; the kernel reads them, and writes nothing.
    let sent = unsafe { libc::sendmsg(fd, &message, libc::MSG_NOSIGNAL) };
    let sent = Errno::result(sent)?;
    Ok(usize::try_from(sent).expect("a count that is no error is not negative"))
}

/// Has all threads share one heap of the allocator. By default each has one of its own, for which
/// 64 MiB of address space are set aside. To be called before the first thread starts.
pub fn share_one_heap() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: takes two numbers, and changes nothing but the allocator's own settings.
        let is_set = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
        debug_assert_eq!(is_set, 1, "glibc knows M_ARENA_MAX");
    }
}

/// Gives memory that was freed, and that the allocator keeps for later, back to the system. Takes
/// the lock of each heap in turn, for milliseconds where there is much to give back.
pub fn release_free_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: frees no memory that is in use; may be called by any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// How many pages a range of at least one byte touches.
fn pages_touched(position: u64, len: u64, page_size_bytes: u64) -> u64 {
    let last_byte = position.saturating_add(len - 1);
    last_byte / page_size_bytes - position / page_size_bytes + 1
}

fn page_size_bytes() -> io::Result<u64> {
    let size = sysconf(SysconfVar::PAGE_SIZE)?;
    size.and_then(|size| u64::try_from(size).ok())
        .filter(|&size| size > 0)
        .ok_or_else(|| io::Error::other("the kernel does not report its page size"))
}

/// A control message of one byte, as `CMSG_DATA` finds it: the data follow the header, which ends at a
/// multiple of its own alignment. `repr(C)` pads the end as `CMSG_SPACE` does.
#[repr(C)]
struct RecordType {
    header: libc::cmsghdr,
    record_type: u8,
}

/// `struct cachestat_range` of `linux/mman.h`, in bytes.
#[repr(C)]
struct CachestatRange {
    off: u64,
    len: u64,
}

/// `struct cachestat` of `linux/mman.h`, in pages.
#[repr(C)]
#[derive(Default)]
struct Cachestat {
    nr_cache: u64,
    nr_dirty: u64,
    nr_writeback: u64,
    nr_evicted: u64,
    nr_recently_evicted: u64,
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
    use support::temp::TempFile;

    use super::*;

    const FILE_SIZE_BYTES: usize = 64 * 1024;

    fn filled() -> TempFile {
        TempFile::with(&[7; FILE_SIZE_BYTES])
    }

    #[test]
    fn what_is_written_to_the_file_shows_in_the_map() {
        let temp = filled();
        let map = MappedFile::map(&temp.file, 4096).unwrap();
        temp.file.write_all_at(b"abc", 10).unwrap();
        assert_eq!((map.as_slice().len(), &map.as_slice()[9..14]), (4096, &b"\x07abc\x07"[..]));
    }

    #[test]
    fn an_empty_map_is_an_empty_slice() {
        let temp = TempFile::with(b"");
        assert!(MappedFile::map(&temp.file, 0).unwrap().as_slice().is_empty());
    }

    #[test]
    fn a_map_longer_than_its_file_is_refused() {
        let temp = filled();
        let error = MappedFile::map(&temp.file, FILE_SIZE_BYTES + 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_freshly_written_file_is_resident_but_nothing_behind_its_end() {
        let temp = filled();
        let size = FILE_SIZE_BYTES as u64;
        let Some(whole) = resident_pages(&temp.file, 0, size).unwrap() else {
            eprintln!("skipped: this kernel has no cachestat(2)");
            return;
        };
        assert!(whole);
        assert_eq!(resident_pages(&temp.file, size - 1, 1).unwrap(), Some(true));
        assert_eq!(resident_pages(&temp.file, size, 0).unwrap(), Some(true));
        assert_eq!(resident_pages(&temp.file, size, 1).unwrap(), Some(false));
    }

    #[test]
    fn a_file_dropped_from_the_page_cache_is_not_resident() {
        let temp = filled();
        let size = FILE_SIZE_BYTES as u64;
        temp.file.sync_data().unwrap();
        posix_fadvise(&temp.file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
        match resident_pages(&temp.file, 0, size).unwrap() {
            None => eprintln!("skipped: this kernel has no cachestat(2)"),
            Some(resident) => assert!(!resident || is_tmpfs(&temp.file)),
        }
    }

    #[test]
    fn what_is_cached_is_read_without_a_wait_and_nothing_behind_the_end() {
        let temp = filled();
        let mut dst = [0; 12];
        let is_read = read_cached_at(&temp.file, &mut dst, 4090).unwrap();
        if !is_read && resident_pages(&temp.file, 0, 1).unwrap().is_none() {
            eprintln!("skipped: this kernel has neither RWF_NOWAIT for this file nor cachestat(2)");
            return;
        }
        assert!(is_read);
        assert_eq!(dst, [7; 12]);
        let last = FILE_SIZE_BYTES as u64 - 4;
        assert!(!read_cached_at(&temp.file, &mut dst, last).unwrap(), "only 4 bytes are left");
    }

    #[test]
    fn what_was_dropped_from_the_page_cache_is_not_read() {
        let temp = filled();
        temp.file.sync_data().unwrap();
        // The kernel keeps a page that another processor has in hand at that moment, so it is asked again.
        let is_dropped = (0..1000).any(|_| {
            posix_fadvise(&temp.file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
            !read_cached_at(&temp.file, &mut [0; 12], 4090).unwrap()
        });
        assert!(is_dropped || is_tmpfs(&temp.file));
    }

    /// Whether the file lives in memory alone, where nothing can be dropped.
    fn is_tmpfs(file: &File) -> bool {
        nix::sys::statfs::fstatfs(file).unwrap().filesystem_type() == nix::sys::statfs::TMPFS_MAGIC
    }

    #[test]
    fn a_range_touches_every_page_that_has_a_byte_of_it() {
        assert_eq!(pages_touched(0, 1, 4096), 1);
        assert_eq!(pages_touched(4095, 1, 4096), 1);
        assert_eq!(pages_touched(4095, 2, 4096), 2);
        assert_eq!(pages_touched(4096, 8192, 4096), 2);
        assert_eq!(pages_touched(u64::MAX, u64::MAX, 4096), 1);
    }
}
