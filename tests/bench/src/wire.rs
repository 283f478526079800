//! What a client sends and receives by: a bare socket, or TLS over one.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use rustls::ClientConnection;
use support::tls::TlsConnector;

use crate::connection::PATIENCE;
use crate::outcome::Outcome;

/// Of records as they come from the socket: as much in one call as a consumer without TLS takes.
const RECORDS_BYTES: usize = 128 << 10;

/// One end of a connection.
#[derive(Debug)]
pub enum Wire {
    Plaintext(TcpStream),
    Tls(Box<TlsWire>),
}

/// A session of rustls, which by itself would take its records out of the socket 4 KiB at a time.
#[derive(Debug)]
pub struct TlsWire {
    session: ClientConnection,
    stream: TcpStream,
    records: Vec<u8>,
    /// Records that came but that the session has not taken are those of `taken..filled`.
    taken: usize,
    filled: usize,
}

impl Wire {
    /// Connects to the server on this port of 127.0.0.1.
    pub fn plaintext(port: u16) -> Outcome<Self> {
        Ok(Self::Plaintext(connect(port)?))
    }

    /// The same, and shakes hands.
    pub fn tls(port: u16, connector: &TlsConnector) -> Outcome<Self> {
        let (session, stream) = (connector.session(), connect(port)?);
        let records = vec![0; RECORDS_BYTES];
        let mut wire = TlsWire { session, stream, records, taken: 0, filled: 0 };
        wire.shake_hands()?;
        Ok(Self::Tls(Box::new(wire)))
    }

    /// For what is not done here: an option, another thread.
    pub fn stream(&self) -> &TcpStream {
        match self {
            Self::Plaintext(stream) => stream,
            Self::Tls(wire) => &wire.stream,
        }
    }
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

impl TlsWire {
    fn shake_hands(&mut self) -> io::Result<()> {
        self.send_records()?;
        while self.session.is_handshaking() {
            if self.take_records()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.send_records()?;
        }
        Ok(())
    }

    fn send_records(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut self.stream)?;
        }
        Ok(())
    }

    /// Gives the session some of the bytes that have come, and waits for them if there are none; no
    /// byte is the end of the stream.
    fn take_records(&mut self) -> io::Result<usize> {
        if self.taken == self.filled {
            self.taken = 0;
            self.filled = self.stream.read(&mut self.records)?;
        }
        let taken = self.session.read_tls(&mut &self.records[self.taken..self.filled])?;
        self.taken += taken;
        self.session.process_new_packets().map_err(io::Error::other)?;
        Ok(taken)
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plaintext(stream) => stream.read(buffer),
            Self::Tls(wire) => wire.read(buffer),
        }
    }
}

impl Read for TlsWire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(buffer) {
                // Nothing is decrypted yet.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
                read => return read,
            }
            self.take_records()?;
            // An answer to a change of keys.
            self.send_records()?;
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plaintext(stream) => stream.write(bytes),
            Self::Tls(wire) => {
                let taken = wire.session.writer().write(bytes)?;
                wire.send_records()?;
                Ok(taken)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
