//! Fills the disk: a small file system of its own, so that nothing else suffers. What was
//! acknowledged is there while it is full, after a restart on the full disk, and when there is room
//! again.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use support::random::Random;
use support::temp::TempDir;

use crate::broker::{Broker, Setup, Start};
use crate::client::{Client, wait_for};
use crate::loads::commits::Committer;
use crate::loads::numbered::{NumberedProducer, Writes};
use crate::loads::{Extent, Load};
use crate::outcome::{Outcome, failed};
use crate::plan::Plan;
use crate::report::Report;

const ROUNDS_SHORT: u64 = 3;
const ACKNOWLEDGED_MIN: u64 = 3_000;
const DISK_BYTES: u64 = 12 << 20;
/// Batches that fit twice.
const BATCHES_MAX: usize = 20_000;
/// What is set aside, and taken away when there is to be room again.
const BALLAST_BYTES: usize = 3 << 20;
const PATIENCE: Duration = Duration::from_secs(20);
const SETTINGS: [&str; 7] = [
    "offsets.topic.num.partitions=2",
    "log.segment.bytes=500000",
    "log.index.interval.bytes=100",
    "log.index.size.max.bytes=65536",
    "log.flush.offset.checkpoint.interval.ms=300",
    "log.retention.ms=-1",
    "group.initial.rebalance.delay.ms=0",
];

/// Runs the torture.
pub(crate) fn run(plan: &Plan, report: &mut Report) -> Outcome<()> {
    report.rounds_min = ROUNDS_SHORT;
    report.acknowledged_min = ACKNOWLEDGED_MIN;
    let mut random = Random(plan.seed);
    for _ in plan.rounds(ROUNDS_SHORT) {
        fill_once(plan, &mut random, report)?;
        report.rounds += 1;
    }
    Ok(())
}

fn fill_once(plan: &Plan, random: &mut Random, report: &mut Report) -> Outcome<()> {
    let disk = Disk::mount(DISK_BYTES)?;
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![1; BALLAST_BYTES])?;
    let setup = Setup::new(plan, &disk.path().join("data"), &SETTINGS);
    let mut loads = Loads::new(random.next_u64() >> 1);
    let mut broker = setup.start()?;
    let mut client = Client::connect(broker.port)?;
    loads.prepare(&mut client)?;
    report.measure(broker.vitals()?);
    let refusals = loads.produce_until_refused(&mut client)?;
    report.note(format!("full after {} batches: error {refusals:?}", loads.batches));
    loads.verify(&broker, Extent::Latest, report)?;
    report.demand(broker.is_alive(), || "the broker has ended on the full disk".to_string());

    broker.kill();
    // Not one byte is left for what a start would like to write.
    fill_up(disk.path())?;
    match setup.try_start()? {
        Start::Listens(mut broker) => {
            loads.verify(&broker, Extent::Whole, report)?;
            // It may fail to write its checkpoints, and says so by its status.
            broker.stop()?;
        }
        Start::Ended(status, words) => {
            let says_why = status.code().is_some_and(|it| it != 0) && words.contains("space");
            report.demand(says_why, || format!("a start on the full disk: {status}: {words}"));
        }
    }
    fs::remove_file(ballast)?;
    fs::remove_file(disk.path().join(FILLING))?;
    let mut broker = setup.start()?;
    loads.verify(&broker, Extent::Whole, report)?;
    loads.go_on(&broker, report)?;
    report.measure(broker.vitals()?);
    let status = broker.stop()?;
    report.demand(status.success(), || format!("the stop with room again ended with {status}"));
    report.demand_no_panic(&setup);
    Ok(())
}

struct Loads {
    producers: Vec<NumberedProducer>,
    committer: Committer,
    batches: usize,
}

impl Loads {
    fn new(seed: u64) -> Self {
        let producer = |name, writes, at| NumberedProducer::new(name, writes, 1, &[], seed + at);
        Self {
            producers: vec![
                producer("plain", Writes::Plain, 1),
                producer("idempotent", Writes::Idempotent, 2),
            ],
            committer: Committer::new("group", false),
            batches: 0,
        }
    }

    fn prepare(&mut self, client: &mut Client) -> Outcome<()> {
        self.committer.prepare(client)?;
        self.producers.iter_mut().try_for_each(|producer| producer.prepare(client))
    }

    /// In turn, and a commit beside each; returns the error that ended it.
    fn produce_until_refused(&mut self, client: &mut Client) -> Outcome<i16> {
        while self.batches < BATCHES_MAX {
            self.batches += 1;
            let at = self.batches % self.producers.len();
            // A commit may be refused by the full disk before a batch is.
            let _ = self.committer.commit_on(client);
            if let Some(code) = self.producers[at].produce(client, 1)? {
                return Ok(code);
            }
        }
        failed("the disk does not get full")
    }

    fn verify(&mut self, broker: &Broker, extent: Extent, report: &mut Report) -> Outcome<()> {
        let mut client = Client::connect(broker.port)?;
        let producers = self.producers.iter_mut().map(|it| it as &mut dyn Load);
        for load in producers.chain([&mut self.committer as &mut dyn Load]) {
            match load.verify(&mut client, extent) {
                Ok(verdict) => {
                    if extent == Extent::Latest {
                        report.acknowledged += verdict.acknowledged;
                    }
                    report.lost += verdict.lost;
                    verdict.failures.into_iter().for_each(|failure| report.fail(failure));
                }
                Err(error) => report.fail(format!("{}: {error}", load.name())),
            }
        }
        Ok(())
    }

    /// With room again everything is taken again.
    fn go_on(&mut self, broker: &Broker, report: &mut Report) -> Outcome<()> {
        let mut client = Client::connect(broker.port)?;
        for producer in &mut self.producers {
            let refused = producer.produce(&mut client, 10)?;
            report.demand(refused.is_none(), || format!("with room again: error {refused:?}"));
        }
        self.committer.prepare(&mut client)?;
        let committed = wait_for("a commit", PATIENCE, || {
            Ok(self.committer.commit_on(&mut client).is_ok().then_some(()))
        });
        report.demand(committed.is_ok(), || format!("with room again: {committed:?}"));
        self.verify(broker, Extent::Latest, report)
    }
}

/// The file that takes up all room.
pub(crate) const FILLING: &str = "filling";

/// Writes until nothing more fits.
pub(crate) fn fill_up(disk: &Path) -> Outcome<()> {
    let mut file = fs::File::create(disk.join(FILLING))?;
    let mut piece = vec![1; 4096];
    loop {
        match file.write(&piece) {
            Ok(_) => (),
            Err(error) if error.kind() == ErrorKind::StorageFull && piece.len() > 1 => {
                piece.truncate(1);
            }
            Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// A small file system in memory, unmounted on drop.
pub(crate) struct Disk(TempDir);

impl Disk {
    /// Mounts one that holds so many bytes.
    pub(crate) fn mount(bytes: u64) -> Outcome<Self> {
        let dir = TempDir::new();
        let size = format!("size={bytes}");
        let (source, kind) = (Some("torture"), Some("tmpfs"));
        match mount(source, dir.path(), kind, MsFlags::empty(), Some(size.as_str())) {
            Ok(()) => Ok(Self(dir)),
            Err(error) => failed(format!(
                "cannot mount a small file system, which takes root (name the other tortures by \
                 PARTS= to do without): {error}"
            )),
        }
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let path: PathBuf = self.0.path().to_path_buf();
        // Detached, it goes away even if a process that is dying still has a file open there.
        if let Err(error) = umount2(&path, MntFlags::MNT_DETACH) {
            eprintln!("torture: cannot unmount {}: {error}", path.display());
        }
    }
}
