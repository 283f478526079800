//! Fetches whose bytes come from many partitions: each part costs a call of its own.

use std::time::Duration;

use crate::data_set::DataSet;
use crate::figure::{Chart, Findings, Goal, Unit};
use crate::outcome::Outcome;
use crate::peers::Errand;
use crate::peers::contestants::{BARE_LOOP, Contest};
use crate::peers::transferto::TRANSFERTO;
use crate::plan::Plan;
use crate::stretch::measure;
use crate::turns::turns;

const PARTITIONS: [(usize, &str); 3] = [(1, "one"), (10, "ten"), (100, "hundred")];
const CONSUMERS: [usize; 2] = [1, 8];
/// Ten batches or more of each partition.
const FETCH_MIB: usize = 16;
const STRETCH: Duration = Duration::from_millis(200);
const DATA_BYTES: usize = 256 << 20;
const VALUE_BYTES: usize = 100;
const BATCH_BYTES: usize = 16_384;
/// "No fall", as far as rounds of a fifth of a second can tell.
const SHARE_MIN: f64 = 0.9;

pub(crate) fn run(plan: &Plan) -> Outcome<Findings> {
    let set =
        |(partitions, topic)| DataSet::new(topic, partitions, DATA_BYTES, VALUE_BYTES, BATCH_BYTES);
    let data = PARTITIONS.into_iter().map(set).collect::<Outcome<Vec<_>>>()?;
    let contest = Contest::prepare(plan, "partitions", &data)?;
    let mut findings = Findings { remarks: contest.remarks.clone(), ..Findings::default() };
    for round in 1..=plan.rounds {
        println!("  round {round} of {}", plan.rounds);
        for consumers in CONSUMERS {
            for set in &data {
                let contestants = contest.contestants.iter().filter(|it| it.has_parts());
                for contestant in turns(round, contestants) {
                    // A loop without partitions sends parts of one file.
                    let served = if contestant.is_broker() { set } else { &data[0] };
                    let peer = contest.start(contestant, served)?;
                    let errand = errand(set);
                    let found = measure(&*peer, consumers, &errand, STRETCH)?;
                    let (row, name) = (row(consumers, set.partitions), &contestant.name);
                    findings.add(&row, name, Unit::GbPerSecond, found.gb_per_second());
                    findings.add(&row, name, Unit::CpuSecondsPerGb, found.cpu_seconds_per_gb());
                }
            }
        }
    }
    findings.goals = CONSUMERS.iter().flat_map(|it| goals(&findings, *it)).collect();
    findings.charts = vec![Chart {
        title: "Fetches of 16 MiB from many partitions: more is better".to_string(),
        unit: Unit::GbPerSecond,
        rows: PARTITIONS.iter().map(|it| row(1, it.0)).collect(),
    }];
    Ok(findings)
}

fn errand(data: &DataSet) -> Errand<'_> {
    Errand { data, fetch_bytes: FETCH_MIB << 20, partitions: data.partitions, behind: 0.0 }
}

fn row(consumers: usize, partitions: usize) -> String {
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    format!(
        "{consumers} consumer{}, {partitions} partition{}",
        plural(consumers),
        plural(partitions)
    )
}

fn goals(findings: &Findings, consumers: usize) -> Vec<Goal> {
    let fall = |peer: &str, partitions: usize| {
        let of = |partitions| findings.median(&row(consumers, partitions), peer, Unit::GbPerSecond);
        Some(of(partitions)? / of(1)?)
    };
    let goal = |partitions: usize| {
        let found = fall(TRANSFERTO, partitions)? / fall(BARE_LOOP, partitions)?;
        let row = row(consumers, partitions);
        let what = format!(
            "{TRANSFERTO}, GB/s beside that of one partition, over the same of {BARE_LOOP}; {row}"
        );
        Some(Goal::at_least(what, SHARE_MIN, found))
    };
    PARTITIONS.iter().filter(|it| it.0 > 1).filter_map(|it| goal(it.0)).collect()
}
