//! The broker's binary.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{ChildStderr, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::outcome::{Outcome, failed};
use crate::peers::Broker;
use crate::plan::Plan;
use crate::process::Server;

/// As the tables name it, with the defaults and with its inline fetches.
pub const TRANSFERTO: &str = "transferto";
pub const INLINE: &str = "transferto, inline";
pub const INLINE_SETTING: &str = "transferto.fetch.inline";
/// A start recovers every log, and may have to wait for a CPU.
const START_PATIENCE: Duration = Duration::from_secs(60);
const LISTENING: &str = "listening on PLAINTEXT://127.0.0.1:";

/// A broker that runs; dropped, it is stopped.
#[derive(Debug)]
pub struct Transferto {
    name: String,
    server: Server,
    port: u16,
}

impl Transferto {
    /// Starts one that keeps its logs in `dir`, and waits until it listens. Each setting is
    /// `name=value`.
    pub fn start(plan: &Plan, name: &str, dir: &Path, settings: &[&str]) -> Outcome<Self> {
        Self::start_under(plan, &[], name, dir, settings)
    }

    /// The same, with words in front of the binary, such as those of valgrind.
    pub fn start_under(
        plan: &Plan,
        wrapper: &[&str],
        name: &str,
        dir: &Path,
        settings: &[&str],
    ) -> Outcome<Self> {
        let mut child = Self::command(plan, wrapper, dir, settings).spawn()?;
        let log = child.stderr.take();
        // From here on it is stopped even if it does not listen.
        let server = Server::of(child);
        let port = wait_for_port(log)?;
        Ok(Self { name: name.to_string(), server, port })
    }

    /// How it is started; its log goes to a pipe.
    fn command(plan: &Plan, wrapper: &[&str], dir: &Path, settings: &[&str]) -> Command {
        let binary = plan.binary.as_os_str();
        let mut words = wrapper.iter().map(OsStr::new).chain([binary]);
        let mut command = Command::new(words.next().unwrap_or(binary));
        command.args(words);
        let log_dirs = format!("log.dirs={}", dir.display());
        let own = ["listeners=PLAINTEXT://127.0.0.1:0", &log_dirs];
        for setting in own.iter().chain(settings) {
            command.args(["--override", setting]);
        }
        command.env("RUST_LOG", "info").stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::piped());
        command
    }

    /// Ends it as a crash does.
    pub fn kill(mut self) -> Outcome<()> {
        self.server.kill()
    }

    /// Whether the binary has this setting.
    pub fn knows(plan: &Plan, setting: &str) -> Outcome<bool> {
        let output = Command::new(&plan.binary).arg("--settings").output()?;
        let words = String::from_utf8_lossy(&output.stdout).into_owned();
        // name=default
        let mut names = words.lines().filter_map(|line| line.split_once('='));
        Ok(names.any(|(name, _)| name == setting))
    }
}

impl Broker for Transferto {
    fn name(&self) -> &str {
        &self.name
    }

    fn server(&self) -> &Server {
        &self.server
    }

    fn port(&self) -> u16 {
        self.port
    }
}

fn wait_for_port(log: Option<ChildStderr>) -> Outcome<u16> {
    let Some(stderr) = log else { return failed("no standard error") };
    let (sender, ports) = channel();
    thread::spawn(move || read_log(stderr, &sender));
    match ports.recv_timeout(START_PATIENCE) {
        Ok(Said::Port(port)) => Ok(port),
        Ok(Said::Ended(last)) => failed(format!("transferto did not start: {last}")),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            failed(format!("transferto did not start in {} s", START_PATIENCE.as_secs()))
        }
    }
}

/// What the log says of the start.
enum Said {
    Port(u16),
    /// Its last line.
    Ended(String),
}

/// Reads the log until the process has closed it, so that the process never waits for a reader.
fn read_log(stderr: ChildStderr, said: &Sender<Said>) {
    let mut last = String::new();
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        if let Some(port) = port_in(&line) {
            // The receiver is gone only if nobody waits for the start any more.
            let _ = said.send(Said::Port(port));
        }
        last = line;
    }
    let _ = said.send(Said::Ended(last));
}

fn port_in(line: &str) -> Option<u16> {
    let rest = line.split(LISTENING).nth(1)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
