//! Port of `org.apache.kafka.image.TopicImage` and `org.apache.kafka.metadata.PartitionRegistration`:
//! a topic as clients see it, at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common::text::counted;
use crate::common::units::LeaderEpoch;
use crate::image::directory_id::{DirectoryId, MIGRATING};
use crate::image::leader_recovery_state::LeaderRecoveryState;
use crate::image::records::topic_records::{
    NO_LEADER_CHANGE, NO_RECOVERY_STATE_CHANGE, PartitionChangeRecord, PartitionRecord,
};
use crate::protocol::wire::uuid::Uuid;

/// A topic all of whose partitions are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicImage {
    /// A random UUID that never comes back, though the topic's name may.
    pub id: [u8; 16],
    /// By their numbers, from 0.
    pub partitions: Vec<PartitionRegistration>,
    /// The settings that it overrides, by Kafka's names.
    pub config: BTreeMap<String, String>,
}

/// The leader of a partition that has none.
pub const NO_LEADER: i32 = -1;

/// Who leads a partition, and who replicates it, by broker ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionRegistration {
    /// [`NO_LEADER`] while no replica in sync can be reached.
    pub leader: i32,
    pub leader_epoch: LeaderEpoch,
    /// Counts every change of this partition.
    pub partition_epoch: i32,
    pub replicas: Arc<[i32]>,
    pub isr: Arc<[i32]>,
    /// Those of `replicas` that a reassignment brings, and those that leave when it is done.
    pub adding_replicas: Arc<[i32]>,
    pub removing_replicas: Arc<[i32]>,
    /// Of each replica the id of its log directory; empty where these are not known.
    pub directories: Arc<[[u8; 16]]>,
    /// Kafka's `elr`: not in sync any more, and yet they have all that was acknowledged (KIP-966).
    pub eligible_leader_replicas: Arc<[i32]>,
    /// In sync or eligible when the last of those went.
    pub last_known_elr: Arc<[i32]>,
    pub leader_recovery_state: LeaderRecoveryState,
}

impl TopicImage {
    /// A topic without partitions and without settings of its own.
    pub fn new(id: [u8; 16]) -> Self {
        Self { id, partitions: Vec::new(), config: BTreeMap::new() }
    }

    /// The partition with this number, if there is one.
    pub fn partition(&self, number: i32) -> Option<&PartitionRegistration> {
        self.partitions.get(usize::try_from(number).ok()?)
    }

    /// The topic when the partitions that `is_online` refuses have lost their leader. As in Kafka, the
    /// last replica in sync stays in the list of those.
    #[must_use]
    pub fn without_leader_unless(mut self, is_online: impl Fn(i32) -> bool) -> Self {
        for (number, partition) in (0..).zip(&mut self.partitions) {
            if !is_online(number) {
                partition.leader = NO_LEADER;
            }
        }
        self
    }

    /// How many partitions it has, in the type of the wire.
    pub fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).expect("partitions are numbered by an i32")
    }
}

impl PartitionRegistration {
    /// What a record says of a new partition.
    ///
    /// # Errors
    /// If the record contradicts itself.
    pub(crate) fn from_record(record: &PartitionRecord) -> Result<Self, String> {
        check_directories(record.directories.len(), record.replicas.len())?;
        Ok(Self {
            leader: record.leader,
            leader_epoch: LeaderEpoch(record.leader_epoch),
            partition_epoch: record.partition_epoch,
            replicas: record.replicas.as_slice().into(),
            isr: record.isr.as_slice().into(),
            adding_replicas: record.adding_replicas.as_slice().into(),
            removing_replicas: record.removing_replicas.as_slice().into(),
            directories: directories(&record.directories),
            eligible_leader_replicas: optional(record.eligible_leader_replicas.as_ref()),
            last_known_elr: optional(record.last_known_elr.as_ref()),
            leader_recovery_state: recovery_state(record.leader_recovery_state)?,
        })
    }

    /// Port of `PartitionRegistration.merge`.
    ///
    /// # Errors
    /// If the record contradicts itself.
    pub(crate) fn merge(&mut self, record: &PartitionChangeRecord) -> Result<(), String> {
        if let Some(new) = &record.directories {
            self.directories = directories(new);
        }
        if let Some(replicas) = &record.replicas {
            self.replicas = replicas.as_slice().into();
        }
        check_directories(self.directories.len(), self.replicas.len())?;
        set(&mut self.isr, record.isr.as_ref());
        set(&mut self.adding_replicas, record.adding_replicas.as_ref());
        set(&mut self.removing_replicas, record.removing_replicas.as_ref());
        set(&mut self.eligible_leader_replicas, record.eligible_leader_replicas.as_ref());
        set(&mut self.last_known_elr, record.last_known_elr.as_ref());
        if record.leader_recovery_state != NO_RECOVERY_STATE_CHANGE {
            self.leader_recovery_state = recovery_state(record.leader_recovery_state)?;
        }
        if record.leader != NO_LEADER_CHANGE {
            self.leader = record.leader;
            // A new epoch even for the same leader: who was thrown out of the ISR learns by it.
            self.leader_epoch = LeaderEpoch(self.leader_epoch.0.wrapping_add(1));
        }
        self.partition_epoch = self.partition_epoch.wrapping_add(1);
        Ok(())
    }

    /// Whether there are replicas that may lead although they are not in sync, or were.
    pub(crate) fn has_elr(&self) -> bool {
        !self.eligible_leader_replicas.is_empty() || !self.last_known_elr.is_empty()
    }

    /// Port of `TopicDelta.maybeClearElr`. No epoch counts that.
    pub(crate) fn clear_elr(&mut self) {
        self.eligible_leader_replicas = Arc::default();
        self.last_known_elr = Arc::default();
    }

    /// Port of `directory`: the id of the log directory in which the controllers have the replica of this broker.
    pub fn directory(&self, broker_id: i32) -> DirectoryId {
        let place = self.replicas.iter().position(|it| *it == broker_id);
        place.and_then(|place| self.directories.get(place)).copied().unwrap_or(MIGRATING)
    }

    pub fn has_leader(&self) -> bool {
        self.leader != NO_LEADER
    }

    /// The replicas whose log directories are offline: there is one replica, which leads if it can.
    pub fn offline_replicas(&self) -> &[i32] {
        if self.has_leader() { &[] } else { &self.replicas }
    }
}

/// What is null in a change stays as it is.
fn set(replicas: &mut Arc<[i32]>, changed: Option<&Vec<i32>>) {
    if let Some(changed) = changed {
        *replicas = changed.as_slice().into();
    }
}

fn optional(replicas: Option<&Vec<i32>>) -> Arc<[i32]> {
    replicas.map(|it| it.as_slice().into()).unwrap_or_default()
}

fn recovery_state(value: i8) -> Result<LeaderRecoveryState, String> {
    let unknown = || format!("leaderRecoveryState is {value} where only 0 and 1 are known");
    LeaderRecoveryState::for_value(value).ok_or_else(unknown)
}

/// Without directories nothing is known of them.
fn check_directories(directories: usize, replicas: usize) -> Result<(), String> {
    if directories == 0 || directories == replicas {
        return Ok(());
    }
    Err(format!("it has {} in {directories} directories", counted(replicas, "replica")))
}

/// Where none is known Kafka's `DirectoryId.MIGRATING` stands for each replica.
fn directories(ids: &[Uuid]) -> Arc<[[u8; 16]]> {
    if ids.iter().all(|it| *it == Uuid::ZERO) {
        return Arc::default();
    }
    ids.iter().map(|it| it.0).collect()
}
