//! Port of what `org.apache.kafka.storage.internals.log.UnifiedLog` does with its
//! `leaderEpochCache`: the leader epochs of a log, as its changes move them.

use std::io;
use std::sync::Arc;

use log::{Level, log};

use crate::common::errors::{Errors, KafkaError};
use crate::common::log_limit::{LogKind, limited};
use crate::common::scheduler::Scheduler;
use crate::common::units::{LeaderEpoch, Offset};
use crate::message::byte_buffer_message_set::ShallowEntry;
use crate::storage::epochs::epoch_entry::EpochEntry;
use crate::storage::epochs::leader_epoch_file_cache::LeaderEpochFileCache;
use crate::storage::files::log_dir_failure_channel::LogDirStatus;

/// The epochs of a log, for whoever changes it.
pub struct LogEpochs {
    pub cache: Arc<LeaderEpochFileCache>,
    /// That of the log directory in which the log lies.
    pub log_dir: Arc<LogDirStatus>,
    pub scheduler: Arc<dyn Scheduler>,
}

impl LogEpochs {
    /// What a leader appends belongs to its epoch. A change of the leader may come between its look at
    /// the epoch and the log's lock.
    ///
    /// # Errors
    /// `NOT_LEADER_OR_FOLLOWER` for an epoch that is over.
    pub fn check_not_over(&self, epoch: LeaderEpoch) -> Result<(), KafkaError> {
        match self.cache.latest_epoch() {
            Some(latest) if latest > epoch => {
                let why = format!("leader epoch {epoch} is over, the log is in {latest}");
                Err(KafkaError::api(Errors::NotLeaderForPartition, why))
            }
            _ => Ok(()),
        }
    }

    /// Owed before a record of `epoch` is appended at `start_offset`, the end of the log.
    ///
    /// # Errors
    /// `Io`, with the path; then the epoch has not begun.
    pub fn begin(&self, epoch: LeaderEpoch, start_offset: Offset) -> io::Result<()> {
        match self.cache.latest_epoch() {
            Some(latest) if latest == epoch && !self.cache.owes_write() => Ok(()),
            _ => self.cache.assign(&[EpochEntry { epoch, start_offset }]),
        }
    }

    /// As [`begin`](Self::begin), for a leader that has nothing to append yet. If the disk refuses it,
    /// records can be read all the same; the first append tries again.
    pub fn announce(&self, epoch: LeaderEpoch, start_offset: Offset) {
        if let Err(error) = self.begin(epoch, start_offset) {
            let level = limited(LogKind::Failures, Level::Warn);
            let log = self.cache.topic_and_partition();
            log!(level, "{log} takes no record before leader epoch {epoch} is on disk: {error}");
            self.log_dir.note_error(&error);
            self.cache.assign_in_memory(EpochEntry { epoch, start_offset });
        }
    }

    /// Owed before messages are appended that bring their epochs along.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn begin_given(&self, given: &GivenEpochs) -> io::Result<()> {
        if given.has_messages_without && self.cache.latest_epoch().is_some() {
            let level = limited(LogKind::Failures, Level::Warn);
            let log = self.cache.topic_and_partition();
            log!(level, "{log} forgets its leader epochs: messages without one are appended");
            self.cache.clear_and_flush()?;
        }
        match given.begun[..] {
            [] if self.cache.owes_write() => self.cache.assign(&[]),
            [] => Ok(()),
            [only] => self.begin(only.epoch, only.start_offset),
            ref several => self.cache.assign(several),
        }
    }

    /// The log ends at `end_offset` now.
    pub fn truncate_from_end(&self, end_offset: Offset) {
        if self.cache.truncate_from_end(end_offset) {
            self.flush_later();
        }
    }

    /// The log begins at `start_offset` now.
    pub fn truncate_from_start(&self, start_offset: Offset) {
        if self.cache.truncate_from_start(start_offset) {
            self.flush_later();
        }
    }

    /// Has the file follow what is known, without having the log wait for the disk.
    pub fn flush_later(&self) {
        let (cache, log_dir) = (Arc::clone(&self.cache), Arc::clone(&self.log_dir));
        let flush = move || {
            if !log_dir.is_online() {
                return;
            }
            if let Err(error) = cache.flush() {
                let level = limited(LogKind::Failures, Level::Warn);
                let log = cache.topic_and_partition();
                log!(level, "the file of leader epochs of {log} is behind: {error}");
                log_dir.note_error(&error);
            }
        };
        self.scheduler.schedule("leader-epoch-cache-flush", 0, None, Box::new(flush));
    }
}

/// The epochs that messages bring along, as a follower gets them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenEpochs {
    /// Each one's first offset among the messages, in their order.
    pub begun: Vec<EpochEntry>,
    /// Whether there are messages of a format that has no epochs, before all of those. They make the
    /// history of the log useless.
    pub has_messages_without: bool,
}

impl GivenEpochs {
    /// Takes notice of the next message or batch.
    pub fn note(&mut self, entry: &ShallowEntry<'_>) {
        let (epoch, start_offset) = (entry.leader_epoch().map(LeaderEpoch), Offset(entry.offset));
        match epoch {
            None => (self.begun, self.has_messages_without) = (Vec::new(), true),
            Some(epoch) if self.begun.last().is_none_or(|last| last.epoch != epoch) => {
                self.begun.push(EpochEntry { epoch, start_offset });
            }
            Some(_) => (),
        }
    }
}
