//! What a person sees when an experiment has ended: a line for each contestant, a line for each goal.

use crate::figure::{Figure, Findings, Goal, Unit, number};

/// The tables of one experiment, for a terminal.
pub(crate) fn text(findings: &Findings) -> String {
    let mut lines = Vec::new();
    for group in Group::all(findings) {
        lines.extend(group.lines(findings));
    }
    lines.extend(findings.goals.iter().map(goal_line));
    lines.extend(findings.remarks.iter().map(|remark| format!("  remark: {remark}")));
    lines.join("\n")
}

/// How a goal was met, in a line of text.
fn goal_line(goal: &Goal) -> String {
    let Goal { what, wanted, found, is_met } = goal;
    let verdict = if *is_met { "met   " } else { "MISSED" };
    format!("  {verdict} {what}: {} wanted {wanted}", number(*found))
}

/// A median, and in brackets the least and the greatest.
pub(crate) fn with_spread(figure: &Figure) -> String {
    let (least, greatest) = figure.spread();
    let median = number(figure.median());
    if least == greatest {
        return median;
    }
    format!("{median} ({} to {})", number(least), number(greatest))
}

/// The rows that are measured in the same units.
pub(crate) struct Group {
    pub(crate) units: Vec<Unit>,
    pub(crate) rows: Vec<String>,
}

impl Group {
    /// In the order in which they were measured.
    pub(crate) fn all(findings: &Findings) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for row in distinct(findings.figures.iter().map(|it| it.row.clone())) {
            let of_row = findings.figures.iter().filter(|it| it.row == row);
            let units = distinct(of_row.map(|it| it.unit));
            match groups.iter_mut().find(|group| group.units == units) {
                Some(group) => group.rows.push(row),
                None => groups.push(Self { units, rows: vec![row] }),
            }
        }
        groups
    }

    /// Of all its rows.
    pub(crate) fn peers(&self, findings: &Findings) -> Vec<String> {
        let own = findings.figures.iter().filter(|it| self.rows.contains(&it.row));
        distinct(own.map(|it| it.peer.clone()))
    }

    fn lines(&self, findings: &Findings) -> Vec<String> {
        let peers = self.peers(findings);
        let width = peers.iter().map(|it| it.chars().count()).max().unwrap_or_default();
        let mut lines = Vec::new();
        for row in &self.rows {
            lines.push(format!("  {row}"));
            for peer in &peers {
                let cells = self.units.iter().filter_map(|unit| {
                    let figure = findings.figure(row, peer, *unit)?;
                    Some(format!("{} {}", with_spread(figure), unit.symbol()))
                });
                let cells: Vec<_> = cells.map(|it| format!("{:<34}", it.trim_end())).collect();
                if !cells.is_empty() {
                    lines.push(format!("    {peer:<width$}  {}", cells.concat().trim_end()));
                }
            }
        }
        lines
    }
}

/// Each once, where it first stands.
pub(crate) fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for one in all {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}
