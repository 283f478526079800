//! A hot consumer beside one that reads what only a slow disk has, both on one Processor: in Kafka
//! the `sendfile` of the cold one waits for the disk, and all connections with it (KAFKA-7504).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use support::records::batch;

use crate::client::{Client, Limits, Place};
use crate::connection::Tally;
use crate::delays::{paced, quantile_ms};
use crate::experiments::beside::beside;
use crate::experiments::small_topic::SmallTopic;
use crate::figure::{Findings, Goal, Unit};
use crate::outcome::Outcome;
use crate::peers::Broker;
use crate::peers::kafka::{self, Kafka};
use crate::peers::transferto::{INLINE, TRANSFERTO, Transferto};
use crate::plan::Plan;
use crate::scratch::Scratch;
use crate::slow_file::SlowFile;
use crate::topic::wait_until_led;

const TOPIC: &str = "cold";
const SEGMENT_BYTES: &str = "67108864";
/// More than a segment, so that the first one is sealed.
const COLD_BYTES: usize = 80 << 20;
const BATCH_RECORDS: usize = 1_000;
const RECORD_BYTES: usize = 1_000;
/// Of the first segment of the cold topic.
const SEGMENT: &str = "cold-0/00000000000000000000.log";
/// A disk that seeks, for each 128 KiB that the kernel reads ahead.
const DISK_DELAY: Duration = Duration::from_millis(10);
const COLD_LIMITS: Limits = Limits { bytes: 1 << 20, partition_bytes: 1 << 20 };
const FETCHES_PER_SECOND: u32 = 500;
const ONE_PROCESSOR: &str = "num.network.threads=1";

const INLINE_RESIDENT: &str = "transferto.fetch.inline=resident";
/// The cure switched off.
const LESSON: &str = "transferto.lesson.cold.pages=true";

const ALONE: &str = "p99 of a hot consumer, alone";
const BESIDE: &str = "p99 of a hot consumer beside a cold reader";

/// Each broker's hot consumer alone, then beside the cold reader, in each round.
pub(crate) fn run(plan: &Plan) -> Outcome<Findings> {
    let mut findings = Findings::default();
    if !plan.network.is_own_namespace {
        // In the mounts of the host, an interruption would leave the slow disk behind.
        findings
            .remarks
            .push("Left out: it mounts a slow disk, which needs root and ip.".to_string());
        return Ok(findings);
    }
    for (name, setting) in names(plan, &mut findings)? {
        println!("  {name}");
        let peer = match name {
            kafka::NAME => Peer::kafka(plan)?,
            _ => Peer::transferto(plan, name, setting)?,
        };
        fill(&*peer.start()?)?;
        let segment = peer.logs.join(SEGMENT);
        let slow = match SlowFile::over(&segment, DISK_DELAY) {
            Ok(slow) => slow,
            Err(why) => {
                findings.remarks.push(format!("There is no slow disk: {why}."));
                return Ok(findings);
            }
        };
        let broker = peer.start()?;
        for _ in 0..plan.rounds {
            measure(plan, peer.name, &*broker, &segment, &mut findings)?;
        }
        drop(broker);
        drop(slow);
    }
    findings.goals.extend(goal(&findings));
    Ok(findings)
}

fn measure(
    plan: &Plan,
    name: &str,
    broker: &dyn Broker,
    segment: &Path,
    findings: &mut Findings,
) -> Outcome<()> {
    let mut hot = SmallTopic::of(broker)?;
    let port = broker.port();
    let fetches = if plan.is_short { 500 } else { 1_500 };
    hot.fetch_times(fetches)?;
    findings.add(ALONE, name, Unit::Milliseconds, p99_ms(&mut hot, fetches)?);
    evict(segment)?;
    let beside_ms = beside(|is_over| read_cold(port, is_over), || p99_ms(&mut hot, fetches))?;
    findings.add(BESIDE, name, Unit::Milliseconds, beside_ms);
    Ok(())
}

/// One broker, set up in one way, on a directory of its own.
struct Peer<'a> {
    name: &'static str,
    setup: Setup<'a>,
    /// Where its logs lie, in its scratch directory.
    logs: PathBuf,
    _scratch: Scratch,
}

enum Setup<'a> {
    Transferto { plan: &'a Plan, settings: Vec<&'static str> },
    Kafka(Kafka),
}

impl<'a> Peer<'a> {
    fn transferto(
        plan: &'a Plan,
        name: &'static str,
        setting: Option<&'static str>,
    ) -> Outcome<Self> {
        let scratch = Scratch::new(plan, "cold-reader")?;
        let settings = [ONE_PROCESSOR].into_iter().chain(setting).collect();
        let setup = Setup::Transferto { plan, settings };
        Ok(Self { name, setup, logs: scratch.join("logs"), _scratch: scratch })
    }

    fn kafka(plan: &'a Plan) -> Outcome<Self> {
        let scratch = Scratch::new(plan, "cold-reader")?;
        let setup = Setup::Kafka(Kafka::format(plan, scratch.path(), &[ONE_PROCESSOR])?);
        let logs = kafka::log_dir(scratch.path());
        Ok(Self { name: kafka::NAME, setup, logs, _scratch: scratch })
    }

    fn start(&self) -> Outcome<Box<dyn Broker>> {
        match &self.setup {
            Setup::Transferto { plan, settings } => {
                Ok(Box::new(Transferto::start(plan, self.name, &self.logs, settings)?))
            }
            Setup::Kafka(kafka) => Ok(Box::new(kafka.start()?)),
        }
    }
}

fn names(
    plan: &Plan,
    findings: &mut Findings,
) -> Outcome<Vec<(&'static str, Option<&'static str>)>> {
    let mut names = vec![(TRANSFERTO, None)];
    let others = [(INLINE, INLINE_RESIDENT), ("transferto, cold pages left to sendfile", LESSON)];
    for (name, setting) in others {
        if Transferto::knows(plan, setting.split('=').next().unwrap_or_default())? {
            names.push((name, Some(setting)));
        }
    }
    match kafka::java(plan, &[]) {
        Ok(_) => names.push((kafka::NAME, None)),
        Err(why) => findings.remarks.push(format!("{} is left out: {why}.", kafka::NAME)),
    }
    Ok(names)
}

fn fill(broker: &dyn Broker) -> Outcome<()> {
    let mut client = Client::connect(broker.port())?;
    client.ensure_topic(TOPIC, 1, &[("segment.bytes", SEGMENT_BYTES)])?;
    wait_until_led(&mut client, TOPIC, 1)?;
    let records = batch(&vec![vec![7_u8; RECORD_BYTES]; BATCH_RECORDS]);
    for _ in 0..COLD_BYTES / records.len() {
        client.produce(TOPIC, 0, 1, &records)?;
    }
    Ok(())
}

/// Has the pages of a file leave memory.
fn evict(path: &Path) -> Outcome<()> {
    Ok(posix_fadvise(File::open(path)?, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?)
}

/// Reads from the start, which nobody has read since it was evicted; there is more than the
/// measurement takes.
fn read_cold(port: u16, is_over: &AtomicBool) -> Outcome<()> {
    let mut client = Client::connect(port)?;
    let tally = Tally::default();
    let mut place = [Place { partition: 0, offset: 0 }];
    while !is_over.load(Ordering::Relaxed) {
        client.fetch(TOPIC, &mut place, COLD_LIMITS, &tally)?;
    }
    Ok(())
}

fn p99_ms(hot: &mut SmallTopic, fetches: usize) -> Outcome<f64> {
    Ok(quantile_ms(&mut paced(fetches, FETCHES_PER_SECOND, |_| hot.fetch())?, 0.99))
}

fn goal(findings: &Findings) -> Option<Goal> {
    let alone_ms = findings.median(ALONE, TRANSFERTO, Unit::Milliseconds)?;
    let beside_ms = findings.median(BESIDE, TRANSFERTO, Unit::Milliseconds)?;
    Some(Goal::at_most(
        "p99 of a hot consumer beside a cold reader, of alone",
        1.2,
        beside_ms / alone_ms,
    ))
}
