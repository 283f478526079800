//! Port of `org.apache.kafka.server.LeaderEndPoint`: the leader, as a follower's thread sees it.

use std::io;
use std::ops::Range;

use crate::common::errors::Errors;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{LeaderEpoch, Offset};
use crate::replica::broker_end_point::BrokerEndPoint;
use crate::replica::fetcher::partition_fetch_state::PartitionFetchState;
use crate::storage::epochs::epoch_entry::{EpochEndOffset, EpochEntry};

/// A broker that leads, and is asked for its records. Only the thread that owns it calls it; each call waits for
/// the answer.
///
/// Its `io` errors concern the connection, and so every partition that was asked for.
pub trait LeaderEndPoint: Send {
    fn broker_end_point(&self) -> &BrokerEndPoint;

    /// Ends a call under way, and every later one, at once; from any thread.
    fn closer(&self) -> Box<dyn Fn() + Send + Sync>;

    /// Port of `buildFetch`: what is to be asked now. Partitions that are throttled are left out. `None` if
    /// nothing is left to ask for.
    fn build_fetch(
        &mut self,
        partitions: &[(TopicAndPartition, PartitionFetchState)],
    ) -> Option<ReplicaFetch>;

    /// Asks for records. What a fetch session has no news of is missing in the answer.
    ///
    /// # Errors
    /// If the leader does not answer, or refuses the request as a whole.
    fn fetch(&mut self, fetch: &ReplicaFetch) -> io::Result<ReplicaFetched>;

    /// The first offset of the leader's log, and its epoch.
    ///
    /// # Errors
    /// `Ok(Err)` is the leader's code for the partition.
    fn fetch_earliest_offset(
        &mut self,
        key: &TopicAndPartition,
        current_leader_epoch: LeaderEpoch,
    ) -> io::Result<Result<EpochEntry, Errors>>;

    /// The end of the leader's log, and the epoch of its leader.
    ///
    /// # Errors
    /// As [`fetch_earliest_offset`](Self::fetch_earliest_offset).
    fn fetch_latest_offset(
        &mut self,
        key: &TopicAndPartition,
        current_leader_epoch: LeaderEpoch,
    ) -> io::Result<Result<EpochEntry, Errors>>;

    /// Where each epoch ends in the leader's log, by OffsetForLeaderEpoch: for each partition in the order of
    /// the question. `Ok(None)` is an epoch of which the leader knows nothing.
    ///
    /// # Errors
    /// The leader's code for the partition; that of the connection stands for all of them.
    fn fetch_epoch_end_offsets(
        &mut self,
        partitions: &[EpochQuestion],
    ) -> Vec<Result<Option<EpochEndOffset>, Errors>>;
}

/// What OffsetForLeaderEpoch asks of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochQuestion {
    pub key: TopicAndPartition,
    pub current_leader_epoch: LeaderEpoch,
    pub leader_epoch: LeaderEpoch,
}

/// What a follower asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaFetch {
    /// All partitions that are asked for, whether the request names them or the session does.
    pub partitions: Vec<(TopicAndPartition, ReplicaFetchPartition)>,
}

/// Of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaFetchPartition {
    pub topic_id: [u8; 16],
    pub current_leader_epoch: LeaderEpoch,
    pub fetch_offset: Offset,
    pub last_fetched_epoch: Option<LeaderEpoch>,
    /// Of the follower's log.
    pub log_start_offset: Offset,
    pub max_bytes: i32,
}

/// What the leader answers.
#[derive(Debug, Default)]
pub struct ReplicaFetched {
    /// The bytes in which the records lie.
    pub frame: Vec<u8>,
    pub partitions: Vec<(TopicAndPartition, FetchedPartition)>,
}

/// Of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedPartition {
    pub error: Errors,
    /// Of the leader, [`Offset::NONE`] beside an error.
    pub high_watermark: Offset,
    pub log_start_offset: Offset,
    /// Where the logs part, if they do.
    pub diverging_epoch: Option<EpochEndOffset>,
    /// In the frame.
    pub records: Range<usize>,
}
