//! What the broker does to files by name: durable names, small files that are replaced whole, and
//! errors that say which file it was, and whether the disk can still be trusted.

use std::error::Error;
use std::fmt;
use std::fs;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use log::error;
use nix::errno::Errno;

use crate::common::errors::KafkaError;
use crate::storage::files::log_file_names::with_suffix;

/// Adds what failed, and for which file, to an error of the operating system.
pub fn failed(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    FileError::with(Access::Change, doing, path)
}

/// The same for a file that was only looked at.
pub fn failed_to_read(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    FileError::with(Access::Read, doing, path)
}

/// The same for a wait for the disk.
pub fn failed_to_sync(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    FileError::with(Access::Sync, doing, path)
}

/// Opens a file only for reading, and says how many bytes it has.
///
/// # Errors
/// `InvalidInput` if it is a directory or a FIFO, at which `open(2)` would wait; whatever the
/// operating system reports, with the path.
pub fn open_regular_file(path: &Path) -> io::Result<(File, u64)> {
    let metadata = fs::metadata(path).map_err(failed_to_read("open", path))?;
    if !metadata.is_file() {
        let why = io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
        return Err(failed_to_read("open", path)(why));
    }
    let file = File::open(path).map_err(failed_to_read("open", path))?;
    let size_bytes = file.metadata().map_err(failed_to_read("look at", path))?.len();
    Ok((file, size_bytes))
}

/// Whether what is on the disk can no longer be told from what was written there. Kafka says so of
/// every `IOException`; here these fail no more than the call that met them:
///
/// - a process or a machine that is short of file descriptors or memory: the disk was not asked;
/// - a full disk, as long as it refuses what is new. A sync that reports one has lost what an
///   earlier call had accepted;
/// - a name that somebody has given to something else, such as a directory or a FIFO;
/// - a read: what can be read elsewhere is as true as before, and nothing is acknowledged by it.
pub fn is_fault_of_disk(error: &io::Error) -> bool {
    if is_shortage(error) {
        return false;
    }
    let access = FileError::of(error).map_or(Access::Change, |it| it.access);
    match (access, errno_of(error)) {
        // What the broker refuses itself, such as a size that cannot be, has no number.
        (Access::Read, _) | (_, None) => false,
        (Access::Sync, Some(_)) => true,
        (Access::Change, Some(errno)) => !matches!(
            errno,
            Errno::ENOSPC
                | Errno::EDQUOT
                | Errno::EEXIST
                | Errno::EISDIR
                | Errno::ENOTDIR
                | Errno::ENOTEMPTY
                | Errno::EINVAL
        ),
    }
}

/// Whether the process or the machine is short of file descriptors or memory: the disk was not asked.
pub fn is_shortage(error: &io::Error) -> bool {
    matches!(errno_of(error), Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM))
}

fn errno_of(error: &io::Error) -> Option<Errno> {
    let source = FileError::of(error).map_or(error, |it| &it.source);
    source.raw_os_error().map(Errno::from_raw)
}

/// What was asked of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read,
    Change,
    Sync,
}

/// An error of the operating system, and what it was about.
#[derive(Debug)]
struct FileError {
    access: Access,
    text: String,
    source: io::Error,
}

impl FileError {
    fn with(access: Access, doing: &str, path: &Path) -> impl FnOnce(io::Error) -> io::Error {
        let text = format!("cannot {doing} {}", path.display());
        move |source| io::Error::new(source.kind(), Self { access, text, source })
    }

    /// The innermost one: a caller may have said once more what it was about.
    fn of(error: &io::Error) -> Option<&Self> {
        let outer = error.get_ref()?.downcast_ref::<Self>()?;
        Some(Self::of(&outer.source).unwrap_or(outer))
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.text, self.source)
    }
}

impl Error for FileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// Makes the names of the files in `dir` durable: after a crash a file whose directory was not
/// synced may be gone, however well its bytes were (KAFKA-3968).
///
/// # Errors
/// Whatever `fsync(2)` reports.
pub fn sync_directory(dir: &Path) -> io::Result<()> {
    let synced = File::open(dir).and_then(|it| it.sync_all());
    synced.map_err(failed_to_sync("sync the directory", dir))
}

/// Creates a directory, and those above it that are missing, and makes their names durable.
///
/// # Errors
/// Whatever the operating system reports, with the path.
pub fn create_directories(path: &Path) -> io::Result<()> {
    let is_missing = |it: &&Path| !it.as_os_str().is_empty() && !it.exists();
    let missing: Vec<_> = path.ancestors().take_while(is_missing).collect();
    if missing.is_empty() {
        return Ok(());
    }
    fs::create_dir_all(path).map_err(failed("create the directory", path))?;
    missing.iter().try_for_each(|created| sync_directory(parent(created)))
}

/// Makes the content of a file durable, what was written through a map included. A file that is
/// gone is no error (KAFKA-6624).
///
/// # Errors
/// Whatever `fdatasync(2)` reports, but not `NotFound`.
pub fn sync_if_exists(path: &Path) -> io::Result<()> {
    match File::open(path).and_then(|file| file.sync_data()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed_to_sync("sync", path)(error))
        }
        _ => Ok(()),
    }
}

/// Removes a file. One that is gone already is no error (KAFKA-6324).
///
/// # Errors
/// Whatever `unlink(2)` reports, but not `NotFound`.
pub fn remove_if_exists(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("delete", path)(error)),
        _ => Ok(()),
    }
}

/// Removes a directory and all that is in it. One that is gone already is no error.
///
/// # Errors
/// Whatever the operating system reports, but not `NotFound`.
pub fn remove_directory_if_exists(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// The content of a small text file; `None` if it is missing.
///
/// # Errors
/// `Corrupt` if it is not UTF-8; whatever the operating system reports, with the path.
pub fn read_text(path: &Path) -> Result<Option<String>, KafkaError> {
    match fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|error| KafkaError::Corrupt {
            file: path.to_path_buf(),
            position: error.utf8_error().valid_up_to() as u64,
            why: "it is not UTF-8 text".to_string(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed_to_read("read", path)(error).into()),
    }
}

/// The rights on a file that only its owner may read: `rw-------`.
pub const PRIVATE_MODE: u32 = 0o600;

/// Takes the rights on a file from everybody but its owner. Returns whether others had any.
///
/// # Errors
/// Whatever the operating system reports, with the path.
pub fn make_private(path: &Path) -> io::Result<bool> {
    let metadata = fs::metadata(path).map_err(failed_to_read("look at", path))?;
    let is_open = metadata.permissions().mode() & 0o077 != 0;
    if is_open {
        let closed = fs::set_permissions(path, Permissions::from_mode(PRIVATE_MODE));
        closed.map_err(failed("take the rights of others on", path))?;
    }
    Ok(is_open)
}

/// Replaces a small file whole: a crash leaves the old content or the new one, never a piece of it.
///
/// The new content is prepared in `<path>.tmp`, which only one writer may have (KAFKA-3063): threads
/// share a writer behind a lock.
#[derive(Debug)]
pub struct AtomicWriter {
    path: PathBuf,
    temporary: PathBuf,
    is_private: bool,
}

impl AtomicWriter {
    /// A writer of the file `path`. Touches nothing (Kafka deletes a temporary file here that
    /// another writer may be using).
    pub fn new(path: &Path) -> Self {
        let temporary = with_suffix(path, ".tmp");
        Self { path: path.to_path_buf(), temporary, is_private: false }
    }

    /// A writer of a file that only its owner may read, at no moment anybody else.
    pub fn private(path: &Path) -> Self {
        Self { is_private: true, ..Self::new(path) }
    }

    /// Replaces the file: writes and syncs the temporary one, renames it, and syncs the directory.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path.
    pub fn write(&mut self, text: &str) -> io::Result<()> {
        self.rename_over(text)?;
        sync_directory(parent(&self.path))
    }

    /// As [`write`](Self::write), for an owner that also keeps the content in memory: after an error
    /// the file holds what `old` returns, as it did before, so that the next start does not read what
    /// was refused. Only if that write fails too, which is logged, do file and memory differ.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn replace(&mut self, new: &str, old: impl FnOnce() -> String) -> io::Result<()> {
        self.replace_with(new, old, sync_directory)
    }

    fn replace_with(
        &mut self,
        new: &str,
        old: impl FnOnce() -> String,
        sync: impl Fn(&Path) -> io::Result<()>,
    ) -> io::Result<()> {
        self.rename_over(new)?;
        sync(parent(&self.path)).inspect_err(|_| {
            let restored = self.rename_over(&old()).and_then(|()| sync(parent(&self.path)));
            if let Err(error) = restored {
                error!("{} may hold settings that were refused: {error}", self.path.display());
            }
        })
    }

    fn create_temporary(&self) -> io::Result<File> {
        if !self.is_private {
            return File::create(&self.temporary);
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(PRIVATE_MODE);
        let file = options.open(&self.temporary)?;
        // One that a crash has left may have had other rights.
        file.set_permissions(Permissions::from_mode(PRIVATE_MODE))?;
        Ok(file)
    }

    fn rename_over(&mut self, text: &str) -> io::Result<()> {
        let write = || -> io::Result<()> {
            let mut file = self.create_temporary()?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&self.temporary, &self.path)
        };
        write().map_err(failed("write", &self.path))
    }
}

/// Replaces the file `path` once; its owner is its only writer: see [`AtomicWriter::write`].
///
/// # Errors
/// Whatever the operating system reports, with the path.
pub fn write_atomically(path: &Path, text: &str) -> io::Result<()> {
    AtomicWriter::new(path).write(text)
}

/// Replaces the file `path` once, in the place of `old`: see [`AtomicWriter::replace`].
///
/// # Errors
/// Whatever the operating system reports, with the path.
pub fn replace_atomically(path: &Path, new: &str, old: impl FnOnce() -> String) -> io::Result<()> {
    AtomicWriter::new(path).replace(new, old)
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_blamed_for_what_it_may_have_lost_and_for_nothing_else() {
        let path = Path::new("f");
        let of = |errno: Errno| io::Error::from(errno);
        let changed = |errno| is_fault_of_disk(&failed("write", path)(of(errno)));
        let synced = |errno| is_fault_of_disk(&failed_to_sync("sync", path)(of(errno)));
        for errno in [Errno::EIO, Errno::EROFS, Errno::ENOENT, Errno::ESTALE] {
            assert!(changed(errno) && synced(errno) && is_fault_of_disk(&of(errno)), "{errno}");
            assert!(!is_fault_of_disk(&failed_to_read("read", path)(of(errno))), "{errno}");
        }
        for errno in [Errno::ENOSPC, Errno::EDQUOT, Errno::EISDIR, Errno::ENOTEMPTY] {
            assert!(!changed(errno) && synced(errno), "{errno}");
        }
        for errno in [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM] {
            assert!(!changed(errno) && !synced(errno), "{errno}");
        }
        assert!(!is_fault_of_disk(&failed("write", path)(io::Error::other("no errno"))));
    }

    #[test]
    fn an_error_that_was_said_twice_is_judged_by_what_happened_first() {
        let path = Path::new("f");
        let full = || failed("open", path)(io::Error::from(Errno::ENOSPC));
        let twice = failed_to_sync("sync", path)(full());
        assert!(!is_fault_of_disk(&twice));
        assert!(twice.to_string().starts_with("cannot sync f: cannot open f: No space"), "{twice}");
    }

    #[test]
    fn a_file_whose_directory_cannot_be_synced_holds_what_it_held_before() {
        let name = format!("transferto-replaced-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        write_atomically(&path, "old").unwrap();
        let refuse = |_: &Path| Err(io::Error::other("no disk"));
        let mut writer = AtomicWriter::new(&path);
        let error = writer.replace_with("new", || "old".to_string(), refuse).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), read_text(&path).unwrap().unwrap().as_str()),
            ("no disk", "old")
        );
        replace_atomically(&path, "new", || "old".to_string()).unwrap();
        assert_eq!(read_text(&path).unwrap().unwrap(), "new");
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_private_file_is_its_owners_alone_whatever_lay_in_its_place() {
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let name = format!("transferto-private-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let temporary = with_suffix(&path, ".tmp");
        for place in [&path, &temporary] {
            fs::write(place, "left behind").unwrap();
            fs::set_permissions(place, Permissions::from_mode(0o664)).unwrap();
        }
        AtomicWriter::private(&path).replace("secret", || "old".to_string()).unwrap();
        assert_eq!(mode(&path), PRIVATE_MODE);
        assert!(!make_private(&path).unwrap());
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(make_private(&path).unwrap());
        assert_eq!(mode(&path), PRIVATE_MODE);
        fs::remove_file(path).unwrap();
    }
}
