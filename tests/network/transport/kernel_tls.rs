//! What the kernel says when it is asked for TLS, and what becomes of the keys that it has.

use std::io;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::version::{TLS12, TLS13};
use support::kernel_tls;
use support::temp::TempDir;
use support::tls::TlsFiles;
use support::wait::wait_until;
use transferto::common::metrics::Metrics;
use transferto::common::tls_connections::{EncryptedBy, TlsConnectionKind, WhyUserSpace};
use transferto::security::ssl::ssl_factory::SslFactory;
use transferto::transport::authenticator::DefaultAuthenticator;
use transferto::transport::channel_builder::ChannelBuilder;
use transferto::transport::connection_id::ConnectionId;
use transferto::transport::kafka_channel::KafkaChannel;
use transferto::transport::kernel_tls::KernelTls;
use transferto::transport::network_receive::NetworkReceive;
use transferto::transport::send::{NetworkSend, Send};
use transferto::transport::ssl_transport_layer::SslTransportLayer;
use transferto::transport::tls_offload::TlsOffload;
use transferto::transport::user_space_tls::KeyLimits;

use crate::frames::frame;
use crate::transport::nio_echo_server::{NioEchoServer, ssl_builder_or_error, ssl_config};

/// This runs everywhere: there is an answer, and it says what to do.
#[test]
fn a_probe_says_what_the_kernel_takes_or_why_it_takes_nothing() {
    let probed = KernelTls::probe();
    let text = probed.to_string();
    eprintln!("{text}");
    match probed.refusal() {
        None => assert!(text.starts_with("TLSv1.3 with "), "{text}"),
        Some(refusal) => {
            assert!(!kernel_tls::is_required(), "KTLS=required, and the kernel says {text}");
            assert!(text.starts_with(&format!("{} gives ", refusal.option)), "{text}");
        }
    }
}

/// A server whose connections go to the kernel, with these limits for their keys; `None` if it takes
/// none.
fn server(key_limits: KeyLimits) -> Option<(NioEchoServer, Arc<KernelTls>)> {
    let kernel = kernel_tls::probed()?;
    let offload = TlsOffload::To(Arc::clone(&kernel));
    let echo = |_: &TempDir, body| Box::new(NetworkSend::new(body).unwrap()) as Box<dyn Send>;
    let server =
        NioEchoServer::start_built(&[("transferto.ktls", "auto")], echo, |config, metrics| {
            let ssl_factory = SslFactory::configure(config, &config.listeners[0]).unwrap();
            let metrics = Arc::clone(metrics);
            Arc::new(KernelChannelBuilder { ssl_factory, metrics, offload, key_limits })
        });
    Some((server, kernel))
}

struct KernelChannelBuilder {
    ssl_factory: SslFactory,
    metrics: Arc<Metrics>,
    offload: TlsOffload,
    key_limits: KeyLimits,
}

impl ChannelBuilder for KernelChannelBuilder {
    fn build_channel(
        &self,
        id: ConnectionId,
        stream: TcpStream,
        peer: SocketAddr,
        receive: NetworkReceive,
    ) -> io::Result<KafkaChannel> {
        let engine = self.ssl_factory.create_ssl_engine();
        let transport = SslTransportLayer::create(stream, peer, engine, Arc::clone(&self.metrics))?
            .with_offload(self.offload.clone())
            .with_key_limits(self.key_limits);
        let authenticator = Box::new(DefaultAuthenticator::new());
        Ok(KafkaChannel::new(id, Box::new(transport), authenticator, receive))
    }
}

const FEW_BYTES: KeyLimits = KeyLimits { records: u64::MAX, bytes: 10_000 };
const FEW_RECORDS: KeyLimits = KeyLimits { records: 10, bytes: u64::MAX };

/// Before the client would ask for it, and without an answer cut or lost.
#[test]
fn keys_that_have_been_used_for_long_enough_are_changed_or_their_connection_ends() {
    for (limits, version) in [(FEW_BYTES, &TLS13), (FEW_RECORDS, &TLS13), (FEW_BYTES, &TLS12)] {
        let Some((server, kernel)) = server(limits) else { return };
        let mut client = server.client().with_versions(&[version]).connect(server.port).unwrap();
        let changes_keys = kernel.changes_keys() && version.version == TLS13.version;
        let mut echoes = 0;
        while echoes < 40 {
            client.write_all(&frame(&[7; 2_000])).unwrap();
            let mut size = [0; 4];
            match client.read(&mut size).unwrap() {
                0 => break,
                1..=3 => panic!("a piece of a size"),
                _ => client.read_exact(&mut [0; 2_000]).unwrap(),
            }
            echoes += 1;
            if server.metrics.tls_connections_closed_for_keys.value() > 0 {
                // The goodbye comes after the whole answer.
                assert_eq!(client.read(&mut size).unwrap(), 0);
                break;
            }
        }
        let metrics = &server.metrics;
        let ended = metrics.tls_connections_closed_for_keys.value();
        let changed = metrics.tls_key_updates_sent.value();
        if changes_keys {
            assert_eq!((echoes, ended), (40, 0));
            assert!(changed >= 5, "{changed} changes");
        } else {
            assert_eq!((changed, ended), (0, 1));
            assert!((1..40).contains(&echoes), "{echoes} answers");
        }
    }
}

#[test]
fn connections_are_counted_by_who_encrypts_them() {
    let Some((server, _)) = server(KeyLimits::default()) else { return };
    let mut client = server.client().with_versions(&[&TLS12]).connect(server.port).unwrap();
    client.write_all(&frame(b"hello")).unwrap();
    client.read_exact(&mut [0; 9]).unwrap();
    let connections = &server.metrics.tls_connections;
    let kind = TlsConnectionKind {
        protocol: "TLSv1.2",
        cipher: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        by: EncryptedBy::Kernel,
    };
    assert_eq!(connections.values(), [(kind, 1)]);
    drop(client);
    wait_until("it is gone", || connections.count(|_| true) == 0);
}

/// What `transferto.ktls` does where the kernel takes nothing; a kernel that does is not asked.
#[test]
fn without_tls_in_the_kernel_auto_counts_why_and_required_does_not_start() {
    if KernelTls::probe().refusal().is_none() {
        return;
    }
    let server = NioEchoServer::start(&[("transferto.ktls", "auto")]);
    let mut client = server.client().connect(server.port).unwrap();
    client.write_all(&frame(b"hello")).unwrap();
    client.read_exact(&mut [0; 9]).unwrap();
    let why = EncryptedBy::UserSpace(WhyUserSpace::KernelWithoutTls);
    assert_eq!(server.metrics.tls_connections.count(|kind| kind.by == why), 1);

    let (dir, metrics) = (TempDir::new(), Arc::new(Metrics::default()));
    let files = TlsFiles::in_dir(dir.path());
    let config = ssl_config(&files, &[("transferto.ktls", "required")]);
    let error = ssl_builder_or_error(&config, &metrics).err().unwrap().to_string();
    assert!(error.contains("`transferto.ktls=required`") && error.contains("TCP_ULP"), "{error}");
}
