//! What it costs to have records on three brokers before they are acknowledged: `acks=all` on topics of
//! three replicas, beside `acks=1` on the same topics, whose followers copy as well.
//!
//! Each producer has a connection to the leader of a partition of its own. CPU time is that of all three
//! brokers together.

use std::thread;
use std::time::{Duration, Instant};

use transferto::message::compression_codec::CompressionCodec;

use crate::delays::quantile_ms;
use crate::experiments::produce::Load;
use crate::figure::{Chart, Findings, Goal, Unit};
use crate::outcome::{Outcome, failed};
use crate::peers::cluster::{BROKERS, Cluster, Make};
use crate::peers::kafka;
use crate::peers::transferto::TRANSFERTO;
use crate::plan::Plan;
use crate::producer::{ACKS_ALL, ACKS_LEADER, Batch, Producer};
use crate::scratch::Scratch;
use crate::topic::SOON_DELETED;
use crate::turns::turns;

const MEASURED: Duration = Duration::from_millis(1_000);
const MEASURED_SHORT: Duration = Duration::from_millis(200);
/// Of each row before the first round, so that a JVM has compiled what it runs.
const WARM_UP: Duration = Duration::from_secs(2);
const WARM_UP_SHORT: Duration = Duration::from_millis(300);
/// One at a time.
const REQUESTS: usize = 500;
const REQUESTS_SHORT: usize = 100;
const ONE_BY_ONE: Load = Load::new(1, 1, 100, CompressionCodec::None);
const QUANTILES: [(&str, f64); 2] = [("p50", 0.5), ("p99", 0.99)];

const LOADS: &[(i16, Load)] = &[
    (ACKS_ALL, Load::new(1, 100, 1024, CompressionCodec::None)),
    (ACKS_ALL, Load::new(6, 1, 100, CompressionCodec::None)),
    (ACKS_ALL, Load::new(6, 100, 1024, CompressionCodec::None)),
    (ACKS_LEADER, Load::new(6, 100, 1024, CompressionCodec::None)),
];

const REMARK: &str = "Two controllers, three brokers of each make and the producers share the CPUs. The \
                      followers read and write what the leader sends, on the same machine and the same disk.";

/// Rates, then the time that one request takes.
pub(crate) fn run(plan: &Plan) -> Outcome<Findings> {
    let mut findings = Findings::default();
    let scratch = Scratch::new(plan, "acks-all")?;
    let mut clusters = vec![start(plan, Make::Transferto, &scratch)?];
    match kafka::java(plan, &[]) {
        Ok(_) => clusters.push(start(plan, Make::Kafka, &scratch)?),
        Err(why) => return failed(format!("its controller is Apache Kafka's: {why}")),
    }
    let batches = LOADS.iter().map(|(_, load)| load.batch()).collect::<Outcome<Vec<_>>>()?;
    let one = ONE_BY_ONE.batch()?;
    for round in 0..=plan.rounds {
        println!("  round {round} of {}", plan.rounds);
        for (number, (case, batch)) in LOADS.iter().zip(&batches).enumerate() {
            for cluster in turns(round, clusters.iter()) {
                let topic = format!("acks-all-{number}-{round}");
                let cost = measure(cluster, &topic, case, batch, duration(plan, round))?;
                if round > 0 {
                    let row = row(case.0, &case.1);
                    findings.add(&row, cluster.name(), Unit::MbPerSecond, cost.mb_per_second);
                    findings.add(&row, cluster.name(), Unit::CpuSecondsPerGb, cost.cpu_s_per_gb);
                }
            }
        }
        for cluster in turns(round, clusters.iter()) {
            let mut delays = one_by_one(plan, cluster, &format!("one-by-one-{round}"), &one)?;
            for (name, share) in QUANTILES.iter().filter(|_| round > 0) {
                let value = quantile_ms(&mut delays, *share);
                findings.add(&one_row(name), cluster.name(), Unit::Milliseconds, value);
            }
        }
    }
    findings.goals = goals(&findings);
    findings.charts = charts();
    findings.remarks.push(REMARK.to_string());
    Ok(findings)
}

fn start(plan: &Plan, make: Make, scratch: &Scratch) -> Outcome<Cluster> {
    let settings: &[&str] = match make {
        Make::Transferto => &[SOON_DELETED],
        Make::Kafka => &[SOON_DELETED, kafka::NO_INITIAL_DELAY],
    };
    let dir = scratch.join(if make == Make::Kafka { "kafka" } else { "transferto" });
    Cluster::start(plan, make, &dir, &[], settings)
}

fn duration(plan: &Plan, round: usize) -> Duration {
    match (round, plan.is_short) {
        (0, true) => WARM_UP_SHORT,
        (0, false) => WARM_UP,
        (_, true) => MEASURED_SHORT,
        (_, false) => MEASURED,
    }
}

struct Cost {
    mb_per_second: f64,
    /// A nanosecond for a byte is a second for 10^9.
    cpu_s_per_gb: f64,
}

fn measure(
    cluster: &Cluster,
    topic: &str,
    (acks, load): &(i16, Load),
    batch: &Batch,
    duration: Duration,
) -> Outcome<Cost> {
    cluster.create_topic(topic, load.producers(), &[("min.insync.replicas", "2")])?;
    let producer = |partition| {
        let leader = cluster.wait_until_in_sync(topic, partition, BROKERS as usize)?;
        Producer::with_acks(cluster.client(leader)?, topic, partition, *acks, batch)
    };
    let producers = (0..load.producers()).map(producer).collect::<Outcome<Vec<_>>>()?;
    let cpu_before_ns = cluster.cpu_ns()?;
    let began = Instant::now();
    let start =
        |mut producer: Producer| thread::spawn(move || producer.produce_until(began + duration));
    let threads: Vec<_> = producers.into_iter().map(start).collect();
    let mut requests = 0;
    for thread in threads {
        let Ok(answered) = thread.join() else { return failed("a producer has panicked") };
        requests += answered?;
    }
    let elapsed = began.elapsed();
    let cpu_ns = (cluster.cpu_ns()? - cpu_before_ns) as f64;
    cluster.any_client()?.delete_topic(topic)?;
    let bytes = (requests * batch.payload_bytes) as f64;
    Ok(Cost { mb_per_second: bytes / 1e6 / elapsed.as_secs_f64(), cpu_s_per_gb: cpu_ns / bytes })
}

/// How long each request takes that waits for the answer to the one before.
fn one_by_one(
    plan: &Plan,
    cluster: &Cluster,
    topic: &str,
    batch: &Batch,
) -> Outcome<Vec<Duration>> {
    cluster.create_topic(topic, 1, &[("min.insync.replicas", "2")])?;
    let leader = cluster.wait_until_in_sync(topic, 0, BROKERS as usize)?;
    let mut client = cluster.client(leader)?;
    // The followers may have begun to copy only now.
    client.produce(topic, 0, ACKS_ALL, &batch.bytes)?;
    let count = if plan.is_short { REQUESTS_SHORT } else { REQUESTS };
    let mut delays = Vec::with_capacity(count);
    for _ in 0..count {
        let began = Instant::now();
        client.produce(topic, 0, ACKS_ALL, &batch.bytes)?;
        delays.push(began.elapsed());
    }
    client.delete_topic(topic)?;
    Ok(delays)
}

fn row(acks: i16, load: &Load) -> String {
    let acks = if acks == ACKS_ALL { "acks=all" } else { "acks=1" };
    format!("{acks}, {}", load.row())
}

fn one_row(quantile: &str) -> String {
    format!("acks=all, one request of 100 B at a time, {quantile}")
}

/// No slower than Kafka's three brokers, and less of the CPU.
fn goals(findings: &Findings) -> Vec<Goal> {
    let ratio = |row: &str, unit| {
        let of_kafka = findings.median(row, kafka::NAME, unit)?;
        Some(findings.median(row, TRANSFERTO, unit)? / of_kafka)
    };
    let mut goals = Vec::new();
    for (acks, load) in LOADS {
        let row = row(*acks, load);
        if let Some(rate) = ratio(&row, Unit::MbPerSecond) {
            goals.push(Goal::at_least(format!("{row}: rate by Kafka's"), 1.0, rate));
        }
        if let Some(cpu) = ratio(&row, Unit::CpuSecondsPerGb) {
            goals.push(Goal::at_most(format!("{row}: CPU time by Kafka's"), 0.5, cpu));
        }
    }
    for (name, _) in QUANTILES {
        if let Some(time) = ratio(&one_row(name), Unit::Milliseconds) {
            goals.push(Goal::at_most(format!("{}: time by Kafka's", one_row(name)), 1.0, time));
        }
    }
    goals
}

fn charts() -> Vec<Chart> {
    let rows = || LOADS.iter().map(|(acks, load)| row(*acks, load)).collect();
    let chart = |title: &str, unit| Chart { title: title.to_string(), unit, rows: rows() };
    vec![
        chart("Three replicas: records per second, more is better", Unit::MbPerSecond),
        chart("Three replicas: CPU time of all brokers, less is better", Unit::CpuSecondsPerGb),
    ]
}
