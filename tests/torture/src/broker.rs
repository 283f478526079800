//! The broker's binary as a child process: its settings, its log as it is written, its end.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use transferto::common::lock::locked;

use crate::cluster::namespace::Namespace;
use crate::outcome::{Outcome, failed};
use crate::plan::Plan;
use crate::vitals::Vitals;

/// A start includes the recovery of every log, on a machine that may be busy.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// A clean stop flushes every log.
const STOP_PATIENCE: Duration = Duration::from_secs(60);
/// The wrapper of a process that was killed ends so soon.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
const PLAINTEXT: &str = "PLAINTEXT";
/// The lines of the log that are kept for a message of failure.
const TAIL_LINES: usize = 4;

/// How to start a broker, again and again, on the same directory.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// The broker's binary.
    pub(crate) binary: PathBuf,
    /// Its `log.dirs`.
    pub(crate) dir: PathBuf,
    /// Where its listeners are; port 0 lets it choose.
    pub(crate) address: SocketAddrV4,
    /// The network that it lives in, if not that of this process.
    pub(crate) namespace: Option<Arc<Namespace>>,
    /// Where its log is kept, too, for a person who looks into a failure.
    pub(crate) log_file: Option<PathBuf>,
    /// Words in front of the binary, such as those of strace.
    pub(crate) wrapper: Vec<String>,
    /// Beside the plain one: their names, and what they speak.
    pub(crate) listeners: Vec<(&'static str, &'static str)>,
    /// `name=value`.
    pub(crate) settings: Vec<String>,
    /// What its environment has besides.
    pub(crate) environment: Vec<(String, String)>,
    /// What the log said, over all starts.
    pub(crate) log: Arc<Mutex<LogSeen>>,
}

impl Setup {
    /// Of a broker that keeps its logs in `dir`, with these settings.
    pub(crate) fn new(plan: &Plan, dir: &Path, settings: &[&str]) -> Self {
        Self {
            binary: plan.binary.clone(),
            dir: dir.to_path_buf(),
            address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0),
            namespace: None,
            log_file: None,
            wrapper: Vec::new(),
            listeners: Vec::new(),
            settings: settings.iter().map(ToString::to_string).collect(),
            environment: plan.environment.clone(),
            log: Arc::default(),
        }
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start(&self) -> Outcome<Broker> {
        match self.try_start()? {
            Start::Listens(broker) => Ok(broker),
            Start::Ended(status, words) => failed(format!("no start ({status}):\n    {words}")),
        }
    }

    /// Starts it and waits until it listens or has ended.
    pub(crate) fn try_start(&self) -> Outcome<Start> {
        let mut broker = self.spawn()?;
        match broker.said.recv_timeout(START_PATIENCE) {
            Ok(ports) => {
                broker.ports = ports;
                broker.port = broker.port_of(PLAINTEXT)?;
                Ok(Start::Listens(broker))
            }
            Err(RecvTimeoutError::Disconnected) => {
                broker.join_reader();
                let status = broker.child.wait()?;
                Ok(Start::Ended(status, locked(&self.log).tail()))
            }
            Err(RecvTimeoutError::Timeout) => {
                broker.kill();
                let seconds = START_PATIENCE.as_secs();
                failed(format!("no start in {seconds} s:\n    {}", locked(&self.log).tail()))
            }
        }
    }

    fn spawn(&self) -> Outcome<Broker> {
        let mut words = self.wrapper.clone();
        words.push(self.binary.display().to_string());
        let listeners = self.named("listeners", &format!("://{}", self.address));
        let own = [listeners, self.protocols(), self.log_dirs()];
        for setting in own.into_iter().chain(self.settings.iter().cloned()) {
            words.extend(["--override".to_string(), setting]);
        }
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .envs(self.environment.iter().cloned())
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = match &self.namespace {
            Some(namespace) => namespace.spawn(&mut command)?,
            None => command.spawn()?,
        };
        let Some(stderr) = child.stderr.take() else { return failed("no standard error") };
        let (sender, said) = channel();
        let log = Arc::clone(&self.log);
        // The last words of an earlier process are none of this one's.
        locked(&log).begin(self.log_file.as_deref())?;
        let reader = thread::spawn(move || read_log(stderr, &log, &sender));
        Ok(Broker {
            child,
            reader: Some(reader),
            said,
            port: 0,
            ports: HashMap::new(),
            log: Arc::clone(&self.log),
        })
    }

    /// A setting that lists all listeners, each with this behind its name.
    fn named(&self, setting: &str, behind: &str) -> String {
        let names = [PLAINTEXT].into_iter().chain(self.listeners.iter().map(|it| it.0));
        let listed: Vec<String> = names.map(|name| format!("{name}{behind}")).collect();
        format!("{setting}={}", listed.join(","))
    }

    fn protocols(&self) -> String {
        let plain = [(PLAINTEXT, PLAINTEXT)];
        let all = plain.iter().chain(&self.listeners);
        let listed: Vec<String> =
            all.map(|(name, protocol)| format!("{name}:{protocol}")).collect();
        format!("listener.security.protocol.map={}", listed.join(","))
    }

    /// The setting.
    pub(crate) fn log_dirs(&self) -> String {
        format!("log.dirs={}", self.dir.display())
    }
}

/// How a start went.
pub(crate) enum Start {
    /// It serves.
    Listens(Broker),
    /// It has ended with this status and these last words.
    Ended(ExitStatus, String),
}

/// What the broker said.
#[derive(Debug, Default)]
pub(crate) struct LogSeen {
    /// Of all lines together.
    pub(crate) bytes: u64,
    /// Lines that tell of a panic.
    pub(crate) panics: Vec<String>,
    /// The process that said it was starting, under strace not the child itself.
    pid: Option<i32>,
    tail: VecDeque<String>,
    file: Option<File>,
}

impl LogSeen {
    fn begin(&mut self, file: Option<&Path>) -> Outcome<()> {
        self.pid = None;
        self.tail.clear();
        let appended = |path| File::options().create(true).append(true).open(path);
        self.file = file.map(appended).transpose()?;
        Ok(())
    }

    fn add(&mut self, line: String) {
        if let Some(file) = &mut self.file {
            // It is for a person only: what the torture looks at is here in memory.
            let _ = writeln!(file, "{line}");
        }
        self.bytes += line.len() as u64 + 1;
        if line.contains("panicked") || line.contains("memory allocation of") {
            self.panics.push(line.clone());
        }
        self.tail.push_back(line);
        if self.tail.len() > TAIL_LINES {
            self.tail.pop_front();
        }
    }

    /// The last lines.
    pub(crate) fn tail(&self) -> String {
        self.tail.iter().cloned().collect::<Vec<_>>().join("\n    ")
    }
}

/// Takes in the log until the process has closed it, and tells where it listens.
fn read_log(stderr: ChildStderr, log: &Mutex<LogSeen>, said: &Sender<HashMap<String, u16>>) {
    let mut reader = BufReader::new(stderr);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
        let line = String::from_utf8_lossy(&bytes).trim_end().to_string();
        bytes.clear();
        if let Some(pid) = number_after(&line, ", pid ") {
            locked(log).pid = i32::try_from(pid).ok();
        }
        if let Some(ports) = ports_in(&line) {
            // The receiver is gone only if nobody waits for the start any more.
            let _ = said.send(ports);
        }
        locked(log).add(line);
    }
}

/// `... listening on PLAINTEXT://127.0.0.1:9092, TLS://127.0.0.1:9093; started in ...`
fn ports_in(line: &str) -> Option<HashMap<String, u16>> {
    let listed = line.split("listening on ").nth(1)?.split(';').next()?;
    let port = |listed: &str| {
        let (listener, address) = listed.split_once("://")?;
        let address: SocketAddrV4 = address.parse().ok()?;
        Some((listener.to_string(), address.port()))
    };
    listed.split(", ").map(port).collect()
}

fn number_after(line: &str, words: &str) -> Option<u64> {
    let rest = line.split(words).nth(1)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// A process of the broker; dropped, it is killed.
pub(crate) struct Broker {
    child: Child,
    reader: Option<JoinHandle<()>>,
    said: Receiver<HashMap<String, u16>>,
    /// Of the plain listener, on 127.0.0.1.
    pub(crate) port: u16,
    /// Of all listeners, by their names.
    ports: HashMap<String, u16>,
    log: Arc<Mutex<LogSeen>>,
}

impl Broker {
    /// The broker's own process.
    pub(crate) fn pid(&self) -> i32 {
        locked(&self.log).pid.unwrap_or(self.child.id().cast_signed())
    }

    /// Where the listener of this name is.
    pub(crate) fn port_of(&self, listener: &str) -> Outcome<u16> {
        let port = self.ports.get(listener);
        port.map_or_else(|| failed(format!("no listener {listener}")), |port| Ok(*port))
    }

    /// Its memory and descriptors now.
    pub(crate) fn vitals(&self) -> Outcome<Vitals> {
        Vitals::of(self.pid())
    }

    /// Whether the process has not ended by itself.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Stops the process where it is, or lets it go on.
    pub(crate) fn signal(&self, signal: Signal) -> Outcome<()> {
        Ok(kill(Pid::from_raw(self.pid()), signal)?)
    }

    /// `kill -9`, and waits for the end.
    pub(crate) fn kill(&mut self) {
        // A process that has ended already is no concern, and neither is one that was waited for.
        let _ = kill(Pid::from_raw(self.pid()), Signal::SIGKILL);
        let began = Instant::now();
        while self.is_alive() && began.elapsed() < KILL_PATIENCE {
            thread::park_timeout(Duration::from_millis(1));
        }
        // strace over it may wait for ever for one of its threads.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.join_reader();
    }

    /// Asks for a clean stop and waits for it.
    pub(crate) fn stop(&mut self) -> Outcome<ExitStatus> {
        if self.is_alive() {
            kill(Pid::from_raw(self.pid()), Signal::SIGTERM)?;
        }
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                self.join_reader();
                return Ok(status);
            }
            if began.elapsed() > STOP_PATIENCE {
                self.kill();
                return failed(format!("no stop within {} s", STOP_PATIENCE.as_secs()));
            }
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn join_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            // It only copies lines; that it panicked would show in the lines that are missing.
            let _ = reader.join();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if self.is_alive() {
            self.kill();
        }
    }
}
