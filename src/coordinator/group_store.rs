//! Port of `kafka.coordinator.DelayedStore`: a change of a group that is complete when its records
//! are in `__consumer_offsets`.

use crate::common::errors::Errors;
use crate::common::topic_partition::TopicAndPartition;
use crate::coordinator::group_memory::Held;
use crate::coordinator::group_records::{
    GroupValue, group_metadata_key, group_metadata_value, offset_commit_key, offset_commit_value,
};
use crate::coordinator::group_results::{
    Answer, CommitCallback, DoneCallback, JoinCallback, JoinError, JoinedGroup,
};
use crate::coordinator::offset_and_metadata::OffsetAndMetadata;
use crate::coordinator::offset_table::offset_bytes;

/// How many tombstones go into one batch: far less than `max.message.bytes`.
pub const TOMBSTONES_PER_BATCH: usize = 500;

/// What a store takes in memory beside what it stores: its place in the queue, its callback.
const STORE_BYTES: usize = 1024;

/// What the key of an offset takes in memory: its topic's name is shared, as a rule.
const KEY_BYTES: usize = 64;

/// A key, and its value or a tombstone.
pub type Record = (Vec<u8>, Option<Vec<u8>>);

/// The records that a change of a group needs, and what to do with the result. Small, because every
/// change of a group returns room for one.
pub enum Store {
    Commit(OffsetCommit),
    /// Commits that have waited for the store before, in one batch.
    Commits(Vec<OffsetCommit>),
    /// Tombstones for offsets, a batch at a time.
    RemoveOffsets {
        keys: Vec<TopicAndPartition>,
        callback: Option<DoneCallback>,
    },
    /// The leader's assignment for a generation.
    Assignment {
        value: Box<GroupValue>,
        generation_id: i32,
    },
    /// A group whose members have all left.
    Empty {
        value: Box<GroupValue>,
    },
    /// A static member's new id. Its join is answered whatever the result: until the next record of
    /// the group, the log has the old id.
    StaticMember {
        value: Box<GroupValue>,
        joined: Box<JoinedGroup>,
        callback: Option<JoinCallback>,
    },
    RemoveGroup(GroupRemoval),
}

impl Store {
    /// The records, which may be none. Encodes, so it is not for callers that hold the group's lock.
    pub fn records(&self, group_id: &str) -> Vec<Record> {
        let tombstone = |key: &TopicAndPartition| (offset_commit_key(group_id, key), None);
        match self {
            Self::Commit(commit) => commit.records(group_id).collect(),
            Self::Commits(commits) => commits.iter().flat_map(|it| it.records(group_id)).collect(),
            Self::RemoveOffsets { keys, .. } => {
                keys.iter().take(TOMBSTONES_PER_BATCH).map(tombstone).collect()
            }
            Self::Assignment { value, .. }
            | Self::Empty { value }
            | Self::StaticMember { value, .. } => {
                vec![(group_metadata_key(group_id), Some(group_metadata_value(value)))]
            }
            Self::RemoveGroup(removal) => {
                let of_group = removal.is_with_group_record.then(|| group_metadata_key(group_id));
                let offsets = removal.offsets.iter().map(tombstone);
                offsets.chain(of_group.map(|key| (key, None))).collect()
            }
        }
    }

    /// What it takes in memory, in bytes.
    pub fn bytes(&self) -> usize {
        STORE_BYTES
            + match self {
                Self::Commit(commit) => commit.bytes(),
                Self::Commits(commits) => commits.iter().map(OffsetCommit::bytes).sum(),
                Self::RemoveOffsets { keys, .. } => keys.len() * KEY_BYTES,
                Self::Assignment { value, .. }
                | Self::Empty { value }
                | Self::StaticMember { value, .. } => value.bytes(),
                Self::RemoveGroup(removal) => removal.offsets.len() * KEY_BYTES,
            }
    }

    /// Whether it records the outcome of a rebalance, of which nobody waits for more than the newest.
    pub fn is_of_generation(&self) -> bool {
        matches!(self, Self::Assignment { .. } | Self::Empty { .. })
    }

    /// What an error of the append means to the client that caused the change.
    pub fn client_error(&self, error: Errors) -> Errors {
        match self {
            Self::Assignment { .. } | Self::Empty { .. } | Self::StaticMember { .. } => match error
            {
                Errors::RequestTimedOut => Errors::RebalanceInProgress,
                Errors::InvalidCommitOffsetSize => Errors::UnknownServerError,
                other => other,
            },
            Self::Commit(_)
            | Self::Commits(_)
            | Self::RemoveOffsets { .. }
            | Self::RemoveGroup(_) => error,
        }
    }

    /// Fails a change that nobody will complete. Returns the answers that its clients wait for; none
    /// for a client that has it already.
    pub fn abandon(&mut self, error: Errors) -> Vec<Answer> {
        let answer: Option<Answer> = match self {
            Self::Commit(commit) => commit.take_answer(Err(error)),
            Self::Commits(commits) => {
                return commits.iter_mut().filter_map(|it| it.take_answer(Err(error))).collect();
            }
            Self::RemoveOffsets { callback, .. }
            | Self::RemoveGroup(GroupRemoval { callback, .. }) => {
                let callback = callback.take();
                callback.map(|it| -> Answer { Box::new(move || it(Err(error))) })
            }
            Self::StaticMember { joined, callback, .. } => {
                let failed = JoinError::new(error, &joined.member_id);
                callback.take().map(|it| -> Answer { Box::new(move || it(Err(failed))) })
            }
            Self::Assignment { .. } | Self::Empty { .. } => None,
        };
        answer.into_iter().collect()
    }
}

/// The offsets of one OffsetCommit.
pub struct OffsetCommit {
    /// Those that are accepted.
    pub offsets: Vec<(TopicAndPartition, OffsetAndMetadata)>,
    /// One for each offset of the request.
    verdicts: Vec<Result<(), Errors>>,
    /// None once its answer has been taken.
    callback: Option<CommitCallback>,
    /// The memory by which the group's offsets will grow.
    pub held: Held,
    /// What the answer takes in memory that waits with the callback, in bytes.
    pub answer_bytes: usize,
}

impl OffsetCommit {
    /// Accepts the offsets whose metadata has at most `max_metadata_size` characters.
    pub fn new(
        offsets: Vec<(TopicAndPartition, OffsetAndMetadata)>,
        max_metadata_size: usize,
        callback: CommitCallback,
    ) -> Self {
        let verdict = |(_, it): &(TopicAndPartition, OffsetAndMetadata)| match it
            .metadata
            .encode_utf16()
            .count()
            > max_metadata_size
        {
            true => Err(Errors::OffsetMetadataTooLarge),
            false => Ok(()),
        };
        let verdicts: Vec<_> = offsets.iter().map(verdict).collect();
        let accepted = offsets.into_iter().zip(&verdicts).filter(|(_, it)| it.is_ok());
        let offsets = accepted.map(|(it, _)| it).collect();
        Self { offsets, verdicts, callback: Some(callback), held: Held::default(), answer_bytes: 0 }
    }

    fn records(&self, group_id: &str) -> impl Iterator<Item = Record> {
        let record = move |(key, it): &(TopicAndPartition, OffsetAndMetadata)| {
            (offset_commit_key(group_id, key), Some(offset_commit_value(it)))
        };
        self.offsets.iter().map(record)
    }

    /// More than its records take in the log, in bytes.
    pub fn record_bytes_max(&self, group_id_bytes: usize) -> usize {
        let offsets = self.offsets.iter();
        offsets.map(|(key, it)| group_id_bytes + offset_bytes(key, it)).sum()
    }

    fn bytes(&self) -> usize {
        let offsets: usize = self.offsets.iter().map(|(key, it)| offset_bytes(key, it)).sum();
        offsets + size_of_val(self.verdicts.as_slice()) + self.answer_bytes
    }

    /// Takes the answer when `result` is that of the accepted offsets.
    pub fn take_answer(&mut self, result: Result<(), Errors>) -> Option<Answer> {
        let callback = self.callback.take()?;
        let verdicts = std::mem::take(&mut self.verdicts);
        Some(Box::new(move || callback(verdicts.into_iter().map(|it| it.and(result)).collect())))
    }
}

/// The removal of a whole group, which is Dead from the decision on. A step removes one batch of
/// offsets, the last one the group's own record too.
pub struct GroupRemoval {
    pub offsets: Vec<TopicAndPartition>,
    pub is_last: bool,
    /// False for a group that has only ever had offsets.
    pub is_with_group_record: bool,
    pub callback: Option<DoneCallback>,
}

impl GroupRemoval {
    /// A step that removes nothing: when its turn comes, all commits before it are done.
    pub fn begin(callback: Option<DoneCallback>) -> Self {
        Self { offsets: Vec::new(), is_last: false, is_with_group_record: false, callback }
    }
}
