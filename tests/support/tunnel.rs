//! TLS for clients that know nothing of it: what they send to their own end of a pair of sockets goes
//! encrypted to a broker, and back. So that the tests of the broker run over TLS by one parameter.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::{LazyLock, Mutex};
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt::Linger};
use rustls::ClientConnection;

use crate::kernel_tls;
use crate::tls::{TestCa, TlsConnector, TlsStream};

/// The brokers of this process that have TLS, by their ports.
static CONNECTORS: LazyLock<Mutex<HashMap<u16, TlsConnector>>> = LazyLock::new(Mutex::default);
/// The ports that clients of tunnels have, and those that the broker sees instead.
static PORTS: LazyLock<Mutex<HashMap<u16, u16>>> = LazyLock::new(Mutex::default);

/// What makes a broker's only listener one with TLS, with a key of its own, where `KTLS` asks for it.
/// Nothing otherwise.
pub struct TlsListener(Option<(TestCa, String)>);

impl TlsListener {
    pub fn if_asked_for() -> Self {
        kernel_tls::mode().map_or(Self(None), |mode| Self::of(&mode))
    }

    /// With this value of `transferto.ktls`.
    pub fn of(mode: &str) -> Self {
        Self(Some((TestCa::new("the CA of a test"), mode.to_string())))
    }

    pub fn settings(&self) -> Vec<(String, String)> {
        let Some((ca, mode)) = &self.0 else { return Vec::new() };
        let server = ca.server();
        let settings = [
            ("listeners", "SSL://127.0.0.1:0".to_string()),
            ("ssl.keystore.type", "PEM".to_string()),
            ("ssl.keystore.key", server.key_pem.replace('\n', " ")),
            ("ssl.keystore.certificate.chain", server.certificate_pem.replace('\n', " ")),
            ("transferto.ktls", mode.clone()),
        ];
        settings.map(|(name, value)| (name.to_string(), value)).into()
    }

    /// Clients that connect to this port get a tunnel.
    pub fn listens_on(&self, port: u16) {
        if let Some((ca, _)) = &self.0 {
            let connector = TlsConnector::trusting(&ca.certificate_pem());
            CONNECTORS.lock().unwrap().insert(port, connector);
        }
    }
}

/// The end of a tunnel to the other end of `stream`, if that is a broker with TLS.
pub fn if_it_has_tls(stream: TcpStream) -> TcpStream {
    let port = stream.peer_addr().map_or(0, |peer| peer.port());
    let connector = CONNECTORS.lock().unwrap().get(&port).cloned();
    match connector {
        None => stream,
        Some(connector) => through_tunnel(stream, &connector).unwrap(),
    }
}

/// The port by which the broker knows this client.
pub fn port_of(stream: &TcpStream) -> u16 {
    let port = stream.local_addr().map_or(0, |it| it.port());
    PORTS.lock().unwrap().get(&port).copied().unwrap_or(port)
}

/// Shakes hands on `remote`, and returns the end of a tunnel to it.
pub fn through_tunnel(remote: TcpStream, connector: &TlsConnector) -> io::Result<TcpStream> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (local, _) = listener.accept()?;
    PORTS.lock().unwrap().insert(near.local_addr()?.port(), remote.local_addr()?.port());
    join(local, connector.over(remote)?)?;
    Ok(near)
}

/// Sends on what comes at either end at the other, in a thread of its own, until one is gone.
pub fn join(local: TcpStream, remote: TlsStream) -> io::Result<()> {
    let (session, remote) = (remote.0.conn, remote.0.sock);
    for stream in [&local, &remote] {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
    }
    let tunnel = Tunnel { local, remote, session, to_local: Vec::new(), has_local_ended: false };
    thread::Builder::new().name("tunnel".to_string()).spawn(|| tunnel.run())?;
    Ok(())
}

struct Tunnel {
    local: TcpStream,
    remote: TcpStream,
    session: ClientConnection,
    /// Decrypted, and not taken yet.
    to_local: Vec<u8>,
    /// The client sends nothing more.
    has_local_ended: bool,
}

/// How much is on its way in one direction, about.
const BUFFERED_BYTES_MAX: usize = 64 << 10;

impl Tunnel {
    /// Until an end is gone.
    fn run(mut self) {
        while let Ok(true) = self.turn() {}
        // What was given to a socket leaves, unless the other end was reset.
    }

    /// Waits for something to do and does it. Returns whether it goes on.
    fn turn(&mut self) -> io::Result<bool> {
        let (local, remote) = self.wait()?;
        if local.contains(PollFlags::POLLOUT) && !self.to_local.is_empty() {
            match self.local.write(&self.to_local) {
                Ok(taken) => drop(self.to_local.drain(..taken)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => (),
                Err(error) => return self.reset(error),
            }
        }
        if local.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR)
            && !self.has_local_ended
        {
            self.take_from_local()?;
        }
        if remote.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR)
            && !self.take_from_remote()?
        {
            self.local.set_nonblocking(false)?;
            self.local.write_all(&self.to_local)?;
            self.local.shutdown(Shutdown::Write)?;
            return Ok(false);
        }
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.remote) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                written => drop(written?),
            }
        }
        if self.has_local_ended && !self.session.wants_write() {
            self.remote.shutdown(Shutdown::Write).or_else(|error| match error.kind() {
                ErrorKind::NotConnected => Ok(()),
                _ => Err(error),
            })?;
        }
        Ok(true)
    }

    fn wait(&self) -> io::Result<(PollFlags, PollFlags)> {
        let mut of_local = PollFlags::empty();
        of_local.set(PollFlags::POLLOUT, !self.to_local.is_empty());
        of_local.set(PollFlags::POLLIN, !self.has_local_ended && !self.session.wants_write());
        let mut of_remote = PollFlags::empty();
        of_remote.set(PollFlags::POLLOUT, self.session.wants_write());
        of_remote.set(PollFlags::POLLIN, self.to_local.len() < BUFFERED_BYTES_MAX);
        let mut fds = [
            PollFd::new(self.local.as_fd(), of_local),
            PollFd::new(self.remote.as_fd(), of_remote),
        ];
        poll(&mut fds, PollTimeout::NONE)?;
        Ok((fds[0].revents().unwrap(), fds[1].revents().unwrap()))
    }

    fn take_from_local(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 << 10];
        match self.local.read(&mut buffer) {
            Ok(0) => {
                self.has_local_ended = true;
                self.session.send_close_notify();
            }
            Ok(taken) => self.session.writer().write_all(&buffer[..taken])?,
            Err(error) if error.kind() == ErrorKind::WouldBlock => (),
            Err(error) => return self.reset(error).map(drop),
        }
        Ok(())
    }

    /// Returns whether there may be more.
    fn take_from_remote(&mut self) -> io::Result<bool> {
        let read = match self.session.read_tls(&mut self.remote) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            read => read.unwrap_or(0),
        };
        let state = self.session.process_new_packets().map_err(io::Error::other)?;
        let start = self.to_local.len();
        self.to_local.resize(start + state.plaintext_bytes_to_read(), 0);
        self.session.reader().read_exact(&mut self.to_local[start..])?;
        Ok(read > 0 && !state.peer_has_closed())
    }

    /// The client has reset its end, and so the other is reset, too.
    fn reset(&self, error: io::Error) -> io::Result<bool> {
        let abort = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        setsockopt(&self.remote, Linger, &abort)?;
        Err(error)
    }
}
