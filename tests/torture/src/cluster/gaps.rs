//! How long a client was without an acknowledgement, and what it was told meanwhile.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::{Duration, Instant};

/// Of one client.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    since: Option<Instant>,
    /// Between two acknowledgements.
    pub(crate) longest: Duration,
    troubles: BTreeMap<String, u64>,
}

impl Gaps {
    /// The client begins to work, or goes on after a pause that is its own.
    pub(crate) fn begin(&mut self) {
        self.since = Some(Instant::now());
    }

    /// Something is acknowledged.
    pub(crate) fn acknowledged(&mut self) {
        let now = Instant::now();
        if let Some(since) = self.since.replace(now) {
            self.longest = self.longest.max(now - since);
        }
    }

    /// Something was not, and is tried again.
    pub(crate) fn trouble(&mut self, what: impl Display) {
        *self.troubles.entry(what.to_string()).or_default() += 1;
    }

    /// Adds those of another client.
    pub(crate) fn add_troubles(&mut self, other: &Self) {
        for (what, count) in &other.troubles {
            *self.troubles.entry(what.clone()).or_default() += count;
        }
    }

    /// All of them in words.
    pub(crate) fn troubles(&self) -> String {
        let count = |(what, count): (&String, &u64)| format!("{count} times {what}");
        match self.troubles.is_empty() {
            true => "none".to_string(),
            false => self.troubles.iter().map(count).collect::<Vec<_>>().join(", "),
        }
    }
}
