//! Port of `org.apache.kafka.common.requests.ProduceResponse.RecordError` and
//! `org.apache.kafka.storage.internals.log.RecordValidationException`: the records for which a
//! whole batch is refused (KIP-467).

use std::fmt::{Display, Write};

/// How many records are named to a client: of one batch, and of one request.
///
/// A batch of a megabyte holds millions of records once it is decompressed, and an error message is
/// longer than the record it is about. All are counted; a producer that leaves out the named ones
/// learns of the next ones.
pub const RECORD_ERRORS_MAX: usize = 1_000;
/// How many of them Kafka puts into the batch's own message.
const SHOWN_MAX: usize = 3;

/// An invalid record, and what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// The record's index in its batch, from 0 on.
    pub batch_index: i32,
    pub fault: RecordFault,
}

/// Why a single record is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFault {
    /// It has no key, and its topic is compacted.
    NoKey,
    /// Its timestamp is too far from the broker's clock.
    TimestampOutOfRange { timestamp_ms: i64, lowest_ms: i64, highest_ms: i64 },
    /// Its producer claims that the timestamp is the time of the append, which only the broker's
    /// clock can give.
    TimestampType {
        /// As the producer gives it.
        timestamp_ms: i64,
        key_bytes: usize,
        value_bytes: usize,
        /// Whether the batch is compressed: Kafka's text then has another class.
        is_compressed: bool,
    },
}

/// The records for which a batch is refused: at least one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordErrors {
    /// As many as are named, or shown in the message if those are more.
    first: Vec<RecordError>,
    named_count: usize,
    count: usize,
    has_timestamp_fault: bool,
}

impl RecordErrors {
    /// Adds the record at `batch_index`.
    pub fn push(&mut self, batch_index: i32, fault: RecordFault) {
        self.count += 1;
        self.has_timestamp_fault |= fault != RecordFault::NoKey;
        if self.first.len() < RECORD_ERRORS_MAX {
            self.first.push(RecordError { batch_index, fault });
            self.named_count = self.first.len();
        }
    }

    /// Names `left` records at most, and subtracts their number from `left`. The message stays as
    /// it is.
    pub fn limit(&mut self, left: &mut usize) {
        self.named_count = self.named_count.min(*left);
        self.first.truncate(self.named_count.max(SHOWN_MAX));
        self.first.shrink_to_fit();
        *left -= self.named_count;
    }

    /// How many records are invalid, named or not.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The records that are named, in the order of the batch.
    pub fn named(&self) -> &[RecordError] {
        &self.first[..self.named_count]
    }

    /// Whether one of them has a bad timestamp, which outweighs everything else.
    pub fn has_timestamp_fault(&self) -> bool {
        self.has_timestamp_fault
    }

    /// Kafka's message for the partition that `key` is, topic and number.
    pub fn message(&self, key: &dyn Display) -> String {
        if self.has_timestamp_fault {
            return "One or more records have been rejected due to invalid timestamp".to_owned();
        }
        let shown = self.first.iter().take(SHOWN_MAX).map(|it| {
            format!("RecordError(batchIndex={}, message='{}')", it.batch_index, it.message(key))
        });
        let shown: Vec<String> = shown.collect();
        format!(
            "One or more records have been rejected due to {} record errors in total, and only \
             showing the first three errors at most: [{}]",
            self.count,
            shown.join(", ")
        )
    }
}

impl RecordError {
    /// Kafka's message for this record of the partition `key`, topic and number.
    pub fn message(&self, key: &dyn Display) -> String {
        let index = self.batch_index;
        match self.fault {
            RecordFault::NoKey => {
                format!(
                    "Compacted topic cannot accept message without key in topic partition {key}"
                )
            }
            RecordFault::TimestampOutOfRange { timestamp_ms, lowest_ms, highest_ms } => format!(
                "Timestamp {timestamp_ms} of message with offset {index} is out of range. The \
                 timestamp should be within [{lowest_ms}, {highest_ms}]"
            ),
            RecordFault::TimestampType { timestamp_ms, key_bytes, value_bytes, is_compressed } => {
                let mut text = "Invalid timestamp type in message ".to_owned();
                if is_compressed {
                    text.push_str("Partial");
                }
                let _ = write!(
                    text,
                    "DefaultRecord(offset={index}, timestamp={timestamp_ms}, key={key_bytes} \
                     bytes, value={value_bytes} bytes). Producer should not set timestamp type to \
                     LogAppendTime."
                );
                text
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &dyn Display = &"t-4";

    /// As Kafka 4.4.0 answers.
    #[test]
    fn texts_are_kafkas() {
        let mut errors = RecordErrors::default();
        for batch_index in [1, 3, 4, 9] {
            errors.push(batch_index, RecordFault::NoKey);
        }
        let no_key = "Compacted topic cannot accept message without key in topic partition t-4";
        assert_eq!(errors.named()[0].message(KEY), no_key);
        let shown = [1, 3, 4].map(|it| format!("RecordError(batchIndex={it}, message='{no_key}')"));
        let expected = "One or more records have been rejected due to 4 record errors in total, \
                        and only showing the first three errors at most: ";
        assert_eq!(errors.message(KEY), format!("{expected}[{}]", shown.join(", ")));
        assert!(!errors.has_timestamp_fault());
        let fault =
            RecordFault::TimestampOutOfRange { timestamp_ms: 9, lowest_ms: 2, highest_ms: 5 };
        errors.push(10, fault);
        assert_eq!(
            errors.named()[4].message(KEY),
            "Timestamp 9 of message with offset 10 is out of range. The timestamp should be within \
             [2, 5]"
        );
        let expected = "One or more records have been rejected due to invalid timestamp";
        assert_eq!(errors.message(KEY), expected);
        assert!(errors.has_timestamp_fault());
    }

    #[test]
    fn the_text_for_a_timestamp_type_shows_the_record_as_kafka_prints_it() {
        for (is_compressed, class) in [(false, "DefaultRecord"), (true, "PartialDefaultRecord")] {
            let fault = RecordFault::TimestampType {
                timestamp_ms: 4000,
                key_bytes: 1,
                value_bytes: 2,
                is_compressed,
            };
            let expected = format!(
                "Invalid timestamp type in message {class}(offset=7, timestamp=4000, key=1 bytes, \
                 value=2 bytes). Producer should not set timestamp type to LogAppendTime."
            );
            assert_eq!(RecordError { batch_index: 7, fault }.message(KEY), expected);
        }
    }

    #[test]
    fn all_are_counted_and_a_thousand_are_named() {
        let mut errors = RecordErrors::default();
        for batch_index in 0..5_000 {
            errors.push(batch_index, RecordFault::NoKey);
        }
        assert_eq!((errors.count(), errors.named().len()), (5_000, RECORD_ERRORS_MAX));
        let message = errors.message(KEY);
        let mut left = 10;
        errors.limit(&mut left);
        assert_eq!((errors.count(), errors.named().len(), left), (5_000, 10, 0));
        errors.limit(&mut left);
        assert!(errors.named().is_empty());
        assert_eq!(errors.message(KEY), message, "it shows three, whatever the others took");
        errors.limit(&mut 10);
        assert!(errors.named().is_empty(), "what is taken is not given back");
    }
}
