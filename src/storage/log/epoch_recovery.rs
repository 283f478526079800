//! Port of what `org.apache.kafka.storage.internals.log.LogLoader` and `LogSegment.recover` do for
//! the epoch cache: from the files of a log to its leader epochs.

use std::path::Path;

use log::warn;

use crate::common::errors::KafkaError;
use crate::common::topic_partition::TopicAndPartition;
use crate::common::units::{LeaderEpoch, Offset, Position};
use crate::message::record_batch::MAGIC_VALUE_V2;
use crate::storage::epochs::epoch_entries::EpochEntries;
use crate::storage::epochs::epoch_entry::EpochEntry;
use crate::storage::epochs::leader_epoch_checkpoint_file::LeaderEpochCheckpointFile;
use crate::storage::epochs::leader_epoch_file_cache::{FIRST_EPOCH, LeaderEpochFileCache};
use crate::storage::log::log_segment::LogSegment;
use crate::storage::log::log_segments::LogSegments;

/// The epochs that begin in segments whose messages were read, in the order of their offsets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochsRead(Vec<EpochEntry>);

impl EpochsRead {
    /// Takes notice of the next batch. Epochs never go down in a log.
    pub fn note(&mut self, epoch: Option<i32>, base_offset: Offset) {
        let newest = self.0.last().map_or(LeaderEpoch::NONE, |it| it.epoch);
        if let Some(epoch) = epoch.map(LeaderEpoch).filter(|&epoch| epoch > newest) {
            self.0.push(EpochEntry { epoch, start_offset: base_offset });
        }
    }

    /// Takes notice of what was read of the next segment.
    pub fn append(&mut self, later: &Self) {
        later.0.iter().for_each(|it| self.note(Some(it.epoch.0), it.start_offset));
    }

    /// Adds to `entries` the epochs after the latest one in it.
    fn add_to(&self, entries: &mut EpochEntries) {
        for entry in &self.0 {
            if entries.latest().is_none_or(|latest| latest.epoch < entry.epoch) {
                entries.assign(*entry);
            }
        }
    }
}

/// The epochs of the log in `dir`, whose records lie in `segments`, in the format `magic`: those in
/// its file, those that were `read` in segments that had to be recovered, and none that lies outside of
/// the log.
///
/// A file that is torn is made anew, for which the headers of batches are read; so is one without a byte, unless the
/// log is empty as well. Kafka takes the latter for that of a log without epochs.
///
/// # Errors
/// `Io`, with the path.
pub fn load_epochs(
    dir: &Path,
    topic_and_partition: &TopicAndPartition,
    segments: &LogSegments,
    magic: u8,
    read: &EpochsRead,
) -> Result<LeaderEpochFileCache, KafkaError> {
    let checkpoint = LeaderEpochCheckpointFile::new(dir);
    let (start_offset, end_offset) = (segments.start_offset(), segments.end().message_offset);
    let is_log_empty = start_offset >= end_offset;
    let (mut entries, in_file) = match checkpoint.read() {
        Ok(Some(entries)) if entries.as_slice().is_empty() && !is_log_empty => {
            match checkpoint.is_blank()? {
                true => (read_before(segments, end_offset, None)?, InFile::Nothing),
                false => (entries.clone(), InFile::Entries(entries)),
            }
        }
        Ok(Some(entries)) => (entries.clone(), InFile::Entries(entries)),
        Ok(None) if !is_log_empty && magic >= MAGIC_VALUE_V2 => {
            (first_epoch_from(start_offset), InFile::Missing)
        }
        Ok(None) => (EpochEntries::default(), InFile::Missing),
        Err(KafkaError::Io(error)) => return Err(error.into()),
        Err(torn) => {
            warn!("reading the leader epochs of {topic_and_partition} from its batches: {torn}");
            (read_before(segments, end_offset, None)?, InFile::Nothing)
        }
    };
    read.add_to(&mut entries);
    if entries.earliest().is_some_and(|earliest| start_offset < earliest.start_offset) {
        entries = with_earlier(segments, &entries)?;
    }
    entries.truncate_from_end(end_offset);
    entries.truncate_from_start(start_offset);
    let (exists, is_stale) = match in_file {
        InFile::Missing => (false, false),
        InFile::Nothing => (true, true),
        InFile::Entries(on_disk) => (true, on_disk != entries),
    };
    let log = topic_and_partition.clone();
    Ok(LeaderEpochFileCache::new(log, checkpoint, entries, exists, is_stale))
}

/// What was found of a log's file of epochs.
enum InFile {
    Missing,
    /// It says nothing that can be used.
    Nothing,
    Entries(EpochEntries),
}

fn first_epoch_from(start_offset: Offset) -> EpochEntries {
    let mut entries = EpochEntries::default();
    entries.assign(EpochEntry { epoch: FIRST_EPOCH, start_offset });
    entries
}

/// The entries, and before them those of the batches below the first one. A crash may have kept a file that was
/// cut at the start of the log, and lost that start.
///
/// Kafka reads nothing here. So that it is read once and not at every start, batches without an epoch, which are of
/// magic 0 and 1, are noted as of the first epoch: no leader of another one has written them, and Kafka's broker
/// takes such an entry for what it is.
fn with_earlier(
    segments: &LogSegments,
    entries: &EpochEntries,
) -> Result<EpochEntries, KafkaError> {
    let first_known = entries.earliest().map_or(Offset::FIRST, |it| it.start_offset);
    let mut all = read_before(segments, first_known, Some(FIRST_EPOCH))?;
    all.truncate_from_end(first_known);
    for entry in entries.as_slice() {
        all.assign(*entry);
    }
    Ok(all)
}

/// The epochs of the batches that begin below `end_offset`; those without one count as of `of_none`, if that is
/// given. A segment is passed over from a place on where no batch can be found, as in a fetch.
fn read_before(
    segments: &LogSegments,
    end_offset: Offset,
    of_none: Option<LeaderEpoch>,
) -> Result<EpochEntries, KafkaError> {
    let (mut read, mut entries) = (EpochsRead::default(), EpochEntries::default());
    for segment in segments.snapshot().iter().filter(|it| it.base_offset() < end_offset) {
        match read_segment(segment, end_offset, of_none, &mut read) {
            Ok(()) => (),
            Err(KafkaError::Io(error)) => return Err(error.into()),
            Err(corrupt) => warn!("cannot read the leader epochs after this: {corrupt}"),
        }
    }
    read.add_to(&mut entries);
    Ok(entries)
}

fn read_segment(
    segment: &LogSegment,
    end_offset: Offset,
    of_none: Option<LeaderEpoch>,
    read: &mut EpochsRead,
) -> Result<(), KafkaError> {
    let mut next = segment.log().entry_at(Position::START)?;
    while let Some(entry) = next.filter(|it| it.offset < end_offset) {
        let epoch = segment.log().leader_epoch(&entry)?;
        read.note(epoch.or(of_none.map(|it| it.0)), entry.offset);
        next = segment.log().entry_at(entry.end())?;
    }
    Ok(())
}
