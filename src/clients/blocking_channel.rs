//! Port of `kafka.network.BlockingChannel` of Kafka 0.9: a connection to another node with one request under
//! way, whose caller waits for the response.
//!
//! Every wait has an end: a call has a time in which the whole response must be there, however slowly it
//! comes in, and an [`Interrupter`] ends it at once.

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
use crate::protocol::client_request::{ClientRequest, client_request_bytes, read_client_response};

/// How much of a response is made room for before its bytes have come.
const READ_BYTES: usize = 64 * 1024;
/// The largest response that is taken, unless another limit is set. Those of controllers have records of
/// 8 MiB at most.
pub const RESPONSE_BYTES_MAX: usize = 100 * 1024 * 1024;

/// Closed when it is dropped. After an error it is of no use any more: a late response would be taken for
/// that of the next request.
#[derive(Debug)]
pub struct BlockingChannel {
    socket: WatchedSocket,
    client_id: String,
    next_correlation_id: i32,
    response_bytes_max: usize,
}

/// A socket that the interrupter can shut down, until it is dropped.
#[derive(Debug)]
struct WatchedSocket {
    socket: TcpStream,
    interrupter: Arc<Interrupter>,
    number: u64,
}

/// A response, and the frame of which its records are ranges.
#[derive(Debug)]
pub struct Response<T> {
    pub body: T,
    pub frame: Vec<u8>,
}

impl BlockingChannel {
    /// Connects to the first address of `host` that takes the connection. `client_id` is in the header of
    /// each request.
    ///
    /// # Errors
    /// If the name has no address; what the last address fails with, `TimedOut` after `timeout`;
    /// `ConnectionAborted` if it is interrupted.
    pub fn connect(
        host: &str,
        port: u16,
        client_id: &str,
        timeout: Duration,
        interrupter: &Arc<Interrupter>,
    ) -> io::Result<Self> {
        let deadline = Instant::now() + timeout;
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (host, port).to_socket_addrs()? {
            match connect_to(address, deadline, interrupter) {
                Ok(socket) => {
                    return Ok(Self {
                        socket,
                        client_id: client_id.to_string(),
                        next_correlation_id: 0,
                        response_bytes_max: RESPONSE_BYTES_MAX,
                    });
                }
                Err(error) => failure = interrupter.reason(error),
            }
        }
        Err(failure)
    }

    /// What is in the header of each request.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Refuses responses of more than `bytes_max`, in the place of [`RESPONSE_BYTES_MAX`].
    pub fn limit_responses(&mut self, bytes_max: usize) {
        self.response_bytes_max = bytes_max;
    }

    /// Sets the receive buffer of the socket (SO_RCVBUF), which the system adapts to the connection otherwise.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    pub fn set_receive_buffer(&self, bytes: usize) -> io::Result<()> {
        Ok(setsockopt(&self.socket.socket, RcvBuf, &bytes)?)
    }

    /// Sends a request in this version, and waits for its response, for `timeout` in all.
    ///
    /// # Errors
    /// `InvalidData` for what is no response to it; otherwise as [`exchange`](Self::exchange).
    pub fn call<R: ClientRequest>(
        &mut self,
        request: &R,
        version: i16,
        timeout: Duration,
    ) -> io::Result<Response<R::Response>> {
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id = correlation_id.wrapping_add(1);
        let request = client_request_bytes(request, version, correlation_id, &self.client_id);
        let frame = self.exchange(&request, timeout)?;
        let (of_response, body) = read_client_response::<R>(&frame, version)
            .map_err(|error| invalid(format!("no response to {}: {error}", R::NAME)))?;
        if of_response != correlation_id {
            return Err(invalid(format!(
                "a response to request {of_response}, not to {} {correlation_id}",
                R::NAME
            )));
        }
        Ok(Response { body, frame })
    }

    /// Sends a request, header included, and waits for the response, both without their size in front.
    ///
    /// # Errors
    /// Whatever the operating system reports; `TimedOut` if the response is not whole after `timeout`;
    /// `UnexpectedEof` if the node hangs up; `InvalidData` for an impossible size; `ConnectionAborted` if
    /// it is interrupted.
    pub fn exchange(&mut self, request: &[u8], timeout: Duration) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + timeout;
        let exchanged = self.send(request, deadline).and_then(|()| self.receive(deadline));
        exchanged.map_err(|error| self.socket.interrupter.reason(error))
    }

    fn send(&mut self, request: &[u8], deadline: Instant) -> io::Result<()> {
        let size = i32::try_from(request.len())
            .map_err(|_| invalid(format!("a request of {} bytes", request.len())))?;
        let frame = [&size.to_be_bytes()[..], request].concat();
        let mut left = &frame[..];
        while !left.is_empty() {
            self.socket.socket.set_write_timeout(Some(time_left(deadline)?))?;
            match self.socket.socket.write(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => left = &left[written..],
                Err(error) => retry_or_fail(error)?,
            }
        }
        Ok(())
    }

    fn receive(&mut self, deadline: Instant) -> io::Result<Vec<u8>> {
        let mut size = [0; 4];
        self.fill(&mut size, deadline)?;
        let size = i32::from_be_bytes(size);
        let size = usize::try_from(size)
            .ok()
            .filter(|size| *size <= self.response_bytes_max)
            .ok_or_else(|| {
                let max = self.response_bytes_max;
                invalid(format!("a response of {size} bytes, where 0 to {max} are possible"))
            })?;
        let mut frame = Vec::new();
        while frame.len() < size {
            let start = frame.len();
            frame.resize(size.min(start + READ_BYTES.max(start)), 0);
            self.fill(&mut frame[start..], deadline)?;
        }
        Ok(frame)
    }

    fn fill(&mut self, mut room: &mut [u8], deadline: Instant) -> io::Result<()> {
        while !room.is_empty() {
            self.socket.socket.set_read_timeout(Some(time_left(deadline)?))?;
            match self.socket.socket.read(room) {
                Ok(0) => {
                    let why = "the node has hung up";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
                }
                Ok(read) => room = &mut room[read..],
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

/// Connects within the time; in the end the socket blocks.
fn connect_to(
    address: SocketAddr,
    deadline: Instant,
    interrupter: &Arc<Interrupter>,
) -> io::Result<WatchedSocket> {
    let connecting = mio::net::TcpStream::connect(address)?;
    let socket = TcpStream::from(OwnedFd::from(connecting));
    let number = interrupter.watch(&socket)?;
    let watched = WatchedSocket { socket, interrupter: Arc::clone(interrupter), number };
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

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
