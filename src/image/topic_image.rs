//! Port of `org.apache.kafka.image.TopicImage` and `org.apache.kafka.metadata.PartitionRegistration`:
//! a topic as clients see it, at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common::text::counted;
use crate::common::units::LeaderEpoch;
use crate::image::records::topic_records::{
    NO_LEADER_CHANGE, PartitionChangeRecord, PartitionRecord,
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
    /// Of each replica the id of its log directory; empty where these are not known.
    pub directories: Arc<[[u8; 16]]>,
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
            directories: directories(&record.directories),
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
        if let Some(isr) = &record.isr {
            self.isr = isr.as_slice().into();
        }
        if record.leader != NO_LEADER_CHANGE {
            self.leader = record.leader;
            // A new epoch even for the same leader: who was thrown out of the ISR learns by it.
            self.leader_epoch = LeaderEpoch(self.leader_epoch.0.wrapping_add(1));
        }
        self.partition_epoch = self.partition_epoch.wrapping_add(1);
        Ok(())
    }

    pub fn has_leader(&self) -> bool {
        self.leader != NO_LEADER
    }

    /// The replicas whose log directories are offline: there is one replica, which leads if it can.
    pub fn offline_replicas(&self) -> &[i32] {
        if self.has_leader() { &[] } else { &self.replicas }
    }
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
