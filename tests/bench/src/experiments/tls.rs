//! What TLS costs those who fetch and produce: each broker is one process with a plain listener and one
//! of TLS, and the same clients come in by either.
//!
//! All encrypt by AES-128-GCM in TLS 1.3. The client decrypts by rustls on the same CPUs, so a rate
//! says less than the server's CPU time.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::version::TLS13;
use support::tls::{TlsConnector, TlsFiles};
use transferto::message::compression_codec::CompressionCodec;
use transferto::transport::kernel_tls::KernelTls;

use crate::call_counter::CallCounter;
use crate::connection::Tally;
use crate::data_set::DataSet;
use crate::experiments::produce::{self, Load, Peer};
use crate::figure::{Findings, Goal, Unit};
use crate::outcome::Outcome;
use crate::peers::entrance::Entrance;
use crate::peers::kafka::{self, Kafka};
use crate::peers::listener::Listener;
use crate::peers::transferto::{TRANSFERTO, Transferto};
use crate::peers::{Broker, Errand, FetchPeer};
use crate::plan::Plan;
use crate::scratch::Scratch;
use crate::stretch::measure;
use crate::topic::SOON_DELETED;
use crate::turns::turns;

const IN_USER_SPACE: &str = "transferto, TLS";
const IN_THE_KERNEL: &str = "transferto, TLS in the kernel";
const KAFKAS: &str = "Apache Kafka 4.4.0, TLS";

const USERS: Listener = ("USERS", "SSL");
const KERNELS: Listener = ("KERNELS", "SSL");

const DATA_BYTES: usize = 256 << 20;
const VALUE_BYTES: usize = 100;
const BATCH_BYTES: usize = 16_384;
const MEASURED: Duration = Duration::from_millis(500);
const MEASURED_SHORT: Duration = Duration::from_millis(150);
const WARM_UP: Duration = Duration::from_millis(150);
/// Of each row, so that a JVM has compiled what it runs.
const WARM_UP_OF_JVM: Duration = Duration::from_secs(2);
/// So much is fetched while calls are counted.
const COUNTED_BYTES: usize = 200 << 20;

/// Consumers, and the bytes of a fetch.
const FETCHES: [(usize, usize); 3] = [(1, 1 << 20), (8, 1 << 20), (1, 50 << 20)];
const LOADS: [Load; 3] = [
    Load::new(1, 1, 100, CompressionCodec::None),
    Load::new(1, 1000, 100, CompressionCodec::None),
    Load::new(8, 1000, 100, CompressionCodec::None),
];

/// Over TLS, of what the plain listener of the same process takes: the copies and the encryption.
const CPU_OVER_PLAIN_MAX: f64 = 4.0;
/// Over TLS, beside Kafka over TLS.
const CPU_OVER_KAFKA_MAX: f64 = 0.5;

pub(crate) fn run(plan: &Plan) -> Outcome<Findings> {
    let mut findings = Findings::default();
    let scratch = Scratch::new(plan, "tls")?;
    let data = DataSet::new("small", 1, DATA_BYTES, VALUE_BYTES, BATCH_BYTES)?;
    let peers = start_peers(plan, &scratch, &mut findings)?;
    for log_dir in distinct(&peers) {
        if let Some(peer) = peers.iter().find(|it| it.log_dir.as_ref() == Some(log_dir)) {
            data.fill(peer.server.port())?;
        }
    }
    let tls = Tls { plan, peers: &peers, data: &data, dir: scratch.path() };
    let obstacle = CallCounter::obstacle();
    findings.remarks.extend(obstacle.clone());
    for round in 0..=plan.rounds {
        println!("  round {round} of {}", plan.rounds);
        tls.fetch(round, &mut findings)?;
        if obstacle.is_none() && round > 0 {
            tls.count_calls(round, &mut findings)?;
        }
        tls.produce(round, &mut findings)?;
    }
    findings.goals = goals(&findings);
    Ok(findings)
}

fn distinct(peers: &[Peer]) -> Vec<&PathBuf> {
    let mut dirs: Vec<&PathBuf> = peers.iter().filter_map(|it| it.log_dir.as_ref()).collect();
    dirs.dedup();
    dirs
}

struct Tls<'a> {
    plan: &'a Plan,
    peers: &'a [Peer],
    data: &'a DataSet,
    dir: &'a Path,
}

impl Tls<'_> {
    /// The first round is for a JVM.
    fn time(&self, round: usize, peer: &Peer) -> Duration {
        match round {
            0 => peer.warm_up,
            _ if self.plan.is_short => MEASURED_SHORT,
            _ => MEASURED,
        }
    }

    fn fetch(&self, round: usize, findings: &mut Findings) -> Outcome<()> {
        for (consumers, fetch_bytes) in FETCHES {
            for peer in turns(round, self.peers.iter()) {
                let errand = Errand { data: self.data, fetch_bytes, partitions: 1, behind: 0.0 };
                let stretch = measure(&peer.server, consumers, &errand, self.time(round, peer))?;
                if round > 0 {
                    let (row, name) = (row(consumers, fetch_bytes), peer.server.name());
                    findings.add(&row, name, Unit::GbPerSecond, stretch.gb_per_second());
                    let cpu = stretch.cpu_seconds_per_gb();
                    findings.add(&row, name, Unit::CpuSecondsPerGb, cpu);
                }
            }
        }
        Ok(())
    }

    /// Of one consumer, which knows how much it has taken.
    fn count_calls(&self, round: usize, findings: &mut Findings) -> Outcome<()> {
        for (consumers, fetch_bytes) in FETCHES.into_iter().filter(|it| it.0 == 1) {
            for peer in turns(round, self.peers.iter()) {
                let errand = Errand { data: self.data, fetch_bytes, partitions: 1, behind: 0.0 };
                let mut consumer = peer.server.consumer(&errand)?;
                consumer.fetch(&Tally::default())?;
                let tally = Tally::default();
                let mut counter =
                    CallCounter::attach(Broker::server(&peer.server).pid(), self.dir)?;
                counter.begin()?;
                for _ in 0..COUNTED_BYTES / fetch_bytes {
                    consumer.fetch(&tally)?;
                }
                let calls = counter.finish()?.all / (tally.kept_bytes() as f64 / 1e9);
                let row = row(consumers, fetch_bytes);
                let row = format!("system calls, {row}");
                findings.add(&row, peer.server.name(), Unit::CallsPerGb, calls);
            }
        }
        Ok(())
    }

    fn produce(&self, round: usize, findings: &mut Findings) -> Outcome<()> {
        for load in &LOADS {
            let batch = load.batch()?;
            for peer in turns(round, self.peers.iter()) {
                let cost = produce::measure(peer, load, &batch, round, self.time(round, peer))?;
                if round > 0 {
                    let (row, name) = (load.row(), peer.server.name());
                    findings.add(&row, name, Unit::MbPerSecond, cost.mb_per_second());
                    findings.add(&row, name, Unit::CpuSecondsPerGb, cost.cpu_seconds_per_gb());
                }
            }
        }
        Ok(())
    }
}

fn start_peers(plan: &Plan, scratch: &Scratch, findings: &mut Findings) -> Outcome<Vec<Peer>> {
    let files = TlsFiles::in_dir(scratch.path());
    let connector =
        files.client().with_cipher_suites(&[TLS13_AES_128_GCM_SHA256]).with_versions(&[&TLS13]);
    let mut peers = transferto(plan, scratch, &files, &connector, findings)?;
    peers.extend(apache_kafka(plan, scratch, &files, &connector, findings)?);
    Ok(peers)
}

fn transferto(
    plan: &Plan,
    scratch: &Scratch,
    files: &TlsFiles,
    connector: &TlsConnector,
    findings: &mut Findings,
) -> Outcome<Vec<Peer>> {
    let log_dir = scratch.join("transferto");
    fs::create_dir_all(&log_dir)?;
    let mut settings = key_settings(files);
    settings.push(SOON_DELETED.to_string());
    settings.push("listener.name.users.transferto.ktls=off".to_string());
    let mut listeners = vec![USERS];
    match KernelTls::probe().refusal() {
        None => {
            listeners.push(KERNELS);
            settings.push("listener.name.kernels.transferto.ktls=required".to_string());
        }
        Some(why) => findings
            .remarks
            .push(format!("{IN_THE_KERNEL}: not measured: this kernel has no TLS ({why}).")),
    }
    let broker = Transferto::start_behind(plan, TRANSFERTO, &log_dir, &listeners, &settings)?;
    let mut ports = vec![(IN_USER_SPACE, broker.port_of(USERS.0)?)];
    if listeners.contains(&KERNELS) {
        ports.push((IN_THE_KERNEL, broker.port_of(KERNELS.0)?));
    }
    let broker: Rc<dyn Broker> = Rc::new(broker);
    Ok(entrances(&broker, &ports, connector, &log_dir, WARM_UP))
}

fn apache_kafka(
    plan: &Plan,
    scratch: &Scratch,
    files: &TlsFiles,
    connector: &TlsConnector,
    findings: &mut Findings,
) -> Outcome<Vec<Peer>> {
    if let Err(why) = kafka::java(plan, &[]) {
        findings.remarks.push(format!("{} is left out: {why}.", kafka::NAME));
        return Ok(Vec::new());
    }
    let dir = scratch.join("kafka");
    let mut settings = key_settings(files);
    settings.extend([SOON_DELETED, kafka::NO_INITIAL_DELAY].map(ToString::to_string));
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let jars = kafka::jars_in(&plan.work_dir);
    let broker = Kafka::format_behind(jars, &dir, &[USERS], &settings, &[])?.start()?;
    let ports = [(KAFKAS, broker.port_of(USERS.0)?)];
    let broker: Rc<dyn Broker> = Rc::new(broker);
    let warm_up = if plan.is_short { WARM_UP } else { WARM_UP_OF_JVM };
    Ok(entrances(&broker, &ports, connector, &kafka::log_dir(&dir), warm_up))
}

/// The settings of both brokers.
fn key_settings(files: &TlsFiles) -> Vec<String> {
    vec![
        "ssl.keystore.type=PEM".to_string(),
        format!("ssl.keystore.location={}", files.keystore.display()),
    ]
}

/// The plain one first.
fn entrances(
    broker: &Rc<dyn Broker>,
    tls: &[(&str, u16)],
    connector: &TlsConnector,
    log_dir: &Path,
    warm_up: Duration,
) -> Vec<Peer> {
    let plain = Entrance::plain(broker);
    let encrypted = tls.iter().map(|(name, port)| Entrance::tls(broker, name, *port, connector));
    let peer = |entrance| Peer {
        server: Box::new(entrance),
        log_dir: Some(log_dir.to_path_buf()),
        warm_up,
        is_for_codecs: false,
    };
    [plain].into_iter().chain(encrypted).map(peer).collect()
}

fn row(consumers: usize, fetch_bytes: usize) -> String {
    let plural = if consumers == 1 { "" } else { "s" };
    format!("{consumers} consumer{plural}, fetches of {} MiB", fetch_bytes >> 20)
}

/// Of each fetch and each load, over TLS in user space.
fn goals(findings: &Findings) -> Vec<Goal> {
    let fetches = FETCHES.map(|(consumers, bytes)| row(consumers, bytes));
    let rows = fetches.into_iter().chain(LOADS.iter().map(Load::row));
    let mut goals = Vec::new();
    for row in rows {
        let cpu = |peer| findings.median(&row, peer, Unit::CpuSecondsPerGb);
        let Some(own) = cpu(IN_USER_SPACE) else { continue };
        if let Some(plain) = cpu(TRANSFERTO) {
            let what = format!("{row}: CPU time over TLS, of that without");
            goals.push(Goal::at_most(what, CPU_OVER_PLAIN_MAX, own / plain));
        }
        if let Some(kafkas) = cpu(KAFKAS) {
            let what = format!("{row}: CPU time over TLS, of Kafka's over TLS");
            goals.push(Goal::at_most(what, CPU_OVER_KAFKA_MAX, own / kafkas));
        }
    }
    goals
}
