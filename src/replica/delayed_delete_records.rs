//! Port of `kafka.server.DelayedDeleteRecords`: a deletion of records that waits for the other replicas.

use std::sync::{Arc, Mutex};

use crate::common::errors::Errors;
use crate::common::lock::locked;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::Offset;
use crate::purgatory::delayed_operation::DelayedOperation;
use crate::replica::local_logs::LocalLogs;

/// The outcome of a deletion for one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeletedRecords {
    /// Why the records are still there, or may be on some replica.
    pub error: Option<Errors>,
    /// The first offset that is left on any replica, as far as it is known; [`Offset::NONE`] if nothing was deleted.
    pub low_watermark: Offset,
}

/// Takes the outcomes, in the order of the request, exactly once.
pub type DeleteRecordsCallback = Box<dyn FnOnce(Vec<DeletedRecords>) + Send>;

/// A partition of a waiting deletion.
pub struct DeleteRecordsPartitionStatus {
    pub key: TopicAndPartition,
    /// The offset that the low watermark must reach; `None` if nothing was deleted, or once it has.
    pub required_offset: Option<Offset>,
    /// The answer, once there is nothing to wait for.
    pub outcome: DeletedRecords,
}

/// The deletion, as long as it waits.
pub struct DelayedDeleteRecords {
    delay_ms: i64,
    local_logs: Arc<LocalLogs>,
    status: Mutex<Vec<DeleteRecordsPartitionStatus>>,
    response_callback: Mutex<Option<DeleteRecordsCallback>>,
}

impl DelayedDeleteRecords {
    /// A deletion that waits at most `delay_ms` for the replicas.
    ///
    /// A partition that still waits when the time runs out is answered with `REQUEST_TIMED_OUT`: its records are gone
    /// from the leader, and may be read again if a replica leads that was away meanwhile.
    pub fn new(
        delay_ms: i64,
        mut status: Vec<DeleteRecordsPartitionStatus>,
        local_logs: Arc<LocalLogs>,
        response_callback: DeleteRecordsCallback,
    ) -> Self {
        for partition in status.iter_mut().filter(|it| it.required_offset.is_some()) {
            partition.outcome.error = Some(Errors::RequestTimedOut);
        }
        let response_callback = Mutex::new(Some(response_callback));
        Self { delay_ms, local_logs, status: Mutex::new(status), response_callback }
    }

    /// What has become of a partition, once that is known.
    fn outcome(&self, key: &TopicAndPartition, required: Offset) -> Option<DeletedRecords> {
        let low_watermark = self
            .local_logs
            .get_partition_or_error(key)
            .and_then(|partition| partition.low_watermark_if_leader());
        match low_watermark {
            Ok(reached) if reached < required => None,
            Ok(low_watermark) => Some(DeletedRecords { error: None, low_watermark }),
            Err(error) => {
                let error = Some(error.code());
                Some(DeletedRecords { error, low_watermark: Offset::NONE })
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
        for partition in status.iter_mut() {
            let Some(required_offset) = partition.required_offset else { continue };
            if let Some(outcome) = self.outcome(&partition.key, required_offset) {
                partition.required_offset = None;
                partition.outcome = outcome;
            }
        }
        status.iter().all(|it| it.required_offset.is_none())
    }

    fn on_complete(&self) {
        let callback = locked(&self.response_callback).take();
        let Some(callback) = callback else { return };
        let status = std::mem::take(&mut *locked(&self.status));
        callback(status.into_iter().map(|it| it.outcome).collect());
    }
    /// The answer says it.
    fn on_expiration(&self) {}
}
