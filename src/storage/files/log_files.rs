//! The files in the directory of one log, as a start finds them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use crate::common::units::Offset;
use crate::storage::files::file_io::{failed, remove_if_exists};
use crate::storage::files::log_file_names::{
    index_filename, log_filename, offset_of_filename, time_index_filename, with_suffix,
};

/// The names in a log's directory, as they were when it was listed: a start with many logs lists
/// each directory once.
#[derive(Clone, Debug)]
pub struct FileNames(Vec<String>);

impl FileNames {
    /// Those that end with one of `suffixes`, in no particular order.
    pub fn with_suffix<'a>(&'a self, suffixes: &'a [&str]) -> impl Iterator<Item = &'a str> {
        let has_suffix = |name: &&str| suffixes.iter().any(|suffix| name.ends_with(suffix));
        self.0.iter().map(String::as_str).filter(has_suffix)
    }

    /// The offsets in those that end with `suffix`.
    pub fn offsets_of(&self, suffix: &str) -> BTreeSet<Offset> {
        self.0.iter().filter_map(|name| offset_of_filename(name, suffix)).collect()
    }
}

/// A log's directory, which exists.
#[derive(Clone, Copy, Debug)]
pub struct LogFiles<'a> {
    pub dir: &'a Path,
}

impl LogFiles<'_> {
    /// The names of the files.
    ///
    /// # Errors
    /// Whatever the operating system reports, with the path.
    pub fn list(&self) -> io::Result<FileNames> {
        let list = || -> io::Result<Vec<_>> {
            let entries = fs::read_dir(self.dir)?.collect::<io::Result<Vec<_>>>()?;
            // A name that is no UTF-8 is none of ours.
            Ok(entries.into_iter().filter_map(|it| it.file_name().into_string().ok()).collect())
        };
        list().map(FileNames).map_err(failed("list", self.dir))
    }

    /// The offsets in the names that end with `suffix` now.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub fn offsets_of(&self, suffix: &str) -> io::Result<BTreeSet<Offset>> {
        Ok(self.list()?.offsets_of(suffix))
    }

    /// Removes both indexes of a segment, in files whose names end with `suffix`.
    ///
    /// # Errors
    /// Whatever `unlink(2)` reports, with the path.
    pub fn remove_indexes(&self, base_offset: Offset, suffix: &str) -> io::Result<()> {
        for filename in [index_filename, time_index_filename] {
            remove_if_exists(&with_suffix(&filename(self.dir, base_offset), suffix))?;
        }
        Ok(())
    }

    /// Removes the files of a segment whose names end with `suffix`.
    ///
    /// # Errors
    /// Whatever `unlink(2)` reports, with the path.
    pub fn remove_segment(&self, base_offset: Offset, suffix: &str) -> io::Result<()> {
        remove_if_exists(&with_suffix(&log_filename(self.dir, base_offset), suffix))?;
        self.remove_indexes(base_offset, suffix)
    }
}
