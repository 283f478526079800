//! How long single things took, and the share of them that took no longer.

use std::thread;
use std::time::{Duration, Instant};

use crate::outcome::Outcome;

/// The time below which `share` of the delays lie, in milliseconds; of at least one.
pub(crate) fn quantile_ms(delays: &mut [Duration], share: f64) -> f64 {
    delays.sort_unstable();
    let at = (delays.len() as f64 * share) as usize;
    delays[at.min(delays.len() - 1)].as_secs_f64() * 1e3
}

/// Does one thing after another, each at the moment when it is due, and times them.
///
/// What is late because the one before it took long counts from when it was due: a server that
/// stalls would else delay many and be charged for one. How late this thread itself wakes up does
/// not count.
pub(crate) fn paced(
    count: usize,
    per_second: u32,
    mut act: impl FnMut(usize) -> Outcome<()>,
) -> Outcome<Vec<Duration>> {
    let interval = Duration::from_secs(1) / per_second;
    let mut due = Instant::now();
    let mut delays = Vec::with_capacity(count);
    for number in 0..count {
        due += interval;
        let wait = due.saturating_duration_since(Instant::now());
        thread::sleep(wait);
        let began = if wait.is_zero() { due } else { Instant::now() };
        act(number)?;
        delays.push(began.elapsed());
    }
    Ok(delays)
}
