//! Port of `kafka.log.LogManager`: all logs of the broker, in one or more directories.
//!
//! A directory belongs to one process at a time, by a lock on its file `.lock`. When the broker
//! stops in good order it leaves the file `.kafka_cleanshutdown`, so that the next start need not
//! look for torn writes.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, Weak};

use log::{debug, error, info, warn};
use nix::fcntl::Flock;

use crate::common::errors::KafkaError;
use crate::common::scheduler::Scheduler;
use crate::common::time::Time;
use crate::common::topic_partition::TopicAndPartition;
use crate::config::dynamic_config::BrokerReconfigurable;
use crate::config::kafka_config::KafkaConfig;
use crate::config::log_config::LogConfig;
use crate::storage::cleaner::cleaner_config::CleanerConfig;
use crate::storage::cleaner::log_cleaner::LogCleaner;
use crate::storage::cleaner::log_cleaner_manager::Logs;
use crate::storage::files::file_io::{failed, remove_if_exists, sync_directory};
use crate::storage::files::log_directory::{
    check_meta_properties, create_directory, lock_directory, log_directories, refused,
};
use crate::storage::files::log_file_names::{CLEAN_SHUTDOWN_FILE, parse_topic_partition_name};
use crate::storage::files::offset_checkpoint::{
    LOG_START_OFFSET_CHECKPOINT_FILE, OffsetCheckpoint, RECOVERY_POINT_CHECKPOINT_FILE,
};
use crate::storage::log::log::{Log, LogOpen};
use crate::storage::recovery_threads::for_each;

/// How long after the start the periodic tasks run first.
pub const INITIAL_TASK_DELAY_MS: i64 = 30_000;

/// What a [`LogManager`] is made from.
#[derive(Clone, Debug)]
pub struct LogManagerConfig {
    /// The directories. They are created if they are missing.
    pub log_dirs: Vec<PathBuf>,
    /// The broker's number, which a directory remembers.
    pub broker_id: i32,
    /// The settings of a topic that overrides nothing.
    pub default_config: LogConfig,
    /// How many threads open, and close, the logs of one directory.
    pub recovery_threads_per_data_dir: usize,
    /// The settings of the cleaner.
    pub cleaner: CleanerConfig,
    /// The period of [`LogManager::cleanup_logs`].
    pub retention_check_ms: i64,
    /// The period of [`LogManager::flush_dirty_logs`].
    pub flush_check_ms: i64,
    /// The period of [`LogManager::checkpoint_recovery_point_offsets`].
    pub flush_checkpoint_ms: i64,
    /// A producer that has not appended to a log for so long is forgotten there.
    pub producer_id_expiration_ms: i64,
}

impl LogManagerConfig {
    /// The settings of the broker, with no topic that overrides any.
    pub fn from_broker(config: &KafkaConfig) -> Self {
        Self {
            log_dirs: config.log_dirs.clone(),
            broker_id: config.broker_id,
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
    /// Locked only to be read or replaced.
    config: RwLock<LogManagerConfig>,
    dirs: Vec<LogDirectory>,
    logs: Arc<Logs>,
    cleaner: LogCleaner,
    /// Held by whoever adds or removes a log: two threads must not create the same one.
    changing: Mutex<()>,
    scheduler: Arc<dyn Scheduler>,
    time: Arc<dyn Time>,
    this: Weak<LogManager>,
}

/// A directory that this process owns.
struct LogDirectory {
    /// Absolute, without links: logs are told apart by it.
    path: PathBuf,
    recovery_points: OffsetCheckpoint,
    log_start_offsets: OffsetCheckpoint,
    /// Whether all its logs are open: only then may it be said to be in good order later.
    is_loaded: AtomicBool,
    /// Held as long as this lives.
    _lock: Flock<File>,
}

impl LogManager {
    /// Takes possession of the directories, and opens no log yet.
    ///
    /// # Errors
    /// A sentence with the directory, if it cannot be created, read or written, is given twice, is
    /// in use by another process, or belongs to another broker.
    pub fn new(
        config: LogManagerConfig,
        scheduler: Arc<dyn Scheduler>,
        time: Arc<dyn Time>,
    ) -> Result<Arc<Self>, KafkaError> {
        let mut dirs: Vec<LogDirectory> = Vec::new();
        for path in &config.log_dirs {
            let path = create_directory(path)?;
            if dirs.iter().any(|other| other.path == path) {
                return Err(refused(format!(
                    "the log directory {} is given twice",
                    path.display()
                )));
            }
            let lock = lock_directory(&path)?;
            check_meta_properties(&path, config.broker_id)?;
            let recovery_points = OffsetCheckpoint::new(path.join(RECOVERY_POINT_CHECKPOINT_FILE));
            let log_start_offsets =
                OffsetCheckpoint::new(path.join(LOG_START_OFFSET_CHECKPOINT_FILE));
            let is_loaded = AtomicBool::new(false);
            dirs.push(LogDirectory {
                path,
                recovery_points,
                log_start_offsets,
                is_loaded,
                _lock: lock,
            });
        }
        if dirs.is_empty() {
            return Err(refused("there is no log directory: set log.dirs".to_string()));
        }
        let logs = Arc::new(Logs::default());
        let paths: Vec<PathBuf> = dirs.iter().map(|dir| dir.path.clone()).collect();
        let (cleaner_config, shared_logs) = (config.cleaner.clone(), Arc::clone(&logs));
        let cleaner = LogCleaner::new(cleaner_config, shared_logs, &paths, Arc::clone(&time));
        Ok(Arc::new_cyclic(|this| Self {
            config: RwLock::new(config),
            dirs,
            logs,
            cleaner,
            changing: Mutex::new(()),
            scheduler,
            time,
            this: Weak::clone(this),
        }))
    }

    /// Opens all logs in the directories, and recovers those that need it. `topic_configs` are the
    /// settings of the topics that override any.
    ///
    /// # Errors
    /// `Io`, with the path, if a log cannot be read or written; a sentence, if two directories have
    /// the same partition.
    pub fn load(&self, topic_configs: &HashMap<String, LogConfig>) -> Result<(), KafkaError> {
        for dir in &self.dirs {
            self.load_directory(dir, topic_configs)?;
        }
        info!("{} logs are open", self.all_logs().len());
        Ok(())
    }

    fn load_directory(
        &self,
        dir: &LogDirectory,
        topic_configs: &HashMap<String, LogConfig>,
    ) -> Result<(), KafkaError> {
        let marker = dir.path.join(CLEAN_SHUTDOWN_FILE);
        let is_clean_shutdown = marker.exists();
        let log_directories = log_directories(&dir.path)?;
        if !is_clean_shutdown && !log_directories.is_empty() {
            info!(
                "recovering the logs in {}: the directory was not closed in good order",
                dir.path.display()
            );
        }
        let recovery_points = dir.recovery_points.read().unwrap_or_else(|error| {
            warn!("taking all recovery points for 0: {error}");
            BTreeMap::new()
        });
        let log_start_offsets = dir.log_start_offsets.read().map_err(|error| {
            error.with_remedy(
                "mend it, or put back a copy; if it is moved away, deleted records may be back",
            )
        })?;
        let config = self.config().clone();
        let load = |log_dir: PathBuf| -> Result<(), KafkaError> {
            let topic_and_partition = parse_topic_partition_name(&log_dir)?;
            let recovery_point = recovery_points.get(&topic_and_partition).copied().unwrap_or(0);
            let open = self.log_open(recovery_point, is_clean_shutdown);
            let of_topic = topic_configs.get(&*topic_and_partition.topic);
            let of_topic = of_topic.unwrap_or(&config.default_config).clone();
            let log = Log::open(&log_dir, of_topic, open)?;
            if let Some(&offset) = log_start_offsets.get(&topic_and_partition) {
                log.restore_start(offset)?;
            }
            self.add_loaded(topic_and_partition, log)
        };
        for_each(log_directories, config.recovery_threads_per_data_dir, load)?;
        // From now on the directory changes: a crash must not find it in good order.
        remove_if_exists(&marker)?;
        sync_directory(&dir.path)?;
        dir.is_loaded.store(true, Ordering::Release);
        if !log_start_offsets.is_empty() {
            // The next log of a deleted one's name must not inherit its start.
            self.checkpoint_log_starts_of(dir)?;
        }
        Ok(())
    }

    fn add_loaded(&self, key: TopicAndPartition, log: Arc<Log>) -> Result<(), KafkaError> {
        let dir = log.dir().to_path_buf();
        match self.write_logs().insert(key, log) {
            None => Ok(()),
            Some(other) => Err(refused(format!(
                "{} and {} are the same partition: move one of them away",
                other.dir().display(),
                dir.display()
            ))),
        }
    }

    /// Starts the periodic tasks: retention, flushes, recovery points; and the cleaner.
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
        let config = self.config().clone();
        every("kafka-log-retention", config.retention_check_ms, LogManager::cleanup_logs);
        every("kafka-log-flusher", config.flush_check_ms, LogManager::flush_dirty_logs);
        every("kafka-recovery-point-checkpoint", config.flush_checkpoint_ms, |manager| {
            if let Err(error) = manager.checkpoint_recovery_point_offsets() {
                error!("cannot keep the recovery points: {error}");
            }
        });
        self.cleaner.startup();
    }

    /// What compacts logs.
    pub fn cleaner(&self) -> &LogCleaner {
        &self.cleaner
    }

    /// The log of a partition, if there is one.
    pub fn get_log(&self, topic_and_partition: &TopicAndPartition) -> Option<Arc<Log>> {
        self.read_logs().get(topic_and_partition).cloned()
    }

    /// The log of a partition, which is created if it is missing, in the directory that has the
    /// fewest.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub fn create_log(
        &self,
        topic_and_partition: &TopicAndPartition,
        config: LogConfig,
    ) -> Result<Arc<Log>, KafkaError> {
        let _changing = self.lock_changing();
        if let Some(log) = self.get_log(topic_and_partition) {
            return Ok(log);
        }
        let dir = self.least_loaded_dir().path.join(topic_and_partition.to_string());
        let log = Log::open(&dir, config, self.log_open(0, false))?;
        self.write_logs().insert(topic_and_partition.clone(), Arc::clone(&log));
        debug!("created the log {topic_and_partition} in {}", dir.display());
        Ok(log)
    }

    /// Deletes the log of a partition: see [`Log::delete`]. Says whether there was one.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub fn delete_log(&self, topic_and_partition: &TopicAndPartition) -> Result<bool, KafkaError> {
        let _changing = self.lock_changing();
        let Some(log) = self.get_log(topic_and_partition) else { return Ok(false) };
        let pause = self.cleaner.pause(&log);
        log.delete()?;
        self.write_logs().remove(topic_and_partition);
        pause.deleted();
        info!("deleted the log {topic_and_partition}");
        Ok(true)
    }

    /// All logs, in no particular order.
    pub fn all_logs(&self) -> Vec<Arc<Log>> {
        self.read_logs().values().cloned().collect()
    }

    /// The directories.
    pub fn log_dirs(&self) -> Vec<PathBuf> {
        self.dirs.iter().map(|dir| dir.path.clone()).collect()
    }

    /// The settings of a topic without overrides.
    pub fn default_config(&self) -> LogConfig {
        self.config().default_config.clone()
    }

    /// Deletes the segments that the retention settings no longer keep, and forgets the producers
    /// that are gone. Compacted logs are left alone, or to the cleaner if there is one.
    pub fn cleanup_logs(&self) {
        let started_ms = self.time.milliseconds();
        let mut deleted = 0;
        let producer_id_expiration_ms = self.config().producer_id_expiration_ms;
        for log in self.all_logs() {
            log.remove_expired_producers(producer_id_expiration_ms);
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
        let elapsed_ms = self.time.milliseconds() - started_ms;
        debug!("LogManager.cleanupLogs: {deleted} segments deleted in {elapsed_ms} ms");
    }

    /// Flushes the logs whose `flush.ms` is over.
    pub fn flush_dirty_logs(&self) {
        for log in self.all_logs() {
            let since_ms = self.time.milliseconds() - log.last_flush_ms();
            if since_ms < log.config().flush_ms {
                continue;
            }
            if let Err(error) = log.flush() {
                error!("flush of {} failed: {error}", log.topic_and_partition());
            }
        }
    }

    /// Writes down up to where each log is on disk.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub fn checkpoint_recovery_point_offsets(&self) -> Result<(), KafkaError> {
        self.dirs.iter().try_for_each(|dir| self.checkpoint_directory(dir))
    }

    fn checkpoint_directory(&self, dir: &LogDirectory) -> Result<(), KafkaError> {
        let logs = self.logs_in(dir).into_iter();
        let points = logs.map(|log| (log.topic_and_partition().clone(), log.recovery_point()));
        Ok(dir.recovery_points.write(&points.collect())?)
    }

    /// Writes down where the logs begin whose beginning was deleted within a segment.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub fn checkpoint_log_start_offsets(&self) -> Result<(), KafkaError> {
        self.dirs.iter().try_for_each(|dir| self.checkpoint_log_starts_of(dir))
    }

    fn checkpoint_log_starts_of(&self, dir: &LogDirectory) -> Result<(), KafkaError> {
        let logs = self.logs_in(dir).into_iter();
        let moved = logs.filter(|log| log.log_start_offset() > log.segments()[0].base_offset());
        let starts = moved.map(|log| (log.topic_and_partition().clone(), log.log_start_offset()));
        Ok(dir.log_start_offsets.write(&starts.collect())?)
    }

    /// Truncates logs, and writes the recovery points down, which have moved back.
    ///
    /// # Errors
    /// As [`Log::truncate_to`].
    pub fn truncate_to(&self, offsets: &[(TopicAndPartition, i64)]) -> Result<(), KafkaError> {
        for (topic_and_partition, offset) in offsets {
            if let Some(log) = self.get_log(topic_and_partition) {
                let pause = self.cleaner.pause(&log);
                log.truncate_to(*offset)?;
                pause.truncated_to(*offset);
            }
        }
        self.checkpoint_recovery_point_offsets()
    }

    /// Flushes and closes all logs, and leaves behind that this was done. The scheduler has been
    /// shut down before.
    ///
    /// A directory in which something fails is recovered at the next start: the failure is logged,
    /// and the others are closed.
    pub fn shutdown(&self) {
        self.cleaner.shutdown();
        for dir in self.dirs.iter().filter(|dir| dir.is_loaded.load(Ordering::Acquire)) {
            if let Err(error) = self.close_directory(dir) {
                error!("{} was not closed in good order: {error}", dir.path.display());
            }
        }
    }

    fn close_directory(&self, dir: &LogDirectory) -> Result<(), KafkaError> {
        let close = |log: Arc<Log>| log.flush().and_then(|()| log.close());
        let threads = self.config().recovery_threads_per_data_dir;
        for_each(self.logs_in(dir), threads, close)?;
        self.checkpoint_directory(dir)?;
        let marker = dir.path.join(CLEAN_SHUTDOWN_FILE);
        File::create(&marker).map_err(failed("create", &marker))?;
        Ok(sync_directory(&dir.path)?)
    }

    fn logs_in(&self, dir: &LogDirectory) -> Vec<Arc<Log>> {
        let is_inside = |log: &&Arc<Log>| log.dir().parent() == Some(dir.path.as_path());
        self.read_logs().values().filter(is_inside).cloned().collect()
    }

    fn least_loaded_dir(&self) -> &LogDirectory {
        let least_loaded = self.dirs.iter().min_by_key(|dir| self.logs_in(dir).len());
        least_loaded.expect("a log manager has at least one directory")
    }

    fn log_open(&self, recovery_point: i64, is_clean_shutdown: bool) -> LogOpen {
        let (scheduler, time) = (Arc::clone(&self.scheduler), Arc::clone(&self.time));
        LogOpen { recovery_point, is_clean_shutdown, scheduler, time }
    }

    fn read_logs(&self) -> impl std::ops::Deref<Target = HashMap<TopicAndPartition, Arc<Log>>> {
        self.logs.read().expect(LOGS_LOCK)
    }

    fn write_logs(&self) -> impl std::ops::DerefMut<Target = HashMap<TopicAndPartition, Arc<Log>>> {
        self.logs.write().expect(LOGS_LOCK)
    }

    fn config(&self) -> RwLockReadGuard<'_, LogManagerConfig> {
        self.config.read().expect(CONFIG_LOCK)
    }

    fn lock_changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().expect(LOGS_LOCK)
    }
}

/// Port of `kafka.server.DynamicLogConfig`, but for the topics: whoever knows what they override
/// brings it to their logs.
impl BrokerReconfigurable for LogManager {
    fn reconfigure(&self, _old: &KafkaConfig, new: &KafkaConfig) {
        {
            let mut config = self.config.write().expect(CONFIG_LOCK);
            config.default_config = LogConfig::from_broker(new);
            config.recovery_threads_per_data_dir = new.num_recovery_threads_per_data_dir;
            config.producer_id_expiration_ms = new.producer_id_expiration_ms;
        }
        self.cleaner.reconfigure(CleanerConfig::from_broker(new));
    }
}

const CONFIG_LOCK: &str = "no thread panics while it replaces the settings of the logs";
const LOGS_LOCK: &str = "no thread panics while it changes the map of logs";
