//! What it costs the server that a client connects: nothing more, a handshake of TLS, a login by SASL;
//! and the memory of a connection that stays.
//!
//! Each client connects, does what its row says, asks for the versions, and is gone. What is counted is
//! all of it, so the first row is what the others have to be compared with.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustls::version::TLS13;
use support::login::{Mechanism, log_in};
use support::tls::{TlsConnector, TlsFiles};
use transferto::security::scram::scram_mechanism::ScramMechanism;

use crate::client::Client;
use crate::connection::Connection;
use crate::figure::{Findings, Goal, Unit};
use crate::outcome::{Outcome, failed};
use crate::peers::Broker;
use crate::peers::kafka::{self, Kafka, RunningKafka};
use crate::peers::listener::{Listener, PLAINTEXT};
use crate::peers::transferto::{TRANSFERTO, Transferto};
use crate::plan::Plan;
use crate::scratch::Scratch;
use crate::wire::Wire;

const LISTENERS: [Listener; 5] = [
    ("ECDSA", "SSL"),
    ("ECDSA_MUTUAL", "SSL"),
    ("RSA", "SSL"),
    ("RSA_MUTUAL", "SSL"),
    ("SASL", "SASL_PLAINTEXT"),
];

const USER: &str = "bench";
const PASSWORD: &str = "bench-secret";
/// In a round, of each row.
const CONNECTIONS: usize = 300;
const CONNECTIONS_SHORT: usize = 60;
/// Of each row before the first round, so that a JVM has compiled what it runs.
const CONNECTIONS_OF_JVM: usize = 1_500;
/// Those that stay, and those before them, which grow what the broker keeps for all.
const IDLE: usize = 1_000;
const IDLE_BEFORE: usize = 200;
const KIB: f64 = 1024.0;

const IDLE_PLAIN: &str = "memory of an idle connection";
const IDLE_TLS: &str = "memory of an idle connection over TLS";
const IDLE_KIB_MAX: f64 = 16.0;
const CPU_OVER_KAFKA_MAX: f64 = 0.5;

/// How a client comes in.
struct Way {
    row: &'static str,
    listener: &'static str,
    has_tls: bool,
    shows_certificate: bool,
    mechanism: Option<Mechanism>,
}

impl Way {
    const fn plain(
        row: &'static str,
        listener: &'static str,
        mechanism: Option<Mechanism>,
    ) -> Self {
        Self { row, listener, has_tls: false, shows_certificate: false, mechanism }
    }

    const fn tls(row: &'static str, listener: &'static str, shows_certificate: bool) -> Self {
        Self { row, listener, has_tls: true, shows_certificate, mechanism: None }
    }

    const fn scram(row: &'static str, mechanism: ScramMechanism) -> Self {
        Self::plain(row, "SASL", Some(Mechanism::Scram(mechanism)))
    }
}

const WAYS: [Way; 8] = [
    Way::plain("no TLS, no login", PLAINTEXT, None),
    Way::tls("TLS, a key of ECDSA P-256", "ECDSA", false),
    Way::tls("TLS, a key of ECDSA P-256, the client's certificate", "ECDSA_MUTUAL", true),
    Way::tls("TLS, a key of RSA-2048", "RSA", false),
    Way::tls("TLS, a key of RSA-2048, the client's certificate", "RSA_MUTUAL", true),
    Way::plain("SASL/PLAIN, no TLS", "SASL", Some(Mechanism::Plain)),
    Way::scram("SASL/SCRAM-SHA-256, no TLS", ScramMechanism::ScramSha256),
    Way::scram("SASL/SCRAM-SHA-512, no TLS", ScramMechanism::ScramSha512),
];

pub(crate) fn run(plan: &Plan) -> Outcome<Findings> {
    let mut findings = Findings::default();
    let scratch = Scratch::new(plan, "logins")?;
    let files = TlsFiles::in_dir(scratch.path());
    let has_rsa = match make_rsa_key(&files, scratch.path()) {
        Ok(()) => true,
        Err(why) => {
            findings.remarks.push(format!("Keys of RSA are left out: {why}."));
            false
        }
    };
    let listeners: Vec<Listener> =
        LISTENERS.into_iter().filter(|it| has_rsa || !it.0.starts_with("RSA")).collect();
    let peers = start_peers(plan, &scratch, &files, &listeners, &mut findings)?;
    let callers = Callers::of(&files);
    let known = |way: &&Way| has_rsa || !way.listener.starts_with("RSA");
    for round in 0..=plan.rounds {
        println!("  round {round} of {}", plan.rounds);
        for way in WAYS.iter().filter(known) {
            for peer in &peers {
                let count = connections(plan, round, peer);
                let cpu_us = callers.cost_us(way, peer, count)?;
                if round > 0 {
                    findings.add(way.row, peer.broker().name(), Unit::CpuMicroseconds, cpu_us);
                }
            }
        }
    }
    drop(peers);
    for _ in 0..plan.rounds {
        measure_memory(plan, &files, &callers, &mut findings)?;
    }
    findings.goals = goals(&findings);
    Ok(findings)
}

fn connections(plan: &Plan, round: usize, peer: &Peer) -> usize {
    match (round, peer) {
        (0, Peer::Kafka(_)) if !plan.is_short => CONNECTIONS_OF_JVM,
        _ if plan.is_short => CONNECTIONS_SHORT,
        _ => CONNECTIONS,
    }
}

/// A broker with all these listeners.
enum Peer {
    Own(Transferto),
    Kafka(RunningKafka),
}

impl Peer {
    fn broker(&self) -> &dyn Broker {
        match self {
            Self::Own(broker) => broker,
            Self::Kafka(broker) => broker,
        }
    }

    fn port_of(&self, listener: &str) -> Outcome<u16> {
        match self {
            Self::Own(broker) => broker.port_of(listener),
            Self::Kafka(broker) => broker.port_of(listener),
        }
    }
}

/// What clients connect with.
struct Callers {
    stranger: TlsConnector,
    known: TlsConnector,
}

impl Callers {
    fn of(files: &TlsFiles) -> Self {
        let stranger = files.client().with_versions(&[&TLS13]);
        let known = stranger.clone().showing(&files.ca.client(USER));
        Self { stranger, known }
    }

    /// CPU time of the server, for one of so many connections.
    fn cost_us(&self, way: &Way, peer: &Peer, count: usize) -> Outcome<f64> {
        let port = peer.port_of(way.listener)?;
        let server = peer.broker().server();
        let before_ns = server.cpu_ns()?;
        for _ in 0..count {
            self.come_in(way, port)?;
        }
        Ok((server.cpu_ns()? - before_ns) as f64 / 1e3 / count as f64)
    }

    fn come_in(&self, way: &Way, port: u16) -> Outcome<Client> {
        let connector = if way.shows_certificate { &self.known } else { &self.stranger };
        let mut wire =
            if way.has_tls { Wire::tls(port, connector)? } else { Wire::plaintext(port)? };
        if let Some(mechanism) = way.mechanism {
            let answer = log_in(&mut wire, mechanism, USER, PASSWORD)?;
            if answer.error_code != 0 {
                return failed(format!("{}: {answer:?}", way.row));
            }
        }
        let mut client = Client::over(Connection::over(wire));
        client.ask_api_versions()?;
        Ok(client)
    }
}

/// A broker for each row: one that has let go of connections would use their memory again.
fn measure_memory(
    plan: &Plan,
    files: &TlsFiles,
    callers: &Callers,
    findings: &mut Findings,
) -> Outcome<()> {
    let scratch = Scratch::new(plan, "logins-memory")?;
    for (row, way) in [(IDLE_PLAIN, &WAYS[0]), (IDLE_TLS, &WAYS[1])] {
        let dir = scratch.join(way.listener);
        fs::create_dir_all(&dir)?;
        let settings = key_settings(files, &LISTENERS[..1]);
        let broker = Transferto::start_behind(plan, TRANSFERTO, &dir, &LISTENERS[..1], &settings)?;
        let port = broker.port_of(way.listener)?;
        let come_in = |_| callers.come_in(way, port);
        let before = (0..IDLE_BEFORE).map(come_in).collect::<Outcome<Vec<_>>>()?;
        let before_bytes = broker.server().resident_bytes()?;
        let idle = (0..IDLE).map(come_in).collect::<Outcome<Vec<_>>>()?;
        let grown_bytes = broker.server().resident_bytes()?.saturating_sub(before_bytes);
        findings.add(row, TRANSFERTO, Unit::Kib, grown_bytes as f64 / IDLE as f64 / KIB);
        drop((before, idle));
    }
    Ok(())
}

fn start_peers(
    plan: &Plan,
    scratch: &Scratch,
    files: &TlsFiles,
    listeners: &[Listener],
    findings: &mut Findings,
) -> Outcome<Vec<Peer>> {
    let mut settings = key_settings(files, listeners);
    settings.extend(sasl_settings());
    let log_dir = scratch.join("transferto");
    fs::create_dir_all(&log_dir)?;
    let users = users();
    add_users(plan, &log_dir, &users)?;
    let own = Transferto::start_behind(plan, TRANSFERTO, &log_dir, listeners, &settings)?;
    let mut peers = vec![Peer::Own(own)];
    if let Err(why) = kafka::java(plan, &[]) {
        findings.remarks.push(format!("{} is left out: {why}.", kafka::NAME));
        return Ok(peers);
    }
    let jars = kafka::jars_in(&plan.work_dir);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let dir = scratch.join("kafka");
    let kafka = Kafka::format_behind(jars, &dir, listeners, &settings, &users)?;
    peers.push(Peer::Kafka(kafka.start()?));
    Ok(peers)
}

/// What these listeners need, for both brokers, but for `transferto.ktls`, which Kafka does not know.
fn key_settings(files: &TlsFiles, listeners: &[Listener]) -> Vec<String> {
    let mut settings = vec![
        "transferto.ktls=off".to_string(),
        "ssl.keystore.type=PEM".to_string(),
        format!("ssl.keystore.location={}", files.keystore.display()),
        "ssl.truststore.type=PEM".to_string(),
        format!("ssl.truststore.location={}", files.truststore.display()),
    ];
    for (listener, _) in listeners {
        let prefix = format!("listener.name.{}.ssl", listener.to_lowercase());
        if listener.ends_with("MUTUAL") {
            settings.push(format!("{prefix}.client.auth=required"));
        }
        if listener.starts_with("RSA") {
            settings.push(format!("{prefix}.keystore.type=PEM"));
            settings.push(format!("{prefix}.keystore.location={}", rsa_keystore(files)));
        }
    }
    settings
}

fn sasl_settings() -> Vec<String> {
    let prefix = "listener.name.sasl";
    let module = "org.apache.kafka.common.security";
    let scram = |mechanism: &str| {
        format!("{prefix}.{mechanism}.sasl.jaas.config={module}.scram.ScramLoginModule required;")
    };
    vec![
        "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512".to_string(),
        format!(
            "{prefix}.plain.sasl.jaas.config={module}.plain.PlainLoginModule required \
             user_{USER}=\"{PASSWORD}\";"
        ),
        scram("scram-sha-256"),
        scram("scram-sha-512"),
    ]
}

/// As `--add-scram` and `add-scram` take them.
fn users() -> Vec<String> {
    let user =
        |it: ScramMechanism| format!("{}=[name={USER},password={PASSWORD}]", it.mechanism_name());
    ScramMechanism::ALL.into_iter().map(user).collect()
}

fn add_users(plan: &Plan, log_dir: &Path, users: &[String]) -> Outcome<()> {
    let log_dirs = format!("log.dirs={}", log_dir.display());
    let output = Command::new(&plan.binary)
        .args(["add-scram", "--override", &log_dirs])
        .args(users)
        .output()?;
    if !output.status.success() {
        return failed(format!("no users: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(())
}

fn rsa_keystore(files: &TlsFiles) -> String {
    files.keystore.with_file_name("rsa.pem").display().to_string()
}

/// By `openssl`: nothing here makes keys of RSA.
fn make_rsa_key(files: &TlsFiles, dir: &Path) -> Outcome<()> {
    let key = dir.join("rsa.key");
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out"])
        .arg(&key)
        .output();
    match made {
        Err(_) => return failed("openssl is not installed: apt-get install openssl"),
        Ok(output) if !output.status.success() => {
            return failed(String::from_utf8_lossy(&output.stderr).trim().to_string());
        }
        Ok(_) => {}
    }
    files.ca.server_of(&fs::read_to_string(key)?).write_keystore(Path::new(&rsa_keystore(files)));
    Ok(())
}

fn goals(findings: &Findings) -> Vec<Goal> {
    let mut goals = Vec::new();
    let cpu = |row, peer| findings.median(row, peer, Unit::CpuMicroseconds);
    for Way { row, .. } in &WAYS {
        if let (Some(own), Some(kafkas)) = (cpu(row, TRANSFERTO), cpu(row, kafka::NAME)) {
            let what = format!("{row}: CPU time of transferto by Kafka's");
            goals.push(Goal::at_most(what, CPU_OVER_KAFKA_MAX, own / kafkas));
        }
    }
    if let Some(each_kib) = findings.median(IDLE_TLS, TRANSFERTO, Unit::Kib) {
        goals.push(Goal::at_most("an idle connection over TLS, KiB", IDLE_KIB_MAX, each_kib));
    }
    goals
}
