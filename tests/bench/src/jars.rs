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
            require(tool)?;
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
            let mut errors = words.lines().filter_map(|it| it.split_once("[ERROR] "));
            let first = errors.find(|it| !it.1.is_empty());
            let first = first.map_or("it does not say why", |it| it.1);
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
        require("java")?;
        if !self.are_there() {
            return failed("its jars are missing");
        }
        let mut command = Command::new("java");
        command.args(flags).arg("-cp").arg(self.dir.join("*")).stdin(Stdio::null());
        Ok(command)
    }
}

/// Whether a program of the JVM's world can be run.
///
/// # Errors
/// If it is missing, or says why it does not run.
fn require(tool: &str) -> Outcome<()> {
    match Command::new(tool).arg("-version").stdin(Stdio::null()).output() {
        Err(_) => failed(format!("{tool} is missing; {HOW_TO_GET_IT}")),
        Ok(output) if !output.status.success() => {
            let words = [output.stdout, output.stderr].concat();
            let words = String::from_utf8_lossy(&words).into_owned();
            failed(format!("{tool} does not run: {}", words.trim_end()))
        }
        Ok(_) => Ok(()),
    }
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

/// The first failure that the log tells of, and its end.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let end = lines.len().saturating_sub(TAIL_LINES);
    let is_failure = |it: &&&str| it.contains("Exception") || it.contains("Error");
    let first = lines[..end].iter().find(is_failure);
    first.into_iter().chain(&lines[end..]).copied().collect::<Vec<_>>().join("\n    ")
}
