//! Requests that name one thing twice.

use std::collections::HashSet;
use std::hash::Hash;

use crate::common::errors::{Errors, KafkaError};
use crate::common::topic_partition::TopicAndPartition;

/// The partitions that a request has named so far. Most requests name one, which takes no set.
#[derive(Default)]
pub(crate) struct NamedPartitions {
    first: Option<TopicAndPartition>,
    others: HashSet<TopicAndPartition>,
}

impl NamedPartitions {
    /// Refuses a partition that the request has named before. (Kafka, to this day, keeps the last of
    /// them and forgets the others.) A fetch that names one partition a million times, and waits,
    /// would cost every producer of it a million looks; a ListOffsets may take a decompression each
    /// time; and records that are forgotten must not look acknowledged.
    pub(crate) fn check_named_once(&mut self, key: &TopicAndPartition) -> Result<(), KafkaError> {
        let Some(first) = &self.first else {
            self.first = Some(key.clone());
            return Ok(());
        };
        let is_new = first != key && self.others.insert(key.clone());
        if is_new { Ok(()) } else { Err(duplicate_error()) }
    }
}

/// Those of `items` that occur more than once.
pub(crate) fn duplicates<T: Copy + Eq + Hash>(items: impl Iterator<Item = T>) -> HashSet<T> {
    let mut named = HashSet::new();
    items.filter(|&item| !named.insert(item)).collect()
}

pub(crate) fn duplicate_error() -> KafkaError {
    KafkaError::api(Errors::InvalidRequest, "the request names it twice")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_may_be_named_once_first_or_not() {
        let mut named = NamedPartitions::default();
        let keys =
            [("a", 0), ("a", 1), ("b", 0)].map(|(topic, it)| TopicAndPartition::new(topic, it));
        assert!(keys.iter().all(|key| named.check_named_once(key).is_ok()));
        assert!(keys.iter().all(|key| named.check_named_once(key).is_err()));
    }
}
