//! A broker in this process, on port 0.

use std::sync::Arc;

use transferto::common::end_point::SecurityProtocol;
use transferto::config::config_reader::read_file;
use transferto::server::kafka_server::{KafkaServer, ShutdownError};
use transferto::server::kafka_server_builder::KafkaServerBuilder;

use crate::client::Client;
use crate::temp::TempDir;
use crate::tunnel::TlsListener;

/// A broker in this process.
pub struct Broker {
    server: Option<KafkaServer>,
    pub dir: Arc<TempDir>,
}

impl Broker {
    /// A broker with the default settings and those that are given, on an empty directory.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_in(Arc::new(TempDir::new()), settings)
    }

    /// A broker on a directory that may hold data.
    pub fn start_in(dir: Arc<TempDir>, settings: &[(&str, &str)]) -> Self {
        Self::start_with(dir, settings, |builder| builder)
    }

    /// A broker that also has what `change` gives it: clocks, counters, connections, an authorizer.
    pub fn start_with(
        dir: Arc<TempDir>,
        settings: &[(&str, &str)],
        change: impl FnOnce(KafkaServerBuilder) -> KafkaServerBuilder,
    ) -> Self {
        let tls = TlsListener::if_asked_for();
        let server = change(builder_for(&dir, &tls.settings(), settings)).start().unwrap();
        if let Some(port) = server.bound_port(SecurityProtocol::Ssl) {
            tls.listens_on(port);
        }
        Self { server: Some(server), dir }
    }

    /// Why such a broker does not start.
    pub fn start_error(
        dir: &TempDir,
        settings: &[(&str, &str)],
        change: impl FnOnce(KafkaServerBuilder) -> KafkaServerBuilder,
    ) -> String {
        let started = change(builder_for(dir, &[], settings)).start();
        started.err().expect("a broker that does not start").to_string()
    }

    pub fn server(&self) -> &KafkaServer {
        self.server.as_ref().unwrap()
    }

    pub fn port(&self) -> u16 {
        let port_for = |protocol| self.server().bound_port(protocol);
        port_for(SecurityProtocol::Plaintext).or_else(|| port_for(SecurityProtocol::Ssl)).unwrap()
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.port())
    }

    /// A client, and a topic that exists.
    pub fn connect_with_topic(&self, topic: &str) -> Client {
        let mut client = self.connect();
        client.create_topic(topic);
        client
    }

    /// Stops the broker, however that ends, and returns its directory.
    pub fn stop(self) -> Arc<TempDir> {
        let dir = Arc::clone(&self.dir);
        drop(self.shutdown());
        dir
    }

    /// Stops the broker, and says how that ended.
    pub fn shutdown(mut self) -> Result<(), ShutdownError> {
        self.server.take().unwrap().shutdown()
    }

    /// The bytes of a partition's segment that begins at offset 0.
    pub fn first_segment(&self, topic: &str, partition: i32) -> Vec<u8> {
        let name = format!("{topic}-{partition}/00000000000000000000.log");
        std::fs::read(self.dir.path().join(name)).unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            drop(server.shutdown());
        }
    }
}

/// The settings of a test's broker: few threads, port 0, its own directory.
fn builder_for(
    dir: &TempDir,
    listener: &[(String, String)],
    settings: &[(&str, &str)],
) -> KafkaServerBuilder {
    let dir = dir.path().display().to_string();
    let defaults = [
        ("listeners", "PLAINTEXT://127.0.0.1:0"),
        ("log.dirs", dir.as_str()),
        ("num.network.threads", "1"),
        ("num.io.threads", "2"),
        ("background.threads", "2"),
    ];
    let owned = |(name, value): &(&str, &str)| ((*name).to_string(), (*value).to_string());
    let defaults = defaults.iter().map(owned).chain(listener.iter().cloned());
    let all: Vec<_> = defaults.chain(settings.iter().map(owned)).collect();
    KafkaServerBuilder::new(read_file(None, &all).unwrap())
}
