//! Requests that name one thing twice.

use std::collections::HashSet;
use std::hash::Hash;

use crate::common::errors::{Errors, KafkaError};
use crate::common::topic_partition::TopicAndPartition;

/// Refuses a partition that a request has named before. (Kafka, to this day, keeps the last of them
/// and forgets the others.) A fetch that names one partition a million times, and waits, would cost
/// every producer of it a million looks; a ListOffsets may take a decompression each time; and
/// records that are forgotten must not look acknowledged.
pub(crate) fn check_named_once(
    named: &mut HashSet<TopicAndPartition>,
    key: &TopicAndPartition,
) -> Result<(), KafkaError> {
    if named.insert(key.clone()) { Ok(()) } else { Err(duplicate_error()) }
}

/// Those of `items` that occur more than once.
pub(crate) fn duplicates<T: Copy + Eq + Hash>(items: impl Iterator<Item = T>) -> HashSet<T> {
    let mut named = HashSet::new();
    items.filter(|&item| !named.insert(item)).collect()
}

pub(crate) fn duplicate_error() -> KafkaError {
    KafkaError::api(Errors::InvalidRequest, "the request names it twice")
}
