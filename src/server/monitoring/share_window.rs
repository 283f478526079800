//! In place of the meters behind Kafka's `*AvgIdlePercent` and `*AvgDepletedPercent`: what share of
//! the time something has lasted lately.
//!
//! Elsewhere two sums are counted, such as the time that threads waited and their whole time. What is
//! shown is a quotient of differences over about the last minute, however many scrapers ask, and how
//! often.

use std::collections::VecDeque;

/// How far back the share reaches, if somebody has asked then.
const WINDOW_MS: i64 = 60_000;
/// The shortest time between two samples that are kept: so there is a bound to them.
const SAMPLE_MS: i64 = 1_000;

/// The two sums as they were.
#[derive(Debug)]
pub struct ShareWindow {
    /// The oldest first. There is always one.
    samples: VecDeque<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at_ms: i64,
    part_ns: u64,
    total_ns: u64,
}

impl ShareWindow {
    /// A window that opens at `now_ms`, when both sums are 0.
    pub fn new(now_ms: i64) -> Self {
        Self { samples: VecDeque::from([Sample { at_ms: now_ms, part_ns: 0, total_ns: 0 }]) }
    }

    /// The share of the part in the total since the window's beginning, from 0 to 1: since the last
    /// look that is a minute old, or else the first. `None` if no time has passed.
    pub fn share(&mut self, now_ms: i64, part_ns: u64, total_ns: u64) -> Option<f64> {
        while self.samples.get(1).is_some_and(|next| next.at_ms <= now_ms - WINDOW_MS) {
            self.samples.pop_front();
        }
        let first = self.samples[0];
        let newest_ms = self.samples.back().map_or(first.at_ms, |it| it.at_ms);
        if now_ms - newest_ms >= SAMPLE_MS {
            self.samples.push_back(Sample { at_ms: now_ms, part_ns, total_ns });
        }
        let total_ns = total_ns.saturating_sub(first.total_ns);
        // Of a thread that is waiting now, only one of the two may be counted yet.
        let share = (part_ns.saturating_sub(first.part_ns) as f64 / total_ns as f64).min(1.0);
        (total_ns > 0).then_some(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_that_of_the_last_minute_however_often_it_is_asked_for() {
        let mut window = ShareWindow::new(0);
        assert_eq!(window.share(0, 0, 0), None);
        // Busy for a minute, then idle.
        for second in 1..=60 {
            assert_eq!(window.share(second * 1000, 0, second as u64 * 100), Some(0.0));
        }
        assert_eq!(window.share(90_000, 3000, 9000), Some(0.5));
        assert_eq!(window.share(90_001, 3000, 9000), Some(0.5));
        assert_eq!(window.share(120_000, 6000, 12_000), Some(1.0));
        // Nobody has asked for an hour.
        assert_eq!(window.share(3_720_000, 186_000, 372_000), Some(0.5));
        assert!(window.samples.len() <= 62);
    }
}
