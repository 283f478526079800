//! Port of `GroupMetadataManager.loadGroupsAndOffsets`: what the records of a partition of
//! `__consumer_offsets` add up to.
//!
//! A record that cannot be read is logged and skipped: its group may then be older than it was, and
//! the others do not suffer. So are the records of groups whose protocol is not spoken here, which other
//! brokers of the cluster may have written: they stay in the log.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::io;

use log::{Level, debug, log};

use crate::common::errors::KafkaError;
use crate::common::log_limit::{LogKind, limited};
use crate::common::text::for_log;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{Offset, TimestampMs};
use crate::coordinator::group_memory::Held;
use crate::coordinator::group_metadata::GroupMetadata;
use crate::coordinator::group_records::{
    GroupRecordKey, read_group_value, read_key, read_offset_value,
};
use crate::coordinator::offset_and_metadata::OffsetAndMetadata;
use crate::message::byte_buffer_message_set::{EntryContent, ShallowEntry, shallow_entries};
use crate::message::end_transaction_marker::is_commit_marker;
use crate::message::message_set::{Destination, MessageSet};
use crate::message::record_batch::TRANSACTIONAL_FLAG;
use crate::message::records::LogRecord;
use crate::replica::partition::Partition;
use crate::storage::log::read_limit::ReadLimit;

/// What the records read so far add up to.
#[derive(Default)]
pub struct LoadedGroups {
    groups: BTreeMap<String, GroupMetadata>,
    offsets: BTreeMap<String, BTreeMap<TopicAndPartition, OffsetAndMetadata>>,
    /// Kafka's `pendingOffsetCommits`: what open transactions have committed so far, by producer.
    pending: HashMap<i64, Vec<PendingOffset>>,
}

/// An offset that counts when its transaction is committed.
struct PendingOffset {
    group_id: String,
    key: TopicAndPartition,
    committed: OffsetAndMetadata,
}

impl LoadedGroups {
    /// Reads a partition from its beginning to its end, in pieces of about `load_buffer_size` bytes,
    /// as long as it `is_awaited`. What its leader has beyond the high watermark will be committed:
    /// leaders do not truncate.
    ///
    /// # Errors
    /// Why it cannot be read to its end. What has been read until then is no state that there was.
    pub fn read(
        &mut self,
        partition: &Partition,
        load_buffer_size: i32,
        is_awaited: &dyn Fn() -> bool,
    ) -> Result<(), KafkaError> {
        let replica = partition.local_replica();
        let end = replica.log_end_offset().message_offset;
        let limit = ReadLimit::min_one_message(load_buffer_size);
        let mut offset = replica.log.log_start_offset();
        while offset < end && is_awaited() {
            let found = replica.log.read(offset, Some(end), limit)?;
            let bytes = bytes_of(&found.message_set)?;
            let began_at = offset;
            for entry in shallow_entries(&bytes) {
                let entry = entry?;
                offset = offset.max(Offset(entry.last_offset).next());
                self.take_entry(&entry)?;
            }
            if offset == began_at {
                break; // The rest has been compacted away.
            }
        }
        Ok(())
    }

    fn take_entry(&mut self, entry: &ShallowEntry<'_>) -> Result<(), KafkaError> {
        if let EntryContent::Batch(batch) = entry.content {
            if batch.is_control_batch() {
                return self.take_marker(entry, batch.producer_id());
            }
            if batch.attributes() & TRANSACTIONAL_FLAG != 0 {
                return self.take_transactional(entry, batch.producer_id());
            }
        }
        entry.for_each_record(&mut |record| {
            if let Err(error) = self.take_record(record) {
                note_skipped(record, &error);
            }
            Ok(())
        })
    }

    /// A group of Kafka's own broker may have committed by transactions. They are none of this broker's, but to
    /// pass them over would take the group back to an older offset.
    fn take_transactional(
        &mut self,
        entry: &ShallowEntry<'_>,
        producer_id: i64,
    ) -> Result<(), KafkaError> {
        entry.for_each_record(&mut |record| {
            let read = read_key(record.key.unwrap_or_default());
            let offset = read.and_then(|key| match (key, record.value) {
                (GroupRecordKey::Offset(group_id, key), Some(value)) => {
                    let committed = read_offset_value(value)?.committed;
                    Ok(Some(PendingOffset { group_id, key, committed }))
                }
                _ => Ok(None),
            });
            match offset {
                Ok(offset) => self.pending.entry(producer_id).or_default().extend(offset),
                Err(error) => note_skipped(record, &error),
            }
            Ok(())
        })
    }

    /// The transaction of this producer has ended.
    fn take_marker(
        &mut self,
        entry: &ShallowEntry<'_>,
        producer_id: i64,
    ) -> Result<(), KafkaError> {
        let pending = self.pending.remove(&producer_id).unwrap_or_default();
        let mut is_committed = false;
        entry.for_each_record(&mut |record| {
            is_committed |= is_commit_marker(record.key.unwrap_or_default());
            Ok(())
        })?;
        for PendingOffset { group_id, key, committed } in
            pending.into_iter().filter(|_| is_committed)
        {
            self.offsets.entry(group_id).or_default().insert(key, committed);
        }
        Ok(())
    }

    /// A later offset counts, whatever becomes of a transaction from before.
    fn forget_pending(&mut self, group_id: &str, key: &TopicAndPartition) {
        for pending in self.pending.values_mut() {
            pending.retain(|it| it.group_id != group_id || it.key != *key);
        }
    }

    fn take_record(&mut self, record: &LogRecord<'_>) -> Result<(), KafkaError> {
        match (read_key(record.key.unwrap_or_default())?, record.value) {
            (GroupRecordKey::Offset(group_id, key), Some(value)) => {
                let value = read_offset_value(value)?.committed;
                self.forget_pending(&group_id, &key);
                self.offsets.entry(group_id).or_default().insert(key, value);
            }
            (GroupRecordKey::Offset(group_id, key), None) => {
                self.forget_pending(&group_id, &key);
                if let Entry::Occupied(mut offsets) = self.offsets.entry(group_id) {
                    offsets.get_mut().remove(&key);
                    if offsets.get().is_empty() {
                        offsets.remove();
                    }
                }
            }
            (GroupRecordKey::Group(group_id), Some(value)) => {
                let group = GroupMetadata::loaded(&group_id, read_group_value(value)?);
                self.groups.insert(group_id, group);
            }
            (GroupRecordKey::Group(group_id), None) => {
                self.groups.remove(&group_id);
            }
            (GroupRecordKey::Unknown(version), _) => {
                debug!("leaving a record alone whose key has version {version}");
            }
        }
        Ok(())
    }

    pub fn into_groups(self) -> Vec<GroupMetadata> {
        let Self { mut groups, offsets, pending } = self;
        for PendingOffset { group_id, key, .. } in pending.values().flatten() {
            log!(
                limited(LogKind::Failures, Level::Warn),
                "group {} has an offset of {key} in a transaction that is open: should that be committed, this \
                 broker counts it when it loads the group again",
                for_log(group_id)
            );
        }
        for (group_id, offsets) in offsets {
            let new = || {
                let mut group = GroupMetadata::new(&group_id, TimestampMs(0));
                group.current_state_timestamp_ms = None; // Not recorded without members.
                group
            };
            groups
                .entry(group_id.clone())
                .or_insert_with(new)
                .offsets
                .extend(offsets, Held::default());
        }
        groups.into_values().collect()
    }
}

fn note_skipped(record: &LogRecord<'_>, error: &KafkaError) {
    let level = limited(LogKind::Failures, Level::Error);
    log!(level, "skipping the record at offset {}: {error}", record.offset);
}

fn bytes_of(message_set: &dyn MessageSet) -> io::Result<Vec<u8>> {
    let size = message_set.size_in_bytes();
    let mut bytes = Vec::with_capacity(size);
    while bytes.len() < size {
        let position = bytes.len();
        let destination = Destination::Channel(&mut bytes);
        if message_set.write_to(destination, position, size - position)? == 0 {
            break;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::end_transaction_marker::EndTransactionMarker;
    use crate::message::record_batch_builder::RecordBatchBuilder;

    /// The key of the offset of group `g` in `t-0`, and the value that says which it is.
    fn offset_record(offset: i64) -> (Vec<u8>, Vec<u8>) {
        let key = b"\0\x01\0\x01g\0\x01t\0\0\0\0".to_vec();
        let value = [&b"\0\x03"[..], &offset.to_be_bytes(), &[0xff; 4], b"\0\0", &[0; 8]].concat();
        (key, value)
    }

    fn commit(batch: RecordBatchBuilder, offset: i64) -> Vec<u8> {
        let (key, value) = offset_record(offset);
        batch.record(1_000, Some(&key), Some(&value)).build().unwrap()
    }

    fn transactional(producer_id: i64, offset: i64) -> Vec<u8> {
        let batch = RecordBatchBuilder::new(0).producer(producer_id, 0, 0);
        commit(batch.flags(TRANSACTIONAL_FLAG), offset)
    }

    fn plain(offset: i64) -> Vec<u8> {
        commit(RecordBatchBuilder::new(0), offset)
    }

    fn marker(producer_id: i64, is_committed: bool) -> Vec<u8> {
        let (producer_epoch, coordinator_epoch) = (0, 0);
        EndTransactionMarker { producer_id, producer_epoch, is_committed, coordinator_epoch }
            .batch(0, 0, 1_000)
            .unwrap()
    }

    /// Which offset of `t-0` group `g` has after these batches.
    fn loaded(batches: &[Vec<u8>]) -> Option<i64> {
        let mut loaded = LoadedGroups::default();
        for batch in batches {
            for entry in shallow_entries(batch) {
                loaded.take_entry(&entry.unwrap()).unwrap();
            }
        }
        let key = TopicAndPartition::new("t", 0);
        let groups = loaded.offsets.get("g");
        groups.and_then(|offsets| offsets.get(&key)).map(|it| it.offset.0)
    }

    #[test]
    fn the_offsets_of_a_transaction_count_when_it_is_committed() {
        let begun = [plain(1), transactional(7, 2)];
        assert_eq!(loaded(&begun), Some(1));
        let end = |producer_id, is_committed| {
            loaded(&[&begun[..], &[marker(producer_id, is_committed)]].concat())
        };
        assert_eq!(end(7, true), Some(2));
        assert_eq!(end(7, false), Some(1));
        assert_eq!(end(8, true), Some(1), "another producer's");
    }

    #[test]
    fn an_offset_that_comes_later_outlasts_the_end_of_the_transaction() {
        let batches = [transactional(7, 2), plain(3), marker(7, true)];
        assert_eq!(loaded(&batches), Some(3));
        let twice = [transactional(7, 2), marker(7, false), transactional(7, 4), marker(7, true)];
        assert_eq!(loaded(&twice), Some(4));
    }
}
