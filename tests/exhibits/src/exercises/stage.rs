//! The broker of an exercise: a process of its own on an empty directory, whose trace is heard as
//! it is said.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bench::caretaker;
use bench::outcome::{Outcome, failed};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::broker_process::BrokerProcess;
use support::client::Client;
use support::http;
use support::temp::TempDir;
use support::wait::PATIENCE;
use transferto::common::lock::locked;

use super::trace::Trace;
use crate::recorder::wait_until;
use crate::traced_broker::number_after;
use crate::words::both_with;

/// The broker with every line of its trace, and with none.
const TRACED: [&str; 2] = ["env", "RUST_LOG=trace"];
const UNTRACED: [&str; 2] = ["env", "RUST_LOG=info"];
/// A counter that every use of the broker moves, so that each list of them has it.
const ALWAYS_COUNTED: &str = "read_calls = ";

/// What it says of its page of metrics.
const METRICS_AT: &str = "metrics at http://";
/// What moves while a response leaves, how often to look at it, and how often in a row it must
/// rest.
const SETTLING: [&str; 2] = ["sendfile_calls", "write_calls"];
const LOOKS_EVERY: Duration = Duration::from_millis(20);
const QUIET_LOOKS: u32 = 5;

/// A running broker.
pub(crate) struct Stage {
    pid: Pid,
    pub(crate) port: u16,
    /// The line with the addresses of all its listeners.
    listening: String,
    heard: Arc<Heard>,
    listener: Option<JoinHandle<()>>,
    dir: TempDir,
}

/// What the broker has said.
#[derive(Default)]
struct Heard {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

/// The broker's counters, by the names that it writes on SIGUSR1; one that has not moved is 0.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters(BTreeMap<String, i64>);

impl Stage {
    /// Starts a broker that traces all it does.
    pub(crate) fn start(settings: &[&str]) -> Outcome<Self> {
        Self::start_under(&TRACED, settings)
    }

    /// Starts a broker that does not trace, for what is only counted.
    pub(crate) fn start_untraced(settings: &[&str]) -> Outcome<Self> {
        Self::start_under(&UNTRACED, settings)
    }

    fn start_under(wrapper: &[&str], settings: &[&str]) -> Outcome<Self> {
        let dir = TempDir::new();
        caretaker::directory_is_there(dir.path());
        let mut broker = BrokerProcess::start_under(wrapper, &dir.join("logs"), settings);
        let (pid, port) = (Pid::from_raw(broker.pid()), broker.port);
        caretaker::server_runs(pid.as_raw().unsigned_abs());
        let listening = broker.first_lines.last().cloned().unwrap_or_default();
        let heard = Arc::new(Heard::default());
        let ears = Arc::clone(&heard);
        // Heard meanwhile, or the broker would wait for room in the pipe.
        let listener = thread::spawn(move || {
            while let Some(line) = broker.next_line() {
                ears.hear(line);
            }
            broker.wait();
        });
        Ok(Self { pid, port, listening, heard, listener: Some(listener), dir })
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.port)
    }

    /// The port of the listener for this protocol, one of several.
    pub(crate) fn port_of(&self, protocol: &str) -> Outcome<u16> {
        match number_after(&self.listening, &format!(" {protocol}://127.0.0.1:")) {
            Some(port) => Ok(port),
            None => failed(format!("there is no {protocol} in {}", self.listening)),
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// The first segment of a topic's partition 0.
    pub(crate) fn segment(&self, topic: &str) -> PathBuf {
        self.dir.join(&format!("logs/{topic}-0/00000000000000000000.log"))
    }

    /// Waits until the broker has said this so many times.
    pub(crate) fn wait_for(&self, words: &str, times: usize) -> Outcome<()> {
        self.heard.wait_for(0, words, times)
    }

    /// What it has counted by now.
    pub(crate) fn counters(&self) -> Outcome<Counters> {
        let already = locked(&self.heard.lines).len();
        // The second list begins when the first is complete.
        for list in 1..=2 {
            kill(self.pid, Signal::SIGUSR1)?;
            self.heard.wait_for(already, ALWAYS_COUNTED, list)?;
        }
        Ok(Counters::of(&locked(&self.heard.lines)[already..]))
    }

    /// A number on the page of metrics of a broker with `transferto.http.listener`.
    pub(crate) fn gauge(&self, name: &str) -> Outcome<String> {
        let page = http::get(self.metrics_address()?, "/metrics").body;
        match page.lines().find_map(|it| it.strip_prefix(name)) {
            Some(value) => Ok(value.trim().to_string()),
            None => failed(format!("{name} is not on the page of metrics")),
        }
    }

    fn metrics_address(&self) -> Outcome<SocketAddr> {
        self.wait_for(METRICS_AT, 1)?;
        let lines = locked(&self.heard.lines);
        let address = lines.iter().find_map(|it| it.split_once(METRICS_AT)?.1.split('/').next());
        Ok(address.unwrap_or_default().parse()?)
    }

    /// What it has counted when it has nothing left to do for now.
    pub(crate) fn settled_counters(&self) -> Outcome<Counters> {
        let (mut last, mut quiet_looks) = (self.counters()?, 0);
        while quiet_looks < QUIET_LOOKS {
            thread::sleep(LOOKS_EVERY);
            let now = self.counters()?;
            let is_quiet = SETTLING.iter().all(|name| now.since(&last, name) == 0);
            quiet_looks = if is_quiet { quiet_looks + 1 } else { 0 };
            last = now;
        }
        Ok(last)
    }

    /// The same, once this counter has moved.
    pub(crate) fn settled_counters_after(
        &self,
        before: &Counters,
        name: &str,
    ) -> Outcome<Counters> {
        wait_until(name, || Ok(self.counters()?.since(before, name) > 0))?;
        self.settled_counters()
    }

    /// How often its threads have gone to sleep by themselves.
    pub(crate) fn voluntary_switches(&self) -> Outcome<u64> {
        let mut switches = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            let status = fs::read_to_string(task?.path().join("status"))?;
            let count = status.lines().find_map(|it| it.strip_prefix("voluntary_ctxt_switches:"));
            switches += count.map_or(Ok(0), |it| it.trim().parse::<u64>())?;
        }
        Ok(switches)
    }

    /// Stops the broker as an operator does, and returns all that it has traced.
    pub(crate) fn stop(mut self) -> Outcome<Trace> {
        self.end()?;
        Ok(Trace::of(&locked(&self.heard.lines)))
    }

    fn end(&mut self) -> Outcome<()> {
        let Some(listener) = self.listener.take() else { return Ok(()) };
        kill(self.pid, Signal::SIGTERM)?;
        if listener.join().is_err() { failed("the broker's lines cannot be read") } else { Ok(()) }
    }
}

/// An exercise that fails leaves no broker behind.
impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            let pid = self.pid;
            println!(
                "  {}",
                both_with!(
                    "the broker with pid {pid} may be left: {error}",
                    "pid 为 {pid} 的 broker 可能还在：{error}"
                )
            );
        }
        caretaker::server_has_ended(self.pid.as_raw().unsigned_abs());
        caretaker::directory_is_gone(self.dir.path());
    }
}

impl Heard {
    fn hear(&self, line: String) {
        locked(&self.lines).push(line);
        self.grown.notify_all();
    }

    /// Waits until so many of the lines from `start` on have these words.
    fn wait_for(&self, start: usize, words: &str, times: usize) -> Outcome<()> {
        let is_missing = |lines: &mut Vec<String>| {
            lines[start..].iter().filter(|it| it.contains(words)).count() < times
        };
        let waited = self.grown.wait_timeout_while(locked(&self.lines), PATIENCE, is_missing);
        match waited {
            Ok((_, timeout)) if !timeout.timed_out() => Ok(()),
            _ => failed(format!("waited in vain for the broker to say \"{words}\" {times} times")),
        }
    }
}

impl Counters {
    /// Of a list that is complete, and perhaps the beginning of another.
    fn of(lines: &[String]) -> Self {
        let mut counters = BTreeMap::new();
        for line in lines {
            let text = line.split_once("INFO  [main] ").map(|it| it.1);
            let Some((name, value)) = text.and_then(|it| it.split_once(" = ")) else { continue };
            if let Ok(value) = value.parse() {
                counters.entry(name.to_string()).or_insert(value);
            }
        }
        Self(counters)
    }

    pub(crate) fn get(&self, name: &str) -> i64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// How far a counter has moved since then.
    pub(crate) fn since(&self, before: &Self, name: &str) -> i64 {
        self.get(name) - before.get(name)
    }
}
