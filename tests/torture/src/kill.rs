//! Kills the broker in the midst of its work, again and again: whatever it has acknowledged lies in
//! the page cache, which the death of a process does not touch, so all of it must be there.

use std::thread;
use std::time::Duration;

use support::random::Random;
use support::temp::TempDir;

use crate::broker::{Broker, Setup};
use crate::client::Client;
use crate::loads::admin::Admin;
use crate::loads::commits::Committer;
use crate::loads::compacted::CompactedProducer;
use crate::loads::crowd::Crowd;
use crate::loads::numbered::{NumberedProducer, Writes};
use crate::loads::{Extent, Load, Verdict, is_broken_connection};
use crate::outcome::Outcome;
use crate::plan::{Plan, Rounds};
use crate::report::Report;
use crate::security::{Door, Security};

const ROUNDS_SHORT: u64 = 24;
const DIRECTORY_ROUNDS: usize = 24;
/// What the slowest machine has acknowledged in so many rounds.
const ACKNOWLEDGED_MIN: u64 = 5_000;
/// A round lasts at least so long, and less than this and the range together.
const ROUND_MS_MIN: u64 = 60;
const ROUND_MS_RANGE: u64 = 900;
/// A cleaner, a checkpoint and a roll that are always under way when the kill comes.
pub(crate) const SETTINGS: [&str; 12] = [
    "offsets.topic.num.partitions=2",
    "offsets.topic.segment.bytes=100000",
    "log.segment.bytes=200000",
    "log.index.size.max.bytes=65536",
    "log.index.interval.bytes=1000",
    "log.cleaner.backoff.ms=20",
    "log.flush.offset.checkpoint.interval.ms=100",
    "log.segment.delete.delay.ms=50",
    "log.retention.ms=-1",
    "group.initial.rebalance.delay.ms=0",
    "authorizer.class.name=kafka.security.auth.SimpleAclAuthorizer",
    "super.users=User:ANONYMOUS;User:torture",
];

/// Runs the torture: so many rounds on a directory, then on a new one, that no disk is filled.
pub(crate) fn run(plan: &Plan, report: &mut Report) -> Outcome<()> {
    report.rounds_min = ROUNDS_SHORT;
    report.acknowledged_min = ACKNOWLEDGED_MIN;
    let mut random = Random(plan.seed);
    let mut rounds = plan.rounds(ROUNDS_SHORT);
    while rounds.go_on() {
        torture_directory(plan, &mut rounds, &mut random, report)?;
    }
    Ok(())
}

fn torture_directory(
    plan: &Plan,
    rounds: &mut Rounds,
    random: &mut Random,
    report: &mut Report,
) -> Outcome<()> {
    let dir = TempDir::new();
    let mut setup = Setup::new(plan, dir.path(), &SETTINGS);
    let security = Security::new();
    security.add_to(&mut setup)?;
    let mut loads = loads(random.next_u64() >> 1);
    for round in rounds.by_ref().take(DIRECTORY_ROUNDS) {
        let mut broker = setup.start()?;
        verify(&mut loads, &broker, Extent::Latest, report)?;
        report.measure(broker.vitals()?);
        let life = Duration::from_millis(ROUND_MS_MIN + random.below(ROUND_MS_RANGE));
        let door = Door::open(&security.entrances(&broker)?)?;
        let mut ports = [broker.port, door.port];
        ports.rotate_left(usize::try_from(round % 2)?);
        load_and_kill(&mut loads, &mut broker, ports, life, report)?;
        let refusals = door.refusals();
        report.demand(refusals.is_empty(), || format!("no entrance: {refusals:?}"));
        report.rounds += 1;
    }
    let mut broker = setup.start()?;
    verify(&mut loads, &broker, Extent::Latest, report)?;
    report.measure(broker.vitals()?);
    let counted = report.acknowledged;
    verify(&mut loads, &broker, Extent::Whole, report)?;
    report.acknowledged = counted;
    let status = broker.stop()?;
    report.demand(status.success(), || format!("the last stop ended with {status}"));
    report.demand_no_panic(&setup);
    Ok(())
}

fn loads(seed: u64) -> Vec<Box<dyn Load>> {
    let flushed = [("flush.messages", "1")];
    let old = |version| [("message.format.version", version)];
    vec![
        Box::new(NumberedProducer::new("idempotent", Writes::Idempotent, -1, &[], seed + 1)),
        Box::new(NumberedProducer::new(
            "idempotent-flushed",
            Writes::Idempotent,
            -1,
            &flushed,
            seed + 2,
        )),
        Box::new(NumberedProducer::new("plain", Writes::Plain, 1, &[], seed + 3)),
        Box::new(NumberedProducer::new("plain-all", Writes::Plain, -1, &[], seed + 4)),
        Box::new(NumberedProducer::new("magic-0-converted", Writes::Old(0), 1, &[], seed + 5)),
        Box::new(NumberedProducer::new("magic-0", Writes::Old(0), -1, &old("0.9.0"), seed + 6)),
        Box::new(NumberedProducer::new("magic-1", Writes::Old(1), 1, &old("0.10.2"), seed + 7)),
        Box::new(Crowd::new("crowd", &flushed)),
        Box::new(CompactedProducer::new(seed + 8)),
        Box::new(Committer::new("member", true)),
        Box::new(Committer::new("loner", false)),
        Box::new(Admin::new(seed + 9)),
    ]
}

fn verify(
    loads: &mut [Box<dyn Load>],
    broker: &Broker,
    extent: Extent,
    report: &mut Report,
) -> Outcome<()> {
    let mut client = Client::connect(broker.port)?;
    for load in loads {
        load.prepare(&mut client)?;
        drop(load.take_acknowledgements());
        let verdict = load.verify(&mut client, extent).unwrap_or_else(|error| {
            let failures = vec![format!("{}: {error}", load.name())];
            Verdict { failures, ..Verdict::default() }
        });
        report.acknowledged += verdict.acknowledged;
        report.lost += verdict.lost;
        if extent == Extent::Whole {
            report.duplicated += verdict.duplicated;
        }
        verdict.failures.into_iter().for_each(|failure| report.fail(failure));
    }
    Ok(())
}

/// All loads at once, for a while, in turn at one of these ports; then the kill.
fn load_and_kill(
    loads: &mut [Box<dyn Load>],
    broker: &mut Broker,
    ports: [u16; 2],
    life: Duration,
    report: &mut Report,
) -> Outcome<()> {
    let ends: Vec<(String, Outcome<()>)> = thread::scope(|scope| {
        let work = |load: &mut Box<dyn Load>, port| (load.name().to_string(), load.work(port));
        let working: Vec<_> = loads
            .iter_mut()
            .zip(ports.into_iter().cycle())
            .map(|(load, port)| scope.spawn(move || work(load, port)))
            .collect();
        thread::sleep(life);
        broker.kill();
        working.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    report.demand(ends.len() == loads.len(), || "a load panicked".to_string());
    for (name, end) in ends {
        match end {
            Err(error) if is_broken_connection(&*error) => (),
            Err(error) => report.fail(format!("{name}: {error}")),
            Ok(()) => report.fail(format!("{name} ended before the broker did")),
        }
    }
    Ok(())
}
