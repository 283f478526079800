//! How long nothing is acknowledged when a leader is killed: from the `kill -9` to the next record that two
//! replicas have. Most of it is the time in which the controller still believes that the leader lives.

use std::thread;
use std::time::{Duration, Instant};

use transferto::message::compression_codec::CompressionCodec;

use crate::experiments::produce::Load;
use crate::figure::{Findings, Goal, Unit};
use crate::outcome::{Outcome, failed};
use crate::peers::cluster::{BROKERS, Cluster, Make};
use crate::peers::kafka;
use crate::peers::transferto::TRANSFERTO;
use crate::plan::Plan;
use crate::producer::ACKS_ALL;
use crate::scratch::Scratch;

const TOPIC: &str = "failover";
const BATCH: Load = Load::new(1, 1, 100, CompressionCodec::None);
/// The default, and what notices sooner; of the controller, then of the brokers.
const SESSIONS: [(&str, &[&str], &[&str]); 2] = [
    (
        "broker.session.timeout.ms=2000",
        &["broker.session.timeout.ms=2000"],
        &["broker.heartbeat.interval.ms=400"],
    ),
    ("broker.session.timeout.ms=9000, the default", &[], &[]),
];
/// A kill with the default takes twice nine seconds.
const KILLS_MAX: usize = 5;
const RETRIES_EVERY: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(60);

const REMARK: &str = "The client asks every 5 ms, which no client does that is kind to its brokers: Kafka's \
                      own wait 100 ms and more between two tries.";

/// One cluster after the other.
pub(crate) fn run(plan: &Plan) -> Outcome<Findings> {
    let mut findings = Findings::default();
    let sessions = if plan.is_short { &SESSIONS[..1] } else { &SESSIONS[..] };
    for (name, of_controller, of_brokers) in sessions {
        let row = format!("kill -9 of the leader to the next acknowledged record, {name}");
        for make in [Make::Transferto, Make::Kafka] {
            let scratch = Scratch::new(plan, "failover")?;
            let mut cluster =
                Cluster::start(plan, make, scratch.path(), of_controller, of_brokers)?;
            cluster.create_topic(TOPIC, 1, &[("min.insync.replicas", "2")])?;
            for _ in 0..plan.rounds.min(KILLS_MAX) {
                let elapsed = fail_over(plan, &mut cluster)?;
                println!("  {}: {} ms", cluster.name(), elapsed.as_millis());
                let value = elapsed.as_secs_f64() * 1e3;
                findings.add(&row, cluster.name(), Unit::Milliseconds, value);
            }
        }
        let median = |peer| findings.median(&row, peer, Unit::Milliseconds);
        if let (Some(own), Some(theirs)) = (median(TRANSFERTO), median(kafka::NAME)) {
            findings.goals.push(Goal::at_most(
                format!("{row}: time by Kafka's"),
                1.1,
                own / theirs,
            ));
        }
    }
    findings.remarks.push(REMARK.to_string());
    Ok(findings)
}

fn fail_over(plan: &Plan, cluster: &mut Cluster) -> Outcome<Duration> {
    let leader = cluster.wait_until_in_sync(TOPIC, 0, BROKERS as usize)?;
    let batch = BATCH.batch()?.bytes;
    cluster.client(leader)?.produce(TOPIC, 0, ACKS_ALL, &batch)?;
    cluster.kill(leader)?;
    let killed = Instant::now();
    let elapsed = loop {
        if killed.elapsed() > PATIENCE {
            return failed(format!("nothing was acknowledged within {PATIENCE:?}"));
        }
        if produce(cluster, leader, &batch)? {
            break killed.elapsed();
        }
        thread::sleep(RETRIES_EVERY);
    };
    cluster.start_broker(plan, leader)?;
    Ok(elapsed)
}

/// Whether the leader, if there is a new one, has taken the record.
fn produce(cluster: &Cluster, killed: i32, batch: &[u8]) -> Outcome<bool> {
    let leader = cluster.leader(TOPIC, 0)?.filter(|it| *it != killed);
    let Some(leader) = leader else { return Ok(false) };
    Ok(cluster.client(leader)?.produce(TOPIC, 0, ACKS_ALL, batch).is_ok())
}
