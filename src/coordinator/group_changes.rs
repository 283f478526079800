//! How groups are changed: under the group's lock the change is made, and answers and records are
//! put into the group's outbox; without the lock the answers are called and the records appended,
//! and their result is applied to the group under its lock again.
//!
//! The thread that changes a group does what the change owes, and may find stores that other
//! threads have queued meanwhile. A request handler appends them all: only request handlers queue
//! more, so they cannot keep all of each other at it. No thread waits for replicas: when they have
//! what was appended, the reaper goes on with the group. The reaper, one thread for the deadlines of
//! all groups, looks at the clock after each append; the task that cleans up has a limit, and leaves
//! the rest to the reaper.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use log::{Level, debug, error, log};

use crate::common::errors::Errors;
use crate::common::log_limit::{LogKind, limited};
use crate::common::swallow::swallow;
use crate::common::text::for_log;
use crate::common::time::Time;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::LeaderEpoch;
use crate::coordinator::group::Group;
use crate::coordinator::group_append::Append;
use crate::coordinator::group_config::GroupConfig;
use crate::coordinator::group_metadata::GroupMetadata;
use crate::coordinator::group_metadata_manager::GroupMetadataManager;
use crate::coordinator::group_outbox::Owed;
use crate::coordinator::group_results::{Answer, DoneCallback};
use crate::coordinator::group_store::Store;
use crate::coordinator::group_table::Load;
use crate::coordinator::group_timer::{Deadline, DeadlineOf, GroupTimers};
use crate::coordinator::reaper_queue::ReaperQueue;
use crate::coordinator::rebalance::Rebalance;
use crate::coordinator::stored_change::{StoredCallback, StoredChange};
use crate::coordinator::{committed_offsets, group_sync};

/// How long the reaper sleeps when nothing is due, in milliseconds of real time.
const REAPER_TIMEOUT_MS: i64 = 200;

/// How long the reaper waits after a panic.
const PANIC_PAUSE: Duration = Duration::from_millis(200);

/// How long a group that could not be loaded again is refused before the next try.
const RELOAD_BACKOFF_MS: i64 = 1_000;

/// How many stores of one group a background task appends before it leaves the rest to the reaper.
const STORES_OF_TASK_MAX: usize = 100;

/// The groups, their timeouts, and what it takes to change them.
pub struct GroupChanges {
    config: GroupConfig,
    manager: GroupMetadataManager,
    timers: Arc<GroupTimers>,
    /// Between start and stop.
    is_active: AtomicBool,
    /// What changes owe that the reaper does.
    left_to_reaper: Arc<ReaperQueue>,
}

/// Start and stop.
impl GroupChanges {
    pub fn new(config: GroupConfig, manager: GroupMetadataManager, time: Arc<dyn Time>) -> Self {
        let timers = Arc::new(GroupTimers::new(time));
        let left_to_reaper = Arc::new(ReaperQueue::new(Arc::clone(&timers)));
        let is_active = AtomicBool::new(false);
        Self { config, manager, timers, is_active, left_to_reaper }
    }

    pub fn config(&self) -> &GroupConfig {
        &self.config
    }

    pub fn manager(&self) -> &GroupMetadataManager {
        &self.manager
    }

    pub fn time(&self) -> &dyn Time {
        self.timers.time()
    }

    /// Whether requests are answered.
    pub fn is_active(&self) -> bool {
        self.is_active.load(Ordering::SeqCst)
    }

    /// Gives the members of all loaded groups a session. [`reap`](Self::reap) must run from now on.
    pub fn startup(&self) {
        for group in self.manager.groups() {
            self.schedule_sessions(&group);
        }
        self.left_to_reaper.open();
        self.is_active.store(true, Ordering::SeqCst);
    }

    /// Ends [`reap`](Self::reap).
    pub fn begin_shutdown(&self) {
        self.is_active.store(false, Ordering::SeqCst);
        self.timers.shutdown();
    }

    /// Does what the reaper has left, and fails all pending requests with `error`.
    pub fn shutdown(&self, error: Errors) {
        for (group, owed) in self.left_to_reaper.close() {
            stop_group(&group, || self.settle(&group, owed));
        }
        for group in self.manager.groups() {
            stop_group(&group, || {
                let stopped = self.change(&group, |it| {
                    it.group.answer_all(error);
                    Ok(())
                });
                log_failure(&group, stopped);
            });
        }
    }
}

/// Groups that come and go with their partition.
impl GroupChanges {
    /// Loads the groups of a partition that this broker leads from `leader_epoch` on. Their members
    /// have a whole session to send something.
    pub fn load_elected(&self, load: Load, leader_epoch: LeaderEpoch) {
        let groups = self.manager.load_elected(load, leader_epoch, &|| self.is_active());
        groups.iter().for_each(|group| self.schedule_sessions(group));
    }

    /// Takes a group out of use that is out of the table: all that waits in it fails with `error`, and
    /// so does whatever comes late.
    pub fn unload(&self, group: &Arc<Group>, error: Errors) {
        let (unloaded, owed) = group.unload(error);
        log_failure(group, unloaded);
        self.settle(group, owed);
    }

    /// Removes the offsets of partitions that no longer exist. Returns when the log has that of all
    /// groups, whichever threads append it.
    pub fn remove_offsets_of(&self, deleted: &[TopicAndPartition]) {
        let (sender, receiver) = mpsc::channel();
        self.begin_to_remove_offsets_of(deleted, &|| {
            let sender = sender.clone();
            Box::new(move |stored| {
                let _ = sender.send(stored); // The receiver waits below.
            })
        });
        drop(sender);
        // Ends when no callback is left that holds a sender.
        let failed = receiver.iter().filter(Result::is_err).count();
        if failed > 0 {
            error!("the offsets of deleted partitions are left in {failed} groups");
        }
    }

    /// The same without waiting for the log: each group's callback hears what becomes of it. A stop
    /// leaves the groups alone that have not had their turn.
    pub fn begin_to_remove_offsets_of(
        &self,
        deleted: &[TopicAndPartition],
        callback: &dyn Fn() -> DoneCallback,
    ) {
        for group in self.manager.groups().into_iter().take_while(|_| self.is_active()) {
            let removed = self.change(&group, |it| {
                committed_offsets::delete_of_partitions(it.group, deleted, callback());
                Ok(())
            });
            log_failure(&group, removed);
        }
    }
}

/// Changes.
impl GroupChanges {
    /// Changes a group, then sends its answers and appends its records, without its lock.
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

    /// The same for a change whose client is answered when its records are stored, whichever thread appends
    /// them: with what `change` has returned, its error, or why its records are not in the log.
    pub fn change_and_call_back<R: Send + 'static>(
        &self,
        group: &Arc<Group>,
        change: impl FnOnce(&mut GroupMetadata, DoneCallback) -> Result<R, Errors>,
        callback: StoredCallback<R>,
    ) {
        let stored = StoredChange::new(callback);
        let on_stored = stored.on_stored();
        stored.returned(self.change(group, |it| change(it.group, on_stored)));
    }

    /// The same for a background task, which has other groups to look after.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub fn change_in_background<R>(
        &self,
        group: &Arc<Group>,
        change: impl FnOnce(&mut Rebalance<'_>) -> Result<R, Errors>,
    ) -> Result<R, Errors> {
        let (result, owed) = group.change(|it| change(&mut self.rebalance(group, it)));
        let mut owed = Some(owed);
        for _ in 0..STORES_OF_TASK_MAX {
            owed = owed.and_then(|owed| self.settle_once(group, owed));
        }
        if let Some(owed) = owed {
            self.leave_to_reaper(group, owed);
        }
        result
    }

    fn rebalance<'a>(
        &'a self,
        shared: &'a Arc<Group>,
        group: &'a mut GroupMetadata,
    ) -> Rebalance<'a> {
        let (timers, config) = (&self.timers, &self.config);
        Rebalance { shared, group, timers, config, memory: self.manager.memory() }
    }

    /// Does what a change has left to be done, and what that leaves in turn.
    fn settle(&self, group: &Arc<Group>, owed: Owed) {
        let mut owed = Some(owed);
        while let Some(next) = owed {
            owed = self.settle_once(group, next);
        }
    }

    /// Does what is owed, with one append at most. Returns what that leaves to be done.
    fn settle_once(&self, group: &Arc<Group>, owed: Owed) -> Option<Owed> {
        if owed.is_removed {
            self.manager.drop_group(group);
        }
        owed.timers.into_iter().for_each(|timer| self.timers.cancel(Some(timer)));
        owed.answers.into_iter().for_each(call);
        if owed.has_failed {
            self.reload(group);
        }
        if let Some((store, stored)) = owed.stored {
            return Some(self.end_store(group, *store, stored));
        }
        match owed.store {
            Some(store) => {
                let appended = self.append(group, store);
                appended.map(|(store, stored)| self.end_store(group, store, stored))
            }
            None => owed.has_more.then(|| group.go_on()),
        }
    }

    /// Appends the records of a change. Returns it with the log's answer; none if replicas have to be
    /// waited for: then it is left to the reaper when the answer comes.
    fn append(&self, group: &Arc<Group>, store: Store) -> Option<(Store, Result<(), Errors>)> {
        let append = Arc::new(Append::default());
        let of_callback = Arc::clone(&append);
        let (reaper, waiting) = (Arc::clone(&self.left_to_reaper), Arc::clone(group));
        let callback: DoneCallback = Box::new(move |stored| {
            if let Some(store) = of_callback.answer(stored) {
                leave_stored(&reaper, &waiting, store, stored);
            }
        });
        let appending = || self.manager.append(group, &store, callback);
        // A panic would leave the group's later changes waiting for this one.
        if catch_unwind(AssertUnwindSafe(appending)).is_err() {
            let level = limited(LogKind::Failures, Level::Error);
            log!(level, "an append of group {} panicked", for_log(group.group_id()));
            let left = append.answer(Err(Errors::UnknownServerError));
            debug_assert!(left.is_none(), "only this thread leaves it");
        }
        append.answer_or_leave(store)
    }

    /// Completes a change whose records have been appended.
    fn end_store(&self, group: &Arc<Group>, store: Store, stored: Result<(), Errors>) -> Owed {
        let mut store = store;
        let stored = stored.map_err(|error| store.client_error(error));
        let (completed, mut owed) = group.end_store(|it| {
            on_stored(&mut self.rebalance(group, it), &mut store, stored);
        });
        if let Err(error) = completed {
            owed.answers.extend(store.abandon(error));
        }
        owed
    }

    /// Loads a group again that has failed. Its members have a whole session to come back. As long
    /// as the log cannot be read, the group is refused, and the reaper tries again.
    fn reload(&self, failed: &Arc<Group>) {
        if !self.is_active() {
            return;
        }
        let group_id = failed.group_id();
        let reload = || self.manager.reload_group(failed);
        match catch_unwind(AssertUnwindSafe(reload)) {
            Ok(Ok(Some(group))) => return self.schedule_sessions(&group),
            Ok(Ok(None)) => return,
            Ok(Err(error)) => log_failed_reload(group_id, &error),
            Err(_) => log_failed_reload(group_id, &"its loading panicked"),
        }
        self.timers.schedule_reload(failed, RELOAD_BACKOFF_MS);
    }

    /// Gives all members of a loaded group a session.
    fn schedule_sessions(&self, group: &Arc<Group>) {
        let (scheduled, owed) = group.change(|it| {
            it.check_not_dead()?; // Its partition may have been resigned by now.
            let mut it = self.rebalance(group, it);
            it.group.ids(|_| true).iter().for_each(|id| it.schedule_session(id));
            Ok(())
        });
        log_failure(group, scheduled);
        // A group that fails here is not loaded once more.
        self.settle(group, Owed { has_failed: false, ..owed });
    }
}

/// The reaper.
impl GroupChanges {
    /// The body of the reaper thread: runs until [`begin_shutdown`](Self::begin_shutdown).
    pub fn reap(&self) {
        while self.is_active() {
            // Without the reaper no session would end any more, whichever group the fault is in.
            if catch_unwind(AssertUnwindSafe(|| self.reap_once())).is_err() {
                error!("the group coordinator's thread panicked, and goes on");
                thread::sleep(PANIC_PAUSE); // Not in a spin.
            }
        }
    }

    fn reap_once(&self) {
        let timeout_ms = if self.left_to_reaper.is_empty() { REAPER_TIMEOUT_MS } else { 0 };
        for Deadline { group, of } in self.timers.advance_clock(timeout_ms) {
            // A deadline of a group that is gone is moot.
            if let Some(group) = group.upgrade() {
                self.pass_deadline(&group, &of);
            }
        }
        self.settle_next();
    }

    fn pass_deadline(&self, group: &Arc<Group>, of: &DeadlineOf) {
        if let DeadlineOf::Reload = of {
            return self.leave_to_reaper(group, Owed::reload());
        }
        let (passed, mut owed) = group.change(|it| {
            self.rebalance(group, it).on_deadline(of);
            Ok(())
        });
        log_failure(group, passed);
        owed.answers.drain(..).for_each(call);
        if !owed.is_empty() {
            self.leave_to_reaper(group, owed);
        }
    }

    /// Takes one step of the work that is left to the reaper; each group has its turn.
    fn settle_next(&self) {
        if let Some((group, owed)) = self.left_to_reaper.pop()
            && let Some(owed) = self.settle_once(&group, owed)
        {
            self.leave_to_reaper(&group, owed);
        }
    }

    fn leave_to_reaper(&self, group: &Arc<Group>, owed: Owed) {
        if let Some(owed) = self.left_to_reaper.push(group, owed) {
            self.settle(group, owed);
        }
    }
}

/// The log's answer to a store has come on another thread. After the stop nobody completes it: its client
/// has to find out from the next coordinator.
fn leave_stored(
    reaper: &ReaperQueue,
    group: &Arc<Group>,
    store: Box<Store>,
    stored: Result<(), Errors>,
) {
    if let Some(owed) = reaper.push(group, Owed::stored(store, stored))
        && let Some((mut store, _)) = owed.stored
    {
        store.abandon(Errors::CoordinatorNotAvailable).into_iter().for_each(call);
    }
}

/// What `store` holds stays there until it has its place in the group: after a panic its client is
/// still to be answered.
fn on_stored(change: &mut Rebalance<'_>, store: &mut Store, stored: Result<(), Errors>) {
    let group_id = &change.group.group_id;
    match store {
        Store::Commit(commit) => committed_offsets::on_commit_stored(change.group, commit, stored),
        Store::Commits(commits) => {
            for commit in commits {
                committed_offsets::on_commit_stored(change.group, commit, stored);
            }
        }
        Store::RemoveOffsets { keys, callback } => {
            committed_offsets::on_offsets_removed(change.group, keys, callback, stored);
        }
        Store::RemoveGroup(removal) => {
            committed_offsets::on_removal_stored(change.group, removal, stored);
        }
        Store::Assignment { generation_id, .. } => {
            group_sync::on_assignment_stored(change, *generation_id, stored);
        }
        Store::Empty { .. } => {
            if let Err(error) = stored {
                // After a restart the broker waits for the members of the last generation in vain.
                let level = limited(LogKind::Failures, Level::Warn);
                log!(level, "cannot store that group {} is empty: {error}", for_log(group_id));
            }
        }
        Store::StaticMember { joined, callback, .. } => {
            if let Err(error) = stored {
                let level = limited(LogKind::Failures, Level::Warn);
                log!(
                    level,
                    "cannot store a static member's new id of group {}: {error}",
                    for_log(group_id)
                );
            }
            change.group.outbox.answer_held(callback, Ok(joined.as_ref().clone()));
        }
    }
}

/// Sends an answer. A panic is a fault of one answer, and the others are still sent.
fn call(answer: Answer) {
    if catch_unwind(AssertUnwindSafe(answer)).is_err() {
        let level = limited(LogKind::Failures, Level::Error);
        log!(level, "an answer to a member of a group panicked");
    }
}

/// Takes a step of the stop for one group: the others are stopped, whatever becomes of it.
fn stop_group(group: &Group, step: impl FnOnce()) {
    swallow(group.group_id(), || {
        step();
        Ok(())
    });
}

fn log_failed_reload(group_id: &str, why: &dyn fmt::Display) {
    let level = limited(LogKind::Failures, Level::Error);
    log!(level, "cannot load group {} again: {why}", for_log(group_id));
}

/// Logs why nothing can be done for a group, where no client is to be answered.
pub fn log_failure(group: &Group, result: Result<(), Errors>) {
    if let Err(error) = result {
        debug!("group {} is not changed: {error}", group.group_id());
    }
}
