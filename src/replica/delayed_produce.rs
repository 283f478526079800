//! Port of `kafka.server.DelayedProduce`: a produce that waits for its acks.

use std::sync::{Arc, Mutex};

use crate::common::errors::Errors;
use crate::common::metrics::Metrics;
use crate::common::record_error::RecordErrors;
use crate::common::topic_partition::TopicAndPartition;
use crate::purgatory::delayed_operation::DelayedOperation;
use crate::replica::local_logs::LocalLogs;

/// What a producer is told about one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionResponse {
    /// `None`, or why nothing was appended, or why it may not be safe.
    pub error: Errors,
    /// A sentence for a person, if there is an error.
    pub error_message: Option<String>,
    /// The records for which the batch is refused, if it is for single ones.
    pub record_errors: Option<Box<RecordErrors>>,
    /// The offset of the first record; -1 on error.
    pub base_offset: i64,
    /// The time of the append if the topic uses `LogAppendTime`, else -1.
    pub log_append_time_ms: i64,
    /// The first offset of the log; -1 on error.
    pub log_start_offset: i64,
}

/// Takes the answers of a produce, in the order of the request, exactly once.
pub type ProduceCallback =
    Box<dyn FnOnce(Vec<(TopicAndPartition, PartitionResponse)>) + std::marker::Send>;

/// A partition of a waiting produce.
pub struct ProducePartitionStatus {
    /// The offset that the high watermark must reach; `None` if the append failed and there is
    /// nothing to wait for.
    pub required_offset: Option<i64>,
    /// The answer if it waits no longer.
    pub response: PartitionResponse,
}

/// The produce, as long as it waits.
pub struct DelayedProduce {
    delay_ms: i64,
    local_logs: Arc<LocalLogs>,
    metrics: Arc<Metrics>,
    status: Mutex<Vec<(TopicAndPartition, ProducePartitionStatus)>>,
    response_callback: Mutex<Option<ProduceCallback>>,
}

impl DelayedProduce {
    /// A produce that waits at most `delay_ms` for the in-sync replicas.
    ///
    /// What still waits when the time runs out is answered with `REQUEST_TIMED_OUT`.
    pub fn new(
        delay_ms: i64,
        mut status: Vec<(TopicAndPartition, ProducePartitionStatus)>,
        local_logs: Arc<LocalLogs>,
        metrics: Arc<Metrics>,
        response_callback: ProduceCallback,
    ) -> Self {
        for (_, partition) in &mut status {
            if partition.required_offset.is_some() {
                partition.response.error = Errors::RequestTimedOut;
            }
        }
        let response_callback = Mutex::new(Some(response_callback));
        Self { delay_ms, local_logs, metrics, status: Mutex::new(status), response_callback }
    }
}

impl DelayedOperation for DelayedProduce {
    fn delay_ms(&self) -> i64 {
        self.delay_ms
    }

    /// Settles every partition that has an answer by now; complete when none waits.
    fn try_complete(&self) -> bool {
        let mut status = self.status.lock().expect("no thread panics while it settles partitions");
        for (key, partition) in status.iter_mut() {
            let Some(required_offset) = partition.required_offset else { continue };
            let settled = match self.local_logs.get_partition(key) {
                None => Some(Errors::UnknownTopicOrPartition),
                Some(leader) => leader.check_enough_replicas_reach_offset(required_offset),
            };
            if let Some(error) = settled {
                partition.required_offset = None;
                partition.response.error = error;
            }
        }
        status.iter().all(|(_, partition)| partition.required_offset.is_none())
    }

    fn on_complete(&self) {
        let callback = self.response_callback.lock().expect("held for a take only").take();
        let Some(callback) = callback else { return };
        let status = std::mem::take(
            &mut *self.status.lock().expect("no thread panics while it settles partitions"),
        );
        callback(status.into_iter().map(|(key, partition)| (key, partition.response)).collect());
    }

    fn on_expiration(&self) {
        self.metrics.delayed_produce_expires.increment();
    }
}
