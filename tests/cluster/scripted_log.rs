//! The metadata log of a [`ScriptedController`](crate::scripted_controller::ScriptedController), in memory.

use transferto::image::metadata_image::MetadataImage;
use transferto::image::records::metadata_record::RecordAndVersion;
use transferto::message::record_batch::{CONTROL_FLAG, RecordBatch};
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::message::records::LogRecord;
use transferto::raft::raft_listener::SnapshotId;

/// The timestamp of every record, in milliseconds.
pub(crate) const TIMESTAMP_MS: i64 = 1_000;

/// Batches one after another, and the snapshot that stands for those before.
#[derive(Default)]
pub(crate) struct ScriptedLog {
    batches: Vec<Vec<u8>>,
    start_offset: i64,
    end_offset: i64,
    /// Below it everything is committed.
    pub(crate) high_watermark: i64,
    pub(crate) snapshot: Option<(SnapshotId, Vec<u8>)>,
}

impl ScriptedLog {
    pub(crate) fn start_offset(&self) -> i64 {
        self.start_offset
    }

    pub(crate) fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// Appends a batch of records whose values these are. Returns the offset of the first.
    pub(crate) fn append(&mut self, epoch: i32, values: &[Vec<u8>]) -> i64 {
        let batch = data_batch(self.end_offset, epoch, values);
        self.append_batch(batch)
    }

    /// Appends one control record.
    pub(crate) fn append_control(&mut self, epoch: i32, kind: i16, value: &[u8]) -> i64 {
        let batch = control_batch(self.end_offset, epoch, kind, value);
        self.append_batch(batch)
    }

    /// Appends a whole batch as it is.
    pub(crate) fn append_batch(&mut self, batch: Vec<u8>) -> i64 {
        let base_offset = self.end_offset;
        let parsed = RecordBatch::parse(&batch).unwrap();
        assert_eq!(parsed.base_offset(), base_offset, "a log has no gap");
        self.end_offset = parsed.last_offset() + 1;
        self.batches.push(batch);
        base_offset
    }

    /// From now on the log begins with `id`, and `bytes` stand for what is gone.
    pub(crate) fn snapshot_at(&mut self, id: SnapshotId, bytes: Vec<u8>) {
        self.batches.retain(|batch| base_offset(batch) >= id.end_offset);
        self.start_offset = id.end_offset;
        self.end_offset = self.end_offset.max(id.end_offset);
        self.high_watermark = self.high_watermark.max(id.end_offset);
        self.snapshot = Some((id, bytes));
    }

    /// The batches from the one with `offset` on: at least one, if there is one, else as many as fit.
    pub(crate) fn read(&self, offset: i64, max_bytes: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for batch in self.batches.iter().filter(|batch| last_offset(batch) >= offset) {
            if !bytes.is_empty() && bytes.len() + batch.len() > max_bytes {
                break;
            }
            bytes.extend_from_slice(batch);
        }
        bytes
    }

    /// What the records of the log add up to. The log has no snapshot, and its values are records.
    pub(crate) fn image(&self) -> MetadataImage {
        assert!(self.snapshot.is_none(), "what is in a snapshot is not read");
        let mut image = MetadataImage::default();
        for batch in self.batches.iter().map(|it| RecordBatch::parse(it).unwrap()) {
            let replay = &mut |record: &LogRecord<'_>| {
                if !batch.is_control_batch() {
                    let read = RecordAndVersion::read(record.value.unwrap()).unwrap();
                    image.replay(&read.record).unwrap();
                }
                Ok(())
            };
            batch.for_each_record(replay).unwrap();
        }
        image
    }

    /// Where a log whose last record before `offset` has `epoch` parts from this one: the epoch up to
    /// which both agree, and where that ends here. `None` if they agree.
    pub(crate) fn diverging_epoch(&self, offset: i64, epoch: i32) -> Option<(i32, i64)> {
        let (known_epoch, end_offset) = self.end_of_epoch(epoch);
        (known_epoch != epoch || offset > end_offset).then_some((known_epoch, end_offset))
    }

    /// The largest epoch up to `epoch`, and the end offset of it.
    fn end_of_epoch(&self, epoch: i32) -> (i32, i64) {
        let before = self.snapshot.as_ref().map_or((0, 0), |(id, _)| (id.epoch, id.end_offset));
        let of_log = self.batches.iter().map(|batch| (epoch_of(batch), last_offset(batch) + 1));
        of_log.rev().find(|(of_batch, _)| *of_batch <= epoch).unwrap_or(before)
    }
}

/// A batch of the quorum's leader in `epoch`.
pub(crate) fn data_batch(base_offset: i64, epoch: i32, values: &[Vec<u8>]) -> Vec<u8> {
    let mut builder = RecordBatchBuilder::new(base_offset).partition_leader_epoch(epoch);
    for value in values {
        builder = builder.record(TIMESTAMP_MS, None, Some(value));
    }
    builder.build().unwrap()
}

/// A batch of one control record: 2 LeaderChange, 3 SnapshotHeader, 4 SnapshotFooter, 5 KRaftVersion, 6
/// KRaftVoters.
pub(crate) fn control_batch(base_offset: i64, epoch: i32, kind: i16, value: &[u8]) -> Vec<u8> {
    let key = [0_i16.to_be_bytes(), kind.to_be_bytes()].concat();
    let builder = RecordBatchBuilder::new(base_offset).partition_leader_epoch(epoch);
    builder.flags(CONTROL_FLAG).record(TIMESTAMP_MS, Some(&key), Some(value)).build().unwrap()
}

/// A snapshot of records whose values these are, between its header and its footer.
pub(crate) fn snapshot_bytes(epoch: i32, values: &[Vec<u8>]) -> Vec<u8> {
    let header = control_batch(0, epoch, 3, &[&[0; 10][..], &[0]].concat());
    let data = data_batch(1, epoch, values);
    let footer = control_batch(1 + values.len() as i64, epoch, 4, &[0, 0, 0]);
    [header, data, footer].concat()
}

fn base_offset(batch: &[u8]) -> i64 {
    RecordBatch::parse(batch).unwrap().base_offset()
}

fn last_offset(batch: &[u8]) -> i64 {
    RecordBatch::parse(batch).unwrap().last_offset()
}

fn epoch_of(batch: &[u8]) -> i32 {
    RecordBatch::parse(batch).unwrap().partition_leader_epoch()
}
