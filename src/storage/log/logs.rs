//! Port of the pool of logs in `kafka.log.LogManager`: all open logs of the broker, by partition.
//!
//! Everyone reads it. It changes only through its [`LogsWriter`], of which there is one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use crate::common::lock::{read_locked, write_locked};
use crate::common::topic_partition::TopicAndPartition;
use crate::storage::log::log::Log;

/// The open logs. No reader waits for the disk: a log is opened before it is entered.
#[derive(Default)]
pub struct Logs {
    by_partition: RwLock<HashMap<TopicAndPartition, Arc<Log>>>,
}

/// The right to enter and remove logs. A new one has a new table without logs.
#[derive(Default)]
pub struct LogsWriter {
    logs: Arc<Logs>,
    /// How many logs each log directory has. Each new log asks, and must not look at all others for
    /// it.
    counts: HashMap<PathBuf, usize>,
}

impl Logs {
    pub fn get(&self, partition: &TopicAndPartition) -> Option<Arc<Log>> {
        read_locked(&self.by_partition).get(partition).cloned()
    }

    /// All logs, in no particular order.
    pub fn all(&self) -> Vec<Arc<Log>> {
        read_locked(&self.by_partition).values().cloned().collect()
    }

    /// Those in the log directory `dir`.
    pub fn in_directory(&self, dir: &Path) -> Vec<Arc<Log>> {
        let is_inside = |log: &&Arc<Log>| log.dir().parent() == Some(dir);
        read_locked(&self.by_partition).values().filter(is_inside).cloned().collect()
    }
}

impl LogsWriter {
    /// The table, to be shared with its readers.
    pub fn logs(&self) -> &Arc<Logs> {
        &self.logs
    }

    /// Enters a log. Returns the one whose place it took.
    pub fn insert(&mut self, log: Arc<Log>) -> Option<Arc<Log>> {
        let partition = log.topic_and_partition().clone();
        *self.counts.entry(directory_of(&log).to_path_buf()).or_default() += 1;
        let replaced = write_locked(&self.logs.by_partition).insert(partition, log);
        self.uncount(replaced.as_ref());
        replaced
    }

    pub fn remove(&mut self, partition: &TopicAndPartition) {
        let removed = write_locked(&self.logs.by_partition).remove(partition);
        self.uncount(removed.as_ref());
    }

    /// How many logs there are in the log directory `dir`.
    pub fn count_in(&self, dir: &Path) -> usize {
        self.counts.get(dir).copied().unwrap_or_default()
    }

    fn uncount(&mut self, gone: Option<&Arc<Log>>) {
        if let Some(count) = gone.and_then(|log| self.counts.get_mut(directory_of(log))) {
            *count -= 1;
        }
    }
}

/// The log directory that the directory of the log lies in.
fn directory_of(log: &Log) -> &Path {
    log.dir().parent().unwrap_or(log.dir())
}
