//! Fails system calls under a broker that works, by strace: it may refuse what it is asked, but what
//! it has acknowledged stays, and it neither panics nor dies of a signal.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::temp::TempDir;

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
    Failing { call: "fallocate", how: "error=ENOSPC:when=1+2", is_sync: false },
    Failing { call: "ftruncate", how: "error=EIO:when=1+2", is_sync: false },
    Failing { call: "mmap", how: "error=ENOMEM:when=1+2", is_sync: false },
    Failing { call: "rename", how: "error=EIO:when=1+2", is_sync: false },
    Failing { call: "pread64", how: "error=EIO:when=2+3", is_sync: false },
];
/// Calls that fail while the broker starts and recovers what it finds.
const AT_START: &[Failing] = &[
    Failing { call: "pwrite64", how: "error=EIO:when=1+3", is_sync: false },
    Failing { call: "fdatasync", how: "error=EIO:when=1+2", is_sync: false },
    Failing { call: "fsync", how: "error=EIO:when=1+2", is_sync: false },
    Failing { call: "openat", how: "error=EMFILE:when=30+2", is_sync: false },
    Failing { call: "ftruncate", how: "error=EIO:when=1+1", is_sync: false },
    Failing { call: "rename", how: "error=EIO:when=1+1", is_sync: false },
    Failing { call: "pread64", how: "error=EIO:when=5+3", is_sync: false },
];
const BATCHES_BEFORE: usize = 20;
const DETACH_PATIENCE: Duration = Duration::from_secs(2);
/// Sends of a batch, repeats included, while calls fail.
const SENDS: usize = 80;
const PATIENCE: Duration = Duration::from_secs(20);
const SETTINGS: [&str; 3] =
    ["log.index.interval.bytes=200", "log.index.size.max.bytes=4096", "log.retention.ms=-1"];
const TOPIC_SETTINGS: [(&str, &str); 2] = [("flush.messages", "1"), ("segment.bytes", "20000")];

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
    let strace = failing.attach(&broker)?;
    let answers = send_while_failing(&mut producer, &mut client);
    detach(strace)?;
    check_answers(failing, &answers, report);
    if !broker.is_alive() {
        let status = broker.stop()?;
        let is_own_end = status.code().is_some_and(|it| it != 0);
        report.demand(is_own_end, || format!("{name}: the broker ended with {status}"));
    }
    broker.kill();
    restart_and_verify(&setup, &mut producer, &name, report)
}

/// The idempotent producer repeats a batch until it is acknowledged; the answers are in order, and 0
/// is an acknowledgement.
fn send_while_failing(producer: &mut NumberedProducer, client: &mut Client) -> Vec<i16> {
    let mut answers = Vec::new();
    for _ in 0..SENDS {
        match producer.produce(client, 1) {
            Ok(None) => answers.push(0),
            Ok(Some(code)) => answers.push(code),
            // The broker has hung up or ended.
            Err(_) => break,
        }
    }
    answers
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
    setup.wrapper = failing.strace().into_iter().map(String::from).collect();
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
    restart_and_verify(&setup, &mut producer, &name, report)
}

fn producer(seed: u64) -> NumberedProducer {
    NumberedProducer::new("injected", Writes::Idempotent, -1, &TOPIC_SETTINGS, seed)
}

fn restart_and_verify(
    setup: &Setup,
    producer: &mut NumberedProducer,
    name: &str,
    report: &mut Report,
) -> Outcome<()> {
    let mut broker = setup.start()?;
    let mut client = Client::connect(broker.port)?;
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

    fn strace(&self) -> [&'static str; 9] {
        let inject = format!("inject={}:{}", self.call, self.how);
        let trace = format!("trace={}", self.call);
        // A handful of short strings for the life of the program.
        let (inject, trace) =
            (Box::leak(inject.into_boxed_str()), Box::leak(trace.into_boxed_str()));
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", trace, "-e", inject]
    }

    /// Attaches strace to every thread of the broker.
    fn attach(&self, broker: &Broker) -> Outcome<Child> {
        let words = self.strace();
        let pid = broker.pid();
        let strace = Command::new(words[0])
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
