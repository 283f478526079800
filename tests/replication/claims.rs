//! What the simulation shows.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::sabotage::Sabotage;
use crate::simulation::{Outcome, Simulation};

/// Events of one seed.
const STEPS: usize = 600;
/// In 20 s of a debug build.
const SEEDS: u64 = 1_000;

/// Runs one seed. An error says what does not hold, and what happened before.
fn run(seed: u64, sabotage: Sabotage, keeps_journal: bool) -> Result<Outcome, String> {
    let mut simulation = Simulation::new(seed, sabotage, keeps_journal);
    let held = catch_unwind(AssertUnwindSafe(|| {
        (0..STEPS).try_for_each(|_| simulation.step())?;
        simulation.come_to_rest()
    }));
    let held = held.unwrap_or_else(|_| Err("a panic".to_string()));
    held.map_err(|broken| {
        format!("{broken}\nSEED={seed} runs it again. The last events:\n{}", simulation.journal())
    })?;
    simulation.outcome.acknowledged = simulation.ledger.acknowledged();
    Ok(simulation.outcome)
}

/// Runs seeds on as many threads as the machine has, up to the first that fails.
fn run_all(seeds: Range<u64>, sabotage: Sabotage) -> Result<Outcome, String> {
    let next = AtomicU64::new(seeds.start);
    let result = Mutex::new(Ok(Outcome::default()));
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds.end {
            return;
        }
        let outcome = run(seed, sabotage, false);
        let mut result = result.lock().unwrap();
        match (&mut *result, outcome) {
            (Ok(sum), Ok(outcome)) => sum.add(&outcome),
            (Ok(_), Err(broken)) => {
                next.store(seeds.end, Ordering::Relaxed);
                *result = Err(broken);
            }
            (Err(_), _) => (),
        }
    };
    let threads = thread::available_parallelism().map_or(1, |it| it.get());
    thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(work)));
    result.into_inner().unwrap()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|it| it.parse().ok())
}

/// `SEED=` runs one seed and prints all that happens, `SEEDS=` as many as it says.
#[test]
fn whatever_fails_nothing_acknowledged_is_lost_and_all_replicas_become_alike() {
    if let Some(seed) = number("SEED") {
        let outcome =
            run(seed, Sabotage::Nothing, true).unwrap_or_else(|broken| panic!("{broken}"));
        println!("{outcome:?}");
        return;
    }
    let count = number("SEEDS").unwrap_or(SEEDS);
    let outcome = run_all(1..count + 1, Sabotage::Nothing);
    let outcome = outcome.unwrap_or_else(|broken| panic!("{broken}"));
    println!("{count} seeds: {outcome:?}");
    // Where little happens little is shown.
    let Outcome { acknowledged, crashes, tails_lost, elections, alterations, truncations } =
        outcome;
    let count = usize::try_from(count).unwrap();
    let enough = [acknowledged, crashes, elections, alterations].map(|it| it >= count / 2);
    assert_eq!(enough, [true; 4], "{outcome:?}");
    assert!(tails_lost >= count / 20 && truncations >= count / 10, "{outcome:?}");
}

/// A simulation that finds nothing in a broken broker would show nothing of a whole one.
fn assert_is_found(sabotage: Sabotage) {
    let broken = run_all(1..SEEDS + 1, sabotage).unwrap_err();
    println!("{sabotage:?}: {}", broken.lines().next().unwrap());
}

#[test]
fn the_simulation_notices_a_follower_that_goes_back_to_its_high_watermark() {
    assert_is_found(Sabotage::TruncateToHighWatermark);
}

#[test]
fn the_simulation_notices_a_high_watermark_out_of_a_diverging_answer() {
    assert_is_found(Sabotage::TakeDivergingHighWatermark);
}

#[test]
fn the_simulation_notices_a_leader_that_was_not_in_sync() {
    assert_is_found(Sabotage::ElectOutOfSync);
}
