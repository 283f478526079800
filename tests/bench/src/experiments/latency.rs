//! How long a record takes from a producer to a consumer that waits for it in a long poll, and what
//! each record costs the server.
//!
//! One thread is producer and consumer, each with a connection of its own: between the two no CPU has
//! to wake another. It has a real-time priority, and sleeps most of the time. Records have fixed times at
//! which they are due, and each time counts from there: what makes one late makes all behind it late,
//! too, and shows in each of them.

use std::fs;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::prctl;
use nix::sys::time::TimeSpec;
use nix::unistd::gettid;
use transferto::message::compression_codec::CompressionCodec;

use crate::client::{Client, FETCH_VERSION, Limits, Place, fetch_body};
use crate::connection::Tally;
use crate::delays::quantile_ms;
use crate::experiments::produce::Load;
use crate::figure::{Chart, Findings, Goal, Unit};
use crate::outcome::{Outcome, failed};
use crate::peers::Broker;
use crate::peers::kafka::{self, Kafka};
use crate::peers::transferto::{INLINE, INLINE_SETTING, TRANSFERTO, Transferto};
use crate::plan::Plan;
use crate::producer::Producer;
use crate::scratch::Scratch;
use crate::topic::{SOON_DELETED, Topic};
use crate::turns::turns;

/// 1,000 records in a second.
const INTERVAL: Duration = Duration::from_millis(1);
const RECORDS: usize = 4_000;
const RECORDS_SHORT: usize = 1_000;
/// Before the first round, so that a JVM has compiled what it runs: five times as fast.
const WARM_UP_INTERVAL: Duration = Duration::from_micros(200);
const WARM_UP_RECORDS: usize = 20_000;
const WARM_UP_RECORDS_SHORT: usize = 5_000;
/// From the connection to the first record.
const LEAD: Duration = Duration::from_millis(20);
/// Nothing is this late, unless it is lost.
const PATIENCE: Duration = Duration::from_secs(10);
const LIMITS: Limits = Limits { bytes: 1 << 20, partition_bytes: 1 << 20 };
/// The kernel may round a timer up by 50 us otherwise.
const TIMER_SLACK_NS: u64 = 1;

const TO_CONSUMER: &str = "record to consumer";
const ACKNOWLEDGED: &str = "acknowledgement";
const SENT_LATE: &str = "the client's own delay";
const SWITCHES: &str = "context switches of the server for a record";
const CPU: &str = "CPU time of the server for 1,000 records";
const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];
/// Of Kafka's time, in p50 and p99.
const GOAL: f64 = 0.5;

pub(crate) fn run(plan: &Plan) -> Outcome<Findings> {
    let mut findings = Findings::default();
    let scratch = Scratch::new(plan, "latency")?;
    let peers = start_peers(plan, &scratch, &mut findings)?;
    let warm_up_records = if plan.is_short { WARM_UP_RECORDS_SHORT } else { WARM_UP_RECORDS };
    for peer in &peers {
        Run::of(peer, "warm-up", warm_up_records, WARM_UP_INTERVAL)?;
    }
    let records = if plan.is_short { RECORDS_SHORT } else { RECORDS };
    for round in 1..=plan.rounds {
        println!("  round {round} of {}", plan.rounds);
        for peer in turns(round, peers.iter()) {
            let run = Run::of(peer, &format!("latency-{round}"), records, INTERVAL)?;
            run.add_to(&mut findings, peer.server.name());
        }
    }
    for own in [TRANSFERTO, INLINE] {
        let goals = goals(own, &findings);
        findings.goals.extend(goals);
    }
    findings.charts = charts();
    Ok(findings)
}

struct Peer {
    server: Box<dyn Broker>,
    log_dir: PathBuf,
}

fn start_peers(plan: &Plan, scratch: &Scratch, findings: &mut Findings) -> Outcome<Vec<Peer>> {
    let inline = format!("{INLINE_SETTING}=resident");
    let mut own = vec![(TRANSFERTO, vec![SOON_DELETED])];
    if Transferto::knows(plan, INLINE_SETTING)? {
        own.push((INLINE, vec![SOON_DELETED, &inline]));
    }
    let mut peers = Vec::new();
    for (number, (name, settings)) in own.into_iter().enumerate() {
        let log_dir = scratch.join(&format!("transferto_{number}"));
        fs::create_dir_all(&log_dir)?;
        let server = Box::new(Transferto::start(plan, name, &log_dir, &settings)?);
        peers.push(Peer { server, log_dir });
    }
    let dir = scratch.join("kafka");
    let settings = [SOON_DELETED, kafka::NO_INITIAL_DELAY];
    if let Some(kafka) = Kafka::start_or_remark(plan, &dir, &settings, findings)? {
        peers.push(Peer { server: Box::new(kafka), log_dir: kafka::log_dir(&dir) });
    }
    Ok(peers)
}

/// What one run has found.
struct Run {
    delays: Delays,
    switches: u64,
    cpu_ns: i64,
}

impl Run {
    fn of(peer: &Peer, topic: &str, records: usize, interval: Duration) -> Outcome<Self> {
        let port = peer.server.port();
        let topic = Topic::create(topic, 1, port, peer.log_dir.clone())?;
        let stream = Stream::open(port, &topic.name, records, interval)?;
        let server = peer.server.server();
        let (switches_before, cpu_before_ns) = (server.context_switches()?, server.cpu_ns()?);
        let Ok(delays) = thread::spawn(move || stream.run_before_others()).join() else {
            return failed("the client has panicked");
        };
        let delays = delays?;
        let switches = server.context_switches()? - switches_before;
        let cpu_ns = server.cpu_ns()? - cpu_before_ns;
        topic.delete()?;
        Ok(Self { delays, switches, cpu_ns })
    }

    fn add_to(mut self, findings: &mut Findings, peer: &str) {
        let records = self.delays.sent_late.len() as f64;
        let kinds = [
            (TO_CONSUMER, &mut self.delays.to_consumer),
            (ACKNOWLEDGED, &mut self.delays.acknowledged),
            (SENT_LATE, &mut self.delays.sent_late),
        ];
        for (kind, delays) in kinds {
            for (name, share) in QUANTILES {
                let row = format!("{kind}, {name}");
                findings.add(&row, peer, Unit::Milliseconds, quantile_ms(delays, share));
            }
        }
        findings.add(SWITCHES, peer, Unit::Count, self.switches as f64 / records);
        let cpu_ms = self.cpu_ns as f64 / 1e6;
        findings.add(CPU, peer, Unit::Milliseconds, cpu_ms / records * 1_000.0);
    }
}

/// Each from when the record was due.
#[derive(Debug, Default)]
struct Delays {
    sent_late: Vec<Duration>,
    acknowledged: Vec<Duration>,
    to_consumer: Vec<Duration>,
}

/// Records that are due one after the other, from a producer to a consumer.
struct Stream {
    producer: Producer,
    consumer: Client,
    topic: String,
    /// Where the consumer stands.
    place: [Place; 1],
    first_offset: i64,
    began: Instant,
    interval: Duration,
    records: usize,
    delays: Delays,
}

impl Stream {
    fn open(port: u16, topic: &str, records: usize, interval: Duration) -> Outcome<Self> {
        let batch = Load::new(1, 1, 100, CompressionCodec::None).batch()?;
        let producer = Producer::over(Client::connect(port)?, topic, 0, &batch)?;
        let first_offset = producer.next_offset();
        Ok(Self {
            producer,
            consumer: Client::connect(port)?,
            topic: topic.to_string(),
            place: [Place { partition: 0, offset: first_offset }],
            first_offset,
            began: Instant::now() + LEAD,
            interval,
            records,
            delays: Delays::default(),
        })
    }

    /// Runs in this thread, which is to end with it, as soon as there is something to do: another
    /// process on its CPU would make it late, and that would show as the server's delay.
    fn run_before_others(self) -> Outcome<Delays> {
        prctl::set_timerslack(TIMER_SLACK_NS)?;
        let mut chrt = Command::new("chrt");
        chrt.args(["--fifo", "--pid", "1", &gettid().to_string()]);
        if !chrt.status().is_ok_and(|status| status.success()) {
            println!("  no real-time priority for the client: see its own delay");
        }
        self.run()
    }

    /// Sends all records, and waits until the consumer has them.
    fn run(mut self) -> Outcome<Delays> {
        self.send_fetch()?;
        while !self.is_complete() {
            let [is_acknowledged, is_fetched] = self.wait()?;
            if self.has_more() && Instant::now() >= self.due(self.sent()) {
                self.send_record()?;
            }
            if is_acknowledged {
                self.receive_acknowledgements()?;
            }
            if is_fetched {
                self.receive_records()?;
            }
        }
        Ok(self.delays)
    }

    fn sent(&self) -> usize {
        self.delays.sent_late.len()
    }

    fn has_more(&self) -> bool {
        self.sent() < self.records
    }

    fn is_complete(&self) -> bool {
        let least = self.delays.acknowledged.len().min(self.delays.to_consumer.len());
        least == self.records
    }

    fn due(&self, record: usize) -> Instant {
        self.began + self.interval * u32::try_from(record).unwrap_or(u32::MAX)
    }

    /// Waits for bytes on either connection, at most until the next record is due. Returns where
    /// there are some.
    fn wait(&self) -> Outcome<[bool; 2]> {
        let now = Instant::now();
        let timeout = if self.has_more() { self.due(self.sent()) - now } else { PATIENCE };
        let both = [self.producer.stream().as_fd(), self.consumer.stream().as_fd()];
        let mut polled = both.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        let ready = ppoll(&mut polled, Some(TimeSpec::from_duration(timeout)), None)?;
        if ready == 0 && !self.has_more() {
            return failed(format!("records are missing after {} s", PATIENCE.as_secs()));
        }
        Ok(polled.map(|it| it.any().unwrap_or_default()))
    }

    fn send_record(&mut self) -> Outcome<()> {
        self.delays.sent_late.push(self.due(self.sent()).elapsed());
        self.producer.send()
    }

    fn send_fetch(&mut self) -> Outcome<()> {
        let body = fetch_body(&self.topic, &self.place, LIMITS);
        self.consumer.send(FETCH_VERSION, &body, &[])?;
        Ok(())
    }

    fn receive_acknowledgements(&mut self) -> Outcome<()> {
        self.producer.receive()?;
        let now = Instant::now();
        let answered = usize::try_from(self.producer.next_offset() - self.first_offset)?;
        for record in self.delays.acknowledged.len()..answered {
            self.delays.acknowledged.push(now - self.due(record));
        }
        Ok(())
    }

    fn receive_records(&mut self) -> Outcome<()> {
        self.consumer.receive_fetch(&mut self.place, &Tally::default())?;
        let now = Instant::now();
        let come = usize::try_from(self.place[0].offset - self.first_offset)?;
        for record in self.delays.to_consumer.len()..come {
            self.delays.to_consumer.push(now - self.due(record));
        }
        self.send_fetch()
    }
}

fn goals(own: &str, findings: &Findings) -> Vec<Goal> {
    let goal = |quantile: &str| {
        let row = format!("{TO_CONSUMER}, {quantile}");
        let of_kafka = findings.median(&row, kafka::NAME, Unit::Milliseconds)?;
        let ratio = findings.median(&row, own, Unit::Milliseconds)? / of_kafka;
        Some(Goal::at_most(format!("latency, {row}: {own} by Kafka's"), GOAL, ratio))
    };
    ["p50", "p99"].into_iter().filter_map(goal).collect()
}

fn charts() -> Vec<Chart> {
    let rows = QUANTILES.iter().map(|(name, _)| format!("{TO_CONSUMER}, {name}")).collect();
    let title = "Latency from producer to consumer at 1,000 records/s, less is better".to_string();
    vec![Chart { title, unit: Unit::Milliseconds, rows }]
}
