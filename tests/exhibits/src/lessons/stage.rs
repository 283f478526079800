//! Where a lesson is played: a broker of its own, right or with the fault, and what the system knows of
//! its sockets.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, id};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bench::caretaker;
use bench::outcome::{Outcome, failed};
use bench::process::Server;
use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};
use support::client::Client;
use support::wait::wait_until;
use transferto::common::lock::locked;

use crate::traced_broker::{LISTENING, binary, number_after};
use crate::words::both_with;

const ALLOWED: &str = "transferto.lessons.allowed=true";
const START_PATIENCE: Duration = Duration::from_secs(30);
/// A response comes in milliseconds, or it does not come.
pub(crate) const SILENCE: Duration = Duration::from_secs(2);

/// A directory for the brokers of one scene, and how they are started.
pub(crate) struct Stage {
    binary: PathBuf,
    /// On the disk that the build is on, which is no memory; goes away with the stage.
    pub(crate) dir: PathBuf,
    lesson: Vec<String>,
}

impl Stage {
    pub(crate) fn right(name: &str) -> Outcome<Self> {
        Self::new(name, Vec::new())
    }

    pub(crate) fn faulty(name: &str, setting: &str) -> Outcome<Self> {
        Self::new(name, vec![ALLOWED.to_string(), setting.to_string()])
    }

    fn new(name: &str, lesson: Vec<String>) -> Outcome<Self> {
        let binary = binary()?;
        let this = std::env::current_exe()?;
        let dir = this.parent().unwrap_or(Path::new(".")).join(format!("lesson-{name}-{}", id()));
        caretaker::directory_is_there(&dir);
        fs::create_dir_all(&dir)?;
        Ok(Self { binary, dir, lesson })
    }

    /// Starts a broker with these settings, says how, and waits until it listens. Those that are for
    /// the log alone are not said.
    pub(crate) fn start(&self, settings: &[&str]) -> Outcome<Broker> {
        let lesson = self.lesson.iter().map(String::as_str);
        let said: Vec<&str> = settings.iter().copied().chain(lesson).collect();
        let overrides: Vec<String> = said.iter().map(|it| format!(" --override {it}")).collect();
        println!("  transferto{}", overrides.concat());
        self.start_silently(&said)
    }

    /// The same of a broker that only prepares the scene, and has no fault.
    pub(crate) fn start_silently(&self, settings: &[&str]) -> Outcome<Broker> {
        let log_dirs = format!("log.dirs={}", self.dir.join("logs").display());
        let mut command = Command::new(&self.binary);
        for setting in ["listeners=PLAINTEXT://127.0.0.1:0", &log_dirs].iter().chain(settings) {
            command.args(["--override", setting]);
        }
        command.env("RUST_LOG", "info").stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let Some(stderr) = child.stderr.take() else { return failed("no standard error") };
        // From here on it is stopped even if it does not listen.
        let server = Server::of(child);
        let (log, ports) = (Arc::<Mutex<Vec<String>>>::default(), channel());
        let said = Arc::clone(&log);
        // To the end, so that the broker never waits for a reader.
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(port) = number_after(&line, LISTENING) {
                    // The receiver is gone only if nobody waits for the start any more.
                    let _ = ports.0.send(port);
                }
                locked(&said).push(line);
            }
        });
        let port = await_port(&ports.1, &log)?;
        Ok(Broker { server, port, log })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            let dir = self.dir.display();
            println!("  {}", both_with!("cannot remove {dir}: {error}", "无法删除 {dir}：{error}"));
        }
        caretaker::directory_is_gone(&self.dir);
    }
}

fn await_port(ports: &Receiver<u16>, log: &Mutex<Vec<String>>) -> Outcome<u16> {
    match ports.recv_timeout(START_PATIENCE) {
        Ok(port) => Ok(port),
        Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => {
            let last = locked(log).last().cloned().unwrap_or_default();
            failed(format!("the broker does not start: {last}"))
        }
    }
}

/// A broker that runs; dropped, it is stopped.
pub(crate) struct Broker {
    server: Server,
    pub(crate) port: u16,
    log: Arc<Mutex<Vec<String>>>,
}

impl Broker {
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.port)
    }

    /// What the broker has logged with this word in it, without the time.
    pub(crate) fn logged(&self, word: &str) -> Vec<String> {
        let log = locked(&self.log);
        let lines = log.iter().filter_map(|line| Some(&line[line.find(word)?..]));
        lines.map(String::from).collect()
    }

    pub(crate) fn pid(&self) -> i32 {
        self.server.pid().as_raw()
    }

    /// How many sockets the broker has open.
    pub(crate) fn sockets(&self) -> Outcome<usize> {
        let mut sockets = 0;
        for file in fs::read_dir(format!("/proc/{}/fd", self.pid()))? {
            // One may have been closed since it was listed.
            let target = fs::read_link(file?.path()).unwrap_or_default();
            sockets += usize::from(target.to_string_lossy().starts_with("socket:"));
        }
        Ok(sockets)
    }

    /// Waits until the broker has so many sockets open.
    pub(crate) fn await_sockets(&self, count: usize) {
        let what = format!("{count} sockets of the broker");
        wait_until(&what, || self.sockets().is_ok_and(|it| it == count));
    }

    /// The bytes that this client has sent and the broker has not read: Recv-Q in `ss -tn`.
    pub(crate) fn unread_bytes(&self, client: &Client) -> Outcome<u64> {
        let theirs = client.stream.local_addr()?.port();
        for line in fs::read_to_string("/proc/net/tcp")?.lines().skip(1) {
            let mut fields = line.split_whitespace().skip(1);
            let mut port = || fields.next().and_then(|it| it.split_once(':')).map(|it| it.1);
            let (local, remote) = (port(), port());
            let is = |field: Option<&str>, port: u16| field == Some(format!("{port:04X}").as_str());
            if is(local, self.port) && is(remote, theirs) {
                let queues = fields.nth(1).and_then(|it| it.split_once(':'));
                return Ok(u64::from_str_radix(queues.map_or("", |it| it.1), 16)?);
            }
        }
        failed("the connection is not in /proc/net/tcp")
    }

    /// Waits until the broker has read all that this client has sent.
    pub(crate) fn await_read(&self, client: &Client) {
        wait_until("the request to be read", || self.unread_bytes(client).is_ok_and(|it| it == 0));
    }
}

/// The next response, if one comes in this time.
pub(crate) fn response_within(client: &mut Client, time: Duration) -> Outcome<Option<Vec<u8>>> {
    client.stream.set_read_timeout(Some(time))?;
    match client.stream.peek(&mut [0]) {
        Ok(0) => failed("the broker has closed the connection"),
        Ok(_) => Ok(Some(client.receive_frame())),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Ends a connection by a reset, as a client does that is killed with bytes unread: the broker has
/// lost the connection, and not merely its other half.
pub(crate) fn reset(stream: TcpStream) -> Outcome<()> {
    setsockopt(&stream, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 })?;
    drop(stream);
    Ok(())
}
