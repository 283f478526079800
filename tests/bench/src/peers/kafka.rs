//! Apache Kafka: one JVM that is a broker and its own controller, from the jars of Maven Central.
//!
//! Its settings are its defaults, its JVM flags those of its own start scripts. The jars stay in
//! the directory of the work, so that only the first run needs a network.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::figure::Findings;
use crate::outcome::{Outcome, failed};
use crate::peers::Broker;
use crate::plan::Plan;
use crate::process::Server;

/// As the tables name it.
pub const NAME: &str = "Apache Kafka 4.4.0";
const VERSION: &str = "4.4.0";
/// Names the artifacts.
const POM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/kafka/pom.xml");

/// Of `kafka-server-start.sh` and `kafka-run-class.sh`.
const JVM_FLAGS: &[&str] = &[
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
const JVM_FLAGS_OF_A_TOOL: &[&str] = &["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
pub const WARNINGS_ONLY: &str = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn";
/// Any UUID will do.
const CLUSTER_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// A deleted topic's files go as soon as the broker has started, and not half a minute later.
pub const NO_INITIAL_DELAY: &str = "log.initial.task.delay.ms=100";

/// The last line of a start.
const STARTED: &str = "Kafka Server started";
/// On a machine that may be busy.
const START_PATIENCE: Duration = Duration::from_secs(60);
const LOOKS_EVERY: Duration = Duration::from_millis(5);
/// The lines of its log that a message of failure has.
const TAIL_LINES: usize = 6;

/// Fetches the jars unless they are there. To be called before the network namespace is entered,
/// which has no way out.
///
/// # Errors
/// If `java` or `mvn` is missing, or Maven Central cannot be reached. The experiments then go on
/// without this peer.
pub fn fetch_jars(plan: &Plan) -> Outcome<()> {
    let jars = jars_dir(plan);
    if jars.is_dir() {
        return Ok(());
    }
    for tool in ["java", "mvn"] {
        if !is_installed(tool) {
            return failed(format!("{tool} is missing; try: apt-get install default-jdk maven"));
        }
    }
    println!("fetching the jars of {NAME} from Maven Central");
    let partial = jars.with_extension("partial");
    let status = Command::new("mvn")
        // Without progress and colours: what it prints goes among the lines of the run.
        .args(["-q", "-B", "-ntp", "-Dstyle.color=never", "-f", POM])
        .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-Dkafka.version={VERSION}"))
        .arg(format!("-DoutputDirectory={}", partial.display()))
        .stdin(Stdio::null())
        .status()?;
    if !status.success() {
        return failed("Maven could not fetch its jars");
    }
    Ok(fs::rename(partial, jars)?)
}

/// With the version in the name, so that another one does not mix with it.
fn jars_dir(plan: &Plan) -> PathBuf {
    plan.work_dir.join(format!("kafka_jars_{VERSION}"))
}

fn is_installed(tool: &str) -> bool {
    let mut version = Command::new(tool);
    version.arg("-version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

/// A JVM with Kafka's jars on its class path; `flags` go in front of them.
pub fn java(plan: &Plan, flags: &[&str]) -> Outcome<Command> {
    let jars = jars_dir(plan);
    if !jars.is_dir() || !is_installed("java") {
        return failed("its jars or java are missing");
    }
    let mut command = Command::new("java");
    command.args(flags).arg("-cp").arg(jars.join("*")).stdin(Stdio::null());
    Ok(command)
}

/// A directory that is formatted, and the settings of a broker on it.
#[derive(Debug)]
pub struct Kafka<'a> {
    plan: &'a Plan,
    dir: PathBuf,
    port: u16,
}

impl<'a> Kafka<'a> {
    /// Formats `dir`, which must not be there yet, for a broker with these settings (`name=value`)
    /// beside the defaults.
    pub fn format(plan: &'a Plan, dir: &Path, settings: &[&str]) -> Outcome<Self> {
        fs::create_dir_all(dir)?;
        let [port, controller_port] = free_ports()?;
        let kafka = Self { plan, dir: dir.to_path_buf(), port };
        fs::write(kafka.properties(), kafka.lines(controller_port, settings))?;
        let mut format = java(plan, JVM_FLAGS_OF_A_TOOL)?;
        format.arg(WARNINGS_ONLY).args(["kafka.tools.StorageTool", "format", "--standalone"]);
        format.args(["-t", CLUSTER_ID, "-c"]).arg(kafka.properties());
        let output = format.output()?;
        if !output.status.success() {
            return failed(format!("no format: {}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(kafka)
    }

    /// Formats `dir` and starts a broker on it; without the JVM or the jars, `findings` get a
    /// remark instead.
    pub fn start_or_remark(
        plan: &'a Plan,
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
        let log = File::create(self.log())?;
        let child = java(self.plan, JVM_FLAGS)?
            .arg("kafka.Kafka")
            .arg(self.properties())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut running = RunningKafka { server: Server::of(child), port: self.port };
        self.wait_until_started(&mut running)?;
        Ok(running)
    }

    fn wait_until_started(&self, running: &mut RunningKafka) -> Outcome<()> {
        let began = Instant::now();
        while began.elapsed() < START_PATIENCE {
            let log = fs::read_to_string(self.log())?;
            if log.contains(STARTED) {
                return Ok(());
            }
            if running.server.has_ended()? {
                return failed(format!("{NAME} did not start:\n    {}", tail(&log)));
            }
            thread::sleep(LOOKS_EVERY);
        }
        failed(format!("{NAME} did not start in {} s", START_PATIENCE.as_secs()))
    }

    /// What one node alone needs, then what was asked for.
    fn lines(&self, controller_port: u16, settings: &[&str]) -> String {
        let port = self.port;
        let controller = format!("127.0.0.1:{controller_port}");
        let own = [
            "process.roles=broker,controller".to_string(),
            "node.id=1".to_string(),
            format!("controller.quorum.bootstrap.servers={controller}"),
            format!("listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://{controller}"),
            "controller.listener.names=CONTROLLER".to_string(),
            "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT".to_string(),
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

    fn log(&self) -> PathBuf {
        self.dir.join("server.log")
    }
}

/// A broker that serves; stopped when it is dropped.
#[derive(Debug)]
pub struct RunningKafka {
    server: Server,
    port: u16,
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

/// Two ports that nobody has now: the controller's must be known before it listens.
fn free_ports() -> Outcome<[u16; 2]> {
    let listeners = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    Ok([listeners[0].local_addr()?.port(), listeners[1].local_addr()?.port()])
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n    ")
}
