//! Port of `kafka.coordinator.GroupMetadataManager`: all groups, in memory and in
//! `__consumer_offsets`.
//!
//! What a group is told to keep is in the log before it is in memory and before the client hears of
//! it. The log has one replica, here, so the answer of `ReplicaManager` is there when the append
//! returns, and the caller, who holds the group's lock, waits for it: in Kafka a callback takes
//! that lock again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, mpsc};
use std::time::Duration;

use log::{debug, error, info};

use crate::common::errors::Errors;
use crate::common::time::Time;
use crate::common::topic_partition::{GROUP_METADATA_TOPIC_NAME, TopicAndPartition};
use crate::coordinator::group_config::OffsetConfig;
use crate::coordinator::group_loader::load_partition;
use crate::coordinator::group_metadata::{Group, GroupMetadata};
use crate::coordinator::group_records::{
    group_metadata_key, group_metadata_value, offset_commit_key, offset_commit_value,
};
use crate::coordinator::group_state::GroupState;
use crate::coordinator::offset_and_metadata::OffsetAndMetadata;
use crate::message::record_batch::RecordBatchBuilder;
use crate::replica::replica_manager::ReplicaManager;

/// How many tombstones go into one batch: far less than `max.message.bytes`.
const TOMBSTONES_PER_BATCH: usize = 500;

/// The groups and their offsets.
pub struct GroupMetadataManager {
    config: OffsetConfig,
    replica_manager: Arc<ReplicaManager>,
    time: Arc<dyn Time>,
    /// Set when `__consumer_offsets` exists.
    partition_count: OnceLock<i32>,
    groups: Mutex<HashMap<String, Arc<Group>>>,
}

impl GroupMetadataManager {
    /// No groups yet, and no `__consumer_offsets`.
    pub fn new(
        config: OffsetConfig,
        replica_manager: Arc<ReplicaManager>,
        time: Arc<dyn Time>,
    ) -> Self {
        let (partition_count, groups) = (OnceLock::new(), Mutex::default());
        Self { config, replica_manager, time, partition_count, groups }
    }

    /// The settings.
    pub fn config(&self) -> &OffsetConfig {
        &self.config
    }

    /// `__consumer_offsets` exists, with so many partitions: a fact that does not change, because
    /// groups would be looked for in other partitions then.
    pub fn set_partition_count(&self, partition_count: i32) {
        self.partition_count.get_or_init(|| partition_count);
    }

    /// The partition that keeps a group; none as long as there is no `__consumer_offsets`.
    pub fn partition_for(&self, group_id: &str) -> Option<TopicAndPartition> {
        let partition_count = *self.partition_count.get()?;
        let partition = partition_of(group_id, partition_count);
        Some(TopicAndPartition::new(GROUP_METADATA_TOPIC_NAME, partition))
    }

    /// A group, if it exists.
    pub fn get_group(&self, group_id: &str) -> Option<Arc<Group>> {
        self.lock_groups().get(group_id).cloned()
    }

    /// A group, which comes into being if it does not exist.
    pub fn get_or_create_group(&self, group_id: &str) -> Arc<Group> {
        let new = || Group::new(GroupMetadata::new(group_id, self.time.milliseconds()));
        Arc::clone(self.lock_groups().entry(group_id.to_string()).or_insert_with(new))
    }

    /// All groups, in no order.
    pub fn groups(&self) -> Vec<Arc<Group>> {
        self.lock_groups().values().cloned().collect()
    }

    /// Forgets a group that is dead. Not to be called under its lock.
    pub fn forget_group(&self, group_id: &str, dead: &Arc<Group>) {
        let mut groups = self.lock_groups();
        if groups.get(group_id).is_some_and(|it| Arc::ptr_eq(it, dead)) {
            groups.remove(group_id);
        }
    }

    /// Reads all partitions of `__consumer_offsets`, from their beginnings to their high
    /// watermarks.
    pub fn load_groups(&self) {
        let started_ms = self.time.hi_res_clock_ms();
        for partition in 0..self.partition_count.get().copied().unwrap_or(0) {
            let key = TopicAndPartition::new(GROUP_METADATA_TOPIC_NAME, partition);
            let Some(hosted) = self.replica_manager.local_logs().get_partition(&key) else {
                error!("{key} is missing: its groups are lost");
                continue;
            };
            let loaded = load_partition(&hosted, self.config.load_buffer_size);
            let mut groups = self.lock_groups();
            for group in loaded {
                groups.insert(group.group_id.clone(), Group::new(group));
            }
        }
        let elapsed_ms = self.time.hi_res_clock_ms() - started_ms;
        info!("loaded {} groups in {elapsed_ms} ms", self.lock_groups().len());
    }

    /// Writes a group and its members down, as they are now.
    ///
    /// # Errors
    /// What the members are to be told.
    pub fn store_group(&self, group: &GroupMetadata) -> Result<(), Errors> {
        let (key, value) = (group_metadata_key(&group.group_id), group_metadata_value(group));
        let record = (key, Some(value));
        self.append(&group.group_id, vec![record]).map_err(|error| match error {
            Errors::RequestTimedOut => Errors::RebalanceInProgress,
            Errors::InvalidCommitOffsetSize => Errors::UnknownServerError,
            other => other,
        })
    }

    /// Writes offsets down, and keeps them in memory if that succeeds.
    ///
    /// # Errors
    /// What the client is to be told.
    pub fn store_offsets(
        &self,
        group: &mut GroupMetadata,
        offsets: Vec<(TopicAndPartition, OffsetAndMetadata)>,
    ) -> Result<(), Errors> {
        let record = |(key, it): &(TopicAndPartition, OffsetAndMetadata)| {
            (offset_commit_key(&group.group_id, key), Some(offset_commit_value(it)))
        };
        self.append(&group.group_id, offsets.iter().map(record).collect())?;
        group.offsets.extend(offsets);
        Ok(())
    }

    /// Takes offsets back; those that the group does not have are passed over.
    ///
    /// # Errors
    /// What the client is to be told. Then some may be taken back and others not.
    pub fn remove_offsets(
        &self,
        group: &mut GroupMetadata,
        partitions: &[TopicAndPartition],
    ) -> Result<(), Errors> {
        let known: Vec<_> =
            partitions.iter().filter(|key| group.offsets.contains_key(*key)).collect();
        for some in known.chunks(TOMBSTONES_PER_BATCH) {
            let tombstone =
                |key: &&TopicAndPartition| (offset_commit_key(&group.group_id, key), None);
            self.append(&group.group_id, some.iter().map(tombstone).collect())?;
            for key in some {
                group.offsets.remove(*key);
            }
        }
        Ok(())
    }

    /// Takes back what [`store_group`](Self::store_group) has written, if it ever has.
    ///
    /// # Errors
    /// What the client is to be told.
    pub fn remove_group_record(&self, group: &GroupMetadata) -> Result<(), Errors> {
        // A group without a generation has only ever had offsets.
        if group.generation_id == 0 {
            return Ok(());
        }
        self.append(&group.group_id, vec![(group_metadata_key(&group.group_id), None)])
    }

    /// Forgets the offsets that have expired, and the groups that have neither members nor offsets
    /// any more.
    pub fn cleanup_group_metadata(&self) {
        let (now_ms, started_ms) = (self.time.milliseconds(), self.time.hi_res_clock_ms());
        let mut forgotten = 0;
        for group in self.groups() {
            forgotten += self.cleanup_group(&group, now_ms);
        }
        let elapsed_ms = self.time.hi_res_clock_ms() - started_ms;
        debug!("GroupMetadataManager.cleanupGroupMetadata: {forgotten} offsets in {elapsed_ms} ms");
    }

    /// Forgets the offsets in partitions that no longer exist.
    pub fn handle_deleted_partitions(&self, deleted: &[TopicAndPartition]) {
        for group in self.groups() {
            let group = &mut *group.lock();
            if let Err(error) = self.remove_offsets(group, deleted) {
                error!("the group {} keeps offsets of a deleted topic: {error}", group.group_id);
            }
        }
    }

    /// Returns how many offsets were forgotten.
    fn cleanup_group(&self, shared: &Arc<Group>, now_ms: i64) -> usize {
        let mut group = shared.lock();
        let expired = group.expired_offsets(now_ms, self.config.offsets_retention_ms);
        if let Err(error) = self.remove_offsets(&mut group, &expired) {
            error!("the group {} keeps offsets that have expired: {error}", group.group_id);
            return 0;
        }
        let is_over = group.is(GroupState::Empty) && group.has_no_members();
        if is_over && group.offsets.is_empty() {
            if let Err(error) = self.remove_group_record(&group) {
                error!("the group {} outlives its offsets: {error}", group.group_id);
                return expired.len();
            }
            info!("forgot the group {}, which has neither members nor offsets", group.group_id);
            let group_id = group.group_id.clone();
            group.transition_to(GroupState::Dead, now_ms);
            drop(group);
            self.forget_group(&group_id, shared);
        }
        expired.len()
    }

    /// Appends records to the partition of a group, and waits until they are kept.
    fn append(
        &self,
        group_id: &str,
        records: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    ) -> Result<(), Errors> {
        if records.is_empty() {
            return Ok(());
        }
        let key = self.partition_for(group_id).ok_or(Errors::NotCoordinator)?;
        let now_ms = self.time.milliseconds();
        let batch = records.iter().fold(RecordBatchBuilder::new(0), |batch, (key, value)| {
            batch.record(now_ms, Some(key), value.as_deref())
        });
        let mut bytes = batch.build().map_err(|_| Errors::InvalidCommitOffsetSize)?;
        let entries = [(key, 0..bytes.len())];
        let timeout_ms = self.config.offset_commit_timeout_ms;
        let (sender, receiver) = mpsc::channel();
        self.replica_manager.append_messages(
            i64::from(timeout_ms),
            self.config.offset_commit_required_acks,
            &entries,
            &mut bytes,
            // Nobody listens any more if it comes after the timeout.
            Box::new(move |answers| drop(sender.send(answers))),
        );
        let timeout = Duration::from_millis(u64::from(timeout_ms));
        let answers = receiver.recv_timeout(timeout).map_err(|_| Errors::RequestTimedOut)?;
        answers.first().map_or(Ok(()), |(_, answer)| for_members(answer.error))
    }

    fn lock_groups(&self) -> MutexGuard<'_, HashMap<String, Arc<Group>>> {
        self.groups.lock().expect("no thread panics while it holds the table of groups")
    }
}

/// What an error of the log means to a member of a group.
fn for_members(error: Errors) -> Result<(), Errors> {
    Err(match error {
        Errors::None => return Ok(()),
        Errors::UnknownTopicOrPartition
        | Errors::NotEnoughReplicas
        | Errors::NotEnoughReplicasAfterAppend => Errors::CoordinatorNotAvailable,
        Errors::NotLeaderForPartition | Errors::KafkaStorageError => Errors::NotCoordinator,
        Errors::RecordTooLarge | Errors::RecordListTooLarge | Errors::InvalidFetchSize => {
            Errors::InvalidCommitOffsetSize
        }
        other => other,
    })
}

/// Port of `GroupMetadataManager.partitionFor`: by Java's `String.hashCode`, as every Kafka does
/// it.
fn partition_of(group_id: &str, partition_count: i32) -> i32 {
    let hash = group_id
        .encode_utf16()
        .fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // `Utils.abs` has 0 for the one number that has no positive counterpart.
    hash.checked_abs().unwrap_or(0) % partition_count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hashes are Java's: `"g".hashCode()` and so on.
    #[test]
    fn a_group_has_the_partition_that_it_has_in_kafka() {
        let by_hash = |group_id: &str| partition_of(group_id, i32::MAX);
        assert_eq!(by_hash(""), 0);
        assert_eq!(by_hash("g"), 103);
        assert_eq!(by_hash("group"), 98_629_247);
        assert_eq!(by_hash("console-consumer"), 648_006_740);
        assert_eq!(by_hash("\u{1F600}"), 1_772_899);
        // Its hash is the smallest of all numbers.
        assert_eq!(partition_of("polygenelubricants", 50), 0);
        assert_eq!(partition_of("group", 50), 47);
    }

    #[test]
    fn errors_of_the_log_are_put_so_that_a_client_tries_again_or_gives_up() {
        assert_eq!(for_members(Errors::None), Ok(()));
        let expected = [
            (Errors::NotEnoughReplicas, Errors::CoordinatorNotAvailable),
            (Errors::KafkaStorageError, Errors::NotCoordinator),
            (Errors::RecordTooLarge, Errors::InvalidCommitOffsetSize),
            (Errors::RequestTimedOut, Errors::RequestTimedOut),
        ];
        for (of_the_log, for_the_client) in expected {
            assert_eq!(for_members(of_the_log), Err(for_the_client));
        }
    }
}
