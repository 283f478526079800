//! Port of `org.apache.kafka.raft.ReplicatedLog` for observers: what was fetched of the metadata log and the
//! quorum has not committed yet. What is committed is handed on and not kept.
//!
//! A leader also serves what is not committed. It may never be, if the leader falls: then the next one has
//! other records at those offsets, and these are dropped.

use std::collections::VecDeque;

use crate::message::record_batch::RecordBatch;
use crate::raft::raft_fault::RaftFault;
use crate::raft::raft_listener::{MetadataFault, SnapshotId};

/// How much may wait to be committed, in bytes: far more than a quorum that works leaves open.
const PENDING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How much memory is kept for what comes next.
const KEPT_BYTES: usize = 64 * 1024;

/// A log without its beginning.
#[derive(Debug, Default)]
pub struct ObservedLog {
    /// Where the part that was handed on ends, and the epoch of its last record.
    committed: LogEnd,
    /// Whole batches behind that, one after another.
    bytes: Vec<u8>,
    /// Where each of them ends.
    batches: VecDeque<Batch>,
    /// The newest that a leader has told; it never goes back.
    high_watermark: i64,
    /// The last that was handed on.
    handed_on_high_watermark: i64,
}

/// The first offset that is not there, and the epoch of the last record that is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogEnd {
    pub offset: i64,
    /// 0 for a log without records.
    pub epoch: i32,
}

#[derive(Clone, Copy, Debug)]
struct Batch {
    end: LogEnd,
    size_bytes: usize,
}

impl ObservedLog {
    /// From where on to fetch.
    pub fn end(&self) -> LogEnd {
        self.batches.back().map_or(self.committed, |batch| batch.end)
    }

    /// What has been handed on.
    pub fn committed(&self) -> LogEnd {
        self.committed
    }

    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// Takes what a leader has sent; the last batch may be cut off, and is then left out. `epoch` is that of
    /// the leader. Returns the bytes that were taken.
    ///
    /// # Errors
    /// If these are not the batches that follow; those before the wrong one have been taken. If too much
    /// waits to be committed.
    pub fn append<'a>(&mut self, mut bytes: &'a [u8], epoch: i32) -> Result<&'a [u8], String> {
        let (all, start) = (bytes, bytes.len());
        while let Some(size_bytes) = whole_batch_bytes(bytes) {
            let end = self.check(&bytes[..size_bytes], epoch)?;
            if self.bytes.len() + size_bytes > PENDING_BYTES_MAX {
                return Err(format!(
                    "more than {PENDING_BYTES_MAX} bytes wait to be committed by the quorum"
                ));
            }
            self.bytes.extend_from_slice(&bytes[..size_bytes]);
            self.batches.push_back(Batch { end, size_bytes });
            bytes = &bytes[size_bytes..];
        }
        Ok(&all[..start - bytes.len()])
    }

    /// Checks that a batch follows the end, and returns where it ends itself.
    fn check(&self, bytes: &[u8], epoch_max: i32) -> Result<LogEnd, String> {
        let LogEnd { offset, epoch } = self.end();
        let batch = RecordBatch::parse(bytes).map_err(|error| error.why())?;
        if !batch.has_valid_crc() {
            return Err(format!("the CRC of the batch at offset {offset} is wrong"));
        }
        if batch.base_offset() != offset || batch.last_offset() < offset {
            let (first, last) = (batch.base_offset(), batch.last_offset());
            return Err(format!("a batch of offsets {first} to {last} where {offset} follows"));
        }
        let of_batch = batch.partition_leader_epoch();
        if of_batch < epoch || of_batch > epoch_max {
            return Err(format!(
                "the batch at offset {offset} is of epoch {of_batch}, behind epoch {epoch} and in that of \
                 epoch {epoch_max}"
            ));
        }
        Ok(LogEnd { offset: batch.last_offset() + 1, epoch: of_batch })
    }

    /// Takes over a high watermark that a leader has told; an older one, or none (-1), says nothing.
    pub fn learn_high_watermark(&mut self, high_watermark: i64) {
        self.high_watermark = self.high_watermark.max(high_watermark);
    }

    /// Hands the batches below the high watermark to `hand_on`, and forgets them; none of them, if only the
    /// high watermark has moved.
    ///
    /// # Errors
    /// Those of `hand_on`.
    pub fn commit(
        &mut self,
        hand_on: impl FnOnce(&[u8], i64) -> Result<(), MetadataFault>,
    ) -> Result<(), MetadataFault> {
        let high_watermark = self.high_watermark;
        let is_committed = |batch: &&Batch| batch.end.offset <= high_watermark;
        let count = self.batches.iter().take_while(is_committed).count();
        if count == 0 && high_watermark == self.handed_on_high_watermark {
            return Ok(());
        }
        if let Some(last) = count.checked_sub(1) {
            self.committed = self.batches[last].end;
        }
        let size = self.batches.drain(..count).map(|batch| batch.size_bytes).sum();
        self.handed_on_high_watermark = high_watermark;
        let handed_on = hand_on(&self.bytes[..size], high_watermark);
        self.bytes.drain(..size);
        // A start reads much, and then there are a few bytes each half second.
        self.bytes.shrink_to(KEPT_BYTES.max(self.bytes.len()));
        handed_on
    }

    /// Drops what the leader does not have: its log has `of_leader.epoch` as the last epoch that can be the
    /// same as here, and that ends at `of_leader.offset`.
    ///
    /// # Errors
    /// If it does not have what the quorum had committed.
    pub fn truncate_to(&mut self, of_leader: LogEnd) -> Result<(), RaftFault> {
        let is_older = |end: LogEnd| end.epoch <= of_leader.epoch;
        let in_common = self.batches.iter().map(|it| it.end).take_while(|end| is_older(*end));
        let here = in_common.last().unwrap_or(self.committed);
        let offset = match here.epoch == of_leader.epoch {
            true => here.offset.min(of_leader.offset),
            false => here.offset,
        };
        if !is_older(self.committed) || offset < self.committed.offset {
            let LogEnd { offset, epoch } = of_leader;
            return Err(RaftFault(format!(
                "the controllers have lost what they had committed: up to offset {} is known here, and their \
                 log ends with offset {offset} of epoch {epoch}; if the cluster was made anew, give it \
                 another cluster id",
                self.committed.offset
            )));
        }
        let count = self.batches.iter().take_while(|batch| batch.end.offset <= offset).count();
        self.batches.truncate(count);
        self.bytes.truncate(self.batches.iter().map(|batch| batch.size_bytes).sum());
        Ok(())
    }

    /// A snapshot is handed on, with the high watermark: the log goes on behind it.
    pub fn start_at(&mut self, id: SnapshotId) {
        self.committed = LogEnd { offset: id.end_offset, epoch: id.epoch };
        self.batches.clear();
        self.bytes.clear();
        self.learn_high_watermark(id.end_offset);
        self.handed_on_high_watermark = self.high_watermark;
    }
}

/// How long the batch at the front is, if it is there in whole.
fn whole_batch_bytes(bytes: &[u8]) -> Option<usize> {
    use crate::message::message_set::{LOG_OVERHEAD, SIZE_OFFSET};
    let size = bytes.get(SIZE_OFFSET..LOG_OVERHEAD)?;
    let size = i32::from_be_bytes(size.try_into().ok()?);
    // A size that is impossible is for `check` to refuse.
    let size_bytes = usize::try_from(size).unwrap_or(0) + LOG_OVERHEAD;
    (size_bytes <= bytes.len()).then_some(size_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::record_batch_builder::RecordBatchBuilder;

    /// A batch of `count` records from `base_offset` on.
    fn batch(base_offset: i64, epoch: i32, count: usize) -> Vec<u8> {
        let builder = RecordBatchBuilder::new(base_offset).partition_leader_epoch(epoch);
        let filled = (0..count).fold(builder, |it, _| it.record(1, None, Some(b"value")));
        filled.build().unwrap()
    }

    /// The end of what is handed on at this high watermark, and how many bytes that is.
    fn committed(log: &mut ObservedLog, high_watermark: i64) -> (i64, usize) {
        let mut bytes = 0;
        log.learn_high_watermark(high_watermark);
        let commit = |handed_on: &[u8], told: i64| {
            assert!(told >= high_watermark);
            bytes = handed_on.len();
            Ok(())
        };
        log.commit(commit).unwrap();
        (log.committed().offset, bytes)
    }

    fn end(offset: i64, epoch: i32) -> LogEnd {
        LogEnd { offset, epoch }
    }

    #[test]
    fn whole_batches_are_handed_on_once_the_high_watermark_has_passed_them() {
        let mut log = ObservedLog::default();
        let (first, second) = (batch(0, 1, 3), batch(3, 1, 2));
        log.append(&[&first[..], &second].concat(), 1).unwrap();
        assert_eq!(log.end(), end(5, 1));
        assert_eq!(committed(&mut log, -1), (0, 0));
        assert_eq!(committed(&mut log, 2), (0, 0), "not a part of one");
        assert_eq!(committed(&mut log, 4), (3, first.len()));
        assert_eq!(committed(&mut log, 3), (3, 0), "an older one is no news");
        assert_eq!(committed(&mut log, 100), (5, second.len()));
        assert_eq!((log.end(), log.bytes.len()), (end(5, 1), 0));
    }

    #[test]
    fn a_batch_that_is_cut_off_is_left_for_the_next_answer() {
        let (first, second) = (batch(0, 1, 1), batch(1, 1, 1));
        for kept in 0..second.len() {
            let mut log = ObservedLog::default();
            log.append(&[&first[..], &second[..kept]].concat(), 1).unwrap();
            assert_eq!(log.end(), end(1, 1), "{kept} bytes");
        }
    }

    /// Port of `KafkaRaftClientFetchTest.testReplicationOfHigherPartitionLeaderEpoch`.
    #[test]
    fn what_stands_before_a_batch_of_a_later_epoch_is_taken() {
        let mut log = ObservedLog::default();
        let batches = [batch(0, 2, 10), batch(10, 3, 10)].concat();
        assert!(log.append(&batches, 2).is_err());
        assert_eq!(log.end(), end(10, 2));
    }

    #[test]
    fn what_does_not_follow_is_refused() {
        for (wrong, why) in [
            (batch(2, 1, 1), "2 to 2 where 1 follows"),
            (batch(0, 1, 1), "0 to 0 where 1 follows"),
            (batch(1, 0, 1), "of epoch 0, behind epoch 1"),
            (batch(1, 3, 1), "in that of epoch 2"),
            ([&batch(1, 1, 1)[..60], b"?"].concat(), "cut off"),
        ] {
            let mut log = ObservedLog::default();
            log.append(&batch(0, 1, 1), 2).unwrap();
            let mut wrong = wrong;
            if why == "cut off" {
                wrong[8..12].copy_from_slice(&[0, 0, 0, 49]);
            }
            let refused = log.append(&wrong, 2);
            let is_refused = refused.as_ref().is_err_and(|it| it.contains(why));
            assert!(is_refused || why == "cut off" && refused.is_err(), "{refused:?}");
            assert_eq!(log.end(), end(1, 1));
        }
    }

    #[test]
    fn a_change_of_any_byte_behind_the_epoch_is_noticed() {
        let good = batch(0, 1, 1);
        for at in 16..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            assert!(ObservedLog::default().append(&bytes, 1).is_err(), "byte {at}");
        }
    }

    #[test]
    fn what_the_new_leader_does_not_have_is_dropped() {
        let filled = || {
            let mut log = ObservedLog::default();
            log.append(&[batch(0, 1, 2), batch(2, 1, 2), batch(4, 2, 2)].concat(), 2).unwrap();
            assert_eq!(committed(&mut log, 2).0, 2);
            log
        };
        for (of_leader, expected) in [
            (end(4, 1), end(4, 1)),
            (end(3, 1), end(2, 1)),
            (end(2, 1), end(2, 1)),
            (end(5, 2), end(4, 1)),
            (end(9, 1), end(4, 1)),
        ] {
            let mut log = filled();
            log.truncate_to(of_leader).unwrap();
            assert_eq!(log.end(), expected, "{of_leader:?}");
            let next = batch(expected.offset, 3, 1);
            log.append(&next, 3).unwrap();
            assert_eq!(committed(&mut log, 100).0, expected.offset + 1);
        }
        for lost in [end(1, 1), end(0, 0), end(9, 0)] {
            let fault = filled().truncate_to(lost).unwrap_err();
            assert!(fault.0.contains("lost what they had committed"), "{fault}");
        }
    }

    #[test]
    fn behind_a_snapshot_the_log_goes_on_at_its_end() {
        let mut log = ObservedLog::default();
        log.append(&batch(0, 1, 2), 1).unwrap();
        log.start_at(SnapshotId { end_offset: 70, epoch: 3 });
        assert_eq!((log.end(), log.high_watermark()), (end(70, 3), 70));
        log.append(&batch(70, 3, 1), 3).unwrap();
        assert_eq!(committed(&mut log, 71).0, 71);
    }

    #[test]
    fn what_is_never_committed_takes_no_memory_without_end() {
        let mut log = ObservedLog::default();
        let value = vec![0; 8 * 1024 * 1024];
        let mut refused = None;
        for offset in 0..8 {
            let builder = RecordBatchBuilder::new(offset).partition_leader_epoch(1);
            let bytes = builder.record(1, None, Some(&value)).build().unwrap();
            refused = log.append(&bytes, 1).err();
        }
        assert!(refused.unwrap().contains("wait to be committed"));
        assert!(log.bytes.len() <= PENDING_BYTES_MAX);
    }
}
