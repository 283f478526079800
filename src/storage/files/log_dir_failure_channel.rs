//! Port of `org.apache.kafka.storage.internals.log.LogDirFailureChannel`: which log directories are
//! offline, and how the rest of the broker hears of one.
//!
//! A directory goes offline at the first error that leaves unknown what the disk holds
//! ([`is_fault_of_disk`]). From then on all its logs refuse to be read and changed. After a sync that
//! failed another one may succeed though the bytes are lost: Linux reports a failed write once. So
//! nothing brings a directory back but a restart, which reads what is there.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, OnceLock};

use log::error;

use crate::common::errors::{Errors, KafkaError};
use crate::common::lock::{locked, locked_again};
use crate::storage::files::file_io::is_fault_of_disk;

/// Directories that have gone offline, each once, for the thread that tells everybody.
#[derive(Debug, Default)]
pub struct LogDirFailureChannel {
    queue: Mutex<Queue>,
    /// Notified when a directory has gone offline, and at the end.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    offline: VecDeque<PathBuf>,
    is_shut_down: bool,
}

impl LogDirFailureChannel {
    /// The status of the directory `path`, online for now. There is one for a directory, and each of
    /// its logs has a share.
    pub fn watch(self: &Arc<Self>, path: &Path) -> Arc<LogDirStatus> {
        let (channel, failure) = (Arc::clone(self), OnceLock::new());
        Arc::new(LogDirStatus { path: path.to_path_buf(), failure, channel })
    }

    /// Waits for the next directory that goes offline; `None` after
    /// [`shutdown`](Self::shutdown).
    pub fn take_next_offline_log_dir(&self) -> Option<PathBuf> {
        let queue = locked(&self.queue);
        let is_idle = |queue: &mut Queue| queue.offline.is_empty() && !queue.is_shut_down;
        let mut queue = locked_again(self.changed.wait_while(queue, is_idle));
        if queue.is_shut_down { None } else { queue.offline.pop_front() }
    }

    /// Ends all waits, those to come as well.
    pub fn shutdown(&self) {
        locked(&self.queue).is_shut_down = true;
        self.changed.notify_all();
    }

    fn add(&self, path: &Path) {
        locked(&self.queue).offline.push_back(path.to_path_buf());
        self.changed.notify_all();
    }
}

/// Whether a log directory can be used.
#[derive(Debug)]
pub struct LogDirStatus {
    path: PathBuf,
    /// What took it offline.
    failure: OnceLock<String>,
    channel: Arc<LogDirFailureChannel>,
}

impl LogDirStatus {
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn is_online(&self) -> bool {
        self.failure.get().is_none()
    }

    /// # Errors
    /// `KAFKA_STORAGE_ERROR`, with what took the directory offline.
    pub fn check_online(&self) -> Result<(), KafkaError> {
        self.failure.get().map_or(Ok(()), |why| Err(self.storage_error(why)))
    }

    /// Takes the directory offline if `result` blames its disk; returns it as clients get it.
    ///
    /// # Errors
    /// The error of `result`.
    pub fn note<T>(&self, result: Result<T, KafkaError>) -> Result<T, KafkaError> {
        result.inspect_err(|error| {
            if let KafkaError::Io(error) = error {
                self.note_error(error);
            }
        })
    }

    /// As [`note`](Self::note), for an error that fails no call.
    pub fn note_error(&self, error: &io::Error) {
        if is_fault_of_disk(error) {
            self.take_offline(error.to_string());
        }
    }

    /// Port of `maybeAddOfflineLogDir`: only the first failure counts, and is logged.
    pub fn take_offline(&self, why: String) {
        if self.failure.set(why.clone()).is_err() {
            return;
        }
        error!(
            "the log directory {} is offline until the broker is restarted: {why}",
            self.path.display()
        );
        self.channel.add(&self.path);
    }

    fn storage_error(&self, why: &str) -> KafkaError {
        let text = format!("the log directory {} is offline: {why}", self.path.display());
        KafkaError::api(Errors::KafkaStorageError, text)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use nix::errno::Errno;

    use super::*;
    use crate::storage::files::file_io::failed;

    #[test]
    fn a_directory_goes_offline_once_and_for_good() {
        let channel = Arc::new(LogDirFailureChannel::default());
        let (failing, other) = (channel.watch(Path::new("a")), channel.watch(Path::new("b")));
        let fail = |errno: Errno| {
            let error = failed("append to", Path::new("a/t-0/0.log"))(errno.into());
            failing.note(Err::<(), _>(error.into())).unwrap_err()
        };
        fail(Errno::ENOSPC);
        assert!(failing.is_online() && failing.check_online().is_ok());
        fail(Errno::EIO);
        fail(Errno::EROFS);
        let error = failing.check_online().unwrap_err();
        assert_eq!(error.code(), Errors::KafkaStorageError);
        assert!(
            error.to_string().contains("a is offline: cannot append to a/t-0/0.log"),
            "{error}"
        );
        assert!(!failing.is_online() && other.is_online());
        assert_eq!(channel.take_next_offline_log_dir().as_deref(), Some(Path::new("a")));
        assert!(locked(&channel.queue).offline.is_empty(), "it is announced once");
    }

    #[test]
    fn a_thread_that_waits_for_failures_is_let_go_at_the_end() {
        let channel = Arc::new(LogDirFailureChannel::default());
        thread::scope(|scope| {
            let waiting = scope.spawn(|| channel.take_next_offline_log_dir());
            channel.shutdown();
            assert_eq!(waiting.join().unwrap(), None);
        });
    }
}
