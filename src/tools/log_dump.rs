//! Port of `DumpLogSegments.dumpLog`: a `.log`, batch by batch. One batch is in memory at a time.

use std::io;
use std::path::Path;

use byteorder::{BigEndian, ByteOrder};

use crate::common::errors::KafkaError;
use crate::common::units::Position;
use crate::message::byte_buffer_message_set::{EntryContent, ShallowEntry, shallow_entries};
use crate::message::message::{MAGIC_VALUE_V0, Message};
use crate::message::message_set::MAGIC_OFFSET;
use crate::message::record_batch::{RecordBatch, TRANSACTIONAL_FLAG};
use crate::message::records::LogRecord;
use crate::message::timestamp_type::TimestampType;
use crate::storage::log::file_message_set::{EntryHeader, FileMessageSet};
use crate::storage::producers::producer_state_entry::{NO_SEQUENCE, increment_sequence};
use crate::tools::cluster_metadata_parser;
use crate::tools::dump_log_segments_options::DumpLogSegmentsOptions;
use crate::tools::offsets_message_parser;
use crate::tools::printer::{Printer, java_string};

/// Up to the magic of an entry: what is shorter is not the beginning of one, for Kafka neither.
const HEADER_SIZE_UP_TO_MAGIC: u64 = MAGIC_OFFSET as u64 + 1;

/// Prints the batches of a log.
///
/// # Errors
/// Why it cannot be read to its end. A batch that cannot be read is no reason, as long as its size
/// can: that is printed, and the next batch follows.
pub(crate) fn dump_log(
    path: &Path,
    options: &DumpLogSegmentsOptions,
    printer: &mut Printer<'_>,
) -> Result<(), KafkaError> {
    let set = FileMessageSet::open_read_only(path)?;
    let end = Position(options.max_bytes.unwrap_or(u64::MAX).min(set.size()));
    let mut records = RecordPrinter::new(path, options, printer);
    let mut bytes = Vec::new();
    let mut position = Position::START;
    while let Some(header) = entry_before(&set, position, end)? {
        read_entry(&set, &header, &mut bytes)?;
        if let Err(error) = records.print_entry(&bytes, position) {
            records.printer.error(&corrupt(path, position, &error));
        }
        if records.printer.has_failed() {
            return Ok(());
        }
        position = header.end();
    }
    let trailing_bytes = end - position;
    if trailing_bytes > 0 && options.max_bytes.is_none() {
        let name = path.file_name().unwrap_or_default().display();
        printer.print(format_args!("Found {trailing_bytes} invalid bytes at the end of {name}\n"));
        printer.note_damage();
    }
    Ok(())
}

/// The entry at `position`, if it ends before `end`.
///
/// # Errors
/// Those of [`FileMessageSet::entry_at`].
pub(crate) fn entry_before(
    set: &FileMessageSet,
    position: Position,
    end: Position,
) -> Result<Option<EntryHeader>, KafkaError> {
    if position.saturating_add(HEADER_SIZE_UP_TO_MAGIC) >= end {
        return Ok(None);
    }
    Ok(set.entry_at(position)?.filter(|entry| entry.end() <= end))
}

/// Reads a whole entry into `bytes`.
///
/// # Errors
/// `OutOfMemory` if there is none for it; those of [`FileMessageSet::read_exact_at`].
pub(crate) fn read_entry(
    set: &FileMessageSet,
    entry: &EntryHeader,
    bytes: &mut Vec<u8>,
) -> io::Result<()> {
    let size = usize::try_from(entry.size_bytes).unwrap_or(usize::MAX);
    bytes.clear();
    bytes.try_reserve_exact(size).map_err(|error| {
        let why = format!("no memory for a batch of {size} bytes at {}: {error}", entry.position);
        io::Error::new(io::ErrorKind::OutOfMemory, why)
    })?;
    bytes.resize(size, 0);
    set.read_exact_at(bytes, entry.position)
}

/// The error for bytes at `position` that cannot be read.
pub(crate) fn corrupt(path: &Path, position: Position, error: &KafkaError) -> KafkaError {
    KafkaError::Corrupt { file: path.to_path_buf(), position: position.0, why: error.why() }
}

/// Prints the line of a batch, also of one whose records are damaged.
fn print_batch(
    bytes: &[u8],
    position: Position,
    printer: &mut Printer<'_>,
) -> Result<(), KafkaError> {
    let entry = ShallowEntry::parse_header(bytes)?;
    let codec = entry.codec()?.name();
    let crc = match &entry.content {
        EntryContent::Batch(batch) => {
            print_batch_fields(batch, printer);
            batch.crc()
        }
        EntryContent::Message(message) => {
            printer.print(format_args!("offset: {}", entry.last_offset));
            message.crc()
        }
    };
    let is_valid = entry.has_valid_crc();
    if !is_valid {
        printer.note_damage();
    }
    printer.print(format_args!(
        " position: {position} {}: {} size: {} magic: {} compresscodec: {codec} crc: {crc} isvalid: {is_valid}\n",
        timestamp_type_name(&entry),
        entry.max_timestamp(),
        entry.size_in_bytes(),
        entry.magic,
    ));
    Ok(())
}

fn print_batch_fields(batch: &RecordBatch<'_>, printer: &mut Printer<'_>) {
    printer.print(format_args!(
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} \
         producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} isControl: {} \
         deleteHorizonMs: ",
        batch.base_offset(),
        batch.last_offset(),
        batch.record_count(),
        batch.base_sequence(),
        match batch.base_sequence() {
            NO_SEQUENCE => NO_SEQUENCE,
            base => increment_sequence(base, batch.last_offset_delta()),
        },
        batch.producer_id(),
        batch.producer_epoch(),
        batch.partition_leader_epoch(),
        batch.attributes() & TRANSACTIONAL_FLAG != 0,
        batch.is_control_batch(),
    ));
    match batch.delete_horizon_ms() {
        Some(horizon_ms) => printer.print(format_args!("OptionalLong[{horizon_ms}]")),
        None => printer.print(format_args!("OptionalLong.empty")),
    }
}

/// Java's names of the constants.
fn timestamp_type_name(entry: &ShallowEntry<'_>) -> &'static str {
    match entry.timestamp_type() {
        _ if entry.magic == MAGIC_VALUE_V0 => "NoTimestampType",
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

/// Prints the records of a log, and sees whether their offsets follow each other.
pub(crate) struct RecordPrinter<'p, 'a> {
    path: &'p Path,
    options: &'p DumpLogSegmentsOptions,
    last_offset: i64,
    has_gap: bool,
    printer: &'p mut Printer<'a>,
}

impl<'p, 'a> RecordPrinter<'p, 'a> {
    /// `path` is named if offsets are missing.
    pub(crate) fn new(
        path: &'p Path,
        options: &'p DumpLogSegmentsOptions,
        printer: &'p mut Printer<'a>,
    ) -> Self {
        Self { path, options, last_offset: -1, has_gap: false, printer }
    }

    /// The next record should have this offset.
    pub(crate) fn expect_offset(&mut self, offset: i64) {
        self.last_offset = offset.wrapping_sub(1);
    }

    pub(crate) fn printer(&mut self) -> &mut Printer<'a> {
        self.printer
    }

    /// Prints the entry that `bytes` are, and its records if they are asked for.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn print_entry(
        &mut self,
        bytes: &[u8],
        position: Position,
    ) -> Result<(), KafkaError> {
        print_batch(bytes, position, self.printer)?;
        if self.options.is_deep_iteration { self.print_records(bytes) } else { Ok(()) }
    }

    fn print_records(&mut self, bytes: &[u8]) -> Result<(), KafkaError> {
        for entry in shallow_entries(bytes) {
            let entry = entry?;
            match &entry.content {
                EntryContent::Batch(batch) => batch.for_each_record(&mut |record| {
                    self.print(&entry, record, None);
                    Ok(())
                })?,
                EntryContent::Message(message) => {
                    entry.for_each_message(message, &mut |record, message| {
                        self.print(&entry, record, Some(message));
                        Ok(())
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Prints a record of `entry`, which `message` is if it is not one of magic 2.
    fn print(
        &mut self,
        entry: &ShallowEntry<'_>,
        record: &LogRecord<'_>,
        message: Option<&Message<'_>>,
    ) {
        self.check_gap(record.offset);
        let mut prefix = "| ";
        if !self.options.skips_record_metadata {
            self.print_metadata(entry, record, message);
            prefix = " ";
        }
        let is_control =
            matches!(&entry.content, EntryContent::Batch(batch) if batch.is_control_batch());
        if self.options.prints_data_log && !is_control {
            self.print_content(record, prefix);
        }
        self.printer.print(format_args!("\n"));
    }

    fn check_gap(&mut self, offset: i64) {
        if offset != self.last_offset.wrapping_add(1) {
            if !self.has_gap {
                let path = absolute(self.path);
                self.printer.complain(format_args!("Non-consecutive offsets in {path}"));
            }
            self.has_gap = true;
            let last_offset = self.last_offset;
            self.printer.complain(format_args!("  {last_offset} is followed by {offset}"));
        }
        self.last_offset = offset;
    }

    fn print_metadata(
        &mut self,
        entry: &ShallowEntry<'_>,
        record: &LogRecord<'_>,
        message: Option<&Message<'_>>,
    ) {
        let size = |field: Option<&[u8]>| field.map_or(-1, |it| it.len() as i64);
        self.printer.print(format_args!(
            "| offset: {} {}: {} keySize: {} valueSize: {}",
            record.offset,
            timestamp_type_name(entry),
            record.timestamp,
            size(record.key),
            size(record.value),
        ));
        match (&entry.content, message) {
            (EntryContent::Batch(batch), _) => {
                let offset_delta = record.offset.wrapping_sub(batch.base_offset()) as i32;
                let sequence = match batch.base_sequence() {
                    base if base < 0 => NO_SEQUENCE,
                    base => increment_sequence(base, offset_delta),
                };
                self.printer.print(format_args!(" sequence: {sequence} headerKeys: ["));
                for (at, header) in record.headers.iter().enumerate() {
                    self.printer.print(format_args!("{}", if at == 0 { "" } else { "," }));
                    self.printer.print_text(&java_string(header.key));
                }
                self.printer.print(format_args!("]"));
                if batch.is_control_batch() {
                    self.print_control(record);
                }
            }
            (EntryContent::Message(_), Some(message)) => {
                let (is_valid, crc) = (message.has_valid_crc(), message.crc());
                if !is_valid {
                    self.printer.note_damage();
                }
                self.printer.print(format_args!(" isValid: {is_valid} crc: {crc}"));
            }
            (EntryContent::Message(_), None) => (),
        }
    }

    /// Prints a mark that a broker or a controller of Kafka has written.
    fn print_control(&mut self, record: &LogRecord<'_>) {
        if let Some(text) = cluster_metadata_parser::parse_control(record) {
            self.printer.print(format_args!(" "));
            return self.printer.print_text(&text);
        }
        let control_type = record.key.and_then(|key| key.get(2..4)).map(BigEndian::read_i16);
        let coordinator_epoch = record.value.and_then(|it| it.get(2..6)).map(BigEndian::read_i32);
        let name = match control_type {
            Some(0) => "ABORT",
            Some(1) => "COMMIT",
            Some(2) => "LEADER_CHANGE",
            Some(3) => "SNAPSHOT_HEADER",
            Some(4) => "SNAPSHOT_FOOTER",
            Some(5) => "KRAFT_VERSION",
            Some(6) => "KRAFT_VOTERS",
            _ => "UNKNOWN",
        };
        let printer = &mut self.printer;
        match (control_type, coordinator_epoch) {
            (Some(0 | 1), Some(epoch)) => {
                printer.print(format_args!(" endTxnMarker: {name} coordinatorEpoch: {epoch}"));
            }
            (control_type, _) => {
                let control_type = control_type.unwrap_or(-1);
                printer.print(format_args!(" controlType: {name}({control_type})"));
            }
        }
    }

    fn print_content(&mut self, record: &LogRecord<'_>, prefix: &str) {
        let (key, value) = if self.options.decodes_offsets {
            match offsets_message_parser::parse(record) {
                Ok((key, value)) => (Some(key.into()), value.map(Into::into)),
                Err(why) => return self.printer.error(&why),
            }
        } else if self.options.decodes_cluster_metadata {
            (None, cluster_metadata_parser::parse(record).map(Into::into))
        } else {
            (record.key.map(java_string), record.value.map(java_string))
        };
        let mut prefix = prefix;
        for (name, text) in [("key", key), ("payload", value)] {
            let Some(text) = text else { continue };
            self.printer.print(format_args!("{prefix}{name}: "));
            self.printer.print_text(&text);
            prefix = " ";
        }
    }
}

/// The path of a file as Kafka's complaints name it.
pub(crate) fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string()
}

/// The largest timestamp of the records in an entry.
///
/// # Errors
/// Those of [`ShallowEntry::for_each_record`].
pub(crate) fn max_timestamp_of_records(bytes: &[u8]) -> Result<i64, KafkaError> {
    let mut max_timestamp = -1;
    for entry in shallow_entries(bytes) {
        entry?.for_each_record(&mut |record| {
            max_timestamp = max_timestamp.max(record.timestamp);
            Ok(())
        })?;
    }
    Ok(max_timestamp)
}
