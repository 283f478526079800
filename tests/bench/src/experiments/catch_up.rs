//! Consumers that have fallen behind read a log from the page cache.

use std::time::Duration;

use crate::data_set::DataSet;
use crate::figure::{Findings, Unit};
use crate::outcome::Outcome;
use crate::peers::Errand;
use crate::peers::contestants::{BARE_LOOP, Contest, Contestant, INLINE, TRANSFERTO};
use crate::plan::Plan;
use crate::stretch::measure;

const CONSUMERS: [usize; 4] = [1, 2, 8, 100];
const FETCH_MIB: [usize; 2] = [1, 50];
const STRETCH: Duration = Duration::from_millis(200);
/// Many times a CPU's cache.
const DATA_BYTES: usize = 384 << 20;
/// The Java producer's `batch.size`, and librdkafka's.
const SMALL_BATCH_BYTES: usize = 16_384;
const LARGE_BATCH_BYTES: usize = 1_000_000;

pub(crate) fn run(plan: &Plan) -> Outcome<Findings> {
    let data = [
        DataSet::new("small", 1, DATA_BYTES, 100, SMALL_BATCH_BYTES)?,
        DataSet::new("large", 1, DATA_BYTES, 1024, LARGE_BATCH_BYTES)?,
    ];
    let contest = Contest::prepare(plan, "catch-up", &data)?;
    let mut findings = Findings { remarks: contest.remarks.clone(), ..Findings::default() };
    let rows = rows(&data);
    for round in 1..=plan.rounds {
        println!("  round {round} of {}", plan.rounds);
        for row in &rows {
            for contestant in contest.contestants.iter().filter(|it| row.has(it)) {
                row.measure(&contest, contestant, &mut findings)?;
            }
        }
    }
    findings.goals = Vec::new();
    Ok(findings)
}

/// What all contestants do.
struct Row<'a> {
    name: String,
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
                rows.push(Row {
                    name: format!(
                        "{consumers} consumer{plural}, {fetch_mib} MiB a fetch, {records} records"
                    ),
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

    fn measure(
        &self,
        contest: &Contest,
        contestant: &Contestant,
        findings: &mut Findings,
    ) -> Outcome<()> {
        let peer = contest.start(contestant, self.data)?;
        let (data, fetch_bytes) = (self.data, self.fetch_bytes);
        let errand = Errand { data, fetch_bytes, partitions: 1, behind: 0.0 };
        let found = measure(&*peer, self.consumers, &errand, STRETCH)?;
        let (row, name) = (&self.name, &contestant.name);
        findings.add(row, name, Unit::GbPerSecond, found.gb_per_second());
        findings.add(row, name, Unit::CpuSecondsPerGb, found.cpu_seconds_per_gb());
        findings.add(row, name, Unit::Count, found.wire_per_kept());
        Ok(())
    }
}
