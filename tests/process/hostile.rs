//! What the tests of hostile clients share: a broker with a well-behaved client beside the hostile
//! ones, each of those with an address of its own, and the broker's log.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use log::{Level, LevelFilter, Log, Metadata, Record};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};
use support::broker::Broker;
use support::client::{Client, NEWEST_PRODUCE};
use support::records::{batch, stored};
use support::temp::TempDir;
use support::wait::wait_until;
use transferto::common::log_limit::lift;
use transferto::common::metrics::Metrics;
use transferto::common::time::Time;
use transferto::protocol::request::{RequestBody, ResponseBody};
use transferto::server::kafka_server::KafkaServer;

/// The topic that every scene has.
pub(crate) const TOPIC: &str = "post";

/// A broker, and a client that behaves: whatever the others do, it must be served.
pub(crate) struct Scene {
    broker: Broker,
    witness: Client,
    produced: i64,
    /// Kept until the broker is gone.
    company: Option<RwLockReadGuard<'static, ()>>,
}

/// Written by a test that counts what the process has, read by all others.
static PROCESS: RwLock<()> = RwLock::new(());

/// While this is held, no other test of this process runs.
pub(crate) fn alone() -> RwLockWriteGuard<'static, ()> {
    PROCESS.write().unwrap_or_else(PoisonError::into_inner)
}

/// While this is held, no test runs that must be alone.
pub(crate) fn in_company() -> RwLockReadGuard<'static, ()> {
    PROCESS.read().unwrap_or_else(PoisonError::into_inner)
}

impl Scene {
    pub(crate) fn open(settings: &[(&str, &str)], time: Arc<dyn Time>) -> Self {
        capture_the_log();
        let broker = Broker::start_with(Arc::new(TempDir::new()), settings, |it| it.time(time));
        let mut witness = broker.connect();
        witness.create_topic(TOPIC);
        witness.create_topic("witness");
        Self { broker, witness, produced: 0, company: None }
    }

    pub(crate) fn holding(mut self, company: RwLockReadGuard<'static, ()>) -> Self {
        self.company = Some(company);
        self
    }

    /// Stops the broker and starts one with other settings on the same directory.
    pub(crate) fn reopen(mut self, settings: &[(&str, &str)], time: Arc<dyn Time>) -> Self {
        self.broker = Broker::start_with(self.broker.stop(), settings, |it| it.time(time));
        self.witness = self.broker.connect();
        self
    }

    pub(crate) fn server(&self) -> &KafkaServer {
        self.broker.server()
    }

    pub(crate) fn dir(&self) -> &Path {
        self.broker.dir.path()
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        self.server().metrics()
    }

    /// A client whose address no other client of this process has or had: what the log says of it
    /// is of this one.
    pub(crate) fn connect(&self) -> Client {
        static NEXT: AtomicU16 = AtomicU16::new(1);
        let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
        let own = SocketAddrV4::new(Ipv4Addr::new(127, 1, high, low), 0);
        bind(socket.as_raw_fd(), &SockaddrIn::from(own)).unwrap();
        let broker = SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.broker.port());
        let known = self.metrics().connection_creations.value();
        connect(socket.as_raw_fd(), &SockaddrIn::from(broker)).unwrap();
        let is_known = || self.metrics().connection_creations.value() > known;
        wait_until("the connection to be registered", is_known);
        Client::over(TcpStream::from(socket))
    }

    /// The witness produces, and fetches what it has produced. One network thread serves all: when
    /// this returns, the broker has also taken whatever the hostile client had sent before.
    pub(crate) fn assert_others_are_served(&mut self) {
        let records = batch(&[b"well behaved"]);
        let produced = self.witness.produce("witness", 0, &records);
        assert_eq!((produced.error_code, produced.base_offset), (0, self.produced));
        let fetched = self.witness.fetch("witness", 0, self.produced);
        assert_eq!((fetched.error, fetched.records), (0, stored(&records, self.produced)));
        self.produced += 1;
        let faults = lines_with("got no answer").len() + lines_with("panicked").len();
        assert_eq!(faults, 0, "a handler panicked: {:?}", lines_with("panicked"));
    }

    /// How many connections are open, by what the broker has counted.
    pub(crate) fn open_connections(&self) -> u64 {
        let metrics = self.metrics();
        metrics.connection_creations.value() - metrics.connection_closes.value()
    }

    /// Writes `count` batches of 900,000 bytes to partition 0 of the topic.
    pub(crate) fn fill(&mut self, partition: i32, count: usize) {
        let records = batch(&[&vec![7; 900_000]]);
        for _ in 0..count {
            let produced =
                self.witness.produce_with(NEWEST_PRODUCE, 1, (TOPIC, partition), &records);
            assert_eq!(produced.error_code, 0);
        }
    }
}

/// What the log says of this client, from info on, and what it is refused also at debug.
pub(crate) fn lines_of(client: &Client) -> Vec<String> {
    let address: SocketAddr = client.stream.local_addr().unwrap();
    lines_with(&address.to_string())
}

/// Waits for the line that says what became of this client; there must be one, and no other.
pub(crate) fn assert_logged_once(client: &Client, words: &str) {
    wait_until("a line in the log", || !lines_of(client).is_empty());
    let lines = lines_of(client);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(words), "{words:?} in {lines:?}");
}

/// An ApiVersions request is answered: the connection works.
pub(crate) fn assert_works(client: &mut Client) {
    let (body, _) = client.call(0, &RequestBody::ApiVersions(Default::default()), &[]);
    assert!(matches!(body, ResponseBody::ApiVersions(_)), "{body:?}");
}

/// Keeps the lines of the whole process, from info on, and those of refused requests.
struct Capture {
    lines: Mutex<Vec<String>>,
}

static CAPTURE: Capture = Capture { lines: Mutex::new(Vec::new()) };

fn capture_the_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&CAPTURE).unwrap();
        log::set_max_level(LevelFilter::Debug);
        lift();
    });
}

/// The captured lines in which `text` stands, and no digit behind it: no address is taken for
/// another.
pub(crate) fn lines_with(text: &str) -> Vec<String> {
    let stands_in = |line: &&String| {
        line.match_indices(text)
            .any(|(at, _)| !line[at + text.len()..].starts_with(|next: char| next.is_ascii_digit()))
    };
    CAPTURE.lines.lock().unwrap().iter().filter(stands_in).cloned().collect()
}

impl Log for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Info || metadata.target() == "transferto::server::reply::reply"
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.lines.lock().unwrap().push(format!("{} {}", record.level(), record.args()));
        }
    }

    fn flush(&self) {}
}
