//! Port of what the `leaderIsrUpdateLock` of `kafka.cluster.Partition` guards: who leads, who is in sync, and how far
//! the followers are.

use std::sync::Arc;

use crate::common::units::{LeaderEpoch, Offset};
use crate::replica::partition_state::PartitionState;
use crate::replica::remote_replica::{RemoteReplica, RemoteReplicaState};

/// Who leads, and what the leader knows of the other replicas.
pub struct Leadership {
    pub state: PartitionState,
    /// One for each assigned replica but the leader's own; empty on a follower.
    pub remote_replicas: Box<[Arc<RemoteReplica>]>,
    /// Since which epoch this broker has led, or led when it did last, without another in between: from then on
    /// nothing has been cut off its log.
    led_since: LeaderEpoch,
}

/// When and from where on a broker leads.
#[derive(Clone, Copy, Debug)]
pub struct LeaderStart {
    pub broker_id: i32,
    /// By the monotonic clock.
    pub now_ms: i64,
    /// The end of the leader's log.
    pub end_offset: Offset,
}

impl Leadership {
    pub fn new(state: PartitionState) -> Self {
        Self { state, remote_replicas: Box::default(), led_since: LeaderEpoch::NONE }
    }

    /// Takes over what the controller says to the leader. In a new leader epoch the followers have to show anew how
    /// far they are.
    ///
    /// Of an epoch that is left out this broker has not heard: another may have led in it, and followers have cut off
    /// what that one lacked. Kafka's broker goes by what they had before that.
    ///
    /// A change of the ISR that is under way goes on if the controller says what is known already: its outcome is
    /// still to come, and may be what the high watermark has to respect.
    pub fn lead(&mut self, state: PartitionState, start: LeaderStart) {
        let is_new_leader = !self.state.is_led_by(start.broker_id);
        let begins_epoch = state.leader_epoch > self.state.leader_epoch;
        if is_new_leader {
            self.led_since = state.leader_epoch;
        }
        let is_epoch_left_out = state.leader_epoch.0.saturating_sub(1) > self.state.leader_epoch.0;
        let is_known = !begins_epoch && state.partition_epoch == self.state.partition_epoch;
        let isr = match is_known && self.state.isr.is_in_flight() {
            true => self.state.isr.clone(),
            false => state.isr.clone(),
        };
        self.state = PartitionState { isr, ..state };
        self.assign(start.broker_id);
        if begins_epoch {
            for replica in &self.remote_replicas {
                let is_in_sync = self.state.isr.committed().contains(&replica.broker_id);
                let may_have_cut = is_new_leader || is_epoch_left_out;
                replica.reset(start.now_ms, start.end_offset, may_have_cut, is_in_sync);
            }
        }
    }

    /// Takes over what the controller says to a follower, which knows nothing of other replicas.
    pub fn follow(&mut self, state: PartitionState) {
        self.state = PartitionState { epoch_start_offset: Offset::NONE, ..state };
        self.remote_replicas = Box::default();
    }

    /// Whether what this broker has taken in as the leader of `epoch` is in its log for certain, since it still leads.
    pub fn has_led_since(&self, broker_id: i32, epoch: LeaderEpoch) -> bool {
        self.state.is_led_by(broker_id) && epoch >= self.led_since
    }

    pub fn remote_replica(&self, broker_id: i32) -> Option<&Arc<RemoteReplica>> {
        self.remote_replicas.iter().find(|it| it.broker_id == broker_id)
    }

    /// Port of `RackAwareReplicaSelector.select`, among those of `ReplicaManager.findPreferredReadReplica`: the most
    /// caught-up follower in a rack that is in sync and has a record of `offset`, or its log ends there.
    pub fn most_caught_up_in_rack(
        &self,
        offset: Offset,
        is_in_rack: impl Fn(i32) -> bool,
    ) -> Option<i32> {
        let is_in_sync = |id: i32| self.state.isr.committed().contains(&id);
        let candidates =
            self.remote_replicas.iter().map(|it| (it.broker_id, it.state())).filter(|(id, it)| {
                let has_offset =
                    (it.log_start_offset..=it.log_end_offset.message_offset).contains(&offset);
                has_offset && is_in_sync(*id) && is_in_rack(*id)
            });
        let progress = |(id, it): &(i32, RemoteReplicaState)| {
            (it.log_end_offset.message_offset, it.last_caught_up_ms(), *id)
        };
        candidates.max_by_key(progress).map(|(id, _)| id)
    }

    /// Port of `getOutOfSyncReplicas`: those in sync that have been behind `leader_end_offset` for longer than they
    /// may.
    pub fn out_of_sync_replicas(
        &self,
        leader: LeaderStart,
        replica_lag_time_max_ms: i64,
    ) -> Vec<i32> {
        let LeaderStart { broker_id, now_ms, end_offset } = leader;
        let is_caught_up = |id: i32| {
            let state = self.remote_replica(id).map(|it| it.state());
            state.is_some_and(|it| it.is_caught_up(end_offset, now_ms, replica_lag_time_max_ms))
        };
        let in_sync = self.state.isr.committed().iter().copied();
        in_sync.filter(|&id| id != broker_id && !is_caught_up(id)).collect()
    }

    /// Keeps what is known of the replicas that stay. A replica in sync counts though it may not be assigned any
    /// more (KAFKA-9672).
    fn assign(&mut self, leader: i32) {
        let mut ids: Vec<i32> =
            self.state.assigned_replicas.iter().flat_map(|it| it.iter().copied()).collect();
        ids.extend(
            self.state
                .isr
                .committed()
                .iter()
                .filter(|id| !ids.contains(id))
                .copied()
                .collect::<Vec<_>>(),
        );
        ids.retain(|&id| id != leader);
        let known = |id| self.remote_replica(id).cloned();
        let replica = |id| known(id).unwrap_or_else(|| Arc::new(RemoteReplica::new(id)));
        self.remote_replicas = ids.into_iter().map(replica).collect();
    }
}
