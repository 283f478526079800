//! Records that no library would send: none of them makes the broker panic, keep much, or serve one
//! connection for long.

use std::io;
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustls::ContentType;
use rustls::version::{TLS12, TLS13};
use support::kernel_tls;
use support::random::Random;
use support::temp::TempDir;
use support::tls::{RecordSealer, TlsFiles, TlsStream};
use support::wait::PATIENCE;
use transferto::common::metrics::Metrics;
use transferto::security::ssl::ssl_factory::SslFactory;
use transferto::transport::ssl_transport_layer::SslTransportLayer;
use transferto::transport::tls_offload::TlsOffload;
use transferto::transport::transport_layer::{HandshakeStatus, TransportLayer};

use crate::transport::nio_echo_server::ssl_config;

/// A listener's keys, and whether its connections go to the kernel.
struct Listener {
    files: TlsFiles,
    factory: SslFactory,
    offload: TlsOffload,
    _dir: TempDir,
}

impl Listener {
    fn new() -> Self {
        let dir = TempDir::new();
        let files = TlsFiles::in_dir(dir.path());
        let config = ssl_config(&files, &[]);
        let factory = SslFactory::configure(&config, &config.listeners[0]).unwrap();
        let in_kernel = kernel_tls::is_required().then(kernel_tls::probed).flatten();
        let offload = in_kernel.map_or(TlsOffload::Off, TlsOffload::To);
        Self { files, factory, offload, _dir: dir }
    }

    /// A transport that has just been accepted, and the other end.
    fn accept(&self) -> (SslTransportLayer, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, addr) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let stream = mio::net::TcpStream::from_std(stream);
        let (engine, metrics) = (self.factory.create_ssl_engine(), Arc::new(Metrics::default()));
        let transport = SslTransportLayer::create(stream, addr, engine, metrics).unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        (transport.with_offload(self.offload.clone()), peer)
    }

    /// The same after a handshake by TLS 1.3.
    fn shaken(&self) -> (SslTransportLayer, TlsStream) {
        let (mut transport, peer) = self.accept();
        let connector = self.files.client().with_versions(&[&TLS13]);
        let client = thread::spawn(move || connector.over(peer).unwrap());
        assert_eq!(handshake(&mut transport).unwrap(), HandshakeStatus::Finished);
        (transport, client.join().unwrap())
    }

    fn sealed(&self) -> (SslTransportLayer, TcpStream, RecordSealer) {
        let (transport, client) = self.shaken();
        let (socket, sealer) = client.into_sealer();
        (transport, socket, sealer)
    }
}

/// Goes on until it is finished, or fails, or the peer has nothing more to say.
fn handshake(transport: &mut SslTransportLayer) -> io::Result<HandshakeStatus> {
    loop {
        match transport.handshake() {
            Ok(HandshakeStatus::NeedUnwrap | HandshakeStatus::NeedWrap) => thread::yield_now(),
            ended => return ended,
        }
    }
}

/// Reads to the end, good or bad, and closes; returns the data.
fn read_to_end(transport: &mut SslTransportLayer) -> (Vec<u8>, io::Result<()>) {
    let (mut data, mut buffer, mut spare) = (Vec::new(), [0; 5], [0; 3_000]);
    let ended = loop {
        match transport.read(&mut buffer, &mut spare) {
            Ok(0) => break Ok(()),
            Ok(taken) => {
                let in_buffer = taken.min(buffer.len());
                data.extend_from_slice(&buffer[..in_buffer]);
                data.extend_from_slice(&spare[..taken - in_buffer]);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
            Err(error) => break Err(error),
        }
    };
    transport.close();
    (data, ended)
}

/// What the peer sends in one go, and then it ends.
fn sent(mut socket: TcpStream, bytes: Vec<u8>) -> thread::JoinHandle<TcpStream> {
    thread::spawn(move || {
        // The other end may have had enough before.
        let _ = socket.write_all(&bytes);
        let _ = socket.shutdown(Shutdown::Write);
        socket
    })
}

/// The first flight of a client, with something changed at each place, cut off anywhere, and other
/// protocols: a failure each time.
#[test]
fn no_bytes_in_place_of_a_handshake_do_more_than_fail() {
    if kernel_tls::is_required() {
        return; // It has no part in a handshake.
    }
    let listener = Listener::new();
    let mut random = Random(13);
    for round in 0..600 {
        let version = [&TLS12, &TLS13][round % 2];
        let mut hello = Vec::new();
        let mut client = listener.files.client().with_versions(&[version]).session();
        client.write_tls(&mut hello).unwrap();
        let bytes = match round % 4 {
            0 => random.bytes(1 + (round % 50) as u64),
            1 => [&[0, 0, 0, 40, 0, 18, 0, 3][..], &random.bytes(40)].concat(),
            2 => hello[..random.index(hello.len())].to_vec(),
            _ => {
                let at = random.index(hello.len());
                hello[at] ^= 1 + random.below(255) as u8;
                [&hello[..], &random.bytes(20)].concat()
            }
        };
        let (mut transport, peer) = listener.accept();
        let peer = sent(peer, bytes.clone());
        let outcome = handshake(&mut transport);
        transport.close();
        assert!(outcome.is_err(), "round {round}: {bytes:?}");
        drop(peer.join().unwrap());
    }
}

/// A hello in records of one byte each is one of a known size, and one that goes on is given up.
#[test]
fn a_handshake_in_the_smallest_pieces_is_kept_up_to_a_limit() {
    let listener = Listener::new();
    let endless = [&[1, 0, 0xff, 0xff][..], &[7; 30_000]].concat();
    let records: Vec<u8> = endless.iter().flat_map(|byte| [22, 3, 1, 0, 1, *byte]).collect();
    let (mut transport, peer) = listener.accept();
    let peer = sent(peer, records);
    let error = handshake(&mut transport).unwrap_err();
    assert!(error.to_string().contains("too many pieces"), "{error}");
    drop(peer.join().unwrap());
}

/// After the handshake: a message that is longer than what is kept of it, in any number of pieces, and
/// then the goodbye of this end.
#[test]
fn a_message_that_never_ends_is_given_up() {
    let listener = Listener::new();
    for piece_bytes in [1, 100, 16_000] {
        let (mut transport, socket, mut sealer) = listener.sealed();
        let mut bytes = sealer.seal(ContentType::ApplicationData, b"first");
        bytes.extend(sealer.seal(ContentType::Handshake, &[24, 0, 0xff, 0xff]));
        for _ in 0..40_000 / piece_bytes {
            bytes.extend(sealer.seal(ContentType::Handshake, &vec![0; piece_bytes]));
        }
        let peer = sent(socket, bytes);
        let (data, ended) = read_to_end(&mut transport);
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::InvalidData, "{piece_bytes}");
        assert!(b"first".starts_with(&data), "{data:?}");
        drop(peer.join().unwrap());
    }
}

/// RFC 8446, section 5.1: neither data nor an alert may stand in the middle of a message, and nothing
/// behind a KeyUpdate in its record.
#[test]
fn messages_and_records_end_where_they_must() {
    let listener = Listener::new();
    let (handshake, data, alert) =
        (ContentType::Handshake, ContentType::ApplicationData, ContentType::Alert);
    let sequences: [&[(ContentType, &[u8])]; 4] = [
        &[(handshake, &[24, 0, 0]), (data, b"data")],
        &[(handshake, &[24]), (alert, &[1, 0])],
        &[(handshake, &[24, 0, 0, 1]), (alert, &[1, 0])],
        &[(handshake, &[24, 0, 0, 1, 0, 24, 0, 0, 1, 0])],
    ];
    for records in sequences {
        let (mut transport, socket, mut sealer) = listener.sealed();
        let bytes = records.iter().flat_map(|(content, plain)| sealer.seal(*content, plain));
        let peer = sent(socket, bytes.collect());
        let (data, ended) = read_to_end(&mut transport);
        assert_eq!(data, b"", "{records:?}");
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::InvalidData, "{records:?}");
        drop(peer.join().unwrap());
    }
}

/// Records of every type, with any content.
#[test]
fn no_record_after_the_handshake_does_more_than_fail() {
    let listener = Listener::new();
    let mut random = Random(17);
    for round in 0..if kernel_tls::is_required() { 30 } else { 200 } {
        let (mut transport, socket, mut sealer) = listener.sealed();
        let mut bytes = Vec::new();
        for _ in 0..random.below(6) {
            let content = ContentType::from(20 + random.below(6) as u8);
            let length = random.below(12);
            let mut plain = random.bytes(length);
            if let Some(first) = plain.first_mut().filter(|_| content == ContentType::Handshake) {
                *first = [1, 4, 24, 24][random.index(4)];
            }
            bytes.extend(sealer.seal(content, &plain));
        }
        let cut = random.index(bytes.len() + 1);
        bytes.truncate(bytes.len() - cut.min(bytes.len()) / 3);
        eprintln!("round {round}: {} bytes", bytes.len());
        let peer = sent(socket, bytes);
        let _ = read_to_end(&mut transport);
        drop(peer.join().unwrap());
    }
}

/// Keys that are changed after each byte: the socket is never empty, and the others wait.
#[test]
fn a_turn_ends_however_many_records_bring_hardly_any_data() {
    const BYTES: usize = 3_000;
    let listener = Listener::new();
    if kernel_tls::is_required() && !kernel_tls::probed().unwrap().changes_keys() {
        return;
    }
    let (mut transport, mut client) = listener.shaken();
    let mut records = Vec::new();
    for _ in 0..BYTES {
        client.0.conn.refresh_traffic_keys().unwrap();
        client.0.conn.writer().write_all(b"x").unwrap();
        while client.0.conn.wants_write() {
            client.0.conn.write_tls(&mut records).unwrap();
        }
    }
    let peer = sent(client.0.sock, records);
    let mut buffer = vec![0; 1 << 20];
    let (mut taken, mut turns) = (0, 0);
    while taken < BYTES {
        match transport.read(&mut buffer, &mut []) {
            Ok(0) => break,
            Ok(more) => {
                assert!(more <= BYTES / 2, "{more} bytes in one turn");
                taken += more;
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
        }
        turns += usize::from(transport.is_turn_over());
    }
    assert_eq!(taken, BYTES);
    assert!(turns > 0, "no turn has ended before the socket was empty");
    drop(peer.join().unwrap());
}
