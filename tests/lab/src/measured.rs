//! What was measured, round by round, and tables and pictures of it.

use bench::figure::{Chart, Figure, Findings, Unit, number};
use bench::report::with_spread;

use crate::cost::Cost;

/// All rounds of one way in one case.
struct Entry {
    case: String,
    way: String,
    costs: Vec<Cost>,
}

/// All that was measured.
#[derive(Default)]
pub(crate) struct Measured(Vec<Entry>);

impl Measured {
    /// Adds a round.
    pub(crate) fn add(&mut self, case: &str, way: &str, cost: Cost) {
        match self.0.iter_mut().find(|it| it.case == case && it.way == way) {
            Some(entry) => entry.costs.push(cost),
            None => self.0.push(Entry {
                case: case.to_string(),
                way: way.to_string(),
                costs: vec![cost],
            }),
        }
    }

    /// The rounds of one quantity; nothing if it was not measured.
    fn figure(&self, case: &str, way: &str, of: fn(&Cost) -> f64) -> Option<Figure> {
        let entry = self.0.iter().find(|it| it.case == case && it.way == way)?;
        let rounds = entry.costs.iter().map(of).collect();
        // A table says the unit above its columns.
        Some(Figure { row: case.to_string(), peer: way.to_string(), unit: Unit::Count, rounds })
    }

    pub(crate) fn median(&self, case: &str, way: &str, of: fn(&Cost) -> f64) -> Option<f64> {
        self.figure(case, way, of).map(|it| it.median())
    }

    /// A line for each way of a case.
    pub(crate) fn table(&self, case: &str, columns: &[Column]) -> Table {
        let heads = columns.iter().map(|it| it.head.to_string());
        let mut table = Table(vec![[String::new()].into_iter().chain(heads).collect()]);
        for entry in self.0.iter().filter(|it| it.case == case) {
            let cell = |column: &Column| {
                let figure = self.figure(case, &entry.way, column.of);
                figure.map_or_else(|| "-".to_string(), |it| column.cell(&it))
            };
            table.0.push([entry.way.clone()].into_iter().chain(columns.iter().map(cell)).collect());
        }
        table
    }

    /// Two pictures of these cases: how fast, and what the sender's CPU had to do for it.
    pub(crate) fn charts(&self, what: &str, cases: &[&str]) -> Findings {
        let mut findings = Findings::default();
        for entry in self.0.iter().filter(|it| cases.contains(&it.case.as_str())) {
            for cost in &entry.costs {
                let mut add = |unit, value| findings.add(&entry.case, &entry.way, unit, value);
                add(Unit::GbPerSecond, cost.gb_per_second());
                add(Unit::CpuSecondsPerGb, cost.per_gb(cost.cpu_s()));
            }
        }
        let rows: Vec<String> = cases.iter().map(ToString::to_string).collect();
        let chart = |title: &str, unit| Chart {
            title: format!("{what}, {title}"),
            unit,
            rows: rows.clone(),
        };
        findings.charts = vec![
            chart("rate", Unit::GbPerSecond),
            chart("CPU time of the sender", Unit::CpuSecondsPerGb),
        ];
        findings
    }
}

/// One quantity of a table.
pub(crate) struct Column {
    head: &'static str,
    of: fn(&Cost) -> f64,
    /// Whether the least and the greatest round are shown.
    has_spread: bool,
}

impl Column {
    fn cell(&self, figure: &Figure) -> String {
        if self.has_spread { with_spread(figure) } else { number(figure.median()) }
    }
}

const fn spread(head: &'static str, of: fn(&Cost) -> f64) -> Column {
    Column { head, of, has_spread: true }
}

const fn median(head: &'static str, of: fn(&Cost) -> f64) -> Column {
    Column { head, of, has_spread: false }
}

/// How long it took, and whom.
pub(crate) const TIMES: [Column; 5] = [
    spread("GB/s", Cost::gb_per_second),
    spread("sender, CPU-s/GB", |it| it.per_gb(it.cpu_s())),
    median("of it user", |it| it.per_gb(it.user_s)),
    median("of it system", |it| it.per_gb(it.system_s)),
    median("receiver, CPU-s/GB", |it| it.per_gb(it.receiver_cpu_s)),
];

/// What the sender did for a gigabyte.
pub(crate) const COUNTS: [Column; 7] = [
    median("system calls", |it| it.per_gb(it.calls)),
    median("mode switches", |it| 2.0 * it.per_gb(it.calls)),
    median("copies of each byte", |it| it.copied_bytes / it.bytes),
    spread("context switches, voluntary", |it| it.per_gb(it.voluntary)),
    spread("involuntary", |it| it.per_gb(it.involuntary)),
    median("page faults, minor", |it| it.per_gb(it.minor_faults)),
    median("major", |it| it.per_gb(it.major_faults)),
];

/// The same of a broker, whose calls it does not count itself.
pub(crate) const BROKER_COUNTS: [Column; 5] = [
    median("copies of each byte", |it| it.copied_bytes / it.bytes),
    spread("context switches, voluntary", |it| it.per_gb(it.voluntary)),
    spread("involuntary", |it| it.per_gb(it.involuntary)),
    median("page faults, minor", |it| it.per_gb(it.minor_faults)),
    median("major", |it| it.per_gb(it.major_faults)),
];

/// Cells; the first line is the head.
pub(crate) struct Table(pub(crate) Vec<Vec<String>>);

impl Table {
    /// For a page.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &Vec<String>| format!("| {} |", cells.join(" | "));
        let mut lines: Vec<String> = self.0.iter().map(line).collect();
        let columns = self.0.first().map_or(0, Vec::len);
        lines.insert(1, format!("|{}", "---|".repeat(columns)));
        lines.join("\n")
    }

    /// Each cell as `sendfile.mode_switches`, after its line and its column, without its spread.
    pub(crate) fn figures(&self) -> Vec<(String, String)> {
        let Some((head, lines)) = self.0.split_first() else { return Vec::new() };
        let mut figures = Vec::new();
        for line in lines {
            for (column, cell) in head.iter().zip(line).skip(1) {
                let value = cell.split(" (").next().unwrap_or_default();
                figures.push((format!("{}.{}", slug(&line[0]), slug(column)), value.to_string()));
            }
        }
        figures
    }

    /// For a terminal.
    pub(crate) fn text(&self) -> String {
        let width = |column: usize| {
            let cells = self.0.iter().filter_map(|it| it.get(column));
            cells.map(|it| it.chars().count()).max().unwrap_or_default()
        };
        let line = |cells: &Vec<String>| {
            let cells = cells.iter().enumerate().map(|(at, it)| format!("{it:<0$}", width(at)));
            format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_string()
        };
        self.0.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// `read + write, 4 KiB` as `read_write_4_kib`.
fn slug(text: &str) -> String {
    let words = text.split(|it: char| !it.is_ascii_alphanumeric()).filter(|it| !it.is_empty());
    words.collect::<Vec<_>>().join("_").to_lowercase()
}
