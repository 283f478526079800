//! The pages of figures, in both languages: each experiment has its part, between marks, and what a
//! person wrote round them stays.

use std::fs;
use std::path::{Path, PathBuf};

use crate::figure::{Findings, Goal, Unit, number};
use crate::machine::Machine;
use crate::outcome::{Outcome, failed};
use crate::plan::Plan;
use crate::report::chart::svg;
use crate::report::{Group, Report, with_spread};

/// Where `docs` lies.
pub const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const PAGES: [&str; 2] = ["docs/en/benchmarks.md", "docs/zh/benchmarks.md"];
const IMAGES: &str = "docs/img";

/// Writes what these experiments have found; parts of others stay as they are.
pub fn write(plan: &Plan, machine: &Machine, reports: &[Report]) -> Outcome<()> {
    let mut parts = vec![("machine", facts(machine))];
    for report in reports {
        let name = report.experiment.name;
        let images = draw(&format!("bench-{name}"), &report.findings)?;
        parts.push((name, part(plan, machine, &report.findings, &images)));
    }
    print(&PAGES, &parts)
}

/// Writes these parts, each of a name, into all of these pages.
pub fn print(pages: &[&str], parts: &[(&str, String)]) -> Outcome<()> {
    for page in pages {
        let path = Path::new(REPOSITORY).join(page);
        let mut text = fs::read_to_string(&path)?;
        for (name, part) in parts {
            text =
                printed_into(&text, name, part).or_else(|why| failed(format!("{page} {why}")))?;
        }
        fs::write(&path, text)?;
        println!("{page} is printed anew");
    }
    Ok(())
}

/// The page with this part between its marks.
fn printed_into(text: &str, name: &str, part: &str) -> Outcome<String> {
    let (start, end) = (format!("<!-- printed: {name} -->\n"), format!("<!-- end of {name} -->"));
    let Some((before, rest)) = text.split_once(&start) else {
        return failed(format!("lacks {start}"));
    };
    let Some((_, after)) = rest.split_once(&end) else { return failed(format!("lacks {end}")) };
    Ok(format!("{before}{start}\n{part}\n{end}{after}"))
}

/// The paths of the pictures, as a page names them, with their titles. Their files begin with `name`.
pub fn draw(name: &str, findings: &Findings) -> Outcome<Vec<(PathBuf, String)>> {
    let root = Path::new(REPOSITORY);
    fs::create_dir_all(root.join(IMAGES))?;
    let mut images = Vec::new();
    for (at, chart) in findings.charts.iter().enumerate() {
        let Some(picture) = svg(chart, findings) else { continue };
        let file = format!("{name}-{}.svg", at + 1);
        fs::write(root.join(IMAGES).join(&file), picture)?;
        images.push((Path::new("../img").join(file), chart.title.clone()));
    }
    Ok(images)
}

pub fn facts(machine: &Machine) -> String {
    let rows = machine.facts.iter().map(|(name, fact)| format!("| {name} | {fact} |"));
    let head = ["| | |".to_string(), "|---|---|".to_string()];
    head.into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

fn part(
    plan: &Plan,
    machine: &Machine,
    findings: &Findings,
    images: &[(PathBuf, String)],
) -> String {
    let form = if plan.is_short { ", the short form" } else { "" };
    let (date, commit) = (machine.fact("date"), machine.fact("commit"));
    let mut blocks = vec![format!("{date}, commit {commit}, {}{form}.", rounds(findings))];
    blocks.extend(images.iter().map(|(path, title)| format!("![{title}]({})", path.display())));
    for group in Group::all(findings) {
        blocks.extend(group.units.iter().map(|unit| table(&group, *unit, findings)));
    }
    if !findings.goals.is_empty() {
        blocks.push(goals(&findings.goals));
    }
    if !findings.remarks.is_empty() {
        let remarks = findings.remarks.iter().map(|remark| format!("- {remark}"));
        blocks.push(remarks.collect::<Vec<_>>().join("\n"));
    }
    blocks.join("\n\n")
}

/// As many as there were: what takes long has fewer.
fn rounds(findings: &Findings) -> String {
    let counts = || findings.figures.iter().map(|it| it.rounds.len());
    match (counts().min(), counts().max()) {
        (Some(least), Some(most)) if least < most => format!("rounds: {least} to {most}"),
        (least, _) => format!("rounds: {}", least.unwrap_or_default()),
    }
}

/// A line for each row, a column for each contestant.
fn table(group: &Group, unit: Unit, findings: &Findings) -> String {
    let peers = group.peers(findings);
    let head = format!("| {} | {} |", unit.symbol(), peers.join(" | "));
    let rule = format!("|---|{}", "---|".repeat(peers.len()));
    let rows = group.rows.iter().map(|row| {
        let cell = |peer: &String| {
            findings.figure(row, peer, unit).map_or_else(|| "-".to_string(), with_spread)
        };
        format!("| {row} | {} |", peers.iter().map(cell).collect::<Vec<_>>().join(" | "))
    });
    [head, rule].into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

fn goals(goals: &[Goal]) -> String {
    let row = |goal: &Goal| {
        let Goal { what, wanted, found, is_met } = goal;
        let verdict = if *is_met { "met" } else { "**missed**" };
        format!("| {what} | {wanted} | {} | {verdict} |", number(*found))
    };
    let head = ["| goal | wanted | found | |".to_string(), "|---|---|---|---|".to_string()];
    head.into_iter().chain(goals.iter().map(row)).collect::<Vec<_>>().join("\n")
}
