//! Port of `BrokerLifecycleManager.propagateDirectoryFailure` and `OfflineDirBrokerFailureEvent`: has the
//! controller know of a log directory that has failed, so that it finds other leaders at once, and ends a broker
//! that cannot tell it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use log::{error, warn};

use crate::common::scheduler::Scheduler;
use crate::common::uuid::uuid_text;
use crate::server::cluster::broker_lifecycle_manager::BrokerLifecycleManager;
use crate::storage::log_manager::LogManager;

/// Tells of failed directories by the heartbeats.
pub struct DirectoryFailures {
    pub(super) lifecycle: Arc<BrokerLifecycleManager>,
    pub(super) log_manager: Arc<LogManager>,
    pub(super) scheduler: Arc<dyn Scheduler>,
    /// `log.dir.failure.timeout.ms`
    pub(super) timeout_ms: i64,
    /// Ends the process.
    pub(super) on_fault: Arc<dyn Fn() + Send + Sync>,
}

impl DirectoryFailures {
    /// The controller is told from now on. A broker that cannot tell it in time ends: the controller would believe
    /// that it leads what it has lost.
    ///
    /// A directory that was broken at the start has no known id. It is not among those that are registered, which
    /// tells the controller the same.
    pub fn handle_failure(&self, dir: &Path) {
        let Some(id) = self.log_manager.directory_id(dir) else { return };
        self.lifecycle.propagate_directory_failure(id);
        let (lifecycle, on_fault) = (Arc::clone(&self.lifecycle), Arc::clone(&self.on_fault));
        let (timeout_ms, shown) = (self.timeout_ms, dir.display().to_string());
        let end_unless_known = move || {
            if lifecycle.is_directory_failure_known(&id) {
                return;
            }
            error!(
                "the broker stops: no controller could be told within {timeout_ms} ms \
                 (`log.dir.failure.timeout.ms`) that the log directory {shown}, with the id {}, is offline",
                uuid_text(&id)
            );
            on_fault();
        };
        let task = Box::new(end_unless_known);
        self.scheduler.schedule("offline-dir-failure", timeout_ms, None, task);
    }

    /// Waits until the controller knows of the failure, at most for `log.dir.failure.timeout.ms`: for a broker that
    /// ends, which would otherwise be missed only after some seconds.
    pub fn wait_until_known(&self, dir: &Path) {
        let Some(id) = self.log_manager.directory_id(dir) else { return };
        let timeout = Duration::from_millis(self.timeout_ms.unsigned_abs());
        if !self.lifecycle.wait_until_directory_failure_is_known(&id, timeout) {
            warn!(
                "the controller does not know yet that the log directory has failed: \
                 it will miss this broker by its heartbeats"
            );
        }
    }
}
