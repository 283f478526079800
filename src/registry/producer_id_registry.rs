//! In the place of ZooKeeper's `/latest_producer_id_block`: which producer ids were given out.
//!
//! Ids are reserved in blocks. The file holds the last reserved block before the first of its ids
//! is given out.
//!
//! ```text
//! version=0
//! block.start=1000
//! block.end=1999
//! ```

use std::ops::Range;
use std::path::Path;

use log::debug;

use crate::common::errors::{Errors, KafkaError};
use crate::registry::registry_file::RegistryFile;

/// The registry's file, in the first log directory.
pub const LATEST_PRODUCER_ID_BLOCK_FILE: &str = "latest_producer_id_block";
/// How many ids are reserved at a time.
pub const PRODUCER_ID_BLOCK_SIZE: i64 = 1_000;

/// For a file that cannot be read.
const REMEDY: &str = "mend it, or put back a copy; if it is moved away, ids begin after the highest \
                      in the logs, and one that has not written yet may be given twice: restart \
                      the idempotent producers";

/// Reserves blocks of ids, each id once, also across restarts.
#[derive(Debug)]
pub struct ProducerIdRegistry {
    file: RegistryFile,
    /// Where the next block begins.
    next: i64,
}

impl ProducerIdRegistry {
    /// Goes on after the block in the file in `dir`. If there is no file, the logs may still be
    /// another broker's, with its producers: ids begin after `highest_in_use`, and the first block
    /// is reserved at once, because from then on only the file counts: a client may make up any id.
    ///
    /// Returns the ids that are reserved and not given out yet, too.
    ///
    /// # Errors
    /// `Corrupt` if the file is not what is written here: to start over would give ids twice; `Io`,
    /// with the path.
    pub fn open_in(
        dir: &Path,
        highest_in_use: Option<i64>,
    ) -> Result<(Self, Range<i64>), KafkaError> {
        let file = RegistryFile::new(dir.join(LATEST_PRODUCER_ID_BLOCK_FILE), REMEDY);
        match file.read(parse_block_end)? {
            // What was left of the block when the broker stopped is never used.
            Some(next) => Ok((Self { file, next }, next..next)),
            None => {
                let next = highest_in_use.map_or(0, |id| id.saturating_add(1));
                let mut registry = Self { file, next };
                let block = registry.reserve_block()?;
                Ok((registry, block))
            }
        }
    }

    /// The next block, which is on disk when this returns.
    ///
    /// # Errors
    /// `Io` if the block cannot be written, with the path; `UNKNOWN_SERVER_ERROR` if all ids are
    /// used up. Then nothing is reserved.
    pub fn reserve_block(&mut self) -> Result<Range<i64>, KafkaError> {
        let start = self.next;
        let end = start.checked_add(PRODUCER_ID_BLOCK_SIZE).ok_or_else(|| {
            KafkaError::api(Errors::UnknownServerError, "all producer ids are used up")
        })?;
        let last = end - 1;
        self.file.write(&format!("version=0\nblock.start={start}\nblock.end={last}\n"))?;
        self.next = end;
        debug!("reserved the producer ids {start} to {last}");
        Ok(start..end)
    }
}

/// The id after the block in `text`.
fn parse_block_end(text: &str, path: &Path) -> Result<i64, KafkaError> {
    let value = |name: &str| -> Option<i64> {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value?.trim().parse().ok().filter(|number| *number >= 0)
    };
    let block = (value("version"), value("block.start"), value("block.end"));
    match block {
        (Some(0), Some(start), Some(last)) if start <= last && last < i64::MAX => Ok(last + 1),
        _ => Err(KafkaError::Corrupt {
            file: path.to_path_buf(),
            position: 0,
            why: "it names no last block of producer ids".to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end_of(text: &str) -> Option<i64> {
        parse_block_end(text, Path::new("block")).ok()
    }

    #[test]
    fn the_next_block_begins_after_the_last() {
        assert_eq!(end_of("version=0\nblock.start=1000\nblock.end=1999\n"), Some(2_000));
        assert_eq!(end_of("version=0\r\nblock.start=0\r\nblock.end=0"), Some(1));
    }

    #[test]
    fn what_is_no_block_is_not_guessed_at() {
        for text in [
            "",
            "version=0\nblock.start=0\n",
            "version=0\nblock.start=0\nblock.end=\n",
            "version=0\nblock.start=9\nblock.end=8\n",
            "version=0\nblock.start=-9\nblock.end=-8\n",
            "version=1\nblock.start=0\nblock.end=999\n",
            "version=0\nblock.start=0\nblock.end=9223372036854775807\n",
            "version=0\nblock.start=0\nblock.end=99999999999999999999\n",
        ] {
            assert_eq!(end_of(text), None, "{text:?}");
        }
    }
}
