//! The part of `kafka.log.LogValidator` that looks at the records of a produced set: whether each
//! may be appended, and whether a batch's header is right about them. A header that is wrong about
//! the latest timestamp is corrected in place.

use crate::common::errors::KafkaError;
use crate::common::record_error::{RecordErrors, RecordFault};
use crate::message::append_format::AppendFormat;
use crate::message::byte_buffer_message_set::shallow_entries;
use crate::message::compression_codec::CompressionCodec;
use crate::message::record_batch;
use crate::message::record_batch::RecordBatch;
use crate::message::record_walk::for_each_head;
use crate::message::timestamp_type::{NO_TIMESTAMP, TimestampType};

/// What a topic asks of each record by itself, and which records fail.
pub(crate) struct RecordCheck<'f> {
    format: &'f AppendFormat,
    now_ms: i64,
    has_time_limit: bool,
    /// The timestamp in milliseconds, if the producer marked it as the broker's.
    stamp_ms: Option<i64>,
    is_compressed: bool,
    errors: RecordErrors,
}

/// What the records of a batch show, and its header should.
struct BatchFacts {
    /// By the producer's clock, in milliseconds; `NO_TIMESTAMP` if there is none above it.
    max_timestamp: i64,
    /// Whether the first record has offset 0, and each other one the next.
    has_right_offsets: bool,
}

impl<'f> RecordCheck<'f> {
    pub(crate) fn new(now_ms: i64, format: &'f AppendFormat) -> Self {
        let has_time_limit = format.timestamp_type == TimestampType::CreateTime
            && [format.timestamp_before_max_ms, format.timestamp_after_max_ms] != [i64::MAX; 2];
        let (stamp_ms, is_compressed, errors) = (None, false, RecordErrors::default());
        Self { format, now_ms, has_time_limit, stamp_ms, is_compressed, errors }
    }

    /// Compares the records of a batch with its header, and corrects the header if it is wrong about
    /// the latest timestamp. Returns whether the records have the offsets that the header declares.
    ///
    /// A compressed batch is decompressed for it only if the topic asks for something that its
    /// header cannot show, or the header looks wrong, or the setting says so. One that cannot stay
    /// is decompressed later anyway, and read then.
    ///
    /// # Errors
    /// `INVALID_RECORD` for records that are malformed or not as many as declared; `Undecodable`;
    /// `Records` for those that this topic does not take.
    pub(crate) fn check_batch(
        mut self,
        records: &mut [u8],
        can_stay: bool,
    ) -> Result<bool, KafkaError> {
        let batch = RecordBatch::parse(records)?;
        let is_stamped = batch.timestamp_type() == TimestampType::LogAppendTime;
        self.stamp_ms = is_stamped.then(|| batch.max_timestamp());
        self.is_compressed = batch.codec()? != CompressionCodec::None;
        // So does sarama before 1.44, which leaves the latest timestamp at -1.
        let is_suspect = batch.max_timestamp() < batch.base_timestamp();
        let is_worth_it = !self.is_compressed || self.format.validates_compressed || is_suspect;
        let has_to_walk = self.is_needed() || is_stamped || (can_stay && is_worth_it);
        if !has_to_walk {
            return Ok(true);
        }
        let found = self.walk(&batch)?;
        let keeps_timestamps = self.format.timestamp_type == TimestampType::CreateTime;
        self.finish()?;
        let is_wrong = is_stamped || found.max_timestamp != batch.max_timestamp();
        if is_wrong && keeps_timestamps {
            record_batch::set_create_time(records, found.max_timestamp);
        }
        Ok(found.has_right_offsets)
    }

    /// The hot path: it reads the heads of the records, and builds nothing of them.
    fn walk(&mut self, batch: &RecordBatch<'_>) -> Result<BatchFacts, KafkaError> {
        let base_timestamp = batch.base_timestamp();
        let is_needed = self.is_needed();
        let mut facts = BatchFacts { max_timestamp: NO_TIMESTAMP, has_right_offsets: true };
        let mut index = 0;
        for_each_head(batch, |head| {
            let timestamp = base_timestamp.wrapping_add(head.timestamp_delta);
            facts.max_timestamp = facts.max_timestamp.max(timestamp);
            facts.has_right_offsets &= head.offset_delta == index;
            if is_needed {
                self.visit(index, timestamp, head.key_bytes, head.value_bytes);
            }
            index += 1;
        })?;
        Ok(facts)
    }

    /// Checks messages of magic 0 and 1, those in wrappers too, if the topic asks for something.
    ///
    /// # Errors
    /// Those of [`check_batch`](Self::check_batch), and `CORRUPT_MESSAGE` for a wrong CRC within a
    /// wrapper.
    pub(crate) fn check_old_messages(mut self, records: &[u8]) -> Result<(), KafkaError> {
        if self.format.timestamp_type == TimestampType::CreateTime && !self.is_needed() {
            return Ok(());
        }
        let mut index = 0;
        for entry in shallow_entries(records) {
            let entry = entry?;
            let is_stamped = entry.timestamp_type() == TimestampType::LogAppendTime;
            self.stamp_ms = is_stamped.then(|| entry.max_timestamp());
            if !self.is_needed() {
                continue;
            }
            entry.for_each_record(&mut |record| {
                let [key, value] =
                    [record.key, record.value].map(|it| it.map(|it| it.len() as u32));
                self.visit(index, record.timestamp, key, value);
                index += 1;
                Ok(())
            })?;
        }
        self.finish()
    }

    fn is_needed(&self) -> bool {
        let is_stamp_refused = self.format.timestamp_type == TimestampType::LogAppendTime;
        self.format.is_compacted
            || self.has_time_limit
            || (is_stamp_refused && self.stamp_ms.is_some())
    }

    /// A record has one fault at most. An empty key is a key, compressed or not. (Kafka 0.9 refuses
    /// it uncompressed only.)
    fn visit(&mut self, index: i32, timestamp: i64, key: Option<u32>, value: Option<u32>) {
        let fault = if self.format.is_compacted && key.is_none() {
            Some(RecordFault::NoKey)
        } else if self.format.timestamp_type == TimestampType::LogAppendTime {
            self.stamp_ms.map(|timestamp_ms| RecordFault::TimestampType {
                timestamp_ms,
                key_bytes: key.unwrap_or(0) as usize,
                value_bytes: value.unwrap_or(0) as usize,
                is_compressed: self.is_compressed,
            })
        } else if self.has_time_limit {
            check_timestamp(timestamp, self.now_ms, self.format)
        } else {
            None
        };
        if let Some(fault) = fault {
            self.errors.push(index, fault);
        }
    }

    fn finish(self) -> Result<(), KafkaError> {
        if self.errors.count() == 0 {
            return Ok(());
        }
        Err(KafkaError::Records(Box::new(self.errors)))
    }
}

fn check_timestamp(timestamp_ms: i64, now_ms: i64, format: &AppendFormat) -> Option<RecordFault> {
    let (before_ms, after_ms) = (format.timestamp_before_max_ms, format.timestamp_after_max_ms);
    let limit_ms = if timestamp_ms < now_ms { before_ms } else { after_ms };
    let is_unlimited = timestamp_ms == NO_TIMESTAMP || limit_ms == i64::MAX;
    if is_unlimited || timestamp_ms.abs_diff(now_ms) <= limit_ms.max(0) as u64 {
        return None;
    }
    Some(RecordFault::TimestampOutOfRange {
        timestamp_ms,
        lowest_ms: now_ms.saturating_sub(before_ms.max(0)),
        highest_ms: now_ms.saturating_add(after_ms.max(0)),
    })
}

#[cfg(test)]
mod tests {
    use byteorder::{BigEndian, ByteOrder};

    use super::*;
    use crate::common::errors::Errors;
    use crate::message::log_validator::validate_messages_and_assign_offsets;
    use crate::message::message::NewMessage;
    use crate::message::message_set_builder::MessageSetBuilder;
    use crate::message::produced_sets::{
        NOW_MS, OLD_CODECS, batch, blamed, code_of, keep_all, old_set, record_errors_of, seen,
        with_field, with_section,
    };
    use crate::message::record_batch::RECORDS_COUNT_OFFSET;
    use crate::message::record_batch_builder::RecordBatchBuilder;
    use crate::message::records::{Headers, LogRecord, Record};

    #[test]
    fn a_compressed_batch_is_not_decompressed_unless_the_setting_says_so() {
        let mut buffer = batch().codec(CompressionCodec::Gzip).build().unwrap();
        buffer[record_batch::RECORDS_OFFSET..].fill(0xee);
        let buffer = with_field(buffer, RECORDS_COUNT_OFFSET, 2);
        let format = AppendFormat { validates_compressed: false, ..keep_all() };
        let mut copy = buffer.clone();
        let validated = validate_messages_and_assign_offsets(&mut copy, 0, 0, &format);
        assert_eq!(validated.unwrap().record_count, 2);
        assert_eq!(code_of(&mut buffer.clone(), &keep_all()), Errors::UnknownServerError);
    }

    /// The header of a batch with another latest timestamp, and the CRC made to fit.
    fn with_max_timestamp(mut batch: Vec<u8>, max_timestamp: i64) -> Vec<u8> {
        BigEndian::write_i64(&mut batch[record_batch::MAX_TIMESTAMP_OFFSET..], max_timestamp);
        let crc = record_batch::compute_crc(&batch);
        BigEndian::write_u32(&mut batch[record_batch::CRC_OFFSET..], crc);
        batch
    }

    /// Kafka 4.4.0: -1 as sarama before 1.44 sends it, too low, too high.
    #[test]
    fn a_header_that_is_wrong_about_the_latest_timestamp_is_mended_in_place() {
        for codec in CompressionCodec::ALL {
            let right = RecordBatchBuilder::new(0).codec(codec).record(4_000, None, None);
            let right = right.record(54_000, None, None).build().unwrap();
            for declared in [-1, 4_000, 53_999, 999_999, i64::MIN, i64::MAX] {
                let mut wrong = with_max_timestamp(right.clone(), declared);
                let at = wrong.as_ptr();
                let validated =
                    validate_messages_and_assign_offsets(&mut wrong, 0, 0, &keep_all()).unwrap();
                assert_eq!((validated.bytes.as_ptr(), validated.was_converted), (at, false));
                assert_eq!(validated.max_timestamp, 54_000, "{declared} of {}", codec.name());
                assert_eq!(validated.offset_of_max_timestamp, 1);
                assert_eq!(validated.bytes[16..], right[16..], "with the CRC of a right header");
            }
        }
    }

    #[test]
    fn a_header_that_contradicts_itself_is_mended_whatever_the_setting() {
        let format = AppendFormat { validates_compressed: false, ..keep_all() };
        for codec in CompressionCodec::ALL {
            let right = batch().codec(codec).build().unwrap();
            let mut wrong = with_max_timestamp(right.clone(), -1);
            let validated =
                validate_messages_and_assign_offsets(&mut wrong, 0, 0, &format).unwrap();
            assert_eq!(validated.max_timestamp, 7, "{}", codec.name());
            assert_eq!(validated.bytes[16..], right[16..]);
        }
    }

    #[test]
    fn a_wrong_crc_is_not_mended() {
        let mut bytes = batch().build().unwrap();
        BigEndian::write_i64(&mut bytes[record_batch::MAX_TIMESTAMP_OFFSET..], -1);
        assert_eq!(code_of(&mut bytes, &keep_all()), Errors::CorruptMessage);
    }

    /// Kafka 4.4.0 stores them as they are, compressed ones aside.
    #[test]
    fn records_with_other_offsets_than_the_header_declares_are_numbered_anew() {
        for codec in CompressionCodec::ALL {
            for deltas in [[0, 5], [1, 0], [0, 0], [3, 4], [0, -7]] {
                let mut records = Vec::new();
                for offset_delta in deltas {
                    let (key, value, headers) = (Some(&b"k"[..]), None, Headers::NONE);
                    Record { timestamp_delta: 0, offset_delta, key, value, headers }
                        .write(&mut records);
                }
                let mut bytes = with_section(codec, &records);
                let validated =
                    validate_messages_and_assign_offsets(&mut bytes, 10, 0, &keep_all()).unwrap();
                assert_eq!(seen(&validated.bytes), [(10, 7), (11, 7)], "{deltas:?}");
                let stored = RecordBatch::parse(&validated.bytes).unwrap();
                assert!(stored.has_valid_crc());
                assert_eq!((stored.codec().unwrap(), stored.producer_id()), (codec, 3));
            }
        }
    }

    #[test]
    fn records_that_cannot_be_read_or_are_not_as_many_as_declared_are_refused() {
        let good = batch().build().unwrap()[record_batch::RECORDS_OFFSET..].to_vec();
        let first_bytes = 1 + usize::from(good[0] / 2);
        let cases = [
            ("one record", good[..first_bytes].to_vec()),
            ("three records", [&good[..], &good[..first_bytes]].concat()),
            ("a byte behind", [&good[..], &[0]].concat()),
            ("cut off", good[..good.len() - 1].to_vec()),
            ("a size of 500", [&good[..first_bytes], b"\xe8\x07abc"].concat()),
            ("a negative size", [&good[..first_bytes], &[1, 0, 0]].concat()),
            ("a record of no bytes", [&good[..first_bytes], &[0]].concat()),
            ("nothing", Vec::new()),
        ];
        for codec in CompressionCodec::ALL {
            for (what, section) in &cases {
                let bytes = with_section(codec, section);
                for compression in [None, Some(CompressionCodec::Gzip)] {
                    let format = AppendFormat { compression, ..keep_all() };
                    let code = code_of(&mut bytes.clone(), &format);
                    assert_eq!(code, Errors::InvalidRecord, "{what}, {}", codec.name());
                }
            }
        }
    }

    #[test]
    fn a_timestamp_too_far_from_now_is_refused_wherever_it_hides() {
        let limit = |ms| AppendFormat {
            timestamp_before_max_ms: ms,
            timestamp_after_max_ms: ms,
            ..keep_all()
        };
        for codec in CompressionCodec::ALL {
            for far in [NOW_MS + 101, NOW_MS - 101, i64::MAX, i64::MIN] {
                let mut bytes = RecordBatchBuilder::new(0)
                    .codec(codec)
                    .record(NOW_MS + 100, None, None)
                    .record(far, None, None)
                    .record(NO_TIMESTAMP, None, None)
                    .build()
                    .unwrap();
                assert_eq!(code_of(&mut bytes, &limit(100)), Errors::InvalidTimestamp);
                let no_limit = limit(i64::MAX);
                assert!(validate_messages_and_assign_offsets(&mut bytes, 0, 0, &no_limit).is_ok());
            }
        }
        let mut set = old_set(1, CompressionCodec::Snappy);
        assert_eq!(code_of(&mut set, &limit(19)), Errors::InvalidTimestamp);
        assert!(validate_messages_and_assign_offsets(&mut set, 0, NOW_MS, &limit(20)).is_ok());
        let mut set = old_set(0, CompressionCodec::None);
        assert!(validate_messages_and_assign_offsets(&mut set, 0, NOW_MS, &limit(0)).is_ok());
    }

    #[test]
    fn earlier_and_later_timestamps_have_limits_of_their_own() {
        let format = AppendFormat {
            timestamp_before_max_ms: 200,
            timestamp_after_max_ms: 100,
            ..keep_all()
        };
        let result = |timestamp, format: &AppendFormat| {
            let batch = RecordBatchBuilder::new(0).record(timestamp, None, None);
            let mut bytes = batch.build().unwrap();
            let result = validate_messages_and_assign_offsets(&mut bytes, 0, NOW_MS, format);
            result.map(drop).map_err(|error| error.code())
        };
        let refused = Err(Errors::InvalidTimestamp);
        for (timestamp, expected) in [
            (NOW_MS - 200, Ok(())),
            (NOW_MS - 201, refused),
            (NOW_MS, Ok(())),
            (NOW_MS + 100, Ok(())),
            (NOW_MS + 101, refused),
            (i64::MAX, refused),
            (NO_TIMESTAMP, Ok(())),
        ] {
            assert_eq!(result(timestamp, &format), expected, "{timestamp}");
        }
        let only_later = AppendFormat { timestamp_before_max_ms: i64::MAX, ..format.clone() };
        assert_eq!(result(i64::MIN, &only_later), Ok(()));
        assert_eq!(result(NOW_MS + 101, &only_later), refused);
        let only_earlier = AppendFormat { timestamp_after_max_ms: i64::MAX, ..format };
        assert_eq!(result(i64::MAX, &only_earlier), Ok(()));
        assert_eq!(result(NOW_MS - 201, &only_earlier), refused);
    }

    /// Kafka 4.4.0 for magic 2, 3.9.1 for magic 1: a CreateTime topic takes it for the producer's.
    #[test]
    fn a_time_of_the_append_from_a_producer_becomes_a_create_time() {
        for codec in CompressionCodec::ALL {
            for compression in [None, Some(CompressionCodec::Gzip)] {
                let format = AppendFormat { compression, ..keep_all() };
                // The builder gives the header NOW_MS, and the records 7 and 5.
                let mut bytes = batch().codec(codec).log_append_time(NOW_MS).build().unwrap();
                let validated =
                    validate_messages_and_assign_offsets(&mut bytes, 0, 0, &format).unwrap();
                assert_eq!(seen(&validated.bytes), [(0, 7), (1, 5)], "{}", codec.name());
                assert_eq!(validated.max_timestamp, 7);
                let stored = RecordBatch::parse(&validated.bytes).unwrap();
                assert_eq!(stored.timestamp_type(), TimestampType::CreateTime);
                assert!(stored.has_valid_crc());
            }
        }
        for codec in OLD_CODECS {
            for magic in [1, 2] {
                let format = AppendFormat { magic, ..keep_all() };
                let mut set = stamped_set(codec);
                let validated =
                    validate_messages_and_assign_offsets(&mut set, 0, 0, &format).unwrap();
                assert_eq!(seen(&validated.bytes), [(0, 99), (1, 99)]);
                for entry in shallow_entries(&validated.bytes) {
                    let entry = entry.unwrap();
                    assert_eq!(entry.timestamp_type(), TimestampType::CreateTime);
                    assert!(entry.has_valid_crc());
                }
            }
        }
    }

    /// Two messages of magic 1 with the time of the append, 99.
    fn stamped_set(codec: CompressionCodec) -> Vec<u8> {
        let mut builder = MessageSetBuilder::new(1, codec).log_append_time(99);
        for offset in [0, 1] {
            let (key, value, headers) = (Some(&b"key"[..]), Some(&b"value"[..]), Headers::NONE);
            builder.append(&LogRecord { offset, timestamp: 5, key, value, headers }).unwrap();
        }
        builder.build().unwrap()
    }

    #[test]
    fn a_topic_with_a_clock_of_its_own_refuses_a_producers_time_of_the_append() {
        let format = AppendFormat { timestamp_type: TimestampType::LogAppendTime, ..keep_all() };
        for codec in CompressionCodec::ALL {
            let mut bytes = batch().codec(codec).log_append_time(NOW_MS).build().unwrap();
            let errors = record_errors_of(&mut bytes, &format);
            assert!(errors.has_timestamp_fault());
            let is_compressed = codec != CompressionCodec::None;
            let fault = |key_bytes, value_bytes| RecordFault::TimestampType {
                timestamp_ms: NOW_MS,
                key_bytes,
                value_bytes,
                is_compressed,
            };
            assert_eq!(blamed(&errors), [(0, fault(1, 1)), (1, fault(0, 0))]);
        }
        for codec in OLD_CODECS {
            assert_eq!(code_of(&mut stamped_set(codec), &format), Errors::InvalidTimestamp);
        }
    }

    #[test]
    fn the_guilty_records_alone_are_named() {
        for codec in CompressionCodec::ALL {
            let mut builder = RecordBatchBuilder::new(0).codec(codec);
            for index in 0..100 {
                let key = (index % 10 != 3).then_some(&b"k"[..]);
                let far = if index == 50 || index == 53 { 1_000 } else { 0 };
                builder = builder.record(NOW_MS + far, key, None);
            }
            let bytes = builder.build().unwrap();
            let format = AppendFormat { is_compacted: true, ..keep_all() };
            let errors = record_errors_of(&mut bytes.clone(), &format);
            assert!(!errors.has_timestamp_fault());
            let expected: Vec<_> = (0..10).map(|it| (10 * it + 3, RecordFault::NoKey)).collect();
            assert_eq!(blamed(&errors), expected);
            // A record has one fault, and a timestamp decides about the code.
            let format = AppendFormat {
                timestamp_before_max_ms: 999,
                timestamp_after_max_ms: 999,
                ..format
            };
            let errors = record_errors_of(&mut bytes.clone(), &format);
            assert_eq!((errors.has_timestamp_fault(), errors.count()), (true, 11));
            let fault = RecordFault::TimestampOutOfRange {
                timestamp_ms: NOW_MS + 1_000,
                lowest_ms: NOW_MS - 999,
                highest_ms: NOW_MS + 999,
            };
            assert_eq!(blamed(&errors)[5], (50, fault));
            assert_eq!(blamed(&errors)[6], (53, RecordFault::NoKey));
        }
    }

    /// What cannot be read counts more than what is wrong with a record before it.
    #[test]
    fn no_record_is_blamed_in_a_batch_that_cannot_be_read() {
        let format = AppendFormat { is_compacted: true, ..keep_all() };
        let good = batch().build().unwrap();
        let mut cut = with_section(CompressionCodec::None, &good[61..good.len() - 1]);
        let error = validate_messages_and_assign_offsets(&mut cut, 0, NOW_MS, &format);
        assert!(matches!(error, Err(KafkaError::Api(Errors::InvalidRecord, _))), "{error:?}");
    }

    #[test]
    fn a_compacted_topic_demands_keys_and_takes_an_empty_one() {
        for codec in OLD_CODECS {
            for magic in [0, 1, 2] {
                let format = AppendFormat { is_compacted: true, magic, ..keep_all() };
                let mut set = old_set(magic.min(1), codec);
                let errors = record_errors_of(&mut set, &format);
                assert_eq!(blamed(&errors), [(2, RecordFault::NoKey)]);
                let mut without = batch().codec(codec).build().unwrap();
                assert_eq!(code_of(&mut without, &format), Errors::InvalidRecord);
                let with = RecordBatchBuilder::new(0).codec(codec).record(0, Some(b""), None);
                let mut with = with.build().unwrap();
                let validated = validate_messages_and_assign_offsets(&mut with, 0, 0, &format);
                assert_eq!(validated.unwrap().record_count, 1);
            }
        }
    }

    /// Kafka 3.9.1.
    #[test]
    fn a_wrapper_that_cannot_be_read_has_kafkas_codes() {
        let wrapper = |magic, inner: &[u8], codec: CompressionCodec| {
            let (timestamp_type, timestamp, key) = (TimestampType::CreateTime, 0, None);
            let value = Some(inner);
            let mut bytes = Vec::new();
            let wrapper = NewMessage { magic, codec, timestamp_type, timestamp, key, value };
            wrapper.write_entry(2, &mut bytes).unwrap();
            bytes
        };
        let gzip = |bytes: &[u8]| CompressionCodec::Gzip.compress(bytes, 1).unwrap();
        for magic in [0, 1] {
            let inner = old_set(magic, CompressionCodec::None);
            let mut wrong_crc = inner.clone();
            *wrong_crc.last_mut().unwrap() ^= 1;
            let cases = [
                ("junk", vec![0xee; 30], Errors::UnknownServerError),
                ("nothing", gzip(b""), Errors::InvalidRecord),
                (
                    "another magic",
                    gzip(&old_set(1 - magic, CompressionCodec::None)),
                    Errors::InvalidRecord,
                ),
                ("a wrapper", gzip(&old_set(magic, CompressionCodec::Gzip)), Errors::InvalidRecord),
                ("a wrong CRC", gzip(&wrong_crc), Errors::CorruptMessage),
            ];
            for (what, compressed, expected) in cases {
                let mut bytes = wrapper(magic, &compressed, CompressionCodec::Gzip);
                assert_eq!(code_of(&mut bytes, &keep_all()), expected, "{what} of {magic}");
            }
        }
    }
}
