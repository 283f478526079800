//! Port of `kafka.cluster.Partition`: a partition of which this broker has a replica.

use std::sync::{Arc, RwLock};

use log::info;

use crate::common::errors::{Errors, KafkaError};
use crate::common::lock::{read_locked, write_locked};
use crate::common::text::counted;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{LeaderEpoch, Offset};
use crate::image::topic_image::NO_LEADER;
use crate::message::byte_buffer_message_set::shallow_entries;
use crate::replica::partition_state::PartitionState;
use crate::replica::replica::Replica;
use crate::storage::epochs::epoch_entry::EpochEndOffset;
use crate::storage::log::log::Log;
use crate::storage::log::log_append::LogAppendInfo;

/// Acknowledge when all in-sync replicas have the messages.
pub const ACKS_ALL: i16 = -1;

/// The leader epoch that a cluster of one broker gives every partition: its leader never changes.
pub const LEADER_EPOCH: LeaderEpoch = LeaderEpoch(0);

/// The topic id of a request that has only the name.
pub const ASKED_BY_NAME: [u8; 16] = [0; 16];

/// A partition and its local replica.
pub struct Partition {
    pub topic_and_partition: TopicAndPartition,
    /// Of its topic.
    pub topic_id: [u8; 16],
    local_replica: Arc<Replica>,
    /// Kafka's `leaderIsrUpdateLock`: appends take it shared to their end, changes exclusive.
    state: RwLock<PartitionState>,
}

impl Partition {
    /// A partition that the broker leads in `leader_epoch`, alone, with the watermark that its replica
    /// has.
    pub fn new(
        topic_and_partition: TopicAndPartition,
        topic_id: [u8; 16],
        local_replica: Replica,
        leader_epoch: LeaderEpoch,
    ) -> Self {
        let state = PartitionState::alone(local_replica.broker_id, leader_epoch);
        Self::with_state(topic_and_partition, topic_id, local_replica, state)
    }

    /// A partition of a cluster whose controllers are elsewhere. It is led by nobody until
    /// [`make_leader`](Self::make_leader) or [`make_follower`](Self::make_follower).
    pub fn in_cluster(
        topic_and_partition: TopicAndPartition,
        topic_id: [u8; 16],
        local_replica: Replica,
    ) -> Self {
        Self::with_state(topic_and_partition, topic_id, local_replica, PartitionState::UNKNOWN)
    }

    fn with_state(
        topic_and_partition: TopicAndPartition,
        topic_id: [u8; 16],
        local_replica: Replica,
        state: PartitionState,
    ) -> Self {
        let (local_replica, state) = (Arc::new(local_replica), RwLock::new(state));
        Self { topic_and_partition, topic_id, local_replica, state }
    }

    /// Port of `makeLeader`: this broker leads from now on as `state` says. A new leader epoch begins at
    /// the end of the log, at once: a replica that is behind must see where to cut its own. The
    /// watermark moves up to that end if no other replica is in sync. Returns whether the broker
    /// begins to lead.
    ///
    /// A state of an older partition epoch changes nothing. One thread at a time may call this.
    ///
    /// # Errors
    /// Those of [`Log::begin_leader_epoch`](crate::storage::log::log::Log::begin_leader_epoch); then
    /// nothing has changed.
    pub fn make_leader(&self, state: PartitionState) -> Result<bool, KafkaError> {
        let before = self.state();
        if state.partition_epoch < before.partition_epoch {
            return Ok(false);
        }
        // Without the lock: readers must not wait for the disk. An append that slips in between
        // belongs to the epoch that is over, and the log refuses it.
        let epoch_start_offset = match state.leader_epoch > before.leader_epoch {
            true => self.local_replica.log.begin_leader_epoch(state.leader_epoch)?,
            false => before.epoch_start_offset,
        };
        let mut current = write_locked(&self.state);
        *current = PartitionState { epoch_start_offset, ..state };
        self.maybe_increment_high_watermark(&current);
        Ok(!before.is_led_by(self.local_replica.broker_id))
    }

    /// Port of `makeFollower`: another broker leads, or none. The watermark stays as it is. Returns
    /// whether that is a new leader epoch.
    ///
    /// A state of an older partition epoch changes nothing.
    pub fn make_follower(&self, state: PartitionState) -> bool {
        let mut current = write_locked(&self.state);
        if state.partition_epoch < current.partition_epoch {
            return false;
        }
        let begins_epoch = state.leader_epoch > current.leader_epoch;
        *current = PartitionState { epoch_start_offset: Offset::NONE, ..state };
        begins_epoch
    }

    /// The copy that this broker has, whoever leads.
    pub fn local_replica(&self) -> &Arc<Replica> {
        &self.local_replica
    }

    /// Port of `leaderLogIfLocal`: the replica, if it may be read from and appended to.
    ///
    /// # Errors
    /// `NOT_LEADER_OR_FOLLOWER` if another broker leads, or none; the text says which.
    pub fn leader_replica(&self) -> Result<&Arc<Replica>, KafkaError> {
        self.led_in(&self.state())
    }

    fn led_in(&self, state: &PartitionState) -> Result<&Arc<Replica>, KafkaError> {
        if state.is_led_by(self.local_replica.broker_id) {
            return Ok(&self.local_replica);
        }
        let why = match state.leader {
            NO_LEADER => format!("nobody leads {} now", self.topic_and_partition),
            leader => format!("broker {leader} leads {}", self.topic_and_partition),
        };
        Err(KafkaError::api(Errors::NotLeaderForPartition, why))
    }

    pub fn state(&self) -> PartitionState {
        *read_locked(&self.state)
    }

    /// The epoch of the partition's leader.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.state().leader_epoch
    }

    /// Compares the id of the topic that a fetch asks for with the partition's: of a topic that was
    /// deleted and made anew only the name is the same. `ASKED_BY_NAME` fits any.
    ///
    /// # Errors
    /// `INCONSISTENT_TOPIC_ID`.
    pub fn check_topic_id(&self, topic_id: &[u8; 16]) -> Result<(), KafkaError> {
        if *topic_id == self.topic_id || *topic_id == ASKED_BY_NAME {
            return Ok(());
        }
        let why = format!("{} belongs to a topic with another id", self.topic_and_partition);
        Err(KafkaError::api(Errors::InconsistentTopicId, why))
    }

    /// Compares the leader epoch that a client has in mind with the partition's.
    /// [`LeaderEpoch::NONE`] fits any.
    ///
    /// # Errors
    /// `UNKNOWN_LEADER_EPOCH` for one yet to come, `FENCED_LEADER_EPOCH` for one that is over.
    pub fn check_leader_epoch(&self, epoch: LeaderEpoch) -> Result<(), KafkaError> {
        if epoch == LeaderEpoch::NONE {
            return Ok(()); // Without a look at the state, which has a lock.
        }
        let current = self.leader_epoch();
        let error = match epoch {
            same if same == current => return Ok(()),
            newer if newer > current => Errors::UnknownLeaderEpoch,
            _ => Errors::FencedLeaderEpoch,
        };
        Err(KafkaError::api(error, format!("the leader epoch is {current}, not {epoch}")))
    }

    /// Port of `lastOffsetForLeaderEpoch`: the last epoch up to `epoch` that has records, and where it
    /// ends. `None` if there is no answer: for no epoch, for one yet to come, and for messages of
    /// magic 0 and 1, which have none.
    ///
    /// It is the log's end and not its high watermark, because a leader is asked which messages it has,
    /// not which may be read.
    ///
    /// # Errors
    /// Those of [`check_leader_epoch`](Self::check_leader_epoch) for the `current` epoch that the client
    /// has in mind; `NOT_LEADER_OR_FOLLOWER`.
    pub fn last_offset_for_leader_epoch(
        &self,
        current: LeaderEpoch,
        epoch: LeaderEpoch,
    ) -> Result<Option<EpochEndOffset>, KafkaError> {
        self.check_leader_epoch(current)?;
        Ok(self.leader_replica()?.log.end_offset_for_epoch(epoch))
    }

    /// Where the log of a reader and this one part, if they do: the reader asks for `fetch_offset`, and
    /// the last record that it has is of the epoch `last_fetched` (KIP-595). It has to truncate then.
    ///
    /// # Errors
    /// `OFFSET_OUT_OF_RANGE` if there has been no such epoch here, or its records are deleted.
    pub fn diverging_epoch(
        &self,
        fetch_offset: Offset,
        last_fetched: LeaderEpoch,
    ) -> Result<Option<EpochEndOffset>, KafkaError> {
        let log = &self.local_replica.log;
        let is_latest = log.leader_epochs().latest_epoch() == Some(last_fetched);
        if last_fetched <= LeaderEpoch::NONE || is_latest && fetch_offset <= log.log_end_offset() {
            return Ok(None);
        }
        let out_of_range = |why| Err(KafkaError::api(Errors::OffsetOutOfRange, why));
        let start_offset = log.log_start_offset();
        match log.end_offset_for_epoch(last_fetched) {
            None => {
                out_of_range(format!("there has been no epoch {last_fetched} of this partition"))
            }
            // Nothing is known of what is deleted (KAFKA-12996).
            Some(_) if fetch_offset < start_offset => {
                out_of_range(format!("offset {fetch_offset} is below {start_offset}, the first"))
            }
            Some(end) if end.leader_epoch < last_fetched || end.end_offset < fetch_offset => {
                Ok(Some(end))
            }
            Some(_) => Ok(None),
        }
    }

    /// Appends to the leader's log and moves the high watermark. Offsets are written into `records`
    /// in place.
    ///
    /// Returns what was appended and whether the high watermark moved, so that the caller completes
    /// what waits for it: Kafka calls back up into `ReplicaManager` here.
    ///
    /// # Errors
    /// `NOT_LEADER_OR_FOLLOWER`; `NOT_ENOUGH_REPLICAS` if `acks` is -1 and `min.insync.replicas` asks
    /// for more than there are; what [`Log::append`](crate::storage::log::log::Log::append) reports
    /// otherwise.
    pub fn append_messages_to_leader(
        &self,
        records: &mut [u8],
        required_acks: i16,
    ) -> Result<(LogAppendInfo, bool), KafkaError> {
        // Held to the end: whoever makes the broker a follower waits for the append, and none comes
        // after it.
        let state = read_locked(&self.state);
        let replica = self.led_in(&state)?;
        if required_acks == ACKS_ALL && !self.has_enough_replicas(&state) {
            let why = format!(
                "{} has {}, min.insync.replicas asks for {}",
                self.topic_and_partition,
                counted(state.in_sync_replicas, "in-sync replica"),
                replica.log.config().min_in_sync_replicas
            );
            return Err(KafkaError::api(Errors::NotEnoughReplicas, why));
        }
        let info = replica.log.append(records, state.leader_epoch)?;
        replica.traffic.appended(&info);
        let high_watermark_moved = self.maybe_increment_high_watermark(&state);
        Ok((info, high_watermark_moved))
    }

    /// Port of `appendRecordsToFollowerOrFutureReplica`: appends what the leader of `leader_epoch` has sent.
    /// `None` if that is nothing: no whole batch, or batches of a later epoch only.
    ///
    /// An empty log may be sent a batch that begins below its start: an admin has deleted the first of
    /// its records, and the leader has no half batches. The log begins where the batch does then.
    ///
    /// # Errors
    /// `NOT_LEADER_OR_FOLLOWER` if this broker leads by now; otherwise as
    /// [`Log::append_as_follower`](crate::storage::log::log::Log::append_as_follower).
    pub fn append_records_to_follower(
        &self,
        records: &[u8],
        leader_epoch: LeaderEpoch,
    ) -> Result<Option<LogAppendInfo>, KafkaError> {
        // Held to the end, as for an append of the leader.
        let state = read_locked(&self.state);
        let replica = self.followed_in(&state)?;
        if let Some(first_offset) = first_offset_across_start(records, &replica.log) {
            let (key, start) = (&self.topic_and_partition, replica.log.log_start_offset());
            info!("{key} is empty, and begins at offset {first_offset} instead of {start}");
            replica.truncate_fully_and_start_at(first_offset)?;
        }
        let info = replica.log.append_as_follower(records, leader_epoch)?;
        Ok((info.record_count > 0).then_some(info))
    }

    /// See [`Replica::truncate_to`].
    ///
    /// # Errors
    /// Its errors; `NOT_LEADER_OR_FOLLOWER` if this broker leads by now.
    pub fn truncate_to(&self, offset: Offset) -> Result<(), KafkaError> {
        self.followed_in(&read_locked(&self.state))?.truncate_to(offset)
    }

    /// See [`Replica::truncate_fully_and_start_at`].
    ///
    /// # Errors
    /// Its errors; `NOT_LEADER_OR_FOLLOWER` if this broker leads by now.
    pub fn truncate_fully_and_start_at(&self, offset: Offset) -> Result<(), KafkaError> {
        self.followed_in(&read_locked(&self.state))?.truncate_fully_and_start_at(offset)
    }

    /// The replica, if another broker leads: nobody but its leader says what is in a log.
    fn followed_in(&self, state: &PartitionState) -> Result<&Arc<Replica>, KafkaError> {
        if !state.is_led_by(self.local_replica.broker_id) {
            return Ok(&self.local_replica);
        }
        let why = format!("this broker leads {}, and follows nobody", self.topic_and_partition);
        Err(KafkaError::api(Errors::NotLeaderForPartition, why))
    }

    /// How far the in-sync replicas are with everything below `required_offset`.
    pub fn check_enough_replicas_reach_offset(&self, required_offset: Offset) -> Acknowledgement {
        let state = self.state();
        if !state.is_led_by(self.local_replica.broker_id) {
            Acknowledgement::NotLeader
        } else if self.local_replica.high_watermark().message_offset < required_offset {
            Acknowledgement::Pending
        } else if self.has_enough_replicas(&state) {
            Acknowledgement::Complete
        } else {
            Acknowledgement::TooFewReplicas
        }
    }

    /// Port of `maybeIncrementLeaderHW`: the watermark follows the log's end while this replica is the
    /// only one in sync. What others may lack is not committed, and nobody asks them: replication is
    /// not there yet, so it stays where it is then.
    fn maybe_increment_high_watermark(&self, state: &PartitionState) -> bool {
        let replica = &self.local_replica;
        if state.in_sync_replicas > 1 {
            return false;
        }
        // KAFKA-15583. In a cluster of one broker it moves, as in 0.9.
        if state.assigned_replicas.is_some() && !self.has_enough_replicas(state) {
            return false;
        }
        replica.maybe_increment_high_watermark(replica.log_end_offset())
    }

    fn has_enough_replicas(&self, state: &PartitionState) -> bool {
        let wanted = self.local_replica.log.config().min_in_sync_replicas;
        state.in_sync_replicas >= state.effective_min_in_sync_replicas(wanted)
    }
}

/// Where the first batch of `records` begins, if the start of an empty log lies within it.
fn first_offset_across_start(records: &[u8], log: &Log) -> Option<Offset> {
    let end_offset = log.log_end_offset();
    if end_offset != log.log_start_offset() {
        return None;
    }
    let first = shallow_entries(records).next()?.ok()?;
    let (offset, last_offset) = (Offset(first.offset), Offset(first.last_offset));
    (offset < end_offset && last_offset >= end_offset).then_some(offset)
}

/// How far the in-sync replicas are with what a produce has appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledgement {
    /// Another broker leads by now, or none.
    NotLeader,
    /// Not all of them have it yet.
    Pending,
    /// All of them have it, and they are as many as `min.insync.replicas` asks for.
    Complete,
    /// All of them have it, but they are fewer than that by now.
    TooFewReplicas,
}
