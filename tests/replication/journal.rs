//! What has happened last, for the one who has to find out why a claim does not hold.

use std::collections::VecDeque;
use std::fmt;

const EVENTS_MAX: usize = 60;

/// The last events of a simulation.
pub(crate) struct Journal {
    events: VecDeque<String>,
    events_max: usize,
    noted: usize,
}

impl Journal {
    /// Keeps the last 60 events, or all of them.
    pub(crate) fn new(keeps_all: bool) -> Self {
        let events_max = if keeps_all { usize::MAX } else { EVENTS_MAX };
        Self { events: VecDeque::new(), events_max, noted: 0 }
    }

    pub(crate) fn note(&mut self, event: String) {
        if self.events.len() == self.events_max {
            self.events.pop_front();
        }
        self.events.push_back(event);
        self.noted += 1;
    }
}

impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.noted - self.events.len() + 1;
        for (number, event) in (first..).zip(&self.events) {
            writeln!(f, "  {number:4} {event}")?;
        }
        Ok(())
    }
}
