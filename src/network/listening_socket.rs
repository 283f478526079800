//! Port of `Acceptor.openServerSocket` in `kafka.network.SocketServer`: a socket that is bound
//! first and listens later.

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket;
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, sockopt};

use crate::common::end_point::EndPoint;
use crate::network::tcp_settings::TcpSettings;

/// What the sockets that a listener accepts inherit from it.
#[derive(Clone, Debug, Default)]
pub struct InheritedOptions {
    /// Their `SO_RCVBUF`: only a size that is known before the handshake can widen the TCP window
    /// that is offered in it. `None` leaves the buffer to the system (KAFKA-724).
    pub receive_buffer_bytes: Option<usize>,
    /// Their `TCP_CONGESTION`, or the system's. A socket that is given another one after it was
    /// accepted goes on pacing as the first one did.
    pub congestion_control: Option<String>,
}

/// A socket that holds its port, and refuses every client until it listens.
///
/// Only binding shows whether a port is free, and that should be known before the logs are loaded;
/// but no client may be let in before anything can answer it (KAFKA-14658). Hence the two steps.
#[derive(Debug)]
pub struct ListeningSocket {
    fd: OwnedFd,
    end_point: EndPoint,
}

impl ListeningSocket {
    /// Binds the address of `end_point`. An empty host stands for every address, of IPv4 and of
    /// IPv6.
    ///
    /// # Errors
    /// A sentence with the address and the reason: the port is taken, the host has no address, the
    /// kernel does not have or allow the congestion control, and so on.
    pub fn bind(end_point: &EndPoint, options: &InheritedOptions) -> io::Result<Self> {
        let fd = open(end_point).map_err(|error| explain(end_point, "bind", &error))?;
        configure(&fd, options)?;
        let listener = Self { fd, end_point: end_point.clone() };
        let port = listener.local_addr()?.port();
        Ok(Self { end_point: EndPoint { port, ..listener.end_point }, ..listener })
    }

    /// The end point as it was asked for, with the port that the system chose if that was 0.
    pub fn end_point(&self) -> &EndPoint {
        &self.end_point
    }

    /// Opens the port to clients, of whom `backlog_size` may wait for their `accept(2)`.
    ///
    /// # Errors
    /// A sentence with the address and the reason. Linux lets two sockets bind the same port while
    /// neither listens, so a port that another process took since [`ListeningSocket::bind`] shows
    /// here.
    pub fn listen(self, backlog_size: i32) -> io::Result<TcpListener> {
        // What is beyond this number the system would cut off, too.
        let backlog = Backlog::new(backlog_size.min(Backlog::MAXCONN.into()))?;
        socket::listen(&self.fd, backlog)
            .map_err(|errno| explain(&self.end_point, "listen on", &io::Error::from(errno)))?;
        Ok(TcpListener::from(self.fd))
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    /// Whatever `getsockname(2)` reports.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let address: SockaddrStorage = socket::getsockname(self.fd.as_raw_fd())?;
        let ipv4 = address.as_sockaddr_in().map(|it| SocketAddr::from((it.ip(), it.port())));
        let ipv6 = address.as_sockaddr_in6().map(|it| SocketAddr::from((it.ip(), it.port())));
        ipv4.or(ipv6).ok_or_else(|| io::Error::other("the socket has no internet address"))
    }
}

fn open(end_point: &EndPoint) -> io::Result<OwnedFd> {
    if !end_point.host.is_empty() {
        return open_first(end_point);
    }
    let every_address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, end_point.port));
    match open_at(every_address) {
        // A machine may have no IPv6, in its kernel or on its interfaces.
        Err(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL) => {
            let every_ipv4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, end_point.port));
            Ok(open_at(every_ipv4)?)
        }
        opened => Ok(opened?),
    }
}

/// Binds the first of the host's addresses that can be bound.
fn open_first(end_point: &EndPoint) -> io::Result<OwnedFd> {
    let mut last_error = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (end_point.host.as_str(), end_point.port).to_socket_addrs()? {
        match open_at(address) {
            Ok(fd) => return Ok(fd),
            Err(errno) => last_error = io::Error::from(errno),
        }
    }
    Err(last_error)
}

fn open_at(address: SocketAddr) -> nix::Result<OwnedFd> {
    let family = if address.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket::socket(family, SockType::Stream, flags, None)?;
    // Without it, the connections that the last broker closed keep its port for a minute
    // (TIME_WAIT).
    socket::setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        socket::setsockopt(&fd, sockopt::Ipv6V6Only, &false)?;
    }
    socket::bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(fd)
}

fn configure(fd: &OwnedFd, options: &InheritedOptions) -> io::Result<()> {
    if let Some(size_bytes) = options.receive_buffer_bytes {
        socket::setsockopt(fd, sockopt::RcvBuf, &size_bytes)?;
    }
    if let Some(name) = &options.congestion_control {
        socket::setsockopt(fd, sockopt::TcpCongestion, &OsString::from(name))
            .map_err(|errno| explain_congestion_control(name, errno))?;
    }
    Ok(())
}

fn explain_congestion_control(name: &str, errno: Errno) -> io::Error {
    let why = match errno {
        Errno::ENOENT => "the kernel has no such algorithm".to_string(),
        Errno::EPERM => "this process may not choose it".to_string(),
        other => other.desc().to_string(),
    };
    let choices = TcpSettings::of_the_system().choices();
    io::Error::other(format!("`transferto.socket.congestion.control={name}`: {why}; {choices}"))
}

fn explain(end_point: &EndPoint, verb: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {verb} {end_point}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    const INHERITS_NOTHING: InheritedOptions =
        InheritedOptions { receive_buffer_bytes: None, congestion_control: None };

    fn end_point(text: &str) -> EndPoint {
        EndPoint::parse(text).unwrap()
    }

    fn accepted_with(options: &InheritedOptions) -> TcpStream {
        let bound = ListeningSocket::bind(&end_point("PLAINTEXT://127.0.0.1:0"), options).unwrap();
        let port = bound.end_point().port;
        let listener = bound.listen(1).unwrap();
        let _client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        listener.set_nonblocking(false).unwrap();
        listener.accept().unwrap().0
    }

    fn choosing(congestion_control: &str) -> InheritedOptions {
        let congestion_control = Some(congestion_control.to_string());
        InheritedOptions { congestion_control, ..InheritedOptions::default() }
    }

    /// The algorithm of a socket, which the kernel fills up with zeros.
    fn congestion_control(stream: &TcpStream) -> String {
        let name = socket::getsockopt(stream, sockopt::TcpCongestion).unwrap();
        name.into_string().unwrap().trim_end_matches('\0').to_string()
    }

    #[test]
    fn a_bound_socket_knows_its_port_and_refuses_until_it_listens() {
        let bound = ListeningSocket::bind(&end_point("PLAINTEXT://127.0.0.1:0"), &INHERITS_NOTHING)
            .unwrap();
        let address = ("127.0.0.1", bound.end_point().port);
        assert_ne!(address.1, 0);
        let refused = TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let _listener = bound.listen(1).unwrap();
        TcpStream::connect(address).unwrap();
    }

    #[test]
    fn a_taken_port_is_reported_with_its_address() {
        let bound = ListeningSocket::bind(&end_point("PLAINTEXT://127.0.0.1:0"), &INHERITS_NOTHING)
            .unwrap();
        let taken = bound.end_point().clone();
        let _listener = bound.listen(1).unwrap();
        let error = ListeningSocket::bind(&taken, &INHERITS_NOTHING).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&taken.to_string()), "{error}");
    }

    #[test]
    fn a_port_that_was_taken_between_bind_and_listen_is_reported_with_its_address() {
        let late = ListeningSocket::bind(&end_point("PLAINTEXT://127.0.0.1:0"), &INHERITS_NOTHING)
            .unwrap();
        let early = ListeningSocket::bind(late.end_point(), &INHERITS_NOTHING).unwrap();
        let _listener = early.listen(1).unwrap();
        let address = late.end_point().to_string();
        let error = late.listen(1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address), "{error}");
    }

    #[test]
    fn an_empty_host_takes_ipv4_clients() {
        let bound = ListeningSocket::bind(&end_point("PLAINTEXT://:0"), &INHERITS_NOTHING).unwrap();
        let port = bound.end_point().port;
        let _listener = bound.listen(1).unwrap();
        TcpStream::connect(("127.0.0.1", port)).unwrap();
    }

    #[test]
    fn accepted_sockets_inherit_the_receive_buffer() {
        let asked_bytes = 300_000;
        let options = InheritedOptions {
            receive_buffer_bytes: Some(asked_bytes),
            ..InheritedOptions::default()
        };
        let accepted = accepted_with(&options);
        let plain = ListeningSocket::bind(&end_point("PLAINTEXT://127.0.0.1:0"), &INHERITS_NOTHING)
            .unwrap();
        let default_bytes = socket::getsockopt(&plain.fd, sockopt::RcvBuf).unwrap();
        let inherited_bytes = socket::getsockopt(&accepted, sockopt::RcvBuf).unwrap();
        assert_ne!(inherited_bytes, default_bytes);
    }

    #[test]
    fn accepted_sockets_inherit_the_congestion_control() {
        let system = TcpSettings::of_the_system();
        let chosen = system.allowed.split(' ').find(|it| *it != system.congestion_control);
        // Where only one is allowed, it is inherited either way.
        let chosen = chosen.unwrap_or("reno");
        assert_eq!(congestion_control(&accepted_with(&choosing(chosen))), chosen);
        let inherited = congestion_control(&accepted_with(&INHERITS_NOTHING));
        assert_eq!(inherited, system.congestion_control);
    }

    #[test]
    fn an_algorithm_that_the_kernel_does_not_have_is_refused_with_those_that_it_has() {
        let end_point = end_point("PLAINTEXT://127.0.0.1:0");
        let error = ListeningSocket::bind(&end_point, &choosing("pigeon")).unwrap_err().to_string();
        let system = TcpSettings::of_the_system();
        for part in ["congestion.control=pigeon`", "no such", &system.available, &system.allowed] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
