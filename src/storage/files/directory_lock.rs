//! Port of `kafka.utils.FileLock`: keeps other brokers, of either kind, off a directory.

use std::fs::File;

use log::debug;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, fcntl};
use nix::libc;

/// Held until it is dropped, or until the process ends, however that ends.
///
/// It is two locks, because Linux has two kinds that do not see each other: `flock(2)`, which earlier
/// versions of this broker take alone, and that of `fcntl(2)`, by which Java's `FileChannel.tryLock`
/// keeps two Kafkas apart. Both are of the open file, and not of the process.
#[derive(Debug)]
pub(crate) struct DirectoryLock(Flock<File>);

impl DirectoryLock {
    /// Locks `file`, which is open for writing.
    ///
    /// # Errors
    /// `EAGAIN` or `EACCES` if somebody else has locked it.
    pub(super) fn try_new(file: File) -> Result<Self, Errno> {
        let lock =
            Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno)?;
        fcntl(&*lock, FcntlArg::F_OFD_SETLK(&whole_file(libc::F_WRLCK)))?;
        Ok(Self(lock))
    }
}

impl Drop for DirectoryLock {
    /// A child of this process has the open file as well, until it runs its own program: so both locks end by a
    /// call, the other one by that of `Flock`, and not with the last that closes the file.
    fn drop(&mut self) {
        if let Err(errno) = fcntl(&*self.0, FcntlArg::F_OFD_SETLK(&whole_file(libc::F_UNLCK))) {
            debug!("the lock of a directory ends when its file is closed: {errno}");
        }
    }
}

/// A lock of this kind, or the end of one, that covers all of a file.
fn whole_file(kind: libc::c_int) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use support::temp::TempDir;

    use super::*;

    #[test]
    fn a_lock_ends_although_a_child_still_has_the_file() {
        let dir = TempDir::new();
        let path = dir.path().join(".lock");
        let first = File::create(&path).unwrap();
        let of_child = first.try_clone().unwrap();
        let lock = DirectoryLock::try_new(first).unwrap();
        let another = || DirectoryLock::try_new(File::create(&path).unwrap());
        assert_eq!(another().err(), Some(Errno::EAGAIN));
        drop(lock);
        assert_eq!(another().err(), None);
        drop(of_child);
    }
}
