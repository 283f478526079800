//! Port of the file format of `org.apache.kafka.storage.internals.log.ProducerStateManager`: what
//! the log remembers of its producers, in a file that Kafka reads too.
//!
//! ```text
//! version  i16          1
//! crc      u32          the CRC-32C of all that follows
//! count    i32          of rows
//! row      i64 i16 ...  see `Row`, 46 bytes each
//! ```
//!
//! Kafka writes one row for each producer, of its last batch. Here each remembered batch has a row,
//! the newest last. Kafka reads that the same: of several rows of a producer, the last one counts.
//! But here the batches that were in flight when the broker stopped are known after a restart.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use byteorder::{BigEndian, ByteOrder, WriteBytesExt};
use log::debug;

use crate::common::errors::KafkaError;
use crate::common::units::{Offset, TimestampMs};
use crate::storage::files::file_io::{failed, failed_to_read, open_regular_file, remove_if_exists};
use crate::storage::producers::producer_state_entry::{
    BatchMetadata, NO_SEQUENCE, ProducerStateEntry,
};

const VERSION: i16 = 1;
const CRC_OFFSET: usize = 2;
const COUNT_OFFSET: usize = 6;
const ROWS_OFFSET: usize = 10;
const ROW_SIZE: usize = 46;

/// The offset at which a transaction began: none is open.
const NO_TRANSACTION_OFFSET: i64 = -1;
/// The last offset of a producer without a batch.
const NO_OFFSET: Offset = Offset::NONE;

/// The producers of a log, by id.
pub type Producers = HashMap<i64, ProducerStateEntry>;

/// Writes a snapshot. It is not forced to disk: the CRC shows what a crash has left torn. What a
/// full disk has left of it is removed.
///
/// # Errors
/// Whatever the operating system reports, with the path.
pub fn write_snapshot(path: &Path, producers: &Producers) -> Result<(), KafkaError> {
    let bytes = encode(producers);
    fs::write(path, bytes).map_err(|error| {
        if let Err(error) = remove_if_exists(path) {
            debug!("a torn snapshot stays until the next start: {error}");
        }
        failed("write the snapshot of producers", path)(error).into()
    })
}

/// # Errors
/// `Corrupt` if the bytes are not a snapshot; whatever the operating system reports, with the path.
pub fn read_snapshot(path: &Path) -> Result<Producers, KafkaError> {
    let bytes = fs::read(path).map_err(failed_to_read("read the snapshot of producers", path))?;
    decode(&bytes).map_err(|why| KafkaError::Corrupt { file: path.to_path_buf(), position: 0, why })
}

/// The rows of a snapshot as they stand in the file, for a reader who wants to see them. Memory is
/// taken for a file only if its size is what its header says.
///
/// # Errors
/// Those of [`read_snapshot`].
pub fn read_rows(path: &Path) -> Result<Vec<Row>, KafkaError> {
    let doing = "read the snapshot of producers";
    let corrupt = |why| KafkaError::Corrupt { file: path.to_path_buf(), position: 0, why };
    let (mut file, file_bytes) = open_regular_file(path)?;
    let mut bytes = Vec::new();
    let read = file.by_ref().take(ROWS_OFFSET as u64).read_to_end(&mut bytes);
    read.map_err(failed_to_read(doing, path))?;
    check_size(&bytes, file_bytes).map_err(corrupt)?;
    let read = file.take(file_bytes.saturating_sub(ROWS_OFFSET as u64)).read_to_end(&mut bytes);
    read.map_err(failed_to_read(doing, path))?;
    rows_of(&bytes).map(Iterator::collect).map_err(corrupt)
}

/// A line of the table: a producer, and a batch of it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub producer_id: i64,
    pub producer_epoch: i16,
    /// Without a batch: [`NO_SEQUENCE`] and [`NO_OFFSET`].
    pub batch: BatchMetadata,
    /// -1 without a transaction that has ended.
    pub coordinator_epoch: i32,
    /// Where the producer's open transaction began, or -1.
    pub current_txn_first_offset: i64,
}

impl Row {
    fn write(&self, bytes: &mut Vec<u8>) {
        let BatchMetadata { last_sequence, last_offset, offset_delta, timestamp_ms } = self.batch;
        let mut write = || -> std::io::Result<()> {
            bytes.write_i64::<BigEndian>(self.producer_id)?;
            bytes.write_i16::<BigEndian>(self.producer_epoch)?;
            bytes.write_i32::<BigEndian>(last_sequence)?;
            bytes.write_i64::<BigEndian>(last_offset.0)?;
            bytes.write_i32::<BigEndian>(offset_delta)?;
            bytes.write_i64::<BigEndian>(timestamp_ms.0)?;
            bytes.write_i32::<BigEndian>(self.coordinator_epoch)?;
            bytes.write_i64::<BigEndian>(self.current_txn_first_offset)
        };
        write().expect("a vector takes all bytes");
    }

    /// `bytes` are [`ROW_SIZE`].
    fn read(bytes: &[u8]) -> Self {
        Self {
            producer_id: BigEndian::read_i64(bytes),
            producer_epoch: BigEndian::read_i16(&bytes[8..]),
            batch: BatchMetadata {
                last_sequence: BigEndian::read_i32(&bytes[10..]),
                last_offset: Offset(BigEndian::read_i64(&bytes[14..])),
                offset_delta: BigEndian::read_i32(&bytes[22..]),
                timestamp_ms: TimestampMs(BigEndian::read_i64(&bytes[26..])),
            },
            coordinator_epoch: BigEndian::read_i32(&bytes[34..]),
            current_txn_first_offset: BigEndian::read_i64(&bytes[38..]),
        }
    }
}

fn encode(producers: &Producers) -> Vec<u8> {
    let mut bytes = vec![0; ROWS_OFFSET];
    let mut count = 0;
    for (&producer_id, entry) in producers {
        let producer_epoch = entry.producer_epoch();
        let no_batch = BatchMetadata {
            last_sequence: NO_SEQUENCE,
            last_offset: NO_OFFSET,
            offset_delta: 0,
            timestamp_ms: entry.last_timestamp_ms(),
        };
        let batches = match entry.batches() {
            [] => std::slice::from_ref(&no_batch),
            batches => batches,
        };
        for &batch in batches {
            let row = Row {
                producer_id,
                producer_epoch,
                batch,
                coordinator_epoch: entry.coordinator_epoch(),
                current_txn_first_offset: entry
                    .current_txn_first_offset()
                    .map_or(NO_TRANSACTION_OFFSET, |it| it.0),
            };
            row.write(&mut bytes);
            count += 1;
        }
    }
    BigEndian::write_i16(&mut bytes, VERSION);
    BigEndian::write_i32(&mut bytes[COUNT_OFFSET..], count);
    let crc = crc32c::crc32c(&bytes[COUNT_OFFSET..]);
    BigEndian::write_u32(&mut bytes[CRC_OFFSET..], crc);
    bytes
}

fn decode(bytes: &[u8]) -> Result<Producers, String> {
    let mut producers = Producers::new();
    for row in rows_of(bytes)? {
        let Row { producer_id, producer_epoch, batch, coordinator_epoch, .. } = row;
        let new = || ProducerStateEntry::new(producer_epoch, batch.timestamp_ms);
        let entry = producers.entry(producer_id).or_insert_with(new);
        if batch.last_offset >= Offset::FIRST && batch.last_sequence >= 0 && batch.offset_delta >= 0
        {
            entry.add_batch(producer_epoch, batch);
        } else {
            entry.update_epoch(producer_epoch, batch.timestamp_ms);
        }
        entry.set_coordinator_epoch(coordinator_epoch);
        if row.current_txn_first_offset >= 0 {
            entry.note_transaction(Offset(row.current_txn_first_offset));
        }
    }
    Ok(producers)
}

/// The rows in the order of the file.
fn rows_of(bytes: &[u8]) -> Result<impl Iterator<Item = Row>, String> {
    check_size(bytes, bytes.len() as u64)?;
    let stored_crc = BigEndian::read_u32(&bytes[CRC_OFFSET..]);
    let computed_crc = crc32c::crc32c(&bytes[COUNT_OFFSET..]);
    if stored_crc != computed_crc {
        return Err(format!(
            "Snapshot is corrupt (CRC is no longer valid). Stored crc: {stored_crc}. \
             Computed crc: {computed_crc}"
        ));
    }
    Ok(bytes[ROWS_OFFSET..].chunks_exact(ROW_SIZE).map(Row::read))
}

/// Checks that a file of `file_bytes` that begins with `header` can be a snapshot.
fn check_size(header: &[u8], file_bytes: u64) -> Result<(), String> {
    if header.len() < ROWS_OFFSET {
        return Err("the snapshot of producers is cut off".to_string());
    }
    let version = BigEndian::read_i16(header);
    if version != VERSION {
        return Err(format!("the snapshot of producers has the unknown version {version}"));
    }
    let count = BigEndian::read_i32(&header[COUNT_OFFSET..]);
    let rows_bytes = u64::try_from(count).ok().map(|count| count * ROW_SIZE as u64);
    if rows_bytes != file_bytes.checked_sub(ROWS_OFFSET as u64) || rows_bytes.is_none() {
        return Err(format!(
            "the snapshot of producers declares {count} rows of {ROW_SIZE} bytes, and has \
             {file_bytes} bytes"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Kafka 3.9: producer 7 of epoch 3, sequence 99, offset 1000, delta 9.
    const GOLDEN: &[u8] = b"\0\x01\x16\x5b\xc1\xa7\0\0\0\x01\
        \0\0\0\0\0\0\0\x07\0\x03\0\0\0\x63\0\0\0\0\0\0\x03\xe8\0\0\0\x09\
        \0\0\x01\x52\xcd\xa0\x98\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";

    fn batch(number: i32) -> BatchMetadata {
        BatchMetadata {
            last_sequence: number * 10 + 9,
            last_offset: Offset(i64::from(number) * 100 + 9),
            offset_delta: 9,
            timestamp_ms: TimestampMs(1_000 + i64::from(number)),
        }
    }

    #[test]
    fn what_kafka_writes_is_read_and_written_alike() {
        let producers = decode(GOLDEN).unwrap();
        let mut expected = ProducerStateEntry::new(3, TimestampMs(0));
        let last_batch = BatchMetadata {
            last_sequence: 99,
            last_offset: Offset(1_000),
            offset_delta: 9,
            timestamp_ms: TimestampMs(1_455_148_800_000),
        };
        expected.add_batch(3, last_batch);
        assert_eq!(producers, Producers::from([(7, expected)]));
        assert_eq!(encode(&producers), GOLDEN);
    }

    #[test]
    fn all_remembered_batches_come_back_in_their_order() {
        let mut producers = Producers::new();
        for (producer_id, batches) in [(0, 0), (1, 1), (2, 5), (i64::MAX, 9)] {
            let mut entry = ProducerStateEntry::new(4, TimestampMs(77));
            (0..batches).for_each(|number| entry.add_batch(4, batch(number)));
            if producer_id == 2 {
                entry.end_transaction(Some(6));
                entry.note_transaction(Offset(109));
            }
            producers.insert(producer_id, entry);
        }
        assert_eq!(decode(&encode(&producers)).unwrap(), producers);
        assert_eq!(decode(&encode(&Producers::new())).unwrap(), Producers::new());
    }

    #[test]
    fn a_changed_byte_or_a_missing_one_is_noticed() {
        for at in 0..GOLDEN.len() {
            let mut changed = GOLDEN.to_vec();
            changed[at] ^= 0x10;
            assert!(decode(&changed).is_err(), "byte {at}");
            assert!(decode(&GOLDEN[..at]).is_err(), "{at} bytes");
        }
        assert!(decode(&[GOLDEN, b"x"].concat()).is_err());
        assert!(decode(&[0; 4096]).is_err());
    }

    #[test]
    fn a_count_that_does_not_fit_is_refused_whatever_the_crc_says() {
        for count in [-1, 0, 2, i32::MIN, i32::MAX] {
            let mut bytes = GOLDEN.to_vec();
            BigEndian::write_i32(&mut bytes[COUNT_OFFSET..], count);
            let crc = crc32c::crc32c(&bytes[COUNT_OFFSET..]);
            BigEndian::write_u32(&mut bytes[CRC_OFFSET..], crc);
            assert!(decode(&bytes).is_err(), "{count} rows");
        }
    }
}
