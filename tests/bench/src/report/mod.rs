//! What is made of the findings: lines for a terminal, parts of a page with its pictures, a file for
//! programs.

use crate::experiments::Experiment;
use crate::figure::{Figure, Findings, Unit, number};

pub mod text;
pub mod svg;
pub mod chart;
pub mod page;
pub mod figures_file;
pub mod json;

/// An experiment that has run.
pub struct Report {
    pub experiment: &'static Experiment,
    pub findings: Findings,
}

/// A median, and in brackets the least and the greatest.
pub fn with_spread(figure: &Figure) -> String {
    let (least, greatest) = figure.spread();
    let (median, least, greatest) = (number(figure.median()), number(least), number(greatest));
    if least == greatest { median } else { format!("{median} ({least} to {greatest})") }
}

/// The rows that are measured in the same units: a table.
pub struct Group {
    pub units: Vec<Unit>,
    pub rows: Vec<String>,
}

impl Group {
    /// In the order in which they were measured.
    pub fn all(findings: &Findings) -> Vec<Self> {
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
    pub fn peers(&self, findings: &Findings) -> Vec<String> {
        let own = findings.figures.iter().filter(|it| self.rows.contains(&it.row));
        distinct(own.map(|it| it.peer.clone()))
    }
}

/// Each once, where it first stands.
pub fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for one in all {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}
