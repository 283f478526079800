//! Port of `kafka.network.BlockingChannel` of Kafka 0.9: a connection to another node with one request under
//! way, whose caller waits for the response.
//!
//! Every wait has an end: a call has a time in which the whole response must be there, however slowly it
//! comes in, and an [`Interrupter`] ends it at once. A handshake and a login are under the same rules.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clients::client_channel_builder::{
    ClientAuthenticator, ClientChannelBuilder, ClientTransport,
};
use crate::clients::interrupter::Interrupter;
use crate::clients::watched_socket::WatchedSocket;
use crate::protocol::client_request::{ClientRequest, client_request_bytes, read_client_response};

/// How much of a response is made room for before its bytes have come.
const READ_BYTES: usize = 64 * 1024;
/// The largest response that is taken, unless another limit is set. Those of controllers have records of
/// 8 MiB at most.
pub const RESPONSE_BYTES_MAX: usize = 100 * 1024 * 1024;
/// The largest response of a node that this broker has not authenticated to yet: what a broker takes of a
/// client by `sasl.server.max.receive.size`.
const AUTHENTICATION_RESPONSE_BYTES_MAX: usize = 512 * 1024;

/// Closed when it is dropped. After an error it is of no use any more: a late response would be taken for
/// that of the next request.
#[derive(Debug)]
pub struct BlockingChannel {
    frames: Frames,
    interrupter: Arc<Interrupter>,
    authenticator: Option<Box<dyn ClientAuthenticator>>,
    /// When the node has to be shown once more who this is.
    authenticates_at: Option<Instant>,
    client_id: String,
    next_correlation_id: i32,
    response_bytes_max: usize,
}

/// Requests and responses as bytes.
#[derive(Debug)]
struct Frames {
    transport: Box<dyn ClientTransport>,
    has_answered: bool,
}

/// A response, and the frame of which its records are ranges.
#[derive(Debug)]
pub struct Response<T> {
    pub body: T,
    pub frame: Vec<u8>,
}

impl BlockingChannel {
    /// Connects to the first address of a host that takes the connection, and has `builder` secure it.
    /// `client_id` is in the header of each request.
    ///
    /// # Errors
    /// If the name has no address; what the last address fails with, `TimedOut` after `timeout`;
    /// `ConnectionAborted` if it is interrupted; whatever `builder` and its authenticator say.
    pub fn connect(
        builder: &dyn ClientChannelBuilder,
        address: (&str, u16),
        client_id: &str,
        timeout: Duration,
        interrupter: &Arc<Interrupter>,
    ) -> io::Result<Self> {
        let deadline = Instant::now() + timeout;
        let socket = WatchedSocket::connect(address, deadline, interrupter)?;
        let (host, _) = address;
        let transport = builder.build_transport(socket, host, deadline);
        let mut channel = Self {
            frames: Frames {
                transport: transport.map_err(|error| interrupter.reason(error))?,
                has_answered: false,
            },
            interrupter: Arc::clone(interrupter),
            authenticator: builder.build_authenticator(client_id),
            authenticates_at: None,
            client_id: client_id.to_string(),
            next_correlation_id: 0,
            response_bytes_max: RESPONSE_BYTES_MAX,
        };
        channel.authenticate(deadline).map_err(|error| interrupter.reason(error))?;
        Ok(channel)
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
        self.frames.transport.socket().set_receive_buffer(bytes)
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

    /// Sends a request, header included, and waits for the response, both without their size in front. A login
    /// that expires soon is repeated before.
    ///
    /// # Errors
    /// Whatever the operating system reports; `TimedOut` if the response is not whole after `timeout`;
    /// `UnexpectedEof` if the node hangs up; `InvalidData` for an impossible size; `ConnectionAborted` if
    /// it is interrupted; what the login fails with.
    pub fn exchange(&mut self, request: &[u8], timeout: Duration) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + timeout;
        let is_due = self.authenticates_at.is_some_and(|at| Instant::now() >= at);
        let authenticated = if is_due { self.authenticate(deadline) } else { Ok(()) };
        let bytes_max = self.response_bytes_max;
        let exchanged =
            authenticated.and_then(|()| self.frames.exchange(request, bytes_max, deadline));
        exchanged.map_err(|error| self.interrupter.reason(error))
    }

    /// Once no request is under way: what is read next answers the login.
    fn authenticate(&mut self, deadline: Instant) -> io::Result<()> {
        let Some(authenticator) = &mut self.authenticator else { return Ok(()) };
        let frames = &mut self.frames;
        let mut exchange =
            |request: &[u8]| frames.exchange(request, AUTHENTICATION_RESPONSE_BYTES_MAX, deadline);
        let began = Instant::now();
        let lasts = authenticator.authenticate(&mut exchange)?;
        self.authenticates_at = lasts.and_then(|it| began.checked_add(it));
        Ok(())
    }
}

impl Frames {
    fn exchange(
        &mut self,
        request: &[u8],
        response_bytes_max: usize,
        deadline: Instant,
    ) -> io::Result<Vec<u8>> {
        let sent = self.send(request, deadline);
        match sent.and_then(|()| self.receive(response_bytes_max, deadline)) {
            Ok(frame) => {
                self.has_answered = true;
                Ok(frame)
            }
            Err(error) if self.has_answered => Err(error),
            Err(error) => Err(of_first_answer(error)),
        }
    }

    fn send(&mut self, request: &[u8], deadline: Instant) -> io::Result<()> {
        let size = i32::try_from(request.len())
            .map_err(|_| invalid(format!("a request of {} bytes", request.len())))?;
        self.transport.write_whole(&[&size.to_be_bytes()[..], request].concat(), deadline)
    }

    fn receive(&mut self, bytes_max: usize, deadline: Instant) -> io::Result<Vec<u8>> {
        let mut size = [0; 4];
        self.fill(&mut size, deadline)?;
        let size = usize::try_from(i32::from_be_bytes(size))
            .ok()
            .filter(|size| *size <= bytes_max)
            .ok_or_else(|| invalid(impossible(size, bytes_max)))?;
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
            match self.transport.read_some(room, deadline)? {
                0 => {
                    let why = "the node has hung up";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
                }
                read => room = &mut room[read..],
            }
        }
        Ok(())
    }
}

/// A node that breaks off does not say why; at the first request it most often expects something else.
fn of_first_answer(error: io::Error) -> io::Error {
    let broken_off =
        [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
    if !broken_off.contains(&error.kind()) {
        return error;
    }
    let why = format!(
        "{error}, before it has answered anything: does `listener.security.protocol.map` say the same of \
         that listener there and here?"
    );
    io::Error::new(error.kind(), why)
}

/// What is wrong with the size of a response.
fn impossible(size: [u8; 4], bytes_max: usize) -> String {
    /// An alert or a handshake message of TLS, in a version that there is.
    const TLS_RECORDS: [[u8; 2]; 2] = [[0x15, 3], [0x16, 3]];
    if TLS_RECORDS.iter().any(|it| size.starts_with(it)) {
        return "the node answers by TLS: `listener.security.protocol.map` must have SSL or SASL_SSL for its \
                listener"
            .to_string();
    }
    let number = i32::from_be_bytes(size);
    format!("a response of {number} bytes, where 0 to {bytes_max} are possible")
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
