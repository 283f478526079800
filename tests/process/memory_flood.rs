//! A flood of requests in a process that may have little memory: it lives, serves others meanwhile,
//! and gives back what the flood has taken.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;

use nix::sys::signal::Signal;
use support::broker_process::BrokerProcess;
use support::client::Client;
use support::records::{batch, message_set, stored};
use support::temp::TempDir;
use support::wait::wait_until;
use transferto::common::errors::Errors;
use transferto::message::compression_codec::CompressionCodec;

use crate::hostile::in_company;

const ADDRESS_SPACE_KIB: usize = 256 << 10;
const PEERS: usize = 30;
/// The requests of the flood would take 540 MB, and the largest ones more than the process has.
const REQUEST_BYTES: u32 = 18_000_000;
const TOO_LARGE_BYTES: u32 = 100_000_000;
/// How much the process may have more in the end than it had before the flood.
const KEPT_KIB: u64 = 8 << 10;

#[test]
fn a_flood_in_256_mb_ends_with_the_process_alive_and_others_served() {
    let _company = in_company();
    let dir = TempDir::new();
    let limit = format!("ulimit -v {ADDRESS_SPACE_KIB}; exec \"$@\"");
    let settings = ["transferto.memory.progress.timeout.ms=300", "log.index.size.max.bytes=4096"];
    let broker = BrokerProcess::start_under(&["sh", "-c", &limit, "sh"], dir.path(), &settings);
    let mut client = Client::connect(broker.port);
    client.create_topic("others");
    let before_kib = status_kib(broker.pid(), "VmRSS:");

    let mut flood: Vec<_> = (0..PEERS).map(|_| Peer::declaring(&broker, REQUEST_BYTES)).collect();
    for round in 0..20 {
        flood.iter_mut().for_each(Peer::send_what_is_taken);
        let _refused = Peer::declaring(&broker, TOO_LARGE_BYTES);
        let records = batch(&[&vec![7; 10_000]]);
        assert_eq!(client.produce("others", 0, &records).error_code, 0);
        assert_eq!(client.fetch("others", 0, round).records, stored(&records, round));
        Client::connect(broker.port).metadata(1, None);
    }
    wait_until("the flood to take memory", || {
        flood.iter_mut().for_each(Peer::send_what_is_taken);
        status_kib(broker.pid(), "VmHWM:") > before_kib + (16 << 10)
    });
    drop(flood);
    let released = || status_kib(broker.pid(), "VmRSS:") < before_kib + KEPT_KIB;
    wait_until("the memory to be the system's again", released);

    let (status, lines) = broker.end_with(Signal::SIGTERM);
    assert!(status.success(), "{status}: {lines:?}");
    assert!(!lines.iter().any(|line| line.contains("panicked")), "{lines:?}");
}

/// What comes out of these is within the bound of one message, but not of all together.
#[test]
fn bombs_of_old_producers_in_256_mb_are_refused_for_now_or_taken_and_the_process_lives() {
    let _company = in_company();
    let dir = TempDir::new();
    let limit = format!("ulimit -v {ADDRESS_SPACE_KIB}; exec \"$@\"");
    let settings = ["log.index.size.max.bytes=4096", "num.partitions=16"];
    let broker = BrokerProcess::start_under(&["sh", "-c", &limit, "sh"], dir.path(), &settings);
    Client::connect(broker.port).create_topic("old");
    let bomb = message_set(1, CompressionCodec::Gzip, &[(0, vec![0; 15 << 20])]);
    // A log converts one set at a time.
    let produce = |partition| {
        Client::connect(broker.port).produce_with(2, 1, ("old", partition), &bomb).error_code
    };
    let come_again = Errors::RequestTimedOut.code();
    std::thread::scope(|scope| {
        let produce = &produce;
        let producers: Vec<_> = (0..16).map(|it| scope.spawn(move || produce(it))).collect();
        for producer in producers {
            let code = producer.join().unwrap();
            assert!([Errors::None.code(), come_again].contains(&code), "{code}");
        }
    });
    assert_eq!(produce(0), Errors::None.code());
    let (status, lines) = broker.end_with(Signal::SIGTERM);
    assert!(status.success(), "{status}: {lines:?}");
}

/// Sends one endless request, as fast as it is taken.
struct Peer {
    stream: TcpStream,
    left_bytes: usize,
}

impl Peer {
    /// Keeps back the last byte of the request, so that it is never complete.
    fn declaring(broker: &BrokerProcess, bytes: u32) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", broker.port)).unwrap();
        stream.write_all(&bytes.to_be_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self { stream, left_bytes: bytes as usize - 1 }
    }

    /// Until the socket is full, or the broker has closed the connection.
    fn send_what_is_taken(&mut self) {
        let zeros = vec![0; 1 << 20];
        while self.left_bytes > 0 {
            match self.stream.write(&zeros[..self.left_bytes.min(zeros.len())]) {
                Ok(taken) => self.left_bytes -= taken,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.left_bytes = 0,
            }
        }
    }
}

/// A line of `/proc/<pid>/status`.
pub(crate) fn status_kib(pid: i32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
