//! Port of `org.apache.kafka.tools.DumpLogSegments` of Kafka 4.3: what is in the files of a log, in
//! Kafka's words, line for line.
//!
//! It differs where Kafka's tool ends with a Java exception: here an error names the file and the
//! position, the next file follows, and the exit status is 1 as well. It is 1 also where Kafka's
//! tool only prints that a log is damaged, so that a script which checks logs notices.

use std::fs;
use std::io;
use std::io::Write;
use std::path::Path;

use crate::common::errors::KafkaError;
use crate::common::units::Offset;
use crate::storage::files::log_file_names::{
    INDEX_FILE_SUFFIX, LOG_FILE_SUFFIX, PRODUCER_SNAPSHOT_FILE_SUFFIX, TIME_INDEX_FILE_SUFFIX,
};
use crate::storage::producers::producer_snapshot::read_rows;
use crate::tools::dump_log_segments_options::DumpLogSegmentsOptions;
use crate::tools::index_dump::{dump_index, dump_time_index};
use crate::tools::log_dump::dump_log;
use crate::tools::printer::Printer;

/// Of the index of aborted transactions.
const TRANSACTION_INDEX_SUFFIX: &str = ".txnindex";
/// Of a snapshot of the metadata log, whose name begins with where it ends: offset and epoch.
const SNAPSHOT_FILE_SUFFIX: &str = ".checkpoint";
/// The snapshot with which Kafka founds a quorum.
const BOOTSTRAP_FILE: &str = "bootstrap.checkpoint";

/// Prints the files to `out`, and what is wrong with them to `err`. Returns whether all could be
/// read to their ends, and none was found to be damaged.
///
/// # Errors
/// Whatever a write to `out` reports, but for a pipe whose reader has read enough.
pub fn dump_log_segments(
    options: &DumpLogSegmentsOptions,
    out: &mut dyn Write,
    err: &mut dyn Write,
    is_terminal: bool,
) -> io::Result<bool> {
    let mut printer = Printer::new(out, err, is_terminal);
    for file in &options.files {
        printer.print(format_args!("Dumping {}\n", file.display()));
        if let Err(error) = dump_file(file, options, &mut printer) {
            printer.error(&error);
        }
        if printer.has_failed() {
            break;
        }
    }
    printer.finish()
}

fn dump_file(
    path: &Path,
    options: &DumpLogSegmentsOptions,
    printer: &mut Printer<'_>,
) -> Result<(), KafkaError> {
    check_is_file(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match name.rfind('.').map(|at| &name[at..]) {
        Some(LOG_FILE_SUFFIX) => {
            let start_offset = offset_in(path, &name)?;
            printer.print(format_args!("Log starting offset: {start_offset}\n"));
            dump_log(path, options, printer)
        }
        Some(SNAPSHOT_FILE_SUFFIX) => {
            print_snapshot_name(path, &name, printer)?;
            dump_log(path, options, printer)
        }
        Some(INDEX_FILE_SUFFIX) => dump_index(path, offset_in(path, &name)?, options, printer),
        Some(TIME_INDEX_FILE_SUFFIX) => {
            dump_time_index(path, offset_in(path, &name)?, options, printer)
        }
        Some(PRODUCER_SNAPSHOT_FILE_SUFFIX) => dump_producer_snapshot(path, printer),
        Some(TRANSACTION_INDEX_SUFFIX) => {
            let why = format!(
                "{}: this broker has no transactions, and this tool does not read their files; use \
                 Kafka's own kafka-dump-log.sh",
                path.display()
            );
            Err(io::Error::new(io::ErrorKind::Unsupported, why).into())
        }
        _ => {
            printer.complain(format_args!("Ignoring unknown file {}", path.display()));
            Ok(())
        }
    }
}

/// # Errors
/// If nothing is there, or a directory. Other files that are no log are the readers' own matter.
fn check_is_file(path: &Path) -> io::Result<()> {
    let error = match fs::metadata(path) {
        Ok(metadata) if !metadata.is_dir() => return Ok(()),
        Ok(_) => io::Error::new(io::ErrorKind::IsADirectory, "it is a directory; name its files"),
        Err(error) => error,
    };
    Err(io::Error::new(error.kind(), format!("cannot open {}: {error}", path.display())))
}

/// Prints what a snapshot of the metadata log is called after.
fn print_snapshot_name(path: &Path, name: &str, printer: &mut Printer<'_>) -> io::Result<()> {
    if name == BOOTSTRAP_FILE {
        printer.print(format_args!("KRaft bootstrap snapshot\n"));
        return Ok(());
    }
    let stem = name.split('.').next().unwrap_or_default();
    let parsed = stem.split_once('-').and_then(|(offset, epoch)| {
        Some((offset.parse::<i64>().ok()?, epoch.parse::<i32>().ok()?))
    });
    let (end_offset, epoch) = parsed.ok_or_else(|| {
        let why = format!(
            "{}: the name of a snapshot is an offset and an epoch, as in \
             00000000000000000075-0000000001.checkpoint",
            path.display()
        );
        io::Error::new(io::ErrorKind::InvalidInput, why)
    })?;
    printer.print(format_args!("Snapshot end offset: {end_offset}, epoch: {epoch}\n"));
    Ok(())
}

/// The offset that the name of a file begins with.
fn offset_in(path: &Path, name: &str) -> Result<Offset, KafkaError> {
    let digits = name.split('.').next().unwrap_or_default();
    digits.parse().map(Offset).map_err(|_| {
        let why = format!("{}: the name of a log's file is an offset, as in 0.log", path.display());
        io::Error::new(io::ErrorKind::InvalidInput, why).into()
    })
}

fn dump_producer_snapshot(path: &Path, printer: &mut Printer<'_>) -> Result<(), KafkaError> {
    for row in read_rows(path)? {
        let batch = row.batch;
        printer.print(format_args!(
            "producerId: {} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: ",
            row.producer_id, row.producer_epoch, row.coordinator_epoch
        ));
        match row.current_txn_first_offset {
            ..0 => printer.print(format_args!("OptionalLong.empty")),
            offset => printer.print(format_args!("OptionalLong[{offset}]")),
        }
        printer.print(format_args!(" lastTimestamp: {} ", batch.timestamp_ms));
        if batch.last_offset >= Offset::FIRST {
            printer.print(format_args!(
                "firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
                batch.first_sequence(),
                batch.last_sequence,
                batch.last_offset,
                batch.offset_delta,
                batch.timestamp_ms
            ));
        }
        printer.print(format_args!("\n"));
    }
    Ok(())
}
