//! Port of `kafka.network.Acceptor`: the thread that takes connections and deals them out to the
//! Processors.

use std::io;
use std::net;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use log::{Level, debug, error, log};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use nix::sys::socket;
use nix::sys::socket::sockopt;

use crate::common::file_descriptors::Reserve;
use crate::common::log_limit::{LogKind, limited, report_left_out};
use crate::common::metrics::Metrics;
use crate::common::step::step;
use crate::network::connection_quotas::ConnectionQuotas;
use crate::network::processor::{NewConnection, ProcessorHandle};

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);

/// Room for the events of one poll; there are two sources.
const EVENTS: usize = 2;

/// Kafka's `select(500)`: the listener and the waker end it earlier.
const POLL_TIMEOUT: Duration = Duration::from_millis(500);

/// How long to wait after a failed `accept(2)`.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts the connections of one listener. One thread runs it, and owns its poll.
pub struct Acceptor {
    handle: Arc<AcceptorHandle>,
    poll: Poll,
    listener: TcpListener,
    processors: Vec<Arc<ProcessorHandle>>,
    next_processor: usize,
    connection_quotas: Arc<ConnectionQuotas>,
    send_buffer_bytes: Option<usize>,
    metrics: Arc<Metrics>,
    reserve: Reserve,
    /// A connection that was accepted on a descriptor of the reserve. It waits for another one.
    waiting: Option<(net::TcpStream, SocketAddr)>,
    /// The last attempt to accept failed, and connections may wait for which no further event comes.
    is_pausing: bool,
}

impl Acceptor {
    /// An Acceptor for `listener`, which must listen already, that deals its connections out to
    /// `processors` in turn.
    ///
    /// `send_buffer_bytes` becomes the `SO_SNDBUF` of each connection; `None` leaves it to the
    /// system, which then adapts it to the connection (KAFKA-724).
    ///
    /// # Errors
    /// The system is out of file descriptors or of memory.
    pub fn new(
        listener: net::TcpListener,
        processors: Vec<Arc<ProcessorHandle>>,
        connection_quotas: Arc<ConnectionQuotas>,
        send_buffer_bytes: Option<usize>,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        assert!(!processors.is_empty(), "num.network.threads is at least 1");
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let mut listener = TcpListener::from_std(listener);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            handle: Arc::new(AcceptorHandle { is_alive: AtomicBool::new(true), waker }),
            poll,
            listener,
            processors,
            next_processor: 0,
            connection_quotas,
            send_buffer_bytes,
            metrics,
            reserve: Reserve::of_free()?,
            waiting: None,
            is_pausing: false,
        })
    }

    /// The handle by which another thread stops this Acceptor.
    pub fn handle(&self) -> Arc<AcceptorHandle> {
        Arc::clone(&self.handle)
    }

    /// Accepts until the handle says stop; then closes the port.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        while self.handle.is_alive() {
            let timeout = if self.is_pausing { PAUSE } else { POLL_TIMEOUT };
            match self.poll.poll(&mut events, Some(timeout)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    error!("Acceptor.run: poll failed, trying again: {error}");
                    thread::sleep(PAUSE);
                    continue;
                }
            }
            if self.is_pausing || events.iter().any(|event| event.token() == LISTENER) {
                self.accept_all();
            }
            report_left_out();
        }
        debug!("Acceptor.run: the port is closed");
    }

    /// Accepts until no connection waits: the listener's next event comes only after that.
    ///
    /// When the process is out of memory, or of file descriptors but for those of the reserve,
    /// connections stay in the backlog. The next attempt follows after a pause, not before: an
    /// attempt costs nothing but time, and there may be none to spare.
    fn accept_all(&mut self) {
        if !self.admit_waiting() {
            return;
        }
        while self.handle.is_alive() {
            match self.listener.accept() {
                Ok((stream, peer)) if self.reserve.holds(&stream) => {
                    self.waiting = Some((stream.into(), peer));
                    return self.begin_pause(&self.out_of_descriptors());
                }
                Ok((stream, peer)) => {
                    self.end_pause();
                    self.accept(stream, peer);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return self.end_pause(),
                    // The first client in the queue is gone again: on to the next.
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => return self.begin_pause(&error),
                },
            }
        }
    }

    /// Moves the connection that waits to a descriptor outside of the reserve and accepts it, if one
    /// is free by now. Returns whether none waits any more.
    fn admit_waiting(&mut self) -> bool {
        let Some((stream, peer)) = self.waiting.take() else { return true };
        match stream.try_clone() {
            Ok(moved) if !self.reserve.holds(&moved) => {
                self.end_pause();
                self.accept(TcpStream::from_std(moved), peer);
                true
            }
            _ => {
                self.waiting = Some((stream, peer));
                false
            }
        }
    }

    fn out_of_descriptors(&self) -> io::Error {
        let (limit, kept) = (self.reserve.limit(), self.reserve.size());
        io::Error::other(format!(
            "of {limit} file descriptors, {kept} are kept for the logs, and all others are in use"
        ))
    }

    /// Counts and prepares a connection, and gives it to the next Processor. If that fails, the
    /// connection is closed and nothing stays counted, whatever the reason (KAFKA-13457).
    fn accept(&mut self, stream: TcpStream, peer: SocketAddr) {
        if let Err(refusal) = self.connection_quotas.inc(peer.ip()) {
            let level = limited(LogKind::RefusedConnections, Level::Info);
            log!(level, "Acceptor.accept: closing the connection from {peer}: {refusal}");
            self.metrics.connections_refused.increment();
            return;
        }
        if let Err(error) = configure(&stream, self.send_buffer_bytes) {
            let level = limited(LogKind::RefusedConnections, Level::Warn);
            log!(level, "Acceptor.accept: closing the connection from {peer}: {error}");
            if let Err(miscount) = self.connection_quotas.dec(peer.ip()) {
                error!("Acceptor.accept: {miscount}");
            }
            return;
        }
        let _step = step!([1] "Acceptor.accept", "{peer} has connected");
        self.processors[self.next_processor].accept(NewConnection { stream, peer });
        self.next_processor = (self.next_processor + 1) % self.processors.len();
    }

    fn begin_pause(&mut self, error: &io::Error) {
        if !self.is_pausing {
            let level = limited(LogKind::RefusedConnections, Level::Error);
            log!(level, "Acceptor.accept: cannot accept, trying again every {PAUSE:?}: {error}");
        }
        self.is_pausing = true;
    }

    fn end_pause(&mut self) {
        if self.is_pausing {
            let level = limited(LogKind::RefusedConnections, Level::Info);
            log!(level, "Acceptor.accept: accepting again");
        }
        self.is_pausing = false;
    }
}

/// The end of an [`Acceptor`] that other threads hold.
pub struct AcceptorHandle {
    is_alive: AtomicBool,
    waker: Waker,
}

impl AcceptorHandle {
    /// Asks the Acceptor to stop. Its thread ends soon after.
    pub fn shutdown(&self) {
        self.is_alive.store(false, Ordering::Release);
        if let Err(error) = self.waker.wake() {
            // It sees the flag when its poll ends by itself.
            error!("cannot wake the Acceptor: {error}");
        }
    }

    fn is_alive(&self) -> bool {
        self.is_alive.load(Ordering::Acquire)
    }
}

fn configure(stream: &TcpStream, send_buffer_bytes: Option<usize>) -> io::Result<()> {
    // A response is handed to the socket as a whole, so nothing is gained by waiting for more.
    stream.set_nodelay(true)?;
    socket::setsockopt(stream, sockopt::KeepAlive, &true)?;
    if let Some(size_bytes) = send_buffer_bytes {
        socket::setsockopt(stream, sockopt::SndBuf, &size_bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted() -> (net::TcpStream, TcpStream) {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        (client, TcpStream::from_std(stream))
    }

    #[test]
    fn an_accepted_socket_sends_at_once_and_notices_a_dead_peer() {
        let (_client, stream) = accepted();
        configure(&stream, None).unwrap();
        assert!(stream.nodelay().unwrap());
        assert!(socket::getsockopt(&stream, sockopt::KeepAlive).unwrap());
    }

    #[test]
    fn the_send_buffer_is_set_or_left_alone() {
        let (_client, stream) = accepted();
        let default_bytes = socket::getsockopt(&stream, sockopt::SndBuf).unwrap();
        configure(&stream, None).unwrap();
        assert_eq!(socket::getsockopt(&stream, sockopt::SndBuf).unwrap(), default_bytes);
        configure(&stream, Some(20_000)).unwrap();
        // Linux doubles what it is asked for, to have room for its own bookkeeping.
        assert_eq!(socket::getsockopt(&stream, sockopt::SndBuf).unwrap(), 40_000);
    }
}
