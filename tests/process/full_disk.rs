//! A disk that is full: the broker that was killed on it comes up again, serves what is there, says
//! what it cannot do, and goes on once there is room.

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use support::broker_process::BrokerProcess;
use support::client::Client;
use support::own_process::in_own_process;
use support::records::{batch, stored};
use support::temp::TempDir;
use transferto::common::errors::Errors;
use transferto::message::byte_buffer_message_set::shallow_entries;

const DISK: &str = "TRANSFERTO_TEST_DISK";
/// Holds a page of both indexes after a few records.
const SETTINGS: [&str; 3] =
    ["log.index.interval.bytes=1", "log.segment.bytes=100000", "offsets.topic.num.partitions=1"];
const RECORDS: i64 = 600;

/// Runs `test` with a disk of 8 MB of its own, which goes away with the process.
fn on_a_small_disk(name: &str, test: impl FnOnce(&Path)) {
    let (dir, unshare) = (TempDir::new(), unshare());
    let path = dir.path().display();
    let mount = format!(r#"mount -t tmpfs -o size=8m none "{path}" && exec "$0" "$@""#);
    let setup = format!(r#"export {DISK}="{path}"; exec {unshare} sh -c '{mount}' "$0" "$@";"#);
    in_own_process(name, &setup, || test(&PathBuf::from(env::var_os(DISK).unwrap())));
}

/// The command that gives a process mounts of its own: as root, or as a user who plays root.
fn unshare() -> &'static str {
    let mounts = "mount -t tmpfs none /mnt";
    let works = |it: &&str| {
        let words = it.split(' ').chain(["sh", "-c", mounts]).collect::<Vec<_>>();
        Command::new(words[0]).args(&words[1..]).output().is_ok_and(|it| it.status.success())
    };
    let found = ["unshare -m", "unshare -rm"].into_iter().find(works);
    found.expect("a test of a full disk has to mount one: as root, or with user namespaces allowed")
}

/// Leaves no byte free.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![7; size]).is_ok() {}
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

fn assert_holds(client: &mut Client, expected: &[u8]) {
    let (mut all, mut next_offset) = (Vec::new(), 0);
    // A fetch ends with the segment.
    while all.len() < expected.len() {
        let fetched = client.fetch("post", 0, next_offset);
        let last = shallow_entries(&fetched.records).last().expect("records").unwrap();
        next_offset = last.last_offset + 1;
        all.extend(fetched.records);
    }
    assert!(all == expected, "{} bytes, {} were acknowledged", all.len(), expected.len());
}

#[test]
fn a_broker_that_was_killed_on_a_full_disk_comes_up_and_serves_what_is_there() {
    let name =
        "full_disk::a_broker_that_was_killed_on_a_full_disk_comes_up_and_serves_what_is_there";
    on_a_small_disk(name, |disk| {
        let (data, filler) = (disk.join("data"), disk.join("filler"));
        let broker = BrokerProcess::start(&data, &SETTINGS);
        let mut client = Client::connect(broker.port);
        client.create_topic("post");
        let mut expected = produce(&mut client, RECORDS);
        broker.end_with(Signal::SIGKILL);
        fill(&filler);
        // Twice: what the first start has left must do for the second.
        for signal in [Signal::SIGKILL, Signal::SIGTERM] {
            let broker = BrokerProcess::start(&data, &SETTINGS);
            let mut client = Client::connect(broker.port);
            assert_holds(&mut client, &expected);
            let refused = client.produce("post", 0, &batch(&["x".repeat(8192)]));
            assert_eq!(refused.error_code, Errors::KafkaStorageError.code());
            broker.end_with(signal);
        }
        fs::remove_file(filler).unwrap();
        let broker = BrokerProcess::start(&data, &SETTINGS);
        let mut client = Client::connect(broker.port);
        expected.extend(produce(&mut client, 1));
        assert_holds(&mut client, &expected);
        assert!(broker.end_with(Signal::SIGTERM).0.success());
    });
}

#[test]
fn a_broker_that_finds_sparse_indexes_on_a_full_disk_comes_up() {
    let name = "full_disk::a_broker_that_finds_sparse_indexes_on_a_full_disk_comes_up";
    on_a_small_disk(name, |disk| {
        let data = disk.join("data");
        let broker = BrokerProcess::start(&data, &SETTINGS);
        let mut client = Client::connect(broker.port);
        client.create_topic("post");
        let expected = produce(&mut client, 10);
        broker.end_with(Signal::SIGKILL);
        for name in ["00000000000000000000.index", "00000000000000000000.timeindex"] {
            let index = File::options().write(true).open(data.join("post-0").join(name)).unwrap();
            index.set_len(0).and_then(|()| index.set_len(10 << 20)).unwrap();
        }
        fill(&disk.join("filler"));
        let broker = BrokerProcess::start(&data, &SETTINGS);
        assert_holds(&mut Client::connect(broker.port), &expected);
    });
}

#[test]
fn a_first_start_on_a_full_disk_says_what_could_not_be_written() {
    let name = "full_disk::a_first_start_on_a_full_disk_says_what_could_not_be_written";
    on_a_small_disk(name, |disk| {
        fill(&disk.join("filler"));
        let mut command = Command::new(support::broker_process::broker_binary());
        command.args(["--override", "listeners=PLAINTEXT://127.0.0.1:0", "--override"]);
        let output = command.arg(format!("log.dirs={}", disk.join("data").display())).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code().is_some_and(|code| code != 0), "{said}");
        assert!(said.contains("meta.properties") && said.contains("No space left"), "{said}");
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
