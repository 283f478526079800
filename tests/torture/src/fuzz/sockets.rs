//! Damaged requests against a broker over real sockets, with a client beside them that must be
//! served throughout.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use support::temp::TempDir;
use transferto::protocol::request::{RequestBody, parse, parse_response};
use transferto::protocol::wire::allowance::Allowance;

use crate::broker::{Broker, Setup};
use crate::client::{Client, PRODUCE_VERSION};
use crate::outcome::{Outcome, failed};
use crate::plan::Plan;
use crate::records::{batch, numbered};
use crate::report::Report;
use crate::vitals::Vitals;

const THREADS: usize = 4;
/// A request that waits for others, as JoinGroup does, is left alone after so long.
const PATIENCE: Duration = Duration::from_millis(40);
const CONTROL_TOPIC: &str = "control";
/// Partitions that one request may ask for; more is honest work, but a slow torture.
const PARTITIONS_MAX: i32 = 4;
/// What the broker may keep after all that: groups, producers, topics and their segments.
const MEMORY_KIB_MAX: u64 = 256 * 1024;
const SETTINGS: [&str; 7] = [
    "transferto.compressed.records.validation.enable=true",
    "offsets.topic.num.partitions=1",
    "group.initial.rebalance.delay.ms=0",
    "group.min.session.timeout.ms=1",
    "log.segment.bytes=1000000",
    "log.index.size.max.bytes=65536",
    "log.cleaner.backoff.ms=100",
];

/// What became of the requests.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    sent: u64,
    answered: u64,
    closed: u64,
    silent: u64,
    left_out: u64,
}

/// A broker that takes whatever comes.
pub(crate) struct Target {
    broker: Broker,
    setup: Setup,
    control: Client,
    control_next: u64,
    counts: Counts,
    /// Removed when the torture is over.
    _dir: TempDir,
}

impl Target {
    pub(crate) fn start(plan: &Plan) -> Outcome<Self> {
        let dir = TempDir::new();
        let setup = Setup::new(plan, dir.path(), &SETTINGS);
        let broker = setup.start()?;
        let mut control = Client::connect(broker.port)?;
        // Its records are of long ago, and a long run outlives the first look at retention.
        control.ensure_topic(CONTROL_TOPIC, &[("retention.ms", "-1")])?;
        control.ensure_topic("fuzz-0", &[])?;
        control.ensure_topic("fuzz-1", &[("message.format.version", "0.10.2")])?;
        Ok(Self { broker, setup, control, control_next: 0, counts: Counts::default(), _dir: dir })
    }

    pub(crate) fn vitals(&self) -> Outcome<Vitals> {
        self.broker.vitals()
    }

    /// Sends the frames over several connections, then asks what the client beside them is told.
    /// Returns how many requests were answered.
    pub(crate) fn send(&mut self, frames: &[Vec<u8>], report: &mut Report) -> Outcome<u64> {
        let port = self.broker.port;
        let share = frames.len().div_ceil(THREADS).max(1);
        let results: Vec<Result<Counts, String>> = thread::scope(|scope| {
            let threads: Vec<_> =
                frames.chunks(share).map(|it| scope.spawn(move || send_share(port, it))).collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        let mut answered = 0;
        for result in results {
            match result {
                Ok(counts) => {
                    answered += counts.answered;
                    self.counts = self.counts.and(counts);
                }
                Err(why) => report.fail(why),
            }
        }
        report.demand_no_panic(&self.setup);
        self.ask_as_control()?;
        Ok(answered)
    }

    /// Produces, and reads it back.
    fn ask_as_control(&mut self) -> Outcome<()> {
        let records = numbered(batch(Default::default()), self.control_next, 1)?;
        let produced = self.control.produce(PRODUCE_VERSION, 1, CONTROL_TOPIC, &records)?;
        if produced.error_code != 0 {
            return failed(format!("the control client gets error {}", produced.error_code));
        }
        let found = self.control.read_all(CONTROL_TOPIC, produced.base_offset)?;
        if found.first().map(|it| it.number) != Some(self.control_next) {
            return failed("the control client does not read what it has written");
        }
        self.control_next += 1;
        Ok(())
    }

    pub(crate) fn summary(&self) -> String {
        let Counts { sent, answered, closed, silent, left_out } = self.counts;
        format!(
            "to the broker {sent} requests: {answered} answered, {closed} connections closed, \
             {silent} left without an answer; {left_out} not sent"
        )
    }

    /// The broker stops cleanly, starts again, and serves what it took.
    pub(crate) fn finish(mut self, report: &mut Report) -> Outcome<()> {
        let vitals = self.broker.vitals()?;
        let kib = vitals.memory_kib;
        report.demand(kib <= MEMORY_KIB_MAX, || format!("the broker has {kib} KiB"));
        let status = self.broker.stop()?;
        report.demand(status.success(), || format!("the stop ended with {status}"));
        let mut broker = self.setup.start()?;
        let mut client = Client::connect(broker.port)?;
        for topic in [CONTROL_TOPIC, "fuzz-0", "fuzz-1"] {
            client.ensure_topic(topic, &[])?;
            // Its first records may have been deleted.
            if client.fetch(topic, 0)?.0 == 0 {
                client.read_all(topic, 0)?;
            }
        }
        let found = client.read_all(CONTROL_TOPIC, 0)?.len() as u64;
        report.demand(found >= self.control_next, || format!("the control topic has {found}"));
        broker.stop()?;
        report.demand_no_panic(&self.setup);
        Ok(())
    }
}

impl Counts {
    fn and(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            answered: self.answered + other.answered,
            closed: self.closed + other.closed,
            silent: self.silent + other.silent,
            left_out: self.left_out + other.left_out,
        }
    }
}

fn send_share(port: u16, frames: &[Vec<u8>]) -> Result<Counts, String> {
    let mut counts = Counts::default();
    let mut connection = None;
    for frame in frames {
        if !is_fit_to_send(frame) {
            counts.left_out += 1;
            continue;
        }
        let stream = match connection.take() {
            Some(stream) => stream,
            None => connect(port).map_err(|it| format!("no new connection: {it}"))?,
        };
        counts.sent += 1;
        match ask(stream, frame) {
            Ok(Answer::Frame(stream, answer)) => {
                check_answer(frame, &answer)?;
                counts.answered += 1;
                connection = Some(stream);
            }
            Ok(Answer::Closed) | Err(_) => counts.closed += 1,
            Ok(Answer::Silence) => counts.silent += 1,
        }
    }
    Ok(counts)
}

/// What a damaged number may ask for in good faith and would take the broker minutes is left out,
/// and so is what would change the broker for the others.
fn is_fit_to_send(frame: &[u8]) -> bool {
    const BROKER: i8 = 4;
    match parse(frame, Allowance::full()) {
        Ok((_, RequestBody::CreateTopics(it))) => it.topics.iter().all(|topic| {
            topic.num_partitions <= PARTITIONS_MAX
                && topic.assignments.iter().all(|it| it.partition_index <= PARTITIONS_MAX)
        }),
        Ok((_, RequestBody::CreatePartitions(it))) => {
            it.topics.iter().all(|topic| topic.count <= PARTITIONS_MAX)
        }
        Ok((_, RequestBody::AlterConfigs(it))) => {
            it.validate_only || it.resources.iter().all(|it| it.resource_type != BROKER)
        }
        Ok((_, RequestBody::IncrementalAlterConfigs(it))) => {
            it.validate_only || it.resources.iter().all(|it| it.resource_type != BROKER)
        }
        Ok((_, RequestBody::AlterClientQuotas(it))) => it.validate_only,
        _ => true,
    }
}

enum Answer {
    Frame(TcpStream, Vec<u8>),
    Closed,
    Silence,
}

fn connect(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port)))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn ask(mut stream: TcpStream, frame: &[u8]) -> std::io::Result<Answer> {
    let size = (frame.len() as u32).to_be_bytes();
    stream.write_all(&[&size, frame].concat())?;
    let mut size = [0; 4];
    match stream.read_exact(&mut size) {
        Ok(()) => (),
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Answer::Silence),
        Err(_) => return Ok(Answer::Closed),
    }
    let mut answer = vec![0; u32::from_be_bytes(size) as usize];
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.read_exact(&mut answer)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(Answer::Frame(stream, answer))
}

/// An answer can be read in the version of its request, and bears its number.
fn check_answer(frame: &[u8], answer: &[u8]) -> Result<(), String> {
    let Ok((header, _)) = parse(frame, Allowance::full()) else {
        return Err("what is no request was answered".to_string());
    };
    let name = header.api_key.name();
    match parse_response(&header, answer) {
        Ok((id, _)) if id == header.correlation_id => Ok(()),
        Ok((id, _)) => Err(format!("{name}: answer {id} to request {}", header.correlation_id)),
        Err(error) => Err(format!("the answer to {name} {}: {error}", header.api_version)),
    }
}
