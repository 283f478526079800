//! What the log says of a handshake that has failed.

use std::io;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rcgen::{BasicConstraints, IsCa};
use rustls::version::{TLS12, TLS13};
use support::temp::TempDir;
use support::tls::{TestCa, TlsConnector, TlsFiles};
use transferto::common::metrics::Metrics;
use transferto::security::ssl::ssl_factory::SslFactory;
use transferto::transport::ssl_transport_layer::SslTransportLayer;
use transferto::transport::transport_layer::{HandshakeStatus, TransportLayer};

use crate::transport::nio_echo_server::ssl_config;

/// Shakes hands with whatever `client` does on its end, and returns how that came out.
fn shake_hands(
    files: &TlsFiles,
    more: &[(&str, &str)],
    client: impl FnOnce(TcpStream) + Send,
) -> io::Result<SslTransportLayer> {
    let config = ssl_config(files, more);
    let factory = SslFactory::configure(&config, &config.listeners[0]).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, addr) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    let stream = mio::net::TcpStream::from_std(stream);
    let engine = factory.create_ssl_engine();
    let mut transport =
        SslTransportLayer::create(stream, addr, engine, Arc::new(Metrics::default())).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| client(peer));
        loop {
            match transport.handshake() {
                Ok(HandshakeStatus::Finished) => return Ok(()),
                Ok(_) => thread::yield_now(),
                Err(error) => return Err(error),
            }
        }
    })?;
    Ok(transport)
}

fn failure(files: &TlsFiles, more: &[(&str, &str)], client: &TlsConnector) -> String {
    let shaken = shake_hands(files, more, |tcp| drop(client.over(tcp)));
    shaken.err().expect("a handshake that fails").to_string()
}

fn files() -> (TempDir, TlsFiles) {
    let dir = TempDir::new();
    let files = TlsFiles::in_dir(dir.path());
    (dir, files)
}

#[test]
fn another_protocol_is_recognized() {
    let (_dir, files) = files();
    for (bytes, words) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "HTTP"),
        (&[0, 0, 0, 9, 0, 18, 0, 3][..], "security.protocol=SSL"),
        (b"SSH-2.0-x\r\n", "does not speak TLS"),
    ] {
        let (mut peer, mut answer) = (None, Vec::new());
        let shaken = shake_hands(&files, &[], |mut tcp| {
            tcp.write_all(bytes).unwrap();
            tcp.shutdown(Shutdown::Write).unwrap();
            peer = Some(tcp);
        });
        // The connection is reset, if not all that was sent has been read.
        let _ = peer.unwrap().read_to_end(&mut answer);
        assert_eq!(answer, b"", "an alert, to somebody who does not speak TLS");
        let error = shaken.err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_client_that_only_connects_and_leaves_is_no_failure_of_tls() {
    let (_dir, files) = files();
    let error = shake_hands(&files, &[], drop).err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn what_the_client_thinks_of_our_certificate_is_said_in_words() {
    let (_dir, files) = files();
    let stranger = TlsConnector::trusting(&TestCa::new("another").certificate_pem());
    let said = failure(&files, &[], &stranger);
    assert!(said.contains("truststore lacks"), "{said}");
}

#[test]
fn what_is_wrong_with_the_client_is_said_in_words() {
    let (_dir, files) = files();
    let required = [("ssl.client.auth", "required")];
    for version in [&TLS12, &TLS13] {
        let client = files.client().with_versions(&[version]);
        let said = failure(&files, &required, &client);
        assert!(said.contains("shows no certificate"), "{said}");
        let stranger = TestCa::new("another").client("mallory");
        let said = failure(&files, &required, &client.clone().showing(&stranger));
        assert!(said.contains("none of the certificates in the broker's truststore"), "{said}");
    }
    let only_1_2 = [("ssl.enabled.protocols", "TLSv1.2")];
    let said = failure(&files, &only_1_2, &files.client().with_versions(&[&TLS13]));
    assert!(said.contains("ssl.enabled.protocols"), "{said}");
    let suite =
        [("ssl.enabled.protocols", "TLSv1.3"), ("ssl.cipher.suites", "TLS_AES_256_GCM_SHA384")];
    let said = failure(
        &files,
        &suite,
        &files
            .client()
            .with_cipher_suites(&[rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256]),
    );
    assert!(said.contains("ssl.cipher.suites"), "{said}");
}

#[test]
fn expired_and_strange_certificates_of_clients_are_refused_in_words() {
    let (_dir, files) = files();
    let required = [("ssl.client.auth", "required")];
    let expired = files.ca.client_with(|it| it.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let early = files.ca.client_with(|it| it.not_before = rcgen::date_time_ymd(2090, 1, 1));
    let server = files.ca.server();
    let authority = files.ca.client_with(|it| {
        it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    for (identity, words) in [
        (expired, "has expired"),
        (early, "not valid yet"),
        (server, "lacks clientAuth"),
        (authority, "CA:TRUE"),
    ] {
        let said = failure(&files, &required, &files.client().showing(&identity));
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn the_principal_is_the_name_in_the_certificate() {
    let (_dir, files) = files();
    let client = files.client().showing(&files.ca.client("a, b=c"));
    let shaken =
        shake_hands(&files, &[("ssl.client.auth", "required")], |tcp| drop(client.over(tcp)));
    assert_eq!(shaken.unwrap().peer_principal(), Some("CN=a\\, b\\=c,O=transferto"));
}
