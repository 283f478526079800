//! The session that is recorded, and what the broker and the client note of it.

use std::time::{SystemTime, UNIX_EPOCH};

use bench::caretaker;
use nix::sys::signal::Signal;
use support::broker_process::BrokerProcess;
use support::client::{Client, NEWEST_FETCH, NEWEST_PRODUCE, fetch_request, produce_request};
use support::records::batch;
use support::temp::TempDir;
use support::trace_line::TraceLine;
use transferto::protocol::fetch::FetchRequest;
use transferto::protocol::request::RequestBody;

use crate::session::TOPIC;

/// The value of each record: small, so that no socket is ever full, and every run takes the same way.
const VALUE: [u8; 1000] = [b'v'; 1000];
/// Batches of one record before the fetch, which begins with the second.
const BATCHES: i64 = 3;
/// The long poll would wait so long if nothing were produced.
const MAX_WAIT_MS: i32 = 10_000;
const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

/// A moment of the client, by the clock of the trace.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Call {
    pub(crate) sent_us: i64,
    pub(crate) answered_us: i64,
}

/// What was seen of the session from both ends.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    pub(crate) lines: Vec<TraceLine>,
    /// By which the Acceptor knows the consumer.
    pub(crate) consumer_port: u16,
    pub(crate) consumer_connects_us: i64,
    /// The last of those before the fetch.
    pub(crate) produce: Call,
    pub(crate) fetch: Call,
    pub(crate) poll: Call,
    pub(crate) produce_that_ends_the_poll: Call,
}

/// Plays the session against a broker of its own.
pub(crate) fn record() -> Recording {
    let dir = TempDir::new();
    let mut broker = Traced::start(&dir);
    let port = broker.process.port;
    Client::connect(port).create_topic(TOPIC);
    broker.read_until("Processor.processDisconnected");

    let mut producer = Client::connect(port);
    let mut produced = Call::default();
    for _ in 0..BATCHES {
        produced = produce(&mut producer);
        broker.read_until(END_OF_REQUEST);
    }

    let consumer_connects_us = now_us();
    let mut consumer = Client::connect(port);
    let consumer_port = consumer.stream.local_addr().map_or(0, |it| it.port());
    broker.read_until("Processor.configureNewConnections");
    let fetched = fetch(&mut consumer, fetch_request(TOPIC, 0, 1), || ());
    broker.read_until(END_OF_REQUEST);

    let mut ends_the_poll = Call::default();
    let patient = FetchRequest { max_wait_ms: MAX_WAIT_MS, ..fetch_request(TOPIC, 0, BATCHES) };
    let poll = fetch(&mut consumer, patient, || {
        broker.read_until("it is left there");
        ends_the_poll = produce(&mut producer);
    });
    broker.read_until(END_OF_REQUEST);
    broker.read_until(END_OF_REQUEST);
    Recording {
        lines: broker.end(),
        consumer_port,
        consumer_connects_us,
        produce: produced,
        fetch: fetched,
        poll,
        produce_that_ends_the_poll: ends_the_poll,
    }
}

/// Every request has it once, as its last line.
const END_OF_REQUEST: &str = "KafkaChannel.unmute";

struct Traced {
    process: BrokerProcess,
    text: Vec<String>,
}

impl Traced {
    fn start(dir: &TempDir) -> Self {
        caretaker::directory_is_there(dir.path());
        let process = BrokerProcess::start_under(&["env", "RUST_LOG=trace"], dir.path(), &[]);
        caretaker::server_runs(process.pid().unsigned_abs());
        Self { process, text: Vec::new() }
    }

    /// Often enough that the broker never waits for room in the pipe.
    fn read_until(&mut self, sign: &str) {
        self.text.extend(self.process.lines_until(sign));
    }

    fn end(self) -> Vec<TraceLine> {
        let pid = self.process.pid().unsigned_abs();
        let (_, last) = self.process.end_with(Signal::SIGTERM);
        caretaker::server_has_ended(pid);
        let text = self.text.iter().chain(&last);
        text.filter_map(|line| TraceLine::parse(line.trim_end())).collect()
    }
}

fn produce(producer: &mut Client) -> Call {
    let records = batch(&[&VALUE]);
    let request = RequestBody::Produce(produce_request(1, TOPIC, 0, records.len()));
    let sent_us = now_us();
    let header = producer.send(NEWEST_PRODUCE, &request, &records);
    producer.receive(&header);
    Call { sent_us, answered_us: now_us() }
}

fn fetch(consumer: &mut Client, request: FetchRequest, meanwhile: impl FnOnce()) -> Call {
    let request = RequestBody::Fetch(request);
    let sent_us = now_us();
    let header = consumer.send(NEWEST_FETCH, &request, &[]);
    meanwhile();
    consumer.receive_fetch(&header);
    Call { sent_us, answered_us: now_us() }
}

/// Since midnight, as the trace has it.
fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(0) % DAY_US
}
