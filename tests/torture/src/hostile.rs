//! Peers that mean harm, one kind after another, while an ordinary client goes on: it must never
//! notice, and when they are gone, memory and descriptors must come back.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::random::Random;
use support::temp::TempDir;
use transferto::common::file_descriptors::raise_limit;
use transferto::common::lock::locked;

use crate::attacks::{ATTACKS, Attack, BIG_TOPIC, Field};
use crate::broker::{Broker, Setup};
use crate::client::{Client, PRODUCE_VERSION, wait_for};
use crate::outcome::{Outcome, failed};
use crate::plan::Plan;
use crate::records::{batch, numbered};
use crate::report::Report;
use crate::security::{Door, Security};
use crate::vitals::Vitals;

/// The usual soft limit, which the broker may raise by itself; and a hard one.
const LIMITS: &str = "--nofile=1024:16384";
const SETTINGS: [&str; 4] = [
    // The least that is allowed: by default it depends on the memory of the machine.
    "queued.max.request.bytes=104857600",
    "offsets.topic.num.partitions=1",
    "group.initial.rebalance.delay.ms=0",
    "log.segment.bytes=50000000",
];
const WITNESS_TOPIC: &str = "witness";
/// The ordinary client opens a new connection after so many requests: one that cannot get in is not
/// served either.
const REQUESTS_A_CONNECTION: u64 = 10;
/// No answer to the ordinary client takes longer.
const STALL_MAX: Duration = Duration::from_secs(5);
/// So many requests of the ordinary client in each attack at the least.
const SERVED_MIN: u64 = 20;
/// How long the broker may take to let go of what belonged to peers that are gone.
const RELEASE_PATIENCE: Duration = Duration::from_secs(10);
/// Beyond what there was before the first attack: open segments of the topics that grew.
const DESCRIPTORS_MORE_MAX: u64 = 24;
/// Beyond what there was before the first attack, after each.
const MEMORY_MORE_KIB_MAX: u64 = 128 * 1024;
/// What the log may grow in one attack.
const LOG_MORE_BYTES_MAX: u64 = 256 * 1024;

/// Runs the torture.
pub(crate) fn run(plan: &Plan, report: &mut Report) -> Outcome<()> {
    torture(plan, ATTACKS, None, report)
}

/// These attacks, one after another; with `security` on a broker that has TLS and SASL, by which the
/// ordinary client comes in.
pub(crate) fn torture(
    plan: &Plan,
    attacks: &[Attack],
    security: Option<&Security>,
    report: &mut Report,
) -> Outcome<()> {
    report.rounds_min = attacks.len() as u64;
    report.acknowledged_min = attacks.len() as u64 * SERVED_MIN;
    // A thousand peers are as many descriptors of this process.
    raise_limit()?;
    let mut random = Random(plan.seed);
    for _ in plan.rounds(1) {
        torture_broker(plan, attacks, security, &mut random, report)?;
    }
    Ok(())
}

/// All attacks on one broker; the next begins anew only if one has ended its process.
fn torture_broker(
    plan: &Plan,
    attacks: &[Attack],
    security: Option<&Security>,
    random: &mut Random,
    report: &mut Report,
) -> Outcome<()> {
    let dir = TempDir::new();
    let mut setup = Setup::new(plan, dir.path(), &SETTINGS);
    if let Some(security) = security {
        security.add_to(&mut setup)?;
    }
    setup.wrapper = vec!["prlimit".to_string(), LIMITS.to_string()];
    let mut broker = start(&setup)?;
    let at_first = broker.vitals()?;
    for attack in attacks {
        report.measure(broker.vitals()?);
        let failures = report.failures.len();
        let entrances = security.map(|it| it.entrances(&broker)).transpose()?;
        let mut field = Field { port: broker.port, random, entrances: entrances.as_ref() };
        suffer(attack, &broker, &setup, &mut field, at_first, report)?;
        report.demand_no_panic(&setup);
        report.rounds += 1;
        if !broker.is_alive() {
            report.fail(format!("{}: the broker has ended", attack.name));
        }
        if report.failures.len() > failures {
            // What this attack has left behind is not charged to the next.
            broker.kill();
            broker = start(&setup)?;
        }
    }
    report.measure(broker.vitals()?);
    let status = broker.stop()?;
    report.demand(status.success(), || format!("the stop ended with {status}"));
    Ok(())
}

fn start(setup: &Setup) -> Outcome<Broker> {
    let broker = setup.start()?;
    let mut client = Client::connect(broker.port)?;
    client.ensure_topic(WITNESS_TOPIC, &[])?;
    client.ensure_topic(BIG_TOPIC, &[])?;
    Ok(broker)
}

/// One attack, the ordinary client beside it, and what remains when the peers are gone.
fn suffer(
    attack: &Attack,
    broker: &Broker,
    setup: &Setup,
    field: &mut Field<'_>,
    at_first: Vitals,
    report: &mut Report,
) -> Outcome<()> {
    let door = field.entrances.map(Door::open).transpose()?;
    let port = door.as_ref().map_or(broker.port, |door| door.port);
    let before = broker.vitals()?;
    let log_bytes = locked(&setup.log).bytes;
    let is_over = AtomicBool::new(false);
    let peak = Mutex::new(before);
    let pid = broker.pid();
    let (told, served) = thread::scope(|scope| {
        let witness = scope.spawn(|| serve_witness(port, &is_over));
        scope.spawn(|| watch(pid, &is_over, &peak));
        let told = (attack.run)(field);
        is_over.store(true, Ordering::Release);
        (told, witness.join())
    });
    let Ok(served) = served else { return failed("the ordinary client panicked") };
    let name = attack.name;
    let told = told.unwrap_or_else(|error| {
        report.fail(format!("{name}: the attack itself failed: {error}"));
        String::new()
    });
    report.acknowledged += served.answers;
    let failure = served.failure.clone();
    report.demand(failure.is_none(), || format!("{name}: the ordinary client: {failure:?}"));
    report.demand(served.answers >= SERVED_MIN, || format!("{name}: {} answers", served.answers));
    let refusals = door.map_or_else(Vec::new, |door| door.refusals());
    report.demand(refusals.is_empty(), || format!("{name}: no entrance: {refusals:?}"));
    let longest = served.longest;
    report
        .demand(longest <= STALL_MAX, || format!("{name}: the ordinary client waits {longest:?}"));
    let peak_kib = locked(&peak).memory_kib.saturating_sub(before.memory_kib);
    let peak_max = attack.peak_kib_max;
    report.demand(peak_kib <= peak_max, || format!("{name}: {peak_kib} KiB, {peak_max} allowed"));
    let grown = locked(&setup.log).bytes - log_bytes;
    report.demand(grown <= LOG_MORE_BYTES_MAX, || format!("{name}: {grown} bytes of log"));
    check_release(name, broker, at_first, report)?;
    report.note(format!(
        "{name}: {told}; peak {} MiB more, {} requests beside, the longest {} ms",
        peak_kib / 1024,
        served.answers,
        longest.as_millis()
    ));
    Ok(())
}

fn check_release(
    name: &str,
    broker: &Broker,
    at_first: Vitals,
    report: &mut Report,
) -> Outcome<()> {
    let is_released = |now: Vitals| {
        now.descriptors <= at_first.descriptors + DESCRIPTORS_MORE_MAX
            && now.memory_kib <= at_first.memory_kib + MEMORY_MORE_KIB_MAX
    };
    let released = wait_for("the release", RELEASE_PATIENCE, || {
        Ok(is_released(broker.vitals()?).then_some(()))
    });
    if released.is_err() {
        let Vitals { memory_kib, descriptors } = broker.vitals()?;
        report.fail(format!("{name}: {memory_kib} KiB and {descriptors} descriptors are kept"));
    }
    Ok(())
}

/// What the ordinary client was given.
#[derive(Default)]
struct Served {
    answers: u64,
    longest: Duration,
    failure: Option<String>,
}

/// Produces and reads back, until the attack is over and for some requests more.
fn serve_witness(port: u16, is_over: &AtomicBool) -> Served {
    let mut served = Served::default();
    while served.failure.is_none()
        && (!is_over.load(Ordering::Acquire) || served.answers < SERVED_MIN)
    {
        if let Err(error) = serve_on_one_connection(port, &mut served) {
            served.failure = Some(error.to_string());
        }
    }
    served
}

fn serve_on_one_connection(port: u16, served: &mut Served) -> Outcome<()> {
    let mut client = Client::connect(port)?;
    for number in 0..REQUESTS_A_CONNECTION {
        let began = Instant::now();
        let records = numbered(batch(Default::default()), number, 1)?;
        let produced = client.produce(PRODUCE_VERSION, 1, WITNESS_TOPIC, &records)?;
        if produced.error_code != 0 {
            return failed(format!("error {}", produced.error_code));
        }
        let (error, _, bytes) = client.fetch(WITNESS_TOPIC, produced.base_offset)?;
        if error != 0 || bytes.is_empty() {
            return failed(format!("a fetch brings error {error} and {} bytes", bytes.len()));
        }
        served.answers += 2;
        served.longest = served.longest.max(began.elapsed());
        thread::park_timeout(Duration::from_millis(2));
    }
    Ok(())
}

fn watch(pid: i32, is_over: &AtomicBool, peak: &Mutex<Vitals>) {
    while !is_over.load(Ordering::Acquire) {
        // A process that has ended is found out by the caller.
        if let Ok(vitals) = Vitals::of(pid) {
            let mut peak = locked(peak);
            *peak = peak.max(vitals);
        }
        thread::park_timeout(Duration::from_millis(10));
    }
}
