//! What Kafka's own perf tools say of both brokers, so that nobody has to trust the clients here.
//!
//! `kafka-producer-perf-test` and `kafka-consumer-perf-test`, in a JVM of their own each time. On a
//! machine of few CPUs these clients are the bound: what a broker costs shows in its CPU time.

use std::fs;
use std::path::PathBuf;

use crate::figure::{Findings, Goal, Unit};
use crate::outcome::{Outcome, failed};
use crate::peers::Broker;
use crate::peers::kafka::{self, Kafka};
use crate::peers::transferto::{TRANSFERTO, Transferto};
use crate::plan::Plan;
use crate::scratch::Scratch;
use crate::topic::{SOON_DELETED, Topic};
use crate::turns::turns;

/// A JVM takes a second to start and to compile the client.
const RECORDS: usize = 2_000_000;
const RECORDS_SHORT: usize = 300_000;
const RECORD_BYTES: usize = 100;
/// Each takes some seconds.
const ROUNDS_MAX: usize = 3;
/// The heap of Kafka's script, and no log.
const TOOL_FLAGS: &[&str] = &["-Xmx512M", kafka::WARNINGS_ONLY];
/// As in the file of settings that Kafka comes with.
const NO_REBALANCE_DELAY: &str = "group.initial.rebalance.delay.ms=0";

const PRODUCER: &str = "kafka-producer-perf-test, records of 100 B, acks 1";
const CONSUMER: &str = "kafka-consumer-perf-test, records of 100 B";
/// Of Kafka's CPU time.
const GOAL: f64 = 0.5;

const REMARK: &str = "The rates are those that the tools print, the consumer's without its rebalance. \
                      The tools are the bound here, as they share the CPUs with the broker: what a \
                      broker costs is its CPU time.";

pub(crate) fn run(plan: &Plan) -> Outcome<Findings> {
    let mut findings = Findings::default();
    let scratch = Scratch::new(plan, "perf-tools")?;
    let dir = scratch.join("kafka");
    let settings = [SOON_DELETED, NO_REBALANCE_DELAY, kafka::NO_INITIAL_DELAY];
    let Some(kafka) = Kafka::start_or_remark(plan, &dir, &settings, &mut findings)? else {
        return Ok(findings);
    };
    let own_dir = scratch.join("transferto");
    fs::create_dir_all(&own_dir)?;
    let own = Transferto::start(plan, TRANSFERTO, &own_dir, &settings[..2])?;
    let brokers: [(&dyn Broker, PathBuf); 2] = [(&own, own_dir), (&kafka, kafka::log_dir(&dir))];
    let tools = Tools { plan, records: if plan.is_short { RECORDS_SHORT } else { RECORDS } };
    for round in 0..=plan.rounds.min(ROUNDS_MAX) {
        println!("  round {round} of {}", plan.rounds.min(ROUNDS_MAX));
        for (broker, log_dir) in turns(round, brokers.iter()) {
            let topic = format!("perf-{round}");
            let topic = Topic::create(&topic, 1, broker.port(), log_dir.clone())?;
            for row in [PRODUCER, CONSUMER] {
                let cost = tools.run(row, *broker, &topic.name)?;
                // The first time is for the JVM of the broker.
                if round > 0 {
                    findings.add(row, broker.name(), Unit::MbPerSecond, cost.mb_per_second);
                    findings.add(row, broker.name(), Unit::CpuSecondsPerGb, cost.cpu_s_per_gb);
                }
            }
            topic.delete()?;
        }
    }
    let goals = [PRODUCER, CONSUMER].map(|row| goal(row, &findings));
    findings.goals.extend(goals.into_iter().flatten());
    findings.remarks.push(REMARK.to_string());
    Ok(findings)
}

fn goal(row: &str, findings: &Findings) -> Option<Goal> {
    let of_kafka = findings.median(row, kafka::NAME, Unit::CpuSecondsPerGb)?;
    let ratio = findings.median(row, TRANSFERTO, Unit::CpuSecondsPerGb)? / of_kafka;
    Some(Goal::at_most(format!("{row}: CPU time by Kafka's"), GOAL, ratio))
}

/// What one run of a tool took.
struct Cost {
    mb_per_second: f64,
    cpu_s_per_gb: f64,
}

struct Tools<'a> {
    plan: &'a Plan,
    records: usize,
}

impl Tools<'_> {
    fn run(&self, row: &str, broker: &dyn Broker, topic: &str) -> Outcome<Cost> {
        let cpu_before_ns = broker.server().cpu_ns()?;
        let records_per_second = match row {
            PRODUCER => self.produce(broker.port(), topic)?,
            _ => self.consume(broker.port(), topic)?,
        };
        let cpu_ns = broker.server().cpu_ns()? - cpu_before_ns;
        let bytes = (self.records * RECORD_BYTES) as f64;
        Ok(Cost {
            mb_per_second: records_per_second * RECORD_BYTES as f64 / 1e6,
            cpu_s_per_gb: cpu_ns as f64 / bytes,
        })
    }

    /// Returns what it prints: records per second.
    fn produce(&self, port: u16, topic: &str) -> Outcome<f64> {
        let size = RECORD_BYTES.to_string();
        let own = ["--record-size", &size, "--throughput", "-1", "--command-property", "acks=1"];
        let printed = self.output("ProducerPerformance", port, topic, &own)?;
        // "2000000 records sent, 414421.881475 records/sec (39.52 MB/sec), ...": the last line is of
        // all records, those before are of some seconds each.
        let line = printed.lines().rfind(|line| line.contains(" records sent, "));
        let rate = line.and_then(|line| line.split(", ").nth(1)?.split(' ').next());
        number(rate, &printed)
    }

    /// The same, without the time in which the consumer joined its group.
    fn consume(&self, port: u16, topic: &str) -> Outcome<f64> {
        let printed = self.output("ConsumerPerformance", port, topic, &[])?;
        let (names, values) = printed.trim().rsplit_once('\n').unwrap_or_default();
        let column = names.split(',').position(|name| name.trim() == "fetch.nMsg.sec");
        let rate = column.and_then(|column| values.split(',').nth(column));
        number(rate, &printed)
    }

    fn output(&self, tool: &str, port: u16, topic: &str, own: &[&str]) -> Outcome<String> {
        let output = kafka::java(self.plan, TOOL_FLAGS)?
            .arg(format!("org.apache.kafka.tools.{tool}"))
            .args(["--bootstrap-server", &format!("127.0.0.1:{port}"), "--topic", topic])
            .args(["--num-records", &self.records.to_string()])
            .args(own)
            .output()?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            return failed(format!("{tool} failed: {printed}{why}"));
        }
        Ok(printed)
    }
}

fn number(text: Option<&str>, printed: &str) -> Outcome<f64> {
    let number = text.and_then(|text| text.trim().parse().ok());
    number.map_or_else(|| failed(format!("no rate in: {printed}")), Ok)
}
