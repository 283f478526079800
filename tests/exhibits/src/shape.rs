//! What two recordings of the same broker have in common: for each act and thread, which calls it
//! made at which step in which function, in the order in which each came first.
//!
//! How often is left out, since a slow consumer makes more of some of them; so are futex and poll,
//! since a thread that is awake need not be woken, and a socket that has room need not be asked.

use crate::alignment::align;
use crate::explanation::{EXPLANATIONS, canonical_name};

/// Calls that chance may add or leave out.
const OF_CHANCE: [&str; 2] = ["futex", "poll"];

/// A line for each: `fetch | Processor 2 | 18 sendfile PlaintextTransportLayer::transfer_from`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shape(Vec<String>);

impl Shape {
    /// Of a recording as a page shows it.
    pub(crate) fn of(text: &str) -> Self {
        let (mut act, mut lines) = ("", Vec::<(String, String)>::new());
        for line in text.lines() {
            if let Some(heading) = line.strip_prefix("== ") {
                act = heading.split(':').next().unwrap_or_default();
            } else if let Some((thread, call)) = entry(line) {
                let entry = (format!("{act} | {thread}"), call);
                if !lines.contains(&entry) {
                    lines.push(entry);
                }
            }
        }
        let mut threads: Vec<String> = Vec::new();
        for (thread, _) in &lines {
            if !threads.contains(thread) {
                threads.push(thread.clone());
            }
        }
        let of_thread = |thread: &String| {
            let own = lines.iter().filter(|it| it.0 == *thread);
            own.map(|(thread, call)| format!("{thread} | {call}")).collect::<Vec<_>>()
        };
        // By thread, since which of two threads comes first is chance.
        threads.sort();
        Self(threads.iter().flat_map(of_thread).collect())
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

/// The thread, and step, call and function, of a row; of a row that stands for many, too.
fn entry(line: &str) -> Option<(&str, String)> {
    let (thread, rest) = (line.get(..11)?.trim_end(), line.get(11..)?);
    let function = EXPLANATIONS.iter().map(|it| it.function);
    let function =
        function.filter(|it| rest.contains(&format!(" {it} "))).max_by_key(|it| it.len())?;
    let mut words = rest.split_whitespace();
    let (step, call) = (words.next()?, words.next()?);
    // `10 x recvfrom, 98308 bytes`
    let is_count = call.bytes().all(|it| it.is_ascii_digit());
    let call = if is_count { words.nth(1)? } else { call };
    let name = canonical_name(call.split(['(', ',']).next()?);
    if OF_CHANCE.contains(&name) {
        return None;
    }
    // Which handler takes a request is chance, and many rows name no Processor.
    let thread = if thread.starts_with("handler") { "handler" } else { thread };
    let thread = if thread == "Processor" { "Processor 1" } else { thread };
    Some((thread, format!("{step} {name} {function}")))
}
