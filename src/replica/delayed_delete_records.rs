//! Port of `kafka.server.DelayedDeleteRecords`: a deletion of records that waits until the followers have followed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::common::errors::Errors;
use crate::common::lock::locked;
use crate::common::metrics::Metrics;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::Offset;
use crate::purgatory::delayed_operation::DelayedOperation;
use crate::replica::local_logs::LocalLogs;

/// The outcome of a deletion for one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeletedRecords {
    pub error: Option<Errors>,
    /// The first offset that any replica still has whose broker lives; [`Offset::NONE`] if that is not known.
    pub low_watermark: Offset,
}

/// Takes the outcomes, in the order of the request, exactly once.
pub type DeleteRecordsCallback =
    Box<dyn FnOnce(Vec<(TopicAndPartition, DeletedRecords)>) + std::marker::Send>;

/// A partition of a waiting deletion.
pub struct DeleteRecordsPartitionStatus {
    /// The offset that the low watermark must reach; `None` if nothing was deleted, or once it has.
    pub required_offset: Option<Offset>,
    /// The answer, once there is nothing to wait for.
    pub response: DeletedRecords,
}

impl DeleteRecordsPartitionStatus {
    /// Nothing was deleted.
    pub fn refused(error: Errors) -> Self {
        let response = DeletedRecords { error: Some(error), low_watermark: Offset::NONE };
        Self { required_offset: None, response }
    }

    /// The leader's log begins at `required_offset`, and the replicas have nothing below `low_watermark`.
    pub fn deleted(required_offset: Offset, low_watermark: Offset) -> Self {
        let waits = low_watermark < required_offset;
        let response = DeletedRecords { error: None, low_watermark };
        Self { required_offset: waits.then_some(required_offset), response }
    }
}

/// How many deletions wait: without one, a follower's fetch need not look for them.
#[derive(Clone, Default)]
pub struct WaitingDeletions(Arc<AtomicUsize>);

impl WaitingDeletions {
    /// Sequentially consistent, beside the lock of what is known of a follower: either the deletion sees what the
    /// fetch has said, or the fetch sees that a deletion waits.
    pub fn is_any(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }
}

/// One of them.
struct Counted(WaitingDeletions);

impl Counted {
    fn new(waiting: &WaitingDeletions) -> Self {
        waiting.0.fetch_add(1, Ordering::SeqCst);
        Self(waiting.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The deletion, as long as it waits.
pub struct DelayedDeleteRecords {
    delay_ms: i64,
    local_logs: Arc<LocalLogs>,
    metrics: Arc<Metrics>,
    /// `None` once it is over: a purgatory may keep it for long after that, under keys that nobody checks.
    counted: Mutex<Option<Counted>>,
    status: Mutex<Vec<(TopicAndPartition, DeleteRecordsPartitionStatus)>>,
    response_callback: Mutex<Option<DeleteRecordsCallback>>,
}

impl DelayedDeleteRecords {
    /// A deletion that waits at most `delay_ms` for the followers, and is counted in `waiting` until it ends.
    ///
    /// A partition that still waits when the time runs out is answered with `REQUEST_TIMED_OUT`.
    pub fn new(
        delay_ms: i64,
        mut status: Vec<(TopicAndPartition, DeleteRecordsPartitionStatus)>,
        local_logs: Arc<LocalLogs>,
        metrics: Arc<Metrics>,
        waiting: &WaitingDeletions,
        response_callback: DeleteRecordsCallback,
    ) -> Self {
        for (_, partition) in &mut status {
            if partition.required_offset.is_some() {
                partition.response.error = Some(Errors::RequestTimedOut);
            }
        }
        let (status, counted) = (Mutex::new(status), Mutex::new(Some(Counted::new(waiting))));
        let response_callback = Mutex::new(Some(response_callback));
        Self { delay_ms, local_logs, metrics, counted, status, response_callback }
    }

    /// How it turned out, if the replicas have nothing below `required_offset` any more, or never will on account
    /// of this broker.
    fn outcome(&self, key: &TopicAndPartition, required_offset: Offset) -> Option<DeletedRecords> {
        let partition = self.local_logs.get_partition_or_error(key);
        match partition.and_then(|it| it.low_watermark_if_leader()) {
            Ok(low_watermark) if low_watermark < required_offset => None,
            Ok(low_watermark) => Some(DeletedRecords { error: None, low_watermark }),
            Err(error) => {
                Some(DeletedRecords { error: Some(error.code()), low_watermark: Offset::NONE })
            }
        }
    }
}

impl DelayedOperation for DelayedDeleteRecords {
    fn delay_ms(&self) -> i64 {
        self.delay_ms
    }

    /// Settles every partition whose outcome is known by now; complete when none waits.
    fn try_complete(&self) -> bool {
        let mut status = locked(&self.status);
        for (key, partition) in status.iter_mut() {
            let Some(required_offset) = partition.required_offset else { continue };
            if let Some(outcome) = self.outcome(key, required_offset) {
                partition.required_offset = None;
                partition.response = outcome;
            }
        }
        status.iter().all(|(_, partition)| partition.required_offset.is_none())
    }

    fn on_complete(&self) {
        drop(locked(&self.counted).take());
        let callback = locked(&self.response_callback).take();
        let Some(callback) = callback else { return };
        let status = std::mem::take(&mut *locked(&self.status));
        callback(status.into_iter().map(|(key, partition)| (key, partition.response)).collect());
    }

    fn on_expiration(&self) {
        self.metrics.delayed_delete_records_expires.increment();
    }
}
