//! What was measured: figures of several rounds, what they were to reach, and how they are written.

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// 10^9 bytes of records in a second.
    GbPerSecond,
    /// 10^6 bytes of records in a second.
    MbPerSecond,
    /// Seconds of one CPU, of the server alone, for 10^9 bytes of records.
    CpuSecondsPerGb,
    /// Of one CPU, of the server alone.
    CpuMicroseconds,
    Milliseconds,
    Mib,
    Kib,
    /// Bytes of responses for each byte that the client keeps.
    WireBytesPerByte,
    CallsPerFetch,
    /// System calls of the server, for whatever the row names.
    Calls,
    /// Blocks of memory that the server takes from the allocator.
    Allocations,
    /// System calls of the server for 10^9 bytes of records.
    CallsPerGb,
    SwitchesPerFetch,
    Instructions,
    /// Of whatever the row says.
    Count,
}

impl Unit {
    pub fn symbol(self) -> &'static str {
        match self {
            Self::GbPerSecond => "GB/s",
            Self::MbPerSecond => "MB/s",
            Self::CpuSecondsPerGb => "CPU-s/GB",
            Self::CpuMicroseconds => "CPU-us",
            Self::Milliseconds => "ms",
            Self::Mib => "MiB",
            Self::Kib => "KiB",
            Self::WireBytesPerByte => "bytes/byte",
            Self::CallsPerFetch => "calls/fetch",
            Self::Calls => "system calls",
            Self::Allocations => "allocations",
            Self::CallsPerGb => "calls/GB",
            Self::SwitchesPerFetch => "switches/fetch",
            Self::Instructions => "instructions",
            Self::Count => "",
        }
    }
}

/// One quantity of one peer, once for each round.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was done, as the row of a table names it: the same for all peers.
    pub row: String,
    /// Who did it: `transferto`, `Apache Kafka 4.4.0`, `bare sendfile loop`.
    pub peer: String,
    pub unit: Unit,
    /// Never empty.
    pub rounds: Vec<f64>,
}

impl Figure {
    /// The middle of the rounds: the mean of the two in the middle if their number is even.
    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        match sorted.len() % 2 {
            1 => sorted[middle],
            _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
        }
    }

    /// The least and the greatest of the rounds.
    pub fn spread(&self) -> (f64, f64) {
        let sorted = self.sorted();
        (sorted[0], sorted[sorted.len() - 1])
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// What a figure was to reach.
#[derive(Clone, Debug)]
pub struct Goal {
    /// `catch-up read, 1 consumer: share of the bare loop`.
    pub what: String,
    /// `>= 0.85`.
    pub wanted: String,
    pub found: f64,
    pub is_met: bool,
}

impl Goal {
    pub fn at_least(what: impl Into<String>, least: f64, found: f64) -> Self {
        let is_met = found >= least;
        Self { what: what.into(), wanted: format!(">= {least}"), found, is_met }
    }

    pub fn at_most(what: impl Into<String>, most: f64, found: f64) -> Self {
        let is_met = found <= most;
        Self { what: what.into(), wanted: format!("<= {most}"), found, is_met }
    }
}

/// A picture of some rows: a bar for each contestant.
#[derive(Clone, Debug)]
pub struct Chart {
    pub title: String,
    pub unit: Unit,
    pub rows: Vec<String>,
}

/// What an experiment has found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    pub figures: Vec<Figure>,
    pub goals: Vec<Goal>,
    /// What is worth a picture.
    pub charts: Vec<Chart>,
    /// What a reader must know beside the figures, a sentence each: a peer that was not there.
    pub remarks: Vec<String>,
}

impl Findings {
    /// Adds the value of one round.
    pub fn add(&mut self, row: &str, peer: &str, unit: Unit, value: f64) {
        let known = |it: &&mut Figure| it.row == row && it.peer == peer && it.unit == unit;
        match self.figures.iter_mut().find(known) {
            Some(figure) => figure.rounds.push(value),
            None => self.figures.push(Figure {
                row: row.to_string(),
                peer: peer.to_string(),
                unit,
                rounds: vec![value],
            }),
        }
    }

    /// What was measured, if it was. The peer may have a version behind its name.
    pub fn figure(&self, row: &str, peer: &str, unit: Unit) -> Option<&Figure> {
        let is_it = |it: &&Figure| it.row == row && is_named(&it.peer, peer) && it.unit == unit;
        self.figures.iter().find(is_it)
    }

    /// The median of what was measured.
    pub fn median(&self, row: &str, peer: &str, unit: Unit) -> Option<f64> {
        self.figure(row, peer, unit).map(Figure::median)
    }
}

/// Whether `name` is `peer`, or `peer` and a version.
fn is_named(name: &str, peer: &str) -> bool {
    let starts_with_digit = |version: &str| version.starts_with(|c: char| c.is_ascii_digit());
    match name.strip_prefix(peer) {
        Some("") => true,
        Some(rest) => rest.strip_prefix(' ').is_some_and(starts_with_digit),
        None => false,
    }
}

/// With three digits that count.
pub fn number(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        it if it >= 100.0 => 0,
        it if it >= 10.0 => 1,
        it if it >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}
