//! What a torture found, and the table at the end.

use transferto::common::lock::locked;

use crate::broker::Setup;
use crate::vitals::Vitals;

/// What one torture did and found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// The torture's name.
    pub(crate) torture: &'static str,
    /// What began its random choices.
    pub(crate) seed: u64,
    /// How often it broke the broker.
    pub(crate) rounds: u64,
    /// Fewer rounds prove nothing, and fail.
    pub(crate) rounds_min: u64,
    /// Records, commits and changes that the broker acknowledged.
    pub(crate) acknowledged: u64,
    /// Fewer acknowledgements prove nothing, and fail.
    pub(crate) acknowledged_min: u64,
    /// Of these, how many were gone.
    pub(crate) lost: u64,
    /// Records that were there more than once.
    pub(crate) duplicated: u64,
    /// The broker before the first round.
    pub(crate) before: Option<Vitals>,
    /// The broker after the last one.
    pub(crate) after: Option<Vitals>,
    /// What must not be.
    pub(crate) failures: Vec<String>,
}

impl Report {
    /// Of a torture that has not begun.
    pub(crate) fn new(torture: &'static str, seed: u64) -> Self {
        Self { torture, seed, ..Self::default() }
    }

    /// Says at once what the reader would otherwise wait for.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        println!("  {}: {text}", self.torture);
    }

    /// Something is as it must not be.
    pub(crate) fn fail(&mut self, text: impl Into<String>) {
        let text = text.into();
        println!("  {}: FAILURE: {text}", self.torture);
        self.failures.push(text);
    }

    /// Fails with `text` unless `holds`.
    pub(crate) fn demand(&mut self, holds: bool, text: impl FnOnce() -> String) {
        if !holds {
            self.fail(text());
        }
    }

    /// Counts a check that found something good, and keeps the failure of one that failed.
    pub(crate) fn take(&mut self, checked: Result<bool, String>) -> u64 {
        checked.map(u64::from).unwrap_or_else(|why| {
            self.fail(why);
            0
        })
    }

    /// No line of the broker's log may tell of a panic.
    pub(crate) fn demand_no_panic(&mut self, setup: &Setup) {
        let panics = std::mem::take(&mut locked(&setup.log).panics);
        self.demand(panics.is_empty(), || format!("panics: {panics:?}"));
    }

    /// Keeps the first measure as the one before, and the latest as the one after.
    pub(crate) fn measure(&mut self, vitals: Vitals) {
        self.before.get_or_insert(vitals);
        self.after = Some(vitals);
    }

    /// Holds what was done to the stated minimum, and what was lost to nothing.
    pub(crate) fn close(&mut self) {
        let (rounds, rounds_min) = (self.rounds, self.rounds_min);
        self.demand(rounds >= rounds_min, || format!("{rounds} rounds of at least {rounds_min}"));
        let (acknowledged, min) = (self.acknowledged, self.acknowledged_min);
        self.demand(acknowledged >= min, || {
            format!("{acknowledged} acknowledged of at least {min}")
        });
        let lost = self.lost;
        self.demand(lost == 0, || format!("{lost} acknowledged are lost"));
    }

    /// Whether nothing failed.
    pub(crate) fn is_passed(&self) -> bool {
        self.failures.is_empty()
    }

    fn row(&self) -> [String; 9] {
        let vital = |of: fn(&Vitals) -> String| {
            let side = |vitals: &Option<Vitals>| vitals.as_ref().map_or("-".to_string(), of);
            format!("{} > {}", side(&self.before), side(&self.after))
        };
        [
            self.torture.to_string(),
            format!("{} of {}", self.rounds, self.rounds_min),
            format!("{} of {}", self.acknowledged, self.acknowledged_min),
            self.lost.to_string(),
            self.duplicated.to_string(),
            vital(|it| format!("{:.1}", it.memory_kib as f64 / 1024.0)),
            vital(|it| it.descriptors.to_string()),
            self.seed.to_string(),
            if self.is_passed() { "held".to_string() } else { "FAILED".to_string() },
        ]
    }
}

const HEAD: [&str; 9] = [
    "torture",
    "rounds",
    "acknowledged",
    "lost",
    "duplicated",
    "memory MiB",
    "descriptors",
    "seed",
    "",
];

/// The others stand in the lines above the table.
const FAILURES_SHOWN: usize = 8;

/// One row for each torture, and below what failed.
pub(crate) fn table(reports: &[Report]) -> String {
    let head = HEAD.map(String::from);
    let rows: Vec<[String; 9]> =
        std::iter::once(head).chain(reports.iter().map(Report::row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let line = |row: &[String; 9]| {
        let cells = row.iter().enumerate().map(|(at, cell)| format!("{cell:<0$}", width(at)));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    let failures = reports.iter().flat_map(|report| {
        let shown = report.failures.iter().take(FAILURES_SHOWN);
        shown.map(|why| format!("{}: {}", report.torture, why.lines().next().unwrap_or_default()))
    });
    rows.iter().map(line).chain(failures).collect::<Vec<_>>().join("\n")
}
