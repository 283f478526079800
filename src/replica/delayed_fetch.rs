//! Port of `kafka.server.DelayedFetch`: a fetch that waits for `min_bytes`.

use std::sync::{Arc, Mutex};

use crate::common::lock::locked;
use crate::common::metrics::Metrics;
use crate::common::step::step;
use crate::common::text::counted;
use crate::common::topic_partition::TopicAndPartition;
use crate::purgatory::delayed_operation::DelayedOperation;
use crate::replica::local_logs::{LocalLogs, LogReadResult, PartitionFetchInfo, ReadMode};
use crate::storage::log::log_offset_metadata::LogOffsetMetadata;

/// Takes the results of a fetch, in the order of the request, exactly once.
pub type FetchCallback =
    Box<dyn FnOnce(Vec<(TopicAndPartition, LogReadResult)>) + std::marker::Send>;

/// A partition of a waiting fetch.
pub struct FetchPartitionStatus {
    pub key: TopicAndPartition,
    /// Where the first read began.
    pub start_offset_metadata: LogOffsetMetadata,
    pub fetch_info: PartitionFetchInfo,
}

/// The fetch apart from its waiting.
pub struct FetchMetadata {
    /// How many bytes must have come before it is answered.
    pub min_bytes: i64,
    pub mode: ReadMode,
    /// Its partitions, in the order of the request.
    pub status: Vec<FetchPartitionStatus>,
}

/// The fetch, as long as it waits.
pub struct DelayedFetch {
    delay_ms: i64,
    metadata: FetchMetadata,
    local_logs: Arc<LocalLogs>,
    metrics: Arc<Metrics>,
    /// Empty once the fetch is completed, which the purgatory lets happen once.
    response_callback: Mutex<Option<FetchCallback>>,
}

impl DelayedFetch {
    /// A fetch that has read too little, and waits at most `delay_ms` for more.
    pub fn new(
        delay_ms: i64,
        metadata: FetchMetadata,
        local_logs: Arc<LocalLogs>,
        metrics: Arc<Metrics>,
        response_callback: FetchCallback,
    ) -> Self {
        let response_callback = Mutex::new(Some(response_callback));
        Self { delay_ms, metadata, local_logs, metrics, response_callback }
    }

    /// How many more bytes this partition offers than when the fetch began; `None` if the fetch
    /// need not wait for it.
    fn accumulated_bytes(&self, status: &FetchPartitionStatus) -> Option<i64> {
        let start = status.start_offset_metadata;
        // Case B: the partition is gone, or its log directory is offline. Case A: the leader has moved,
        // or the broker leads in a newer epoch than the client has in mind.
        let partition = self.local_logs.get_partition_or_error(&status.key).ok()?;
        let PartitionFetchInfo { offset, current_leader_epoch, last_fetched_epoch, .. } =
            status.fetch_info;
        let replica = self.metadata.mode.replica_of(&partition, current_leader_epoch).ok()?;
        // Case H: by a truncation meanwhile, the reader's log and this one part.
        let diverging_epoch = partition.diverging_epoch(offset, last_fetched_epoch);
        diverging_epoch.ok().filter(Option::is_none)?;
        let end = match self.metadata.mode.fetch_only_committed {
            true => replica.high_watermark(),
            false => replica.log_end_offset(),
        };
        let follower = self.metadata.mode.follower;
        if follower.is_some_and(|id| self.local_logs.is_held_back(&partition, id)) {
            return Some(0);
        }
        // KAFKA-3159: equal offsets offer nothing, even if one of the places is on a segment that
        // has been rolled.
        if end.message_offset == start.message_offset {
            return Some(0);
        }
        // What a follower does not know to be committed yet is waited for; Kafka answers with nothing, and is asked
        // again at once. Case C: the log was truncated under the fetch.
        if end.message_offset < start.message_offset {
            return (start.message_offset <= replica.log.log_end_offset()).then_some(0);
        }
        let end = match (end.place, self.metadata.mode.fetch_only_committed) {
            (None, true) => replica.high_watermark_with_place().ok()?,
            _ => end,
        };
        // Case C: the fetch is on an older segment than the end, and can read on.
        let bytes = end.position_diff(&start)?;
        (bytes >= 0).then(|| bytes.min(i64::from(status.fetch_info.fetch_size)))
    }
}

impl DelayedOperation for DelayedFetch {
    fn delay_ms(&self) -> i64 {
        self.delay_ms
    }

    /// Whether there is enough by now, or nothing to wait for.
    fn try_complete(&self) -> bool {
        let mut accumulated: i64 = 0;
        for status in &self.metadata.status {
            match self.accumulated_bytes(status) {
                Some(bytes) => accumulated += bytes,
                None => return true,
            }
        }
        // Case D.
        accumulated >= self.metadata.min_bytes
    }

    /// Reads again, and answers with what is there by now.
    fn on_complete(&self) {
        let partitions = counted(self.metadata.status.len(), "partition");
        let _step = step!([10] "DelayedFetch.onComplete", "{partitions}");
        let callback = locked(&self.response_callback).take();
        let Some(callback) = callback else { return };
        let fetch_info: Vec<_> =
            self.metadata.status.iter().map(|it| (it.key.clone(), it.fetch_info)).collect();
        let results = self.local_logs.read_from_local_log(self.metadata.mode, &fetch_info);
        self.local_logs.count_replicated(self.metadata.mode, &results);
        self.local_logs.warm(&results);
        callback(results);
    }

    /// Nothing is read for nobody.
    fn on_abandoned(&self) {
        let callback = locked(&self.response_callback).take();
        drop(callback); // Outside the lock.
    }

    fn on_expiration(&self) {
        match self.metadata.mode.follower {
            Some(_) => self.metrics.delayed_follower_fetch_expires.increment(),
            None => self.metrics.delayed_fetch_expires.increment(),
        }
    }
}
