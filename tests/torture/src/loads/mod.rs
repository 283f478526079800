//! What keeps a broker busy until it is killed, each part with its ledger of what was acknowledged.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::client::Client;
use crate::outcome::Outcome;
use crate::report::Report;

pub(crate) mod numbered;
pub(crate) mod crowd;
pub(crate) mod compacted;
pub(crate) mod commits;
pub(crate) mod admin;

/// One kind of client, over all rounds.
pub(crate) trait Load: Send {
    /// For the reader of a failure.
    fn name(&self) -> &str;

    /// Makes what the client needs; it may be there already.
    fn prepare(&mut self, client: &mut Client) -> Outcome<()>;

    /// Works on a connection of its own until that breaks, which is the end of every round.
    fn work(&mut self, port: u16) -> Outcome<()>;

    /// Everything of partition 0 that was acknowledged since the last call.
    fn take_acknowledgements(&mut self) -> Vec<Acknowledgement> {
        Vec::new()
    }

    /// Holds what the broker has to the ledger: what was acknowledged since the last call, or all of
    /// it.
    fn verify(&mut self, client: &mut Client, extent: Extent) -> Outcome<Verdict>;
}

/// That the broker has answered an append.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledgement {
    pub(crate) topic: String,
    /// Of the last record.
    pub(crate) last_offset: i64,
    /// When the client had the answer, by the clock of the system.
    pub(crate) at_us: u64,
}

impl Acknowledgement {
    pub(crate) fn now(topic: &str, last_offset: i64) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at_us = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        Self { topic: topic.to_string(), last_offset, at_us }
    }
}

/// How much a verification covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What was acknowledged since the last one.
    Latest,
    /// Everything since the first round.
    Whole,
}

/// What a verification found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    /// How much it held the broker to.
    pub(crate) acknowledged: u64,
    /// Of these, how much was gone.
    pub(crate) lost: u64,
    /// Records that were there more than once.
    pub(crate) duplicated: u64,
    /// What else must not be.
    pub(crate) failures: Vec<String>,
}

impl Verdict {
    /// Counts a loss, and says of the first few what it was.
    pub(crate) fn lose(&mut self, what: impl FnOnce() -> String) {
        self.lost += 1;
        if self.lost <= 3 {
            self.failures.push(what());
        }
    }

    /// Counts all of it in.
    pub(crate) fn add_to(self, report: &mut Report) {
        report.acknowledged += self.acknowledged;
        report.lost += self.lost;
        report.duplicated += self.duplicated;
        self.failures.into_iter().for_each(|failure| report.fail(failure));
    }
}

/// Whether `error` is the end of a round, a connection that broke, and no answer of the broker.
pub(crate) fn is_broken_connection(
    error: &(dyn std::error::Error + Send + Sync + 'static),
) -> bool {
    error.is::<io::Error>()
}
