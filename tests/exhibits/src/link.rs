//! How a client that speaks plaintext reaches a broker: by itself, or by a tunnel that speaks TLS for
//! it. A trace of the broker then shows the tunnel's ports in place of the client's.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bench::outcome::Outcome;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::session::Told;

/// What a client's bytes go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Plaintext,
    Ssl,
}

/// A port to connect to, and what a broker knows of who does.
pub(crate) struct Link {
    port: u16,
    ports: Ports,
}

/// The client's port, and that of the tunnel in its place.
type Ports = Arc<Mutex<BTreeMap<u16, u16>>>;

impl Protocol {
    pub(crate) const BOTH: [Self; 2] = [Self::Plaintext, Self::Ssl];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
        }
    }
}

impl Link {
    pub(crate) fn plain(port: u16) -> Self {
        Self { port, ports: Ports::default() }
    }

    /// A tunnel to the broker at this port, which shows this certificate. It lasts as long as the
    /// program.
    pub(crate) fn encrypted(broker_port: u16, certificate: &str) -> Outcome<Self> {
        let mut trusted = RootCertStore::empty();
        trusted.add(CertificateDer::from_pem_slice(certificate.as_bytes())?)?;
        let config = ClientConfig::builder().with_root_certificates(trusted);
        let config = Arc::new(config.with_no_client_auth());

        let listener = TcpListener::bind("127.0.0.1:0")?;
        let link = Self { port: listener.local_addr()?.port(), ports: Ports::default() };
        let ports = Arc::clone(&link.ports);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (config, ports) = (Arc::clone(&config), Arc::clone(&ports));
                thread::spawn(move || {
                    // The client sees that its connection ends, and fails; the reason is told here.
                    if let Err(error) = carry(client, broker_port, config, &ports) {
                        eprintln!("The client's TLS: {error}");
                    }
                });
            }
        });
        Ok(link)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// With the ports that stand in a trace of the broker.
    pub(crate) fn as_the_broker_knows_it(&self, told: Told) -> Told {
        let ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        let beyond = |port: u16| ports.get(&port).copied().unwrap_or(port);
        Told {
            producer_port: beyond(told.producer_port),
            consumer_port: beyond(told.consumer_port),
            ..told
        }
    }
}

/// Shakes hands at once, then carries frames: a client sends one and waits for the other.
fn carry(
    mut client: TcpStream,
    broker_port: u16,
    config: Arc<ClientConfig>,
    ports: &Ports,
) -> Outcome<()> {
    let broker = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], broker_port)))?;
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let of_client = client.peer_addr()?.port();
    let of_tunnel = broker.local_addr()?.port();
    ports.lock().unwrap_or_else(PoisonError::into_inner).insert(of_client, of_tunnel);

    let connection = ClientConnection::new(config, ServerName::try_from("localhost")?)?;
    let mut broker = StreamOwned::new(connection, broker);
    broker.conn.complete_io(&mut broker.sock)?;
    while let Some(request) = frame(&mut client)? {
        broker.write_all(&request)?;
        broker.flush()?;
        let Some(response) = frame(&mut broker)? else { break };
        client.write_all(&response)?;
    }
    broker.conn.send_close_notify();
    broker.conn.complete_io(&mut broker.sock)?;
    Ok(())
}

/// The size and as many bytes; `None` if the stream has ended.
fn frame(stream: &mut impl Read) -> Outcome<Option<Vec<u8>>> {
    let mut frame = vec![0; 4];
    match stream.read_exact(&mut frame) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let size = u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]);
    frame.resize(4 + size as usize, 0);
    stream.read_exact(&mut frame[4..])?;
    Ok(Some(frame))
}
