//! What the broker lives in: its resident memory, idle and under load.

use std::thread;
use std::time::{Duration, Instant};

use support::records::batch;

use crate::client::{Client, Limits, Place};
use crate::connection::Tally;
use crate::figure::{Findings, Goal, Unit};
use crate::outcome::Outcome;
use crate::peers::Broker;
use crate::peers::transferto::{TRANSFERTO, Transferto};
use crate::plan::Plan;
use crate::scratch::Scratch;

const MIB: f64 = (1 << 20) as f64;
const TOPIC: &str = "load";
/// Deletes the older segments, so that the disk does not fill while memory is watched.
const SETTINGS: &[&str] = &[
    "log.segment.bytes=67108864",
    "log.retention.bytes=268435456",
    "log.retention.check.interval.ms=1000",
];
/// So many batches a second: what the load does must not be bounded by the machine.
const BATCH_INTERVAL: Duration = Duration::from_millis(2);
const BATCH_RECORDS: usize = 100;
const RECORD_BYTES: usize = 1_000;
/// The first part of the load fills what the broker keeps; growth is counted from then on.
const PARTS: u32 = 6;
const LIMITS: Limits = Limits { bytes: 50 << 20, partition_bytes: 1 << 20 };

/// A broker that is left alone, and then one producer and one consumer.
pub(crate) fn run(plan: &Plan) -> Outcome<Findings> {
    let mut findings = Findings::default();
    let scratch = Scratch::new(plan, "memory")?;
    let broker = Transferto::start(plan, TRANSFERTO, scratch.path(), SETTINGS)?;
    thread::sleep(Duration::from_secs(1));
    let idle_mib = resident_mib(&broker)?;
    findings.add("resident, idle", broker.name(), Unit::Mib, idle_mib);
    findings.goals.push(Goal::at_most("resident memory, idle, MiB", 8.0, idle_mib));

    let part = plan.load_time() / PARTS;
    let mut load = Load::of(&broker)?;
    let mut resident = Vec::new();
    for number in 1..=PARTS {
        load.run_for(part)?;
        let mib = resident_mib(&broker)?;
        let row = format!("resident, {} s under load", (part * number).as_secs());
        findings.add(&row, broker.name(), Unit::Mib, mib);
        resident.push(mib);
    }
    let growth = resident[resident.len() - 1] / resident[0];
    let seconds = plan.load_time().as_secs();
    findings.goals.push(Goal::at_most(
        format!("resident memory after {seconds} s of load, of that after a sixth of it"),
        1.05,
        growth,
    ));
    Ok(findings)
}

/// One batch at a time, at a steady rate, each fetched at once.
struct Load {
    producer: Client,
    consumer: Client,
    records: Vec<u8>,
    place: [Place; 1],
    tally: Tally,
}

impl Load {
    fn of(broker: &Transferto) -> Outcome<Self> {
        let mut producer = Client::connect(broker.port())?;
        producer.ensure_topic(TOPIC, 1, &[])?;
        Ok(Self {
            producer,
            consumer: Client::connect(broker.port())?,
            records: batch(&vec![[7_u8; RECORD_BYTES]; BATCH_RECORDS]),
            place: [Place { partition: 0, offset: 0 }],
            tally: Tally::default(),
        })
    }

    fn run_for(&mut self, time: Duration) -> Outcome<()> {
        let began = Instant::now();
        let mut due = began;
        while began.elapsed() < time {
            self.producer.produce(TOPIC, 0, 1, &self.records)?;
            self.consumer.fetch(TOPIC, &mut self.place, LIMITS, &self.tally)?;
            due += BATCH_INTERVAL;
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        Ok(())
    }
}

fn resident_mib(broker: &Transferto) -> Outcome<f64> {
    Ok(broker.server().resident_bytes()? as f64 / MIB)
}
