//! The ways beside each other: one process sends a file, others take it in.

use bench::figure::number;
use bench::outcome::{Outcome, failed};
use bench::plan::Plan;
use bench::scratch::Scratch;
use bench::turns::turns;

use crate::cost::{Cost, Usage};
use crate::measured::{COUNTS, Measured, TIMES, Table};
use crate::progress::Progress;
use crate::receiver::{receive, receive_and_check};
use crate::report::{Part, Section};
use crate::sender::Sender;
use crate::test_file::TestFile;
use crate::ways::{WAYS, Way};

const MB: usize = 1_000_000;
/// The largest file; that of the short form.
const BIG_MB: usize = 1_000;
const BIG_MB_SHORT: usize = 250;
const SMALL_WAY: &str = "read + write, 4 KiB";
const FAIR_WAY: &str = "read + write, 64 KiB";
const SENDFILE: &str = "sendfile";

/// The rows of the article's table that are measured here, too: megabytes, and milliseconds by `read`
/// and `write` and by `transferTo`.
const ARTICLE: [(usize, f64, f64); 3] =
    [(7, 156.0, 45.0), (63, 843.0, 387.0), (1_000, 18_399.0, 8_537.0)];

/// What is sent, whence, and to how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) mb: usize,
    pub(crate) is_cold: bool,
    pub(crate) receivers: usize,
    /// So that a short one takes long enough to be measured.
    pub(crate) transfers: usize,
}

impl Case {
    pub(crate) const fn warm(mb: usize, receivers: usize, transfers: usize) -> Self {
        Self { mb, is_cold: false, receivers, transfers }
    }

    const fn cold(mb: usize, transfers: usize) -> Self {
        Self { mb, is_cold: true, receivers: 1, transfers }
    }

    /// As tables name it.
    pub(crate) fn name(&self) -> String {
        let size = if self.mb >= 1_000 {
            format!("{} GB", self.mb / 1_000)
        } else {
            format!("{} MB", self.mb)
        };
        let state = if self.is_cold { "cold" } else { "warm" };
        match self.receivers {
            1 => format!("{size}, {state}"),
            many => format!("{size}, {state}, {many} receivers"),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.mb * MB
    }

    /// For the estimate of the time that is left.
    pub(crate) fn weight(&self) -> f64 {
        (self.mb * self.receivers * self.transfers) as f64 * if self.is_cold { 1.5 } else { 1.0 }
    }
}

/// The largest file in memory, the case that all else is compared with.
pub(crate) fn big_warm(plan: &Plan) -> Case {
    Case::warm(if plan.is_short { BIG_MB_SHORT } else { BIG_MB }, 1, 1)
}

fn cases(plan: &Plan) -> [Case; 7] {
    let big = big_warm(plan);
    [
        big,
        Case::warm(63, 1, 4),
        Case::warm(7, 1, 20),
        Case::cold(big.mb, 1),
        Case::cold(63, 2),
        Case::cold(7, 4),
        Case::warm(63, 8, 2),
    ]
}

pub(crate) fn run(plan: &Plan) -> Outcome<Part> {
    let scratch = Scratch::new(plan, "files")?;
    let cases = cases(plan);
    let mut files = Vec::new();
    println!("  writing the files");
    for case in &cases {
        if file_of(&files, case).is_err() {
            files.push(TestFile::write(scratch.path(), case.bytes())?);
        }
    }
    check_ways(file_of(&files, &Case::warm(7, 1, 1))?)?;
    let mut measured = Measured::default();
    let mut is_cold_known = true;
    let weights: f64 = cases.iter().map(Case::weight).sum();
    let mut progress = Progress::of(weights * (WAYS.len() * plan.rounds) as f64);
    for round in 1..=plan.rounds {
        for case in &cases {
            let file = file_of(&files, case)?;
            for way in turns(round, WAYS.iter()) {
                progress.begin(&format!("round {round}: {}, {}", case.name(), way.name()));
                let (cost, is_known) = measure(*way, case, file)?;
                is_cold_known &= is_known;
                measured.add(&case.name(), way.name(), cost);
                progress.end(case.weight());
            }
        }
    }
    Ok(part(&cases, &measured, is_cold_known))
}

fn file_of<'a>(files: &'a [TestFile], case: &Case) -> Outcome<&'a TestFile> {
    match files.iter().find(|it| it.bytes == case.bytes()) {
        Some(file) => Ok(file),
        None => failed("a case has no file"),
    }
}

/// Before anything is measured: each way brings the file as it is.
fn check_ways(file: &TestFile) -> Outcome<()> {
    let expected = file.content()?;
    for way in WAYS {
        let sender = Sender::start(way, file.path(), 1, 1)?;
        receive_and_check(sender.port, &expected)?;
        sender.cost()?;
    }
    println!("  each of the {} ways brings the same bytes", WAYS.len());
    Ok(())
}

/// One round of one way. Returns also whether the kernel has confirmed that a cold file was cold.
pub(crate) fn measure(way: &dyn Way, case: &Case, file: &TestFile) -> Outcome<(Cost, bool)> {
    let mut is_known = true;
    if !case.is_cold {
        file.warm()?;
    }
    let sender = Sender::start(way, file.path(), case.receivers, case.transfers)?;
    let mut receiver_cpu_s = 0.0;
    for _ in 0..case.transfers {
        if case.is_cold {
            is_known &= file.chill()?;
        }
        let before = Usage::of_self()?;
        receive(sender.port, case.receivers, case.bytes())?;
        receiver_cpu_s += Usage::of_self()?.since(&before).cpu_s();
    }
    let cost = Cost { receiver_cpu_s, ..sender.cost()? };
    Ok((cost, is_known))
}

fn part(cases: &[Case; 7], measured: &Measured, is_cold_known: bool) -> Part {
    let [big, _, _, cold, _, _, eight] = cases.each_ref().map(Case::name);
    let tables = |case: &str| vec![measured.table(case, &TIMES), measured.table(case, &COUNTS)];
    let section = |name, what: &str, case: &str| Section {
        name,
        title: case.to_string(),
        tables: tables(case),
        charts: measured.charts(what, &[case]),
        remarks: Vec::new(),
    };
    let mut cold = section("cold", "From the disk", &cold);
    if !is_cold_known {
        let why =
            "whether the file was out of memory, this kernel cannot say (cachestat, Linux 6.5)";
        cold.remarks.push(why.to_string());
    }
    let article = Section {
        name: "article",
        title: "The article's sizes".to_string(),
        tables: vec![article(cases, measured)],
        ..Section::default()
    };
    let claims = Section {
        name: "claims",
        title: "What the post says, in figures".to_string(),
        tables: vec![claims(&big, measured)],
        ..Section::default()
    };
    Part {
        sections: vec![
            section("warm", "From memory", &big),
            claims,
            article,
            cold,
            section("eight", "From memory to eight receivers", &eight),
        ],
    }
}

/// The article's table, and what this machine says.
fn article(cases: &[Case], measured: &Measured) -> Table {
    let head = [
        "",
        "2008: read + write, ms",
        "2008: transferTo, ms",
        "2008: saved",
        "here: 4 KiB, ms",
        "here: 64 KiB, ms",
        "here: sendfile, ms",
        "saved, from 4 KiB",
        "saved, from 64 KiB",
    ];
    let mut lines = vec![head.map(ToString::to_string).to_vec()];
    for case in cases.iter().filter(|it| it.receivers == 1) {
        let ms = |way| measured.median(&case.name(), way, Cost::ms_per_transfer);
        let [small, fair, sendfile] = [SMALL_WAY, FAIR_WAY, SENDFILE].map(ms);
        let then = ARTICLE.iter().find(|it| it.0 == case.mb && !case.is_cold);
        lines.push(vec![
            case.name(),
            shown(then.map(|it| it.1)),
            shown(then.map(|it| it.2)),
            saved(then.map(|it| it.1), then.map(|it| it.2)),
            shown(small),
            shown(fair),
            shown(sendfile),
            saved(small, sendfile),
            saved(fair, sendfile),
        ]);
    }
    Table(lines)
}

fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_string(), number)
}

/// A share of time, in percent.
fn saved(before: Option<f64>, after: Option<f64>) -> String {
    before.zip(after).map_or_else(
        || "-".to_string(),
        |(before, after)| format!("{:.0} %", 100.0 * (1.0 - after / before)),
    )
}

/// How many times as much `sendfile` takes as `read` and `write` do.
fn claims(case: &str, measured: &Measured) -> Table {
    type Quantity = (&'static str, fn(&Cost) -> f64);
    let quantities: [Quantity; 7] = [
        ("time", |it| it.wall_s),
        ("CPU time of the sender", Cost::cpu_s),
        ("CPU time of both sides", |it| it.cpu_s() + it.receiver_cpu_s),
        ("copies by the sender's CPU, of each byte", |it| it.copied_bytes / it.bytes),
        ("mode switches", |it| 2.0 * it.calls),
        ("context switches, voluntary", |it| it.voluntary),
        ("context switches, involuntary", |it| it.involuntary),
    ];
    let head = [
        format!("{case}, read + write or sendfile"),
        "4 KiB".to_string(),
        "64 KiB".to_string(),
        SENDFILE.to_string(),
        "64 KiB over sendfile".to_string(),
    ];
    let mut lines = vec![head.to_vec()];
    for (what, of) in quantities {
        let of_way = |way| measured.median(case, way, of);
        let [small, fair, sendfile] = [SMALL_WAY, FAIR_WAY, SENDFILE].map(of_way);
        let ratio = match (fair, sendfile) {
            (Some(fair), Some(sendfile)) if sendfile > 0.0 => number(fair / sendfile),
            _ => "-".to_string(),
        };
        lines.push(vec![what.to_string(), shown(small), shown(fair), shown(sendfile), ratio]);
    }
    Table(lines)
}
