//! One connection of the HTTP server: a request, its answer, perhaps the next request. Not in Kafka.

use std::io;
use std::io::{IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use nix::poll::PollFlags;

use crate::http::http_request::{HEAD_BYTES_MAX, HttpRequest};
use crate::http::http_response::HttpResponse;

/// How long a client may keep a connection that it does not use: longer than scrapers pause.
const IDLE_MAX_MS: i64 = 120_000;
/// How long a request may take to come, from its first byte on.
const RECEIVE_MAX_MS: i64 = 5_000;
/// How long an answer may take to leave.
const SEND_MAX_MS: i64 = 30_000;
/// How long a client that was refused may go on sending before it hangs up.
const LINGER_MAX_MS: i64 = 1_000;

/// A client's connection, which never waits: it does what can be done now.
pub struct HttpConnection {
    stream: TcpStream,
    phase: Phase,
    /// What has come of the next request; never more than [`HEAD_BYTES_MAX`].
    received: Vec<u8>,
    /// When the present phase has taken too long.
    deadline_ms: i64,
}

enum Phase {
    /// No byte of a request has come since the last one.
    Idle,
    Receiving,
    Sending(Outgoing),
    /// The last answer is out. What still comes is thrown away: to close before the client has sent
    /// all of its request would reset the connection, and the answer might be lost on its way.
    Lingering,
}

/// An answer on its way.
struct Outgoing {
    head: Vec<u8>,
    body: Arc<[u8]>,
    sent: usize,
    keeps_alive: bool,
}

/// What a turn has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The client, or the socket, has to do something first.
    Waits,
    /// A page was made; it has left, or is leaving.
    Answered,
    /// What came was refused; the refusal has left, or is leaving.
    Refused,
    /// The connection is at its end, and is to be dropped.
    Over,
}

impl HttpConnection {
    /// # Errors
    /// Whatever the operating system reports.
    pub fn new(stream: TcpStream, now_ms: i64) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let deadline_ms = now_ms + IDLE_MAX_MS;
        Ok(Self { stream, phase: Phase::Idle, received: Vec::new(), deadline_ms })
    }

    /// The socket, and what it has to be ready for before a turn makes sense.
    pub fn interest(&self) -> (BorrowedFd<'_>, PollFlags) {
        let flags = match self.phase {
            Phase::Sending(_) => PollFlags::POLLOUT,
            _ => PollFlags::POLLIN,
        };
        (self.stream.as_fd(), flags)
    }

    /// Whether neither a request nor an answer is under way, so that nobody misses it.
    pub fn is_dispensable(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Lingering)
    }

    pub fn deadline_ms(&self) -> i64 {
        self.deadline_ms
    }

    /// Goes on where the last turn has stopped.
    ///
    /// # Errors
    /// Whatever the socket reports: the connection is at its end.
    pub fn turn(
        &mut self,
        now_ms: i64,
        answer: impl FnOnce(&HttpRequest) -> HttpResponse,
    ) -> io::Result<Turn> {
        match self.phase {
            Phase::Idle | Phase::Receiving => self.receive(now_ms, answer),
            Phase::Sending(_) => self.send(now_ms).map(|()| Turn::Waits),
            Phase::Lingering => self.linger(),
        }
    }

    fn receive(
        &mut self,
        now_ms: i64,
        answer: impl FnOnce(&HttpRequest) -> HttpResponse,
    ) -> io::Result<Turn> {
        let mut bytes = [0; HEAD_BYTES_MAX];
        let room = HEAD_BYTES_MAX - self.received.len();
        match self.stream.read(&mut bytes[..room]) {
            Ok(0) => return Ok(Turn::Over),
            Ok(count) => self.received.extend_from_slice(&bytes[..count]),
            Err(error) if is_for_later(&error) => return Ok(Turn::Waits),
            Err(error) => return Err(error),
        }
        if matches!(self.phase, Phase::Idle) {
            self.enter(Phase::Receiving, now_ms + RECEIVE_MAX_MS);
        }
        let (outgoing, turn) = match HttpRequest::parse(&self.received) {
            Ok(None) => return Ok(Turn::Waits),
            Ok(Some((request, length))) => {
                // Behind the head comes a body that was not announced, or the next request before
                // its turn. Neither is read.
                let keeps_alive = request.keeps_alive && self.received.len() == length;
                (Outgoing::new(&answer(&request), keeps_alive), Turn::Answered)
            }
            Err(refusal) => (Outgoing::new(&refusal, false), Turn::Refused),
        };
        self.received.clear();
        self.enter(Phase::Sending(outgoing), now_ms + SEND_MAX_MS);
        self.send(now_ms)?;
        Ok(turn)
    }

    fn send(&mut self, now_ms: i64) -> io::Result<()> {
        let Phase::Sending(outgoing) = &mut self.phase else { return Ok(()) };
        while !outgoing.is_sent() {
            match self.stream.write_vectored(&outgoing.rest()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => outgoing.sent += count,
                Err(error) if is_for_later(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        if outgoing.keeps_alive {
            self.enter(Phase::Idle, now_ms + IDLE_MAX_MS);
        } else {
            self.stream.shutdown(Shutdown::Write)?;
            self.enter(Phase::Lingering, now_ms + LINGER_MAX_MS);
        }
        Ok(())
    }

    fn linger(&mut self) -> io::Result<Turn> {
        let mut thrown_away = [0; HEAD_BYTES_MAX];
        match self.stream.read(&mut thrown_away) {
            Ok(0) => Ok(Turn::Over),
            Ok(_) => Ok(Turn::Waits),
            Err(error) if is_for_later(&error) => Ok(Turn::Waits),
            Err(error) => Err(error),
        }
    }

    fn enter(&mut self, phase: Phase, deadline_ms: i64) {
        (self.phase, self.deadline_ms) = (phase, deadline_ms);
    }
}

impl Outgoing {
    fn new(response: &HttpResponse, keeps_alive: bool) -> Self {
        let head = response.head(keeps_alive).into_bytes();
        Self { head, body: Arc::clone(&response.body), sent: 0, keeps_alive }
    }

    fn is_sent(&self) -> bool {
        self.sent >= self.head.len() + self.body.len()
    }

    /// What has not been sent of the head, and of the body.
    fn rest(&self) -> [IoSlice<'_>; 2] {
        let of_head = self.sent.min(self.head.len());
        let of_body = self.sent - of_head;
        [IoSlice::new(&self.head[of_head..]), IoSlice::new(&self.body[of_body..])]
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
