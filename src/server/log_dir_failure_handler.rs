//! Port of `ReplicaManager.LogDirFailureHandler`: the thread that tells the broker that a log directory
//! is offline.
//!
//! No call waits for it: the logs refuse every call from the failure on. It answers the requests that
//! were waiting for them, unloads the groups that were kept in them, and ends a broker that has no
//! directory left. In a cluster it has the controller know, and ends the copying into them.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use log::{error, info};

use crate::common::errors::KafkaError;
use crate::common::lock::locked;
use crate::common::metrics::Metrics;
use crate::common::named_thread::spawn_named;
use crate::common::text::counted;
use crate::coordinator::group_coordinator::GroupCoordinator;
use crate::replica::fetcher::replica_fetchers::ReplicaFetchers;
use crate::replica::replica_manager::ReplicaManager;
use crate::server::cluster::directory_failures::DirectoryFailures;
use crate::storage::log_manager::LogManager;

/// Ends the process, as Kafka's `Exit.halt` does. A program that has a broker in it may do something
/// else.
pub type HaltProcedure = Arc<dyn Fn() + Send + Sync>;

/// What a broker of a cluster owes to others when a log directory has failed.
pub struct ClusterParts {
    pub failures: DirectoryFailures,
    pub fetchers: Arc<dyn ReplicaFetchers>,
}

/// The thread, from [`startup`](Self::startup) to [`shutdown`](Self::shutdown).
pub struct LogDirFailureHandler {
    handler: Arc<Handler>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread works with.
struct Handler {
    log_manager: Arc<LogManager>,
    replica_manager: Arc<ReplicaManager>,
    group_coordinator: Arc<GroupCoordinator>,
    metrics: Arc<Metrics>,
    /// `None` for a broker that is alone.
    cluster: Option<ClusterParts>,
    halt_procedure: HaltProcedure,
}

impl LogDirFailureHandler {
    pub fn new(
        log_manager: &Arc<LogManager>,
        replica_manager: &Arc<ReplicaManager>,
        group_coordinator: &Arc<GroupCoordinator>,
        metrics: &Arc<Metrics>,
        cluster: Option<ClusterParts>,
        halt_procedure: HaltProcedure,
    ) -> Self {
        let handler = Handler {
            log_manager: Arc::clone(log_manager),
            replica_manager: Arc::clone(replica_manager),
            group_coordinator: Arc::clone(group_coordinator),
            metrics: Arc::clone(metrics),
            cluster,
            halt_procedure,
        };
        Self { handler: Arc::new(handler), thread: Mutex::new(None) }
    }

    /// Starts the thread. A directory that is offline already is handled first.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn startup(&self) -> Result<(), KafkaError> {
        let handler = Arc::clone(&self.handler);
        let name = "LogDirFailureHandler".to_string();
        *locked(&self.thread) = Some(spawn_named(name, move || handler.run())?);
        Ok(())
    }

    /// Ends the thread, and waits for it.
    pub fn shutdown(&self) {
        self.handler.log_manager.failure_channel().shutdown();
        let thread = locked(&self.thread).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            error!("the handler of failed log directories ended by a panic");
        }
    }
}

impl Handler {
    fn run(&self) {
        let channel = self.log_manager.failure_channel();
        while let Some(dir) = channel.take_next_offline_log_dir() {
            self.handle_log_dir_failure(&dir);
        }
    }

    fn handle_log_dir_failure(&self, dir: &Path) {
        self.metrics.offline_log_directory_count.increment();
        let partitions = self.log_manager.partitions_in(dir);
        if let Some(cluster) = &self.cluster {
            // First, or a leader would take a last fetch for one of a replica that has come back.
            cluster.fetchers.remove_fetcher_for_partitions(&partitions);
            cluster.failures.handle_failure(dir);
        }
        if !self.log_manager.has_online_log_dir() {
            error!(
                "all log directories are offline: the broker stops; look at the disk, then start \
                 it again, and it recovers what is there"
            );
            if let Some(cluster) = &self.cluster {
                cluster.failures.wait_until_known(dir);
            }
            (self.halt_procedure)();
        }
        let count = counted(partitions.len(), "partition");
        info!("offline with {}: {count}", dir.display());
        self.replica_manager.complete_waiting(&partitions);
        self.group_coordinator.on_log_dir_failure(&HashSet::from_iter(partitions));
    }
}
