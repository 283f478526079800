//! How long a start takes: of an empty broker, of one with many partitions, and of one that was
//! killed with records that no `fsync` had reached.

use std::path::Path;
use std::time::Instant;

use support::records::batch;

use crate::client::Client;
use crate::figure::{Findings, Goal, Unit};
use crate::outcome::Outcome;
use crate::peers::Broker;
use crate::peers::transferto::{TRANSFERTO, Transferto};
use crate::plan::Plan;
use crate::scratch::Scratch;

const PARTITIONS_PER_TOPIC: i32 = 100;
/// A batch of these is what a producer sends at a time that has much to send.
const BATCH_RECORDS: usize = 1_000;
const RECORD_BYTES: usize = 1_000;
const GB: u64 = 1_000_000_000;
/// What was flushed before the kill, and what was not.
const FLUSHED_GB: u64 = 9;
const UNFLUSHED_TENTHS_OF_GB: [u64; 3] = [2, 5, 10];
/// Larger than what is written after the last flush.
const SEGMENT_BYTES: &str = "2000000000";
/// Rounds of a kill: each writes up to a gigabyte.
const KILLS_MAX: usize = 3;

/// Empty, then with partitions, then after a kill.
pub(crate) fn run(plan: &Plan) -> Outcome<Findings> {
    let mut findings = Findings::default();
    empty(plan, &mut findings)?;
    let counts: &[(i32, f64)] =
        if plan.is_short { &[(1_000, 200.0)] } else { &[(1_000, 200.0), (10_000, 2_000.0)] };
    for &(partitions, most_ms) in counts {
        with_partitions(plan, partitions, most_ms, &mut findings)?;
    }
    after_a_kill(plan, &mut findings)?;
    Ok(findings)
}

fn empty(plan: &Plan, findings: &mut Findings) -> Outcome<()> {
    let row = "start, empty";
    for _ in 0..plan.rounds {
        let scratch = Scratch::new(plan, "start")?;
        start_and_stop(plan, scratch.path(), row, findings)?;
    }
    demand(findings, row, 20.0);
    Ok(())
}

/// Every partition has a batch, and was flushed by a clean stop.
fn with_partitions(
    plan: &Plan,
    partitions: i32,
    most_ms: f64,
    findings: &mut Findings,
) -> Outcome<()> {
    let row = format!("start, {partitions} partitions");
    let scratch = Scratch::new(plan, "start")?;
    let dir = scratch.path();
    let broker = Transferto::start(plan, TRANSFERTO, dir, &[])?;
    let mut client = Client::connect(broker.port())?;
    let records = batch(&[[7_u8; 100]; 10]);
    for number in 0..partitions / PARTITIONS_PER_TOPIC {
        let topic = format!("topic-{number}");
        client.ensure_topic(&topic, PARTITIONS_PER_TOPIC, &[])?;
        for partition in 0..PARTITIONS_PER_TOPIC {
            client.produce(&topic, partition, 1, &records)?;
        }
    }
    drop(client);
    drop(broker);
    for _ in 0..plan.rounds {
        start_and_stop(plan, dir, &row, findings)?;
    }
    demand(findings, &row, most_ms);
    Ok(())
}

/// One log that was flushed whole, and beside it one of which nothing was.
fn after_a_kill(plan: &Plan, findings: &mut Findings) -> Outcome<()> {
    let flushed_gb = if plan.is_short { 0 } else { FLUSHED_GB };
    let scratch = Scratch::new(plan, "start")?;
    let dir = scratch.path();
    let records = batch(&vec![vec![7_u8; RECORD_BYTES]; BATCH_RECORDS]);
    drop(filled(plan, dir, "flushed", flushed_gb * GB, &records)?);
    let mut measured_ms = Vec::new();
    for tenths_of_gb in UNFLUSHED_TENTHS_OF_GB {
        let unflushed_gb = tenths_of_gb as f64 / 10.0;
        let row = format!("start after kill -9, {flushed_gb} GB flushed, {unflushed_gb:.1} GB not");
        println!("  {row}");
        for round in 0..plan.rounds.min(KILLS_MAX) {
            // A log of its own: the one of the round before was flushed by the stop.
            let topic = format!("unflushed-{tenths_of_gb}-{round}");
            filled(plan, dir, &topic, tenths_of_gb * GB / 10, &records)?.kill()?;
            start_and_stop(plan, dir, &row, findings)?;
            delete(plan, dir, &topic)?;
        }
        measured_ms.extend(findings.median(&row, TRANSFERTO, Unit::Milliseconds));
    }
    if let [fifth, _, whole] = measured_ms[..] {
        let what = "start after kill -9: 1.0 GB not flushed, of five times 0.2 GB";
        findings.goals.push(Goal::at_most(what, 1.2, whole / (5.0 * fifth)));
    }
    Ok(())
}

/// A broker on `dir` that has taken `bytes` of records into a topic.
fn filled(plan: &Plan, dir: &Path, topic: &str, bytes: u64, records: &[u8]) -> Outcome<Transferto> {
    let broker = Transferto::start(plan, TRANSFERTO, dir, &[])?;
    let mut client = Client::connect(broker.port())?;
    client.ensure_topic(topic, 1, &[("segment.bytes", SEGMENT_BYTES)])?;
    for _ in 0..bytes / records.len() as u64 {
        client.produce(topic, 0, 1, records)?;
    }
    Ok(broker)
}

/// Makes room: the stop after this deletes the files.
fn delete(plan: &Plan, dir: &Path, topic: &str) -> Outcome<()> {
    let broker = Transferto::start(plan, TRANSFERTO, dir, &["log.segment.delete.delay.ms=0"])?;
    Client::connect(broker.port())?.delete_topic(topic)
}

/// Starts a broker, adds how long it took to listen, and stops it.
fn start_and_stop(plan: &Plan, dir: &Path, row: &str, findings: &mut Findings) -> Outcome<()> {
    let began = Instant::now();
    let broker = Transferto::start(plan, TRANSFERTO, dir, &[])?;
    let took_ms = began.elapsed().as_secs_f64() * 1e3;
    findings.add(row, broker.name(), Unit::Milliseconds, took_ms);
    Ok(())
}

fn demand(findings: &mut Findings, row: &str, most_ms: f64) {
    if let Some(found_ms) = findings.median(row, TRANSFERTO, Unit::Milliseconds) {
        findings.goals.push(Goal::at_most(format!("{row}, ms"), most_ms, found_ms));
    }
}
