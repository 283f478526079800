//! Port of `kafka.coordinator.GroupCoordinator`: takes the requests of groups, and leads each group
//! through the stages of a rebalance.
//!
//! Calls run one way. The coordinator finds the group and changes it; what a change means stands
//! with the stage: join, sync, leave, committed offsets. Stages begin and end rebalances; a
//! rebalance changes the group and its timers.
//!
//! Every access to a group goes through [`GroupCoordinator::change`]. Under the group's lock the
//! change is made, and answers and records are put into the group's outbox. Without the lock the
//! records are appended and the answers are sent.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{Builder, JoinHandle};

use log::{debug, error, info, warn};

use crate::common::errors::{Errors, KafkaError};
use crate::common::lock::locked;
use crate::common::time::Time;
use crate::common::topic_partition::TopicAndPartition;
use crate::coordinator::group::Group;
use crate::coordinator::group_config::GroupConfig;
use crate::coordinator::group_metadata::GroupMetadata;
use crate::coordinator::group_metadata_manager::GroupMetadataManager;
use crate::coordinator::group_outbox::Owed;
use crate::coordinator::group_results::{
    Answer, CommitCallback, CommitOffsets, DoneCallback, FetchedOffsets, GroupOverview,
    GroupSummary, JoinCallback, JoinError, JoinGroup, MemberIdentity, SyncCallback, SyncGroup,
};
use crate::coordinator::group_state::GroupState;
use crate::coordinator::group_store::{OffsetCommit, Store};
use crate::coordinator::group_timer::{Deadline, GroupTimers};
use crate::coordinator::rebalance::Rebalance;
use crate::coordinator::{committed_offsets, group_join, group_leave, group_sync};

/// How long the reaper sleeps when nothing is due, in milliseconds of real time.
const REAPER_TIMEOUT_MS: i64 = 200;

/// The longest id that the records of `__consumer_offsets` can hold, in bytes.
const ID_BYTES_MAX: usize = i16::MAX.unsigned_abs() as usize;

/// The longest name of a static member, in bytes: Kafka's clients hold it to the rule of topics'
/// names.
const INSTANCE_ID_BYTES_MAX: usize = 249;

/// The coordinator of all groups.
pub struct GroupCoordinator {
    config: GroupConfig,
    manager: GroupMetadataManager,
    timers: GroupTimers,
    /// Whether requests are answered: between start and stop.
    is_active: AtomicBool,
    reaper: Mutex<Option<JoinHandle<()>>>,
}

/// Start and stop.
impl GroupCoordinator {
    /// A coordinator that does not answer yet.
    pub fn new(config: GroupConfig, manager: GroupMetadataManager, time: Arc<dyn Time>) -> Self {
        Self {
            config,
            manager,
            timers: GroupTimers::new(time),
            is_active: AtomicBool::new(false),
            reaper: Mutex::new(None),
        }
    }

    /// Begins to answer and to watch deadlines. If `__consumer_offsets` exists already, with
    /// `partition_count` partitions, its groups are loaded before; their members have a whole
    /// session to send something.
    ///
    /// Kafka loads in the background and answers `COORDINATOR_LOAD_IN_PROGRESS` meanwhile, because
    /// partitions move between brokers that are running. Here they are loaded once, before the
    /// ports open.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn startup(self: &Arc<Self>, partition_count: Option<i32>) -> Result<(), KafkaError> {
        if let Some(partition_count) = partition_count {
            self.manager.set_partition_count(partition_count);
            self.manager.load_groups();
        }
        for group in self.manager.groups() {
            self.schedule_sessions(&group);
        }
        self.is_active.store(true, Ordering::SeqCst);
        let coordinator = Arc::clone(self);
        let thread = Builder::new().name("group-coordinator-reaper".to_string());
        let reaper = thread.spawn(move || coordinator.reap())?;
        *locked(&self.reaper) = Some(reaper);
        info!("the group coordinator has started, with {} groups", self.manager.groups().len());
        Ok(())
    }

    /// Stops answering. Pending requests fail with `COORDINATOR_NOT_AVAILABLE`, upon which their
    /// clients look for the coordinator again; the groups stay as they are in the log, so that
    /// their members find them after a restart.
    pub fn shutdown(&self) {
        self.is_active.store(false, Ordering::SeqCst);
        self.timers.shutdown();
        let reaper = locked(&self.reaper).take();
        if reaper.is_some_and(|reaper| reaper.join().is_err()) {
            error!("the group coordinator's thread ended by a panic");
        }
        for group in self.manager.groups() {
            let stopped = self.change(&group, |it| {
                it.group.answer_all(Errors::CoordinatorNotAvailable);
                Ok(())
            });
            log_failure(&group, stopped);
        }
    }

    pub fn manager(&self) -> &GroupMetadataManager {
        &self.manager
    }

    /// The body of the reaper thread.
    fn reap(&self) {
        while self.is_active.load(Ordering::SeqCst) {
            for Deadline { group, of } in self.timers.advance_clock(REAPER_TIMEOUT_MS) {
                // A deadline of a group that is gone or has failed is moot.
                let Some(group) = group.upgrade() else { continue };
                let passed = self.change(&group, |it| {
                    it.on_deadline(&of);
                    Ok(())
                });
                log_failure(&group, passed);
            }
        }
    }

    /// Gives all members of a loaded group a session.
    fn schedule_sessions(&self, group: &Arc<Group>) {
        let (scheduled, owed) = group.change(|it| {
            let mut it = self.rebalance(group, it);
            it.group.ids(|_| true).iter().for_each(|id| it.schedule_session(id));
            Ok(())
        });
        log_failure(group, scheduled);
        // A group that fails here is not loaded once more.
        self.settle(group, Owed { has_failed: false, ..owed });
    }
}

/// Members.
impl GroupCoordinator {
    /// Makes the client a member, or lets it remain one. Calls back when the next generation
    /// begins, or at once with an error or with what is known already.
    pub fn join_group(&self, request: &JoinGroup, callback: JoinCallback) {
        let mut callback = Some(callback);
        let joined = self.group_to_join(request).and_then(|group| {
            self.change(&group, |it| {
                group_join::join(it, request, &mut callback);
                Ok(())
            })
        });
        if let (Err(error), Some(callback)) = (joined, callback) {
            callback(Err(JoinError::new(error, &request.member.member_id)));
        }
    }

    fn group_to_join(&self, request: &JoinGroup) -> Result<Arc<Group>, Errors> {
        self.validate_named_group(&request.group_id)?;
        let (least, most) =
            (self.config.group_min_session_timeout_ms, self.config.group_max_session_timeout_ms);
        if !(least..=most).contains(&request.session_timeout_ms) {
            return Err(Errors::InvalidSessionTimeout);
        }
        let instance_id = request.member.group_instance_id.as_deref();
        if instance_id.is_some_and(|it| it.is_empty() || it.len() > INSTANCE_ID_BYTES_MAX) {
            return Err(Errors::InvalidRequest);
        }
        match self.manager.get_group(&request.group_id) {
            Some(group) => Ok(group),
            None if request.member.member_id.is_empty() => {
                Ok(self.manager.get_or_create_group(&request.group_id))
            }
            None => Err(Errors::UnknownMemberId),
        }
    }

    /// Returns the member's assignment; the leader brings all of them. Calls back when they are in
    /// the log, or at once with an error or with what is known already.
    pub fn sync_group(&self, request: &SyncGroup, callback: SyncCallback) {
        let mut callback = Some(callback);
        let synced = self.group_of_members(&request.group_id, Errors::UnknownMemberId);
        let synced = synced.and_then(|group| {
            self.change(&group, |it| group_sync::sync(it, request, &mut callback))
        });
        if let (Err(error), Some(callback)) = (synced, callback) {
            callback(Err(error));
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
        let group = self.group_of_members(group_id, Errors::UnknownMemberId)?;
        self.change(&group, |it| {
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
        self.validate_named_group(group_id)?;
        let Some(group) = self.manager.get_group(group_id) else {
            return Ok(vec![Err(Errors::UnknownMemberId); leaving.len()]);
        };
        self.change(&group, |it| {
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
        let CommitOffsets { group_id, member, generation_id, offsets } = request;
        let max_metadata_size = self.manager.config().max_metadata_size;
        let mut commit = Some(OffsetCommit::new(offsets, max_metadata_size, callback));
        let begun = self.group_to_commit(&group_id, generation_id).and_then(|group| {
            self.change(&group, |it| {
                committed_offsets::commit(it, &member, generation_id, &mut commit)
            })
        });
        if let (Err(error), Some(commit)) = (begun, commit) {
            commit.answer(Err(error))();
        }
    }

    fn group_to_commit(&self, group_id: &str, generation_id: i32) -> Result<Arc<Group>, Errors> {
        self.validate_group_status(group_id)?;
        match self.manager.get_group(group_id) {
            Some(group) => Ok(group),
            None if generation_id < 0 => Ok(self.manager.get_or_create_group(group_id)),
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
        self.validate_group_status(group_id)?;
        let Some(group) = self.manager.get_group(group_id) else {
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

    /// Removes offsets of a group that does not read them. Returns one result for each, in their
    /// order, when the log has them.
    ///
    /// # Errors
    /// What is wrong with the group as a whole.
    pub fn delete_offsets(
        &self,
        group_id: &str,
        partitions: &[TopicAndPartition],
    ) -> Result<Vec<Result<(), Errors>>, Errors> {
        let group = self.group_of_members(group_id, Errors::GroupIdNotFound)?;
        self.change_and_wait(&group, |it, callback| {
            committed_offsets::delete(it, partitions, callback)
        })
    }

    /// Removes the offsets of partitions that no longer exist.
    pub fn handle_deleted_partitions(&self, deleted: &[TopicAndPartition]) {
        for group in self.manager.groups() {
            let removed = self.change(&group, |it| {
                committed_offsets::delete_of_partitions(it.group, deleted);
                Ok(())
            });
            log_failure(&group, removed);
        }
    }

    /// Removes the offsets that have expired, and the groups that have neither members nor offsets
    /// any more.
    pub fn cleanup_group_metadata(&self) {
        let time = self.timers.time();
        let (now_ms, started_ms) = (time.milliseconds(), time.hi_res_clock_ms());
        let retention_ms = self.manager.config().offsets_retention_ms;
        let mut expired = 0;
        for group in self.manager.groups() {
            let of_group = self
                .change(&group, |it| Ok(committed_offsets::expire(it.group, now_ms, retention_ms)));
            expired += of_group.unwrap_or(0);
            let removed = self.change(&group, |it| {
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
    /// All groups, by their ids. One that has failed is left out.
    ///
    /// # Errors
    /// `COORDINATOR_NOT_AVAILABLE` outside of start and stop.
    pub fn list_groups(&self) -> Result<Vec<GroupOverview>, Errors> {
        // Without the topic there are no groups, and a list of none is the truth.
        self.validate_group_status("").or_else(only_without_topic)?;
        let groups = self.manager.groups();
        let overviews = groups.iter().map(|group| group.look(GroupMetadata::overview));
        let mut all: Vec<_> = overviews.filter_map(Result::ok).collect();
        all.sort_by(|one, other| one.group_id.cmp(&other.group_id));
        Ok(all)
    }

    /// A group in full. One that does not exist is dead, which is no error.
    ///
    /// # Errors
    /// `NOT_COORDINATOR` if the group has failed; or what is wrong with the request.
    pub fn describe_group(&self, group_id: &str) -> Result<GroupSummary, Errors> {
        self.validate_group_status(group_id).or_else(only_without_topic)?;
        match self.manager.get_group(group_id) {
            Some(group) => group.look(GroupMetadata::summary),
            None => Ok(GroupSummary::dead()),
        }
    }

    /// Removes a group that has no members, with its offsets. Returns when it is out of the log.
    ///
    /// # Errors
    /// `GROUP_ID_NOT_FOUND`; `NON_EMPTY_GROUP`; or why it cannot be removed from the log.
    pub fn delete_group(&self, group_id: &str) -> Result<(), Errors> {
        let not_found = Errors::GroupIdNotFound;
        self.validate_group_status(group_id).map_err(|error| match error {
            Errors::NotCoordinator => not_found,
            other => other,
        })?;
        let group = self.manager.get_group(group_id).ok_or(not_found)?;
        self.change_and_wait(&group, committed_offsets::remove_group)
    }
}

/// What requests have in common.
impl GroupCoordinator {
    /// # Errors
    /// `COORDINATOR_NOT_AVAILABLE` outside of start and stop; `INVALID_GROUP_ID`; `NOT_COORDINATOR`
    /// as long as there is no `__consumer_offsets`, upon which the client looks for the
    /// coordinator, which creates it.
    fn validate_group_status(&self, group_id: &str) -> Result<(), Errors> {
        if !self.is_active.load(Ordering::SeqCst) {
            Err(Errors::CoordinatorNotAvailable)
        } else if group_id.len() > ID_BYTES_MAX {
            Err(Errors::InvalidGroupId)
        } else if self.manager.partition_for(group_id).is_none() {
            Err(Errors::NotCoordinator)
        } else {
            Ok(())
        }
    }

    /// The same for requests of members: those of a group without a name could not be distinguished
    /// from consumers without a group.
    fn validate_named_group(&self, group_id: &str) -> Result<(), Errors> {
        if group_id.is_empty() {
            return Err(Errors::InvalidGroupId);
        }
        self.validate_group_status(group_id)
    }

    fn group_of_members(&self, group_id: &str, not_found: Errors) -> Result<Arc<Group>, Errors> {
        self.validate_named_group(group_id)?;
        self.manager.get_group(group_id).ok_or(not_found)
    }

    /// Changes a group, then appends its records and sends its answers, without its lock.
    ///
    /// # Errors
    /// Those of `change`; `NOT_COORDINATOR` if the group has failed, now or before.
    pub fn change<R>(
        &self,
        group: &Arc<Group>,
        change: impl FnOnce(&mut Rebalance<'_>) -> Result<R, Errors>,
    ) -> Result<R, Errors> {
        let (result, owed) = group.change(|it| change(&mut self.rebalance(group, it)));
        self.settle(group, owed);
        result
    }

    /// The same for a change that waits for its store, whichever thread appends it.
    fn change_and_wait<R>(
        &self,
        group: &Arc<Group>,
        change: impl FnOnce(&mut GroupMetadata, DoneCallback) -> Result<R, Errors>,
    ) -> Result<R, Errors> {
        let (sender, receiver) = mpsc::channel();
        let callback: DoneCallback = Box::new(move |stored| {
            let _ = sender.send(stored); // The receiver waits below.
        });
        let result = self.change(group, |it| change(it.group, callback))?;
        receiver.recv().unwrap_or(Err(Errors::UnknownServerError)).map(|()| result)
    }

    fn rebalance<'a>(
        &'a self,
        shared: &'a Arc<Group>,
        group: &'a mut GroupMetadata,
    ) -> Rebalance<'a> {
        Rebalance { shared, group, timers: &self.timers, config: &self.config }
    }

    /// Does what a change has left to be done, and what that leaves in turn.
    fn settle(&self, group: &Arc<Group>, mut owed: Owed) {
        loop {
            if owed.is_removed {
                self.manager.drop_group(group);
            }
            owed.answers.into_iter().for_each(call);
            if owed.has_failed {
                self.reload(group);
            }
            owed = match owed.store {
                Some(store) => {
                    let stored = self.manager.store(group.group_id(), &store);
                    self.end_store(group, store, stored)
                }
                None if owed.has_more => group.go_on(),
                None => return,
            };
        }
    }

    /// Completes a change whose records have been appended.
    fn end_store(&self, group: &Arc<Group>, store: Store, stored: Result<(), Errors>) -> Owed {
        let mut store = Some(store);
        let (completed, mut owed) = group.end_store(|it| {
            if let Some(store) = store.take() {
                on_stored(&mut self.rebalance(group, it), store, stored);
            }
        });
        if let (Err(error), Some(store)) = (completed, store) {
            owed.answers.extend(store.abandon(error));
        }
        owed
    }

    /// Loads a group again that has failed. Its members have a whole session to come back.
    fn reload(&self, failed: &Arc<Group>) {
        if !self.is_active.load(Ordering::SeqCst) {
            return;
        }
        let reload = || self.manager.reload_group(failed);
        match catch_unwind(AssertUnwindSafe(reload)) {
            Ok(Some(group)) => self.schedule_sessions(&group),
            Ok(None) => (),
            Err(_) => error!("cannot load group {}: it is refused", failed.group_id()),
        }
    }
}

fn on_stored(change: &mut Rebalance<'_>, store: Store, stored: Result<(), Errors>) {
    let group_id = &change.group.group_id;
    match store {
        Store::Commit(commit) => committed_offsets::on_commit_stored(change.group, commit, stored),
        Store::RemoveOffsets { keys, callback } => {
            committed_offsets::on_offsets_removed(change.group, keys, callback, stored);
        }
        Store::RemoveGroup(removal) => {
            committed_offsets::on_removal_stored(change.group, removal, stored);
        }
        Store::Assignment { generation_id, .. } => {
            group_sync::on_assignment_stored(change, generation_id, stored);
        }
        Store::Empty { .. } => {
            if let Err(error) = stored {
                // After a restart the broker waits for the members of the last generation in vain.
                warn!("cannot store that group {group_id} is empty: {error}");
            }
        }
        Store::StaticMember { joined, callback, .. } => {
            if let Err(error) = stored {
                warn!("cannot store a static member's new id of group {group_id}: {error}");
            }
            change.group.outbox.answer(callback, Ok(*joined));
        }
    }
}

/// Sends an answer. A panic is a fault of one answer, and the others are still sent.
fn call(answer: Answer) {
    if catch_unwind(AssertUnwindSafe(answer)).is_err() {
        error!("an answer to a member of a group panicked");
    }
}

/// Logs why nothing can be done for a group, where no client is to be answered.
fn log_failure(group: &Group, result: Result<(), Errors>) {
    if let Err(error) = result {
        debug!("group {} is left as it is: {error}", group.group_id());
    }
}

/// Without `__consumer_offsets` there are no groups, which is no error for a tool that looks.
fn only_without_topic(error: Errors) -> Result<(), Errors> {
    match error {
        Errors::NotCoordinator => Ok(()),
        other => Err(other),
    }
}
