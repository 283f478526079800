//! Port of `org.apache.kafka.metadata.util.BatchFileReader` and `BatchFileWriter`, and of what
//! `org.apache.kafka.metadata.bootstrap.BootstrapMetadata` makes of such a file: the records with which the
//! first active controller begins the metadata log of a cluster.
//!
//! ```text
//! control batch    SnapshotHeader; of a dynamic quorum also KRaftVersion, KRaftVoters
//! batches          the levels of features, the first users of SCRAM: what `kafka-storage format` writes
//! batches          what is added here; the first record is a PRODUCER_IDS_RECORD, which `format` never writes
//! control batch    SnapshotFooter
//! ```

use std::collections::BTreeSet;

use crate::common::errors::KafkaError;
use crate::image::records::metadata_record::{MetadataRecord, RecordAndVersion};
use crate::message::record_batch::{CONTROL_FLAG, RecordBatch};
use crate::message::record_batch_builder::RecordBatchBuilder;
use crate::protocol::quorum_records::{QuorumRecord, SnapshotFooterRecord};

/// A batch is full with so many bytes of records; Kafka reads such files with a buffer of 8 MiB.
const BATCH_BYTES: usize = 256 * 1024;
/// The epoch in which nobody has led yet.
const NO_LEADERS_EPOCH: i32 = 0;

/// Such a file, up to where records can be added.
#[derive(Debug)]
pub(crate) struct BootstrapCheckpoint {
    /// The batches that `kafka-storage format` wrote, without the last one.
    head: Vec<u8>,
    next_offset: i64,
    /// The records in them.
    records: Vec<RecordAndVersion>,
    /// The ids of the controllers that vote from the beginning; empty unless the quorum is dynamic.
    voters: BTreeSet<i32>,
    /// Whether an earlier run has added some, which are not in the head.
    has_additions: bool,
}

impl BootstrapCheckpoint {
    /// # Errors
    /// In a sentence, what is wrong with the bytes.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut read = Self {
            head: Vec::new(),
            next_offset: 0,
            records: Vec::new(),
            voters: BTreeSet::new(),
            has_additions: false,
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let batch = RecordBatch::parse(rest).map_err(|error| error.why())?;
            if !batch.has_valid_crc() {
                return Err(format!("the batch at offset {} is damaged", batch.base_offset()));
            }
            rest = &rest[batch.bytes().len()..];
            let is_end = match batch.is_control_batch() {
                true => read.take_control_records(&batch)?,
                false => read.take_records(&batch)?,
            };
            if is_end {
                return Ok(read);
            }
            read.head.extend_from_slice(batch.bytes());
            read.next_offset = batch.last_offset() + 1;
        }
        Err("it has no end: `kafka-storage format` was interrupted".to_string())
    }

    /// Takes the records of a batch, unless it is the first one that was added.
    fn take_records(&mut self, batch: &RecordBatch<'_>) -> Result<bool, String> {
        let mut records = Vec::new();
        let mut failure = None;
        let read = batch.for_each_record(&mut |record| {
            match RecordAndVersion::read(record.value.unwrap_or_default()) {
                Ok(read) => records.push(read),
                Err(error) => failure = Some(format!("record {}: {error}", record.offset)),
            }
            Ok(())
        });
        read.map_err(|error| error.why())?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        let is_added = |it: &RecordAndVersion| matches!(it.record, MetadataRecord::ProducerIds(_));
        self.has_additions = records.first().is_some_and(is_added);
        if !self.has_additions {
            self.records.append(&mut records);
        }
        Ok(self.has_additions)
    }

    /// Takes the voters from a control batch. Returns whether the batch ends the file.
    fn take_control_records(&mut self, batch: &RecordBatch<'_>) -> Result<bool, String> {
        let mut is_footer = Ok(false);
        let read = batch.for_each_record(&mut |record| {
            let (key, value) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
            match QuorumRecord::read(key, value) {
                Ok(QuorumRecord::SnapshotFooter(_)) => is_footer = Ok(true),
                Ok(QuorumRecord::KRaftVoters(it)) => {
                    self.voters = it.voters.iter().map(|it| it.voter_id).collect();
                }
                Ok(_) => (),
                Err(error) => is_footer = Err(format!("control record {}: {error}", record.offset)),
            }
            Ok(())
        });
        read.map_err(|error| error.why())?;
        is_footer
    }

    pub(crate) fn voters(&self) -> &BTreeSet<i32> {
        &self.voters
    }

    /// What `kafka-storage format` wrote.
    pub(crate) fn records(&self) -> &[RecordAndVersion] {
        &self.records
    }

    pub(crate) fn has_additions(&self) -> bool {
        self.has_additions
    }

    /// The file with these records, in the place of those of an earlier run.
    ///
    /// # Errors
    /// If a record is too large.
    pub(crate) fn with(
        &self,
        records: &[RecordAndVersion],
        timestamp_ms: i64,
    ) -> Result<Vec<u8>, KafkaError> {
        let mut bytes = self.head.clone();
        let mut next_offset = self.next_offset;
        let values: Vec<_> = records.iter().map(RecordAndVersion::to_bytes).collect();
        for values in in_batches(&values) {
            let mut batch = data_batch(next_offset);
            for value in values {
                batch = batch.record(timestamp_ms, None, Some(value));
            }
            bytes.extend(batch.build()?);
            next_offset += values.len() as i64;
        }
        let footer = QuorumRecord::SnapshotFooter(SnapshotFooterRecord { version: 0 });
        let (key, value) = footer.to_bytes();
        let batch = data_batch(next_offset).flags(CONTROL_FLAG);
        bytes.extend(batch.record(timestamp_ms, Some(&key), Some(&value)).build()?);
        Ok(bytes)
    }
}

fn data_batch(base_offset: i64) -> RecordBatchBuilder {
    RecordBatchBuilder::new(base_offset).partition_leader_epoch(NO_LEADERS_EPOCH)
}

/// The values, cut where a batch is full.
fn in_batches(values: &[Vec<u8>]) -> Vec<&[Vec<u8>]> {
    let (mut batches, mut begin, mut bytes) = (Vec::new(), 0, 0);
    for (at, value) in values.iter().enumerate() {
        if at > begin && bytes + value.len() > BATCH_BYTES {
            batches.push(&values[begin..at]);
            (begin, bytes) = (at, 0);
        }
        bytes += value.len();
    }
    batches.push(&values[begin..]);
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::hex::from_hex;
    use crate::image::records::config_records::ProducerIdsRecord;
    use crate::image::records::topic_records::TopicRecord;
    use crate::protocol::wire::uuid::Uuid;

    /// What Kafka 4.4.0 writes for `format --standalone --release-version 3.9`, in hexadecimal digits.
    const OF_KAFKA: &str = include_str!("bootstrap_checkpoint.hex");
    const TIMESTAMP_MS: i64 = 1_796_052_380_900;

    fn of_kafka() -> Vec<u8> {
        from_hex(&OF_KAFKA.split_whitespace().collect::<String>()).unwrap()
    }

    fn added(topics: usize) -> Vec<RecordAndVersion> {
        let ids = ProducerIdsRecord { broker_id: 1, broker_epoch: -1, next_producer_id: 5 };
        let topic = |it: usize| TopicRecord { name: format!("t{it}"), topic_id: Uuid([1; 16]) };
        let topics = (0..topics).map(|it| RecordAndVersion::from(topic(it)));
        [RecordAndVersion::from(ids)].into_iter().chain(topics).collect()
    }

    #[test]
    fn without_an_addition_the_file_is_kafkas_to_the_byte() {
        let read = BootstrapCheckpoint::parse(&of_kafka()).unwrap();
        let json: Vec<_> = read.records().iter().map(RecordAndVersion::to_json).collect();
        assert_eq!(json.len(), 1, "{json:?}");
        assert!(json[0].contains(r#""name":"metadata.version","featureLevel":21"#), "{json:?}");
        let head = read.head.clone();
        let written = read.with(&[], TIMESTAMP_MS).unwrap();
        assert_eq!(written, of_kafka());
        assert!(written.starts_with(&head) && !read.has_additions());
        assert_eq!(read.voters().len(), 1);
    }

    #[test]
    fn a_second_addition_takes_the_place_of_the_first() {
        let first = BootstrapCheckpoint::parse(&of_kafka()).unwrap();
        let once = first.with(&added(3), TIMESTAMP_MS).unwrap();
        let second = BootstrapCheckpoint::parse(&once).unwrap();
        assert!(second.has_additions());
        assert_eq!(second.records(), first.records());
        assert_eq!(second.with(&added(3), TIMESTAMP_MS).unwrap(), once);
        assert_eq!(second.with(&[], TIMESTAMP_MS).unwrap(), of_kafka());
    }

    #[test]
    fn many_records_go_into_several_batches_one_after_another() {
        let topics = 20_000;
        let base = BootstrapCheckpoint::parse(&of_kafka()).unwrap();
        let bytes = base.with(&added(topics), 0).unwrap();
        let (mut rest, mut offset, mut batches) = (&bytes[..], 0, 0);
        while !rest.is_empty() {
            let batch = RecordBatch::parse(rest).unwrap();
            assert_eq!((batch.base_offset(), batch.has_valid_crc()), (offset, true));
            assert!(batch.bytes().len() < 2 * BATCH_BYTES);
            (offset, batches) = (batch.last_offset() + 1, batches + 1);
            rest = &rest[batch.bytes().len()..];
        }
        // Three control records and the level before them, one control record behind.
        assert_eq!(offset, 4 + 1 + topics as i64 + 1);
        assert!(batches > 4, "{batches}");
    }

    #[test]
    fn a_file_that_is_cut_or_damaged_is_no_such_file() {
        let bytes = of_kafka();
        for length in 0..bytes.len() {
            assert!(BootstrapCheckpoint::parse(&bytes[..length]).is_err(), "{length} bytes");
        }
        let mut damaged = bytes.clone();
        damaged[200] ^= 1;
        let why = BootstrapCheckpoint::parse(&damaged).unwrap_err();
        assert!(why.contains("damaged"), "{why}");
    }
}
