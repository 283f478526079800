//! What two recordings of the same broker have in common: for each act and thread, which calls it
//! made at which step in which function, in the order in which each came first.
//!
//! How often is left out, since a slow consumer makes more of some of them. So are the calls that a
//! thread makes to sleep, to wake another or to ask for room, for one that is awake need not be woken;
//! but in the whole session each of them comes once at least.

use crate::alignment::align;
use crate::explanation::{EXPLANATIONS, canonical_name};

/// Calls that chance may add to an act or leave out.
const OF_CHANCE: [&str; 4] = ["epoll_wait", "write", "futex", "poll"];
/// Those of them that may not come in a whole session.
const NOT_CERTAIN: [&str; 2] = ["futex", "poll"];

/// A line for each: `fetch | Processor 2 | 18 sendfile PlaintextTransportLayer::transfer_from`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shape(Vec<String>);

/// What a row says.
struct Entry<'a> {
    thread: &'a str,
    name: &'a str,
    /// Step, call and function.
    call: String,
}

impl Shape {
    /// Of a recording as a page shows it.
    pub(crate) fn of(text: &str) -> Self {
        let (mut act, mut in_acts, mut in_session) = ("", Vec::new(), Vec::new());
        for line in text.lines() {
            if let Some(heading) = line.strip_prefix("== ") {
                act = heading.split(':').next().unwrap_or_default();
            } else if let Some(Entry { thread, name, call }) = entry(line) {
                if !OF_CHANCE.contains(&name) {
                    in_acts.push((format!("{act} | {thread}"), call));
                } else if !NOT_CERTAIN.contains(&name) {
                    let kind = thread.split(' ').next().unwrap_or_default();
                    in_session.push(format!("session | {kind} | {call}"));
                }
            }
        }
        in_session.sort();
        let mut lines = by_thread(&in_acts);
        lines.extend(in_session);
        Self(without_repeats(lines))
    }

    /// What this recording lacks, `-`, and what it has more, `+`. Empty if nothing.
    pub(crate) fn difference_to(&self, other: &Self) -> String {
        let rows = align(&other.0, &self.0).into_iter();
        let lines = rows.filter_map(|row| match row {
            (Some(i), None) => Some(format!("- {}\n", other.0[i])),
            (None, Some(k)) => Some(format!("+ {}\n", self.0[k])),
            _ => None,
        });
        lines.collect()
    }
}

/// One thread after another, since which of two comes first is chance; each in its own order.
fn by_thread(entries: &[(String, String)]) -> Vec<String> {
    let mut threads: Vec<&String> = entries.iter().map(|it| &it.0).collect();
    threads.sort();
    threads.dedup();
    let of_thread = |thread: &String| {
        let own = entries.iter().filter(|it| it.0 == *thread);
        own.map(|(thread, call)| format!("{thread} | {call}")).collect::<Vec<_>>()
    };
    threads.into_iter().flat_map(of_thread).collect()
}

fn without_repeats(lines: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for line in lines {
        if !kept.contains(&line) {
            kept.push(line);
        }
    }
    kept
}

/// Reads a row; one that stands for many, too: `10 x recvfrom, 98308 bytes`.
fn entry(line: &str) -> Option<Entry<'_>> {
    let (thread, rest) = (line.get(..11)?.trim_end(), line.get(11..)?);
    let mut functions = EXPLANATIONS.iter().map(|it| it.function);
    let function = functions.find(|it| rest.contains(&format!(" {it} ")))?;
    let mut words = rest.split_whitespace();
    let (step, call) = (words.next()?, words.next()?);
    let is_count = call.bytes().all(|it| it.is_ascii_digit());
    let call = if is_count { words.nth(1)? } else { call };
    let name = canonical_name(call.split(['(', ',']).next()?);
    // Which handler takes a request is chance; rows that stand for many are of the producer's
    // Processor, and do not name it.
    let thread = match thread {
        "Processor" => "Processor 1",
        _ if thread.starts_with("handler") => "handler",
        _ => thread,
    };
    Some(Entry { thread, name, call: format!("{step} {name} {function}") })
}
