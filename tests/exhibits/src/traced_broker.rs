//! The broker of a recording: a process of its own under strace, on an empty directory.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command};
use std::str::FromStr;

use bench::caretaker;
use bench::outcome::{Outcome, failed};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::temp::TempDir;

use crate::recorder::Recorder;

/// Another binary than the one that lies beside this program.
const OTHER_BINARY: &str = "TRANSFERTO_BINARY";
/// What a broker says before its port.
pub(crate) const LISTENING: &str = "listening on PLAINTEXT://127.0.0.1:";
/// And before that of a second listener, in the same line.
const LISTENING_SSL: &str = ", SSL://127.0.0.1:";
const LISTENING_WITH_TLS: &str = "listening on SSL://127.0.0.1:";

pub(crate) struct TracedBroker {
    recorder: Option<Recorder>,
    pid: Pid,
    pub(crate) port: u16,
    /// Of the listener for SSL, if the settings have one.
    pub(crate) ssl_port: Option<u16>,
    stderr: BufReader<ChildStderr>,
    data: TempDir,
}

impl TracedBroker {
    /// Starts it with these options of strace, waits until it listens and its threads sleep.
    pub(crate) fn start(strace: &[&str], settings: &[&str]) -> Outcome<Self> {
        let data = TempDir::new();
        caretaker::directory_is_there(data.path());
        let mut broker = Command::new(binary()?);
        let log_dirs = format!("log.dirs={}", data.join("logs").display());
        for setting in ["listeners=PLAINTEXT://127.0.0.1:0", &log_dirs].iter().chain(settings) {
            broker.args(["--override", setting]);
        }
        broker.env("RUST_LOG", "info");
        let mut recorder = Recorder::start(strace, broker)?;
        let Some(stderr) = recorder.take_stderr() else { return failed("strace has no stderr") };
        let mut stderr = BufReader::new(stderr);
        let FirstLines { pid, port, ssl_port } = FirstLines::read(&mut stderr)?;
        caretaker::server_runs(pid.unsigned_abs());
        recorder.wait_until_asleep()?;
        Ok(Self { recorder: Some(recorder), pid: Pid::from_raw(pid), port, ssl_port, stderr, data })
    }

    pub(crate) fn recorder(&self) -> &Recorder {
        self.recorder.as_ref().expect("it is taken only by the end")
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Stops the broker as an operator does, and waits for it.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        kill(self.pid, Signal::SIGTERM)?;
        self.stderr.read_to_end(&mut Vec::new())?;
        match self.recorder.take() {
            Some(recorder) => recorder.wait(),
            None => Ok(()),
        }
    }
}

/// A recording that fails leaves no broker behind.
impl Drop for TracedBroker {
    fn drop(&mut self) {
        if self.recorder.is_some() {
            let _ = kill(self.pid, Signal::SIGKILL);
        }
        caretaker::server_has_ended(self.pid.as_raw().unsigned_abs());
        caretaker::directory_is_gone(self.data.path());
    }
}

/// The broker of the same build as this program, or another one that was asked for.
pub(crate) fn binary() -> Outcome<PathBuf> {
    if let Some(other) = std::env::var_os(OTHER_BINARY) {
        return Ok(PathBuf::from(other));
    }
    let this = std::env::current_exe()?;
    let binary = this.parent().unwrap_or(Path::new(".")).join("transferto");
    if binary.exists() {
        return Ok(binary);
    }
    failed(format!(
        "there is no broker at {}: build it as this program was built",
        binary.display()
    ))
}

/// What a broker says of itself.
struct FirstLines {
    pid: i32,
    port: u16,
    ssl_port: Option<u16>,
}

impl FirstLines {
    /// Reads until the broker listens.
    fn read(stderr: &mut impl BufRead) -> Outcome<Self> {
        let (mut said, mut pid) = (String::new(), None);
        loop {
            let start = said.len();
            if stderr.read_line(&mut said)? == 0 {
                return failed(format!("the broker does not listen:\n{}", said.trim_end()));
            }
            let line = &said[start..];
            pid = number_after(line, ", pid ").or(pid);
            let port = number_after(line, LISTENING).or(number_after(line, LISTENING_WITH_TLS));
            if let (Some(pid), Some(port)) = (pid, port) {
                return Ok(Self { pid, port, ssl_port: number_after(line, LISTENING_SSL) });
            }
        }
    }
}

/// The number that stands behind these words.
pub(crate) fn number_after<N: FromStr>(line: &str, words: &str) -> Option<N> {
    let rest = line.split_once(words)?.1;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
