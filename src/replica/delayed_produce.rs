//! Port of `kafka.server.DelayedProduce`: a produce that waits for its acks.

use std::sync::{Arc, Mutex};

use crate::common::errors::Errors;
use crate::common::lock::locked;
use crate::common::metrics::Metrics;
use crate::common::record_error::RecordErrors;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{LeaderEpoch, Offset, TimestampMs};
use crate::purgatory::delayed_operation::DelayedOperation;
use crate::replica::local_logs::LocalLogs;
use crate::replica::partition::Acknowledgement;

/// The outcome of a produce for one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionResponse {
    /// Why nothing was appended, or why what was appended may not be safe.
    pub error: Option<Errors>,
    /// A sentence for a person, if there is an error.
    pub error_message: Option<String>,
    /// The records for which the batch is refused, if it is for single ones.
    pub record_errors: Option<Box<RecordErrors>>,
    /// The offset of the first record that was appended.
    pub base_offset: Option<Offset>,
    /// The time of the append, if the topic uses `LogAppendTime`.
    pub log_append_time_ms: Option<TimestampMs>,
    /// The first offset of the log, unless the fault is the partition's.
    pub log_start_offset: Option<Offset>,
}

/// Takes the answers of a produce, in the order of the request, exactly once.
pub type ProduceCallback =
    Box<dyn FnOnce(Vec<(TopicAndPartition, PartitionResponse)>) + std::marker::Send>;

/// A partition of a waiting produce.
pub struct ProducePartitionStatus {
    /// The offset that the high watermark must reach; `None` if the append failed, or once it has.
    pub required_offset: Option<Offset>,
    /// In which this broker led when it appended.
    pub leader_epoch: LeaderEpoch,
    /// The answer, once there is nothing to wait for.
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
    /// A partition that still waits when the time runs out is answered with `REQUEST_TIMED_OUT`.
    pub fn new(
        delay_ms: i64,
        mut status: Vec<(TopicAndPartition, ProducePartitionStatus)>,
        local_logs: Arc<LocalLogs>,
        metrics: Arc<Metrics>,
        response_callback: ProduceCallback,
    ) -> Self {
        for (_, partition) in &mut status {
            if partition.required_offset.is_some() {
                partition.response.error = Some(Errors::RequestTimedOut);
            }
        }
        let response_callback = Mutex::new(Some(response_callback));
        Self { delay_ms, local_logs, metrics, status: Mutex::new(status), response_callback }
    }

    /// Whether the replicas have what was appended up to `required_offset`, and how that turned
    /// out; `None` while it is not known.
    fn outcome(
        &self,
        key: &TopicAndPartition,
        required_offset: Offset,
        leader_epoch: LeaderEpoch,
    ) -> Option<Result<(), Errors>> {
        let leader = match self.local_logs.get_partition_or_error(key) {
            Ok(leader) => leader,
            Err(error) => return Some(Err(error.code())),
        };
        match leader.check_enough_replicas_reach_offset(required_offset, leader_epoch) {
            Acknowledgement::NotLeader => Some(Err(Errors::NotLeaderForPartition)),
            Acknowledgement::Pending => None,
            Acknowledgement::Complete => Some(Ok(())),
            Acknowledgement::TooFewReplicas => Some(Err(Errors::NotEnoughReplicasAfterAppend)),
        }
    }
}

impl DelayedOperation for DelayedProduce {
    fn delay_ms(&self) -> i64 {
        self.delay_ms
    }

    /// Settles every partition whose outcome is known by now; complete when none waits.
    fn try_complete(&self) -> bool {
        let mut status = locked(&self.status);
        for (key, partition) in status.iter_mut() {
            let Some(required_offset) = partition.required_offset else { continue };
            if let Some(outcome) = self.outcome(key, required_offset, partition.leader_epoch) {
                partition.required_offset = None;
                partition.response.error = outcome.err();
            }
        }
        status.iter().all(|(_, partition)| partition.required_offset.is_none())
    }

    fn on_complete(&self) {
        let callback = locked(&self.response_callback).take();
        let Some(callback) = callback else { return };
        let status = std::mem::take(&mut *locked(&self.status));
        callback(status.into_iter().map(|(key, partition)| (key, partition.response)).collect());
    }

    fn on_expiration(&self) {
        self.metrics.delayed_produce_expires.increment();
    }
}
