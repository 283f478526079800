//! Port of `GroupCoordinator.onElection` and `onResignation`, with
//! `GroupMetadataManager.scheduleLoadGroupAndOffsets` and `removeGroupsForPartition`: how the groups of
//! a partition of `__consumer_offsets` come to this broker, and leave it.
//!
//! Loading reads a whole partition, so it has a thread of its own, one partition after the other. A
//! partition that is resigned meanwhile is not read to its end. A resignation reads nothing: groups are
//! unloaded at once, and what waits in them is answered.

use std::sync::Arc;

use log::{Level, debug, info, log};

use crate::common::errors::Errors;
use crate::common::log_limit::{LogKind, limited};
use crate::common::scheduler::{KafkaScheduler, Scheduler};
use crate::common::topic_partition::{GROUP_METADATA_TOPIC_NAME, TopicAndPartition};
use crate::common::units::LeaderEpoch;
use crate::coordinator::group_changes::GroupChanges;

/// Follows the leaders of `__consumer_offsets`.
pub struct GroupElections {
    changes: Arc<GroupChanges>,
    /// Starts its thread with the first task: a broker that is alone has none.
    scheduler: KafkaScheduler,
}

impl GroupElections {
    pub fn new(changes: Arc<GroupChanges>) -> Self {
        Self { changes, scheduler: KafkaScheduler::new(1, "group-metadata-manager-") }
    }

    /// This broker leads a partition from `leader_epoch` on: loads its groups. Returns at once; until
    /// they are loaded their clients get `COORDINATOR_LOAD_IN_PROGRESS`.
    pub fn on_election(&self, partition: i32, leader_epoch: LeaderEpoch) {
        let Some(load) = self.changes.manager().table().elect(partition, leader_epoch) else {
            debug!(
                "no need to load {GROUP_METADATA_TOPIC_NAME}-{partition} in epoch {leader_epoch}"
            );
            return;
        };
        let changes = Arc::clone(&self.changes);
        let task = move || changes.load_elected(load, leader_epoch);
        self.schedule(&format!("{GROUP_METADATA_TOPIC_NAME}-{partition}"), task);
    }

    /// This broker does not lead a partition any more, as of `leader_epoch`; without one, it has no
    /// replica of it any more. Its groups are unloaded, and requests for them get `NOT_COORDINATOR`,
    /// those that wait as well.
    pub fn on_resignation(&self, partition: i32, leader_epoch: Option<LeaderEpoch>) {
        let Some(groups) = self.changes.manager().table().resign(partition, leader_epoch) else {
            debug!("an old resignation from {GROUP_METADATA_TOPIC_NAME}-{partition} is ignored");
            return;
        };
        if !groups.is_empty() {
            info!(
                "unloading {} groups of {GROUP_METADATA_TOPIC_NAME}-{partition}, which this broker \
                 does not lead any more",
                groups.len()
            );
        }
        groups.iter().for_each(|group| self.changes.unload(group, Errors::NotCoordinator));
    }

    /// Removes the offsets of partitions that no longer exist, in the groups that are coordinated here.
    /// Returns at once. Nobody waits for the log: the loadings behind it must not, and a stop waits for
    /// this thread before it completes what waits for replicas.
    pub fn on_partitions_deleted(&self, deleted: Vec<TopicAndPartition>) {
        let changes = Arc::clone(&self.changes);
        let task = move || {
            changes.begin_to_remove_offsets_of(&deleted, &|| Box::new(report_kept_offsets));
        };
        self.schedule("handleDeletedPartitions", task);
    }

    /// Loads nothing any more, and waits for what is being loaded: that notices that the coordinator
    /// has stopped.
    pub fn shutdown(&self) {
        self.scheduler.shutdown();
    }

    fn schedule(&self, name: &str, task: impl FnMut() + Send + 'static) {
        self.scheduler.schedule(name, 0, None, Box::new(task));
    }
}

/// Of a group whose offsets of deleted partitions could not be removed.
fn report_kept_offsets(stored: Result<(), Errors>) {
    if let Err(error) = stored {
        let level = limited(LogKind::Failures, Level::Error);
        log!(level, "the offsets of deleted partitions are left in a group: {error}");
    }
}
