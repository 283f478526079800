//! Port of `kafka.coordinator.GroupMetadataManager`: the table of groups, and their records in
//! `__consumer_offsets`.
//!
//! The log has one replica here, so the answer of `ReplicaManager` is there when the append
//! returns, and the thread that appends waits for it. It holds no group's lock meanwhile.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::Duration;

use log::{Level, error, info, log};

use crate::common::errors::{Errors, KafkaError};
use crate::common::lock::locked;
use crate::common::log_limit::{LogKind, limited};
use crate::common::text::for_log;
use crate::common::time::Time;
use crate::common::topic_partition::{GROUP_METADATA_TOPIC_NAME, TopicAndPartition};
use crate::coordinator::group::Group;
use crate::coordinator::group_config::OffsetConfig;
use crate::coordinator::group_loader::LoadedGroups;
use crate::coordinator::group_memory::GroupMemory;
use crate::coordinator::group_metadata::{GroupMetadata, group_bytes};
use crate::coordinator::group_store::{Record, Store};
use crate::message::record_batch_builder::RecordBatchBuilder;
use crate::replica::replica_manager::ReplicaManager;

/// All groups.
pub struct GroupMetadataManager {
    config: OffsetConfig,
    memory: Arc<GroupMemory>,
    replica_manager: Arc<ReplicaManager>,
    time: Arc<dyn Time>,
    /// Set when `__consumer_offsets` exists.
    partition_count: OnceLock<i32>,
    groups: Mutex<HashMap<String, Arc<Group>>>,
    /// The partitions of `__consumer_offsets` that could not be read to their ends.
    unread: Mutex<HashSet<TopicAndPartition>>,
}

impl GroupMetadataManager {
    /// No groups yet, and no `__consumer_offsets`.
    pub fn new(
        config: OffsetConfig,
        replica_manager: Arc<ReplicaManager>,
        time: Arc<dyn Time>,
    ) -> Self {
        let (partition_count, groups, unread) =
            (OnceLock::new(), Mutex::default(), Mutex::default());
        let memory = GroupMemory::of_setting(config.memory_max_bytes);
        Self { config, memory, replica_manager, time, partition_count, groups, unread }
    }

    pub fn config(&self) -> &OffsetConfig {
        &self.config
    }

    /// `__consumer_offsets` exists, with so many partitions. The number never changes: groups would
    /// be looked for in other partitions then.
    pub fn set_partition_count(&self, partition_count: i32) {
        self.partition_count.get_or_init(|| partition_count);
    }

    /// The partition that holds a group; none as long as there is no `__consumer_offsets`.
    pub fn partition_for(&self, group_id: &str) -> Option<TopicAndPartition> {
        let partition_count = *self.partition_count.get()?;
        let partition = partition_of(group_id, partition_count);
        Some(TopicAndPartition::new(GROUP_METADATA_TOPIC_NAME, partition))
    }

    /// Whether the groups of a partition cannot be known: its log directory is offline, or it could
    /// not be read to its end.
    pub fn is_unavailable(&self, partition: &TopicAndPartition) -> bool {
        if locked(&self.unread).contains(partition) {
            return true;
        }
        let hosted = self.replica_manager.local_logs().get_partition(partition);
        hosted.is_some_and(|it| !it.local_replica().log.log_dir().is_online())
    }

    pub fn memory(&self) -> &Arc<GroupMemory> {
        &self.memory
    }

    /// The size of the largest batch that the partition of a group takes, in bytes.
    pub fn record_bytes_max(&self, group_id: &str) -> usize {
        let key = self.partition_for(group_id);
        let hosted = key.and_then(|key| self.replica_manager.local_logs().get_partition(&key));
        // Without the partition nothing can be stored, which is found out when it is tried.
        hosted.map_or(usize::MAX, |it| it.local_replica().log.config().max_message_size)
    }

    pub fn get_group(&self, group_id: &str) -> Option<Arc<Group>> {
        locked(&self.groups).get(group_id).cloned()
    }

    /// # Errors
    /// `COORDINATOR_NOT_AVAILABLE` if there is no memory for another group.
    pub fn get_or_create_group(&self, group_id: &str) -> Result<Arc<Group>, Errors> {
        if let Some(group) = self.get_group(group_id) {
            return Ok(group);
        }
        let held = self.memory.hold(group_bytes(group_id, ""))?;
        let new = Group::new(GroupMetadata::held(group_id, self.time.milliseconds(), held));
        // Another thread may have been quicker.
        Ok(Arc::clone(locked(&self.groups).entry(group_id.to_string()).or_insert(new)))
    }

    /// All groups, in no order.
    pub fn groups(&self) -> Vec<Arc<Group>> {
        locked(&self.groups).values().cloned().collect()
    }

    /// Drops a group that has been removed from the log.
    pub fn drop_group(&self, removed: &Arc<Group>) {
        self.replace_group(removed, None);
    }

    /// Reads all partitions of `__consumer_offsets`, from their beginnings to their high
    /// watermarks.
    ///
    /// Of one that cannot be read to its end no group is taken: an older offset, or none where there
    /// was one, would have consumers read again what they have read, or pass over what they have
    /// not.
    pub fn load_groups(&self) {
        let started_ms = self.time.hi_res_clock_ms();
        for partition in 0..self.partition_count.get().copied().unwrap_or(0) {
            let key = TopicAndPartition::new(GROUP_METADATA_TOPIC_NAME, partition);
            let mut loaded = LoadedGroups::default();
            if let Err(error) = self.load(&key, &mut loaded) {
                error!(
                    "cannot read {key} to its end, so its groups are refused until a restart can: \
                     {error}; `transferto dump-log` shows where the damage is"
                );
                locked(&self.unread).insert(key);
                continue;
            }
            let mut groups = locked(&self.groups);
            for mut group in loaded.into_groups() {
                group.hold_stored(&self.memory);
                groups.insert(group.group_id.clone(), Group::new(group));
            }
        }
        let elapsed_ms = self.time.hi_res_clock_ms() - started_ms;
        info!("loaded {} groups in {elapsed_ms} ms", locked(&self.groups).len());
    }

    /// Puts a group as it is in the log in the place of one that has failed, and returns it; none if
    /// the log does not have it.
    ///
    /// # Errors
    /// If the log cannot be read to its end. Then the failed group stays: in its place, a group that
    /// has lost offsets would have its consumers begin anew.
    pub fn reload_group(&self, failed: &Arc<Group>) -> Result<Option<Arc<Group>>, KafkaError> {
        let mut loaded = LoadedGroups::default();
        if let Some(partition) = self.partition_for(failed.group_id()) {
            self.load(&partition, &mut loaded)?;
        }
        let mut groups = loaded.into_groups().into_iter();
        let group = groups.find(|it| it.group_id == failed.group_id()).map(|mut group| {
            group.hold_stored(&self.memory);
            Group::new(group)
        });
        let level = limited(LogKind::Failures, Level::Info);
        log!(level, "loaded group {} again from the log", for_log(failed.group_id()));
        self.replace_group(failed, group.clone());
        Ok(group)
    }

    fn load(
        &self,
        partition: &TopicAndPartition,
        loaded: &mut LoadedGroups,
    ) -> Result<(), KafkaError> {
        let hosted = self.replica_manager.local_logs().get_partition(partition);
        let hosted = hosted.ok_or_else(|| {
            KafkaError::api(Errors::KafkaStorageError, format!("{partition} is missing"))
        })?;
        loaded.read(&hosted, self.config.load_buffer_size)
    }

    fn replace_group(&self, old: &Arc<Group>, new: Option<Arc<Group>>) {
        let mut groups = locked(&self.groups);
        let Entry::Occupied(mut entry) = groups.entry(old.group_id().to_string()) else { return };
        if !Arc::ptr_eq(entry.get(), old) {
            return;
        }
        match new {
            Some(new) => drop(entry.insert(new)),
            None => drop(entry.remove()),
        }
    }

    /// Appends the records of a change to the partition of its group, and waits until they are
    /// safe.
    ///
    /// # Errors
    /// The code for the client that caused the change.
    pub fn store(&self, group_id: &str, store: &Store) -> Result<(), Errors> {
        let append = || self.append(group_id, &store.records(group_id));
        // A panic would leave the group's later changes waiting for this one.
        let appended = catch_unwind(AssertUnwindSafe(append)).unwrap_or_else(|_| {
            let level = limited(LogKind::Failures, Level::Error);
            log!(level, "an append of group {} panicked", for_log(group_id));
            Err(Errors::UnknownServerError)
        });
        appended.map_err(|error| store.client_error(error))
    }

    fn append(&self, group_id: &str, records: &[Record]) -> Result<(), Errors> {
        if records.is_empty() {
            return Ok(());
        }
        let key = self.partition_for(group_id).ok_or(Errors::NotCoordinator)?;
        let now_ms = self.time.milliseconds().0;
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
            // The receiver is gone if the answer comes after the timeout.
            Box::new(move |answers| drop(sender.send(answers))),
        );
        let timeout = Duration::from_millis(u64::from(timeout_ms));
        let answers = receiver.recv_timeout(timeout).map_err(|_| Errors::RequestTimedOut)?;
        answers.first().and_then(|(_, answer)| answer.error).map_or(Ok(()), for_clients)
    }
}

/// What an error of the log means to the clients of a group.
fn for_clients(error: Errors) -> Result<(), Errors> {
    Err(match error {
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

/// Port of `GroupMetadataManager.partitionFor`: by Java's `String.hashCode`, as in every Kafka.
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
        let expected = [
            (Errors::NotEnoughReplicas, Errors::CoordinatorNotAvailable),
            (Errors::KafkaStorageError, Errors::NotCoordinator),
            (Errors::RecordTooLarge, Errors::InvalidCommitOffsetSize),
            (Errors::RequestTimedOut, Errors::RequestTimedOut),
        ];
        for (of_the_log, for_the_client) in expected {
            assert_eq!(for_clients(of_the_log), Err(for_the_client));
        }
    }
}
