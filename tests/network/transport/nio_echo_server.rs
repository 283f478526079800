//! Kafka's `NioEchoServer`: a selector with TLS on a thread of its own, which sends each frame back.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::thread::JoinHandle;

use support::temp::TempDir;
use support::tls::{TlsConnector, TlsFiles};
use transferto::common::errors::KafkaError;
use transferto::common::memory_pool::MemoryPool;
use transferto::common::metrics::Metrics;
use transferto::common::time::{SystemTime, Time};
use transferto::config::config_reader::read_settings;
use transferto::config::kafka_config::KafkaConfig;
use transferto::security::channel_builders::ConfiguredChannelBuilders;
use transferto::transport::channel_builder::{ChannelBuilder, ChannelBuilders};
use transferto::transport::selector::{Disconnected, Selector, SelectorLimits};
use transferto::transport::send;
use transferto::transport::send::NetworkSend;

/// How long one poll may last.
const POLL_MS: i64 = 5;

/// A listener of TLS with files of its own.
pub(crate) struct NioEchoServer {
    pub port: u16,
    pub metrics: Arc<Metrics>,
    pub files: TlsFiles,
    /// As text, in the order in which they came.
    pub principals: Arc<Mutex<Vec<String>>>,
    pub disconnected: Arc<Mutex<Vec<Disconnected>>>,
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _dir: TempDir,
}

/// The settings of a listener of TLS, and more.
pub(crate) fn ssl_config(files: &TlsFiles, more: &[(&str, &str)]) -> KafkaConfig {
    let listener = [("listeners".to_string(), "SSL://127.0.0.1:0".to_string())];
    let more = more.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    let all: Vec<_> = listener.into_iter().chain(files.settings()).chain(more).collect();
    read_settings(all.iter().map(|(name, value)| (name.as_str(), value.as_str()))).unwrap()
}

/// What a broker with these settings makes connections with.
pub(crate) fn ssl_builder(config: &KafkaConfig, metrics: &Arc<Metrics>) -> Arc<dyn ChannelBuilder> {
    ssl_builder_or_error(config, metrics).unwrap()
}

/// The same, or why it does not start.
pub(crate) fn ssl_builder_or_error(
    config: &KafkaConfig,
    metrics: &Arc<Metrics>,
) -> Result<Arc<dyn ChannelBuilder>, KafkaError> {
    let time: Arc<dyn Time> = Arc::new(SystemTime::new());
    let credentials = Arc::default();
    let builders = ConfiguredChannelBuilders::new(config, metrics, &time, &credentials);
    builders.builder_for(&config.listeners[0])
}

impl NioEchoServer {
    /// With these settings beside its key and its truststore.
    pub(crate) fn start(more: &[(&str, &str)]) -> Self {
        Self::start_on(more, |_, body| Box::new(NetworkSend::new(body).unwrap()))
    }

    /// The same with other answers: `answer` gets the directory of the server and the request.
    pub(crate) fn start_on(
        more: &[(&str, &str)],
        answer: impl Fn(&TempDir, Vec<u8>) -> Box<dyn send::Send> + Send + 'static,
    ) -> Self {
        Self::start_built(more, answer, ssl_builder)
    }

    /// The same with other transports.
    pub(crate) fn start_built(
        more: &[(&str, &str)],
        answer: impl Fn(&TempDir, Vec<u8>) -> Box<dyn send::Send> + Send + 'static,
        builder: impl FnOnce(&KafkaConfig, &Arc<Metrics>) -> Arc<dyn ChannelBuilder>,
    ) -> Self {
        let (dir, metrics) = (TempDir::new(), Arc::new(Metrics::default()));
        let files = TlsFiles::in_dir(dir.path());
        let builder = builder(&ssl_config(&files, more), &metrics);
        let limits = SelectorLimits {
            max_receive_bytes: -1,
            connections_max_idle_ms: None,
            memory_pool: MemoryPool::for_frames_of(64 << 20),
            memory_progress_timeout_ms: 500,
            authentication_timeout_ms: 30_000,
            failed_authentication_delay_ms: 0,
        };
        let time = Arc::new(SystemTime::new());
        let selector = Selector::new(limits, time, builder, Arc::clone(&metrics)).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (principals, disconnected) = <(Arc<Mutex<Vec<_>>>, Arc<Mutex<Vec<_>>>)>::default();
        let is_stopped = Arc::new(AtomicBool::new(false));
        let server = Server {
            selector,
            listener,
            principals: Arc::clone(&principals),
            disconnected: Arc::clone(&disconnected),
        };
        let (stop, answers_in) = (Arc::clone(&is_stopped), TempDir::new());
        let thread = thread::spawn(move || server.run(&stop, |body| answer(&answers_in, body)));
        let thread = Some(thread);
        Self { port, metrics, files, principals, disconnected, is_stopped, thread, _dir: dir }
    }

    /// A client that trusts the server.
    pub(crate) fn client(&self) -> TlsConnector {
        self.files.client()
    }

    /// A client that sends bytes of its own.
    pub(crate) fn connect_raw(&self) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.set_read_timeout(Some(support::wait::PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    pub(crate) fn disconnects(&self) -> usize {
        self.disconnected.lock().unwrap().len()
    }
}

impl Drop for NioEchoServer {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking(), "the server has panicked");
    }
}

struct Server {
    selector: Selector,
    listener: TcpListener,
    principals: Arc<Mutex<Vec<String>>>,
    disconnected: Arc<Mutex<Vec<Disconnected>>>,
}

impl Server {
    fn run(mut self, stop: &AtomicBool, answer: impl Fn(Vec<u8>) -> Box<dyn send::Send>) {
        while !stop.load(Ordering::SeqCst) {
            self.accept().unwrap();
            self.selector.poll(POLL_MS).unwrap();
            while let Some(received) = self.selector.take_completed_receive() {
                let principal = self.selector.channel(received.id).unwrap().principal().to_string();
                self.principals.lock().unwrap().push(principal);
                self.selector.mute(received.id);
                self.selector.send(received.id, answer(received.frame.bytes)).unwrap();
            }
            while let Some(id) = self.selector.take_completed_send() {
                self.selector.unmute(id);
            }
            self.disconnected.lock().unwrap().extend(self.selector.take_disconnected());
        }
        self.selector.close_all();
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((stream, peer)) => {
                    stream.set_nonblocking(true)?;
                    self.selector.register(mio::net::TcpStream::from_std(stream), peer)?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}
