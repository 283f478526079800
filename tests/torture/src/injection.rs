//! Fails system calls under a broker that works, by strace: it may refuse what it is asked, but what
//! it has acknowledged stays, and it neither panics nor dies of a signal.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::temp::TempDir;
use transferto::common::errors::Errors;

use crate::broker::{Broker, Setup, Start};
use crate::client::{Client, wait_for};
use crate::loads::numbered::{NumberedProducer, Writes};
use crate::loads::{Extent, Load};
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::report::Report;

/// Calls that fail under load: with which error, and which of them, in the words of strace.
const UNDER_LOAD: &[Failing] = &[
    Failing { call: "pwrite64", how: "error=ENOSPC:when=5+7", is_sync: false },
    Failing { call: "pwrite64", how: "error=EIO:when=3+4", is_sync: false },
    Failing { call: "fdatasync", how: "error=EIO:when=4", is_sync: true },
    Failing { call: "fdatasync", how: "error=EIO:when=4+5", is_sync: true },
    Failing { call: "fdatasync", how: "error=ENOSPC:when=3+1", is_sync: true },
    Failing { call: "fsync", how: "error=EIO:when=1+2", is_sync: false },
    Failing { call: "openat", how: "error=EMFILE:when=2+3", is_sync: false },
    Failing { call: "mkdir", how: "error=ENOSPC:when=1+2", is_sync: false },
    Failing { call: "rename", how: "error=EIO:when=1+2", is_sync: false },
    Failing { call: "pread64", how: "error=EIO:when=2+3", is_sync: false },
    Failing { call: "sendfile", how: "error=EIO:when=1+2", is_sync: false },
];
/// Calls that fail while the broker starts and recovers what it finds.
const AT_START: &[Failing] = &[
    Failing { call: "pwrite64", how: "error=EIO:when=1+3", is_sync: false },
    Failing { call: "pwrite64", how: "error=ENOSPC:when=1+1", is_sync: false },
    Failing { call: "fsync", how: "error=EIO:when=1+2", is_sync: false },
    Failing { call: "openat", how: "error=EMFILE:when=30+2", is_sync: false },
    Failing { call: "ftruncate", how: "error=EIO:when=1+1", is_sync: false },
    Failing { call: "unlink", how: "error=EIO:when=1+1", is_sync: false },
    Failing { call: "pread64", how: "error=EIO:when=5+3", is_sync: false },
];
/// Enough to fill a segment: of one that is complete the indexes are in files.
const BATCHES_BEFORE: usize = 60;
const DETACH_PATIENCE: Duration = Duration::from_secs(2);
/// Sends of a batch, repeats included, while calls fail.
const SENDS: usize = 80;
/// After so many sends comes a fetch and a new topic.
const SENDS_BETWEEN: usize = 8;
/// What strace adds to the line of a call that it has failed.
const INJECTED: &str = "(INJECTED)";
const PATIENCE: Duration = Duration::from_secs(20);
const TOPIC: &str = "injected";
const SETTINGS: [&str; 3] =
    ["log.index.interval.bytes=200", "log.index.size.max.bytes=4096", "log.retention.ms=-1"];
const TOPIC_SETTINGS: [(&str, &str); 2] = [("flush.messages", "1"), ("segment.bytes", "10000")];

/// A system call that fails.
struct Failing {
    call: &'static str,
    how: &'static str,
    /// It is the one that makes records durable: after its failure no record of that log may be
    /// acknowledged.
    is_sync: bool,
}

/// Runs the torture.
pub(crate) fn run(plan: &Plan, report: &mut Report) -> Outcome<()> {
    report.rounds_min = (UNDER_LOAD.len() + AT_START.len()) as u64;
    report.acknowledged_min = report.rounds_min * BATCHES_BEFORE as u64;
    for round in plan.rounds(1) {
        for failing in UNDER_LOAD {
            fail_under_load(plan, failing, round, report)?;
            report.rounds += 1;
        }
        for failing in AT_START {
            fail_at_start(plan, failing, round, report)?;
            report.rounds += 1;
        }
    }
    Ok(())
}

fn fail_under_load(plan: &Plan, failing: &Failing, round: u64, report: &mut Report) -> Outcome<()> {
    let name = failing.name();
    let dir = TempDir::new();
    let setup = Setup::new(plan, dir.path(), &SETTINGS);
    let mut broker = setup.start()?;
    let mut producer = producer(plan.seed + round);
    let mut client = Client::connect(broker.port)?;
    producer.prepare(&mut client)?;
    producer.produce(&mut client, BATCHES_BEFORE)?;
    report.measure(broker.vitals()?);
    let trace_dir = TempDir::new();
    let trace = trace_dir.join("trace");
    let strace = failing.attach(&broker, &trace)?;
    let seen = send_while_failing(&mut producer, &mut client, broker.port);
    detach(strace)?;
    check_answers(failing, &seen.answers, report);
    check_hits(&name, &trace, report)?;
    if !broker.is_alive() {
        let status = broker.stop()?;
        let is_own_end = status.code().is_some_and(|it| it != 0);
        report.demand(is_own_end, || format!("{name}: the broker ended with {status}"));
    }
    broker.kill();
    restart_and_verify(&setup, &mut producer, &seen.topics, &name, report)
}

/// What the broker answered while calls failed.
#[derive(Default)]
struct Seen {
    /// To each send, in their order; 0 is an acknowledgement.
    answers: Vec<i16>,
    /// The topics that it has created.
    topics: Vec<String>,
}

/// The idempotent producer repeats a batch until it is acknowledged.
fn send_while_failing(producer: &mut NumberedProducer, client: &mut Client, port: u16) -> Seen {
    let mut seen = Seen::default();
    for number in 0..SENDS {
        match producer.produce(client, 1) {
            Ok(None) => seen.answers.push(0),
            Ok(Some(code)) => seen.answers.push(code),
            // The broker has hung up or ended.
            Err(_) => break,
        }
        if number % SENDS_BETWEEN == 0 {
            seen.topics.extend(fetch_and_create(port, &format!("beside-{number}")));
        }
    }
    seen
}

/// A fetch has the log searched and sent, a new topic has the list of topics replaced and a directory
/// made. Returns the topic if it was created.
fn fetch_and_create(port: u16, topic: &str) -> Option<String> {
    // A fetch that fails may cost its connection. The log is read whole after the restart.
    let _ = Client::connect(port).and_then(|mut it| it.fetch(TOPIC, 1));
    let created = Client::connect(port).and_then(|mut it| it.create_topic(topic, &[]));
    created.is_ok_and(|code| code == 0).then(|| topic.to_string())
}

/// A round in which no call has failed proves nothing.
fn check_hits(name: &str, trace: &Path, report: &mut Report) -> Outcome<()> {
    let trace = fs::read(trace)?;
    let lines = String::from_utf8_lossy(&trace);
    let hits = lines.lines().filter(|line| line.contains(INJECTED)).count();
    report.note(format!("{name}: {hits} calls failed"));
    report.demand(hits > 0, || format!("{name}: no call has failed"));
    Ok(())
}

fn check_answers(failing: &Failing, answers: &[i16], report: &mut Report) {
    let name = failing.name();
    let refused = answers.iter().filter(|code| **code != 0).count();
    report.note(format!("{name}: {} answers, {refused} of them errors", answers.len()));
    if failing.is_sync {
        let after = answers.iter().skip_while(|code| **code == 0);
        let acknowledged = after.filter(|code| **code == 0).count();
        report.demand(acknowledged == 0, || {
            format!("{name}: {acknowledged} batches are acknowledged after a sync has failed")
        });
        let was_hit = refused > 0 || answers.len() < SENDS;
        report.demand(was_hit, || format!("{name}: no sync has failed"));
    }
}

fn fail_at_start(plan: &Plan, failing: &Failing, round: u64, report: &mut Report) -> Outcome<()> {
    let name = format!("{} at the start", failing.name());
    let dir = TempDir::new();
    let mut setup = Setup::new(plan, dir.path(), &SETTINGS);
    let mut producer = producer(plan.seed + round);
    let mut broker = setup.start()?;
    let mut client = Client::connect(broker.port)?;
    producer.prepare(&mut client)?;
    producer.produce(&mut client, BATCHES_BEFORE)?;
    broker.kill();
    let trace_dir = TempDir::new();
    let trace = trace_dir.join("trace");
    setup.wrapper = failing.strace(&trace);
    match setup.try_start() {
        Ok(Start::Listens(mut broker)) => broker.kill(),
        // strace ends as its child did.
        Ok(Start::Ended(status, words)) => {
            let says_why = status.code().is_some_and(|it| it != 0) && !words.is_empty();
            report.demand(says_why, || format!("{name}: {status}: {words}"));
        }
        Err(error) => report.fail(format!("{name}: {error}")),
    }
    setup.wrapper.clear();
    check_hits(&name, &trace, report)?;
    restart_and_verify(&setup, &mut producer, &[], &name, report)
}

fn producer(seed: u64) -> NumberedProducer {
    NumberedProducer::new(TOPIC, Writes::Idempotent, -1, &TOPIC_SETTINGS, seed)
}

fn restart_and_verify(
    setup: &Setup,
    producer: &mut NumberedProducer,
    topics: &[String],
    name: &str,
    report: &mut Report,
) -> Outcome<()> {
    let mut broker = setup.start()?;
    let mut client = Client::connect(broker.port)?;
    for topic in topics {
        let is_there = client.create_topic(topic, &[])? == Errors::TopicAlreadyExists.code();
        report.acknowledged += 1;
        report.lost += u64::from(!is_there);
    }
    match producer.verify(&mut client, Extent::Whole) {
        Ok(verdict) => {
            report.acknowledged += verdict.acknowledged;
            report.lost += verdict.lost;
            report.duplicated += verdict.duplicated;
            let failures = verdict.failures.into_iter();
            failures.for_each(|failure| report.fail(format!("{name}: {failure}")));
        }
        Err(error) => report.fail(format!("{name}: {error}")),
    }
    let again = producer.produce(&mut client, 5);
    report.demand(matches!(again, Ok(None)), || format!("{name}: after it {again:?}"));
    report.measure(broker.vitals()?);
    let status = broker.stop()?;
    report.demand(status.success(), || format!("{name}: the stop ended with {status}"));
    report.demand_no_panic(setup);
    Ok(())
}

impl Failing {
    fn name(&self) -> String {
        format!("{} {}", self.call, self.how)
    }

    /// The words before a program whose calls go to the file `trace`.
    fn strace(&self, trace: &Path) -> Vec<String> {
        let calls = format!("trace={}", self.call);
        let inject = format!("inject={}:{}", self.call, self.how);
        let trace = trace.display().to_string();
        let words = ["strace", "-f", "-qq", "-o", &trace, "-e", &calls, "-e", &inject];
        words.map(String::from).to_vec()
    }

    /// Attaches strace to every thread of the broker.
    fn attach(&self, broker: &Broker, trace: &Path) -> Outcome<Child> {
        let words = self.strace(trace);
        let pid = broker.pid();
        let strace = Command::new(&words[0])
            .args(&words[1..])
            .args(["-p", &pid.to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        wait_for("strace", PATIENCE, || {
            let mut are_traced = true;
            for task in fs::read_dir(format!("/proc/{pid}/task"))? {
                let status = fs::read_to_string(task?.path().join("status")).unwrap_or_default();
                are_traced &= !status.contains("TracerPid:\t0\n");
            }
            Ok(are_traced.then_some(()))
        })?;
        Ok(strace)
    }
}

/// strace may wait for ever for a thread of a process that has ended: then it is killed, which lets
/// go of the others, too.
fn detach(mut strace: Child) -> Outcome<()> {
    // It may have ended with the broker.
    let _ = kill(Pid::from_raw(strace.id().cast_signed()), Signal::SIGTERM);
    let has_ended = wait_for("strace to let go", DETACH_PATIENCE, || Ok(strace.try_wait()?));
    if has_ended.is_err() {
        strace.kill()?;
        strace.wait()?;
    }
    Ok(())
}
