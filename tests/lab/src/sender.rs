//! The process that sends, and measures itself while it does: a child of the lab, which sends one file in
//! one way, to some receivers at a time, so often.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::thread;

use bench::outcome::{Outcome, failed};
use bench::process::Server;

use crate::cost::{Cost, Usage};
use crate::cpus;
use crate::ways::{Sent, Way, way_named};

/// The first argument of the child process.
pub(crate) const COMMAND: &str = "send";

/// A child that runs; dropped, it is stopped.
pub(crate) struct Sender {
    server: Server,
    said: BufReader<ChildStdout>,
    pub(crate) port: u16,
}

impl Sender {
    /// Starts one for so many transfers.
    pub(crate) fn start(
        way: &dyn Way,
        file: &Path,
        receivers: usize,
        transfers: usize,
    ) -> Outcome<Self> {
        let (receivers, transfers) = (receivers.to_string(), transfers.to_string());
        let words: [&OsStr; 5] = [
            COMMAND.as_ref(),
            way.name().as_ref(),
            file.as_os_str(),
            receivers.as_ref(),
            transfers.as_ref(),
        ];
        let mut child = Command::new(std::env::current_exe()?)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = child.stdout.take();
        let server = Server::of(child);
        let Some(said) = said else { return failed("the sender has no output") };
        let mut said = BufReader::new(said);
        let mut line = String::new();
        said.read_line(&mut line)?;
        match line.trim().parse() {
            Ok(port) => Ok(Self { server, said, port }),
            Err(_) => failed("the sender did not start"),
        }
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// What all its transfers have taken. To be asked for after the last.
    pub(crate) fn cost(mut self) -> Outcome<Cost> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        if line.is_empty() {
            return failed("the sender failed");
        }
        line.parse()
    }
}

/// The child process: says its port, sends to whoever connects, says what it took.
pub(crate) fn serve(arguments: &[String]) -> Outcome<()> {
    let [way, file, receivers, transfers] = arguments else {
        return failed(format!("{COMMAND} takes a way, a file, receivers and transfers"));
    };
    cpus::run_as_sender()?;
    let (way, receivers) = (way_named(way)?, receivers.parse()?);
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("{}", listener.local_addr()?.port());
    let mut total = Cost::default();
    for _ in 0..transfers.parse::<usize>()? {
        let peers = (0..receivers).map(|_| Peer::accept(&listener, Path::new(file)));
        let peers = peers.collect::<Outcome<Vec<_>>>()?;
        total.add(&transfer(way, &peers)?);
    }
    println!("{}", total.line());
    Ok(())
}

/// A receiver, and the file as it gets it.
struct Peer {
    socket: TcpStream,
    file: File,
    bytes: usize,
}

impl Peer {
    fn accept(listener: &TcpListener, path: &Path) -> Outcome<Self> {
        let (socket, _) = listener.accept()?;
        let file = File::open(path)?;
        let bytes = usize::try_from(file.metadata()?.len())?;
        Ok(Self { socket, file, bytes })
    }

    /// Waits for a byte: that the receiver is there, or that it has everything.
    fn wait(&self) -> Outcome<()> {
        Ok((&self.socket).read_exact(&mut [0])?)
    }

    fn send(&self, way: &dyn Way) -> Outcome<Sent> {
        let sent = way.send(&self.file, self.bytes, &self.socket)?;
        // As a program does that has nothing more to say. Without it the kernel may keep the last bytes
        // until the receiver has acknowledged the others, for 40 ms.
        self.socket.shutdown(Shutdown::Write)?;
        self.wait()?;
        Ok(sent)
    }
}

/// From the moment when all are ready until the last has everything.
fn transfer(way: &dyn Way, peers: &[Peer]) -> Outcome<Cost> {
    for peer in peers {
        peer.wait()?;
    }
    let before = Usage::of_self()?;
    let sent = send_to_all(way, peers)?;
    let mut cost = Usage::of_self()?.since(&before);
    cost.transfers = 1.0;
    cost.bytes = peers.iter().map(|it| it.bytes as f64).sum();
    cost.calls = sent.iter().map(|it| it.calls as f64).sum();
    cost.copied_bytes = sent.iter().map(|it| it.copied_bytes as f64).sum();
    Ok(cost)
}

/// A thread for each, but none for one alone.
fn send_to_all(way: &dyn Way, peers: &[Peer]) -> Outcome<Vec<Sent>> {
    if let [peer] = peers {
        return Ok(vec![peer.send(way)?]);
    }
    thread::scope(|scope| {
        let threads: Vec<_> =
            peers.iter().map(|peer| scope.spawn(move || peer.send(way))).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, Outcome<Sent>>| match thread.join() {
            Ok(sent) => sent,
            Err(_) => failed("a thread has panicked"),
        };
        threads.into_iter().map(join).collect()
    })
}
