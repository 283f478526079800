//! The tables of an experiment for a terminal.

use crate::figure::{Findings, Goal, number};
use crate::report::{Group, with_spread};

const CELL_WIDTH: usize = 34;

/// A line for each contestant in each row, one for each goal, one for each remark.
pub(crate) fn text(findings: &Findings) -> String {
    let mut lines = Vec::new();
    for group in Group::all(findings) {
        lines.extend(group_lines(&group, findings));
    }
    lines.extend(findings.goals.iter().map(goal_line));
    lines.extend(findings.remarks.iter().map(|remark| format!("  remark: {remark}")));
    lines.join("\n")
}

fn group_lines(group: &Group, findings: &Findings) -> Vec<String> {
    let peers = group.peers(findings);
    let width = peers.iter().map(|it| it.chars().count()).max().unwrap_or_default();
    let mut lines = Vec::new();
    for row in &group.rows {
        lines.push(format!("  {row}"));
        for peer in &peers {
            let cells = group.units.iter().filter_map(|unit| {
                let figure = findings.figure(row, peer, *unit)?;
                let cell = format!("{} {}", with_spread(figure), unit.symbol());
                Some(format!("{cell:<CELL_WIDTH$}"))
            });
            let cells: String = cells.collect();
            if !cells.is_empty() {
                lines.push(format!("    {peer:<width$}  {}", cells.trim_end()));
            }
        }
    }
    lines
}

fn goal_line(goal: &Goal) -> String {
    let Goal { what, wanted, found, is_met } = goal;
    let verdict = if *is_met { "met   " } else { "MISSED" };
    format!("  {verdict} {what}: {}, wanted {wanted}", number(*found))
}
