//! Port of the abstract methods of `kafka.server.AbstractFetcherThread`: the follower's own logs, as its thread
//! sees them.

use crate::common::errors::KafkaError;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{LeaderEpoch, Offset};
use crate::replica::fetcher::leader_end_point::FetchedPartition;
use crate::storage::epochs::epoch_entry::EpochEndOffset;
use crate::storage::log::log_append::LogAppendInfo;

/// The replicas that a thread keeps up to date.
///
/// The `Err` of each call concerns one partition: `KAFKA_STORAGE_ERROR` and whatever is not foreseen takes that
/// one out of the thread until the cluster's next change of it.
pub trait FetcherReplicas: Send {
    /// Port of `processPartitionData`: appends, and takes over the high watermark and the start of the log.
    /// `leader_epoch` is the one that the fetch was sent in. `None` if there was nothing to append.
    fn process_partition_data(
        &mut self,
        key: &TopicAndPartition,
        fetch_offset: Offset,
        leader_epoch: LeaderEpoch,
        partition: &FetchedPartition,
        records: &[u8],
    ) -> Result<Option<LogAppendInfo>, KafkaError>;

    fn truncate(&mut self, key: &TopicAndPartition, offset: Offset) -> Result<(), KafkaError>;

    fn truncate_fully_and_start_at(
        &mut self,
        key: &TopicAndPartition,
        offset: Offset,
    ) -> Result<(), KafkaError>;

    fn latest_epoch(&self, key: &TopicAndPartition) -> Result<Option<LeaderEpoch>, KafkaError>;

    fn log_start_offset(&self, key: &TopicAndPartition) -> Result<Offset, KafkaError>;

    fn log_end_offset(&self, key: &TopicAndPartition) -> Result<Offset, KafkaError>;

    fn high_watermark(&self, key: &TopicAndPartition) -> Result<Offset, KafkaError>;

    /// Where the greatest epoch up to `epoch` ends in the follower's own log.
    fn end_offset_for_epoch(
        &self,
        key: &TopicAndPartition,
        epoch: LeaderEpoch,
    ) -> Result<Option<EpochEndOffset>, KafkaError>;

    /// What others wait for and the last calls have brought. The thread runs it, without a lock.
    fn owed(&mut self) -> Option<Box<dyn FnOnce() + Send>> {
        None
    }
}
