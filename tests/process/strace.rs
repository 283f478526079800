//! Watches the broker's system calls while a consumer fetches. `make strace` shows a person what is
//! asserted here.
//!
//! The broker runs under `strace -ff -yy`, which writes one file per thread, so that no line is
//! torn, and prints what each file descriptor is: a segment file by its path, a connection by its
//! two addresses.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;
use support::broker_process::BrokerProcess;
use support::client::{Client, NEWEST_FETCH, fetch_request};
use support::records::{batch, message_set, stored};
use support::temp::TempDir;
use transferto::message::compression_codec::CompressionCodec;

use crate::hostile::in_company;

/// Calls that bring bytes of a file into the process.
const READS: [&str; 6] = ["read", "readv", "pread64", "preadv", "preadv2", "mmap"];
/// Calls that send bytes of the process.
const WRITES: [&str; 5] = ["write", "writev", "sendto", "sendmsg", "pwrite64"];
/// What the search for an offset may read of a segment at a time: the head of an entry.
const ENTRY_HEADER_BYTES: i64 = 12;
/// The versions of Fetch, and of Produce, that Kafka 0.9 speaks.
const POSTS_VERSIONS: [i16; 2] = [0, 1];

/// One line of a trace: the call, its arguments as text, what it returned.
struct Call {
    name: String,
    arguments: String,
    result: i64,
    line: String,
}

#[test]
fn every_message_byte_of_a_fetch_leaves_by_sendfile_and_none_is_read() {
    let _company = in_company();
    let Some(watched) = Watched::start() else { return };
    let batches: Vec<_> = (0..10_u8).map(|value| batch(&[&vec![value; 100_000]])).collect();
    let mut producer = watched.connect();
    producer.create_topic("post");
    for batch in &batches {
        assert_eq!(producer.produce("post", 0, batch).error_code, 0);
    }
    let mut consumer = watched.connect();
    // From the middle of the log, so that the offset has to be searched for.
    let fetched = consumer.fetch_with(NEWEST_FETCH, fetch_request("post", 0, 3)).remove(0);
    let expected: Vec<u8> =
        (3..10).flat_map(|offset| stored(&batches[offset], offset as i64)).collect();
    assert_eq!(fetched.records, expected);
    let what = format!("The fetch of {} message bytes", expected.len());
    watched.end(consumer).assert_sent_by_sendfile(&what, expected.len());
}

/// The post's own case: a producer and a consumer of 2016, on a topic that holds what they speak.
#[test]
fn a_topic_of_the_posts_format_leaves_by_sendfile_for_the_posts_clients() {
    let _company = in_company();
    for version in POSTS_VERSIONS {
        let Some(watched) = Watched::start() else { return };
        let sets: Vec<_> = (0..10_u8)
            .map(|value| message_set(0, CompressionCodec::None, &[(0, vec![value; 100_000])]))
            .collect();
        let mut producer = watched.connect();
        producer.create_topic_with("post", &[("message.format.version", "0.9.0")]);
        for set in &sets {
            assert_eq!(producer.produce_with(version, 1, ("post", 0), set).error_code, 0);
        }
        let mut consumer = watched.connect();
        let fetched = consumer.fetch_with(version, fetch_request("post", 0, 3)).remove(0);
        let expected: Vec<u8> =
            (3..10).flat_map(|offset| with_offset(&sets[offset], offset as i64)).collect();
        assert_eq!(fetched.records, expected, "as they were produced, but for their offsets");
        let what = format!("Fetch version {version} of {} message bytes", expected.len());
        watched.end(consumer).assert_sent_by_sendfile(&what, expected.len());
    }
}

/// The way that the first section of the post counts, by the broker's own setting.
#[test]
fn in_copy_mode_every_message_byte_is_read_and_written_and_none_leaves_by_sendfile() {
    let _company = in_company();
    let copy = ["transferto.transfer.mode=copy"];
    let Some(watched) = Watched::start_with(&copy, &[]) else { return };
    let batches: Vec<_> = (0..10_u8).map(|value| batch(&[&vec![value; 100_000]])).collect();
    let mut producer = watched.connect();
    producer.create_topic("post");
    for batch in &batches {
        assert_eq!(producer.produce("post", 0, batch).error_code, 0);
    }
    let mut consumer = watched.connect();
    let fetched = consumer.fetch_with(NEWEST_FETCH, fetch_request("post", 0, 3)).remove(0);
    let expected: Vec<u8> =
        (3..10).flat_map(|offset| stored(&batches[offset], offset as i64)).collect();
    assert_eq!(fetched.records, expected);
    watched.end(consumer).assert_sent_by_read_and_write(expected.len());
}

/// A notification on a `Condvar` is a system call even if nobody waits; so is a write to an eventfd.
#[test]
fn a_fetch_wakes_one_handler_and_one_processor_and_nobody_else() {
    const FETCHES: usize = 200;
    let _company = in_company();
    let Some(watched) = Watched::start_tracing(&["futex"]) else { return };
    let mut producer = watched.connect();
    producer.create_topic("post");
    assert_eq!(producer.produce("post", 0, &batch(&[b"hello"])).error_code, 0);
    let mut consumer = watched.connect();
    for _ in 0..FETCHES {
        let fetched = consumer.fetch_with(NEWEST_FETCH, fetch_request("post", 0, 0)).remove(0);
        assert!(!fetched.records.is_empty());
    }
    let trace = watched.end(consumer);
    let count = |name: &str, what: &str| {
        let is_it = |it: &&Call| it.name == name && it.arguments.contains(what);
        trace.calls.iter().filter(is_it).count()
    };
    let (handlers, processors) = (count("futex", "FUTEX_WAKE"), count("write", "eventfd"));
    println!(
        "\nWhat {FETCHES} small fetches, one after the other, cost in wake-ups of sleeping threads: \
         {handlers} of request handlers, {processors} of Processors"
    );
    // Some are for other requests and other threads, and two threads may meet at a lock.
    let expected = FETCHES / 2..=FETCHES * 7 / 4;
    assert!(expected.contains(&handlers), "{handlers} wake-ups of handlers");
    assert!(processors <= FETCHES * 3 / 2, "{processors} wake-ups of Processors");
}

#[test]
fn a_listener_gets_the_queue_of_connections_that_its_setting_says() {
    if !has_strace() {
        return;
    }
    let dir = TempDir::new();
    let output = dir.join("trace").display().to_string();
    let strace = ["strace", "-f", "-e", "trace=listen", "-o", &output];
    let settings = ["socket.listen.backlog.size=7"];
    let broker = BrokerProcess::start_under(&strace, &dir.join("data"), &settings);
    broker.end_with(Signal::SIGTERM);
    let trace = fs::read_to_string(output).unwrap();
    let calls: Vec<_> = trace.lines().filter(|line| line.contains("listen(")).collect();
    assert!(calls.len() == 1 && calls[0].contains(", 7)"), "{calls:?}");
}

fn has_strace() -> bool {
    let is_there = Command::new("strace").arg("-V").output().is_ok();
    if !is_there {
        eprintln!("skipped: there is no strace here; `apt-get install strace` brings it");
    }
    is_there
}

fn with_offset(message: &[u8], offset: i64) -> Vec<u8> {
    [&offset.to_be_bytes(), &message[8..]].concat()
}

/// A broker under strace.
struct Watched {
    broker: BrokerProcess,
    dir: TempDir,
}

/// What the threads of a broker called, and where one of its consumers was.
struct Trace {
    calls: Vec<Call>,
    consumer_port: u16,
}

impl Watched {
    /// A broker on an empty directory; none where there is no strace.
    fn start() -> Option<Self> {
        Self::start_with(&[], &[])
    }

    /// The same, under a strace that also shows the calls with these names.
    fn start_tracing(more_calls: &[&str]) -> Option<Self> {
        Self::start_with(&[], more_calls)
    }

    fn start_with(settings: &[&str], more_calls: &[&str]) -> Option<Self> {
        if !has_strace() {
            return None;
        }
        let dir = TempDir::new();
        fs::create_dir(dir.path().join("traces")).unwrap();
        let output = dir.path().join("traces/thread").display().to_string();
        let calls = [&["sendfile"][..], &READS, &WRITES, more_calls].concat().join(",");
        let calls = format!("trace={calls}");
        let strace = ["strace", "-ff", "-yy", "-s", "0", "-e", &calls, "-o", &output];
        let broker = BrokerProcess::start_under(&strace, &dir.path().join("data"), settings);
        Some(Self { broker, dir })
    }

    fn connect(&self) -> Client {
        Client::connect(self.broker.port)
    }

    /// Lets the consumer go, stops the broker, and returns what strace saw.
    fn end(self, consumer: Client) -> Trace {
        let consumer_port = consumer.stream.local_addr().unwrap().port();
        drop(consumer);
        assert!(self.broker.end_with(Signal::SIGTERM).0.success());
        let files = fs::read_dir(self.dir.path().join("traces")).unwrap();
        let texts = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
        let calls = texts.flat_map(|text| text.lines().filter_map(parse).collect::<Vec<_>>());
        Trace { calls: calls.collect(), consumer_port }
    }
}

impl Trace {
    /// Holds the trace of a fetch of `size` message bytes to the claim of the house, and shows it.
    fn assert_sent_by_sendfile(&self, what: &str, size: usize) {
        let shown = self.to_consumer().filter(|it| it.name != "read");
        let lines: Vec<_> = shown.map(|call| format!("\n  {}", call.line)).collect();
        // At once, since another test may be showing its own, and on a line without the dots of
        // `cargo test --quiet`.
        println!("\n{what}, as the kernel saw it:{}", lines.concat());
        let sendfiles: Vec<_> = self.to_consumer().filter(|it| it.name == "sendfile").collect();
        let sent: i64 = sendfiles.iter().map(|call| call.result.max(0)).sum();
        assert_eq!(sent, size as i64, "message bytes that left by sendfile");
        assert!(sendfiles.iter().all(|call| call.arguments.contains("00000000000000000000.log>")));

        let written = self.to_consumer().filter(|it| WRITES.contains(&it.name.as_str()));
        let headers: i64 = written.map(|call| call.result.max(0)).sum();
        assert!(headers < 200, "{headers} bytes were written to the consumer: more than headers");

        let reads = self.calls.iter().filter(|it| READS.contains(&it.name.as_str()));
        for call in reads.filter(|it| it.arguments.contains(".log>")) {
            let is_header = call.name == "pread64" && call.result <= ENTRY_HEADER_BYTES;
            assert!(is_header, "message bytes were read: {}", call.line);
        }
    }

    /// Holds the trace of such a fetch in copy mode to what the post says of read and write.
    fn assert_sent_by_read_and_write(&self, size: usize) {
        assert!(self.calls.iter().all(|it| it.name != "sendfile"), "there is a sendfile");
        let of_messages = |it: &&Call| {
            let is_read = it.name == "pread64" && it.arguments.contains(".log>");
            is_read && it.result > ENTRY_HEADER_BYTES
        };
        let reads: Vec<_> = self.calls.iter().filter(of_messages).collect();
        let read: i64 = reads.iter().map(|it| it.result).sum();
        assert!(read >= size as i64, "{read} message bytes were read of {size}");
        assert!(reads.iter().all(|it| it.result <= 65_536), "through a buffer of 64 KiB");

        let written = self.to_consumer().filter(|it| WRITES.contains(&it.name.as_str()));
        let written: i64 = written.map(|it| it.result.max(0)).sum();
        let headers = written - size as i64;
        assert!((0..200).contains(&headers), "{headers} bytes of headers beside {size}");
        let address = format!(":{}]>", self.consumer_port);
        let is_shown =
            |it: &&Call| of_messages(it) || it.name != "read" && it.arguments.contains(&address);
        let lines: Vec<_> =
            self.calls.iter().filter(is_shown).map(|it| format!("\n  {}", it.line)).collect();
        println!("\nThe fetch of {size} message bytes in copy mode:{}", lines.concat());
    }

    fn to_consumer(&self) -> impl Iterator<Item = &Call> {
        let address = format!(":{}]>", self.consumer_port);
        self.calls.iter().filter(move |call| call.arguments.contains(&address))
    }
}

/// `sendfile(29<TCP:[..]>, 27<..log>, [300357] => [700833], 700833) = 400476`
fn parse(line: &str) -> Option<Call> {
    let (name, rest) = line.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(") = ")?;
    let digits: String = result.chars().take_while(|c| c.is_ascii_digit() || *c == '-').collect();
    Some(Call {
        name: name.to_string(),
        arguments: arguments.to_string(),
        // mmap returns an address: what counts is that the call is there.
        result: digits.parse().unwrap_or(i64::MAX),
        line: line.to_string(),
    })
}
