//! Port of the maps of `GroupMetadataManager` (`groupMetadataCache`, `ownedPartitions`,
//! `loadingPartitions`, `epochForPartitionId`): the groups, by their partition of
//! `__consumer_offsets`, and of which partitions this broker coordinates the groups.
//!
//! It coordinates those that it leads. A broker that is alone leads them all. In a cluster a partition
//! comes by an election, and is loaded before the first request is answered; it goes by a resignation,
//! and takes its groups with it.
//!
//! ```text
//!                 election            loaded
//!   Resigned ----------------> Loading -----> Coordinated
//!     ^                        |    |             |
//!     |                        |    +-> Unreadable|
//!     +------ resignation -----+-------------+----+
//! ```
//!
//! Stages and groups are under one lock, so that no group gets into a partition that has been
//! resigned, and no request finds a coordinated partition without its groups: it would send consumers
//! back to the beginning.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};

use log::{Level, log};

use crate::common::errors::Errors;
use crate::common::lock::locked;
use crate::common::log_limit::{LogKind, limited};
use crate::common::text::{java_abs, java_hash_code};
use crate::common::topic_partition::GROUP_METADATA_TOPIC_NAME;
use crate::common::units::LeaderEpoch;
use crate::coordinator::group::Group;

/// How far a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Another broker leads it, or none.
    Resigned,
    Loading(Load),
    Coordinated,
    /// It could not be read to its end.
    Unreadable,
}

impl Stage {
    /// Whether requests for its groups are answered.
    ///
    /// # Errors
    /// `NOT_COORDINATOR`; `COORDINATOR_LOAD_IN_PROGRESS`; `COORDINATOR_NOT_AVAILABLE` if it could
    /// not be read.
    fn check(self) -> Result<(), Errors> {
        match self {
            Self::Coordinated => Ok(()),
            Self::Resigned => Err(Errors::NotCoordinator),
            Self::Loading(_) => Err(Errors::CoordinatorLoadInProgress),
            Self::Unreadable => Err(Errors::CoordinatorNotAvailable),
        }
    }
}

/// One loading of a partition. It is moot once the partition has been resigned, also if it is loaded
/// anew by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    pub partition: i32,
    serial: u64,
}

/// A partition of `__consumer_offsets`.
struct OffsetsPartition {
    stage: Stage,
    /// The newest leader epoch that was heard of.
    leader_epoch: LeaderEpoch,
    groups: HashMap<String, Arc<Group>>,
}

/// All groups of this broker.
pub struct GroupTable {
    /// What a partition is until it is heard of.
    first_stage: Stage,
    /// The length of `partitions`; 0 as long as there is no `__consumer_offsets`. Only changed under
    /// their lock.
    partition_count: AtomicI32,
    partitions: Mutex<Partitions>,
}

#[derive(Default)]
struct Partitions {
    /// By their numbers.
    all: Vec<OffsetsPartition>,
    next_serial: u64,
}

impl GroupTable {
    /// Of a broker that leads every partition from the start.
    pub fn alone() -> Self {
        Self::new(Stage::Coordinated)
    }

    /// Of a broker that leads what it is elected for.
    pub fn in_cluster() -> Self {
        Self::new(Stage::Resigned)
    }

    fn new(first_stage: Stage) -> Self {
        Self { first_stage, partition_count: AtomicI32::new(0), partitions: Mutex::default() }
    }

    /// Whether there are no groups at all: the broker is alone, and nobody has asked for a
    /// coordinator yet.
    pub fn is_without_topic(&self) -> bool {
        self.first_stage == Stage::Coordinated && self.partition_count().is_none()
    }

    /// How many partitions `__consumer_offsets` has; none as long as it does not exist.
    pub fn partition_count(&self) -> Option<i32> {
        Some(self.partition_count.load(Ordering::Acquire)).filter(|count| *count > 0)
    }

    /// `__consumer_offsets` exists, with so many partitions. As in Kafka, the number does not change
    /// while this broker coordinates any: the groups would be looked for in other partitions.
    pub fn set_partition_count(&self, count: i32) {
        if self.partition_count() == Some(count) {
            return;
        }
        let mut partitions = locked(&self.partitions);
        if let Some(known) = self.partition_count()
            && partitions.all.iter().any(|it| it.stage != Stage::Resigned)
        {
            let level = limited(LogKind::Failures, Level::Error);
            log!(
                level,
                "{GROUP_METADATA_TOPIC_NAME} has {count} partitions by now: groups stay in the \
                 {known} that it had until all brokers of the cluster have been restarted, and \
                 those whose partition changes lose their offsets then"
            );
            return;
        }
        let new = |_| OffsetsPartition {
            stage: self.first_stage,
            leader_epoch: LeaderEpoch::NONE,
            groups: HashMap::new(),
        };
        partitions.all = (0..count).map(new).collect();
        self.partition_count.store(count, Ordering::Release);
    }

    /// The number of the partition that holds a group; none as long as there is no
    /// `__consumer_offsets`.
    pub fn partition_for(&self, group_id: &str) -> Option<i32> {
        self.partition_count().map(|count| partition_of(group_id, count))
    }
}

/// Groups.
impl GroupTable {
    /// A group of a partition that is coordinated here; none if the partition has no such group.
    ///
    /// # Errors
    /// `NOT_COORDINATOR` if another broker or none coordinates it, or there is no
    /// `__consumer_offsets`; `COORDINATOR_LOAD_IN_PROGRESS`; `COORDINATOR_NOT_AVAILABLE` if the
    /// partition could not be read.
    pub fn find(&self, group_id: &str) -> Result<Option<Arc<Group>>, Errors> {
        let mut partitions = locked(&self.partitions);
        Ok(partitions.coordinated(group_id)?.groups.get(group_id).cloned())
    }

    /// Adds a group, unless there is one of its id by now. Returns the one that is there.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn get_or_insert(&self, new: Arc<Group>) -> Result<Arc<Group>, Errors> {
        let mut partitions = locked(&self.partitions);
        let groups = &mut partitions.coordinated(new.group_id())?.groups;
        Ok(Arc::clone(groups.entry(new.group_id().to_string()).or_insert(new)))
    }

    /// Puts `new` in the place of `old`, or nothing. Returns whether `old` was there: else it has been
    /// replaced or unloaded by another thread.
    pub fn replace(&self, old: &Arc<Group>, new: Option<Arc<Group>>) -> bool {
        let mut partitions = locked(&self.partitions);
        let Some(partition) = partitions.of_group(old.group_id()) else { return false };
        let entry = partition.groups.entry(old.group_id().to_string());
        let Entry::Occupied(mut entry) = entry else { return false };
        if !Arc::ptr_eq(entry.get(), old) {
            return false;
        }
        match new {
            Some(new) => drop(entry.insert(new)),
            None => drop(entry.remove()),
        }
        true
    }

    /// The epoch in which this broker leads the partition of a group; [`LeaderEpoch::NONE`] on a broker that is
    /// alone.
    ///
    /// # Errors
    /// As [`find`](Self::find); `NOT_COORDINATOR` also if the group is not the one of its id any more: it was
    /// unloaded, and may have been loaded again.
    pub fn leader_epoch_of(&self, group: &Arc<Group>) -> Result<LeaderEpoch, Errors> {
        let mut partitions = locked(&self.partitions);
        let partition = partitions.coordinated(group.group_id())?;
        let current = partition.groups.get(group.group_id());
        let is_current = current.is_some_and(|it| Arc::ptr_eq(it, group));
        is_current.then_some(partition.leader_epoch).ok_or(Errors::NotCoordinator)
    }

    /// All of them, in no order.
    pub fn groups(&self) -> Vec<Arc<Group>> {
        let partitions = locked(&self.partitions);
        partitions.all.iter().flat_map(|it| it.groups.values()).cloned().collect()
    }
}

/// Elections.
impl GroupTable {
    /// This broker leads a partition in `leader_epoch`. Returns the loading that begins with it; none
    /// if the partition is coordinated or being loaded already, or the election is an old one.
    pub fn elect(&self, partition: i32, leader_epoch: LeaderEpoch) -> Option<Load> {
        let mut partitions = locked(&self.partitions);
        let elected = partitions.get_mut(partition)?;
        if leader_epoch < elected.leader_epoch {
            return None;
        }
        elected.leader_epoch = leader_epoch;
        match elected.stage {
            // Nobody else has led it in between: that could not have been without a resignation.
            Stage::Coordinated | Stage::Loading(_) => None,
            Stage::Resigned | Stage::Unreadable => partitions.begin_load(partition),
        }
    }

    /// This broker does not lead a partition any more, as of `leader_epoch`; without one, the
    /// partition is gone. Returns the groups that were in it, to be unloaded; none if the resignation
    /// is an old one.
    pub fn resign(
        &self,
        partition: i32,
        leader_epoch: Option<LeaderEpoch>,
    ) -> Option<Vec<Arc<Group>>> {
        let mut partitions = locked(&self.partitions);
        let resigned = partitions.get_mut(partition)?;
        if leader_epoch.is_some_and(|it| it < resigned.leader_epoch) {
            return None;
        }
        // A topic that comes again begins with its first epoch again.
        resigned.leader_epoch = leader_epoch.unwrap_or(LeaderEpoch::NONE);
        resigned.stage = Stage::Resigned;
        Some(std::mem::take(&mut resigned.groups).into_values().collect())
    }

    /// Begins to load a partition, whatever it was before.
    pub fn begin_load(&self, partition: i32) -> Option<Load> {
        locked(&self.partitions).begin_load(partition)
    }

    /// Whether the partition still waits for this loading.
    pub fn is_awaited(&self, load: Load) -> bool {
        let mut partitions = locked(&self.partitions);
        partitions.get_mut(load.partition).is_some_and(|it| it.stage == Stage::Loading(load))
    }

    /// Ends a loading: with the groups of the partition, or none if it cannot be read. Returns whether
    /// they were awaited: else the partition has been resigned meanwhile, and nothing is changed.
    pub fn end_load(&self, load: Load, loaded: Option<&[Arc<Group>]>) -> bool {
        let mut partitions = locked(&self.partitions);
        let Some(partition) = partitions.get_mut(load.partition) else { return false };
        if partition.stage != Stage::Loading(load) {
            return false;
        }
        partition.stage = if loaded.is_some() { Stage::Coordinated } else { Stage::Unreadable };
        let by_id = |group: &Arc<Group>| (group.group_id().to_string(), Arc::clone(group));
        partition.groups = loaded.unwrap_or_default().iter().map(by_id).collect();
        true
    }

    /// Whether any partition is being loaded.
    pub fn is_loading(&self) -> bool {
        let is_loading = |it: &OffsetsPartition| matches!(it.stage, Stage::Loading(_));
        locked(&self.partitions).all.iter().any(is_loading)
    }
}

impl Partitions {
    fn get_mut(&mut self, partition: i32) -> Option<&mut OffsetsPartition> {
        self.all.get_mut(usize::try_from(partition).ok()?)
    }

    fn of_group(&mut self, group_id: &str) -> Option<&mut OffsetsPartition> {
        let count = i32::try_from(self.all.len()).ok().filter(|count| *count > 0)?;
        self.get_mut(partition_of(group_id, count))
    }

    fn coordinated(&mut self, group_id: &str) -> Result<&mut OffsetsPartition, Errors> {
        let partition = self.of_group(group_id).ok_or(Errors::NotCoordinator)?;
        partition.stage.check()?;
        Ok(partition)
    }

    fn begin_load(&mut self, partition: i32) -> Option<Load> {
        let load = Load { partition, serial: self.next_serial };
        self.get_mut(partition)?.stage = Stage::Loading(load);
        self.next_serial += 1;
        Some(load)
    }
}

/// Port of `GroupMetadataManager.partitionFor`, and of that of `TransactionStateManager`: by Java's
/// `String.hashCode`, as in every Kafka.
pub fn partition_of(group_id: &str, partition_count: i32) -> i32 {
    java_abs(java_hash_code(group_id)) % partition_count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::units::TimestampMs;
    use crate::coordinator::group_metadata::GroupMetadata;

    const FIRST: LeaderEpoch = LeaderEpoch(0);

    /// Of 50 partitions, in the 47th of which is the group `group`.
    fn in_cluster() -> GroupTable {
        let table = GroupTable::in_cluster();
        table.set_partition_count(50);
        table
    }

    fn group() -> Arc<Group> {
        Group::new(GroupMetadata::new("group", TimestampMs(0)))
    }

    fn refusal(table: &GroupTable) -> Errors {
        let refusal = table.find("group").err().unwrap();
        assert_eq!(table.get_or_insert(group()).err(), Some(refusal));
        refusal
    }

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
    fn a_broker_that_is_alone_coordinates_every_group_as_soon_as_there_is_the_topic() {
        let table = GroupTable::alone();
        assert!(table.is_without_topic());
        assert_eq!(refusal(&table), Errors::NotCoordinator);
        table.set_partition_count(50);
        assert!(!table.is_without_topic() && table.find("group").unwrap().is_none());
        let first = table.get_or_insert(group()).unwrap();
        assert!(Arc::ptr_eq(&table.get_or_insert(group()).unwrap(), &first));
        table.set_partition_count(60);
        assert_eq!(table.partition_count(), Some(50));
        assert!(table.find("group").unwrap().is_some());
    }

    #[test]
    fn in_a_cluster_a_group_is_refused_until_its_partition_is_elected_and_loaded() {
        let table = in_cluster();
        assert!(!table.is_without_topic());
        assert_eq!(refusal(&table), Errors::NotCoordinator);
        let load = table.elect(47, FIRST).unwrap();
        assert_eq!(refusal(&table), Errors::CoordinatorLoadInProgress);
        assert!(table.is_loading());
        let loaded = group();
        assert!(table.end_load(load, Some(&[Arc::clone(&loaded)])));
        assert!(!table.is_loading());
        assert!(Arc::ptr_eq(&table.find("group").unwrap().unwrap(), &loaded));
        assert_eq!(table.find("g").err(), Some(Errors::NotCoordinator), "of another partition");
    }

    #[test]
    fn a_resignation_takes_the_groups_out_and_lets_none_in() {
        let table = in_cluster();
        let load = table.elect(47, FIRST).unwrap();
        let loaded = group();
        table.end_load(load, Some(&[Arc::clone(&loaded)]));
        assert_eq!(table.leader_epoch_of(&loaded), Ok(FIRST));
        let unloaded = table.resign(47, Some(LeaderEpoch(1))).unwrap();
        assert_eq!(table.leader_epoch_of(&loaded), Err(Errors::NotCoordinator));
        assert!(Arc::ptr_eq(&unloaded[0], &loaded) && table.groups().is_empty());
        assert_eq!(refusal(&table), Errors::NotCoordinator);
        assert!(!table.replace(&loaded, Some(group())), "what is loaded again is moot");
        assert!(table.groups().is_empty());
    }

    #[test]
    fn a_loading_that_was_resigned_is_moot_even_if_another_has_begun() {
        let table = in_cluster();
        let first = table.elect(47, FIRST).unwrap();
        table.resign(47, Some(LeaderEpoch(1))).unwrap();
        assert!(!table.is_awaited(first) && !table.end_load(first, Some(&[group()])));
        let second = table.elect(47, LeaderEpoch(2)).unwrap();
        assert!(!table.is_awaited(first) && !table.end_load(first, Some(&[group()])));
        assert!(table.is_awaited(second));
        assert_eq!(refusal(&table), Errors::CoordinatorLoadInProgress);
        assert!(table.end_load(second, Some(&[])));
        assert!(table.find("group").unwrap().is_none());
    }

    /// Port of `GroupMetadataManagerTest.testUnloadOffsetsAndGroupIgnored`.
    #[test]
    fn a_leader_that_is_elected_again_keeps_its_groups() {
        let table = in_cluster();
        let load = table.elect(47, FIRST).unwrap();
        assert_eq!(table.elect(47, LeaderEpoch(1)), None, "it is being loaded");
        table.end_load(load, Some(&[group()]));
        assert_eq!(table.elect(47, LeaderEpoch(2)), None);
        assert_eq!(table.groups().len(), 1);
        assert!(table.resign(47, Some(LeaderEpoch(1))).is_none(), "an old one");
        assert_eq!(table.groups().len(), 1);
    }

    /// Port of `GroupMetadataManagerTest.testLoadOffsetsAndGroupIgnored` and
    /// `GroupMetadataManagerTest.testUnloadOffsetsAndGroupIgnoredAfterStopReplica`.
    #[test]
    fn an_old_election_is_ignored_unless_the_partition_was_deleted_since() {
        let table = in_cluster();
        table.resign(47, Some(LeaderEpoch(5))).unwrap();
        assert_eq!(table.elect(47, LeaderEpoch(4)), None);
        assert_eq!(refusal(&table), Errors::NotCoordinator);
        table.resign(47, None).unwrap();
        assert!(table.elect(47, FIRST).is_some(), "of a topic that has come again");
    }

    #[test]
    fn a_partition_that_cannot_be_read_is_loaded_again_by_the_next_election_only() {
        let table = in_cluster();
        let load = table.elect(47, FIRST).unwrap();
        assert!(table.end_load(load, None));
        assert_eq!(refusal(&table), Errors::CoordinatorNotAvailable);
        assert!(table.elect(47, LeaderEpoch(1)).is_some());
    }

    #[test]
    fn the_number_of_partitions_changes_only_while_none_is_coordinated() {
        let table = in_cluster();
        table.set_partition_count(3);
        assert_eq!(table.partition_count(), Some(3));
        assert_eq!(table.elect(3, FIRST), None, "there is no such partition");
        let load = table.elect(2, FIRST).unwrap();
        table.set_partition_count(4);
        assert_eq!(table.partition_count(), Some(3));
        table.end_load(load, None);
        table.resign(2, None).unwrap();
        table.set_partition_count(4);
        assert_eq!(table.partition_count(), Some(4));
    }
}
