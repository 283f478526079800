//! A session, act by act, with every call that the broker's threads made meanwhile.

use bench::caretaker;
use bench::outcome::{Outcome, failed};
use bench::process::resident_bytes;
use support::client::Client;
use support::temp::TempDir;
use support::tls::TlsFiles;
use support::tunnel::TlsListener;

use crate::call::Call;
use crate::link::Link;
use crate::recorder::{Recorder, Thread, now_us, wait_until};
use crate::session::{Act, TOPIC, Told, Year, play};
use crate::traced_broker::TracedBroker;

/// How the broker sends messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Sendfile,
    Copy,
    /// Over TLS, by sendfile, for the kernel encrypts.
    KernelTls,
}

/// Fewer threads that wait: strace walks the stack of each of their time-outs.
pub(crate) const FEWER_THREADS: [&str; 2] = ["num.io.threads=2", "background.threads=1"];

/// A listener for SSL beside the other one, and a process that does not leave the work to the kernel.
const OVER_SSL: [&str; 2] =
    ["listeners=PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0", "transferto.ktls=off"];

impl Mode {
    /// How the broker is started.
    fn settings(self) -> Vec<&'static str> {
        let mode = match self {
            Self::Sendfile | Self::KernelTls => None,
            Self::Copy => Some("transferto.transfer.mode=copy"),
        };
        FEWER_THREADS.into_iter().chain(mode).collect()
    }
}

pub(crate) struct Recording {
    pub(crate) threads: Vec<Thread>,
    /// When each act began, and when the last was over.
    pub(crate) acts: Vec<(Act, u64)>,
    pub(crate) end_us: u64,
    pub(crate) told: Told,
    pub(crate) broker_port: u16,
    /// Of the broker, after the session.
    pub(crate) resident_bytes: u64,
    /// Whether the kernel encrypts its connections.
    pub(crate) has_tls: bool,
}

impl Recording {
    /// Has a broker of its own serve the session.
    pub(crate) fn of_broker(strace: &[&str], mode: Mode, year: Year) -> Outcome<Self> {
        if mode != Mode::KernelTls {
            return Self::of_broker_with(strace, &mode.settings(), year);
        }
        let tls = TlsListener::of("required");
        let settings = tls.settings();
        let settings: Vec<_> =
            settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let settings = settings.iter().map(String::as_str).chain(mode.settings());
        let broker = TracedBroker::start(strace, &settings.collect::<Vec<_>>())?;
        tls.listens_on(broker.port);
        Ok(Self { has_tls: true, ..Self::of(broker, year)? })
    }

    /// The same, with these settings.
    pub(crate) fn of_broker_with(strace: &[&str], settings: &[&str], year: Year) -> Outcome<Self> {
        eprintln!("Starting a broker under strace, which makes it slow.");
        Self::of(TracedBroker::start(strace, settings)?, year)
    }

    fn of(broker: TracedBroker, year: Year) -> Outcome<Self> {
        create_topic(broker.port, year, TOPIC);
        let mut recording = Self::of_session(broker.recorder(), broker.port, year)?;
        recording.resident_bytes = resident_bytes(broker.pid())?;
        broker.stop()?;
        Ok(recording)
    }

    /// The same of a client over SSL, with the broker's own process encrypting.
    pub(crate) fn of_broker_over_ssl(strace: &[&str], year: Year) -> Outcome<Self> {
        let dir = TempDir::new();
        caretaker::directory_is_there(dir.path());
        let recording = Self::with_keys_in(&dir, strace, year);
        caretaker::directory_is_gone(dir.path());
        recording
    }

    fn with_keys_in(dir: &TempDir, strace: &[&str], year: Year) -> Outcome<Self> {
        let files = TlsFiles::in_dir(dir.path());
        let of_keys = files.settings().into_iter().map(|(name, value)| format!("{name}={value}"));
        let settings: Vec<String> = OVER_SSL.map(String::from).into_iter().chain(of_keys).collect();
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        eprintln!("Starting a broker with TLS under strace, which makes it slow.");
        let broker = TracedBroker::start(strace, &settings)?;
        create_topic(broker.port, year, TOPIC);
        let Some(port) = broker.ssl_port else { return failed("there is no listener for SSL") };
        let link = Link::encrypted(port, &files.ca.certificate_pem())?;
        let mut recording = Self::of_session(broker.recorder(), link.port(), year)?;
        recording.told = link.as_the_broker_knows_it(recording.told);
        recording.broker_port = port;
        recording.resident_bytes = resident_bytes(broker.pid())?;
        broker.stop()?;
        Ok(recording)
    }

    /// Plays the session against whatever listens on `port` and runs under `recorder`. The topic is
    /// there.
    pub(crate) fn of_session(recorder: &Recorder, port: u16, year: Year) -> Outcome<Self> {
        recorder.wait_until_asleep()?;
        let mut acts: Vec<(Act, u64)> = Vec::new();
        let told = play(port, year, TOPIC, |act| {
            let before = acts.last().copied();
            wait_until_done(recorder, before)?;
            eprintln!("The client: {act:?}");
            acts.push((act, now_us()));
            Ok(())
        })?;
        wait_until_done(recorder, acts.last().copied())?;
        let end_us = now_us();
        let threads = recorder.threads()?;
        Ok(Self {
            threads,
            acts,
            end_us,
            told,
            broker_port: port,
            resident_bytes: 0,
            has_tls: false,
        })
    }
}

/// Waits until the server has done what an act asks of it, and sleeps. Most acts end with an answer;
/// these go on in the server when the client has done its part.
fn wait_until_done(recorder: &Recorder, act: Option<(Act, u64)>) -> Outcome<()> {
    if let Some((act, began_us)) = act {
        let since = |it: &Call| it.ended_us() >= began_us;
        wait_until(&format!("the server's part of {act:?}"), || {
            let threads = recorder.threads()?;
            let count = |is: &dyn Fn(&Call) -> bool| {
                threads.iter().flat_map(|it| &it.calls).filter(|it| since(it) && is(it)).count()
            };
            Ok(match act {
                Act::Connect => count(&|it| it.name.starts_with("accept") && it.value() > 0) >= 2,
                Act::LongPoll => is_handed_over(&threads, began_us),
                Act::Disconnect => count(&|it| it.name == "close" && is_of_network(it)) >= 2,
                Act::Produce | Act::Fetch | Act::ProduceOne => true,
            })
        })?;
    }
    recorder.wait_until_asleep()
}

/// Whether one thread has received something since then, and another has worked after that.
fn is_handed_over(threads: &[Thread], since_us: u64) -> bool {
    let received = threads.iter().find_map(|thread| {
        let is_receipt = |it: &&Call| {
            let name = it.name.as_str();
            ["recvfrom", "recvmsg", "read", "readv"].contains(&name)
                && is_of_network(it)
                && it.value() > 0
        };
        let mut later = thread.calls.iter().filter(|it| it.ended_us() >= since_us);
        later.find(is_receipt).map(|call| (thread.id, call.ended_us()))
    });
    let Some((receiver, received_us)) = received else { return false };
    let is_work = |it: &Call| {
        it.ended_us() > received_us && it.name != "epoll_wait" && !it.result.contains("ETIMEDOUT")
    };
    threads.iter().any(|it| it.id != receiver && it.calls.iter().any(is_work))
}

fn is_of_network(call: &Call) -> bool {
    call.descriptor().is_some_and(|it| it.starts_with("TCP"))
}

/// On a connection of its own, before the session, so that nothing of it is in an act.
pub(crate) fn create_topic(port: u16, year: Year, topic: &str) {
    let mut client = Client::connect(port);
    // Its records are older than the default retention.
    let retention = ("retention.ms", "-1");
    match year {
        Year::Of2016 => {
            let format = ("message.format.version", "0.9.0");
            client.create_topic_with(topic, &[retention, format]);
        }
        Year::Today => client.create_topic_with(topic, &[retention]),
    }
}
