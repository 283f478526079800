//! The broker's binary.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{ChildStderr, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::outcome::{Outcome, failed};
use crate::peers::Broker;
use crate::peers::listener::{self, Listener, PLAINTEXT};
use crate::plan::Plan;
use crate::process::Server;

/// As the tables name it, with the defaults and with its inline fetches.
pub const TRANSFERTO: &str = "transferto";
pub const INLINE: &str = "transferto, inline";
pub const INLINE_SETTING: &str = "transferto.fetch.inline";
/// A start recovers every log, and may have to wait for a CPU.
const START_PATIENCE: Duration = Duration::from_secs(60);
const LISTENING: &str = "listening on ";
const HOST: &str = "://127.0.0.1:";

/// A broker that runs; dropped, it is stopped.
#[derive(Debug)]
pub struct Transferto {
    name: String,
    server: Server,
    port: u16,
    /// Of all listeners, by their names.
    ports: HashMap<String, u16>,
}

impl Transferto {
    /// Starts one that keeps its logs in `dir`, and waits until it listens. Each setting is
    /// `name=value`.
    pub fn start(plan: &Plan, name: &str, dir: &Path, settings: &[&str]) -> Outcome<Self> {
        Self::start_under(&plan.binary, &[], name, dir, settings)
    }

    /// The same of any binary, with words in front of it, such as those of valgrind.
    pub fn start_under(
        binary: &Path,
        wrapper: &[&str],
        name: &str,
        dir: &Path,
        settings: &[&str],
    ) -> Outcome<Self> {
        let plain = format!("listeners={PLAINTEXT}://127.0.0.1:0");
        let settings: Vec<&str> = [&*plain].into_iter().chain(settings.iter().copied()).collect();
        Self::wait(Self::command(binary, wrapper, dir, &settings), name)
    }

    /// The same, with these listeners beside the plain one.
    pub fn start_behind(
        plan: &Plan,
        name: &str,
        dir: &Path,
        listeners: &[Listener],
        settings: &[String],
    ) -> Outcome<Self> {
        let plain = (PLAINTEXT, PLAINTEXT);
        let all: Vec<_> = [plain].iter().chain(listeners).map(|it| (*it, 0)).collect();
        let (listeners, protocols) = listener::settings(&all);
        let own = [
            format!("listeners={listeners}"),
            format!("listener.security.protocol.map={protocols}"),
        ];
        let settings: Vec<&str> = own.iter().chain(settings).map(String::as_str).collect();
        Self::wait(Self::command(&plan.binary, &[], dir, &settings), name)
    }

    /// Starts it and waits until it has said where it listens.
    fn wait(mut command: Command, name: &str) -> Outcome<Self> {
        let mut child = command.spawn()?;
        let log = child.stderr.take();
        // From here on it is stopped even if it does not listen.
        let server = Server::of(child);
        let ports = wait_for_ports(log)?;
        let Some(port) = ports.get(PLAINTEXT).copied() else { return failed("no plain listener") };
        Ok(Self { name: name.to_string(), server, port, ports })
    }

    /// Where the listener of this name is.
    pub fn port_of(&self, listener: &str) -> Outcome<u16> {
        match self.ports.get(listener) {
            Some(port) => Ok(*port),
            None => failed(format!("{} has no listener {listener}", self.name)),
        }
    }

    /// How it is started; its log goes to a pipe.
    fn command(binary: &Path, wrapper: &[&str], dir: &Path, settings: &[&str]) -> Command {
        let binary = binary.as_os_str();
        let mut words = wrapper.iter().map(OsStr::new).chain([binary]);
        let mut command = Command::new(words.next().unwrap_or(binary));
        command.args(words);
        let log_dirs = format!("log.dirs={}", dir.display());
        for setting in [&*log_dirs].iter().chain(settings) {
            command.args(["--override", setting]);
        }
        command.env("RUST_LOG", "info").stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::piped());
        command
    }

    /// The process alone.
    pub fn into_server(self) -> Server {
        self.server
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

fn wait_for_ports(log: Option<ChildStderr>) -> Outcome<HashMap<String, u16>> {
    let Some(stderr) = log else { return failed("no standard error") };
    let (sender, said) = channel();
    thread::spawn(move || read_log(stderr, &sender));
    match said.recv_timeout(START_PATIENCE) {
        Ok(Said::Listening(ports)) => Ok(ports),
        Ok(Said::Ended(last)) => failed(format!("transferto did not start: {last}")),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            failed(format!("transferto did not start in {} s", START_PATIENCE.as_secs()))
        }
    }
}

/// What the log says of the start.
enum Said {
    /// At these ports, by the names of the listeners.
    Listening(HashMap<String, u16>),
    /// Its last line.
    Ended(String),
}

/// Reads the log until the process has closed it, so that the process never waits for a reader.
fn read_log(stderr: ChildStderr, said: &Sender<Said>) {
    let mut last = String::new();
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        if let Some(ports) = ports_in(&line) {
            // The receiver is gone only if nobody waits for the start any more.
            let _ = said.send(Said::Listening(ports));
        }
        last = line;
    }
    let _ = said.send(Said::Ended(last));
}

/// `... listening on PLAINTEXT://127.0.0.1:9092, TLS://127.0.0.1:9093; started in ...`
fn ports_in(line: &str) -> Option<HashMap<String, u16>> {
    let listed = line.split(LISTENING).nth(1)?.split(';').next()?;
    let port = |listed: &str| {
        let (listener, port) = listed.split_once(HOST)?;
        Some((listener.to_string(), port.parse().ok()?))
    };
    listed.split(", ").map(port).collect()
}
