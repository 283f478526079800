//! The broker's binary as a process of its own: to be watched by strace, killed, and started again.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The binary of another version, to make a data directory with.
const OTHER_BINARY: &str = "TRANSFERTO_BINARY";

/// The broker's binary: beside the program that asks, or above it, since Cargo puts tests into `deps`.
pub fn broker_binary() -> PathBuf {
    if let Some(other) = std::env::var_os(OTHER_BINARY) {
        return PathBuf::from(other);
    }
    let own = std::env::current_exe().unwrap();
    let beside = own.ancestors().skip(1).map(|dir| dir.join("transferto"));
    beside.take(2).find(|it| it.is_file()).expect("the broker is built")
}

/// A running broker.
pub struct BrokerProcess {
    /// The process that was started: the broker, or strace with the broker under it.
    child: Child,
    pid: Pid,
    pub port: u16,
    /// What it said until it listened.
    pub first_lines: Vec<String>,
    stderr: BufReader<ChildStderr>,
}

impl BrokerProcess {
    /// Starts the binary on port 0 and the data under `dir`, and waits until it listens.
    pub fn start(dir: &Path, settings: &[&str]) -> Self {
        Self::start_under(&[], dir, settings)
    }

    /// The same, as the program that `wrapper` runs.
    pub fn start_under(wrapper: &[&str], dir: &Path, settings: &[&str]) -> Self {
        let mut words: Vec<String> = wrapper.iter().map(ToString::to_string).collect();
        words.push(broker_binary().display().to_string());
        let log_dirs = format!("log.dirs={}", dir.display());
        for setting in ["listeners=PLAINTEXT://127.0.0.1:0", &log_dirs].iter().chain(settings) {
            words.extend(["--override".to_string(), (*setting).to_string()]);
        }
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .env("RUST_LOG", "info")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let first_lines = lines_until(&mut stderr, "listening on PLAINTEXT://127.0.0.1:");
        let number_after = |words: &str| -> i32 {
            let line = first_lines.iter().rev().find(|line| line.contains(words)).unwrap();
            let rest = line.split(words).nth(1).unwrap();
            rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
        };
        let pid = Pid::from_raw(number_after(", pid "));
        let port = u16::try_from(number_after("PLAINTEXT://127.0.0.1:")).unwrap();
        Self { child, pid, port, first_lines, stderr }
    }

    /// The number of the broker's process.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// What it says from now on until a line that contains `sign`, with that line.
    pub fn lines_until(&mut self, sign: &str) -> Vec<String> {
        lines_until(&mut self.stderr, sign)
    }

    /// The next line that it says; none once it has ended.
    pub fn next_line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.stderr.read_line(&mut line).unwrap();
        (read > 0).then(|| line.trim_end().to_string())
    }

    /// Sends a signal, waits for the end, and returns how it ended and what it said meanwhile.
    pub fn end_with(self, signal: Signal) -> (ExitStatus, Vec<String>) {
        kill(self.pid, signal).unwrap();
        self.wait()
    }

    /// Waits for the end, and returns how it ended and what it said meanwhile.
    pub fn wait(mut self) -> (ExitStatus, Vec<String>) {
        let last_lines = self.stderr.by_ref().lines().map(Result::unwrap).collect();
        (self.child.wait().unwrap(), last_lines)
    }
}

/// A test that fails leaves no process behind.
impl Drop for BrokerProcess {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

fn lines_until(reader: &mut impl BufRead, sign: &str) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 {
            panic!("the broker ended before it said \"{sign}\":\n{}", lines.concat());
        }
        let is_sign = line.contains(sign);
        lines.push(line);
        if is_sign {
            return lines;
        }
    }
}
