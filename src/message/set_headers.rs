//! The part of `kafka.log.LogValidator` that reads the headers of a produced set: one walk over its
//! entries, which checks each and finds what the set as a whole is.

use crate::common::errors::{Errors, KafkaError};
use crate::message::byte_buffer_message_set::{EntryContent, ShallowEntry, shallow_entries};
use crate::message::compression_codec::CompressionCodec;
use crate::message::conversion::Target;
use crate::message::message::corrupt;
use crate::message::message_set::MAGIC_OFFSET;
use crate::message::record_batch::{MAGIC_VALUE_V2, RecordBatch, TRANSACTIONAL_FLAG};
use crate::message::records::invalid_record;

/// What the headers of a set say. All its whole entries are of a legal size, with the right CRC.
pub(crate) struct SetHeaders {
    /// Where the last whole entry ends.
    pub(crate) valid_bytes: usize,
    pub(crate) entry_count: usize,
    /// That of the last compressed entry, as in Kafka.
    pub(crate) codec: CompressionCodec,
    pub(crate) highest_magic: u8,
    lowest_magic: u8,
    is_idempotent: bool,
}

impl SetHeaders {
    /// # Errors
    /// Those of a validation that show without a look at the records.
    pub(crate) fn read(records: &[u8], message_bytes_max: usize) -> Result<Self, KafkaError> {
        let mut headers = Self {
            valid_bytes: 0,
            entry_count: 0,
            codec: CompressionCodec::None,
            highest_magic: 0,
            lowest_magic: u8::MAX,
            is_idempotent: false,
        };
        let mut entries = shallow_entries(records);
        for entry in entries.by_ref() {
            let entry = entry?;
            check_entry(&entry, message_bytes_max)?;
            headers.add(&entry)?;
        }
        headers.valid_bytes = entries.position();
        headers.check_batch_alone(&records[headers.valid_bytes..])?;
        Ok(headers)
    }

    fn add(&mut self, entry: &ShallowEntry<'_>) -> Result<(), KafkaError> {
        self.entry_count += 1;
        self.lowest_magic = self.lowest_magic.min(entry.magic);
        self.highest_magic = self.highest_magic.max(entry.magic);
        let codec = entry.codec()?;
        if codec != CompressionCodec::None {
            self.codec = codec;
        }
        if let EntryContent::Batch(batch) = &entry.content {
            self.is_idempotent |= batch.producer_id() >= 0;
        }
        Ok(())
    }

    /// A batch of magic 2 is alone in its set, and whole. `tail` is what follows the last entry.
    fn check_batch_alone(&self, tail: &[u8]) -> Result<(), KafkaError> {
        let has_batch = self.highest_magic == MAGIC_VALUE_V2;
        if has_batch && self.entry_count > 1 {
            return Err(invalid_record(format!("{} batches in one set", self.entry_count)));
        }
        let is_of_batch = tail.get(MAGIC_OFFSET) == Some(&MAGIC_VALUE_V2);
        if is_of_batch || (has_batch && !tail.is_empty()) {
            return Err(corrupt(format!("{} bytes that are not a whole batch", tail.len())));
        }
        Ok(())
    }

    /// Magic 0 and 1 have no room for a producer's id: its batches would look like copies.
    ///
    /// # Errors
    /// `UNSUPPORTED_FOR_MESSAGE_FORMAT` for a batch with such an id, if `magic` is 0 or 1.
    pub(crate) fn check_suffice(&self, magic: u8) -> Result<(), KafkaError> {
        if self.is_idempotent && magic != MAGIC_VALUE_V2 {
            let why = "an idempotent producer's batch for a topic of an older message format";
            return Err(KafkaError::api(Errors::UnsupportedForMessageFormat, why));
        }
        Ok(())
    }

    /// Whether nothing but fields of fixed size has to change. A wrapper cannot stay: the offsets
    /// inside it are compressed with it.
    pub(crate) fn can_stay(&self, target: &Target) -> bool {
        let is_batch_or_plain =
            self.lowest_magic == MAGIC_VALUE_V2 || self.codec == CompressionCodec::None;
        self.lowest_magic == target.magic
            && self.highest_magic == target.magic
            && self.codec == target.codec
            && is_batch_or_plain
    }
}

fn check_entry(entry: &ShallowEntry<'_>, message_bytes_max: usize) -> Result<(), KafkaError> {
    check_size(entry, message_bytes_max)?;
    if !entry.has_valid_crc() {
        return Err(corrupt(format!("the entry at offset {} fails its CRC", entry.offset)));
    }
    if let EntryContent::Batch(batch) = &entry.content {
        check_batch(batch)?;
    }
    Ok(())
}

/// # Errors
/// `MESSAGE_TOO_LARGE` if the entry has more than `message_bytes_max`.
pub(crate) fn check_size(
    entry: &ShallowEntry<'_>,
    message_bytes_max: usize,
) -> Result<(), KafkaError> {
    let size = entry.size_in_bytes();
    if size > message_bytes_max {
        let why = format!("a batch of {size} bytes; max.message.bytes is {message_bytes_max}");
        return Err(KafkaError::api(Errors::RecordTooLarge, why));
    }
    Ok(())
}

/// Whether the header of a batch contradicts itself. Its records are compared with it later.
fn check_batch(batch: &RecordBatch<'_>) -> Result<(), KafkaError> {
    let (count, last_offset_delta) = (batch.record_count(), batch.last_offset_delta());
    if count <= 0 || count - 1 != last_offset_delta {
        let why = format!("{count} records, the last at offset {last_offset_delta}");
        return Err(invalid_record(why));
    }
    if count as usize > batch.records_max()? {
        let why = format!("{count} records in {} bytes", batch.size_in_bytes());
        return Err(invalid_record(why));
    }
    if batch.base_offset() != 0 {
        let why = format!("a producer's batch begins at offset 0, not {}", batch.base_offset());
        return Err(invalid_record(why));
    }
    if batch.is_control_batch() {
        return Err(invalid_record("a control batch from a producer"));
    }
    if batch.attributes() & TRANSACTIONAL_FLAG != 0 {
        let why = "a batch of a transaction: there are none here";
        return Err(KafkaError::api(Errors::TransactionalIdAuthorizationFailed, why));
    }
    if batch.producer_id() >= 0 && batch.base_sequence() < 0 {
        let why = format!("producer {} gives no sequence number", batch.producer_id());
        return Err(invalid_record(why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::append_format::AppendFormat;
    use crate::message::log_validator::validate_messages_and_assign_offsets;
    use crate::message::produced_sets::{
        NOW_MS, batch, code_of, keep_all, old_set, with_field, with_section,
    };
    use crate::message::record_batch;
    use crate::message::record_batch::{
        CONTROL_FLAG, LAST_OFFSET_DELTA_OFFSET, RECORD_BATCH_OVERHEAD, RECORD_BYTES_MIN,
        RECORDS_COUNT_OFFSET,
    };
    use crate::message::record_batch_builder::RecordBatchBuilder;

    #[test]
    fn a_batch_of_a_transaction_is_refused() {
        let mut records = batch().producer(7, 0, 0).flags(TRANSACTIONAL_FLAG).build().unwrap();
        let error = validate_messages_and_assign_offsets(&mut records, 0, NOW_MS, &keep_all());
        assert_eq!(error.unwrap_err().code(), Errors::TransactionalIdAuthorizationFailed);
    }

    #[test]
    fn an_idempotent_producer_needs_a_topic_of_magic_2() {
        for magic in [0, 1] {
            let format = AppendFormat { magic, ..keep_all() };
            let mut records = batch().producer(7, 0, 0).build().unwrap();
            let error = validate_messages_and_assign_offsets(&mut records, 0, NOW_MS, &format);
            assert_eq!(error.unwrap_err().code(), Errors::UnsupportedForMessageFormat);
        }
    }

    #[test]
    fn the_smallest_records_that_compress_best_are_not_too_many() {
        let zeros = vec![0; 10 * 1024 * 1024];
        for codec in CompressionCodec::ALL.into_iter().skip(1) {
            let count = zeros.len() / RECORD_BYTES_MIN;
            let mut batch = with_section(codec, &zeros);
            for (position, value) in
                [(LAST_OFFSET_DELTA_OFFSET, count - 1), (RECORDS_COUNT_OFFSET, count)]
            {
                batch = with_field(batch, position, i32::try_from(value).unwrap());
            }
            let format = AppendFormat { message_bytes_max: usize::MAX, ..keep_all() };
            // They are not refused for their number, but because zeros are no records.
            let code = code_of(&mut batch.clone(), &format);
            assert_eq!(code, Errors::InvalidRecord, "{}", codec.name());
            let format = AppendFormat { validates_compressed: false, ..format };
            let validated = validate_messages_and_assign_offsets(&mut batch, 0, 0, &format);
            assert_eq!(validated.unwrap().record_count, count as u64, "{}", codec.name());
        }
        let mut smallest = RecordBatchBuilder::new(0).record(0, None, None).build().unwrap();
        assert_eq!(smallest.len(), RECORD_BATCH_OVERHEAD + RECORD_BYTES_MIN);
        assert!(validate_messages_and_assign_offsets(&mut smallest, 0, 0, &keep_all()).is_ok());
        let mut many = with_field(batch().build().unwrap(), RECORDS_COUNT_OFFSET, 1_000);
        many = with_field(many, record_batch::LAST_OFFSET_DELTA_OFFSET, 999);
        assert_eq!(code_of(&mut many, &keep_all()), Errors::InvalidRecord);
    }

    #[test]
    fn a_batch_that_contradicts_itself_is_refused() {
        let good = batch().build().unwrap();
        for count in [i32::MIN, -1, 0, 1, 3, i32::MAX] {
            let mut bad = with_field(good.clone(), RECORDS_COUNT_OFFSET, count);
            assert_eq!(code_of(&mut bad, &keep_all()), Errors::InvalidRecord);
        }
        for last_offset_delta in [i32::MIN, -1, 0, 2, i32::MAX] {
            let mut bad = with_field(good.clone(), LAST_OFFSET_DELTA_OFFSET, last_offset_delta);
            assert_eq!(code_of(&mut bad, &keep_all()), Errors::InvalidRecord);
        }
        let mut control = batch().flags(CONTROL_FLAG).build().unwrap();
        assert_eq!(code_of(&mut control, &keep_all()), Errors::InvalidRecord);
        let mut without_sequence = batch().producer(5, 0, -1).build().unwrap();
        assert_eq!(code_of(&mut without_sequence, &keep_all()), Errors::InvalidRecord);
        let mut later = RecordBatchBuilder::new(77).record(0, None, None).build().unwrap();
        assert_eq!(code_of(&mut later, &keep_all()), Errors::InvalidRecord);
        let mut two = [good.clone(), good.clone()].concat();
        assert_eq!(code_of(&mut two, &keep_all()), Errors::InvalidRecord);
        let mut mixed = [good, old_set(1, CompressionCodec::None)].concat();
        assert_eq!(code_of(&mut mixed, &keep_all()), Errors::InvalidRecord);
    }

    #[test]
    fn a_batch_cut_off_or_with_junk_behind_it_is_refused() {
        let good = batch().build().unwrap();
        for end in 0..good.len() {
            let mut cut = good[..end].to_vec();
            if end <= MAGIC_OFFSET {
                let empty = validate_messages_and_assign_offsets(&mut cut, 0, 0, &keep_all());
                assert_eq!(empty.unwrap().record_count, 0);
            } else {
                assert_eq!(code_of(&mut cut, &keep_all()), Errors::CorruptMessage);
            }
        }
        for junk in [&[0][..], &good[..12], &good[..20]] {
            let mut long = [&good[..], junk].concat();
            assert_eq!(code_of(&mut long, &keep_all()), Errors::CorruptMessage);
        }
    }

    #[test]
    fn a_wrong_crc_is_refused_in_every_format() {
        for mut bytes in [batch().build().unwrap(), old_set(0, CompressionCodec::Gzip)] {
            *bytes.last_mut().unwrap() ^= 1;
            assert_eq!(code_of(&mut bytes, &keep_all()), Errors::CorruptMessage);
        }
    }

    #[test]
    fn size_is_judged_entry_by_entry_and_before_the_crc() {
        let mut bytes = batch().build().unwrap();
        let format = AppendFormat { message_bytes_max: bytes.len(), ..keep_all() };
        assert!(validate_messages_and_assign_offsets(&mut bytes, 0, 0, &format).is_ok());
        *bytes.last_mut().unwrap() ^= 1;
        let format = AppendFormat { message_bytes_max: bytes.len() - 1, ..keep_all() };
        assert_eq!(code_of(&mut bytes, &format), Errors::RecordTooLarge);
        // Each of the messages is small enough, and all of them together if they stay apart.
        let mut set = old_set(0, CompressionCodec::None);
        let format = AppendFormat { message_bytes_max: set.len() / 2, magic: 0, ..keep_all() };
        assert!(validate_messages_and_assign_offsets(&mut set, 0, 0, &format).is_ok());
        let format = AppendFormat { magic: 2, ..format };
        assert_eq!(code_of(&mut set, &format), Errors::RecordTooLarge);
    }

    #[test]
    fn a_partial_old_message_is_cut_off() {
        for magic in [0, 1] {
            let whole = old_set(magic, CompressionCodec::None);
            for end in 0..whole.len() / 3 {
                let mut long = [&whole[..], &whole[..end]].concat();
                let format = AppendFormat { magic, ..keep_all() };
                let validated =
                    validate_messages_and_assign_offsets(&mut long, 0, 0, &format).unwrap();
                assert_eq!(validated.bytes.len(), whole.len());
                assert_eq!(validated.record_count, 3);
            }
        }
    }
}
