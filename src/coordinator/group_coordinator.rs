//! Port of `kafka.coordinator.GroupCoordinator`: takes the requests of groups, and leads each group
//! through the stages of a rebalance.
//!
//! Calls run one way. The coordinator finds the group and has [`GroupChanges`] change it; what a
//! change means stands with the stage: join, sync, leave, committed offsets. Stages begin and end
//! rebalances; a rebalance changes the group and its timers.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use log::{debug, error, info};

use crate::common::errors::{Errors, KafkaError};
use crate::common::hang_up::HangUp;
use crate::common::lock::locked;
use crate::common::named_thread::spawn_named;
use crate::common::time::Time;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::LeaderEpoch;
use crate::coordinator::group::Group;
use crate::coordinator::group_changes::{GroupChanges, log_failure};
use crate::coordinator::group_config::GroupConfig;
use crate::coordinator::group_elections::GroupElections;
use crate::coordinator::group_memory::group_bytes_max;
use crate::coordinator::group_metadata::GroupMetadata;
use crate::coordinator::group_metadata_manager::GroupMetadataManager;
use crate::coordinator::group_results::{
    CommitCallback, CommitOffsets, DoneCallback, FetchedOffsets, GroupOverview, GroupSummary,
    JoinCallback, JoinError, JoinGroup, MemberIdentity, SyncCallback, SyncGroup,
};
use crate::coordinator::group_state::GroupState;
use crate::coordinator::group_store::OffsetCommit;
use crate::coordinator::member_metadata::member_bytes;
use crate::coordinator::stored_change::StoredCallback;
use crate::coordinator::{committed_offsets, group_hang_up, group_join, group_leave, group_sync};

/// The longest id that the records of `__consumer_offsets` can hold, in bytes.
const ID_BYTES_MAX: usize = i16::MAX.unsigned_abs() as usize;

/// The longest name of a static member, in bytes: Kafka's clients hold it to the rule of topics'
/// names.
const INSTANCE_ID_BYTES_MAX: usize = 249;

/// The coordinator of the groups whose partitions of `__consumer_offsets` this broker leads.
pub struct GroupCoordinator {
    changes: Arc<GroupChanges>,
    elections: GroupElections,
    reaper: Mutex<Option<JoinHandle<()>>>,
}

/// Start and stop.
impl GroupCoordinator {
    /// A coordinator that does not answer yet.
    pub fn new(config: GroupConfig, manager: GroupMetadataManager, time: Arc<dyn Time>) -> Self {
        let changes = Arc::new(GroupChanges::new(config, manager, time));
        let elections = GroupElections::new(Arc::clone(&changes));
        Self { changes, elections, reaper: Mutex::new(None) }
    }

    /// Begins to answer and to watch deadlines. If `__consumer_offsets` exists already, with
    /// `partition_count` partitions, a broker that is alone loads its groups before; their members
    /// have a whole session to send something. In a cluster there is no count yet: partitions come and
    /// go while the broker runs, and are [loaded](GroupElections::on_election) in the background.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn startup(&self, partition_count: Option<i32>) -> Result<(), KafkaError> {
        if let Some(partition_count) = partition_count {
            self.manager().set_partition_count(partition_count);
            self.manager().load_groups();
        }
        self.changes.startup();
        let changes = Arc::clone(&self.changes);
        let name = "group-coordinator-reaper".to_string();
        let reaper = spawn_named(name, move || changes.reap())?;
        *locked(&self.reaper) = Some(reaper);
        info!("the group coordinator has started, with {} groups", self.manager().groups().len());
        Ok(())
    }

    /// Stops answering. Pending requests fail with `COORDINATOR_NOT_AVAILABLE`, upon which their
    /// clients look for the coordinator again; the groups stay as they are in the log, so that
    /// their members find them after a restart.
    pub fn shutdown(&self) {
        self.changes.begin_shutdown();
        self.elections.shutdown();
        let reaper = locked(&self.reaper).take();
        if reaper.is_some_and(|reaper| reaper.join().is_err()) {
            error!("the group coordinator's thread ended by a panic");
        }
        self.changes.shutdown(Errors::CoordinatorNotAvailable);
    }

    /// Unloads the groups whose records lie in `partitions`, the logs of which are offline. Pending
    /// requests fail with `COORDINATOR_NOT_AVAILABLE`, as later ones do; a restart finds the groups in
    /// the log.
    pub fn on_log_dir_failure(&self, partitions: &HashSet<TopicAndPartition>) {
        for group in self.manager().groups() {
            let partition = self.manager().partition_for(group.group_id());
            if partition.is_some_and(|it| partitions.contains(&it)) {
                // Also one that has failed, and would be loaded again in vain each second.
                self.manager().drop_group(&group);
                self.changes.unload(&group, Errors::CoordinatorNotAvailable);
            }
        }
    }

    pub fn manager(&self) -> &GroupMetadataManager {
        self.changes.manager()
    }

    pub fn changes(&self) -> &GroupChanges {
        &self.changes
    }
}

/// Changes of the cluster. Their order is that of its metadata log.
impl GroupCoordinator {
    /// As [`GroupElections::on_election`]. The number of partitions must be
    /// [known](GroupMetadataManager::set_partition_count).
    pub fn on_election(&self, partition: i32, leader_epoch: LeaderEpoch) {
        self.elections.on_election(partition, leader_epoch);
    }

    /// As [`GroupElections::on_resignation`].
    pub fn on_resignation(&self, partition: i32, leader_epoch: Option<LeaderEpoch>) {
        self.elections.on_resignation(partition, leader_epoch);
    }

    /// As [`GroupElections::on_partitions_deleted`].
    pub fn on_partitions_deleted(&self, deleted: Vec<TopicAndPartition>) {
        self.elections.on_partitions_deleted(deleted);
    }
}

/// Members.
impl GroupCoordinator {
    /// Makes the client a member, or lets it remain one. Calls back when the next generation
    /// begins, or at once with an error or with what is known already.
    pub fn join_group(&self, request: &JoinGroup, callback: JoinCallback) {
        let mut callback = Some(callback);
        let record_bytes_max = self.manager().record_bytes_max(&request.group_id);
        let joined = self.group_to_join(request, record_bytes_max).and_then(|group| {
            self.changes.change(&group, |it| {
                group_join::join(it, request, group_bytes_max(record_bytes_max), &mut callback);
                Ok(())
            })
        });
        if let (Err(error), Some(callback)) = (joined, callback) {
            callback(Err(JoinError::new(error, &request.member.member_id)));
        }
    }

    fn group_to_join(
        &self,
        request: &JoinGroup,
        record_bytes_max: usize,
    ) -> Result<Arc<Group>, Errors> {
        let found = self.validate_named_group(&request.group_id)?;
        let config = self.changes.config();
        let (least, most) =
            (config.group_min_session_timeout_ms, config.group_max_session_timeout_ms);
        if !(least..=most).contains(&request.session_timeout_ms) {
            return Err(Errors::InvalidSessionTimeout);
        }
        let instance_id = request.member.group_instance_id.as_deref();
        if instance_id.is_some_and(|it| it.is_empty() || it.len() > INSTANCE_ID_BYTES_MAX) {
            return Err(Errors::InvalidRequest);
        }
        // Kafka says so when it tries to store the member.
        if request.record_bytes_min() > record_bytes_max {
            return Err(Errors::UnknownServerError);
        }
        // Before anybody looks through its protocols.
        if member_bytes("", request) > group_bytes_max(record_bytes_max) {
            return Err(Errors::GroupMaxSizeReached);
        }
        match found {
            Some(group) => Ok(group),
            None if request.member.member_id.is_empty() => {
                self.manager().get_or_create_group(&request.group_id)
            }
            None => Err(Errors::UnknownMemberId),
        }
    }

    /// Returns the member's assignment; the leader brings all of them. Calls back when they are in
    /// the log, or at once with an error or with what is known already.
    pub fn sync_group(&self, request: &SyncGroup, callback: SyncCallback) {
        let mut callback = Some(callback);
        let synced = self.group_of_members(&request.group_id, Errors::UnknownMemberId);
        // The rebalance that it belongs to is lost, and old clients know no better error to join again.
        let synced = synced.map_err(|error| match error {
            Errors::CoordinatorLoadInProgress => Errors::RebalanceInProgress,
            other => other,
        });
        let synced = synced.and_then(|group| {
            let record_bytes_max = self.manager().record_bytes_max(&request.group_id);
            self.changes
                .change(&group, |it| group_sync::sync(it, request, record_bytes_max, &mut callback))
        });
        if let (Err(error), Some(callback)) = (synced, callback) {
            callback(Err(error));
        }
    }

    /// A client has hung up: its join or sync, if one waits in this group, fails with
    /// `REBALANCE_IN_PROGRESS`. Its member stays until its session ends.
    pub fn client_hung_up(&self, group_id: &str, client: &Arc<HangUp>) {
        if let Some(group) = self.manager().get_group(group_id) {
            let ended = self.changes.change(&group, |it| {
                group_hang_up::end_waits(it, client);
                Ok(())
            });
            log_failure(&group, ended);
        }
    }

    /// Extends the session of a member.
    ///
    /// # Errors
    /// `REBALANCE_IN_PROGRESS`, upon which the member joins again; or what is wrong with it.
    pub fn heartbeat(
        &self,
        group_id: &str,
        member: &MemberIdentity,
        generation_id: i32,
    ) -> Result<(), Errors> {
        let group = match self.group_of_members(group_id, Errors::UnknownMemberId) {
            // The member is believed until its group is there.
            Err(Errors::CoordinatorLoadInProgress) => return Ok(()),
            found => found?,
        };
        self.changes.change(&group, |it| {
            it.group.check_not_dead()?;
            it.group.validate_member(member)?;
            if generation_id != it.group.generation_id {
                return Err(Errors::IllegalGeneration);
            }
            it.extend_session(&member.member_id);
            match it.group.state() {
                GroupState::PreparingRebalance => Err(Errors::RebalanceInProgress),
                // A client may send heartbeats between join and sync; 0.9 answered 27 then, and
                // made it join again.
                _ => Ok(()),
            }
        })
    }

    /// Removes members that leave, or static ones that an administrator names. Returns one result
    /// for each, in their order.
    ///
    /// # Errors
    /// What is wrong with the group as a whole.
    pub fn leave_group(
        &self,
        group_id: &str,
        leaving: &[MemberIdentity],
    ) -> Result<Vec<Result<(), Errors>>, Errors> {
        let Some(group) = self.validate_named_group(group_id)? else {
            return Ok(vec![Err(Errors::UnknownMemberId); leaving.len()]);
        };
        self.changes.change(&group, |it| {
            it.group.check_not_dead()?;
            Ok(leaving.iter().map(|member| group_leave::leave(it, member)).collect())
        })
    }
}

/// Offsets.
impl GroupCoordinator {
    /// Keeps offsets for a group. Calls back when they are in the log. A group that does not exist
    /// comes into being if the consumer belongs to no generation: then it only keeps its offsets
    /// here.
    pub fn commit_offsets(&self, request: CommitOffsets, callback: CommitCallback) {
        let CommitOffsets { group_id, member, generation_id, offsets, answer_bytes } = request;
        let max_metadata_size = self.manager().config().max_metadata_size;
        let mut commit = OffsetCommit::new(offsets, max_metadata_size, callback);
        commit.answer_bytes = answer_bytes;
        let mut commit = Some(commit);
        let queued_bytes_max = group_bytes_max(self.manager().record_bytes_max(&group_id));
        let begun = self.group_to_commit(&group_id, generation_id).and_then(|group| {
            self.changes.change(&group, |it| {
                let begun = committed_offsets::commit(
                    it,
                    &member,
                    generation_id,
                    queued_bytes_max,
                    &mut commit,
                );
                if begun.is_err() {
                    committed_offsets::remove_group_if_unused(it.group);
                }
                begun
            })
        });
        let answer = commit.and_then(|mut commit| commit.take_answer(Err(begun.err()?)));
        if let Some(answer) = answer {
            answer();
        }
    }

    fn group_to_commit(&self, group_id: &str, generation_id: i32) -> Result<Arc<Group>, Errors> {
        match self.validate_group_status(group_id)? {
            Some(group) => Ok(group),
            None if generation_id < 0 => self.manager().get_or_create_group(group_id),
            None => Err(Errors::IllegalGeneration),
        }
    }

    /// The offsets that a group has committed: those of the partitions `asked` for, in their order,
    /// or all that it has. A group that does not exist has none.
    ///
    /// # Errors
    /// What is wrong with the group as a whole.
    pub fn fetch_offsets(
        &self,
        group_id: &str,
        asked: Option<&[TopicAndPartition]>,
    ) -> Result<FetchedOffsets, Errors> {
        let Some(group) = self.validate_group_status(group_id)? else {
            let asked = asked.unwrap_or_default().iter();
            return Ok(asked.map(|key| (key.clone(), None)).collect());
        };
        group.look(|group| {
            let offsets = &group.offsets;
            let committed = |key: &TopicAndPartition| (key.clone(), offsets.get(key).cloned());
            match asked {
                Some(asked) => asked.iter().map(committed).collect(),
                None => offsets.keys().map(committed).collect(),
            }
        })
    }

    /// Removes offsets of a group that does not read them. Calls back when the log has it: with one result for
    /// each, in their order, or with what is wrong with the group as a whole.
    pub fn delete_offsets(
        &self,
        group_id: &str,
        partitions: &[TopicAndPartition],
        callback: StoredCallback<Vec<Result<(), Errors>>>,
    ) {
        match self.group_of_members(group_id, Errors::GroupIdNotFound) {
            Ok(group) => self.changes.change_and_call_back(
                &group,
                |it, on_stored| committed_offsets::delete(it, partitions, on_stored),
                callback,
            ),
            Err(error) => callback(Err(error)),
        }
    }

    /// Removes the offsets of partitions that no longer exist. Returns when the log has that of all
    /// groups, whichever threads append it.
    pub fn handle_deleted_partitions(&self, deleted: &[TopicAndPartition]) {
        self.changes.remove_offsets_of(deleted);
    }

    /// Removes the offsets that have expired, and the groups that have neither members nor offsets
    /// any more.
    pub fn cleanup_group_metadata(&self) {
        let time = self.changes.time();
        let (now_ms, started_ms) = (time.milliseconds(), time.hi_res_clock_ms());
        let retention_ms = self.manager().config().offsets_retention_ms;
        let mut expired = 0;
        for group in self.manager().groups() {
            let of_group = self.changes.change_in_background(&group, |it| {
                Ok(committed_offsets::expire(it.group, now_ms, retention_ms))
            });
            expired += of_group.unwrap_or(0);
            let removed = self.changes.change_in_background(&group, |it| {
                committed_offsets::remove_group_if_over(it.group);
                Ok(())
            });
            log_failure(&group, removed);
        }
        let elapsed_ms = time.hi_res_clock_ms() - started_ms;
        debug!("GroupMetadataManager.cleanupGroupMetadata: {expired} offsets in {elapsed_ms} ms");
    }
}

/// Administration.
impl GroupCoordinator {
    /// All groups that are coordinated here, by their ids. One that has failed is left out.
    ///
    /// # Errors
    /// `COORDINATOR_NOT_AVAILABLE` outside of start and stop; `COORDINATOR_LOAD_IN_PROGRESS` while a
    /// partition is being loaded.
    pub fn list_groups(&self) -> Result<Vec<GroupOverview>, Errors> {
        // Without the topic there are no groups, and a list of none is the truth. Groups whose
        // partition is offline or could not be read are not known.
        self.validate_active()?;
        if self.manager().table().is_loading() {
            return Err(Errors::CoordinatorLoadInProgress);
        }
        let groups = self.manager().groups();
        let overviews = groups.iter().map(|group| group.look(GroupMetadata::overview));
        let mut all: Vec<_> = overviews.filter_map(Result::ok).collect();
        all.sort_by(|one, other| one.group_id.cmp(&other.group_id));
        Ok(all)
    }

    /// How long the description of a group is at most, in bytes.
    pub fn description_bytes_max(&self, group_id: &str) -> usize {
        let group = self.manager().get_group(group_id);
        group.and_then(|it| it.look(GroupMetadata::held_bytes).ok()).unwrap_or(0)
    }

    /// A group in full. One that does not exist is dead, which is no error.
    ///
    /// # Errors
    /// `NOT_COORDINATOR` if the group has failed; or what is wrong with the request.
    pub fn describe_group(&self, group_id: &str) -> Result<GroupSummary, Errors> {
        match self.validate_group_status(group_id) {
            Ok(Some(group)) => group.look(GroupMetadata::summary),
            Ok(None) => Ok(GroupSummary::dead()),
            // No error for a tool that looks.
            Err(Errors::NotCoordinator) if self.manager().table().is_without_topic() => {
                Ok(GroupSummary::dead())
            }
            Err(error) => Err(error),
        }
    }

    /// Removes a group that has no members, with its offsets. Calls back when it is out of the log, or with
    /// `GROUP_ID_NOT_FOUND`, `NON_EMPTY_GROUP`, or why it cannot be removed from the log.
    pub fn delete_group(&self, group_id: &str, callback: DoneCallback) {
        match self.group_to_delete(group_id) {
            Ok(group) => {
                self.changes.change_and_call_back(&group, committed_offsets::remove_group, callback)
            }
            Err(error) => callback(Err(error)),
        }
    }

    fn group_to_delete(&self, group_id: &str) -> Result<Arc<Group>, Errors> {
        let is_without_topic = self.manager().table().is_without_topic();
        match self.validate_group_status(group_id) {
            Ok(group) => group.ok_or(Errors::GroupIdNotFound),
            Err(Errors::NotCoordinator) if is_without_topic => Err(Errors::GroupIdNotFound),
            Err(error) => Err(error),
        }
    }
}

/// What requests have in common.
impl GroupCoordinator {
    /// The group, if there is one of this id.
    ///
    /// # Errors
    /// `COORDINATOR_NOT_AVAILABLE` outside of start and stop, and if the group's partition of
    /// `__consumer_offsets` is offline or could not be read; `INVALID_GROUP_ID`;
    /// `COORDINATOR_LOAD_IN_PROGRESS` while its partition is being loaded; `NOT_COORDINATOR` if this
    /// broker does not lead it, or there is no `__consumer_offsets`, upon which the client looks for
    /// the coordinator, which creates it.
    fn validate_group_status(&self, group_id: &str) -> Result<Option<Arc<Group>>, Errors> {
        self.validate_active()?;
        if group_id.len() > ID_BYTES_MAX {
            return Err(Errors::InvalidGroupId);
        }
        self.manager().find_group(group_id)
    }

    fn validate_active(&self) -> Result<(), Errors> {
        match self.changes.is_active() {
            true => Ok(()),
            false => Err(Errors::CoordinatorNotAvailable),
        }
    }

    /// The same for requests of members: those of a group without a name could not be distinguished
    /// from consumers without a group.
    fn validate_named_group(&self, group_id: &str) -> Result<Option<Arc<Group>>, Errors> {
        if group_id.is_empty() {
            return Err(Errors::InvalidGroupId);
        }
        self.validate_group_status(group_id)
    }

    fn group_of_members(&self, group_id: &str, not_found: Errors) -> Result<Arc<Group>, Errors> {
        self.validate_named_group(group_id)?.ok_or(not_found)
    }
}
