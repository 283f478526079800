//! What the simulation shows.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::sabotage::Sabotage;
use crate::simulation::{Outcome, Simulation};

/// Events of one seed.
const STEPS: usize = 600;

/// Runs one seed. An error says what does not hold, and what happened before.
fn run(seed: u64, sabotage: Sabotage) -> Result<Outcome, String> {
    let mut simulation = Simulation::new(seed, sabotage);
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
fn run_all(first: u64, count: u64) -> Result<Outcome, String> {
    let next = AtomicU64::new(first);
    let result = Mutex::new(Ok(Outcome::default()));
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= first + count {
            return;
        }
        let outcome = run(seed, Sabotage::Nothing);
        let mut result = result.lock().unwrap();
        match (&mut *result, outcome) {
            (Ok(sum), Ok(outcome)) => sum.add(&outcome),
            (Ok(_), Err(broken)) => {
                next.store(first + count, Ordering::Relaxed);
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

#[test]
fn whatever_fails_nothing_acknowledged_is_lost_and_all_replicas_become_alike() {
    if let Some(seed) = number("SEED") {
        let outcome = run(seed, Sabotage::Nothing).unwrap_or_else(|broken| panic!("{broken}"));
        println!("{outcome:?}");
        return;
    }
    let count = number("SEEDS").unwrap_or(300);
    let outcome = run_all(1, count).unwrap_or_else(|broken| panic!("{broken}"));
    println!("{count} seeds: {outcome:?}");
}
