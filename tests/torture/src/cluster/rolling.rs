//! Stops the brokers of a cluster in order, one after the other, starts each again and waits until it is in
//! sync, with producers, a consumer and a group at work: what an operator does for a new version.
//!
//! With `OLD=path/to/binary` the cluster begins as that version: one round brings the new one, the next the
//! old one again, and so on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::random::Random;

use crate::cluster::Loads;
use crate::cluster::apache::Apache;
use crate::cluster::gaps::Gaps;
use crate::cluster::member::Member;
use crate::cluster::namespace::Network;
use crate::cluster::nodes::{APACHE_BROKER, BROKERS, CONTROLLER, Cluster, SESSION_MS};
use crate::cluster::partitions::{Partition, await_all_in_sync, create_topics};
use crate::cluster::producer::ReplicatedProducer;
use crate::cluster::replicas::Compared;
use crate::outcome::{Outcome, failed};
use crate::plan::{Plan, Rounds, given};
use crate::report::Report;

/// Of a round, in which each broker is restarted.
const ROUNDS_SHORT: u64 = 1;
const ACKNOWLEDGED_MIN: u64 = 3_000;
/// After so many rounds the cluster is made anew, so that no disk is filled.
const ROUNDS_OF_CLUSTER: u64 = 6;
const SYNC_PATIENCE: Duration = Duration::from_secs(90);
/// Leaders are moved before their broker goes, so nobody waits for the end of its session. How long a JVM that
/// has just started takes for its first requests is not held to this.
const GAP_MAX: Duration = Duration::from_millis(SESSION_MS);

/// Runs the torture.
pub(crate) fn run(plan: &Plan, report: &mut Report) -> Outcome<()> {
    let binaries = Binaries::of(plan)?;
    report.rounds_min = binaries.rounds_min();
    report.acknowledged_min = ACKNOWLEDGED_MIN;
    let apache = Apache::fetch()?;
    let mut random = Random(plan.seed);
    let mut rounds = plan.rounds(report.rounds_min);
    while rounds.go_on() {
        let network = Network::of(&[&BROKERS[..], &[CONTROLLER]].concat())?;
        let hub = network.hub();
        hub.within(|| {
            let of_apache = given("APACHE").is_some();
            let began_with = plan.with_binary(binaries.of_round(0));
            let mut cluster = Cluster::start(&began_with, &apache, network, of_apache)?;
            let failures = report.failures.len();
            let (binaries, random) = (&binaries, &mut random);
            let run = Run { cluster: &mut cluster, binaries, random, rolled: rolled(plan) };
            let outcome = run.torture(&mut rounds, report);
            if outcome.is_err() || report.failures.len() > failures {
                report.note(format!("the directory of the cluster is kept: {}", cluster.keep()));
            }
            outcome
        })?;
    }
    Ok(())
}

/// The version that is under torture, and perhaps one before it.
struct Binaries {
    new: PathBuf,
    old: Option<PathBuf>,
}

impl Binaries {
    fn of(plan: &Plan) -> Outcome<Self> {
        let old = given("OLD").map(PathBuf::from);
        match old.as_ref().filter(|path| !path.is_file()) {
            Some(missing) => failed(format!("OLD={} is missing", missing.display())),
            None => Ok(Self { new: plan.binary.clone(), old }),
        }
    }

    /// To the new version, and back.
    fn rounds_min(&self) -> u64 {
        if self.old.is_some() { 2 * ROUNDS_SHORT } else { ROUNDS_SHORT }
    }

    /// What runs when the round is over; 0 is before the first.
    fn of_round(&self, round: u64) -> PathBuf {
        self.old.as_ref().filter(|_| round.is_multiple_of(2)).unwrap_or(&self.new).clone()
    }

    fn name_of_round(&self, round: u64) -> &'static str {
        match (&self.old, round.is_multiple_of(2)) {
            (None, _) => "restart",
            (_, true) => "restart, with the old version",
            (_, false) => "restart, with the new version",
        }
    }
}

/// In the long form also Kafka's broker, whose start takes as long as those of all others.
fn rolled(plan: &Plan) -> Vec<i32> {
    BROKERS.iter().copied().filter(|&id| plan.is_long() || id != APACHE_BROKER).collect()
}

/// A cluster over some rounds.
struct Run<'a> {
    cluster: &'a mut Cluster,
    binaries: &'a Binaries,
    random: &'a mut Random,
    /// In this order.
    rolled: Vec<i32>,
}

impl Run<'_> {
    fn torture(mut self, rounds: &mut Rounds, report: &mut Report) -> Outcome<()> {
        create_topics()?;
        let seed = self.random.next_u64() >> 1;
        let (mut loads, mut member) = (Loads::new(seed), Member::new(seed ^ 3));
        loads.prepare()?;
        member.prepare()?;
        let mut compared = Compared::default();
        for round in 1..=ROUNDS_OF_CLUSTER {
            if rounds.next().is_none() {
                break;
            }
            self.cluster.watch(report)?;
            self.round(round, &mut loads, &mut member, report)?;
            loads.verify(self.cluster, self.random, &mut compared, report)?;
            let made = loads.producers.iter();
            let made: BTreeMap<Partition, i64> =
                made.map(|it| (it.partition, it.made().cast_signed())).collect();
            member.demand_committed(&made)?;
            report.rounds += 1;
        }
        let Compared { logs, batches, bytes } = compared;
        report.note(format!(
            "{logs} logs of followers are their leaders': {batches} batches, {bytes} bytes"
        ));
        told(&loads, &mut member, report);
        self.cluster.watch(report)?;
        self.cluster.stop()
    }

    fn round(
        &mut self,
        round: u64,
        loads: &mut Loads,
        member: &mut Member,
        report: &mut Report,
    ) -> Outcome<()> {
        let is_over = AtomicBool::new(false);
        let Loads { producers, consumer, committer, .. } = loads;
        let (rolled, ends) = thread::scope(|scope| {
            let over = &is_over;
            scope.spawn(|| consumer.work(over));
            let mut working =
                vec![scope.spawn(|| committer.work(over)), scope.spawn(|| member.work(over))];
            working.extend(producers.iter_mut().map(|it| scope.spawn(move || it.work(over))));
            let rolled = self.roll(round, report);
            is_over.store(true, Ordering::Relaxed);
            let panicked = || failed("a load panicked");
            let ends = working.into_iter().map(|it| it.join().unwrap_or_else(|_| panicked()));
            (rolled, ends.collect::<Vec<Outcome<()>>>())
        });
        ends.into_iter().filter_map(Result::err).for_each(|it| report.fail(it.to_string()));
        rolled
    }

    /// One broker after the other.
    fn roll(&mut self, round: u64, report: &mut Report) -> Outcome<()> {
        for id in self.rolled.clone() {
            self.cluster.set_binary(id, &self.binaries.of_round(round));
            let began = Instant::now();
            self.cluster.stop_broker(id)?;
            let stopped = began.elapsed();
            self.cluster.start_brokers(&[id])?;
            let started = began.elapsed();
            await_all_in_sync(SYNC_PATIENCE)?;
            let seconds = [stopped, started, began.elapsed()].map(|it| it.as_secs_f64());
            report.note(format!(
                "{} of broker {id}: down after {:.1} s, serves after {:.1} s, in sync after {:.1} s",
                self.binaries.name_of_round(round),
                seconds[0],
                seconds[1],
                seconds[2],
            ));
        }
        let dead = self.cluster.dead_brokers();
        report.demand(dead.is_empty(), || format!("brokers {dead:?} have ended"));
        Ok(())
    }
}

/// What the clients noticed.
fn told(loads: &Loads, member: &mut Member, report: &mut Report) {
    member.take_failures().into_iter().for_each(|it| report.fail(it));
    let mut all = Gaps::default();
    loads.producers.iter().for_each(|it| all.add_troubles(&it.gaps));
    let gap =
        |it: &ReplicatedProducer| format!("{} {} ms", it.partition, it.gaps.longest.as_millis());
    let gaps: Vec<String> = loads.producers.iter().map(gap).collect();
    report.note(format!("the longest time between two acknowledgements: {}", gaps.join(", ")));
    for producer in
        loads.producers.iter().filter(|it| !it.partition.replicas.contains(&APACHE_BROKER))
    {
        let (partition, longest) = (producer.partition, producer.gaps.longest);
        report.demand(longest < GAP_MAX, || {
            format!("{partition}: nothing was acknowledged for {} ms", longest.as_millis())
        });
    }
    report.note(format!("what producers were told: {}", all.troubles()));
    let Member { joined_again, read_again, gaps, .. } = member;
    report.note(format!(
        "the group joined again {joined_again} times and read {read_again} records again; {} ms at most between \
         two commits; it was told: {}",
        gaps.longest.as_millis(),
        gaps.troubles()
    ));
    report.demand(*joined_again == 0 && *read_again == 0, || {
        format!("a group that only changes its coordinator joined again {joined_again} times")
    });
}
