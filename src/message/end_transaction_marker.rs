//! Port of `org.apache.kafka.common.record.EndTransactionMarker`: the record by which a log says how a
//! transaction has ended.
//!
//! ```text
//! key    i16 version 0    i16 type: 0 abort, 1 commit
//! value  i16 version 0    i32 the epoch of the coordinator
//! ```

use byteorder::{BigEndian, ByteOrder};

use crate::common::errors::KafkaError;
use crate::message::record_batch::{CONTROL_FLAG, RecordBatch, TRANSACTIONAL_FLAG};
use crate::message::record_batch_builder::RecordBatchBuilder;

const VERSION: i16 = 0;
const COMMIT: i16 = 1;
const NO_SEQUENCE: i32 = -1;
/// Where the epoch of the coordinator stands in the value.
const COORDINATOR_EPOCH_OFFSET: usize = 2;
/// No batch that holds just a marker is larger: Kafka's has 78 bytes.
pub const MARKER_BATCH_BYTES_MAX: usize = 256;

/// How the transaction of a producer has ended, as its coordinator says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTransactionMarker {
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub is_committed: bool,
    pub coordinator_epoch: i32,
}

impl EndTransactionMarker {
    /// The batch of the marker alone, at `offset`, with `now_ms` as its time.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn batch(
        &self,
        offset: i64,
        partition_leader_epoch: i32,
        now_ms: i64,
    ) -> Result<Vec<u8>, KafkaError> {
        let version = VERSION.to_be_bytes();
        let key = [version, i16::from(self.is_committed).to_be_bytes()].concat();
        let value = [&version[..], &self.coordinator_epoch.to_be_bytes()].concat();
        RecordBatchBuilder::new(offset)
            .partition_leader_epoch(partition_leader_epoch)
            .producer(self.producer_id, self.producer_epoch, NO_SEQUENCE)
            .flags(TRANSACTIONAL_FLAG | CONTROL_FLAG)
            .record(now_ms, Some(&key), Some(&value))
            .build()
    }
}

/// Whether the key of a control record says that a transaction was committed.
pub fn is_commit_marker(key: &[u8]) -> bool {
    key.get(2..4) == Some(&COMMIT.to_be_bytes())
}

/// The epoch of the coordinator that had the marker in `batch` written; `None` if there is none that can be read.
pub fn coordinator_epoch_of(batch: &[u8]) -> Option<i32> {
    let batch = RecordBatch::parse(batch).ok().filter(|it| it.is_control_batch())?;
    let mut coordinator_epoch = None;
    let read = batch.for_each_record(&mut |record| {
        let epoch = record.value.and_then(|value| value.get(COORDINATOR_EPOCH_OFFSET..));
        coordinator_epoch = epoch.filter(|it| it.len() >= 4).map(BigEndian::read_i32);
        Ok(())
    });
    read.ok().and(coordinator_epoch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::record_batch::ATTRIBUTES_OFFSET;

    /// Of Kafka 4.4.0: the marker of an aborted transaction of producer 0, as it lies in its log.
    #[test]
    fn a_marker_is_what_kafka_writes() {
        let marker = EndTransactionMarker {
            producer_id: 0,
            producer_epoch: 2,
            is_committed: false,
            coordinator_epoch: 0,
        };
        let batch = marker.batch(5, 0, 0x1a2_2d15_79e5).unwrap();
        assert_eq!(batch, KAFKAS);
    }

    #[test]
    fn a_marker_says_which_epoch_its_coordinator_had() {
        assert_eq!(coordinator_epoch_of(KAFKAS), Some(0));
        let (producer_id, producer_epoch, is_committed) = (7, 2, true);
        for coordinator_epoch in [0, 1, 77, i32::MAX, -1] {
            let marker = EndTransactionMarker {
                producer_id,
                producer_epoch,
                is_committed,
                coordinator_epoch,
            };
            let mut batch = marker.batch(5, 0, 0).unwrap();
            assert!(batch.len() <= MARKER_BATCH_BYTES_MAX);
            assert_eq!(coordinator_epoch_of(&batch), Some(coordinator_epoch));
            for end in 0..batch.len() {
                assert_eq!(coordinator_epoch_of(&batch[..end]), None, "{end} bytes");
            }
            batch[ATTRIBUTES_OFFSET + 1] = 0;
            assert_eq!(coordinator_epoch_of(&batch), None, "it is no marker");
        }
    }

    const KAFKAS: &[u8] = b"\
        \0\0\0\0\0\0\0\x05\0\0\0\x42\0\0\0\0\x02\x58\x6f\x99\x80\0\x30\0\0\0\0\0\0\x01\
        \xa2\x2d\x15\x79\xe5\0\0\x01\xa2\x2d\x15\x79\xe5\0\0\0\0\0\0\0\0\0\x02\xff\xff\
        \xff\xff\0\0\0\x01\x20\0\0\0\x08\0\0\0\0\x0c\0\0\0\0\0\0\0";
}
