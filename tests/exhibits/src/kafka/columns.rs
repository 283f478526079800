//! Two brokers side by side: for each step its name, and below it the calls of both.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::kafka::acts::{Placed, Request, Stage};
use crate::kafka::line::Thing;
use crate::kafka::steps::{CLOSE, title};
use crate::session::Act;

/// Of one side.
const SIDE_COLUMNS: usize = 80;
pub(crate) const ROLE_COLUMNS: usize = 10;
const MARGIN: &str = "    ";
/// Of calls of one kind in a row, all are shown up to so many.
const ALL_SHOWN_UP_TO: usize = 3;

/// Where a group of calls stands: of the way in, down or out, of which connection, in which round of
/// steps, at which step.
type Place = (Stage, Thing, usize, u8);

/// One act: `left` is Kafka's.
pub(crate) fn act_text(act: Act, left: &Request, right: &Request) -> String {
    let mut groups: BTreeMap<Place, [Vec<String>; 2]> = BTreeMap::new();
    for (side, request) in [left, right].into_iter().enumerate() {
        for (place, calls) in by_step(request) {
            groups.entry(place).or_default()[side] = lines(&calls);
        }
    }
    let mut text = String::new();
    for ((.., step), sides) in &groups {
        let number = if *step < CLOSE { format!("[{step}] ") } else { String::new() };
        put(&mut text, &format!("{number}{}", title(*step, act)));
        for row in 0..sides[0].len().max(sides[1].len()) {
            let side = |at: usize| sides[at].get(row).map_or("", |it| it);
            let line = format!("{MARGIN}{:SIDE_COLUMNS$}| {}", side(0), side(1));
            put(&mut text, line.trim_end_matches([' ', '|']));
        }
    }
    text
}

/// The calls at each step, in order. A response whose file has more behind it comes by a step twice.
fn by_step(request: &Request) -> Vec<(Place, Vec<&Placed>)> {
    let mut groups: Vec<(Place, Vec<&Placed>)> = Vec::new();
    for call in &request.0 {
        let (stage, lane, step) = (call.stage, lane(call), call.line.step);
        match groups.last_mut() {
            Some(((a, b, round, last), calls)) if (*a, *b) == (stage, lane) => {
                if *last == step {
                    calls.push(call);
                } else {
                    let round = *round + usize::from(step < *last);
                    groups.push(((stage, lane, round, step), vec![call]));
                }
            }
            _ => groups.push(((stage, lane, 0, step), vec![call])),
        }
    }
    groups
}

/// Handlers stand together, whatever they touch.
fn lane(call: &Placed) -> Thing {
    if call.stage == Stage::Down { Thing::Other } else { call.lane }
}

/// A line for each call, one for many of a kind in a row.
fn lines(calls: &[&Placed]) -> Vec<String> {
    let is_alike = |a: &&Placed, b: &&Placed| {
        (a.line.role, &a.line.call, a.thing) == (b.line.role, &b.line.call, b.thing)
    };
    let mut lines = Vec::new();
    for run in calls.chunk_by(is_alike) {
        if run.len() > ALL_SHOWN_UP_TO {
            lines.push(format!("{}, and {} more", line(run[0]), run.len() - 1));
            continue;
        }
        for same in run.chunk_by(|a, b| a.line.text == b.line.text) {
            let times =
                if same.len() > 1 { format!(", {} times", same.len()) } else { String::new() };
            lines.push(line(same[0]) + &times);
        }
    }
    lines
}

fn line(call: &Placed) -> String {
    format!("{:ROLE_COLUMNS$}{}", call.line.role.name(), call.line.text)
}

/// The names of both above their columns.
pub(crate) fn head(left: &str, right: &str) -> String {
    format!("{MARGIN}{left:SIDE_COLUMNS$}| {right}\n")
}

/// Both sides of a line of calls.
pub(crate) fn sides(line: &str) -> Option<[&str; 2]> {
    let line = line.strip_prefix(MARGIN)?;
    let (left, right) = line.split_at_checked(SIDE_COLUMNS).unwrap_or((line, ""));
    Some([left.trim_end(), right.trim_start_matches("| ")])
}

fn put(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a String takes all that is written");
}
