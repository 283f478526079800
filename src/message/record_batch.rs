//! Port of `org.apache.kafka.common.record.DefaultRecordBatch`: the batch of records of magic 2.
//!
//! The producer computes the CRC from the attributes to the end. What the broker must change on
//! append, base offset and leader epoch, stands before them: two fields are overwritten in place,
//! and the CRC stays true. That is why a batch goes from one socket to the file, and from the file
//! to the next socket, without being parsed into records.

use std::ops::Deref;

use byteorder::{BigEndian, ByteOrder};

use crate::common::errors::KafkaError;
use crate::message::compression_codec::CompressionCodec;
use crate::message::drawn_bytes::DrawnBytes;
use crate::message::message::corrupt;
use crate::message::message_set::{
    LOG_OVERHEAD, MAGIC_OFFSET, OFFSET_LENGTH, OFFSET_OFFSET, SIZE_OFFSET,
};
use crate::message::records::{LogRecord, Record, Records};
use crate::message::timestamp_type::TimestampType;

/// The magic byte of this format.
pub const MAGIC_VALUE_V2: u8 = 2;

// The layout, in bytes from the start of the batch. Base offset and size come first: the 12 bytes
// that every entry of a log begins with.

/// i32, the epoch of the leader that appended the batch: the broker's to fill in.
pub const PARTITION_LEADER_EPOCH_OFFSET: usize = LOG_OVERHEAD;
pub const PARTITION_LEADER_EPOCH_LENGTH: usize = 4;
/// The magic byte, u8, follows, at the place it has in all formats ([`MAGIC_OFFSET`]).
pub const MAGIC_LENGTH: usize = 1;
/// u32, the CRC-32C of everything from the attributes on.
pub const CRC_OFFSET: usize = MAGIC_OFFSET + MAGIC_LENGTH;
pub const CRC_LENGTH: usize = 4;
/// i16: codec, timestamp type, transactional, control.
pub const ATTRIBUTES_OFFSET: usize = CRC_OFFSET + CRC_LENGTH;
pub const ATTRIBUTES_LENGTH: usize = 2;
/// i32, the last record's offset less the base offset.
pub const LAST_OFFSET_DELTA_OFFSET: usize = ATTRIBUTES_OFFSET + ATTRIBUTES_LENGTH;
pub const LAST_OFFSET_DELTA_LENGTH: usize = 4;
/// i64, milliseconds: the first record's timestamp.
pub const BASE_TIMESTAMP_OFFSET: usize = LAST_OFFSET_DELTA_OFFSET + LAST_OFFSET_DELTA_LENGTH;
pub const BASE_TIMESTAMP_LENGTH: usize = 8;
/// i64, milliseconds: the latest timestamp in the batch, or the time of the append.
pub const MAX_TIMESTAMP_OFFSET: usize = BASE_TIMESTAMP_OFFSET + BASE_TIMESTAMP_LENGTH;
pub const MAX_TIMESTAMP_LENGTH: usize = 8;
/// i64, -1 for a producer that is not idempotent.
pub const PRODUCER_ID_OFFSET: usize = MAX_TIMESTAMP_OFFSET + MAX_TIMESTAMP_LENGTH;
pub const PRODUCER_ID_LENGTH: usize = 8;
/// i16, -1 for a producer that is not idempotent.
pub const PRODUCER_EPOCH_OFFSET: usize = PRODUCER_ID_OFFSET + PRODUCER_ID_LENGTH;
pub const PRODUCER_EPOCH_LENGTH: usize = 2;
/// i32, the first record's sequence number, -1 for a producer that is not idempotent.
pub const BASE_SEQUENCE_OFFSET: usize = PRODUCER_EPOCH_OFFSET + PRODUCER_EPOCH_LENGTH;
pub const BASE_SEQUENCE_LENGTH: usize = 4;
/// i32, the number of records.
pub const RECORDS_COUNT_OFFSET: usize = BASE_SEQUENCE_OFFSET + BASE_SEQUENCE_LENGTH;
pub const RECORDS_COUNT_LENGTH: usize = 4;
/// The records, compressed together if a codec is set.
pub const RECORDS_OFFSET: usize = RECORDS_COUNT_OFFSET + RECORDS_COUNT_LENGTH;

const _: () = assert!(
    MAGIC_OFFSET == PARTITION_LEADER_EPOCH_OFFSET + PARTITION_LEADER_EPOCH_LENGTH
        && RECORDS_OFFSET == 61,
    "the header of a record batch has 61 bytes"
);

/// The size of a batch without records, in bytes.
pub const RECORD_BATCH_OVERHEAD: usize = RECORDS_OFFSET;

/// The size of a record without key, value and headers: seven fields of one byte.
pub(crate) const RECORD_BYTES_MIN: usize = 7;
/// What one byte can become at most: zstd writes 128 KiB of one value in four bytes, and the other
/// codecs less.
const EXPANSION_MAX: usize = 32 * 1024;

/// The attribute bits that name the codec.
pub(crate) const COMPRESSION_CODEC_MASK: i16 = 0x07;
/// The attribute bit of a batch whose highest timestamp is the time of the append.
pub const TIMESTAMP_TYPE_MASK: i16 = 0x08;
/// The attribute bit of a batch that belongs to a transaction.
pub const TRANSACTIONAL_FLAG: i16 = 0x10;
/// The attribute bit of a batch of control records, which only brokers write.
pub const CONTROL_FLAG: i16 = 0x20;
/// The attribute bit of a batch whose base timestamp is the time from which its tombstones may be
/// dropped (KIP-534).
pub const DELETE_HORIZON_FLAG: i16 = 0x40;

/// A batch of magic 2, looked at where it lies.
#[derive(Clone, Copy, Debug)]
pub struct RecordBatch<'a> {
    /// From the base offset to the last record: at least [`RECORD_BATCH_OVERHEAD`] bytes.
    bytes: &'a [u8],
}

impl<'a> RecordBatch<'a> {
    /// The batch at the front of `bytes`. Checks size and magic, and not yet the CRC.
    ///
    /// # Errors
    /// `CORRUPT_MESSAGE` if the batch is cut off, its size is impossible, or its magic is not 2.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, KafkaError> {
        if bytes.len() < RECORD_BATCH_OVERHEAD {
            return Err(corrupt(format!("a batch of {} bytes is cut off", bytes.len())));
        }
        if bytes[MAGIC_OFFSET] != MAGIC_VALUE_V2 {
            return Err(corrupt(format!("magic {} where 2 is expected", bytes[MAGIC_OFFSET])));
        }
        let declared = i64::from(BigEndian::read_i32(&bytes[SIZE_OFFSET..])) + LOG_OVERHEAD as i64;
        match usize::try_from(declared) {
            Ok(size) if size >= RECORD_BATCH_OVERHEAD && size <= bytes.len() => {
                Ok(Self { bytes: &bytes[..size] })
            }
            _ => Err(corrupt(format!("a batch declares {declared} of {} bytes", bytes.len()))),
        }
    }

    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The size in bytes, base offset and size field included.
    pub fn size_in_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The offset of the first record (of the first there was, if the batch has been compacted).
    pub fn base_offset(&self) -> i64 {
        BigEndian::read_i64(&self.bytes[OFFSET_OFFSET..])
    }

    /// The offset of the last record, counted from the base offset.
    pub fn last_offset_delta(&self) -> i32 {
        BigEndian::read_i32(&self.bytes[LAST_OFFSET_DELTA_OFFSET..])
    }

    pub fn last_offset(&self) -> i64 {
        self.base_offset().wrapping_add(i64::from(self.last_offset_delta()))
    }

    /// The epoch of the leader that appended the batch.
    pub fn partition_leader_epoch(&self) -> i32 {
        BigEndian::read_i32(&self.bytes[PARTITION_LEADER_EPOCH_OFFSET..])
    }

    /// The CRC as it is written down.
    pub fn crc(&self) -> u32 {
        BigEndian::read_u32(&self.bytes[CRC_OFFSET..])
    }

    /// Whether the CRC is that of the bytes. Reads the whole batch.
    pub fn has_valid_crc(&self) -> bool {
        self.crc() == compute_crc(self.bytes)
    }

    pub fn attributes(&self) -> i16 {
        BigEndian::read_i16(&self.bytes[ATTRIBUTES_OFFSET..])
    }

    /// How the records are compressed.
    ///
    /// # Errors
    /// `UNSUPPORTED_COMPRESSION_TYPE` for a number that is no codec.
    pub fn codec(&self) -> Result<CompressionCodec, KafkaError> {
        CompressionCodec::from_id((self.attributes() & COMPRESSION_CODEC_MASK) as u8)
    }

    /// Whose clock the timestamps show.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes() & TIMESTAMP_TYPE_MASK == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the records are a broker's own marks.
    pub fn is_control_batch(&self) -> bool {
        self.attributes() & CONTROL_FLAG != 0
    }

    /// When the tombstones of the batch may be dropped, in milliseconds, if the cleaner has set a
    /// time.
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        (self.attributes() & DELETE_HORIZON_FLAG != 0).then(|| self.base_timestamp())
    }

    /// What the timestamp deltas count from, in milliseconds.
    pub fn base_timestamp(&self) -> i64 {
        BigEndian::read_i64(&self.bytes[BASE_TIMESTAMP_OFFSET..])
    }

    /// The latest timestamp in the batch, in milliseconds; with `LogAppendTime` that of all.
    pub fn max_timestamp(&self) -> i64 {
        BigEndian::read_i64(&self.bytes[MAX_TIMESTAMP_OFFSET..])
    }

    /// The idempotent producer, or -1.
    pub fn producer_id(&self) -> i64 {
        BigEndian::read_i64(&self.bytes[PRODUCER_ID_OFFSET..])
    }

    /// The idempotent producer's epoch, or -1.
    pub fn producer_epoch(&self) -> i16 {
        BigEndian::read_i16(&self.bytes[PRODUCER_EPOCH_OFFSET..])
    }

    /// The first record's sequence number, or -1.
    pub fn base_sequence(&self) -> i32 {
        BigEndian::read_i32(&self.bytes[BASE_SEQUENCE_OFFSET..])
    }

    /// How many records the header declares.
    pub fn record_count(&self) -> i32 {
        BigEndian::read_i32(&self.bytes[RECORDS_COUNT_OFFSET..])
    }

    /// How many records may lie in a batch of this size, by the most generous count.
    ///
    /// Each takes an offset, and a segment holds 2^31 of them: whoever declared so many in a batch
    /// of 61 bytes would make the log roll with every request.
    ///
    /// # Errors
    /// Those of [`codec`](Self::codec).
    pub fn records_max(&self) -> Result<usize, KafkaError> {
        let section_bytes = self.size_in_bytes() - RECORD_BATCH_OVERHEAD;
        Ok(match self.codec()? {
            CompressionCodec::None => section_bytes / RECORD_BYTES_MIN,
            _ => section_bytes.saturating_mul(EXPANSION_MAX) / RECORD_BYTES_MIN,
        })
    }

    /// The record section, decompressed if it is compressed.
    ///
    /// # Errors
    /// Those of [`codec`](Self::codec) and [`CompressionCodec::decompress`].
    pub fn record_section(&self) -> Result<RecordSection<'a>, KafkaError> {
        let section = &self.bytes[RECORDS_OFFSET..];
        match self.codec()? {
            CompressionCodec::None => Ok(RecordSection::AsItLies(section)),
            codec => codec.decompress(section).map(RecordSection::Decompressed),
        }
    }

    /// Shows every record to `visit`, with absolute offset and timestamp. Decompresses.
    ///
    /// # Errors
    /// Those of [`record_section`](Self::record_section); `INVALID_RECORD` at the first record that
    /// is malformed, or at the end if they are not as many as declared; whatever `visit` fails with.
    pub fn for_each_record(
        &self,
        visit: &mut dyn FnMut(&LogRecord<'_>) -> Result<(), KafkaError>,
    ) -> Result<(), KafkaError> {
        self.for_each_record_in(&self.record_section()?, visit)
    }

    /// The same, but `visit` sees no record unless all can be read: each is parsed twice.
    ///
    /// # Errors
    /// Those of [`for_each_record`](Self::for_each_record).
    pub fn for_each_record_or_none(
        &self,
        visit: &mut dyn FnMut(&LogRecord<'_>) -> Result<(), KafkaError>,
    ) -> Result<(), KafkaError> {
        let section = self.record_section()?;
        self.for_each_record_in(&section, &mut |_| Ok(()))?;
        self.for_each_record_in(&section, visit)
    }

    fn for_each_record_in(
        &self,
        section: &[u8],
        visit: &mut dyn FnMut(&LogRecord<'_>) -> Result<(), KafkaError>,
    ) -> Result<(), KafkaError> {
        for record in Records::new(section, self.record_count()) {
            visit(&self.log_record(&record?))?;
        }
        Ok(())
    }

    /// A record of this batch, with its absolute offset and timestamp.
    pub(crate) fn log_record<'r>(&self, record: &Record<'r>) -> LogRecord<'r> {
        let Record { timestamp_delta, offset_delta, key, value, headers } = *record;
        let timestamp = match self.timestamp_type() {
            TimestampType::CreateTime => self.base_timestamp().wrapping_add(timestamp_delta),
            TimestampType::LogAppendTime => self.max_timestamp(),
        };
        let offset = self.base_offset().wrapping_add(i64::from(offset_delta));
        LogRecord { offset, timestamp, key, value, headers }
    }
}

/// Overwrites the base offset of `batch`, a whole one. The CRC does not cover it.
pub fn set_base_offset(batch: &mut [u8], base_offset: i64) {
    BigEndian::write_i64(&mut batch[OFFSET_OFFSET..OFFSET_OFFSET + OFFSET_LENGTH], base_offset);
}

/// Overwrites the leader epoch of `batch`, a whole one. The CRC does not cover it.
pub fn set_partition_leader_epoch(batch: &mut [u8], epoch: i32) {
    BigEndian::write_i32(&mut batch[PARTITION_LEADER_EPOCH_OFFSET..], epoch);
}

/// Makes `timestamp_ms` the timestamp of all records of `batch`, a whole one, and computes the CRC
/// anew.
pub fn set_log_append_time(batch: &mut [u8], timestamp_ms: i64) {
    let attributes = BigEndian::read_i16(&batch[ATTRIBUTES_OFFSET..]) | TIMESTAMP_TYPE_MASK;
    BigEndian::write_i16(&mut batch[ATTRIBUTES_OFFSET..], attributes);
    BigEndian::write_i64(&mut batch[MAX_TIMESTAMP_OFFSET..], timestamp_ms);
    let crc = compute_crc(batch);
    BigEndian::write_u32(&mut batch[CRC_OFFSET..], crc);
}

/// Gives the records of `batch`, a whole one, their own timestamps, of which `max_timestamp_ms` is
/// the latest, and computes the CRC anew.
pub fn set_create_time(batch: &mut [u8], max_timestamp_ms: i64) {
    let attributes = BigEndian::read_i16(&batch[ATTRIBUTES_OFFSET..]) & !TIMESTAMP_TYPE_MASK;
    BigEndian::write_i16(&mut batch[ATTRIBUTES_OFFSET..], attributes);
    BigEndian::write_i64(&mut batch[MAX_TIMESTAMP_OFFSET..], max_timestamp_ms);
    let crc = compute_crc(batch);
    BigEndian::write_u32(&mut batch[CRC_OFFSET..], crc);
}

/// The CRC-32C of `batch`, a whole one that ends where the slice ends.
pub fn compute_crc(batch: &[u8]) -> u32 {
    crc32c::crc32c(&batch[ATTRIBUTES_OFFSET..])
}

/// The records of a batch, one after another.
pub enum RecordSection<'a> {
    AsItLies(&'a [u8]),
    Decompressed(DrawnBytes),
}

impl Deref for RecordSection<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::AsItLies(bytes) => bytes,
            Self::Decompressed(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::errors::Errors;
    use crate::message::golden_batch::{GOLDEN, TIMESTAMP, golden_builder};

    /// Offset, timestamp, key, value, and the number of headers.
    type Seen = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, usize);

    fn records_of(bytes: &[u8]) -> Vec<Seen> {
        let mut records = Vec::new();
        let batch = RecordBatch::parse(bytes).unwrap();
        let visited = batch.for_each_record(&mut |r| {
            let [key, value] = [r.key, r.value].map(|field| field.map(<[u8]>::to_vec));
            records.push((r.offset, r.timestamp, key, value, r.headers.count()));
            Ok(())
        });
        visited.unwrap();
        records
    }

    #[test]
    fn the_view_reads_the_golden_bytes() {
        let trailing = [GOLDEN, b"the next batch"].concat();
        let batch = RecordBatch::parse(&trailing).unwrap();
        assert_eq!(batch.bytes(), GOLDEN);
        assert!(batch.has_valid_crc());
        assert_eq!((batch.base_offset(), batch.last_offset()), (10, 11));
        assert_eq!(batch.partition_leader_epoch(), 3);
        assert_eq!((batch.base_timestamp(), batch.max_timestamp()), (TIMESTAMP, TIMESTAMP));
        let producer = (batch.producer_id(), batch.producer_epoch(), batch.base_sequence());
        assert_eq!(producer, (42, 1, 9));
        assert_eq!(batch.record_count(), 2);
        assert_eq!(batch.codec().unwrap(), CompressionCodec::None);
        let bytes = |text: &str| Some(text.as_bytes().to_vec());
        let first = (10, TIMESTAMP, bytes("key"), bytes("value"), 2);
        assert_eq!(records_of(GOLDEN), [first, (11, TIMESTAMP - 3, None, bytes(""), 0)]);
    }

    #[test]
    fn what_the_zstd_and_lz4_programs_compress_is_read() {
        let zstd =
            b"\0\0\0\0\0\0\0\0\0\0\0V\xff\xff\xff\xff\x02\xe2\x17\xc7\xff\0\x04\0\0\0\x01\0\0\0\0\
            \0\0\x03\xe8\0\0\0\0\0\0\x03\xe9\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\
            \xff\0\0\0\x02\x28\xb5\x2f\xfd\x04X\xc5\0\0\x80\x5c\0\0\0\x01Pa\0\x5c\0\x02\x02\x01P\
            b\0\x02\0\x40\xc9\x95\xc0\x08\xd2\x3a7\x89";
        let lz4 =
            b"\0\0\0\0\0\0\0\0\0\0\0a\xff\xff\xff\xff\x02x\xcf\x87\x04\0\x03\0\0\0\x01\0\0\0\0\0\0\
            \x03\xe8\0\0\0\0\0\0\x03\xe9\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\
            \0\0\0\x02\x04\x22M\x18d\x40\xa7\x1d\0\0\0\x7f\x5c\0\0\0\x01Pa\x01\0\x14\x8f\0\x5c\0\
            \x02\x02\x01Pb\x01\0\x10Pbbbb\0\0\0\0\0L\xb8\xa8b";
        for bytes in [&zstd[..], lz4] {
            assert!(RecordBatch::parse(bytes).unwrap().has_valid_crc());
            let first = (0, 1000, None, Some(vec![b'a'; 40]), 0);
            assert_eq!(records_of(bytes), [first, (1, 1001, None, Some(vec![b'b'; 40]), 0)]);
        }
    }

    /// Whoever keeps what it saw of a batch must not keep the half of it.
    #[test]
    fn the_records_before_a_bad_one_are_seen_unless_all_or_none_are_asked_for() {
        for codec in CompressionCodec::ALL {
            let mut bytes = golden_builder().codec(codec).build().unwrap();
            for (count, seen_before) in [(2, 2), (1, 1), (3, 2)] {
                BigEndian::write_i32(&mut bytes[RECORDS_COUNT_OFFSET..], count);
                let batch = RecordBatch::parse(&bytes).unwrap();
                let is_good = count == 2;
                let mut offsets = Vec::new();
                let mut visit = |record: &LogRecord<'_>| {
                    offsets.push(record.offset);
                    Ok(())
                };
                assert_eq!(batch.for_each_record(&mut visit).is_ok(), is_good);
                assert_eq!(batch.for_each_record_or_none(&mut visit).is_ok(), is_good);
                let expected = [10, 11].into_iter().take(seen_before);
                let again = [10, 11].into_iter().take(if is_good { 2 } else { 0 });
                assert_eq!(offsets, expected.chain(again).collect::<Vec<_>>(), "{count}");
            }
        }
    }

    #[test]
    fn every_codec_keeps_the_records() {
        for codec in CompressionCodec::ALL {
            let bytes = golden_builder().codec(codec).build().unwrap();
            let batch = RecordBatch::parse(&bytes).unwrap();
            assert!(batch.has_valid_crc());
            assert_eq!(batch.codec().unwrap(), codec);
            assert_eq!(records_of(&bytes), records_of(GOLDEN));
        }
    }

    #[test]
    fn base_offset_and_leader_epoch_lie_outside_the_crc() {
        let mut bytes = GOLDEN.to_vec();
        set_base_offset(&mut bytes, 1 << 40);
        set_partition_leader_epoch(&mut bytes, 77);
        let batch = RecordBatch::parse(&bytes).unwrap();
        assert!(batch.has_valid_crc());
        assert_eq!((batch.base_offset(), batch.partition_leader_epoch()), (1 << 40, 77));
        let changed: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != GOLDEN[*at]).collect();
        assert!(changed.iter().all(|at| *at < 8 || (12..16).contains(at)));
    }

    #[test]
    fn the_append_time_is_that_of_every_record_and_in_the_crc() {
        let mut bytes = GOLDEN.to_vec();
        set_log_append_time(&mut bytes, 5);
        let batch = RecordBatch::parse(&bytes).unwrap();
        assert!(batch.has_valid_crc());
        assert_eq!(batch.timestamp_type(), TimestampType::LogAppendTime);
        assert!(records_of(&bytes).iter().all(|record| record.1 == 5));
        assert_eq!(golden_builder().log_append_time(5).build().unwrap(), bytes);
    }

    #[test]
    fn a_change_anywhere_from_the_crc_on_is_noticed() {
        for at in CRC_OFFSET..GOLDEN.len() {
            let mut bytes = GOLDEN.to_vec();
            bytes[at] ^= 1;
            assert!(!RecordBatch::parse(&bytes).unwrap().has_valid_crc(), "byte {at}");
        }
    }

    #[test]
    fn a_batch_cut_off_or_with_an_impossible_size_is_refused() {
        for end in 0..GOLDEN.len() {
            let error = RecordBatch::parse(&GOLDEN[..end]).unwrap_err();
            assert_eq!(error.code(), Errors::CorruptMessage);
        }
        for size in [i32::MIN, -1, 0, 48, GOLDEN.len() as i32 - 11, i32::MAX] {
            let mut bytes = GOLDEN.to_vec();
            BigEndian::write_i32(&mut bytes[SIZE_OFFSET..], size);
            assert!(RecordBatch::parse(&bytes).is_err(), "size {size}");
        }
    }
}
