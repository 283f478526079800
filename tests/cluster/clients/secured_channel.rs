//! A broker's connections to other nodes over TLS and SASL, against listeners of a real broker, and against peers
//! that break off, trickle and answer nonsense.

use std::fs;
use std::fs::Permissions;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use support::broker::Broker;
use support::temp::TempDir;
use support::tls::{Identity, TestCa, TlsFiles};
use support::wait::{PATIENCE, wait_until};
use transferto::clients::api_versions_exchange::api_versions;
use transferto::clients::blocking_channel::BlockingChannel;
use transferto::clients::client_channel_builder::ClientChannelBuilder;
use transferto::clients::interrupter::Interrupter;
use transferto::config::config_reader::read_settings;
use transferto::config::kafka_config::KafkaConfig;
use transferto::protocol::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, ScramCredentialUpsertion,
};
use transferto::protocol::request::RequestBody;
use transferto::protocol::wire::secret_bytes::SecretBytes;
use transferto::security::channel_builders::check_listeners;
use transferto::security::client_channel_builders::NodeChannelBuilders;
use transferto::security::scram::scram_formatter::ScramFormatter;
use transferto::security::scram::scram_mechanism::ScramMechanism;

const SHORT: Duration = Duration::from_millis(200);
const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required";
const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule required";

/// A broker with a listener of every kind, and the files of its authority.
struct Scene {
    dir: TempDir,
    tls: TlsFiles,
    broker: Broker,
}

impl Scene {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(more: &[(&str, &str)]) -> Self {
        let dir = TempDir::new();
        let tls = TlsFiles::in_dir(dir.path());
        let users = format!("{PLAIN} user_node=\"node-secret\";");
        let files = tls.settings();
        let mut settings: Vec<(&str, &str)> = vec![
            (
                "listeners",
                "PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0,MUTUAL://127.0.0.1:0,\
                 SASL_PLAINTEXT://127.0.0.1:0,SASL_SSL://127.0.0.1:0",
            ),
            (
                "listener.security.protocol.map",
                "PLAINTEXT:PLAINTEXT,SSL:SSL,MUTUAL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,\
                 SASL_SSL:SASL_SSL",
            ),
            ("listener.name.mutual.ssl.client.auth", "required"),
            ("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"),
            ("listener.name.sasl_plaintext.plain.sasl.jaas.config", &users),
            ("listener.name.sasl_ssl.plain.sasl.jaas.config", &users),
            ("connection.failed.authentication.delay.ms", "0"),
        ];
        settings.extend(files.iter().map(|(name, value)| (&**name, &**value)));
        settings.extend(more);
        let broker = Broker::start(&settings);
        Self { dir, tls, broker }
    }

    fn port(&self, listener: &str) -> u16 {
        self.broker.server().bound_port_of(listener).unwrap()
    }

    /// The settings by which a node trusts the broker.
    fn trust(&self) -> Vec<(String, String)> {
        trust_in(&self.tls.truststore)
    }

    fn set_scram_password(&self, mechanism: ScramMechanism) {
        let (salt, iterations) = (b"salt".to_vec(), NonZeroU32::new(4096).unwrap());
        let salted =
            ScramFormatter::new(mechanism).salted_password("node-secret", &salt, iterations);
        let upsertion = ScramCredentialUpsertion {
            name: "node".to_string(),
            mechanism: mechanism.id(),
            iterations: 4096,
            salt,
            salted_password: SecretBytes(salted),
        };
        let request =
            AlterUserScramCredentialsRequest { deletions: vec![], upsertions: vec![upsertion] };
        self.broker.connect().call(0, &RequestBody::AlterUserScramCredentials(request), &[]);
    }
}

fn trust_in(file: &Path) -> Vec<(String, String)> {
    of_controllers(&[
        ("ssl.truststore.type", "PEM"),
        ("ssl.truststore.location", file.to_str().unwrap()),
    ])
}

/// These settings, for the listener of the controllers.
fn of_controllers(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(name, value): &(&str, &str)| {
        (format!("listener.name.controller.{name}"), value.to_string())
    };
    settings.iter().map(own).collect()
}

fn login(mechanism: &str, module: &str, password: &str) -> Vec<(String, String)> {
    let name = format!("{}.sasl.jaas.config", mechanism.to_ascii_lowercase());
    let value = format!("{module} username=\"node\" password=\"{password}\";");
    let mut settings = of_controllers(&[(&name, &value)]);
    settings.push(("sasl.mechanism.controller.protocol".to_string(), mechanism.to_string()));
    settings
}

/// What a broker with these settings reaches its controllers by.
fn builder(protocol: &str, settings: &[Vec<(String, String)>]) -> Arc<dyn ClientChannelBuilder> {
    NodeChannelBuilders::of(&settings_of(protocol, settings)).unwrap().to_controllers
}

fn settings_of(protocol: &str, settings: &[Vec<(String, String)>]) -> KafkaConfig {
    let map = format!("PLAINTEXT:PLAINTEXT,CONTROLLER:{protocol}");
    let mut all = vec![
        ("process.roles", "broker"),
        ("node.id", "1"),
        ("controller.quorum.bootstrap.servers", "127.0.0.1:1"),
        ("controller.listener.names", "CONTROLLER"),
        ("listener.security.protocol.map", &map),
    ];
    all.extend(settings.iter().flatten().map(|(name, value)| (&**name, &**value)));
    read_settings(all).unwrap()
}

fn connect(
    builder: &Arc<dyn ClientChannelBuilder>,
    host: &str,
    port: u16,
) -> std::io::Result<BlockingChannel> {
    BlockingChannel::connect(&**builder, (host, port), "test", PATIENCE, &Arc::default())
}

/// Connects and asks for something, since a broker may look at our certificate after the handshake.
fn ask(builder: &Arc<dyn ClientChannelBuilder>, port: u16) -> std::io::Result<()> {
    let mut channel = connect(builder, "127.0.0.1", port)?;
    api_versions(&mut channel, PATIENCE).map(drop)
}

fn refusal(builder: &Arc<dyn ClientChannelBuilder>, port: u16) -> String {
    ask(builder, port).unwrap_err().to_string()
}

#[test]
fn a_node_is_reached_by_every_protocol_and_mechanism() {
    let scene = Scene::new();
    for mechanism in ScramMechanism::ALL {
        scene.set_scram_password(mechanism);
    }
    ask(&builder("PLAINTEXT", &[]), scene.port("PLAINTEXT")).unwrap();
    ask(&builder("SSL", &[scene.trust()]), scene.port("SSL")).unwrap();
    for (mechanism, module) in
        [("PLAIN", PLAIN), ("SCRAM-SHA-256", SCRAM), ("SCRAM-SHA-512", SCRAM)]
    {
        for protocol in ["SASL_PLAINTEXT", "SASL_SSL"] {
            let settings = [scene.trust(), login(mechanism, module, "node-secret")];
            wait_until("the user", || {
                ask(&builder(protocol, &settings), scene.port(protocol)).is_ok()
            });
        }
    }
    let both = BlockingChannel::connect(
        &*builder("SSL", &[scene.trust()]),
        ("localhost", scene.port("SSL")),
        "test",
        PATIENCE,
        &Arc::default(),
    );
    both.unwrap();
}

#[test]
fn a_node_that_asks_for_a_certificate_gets_ours() {
    let scene = Scene::new();
    let keystore = scene.dir.path().join("node.pem");
    scene.tls.ca.client("node").write_keystore(&keystore);
    let own = |file: &Path| {
        let location = file.to_str().unwrap();
        of_controllers(&[("ssl.keystore.type", "PEM"), ("ssl.keystore.location", location)])
    };
    let port = scene.port("MUTUAL");
    ask(&builder("SSL", &[scene.trust(), own(&keystore)]), port).unwrap();
    let without = refusal(&builder("SSL", &[scene.trust()]), port);
    assert!(without.contains("`ssl.keystore.location`"), "{without}");

    let stranger = scene.dir.path().join("stranger.pem");
    TestCa::new("another authority").client("node").write_keystore(&stranger);
    let of_stranger = refusal(&builder("SSL", &[scene.trust(), own(&stranger)]), port);
    assert!(
        of_stranger.contains("listener.name.controller.ssl.keystore.location"),
        "{of_stranger}"
    );
}

#[test]
fn a_key_that_everybody_may_read_is_said_before_the_start() {
    let dir = TempDir::new();
    let tls = TlsFiles::in_dir(dir.path());
    fs::set_permissions(&tls.keystore, Permissions::from_mode(0o644)).unwrap();
    let location = tls.keystore.to_str().unwrap();
    let key = of_controllers(&[("ssl.keystore.type", "PEM"), ("ssl.keystore.location", location)]);
    let config = settings_of("SSL", &[trust_in(&tls.truststore), key]);
    let mut warnings = Vec::new();
    assert_eq!(check_listeners(&config, &mut warnings), Vec::<String>::new());
    assert!(warnings.len() == 1 && warnings[0].contains("may read it"), "{warnings:?}");
}

#[test]
fn a_certificate_that_is_not_right_is_refused_and_says_why() {
    let scene = Scene::new();
    let other = scene.dir.path().join("other.pem");
    fs::write(&other, TestCa::new("another authority").certificate_pem()).unwrap();
    let of_all = ["ssl.truststore.type", "ssl.truststore.location"].map(str::to_string);
    let of_all = of_all.into_iter().zip(["PEM".to_string(), other.display().to_string()]).collect();
    for (trust, named) in [
        (trust_in(&other), "`listener.name.controller.ssl.truststore.location`"),
        (of_all, "`ssl.truststore.location`"),
    ] {
        let error = refusal(&builder("SSL", &[trust]), scene.port("SSL"));
        let why = format!("not signed by an authority of {named}");
        for part in ["listener CONTROLLER (SSL): ", &why] {
            assert!(error.contains(part), "{error}");
        }
    }
}

/// The certificate is for localhost and 127.0.0.1.
#[test]
fn a_node_of_another_name_is_refused_unless_names_are_not_looked_at() {
    let scene = Scene::new();
    let port = scene.port("SSL");
    let to = |more: &[(&str, &str)]| builder("SSL", &[scene.trust(), of_controllers(more)]);
    let error = connect(&to(&[]), "127.0.0.2", port).map(drop);
    // Nobody listens at that address: the name of the host is all that is wrong here.
    assert_eq!(error.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    scene
        .tls
        .ca
        .server_with(|params| params.subject_alt_names.truncate(0))
        .write_keystore(&scene.dir.path().join("nameless.pem"));
    let nameless = scene.dir.path().join("nameless.pem");
    let second = Scene::with(&[("ssl.keystore.location", nameless.to_str().unwrap())]);
    let port = second.port("SSL");
    let error = refusal(&to(&[]), port);
    assert!(error.contains("is for another host"), "{error}");
    assert!(error.contains("ssl.endpoint.identification.algorithm"), "{error}");
    ask(&to(&[("ssl.endpoint.identification.algorithm", "")]), port).unwrap();
}

#[test]
fn a_wrong_password_names_the_setting_and_no_password() {
    let scene = Scene::new();
    for (mechanism, module) in [("PLAIN", PLAIN), ("SCRAM-SHA-512", SCRAM)] {
        for protocol in ["SASL_PLAINTEXT", "SASL_SSL"] {
            let to = builder(protocol, &[scene.trust(), login(mechanism, module, "guessed-one")]);
            let error = ask(&to, scene.port(protocol)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            let (error, setting) = (error.to_string(), mechanism.to_ascii_lowercase());
            assert!(error.contains(&format!("controller.{setting}.sasl.jaas.config")), "{error}");
            assert!(!error.contains("guessed-one") && !format!("{to:?}").contains("guessed-one"));
        }
    }
}

#[test]
fn a_mechanism_that_a_node_does_not_have_is_named_with_those_that_it_has() {
    let scene = Scene::with(&[("listener.name.sasl_ssl.sasl.enabled.mechanisms", "PLAIN")]);
    let settings = [scene.trust(), login("SCRAM-SHA-512", SCRAM, "node-secret")];
    let error = refusal(&builder("SASL_SSL", &settings), scene.port("SASL_SSL"));
    assert!(error.contains("does not have SCRAM-SHA-512, only \"PLAIN\""), "{error}");
    assert!(error.contains("`sasl.mechanism.controller.protocol`"), "{error}");
}

#[test]
fn nodes_that_do_not_agree_on_a_protocol_say_where_to_look() {
    let scene = Scene::new();
    let plain = login("PLAIN", PLAIN, "node-secret");
    for (ours, theirs) in [
        ("SSL", "PLAINTEXT"),
        ("SASL_SSL", "SASL_PLAINTEXT"),
        ("PLAINTEXT", "SSL"),
        ("SASL_PLAINTEXT", "SASL_SSL"),
        ("SASL_PLAINTEXT", "PLAINTEXT"),
        ("SASL_SSL", "SSL"),
    ] {
        let to = builder(ours, &[scene.trust(), plain.clone()]);
        let error = refusal(&to, scene.port(theirs));
        assert!(error.contains("listener.security.protocol.map"), "{ours} to {theirs}: {error}");
    }
}

#[test]
fn files_that_change_hold_for_the_next_connection_and_bad_ones_for_none() {
    let scene = Scene::new();
    let truststore = scene.dir.path().join("trusted.pem");
    fs::write(&truststore, TestCa::new("another authority").certificate_pem()).unwrap();
    let to = builder("SSL", &[trust_in(&truststore)]);
    let port = scene.port("SSL");
    assert!(refusal(&to, port).contains("not signed by an authority"));
    fs::write(&truststore, scene.tls.ca.certificate_pem()).unwrap();
    ask(&to, port).unwrap();
    fs::write(&truststore, "nothing of use").unwrap();
    ask(&to, port).unwrap();
}

/// KIP-368, on the connection that there is.
#[test]
fn a_session_that_ends_is_renewed_before() {
    let scene = Scene::with(&[("connections.max.reauth.ms", "1500")]);
    let to = builder("SASL_SSL", &[scene.trust(), login("PLAIN", PLAIN, "node-secret")]);
    let mut channel = connect(&to, "127.0.0.1", scene.port("SASL_SSL")).unwrap();
    let began = Instant::now();
    // Kafka's broker hangs up at the first request after the end of a session.
    let mut asked = 0;
    wait_until("two sessions", || {
        api_versions(&mut channel, PATIENCE).unwrap();
        asked += 1;
        began.elapsed() > Duration::from_millis(3500)
    });
    assert!(asked > 2);
}

/// A peer that takes one connection, and does with it what `play` says.
fn peer(play: impl FnOnce(TcpStream) + Send + 'static) -> (u16, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, thread::spawn(move || play(listener.accept().unwrap().0)))
}

/// A node that does not look at its own certificate before it shows it.
fn showing(identity: &Identity) -> (u16, thread::JoinHandle<()>) {
    let mut tls = server_of(identity);
    peer(
        move |mut connection| {
            while tls.is_handshaking() && tls.complete_io(&mut connection).is_ok() {}
        },
    )
}

fn server_of(identity: &Identity) -> ServerConnection {
    let certificates = CertificateDer::pem_slice_iter(identity.certificate_pem.as_bytes());
    let certificates = certificates.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap();
    ServerConnection::new(Arc::new(config)).unwrap()
}

/// What a broker that is killed does, and one that stops: only the latter says so in TLS.
#[test]
fn a_node_that_breaks_off_after_an_answer_has_hung_up() {
    let dir = TempDir::new();
    let tls = TlsFiles::in_dir(dir.path());
    let to = builder("SSL", &[trust_in(&tls.truststore)]);
    for says_so in [false, true] {
        let mut server = server_of(&tls.ca.server());
        let (port, thread) = peer(move |mut connection| {
            let mut stream = rustls::Stream::new(&mut server, &mut connection);
            stream.read_exact(&mut [0; 4 + 7]).unwrap();
            stream.write_all(&[0, 0, 0, 1, 9]).unwrap();
            if says_so {
                server.send_close_notify();
                server.write_tls(&mut connection).unwrap();
            }
            connection.shutdown(Shutdown::Write).unwrap();
            connection.read_to_end(&mut Vec::new()).unwrap();
        });
        let mut channel = connect(&to, "127.0.0.1", port).unwrap();
        assert_eq!(channel.exchange(b"request", PATIENCE).unwrap(), [9]);
        let error = channel.exchange(b"request", PATIENCE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
        assert_eq!(error.to_string(), "the node has hung up");
        drop(channel);
        thread.join().unwrap();
    }
}

#[test]
fn a_node_whose_certificate_has_expired_is_refused() {
    let dir = TempDir::new();
    let file = dir.path().join("ca.pem");
    let ca = TestCa::new("an authority");
    fs::write(&file, ca.certificate_pem()).unwrap();
    let expired = ca.server_with(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let (port, thread) = showing(&expired);
    let error = connect(&builder("SSL", &[trust_in(&file)]), "127.0.0.1", port).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let why = "listener CONTROLLER (SSL): the certificate of the node has expired";
    assert!(error.to_string().contains(why), "{error}");
    thread.join().unwrap();
}

/// A certificate may lie in the truststore for a client that shows it: with its key one makes no node.
#[test]
fn what_a_trusted_certificate_has_signed_that_may_not_sign_is_not_trusted() {
    let dir = TempDir::new();
    let file = dir.path().join("trusted.pem");
    let alice = TestCa::that_may_not_sign("alice");
    fs::write(&file, alice.certificate_pem()).unwrap();
    let to = builder("SSL", &[trust_in(&file)]);
    let (port, thread) = showing(&alice.itself());
    connect(&to, "127.0.0.1", port).unwrap();
    thread.join().unwrap();
    let (port, thread) = showing(&alice.server());
    let error = connect(&to, "127.0.0.1", port).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("is not signed by an authority"), "{error}");
    thread.join().unwrap();
}

fn tls_without_peer(dir: &TempDir) -> Arc<dyn ClientChannelBuilder> {
    let file = dir.path().join("ca.pem");
    fs::write(&file, TestCa::new("an authority").certificate_pem()).unwrap();
    builder("SSL", &[trust_in(&file)])
}

#[test]
fn a_handshake_has_a_deadline_and_can_be_interrupted() {
    let dir = TempDir::new();
    let to = tls_without_peer(&dir);
    let silent = || peer(|mut connection| drop(connection.read_to_end(&mut Vec::new())));
    let (port, thread) = silent();
    let late = BlockingChannel::connect(&*to, ("127.0.0.1", port), "", SHORT, &Arc::default());
    assert_eq!(late.unwrap_err().kind(), ErrorKind::TimedOut);
    thread.join().unwrap();

    let (port, peer) = silent();
    let interrupter = Arc::new(Interrupter::new());
    let waiting = thread::spawn({
        let interrupter = Arc::clone(&interrupter);
        move || BlockingChannel::connect(&*to, ("127.0.0.1", port), "", PATIENCE, &interrupter)
    });
    thread::park_timeout(Duration::from_millis(50));
    interrupter.interrupt();
    let error = waiting.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    peer.join().unwrap();
}

#[test]
fn a_peer_that_breaks_off_or_talks_nonsense_in_the_handshake_is_an_error() {
    let dir = TempDir::new();
    let to = tls_without_peer(&dir);
    let nonsense: [&'static [u8]; 5] = [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        &[0x15, 3, 3, 0, 2, 2, 40],
        &[0x16, 3, 3, 0xff, 0xff, 0, 0],
        &[0; 100],
    ];
    for bytes in nonsense {
        let (port, thread) = peer(move |mut connection| {
            let mut hello = [0; 64];
            connection.read_exact(&mut hello).unwrap();
            // The other side may have hung up already.
            let _ = connection.write_all(bytes).and_then(|()| connection.shutdown(Shutdown::Write));
            let _ = connection.read_to_end(&mut Vec::new());
        });
        let error = connect(&to, "127.0.0.1", port).unwrap_err();
        assert!(error.kind() != ErrorKind::TimedOut, "{bytes:?}: {error}");
        thread.join().unwrap();
    }
}

/// Between the node and us: forwards the answers of the node seven bytes at a time.
fn trickling(to: u16) -> (u16, thread::JoinHandle<()>) {
    peer(move |mut near| {
        let mut far = TcpStream::connect(("127.0.0.1", to)).unwrap();
        let (mut near_reading, mut far_writing) =
            (near.try_clone().unwrap(), far.try_clone().unwrap());
        let there = thread::spawn(move || {
            let _ = std::io::copy(&mut near_reading, &mut far_writing);
            let _ = far_writing.shutdown(Shutdown::Write);
        });
        near.set_nodelay(true).unwrap();
        let mut piece = [0; 7];
        while let Ok(read) = far.read(&mut piece) {
            if read == 0 || near.write_all(&piece[..read]).is_err() {
                break;
            }
        }
        let _ = near.shutdown(Shutdown::Both);
        there.join().unwrap();
    })
}

#[test]
fn answers_that_come_seven_bytes_at_a_time_are_answers() {
    let scene = Scene::new();
    let to = builder("SASL_SSL", &[scene.trust(), login("PLAIN", PLAIN, "node-secret")]);
    let (port, thread) = trickling(scene.port("SASL_SSL"));
    let mut channel = connect(&to, "127.0.0.1", port).unwrap();
    for _ in 0..3 {
        assert!(!api_versions(&mut channel, PATIENCE).unwrap().api_keys.is_empty());
    }
    drop(channel);
    thread.join().unwrap();
}

#[test]
fn a_login_takes_no_large_answer() {
    let to = builder("SASL_PLAINTEXT", &[login("PLAIN", PLAIN, "node-secret")]);
    for size in [512 * 1024 + 1, 50 * 1024 * 1024, i32::MAX] {
        let (port, thread) = peer(move |mut connection| {
            connection.write_all(&i32::to_be_bytes(size)).unwrap();
            let _ = connection.read_to_end(&mut Vec::new());
        });
        let error = connect(&to, "127.0.0.1", port).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        thread.join().unwrap();
    }
}
