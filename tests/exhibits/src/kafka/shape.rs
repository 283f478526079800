//! What two recordings of the same brokers have in common: for each act and side, which thread makes
//! which call at which step. How often, in which order and with which bytes is left out: a JVM, and a
//! socket that fills up, change that from run to run.

use std::collections::BTreeSet;

use crate::kafka::columns::{ROLE_COLUMNS, sides};

/// What depends on who is awake: to wait, to wake and to be woken, to be muted before the response is
/// there. In the whole session each comes once at least, but for those of the second list.
const OF_CHANCE: [&str; 3] = ["epoll_wait", "epoll_ctl", "futex"];
const EVENTFD: &str = "(eventfd";
const NOT_CERTAIN: &str = "futex";
/// Before the second `sendfile` of a response, if there is one.
const BETWEEN_SENDFILES: (&str, [&str; 2]) = ("[18]", ["newfstatat", "epoll_wait"]);

/// `fetch | Kafka | processor [18] sendfile`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shape(BTreeSet<String>);

impl Shape {
    /// Of an exhibit with Kafka and this broker in its columns.
    pub(crate) fn of(text: &str) -> Self {
        Self::of_columns(text, ["Kafka", "transferto"])
    }

    /// Of an exhibit with these two in its columns.
    pub(crate) fn of_columns(text: &str, names: [&str; 2]) -> Self {
        let (mut act, mut step) = ("", "");
        let mut shape = BTreeSet::new();
        for line in text.lines() {
            if let Some(heading) = line.strip_prefix("== ") {
                act = heading.split(':').next().unwrap_or_default();
                step = "";
            } else if line.starts_with('[') || line == CLOSE {
                step = line.split(' ').next().unwrap_or_default();
            } else if let (false, Some(sides)) = (step.is_empty(), sides(line)) {
                for (side, call) in names.iter().zip(sides) {
                    shape.extend(entry(act, side, step, call));
                }
            }
        }
        Self(shape)
    }

    /// What this one lacks, `-`, and what it has more, `+`. Empty if nothing.
    pub(crate) fn difference_to(&self, kept: &Self) -> String {
        let lacks = kept.0.difference(&self.0).map(|it| format!("- {it}\n"));
        let has = self.0.difference(&kept.0).map(|it| format!("+ {it}\n"));
        lacks.chain(has).collect()
    }
}

/// The name of the step that has no number.
const CLOSE: &str = "Selector.close";

fn entry(act: &str, side: &str, step: &str, call: &str) -> Option<String> {
    let (role, call) = call.split_at_checked(ROLE_COLUMNS)?;
    let role = role.trim_end();
    // A line without arguments is of how many more there were.
    let (name, _) = call.split_once('(')?;
    let is_of_chance = OF_CHANCE.contains(&name) || call.contains(EVENTFD);
    let (last_step, between) = BETWEEN_SENDFILES;
    match name {
        "" | NOT_CERTAIN => None,
        _ if step == last_step && between.contains(&name) => None,
        _ if is_of_chance => Some(format!("session | {side} | {role} {step} {name}")),
        _ => Some(format!("{act} | {side} | {role} {step} {name}")),
    }
}
