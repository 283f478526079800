//! Watches the broker's system calls while a consumer fetches. `make strace` shows a person what is
//! asserted here.
//!
//! The broker runs under `strace -ff -yy`, which writes one file per thread, so that no line is
//! torn, and prints what each file descriptor is: a segment file by its path, a connection by its
//! two addresses.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod broker;
mod broker_process;

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;

use broker::{Client, NEWEST_FETCH, TempDir, batch, fetch_request, stored};
use broker_process::BrokerProcess;

/// Calls that bring bytes of a file into the process.
const READS: [&str; 6] = ["read", "readv", "pread64", "preadv", "preadv2", "mmap"];
/// Calls that send bytes of the process.
const WRITES: [&str; 5] = ["write", "writev", "sendto", "sendmsg", "pwrite64"];
/// What the search for an offset may read of a segment at a time: the head of an entry.
const ENTRY_HEADER_BYTES: i64 = 12;

/// One line of a trace: the call, its arguments as text, what it returned.
struct Call {
    name: String,
    arguments: String,
    result: i64,
    line: String,
}

#[test]
fn every_message_byte_of_a_fetch_leaves_by_sendfile_and_none_is_read() {
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("skipped: there is no strace here; `apt-get install strace` brings it");
        return;
    }
    let dir = TempDir::new("strace");
    let (data, traces) = (dir.path().join("data"), dir.path().join("traces"));
    fs::create_dir(&traces).unwrap();
    let output = traces.join("thread").display().to_string();
    let calls = format!("trace=sendfile,{},{}", READS.join(","), WRITES.join(","));
    let strace = ["strace", "-ff", "-yy", "-s", "0", "-e", &calls, "-o", &output];
    let broker = BrokerProcess::start_under(&strace, &data, &[]);

    let batches: Vec<_> = (0..10_u8).map(|value| batch(&[&vec![value; 100_000]])).collect();
    let mut producer = Client::connect(broker.port);
    producer.create_topic("post");
    for batch in &batches {
        assert_eq!(producer.produce("post", 0, batch).error_code, 0);
    }
    let mut consumer = Client::connect(broker.port);
    let consumer_port = consumer.stream.local_addr().unwrap().port();
    // From the middle of the log, so that the offset has to be searched for.
    let fetched = consumer.fetch_with(NEWEST_FETCH, fetch_request("post", 0, 3)).remove(0);
    let expected: Vec<u8> =
        (3..10).flat_map(|offset| stored(&batches[offset], offset as i64)).collect();
    assert_eq!(fetched.records, expected);
    drop(consumer);
    assert!(broker.end_with(Signal::SIGTERM).0.success());

    let trace = read_traces(&traces);
    let is_to_consumer = |call: &&Call| call.arguments.contains(&format!(":{consumer_port}]>"));
    let sendfiles: Vec<_> =
        trace.iter().filter(|it| it.name == "sendfile").filter(is_to_consumer).collect();
    let sent: i64 = sendfiles.iter().map(|call| call.result.max(0)).sum();
    println!("The fetch of {} message bytes, as the kernel saw it:", expected.len());
    for call in trace.iter().filter(is_to_consumer).filter(|it| it.name != "read") {
        println!("  {}", call.line);
    }
    assert_eq!(sent, expected.len() as i64, "message bytes that left by sendfile");
    assert!(sendfiles.iter().all(|call| call.arguments.contains("00000000000000000000.log>")));

    let written = trace.iter().filter(|it| WRITES.contains(&it.name.as_str()));
    let headers: i64 = written.filter(is_to_consumer).map(|call| call.result.max(0)).sum();
    assert!(headers < 200, "{headers} bytes were written to the consumer: more than headers");

    for call in trace.iter().filter(|it| READS.contains(&it.name.as_str())) {
        if call.arguments.contains(".log>") {
            let is_header = call.name == "pread64" && call.result <= ENTRY_HEADER_BYTES;
            assert!(is_header, "message bytes were read: {}", call.line);
        }
    }
}

fn read_traces(dir: &std::path::Path) -> Vec<Call> {
    let files = fs::read_dir(dir).unwrap();
    let texts = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    texts.flat_map(|text| text.lines().filter_map(parse).collect::<Vec<_>>()).collect()
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
