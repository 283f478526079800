//! Port of `kafka.cluster.Partition`: a partition of which this broker has a replica.

use std::sync::{Arc, RwLock, RwLockReadGuard};

use log::{Level, log};

use crate::common::errors::{Errors, KafkaError};
use crate::common::lock::{read_locked, write_locked};
use crate::common::log_limit::{LogKind, limited};
#[cfg(sabotage)]
use crate::common::sabotage;
use crate::common::text::counted;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{LeaderEpoch, Offset};
use crate::image::leader_recovery_state::LeaderRecoveryState;
use crate::image::topic_image::NO_LEADER;
use crate::message::end_transaction_marker::EndTransactionMarker;
use crate::replica::isr_state::{IsrState, Refused};
use crate::replica::leadership::{LeaderStart, Leadership};
use crate::replica::partition_context::PartitionContext;
use crate::replica::partition_snapshot::{FollowerSnapshot, PartitionSnapshot};
use crate::replica::partition_state::PartitionState;
use crate::replica::remote_replica::{FollowerFetch, RemoteReplica};
use crate::replica::replica::Replica;
use crate::replica::replication_engine::{AlterPartition, AlteredPartition};
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
    context: Arc<PartitionContext>,
    local_replica: Arc<Replica>,
    /// Kafka's `leaderIsrUpdateLock`: appends and the reads of followers take it shared to their end, changes
    /// exclusive.
    leadership: RwLock<Leadership>,
}

impl Partition {
    /// A partition that the broker leads in `leader_epoch`, alone, with the watermark that its replica
    /// has.
    pub fn new(
        context: Arc<PartitionContext>,
        topic_and_partition: TopicAndPartition,
        topic_id: [u8; 16],
        local_replica: Replica,
        leader_epoch: LeaderEpoch,
    ) -> Self {
        let state = PartitionState::alone(local_replica.broker_id, leader_epoch);
        Self::with_state(context, topic_and_partition, topic_id, local_replica, state)
    }

    /// A partition of a cluster whose controllers are elsewhere. It is led by nobody until
    /// [`make_leader`](Self::make_leader) or [`make_follower`](Self::make_follower).
    pub fn in_cluster(
        context: Arc<PartitionContext>,
        topic_and_partition: TopicAndPartition,
        topic_id: [u8; 16],
        local_replica: Replica,
    ) -> Self {
        let state = PartitionState::unknown();
        Self::with_state(context, topic_and_partition, topic_id, local_replica, state)
    }

    fn with_state(
        context: Arc<PartitionContext>,
        topic_and_partition: TopicAndPartition,
        topic_id: [u8; 16],
        local_replica: Replica,
        state: PartitionState,
    ) -> Self {
        let local_replica = Arc::new(local_replica);
        let leadership = RwLock::new(Leadership::new(state));
        Self { topic_and_partition, topic_id, context, local_replica, leadership }
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
        // belongs to the epoch that is over, and a log of format v2 refuses it.
        let epoch_start_offset = match state.leader_epoch > before.leader_epoch {
            true => self.local_replica.log.begin_leader_epoch(state.leader_epoch)?,
            false => before.epoch_start_offset,
        };
        let mut leadership = write_locked(&self.leadership);
        if state.partition_epoch < leadership.state.partition_epoch {
            return Ok(false); // The controller's answer to a change of the ISR was quicker.
        }
        if leadership.state.isr.is_made_by(&state.isr) {
            self.count_change(&leadership.state.isr);
        }
        let start = self.leader_start(epoch_start_offset);
        leadership.lead(PartitionState { epoch_start_offset, ..state }, start);
        self.maybe_increment_leader_high_watermark(&leadership);
        Ok(!before.is_led_by(self.local_replica.broker_id))
    }

    /// Port of `makeFollower`: another broker leads, or none. The watermark stays as it is. Returns
    /// whether that is a new leader epoch.
    ///
    /// A state of an older partition epoch changes nothing.
    pub fn make_follower(&self, state: PartitionState) -> bool {
        let mut leadership = write_locked(&self.leadership);
        if state.partition_epoch < leadership.state.partition_epoch {
            return false;
        }
        let begins_epoch = state.leader_epoch > leadership.state.leader_epoch;
        let isr = IsrState::committed_as(Arc::default());
        leadership.follow(PartitionState { isr, ..state });
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
        self.led_in(&read_locked(&self.leadership).state)
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
        read_locked(&self.leadership).state.clone()
    }

    /// The epoch of the partition's leader.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        read_locked(&self.leadership).state.leader_epoch
    }

    /// Which replicas are in sync, and which change of that is under way. Empty on a follower.
    pub fn isr(&self) -> IsrState {
        read_locked(&self.leadership).state.isr.clone()
    }

    /// What the leader knows of each follower; empty on a follower.
    pub fn remote_replicas(&self) -> Vec<Arc<RemoteReplica>> {
        read_locked(&self.leadership).remote_replicas.to_vec()
    }

    /// The partition as it is now, as this broker knows it.
    pub fn snapshot(&self) -> PartitionSnapshot {
        let leadership = read_locked(&self.leadership);
        let (state, remote) = (leadership.state.clone(), leadership.remote_replicas.to_vec());
        drop(leadership);
        let (replica, now_ms) = (&self.local_replica, self.context.time.hi_res_clock_ms());
        let high_watermark = replica.high_watermark().message_offset;
        let log_end_offset = replica.log.log_end_offset();
        let follower = |it: &Arc<RemoteReplica>| {
            FollowerSnapshot::of(it.broker_id, &it.state(), log_end_offset, now_ms)
        };
        PartitionSnapshot {
            state,
            high_watermark,
            log_end_offset,
            min_in_sync_replicas: replica.log.config().min_in_sync_replicas,
            followers: remote.iter().map(follower).collect(),
        }
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
        check_leader_epoch(self.leader_epoch(), epoch)
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
        // ANCHOR: diverging_epoch
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
        // ANCHOR_END: diverging_epoch
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
        self.append_messages_in_epoch(LeaderEpoch::NONE, records, required_acks)
    }

    /// The same for a writer that has to know that nobody has led in between: `leader_epoch` is the one in which
    /// it looked. [`LeaderEpoch::NONE`] fits any.
    ///
    /// # Errors
    /// Also those of [`check_leader_epoch`](Self::check_leader_epoch).
    pub fn append_messages_in_epoch(
        &self,
        leader_epoch: LeaderEpoch,
        records: &mut [u8],
        required_acks: i16,
    ) -> Result<(LogAppendInfo, bool), KafkaError> {
        self.append_as_leader(leader_epoch, required_acks, |log, epoch| log.append(records, epoch))
    }

    /// Ends a transaction, with as many replicas as acks -1 asks for: see
    /// [`Log::append_marker`](crate::storage::log::log::Log::append_marker).
    ///
    /// # Errors
    /// Its errors; `NOT_LEADER_OR_FOLLOWER`; `NOT_ENOUGH_REPLICAS`.
    pub fn append_marker_to_leader(
        &self,
        marker: &EndTransactionMarker,
    ) -> Result<(LogAppendInfo, bool), KafkaError> {
        let append = |log: &Log, epoch| log.append_marker(marker, epoch);
        self.append_as_leader(LeaderEpoch::NONE, ACKS_ALL, append)
    }

    fn append_as_leader(
        &self,
        leader_epoch: LeaderEpoch,
        required_acks: i16,
        append: impl FnOnce(&Log, LeaderEpoch) -> Result<LogAppendInfo, KafkaError>,
    ) -> Result<(LogAppendInfo, bool), KafkaError> {
        // Held to the end: whoever makes the broker a follower waits for the append, and none comes
        // after it.
        let leadership = read_locked(&self.leadership);
        let state = &leadership.state;
        if leader_epoch != LeaderEpoch::NONE {
            check_leader_epoch(state.leader_epoch, leader_epoch)?;
        }
        let replica = self.led_in(state)?;
        if required_acks == ACKS_ALL && !self.has_enough_replicas(state) {
            let why = format!(
                "{} has {}, min.insync.replicas asks for {}",
                self.topic_and_partition,
                counted(state.in_sync_replicas(), "in-sync replica"),
                replica.log.config().min_in_sync_replicas
            );
            return Err(KafkaError::api(Errors::NotEnoughReplicas, why));
        }
        let info = append(&replica.log, state.leader_epoch)?;
        replica.traffic.appended(&info);
        let high_watermark_moved = self.maybe_increment_leader_high_watermark(&leadership);
        Ok((info, high_watermark_moved))
    }

    /// See [`Replica::append_as_follower`]. `None` if there is nothing to append: no whole batch, or batches of
    /// a later epoch only.
    ///
    /// # Errors
    /// Its errors; `NOT_LEADER_OR_FOLLOWER` if this broker leads by now.
    pub fn append_records_to_follower(
        &self,
        records: &[u8],
        leader_epoch: LeaderEpoch,
    ) -> Result<Option<LogAppendInfo>, KafkaError> {
        // Held to the end, as for an append of the leader.
        let leadership = read_locked(&self.leadership);
        let replica = self.followed_in(&leadership.state)?;
        let info = replica.append_as_follower(records, leader_epoch)?;
        if info.record_count == 0 {
            return Ok(None);
        }
        let (metrics, bytes) = (&self.context.metrics, info.valid_bytes as u64);
        metrics.replication_bytes_in.add(bytes);
        if leadership.state.is_adding(replica.broker_id) {
            metrics.reassignment_bytes_in.add(bytes);
        }
        Ok(Some(info))
    }

    /// See [`Replica::truncate_to`].
    ///
    /// # Errors
    /// Its errors; `NOT_LEADER_OR_FOLLOWER` if this broker leads by now.
    pub fn truncate_to(&self, offset: Offset) -> Result<(), KafkaError> {
        self.followed_in(&read_locked(&self.leadership).state)?.truncate_to(offset)
    }

    /// See [`Replica::truncate_fully_and_start_at`].
    ///
    /// # Errors
    /// Its errors; `NOT_LEADER_OR_FOLLOWER` if this broker leads by now.
    pub fn truncate_fully_and_start_at(&self, offset: Offset) -> Result<(), KafkaError> {
        self.followed_in(&read_locked(&self.leadership).state)?.truncate_fully_and_start_at(offset)
    }

    /// The replica, if another broker leads: nobody but its leader says what is in a log.
    fn followed_in(&self, state: &PartitionState) -> Result<&Arc<Replica>, KafkaError> {
        if !state.is_led_by(self.local_replica.broker_id) {
            return Ok(&self.local_replica);
        }
        let why = format!("this broker leads {}, and follows nobody", self.topic_and_partition);
        Err(KafkaError::api(Errors::NotLeaderForPartition, why))
    }

    /// How far the in-sync replicas are with everything below `required_offset`, which this broker has taken in as
    /// the leader of `epoch`. If it has been a follower since, its log may have been cut, and others' records may be
    /// there: Kafka, which looks at the offset alone, acknowledges those.
    pub fn check_enough_replicas_reach_offset(
        &self,
        required_offset: Offset,
        epoch: LeaderEpoch,
    ) -> Acknowledgement {
        let leadership = read_locked(&self.leadership);
        let state = &leadership.state;
        let wanted = self.local_replica.log.config().min_in_sync_replicas;
        if !leadership.has_led_since(self.local_replica.broker_id, epoch) {
            Acknowledgement::NotLeader
        } else if self.local_replica.high_watermark().message_offset < required_offset {
            Acknowledgement::Pending
        } else if state.isr.maximal_size() >= state.effective_min_in_sync_replicas(wanted) {
            Acknowledgement::Complete
        } else {
            Acknowledgement::TooFewReplicas
        }
    }

    /// The first offset that any replica still has whose broker lives, as far as they have said.
    ///
    /// # Errors
    /// `NOT_LEADER_OR_FOLLOWER`.
    pub fn low_watermark_if_leader(&self) -> Result<Offset, KafkaError> {
        let leadership = read_locked(&self.leadership);
        let own = self.led_in(&leadership.state)?.log.log_start_offset();
        let engine = &self.context.engine;
        let living = leadership
            .remote_replicas
            .iter()
            .filter(|it| engine.end_point(it.broker_id).is_some())
            .map(|it| it.state().log_start_offset);
        Ok(living.fold(own, Offset::min))
    }

    /// Port of `findPreferredReadReplica`: the follower that a consumer in a rack is to read from `offset` on. `None`
    /// if this broker does not lead, or stands in that rack itself, or no follower there is fit.
    pub fn preferred_read_replica(
        &self,
        offset: Offset,
        is_in_rack: impl Fn(i32) -> bool,
    ) -> Option<i32> {
        let (leadership, own_id) = (read_locked(&self.leadership), self.local_replica.broker_id);
        match leadership.state.is_led_by(own_id) && !is_in_rack(own_id) {
            true => leadership.most_caught_up_in_rack(offset, is_in_rack),
            false => None,
        }
    }

    /// Holds the leadership as it is while a follower's fetch is read.
    ///
    /// # Errors
    /// Those of [`check_leader_epoch`](Self::check_leader_epoch); `NOT_LEADER_OR_FOLLOWER`, which is also said of a
    /// broker that is no replica. If the request has an epoch, which is then this leader's, the broker may have learnt
    /// first that it is one now: `UNKNOWN_LEADER_EPOCH` makes it come again.
    pub fn hold_for_follower(
        &self,
        broker_id: i32,
        epoch: LeaderEpoch,
    ) -> Result<HeldLeadership<'_>, KafkaError> {
        let leadership = read_locked(&self.leadership);
        if epoch != LeaderEpoch::NONE {
            check_leader_epoch(leadership.state.leader_epoch, epoch)?;
        }
        self.led_in(&leadership.state)?;
        self.remote_replica_of(&leadership, broker_id, epoch)?;
        Ok(HeldLeadership { leadership })
    }

    /// Port of `followerReplicaOrThrow`.
    fn remote_replica_of<'a>(
        &self,
        leadership: &'a Leadership,
        broker_id: i32,
        epoch: LeaderEpoch,
    ) -> Result<&'a Arc<RemoteReplica>, KafkaError> {
        leadership.remote_replica(broker_id).ok_or_else(|| {
            let error = match epoch {
                LeaderEpoch::NONE => Errors::NotLeaderForPartition,
                _ => Errors::UnknownLeaderEpoch,
            };
            let why = format!("broker {broker_id} is no replica of {}", self.topic_and_partition);
            KafkaError::api(error, why)
        })
    }

    /// Port of `updateFollowerFetchState`: the follower has everything below the offset that it asked for. It may
    /// join the ISR by that, and the high watermark may move.
    ///
    /// `read_in` is the leader epoch in which the fetch was read. One that is over says nothing of how far the
    /// follower is now: it may have cut its log since.
    ///
    /// # Errors
    /// `NOT_LEADER_OR_FOLLOWER` if this broker leads no more, or not in that epoch, and for a fetch that a broker has
    /// sent before it registered anew.
    pub fn update_follower_fetch_state(
        &self,
        broker_id: i32,
        read_in: LeaderEpoch,
        fetch: &FollowerFetch,
    ) -> Result<FollowerProgress, KafkaError> {
        // Shared and not free of locks, so that a change of the ISR sees the broker's epoch before the fetch or
        // after it (KAFKA-15221).
        let leadership = read_locked(&self.leadership);
        self.led_in(&leadership.state)?;
        if leadership.state.leader_epoch != read_in {
            let why = format!("the leader epoch {read_in} was over before its fetch was read");
            return Err(KafkaError::api(Errors::NotLeaderForPartition, why));
        }
        let replica = self.remote_replica_of(&leadership, broker_id, LeaderEpoch::NONE)?;
        self.check_broker_epoch(broker_id, fetch.broker_epoch)?;
        let has_moved = replica.update_fetch_state(fetch);
        if !self.needs_expand_isr(&leadership, replica) {
            let high_watermark_moved =
                has_moved && self.maybe_increment_leader_high_watermark(&leadership);
            return Ok(FollowerProgress { high_watermark_moved, change: None });
        }
        drop(leadership);
        Ok(self.expand_isr(broker_id))
    }

    fn check_broker_epoch(
        &self,
        broker_id: i32,
        fetched_in: Option<i64>,
    ) -> Result<(), KafkaError> {
        let Some(fetched_in) = fetched_in else { return Ok(()) };
        match self.context.engine.broker_epoch(broker_id) {
            Some(epoch) if epoch > fetched_in => {
                let why = format!(
                    "broker {broker_id} has registered as {epoch} since it fetched as {fetched_in}"
                );
                Err(KafkaError::api(Errors::NotLeaderForPartition, why))
            }
            _ => Ok(()),
        }
    }

    /// Port of `needsExpandIsr`. A follower that has not reached the start of the leader's epoch may lack what was
    /// acknowledged in an earlier one (KAFKA-7128).
    fn needs_expand_isr(&self, leadership: &Leadership, replica: &RemoteReplica) -> bool {
        let state = &leadership.state;
        if state.isr.is_in_flight() || state.isr.committed().contains(&replica.broker_id) {
            return false;
        }
        let end_offset = replica.state().log_end_offset.message_offset;
        end_offset >= self.local_replica.high_watermark().message_offset
            && end_offset >= state.epoch_start_offset
            && self.is_isr_eligible(replica)
    }

    /// Port of `isReplicaIsrEligible`. Kafka also waits for a replica on a disk that has failed, whose broker lives:
    /// until `replica.lag.time.max.ms` is over nothing is acknowledged there.
    fn is_isr_eligible(&self, replica: &RemoteReplica) -> bool {
        let (state, id, engine) = (replica.state(), replica.broker_id, &self.context.engine);
        state.has_fetched()
            && engine.is_replica_isr_eligible(id, state.broker_epoch)
            && !engine.is_replica_directory_offline(&self.topic_and_partition, id)
    }

    /// Port of `maybeExpandIsr`, for a follower that was found fit to join.
    fn expand_isr(&self, broker_id: i32) -> FollowerProgress {
        let mut leadership = write_locked(&self.leadership);
        if !leadership.state.is_led_by(self.local_replica.broker_id) {
            return FollowerProgress::default();
        }
        let joining = leadership
            .remote_replica(broker_id)
            .filter(|it| self.needs_expand_isr(&leadership, it));
        let isr = joining.and_then(|it| leadership.state.isr.expand(it.broker_id));
        let change = isr.map(|isr| self.begin_change(&mut leadership, isr));
        let high_watermark_moved = self.maybe_increment_leader_high_watermark(&leadership);
        FollowerProgress { high_watermark_moved, change }
    }

    /// Port of `maybeShrinkIsr`: takes out of the ISR what has been behind for longer than
    /// `replica.lag.time.max.ms`. Owed: the change that it returns is submitted, once no lock is held.
    pub fn maybe_shrink_isr(&self, now_ms: i64) -> Option<AlterPartition> {
        let leadership = read_locked(&self.leadership);
        let is_needed = !self.out_of_sync_replicas(&leadership, now_ms).is_empty();
        drop(leadership);
        if !is_needed {
            return None;
        }
        let mut leadership = write_locked(&self.leadership);
        let out_of_sync = self.out_of_sync_replicas(&leadership, now_ms);
        let isr = leadership.state.isr.shrink(out_of_sync)?;
        Some(self.begin_change(&mut leadership, isr))
    }

    fn out_of_sync_replicas(&self, leadership: &Leadership, now_ms: i64) -> Vec<i32> {
        let broker_id = self.local_replica.broker_id;
        if !leadership.state.is_led_by(broker_id) || leadership.state.isr.is_in_flight() {
            return Vec::new();
        }
        let end_offset = self.local_replica.log.log_end_offset();
        let leader = LeaderStart { broker_id, now_ms, end_offset };
        leadership.out_of_sync_replicas(leader, self.context.replica_lag_time_max_ms)
    }

    /// Port of `prepareIsrExpand` and `prepareIsrShrink`. Of a follower the change has the epoch of its last fetch
    /// and never a newer one: the broker may have lost its log since (KAFKA-14617).
    fn begin_change(&self, leadership: &mut Leadership, isr: IsrState) -> AlterPartition {
        leadership.state.isr = isr;
        let state = &leadership.state;
        let own_id = self.local_replica.broker_id;
        let broker_epoch = |id: i32| match id == own_id {
            true => self.context.engine.broker_epoch(id),
            false => leadership.remote_replica(id).and_then(|it| it.state().broker_epoch),
        };
        AlterPartition {
            key: self.topic_and_partition.clone(),
            topic_id: self.topic_id,
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            isr: state.isr.proposed().map(|id| (id, broker_epoch(id))).collect(),
            // A leader that was elected unclean has nothing to recover: its log is the partition's now.
            leader_recovery_state: LeaderRecoveryState::Recovered,
        }
    }

    /// Port of the second half of `submitAlterPartition`: what has become of a change that this partition has asked
    /// for. The answer to a change that is not under way any more is passed over: the metadata log was quicker.
    pub fn complete_alter_partition(
        &self,
        change: &AlterPartition,
        answer: &Result<AlteredPartition, Errors>,
    ) -> AfterChange {
        let mut leadership = write_locked(&self.leadership);
        if !is_under_way(&leadership.state, change) {
            return AfterChange::default();
        }
        match answer {
            Ok(altered) => {
                let high_watermark_moved = self.commit_change(&mut leadership, altered);
                AfterChange { high_watermark_moved, is_to_be_sent_again: false }
            }
            Err(error) => {
                self.context.metrics.failed_isr_updates.increment();
                let refused = Refused::by(*error);
                if refused != Refused::RollBack {
                    let is_to_be_sent_again = refused == Refused::Retry;
                    return AfterChange { high_watermark_moved: false, is_to_be_sent_again };
                }
                leadership.state.isr = leadership.state.isr.rolled_back();
                // The one that was to join may be all that the others waited for.
                let high_watermark_moved = self.maybe_increment_leader_high_watermark(&leadership);
                AfterChange { high_watermark_moved, is_to_be_sent_again: false }
            }
        }
    }

    /// Port of `handleAlterPartitionUpdate`. The high watermark may move by it, and nothing else may come that would
    /// move it (KAFKA-13091).
    fn commit_change(&self, leadership: &mut Leadership, altered: &AlteredPartition) -> bool {
        let state = &mut leadership.state;
        let is_of_now = altered.leader_epoch == state.leader_epoch
            && altered.partition_epoch >= state.partition_epoch;
        if !is_of_now {
            self.context.metrics.failed_isr_updates.increment();
            return false;
        }
        self.count_change(&state.isr);
        state.isr = IsrState::committed_as(altered.isr.as_slice().into());
        state.partition_epoch = altered.partition_epoch;
        log!(
            limited(LogKind::Topics, Level::Info),
            "{}: the replicas in sync are {:?} now",
            self.topic_and_partition,
            altered.isr
        );
        self.maybe_increment_leader_high_watermark(leadership)
    }

    /// A change of the ISR that was made, be it said by the controller's answer or by the metadata log, which may be
    /// quicker. Kafka counts none of the latter.
    fn count_change(&self, made: &IsrState) {
        match made {
            IsrState::PendingShrink { .. } => self.context.metrics.isr_shrinks.increment(),
            _ => self.context.metrics.isr_expands.increment(),
        }
    }

    /// Port of `maybeIncrementLeaderHW`: the watermark follows what all replicas have that are in sync, or may be,
    /// or are about to be. Returns whether it moved.
    ///
    /// A replica that has caught up but is not in sync yet counts, or it could never reach a watermark that moves
    /// with every append. The clock is read for such a one only: every append comes here.
    fn maybe_increment_leader_high_watermark(&self, leadership: &Leadership) -> bool {
        let (replica, state) = (&self.local_replica, &leadership.state);
        // KAFKA-15583. In a cluster of one broker it moves, as in 0.9.
        if state.assigned_replicas.is_some() && !self.has_enough_replicas(state) {
            return false;
        }
        // ANCHOR: leader_high_watermark
        let end = replica.log_end_offset();
        let mut candidate = end;
        for remote in &leadership.remote_replicas {
            let known = remote.state();
            if known.log_end_offset.message_offset < candidate.message_offset {
                let lag_time_max_ms = self.context.replica_lag_time_max_ms;
                let is_about_to_join = || {
                    let now_ms = self.context.time.hi_res_clock_ms();
                    known.is_caught_up(end.message_offset, now_ms, lag_time_max_ms)
                        && self.is_isr_eligible(remote)
                };
                if state.isr.is_in_maximal(remote.broker_id) || is_about_to_join() {
                    candidate = known.log_end_offset;
                }
            }
        }
        // ANCHOR_END: leader_high_watermark
        #[cfg(sabotage)]
        if sabotage::commits_alone() {
            candidate = end;
        }
        replica.maybe_increment_high_watermark(candidate)
    }

    fn leader_start(&self, end_offset: Offset) -> LeaderStart {
        let now_ms = self.context.time.hi_res_clock_ms();
        LeaderStart { broker_id: self.local_replica.broker_id, now_ms, end_offset }
    }

    fn has_enough_replicas(&self, state: &PartitionState) -> bool {
        let wanted = self.local_replica.log.config().min_in_sync_replicas;
        state.compare_with_min_isr(wanted).is_ge()
    }
}

fn check_leader_epoch(current: LeaderEpoch, epoch: LeaderEpoch) -> Result<(), KafkaError> {
    let error = match epoch {
        same if same == current => return Ok(()),
        newer if newer > current => Errors::UnknownLeaderEpoch,
        _ => Errors::FencedLeaderEpoch,
    };
    Err(KafkaError::api(error, format!("the leader epoch is {current}, not {epoch}")))
}

fn is_under_way(state: &PartitionState, change: &AlterPartition) -> bool {
    state.isr.is_in_flight()
        && state.leader_epoch == change.leader_epoch
        && state.partition_epoch == change.partition_epoch
        && state.isr.proposed().eq(change.isr.iter().map(|(id, _)| *id))
}

/// The leadership of a partition, which does not change while this is held.
pub struct HeldLeadership<'a> {
    leadership: RwLockReadGuard<'a, Leadership>,
}

impl HeldLeadership<'_> {
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.leadership.state.leader_epoch
    }

    /// Whether a reassignment brings this replica.
    pub fn is_adding(&self, broker_id: i32) -> bool {
        self.leadership.state.is_adding(broker_id)
    }

    /// Whether a replica is known to be in sync.
    pub fn is_in_sync(&self, broker_id: i32) -> bool {
        self.leadership.state.isr.committed().contains(&broker_id)
    }
}

/// What a follower's fetch has come to. Owed, once no lock is held: the change is submitted, and what waits for the
/// high watermark is completed.
#[derive(Debug, Default)]
pub struct FollowerProgress {
    pub high_watermark_moved: bool,
    /// Of the ISR, which the follower may join.
    pub change: Option<AlterPartition>,
}

/// What the answer to a change of the ISR has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AfterChange {
    pub high_watermark_moved: bool,
    /// Whether the same change is to be submitted again.
    pub is_to_be_sent_again: bool,
}

/// How far the in-sync replicas are with what a produce has appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledgement {
    /// Another broker leads by now, or none, or did in between.
    NotLeader,
    /// Not all of them have it yet.
    Pending,
    /// All of them have it, and they are as many as `min.insync.replicas` asks for.
    Complete,
    /// All of them have it, but they are fewer than that by now.
    TooFewReplicas,
}
