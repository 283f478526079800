//! How fast records are taken in, and what that costs the server: by the number of producers, the
//! size of records and of batches, and the codec.
//!
//! Each producer has a connection and a partition of its own, and five requests in flight. It builds
//! one batch and sends it again and again; each response is checked for its error and its offset.
//! Bytes are those of the values, as an application counts them: before compression, without keys
//! and framing.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use support::random::Random;
use transferto::message::compression_codec::CompressionCodec;
use transferto::message::record_batch_builder::RecordBatchBuilder;

use crate::figure::{Chart, Findings, Goal, Unit};
use crate::outcome::{Outcome, failed};
use crate::peers::Broker;
use crate::peers::kafka::{self, Kafka};
use crate::peers::transferto::{TRANSFERTO, Transferto};
use crate::peers::write_loop::WriteLoop;
use crate::plan::Plan;
use crate::producer::{Batch, Producer};
use crate::scratch::Scratch;
use crate::topic::{SOON_DELETED, Topic};
use crate::turns::turns;

/// Decompresses what comes, as Kafka does.
const CHECKING: &str = "transferto, records checked";
const CHECKING_SETTINGS: &[&str] =
    &[SOON_DELETED, "transferto.compressed.records.validation.enable=true"];

const REMARKS: [&str; 2] = [
    "By default transferto checks the CRC and the header of a compressed batch, and leaves its \
     records packed; Apache Kafka decompresses it and looks at each record, as transferto does with \
     transferto.compressed.records.validation.enable=true (\"records checked\").",
    "The producers share the CPUs with the server; the CPU time is the server's alone.",
];
/// Long enough for some thousand requests of the slowest.
const MEASURED: Duration = Duration::from_millis(600);
const MEASURED_SHORT: Duration = Duration::from_millis(150);
/// Of each row before the first round, so that a JVM has compiled what it runs.
const WARM_UP_OF_JVM: Duration = Duration::from_secs(1);
const WARM_UP: Duration = Duration::from_millis(150);

/// Against Kafka, one of the two is to hold in each row.
const RATE_GOAL: f64 = 2.0;
const CPU_GOAL: f64 = 0.5;

/// What producers send: one row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    producers: i32,
    batch_records: i64,
    record_bytes: usize,
    codec: CompressionCodec,
}

/// One dimension after the other, from the row in the middle.
const LOADS: &[Load] = &[
    Load::new(1, 1, 100, CompressionCodec::None),
    Load::new(8, 1, 100, CompressionCodec::None),
    Load::new(1, 100, 100, CompressionCodec::None),
    Load::new(1, 1000, 100, CompressionCodec::None),
    Load::new(8, 1000, 100, CompressionCodec::None),
    Load::new(1, 100, 1024, CompressionCodec::None),
    Load::new(8, 100, 1024, CompressionCodec::None),
    Load::new(1, 1000, 1024, CompressionCodec::None),
    Load::new(1, 1000, 100, CompressionCodec::Gzip),
    Load::new(1, 1000, 100, CompressionCodec::Snappy),
    Load::new(1, 1000, 100, CompressionCodec::Lz4),
    Load::new(1, 1000, 100, CompressionCodec::Zstd),
];

impl Load {
    pub(crate) const fn new(
        producers: i32,
        batch_records: i64,
        record_bytes: usize,
        codec: CompressionCodec,
    ) -> Self {
        Self { producers, batch_records, record_bytes, codec }
    }

    pub(crate) fn producers(&self) -> i32 {
        self.producers
    }

    pub(crate) fn row(&self) -> String {
        let Self { producers, batch_records, record_bytes, codec } = self;
        let producers = match producers {
            1 => "1 producer".to_string(),
            count => format!("{count} producers"),
        };
        let size = match record_bytes {
            1024 => "1 KiB".to_string(),
            bytes => format!("{bytes} B"),
        };
        match codec {
            CompressionCodec::None => format!("{producers}, {batch_records} x {size}"),
            codec => format!("{producers}, {batch_records} x {size}, {}", codec.name()),
        }
    }

    /// Of values that compress as events in JSON do.
    pub(crate) fn batch(&self) -> Outcome<Batch> {
        let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        let mut random = Random(self.record_bytes as u64);
        let mut builder = RecordBatchBuilder::new(0).codec(self.codec);
        for _ in 0..self.batch_records {
            let value = event(&mut random, self.record_bytes);
            builder = builder.record(now_ms, None, Some(&value));
        }
        let payload_bytes = self.record_bytes as u64 * u64::try_from(self.batch_records)?;
        Ok(Batch { bytes: builder.build()?, records: self.batch_records, payload_bytes })
    }
}

fn event(random: &mut Random, bytes: usize) -> Vec<u8> {
    let mut text = String::new();
    while text.len() < bytes {
        let (user, item) = (random.below(100_000), random.below(1_000));
        let (took_ms, id) = (random.below(500), random.next_u64());
        text += &format!(
            "{{\"user\":{user},\"item\":\"sku-{item}\",\"took_ms\":{took_ms},\"id\":\"{id:x}\"}}"
        );
    }
    text.truncate(bytes);
    text.into_bytes()
}

/// A server that takes in records.
pub(crate) struct Peer {
    pub(crate) server: Box<dyn Broker>,
    /// Of a broker: where it keeps its logs.
    pub(crate) log_dir: Option<PathBuf>,
    pub(crate) warm_up: Duration,
    /// Whether it has something to show with compressed batches alone.
    pub(crate) is_for_codecs: bool,
}

impl Peer {
    fn has(&self, load: &Load) -> bool {
        !self.is_for_codecs || load.codec != CompressionCodec::None
    }
}

pub(crate) fn run(plan: &Plan) -> Outcome<Findings> {
    let mut findings = Findings::default();
    let scratch = Scratch::new(plan, "produce")?;
    let peers = start_peers(plan, &scratch, &mut findings)?;
    let batches = LOADS.iter().map(Load::batch).collect::<Outcome<Vec<_>>>()?;
    let measured = if plan.is_short { MEASURED_SHORT } else { MEASURED };
    for round in 0..=plan.rounds {
        println!("  round {round} of {}", plan.rounds);
        for (load, batch) in LOADS.iter().zip(&batches) {
            for peer in turns(round, peers.iter().filter(|it| it.has(load))) {
                let duration = if round == 0 { peer.warm_up } else { measured };
                let cost = measure(peer, load, batch, round, duration)?;
                if round > 0 {
                    let (row, name) = (load.row(), peer.server.name());
                    findings.add(&row, name, Unit::MbPerSecond, cost.mb_per_second());
                    findings.add(&row, name, Unit::CpuSecondsPerGb, cost.cpu_seconds_per_gb());
                }
            }
        }
    }
    for load in LOADS {
        let goals = [TRANSFERTO, CHECKING].map(|own| goal(load, own, &findings));
        findings.goals.extend(goals.into_iter().flatten());
    }
    findings.charts = charts();
    findings.remarks.extend(REMARKS.iter().map(ToString::to_string));
    Ok(findings)
}

fn start_peers(plan: &Plan, scratch: &Scratch, findings: &mut Findings) -> Outcome<Vec<Peer>> {
    let loop_dir = scratch.join("write_loop");
    fs::create_dir_all(&loop_dir)?;
    let server = Box::new(WriteLoop::start(&loop_dir)?);
    let bare = Peer { server, log_dir: None, warm_up: WARM_UP, is_for_codecs: false };
    let mut peers = vec![bare];
    for (name, settings) in [(TRANSFERTO, &[SOON_DELETED][..]), (CHECKING, CHECKING_SETTINGS)] {
        let log_dir = scratch.join(&name.replace(", ", "_").replace(' ', "_"));
        fs::create_dir_all(&log_dir)?;
        let server = Box::new(Transferto::start(plan, name, &log_dir, settings)?);
        let is_for_codecs = name == CHECKING;
        peers.push(Peer { server, log_dir: Some(log_dir), warm_up: WARM_UP, is_for_codecs });
    }
    let dir = scratch.join("kafka");
    let settings = [SOON_DELETED, kafka::NO_INITIAL_DELAY];
    if let Some(kafka) = Kafka::start_or_remark(plan, &dir, &settings, findings)? {
        let log_dir = Some(kafka::log_dir(&dir));
        let warm_up = if plan.is_short { WARM_UP } else { WARM_UP_OF_JVM };
        peers.push(Peer { server: Box::new(kafka), log_dir, warm_up, is_for_codecs: false });
    }
    Ok(peers)
}

/// What one measurement took.
pub(crate) struct Cost {
    bytes: f64,
    elapsed: Duration,
    cpu_ns: f64,
}

impl Cost {
    pub(crate) fn mb_per_second(&self) -> f64 {
        self.bytes / 1e6 / self.elapsed.as_secs_f64()
    }

    /// A nanosecond for a byte is a second for 10^9.
    pub(crate) fn cpu_seconds_per_gb(&self) -> f64 {
        self.cpu_ns / self.bytes
    }
}

pub(crate) fn measure(
    peer: &Peer,
    load: &Load,
    batch: &Batch,
    round: usize,
    duration: Duration,
) -> Outcome<Cost> {
    let port = peer.server.port();
    let name = format!("produce-{}-{round}", load.row().replace([' ', ','], ""));
    let topic = match &peer.log_dir {
        Some(log_dir) => Some(Topic::create(&name, load.producers, port, log_dir.clone())?),
        None => None,
    };
    let connect = |partition| Producer::over(peer.server.connect()?, &name, partition, batch);
    let producers = (0..load.producers).map(connect).collect::<Outcome<Vec<_>>>()?;
    let cpu_before_ns = peer.server.server().cpu_ns()?;
    let began = Instant::now();
    let requests = produce_until(producers, began + duration)?;
    let elapsed = began.elapsed();
    let cpu_ns = (peer.server.server().cpu_ns()? - cpu_before_ns) as f64;
    if let Some(topic) = topic {
        topic.delete()?;
    }
    Ok(Cost { bytes: (requests * batch.payload_bytes) as f64, elapsed, cpu_ns })
}

/// All at once, a thread each; returns how many requests were answered.
fn produce_until(producers: Vec<Producer>, end: Instant) -> Outcome<u64> {
    let start = |mut producer: Producer| thread::spawn(move || producer.produce_until(end));
    let threads: Vec<_> = producers.into_iter().map(start).collect();
    let mut requests = 0;
    for thread in threads {
        let Ok(answered) = thread.join() else { return failed("a producer has panicked") };
        requests += answered?;
    }
    Ok(requests)
}

/// Which of the two holds, or by how much the CPU misses it.
fn goal(load: &Load, own: &str, findings: &Findings) -> Option<Goal> {
    let row = load.row();
    let ratio = |unit| {
        let of_kafka = findings.median(&row, kafka::NAME, unit)?;
        Some(findings.median(&row, own, unit)? / of_kafka)
    };
    let (rate, cpu) = (ratio(Unit::MbPerSecond)?, ratio(Unit::CpuSecondsPerGb)?);
    Some(if rate >= RATE_GOAL {
        Goal::at_least(format!("produce, {row}: rate of {own} by Kafka's"), RATE_GOAL, rate)
    } else {
        Goal::at_most(format!("produce, {row}: CPU time of {own} by Kafka's"), CPU_GOAL, cpu)
    })
}

fn charts() -> Vec<Chart> {
    let is_shown = |load: &&Load| load.batch_records > 1;
    let rows = || LOADS.iter().filter(is_shown).map(Load::row).collect();
    let chart = |title: &str, unit| Chart { title: title.to_string(), unit, rows: rows() };
    vec![
        chart("Produce: records per second, more is better", Unit::MbPerSecond),
        chart("Produce: the server's CPU time, less is better", Unit::CpuSecondsPerGb),
    ]
}
