//! Port of `org.apache.kafka.image.TopicImage` and `org.apache.kafka.metadata.PartitionRegistration`:
//! a topic as clients see it, at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common::units::LeaderEpoch;

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
    pub fn has_leader(&self) -> bool {
        self.leader != NO_LEADER
    }

    /// The replicas whose log directories are offline: there is one replica, which leads if it can.
    pub fn offline_replicas(&self) -> &[i32] {
        if self.has_leader() { &[] } else { &self.replicas }
    }
}
