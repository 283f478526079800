//! What the cluster has promised, and whether its logs keep it.

use std::collections::BTreeMap;

use transferto::common::topic_partition::TopicAndPartition;
use transferto::common::units::{Offset, Position};
use transferto::message::message_set::MessageSet;
use transferto::message::record_batch::RecordBatch;
use transferto::replica::partition::Partition;
use transferto::storage::log::log::Log;
use transferto::storage::log::patience::Patience;
use transferto::storage::log::read_limit::{FirstEntry, ReadLimit};

/// In a batch, what a broker writes anew ends here: the base offset, the length and the leader's epoch.
const PRODUCERS_PART: usize = 16;

/// A batch as it lies in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredBatch {
    pub(crate) base: i64,
    /// The offset after its last record.
    pub(crate) next: i64,
    pub(crate) bytes: Vec<u8>,
}

/// A replica, as far as others can see it.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogView {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) high_watermark: i64,
    pub(crate) batches: Vec<StoredBatch>,
    /// Each epoch with its first offset.
    pub(crate) epochs: Vec<(i32, i64)>,
}

impl LogView {
    /// `before` is what it was when it was last looked at. Between two looks a log either grows, or is cut, so
    /// its records are read anew only if it has another end.
    pub(crate) fn of(partition: &Partition, before: Option<&Self>) -> Self {
        let replica = partition.local_replica();
        let log = &replica.log;
        let entries = log.leader_epochs().epoch_entries();
        let (start, end) = (log.log_start_offset().0, log.log_end_offset().0);
        let unchanged = before.filter(|it| (it.start, it.end) == (start, end));
        Self {
            start,
            end,
            high_watermark: replica.high_watermark().message_offset.0,
            batches: unchanged.map_or_else(|| stored_batches(log), |it| it.batches.clone()),
            epochs: entries.iter().map(|it| (it.epoch.0, it.start_offset.0)).collect(),
        }
    }

    /// Whether nothing has changed since.
    pub(crate) fn is_same(&self, later: &Self) -> bool {
        let of = |it: &Self| (it.start, it.end, it.high_watermark);
        of(self) == of(later) && self.epochs == later.epochs
    }

    /// What must be true of any log whatever the others hold.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Self { start, end, high_watermark, .. } = self;
        if !(start <= high_watermark && high_watermark <= end) {
            return Err(format!("the high watermark {high_watermark} is not in {start} to {end}"));
        }
        let is_gapless = self.batches.windows(2).all(|pair| pair[0].next == pair[1].base);
        let last = self.batches.last().map_or(*end, |it| it.next);
        if !is_gapless || last != *end {
            return Err(format!("there is a gap below the end {end}"));
        }
        self.check_epochs()
    }

    /// Each batch lies where the epoch cache says that its epoch does.
    fn check_epochs(&self) -> Result<(), String> {
        let known = &self.epochs;
        for batch in &self.batches {
            let epoch = RecordBatch::parse(&batch.bytes).unwrap().partition_leader_epoch();
            let offset = batch.base.max(self.start);
            let covering = known.iter().rev().find(|(_, first)| *first <= offset);
            if covering.map(|(it, _)| *it) != Some(epoch) {
                return Err(format!(
                    "the batch at {offset} is of epoch {epoch}, the cache says {known:?}"
                ));
            }
        }
        Ok(())
    }
}

/// The whole log, read as its readers do.
fn stored_batches(log: &Log) -> Vec<StoredBatch> {
    let end = log.log_end_offset();
    let mut next = log.log_start_offset();
    let mut batches = Vec::new();
    while next < end {
        let limit = ReadLimit {
            max_bytes: i32::MAX,
            first_entry: FirstEntry::IsWhole,
            ends_at_entry: true,
            patience: Patience::ForDisk,
        };
        let set = log.read(next, None, limit).unwrap().message_set;
        let mut bytes = vec![0; set.size_in_bytes()];
        set.read_exact_at(&mut bytes, Position(0)).unwrap();
        batches.extend(batches_in(&bytes));
        let after = Offset(batches.last().map_or(end.0, |it: &StoredBatch| it.next));
        assert!(after > next, "a read from {next} ends at {after}, the log at {end}");
        next = after;
    }
    batches
}

/// Whole batches, one after the other.
pub(crate) fn batches_in(mut bytes: &[u8]) -> Vec<StoredBatch> {
    let mut batches = Vec::new();
    while !bytes.is_empty() {
        let batch = RecordBatch::parse(bytes).unwrap();
        let (base, next) = (batch.base_offset(), batch.last_offset() + 1);
        batches.push(StoredBatch { base, next, bytes: batch.bytes().to_vec() });
        bytes = &bytes[batch.size_in_bytes()..];
    }
    batches
}

/// What was below a leader's high watermark once, for good.
#[derive(Default)]
pub(crate) struct Ledger {
    partitions: BTreeMap<TopicAndPartition, Committed>,
    acknowledged: usize,
}

#[derive(Default)]
struct Committed {
    batches: Vec<StoredBatch>,
    /// Of each idempotent producer the sequence number that it uses next, and where its last batch lies.
    sequences: BTreeMap<i64, (i32, i64)>,
    /// An admin has deleted what is below. A broker that crashes may forget the producers of that, as in Kafka.
    deleted_before: i64,
}

impl Committed {
    fn end(&self) -> i64 {
        self.batches.last().map_or(0, |it| it.next)
    }

    fn at(&self, base: i64) -> Option<&StoredBatch> {
        let place = self.batches.binary_search_by_key(&base, |it| it.base).ok()?;
        Some(&self.batches[place])
    }

    fn add(&mut self, batch: &StoredBatch) -> Result<(), String> {
        let parsed = RecordBatch::parse(&batch.bytes).unwrap();
        let producer = parsed.producer_id();
        if producer >= 0 {
            let (base, sequence) = (batch.base, parsed.base_sequence());
            let (next, last) = self.sequences.get(&producer).copied().unwrap_or((0, 0));
            if sequence != next && last >= self.deleted_before {
                return Err(format!(
                    "producer {producer}: sequence {sequence} is committed at {base}, {next} was next"
                ));
            }
            self.sequences.insert(producer, (sequence + parsed.record_count(), base));
        }
        self.batches.push(batch.clone());
        Ok(())
    }

    /// Every batch of the log below `until` is committed there, but for those that an admin has deleted: the
    /// leader has forgotten their epochs, so a follower may have others in their place until it begins where its
    /// leader does.
    fn check_prefix(&self, view: &LogView, until: i64) -> Result<(), String> {
        let counts = |it: &&StoredBatch| it.base >= self.deleted_before && it.next <= until;
        for batch in view.batches.iter().filter(counts) {
            match self.at(batch.base) {
                Some(committed) if committed == batch => (),
                _ => {
                    return Err(format!("another batch than this was committed at {}", batch.base));
                }
            }
        }
        Ok(())
    }
}

impl Ledger {
    /// How many batches were acknowledged by all replicas in sync.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged
    }

    /// The end of what is committed.
    pub(crate) fn end(&self, key: &TopicAndPartition) -> i64 {
        self.partitions.get(key).map_or(0, Committed::end)
    }

    /// Takes down what a leader lets consumers read.
    pub(crate) fn commit(&mut self, key: &TopicAndPartition, view: &LogView) -> Result<(), String> {
        let committed = self.partitions.entry(key.clone()).or_default();
        let end = committed.end();
        committed.deleted_before = committed.deleted_before.max(view.start);
        committed.check_prefix(view, view.high_watermark.min(end))?;
        let is_new = |it: &&StoredBatch| it.base >= end && it.next <= view.high_watermark;
        for batch in view.batches.iter().filter(is_new) {
            if batch.base != committed.end() {
                return Err(format!("{} follows {end}", batch.base));
            }
            committed.add(batch)?;
        }
        match view.high_watermark > committed.end() {
            true => Err(format!("the high watermark {} is inside of a batch", view.high_watermark)),
            false => Ok(()),
        }
    }

    /// A replica that does not lead knows nothing as committed that is not.
    pub(crate) fn check_follower(
        &self,
        key: &TopicAndPartition,
        view: &LogView,
    ) -> Result<(), String> {
        let end = self.end(key);
        if view.high_watermark > end {
            return Err(format!(
                "its high watermark is {}, {end} is committed",
                view.high_watermark
            ));
        }
        let committed = self.partitions.get(key);
        committed.map_or(Ok(()), |it| it.check_prefix(view, view.high_watermark))
    }

    /// A replica that may lead next has everything.
    pub(crate) fn check_has_all(
        &self,
        key: &TopicAndPartition,
        view: &LogView,
    ) -> Result<(), String> {
        let Some(committed) = self.partitions.get(key) else { return Ok(()) };
        if view.end < committed.end() {
            return Err(format!("it ends at {}, {} is committed", view.end, committed.end()));
        }
        committed.check_prefix(view, committed.end())
    }

    /// A producer is promised that its batch is safe at this offset.
    pub(crate) fn acknowledge(
        &mut self,
        key: &TopicAndPartition,
        base: i64,
        sent: &[u8],
    ) -> Result<(), String> {
        let committed = self.partitions.get(key).and_then(|it| it.at(base));
        let is_same =
            committed.is_some_and(|it| it.bytes[PRODUCERS_PART..] == sent[PRODUCERS_PART..]);
        if !is_same {
            return Err(format!("the batch that is acknowledged at {base} is not committed there"));
        }
        self.acknowledged += 1;
        Ok(())
    }

    /// A consumer has read this.
    pub(crate) fn check_read(&self, key: &TopicAndPartition, bytes: &[u8]) -> Result<(), String> {
        let batches = batches_in(bytes);
        let end = batches.last().map_or(0, |it| it.next);
        let view = LogView { batches, ..LogView::default() };
        let committed = self.partitions.get(key);
        match committed {
            Some(committed) if end <= committed.end() => committed.check_prefix(&view, end),
            None if end == 0 => Ok(()),
            _ => Err(format!("a consumer has read up to {end}")),
        }
    }
}
