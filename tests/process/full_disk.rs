//! A disk that is full: the broker that was killed on it comes up again, serves what is there, says
//! what it cannot do, and goes on once there is room.

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use nix::sys::signal::Signal;
use support::broker_process::{BrokerProcess, broker_binary};
use support::client::Client;
use support::own_process::in_own_process;
use support::records::{batch, stored};
use support::temp::TempDir;
use transferto::common::errors::Errors;
use transferto::message::byte_buffer_message_set::shallow_entries;
use transferto::protocol::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use transferto::protocol::request::{RequestBody, ResponseBody};

const DISK: &str = "TRANSFERTO_TEST_DISK";
/// Holds a page of both indexes after a few records.
const SETTINGS: [&str; 3] =
    ["log.index.interval.bytes=1", "log.segment.bytes=100000", "offsets.topic.num.partitions=1"];
const RECORDS: i64 = 600;
/// Where the log begins: what was before was deleted.
const FIRST_OFFSET: i64 = 10;

/// A disk that a test may fill.
enum Disk {
    /// One of 8 MB, mounted for the test.
    Small(PathBuf),
    /// A directory: where a process may not mount, strace refuses what a full disk would.
    Refusing(PathBuf),
}

/// What holds while a disk has no room. One that is mounted has none from now on.
enum Fullness {
    Filled(FullDisk),
    Injected,
}

impl Disk {
    /// Runs `test` in a process of its own, whose mounts go away with it.
    fn with(name: &str, test: impl FnOnce(&Self)) {
        let dir = TempDir::new();
        let Some(unshare) = unshare() else {
            eprintln!("no process may mount here: strace stands in for a full disk");
            return test(&Self::Refusing(dir.path().to_path_buf()));
        };
        let path = dir.path().display();
        let mount = format!(r#"mount -t tmpfs -o size=8m none "{path}" && exec "$0" "$@""#);
        let setup = format!(r#"export {DISK}="{path}"; exec {unshare} sh -c '{mount}' "$0" "$@";"#);
        in_own_process(name, &setup, || {
            test(&Self::Small(PathBuf::from(env::var_os(DISK).unwrap())));
        });
    }

    fn data(&self) -> PathBuf {
        let (Self::Small(path) | Self::Refusing(path)) = self;
        path.join("data")
    }

    fn fill(&self) -> Fullness {
        match self {
            Self::Small(path) => Fullness::Filled(FullDisk::keep(path)),
            Self::Refusing(_) => Fullness::Injected,
        }
    }
}

impl Fullness {
    /// The wrapper of a broker that runs meanwhile: this call does not find room.
    fn wrapper(&self, call: &str, path: Option<&Path>) -> Vec<String> {
        match self {
            Self::Filled(full) => {
                assert!(full.filler.exists());
                Vec::new()
            }
            Self::Injected => {
                let inject = format!("inject={call}:error=ENOSPC");
                let words = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject];
                let words = words.iter().map(ToString::to_string);
                let paths = path.iter().flat_map(|it| ["-P".to_string(), it.display().to_string()]);
                words.chain(paths).collect()
            }
        }
    }

    fn start(&self, data: &Path) -> BrokerProcess {
        let wrapper = self.wrapper("pwrite64", None);
        let wrapper: Vec<_> = wrapper.iter().map(String::as_str).collect();
        BrokerProcess::start_under(&wrapper, data, &SETTINGS)
    }
}

/// The command that gives a process mounts of its own: as root, or as a user who plays root.
fn unshare() -> Option<&'static str> {
    let mounts = "mount -t tmpfs none /mnt";
    let works = |it: &&str| {
        let words = it.split(' ').chain(["sh", "-c", mounts]).collect::<Vec<_>>();
        Command::new(words[0]).args(&words[1..]).output().is_ok_and(|it| it.status.success())
    };
    ["unshare -m", "unshare -rm"].into_iter().find(works)
}

/// A disk without a free byte: what a broker gives back is taken at once.
struct FullDisk {
    filler: PathBuf,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FullDisk {
    fn keep(disk: &Path) -> Self {
        let (filler, is_over) = (disk.join("filler"), Arc::new(AtomicBool::new(false)));
        let mut file = File::create(&filler).unwrap();
        let mut fill = move || {
            for size in [1 << 16, 1 << 12, 1] {
                while file.write_all(&vec![7; size]).is_ok() {}
            }
        };
        fill();
        let thread = thread::spawn({
            let is_over = Arc::clone(&is_over);
            move || {
                while !is_over.load(Ordering::Acquire) {
                    fill();
                    thread::yield_now();
                }
            }
        });
        Self { filler, is_over, thread: Some(thread) }
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        let filled = self.thread.take().map(JoinHandle::join);
        assert!(filled.is_none_or(|it| it.is_ok()));
        fs::remove_file(&self.filler).unwrap();
    }
}

fn produce(client: &mut Client, count: i64) -> Vec<u8> {
    let mut all = Vec::new();
    for _ in 0..count {
        let records = batch(&["a value that is neither long nor short"]);
        let response = client.produce("post", 0, &records);
        assert_eq!(response.error_code, 0);
        all.extend(stored(&records, response.base_offset));
    }
    all
}

/// Deletes the oldest records, of a segment that stays: where the log begins stands in a checkpoint.
fn delete_records(client: &mut Client, offset: i64) {
    let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset }];
    let topics = vec![DeleteRecordsTopic { name: "post".to_string(), partitions }];
    let request = DeleteRecordsRequest { topics, timeout_ms: 1000 };
    match client.call(2, &RequestBody::DeleteRecords(request), &[]).0 {
        ResponseBody::DeleteRecords(it) => assert_eq!(it.topics[0].partitions[0].error_code, 0),
        other => panic!("{other:?}"),
    }
}

/// The partition begins at [`FIRST_OFFSET`] and holds these bytes.
fn assert_holds(client: &mut Client, expected: &[u8]) {
    let (mut all, mut next_offset) = (Vec::new(), FIRST_OFFSET);
    // A fetch ends with the segment.
    while all.len() < expected.len() {
        let fetched = client.fetch("post", 0, next_offset);
        let last = shallow_entries(&fetched.records).last().expect("records").unwrap();
        next_offset = last.last_offset + 1;
        all.extend(fetched.records);
    }
    assert!(all == expected, "{} bytes, {} were acknowledged", all.len(), expected.len());
}

/// A broker with records, from [`FIRST_OFFSET`] on, that was killed. Returns them.
fn killed_broker(data: &Path) -> Vec<u8> {
    let broker = BrokerProcess::start(data, &SETTINGS);
    let mut client = Client::connect(broker.port);
    client.create_topic("post");
    produce(&mut client, FIRST_OFFSET);
    let records = produce(&mut client, RECORDS);
    delete_records(&mut client, FIRST_OFFSET);
    broker.end_with(Signal::SIGKILL);
    records
}

#[test]
fn a_broker_that_was_killed_on_a_full_disk_comes_up_and_serves_what_is_there() {
    let name =
        "full_disk::a_broker_that_was_killed_on_a_full_disk_comes_up_and_serves_what_is_there";
    Disk::with(name, |disk| {
        let data = disk.data();
        let mut expected = killed_broker(&data);
        let full = disk.fill();
        // Twice: what the first start has left must do for the second.
        for signal in [Signal::SIGKILL, Signal::SIGTERM] {
            let broker = full.start(&data);
            let mut client = Client::connect(broker.port);
            assert_holds(&mut client, &expected);
            let refused = client.produce("post", 0, &batch(&["x".repeat(8192)]));
            assert_eq!(refused.error_code, Errors::KafkaStorageError.code());
            broker.end_with(signal);
        }
        drop(full);
        let broker = BrokerProcess::start(&data, &SETTINGS);
        let mut client = Client::connect(broker.port);
        expected.extend(produce(&mut client, 1));
        assert_holds(&mut client, &expected);
        assert!(broker.end_with(Signal::SIGTERM).0.success());
    });
}

/// Kafka's indexes are as long as they may become, and so were ours.
#[test]
fn a_broker_that_finds_sparse_indexes_on_a_full_disk_comes_up() {
    let name = "full_disk::a_broker_that_finds_sparse_indexes_on_a_full_disk_comes_up";
    Disk::with(name, |disk| {
        let data = disk.data();
        let expected = killed_broker(&data);
        for index in fs::read_dir(data.join("post-0")).unwrap().map(|it| it.unwrap().path()) {
            if index.extension().is_some_and(|it| it == "index" || it == "timeindex") {
                let file = File::options().write(true).open(index).unwrap();
                file.set_len(0).and_then(|()| file.set_len(10 << 20)).unwrap();
            }
        }
        let full = disk.fill();
        let broker = full.start(&data);
        assert_holds(&mut Client::connect(broker.port), &expected);
    });
}

#[test]
fn a_first_start_on_a_full_disk_says_what_could_not_be_written() {
    let name = "full_disk::a_first_start_on_a_full_disk_says_what_could_not_be_written";
    Disk::with(name, |disk| {
        let (full, data) = (disk.fill(), disk.data());
        let mut words = full.wrapper("write", Some(&data.join("meta.properties.tmp")));
        words.push(broker_binary().display().to_string());
        let log_dirs = format!("log.dirs={}", data.display());
        for setting in ["listeners=PLAINTEXT://127.0.0.1:0", &log_dirs] {
            words.extend(["--override".to_string(), setting.to_string()]);
        }
        let output = Command::new(&words[0]).args(&words[1..]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code().is_some_and(|code| code != 0), "{said}");
        assert!(
            said.contains("meta.properties") && said.contains("make room on that disk"),
            "{said}"
        );
    });
}

#[test]
fn empty_partitions_take_no_blocks_for_their_indexes() {
    let dir = TempDir::new();
    let broker = BrokerProcess::start(dir.path(), &["num.partitions=1000"]);
    Client::connect(broker.port).create_topic("post");
    let blocks = |partition: i32| -> u64 {
        let files = fs::read_dir(dir.path().join(format!("post-{partition}"))).unwrap();
        files.map(|it| it.unwrap().metadata().unwrap().blocks()).sum()
    };
    assert_eq!((0..1000).map(blocks).sum::<u64>(), 0);
}
