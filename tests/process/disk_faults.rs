//! A disk that fails under the broker: `strace` has one system call on one file fail, once or for as
//! long as it watches. Whatever fails, nothing that was acknowledged is lost by a kill, nothing is
//! acknowledged that was not kept, nothing is kept twice, and the other log directory goes on.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::broker_process::BrokerProcess;
use support::client::{Client, NEWEST_PRODUCE, produce_request};
use support::temp::TempDir;
use transferto::common::errors::Errors;
use transferto::message::byte_buffer_message_set::for_each_record;
use transferto::message::record_batch_builder::RecordBatchBuilder;
use transferto::protocol::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use transferto::protocol::delete_topics::DeleteTopicsRequest;
use transferto::protocol::request::{RequestBody, ResponseBody};

use crate::hostile::in_company;

/// The topic whose disk fails, in the first log directory, and the one in the second.
const FAILING: &str = "failing";
const OTHER: &str = "other";

/// Two batches of one record fill a segment, and each is flushed before it is acknowledged. All are
/// appended by one thread, so that a call that fails once in a thread fails once.
const SETTINGS: [&str; 4] = [
    "log.segment.bytes=1000",
    "log.index.interval.bytes=0",
    "log.flush.interval.messages=1",
    "num.io.threads=1",
];
const VALUE_BYTES: usize = 400;

/// As many as the broker remembers of a producer.
const BATCHES: usize = 5;
/// More than a page has entries.
const LONG_INDEX_BATCHES: usize = 600;
/// How often a producer sends a batch before it gives up.
const TRIES: usize = 3;

/// The files of the first segment, and those of the segment that the third batch begins.
const FIRST_LOG: &str = "00000000000000000000.log";
const FIRST_INDEX: &str = "00000000000000000000.index";
const FIRST_TIME_INDEX: &str = "00000000000000000000.timeindex";
const NEXT_LOG: &str = "00000000000000000002.log";
const NEXT_INDEX: &str = "00000000000000000002.index";
/// The directory of the log itself.
const DIRECTORY: &str = ".";

/// What a failed call does to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// The log directory is offline for good, though the call fails only once.
    TakesDirectoryOffline,
    /// The request fails, and succeeds when the call does.
    FailsRequest,
    /// No client notices.
    Nothing,
}

use Effect::{FailsRequest, Nothing, TakesDirectoryOffline};

#[test]
fn a_write_that_fails_is_not_acknowledged() {
    hold("pwrite64", "EIO", FIRST_LOG, TakesDirectoryOffline);
    hold("pwrite64", "ENOSPC", FIRST_LOG, FailsRequest);
}

#[test]
fn after_a_failed_sync_neither_a_retry_nor_anything_else_is_acknowledged() {
    hold("fdatasync", "EIO", FIRST_LOG, TakesDirectoryOffline);
    hold("fdatasync", "ENOSPC", FIRST_LOG, TakesDirectoryOffline);
    hold("fsync", "EIO", DIRECTORY, TakesDirectoryOffline);
}

#[test]
fn a_segment_that_cannot_be_begun_takes_no_batch() {
    hold("openat", "EIO", NEXT_LOG, TakesDirectoryOffline);
    hold("openat", "EMFILE", NEXT_LOG, FailsRequest);
    hold("openat", "ENOSPC", NEXT_INDEX, FailsRequest);
}

#[test]
fn a_flush_that_has_no_file_descriptor_is_done_again_before_a_retry_is_acknowledged() {
    hold("openat", "EMFILE", DIRECTORY, FailsRequest);
}

#[test]
fn an_index_for_which_there_is_no_room_stays_in_memory() {
    hold("pwrite64", "ENOSPC", FIRST_INDEX, Nothing);
    hold("pread64", "ENOMEM", FIRST_TIME_INDEX, Nothing);
}

#[test]
fn an_index_that_cannot_be_written_or_read_back_takes_the_directory_offline() {
    hold("pwrite64", "EIO", FIRST_INDEX, TakesDirectoryOffline);
    hold("pread64", "EIO", FIRST_TIME_INDEX, TakesDirectoryOffline);
}

/// The first entry for which a page is too little has the others written to the file and mapped.
#[test]
fn a_long_index_that_cannot_be_mapped_stays_in_memory() {
    let _company = in_company();
    let dir = TempDir::new();
    let log_dir = dir.join("a");
    let settings = ["log.index.interval.bytes=0", "num.io.threads=1"];
    let broker = BrokerProcess::start(&log_dir, &settings);
    let mut client = Client::connect(broker.port);
    client.create_topic(FAILING);
    let index = log_dir.join("failing-0").join(FIRST_INDEX);
    let Some(injection) = Injection::begin(&broker, "mmap", "ENOMEM:when=1+", &index) else {
        return;
    };
    for number in 0..LONG_INDEX_BATCHES {
        assert_eq!(client.produce(FAILING, 0, &numbered(number)).error_code, 0, "{number}");
    }
    injection.end();
    let (_, said) = broker.end_with(Signal::SIGKILL);
    let said = said.concat();
    assert!(!said.contains("panicked") && said.contains(&index.display().to_string()), "{said}");

    let broker = BrokerProcess::start(&log_dir, &settings);
    let mut client = Client::connect(broker.port);
    assert_eq!(numbers_in(&mut client), Vec::from_iter(0..LONG_INDEX_BATCHES));
}

#[test]
fn a_file_that_cannot_be_renamed_takes_the_directory_offline() {
    hold("?rename,renameat,renameat2", "EIO", FIRST_LOG, TakesDirectoryOffline);
}

#[test]
fn a_broker_whose_last_log_directory_fails_ends_with_an_error_and_starts_again() {
    let _company = in_company();
    let dir = TempDir::new();
    let broker = BrokerProcess::start(&dir.join("data"), &SETTINGS);
    let mut client = Client::connect(broker.port);
    client.create_topic(FAILING);
    assert_eq!(client.produce(FAILING, 0, &numbered(0)).error_code, 0);
    let file = dir.join("data/failing-0").join(FIRST_LOG);
    let Some(injection) = Injection::begin(&broker, "fdatasync", "EIO", &file) else { return };
    let batch = numbered(1);
    let request = RequestBody::Produce(produce_request(1, FAILING, 0, batch.len()));
    client.send(NEWEST_PRODUCE, &request, &batch);
    let (status, last_lines) = broker.wait();
    let calls = injection.end();
    assert!(calls.contains("POSIX_FADV_DONTNEED"), "a recovery must read the disk:\n{calls}");
    assert_eq!(status.code(), Some(1), "{last_lines:?}");
    let said = last_lines.concat();
    assert!(said.contains("data is offline until the broker is restarted: cannot sync"), "{said}");
    assert!(said.contains("all log directories are offline: the broker stops"), "{said}");

    let broker = BrokerProcess::start(&dir.join("data"), &SETTINGS);
    assert_eq!(numbers_in(&mut Client::connect(broker.port))[0], 0);
}

/// A name that is not on disk takes what lies under it along in a crash, however well that was
/// synced.
#[test]
fn every_directory_above_an_acknowledged_batch_has_been_synced() {
    let _company = in_company();
    let dir = TempDir::new();
    if !has_strace() {
        return;
    }
    let trace = dir.join("trace").display().to_string();
    let data = dir.join("new/data");
    let strace = ["strace", "-f", "-y", "-e", "trace=fsync", "-o", &trace];
    let broker = BrokerProcess::start_under(&strace, &data, &SETTINGS);
    let mut client = Client::connect(broker.port);
    client.create_topic(FAILING);
    for number in 0..BATCHES {
        assert_eq!(client.produce(FAILING, 0, &numbered(number)).error_code, 0);
        let synced = fs::read_to_string(&trace).unwrap();
        let above = data.join("failing-0");
        for above in above.ancestors().take_while(|it| it.starts_with(dir.path())) {
            let is_synced = synced.contains(&format!("<{}>", above.display()));
            assert!(is_synced, "{} is not synced:\n{synced}", above.display());
        }
    }
    broker.end_with(Signal::SIGTERM);
}

/// The log has its other name by then: it must not stay in the way.
#[test]
fn a_topic_whose_deletion_ran_out_of_file_descriptors_can_be_deleted_again() {
    let _company = in_company();
    let dir = TempDir::new();
    let data = dir.join("data");
    let broker = BrokerProcess::start(&data, &SETTINGS);
    let mut client = Client::connect(broker.port);
    for (errno, is_led_again) in [("EMFILE:when=1", true), ("EMFILE:when=1+", false)] {
        client.create_topic(FAILING);
        let Some(injection) = Injection::begin(&broker, "openat", errno, &data) else { return };
        assert_ne!(delete_topic(&mut client), 0);
        injection.end();
        if is_led_again {
            assert!(numbers_in(&mut client).is_empty());
            assert_eq!(client.produce(FAILING, 0, &numbered(0)).error_code, 0);
        }
        assert_eq!(delete_topic(&mut client), 0);
    }
    broker.end_with(Signal::SIGTERM);
}

fn delete_topic(client: &mut Client) -> i16 {
    let topic_names = vec![FAILING.to_string()];
    let request = DeleteTopicsRequest { topic_names, ..DeleteTopicsRequest::default() };
    match client.call(3, &RequestBody::DeleteTopics(request), &[]).0 {
        ResponseBody::DeleteTopics(it) => it.responses[0].error_code,
        other => panic!("{other:?}"),
    }
}

/// Has a call on a file of the failing topic fail under an idempotent producer, looks at the `effect`,
/// kills the broker, and looks at what is left.
fn hold(call: &str, errno: &str, file: &str, effect: Effect) {
    let _company = in_company();
    let what = format!("{call} on {file:?} fails with {errno}");
    let dir = TempDir::new();
    let dirs = ["a", "b"].map(|name| dir.join(name));
    let broker = start(&dirs);
    let mut client = Client::connect(broker.port);
    client.create_topic(FAILING);
    client.create_topic(OTHER);
    let errors = if effect == TakesDirectoryOffline { "when=1" } else { "when=1+" };
    let log = dirs[0].join("failing-0");
    let path = if file == DIRECTORY { log } else { log.join(file) };
    let errno = format!("{errno}:{errors}");
    let Some(injection) = Injection::begin(&broker, call, &errno, &path) else { return };
    let acknowledged = produce_until_refused(&mut client);
    if call.contains("rename") {
        assert_ne!(delete_first_segment(&mut client), 0, "{what}");
    }
    match effect {
        TakesDirectoryOffline => assert_offline(&mut client, &what),
        FailsRequest => assert!(acknowledged < BATCHES, "{what}"),
        Nothing => assert_eq!(acknowledged, BATCHES, "{what}"),
    }
    assert_eq!(client.produce(OTHER, 0, &numbered(0)).error_code, 0, "{what}");
    injection.end();
    let acknowledged = match effect {
        TakesDirectoryOffline => {
            assert_offline(&mut client, &what);
            acknowledged
        }
        FailsRequest | Nothing => produce_until_refused(&mut client),
    };
    let (_, said) = broker.end_with(Signal::SIGKILL);
    let said = said.concat();
    assert!(!said.contains("panicked"), "{what}: {said}");
    assert!(said.contains(&path.display().to_string()), "{what}: {said}");

    let broker = start(&dirs);
    let mut client = Client::connect(broker.port);
    let kept = numbers_in(&mut client);
    assert!(kept.len() >= acknowledged, "{what}: {acknowledged} acknowledged, kept: {kept:?}");
    assert_eq!(produce_until_refused(&mut client), BATCHES, "{what}");
    assert_eq!(numbers_in(&mut client), Vec::from_iter(0..BATCHES), "{what}");
}

fn start(dirs: &[PathBuf; 2]) -> BrokerProcess {
    let both = format!("log.dirs={},{}", dirs[0].display(), dirs[1].display());
    let settings: Vec<_> = SETTINGS.into_iter().chain([both.as_str()]).collect();
    BrokerProcess::start(&dirs[0], &settings)
}

/// Sends each batch until it is acknowledged, and gives up at the first that is refused again and
/// again. Returns how many were acknowledged.
fn produce_until_refused(client: &mut Client) -> usize {
    let is_acknowledged = |number: &usize| {
        (0..TRIES).any(|_| client.produce(FAILING, 0, &numbered(*number)).error_code == 0)
    };
    (0..BATCHES).take_while(is_acknowledged).count()
}

/// A batch whose number is its sequence and its value.
fn numbered(number: usize) -> Vec<u8> {
    let sequence = i32::try_from(number).unwrap();
    let value = format!("{number:VALUE_BYTES$}");
    let batch = RecordBatchBuilder::new(0).producer(77, 0, sequence);
    batch.record(0, None, Some(value.as_bytes())).build().unwrap()
}

/// The numbers of the batches that are in the log.
fn numbers_in(client: &mut Client) -> Vec<usize> {
    let mut numbers = Vec::new();
    loop {
        let fetched = client.fetch(FAILING, 0, numbers.len() as i64);
        assert_eq!(fetched.error, 0);
        if fetched.records.is_empty() {
            return numbers;
        }
        for_each_record(&fetched.records, &mut |record| {
            let value = String::from_utf8_lossy(record.value.unwrap()).into_owned();
            numbers.push(value.trim().parse().unwrap());
            Ok(())
        })
        .unwrap();
    }
}

/// Returns the error code. The segment's files are renamed.
fn delete_first_segment(client: &mut Client) -> i16 {
    let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset: 2 }];
    let topics = vec![DeleteRecordsTopic { name: FAILING.to_string(), partitions }];
    let request = DeleteRecordsRequest { topics, timeout_ms: 1000 };
    match client.call(2, &RequestBody::DeleteRecords(request), &[]).0 {
        ResponseBody::DeleteRecords(it) => it.topics[0].partitions[0].error_code,
        other => panic!("{other:?}"),
    }
}

/// Also of what was acknowledged before nothing is acknowledged again.
fn assert_offline(client: &mut Client, what: &str) {
    let storage_error = Errors::KafkaStorageError.code();
    for number in 0..BATCHES {
        assert_eq!(
            client.produce(FAILING, 0, &numbered(number)).error_code,
            storage_error,
            "{what}"
        );
    }
    assert_eq!(client.fetch(FAILING, 0, 0).error, storage_error, "{what}");
    let partition = client.metadata(5, Some(&[FAILING])).topics[0].partitions.remove(0);
    assert_eq!((partition.leader_id, partition.offline_replicas), (-1, vec![0]), "{what}");
}

fn has_strace() -> bool {
    let has_strace = Command::new("strace").arg("-V").output().is_ok();
    if !has_strace {
        eprintln!("skipped: there is no strace here; `apt-get install strace` brings it");
    }
    has_strace
}

/// A `strace` that has calls fail.
struct Injection {
    strace: Child,
    /// Where it writes the calls that it sees.
    trace: TempDir,
}

impl Injection {
    /// From now on `call` fails on `path` with `errno`; none where there is no strace.
    fn begin(broker: &BrokerProcess, call: &str, errno: &str, path: &Path) -> Option<Self> {
        if !has_strace() {
            return None;
        }
        let trace = TempDir::new();
        let mut strace = Command::new("strace")
            .args(["-f", "-P", &path.display().to_string()])
            .args(["-o", &trace.join("calls").display().to_string()])
            .args(["-e", &format!("trace={call},fadvise64")])
            .args(["-e", &format!("inject={call}:error={errno}")])
            .args(["-p", &broker.pid().to_string()])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(strace.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(said.any(|line| line.contains(" attached")), "strace cannot attach");
        // Read on, so that strace is never kept waiting.
        std::thread::spawn(move || said.count());
        Some(Self { strace, trace })
    }

    /// Lets the broker alone again. Returns the calls that were seen.
    fn end(mut self) -> String {
        // It has ended if the broker has.
        let _ = kill(Pid::from_raw(self.strace.id().cast_signed()), Signal::SIGINT);
        self.strace.wait().unwrap();
        fs::read_to_string(self.trace.join("calls")).unwrap()
    }
}

/// A test that fails leaves no process behind.
impl Drop for Injection {
    fn drop(&mut self) {
        if let Ok(None) = self.strace.try_wait() {
            let _ = self.strace.kill();
            let _ = self.strace.wait();
        }
    }
}
