//! One reader of a huge backlog beside a hundred small ones, all on one Processor: each channel has
//! its turn, so the huge one must not make the small ones wait.

use std::sync::atomic::{AtomicBool, Ordering};

use support::records::batch;

use crate::client::{Client, Limits, Place};
use crate::connection::Tally;
use crate::delays::{paced, quantile_ms};
use crate::experiments::beside::beside;
use crate::experiments::small_topic::SmallTopic;
use crate::figure::{Findings, Goal, Unit};
use crate::outcome::Outcome;
use crate::peers::Broker;
use crate::peers::transferto::{TRANSFERTO, Transferto};
use crate::plan::Plan;
use crate::scratch::Scratch;

const TOPIC: &str = "backlog";
const BACKLOG_BYTES: u64 = 1 << 30;
const BATCH_RECORDS: usize = 1_000;
const RECORD_BYTES: usize = 1_000;
/// A reader that takes all it can get at a time.
const LIMITS: Limits = Limits { bytes: 50 << 20, partition_bytes: 50 << 20 };
const SMALL_READERS: usize = 100;
/// All small readers together: so few that they do not wait for each other.
const FETCHES_PER_SECOND: u32 = 500;
const ONE_PROCESSOR: &str = "num.network.threads=1";

const ALONE: &str = "p99 of 100 small readers, alone";
const BESIDE: &str = "p99 of 100 small readers beside one of a huge backlog";

/// The small readers alone, then beside the huge one, in each round.
pub(crate) fn run(plan: &Plan) -> Outcome<Findings> {
    let mut findings = Findings::default();
    let scratch = Scratch::new(plan, "backlog")?;
    let broker = Transferto::start(plan, TRANSFERTO, scratch.path(), &[ONE_PROCESSOR])?;
    fill(&broker)?;
    let mut readers =
        (0..SMALL_READERS).map(|_| SmallTopic::of(&broker)).collect::<Outcome<Vec<_>>>()?;
    let port = broker.port();
    let fetches = if plan.is_short { 1_000 } else { 3_000 };
    for round in 0..plan.rounds {
        println!("  round {} of {}", round + 1, plan.rounds);
        let alone_ms = p99_ms(&mut readers, fetches)?;
        findings.add(ALONE, broker.name(), Unit::Milliseconds, alone_ms);
        let beside_ms =
            beside(|is_over| read_backlog(port, is_over), || p99_ms(&mut readers, fetches))?;
        findings.add(BESIDE, broker.name(), Unit::Milliseconds, beside_ms);
    }
    let of = |row| findings.median(row, TRANSFERTO, Unit::Milliseconds);
    if let (Some(alone), Some(beside)) = (of(ALONE), of(BESIDE)) {
        let what = "p99 of small readers beside a huge backlog, of alone";
        findings.goals.push(Goal::at_most(what, 2.0, beside / alone));
    }
    Ok(findings)
}

fn fill(broker: &Transferto) -> Outcome<()> {
    let mut client = Client::connect(broker.port())?;
    client.ensure_topic(TOPIC, 1, &[])?;
    let records = batch(&vec![[7_u8; RECORD_BYTES]; BATCH_RECORDS]);
    for _ in 0..BACKLOG_BYTES / records.len() as u64 {
        client.produce(TOPIC, 0, 1, &records)?;
    }
    Ok(())
}

/// Takes the backlog from its start, again and again.
fn read_backlog(port: u16, is_over: &AtomicBool) -> Outcome<()> {
    let mut client = Client::connect(port)?;
    let tally = Tally::default();
    let end = client.end_offset(TOPIC, 0)?;
    let mut place = [Place { partition: 0, offset: 0 }];
    while !is_over.load(Ordering::Relaxed) {
        if place[0].offset >= end {
            place[0].offset = 0;
        }
        client.fetch(TOPIC, &mut place, LIMITS, &tally)?;
    }
    Ok(())
}

/// One fetch at a time, of one reader after another.
fn p99_ms(readers: &mut [SmallTopic], fetches: usize) -> Outcome<f64> {
    let fetch = |number: usize| readers[number % SMALL_READERS].fetch();
    Ok(quantile_ms(&mut paced(fetches, FETCHES_PER_SECOND, fetch)?, 0.99))
}
