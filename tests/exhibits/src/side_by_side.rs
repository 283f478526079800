//! The fetch by `sendfile` and the same by read and write, in two columns.

use std::fmt::Write;

use crate::alignment::align;
use crate::session::Act;
use crate::story::{Row, Story};

const COLUMNS: usize = 73;

/// Two texts, line beside line.
pub(crate) fn beside(left: &str, right: &str) -> String {
    let (left, right): (Vec<&str>, Vec<&str>) = (left.lines().collect(), right.lines().collect());
    let line = |at: usize| {
        let of = |side: &[&str]| side.get(at).copied().unwrap_or_default().to_string();
        format!("{:COLUMNS$} | {}", of(&left), of(&right)).trim_end().to_string() + "\n"
    };
    (0..left.len().max(right.len())).map(line).collect()
}

/// The rows of the act `fetch`, those of the same step in one line where their order allows it.
pub(crate) fn fetches(sendfile: &Story, copy: &Story) -> String {
    let (left, right) = (rows_of(sendfile), rows_of(copy));
    let (left_keys, right_keys) = (keys(&left), keys(&right));
    let mut text = "== both: the fetch by sendfile, and by read and write\n\n".to_string();
    let head = format!("{:COLUMNS$} | {}", "step sendfile", "step copy");
    writeln!(text, "{head}").expect("a String takes all that is written");
    for (i, k) in align(&left_keys, &right_keys) {
        let cell = |rows: &[&Row], at: Option<usize>| at.map_or(String::new(), |at| cell(rows[at]));
        let line = format!("{:COLUMNS$} | {}", cell(&left, i), cell(&right, k));
        writeln!(text, "{}", line.trim_end()).expect("a String takes all that is written");
    }
    text
}

fn rows_of(story: &Story) -> Vec<&Row> {
    let scene = story.scenes.iter().find(|it| it.act == Act::Fetch);
    // Whether a thread had to be woken is chance.
    scene.map_or(Vec::new(), |it| it.rows.iter().filter(|row| row.call.name != "futex").collect())
}

fn keys<'a>(rows: &[&'a Row]) -> Vec<(Option<u8>, &'a str)> {
    rows.iter().map(|it| (it.explanation.and_then(|it| it.step), it.call.name.as_str())).collect()
}

fn cell(row: &Row) -> String {
    let step = row.explanation.and_then(|it| it.step).map_or("-".to_string(), |it| it.to_string());
    // Without what says nothing to whoever compares.
    let call = row.text.replace("MSG_NOSIGNAL|", "").replace(", MSG_NOSIGNAL", "");
    format!("{step:>4} {}", call.replace("post-0/..log", "..log"))
}
