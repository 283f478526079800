//! The HTTP server: one thread, a few connections, all in one `poll(2)`. Not in Kafka, where JMX and
//! its agents have that place.
//!
//! It is no reactor of the broker, and shares no thread with one: whatever its clients do, those of
//! Kafka do not notice. So it is made to be small and bounded, not fast. `poll(2)` reports a state,
//! as Java's selector does and `mio` does not: a connection that is left alone for a while is
//! reported again, and nothing has to be remembered.

use std::io;
use std::io::{PipeReader, PipeWriter};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use log::{debug, error, warn};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::common::bind_advice::with_bind_advice;
use crate::common::http_end_point::HttpEndPoint;
use crate::common::time::Time;
use crate::http::http_connection::{HttpConnection, Turn};
use crate::http::http_request::HttpRequest;
use crate::http::http_response::{HttpResponse, Status};
use crate::http::known_hosts::KnownHosts;
use crate::http::routes::Routes;

/// How many connections there may be. One more takes the place of one that has nothing under way;
/// if there is none, it waits in the backlog.
pub const CONNECTIONS_MAX: usize = 16;
/// How many pages are given out in a second. Who asks for more waits.
pub const PAGES_PER_SECOND_MAX: u32 = 100;

/// What a page costs, where to accept or to refuse somebody costs 1: it is work for nothing, but so
/// little that those who behave need not wait long behind those who do not.
const PAGE_COST: u32 = 10;
/// What may be spent in a second.
const COST_PER_SECOND_MAX: u32 = PAGES_PER_SECOND_MAX * PAGE_COST;

/// How often the clock is looked at: a client may have taken too long, or a second be over.
const LOOK_MS: u16 = 250;
/// How long to wait after a failed `accept(2)` or `poll(2)`.
const PAUSE_MS: u64 = 100;

/// A server that runs, until it is shut down or dropped.
pub struct HttpServer {
    local_addr: SocketAddr,
    /// The loop ends when this end of its pipe is closed.
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// Listens on `end_point` and answers with the pages of `routes`.
    ///
    /// # Errors
    /// A sentence with the end point, if it cannot be bound; the system is out of threads or file
    /// descriptors.
    pub fn start(
        end_point: &HttpEndPoint,
        routes: Routes,
        time: Arc<dyn Time>,
    ) -> io::Result<Self> {
        let listener = bind(end_point)?;
        let local_addr = listener.local_addr()?;
        if !local_addr.ip().is_loopback() {
            warn!(
                "HTTP is served on {local_addr} without a password: everybody who reaches that \
                 address can read the names and sizes of all topics, and who the clients are"
            );
        }
        let (stopped, stop) = io::pipe()?;
        let server_loop = HttpLoop {
            listener,
            stopped,
            connections: Vec::new(),
            known_hosts: KnownHosts::new(&end_point.host),
            routes,
            pace: Pace::default(),
            accepts_again_ms: 0,
            time,
        };
        let thread = thread::Builder::new().name("transferto-http".to_string());
        let thread = thread.spawn(move || server_loop.run())?;
        Ok(Self { local_addr, stop: Some(stop), thread: Some(thread) })
    }

    /// The address that it is bound to, with the port that the system chose if that was 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Closes the port and all connections, and waits for the thread. Calling it again does
    /// nothing.
    pub fn shutdown(&mut self) {
        self.stop = None;
        let Some(thread) = self.thread.take() else { return };
        if thread.join().is_err() {
            error!("the thread of the HTTP server had died of a panic");
        }
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.shutdown();
    }
}

fn bind(end_point: &HttpEndPoint) -> io::Result<TcpListener> {
    let bound = TcpListener::bind((end_point.host.as_str(), end_point.port)).and_then(|it| {
        it.set_nonblocking(true)?;
        Ok(it)
    });
    bound.map_err(|error| {
        let error = with_bind_advice(
            error,
            "set `transferto.http.listener` to another port, or leave it empty to serve no pages",
            "`transferto.http.listener` must give an address of this machine",
        );
        let why = format!("cannot bind `transferto.http.listener={end_point}`: {error}");
        io::Error::new(error.kind(), why)
    })
}

/// What the thread of the server owns.
struct HttpLoop {
    listener: TcpListener,
    stopped: PipeReader,
    connections: Vec<HttpConnection>,
    known_hosts: KnownHosts,
    routes: Routes,
    pace: Pace,
    /// Not before: the process may be out of file descriptors.
    accepts_again_ms: i64,
    time: Arc<dyn Time>,
}

/// What the last `poll(2)` has found.
#[derive(Default)]
struct Ready {
    is_stopped: bool,
    has_newcomer: bool,
    /// One entry per connection; none is ready if they were not asked.
    connections: Vec<bool>,
}

impl HttpLoop {
    fn run(mut self) {
        loop {
            let ready = self.wait();
            if ready.is_stopped {
                return;
            }
            self.give_turns(&ready);
            self.close_overdue();
            if ready.has_newcomer {
                self.accept();
            }
        }
    }

    /// Waits until something can be done: to stop, at any time; to serve, while the pace allows it.
    fn wait(&self) -> Ready {
        let now_ms = self.time.hi_res_clock_ms();
        let rests = self.pace.is_spent(now_ms);
        let accepts = !rests && self.has_room() && now_ms >= self.accepts_again_ms;
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds = vec![readable(self.stopped.as_fd())];
        fds.extend(accepts.then(|| readable(self.listener.as_fd())));
        let first_connection = fds.len();
        if !rests {
            let interests = self.connections.iter().map(HttpConnection::interest);
            fds.extend(interests.map(|(fd, flags)| PollFd::new(fd, flags)));
        }
        let is_quiet = accepts && self.connections.is_empty();
        let timeout = if is_quiet { PollTimeout::NONE } else { PollTimeout::from(LOOK_MS) };
        if let Err(errno) = poll(&mut fds, timeout) {
            pause_unless_interrupted(errno);
            return Ready::default();
        }
        let is_ready = |fd: &PollFd<'_>| fd.any().unwrap_or(true);
        Ready {
            is_stopped: is_ready(&fds[0]),
            has_newcomer: accepts && is_ready(&fds[1]),
            connections: fds[first_connection..].iter().map(is_ready).collect(),
        }
    }

    fn has_room(&self) -> bool {
        self.connections.len() < CONNECTIONS_MAX
            || self.connections.iter().any(HttpConnection::is_dispensable)
    }

    /// Lets each connection that is ready go on, and drops those that are at their end.
    fn give_turns(&mut self, ready: &Ready) {
        let now_ms = self.time.hi_res_clock_ms();
        let Self { connections, known_hosts, routes, pace, .. } = self;
        let mut is_ready = ready.connections.iter();
        connections.retain_mut(|connection| {
            let is_ready = is_ready.next().copied().unwrap_or(false);
            if !is_ready || pace.is_spent(now_ms) {
                return true;
            }
            match connection.turn(now_ms, |request| answer(known_hosts, routes, request)) {
                Ok(Turn::Waits) => true,
                Ok(Turn::Answered) => {
                    pace.spend(now_ms, PAGE_COST);
                    true
                }
                Ok(Turn::Refused) => {
                    pace.spend(now_ms, 1);
                    true
                }
                Ok(Turn::Over) => false,
                Err(error) => {
                    debug!("An HTTP client is gone: {error}");
                    false
                }
            }
        });
    }

    fn close_overdue(&mut self) {
        let now_ms = self.time.hi_res_clock_ms();
        let before = self.connections.len();
        self.connections.retain(|connection| now_ms < connection.deadline_ms());
        let overdue = before - self.connections.len();
        if overdue > 0 {
            debug!("The HTTP server has closed {overdue} connections that took too long");
        }
    }

    /// Takes one newcomer, in the place of another connection if there are as many as there may be.
    fn accept(&mut self) {
        // A request may have come since there was room.
        if !self.has_room() {
            return;
        }
        let now_ms = self.time.hi_res_clock_ms();
        let accepted = self.listener.accept();
        match accepted.and_then(|(stream, _)| HttpConnection::new(stream, now_ms)) {
            Ok(newcomer) => {
                if self.connections.len() >= CONNECTIONS_MAX {
                    self.close_one();
                }
                self.connections.push(newcomer);
                self.pace.spend(now_ms, 1);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
            Err(error) => {
                debug!("The HTTP server cannot accept, trying again: {error}");
                self.accepts_again_ms = now_ms + PAUSE_MS.cast_signed();
            }
        }
    }

    /// Of the connections that nobody misses, closes the one that would be closed next anyway.
    fn close_one(&mut self) {
        let dispensable = self.connections.iter().enumerate().filter(|(_, it)| it.is_dispensable());
        let next_due = dispensable.min_by_key(|(_, it)| it.deadline_ms()).map(|(at, _)| at);
        if let Some(at) = next_due {
            self.connections.remove(at);
        }
    }
}

fn pause_unless_interrupted(errno: Errno) {
    if errno != Errno::EINTR {
        error!("the HTTP server cannot wait for its clients, trying again: {errno}");
        thread::sleep(Duration::from_millis(PAUSE_MS));
    }
}

/// A page that panics is a bug of ours in one page: the others are still to be had.
fn answer(known_hosts: &KnownHosts, routes: &Routes, request: &HttpRequest) -> HttpResponse {
    if let Some(host) = request.host.as_deref().filter(|host| !known_hosts.know(host)) {
        debug!("An HTTP client calls this server {host:?}");
        let why = "call this server by an address, by localhost, or by the name in \
                   `transferto.http.listener`";
        return HttpResponse::text(Status::Forbidden, why);
    }
    catch_unwind(AssertUnwindSafe(|| routes.answer(request))).unwrap_or_else(|_| {
        error!("the page {:?} panicked", request.path);
        HttpResponse::text(Status::InternalServerError, "this page cannot be made")
    })
}

/// What was spent in the present second.
#[derive(Default)]
struct Pace {
    began_ms: i64,
    spent: u32,
}

impl Pace {
    fn spend(&mut self, now_ms: i64, cost: u32) {
        if now_ms - self.began_ms >= 1000 {
            *self = Self { began_ms: now_ms, spent: 0 };
        }
        self.spent += cost;
    }

    fn is_spent(&self, now_ms: i64) -> bool {
        self.spent >= COST_PER_SECOND_MAX && now_ms - self.began_ms < 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_its_share_and_the_next_one_has_another() {
        let mut pace = Pace::default();
        for _ in 0..PAGES_PER_SECOND_MAX {
            assert!(!pace.is_spent(5000));
            pace.spend(5000, PAGE_COST);
        }
        assert!(pace.is_spent(5000) && pace.is_spent(5999));
        assert!(!pace.is_spent(6000));
        pace.spend(6000, 1);
        assert!(!pace.is_spent(6000));
    }
}
