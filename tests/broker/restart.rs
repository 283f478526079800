//! What survives: a stop, a kill, a torn tail, lost indexes. The broker runs as a process of its
//! own.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use nix::sys::signal::Signal;
use support::broker::Broker;
use support::broker_process::BrokerProcess;
use support::client::Client;
use support::records::{batch, stored};
use support::temp::TempDir;
use transferto::common::end_point::EndPoint;
use transferto::common::time::{SystemTime, Time};
use transferto::common::units::TimestampMs;
use transferto::message::byte_buffer_message_set::shallow_entries;
use transferto::network::listening_socket::{InheritedOptions, ListeningSocket};

/// Produces `count` batches from offset `first` on and returns them as the log keeps them.
fn produce(port: u16, first: i64, count: i64) -> Vec<u8> {
    let mut client = Client::connect(port);
    client.create_topic("post");
    let mut all = Vec::new();
    for offset in first..first + count {
        let records = batch(&[format!("value {offset}").as_bytes()]);
        let response = client.produce("post", 0, &records);
        assert_eq!((response.error_code, response.base_offset), (0, offset));
        all.extend(stored(&records, offset));
    }
    all
}

/// All that the partition holds. A fetch brings the bytes of one segment, so it takes as many as
/// there are.
fn fetch_all(port: u16) -> Vec<u8> {
    let mut client = Client::connect(port);
    let (mut all, mut next_offset) = (Vec::new(), 0);
    loop {
        let fetched = client.fetch("post", 0, next_offset).records;
        let Some(last) = shallow_entries(&fetched).last() else { return all };
        next_offset = last.unwrap().last_offset + 1;
        all.extend(fetched);
    }
}

#[test]
fn after_a_stop_all_data_is_there_and_nothing_is_recovered() {
    let dir = TempDir::new();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let broker = BrokerProcess::start(dir.path(), &[]);
        let end = Client::connect(broker.port).list_offset(1, "post", -1);
        produce(broker.port, end.offset.max(0), 10);
        let (status, last_lines) = broker.end_with(signal);
        assert!(status.success(), "{last_lines:?}");
        assert!(dir.path().join(".kafka_cleanshutdown").exists());
    }
    let broker = BrokerProcess::start(dir.path(), &[]);
    assert!(!broker.first_lines.concat().contains("ecover"), "{:?}", broker.first_lines);
    assert!(!dir.path().join(".kafka_cleanshutdown").exists(), "it must not outlive the start");
    let expected: Vec<u8> = (0..20)
        .flat_map(|offset| stored(&batch(&[format!("value {offset}").as_bytes()]), offset))
        .collect();
    assert_eq!(fetch_all(broker.port), expected);
}

/// A start that a file refuses closes the logs that it had opened: whoever then mends the file must
/// not wait for a recovery.
#[test]
fn after_a_start_that_a_file_refused_nothing_is_recovered() {
    let dir = TempDir::new();
    let settings = [
        "authorizer.class.name=kafka.security.auth.SimpleAclAuthorizer",
        "allow.everyone.if.no.acl.found=true",
    ];
    let broker = BrokerProcess::start(dir.path(), &settings);
    let expected = produce(broker.port, 0, 10);
    broker.end_with(Signal::SIGTERM);
    let log_dirs = format!("log.dirs={}", dir.path().display());
    for name in [
        "acls",
        "client_quotas",
        "scram_credentials",
        "scram_decoys",
        "broker_configs",
        "replication-offset-checkpoint",
        "latest_producer_id_block",
    ] {
        let file = dir.path().join(name);
        let good = fs::read(&file).ok();
        fs::write(&file, b"hello world\n").unwrap();
        let said = complaint(&run(&[&[&*log_dirs, LISTEN_ANYWHERE][..], &settings].concat()));
        assert!(said.contains(&file.display().to_string()), "{said}");
        match good {
            Some(good) => fs::write(&file, good).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let broker = BrokerProcess::start(dir.path(), &settings);
        let lines = broker.first_lines.concat();
        assert!(!lines.contains("ecover") && !lines.contains("rebuilding"), "{name}: {lines}");
        assert_eq!(fetch_all(broker.port), expected);
        broker.end_with(Signal::SIGTERM);
    }
}

/// A clock that takes a port from the broker as soon as the mark of the last stop is used up, that
/// is to say, while the logs are opened.
struct PortThief {
    clock: SystemTime,
    mark: PathBuf,
    bound: Mutex<Option<ListeningSocket>>,
    listening: Mutex<Option<TcpListener>>,
}

impl PortThief {
    fn look(&self) {
        if self.mark.exists() {
            return;
        }
        if let Some(bound) = self.bound.lock().unwrap().take() {
            *self.listening.lock().unwrap() = Some(bound.listen(1).unwrap());
        }
    }
}

impl Time for PortThief {
    fn milliseconds(&self) -> TimestampMs {
        self.look();
        self.clock.milliseconds()
    }

    fn nanoseconds(&self) -> i64 {
        self.look();
        self.clock.nanoseconds()
    }
}

/// The last thing that a start does, when everything else runs.
#[test]
fn after_a_start_that_could_not_open_its_port_nothing_is_recovered() {
    let dir = TempDir::new();
    let broker = BrokerProcess::start(dir.path(), &[]);
    let expected = produce(broker.port, 0, 10);
    broker.end_with(Signal::SIGTERM);
    let mark = dir.path().join(".kafka_cleanshutdown");
    assert!(mark.exists());

    let anywhere = EndPoint::parse("PLAINTEXT://127.0.0.1:0").unwrap();
    let bound = ListeningSocket::bind(&anywhere, &InheritedOptions::default()).unwrap();
    let listeners = format!("PLAINTEXT://127.0.0.1:{}", bound.end_point().port);
    let thief = Arc::new(PortThief {
        clock: SystemTime::new(),
        mark: mark.clone(),
        bound: Mutex::new(Some(bound)),
        listening: Mutex::default(),
    });
    let settings = [("listeners", listeners.as_str())];
    let why = Broker::start_error(&dir, &settings, |it| it.time(thief.clone()));
    assert!(why.contains(&format!("cannot listen on {listeners}")), "{why}");
    assert!(thief.listening.lock().unwrap().is_some() && mark.exists());

    let broker = BrokerProcess::start(dir.path(), &[]);
    let lines = broker.first_lines.concat();
    assert!(!lines.contains("ecover") && !lines.contains("rebuilding"), "{lines}");
    assert_eq!(fetch_all(broker.port), expected);
}

#[test]
fn after_a_kill_every_acknowledged_record_is_there() {
    let dir = TempDir::new();
    let broker = BrokerProcess::start(dir.path(), &[]);
    let mut expected = produce(broker.port, 0, 50);
    broker.end_with(Signal::SIGKILL);
    let broker = BrokerProcess::start(dir.path(), &[]);
    assert_eq!(fetch_all(broker.port), expected);
    expected.extend(produce(broker.port, 50, 5));
    assert_eq!(fetch_all(broker.port), expected);
}

#[test]
fn a_torn_or_junk_tail_is_cut_and_a_line_says_what_was_cut() {
    for junk in
        [&[0_u8; 200][..], b"junk that is no batch at all, and longer than a header of one........"]
    {
        let dir = TempDir::new();
        let broker = BrokerProcess::start(dir.path(), &[]);
        let mut expected = produce(broker.port, 0, 20);
        broker.end_with(Signal::SIGKILL);
        let segment = dir.path().join("post-0/00000000000000000000.log");
        let mut file = fs::OpenOptions::new().append(true).open(&segment).unwrap();
        file.write_all(junk).unwrap();
        let broker = BrokerProcess::start(dir.path(), &[]);
        let said = broker.first_lines.concat();
        assert!(said.contains(&format!("{} bytes", junk.len())), "{said}");
        assert!(said.contains("post-0"), "{said}");
        assert_eq!(fetch_all(broker.port), expected);
        expected.extend(produce(broker.port, 20, 1));
        assert_eq!(fetch_all(broker.port), expected);
    }
}

#[test]
fn a_segment_that_is_gone_is_reported_with_its_offsets_and_the_others_are_served() {
    let dir = TempDir::new();
    let settings = ["log.segment.bytes=1000"];
    let broker = BrokerProcess::start(dir.path(), &settings);
    produce(broker.port, 0, 50);
    broker.end_with(Signal::SIGKILL);
    let names = fs::read_dir(dir.path().join("post-0")).unwrap().map(|it| it.unwrap().path());
    let mut segments: Vec<_> =
        names.filter(|path| path.extension().is_some_and(|it| it == "log")).collect();
    segments.sort();
    let first_offset = |segment: usize| -> i64 {
        segments[segment].file_stem().unwrap().to_str().unwrap().parse().unwrap()
    };
    let (from, to) = (first_offset(1), first_offset(2));
    fs::remove_file(&segments[1]).unwrap();
    let expected: Vec<u8> = (0..from)
        .chain(to..50)
        .flat_map(|offset| stored(&batch(&[format!("value {offset}").as_bytes()]), offset))
        .collect();
    for _ in 0..2 {
        let broker = BrokerProcess::start(dir.path(), &settings);
        let said = broker.first_lines.concat();
        let missing = format!("post-0: the records of offsets {from} to {} are missing", to - 1);
        assert!(said.contains(&missing), "{said}");
        assert!(fetch_all(broker.port) == expected);
        broker.end_with(Signal::SIGTERM);
    }
}

#[test]
fn lost_or_broken_indexes_and_checkpoints_are_made_anew() {
    let dir = TempDir::new();
    let broker = BrokerProcess::start(dir.path(), &["log.index.interval.bytes=100"]);
    let expected = produce(broker.port, 0, 50);
    broker.end_with(Signal::SIGTERM);
    let log = dir.path().join("post-0");
    fs::remove_file(log.join("00000000000000000000.index")).unwrap();
    fs::write(log.join("00000000000000000000.timeindex"), b"no index").unwrap();
    for checkpoint in ["recovery-point-offset-checkpoint", "replication-offset-checkpoint"] {
        fs::remove_file(dir.path().join(checkpoint)).unwrap();
    }
    let broker = BrokerProcess::start(dir.path(), &["log.index.interval.bytes=100"]);
    assert_eq!(fetch_all(broker.port), expected);
    let from_the_middle = Client::connect(broker.port).fetch("post", 0, 31).records;
    assert!(expected.ends_with(&from_the_middle));
    assert_eq!(from_the_middle[..8], 31_i64.to_be_bytes());
}

#[test]
fn a_second_broker_on_the_same_directory_is_refused_in_one_sentence() {
    let dir = TempDir::new();
    let _broker = BrokerProcess::start(dir.path(), &[]);
    let output = run(&[&format!("log.dirs={}", dir.path().display()), LISTEN_ANYWHERE]);
    let said = complaint(&output);
    for part in ["lock", &dir.path().display().to_string(), "stop", "--override log.dirs="] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_taken_port_is_reported_in_one_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let dir = TempDir::new();
    let log_dirs = format!("log.dirs={}", dir.path().display());
    let said = complaint(&run(&[&log_dirs, &format!("listeners=PLAINTEXT://{address}")]));
    let added = "add `--override listeners=PLAINTEXT://127.0.0.1:";
    for part in [&*address.to_string(), added, "with make to `ARGS="] {
        assert!(said.contains(part), "{said}");
    }
}

/// Whether it is text or not: what is wrong, where, and what to do.
#[test]
fn a_corrupt_file_in_the_log_directory_is_reported_with_a_remedy() {
    for (name, remedy) in [
        ("meta.properties", "`broker.id=`"),
        ("topics", "adopted from their directories"),
        ("log-start-offset-checkpoint", "deleted records"),
        ("replication-offset-checkpoint", "nothing is lost"),
        ("latest_producer_id_block", "restart the idempotent producers"),
        ("client_quotas", "all quotas"),
        ("scram_credentials", "no user of SCRAM"),
        ("scram_decoys", "a new one is made"),
        ("broker_configs", "all settings of the broker"),
    ] {
        let dir = TempDir::new();
        let file = dir.path().join(name);
        for (junk, position) in [(&b"hello world\n"[..], 0), (b"0\n\xff\n", 2)] {
            fs::write(&file, junk).unwrap();
            let log_dirs = format!("log.dirs={}", dir.path().display());
            let said = complaint(&run(&[&log_dirs, LISTEN_ANYWHERE]));
            let place = format!("{} is corrupt at position {position}: ", file.display());
            assert!(said.contains(&place), "{said}");
            assert!(said.contains(remedy) && said.contains("move"), "{said}");
            assert_eq!(fs::read(&file).unwrap(), junk, "the file stays as it was");
        }
    }
}

/// What a newer broker, or a hand, has written.
#[test]
fn stored_settings_that_cannot_hold_stop_the_start_with_a_remedy() {
    let dir = TempDir::new();
    let file = dir.path().join("broker_configs");
    let log_dirs = format!("log.dirs={}", dir.path().display());
    for (line, why) in [
        ("broker num.io.threads=none", "`num.io.threads=none`: must be a whole number"),
        ("default queued.max.requests=9", "`queued.max.requests` cannot be altered"),
        ("broker num.oi.threads=9", "did you mean `num.io.threads`?"),
    ] {
        fs::write(&file, format!("0\n1\n{line}\n")).unwrap();
        let said = complaint(&run(&[&log_dirs, LISTEN_ANYWHERE]));
        assert!(said.contains(&file.display().to_string()) && said.contains(why), "{said}");
        assert!(said.contains("mend it, or put back a copy"), "{said}");
    }
}

#[test]
fn a_log_directory_that_cannot_be_made_is_reported_in_one_sentence() {
    let dir = TempDir::new();
    let file = dir.path().join("a-file");
    fs::write(&file, b"").unwrap();
    let below = file.join("data");
    let said = complaint(&run(&[&format!("log.dirs={}", below.display()), LISTEN_ANYWHERE]));
    assert!(said.contains(&below.display().to_string()), "{said}");
}

#[test]
fn a_wrong_setting_stops_the_start_with_its_name_its_value_and_what_is_allowed() {
    let said = complaint(&run(&["num.io.threads=none"]));
    for part in ["num.io.threads", "none", "whole number"] {
        assert!(said.contains(part), "{said}");
    }
    let said = complaint(&run(&["num.oi.threads=3"]));
    assert!(said.contains("num.oi.threads") && said.contains("num.io.threads"), "{said}");
}

#[test]
fn help_and_version_do_not_start_a_broker() {
    for (argument, part) in [("--help", "Usage: transferto"), ("--version", "transferto 0.1.0")] {
        let output = Command::new(binary()).arg(argument).output().unwrap();
        assert!(output.status.success());
        assert!(String::from_utf8(output.stdout).unwrap().contains(part));
    }
}

const LISTEN_ANYWHERE: &str = "listeners=PLAINTEXT://127.0.0.1:0";

fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_transferto"))
}

/// Runs a broker that is expected not to start.
fn run(settings: &[&str]) -> Output {
    let overrides = settings.iter().flat_map(|setting| ["--override", setting]);
    Command::new(binary()).args(overrides).output().unwrap()
}

/// The line on the standard error, beside the log, that says why the broker did not start.
fn complaint(output: &Output) -> String {
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    let complaints: Vec<_> = said.lines().filter(|line| line.starts_with("transferto: ")).collect();
    assert_eq!(complaints.len(), 1, "{said}");
    complaints[0].to_string()
}
