//! The tables of an experiment for a terminal.

use crate::figure::{Findings, Goal, Unit, number};
use crate::report::{Group, with_spread};

/// A line for each contestant in each row, one for each goal, one for each remark.
pub fn text(findings: &Findings) -> String {
    let mut lines = Vec::new();
    for group in Group::all(findings) {
        match group.units[..] {
            [unit] => lines.extend(aligned(&one_unit(&group, unit, findings))),
            _ => lines.extend(aligned(&many_units(&group, findings))),
        }
    }
    lines.extend(findings.goals.iter().map(goal_line));
    lines.extend(findings.remarks.iter().map(|remark| format!("  remark: {remark}")));
    lines.join("\n")
}

/// A line for each row, a column for each contestant.
fn one_unit(group: &Group, unit: Unit, findings: &Findings) -> Vec<Vec<String>> {
    let peers = group.peers(findings);
    let head = [unit.symbol().to_string()].into_iter().chain(peers.clone()).collect();
    let line = |row: &String| {
        let cell =
            |peer: &String| findings.figure(row, peer, unit).map_or("-".to_string(), with_spread);
        [row.clone()].into_iter().chain(peers.iter().map(cell)).collect()
    };
    [head].into_iter().chain(group.rows.iter().map(line)).collect()
}

/// A line for each contestant of each row, a column for each unit.
fn many_units(group: &Group, findings: &Findings) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    for row in &group.rows {
        lines.push(vec![row.clone()]);
        for peer in group.peers(findings) {
            let cell = |unit: &Unit| {
                let figure = findings.figure(row, &peer, *unit)?;
                Some(format!("{} {}", with_spread(figure), unit.symbol()))
            };
            let cells: Vec<String> = group.units.iter().filter_map(cell).collect();
            if !cells.is_empty() {
                lines.push([format!("  {peer}")].into_iter().chain(cells).collect());
            }
        }
    }
    lines
}

/// The columns below each other. A line of one cell is a heading, and makes no column wide.
fn aligned(lines: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        let columns = lines.iter().filter(|it| it.len() > 1).filter_map(|it| it.get(column));
        columns.map(|it| it.chars().count()).max().unwrap_or_default()
    };
    let line = |cells: &Vec<String>| {
        let cells = cells.iter().enumerate().map(|(at, cell)| format!("{cell:<0$}", width(at)));
        format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_string()
    };
    lines.iter().map(line).collect()
}

fn goal_line(goal: &Goal) -> String {
    let Goal { what, wanted, found, is_met } = goal;
    let verdict = if *is_met { "met   " } else { "MISSED" };
    format!("  {verdict} {what}: {}, wanted {wanted}", number(*found))
}
