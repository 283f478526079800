//! Port of `GroupMetadataManager.loadGroupsAndOffsets`: what the records of a partition of
//! `__consumer_offsets` add up to.
//!
//! A record that cannot be read is logged and skipped: its group may then be older than it was, and
//! the others do not suffer. So are the records of groups whose protocol is not spoken here, which other
//! brokers of the cluster may have written: they stay in the log.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;

use log::{Level, debug, log};

use crate::common::errors::KafkaError;
use crate::common::log_limit::{LogKind, limited};
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{Offset, TimestampMs};
use crate::coordinator::group_memory::Held;
use crate::coordinator::group_metadata::GroupMetadata;
use crate::coordinator::group_records::{
    GroupRecordKey, read_group_value, read_key, read_offset_value,
};
use crate::coordinator::offset_and_metadata::OffsetAndMetadata;
use crate::message::byte_buffer_message_set::{EntryContent, ShallowEntry, shallow_entries};
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
                return Ok(());
            }
            if batch.attributes() & TRANSACTIONAL_FLAG != 0 {
                let offset = entry.offset;
                log!(
                    limited(LogKind::Failures, Level::Warn),
                    "skipping the offsets of a transaction at {offset}: transactions are not supported"
                );
                return Ok(());
            }
        }
        entry.for_each_record(&mut |record| {
            if let Err(error) = self.take_record(record) {
                let level = limited(LogKind::Failures, Level::Error);
                log!(level, "skipping the record at offset {}: {error}", record.offset);
            }
            Ok(())
        })
    }

    fn take_record(&mut self, record: &LogRecord<'_>) -> Result<(), KafkaError> {
        match (read_key(record.key.unwrap_or_default())?, record.value) {
            (GroupRecordKey::Offset(group_id, key), Some(value)) => {
                let value = read_offset_value(value)?.committed;
                self.offsets.entry(group_id).or_default().insert(key, value);
            }
            (GroupRecordKey::Offset(group_id, key), None) => {
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
        let Self { mut groups, offsets } = self;
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
