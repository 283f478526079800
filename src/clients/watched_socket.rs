//! In the place of `java.nio.channels.SocketChannel` for a thread that waits: a socket whose every wait ends, at
//! a deadline or by an [`Interrupter`].

use std::io;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBuf;

use crate::clients::interrupter::Interrupter;

/// The interrupter can shut it down until it is dropped, which closes it.
#[derive(Debug)]
pub struct WatchedSocket {
    socket: TcpStream,
    interrupter: Arc<Interrupter>,
    number: u64,
}

impl WatchedSocket {
    /// Connects to the first address of `host` that takes the connection.
    ///
    /// # Errors
    /// `NotFound` if the name has no address; what the last address fails with, `TimedOut` at the deadline;
    /// `ConnectionAborted` if it is interrupted.
    pub(super) fn connect(
        (host, port): (&str, u16),
        deadline: Instant,
        interrupter: &Arc<Interrupter>,
    ) -> io::Result<Self> {
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let unknown = |error| io::Error::new(io::ErrorKind::NotFound, error);
        for address in (host, port).to_socket_addrs().map_err(unknown)? {
            match Self::connect_to(address, deadline, interrupter) {
                Ok(socket) => return Ok(socket),
                Err(error) => failure = interrupter.reason(error),
            }
        }
        Err(failure)
    }

    /// Connects within the time; in the end the socket blocks.
    fn connect_to(
        address: SocketAddr,
        deadline: Instant,
        interrupter: &Arc<Interrupter>,
    ) -> io::Result<Self> {
        let connecting = mio::net::TcpStream::connect(address)?;
        let socket = TcpStream::from(OwnedFd::from(connecting));
        let number = interrupter.watch(&socket)?;
        let watched = Self { socket, interrupter: Arc::clone(interrupter), number };
        let socket = &watched.socket;
        wait_until_connected(socket, deadline)?;
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        socket.peer_addr()?; // An interrupted socket has no error, and no peer.
        socket.set_nonblocking(false)?;
        socket.set_nodelay(true)?;
        Ok(watched)
    }

    /// Sets SO_RCVBUF, which the system adapts to the connection otherwise.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    pub(super) fn set_receive_buffer(&self, bytes: usize) -> io::Result<()> {
        Ok(setsockopt(&self.socket, RcvBuf, &bytes)?)
    }

    /// Waits for bytes, and reads those that there are. 0 if the node has hung up.
    ///
    /// # Errors
    /// `TimedOut` if none have come at the deadline; whatever the operating system reports.
    pub fn read_some(&mut self, room: &mut [u8], deadline: Instant) -> io::Result<usize> {
        loop {
            self.socket.set_read_timeout(Some(time_left(deadline)?))?;
            match self.socket.read(room) {
                Ok(read) => return Ok(read),
                Err(error) => retry_or_fail(error)?,
            }
        }
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// `TimedOut` if they are not taken at the deadline; whatever the operating system reports.
    pub fn write_whole(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<()> {
        let mut left = bytes;
        while !left.is_empty() {
            self.socket.set_write_timeout(Some(time_left(deadline)?))?;
            match self.socket.write(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => left = &left[written..],
                Err(error) => retry_or_fail(error)?,
            }
        }
        Ok(())
    }
}

impl Drop for WatchedSocket {
    fn drop(&mut self) {
        self.interrupter.forget(self.number);
    }
}

fn wait_until_connected(socket: &TcpStream, deadline: Instant) -> io::Result<()> {
    loop {
        let left_ms = time_left(deadline)?.as_millis().max(1);
        let timeout = PollTimeout::try_from(left_ms).unwrap_or(PollTimeout::MAX);
        let mut polled = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
        match poll(&mut polled, timeout) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => (),
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn time_left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "the node has not answered in time"));
    }
    Ok(left)
}

/// A wait that ended by its own time is judged by the deadline, before the next one.
fn retry_or_fail(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => Ok(()),
        _ => Err(error),
    }
}
