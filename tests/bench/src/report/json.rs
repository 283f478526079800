//! The findings for a program that compares runs: `results.json`.

use crate::figure::{Figure, Findings, Goal};
use crate::machine::Machine;
use crate::report::Report;

/// All that was measured, every round of it.
pub fn json(machine: &Machine, reports: &[Report]) -> String {
    let facts = machine.facts.iter().map(|(name, fact)| format!("{}:{}", text(name), text(fact)));
    let reports = reports.iter().map(|report| {
        let name = text(report.experiment.name);
        format!("{}:{}", name, experiment(&report.findings))
    });
    format!("{{\"machine\":{{{}}},\n\"experiments\":{{\n{}}}}}\n", list(facts), lines(reports))
}

fn experiment(findings: &Findings) -> String {
    format!(
        "{{\"figures\":[\n{}],\n\"goals\":[\n{}],\n\"remarks\":[{}]}}",
        lines(findings.figures.iter().map(figure)),
        lines(findings.goals.iter().map(goal)),
        list(findings.remarks.iter().map(|remark| text(remark)))
    )
}

fn figure(figure: &Figure) -> String {
    format!(
        "{{\"row\":{},\"peer\":{},\"unit\":{},\"rounds\":[{}]}}",
        text(&figure.row),
        text(&figure.peer),
        text(figure.unit.symbol()),
        list(figure.rounds.iter().map(|value| number(*value)))
    )
}

fn goal(goal: &Goal) -> String {
    format!(
        "{{\"what\":{},\"wanted\":{},\"found\":{},\"met\":{}}}",
        text(&goal.what),
        text(&goal.wanted),
        number(goal.found),
        goal.is_met
    )
}

/// JSON has no word for what is no number.
fn number(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { "null".to_string() }
}

fn text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

fn list(all: impl Iterator<Item = String>) -> String {
    all.collect::<Vec<_>>().join(",")
}

fn lines(all: impl Iterator<Item = String>) -> String {
    all.collect::<Vec<_>>().join(",\n")
}
