//! Port of `kafka.server.FailedPartitions`: what is copied no more until the cluster's next change of it.

use std::collections::HashSet;
use std::sync::Mutex;

use crate::common::lock::locked;
use crate::common::topic_partition::TopicAndPartition;

/// Partitions that a thread has given up, of all threads.
#[derive(Debug, Default)]
pub struct FailedPartitions(Mutex<HashSet<TopicAndPartition>>);

impl FailedPartitions {
    pub fn add(&self, key: &TopicAndPartition) {
        locked(&self.0).insert(key.clone());
    }

    pub fn remove<'a>(&self, keys: impl IntoIterator<Item = &'a TopicAndPartition>) {
        let mut failed = locked(&self.0);
        for key in keys {
            failed.remove(key);
        }
    }

    pub fn contains(&self, key: &TopicAndPartition) -> bool {
        locked(&self.0).contains(key)
    }

    /// Kafka's `FailedPartitionsCount`.
    pub fn count(&self) -> usize {
        locked(&self.0).len()
    }
}
