//! Port of `kafka.cluster.Partition`: a partition of which this broker has a replica.

use std::sync::{Arc, RwLock};

use crate::common::errors::{Errors, KafkaError};
use crate::common::lock::{read_locked, write_locked};
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{LeaderEpoch, Offset};
use crate::replica::replica::Replica;
use crate::storage::log::log_append::LogAppendInfo;

/// Acknowledge when all in-sync replicas have the messages.
pub const ACKS_ALL: i16 = -1;

/// The leader epoch that a cluster of one broker gives every partition: its leader never changes.
pub const LEADER_EPOCH: LeaderEpoch = LeaderEpoch(0);

/// How many replicas are in sync: this one. There is no other broker.
const IN_SYNC_REPLICAS: usize = 1;

/// A partition and its local replica.
pub struct Partition {
    pub topic_and_partition: TopicAndPartition,
    local_replica: Arc<Replica>,
    /// Kafka's `leaderIsrUpdateLock`: appends and fetches take it shared, changes exclusive.
    state: RwLock<PartitionState>,
}

/// Who leads a partition, as far as this broker knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionState {
    /// Whether it is this broker.
    pub is_leader: bool,
    pub leader_epoch: LeaderEpoch,
    /// Counts every change of the partition; a change of an older one is none.
    pub partition_epoch: i32,
    /// How many replicas are in sync, by the last change.
    pub in_sync_replicas: usize,
}

impl Partition {
    /// A partition that the broker leads in `leader_epoch`, alone, with the watermark that its replica
    /// has.
    pub fn new(
        topic_and_partition: TopicAndPartition,
        local_replica: Replica,
        leader_epoch: LeaderEpoch,
    ) -> Self {
        let state = PartitionState {
            is_leader: true,
            leader_epoch,
            partition_epoch: 0,
            in_sync_replicas: 1,
        };
        Self {
            topic_and_partition,
            local_replica: Arc::new(local_replica),
            state: RwLock::new(state),
        }
    }

    /// The replica alone is in sync, so its watermark moves up to its end.
    pub fn make_leader(&self) {
        let replica = &self.local_replica;
        replica.maybe_increment_high_watermark(replica.log_end_offset());
    }

    /// The copy that this broker has, whoever leads.
    pub fn local_replica(&self) -> &Arc<Replica> {
        &self.local_replica
    }

    /// Port of `leaderLogIfLocal`: the replica, if it may be read from and appended to.
    ///
    /// # Errors
    /// `NOT_LEADER_OR_FOLLOWER` if another broker leads, or none.
    pub fn leader_replica(&self) -> Result<&Arc<Replica>, KafkaError> {
        match self.state().is_leader {
            true => Ok(&self.local_replica),
            false => Err(KafkaError::api(
                Errors::NotLeaderForPartition,
                format!("this broker does not lead {}", self.topic_and_partition),
            )),
        }
    }

    pub fn state(&self) -> PartitionState {
        *read_locked(&self.state)
    }

    /// Who leads is as in `state` from now on.
    pub fn set_state(&self, state: PartitionState) {
        *write_locked(&self.state) = state;
    }

    /// The epoch of the partition's leader.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.state().leader_epoch
    }

    /// Compares the leader epoch that a client has in mind with the partition's.
    /// [`LeaderEpoch::NONE`] fits any.
    ///
    /// # Errors
    /// `UNKNOWN_LEADER_EPOCH` for one yet to come, `FENCED_LEADER_EPOCH` for one that is over.
    pub fn check_leader_epoch(&self, epoch: LeaderEpoch) -> Result<(), KafkaError> {
        let current = self.leader_epoch();
        let error = match epoch {
            LeaderEpoch::NONE => return Ok(()),
            same if same == current => return Ok(()),
            newer if newer > current => Errors::UnknownLeaderEpoch,
            _ => Errors::FencedLeaderEpoch,
        };
        Err(KafkaError::api(error, format!("the leader epoch is {current}, not {epoch}")))
    }

    /// Compares the epoch of the last record that a client has with the partition's. A record of an
    /// epoch yet to come is none of this log's: the client has to find out where the two diverge
    /// (KIP-595).
    ///
    /// # Errors
    /// `OFFSET_OUT_OF_RANGE`.
    pub fn check_last_fetched_epoch(&self, epoch: LeaderEpoch) -> Result<(), KafkaError> {
        if epoch <= self.leader_epoch() {
            return Ok(());
        }
        let why = format!("there has been no epoch {epoch} of this partition");
        Err(KafkaError::api(Errors::OffsetOutOfRange, why))
    }

    /// Appends to the leader's log and moves the high watermark. Offsets are written into `records`
    /// in place.
    ///
    /// Returns what was appended and whether the high watermark moved, so that the caller completes
    /// what waits for it: Kafka calls back up into `ReplicaManager` here.
    ///
    /// # Errors
    /// `NOT_ENOUGH_REPLICAS` if `acks` is -1 and `min.insync.replicas` asks for more than there
    /// are; what [`Log::append`](crate::storage::log::log::Log::append) reports otherwise.
    pub fn append_messages_to_leader(
        &self,
        records: &mut [u8],
        required_acks: i16,
    ) -> Result<(LogAppendInfo, bool), KafkaError> {
        let replica = self.leader_replica()?;
        if required_acks == ACKS_ALL && !self.has_enough_replicas() {
            let why = format!(
                "{} has {IN_SYNC_REPLICAS} in-sync replica, min.insync.replicas asks for {}",
                self.topic_and_partition,
                replica.log.config().min_in_sync_replicas
            );
            return Err(KafkaError::api(Errors::NotEnoughReplicas, why));
        }
        let info = replica.log.append(records, self.leader_epoch())?;
        replica.traffic.appended(&info);
        let high_watermark_moved = replica.maybe_increment_high_watermark(replica.log_end_offset());
        Ok((info, high_watermark_moved))
    }

    /// How far the in-sync replicas are with everything below `required_offset`.
    pub fn check_enough_replicas_reach_offset(&self, required_offset: Offset) -> Acknowledgement {
        if self.local_replica.high_watermark().message_offset < required_offset {
            Acknowledgement::Pending
        } else if self.has_enough_replicas() {
            Acknowledgement::Complete
        } else {
            Acknowledgement::TooFewReplicas
        }
    }

    fn has_enough_replicas(&self) -> bool {
        self.local_replica.log.config().min_in_sync_replicas <= IN_SYNC_REPLICAS
    }
}

/// How far the in-sync replicas are with what a produce has appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledgement {
    /// Not all of them have it yet.
    Pending,
    /// All of them have it, and they are as many as `min.insync.replicas` asks for.
    Complete,
    /// All of them have it, but they are fewer than that by now.
    TooFewReplicas,
}
