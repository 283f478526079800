//! The file that is sent, in memory or not.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bench::outcome::{Outcome, failed};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use transferto::common::sys::resident_pages;

use crate::stir::stir;

const PIECE_BYTES: usize = 1_000_000;
/// How long pages may stay that were to be dropped.
const PATIENCE: Duration = Duration::from_secs(5);
/// How far apart the pages lie that are asked for: the kernel reads no less at a time.
const LOOK_EVERY_BYTES: usize = 64 << 10;

/// A file of so many bytes.
#[derive(Debug)]
pub(crate) struct TestFile {
    path: PathBuf,
    pub(crate) bytes: usize,
}

impl TestFile {
    /// Writes one, and waits until the disk has it: else nothing could be dropped from memory.
    pub(crate) fn write(dir: &Path, bytes: usize) -> Outcome<Self> {
        let path = dir.join(format!("{bytes}.bin"));
        let mut file = File::create(&path)?;
        let mut left = bytes;
        while left > 0 {
            let piece = content(left.min(PIECE_BYTES), bytes - left);
            file.write_all(&piece)?;
            left -= piece.len();
        }
        file.sync_all()?;
        Ok(Self { path, bytes })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn content(&self) -> Outcome<Vec<u8>> {
        Ok(fs::read(&self.path)?)
    }

    /// Has all of it in the page cache.
    pub(crate) fn warm(&self) -> Outcome<()> {
        let copied = std::io::copy(&mut File::open(&self.path)?, &mut std::io::sink())?;
        if usize::try_from(copied)? == self.bytes { Ok(()) } else { failed("a file has shrunk") }
    }

    /// Has none of it in the page cache. Returns whether the kernel could say so.
    pub(crate) fn chill(&self) -> Outcome<bool> {
        let file = File::open(&self.path)?;
        let began = Instant::now();
        loop {
            posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
            match self.has_cached_page(&file)? {
                None => return Ok(false),
                Some(false) => return Ok(true),
                Some(true) if began.elapsed() > PATIENCE => {
                    return failed("pages stay in memory: is this file system tmpfs?");
                }
                // Pages that a packet still refers to.
                Some(true) => stir()?,
            }
        }
    }

    /// Whether one of many pages is in memory; nothing if the kernel cannot say.
    fn has_cached_page(&self, file: &File) -> Outcome<Option<bool>> {
        for position in (0..self.bytes).step_by(LOOK_EVERY_BYTES) {
            match resident_pages(file, position as u64, 1)? {
                Some(false) => {}
                other => return Ok(other),
            }
        }
        Ok(Some(false))
    }
}

/// Each eight bytes are their own position.
fn content(bytes: usize, position: usize) -> Vec<u8> {
    let numbers = (position..position + bytes).step_by(8);
    numbers.flat_map(|it| (it as u64).to_be_bytes()).take(bytes).collect()
}
