//! Two brokers side by side: for each step its name, and below it the calls of both.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::kafka::acts::{Placed, Request, Stage};
use crate::kafka::jvm_threads::Role;
use crate::kafka::line::Thing;
use crate::kafka::steps::{CLOSE, UNMUTE, title};
use crate::session::Act;

/// Of one side.
const SIDE_COLUMNS: usize = 80;
pub(crate) const ROLE_COLUMNS: usize = 10;
const MARGIN: &str = "    ";
/// Of calls of one kind in a row, all are shown up to so many.
const ALL_SHOWN_UP_TO: usize = 3;

const LAST_ROUND: usize = 100;

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
                    let next = *round + usize::from(step < *last);
                    // The end of a request stands behind all that the other side has done for it.
                    let round = if step == UNMUTE { LAST_ROUND } else { next };
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

/// A line for each call, one for many of a kind in a row, and one for many rounds of the same kinds.
fn lines(calls: &[&Placed]) -> Vec<String> {
    let is_alike = |a: &&Placed, b: &&Placed| kind(a) == kind(b);
    let runs: Vec<&[&Placed]> = calls.chunk_by(is_alike).collect();
    let (mut lines, mut at) = (Vec::new(), 0);
    while at < runs.len() {
        let rounds = Rounds::at_the_start_of(&runs[at..]);
        lines.extend(runs[at..at + rounds.period].iter().flat_map(|it| lines_of_run(it)));
        if rounds.count > 1 {
            let more = &runs[at + rounds.period..at + rounds.period * rounds.count];
            lines.push(and_more(&more.concat()));
        }
        at += rounds.period * rounds.count;
    }
    lines
}

/// Calls of as many kinds as `period`, again and again, such as a read and the writes of what it read.
struct Rounds {
    period: usize,
    count: usize,
}

impl Rounds {
    const PERIOD_MAX: usize = 3;

    /// One run by itself, unless there are more rounds than are all shown.
    fn at_the_start_of(runs: &[&[&Placed]]) -> Self {
        let count_of = |period: usize| {
            let is_as_first = |round: &&[&[&Placed]]| {
                round.iter().zip(runs).all(|(a, b)| kind(a[0]) == kind(b[0]))
            };
            runs.chunks_exact(period).take_while(is_as_first).count()
        };
        let rounds = (2..=Self::PERIOD_MAX).map(|period| Self { period, count: count_of(period) });
        let mut repeated = rounds.filter(|it| it.count > ALL_SHOWN_UP_TO);
        repeated.next().unwrap_or(Self { period: 1, count: 1 })
    }
}

fn kind(call: &Placed) -> (Role, &str, Thing) {
    (call.line.role, &call.line.call, call.thing)
}

fn lines_of_run(run: &[&Placed]) -> Vec<String> {
    if run.len() > ALL_SHOWN_UP_TO {
        return vec![format!("{}, and {} more", line(run[0]), run.len() - 1)];
    }
    let of_same = |same: &[&Placed]| {
        let times = if same.len() > 1 { format!(", {} times", same.len()) } else { String::new() };
        line(same[0]) + &times
    };
    run.chunk_by(|a, b| a.line.text == b.line.text).map(of_same).collect()
}

/// `processor and 21 pread64 more, 667736 bytes, 61 write more, 670055 bytes`
fn and_more(calls: &[&Placed]) -> String {
    let mut sums: Vec<(&str, usize, i64)> = Vec::new();
    for call in calls {
        let (name, result) = (call.line.call.as_str(), call.line.text.rsplit("= ").next());
        let bytes: i64 = result.and_then(|it| it.parse().ok()).unwrap_or_default();
        match sums.iter_mut().find(|it| it.0 == name) {
            Some((_, count, sum)) => (*count, *sum) = (*count + 1, *sum + bytes),
            None => sums.push((name, 1, bytes)),
        }
    }
    let words = sums.iter().map(|(name, count, sum)| format!("{count} {name} more, {sum} bytes"));
    let role = calls.first().map_or("", |it| it.line.role.name());
    format!("{role:ROLE_COLUMNS$}and {}", words.collect::<Vec<_>>().join(", "))
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
