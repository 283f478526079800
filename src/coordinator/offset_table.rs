//! Port of the offsets of `kafka.coordinator.GroupMetadata`: what a group has committed, and the
//! memory that it holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common::topic_partition::TopicAndPartition;
use crate::coordinator::group_memory::{GroupMemory, Held};
use crate::coordinator::offset_and_metadata::OffsetAndMetadata;

/// What an offset takes beside the name of its topic and its metadata.
const OFFSET_BYTES: usize = 256;

/// The committed offsets of a group, by partition.
#[derive(Default)]
pub struct OffsetTable {
    offsets: BTreeMap<TopicAndPartition, OffsetAndMetadata>,
    /// The sum over `offsets`.
    bytes: usize,
    held: Held,
}

impl OffsetTable {
    pub fn get(&self, key: &TopicAndPartition) -> Option<&OffsetAndMetadata> {
        self.offsets.get(key)
    }

    pub fn keys(&self) -> impl Iterator<Item = &TopicAndPartition> {
        self.offsets.keys()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&TopicAndPartition, &OffsetAndMetadata)> {
        self.offsets.iter()
    }

    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// By how many bytes the table grows at most if `offsets` are put into it: by nothing if they
    /// only take the places of others.
    pub fn growth_bytes(&self, offsets: &[(TopicAndPartition, OffsetAndMetadata)]) -> usize {
        let growth = |(key, offset): &(TopicAndPartition, OffsetAndMetadata)| {
            let before_bytes = self.get(key).map_or(0, |it| offset_bytes(key, it));
            offset_bytes(key, offset).saturating_sub(before_bytes)
        };
        offsets.iter().map(growth).sum()
    }

    /// Puts offsets into the table, for whose [growth](Self::growth_bytes) `held` was taken.
    pub fn extend(
        &mut self,
        offsets: impl IntoIterator<Item = (TopicAndPartition, OffsetAndMetadata)>,
        held: Held,
    ) {
        for (key, offset) in offsets {
            self.bytes += offset_bytes(&key, &offset);
            if let Some(before) = self.offsets.insert(key.clone(), offset) {
                self.bytes -= offset_bytes(&key, &before);
            }
        }
        self.held.absorb(held);
        // A commit that was queued before may have shrunk what this one took the place of.
        self.held.settle_at(self.bytes);
    }

    pub fn remove(&mut self, key: &TopicAndPartition) {
        if let Some(before) = self.offsets.remove(key) {
            self.bytes -= offset_bytes(key, &before);
            self.held.shrink_to(self.bytes);
        }
    }

    /// Holds the memory of a table that was read from the log.
    pub fn hold_stored(&mut self, memory: &Arc<GroupMemory>) {
        self.held = memory.hold_stored(self.bytes);
    }
}

/// What a committed offset takes in memory, in bytes.
pub fn offset_bytes(key: &TopicAndPartition, offset: &OffsetAndMetadata) -> usize {
    OFFSET_BYTES + key.topic.len() + offset.metadata.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::units::{LeaderEpoch, Offset, TimestampMs};

    fn entry(partition: i32, metadata: &str) -> (TopicAndPartition, OffsetAndMetadata) {
        let offset = OffsetAndMetadata {
            offset: Offset(1),
            leader_epoch: LeaderEpoch::NONE,
            metadata: metadata.to_string(),
            commit_timestamp_ms: TimestampMs(0),
            expire_timestamp_ms: None,
        };
        (TopicAndPartition::new("post", partition), offset)
    }

    fn put(table: &mut OffsetTable, memory: &Arc<GroupMemory>, metadata: &str) {
        let offsets = [entry(0, metadata), entry(1, metadata)];
        let held = memory.hold(table.growth_bytes(&offsets)).unwrap();
        table.extend(offsets, held);
    }

    #[test]
    fn a_table_holds_what_it_has_and_offsets_that_take_a_place_need_no_more() {
        let memory = GroupMemory::new(10_000);
        let mut table = OffsetTable::default();
        put(&mut table, &memory, "four");
        let full_bytes = memory.held_bytes();
        assert_eq!(full_bytes, 2 * (OFFSET_BYTES + 8));
        assert_eq!(table.growth_bytes(&[entry(0, "more"), entry(1, "")]), 0);
        put(&mut table, &memory, "");
        assert_eq!(memory.held_bytes(), full_bytes - 8);
        table.remove(&TopicAndPartition::new("post", 0));
        assert_eq!((table.len(), memory.held_bytes()), (1, full_bytes / 2 - 4));
        drop(table);
        assert_eq!(memory.held_bytes(), 0);
    }
}
