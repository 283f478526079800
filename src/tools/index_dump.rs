//! Port of `DumpLogSegments.dumpIndex`, `dumpTimeIndex` and `TimeIndexDumpErrors`: the indexes of a
//! segment, each entry compared with the log.

use std::path::Path;

use crate::common::errors::KafkaError;
use crate::common::units::{Offset, Position, TimestampMs};
use crate::storage::files::log_file_names::{INDEX_FILE_SUFFIX, LOG_FILE_SUFFIX};
use crate::storage::index::index_reader::IndexReader;
use crate::storage::index::offset_index::OffsetPosition;
use crate::storage::index::time_index::TimestampOffset;
use crate::storage::log::file_message_set::{EntryHeader, FileMessageSet};
use crate::storage::log::patience::Patience;
use crate::tools::dump_log_segments_options::DumpLogSegmentsOptions;
use crate::tools::log_dump::{
    absolute, corrupt, entry_before, max_timestamp_of_records, read_entry,
};
use crate::tools::printer::Printer;

/// Prints an offset index.
///
/// # Errors
/// Why it cannot be read or compared to its end.
pub(crate) fn dump_index(
    path: &Path,
    base_offset: Offset,
    options: &DumpLogSegmentsOptions,
    printer: &mut Printer<'_>,
) -> Result<(), KafkaError> {
    let log = FileMessageSet::open_read_only(&beside(path, LOG_FILE_SUFFIX))?;
    let index = IndexReader::<OffsetPosition>::open(path, base_offset)?;
    if index.length() == 0 {
        printer.print(format_args!("{} is empty.\n", path.display()));
        return Ok(());
    }
    if options.index_sanity_only {
        index.check_end()?;
        printer.print(format_args!("{} passed sanity check.\n", path.display()));
        return Ok(());
    }
    let mut has_mismatch = false;
    for slot in 0..index.length() {
        let entry = index.entry(slot)?;
        if is_spare_room(slot, entry.offset, base_offset) || printer.has_failed() {
            break;
        }
        let OffsetPosition { offset, position } = entry;
        let last_offset = last_offset_at(&log, position, options.max_message_size)?;
        let last_offset = last_offset.ok_or_else(|| {
            let why = format!(
                "offset {offset} stands for position {position}, and in {} no batch of at most {} \
                 bytes (--max-message-size) lies there",
                log.path().display(),
                options.max_message_size
            );
            index.corrupt(slot, why)
        })?;
        if last_offset != offset {
            if !has_mismatch {
                printer.complain(format_args!("Mismatches in :{}", absolute(path)));
            }
            has_mismatch = true;
            printer.note_damage();
            printer.complain(format_args!("  Index offset: {offset}, log offset: {last_offset}"));
        }
        if !options.verifies_index_only {
            printer.print(format_args!("offset: {offset} position: {position}\n"));
        }
    }
    Ok(())
}

/// A file to which entries will be added may be as long as it may become, with zeros at its end.
fn is_spare_room(slot: u64, offset: Offset, base_offset: Offset) -> bool {
    slot > 0 && offset == base_offset
}

/// The last offset of the batch at `position`, if one of at most `size_max` lies there.
fn last_offset_at(
    log: &FileMessageSet,
    position: Position,
    size_max: u64,
) -> Result<Option<Offset>, KafkaError> {
    let end = position.saturating_add(size_max).min(Position(log.size()));
    match entry_before(log, position, end)? {
        Some(header) => Ok(Some(log.last_offset(&header, Patience::ForDisk)?)),
        None => Ok(None),
    }
}

/// Prints a time index.
///
/// # Errors
/// Why it cannot be read or compared to its end.
pub(crate) fn dump_time_index(
    path: &Path,
    base_offset: Offset,
    options: &DumpLogSegmentsOptions,
    printer: &mut Printer<'_>,
) -> Result<(), KafkaError> {
    let log = FileMessageSet::open_read_only(&beside(path, LOG_FILE_SUFFIX))?;
    let index = IndexReader::open(&beside(path, INDEX_FILE_SUFFIX), base_offset)?;
    let time_index = IndexReader::<TimestampOffset>::open(path, base_offset)?;
    if options.index_sanity_only {
        check_time_index(&time_index)?;
        printer.print(format_args!("{} passed sanity check.\n", path.display()));
        return Ok(());
    }
    let mut errors = TimeIndexDumpErrors::default();
    let compared = compare(&time_index, &index, &log, &mut errors, options, printer);
    errors.print(path, printer);
    compared
}

fn compare(
    time_index: &IndexReader<TimestampOffset>,
    index: &IndexReader<OffsetPosition>,
    log: &FileMessageSet,
    errors: &mut TimeIndexDumpErrors,
    options: &DumpLogSegmentsOptions,
    printer: &mut Printer<'_>,
) -> Result<(), KafkaError> {
    let mut previous_ms = TimestampMs::NONE;
    let mut bytes = Vec::new();
    for slot in 0..time_index.length() {
        let entry = time_index.entry(slot)?;
        let TimestampOffset { timestamp_ms, offset } = entry;
        if is_spare_room(slot, offset, time_index.base_offset()) || printer.has_failed() {
            break;
        }
        let start = index.floor(|it| it.offset > offset)?.position;
        match batch_with(log, start, offset)? {
            Some((header, last_offset)) if last_offset == offset => {
                read_entry(log, &header, &mut bytes)?;
                let max_ms = max_timestamp_of_records(&bytes)
                    .map_err(|error| corrupt(&log.path(), header.position, &error))?;
                if TimestampMs(max_ms) != timestamp_ms {
                    errors.mismatches.push((timestamp_ms, TimestampMs(max_ms)));
                }
                if previous_ms >= timestamp_ms {
                    errors.out_of_order.push((timestamp_ms, previous_ms));
                }
            }
            Some((_, last_offset)) => errors.not_found.push((offset, last_offset)),
            None => errors.not_found.push((offset, Offset::NONE)),
        }
        if !options.verifies_index_only {
            printer.print(format_args!("timestamp: {timestamp_ms} offset: {offset}\n"));
        }
        previous_ms = timestamp_ms;
    }
    Ok(())
}

/// The first batch from `position` on that ends with `offset` or later, and its last offset.
fn batch_with(
    log: &FileMessageSet,
    mut position: Position,
    offset: Offset,
) -> Result<Option<(EntryHeader, Offset)>, KafkaError> {
    let end = Position(log.size());
    while let Some(header) = entry_before(log, position, end)? {
        let last_offset = log.last_offset(&header, Patience::ForDisk)?;
        if last_offset >= offset {
            return Ok(Some((header, last_offset)));
        }
        position = header.end();
    }
    Ok(None)
}

/// # Errors
/// `Corrupt` if the last timestamp is below the first one, as where a crash left a tail of zeros;
/// those of [`IndexReader::check_end`].
fn check_time_index(time_index: &IndexReader<TimestampOffset>) -> Result<(), KafkaError> {
    if let Some(last_slot) = time_index.length().checked_sub(1) {
        let (first, last) = (time_index.entry(0)?, time_index.entry(last_slot)?);
        if last.timestamp_ms < first.timestamp_ms {
            let why = format!("its last timestamp {} is below its first", last.timestamp_ms);
            return Err(time_index.corrupt(last_slot, why));
        }
    }
    time_index.check_end()
}

/// What is wrong with a time index: at most three numbers for each of its entries.
#[derive(Default)]
struct TimeIndexDumpErrors {
    /// What the index says, and what the log has.
    mismatches: Vec<(TimestampMs, TimestampMs)>,
    /// An entry, and the one before it.
    out_of_order: Vec<(TimestampMs, TimestampMs)>,
    /// What the index says, and what the log has.
    not_found: Vec<(Offset, Offset)>,
}

impl TimeIndexDumpErrors {
    fn print(&self, path: &Path, printer: &mut Printer<'_>) {
        let path = absolute(path);
        if !self.mismatches.is_empty() {
            printer.complain(format_args!("Found timestamp mismatch in :{path}"));
        }
        for (index, log) in &self.mismatches {
            printer.complain(format_args!("  Index timestamp: {index}, log timestamp: {log}"));
        }
        if !self.out_of_order.is_empty() {
            printer.complain(format_args!("Found out of order timestamp in :{path}"));
        }
        for (index, previous) in &self.out_of_order {
            printer.complain(format_args!(
                "  Index timestamp: {index}, Previously indexed timestamp: {previous}"
            ));
        }
        if !self.not_found.is_empty() {
            printer
                .complain(format_args!("The following indexed offsets are not found in :{path}"));
        }
        for (index, log) in &self.not_found {
            printer.complain(format_args!("Indexed offset: {index}, found log offset: {log}"));
        }
    }
}

/// The file of the same segment that has another suffix.
fn beside(path: &Path, suffix: &str) -> std::path::PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let digits = name.split('.').next().unwrap_or_default();
    path.with_file_name(format!("{digits}{suffix}"))
}
