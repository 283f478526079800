//! Port of `kafka.log.LogManager`: all logs of the broker, in one or more directories.
//!
//! A directory belongs to one process at a time, by a lock on its file `.lock`. A broker that shuts
//! down cleanly leaves the file `.kafka_cleanshutdown`, so that the next start need not look for torn
//! writes.
//!
//! A directory whose disk fails goes offline ([`LogDirStatus`]). Its logs stay in the pool, so that
//! their partitions are known and not made anew elsewhere, but they refuse every call, and no task
//! looks at them. The others go on. In a cluster, where other brokers have what it held, a broker also
//! starts without a directory that is broken, if another is left.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock, Weak};

use log::{Level, debug, error, info, log, warn};

use crate::common::errors::{Errors, KafkaError};
use crate::common::loading_progress::LoadingProgress;
use crate::common::lock::{locked, read_locked, write_locked};
use crate::common::log_limit::{LogKind, limited};
use crate::common::scheduler::Scheduler;
use crate::common::swallow::swallow;
use crate::common::time::Time;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::Offset;
use crate::common::uuid::uuid_text;
use crate::config::dynamic_config::BrokerReconfigurable;
use crate::config::kafka_config::KafkaConfig;
use crate::config::log_config::LogConfig;
use crate::storage::cleaner::cleaner_config::CleanerConfig;
use crate::storage::cleaner::log_cleaner::LogCleaner;
use crate::storage::files::clean_shutdown_file_handler;
use crate::storage::files::file_io::remove_directory_if_exists;
use crate::storage::files::log_dir_failure_channel::{LogDirFailureChannel, LogDirStatus};
use crate::storage::files::log_directory::{create_directory, log_directories, refused};
use crate::storage::files::log_file_names::parse_topic_partition_name;
use crate::storage::files::partition_metadata_file::record_topic_id;
use crate::storage::log::log::{Log, LogOpen};
use crate::storage::log::logs::{Logs, LogsWriter};
use crate::storage::log::truncation_keeper::TruncationKeeper;
use crate::storage::owned_log_directory::{OwnedLogDirectory, is_broken};
use crate::storage::recovery_threads::for_each;

/// How long after the start the periodic tasks run first.
pub const INITIAL_TASK_DELAY_MS: i64 = 30_000;

/// For a start with a corrupt checkpoint of the first offsets.
const LOG_STARTS_REMEDY: &str = "mend it, or put back a copy; if it is moved away, deleted records \
                                 may reappear";

/// What a [`LogManager`] is made from.
#[derive(Clone, Debug)]
pub struct LogManagerConfig {
    /// Created if they are missing.
    pub log_dirs: Vec<PathBuf>,
    /// Each directory remembers it.
    pub broker_id: i32,
    /// Whether the directories belong to a node of a cluster, or to a broker that is alone.
    pub joins_a_cluster: bool,
    /// The settings of a topic that overrides nothing.
    pub default_config: LogConfig,
    /// How many threads open, and close, the logs of one directory.
    pub recovery_threads_per_data_dir: usize,
    pub cleaner: CleanerConfig,
    /// The period of [`LogManager::cleanup_logs`].
    pub retention_check_ms: i64,
    /// The period of [`LogManager::flush_dirty_logs`].
    pub flush_check_ms: i64,
    /// The period of [`LogManager::checkpoint_recovery_point_offsets`].
    pub flush_checkpoint_ms: i64,
    /// A log forgets a producer that has not appended to it for so long.
    pub producer_id_expiration_ms: i64,
}

impl LogManagerConfig {
    /// The settings of the broker, with no topic that overrides any.
    pub fn from_broker(config: &KafkaConfig) -> Self {
        Self {
            log_dirs: config.log_dirs.clone(),
            broker_id: config.broker_id,
            joins_a_cluster: config.joins_a_cluster(),
            default_config: LogConfig::from_broker(config),
            recovery_threads_per_data_dir: config.num_recovery_threads_per_data_dir,
            cleaner: CleanerConfig::from_broker(config),
            retention_check_ms: config.log_retention_check_interval_ms,
            flush_check_ms: config.log_flush_scheduler_interval_ms,
            flush_checkpoint_ms: config.log_flush_offset_checkpoint_interval_ms,
            producer_id_expiration_ms: config.producer_id_expiration_ms,
        }
    }
}

/// The broker's logs.
pub struct LogManager {
    config: RwLock<LogManagerConfig>,
    joins_a_cluster: bool,
    dirs: Vec<OwnedLogDirectory>,
    logs: Arc<Logs>,
    /// Locked as long as a log is created or deleted, its files included: two threads must not
    /// create the same one.
    writer: Mutex<LogsWriter>,
    /// Then no log is created any more.
    is_stopping: AtomicBool,
    cleaner: LogCleaner,
    failure_channel: Arc<LogDirFailureChannel>,
    scheduler: Arc<dyn Scheduler>,
    time: Arc<dyn Time>,
    /// What a clean shutdown leaves for the next start, in a cluster.
    broker_epoch: Mutex<Option<i64>>,
    this: Weak<LogManager>,
}

/// Where the log of a replica is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogPlace {
    /// In the directory that has the fewest logs, of those that are online.
    Anywhere,
    /// In the directory with this id. If it is not here, anywhere, unless a directory is offline: the log may lie in
    /// that one, and must not begin anew elsewhere (KAFKA-16234).
    Directory([u8; 16]),
}

impl LogManager {
    /// Takes possession of the directories, and opens no log yet.
    ///
    /// # Errors
    /// A sentence with the directory, if it is given twice, is in use by another process, or belongs to
    /// another broker; if it cannot be created, read or written, and is the only one, or the broker is alone.
    pub fn new(
        config: LogManagerConfig,
        scheduler: Arc<dyn Scheduler>,
        time: Arc<dyn Time>,
    ) -> Result<Arc<Self>, KafkaError> {
        let failure_channel = Arc::new(LogDirFailureChannel::default());
        let dirs = take_directories(&config, &failure_channel)?;
        let writer = LogsWriter::default();
        let logs = Arc::clone(writer.logs());
        let online = dirs.iter().filter(|dir| dir.status.is_online());
        let paths: Vec<PathBuf> = online.map(|dir| dir.path.clone()).collect();
        let (cleaner_config, shared_logs) = (config.cleaner.clone(), Arc::clone(&logs));
        let cleaner = LogCleaner::new(cleaner_config, shared_logs, &paths, Arc::clone(&time));
        Ok(Arc::new_cyclic(|this| Self {
            joins_a_cluster: config.joins_a_cluster,
            config: RwLock::new(config),
            dirs,
            logs,
            writer: Mutex::new(writer),
            is_stopping: AtomicBool::new(false),
            cleaner,
            failure_channel,
            scheduler,
            time,
            broker_epoch: Mutex::new(None),
            this: Weak::clone(this),
        }))
    }

    /// The epoch that a clean shutdown writes down: that of this broker's registration.
    pub fn set_broker_epoch(&self, epoch: i64) {
        *locked(&self.broker_epoch) = Some(epoch);
    }

    /// Opens all logs in the directories, and recovers those that need it. `topic_configs` are the
    /// settings of the topics that override any; `progress` shows how far it is.
    ///
    /// # Errors
    /// `Io`, with the path, if a log cannot be read or written; a sentence, if two directories have
    /// the same partition.
    pub fn load(
        &self,
        topic_configs: &HashMap<String, LogConfig>,
        progress: &Arc<LoadingProgress>,
    ) -> Result<(), KafkaError> {
        self.open_each_dir_by(|dir| self.load_directory(dir, topic_configs, progress))?;
        info!("opened {} logs", self.online_logs().count());
        Ok(())
    }

    /// Does in each directory that is online what belongs to the start. In a cluster one that turns out to be
    /// broken goes offline, if another is left.
    ///
    /// # Errors
    /// What `work` reports for the only directory, or for one that is not broken.
    pub fn open_each_dir(
        &self,
        mut work: impl FnMut(&Path) -> Result<(), KafkaError>,
    ) -> Result<(), KafkaError> {
        self.open_each_dir_by(|dir| work(&dir.path))
    }

    fn open_each_dir_by(
        &self,
        mut work: impl FnMut(&OwnedLogDirectory) -> Result<(), KafkaError>,
    ) -> Result<(), KafkaError> {
        for dir in &self.dirs {
            if dir.status.is_online()
                && let Err(error) = work(dir)
            {
                self.start_without(dir, error)?;
            }
        }
        Ok(())
    }

    fn start_without(&self, dir: &OwnedLogDirectory, error: KafkaError) -> Result<(), KafkaError> {
        let is_other_left = self.online_dirs().any(|it| it.path != dir.path);
        // It may be offline by now, by another thread that has met the same disk.
        let is_its_fault = is_broken(&error) || !dir.status.is_online();
        if !(self.joins_a_cluster && is_other_left && is_its_fault) {
            return Err(error);
        }
        dir.status.take_offline(error.to_string());
        Ok(())
    }

    fn load_directory(
        &self,
        dir: &OwnedLogDirectory,
        topic_configs: &HashMap<String, LogConfig>,
        progress: &Arc<LoadingProgress>,
    ) -> Result<(), KafkaError> {
        let is_clean_shutdown = clean_shutdown_file_handler::exists(&dir.path);
        let log_directories = log_directories(&dir.path)?;
        progress.found(log_directories.len());
        if !is_clean_shutdown && !log_directories.is_empty() {
            info!(
                "recovering the logs in {}: the last broker did not shut down cleanly",
                dir.path.display()
            );
        }
        let recovery_points = dir.recovery_points.read().unwrap_or_else(|error| {
            warn!("recovering every log from its first segment: {error}");
            BTreeMap::new()
        });
        let log_start_offsets =
            dir.log_start_offsets.read().map_err(|error| error.with_remedy(LOG_STARTS_REMEDY))?;
        let config = read_locked(&self.config).clone();
        let load = |log_dir: PathBuf| -> Result<(), KafkaError> {
            let topic_and_partition = parse_topic_partition_name(&log_dir)?;
            let recovery_point =
                recovery_points.get(&topic_and_partition).copied().unwrap_or(Offset::FIRST);
            let open = self.log_open(dir, recovery_point, is_clean_shutdown);
            let open = LogOpen { progress: Arc::clone(progress), ..open };
            let of_topic = topic_configs.get(&*topic_and_partition.topic);
            let of_topic = of_topic.unwrap_or(&config.default_config).clone();
            let log = Log::open(&log_dir, of_topic, open)?;
            if let Some(&offset) = log_start_offsets.get(&topic_and_partition) {
                log.restore_start(offset)?;
            }
            progress.opened();
            self.add_loaded(log)
        };
        for_each(log_directories, config.recovery_threads_per_data_dir, load)?;
        // From now on the directory changes: after a crash it must not count as clean.
        clean_shutdown_file_handler::delete(&dir.path)?;
        dir.is_loaded.store(true, Ordering::Release);
        if log_start_offsets != self.log_starts_in(dir) {
            // A new log that has the name of a deleted one must not inherit its start.
            self.checkpoint_log_starts_of(dir)?;
        }
        Ok(())
    }

    fn add_loaded(&self, log: Arc<Log>) -> Result<(), KafkaError> {
        self.keep_truncations_of(&log);
        let dir = log.dir().to_path_buf();
        match locked(&self.writer).insert(log) {
            None => Ok(()),
            Some(other) => Err(refused(format!(
                "{} and {} hold the same partition: move one of them away",
                other.dir().display(),
                dir.display()
            ))),
        }
    }

    fn keep_truncations_of(&self, log: &Log) {
        log.keep_truncations(Weak::clone(&self.this) as Weak<dyn TruncationKeeper>);
    }

    /// Schedules retention, flushes and checkpoints, and starts the cleaner.
    pub fn startup(&self) {
        let every = |name: &str, period_ms: i64, task: fn(&LogManager)| {
            let this = Weak::clone(&self.this);
            let run = move || {
                if let Some(manager) = this.upgrade() {
                    task(&manager);
                }
            };
            self.scheduler.schedule(name, INITIAL_TASK_DELAY_MS, Some(period_ms), Box::new(run));
        };
        let config = read_locked(&self.config).clone();
        every("kafka-log-retention", config.retention_check_ms, LogManager::cleanup_logs);
        every("kafka-log-flusher", config.flush_check_ms, LogManager::flush_dirty_logs);
        every("kafka-recovery-point-checkpoint", config.flush_checkpoint_ms, |manager| {
            if let Err(error) = manager.checkpoint_recovery_point_offsets() {
                error!("cannot write the recovery points: {error}");
            }
        });
        every("kafka-log-start-offset-checkpoint", config.flush_checkpoint_ms, |manager| {
            let moved =
                manager.in_each_directory(|dir| manager.checkpoint_moved_log_starts_of(dir));
            if let Err(error) = moved {
                error!("cannot write where logs begin: {error}");
            }
        });
        self.cleaner.startup();
    }

    pub fn cleaner(&self) -> &LogCleaner {
        &self.cleaner
    }

    pub fn get_log(&self, topic_and_partition: &TopicAndPartition) -> Option<Arc<Log>> {
        self.logs.get(topic_and_partition)
    }

    /// The log of a partition, which is created if it is missing, in the directory that has the
    /// fewest logs, of those that are online.
    ///
    /// # Errors
    /// `KAFKA_STORAGE_ERROR` if no directory is online; `BROKER_NOT_AVAILABLE` after
    /// [`refuse_new_logs`](Self::refuse_new_logs); `Io`, with the path. What was begun is removed
    /// then, or the next start would take it for a partition.
    pub fn create_log(
        &self,
        topic_and_partition: &TopicAndPartition,
        config: LogConfig,
    ) -> Result<Arc<Log>, KafkaError> {
        self.get_or_create_log(topic_and_partition, config, LogPlace::Anywhere, |_| Ok(()))
    }

    /// The log of a partition of the topic with this id, which is created in its place if it is missing. A log
    /// that is there has to belong to that topic.
    ///
    /// # Errors
    /// Those of [`create_log`](Self::create_log), also if the log may lie in a directory that is offline;
    /// `INCONSISTENT_TOPIC_ID`.
    pub fn create_log_of(
        &self,
        topic_id: &[u8; 16],
        topic_and_partition: &TopicAndPartition,
        config: &LogConfig,
        place: LogPlace,
    ) -> Result<Arc<Log>, KafkaError> {
        let record = |log: &Log| {
            log.log_dir().check_online()?;
            record_topic_id(log.dir(), topic_id)
        };
        loop {
            let online = self.online_dirs().count();
            let log = self.get_or_create_log(topic_and_partition, config.clone(), place, record);
            // A disk that fails by it leaves the log to the next one. Each fails once.
            let is_left = |online_now: usize| 0 < online_now && online_now < online;
            match log {
                Err(_) if place == LogPlace::Anywhere && is_left(self.online_dirs().count()) => {}
                log => return log,
            }
        }
    }

    fn get_or_create_log(
        &self,
        topic_and_partition: &TopicAndPartition,
        config: LogConfig,
        place: LogPlace,
        record: impl Fn(&Log) -> Result<(), KafkaError>,
    ) -> Result<Arc<Log>, KafkaError> {
        let mut writer = locked(&self.writer);
        if let Some(log) = self.get_log(topic_and_partition) {
            return log.log_dir().note(record(&log)).map(|()| log);
        }
        if self.is_stopping.load(Ordering::Acquire) {
            let why = "the broker is shutting down, and creates no logs any more";
            return Err(KafkaError::api(Errors::BrokerNotAvailable, why));
        }
        let log_dir = self.dir_for(place, &writer)?;
        let dir = log_dir.path.join(topic_and_partition.to_string());
        let is_new = !dir.exists();
        let opened = Log::open(&dir, config, self.log_open(log_dir, Offset::FIRST, false));
        let opened = opened.and_then(|log| record(&log).map(|()| log));
        let log = log_dir.status.note(opened).inspect_err(|_| {
            if is_new && let Err(error) = remove_directory_if_exists(&dir) {
                warn!("a part of a log is left: {error}");
            }
        })?;
        self.keep_truncations_of(&log);
        writer.insert(Arc::clone(&log));
        debug!("created the log {topic_and_partition} in {}", dir.display());
        Ok(log)
    }

    /// Deletes the log of a partition. Returns whether there was one.
    ///
    /// # Errors
    /// As [`Log::delete`].
    pub fn delete_log(&self, topic_and_partition: &TopicAndPartition) -> Result<bool, KafkaError> {
        let mut writer = locked(&self.writer);
        let Some(log) = self.get_log(topic_and_partition) else { return Ok(false) };
        if self.joins_a_cluster && !log.log_dir().is_online() {
            // It lies there until a start finds that nobody expects it. Until then it must not keep another log of
            // its name from being made (KAFKA-16157).
            writer.remove(topic_and_partition);
            return Ok(true);
        }
        let pause = self.cleaner.pause(&log);
        let deleted = log.delete();
        if log.is_deleted() {
            // Also after an error that came later: else there would be no other log of this name.
            writer.remove(topic_and_partition);
            pause.deleted();
        }
        deleted?;
        let level = limited(LogKind::Topics, Level::Info);
        log!(level, "deleted the log {topic_and_partition}");
        Ok(true)
    }

    /// All logs, in no particular order.
    pub fn all_logs(&self) -> Vec<Arc<Log>> {
        self.logs.all()
    }

    /// All directories, in the order of the settings.
    pub fn log_dirs(&self) -> Vec<PathBuf> {
        self.dirs.iter().map(|dir| dir.path.clone()).collect()
    }

    /// Those that are online.
    pub fn online_log_dirs(&self) -> Vec<PathBuf> {
        self.online_dirs().map(|dir| dir.path.clone()).collect()
    }

    /// By this id the controllers of a cluster know the directory `dir`. It is set once.
    pub fn set_directory_id(&self, dir: &Path, id: [u8; 16]) {
        if let Some(dir) = self.dirs.iter().find(|it| it.path == dir) {
            let _ = dir.id.set(id);
        }
    }

    /// Port of `directoryId`: the id of a directory; `None` if it is not known, as of one that could not be opened.
    pub fn directory_id(&self, dir: &Path) -> Option<[u8; 16]> {
        self.dirs.iter().find(|it| it.path == dir)?.id.get().copied()
    }

    /// Port of `directoryIdsSet`: the ids of all directories that have one, in their order.
    pub fn directory_ids(&self) -> Vec<[u8; 16]> {
        let mut ids: Vec<_> = self.dirs.iter().filter_map(|it| it.id.get().copied()).collect();
        ids.sort_unstable();
        ids
    }

    /// The id of the directory in which the log of a partition lies, also if it is offline by now.
    pub fn directory_id_of(&self, topic_and_partition: &TopicAndPartition) -> Option<[u8; 16]> {
        self.directory_id(self.get_log(topic_and_partition)?.log_dir().path())
    }

    /// The statuses of all directories, in the same order.
    pub fn log_dir_statuses(&self) -> Vec<Arc<LogDirStatus>> {
        self.dirs.iter().map(|dir| Arc::clone(&dir.status)).collect()
    }

    /// Where failures of the directories are announced.
    pub fn failure_channel(&self) -> &Arc<LogDirFailureChannel> {
        &self.failure_channel
    }

    /// Whether the directory can be used.
    pub fn is_log_dir_online(&self, dir: &Path) -> bool {
        self.online_dirs().any(|it| it.path == dir)
    }

    pub fn has_offline_log_dir(&self) -> bool {
        self.dirs.iter().any(|dir| !dir.status.is_online())
    }

    pub fn has_online_log_dir(&self) -> bool {
        self.online_dirs().next().is_some()
    }

    fn online_dirs(&self) -> impl Iterator<Item = &OwnedLogDirectory> {
        self.dirs.iter().filter(|dir| dir.status.is_online())
    }

    /// Whether the log of a partition can be used; none is missing, and cannot.
    pub fn is_online(&self, topic_and_partition: &TopicAndPartition) -> bool {
        self.get_log(topic_and_partition).is_some_and(|log| log.log_dir().is_online())
    }

    fn online_logs(&self) -> impl Iterator<Item = Arc<Log>> {
        self.all_logs().into_iter().filter(|log| log.log_dir().is_online())
    }

    /// The partitions whose logs lie in a directory.
    pub fn partitions_in(&self, dir: &Path) -> Vec<TopicAndPartition> {
        let logs = self.logs.in_directory(dir).into_iter();
        logs.map(|log| log.topic_and_partition().clone()).collect()
    }

    /// The settings of a topic without overrides.
    pub fn default_config(&self) -> LogConfig {
        read_locked(&self.config).default_config.clone()
    }

    /// Deletes the segments that the retention settings no longer keep, and forgets the producers
    /// that have expired. Segments of compacted logs are left alone, or to the cleaner if it runs.
    pub fn cleanup_logs(&self) {
        let started_ms = self.time.milliseconds();
        let mut deleted = 0;
        let producer_id_expiration_ms = read_locked(&self.config).producer_id_expiration_ms;
        for log in self.online_logs() {
            if let Err(error) = log.remove_expired_producers(producer_id_expiration_ms) {
                error!("cannot expire producers: {error}");
                continue;
            }
            let policy = log.config().cleanup_policy;
            let is_cleaners = policy.is_compacted() && self.cleaner.is_enabled();
            if !policy.is_deleted() || is_cleaners {
                continue;
            }
            match log.delete_old_segments(log.high_watermark()) {
                Ok(count) => deleted += count,
                Err(error) => error!("retention of {} failed: {error}", log.topic_and_partition()),
            }
        }
        let elapsed_ms = self.time.milliseconds().ms_since(started_ms);
        debug!("LogManager.cleanupLogs: {deleted} segments deleted in {elapsed_ms} ms");
    }

    /// Flushes the logs whose last flush was `flush.ms` ago or longer.
    pub fn flush_dirty_logs(&self) {
        for log in self.online_logs() {
            let since_ms = self.time.milliseconds().ms_since(log.last_flush_ms());
            if since_ms < log.config().flush_ms {
                continue;
            }
            if let Err(error) = log.flush() {
                error!("flush of {} failed: {error}", log.topic_and_partition());
            }
        }
    }

    /// Writes the offset up to which each log is on disk.
    ///
    /// # Errors
    /// The first of those that the directories met.
    pub fn checkpoint_recovery_point_offsets(&self) -> Result<(), KafkaError> {
        self.in_each_directory(|dir| self.checkpoint_directory(dir))
    }

    fn checkpoint_directory(&self, dir: &OwnedLogDirectory) -> Result<(), KafkaError> {
        let point = |log: Arc<Log>| (log.topic_and_partition().clone(), log.recovery_point());
        // A truncation may have moved one back, and its own write must not be undone by an older one.
        Ok(dir
            .recovery_points
            .write_current(|| self.logs.in_directory(&dir.path).into_iter().map(point).collect())?)
    }

    /// Writes the first offset of each log whose beginning was deleted within a segment.
    ///
    /// # Errors
    /// The first of those that the directories met.
    pub fn checkpoint_log_start_offsets(&self) -> Result<(), KafkaError> {
        self.in_each_directory(|dir| self.checkpoint_log_starts_of(dir))
    }

    /// Does `work` in each directory that is online: one that fails does not stop the others.
    fn in_each_directory(
        &self,
        work: impl Fn(&OwnedLogDirectory) -> Result<(), KafkaError>,
    ) -> Result<(), KafkaError> {
        let results = self.online_dirs().map(|dir| dir.status.note(work(dir)));
        results.fold(Ok(()), Result::and)
    }

    fn checkpoint_log_starts_of(&self, dir: &OwnedLogDirectory) -> Result<(), KafkaError> {
        Ok(dir.log_start_offsets.write_current(|| self.log_starts_in(dir))?)
    }

    /// The same, unless the file has them already: an admin's deletion writes it on the leader, and followers
    /// learn of it by the way.
    fn checkpoint_moved_log_starts_of(&self, dir: &OwnedLogDirectory) -> Result<(), KafkaError> {
        match dir.log_start_offsets.read()? == self.log_starts_in(dir) {
            true => Ok(()),
            false => self.checkpoint_log_starts_of(dir),
        }
    }

    fn log_starts_in(&self, dir: &OwnedLogDirectory) -> BTreeMap<TopicAndPartition, Offset> {
        let logs = self.logs.in_directory(&dir.path).into_iter();
        let moved = logs.filter(|log| log.log_start_offset() > log.segments()[0].base_offset());
        moved.map(|log| (log.topic_and_partition().clone(), log.log_start_offset())).collect()
    }

    /// Creates no log from now on: a stop must not wait for a topic of a hundred thousand partitions.
    /// Whoever was at it takes back those that it has created, as after any other error.
    pub fn refuse_new_logs(&self) {
        self.is_stopping.store(true, Ordering::Release);
    }

    /// Flushes and closes all logs, and marks their directories as clean. Owed before: the shutdown
    /// of the scheduler.
    ///
    /// A failure is logged, and so is a panic: its directory is recovered at the next start, as is
    /// one that is offline, and the others are closed. Returns whether all directories are marked.
    pub fn shutdown(&self) -> bool {
        let mut is_clean = swallow("the log cleaner", || {
            self.cleaner.shutdown();
            Ok(())
        });
        for dir in &self.dirs {
            let name = dir.path.display().to_string();
            is_clean &= dir.is_loaded.load(Ordering::Acquire)
                && swallow(&name, || dir.status.note(self.close_directory(dir)));
        }
        is_clean
    }

    /// The mark says that all logs are flushed. If one is not, the others need not be read at the
    /// next start beyond their recovery points.
    fn close_directory(&self, dir: &OwnedLogDirectory) -> Result<(), KafkaError> {
        dir.status.check_online()?;
        let close = |log: Arc<Log>| log.flush().and_then(|()| log.close());
        let threads = read_locked(&self.config).recovery_threads_per_data_dir;
        let closed = for_each(self.logs.in_directory(&dir.path), threads, close);
        self.checkpoint_directory(dir)?;
        self.checkpoint_moved_log_starts_of(dir)?;
        closed?;
        // A task may have failed whose caller did not hear of it.
        dir.status.check_online()?;
        Ok(clean_shutdown_file_handler::write(&dir.path, *locked(&self.broker_epoch))?)
    }

    fn dir_for(
        &self,
        place: LogPlace,
        writer: &LogsWriter,
    ) -> Result<&OwnedLogDirectory, KafkaError> {
        let LogPlace::Directory(id) = place else { return self.least_loaded_dir(writer) };
        match self.online_dirs().find(|dir| dir.id.get() == Some(&id)) {
            Some(dir) => Ok(dir),
            None if self.has_offline_log_dir() => Err(KafkaError::api(
                Errors::KafkaStorageError,
                format!(
                    "the controller has its log in the directory with the id {}, which may be the one that is \
                     offline here",
                    uuid_text(&id)
                ),
            )),
            None => self.least_loaded_dir(writer),
        }
    }

    /// Port of `nextLogDirs`.
    fn least_loaded_dir(&self, writer: &LogsWriter) -> Result<&OwnedLogDirectory, KafkaError> {
        let least_loaded = self.online_dirs().min_by_key(|dir| writer.count_in(&dir.path));
        least_loaded.ok_or_else(|| {
            KafkaError::api(Errors::KafkaStorageError, "all log directories are offline")
        })
    }

    fn log_open(
        &self,
        dir: &OwnedLogDirectory,
        recovery_point: Offset,
        is_clean_shutdown: bool,
    ) -> LogOpen {
        let (scheduler, time) = (Arc::clone(&self.scheduler), Arc::clone(&self.time));
        let (log_dir, progress) = (Arc::clone(&dir.status), Arc::default());
        LogOpen { recovery_point, is_clean_shutdown, log_dir, progress, scheduler, time }
    }
}

/// The directories of the settings, which are this process's from now on. In a cluster one that is broken is offline,
/// if another is left.
fn take_directories(
    config: &LogManagerConfig,
    channel: &Arc<LogDirFailureChannel>,
) -> Result<Vec<OwnedLogDirectory>, KafkaError> {
    let is_for_others = config.joins_a_cluster && config.log_dirs.len() > 1;
    let (mut dirs, mut failure) = (Vec::<OwnedLogDirectory>::new(), None);
    for path in &config.log_dirs {
        let created = create_directory(path).map_err(KafkaError::from);
        let taken = created.and_then(|path| {
            if dirs.iter().any(|other| other.path == path) {
                let path = path.display();
                return Err(refused(format!("the log directory {path} is given twice")));
            }
            OwnedLogDirectory::take(path, config.broker_id, config.joins_a_cluster, channel)
        });
        match taken {
            Ok(dir) => dirs.push(dir),
            Err(error) if is_for_others && is_broken(&error) => {
                dirs.push(OwnedLogDirectory::offline(path, channel, &error));
                failure.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    if dirs.is_empty() {
        return Err(refused("there is no log directory: set log.dirs".to_string()));
    }
    match failure {
        Some(error) if dirs.iter().all(|dir| !dir.status.is_online()) => Err(error),
        _ => Ok(dirs),
    }
}

impl TruncationKeeper for LogManager {
    /// Writes the recovery points of the directory: the log's may have moved back, and after a crash the old one
    /// would have what is appended from now on pass for flushed.
    fn truncate(
        &self,
        log: &TopicAndPartition,
        offset: Offset,
        truncate: &mut dyn FnMut() -> Result<(), KafkaError>,
    ) -> Result<(), KafkaError> {
        // One that is not here, or not any more, is neither cleaned nor in a checkpoint.
        let Some(log) = self.get_log(log) else { return truncate() };
        let pause = self.cleaner.pause(&log);
        truncate()?;
        pause.truncated_to(offset);
        let dir = self.dirs.iter().find(|dir| log.dir().parent() == Some(&dir.path));
        dir.map_or(Ok(()), |dir| dir.status.note(self.checkpoint_directory(dir)))
    }
}

/// Port of `kafka.server.DynamicLogConfig`, without the topics: the owner of their overrides
/// reconfigures their logs.
impl BrokerReconfigurable for LogManager {
    fn reconfigure(&self, _old: &KafkaConfig, new: &KafkaConfig) {
        {
            let mut config = write_locked(&self.config);
            config.default_config = LogConfig::from_broker(new);
            config.recovery_threads_per_data_dir = new.num_recovery_threads_per_data_dir;
            config.producer_id_expiration_ms = new.producer_id_expiration_ms;
        }
        self.cleaner.reconfigure(CleanerConfig::from_broker(new));
    }
}
