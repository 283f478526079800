//! Damages the files of a broker that is down: it comes up again with everything but what was
//! damaged, or says why it does not.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use support::random::Random;
use support::temp::TempDir;
use transferto::message::byte_buffer_message_set::shallow_entries;
use transferto::message::compression_codec::CompressionCodec;

use crate::broker::{Broker, Setup, Start};
use crate::client::{Client, PRODUCE_VERSION, wait_for};
use crate::harm::{HARMS, Harm, Harmed};
use crate::loads::Load;
use crate::loads::commits::Committer;
use crate::loads::numbered::{NumberedProducer, Writes};
use crate::outcome::{Outcome, failed};
use crate::plan::Plan;
use crate::records::{Found, keyed};
use crate::report::Report;
use crate::vitals::Vitals;

/// How often each kind of harm is done.
const REPEATS_SHORT: u64 = 4;
/// Records that a directory holds at the least.
const CONTENTS_MIN: u64 = 500;
const BATCHES: usize = 40;
const COMPACTED_TOPIC: &str = "compacted";
const COMPACTED_BATCHES: u64 = 500;
const COMPACTED_KEYS: u64 = 20;
const PATIENCE: Duration = Duration::from_secs(30);
const SETTINGS: [&str; 6] = [
    "offsets.topic.num.partitions=1",
    "log.segment.bytes=20000",
    "log.index.interval.bytes=500",
    "log.index.size.max.bytes=4096",
    "log.retention.ms=-1",
    "log.cleaner.backoff.ms=20",
];
/// What is compared must not change meanwhile.
const NO_CLEANER: &str = "log.cleaner.enable=false";

/// What the data topics hold.
type Contents = BTreeMap<&'static str, Vec<Found>>;

/// Runs the torture.
pub(crate) fn run(plan: &Plan, report: &mut Report) -> Outcome<()> {
    report.rounds_min = REPEATS_SHORT * HARMS.len() as u64;
    report.acknowledged_min = report.rounds_min * CONTENTS_MIN;
    let mut random = Random(plan.seed);
    let originals = [
        Original::make(plan, End::Kill, &mut random)?,
        Original::make(plan, End::Stop, &mut random)?,
    ];
    for original in &originals {
        report.measure(original.vitals);
    }
    for repeat in plan.rounds(REPEATS_SHORT) {
        let original = &originals[(repeat % 2) as usize];
        for harm in HARMS {
            report.acknowledged +=
                original.contents.values().map(|it| it.len() as u64).sum::<u64>();
            do_harm(plan, harm, original, &mut random, report)?;
            report.rounds += 1;
        }
    }
    Ok(())
}

/// A directory that nobody has damaged; each harm is done to a copy.
struct Original {
    dir: TempDir,
    end: End,
    contents: Contents,
    /// What was written to the compacted topic, number by number: damage to the cleaner's copy brings
    /// back records that it had left out.
    compacted_keys: Vec<Vec<u8>>,
    vitals: Vitals,
}

impl Original {
    fn make(plan: &Plan, end: End, random: &mut Random) -> Outcome<Self> {
        let dir = TempDir::new();
        let compacted_keys = make_directory(plan, dir.path(), end, random)?;
        let copy = TempDir::new();
        copy_directory(dir.path(), copy.path())?;
        let broker = setup(plan, copy.path()).start()?;
        let mut client = Client::connect(broker.port)?;
        let read = |topic| Ok((topic, client.read_all(topic, 0)?));
        let contents = TOPICS.into_iter().map(read).collect::<Outcome<Contents>>()?;
        Ok(Self { dir, end, contents, compacted_keys, vitals: broker.vitals()? })
    }

    /// Whether a producer wrote this record to the compacted topic.
    fn is_of_compacted(&self, record: &Found) -> bool {
        let key = usize::try_from(record.number).ok().and_then(|it| self.compacted_keys.get(it));
        key.is_some() && key == record.key.as_ref()
    }
}

/// How the broker goes down.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Stop,
    Kill,
}

/// Returns the keys that were written to the compacted topic.
fn make_directory(plan: &Plan, dir: &Path, end: End, random: &mut Random) -> Outcome<Vec<Vec<u8>>> {
    let mut broker = Setup::new(plan, dir, &SETTINGS).start()?;
    let mut client = Client::connect(broker.port)?;
    let old = [("message.format.version", "0.10.2")];
    for (name, writes, settings) in [
        ("plain", Writes::Plain, &[][..]),
        ("idempotent", Writes::Idempotent, &[]),
        ("magic-1", Writes::Old(1), &old),
    ] {
        let mut producer = NumberedProducer::new(name, writes, 1, settings, random.next_u64());
        producer.prepare(&mut client)?;
        if let Some(code) = producer.produce(&mut client, BATCHES)? {
            return failed(format!("{name} refuses with error {code}"));
        }
    }
    let keys = fill_compacted(&mut client, random)?;
    Committer::new("group", false).prepare(&mut client)?;
    match end {
        End::Stop => drop(broker.stop()?),
        End::Kill => broker.kill(),
    }
    Ok(keys)
}

/// Writes until the cleaner has taken something away. Returns the keys.
fn fill_compacted(client: &mut Client, random: &mut Random) -> Outcome<Vec<Vec<u8>>> {
    let settings = [("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0.01")];
    client.ensure_topic(COMPACTED_TOPIC, &settings)?;
    let mut keys = Vec::new();
    for number in 0..COMPACTED_BATCHES {
        let key = format!("key-{}", random.below(COMPACTED_KEYS)).into_bytes();
        keys.push(key.clone());
        let records = keyed(CompressionCodec::None, &[(key, number)])?;
        client.produce(PRODUCE_VERSION, 1, COMPACTED_TOPIC, &records)?;
    }
    wait_for("the cleaner", PATIENCE, || {
        let left = client.read_all(COMPACTED_TOPIC, 0)?.len() as u64;
        Ok((left < COMPACTED_BATCHES).then_some(()))
    })?;
    Ok(keys)
}

const TOPICS: [&str; 4] = ["plain", "idempotent", "magic-1", COMPACTED_TOPIC];

fn setup(plan: &Plan, dir: &Path) -> Setup {
    Setup::new(plan, dir, &[&SETTINGS[..], &[NO_CLEANER]].concat())
}

fn do_harm(
    plan: &Plan,
    harm: &Harm,
    original: &Original,
    random: &mut Random,
    report: &mut Report,
) -> Outcome<()> {
    let copy = TempDir::new();
    copy_directory(original.dir.path(), copy.path())?;
    let harmed = (harm.run)(copy.path(), random)?;
    let setup = setup(plan, copy.path());
    let told = format!(
        "{} ({}, {} stop)",
        harm.name,
        harmed.file.strip_prefix(copy.path()).unwrap_or(&harmed.file).display(),
        if original.end == End::Stop { "after a clean" } else { "without a clean" }
    );
    match setup.try_start() {
        Err(error) => report.fail(format!("{told}: {error}")),
        Ok(Start::Ended(status, words)) => {
            let name = harmed.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let says_why = status.code().is_some_and(|it| it != 0) && words.contains(&name);
            report.demand(says_why && harm.may_refuse, || format!("{told}: {status}: {words}"));
        }
        Ok(Start::Listens(mut broker)) => {
            let lost = check_contents(&broker, &harmed, original);
            match lost {
                Ok(lost) => {
                    report.lost += lost.len() as u64;
                    report.demand(lost.is_empty(), || format!("{told}: lost {:?}", lost.first()));
                }
                Err(error) => report.fail(format!("{told}: {error}")),
            }
            report.measure(broker.vitals()?);
            match broker.stop() {
                Ok(status) => report.demand(status.success(), || format!("{told}: {status}")),
                Err(error) => report.fail(format!("{told}: {error}")),
            }
        }
    }
    report.demand_no_panic(&setup);
    Ok(())
}

/// Which records outside of the damage are gone.
fn check_contents(broker: &Broker, harmed: &Harmed, original: &Original) -> Outcome<Vec<Found>> {
    let mut client = Client::connect(broker.port)?;
    let mut lost = Vec::new();
    for (topic, expected) in &original.contents {
        let (found, trouble) = client.read_what_is_whole(topic)?;
        let is_harmed = harmed.is_in_log_of(topic);
        // A log that was closed cleanly is not read at the start, so damage is found by its reader.
        if let Some(trouble) = trouble.filter(|_| !(is_harmed && original.end == End::Stop)) {
            return failed(format!("{topic}: {trouble}"));
        }
        let safe_end =
            if is_harmed { first_offset_harmed(original.dir.path(), harmed)? } else { i64::MAX };
        let found: BTreeMap<i64, Found> = found.into_iter().map(|it| (it.offset, it)).collect();
        let safe = expected.iter().filter(|record| record.offset < safe_end);
        lost.extend(safe.filter(|it| found.get(&it.offset) != Some(it)).cloned());
        let is_written = |it: &&Found| {
            // No CRC covers the offset of a batch.
            let same = |was: &Found| was.key == it.key && was.number == it.number;
            match is_harmed {
                true if *topic == COMPACTED_TOPIC => original.is_of_compacted(it),
                true => expected.iter().any(same),
                false => expected.contains(it),
            }
        };
        if let Some(other) = found.values().find(|it| !is_written(it)) {
            return failed(format!("{topic} serves {other:?}, which nobody wrote"));
        }
    }
    Ok(lost)
}

/// The first offset that the damage to a log may have touched: that of the entry in which it begins.
fn first_offset_harmed(original: &Path, harmed: &Harmed) -> Outcome<i64> {
    let bytes = fs::read(original.join(&harmed.relative))?;
    let mut position = 0;
    for entry in shallow_entries(&bytes) {
        let entry = entry?;
        position += entry.size_in_bytes() as u64;
        if position > harmed.position {
            // A wrapper of old messages bears the offset of its last one.
            let mut first = entry.offset;
            entry.for_each_record(&mut |record| {
                first = first.min(record.offset);
                Ok(())
            })?;
            return Ok(first);
        }
    }
    Ok(i64::MAX)
}

fn copy_directory(from: &Path, to: &Path) -> Outcome<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path: PathBuf = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_directory(&path, &target)?;
        } else {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
