//! Port of `kafka.server.ReplicaManager`: fetches and appends over many partitions, now or when
//! they can be answered.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use log::{Level, log};

use crate::common::errors::{Errors, KafkaError};
use crate::common::hang_up::HangUp;
use crate::common::log_limit::{LogKind, limited};
use crate::common::metrics::Metrics;
use crate::common::step::{mark, step};
use crate::common::text::counted;
use crate::common::time::Time;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{LeaderEpoch, Offset, TimestampMs};
use crate::message::end_transaction_marker::EndTransactionMarker;
use crate::purgatory::purgatory_snapshot::PurgatorySnapshot;
use crate::replica::delayed_delete_records::{
    DelayedDeleteRecords, DeleteRecordsCallback, DeleteRecordsPartitionStatus,
};
use crate::replica::delayed_fetch::{
    DelayedFetch, FetchCallback, FetchMetadata, FetchPartitionStatus,
};
use crate::replica::delayed_operations::{DelayedOperations, PurgeIntervals};
use crate::replica::delayed_produce::{
    DelayedProduce, PartitionResponse, ProduceCallback, ProducePartitionStatus,
};
use crate::replica::isr_updates::IsrUpdates;
use crate::replica::local_logs::{
    DEBUGGING_CONSUMER_ID, LocalLogs, LogAppendResult, LogReadInfo, LogReadResult,
    PartitionFetchInfo, ReadMode,
};
use crate::replica::partition::{ACKS_ALL, Partition};
use crate::replica::partition_context::PartitionContext;
use crate::replica::partition_state::PartitionState;
use crate::replica::remote_replica::FollowerFetch;
use crate::replica::replica::Replica;
use crate::replica::replication_engine::ReplicationEngine;
use crate::replica::replication_quota_manager::ReplicationQuotaManagers;
use crate::storage::files::log_dir_failure_channel::LogDirStatus;
use crate::storage::files::offset_checkpoint::OffsetCheckpoint;
use crate::storage::log::log::Log;
use crate::storage::log::log_append::LogAppendInfo;

/// The file in each log directory that holds the high watermarks.
pub const HIGH_WATERMARK_FILENAME: &str = "replication-offset-checkpoint";
/// The advice when that file cannot be read. Alone, the only replica is in sync with itself; in a cluster leaders
/// hear from their followers what those have, and followers from their leaders what is committed.
const HIGH_WATERMARK_REMEDY: &str =
    "move it away: nothing is lost, it is written anew by what the replicas in sync have";

/// The parameters of an append as a whole.
#[derive(Clone, Copy, Debug)]
pub struct AppendParams {
    /// How long an append with acks -1 may wait for the replicas in sync, in milliseconds.
    pub timeout_ms: i64,
    pub required_acks: i16,
    /// In which the logs have to be led; [`LeaderEpoch::NONE`] stands for any.
    pub leader_epoch: LeaderEpoch,
}

/// The parameters of a fetch as a whole.
#[derive(Clone, Copy, Debug)]
pub struct FetchParams {
    /// How long the fetch may wait for `min_bytes`, in milliseconds; 0 or less answers at once.
    pub max_wait_ms: i64,
    /// -1 is a consumer, -2 a debugging consumer, 0 or more a follower.
    pub replica_id: i32,
    /// Of a follower's registration, if the request says it.
    pub replica_epoch: Option<i64>,
    /// Fewer bytes than this are worth waiting for more.
    pub min_bytes: i32,
    /// The most bytes over all partitions.
    pub max_bytes: i32,
    /// Whether every message is cut where a limit says, the first one too (Fetch v0 to v2).
    pub hard_max_bytes_limit: bool,
    /// The newest magic that the client can read. Anything newer is converted for it.
    pub newest_readable_magic: u8,
    /// Whether a consumer wants nothing of transactions that were aborted, or are open.
    pub is_read_committed: bool,
    /// Whether a consumer may be answered by a follower (KIP-392); in Kafka, whether there is `clientMetadata`.
    pub may_read_follower: bool,
}

/// In words, for the trace.
impl fmt::Display for FetchParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { min_bytes, max_bytes, max_wait_ms, replica_id, .. } = self;
        write!(
            f,
            "waits {max_wait_ms} ms for min.bytes={min_bytes}, takes {max_bytes} bytes at most"
        )?;
        match replica_id {
            ..0 => Ok(()),
            _ => write!(f, ", as replica {replica_id}"),
        }
    }
}

impl FetchParams {
    pub fn is_from_follower(&self) -> bool {
        self.replica_id >= 0
    }

    /// Port of `fetchOnlyLeader`. A debugging consumer has always read from any replica.
    fn fetch_only_from_leader(&self) -> bool {
        match self.replica_id {
            DEBUGGING_CONSUMER_ID => false,
            _ => self.is_from_follower() || !self.may_read_follower,
        }
    }

    fn read_mode(&self) -> ReadMode {
        let is_from_follower = self.is_from_follower();
        ReadMode {
            fetch_only_from_leader: self.fetch_only_from_leader(),
            fetch_only_committed: !is_from_follower,
            refuses_transactions: self.is_read_committed && !is_from_follower,
            follower: is_from_follower.then_some(self.replica_id),
            max_bytes: self.max_bytes,
            hard_max_bytes_limit: self.hard_max_bytes_limit,
            newest_readable_magic: self.newest_readable_magic,
        }
    }

    /// Whether a fetch that has read this much is answered with it.
    fn answers_now(&self, results: &[(TopicAndPartition, LogReadResult)]) -> bool {
        let read = results.iter().filter_map(|(_, result)| result.as_ref().ok());
        let bytes_readable: i64 = read.map(LogReadInfo::bytes_within_limit).sum();
        let ends_wait = |result: &LogReadResult| match result {
            Ok(read) => read.diverging_epoch.is_some() || read.preferred_read_replica.is_some(),
            Err(_) => true,
        };
        let has_news = results.iter().any(|(_, result)| ends_wait(result));
        self.max_wait_ms <= 0
            || results.is_empty()
            || bytes_readable >= i64::from(self.min_bytes)
            || has_news
    }
}

#[derive(Clone, Copy, Debug)]
pub struct ReplicaManagerConfig {
    pub broker_id: i32,
    pub purge_intervals: PurgeIntervals,
    /// `replica.lag.time.max.ms`.
    pub replica_lag_time_max_ms: i64,
    /// `transferto.lesson.cold.pages`.
    pub leaves_cold_pages: bool,
}

/// A log of a topic that this broker is to lead.
pub struct HostedLog {
    pub key: TopicAndPartition,
    pub topic_id: [u8; 16],
    pub log: Arc<Log>,
}

/// The partitions of this broker and the requests that wait for them.
pub struct ReplicaManager {
    config: ReplicaManagerConfig,
    local_logs: Arc<LocalLogs>,
    delayed: Arc<DelayedOperations>,
    isr_updates: Arc<IsrUpdates>,
    /// One checkpoint file per log directory.
    high_watermark_checkpoints: Vec<(Arc<LogDirStatus>, OffsetCheckpoint)>,
    metrics: Arc<Metrics>,
}

impl ReplicaManager {
    /// A manager without partitions, which obeys `engine`, and whose high watermarks are kept in each of
    /// `log_dirs`.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn new(
        config: ReplicaManagerConfig,
        log_dirs: &[Arc<LogDirStatus>],
        engine: Arc<dyn ReplicationEngine>,
        time: &Arc<dyn Time>,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let checkpoint = |log_dir: &Arc<LogDirStatus>| {
            let file = OffsetCheckpoint::new(log_dir.path().join(HIGH_WATERMARK_FILENAME));
            (Arc::clone(log_dir), file)
        };
        let high_watermark_checkpoints = log_dirs.iter().map(checkpoint).collect();
        let delayed = Arc::new(DelayedOperations::new(time, config.purge_intervals)?);
        let isr_updates = IsrUpdates::new(Arc::clone(&engine), Arc::clone(&delayed));
        let mut local_logs = LocalLogs::new(Arc::new(PartitionContext {
            engine,
            time: Arc::clone(time),
            replica_lag_time_max_ms: config.replica_lag_time_max_ms,
            quotas: Arc::new(ReplicationQuotaManagers::new(time)),
            metrics: Arc::clone(&metrics),
        }));
        if config.leaves_cold_pages {
            local_logs.leave_cold_pages();
        }
        Ok(Self {
            config,
            local_logs: Arc::new(local_logs),
            delayed,
            isr_updates: Arc::new(isr_updates),
            high_watermark_checkpoints,
            metrics,
        })
    }

    /// How much may be replicated.
    pub fn quotas(&self) -> &Arc<ReplicationQuotaManagers> {
        &self.local_logs.context().quotas
    }

    pub fn local_logs(&self) -> &LocalLogs {
        &self.local_logs
    }

    /// Makes this broker the leader, in `leader_epoch`, of each partition whose log is given, from
    /// its checkpointed high watermark on.
    ///
    /// # Errors
    /// If a checkpoint file cannot be read.
    pub fn become_leader(
        &self,
        leader_epoch: LeaderEpoch,
        logs: Vec<HostedLog>,
    ) -> Result<(), KafkaError> {
        let checkpointed = self.checkpointed_high_watermarks()?;
        let alone = PartitionState::alone(self.config.broker_id, leader_epoch);
        for HostedLog { key, topic_id, log } in logs {
            if self.local_logs.get_partition(&key).is_some() {
                continue;
            }
            let leader_epoch = begin_epoch_alone(&log, leader_epoch);
            let high_watermark = checkpointed.get(&key).copied().unwrap_or(Offset::FIRST);
            let replica = Replica::new(self.config.broker_id, log, high_watermark);
            let context = Arc::clone(self.local_logs.context());
            let partition = Partition::new(context, key, topic_id, replica, leader_epoch);
            partition.make_leader(PartitionState { leader_epoch, ..alone.clone() })?;
            self.local_logs.add_partition(partition);
        }
        Ok(())
    }

    /// The high watermarks of the last checkpoint, of all directories that are online.
    ///
    /// # Errors
    /// If a checkpoint file cannot be read.
    pub fn checkpointed_high_watermarks(
        &self,
    ) -> Result<BTreeMap<TopicAndPartition, Offset>, KafkaError> {
        let mut checkpointed = BTreeMap::new();
        for (_, file) in self.online_checkpoints() {
            checkpointed.extend(file.read().map_err(|it| it.with_remedy(HIGH_WATERMARK_REMEDY))?);
        }
        Ok(checkpointed)
    }

    /// Whether the checkpoint file of the directory `dir` can be read, for the start.
    ///
    /// # Errors
    /// If it cannot.
    pub fn check_high_watermarks_in(&self, dir: &Path) -> Result<(), KafkaError> {
        let mut files = self.high_watermark_checkpoints.iter();
        let file = files.find(|(log_dir, _)| log_dir.path() == dir);
        let read = file.map_or(Ok(()), |(_, file)| file.read().map(|_| ()));
        read.map_err(|it| it.with_remedy(HIGH_WATERMARK_REMEDY))
    }

    /// Port of `getOrCreatePartition`, for a topic whose id the controller has given: the partition, with
    /// this log from its checkpointed high watermark on, unless it is there already.
    ///
    /// # Errors
    /// `INCONSISTENT_TOPIC_ID` if the one that is there is of another topic of the same name.
    pub fn host(
        &self,
        topic_id: &[u8; 16],
        key: &TopicAndPartition,
        log: impl FnOnce() -> Result<(Arc<Log>, Offset), KafkaError>,
    ) -> Result<Arc<Partition>, KafkaError> {
        if self.local_logs.get_partition(key).is_none() {
            let (log, high_watermark) = log()?;
            let replica = Replica::new(self.config.broker_id, log, high_watermark);
            let context = Arc::clone(self.local_logs.context());
            let partition = Partition::in_cluster(context, key.clone(), *topic_id, replica);
            self.local_logs.add_partition(partition);
        }
        let hosted = self.local_logs.get_partition(key);
        hosted.filter(|it| it.topic_id == *topic_id).ok_or_else(|| {
            let why = format!("an earlier topic of the same name still has {key}");
            KafkaError::api(Errors::InconsistentTopicId, why)
        })
    }

    /// No longer hosts these partitions. Owed, once no lock is held: a call of
    /// [`complete_waiting`](Self::complete_waiting).
    pub fn stop_replicas(&self, keys: &[TopicAndPartition]) {
        for key in keys {
            self.local_logs.remove_partition(key);
        }
    }

    /// Answers those of the requests that wait for these partitions that need not wait any longer.
    /// Their logs may be read for it, and the answers are encoded and sent on this thread.
    pub fn complete_waiting(&self, keys: &[TopicAndPartition]) {
        for key in keys {
            self.delayed.check_and_complete_all(key);
        }
    }

    /// Port of `maybeShrinkIsr`, the task `isr-expiration`: takes the replicas out of the ISRs that have been behind
    /// for longer than `replica.lag.time.max.ms`. A partition on a disk that has failed is left alone (KAFKA-7837).
    pub fn maybe_shrink_isr(&self) {
        let now_ms = self.local_logs.context().time.hi_res_clock_ms();
        for partition in self.local_logs.all_partitions() {
            let is_online = partition.local_replica().log.log_dir().is_online();
            if let Some(change) = is_online.then(|| partition.maybe_shrink_isr(now_ms)).flatten() {
                self.isr_updates.submit(&partition, change);
            }
        }
    }

    /// Fetches from each partition and calls back: now, or as soon as `min_bytes` are there, or
    /// when the wait is over or the client hangs up. If the client is gone, the callback is dropped.
    pub fn fetch_messages(
        &self,
        params: FetchParams,
        fetch_info: &[(TopicAndPartition, PartitionFetchInfo)],
        hang_up: &HangUp,
        response_callback: FetchCallback,
    ) {
        let _step =
            step!([7] "ReplicaManager.fetchMessages", "{}", counted(fetch_info.len(), "partition"));
        // Before the read. The clock is of no use to a consumer.
        let fetched_ms =
            params.is_from_follower().then(|| self.local_logs.context().time.hi_res_clock_ms());
        // ANCHOR: read_from_local_log
        let mode = params.read_mode();
        let mut log_read_results = self.local_logs.read_from_local_log(mode, fetch_info);
        let moved = match fetched_ms {
            Some(fetched_ms) => {
                let asked = fetch_info.iter().map(|(_, it)| it.log_start_offset);
                self.update_follower_fetch_states(params, fetched_ms, asked, &mut log_read_results)
            }
            None => Vec::new(),
        };
        if params.answers_now(&log_read_results) {
            self.local_logs.count_replicated(mode, &log_read_results);
            self.local_logs.warm(&log_read_results);
            response_callback(log_read_results);
        } else {
            // ANCHOR_END: read_from_local_log
            self.wait_for_more(params, fetch_info, &log_read_results, hang_up, response_callback);
        }
        // The follower has its answer before others are served.
        self.complete_waiting(&moved);
    }

    /// What the fetch says of how far the follower is: with everything below the offsets that it asks for. Where the
    /// logs part it is not known. Returns the partitions whose high watermark has moved, or for which a deletion of
    /// records may wait.
    ///
    /// A partition of which the fetch turns out to be of another time is answered with that.
    fn update_follower_fetch_states(
        &self,
        params: FetchParams,
        fetched_ms: i64,
        log_start_offsets: impl Iterator<Item = Offset>,
        results: &mut [(TopicAndPartition, LogReadResult)],
    ) -> Vec<TopicAndPartition> {
        let mut moved = Vec::new();
        for ((key, result), log_start_offset) in results.iter_mut().zip(log_start_offsets) {
            let Ok(read) = result else { continue };
            if read.diverging_epoch.is_some() {
                continue;
            }
            let fetch = FollowerFetch {
                offset: read.fetched_data.fetch_offset_metadata,
                log_start_offset,
                broker_epoch: params.replica_epoch,
                fetched_ms,
                leader_end_offset: read.log_end_offset,
            };
            match self.update_follower_fetch_state(
                key,
                params.replica_id,
                read.leader_epoch,
                &fetch,
            ) {
                Ok(true) => moved.push(key.clone()),
                Ok(false) => (),
                Err(error) => *result = Err(error),
            }
        }
        moved
    }

    fn update_follower_fetch_state(
        &self,
        key: &TopicAndPartition,
        replica_id: i32,
        read_in: LeaderEpoch,
        fetch: &FollowerFetch,
    ) -> Result<bool, KafkaError> {
        let partition = self.local_logs.get_partition_or_error(key)?;
        let progress = partition.update_follower_fetch_state(replica_id, read_in, fetch)?;
        if let Some(change) = progress.change {
            self.isr_updates.submit(&partition, change);
        }
        Ok(progress.high_watermark_moved || self.delayed.waiting_deletions.is_any())
    }

    /// Leaves a fetch that has read too little in the purgatory.
    fn wait_for_more(
        &self,
        params: FetchParams,
        fetch_info: &[(TopicAndPartition, PartitionFetchInfo)],
        log_read_results: &[(TopicAndPartition, LogReadResult)],
        hang_up: &HangUp,
        response_callback: FetchCallback,
    ) {
        let mode = params.read_mode();
        let keys: Vec<_> = fetch_info.iter().map(|(key, _)| key.clone()).collect();
        let read = log_read_results.iter().filter_map(|(_, result)| result.as_ref().ok());
        let status = read
            .zip(fetch_info)
            .map(|(read, (key, fetch_info))| FetchPartitionStatus {
                key: key.clone(),
                start_offset_metadata: read.fetched_data.fetch_offset_metadata,
                fetch_info: *fetch_info,
            })
            .collect();
        let metadata = FetchMetadata { min_bytes: i64::from(params.min_bytes), mode, status };
        let delayed_fetch = DelayedFetch::new(
            params.max_wait_ms,
            metadata,
            Arc::clone(&self.local_logs),
            Arc::clone(&self.metrics),
            response_callback,
        );
        let step = step!(
            [10] "DelayedOperationPurgatory.tryCompleteElseWatch",
            "waits for min.bytes={}, {} ms at most", params.min_bytes, params.max_wait_ms
        );
        let purgatory = &self.delayed.fetch;
        let is_completed = purgatory.try_complete_else_watch_client(delayed_fetch, &keys, hang_up);
        drop(step);
        if !is_completed {
            let words = "it is left there, for others to complete";
            mark!([10] "DelayedOperationPurgatory.tryCompleteElseWatch", "{words}");
        }
    }

    /// The same for a thread that must not wait: returns what the callback would get now. `None` if
    /// it would get it later, or if the disk had to be waited for.
    ///
    /// A fetch that waits is not put into the purgatory here: what completes it at once, because
    /// the bytes have come meanwhile, reads and warms on this thread.
    pub fn fetch_resident(
        &self,
        params: FetchParams,
        fetch_info: &[(TopicAndPartition, PartitionFetchInfo)],
    ) -> Option<Vec<(TopicAndPartition, LogReadResult)>> {
        let results = self.local_logs.read_resident(params.read_mode(), fetch_info)?;
        params.answers_now(&results).then_some(results)
    }

    /// How many fetches wait: Kafka's `NumDelayedOperations`.
    pub fn delayed_fetches(&self) -> usize {
        self.delayed.fetch.delayed()
    }

    /// Appends each partition's range of `buffer` to its log and calls back: now, or when its acks
    /// are in.
    ///
    /// With `required_acks` 0 the callback is called as well; it is up to the caller to send
    /// nothing then.
    pub fn append_messages(
        &self,
        timeout_ms: i64,
        required_acks: i16,
        entries: &[(TopicAndPartition, Range<usize>)],
        buffer: &mut [u8],
        response_callback: ProduceCallback,
    ) {
        let params = AppendParams { timeout_ms, required_acks, leader_epoch: LeaderEpoch::NONE };
        self.append_messages_in_epoch(params, entries, buffer, response_callback);
    }

    /// The same, if the logs are led in the leader epoch of `params`. Else the error of a partition is that of
    /// [`Partition::check_leader_epoch`].
    pub fn append_messages_in_epoch(
        &self,
        params: AppendParams,
        entries: &[(TopicAndPartition, Range<usize>)],
        buffer: &mut [u8],
        response_callback: ProduceCallback,
    ) {
        let AppendParams { required_acks, leader_epoch, .. } = params;
        let _step =
            step!("ReplicaManager.appendMessages", "{}", counted(entries.len(), "partition"));
        if !matches!(required_acks, -1..=1) {
            let refuse = |(key, _): &(TopicAndPartition, _)| {
                let error = KafkaError::api(
                    Errors::InvalidRequiredAcks,
                    format!("acks must be -1, 0 or 1, not {required_acks}"),
                );
                (key.clone(), refused_response(key, None, error))
            };
            response_callback(entries.iter().map(refuse).collect());
            return;
        }
        let (results, high_watermark_moved) =
            self.local_logs.append_to_local_log(entries, buffer, required_acks, leader_epoch);
        self.answer_appended(params, results, &high_watermark_moved, response_callback);
    }

    /// Ends the transaction of a producer in each of these partitions, and calls back as for acks -1.
    pub fn append_markers(
        &self,
        timeout_ms: i64,
        marker: &EndTransactionMarker,
        keys: &[TopicAndPartition],
        response_callback: ProduceCallback,
    ) {
        let (results, high_watermark_moved) = self.local_logs.append_markers(marker, keys);
        let (required_acks, leader_epoch) = (ACKS_ALL, LeaderEpoch::NONE);
        let params = AppendParams { timeout_ms, required_acks, leader_epoch };
        self.answer_appended(params, results, &high_watermark_moved, response_callback);
    }

    /// Calls back with what became of an append, as soon as the replicas have it that its acks ask for.
    fn answer_appended(
        &self,
        AppendParams { timeout_ms, required_acks, .. }: AppendParams,
        results: Vec<(TopicAndPartition, LogAppendResult)>,
        high_watermark_moved: &[TopicAndPartition],
        response_callback: ProduceCallback,
    ) {
        let appended: Vec<_> = results
            .iter()
            .filter(|(_, result)| result.is_ok())
            .map(|(key, _)| key.clone())
            .collect();

        let status: Vec<_> = results
            .into_iter()
            .map(|(key, result)| {
                let status = self.status_of(&key, result);
                (key, status)
            })
            .collect();
        if required_acks == ACKS_ALL && !appended.is_empty() {
            let keys: Vec<_> = status.iter().map(|(key, _)| key.clone()).collect();
            let delayed_produce = DelayedProduce::new(
                timeout_ms,
                status,
                Arc::clone(&self.local_logs),
                Arc::clone(&self.metrics),
                response_callback,
            );
            self.delayed.produce.try_complete_else_watch(delayed_produce, &keys);
        } else {
            response_callback(status.into_iter().map(|(key, it)| (key, it.response)).collect());
        }
        // The producer has its answer before others are served: completing a fetch reads its logs
        // on this thread.
        self.complete_delayed_requests(&appended, high_watermark_moved);
    }

    /// The producer's answer, and the offset that a produce with acks -1 waits for.
    fn status_of(
        &self,
        key: &TopicAndPartition,
        result: LogAppendResult,
    ) -> ProducePartitionStatus {
        match result {
            Ok(info) => ProducePartitionStatus {
                // An empty set has nothing to wait for.
                required_offset: (info.last_offset >= Offset::FIRST)
                    .then_some(info.last_offset.next()),
                leader_epoch: info.leader_epoch,
                response: appended_response(&info),
            },
            Err(error) => {
                let log_start_offset = self.log_start_offset_of_refused(key, error.code());
                let response = refused_response(key, log_start_offset, error);
                ProducePartitionStatus {
                    required_offset: None,
                    leader_epoch: LeaderEpoch::NONE,
                    response,
                }
            }
        }
    }

    /// Where the log begins that refused a set for a fault of the set. As in Kafka, a fault of the
    /// partition, the CRC or the size comes without it.
    fn log_start_offset_of_refused(
        &self,
        key: &TopicAndPartition,
        error: Errors,
    ) -> Option<Offset> {
        match error {
            Errors::UnknownTopicOrPartition
            | Errors::NotLeaderForPartition
            | Errors::CorruptMessage
            | Errors::RecordTooLarge
            | Errors::RecordListTooLarge
            | Errors::KafkaStorageError => None,
            _ => {
                let partition = self.local_logs.get_partition(key);
                partition.map(|it| it.local_replica().log.log_start_offset())
            }
        }
    }

    fn complete_delayed_requests(
        &self,
        appended: &[TopicAndPartition],
        high_watermark_moved: &[TopicAndPartition],
    ) {
        for key in appended {
            self.delayed.fetch.check_and_complete(key);
        }
        for key in high_watermark_moved {
            self.delayed.produce.check_and_complete(key);
        }
    }

    /// Port of the second half of `deleteRecords`: calls back as soon as no replica that lives has any of the records
    /// that their leaders have deleted, or when the time is over.
    pub fn await_deletions(
        &self,
        timeout_ms: i64,
        status: Vec<(TopicAndPartition, DeleteRecordsPartitionStatus)>,
        response_callback: DeleteRecordsCallback,
    ) {
        let waits = |(_, it): &&(TopicAndPartition, DeleteRecordsPartitionStatus)| {
            it.required_offset.is_some()
        };
        let keys: Vec<_> = status.iter().filter(waits).map(|(key, _)| key.clone()).collect();
        if keys.is_empty() {
            return response_callback(
                status.into_iter().map(|(key, it)| (key, it.response)).collect(),
            );
        }
        let deletion = DelayedDeleteRecords::new(
            timeout_ms,
            status,
            Arc::clone(&self.local_logs),
            Arc::clone(&self.metrics),
            &self.delayed.waiting_deletions,
            response_callback,
        );
        self.delayed.delete_records.try_complete_else_watch(deletion, &keys);
    }

    /// Of each purgatory its name, how many operations wait in it, and how many entries its lists
    /// have: Kafka's `NumDelayedOperations` and `PurgatorySize`.
    pub fn purgatory_sizes(&self) -> [(&'static str, usize, usize); 3] {
        let DelayedOperations { fetch, produce, delete_records, .. } = &*self.delayed;
        [
            ("Fetch", fetch.delayed(), fetch.watched()),
            ("Produce", produce.delayed(), produce.watched()),
            ("DeleteRecords", delete_records.delayed(), delete_records.watched()),
        ]
    }

    /// What waits in each purgatory, with `keys_max` of the keys of each at most.
    pub fn purgatory_snapshots(
        &self,
        keys_max: usize,
    ) -> [(&'static str, PurgatorySnapshot<TopicAndPartition>); 3] {
        let DelayedOperations { fetch, produce, delete_records, .. } = &*self.delayed;
        [
            ("Fetch", fetch.snapshot(keys_max)),
            ("Produce", produce.snapshot(keys_max)),
            ("DeleteRecords", delete_records.snapshot(keys_max)),
        ]
    }

    /// Writes the high watermark of each partition to the checkpoint file of its log directory.
    ///
    /// A directory that is offline is left alone, and one that fails does not stop the others.
    ///
    /// # Errors
    /// The first of those that the directories met.
    pub fn checkpoint_high_watermarks(&self) -> Result<(), KafkaError> {
        if !self.local_logs.has_hosted() {
            return Ok(()); // The files are still to be read.
        }
        // Of a directory whose last partition is gone, too: a later one of its name begins anew.
        let write = |(log_dir, file): &(Arc<LogDirStatus>, OffsetCheckpoint)| {
            let current = || self.high_watermarks_in(log_dir.path());
            log_dir.note(file.write_current(current).map_err(Into::into))
        };
        self.online_checkpoints().map(write).fold(Ok(()), Result::and)
    }

    fn high_watermarks_in(&self, dir: &Path) -> BTreeMap<TopicAndPartition, Offset> {
        let all = self.local_logs.all_partitions().into_iter();
        let lies_there = |it: &Arc<Partition>| it.local_replica().log.log_dir().path() == dir;
        let watermark = |it: Arc<Partition>| {
            let high_watermark = it.local_replica().high_watermark().message_offset;
            (it.topic_and_partition.clone(), high_watermark)
        };
        all.filter(lies_there).map(watermark).collect()
    }

    fn online_checkpoints(&self) -> impl Iterator<Item = &(Arc<LogDirStatus>, OffsetCheckpoint)> {
        self.high_watermark_checkpoints.iter().filter(|(log_dir, _)| log_dir.is_online())
    }

    /// Stops the timers of the requests that still wait, whose clients are gone by now, and writes
    /// the high watermarks a last time.
    ///
    /// # Errors
    /// If a checkpoint cannot be written.
    pub fn shutdown(&self) -> Result<(), KafkaError> {
        self.delayed.shutdown();
        self.checkpoint_high_watermarks()
    }
}

/// Begins the epoch of a leader that no controller has named, `leader_epoch`, or the one that the log
/// is in already, if other leaders have written it: no epoch may follow a newer one. Returns it.
///
/// A log that cannot be changed is led all the same: whoever uses it learns why.
fn begin_epoch_alone(log: &Log, leader_epoch: LeaderEpoch) -> LeaderEpoch {
    let latest = log.leader_epochs().latest_epoch();
    let epoch = latest.map_or(leader_epoch, |latest| latest.max(leader_epoch));
    if let Err(error) = log.begin_leader_epoch(epoch) {
        let name = log.topic_and_partition();
        let level = limited(LogKind::Failures, Level::Warn);
        log!(level, "{name}: leader epoch {epoch} begins with its first record: {error}");
    }
    epoch
}

fn refused_response(
    key: &TopicAndPartition,
    log_start_offset: Option<Offset>,
    error: KafkaError,
) -> PartitionResponse {
    let code = error.code();
    let (error_message, record_errors) = match error {
        KafkaError::Records(errors) => (errors.message(key), Some(errors)),
        other => (other.to_string(), None),
    };
    PartitionResponse {
        error: Some(code),
        error_message: Some(error_message),
        record_errors,
        log_start_offset,
        ..PartitionResponse::default()
    }
}

fn appended_response(info: &LogAppendInfo) -> PartitionResponse {
    let has_log_append_time = info.log_append_time_ms != TimestampMs::NONE;
    PartitionResponse {
        // An empty set has no first record.
        base_offset: (info.first_offset >= Offset::FIRST).then_some(info.first_offset),
        log_append_time_ms: has_log_append_time.then_some(info.log_append_time_ms),
        log_start_offset: Some(info.log_start_offset),
        ..PartitionResponse::default()
    }
}
