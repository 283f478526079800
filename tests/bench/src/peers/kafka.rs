//! Apache Kafka: one JVM that is a broker and its own controller, from the jars of Maven Central.
//!
//! Its settings are its defaults, its JVM flags those of its own start scripts. The jars stay in
//! the directory of the work, so that only the first run needs a network.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::figure::Findings;
use crate::jars::{self, Jars};
use crate::outcome::{Outcome, failed};
use crate::peers::Broker;
use crate::peers::listener::{self, Listener, PLAINTEXT};
use crate::plan::Plan;
use crate::process::Server;

/// As the tables name it.
pub const NAME: &str = "Apache Kafka 4.4.0";
const VERSION: &str = "4.4.0";
/// Names the artifacts.
const POM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/kafka/pom.xml");

/// Of `kafka-server-start.sh` and `kafka-run-class.sh`.
pub const JVM_FLAGS: &[&str] = &[
    "-Xmx1G",
    "-Xms1G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
];
/// Of a process that lives for a second.
pub const JVM_FLAGS_OF_A_TOOL: &[&str] =
    &["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
pub const WARNINGS_ONLY: &str = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn";
/// Any UUID will do.
pub const CLUSTER_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// A deleted topic's files go as soon as the broker has started, and not half a minute later.
pub const NO_INITIAL_DELAY: &str = "log.initial.task.delay.ms=100";

/// The last line of a start.
pub const STARTED: &str = "Kafka Server started";

/// Where the jars lie below this directory; nothing is fetched by it.
pub fn jars_in(work_dir: &Path) -> Jars {
    Jars::new(NAME, Path::new(POM), work_dir.join(format!("kafka_jars_{VERSION}")))
        .with_property("kafka.version", VERSION)
}

/// Fetches the jars unless they are there. To be called before the network namespace is entered,
/// which has no way out.
///
/// # Errors
/// If `java` or `mvn` is missing, or Maven Central cannot be reached. The experiments then go on
/// without this peer.
pub fn fetch_jars(plan: &Plan) -> Outcome<()> {
    jars_in(&plan.work_dir).fetch()
}

/// A JVM with Kafka's jars on its class path; `flags` go in front of them.
pub fn java(plan: &Plan, flags: &[&str]) -> Outcome<Command> {
    jars_in(&plan.work_dir).java(flags)
}

/// A directory that is formatted, and the settings of a broker on it.
#[derive(Debug)]
pub struct Kafka {
    jars: Jars,
    dir: PathBuf,
    port: u16,
    /// Of its listeners for clients.
    ports: Vec<(Listener, u16)>,
}

impl Kafka {
    /// Formats `dir`, which must not be there yet, for a broker with these settings (`name=value`)
    /// beside the defaults.
    pub fn format(plan: &Plan, dir: &Path, settings: &[&str]) -> Outcome<Self> {
        Self::format_with(jars_in(&plan.work_dir), dir, settings)
    }

    /// The same, with the jars at hand.
    pub fn format_with(jars: Jars, dir: &Path, settings: &[&str]) -> Outcome<Self> {
        Self::format_behind(jars, dir, &[], settings, &[])
    }

    /// The same, with these listeners beside the plain one, and users of SCRAM as `--add-scram` takes
    /// them.
    pub fn format_behind(
        jars: Jars,
        dir: &Path,
        listeners: &[Listener],
        settings: &[&str],
        users: &[&str],
    ) -> Outcome<Self> {
        fs::create_dir_all(dir)?;
        let [port, controller_port] = free_ports()?;
        let mut ports = vec![((PLAINTEXT, PLAINTEXT), port)];
        for listener in listeners {
            let [port] = free_ports()?;
            ports.push((*listener, port));
        }
        let kafka = Self { jars, dir: dir.to_path_buf(), port, ports };
        fs::write(kafka.properties(), kafka.lines(controller_port, settings))?;
        let mut format = kafka.jars.java(JVM_FLAGS_OF_A_TOOL)?;
        format.arg(WARNINGS_ONLY).args(["kafka.tools.StorageTool", "format", "--standalone"]);
        format.args(["-t", CLUSTER_ID, "-c"]).arg(kafka.properties());
        format.args(users.iter().flat_map(|user| ["--add-scram", user]));
        let output = format.output()?;
        if !output.status.success() {
            return failed(format!("no format: {}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(kafka)
    }

    /// Formats `dir` and starts a broker on it; without the JVM or the jars, `findings` get a
    /// remark instead.
    pub fn start_or_remark(
        plan: &Plan,
        dir: &Path,
        settings: &[&str],
        findings: &mut Findings,
    ) -> Outcome<Option<RunningKafka>> {
        if let Err(why) = java(plan, &[]) {
            findings.remarks.push(format!("{NAME} is left out: {why}."));
            return Ok(None);
        }
        Self::format(plan, dir, settings)?.start().map(Some)
    }

    /// Starts the broker and waits until it serves.
    pub fn start(&self) -> Outcome<RunningKafka> {
        let mut broker = self.jars.java(JVM_FLAGS)?;
        broker.arg("kafka.Kafka").arg(self.properties());
        let server = jars::start(broker, NAME, &self.log(), STARTED)?;
        Ok(RunningKafka { server, port: self.port, ports: self.ports.clone() })
    }

    /// What one node alone needs, then what was asked for.
    fn lines(&self, controller_port: u16, settings: &[&str]) -> String {
        let (listeners, protocols) = listener::settings(&self.ports);
        let controller = format!("127.0.0.1:{controller_port}");
        let own = [
            "process.roles=broker,controller".to_string(),
            "node.id=1".to_string(),
            format!("controller.quorum.bootstrap.servers={controller}"),
            format!("listeners={listeners},CONTROLLER://{controller}"),
            "controller.listener.names=CONTROLLER".to_string(),
            format!("listener.security.protocol.map=CONTROLLER:PLAINTEXT,{protocols}"),
            format!("log.dirs={}", log_dir(&self.dir).display()),
            "offsets.topic.replication.factor=1".to_string(),
            "transaction.state.log.replication.factor=1".to_string(),
            "transaction.state.log.min.isr=1".to_string(),
        ];
        let given = settings.iter().map(ToString::to_string);
        own.into_iter().chain(given).map(|line| line + "\n").collect()
    }

    fn properties(&self) -> PathBuf {
        self.dir.join("server.properties")
    }

    /// What it writes on its standard output, and on its standard error.
    pub fn log(&self) -> PathBuf {
        self.dir.join("server.log")
    }
}

/// A broker that serves; stopped when it is dropped.
#[derive(Debug)]
pub struct RunningKafka {
    server: Server,
    port: u16,
    ports: Vec<(Listener, u16)>,
}

impl RunningKafka {
    /// Where the listener of this name is.
    pub fn port_of(&self, listener: &str) -> Outcome<u16> {
        match self.ports.iter().find(|it| it.0.0 == listener) {
            Some((_, port)) => Ok(*port),
            None => failed(format!("{NAME} has no listener {listener}")),
        }
    }

    /// The process alone.
    pub fn into_server(self) -> Server {
        self.server
    }
}

impl Broker for RunningKafka {
    fn name(&self) -> &str {
        NAME
    }

    fn server(&self) -> &Server {
        &self.server
    }

    fn port(&self) -> u16 {
        self.port
    }
}

/// Where a broker in this directory keeps its logs.
pub fn log_dir(dir: &Path) -> PathBuf {
    dir.join("logs")
}

/// Ports that nobody has now: the controller's must be known before it listens.
pub fn free_ports<const COUNT: usize>() -> Outcome<[u16; COUNT]> {
    let mut listeners = Vec::new();
    for _ in 0..COUNT {
        listeners.push(TcpListener::bind("127.0.0.1:0")?);
    }
    let mut ports = [0; COUNT];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}
