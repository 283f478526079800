//! A client of TLS 1.2 that wants to shake hands once more. No client of today's libraries does, so this
//! one makes its records by hand, with the keys of a session of rustls.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::crypto::ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
use rustls::pki_types::ServerName;
use rustls::version::TLS12;
use rustls::{ClientConnection, ConnectionTrafficSecrets, StreamOwned};
use support::tls::{HOST, TlsStream};
use support::wait::wait_until;

use crate::frames::{frame, receive_frame};
use crate::transport::nio_echo_server::NioEchoServer;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const FATAL: u8 = 2;
const NO_RENEGOTIATION: u8 = 100;
const SALT_BYTES: usize = 4;
const EXPLICIT_NONCE_BYTES: usize = 8;
const TAG_BYTES: usize = 16;
/// More than any server should hear out.
const REQUESTS_MAX: usize = 5;

/// One direction.
struct Keys {
    key: LessSafeKey,
    salt: [u8; SALT_BYTES],
    sequence: u64,
}

impl Keys {
    fn new((sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Self {
        let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else { panic!("a cipher") };
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key.as_ref()).unwrap());
        Self { key, salt: *iv.as_ref().first_chunk().unwrap(), sequence }
    }

    /// RFC 5288: the explicit part of the nonce stands in the record.
    fn nonce(&self, explicit: [u8; EXPLICIT_NONCE_BYTES]) -> Nonce {
        let nonce = [&self.salt[..], &explicit].concat();
        Nonce::try_assume_unique_for_key(&nonce).unwrap()
    }

    fn aad(&mut self, kind: u8, length: usize) -> Aad<Vec<u8>> {
        let length = u16::try_from(length).unwrap().to_be_bytes();
        let aad = [&self.sequence.to_be_bytes()[..], &[kind, 3, 3], &length].concat();
        self.sequence += 1;
        Aad::from(aad)
    }
}

struct Client {
    stream: TcpStream,
    sending: Keys,
    receiving: Keys,
}

impl Client {
    /// Shakes hands by rustls, and goes on by itself.
    fn connect(server: &NioEchoServer) -> Self {
        let connector = server.client().with_versions(&[&TLS12]);
        let connector = connector.with_cipher_suites(&[TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]);
        let mut config = (*connector.config()).clone();
        config.enable_secret_extraction = true;
        let host = ServerName::try_from(HOST).unwrap();
        let session = ClientConnection::new(Arc::new(config), host).unwrap();
        let mut shaken = TlsStream(StreamOwned::new(session, server.connect_raw()));
        shaken.write_all(&frame(b"first")).unwrap();
        assert_eq!(receive_frame(&mut shaken), b"first");
        let secrets = shaken.0.conn.dangerous_extract_secrets().unwrap();
        let (sending, receiving) = (Keys::new(secrets.tx), Keys::new(secrets.rx));
        Self { stream: shaken.0.sock, sending, receiving }
    }

    fn send(&mut self, kind: u8, plain: &[u8]) -> io::Result<()> {
        // Any that was not used before: rustls counts from a random one.
        let explicit = (u64::MAX - self.sending.sequence).to_be_bytes();
        let (nonce, mut sealed) = (self.sending.nonce(explicit), plain.to_vec());
        let aad = self.sending.aad(kind, plain.len());
        self.sending.key.seal_in_place_append_tag(nonce, aad, &mut sealed).unwrap();
        let length = u16::try_from(explicit.len() + sealed.len()).unwrap().to_be_bytes();
        let head = [kind, 3, 3, length[0], length[1]];
        self.stream.write_all(&[&head[..], &explicit, &sealed].concat())
    }

    /// The kind of the next record, and what is in it.
    fn receive(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head)?;
        let mut record = vec![0; u16::from_be_bytes([head[3], head[4]]).into()];
        self.stream.read_exact(&mut record)?;
        let (explicit, sealed) = record.split_first_chunk().unwrap();
        let nonce = self.receiving.nonce(*explicit);
        let mut sealed = sealed.to_vec();
        let aad = self.receiving.aad(head[0], sealed.len() - TAG_BYTES);
        let plain = self.receiving.key.open_in_place(nonce, aad, &mut sealed).unwrap();
        Ok((head[0], plain.to_vec()))
    }
}

/// Port of `SslTransportLayerTest.testDisabledRenegotiation` and
/// `Tls12SelectorTest.testRenegotiationFails`: nobody gets new keys in that way, and who insists is
/// closed.
#[test]
fn a_client_that_wants_to_renegotiate_is_refused() {
    let server = NioEchoServer::start(&[]);
    let mut hello = Vec::new();
    server.client().with_versions(&[&TLS12]).session().write_tls(&mut hello).unwrap();
    // Without the head of its record.
    let hello = &hello[5..];
    let mut client = Client::connect(&server);
    let mut refusals = Vec::new();
    for _ in 0..REQUESTS_MAX {
        if client.send(HANDSHAKE, hello).is_err() {
            break;
        }
        let Ok((kind, alert)) = client.receive() else { break };
        assert_eq!(kind, ALERT);
        let is_fatal = alert[0] == FATAL;
        refusals.push(alert);
        if is_fatal {
            break;
        }
        // The connection goes on, with the keys that it has.
        client.send(APPLICATION_DATA, &frame(b"still here")).unwrap();
        assert_eq!(client.receive().unwrap(), (APPLICATION_DATA, frame(b"still here")));
    }
    assert_eq!(refusals[0][1], NO_RENEGOTIATION);
    assert!(refusals.len() < REQUESTS_MAX, "{refusals:?}");
    wait_until("the client is closed", || server.disconnects() == 1);
}
