//! Port of `kafka.log.LogCleanerManager`: which log is cleaned next, which are being cleaned, and
//! how far each one has been cleaned.
//!
//! A log is free, being cleaned, or paused. Who wants to truncate or delete a log pauses it, which
//! waits until its cleaning has stopped.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock};
use std::time::{Duration, Instant};

use log::{error, warn};

use crate::common::errors::KafkaError;
use crate::common::topic_partition::TopicAndPartition;
use crate::storage::files::offset_checkpoint::{CLEANER_OFFSET_CHECKPOINT_FILE, OffsetCheckpoint};
use crate::storage::log::log::Log;
use crate::storage::log::log_segment::LogSegment;

/// All logs of the broker, by name.
pub type Logs = RwLock<HashMap<TopicAndPartition, Arc<Log>>>;

/// A log that a cleaner has to itself, and how much of it is to be cleaned.
#[derive(Clone)]
pub struct LogToClean {
    /// The log.
    pub log: Arc<Log>,
    /// What is below has been cleaned.
    pub first_dirty_offset: i64,
    /// What is not below must stay as it is: the active segment, what lies beyond the high
    /// watermark, and what is too young (`min.compaction.lag.ms`).
    pub first_uncleanable_offset: i64,
    /// The size of what has been cleaned, in bytes.
    pub clean_bytes: u64,
    /// The size of what may be cleaned and has not been.
    pub dirty_bytes: u64,
    /// Whether a message has been dirty for longer than `max.compaction.lag.ms`.
    pub is_overdue: bool,
}

/// Why a log was not cleaned to the end.
#[derive(Debug)]
pub enum CleaningError {
    /// Somebody wants to truncate or delete it, or the broker stops.
    Aborted,
    /// It cannot be read, or its new segments cannot be written.
    Failed(KafkaError),
}

/// What is known about the cleaning of all logs.
pub struct LogCleanerManager {
    logs: Arc<Logs>,
    state: Mutex<State>,
    /// Told when a log is freed, paused or to be stopped, and at the end.
    changed: Condvar,
}

struct State {
    /// The logs that are not free.
    in_progress: HashMap<TopicAndPartition, CleaningState>,
    /// Logs that could not be cleaned, and when to try again; never, if there is no time.
    set_aside: HashMap<TopicAndPartition, Option<Instant>>,
    checkpoints: Vec<Checkpoint>,
    /// How many calls of [`LogCleanerManager::wake`] there were.
    wake_ups: u64,
    is_shutting_down: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CleaningState {
    InProgress,
    /// In progress, and told to stop; so many wait for it.
    Aborted(usize),
    /// Nobody cleans it, and nobody may: so many have asked for that.
    Paused(usize),
}

/// How far the logs in one directory are clean: in memory, and in the file that follows it.
struct Checkpoint {
    dir: PathBuf,
    file: OffsetCheckpoint,
    offsets: BTreeMap<TopicAndPartition, i64>,
}

impl LogCleanerManager {
    /// A manager of `logs`, which lie in the directories `dirs`. Reads the checkpoint of each; one
    /// that cannot be read only means that its logs are cleaned from their start again.
    pub fn new(logs: Arc<Logs>, dirs: &[PathBuf]) -> Self {
        let checkpoint = |dir: &PathBuf| {
            let file = OffsetCheckpoint::new(dir.join(CLEANER_OFFSET_CHECKPOINT_FILE));
            let offsets = file.read().unwrap_or_else(|error| {
                warn!("taking all logs in {} for dirty: {error}", dir.display());
                BTreeMap::new()
            });
            Checkpoint { dir: dir.clone(), file, offsets }
        };
        let state = State {
            in_progress: HashMap::new(),
            set_aside: HashMap::new(),
            checkpoints: dirs.iter().map(checkpoint).collect(),
            wake_ups: 0,
            is_shutting_down: false,
        };
        Self { logs, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// The compacted log with the largest share of dirty bytes, if that share is above its
    /// `min.cleanable.dirty.ratio` or the log is overdue; of equal shares the larger one. The caller
    /// owes a call of [`done_cleaning`](Self::done_cleaning).
    pub fn grab_filthiest_compacted_log(&self, now_ms: i64) -> Option<LogToClean> {
        let logs = self.all_logs();
        let mut state = self.lock();
        state.set_aside.retain(|_, until| until.is_none_or(|until| until > Instant::now()));
        let compacted = logs.into_iter().filter(|log| {
            let name = log.topic_and_partition();
            log.config().cleanup_policy.is_compacted()
                && !state.in_progress.contains_key(name)
                && !state.set_aside.contains_key(name)
        });
        let filthiest = compacted
            .map(|log| {
                let checkpointed = state.checkpoint_of(&log).and_then(|it| it.of(&log));
                LogToClean::new(log, checkpointed, now_ms)
            })
            .filter(LogToClean::is_cleanable)
            .max_by(|a, b| {
                let by_share = a.cleanable_ratio().total_cmp(&b.cleanable_ratio());
                by_share.then(a.dirty_bytes.cmp(&b.dirty_bytes))
            })?;
        let name = filthiest.log.topic_and_partition().clone();
        state.in_progress.insert(name, CleaningState::InProgress);
        Some(filthiest)
    }

    /// The logs from which compaction and retention both take, and which nobody cleans. They are
    /// the caller's until it calls [`done_deleting`](Self::done_deleting).
    pub fn deletable_logs(&self) -> Vec<Arc<Log>> {
        let logs = self.all_logs();
        let mut state = self.lock();
        let is_deletable = |log: &Arc<Log>| {
            let policy = log.config().cleanup_policy;
            let is_both = policy.is_compacted() && policy.is_deleted();
            is_both && !state.in_progress.contains_key(log.topic_and_partition())
        };
        let deletable: Vec<_> = logs.into_iter().filter(is_deletable).collect();
        for log in &deletable {
            let name = log.topic_and_partition().clone();
            state.in_progress.insert(name, CleaningState::InProgress);
        }
        deletable
    }

    /// Gives a log back that was cleaned up to `end_offset`.
    pub fn done_cleaning(&self, log: &Log, end_offset: i64) {
        let mut state = self.lock();
        let name = log.topic_and_partition();
        // Not if somebody waits to truncate it: then he says what is clean.
        if state.in_progress.get(name) == Some(&CleaningState::InProgress) {
            state.write_checkpoint(log, |offsets| {
                offsets.insert(name.clone(), end_offset);
            });
        }
        self.free(state, name);
    }

    /// Gives a log back that was not cleaned to the end, or from which retention took.
    pub fn done_deleting(&self, log: &Log) {
        self.free(self.lock(), log.topic_and_partition());
    }

    /// Gives a log back that could not be cleaned, and leaves it alone: for `retry_after`, or until
    /// it is truncated or deleted.
    pub fn set_aside(&self, log: &Log, retry_after: Option<Duration>) {
        let mut state = self.lock();
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

    /// Whether the one who cleans the log `name` may go on.
    ///
    /// # Errors
    /// `Aborted` if not.
    pub fn check_cleaning_aborted(&self, name: &TopicAndPartition) -> Result<(), CleaningError> {
        self.lock().check_aborted(name)
    }

    /// Lets time pass, but no longer than the one who cleans the log `name` may go on.
    ///
    /// # Errors
    /// `Aborted` if he may not.
    pub fn sleep_while_cleaning(
        &self,
        name: &TopicAndPartition,
        duration: Duration,
    ) -> Result<(), CleaningError> {
        let state = self.lock();
        let slept = self
            .changed
            .wait_timeout_while(state, duration, |state| state.check_aborted(name).is_ok());
        slept.expect(STATE_LOCK).0.check_aborted(name)
    }

    /// Lets time pass, but not after [`shutdown`](Self::shutdown), nor when there were more calls
    /// of [`wake`](Self::wake) than the `seen` ones. Returns whether to go on.
    pub fn sleep(&self, duration: Duration, seen: u64) -> bool {
        let state = self.lock();
        let slept = self.changed.wait_timeout_while(state, duration, |state| {
            !state.is_shutting_down && state.wake_ups == seen
        });
        !slept.expect(STATE_LOCK).0.is_shutting_down
    }

    /// How many calls of [`wake`](Self::wake) there were. Asked before the settings are read, it
    /// keeps [`sleep`](Self::sleep) from missing a change of what was read.
    pub fn wake_ups(&self) -> u64 {
        self.lock().wake_ups
    }

    /// Ends the [`sleep`](Self::sleep) of all who sleep, or are about to: their settings have
    /// changed.
    pub fn wake(&self) {
        self.lock().wake_ups += 1;
        self.changed.notify_all();
    }

    /// Stops all cleaning, for good. What is being cleaned stops at its next check.
    pub fn shutdown(&self) {
        self.lock().is_shutting_down = true;
        self.changed.notify_all();
    }

    /// Keeps the log `name` from being cleaned, and waits until a cleaning that is under way has
    /// stopped. It may be cleaned again when as many have called [`resume_cleaning`] as this.
    ///
    /// [`resume_cleaning`]: Self::resume_cleaning
    pub fn abort_and_pause_cleaning(&self, name: &TopicAndPartition) {
        let mut state = self.lock();
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
        drop(self.changed.wait_while(state, is_stopping).expect(STATE_LOCK));
    }

    /// Takes back one [`abort_and_pause_cleaning`](Self::abort_and_pause_cleaning).
    pub fn resume_cleaning(&self, name: &TopicAndPartition) {
        let mut state = self.lock();
        match state.in_progress.remove(name) {
            Some(CleaningState::Paused(count)) if count > 1 => {
                state.in_progress.insert(name.clone(), CleaningState::Paused(count - 1));
            }
            other => debug_assert_eq!(other, Some(CleaningState::Paused(1)), "{name} is paused"),
        }
        self.changed.notify_all();
    }

    /// Takes back that a log is clean above `offset`, where it was truncated (KAFKA-3330).
    pub fn maybe_truncate_checkpoint(&self, log: &Log, offset: i64) {
        let mut state = self.lock();
        let name = log.topic_and_partition();
        state.set_aside.remove(name);
        if state.checkpoint_of(log).and_then(|it| it.of(log)).is_some_and(|clean| clean > offset) {
            state.write_checkpoint(log, |offsets| {
                offsets.insert(name.clone(), offset);
            });
        }
    }

    /// Forgets a log that was deleted: a new one of its name begins dirty.
    pub fn forget(&self, log: &Log) {
        let mut state = self.lock();
        let name = log.topic_and_partition();
        state.set_aside.remove(name);
        if state.checkpoint_of(log).and_then(|it| it.of(log)).is_some() {
            state.write_checkpoint(log, |offsets| {
                offsets.remove(name);
            });
        }
    }

    /// Up to where each log has been cleaned.
    pub fn all_cleaner_checkpoints(&self) -> BTreeMap<TopicAndPartition, i64> {
        let state = self.lock();
        let offsets = state.checkpoints.iter().flat_map(|it| it.offsets.iter());
        offsets.map(|(name, offset)| (name.clone(), *offset)).collect()
    }

    fn all_logs(&self) -> Vec<Arc<Log>> {
        let logs = self.logs.read().expect("no thread panics while it changes the map of logs");
        logs.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(STATE_LOCK)
    }
}

const STATE_LOCK: &str = "no thread panics while it holds the state of the cleaner";

impl State {
    fn check_aborted(&self, name: &TopicAndPartition) -> Result<(), CleaningError> {
        let is_aborted = matches!(self.in_progress.get(name), Some(CleaningState::Aborted(_)));
        if is_aborted || self.is_shutting_down { Err(CleaningError::Aborted) } else { Ok(()) }
    }

    /// Changes the checkpoint of the log's directory. If the file cannot be written, what is clean
    /// is cleaned again after the next start.
    fn write_checkpoint(
        &mut self,
        log: &Log,
        change: impl FnOnce(&mut BTreeMap<TopicAndPartition, i64>),
    ) {
        let Some(checkpoint) = self.checkpoints.iter_mut().find(|it| it.holds(log)) else {
            return;
        };
        change(&mut checkpoint.offsets);
        if let Err(error) = checkpoint.file.write(&checkpoint.offsets) {
            error!("cannot keep up to where the logs are clean: {error}");
        }
    }

    fn checkpoint_of(&self, log: &Log) -> Option<&Checkpoint> {
        self.checkpoints.iter().find(|it| it.holds(log))
    }
}

impl Checkpoint {
    fn holds(&self, log: &Log) -> bool {
        log.dir().parent() == Some(self.dir.as_path())
    }

    fn of(&self, log: &Log) -> Option<i64> {
        self.offsets.get(log.topic_and_partition()).copied()
    }
}

impl LogToClean {
    /// Looks at how dirty a log is that was clean up to `checkpointed`.
    pub fn new(log: Arc<Log>, checkpointed: Option<i64>, now_ms: i64) -> Self {
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

/// Port of `LogCleanerManager.maxCompactionDelay`, of one dirty segment: whether its first message
/// is older than `max.compaction.lag.ms`. One whose age cannot be read waits for the ratio.
fn is_overdue_at(log: &Log, segment: &LogSegment, now_ms: i64) -> bool {
    let lag_ms = log.config().max_compaction_lag_ms;
    if lag_ms == i64::MAX {
        return false;
    }
    segment.first_written_ms().is_some_and(|it| now_ms.saturating_sub(it) > lag_ms)
}

/// The end of what may be cleaned.
fn first_uncleanable_offset(
    log: &Log,
    segments: &[Arc<LogSegment>],
    first_dirty_offset: i64,
    now_ms: i64,
) -> i64 {
    let active = segments.last().map_or(first_dirty_offset, |segment| segment.base_offset());
    let lag_ms = log.config().min_compaction_lag_ms;
    let is_young = |segment: &&Arc<LogSegment>| {
        let age_ms = segment.last_written_ms().map(|it| now_ms.saturating_sub(it));
        // A segment whose age is not known is not touched.
        segment.base_offset() >= first_dirty_offset && age_ms.map_or(true, |age_ms| age_ms < lag_ms)
    };
    let young = if lag_ms > 0 { segments.iter().find(is_young) } else { None };
    let young = young.map_or(i64::MAX, |segment| segment.base_offset());
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
            Self::Aborted => f.write_str("it was told to stop"),
            Self::Failed(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for CleaningError {}
