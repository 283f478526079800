//! What the broker does to files by name: durable names, small files that are replaced whole, and
//! errors that say which file it was.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Write;
use std::path::{Path, PathBuf};

use log::error;

use crate::common::errors::KafkaError;
use crate::storage::files::log_file_names::with_suffix;

/// Adds what failed, and for which file, to an error of the operating system.
pub fn failed(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    let text = format!("cannot {doing} {}", path.display());
    move |error| io::Error::new(error.kind(), format!("{text}: {error}"))
}

/// Makes the names of the files in `dir` durable: after a crash a file whose directory was not
/// synced may be gone, however well its bytes were (KAFKA-3968).
///
/// # Errors
/// Whatever `fsync(2)` reports.
pub fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir).and_then(|it| it.sync_all()).map_err(failed("sync the directory", dir))
}

/// Makes the content of a file durable, what was written through a map included. A file that is
/// gone is no error (KAFKA-6624).
///
/// # Errors
/// Whatever `fdatasync(2)` reports, but not `NotFound`.
pub fn sync_if_exists(path: &Path) -> io::Result<()> {
    match File::open(path).and_then(|file| file.sync_data()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("sync", path)(error)),
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
        Err(error) => Err(failed("read", path)(error).into()),
    }
}

/// Replaces a small file whole: a crash leaves the old content or the new one, never a piece of it.
///
/// The new content is prepared in `<path>.tmp`, which only one writer may have (KAFKA-3063): threads
/// share a writer behind a lock.
#[derive(Debug)]
pub struct AtomicWriter {
    path: PathBuf,
    temporary: PathBuf,
}

impl AtomicWriter {
    /// A writer of the file `path`. Touches nothing (Kafka deletes a temporary file here that
    /// another writer may be using).
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), temporary: with_suffix(path, ".tmp") }
    }

    /// Replaces the file: writes and syncs the temporary one, renames it, and syncs the directory.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path.
    pub fn write(&mut self, text: &str) -> io::Result<()> {
        self.rename_over(text)?;
        sync_directory(parent(&self.path))
    }

    fn rename_over(&mut self, text: &str) -> io::Result<()> {
        let write = || -> io::Result<()> {
            let mut file = File::create(&self.temporary)?;
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

/// As [`write_atomically`], for an owner that also keeps the content in memory: after an error the
/// file holds what `old` returns, as it did before, so that the next start does not read what was
/// refused. Only if that write fails too, which is logged, do file and memory differ.
///
/// # Errors
/// As [`write_atomically`].
pub fn replace_atomically(path: &Path, new: &str, old: impl FnOnce() -> String) -> io::Result<()> {
    replace_with(path, new, old, sync_directory)
}

fn replace_with(
    path: &Path,
    new: &str,
    old: impl FnOnce() -> String,
    sync: impl Fn(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let mut writer = AtomicWriter::new(path);
    writer.rename_over(new)?;
    sync(parent(path)).inspect_err(|_| {
        let restored = writer.rename_over(&old()).and_then(|()| sync(parent(path)));
        if let Err(error) = restored {
            error!("{} may hold settings that were refused: {error}", path.display());
        }
    })
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_whose_directory_cannot_be_synced_holds_what_it_held_before() {
        let name = format!("transferto-replaced-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        write_atomically(&path, "old").unwrap();
        let refuse = |_: &Path| Err(io::Error::other("no disk"));
        let error = replace_with(&path, "new", || "old".to_string(), refuse).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), read_text(&path).unwrap().unwrap().as_str()),
            ("no disk", "old")
        );
        replace_atomically(&path, "new", || "old".to_string()).unwrap();
        assert_eq!(read_text(&path).unwrap().unwrap(), "new");
        fs::remove_file(path).unwrap();
    }
}
