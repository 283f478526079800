//! Port of `kafka.coordinator.transaction.ProducerIdManager`: ids for idempotent producers, none of
//! them given twice, whatever happens to the process.
//!
//! Ids are reserved in blocks. The last reserved block stands in a file, in the first log
//! directory, before the first of its ids is given away; what is left of it when the broker stops
//! is never used.
//!
//! ```text
//! version=0
//! block.start=1000
//! block.end=1999
//! ```

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use log::info;

use crate::common::errors::{Errors, KafkaError};
use crate::storage::files::file_io::{read_text, write_atomically};

/// The file of the last reserved block: Kafka's node in ZooKeeper.
pub const LATEST_PRODUCER_ID_BLOCK_FILE: &str = "latest_producer_id_block";
/// How many ids are reserved at a time.
pub const PRODUCER_ID_BLOCK_SIZE: i64 = 1_000;
/// Said of a file that cannot be read.
const REMEDY: &str = "mend it, or put back a copy; if it is moved away, ids begin after the highest \
                      in the logs, and one that has not written yet may be given twice: restart \
                      the idempotent producers";

/// Gives producers their ids.
#[derive(Debug)]
pub struct ProducerIdManager {
    path: PathBuf,
    /// Ids that are reserved and not yet given; empty from the start of the broker on until the
    /// first is asked for. Its end is where the next block begins.
    block: Mutex<Range<i64>>,
}

impl ProducerIdManager {
    /// A manager that goes on after the block in the file in `dir`. If there is no file, the logs
    /// may still be another broker's, with its producers: ids begin after `highest_in_use`.
    ///
    /// # Errors
    /// `Corrupt` if the file is not what is written here: to begin anew would give ids twice. `Io`,
    /// with the path.
    pub fn open(dir: &Path, highest_in_use: Option<i64>) -> Result<Self, KafkaError> {
        let path = dir.join(LATEST_PRODUCER_ID_BLOCK_FILE);
        let read = || read_text(&path)?.map(|text| parse_block_end(&text, &path)).transpose();
        let block = match read().map_err(|error| error.with_remedy(REMEDY))? {
            Some(end) => end..end,
            // Written down at once, so that from now on only the file counts: a client may make up
            // any id.
            None => reserve_block(&path, highest_in_use.map_or(0, |id| id.saturating_add(1)))?,
        };
        Ok(Self { path, block: Mutex::new(block) })
    }

    /// An id that no producer ever had.
    ///
    /// # Errors
    /// `Io` if the next block cannot be written down, with the path; `UNKNOWN_SERVER_ERROR` if all
    /// ids are used up.
    pub fn generate_producer_id(&self) -> Result<i64, KafkaError> {
        let mut block = self.block.lock().expect("no thread panics while it takes an id");
        if block.is_empty() {
            *block = reserve_block(&self.path, block.end)?;
        }
        block.next().ok_or_else(used_up)
    }
}

fn reserve_block(path: &Path, start: i64) -> Result<Range<i64>, KafkaError> {
    let end = start.checked_add(PRODUCER_ID_BLOCK_SIZE).ok_or_else(used_up)?;
    let last = end - 1;
    let text = format!("version=0\nblock.start={start}\nblock.end={last}\n");
    write_atomically(path, &text)?;
    info!("reserved the producer ids {start} to {last}");
    Ok(start..end)
}

fn used_up() -> KafkaError {
    KafkaError::api(Errors::UnknownServerError, "all producer ids are used up")
}

/// The id after the block that `text` tells of.
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
            why: "it does not tell the last block of producer ids".to_string(),
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
