//! In the place of Kafka's `kafka-dump-log.sh --cluster-metadata-decoder` for a cluster that runs: its metadata
//! log, in the words of that tool, read from the controllers and not from their files.

use std::io;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::clients::interrupter::Interrupter;
use crate::common::errors::KafkaError;
use crate::common::failures::Failures;
use crate::common::lock::locked;
use crate::common::time::{SystemTime, Time};
use crate::common::units::Position;
use crate::message::record_batch::RecordBatch;
use crate::raft::observed_quorum::ObservedQuorum;
use crate::raft::observer::{Observer, Step};
use crate::raft::raft_config::RaftConfig;
use crate::raft::raft_listener::{MetadataFault, RaftListener, SnapshotId};
use crate::raft::snapshot_fetch::METADATA_TOPIC;
use crate::tools::command_config::read_command_config;
use crate::tools::dump_log_segments_options::DumpLogSegmentsOptions;
use crate::tools::log_dump::RecordPrinter;
use crate::tools::metadata_log_options::MetadataLogOptions;
use crate::tools::printer::Printer;

/// Between two requests of which the first has failed.
const RETRY_BACKOFF: Duration = Duration::from_millis(100);

/// What the observer has handed on in one step.
#[derive(Default)]
struct Received {
    snapshot: Option<(SnapshotId, Vec<u8>)>,
    /// Whole batches, behind the snapshot if there is one.
    batches: Vec<u8>,
}

/// Keeps what is handed on until it is printed, after the step.
struct Receiver(Arc<Mutex<Received>>);

/// Prints the log to `out`, and what it waits for to `err`. Returns whether all of it could be printed.
///
/// # Errors
/// Whatever a write to `out` reports, but for a pipe whose reader has read enough.
pub fn print_metadata_log(
    options: &MetadataLogOptions,
    out: &mut dyn Write,
    err: &mut dyn Write,
    is_terminal: bool,
) -> io::Result<bool> {
    let builder = options.command_config.as_deref().map(read_command_config).transpose();
    let config = RaftConfig::of_reader(options.controllers.clone());
    let config = match builder {
        Ok(Some(channel_builder)) => RaftConfig { channel_builder, ..config },
        Ok(None) => config,
        Err(why) => {
            let mut printer = Printer::new(out, err, is_terminal);
            printer.error(&why);
            return printer.finish();
        }
    };
    let quorum = Arc::new(Mutex::new(ObservedQuorum::new(&config, 0)));
    let received = Arc::new(Mutex::new(Received::default()));
    let listener = Box::new(Receiver(Arc::clone(&received)));
    let observer = Observer::new(config, quorum, Arc::new(Interrupter::new()), listener);
    let mut printer = Printer::new(out, err, is_terminal);
    let path = Path::new(METADATA_TOPIC);
    let how = DumpLogSegmentsOptions::of_cluster_metadata(options.skips_record_metadata);
    let mut log = LogPrinter {
        records: RecordPrinter::new(path, &how, &mut printer),
        position: Position::START,
        has_begun: false,
    };
    follow(options, observer, &received, &mut log);
    printer.finish()
}

/// Until everything is printed that was committed when the leader answered first; until the process ends, if
/// the log is followed.
fn follow(
    options: &MetadataLogOptions,
    mut observer: Observer,
    received: &Mutex<Received>,
    log: &mut LogPrinter<'_, '_>,
) {
    let mut until = None;
    let mut answered_at = Instant::now();
    let (mut failures, clock) = (Failures::default(), SystemTime::new());
    loop {
        match observer.step() {
            Ok(Step::Answered) => {
                answered_at = Instant::now();
                failures.forget();
            }
            Ok(Step::Failed(why)) => {
                let is_hopeless = until.is_none() || !options.follows;
                if is_hopeless && answered_at.elapsed() >= options.timeout {
                    return log.fail(format_args!("no controller has answered: {why}"));
                }
                if let Some(repeats) = failures.news(&why, clock.hi_res_clock_ms()) {
                    log.complain(format_args!("waiting for a controller: {why}{repeats}"));
                }
                thread::sleep(RETRY_BACKOFF);
            }
            Err(fault) => return log.fail(format_args!("{fault}")),
        }
        if let Err(error) = log.print(std::mem::take(&mut *locked(received))) {
            return log.fail(format_args!("{error}"));
        }
        if until.is_none() && observer.high_watermark() > 0 {
            until = Some(observer.high_watermark());
        }
        let is_whole = until.is_some_and(|until| observer.committed().offset >= until);
        if is_whole && !options.follows || log.records.printer().has_failed() {
            return;
        }
    }
}

impl RaftListener for Receiver {
    fn handle_commit(&mut self, batches: &[u8], _: i64) -> Result<(), MetadataFault> {
        locked(&self.0).batches.extend_from_slice(batches);
        Ok(())
    }

    fn handle_load_snapshot(
        &mut self,
        id: SnapshotId,
        bytes: &[u8],
        _: i64,
    ) -> Result<(), MetadataFault> {
        let mut received = locked(&self.0);
        received.snapshot = Some((id, bytes.to_vec()));
        Ok(())
    }
}

/// Prints batches as they come.
struct LogPrinter<'p, 'a> {
    records: RecordPrinter<'p, 'a>,
    /// Of the next batch: in the snapshot, or in the log behind it.
    position: Position,
    /// Whether it has said where the log begins.
    has_begun: bool,
}

impl LogPrinter<'_, '_> {
    fn print(&mut self, received: Received) -> Result<(), KafkaError> {
        if let Some((id, bytes)) = received.snapshot {
            self.begin(format_args!(
                "Snapshot end offset: {}, epoch: {}\n",
                id.end_offset, id.epoch
            ));
            self.records.expect_offset(0);
            self.print_batches(&bytes)?;
            self.begin(format_args!("Log starting offset: {}\n", id.end_offset));
            self.records.expect_offset(id.end_offset);
        }
        if !received.batches.is_empty() && !self.has_begun {
            self.begin(format_args!("Log starting offset: 0\n"));
        }
        self.print_batches(&received.batches)?;
        self.records.printer().flush();
        Ok(())
    }

    fn begin(&mut self, line: std::fmt::Arguments<'_>) {
        self.records.printer().print(line);
        self.position = Position::START;
        self.has_begun = true;
    }

    fn print_batches(&mut self, mut bytes: &[u8]) -> Result<(), KafkaError> {
        while !bytes.is_empty() {
            let batch = RecordBatch::parse(bytes)?.bytes();
            self.records.print_entry(batch, self.position)?;
            self.position = self.position.saturating_add(batch.len() as u64);
            bytes = &bytes[batch.len()..];
        }
        Ok(())
    }

    fn complain(&mut self, why: std::fmt::Arguments<'_>) {
        self.records.printer().complain(format_args!("transferto: {why}"));
    }

    fn fail(&mut self, why: std::fmt::Arguments<'_>) {
        self.records.printer().error(&why);
    }
}
