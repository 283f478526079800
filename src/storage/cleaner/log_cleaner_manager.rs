//! Port of `kafka.log.LogCleanerManager`: the books of the cleaner. It knows which log is cleaned
//! next, which are being cleaned, and up to where each one is clean; it reads and writes no message.
//!
//! A log is free, being cleaned, or paused. A caller that truncates or deletes a log pauses it first,
//! which waits until its cleaning has stopped.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use log::{error, warn};

use crate::common::errors::KafkaError;
use crate::common::lock::{locked, locked_again};
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{Offset, TimestampMs};
use crate::storage::files::offset_checkpoint::{CLEANER_OFFSET_CHECKPOINT_FILE, OffsetCheckpoint};
use crate::storage::log::log::Log;
use crate::storage::log::log_segment::LogSegment;
use crate::storage::log::logs::Logs;

/// A log that a cleaner has to itself, and how much of it is to be cleaned.
#[derive(Clone)]
pub struct LogToClean {
    pub log: Arc<Log>,
    /// What is below is clean.
    pub first_dirty_offset: Offset,
    /// From here on everything stays as it is: the active segment, what lies beyond the high
    /// watermark, and what is too young (`min.compaction.lag.ms`).
    pub first_uncleanable_offset: Offset,
    pub clean_bytes: u64,
    /// The size of what is dirty and may be cleaned.
    pub dirty_bytes: u64,
    /// Whether a message has been dirty for longer than `max.compaction.lag.ms`.
    pub is_overdue: bool,
}

/// Why a pass did not reach its end.
#[derive(Debug)]
pub enum CleaningError {
    /// The log is about to be truncated or deleted, or the broker shuts down.
    Aborted,
    /// The log cannot be read, or its new segments cannot be written.
    Failed(KafkaError),
}

pub struct LogCleanerManager {
    logs: Arc<Logs>,
    /// A lock of its own, held also while a file is written: a check of a pass, or a pause of a log
    /// that is not being cleaned, does not wait for the disk.
    checkpoints: Mutex<Checkpoints>,
    state: Mutex<State>,
    /// Notified when a log is freed, paused or to be aborted, and at shutdown.
    changed: Condvar,
}

struct State {
    /// Every log that is not free.
    in_progress: HashMap<TopicAndPartition, CleaningState>,
    /// Logs that could not be cleaned, and when to try again; `None` is never.
    set_aside: HashMap<TopicAndPartition, Option<Instant>>,
    /// How many calls of [`LogCleanerManager::wake`] there were.
    wake_ups: u64,
    is_shutting_down: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CleaningState {
    InProgress,
    /// In progress, and to be aborted; so many callers wait for that.
    Aborted(usize),
    /// Must not be cleaned; so many callers have asked for that.
    Paused(usize),
}

/// Up to where all logs are clean, by log directory.
struct Checkpoints(Vec<Checkpoint>);

/// Up to where the logs in one directory are clean: in memory, and in the file that follows it.
struct Checkpoint {
    dir: PathBuf,
    file: OffsetCheckpoint,
    offsets: BTreeMap<TopicAndPartition, Offset>,
}

impl LogCleanerManager {
    /// A manager of `logs`, which lie in the directories `dirs`. Reads the checkpoint of each; if one
    /// cannot be read, its logs are cleaned from their start again.
    pub fn new(logs: Arc<Logs>, dirs: &[PathBuf]) -> Self {
        let checkpoint = |dir: &PathBuf| {
            let file = OffsetCheckpoint::new(dir.join(CLEANER_OFFSET_CHECKPOINT_FILE));
            let offsets = file.read().unwrap_or_else(|error| {
                warn!("cleaning all logs in {} from their start: {error}", dir.display());
                BTreeMap::new()
            });
            Checkpoint { dir: dir.clone(), file, offsets }
        };
        let state = State {
            in_progress: HashMap::new(),
            set_aside: HashMap::new(),
            wake_ups: 0,
            is_shutting_down: false,
        };
        let checkpoints = Mutex::new(Checkpoints(dirs.iter().map(checkpoint).collect()));
        Self { logs, checkpoints, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// The compacted log with the largest share of dirty bytes, if that share is above its
    /// `min.cleanable.dirty.ratio` or the log is overdue; of equal shares the larger one. Owed: a
    /// call of [`done_cleaning`](Self::done_cleaning), [`done_deleting`](Self::done_deleting) or
    /// [`set_aside`](Self::set_aside).
    pub fn grab_filthiest_compacted_log(&self, now_ms: TimestampMs) -> Option<LogToClean> {
        loop {
            let filthiest = self
                .free_compacted_logs()
                .into_iter()
                .map(|log| self.measure(log, now_ms))
                .filter(LogToClean::is_cleanable)
                .max_by(|a, b| {
                    let by_share = a.cleanable_ratio().total_cmp(&b.cleanable_ratio());
                    by_share.then(a.dirty_bytes.cmp(&b.dirty_bytes))
                })?;
            if !locked(&self.state).begin_cleaning(&filthiest.log) {
                continue;
            }
            // Before it was grabbed, another thread may have cleaned or truncated it.
            let grabbed = self.measure(filthiest.log, now_ms);
            if grabbed.is_cleanable() {
                return Some(grabbed);
            }
            self.done_deleting(&grabbed.log);
        }
    }

    fn free_compacted_logs(&self) -> Vec<Arc<Log>> {
        let logs = self.logs.all();
        let mut state = locked(&self.state);
        state.set_aside.retain(|_, until| until.is_none_or(|until| until > Instant::now()));
        let is_free_and_compacted = |log: &Arc<Log>| {
            let is_compacted = log.config().cleanup_policy.is_compacted();
            is_compacted && log.log_dir().is_online() && state.is_cleanable(log)
        };
        logs.into_iter().filter(is_free_and_compacted).collect()
    }

    /// How dirty a log is. Reads timestamps from its segments.
    fn measure(&self, log: Arc<Log>, now_ms: TimestampMs) -> LogToClean {
        let checkpointed = locked(&self.checkpoints).of(&log);
        LogToClean::new(log, checkpointed, now_ms)
    }

    /// The logs that are both compacted and deleted from, and are free. Owed for each: a call of
    /// [`done_deleting`](Self::done_deleting).
    pub fn deletable_logs(&self) -> Vec<Arc<Log>> {
        let logs = self.logs.all();
        let mut state = locked(&self.state);
        let is_deletable = |log: &Arc<Log>| {
            let policy = log.config().cleanup_policy;
            let is_both = policy.is_compacted() && policy.is_deleted();
            is_both
                && log.log_dir().is_online()
                && !state.in_progress.contains_key(log.topic_and_partition())
        };
        let deletable: Vec<_> = logs.into_iter().filter(is_deletable).collect();
        for log in &deletable {
            let name = log.topic_and_partition().clone();
            state.in_progress.insert(name, CleaningState::InProgress);
        }
        deletable
    }

    /// Frees a log that was cleaned up to `end_offset`.
    pub fn done_cleaning(&self, log: &Log, end_offset: Offset) {
        let name = log.topic_and_partition();
        // Not if a caller waits to truncate it: the truncation decides what is clean. One that comes
        // while the checkpoint is written waits until the log is free, and then corrects it.
        let state = locked(&self.state).in_progress.get(name).copied();
        if state == Some(CleaningState::InProgress) {
            locked(&self.checkpoints).write(log, |offsets| {
                offsets.insert(name.clone(), end_offset);
            });
        }
        self.free(locked(&self.state), name);
    }

    /// Frees a log whose pass was aborted, or to which retention was applied.
    pub fn done_deleting(&self, log: &Log) {
        self.free(locked(&self.state), log.topic_and_partition());
    }

    /// Frees a log that could not be cleaned, and leaves it alone: for `retry_after`, or until it is
    /// truncated or deleted.
    pub fn set_aside(&self, log: &Log, retry_after: Option<Duration>) {
        let mut state = locked(&self.state);
        let name = log.topic_and_partition();
        state.set_aside.insert(name.clone(), retry_after.map(|it| Instant::now() + it));
        self.free(state, name);
    }

    fn free(&self, mut state: MutexGuard<'_, State>, name: &TopicAndPartition) {
        match state.in_progress.remove(name) {
            Some(CleaningState::Aborted(waiting)) => {
                state.in_progress.insert(name.clone(), CleaningState::Paused(waiting));
            }
            other => debug_assert_eq!(other, Some(CleaningState::InProgress), "{name} is cleaned"),
        }
        self.changed.notify_all();
    }

    /// Asked during a pass over the log `name`.
    ///
    /// # Errors
    /// `Aborted` if the pass must stop.
    pub fn check_cleaning_aborted(&self, name: &TopicAndPartition) -> Result<(), CleaningError> {
        locked(&self.state).check_aborted(name)
    }

    /// Sleeps during a pass over the log `name`, but no longer than the pass may go on.
    ///
    /// # Errors
    /// `Aborted` if the pass must stop.
    pub fn sleep_while_cleaning(
        &self,
        name: &TopicAndPartition,
        duration: Duration,
    ) -> Result<(), CleaningError> {
        let state = locked(&self.state);
        let slept = self
            .changed
            .wait_timeout_while(state, duration, |state| state.check_aborted(name).is_ok());
        locked_again(slept).0.check_aborted(name)
    }

    /// Sleeps until [`shutdown`](Self::shutdown), or until there were more than `seen` calls of
    /// [`wake`](Self::wake), but no longer than `duration`. Returns whether to go on.
    pub fn sleep(&self, duration: Duration, seen: u64) -> bool {
        let state = locked(&self.state);
        let slept = self.changed.wait_timeout_while(state, duration, |state| {
            !state.is_shutting_down && state.wake_ups == seen
        });
        !locked_again(slept).0.is_shutting_down
    }

    /// How many calls of [`wake`](Self::wake) there were. Read before the settings, it keeps
    /// [`sleep`](Self::sleep) from missing a change of them.
    pub fn wake_ups(&self) -> u64 {
        locked(&self.state).wake_ups
    }

    /// Ends every [`sleep`](Self::sleep), also one that is about to begin: the settings have changed.
    pub fn wake(&self) {
        locked(&self.state).wake_ups += 1;
        self.changed.notify_all();
    }

    /// Stops all cleaning for good. A pass stops at its next check.
    pub fn shutdown(&self) {
        locked(&self.state).is_shutting_down = true;
        self.changed.notify_all();
    }

    /// Keeps the log `name` from being cleaned, and waits until a pass that is under way has stopped.
    /// Owed: a call of [`resume_cleaning`] for each call of this.
    ///
    /// [`resume_cleaning`]: Self::resume_cleaning
    pub fn abort_and_pause_cleaning(&self, name: &TopicAndPartition) {
        let mut state = locked(&self.state);
        let next = match state.in_progress.get(name) {
            None => CleaningState::Paused(1),
            Some(CleaningState::InProgress) => CleaningState::Aborted(1),
            Some(CleaningState::Aborted(waiting)) => CleaningState::Aborted(waiting + 1),
            Some(CleaningState::Paused(count)) => CleaningState::Paused(count + 1),
        };
        state.in_progress.insert(name.clone(), next);
        self.changed.notify_all();
        let is_stopping = |state: &mut State| {
            matches!(state.in_progress.get(name), Some(CleaningState::Aborted(_)))
        };
        drop(locked_again(self.changed.wait_while(state, is_stopping)));
    }

    /// Undoes one [`abort_and_pause_cleaning`](Self::abort_and_pause_cleaning).
    pub fn resume_cleaning(&self, name: &TopicAndPartition) {
        let mut state = locked(&self.state);
        match state.in_progress.remove(name) {
            Some(CleaningState::Paused(count)) if count > 1 => {
                state.in_progress.insert(name.clone(), CleaningState::Paused(count - 1));
            }
            other => debug_assert_eq!(other, Some(CleaningState::Paused(1)), "{name} is paused"),
        }
        self.changed.notify_all();
    }

    /// Notes that a log was truncated to `offset`: nothing above is clean (KAFKA-3330).
    pub fn maybe_truncate_checkpoint(&self, log: &Log, offset: Offset) {
        let name = log.topic_and_partition();
        locked(&self.state).set_aside.remove(name);
        let mut checkpoints = locked(&self.checkpoints);
        if checkpoints.of(log).is_some_and(|clean| clean > offset) {
            checkpoints.write(log, |offsets| {
                offsets.insert(name.clone(), offset);
            });
        }
    }

    /// Forgets a log that was deleted: a new one of its name starts dirty.
    pub fn forget(&self, log: &Log) {
        let name = log.topic_and_partition();
        locked(&self.state).set_aside.remove(name);
        let mut checkpoints = locked(&self.checkpoints);
        if checkpoints.of(log).is_some() {
            checkpoints.write(log, |offsets| {
                offsets.remove(name);
            });
        }
    }
}

impl State {
    fn check_aborted(&self, name: &TopicAndPartition) -> Result<(), CleaningError> {
        let is_aborted = matches!(self.in_progress.get(name), Some(CleaningState::Aborted(_)));
        if is_aborted || self.is_shutting_down { Err(CleaningError::Aborted) } else { Ok(()) }
    }

    /// Whether the log is free, and not set aside.
    fn is_cleanable(&self, log: &Log) -> bool {
        let name = log.topic_and_partition();
        !self.in_progress.contains_key(name) && !self.set_aside.contains_key(name)
    }

    /// Grabs a log for a pass. Returns whether it could.
    fn begin_cleaning(&mut self, log: &Log) -> bool {
        let is_cleanable = self.is_cleanable(log);
        if is_cleanable {
            let name = log.topic_and_partition().clone();
            self.in_progress.insert(name, CleaningState::InProgress);
        }
        is_cleanable
    }
}

impl Checkpoints {
    fn of(&self, log: &Log) -> Option<Offset> {
        let checkpoint = self.0.iter().find(|it| it.holds(log))?;
        checkpoint.offsets.get(log.topic_and_partition()).copied()
    }

    /// Changes the checkpoint of the log's directory. If the file cannot be written, logs are cleaned
    /// from an earlier offset after the next start.
    fn write(&mut self, log: &Log, change: impl FnOnce(&mut BTreeMap<TopicAndPartition, Offset>)) {
        let Some(checkpoint) = self.0.iter_mut().find(|it| it.holds(log)) else {
            return;
        };
        change(&mut checkpoint.offsets);
        if !log.log_dir().is_online() {
            return;
        }
        if let Err(error) = checkpoint.file.write(&checkpoint.offsets) {
            error!("cannot write the cleaner checkpoint: {error}");
            log.log_dir().note_error(&error);
        }
    }
}

impl Checkpoint {
    fn holds(&self, log: &Log) -> bool {
        log.dir().parent() == Some(self.dir.as_path())
    }
}

impl LogToClean {
    /// How dirty a log is that was clean up to `checkpointed`.
    pub fn new(log: Arc<Log>, checkpointed: Option<Offset>, now_ms: TimestampMs) -> Self {
        let (start, end) = (log.log_start_offset(), log.log_end_offset());
        // A log that ends before its checkpoint is not the one that was cleaned.
        let first_dirty_offset =
            checkpointed.filter(|&clean| clean <= end).unwrap_or(start).max(start);
        let segments = log.segments();
        let first_uncleanable_offset =
            first_uncleanable_offset(&log, &segments, first_dirty_offset, now_ms);
        let ends = segments.iter().skip(1).map(|next| next.base_offset());
        let (mut clean_bytes, mut dirty_bytes) = (0, 0);
        let mut is_overdue = false;
        for (segment, end) in segments.iter().zip(ends) {
            if end <= first_dirty_offset {
                clean_bytes += segment.size();
                continue;
            }
            is_overdue = is_overdue || is_overdue_at(&log, segment, now_ms);
            if segment.base_offset() < first_uncleanable_offset {
                dirty_bytes += segment.size();
            }
        }
        Self {
            log,
            first_dirty_offset,
            first_uncleanable_offset,
            clean_bytes,
            dirty_bytes,
            is_overdue,
        }
    }

    /// The share of what may be cleaned that is dirty, from 0 to 1.
    pub fn cleanable_ratio(&self) -> f64 {
        let total_bytes = self.clean_bytes + self.dirty_bytes;
        if total_bytes == 0 { 0.0 } else { self.dirty_bytes as f64 / total_bytes as f64 }
    }

    fn is_cleanable(&self) -> bool {
        self.first_dirty_offset < self.first_uncleanable_offset
            && self.dirty_bytes > 0
            && (self.is_overdue || self.cleanable_ratio() > self.log.config().min_cleanable_ratio)
    }
}

/// Port of `LogCleanerManager.maxCompactionDelay`, for one dirty segment: whether its first message
/// is older than `max.compaction.lag.ms`. A segment whose age cannot be read waits for the ratio.
fn is_overdue_at(log: &Log, segment: &LogSegment, now_ms: TimestampMs) -> bool {
    let lag_ms = log.config().max_compaction_lag_ms;
    if lag_ms == i64::MAX {
        return false;
    }
    segment.first_written_ms().is_some_and(|it| now_ms.ms_since(it) > lag_ms)
}

/// The end of what may be cleaned.
fn first_uncleanable_offset(
    log: &Log,
    segments: &[Arc<LogSegment>],
    first_dirty_offset: Offset,
    now_ms: TimestampMs,
) -> Offset {
    let active = segments.last().map_or(first_dirty_offset, |segment| segment.base_offset());
    let lag_ms = log.config().min_compaction_lag_ms;
    let is_young = |segment: &&Arc<LogSegment>| {
        let age_ms = segment.last_written_ms().map(|it| now_ms.ms_since(it));
        // A segment whose age is not known is not touched.
        segment.base_offset() >= first_dirty_offset && age_ms.map_or(true, |age_ms| age_ms < lag_ms)
    };
    let young = if lag_ms > 0 { segments.iter().find(is_young) } else { None };
    let young = young.map_or(Offset::MAX, |segment| segment.base_offset());
    active.min(young).min(log.high_watermark())
}

impl From<KafkaError> for CleaningError {
    fn from(error: KafkaError) -> Self {
        Self::Failed(error)
    }
}

impl From<io::Error> for CleaningError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl fmt::Display for CleaningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aborted => f.write_str("cleaning was aborted"),
            Self::Failed(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for CleaningError {}
