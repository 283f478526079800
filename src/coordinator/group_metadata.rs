//! Port of `kafka.coordinator.GroupMetadata`: the state of one group, its members and its offsets.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::common::errors::Errors;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::TimestampMs;
use crate::coordinator::consumer_protocol::{CONSUMER_PROTOCOL_TYPE, subscribed_topics};
use crate::coordinator::group_memory::{GroupMemory, Held};
use crate::coordinator::group_outbox::Outbox;
use crate::coordinator::group_records::{GroupValue, MemberValue};
use crate::coordinator::group_results::{
    GroupOverview, GroupSummary, JoinCallback, JoinError, JoinResult, JoinedGroup, JoinedMember,
    MemberIdentity, MemberSummary, SyncCallback, SyncResult, SyncedGroup,
};
use crate::coordinator::group_state::{GroupState, Wait};
use crate::coordinator::member_metadata::{MemberMetadata, Protocol};
use crate::coordinator::offset_and_metadata::OffsetAndMetadata;
use crate::coordinator::offset_table::OffsetTable;
use crate::purgatory::timing_wheel::TimerTaskId;

/// What a group takes beside its id: most of it is the first node of each of its tables.
const GROUP_BYTES: usize = 3072;

/// In how many places the id of a group is kept: in the table of groups, in its record, beside its
/// lock.
const COPIES_OF_ID: usize = 4;

/// What the lock of a [`Group`](crate::coordinator::group::Group) guards.
///
/// Holds: `static_members` names members only; the leader, if there is one, is a member; without
/// members the state is Empty, Dead or, while the first one is pending or a wait is about to end,
/// PreparingRebalance.
pub struct GroupMetadata {
    pub group_id: String,
    state: GroupState,
    /// Since when it is in that state, in milliseconds since 1970, if known.
    pub current_state_timestamp_ms: Option<TimestampMs>,
    /// None as long as it has never had a member.
    pub protocol_type: Option<String>,
    /// The protocol of this generation.
    pub protocol_name: Option<String>,
    /// Counts the rebalances.
    pub generation_id: i32,
    /// The member that assigns.
    pub leader_id: Option<String>,
    members: BTreeMap<String, MemberMetadata>,
    /// The member id of each static member, by its own id.
    static_members: BTreeMap<String, String>,
    /// Ids that were given away in a first join and not joined with yet.
    pending_members: BTreeMap<String, PendingMember>,
    /// Members of this generation that have not asked for their assignment yet.
    pub pending_sync_members: BTreeSet<String>,
    /// The generation whose assignment is being written to the log.
    pub storing_assignment_of: Option<i32>,
    /// Whether a member has come during the initial wait, which then goes on.
    pub has_new_member: bool,
    pub wait: Option<Wait>,
    /// The committed offsets. A commit that is not in the log yet is in the outbox.
    pub offsets: OffsetTable,
    /// The memory of the assignments. From one generation to the next it is kept for the next
    /// assignments: no other group can take it in between.
    pub assignments_held: Held,
    /// The memory of the group itself, without members and offsets.
    held: Held,
    pub outbox: Outbox,
}

/// What the leader has given to each member, by its id.
pub type Assignments<'a> = HashMap<&'a str, &'a [u8]>;

/// An id that was given away.
struct PendingMember {
    timer: TimerTaskId,
    held: Held,
}

/// What a group takes in memory without members and offsets, in bytes.
pub fn group_bytes(group_id: &str, protocol_type: &str) -> usize {
    GROUP_BYTES + COPIES_OF_ID * group_id.len() + protocol_type.len()
}

impl GroupMetadata {
    /// A group without members and offsets.
    pub fn new(group_id: &str, now_ms: TimestampMs) -> Self {
        Self {
            group_id: group_id.to_string(),
            state: GroupState::Empty,
            current_state_timestamp_ms: Some(now_ms),
            protocol_type: None,
            protocol_name: None,
            generation_id: 0,
            leader_id: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_members: BTreeMap::new(),
            pending_sync_members: BTreeSet::new(),
            storing_assignment_of: None,
            has_new_member: false,
            wait: None,
            offsets: OffsetTable::default(),
            assignments_held: Held::default(),
            held: Held::default(),
            outbox: Outbox::of_group(group_id),
        }
    }

    /// The same, with its memory.
    pub fn held(group_id: &str, now_ms: TimestampMs, held: Held) -> Self {
        Self { held, ..Self::new(group_id, now_ms) }
    }

    /// The group that `value` is the record of: stable if it has members, because no other state is
    /// recorded with members.
    pub fn loaded(group_id: &str, value: GroupValue) -> Self {
        let mut group = Self::new(group_id, TimestampMs(0));
        if !value.members.is_empty() {
            group.state = GroupState::Stable;
        }
        let protocol = value.protocol_name.clone().unwrap_or_default();
        for it in value.members {
            let mut member = MemberMetadata::new(it.member_id, it.group_instance_id);
            member.client_id = it.client_id;
            member.client_host = it.client_host;
            member.rebalance_timeout_ms = it.rebalance_timeout_ms;
            member.session_timeout_ms = it.session_timeout_ms;
            member.supported_protocols = vec![(protocol.clone(), it.subscription)];
            member.assignment = it.assignment;
            group.insert(member);
        }
        group.current_state_timestamp_ms = value.state_timestamp_ms;
        group.protocol_type = value.protocol_type;
        group.protocol_name = value.protocol_name;
        group.generation_id = value.generation_id;
        group.leader_id = value.leader_id;
        group
    }

    /// Holds the memory of a group that was read from the log.
    pub fn hold_stored(&mut self, memory: &Arc<GroupMemory>) {
        let protocol_type = self.protocol_type.as_deref().unwrap_or_default();
        self.held = memory.hold_stored(group_bytes(&self.group_id, protocol_type));
        self.assignments_held = memory.hold_stored(self.assignment_bytes());
        self.offsets.hold_stored(memory);
        for member in self.members.values_mut() {
            member.held = memory.hold_stored(member.bytes());
        }
    }

    /// The group's record, as it is now.
    pub fn value(&self) -> GroupValue {
        let protocol = self.protocol_name.as_deref().unwrap_or_default();
        let member = |it: &MemberMetadata| MemberValue {
            member_id: it.member_id.clone(),
            group_instance_id: it.group_instance_id.clone(),
            client_id: it.client_id.clone(),
            client_host: it.client_host.clone(),
            rebalance_timeout_ms: it.rebalance_timeout_ms,
            session_timeout_ms: it.session_timeout_ms,
            subscription: it.metadata(protocol).to_vec(),
            assignment: it.assignment.clone(),
        };
        GroupValue {
            protocol_type: self.protocol_type.clone(),
            generation_id: self.generation_id,
            protocol_name: self.protocol_name.clone(),
            leader_id: self.leader_id.clone(),
            state_timestamp_ms: self.current_state_timestamp_ms,
            members: self.members().map(member).collect(),
        }
    }

    pub fn state(&self) -> GroupState {
        self.state
    }

    pub fn is(&self, state: GroupState) -> bool {
        self.state == state
    }

    /// # Errors
    /// `COORDINATOR_NOT_AVAILABLE` if the group is being removed: the client asks again, and finds
    /// it gone or, if it cannot be removed, still there. Why it was unloaded, if it was.
    pub fn check_not_dead(&self) -> Result<(), Errors> {
        self.check_not_unloaded()?;
        match self.state {
            GroupState::Dead => Err(Errors::CoordinatorNotAvailable),
            _ => Ok(()),
        }
    }

    /// # Errors
    /// Why the group was unloaded.
    pub fn check_not_unloaded(&self) -> Result<(), Errors> {
        self.outbox.closed_by().map_or(Ok(()), Err)
    }

    /// This broker does not coordinate the group any more: whatever waits in it, or comes late, fails
    /// with `error`.
    pub fn unload(&mut self, error: Errors) {
        self.answer_all(error);
        self.outbox.close(error);
        self.state = GroupState::Dead;
    }

    pub fn transition_to(&mut self, next: GroupState, now_ms: TimestampMs) {
        debug_assert!(self.state.may_become(next), "{:?} cannot become {next:?}", self.state);
        self.state = next;
        self.current_state_timestamp_ms = Some(now_ms);
    }

    /// The group is being removed from the log; requests are refused from now on. Only an Empty
    /// group is removed.
    pub fn begin_removal(&mut self) {
        debug_assert!(self.is(GroupState::Empty), "{:?} is not removed", self.state);
        self.state = GroupState::Dead;
    }

    /// The group cannot be removed from the log, and is as it was before.
    pub fn cancel_removal(&mut self) {
        self.state = GroupState::Empty;
    }

    /// Begins the next generation with the members that have joined.
    pub fn init_next_generation(&mut self, now_ms: TimestampMs) {
        self.generation_id = self.generation_id.wrapping_add(1).max(1);
        self.pending_sync_members.clear();
        if self.members.is_empty() {
            self.protocol_name = None;
            self.assignments_held.shrink_to(0);
            self.transition_to(GroupState::Empty, now_ms);
        } else {
            self.protocol_name = self.select_protocol();
            self.pending_sync_members = self.members.keys().cloned().collect();
            self.transition_to(GroupState::CompletingRebalance, now_ms);
        }
    }
}

/// Members.
impl GroupMetadata {
    pub fn get(&self, member_id: &str) -> Option<&MemberMetadata> {
        self.members.get(member_id)
    }

    pub fn get_mut(&mut self, member_id: &str) -> Option<&mut MemberMetadata> {
        self.members.get_mut(member_id)
    }

    /// All members, by their ids.
    pub fn members(&self) -> impl Iterator<Item = &MemberMetadata> {
        self.members.values()
    }

    /// The ids of the members that `is_wanted`.
    pub fn ids(&self, is_wanted: impl Fn(&MemberMetadata) -> bool) -> Vec<String> {
        self.members().filter(|it| is_wanted(it)).map(|it| it.member_id.clone()).collect()
    }

    /// How many members there are.
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// How many members wait for the others to join.
    pub fn num_awaiting(&self) -> usize {
        self.members().filter(|member| member.is_awaiting_join()).count()
    }

    /// The member id of a static member.
    pub fn current_static_member_id(&self, group_instance_id: &str) -> Option<&str> {
        self.static_members.get(group_instance_id).map(String::as_str)
    }

    /// How much more memory the group itself takes if its members are of this type.
    pub fn growth_bytes(&self, protocol_type: &str) -> usize {
        group_bytes(&self.group_id, protocol_type).saturating_sub(self.held.bytes())
    }

    /// Takes memory for the group itself.
    pub fn absorb(&mut self, held: Held) {
        self.held.absorb(held);
    }

    /// Adds a member. The first one leads, and decides the type of the group.
    pub fn add(&mut self, member: MemberMetadata, protocol_type: &str) {
        if self.members.is_empty() {
            self.protocol_type = Some(protocol_type.to_string());
        }
        if self.leader_id.is_none() {
            self.leader_id = Some(member.member_id.clone());
        }
        self.pending_sync_members.remove(&member.member_id);
        self.insert(member);
    }

    fn insert(&mut self, member: MemberMetadata) {
        if let Some(instance_id) = &member.group_instance_id {
            self.static_members.insert(instance_id.clone(), member.member_id.clone());
        }
        self.members.insert(member.member_id.clone(), member);
    }

    /// Removes a member. Its pending requests fail with `error`. If it led, another member leads
    /// from now on, one that has joined if there is one.
    pub fn remove(&mut self, member_id: &str, error: Errors) -> Option<MemberMetadata> {
        self.answer_member(member_id, error);
        let member = self.members.remove(member_id)?;
        if let Some(instance_id) = &member.group_instance_id {
            self.static_members.remove(instance_id);
        }
        self.pending_sync_members.remove(member_id);
        if self.is_leader(member_id) {
            let has_joined = self.members().find(|it| it.is_awaiting_join());
            let next = has_joined.or(self.members.values().next());
            self.leader_id = next.map(|it| it.member_id.clone());
        }
        Some(member)
    }

    /// Makes a member that has joined the leader, if the leader has not. Returns whether the leader
    /// has joined then.
    pub fn maybe_elect_new_joined_leader(&mut self) -> bool {
        let has_joined = |member: &&MemberMetadata| member.is_awaiting_join();
        let leader = self.leader_id.as_ref().and_then(|id| self.members.get(id));
        let elected = leader.filter(has_joined).or_else(|| self.members().find(has_joined));
        match elected.map(|it| it.member_id.clone()) {
            Some(elected) => {
                self.leader_id = Some(elected);
                true
            }
            None => false,
        }
    }

    /// Gives a static member that has come back a new id. A request that still waits under the old
    /// id fails with `FENCED_INSTANCE_ID` (KAFKA-7862).
    pub fn replace_static_member(&mut self, group_instance_id: &str, new_member_id: &str) {
        let Some(old_member_id) = self.static_members.get(group_instance_id).cloned() else {
            return;
        };
        self.answer_member(&old_member_id, Errors::FencedInstanceId);
        let Some(mut member) = self.members.remove(&old_member_id) else { return };
        member.member_id = new_member_id.to_string();
        if self.is_leader(&old_member_id) {
            self.leader_id = Some(new_member_id.to_string());
        }
        if self.pending_sync_members.remove(&old_member_id) {
            self.pending_sync_members.insert(new_member_id.to_string());
        }
        self.insert(member);
    }

    pub fn is_leader(&self, member_id: &str) -> bool {
        self.leader_id.as_deref() == Some(member_id)
    }

    /// Whether all members have joined, and all ids that were given away.
    pub fn has_all_members_joined(&self) -> bool {
        self.pending_members.is_empty() && self.members().all(MemberMetadata::is_awaiting_join)
    }

    /// The longest time that a member may take to rejoin, in milliseconds.
    pub fn rebalance_timeout_ms(&self) -> i64 {
        self.members().map(|it| i64::from(it.rebalance_timeout_ms)).max().unwrap_or(0)
    }

    /// The members that have not rejoined and whose places are not kept.
    pub fn dynamic_members_not_rejoined(&self) -> Vec<String> {
        self.ids(|it| !it.is_awaiting_join() && it.group_instance_id.is_none())
    }

    /// Gives an id away until `timer` fires.
    pub fn add_pending_member(&mut self, member_id: &str, timer: TimerTaskId, held: Held) {
        self.pending_members.insert(member_id.to_string(), PendingMember { timer, held });
    }

    /// The memory of an id that was given away, in bytes; nothing if it was not.
    pub fn pending_bytes(&self, member_id: &str) -> Option<usize> {
        self.pending_members.get(member_id).map(|it| it.held.bytes())
    }

    /// Forgets an id that was given away. Returns its timer and its memory; nothing if it was not
    /// pending.
    pub fn remove_pending_member(&mut self, member_id: &str) -> Option<(TimerTaskId, Held)> {
        self.pending_members.remove(member_id).map(|it| (it.timer, it.held))
    }

    /// The memory of all that its members have brought, of their assignments and of the ids that
    /// were given away, in bytes. Their descriptions are no longer than that.
    pub fn held_bytes(&self) -> usize {
        let of_members: usize = self.members().map(|it| it.held.bytes()).sum();
        let of_pending: usize = self.pending_members.values().map(|it| it.held.bytes()).sum();
        of_members + of_pending + self.assignments_held.bytes()
    }

    /// Whether there is neither a member nor an id to join with.
    pub fn has_no_members(&self) -> bool {
        self.members.is_empty() && self.pending_members.is_empty()
    }

    /// # Errors
    /// `FENCED_INSTANCE_ID` if its place has been taken by another; `UNKNOWN_MEMBER_ID`.
    pub fn validate_member(&self, member: &MemberIdentity) -> Result<(), Errors> {
        if let Some(instance_id) = &member.group_instance_id {
            match self.current_static_member_id(instance_id) {
                None => return Err(Errors::UnknownMemberId),
                Some(current) if current != member.member_id => {
                    return Err(Errors::FencedInstanceId);
                }
                Some(_) => (),
            }
        }
        match self.members.contains_key(&member.member_id) {
            true => Ok(()),
            false => Err(Errors::UnknownMemberId),
        }
    }
}

/// Requests of members that wait for others.
impl GroupMetadata {
    /// Lets a join wait for the other members. An earlier one, from another connection, fails with
    /// `REBALANCE_IN_PROGRESS`: if that client is still there, it joins again.
    ///
    /// `callback` stays where it is until it has its place here, also in a panic.
    pub fn await_join(&mut self, member_id: &str, callback: &mut Option<JoinCallback>) {
        self.answer_join(member_id, |id| Err(JoinError::new(Errors::RebalanceInProgress, id)));
        match self.members.get_mut(member_id) {
            Some(member) => member.awaiting_join = callback.take(),
            None => {
                let error = JoinError::new(Errors::UnknownMemberId, member_id);
                self.outbox.answer_held(callback, Err(error));
            }
        }
    }

    /// Lets a sync wait for the leader's assignment, in the same way.
    pub fn await_sync(&mut self, member_id: &str, callback: &mut Option<SyncCallback>) {
        self.answer_sync(member_id, Err(Errors::RebalanceInProgress));
        match self.members.get_mut(member_id) {
            Some(member) => member.awaiting_sync = callback.take(),
            None => self.outbox.answer_held(callback, Err(Errors::UnknownMemberId)),
        }
    }

    /// Answers the pending join of a member, if there is one.
    pub fn answer_join(&mut self, member_id: &str, result: impl FnOnce(&str) -> JoinResult) {
        let callback = self.members.get_mut(member_id).and_then(|it| it.awaiting_join.take());
        if let Some(callback) = callback {
            self.outbox.answer(callback, result(member_id));
        }
    }

    /// Answers the pending sync of a member, if there is one.
    pub fn answer_sync(&mut self, member_id: &str, result: SyncResult) {
        let callback = self.members.get_mut(member_id).and_then(|it| it.awaiting_sync.take());
        if let Some(callback) = callback {
            self.outbox.answer(callback, result);
        }
    }

    fn answer_member(&mut self, member_id: &str, error: Errors) {
        self.answer_join(member_id, |id| Err(JoinError::new(error, id)));
        self.answer_sync(member_id, Err(error));
    }

    /// Fails all pending requests with `error`.
    pub fn answer_all(&mut self, error: Errors) {
        for member_id in self.ids(|_| true) {
            self.answer_member(&member_id, error);
        }
    }

    /// The timers of its members, of the ids that were given away, and of its own wait.
    pub fn timers(&self) -> Vec<TimerTaskId> {
        let of_members = self.members().filter_map(|it| it.session_timer);
        let of_pending = self.pending_members.values().map(|it| it.timer);
        let of_wait = self.wait.iter().map(|it| it.timer);
        of_members.chain(of_pending).chain(of_wait).collect()
    }

    /// The answer to a join of the generation that has begun.
    pub fn current_generation(&self, member_id: &str) -> JoinedGroup {
        let is_leader = self.is_leader(member_id);
        JoinedGroup {
            members: if is_leader { self.current_member_metadata() } else { Vec::new() },
            member_id: member_id.to_string(),
            generation_id: self.generation_id,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            leader_id: self.leader_id.clone().unwrap_or_default(),
            skip_assignment: false,
        }
    }

    /// The answer to a sync of a member that has its assignment.
    pub fn current_assignment(&self, member_id: &str) -> SyncedGroup {
        SyncedGroup {
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            assignment: self.get(member_id).map(|it| it.assignment.clone()).unwrap_or_default(),
        }
    }

    /// Gives each member its assignment; those that are not named get none.
    pub fn set_assignments(&mut self, assignments: &Assignments<'_>) {
        for (member_id, member) in &mut self.members {
            let given = assignments.get(member_id.as_str()).copied();
            member.assignment = given.unwrap_or_default().to_vec();
        }
    }

    /// The memory of all assignments, in bytes.
    pub fn assignment_bytes(&self) -> usize {
        self.members().map(|it| it.assignment.len()).sum()
    }

    /// The least size of the group's record in the log, without assignments, in bytes.
    pub fn record_bytes_min(&self) -> usize {
        let protocol = self.protocol_name.as_deref().unwrap_or_default();
        let of_member = |it: &MemberMetadata| {
            it.member_id.len()
                + it.client_id.len()
                + it.client_host.len()
                + it.metadata(protocol).len()
        };
        self.members().map(of_member).sum()
    }

    /// Clears all assignments; pending syncs fail with `error`.
    pub fn reset_assignments(&mut self, error: Errors) {
        self.set_assignments(&Assignments::new());
        for member_id in self.ids(MemberMetadata::is_awaiting_sync) {
            self.answer_sync(&member_id, Err(error));
        }
    }
}

/// Protocols and subscriptions.
impl GroupMetadata {
    /// Whether a client with these protocols can be a member: the group is of the same type, and
    /// all members support one of the protocols.
    pub fn supports_protocols(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.members.is_empty() {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        let candidates = self.candidate_protocols();
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|(name, _)| candidates.contains(name.as_str()))
    }

    /// The protocol for the next generation: of those that all members support, the one that most
    /// prefer. A draw goes to the first by name, so that the choice does not change without a
    /// reason.
    pub fn select_protocol(&self) -> Option<String> {
        let candidates = self.candidate_protocols();
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        let vote = |member| MemberMetadata::vote(member, |name| candidates.contains(name));
        for vote in self.members().filter_map(vote) {
            *votes.entry(vote).or_default() += 1;
        }
        let most = votes.values().copied().max()?;
        votes.into_iter().find(|(_, count)| *count == most).map(|(name, _)| name.to_string())
    }

    /// The protocols that all members support, found in one look at each: members may name
    /// thousands, and the group is locked meanwhile.
    fn candidate_protocols(&self) -> HashSet<&str> {
        // By how many members each is supported, as far as no member before them lacks it.
        let mut supporters: HashMap<&str, usize> = HashMap::new();
        for (before, member) in self.members().enumerate() {
            for (name, _) in &member.supported_protocols {
                let count = supporters.entry(name).or_default();
                // Also counts a member once that names a protocol twice.
                *count += usize::from(*count == before);
            }
        }
        supporters.retain(|_, count| *count == self.members.len());
        supporters.into_keys().collect()
    }

    /// The members as the leader sees them.
    pub fn current_member_metadata(&self) -> Vec<JoinedMember> {
        let protocol = self.protocol_name.as_deref().unwrap_or_default();
        let joined = |it: &MemberMetadata| JoinedMember {
            member_id: it.member_id.clone(),
            group_instance_id: it.group_instance_id.clone(),
            metadata: it.metadata(protocol).to_vec(),
        };
        self.members().map(joined).collect()
    }

    /// Whether the members read `topic`. A group whose subscriptions the broker cannot read may
    /// read every topic.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        self.subscribed_topics().is_none_or(|topics| topics.contains(topic))
    }

    /// Whether the members are consumers, of whose subscriptions the broker can read the topics.
    pub fn is_of_consumers(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    /// The topics that the members read; `None` if the broker cannot read that.
    fn subscribed_topics(&self) -> Option<BTreeSet<String>> {
        let protocol = self.protocol_name.as_deref()?;
        if !self.is_of_consumers() {
            return None;
        }
        let mut all = BTreeSet::new();
        for member in self.members() {
            all.extend(subscribed_topics(member.metadata(protocol))?);
        }
        Some(all)
    }
}

/// Offset expiry and descriptions.
impl GroupMetadata {
    /// The offsets that have expired at `now_ms`. A group at work keeps the offsets of all
    /// that it reads, and one that is between two generations keeps everything (KAFKA-4682).
    pub fn expired_offsets(
        &self,
        now_ms: TimestampMs,
        retention_ms: i64,
    ) -> Vec<TopicAndPartition> {
        let since_empty = self.current_state_timestamp_ms;
        let subscribed = self.subscribed_topics();
        let is_expired = |(key, it): &(&TopicAndPartition, &OffsetAndMetadata)| {
            let since_commit = it.commit_timestamp_ms;
            let base_ms = match (&self.protocol_type, self.state, &subscribed) {
                (None, ..) => since_commit,
                (Some(_), GroupState::Empty, _) => since_empty.unwrap_or(since_commit),
                (Some(_), GroupState::Stable, Some(topics)) if !topics.contains(&*key.topic) => {
                    since_commit
                }
                _ => return false,
            };
            it.is_expired(now_ms, base_ms, retention_ms)
        };
        self.offsets.iter().filter(is_expired).map(|(key, _)| key.clone()).collect()
    }

    pub fn summary(&self) -> GroupSummary {
        let is_stable = self.is(GroupState::Stable);
        let protocol = self.protocol_name.clone().filter(|_| is_stable).unwrap_or_default();
        let summary = |it: &MemberMetadata| MemberSummary {
            member_id: it.member_id.clone(),
            group_instance_id: it.group_instance_id.clone(),
            client_id: it.client_id.clone(),
            client_host: it.client_host.clone(),
            metadata: if is_stable { it.metadata(&protocol).to_vec() } else { Vec::new() },
            assignment: if is_stable { it.assignment.clone() } else { Vec::new() },
        };
        GroupSummary {
            state: self.state.name(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            members: self.members().map(summary).collect(),
            protocol,
        }
    }

    pub fn overview(&self) -> GroupOverview {
        GroupOverview {
            group_id: self.group_id.clone(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            state: self.state.name(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::units::{LeaderEpoch, Offset};
    use crate::coordinator::consumer_protocol::CONSUMER_PROTOCOL_TYPE as CONSUMER;
    use std::sync::atomic::{AtomicI32, Ordering};

    fn group() -> GroupMetadata {
        GroupMetadata::new("g", TimestampMs(100))
    }

    fn member(id: &str, protocols: &[&str]) -> MemberMetadata {
        let mut member = MemberMetadata::new(id.to_string(), None);
        let protocol = |name: &&str| ((*name).to_string(), name.as_bytes().to_vec());
        member.supported_protocols = protocols.iter().map(protocol).collect();
        member
    }

    fn joined(id: &str) -> MemberMetadata {
        let mut member = member(id, &["range"]);
        member.awaiting_join = Some(Box::new(|_| ()));
        member
    }

    fn protocols(names: &[&str]) -> Vec<Protocol> {
        member("", names).supported_protocols
    }

    /// Port of `GroupMetadataTest.testSelectProtocol`.
    #[test]
    fn the_protocol_that_most_prefer_is_chosen() {
        let mut group = group();
        group.add(member("a", &["range", "roundrobin"]), CONSUMER);
        assert_eq!(group.select_protocol().as_deref(), Some("range"));
        group.add(member("b", &["roundrobin", "range"]), CONSUMER);
        assert_eq!(group.select_protocol().as_deref(), Some("range"), "a draw goes by name");
        group.add(member("c", &["roundrobin", "range"]), CONSUMER);
        assert_eq!(group.select_protocol().as_deref(), Some("roundrobin"));
    }

    /// Port of `GroupMetadataTest.testSelectProtocolChoosesCompatibleProtocol` and
    /// `GroupMetadataTest.testSelectProtocolRaisesIfNoMembers`.
    #[test]
    fn a_protocol_that_one_lacks_is_never_chosen() {
        let mut group = group();
        assert_eq!(group.select_protocol(), None);
        group.add(member("a", &["range", "roundrobin"]), CONSUMER);
        group.add(member("b", &["range", "roundrobin"]), CONSUMER);
        group.add(member("c", &["roundrobin", "blah"]), CONSUMER);
        assert_eq!(group.select_protocol().as_deref(), Some("roundrobin"));
    }

    /// Port of `GroupMetadataTest.testSupportsProtocols`.
    #[test]
    fn a_newcomer_must_share_a_protocol_with_all() {
        let mut group = group();
        assert!(group.supports_protocols(CONSUMER, &protocols(&["anything"])));
        assert!(!group.supports_protocols("", &protocols(&["range"])));
        assert!(!group.supports_protocols(CONSUMER, &[]));
        group.add(member("a", &["range", "roundrobin"]), CONSUMER);
        assert!(group.supports_protocols(CONSUMER, &protocols(&["roundrobin", "foo"])));
        assert!(group.supports_protocols(CONSUMER, &protocols(&["range", "foo"])));
        assert!(!group.supports_protocols(CONSUMER, &protocols(&["foo", "bar"])));
        assert!(!group.supports_protocols("connect", &protocols(&["range"])));
        group.add(member("b", &["roundrobin", "sticky"]), CONSUMER);
        assert!(group.supports_protocols(CONSUMER, &protocols(&["roundrobin"])));
        assert!(!group.supports_protocols(CONSUMER, &protocols(&["range", "sticky"])));
    }

    #[test]
    fn a_protocol_that_a_member_names_twice_counts_once() {
        let mut group = group();
        group.add(member("a", &["range"]), CONSUMER);
        group.add(member("b", &["sticky", "sticky", "range"]), CONSUMER);
        group.add(member("c", &["sticky", "range"]), CONSUMER);
        assert_eq!(group.select_protocol().as_deref(), Some("range"));
        assert!(!group.supports_protocols(CONSUMER, &protocols(&["sticky"])));
    }

    /// Asking each member for each protocol would take some 20 billion looks.
    #[test]
    fn thousands_of_protocols_are_chosen_from_at_once() {
        let names: Vec<_> = (0..2_000).map(|number| format!("p{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let mut group = group();
        (0..100).for_each(|number| group.add(member(&format!("m{number:02}"), &names), CONSUMER));
        group.add(member("n", &["last"]), CONSUMER);
        assert_eq!(group.select_protocol(), None);
        assert!(!group.supports_protocols(CONSUMER, &protocols(&names)));
    }

    #[test]
    fn the_next_leader_is_a_member_that_has_joined() {
        let mut group = group();
        group.add(member("a", &["range"]), CONSUMER);
        group.add(member("b", &["range"]), CONSUMER);
        assert!(group.is_leader("a"));
        assert!(!group.maybe_elect_new_joined_leader(), "nobody has joined");
        group.add(joined("c"), CONSUMER);
        assert!(group.maybe_elect_new_joined_leader());
        assert!(group.is_leader("c"));
        group.remove("c", Errors::UnknownMemberId);
        assert!(group.is_leader("a"), "if nobody has, then anyone");
        group.remove("a", Errors::UnknownMemberId);
        group.remove("b", Errors::UnknownMemberId);
        assert_eq!(group.leader_id, None);
    }

    #[test]
    fn a_member_that_is_removed_is_answered_once() {
        let mut group = group();
        let answers = Arc::new(AtomicI32::new(0));
        for id in ["a", "b"] {
            let (mut waiting, answers) = (member(id, &["range"]), Arc::clone(&answers));
            waiting.awaiting_join = Some(Box::new(move |result| {
                assert_eq!(result.unwrap_err().error, Errors::UnknownMemberId);
                answers.fetch_add(1, Ordering::Relaxed);
            }));
            group.add(waiting, CONSUMER);
        }
        group.remove("a", Errors::UnknownMemberId);
        assert!(group.remove("a", Errors::UnknownMemberId).is_none());
        assert_eq!(answers.load(Ordering::Relaxed), 0, "not under the lock");
        group.outbox.owed().answers.into_iter().for_each(|answer| answer());
        assert_eq!(answers.load(Ordering::Relaxed), 1);
        assert_eq!((group.size(), group.num_awaiting()), (1, 1));
    }

    #[test]
    fn a_group_is_complete_when_those_with_an_id_have_joined_too() {
        let mut group = group();
        group.add(joined("a"), CONSUMER);
        assert!(group.has_all_members_joined());
        group.add(member("b", &["range"]), CONSUMER);
        assert!(!group.has_all_members_joined());
        assert_eq!(group.dynamic_members_not_rejoined(), ["b"]);
    }

    #[test]
    fn a_generation_begins_with_members_or_ends_without() {
        let mut group = group();
        group.transition_to(GroupState::PreparingRebalance, TimestampMs(1));
        group.add(joined("a"), CONSUMER);
        group.init_next_generation(TimestampMs(2));
        assert_eq!((group.generation_id, group.state()), (1, GroupState::CompletingRebalance));
        assert_eq!(group.protocol_name.as_deref(), Some("range"));
        assert!(group.pending_sync_members.contains("a"));
        group.remove("a", Errors::UnknownMemberId);
        group.transition_to(GroupState::PreparingRebalance, TimestampMs(3));
        group.init_next_generation(TimestampMs(4));
        assert_eq!((group.generation_id, group.state()), (2, GroupState::Empty));
        assert_eq!(group.protocol_name, None);
        assert_eq!(group.current_state_timestamp_ms, Some(TimestampMs(4)));
        group.generation_id = i32::MAX;
        group.transition_to(GroupState::PreparingRebalance, TimestampMs(5));
        group.init_next_generation(TimestampMs(6));
        assert_eq!(group.generation_id, 1, "no generation is negative: that is none at all");
    }

    #[test]
    fn a_static_member_that_comes_back_takes_its_place_with_a_new_id() {
        let mut group = group();
        let mut first = member("old", &["range"]);
        first.group_instance_id = Some("i".to_string());
        first.assignment = b"mine".to_vec();
        group.add(first, CONSUMER);
        group.replace_static_member("i", "new");
        assert_eq!(group.current_static_member_id("i"), Some("new"));
        assert_eq!(group.get("new").unwrap().assignment, b"mine");
        assert!(group.get("old").is_none() && group.is_leader("new"));
        let of = |member_id: &str, instance_id: &str| MemberIdentity {
            member_id: member_id.to_string(),
            group_instance_id: Some(instance_id.to_string()),
        };
        assert_eq!(group.validate_member(&of("new", "i")), Ok(()));
        assert_eq!(group.validate_member(&of("old", "i")), Err(Errors::FencedInstanceId));
        assert_eq!(group.validate_member(&of("new", "j")), Err(Errors::UnknownMemberId));
        let dynamic = MemberIdentity { member_id: "old".to_string(), group_instance_id: None };
        assert_eq!(group.validate_member(&dynamic), Err(Errors::UnknownMemberId));
    }

    fn with_offsets(mut group: GroupMetadata) -> GroupMetadata {
        for (topic, expire_timestamp_ms) in [("read", None), ("left", None), ("brief", Some(150))] {
            let offset = OffsetAndMetadata {
                offset: Offset(1),
                leader_epoch: LeaderEpoch::NONE,
                metadata: String::new(),
                commit_timestamp_ms: TimestampMs(50),
                expire_timestamp_ms: expire_timestamp_ms.map(TimestampMs),
            };
            let offsets = [(TopicAndPartition::new(topic, 0), offset)];
            group.offsets.extend(offsets, Held::default());
        }
        group
    }

    fn expired(group: &GroupMetadata, now_ms: TimestampMs) -> Vec<String> {
        let expired = group.expired_offsets(now_ms, 1_000);
        expired.iter().map(|key| key.topic.to_string()).collect()
    }

    #[test]
    fn offsets_of_a_consumer_without_a_group_age_from_their_commit_on() {
        let group = with_offsets(group());
        assert!(expired(&group, TimestampMs(149)).is_empty());
        assert_eq!(expired(&group, TimestampMs(150)), ["brief"]);
        assert_eq!(expired(&group, TimestampMs(1_050)), ["brief", "left", "read"]);
    }

    #[test]
    fn offsets_of_a_group_age_from_when_it_was_left_on() {
        let mut group = with_offsets(group());
        group.protocol_type = Some(CONSUMER.to_string());
        assert_eq!(expired(&group, TimestampMs(1_099)), ["brief"]);
        assert_eq!(expired(&group, TimestampMs(1_100)), ["brief", "left", "read"]);
    }

    #[test]
    fn a_group_at_work_loses_only_what_it_no_longer_reads() {
        let mut group = with_offsets(group());
        let mut reader = joined("a");
        reader.supported_protocols =
            vec![("range".to_string(), b"\0\0\0\0\0\x01\0\x04read".to_vec())];
        group.transition_to(GroupState::PreparingRebalance, TimestampMs(1));
        group.add(reader, CONSUMER);
        assert!(
            expired(&group, TimestampMs(9_999)).is_empty(),
            "between two generations nothing is forgotten"
        );
        group.init_next_generation(TimestampMs(2));
        group.transition_to(GroupState::Stable, TimestampMs(3));
        assert_eq!(expired(&group, TimestampMs(9_999)), ["brief", "left"]);
        assert!(group.is_subscribed_to("read") && !group.is_subscribed_to("left"));
        // A subscription that cannot be read may be one of everything.
        group.get_mut("a").unwrap().supported_protocols[0].1.clear();
        assert!(group.is_subscribed_to("left") && expired(&group, TimestampMs(9_999)).is_empty());
    }
}
