//! One Kafka from its start to its end: warmed up, watched while it serves the session.

use std::collections::BTreeMap;
use std::error::Error;
use std::thread::sleep;
use std::time::{Duration, Instant};

use bench::caretaker;
use bench::jars::Jars;
use bench::outcome::{Outcome, failed};
use support::client::{Client, fetch_request};
use support::temp::TempDir;

use crate::kafka::GRACE;
use crate::kafka::acts::{self, ActCalls};
use crate::kafka::jvm_threads::{self, Role};
use crate::kafka::release::{Release, Running};
use crate::kafka::rules;
use crate::kafka::small;
use crate::kafka::ssl_listener::SslListener;
use crate::link::{Link, Protocol};
use crate::recorder::{Recorder, now_us};
use crate::recording::Recording;
use crate::session::{Act, TOPIC, Year, play};

/// The sessions that a JVM serves before the one that is recorded: classes are loaded by then, and
/// what is called often is compiled.
const WARM_UP_SESSIONS: usize = 20;
/// The first wait of each thread is cut short when strace takes it over; by then it has waited anew.
pub(crate) const AFTER_ATTACHING: Duration = Duration::from_secs(1);
/// How often a client asks whether a topic has a leader, and how long.
const ASKS_EVERY: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(30);

/// Of strace, about a process that it may not watch.
const NOT_PERMITTED: &str = "Operation not permitted";
const NO_RIGHT: &str = "
Here strace may watch what it starts, but not a JVM that runs already. That is Yama, if
/proc/sys/kernel/yama/ptrace_scope is 1 and you are not root: sudo, or as root, for a while,
  sysctl kernel.yama.ptrace_scope=0";

/// What was recorded of one Kafka.
pub(crate) struct Watched {
    pub(crate) recording: Recording,
    pub(crate) roles: BTreeMap<i32, Role>,
    /// To find one offset among a thousand small messages.
    pub(crate) reads_of_small: usize,
}

impl Watched {
    /// Starts a Kafka, warms it up, watches it serve the session, and stops it.
    pub(crate) fn of(release: Release, jars: &Jars, protocol: Protocol) -> Outcome<Self> {
        let dir = TempDir::new();
        caretaker::directory_is_there(dir.path());
        let watched = Self::in_dir(release, jars, protocol, &dir);
        caretaker::directory_is_gone(dir.path());
        watched
    }

    fn in_dir(release: Release, jars: &Jars, protocol: Protocol, dir: &TempDir) -> Outcome<Self> {
        let name = release.name();
        eprintln!("Starting {name}, for a client over {}.", protocol.name());
        let ssl = match protocol {
            Protocol::Plaintext => None,
            Protocol::Ssl => Some(SslListener::in_dir(dir.path())?),
        };
        let broker = release.start(jars, dir.path(), ssl.as_ref())?;
        let link = match &ssl {
            None => Link::plain(broker.port),
            Some(ssl) => Link::encrypted(ssl.port, &ssl.certificate)?,
        };
        let (port, year) = (link.port(), release.year());
        eprintln!("Warming it up: {WARM_UP_SESSIONS} sessions that nobody watches.");
        for session in 0..WARM_UP_SESSIONS {
            let topic = format!("warm-up-{session}");
            create_topic(port, year, &topic)?;
            play(port, year, &topic, |_| Ok(()))?;
        }
        create_topic(port, year, TOPIC)?;
        create_topic(port, year, small::TOPIC)?;
        small::fill(port, year)?;

        let roles = jvm_threads::of_broker(broker.server.pid(), &broker.log)?;
        let threads: Vec<i32> = roles.keys().copied().collect();
        let recorder = Recorder::attach(&[], &threads).or_else(hint)?;
        let recording = record_session(&recorder, &broker, &link, year)?;
        let reads_of_small = small::reads_of_a_fetch(&recorder, port, year)?;
        drop(recorder);
        eprintln!("Stopping it.");
        Ok(Self { recording, roles, reads_of_small })
    }

    /// What its threads did, act by act.
    pub(crate) fn acts(&self) -> Vec<ActCalls> {
        let recording = &self.recording;
        let threads = recording.threads.iter();
        let threads: Vec<_> =
            threads.filter_map(|it| Some((*self.roles.get(&it.id)?, it.calls.clone()))).collect();
        let placement = rules::place(&threads, &recording.told);
        acts::divide(&placement.placed, &placement.of_jvm, &recording.acts, recording.end_us)
    }
}

/// What to do if strace may not attach, besides what it says itself.
pub(crate) fn hint<T>(why: Box<dyn Error + Send + Sync>) -> Outcome<T> {
    let hint = if why.to_string().contains(NOT_PERMITTED) { NO_RIGHT } else { "" };
    failed(format!("{why}{hint}"))
}

fn record_session(
    recorder: &Recorder,
    broker: &Running,
    link: &Link,
    year: Year,
) -> Outcome<Recording> {
    sleep(AFTER_ATTACHING);
    let mut acts: Vec<(Act, u64)> = Vec::new();
    let told = play(link.port(), year, TOPIC, |act| {
        sleep(GRACE);
        recorder.wait_until_asleep()?;
        eprintln!("The client: {act:?}");
        acts.push((act, now_us()));
        Ok(())
    })?;
    sleep(GRACE);
    recorder.wait_until_asleep()?;
    Ok(Recording {
        threads: recorder.threads()?,
        acts,
        end_us: now_us(),
        told: link.as_the_broker_knows_it(told),
        broker_port: broker.port,
        resident_bytes: broker.server.resident_bytes()?,
        has_tls: false,
    })
}

/// By asking for it: a broker creates a topic that somebody asks for. The newest Kafka names the
/// leader before the leader knows of it, so the topic must have let itself be read, too.
fn create_topic(port: u16, year: Year, topic: &str) -> Outcome<()> {
    let version = match year {
        Year::Of2016 => 0,
        Year::Today => 1,
    };
    let mut client = Client::connect(port);
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let found = client.metadata(version, Some(&[topic])).topics.remove(0);
        let is_named =
            found.error_code == 0 && found.partitions.iter().all(|it| it.error_code == 0);
        if is_named && is_read(&mut client, year, topic) {
            return Ok(());
        }
        sleep(ASKS_EVERY);
    }
    failed(format!("the topic {topic} has got no leader in {} s", PATIENCE.as_secs()))
}

fn is_read(client: &mut Client, year: Year, topic: &str) -> bool {
    client.fetch_with(year.fetch_version(), fetch_request(topic, 0, 0)).remove(0).error == 0
}
