//! How fast a follower copies that has fallen behind: a broker is stopped, its leader takes in records
//! meanwhile, and the broker comes back.
//!
//! Beside it a bare loop copies as many bytes: `sendfile(2)` on the one side, `read(2)` and `write(2)` on
//! the other, which is what a follower has to do at least.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use transferto::message::compression_codec::CompressionCodec;

use crate::experiments::produce::Load;
use crate::figure::{Findings, Goal, Unit};
use crate::outcome::{Outcome, failed};
use crate::peers::cluster::{BROKERS, Cluster, Make};
use crate::peers::file_server::{FileServer, Way};
use crate::peers::transferto::TRANSFERTO;
use crate::plan::Plan;
use crate::producer::Producer;
use crate::scratch::Scratch;
use crate::topic::SOON_DELETED;

const DATA_BYTES: u64 = 512 << 20;
const DATA_BYTES_SHORT: u64 = 64 << 20;
/// `replica.fetch.max.bytes`.
const FETCH_BYTES: u64 = 1 << 20;
/// A follower has this many segments to make at most, as the loop has one file.
const SEGMENT_BYTES: &str = "1073741824";
const BATCH: Load = Load::new(1, 1000, 1024, CompressionCodec::None);
/// A broker that is missed soon is back soon.
const SESSION: &str = "broker.session.timeout.ms=2000";
const HEARTBEAT: &str = "broker.heartbeat.interval.ms=400";
const LOOKS_EVERY: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(120);
const BARE_LOOP: &str = "bare copy loop";

const REMARK: &str = "The clock runs from the first byte in the follower's log to the last; what is copied is \
                      in the page cache of the leader. Without an fsync on either side.";

/// In turn, round after round.
pub(crate) fn run(plan: &Plan) -> Outcome<Findings> {
    let mut findings = Findings::default();
    let bytes = if plan.is_short { DATA_BYTES_SHORT } else { DATA_BYTES };
    let row = format!("a follower copies {} MiB", bytes >> 20);
    let scratch = Scratch::new(plan, "follower")?;
    for round in 1..=plan.rounds {
        let rate = bare_rate(&scratch, bytes)?;
        println!("  round {round} of {}: {BARE_LOOP}: {rate:.0} MB/s", plan.rounds);
        findings.add(&row, BARE_LOOP, Unit::MbPerSecond, rate);
    }
    for make in [Make::Transferto, Make::Kafka] {
        let dir = scratch.join(if make == Make::Kafka { "kafka" } else { "transferto" });
        let mut cluster = Cluster::start(plan, make, &dir, &[SESSION], &[HEARTBEAT, SOON_DELETED])?;
        for round in 1..=plan.rounds {
            let rate = follower_rate(plan, &mut cluster, &format!("copied-{round}"), bytes)?;
            println!("  round {round} of {}: {}: {rate:.0} MB/s", plan.rounds, cluster.name());
            findings.add(&row, cluster.name(), Unit::MbPerSecond, rate);
        }
    }
    let median = |peer| findings.median(&row, peer, Unit::MbPerSecond);
    if let (Some(own), Some(bare)) = (median(TRANSFERTO), median(BARE_LOOP)) {
        let what = format!("{row}: share of the bare loop's rate");
        findings.goals.push(Goal::at_least(what, 0.5, own / bare));
    }
    findings.remarks.push(REMARK.to_string());
    Ok(findings)
}

fn bare_rate(scratch: &Scratch, bytes: u64) -> Outcome<f64> {
    let (from, to) = (scratch.join("from"), scratch.join("to"));
    fs::write(&from, vec![7_u8; usize::try_from(bytes)?])?;
    let server = FileServer::start(Way::Sendfile, &from, None)?;
    let elapsed = server.copy_to(&to, bytes, FETCH_BYTES)?;
    fs::remove_file(from)?;
    fs::remove_file(to)?;
    Ok(bytes as f64 / 1e6 / elapsed.as_secs_f64())
}

fn follower_rate(plan: &Plan, cluster: &mut Cluster, topic: &str, bytes: u64) -> Outcome<f64> {
    cluster.create_topic(topic, 1, &[("segment.bytes", SEGMENT_BYTES)])?;
    let leader = cluster.wait_until_in_sync(topic, 0, BROKERS as usize)?;
    let follower = if leader == 1 { 2 } else { 1 };
    cluster.stop(follower)?;
    produce(cluster, leader, topic, bytes)?;
    let wanted = log_bytes(&cluster.log_dir(leader), topic);
    let copied = cluster.log_dir(follower);
    let before = log_bytes(&copied, topic);
    let watched = thread::spawn({
        let topic = topic.to_string();
        move || time_to_copy(&copied, &topic, before, wanted)
    });
    cluster.start_broker(plan, follower)?;
    let Ok(elapsed) = watched.join() else { return failed("what watches the log has panicked") };
    cluster.wait_until_in_sync(topic, 0, BROKERS as usize)?;
    cluster.any_client()?.delete_topic(topic)?;
    Ok((wanted - before) as f64 / 1e6 / elapsed?.as_secs_f64())
}

fn produce(cluster: &Cluster, leader: i32, topic: &str, bytes: u64) -> Outcome<()> {
    let batch = BATCH.batch()?;
    let mut producer = Producer::over(cluster.client(leader)?, topic, 0, &batch)?;
    producer.produce_count(bytes / batch.payload_bytes)
}

fn time_to_copy(log_dir: &Path, topic: &str, before: u64, wanted: u64) -> Outcome<Duration> {
    let (began, mut first) = (Instant::now(), None);
    while began.elapsed() < PATIENCE {
        let now = log_bytes(log_dir, topic);
        if now >= wanted {
            return Ok(first.unwrap_or(began).elapsed());
        }
        if now > before && first.is_none() {
            first = Some(Instant::now());
        }
        thread::sleep(LOOKS_EVERY);
    }
    failed(format!("the follower has not copied {wanted} bytes after {PATIENCE:?}"))
}

/// What the segments of partition 0 take, without preallocated room; 0 while there are none.
fn log_bytes(log_dir: &Path, topic: &str) -> u64 {
    let Ok(files) = fs::read_dir(log_dir.join(format!("{topic}-0"))) else { return 0 };
    let is_log = |path: &Path| path.extension().is_some_and(|it| it == "log");
    let logs = files.flatten().filter(|it| is_log(&it.path()));
    logs.filter_map(|it| it.metadata().ok()).map(|it| it.len()).sum()
}
