//! Port of `kafka.cluster.Partition`: a partition that this broker leads.

use std::sync::Arc;

use crate::common::errors::{Errors, KafkaError};
use crate::common::topic_partition::TopicAndPartition;
use crate::replica::replica::Replica;
use crate::storage::log::log_append::LogAppendInfo;

/// Acknowledge when all in-sync replicas have the messages.
pub const ACKS_ALL: i16 = -1;

/// The leader epoch of every partition: it has had one leader ever since.
pub const LEADER_EPOCH: i32 = 0;

/// A client that does not say which epoch it has in mind.
pub const NO_EPOCH: i32 = -1;

/// How many replicas are in sync: this one. There is no other broker.
const IN_SYNC_REPLICAS: usize = 1;

/// What is wrong with the leader epoch that a client has in mind; -1 stands for none.
///
/// # Errors
/// `UNKNOWN_LEADER_EPOCH` for one yet to come, `FENCED_LEADER_EPOCH` for one that is over.
pub fn check_leader_epoch(epoch: i32) -> Result<(), KafkaError> {
    let error = match epoch {
        NO_EPOCH | LEADER_EPOCH => return Ok(()),
        newer if newer > LEADER_EPOCH => Errors::UnknownLeaderEpoch,
        _ => Errors::FencedLeaderEpoch,
    };
    Err(KafkaError::api(error, format!("the leader epoch is {LEADER_EPOCH}, not {epoch}")))
}

/// A partition and its local replica, which is always its leader.
pub struct Partition {
    /// The partition's name.
    pub topic_and_partition: TopicAndPartition,
    leader_replica: Arc<Replica>,
}

impl Partition {
    /// A partition that the broker is to lead, with the watermark that its replica has.
    pub fn new(topic_and_partition: TopicAndPartition, leader_replica: Replica) -> Self {
        Self { topic_and_partition, leader_replica: Arc::new(leader_replica) }
    }

    /// Makes the broker leader of the partition: the replica alone is in sync, so its watermark
    /// moves up to its end.
    pub fn make_leader(&self) {
        let replica = &self.leader_replica;
        replica.maybe_increment_high_watermark(replica.log_end_offset());
    }

    /// The replica that may be read from and appended to.
    pub fn leader_replica(&self) -> &Arc<Replica> {
        &self.leader_replica
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
        let replica = &self.leader_replica;
        if required_acks == ACKS_ALL && !self.has_enough_replicas() {
            let why = format!(
                "{} has {IN_SYNC_REPLICAS} in-sync replica, min.insync.replicas asks for {}",
                self.topic_and_partition,
                replica.log.config().min_in_sync_replicas
            );
            return Err(KafkaError::api(Errors::NotEnoughReplicas, why));
        }
        let info = replica.log.append(records, LEADER_EPOCH)?;
        let high_watermark_moved = replica.maybe_increment_high_watermark(replica.log_end_offset());
        Ok((info, high_watermark_moved))
    }

    /// Whether all in-sync replicas hold everything below `required_offset`, and an error if they
    /// are too few.
    ///
    /// `None` while the answer is not known: keep waiting.
    pub fn check_enough_replicas_reach_offset(&self, required_offset: i64) -> Option<Errors> {
        let is_reached = self.leader_replica.high_watermark().message_offset >= required_offset;
        is_reached.then(|| match self.has_enough_replicas() {
            true => Errors::None,
            false => Errors::NotEnoughReplicasAfterAppend,
        })
    }

    fn has_enough_replicas(&self) -> bool {
        self.leader_replica.log.config().min_in_sync_replicas <= IN_SYNC_REPLICAS
    }
}
