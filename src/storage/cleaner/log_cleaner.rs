//! Port of `kafka.log.LogCleaner`: the threads that clean compacted logs in the background. Each
//! gets a log from the [`LogCleanerManager`], and has a [`Cleaner`] make one pass over it.
//!
//! A compacted log has two parts. Its head was cleaned: each key stands in it once. Its tail was
//! appended since, and is dirty. Cleaning removes from both what the tail made obsolete; offsets
//! stay what they were, so that consumers notice nothing but gaps. A log that cannot be cleaned is
//! logged once and left alone; no thread ends because of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use log::{debug, error, info};

use crate::common::errors::KafkaError;
use crate::common::lock::{read_locked, write_locked};
use crate::common::time::Time;
use crate::common::units::Offset;
use crate::common::worker_threads::{Leave, WorkerThreads};
use crate::storage::cleaner::cleaner::{Cleaner, CleanerStats};
use crate::storage::cleaner::cleaner_config::CleanerConfig;
use crate::storage::cleaner::log_cleaner_manager::{CleaningError, LogCleanerManager, LogToClean};
use crate::storage::cleaner::offset_map::OffsetMap;
use crate::storage::cleaner::throttler::Throttler;
use crate::storage::log::log::Log;
use crate::storage::log::logs::Logs;

/// How long a log is left alone that could not be written: the disk may have room again by then.
const RETRY_AFTER: Duration = Duration::from_secs(300);

/// Cleans the compacted logs of a broker. Shuts down when it is dropped.
pub struct LogCleaner {
    shared: Arc<Shared>,
    threads: WorkerThreads,
}

struct Shared {
    /// Read once for each pass over a log.
    config: RwLock<CleanerConfig>,
    manager: LogCleanerManager,
    throttler: Throttler,
    time: Arc<dyn Time>,
}

/// As long as it lives, its log is not cleaned.
pub struct CleaningPause<'a> {
    manager: &'a LogCleanerManager,
    log: Arc<Log>,
}

impl LogCleaner {
    /// A cleaner of `logs`, which lie in the directories `dirs`. No thread runs yet.
    pub fn new(
        config: CleanerConfig,
        logs: Arc<Logs>,
        dirs: &[PathBuf],
        time: Arc<dyn Time>,
    ) -> Self {
        let manager = LogCleanerManager::new(logs, dirs);
        let throttler = Throttler::new(config.max_io_bytes_per_second, Arc::clone(&time));
        let shared = Arc::new(Shared { config: RwLock::new(config), manager, throttler, time });
        let of_threads = Arc::clone(&shared);
        let threads = WorkerThreads::new("kafka-log-cleaner-thread-", move |_, leave| {
            of_threads.run(leave);
        });
        Self { shared, threads }
    }

    /// Starts the threads if `log.cleaner.enable` is set.
    pub fn startup(&self) {
        let config = self.shared.config();
        if config.enable_cleaner {
            self.resize(config.num_threads);
        }
    }

    /// Applies other settings; a pass that is under way keeps those it began with, except the rate.
    /// If no thread runs, none is started.
    ///
    /// Kafka ends all its cleaner threads and starts new ones.
    pub fn reconfigure(&self, config: CleanerConfig) {
        let (rate, num_threads) = (config.max_io_bytes_per_second, config.num_threads);
        let before = {
            let mut current = write_locked(&self.shared.config);
            std::mem::replace(&mut *current, config.clone())
        };
        if before.max_io_bytes_per_second != rate {
            self.shared.throttler.update_rate(rate);
        }
        if self.threads.count() > 0 {
            self.resize(num_threads);
        }
        if before != config {
            self.shared.manager.wake();
        }
    }

    pub fn thread_count(&self) -> usize {
        self.threads.count()
    }

    fn resize(&self, num_threads: usize) {
        if let Err(error) = self.threads.resize(num_threads) {
            let count = self.thread_count();
            error!("cannot start {num_threads} cleaner threads, {count} are running: {error}");
        }
    }

    /// Stops the threads and waits for them. A pass that is under way is abandoned.
    pub fn shutdown(&self) {
        self.shared.manager.shutdown();
        if self.threads.join() > 0 {
            error!("a cleaner thread panicked");
        }
    }

    /// Whether there are threads: they also apply retention to the logs that are both compacted and
    /// deleted from.
    pub fn is_enabled(&self) -> bool {
        read_locked(&self.shared.config).enable_cleaner
    }

    /// Cleans the dirtiest log, on the caller's thread. `None` if there is no log to clean, or it
    /// could not be cleaned.
    pub fn clean_filthiest_log(&self) -> Option<CleanerStats> {
        self.shared.clean_filthiest_log()
    }

    /// Applies retention to the logs that are both compacted and deleted from.
    pub fn delete_old_segments(&self) {
        self.shared.delete_old_segments();
    }

    /// Stops the cleaning of a log, waits until it has stopped, and allows it again when the result
    /// is dropped. Owed by a caller that truncates or deletes the log.
    pub fn pause(&self, log: &Arc<Log>) -> CleaningPause<'_> {
        let manager = &self.shared.manager;
        manager.abort_and_pause_cleaning(log.topic_and_partition());
        CleaningPause { manager, log: Arc::clone(log) }
    }

    pub fn manager(&self) -> &LogCleanerManager {
        &self.shared.manager
    }
}

impl Drop for LogCleaner {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl CleaningPause<'_> {
    /// Notes that the log was truncated to `offset` (KAFKA-3330).
    pub fn truncated_to(&self, offset: Offset) {
        self.manager.maybe_truncate_checkpoint(&self.log, offset);
    }

    /// Notes that the log was deleted.
    pub fn deleted(&self) {
        self.manager.forget(&self.log);
    }
}

impl Drop for CleaningPause<'_> {
    /// Also when the truncation failed (KAFKA-3123).
    fn drop(&mut self) {
        self.manager.resume_cleaning(self.log.topic_and_partition());
    }
}

impl Shared {
    fn run(&self, leave: &Leave) {
        loop {
            // Read before anything that another thread changes before it wakes this one.
            let seen = self.manager.wake_ups();
            if leave.is_asked() {
                return;
            }
            let did_something = self.clean_filthiest_log().is_some();
            self.delete_old_segments();
            let pause_ms = if did_something { 0 } else { self.config().back_off_ms };
            if !self.manager.sleep(Duration::from_millis(pause_ms), seen) {
                return;
            }
        }
    }

    fn config(&self) -> CleanerConfig {
        read_locked(&self.config).clone()
    }

    fn clean_filthiest_log(&self) -> Option<CleanerStats> {
        let cleanable = self.manager.grab_filthiest_compacted_log(self.time.milliseconds())?;
        let log = &cleanable.log;
        let started_ms = self.time.hi_res_clock_ms();
        // Whatever a log holds, the thread must get to the next one.
        let cleaned = catch_unwind(AssertUnwindSafe(|| self.clean(&cleanable)));
        match cleaned {
            Ok(Ok(stats)) => {
                self.manager.done_cleaning(log, stats.end_offset);
                let elapsed_ms = self.time.hi_res_clock_ms() - started_ms;
                report(&cleanable, &stats, elapsed_ms);
                return Some(stats);
            }
            Ok(Err(CleaningError::Aborted)) => {
                info!("cleaning of {} was aborted", log.topic_and_partition());
                self.manager.done_deleting(log);
            }
            Ok(Err(CleaningError::Failed(KafkaError::Io(error)))) => {
                let retry_s = RETRY_AFTER.as_secs();
                let log_name = log.topic_and_partition();
                error!("cannot clean {log_name}, trying again in {retry_s} s: {error}");
                log.log_dir().note_error(&error);
                self.manager.set_aside(log, Some(RETRY_AFTER));
            }
            Ok(Err(CleaningError::Failed(error))) => {
                error!("cannot clean {}, leaving it alone: {error}", log.topic_and_partition());
                self.manager.set_aside(log, None);
            }
            Err(_) => {
                error!("cleaning of {} panicked, leaving it alone", log.topic_and_partition());
                self.manager.set_aside(log, None);
            }
        }
        None
    }

    /// A pass frees its memory at its end: a broker without compacted logs needs none.
    fn clean(&self, cleanable: &LogToClean) -> Result<CleanerStats, CleaningError> {
        let name = cleanable.log.topic_and_partition();
        let check = |bytes: u64| {
            self.manager.check_cleaning_aborted(name)?;
            cleanable.log.log_dir().check_online()?;
            match u64::try_from(self.throttler.delay_ms(bytes)) {
                Ok(0) | Err(_) => Ok(()),
                Ok(delay_ms) => {
                    debug!("cleaning of {name} is throttled for {delay_ms} ms");
                    self.manager.sleep_while_cleaning(name, Duration::from_millis(delay_ms))
                }
            }
        };
        let config = self.config();
        let threads = config.num_threads.max(1);
        let load_factor = config.dedupe_buffer_load_factor;
        let cleaner = Cleaner {
            io_buffer_bytes: config.io_buffer_size / threads,
            keys_max: OffsetMap::length_max_in(config.dedupe_buffer_size / threads, load_factor),
            load_factor,
            now_ms: self.time.milliseconds(),
            check: &check,
        };
        cleaner.clean(cleanable)
    }

    fn delete_old_segments(&self) {
        for log in self.manager.deletable_logs() {
            if let Err(error) = log.delete_old_segments(log.high_watermark()) {
                error!("retention of {} failed: {error}", log.topic_and_partition());
            }
            self.manager.done_deleting(&log);
        }
    }
}

fn report(cleanable: &LogToClean, stats: &CleanerStats, elapsed_ms: i64) {
    let CleanerStats { end_offset, bytes_read, bytes_written, messages_read, messages_kept } =
        stats;
    info!(
        "cleaned {} from offset {} to {end_offset} in {elapsed_ms} ms: {messages_kept} of \
         {messages_read} messages and {bytes_written} of {bytes_read} bytes stay",
        cleanable.log.topic_and_partition(),
        cleanable.first_dirty_offset,
    );
}
