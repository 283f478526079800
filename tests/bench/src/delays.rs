//! How long single things took, and the share of them that took no longer.

use std::thread;
use std::time::{Duration, Instant};

use crate::outcome::Outcome;

/// The time below which `share` of the delays lie, in milliseconds; of at least one.
pub fn quantile_ms(delays: &mut [Duration], share: f64) -> f64 {
    delays.sort_unstable();
    let at = (delays.len() as f64 * share) as usize;
    delays[at.min(delays.len() - 1)].as_secs_f64() * 1e3
}

/// Does one thing after another at a steady rate, and times `count` of them.
///
/// What was due while one took long is not done, but counts as what it would have waited for that
/// one: a server that stalls would else delay many and be charged for one. Unlike a queue that
/// grows for as long as it is watched, that never shows more than the longest stall.
pub fn paced(
    count: usize,
    per_second: u32,
    mut act: impl FnMut(usize) -> Outcome<()>,
) -> Outcome<Vec<Duration>> {
    let interval = Duration::from_secs(1) / per_second;
    let mut due = Instant::now();
    let mut delays = Vec::with_capacity(count);
    while delays.len() < count {
        due += interval;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let began = Instant::now();
        act(delays.len())?;
        let mut delay = began.elapsed();
        delays.push(delay);
        while delay > interval && delays.len() < count {
            delay -= interval;
            due += interval;
            delays.push(delay);
        }
    }
    Ok(delays)
}
