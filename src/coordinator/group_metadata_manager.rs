//! Port of `kafka.coordinator.GroupMetadataManager`: how groups get out of `__consumer_offsets`, and
//! their records into it.
//!
//! A log with one replica answers an append before it returns. With more, the answer comes when the
//! others have the records: nobody waits for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use log::{Level, error, info, log};

use crate::common::errors::{Errors, KafkaError};
use crate::common::log_limit::{LogKind, limited};
use crate::common::text::for_log;
use crate::common::time::Time;
use crate::common::topic_partition::{GROUP_METADATA_TOPIC_NAME, TopicAndPartition};
use crate::common::units::LeaderEpoch;
use crate::coordinator::group::Group;
use crate::coordinator::group_config::OffsetConfig;
use crate::coordinator::group_loader::LoadedGroups;
use crate::coordinator::group_memory::GroupMemory;
use crate::coordinator::group_metadata::{GroupMetadata, group_bytes};
use crate::coordinator::group_results::DoneCallback;
use crate::coordinator::group_store::{Record, Store};
use crate::coordinator::group_table::{GroupTable, Load};
use crate::message::record_batch_builder::RecordBatchBuilder;
use crate::replica::partition::Partition;
use crate::replica::replica_manager::{AppendParams, ReplicaManager};

/// All groups.
pub struct GroupMetadataManager {
    config: OffsetConfig,
    memory: Arc<GroupMemory>,
    replica_manager: Arc<ReplicaManager>,
    time: Arc<dyn Time>,
    table: GroupTable,
}

impl GroupMetadataManager {
    /// No groups yet, and no `__consumer_offsets`.
    pub fn new(
        config: OffsetConfig,
        table: GroupTable,
        replica_manager: Arc<ReplicaManager>,
        time: Arc<dyn Time>,
    ) -> Self {
        let memory = GroupMemory::of_setting(config.memory_max_bytes);
        Self { config, memory, replica_manager, time, table }
    }

    pub fn config(&self) -> &OffsetConfig {
        &self.config
    }

    /// Which partitions of `__consumer_offsets` are coordinated here.
    pub fn table(&self) -> &GroupTable {
        &self.table
    }

    /// `__consumer_offsets` exists, with so many partitions.
    pub fn set_partition_count(&self, partition_count: i32) {
        self.table.set_partition_count(partition_count);
    }

    /// The partition that holds a group; none as long as there is no `__consumer_offsets`.
    pub fn partition_for(&self, group_id: &str) -> Option<TopicAndPartition> {
        let partition = self.table.partition_for(group_id)?;
        Some(TopicAndPartition::new(GROUP_METADATA_TOPIC_NAME, partition))
    }

    pub fn memory(&self) -> &Arc<GroupMemory> {
        &self.memory
    }

    /// The size of the largest batch that the partition of a group takes, in bytes.
    pub fn record_bytes_max(&self, group_id: &str) -> usize {
        // Without the partition nothing can be stored, which is found out when it is tried.
        let hosted = self.hosted_partition_for(group_id);
        hosted.map_or(usize::MAX, |it| it.local_replica().log.config().max_message_size)
    }

    fn hosted_partition_for(&self, group_id: &str) -> Option<Arc<Partition>> {
        self.replica_manager.local_logs().get_partition(&self.partition_for(group_id)?)
    }

    /// A group that this broker coordinates; none if there is no such group.
    ///
    /// # Errors
    /// As [`GroupTable::find`]; `COORDINATOR_NOT_AVAILABLE` also if the log directory of its partition
    /// is offline.
    pub fn find_group(&self, group_id: &str) -> Result<Option<Arc<Group>>, Errors> {
        let found = self.table.find(group_id)?;
        let is_online = |it: Arc<Partition>| it.local_replica().log.log_dir().is_online();
        match self.hosted_partition_for(group_id).is_none_or(is_online) {
            true => Ok(found),
            false => Err(Errors::CoordinatorNotAvailable),
        }
    }

    /// A group that is coordinated here.
    pub fn get_group(&self, group_id: &str) -> Option<Arc<Group>> {
        self.table.find(group_id).ok().flatten()
    }

    /// # Errors
    /// `COORDINATOR_NOT_AVAILABLE` if there is no memory for another group; as [`GroupTable::find`].
    pub fn get_or_create_group(&self, group_id: &str) -> Result<Arc<Group>, Errors> {
        if let Some(group) = self.table.find(group_id)? {
            return Ok(group);
        }
        let held = self.memory.hold(group_bytes(group_id, ""))?;
        let new = Group::new(GroupMetadata::held(group_id, self.time.milliseconds(), held));
        // Another thread may have been quicker.
        self.table.get_or_insert(new)
    }

    /// All groups, in no order.
    pub fn groups(&self) -> Vec<Arc<Group>> {
        self.table.groups()
    }

    /// Drops a group that has been removed from the log.
    pub fn drop_group(&self, removed: &Arc<Group>) {
        self.table.replace(removed, None);
    }
}

/// Loading.
impl GroupMetadataManager {
    /// Loads all partitions of `__consumer_offsets`.
    pub fn load_groups(&self) {
        let started_ms = self.time.hi_res_clock_ms();
        for partition in 0..self.table.partition_count().unwrap_or(0) {
            if let Some(load) = self.table.begin_load(partition) {
                self.load_partition(load, &|| true);
            }
        }
        let elapsed_ms = self.time.hi_res_clock_ms() - started_ms;
        info!("loaded {} groups in {elapsed_ms} ms", self.groups().len());
    }

    /// Loads a partition for which this broker was elected in `leader_epoch`, unless it is resigned
    /// meanwhile or `is_wanted` says no. Returns its groups.
    pub fn load_elected(
        &self,
        load: Load,
        leader_epoch: LeaderEpoch,
        is_wanted: &dyn Fn() -> bool,
    ) -> Vec<Arc<Group>> {
        let started_ms = self.time.hi_res_clock_ms();
        let Some(groups) = self.load_partition(load, is_wanted) else { return Vec::new() };
        let elapsed_ms = self.time.hi_res_clock_ms() - started_ms;
        // Most partitions of a young cluster have none.
        let level = if groups.is_empty() { Level::Debug } else { Level::Info };
        log!(
            level,
            "loaded {} groups of {GROUP_METADATA_TOPIC_NAME}-{} in {elapsed_ms} ms, as their \
             coordinator in epoch {leader_epoch}",
            groups.len(),
            load.partition
        );
        groups
    }

    /// Reads a partition to its end, and has its groups answer from then on. None is returned if the
    /// loading is moot.
    ///
    /// Of one that cannot be read to its end no group is taken: an older offset, or none where there
    /// was one, would have consumers read again what they have read, or pass over what they have
    /// not.
    fn load_partition(&self, load: Load, is_wanted: &dyn Fn() -> bool) -> Option<Vec<Arc<Group>>> {
        let key = TopicAndPartition::new(GROUP_METADATA_TOPIC_NAME, load.partition);
        let mut loaded = LoadedGroups::default();
        let is_awaited = || is_wanted() && self.table.is_awaited(load);
        let read = || self.load(&key, &mut loaded, &is_awaited);
        // A panic would leave the partition's clients waiting for this loading.
        let read = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
            Err(KafkaError::api(Errors::UnknownServerError, "its loading panicked".to_string()))
        });
        if !is_awaited() {
            return None;
        }
        if let Err(error) = read {
            error!(
                "cannot read {key} to its end, so its groups are refused until a restart or another \
                 leader can: {error}; `transferto dump-log` shows where the damage is"
            );
            self.table.end_load(load, None);
            return None;
        }
        let is_of_partition = |group: &GroupMetadata| {
            self.table.partition_for(&group.group_id) == Some(load.partition)
        };
        let (groups, strays): (Vec<_>, Vec<_>) =
            loaded.into_groups().into_iter().partition(is_of_partition);
        if let Some(stray) = strays.first() {
            error!(
                "{key} has {} groups that belong into other partitions, among them {}: they are \
                 left alone; were partitions added to {GROUP_METADATA_TOPIC_NAME}?",
                strays.len(),
                for_log(&stray.group_id)
            );
        }
        let groups: Vec<_> = groups.into_iter().map(|it| self.held(it)).collect();
        self.table.end_load(load, Some(&groups)).then_some(groups)
    }

    /// Puts a group as it is in the log in the place of one that has failed, and returns it; none if
    /// the log does not have it, or the failed group has been unloaded meanwhile.
    ///
    /// # Errors
    /// If the log cannot be read to its end. Then the failed group stays: in its place, a group that
    /// has lost offsets would have its consumers begin anew.
    pub fn reload_group(&self, failed: &Arc<Group>) -> Result<Option<Arc<Group>>, KafkaError> {
        let mut loaded = LoadedGroups::default();
        if let Some(partition) = self.partition_for(failed.group_id()) {
            self.load(&partition, &mut loaded, &|| true)?;
        }
        let mut groups = loaded.into_groups().into_iter();
        let group = groups.find(|it| it.group_id == failed.group_id()).map(|it| self.held(it));
        let level = limited(LogKind::Failures, Level::Info);
        log!(level, "loaded group {} again from the log", for_log(failed.group_id()));
        let is_replaced = self.table.replace(failed, group.clone());
        Ok(group.filter(|_| is_replaced))
    }

    fn held(&self, mut loaded: GroupMetadata) -> Arc<Group> {
        loaded.hold_stored(&self.memory);
        Group::new(loaded)
    }

    fn load(
        &self,
        partition: &TopicAndPartition,
        loaded: &mut LoadedGroups,
        is_awaited: &dyn Fn() -> bool,
    ) -> Result<(), KafkaError> {
        let hosted = self.replica_manager.local_logs().get_partition(partition);
        let hosted = hosted.ok_or_else(|| {
            KafkaError::api(Errors::KafkaStorageError, format!("{partition} is missing"))
        })?;
        loaded.read(&hosted, self.config.load_buffer_size, is_awaited)
    }
}

/// Appends.
impl GroupMetadataManager {
    /// Appends the records of a change to the partition of its group. Calls back when they are safe, or
    /// with the reason why they may not be: once, and before this returns unless other replicas are waited for.
    ///
    /// A thread may come here late, when the partition has been resigned, loaded anew, and written to by the
    /// next incarnation of the group: nothing of the old one may land behind that. So the group has to be
    /// in the table still, and the log to be led in the epoch that the table has then.
    pub fn append(&self, group: &Arc<Group>, store: &Store, callback: DoneCallback) {
        let group_id = group.group_id();
        let records = store.records(group_id);
        let batch = match self.batch_of(group_id, &records) {
            Ok(Some(batch)) => batch,
            Ok(None) => return callback(Ok(())),
            Err(error) => return callback(Err(error)),
        };
        let leader_epoch = match self.table.leader_epoch_of(group) {
            Ok(leader_epoch) => leader_epoch,
            Err(error) => return callback(Err(error)),
        };
        let (key, mut bytes) = batch;
        let entries = [(key, 0..bytes.len())];
        self.replica_manager.append_messages_in_epoch(
            AppendParams {
                timeout_ms: i64::from(self.config.offset_commit_timeout_ms),
                required_acks: self.config.offset_commit_required_acks,
                leader_epoch,
            },
            &entries,
            &mut bytes,
            Box::new(move |answers| {
                let error = answers.first().and_then(|(_, answer)| answer.error);
                callback(error.map_or(Ok(()), for_clients));
            }),
        );
    }

    /// The partition, and the bytes to append to it; none without records.
    fn batch_of(
        &self,
        group_id: &str,
        records: &[Record],
    ) -> Result<Option<(TopicAndPartition, Vec<u8>)>, Errors> {
        if records.is_empty() {
            return Ok(None);
        }
        let key = self.partition_for(group_id).ok_or(Errors::NotCoordinator)?;
        let now_ms = self.time.milliseconds().0;
        let batch = records.iter().fold(RecordBatchBuilder::new(0), |batch, (key, value)| {
            batch.record(now_ms, Some(key), value.as_deref())
        });
        let bytes = batch.build().map_err(|_| Errors::InvalidCommitOffsetSize)?;
        Ok(Some((key, bytes)))
    }
}

/// What an error of the log means to the clients of a group.
fn for_clients(error: Errors) -> Result<(), Errors> {
    Err(match error {
        Errors::UnknownTopicOrPartition
        | Errors::NotEnoughReplicas
        | Errors::NotEnoughReplicasAfterAppend => Errors::CoordinatorNotAvailable,
        Errors::NotLeaderForPartition
        | Errors::FencedLeaderEpoch
        | Errors::UnknownLeaderEpoch
        | Errors::KafkaStorageError => Errors::NotCoordinator,
        Errors::RecordTooLarge | Errors::RecordListTooLarge | Errors::InvalidFetchSize => {
            Errors::InvalidCommitOffsetSize
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_log_are_put_so_that_a_client_tries_again_or_gives_up() {
        let expected = [
            (Errors::NotEnoughReplicas, Errors::CoordinatorNotAvailable),
            (Errors::NotEnoughReplicasAfterAppend, Errors::CoordinatorNotAvailable),
            (Errors::UnknownTopicOrPartition, Errors::CoordinatorNotAvailable),
            (Errors::NotLeaderForPartition, Errors::NotCoordinator),
            (Errors::FencedLeaderEpoch, Errors::NotCoordinator),
            (Errors::KafkaStorageError, Errors::NotCoordinator),
            (Errors::RecordTooLarge, Errors::InvalidCommitOffsetSize),
            (Errors::RequestTimedOut, Errors::RequestTimedOut),
        ];
        for (of_the_log, for_the_client) in expected {
            assert_eq!(for_clients(of_the_log), Err(for_the_client));
        }
    }
}
