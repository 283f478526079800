//! Apache Kafka's own processes: the controller, which every cluster of these brokers has, and a
//! broker among ours.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cluster::namespace::Namespace;
use crate::outcome::{Outcome, failed};

/// What `tests/cluster/controller.sh` says of the release, in this order.
const SAID_BY_SCRIPT: &str = r#"
set -eu
source "$0"
require_java
fetch_kafka >&2
printf '%s\n' "$KAFKA_JARS" "$CLUSTER_ID" "$RELEASE_VERSION" "$CONTROLLER_JVM_FLAGS"
"#;
/// A JVM on a machine that may be busy.
const STOP_PATIENCE: Duration = Duration::from_secs(60);
const TAIL_BYTES: usize = 1_500;

/// A release of Kafka.
#[derive(Clone, Debug)]
pub(crate) struct Apache {
    jars: String,
    flags: Vec<String>,
    release: String,
    /// The cluster's, as every directory of it has it.
    pub(crate) cluster_id: String,
}

impl Apache {
    /// The one that `make cluster` takes; its jars are fetched if they are not there.
    pub(crate) fn fetch() -> Outcome<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cluster/controller.sh");
        let output = Command::new("bash")
            .args(["-c", SAID_BY_SCRIPT])
            .arg(script)
            .env("CLUSTER_DIR", "unused")
            .stderr(Stdio::inherit())
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let mut lines = said.lines().map(ToString::to_string);
        match (lines.next(), lines.next(), lines.next(), lines.next()) {
            (Some(jars), Some(cluster_id), Some(release), Some(flags)) => {
                let flags = flags.split_whitespace().map(ToString::to_string).collect();
                Ok(Self { jars: format!("{jars}/*"), flags, release, cluster_id })
            }
            _ => failed(
                "no Apache Kafka, whose controller a cluster needs (name the other tortures by \
                 PARTS= to do without)",
            ),
        }
    }

    /// Gives a directory the id of the cluster; `words` are what else `kafka-storage format` takes.
    pub(crate) fn format(&self, properties: &Path, words: &[&str]) -> Outcome<()> {
        let output = self
            .java("kafka.tools.StorageTool")
            .args(["format", "-t", &self.cluster_id, "-c"])
            .arg(properties)
            .args(["--release-version", &self.release])
            .args(words)
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        failed(format!("kafka-storage format: {}", String::from_utf8_lossy(&output.stderr)))
    }

    fn java(&self, class: &str) -> Command {
        let mut command = Command::new("java");
        command
            .args(&self.flags)
            .args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=info", "-cp", &self.jars, class])
            .stdin(Stdio::null());
        command
    }
}

/// How to start a node of Kafka's, again and again, on the same directory.
#[derive(Clone, Debug)]
pub(crate) struct ApacheSetup {
    apache: Apache,
    namespace: Arc<Namespace>,
    properties: PathBuf,
    log: PathBuf,
}

impl ApacheSetup {
    /// Of a node with these settings; writes them into `dir` and formats its log directory there.
    pub(crate) fn new(
        apache: &Apache,
        namespace: Arc<Namespace>,
        dir: &Path,
        settings: &[String],
        words: &[&str],
    ) -> Outcome<Self> {
        fs::create_dir_all(dir)?;
        let properties = dir.with_extension("properties");
        fs::write(&properties, settings.join("\n"))?;
        apache.format(&properties, words)?;
        let log = dir.with_extension("log");
        Ok(Self { apache: apache.clone(), namespace, properties, log })
    }

    /// Starts it, and does not wait until it listens.
    pub(crate) fn start(&self) -> Outcome<ApacheProcess> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = self.apache.java("kafka.Kafka");
        command.arg(&self.properties).stdout(log.try_clone()?).stderr(log);
        Ok(ApacheProcess { child: self.namespace.spawn(&mut command)? })
    }

    /// The last words of its log.
    pub(crate) fn tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text[text.len().saturating_sub(TAIL_BYTES)..]).into_owned()
    }
}

/// A JVM; dropped, it is killed.
pub(crate) struct ApacheProcess {
    child: Child,
}

impl ApacheProcess {
    /// Its process id.
    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Whether it has not ended by itself.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Outcome<()> {
        Ok(kill(Pid::from_raw(self.pid()), signal)?)
    }

    /// `kill -9`, and waits for the end.
    pub(crate) fn kill(&mut self) {
        // One that has ended already needs neither.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks for a clean stop and waits for it.
    pub(crate) fn stop(&mut self) -> Outcome<ExitStatus> {
        if self.is_alive() {
            self.signal(Signal::SIGTERM)?;
        }
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if began.elapsed() > STOP_PATIENCE {
                self.kill();
                return failed(format!("no stop within {} s", STOP_PATIENCE.as_secs()));
            }
            thread::park_timeout(Duration::from_millis(5));
        }
    }
}

impl Drop for ApacheProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
