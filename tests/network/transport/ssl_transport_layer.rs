//! Ports of Kafka's `SslTransportLayerTest`, `SslTransportTls12Tls13Test`, `Tls12SelectorTest` and
//! `Tls13SelectorTest`: clients of all kinds, and a server whose selector speaks TLS.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::{io, thread};

use rustls::crypto::ring::cipher_suite;
use rustls::version::{TLS12, TLS13};
use support::kernel_tls;
use support::temp::TempDir;
use support::tls::{TestCa, TlsConnector, TlsStream};
use support::transports::{FileSend, pattern};
use support::wait::wait_until;
use transferto::common::metrics::Metrics;
use transferto::config::kafka_config::KafkaConfig;
use transferto::security::ssl::ssl_factory::SslFactory;
use transferto::transport::authenticator::DefaultAuthenticator;
use transferto::transport::channel_builder::ChannelBuilder;
use transferto::transport::connection_id::ConnectionId;
use transferto::transport::kafka_channel::KafkaChannel;
use transferto::transport::multi_send::MultiSend;
use transferto::transport::network_receive::NetworkReceive;
use transferto::transport::send;
use transferto::transport::send::ByteBufferSend;
use transferto::transport::ssl_transport_layer::SslTransportLayer;
use transferto::transport::user_space_tls::KeyLimits;

use crate::frames::{frame, read_frame, receive_frame, send_frame};
use crate::transport::nio_echo_server::NioEchoServer;

/// Whatever the kernel could do.
pub(crate) const USER_SPACE: (&str, &str) = ("transferto.ktls", "off");

/// Kafka's `NetworkTestUtils.checkClientConnection`: so many messages of this size go there and back.
fn assert_echoes(client: &mut TlsStream, bytes: usize, count: usize) {
    for number in 0..count {
        let mut body = pattern(bytes);
        body.extend(number.to_be_bytes());
        send_frame(client, &body);
        assert!(receive_frame(client) == body, "message {number} comes back");
    }
}

fn works(server: &NioEchoServer, client: &TlsConnector) {
    assert_echoes(&mut client.connect(server.port).unwrap(), 100, 10);
}

/// What a client sees that is not let in. With TLS 1.3 it thinks itself connected until it reads.
fn refusal(server: &NioEchoServer, client: &TlsConnector) -> io::Error {
    let refused = client.connect(server.port).and_then(|mut stream| {
        stream.write_all(&frame(b"hello"))?;
        read_frame(&mut stream)
    });
    let error = refused.expect_err("a client that is not let in");
    wait_until("the server closes the connection", || server.disconnects() == 1);
    assert_eq!(server.metrics.failed_authentications.value(), 1);
    error
}

fn both_versions(client: &TlsConnector) -> [TlsConnector; 2] {
    [&TLS12, &TLS13].map(|version| client.clone().with_versions(&[version]))
}

/// Port of `SslTransportLayerTest.testValidEndpointIdentification` and
/// `SslTransportLayerTest.testValidEndpointIdentificationSanDns`: clients of rustls always look at the
/// name of the host.
#[test]
fn a_client_that_trusts_the_signer_is_served_by_both_versions() {
    let server = NioEchoServer::start(&[]);
    for client in both_versions(&server.client()) {
        works(&server, &client);
    }
    assert!(server.principals.lock().unwrap().iter().all(|it| it == "User:ANONYMOUS"));
}

/// Port of `SslTransportLayerTest.testClientAuthenticationRequiredValidProvided` and
/// `SslTransportLayerTest.testClientAuthenticationRequestedValidProvided`.
#[test]
fn a_client_with_a_trusted_certificate_is_known_by_its_name() {
    for auth in ["required", "requested"] {
        let server = NioEchoServer::start(&[("ssl.client.auth", auth)]);
        let identity = server.files.ca.client("alice");
        for client in both_versions(&server.client().showing(&identity)) {
            works(&server, &client);
        }
        let principals = server.principals.lock().unwrap();
        assert!(principals.iter().all(|it| it == "User:CN=alice,O=transferto"), "{principals:?}");
    }
}

/// Port of `SslTransportLayerTest.testClientAuthenticationRequiredUntrustedProvided` and
/// `SslTransportLayerTest.testClientAuthenticationRequestedUntrustedProvided`.
#[test]
fn a_client_with_a_certificate_that_nobody_trusts_is_refused() {
    let identity = TestCa::new("somebody else").client("mallory");
    for auth in ["required", "requested"] {
        for version in [&TLS12, &TLS13] {
            let server = NioEchoServer::start(&[("ssl.client.auth", auth)]);
            let client = server.client().showing(&identity).with_versions(&[version]);
            refusal(&server, &client);
        }
    }
}

/// Java's rule, too. Otherwise one such client could be any other, as a super user.
#[test]
fn a_client_whose_own_certificate_is_trusted_vouches_for_nobody_else() {
    let (dir, alice) = (TempDir::new(), TestCa::that_may_not_sign("alice"));
    let truststore = dir.path().join("trusted.pem");
    for (is_beside_an_authority, version) in [(true, &TLS12), (false, &TLS12), (false, &TLS13)] {
        let authority = TestCa::new("the CA of others").certificate_pem();
        let beside = if is_beside_an_authority { authority } else { String::new() };
        std::fs::write(&truststore, alice.certificate_pem() + &beside).unwrap();
        let settings = [
            ("ssl.client.auth", "required"),
            ("ssl.truststore.location", truststore.to_str().unwrap()),
        ];
        let start = || NioEchoServer::start(&settings);
        let server = start();
        works(&server, &server.client().showing(&alice.itself()).with_versions(&[version]));
        assert_eq!(server.principals.lock().unwrap()[0], "User:CN=alice");
        let server = start();
        let forged = alice.client("admin");
        refusal(&server, &server.client().showing(&forged).with_versions(&[version]));
    }
}

/// Port of `SslTransportLayerTest.testClientAuthenticationRequiredNotProvided` and
/// `SslTransportLayerTest.testPeerNotifiedOfHandshakeFailure`.
#[test]
fn a_client_without_the_certificate_that_is_required_gets_an_alert() {
    for version in [&TLS12, &TLS13] {
        let server = NioEchoServer::start(&[("ssl.client.auth", "required")]);
        let error = refusal(&server, &server.client().with_versions(&[version]));
        let alerts = ["CertificateRequired", "HandshakeFailure", "AccessDenied"];
        assert!(alerts.iter().any(|it| error.to_string().contains(it)), "{error}");
    }
}

/// Port of `SslTransportLayerTest.testClientAuthenticationDisabledUntrustedProvided`,
/// `SslTransportLayerTest.testClientAuthenticationDisabledNotProvided` and
/// `SslTransportLayerTest.testClientAuthenticationRequestedNotProvided`.
#[test]
fn a_client_that_shows_nothing_is_anonymous_where_nothing_is_required() {
    for auth in ["none", "requested"] {
        let server = NioEchoServer::start(&[("ssl.client.auth", auth)]);
        works(&server, &server.client());
    }
    let server = NioEchoServer::start(&[]);
    let identity = TestCa::new("somebody else").client("mallory");
    works(&server, &server.client().showing(&identity));
    assert_eq!(server.principals.lock().unwrap()[0], "User:ANONYMOUS");
}

/// Port of `SslTransportLayerTest.testUnsupportedTLSVersion` and
/// `SslTransportTls12Tls13Test.testConnectionFailsIfOneSideSupportsOnlyTls12`, as far as that is about
/// versions.
#[test]
fn a_client_of_another_version_only_is_refused() {
    for (enabled, other) in [("TLSv1.2", &TLS13), ("TLSv1.3", &TLS12)] {
        let server = NioEchoServer::start(&[("ssl.enabled.protocols", enabled)]);
        let error = refusal(&server, &server.client().with_versions(&[other]));
        assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    }
}

/// Port of `SslTransportLayerTest.testUnsupportedCiphers` and
/// `SslTransportTls12Tls13Test.testCiphersSuiteForTls12FailsForTls13`.
#[test]
fn a_client_without_a_common_cipher_suite_is_refused() {
    for (suite, other, version) in [
        ("TLS_AES_256_GCM_SHA384", cipher_suite::TLS13_AES_128_GCM_SHA256, &TLS13),
        (
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            &TLS12,
        ),
    ] {
        let protocol = if version.version == TLS13.version { "TLSv1.3" } else { "TLSv1.2" };
        let settings = [("ssl.cipher.suites", suite), ("ssl.enabled.protocols", protocol)];
        let server = NioEchoServer::start(&settings);
        let client = server.client().with_cipher_suites(&[other]).with_versions(&[version]);
        let error = refusal(&server, &client);
        assert!(error.to_string().contains("HandshakeFailure"), "{error}");
    }
}

/// Port of `SslTransportLayerTest.testTlsDefaults` and
/// `SslTransportTls12Tls13Test.testCiphersSuiteForTls13`.
#[test]
fn the_server_prefers_the_suite_that_costs_least_unless_it_has_a_list() {
    let negotiated = |settings: &[(&str, &str)]| {
        let server = NioEchoServer::start(settings);
        let stream = server.client().connect(server.port).unwrap();
        let suite = stream.0.conn.negotiated_cipher_suite().unwrap().suite();
        (stream.0.conn.protocol_version().unwrap(), suite)
    };
    let by_default = (TLS13.version, cipher_suite::TLS13_AES_128_GCM_SHA256.suite());
    assert_eq!(negotiated(&[]), by_default);
    let listed = negotiated(&[
        ("ssl.enabled.protocols", "TLSv1.3"),
        ("ssl.cipher.suites", "TLS_CHACHA20_POLY1305_SHA256,TLS_AES_128_GCM_SHA256"),
    ]);
    assert_eq!(listed.1, cipher_suite::TLS13_CHACHA20_POLY1305_SHA256.suite());
}

/// Port of `SslTransportLayerTest.testNetReadBufferResize`,
/// `SslTransportLayerTest.testNetWriteBufferResize` and
/// `SslTransportLayerTest.testApplicationBufferResize`: buffers are never larger than what is in them.
#[test]
fn messages_larger_than_any_record_go_there_and_back() {
    let server = NioEchoServer::start(&[]);
    for client in both_versions(&server.client()) {
        let mut client = client.connect(server.port).unwrap();
        assert_echoes(&mut client, 64_000, 10);
        assert_echoes(&mut client, 3_000_000, 2);
    }
}

/// Not in Kafka: each length of a record, with its border cases.
#[test]
fn messages_of_every_length_go_there_and_back() {
    let server = NioEchoServer::start(&[]);
    let mut client = server.client().connect(server.port).unwrap();
    let around_a_record = 16_340..16_460;
    for length in (0..300).chain((300..17_000).step_by(97)).chain(around_a_record) {
        let body = pattern(length);
        send_frame(&mut client, &body);
        assert!(receive_frame(&mut client) == body, "{length} bytes come back");
    }
}

/// Not in Kafka: TCP cuts a stream where it likes.
#[test]
fn a_client_that_sends_seven_bytes_at_a_time_is_served() {
    let server = NioEchoServer::start(&[]);
    let (connector, mut tcp) = (server.client(), server.connect_raw());
    let mut tls = connector.session();
    let mut received = Vec::new();
    let expected = frame(&pattern(5_000));
    let mut is_sent = false;
    while received.len() < expected.len() {
        let mut bytes = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut bytes).unwrap();
        }
        bytes.chunks(7).for_each(|piece| tcp.write_all(piece).unwrap());
        if !tls.is_handshaking() && !is_sent {
            tls.writer().write_all(&expected).unwrap();
            is_sent = true;
        } else if tls.wants_read() {
            assert_ne!(tls.read_tls(&mut tcp).unwrap(), 0, "the server goes on");
            tls.process_new_packets().unwrap();
            match tls.reader().read_to_end(&mut received) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                ended => panic!("the connection goes on, {ended:?}"),
            }
        }
    }
    assert!(received == expected);
}

/// A fetch's answer: its header, and slices of a file.
pub(crate) fn with_file(dir: &TempDir, request: &[u8]) -> Box<dyn send::Send> {
    let count = u32::from_be_bytes(request[..4].try_into().unwrap()) as usize;
    let path = dir.join("segment");
    if !path.exists() {
        std::fs::write(&path, pattern(4 << 20)).unwrap();
    }
    let file = Arc::new(File::open(&path).unwrap());
    let header = u32::try_from(2 * count).unwrap().to_be_bytes().to_vec();
    Box::new(MultiSend::new(vec![
        Box::new(ByteBufferSend::new(header)),
        FileSend::boxed(&file, 0, count),
        FileSend::boxed(&file, 1, count),
    ]))
}

/// Not in Kafka's test: what `FileChannel.transferTo` would send arrives, and whether it was copied or left
/// by `sendfile(2)` is counted.
#[test]
fn files_arrive_byte_by_byte_and_are_counted_as_copied_or_not() {
    let server = NioEchoServer::start_on(&[], |dir, request| with_file(dir, &request));
    let content = pattern(4 << 20);
    for client in both_versions(&server.client()) {
        let mut client = client.connect(server.port).unwrap();
        for count in [1, 100, 16_380, 16_384, 16_385, 65_536, 3_000_000] {
            let copied = bytes_of_files(&server);
            send_frame(&mut client, &u32::try_from(count).unwrap().to_be_bytes());
            let expected = [&content[..count], &content[1..count + 1]].concat();
            assert!(receive_frame(&mut client) == expected, "{count} bytes of a file, twice");
            // They may arrive before they are counted.
            let are_counted = || bytes_of_files(&server) - copied == 2 * count as u64;
            wait_until("they are counted", are_counted);
        }
    }
    let metrics = &server.metrics;
    let (read, sent) = (metrics.copy_read_calls.value(), metrics.sendfile_calls.value());
    assert_eq!((read == 0, sent == 0), (is_in_kernel(), !is_in_kernel()));
}

/// Whether the kernel encrypts in this run.
fn is_in_kernel() -> bool {
    kernel_tls::is_required()
}

/// Of those that leave, however they do in this run.
fn bytes_of_files(server: &NioEchoServer) -> u64 {
    let metrics = &server.metrics;
    if is_in_kernel() { &metrics.sendfile_bytes } else { &metrics.copied_message_bytes }.value()
}

/// A small response with a file costs one record, and one call: its header waits for it.
#[test]
fn a_header_and_its_file_share_a_record_and_a_call() {
    let server = NioEchoServer::start_on(&[USER_SPACE], |dir, request| with_file(dir, &request));
    let mut client = server.client().connect(server.port).unwrap();
    send_frame(&mut client, &100_u32.to_be_bytes());
    receive_frame(&mut client);
    let calls = server.metrics.write_calls.value();
    send_frame(&mut client, &100_u32.to_be_bytes());
    receive_frame(&mut client);
    // The second piece of a file has a record of its own.
    assert_eq!(server.metrics.write_calls.value() - calls, 2);
}

/// Not in Kafka: a reader that is slow, or never reads, costs a record of memory and no thread.
#[test]
fn a_client_that_does_not_read_holds_up_nobody() {
    let server = NioEchoServer::start_on(&[], |dir, request| with_file(dir, &request));
    let connector = server.client();
    let mut silent = connector.connect(server.port).unwrap();
    send_frame(&mut silent, &(4_000_000_u32).to_be_bytes());
    let mut other = connector.connect(server.port).unwrap();
    for _ in 0..20 {
        send_frame(&mut other, &1_000_u32.to_be_bytes());
        assert_eq!(receive_frame(&mut other).len(), 2_000);
    }
    let read = receive_frame(&mut silent);
    assert_eq!(read.len(), 8_000_000);
    let content = pattern(4 << 20);
    assert!(read[..4_000_000] == content[..4_000_000]);
}

/// Port of `Tls13SelectorTest.testKeyUpdate` (KAFKA-13418).
#[test]
fn a_client_may_change_its_keys() {
    let server = NioEchoServer::start(&[]);
    let mut client = server.client().with_versions(&[&TLS13]).connect(server.port).unwrap();
    if is_in_kernel() && !kernel_tls::probed().unwrap().changes_keys() {
        client.update_keys().unwrap();
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "a goodbye, for it cannot go on");
        return;
    }
    for _ in 0..100 {
        assert_echoes(&mut client, 1_000, 1);
        client.update_keys().unwrap();
    }
    assert_echoes(&mut client, 40_000, 2);
    assert_eq!(server.disconnects(), 0);
}

/// Not in Kafka: keys that are changed again and again, and nothing else, are no way to keep a server
/// busy.
#[test]
fn a_client_that_does_nothing_but_change_its_keys_is_closed() {
    let server = NioEchoServer::start(&[]);
    let mut client = server.client().with_versions(&[&TLS13]).connect(server.port).unwrap();
    assert_echoes(&mut client, 10, 1);
    // The kernel's keys are changed without an answer in between, and so more often.
    for _ in 0..if is_in_kernel() { 10_000 } else { 200 } {
        if client.update_keys().is_err() {
            break;
        }
    }
    wait_until("the server closes the connection", || server.disconnects() == 1);
}

/// Port of `SslTransportLayerTest.testCloseSsl` and `SslTransportLayerTest.testClosePlaintext`, and of
/// KAFKA-3702: the server says goodbye, and waits for nothing.
#[test]
fn a_goodbye_of_the_client_is_answered_with_one() {
    let server = NioEchoServer::start(&[]);
    for client in both_versions(&server.client()) {
        let mut client = client.connect(server.port).unwrap();
        assert_echoes(&mut client, 10, 1);
        client.close_notify().unwrap();
        // Without a goodbye of the server this would be an error.
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    }
}

/// A goodbye right behind a request: the request is answered first.
#[test]
fn a_request_before_a_goodbye_is_answered() {
    let server = NioEchoServer::start(&[]);
    for client in both_versions(&server.client()) {
        let mut client = client.connect(server.port).unwrap();
        assert_echoes(&mut client, 10, 1);
        client.0.conn.writer().write_all(&frame(b"last")).unwrap();
        client.close_notify().unwrap();
        assert_eq!(receive_frame(&mut client), b"last");
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    }
}

/// Port of `SslTransportLayerTest.testUngracefulRemoteCloseDuringHandshakeRead`,
/// `SslTransportLayerTest.testGracefulRemoteCloseDuringHandshakeRead` and
/// `SslTransportLayerTest.testIOExceptionsDuringHandshakeRead`, at each byte of the client's first
/// flight.
#[test]
fn a_client_that_leaves_in_the_midst_of_a_handshake_is_forgotten() {
    let server = NioEchoServer::start(&[]);
    let mut hello = Vec::new();
    server.client().session().write_tls(&mut hello).unwrap();
    let mut gone = 0;
    for length in (0..hello.len()).step_by(13).chain([hello.len()]) {
        let mut tcp = server.connect_raw();
        tcp.write_all(&hello[..length]).unwrap();
        gone += 1;
        drop(tcp);
    }
    wait_until("all are gone", || server.disconnects() == gone);
    works(&server, &server.client());
}

/// Not in Kafka: a thousand that begin and go no further.
#[test]
fn a_thousand_half_handshakes_keep_nobody_out() {
    let server = NioEchoServer::start(&[]);
    let mut hello = Vec::new();
    server.client().session().write_tls(&mut hello).unwrap();
    let half = |number: usize| {
        let mut tcp = server.connect_raw();
        tcp.write_all(&hello[..number % hello.len()]).unwrap();
        tcp
    };
    let halves: Vec<_> = (0..1_000).map(half).collect();
    works(&server, &server.client());
    drop(halves);
    wait_until("all are gone", || server.disconnects() >= 1_000);
}

/// Not in Kafka: bytes that are no TLS, at any time.
#[test]
fn garbage_closes_the_connection_and_no_other() {
    let server = NioEchoServer::start(&[]);
    let mut witness = server.client().connect(server.port).unwrap();
    let too_long = [22, 3, 3, 0xff, 0xff];
    for garbage in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0, 0, 0, 9, 0, 18, 0, 3], &too_long, &[0xff; 40]]
    {
        let mut raw = server.connect_raw();
        raw.write_all(garbage).unwrap();
        let mut answer = Vec::new();
        let _ = raw.read_to_end(&mut answer);
        let begins_like_tls = garbage.starts_with(&too_long[..3]);
        let alert = begins_like_tls.then_some(&21);
        assert_eq!(answer.first(), alert, "an alert to who may understand it, {answer:?}");
        let mut client = server.client().connect(server.port).unwrap();
        assert_echoes(&mut client, 10, 1);
        client.0.sock.write_all(garbage).unwrap();
        assert!(client.read(&mut [0; 1]).is_err(), "an alert, or a reset");
    }
    wait_until("all are closed", || server.disconnects() == 8);
    assert_echoes(&mut witness, 10, 1);
}

/// Not in Kafka: a record whose bytes were changed on their way.
#[test]
fn a_forged_record_closes_the_connection() {
    let server = NioEchoServer::start(&[]);
    for client in both_versions(&server.client()) {
        let mut client = client.connect(server.port).unwrap();
        assert_echoes(&mut client, 10, 1);
        client.0.conn.writer().write_all(&frame(b"hello")).unwrap();
        let mut record = Vec::new();
        client.0.conn.write_tls(&mut record).unwrap();
        *record.last_mut().unwrap() ^= 1;
        client.0.sock.write_all(&record).unwrap();
        let error = client.read(&mut [0; 1]).unwrap_err();
        // After such a record the kernel sends nothing more, no alert either.
        let is_reset = is_in_kernel() && error.kind() == io::ErrorKind::ConnectionReset;
        assert!(is_reset || error.to_string().contains("BadRecordMac"), "{error}");
    }
}

/// Many clients at once.
#[test]
fn many_clients_are_served_at_the_same_time() {
    let server = NioEchoServer::start(&[]);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = server.client().connect(server.port).unwrap();
                assert_echoes(&mut client, 30_000, 20);
            });
        }
    });
}

/// Port of `SslTransportLayerTest.testServerTruststoreDynamicUpdate`, as far as a client is concerned:
/// it is refused, and connects again with what the server knows.
#[test]
fn a_client_that_was_refused_may_come_back() {
    let server = NioEchoServer::start(&[("ssl.client.auth", "required")]);
    refusal(&server, &server.client());
    works(&server, &server.client().showing(&server.files.ca.client("bob")));
}

/// Makes transports that change their keys after so many records or bytes.
pub(crate) struct ShortLivedKeys {
    factory: SslFactory,
    metrics: Arc<Metrics>,
    limits: KeyLimits,
}

impl ShortLivedKeys {
    pub(crate) fn of(config: &KafkaConfig, metrics: &Arc<Metrics>, limits: KeyLimits) -> Self {
        let factory = SslFactory::configure(config, &config.listeners[0]).unwrap();
        Self { factory, metrics: Arc::clone(metrics), limits }
    }
}

impl ChannelBuilder for ShortLivedKeys {
    fn build_channel(
        &self,
        id: ConnectionId,
        stream: mio::net::TcpStream,
        peer: SocketAddr,
        receive: NetworkReceive,
    ) -> io::Result<KafkaChannel> {
        let (engine, metrics) = (self.factory.create_ssl_engine(), Arc::clone(&self.metrics));
        let transport = SslTransportLayer::create(stream, peer, engine, metrics)?;
        let transport = Box::new(transport.with_key_limits(self.limits));
        Ok(KafkaChannel::new(id, transport, Box::new(DefaultAuthenticator::new()), receive))
    }
}

/// Not in Kafka, whose connections Java's clients flood with demands for new keys after 2^37 bytes.
#[test]
fn the_server_changes_its_keys_before_a_client_asks_for_it() {
    const KEY_UPDATE_RECORD_BYTES: u64 = 5 + 5 + 1 + 16;
    let content = pattern(4 << 20);
    let sent = |records: u64| {
        let server = with_key_limit(records);
        let client = server.client().with_versions(&[&TLS13]);
        let mut client = client.connect(server.port).unwrap();
        send_frame(&mut client, &1_000_000_u32.to_be_bytes());
        assert!(receive_frame(&mut client)[1_000_000..] == content[1..1_000_001]);
        let before = server.metrics.write_bytes.value();
        send_frame(&mut client, &10_u32.to_be_bytes());
        receive_frame(&mut client);
        assert_eq!(server.disconnects(), 0);
        before
    };
    let (never, often) = (sent(u64::MAX), sent(10));
    // Of 124 records, each tenth but the first has a change before it.
    assert_eq!(often - never, 12 * KEY_UPDATE_RECORD_BYTES);
}

/// The library would break off in the middle of an answer.
#[test]
fn the_keys_of_tls_1_2_end_a_connection_behind_an_answer() {
    let server = with_key_limit(10);
    let client = server.client().with_versions(&[&TLS12]);
    let mut client = client.connect(server.port).unwrap();
    send_frame(&mut client, &100_u32.to_be_bytes());
    receive_frame(&mut client);
    send_frame(&mut client, &1_000_000_u32.to_be_bytes());
    assert_eq!(receive_frame(&mut client).len(), 2_000_000);
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "a goodbye");
    assert_eq!(server.metrics.tls_connections_closed_for_keys.value(), 1);
}

/// A server in user space that uses a key for so many records.
fn with_key_limit(records: u64) -> NioEchoServer {
    NioEchoServer::start_built(
        &[USER_SPACE],
        |dir, request| with_file(dir, &request),
        |config, metrics| {
            let limits = KeyLimits { records, bytes: u64::MAX };
            Arc::new(ShortLivedKeys::of(config, metrics, limits))
        },
    )
}
