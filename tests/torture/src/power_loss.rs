//! Cuts the power: after a kill, everything that no sync had brought to the disk is taken away. What
//! was acknowledged by topics that sync every message must be there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use support::random::Random;
use support::temp::TempDir;
use transferto::message::byte_buffer_message_set::shallow_entries;

use crate::broker::{Broker, Setup};
use crate::client::Client;
use crate::loads::crowd::Crowd;
use crate::loads::numbered::{NumberedProducer, Writes};
use crate::loads::{Extent, Load, is_broken_connection};
use crate::outcome::{Outcome, failed};
use crate::plan::Plan;
use crate::report::Report;
use crate::trace::{Durable, strace};

const ROUNDS_SHORT: u64 = 4;
const DIRECTORY_ROUNDS: usize = 4;
const ACKNOWLEDGED_MIN: u64 = 200;
/// Under strace a broker is slow.
const ROUND_MS_MIN: u64 = 500;
const ROUND_MS_RANGE: u64 = 700;
const SETTINGS: [&str; 4] = [
    "log.flush.interval.messages=1",
    "log.index.size.max.bytes=4096",
    "log.flush.offset.checkpoint.interval.ms=200",
    "log.retention.ms=-1",
];
/// Small segments, so that new names come all the time.
const TOPIC_SETTINGS: [(&str, &str); 2] = [("flush.messages", "1"), ("segment.bytes", "20000")];

/// Every third record of a crowd begins a segment, while others wait for theirs.
const CROWD_SETTINGS: [(&str, &str); 2] = [("flush.messages", "1"), ("segment.bytes", "1500")];

/// Runs the torture.
pub(crate) fn run(plan: &Plan, report: &mut Report) -> Outcome<()> {
    report.rounds_min = ROUNDS_SHORT;
    report.acknowledged_min = ACKNOWLEDGED_MIN;
    let mut random = Random(plan.seed);
    let mut rounds = plan.rounds(ROUNDS_SHORT);
    while rounds.go_on() {
        let (dir, traces) = (TempDir::new(), TempDir::new());
        let mut loads = loads(random.next_u64() >> 1);
        for round in rounds.by_ref().take(DIRECTORY_ROUNDS) {
            let trace = traces.join(&round.to_string());
            torture_once(plan, dir.path(), &trace, &mut loads, &mut random, report)?;
            report.rounds += 1;
        }
    }
    Ok(())
}

fn loads(seed: u64) -> Vec<Box<dyn Load>> {
    vec![
        Box::new(NumberedProducer::new("leader", Writes::Plain, 1, &TOPIC_SETTINGS, seed + 1)),
        Box::new(NumberedProducer::new("all", Writes::Idempotent, -1, &TOPIC_SETTINGS, seed + 2)),
        Box::new(NumberedProducer::new("old", Writes::Old(1), -1, &TOPIC_SETTINGS, seed + 3)),
        Box::new(Crowd::new("crowd", &CROWD_SETTINGS)),
    ]
}

fn torture_once(
    plan: &Plan,
    dir: &Path,
    trace: &Path,
    loads: &mut [Box<dyn Load>],
    random: &mut Random,
    report: &mut Report,
) -> Outcome<()> {
    let mut setup = Setup::new(plan, dir, &SETTINGS);
    setup.wrapper = strace(trace);
    let mut durable = Durable::before(dir)?;
    let mut broker = setup.start()?;
    prepare(&broker, loads)?;
    let life = Duration::from_millis(ROUND_MS_MIN + random.below(ROUND_MS_RANGE));
    load_and_kill(&mut broker, loads, life, report);
    durable.follow(trace, dir)?;
    check_acknowledgements(dir, &durable, loads, report)?;
    let (bytes, names) = durable.lose_the_rest(dir)?;
    report.note(format!("{} calls seen; {bytes} bytes and {names} names lost", durable.calls));
    if durable.calls == 0 {
        return failed("strace saw nothing");
    }
    fs::remove_file(trace)?;
    setup.wrapper.clear();
    let mut broker = setup.start()?;
    report.measure(broker.vitals()?);
    verify(&broker, loads, report)?;
    broker.stop()?;
    report.demand_no_panic(&setup);
    Ok(())
}

fn prepare(broker: &Broker, loads: &mut [Box<dyn Load>]) -> Outcome<()> {
    let mut client = Client::connect(broker.port)?;
    loads.iter_mut().try_for_each(|load| load.prepare(&mut client))
}

fn load_and_kill(
    broker: &mut Broker,
    loads: &mut [Box<dyn Load>],
    life: Duration,
    report: &mut Report,
) {
    let port = broker.port;
    let ends: Vec<Outcome<()>> = thread::scope(|scope| {
        let working: Vec<_> =
            loads.iter_mut().map(|load| scope.spawn(move || load.work(port))).collect();
        thread::sleep(life);
        broker.kill();
        working.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    for end in ends {
        match end {
            Err(error) if is_broken_connection(&*error) => (),
            other => report.fail(format!("a producer ended with {other:?}")),
        }
    }
}

/// Each acknowledgement came when its record was durable: the power might have failed at any moment,
/// not only at that of the kill.
fn check_acknowledgements(
    dir: &Path,
    durable: &Durable,
    loads: &mut [Box<dyn Load>],
    report: &mut Report,
) -> Outcome<()> {
    let mut ends = BTreeMap::new();
    let (mut early, mut count, mut example) = (0, 0, None);
    for acknowledgement in loads.iter_mut().flat_map(|load| load.take_acknowledgements()) {
        let topic = &acknowledgement.topic;
        if !ends.contains_key(topic) {
            ends.insert(topic.clone(), ends_of_entries(&dir.join(format!("{topic}-0")))?);
        }
        // A record that is not in the log at all is found missing by its reader.
        let Some((path, end)) = ends[topic].get(&acknowledgement.last_offset) else { continue };
        count += 1;
        let since_us = durable.since_us(path, *end);
        if since_us.is_none_or(|it| it > acknowledgement.at_us) {
            early += 1;
            example.get_or_insert((acknowledgement, path.clone(), since_us));
        }
    }
    report.lost += early;
    report.demand(early == 0, || {
        format!("{early} of {count} acknowledged before they were durable, the first: {example:?}")
    });
    Ok(())
}

/// Where the entry ends whose last offset it is.
fn ends_of_entries(log: &Path) -> Outcome<BTreeMap<i64, (PathBuf, u64)>> {
    let mut ends = BTreeMap::new();
    for file in fs::read_dir(log)? {
        let path = file?.path();
        if path.extension().is_none_or(|it| it != "log") {
            continue;
        }
        let bytes = fs::read(&path)?;
        let mut entries = shallow_entries(&bytes);
        while let Some(Ok(entry)) = entries.next() {
            let end = entries.position() as u64;
            ends.insert(entry.last_offset, (path.clone(), end));
        }
    }
    Ok(ends)
}

fn verify(broker: &Broker, loads: &mut [Box<dyn Load>], report: &mut Report) -> Outcome<()> {
    let mut client = Client::connect(broker.port)?;
    for load in loads {
        // What was acknowledged before this round must have stayed, too.
        let counted = load.verify(&mut client, Extent::Latest);
        let whole = counted.and_then(|it| Ok((it, load.verify(&mut client, Extent::Whole)?)));
        match whole {
            Ok((latest, whole)) => {
                report.acknowledged += latest.acknowledged;
                report.lost += whole.lost;
                report.duplicated += latest.duplicated;
                whole.failures.into_iter().for_each(|failure| report.fail(failure));
            }
            Err(error) => report.fail(format!("{}: {error}", load.name())),
        }
    }
    Ok(())
}
