//! A program for the JVM: its jars from Maven Central, and how it is started.
//!
//! The jars stay in the directory of the work, so that only the first run needs a network.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::outcome::{Outcome, failed};
use crate::process::Server;

const HOW_TO_GET_IT: &str = "try: apt-get install openjdk-17-jre-headless maven";
const NOT_FETCHED: &str = "Maven could not fetch its jars, for which the first run needs Maven \
                           Central (a proxy belongs into ~/.m2/settings.xml):";

/// For a start on a machine that may be busy.
const START_PATIENCE: Duration = Duration::from_secs(60);
const LOOKS_EVERY: Duration = Duration::from_millis(5);
/// The lines of its log that a message of failure has.
const TAIL_LINES: usize = 6;

/// The jars of one program, in a directory of their own.
#[derive(Clone, Debug)]
pub struct Jars {
    /// As messages name the program.
    program: String,
    /// Names the artifacts.
    pom: PathBuf,
    /// `-Dname=value`, for Maven.
    properties: Vec<String>,
    dir: PathBuf,
}

impl Jars {
    /// With the version in the name of `dir`, so that another one does not mix with it.
    pub fn new(program: &str, pom: &Path, dir: PathBuf) -> Self {
        Self { program: program.to_string(), pom: pom.to_path_buf(), properties: Vec::new(), dir }
    }

    /// The same, with a property of the pom at this value.
    #[must_use]
    pub fn with_property(mut self, name: &str, value: &str) -> Self {
        self.properties.push(format!("-D{name}={value}"));
        self
    }

    pub fn are_there(&self) -> bool {
        self.dir.is_dir()
    }

    /// Fetches them unless they are there.
    ///
    /// # Errors
    /// If `java` or `mvn` is missing, or Maven Central cannot be reached.
    pub fn fetch(&self) -> Outcome<()> {
        if self.are_there() {
            return Ok(());
        }
        for tool in ["java", "mvn"] {
            if !is_installed(tool) {
                return failed(format!(
                    "{tool} is missing; try: apt-get install default-jdk maven"
                ));
            }
        }
        println!("fetching the jars of {} from Maven Central", self.program);
        let partial = self.dir.with_extension("partial");
        let output = Command::new("mvn")
            .args(["-q", "-B", "-ntp", "-Dstyle.color=never", "-f"])
            .arg(&self.pom)
            .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
            .args(&self.properties)
            .arg(format!("-DoutputDirectory={}", partial.display()))
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stdout).into_owned();
            let mut errors = words.lines().filter_map(|it| it.strip_prefix("[ERROR] "));
            let first = errors.find(|it| !it.is_empty()).unwrap_or("it does not say why");
            return failed(format!("{NOT_FETCHED}\n    {first}"));
        }
        Ok(fs::rename(partial, &self.dir)?)
    }

    /// What they take on the disk, in bytes.
    pub fn bytes(&self) -> Outcome<u64> {
        let mut bytes = 0;
        for jar in fs::read_dir(&self.dir)? {
            bytes += jar?.metadata()?.len();
        }
        Ok(bytes)
    }

    /// A JVM with these jars on its class path; `flags` go in front of them.
    pub fn java(&self, flags: &[&str]) -> Outcome<Command> {
        if !is_installed("java") {
            return failed(format!("java is missing; {HOW_TO_GET_IT}"));
        }
        if !self.are_there() {
            return failed("its jars are missing");
        }
        let mut command = Command::new("java");
        command.args(flags).arg("-cp").arg(self.dir.join("*")).stdin(Stdio::null());
        Ok(command)
    }
}

/// Whether a program of the JVM's world can be run.
pub fn is_installed(tool: &str) -> bool {
    let mut version = Command::new(tool);
    version.arg("-version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

/// Starts a server that writes what it says to `log`, and waits until that has `started` in it.
pub fn start(mut command: Command, name: &str, log: &Path, started: &str) -> Outcome<Server> {
    let output = File::create(log)?;
    command.stdout(output.try_clone()?).stderr(output);
    let mut server = Server::of(command.spawn()?);
    let began = Instant::now();
    while began.elapsed() < START_PATIENCE {
        let said = fs::read_to_string(log)?;
        if said.contains(started) {
            return Ok(server);
        }
        if server.has_ended()? {
            return failed(format!("{name} did not start:\n    {}", tail(&said)));
        }
        thread::sleep(LOOKS_EVERY);
    }
    failed(format!("{name} did not start in {} s", START_PATIENCE.as_secs()))
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n    ")
}
