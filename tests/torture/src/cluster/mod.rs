//! Hurts a cluster: kills, stops, cuts off, slows down and starves its nodes one after another, with
//! producers and consumers at work, and counts what replication has lost.
//!
//! What is acknowledged with `acks=all` and `min.insync.replicas=2` must be there, once, and the logs
//! of all replicas must be the same bytes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::random::Random;

use crate::cluster::apache::Apache;
use crate::cluster::blows::{BLOWS, Blow};
use crate::cluster::commits::RovingCommitter;
use crate::cluster::ledger::Ledger;
use crate::cluster::namespace::Network;
use crate::cluster::nodes::{BROKERS, CONTROLLER, Cluster};
use crate::cluster::partitions::{all_partitions, await_all_in_sync, create_topics};
use crate::cluster::producer::ReplicatedProducer;
use crate::cluster::reader::Consumer;
use crate::cluster::replicas::Compared;
use crate::outcome::{Outcome, failed};
use crate::plan::{Plan, Rounds, given};
use crate::report::Report;

pub(crate) mod namespace;
mod apache;
mod nodes;
mod partitions;
mod producer;
mod reader;
mod commits;
mod ledger;
mod replicas;
mod blows;
mod gaps;
mod member;
pub(crate) mod rolling;

/// Some of the blows; in the long form every one of them once, and then a new cluster, so that no disk
/// is filled.
const ROUNDS_SHORT: u64 = 12;
const ACKNOWLEDGED_MIN: u64 = 3_000;
/// Before a blow there is load for at least so long, and less than this and the range together.
const CALM_MS_MIN: u64 = 200;
const CALM_MS_RANGE: u64 = 500;
/// After a blow all replicas are in sync again within this time.
const SYNC_PATIENCE: Duration = Duration::from_secs(90);

/// Runs the torture.
pub(crate) fn run(plan: &Plan, report: &mut Report) -> Outcome<()> {
    report.rounds_min = ROUNDS_SHORT;
    report.acknowledged_min = ACKNOWLEDGED_MIN;
    let apache = Apache::fetch()?;
    let mut random = Random(plan.seed);
    let mut rounds = plan.rounds(ROUNDS_SHORT);
    let mut compared = Compared::default();
    while rounds.go_on() && !(plan.is_sabotaged() && report.lost > 0) {
        let network = Network::of(&[&BROKERS[..], &[CONTROLLER]].concat())?;
        let hub = network.hub();
        hub.within(|| {
            // `APACHE=1` has Kafka's brokers only: what fails there is the torture's own fault.
            let mut cluster = Cluster::start(plan, &apache, network, given("APACHE").is_some())?;
            let failures = report.failures.len();
            let run = Run { cluster: &mut cluster, random: &mut random, compared: &mut compared };
            let outcome = run.torture(&mut rounds, report);
            let has_failed = outcome.is_err() || report.failures.len() > failures;
            if has_failed && !plan.is_sabotaged() {
                report.note(format!("the directory of the cluster is kept: {}", cluster.keep()));
            }
            outcome
        })?;
    }
    let Compared { logs, batches, bytes } = compared;
    report.note(format!(
        "{logs} logs of followers are their leaders': {batches} batches, {bytes} bytes"
    ));
    report.demand(logs > 0, || "no replicas were compared".to_string());
    Ok(())
}

/// A cluster over some rounds.
struct Run<'a> {
    cluster: &'a mut Cluster,
    random: &'a mut Random,
    compared: &'a mut Compared,
}

impl Run<'_> {
    fn torture(mut self, rounds: &mut Rounds, report: &mut Report) -> Outcome<()> {
        create_topics()?;
        let seed = self.random.next_u64() >> 1;
        let mut loads = Loads::new(seed);
        loads.prepare()?;
        for blow in shuffled(self.random) {
            if rounds.next().is_none() {
                break;
            }
            let failures = report.failures.len();
            self.round(blow, &mut loads, report)?;
            report.rounds += 1;
            if report.failures.len() > failures {
                // What follows would only be more of the same.
                return Ok(());
            }
        }
        self.cluster.watch(report)?;
        self.cluster.stop()
    }

    fn round(&mut self, blow: &Blow, loads: &mut Loads, report: &mut Report) -> Outcome<()> {
        self.cluster.watch(report)?;
        let began = Instant::now();
        let is_over = AtomicBool::new(false);
        let Loads { producers, consumer, committer, .. } = loads;
        let (hit, ends) = thread::scope(|scope| {
            let over = &is_over;
            scope.spawn(|| consumer.work(over));
            let committing = scope.spawn(|| committer.work(over));
            let producing: Vec<_> = producers
                .iter_mut()
                .map(|producer| scope.spawn(move || producer.work(over)))
                .collect();
            let hit = self.strike(blow);
            is_over.store(true, Ordering::Relaxed);
            let panicked = || failed("a load panicked");
            let ends = producing.into_iter().chain([committing]);
            let ends = ends.map(|thread| thread.join().unwrap_or_else(|_| panicked()));
            (hit, ends.collect::<Vec<Outcome<()>>>())
        });
        let seconds = began.elapsed().as_secs_f64();
        report.note(format!("{}: {}, {seconds:.1} s", blow.name, hit?));
        for error in ends.into_iter().filter_map(Result::err) {
            report.fail(format!("after {}: {error}", blow.name));
        }
        let dead = self.cluster.dead_brokers();
        report.demand(dead.is_empty(), || format!("brokers {dead:?} have ended"));
        await_all_in_sync(SYNC_PATIENCE)?;
        loads.verify(self.cluster, self.random, self.compared, report)
    }

    fn strike(&mut self, blow: &Blow) -> Outcome<String> {
        let calm_ms = CALM_MS_MIN + self.random.below(CALM_MS_RANGE);
        thread::sleep(Duration::from_millis(calm_ms));
        let hit = (blow.strike)(self.cluster, self.random)?;
        await_all_in_sync(SYNC_PATIENCE)?;
        Ok(hit)
    }
}

/// All blows, in an order that the seed gives.
fn shuffled(random: &mut Random) -> Vec<&'static Blow> {
    let mut blows: Vec<&Blow> = BLOWS.iter().collect();
    for at in (1..blows.len()).rev() {
        blows.swap(at, random.index(at + 1));
    }
    blows
}

/// The clients of a cluster.
struct Loads {
    producers: Vec<ReplicatedProducer>,
    consumer: Consumer,
    committer: RovingCommitter,
    ledgers: Vec<Ledger>,
}

impl Loads {
    fn new(seed: u64) -> Self {
        let partitions = all_partitions();
        let producer = |(partition, seed)| ReplicatedProducer::new(partition, seed);
        Self {
            producers: partitions.iter().copied().zip(seed..).map(producer).collect(),
            consumer: Consumer::new(seed ^ 1),
            committer: RovingCommitter::new("group", seed ^ 2),
            ledgers: partitions.into_iter().map(Ledger::new).collect(),
        }
    }

    fn prepare(&mut self) -> Outcome<()> {
        self.committer.prepare()?;
        self.producers.iter_mut().try_for_each(ReplicatedProducer::prepare)
    }

    fn verify(
        &mut self,
        cluster: &Cluster,
        random: &mut Random,
        compared: &mut Compared,
        report: &mut Report,
    ) -> Outcome<()> {
        std::mem::take(&mut self.consumer.failures).into_iter().for_each(|it| report.fail(it));
        for (producer, ledger) in self.producers.iter().zip(&mut self.ledgers) {
            let seen = self.consumer.position(producer.partition);
            let checked = ledger.check(producer, seen, cluster, random, compared);
            match checked {
                Ok(verdict) => verdict.add_to(report),
                Err(error) => report.fail(format!("{}: {error}", producer.partition)),
            }
        }
        match self.committer.verify() {
            Ok(verdict) => verdict.add_to(report),
            Err(error) => report.fail(format!("the group: {error}")),
        }
        Ok(())
    }
}
