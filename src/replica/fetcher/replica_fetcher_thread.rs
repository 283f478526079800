//! Port of `kafka.server.ReplicaFetcherThread`: the logs of this broker, into which a fetcher thread copies.

use std::sync::Arc;

use log::{Level, log};

use crate::common::errors::{Errors, KafkaError};
use crate::common::log_limit::{LogKind, limited};
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{LeaderEpoch, Offset};
use crate::message::byte_buffer_message_set::shallow_entries;
use crate::replica::fetcher::fetcher_replicas::FetcherReplicas;
use crate::replica::fetcher::leader_end_point::FetchedPartition;
use crate::replica::partition::Partition;
use crate::replica::replica_manager::ReplicaManager;
use crate::storage::epochs::epoch_entry::EpochEndOffset;
use crate::storage::log::log_append::LogAppendInfo;

/// The partitions that this broker follows.
pub struct ReplicaFetcherThread {
    replica_manager: Arc<ReplicaManager>,
    /// Kafka's `partitionsWithNewHighWatermark`: fetches may wait for that.
    high_watermark_moved: Vec<TopicAndPartition>,
}

impl ReplicaFetcherThread {
    pub fn new(replica_manager: Arc<ReplicaManager>) -> Self {
        Self { replica_manager, high_watermark_moved: Vec::new() }
    }

    fn partition(&self, key: &TopicAndPartition) -> Result<Arc<Partition>, KafkaError> {
        self.replica_manager.local_logs().get_partition_or_error(key)
    }
}

impl FetcherReplicas for ReplicaFetcherThread {
    fn process_partition_data(
        &mut self,
        key: &TopicAndPartition,
        fetch_offset: Offset,
        leader_epoch: LeaderEpoch,
        fetched: &FetchedPartition,
        records: &[u8],
    ) -> Result<Option<LogAppendInfo>, KafkaError> {
        let partition = self.partition(key)?;
        let replica = partition.local_replica();
        let log_end_offset = replica.log.log_end_offset();
        if fetch_offset != log_end_offset {
            let why = format!("the log ends at {log_end_offset}, and {fetch_offset} was asked for");
            return Err(KafkaError::api(Errors::UnknownServerError, why));
        }
        let leader_start_offset = fetched.log_start_offset;
        if let Some(offset) = first_batch_across(records, log_end_offset, leader_start_offset) {
            partition.truncate_to(offset)?;
        }
        let info = partition.append_records_to_follower(records, leader_epoch)?;
        if replica.update_follower_high_watermark(fetched.high_watermark) {
            self.high_watermark_moved.push(key.clone());
        }
        if let Err(error) = replica.maybe_increment_log_start_offset(fetched.log_start_offset) {
            // The records are in the log, and the next answer says again where it is to begin.
            let level = limited(LogKind::Failures, Level::Warn);
            log!(level, "{key} does not begin where its leader does yet: {error}");
        }
        let quota = &self.replica_manager.quotas().follower;
        if !records.is_empty() && quota.is_throttled(key) {
            quota.record(records.len() as u64);
        }
        Ok(info)
    }

    fn truncate(&mut self, key: &TopicAndPartition, offset: Offset) -> Result<(), KafkaError> {
        self.partition(key)?.truncate_to(offset)
    }

    fn truncate_fully_and_start_at(
        &mut self,
        key: &TopicAndPartition,
        offset: Offset,
    ) -> Result<(), KafkaError> {
        self.partition(key)?.truncate_fully_and_start_at(offset)
    }

    fn latest_epoch(&self, key: &TopicAndPartition) -> Result<Option<LeaderEpoch>, KafkaError> {
        Ok(self.partition(key)?.local_replica().log.leader_epochs().latest_epoch())
    }

    fn log_start_offset(&self, key: &TopicAndPartition) -> Result<Offset, KafkaError> {
        Ok(self.partition(key)?.local_replica().log.log_start_offset())
    }

    fn log_end_offset(&self, key: &TopicAndPartition) -> Result<Offset, KafkaError> {
        Ok(self.partition(key)?.local_replica().log.log_end_offset())
    }

    fn high_watermark(&self, key: &TopicAndPartition) -> Result<Offset, KafkaError> {
        Ok(self.partition(key)?.local_replica().high_watermark().message_offset)
    }

    fn end_offset_for_epoch(
        &self,
        key: &TopicAndPartition,
        epoch: LeaderEpoch,
    ) -> Result<Option<EpochEndOffset>, KafkaError> {
        Ok(self.partition(key)?.local_replica().log.end_offset_for_epoch(epoch))
    }

    /// Port of `completeDelayedFetchRequests`: consumers may wait at a follower.
    fn owed(&mut self) -> Option<Box<dyn FnOnce() + Send>> {
        if self.high_watermark_moved.is_empty() {
            return None;
        }
        let moved = std::mem::take(&mut self.high_watermark_moved);
        let replica_manager = Arc::clone(&self.replica_manager);
        Some(Box::new(move || replica_manager.complete_waiting(&moved)))
    }
}

/// Where the first batch begins, if our log ends inside of it and the leader's begins inside of it. Nothing that we
/// have below its end is the leader's any more, and what we have inside of it is of another leader: the two would
/// not have parted within a batch. No epoch shows that, since the leader has forgotten those that it has deleted.
fn first_batch_across(records: &[u8], end_offset: Offset, leader_start: Offset) -> Option<Offset> {
    let first = shallow_entries(records).next()?.ok()?;
    let (offset, last_offset) = (Offset(first.offset), Offset(first.last_offset));
    let is_across = |place: Offset| offset < place && place <= last_offset;
    (is_across(end_offset) && is_across(leader_start)).then_some(offset)
}
