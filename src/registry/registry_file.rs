//! The file of a registry: read at the start, replaced as a whole at each change.

use std::io;
use std::path::{Path, PathBuf};

use log::warn;

use crate::common::errors::KafkaError;
use crate::storage::files::checkpoint_file::CURRENT_VERSION;
use crate::storage::files::file_io::{AtomicWriter, make_private, read_text};

/// One small text file, in the first log directory.
#[derive(Debug)]
pub(super) struct RegistryFile {
    path: PathBuf,
    /// What an admin can do if the file cannot be read, and what is lost if it is moved away.
    remedy: &'static str,
    /// Whether it is for nobody's eyes but the broker's.
    is_secret: bool,
}

impl RegistryFile {
    pub(super) fn new(path: PathBuf, remedy: &'static str) -> Self {
        Self { path, remedy, is_secret: false }
    }

    /// The same for a file that holds secrets: only its owner may read it.
    pub(super) fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }

    /// The file `name` in the first of a broker's log directories.
    pub(super) fn in_first(log_dirs: &[PathBuf], name: &str, remedy: &'static str) -> Self {
        let first = log_dirs.first().expect("a broker has at least one log directory");
        Self::new(first.join(name), remedy)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What `parse` makes of the text; `None` if there is no such file yet.
    ///
    /// # Errors
    /// What `parse` returns, with the remedy; whatever the operating system reports, with the path.
    pub(super) fn read<T>(
        &self,
        parse: impl FnOnce(&str, &Path) -> Result<T, KafkaError>,
    ) -> Result<Option<T>, KafkaError> {
        let read = || read_text(&self.path)?.map(|text| parse(&text, &self.path)).transpose();
        let content = read().map_err(|error| error.with_remedy(self.remedy))?;
        if self.is_secret && content.is_some() && make_private(&self.path)? {
            warn!(
                "others than the broker could read {}, which holds secrets: it is closed to them \
                 now, but who has read it can try passwords; change those",
                self.path.display()
            );
        }
        Ok(content)
    }

    fn writer(&self) -> AtomicWriter {
        match self.is_secret {
            true => AtomicWriter::private(&self.path),
            false => AtomicWriter::new(&self.path),
        }
    }

    /// Writes the file anew; `text` is on disk when this returns.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path.
    pub(super) fn write(&self, text: &str) -> io::Result<()> {
        self.writer().write(text)
    }

    /// Replaces the text `old` by `new`, which is on disk when this returns.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path; the file then holds `old`.
    pub(super) fn replace(&self, new: &str, old: impl FnOnce() -> String) -> io::Result<()> {
        self.writer().replace(new, old)
    }

    /// The error for a file that can be read, and whose content cannot be used because of `why`.
    pub(super) fn corrupt(&self, why: String) -> KafkaError {
        KafkaError::Corrupt { file: self.path.clone(), position: 0, why }.with_remedy(self.remedy)
    }
}

/// The lines that stand before `entries` entries.
pub(super) fn list_head(entries: usize) -> String {
    format!("{CURRENT_VERSION}\n{entries}\n")
}
