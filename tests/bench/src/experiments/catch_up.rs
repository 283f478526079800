//! Consumers that have fallen behind read a log from the page cache.

use std::time::Duration;

use crate::connection::Tally;
use crate::data_set::DataSet;
use crate::figure::{Chart, Findings, Goal, Unit};
use crate::outcome::Outcome;
use crate::peers::Errand;
use crate::peers::contestants::{BARE_LOOP, Contest, Contestant, KAFKA, NGINX};
use crate::peers::transferto::{INLINE, TRANSFERTO};
use crate::plan::Plan;
use crate::stretch::measure;
use crate::turns::turns;

const CONSUMERS: [usize; 4] = [1, 2, 8, 100];
const FETCH_MIB: [usize; 2] = [1, 50];
const STRETCH: Duration = Duration::from_millis(200);
/// Many times a CPU's cache.
const DATA_BYTES: usize = 384 << 20;
/// The Java producer's `batch.size`, and librdkafka's.
const SMALL_BATCH_BYTES: usize = 16_384;
const LARGE_BATCH_BYTES: usize = 1_000_000;
/// Once through the data, or nearly.
const COUNTED_BYTES: usize = DATA_BYTES / 2;

pub(crate) fn run(plan: &Plan) -> Outcome<Findings> {
    let data = [
        DataSet::new("small", 1, DATA_BYTES, 100, SMALL_BATCH_BYTES)?,
        DataSet::new("large", 1, DATA_BYTES, 1024, LARGE_BATCH_BYTES)?,
    ];
    let contest = Contest::prepare(plan, "catch-up", &data)?;
    let mut findings = Findings { remarks: contest.remarks.clone(), ..Findings::default() };
    let rows: Vec<Row> =
        rows(&data).into_iter().filter(|it| it.is_full || !plan.is_short).collect();
    for round in 1..=plan.rounds {
        println!("  round {round} of {}", plan.rounds);
        for row in &rows {
            for contestant in turns(round, contest.contestants.iter().filter(|it| row.has(it))) {
                row.measure(&contest, contestant, &mut findings)?;
            }
        }
    }
    for row in rows.iter().filter(|it| it.consumers == 1) {
        for contestant in contest.contestants.iter().filter(|it| it.is_broker() && row.has(it)) {
            row.count_bytes(&contest, contestant, &mut findings)?;
        }
    }
    findings.goals = goals(&rows, &findings);
    findings.charts = charts(&rows);
    Ok(findings)
}

/// What all contestants do.
struct Row<'a> {
    name: String,
    /// Without the consumers.
    bytes_name: String,
    consumers: usize,
    fetch_bytes: usize,
    data: &'a DataSet,
    /// Whether those are measured, too, that stand aside elsewhere.
    is_full: bool,
}

fn rows(data: &[DataSet]) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for (data, records) in data.iter().zip(["100 B", "1 KiB"]) {
        for fetch_mib in FETCH_MIB {
            for consumers in CONSUMERS {
                let plural = if consumers == 1 { "" } else { "s" };
                let bytes_name = format!("fetches of {fetch_mib} MiB, records of {records}");
                rows.push(Row {
                    name: format!("{consumers} consumer{plural}, {bytes_name}"),
                    bytes_name,
                    consumers,
                    fetch_bytes: fetch_mib << 20,
                    data,
                    is_full: fetch_mib == 1 && records == "100 B",
                });
            }
        }
    }
    rows
}

impl Row<'_> {
    fn has(&self, contestant: &Contestant) -> bool {
        self.is_full || !contestant.is_aside
    }

    fn errand(&self) -> Errand<'_> {
        Errand { data: self.data, fetch_bytes: self.fetch_bytes, partitions: 1, behind: 0.0 }
    }

    fn measure(
        &self,
        contest: &Contest,
        contestant: &Contestant,
        findings: &mut Findings,
    ) -> Outcome<()> {
        let peer = contest.start(contestant, self.data)?;
        let found = measure(&*peer, self.consumers, &self.errand(), STRETCH)?;
        let (row, name) = (&self.name, &contestant.name);
        findings.add(row, name, Unit::GbPerSecond, found.gb_per_second());
        findings.add(row, name, Unit::CpuSecondsPerGb, found.cpu_seconds_per_gb());
        Ok(())
    }

    /// Bytes do not depend on who else reads, nor on the moment: they are counted once, in whole
    /// fetches.
    fn count_bytes(
        &self,
        contest: &Contest,
        contestant: &Contestant,
        findings: &mut Findings,
    ) -> Outcome<()> {
        let peer = contest.start(contestant, self.data)?;
        let mut consumer = peer.consumer(&self.errand())?;
        let tally = Tally::default();
        for _ in 0..COUNTED_BYTES / self.fetch_bytes {
            consumer.fetch(&tally)?;
        }
        let (row, name) = (&self.bytes_name, &contestant.name);
        findings.add(row, name, Unit::WireBytesPerByte, tally.wire_per_kept());
        Ok(())
    }
}

fn goals(rows: &[Row], findings: &Findings) -> Vec<Goal> {
    let mut goals = Vec::new();
    let mut seek = |comparison: &Comparison| goals.extend(comparison.goal(rows, findings));
    let rate = |who, whose, consumers: &'static [usize], least| Comparison {
        what: "GB/s",
        unit: Unit::GbPerSecond,
        who,
        whose,
        consumers,
        wanted: Wanted::AtLeast(least),
    };
    let cpu = |who, whose, most| Comparison {
        what: "CPU-s/GB",
        unit: Unit::CpuSecondsPerGb,
        who,
        whose,
        consumers: &CONSUMERS,
        wanted: Wanted::AtMost(most),
    };
    seek(&rate(TRANSFERTO, BARE_LOOP, &[1], 0.85));
    seek(&rate(TRANSFERTO, BARE_LOOP, &[8], 0.7));
    seek(&rate(TRANSFERTO, KAFKA, &CONSUMERS, 1.7));
    seek(&cpu(TRANSFERTO, BARE_LOOP, 1.5));
    seek(&cpu(TRANSFERTO, KAFKA, 0.4));
    seek(&rate(INLINE, BARE_LOOP, &[1], 0.95));
    seek(&rate(INLINE, BARE_LOOP, &[8], 0.8));
    seek(&rate(INLINE, NGINX, &CONSUMERS, 1.0));
    seek(&cpu(INLINE, BARE_LOOP, 1.1));
    let of_bytes = |row: &Row| {
        let found = findings.median(&row.bytes_name, TRANSFERTO, Unit::WireBytesPerByte)?;
        Some((found, row.bytes_name.clone()))
    };
    let bytes = rows.iter().filter(|it| it.consumers == 1).filter_map(of_bytes);
    if let Some((found, row)) = bytes.max_by(|a, b| a.0.total_cmp(&b.0)) {
        let what = format!("transferto, bytes sent for a byte of whole batches; worst: {row}");
        goals.push(Goal::at_most(what, 1.01, found));
    }
    goals
}

/// One contestant beside another, in the row where it does worst.
struct Comparison {
    what: &'static str,
    unit: Unit,
    /// The beginnings of their names: the rest may be a version.
    who: &'static str,
    whose: &'static str,
    consumers: &'static [usize],
    wanted: Wanted,
}

#[derive(Clone, Copy)]
enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

impl Comparison {
    /// Nothing if one of the two was not there.
    fn goal(&self, rows: &[Row], findings: &Findings) -> Option<Goal> {
        let rows = rows.iter().filter(|row| self.consumers.contains(&row.consumers));
        let of_row = |row: &Row| {
            let who = findings.median(&row.name, self.who, self.unit)?;
            let whose = findings.median(&row.name, self.whose, self.unit)?;
            Some((who / whose, row.name.clone()))
        };
        let ratios = rows.filter_map(of_row);
        let what = |row: &str| {
            format!("{}, {} over that of {}; worst: {row}", self.who, self.what, self.whose)
        };
        match self.wanted {
            Wanted::AtLeast(least) => {
                let (found, row) = ratios.min_by(|a, b| a.0.total_cmp(&b.0))?;
                Some(Goal::at_least(what(&row), least, found))
            }
            Wanted::AtMost(most) => {
                let (found, row) = ratios.max_by(|a, b| a.0.total_cmp(&b.0))?;
                Some(Goal::at_most(what(&row), most, found))
            }
        }
    }
}

/// The rows in which all contestants stand.
fn charts(rows: &[Row]) -> Vec<Chart> {
    let names = || rows.iter().filter(|it| it.is_full).map(|it| it.name.clone()).collect();
    let chart = |title: &str, unit| Chart { title: title.to_string(), unit, rows: names() };
    vec![
        chart("Catch-up read: records per second, more is better", Unit::GbPerSecond),
        chart("Catch-up read: the server's CPU time, less is better", Unit::CpuSecondsPerGb),
    ]
}
